//! UEFI programs: headers, sections, signatures, and what shim and GRUB keep in theirs.

use lanboot_core::catalog::MediumLoaders;
use lanboot_core::vfs::Content;

use super::input::{Input, part, read, tree};

/// Parses two programs alone and as the loaders of one medium.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (first, second) = (input.part(), input.0);
    let _ = lanboot_core::pe::efi_arch(&Content::memory(first));
    let tree = tree([
        ("EFI/BOOT/BOOTX64.EFI", first),
        ("EFI/BOOT/grubx64.efi", second),
        ("EFI/BOOT/mmx64.efi", second),
        ("boot/vmlinuz", second),
    ]);
    let _ = MediumLoaders::find(&tree, &read);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let shim = program(
        0x8664,
        &[(b".vendor_", b"cert"), (b".sbat", b"shim,4\n")],
        b"CA",
    );
    let grub = program(
        0x8664,
        &[(b"mods", b"mimg\0\0\0\0"), (b".sbat", b"grub,4\n")],
        b"CA",
    );
    let arm = program(0xaa64, &[(b".text", b"x"), (b".linux", b"x")], b"");
    [(&shim, &grub), (&grub, &shim), (&arm, &arm)]
        .map(|(first, second)| [part(first), second.clone()].concat())
        .into()
}

/// Returns a PE32+ program with these sections and a certificate table that holds `name` as a
/// common name.
pub(super) fn program(machine: u16, sections: &[(&[u8], &[u8])], name: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x200];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x40;
    bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
    bytes[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
    bytes[0x46] = u8::try_from(sections.len()).expect("few sections");
    let optional = 0x40 + 24;
    bytes[0x54] = 0xf0;
    bytes[optional..optional + 2].copy_from_slice(&[0x0b, 2]);
    let mut table = vec![6, 3, 0x55, 4, 3, 0x0c];
    table.push(u8::try_from(name.len()).expect("a short name"));
    table.extend_from_slice(name);
    for (number, (name, data)) in sections.iter().enumerate() {
        let at = optional + 0xf0 + number * 40;
        bytes[at..at + name.len()].copy_from_slice(name);
        let offset = u32::try_from(bytes.len()).expect("a short program");
        let len = u32::try_from(data.len()).expect("a short program");
        bytes[at + 16..at + 20].copy_from_slice(&len.to_le_bytes());
        bytes[at + 20..at + 24].copy_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(data);
    }
    let offset = u32::try_from(bytes.len()).expect("a short program");
    let len = u32::try_from(table.len()).expect("a short table");
    let directory = optional + 112 + 4 * 8;
    bytes[directory..directory + 4].copy_from_slice(&offset.to_le_bytes());
    bytes[directory + 4..directory + 8].copy_from_slice(&len.to_le_bytes());
    bytes.extend(table);
    bytes
}
