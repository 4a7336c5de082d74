//! SYSLINUX' memdisk: makes a disk or CD of an image in memory, for BIOS machines. GRUB and PXELINUX
//! start it like a Linux kernel with the image as its initramfs.
//!
//! The whole image is read into memory below 4 GiB, and what it starts reads it through the BIOS
//! (syslinux, `memdisk/setup.c`, `doc/memdisk.txt`). Linux does not.

use std::fmt;

use super::found::MEMDISK;
use super::loader::{Available, LoaderFile, Program, Served};
use crate::machine::Arch;

/// Largest image it is offered for, in bytes: BIOS loaders put an initramfs below 4 GiB, and devices
/// and firmware take up to 1.5 GiB of that.
pub(crate) const MAX_IMAGE: u64 = 2560 << 20;

/// Debian and Ubuntu; Fedora; Arch Linux.
const PROGRAMS: [Program; 1] = [Program {
    name: MEMDISK,
    arch: Arch::X86Bios,
    paths: &[
        "/usr/lib/syslinux/memdisk",
        "/usr/share/syslinux/memdisk",
        "/usr/lib/syslinux/bios/memdisk",
    ],
}];

/// The program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memdisk;

impl LoaderFile for Memdisk {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        (names == [MEMDISK.as_bytes()]).then_some(Self)
    }

    fn programs() -> &'static [Program] {
        &PROGRAMS
    }

    fn is_menu(&self) -> bool {
        false
    }

    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>> {
        let program = available.host().programs.get(MEMDISK);
        program.map(Served::Program)
    }
}

impl fmt::Display for Memdisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MEMDISK)
    }
}
