//! Volume descriptors (ECMA-167 3): the anchor, and the sequence it points to.

use std::collections::BTreeMap;

use super::{Revision, UdfError, names, tag};
use crate::storage::{Disk, Unreadable, u16_le, u32_le};

/// Sector sizes tried, the usual one first.
const SECTOR_SIZES: [u32; 4] = [2048, 512, 4096, 1024];
/// Sector of the anchor, counted from the start and from the end; and of the one of a disc that is
/// not closed (OSTA UDF §2.2.3).
const ANCHOR_AT: u64 = 256;
const ANCHOR_OF_OPEN_DISC: u64 = 512;
/// Most descriptors read of one sequence.
const MAX_DESCRIPTORS: u32 = 512;
/// Most extents of one sequence.
const MAX_POINTERS: u32 = 16;
/// Most partition maps; no revision has more than two.
const MAX_MAPS: usize = 8;

/// A run of sectors (ECMA-167 3/7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Length in bytes.
    len: u32,
    /// First sector.
    at: u32,
}

impl Extent {
    fn parse(bytes: &[u8], at: usize) -> Self {
        Self {
            len: u32_le(bytes, at),
            at: u32_le(bytes, at + 4),
        }
    }
}

/// The two sequences of volume descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) sector_bytes: u32,
    main: Extent,
    reserve: Extent,
}

/// Contents of the descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    pub(super) sector_bytes: u32,
    pub(super) logical: LogicalVolume,
    /// The partitions by number.
    pub(super) partitions: BTreeMap<u16, PartitionDescriptor>,
    /// Identifier of the volume set.
    pub(super) volume_set: String,
}

/// A partition descriptor (ECMA-167 3/10.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionDescriptor {
    sequence: u32,
    /// First sector.
    pub(super) start: u32,
    /// Length in sectors.
    pub(super) len: u32,
}

/// A logical volume descriptor (ECMA-167 3/10.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogicalVolume {
    sequence: u32,
    pub(super) label: String,
    pub(super) revision: Revision,
    /// Partition reference and block of the file set descriptor.
    pub(super) file_set: (u16, u32),
    pub(super) maps: Vec<Map>,
}

/// A partition map (ECMA-167 3/10.7; OSTA UDF §2.2.8 to §2.2.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Map {
    Physical {
        number: u16,
    },
    Virtual {
        number: u16,
    },
    Sparable {
        number: u16,
        /// Blocks of a packet.
        packet: u16,
        /// Sectors of the sparing tables.
        tables: Vec<u32>,
        /// Length of a table in bytes.
        table_bytes: u32,
    },
    Metadata {
        number: u16,
        /// Blocks of the metadata file's entry and of its mirror's.
        files: [u32; 2],
    },
    /// Of a kind not known here.
    Other,
}

/// Finds the anchor and the size of a sector.
pub(super) fn anchor(disk: &mut Disk<'_>) -> Result<Anchor, UdfError> {
    for sector_bytes in SECTOR_SIZES {
        let size = u64::from(sector_bytes);
        let last = (disk.len() / size).saturating_sub(1);
        let places = [
            ANCHOR_AT,
            last,
            last.saturating_sub(ANCHOR_AT),
            ANCHOR_OF_OPEN_DISC,
        ];
        for sector in places {
            let bytes = match sector_of(disk, sector, sector_bytes, "an anchor") {
                Ok(bytes) => bytes,
                Err(error @ UdfError::Disk { .. }) => return Err(error),
                Err(_) => continue,
            };
            let Ok(number) = u32::try_from(sector) else {
                continue;
            };
            if tag::identifier(&bytes, number) == Some(tag::ANCHOR) {
                return Ok(Anchor {
                    sector_bytes,
                    main: Extent::parse(&bytes, 16),
                    reserve: Extent::parse(&bytes, 24),
                });
            }
        }
    }
    Err(UdfError::NoAnchor)
}

/// Reads the main sequence, or the reserve if something of the main one is missing.
pub(super) fn read(disk: &mut Disk<'_>, anchor: Anchor) -> Result<Descriptors, UdfError> {
    let main = sequence(disk, anchor.sector_bytes, anchor.main);
    main.or_else(|error| sequence(disk, anchor.sector_bytes, anchor.reserve).map_err(|_| error))
}

fn sequence(
    disk: &mut Disk<'_>,
    sector_bytes: u32,
    extent: Extent,
) -> Result<Descriptors, UdfError> {
    let mut extent = extent;
    let mut found: Option<LogicalVolume> = None;
    let mut partitions: BTreeMap<u16, PartitionDescriptor> = BTreeMap::new();
    let mut volume_set = String::new();
    let (mut pointers, mut read, mut next) = (0, 0, 0);
    while next < extent.len / sector_bytes && read < MAX_DESCRIPTORS {
        let number = extent.at.saturating_add(next);
        (next, read) = (next + 1, read + 1);
        let sector = sector_of(disk, u64::from(number), sector_bytes, "a volume descriptor")?;
        // What is not a descriptor ends the sequence, like a terminating one (3/8.4.2).
        let Some(identifier) = tag::identifier(&sector, number) else {
            break;
        };
        match identifier {
            tag::PRIMARY_VOLUME => {
                volume_set = names::field(sector.get(72..200).unwrap_or_default());
            }
            tag::VOLUME_POINTER if pointers < MAX_POINTERS => {
                pointers += 1;
                (extent, next) = (Extent::parse(&sector, 20), 0);
            }
            tag::PARTITION => {
                let partition = PartitionDescriptor {
                    sequence: u32_le(&sector, 16),
                    start: u32_le(&sector, 188),
                    len: u32_le(&sector, 192),
                };
                let number = u16_le(&sector, 22);
                let known = partitions.entry(number).or_insert(partition);
                if partition.sequence > known.sequence {
                    *known = partition;
                }
            }
            tag::LOGICAL_VOLUME => {
                let volume = logical_volume(&sector, sector_bytes)?;
                if found
                    .as_ref()
                    .is_none_or(|known| volume.sequence > known.sequence)
                {
                    found = Some(volume);
                }
            }
            tag::TERMINATING => break,
            _ => {}
        }
    }
    Ok(Descriptors {
        sector_bytes,
        logical: found.ok_or(UdfError::Lacks("the logical volume descriptor"))?,
        partitions,
        volume_set,
    })
}

fn logical_volume(sector: &[u8], sector_bytes: u32) -> Result<LogicalVolume, UdfError> {
    if u32_le(sector, 212) != sector_bytes {
        return Err(UdfError::Unsupported(
            "blocks of another size than its sectors",
        ));
    }
    let revision = Revision(u16_le(sector, 240));
    if sector.get(217..236) != Some(b"*OSTA UDF Compliant") {
        return Err(UdfError::Unsupported("a domain that is not OSTA's"));
    }
    let len = usize::try_from(u32_le(sector, 264)).unwrap_or(usize::MAX);
    let mut rest = sector
        .get(440..)
        .and_then(|maps| maps.get(..len))
        .unwrap_or_default();
    let count = usize::try_from(u32_le(sector, 268)).unwrap_or(usize::MAX);
    let mut maps = Vec::new();
    while maps.len() < count.min(MAX_MAPS) {
        let len = rest.get(1).map_or(0, |len| usize::from(*len));
        let Some((map, after)) = rest.split_at_checked(len).filter(|_| len >= 6) else {
            return Err(UdfError::Lacks("one of the partition maps"));
        };
        maps.push(map_of(map));
        rest = after;
    }
    Ok(LogicalVolume {
        sequence: u32_le(sector, 16),
        label: names::field(sector.get(84..212).unwrap_or_default()),
        revision,
        file_set: (u16_le(sector, 256), u32_le(sector, 252)),
        maps,
    })
}

fn map_of(map: &[u8]) -> Map {
    let number = u16_le(map, 38);
    let name = map.get(5..28).unwrap_or_default();
    match map.first() {
        Some(1) => Map::Physical {
            number: u16_le(map, 4),
        },
        Some(2) if name.starts_with(b"*UDF Virtual Partition") => Map::Virtual { number },
        Some(2) if name.starts_with(b"*UDF Sparable Partition") => {
            let count = map.get(42).map_or(0, |count| usize::from(*count).min(4));
            Map::Sparable {
                number,
                packet: u16_le(map, 40),
                tables: (0..count).map(|nth| u32_le(map, 48 + nth * 4)).collect(),
                table_bytes: u32_le(map, 44),
            }
        }
        Some(2) if name.starts_with(b"*UDF Metadata Partition") => Map::Metadata {
            number,
            files: [u32_le(map, 40), u32_le(map, 44)],
        },
        _ => Map::Other,
    }
}

/// Reads one sector.
fn sector_of(
    disk: &mut Disk<'_>,
    sector: u64,
    sector_bytes: u32,
    what: &'static str,
) -> Result<Vec<u8>, UdfError> {
    let at = sector.saturating_mul(u64::from(sector_bytes));
    let mut bytes = vec![0; sector_bytes as usize];
    match disk.read(at, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(Unreadable::PastEnd | Unreadable::Budget) => Err(UdfError::Damaged { what, at }),
        Err(Unreadable::Disk(error)) => Err(UdfError::Disk { what, at, error }),
    }
}
