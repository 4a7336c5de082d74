//! Events as log lines, in the words of dnsmasq and darkhttpd.

use std::time::Duration;

use super::{Event, EventKind, Peer, Protocol};

/// Returns the line for an event; `None` for those that are only progress.
pub fn log_line(event: &Event) -> Option<String> {
    let peer = peer(event.peer);
    Some(match &event.what {
        EventKind::Dhcp {
            interface,
            message,
            address,
            machine,
            detail,
        } => {
            let mut line = format!("{}({interface})", message.name());
            if let Some(address) = address {
                line.push_str(&format!(" {address}"));
            }
            match event.peer.mac {
                Some(mac) => line.push_str(&format!(" {mac}")),
                None => line.push_str(&format!(" {peer}")),
            }
            if let Some(arch) = machine.as_ref().and_then(|m| m.arch) {
                line.push_str(&format!(" ({arch})"));
            }
            if let Some(detail) = detail {
                line.push_str(&format!(": {detail}"));
            }
            line
        }
        // The answer that the machine got here is logged anyway.
        EventKind::OtherLease { .. } => return None,
        EventKind::Boot { text, .. } => format!("{} {text}", who(event.peer)),
        EventKind::Ignored {
            protocol,
            request,
            reason,
        } => {
            // `DHCPDISCOVER` names its protocol itself.
            let protocol = if request.starts_with(protocol.name()) {
                ""
            } else {
                protocol.name()
            };
            format!("{protocol} {request} from {peer} ignored: {reason}")
                .trim_start()
                .to_owned()
        }
        EventKind::Started {
            protocol: protocol @ (Protocol::Nfs | Protocol::Nbd),
            path,
            len,
            ..
        } => format!(
            "{} {} ({}) for {peer}",
            protocol.name(),
            streamed(*protocol, path),
            bytes(*len)
        ),
        EventKind::Finished {
            protocol: protocol @ (Protocol::Nfs | Protocol::Nbd),
            path,
            sent,
            took,
            ..
        } => format!(
            "{} {} released by {peer} ({} read in {:.1} s)",
            protocol.name(),
            streamed(*protocol, path),
            bytes(*sent),
            took.as_secs_f64()
        ),
        EventKind::Started {
            protocol,
            path,
            len,
            ..
        } => {
            format!(
                "{} sending {path} ({}) to {peer}",
                protocol.name(),
                bytes(*len)
            )
        }
        EventKind::Progress { .. } => return None,
        EventKind::Finished {
            protocol,
            path,
            sent,
            took,
            retransmits,
            ..
        } => {
            let again = match (protocol, retransmits) {
                (Protocol::Tftp, 1..) => format!(", {retransmits} packets sent again"),
                _ => String::new(),
            };
            format!(
                "sent {path} to {peer} ({} in {:.1} s, {}/s{again})",
                bytes(*sent),
                took.as_secs_f64(),
                bytes(rate(*sent, *took))
            )
        }
        EventKind::Failed {
            protocol,
            path,
            reason,
            ..
        } if path.is_empty() => {
            format!("{} request from {peer} refused: {reason}", protocol.name())
        }
        EventKind::Failed {
            protocol,
            path,
            sent,
            reason,
            ..
        } => format!(
            "{} failed sending {path} to {peer} after {}: {reason}",
            protocol.name(),
            bytes(*sent)
        ),
        EventKind::NotFound { protocol, path } => {
            format!("{} file {path} not found for {peer}", protocol.name())
        }
        EventKind::Planned(planned) => format!("{peer}: {}", planned.text),
        EventKind::Diagnostic(diagnostic) => diagnostic.text.clone(),
    })
}

/// An export in few words: the identity after the name of a disk says nothing to a reader.
fn streamed(protocol: Protocol, path: &str) -> String {
    match protocol {
        Protocol::Nbd => format!("disk {}", path.split('@').next().unwrap_or(path)),
        _ => format!("mount {path}"),
    }
}

/// A machine by both its addresses.
pub(super) fn who(peer: Peer) -> String {
    match (peer.mac, peer.ip) {
        (Some(mac), Some(ip)) => format!("{mac} ({ip})"),
        (Some(mac), None) => mac.to_string(),
        (None, Some(ip)) => ip.to_string(),
        (None, None) => "a machine".into(),
    }
}

fn peer(peer: Peer) -> String {
    match (peer.ip, peer.mac) {
        (Some(ip), _) => ip.to_string(),
        (None, Some(mac)) => mac.to_string(),
        (None, None) => "somebody".into(),
    }
}

/// Bytes per second; the whole amount when no time passed.
pub(super) fn rate(sent: u64, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    sent.saturating_mul(1000) / millis
}

/// An amount of bytes for people: `512 B`, `1.5 KiB`, `740 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut shift = 0;
    let mut unit = 0;
    while n >> shift >= 1024 && unit + 1 < UNITS.len() {
        shift += 10;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    let whole = n >> shift;
    if unit == 0 || whole >= 100 {
        format!("{whole} {name}")
    } else {
        let tenth = ((n - (whole << shift)) * 10) >> shift;
        format!("{whole}.{tenth} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::{IgnoreReason, MessageType};
    use crate::diagnostic::DiagnosticCode;
    use crate::machine::{Arch, Mac, Machine, Stage};

    fn line(what: EventKind) -> String {
        let mac = Mac([0, 0x1a, 2, 3, 4, 5]);
        let ip = Some("192.168.0.110".parse().unwrap());
        log_line(&Event {
            at: Duration::ZERO,
            peer: Peer { mac: Some(mac), ip },
            what,
        })
        .unwrap()
    }

    #[test]
    fn lines_read_like_those_of_dnsmasq_and_darkhttpd() {
        let machine = Machine {
            mac: Mac([0; 6]),
            arch: Some(Arch::X86Bios),
            stage: Stage::Firmware,
            uuid: None,
        };
        assert_eq!(
            line(EventKind::Dhcp {
                interface: "eth0".into(),
                message: MessageType::Offer,
                address: Some("192.168.0.110".parse().unwrap()),
                machine: Some(machine),
                detail: None
            }),
            "DHCPOFFER(eth0) 192.168.0.110 00:1a:02:03:04:05 (x86 BIOS)"
        );
        assert_eq!(
            line(EventKind::Finished {
                protocol: Protocol::Http,
                transfer: 1,
                path: "arch/boot/x86_64/vmlinuz-linux".into(),
                sent: 15 << 20,
                took: Duration::from_millis(500),
                retransmits: 0,
                file_use: Default::default(),
            }),
            "sent arch/boot/x86_64/vmlinuz-linux to 192.168.0.110 (15.0 MiB in 0.5 s, 30.0 MiB/s)"
        );
        assert_eq!(
            line(EventKind::Ignored {
                protocol: Protocol::Dhcp,
                request: "DHCPDISCOVER".into(),
                reason: IgnoreReason::NotInOnly.into()
            }),
            "DHCPDISCOVER from 192.168.0.110 ignored: not in --only"
        );
    }

    #[test]
    fn disks_and_mounts_are_logged_as_such() {
        let path = format!("arch@{}", "5a".repeat(16));
        let started = EventKind::Started {
            protocol: Protocol::Nbd,
            transfer: 1,
            path,
            len: 1 << 30,
            file_use: Default::default(),
        };
        assert_eq!(line(started), "NBD disk arch (1.0 GiB) for 192.168.0.110");
        let finished = EventKind::Finished {
            protocol: Protocol::Nfs,
            transfer: 1,
            path: "/iso/arch".into(),
            sent: 12 << 20,
            took: Duration::from_secs(40),
            retransmits: 0,
            file_use: Default::default(),
        };
        assert_eq!(
            line(finished),
            "NFS mount /iso/arch released by 192.168.0.110 (12.0 MiB read in 40.0 s)"
        );
        let planned = DiagnosticCode::RootTransport.with("root over nfs: why");
        assert_eq!(
            line(EventKind::Planned(planned)),
            "192.168.0.110: root over nfs: why"
        );
    }

    #[test]
    fn amounts_are_short() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (740 << 20, "740 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }
}
