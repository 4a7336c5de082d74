//! Finds the root directory and its kind of names.

use super::record::Record;
use super::storage::{Extent, Storage, Unreadable};
use super::susp::{self, Attributes};
use super::volume::Volume;
use super::{IsoError, Naming};
use crate::vfs::Meta;

/// A valid root directory, and the kind of names under it.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) volume: Volume,
    pub(super) names: Names,
    pub(super) meta: Meta,
    pub(super) damaged: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Names {
    /// Rock Ridge, with the bytes to skip in every System Use Area.
    RockRidge(usize),
    Joliet,
    Plain,
}

impl Root {
    pub(super) fn is_rock_ridge(&self) -> bool {
        matches!(self.names, Names::RockRidge(_))
    }

    pub(super) fn naming(&self) -> Naming {
        match self.names {
            Names::RockRidge(_) => Naming::RockRidge,
            Names::Joliet => Naming::Joliet,
            Names::Plain => Naming::Plain,
        }
    }
}

/// Finds the root directory, which must be whole and start with its own record, and detects Rock
/// Ridge.
pub(super) fn find(
    storage: &mut Storage<'_>,
    volume: Volume,
    joliet: bool,
) -> Result<Root, IsoError> {
    let what = "the root directory";
    let at = volume.root.at;
    let cut_short = IsoError::CutShort {
        what,
        at,
        len: storage.len(),
    };
    let sector = match storage.sector(at) {
        Ok(sector) => sector,
        Err(Unreadable::Disk(error)) => return Err(IsoError::Disk { what, at, error }),
        Err(Unreadable::PastEnd | Unreadable::Budget) => return Err(cut_short),
    };
    let own = match Record::next(&mut sector.as_slice()) {
        Ok(Some(own)) if own.is_self() && own.is_directory() => own,
        _ => return Err(IsoError::Damaged { what, at }),
    };
    let len = directory_len(&own, volume.root, volume.block_size, storage.len());
    if at.saturating_add(len) > storage.len() {
        return Err(cut_short);
    }
    let mut attributes = Attributes::default();
    let mut names = if joliet { Names::Joliet } else { Names::Plain };
    if let (false, Some(skip)) = (joliet, susp::announced(own.system_use)) {
        attributes = susp::read(storage, &own, skip, volume.block_size);
        if attributes.rock_ridge {
            names = Names::RockRidge(skip);
        }
    }
    Ok(Root {
        volume,
        names,
        meta: meta(&own, &attributes),
        damaged: attributes.damaged,
    })
}

/// Returns the length of the directory that starts at `recorded` with the record `own`, in an image
/// that ends at `end`. Linux and xorriso use its own record rather than the one in its parent or in
/// the volume descriptor; so does this, unless that record is damaged.
pub(super) fn directory_len(own: &Record<'_>, recorded: Extent, block_size: u64, end: u64) -> u64 {
    let len = own.extent(block_size).len;
    let fits = |len| recorded.at.saturating_add(len) <= end;
    let is_known = own.is_self() && own.is_directory() && len > 0;
    if is_known && (fits(len) || !fits(recorded.len)) {
        len
    } else {
        recorded.len
    }
}

/// Returns permissions, owner and time of the file described by `record` and its entries.
pub(super) fn meta(record: &Record<'_>, attributes: &Attributes) -> Meta {
    let modified = attributes.modified.or_else(|| record.modified());
    let plain = Meta {
        modified: modified.unwrap_or(0),
        ..Meta::default()
    };
    match attributes.posix {
        Some(posix) => Meta {
            mode: posix.mode & 0o7777,
            uid: posix.uid,
            gid: posix.gid,
            links: posix.links,
            ..plain
        },
        None => plain,
    }
}
