//! Interprets SIGHUP, which has different meanings in a terminal and for a service.

use std::fs::File;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Meaning of a SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The operator requests a rescan.
    Again,
    /// The terminal was closed.
    Closed,
}

/// Waits for SIGHUP.
#[derive(Debug)]
pub(super) struct Hangup {
    /// `None` if SIGHUP is ignored, as under `nohup`.
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

    /// Waits for the next one.
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

/// Returns whether this process has a controlling terminal.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Returns whether SIGHUP is ignored, given `/proc/self/status`.
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
    fn nohup_is_detected() {
        assert!(is_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!is_ignored(
            "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"
        ));
        assert!(!is_ignored(""));
    }
}
