//! Complete transfers over a virtual link: loss, reordering and duplicates in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods)] // Some instant has to be the first one.
fn start() -> Instant {
    Instant::now()
}

fn options(blksize: Option<u64>, windowsize: Option<u64>) -> Options {
    Options {
        blksize,
        windowsize,
        ..Options::default()
    }
}

fn transfer(asked: Options, len: u64) -> (Transfer, Action, Instant) {
    let now = start();
    let (transfer, step) = Transfer::new(&asked, len, Some(1500), &Limits::default(), now);
    (transfer, step, now)
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack(block).emit()
}

fn blocks(first: u64, count: u16, offset: u64, len: u64) -> Action {
    Action::SendBlocks(Blocks {
        first,
        count,
        offset,
        len,
    })
}

fn agreed(asked: Options) -> Options {
    match transfer(asked, 1000).1 {
        Action::Send(datagram) => match Packet::parse(&datagram) {
            Ok(Packet::OptionAck(options)) => options,
            other => panic!("{other:?}"),
        },
        Action::SendBlocks(_) => Options::default(),
        other => panic!("{other:?}"),
    }
}

// Option negotiation.

#[test]
fn only_requested_options_are_acknowledged() {
    assert_eq!(agreed(Options::default()), Options::default());
    let tsize = Options {
        tsize: Some(0),
        ..Options::default()
    };
    let answer = Options {
        tsize: Some(1000),
        ..Options::default()
    };
    assert_eq!(agreed(tsize), answer);
    let all = Options {
        blksize: Some(1408),
        timeout: Some(3),
        tsize: Some(0),
        windowsize: Some(4),
    };
    let answer = Options {
        tsize: Some(1000),
        ..all
    };
    assert_eq!(agreed(all), answer);
}

#[test]
fn out_of_range_values_are_omitted_or_clamped() {
    for (asked, answered) in [
        (0, None),
        (7, None),
        (8, Some(8)),
        (1468, Some(1468)),
        (1469, Some(1468)),
        (70_000, Some(1468)),
        (u64::MAX, Some(1468)),
    ] {
        assert_eq!(agreed(options(Some(asked), None)).blksize, answered);
    }
    for (asked, answered) in [
        (0, None),
        (1, Some(1)),
        (65_535, Some(32)),
        (99_999, Some(32)),
    ] {
        assert_eq!(agreed(options(None, Some(asked))).windowsize, answered);
    }
    for (asked, answered) in [
        (0, None),
        (1, Some(1)),
        (30, Some(30)),
        (31, None),
        (256, None),
    ] {
        let timeout = Options {
            timeout: Some(asked),
            ..Options::default()
        };
        assert_eq!(agreed(timeout).timeout, answered);
    }
}

#[test]
fn without_an_mtu_the_block_is_as_large_as_the_rfc_allows() {
    let asked = options(Some(70_000), Some(32));
    let (transfer, _) = Transfer::new(&asked, 1, None, &Limits::default(), start());
    assert_eq!(transfer.blksize(), 65_464);
    assert_eq!(
        transfer.windowsize(),
        1,
        "a window has a limit in bytes too"
    );
}

#[test]
fn a_tiny_mtu_still_leaves_a_legal_block() {
    let (transfer, _) = Transfer::new(
        &options(Some(1468), None),
        1,
        Some(0),
        &Limits::default(),
        start(),
    );
    assert_eq!(transfer.blksize(), 8);
}

// Requests to port 69.

fn refusal(datagram: &[u8]) -> (u16, String) {
    match classify(datagram) {
        Incoming::Refuse { failure, .. } => (failure.code.into(), failure.sentence()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unsupported_requests_are_rejected_with_a_message() {
    let said = |code, text: &str| (code, text.to_owned());
    assert_eq!(
        refusal(b"\x00\x02a\0octet\0"),
        said(2, "this server is read only")
    );
    for name in ["../etc/passwd", "/../x", "a/../../b", "..\\..\\x", "a/.."] {
        let datagram = [b"\x00\x01", name.as_bytes(), b"\0octet\0"].concat();
        assert_eq!(refusal(&datagram), said(2, "the path climbs with '..'"));
    }
    assert_eq!(
        refusal(b"\x00\x01a\0ebcdic\0"),
        said(4, "unknown mode, use octet")
    );
    assert_eq!(
        refusal(b"\x00\x01a\0MAIL\0"),
        said(4, "mail mode is obsolete")
    );
}

#[test]
fn other_datagrams_are_ignored_with_a_reason() {
    for (datagram, expected) in [
        (&b"\x00\x04\x00\x01"[..], "not a request"),
        (b"\x00\x09", "no TFTP packet has the number 9"),
        (b"\x00\x01a\0octet", "cut short: transfer mode is missing"),
        (b"\x00\x01\0octet\0", "the file name is empty"),
        (&[b'a'; 1025], "the request is too long"),
    ] {
        match classify(datagram) {
            Incoming::Ignore(reason) => assert_eq!(reason.to_string(), expected),
            other => panic!("{other:?}"),
        }
    }
}

// Single steps.

#[test]
fn lock_step_transfer() {
    let (mut transfer, step, now) = transfer(Options::default(), 1025);
    assert_eq!(step, blocks(1, 1, 0, 512));
    assert_eq!(transfer.on_packet(&ack(1), now), blocks(2, 1, 512, 512));
    assert_eq!(transfer.on_packet(&ack(2), now), blocks(3, 1, 1024, 1));
    assert_eq!(
        transfer.on_packet(&ack(3), now),
        Action::Done(Finish::Complete)
    );
    assert_eq!(transfer.confirmed_bytes(), 1025);
    assert_eq!(
        transfer.on_packet(&ack(3), now),
        Action::Wait(IgnoreReason::Over)
    );
}

#[test]
fn a_multiple_of_the_block_size_ends_with_an_empty_block() {
    let (mut transfer, _, now) = transfer(Options::default(), 512);
    assert_eq!(transfer.on_packet(&ack(1), now), blocks(2, 1, 512, 0));
    let (_, step, _) = self::transfer(Options::default(), 0);
    assert_eq!(step, blocks(1, 1, 0, 0));
}

#[test]
fn an_ack_inside_the_window_rolls_back_to_it() {
    let (mut transfer, _, now) = transfer(options(Some(1000), Some(4)), 100_000);
    assert_eq!(transfer.on_packet(&ack(0), now), blocks(1, 4, 0, 4000));
    assert_eq!(transfer.on_packet(&ack(2), now), blocks(3, 4, 2000, 4000));
    assert_eq!(transfer.retransmits(), 2);
    assert_eq!(transfer.on_packet(&ack(6), now), blocks(7, 4, 6000, 4000));
}

#[test]
fn acks_that_confirm_nothing_are_ignored() {
    let (mut transfer, _, now) = transfer(options(Some(1000), Some(4)), 100_000);
    assert_eq!(
        transfer.on_packet(&ack(1), now),
        Action::Wait(IgnoreReason::AckAhead)
    );
    transfer.on_packet(&ack(0), now);
    transfer.on_packet(&ack(4), now);
    for (datagram, reason) in [
        (ack(4), IgnoreReason::DuplicateAck),
        (ack(3), IgnoreReason::OldAck),
        (ack(0), IgnoreReason::OldAck),
        (ack(9), IgnoreReason::AckAhead),
        (
            Packet::Data {
                block: 5,
                bytes: b"",
            }
            .emit(),
            IgnoreReason::Unexpected,
        ),
        (b"\x00\x01a\0octet\0".to_vec(), IgnoreReason::Unexpected),
        (vec![0, 9], IgnoreReason::Bad(BadPacket::Opcode(9))),
    ] {
        assert_eq!(transfer.on_packet(&datagram, now), Action::Wait(reason));
    }
}

#[test]
fn errors_after_the_oack_are_size_probes() {
    let abort = |code: u16| Packet::Error(Failure::new(code.into(), b"User aborted")).emit();
    let tsize = Options {
        tsize: Some(0),
        ..options(Some(1468), Some(4))
    };
    for (asked, code, probe) in [
        (tsize, 8, true),
        (tsize, 0, true),
        (options(Some(1468), None), 8, true),
        (options(Some(1468), None), 0, false),
        (tsize, 2, false),
    ] {
        let (mut transfer, _, now) = transfer(asked, 5000);
        let step = transfer.on_packet(&abort(code), now);
        assert_eq!(step == Action::Done(Finish::SizeProbe), probe, "{asked:?}");
    }
    let (mut transfer, _, now) = transfer(tsize, 50_000);
    transfer.on_packet(&ack(0), now);
    let refused = Finish::Refused {
        code: ErrorCode::OptionsRefused,
        text: "User aborted".into(),
    };
    assert_eq!(transfer.on_packet(&abort(8), now), Action::Done(refused));
}

// Timing.

#[test]
fn silence_is_tolerated_for_30_to_40_s() {
    for rtt in [MS, 100 * MS] {
        let (mut transfer, _, now) = transfer(options(None, None), 5000);
        let heard = now + rtt;
        transfer.on_packet(&ack(1), heard);
        // Asleep, it receives only the last retransmission of half a minute.
        let mut last_sent = heard;
        let given_up = loop {
            let at = transfer.deadline();
            match transfer.on_timeout(at) {
                Action::SendBlocks(_) => last_sent = at,
                Action::Done(Finish::Vanished { .. }) => break at,
                other => panic!("{other:?}"),
            }
        };
        let seconds = |at: Instant| (at - heard).as_secs();
        assert!((22..32).contains(&seconds(last_sent)), "{rtt:?}");
        assert!((30..40).contains(&seconds(given_up)), "{rtt:?}");
    }
}

#[test]
fn transfer_resumes_after_28_s_of_silence() {
    let (mut transfer, _, now) = transfer(options(None, None), 1500);
    transfer.on_packet(&ack(1), now + MS);
    let mut at = now;
    while at < now + 28_000 * MS {
        at = transfer.deadline();
        assert!(matches!(transfer.on_timeout(at), Action::SendBlocks(_)));
    }
    let next = transfer.on_packet(&ack(2), at + MS);
    assert!(matches!(next, Action::SendBlocks(_)));
    let end = transfer.on_packet(&ack(3), at + 2 * MS);
    assert_eq!(end, Action::Done(Finish::Complete));
}

#[test]
fn the_last_ack_has_a_shorter_timeout() {
    let (mut transfer, _, now) = transfer(options(None, None), 600);
    transfer.on_packet(&ack(1), now + MS);
    let (end, at) = loop {
        let at = transfer.deadline();
        match transfer.on_timeout(at) {
            Action::SendBlocks(_) => {}
            end => break (end, at),
        }
    };
    assert_eq!(end, Action::Done(Finish::Unconfirmed));
    assert!((at - now).as_secs() < 15, "{:?}", at - now);
}

#[test]
fn a_negotiated_timeout_is_used_and_doubled() {
    let asked = Options {
        timeout: Some(2),
        ..Options::default()
    };
    let (mut transfer, _, now) = transfer(asked, 5000);
    // A quick answer does not shorten a negotiated timeout.
    transfer.on_packet(&ack(0), now + MS);
    let mut waits = Vec::new();
    let mut last = now + MS;
    loop {
        let at = transfer.deadline();
        assert_eq!(
            transfer.on_timeout(at - MS),
            Action::Wait(IgnoreReason::NotDue)
        );
        waits.push((at - last).as_secs());
        last = at;
        match transfer.on_timeout(at) {
            Action::SendBlocks(_) => {}
            end => {
                assert_eq!(end, Action::Done(Finish::Vanished { tries: 6 }));
                break;
            }
        }
    }
    assert_eq!(waits, [2, 4, 8, 8, 8, 8]);
    assert_eq!(transfer.retransmits(), 5);
}

#[test]
fn quick_round_trips_shorten_the_wait_to_its_minimum() {
    let (mut transfer, _, mut now) = transfer(Options::default(), 500_000);
    assert_eq!(transfer.deadline() - now, 1000 * MS);
    for block in 1..100 {
        now += MS;
        transfer.on_packet(&ack(block), now);
    }
    assert_eq!(transfer.deadline() - now, 200 * MS);
    for block in 100..200 {
        now += 50 * MS;
        transfer.on_packet(&ack(block), now);
    }
    assert!(transfer.deadline() - now > 300 * MS);
}

#[test]
fn a_missing_last_ack_counts_as_success() {
    let (mut transfer, _, now) = transfer(Options::default(), 600);
    transfer.on_packet(&ack(1), now);
    assert_eq!(transfer.on_unreachable(), Action::Done(Finish::Unconfirmed));
    // A machine that confirmed no data has nothing.
    let (mut silent, _, _) = self::transfer(Options::default(), 100);
    assert_eq!(silent.on_unreachable(), Action::Done(Finish::Unreachable));
    let (mut reset, _, now) = self::transfer(options(Some(1000), Some(4)), 3000);
    reset.on_packet(&ack(0), now);
    assert_eq!(reset.on_unreachable(), Action::Done(Finish::Unreachable));
}

// The virtual link.

/// The fate of the n-th datagram on the link: dropped, or delivered with these delays.
#[derive(Clone, Debug)]
enum Fate {
    Lost,
    Delivered(Vec<u32>),
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (1..5u32).prop_map(|ms| Fate::Delivered(vec![ms])),
        1 => Just(Fate::Lost),
        1 => (1..5u32, 1..200u32).prop_map(|(a, b)| Fate::Delivered(vec![a, b])),
        1 => (1..40u32).prop_map(|ms| Fate::Delivered(vec![ms])),
    ]
}

/// Behaviour of the receiving machine.
#[derive(Clone, Copy, Debug)]
struct Habits {
    /// Silence after which it repeats its last ACK; `None` for never.
    repeats_after: Option<Duration>,
    /// Answers every out-of-order block at once, not only the first of a gap.
    nags: bool,
}

fn any_habits() -> impl Strategy<Value = Habits> {
    (proptest::option::of(50..3000u64), any::<bool>()).prop_map(|(ms, nags)| Habits {
        repeats_after: ms.map(Duration::from_millis),
        nags,
    })
}

struct Machine {
    habits: Habits,
    blksize: usize,
    windowsize: u64,
    received: Vec<u8>,
    next: u64,
    last_acked: u64,
    said: Option<Vec<u8>>,
    complained: bool,
    done: bool,
}

impl Machine {
    fn new(habits: Habits) -> Self {
        Self {
            habits,
            blksize: 512,
            windowsize: 1,
            received: Vec::new(),
            next: 1,
            last_acked: 0,
            said: None,
            complained: false,
            done: false,
        }
    }

    fn say_ack(&mut self) -> Option<Vec<u8>> {
        self.last_acked = self.next - 1;
        self.said = Some(Packet::Ack(u16::try_from((self.next - 1) % 65536).unwrap()).emit());
        self.said.clone()
    }

    fn hear(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        match Packet::parse(datagram).unwrap() {
            Packet::OptionAck(options) if self.next == 1 => {
                let or = |value: Option<u64>, otherwise| value.unwrap_or(otherwise);
                self.blksize = usize::try_from(or(options.blksize, 512)).unwrap();
                self.windowsize = or(options.windowsize, 1);
                self.say_ack()
            }
            Packet::Data { block, bytes } if u64::from(block) == self.next % 65536 => {
                assert!(bytes.len() <= self.blksize);
                if !self.done {
                    self.received.extend_from_slice(bytes);
                    self.next += 1;
                    self.done = bytes.len() < self.blksize;
                }
                self.complained = false;
                let full = self.next - 1 - self.last_acked >= self.windowsize;
                if full || self.done {
                    self.say_ack()
                } else {
                    None
                }
            }
            Packet::Data { .. } if self.habits.nags || !self.complained => {
                self.complained = true;
                self.say_ack()
            }
            _ => None,
        }
    }
}

struct Outcome {
    finish: Finish,
    received: Vec<u8>,
    machine_done: bool,
    datagrams: u64,
    acks_heard: u64,
    transfer: Transfer,
}

fn file(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| u8::try_from(n * 7 % 251).unwrap())
        .collect()
}

/// Runs one transfer to its end. The n-th datagram in either direction meets `fate(n)`.
fn run(asked: Options, file: &[u8], habits: Habits, mut fate: impl FnMut(u64) -> Fate) -> Outcome {
    let mut now = start();
    let len = file.len() as u64;
    let (mut transfer, first) = Transfer::new(&asked, len, Some(1500), &Limits::default(), now);
    let mut machine = Machine::new(habits);
    // (when, order, towards the machine) → datagram
    let mut queue = BinaryHeap::new();
    let mut on_the_way = BTreeMap::new();
    let (mut order, mut datagrams, mut acks_heard, mut fates) = (0u64, 0, 0, 0);
    let mut machine_speaks_at: Option<Instant> = None;
    let mut step = first;
    loop {
        let mut outgoing: Vec<(bool, Vec<u8>)> = Vec::new();
        match step {
            Action::Send(ref datagram) => outgoing.push((true, datagram.clone())),
            Action::SendBlocks(blocks) => {
                let mut data = &file[usize::try_from(blocks.offset).unwrap()..]
                    [..usize::try_from(blocks.len).unwrap()];
                for n in 0..u64::from(blocks.count) {
                    let size = data.len().min(transfer.blksize().into());
                    let (block, rest) = data.split_at(size);
                    data = rest;
                    let header = data_header(blocks.first + n);
                    outgoing.push((true, [&header[..], block].concat()));
                }
                assert!(data.is_empty());
            }
            Action::Wait(_) => {}
            Action::Done(finish) => {
                return Outcome {
                    finish,
                    received: machine.received,
                    machine_done: machine.done,
                    datagrams,
                    acks_heard,
                    transfer,
                };
            }
        }
        datagrams += outgoing.len() as u64;
        loop {
            for (to_machine, datagram) in outgoing.drain(..) {
                fates += 1;
                if let Fate::Delivered(delays) = fate(fates) {
                    for ms in delays {
                        order += 1;
                        queue.push(Reverse((now + ms * MS, order, to_machine)));
                        on_the_way.insert(order, datagram.clone());
                    }
                }
            }
            let due = queue.peek().map(|Reverse((at, ..))| *at);
            let next = [due, Some(transfer.deadline()), machine_speaks_at];
            now = next.into_iter().flatten().min().unwrap().max(now);
            if due == Some(now) {
                let Reverse((_, id, to_machine)) = queue.pop().unwrap();
                let datagram = on_the_way.remove(&id).unwrap();
                if !to_machine {
                    acks_heard += 1;
                    step = transfer.on_packet(&datagram, now);
                    break;
                }
                if let Some(answer) = machine.hear(&datagram) {
                    outgoing.push((false, answer));
                }
                machine_speaks_at = machine.habits.repeats_after.map(|after| now + after);
            } else if machine_speaks_at == Some(now) {
                outgoing.extend(machine.said.clone().map(|said| (false, said)));
                machine_speaks_at = machine
                    .habits
                    .repeats_after
                    .filter(|_| !machine.done)
                    .map(|after| now + after);
            } else {
                step = transfer.on_timeout(now);
                break;
            }
        }
    }
}

const CALM: Habits = Habits {
    repeats_after: None,
    nags: false,
};

fn in_one_ms(_: u64) -> Fate {
    Fate::Delivered(vec![1])
}

#[test]
fn every_block_is_sent_once_over_a_reliable_link() {
    for windowsize in [1, 4, 16, 32] {
        for len in [0, 1, 999, 1000, 1001, 15_999, 16_000, 100_000] {
            let asked = options(Some(1000), Some(windowsize));
            let file = file(len);
            let outcome = run(asked, &file, CALM, in_one_ms);
            assert_eq!(outcome.finish, Finish::Complete);
            assert!(outcome.received == file);
            assert_eq!(outcome.datagrams, len as u64 / 1000 + 1 + 1);
            assert_eq!(outcome.transfer.retransmits(), 0);
        }
    }
}

#[test]
fn block_numbers_wrap_as_often_as_the_file_needs() {
    // Wraps three times in blocks of eight bytes.
    let file = file(3 * 65536 * 8 + 100);
    for windowsize in [1, 31] {
        let asked = options(Some(8), Some(windowsize));
        // Every 1000th datagram is lost, so that retransmissions wrap too.
        let outcome = run(asked, &file, CALM, |n| match n % 1000 {
            0 => Fate::Lost,
            _ => in_one_ms(n),
        });
        assert_eq!(outcome.finish, Finish::Complete);
        assert!(outcome.received == file);
    }
}

#[test]
fn duplicates_do_not_multiply_data() {
    // Every datagram arrives twice, both ways: data must still be sent only once.
    let file = file(50_000);
    for nags in [false, true] {
        let habits = Habits { nags, ..CALM };
        let outcome = run(Options::default(), &file, habits, |_| {
            Fate::Delivered(vec![1, 1])
        });
        assert_eq!(outcome.finish, Finish::Complete);
        assert!(outcome.received == file);
        assert_eq!(outcome.datagrams, 50_000 / 512 + 1);
    }
}

#[test]
fn transfers_to_vanished_machines_end() {
    let file = file(50_000);
    for (asked, from) in [
        (options(None, None), 0),
        (options(Some(1000), Some(8)), 0),
        (options(Some(1000), Some(8)), 20),
    ] {
        let outcome = run(asked, &file, CALM, |n| {
            if n > from { Fate::Lost } else { in_one_ms(n) }
        });
        // A machine that never answered gets three tries: its address may be forged. After an
        // answer the wait is a fifth of a second, and more tries fit into `patience`.
        let tries = if from == 0 { 3 } else { 9 };
        assert_eq!(outcome.finish, Finish::Vanished { tries });
        assert!(outcome.datagrams <= from + u64::from(tries) * 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn files_arrive_whole_or_the_transfer_fails(
        len in prop_oneof![0..200usize, 0..30_000usize],
        blksize in proptest::option::of(100..1500u64),
        windowsize in proptest::option::of(1..40u64),
        timeout in proptest::option::of(1..3u64),
        habits in any_habits(),
        fates in proptest::collection::vec(any_fate(), 1..80),
    ) {
        let file = file(len);
        let asked = Options { timeout, ..options(blksize, windowsize) };
        let at = |n: u64| usize::try_from(n).unwrap() % fates.len();
        let outcome = run(asked, &file, habits, |n| fates[at(n)].clone());
        prop_assert!(file.starts_with(&outcome.received));
        match outcome.finish {
            Finish::Complete => {
                prop_assert!(outcome.machine_done && outcome.received == file);
                prop_assert_eq!(outcome.transfer.confirmed_bytes(), len as u64);
            }
            Finish::Unconfirmed | Finish::Vanished { .. } => {}
            other => prop_assert!(false, "{:?}", other),
        }
        // Data is sent only in answer to an ACK that confirms something, or after a timeout.
        let window = u64::from(outcome.transfer.windowsize());
        let confirmed = outcome.acks_heard.min(len as u64 / u64::from(outcome.transfer.blksize()) + 2);
        prop_assert!(outcome.datagrams <= window * 9 * (confirmed + 1));
    }

    #[test]
    fn no_datagram_and_no_clock_panics(
        len: u64, mtu: Option<u32>, asked: [Option<u64>; 4],
        moves in proptest::collection::vec((any::<u16>(), 0..7u16, 0..4000u64), 0..200),
    ) {
        let [blksize, timeout, tsize, windowsize] = asked;
        let asked = Options { blksize, timeout, tsize, windowsize };
        let mut now = start();
        let (mut transfer, _) = Transfer::new(&asked, len, mtu, &Limits::default(), now);
        for (block, what, ms) in moves {
            now += Duration::from_millis(ms);
            let step = match what {
                0 => transfer.on_timeout(now),
                1 => transfer.on_packet(&ack(block), now),
                2 => transfer.on_packet(&block.to_be_bytes(), now),
                // Confirms the window in flight, so that the transfer progresses.
                _ => transfer.on_packet(&ack(transfer.in_flight()), now),
            };
            if let Action::SendBlocks(blocks) = step {
                prop_assert!(blocks.count >= 1 && blocks.offset + blocks.len <= len);
            }
        }
    }
}
