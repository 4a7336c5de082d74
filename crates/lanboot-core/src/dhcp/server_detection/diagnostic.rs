//! Diagnostics of server detection, for the operator.

use std::net::Ipv4Addr;

use crate::diagnostic::DiagnosticCode;

/// Something about the DHCP servers of a link that the operator should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostic {
    /// There is no link, so nothing can be found out.
    NoLinkToProbe {
        /// The interface is switched off.
        is_off: bool,
    },
    /// There is no link, and the operator wants addresses handed out there.
    NoLinkToServe {
        /// The interface is switched off.
        is_off: bool,
    },
    /// There is a link again where the operator wants addresses handed out.
    LinkUp,
    /// The link or the address came back; other servers are looked for.
    ProbingAfterChange,
    /// Nobody else hands out addresses, so lanboot does.
    NoOtherServer {
        /// Another server did before.
        was_proxy: bool,
    },
    /// Nobody hands out addresses, and lanboot may not.
    NoServerForProxy,
    /// This server hands out addresses, so lanboot does not.
    LeftToServer(Ipv4Addr),
    /// This server still hands out addresses.
    StillLeftToServer(Ipv4Addr),
    /// This server hands out addresses too, so lanboot no longer does.
    SteppedDown(Ipv4Addr),
    /// This server hands out addresses beside the first one.
    AnotherServer(Ipv4Addr),
    /// This server hands out addresses although lanboot goes on doing so.
    ConflictingServer(Ipv4Addr),
    /// This proxy says what to boot, as lanboot does.
    OtherProxy(Ipv4Addr),
    /// SIGHUP, where detection starts over.
    ReloadProbes,
    /// SIGHUP, where the operator decided what to do.
    ReloadChangesNothing,
}

impl Diagnostic {
    /// Returns its stable code.
    pub fn code(self) -> DiagnosticCode {
        match self {
            Self::NoLinkToProbe { .. } | Self::NoLinkToServe { .. } => DiagnosticCode::NoLink,
            Self::LinkUp => DiagnosticCode::LinkUp,
            Self::ProbingAfterChange | Self::ReloadProbes => DiagnosticCode::ServersProbed,
            Self::NoOtherServer { .. } => DiagnosticCode::NoOtherServer,
            Self::NoServerForProxy => DiagnosticCode::NoServerForProxy,
            Self::LeftToServer(_) | Self::StillLeftToServer(_) => DiagnosticCode::OtherServer,
            Self::SteppedDown(_) => DiagnosticCode::SteppedDown,
            Self::AnotherServer(_) => DiagnosticCode::AnotherServer,
            Self::ConflictingServer(_) => DiagnosticCode::ConflictingServer,
            Self::OtherProxy(_) => DiagnosticCode::OtherProxy,
            Self::ReloadChangesNothing => DiagnosticCode::ReloadIgnored,
        }
    }

    /// Returns the message for the link of `interface`.
    pub fn message(self, interface: &str) -> String {
        let no_link = |is_off: bool| match is_off {
            true => format!("is switched off (ip link set {interface} up)"),
            false => "has no link (is the cable plugged in?)".to_owned(),
        };
        match self {
            Self::NoLinkToProbe { is_off } => format!(
                "{interface} {}: who hands out the addresses there is found out once it has a link",
                no_link(is_off)
            ),
            Self::NoLinkToServe { is_off } => format!(
                "{interface} {}: no machine there can be served until it has a link",
                no_link(is_off)
            ),
            Self::LinkUp => format!("{interface} has a link now"),
            Self::ProbingAfterChange => format!(
                "something changed on {interface}: asking who hands out the addresses there now"
            ),
            Self::NoOtherServer { was_proxy } => {
                let still = if was_proxy { " any more" } else { "" };
                format!(
                    "no other DHCP server answers on {interface}{still}: lanboot hands out the \
                     addresses there"
                )
            }
            Self::NoServerForProxy => format!(
                "no DHCP server answers on {interface}: machines there get no address, and cannot \
                 boot, until one does. lanboot hands out addresses itself with --dhcp auto"
            ),
            Self::LeftToServer(server) => format!(
                "another DHCP server, {server}, hands out the addresses on {interface}: lanboot \
                 leaves that to it and only provides boot information (proxy DHCP)"
            ),
            Self::StillLeftToServer(server) => format!(
                "the DHCP server {server} hands out the addresses on {interface}; lanboot only \
                 provides boot information (proxy DHCP)"
            ),
            Self::SteppedDown(server) => format!(
                "a second DHCP server, {server}, answers on {interface}: lanboot hands out no more \
                 addresses there and only provides boot information (proxy DHCP). Those it gave \
                 stay valid until their leases end. To have lanboot hand them out again, stop the \
                 other server and send lanboot SIGHUP"
            ),
            Self::AnotherServer(server) => format!("another DHCP server on {interface}: {server}"),
            Self::ConflictingServer(server) => format!(
                "another DHCP server, {server}, answers on {interface} too: machines may get \
                 conflicting addresses. Stop one of the two, or use --dhcp auto"
            ),
            Self::OtherProxy(proxy) => format!(
                "{proxy} also provides boot information on {interface} (proxy DHCP); which of the \
                 two a machine obeys is up to its firmware"
            ),
            Self::ReloadProbes => {
                format!("SIGHUP: asking who hands out the addresses on {interface}")
            }
            Self::ReloadChangesNothing => {
                format!("SIGHUP: nothing changes on {interface}, where --dhcp says what to do")
            }
        }
    }
}
