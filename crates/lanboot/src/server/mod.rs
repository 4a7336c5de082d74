//! `lanboot serve`: open everything, then run every server until there is a reason to stop.

mod hangup;
mod indexing;
mod interface_watch;
mod known_machines;
mod ram_disks;
mod runtimes;
mod shutdown;
mod startup;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use lanboot_core::catalog::Catalog;
use lanboot_core::events::{Diagnostic, DiagnosticCode, Outlook};
use lanboot_core::plan::BootChoice;
use lanboot_core::routes::Routes;
use lanboot_core::text;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Settings;
use crate::context::Context;
use crate::events::boot_progress::{self, ProgressHandle};
use crate::events::bus::{self, Bus};
use crate::events::logger::{EventLogger, LoggerHandle};
use crate::images::library::ImageLibrary;
use crate::machines::RecorderHandle;
use crate::{dhcp, http, nbd, nfs, tftp};
use hangup::{Hangup, Meaning};
use indexing::Indexing;
use runtimes::Runtimes;
use startup::Sockets;

/// Interval at which image files and folders are checked for changes.
const RESCAN: Duration = Duration::from_secs(5);
/// Share of the time that checking them may take: one part of so many.
const RESTS: u32 = 5;
/// Interval at which the end of the work is checked.
const TICK: Duration = Duration::from_millis(500);

/// Serves until a signal, `--once` or `--until-idle` ends it.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    // One that a killed program left behind would be wrong.
    remove_ready(settings.ready_file.as_deref());
    let logger = EventLogger::new(settings);
    let opened = startup::open(settings, &logger)?;
    // Dropped last, after every server has stopped.
    let (_temporary_addresses, _lock) = (opened.temporary_addresses, opened.lock);
    let (bus, events) = Bus::new();
    let (for_progress, for_machines) = (bus.subscribe(), bus.subscribe());
    let (drain, draining) = watch::channel(false);
    let own = opened.routes.addresses.iter();
    bus.count_arrivals_at(own.map(IpNet::addr));
    let mut known = opened.known;
    let context = Context {
        plans: known.plans(settings, bus.clone()),
        routes: Arc::new(ArcSwap::from_pointee(opened.routes)),
        open_images: opened.open_images,
        bus: bus.clone(),
        drain: draining,
    };
    for diagnostic in opened.diagnostics {
        bus.report(diagnostic);
    }
    let runtimes = Runtimes::start()?;
    let (control, data) = (&runtimes.control, &runtimes.data);
    let mut servers: JoinSet<anyhow::Result<()>> = JoinSet::new();
    serve_files(opened.sockets, settings, &context, data, &mut servers);
    let (decided, decision) = oneshot::channel();
    let again = Arc::new(Notify::new());
    match opened.dhcp {
        Some(protocol) => {
            let dhcp = dhcp::serve(protocol, context.clone(), decided, Arc::clone(&again));
            servers.spawn_on(dhcp, control.handle());
        }
        // Received below.
        None => drop(decided.send(())),
    }
    for watched in opened.watches {
        // Not on the runtime of DHCP, because it waits for the kernel's answers. Without it only
        // its warnings are missing.
        data.spawn(watched.run(bus.clone(), context.drain.clone()));
    }
    let rescan = rescan(opened.library, context.clone(), settings.boot.clone());
    control.spawn(rescan);
    let recorder = known.start(data.handle(), for_machines, &context);
    let progress = boot_progress::start(bus.clone(), for_progress, bus::now());
    let progress = progress.context("cannot start the thread that follows the boots")?;
    let logger = logger.start(events, progress.reader());
    let logger = logger.context("cannot start the thread that writes the log")?;
    let consumers = Consumers {
        progress,
        recorder,
        logger,
    };
    let waits = Waits { decision, again };
    let result = control.block_on(attend(settings, &bus, consumers, servers, &drain, waits));
    runtimes.stop();
    result
}

/// Starts the servers of files.
fn serve_files(
    sockets: Sockets,
    settings: &Settings,
    context: &Context,
    data: &Runtime,
    servers: &mut JoinSet<anyhow::Result<()>>,
) {
    for socket in sockets.tftp {
        let limits = tftp::Limits {
            single_port: settings.tftp_single_port,
            ..tftp::Limits::default()
        };
        let tftp = tftp::serve(socket, context.clone(), limits);
        servers.spawn_on(async { tftp.await.context("TFTP") }, data.handle());
    }
    for listener in sockets.http {
        let http = http::serve(listener, context.clone(), http::Limits::default());
        servers.spawn_on(async { http.await.context("HTTP") }, data.handle());
    }
    for listener in sockets.nbd {
        let nbd = nbd::serve(listener, context.clone(), nbd::Limits::default());
        servers.spawn_on(async { nbd.await.context("NBD") }, data.handle());
    }
    for protocol in sockets.nfs {
        let nfs = nfs::serve(protocol, context.clone(), nfs::Limits::default());
        servers.spawn_on(async { nfs.await.context("NFS") }, data.handle());
    }
}

/// The consumers of the bus.
struct Consumers {
    progress: ProgressHandle,
    /// Without DHCP no machine is known.
    recorder: Option<RecorderHandle>,
    logger: LoggerHandle,
}

/// Signals between DHCP and the rest of the program.
struct Waits {
    /// It is known whether addresses are handed out.
    decision: oneshot::Receiver<()>,
    /// Other servers are to be looked for again.
    again: Arc<Notify>,
}

/// Watches for the reason to stop, and then waits for transfers, a bounded time.
async fn attend(
    settings: &Settings,
    bus: &Bus,
    consumers: Consumers,
    mut servers: JoinSet<anyhow::Result<()>>,
    drain: &watch::Sender<bool>,
    mut waits: Waits,
) -> anyhow::Result<()> {
    let progress = consumers.progress.reader();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut hangup = Hangup::new().context("SIGHUP")?;
    let mut is_ready = false;
    let mut how_to_end = "a second SIGTERM ends it";
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let result = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok("SIGTERM".to_owned()),
            _ = interrupt.recv() => {
                how_to_end = "Ctrl-C again ends it";
                break Ok("interrupted".to_owned());
            }
            meaning = hangup.recv() => match meaning {
                Meaning::Again => waits.again.notify_one(),
                Meaning::Closed => break Ok("the terminal was closed".to_owned()),
            },
            // Without a decision the server has failed, which is handled below.
            decided = &mut waits.decision, if !is_ready => {
                is_ready = true;
                if decided.is_ok() {
                    ready(settings.ready_file.as_deref())?;
                }
            }
            Some(ended) = servers.join_next() => break match ended {
                Ok(Ok(())) => Err(anyhow!("a server task ended unexpectedly")),
                Ok(Err(error)) => Err(error),
                Err(error) => Err(anyhow!("a server task failed: {error}")),
            },
            _ = tick.tick() => {
                if let Some(why) = why_done(settings, &progress.outlook()) {
                    break Ok(why);
                }
            }
        }
    };
    let why = result
        .as_ref()
        .map_or("a server task failed", String::as_str);
    bus.report(DiagnosticCode::Stopping.with(format!("stopping: {why}")));
    // It has no receiver only if every server has ended already.
    let _ = drain.send(true);
    // That systemd is not there is no fault.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let last_words = shutdown::wait(servers, again, progress, bus, how_to_end).await;
    consumers.progress.end().await;
    if let Some(recorder) = consumers.recorder {
        recorder.end().await;
    }
    consumers.logger.end(bus, last_words).await;
    remove_ready(settings.ready_file.as_deref());
    result.map(|_| ())
}

/// Returns why the program ends by itself, once it does.
fn why_done(settings: &Settings, outlook: &Outlook) -> Option<String> {
    if settings.once && outlook.is_done() {
        return Some(format!("{} (--once)", outlook.done_text()));
    }
    let is_idle = |limit| outlook.is_idle(bus::now(), limit);
    let is_idle = settings.until_idle.is_some_and(is_idle);
    is_idle.then(|| "no requests for long enough (--until-idle)".to_owned())
}

fn ready(file: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = file {
        std::fs::write(path, b"ready\n")
            .with_context(|| format!("cannot write --ready-file {}", text::path(path)))?;
    }
    // That systemd is not there is no fault.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(())
}

fn remove_ready(file: Option<&Path>) {
    if let Some(path) = file {
        // Somebody else may have removed it already.
        let _ = std::fs::remove_file(path);
    }
}

/// Looks at the image files again and again; a changed catalog replaces the old one whole, while
/// transfers go on from the files they began with.
async fn rescan(mut library: ImageLibrary, context: Context, wanted: Option<String>) {
    let mut tick = interval(RESCAN);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        let bus = context.bus.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let report = |diagnostic| bus.report(diagnostic);
            let mut indexing = Indexing::new(&report, None);
            let watch = &mut |progress| indexing.watch(progress);
            let scan = library.scan_watched(Some(SystemTime::now()), watch);
            (library, scan, begun.elapsed())
        });
        let Ok((same, scan, took)) = scanned.await else {
            return;
        };
        library = same;
        // A remote folder has others to serve, too.
        tick.reset_after(RESCAN.max(took * RESTS));
        let report = |diagnostic| context.bus.report(diagnostic);
        scan.new_faults.into_iter().for_each(report);
        if !scan.changed {
            continue;
        }
        scan.warnings.into_iter().for_each(report);
        let mut routes = Routes::clone(&context.routes.load());
        routes.menu.boot = BootChoice::resolve(&scan.catalog, wanted.as_deref())
            .or_else(|error| {
                report(DiagnosticCode::BootChoiceGone.with(format!("--boot: {error}")));
                BootChoice::resolve(&scan.catalog, None)
            })
            .unwrap_or_default();
        routes.catalog = Arc::new(scan.catalog);
        report(about_change(&routes.catalog));
        context.routes.store(Arc::new(routes));
    }
}

fn about_change(catalog: &Catalog) -> Diagnostic {
    if catalog.images().is_empty() {
        return DiagnosticCode::NoImageLeft
            .with("the images changed; none is left, and machines get nothing to load");
    }
    let text = format!("the images changed; now serving: {}", catalog.sentence());
    DiagnosticCode::ImagesChanged.with(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_image_is_left_is_said() {
        let said = about_change(&Catalog::default()).text;
        assert!(said.contains("none is left"), "{said}");
    }
}
