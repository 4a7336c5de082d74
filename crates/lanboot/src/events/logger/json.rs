//! Lines of the JSON log, as `docs/log-events.md` documents them.

use std::time::Duration;

use lanboot_core::events::{Event, Peer, Suppressed};
use lanboot_core::text;
use serde::Serialize;

use crate::clock;

/// Version of the schema. Keys may be added to a version; it grows when one goes or changes its
/// meaning.
const SCHEMA_VERSION: u32 = 1;

/// Keys common to all lines, and those of one event.
#[derive(Serialize)]
struct Line<'a, T> {
    v: u32,
    time: String,
    #[serde(flatten)]
    peer: Peer,
    #[serde(flatten)]
    what: &'a T,
}

/// Returns the line for an event.
pub(super) fn event(event: &Event) -> String {
    line(event.at, event.peer, &event.what)
}

/// Returns the line for suppressed lines, counted at `now`, since 1970 UTC.
pub(super) fn suppressed(suppressed: &Suppressed, now: Duration) -> String {
    line(now, suppressed.peer, suppressed)
}

/// Returns one object with its keys in alphabetical order, safe to print on a terminal.
fn line(at: Duration, peer: Peer, what: &impl Serialize) -> String {
    let line = Line {
        v: SCHEMA_VERSION,
        time: clock::rfc3339(at),
        peer,
        what,
    };
    // Fails only for keys that are not text, and there are none.
    let value = serde_json::to_value(line).unwrap_or_default();
    text::json(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::dhcp::{IgnoreReason, MessageType};
    use lanboot_core::events::rate_limit::SUMMARY;
    use lanboot_core::events::{BootState, DiagnosticCode, EventKind, Kind, Protocol, SendFailure};
    use lanboot_core::machine::{Arch, Mac, Machine, Stage};
    use std::collections::BTreeSet;

    const MAC: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const DOCUMENT: &str = include_str!("../../../../../docs/log-events.md");

    fn peer() -> Peer {
        let ip = Some("192.168.0.110".parse().unwrap());
        Peer { mac: None, ip }
    }

    fn hardware() -> Peer {
        let mac = Some(MAC);
        Peer { mac, ip: None }
    }

    fn machine() -> Machine {
        Machine {
            mac: MAC,
            arch: Some(Arch::X86Bios),
            stage: Stage::Firmware,
            uuid: None,
        }
    }

    /// One event of each kind, in the order of the document.
    fn examples() -> Vec<Event> {
        let path = "arch/boot/x86_64/vmlinuz-linux".to_owned();
        let protocol = Protocol::Http;
        let all = [
            (
                hardware(),
                EventKind::Dhcp {
                    interface: "eth0".into(),
                    message: MessageType::Offer,
                    address: peer().ip,
                    machine: Some(machine()),
                    detail: Some("undionly.kpxe".into()),
                },
            ),
            (
                hardware(),
                EventKind::OtherLease {
                    interface: "eth0".into(),
                    server: Some("192.168.0.1".parse().unwrap()),
                    address: "192.168.0.110".parse().unwrap(),
                    machine: machine(),
                },
            ),
            (
                Peer {
                    mac: Some(MAC),
                    ..peer()
                },
                EventKind::Boot {
                    state: BootState::Up,
                    text: "is up: its system has its address".into(),
                },
            ),
            (
                hardware(),
                EventKind::Ignored {
                    protocol: Protocol::Dhcp,
                    request: "DHCPDISCOVER".into(),
                    reason: IgnoreReason::NotInOnly.into(),
                },
            ),
            (
                peer(),
                EventKind::Started {
                    protocol,
                    transfer: 7,
                    path: path.clone(),
                    len: 15_728_640,
                    file_use: Default::default(),
                },
            ),
            (
                peer(),
                EventKind::Progress {
                    transfer: 7,
                    sent: 4_194_304,
                },
            ),
            (
                peer(),
                EventKind::Finished {
                    protocol,
                    transfer: 7,
                    path: path.clone(),
                    sent: 15_728_640,
                    took: Duration::from_millis(500),
                    retransmits: 0,
                    file_use: Default::default(),
                },
            ),
            (
                peer(),
                EventKind::Failed {
                    protocol,
                    transfer: Some(7),
                    path,
                    sent: 4_194_304,
                    reason: SendFailure::Stalled(Duration::from_secs(60)).into(),
                },
            ),
            (
                peer(),
                EventKind::NotFound {
                    protocol: Protocol::Tftp,
                    path: "pxelinux.cfg/default".into(),
                },
            ),
            (
                peer(),
                EventKind::Planned(
                    DiagnosticCode::RootTransport
                        .with("root over nfs: 4 GiB of memory are too few for a copy"),
                ),
            ),
            (
                Peer::default(),
                EventKind::Diagnostic(DiagnosticCode::Stopping.with("stopping: SIGTERM")),
            ),
            (
                Peer::default(),
                EventKind::Diagnostic(
                    DiagnosticCode::LinkUp
                        .with("eth0 has a link now")
                        .of_interface("eth0"),
                ),
            ),
            (
                Peer::default(),
                EventKind::Diagnostic(
                    DiagnosticCode::ImageRenamed
                        .with(
                            "/srv/b/a.iso: is called 'a-2' in URLs and in menus that show ASCII \
                             only",
                        )
                        .of_image("a-2")
                        .of_file("/srv/b/a.iso"),
                ),
            ),
        ];
        let at = Duration::from_millis(1_782_900_000_500);
        let event = |(peer, what)| Event { at, peer, what };
        all.into_iter().map(event).collect()
    }

    fn left_out() -> Suppressed {
        Suppressed {
            peer: peer(),
            kind: Kind::Ignored(Protocol::Tftp),
            count: 1234,
            within: SUMMARY,
        }
    }

    #[test]
    fn the_documented_examples_are_what_is_logged() {
        let mut logged: Vec<String> = examples().iter().map(event).collect();
        let at = Duration::from_millis(1_782_900_000_500);
        logged.push(suppressed(&left_out(), at));
        let blocks = DOCUMENT.split("```json\n").skip(1);
        let documented: Vec<&str> = blocks
            .filter_map(|block| block.split("\n```").next())
            .collect();
        assert_eq!(documented, logged);
    }

    #[test]
    fn every_diagnostic_code_is_documented_with_its_description() {
        let row = |(code, description): &(DiagnosticCode, &str)| {
            let code = serde_json::to_value(code).unwrap();
            format!("| `{}` | {description} |\n", code.as_str().unwrap())
        };
        let rows: String = DiagnosticCode::ALL.iter().map(row).collect();
        let section = DOCUMENT.split("## Diagnostic codes\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let documented = section.split("|---|---|\n").nth(1).unwrap();
        assert_eq!(documented.trim_end(), rows.trim_end());
    }

    #[test]
    fn every_key_and_every_kind_is_documented() {
        let mut kinds = BTreeSet::new();
        for example in examples() {
            kinds.insert(Kind::of(&example).name());
            let line: serde_json::Value = serde_json::from_str(&event(&example)).unwrap();
            assert_eq!(line["event"], Kind::of(&example).name());
            for key in line.as_object().unwrap().keys() {
                assert!(DOCUMENT.contains(&format!("| `{key}` |")), "{key}");
            }
        }
        let every = [
            Kind::Dhcp(MessageType::Ack),
            Kind::OtherLease,
            Kind::Boot,
            Kind::Ignored(Protocol::Nfs),
            Kind::Started(Protocol::Nfs),
            Kind::Progress,
            Kind::Finished(Protocol::Nfs),
            Kind::Failed(Protocol::Nfs),
            Kind::NotFound(Protocol::Nfs),
            Kind::Planned,
            Kind::Diagnostic,
        ];
        assert_eq!(kinds, every.map(Kind::name).into_iter().collect());
        for kind in kinds {
            assert!(DOCUMENT.contains(&format!("## `{kind}`")), "{kind}");
        }
    }

    #[test]
    fn a_json_line_has_only_what_is_known() {
        let not_found = Event {
            at: Duration::from_millis(1_500),
            peer: Peer {
                mac: None,
                ip: Some("10.0.0.9".parse().unwrap()),
            },
            what: EventKind::NotFound {
                protocol: Protocol::Tftp,
                path: "a\"b".into(),
            },
        };
        assert_eq!(
            event(&not_found),
            r#"{"event":"not-found","ip":"10.0.0.9","path":"a\"b","protocol":"TFTP","time":"1970-01-01T00:00:01.500Z","v":1}"#
        );
    }

    #[test]
    fn lines_left_out_are_counted_in_json_too() {
        let suppressed = suppressed(&left_out(), Duration::from_secs(90));
        assert_eq!(
            suppressed,
            r#"{"count":1234,"event":"suppressed","ip":"192.168.0.110","of":"ignored","protocol":"TFTP","seconds":60,"time":"1970-01-01T00:01:30.000Z","v":1}"#
        );
    }
}
