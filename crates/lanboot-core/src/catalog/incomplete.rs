//! Entries that cannot start because a file they need is damaged: they are shown with the reason,
//! never started unattended and never offered by other servers' configuration.

use std::fmt;
use std::sync::Arc;

use super::{Catalog, Image};
use crate::boot_config::file_names;
use crate::images::Entry;
use crate::vfs::Damage;

/// Most damaged images named in one sentence.
const MAX_NAMED: usize = 3;

/// The damage that stops an entry from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The file, by its path on the medium.
    pub path: String,
    /// The damage of the file.
    pub damage: Damage,
}

impl fmt::Display for Incomplete {
    /// Writes `incomplete: 1924224 of 3000000 bytes (arch/x86_64/airootfs.sfs)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.damage, self.path)
    }
}

impl Catalog {
    /// Lists every kernel entry that cannot start because something of it is damaged, with the
    /// reason.
    pub fn incomplete_entries(&self) -> impl Iterator<Item = (&Arc<Image>, &Entry, Incomplete)> {
        self.images().iter().flat_map(|image| {
            let entries = image.found.entries.iter();
            entries.filter_map(move |entry| Some((image, entry, image.incomplete(entry)?)))
        })
    }

    /// Returns a sentence about images nothing of which can start because they are damaged; `None`
    /// where there are none.
    pub fn about_incomplete(&self) -> Option<String> {
        let images = self.images().iter();
        let all: Vec<String> = images
            .filter_map(|image| Some(format!("{} is {}", image.name, image.unusable()?)))
            .collect();
        let named = all.get(..MAX_NAMED.min(all.len()))?.join(", ");
        match all.len() {
            0 => None,
            n if n > MAX_NAMED => Some(format!("{named} and {} more", n - MAX_NAMED)),
            _ => Some(named),
        }
    }
}

impl Image {
    /// Returns the first file that `entry` needs and that cannot be handed out; `None` when it can
    /// start.
    pub fn incomplete(&self, entry: &Entry) -> Option<Incomplete> {
        let beside = self.beside(entry);
        let own = entry.files().map(str::to_owned);
        let of_file = own.chain(beside).find_map(|path| {
            let damage = self.tree.file(&path)?.damage()?;
            Some(Incomplete { path, damage })
        });
        of_file.or_else(|| {
            self.incomplete_whole()
                .filter(|_| entry.contains_whole_image())
        })
    }

    /// Returns the damage of the image as a whole.
    fn incomplete_whole(&self) -> Option<Incomplete> {
        let damage = self.whole().damage().filter(|_| !self.is_files())?;
        Some(Incomplete {
            path: self.file.clone(),
            damage,
        })
    }

    /// Lists files that an initramfs may fetch with its root: its signature, its checksum and
    /// further layers.
    fn beside<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = String> + use<'a> {
        let root = entry.root.as_deref();
        let own = root.map(|root| root.rsplit_once('/').map_or("", |(folder, _)| folder));
        let more = entry.layer_folders().iter().map(String::as_str);
        own.into_iter().chain(more).flat_map(|folder| {
            let names = file_names(&self.tree, folder);
            names.map(move |name| format!("{folder}/{name}"))
        })
    }

    /// Returns the reason why machines do not start it when nobody chooses: something is missing,
    /// and no entry of it can start.
    pub fn unusable(&self) -> Option<Incomplete> {
        if self.starts().next().is_some() {
            return None;
        }
        let mut entries = self.found.entries.iter();
        let of_entry = entries.find_map(|entry| self.incomplete(entry));
        of_entry.or_else(|| self.incomplete_whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Cpu, Firmware};
    use crate::loaders::{Loaders, PxelinuxModules};
    use crate::machine::{Arch, Mac, Machine, Stage};
    use crate::menus::{Menu, ipxe, pxelinux};
    use crate::plan::{
        BootChoice, CannotBoot, LoaderChoice, MenuKind, NoLoader, Offers, Transports, offer,
    };
    use crate::testing::{cut_image, image, server, whole_image};
    use crate::vfs::ImageId;

    const SAID: &str = "incomplete: 1924224 of 3000000 bytes";
    const PATH: &str = "(arch/x86_64/airootfs.sfs)";

    fn catalog(images: Vec<Image>) -> Catalog {
        Catalog::new(images.into_iter().map(Arc::new).collect())
    }

    fn starts(catalog: &Catalog, wanted: Option<&str>) -> Option<String> {
        let choice = BootChoice::resolve(catalog, wanted).unwrap();
        choice.of(Firmware::Bios64).map(str::to_owned)
    }

    #[test]
    fn the_next_whole_image_is_the_default() {
        let cut = || cut_image("cut", &[Cpu::X86_64]);
        let both = catalog(vec![cut(), image("whole", &[Cpu::X86_64])]);
        assert_eq!(starts(&both, None).as_deref(), Some("whole-x86_64"));
        assert_eq!(both.default_image().unwrap().name, "whole");
        let ids: Vec<&str> = both.entries().map(|(_, e)| e.id.as_str()).collect();
        assert_eq!(ids, ["whole-x86_64"]);
        for wanted in ["cut", "cut-x86_64"] {
            let refused = BootChoice::resolve(&both, Some(wanted)).unwrap_err();
            assert!(matches!(refused, CannotBoot::Incomplete(..)), "{refused}");
            assert!(refused.to_string().contains(SAID), "{refused}");
        }
        // Its other entry is whole, so the image stays where it was.
        let half = catalog(vec![
            cut_image("half", &[Cpu::X86_64, Cpu::I686]),
            image("whole", &[Cpu::X86_64]),
        ]);
        assert_eq!(half.default_image().unwrap().name, "half");
        assert_eq!(starts(&half, Some("half")).as_deref(), Some("half-i686"));
        assert!(half.about_incomplete().is_none());
    }

    #[test]
    fn where_nothing_is_whole_the_reason_is_given() {
        let images = (0..5).map(|n| cut_image(&format!("i{n}"), &[Cpu::X86_64]));
        let cut = catalog(images.collect());
        let machine = Machine {
            mac: Mac([2; 6]),
            stage: Stage::Ipxe,
            uuid: None,
            arch: Some(Arch::X86Bios),
        };
        let offers = Offers {
            catalog: &cut,
            loaders: &Loaders::default(),
            choice: &LoaderChoice::default(),
            boot: &BootChoice::first(&cut),
            menu: MenuKind::Generated,
            proxy: false,
        };
        let refused = offer(&machine, &offers, &server());
        let NoLoader::Incomplete(said) = refused.unwrap_err() else {
            panic!("it is incomplete");
        };
        assert!(
            said.starts_with(&format!("i0 is {SAID} {PATH}, i1 is")),
            "{said}"
        );
        assert!(said.ends_with("and 2 more"), "{said}");
        assert_eq!(cut.default_image().unwrap().name, "i0");
    }

    #[test]
    fn menus_show_what_is_missing_and_do_not_start_it() {
        let both = catalog(vec![
            cut_image("cut", &[Cpu::X86_64]),
            image("whole", &[Cpu::X86_64]),
        ]);
        let menu = Menu {
            timeout: None,
            boot: BootChoice::first(&both),
            append: String::new(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        };
        let text = ipxe(&both, &menu, &server(), crate::plan::Memory::Unknown);
        let gap = format!("item --gap cut (x86_64) - {SAID} ||");
        assert!(text.lines().any(|line| line.ends_with(&gap)), "{text}");
        assert!(
            !text.contains("entry-cut") && !text.contains("/iso/cut/"),
            "{text}"
        );
        let text = pxelinux(&both, &menu, &server(), PxelinuxModules::default());
        let label = format!("LABEL cut-x86_64\nMENU LABEL cut (x86_64) - {SAID}\nMENU DISABLE\n");
        assert!(
            text.contains(&label) && !text.contains("/iso/cut/"),
            "{text}"
        );
        assert!(text.contains("DEFAULT whole-x86_64"), "{text}");
        let grub = crate::menus::Grub {
            catalog: &both,
            loaders: &Loaders::default(),
            menu: &menu,
            server: &server(),
            netmask: [255, 255, 255, 0].into(),
        };
        let text = grub.first();
        let entry = format!("menuentry 'cut (x86_64) - {SAID}' --id 'entry-cut-x86_64' {{");
        assert!(
            text.contains(&entry) && !text.contains("/iso/cut/"),
            "{text}"
        );
    }

    #[test]
    fn an_image_that_lacks_its_end_does_not_start_as_a_whole() {
        let mut whole = whole_image("memtest", &[]);
        assert!(whole.is_whole_entry() && whole.unusable().is_none());
        whole.recorded_size = whole.size + 1;
        assert!(!whole.is_whole_entry());
        let said = whole.unusable().unwrap().to_string();
        assert_eq!(said, "incomplete: 4096 of 4097 bytes (memtest.iso)");
        let refused = BootChoice::resolve(&catalog(vec![whole]), Some("memtest"));
        assert!(matches!(refused, Err(CannotBoot::Incomplete(..))));
    }

    #[test]
    fn what_lies_beside_the_root_counts_as_part_of_it() {
        let mut image = cut_image("cut", &[Cpu::X86_64]);
        image.found.entries[0].root = Some("arch/x86_64/airootfs.erofs".into());
        let entry = &image.found.entries[0];
        assert_eq!(
            image.incomplete(entry).unwrap().to_string(),
            format!("{SAID} {PATH}")
        );
        assert_eq!(image.id, ImageId(7));
        image.found.entries[0].root = Some("arch/i686/airootfs.sfs".into());
        assert!(image.incomplete(&image.found.entries[0]).is_none());
    }
}
