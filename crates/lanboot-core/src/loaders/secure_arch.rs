//! Kinds of firmware with Secure Boot and a signed shim, and the names that belong to them.

use crate::machine::Arch;

/// A kind of firmware that has Secure Boot and a signed shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureArch {
    /// 64-bit x86 UEFI.
    X64,
    /// 64-bit ARM UEFI.
    Arm64,
    /// 32-bit x86 UEFI.
    X86,
}

impl SecureArch {
    /// Every kind, the most common one first.
    pub const ALL: [Self; 3] = [Self::X64, Self::Arm64, Self::X86];

    /// Returns the kind of this firmware.
    pub fn of(arch: Arch) -> Option<Self> {
        Self::ALL.into_iter().find(|secure| secure.arch() == arch)
    }

    /// Returns the kind whose folder this is.
    pub fn of_folder(folder: &[u8]) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|secure| secure.folder().as_bytes() == folder)
    }

    /// Returns the firmware's architecture.
    pub fn arch(self) -> Arch {
        match self {
            Self::X64 => Arch::X64Uefi,
            Self::Arm64 => Arch::Arm64Uefi,
            Self::X86 => Arch::X86Uefi,
        }
    }

    /// Returns the name of its folder under `loader/secure`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::X64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::X86 => "i386",
        }
    }

    /// Returns the suffix of file names: `grubx64.efi`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "aa64",
            Self::X86 => "ia32",
        }
    }
}

/// Returns the folder under `loader/secure` and the suffix of file names for a kind of firmware that
/// has Secure Boot and a signed shim.
pub fn secure_names(arch: Arch) -> Option<(&'static str, &'static str)> {
    SecureArch::of(arch).map(|secure| (secure.folder(), secure.suffix()))
}
