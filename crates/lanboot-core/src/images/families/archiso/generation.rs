//! The generations of archiso's hooks: which behaviour begins with which release, and how to
//! recognize a medium's generation. A rule learned from one is applied to no other.
//!
//! | from (tag, month)  | what changed                                                           | commit |
//! |--------------------|------------------------------------------------------------------------|--------|
//! | (2012-07)          | `aitab`, `root-image.fs.sfs`, `checksum.CPU.md5`; `ip=` taken literally; one copy of the root in memory over HTTP; NBD: `nbd-client -d` always, so the root must be copied | v13 `hooks/archiso_pxe_*` |
//! | v17, 2014-06       | `airootfs.sfs`, `airootfs.md5`; no `aitab`                             | ba40f27, 36459f3 |
//! | v27, 2016-05       | NBD: `nbd-client -d` only after a copy, `-persist` with `copytoram=n`  | hooks of v27 |
//! | v33, 2017-10       | `airootfs.sha512`                                                      | acf3ac9 |
//! | v49, 2020-11       | the hooks become the package `mkinitcpio-archiso`                      | – |
//! | v52, 2021-03       | `airootfs.erofs` possible                                              | bc67933 |
//! | v69, 2022-12       | `cms_verify=y`, `airootfs.*.cms.sig`                                   | dedfe03 |
//! | v77, 2024-04       | `archisosearchuuid`, `/boot/DATE.uuid`; microcode inside the initramfs | 43e4d9c, 2facc46 |
//!
//! Independent of them: nbd 3.27 (2026-02) keeps `-persist` in the foreground, and the hook waits
//! for it for ever ([`super::root_source::NbdRoot::Stalls`]).

use super::packages::Packages;
use crate::images::arguments::NetworkArgs;
use crate::vfs::Tree;

/// A range of releases whose hooks behave alike towards a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Generation {
    /// To v16: `aitab`.
    Aitab,
    /// v17 to v26: today's files, the hooks of before.
    V17,
    /// From v27.
    V27,
}

/// The first month whose media have the hooks of v27. The image of May 2016 was made before it.
const V27_MONTH: u32 = 201_606;

/// The evidence for a generation.
pub(super) struct Signs<'a> {
    pub(super) tree: &'a Tree,
    /// The 2013 layout.
    pub(super) aitab: bool,
    /// `BASE/CPU`, where the root file system lies.
    pub(super) root_folder: &'a str,
    pub(super) packages: &'a Packages,
    /// The volume's label and its date (`YYYY-MM-DD…`).
    pub(super) label: &'a str,
    pub(super) date: Option<&'a str>,
}

impl Generation {
    /// Returns the generation of a medium, `None` without evidence. In this order: files that only
    /// some generations make, versions in the list of packages, the month in the label, the
    /// volume's date, which is another one where somebody has changed the medium.
    pub(super) fn of(signs: &Signs<'_>) -> Option<Self> {
        if signs.aitab {
            return Some(Self::Aitab);
        }
        let has = |name: &str| {
            signs
                .tree
                .file(&format!("{}/{name}", signs.root_folder))
                .is_some()
        };
        let newer = ["airootfs.sha512", "airootfs.erofs", "airootfs.sfs.cms.sig"];
        if newer.into_iter().any(has) || signs.packages.version("mkinitcpio-archiso").is_some() {
            return Some(Self::V27);
        }
        let is_new = |is_new| if is_new { Self::V27 } else { Self::V17 };
        let release = signs.packages.version("archiso").and_then(leading_number);
        if let Some(release) = release {
            return Some(is_new(release >= 27));
        }
        let month = label_month(signs.label).or_else(|| date_month(signs.date?))?;
        // With an older checksum and a later date, somebody has changed an old medium.
        let is_changed = has("airootfs.md5") && month > 201_711;
        (!is_changed).then(|| is_new(month >= V27_MONTH))
    }

    /// Returns how the network is configured. `ip=CLIENT:SERVER:GATEWAY:MASK` is understood by
    /// every generation, `ip=dhcp` with `BOOTIF` only by later ones.
    pub(super) fn network(generation: Option<Self>) -> NetworkArgs {
        match generation {
            Some(Self::Aitab | Self::V17) => NetworkArgs::Literal,
            Some(Self::V27) | None => NetworkArgs::Dhcp,
        }
    }

    /// Returns how many copies of the root are in memory at once when it is fetched over HTTP.
    pub(super) fn http_copies(generation: Option<Self>) -> u64 {
        match generation {
            Some(Self::Aitab) => 1,
            Some(Self::V17 | Self::V27) | None => 2,
        }
    }

    /// Returns whether the hook leaves the NBD disk attached under a root that stays on it. What is
    /// not known is taken for old: a copy works everywhere.
    pub(super) fn keeps_nbd(generation: Option<Self>) -> bool {
        generation == Some(Self::V27)
    }
}

/// `YYYYMM` of a label such as `ARCH_201605`; dots and hyphens between are fine.
fn label_month(label: &str) -> Option<u32> {
    let mut parts = label.split(|c: char| !c.is_ascii_digit() && !".-".contains(c));
    parts.find_map(|part| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        month(digits.get(..6)?)
    })
}

/// The month of a date `YYYY-MM-DD…`.
fn date_month(date: &str) -> Option<u32> {
    let (year, rest) = date.split_once('-')?;
    month(&format!("{year}{}", rest.get(..2)?))
}

fn month(digits: &str) -> Option<u32> {
    let number: u32 = digits.parse().ok().filter(|_| digits.len() == 6)?;
    let is_month = (2010..2100).contains(&(number / 100)) && (1..=12).contains(&(number % 100));
    is_month.then_some(number)
}

fn leading_number(version: &str) -> Option<u32> {
    let end = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn a_generation_is_recognized_by_files_then_packages_then_label_then_date() {
        let old = Some(Generation::V17);
        let new = Some(Generation::V27);
        for (files, packages, label, date, expected) in [
            ("x", "", "ARCH_201604", None, old),
            ("x", "", "ARCH_201605", None, old),
            ("x", "", "ARCH_201606", None, new),
            ("x", "", "ARCH_202611", Some("2014-01-01"), new),
            ("x", "", "MYDISK", Some("2016-04-30-10-11-12-00"), old),
            ("x", "", "MYDISK", Some("2016-06-01-10-11-12-00"), new),
            ("x", "", "MYDISK", None, None),
            ("x", "", "DISK_999999", None, None),
            ("x", "", "X_2015.03.01", None, old),
            ("x", "archiso 26-1\n", "ARCH_202611", None, old),
            ("x", "extra/archiso-27-1\n", "ARCH_201501", None, new),
            ("x", "mkinitcpio-archiso 73-1\n", "ARCH_201501", None, new),
            (
                "airootfs.sha512",
                "archiso 20-1\n",
                "ARCH_201501",
                None,
                new,
            ),
            ("airootfs.erofs", "", "ARCH_201501", None, new),
            ("airootfs.md5", "", "ARCH_201501", None, old),
            ("airootfs.md5", "", "ARCH_201702", None, new),
            ("airootfs.md5", "", "MYDISK", Some("2026-01-01"), None),
        ] {
            let path = format!("arch/x86_64/{files}");
            let tree = tree(&[(path.as_str(), "x")]);
            let packages = Packages::parse("pkglist.txt".into(), packages.as_bytes());
            let signs = Signs {
                tree: &tree,
                aitab: false,
                root_folder: "arch/x86_64",
                packages: &packages,
                label,
                date,
            };
            let case = format!("{files} {packages:?} {label} {date:?}");
            assert_eq!(Generation::of(&signs), expected, "{case}");
            let aitab = Signs {
                aitab: true,
                ..signs
            };
            assert_eq!(Generation::of(&aitab), Some(Generation::Aitab));
        }
    }
}
