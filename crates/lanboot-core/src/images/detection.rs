//! The findings of a family on a medium.

use super::entry::Entry;
use super::entry_kind::EntryKind;
use super::evidence::{Evidence, Sureness};
use super::lack::{Lack, Part};
use super::note::Note;
use super::test_boot::{self, Setup, TestBoot};
use crate::initramfs::Contents;
use crate::machine::Arch;
use crate::media::Format;
use crate::vfs::{Content, Tree};

/// The medium's own PXE menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMenu {
    /// The loader's path on the medium.
    pub loader: String,
    /// Option 209, relative to the prefix.
    pub config: String,
    /// Option 210, where the loader's own folder is not it.
    pub prefix: Option<String>,
}

/// A file that this server adds at the top of a medium, for what starts there to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its name; one on the medium has precedence.
    pub name: &'static str,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// The findings on a medium; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Detection {
    /// The family's name, with its variant; `None` when it is of no known family.
    pub family: Option<&'static str>,
    /// The evidence for the family, the surest first; empty where it is of none.
    pub evidence: Vec<Evidence>,
    /// The boots of the family's media by this project's tests, of all its variants.
    pub boots: &'static [TestBoot],
    /// File system that its files were read from; `None` where nothing was read.
    pub format: Option<Format>,
    /// The name and version it gives itself.
    pub product: Option<String>,
    /// The entries it can boot; empty when nothing was recognised.
    pub entries: Vec<Entry>,
    /// The entries it could boot if its initramfs could use the network; in no menu.
    pub unreachable: Vec<Entry>,
    /// True if it starts as a disk, too: the entry for that is made from its boot images.
    pub as_disk: bool,
    /// The files that are added at the top of it.
    pub added: Vec<Added>,
    /// The menu it carries for PXE.
    pub stock: Option<StockMenu>,
    /// The folder on it with `lpxelinux.0` and its modules.
    pub pxelinux: Option<String>,
    /// True if firmware can start it as a disk: it has an El Torito boot image for UEFI.
    pub efi_boot: bool,
    /// The UEFI firmware that can; empty when it cannot be determined.
    pub efi_archs: Vec<Arch>,
    /// Warnings for a person: one sentence each.
    pub warnings: Vec<String>,
}

impl Detection {
    /// Returns the name people know the family by.
    pub fn family_name(&self) -> &'static str {
        self.family.unwrap_or("unknown")
    }

    /// Returns how sure the family is; `None` where it is of none.
    pub fn sureness(&self) -> Option<Sureness> {
        let mut evidence = self.evidence.iter();
        self.family?;
        evidence.next().map(|evidence| evidence.sureness())
    }

    /// Lists the boots of media like this one by this project's tests.
    pub fn tested(&self) -> Vec<TestBoot> {
        self.boots_of_variant().copied().collect()
    }

    /// Lists those that show something of `entry`.
    pub fn tested_of(&self, entry: &Entry) -> Vec<TestBoot> {
        if entry.notes.contains(&Note::NotBooted) {
            return Vec::new();
        }
        test_boot::of_entry(self.boots_of_variant(), entry)
    }

    /// Lists the ways in which `entry` is offered, with the operator's own arguments `append`, and no
    /// boot shows it.
    pub fn untested_of(&self, entry: &Entry, append: &str) -> Vec<Setup> {
        let tested = self.tested_of(entry);
        let mut setups = test_boot::offered(entry, append);
        setups.retain(|setup| tested.iter().all(|boot| boot.setup != *setup));
        setups
    }

    fn boots_of_variant(&self) -> impl Iterator<Item = &TestBoot> {
        test_boot::of_variant(self.boots, self.family_name())
    }

    /// Notes which entries no boot shows.
    pub(crate) fn note_untested(&mut self) {
        let untested = |entry: &Entry| {
            let boots = test_boot::of_variant(self.boots, self.family_name());
            test_boot::of_entry(boots, entry).is_empty() && !entry.notes.contains(&Note::NotBooted)
        };
        let is_untested: Vec<bool> = self.all_entries().map(untested).collect();
        let entries = self.entries.iter_mut().chain(&mut self.unreachable);
        for (entry, _) in entries.zip(is_untested).filter(|(_, is)| *is) {
            entry.notes.insert(0, Note::NotBooted);
        }
    }

    fn all_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().chain(&self.unreachable)
    }

    /// Returns the medium's tree with what is added to it.
    pub fn added_to(&self, tree: Tree) -> Tree {
        let files = self.added.iter();
        files.fold(tree, |tree, file| {
            tree.with_file(file.name.as_bytes(), Content::memory(file.bytes.clone()))
        })
    }

    /// Returns whether the image is one of a disk drive, which firmware is given as such.
    pub fn is_drive(&self) -> bool {
        self.format.is_some_and(Format::is_drive)
    }

    /// Takes entries that no root can reach out of the menus, with a warning. Every other lack is a
    /// warning, too.
    pub(crate) fn withdraw(&mut self) {
        let (unreachable, entries) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry: &Entry| entry.why_unreachable().is_some());
        self.entries = entries;
        self.unreachable = unreachable;
        self.warnings.extend(self.lack_sentences());
    }

    fn lack_sentences(&self) -> Vec<String> {
        let silent = self.unreachable.iter().filter_map(|entry| {
            let why = entry.why_unreachable()?;
            Some(format!("{} is not offered: {why}", entry.id))
        });
        let of_bios = self.entries.iter().filter_map(Entry::too_large_for_bios);
        let mut sentences: Vec<String> = silent.chain(of_bios).collect();
        let of_transports = |lack: &&Lack| lack.part != Part::RamDisk;
        let lacks = self.entries.iter().flat_map(|entry| &entry.lacks);
        for lack in lacks.filter(of_transports).map(ToString::to_string) {
            if !sentences.contains(&lack) {
                sentences.push(lack);
            }
        }
        sentences
    }

    /// Replaces what the medium's list of packages says about each initramfs by what is in it, which
    /// decides how it finds its root, too.
    /// `list` takes the initramfs files of an entry and returns `None` where they cannot be listed.
    pub fn examine(&mut self, mut list: impl FnMut(&[String]) -> Option<Contents>) {
        let before = self.lack_sentences();
        self.warnings.retain(|warning| !before.contains(warning));
        self.entries.append(&mut self.unreachable);
        for entry in &mut self.entries {
            if entry.root_source.examiner().is_none() {
                continue;
            }
            let linux = match &entry.kind {
                EntryKind::Linux(linux) => linux,
                EntryKind::Program(_) | EntryKind::Multiboot(_) | EntryKind::Disk(_) => continue,
            };
            let Some(contents) = list(&linux.initrd) else {
                continue;
            };
            let path = linux.initrd.last().map_or("", String::as_str);
            if let Some(source) = entry.root_source.with_contents(&contents) {
                entry.root_source = source;
            }
            let examiner = entry.root_source.examiner();
            entry.lacks = examiner.map_or_else(Vec::new, |lacks| lacks(&contents, path));
            // It has everything that this family's scripts need.
            let is_shown = examiner.is_some() && entry.lacks.is_empty();
            if is_shown && !self.evidence.contains(&Evidence::Initramfs) {
                self.evidence.insert(0, Evidence::Initramfs);
            }
        }
        self.withdraw();
    }

    /// Returns why a system booted from the whole image as a RAM disk would not find its root there,
    /// as far as [`Self::examine`] found out: what the first entry lacks.
    pub fn ram_disk_lack(&self) -> Option<&Lack> {
        let entry = self.entries.iter().chain(&self.unreachable).next()?;
        let mut lacks = entry.lacks.iter();
        lacks.find(|lack| lack.part == Part::RamDisk)
    }
}
