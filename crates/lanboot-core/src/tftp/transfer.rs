//! `Transfer`: one file on its way to one machine, as a machine of states: datagrams and time in,
//! what to send out. It never sees the file, only its length.

use std::time::{Duration, Instant};

use super::packet::{ErrorCode, Failure, Options, Packet};
use super::{IgnoreReason, Limits};

/// Block size when none was agreed on (RFC 1350 §2).
const DEFAULT_BLKSIZE: u16 = 512;
/// IPv4 and UDP headers, the four bytes before the data: what a packet carries besides the block.
const HEADERS: u32 = 20 + 8 + 4;
/// The wait is this many round trips, so that a busy moment is not taken for a loss.
const ROUND_TRIPS: u32 = 8;

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this datagram.
    Send(Vec<u8>),
    /// Send these blocks of the file.
    SendBlocks(Blocks),
    /// Nothing, for this reason.
    Wait(IgnoreReason),
    /// The transfer is over.
    Done(Finish),
}

/// Consecutive blocks of the file. All are of the agreed size but the file's last one, which is
/// shorter, perhaps empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Number of the first one, counted from 1 without wrapping.
    pub first: u64,
    /// How many, at least one.
    pub count: u16,
    /// Where the first one's data starts in the file, in bytes.
    pub offset: u64,
    /// Bytes of data in all of them.
    pub len: u64,
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The machine confirmed the last block.
    Complete,
    /// All blocks but those of the last window are confirmed, then the machine was gone. Many
    /// loaders jump into what they loaded without a last ACK, or that ACK was lost.
    Unconfirmed,
    /// The machine only wanted to know the length (ERROR 8 after OACK).
    SizeProbe,
    /// The machine gave up.
    Refused {
        /// Its error code.
        code: ErrorCode,
        /// Its sentence, made printable.
        text: String,
    },
    /// No answer, however often the same was sent.
    Vanished {
        /// How often.
        tries: u32,
    },
    /// Nobody listens at the machine's port any more (ICMP port unreachable).
    Unreachable,
}

impl Finish {
    /// Whether the machine has what it asked for.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Complete | Self::Unconfirmed | Self::SizeProbe)
    }
}

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

/// One file on its way to one machine.
#[derive(Clone, Debug)]
pub struct Transfer {
    phase: Phase,
    /// The OACK; empty when no option was agreed on.
    option_ack: Vec<u8>,
    asked_size: bool,
    len: u64,
    blksize: u16,
    windowsize: u16,
    /// Number of the file's last block.
    last: u64,
    /// Everything up to this block is confirmed.
    confirmed: u64,
    /// The last block in flight.
    sent: u64,
    /// Whether the machine said anything yet.
    heard: bool,
    /// Blocks sent again.
    retransmits: u32,
    /// Times the same was sent without an answer.
    tries: u32,
    max_tries: u32,
    first_tries: u32,
    patience: Duration,
    /// Smoothed round trip; `None` until measured, and when `timeout` was agreed on.
    round_trip: Option<Duration>,
    /// The wait before the first repetition, its bounds, and where doubling stops.
    wait: Duration,
    shortest_wait: Duration,
    first_wait: Duration,
    longest_wait: Duration,
    agreed_timeout: bool,
    /// When what is in flight was sent first.
    sent_at: Instant,
    deadline: Instant,
}

impl Transfer {
    /// Answers a read request for a file of `len` bytes, and says what to send first.
    ///
    /// `mtu` is the largest IPv4 packet towards the machine, in bytes: the block size is kept
    /// below it, since option ROMs cannot put fragments together. `None` lets blocks fragment.
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

    /// Takes a datagram from the machine.
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

    /// Sends again what was not answered, once [`Self::deadline`] has come.
    pub fn on_timeout(&mut self, now: Instant) -> Action {
        if self.phase == Phase::Over {
            return Action::Wait(IgnoreReason::Over);
        }
        if now < self.deadline {
            return Action::Wait(IgnoreReason::NotDue);
        }
        // After short round trips the tries alone are over within 13 s.
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

    /// Takes the news that nobody listens at the machine's port.
    pub fn on_unreachable(&mut self) -> Action {
        match self.phase {
            Phase::Over => Action::Wait(IgnoreReason::Over),
            // The answer to a size probe came so late that the machine closed its port.
            Phase::Agreeing if self.asked_size => self.finish(Finish::SizeProbe),
            Phase::Agreeing | Phase::Sending => self.finish_or(Finish::Unreachable),
        }
    }

    /// When [`Self::on_timeout`] is due. It only ever moves because something was sent.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Bytes of data in every block but the last.
    pub fn blksize(&self) -> u16 {
        self.blksize
    }

    /// Blocks sent before an ACK.
    pub fn windowsize(&self) -> u16 {
        self.windowsize
    }

    /// Whether the machine answered anything yet; until then a repeated request means that it
    /// heard nothing either.
    pub fn has_begun(&self) -> bool {
        self.heard
    }

    /// Bytes the machine confirmed.
    pub fn confirmed_bytes(&self) -> u64 {
        self.confirmed
            .saturating_mul(u64::from(self.blksize))
            .min(self.len)
    }

    /// Blocks sent more than once.
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
        // The wire has 16 bits of the number. At most 65535 blocks are in flight, so they tell
        // which of those it is.
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
        // RFC 7440 §4: an ACK inside the window means that the blocks behind it are lost, and the
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

    /// The machine answered what was sent last.
    fn progressed(&mut self, now: Instant) {
        self.heard = true;
        // Karn: what was sent twice measures nothing.
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

    /// What is in flight: everything behind the last confirmed block.
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

    /// The machine went away: fine when only the confirmation of the end is missing.
    fn finish_or(&mut self, otherwise: Finish) -> Action {
        self.finish(if self.is_at_the_end() {
            Finish::Unconfirmed
        } else {
            otherwise
        })
    }

    /// Whether only the confirmation of the last window is missing.
    fn is_at_the_end(&self) -> bool {
        self.confirmed > 0 && self.sent == self.last
    }

    fn finish(&mut self, finish: Finish) -> Action {
        self.phase = Phase::Over;
        Action::Done(finish)
    }
}

/// Which of the options asked for are agreed to, and to what value. Nothing else is answered:
/// UEFI and lpxelinux take an unknown option in the OACK for a protocol error.
fn agree(asked: &Options, len: u64, mtu: Option<u32>, limits: &Limits) -> Options {
    let fitting = mtu.map_or(u64::MAX, |mtu| {
        u64::from(mtu.saturating_sub(HEADERS)).max(8)
    });
    // RFC 2348: 8 to 65464. Below it cannot be meant; above it the answer may be smaller.
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
        // RFC 2349: the value comes back unchanged or not at all.
        timeout: asked
            .timeout
            .filter(|seconds| (1..=u64::from(limits.timeout)).contains(seconds)),
        tsize: asked.tsize.map(|_| len),
        windowsize,
    }
}

/// An agreed value; all of them fit.
fn short(value: Option<u64>) -> Option<u16> {
    value.and_then(|v| u16::try_from(v).ok())
}

/// The part of a block's number that travels.
fn low_bits(block: u64) -> u16 {
    let [.., a, b] = block.to_be_bytes();
    u16::from_be_bytes([a, b])
}

#[cfg(test)]
impl Transfer {
    /// The number that would confirm everything in flight.
    pub(super) fn in_flight(&self) -> u16 {
        low_bits(self.sent)
    }
}
