//! Paths at which distributions keep the loaders that are found by content. Those of other programs
//! are in the tables of `lanboot_core::loaders`.

/// Paths of a signed shim, the signed GRUB behind it, and MokManager. Fedora and its derivatives
/// have them on the EFI system partition of the host itself.
pub(super) const CHAIN_PATHS: [(&str, &str, &str); 9] = [
    (
        "/usr/lib/shim/shimx64.efi.signed",
        "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
        "/usr/lib/shim/mmx64.efi.signed",
    ),
    // Ubuntu since 22.04.
    (
        "/usr/lib/shim/shimx64.efi.signed.latest",
        "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
        "/usr/lib/shim/mmx64.efi",
    ),
    (
        "/usr/lib/shim/shimaa64.efi.signed",
        "/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
        "/usr/lib/shim/mmaa64.efi.signed",
    ),
    (
        "/usr/lib/shim/shimaa64.efi.signed.latest",
        "/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed",
        "/usr/lib/shim/mmaa64.efi",
    ),
    (
        "/usr/lib/shim/shimia32.efi.signed",
        "/usr/lib/grub/i386-efi-signed/grubnetia32.efi.signed",
        "/usr/lib/shim/mmia32.efi.signed",
    ),
    (
        "/boot/efi/EFI/fedora/shimx64.efi",
        "/boot/efi/EFI/fedora/grubx64.efi",
        "/boot/efi/EFI/fedora/mmx64.efi",
    ),
    (
        "/boot/efi/EFI/fedora/shimaa64.efi",
        "/boot/efi/EFI/fedora/grubaa64.efi",
        "/boot/efi/EFI/fedora/mmaa64.efi",
    ),
    (
        "/boot/efi/EFI/fedora/shimia32.efi",
        "/boot/efi/EFI/fedora/grubia32.efi",
        "/boot/efi/EFI/fedora/mmia32.efi",
    ),
    (
        "/boot/efi/EFI/redhat/shimx64.efi",
        "/boot/efi/EFI/redhat/grubx64.efi",
        "/boot/efi/EFI/redhat/mmx64.efi",
    ),
];

/// Debian's network installers, which contain shim and GRUB, below it in `RELEASE/ARCH/text`.
pub(super) const INSTALLERS: &str = "/usr/lib/debian-installer/images";
