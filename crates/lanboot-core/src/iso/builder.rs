//! Builds ISO images byte by byte for tests, including ones no tool would write.

use super::storage::SECTOR_BYTES;

/// Sector of the root directory.
pub(super) const ROOT: u32 = 20;
pub(super) const DIRECTORY: u8 = 2;
pub(super) const MULTI_EXTENT: u8 = 0x80;

/// An image under construction; it grows as sectors are written.
#[derive(Clone, Debug)]
pub(super) struct IsoBuilder {
    pub(super) image: Vec<u8>,
}

impl IsoBuilder {
    /// Creates an image with volume descriptors and no root directory yet.
    pub(super) fn new() -> Self {
        let mut builder = Self { image: Vec::new() };
        builder.put(16, &descriptor(1, ROOT));
        let mut end = descriptor(255, 0);
        end.truncate(7);
        builder.put(17, &end);
        builder.image.resize(18 * SECTOR_BYTES, 0);
        builder
    }

    pub(super) fn put(&mut self, sector: u32, bytes: &[u8]) {
        let at = sector as usize * SECTOR_BYTES;
        let end = at + bytes.len().next_multiple_of(SECTOR_BYTES);
        if self.image.len() < end {
            self.image.resize(end, 0);
        }
        self.image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn poke(&mut self, at: usize, bytes: &[u8]) {
        self.image[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a directory of `records` and the two dot entries. Returns the number of sectors it
    /// takes.
    pub(super) fn directory(&mut self, sector: u32, records: &[Vec<u8>]) -> u32 {
        // The root's own record announces Rock Ridge.
        let announced = [susp(b"SP", &[0xbe, 0xef, 0]), posix(0o040_755)].concat();
        let own = if sector == ROOT {
            announced
        } else {
            posix(0o040_755)
        };
        let mut bytes = Vec::new();
        let dots = [
            record(&[0], sector, 2048, DIRECTORY, &own),
            record(&[1], ROOT, 2048, DIRECTORY, &posix(0o040_755)),
        ];
        for record in dots.iter().chain(records) {
            let space = SECTOR_BYTES - bytes.len() % SECTOR_BYTES;
            if record.len() > space {
                bytes.resize(bytes.len() + space, 0);
            }
            bytes.extend_from_slice(record);
        }
        let sectors = u32::try_from(bytes.len().div_ceil(SECTOR_BYTES)).unwrap();
        let len = sectors * 2048;
        bytes[10..14].copy_from_slice(&len.to_le_bytes());
        self.put(sector, &bytes);
        if sector == ROOT {
            self.poke(16 * SECTOR_BYTES + 156 + 10, &len.to_le_bytes());
        }
        sectors
    }
}

/// Returns a volume descriptor whose root directory is one sector long.
pub(super) fn descriptor(kind: u8, root: u32) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR_BYTES];
    bytes[0] = kind;
    bytes[1..7].copy_from_slice(b"CD001\x01");
    bytes[40..72].copy_from_slice(b"BUILDER                         ");
    bytes[128..130].copy_from_slice(&2048u16.to_le_bytes());
    let root = record(&[0], root, 2048, DIRECTORY, &[]);
    bytes[156..190].copy_from_slice(&root);
    bytes[830..847].copy_from_slice(b"2026030112345600\0");
    bytes
}

pub(super) fn record(name: &[u8], block: u32, len: u32, flags: u8, susp: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 33];
    bytes[2..6].copy_from_slice(&block.to_le_bytes());
    bytes[6..10].copy_from_slice(&block.to_be_bytes());
    bytes[10..14].copy_from_slice(&len.to_le_bytes());
    bytes[14..18].copy_from_slice(&len.to_be_bytes());
    bytes[18..25].copy_from_slice(&[126, 3, 1, 12, 34, 56, 0]);
    bytes[25] = flags;
    bytes[32] = u8::try_from(name.len()).unwrap();
    bytes.extend_from_slice(name);
    if name.len().is_multiple_of(2) {
        bytes.push(0);
    }
    bytes.extend_from_slice(susp);
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes[0] = u8::try_from(bytes.len()).unwrap();
    bytes
}

/// Returns a record for a file with a Rock Ridge name.
pub(super) fn file(name: &str, block: u32, len: u32) -> Vec<u8> {
    let susp = [posix(0o100_644), nm(name.as_bytes())].concat();
    record(b"F.;1", block, len, 0, &susp)
}

/// Returns a record for a one-sector directory with a Rock Ridge name.
pub(super) fn folder(name: &str, block: u32) -> Vec<u8> {
    let susp = [posix(0o040_755), nm(name.as_bytes())].concat();
    record(b"D", block, 2048, DIRECTORY, &susp)
}

pub(super) fn susp(signature: &[u8; 2], data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(4 + data.len()).unwrap();
    [signature.as_slice(), &[len, 1], data].concat()
}

pub(super) fn both(n: u32) -> Vec<u8> {
    [n.to_le_bytes(), n.to_be_bytes()].concat()
}

pub(super) fn posix(mode: u32) -> Vec<u8> {
    susp(
        b"PX",
        &[both(mode), both(1), both(1000), both(100)].concat(),
    )
}

pub(super) fn nm(name: &[u8]) -> Vec<u8> {
    susp(b"NM", &[&[0], name].concat())
}

pub(super) fn ce(block: u32, offset: u32, len: u32) -> Vec<u8> {
    susp(b"CE", &[both(block), both(offset), both(len)].concat())
}
