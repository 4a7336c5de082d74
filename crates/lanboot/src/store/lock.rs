//! Locks the state folder, so that two programs never use one.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use lanboot_core::text;

/// Longest process id read from the lock, in bytes.
const MAX_PID: u64 = 16;

/// Holds the state folder for this process as long as it lives.
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

/// Creates `folder` and those above it.
pub(super) fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| {
        format!(
            "cannot make the folder {}; choose another with --state",
            text::path(folder)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
