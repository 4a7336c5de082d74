//! Looks at the files of a scan, several at a time: on a slow or remote folder nearly all of the time is
//! waiting for replies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use lanboot_core::catalog::Image;

use super::files::Stamp;

/// Most files looked at at the same time.
const MAX_READERS: usize = 16;
/// Fewest files for each reader, so that few files start no threads.
const FILES_OF_A_READER: usize = 4;
/// Time that a scan takes without saying how far it is.
const SILENT: Duration = Duration::from_secs(1);
/// Interval at which it then says so.
const INTERVAL: Duration = Duration::from_millis(250);

/// State of a file, compared with what is known of it.
#[derive(Debug)]
pub(super) enum FileState {
    /// It is as it was.
    Same,
    /// It was written to a moment ago, and is left to the next scan.
    Fresh,
    /// It cannot be an image, for this reason.
    Unusable(String),
    /// It is new or changed, and was read.
    Read(Stamp, Box<ReadAs>),
}

/// An image as read under the name it probably keeps.
#[derive(Debug)]
pub(super) struct ReadAs {
    /// The name.
    pub(super) name: String,
    /// The image, or why it cannot be served.
    pub(super) image: anyhow::Result<Image>,
}

/// Progress of a scan that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files looked at.
    pub done: usize,
    /// All files.
    pub total: usize,
    /// Time since the scan began.
    pub elapsed: Duration,
}

/// Calls `look` for each file, with up to [`MAX_READERS`] threads that begin with the first; returns what
/// it returned, by path. `watch` is called now and then once it takes long, and then at the end, too.
pub(super) fn each<T: Send>(
    files: &[&PathBuf],
    look: impl Fn(&Path) -> T + Sync,
    watch: &mut dyn FnMut(Progress),
) -> BTreeMap<PathBuf, T> {
    let next = AtomicUsize::new(0);
    let next = || files.get(next.fetch_add(1, Ordering::Relaxed));
    let mut watcher = Watcher::new(files.len(), watch);
    let mut all = BTreeMap::new();
    thread::scope(|scope| {
        let (sender, results) = channel();
        let readers = MAX_READERS.min(files.len() / FILES_OF_A_READER);
        for _ in 0..readers {
            let sender = sender.clone();
            let work = || {
                let sender = sender;
                while let Some(path) = next() {
                    // It is received for as long as there is a sender.
                    let _ = sender.send(((*path).clone(), look(path)));
                }
            };
            // Without one more the others take longer.
            let reader = thread::Builder::new().name("images".into());
            let _ = reader.spawn_scoped(scope, work);
        }
        drop(sender);
        all = received(&results, &mut watcher);
    });
    // Everything, where there are few files or no threads.
    while let Some(path) = next() {
        all.insert((*path).clone(), look(path));
        watcher.look(all.len());
    }
    watcher.end();
    all
}

/// Collects what the readers find, until all have ended.
fn received<T>(
    results: &Receiver<(PathBuf, T)>,
    watcher: &mut Watcher<'_>,
) -> BTreeMap<PathBuf, T> {
    let mut all = BTreeMap::new();
    loop {
        match results.recv_timeout(INTERVAL) {
            Ok((path, result)) => drop(all.insert(path, result)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return all,
        }
        watcher.look(all.len());
    }
}

/// Says now and then how far a scan is.
struct Watcher<'a> {
    watch: &'a mut dyn FnMut(Progress),
    total: usize,
    begun: Instant,
    due: Duration,
}

impl<'a> Watcher<'a> {
    fn new(total: usize, watch: &'a mut dyn FnMut(Progress)) -> Self {
        Self {
            watch,
            total,
            begun: Instant::now(),
            due: SILENT,
        }
    }

    fn look(&mut self, done: usize) {
        let elapsed = self.begun.elapsed();
        if elapsed < self.due || done >= self.total {
            return;
        }
        self.due = elapsed + INTERVAL;
        self.say(done, elapsed);
    }

    fn end(mut self) {
        let elapsed = self.begun.elapsed();
        if elapsed >= SILENT && self.total > 0 {
            self.say(self.total, elapsed);
        }
    }

    fn say(&mut self, done: usize, elapsed: Duration) {
        (self.watch)(Progress {
            done,
            total: self.total,
            elapsed,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: usize) -> Vec<PathBuf> {
        (0..count).map(|n| PathBuf::from(n.to_string())).collect()
    }

    #[test]
    fn every_file_is_looked_at_once_however_many_there_are() {
        for count in [0, 1, 3, 4, 9, 500] {
            let all = files(count);
            let all: Vec<&PathBuf> = all.iter().collect();
            let calls = AtomicUsize::new(0);
            let look = |path: &Path| {
                calls.fetch_add(1, Ordering::Relaxed);
                path.to_owned()
            };
            let found = each(&all, look, &mut |_| {});
            assert_eq!((found.len(), calls.into_inner()), (count, count));
            assert!(found.iter().all(|(path, found)| path == found));
        }
    }

    #[test]
    fn sixteen_slow_files_take_the_time_of_one_and_a_scan_says_how_far_it_is() {
        let all = files(MAX_READERS * FILES_OF_A_READER);
        let all: Vec<&PathBuf> = all.iter().collect();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let look = |_: &Path| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(400));
            now.fetch_sub(1, Ordering::SeqCst);
        };
        let mut said = Vec::new();
        each(&all, look, &mut |progress| said.push(progress));
        let most = most.into_inner();
        assert!(most > 1 && most <= MAX_READERS, "{most}");
        let [first, .., last] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(
            first.done < first.total && first.elapsed >= SILENT,
            "{first:?}"
        );
        assert_eq!((last.done, last.total), (all.len(), all.len()));
    }

    #[test]
    fn a_quick_scan_says_nothing() {
        let all = files(100);
        let all: Vec<&PathBuf> = all.iter().collect();
        each(&all, |_| {}, &mut |progress| panic!("{progress:?}"));
    }
}
