//! Paths at which distributions keep loaders.

/// Paths of each build of iPXE: Debian and Ubuntu, then Fedora, then Arch.
pub(super) const IPXE_PATHS: [(&str, &[&str]); 13] = [
    (
        "undionly.kpxe",
        &[
            "/usr/lib/ipxe/undionly.kpxe",
            "/usr/share/ipxe/undionly.kpxe",
            "/usr/share/ipxe/x86_64/undionly.kpxe",
        ],
    ),
    (
        "ipxe.pxe",
        &[
            "/usr/lib/ipxe/ipxe.pxe",
            "/usr/share/ipxe/ipxe.pxe",
            "/usr/share/ipxe/x86_64/ipxe.pxe",
        ],
    ),
    (
        "snponly-x86_64.efi",
        &[
            "/usr/lib/ipxe/snponly.efi",
            "/usr/share/ipxe/ipxe-snponly-x86_64.efi",
            "/usr/share/ipxe/x86_64/snponly.efi",
        ],
    ),
    (
        "ipxe-x86_64.efi",
        &[
            "/usr/lib/ipxe/ipxe-amd64.efi",
            "/usr/lib/ipxe/ipxe.efi",
            "/usr/share/ipxe/ipxe-x86_64.efi",
            "/usr/share/ipxe/x86_64/ipxe.efi",
        ],
    ),
    (
        "snponly-i386.efi",
        &["/usr/share/ipxe/ipxe-snponly-i386.efi"],
    ),
    (
        "ipxe-i386.efi",
        &[
            "/usr/lib/ipxe/ipxe-i386.efi",
            "/usr/share/ipxe/ipxe-i386.efi",
            "/usr/share/ipxe/i386/ipxe.efi",
        ],
    ),
    (
        "snponly-arm64.efi",
        &[
            "/usr/lib/ipxe/snponly-arm64.efi",
            "/usr/share/ipxe/arm64-efi/snponly.efi",
            "/usr/share/ipxe/arm64/snponly.efi",
        ],
    ),
    (
        "ipxe-arm64.efi",
        &[
            "/usr/lib/ipxe/ipxe-arm64.efi",
            "/usr/share/ipxe/arm64-efi/ipxe.efi",
            "/usr/share/ipxe/arm64/ipxe.efi",
        ],
    ),
    ("ipxe-arm32.efi", &["/usr/share/ipxe/arm32/ipxe.efi"]),
    (
        "snponly-riscv64.efi",
        &["/usr/lib/ipxe/snponly-riscv64.efi"],
    ),
    ("ipxe-riscv64.efi", &["/usr/lib/ipxe/ipxe-riscv64.efi"]),
    (
        "snponly-loong64.efi",
        &["/usr/lib/ipxe/snponly-loong64.efi"],
    ),
    ("ipxe-loong64.efi", &["/usr/lib/ipxe/ipxe-loong64.efi"]),
];

/// Paths of a signed shim, the signed GRUB behind it, and MokManager. Fedora and its derivatives
/// have them on the EFI system partition of the host itself.
pub(super) const CHAIN_PATHS: [(&str, &str, &str); 7] = [
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
        "/boot/efi/EFI/redhat/shimx64.efi",
        "/boot/efi/EFI/redhat/grubx64.efi",
        "/boot/efi/EFI/redhat/mmx64.efi",
    ),
];

/// Debian's network installers, which contain shim and GRUB, below it in `RELEASE/ARCH/text`.
pub(super) const INSTALLERS: &str = "/usr/lib/debian-installer/images";
