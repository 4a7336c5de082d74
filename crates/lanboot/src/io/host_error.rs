//! Errors of this host while sending. They say nothing about the network or the machine, and never
//! count as packets lost on the way.

use std::io;

use lanboot_core::events::{HostCause, HostError};
use nix::errno::Errno;

/// Returns why a datagram did not leave this host, with the system's message.
pub fn of(error: &io::Error) -> HostError {
    let Some(code) = error.raw_os_error() else {
        return HostError {
            cause: HostCause::Unknown,
            system: error.to_string(),
        };
    };
    let errno = Errno::from_raw(code);
    let cause = match errno {
        Errno::EPERM => HostCause::Firewall,
        Errno::EACCES => HostCause::Prohibited,
        Errno::ENETUNREACH => HostCause::NoRoute,
        Errno::EHOSTUNREACH => HostCause::Unreachable,
        Errno::ENETDOWN => HostCause::InterfaceDown,
        Errno::ENODEV | Errno::ENXIO => HostCause::InterfaceRemoved,
        Errno::EADDRNOTAVAIL => HostCause::AddressRemoved,
        Errno::EMSGSIZE => HostCause::TooLong,
        Errno::ENOBUFS | Errno::EAGAIN => HostCause::QueueFull,
        Errno::ENOMEM => HostCause::NoMemory,
        _ => HostCause::Other,
    };
    HostError {
        cause,
        system: errno.desc().to_owned(),
    }
}

/// Returns whether sending failed because of the machine's answer: its port is closed.
pub fn is_of_the_machine(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// Returns whether the next datagram may be sent: a queue was full, or memory ran short.
fn is_passing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM))
}

/// Tracks the datagrams of one transfer that this host failed to send.
#[derive(Debug, Default)]
pub struct Unsent {
    has_sent: bool,
    has_said: bool,
    /// Reason the last datagram was not sent.
    why: Option<HostError>,
}

/// Action after a datagram that was not sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// End the transfer, for this reason: no datagram was ever sent.
    End(HostError),
    /// Try again, and log the reason.
    Say(HostError),
    /// Try again; the reason is logged already or harmless.
    Wait,
}

impl Unsent {
    /// Records that a datagram was sent.
    pub fn sent(&mut self) {
        self.has_sent = true;
        self.why = None;
    }

    /// Records that a datagram was not sent.
    pub fn failed(&mut self, error: &io::Error) -> Unsendable {
        let reason = of(error);
        let is_passing = is_passing(error);
        self.why = Some(reason.clone());
        if !self.has_sent && !is_passing {
            return Unsendable::End(reason);
        }
        if is_passing || std::mem::replace(&mut self.has_said, true) {
            return Unsendable::Wait;
        }
        Unsendable::Say(reason)
    }

    /// Returns the reason the last datagram was not sent; `None` if it was.
    pub fn why(&self) -> Option<&HostError> {
        self.why.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_and_the_systems_message_kept() {
        for (code, expected) in [
            (
                libc::EPERM,
                "this host's firewall refuses to send (Operation not permitted)",
            ),
            (
                libc::ENETUNREACH,
                "this host has no route there (Network is unreachable)",
            ),
            (libc::ENETDOWN, "the interface is down (Network is down)"),
            (
                libc::EMSGSIZE,
                "the packet is longer than the interface allows (its MTU) (Message too long)",
            ),
            (libc::EIO, "this host could not send (I/O error)"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(of(&error).to_string(), expected);
        }
        assert!(is_of_the_machine(&io::Error::from_raw_os_error(
            libc::ECONNREFUSED
        )));
        assert!(!is_of_the_machine(&io::Error::from_raw_os_error(
            libc::EPERM
        )));
    }

    #[test]
    fn failures_are_logged_once_and_end_unstarted_transfers() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let full = io::Error::from_raw_os_error(libc::ENOBUFS);
        let said = of(&refused);
        let mut unsent = Unsent::default();
        assert_eq!(unsent.failed(&full), Unsendable::Wait, "a queue empties");
        assert_eq!(unsent.failed(&refused), Unsendable::End(said.clone()));
        unsent.sent();
        assert_eq!(unsent.why(), None);
        assert_eq!(unsent.failed(&refused), Unsendable::Say(said.clone()));
        assert_eq!(unsent.failed(&refused), Unsendable::Wait);
        assert_eq!(unsent.why(), Some(&said));
        assert_eq!(unsent.failed(&full), Unsendable::Wait);
        assert_eq!(unsent.why(), Some(&of(&full)));
    }
}
