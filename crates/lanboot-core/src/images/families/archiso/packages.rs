//! The list of packages a medium carries, and what it says about its initramfs.

use std::collections::HashMap;

use super::root_source::NbdRoot;
use crate::boot_config::{MAX_FILE_BYTES, ReadSmall};
use crate::images::cpu::Cpu;
use crate::images::lack::{Lack, Part, ShownBy};
use crate::vfs::Tree;

/// Most packages of a list: the largest media have about 3,000.
const MAX_PACKAGES: usize = 20_000;

/// A list of packages; empty where the medium has none that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packages {
    path: String,
    versions: HashMap<String, String>,
}

impl Packages {
    /// Finds and reads the list for `cpu` of the medium with this base folder.
    pub(super) fn read(tree: &Tree, base: &str, cpu: Cpu, read: ReadSmall<'_>) -> Self {
        let paths = [
            format!("{base}/pkglist.{cpu}.txt"),
            format!("{base}/pkglist.txt"),
            format!("pkglist.{cpu}.txt"),
            "pkglist.txt".into(),
        ];
        let found = paths.into_iter().find_map(|path| {
            let content = tree.file(&path).filter(|c| c.len() <= MAX_FILE_BYTES)?;
            let text = read(content)?;
            Some(Self::parse(path, &text))
        });
        found.unwrap_or_default()
    }

    /// Parses `nbd 3.26.1-1`, as it is written today, and `core/nbd-3.3-1`, as in 2013.
    pub(super) fn parse(path: String, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let packages = text.lines().take(MAX_PACKAGES).filter_map(|line| {
            let line = line.trim();
            let package = line.rsplit_once('/').map_or(line, |(_, package)| package);
            let (name, version) = match package.split_once(char::is_whitespace) {
                Some((name, version)) => (name, version.trim()),
                None => {
                    // NAME-VERSION-RELEASE; a name may hold hyphens.
                    let (rest, release) = package.rsplit_once('-')?;
                    let (name, version) = rest.rsplit_once('-')?;
                    (
                        name,
                        package.get(package.len() - version.len() - release.len() - 1..)?,
                    )
                }
            };
            (!name.is_empty()).then(|| (name.to_owned(), version.to_owned()))
        });
        Self {
            path,
            versions: packages.collect(),
        }
    }

    /// The version of a package, with its release.
    pub(super) fn version(&self, package: &str) -> Option<&str> {
        self.versions.get(package).map(String::as_str)
    }

    /// Returns whether this is the list of a system with the tools that make its initramfs, so that
    /// a package which is not in it is not on the medium.
    fn is_whole(&self) -> bool {
        let is_evidence = |name: &String| {
            name.starts_with("mkinitcpio") || ["base", "pacman", "linux"].contains(&name.as_str())
        };
        // Kernels of other makers: `linux-lts`, `linux-cachyos`, `linux-libre`.
        let is_kernel = |name: &String| {
            let other = ["linux-firmware", "linux-api-headers", "linux-atm"];
            name.starts_with("linux-") && !other.iter().any(|other| name.starts_with(other))
        };
        self.versions
            .keys()
            .any(|name| is_evidence(name) || is_kernel(name))
    }

    /// Returns what the medium's initramfs cannot have, because no package on it brings it.
    pub(super) fn lacks(&self) -> Vec<Lack> {
        if !self.is_whole() {
            return Vec::new();
        }
        let needed = [(Part::Ipconfig, "mkinitcpio-nfs-utils"), (Part::Nbd, "nbd")];
        let missing = needed
            .into_iter()
            .filter(|(_, name)| self.version(name).is_none());
        missing
            .map(|(part, package)| Lack {
                part,
                missing: package.into(),
                shown_by: ShownBy::PackageList(self.path.clone()),
            })
            .collect()
    }

    /// Returns what the medium's `nbd-client` and hooks do with a root that stays on the server.
    /// `keeps_disk`: the hooks leave the disk attached.
    pub(super) fn nbd_root(&self, keeps_disk: bool) -> NbdRoot {
        let version = self.version("nbd").and_then(major_minor);
        match version {
            _ if !keeps_disk => NbdRoot::Disconnects,
            None => NbdRoot::Unknown,
            Some(version) if version < (3, 27) => NbdRoot::Streams,
            Some(_) => NbdRoot::Stalls,
        }
    }
}

/// The first two numbers of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    // An epoch stands before a colon.
    let version = version
        .rsplit_once(':')
        .map_or(version, |(_, version)| version);
    let mut numbers = version.split(['.', '-']).map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Packages {
        Packages::parse("arch/pkglist.x86_64.txt".into(), text.as_bytes())
    }

    #[test]
    fn both_formats_are_read() {
        let today = parse("base 3-2\nmkinitcpio-nfs-utils 0.3-8\nnbd 3.26.1-1\n\nodd\n");
        assert_eq!(today.version("nbd"), Some("3.26.1-1"));
        assert_eq!(today.version("mkinitcpio-nfs-utils"), Some("0.3-8"));
        let old = parse("core/linux-3.11.6-1\ncore/mkinitcpio-nfs-utils-0.3-3\nextra/nbd-3.3-1\n");
        assert_eq!(old.version("nbd"), Some("3.3-1"));
        assert_eq!(old.version("mkinitcpio-nfs-utils"), Some("0.3-3"));
        assert_eq!(old.lacks(), []);
        assert_eq!(
            Packages::parse(String::new(), &[0xff, b'\n', b'-', b'-']).lacks(),
            []
        );
    }

    #[test]
    fn what_no_package_brings_is_lacking() {
        let parts =
            |text: &str| -> Vec<Part> { parse(text).lacks().iter().map(|l| l.part).collect() };
        assert_eq!(
            parts("linux 6.12-1\nnbd 3.26-1\nmkinitcpio-nfs-utils 0.3-8\n"),
            []
        );
        assert_eq!(parts("linux-lts 6.12-1\nnbd 3.26-1\n"), [Part::Ipconfig]);
        assert_eq!(
            parts("mkinitcpio 39-1\nmkinitcpio-nfs-utils 0.3-8\n"),
            [Part::Nbd]
        );
        assert_eq!(parts("core/pacman-4.1.2-4\n"), [Part::Ipconfig, Part::Nbd]);
        // Not the list of a system: no conclusion.
        assert_eq!(parts(""), []);
        assert_eq!(parts("busybox 1.35-4\nlinux-firmware 1-1\n"), []);
        let lack = parse("linux 6-1\nmkinitcpio-nfs-utils 0.3-8\n").lacks()[0].to_string();
        assert_eq!(
            lack,
            "its initramfs cannot attach the root over NBD: the package nbd is not in \
             arch/pkglist.x86_64.txt"
        );
    }

    #[test]
    fn an_nbd_client_that_would_not_leave_its_hook_is_known_by_its_version() {
        for (list, root) in [
            ("nbd 3.26.1-1\n", NbdRoot::Streams),
            ("core/nbd-3.3-1\n", NbdRoot::Streams),
            ("nbdkit 1.0-1\nnbd 3.27.0-1\n", NbdRoot::Stalls),
            ("nbd 1:3.27.0-1\n", NbdRoot::Stalls),
            ("nbd 4-1\n", NbdRoot::Stalls),
            ("nbdkit 1.40-1\n", NbdRoot::Unknown),
            ("nbd\n", NbdRoot::Unknown),
        ] {
            assert_eq!(parse(list).nbd_root(true), root, "{list}");
            assert_eq!(parse(list).nbd_root(false), NbdRoot::Disconnects, "{list}");
        }
    }
}
