//! Images of any kind: raw disks with a partition table, compressed files, archives.

use lanboot_core::media;
use lanboot_core::vfs::ImageId;

use super::iso::check;

/// Reads the file `data`.
pub fn run(data: &[u8]) {
    match media::read(ImageId(1), &data.to_vec()) {
        Ok(medium) => check(&medium.tree),
        Err(error) => assert!(!error.clause("a file").contains('\n')),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let fat = super::fat::image(false);
    let mut mbr = vec![0; 512];
    mbr[450] = 0xef;
    mbr[454] = 1;
    mbr[458] = 8;
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    vec![
        fat.clone(),
        [mbr, fat].concat(),
        gpt(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0".to_vec(),
    ]
}

/// Returns a disk with a GPT: its header, one entry, and a file system in sector 4.
fn gpt() -> Vec<u8> {
    let mut image = vec![0; 4 * 512];
    let entry: [&[u8]; 5] = [
        b"\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b",
        &[1; 16],
        &4u64.to_le_bytes(),
        &11u64.to_le_bytes(),
        &[0; 80],
    ];
    let entry = entry.concat();
    let mut header = b"EFI PART\0\0\x01\0\x5c\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    for number in [1u64, 11, 4, 11] {
        header.extend(number.to_le_bytes());
    }
    header.extend([2; 16]);
    header.extend(2u64.to_le_bytes());
    header.extend([1, 0, 0, 0, 128, 0, 0, 0]);
    header.extend(crc(&entry).to_le_bytes());
    let checksum = crc(&header);
    header[16..20].copy_from_slice(&checksum.to_le_bytes());
    image[512..512 + header.len()].copy_from_slice(&header);
    image[1024..1024 + entry.len()].copy_from_slice(&entry);
    [image, super::fat::image(true)].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}
