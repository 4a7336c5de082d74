//! The archiso family, recognised by what is on the medium: any base folder that holds
//! `<cpu>/airootfs.sfs` or `.erofs` (since 2014), or `aitab` beside `<cpu>/root-image.fs.sfs`
//! (2012 to 2014). Kernel, initramfs and arguments come from the medium's own PXE configuration;
//! where the root comes from is rewritten for the network.

use super::entry::{Companion, Finds, NetworkForm};
use super::image::{Family, Given, Recognised, StockMenu};
use super::syslinux::{self, Label};
use super::{Cpu, Entry, MAX_CONFIG_BYTES, ReadSmall, pe};
use crate::vfs::{Content, Kind, Path, Tree};

/// Most configuration files read from one medium.
const MAX_CONFIG_FILES: usize = 64;
/// Most initramfs files of one entry; with microcode there are three. Every menu names them all,
/// several times.
const MAX_INITRD: usize = 16;
/// Most arguments kept of a medium's own, in bytes: kernels cut their command line at 2048 on x86.
/// Every menu has them several times, and one medium must not make it unreadable for all.
const MAX_KEPT: usize = 2048;

/// Arguments that say where the root comes from or that depend on the medium's files: decided
/// here, never copied. `archisosearchuuid` over HTTP makes the hook look for a disk and give up.
const DECIDED_HERE: [&str; 18] = [
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
    "initrd",
    "BOOT_IMAGE",
    "net.ifnames",
];

/// The medium as archiso made it, or `None` when it did not.
pub(super) fn recognise(given: Given<'_>) -> Option<Recognised> {
    let tree = given.tree;
    let layout = Layout::find(tree)?;
    let labels = layout.labels(tree, given.read);
    let mut warnings = Vec::new();
    let entries: Vec<Entry> = layout
        .roots
        .iter()
        .filter_map(|root| {
            let entry = layout.entry(given, root, &labels);
            if entry.is_none() {
                warnings.push(format!(
                    "there is a root file system for {} but no kernel with its initramfs",
                    root.cpu
                ));
            }
            entry
        })
        .collect();
    Some(Recognised {
        family: Family::Archiso {
            base: layout.base.clone(),
            aitab: layout.aitab,
        },
        stock: layout.stock(tree),
        pxelinux: layout.pxelinux(tree),
        entries,
        warnings,
        ..Recognised::default()
    })
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

    /// Every label that boots an archiso root, those meant for PXE and HTTP first.
    fn labels(&self, tree: &Tree, read: ReadSmall<'_>) -> Vec<Label> {
        let mut ranked: Vec<(u8, Label)> = Vec::new();
        let mut files = 0;
        for directory in self.syslinux_directories() {
            for name in file_names(tree, &directory).filter(|n| n.ends_with(".cfg")) {
                let Some(content) = tree.file(&format!("{directory}/{name}")) else {
                    continue;
                };
                files += 1;
                if content.len() > MAX_CONFIG_BYTES || files > MAX_CONFIG_FILES {
                    continue;
                }
                let Some(text) = read(content) else { continue };
                for label in syslinux::parse(&text) {
                    let has = |key: &str| label.append.iter().any(|w| w.starts_with(key));
                    if has("archisobasedir=") || has("archiso_http_srv=") {
                        let rank = match (has("archiso_http_srv="), name.contains("pxe")) {
                            (true, _) => 0,
                            (false, true) => 1,
                            (false, false) => 2,
                        };
                        ranked.push((rank, label));
                    }
                }
            }
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, label)| label).collect()
    }

    fn entry(&self, given: Given<'_>, root: &Root, labels: &[Label]) -> Option<Entry> {
        let Given {
            tree, name, read, ..
        } = given;
        let (kernel, initrd, append) = labels
            .iter()
            .find_map(|label| self.files_of(tree, root.cpu, label))
            .or_else(|| self.conventional_files(tree, root.cpu))?;
        let has = |path: String| tree.file(&path).is_some();
        let asked = |key: &str| {
            append
                .iter()
                .any(|w| w == key || w.strip_prefix(key) == Some("=y"))
        };
        let mut added = Vec::new();
        // A missing signature drops the boot to a shell, so the flag follows the file.
        if has(format!("{}.cms.sig", root.image)) {
            added.push("cms_verify=y".to_owned());
        }
        if asked("verify") && has(format!("{}.sig", root.image)) {
            added.push("verify=y".to_owned());
        }
        if asked("checksum") && self.has_checksum(tree, root) {
            added.push("checksum=y".to_owned());
        }
        let initrd_bytes = initrd
            .iter()
            .filter_map(|path| tree.file(path))
            .map(Content::len)
            .sum();
        let mut kept = vec![format!("archisobasedir={}", self.base)];
        kept.extend(within_limit(append.into_iter().filter(|word| {
            let key = word.split('=').next().unwrap_or(word);
            !DECIDED_HERE.contains(&key) && is_harmless(word)
        })));
        let signed = tree.file(&kernel).map(|kernel| pe::signed(kernel, read));
        Some(Entry {
            id: title(self.roots.len(), name, &format!("-{}", root.cpu)),
            title: title(self.roots.len(), name, &format!(" ({})", root.cpu)),
            volume: given.label.to_owned(),
            cpu: root.cpu,
            kernel,
            initrd,
            kept,
            added,
            network: if self.aitab {
                NetworkForm::Literal
            } else {
                NetworkForm::Dhcp
            },
            finds: Finds::Archiso,
            root: Some(root.image.clone()),
            companions: self.companions(tree, root),
            root_bytes: root.bytes,
            initrd_bytes,
            http_copies: if self.aitab { 1 } else { 2 },
            nbd_streams: self.nbd_streams(tree, root.cpu, read),
            signed: signed.unwrap_or_default(),
        })
    }

    /// Kernel, initramfs and arguments of a label, when they are for this processor and exist.
    fn files_of(
        &self,
        tree: &Tree,
        cpu: Cpu,
        label: &Label,
    ) -> Option<(String, Vec<String>, Vec<String>)> {
        let kernel = self.existing(tree, &label.kernel)?;
        let names_cpu = |c: Cpu| kernel.split('/').any(|part| part == c.name());
        let matches =
            names_cpu(cpu) || (!Cpu::ALL.into_iter().any(names_cpu) && self.roots.len() == 1);
        if !matches || label.initrd.is_empty() || label.initrd.len() > MAX_INITRD {
            return None;
        }
        let initrd: Option<Vec<String>> = label
            .initrd
            .iter()
            .map(|path| self.existing(tree, path))
            .collect();
        Some((kernel, initrd?, label.append.clone()))
    }

    /// A path of a configuration, which in 2013 was relative to the base folder.
    fn existing(&self, tree: &Tree, path: &str) -> Option<String> {
        [path.to_owned(), format!("{}/{path}", self.base)]
            .into_iter()
            .find(|p| !path.is_empty() && tree.file(p).is_some())
    }

    /// Without a configuration: the names archiso has always used.
    fn conventional_files(
        &self,
        tree: &Tree,
        cpu: Cpu,
    ) -> Option<(String, Vec<String>, Vec<String>)> {
        let directory = format!("{}/boot/{cpu}", self.base);
        let pick = |wanted: &dyn Fn(&str) -> bool| {
            file_names(tree, &directory)
                .find(|n| wanted(n))
                .map(|n| format!("{directory}/{n}"))
        };
        // arm64 kernels that are not packed are called Image.
        let kernel = pick(&|n| n.starts_with("vmlinuz"))
            .or_else(|| pick(&|n| n == "Image" || n.starts_with("Image-")))?;
        let initrd = pick(&|n| n.starts_with("initramfs") && !n.contains("fallback"))
            .or_else(|| pick(&|n| n == "archiso.img"))?;
        Some((kernel, vec![initrd], Vec::new()))
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

    /// Whether the medium's list of packages shows an `nbd-client` that can keep a disk.
    fn nbd_streams(&self, tree: &Tree, cpu: Cpu, read: ReadSmall<'_>) -> bool {
        let list = tree
            .file(&format!("{}/pkglist.{cpu}.txt", self.base))
            .filter(|content| content.len() <= MAX_CONFIG_BYTES)
            .and_then(read);
        let list = list.unwrap_or_default();
        let list = String::from_utf8_lossy(&list);
        // "nbd 3.26.1-1" today, "core/nbd-3.3-1" in 2013.
        let version = list.lines().find_map(|line| {
            let package = line.rsplit_once('/').map_or(line, |(_, package)| package);
            package.strip_prefix("nbd")?.strip_prefix([' ', '-'])
        });
        version.and_then(major_minor).is_some_and(|v| v < (3, 27))
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
pub(super) fn title(roots: usize, name: &str, suffix: &str) -> String {
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
pub(super) fn file_names<'a>(
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

/// The first two numbers of a version.
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(['.', '-']).map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// A name that can stand in a URL, on a kernel command line and in a shell's `eval`.
fn is_plain_word(word: &str) -> bool {
    word.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The words that fit on a kernel's command line, to the first that does not.
pub(super) fn within_limit(words: impl Iterator<Item = String>) -> Vec<String> {
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
pub(super) fn is_harmless(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_graphic())
        && !word.contains("${")
        && !matches!(word, "||" | "&&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::{given, tree};
    use crate::catalog::{Place, Refusal, Server, Spelling, Transport};
    use crate::vfs::Identity;
    use std::net::{Ipv4Addr, SocketAddrV4};

    const SERVER: Server = Server {
        http: SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 1), 80),
        nfs: true,
        nbd: true,
    };

    fn place(image: &str) -> Place<'_> {
        Place {
            server: &SERVER,
            image,
            identity: Identity([0xab; 16]),
        }
    }

    fn recognised(files: &[(&str, &str)]) -> Recognised {
        recognise(given(&tree(files), "disc", "ARCH_202611")).unwrap()
    }

    #[test]
    fn a_medium_cannot_make_menus_long() {
        let files = |initrd: &str, append: &str| {
            let text = format!(
                "LABEL x\nLINUX /arch/boot/x86_64/vmlinuz\nINITRD {initrd}\n\
                 APPEND archisobasedir=arch {append}\n"
            );
            let found = recognised(&[
                ("arch/boot/x86_64/initramfs.img", "i"),
                ("arch/boot/x86_64/vmlinuz", "k"),
                ("arch/x86_64/airootfs.sfs", "r"),
                ("syslinux/archiso_pxe.cfg", &text),
            ]);
            found.entries.into_iter().next().unwrap()
        };
        let one = "/arch/boot/x86_64/initramfs.img";
        let entry = files(one, &"quiet ".repeat(10_000));
        assert!(entry.kept.iter().map(|word| word.len() + 1).sum::<usize>() < 2100);
        assert!(entry.kept.len() > 300);
        let entry = files(&[one; 5000].join(","), "quiet");
        assert_eq!(entry.initrd.len(), 1, "the usual one instead");
    }

    const MODERN: &str = "LABEL arch_nbd\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
        INITRD ::/arch/boot/x86_64/initramfs-linux.img\n\
        APPEND archisobasedir=arch archisosearchuuid=2026-11-01 archiso_nbd_srv=${pxeserver} cms_verify=y\n\
        LABEL arch_http\nLINUX ::/arch/boot/x86_64/vmlinuz-linux\n\
        INITRD ::/arch/boot/x86_64/initramfs-linux.img\nSYSAPPEND 3\n\
        APPEND archisobasedir=arch archiso_http_srv=http://${pxeserver}/ cms_verify=y quiet\n";

    fn modern() -> Vec<(&'static str, &'static str)> {
        vec![
            ("arch/boot/x86_64/initramfs-linux.img", "i"),
            ("arch/boot/x86_64/vmlinuz-linux", "k"),
            ("arch/x86_64/airootfs.sfs", "root"),
            ("boot/syslinux/archiso_pxe-linux.cfg", MODERN),
            ("boot/syslinux/ldlinux.c32", ""),
            ("boot/syslinux/libutil.c32", ""),
            ("boot/syslinux/lpxelinux.0", ""),
            ("boot/syslinux/menu.c32", ""),
            ("boot/syslinux/syslinux.cfg", ""),
        ]
    }

    #[test]
    fn todays_medium_gives_its_own_kernel_and_rewritten_arguments() {
        let found = recognised(&modern());
        assert_eq!(
            found.family,
            Family::Archiso {
                base: "arch".into(),
                aitab: false
            }
        );
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!(entry.id, "disc");
        assert_eq!(entry.kernel, "arch/boot/x86_64/vmlinuz-linux");
        assert_eq!(entry.initrd, ["arch/boot/x86_64/initramfs-linux.img"]);
        let line = |s| entry.command_line(Transport::Http, place("disc"), s, "console=ttyS0");
        assert_eq!(
            line(Spelling::Ipxe),
            "archisobasedir=arch quiet archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
             BOOTIF=01-${netX/mac:hexhyp} net.ifnames=0 console=ttyS0"
        );
        assert_eq!(
            line(Spelling::Pxelinux),
            "archisobasedir=arch quiet archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
             net.ifnames=0 console=ttyS0"
        );
        assert_eq!(found.pxelinux.as_deref(), Some("boot/syslinux"));
        assert_eq!(
            found.stock,
            Some(StockMenu {
                loader: "boot/syslinux/lpxelinux.0".into(),
                config: "syslinux.cfg".into(),
                prefix: None
            })
        );
    }

    #[test]
    fn a_signature_on_the_medium_and_only_that_asks_for_its_check() {
        let mut files = modern();
        files.push(("arch/x86_64/airootfs.sfs.cms.sig", "s"));
        let found = recognised(&files);
        let line = found.entries[0].command_line(Transport::Http, place("d"), Spelling::Shown, "");
        assert!(line.contains(" cms_verify=y "), "{line}");
    }

    #[test]
    fn the_2013_medium_gives_both_processors() {
        let cfg = |cpu: &str| {
            format!(
                "LABEL arch_http_{cpu}\nLINUX boot/{cpu}/vmlinuz\nINITRD boot/{cpu}/archiso.img\n\
                 APPEND archisobasedir=arch archiso_http_srv=http://${{pxeserver}}/ checksum=y\n"
            )
        };
        let (cfg32, cfg64) = (cfg("i686"), cfg("x86_64"));
        let found = recognised(&[
            ("arch/aitab", "root-image / x86_64 xz ext4 50%"),
            ("arch/boot/i686/archiso.img", "i"),
            ("arch/boot/i686/vmlinuz", "k"),
            ("arch/boot/syslinux/archiso.cfg", ""),
            ("arch/boot/syslinux/archiso_pxe32.cfg", &cfg32),
            ("arch/boot/syslinux/archiso_pxe64.cfg", &cfg64),
            ("arch/boot/syslinux/lpxelinux.0", ""),
            ("arch/boot/x86_64/archiso.img", "i"),
            ("arch/boot/x86_64/vmlinuz", "k"),
            ("arch/checksum.x86_64.md5", "m"),
            ("arch/i686/root-image.fs.sfs", "r"),
            ("arch/x86_64/root-image.fs.sfs", "r"),
        ]);
        let ids: Vec<&str> = found.entries.iter().map(|e| e.id.as_str()).collect();
        assert_eq!(ids, ["disc-x86_64", "disc-i686"]);
        let line = |at: usize| {
            found.entries[at].command_line(Transport::Http, place("disc"), Spelling::Pxelinux, "")
        };
        assert_eq!(
            line(0),
            "archisobasedir=arch archiso_http_srv=http://192.168.0.1/iso/disc/ checksum=y net.ifnames=0"
        );
        assert!(
            !line(1).contains("checksum"),
            "no checksum file for i686: {}",
            line(1)
        );
        assert_eq!(found.entries[1].kernel, "arch/boot/i686/vmlinuz");
        assert_eq!(found.entries[1].sysappend(), 3);
        assert_eq!(found.stock.unwrap().prefix.as_deref(), Some("/arch/"));
    }

    #[test]
    fn any_base_folder_works_and_a_lost_configuration_is_no_obstacle() {
        let found = recognised(&[
            ("sysresccd/boot/x86_64/initramfs-fallback.img", "f"),
            ("sysresccd/boot/x86_64/initramfs.img", "i"),
            ("sysresccd/boot/x86_64/vmlinuz", "k"),
            ("sysresccd/x86_64/airootfs.erofs", "root"),
        ]);
        assert_eq!(
            found.entries[0].initrd,
            ["sysresccd/boot/x86_64/initramfs.img"]
        );
        assert_eq!(found.stock, None);
    }

    #[test]
    fn an_arm64_medium_is_one_for_arm64_machines() {
        let found = recognised(&[
            ("arch/aarch64/airootfs.sfs", "root"),
            ("arch/boot/aarch64/Image", "k"),
            ("arch/boot/aarch64/initramfs-linux.img", "i"),
            ("arch/boot/x86_64/initramfs-linux.img", "i"),
            ("arch/boot/x86_64/vmlinuz-linux", "k"),
            ("arch/x86_64/airootfs.sfs", "root"),
        ]);
        let entries = found.entries.iter();
        let entries: Vec<_> = entries
            .map(|e| (e.id.as_str(), e.kernel.as_str()))
            .collect();
        let expected = [
            ("disc-x86_64", "arch/boot/x86_64/vmlinuz-linux"),
            ("disc-aarch64", "arch/boot/aarch64/Image"),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_medium_without_kernel_says_so_and_a_foreign_one_is_not_claimed() {
        let found = recognised(&[("arch/x86_64/airootfs.sfs", "root")]);
        assert!(found.entries.is_empty());
        assert_eq!(found.warnings.len(), 1);
        let foreign = tree(&[("casper/vmlinuz", "k"), ("casper/filesystem.squashfs", "r")]);
        assert!(recognise(given(&foreign, "u", "U")).is_none());
    }

    #[test]
    fn a_hostile_medium_cannot_write_script_lines() {
        let cfg = "LABEL x\nLINUX arch/boot/x86_64/vmlinuz-linux\n\
            INITRD arch/boot/x86_64/initramfs-linux.img\n\
            APPEND archisobasedir=arch a=${net0/mac} || shell && b=\x1b[2J c=1\n";
        let mut files = modern();
        files[3].1 = cfg;
        let line = recognised(&files).entries[0].command_line(
            Transport::Http,
            place("disc"),
            Spelling::Pxelinux,
            "",
        );
        assert_eq!(
            line,
            "archisobasedir=arch shell c=1 archiso_http_srv=http://192.168.0.1/iso/disc/ ip=dhcp \
             net.ifnames=0"
        );
    }

    #[test]
    fn copytoram_off_is_refused_over_http() {
        let entry = &recognised(&modern()).entries[0];
        assert_eq!(entry.check(Transport::Http, "quiet"), Ok(()));
        assert_eq!(
            entry.check(Transport::Http, "copytoram=n"),
            Err(Refusal::CopyToRamOff)
        );
        assert_eq!(
            entry.check(Transport::Http, "copytoram=n copytoram=y"),
            Ok(())
        );
    }

    #[test]
    fn every_transport_has_its_arguments() {
        let mut files = modern();
        files.push((
            "arch/pkglist.x86_64.txt",
            "nano 8.7-1\nnbd 3.26.1-1\nncurses 6.5-4\n",
        ));
        let mut entry = recognised(&files).entries.remove(0);
        let line = |entry: &Entry, transport, append| {
            entry.command_line(transport, place("disc"), Spelling::Pxelinux, append)
        };
        assert_eq!(
            line(&entry, Transport::Nfs, ""),
            "archisobasedir=arch quiet archiso_nfs_srv=192.168.0.1:/iso/disc copytoram=n ip=dhcp \
             net.ifnames=0"
        );
        let nbd = format!(
            "archisobasedir=arch quiet archiso_nbd_srv=192.168.0.1 archiso_nbd_name=disc@{} ",
            "ab".repeat(16)
        );
        let rest = "ip=dhcp net.ifnames=0";
        assert_eq!(
            line(&entry, Transport::Nbd, ""),
            format!("{nbd}copytoram=n {rest}")
        );
        assert_eq!(
            line(&entry, Transport::Nbd, "copytoram=y"),
            format!("{nbd}{rest} copytoram=y")
        );
        entry.nbd_streams = false;
        assert_eq!(line(&entry, Transport::Nbd, ""), format!("{nbd}{rest}"));
        assert!(!entry.streams(Transport::Nbd, "") && entry.streams(Transport::Nfs, ""));
    }

    #[test]
    fn an_nbd_client_that_would_not_leave_its_hook_is_known_by_its_version() {
        for (list, streams) in [
            ("nbd 3.26.1-1\n", true),
            ("core/nbd-3.3-1\n", true),
            ("nbdkit 1.0-1\nnbd 3.27.0-1\n", false),
            ("nbd 4-1\n", false),
            ("nbdkit 1.40-1\n", false),
            ("nbd\n", false),
        ] {
            let mut files = modern();
            files.push(("arch/pkglist.x86_64.txt", list));
            assert_eq!(recognised(&files).entries[0].nbd_streams, streams, "{list}");
        }
        assert!(!recognised(&modern()).entries[0].nbd_streams);
    }

    /// What a boot fetches, `?` behind what this server's arguments do not make it fetch.
    fn fetched(entry: &Entry, transport: Transport, append: &str) -> Vec<String> {
        let fetches = entry.fetches(transport, append).into_iter();
        let mark = |fetch: crate::catalog::Fetch| match fetch.required {
            true => fetch.path,
            false => fetch.path + "?",
        };
        fetches.map(mark).collect()
    }

    #[test]
    fn a_boot_fetches_the_root_then_checksum_and_signatures_that_are_there_and_asked_for() {
        let mut files = modern();
        files.push(("arch/x86_64/airootfs.sha512", "sum"));
        files.push(("arch/x86_64/airootfs.sfs.cms.sig", "signature"));
        let found = recognised(&files);
        let entry = &found.entries[0];
        let (root, sum) = ("arch/x86_64/airootfs.sfs", "arch/x86_64/airootfs.sha512");
        let (sum_unasked, signature) = (format!("{sum}?"), format!("{root}.cms.sig"));
        let of = |append| fetched(entry, Transport::Http, append);
        assert_eq!(of(""), [root, &sum_unasked, &signature]);
        assert_eq!(of("checksum=y"), [root, sum, &signature]);
        assert_eq!(of("checksum"), [root, sum, &signature]);
        assert_eq!(of("checksums=y checksum=y checksum=n"), of(""));
        let unsigned = of("cms_verify=n");
        assert_eq!(unsigned, [root, &sum_unasked, &format!("{signature}?")]);
        for mounted in [Transport::Nfs, Transport::Nbd] {
            assert!(entry.fetches(mounted, "checksum=y").is_empty());
        }
    }

    #[test]
    fn a_boot_of_2013_fetches_aitab_first_and_every_layer() {
        let found = recognised(&[
            ("arch/aitab", "root-image / x86_64 xz ext4 50%"),
            ("arch/any/usr-share.fs.sfs", "layer"),
            ("arch/boot/x86_64/archiso.img", "i"),
            ("arch/boot/x86_64/vmlinuz", "k"),
            ("arch/checksum.x86_64.md5", "sums"),
            ("arch/x86_64/lib-modules.fs.sfs", "layer"),
            ("arch/x86_64/root-image.fs.sfs", "root"),
        ]);
        assert_eq!(
            fetched(&found.entries[0], Transport::Http, "checksum=y"),
            [
                "arch/aitab",
                "arch/x86_64/root-image.fs.sfs",
                "arch/x86_64/lib-modules.fs.sfs",
                "arch/any/usr-share.fs.sfs",
                "arch/checksum.x86_64.md5",
            ]
        );
    }
}
