//! Volume descriptors (ECMA-119 §8.4, from sector 16 on): label, UUID, and locations of the trees.

use super::IsoError;
use super::record::Record;
use super::storage::{Extent, SECTOR, Storage, Unreadable, u16_le, u32_le};

/// First byte of the descriptors.
pub(super) const FIRST: u64 = 16 * SECTOR;
/// Most descriptors read; media have three to five.
const MAX_DESCRIPTORS: u64 = 32;
/// Sectors after the last descriptor that may announce UDF (ECMA-167 2/8.3).
const UDF_SECTORS: u64 = 8;
/// Descriptor types (ECMA-119 §8.1.1).
const BOOT_RECORD: u8 = 0;
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;

/// One directory tree of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    /// Bytes in a logical block: 512, 1024 or 2048.
    pub(super) block_size: u64,
    /// The root directory.
    pub(super) root: Extent,
}

/// Contents of the descriptors.
#[derive(Debug)]
pub(super) struct Descriptors {
    pub(super) label: String,
    pub(super) uuid: Option<String>,
    /// Length of the volume in bytes, as recorded.
    pub(super) len: u64,
    pub(super) primary: Volume,
    pub(super) joliet: Option<Volume>,
    /// First byte of the El Torito boot catalog.
    pub(super) boot_catalog: Option<u64>,
    /// True if there is a UDF file system as well.
    pub(super) udf: bool,
}

/// Reads the descriptors.
pub(super) fn scan(storage: &mut Storage<'_>) -> Result<Descriptors, IsoError> {
    let len = storage.len();
    if len == 0 {
        return Err(IsoError::Empty);
    }
    if len < FIRST + SECTOR {
        return Err(IsoError::TooShort { len });
    }
    let mut primary = None;
    let mut joliet = None;
    let mut boot_catalog = None;
    let mut at = FIRST;
    while at < FIRST + MAX_DESCRIPTORS * SECTOR {
        let sector = match storage.sector(at) {
            Ok(sector) => sector,
            // The descriptors before it may be enough.
            Err(Unreadable::PastEnd | Unreadable::Budget) => break,
            Err(Unreadable::Disk(error)) => {
                let what = "a volume descriptor";
                return Err(IsoError::Disk { what, at, error });
            }
        };
        if sector.get(1..6) != Some(b"CD001") {
            break;
        }
        at += SECTOR;
        match sector.first().copied() {
            Some(PRIMARY) if primary.is_none() => primary = Some(parse_primary(&sector)?),
            Some(SUPPLEMENTARY) if joliet.is_none() && is_joliet(&sector) => {
                joliet = tree(&sector).ok();
            }
            Some(BOOT_RECORD) if boot_catalog.is_none() => boot_catalog = el_torito(&sector),
            Some(TERMINATOR) => break,
            _ => {}
        }
    }
    let udf = holds_udf(storage, at);
    if let Some(primary) = primary {
        return Ok(Descriptors {
            joliet,
            boot_catalog,
            udf,
            ..primary
        });
    }
    Err(match at {
        FIRST if udf => IsoError::OnlyUdf,
        FIRST => IsoError::NotIso,
        _ => IsoError::NoPrimary,
    })
}

fn parse_primary(sector: &[u8]) -> Result<Descriptors, IsoError> {
    let primary = tree(sector)?;
    // Modification, else creation (§8.4.27, §8.4.26), in the order of libblkid.
    let uuid = [830..847, 813..830]
        .into_iter()
        .find_map(|at| uuid(sector.get(at)?));
    Ok(Descriptors {
        label: label(sector.get(40..72).unwrap_or_default()),
        uuid,
        len: u64::from(u32_le(sector, 80)) * primary.block_size,
        primary,
        joliet: None,
        boot_catalog: None,
        udf: false,
    })
}

fn tree(sector: &[u8]) -> Result<Volume, IsoError> {
    let recorded = u16_le(sector, 128);
    if !matches!(recorded, 512 | 1024 | 2048) {
        return Err(IsoError::BlockSize(recorded));
    }
    let block_size = u64::from(recorded);
    let root = sector
        .get(156..190)
        .and_then(Record::of_root)
        .ok_or(IsoError::NoRoot)?;
    Ok(Volume {
        block_size,
        root: root.extent(block_size),
    })
}

/// Returns whether a supplementary descriptor is Joliet: the escape sequences of UCS-2 levels 1 to
/// 3 (Joliet specification §4.2). ISO 9660:1999 has one too, but only with longer versions of the
/// primary tree's names.
fn is_joliet(sector: &[u8]) -> bool {
    matches!(sector.get(88..91), Some([b'%', b'/', b'@' | b'C' | b'E']))
}

/// Parses the boot record (El Torito 1.0 §2.0, figure 7).
fn el_torito(sector: &[u8]) -> Option<u64> {
    let system = sector.get(7..39)?;
    system
        .starts_with(b"EL TORITO SPECIFICATION")
        .then(|| u64::from(u32_le(sector, 71)) * SECTOR)
}

/// Returns whether a Volume Recognition Sequence with UDF starts at `at`, after the ISO 9660
/// descriptors.
fn holds_udf(storage: &mut Storage<'_>, at: u64) -> bool {
    (0..UDF_SECTORS).any(|n| {
        storage
            .sector(at + n * SECTOR)
            .is_ok_and(|sector| matches!(sector.get(1..6), Some(b"NSR02" | b"NSR03")))
    })
}

fn label(padded: &[u8]) -> String {
    let end = padded
        .iter()
        .rposition(|b| !matches!(b, b' ' | 0))
        .map_or(0, |last| last + 1);
    String::from_utf8_lossy(padded.get(..end).unwrap_or_default())
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Formats a date of 17 bytes as `YYYY-MM-DD-HH-MM-SS-cc`; `None` if unset or not digits. Like
/// libblkid, does not convert the sixteen digits to another time zone.
fn uuid(date: &[u8]) -> Option<String> {
    let (digits, zone) = date.split_first_chunk::<16>()?;
    let unset = digits.iter().all(|&b| b == b'0') && zone == [0];
    if unset || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut text = String::with_capacity(22);
    for (n, &digit) in digits.iter().enumerate() {
        if n >= 4 && n % 2 == 0 {
            text.push('-');
        }
        text.push(char::from(digit));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_is_the_date_with_hyphens() {
        assert_eq!(
            uuid(b"2026030112345600\0").as_deref(),
            Some("2026-03-01-12-34-56-00")
        );
        assert_eq!(uuid(b"0000000000000000\0"), None);
        assert_eq!(uuid(b"2026 30112345600\0"), None);
        assert_eq!(uuid(&[0; 17]), None);
        assert_eq!(uuid(b"2026"), None);
    }

    #[test]
    fn the_label_loses_its_padding_and_its_control_characters() {
        assert_eq!(label(b"ARCH_202603      "), "ARCH_202603");
        assert_eq!(label(b"A\x1b[2J\0\0"), "A?[2J");
        assert_eq!(label(b"   "), "");
    }
}
