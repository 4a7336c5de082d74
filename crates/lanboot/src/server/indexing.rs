//! Says how far a scan of the images is that takes long: on a terminal in one line that changes, else in
//! log lines now and then.

use std::time::Duration;

use indicatif::ProgressBar;
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use sd_notify::NotifyState;

use crate::images::library::Progress;

/// Interval of the log lines.
const LINES: Duration = Duration::from_secs(5);
/// Time that systemd waits for the next sign of progress before it gives a start up, in microseconds.
const PATIENCE: u32 = 30_000_000;

/// Says how far one scan is.
pub(super) struct Indexing<'a> {
    report: &'a dyn Fn(Diagnostic),
    /// The line on a terminal.
    line: Option<ProgressBar>,
    /// Time of the scan at which the next log line is due.
    due: Duration,
}

impl<'a> Indexing<'a> {
    /// Creates one that reports through `report`, and changes `line` where there is one.
    pub(super) fn new(report: &'a dyn Fn(Diagnostic), line: Option<ProgressBar>) -> Self {
        Self {
            report,
            line,
            due: Duration::ZERO,
        }
    }

    /// Says what is due.
    pub(super) fn watch(&mut self, progress: Progress) {
        let Progress {
            done,
            total,
            elapsed,
        } = progress;
        // Usually there is no systemd that waits.
        let _ = sd_notify::notify(&[NotifyState::ExtendTimeoutUsec(PATIENCE)]);
        let (images, seconds) = (grouped(total), elapsed.as_secs());
        if done >= total {
            let text = format!("indexed {images} images in {seconds} s");
            (self.report)(DiagnosticCode::ImagesIndexed.with(text));
            return;
        }
        let text = format!(
            "indexing images: {} of {images}, {seconds} s",
            grouped(done)
        );
        match &self.line {
            Some(line) => line.set_message(text),
            None if elapsed >= self.due => {
                self.due = elapsed + LINES;
                (self.report)(DiagnosticCode::IndexingImages.with(text));
            }
            None => {}
        }
    }
}

impl Drop for Indexing<'_> {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// Formats a number with its digits in groups of three.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;
    use std::cell::RefCell;

    /// Returns what is said about these files and milliseconds.
    fn said(line: Option<ProgressBar>, scan: &[(usize, u64)]) -> Vec<String> {
        let texts = RefCell::new(Vec::new());
        let report = |diagnostic: Diagnostic| texts.borrow_mut().push(diagnostic.text);
        let mut indexing = Indexing::new(&report, line);
        for (done, milliseconds) in scan {
            indexing.watch(Progress {
                done: *done,
                total: 1000,
                elapsed: Duration::from_millis(*milliseconds),
            });
        }
        drop(indexing);
        texts.into_inner()
    }

    const SCAN: [(usize, u64); 5] = [
        (120, 1100),
        (130, 1400),
        (600, 6100),
        (700, 6200),
        (1000, 12_400),
    ];

    #[test]
    fn a_long_scan_says_now_and_then_how_far_it_is() {
        let expected = [
            "indexing images: 120 of 1,000, 1 s",
            "indexing images: 600 of 1,000, 6 s",
            "indexed 1,000 images in 12 s",
        ];
        assert_eq!(said(None, &SCAN), expected);
    }

    #[test]
    fn on_a_terminal_one_line_changes() {
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        assert_eq!(
            said(Some(line.clone()), &SCAN),
            ["indexed 1,000 images in 12 s"]
        );
        assert_eq!(line.message(), "indexing images: 700 of 1,000, 6 s");
        assert!(line.is_finished());
    }

    #[test]
    fn digits_are_in_groups() {
        let grouped = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "12", "999", "1,000", "1,234,567"]);
    }
}
