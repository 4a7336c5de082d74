//! Boot code in the first sector, which a BIOS loads and starts.

use crate::storage::{Disk, ReadAt};

/// Bytes of the sector, and those of its end that say it may be started.
const SECTOR: usize = 512;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Bytes for code before a partition table (UEFI 2.10 §5.2.1).
const CODE: usize = 440;
/// Texts in the code that tools write into a file system that starts nothing: mkfs.fat's, and mtools' and
/// DOS's.
const NOTHING: [&[u8]; 3] = [b"not a bootable disk", b"on-system disk", b"on system disk"];

/// Tests whether there is code before a partition table. Tools that make one leave zeros there.
pub(super) fn before_partitions(source: &dyn ReadAt) -> bool {
    let sector = sector(source);
    let code = sector.as_ref().and_then(|sector| sector.get(..CODE));
    code.is_some_and(|code| code.iter().any(|byte| *byte != 0))
}

/// Tests whether there is code at the start of a file system that fills the image.
pub(super) fn in_file_system(source: &dyn ReadAt) -> bool {
    let Some(sector) = sector(source) else {
        return false;
    };
    // A jump over the parameters of the file system, to something.
    let start = match sector {
        [0xeb, to, 0x90, ..] => usize::from(to) + 2,
        [0xe9, low, high, ..] => usize::from(u16::from_le_bytes([low, high])) + 3,
        _ => return false,
    };
    let code = sector
        .get(start..SECTOR - SIGNATURE.len())
        .unwrap_or_default();
    let says = |text: &&[u8]| code.windows(text.len()).any(|part| part == *text);
    code.iter().any(|byte| *byte != 0) && !NOTHING.iter().any(says)
}

/// Reads the first sector; `None` if it does not say that it may be started.
fn sector(source: &dyn ReadAt) -> Option<[u8; SECTOR]> {
    let mut sector = [0; SECTOR];
    Disk::new(source, 1).read(0, &mut sector).ok()?;
    sector.ends_with(&SIGNATURE).then_some(sector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(code: &[(usize, &[u8])]) -> Vec<u8> {
        let mut sector = vec![0; SECTOR];
        sector[510..].copy_from_slice(&SIGNATURE);
        for (at, bytes) in code {
            sector[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        sector
    }

    #[test]
    fn code_counts_and_zeros_and_messages_do_not() {
        assert!(before_partitions(&with(&[(0, b"\xfa\x31")])));
        assert!(!before_partitions(&with(&[(446, &[0x80; 16])])), "a table");
        assert!(!before_partitions(&vec![0xfa; SECTOR]), "no signature");
        assert!(in_file_system(&with(&[
            (0, &[0xeb, 0x3c, 0x90]),
            (0x3e, b"\xfa\x31")
        ])));
        assert!(!in_file_system(&with(&[(0, &[0xeb, 0x3c, 0x90])])));
        let said = b"This is not a bootable disk.  Please insert";
        assert!(!in_file_system(&with(&[
            (0, &[0xeb, 0x3c, 0x90]),
            (0x5e, said)
        ])));
        assert!(!in_file_system(&Vec::new()));
    }
}
