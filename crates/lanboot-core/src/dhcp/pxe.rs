//! Self-descriptions of PXE firmware (RFC 4578), UEFI HTTP Boot and iPXE in options.

use std::net::Ipv4Addr;

use super::quirk::{self, ResponseProfile};
use super::wire::option::{Code, encapsulated};
use super::wire::{ETHERNET, Packet};
use crate::machine::{Arch, Mac, Machine, Stage, Uuid};

/// The vendor class (option 60) a UEFI HTTP Boot client sends and wants to read in the answer.
pub const HTTP_CLIENT: &[u8] = b"HTTPClient";
/// The vendor class of PXE.
pub const PXE_CLIENT: &[u8] = b"PXEClient";
/// The user class of iPXE.
pub const IPXE_CLASS: &[u8] = b"iPXE";

/// Option 175 as sent to iPXE: sub-option 0xb0 (no-pxedhcp) = 1. iPXE then does not wait two
/// seconds for proxies.
pub const NO_PXE_DHCP: [u8; 3] = [0xb0, 1, 1];

/// Option 43 as sent to PXE: discovery control with bit 3 = use the boot file named here.
pub const USE_FILE: [u8; 3] = [6, 1, 8];

/// The boot item of our menu: type and layer. Types from 0x8000 are the vendor's own (PXE 2.1
/// table 2-3).
pub const MENU_ITEM: (u16, u16) = (0x8000, 0);

/// Option 43 with a menu of one entry, whose boot server is `server`: discovery control 11 = use
/// the boot file named here (8), and ask nobody by broadcast (1) or multicast (2); a prompt that
/// waits for nobody; the server list; the menu.
pub fn menu(server: Ipv4Addr) -> Vec<u8> {
    const LABEL: &[u8; 7] = b"lanboot";
    let [item, more] = MENU_ITEM.0.to_be_bytes();
    [
        b"\x06\x01\x0b\x0a\x04\0PXE\x08\x07".as_slice(),
        &[item, more, 1],
        &server.octets(),
        &[9, 10, item, more, 7],
        LABEL,
    ]
    .concat()
}

/// Option 43 as sent to a Raspberry Pi: discovery control 3 (ask no others), a prompt that waits
/// for nobody, a menu of one entry. Its boot loader looks for the text only.
pub const RASPBERRY_PI_MENU: &[u8] = b"\x06\x01\x03\x0a\x04\0PXE\x09\x14\0\0\x11Raspberry Pi Boot";

/// Reads the machine a message describes; `None` when it does not speak of an Ethernet address.
pub fn machine(packet: &Packet) -> Option<Machine> {
    read(packet).map(|(machine, _)| machine)
}

/// Reads the machine a message describes and the profile of its responses.
pub(super) fn read(packet: &Packet) -> Option<(Machine, ResponseProfile)> {
    let (ETHERNET, Ok(mac)) = (packet.htype, packet.hardware_address().try_into()) else {
        return None;
    };
    let mut machine = Machine {
        mac: Mac(mac),
        arch: arch(packet),
        stage: stage(packet),
        uuid: uuid(packet),
    };
    let profile = quirk::profile(packet, &machine);
    machine.arch = profile.arch;
    Some((machine, profile))
}

/// Reads the stage of the client: iPXE before its vendor class, because iPXE says `PXEClient` too.
/// Without a vendor class, or with an empty one, nobody asks to boot, whatever option 93 says.
pub fn stage(packet: &Packet) -> Stage {
    let class = packet.options.get(Code::VENDOR_CLASS).unwrap_or_default();
    let user_class = packet.options.get(Code::USER_CLASS).unwrap_or_default();
    if packet.options.has(Code::IPXE) || user_classes(user_class).contains(&IPXE_CLASS) {
        Stage::Ipxe
    } else if class.starts_with(HTTP_CLIENT) {
        Stage::HttpBoot
    } else if class.starts_with(PXE_CLIENT) {
        Stage::Firmware
    } else {
        Stage::Plain
    }
}

/// Finds the client's architecture: of option 93 and the number inside option 60 the first that has
/// a name, else the first there is (65535, for one), else [`Stage::unsaid_arch`].
///
/// If it contradicts the vendor class, the class counts: it decides which answer the firmware
/// takes. `HTTPClient` with 7 is x64 HTTP Boot, `PXEClient` with 16 is x64 PXE. `HTTPClient` is
/// UEFI (UEFI 2.10 §24.7), so a BIOS code beside a UEFI one does not count there; alone it is kept
/// as it is, and fits nothing: no BIOS of code 0 boots over HTTP.
pub fn arch(packet: &Packet) -> Option<Arch> {
    let in_class = class_arch(packet.options.get(Code::VENDOR_CLASS).unwrap_or_default());
    let said = || {
        let option = packet.options.get(Code::ARCH).unwrap_or_default();
        archs(option).chain(in_class)
    };
    let stage = stage(packet);
    let is_named = |arch: &Arch| !matches!(arch, Arch::Other(_));
    let fits = |arch: &Arch| is_named(arch) && (stage, *arch) != (Stage::HttpBoot, Arch::X86Bios);
    let named = said().find(fits).or_else(|| said().find(is_named));
    let arch = named.or_else(|| said().next());
    arch.map_or_else(|| stage.unsaid_arch(), |arch| Some(as_stage(stage, arch)))
}

/// Returns the meaning of `arch` when software of this stage says it, and nothing else of itself.
pub fn as_stage(stage: Stage, arch: Arch) -> Arch {
    match stage {
        Stage::HttpBoot if arch == Arch::X86Bios => arch,
        Stage::HttpBoot => over_http(arch),
        Stage::Firmware => arch.program(),
        Stage::Ipxe | Stage::Plain => arch,
    }
}

/// Returns the same firmware when it boots over HTTP; itself where there is none.
fn over_http(arch: Arch) -> Arch {
    /// Codes with a name end well below.
    const CODES: u16 = 64;
    (0..CODES)
        .map(Arch::from)
        .find(|http| http.is_http() && http.program() == arch)
        .unwrap_or(arch)
}

/// Parses option 93, a list (RFC 4578 §2.1), although most firmware sends one. A last odd byte is
/// ignored.
pub fn archs(option: &[u8]) -> impl Iterator<Item = Arch> {
    let (pairs, _) = option.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| Arch::from(u16::from_be_bytes(*pair)))
}

/// The number in `PXEClient:Arch:00007:UNDI:003016`.
fn class_arch(class: &[u8]) -> Option<Arch> {
    let mut fields = class.split(|b| *b == b':');
    fields.find(|field| *field == b"Arch")?;
    let digits = std::str::from_utf8(fields.next()?).ok()?;
    digits.parse::<u16>().ok().map(Arch::from)
}

/// Option 77: a list of length-prefixed classes (RFC 3004), or, as iPXE sends it, one class
/// without a length.
pub fn user_classes(option: &[u8]) -> Vec<&[u8]> {
    let mut classes = Vec::new();
    let mut rest = option;
    while let Some((len, tail)) = rest.split_first() {
        let Some((class, tail)) = tail.split_at_checked(usize::from(*len)) else {
            // iPXE's raw form: 'i' = 105 reaches past the end.
            return vec![option];
        };
        classes.push(class);
        rest = tail;
    }
    classes
}

/// Option 94: the client's network interface (RFC 4578 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ndi {
    /// 1 is UNDI.
    pub kind: u8,
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
}

/// Reads option 94.
pub fn ndi(packet: &Packet) -> Option<Ndi> {
    let &[kind, major, minor] = packet.options.get(Code::NDI)?.first_chunk::<3>()?;
    Some(Ndi { kind, major, minor })
}

/// Reads option 97; other types than 0 and other lengths are no UUID.
pub fn uuid(packet: &Packet) -> Option<Uuid> {
    match packet.options.get(Code::UUID)?.split_first()? {
        (0, uuid) => uuid.try_into().ok().map(Uuid),
        _ => None,
    }
}

/// Sub-options of option 43 in PXE's sense (PXE 2.1 §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VendorOptions<'a> {
    /// 6: discovery control; bit 3 says "use the boot file given, discover nothing".
    pub discovery_control: Option<u8>,
    /// 8: boot servers, as they came.
    pub boot_servers: Option<&'a [u8]>,
    /// 9: boot menu, as it came.
    pub menu: Option<&'a [u8]>,
    /// 10: menu prompt, as it came.
    pub prompt: Option<&'a [u8]>,
    /// 71: the boot item chosen: type and layer.
    pub boot_item: Option<(u16, u16)>,
}

/// Reads option 43 as PXE does.
pub fn vendor_options(option: &[u8]) -> VendorOptions<'_> {
    let mut read = VendorOptions::default();
    for (code, value) in encapsulated(option) {
        match code {
            6 => read.discovery_control = value.first().copied(),
            8 => read.boot_servers = Some(value),
            9 => read.menu = Some(value),
            10 => read.prompt = Some(value),
            71 => {
                read.boot_item = value
                    .first_chunk::<4>()
                    .map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
            }
            _ => {}
        }
    }
    read
}

/// Features of a build of iPXE, from option 175. Absent means "did not say": the QEMU
/// ROM speaks TFTP and does not list it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpxeFeatures {
    /// 0x13: downloads over HTTP.
    pub http: bool,
    /// 0x14: downloads over HTTPS.
    pub https: bool,
    /// 0x15: downloads over TFTP.
    pub tftp: bool,
    /// 0x17: resolves names.
    pub dns: bool,
    /// 0x18: boots a Linux bzImage (BIOS).
    pub bzimage: bool,
    /// 0x24: boots EFI images, Linux among them.
    pub efi: bool,
    /// 0x27: shows menus.
    pub menu: bool,
    /// 0x29: reads files over NFS.
    pub nfs: bool,
    /// 0xeb: its version, three bytes.
    pub version: Option<[u8; 3]>,
}

/// Reads option 175; `None` when the message has none.
pub fn ipxe_features(packet: &Packet) -> Option<IpxeFeatures> {
    let mut features = IpxeFeatures::default();
    for (code, value) in encapsulated(packet.options.get(Code::IPXE)?) {
        let on = value.first().is_some_and(|b| *b != 0);
        match code {
            0x13 => features.http = on,
            0x14 => features.https = on,
            0x15 => features.tftp = on,
            0x17 => features.dns = on,
            0x18 => features.bzimage = on,
            0x24 => features.efi = on,
            0x27 => features.menu = on,
            0x29 => features.nfs = on,
            0xeb => features.version = value.first_chunk().copied(),
            _ => {}
        }
    }
    Some(features)
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::super::{MessageType, Options};
    use super::*;

    fn with(options: &[(Code, &[u8])]) -> Packet {
        let mut packet = message(MessageType::Discover, 1);
        packet.options = Options::new();
        for (code, value) in options {
            packet.options.set(*code, *value);
        }
        packet
    }

    #[test]
    fn the_stage_is_recognized_by_user_class_option_175_and_vendor_class() {
        let pxe: (Code, &[u8]) = (Code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
        let http: (Code, &[u8]) = (Code::VENDOR_CLASS, b"HTTPClient:Arch:00016:UNDI:003000");
        for (options, expected) in [
            (vec![], Stage::Plain),
            (vec![(Code::VENDOR_CLASS, &b"udhcp 1.35"[..])], Stage::Plain),
            (vec![pxe], Stage::Firmware),
            (vec![http], Stage::HttpBoot),
            (vec![pxe, (Code::USER_CLASS, b"iPXE")], Stage::Ipxe),
            (vec![pxe, (Code::USER_CLASS, b"\x04iPXE")], Stage::Ipxe),
            (vec![pxe, (Code::USER_CLASS, b"\x01x\x04iPXE")], Stage::Ipxe),
            (vec![pxe, (Code::USER_CLASS, b"\x04gPXE")], Stage::Firmware),
            (vec![pxe, (Code::IPXE, b"\x13\x01\x01")], Stage::Ipxe),
            (vec![pxe, (Code::IPXE, b"")], Stage::Ipxe),
        ] {
            assert_eq!(stage(&with(&options)), expected, "{options:?}");
        }
    }

    #[test]
    fn the_architecture_is_the_first_listed_or_the_one_in_the_vendor_class() {
        let class: (Code, &[u8]) = (Code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016");
        let find = |options: &[(Code, &[u8])]| arch(&with(options));
        assert_eq!(find(&[(Code::ARCH, &[0, 9, 0, 7])]), Some(Arch::X64Uefi));
        assert_eq!(find(&[(Code::ARCH, &[0, 0]), class]), Some(Arch::X86Bios));
        assert_eq!(find(&[class]), Some(Arch::X64Uefi));
        assert_eq!(find(&[(Code::ARCH, &[7]), class]), Some(Arch::X64Uefi));
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn who_boots_and_names_no_architecture_is_the_likeliest_of_its_kind() {
        let find = |options: &[(Code, &[u8])]| arch(&with(options));
        let empty: (Code, &[u8]) = (Code::ARCH, &[]);
        for (class, expected) in [
            ("PXEClient", Arch::X86Bios),
            ("PXEClient:Arch", Arch::X86Bios),
            ("PXEClient:Arch:", Arch::X86Bios),
            ("PXEClient:Arch:99999", Arch::X86Bios),
            ("PXEClient:UNDI:002001", Arch::X86Bios),
            ("PXEClient:Arch:00007", Arch::X64Uefi),
            ("PXEClient:Arch:00009:UNDI:003016", Arch::X64Uefi),
            ("PXEClient:Arch:00011:UNDI:003000", Arch::Arm64Uefi),
            ("PXEClient:Arch:00016:UNDI:003001", Arch::X64Uefi),
            ("HTTPClient", Arch::X64Http),
            ("HTTPClient:Arch:00019:UNDI:003001", Arch::Arm64Http),
            ("HTTPClient:Arch:00011", Arch::Arm64Http),
        ] {
            let class = (Code::VENDOR_CLASS, class.as_bytes());
            assert_eq!(find(&[class]), Some(expected), "{class:?}");
            // Too short an option 93 says nothing either.
            assert_eq!(find(&[class, empty]), Some(expected), "{class:?}");
            assert_eq!(find(&[class, (Code::ARCH, &[0])]), Some(expected));
        }
        let pxe: (Code, &[u8]) = (Code::VENDOR_CLASS, b"PXEClient");
        let ipxe: (Code, &[u8]) = (Code::USER_CLASS, b"iPXE");
        assert_eq!(find(&[ipxe]), Some(Arch::X86Bios));
        assert_eq!(find(&[ipxe, pxe]), Some(Arch::X86Bios));
        assert_eq!(find(&[(Code::VENDOR_CLASS, b"udhcp 1.36")]), None);
        // The rows about an architecture hold for it as for one that was named.
        let packet = with(&[pxe]);
        let (machine, profile) = read(&packet).unwrap();
        assert_eq!(machine.arch, Some(Arch::X86Bios));
        assert_eq!(profile.discovery, quirk::Discovery::Menu);
    }

    #[test]
    fn only_ethernet_addresses_name_a_machine() {
        let mut packet = with(&[]);
        assert!(machine(&packet).is_some());
        for (htype, hlen) in [(1, 0), (1, 5), (1, 16), (32, 6), (0, 6)] {
            (packet.htype, packet.hlen) = (htype, hlen);
            assert_eq!(machine(&packet), None, "{htype} {hlen}");
        }
    }

    #[test]
    fn the_features_of_the_qemu_rom_are_http_without_bzimage() {
        let option: Vec<u8> = [0x17, 0x22, 0x13, 0x11, 0x27, 0x19, 0x29, 0x10]
            .into_iter()
            .flat_map(|feature| [feature, 1, 1])
            .chain([0xeb, 3, 1, 0, 0, 0x24, 1])
            .collect();
        let features = ipxe_features(&with(&[(Code::IPXE, &option)])).unwrap();
        assert!(features.http && features.menu && features.nfs && features.dns);
        assert!(!features.bzimage && !features.efi && !features.tftp);
        assert_eq!(features.version, Some([1, 0, 0]));
        assert_eq!(ipxe_features(&with(&[])), None);
    }

    #[test]
    fn a_uuid_is_written_both_ways() {
        let mut option = vec![0];
        option.extend_from_slice(&[0x08, 0x59, 0x94, 0xb8, 0xa6, 0xd6, 0xa9, 0x41]);
        option.extend_from_slice(&[0x80, 1, 2, 3, 4, 5, 6, 7]);
        let uuid = uuid(&with(&[(Code::UUID, &option)])).unwrap();
        assert_eq!(uuid.wire_order(), "085994b8-a6d6-a941-8001-020304050607");
        assert_eq!(uuid.to_string(), "b8945908-d6a6-41a9-8001-020304050607");
        assert_eq!(super::uuid(&with(&[(Code::UUID, &option[..16])])), None);
        assert_eq!(super::uuid(&with(&[(Code::UUID, b"")])), None);
    }

    #[test]
    fn option_43_and_94_are_read() {
        let read = vendor_options(&[6, 1, 8, 71, 4, 0x80, 0, 0, 1, 255]);
        assert_eq!(read.discovery_control, Some(8));
        assert_eq!(read.boot_item, Some((0x8000, 1)));
        assert_eq!(
            ndi(&with(&[(Code::NDI, &[1, 3, 16])])),
            Some(Ndi {
                kind: 1,
                major: 3,
                minor: 16
            })
        );
    }
}
