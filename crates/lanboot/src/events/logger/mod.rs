//! The log for the operator: log lines, or JSON. On a terminal the live lines are below them.
//!
//! It has a thread of its own, because writing may wait: a terminal is stopped with Ctrl-S, a pipe
//! is not read. Machines are served all the same, and signals heard.

mod json;

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lanboot_core::events::rate_limit::SUMMARY;
use lanboot_core::events::{
    BootState, Diagnostic, DiagnosticCode, Event, EventKind, Peer, RateLimiter, ShimLoads,
    Suppressed, log_line,
};
use lanboot_core::text;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::clock;
use crate::config::{Log, Settings};
use crate::events::boot_progress::ProgressReader;
use crate::events::bus::{self, Bus, Events, LossReport};
use crate::events::live_view::LiveView;

/// Size in bytes from which files are also logged when they begin.
const LARGE: u64 = 1 << 20;
/// Interval at which it checks what is due without an event: lines left out.
const TICK: Duration = Duration::from_secs(1);

/// Writes events out.
#[derive(Debug)]
pub struct EventLogger {
    repeats: RateLimiter,
    losses: LossReport,
    shim_loads: ShimLoads,
    output: Output,
    /// True if the program ends when every machine is up: then it says what it waits for.
    once: bool,
    /// The second in which it was last looked at what is due.
    looked: u64,
}

#[derive(Debug)]
enum Output {
    Live { screen: MultiProgress },
    Plain { clock: bool },
    Json,
}

impl EventLogger {
    /// Creates a logger for the kind of log in `settings`.
    pub fn new(settings: &Settings) -> Self {
        let output = match settings.log {
            Some(Log::Json) => Output::Json,
            None if std::io::stdout().is_terminal() => Output::Live {
                screen: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            },
            None | Some(Log::Plain) => Output::Plain {
                clock: settings.stamped,
            },
        };
        Self {
            repeats: RateLimiter::default(),
            losses: LossReport::new("this log"),
            shim_loads: ShimLoads::default(),
            output,
            once: settings.once,
            looked: 0,
        }
    }

    /// Logs a diagnostic at once, before the logger is started.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.output.write(&Event {
            at: bus::now(),
            peer: Peer::default(),
            what: EventKind::Diagnostic(diagnostic),
        });
    }

    /// Returns a line below the log that changes, on a terminal.
    pub fn status_line(&self) -> Option<ProgressBar> {
        let Output::Live { screen } = &self.output else {
            return None;
        };
        let style = ProgressStyle::with_template("{msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Some(screen.add(ProgressBar::no_length().with_style(style)))
    }

    /// Processes and logs one event. With `ending`, diagnostics are the last lines of the program,
    /// which are always logged.
    fn take(&mut self, event: &Event, ending: bool) {
        let is_diagnostic = matches!(event.what, EventKind::Diagnostic(_));
        if self.shows(event) && (ending && is_diagnostic || self.repeats.admit(event)) {
            self.output.write(event);
        }
        if let Some(refused) = self.refused_shim(event)
            && self.repeats.admit(&refused)
        {
            self.output.write(&refused);
        }
    }

    /// Returns whether `event` has a line of its own.
    fn shows(&self, event: &Event) -> bool {
        match &event.what {
            EventKind::Boot { state, .. } => self.shows_state(state),
            _ => self.output.shows(event),
        }
    }

    /// Returns whether a boot's new state has a line of its own: that it is up or was given up,
    /// always; what it waits for, only where the program waits too.
    fn shows_state(&self, state: &BootState) -> bool {
        match (&self.output, state) {
            (Output::Json, _) | (_, BootState::Up | BootState::GivenUp) => true,
            (_, BootState::Streaming | BootState::AwaitsFile(_) | BootState::AwaitsAddress) => {
                self.once
            }
            (_, BootState::Loading | BootState::NotBooting) => false,
        }
    }

    /// Returns the warning about a machine that loads its shim again and nothing after it.
    fn refused_shim(&mut self, event: &Event) -> Option<Event> {
        // What is not there is no shim either.
        let shim = event.what.file_use().and_then(|file| file.shim.as_ref());
        let text = self.shim_loads.saw(event, shim.is_some()).then(|| {
            let starts = shim.map(|authorities| format!(": this shim {authorities}"));
            format!(
                "it loaded the shim twice and nothing after it; with Secure Boot on its firmware may \
                 refuse it{}",
                starts.unwrap_or_default()
            )
        })?;
        Some(Event {
            at: event.at,
            peer: event.peer,
            what: EventKind::Planned(DiagnosticCode::ShimRefused.with(text)),
        })
    }

    /// Does what is due at `now`, once a second; `lost` events did not reach it.
    fn look(&mut self, now: Duration, lost: u64) {
        if now.as_secs() == self.looked {
            return;
        }
        self.looked = now.as_secs();
        self.admit_gaps(now, lost, SUMMARY);
    }

    /// Says what was left out at least `patience` ago.
    fn admit_gaps(&mut self, now: Duration, lost: u64, patience: Duration) {
        for suppressed in self.repeats.due(now, patience) {
            self.output.write_suppressed(&suppressed, now);
        }
        if let Some(diagnostic) = self.losses.due(lost, now, patience) {
            self.output.write(&Event {
                at: now,
                peer: Peer::default(),
                what: EventKind::Diagnostic(diagnostic),
            });
        }
    }
}

/// Handle of the running logger.
#[derive(Debug)]
pub struct LoggerHandle {
    thread: JoinHandle<()>,
    is_ending: Arc<AtomicBool>,
}

impl EventLogger {
    /// Starts a thread that logs what comes out of `events`. On a terminal another one draws the
    /// live lines from the snapshots of `progress`.
    ///
    /// # Errors
    /// Fails when there is no thread or descriptor left.
    pub fn start(
        mut self,
        mut events: Events,
        progress: &ProgressReader,
    ) -> std::io::Result<LoggerHandle> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&is_ending);
        let clock = Builder::new_current_thread().enable_time().build()?;
        let live_view = match &self.output {
            Output::Live { screen } => Some(LiveView::start(screen.clone(), progress.clone())?),
            Output::Plain { .. } | Output::Json => None,
        };
        let work = move || {
            while let Some(heard) = hear(&clock, &mut events) {
                let is_ending = ending.load(Ordering::Relaxed);
                if let Some(event) = &heard {
                    self.take(event, is_ending);
                }
                let now = heard.map_or_else(bus::now, |event| event.at);
                self.look(now, events.lost());
                if is_ending && events.is_empty() {
                    break;
                }
            }
            self.admit_gaps(bus::now(), events.lost(), Duration::ZERO);
            drop(live_view);
        };
        let thread = std::thread::Builder::new()
            .name("event-logger".into())
            .spawn(work)?;
        Ok(LoggerHandle { thread, is_ending })
    }
}

/// Returns the next event, or `Some(None)` when none came for a [`TICK`]; `None` when none can come.
fn hear(clock: &Runtime, events: &mut Events) -> Option<Option<Arc<Event>>> {
    let heard = clock.block_on(async { timeout(TICK, events.recv()).await });
    match heard {
        Ok(event) => event.map(Some),
        Err(_) => Some(None),
    }
}

impl LoggerHandle {
    /// Logs `last_words` and waits a moment until everything is logged.
    pub async fn end(self, bus: &Bus, last_words: Diagnostic) {
        /// A stopped terminal does not hold the program.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.is_ending.store(true, Ordering::Relaxed);
        bus.close(last_words);
        let finished = async {
            while !self.thread.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // What could not be logged by then is lost with the terminal that does not take it.
        let _ = timeout(PATIENCE, finished).await;
    }
}

impl Output {
    /// Returns whether `event` has a line of its own here.
    fn shows(&self, event: &Event) -> bool {
        match (self, &event.what) {
            (Self::Json, _) => true,
            (_, EventKind::Progress { .. } | EventKind::OtherLease { .. }) => false,
            // The live line shows these better.
            (Self::Live { .. }, EventKind::Started { .. } | EventKind::NotFound { .. }) => false,
            (_, EventKind::Started { len, .. }) => *len >= LARGE,
            _ => true,
        }
    }

    fn write(&self, event: &Event) {
        match self {
            Self::Json => self.put(event.at, &json::event(event)),
            Self::Plain { .. } | Self::Live { .. } => {
                if let Some(line) = log_line(event) {
                    self.put(event.at, &text::line(&line));
                }
            }
        }
    }

    fn write_suppressed(&self, suppressed: &Suppressed, now: Duration) {
        match self {
            Self::Json => self.put(now, &json::suppressed(suppressed, now)),
            Self::Plain { .. } | Self::Live { .. } => self.put(now, &suppressed.to_string()),
        }
    }

    fn put(&self, at: Duration, line: &str) {
        // A closed pipe is no reason to stop serving machines.
        let _ = match self {
            Self::Json | Self::Plain { clock: false } => {
                writeln!(std::io::stdout().lock(), "{line}")
            }
            Self::Plain { clock: true } => {
                writeln!(std::io::stdout().lock(), "{} {line}", clock::local(at))
            }
            Self::Live { screen } => screen.println(format!("{} {line}", clock::local(at))),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::Protocol;

    #[test]
    fn live_lines_replace_some_lines_which_are_not_counted_then() {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let event = Event {
            at: Duration::ZERO,
            peer: Peer::default(),
            what: EventKind::NotFound {
                protocol: Protocol::Tftp,
                path: "a".into(),
            },
        };
        assert!(!Output::Live { screen }.shows(&event));
        assert!(Output::Plain { clock: false }.shows(&event));
    }
}
