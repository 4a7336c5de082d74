//! Descriptor tags (ECMA-167 3/7.2): what makes a block a descriptor.

use crate::storage::{u16_le, u32_le};

/// Bytes of a tag.
pub(super) const TAG: usize = 16;

/// Identifiers of descriptors.
pub(super) const SPARING_TABLE: u16 = 0;
pub(super) const PRIMARY_VOLUME: u16 = 1;
pub(super) const ANCHOR: u16 = 2;
pub(super) const VOLUME_POINTER: u16 = 3;
pub(super) const PARTITION: u16 = 5;
pub(super) const LOGICAL_VOLUME: u16 = 6;
pub(super) const TERMINATING: u16 = 8;
pub(super) const FILE_SET: u16 = 256;
pub(super) const FILE_IDENTIFIER: u16 = 257;
pub(super) const ALLOCATION_EXTENT: u16 = 258;
pub(super) const INDIRECT_ENTRY: u16 = 259;
pub(super) const FILE_ENTRY: u16 = 261;
pub(super) const EXTENDED_FILE_ENTRY: u16 = 266;

/// Returns the identifier of the descriptor that `bytes` begin with, recorded for block `location`;
/// `None` if the tag or what it covers is damaged.
pub(super) fn identifier(bytes: &[u8], location: u32) -> Option<u16> {
    (u32_le(bytes, 12) == location)
        .then(|| anywhere(bytes))
        .flatten()
}

/// Returns the identifier like [`identifier`], for a descriptor whose block is not known.
pub(super) fn anywhere(bytes: &[u8]) -> Option<u16> {
    let tag = bytes.first_chunk::<TAG>()?;
    let sum = |sum: u8, byte: &u8| sum.wrapping_add(*byte);
    let [_, _, _, _, checksum, ..] = *tag;
    let all = tag.iter().fold(0, sum);
    if all.wrapping_sub(checksum) != checksum || tag.iter().all(|byte| *byte == 0) {
        return None;
    }
    let len = usize::from(u16_le(tag, 10));
    let covered = bytes.get(TAG..)?.get(..len)?;
    (crc(covered) == u16_le(tag, 8)).then(|| u16_le(tag, 0))
}

/// Computes the CRC of ECMA-167 3/7.2.6: polynomial 0x1021, from 0.
pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let mut crc = crc ^ u16::from(*byte) << 8;
        for _ in 0..8 {
            let carry = crc & 0x8000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x1021;
            }
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_the_standard() {
        // ECMA-167 3/7.2.6: the CRC of 0x70 0x6A 0x77 is 0x3299.
        assert_eq!(crc(&[0x70, 0x6a, 0x77]), 0x3299);
    }
}
