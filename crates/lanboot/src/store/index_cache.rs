//! Keeps what reading images took long to find, in a database of its own: it can be removed at any time,
//! and none of it is trusted.
//!
//! A record is found by a key that its owner makes of everything it depends on, and is used only if its
//! checksum is right. Nothing is created before there is something to keep.

use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanboot_core::text;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::lock::make;

/// Name of the database in the state folder.
const FILE: &str = "index.db";
/// Layout of the database; another one is removed.
const LAYOUT: u32 = 1;
/// Longest record, in bytes.
pub const MAX_RECORD: usize = 1 << 20;
/// Most bytes of all records together.
const MAX_TOTAL: u64 = 256 << 20;
/// Time after which another use of a record is written down.
const SAME_USE: Duration = Duration::from_secs(24 * 3600);
/// Time to wait for another program that writes.
const PATIENCE: Duration = Duration::from_secs(1);

const CREATE: &str = "CREATE TABLE record (
         kind    INTEGER NOT NULL,
         key     BLOB NOT NULL,
         used    INTEGER NOT NULL,
         sum     BLOB NOT NULL,
         content BLOB NOT NULL,
         UNIQUE (kind, key)
     ) STRICT;";

/// Content of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Parts of an image that are read to recognise it.
    Pages = 0,
    /// Contents of the initramfs of an image.
    Initramfs = 1,
}

/// The database, where there is one.
#[derive(Debug)]
pub struct IndexCache {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connection: Option<Connection>,
    /// Most bytes of all records.
    max_total: u64,
    /// Bytes of all records.
    total: u64,
    /// Why nothing is kept any more.
    fault: Option<String>,
    /// True once that was said.
    is_said: bool,
}

impl IndexCache {
    /// Opens the database in `folder` if there is one that can be used.
    pub fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let mut state = State {
            connection: None,
            max_total: MAX_TOTAL,
            total: 0,
            fault: None,
            is_said: false,
        };
        if path.is_file() {
            // One that cannot be used is made anew when there is something to keep.
            state.connection = open(&path).ok();
            state.total = state.connection.as_ref().map_or(0, total);
        }
        Self {
            path,
            state: Mutex::new(state),
        }
    }

    /// Returns the record with this key, if it is there and whole.
    pub fn get(&self, kind: RecordKind, key: &[u8; 16]) -> Option<Vec<u8>> {
        let state = self.lock();
        let connection = state.connection.as_ref()?;
        // What cannot be read is not there.
        let (used, sum, content) = find(connection, kind, key).ok()??;
        if sum != checksum(kind, key, &content) {
            return None;
        }
        let now = now();
        if now.abs_diff(used) > SAME_USE.as_secs() {
            // It is removed a little earlier than others if that fails.
            let _ = connection.execute(
                "UPDATE record SET used = ?3 WHERE kind = ?1 AND key = ?2",
                params![kind as u8, key, i64::try_from(now).unwrap_or(i64::MAX)],
            );
        }
        Some(content)
    }

    /// Keeps a record, or nothing where that fails or it is too long.
    pub fn put(&self, kind: RecordKind, key: &[u8; 16], content: &[u8]) {
        let mut state = self.lock();
        if content.len() > MAX_RECORD || state.fault.is_some() {
            return;
        }
        let mut kept = state.keep(&self.path, kind, key, content);
        if kept.as_ref().is_err_and(is_damaged) {
            state.connection = None;
            kept = remove(&self.path).and_then(|()| state.keep(&self.path, kind, key, content));
        }
        if let Err(error) = kept {
            state.fault = Some(format!("{}: {error:#}", text::path(&self.path)));
        }
    }

    /// Returns why nothing is kept any more, once.
    pub fn take_fault(&self) -> Option<String> {
        let mut state = self.lock();
        let fault = state.fault.clone().filter(|_| !state.is_said)?;
        state.is_said = true;
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(
        &mut self,
        path: &Path,
        kind: RecordKind,
        key: &[u8; 16],
        content: &[u8],
    ) -> anyhow::Result<()> {
        if self.connection.is_none() {
            let connection = create(path)?;
            self.total = total(&connection);
            self.connection = Some(connection);
        }
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        let before = find(connection, kind, key)?.map_or(0, |(_, _, content)| content.len());
        connection.execute(
            "REPLACE INTO record (kind, key, used, sum, content) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                kind as u8,
                key,
                i64::try_from(now()).unwrap_or(i64::MAX),
                checksum(kind, key, content),
                content
            ],
        )?;
        self.total = (self.total + content.len() as u64).saturating_sub(before as u64);
        if self.total > self.max_total {
            // Some more than necessary, so that this is rare.
            evict(connection, self.max_total / 8 * 7)?;
            self.total = total(connection);
        }
        Ok(())
    }
}

/// Opens or creates the database. One that is damaged, or of another layout, is made anew.
fn create(path: &Path) -> anyhow::Result<Connection> {
    if let Some(folder) = path.parent() {
        make(folder)?;
    }
    match open(path) {
        Err(error) if is_damaged(&error) => {
            remove(path)?;
            open(path)
        }
        opened => opened,
    }
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let layout: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {CREATE} PRAGMA user_version = {LAYOUT}; COMMIT;"
        ))?;
    } else if layout != LAYOUT {
        return Err(OtherLayout.into());
    }
    // It is whole after a power cut, and may lack the last records.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Error: the database is of another version of this program.
#[derive(Debug, thiserror::Error)]
#[error("is of another version")]
struct OtherLayout;

/// Tests whether a database is of no use, rather than the disk or the permissions at fault.
fn is_damaged(error: &anyhow::Error) -> bool {
    let code = error
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    error.is::<OtherLayout>()
        || matches!(
            code,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        )
}

fn remove(path: &Path) -> anyhow::Result<()> {
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        // Usually they are not there.
        let _ = std::fs::remove_file(beside);
    }
    Ok(std::fs::remove_file(path)?)
}

/// Removes the records that were not used for the longest time, until so many bytes are left.
fn evict(connection: &Connection, left: u64) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM record WHERE rowid IN (
             SELECT id FROM (
                 SELECT rowid AS id,
                     sum(length(content)) OVER (ORDER BY used DESC, rowid DESC) AS newer
                 FROM record)
             WHERE newer > ?1)",
        [i64::try_from(left).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

/// Returns the bytes of all records.
fn total(connection: &Connection) -> u64 {
    let sum = "SELECT coalesce(sum(length(content)), 0) FROM record";
    let sum = connection.query_row(sum, [], |row| row.get::<_, i64>(0));
    // Where that cannot be read, writing fails, too.
    u64::try_from(sum.unwrap_or(0)).unwrap_or(0)
}

/// Time of the last use in seconds since 1970, checksum and content of a record.
type Record = (u64, [u8; 16], Vec<u8>);

fn find(
    connection: &Connection,
    kind: RecordKind,
    key: &[u8; 16],
) -> rusqlite::Result<Option<Record>> {
    let mut select = connection
        .prepare_cached("SELECT used, sum, content FROM record WHERE kind = ?1 AND key = ?2")?;
    let record = select.query_row(params![kind as u8, key], |row| {
        let used = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        Ok((used, row.get(1)?, row.get(2)?))
    });
    record.optional()
}

fn checksum(kind: RecordKind, key: &[u8; 16], content: &[u8]) -> [u8; 16] {
    let mut hasher = SipHasher13::new();
    (kind as u8).hash(&mut hasher);
    hasher.write(key);
    hasher.write(content);
    hasher.finish128().as_bytes()
}

/// Returns the seconds since 1970 UTC.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: RecordKind = RecordKind::Pages;

    #[test]
    fn records_are_found_after_a_restart_by_kind_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let cache = IndexCache::open(&state);
        assert_eq!(cache.get(KIND, &[1; 16]), None);
        assert!(!state.exists(), "nothing is created without a need");
        cache.put(KIND, &[1; 16], b"first");
        cache.put(KIND, &[1; 16], b"pages");
        cache.put(RecordKind::Initramfs, &[1; 16], b"names");
        cache.put(KIND, &[2; 16], &vec![0; MAX_RECORD + 1]);
        assert_eq!(cache.take_fault(), None);
        drop(cache);
        let cache = IndexCache::open(&state);
        assert_eq!(cache.get(KIND, &[1; 16]).unwrap(), b"pages");
        let names = cache.get(RecordKind::Initramfs, &[1; 16]);
        assert_eq!(names.unwrap(), b"names");
        assert_eq!(cache.get(KIND, &[2; 16]), None, "it is too long");
        assert_eq!(cache.lock().total, 10);
    }

    #[test]
    fn a_record_with_another_byte_is_none_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let cache = IndexCache::open(folder.path());
        cache.put(KIND, &[1; 16], b"pages");
        let change = |column: &str, value: &str| {
            let change = format!("UPDATE record SET {column} = x'{value}'");
            let state = cache.lock();
            let connection = state.connection.as_ref().unwrap();
            assert_eq!(connection.execute(&change, []).unwrap(), 1);
        };
        change("content", "7061676574");
        assert_eq!(cache.get(KIND, &[1; 16]), None);
        cache.put(KIND, &[1; 16], b"pages");
        assert_eq!(cache.get(KIND, &[1; 16]).unwrap(), b"pages");
        change("sum", "00");
        assert_eq!(cache.get(KIND, &[1; 16]), None);
        change("key", "02020202020202020202020202020202");
        assert_eq!(cache.get(KIND, &[2; 16]), None, "the record of another");
    }

    #[test]
    fn a_damaged_database_and_one_of_another_version_are_made_anew() {
        for damage in [
            &b"no database at all, which is long enough to look at"[..],
            b"",
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE), damage).unwrap();
            let cache = IndexCache::open(folder.path());
            assert_eq!(cache.get(KIND, &[1; 16]), None);
            cache.put(KIND, &[1; 16], b"pages");
            assert_eq!(cache.take_fault(), None);
            assert_eq!(cache.get(KIND, &[1; 16]).unwrap(), b"pages");
            let newer = |state: &State| {
                let connection = state.connection.as_ref().unwrap();
                connection.pragma_update(None, "user_version", 99).unwrap();
            };
            newer(&cache.lock());
            drop(cache);
            let cache = IndexCache::open(folder.path());
            assert_eq!(cache.get(KIND, &[1; 16]), None);
            cache.put(KIND, &[1; 16], b"again");
            assert_eq!(cache.get(KIND, &[1; 16]).unwrap(), b"again");
        }
        let folder = tempfile::tempdir().unwrap();
        let cache = IndexCache::open(folder.path());
        for n in 0..200 {
            cache.put(KIND, &[n; 16], &[n; 4000]);
        }
        drop(cache);
        let path = folder.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        let cache = IndexCache::open(folder.path());
        assert!((0..200).all(|n| cache.get(KIND, &[n; 16]).is_none()));
        cache.put(KIND, &[1; 16], b"again");
        assert_eq!(cache.take_fault(), None);
        assert_eq!(cache.get(KIND, &[1; 16]).unwrap(), b"again");
    }

    #[test]
    fn what_was_not_used_for_long_makes_place() {
        let folder = tempfile::tempdir().unwrap();
        let cache = IndexCache::open(folder.path());
        cache.lock().max_total = 16_000;
        let record = [7; 1000];
        for n in 0..16 {
            cache.put(KIND, &[n; 16], &record);
        }
        let old = |n: u8| {
            let state = cache.lock();
            let connection = state.connection.as_ref().unwrap();
            let old = "UPDATE record SET used = 5 WHERE key = ?1";
            assert_eq!(connection.execute(old, [[n; 16]]).unwrap(), 1);
        };
        (0..5).for_each(old);
        assert!(cache.get(KIND, &[3; 16]).is_some(), "which is a use");
        cache.put(KIND, &[16; 16], &record);
        let left: Vec<u8> = (0..17)
            .filter(|n| cache.get(KIND, &[*n; 16]).is_some())
            .collect();
        let expected: Vec<u8> = [3].into_iter().chain(4..17).collect();
        assert_eq!((left, cache.lock().total), (expected, 14_000));
        assert_eq!(cache.take_fault(), None);
    }

    #[test]
    fn a_folder_that_takes_nothing_is_a_fault_that_is_said_once() {
        let cache = IndexCache::open(Path::new("/dev/null/state"));
        cache.put(KIND, &[1; 16], b"pages");
        cache.put(KIND, &[1; 16], b"pages");
        let fault = cache.take_fault().unwrap();
        assert!(fault.contains("/dev/null/state"), "{fault}");
        assert_eq!(
            (cache.take_fault(), cache.get(KIND, &[1; 16])),
            (None, None)
        );
    }
}
