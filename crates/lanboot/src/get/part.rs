//! A file that is being downloaded: `NAME.part`, locked, with what is known of it in `NAME.part.json`,
//! until it is verified and gets its name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lanboot_core::downloads::{Algorithm, Checksum, PartState};
use lanboot_core::text;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::statvfs::fstatvfs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

use super::failure::{Failure, Kind};

/// Ending of a file that is being downloaded.
pub(super) const ENDING: &str = "part";
/// Largest record beside it, in bytes.
const MAX_RECORD_BYTES: u64 = 1 << 16;
/// Bytes read at once.
const CHUNK: usize = 1 << 18;
/// Times the file is opened anew because another process finished it meanwhile.
const MAX_TRIES: usize = 8;

/// The record beside a partial file.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Record {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    length: Option<u64>,
    checksum: Option<String>,
}

/// A partial file, locked for this process.
#[derive(Debug)]
pub(super) struct Part {
    file: Flock<File>,
    path: PathBuf,
    record: PathBuf,
    target: PathBuf,
    length: u64,
    hasher: Hasher,
    /// True if this process wrote everything in it.
    is_own: bool,
}

/// A hash of what is in a partial file.
#[derive(Clone, Debug)]
enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn checksum(self) -> Checksum {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Sha256(hasher) => Checksum {
                algorithm: Algorithm::Sha256,
                hex: hex(&hasher.finalize()),
            },
            Self::Sha512(hasher) => Checksum {
                algorithm: Algorithm::Sha512,
                hex: hex(&hasher.finalize()),
            },
        }
    }
}

impl Part {
    /// Opens the partial file of `target`, makes it if there is none, and locks it. `algorithm` is the
    /// function of the checksum it will need.
    ///
    /// # Errors
    /// Another process downloads the same file, or the folder cannot be written to.
    pub(super) fn open(target: &Path, algorithm: Algorithm) -> Result<Self, Failure> {
        let path = beside(target, ENDING);
        let shown = text::path(&path);
        for _ in 0..MAX_TRIES {
            let opened = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
                .open(&path)
                .with_context(|| format!("cannot write {shown}"))?;
            let file = match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                    return Err(Kind::Busy.because(format!(
                        "another 'lanboot get' is downloading {} right now: wait until it is done",
                        text::path(target)
                    )));
                }
                Err((_, error)) => {
                    return Err(anyhow::anyhow!("cannot lock {shown}: {error}").into());
                }
            };
            let meta = file
                .metadata()
                .with_context(|| format!("cannot read {shown}"))?;
            // The other process may have finished between opening and locking.
            let is_there = std::fs::symlink_metadata(&path)
                .is_ok_and(|there| (there.dev(), there.ino()) == (meta.dev(), meta.ino()));
            if !is_there {
                continue;
            }
            if !meta.is_file() {
                return Err(anyhow::anyhow!("{shown} is no plain file: remove it").into());
            }
            return Ok(Self {
                file,
                record: beside(target, "part.json"),
                path,
                target: target.to_owned(),
                length: meta.len(),
                hasher: Hasher::new(algorithm),
                is_own: meta.len() == 0,
            });
        }
        Err(anyhow::anyhow!("{shown} is replaced again and again by another program").into())
    }

    /// Returns the number of bytes in it.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Tests whether this process wrote everything in it.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is known of it; `None` if that is missing or damaged.
    pub(super) fn state(&self) -> Option<PartState> {
        let mut bytes = Vec::new();
        let file = File::open(&self.record).ok()?;
        file.take(MAX_RECORD_BYTES).read_to_end(&mut bytes).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        Some(PartState {
            url: record.url,
            etag: record.etag,
            last_modified: record.last_modified,
            length: record.length,
            checksum: record.checksum,
        })
    }

    /// Hashes what is in it, and calls `progress` with the bytes done.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn rehash(&mut self, progress: &mut dyn FnMut(u64)) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        loop {
            let count = self.file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            self.hasher.update(&chunk[..count]);
            done += count as u64;
            progress(done);
        }
        self.length = done;
        Ok(())
    }

    /// Empties it, and notes what it will be a part of.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) fn restart(&mut self, state: &PartState) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.is_own = true;
        self.hasher = match self.hasher {
            Hasher::Sha256(_) => Hasher::new(Algorithm::Sha256),
            Hasher::Sha512(_) => Hasher::new(Algorithm::Sha512),
        };
        let record = Record {
            url: state.url.clone(),
            etag: state.etag.clone(),
            last_modified: state.last_modified.clone(),
            length: state.length,
            checksum: state.checksum.clone(),
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&self.record)?;
        file.write_all(&serde_json::to_vec(&record)?)
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The disk does not take them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Returns the bytes that the disk still takes.
    pub(super) fn free(&self) -> Option<u64> {
        let disk = fstatvfs(&*self.file).ok()?;
        Some(disk.blocks_available() * disk.fragment_size())
    }

    /// Returns the checksum of what is in it.
    pub(super) fn checksum(&self) -> Checksum {
        self.hasher.clone().checksum()
    }

    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// The disk failed.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Removes it with its record.
    pub(super) fn remove(self) {
        // What cannot be removed is found by the next download.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.record);
    }

    /// Gives the verified file its name.
    ///
    /// # Errors
    /// The file system refuses.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, &self.target)?;
        let _ = std::fs::remove_file(&self.record);
        let folder = self
            .target
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
    }
}

/// Returns the path of `target` with a further ending.
fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut path = target.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// Computes the checksum of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn checksum_of_file(path: &Path, algorithm: Algorithm) -> io::Result<Checksum> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(algorithm);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.checksum()),
            count => hasher.update(&chunk[..count]),
        }
    }
}
