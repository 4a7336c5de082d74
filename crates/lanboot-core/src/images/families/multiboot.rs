//! Media whose menus start a multiboot kernel: Xen with its first domain, and others.
//!
//! Kernel, modules and arguments come from the medium's GRUB menu (`multiboot2` and `module2`, as
//! Debian's `20_linux_xen` and XCP-ng's installer write them).

use crate::boot_config::{MenuEntry, Program};
use crate::images::cpu::{Cpu, Firmware};
use crate::images::detection::Detection;
use crate::images::entry::{Entry, Note};
use crate::images::entry_kind::{EntryKind, MenuLoader, Module, Multiboot, MultibootVersion};
use crate::images::evidence::Evidence;
use crate::images::family::Family;
use crate::images::medium::Medium;
use crate::images::menu_groups::plainest;
use crate::images::naming::{Naming, id_and_title, names};
use crate::images::standalone;
use crate::images::test_boot::{TestBoot, TestKind};
use crate::vfs::Tree;

/// Media with a multiboot kernel.
pub(super) static FAMILY: Family = Family {
    name: "Xen",
    detect,
    mount_paths: &[],
    disk_names: &[],
    boots: BOOTS,
};

/// The boot of Xen with Debian's kernel, up to Xen's first line.
const BOOTS: &[TestBoot] = &[TestBoot::new(
    "xen",
    "Xen 4.17 of Debian 12",
    Firmware::Bios64,
    MenuLoader::Pxelinux,
)
.kind(TestKind::Multiboot)
.of("Xen")];

/// Most modules of one entry: every menu names them all.
const MAX_MODULES: usize = 16;

/// Recognises a medium whose menu starts a multiboot kernel.
fn detect(medium: Medium<'_>) -> Option<Detection> {
    let menu = &medium.menus().entries;
    let complete = menu.iter().filter(|entry| is_complete(medium.tree, entry));
    let keyed = complete.map(|entry| {
        let modules = entry.modules.iter().map(|module| module.path.clone());
        (modules.collect::<Vec<String>>(), entry)
    });
    let found = plainest(keyed, |entry| entry.arguments.len());
    let namings: Vec<Naming<'_>> = found
        .iter()
        .map(|(modules, entry)| Naming {
            cpu: cpu(entry),
            kernel: &entry.kernel,
            initrd: modules,
            root: "",
            mode: "",
        })
        .collect();
    let names = names(&namings);
    let entries = found.iter().zip(&names);
    let entries: Vec<Entry> = entries
        .map(|((_, menu), name)| entry(medium, menu, name))
        .collect();
    let is_xen = entries.iter().any(is_xen);
    (!entries.is_empty()).then_some(Detection {
        family: Some(if is_xen { "Xen" } else { "multiboot" }),
        evidence: vec![Evidence::Menu],
        entries,
        ..Detection::default()
    })
}

fn is_complete(tree: &Tree, entry: &MenuEntry) -> bool {
    version(entry).is_some()
        && entry.modules.len() <= MAX_MODULES
        && tree.file(&entry.kernel).is_some()
        && entry.modules.iter().all(|m| tree.file(&m.path).is_some())
}

fn version(entry: &MenuEntry) -> Option<MultibootVersion> {
    match entry.program {
        Program::Multiboot => Some(MultibootVersion::One),
        Program::Multiboot2 => Some(MultibootVersion::Two),
        Program::Linux | Program::Efi | Program::Uki => None,
    }
}

/// Returns the processor: Xen is for 64-bit ones, and the first version of the specification is for
/// 32-bit kernels.
fn cpu(entry: &MenuEntry) -> Cpu {
    match version(entry) {
        Some(MultibootVersion::One) if !is_named_xen(&entry.kernel) => Cpu::I686,
        _ => Cpu::X86_64,
    }
}

fn is_xen(entry: &Entry) -> bool {
    entry.files().next().is_some_and(is_named_xen)
}

fn is_named_xen(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("xen")
}

fn entry(medium: Medium<'_>, menu: &MenuEntry, name: &[String]) -> Entry {
    let (id, title) = id_and_title(medium.name, name);
    let modules = menu.modules.iter().map(|module| Module {
        path: module.path.clone(),
        arguments: module.arguments.clone(),
    });
    let sizes = menu.modules.iter().filter_map(|module| {
        let file = medium.tree.file(&module.path)?;
        Some(file.len())
    });
    let kind = EntryKind::Multiboot(Multiboot {
        version: version(menu).unwrap_or(MultibootVersion::One),
        kernel: menu.kernel.clone(),
        modules: modules.collect(),
    });
    Entry {
        id,
        title,
        inherited: menu.arguments.clone(),
        initrd_bytes: sizes.fold(0, u64::saturating_add),
        notes: vec![Note::WithoutRoot],
        ..standalone::entry(medium, cpu(menu), kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{medium, tree};

    const GRUB: &str = "menuentry 'Xen' --class xen {\n\
        multiboot2 /boot/xen.gz placeholder dom0_mem=1G console=com1\n\
        module2 /boot/vmlinuz placeholder console=hvc0 quiet\n\
        module2 --nounzip /boot/initrd.img\n}\n\
        menuentry 'Xen, verbose' {\n\
        multiboot2 /boot/xen.gz placeholder dom0_mem=1G console=com1 loglvl=all\n\
        module2 /boot/vmlinuz placeholder\nmodule2 /boot/initrd.img\n}\n\
        menuentry 'Lost' {\nmultiboot2 /boot/lost\n}\n";

    #[test]
    fn kernel_modules_and_arguments_are_the_menus() {
        let files = [
            ("boot/grub/grub.cfg", GRUB),
            ("boot/initrd.img", "iii"),
            ("boot/vmlinuz", "kk"),
            ("boot/xen.gz", "x"),
        ];
        let tree = tree(&files);
        let found = detect(medium(&tree, "xen", "XEN")).unwrap();
        assert_eq!(found.family_name(), "Xen");
        let [entry] = &found.entries[..] else {
            panic!("{:?}", found.entries)
        };
        assert_eq!((entry.id.as_str(), entry.cpu), ("xen", Cpu::X86_64));
        assert_eq!(
            entry.inherited.join(" "),
            "placeholder dom0_mem=1G console=com1"
        );
        let EntryKind::Multiboot(multiboot) = &entry.kind else {
            panic!("{:?}", entry.kind)
        };
        assert_eq!(multiboot.version, MultibootVersion::Two);
        assert_eq!(multiboot.kernel, "boot/xen.gz");
        let modules: Vec<String> = multiboot
            .modules
            .iter()
            .map(|module| format!("{} {}", module.path, module.arguments.join(" ")))
            .collect();
        let expected = [
            "boot/vmlinuz placeholder console=hvc0 quiet",
            "boot/initrd.img ",
        ];
        assert_eq!(modules, expected);
        assert_eq!(entry.initrd_bytes, 5);
        assert!(detect(medium(&crate::testing::tree(&files[1..]), "xen", "XEN")).is_none());
    }
}
