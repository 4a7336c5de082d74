//! VMware ESXi's installer. Recognised by `boot.cfg` at the top of the medium with `kernel=` and
//! `modules=`; names on the medium are in upper case, those in the file in lower case.
//!
//! UEFI: the program in `EFI/BOOT` of the ISO file system is `mboot.efi`, which takes the URL of a
//! `boot.cfg` by `-c`, and further words as options of the kernel. Names in it without a slash are
//! beside it (mboot's default for `prefix=`), so this server adds one at the top of the medium that says
//! each file as it is called there, and not `cdromBoot`. BIOS: `mboot.c32` is for SYSLINUX 3.86, which no
//! loader of today can run, so only the image as a disk is left.
//!
//! Read in vmware/esx-boot (`README.md`, `mboot/mboot.c`, `mboot/config.c`) and in VMware's *Boot the ESXi
//! Installer by Using iPXE and HTTP* and *About the boot.cfg File*; contents of `boot.cfg` of 6.7 to 8.0 as
//! public installation scripts have them.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::images::detection::{Added, Detection};
use crate::images::efi;
use crate::images::entry::{Boot, Entry, RootSource};
use crate::images::entry_kind::ProgramFile;
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::program_files::{self, first_of_each, uefi_of};
use crate::text::printable;
use crate::vfs::{Kind, Tree};

/// ESXi's installer.
pub(super) static FAMILY: Family = Family {
    name: "VMware ESXi",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: &[],
};

/// Name of the added file at the top of the medium.
const ADDED: &str = "lanboot-boot.cfg";
/// Separator of the modules in `modules=`.
const SEPARATOR: &str = "---";
/// Most modules of one medium: those of ESXi 8 with a vendor's drivers have 250.
const MAX_MODULES: usize = 2048;
/// Keys that are copied as they are.
const KEPT: [&str; 3] = ["bootstate", "title", "timeout"];

/// Recognises the installer's medium.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let path = find(medium.tree, "boot.cfg")?;
    let config = (medium.read)(medium.tree.file(&path)?)?;
    let config = Config::parse(&printable_lines(&config))?;
    let mut found = Detection {
        family: Some("ESXi"),
        evidence: vec![Evidence::Menu],
        as_disk: true,
        ..Detection::default()
    };
    match config.here(medium.tree) {
        Ok(here) => {
            found.entries.extend(entry(medium, &config, &here));
            found.added.push(Added {
                name: ADDED,
                bytes: here.text.into_bytes(),
            });
        }
        Err(warning) => found.warnings.push(warning),
    }
    Some(found)
}

/// Returns the lines of a text, each printable.
fn printable_lines(bytes: &[u8]) -> Vec<String> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .map(|line| printable(line.trim_ascii(), bytes.len()))
        .collect()
}

/// The values of `boot.cfg`.
struct Config {
    /// Keys that are copied, with their values.
    kept: Vec<(String, String)>,
    /// The kernel, then the modules, each with its options.
    files: Vec<String>,
    /// Options of the kernel.
    options: Vec<String>,
}

/// The same for a boot over the network.
struct Here {
    text: String,
    /// Size of kernel and modules in bytes.
    bytes: u64,
}

impl Config {
    /// Parses the lines of a `boot.cfg`; `None` for one of something else.
    fn parse(lines: &[String]) -> Option<Self> {
        let value = |key: &str| {
            let mut pairs = lines.iter().filter_map(|line| line.split_once('='));
            pairs
                .find(|(found, _)| *found == key)
                .map(|(_, value)| value)
        };
        let modules = value("modules")?.split(SEPARATOR).map(str::trim);
        let modules = modules
            .filter(|module| !module.is_empty())
            .map(str::to_owned);
        let files = [value("kernel")?.to_owned()].into_iter().chain(modules);
        let kept = KEPT
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), value(key)?.to_owned())));
        let files: Vec<String> = files.take(MAX_MODULES + 2).collect();
        (files.len() > 1).then(|| Self {
            kept: kept.collect(),
            files,
            options: value("kernelopt")
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Returns the file that is added, or the reason that there is none.
    fn here(&self, tree: &Tree) -> Result<Here, String> {
        if self.files.len() > MAX_MODULES {
            return Err("its boot.cfg names too many modules".into());
        }
        let (mut found, mut bytes) = (Vec::new(), 0_u64);
        for file in &self.files {
            let (name, options) = file.split_once(' ').unwrap_or((file, ""));
            let path = find(tree, name.trim_start_matches('/'));
            let content = path.as_deref().and_then(|path| tree.file(path));
            let (Some(path), Some(content)) = (path, content) else {
                return Err(format!("its boot.cfg names {name}, which is not on it"));
            };
            if let Some(damage) = content.damage() {
                return Err(format!("its module {path} is {damage}"));
            }
            if !is_plain(&path) {
                return Err(format!(
                    "its module {path} has a name that its loader cannot fetch"
                ));
            }
            bytes = bytes.saturating_add(content.len());
            found.push(format!("{path} {options}").trim_end().to_owned());
        }
        let mut text = String::new();
        for (key, value) in &self.kept {
            let _ = writeln!(text, "{key}={value}");
        }
        let (kernel, modules) = found.split_first().map_or(("", &[][..]), |(k, m)| (k, m));
        let local = |word: &&String| *word != "cdromBoot" && script_on_medium(word).is_none();
        let options: Vec<&str> = self
            .options
            .iter()
            .filter(local)
            .map(String::as_str)
            .collect();
        let modules = modules.join(&format!(" {SEPARATOR} "));
        let _ = writeln!(
            text,
            "kernel={kernel}\nkernelopt={}\nmodules={modules}",
            options.join(" ")
        );
        Ok(Here { text, bytes })
    }
}

/// Tests whether a path can stand in a URL and in a list of modules as it is.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    path.bytes().all(plain) && !path.contains(SEPARATOR)
}

/// Returns the path of an installation script that an option names on the medium.
fn script_on_medium(option: &str) -> Option<&str> {
    let path = ["ks=cdrom:", "ks=usb:"]
        .iter()
        .find_map(|start| option.strip_prefix(start))?;
    Some(path.trim_start_matches('/'))
}

/// Returns the entry for UEFI machines.
fn entry(medium: Medium<'_>, config: &Config, here: &Here) -> Option<Entry> {
    let files = efi::programs(medium.tree).into_iter().filter_map(|path| {
        let firmware = uefi_of(medium.tree.file(&path)?, medium.read)?;
        Some(ProgramFile { firmware, path })
    });
    let files: Vec<ProgramFile> = files.collect();
    let mut options = config.options.iter();
    let script = options.find_map(|option| find(medium.tree, script_on_medium(option)?));
    let script = script.filter(|path| is_plain(path));
    Some(Entry {
        root_source: Arc::new(Mboot { script }),
        initrd_bytes: here.bytes,
        notes: Vec::new(),
        ..program_files::entry(medium, first_of_each(&files))?
    })
}

/// `mboot.efi`.
#[derive(Clone, Debug)]
struct Mboot {
    /// Path on the medium of the installation script.
    script: Option<String>,
}

impl RootSource for Mboot {
    fn arguments(&self, _entry: &Entry, boot: &Boot<'_>) -> Vec<String> {
        let (server, image) = (boot.source.server, boot.source.image);
        let url = |path: &str| format!("{}/iso/{image}/{path}", server.http);
        let mut words = vec!["-c".to_owned(), url(ADDED)];
        let script = self
            .script
            .as_deref()
            .filter(|_| !boot.append.contains("ks="));
        words.extend(script.map(|path| format!("ks={}", url(path))));
        words.extend(boot.append.split_whitespace().map(str::to_owned));
        words
    }

    /// GRUB does not put the program's name before the arguments, where mboot expects it.
    fn needs_ipxe(&self) -> bool {
        true
    }
}

/// Finds a file by its path in any case, as ESXi does; returns the path as it is recorded.
fn find(tree: &Tree, path: &str) -> Option<String> {
    let (mut folder, mut found, mut is_file) = (Tree::ROOT, Vec::new(), false);
    for name in path.split('/') {
        let mut entries = tree.entries(folder).iter();
        let (recorded, id) = entries.find(|(of, _)| of.eq_ignore_ascii_case(name.as_bytes()))?;
        found.push(std::str::from_utf8(recorded).ok()?);
        is_file = matches!(tree.node(*id)?.kind, Kind::File(_));
        folder = *id;
    }
    is_file.then(|| found.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::entry_kind::MenuLoader;
    use crate::images::{Dialect, Firmware, MountSource, Transport};
    use crate::testing::{medium, program, server, tree_of};
    use crate::vfs::Identity;

    /// The file of ESXi 7.0 and 8.0 (installer ISO), with fewer modules.
    const CONFIG: &str = "bootstate=0\r\ntitle=Loading ESXi installer\r\ntimeout=5\r\nprefix=\r\n\
        kernel=/b.b00\r\nkernelopt=runweasel cdromBoot\r\n\
        modules=/jumpstrt.gz --- /useropts.gz --- /k.b00 --- /imgdb.tgz\r\n\
        build=8.0.2-0.0.22380479\r\nupdated=0\r\n";

    fn files(config: &str) -> Vec<(&'static str, Vec<u8>)> {
        let module = |name| (name, vec![0; 10]);
        vec![
            ("BOOT.CFG", config.as_bytes().to_vec()),
            ("EFI/BOOT/BOOTX64.EFI", program(0x8664, &[], &["VMware"])),
            ("EFI/BOOT/CRYPTO64.EFI", program(0x8664, &[], &[])),
            module("B.B00"),
            module("IMGDB.TGZ"),
            module("JUMPSTRT.GZ"),
            module("K.B00"),
            module("KS.CFG"),
            module("USEROPTS.GZ"),
        ]
    }

    fn found(files: &[(&str, Vec<u8>)]) -> Option<Detection> {
        detect(medium(&tree_of(files), "esxi", "ESXI-8"))
    }

    fn command_line(entry: &Entry, append: &str) -> String {
        let server = server();
        let source = MountSource {
            server: &server,
            image: "esxi",
            identity: Identity([0; 16]),
        };
        entry.command_line(Transport::Http, source, Dialect::Ipxe, append)
    }

    #[test]
    fn its_own_configuration_is_made_for_the_network() {
        let found = found(&files(CONFIG)).unwrap();
        let [added] = &found.added[..] else {
            panic!("{:?}", found.added)
        };
        let expected = "bootstate=0\ntitle=Loading ESXi installer\ntimeout=5\nkernel=B.B00\n\
            kernelopt=runweasel\n\
            modules=JUMPSTRT.GZ --- USEROPTS.GZ --- K.B00 --- IMGDB.TGZ\n";
        assert_eq!(String::from_utf8_lossy(&added.bytes), expected);
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((entry.initrd_bytes, &entry.notes[..]), (50, &[][..]));
        let url = "-c http://10.0.0.1/iso/esxi/lanboot-boot.cfg";
        assert_eq!(command_line(entry, ""), url);
        assert_eq!(
            command_line(entry, "ks=http://a/b"),
            format!("{url} ks=http://a/b")
        );
        let starts = |loader| entry.starts_by(loader, Firmware::X64Uefi);
        assert!(starts(MenuLoader::Ipxe) && !starts(MenuLoader::Grub));
        assert!(found.as_disk && !entry.starts_on(Firmware::Bios64));
    }

    #[test]
    fn an_installation_script_on_the_medium_comes_from_here() {
        let config = CONFIG.replace("cdromBoot", "ks=cdrom:/ks.cfg allowLegacyCPU=true");
        let found = found(&files(&config)).unwrap();
        let text = String::from_utf8_lossy(&found.added[0].bytes).into_owned();
        assert!(
            text.contains("kernelopt=runweasel allowLegacyCPU=true\n"),
            "{text}"
        );
        let line = command_line(&found.entries[0], "");
        assert!(
            line.ends_with("lanboot-boot.cfg ks=http://10.0.0.1/iso/esxi/KS.CFG"),
            "{line}"
        );
    }

    #[test]
    fn a_module_that_is_missing_is_named() {
        let mut incomplete = files(CONFIG);
        incomplete.retain(|(name, _)| *name != "K.B00");
        let found = found(&incomplete).unwrap();
        assert!(found.entries.is_empty() && found.added.is_empty());
        assert_eq!(
            found.warnings,
            ["its boot.cfg names /k.b00, which is not on it"]
        );
    }

    #[test]
    fn other_media_are_not_claimed() {
        assert!(found(&files("")).is_none());
        assert!(found(&files("kernel=/b.b00\n")).is_none());
        assert!(found(&files("kernel=/b.b00\nmodules=\n")).is_none());
        assert!(found(&[("readme", vec![1])]).is_none());
    }
}
