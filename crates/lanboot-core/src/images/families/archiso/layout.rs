//! The layout of an archiso medium.

use super::root_source::Companion;
use crate::boot_config::file_names;
use crate::images::cpu::Cpu;
use crate::images::detection::StockMenu;
use crate::vfs::Tree;

/// The places of the files on one medium.
pub(super) struct Layout {
    /// `archisobasedir`: `arch` on Arch Linux.
    pub(super) base: String,
    /// The layout of 2012 to 2014.
    pub(super) aitab: bool,
    /// At least one.
    pub(super) roots: Vec<Root>,
}

/// The root file system for one processor.
pub(super) struct Root {
    pub(super) cpu: Cpu,
    /// Path of the image the initramfs fetches first.
    pub(super) image: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
}

impl Layout {
    /// Finds it; `None` when archiso did not make the medium.
    pub(super) fn find(tree: &Tree) -> Option<Self> {
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

    /// Lists where a medium may keep SYSLINUX, newest layout first.
    fn syslinux_directories(&self) -> [String; 4] {
        [
            "boot/syslinux".into(),
            "syslinux".into(),
            format!("{}/boot/syslinux", self.base),
            "isolinux".into(),
        ]
    }

    /// Tests whether there is a checksum of the root.
    pub(super) fn has_checksum(&self, tree: &Tree, root: &Root) -> bool {
        let beside = root.image.rsplit_once('.').map_or("", |(stem, _)| stem);
        let older = format!("{}/checksum.{}.md5", self.base, root.cpu);
        [format!("{beside}.sha512"), format!("{beside}.md5"), older]
            .iter()
            .any(|path| tree.file(path).is_some())
    }

    /// Lists what `archiso_pxe_http` fetches besides the root, before and after it.
    pub(super) fn companions(&self, tree: &Tree, root: &Root) -> (Vec<Companion>, Vec<Companion>) {
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

    /// Lists folders with further layers of the root, besides the root's own.
    pub(super) fn layer_folders(&self) -> Vec<String> {
        let any = self.aitab.then(|| format!("{}/any", self.base));
        any.into_iter().collect()
    }

    /// Returns the medium's own PXE menu.
    pub(super) fn stock(&self, tree: &Tree) -> Option<StockMenu> {
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

    /// Returns the folder with `lpxelinux.0` and the modules that belong to it.
    pub(super) fn pxelinux(&self, tree: &Tree) -> Option<String> {
        self.syslinux_directories().into_iter().find(|directory| {
            ["lpxelinux.0", "ldlinux.c32", "menu.c32", "libutil.c32"]
                .iter()
                .all(|name| tree.file(&format!("{directory}/{name}")).is_some())
        })
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

/// Tests whether a name can stand in a URL, on a kernel command line and in a shell's `eval`.
pub(super) fn is_plain_word(word: &str) -> bool {
    word.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
