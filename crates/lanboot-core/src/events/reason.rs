//! Reasons: why a request was ignored, and why a transfer failed.
//!
//! A decision of a protocol of the core keeps the core's own type; the other enums here name what
//! only a listener can find out. Each has a stable code for programs ([`Reason::code`]) and a
//! sentence part for people (`Display`).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::vfs::Damage;
use crate::{dhcp, http, nbd, nfs, tftp};

/// Reason something was ignored or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A DHCP message that gets no answer.
    Dhcp(dhcp::IgnoreReason),
    /// A datagram that is no DHCP message.
    DhcpPacket(dhcp::Malformed),
    /// A TFTP datagram that gets no answer.
    Tftp(tftp::IgnoreReason),
    /// A TFTP request that was answered by ERROR.
    TftpError(tftp::Failure<'static>),
    /// The end of a TFTP transfer.
    TftpEnd(tftp::Finish),
    /// An HTTP request that was refused.
    Http(http::RejectReason),
    /// An HTTP request that did not get its file.
    HttpFile(http::Problem),
    /// An NBD option or request that was refused.
    Nbd(nbd::RejectReason),
    /// An RPC message that gets no answer.
    Nfs(nfs::IgnoreReason),
    /// An NFS or MOUNT call that cannot be served.
    NfsRefusal(nfs::Refusal),
    /// A TCP stream that holds no RPC messages.
    NfsRecord(nfs::record::Refused),
    /// The image does not hold all of the file.
    Damaged(Damage),
    /// A finding of the listener.
    Listener(ListenerReason),
    /// Sending a file failed.
    Send(SendFailure),
    /// This host did not send a datagram.
    Host(HostError),
}

impl Reason {
    /// Returns its stable code, in `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dhcp(reason) => reason.code(),
            Self::DhcpPacket(reason) => reason.code(),
            Self::Tftp(reason) => reason.code(),
            Self::TftpError(failure) => failure.code.code(),
            Self::TftpEnd(finish) => finish.code(),
            Self::Http(reason) => reason.code(),
            Self::HttpFile(problem) => problem.code(),
            Self::Nbd(reason) => reason.code(),
            Self::Nfs(reason) => reason.code(),
            Self::NfsRefusal(refusal) => refusal.code(),
            Self::NfsRecord(refused) => refused.code(),
            Self::Damaged(damage) => damage.code(),
            Self::Listener(reason) => reason.code(),
            Self::Send(failure) => failure.code(),
            Self::Host(error) => error.cause.code(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp(reason) => reason.fmt(f),
            Self::DhcpPacket(reason) => reason.fmt(f),
            Self::Tftp(reason) => reason.fmt(f),
            Self::TftpError(failure) => f.write_str(&failure.sentence()),
            Self::TftpEnd(finish) => finish.fmt(f),
            Self::Http(reason) => reason.fmt(f),
            Self::HttpFile(problem) => problem.fmt(f),
            Self::Nbd(reason) => reason.fmt(f),
            Self::Nfs(reason) => reason.fmt(f),
            Self::NfsRefusal(refusal) => refusal.fmt(f),
            Self::NfsRecord(refused) => refused.fmt(f),
            Self::Damaged(damage) => write!(f, "the file is {damage}"),
            Self::Listener(reason) => reason.fmt(f),
            Self::Send(failure) => failure.fmt(f),
            Self::Host(error) => error.fmt(f),
        }
    }
}

/// Makes a [`Reason`] of every type it wraps.
macro_rules! from {
    ($($variant:ident: $type:ty,)+) => {
        $(impl From<$type> for Reason {
            fn from(reason: $type) -> Self {
                Self::$variant(reason)
            }
        })+
    };
}

from! {
    Dhcp: dhcp::IgnoreReason,
    DhcpPacket: dhcp::Malformed,
    Tftp: tftp::IgnoreReason,
    TftpError: tftp::Failure<'static>,
    TftpEnd: tftp::Finish,
    Http: http::RejectReason,
    HttpFile: http::Problem,
    Nbd: nbd::RejectReason,
    Nfs: nfs::IgnoreReason,
    NfsRefusal: nfs::Refusal,
    NfsRecord: nfs::record::Refused,
    Damaged: Damage,
    Listener: ListenerReason,
    Send: SendFailure,
    Host: HostError,
}

/// A finding of a listener.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerReason {
    /// The client holds as many connections as one client may.
    #[error("every connection this machine may have is in use")]
    ClientConnectionLimit,
    /// All clients together hold as many connections as there may be.
    #[error("every connection is in use")]
    ConnectionLimit,
    /// The client is in no network that is served.
    #[error("it is in none of the served networks")]
    ForeignClient,
    /// An HTTP request did not arrive whole within this time.
    #[error("its request was not complete after {} s", .0.as_secs())]
    RequestTimeout(Duration),
    /// An NBD negotiation did not end within this time.
    #[error("its negotiation was not over after {} s", .0.as_secs())]
    NegotiationTimeout(Duration),
    /// A client that took nothing lost its connection to another one.
    #[error("the machine read nothing, and another one got its connection")]
    ConnectionTaken,
    /// A TFTP transfer without an answer lost its place to that of another client.
    #[error("it did not answer, and another machine got its slot")]
    TransferTaken,
    /// The client asked for another file from the port of a TFTP transfer.
    #[error("the machine repeated its request")]
    AskedAnew,
    /// The server ended before the transfer did.
    #[error("this server ended it")]
    Interrupted,
    /// The socket of a TFTP transfer cannot be added to the epoll set: the system's words.
    #[error("the socket cannot be watched: {0}")]
    SocketNotWatched(String),
    /// As many NFS calls of one client wait as may.
    #[error("too many calls of this machine wait")]
    TooManyCalls,
    /// A relayed DHCP message that was here a moment ago.
    #[error("it came a moment ago by the same relay; relays pass it on in a loop")]
    RelayLoop,
    /// The interface a DHCP message came in through is no longer served.
    #[error("its interface is gone")]
    InterfaceGone,
    /// The interface has lost the address it is served with.
    #[error("{interface} has not got {address}")]
    AddressGone {
        /// The interface's name.
        interface: Arc<str>,
        /// The address.
        address: IpAddr,
    },
    /// The interface has become part of another one.
    #[error("{interface} is {role}")]
    PartOfAnother {
        /// The interface's name.
        interface: Arc<str>,
        /// Its role there: `a port of the bridge br0`.
        role: String,
    },
    /// It is not known yet whether another DHCP server is there.
    #[error("whether another server hands out the addresses here is not known yet")]
    Undecided,
    /// The lease cannot be stored.
    #[error("its lease could not be written: {0}")]
    LeaseNotWritten(String),
    /// The answer did not leave this host.
    #[error("it could not be sent: {0}")]
    NotSent(HostError),
    /// The same over NFS.
    #[error("it could not be answered: {0}")]
    NotAnswered(HostError),
}

reason_codes!(ListenerReason {
    Self::ClientConnectionLimit => "client_connection_limit",
    Self::ConnectionLimit => "connection_limit",
    Self::ForeignClient => "foreign_client",
    Self::RequestTimeout(_) => "request_timeout",
    Self::NegotiationTimeout(_) => "negotiation_timeout",
    Self::ConnectionTaken => "connection_taken",
    Self::TransferTaken => "transfer_taken",
    Self::AskedAnew => "asked_anew",
    Self::Interrupted => "interrupted",
    Self::SocketNotWatched(_) => "socket_not_watched",
    Self::TooManyCalls => "too_many_calls",
    Self::RelayLoop => "relay_loop",
    Self::InterfaceGone => "interface_not_served",
    Self::AddressGone { .. } => "address_gone",
    Self::PartOfAnother { .. } => "interface_part_of_another",
    Self::Undecided => "server_detection_undecided",
    Self::LeaseNotWritten(_) => "lease_not_written",
} or {
    Self::NotSent(error) => error.cause.code(),
    Self::NotAnswered(error) => error.cause.code(),
});

/// Reason a file was not sent to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendFailure {
    /// The client closed the connection or vanished: the system's words.
    #[error("the machine closed the connection ({0})")]
    HungUp(String),
    /// The client is there and took nothing for this time.
    #[error("the machine read nothing for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The image cannot be read: the system's words.
    #[error("the image cannot be read ({0})")]
    Unreadable(String),
    /// The image file was truncated.
    #[error("the image file was truncated")]
    Truncated,
    /// The image does not hold all it records.
    #[error("the image is incomplete: these bytes of it are missing")]
    Incomplete,
    /// The image file was written to.
    #[error("the image was overwritten while it was in use")]
    Overwritten,
    /// The image is closed.
    #[error("the image is no longer open")]
    Closed,
}

reason_codes!(SendFailure {
    Self::HungUp(_) => "client_hung_up",
    Self::Stalled(_) => "client_stalled",
    Self::Unreadable(_) => "image_unreadable",
    Self::Truncated => "image_truncated",
    Self::Incomplete => "image_incomplete",
    Self::Overwritten => "image_overwritten",
    Self::Closed => "image_closed",
});

/// Reason a datagram did not leave this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// The cause, as far as the system's error shows it.
    pub cause: HostCause,
    /// The system's words.
    pub system: String,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            HostCause::Unknown => f.write_str(&self.system),
            cause => write!(f, "{cause} ({})", self.system),
        }
    }
}

/// The cause that keeps a datagram from leaving this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostCause {
    /// Netfilter's verdict on what a program sends (nftables, iptables, ufw, firewalld), or its
    /// table of connections is full.
    #[error("this host's firewall refuses to send")]
    Firewall,
    /// A route of the kind `prohibit`, or a security module.
    #[error("this host does not allow to send there")]
    Prohibited,
    /// The routing table has no entry.
    #[error("this host has no route there")]
    NoRoute,
    /// The neighbour does not answer.
    #[error("this host cannot reach it")]
    Unreachable,
    /// The interface is switched off.
    #[error("the interface is down")]
    InterfaceDown,
    /// The interface was removed.
    #[error("the interface is gone")]
    InterfaceRemoved,
    /// The source address was removed.
    #[error("this host no longer has the address it answers from")]
    AddressRemoved,
    /// The datagram exceeds the MTU.
    #[error("the packet is longer than the interface allows (its MTU)")]
    TooLong,
    /// A full queue, or a rule of tc or of nftables at the interface that drops it.
    #[error("this host's send queue is full, or a rule at the interface drops what is sent")]
    QueueFull,
    /// The kernel has no memory for it.
    #[error("this host has no memory left to send")]
    NoMemory,
    /// Any other error of the system.
    #[error("this host could not send")]
    Other,
    /// An error without a number.
    #[error("")]
    Unknown,
}

reason_codes!(HostCause {
    Self::Firewall => "firewall",
    Self::Prohibited => "prohibited",
    Self::NoRoute => "no_route",
    Self::Unreachable => "unreachable",
    Self::InterfaceDown => "interface_down",
    Self::InterfaceRemoved => "interface_removed",
    Self::AddressRemoved => "address_removed",
    Self::TooLong => "packet_too_long",
    Self::QueueFull => "send_queue_full",
    Self::NoMemory => "no_memory",
    Self::Other => "send_failed",
    Self::Unknown => "send_failed_unknown",
});

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Lists all codes a protocol's reasons can have, by the lists of their types.
    fn codes() -> [(&'static str, Vec<&'static [&'static str]>); 5] {
        let every = [ListenerReason::CODES, SendFailure::CODES, HostCause::CODES];
        let with = |own: &[&'static [&'static str]]| [own, &every[..]].concat();
        [
            (
                "DHCP",
                with(&[dhcp::IgnoreReason::CODES, dhcp::Malformed::CODES]),
            ),
            (
                "TFTP",
                with(&[
                    tftp::IgnoreReason::CODES,
                    tftp::BadPacket::CODES,
                    tftp::ErrorCode::CODES,
                    tftp::Finish::CODES,
                    Damage::CODES,
                ]),
            ),
            (
                "HTTP",
                with(&[
                    http::RejectReason::CODES,
                    http::Problem::CODES,
                    Damage::CODES,
                ]),
            ),
            ("NBD", with(&[nbd::RejectReason::CODES])),
            (
                "NFS",
                with(&[
                    nfs::IgnoreReason::CODES,
                    nfs::Refusal::CODES,
                    nfs::record::Refused::CODES,
                ]),
            ),
        ]
    }

    #[test]
    fn codes_are_unique_within_a_protocol_in_snake_case_and_documented() {
        let document = include_str!("../../../../docs/log-events.md");
        for (protocol, lists) in codes() {
            let mut seen = BTreeSet::new();
            for code in lists.into_iter().flatten() {
                assert!(seen.insert(code), "{protocol}: {code} twice");
                let is_snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(!code.is_empty() && code.chars().all(is_snake), "{code}");
                assert!(document.contains(&format!("`{code}`")), "{code}");
            }
        }
    }

    #[test]
    fn the_code_of_a_reason_inside_is_the_reasons_code() {
        let damage = Damage::Zisofs;
        assert_eq!(
            Reason::from(http::Problem::Damaged(damage)).code(),
            "zisofs"
        );
        assert_eq!(
            Reason::from(damage).to_string(),
            format!("the file is {damage}")
        );
        let cause = HostCause::NoRoute;
        let system = "Network is unreachable".to_owned();
        let error = HostError { cause, system };
        let reason = Reason::from(ListenerReason::NotSent(error));
        assert_eq!(reason.code(), "no_route");
        assert_eq!(
            reason.to_string(),
            "it could not be sent: this host has no route there (Network is unreachable)"
        );
    }
}
