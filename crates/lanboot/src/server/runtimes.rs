//! The runtimes of the listeners.
//!
//! tokio panics when it cannot create a thread that it needs, and then waits for ever for those it has.
//! A limit of memory or of processes must end in a sentence: all threads without which tokio cannot go
//! on are created at the start, where a failure is an error, and kept.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use std::{io, thread};

use anyhow::{Context as _, anyhow};
use tokio::runtime::{Builder, Runtime};

/// Threads for TFTP, HTTP, NFS and NBD. More than cores, because `sendfile` of a cold page holds one.
const DATA_THREADS: usize = 8;
/// Memory that must be there, in bytes: the stacks of all threads at the start, and what those allocate
/// that cannot fail in a sentence.
const HEADROOM: usize = 32 << 20;
/// Most threads of one runtime that wait for the disk or for another program.
const MAX_BLOCKING_THREADS: usize = 32;
/// Time for which such a thread is kept without work: always. While one exists, tokio queues work for it
/// when it cannot create another.
const KEEP_ALIVE: Duration = Duration::from_secs(u32::MAX as u64);

/// The runtimes, started.
#[derive(Debug)]
pub(super) struct Runtimes {
    /// DHCP, signals and rescans: they never wait behind a cold disk.
    pub(super) control: Runtime,
    /// Everything else.
    pub(super) data: Runtime,
}

impl Runtimes {
    /// Starts both with the threads they need.
    ///
    /// # Errors
    /// The system creates too few threads.
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut control = Builder::new_current_thread();
        let mut data = Builder::new_multi_thread();
        data.worker_threads(DATA_THREADS).thread_name("data");
        check_memory(HEADROOM)?;
        // And one of each that may block.
        check_threads(DATA_THREADS + 2)?;
        let start = |builder: &mut Builder| -> io::Result<Runtime> {
            let builder = builder.max_blocking_threads(MAX_BLOCKING_THREADS);
            let runtime = builder.thread_keep_alive(KEEP_ALIVE).enable_all().build()?;
            // The first one, which is kept.
            drop(runtime.spawn_blocking(|| {}));
            Ok(runtime)
        };
        let failed = "cannot start the runtime";
        Ok(Self {
            control: start(&mut control).context(failed)?,
            data: start(&mut data).context(failed)?,
        })
    }

    /// Ends both without waiting for what blocks.
    pub(super) fn stop(self) {
        self.data.shutdown_timeout(Duration::from_secs(1));
        self.control.shutdown_timeout(Duration::from_secs(1));
    }
}

/// Allocates so many bytes, and frees them.
fn check_memory(bytes: usize) -> anyhow::Result<()> {
    let mut memory: Vec<u8> = Vec::new();
    let reserved = memory.try_reserve_exact(bytes);
    // Used, or the compiler leaves the allocation out.
    std::hint::black_box(&memory);
    reserved.map_err(|_| {
        let mib = bytes >> 20;
        anyhow!("cannot allocate {mib} MiB of memory for threads: {RAISE}")
    })
}

/// Advice for too little memory or too few threads.
const RAISE: &str =
    "raise the limits of memory and of processes (ulimit -v, ulimit -u, MemoryMax=, TasksMax=)";

/// Creates so many threads at once, and ends them.
fn check_threads(count: usize) -> anyhow::Result<()> {
    let start = || -> io::Result<(Sender<()>, thread::JoinHandle<()>)> {
        let (release, released) = channel();
        let wait = move || {
            // Ends when the sender is dropped.
            let _ = released.recv();
        };
        Ok((release, thread::Builder::new().spawn(wait)?))
    };
    let threads = (0..count).map(|_| start());
    let threads: Vec<_> = threads
        .collect::<io::Result<_>>()
        .with_context(|| format!("cannot start {count} threads: {RAISE}"))?;
    for (release, thread) in threads {
        drop(release);
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        check_memory(1 << 20).unwrap();
        let error = check_memory(isize::MAX as usize).unwrap_err().to_string();
        assert!(error.contains("ulimit -v"), "{error}");
    }

    #[test]
    fn threads_that_can_be_created_are_ended_again() {
        check_threads(10).unwrap();
        let runtimes = Runtimes::start().unwrap();
        let done = runtimes
            .control
            .block_on(async { tokio::task::spawn_blocking(|| 7).await });
        assert_eq!(done.unwrap(), 7);
        runtimes.stop();
    }
}
