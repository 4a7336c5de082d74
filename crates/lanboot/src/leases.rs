//! Durable storage of leases: an embedded database with one writer thread. Queued writes are
//! committed together, so a durable lease costs a share of one disk flush.

use lanboot_core::text;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lanboot_core::dhcp::{ClientId, Lease, State};
use lanboot_core::machine::Mac;
use rusqlite::{Connection, ErrorCode, params};

/// Most queued writes. If the queue is full a write is refused and the machine, which gets no ACK,
/// asks again: a slow disk slows machines down and costs no memory.
const QUEUE: usize = 4096;
/// Most writes committed in one transaction.
const BATCH: usize = 1024;
/// Version of the database layout, in `PRAGMA user_version`.
const SCHEMA_VERSION: i64 = 1;

/// Longest process id read from the lock, in bytes.
const MAX_PID: u64 = 16;

/// A change to the stored leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stores a record, replacing those of its address and of its client.
    Put(Lease),
    /// Removes the record of this address.
    Remove(Ipv4Addr),
}

/// Callback for when a change is durable or has failed.
pub type Then = Box<dyn FnOnce(Result<(), String>) + Send>;

struct Job {
    change: Change,
    then: Option<Then>,
}

/// The lease database. Dropping it writes queued changes and closes it.
#[derive(Debug)]
pub struct Store {
    queue: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Exclusive lock on the state folder, held for the lifetime of the value.
#[derive(Debug)]
pub struct StateLock {
    /// Locked until closed, including by a kill. `None` on file systems without locks; the database
    /// then has its own.
    _file: Option<File>,
}

impl StateLock {
    /// Creates `folder` and locks it, without waiting.
    ///
    /// # Errors
    /// Fails if another program has locked it, which is named, or the folder cannot be created.
    pub fn take(folder: &Path) -> anyhow::Result<Self> {
        make(folder)?;
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .to_owned();
        // The database reports problems with the folder better.
        let Ok(mut file) = options.open(folder.join("lock")) else {
            return Ok(Self { _file: None });
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(MAX_PID).read_to_string(&mut text);
                let holder = text.trim().parse::<u32>();
                let holder =
                    holder.map_or_else(|_| String::new(), |pid| format!(" (process {pid})"));
                bail!(
                    "another lanboot{holder} is using the state folder {}; stop that one or give this \
                     one its own --state folder",
                    text::path(folder)
                );
            }
            Err(TryLockError::Error(_)) => return Ok(Self { _file: None }),
        }
        // The process id is only for the error message of a second instance.
        let _ = file.set_len(0);
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { _file: Some(file) })
    }
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| {
        format!(
            "cannot make the folder {}; choose another with --state",
            text::path(folder)
        )
    })
}

impl Store {
    /// Opens or creates the database in `folder` and returns its leases.
    ///
    /// # Errors
    /// Fails if the database cannot be opened, is in use, or has another layout.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Vec<Lease>)> {
        make(folder)?;
        let path = folder.join("leases.db");
        let (connection, leases) = open(&path)
            .with_context(|| format!("cannot use the lease database {}", text::path(&path)))?;
        let (queue, jobs) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("leases".into())
            .spawn(move || write_all(connection, &jobs))
            .context("cannot start the thread that writes leases")?;
        Ok((
            Self {
                queue: Some(queue),
                writer: Some(writer),
            },
            leases,
        ))
    }

    /// Queues a change; `then` is called on the writer's thread after the commit. Never blocks.
    pub fn commit(&self, change: Change, then: Option<Then>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(Job { change, then }) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => {
                job.end(Err("too many leases wait for the disk".into()))
            }
            Err(TrySendError::Disconnected(job)) => job.end(Err("the database was closed".into())),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was already printed; there is nothing left to save.
            let _ = writer.join();
        }
    }
}

impl Job {
    fn end(self, result: Result<(), String>) {
        if let Some(then) = self.then {
            then(result);
        }
    }
}

fn open(path: &Path) -> anyhow::Result<(Connection, Vec<Lease>)> {
    let connection = Connection::open(path)?;
    // A lock is held for hours: waiting is useless.
    connection.busy_timeout(Duration::ZERO)?;
    // One program at a time: a second one would assign the same addresses.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let journal_mode = connection.pragma_update(None, "journal_mode", "WAL");
    if let Err(rusqlite::Error::SqliteFailure(error, _)) = &journal_mode
        && matches!(
            error.code,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
        )
    {
        bail!("another lanboot is using it; stop that one or give this one its own --state folder");
    }
    journal_mode?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        bail!(
            "it was written by a newer lanboot (layout {version}, this one knows {SCHEMA_VERSION})"
        );
    }
    if version == 0 {
        connection.execute_batch(
            "BEGIN;
             CREATE TABLE lease (
                 address  INTEGER PRIMARY KEY,
                 client   BLOB NOT NULL UNIQUE,
                 mac      BLOB NOT NULL,
                 hostname TEXT,
                 expires  INTEGER NOT NULL,
                 released INTEGER NOT NULL
             ) STRICT;
             PRAGMA user_version = 1;
             COMMIT;",
        )?;
    }
    let mut leases = Vec::new();
    let mut select = connection
        .prepare("SELECT address, client, mac, hostname, expires, released FROM lease")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let lease = |client: Vec<u8>| {
            Some(Lease {
                address: Ipv4Addr::from_bits(row.get(0).ok()?),
                client: ClientId::new(&client)?,
                mac: Mac(row.get(2).ok()?),
                hostname: row.get(3).ok()?,
                expires: u64::try_from(row.get::<_, i64>(4).ok()?).ok()?,
                state: if row.get(5).ok()? {
                    State::Released
                } else {
                    State::Bound
                },
            })
        };
        // An invalid record is skipped; the next write of it replaces it.
        leases.extend(lease(row.get(1)?));
    }
    drop(rows);
    drop(select);
    Ok((connection, leases))
}

fn write_all(mut connection: Connection, jobs: &Receiver<Job>) {
    let mut batch = Vec::new();
    while let Ok(first) = jobs.recv() {
        batch.push(first);
        batch.extend(jobs.try_iter().take(BATCH - 1));
        let result = write(&mut connection, &batch).map_err(|error| error.to_string());
        for job in batch.drain(..) {
            job.end(result.clone());
        }
    }
}

fn write(connection: &mut Connection, batch: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        // REPLACE also removes the row of the same client with another address.
        let mut put = transaction.prepare_cached(
            "REPLACE INTO lease (address, client, mac, hostname, expires, released)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut remove = transaction.prepare_cached("DELETE FROM lease WHERE address = ?1")?;
        for job in batch {
            match &job.change {
                Change::Put(lease) => put.execute(params![
                    lease.address.to_bits(),
                    lease.client.as_bytes(),
                    lease.mac.0,
                    lease.hostname,
                    i64::try_from(lease.expires).unwrap_or(i64::MAX),
                    lease.state == State::Released,
                ])?,
                Change::Remove(address) => remove.execute([address.to_bits()])?,
            };
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn lease(last: u8, client: u8) -> Lease {
        Lease {
            address: Ipv4Addr::new(10, 0, 0, last),
            client: ClientId::new(&[1, client]).unwrap(),
            mac: Mac([2, 0, 0, 0, 0, client]),
            hostname: Some("box".into()),
            expires: 1_800_000_000,
            state: State::Bound,
        }
    }

    fn put(store: &Store, lease: Lease) {
        let (sender, receiver) = channel();
        store.commit(
            Change::Put(lease),
            Some(Box::new(move |r| sender.send(r).unwrap())),
        );
        assert_eq!(receiver.recv().unwrap(), Ok(()));
    }

    #[test]
    fn committed_leases_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (store, found) = Store::open(folder.path()).unwrap();
        assert!(found.is_empty());
        put(&store, lease(5, 1));
        put(&store, lease(6, 2));
        // The same client with another address, and its old address given to another client.
        put(&store, lease(7, 1));
        store.commit(Change::Remove(Ipv4Addr::new(10, 0, 0, 6)), None);
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().1, [lease(7, 1)]);
    }

    #[test]
    fn a_database_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path()).unwrap();
        let error = format!("{:#}", Store::open(folder.path()).unwrap_err());
        assert!(error.contains("another lanboot is using it"), "{error}");
    }

    #[test]
    fn the_state_folder_is_locked_and_the_holder_named() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new");
        let first = StateLock::take(&inside).unwrap();
        let error = StateLock::take(&inside).unwrap_err().to_string();
        let me = format!("another lanboot (process {}) is using", std::process::id());
        assert!(
            error.starts_with(&me) && error.contains("--state"),
            "{error}"
        );
        drop(first);
        StateLock::take(&inside).unwrap();
        let error = StateLock::take(Path::new("/dev/null/x")).unwrap_err();
        assert!(
            error.to_string().contains("choose another with --state"),
            "{error}"
        );
    }

    #[test]
    fn invalid_databases_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("leases.db"), [b'x'; 8192]).unwrap();
        let error = format!("{:#}", Store::open(folder.path()).unwrap_err());
        assert!(error.contains("leases.db"), "{error}");
    }
}
