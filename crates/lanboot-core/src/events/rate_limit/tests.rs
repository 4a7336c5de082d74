use super::*;
use crate::dhcp::MessageType;
use crate::diagnostic::DiagnosticCode;
use crate::events::EventKind;
use crate::events::log_line;
use crate::tftp::{BadPacket, Finish, IgnoreReason};

fn ip(n: u32) -> Peer {
    let [_, b, c, d] = n.to_be_bytes();
    Peer {
        mac: None,
        ip: Some(IpAddr::from([10, b, c, d])),
    }
}

fn ignored(peer: Peer, at: Duration) -> Event {
    Event {
        at,
        peer,
        what: EventKind::Ignored {
            protocol: Protocol::Tftp,
            request: "packet".into(),
            reason: IgnoreReason::Bad(BadPacket::Opcode(0)).into(),
        },
    }
}

fn started(peer: Peer, at: Duration) -> Event {
    Event {
        at,
        peer,
        what: EventKind::Started {
            protocol: Protocol::Http,
            transfer: 1,
            path: "arch/boot/x86_64/vmlinuz-linux".into(),
            len: 15 << 20,
            file_use: Default::default(),
        },
    }
}

/// The log that `events` make, with a summary each second and one at the end.
fn log(events: impl IntoIterator<Item = Event>) -> Vec<String> {
    let mut repeats = RateLimiter::default();
    let mut lines = Vec::new();
    let mut second = 0;
    let mut now = Duration::ZERO;
    for event in events {
        now = event.at;
        if now.as_secs() != second {
            second = now.as_secs();
            lines.extend(repeats.due(now, SUMMARY).iter().map(Suppressed::to_string));
        }
        if repeats.admit(&event) {
            lines.extend(log_line(&event));
        }
    }
    let rest = repeats.due(now, Duration::ZERO);
    lines.extend(rest.iter().map(Suppressed::to_string));
    lines
}

fn size(lines: &[String]) -> usize {
    lines.iter().map(|line| line.len() + 1).sum()
}

#[test]
fn bad_packets_of_one_machine_make_4_kib_of_log() {
    let at = |n: u32| Duration::from_millis(u64::from(n) * 2);
    let lines = log((0..25_000).map(|n| ignored(ip(7), at(n))));
    assert!(size(&lines) < 4096, "{} bytes", size(&lines));
    assert!(lines.len() > 32, "a burst is logged");
    let last = lines.last().unwrap();
    // 32 at once, and one more when two minutes have given it back would be the next.
    let said = "… and 24,968 more TFTP requests ignored from 10.0.0.7 in the last 49 s";
    assert_eq!(last, said);
}

#[test]
fn bad_packets_from_invented_addresses_make_200_kib_of_log() {
    let at = |n: u32| Duration::from_millis(u64::from(n) * 2);
    let lines = log((0..25_000).map(|n| ignored(ip(n), at(n))));
    assert!(size(&lines) < 200 << 10, "{} bytes", size(&lines));
    let last = lines.last().unwrap();
    assert!(last.contains("from many machines"), "{last}");
}

#[test]
fn a_flood_that_never_ends_makes_a_few_megabytes_a_day() {
    let mut repeats = RateLimiter::default();
    let mut bytes = 0;
    for minute in 0..24 * 60u32 {
        let now = Duration::from_secs(u64::from(minute) * 60);
        let due = repeats.due(now, SUMMARY);
        bytes += due.iter().map(|f| f.to_string().len() + 1).sum::<usize>();
        for n in 0..600 {
            // Half of them from one machine, half from all over the place.
            let n = minute * 600 + n;
            let event = ignored(ip(if n % 2 == 0 { 7 } else { n }), now);
            if repeats.admit(&event) {
                bytes += log_line(&event).unwrap().len() + 1;
            }
        }
    }
    assert!(bytes < 6 << 20, "{bytes} bytes");
}

#[test]
fn alternating_kinds_are_bounded_each_by_itself() {
    let missing = |n| Event {
        what: EventKind::NotFound {
            protocol: Protocol::Nfs,
            path: "/iso/none".into(),
        },
        ..ignored(ip(7), Duration::from_millis(n))
    };
    let both = (0..25_000).flat_map(|n| [ignored(ip(7), Duration::from_millis(n)), missing(n)]);
    let lines = log(both);
    assert!(size(&lines) < 16 << 10, "{} bytes", size(&lines));
}

/// Events of a classroom machine that boots slowly: firmware that repeats itself,
/// PXELINUX looking for its menu, GRUB loading its modules, a dozen large files.
fn boot(machine: u8, at: Duration) -> Vec<Event> {
    let hardware = Peer {
        mac: Some(Mac([2, 0, 0, 0, 0, machine])),
        ip: None,
    };
    let address = ip(u32::from(machine));
    let dhcp = |message| Event {
        at,
        peer: hardware,
        what: EventKind::Dhcp {
            interface: "eth0".into(),
            message,
            address: None,
            machine: None,
            detail: None,
        },
    };
    use MessageType::{Ack, Discover, Offer};
    let mut events = Vec::new();
    for _ in 0..20 {
        events.extend([Discover, Offer, MessageType::Request, Ack].map(dhcp));
    }
    for n in 0..80 {
        let path = format!("grub/x86_64-efi/{n}.mod");
        let (protocol, transfer, sent) = (Protocol::Tftp, n, 100 << 10);
        let start = EventKind::Started {
            protocol,
            transfer,
            path: path.clone(),
            len: sent,
            file_use: Default::default(),
        };
        let missing = EventKind::NotFound {
            protocol,
            path: path.clone(),
        };
        let finish = EventKind::Finished {
            protocol,
            transfer,
            path,
            sent,
            took: Duration::from_millis(5),
            retransmits: 0,
            file_use: Default::default(),
        };
        let progress = (0..5).map(|_| EventKind::Progress { transfer, sent });
        for what in [start, missing, finish].into_iter().chain(progress) {
            let peer = address;
            events.push(Event { at, peer, what });
        }
    }
    for text in ["root over nfs", "loader is GRUB"] {
        let planned = DiagnosticCode::RootTransport.with(text);
        events.push(Event {
            what: EventKind::Planned(planned),
            ..started(address, at)
        });
    }
    // EDK2 asks for the size of a file and hangs up.
    events.extend((0..10).map(|_| Event {
        what: EventKind::Failed {
            protocol: Protocol::Tftp,
            transfer: None,
            path: "ipxe.efi".into(),
            sent: 0,
            reason: Finish::Unreachable.into(),
        },
        ..started(address, at)
    }));
    events
}

#[test]
fn a_classroom_of_200_machines_that_boots_twice_in_an_hour_loses_no_line() {
    let mut repeats = RateLimiter::default();
    let mut lost = Vec::new();
    for round in [0, 3600] {
        for stage in 0..400u64 {
            let at = Duration::from_secs(round + stage / 10);
            let machine = u8::try_from(stage % 200).unwrap();
            // The first 200 steps are the first half of the boots.
            let events = boot(machine, at);
            let half = events.len() / 2;
            let part = if stage < 200 {
                &events[..half]
            } else {
                &events[half..]
            };
            let left_out = part.iter().filter(|event| !repeats.admit(event));
            lost.extend(left_out.map(Kind::of));
        }
    }
    assert!(lost.is_empty(), "{} lines, {:?}…", lost.len(), lost.first());
}

#[test]
fn a_machine_that_floods_hides_no_line_of_another() {
    let mut repeats = RateLimiter::default();
    let now = Duration::from_secs(5);
    for _ in 0..100_000 {
        repeats.admit(&ignored(ip(7), now));
    }
    assert!(repeats.admit(&ignored(ip(8), now)));
    assert!(repeats.admit(&started(ip(7), now)), "another kind");
}

#[test]
fn a_summary_comes_after_a_minute_and_once() {
    let mut repeats = RateLimiter::default();
    let logged = (0..TROUBLE.each + 5)
        .filter(|_| repeats.admit(&ignored(ip(7), Duration::ZERO)))
        .count();
    assert_eq!(logged, usize::try_from(TROUBLE.each).unwrap());
    assert_eq!(repeats.due(Duration::from_secs(59), SUMMARY), []);
    let suppressed = Suppressed {
        peer: ip(7),
        kind: Kind::Ignored(Protocol::Tftp),
        count: 5,
        within: SUMMARY,
    };
    assert_eq!(repeats.due(SUMMARY, SUMMARY), [suppressed]);
    assert_eq!(repeats.due(SUMMARY * 3, SUMMARY), []);
    let said = "… and 5 more TFTP requests ignored from 10.0.0.7 in the last 60 s";
    assert_eq!(suppressed.to_string(), said);
}

#[test]
fn a_bucket_is_refilled_over_an_hour_and_no_faster_for_those_who_wait() {
    let mut repeats = RateLimiter::default();
    let mut logged = 0;
    // A spell of packets, a pause, a spell: ten hours long.
    for minute in 0..600 {
        for _ in 0..100 {
            let event = ignored(ip(7), Duration::from_secs(minute * 60));
            logged += u32::from(repeats.admit(&event));
        }
    }
    assert!(
        (TROUBLE.each * 10..=TROUBLE.each * 11).contains(&logged),
        "{logged}"
    );
}

#[test]
fn a_clock_that_is_set_back_silences_nobody() {
    let mut repeats = RateLimiter::default();
    let late = Duration::from_secs(1 << 31);
    for _ in 0..100 {
        repeats.admit(&ignored(ip(7), late));
    }
    let early = Duration::from_secs(1000);
    assert!(!repeats.admit(&ignored(ip(7), early)));
    assert_eq!(repeats.due(early + SUMMARY, SUMMARY).len(), 1);
    assert!(repeats.admit(&ignored(ip(7), early + REFILL)));
}

#[test]
fn invented_addresses_cost_a_bounded_amount_of_memory() {
    let mut repeats = RateLimiter::default();
    for n in 0..200_000u32 {
        let now = Duration::from_millis(u64::from(n));
        repeats.admit(&started(ip(n), now));
        repeats.admit(&ignored(ip(n), now));
        assert!(repeats.each.len() <= MAX_COUNTED);
    }
    // Who comes when nobody of them was heard for a while is counted again.
    let later = Duration::from_secs(400);
    for _ in 0..100 {
        repeats.admit(&ignored(ip(1 << 20), later));
    }
    assert!(repeats.each.len() < 10, "{}", repeats.each.len());
    let due = repeats.due(later + SUMMARY, SUMMARY);
    let own = due.iter().any(|suppressed| suppressed.peer == ip(1 << 20));
    assert!(own, "{due:?}");
    let entry = size_of::<((Address, Kind), Count)>();
    assert!(MAX_COUNTED * entry < 3 << 20, "{entry} bytes each");
}

#[test]
fn thousands_are_readable() {
    for (n, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (1_234_567, "1,234,567"),
    ] {
        assert_eq!(Grouped(n).to_string(), text);
    }
}
