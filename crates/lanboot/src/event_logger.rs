//! The log for the operator: one live line per machine on a terminal, log lines elsewhere. It also
//! knows when the work is done.
//!
//! It has a thread of its own, because writing may wait: a terminal is stopped with Ctrl-S, a pipe
//! is not read. Machines are served all the same, and signals heard.

mod json;

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lanboot_core::events::rate_limit::SUMMARY;
use lanboot_core::events::{
    BootProgress, BootState, Diagnostic, DiagnosticCode, Event, EventKind, MachineStatus, Outlook,
    Peer, RateLimiter, ShimLoads, Suppressed, bytes, log_line,
};
use lanboot_core::machine::Mac;
use lanboot_core::text;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::bus::{self, Bus, Events, LossReport};
use crate::clock;
use crate::config::{Log, Settings};

/// Live lines at once; more machines than fit a screen are in the log lines.
const MAX_LIVE: usize = 24;
/// Size in bytes from which files are also logged when they begin.
const LARGE: u64 = 1 << 20;
/// A machine that is up or silent for so long loses its live line.
const LINGER: Duration = Duration::from_secs(60);
/// How often it looks at what is due without an event: live lines to clear, lines left out.
const TICK: Duration = Duration::from_secs(1);

/// Folds events and writes them out.
#[derive(Debug)]
pub struct EventLogger {
    boot_progress: BootProgress,
    repeats: RateLimiter,
    losses: LossReport,
    shim_loads: ShimLoads,
    output: Output,
    /// When the program became ready.
    began: Duration,
    /// Whether the program ends when every machine is up: then it says what it waits for.
    once: bool,
    /// The second in which it was last looked at what is due.
    looked: u64,
}

#[derive(Debug)]
enum Output {
    Live {
        screen: MultiProgress,
        bars: HashMap<Mac, ProgressBar>,
    },
    Plain {
        clock: bool,
    },
    Json,
}

impl EventLogger {
    /// Creates a logger for the kind of log in `settings`; `now` is when the program became ready.
    pub fn new(settings: &Settings, now: Duration) -> Self {
        let output = match settings.log {
            Some(Log::Json) => Output::Json,
            None if std::io::stdout().is_terminal() => Output::Live {
                screen: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
                bars: HashMap::new(),
            },
            None | Some(Log::Plain) => Output::Plain {
                clock: settings.stamped,
            },
        };
        Self {
            boot_progress: BootProgress::default(),
            repeats: RateLimiter::default(),
            losses: LossReport::new("this log"),
            shim_loads: ShimLoads::default(),
            output,
            began: now,
            once: settings.once,
            looked: 0,
        }
    }

    /// Processes and logs one event. With `ending`, diagnostics are the last lines of the program,
    /// which are always logged.
    fn take(&mut self, event: &Event, ending: bool) {
        let is_diagnostic = matches!(event.what, EventKind::Diagnostic(_));
        if self.output.shows(event) && (ending && is_diagnostic || self.repeats.admit(event)) {
            self.output.write(event);
        }
        if let Some(refused) = self.refused_shim(event)
            && self.repeats.admit(&refused)
        {
            self.output.write(&refused);
        }
        if let (Some(status), Output::Live { screen, bars }) =
            (self.boot_progress.fold(event), &mut self.output)
        {
            show(screen, bars, status, event.at);
        }
    }

    /// Brings every boot to its state at `now`, says what changed, and returns what the machines
    /// need from here.
    fn advance(&mut self, now: Duration) -> Outlook {
        let (mut outlook, events) = self.boot_progress.advance(now);
        outlook.last = outlook.last.max(self.began);
        for event in &events {
            if self.shows_state(event) && self.repeats.admit(event) {
                self.output.write(event);
            }
        }
        outlook
    }

    /// Whether a boot's new state has a line of its own: that it is up or was given up, always; what
    /// it waits for, only where the program waits too.
    fn shows_state(&self, event: &Event) -> bool {
        let EventKind::Boot { state, .. } = &event.what else {
            return false;
        };
        match (&self.output, state) {
            (Output::Json, _) | (_, BootState::Up | BootState::GivenUp) => true,
            (_, BootState::Streaming | BootState::AwaitsFile(_) | BootState::AwaitsAddress) => {
                self.once
            }
            (_, BootState::Loading | BootState::NotBooting) => false,
        }
    }

    /// What is to be said of a machine that loads its shim again and nothing after it.
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
        if !self.is_due(now) {
            return;
        }
        self.looked = now.as_secs();
        self.tidy(now);
        self.admit_gaps(now, lost, SUMMARY);
    }

    fn is_due(&self, now: Duration) -> bool {
        now.as_secs() != self.looked
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

    /// Clears live lines nobody needs any more.
    fn tidy(&mut self, now: Duration) {
        let Output::Live { screen, bars } = &mut self.output else {
            return;
        };
        // What a machine waits for changes without an event.
        for status in self.boot_progress.statuses() {
            if status.mac.is_some_and(|mac| bars.contains_key(&mac)) {
                show(screen, bars, status, now);
            }
        }
        let stale = self
            .boot_progress
            .statuses()
            .filter(|s| now.saturating_sub(s.last) > LINGER);
        for bar in stale.filter_map(|status| bars.remove(&status.mac?)) {
            bar.finish();
            screen.remove(&bar);
        }
    }
}

/// Handle of the running logger.
#[derive(Debug)]
pub struct LoggerHandle {
    thread: JoinHandle<()>,
    known: Arc<Known>,
}

/// What the rest of the program wants to know.
#[derive(Debug)]
struct Known {
    outlook: Mutex<Outlook>,
    ending: AtomicBool,
}

impl EventLogger {
    /// Starts a thread that logs what comes out of `events`.
    pub fn start(mut self, mut events: Events) -> std::io::Result<LoggerHandle> {
        let known = Arc::new(Known {
            outlook: Mutex::new(self.advance(self.began)),
            ending: AtomicBool::new(false),
        });
        let shared = Arc::clone(&known);
        let clock = Builder::new_current_thread().enable_time().build()?;
        let work = move || {
            while let Some(heard) = hear(&clock, &mut events) {
                let ending = shared.ending.load(Ordering::Relaxed);
                if let Some(event) = &heard {
                    self.take(event, ending);
                }
                // It looks at every machine, so not after each event of many.
                let is_progress =
                    |event: &Arc<Event>| matches!(event.what, EventKind::Progress { .. });
                let is_last = events.is_empty() && !heard.as_ref().is_some_and(is_progress);
                if is_last || self.is_due(bus::now()) {
                    let outlook = self.advance(bus::now());
                    *shared
                        .outlook
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = outlook;
                }
                self.look(heard.map_or_else(bus::now, |event| event.at), events.lost());
                if ending && events.is_empty() {
                    break;
                }
            }
            self.admit_gaps(bus::now(), events.lost(), Duration::ZERO);
        };
        let thread = std::thread::Builder::new()
            .name("event-logger".into())
            .spawn(work)?;
        Ok(LoggerHandle { thread, known })
    }
}

/// The next event, or `Some(None)` when none came for a [`TICK`]; `None` when none can come.
fn hear(clock: &Runtime, events: &mut Events) -> Option<Option<Arc<Event>>> {
    let heard = clock.block_on(async { timeout(TICK, events.recv()).await });
    match heard {
        Ok(event) => event.map(Some),
        Err(_) => Some(None),
    }
}

impl LoggerHandle {
    /// What the machines need from this server, as of a second ago at most.
    pub fn outlook(&self) -> Outlook {
        let outlook = self.known.outlook.lock();
        outlook.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs `last_words` and waits a moment until everything is logged.
    pub async fn end(self, bus: &Bus, last_words: Diagnostic) {
        /// A stopped terminal does not hold the program.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.known.ending.store(true, Ordering::Relaxed);
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
    /// Whether `event` has a line of its own here.
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
            Self::Live { screen, .. } => screen.println(format!("{} {line}", clock::local(at))),
        };
    }
}

fn show(
    screen: &MultiProgress,
    bars: &mut HashMap<Mac, ProgressBar>,
    status: &MachineStatus,
    now: Duration,
) {
    let Some(mac) = status.mac.filter(|_| status.is_booting()) else {
        return;
    };
    if !bars.contains_key(&mac) && bars.len() >= MAX_LIVE {
        return;
    }
    let bar = bars.entry(mac).or_insert_with(|| {
        let style = ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        screen.add(ProgressBar::new(1).with_style(style))
    });
    let address = status.ip.map_or_else(String::new, |ip| ip.to_string());
    bar.set_prefix(format!("{mac} {address:<15} {:<9}", status.stage.name()));
    let largest = status.running.iter().max_by_key(|r| r.len);
    match largest {
        Some(running) => {
            let name = text::line(running.path.rsplit('/').next().unwrap_or_default());
            let percent = running.sent.saturating_mul(100) / running.len.max(1);
            bar.set_length(running.len.max(1));
            bar.set_position(running.sent);
            bar.set_message(format!("{percent:>3}% {name} {}/s", bytes(running.rate)));
        }
        None => {
            let state = status.state(now);
            bar.set_length(1);
            let is_up = matches!(state, BootState::Up | BootState::Streaming);
            bar.set_position(u64::from(is_up));
            bar.set_message(state.to_string());
        }
    }
    bar.tick();
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::Protocol;

    #[test]
    fn live_lines_replace_some_lines_which_are_not_counted_then() {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let bars = HashMap::new();
        let event = Event {
            at: Duration::ZERO,
            peer: Peer::default(),
            what: EventKind::NotFound {
                protocol: Protocol::Tftp,
                path: "a".into(),
            },
        };
        assert!(!Output::Live { screen, bars }.shows(&event));
        assert!(Output::Plain { clock: false }.shows(&event));
    }
}
