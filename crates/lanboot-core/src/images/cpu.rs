//! Processors, and the firmware that starts kernels for them.

use std::fmt;

use crate::machine::Arch;

/// The processor an entry's kernel is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cpu {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    I686,
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Cpu {
    /// Returns its name as in `uname -m`, which is also how archiso names its folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I686 => "i686",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// Tests whether firmware of this kind starts kernels for it.
    pub fn runs_on(self, arch: Arch) -> bool {
        Firmware::of(arch).is_some_and(|firmware| firmware.cpus().contains(&self))
    }

    /// Every processor known.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::I686, Self::Aarch64, Self::Riscv64];
}

/// Firmware, as far as it decides which kernels a machine can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS on a 64-bit x86 processor, which also runs 32-bit kernels.
    Bios64,
    /// BIOS on a 32-bit x86 processor.
    Bios32,
    /// 64-bit x86 UEFI. It starts no program for IA-32, and so no 32-bit kernel, although its
    /// processor would run one.
    X64Uefi,
    /// 32-bit x86 UEFI, on whatever processor. A 64-bit kernel with `CONFIG_EFI_MIXED` can be
    /// started here, but only by loaders that enter it by another way than the firmware's own,
    /// which refuses it; so none is offered.
    X86Uefi,
    /// 64-bit ARM UEFI.
    Arm64Uefi,
    /// 64-bit RISC-V UEFI.
    Riscv64Uefi,
}

impl Firmware {
    /// Every kind known.
    pub const ALL: [Self; 6] = [
        Self::Bios64,
        Self::Bios32,
        Self::X64Uefi,
        Self::X86Uefi,
        Self::Arm64Uefi,
        Self::Riscv64Uefi,
    ];

    /// Returns the firmware of this architecture, also where it boots over HTTP. BIOS does not say which
    /// processor it is on: nearly all are 64-bit ones.
    pub fn of(arch: Arch) -> Option<Self> {
        match arch.program() {
            Arch::X86Bios => Some(Self::Bios64),
            Arch::X64Uefi => Some(Self::X64Uefi),
            Arch::X86Uefi => Some(Self::X86Uefi),
            Arch::Arm64Uefi => Some(Self::Arm64Uefi),
            Arch::Riscv64Uefi => Some(Self::Riscv64Uefi),
            _ => None,
        }
    }

    /// Returns its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios64 => "BIOS",
            Self::Bios32 => "BIOS with a 32-bit processor",
            Self::X64Uefi => "x64 UEFI",
            Self::X86Uefi => "ia32 UEFI",
            Self::Arm64Uefi => "arm64 UEFI",
            Self::Riscv64Uefi => "riscv64 UEFI",
        }
    }

    /// Tests whether it is a BIOS.
    pub fn is_bios(self) -> bool {
        match self {
            Self::Bios64 | Self::Bios32 => true,
            Self::X64Uefi | Self::X86Uefi | Self::Arm64Uefi | Self::Riscv64Uefi => false,
        }
    }

    /// Lists the processors it starts kernels for, the preferred one first.
    pub const fn cpus(self) -> &'static [Cpu] {
        match self {
            Self::Bios64 => &[Cpu::X86_64, Cpu::I686],
            Self::Bios32 | Self::X86Uefi => &[Cpu::I686],
            Self::X64Uefi => &[Cpu::X86_64],
            Self::Arm64Uefi => &[Cpu::Aarch64],
            Self::Riscv64Uefi => &[Cpu::Riscv64],
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
