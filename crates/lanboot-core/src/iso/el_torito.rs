//! The boot catalog (El Torito 1.0 §2).

use super::storage::{SECTOR, SECTOR_BYTES, Storage, u16_le, u32_le};
use super::{BootEntry, Platform};
use crate::storage::Notes;
use crate::vfs::{Content, ImageId, Kind, NodeId, Piece, Source, Tree};

/// Bytes of one slot. Only one sector of slots is read.
const SLOT: usize = 32;
/// Most entries kept: media have one to four, and each costs a scan of all files.
const MAX_ENTRIES: usize = 16;
/// Boot media types (§2.2, figure 3).
const FLOPPY_12: u8 = 1;
const FLOPPY_144: u8 = 2;
const FLOPPY_288: u8 = 3;
const HARD_DISK: u8 = 4;
/// Sector size, in bytes, that catalogs count in, independent of the medium's.
const VIRTUAL_SECTOR: u64 = 512;

/// Reads the catalog at byte `at`. `volume_len`, the recorded length of the volume, bounds boot
/// images of which only the start is recorded.
pub(super) fn read(
    storage: &mut Storage<'_>,
    image: ImageId,
    tree: &Tree,
    at: u64,
    volume_len: u64,
    notes: &mut Notes,
) -> Vec<BootEntry> {
    let catalog = match storage.sector(at) {
        Ok(catalog) => catalog,
        Err(error) => {
            notes.add(|| format!("has a boot catalog at byte {at} that {error}"));
            return Vec::new();
        }
    };
    let slots = slots(&catalog);
    if slots.is_empty() {
        notes.add(|| format!("has a damaged boot catalog at byte {at}"));
    }
    slots
        .into_iter()
        .map(|slot| {
            let file = file_at(tree, slot.at);
            let content = file.cloned().unwrap_or_else(|| {
                let len = length(storage, &slot, volume_len);
                Content::new(Piece::of_image(image, slot.at, len, storage.len()))
            });
            if let Some(damage) = content.damage() {
                let at = slot.at;
                notes.add(|| format!("has a boot image at byte {at} that is {damage}"));
            }
            BootEntry {
                platform: slot.platform,
                bootable: slot.bootable,
                content,
            }
        })
        .collect()
}

/// One boot image as the catalog describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    platform: Platform,
    bootable: bool,
    media: u8,
    sectors: u16,
    at: u64,
}

/// Parses the entries of a catalog; none if its validation entry is invalid.
fn slots(catalog: &[u8]) -> Vec<Slot> {
    const SECTION: u8 = 0x90;
    const LAST_SECTION: u8 = 0x91;
    const EXTENSION: u8 = 0x44;
    let mut chunks = catalog.chunks_exact(SLOT);
    let byte = |chunk: &[u8], at: usize| chunk.get(at).copied().unwrap_or(0);
    // §2.1. The checksum is not verified: firmware does not verify it either.
    let Some(validation) = chunks
        .next()
        .filter(|v| byte(v, 0) == 1 && v.ends_with(&[0x55, 0xaa]))
    else {
        return Vec::new();
    };
    let entry = |chunk: &[u8], platform: u8| Slot {
        platform: Platform::from(platform),
        bootable: byte(chunk, 0) == 0x88,
        media: byte(chunk, 1) & 0x0f,
        sectors: u16_le(chunk, 6),
        at: u64::from(u32_le(chunk, 8)) * SECTOR,
    };
    let mut slots = Vec::new();
    if let Some(initial) = chunks.next() {
        slots.push(entry(initial, byte(validation, 1)));
    }
    // §2.3 to §2.5: sections of entries, each of which may have extensions.
    while let Some(header) = chunks.find(|chunk| byte(chunk, 0) != EXTENSION) {
        let kind = byte(header, 0);
        if !matches!(kind, SECTION | LAST_SECTION) {
            break;
        }
        let platform = byte(header, 1);
        for _ in 0..u16_le(header, 2) {
            let Some(chunk) = chunks.find(|chunk| byte(chunk, 0) != EXTENSION) else {
                break;
            };
            slots.push(entry(chunk, platform));
        }
        if kind == LAST_SECTION {
            break;
        }
    }
    // A slot that names no sector is empty.
    slots.retain(|slot| slot.at != 0);
    slots.truncate(MAX_ENTRIES);
    slots
}

/// Returns the longest file that starts at byte `at`.
fn file_at(tree: &Tree, at: u64) -> Option<&Content> {
    let count = u32::try_from(tree.len()).unwrap_or(u32::MAX);
    (0..count)
        .filter_map(|n| match &tree.node(NodeId(n))?.kind {
            Kind::File(content) => Some(content),
            Kind::Directory(_) | Kind::Symlink(_) => None,
        })
        .filter(|content| {
            content.pieces().first().is_some_and(
                |piece| matches!(piece.source, Source::Image { offset, .. } if offset == at),
            )
        })
        .max_by_key(|content| content.len())
}

/// Returns the length of a boot image that is not a file, such as an appended partition.
fn length(storage: &mut Storage<'_>, slot: &Slot, volume_len: u64) -> u64 {
    let counted = u64::from(slot.sectors) * VIRTUAL_SECTOR;
    match slot.media {
        FLOPPY_12 => return 1200 * 1024,
        FLOPPY_144 => return 1440 * 1024,
        FLOPPY_288 => return 2880 * 1024,
        _ => {}
    }
    let first = storage.sector(slot.at).unwrap_or([0; SECTOR_BYTES]);
    let stated = match slot.media {
        HARD_DISK => partition_end(&first),
        _ => fat_len(&first),
    };
    // UEFI 2.10 §13.3.2.1: a count of 0 or 1 means up to the end of the volume. 16 bits of count
    // cannot describe an image over 32 MiB, so a file system that states a greater length is
    // trusted.
    match stated {
        Some(stated) => stated.max(counted),
        None if slot.sectors <= 1 => {
            let end = match volume_len {
                end if end > slot.at => end,
                _ => storage.len(),
            };
            // If it starts past the end, at least one sector is missing.
            end.saturating_sub(slot.at).max(counted.max(VIRTUAL_SECTOR))
        }
        None => counted,
    }
}

/// Returns the length stated by a FAT boot sector.
fn fat_len(sector: &[u8]) -> Option<u64> {
    let bytes_per_sector = u16_le(sector, 11);
    let plausible = sector.get(510..512) == Some(&[0x55, 0xaa])
        && matches!(sector.first(), Some(0xeb | 0xe9))
        && matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096)
        && sector.get(13).is_some_and(|n| n.is_power_of_two())
        && matches!(sector.get(16), Some(1 | 2));
    let sectors = match u16_le(sector, 19) {
        0 => u32_le(sector, 32),
        small => u32::from(small),
    };
    (plausible && sectors > 0).then(|| u64::from(sectors) * u64::from(bytes_per_sector))
}

/// Returns the end of the first partition of a Master Boot Record.
fn partition_end(sector: &[u8]) -> Option<u64> {
    let sectors = u64::from(u32_le(sector, 446 + 8)) + u64::from(u32_le(sector, 446 + 12));
    let plausible = sector.get(510..512) == Some(&[0x55, 0xaa]) && sectors > 0;
    plausible.then_some(sectors * VIRTUAL_SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fat(sectors: u16) -> Vec<u8> {
        let mut boot = vec![0; 512];
        boot[0] = 0xeb;
        boot[11..13].copy_from_slice(&512u16.to_le_bytes());
        boot[13] = 4;
        boot[16] = 2;
        boot[19..21].copy_from_slice(&sectors.to_le_bytes());
        boot[510..512].copy_from_slice(&[0x55, 0xaa]);
        boot
    }

    fn slot(sectors: u16, media: u8) -> Slot {
        Slot {
            platform: Platform::Uefi,
            bootable: true,
            media,
            sectors,
            at: 4096,
        }
    }

    #[test]
    fn the_length_comes_from_the_fat_then_the_count_then_the_end_of_the_volume() {
        let mut image = vec![0; 4096];
        image.extend(fat(100));
        image.resize(100_000, 0);
        let of = |image: &Vec<u8>, slot: &Slot| length(&mut Storage::new(image), slot, 90_000);
        assert_eq!(of(&image, &slot(1, 0)), 51_200);
        assert_eq!(of(&image, &slot(120, 0)), 61_440);
        image[4096..4608].fill(0);
        assert_eq!(of(&image, &slot(120, 0)), 61_440);
        assert_eq!(of(&image, &slot(1, 0)), 90_000 - 4096);
        assert_eq!(of(&image, &slot(0, 0)), 90_000 - 4096);
        assert_eq!(of(&image, &slot(1, FLOPPY_144)), 1_474_560);
    }

    #[test]
    fn sections_and_extensions_are_parsed() {
        let mut catalog = vec![0; 2048];
        let mut put = |n: usize, bytes: &[u8]| {
            catalog[n * SLOT..n * SLOT + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &[1]);
        put(1, &[0x88, 0, 0, 0, 0, 0, 4, 0, 30]);
        put(2, &[0x90, 0xef, 1, 0]);
        put(3, &[0x88, 0, 0, 0, 0, 0, 1, 0, 40]);
        put(4, &[0x44]);
        put(5, &[0x91, 2, 1, 0]);
        catalog[6 * SLOT..6 * SLOT + 9].copy_from_slice(&[0, 0, 0, 0, 0, 0, 1, 0, 50]);
        assert!(
            slots(&catalog).is_empty(),
            "not valid without its key bytes"
        );
        catalog[30..32].copy_from_slice(&[0x55, 0xaa]);
        // The extension of the second entry belongs to it, not to the next section.
        let found: Vec<_> = slots(&catalog)
            .iter()
            .map(|s| (s.platform, s.bootable, s.at / SECTOR))
            .collect();
        assert_eq!(
            found,
            [
                (Platform::Bios, true, 30),
                (Platform::Uefi, true, 40),
                (Platform::Other(2), false, 50)
            ]
        );
    }
}
