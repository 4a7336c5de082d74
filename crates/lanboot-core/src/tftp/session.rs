//! State machine that sends one file to one machine: datagrams and time in, datagrams out. It never
//! sees the file, only its length.

use std::time::{Duration, Instant};

use super::limits::Limits;
use super::reason::IgnoreReason;
use super::wire::{ErrorCode, Failure, Options, Packet};

/// Block size without negotiation (RFC 1350 §2).
const DEFAULT_BLKSIZE: u16 = 512;
/// Bytes of a packet besides the block: IPv4 and UDP headers, and the four bytes before the data.
const HEADERS: u32 = 20 + 8 + 4;
/// Round trips to wait before retransmission, so that a busy moment is not mistaken for a loss.
const ROUND_TRIPS: u32 = 8;

/// Next action of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this datagram.
    Send(Vec<u8>),
    /// Send these blocks of the file.
    SendBlocks(Blocks),
    /// Do nothing, for this reason.
    Wait(IgnoreReason),
    /// The transfer is over.
    Done(Finish),
}

/// Consecutive blocks of the file. All have the negotiated size except the file's last one, which
/// is shorter and may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Number of the first block, counted from 1 without wrapping.
    pub first: u64,
    /// Number of blocks, at least one.
    pub count: u16,
    /// Offset of the first block's data in the file, in bytes.
    pub offset: u64,
    /// Bytes of data in all of them.
    pub len: u64,
}

/// Outcome of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The machine confirmed the last block.
    Complete,
    /// All blocks before the last window are confirmed, then the machine went silent. Many loaders
    /// start the loaded program without a last ACK, or that ACK was lost.
    Unconfirmed,
    /// The machine only requested the length (ERROR 8 after OACK).
    SizeProbe,
    /// The machine aborted.
    Refused {
        /// Its error code.
        code: ErrorCode,
        /// Its message in printable form.
        text: String,
    },
    /// No answer after all retransmissions.
    Vanished {
        /// Number of times the last datagrams were sent.
        tries: u32,
    },
    /// The machine's port is closed (ICMP port unreachable).
    Unreachable,
}

impl Finish {
    /// Returns whether the machine has what it requested.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Complete | Self::Unconfirmed | Self::SizeProbe)
    }
}

reason_codes!(Finish {
    Self::Complete => "complete",
    Self::Unconfirmed => "complete_unconfirmed",
    Self::SizeProbe => "size_probe",
    Self::Refused { .. } => "client_gave_up",
    Self::Vanished { .. } => "no_answer",
    Self::Unreachable => "port_closed",
});

impl std::fmt::Display for Finish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Unconfirmed => f.write_str("complete, without the last ACK"),
            Self::SizeProbe => f.write_str("the machine only asked for the size"),
            Self::Refused { code, text } => write!(f, "the machine gave up: {code} \"{text}\""),
            Self::Vanished { tries } => write!(f, "no answer after {tries} tries"),
            Self::Unreachable => f.write_str("the machine closed its port"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// OACK sent; ACK 0 starts the data.
    Agreeing,
    Sending,
    Over,
}

/// A transfer of one file to one machine.
#[derive(Clone, Debug)]
pub struct Transfer {
    phase: Phase,
    /// The OACK; empty if no option was accepted.
    option_ack: Vec<u8>,
    asked_size: bool,
    len: u64,
    blksize: u16,
    windowsize: u16,
    /// Number of the file's last block.
    last: u64,
    /// Last confirmed block.
    confirmed: u64,
    /// Last block in flight.
    sent: u64,
    /// True once the machine has answered.
    heard: bool,
    /// Blocks retransmitted.
    retransmits: u32,
    /// Number of times the last datagrams were sent without an answer.
    tries: u32,
    max_tries: u32,
    first_tries: u32,
    patience: Duration,
    /// Smoothed round trip; `None` until measured, and with a negotiated `timeout`.
    round_trip: Option<Duration>,
    /// Wait before the first retransmission, its bounds, and the limit of doubling.
    wait: Duration,
    shortest_wait: Duration,
    first_wait: Duration,
    longest_wait: Duration,
    agreed_timeout: bool,
    /// First time the blocks in flight were sent.
    sent_at: Instant,
    deadline: Instant,
}

impl Transfer {
    /// Answers a read request for a file of `len` bytes, and returns the first action.
    ///
    /// `mtu` is the largest IPv4 packet towards the machine, in bytes: the block size is kept below
    /// it, since option ROMs cannot reassemble fragments. `None` allows fragmentation.
    pub fn new(
        asked: &Options,
        len: u64,
        mtu: Option<u32>,
        limits: &Limits,
        now: Instant,
    ) -> (Self, Action) {
        let agreed = agree(asked, len, mtu, limits);
        let blksize = short(agreed.blksize).unwrap_or(DEFAULT_BLKSIZE);
        let option_ack = if agreed.is_empty() {
            Vec::new()
        } else {
            Packet::OptionAck(agreed).emit()
        };
        let mut transfer = Self {
            phase: Phase::Agreeing,
            asked_size: asked.tsize.is_some(),
            len,
            blksize,
            windowsize: short(agreed.windowsize).unwrap_or(1),
            // RFC 1350 §6: a short block ends the file, so a multiple of the size ends with an
            // empty one.
            last: len / u64::from(blksize) + 1,
            confirmed: 0,
            sent: 0,
            heard: false,
            retransmits: 0,
            tries: 1,
            max_tries: limits.tries.max(1),
            first_tries: limits.first_tries.max(1),
            patience: limits.patience,
            round_trip: None,
            wait: agreed
                .timeout
                .map_or(limits.first_wait, Duration::from_secs),
            shortest_wait: limits.shortest_wait.min(limits.first_wait),
            first_wait: limits.first_wait,
            longest_wait: limits.longest_wait,
            agreed_timeout: agreed.timeout.is_some(),
            sent_at: now,
            deadline: now,
            option_ack,
        };
        let step = if transfer.option_ack.is_empty() {
            transfer.phase = Phase::Sending;
            transfer.next_window(now)
        } else {
            transfer.deadline = now + transfer.wait;
            Action::Send(transfer.option_ack.clone())
        };
        (transfer, step)
    }

    /// Handles a datagram from the machine.
    pub fn on_packet(&mut self, datagram: &[u8], now: Instant) -> Action {
        if self.phase == Phase::Over {
            return Action::Wait(IgnoreReason::Over);
        }
        match Packet::parse(datagram) {
            Ok(Packet::Ack(block)) => self.on_ack(block, now),
            Ok(Packet::Error(failure)) => self.on_error(&failure),
            Ok(_) => Action::Wait(IgnoreReason::Unexpected),
            Err(bad) => Action::Wait(IgnoreReason::Bad(bad)),
        }
    }

    /// Retransmits unanswered datagrams once [`Self::deadline`] has passed.
    pub fn on_timeout(&mut self, now: Instant) -> Action {
        if self.phase == Phase::Over {
            return Action::Wait(IgnoreReason::Over);
        }
        if now < self.deadline {
            return Action::Wait(IgnoreReason::NotDue);
        }
        // After short round trips the tries alone would be over within 13 s.
        let silent = now.saturating_duration_since(self.sent_at);
        let is_gone = match self.heard {
            true => self.tries >= self.max_tries,
            false => self.tries >= self.first_tries,
        };
        if is_gone && (!self.heard || silent >= self.patience || self.is_at_the_end()) {
            let tries = self.tries;
            return self.finish_or(Finish::Vanished { tries });
        }
        let doubled = self.wait.saturating_mul(1 << self.tries.min(16));
        self.deadline = now + doubled.min(self.longest_wait).max(self.wait);
        self.tries += 1;
        if self.phase == Phase::Agreeing {
            return Action::Send(self.option_ack.clone());
        }
        let blocks = self.blocks();
        self.retransmits = self.retransmits.saturating_add(u32::from(blocks.count));
        Action::SendBlocks(blocks)
    }

    /// Handles an ICMP port unreachable from the machine.
    pub fn on_unreachable(&mut self) -> Action {
        match self.phase {
            Phase::Over => Action::Wait(IgnoreReason::Over),
            // The answer to a size probe came so late that the machine closed its port.
            Phase::Agreeing if self.asked_size => self.finish(Finish::SizeProbe),
            Phase::Agreeing | Phase::Sending => self.finish_or(Finish::Unreachable),
        }
    }

    /// Returns the time [`Self::on_timeout`] is due. It moves only when something was sent.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the bytes of data in every block but the last.
    pub fn blksize(&self) -> u16 {
        self.blksize
    }

    /// Returns the blocks sent before an ACK.
    pub fn windowsize(&self) -> u16 {
        self.windowsize
    }

    /// Returns whether the machine has answered; until then a repeated request means that it
    /// received nothing either.
    pub fn has_begun(&self) -> bool {
        self.heard
    }

    /// Returns the bytes confirmed by the machine.
    pub fn confirmed_bytes(&self) -> u64 {
        self.confirmed
            .saturating_mul(u64::from(self.blksize))
            .min(self.len)
    }

    /// Returns the number of blocks sent more than once.
    pub fn retransmits(&self) -> u32 {
        self.retransmits
    }

    fn on_ack(&mut self, block: u16, now: Instant) -> Action {
        if self.phase == Phase::Agreeing {
            if block != 0 {
                return Action::Wait(IgnoreReason::AckAhead);
            }
            self.phase = Phase::Sending;
            self.progressed(now);
            return self.next_window(now);
        }
        // The wire has 16 bits of the number. At most 65535 blocks are in flight, so the number is
        // unambiguous.
        let ahead = u64::from(block.wrapping_sub(low_bits(self.confirmed)));
        if ahead == 0 {
            return Action::Wait(IgnoreReason::DuplicateAck);
        }
        let in_flight = self.sent - self.confirmed;
        if ahead > in_flight {
            let old = ahead > u64::from(u16::MAX / 2);
            return Action::Wait(if old {
                IgnoreReason::OldAck
            } else {
                IgnoreReason::AckAhead
            });
        }
        // RFC 7440 §4: an ACK inside the window means that the blocks after it are lost, and the
        // next window starts there.
        let lost = u32::try_from(in_flight - ahead).unwrap_or(u32::MAX);
        self.retransmits = self.retransmits.saturating_add(lost);
        self.confirmed += ahead;
        self.progressed(now);
        if self.confirmed == self.last {
            return self.finish(Finish::Complete);
        }
        self.next_window(now)
    }

    fn on_error(&mut self, failure: &Failure<'_>) -> Action {
        let agreeing = self.phase == Phase::Agreeing;
        self.finish(match failure.code {
            // EDK2: "User aborted the transfer" after every first OACK; the real request follows.
            ErrorCode::OptionsRefused if agreeing => Finish::SizeProbe,
            // Intel Boot Agent and old PXELINUX end their size probe with error 0.
            ErrorCode::Undefined if agreeing && self.asked_size => Finish::SizeProbe,
            code => Finish::Refused {
                code,
                text: failure.sentence(),
            },
        })
    }

    /// Records that the machine answered the last datagrams.
    fn progressed(&mut self, now: Instant) {
        self.heard = true;
        // Karn's algorithm: retransmitted datagrams measure nothing.
        if self.tries == 1 && !self.agreed_timeout {
            let sample = now.saturating_duration_since(self.sent_at);
            let smooth = self.round_trip.map_or(sample, |old| (old * 7 + sample) / 8);
            self.round_trip = Some(smooth);
            self.wait = (smooth * ROUND_TRIPS).clamp(self.shortest_wait, self.first_wait);
        }
        self.tries = 1;
    }

    fn next_window(&mut self, now: Instant) -> Action {
        let end = self.confirmed + u64::from(self.windowsize);
        self.sent = end.min(self.last);
        self.sent_at = now;
        self.deadline = now + self.wait;
        Action::SendBlocks(self.blocks())
    }

    /// Returns the blocks in flight: everything after the last confirmed block.
    fn blocks(&self) -> Blocks {
        let blksize = u64::from(self.blksize);
        let offset = self.confirmed * blksize;
        let count = self.sent - self.confirmed;
        Blocks {
            first: self.confirmed + 1,
            count: u16::try_from(count).unwrap_or(u16::MAX),
            offset,
            len: (count * blksize).min(self.len - offset),
        }
    }

    /// Ends a transfer to a lost machine: successfully if only the last confirmation is missing.
    fn finish_or(&mut self, otherwise: Finish) -> Action {
        self.finish(if self.is_at_the_end() {
            Finish::Unconfirmed
        } else {
            otherwise
        })
    }

    /// Returns whether only the confirmation of the last window is missing.
    fn is_at_the_end(&self) -> bool {
        self.confirmed > 0 && self.sent == self.last
    }

    fn finish(&mut self, finish: Finish) -> Action {
        self.phase = Phase::Over;
        Action::Done(finish)
    }
}

/// Returns the accepted options and their values. Nothing else is acknowledged: UEFI and lpxelinux
/// treat an unknown option in the OACK as a protocol error.
fn agree(asked: &Options, len: u64, mtu: Option<u32>, limits: &Limits) -> Options {
    let fitting = mtu.map_or(u64::MAX, |mtu| {
        u64::from(mtu.saturating_sub(HEADERS)).max(8)
    });
    // RFC 2348: 8 to 65464. Smaller values are invalid; larger ones may be lowered.
    let blksize = asked.blksize.filter(|&size| size >= 8).map(|size| {
        size.min(fitting)
            .min(u64::from(limits.blksize.clamp(8, 65464)))
    });
    let default = u64::from(DEFAULT_BLKSIZE);
    let in_bytes = u64::from(limits.window_bytes) / blksize.unwrap_or(default);
    let windowsize = asked
        .windowsize
        .filter(|&size| size >= 1)
        .map(|size| size.min(u64::from(limits.windowsize)).min(in_bytes).max(1));
    Options {
        blksize,
        // RFC 2349: the value is echoed unchanged or omitted.
        timeout: asked
            .timeout
            .filter(|seconds| (1..=u64::from(limits.timeout)).contains(seconds)),
        tsize: asked.tsize.map(|_| len),
        windowsize,
    }
}

/// Returns an accepted value; all of them fit.
fn short(value: Option<u64>) -> Option<u16> {
    value.and_then(|v| u16::try_from(v).ok())
}

/// Returns the 16 bits of a block's number sent on the wire.
fn low_bits(block: u64) -> u16 {
    let [.., a, b] = block.to_be_bytes();
    u16::from_be_bytes([a, b])
}

#[cfg(test)]
impl Transfer {
    /// Returns the block number that confirms everything in flight.
    pub(super) fn in_flight(&self) -> u16 {
        low_bits(self.sent)
    }
}
