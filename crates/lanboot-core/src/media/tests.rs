use super::*;

const IMAGE: ImageId = ImageId(4);

fn clause(image: &Vec<u8>) -> String {
    read(IMAGE, image).unwrap_err().clause("x.iso")
}

#[test]
fn what_is_no_image_is_refused_in_one_sentence() {
    assert_eq!(clause(&Vec::new()), "is empty");
    let said = clause(&b"no image ".repeat(10_000));
    assert_eq!(
        said,
        "is not an ISO 9660 image (no volume descriptor at sector 16)"
    );
    let mut xz = b"\xfd7zXZ\0".to_vec();
    xz.resize(100_000, 0);
    assert!(clause(&xz).ends_with("xz -dk x.iso"));
    let mut udf = vec![0; 100_000];
    udf[17 * 2048 + 1..17 * 2048 + 6].copy_from_slice(b"NSR03");
    assert!(clause(&udf).starts_with("holds a UDF file system that is cut short"));
}

/// A FAT12 file system of eight sectors with `EFI/BOOT/NAME`.
pub(super) fn stick(name: &[u8; 11]) -> Vec<u8> {
    let mut image = vec![0; 8 * 512];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(11, &512u16.to_le_bytes());
    put(13, &[1, 1, 0, 1, 16, 0, 8, 0, 0xf8, 1, 0]);
    // Clusters 2 to 4 are the last ones of their chains.
    put(512, &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let entry = |name: &[u8; 11], attributes: u8, first: u8, len: u8| {
        let mut bytes = [0; 32];
        bytes[..11].copy_from_slice(name);
        bytes[11] = attributes;
        bytes[26] = first;
        bytes[28] = len;
        bytes
    };
    put(1024, &entry(b"EFI        ", 0x10, 2, 0));
    put(1536, &entry(b"BOOT       ", 0x10, 3, 0));
    put(2048, &entry(name, 0x20, 4, 9));
    image
}

#[test]
fn a_raw_disk_is_its_own_boot_image() {
    let image = stick(b"BOOTX64 EFI");
    let medium = read(IMAGE, &image).unwrap();
    assert_eq!(medium.format.to_string(), "raw disk, no partitions, FAT12");
    assert!(medium.format.is_drive() && medium.date().is_none());
    let [boot] = &medium.boot[..] else {
        panic!("{:?}", medium.boot)
    };
    assert_eq!((boot.platform, boot.content.len()), (Platform::Uefi, 4096));
    assert_eq!(medium.tree.file("EFI/BOOT/BOOTX64.EFI").unwrap().len(), 9);
}
