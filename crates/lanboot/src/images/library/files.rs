//! Image files in the file system: which a folder holds, whether one can be read, and whether it
//! changed.

use std::fmt::Display;
use std::fs::FileType;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lanboot_core::catalog::is_plain_name;
use lanboot_core::events::{Diagnostic, DiagnosticCode};
use lanboot_core::text;

use super::folders::is_medium;
use super::listing::{Listing, Properties, folder_name};

/// Time a file must have been unchanged before a rescan reads it.
pub(super) const SETTLE: Duration = Duration::from_secs(3);
/// Start of the fault of a file that cannot be opened.
pub(super) const CANNOT_OPEN: &str = "cannot be opened";

/// Properties that reveal a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Time of the last write; of a folder, that of the last change of anything in it.
    pub(super) modified: (i64, i64),
    /// Hash of everything in a folder; 0 for a file.
    contents: u64,
}

impl Stamp {
    /// Returns the stamp of a folder with these properties.
    fn of_folder(properties: &Properties) -> Self {
        let (inode, ..) = properties.folder.lasting();
        Self {
            device: properties.folder.device(),
            inode,
            size: properties.bytes,
            modified: properties.changed,
            contents: properties.contents,
        }
    }

    /// Returns whether the file was written to less than [`SETTLE`] before `now`.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let modified = u64::try_from(self.modified.0).unwrap_or(0);
        let since = now.duration_since(UNIX_EPOCH + Duration::from_secs(modified));
        since.is_ok_and(|since| since < SETTLE)
    }
}

/// Returns the stamp of `path`, or the reason it is not an image.
pub(super) fn stamp(path: &Path) -> Result<Stamp, String> {
    let meta = std::fs::metadata(path).map_err(|error| cannot_open(path, &error))?;
    if meta.is_dir() && is_medium(path) {
        return Listing::read(path).map(|listing| Stamp::of_folder(&listing.properties()));
    }
    if let Some(what) = not_an_image(meta.file_type()) {
        return Err(format!("is {what}"));
    }
    if let Some(file) = unfinished(path) {
        let file = text::path(file.file_name().unwrap_or_default().as_ref());
        return Err(format!("is still being downloaded: {file} is beside it"));
    }
    Ok(Stamp {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec()),
        contents: 0,
    })
}

/// Suffixes of control files that download tools keep beside an incomplete file: aria2, axel, lftp.
/// The file may have its full length already.
const UNFINISHED: [&str; 3] = ["aria2", "st", "lftp-pget-status"];

/// Returns the control file of an unfinished download to `path`, if there is one.
fn unfinished(path: &Path) -> Option<PathBuf> {
    let beside = |suffix: &&str| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(suffix);
        PathBuf::from(name)
    };
    UNFINISHED.iter().map(beside).find(|file| file.is_file())
}

/// Describes a file that is not a regular one. It is not opened: a pipe would block, and a device
/// may react.
fn not_an_image(kind: FileType) -> Option<&'static str> {
    if kind.is_dir() {
        Some("a folder; to serve the images in it, name it by itself")
    } else if kind.is_fifo() {
        Some("a pipe, not an image file")
    } else if kind.is_socket() {
        Some("a socket, not an image file")
    } else if kind.is_char_device() {
        Some("a character device, not an image file")
    } else {
        None
    }
}

/// Explains why `path` cannot be opened, including the target if it is a link.
fn cannot_open(path: &Path, error: &std::io::Error) -> String {
    let target = std::fs::read_link(path).ok();
    match (error.raw_os_error(), target) {
        (Some(libc::ELOOP), _) => "is a symbolic link that leads back to itself".into(),
        (Some(libc::ENOENT), Some(target)) => {
            let target = text::path(&target);
            format!("is a symbolic link to {target}, which does not exist")
        }
        _ => format!("{CANNOT_OPEN}: {error}"),
    }
}

/// Orders the files so that those usable under their own name come first: a name printed on such a
/// file then refers to it.
pub(super) fn in_order_of_names(files: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    let is_plain = |path: &&PathBuf| is_plain_name(&file_name(path));
    let (plain, others): (Vec<_>, Vec<_>) = files.iter().partition(is_plain);
    plain.into_iter().chain(others)
}

/// Returns the own name of a file or folder in printable form.
pub(super) fn file_name(path: &Path) -> String {
    folder_name(path)
}

/// Returns the diagnostic of a file or folder that cannot be used.
pub(super) fn unusable(path: &Path, fault: &dyn Display) -> Diagnostic {
    let file = text::path(path);
    let diagnostic = DiagnosticCode::ImageUnusable.with(format!("{file}: {fault}"));
    diagnostic.of_file(file)
}
