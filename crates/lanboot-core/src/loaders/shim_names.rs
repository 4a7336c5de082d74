//! Requests beside a shim, by name. shim makes the name of the program it starts out
//! of its own, out of what it was built with, or out of what the firmware hands it, and not every
//! firmware hands it a name.

use crate::machine::Arch;
use crate::text::printable;

use super::secure_arch::secure_names;

/// Longest name looked at, in bytes. Names from broken firmware are boot entries' titles.
const MAX_NAME: usize = 255;
/// Suffixes of file names for the processors UEFI runs on.
const SUFFIXES: [&str; 6] = ["x64", "aa64", "ia32", "arm", "riscv64", "loongarch64"];
/// Beginnings of the names that shim asks for and goes on without: lists of what was taken back and
/// of further certificates, its key manager, and the program that restores boot entries.
const OPTIONAL: [&[u8]; 4] = [b"revocations", b"shim_certificate", b"mm", b"fb"];
/// Beginnings and middles of the names a shim has.
const SHIM: [&[u8]; 5] = [b"shim", b"bootnet", b"bootx64", b"bootaa64", b"bootia32"];
/// A file GRUB looks for beside itself that has no ending.
const GRUBENV: &[u8] = b"grubenv";

/// The program that a request beside a shim asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The shim itself.
    Shim,
    /// The program it starts.
    SecondStage,
    /// Something else, which may be missing.
    Other,
}

/// Classifies a file of this name beside a shim for `arch`.
///
/// shim 15.8 on some Dells asks for the title of the boot entry, its first character garbled
/// (`êonboard`, `?USB`; rhboot/shim#649, #696): so a name that is no file name, and one without an
/// ending, is the second stage, too.
pub(crate) fn wanted(name: &[u8], arch: Arch) -> Wanted {
    let is_garbled = name.iter().any(|b| !b.is_ascii_graphic());
    let name = name.to_ascii_lowercase();
    let program = stem(&name);
    let foreign = |stem: &[u8]| {
        let own = secure_names(arch).map(|(_, suffix)| suffix);
        let mut suffixes = SUFFIXES.iter().filter(|suffix| Some(**suffix) != own);
        suffixes.any(|suffix| stem.ends_with(suffix.as_bytes()))
    };
    match program {
        _ if name.is_empty() || name.len() > MAX_NAME => Wanted::Other,
        Some(stem) if OPTIONAL.iter().any(|start| stem.starts_with(start)) => Wanted::Other,
        // One truncated in front was seen too: `oader/revocations.efi`.
        Some(stem) if foreign(stem) => Wanted::Other,
        Some(stem) if is_shim(stem) => Wanted::Shim,
        Some(_) => Wanted::SecondStage,
        None if is_garbled => Wanted::SecondStage,
        None if name.contains(&b'.') || name == GRUBENV => Wanted::Other,
        None => Wanted::SecondStage,
    }
}

/// Returns whether a request at the root, where shim looks when its answer had no name in the file
/// field, can be for nothing but a second stage: no name of a file.
pub fn is_garbled(name: &[u8]) -> bool {
    name.len() <= MAX_NAME && std::str::from_utf8(name).is_err()
}

/// Parses the kind of iPXE a name is for, and the firmware if it says so: `ipxe.efi`,
/// `snponlyx64.efi`, `ipxe-arm64.efi`.
pub fn ipxe_build(name: &[u8]) -> Option<(&'static str, Option<Arch>)> {
    let name = name.to_ascii_lowercase();
    let stem = stem(&name).filter(|stem| !is_shim(stem))?;
    let kind = ["snponly", "ipxe"];
    let kind = kind
        .into_iter()
        .find(|kind| stem.starts_with(kind.as_bytes()))?;
    let rest = printable(stem.get(kind.len()..)?, MAX_NAME);
    let arch = match rest.trim_start_matches(['-', '_']) {
        "" => None,
        "x64" | "x86_64" | "amd64" => Some(Arch::X64Uefi),
        "aa64" | "arm64" | "aarch64" => Some(Arch::Arm64Uefi),
        "ia32" => Some(Arch::X86Uefi),
        _ => return None,
    };
    Some((kind, arch))
}

/// Returns whether a program of this name may be a shim.
pub fn is_shim_name(name: &[u8]) -> bool {
    stem(&name.to_ascii_lowercase()).is_some_and(is_shim)
}

/// Name of GRUB's menu.
pub(crate) const GRUB_CFG: &[u8] = b"grub.cfg";

/// Returns whether this is `grub.cfg`, or one for a machine: `grub.cfg-01-52-54-…`,
/// `grub.cfg-0A000001`.
pub(crate) fn is_grub_cfg(name: &[u8]) -> bool {
    matches!(name.strip_prefix(GRUB_CFG), Some([] | [b'-', ..]))
}

fn is_shim(stem: &[u8]) -> bool {
    SHIM.iter()
        .any(|part| stem.windows(part.len()).any(|window| window == *part))
}

/// Returns a program's name without its ending, in lower case as `name` is: Debian's packages and
/// Ubuntu's add to it.
fn stem(name: &[u8]) -> Option<&[u8]> {
    let endings: [&[u8]; 3] = [b".efi", b".efi.signed", b".efi.signed.latest"];
    endings
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_name_a_shim_makes_up_is_its_second_stage() {
        let (x64, arm) = (Arch::X64Uefi, Arch::Arm64Uefi);
        for name in [
            &b"grubx64.efi"[..],
            b"GRUBX64.EFI",
            b"grub.efi",
            b"ipxe.efi",
            b"snponly.efi",
            b"snponlyx64.efi",
            b"grubx64.efi.signed",
            b"\xeaonboard",
            b"\xefUSB",
            b"\x01NIC.Embedded.1-1-1",
            b"Onboard",
            "ê".as_bytes(),
        ] {
            assert_eq!(wanted(name, x64), Wanted::SecondStage, "{name:?}");
        }
        for name in [
            "shimx64.efi",
            "snponly-shim.efi",
            "ipxe-shimx64.efi",
            "BOOTX64.EFI",
            "bootnetx64.efi",
            "shimx64.efi.signed",
        ] {
            assert_eq!(wanted(name.as_bytes(), x64), Wanted::Shim, "{name}");
        }
        for name in [
            "revocations.efi",
            "revocations_sku.efi",
            "revocations_sbat.efi",
            "shim_certificate_0.efi",
            "mmx64.efi",
            "fbx64.efi",
            "grubaa64.efi",
            "shimaa64.efi",
            "grub.cfg",
            "grub.cfg-01-52-54-00-12-34-56",
            "command.lst",
            "autoexec.ipxe",
            "grubenv",
            "unicode.pf2",
            "BOOTX64.CSV",
            "",
        ] {
            assert_eq!(wanted(name.as_bytes(), x64), Wanted::Other, "{name}");
        }
        assert_eq!(wanted(&[0xea; 256], x64), Wanted::Other);
        assert_eq!(wanted(b"grubaa64.efi", arm), Wanted::SecondStage);
        assert_eq!(wanted(b"snponly-shimaa64.efi", arm), Wanted::Shim);
        assert_eq!(wanted(b"grubx64.efi", arm), Wanted::Other);
        let ia32 = Arch::X86Uefi;
        assert_eq!(wanted(b"grubia32.efi", ia32), Wanted::SecondStage);
        assert_eq!(wanted(b"bootnetia32.efi", ia32), Wanted::Shim);
        assert_eq!(wanted(b"grubx64.efi", ia32), Wanted::Other);
    }

    #[test]
    fn ipxe_is_known_by_its_name_with_and_without_a_processor() {
        let (x64, arm) = (Some(Arch::X64Uefi), Some(Arch::Arm64Uefi));
        for (name, expected) in [
            ("ipxe.efi", Some(("ipxe", None))),
            ("SNPONLY.EFI", Some(("snponly", None))),
            ("snponlyx64.efi", Some(("snponly", x64))),
            ("ipxe-arm64.efi", Some(("ipxe", arm))),
            ("ipxeaa64.efi", Some(("ipxe", arm))),
            ("ipxe-shim.efi", None),
            ("ipxe-shimx64.efi", None),
            ("ipxeia32.efi", Some(("ipxe", Some(Arch::X86Uefi)))),
            ("ipxe.iso", None),
            ("grubx64.efi", None),
        ] {
            assert_eq!(ipxe_build(name.as_bytes()), expected, "{name}");
        }
    }
}
