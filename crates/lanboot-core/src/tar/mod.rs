//! Reads a tar archive into a tree whose files are pieces of it: POSIX `ustar` and `pax` (IEEE Std
//! 1003.1, `pax`), and GNU's long names (GNU tar manual, "Basic Tar Format").
//!
//! Left out are devices and pipes, names that climb with `..`, and files inside something that is no
//! folder. GNU's sparse files are listed, and cannot be read.
//!
//! Invariants: no archive makes this module panic, loop, or read without bound. An archive that is
//! damaged or has lost its end is refused whole: files behind the damage would be missing from the tree
//! without a trace.

mod header;
mod members;
#[cfg(test)]
mod tests;

use std::io;

use members::Members;

use self::header::{BLOCK, Header, Type};
use crate::storage::{Disk, ReadAt, Unreadable};
use crate::vfs::{Content, ImageId, Kind, MAX_NODES, Missing, Piece, Tree};

/// Most members of an archive.
const MAX_MEMBERS: usize = MAX_NODES;
/// Longest record of a long name, or of attributes, in bytes.
const MAX_RECORD: u64 = 64 << 10;
/// Bytes of headers read per byte of the archive, at most.
const READ_FACTOR: u64 = 1;

/// Contents of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Directory tree.
    pub tree: Tree,
    /// Omissions, one clause each, to follow the archive's name.
    pub warnings: Vec<String>,
}

/// Reason an archive is not read. Each is a clause that follows the file's name.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// A header is none, or its checksum is wrong.
    #[error("is a damaged tar archive: there is no header of a file at byte {0}")]
    Damaged(u64),
    /// The archive ends before its end mark.
    #[error("is an incomplete tar archive: it ends at byte {0} without its end mark")]
    Incomplete(u64),
    /// It has too many members.
    #[error("is a tar archive with more than {MAX_MEMBERS} members")]
    TooMany,
    /// A long name, or a record of attributes, is longer than any.
    #[error("is a tar archive with a name or record of more than {MAX_RECORD} bytes at byte {0}")]
    TooLong(u64),
    /// Reading the file failed.
    #[error("cannot be read at byte {at}: {error}")]
    Disk {
        /// First byte of what was read.
        at: u64,
        /// The system's error.
        error: io::Error,
    },
}

/// Reads the archive `source`; its files become pieces of `image`.
///
/// # Errors
/// Fails if it is damaged, incomplete or too large.
pub fn read(image: ImageId, source: &dyn ReadAt) -> Result<Archive, TarError> {
    let mut reader = Reader {
        disk: Disk::new(source, READ_FACTOR),
        image,
        at: 0,
        next: Extended::default(),
        members: Members::default(),
    };
    while reader.member()? {}
    let (tree, warnings) = reader.members.finish();
    Ok(Archive { tree, warnings })
}

/// Attributes of the next member that came in members of their own.
#[derive(Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

struct Reader<'a> {
    disk: Disk<'a>,
    image: ImageId,
    /// Place of the next header.
    at: u64,
    next: Extended,
    members: Members,
}

impl Reader<'_> {
    /// Reads one member; returns false at the end of the archive.
    fn member(&mut self) -> Result<bool, TarError> {
        let at = self.at;
        let mut block = [0; BLOCK];
        self.bytes(at, &mut block)?;
        if block == [0; BLOCK] {
            return Ok(false);
        }
        let header = Header::parse(&block).ok_or(TarError::Damaged(at))?;
        let is_extension = matches!(
            header.kind,
            Type::LongName | Type::LongLink | Type::Pax | Type::PaxGlobal
        );
        let size = match is_extension {
            true => header.size,
            false => self.next.size.unwrap_or(header.size),
        };
        let body = at + BLOCK as u64;
        let end = size.div_ceil(BLOCK as u64).checked_mul(BLOCK as u64);
        let end = end.and_then(|len| body.checked_add(len));
        let end = end.filter(|end| *end <= self.disk.len());
        self.at = end.ok_or(TarError::Incomplete(self.disk.len()))?;
        if is_extension {
            self.extension(header.kind, body, size)?;
            return Ok(true);
        }
        let extended = std::mem::take(&mut self.next);
        let kind = match header.kind {
            Type::File if extended.is_sparse => Some(sparse(size)),
            Type::Sparse => Some(sparse(size)),
            Type::File => {
                let piece = Piece::of_image(self.image, body, size, self.disk.len());
                Some(Kind::File(Content::new(piece)))
            }
            Type::Directory => Some(Kind::Directory(Vec::new())),
            Type::Symlink => Some(Kind::Symlink(
                extended.link.as_deref().unwrap_or(&header.link).into(),
            )),
            Type::HardLink => {
                let target = extended.link.as_deref().unwrap_or(&header.link);
                self.members.file(target).map(Kind::File)
            }
            Type::Other | Type::LongName | Type::LongLink | Type::Pax | Type::PaxGlobal => None,
        };
        let path = extended.path.as_deref().unwrap_or(&header.path);
        if self.members.len() >= MAX_MEMBERS {
            return Err(TarError::TooMany);
        }
        self.members.add(path, kind, header.meta);
        Ok(true)
    }

    /// Reads what a member says of the next one.
    fn extension(&mut self, kind: Type, at: u64, size: u64) -> Result<(), TarError> {
        if kind == Type::PaxGlobal {
            // Of the whole archive: comments, and defaults of which none is needed here.
            return Ok(());
        }
        let len = usize::try_from(size.min(MAX_RECORD + 1)).unwrap_or(usize::MAX);
        if size > MAX_RECORD {
            return Err(TarError::TooLong(at));
        }
        let mut record = vec![0; len];
        self.bytes(at, &mut record)?;
        match kind {
            Type::LongName => self.next.path = Some(until_nul(record)),
            Type::LongLink => self.next.link = Some(until_nul(record)),
            _ => {
                for (key, value) in header::pax(&record).ok_or(TarError::Damaged(at))? {
                    match key {
                        b"path" => self.next.path = Some(value.to_vec()),
                        b"linkpath" => self.next.link = Some(value.to_vec()),
                        b"size" => {
                            let number = std::str::from_utf8(value).ok();
                            let number = number.and_then(|digits| digits.parse().ok());
                            self.next.size = Some(number.ok_or(TarError::Damaged(at))?);
                        }
                        key if key.starts_with(b"GNU.sparse.") => self.next.is_sparse = true,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn bytes(&mut self, at: u64, buf: &mut [u8]) -> Result<(), TarError> {
        self.disk.read(at, buf).map_err(|error| match error {
            Unreadable::PastEnd => TarError::Incomplete(self.disk.len()),
            Unreadable::Budget => TarError::TooMany,
            Unreadable::Disk(error) => TarError::Disk { at, error },
        })
    }
}

fn sparse(size: u64) -> Kind {
    Kind::File(Content::unusable(size, Missing::Sparse))
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}
