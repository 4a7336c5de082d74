//! SIGHUP means one thing to a program in a terminal and another to a service.

use std::fs::File;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The operator wants things looked at anew.
    Again,
    /// The terminal was closed, and who sat there is gone.
    Closed,
}

/// Waits for SIGHUP.
#[derive(Debug)]
pub(super) struct Hangup {
    /// `None` when it shall be ignored: that is what `nohup` says.
    signal: Option<Signal>,
    had_terminal: bool,
}

impl Hangup {
    pub(super) fn new() -> io::Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let signal = if is_ignored(&status) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            signal,
            had_terminal: has_terminal(),
        })
    }

    /// The next one.
    pub(super) async fn recv(&mut self) -> Meaning {
        match &mut self.signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
        if self.had_terminal && !has_terminal() {
            Meaning::Closed
        } else {
            Meaning::Again
        }
    }
}

/// Whether this process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP is ignored, from `/proc/self/status`.
fn is_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal 1 is the first bit.
    mask.is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_heard() {
        assert!(is_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!is_ignored(
            "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"
        ));
        assert!(!is_ignored(""));
    }
}
