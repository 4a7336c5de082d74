//! GRUB's commands for each kind of entry, and the machines that start those that are no Linux kernels.

use std::fmt::Write as _;

use super::quoting::argument;
use crate::catalog::{Entry, Firmware};
use crate::images::{EntryKind, MenuLoader, Multiboot, MultibootVersion, Program};

/// Returns the expression that is true on this firmware. A GRUB for BIOS is the same on every
/// processor.
pub(super) fn on_firmware(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios64 | Firmware::Bios32 => "\"$grub_platform\" = \"pc\"",
        Firmware::X64Uefi => "\"$grub_cpu-$grub_platform\" = \"x86_64-efi\"",
        Firmware::X86Uefi => "\"$grub_cpu-$grub_platform\" = \"i386-efi\"",
        Firmware::Arm64Uefi => "\"$grub_cpu-$grub_platform\" = \"arm64-efi\"",
        Firmware::Riscv64Uefi => "\"$grub_cpu-$grub_platform\" = \"riscv64-efi\"",
    }
}

/// Lists the firmware on which GRUB starts `entry`.
pub(super) fn firmware_of(entry: &Entry) -> impl Iterator<Item = Firmware> + use<'_> {
    let all = Firmware::ALL.into_iter();
    all.filter(|firmware| entry.starts_by(MenuLoader::Grub, *firmware))
}

/// Tests whether the processor of `entry` alone decides where it starts.
pub(super) fn is_kernel(entry: &Entry) -> bool {
    match entry.kind {
        EntryKind::Linux(_) => true,
        EntryKind::Program(_) | EntryKind::Multiboot(_) | EntryKind::Disk(_) => false,
    }
}

/// Returns the commands that load a Linux kernel with its initramfs files, if it has any.
pub(super) fn linux_commands(kernel: &str, initrd: &[String], arguments: &str) -> String {
    match initrd {
        [] => format!("linux {kernel} {arguments}\n"),
        files => {
            let initrd = files.join(" ");
            format!("if linux {kernel} {arguments}; then initrd {initrd}; fi\n")
        }
    }
}

/// Returns the commands that start the file of a program for the firmware that GRUB runs on.
pub(super) fn program_commands(
    program: &Program,
    arguments: &str,
    file: impl Fn(&String) -> String,
) -> String {
    let path = |firmware| program.file(firmware).map(|path| file(&path.to_owned()));
    let mut out = String::new();
    let bios = on_firmware(Firmware::Bios64);
    // The real-mode entry, which every such program has.
    match (path(Firmware::Bios64), path(Firmware::Bios32)) {
        (Some(wide), Some(narrow)) if wide != narrow => {
            let _ = writeln!(
                out,
                "if [ {bios} ]; then if cpuid -l; then linux16 {wide} {arguments}; \
                 else linux16 {narrow} {arguments}; fi; fi"
            );
        }
        (Some(path), _) | (None, Some(path)) => {
            let _ = writeln!(out, "if [ {bios} ]; then linux16 {path} {arguments}; fi");
        }
        (None, None) => {}
    }
    for firmware in Firmware::ALL.into_iter().filter(|f| !f.is_bios()) {
        if let Some(path) = path(firmware) {
            let test = on_firmware(firmware);
            let _ = writeln!(
                out,
                "if [ {test} ]; then chainloader {path} {arguments}; fi"
            );
        }
    }
    out
}

/// Returns the commands that start a multiboot kernel with its modules.
pub(super) fn multiboot_commands(
    multiboot: &Multiboot,
    arguments: &str,
    file: impl Fn(&String) -> String,
) -> String {
    let (kernel, module) = match multiboot.version {
        MultibootVersion::One => ("multiboot", "module"),
        MultibootVersion::Two => ("multiboot2", "module2"),
    };
    let mut out = format!("{kernel} {} {arguments}\n", file(&multiboot.kernel));
    for of in &multiboot.modules {
        let words: Vec<String> = of.arguments.iter().map(|word| argument(word)).collect();
        let _ = writeln!(out, "{module} {} {}", file(&of.path), words.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Arch;
    use crate::menus::grub::Lock;
    use crate::pe::Signed;
    use crate::testing::{image, program_image, shim_grub};

    #[test]
    fn a_kernel_without_an_initramfs_is_loaded_alone() {
        assert_eq!(linux_commands("k", &[], "quiet"), "linux k quiet\n");
        let files = ["a".to_owned(), "b".to_owned()];
        let commands = linux_commands("k", &files, "quiet");
        assert_eq!(commands, "if linux k quiet; then initrd a b; fi\n");
    }

    #[test]
    fn a_program_may_be_signed_with_a_key_that_the_owner_enrolled() {
        let chain = shim_grub(Arch::X64Uefi, "Debian", true);
        let lock = Lock::On(Some(&chain.shim));
        let mut program = program_image("uki").found.entries.remove(0);
        assert!(lock.refuses(&program));
        program.signed = Signed::By(vec!["the owner".into()]);
        assert!(!lock.refuses(&program));
        // A kernel is its vendor's, whose key is known.
        let mut kernel = image("arch", &[crate::images::Cpu::X86_64])
            .found
            .entries
            .remove(0);
        kernel.signed = program.signed.clone();
        assert!(lock.refuses(&kernel));
    }
}
