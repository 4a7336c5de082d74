//! The archiso family, recognised by what is on the medium: any base folder that holds
//! `<cpu>/airootfs.sfs` or `.erofs` (since 2014), or `aitab` beside `<cpu>/root-image.fs.sfs`
//! (2012 to 2014). Kernel, initramfs and arguments come from the medium's own PXE configuration;
//! where the root comes from is rewritten for the network.

mod evidence;
mod generation;
mod packages;
mod pairs;

pub(crate) use evidence::lacks as lacks_of;

use crate::boot_config::{self, BootConfig};
use crate::catalog::{Detection, Family, Given, StockMenu};
use crate::images::entry::{Companion, RootSource};
use crate::images::{Cpu, Entry, Note};
use crate::pe;
use crate::vfs::{Content, Kind, Path, Tree};
use generation::{Generation, Signs};
use packages::Packages;
use pairs::Pair;

/// Most arguments kept of a medium's own, in bytes: kernels cut their command line at 2048 on x86.
/// Every menu has them several times, and one medium must not make it unreadable for all.
const MAX_KEPT: usize = 2048;

/// Arguments that say where the root comes from or that depend on the medium's files: decided
/// here, never copied. `archisosearchuuid` over HTTP makes the hook look for a disk and give up, and
/// so does a `cow_label` or `cow_device` of the maker's own stick. Whether the root is copied is
/// decided for each machine.
const DECIDED_HERE: [&str; 30] = [
    "archisobasedir",
    "archiso_http_srv",
    "archiso_nfs_srv",
    "archiso_nfs_opt",
    "archiso_nbd_srv",
    "archiso_nbd_name",
    "archisosearchuuid",
    "archisosearchfilename",
    "archisolabel",
    "archisodevice",
    "ip",
    "BOOTIF",
    "cms_verify",
    "verify",
    "checksum",
    "copytoram",
    "toram",
    "cow_label",
    "cow_device",
    "img_dev",
    "img_label",
    "img_loop",
    "img_flags",
    "findiso",
    "fromiso",
    "iso-scan/filename",
    "root",
    "initrd",
    "BOOT_IMAGE",
    "net.ifnames",
];

/// The medium as archiso made it, or `None` when it did not.
pub(crate) fn detect(given: Given<'_>) -> Option<Detection> {
    let tree = given.tree;
    let layout = Layout::find(tree)?;
    let config = boot_config::read(
        tree,
        given.read,
        &[format!("{}/boot/syslinux", layout.base)],
    );
    let mut found = Detection {
        family: Family::Archiso {
            base: layout.base.clone(),
            aitab: layout.aitab,
        },
        stock: layout.stock(tree),
        pxelinux: layout.pxelinux(tree),
        warnings: config.limits.iter().map(ToString::to_string).collect(),
        ..Detection::default()
    };
    for root in &layout.roots {
        let entries = layout.entries(given, root, &config);
        if entries.is_empty() {
            found.warnings.push(format!(
                "there is a root file system for {} but no kernel with its initramfs",
                root.cpu
            ));
        }
        found.entries.extend(entries);
    }
    found.withdraw();
    Some(found)
}

/// Where one medium keeps its things.
struct Layout {
    /// `archisobasedir`: `arch` on Arch Linux.
    base: String,
    /// The 2013 layout.
    aitab: bool,
    roots: Vec<Root>,
}

/// The root file system for one processor.
struct Root {
    cpu: Cpu,
    /// Path of the image the initramfs fetches first.
    image: String,
    bytes: u64,
}

impl Layout {
    fn find(tree: &Tree) -> Option<Self> {
        tree.entries(Tree::ROOT).iter().find_map(|(base, _)| {
            let base = std::str::from_utf8(base)
                .ok()
                .filter(|b| is_plain_word(b))?;
            let aitab = tree.file(&format!("{base}/aitab")).is_some();
            let roots: Vec<Root> = Cpu::ALL
                .into_iter()
                .filter_map(|cpu| find_root(tree, base, cpu, aitab))
                .collect();
            (!roots.is_empty()).then(|| Self {
                base: base.to_owned(),
                aitab,
                roots,
            })
        })
    }

    /// Where the medium keeps SYSLINUX, newest layout first.
    fn syslinux_directories(&self) -> [String; 4] {
        [
            "boot/syslinux".into(),
            "syslinux".into(),
            format!("{}/boot/syslinux", self.base),
            "isolinux".into(),
        ]
    }

    /// An entry for each kernel that starts this root.
    fn entries(&self, given: Given<'_>, root: &Root, config: &BootConfig) -> Vec<Entry> {
        let mut pairs = pairs::pairs(self, given.tree, root.cpu, config);
        if pairs.is_empty() {
            pairs = pairs::conventional(self, given.tree, root.cpu);
        }
        let packages = Packages::read(given.tree, &self.base, root.cpu, given.read);
        let generation = Generation::of(&Signs {
            tree: given.tree,
            aitab: self.aitab,
            root_folder: root.image.rsplit_once('/').map_or("", |(folder, _)| folder),
            packages: &packages,
            label: given.label,
            date: given.date,
        });
        let suffixes = pairs::suffixes(&pairs);
        pairs
            .into_iter()
            .zip(suffixes)
            .map(|(pair, suffix)| self.entry(given, root, pair, &suffix, generation, &packages))
            .collect()
    }

    fn entry(
        &self,
        given: Given<'_>,
        root: &Root,
        pair: Pair,
        suffix: &str,
        generation: Option<Generation>,
        packages: &Packages,
    ) -> Entry {
        let Given {
            tree, name, read, ..
        } = given;
        let signed = tree
            .file(&pair.kernel)
            .map(|kernel| pe::signed(kernel, read));
        let files = pair.initrd.iter().filter_map(|path| tree.file(path));
        let initrd_bytes = files.map(Content::len).sum();
        let mut kept = vec![format!("archisobasedir={}", self.base)];
        let words = pair.arguments.iter().filter(|word| {
            let key = word.split('=').next().unwrap_or(word);
            !DECIDED_HERE.contains(&key) && is_harmless(word)
        });
        kept.extend(within_limit(words.cloned()));
        let cpus = (self.roots.len() > 1).then(|| root.cpu.name());
        let parts = [cpus, Some(suffix).filter(|suffix| !suffix.is_empty())];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        let words = |text: &str| match parts.is_empty() {
            true => String::new(),
            false => text.replace(
                "{}",
                &parts.join(if text.starts_with('-') { "-" } else { ", " }),
            ),
        };
        Entry {
            id: format!("{name}{}", words("-{}")),
            title: format!("{name}{}", words(" ({})")),
            volume: given.label.to_owned(),
            cpu: root.cpu,
            added: self.added(tree, root, &pair),
            notes: notes(&pair),
            kernel: pair.kernel,
            initrd: pair.initrd,
            kept,
            network: Generation::network(generation),
            finds: RootSource::Archiso,
            root: Some(root.image.clone()),
            companions: self.companions(tree, root),
            root_bytes: root.bytes,
            initrd_bytes,
            http_copies: Generation::http_copies(generation),
            nbd_root: packages.nbd_root(Generation::keeps_nbd(generation)),
            lacks: packages.lacks(),
            signed: signed.unwrap_or_default(),
        }
    }

    /// Arguments whose truth depends on the medium's files.
    fn added(&self, tree: &Tree, root: &Root, pair: &Pair) -> Vec<String> {
        let has = |suffix: &str| tree.file(&format!("{}{suffix}", root.image)).is_some();
        let asked = |key: &str| {
            let mut words = pair.arguments.iter();
            words.any(|word| word == key || word.strip_prefix(key) == Some("=y"))
        };
        let mut added = Vec::new();
        // A missing signature drops the boot to a shell, so the flag follows the file.
        if has(".cms.sig") {
            added.push("cms_verify=y".to_owned());
        }
        if asked("verify") && has(".sig") {
            added.push("verify=y".to_owned());
        }
        if asked("checksum") && self.has_checksum(tree, root) {
            added.push("checksum=y".to_owned());
        }
        added
    }

    fn has_checksum(&self, tree: &Tree, root: &Root) -> bool {
        let beside = root.image.rsplit_once('.').map_or("", |(stem, _)| stem);
        let older = format!("{}/checksum.{}.md5", self.base, root.cpu);
        [format!("{beside}.sha512"), format!("{beside}.md5"), older]
            .iter()
            .any(|path| tree.file(path).is_some())
    }

    /// What archiso_pxe_http fetches besides the root, before and after it.
    fn companions(&self, tree: &Tree, root: &Root) -> (Vec<Companion>, Vec<Companion>) {
        let companion = |path: String, asked_by| Companion { path, asked_by };
        let (image, base) = (&root.image, &self.base);
        let stem = image.rsplit_once('.').map_or("", |(stem, _)| stem);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if self.aitab {
            before.push(companion(format!("{base}/aitab"), None));
            // The rows of aitab, of which the root is one.
            for folder in [format!("{base}/{}", root.cpu), format!("{base}/any")] {
                let layers = file_names(tree, &folder).filter(|name| name.ends_with(".sfs"));
                let layers = layers.map(|name| format!("{folder}/{name}"));
                after.extend(
                    layers
                        .filter(|path| path != image)
                        .map(|path| companion(path, None)),
                );
            }
        }
        for path in [
            format!("{stem}.sha512"),
            format!("{stem}.md5"),
            format!("{base}/checksum.{}.md5", root.cpu),
        ] {
            after.push(companion(path, Some("checksum")));
        }
        after.push(companion(format!("{image}.sig"), Some("verify")));
        after.push(companion(format!("{image}.cms.sig"), Some("cms_verify")));
        after.retain(|file| tree.file(&file.path).is_some());
        (before, after)
    }

    /// The medium's own PXE menu.
    fn stock(&self, tree: &Tree) -> Option<StockMenu> {
        let has = |path: &str| tree.file(path).is_some();
        let old = format!("{}/boot/syslinux", self.base);
        if has(&format!("{old}/lpxelinux.0")) && has(&format!("{old}/archiso.cfg")) {
            // These configurations name everything relative to the base folder.
            return Some(StockMenu {
                loader: format!("{old}/lpxelinux.0"),
                config: "boot/syslinux/archiso.cfg".into(),
                prefix: Some(format!("/{}/", self.base)),
            });
        }
        ["boot/syslinux", "syslinux"]
            .into_iter()
            .find_map(|directory| {
                let config = ["syslinux.cfg", "archiso_pxe.cfg", "archiso.cfg"]
                    .into_iter()
                    .find(|name| has(&format!("{directory}/{name}")))?;
                has(&format!("{directory}/lpxelinux.0")).then(|| StockMenu {
                    loader: format!("{directory}/lpxelinux.0"),
                    config: config.into(),
                    prefix: None,
                })
            })
    }

    /// The folder with `lpxelinux.0` and the modules that belong to it.
    fn pxelinux(&self, tree: &Tree) -> Option<String> {
        self.syslinux_directories().into_iter().find(|directory| {
            ["lpxelinux.0", "ldlinux.c32", "menu.c32", "libutil.c32"]
                .iter()
                .all(|name| tree.file(&format!("{directory}/{name}")).is_some())
        })
    }
}

/// The image's name, told apart by processor only where there are several.
pub(crate) fn title(roots: usize, name: &str, suffix: &str) -> String {
    if roots > 1 {
        format!("{name}{suffix}")
    } else {
        name.to_owned()
    }
}

fn find_root(tree: &Tree, base: &str, cpu: Cpu, aitab: bool) -> Option<Root> {
    let directory = format!("{base}/{cpu}");
    let root = |name: &str| {
        let image = format!("{directory}/{name}");
        tree.file(&image).map(|content| Root {
            cpu,
            bytes: content.len(),
            image: image.clone(),
        })
    };
    if aitab {
        let first = || file_names(tree, &directory).find(|n| n.ends_with(".sfs"));
        return root("root-image.fs.sfs").or_else(|| root(first()?));
    }
    root("airootfs.sfs").or_else(|| root("airootfs.erofs"))
}

/// Names of the regular files in `directory`, sorted, those that are UTF-8.
pub(crate) fn file_names<'a>(
    tree: &'a Tree,
    directory: &str,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let found = Path::parse(directory.as_bytes())
        .ok()
        .and_then(|p| tree.resolve(&p));
    let entries = found.map_or(&[][..], |f| tree.entries(f.id));
    entries.iter().filter_map(|(name, id)| {
        let file = matches!(tree.node(*id)?.kind, Kind::File(_) | Kind::Symlink(_));
        std::str::from_utf8(name).ok().filter(|_| file)
    })
}

/// What a person should know of the medium's own arguments.
fn notes(pair: &Pair) -> Vec<Note> {
    let mut words = pair.arguments.iter().rev();
    let last = words.find_map(|word| word.strip_prefix("copytoram"));
    let is_off = last.is_some_and(|value| ["=n", "=no", "=0"].contains(&value));
    let menu = pair.menu.clone().unwrap_or_default();
    is_off
        .then_some(Note::CopyToRamOverridden { menu })
        .into_iter()
        .collect()
}

/// A name that can stand in a URL, on a kernel command line and in a shell's `eval`.
fn is_plain_word(word: &str) -> bool {
    word.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The words that fit on a kernel's command line, to the first that does not.
pub(crate) fn within_limit(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut left = MAX_KEPT;
    let fits = |word: &String| {
        let rest = left.checked_sub(word.len() + 1);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    words.take_while(fits).collect()
}

/// Whether a word of the medium's arguments means the same in every menu language: a medium must
/// not be able to write menu or script lines.
pub(crate) fn is_harmless(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_graphic())
        && !word.contains("${")
        && !matches!(word, "||" | "&&")
}

#[cfg(test)]
mod tests;
