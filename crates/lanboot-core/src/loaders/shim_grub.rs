//! Loaders that also start with Secure Boot on: a shim signed by Microsoft and the GRUB it trusts.
//! Found by content, on the host or on a medium.
//!
//! shim (rhboot/shim) carries its vendor's certificate in the section `.vendor_cert`, so what it
//! will let pass is known: programs whose signature names that vendor.

use std::fmt;

use super::grub_modules::{Modules, text};
use super::secure_arch::secure_names;
use super::shim_names::{Wanted, wanted};
use crate::boot_config::ReadSmall;
use crate::machine::Arch;
use crate::pe::{Program, Signed, common_names, u32_at};
use crate::vfs::Content;

/// Largest shim or GRUB looked at, in bytes; Debian's GRUB has 4 MiB.
const MAX_PROGRAM: u64 = 16 << 20;
/// Largest `.vendor_cert` searched for names, in bytes; Debian's has 12 KiB. An image can hold 64
/// shims, and each byte is looked at.
const MAX_VENDOR_CERT: u64 = 1 << 20;
/// Largest `.sbat` read, in bytes; those of Debian have 4 KiB with their padding.
const MAX_SBAT: u64 = 64 * 1024;
/// Longest version number kept, in bytes.
const MAX_VERSION: usize = 24;

/// Microsoft's authority for programs of others, until June 2026.
const UEFI_CA_2011: &str = "Microsoft Corporation UEFI CA 2011";
/// The one after it.
const UEFI_CA_2023: &str = "Microsoft UEFI CA 2023";

/// Certificates that firmware itself trusts, whatever a shim says.
const TRUSTED_BY_FIRMWARE: [&str; 4] = [
    UEFI_CA_2011,
    UEFI_CA_2023,
    "Microsoft Windows Production PCA 2011",
    "Windows UEFI CA 2023",
];

/// A shim: what firmware with Secure Boot starts, and whom that lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shim {
    /// The firmware it runs on.
    pub arch: Arch,
    /// The program.
    pub content: Content,
    /// The place where it was found.
    pub from: String,
    /// The names in the certificates it lets pass.
    pub vendor: Vec<String>,
    /// The names in the certificates it refuses, no matter who signed them: those of revoked keys.
    pub denied: Vec<String>,
    /// The firmware authorities that signed it.
    pub authorities: Authorities,
}

/// The authorities of Microsoft that signed a shim. With Secure Boot on, firmware starts one that
/// was signed under an authority it trusts: older machines trust that of 2011, some of 2026 only
/// that of 2023 (rhboot/shim#825), most both. Since June 2026 Microsoft signs under that of 2023
/// alone, so a shim with both signatures starts on the most machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Authorities {
    /// Microsoft Corporation UEFI CA 2011.
    pub of_2011: bool,
    /// Microsoft UEFI CA 2023.
    pub of_2023: bool,
}

impl Authorities {
    /// Reads them from the names in all signatures of a program.
    pub fn of(signed: &Signed) -> Self {
        let has = |name: &str| signed.names().iter().any(|other| other == name);
        Self {
            of_2011: has(UEFI_CA_2011),
            of_2023: has(UEFI_CA_2023),
        }
    }

    /// Returns their names, as in their certificates.
    pub fn names(self) -> Vec<&'static str> {
        let all = [(self.of_2011, UEFI_CA_2011), (self.of_2023, UEFI_CA_2023)];
        let signed = all.into_iter().filter(|(is_there, _)| *is_there);
        signed.map(|(_, name)| name).collect()
    }

    /// Returns how many there are.
    pub fn count(self) -> u8 {
        u8::from(self.of_2011) + u8::from(self.of_2023)
    }
}

impl fmt::Display for Authorities {
    /// Writes a clause: the machines on which such a shim starts with Secure Boot on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.of_2011, self.of_2023) {
            (true, true) => "starts on machines that trust Microsoft's UEFI CA of 2011 or of 2023",
            (true, false) => {
                "starts only on machines that trust Microsoft's UEFI CA of 2011, and newest ones \
                 trust only that of 2023"
            }
            (false, true) => {
                "starts only on machines that trust Microsoft's UEFI CA of 2023, and older ones \
                 trust only that of 2011"
            }
            (false, false) => {
                "is not signed by Microsoft: it starts only on machines whose owner enrolled its key"
            }
        })
    }
}

impl Shim {
    /// Parses a shim; `None` when `content` is none.
    pub fn parse(content: &Content, from: &str, read: ReadSmall<'_>) -> Option<Self> {
        let program = Program::parse(content, read).filter(|_| content.len() <= MAX_PROGRAM)?;
        let table = program.section(b".vendor_cert", MAX_VENDOR_CERT)?;
        // The sizes of what is allowed and what is denied, then where each begins.
        let names = |size: usize, at: usize| {
            let (size, at) = (u32_at(&table, size)?, u32_at(&table, at)?);
            let (size, at) = (usize::try_from(size).ok()?, usize::try_from(at).ok()?);
            let list = table.get(at..at.checked_add(size)?).unwrap_or_default();
            Some(common_names(list))
        };
        let (vendor, mut denied) = (names(0, 8)?, names(4, 12)?);
        // A certificate also names who issued it, and that is the vendor most times.
        let is_issuer =
            |name: &String| vendor.contains(name) || TRUSTED_BY_FIRMWARE.contains(&name.as_str());
        denied.retain(|name| !is_issuer(name));
        Some(Self {
            arch: program.arch()?,
            content: content.clone(),
            from: from.to_owned(),
            vendor,
            denied,
            authorities: Authorities::of(&program.signed()),
        })
    }

    /// Returns whether what is signed like this starts behind this shim.
    pub fn trusts(&self, signed: &Signed) -> bool {
        let known = |name: &String| {
            self.vendor.contains(name) || TRUSTED_BY_FIRMWARE.contains(&name.as_str())
        };
        let names = signed.names();
        names.iter().any(known) && !names.iter().any(|name| self.denied.contains(name))
    }

    /// Returns whether this program starts behind this shim, on the same firmware.
    pub fn trusts_program(&self, content: &Content, read: ReadSmall<'_>) -> bool {
        let program = Program::parse(content, read);
        program.is_some_and(|program| {
            program.arch() == Some(self.arch) && self.trusts(&program.signed())
        })
    }
}

/// A GRUB that loads over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grub {
    /// The firmware it runs on.
    pub arch: Arch,
    /// The program.
    pub content: Content,
    /// The place where it was found.
    pub from: String,
    /// Its signers.
    pub signed: Signed,
    /// True if it reads over HTTP. Debian's and Ubuntu's read over TFTP alone.
    pub http: bool,
    /// True if it reads over TFTP.
    pub tftp: bool,
    /// True if it takes the server with its files from the offer of a proxy. Others look for them
    /// on the server that gave the address (rhboot/grub2#56), and never come to an end there.
    pub proxy: bool,
    /// The version of GRUB it was made from (`2.06`); empty when it does not say.
    pub version: String,
    /// The folder it looks for `grub.cfg` in, as it was built.
    pub prefix: String,
}

impl Grub {
    /// `None` when `content` is no GRUB, or one that cannot load from a network: those of CDs and
    /// disks.
    pub fn parse(content: &Content, from: &str, read: ReadSmall<'_>) -> Option<Self> {
        let program = Program::parse(content, read).filter(|_| content.len() <= MAX_PROGRAM)?;
        let arch = program.arch()?;
        let modules = Modules::parse(&program.section(b"mods", MAX_PROGRAM)?, is_narrow(arch))?;
        let has = |name: &str| modules.names.iter().any(|m| m == name);
        let (tftp, http) = (has("tftp"), has("http"));
        if !has("efinet") || !(tftp || http) {
            return None;
        }
        let sbat = program.section(b".sbat", MAX_SBAT).unwrap_or_default();
        Some(Self {
            arch,
            content: content.clone(),
            from: from.to_owned(),
            signed: program.signed(),
            http,
            tftp,
            proxy: modules.has_proxy_support,
            version: sbat_version(&sbat, "grub"),
            prefix: modules.prefix,
        })
    }

    /// Returns what people call it: `GRUB 2.06`.
    pub fn name(&self) -> String {
        match self.version.as_str() {
            "" => "this GRUB".into(),
            version => format!("GRUB {version}"),
        }
    }
}

/// Tests whether programs for this firmware are 32-bit ones.
fn is_narrow(arch: Arch) -> bool {
    matches!(arch, Arch::X86Uefi | Arch::Arm32Uefi)
}

/// The version in the row of `component` in a section `.sbat`, which has lines of comma-separated
/// values: component, generation, vendor, package, version, URL (rhboot/shim, `SBAT.md`). Empty
/// when there is none.
fn sbat_version(section: &[u8], component: &str) -> String {
    let mut rows = section.split(|b| *b == b'\n' || *b == 0);
    let version = rows.find_map(|row| {
        let mut fields = row.split(|b| *b == b',');
        let is_it = fields.next() == Some(component.as_bytes());
        fields.nth(3).filter(|_| is_it)
    });
    text(version.unwrap_or_default(), MAX_VERSION)
}

/// A shim with a GRUB it trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimGrub {
    /// The program that the firmware starts.
    pub shim: Shim,
    /// The program that shim starts.
    pub grub: Grub,
    /// shim's own program to enrol keys, where there is one.
    pub mok_manager: Option<Content>,
}

impl ShimGrub {
    /// Every shim with the best GRUB that it trusts: one that boots beside another DHCP server too,
    /// then one that also reads over HTTP, else the first.
    pub fn pair(shims: &[Shim], grubs: &[Grub], mok_managers: &[(Arch, Content)]) -> Vec<Self> {
        let best = |shim: &Shim| {
            let fits = |grub: &&Grub| grub.arch == shim.arch && shim.trusts(&grub.signed);
            let rank = |grub: &&Grub| (grub.tftp && grub.proxy, grub.http && grub.tftp);
            // The first of the best.
            grubs.iter().filter(fits).rev().max_by_key(rank)
        };
        let mok_manager = |arch| mok_managers.iter().find(|(of, _)| *of == arch);
        shims
            .iter()
            .filter_map(|shim| {
                Some(Self {
                    grub: best(shim)?.clone(),
                    mok_manager: mok_manager(shim.arch).map(|(_, content)| content.clone()),
                    shim: shim.clone(),
                })
            })
            .collect()
    }

    /// Returns the firmware it runs on.
    pub fn arch(&self) -> Arch {
        self.shim.arch
    }

    /// Returns the file beside the shim for a request of this name, whatever shim makes of GRUB's.
    pub fn beside(&self, name: &[u8]) -> Option<&Content> {
        match (self.file(name), wanted(name, self.arch())) {
            (Some(file), _) => Some(file),
            (None, Wanted::Shim) => Some(&self.shim.content),
            (None, Wanted::SecondStage) => Some(&self.grub.content),
            (None, Wanted::Other) => None,
        }
    }

    /// Returns the file of exactly this name, as shim and GRUB ask for it.
    pub fn file(&self, name: &[u8]) -> Option<&Content> {
        let (_, suffix) = secure_names(self.arch())?;
        let is = |stem: &str| name == format!("{stem}{suffix}.efi").as_bytes();
        if is("shim") {
            Some(&self.shim.content)
        } else if is("grub") {
            Some(&self.grub.content)
        } else if is("mm") {
            self.mok_manager.as_ref()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{grub_file, no_disk, program, shim_file, shim_signed};

    const X64: u16 = 0x8664;

    #[test]
    fn a_shim_lets_its_vendor_pass_and_nobody_it_denies() {
        let shim = Content::memory(shim_file(X64, "Debian Secure Boot CA", "Revoked"));
        let shim = Shim::parse(&shim, "here", &no_disk).unwrap();
        let by = |name: &str| Signed::By(vec![name.to_owned()]);
        assert!(shim.trusts(&by("Debian Secure Boot CA")));
        assert!(shim.trusts(&by("Microsoft UEFI CA 2023")));
        assert!(!shim.trusts(&by("Revoked")) && !shim.trusts(&Signed::No));
        // As in a signature: the signer, and who vouches for it.
        let both = |signer: &str| Signed::By(vec!["Debian Secure Boot CA".into(), signer.into()]);
        assert!(shim.trusts(&both("Signer")) && !shim.trusts(&both("Revoked")));
    }

    /// Every certificate of the table counts: signed twice, a shim has two.
    #[test]
    fn the_authorities_of_a_shim_are_those_of_all_its_signatures() {
        let (old, new) = (UEFI_CA_2011, UEFI_CA_2023);
        for (names, of_2011, of_2023, says) in [
            (&[old][..], true, false, "UEFI CA of 2011, and newest ones"),
            (&[new], false, true, "UEFI CA of 2023, and older ones"),
            (
                &["signer", old, "signer", new],
                true,
                true,
                "of 2011 or of 2023",
            ),
            (&["Somebody"], false, false, "not signed by Microsoft"),
            (&[], false, false, "not signed by Microsoft"),
        ] {
            let shim = shim_signed(X64, "Debian", "", names);
            let shim = Shim::parse(&Content::memory(shim), "s", &no_disk).unwrap();
            assert_eq!(shim.authorities, Authorities { of_2011, of_2023 });
            let said = shim.authorities.to_string();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn a_grub_is_one_for_the_network_when_its_modules_say_so() {
        let grub = |modules: &[&str]| {
            let file = Content::memory(grub_file(X64, modules, "/EFI/fedora", &["Fedora"]));
            Grub::parse(&file, "here", &no_disk)
        };
        assert_eq!(grub(&["normal", "efinet", "net"]), None);
        assert_eq!(grub(&["tftp"]), None);
        let found = grub(&["efinet", "net", "tftp"]).unwrap();
        assert!(found.tftp && !found.http && found.prefix == "/EFI/fedora");
        assert!(grub(&["efinet", "http"]).unwrap().http);
    }

    #[test]
    fn a_chain_is_a_shim_and_a_grub_it_trusts() {
        let shim =
            |vendor| Shim::parse(&Content::memory(shim_file(X64, vendor, "")), "s", &no_disk);
        let grub = |machine, modules: &[&str], by| {
            let file = Content::memory(grub_file(machine, modules, "/grub", &[by]));
            Grub::parse(&file, "g", &no_disk).unwrap()
        };
        let shims = [shim("Debian").unwrap(), shim("Fedora").unwrap()];
        let grubs = [
            grub(0xaa64, &["efinet", "tftp"], "Debian"),
            grub(X64, &["efinet", "tftp"], "Debian"),
            grub(X64, &["efinet", "tftp", "http"], "Debian"),
        ];
        let pairs = ShimGrub::pair(&shims, &grubs, &[]);
        let [pair] = &pairs[..] else {
            panic!("{}", pairs.len())
        };
        assert!(pair.grub.http && pair.shim.vendor == ["Debian"]);
        assert_eq!(pair.file(b"grubx64.efi"), Some(&pair.grub.content));
        assert_eq!(pair.file(b"shimx64.efi"), Some(&pair.shim.content));
        for name in ["mmx64.efi", "grubaa64.efi", "revocations_sbat.efi"] {
            assert_eq!(pair.file(name.as_bytes()), None, "{name}");
            assert_eq!(pair.beside(name.as_bytes()), None, "{name}");
        }
        for name in [&b"grub.efi"[..], b"\xeaonboard"] {
            assert_eq!(pair.beside(name), Some(&pair.grub.content));
            assert_eq!(pair.file(name), None);
        }
    }
    #[test]
    fn what_is_searched_is_bounded() {
        let mut table: Vec<u8> = Vec::new();
        for word in [u32::try_from(MAX_VENDOR_CERT).unwrap(), 0, 16, 16] {
            table.extend(word.to_le_bytes());
        }
        table.resize(16 + usize::try_from(MAX_VENDOR_CERT).unwrap(), 0);
        let shim = Content::memory(program(X64, &[(b".vendor_cert", table)], &[]));
        assert_eq!(Shim::parse(&shim, "s", &no_disk), None);
    }
}
