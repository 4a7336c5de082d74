//! The key of the handles, kept so that machines keep theirs over a restart.

use lanboot_core::text;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The file in the folder of states.
const NAME: &str = "nfs-handle.key";
const KEY_BYTES: usize = 16;

/// Reads the key in `folder`, or creates it when there is none yet.
pub(super) fn load(folder: &Path) -> anyhow::Result<[u8; KEY_BYTES]> {
    fs::create_dir_all(folder).with_context(|| {
        format!(
            "cannot make the folder {}; choose another with --state",
            text::path(folder)
        )
    })?;
    let path = folder.join(NAME);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| {
                format!("cannot read the key of NFS handles {}", text::path(&path))
            });
        }
        Ok(Some(key)) => return Ok(key),
        Ok(None) => bail!(
            "{} is not a key of {KEY_BYTES} bytes; remove it to have a new one created (machines \
             with an NFS root must then be restarted)",
            text::path(&path)
        ),
    }
    make(&path)
        .with_context(|| format!("cannot write the key of NFS handles {}", text::path(&path)))
}

/// Reads the key; `None` when the file holds something else.
fn read(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let mut bytes = Vec::new();
    let most = KEY_BYTES as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

/// Writes a new key beside its place and moves it there: a reader finds none or a whole one.
fn make(path: &Path) -> anyhow::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let beside = beside(path);
    // A run that was killed here left one behind.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&key)?;
    file.sync_all()?;
    // Not `rename`, which would replace the key of another run that came first.
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return read(path)?.context("another program wrote a different key there");
        }
        // A file system without links.
        Err(_) => {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
    }
    if let Some(folder) = path.parent() {
        // A file system that cannot do it keeps the name all the same.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(key)
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension(format!("key.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_the_same_after_a_restart_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("new");
        let key = load(&inside).unwrap();
        assert_eq!(load(&inside).unwrap(), key);
        let mode = fs::metadata(inside.join(NAME))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = fs::read_dir(&inside).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load(other.path()).unwrap(), key);
    }

    #[test]
    fn a_key_that_is_none_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        for wrong in [&b"short"[..], b"", b"seventeen bytes!!"] {
            fs::write(&path, wrong).unwrap();
            let error = format!("{:#}", load(folder.path()).unwrap_err());
            assert!(error.contains("nfs-handle.key"), "{error}");
            assert!(error.contains("remove it"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = format!("{:#}", load(folder.path()).unwrap_err());
        assert!(error.contains("nfs-handle.key"), "{error}");
    }
}
