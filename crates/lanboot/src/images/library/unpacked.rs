//! Archives that have to be unpacked before their files can be served: into a file without a name, which
//! the system removes when nothing has it open any more.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;

use lanboot_core::media::unpack;
use lanboot_core::storage::ReadAt as _;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::images::open_images::{ImageFile, OpenImages};

/// Folder for large files that do not outlive the program (Filesystem Hierarchy Standard 3.0, 5.15).
const FOLDER: &str = "/var/tmp";
/// Longest archive unpacked, in bytes; larger ones take more time than a start should.
const MAX_PACKED: u64 = 256 << 20;
/// Most bytes that all images together hold unpacked.
const MAX_TOGETHER: u64 = 4 << 30;

/// Unpacks a file compressed with gzip.
///
/// # Errors
/// Returns a clause that follows the file's name.
pub(super) fn unpacked(packed: &ImageFile, open_images: &OpenImages) -> Result<ImageFile, String> {
    if packed.len() > MAX_PACKED {
        let limit = MAX_PACKED >> 20;
        return Err(format!("is compressed and has more than {limit} MiB"));
    }
    if open_images.unpacked_bytes() > MAX_TOGETHER - unpack::MAX_UNPACKED {
        let limit = MAX_TOGETHER >> 30;
        return Err(format!(
            "is one archive too many: {limit} GiB are unpacked at most"
        ));
    }
    let mut file = nameless().map_err(|error| format!("cannot be unpacked: {error}"))?;
    let reader = Reader { packed, at: 0 };
    let len = unpack::gzip(reader, &mut file).map_err(|error| error.to_string())?;
    Ok(ImageFile::unpacked(file, len))
}

/// Creates a file without a name, on a disk if possible, else in memory.
fn nameless() -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).mode(0o600);
    let on_disk = options.custom_flags(libc::O_TMPFILE).open(FOLDER);
    on_disk.or_else(|_| {
        let in_memory: OwnedFd = memfd_create(c"lanboot", MFdFlags::MFD_CLOEXEC)?;
        Ok(in_memory.into())
    })
}

/// Reads an open image from its start.
struct Reader<'a> {
    packed: &'a ImageFile,
    at: u64,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.packed.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
