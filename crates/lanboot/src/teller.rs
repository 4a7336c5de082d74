//! Tells the operator: one live line per machine on a terminal, log lines elsewhere. Also the
//! one who knows when the work is done.
//!
//! It has a thread of its own, because writing may wait: a terminal is stopped with Ctrl-S, a pipe
//! is not read. Machines are served all the same, and signals heard.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use lanboot_core::journal::{Door, Event, Journal, Peer, Role, Step, Story, What, bytes, tell};
use lanboot_core::machine::Mac;
use lanboot_core::site::Site;
use serde_json::{Map, Value, json};

use tokio::sync::mpsc;

use crate::bus::Bus;
use crate::clock;
use crate::settings::{Log, Settings};

/// Live lines at once; more machines than fit a screen are in the log lines.
const MAX_LIVE: usize = 24;
/// Files from this size on are also told when they begin, in bytes.
const LARGE: u64 = 1 << 20;
/// A machine that is up or silent for so long loses its live line.
const LINGER: Duration = Duration::from_secs(60);

/// Folds events and writes them out.
#[derive(Debug)]
pub struct Teller {
    journal: Journal,
    site: Arc<ArcSwap<Site>>,
    output: Output,
    /// When a machine was last heard.
    last: Duration,
    /// The second in which live lines were last cleared.
    tidied: u64,
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

impl Teller {
    /// A teller for the kind of log in `settings`; `now` is when the program became ready.
    pub fn new(settings: &Settings, site: Arc<ArcSwap<Site>>, now: Duration) -> Self {
        let output = match settings.log {
            Log::Json => Output::Json,
            Log::Auto if std::io::stdout().is_terminal() => Output::Live {
                screen: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
                bars: HashMap::new(),
            },
            Log::Auto | Log::Plain => Output::Plain {
                clock: settings.stamped,
            },
        };
        Self {
            journal: Journal::default(),
            site,
            output,
            last: now,
            tidied: 0,
        }
    }

    /// Takes one event in and tells it.
    fn take(&mut self, event: &Event) {
        let role = match &event.what {
            // A mount and a network disk are where the root is.
            What::Started { door, .. } | What::Finished { door, .. }
                if matches!(door, Door::Nfs | Door::Nbd) =>
            {
                Role::Root
            }
            What::Started { path, .. } | What::Finished { path, .. } => {
                self.site.load().role(path.as_bytes())
            }
            _ => Role::Other,
        };
        if !matches!(event.what, What::Notice { .. }) {
            self.last = event.at;
        }
        self.tidy(event.at);
        self.output.write(event);
        if let (Some(story), Output::Live { screen, bars }) =
            (self.journal.fold(event, role), &mut self.output)
        {
            show(screen, bars, story);
        }
    }

    /// Clears live lines nobody needs any more, once a second.
    fn tidy(&mut self, now: Duration) {
        let Output::Live { screen, bars } = &mut self.output else {
            return;
        };
        if now.as_secs() == self.tidied {
            return;
        }
        self.tidied = now.as_secs();
        let stale = self
            .journal
            .stories()
            .filter(|s| now.saturating_sub(s.last) > LINGER);
        for bar in stale.filter_map(|story| bars.remove(&story.mac?)) {
            bar.finish();
            screen.remove(&bar);
        }
    }
}

/// The teller at work.
#[derive(Debug)]
pub struct Telling {
    thread: JoinHandle<()>,
    known: Arc<Known>,
}

/// What the rest of the program wants to know.
#[derive(Debug)]
struct Known {
    all_up: AtomicBool,
    /// When a machine was last heard, in milliseconds since 1970.
    last: AtomicU64,
    ending: AtomicBool,
}

impl Teller {
    /// Starts telling what comes out of `events`.
    pub fn start(mut self, mut events: mpsc::Receiver<Event>) -> std::io::Result<Telling> {
        let known = Arc::new(Known {
            all_up: AtomicBool::new(false),
            last: AtomicU64::new(millis(self.last)),
            ending: AtomicBool::new(false),
        });
        let told = Arc::clone(&known);
        let work = move || {
            while let Some(event) = events.blocking_recv() {
                self.take(&event);
                told.all_up.store(self.journal.all_up(), Ordering::Relaxed);
                told.last.store(millis(self.last), Ordering::Relaxed);
                if told.ending.load(Ordering::Relaxed) && events.is_empty() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("teller".into())
            .spawn(work)?;
        Ok(Telling { thread, known })
    }
}

impl Telling {
    /// Whether every machine that began to boot has its root file system.
    pub fn all_up(&self) -> bool {
        self.known.all_up.load(Ordering::Relaxed)
    }

    /// How long no machine has asked for anything.
    pub fn idle(&self, now: Duration) -> Duration {
        now.saturating_sub(Duration::from_millis(
            self.known.last.load(Ordering::Relaxed),
        ))
    }

    /// Says `last_words` and waits a moment until everything is told.
    pub async fn end(self, bus: &Bus, last_words: String) {
        /// A stopped terminal does not hold the program.
        const PATIENCE: Duration = Duration::from_secs(1);
        self.known.ending.store(true, Ordering::Relaxed);
        bus.publish(Peer::default(), What::Notice { text: last_words });
        let told = async {
            while !self.thread.is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // What could not be told by then is lost with the terminal that does not take it.
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Output {
    fn write(&self, event: &Event) {
        // A closed pipe is no reason to stop serving machines.
        let _ = match self {
            Self::Json => writeln!(std::io::stdout().lock(), "{}", json(event)),
            Self::Plain { clock } => match line(event) {
                Some(line) if *clock => {
                    writeln!(
                        std::io::stdout().lock(),
                        "{} {line}",
                        clock::local(event.at)
                    )
                }
                Some(line) => writeln!(std::io::stdout().lock(), "{line}"),
                None => Ok(()),
            },
            Self::Live { screen, .. } => match line(event) {
                // The live line shows these better.
                Some(_) if matches!(event.what, What::Started { .. } | What::NotFound { .. }) => {
                    Ok(())
                }
                Some(line) => screen.println(format!("{} {line}", clock::local(event.at))),
                None => Ok(()),
            },
        };
    }
}

fn line(event: &Event) -> Option<String> {
    match &event.what {
        What::Started { len, .. } if *len < LARGE => None,
        _ => tell(event),
    }
}

fn show(screen: &MultiProgress, bars: &mut HashMap<Mac, ProgressBar>, story: &Story) {
    let Some(mac) = story.mac.filter(|_| story.booting) else {
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
    let address = story.ip.map_or_else(String::new, |ip| ip.to_string());
    bar.set_prefix(format!("{mac} {address:<15} {:<9}", story.step.name()));
    let largest = story.running.iter().max_by_key(|r| r.len);
    match largest {
        Some(running) => {
            let name = running.path.rsplit('/').next().unwrap_or_default();
            let percent = running.sent.saturating_mul(100) / running.len.max(1);
            bar.set_length(running.len.max(1));
            bar.set_position(running.sent);
            bar.set_message(format!("{percent:>3}% {name} {}/s", bytes(running.rate)));
        }
        None => {
            bar.set_length(1);
            bar.set_position(u64::from(story.step == Step::Up));
            bar.set_message(if story.step == Step::Up {
                "has its root file system"
            } else {
                ""
            });
        }
    }
    bar.tick();
}

/// An event as one JSON object; keys are stable.
fn json(event: &Event) -> Value {
    let mut object = Map::new();
    object.insert("time".into(), clock::rfc3339(event.at).into());
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            object.insert(key.into(), value);
        }
    };
    put("mac", json!(event.peer.mac.map(|m| m.to_string())));
    put("ip", json!(event.peer.ip));
    let kind = match &event.what {
        What::Dhcp {
            interface,
            message,
            address,
            machine,
            detail,
        } => {
            put("interface", json!(interface.as_ref()));
            put("message", json!(message));
            put("address", json!(address));
            put(
                "arch",
                json!(machine.as_ref().and_then(|m| Some(m.arch?.to_string()))),
            );
            put("detail", json!(detail));
            "dhcp"
        }
        What::Ignored { door, request, why } => {
            put("door", json!(door.name()));
            put("request", json!(request));
            put("why", json!(why));
            "ignored"
        }
        What::Started {
            door,
            transfer,
            path,
            len,
        } => {
            put("door", json!(door.name()));
            put("transfer", json!(transfer));
            put("path", json!(path));
            put("len", json!(len));
            "started"
        }
        What::Progress { transfer, sent } => {
            put("transfer", json!(transfer));
            put("sent", json!(sent));
            "progress"
        }
        What::Finished {
            door,
            transfer,
            path,
            sent,
            took,
            retransmits,
        } => {
            put("door", json!(door.name()));
            put("transfer", json!(transfer));
            put("path", json!(path));
            put("sent", json!(sent));
            put("seconds", json!(took.as_secs_f64()));
            put("retransmits", json!(retransmits));
            "finished"
        }
        What::Failed {
            door,
            transfer,
            path,
            sent,
            why,
        } => {
            put("door", json!(door.name()));
            put("transfer", json!(transfer));
            put("path", json!(path));
            put("sent", json!(sent));
            put("why", json!(why));
            "failed"
        }
        What::NotFound { door, path } => {
            put("door", json!(door.name()));
            put("path", json!(path));
            "not-found"
        }
        What::Planned { text } => {
            put("text", json!(text));
            "planned"
        }
        What::Notice { text } => {
            put("text", json!(text));
            "notice"
        }
    };
    object.insert("event".into(), kind.into());
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::journal::Peer;

    #[test]
    fn a_json_line_has_only_what_is_known() {
        let event = Event {
            at: Duration::from_millis(1_500),
            peer: Peer {
                mac: None,
                ip: Some("10.0.0.9".parse().unwrap()),
            },
            what: What::NotFound {
                door: Door::Tftp,
                path: "a\"b".into(),
            },
        };
        assert_eq!(
            json(&event).to_string(),
            r#"{"door":"TFTP","event":"not-found","ip":"10.0.0.9","path":"a\"b","time":"1970-01-01T00:00:01.500Z"}"#
        );
    }
}
