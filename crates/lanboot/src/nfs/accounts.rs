//! Accounts: one machine's use of one image, for events and `showmount -a`. When one begins and ends is
//! decided by `lanboot_core::nfs::MountTable`; its use is counted here without a lock.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lanboot_core::events::{FileUse, Protocol};
use lanboot_core::nfs::{MountTable, MountUse, Mounted, Opened};
use lanboot_core::vfs::{Identity, ImageId};
use tokio::time::{Instant, sleep};

use crate::events::bus::{self, Bus};
use crate::events::transfer_guard::{TransferGuard, TransferInfo};
use crate::images::open_images::OpenImages;
use crate::io::send::SendError;
use crate::io::tcp_listener::peer;

/// Longest pause between two checks for machines that are gone.
const LOOK: Duration = Duration::from_secs(5);
/// Most parts in which the time to forget is waited for.
const LOOKS: u32 = 20;
/// Shortest time between two notes that an image is in use.
const NOTE: Duration = Duration::from_secs(1);

/// Every account.
#[derive(Debug)]
pub(super) struct Accounts {
    table: Mutex<MountTable<Arc<Mount>>>,
    bus: Bus,
    open_images: Arc<OpenImages>,
    forget: Duration,
    /// The origin of the times that the core is given.
    epoch: Instant,
}

/// One machine's use of one image.
#[derive(Debug)]
pub(super) struct Mount {
    identity: Identity,
    image: ImageId,
    /// Its events. A disk that failed ends them before the account.
    guard: TransferGuard,
    /// Milliseconds since the epoch: last use, last note to the disk (0 for none).
    used: AtomicU64,
    noted: AtomicU64,
    /// True once the account is closed.
    is_over: AtomicBool,
}

impl MountUse for Mount {
    fn last_used(&self) -> Duration {
        Duration::from_millis(self.used.load(Ordering::Relaxed))
    }

    fn is_unread(&self) -> bool {
        self.guard.sent() == 0
    }
}

impl Accounts {
    /// Creates an empty list. A machine is done with an image that it has not used for `forget`.
    pub(super) fn new(bus: Bus, open_images: Arc<OpenImages>, forget: Duration) -> Self {
        Self {
            table: Mutex::new(MountTable::new(forget)),
            bus,
            open_images,
            forget,
            epoch: Instant::now(),
        }
    }

    /// Returns the accounts of one conversation with `peer`; with `counts` it is a connection.
    pub(super) fn open(&self, peer: IpAddr, counts: bool) -> Account<'_> {
        if counts {
            self.lock().on_connected(peer);
        }
        Account {
            accounts: self,
            peer,
            counts,
            latest: None,
        }
    }

    /// Records a MNT.
    pub(super) fn mount(
        &self,
        ip: IpAddr,
        identity: Identity,
        image: ImageId,
        size: u64,
        path: String,
    ) {
        let new = self.new_mount(ip, identity, image, size, path.clone());
        let opened = self.lock().on_mount(ip, identity, path, new);
        self.publish(opened);
    }

    /// Records a UMNT of one image, or of all.
    pub(super) fn unmount(&self, ip: IpAddr, identity: Option<Identity>) {
        let ended = self.lock().on_unmount(ip, identity);
        ended.iter().for_each(|mount| mount.end());
    }

    /// Records that `len` bytes of a file were sent.
    pub(super) fn sent(&self, mount: &Mount, len: u64) {
        mount.guard.add_sent(len);
        mount.guard.progress(Instant::now());
    }

    /// Logs that the disk failed, once: every later read fails too.
    pub(super) fn broken(&self, mount: &Mount, why: &SendError) {
        mount.guard.fail(why);
    }

    /// Returns the list for `showmount -a`.
    pub(super) fn mounted(&self) -> Vec<Mounted> {
        self.lock().mounted()
    }

    /// Ends accounts of machines that are gone, for ever.
    pub(super) async fn forget_idle(&self) {
        loop {
            sleep((self.forget / LOOKS).min(LOOK)).await;
            let ended = self.lock().on_timeout(self.now());
            ended.iter().for_each(|mount| mount.end());
        }
    }

    /// Creates an account without events so far.
    fn new_mount(
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
        Arc::new(Mount {
            identity,
            image,
            guard: TransferGuard::new(&self.bus, info),
            used: AtomicU64::new(millis(self.now())),
            noted: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    /// Publishes the events of an account that began, or goes on, and of the one that ended for it.
    fn publish(&self, opened: Opened<Arc<Mount>>) -> Arc<Mount> {
        let Opened {
            mount,
            is_new,
            ended,
        } = opened;
        if let Some(ended) = ended {
            ended.end();
        }
        if is_new {
            self.note(&mount);
            mount.guard.start();
        } else {
            self.use_now(&mount);
        }
        mount
    }

    fn use_now(&self, mount: &Mount) {
        mount.used.store(millis(self.now()), Ordering::Relaxed);
    }

    /// Marks the image as in use by a machine, so that it stays open when it is replaced.
    fn note(&self, mount: &Mount) {
        let (before, now) = (mount.noted.load(Ordering::Relaxed), millis(self.now()));
        let is_due = before == 0 || now.saturating_sub(before) >= millis(NOTE);
        let swapped = is_due.then(|| {
            let noted = &mount.noted;
            noted.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
        });
        // Another conversation may have done it.
        if let Some(Ok(_)) = swapped {
            self.note_disk(mount.image);
        }
    }

    fn note_disk(&self, image: ImageId) {
        if let Some(image_file) = self.open_images.get(image) {
            image_file.note_streamed(bus::now());
        }
    }

    /// Returns the time since the epoch, and a millisecond: never zero.
    fn now(&self) -> Duration {
        self.epoch.elapsed() + Duration::from_millis(1)
    }

    fn lock(&self) -> MutexGuard<'_, MountTable<Arc<Mount>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Accounts {
    /// Lets the mounts go without an end: a machine reads on when the server runs again.
    fn drop(&mut self) {
        self.lock().iter().for_each(|mount| mount.guard.abandon());
    }
}

impl Mount {
    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.guard.finish(0);
    }
}

/// The accounts of one conversation: the latest one at hand, because nearly every call is about the
/// same image.
pub(super) struct Account<'a> {
    accounts: &'a Accounts,
    peer: IpAddr,
    counts: bool,
    latest: Option<Arc<Mount>>,
}

impl Account<'_> {
    /// Returns the address of the machine.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Records that a handle of this image was used.
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

    /// Records that a file of this image is being read; `path` names it if nobody mounted it.
    pub(super) fn read(
        &mut self,
        identity: Identity,
        image: ImageId,
        size: u64,
        path: impl FnOnce() -> String,
    ) -> Arc<Mount> {
        let mount = self.find(identity).unwrap_or_else(|| {
            let (accounts, path) = (self.accounts, path());
            let new = accounts.new_mount(self.peer, identity, image, size, path.clone());
            let opened = accounts.lock().on_read(self.peer, identity, path, new);
            accounts.publish(opened)
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
        self.latest = self.accounts.lock().get(self.peer, identity).cloned();
        self.latest.clone()
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if self.counts {
            let now = self.accounts.now();
            self.accounts.lock().on_disconnected(self.peer, now);
        }
    }
}

/// Returns a time in whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lanboot_core::events::EventKind;
    use lanboot_core::nfs::FORGET;
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
        let read = |account: &mut Account<'_>| account.read(identity, image, 1, || "/iso/a".into());
        let [mut first, mut second] = [(), ()].map(|()| accounts.open(ip, true));
        // Two connections read it, and one unmounts: the other one still holds the old account.
        let old = read(&mut first);
        assert!(Arc::ptr_eq(&old, &read(&mut second)));
        accounts.unmount(ip, Some(identity));
        let new = read(&mut second);
        assert!(Arc::ptr_eq(&new, &read(&mut first)), "not the old one");
        assert_eq!(accounts.mounted().len(), 1);
        accounts.unmount(ip, Some(identity));
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
