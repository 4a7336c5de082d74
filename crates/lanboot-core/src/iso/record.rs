//! Directory records (ECMA-119 §9.1).

use super::date;
use super::storage::{Extent, u32_le};

/// Length of a record without its identifier.
const HEADER: usize = 33;
/// File flags (§9.1.6).
const DIRECTORY: u8 = 0x02;
const ASSOCIATED: u8 = 0x04;
const MULTI_EXTENT: u8 = 0x80;

/// One record: a file, a directory, or one extent of a file.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    /// Recorded name; `[0]` for the directory itself, `[1]` for its parent.
    pub(super) identifier: &'a [u8],
    /// System Use Area, after the identifier.
    pub(super) system_use: &'a [u8],
    block: u32,
    attribute_blocks: u8,
    data_len: u32,
    date: &'a [u8],
    flags: u8,
    /// Interleaved with another file (§6.4.3).
    pub(super) interleaved: bool,
}

/// An inconsistent record; the rest of its sector cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

impl<'a> Record<'a> {
    /// Takes the next record off `rest`, which starts inside one sector and ends with it. `None`
    /// where only padding follows (§6.8.1.1).
    pub(super) fn next(rest: &mut &'a [u8]) -> Result<Option<Self>, Damaged> {
        let Some(&len) = rest.first().filter(|&&len| len != 0) else {
            return Ok(None);
        };
        let (bytes, after) = rest.split_at_checked(usize::from(len)).ok_or(Damaged)?;
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(Damaged)?;
        let name_len = usize::from(header.last().copied().unwrap_or(0));
        let (identifier, tail) = body.split_at_checked(name_len).ok_or(Damaged)?;
        if identifier.is_empty() {
            return Err(Damaged);
        }
        // A padding byte makes an even offset (§9.1.12).
        let system_use = if name_len % 2 == 0 {
            tail.get(1..).unwrap_or_default()
        } else {
            tail
        };
        *rest = after;
        Ok(Some(Self::of_parts(header, identifier, system_use)))
    }

    /// Parses the root directory record of a volume descriptor. The field has 34 bytes whatever
    /// length the record states (ECMA-119 §8.4.18): CSRG's CDs state 68, others 0. No reader checks
    /// its identifier. `None` if it has no location.
    pub(super) fn of_root(field: &'a [u8]) -> Option<Self> {
        let header = field.get(..HEADER)?;
        let record = Self::of_parts(header, &[0], &[]);
        (record.block != 0).then_some(record)
    }

    fn of_parts(header: &'a [u8], identifier: &'a [u8], system_use: &'a [u8]) -> Self {
        let at = |i: usize| header.get(i).copied().unwrap_or(0);
        Self {
            identifier,
            system_use,
            block: u32_le(header, 2),
            attribute_blocks: at(1),
            data_len: u32_le(header, 10),
            date: header.get(18..25).unwrap_or_default(),
            flags: at(25),
            interleaved: at(26) != 0 || at(27) != 0,
        }
    }

    /// Returns whether this is the directory's own record.
    pub(super) fn is_self(&self) -> bool {
        self.identifier == [0]
    }

    /// Returns whether this is the record of the directory itself or of its parent.
    pub(super) fn is_dot(&self) -> bool {
        matches!(self.identifier, [0] | [1])
    }

    pub(super) fn is_directory(&self) -> bool {
        self.flags & DIRECTORY != 0
    }

    /// Returns whether this is an associated file (§9.1.6 bit 2), which is not supported.
    pub(super) fn is_associated(&self) -> bool {
        self.flags & ASSOCIATED != 0
    }

    /// Returns whether the next record is the next extent of the same file.
    pub(super) fn continues(&self) -> bool {
        self.flags & MULTI_EXTENT != 0
    }

    /// Returns the recorded extent, after the Extended Attribute Record (§6.5.1).
    pub(super) fn extent(&self, block_size: u64) -> Extent {
        Extent {
            at: (u64::from(self.block) + u64::from(self.attribute_blocks)) * block_size,
            len: u64::from(self.data_len),
        }
    }

    /// Returns the recording time in seconds since 1970 UTC.
    pub(super) fn modified(&self) -> Option<i64> {
        date::short(self.date)
    }

    /// Returns the name on a medium without extensions: `KERNEL.IMG;1` becomes `KERNEL.IMG`,
    /// `README.;1` becomes `README`.
    pub(super) fn plain_name(&self) -> &'a [u8] {
        let name = without_version(self.identifier);
        match name.strip_suffix(b".") {
            Some(stem) if !stem.is_empty() => stem,
            _ => name,
        }
    }

    /// Returns the name in a Joliet tree: UCS-2, big-endian. A trailing dot is part of it.
    pub(super) fn joliet_name(&self) -> Vec<u8> {
        let units = self.identifier.chunks_exact(2).map(|pair| {
            let pair: [u8; 2] = pair.try_into().unwrap_or_default();
            u16::from_be_bytes(pair)
        });
        // Some writers use UTF-16 with surrogate pairs.
        let name: String = char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        without_version(name.as_bytes()).to_vec()
    }

    /// Returns the System Use entries in the record itself, without the first `skip` bytes.
    pub(super) fn system_use_from(&self, skip: usize) -> &'a [u8] {
        // Nothing is skipped in the root's own record (SUSP 1.12 §5.3), but its `SP` may follow the
        // CD-XA bytes that are skipped elsewhere.
        if self.system_use.get(..2) == Some(b"SP") {
            return self.system_use;
        }
        self.system_use.get(skip..).unwrap_or_default()
    }
}

/// Drops `;` and the version number after it.
fn without_version(name: &[u8]) -> &[u8] {
    let Some(at) = name.iter().rposition(|&b| b == b';') else {
        return name;
    };
    match name.split_at_checked(at) {
        Some((stem, [_, version @ ..]))
            if !stem.is_empty() && version.iter().all(u8::is_ascii_digit) =>
        {
            stem
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(identifier: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[32] = u8::try_from(identifier.len()).unwrap();
        bytes.extend_from_slice(identifier);
        bytes[0] = u8::try_from(bytes.len()).unwrap();
        let mut rest = bytes.as_slice();
        let record = Record::next(&mut rest).unwrap().unwrap();
        record.plain_name().to_vec()
    }

    #[test]
    fn version_and_trailing_dot_are_dropped() {
        assert_eq!(plain(b"KERNEL.IMG;1"), b"KERNEL.IMG");
        assert_eq!(plain(b"README.;1"), b"README");
        assert_eq!(plain(b"README.;23"), b"README");
        assert_eq!(plain(b"BOOT"), b"BOOT");
        assert_eq!(plain(b"a;b"), b"a;b");
        assert_eq!(plain(b";1"), b";1");
        assert_eq!(plain(b"."), b".");
    }

    #[test]
    fn inconsistent_records_are_damaged() {
        for bytes in [
            &[34u8; 20][..],                               // longer than the sector
            &[10; 40][..],                                 // shorter than a header
            &[[34u8].as_slice(), &[0; 40]].concat()[..],   // no identifier
            &[[34u8].as_slice(), &[255; 40]].concat()[..], // identifier past the record
        ] {
            let mut rest = bytes;
            assert_eq!(
                Record::next(&mut rest).map(|_| ()),
                Err(Damaged),
                "{bytes:?}"
            );
        }
        assert!(matches!(Record::next(&mut &[0u8; 40][..]), Ok(None)));
        assert!(matches!(Record::next(&mut &[][..]), Ok(None)));
    }
}
