//! Packages that bring loaders, by distribution.

use serde::Serialize;

/// Packages that bring a loader, by distribution, or another source of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Packages {
    /// Debian, Ubuntu.
    pub debian: &'static str,
    /// Fedora.
    pub fedora: &'static str,
    /// Arch Linux.
    pub arch: &'static str,
}

pub(super) const IPXE: Packages = Packages {
    debian: "ipxe",
    fedora: "ipxe-bootimgs-x86",
    arch: "ipxe",
};
const NO_PACKAGE: &str = "no package; a Debian network installer image carries one: serve it, or \
    unpack its debian-installer/ARCH folder for --loaders";
pub(super) const SIGNED_X64: Packages = Packages {
    debian: "shim-signed and grub-efi-amd64-signed",
    fedora: "shim-x64 and grub2-efi-x64",
    arch: NO_PACKAGE,
};
pub(super) const SIGNED_ARM64: Packages = Packages {
    debian: "debian-installer-12-netboot-arm64",
    fedora: "shim-aa64 and grub2-efi-aa64 of an arm64 host",
    arch: NO_PACKAGE,
};
pub(super) const SIGNED_IA32: Packages = Packages {
    debian: "debian-installer-12-netboot-i386",
    fedora: "shim-ia32 and grub2-efi-ia32",
    arch: NO_PACKAGE,
};
/// GRUBs with proxyDHCP support: Debian's since 2.12 (checked in the files of bookworm-backports,
/// trixie and sid), Fedora's since the middle of 2021.
pub(super) const PROXY_X64: Packages = Packages {
    debian: "grub-efi-amd64-signed 2.12 or later (for Debian 12 it is in bookworm-backports)",
    fedora: "shim-x64 and grub2-efi-x64",
    arch: "no package; a network installer image of Debian 13 carries one: serve it, or unpack its \
        debian-installer/ARCH folder for --loaders",
};
pub(super) const PROXY_ARM64: Packages = Packages {
    debian: "debian-installer-13-netboot-arm64",
    fedora: "shim-aa64 and grub2-efi-aa64 of an arm64 host",
    arch: PROXY_X64.arch,
};
pub(super) const PROXY_IA32: Packages = Packages {
    debian: "shim-signed:i386 of Debian 12 and grub-efi-ia32-signed:i386 of Debian 13 or later",
    fedora: SIGNED_IA32.fedora,
    arch: NO_PACKAGE,
};
pub(super) const IPXE_ARM64: Packages = Packages {
    debian: "ipxe of Debian 13 or later, or debian-installer-12-netboot-arm64",
    fedora: "ipxe-bootimgs-aarch64",
    arch: "ipxe",
};
pub(super) const IPXE_RARE: Packages = Packages {
    debian: "ipxe 2.0 or later",
    fedora: "no package; build iPXE and use --loaders",
    arch: "no package; build iPXE and use --loaders",
};
pub(super) const IPXE_IA32: Packages = Packages {
    debian: "no package; build iPXE (bin-i386-efi/snponly.efi) and use --loaders",
    fedora: "ipxe-bootimgs-x86",
    arch: "ipxe",
};

impl Packages {
    /// Returns the names for a distribution; those of all for an unknown one.
    pub fn of(&self, host: Distribution) -> String {
        match host {
            Distribution::Debian => self.debian.into(),
            Distribution::Fedora => self.fedora.into(),
            Distribution::Arch => self.arch.into(),
            Distribution::Other => format!(
                "{} (Debian, Ubuntu); {} (Fedora); {} (Arch Linux)",
                self.debian, self.fedora, self.arch
            ),
        }
    }
}

/// The family of this host's distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian, Ubuntu.
    Debian,
    /// Fedora, Red Hat.
    Fedora,
    /// Arch Linux.
    Arch,
    /// Any other one.
    Other,
}

/// Returns the family of this host.
pub fn host() -> Distribution {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    distribution(&text)
}

/// Returns the family in os-release(5): of `ID`, else of `ID_LIKE`.
fn distribution(os_release: &str) -> Distribution {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default()
            .trim_matches(['"', '\''])
            .to_owned()
    };
    let words = format!("{} {}", value("ID="), value("ID_LIKE="));
    let family = |word: &str| match word {
        "debian" | "ubuntu" => Some(Distribution::Debian),
        "fedora" | "rhel" | "centos" => Some(Distribution::Fedora),
        "arch" | "archlinux" => Some(Distribution::Arch),
        _ => None,
    };
    words
        .split_whitespace()
        .find_map(family)
        .unwrap_or(Distribution::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_known_by_its_name_or_its_kin() {
        for (text, host) in [
            ("NAME=x\nID=debian\n", Distribution::Debian),
            (
                "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
                Distribution::Debian,
            ),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Distribution::Fedora,
            ),
            ("ID=arch\n", Distribution::Arch),
            ("ID=nixos\n", Distribution::Other),
            ("", Distribution::Other),
        ] {
            assert_eq!(distribution(text), host, "{text}");
        }
    }
}
