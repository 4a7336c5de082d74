//! UEFI programs: shims, GRUB with its modules, and what is found of them on a host.

use super::media::no_disk;
use crate::loaders::{Grub, Shim, ShimGrub, SignedBuild, SignedIpxe};
use crate::machine::Arch;
use crate::vfs::Content;

/// A name as it stands in a certificate.
pub(crate) fn common_name(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [
        &[0x30, 0x10, 0x06, 3, 0x55, 4, 3, 0x0c, len],
        name.as_bytes(),
    ]
    .concat()
}

/// A program with these sections, signed by these names.
pub(crate) fn program(machine: u16, sections: &[(&[u8], Vec<u8>)], names: &[&str]) -> Vec<u8> {
    let mut head = vec![0; 0x40];
    head[..2].copy_from_slice(b"MZ");
    head[0x3c] = 0x40;
    head.extend_from_slice(b"PE\0\0");
    head.extend(machine.to_le_bytes());
    head.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    head.resize(head.len() + 12, 0);
    head.extend([240, 0, 0, 0]);
    let optional = head.len();
    head.resize(optional + 240, 0);
    head[optional..optional + 2].copy_from_slice(&0x20bu16.to_le_bytes());
    let mut body = Vec::new();
    let mut strings = vec![0; 4];
    let body_at = head.len() + sections.len() * 40;
    for (name, bytes) in sections {
        let mut row = vec![0; 40];
        if name.len() <= 8 {
            row[..name.len()].copy_from_slice(name);
        } else {
            let short = format!("/{}", strings.len());
            row[..short.len()].copy_from_slice(short.as_bytes());
            strings.extend_from_slice(name);
            strings.push(0);
        }
        row[16..20].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        let at = u32::try_from(body_at + body.len()).unwrap();
        row[20..24].copy_from_slice(&at.to_le_bytes());
        head.extend(row);
        body.extend_from_slice(bytes);
    }
    if !names.is_empty() {
        let table: Vec<u8> = names.iter().flat_map(|n| common_name(n)).collect();
        let at = u32::try_from(body_at + body.len()).unwrap();
        let field = optional + 112 + 32;
        head[field..field + 4].copy_from_slice(&at.to_le_bytes());
        let len = u32::try_from(table.len()).unwrap();
        head[field + 4..field + 8].copy_from_slice(&len.to_le_bytes());
        body.extend(table);
    }
    // No symbols: the names follow at once.
    let strings_at = u32::try_from(body_at + body.len()).unwrap();
    head[0x4c..0x50].copy_from_slice(&strings_at.to_le_bytes());
    [head, body, strings].concat()
}

const X64: u16 = 0x8664;

/// An ELF object with one section `.modname`, a 32-bit one if `narrow`. A name with a text behind `=`
/// has it among its bytes.
pub(crate) fn grub_module(name: &str, narrow: bool) -> Vec<u8> {
    let (name, said) = name.split_once('=').unwrap_or((name, ""));
    let strings = b"\0.modname\0";
    let word = |number: usize| match narrow {
        true => u32::try_from(number).unwrap().to_le_bytes().to_vec(),
        false => (number as u64).to_le_bytes().to_vec(),
    };
    // Offsets of the table of sections and of the numbers about it; size of a row and offset of where
    // its section is.
    let (class, table, counts, row, place) = match narrow {
        true => (1, 0x20, 0x2e, 0x28, 0x10),
        false => (2, 0x28, 0x3a, 0x40, 0x18),
    };
    let mut elf = vec![0; 0x40];
    elf[..5].copy_from_slice(&[0x7f, b'E', b'L', b'F', class]);
    elf.extend_from_slice(said.as_bytes());
    let names_at = elf.len();
    elf.extend_from_slice(strings);
    let name_at = elf.len();
    elf.extend_from_slice(name.as_bytes());
    elf.push(0);
    let headers = word(elf.len());
    for (title, at, len) in [
        (0u32, names_at, strings.len()),
        (1, name_at, name.len() + 1),
    ] {
        let mut header = vec![0; row];
        header[..4].copy_from_slice(&title.to_le_bytes());
        let both = [word(at), word(len)].concat();
        header[place..place + both.len()].copy_from_slice(&both);
        elf.extend(header);
    }
    elf[table..table + headers.len()].copy_from_slice(&headers);
    let row = u8::try_from(row).unwrap();
    elf[counts..counts + 6].copy_from_slice(&[row, 0, 2, 0, 0, 0]);
    elf
}

fn object(kind: u32, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&kind.to_le_bytes()[..], &size.to_le_bytes(), body].concat()
}

pub(crate) fn grub_file(machine: u16, modules: &[&str], prefix: &str, names: &[&str]) -> Vec<u8> {
    let mut section = 0x676d_696du32.to_le_bytes().to_vec();
    section.extend([0; 4]);
    section.extend(24u64.to_le_bytes());
    section.extend([0; 8]);
    for name in modules {
        section.extend(object(0, &grub_module(name, false)));
    }
    section.extend(object(3, format!("{prefix}\0").as_bytes()));
    section.extend([0; 100]);
    let sbat = b"sbat,1,SBAT Version,sbat,1,https://example\n\
        grub,5,Free Software Foundation,grub,2.06,https://example\n\
        grub.debian,5,Debian,grub2,2.06-13,https://example\n\0\0";
    let sections: [(&[u8], Vec<u8>); 2] = [(b"mods", section), (b".sbat", sbat.to_vec())];
    program(machine, &sections, names)
}

pub(crate) fn shim_file(machine: u16, allowed: &str, denied: &str) -> Vec<u8> {
    shim_signed(
        machine,
        allowed,
        denied,
        &["Microsoft Corporation UEFI CA 2011"],
    )
}

pub(crate) fn shim_signed(machine: u16, allowed: &str, denied: &str, by: &[&str]) -> Vec<u8> {
    let (allowed, denied) = (common_name(allowed), common_name(denied));
    let len = |part: &[u8]| u32::try_from(part.len()).unwrap();
    let mut table = Vec::new();
    for word in [len(&allowed), len(&denied), 16, 16 + len(&allowed)] {
        table.extend(word.to_le_bytes());
    }
    table.extend([allowed, denied].concat());
    program(machine, &[(b".vendor_cert", table)], by)
}

/// A module that takes the server from a proxy's offer.
pub(crate) const EFINET_PROXY: &str = "efinet=proxy offer receive\0setting values from proxy offer";

/// iPXE behind its own shim, with both of its builds.
pub(crate) fn signed_ipxe(arch: Arch) -> SignedIpxe {
    let build = |kind, content: &[u8]| SignedBuild {
        kind,
        content: Content::memory(content),
    };
    SignedIpxe {
        arch,
        shim: shim_grub(arch, "iPXE", false).shim,
        build: build("snponly", b"signed snponly"),
        other: Some(build("ipxe", b"signed ipxe")),
    }
}

/// A shim + GRUB pair whose GRUB boots beside another DHCP server.
pub(crate) fn shim_grub(arch: Arch, vendor: &str, http: bool) -> ShimGrub {
    chain_of(arch, vendor, http, EFINET_PROXY)
}

/// A shim + GRUB pair whose GRUB does not, as Debian 12's.
pub(crate) fn shim_grub_without_proxy(arch: Arch, vendor: &str, http: bool) -> ShimGrub {
    chain_of(arch, vendor, http, "efinet")
}

fn chain_of(arch: Arch, vendor: &str, http: bool, efinet: &str) -> ShimGrub {
    let machine = if arch == Arch::X64Uefi { X64 } else { 0xaa64 };
    let modules: &[&str] = if http {
        &[efinet, "tftp", "http"]
    } else {
        &[efinet, "tftp"]
    };
    let grub = Content::memory(grub_file(machine, modules, "/grub", &[vendor]));
    let shim = Content::memory(shim_file(machine, vendor, "Revoked"));
    let shim = Shim::parse(&shim, "shim", &no_disk).unwrap();
    let grub = Grub::parse(&grub, "grub", &no_disk).unwrap();
    ShimGrub::pair(&[shim], &[grub], &[]).remove(0)
}
