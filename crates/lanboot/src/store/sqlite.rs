//! Keeps the state in an embedded SQLite database with one writer thread. Writes that wait together
//! are committed together, so a durable lease costs a share of one disk flush.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lanboot_core::dhcp::{ClientId, Lease, State};
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::PlanState;
use lanboot_core::machines::KnownMachine;
use lanboot_core::text;
use rusqlite::{Connection, ErrorCode, params};

use super::lock::make;
use super::{Change, Store, Then, machine_table, plan_table};

/// Most queued writes. If the queue is full a write is refused and the machine, which gets no ACK,
/// asks again: a slow disk slows machines down and costs no memory.
const QUEUE: usize = 4096;
/// Most writes committed in one transaction.
const BATCH: usize = 1024;
/// Migrations in order: number N, counted from 1, makes layout N (`PRAGMA user_version`) out of
/// layout N - 1. A released one is never changed; a new layout is a new line.
const MIGRATIONS: [&str; 3] = [
    "CREATE TABLE lease (
         address  INTEGER PRIMARY KEY,
         client   BLOB NOT NULL UNIQUE,
         mac      BLOB NOT NULL,
         hostname TEXT,
         expires  INTEGER NOT NULL,
         released INTEGER NOT NULL
     ) STRICT;",
    machine_table::CREATE,
    plan_table::CREATE,
];

struct Job {
    change: Change,
    then: Option<Then>,
}

/// The records the database held when it was opened.
#[derive(Debug, Default)]
pub struct Kept {
    /// The leases.
    pub leases: Vec<Lease>,
    /// The machines.
    pub machines: Vec<KnownMachine>,
    /// The plans of single machines.
    pub plans: Vec<(Mac, PlanState)>,
}

/// A database file. Dropping it writes what is queued and closes the file.
#[derive(Debug)]
pub struct Sqlite {
    queue: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Sqlite {
    /// Opens or creates the database in `folder` and returns it with what it holds.
    ///
    /// # Errors
    /// Fails when the folder or the file cannot be used, another program uses it, or a newer
    /// lanboot wrote it.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Kept)> {
        make(folder)?;
        let path = folder.join("leases.db");
        let (connection, kept) = open(&path)
            .with_context(|| format!("cannot use the lease database {}", text::path(&path)))?;
        let (queue, jobs) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || write_all(connection, &jobs))
            .context("cannot start the thread that writes the database")?;
        Ok((
            Self {
                queue: Some(queue),
                writer: Some(writer),
            },
            kept,
        ))
    }
}

impl Store for Sqlite {
    /// Queues a change; `then` is called on the writer's thread after the commit.
    fn commit(&self, change: Change, then: Option<Then>) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(Job { change, then }) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => {
                job.end(Err("too many writes wait for the disk".into()))
            }
            Err(TrySendError::Disconnected(job)) => job.end(Err("the database was closed".into())),
        }
    }
}

impl Drop for Sqlite {
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

fn open(path: &Path) -> anyhow::Result<(Connection, Kept)> {
    let mut connection = Connection::open(path)?;
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
    migrate(&mut connection, &MIGRATIONS)?;
    let kept = Kept {
        leases: leases(&connection)?,
        machines: machine_table::read(&connection)?,
        plans: plan_table::read(&connection)?,
    };
    Ok((connection, kept))
}

/// Brings the database to the newest layout, one transaction for each step: a power cut between two
/// leaves a whole layout behind.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> anyhow::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = u32::try_from(migrations.len())?;
    if version > newest {
        bail!("it was written by a newer lanboot (layout {version}, this one knows {newest})");
    }
    for (number, statements) in (1u32..)
        .zip(migrations)
        .filter(|(number, _)| *number > version)
    {
        let transaction = connection.transaction()?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Reads every lease. An invalid record is skipped; the next write of it replaces it.
fn leases(connection: &Connection) -> rusqlite::Result<Vec<Lease>> {
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
        leases.extend(lease(row.get(1)?));
    }
    Ok(leases)
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
        let mut machines = machine_table::Writer::new(&transaction)?;
        let mut plans = plan_table::Writer::new(&transaction)?;
        for job in batch {
            match &job.change {
                Change::PutLease(lease) => put.execute(params![
                    lease.address.to_bits(),
                    lease.client.as_bytes(),
                    lease.mac.0,
                    lease.hostname,
                    i64::try_from(lease.expires).unwrap_or(i64::MAX),
                    lease.state == State::Released,
                ])?,
                Change::RemoveLease(address) => remove.execute([address.to_bits()])?,
                Change::PutMachine(machine) => machines.put(machine)?,
                Change::RemoveMachine(mac) => machines.remove(*mac)?,
                Change::PutPlans(changes) => {
                    let mut rows = 0;
                    for (mac, state) in changes {
                        rows += plans.write(*mac, state.as_ref())?;
                    }
                    rows
                }
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

    fn put(store: &Sqlite, lease: Lease) {
        let (sender, receiver) = channel();
        store.commit(
            Change::PutLease(lease),
            Some(Box::new(move |r| sender.send(r).unwrap())),
        );
        assert_eq!(receiver.recv().unwrap(), Ok(()));
    }

    #[test]
    fn committed_leases_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (store, found) = Sqlite::open(folder.path()).unwrap();
        assert!(found.leases.is_empty());
        put(&store, lease(5, 1));
        put(&store, lease(6, 2));
        // The same client with another address, and its old address given to another client.
        put(&store, lease(7, 1));
        store.commit(Change::RemoveLease(Ipv4Addr::new(10, 0, 0, 6)), None);
        drop(store);
        assert_eq!(Sqlite::open(folder.path()).unwrap().1.leases, [lease(7, 1)]);
    }

    #[test]
    fn a_database_is_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Sqlite::open(folder.path()).unwrap();
        let error = format!("{:#}", Sqlite::open(folder.path()).unwrap_err());
        assert!(error.contains("another lanboot is using it"), "{error}");
    }

    #[test]
    fn migrations_run_once_each_and_in_order() {
        let version = |connection: &Connection| -> u32 {
            connection
                .pragma_query_value(None, "user_version", |row| row.get(0))
                .unwrap()
        };
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS).unwrap();
        let newest = u32::try_from(MIGRATIONS.len()).unwrap();
        assert_eq!(version(&connection), newest);
        let mut more = MIGRATIONS.to_vec();
        more.push(
            "UPDATE lease SET hostname = 'x'; CREATE TABLE note (id INTEGER PRIMARY KEY) STRICT",
        );
        migrate(&mut connection, &more).unwrap();
        migrate(&mut connection, &more).unwrap();
        assert_eq!(version(&connection), newest + 1);
        // A step that fails leaves the layout before it.
        let mut broken = more.clone();
        broken.push("CREATE TABLE half (id INTEGER); NONSENSE");
        assert!(migrate(&mut connection, &broken).is_err());
        assert_eq!(version(&connection), newest + 1);
        assert!(connection.prepare("SELECT id FROM half").is_err());
        let error = migrate(&mut connection, &MIGRATIONS)
            .unwrap_err()
            .to_string();
        let expected = format!(
            "newer lanboot (layout {}, this one knows {newest})",
            newest + 1
        );
        assert!(error.contains(&expected), "{error}");
    }

    #[test]
    fn invalid_databases_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("leases.db"), [b'x'; 8192]).unwrap();
        let error = format!("{:#}", Sqlite::open(folder.path()).unwrap_err());
        assert!(error.contains("leases.db"), "{error}");
    }
}
