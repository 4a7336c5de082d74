//! Mounts: which machine mounted which image and read how much, for events and `showmount -a`.
//! No answer to a read depends on it: NFS knows no mounts.
//!
//! An account begins with MNT, or with the first read that no mount was seen for, as after a
//! restart. It ends with UMNT, or when the machine is gone for long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanboot_core::events::{FileUse, Protocol};
use lanboot_core::nfs::Mounted;
use lanboot_core::vfs::{Identity, ImageId};
use tokio::time::{Instant, sleep};

use crate::events::bus::{self, Bus};
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::images::open_images::OpenImages;
use crate::io::send::SendError;
use crate::io::tcp_listener::peer;

/// Linux says no goodbye either when it unmounts, but closes its connection at once. One that is
/// closed so soon after its last use, with no other one in [`GONE`], was an unmount.
const LEFT: Duration = Duration::from_secs(120);
const GONE: Duration = Duration::from_secs(30);
/// Longest pause between two looks for machines that are gone.
const LOOK: Duration = Duration::from_secs(5);
/// Most accounts; beyond that the one that was used longest ago ends.
const MAX_ACCOUNTS: usize = 8192;
/// Most parts in which the time to forget is waited for.
const LOOKS: u32 = 20;
/// Least time between two notes that an image is in use.
const NOTE: Duration = Duration::from_secs(1);

/// Every account.
#[derive(Debug)]
pub(super) struct Accounts {
    table: Mutex<Table>,
    bus: Bus,
    open_images: Arc<OpenImages>,
    forget: Duration,
    /// When time began for the accounts.
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Table {
    mounts: HashMap<(IpAddr, Identity), Arc<Mount>>,
    /// Connections of each machine.
    connections: HashMap<IpAddr, usize>,
}

/// One machine's use of one image.
#[derive(Debug)]
pub(super) struct Mount {
    peer: IpAddr,
    identity: Identity,
    image: ImageId,
    /// Its events. A disk that failed ends them before the account.
    guard: TransferGuard,
    /// Mounts without an unmount.
    times: AtomicUsize,
    /// Milliseconds since the epoch: last use, when the machine left soon after it (0 when it did
    /// not), last note to the disk.
    used: AtomicU64,
    left: AtomicU64,
    noted: AtomicU64,
    /// Whether the account is closed.
    is_over: AtomicBool,
}

impl Accounts {
    pub(super) fn new(bus: Bus, open_images: Arc<OpenImages>, forget: Duration) -> Self {
        Self {
            table: Mutex::default(),
            bus,
            open_images,
            forget,
            epoch: Instant::now(),
        }
    }

    /// Returns what one conversation with `peer` needs; with `counts` it is a sign that the machine
    /// is there.
    pub(super) fn open(&self, peer: IpAddr, counts: bool) -> Account<'_> {
        if counts {
            *self.lock().connections.entry(peer).or_default() += 1;
        }
        Account {
            accounts: self,
            peer,
            counts,
            latest: None,
        }
    }

    /// MNT. One that comes again before anything was read is the same one.
    pub(super) fn mount(
        &self,
        ip: IpAddr,
        identity: Identity,
        image: ImageId,
        size: u64,
        path: String,
    ) {
        let before = self.lock().mounts.get(&(ip, identity)).cloned();
        if let Some(mount) = before {
            if mount.guard.sent() == 0 && mount.guard.path() == path {
                mount.times.fetch_add(1, Ordering::Relaxed);
                self.use_now(&mount);
                return;
            }
            // A machine that starts anew does not say goodbye before.
            self.finish(&mount);
        }
        self.begin(ip, identity, image, size, path);
    }

    /// UMNT of one image, or of all.
    pub(super) fn unmount(&self, ip: IpAddr, identity: Option<Identity>) {
        let of_machine = |key: &(IpAddr, Identity)| {
            key.0 == ip && identity.is_none_or(|identity| key.1 == identity)
        };
        let found: Vec<_> = match identity {
            Some(identity) => self
                .lock()
                .mounts
                .get(&(ip, identity))
                .cloned()
                .into_iter()
                .collect(),
            None => {
                let table = self.lock();
                let of_machine = table.mounts.iter().filter(|(key, _)| of_machine(key));
                of_machine.map(|(_, mount)| Arc::clone(mount)).collect()
            }
        };
        for mount in found {
            let before = mount.times.fetch_sub(1, Ordering::Relaxed);
            if before <= 1 || identity.is_none() {
                self.finish(&mount);
            }
        }
    }

    /// `len` bytes of a file went out.
    pub(super) fn sent(&self, mount: &Mount, len: u64) {
        mount.guard.add_sent(len);
        mount.guard.progress(Instant::now());
    }

    /// Logs that the disk failed, once: every later read fails too.
    pub(super) fn broken(&self, mount: &Mount, why: &SendError) {
        mount.guard.fail(why);
    }

    /// For `showmount -a`.
    pub(super) fn mounted(&self) -> Vec<Mounted> {
        let table = self.lock();
        let mut mounted: Vec<_> = table
            .mounts
            .values()
            .map(|mount| Mounted {
                machine: mount.peer.to_string(),
                path: mount.guard.path().to_owned(),
            })
            .collect();
        mounted.sort_by(|a, b| (&a.machine, &a.path).cmp(&(&b.machine, &b.path)));
        mounted
    }

    /// Ends accounts of machines that are gone, for ever.
    pub(super) async fn forget_idle(&self) {
        loop {
            sleep((self.forget / LOOKS).min(LOOK)).await;
            let now = self.now();
            let idle: Vec<_> = {
                let table = self.lock();
                let is_idle = |mount: &&Arc<Mount>| {
                    let used = mount.used.load(Ordering::Relaxed);
                    let left = mount.left.load(Ordering::Relaxed);
                    let has_left = left >= used && now.saturating_sub(left) >= millis(GONE);
                    (has_left || now.saturating_sub(used) >= millis(self.forget))
                        && !table.connections.contains_key(&mount.peer)
                };
                table.mounts.values().filter(is_idle).cloned().collect()
            };
            idle.iter().for_each(|mount| self.finish(mount));
        }
    }

    fn begin(
        &self,
        ip: IpAddr,
        identity: Identity,
        image: ImageId,
        size: u64,
        path: String,
    ) -> Arc<Mount> {
        let info = TransferInfo {
            protocol: Protocol::Nfs,
            peer: peer(ip),
            path,
            len: size,
            file_use: FileUse::mounted(),
        };
        let mount = Arc::new(Mount {
            peer: ip,
            identity,
            image,
            guard: TransferGuard::new(&self.bus, info),
            times: AtomicUsize::new(1),
            used: AtomicU64::new(self.now()),
            left: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let oldest = {
            let mut table = self.lock();
            // Two connections may have come here at once.
            if let Some(other) = table.mounts.get(&(ip, identity)) {
                return Arc::clone(other);
            }
            let is_full = table.mounts.len() >= MAX_ACCOUNTS;
            let by_use = |mount: &&Arc<Mount>| mount.used.load(Ordering::Relaxed);
            let oldest = is_full.then(|| table.mounts.values().min_by_key(by_use).cloned());
            table.mounts.insert((ip, identity), Arc::clone(&mount));
            oldest.flatten()
        };
        if let Some(oldest) = oldest {
            self.finish(&oldest);
        }
        self.note(&mount);
        mount.guard.start();
        mount
    }

    fn finish(&self, mount: &Mount) {
        {
            let mut table = self.lock();
            let key = (mount.peer, mount.identity);
            // Another conversation may have ended it and begun the next one at once.
            if table
                .mounts
                .get(&key)
                .is_some_and(|m| std::ptr::eq(&**m, mount))
            {
                table.mounts.remove(&key);
            }
        }
        mount.is_over.store(true, Ordering::Relaxed);
        mount.guard.finish(0);
    }

    fn use_now(&self, mount: &Mount) {
        mount.used.store(self.now(), Ordering::Relaxed);
    }

    /// Marks the image as in use by a machine, so that it stays open when it is replaced.
    fn note(&self, mount: &Mount) {
        if self.is_time(&mount.noted, NOTE) {
            self.note_disk(mount.image);
        }
    }

    fn note_disk(&self, image: ImageId) {
        if let Some(image_file) = self.open_images.get(image) {
            image_file.note_streamed(bus::now());
        }
    }

    /// Returns whether `pause` has passed since `last`, which is now then.
    fn is_time(&self, last: &AtomicU64, pause: Duration) -> bool {
        let (before, now) = (last.load(Ordering::Relaxed), self.now());
        let is_time = before == 0 || now.saturating_sub(before) >= millis(pause);
        is_time
            && last
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Milliseconds since the epoch, and one.
    fn now(&self) -> u64 {
        millis(self.epoch.elapsed()) + 1
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Accounts {
    /// Lets the mounts go without an end: a machine reads on when the server runs again.
    fn drop(&mut self) {
        let table = self.lock();
        let mounts = table.mounts.values();
        mounts.for_each(|mount| mount.guard.abandon());
    }
}

/// One conversation's way to its accounts: the latest one at hand, because nearly every call is
/// about the same image.
pub(super) struct Account<'a> {
    accounts: &'a Accounts,
    peer: IpAddr,
    counts: bool,
    latest: Option<Arc<Mount>>,
}

impl Account<'_> {
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// A handle of this image was used.
    pub(super) fn touch(&mut self, identity: Identity, image: ImageId) {
        match self.find(identity) {
            Some(mount) => {
                self.accounts.use_now(&mount);
                self.accounts.note(&mount);
            }
            // As after a restart, until it reads something.
            None => self.accounts.note_disk(image),
        }
    }

    /// A file of this image is being read; `path` names it if nobody mounted it.
    pub(super) fn read(
        &mut self,
        identity: Identity,
        image: ImageId,
        size: u64,
        path: impl FnOnce() -> String,
    ) -> Arc<Mount> {
        let mount = self.find(identity).unwrap_or_else(|| {
            self.accounts
                .begin(self.peer, identity, image, size, path())
        });
        self.accounts.use_now(&mount);
        self.accounts.note(&mount);
        self.latest = Some(Arc::clone(&mount));
        mount
    }

    fn find(&mut self, identity: Identity) -> Option<Arc<Mount>> {
        let is_it = |mount: &&Arc<Mount>| {
            mount.identity == identity && !mount.is_over.load(Ordering::Relaxed)
        };
        if let Some(mount) = self.latest.as_ref().filter(is_it) {
            return Some(Arc::clone(mount));
        }
        let key = (self.peer, identity);
        self.latest = self.accounts.lock().mounts.get(&key).cloned();
        self.latest.clone()
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if !self.counts {
            return;
        }
        let mut table = self.accounts.lock();
        if let Some(count) = table.connections.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                table.connections.remove(&self.peer);
                let now = self.accounts.now();
                for mount in table.mounts.values().filter(|m| m.peer == self.peer) {
                    if now.saturating_sub(mount.used.load(Ordering::Relaxed)) < millis(LEFT) {
                        mount.left.store(now, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::limits::FORGET;
    use super::*;
    use lanboot_core::events::EventKind;
    use tokio::time::advance;

    const MACHINE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A machine that reads, then waits for `idle` and closes its connection; whether it is taken
    /// to be done after another `silence`.
    async fn is_done(idle: Duration, silence: Duration) -> bool {
        let (bus, mut events) = Bus::new();
        let accounts = Arc::new(Accounts::new(bus, Arc::default(), FORGET));
        let account = accounts.open(MACHINE, true);
        let (identity, path) = (Identity::default(), "/iso/a".to_owned());
        accounts.mount(MACHINE, identity, ImageId(0), 1, path);
        advance(idle).await;
        drop(account);
        let forgetting = tokio::spawn({
            let accounts = Arc::clone(&accounts);
            async move { accounts.forget_idle().await }
        });
        sleep(silence).await;
        forgetting.abort();
        let mut is_done = false;
        while let Ok(event) = events.try_recv() {
            is_done |= matches!(event.what, EventKind::Finished { .. });
        }
        is_done
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_closes_right_after_reading_has_unmounted() {
        let second = Duration::from_secs(1);
        assert!(!is_done(second, 20 * second).await);
        assert!(is_done(second, 40 * second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_connection_linux_closed_for_idleness_is_still_there() {
        let minute = Duration::from_secs(60);
        assert!(!is_done(5 * minute, 12 * 60 * minute).await);
        assert!(is_done(5 * minute, 25 * 60 * minute).await);
    }

    #[tokio::test]
    async fn mounts_outlive_the_server() {
        let (bus, mut events) = Bus::new();
        let accounts = Accounts::new(bus, Arc::default(), FORGET);
        let (identity, path) = (Identity::default(), "/iso/a".to_owned());
        accounts.mount(MACHINE, identity, ImageId(0), 1, path);
        drop(accounts);
        let first = events.try_recv().unwrap();
        assert!(matches!(first.what, EventKind::Started { .. }), "{first:?}");
        let next = events.try_recv();
        assert!(next.is_err(), "{next:?}");
    }

    #[tokio::test]
    async fn an_account_that_ends_late_leaves_the_next_one_alone() {
        let (bus, mut events) = Bus::new();
        let accounts = Accounts::new(bus, Arc::default(), FORGET);
        let ip = IpAddr::from([10, 0, 0, 9]);
        let (identity, image) = (Identity::default(), ImageId(0));
        let old = accounts.begin(ip, identity, image, 1, "/iso/a".into());
        // Two connections mount it at once: both saw the old account, one was first.
        accounts.finish(&old);
        let new = accounts.begin(ip, identity, image, 1, "/iso/a".into());
        accounts.finish(&old);
        assert_eq!(accounts.mounted().len(), 1);
        accounts.finish(&new);
        assert!(accounts.mounted().is_empty());
        let mut finished = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let EventKind::Finished { transfer, .. } = event.what {
                finished.push(transfer);
            }
        }
        let numbers = [&old, &new].map(|mount| mount.guard.number().unwrap());
        assert_eq!(finished, numbers);
    }
}
