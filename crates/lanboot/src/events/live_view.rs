//! Live lines: one per machine on a terminal, drawn from snapshots of the boot progress.
//!
//! They have a thread of their own, because a terminal may be stopped with Ctrl-S.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lanboot_core::events::{BootState, MachineView, Snapshot, bytes};
use lanboot_core::machine::Mac;
use lanboot_core::text;

use crate::events::boot_progress::ProgressReader;
use crate::events::bus;

/// Live lines at once; more machines than fit a screen are in the log lines.
const MAX_LIVE: usize = 24;
/// A machine that is up or silent for so long loses its live line.
const LINGER: Duration = Duration::from_secs(60);
/// Interval at which a new snapshot is fetched.
const REFRESH: Duration = Duration::from_millis(100);

/// Handle of the thread that draws. Dropping it clears the lines, and waits for that.
#[derive(Debug)]
pub struct LiveView {
    /// Dropped to stop the thread.
    running: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl LiveView {
    /// Starts to draw below the lines that are printed through `screen`.
    ///
    /// # Errors
    /// Fails when there is no thread left.
    pub fn start(screen: MultiProgress, progress: ProgressReader) -> io::Result<Self> {
        let (running, stopped) = channel();
        let lines = LiveLines {
            screen,
            bars: HashMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("live-view".into())
            .spawn(move || lines.follow(&progress, &stopped))?;
        Ok(Self {
            running: Some(running),
            thread: Some(thread),
        })
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it is printed already.
            let _ = thread.join();
        }
    }
}

struct LiveLines {
    screen: MultiProgress,
    bars: HashMap<Mac, ProgressBar>,
}

impl LiveLines {
    fn follow(mut self, progress: &ProgressReader, stopped: &Receiver<Infallible>) {
        let mut drawn = progress.snapshot();
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REFRESH) {
            let snapshot = progress.snapshot();
            if !Arc::ptr_eq(&snapshot, &drawn) {
                self.draw(&snapshot, bus::now());
                drawn = snapshot;
            }
        }
    }

    /// Draws the machines that boot, and clears the lines nobody needs any more.
    fn draw(&mut self, snapshot: &Snapshot, now: Duration) {
        let mut rest = std::mem::take(&mut self.bars);
        for machine in &snapshot.machines {
            let is_recent = now.saturating_sub(machine.last) <= LINGER;
            let Some(mac) = machine.mac.filter(|_| machine.is_booting && is_recent) else {
                continue;
            };
            let bar = match rest.remove(&mac) {
                Some(bar) => bar,
                None if self.bars.len() + rest.len() >= MAX_LIVE => continue,
                None => self.new_bar(),
            };
            show(&bar, mac, machine);
            self.bars.insert(mac, bar);
        }
        for bar in rest.into_values() {
            bar.finish();
            self.screen.remove(&bar);
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.screen.add(ProgressBar::new(1).with_style(style))
    }
}

fn show(bar: &ProgressBar, mac: Mac, machine: &MachineView) {
    let address = machine.ip.map_or_else(String::new, |ip| ip.to_string());
    bar.set_prefix(format!("{mac} {address:<15} {:<9}", machine.stage.name()));
    let largest = machine.running.iter().max_by_key(|r| r.len);
    match largest {
        Some(running) => {
            let name = text::line(running.path.rsplit('/').next().unwrap_or_default());
            let percent = running.sent.saturating_mul(100) / running.len.max(1);
            bar.set_length(running.len.max(1));
            bar.set_position(running.sent);
            bar.set_message(format!("{percent:>3}% {name} {}/s", bytes(running.rate)));
        }
        None => {
            let is_up = matches!(machine.state, BootState::Up | BootState::Streaming);
            bar.set_length(1);
            bar.set_position(u64::from(is_up));
            bar.set_message(machine.state.to_string());
        }
    }
    bar.tick();
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;
    use lanboot_core::events::{BootStage, Outlook};

    const NOW: Duration = Duration::from_secs(1_000_000);

    /// Returns a machine that boots and was last heard `silence` before [`NOW`].
    fn machine(number: u8, silence: Duration) -> MachineView {
        MachineView {
            mac: Some(Mac([2, 0, 0, 0, 0, number])),
            ip: None,
            is_booting: true,
            stage: BootStage::Loader,
            state: BootState::Loading,
            running: Vec::new(),
            last: NOW - silence,
        }
    }

    fn lines() -> LiveLines {
        LiveLines {
            screen: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            bars: HashMap::new(),
        }
    }

    fn snapshot(machines: Vec<MachineView>) -> Snapshot {
        Snapshot {
            outlook: Outlook::default(),
            machines,
        }
    }

    #[test]
    fn machines_that_boot_have_a_line_until_they_are_silent_or_forgotten() {
        let mut lines = lines();
        let phone = MachineView {
            is_booting: false,
            ..machine(3, Duration::ZERO)
        };
        let all = vec![machine(1, Duration::ZERO), machine(2, LINGER), phone];
        lines.draw(&snapshot(all), NOW);
        assert_eq!(lines.bars.len(), 2);
        let all = vec![machine(1, Duration::ZERO), machine(2, 2 * LINGER)];
        lines.draw(&snapshot(all), NOW);
        assert_eq!(lines.bars.len(), 1);
        lines.draw(&snapshot(Vec::new()), NOW);
        assert!(lines.bars.is_empty());
    }

    #[test]
    fn so_many_machines_have_a_line_and_keep_it() {
        let mut lines = lines();
        let numbers = |from: u8| (from..from + 24).map(|n| machine(n, Duration::ZERO));
        lines.draw(&snapshot(numbers(0).collect()), NOW);
        let first: Vec<Mac> = lines.bars.keys().copied().collect();
        assert_eq!(first.len(), MAX_LIVE);
        lines.draw(&snapshot(numbers(24).chain(numbers(0)).collect()), NOW);
        assert_eq!(lines.bars.len(), MAX_LIVE);
        assert!(first.iter().all(|mac| lines.bars.contains_key(mac)));
    }
}
