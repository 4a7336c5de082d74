//! The things a loader starts, and which firmware and loaders start each of them.

use super::cpu::{Cpu, Firmware};

/// The thing a loader starts. Whatever loads or shows an entry matches this exhaustively, so that a
/// further kind does not compile before each place has decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A Linux kernel with its initramfs.
    Linux(Linux),
    /// A program that is complete by itself, in a file for each firmware.
    Program(Program),
    /// A multiboot kernel with its modules.
    Multiboot(Multiboot),
    /// The image as a disk or CD.
    Disk(Disk),
}

/// The files of a Linux kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linux {
    /// Path of the kernel on the medium.
    pub kernel: String,
    /// Paths of the initramfs files on the medium, in order.
    pub initrd: Vec<String>,
}

/// A program that is complete by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its files, at most one for each firmware, at least one.
    pub files: Vec<ProgramFile>,
}

/// The file of a program for one firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFile {
    /// The firmware. With a BIOS the file is loaded by the Linux boot protocol for x86 (a `bzImage`,
    /// `.lkrn`); with UEFI it is an EFI program.
    pub firmware: Firmware,
    /// Its path on the medium.
    pub path: String,
}

/// A multiboot kernel with its modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiboot {
    /// The version of the specification its menu starts it by.
    pub version: MultibootVersion,
    /// Path of the kernel on the medium. Its arguments are the entry's.
    pub kernel: String,
    /// The modules, in order.
    pub modules: Vec<Module>,
}

/// The version of the multiboot specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultibootVersion {
    /// Multiboot 0.6.96: with a BIOS only.
    One,
    /// Multiboot2: with UEFI too.
    Two,
}

/// A module of a multiboot kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its path on the medium.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// The image as a disk or CD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Firmware that finds a boot program on it.
    pub firmware: Vec<Firmware>,
}

/// A loader that shows a menu of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MenuLoader {
    /// iPXE.
    Ipxe,
    /// PXELINUX.
    Pxelinux,
    /// GRUB.
    Grub,
}

impl MenuLoader {
    /// Every loader with a menu.
    pub const ALL: [Self; 3] = [Self::Ipxe, Self::Pxelinux, Self::Grub];

    /// Returns its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipxe => "iPXE",
            Self::Pxelinux => "PXELINUX",
            Self::Grub => "GRUB",
        }
    }

    /// Tests whether there is such a loader for this firmware.
    fn is_for(self, firmware: Firmware) -> bool {
        match self {
            Self::Ipxe | Self::Grub => true,
            Self::Pxelinux => firmware.is_bios(),
        }
    }
}

impl EntryKind {
    /// Tests whether `loader` on this firmware starts it, where a Linux kernel is for `cpu`.
    pub(super) fn starts_by(&self, loader: MenuLoader, firmware: Firmware, cpu: Cpu) -> bool {
        let fits = match self {
            Self::Linux(_) => firmware.cpus().contains(&cpu),
            Self::Program(program) => program.file(firmware).is_some(),
            Self::Multiboot(multiboot) => multiboot.starts_by(loader, firmware, cpu),
            // Firmware finds a disk that iPXE attaches; the others have memdisk, which is for BIOS.
            Self::Disk(disk) => {
                let attaches = loader == MenuLoader::Ipxe || firmware.is_bios();
                attaches && disk.firmware.contains(&firmware)
            }
        };
        fits && loader.is_for(firmware)
    }

    /// Lists the files on the medium that a loader loads, in order; of a program those for every
    /// firmware.
    pub(super) fn loaded(&self) -> Vec<&str> {
        match self {
            Self::Linux(Linux { kernel, initrd }) => {
                let initrd = initrd.iter().map(String::as_str);
                [kernel.as_str()].into_iter().chain(initrd).collect()
            }
            Self::Program(Program { files }) => files.iter().map(|f| f.path.as_str()).collect(),
            Self::Multiboot(Multiboot {
                kernel, modules, ..
            }) => {
                let modules = modules.iter().map(|module| module.path.as_str());
                [kernel.as_str()].into_iter().chain(modules).collect()
            }
            Self::Disk(_) => Vec::new(),
        }
    }
}

impl Program {
    /// Returns the path of the file for this firmware. A BIOS on a 64-bit processor runs a program
    /// for 32-bit ones, too.
    pub fn file(&self, firmware: Firmware) -> Option<&str> {
        let of = |wanted: Firmware| self.files.iter().find(|file| file.firmware == wanted);
        let narrow = || of(Firmware::Bios32).filter(|_| firmware == Firmware::Bios64);
        let file = of(firmware).or_else(narrow)?;
        Some(&file.path)
    }
}

/// Returns arguments without the word that GRUB's menus put where other loaders put the file's name.
pub(crate) fn without_placeholder(arguments: &str) -> &str {
    let rest = arguments.strip_prefix("placeholder");
    let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(' '));
    rest.map_or(arguments, str::trim_start)
}

impl Multiboot {
    /// Tests whether `loader` starts it. iPXE and PXELINUX know the first version only, and a
    /// kernel for both is the rule; UEFI needs the second one, which GRUB knows.
    fn starts_by(&self, loader: MenuLoader, firmware: Firmware, cpu: Cpu) -> bool {
        let starts = firmware.cpus().contains(&cpu);
        let uefi = self.version == MultibootVersion::Two && firmware == Firmware::X64Uefi;
        match loader {
            MenuLoader::Grub => starts && (firmware.is_bios() || uefi),
            // iPXE does not unpack.
            MenuLoader::Ipxe => starts && firmware.is_bios() && !self.kernel.ends_with(".gz"),
            MenuLoader::Pxelinux => starts && firmware.is_bios(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(kind: &EntryKind, loader: MenuLoader) -> Vec<Firmware> {
        let mut all = Firmware::ALL.to_vec();
        all.retain(|firmware| kind.starts_by(loader, *firmware, Cpu::X86_64));
        all
    }

    #[test]
    fn a_program_starts_where_it_has_a_file() {
        use Firmware::{Bios32, Bios64, X64Uefi};
        let file = |firmware, path: &str| ProgramFile {
            firmware,
            path: path.into(),
        };
        let program = Program {
            files: vec![file(Bios32, "m32.bin"), file(X64Uefi, "m64.efi")],
        };
        assert_eq!(program.file(Bios64), Some("m32.bin"));
        let kind = EntryKind::Program(program);
        assert_eq!(on(&kind, MenuLoader::Ipxe), [Bios64, Bios32, X64Uefi]);
        assert_eq!(on(&kind, MenuLoader::Grub), [Bios64, Bios32, X64Uefi]);
        assert_eq!(on(&kind, MenuLoader::Pxelinux), [Bios64, Bios32]);
        assert_eq!(kind.loaded(), ["m32.bin", "m64.efi"]);
    }

    #[test]
    fn each_loader_starts_what_it_knows() {
        use Firmware::{Bios64, X64Uefi};
        let xen = |version, kernel: &str| {
            EntryKind::Multiboot(Multiboot {
                version,
                kernel: kernel.into(),
                modules: Vec::new(),
            })
        };
        let both = xen(MultibootVersion::Two, "boot/xen.gz");
        assert_eq!(on(&both, MenuLoader::Grub), [Bios64, X64Uefi]);
        assert_eq!(on(&both, MenuLoader::Pxelinux), [Bios64]);
        assert_eq!(on(&both, MenuLoader::Ipxe), []);
        let first = xen(MultibootVersion::One, "boot/kernel");
        assert_eq!(on(&first, MenuLoader::Grub), [Bios64]);
        assert_eq!(on(&first, MenuLoader::Ipxe), [Bios64]);
        let disk = EntryKind::Disk(Disk {
            firmware: vec![Bios64, X64Uefi],
        });
        assert_eq!(on(&disk, MenuLoader::Ipxe), [Bios64, X64Uefi]);
        assert_eq!(on(&disk, MenuLoader::Grub), [Bios64]);
        assert!(disk.loaded().is_empty());
    }
}
