//! iPXE: one build for every kind of firmware, with drivers of its own or on top of the firmware's.

use std::fmt;

use super::loader::{Available, BootRequest, Loader, LoaderFile, LoaderOffer, Program, Served};
use super::no_loader::NoLoader;
use crate::machine::Arch;

/// Name of iPXE's own script, which it looks for beside itself.
pub(crate) const AUTOEXEC: &str = "autoexec.ipxe";

/// iPXE that is not behind a shim.
pub struct IpxeLoader {
    /// With drivers of its own.
    pub native: bool,
}

/// A build of iPXE: its firmware, its driver and its name in the folder `loader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipxe {
    /// The firmware it runs on.
    pub arch: Arch,
    /// With drivers of its own; else on top of the firmware's driver, so that it works with every
    /// card the firmware can boot from.
    pub native: bool,
    /// Its name in the folder `loader`.
    pub name: &'static str,
}

/// Every build of iPXE that can be served.
pub const IPXE: [Ipxe; 14] = {
    const fn build(arch: Arch, native: bool, name: &'static str) -> Ipxe {
        Ipxe { arch, native, name }
    }
    [
        build(Arch::X86Bios, false, "undionly.kpxe"),
        build(Arch::X86Bios, true, "ipxe.pxe"),
        build(Arch::X64Uefi, false, "snponly-x86_64.efi"),
        build(Arch::X64Uefi, true, "ipxe-x86_64.efi"),
        build(Arch::X86Uefi, false, "snponly-i386.efi"),
        build(Arch::X86Uefi, true, "ipxe-i386.efi"),
        build(Arch::Arm64Uefi, false, "snponly-arm64.efi"),
        build(Arch::Arm64Uefi, true, "ipxe-arm64.efi"),
        build(Arch::Arm32Uefi, false, "snponly-arm32.efi"),
        build(Arch::Arm32Uefi, true, "ipxe-arm32.efi"),
        build(Arch::Riscv64Uefi, false, "snponly-riscv64.efi"),
        build(Arch::Riscv64Uefi, true, "ipxe-riscv64.efi"),
        build(Arch::Loong64Uefi, false, "snponly-loong64.efi"),
        build(Arch::Loong64Uefi, true, "ipxe-loong64.efi"),
    ]
};

impl Ipxe {
    /// Returns the build for this firmware, with drivers of its own (`native`) or on top of the
    /// firmware's.
    pub fn of(arch: Arch, native: bool) -> Option<Self> {
        let fits = |build: &Self| build.arch == arch && build.native == native;
        IPXE.into_iter().find(fits)
    }
}

/// Paths at which distributions install them: Debian and Ubuntu, then Fedora, then Arch.
const PROGRAMS: [Program; 14] = [
    Program {
        name: "undionly.kpxe",
        arch: Arch::X86Bios,
        paths: &[
            "/usr/lib/ipxe/undionly.kpxe",
            "/usr/share/ipxe/undionly.kpxe",
            "/usr/share/ipxe/x86_64/undionly.kpxe",
        ],
    },
    Program {
        name: "ipxe.pxe",
        arch: Arch::X86Bios,
        paths: &[
            "/usr/lib/ipxe/ipxe.pxe",
            "/usr/share/ipxe/ipxe.pxe",
            "/usr/share/ipxe/x86_64/ipxe.pxe",
        ],
    },
    Program {
        name: "snponly-x86_64.efi",
        arch: Arch::X64Uefi,
        paths: &[
            "/usr/lib/ipxe/snponly.efi",
            "/usr/share/ipxe/ipxe-snponly-x86_64.efi",
            "/usr/share/ipxe/x86_64/snponly.efi",
        ],
    },
    Program {
        name: "ipxe-x86_64.efi",
        arch: Arch::X64Uefi,
        paths: &[
            "/usr/lib/ipxe/ipxe-amd64.efi",
            "/usr/lib/ipxe/ipxe.efi",
            "/usr/share/ipxe/ipxe-x86_64.efi",
            "/usr/share/ipxe/x86_64/ipxe.efi",
        ],
    },
    Program {
        name: "snponly-i386.efi",
        arch: Arch::X86Uefi,
        paths: &["/usr/share/ipxe/ipxe-snponly-i386.efi"],
    },
    Program {
        name: "ipxe-i386.efi",
        arch: Arch::X86Uefi,
        paths: &[
            "/usr/lib/ipxe/ipxe-i386.efi",
            "/usr/share/ipxe/ipxe-i386.efi",
            "/usr/share/ipxe/i386/ipxe.efi",
        ],
    },
    Program {
        name: "snponly-arm64.efi",
        arch: Arch::Arm64Uefi,
        paths: &[
            "/usr/lib/ipxe/snponly-arm64.efi",
            "/usr/share/ipxe/arm64-efi/snponly.efi",
            "/usr/share/ipxe/arm64/snponly.efi",
        ],
    },
    Program {
        name: "ipxe-arm64.efi",
        arch: Arch::Arm64Uefi,
        paths: &[
            "/usr/lib/ipxe/ipxe-arm64.efi",
            "/usr/share/ipxe/arm64-efi/ipxe.efi",
            "/usr/share/ipxe/arm64/ipxe.efi",
        ],
    },
    Program {
        name: "snponly-arm32.efi",
        arch: Arch::Arm32Uefi,
        paths: &[],
    },
    Program {
        name: "ipxe-arm32.efi",
        arch: Arch::Arm32Uefi,
        paths: &["/usr/share/ipxe/arm32/ipxe.efi"],
    },
    Program {
        name: "snponly-riscv64.efi",
        arch: Arch::Riscv64Uefi,
        paths: &["/usr/lib/ipxe/snponly-riscv64.efi"],
    },
    Program {
        name: "ipxe-riscv64.efi",
        arch: Arch::Riscv64Uefi,
        paths: &["/usr/lib/ipxe/ipxe-riscv64.efi"],
    },
    Program {
        name: "snponly-loong64.efi",
        arch: Arch::Loong64Uefi,
        paths: &["/usr/lib/ipxe/snponly-loong64.efi"],
    },
    Program {
        name: "ipxe-loong64.efi",
        arch: Arch::Loong64Uefi,
        paths: &["/usr/lib/ipxe/ipxe-loong64.efi"],
    },
];

impl Loader for IpxeLoader {
    type File = Ipxe;

    fn supports(&self, _request: &BootRequest) -> bool {
        true
    }

    /// Offers the build with the driver asked for. Some kinds of firmware have only one build here;
    /// it is better than none.
    fn offer(
        &self,
        request: &BootRequest,
        available: &dyn Available,
    ) -> Result<LoaderOffer<Ipxe>, NoLoader> {
        let (arch, native) = (request.arch, self.native);
        let build = |native| Ipxe::of(arch, native);
        let wanted = build(native).ok_or(NoLoader::Firmware(arch))?;
        let other = build(!native).filter(|_| !native);
        let found = [Some(wanted), other].into_iter().flatten();
        let programs = &available.host().programs;
        let mut found = found.filter(|build| programs.contains_key(build.name));
        match found.next() {
            Some(build) => Ok(LoaderOffer::new(build)),
            None if arch == Arch::X86Bios && !native => Err(NoLoader::NoBiosLoader),
            None => Err(NoLoader::NoEfiLoader(arch, wanted.name)),
        }
    }
}

impl LoaderFile for Ipxe {
    fn parse(names: &[&[u8]]) -> Option<Self> {
        let [name] = names else { return None };
        let mut builds = IPXE.into_iter();
        builds.find(|build| build.name.as_bytes() == *name)
    }

    fn programs() -> &'static [Program] {
        &PROGRAMS
    }

    fn is_menu(&self) -> bool {
        false
    }

    fn find<'a>(&self, available: &'a dyn Available) -> Option<Served<'a>> {
        let program = available.host().programs.get(self.name);
        program.map(Served::Program)
    }
}

impl fmt::Display for Ipxe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_build_of_ipxe_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = IPXE.iter().map(|build| build.name).collect();
        assert_eq!(names.len(), IPXE.len());
        assert_eq!(
            Ipxe::of(Arch::X64Uefi, false).map(|build| build.name),
            Some("snponly-x86_64.efi")
        );
        assert_eq!(
            Ipxe::of(Arch::X86Bios, true).map(|build| build.name),
            Some("ipxe.pxe")
        );
        assert_eq!(Ipxe::of(Arch::Other(2), true), None);
    }

    #[test]
    fn every_build_is_looked_for_on_the_host() {
        let build = |build: &Ipxe| (build.name, build.arch);
        let program = |program: &Program| (program.name, program.arch);
        let programs: Vec<_> = PROGRAMS.iter().map(program).collect();
        assert_eq!(programs, IPXE.iter().map(build).collect::<Vec<_>>());
    }
}
