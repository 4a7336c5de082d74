//! Why this host itself did not send something. Such an error says nothing about the network or
//! the machine, and is never counted as a packet that was lost on the way.

use std::io;

use nix::errno::Errno;

/// Says in one sentence why a datagram never left this host, with the system's own words behind.
pub(super) fn sentence(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else {
        return error.to_string();
    };
    let errno = Errno::from_raw(code);
    let cause = match errno {
        // Netfilter's verdict on what a program sends (nftables, iptables, ufw, firewalld), or its
        // table of connections is full.
        Errno::EPERM => "this host's firewall refuses to send",
        // A route of the kind `prohibit`, or a security module.
        Errno::EACCES => "this host does not allow to send there",
        Errno::ENETUNREACH => "this host has no route there",
        Errno::EHOSTUNREACH => "this host cannot reach it",
        Errno::ENETDOWN => "the interface is down",
        Errno::ENODEV | Errno::ENXIO => "the interface is gone",
        Errno::EADDRNOTAVAIL => "this host no longer has the address it answers from",
        Errno::EMSGSIZE => "the packet is longer than the interface allows (its MTU)",
        // A full queue, or a rule of tc or of nftables at the interface that drops it.
        Errno::ENOBUFS | Errno::EAGAIN => {
            "this host's send queue is full, or a rule at the interface drops what is sent"
        }
        Errno::ENOMEM => "this host has no memory left to send",
        _ => "this host could not send",
    };
    format!("{cause} ({})", errno.desc())
}

/// Whether the machine's own answer is what makes sending fail: nobody listens there any more.
pub(super) fn is_of_the_machine(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

/// Whether the next datagram may leave: a queue was full, or memory ran short.
fn is_passing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM))
}

/// What of one transfer this host itself did not send.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    has_sent: bool,
    has_said: bool,
    /// Why the last datagram did not leave.
    why: Option<String>,
}

/// What to do about a datagram that did not leave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsendable {
    /// Nothing ever left and nothing will: the transfer is over, for this reason.
    End(String),
    /// Try again, and say why.
    Say(String),
    /// Try again; it was said, or is no news.
    Wait,
}

impl Unsent {
    /// A datagram left.
    pub(super) fn sent(&mut self) {
        self.has_sent = true;
        self.why = None;
    }

    /// A datagram did not leave.
    pub(super) fn failed(&mut self, error: &io::Error) -> Unsendable {
        let why = sentence(error);
        let is_passing = is_passing(error);
        self.why = Some(why.clone());
        if !self.has_sent && !is_passing {
            return Unsendable::End(why);
        }
        if is_passing || std::mem::replace(&mut self.has_said, true) {
            return Unsendable::Wait;
        }
        Unsendable::Say(why)
    }

    /// Why the last datagram did not leave; `None` when it did.
    pub(super) fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_as_the_cause_and_the_systems_words_are_kept() {
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
            assert_eq!(sentence(&error), expected);
        }
        assert!(is_of_the_machine(&io::Error::from_raw_os_error(
            libc::ECONNREFUSED
        )));
        assert!(!is_of_the_machine(&io::Error::from_raw_os_error(
            libc::EPERM
        )));
    }

    #[test]
    fn a_refusal_is_said_once_and_ends_what_never_began() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        let full = io::Error::from_raw_os_error(libc::ENOBUFS);
        let said = sentence(&refused);
        let mut unsent = Unsent::default();
        assert_eq!(unsent.failed(&full), Unsendable::Wait, "a queue empties");
        assert_eq!(unsent.failed(&refused), Unsendable::End(said.clone()));
        unsent.sent();
        assert_eq!(unsent.why(), None);
        assert_eq!(unsent.failed(&refused), Unsendable::Say(said.clone()));
        assert_eq!(unsent.failed(&refused), Unsendable::Wait);
        assert_eq!(unsent.why(), Some(said.as_str()));
        assert_eq!(unsent.failed(&full), Unsendable::Wait);
        assert_eq!(unsent.why(), Some(sentence(&full).as_str()));
    }
}
