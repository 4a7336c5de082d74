//! Unified kernel images on a medium, and what their sections say.

use crate::boot_config::{self, BootConfig, file_names};
use crate::images::cpu::Firmware;
use crate::images::medium::Medium;
use crate::pe::{self, Signed};
use crate::vfs::{Kind, Tree};

/// Most unified kernel images of one medium.
const MAX_PROGRAMS: usize = 16;
/// Most EFI programs of one medium that are looked into.
const MAX_CANDIDATES: usize = 64;
/// Most profiles of one image.
const MAX_PROFILES: usize = 8;
/// Longest section of text read, in bytes.
const MAX_TEXT: u64 = 64 * 1024;
/// Longest title, in characters.
const MAX_TITLE: usize = 96;

/// A unified kernel image.
#[derive(Clone, Debug)]
pub(super) struct Uki {
    /// Path on the medium.
    pub(super) path: String,
    /// The firmware it is for.
    pub(super) firmware: Firmware,
    /// Size of its initramfs in bytes.
    pub(super) initrd_bytes: u64,
    /// Signers of the program.
    pub(super) signed: Signed,
    /// Its profiles, at least one.
    pub(super) profiles: Vec<Profile>,
}

/// One way to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its number for systemd's stub; `None` in an image without profiles.
    pub(super) number: Option<usize>,
    /// Its `ID=`; empty for the first.
    pub(super) id: String,
    /// Its arguments (`.cmdline`).
    pub(super) arguments: Vec<String>,
    /// Name and version of its system, and of the profile; `None` where it does not say.
    pub(super) title: Option<String>,
}

/// Finds the unified kernel images of a medium: those of loader entries first, in their order.
pub(super) fn find(medium: Medium<'_>, config: &BootConfig) -> Vec<Uki> {
    let tree = medium.tree;
    let named = config.entries.iter().filter(|entry| {
        let is_program = entry.program != boot_config::Program::Linux;
        is_program && tree.file(&entry.kernel).is_some()
    });
    let mut paths: Vec<String> = named.map(|entry| entry.kernel.clone()).collect();
    let folders = [linux_folder(medium), Some(String::new())];
    for folder in folders.into_iter().flatten() {
        let programs = file_names(tree, &folder).filter(|name| is_program(name));
        paths.extend(programs.map(|name| match folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }));
    }
    let mut found: Vec<Uki> = Vec::new();
    for path in paths.into_iter().take(MAX_CANDIDATES) {
        let is_new = found.iter().all(|uki| uki.path != path);
        if is_new && found.len() < MAX_PROGRAMS {
            found.extend(parse(medium, path));
        }
    }
    found
}

/// Returns the path of `EFI/Linux`, in either case.
fn linux_folder(medium: Medium<'_>) -> Option<String> {
    let tree = medium.tree;
    let folder = |parent: &str, wanted: &str| {
        let id = match parent {
            "" => Tree::ROOT,
            parent => tree.lookup(Tree::ROOT, parent.as_bytes())?,
        };
        let names = tree.entries(id).iter().filter_map(|(name, id)| {
            let is_folder = matches!(tree.node(*id)?.kind, Kind::Directory(_));
            std::str::from_utf8(name).ok().filter(|_| is_folder)
        });
        let mut alike = names.filter(|name| name.eq_ignore_ascii_case(wanted));
        alike.next().map(str::to_owned)
    };
    let efi = folder("", "efi")?;
    let linux = folder(&efi, "linux")?;
    Some(format!("{efi}/{linux}"))
}

fn is_program(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".efi")
}

/// Reads one image; `None` for another program.
fn parse(medium: Medium<'_>, path: String) -> Option<Uki> {
    let content = medium.tree.file(&path)?;
    let program = pe::Program::parse(content, medium.read)?;
    program.section_bytes(b".linux")?;
    let firmware = Firmware::of(program.arch()?)?;
    let profiles = (0..program.profiles().clamp(1, MAX_PROFILES))
        .filter_map(|number| profile(&program, number));
    Some(Uki {
        firmware,
        initrd_bytes: program.section_bytes(b".initrd").unwrap_or(0),
        signed: program.signed(),
        profiles: profiles.collect(),
        path,
    })
}

/// Reads one profile.
fn profile(program: &pe::Program<'_>, number: usize) -> Option<Profile> {
    let text = |name: &[u8]| {
        let bytes = program.section_of(number, name, MAX_TEXT)?;
        // Sections are padded to the alignment of the file.
        let text = String::from_utf8_lossy(&bytes);
        Some(text.trim_end_matches('\0').trim().to_owned())
    };
    let arguments = text(b".cmdline").unwrap_or_default();
    let own = text(b".profile").unwrap_or_default();
    let system = text(b".osrel").unwrap_or_default();
    let version = value(&system, "IMAGE_VERSION").or_else(|| text(b".uname"));
    let name = value(&system, "PRETTY_NAME").or_else(|| value(&system, "NAME"));
    let title = name.map(|name| {
        let more = [version, value(&own, "TITLE")].into_iter().flatten();
        let more: Vec<String> = more.filter(|text| !text.is_empty()).collect();
        let title = match &more[..] {
            [] => name,
            more => format!("{name} ({})", more.join(", ")),
        };
        title.chars().take(MAX_TITLE).collect()
    });
    Some(Profile {
        number: (program.profiles() > 0).then_some(number),
        id: match number {
            0 => String::new(),
            _ => value(&own, "ID").unwrap_or_else(|| number.to_string()),
        },
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        title,
    })
}

/// Returns the value of a line `KEY=VALUE` as in os-release(5).
fn value(text: &str, key: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
    let (_, value) = lines.find(|(found, _)| *found == key)?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}
