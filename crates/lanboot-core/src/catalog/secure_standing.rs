//! The firmware that starts an entry with Secure Boot on, by the certificates it trusts.

use super::image::Image;
use crate::images::{Entry, EntryKind};
use crate::loaders::{Authorities, Loaders, Shim};

/// For each kind of firmware the program that it starts first, by the place where that was found;
/// `None` where nothing at hand starts the entry there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureStanding {
    /// Firmware that trusts Microsoft's authority of 2011 and not that of 2023.
    pub only_2011: Option<String>,
    /// Firmware that trusts the one of 2023 and not that of 2011.
    pub only_2023: Option<String>,
    /// Firmware that trusts both.
    pub both: Option<String>,
    /// Firmware that trusts both, once the signer's certificate is enrolled as a machine owner key.
    pub machine_owner_key: Option<String>,
}

/// A program that firmware starts, with the loader behind it.
struct Chain<'a> {
    /// The place where the program was found.
    from: &'a str,
    /// The authorities firmware has to trust one of, for the entry to start.
    starts: Authorities,
    /// The same once the entry's signer is enrolled.
    starts_enrolled: Authorities,
}

impl SecureStanding {
    /// Finds them for an entry with the loaders on its image and on this host. Nothing starts what is
    /// not signed; a disk is not looked at.
    pub fn of(image: &Image, entry: &Entry, host: &Loaders) -> Self {
        if entry.signed.names().is_empty() || !is_verified_alone(&entry.kind) {
            return Self::default();
        }
        let chains = chains(image, entry, host);
        let first = |is_able: &dyn Fn(&Chain<'_>) -> bool| {
            let chain = chains.iter().find(|chain| is_able(chain))?;
            Some(chain.from.to_owned())
        };
        Self {
            only_2011: first(&|chain| chain.starts.of_2011),
            only_2023: first(&|chain| chain.starts.of_2023),
            both: first(&|chain| chain.starts.count() > 0),
            machine_owner_key: first(&|chain| chain.starts_enrolled.count() > 0),
        }
    }
}

/// Tests whether one signature decides about an entry of this kind.
fn is_verified_alone(kind: &EntryKind) -> bool {
    match kind {
        EntryKind::Linux(_) | EntryKind::Program(_) => true,
        EntryKind::Multiboot(_) | EntryKind::Disk(_) => false,
    }
}

/// Lists the chains for the firmware of an entry: those on its image first.
fn chains<'a>(image: &'a Image, entry: &Entry, host: &'a Loaders) -> Vec<Chain<'a>> {
    let pairs = image.loaders.pairs.iter().chain(&host.shim_grubs);
    let pairs = pairs.filter(|pair| entry.runs_on(pair.arch()));
    let by_grub = pairs.map(|pair| Chain {
        from: &pair.shim.from,
        starts: behind(&pair.shim, entry),
        starts_enrolled: pair.shim.authorities,
    });
    let signed = host.signed_ipxe.iter();
    let signed = signed.filter(|signed| entry.runs_on(signed.arch));
    let by_ipxe = signed.map(|signed| {
        // iPXE has the image's own shim verify the kernel, if there is one.
        let shims = image.loaders.shims.iter();
        let own = shims.filter(|shim| shim.arch == signed.arch && shim.trusts(&entry.signed));
        let by_own = own.map(|shim| common(signed.shim.authorities, behind(shim, entry)));
        let starts = by_own.fold(behind(&signed.shim, entry), either);
        Chain {
            from: &signed.shim.from,
            starts,
            starts_enrolled: signed.shim.authorities,
        }
    });
    by_grub.chain(by_ipxe).collect()
}

/// Returns the authorities with which firmware starts both a shim and, behind it, the entry.
fn behind(shim: &Shim, entry: &Entry) -> Authorities {
    if !shim.trusts(&entry.signed) {
        return Authorities::default();
    }
    let is_vendors = entry.signed.names().iter().any(|n| shim.vendor.contains(n));
    match is_vendors {
        true => shim.authorities,
        // The firmware's own certificates count behind a shim, too.
        false => common(shim.authorities, Authorities::of(&entry.signed)),
    }
}

fn common(one: Authorities, other: Authorities) -> Authorities {
    Authorities {
        of_2011: one.of_2011 && other.of_2011,
        of_2023: one.of_2023 && other.of_2023,
    }
}

fn either(one: Authorities, other: Authorities) -> Authorities {
    Authorities {
        of_2011: one.of_2011 || other.of_2011,
        of_2023: one.of_2023 || other.of_2023,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Cpu;
    use crate::machine::Arch;
    use crate::pe::Signed;
    use crate::testing::{installer, program_image, shim_grub, signed_ipxe};

    const DEBIAN: &str = "Debian Secure Boot CA";
    const BOTH: Authorities = Authorities {
        of_2011: true,
        of_2023: true,
    };
    const OLD: Authorities = Authorities {
        of_2011: true,
        of_2023: false,
    };

    /// A host with a shim and a GRUB, whose shim is signed like this.
    fn host(from: &str, vendor: &str, authorities: Authorities) -> Loaders {
        let mut pair = shim_grub(Arch::X64Uefi, vendor, false);
        pair.shim.from = from.into();
        pair.shim.authorities = authorities;
        Loaders {
            shim_grubs: vec![pair],
            ..Loaders::default()
        }
    }

    fn by(name: &str) -> Signed {
        Signed::By(vec![name.to_owned()])
    }

    /// The first program on firmware that trusts 2011, 2023, both, and with the owner's key.
    fn standing(image: &Image, host: &Loaders) -> [Option<String>; 4] {
        let of = SecureStanding::of(image, &image.found.entries[0], host);
        [of.only_2011, of.only_2023, of.both, of.machine_owner_key]
    }

    #[test]
    fn the_hosts_shim_decides_where_the_image_has_none() {
        let image = installer("deb", Cpu::X86_64, by(DEBIAN));
        let yes = || Some("host".to_owned());
        let none = || None;
        let all = [yes(), yes(), yes(), yes()];
        assert_eq!(standing(&image, &host("host", DEBIAN, BOTH)), all);
        let old = [yes(), none(), yes(), yes()];
        assert_eq!(standing(&image, &host("host", DEBIAN, OLD)), old);
        let other = [none(), none(), none(), yes()];
        assert_eq!(standing(&image, &host("host", "Fedora", BOTH)), other);
        assert_eq!(
            standing(&image, &Loaders::default()),
            [(); 4].map(|()| None)
        );
        // Nor does another processor's.
        let arm = installer("deb", Cpu::Aarch64, by(DEBIAN));
        let nothing = [(); 4].map(|()| None);
        assert_eq!(standing(&arm, &host("host", DEBIAN, BOTH)), nothing);
    }

    #[test]
    fn the_images_own_chain_goes_first_and_unsigned_kernels_start_by_none() {
        let mut image = installer("deb", Cpu::X86_64, by(DEBIAN));
        image.loaders.pairs = host("medium", DEBIAN, OLD).shim_grubs;
        let [of_2011, of_2023, ..] = standing(&image, &host("host", DEBIAN, BOTH));
        assert_eq!(of_2011.as_deref(), Some("medium"));
        assert_eq!(of_2023.as_deref(), Some("host"));
        let unsigned = installer("deb", Cpu::X86_64, Signed::No);
        let nothing = [(); 4].map(|()| None);
        assert_eq!(standing(&unsigned, &host("host", DEBIAN, BOTH)), nothing);
    }

    #[test]
    fn ipxe_behind_its_shim_needs_the_images_shim_or_the_owners_key() {
        let mut image = installer("deb", Cpu::X86_64, by(DEBIAN));
        let mut signed = signed_ipxe(Arch::X64Uefi);
        signed.shim.authorities = BOTH;
        let from = Some(signed.shim.from.clone());
        let ipxe = Loaders {
            signed_ipxe: vec![signed],
            ..Loaders::default()
        };
        assert_eq!(standing(&image, &ipxe), [None, None, None, from.clone()]);
        image.loaders.shims = vec![host("medium", DEBIAN, OLD).shim_grubs.remove(0).shim];
        let old = [from.clone(), None, from.clone(), from];
        assert_eq!(standing(&image, &ipxe), old);
    }

    /// A program that Microsoft signed starts behind any shim, where the firmware trusts both.
    #[test]
    fn a_program_starts_by_its_own_signature() {
        let mut image = program_image("tool");
        image.found.entries[0].signed = by("Microsoft UEFI CA 2023");
        let yes = || Some("host".to_owned());
        let expected = [None, yes(), yes(), yes()];
        assert_eq!(standing(&image, &host("host", DEBIAN, BOTH)), expected);
    }
}
