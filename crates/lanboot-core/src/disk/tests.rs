//! Partition tables made byte by byte; those of sfdisk and sgdisk are read in `tests/disk_tools.rs`.

use super::*;

const IMAGE: ImageId = ImageId(9);

/// Returns an image of 40 sectors with these partitions in its master boot record.
fn mbr(entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut image = vec![0; 40 * 512];
    table(&mut image, 0, entries);
    image
}

fn table(image: &mut [u8], sector: usize, entries: &[(u8, u32, u32)]) {
    let table = &mut image[sector * 512..(sector + 1) * 512];
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    for (entry, (kind, first, count)) in table[446..510].chunks_mut(16).zip(entries) {
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..].copy_from_slice(&count.to_le_bytes());
    }
}

/// Puts an empty FAT12 file system of eight sectors at this one.
fn fat(image: &mut [u8], sector: usize, label: &[u8; 11]) {
    let boot = &mut image[sector * 512..(sector + 1) * 512];
    boot[11..13].copy_from_slice(&512u16.to_le_bytes());
    boot[13..24].copy_from_slice(&[1, 1, 0, 1, 16, 0, 8, 0, 0xf8, 1, 0]);
    boot[38] = 0x29;
    boot[43..54].copy_from_slice(label);
}

fn label(image: &Vec<u8>) -> String {
    read(IMAGE, image).unwrap().volume.unwrap().label
}

#[test]
fn the_system_partition_comes_first_then_any_with_fat() {
    let mut image = mbr(&[(0x83, 1, 8), (0x0c, 10, 8), (0xef, 20, 8)]);
    fat(&mut image, 10, b"DATA       ");
    assert_eq!(label(&image), "DATA");
    fat(&mut image, 20, b"SYSTEM     ");
    let disk = read(IMAGE, &image).unwrap();
    assert_eq!((disk.table, disk.is_system), (Table::Mbr, true));
    assert_eq!(disk.volume.unwrap().label, "SYSTEM");
    assert_eq!(disk.len, image.len() as u64);
}

#[test]
fn logical_partitions_are_found_and_loops_end() {
    let mut image = mbr(&[(0x05, 4, 30)]);
    table(&mut image, 4, &[(0x83, 1, 2), (0x05, 6, 10)]);
    table(&mut image, 10, &[(0x06, 2, 8), (0x05, 0, 30)]);
    fat(&mut image, 12, b"LOGICAL    ");
    assert_eq!(label(&image), "LOGICAL");
    image[12 * 512..13 * 512].fill(0);
    table(&mut image, 10, &[(0x83, 2, 8), (0x05, 6, 30)]);
    assert!(matches!(
        read(IMAGE, &image),
        Err(DiskError::NoFat(Table::Mbr))
    ));
}

#[test]
fn a_disk_without_partitions_is_a_file_system() {
    let mut image = vec![0; 8 * 512];
    fat(&mut image, 0, b"FLOPPY     ");
    let disk = read(IMAGE, &image).unwrap();
    assert_eq!((disk.table, disk.is_system), (Table::None, true));
}

#[test]
fn a_disk_that_is_cut_short_says_how_long_it_was() {
    let mut image = mbr(&[(0xef, 20, 100)]);
    fat(&mut image, 20, b"SYSTEM     ");
    assert_eq!(read(IMAGE, &image).unwrap().len, 120 * 512);
}

#[test]
fn boot_code_without_a_fat_file_system_is_for_a_bios() {
    let mut image = mbr(&[(0x83, 1, 8)]);
    assert!(matches!(
        read(IMAGE, &image),
        Err(DiskError::NoFat(Table::Mbr))
    ));
    image[0] = 0xfa;
    let disk = read(IMAGE, &image).unwrap();
    assert!(disk.has_boot_code && disk.volume.is_none() && !disk.is_system);
    // Of a file that was cut it starts nothing.
    let mut cut = mbr(&[(0x83, 1, 8000)]);
    cut[0] = 0xfa;
    assert!(matches!(
        read(IMAGE, &cut),
        Err(DiskError::NoFat(Table::Mbr))
    ));
}

#[test]
fn other_files_are_no_disks() {
    let mut text = b"hello ".repeat(200);
    text[510..512].copy_from_slice(&[0x55, 0xaa]);
    for image in [text, mbr(&[]), vec![0; 100], Vec::new(), vec![0; 1 << 16]] {
        assert!(matches!(read(IMAGE, &image), Err(DiskError::NotDisk)));
    }
}
