//! Progress on the terminal: a bar with rate and time left, or a line now and then where there is none.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lanboot_core::downloads::{Rate, progress_line};
use lanboot_core::text;

/// Time between two lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of one file.
#[derive(Debug)]
pub(super) struct Progress {
    /// Name of the file, printable.
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    rate: Rate,
    last_line: Duration,
}

impl Progress {
    /// Begins to show the progress of a file.
    pub(super) fn new(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{prefix} [{wide_bar}] {msg}");
            bar.set_style(
                style
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.set_prefix(text::line(name));
            bar
        });
        Self {
            name: text::line(name),
            bar,
            begun: Instant::now(),
            rate: Rate::default(),
            last_line: Duration::ZERO,
        }
    }

    /// Shows that `received` bytes of the file are here.
    pub(super) fn show(&mut self, received: u64, total: Option<u64>) {
        let elapsed = self.begun.elapsed();
        self.rate.note(elapsed, received);
        let is_due = elapsed >= self.last_line + LINE_INTERVAL;
        if self.bar.is_none() && !is_due {
            return;
        }
        let line = progress_line(received, total, self.rate.per_second(elapsed, received));
        match &self.bar {
            Some(bar) => {
                bar.set_length(total.unwrap_or(received));
                bar.set_position(received);
                bar.set_message(line);
            }
            None => {
                self.last_line = elapsed;
                eprintln!("{}: {line}", self.name);
            }
        }
    }

    /// Forgets the rate so far: what follows is another transfer.
    pub(super) fn restart(&mut self) {
        self.rate = Rate::default();
    }

    /// Prints a sentence above the bar.
    pub(super) fn say(&self, sentence: &str) {
        let line = format!("{}: {}", self.name, text::line(sentence));
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
