//! The Unix socket in the state folder.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lanboot_core::text;

/// Name of the socket in the state folder.
pub const SOCKET: &str = "admin.sock";
/// Its name until its mode is set.
const UNFINISHED: &str = "admin.sock.new";
/// Its mode: nobody but this user, which is root where lanboot serves the LAN, may manage machines.
const MODE: u32 = 0o600;

/// The bound socket. Dropping it removes its file.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    guard: Guard,
}

/// Removes the socket's file when dropped.
#[derive(Debug)]
pub(super) struct Guard(PathBuf);

impl AdminSocket {
    /// Binds the socket in `folder`, whose lock the caller holds: one that is there is left over from
    /// a program that was killed.
    ///
    /// # Errors
    /// The folder takes no socket, as where its path is too long.
    pub fn bind(folder: &Path) -> anyhow::Result<Self> {
        let (path, unfinished) = (folder.join(SOCKET), folder.join(UNFINISHED));
        // None is there usually.
        let _ = std::fs::remove_file(&unfinished);
        let bind = || -> io::Result<UnixListener> {
            let listener = UnixListener::bind(&unfinished)?;
            // Under its name it never has another mode.
            std::fs::set_permissions(&unfinished, Permissions::from_mode(MODE))?;
            std::fs::rename(&unfinished, &path)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind().with_context(|| text::path(&path))?;
        Ok(Self {
            listener,
            guard: Guard(path),
        })
    }

    /// Returns the socket for a runtime, and what removes its file when dropped.
    pub(super) fn polled(self) -> io::Result<(tokio::net::UnixListener, Guard)> {
        Ok((
            tokio::net::UnixListener::from_std(self.listener)?,
            self.guard,
        ))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Somebody else may have removed it already.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_user_may_connect_and_a_left_over_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = AdminSocket::bind(folder.path()).unwrap();
        let path = folder.path().join(SOCKET);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        std::mem::forget(first);
        let second = AdminSocket::bind(folder.path()).unwrap();
        drop(second);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_with_too_long_a_path_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let error = format!("{:#}", AdminSocket::bind(&long).unwrap_err());
        assert!(error.contains("xxx/admin.sock"), "{error}");
    }
}
