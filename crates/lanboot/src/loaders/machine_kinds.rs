//! Kinds of machines, and the packages that bring a loader for each.

use super::packages::{
    IPXE, IPXE_ARM64, IPXE_IA32, IPXE_RARE, PROXY_ARM64, PROXY_IA32, PROXY_X64, Packages,
    SIGNED_ARM64, SIGNED_IA32, SIGNED_X64,
};

/// A kind of machine, as people call it.
#[derive(Debug)]
pub struct MachineKind {
    /// Its name, for messages.
    pub name: &'static str,
    /// The architecture that its firmware sends (option 93).
    pub arch: u16,
    /// True with Secure Boot on.
    pub secure: bool,
    /// Packages that bring its loader.
    pub packages: Packages,
    /// Packages that bring one for a network where another server hands out the addresses.
    pub beside: Packages,
}

/// The kinds of machines.
pub const KINDS: [MachineKind; 13] = {
    const fn kind(name: &'static str, arch: u16, secure: bool, packages: Packages) -> MachineKind {
        let beside = match (secure, arch) {
            (true, 7) => PROXY_X64,
            (true, 11) => PROXY_ARM64,
            (true, 6) => PROXY_IA32,
            _ => packages,
        };
        MachineKind {
            name,
            arch,
            secure,
            packages,
            beside,
        }
    }
    [
        kind("BIOS", 0, false, IPXE),
        kind("x64 UEFI", 7, false, IPXE),
        kind("x64 UEFI, Secure Boot on", 7, true, SIGNED_X64),
        kind("x64 UEFI HTTP Boot", 16, false, IPXE),
        kind("x64 UEFI HTTP Boot, Secure Boot on", 16, true, SIGNED_X64),
        kind("arm64 UEFI", 11, false, IPXE_ARM64),
        kind("arm64 UEFI, Secure Boot on", 11, true, SIGNED_ARM64),
        kind("arm64 UEFI HTTP Boot", 19, false, IPXE_ARM64),
        kind(
            "arm64 UEFI HTTP Boot, Secure Boot on",
            19,
            true,
            SIGNED_ARM64,
        ),
        kind("ia32 UEFI", 6, false, IPXE_IA32),
        kind("ia32 UEFI, Secure Boot on", 6, true, SIGNED_IA32),
        kind("riscv64 UEFI", 27, false, IPXE_RARE),
        kind("loong64 UEFI", 39, false, IPXE_RARE),
    ]
};

#[cfg(test)]
mod tests {
    use lanboot_core::machine::Arch;

    use super::*;

    #[test]
    fn every_kind_of_machine_is_one_that_is_known() {
        for kind in KINDS {
            let arch = Arch::from(kind.arch);
            assert!(!matches!(arch, Arch::Other(_)), "{}", kind.name);
            assert_eq!(arch.is_http(), kind.name.contains("HTTP"), "{}", kind.name);
        }
    }
}
