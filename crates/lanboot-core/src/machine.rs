//! A booting machine: hardware address, client architecture and boot stage.

use std::fmt;
use std::str::FromStr;

/// An Ethernet hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Formats as `00-1a-2b-3c-4d-5e`, the form used by PXELINUX and `BOOTIF=`.
    pub fn hyphenated(self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Error: the text is not a hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a hardware address; write it like 00:1a:2b:3c:4d:5e")]
pub struct BadMac(pub String);

impl FromStr for Mac {
    type Err = BadMac;

    /// Accepts `:` and `-` between the pairs, in either case.
    fn from_str(text: &str) -> Result<Self, BadMac> {
        let bad = || BadMac(text.to_owned());
        let mut bytes = [0; 6];
        let mut pairs = text.split([':', '-']);
        for byte in &mut bytes {
            let pair = pairs.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        if pairs.next().is_some() {
            Err(bad())
        } else {
            Ok(Self(bytes))
        }
    }
}

/// Client system architecture, DHCP option 93 (RFC 4578 §2.1 and IANA's registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 0: x86 PC BIOS (also announced by Raspberry Pis).
    X86Bios,
    /// 6: IA-32 UEFI.
    X86Uefi,
    /// 7, and 9: x64 UEFI. RFC 4578 swapped the two and firmware uses both.
    X64Uefi,
    /// 10: 32-bit ARM UEFI.
    Arm32Uefi,
    /// 11: 64-bit ARM UEFI.
    Arm64Uefi,
    /// 15: IA-32 UEFI HTTP Boot.
    X86Http,
    /// 16, and 17: x64 UEFI HTTP Boot.
    X64Http,
    /// 18: 32-bit ARM UEFI HTTP Boot.
    Arm32Http,
    /// 19: 64-bit ARM UEFI HTTP Boot.
    Arm64Http,
    /// 20: x86 PC BIOS that boots over HTTP.
    BiosHttp,
    /// 25: 32-bit RISC-V UEFI.
    Riscv32Uefi,
    /// 26: 32-bit RISC-V UEFI HTTP Boot.
    Riscv32Http,
    /// 27: 64-bit RISC-V UEFI.
    Riscv64Uefi,
    /// 28: 64-bit RISC-V UEFI HTTP Boot.
    Riscv64Http,
    /// 37: 32-bit LoongArch UEFI.
    Loong32Uefi,
    /// 38: 32-bit LoongArch UEFI HTTP Boot.
    Loong32Http,
    /// 39: 64-bit LoongArch UEFI.
    Loong64Uefi,
    /// 40: 64-bit LoongArch UEFI HTTP Boot.
    Loong64Http,
    /// 41: Raspberry Pi's own boot loader.
    RaspberryPi,
    /// Any other number.
    Other(u16),
}

/// Known architectures: number, variant, display name, and the number of the firmware that runs the
/// same programs without HTTP.
const ARCHS: [(u16, Arch, &str, u16); 21] = [
    (0, Arch::X86Bios, "x86 BIOS", 0),
    (6, Arch::X86Uefi, "x86 UEFI", 6),
    (7, Arch::X64Uefi, "x64 UEFI", 7),
    (9, Arch::X64Uefi, "x64 UEFI", 7),
    (10, Arch::Arm32Uefi, "arm32 UEFI", 10),
    (11, Arch::Arm64Uefi, "arm64 UEFI", 11),
    (15, Arch::X86Http, "x86 UEFI HTTP", 6),
    (16, Arch::X64Http, "x64 UEFI HTTP", 7),
    (17, Arch::X64Http, "x64 UEFI HTTP", 7),
    (18, Arch::Arm32Http, "arm32 UEFI HTTP", 10),
    (19, Arch::Arm64Http, "arm64 UEFI HTTP", 11),
    (20, Arch::BiosHttp, "x86 BIOS HTTP", 0),
    (25, Arch::Riscv32Uefi, "riscv32 UEFI", 25),
    (26, Arch::Riscv32Http, "riscv32 UEFI HTTP", 25),
    (27, Arch::Riscv64Uefi, "riscv64 UEFI", 27),
    (28, Arch::Riscv64Http, "riscv64 UEFI HTTP", 27),
    (37, Arch::Loong32Uefi, "loongarch32 UEFI", 37),
    (38, Arch::Loong32Http, "loongarch32 UEFI HTTP", 37),
    (39, Arch::Loong64Uefi, "loongarch64 UEFI", 39),
    (40, Arch::Loong64Http, "loongarch64 UEFI HTTP", 39),
    (41, Arch::RaspberryPi, "Raspberry Pi", 41),
];

impl Arch {
    /// Lists the known architectures in numerical order.
    pub fn known() -> impl Iterator<Item = (u16, Self)> {
        ARCHS.iter().map(|(code, arch, ..)| (*code, *arch))
    }

    /// Returns its number in DHCP option 93, the first where it has several.
    pub fn code(self) -> u16 {
        let row = ARCHS.iter().find(|(_, arch, ..)| *arch == self);
        match (row, self) {
            (_, Self::Other(code)) => code,
            (Some((code, ..)), _) => *code,
            // Every variant but `Other` has a row.
            (None, _) => u16::MAX,
        }
    }

    /// Returns the architecture of the programs this firmware runs: itself, or for HTTP boot
    /// firmware its counterpart without HTTP.
    pub fn program(self) -> Self {
        let row = ARCHS.iter().find(|(_, arch, ..)| *arch == self);
        row.map_or(self, |(.., program)| Self::from(*program))
    }

    /// Returns whether the firmware loads over HTTP and needs a URL.
    pub fn is_http(self) -> bool {
        self.program() != self
    }
}

impl From<u16> for Arch {
    fn from(code: u16) -> Self {
        let row = ARCHS.iter().find(|(number, ..)| *number == code);
        row.map_or(Self::Other(code), |(_, arch, ..)| *arch)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (ARCHS.iter().find(|(_, arch, ..)| arch == self), self) {
            (Some((_, _, name, _)), _) => f.write_str(name),
            (None, Self::Other(code)) => write!(f, "architecture {code}"),
            (None, other) => write!(f, "{other:?}"),
        }
    }
}

/// The software that sends the request; one boot passes through several stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A PXE ROM or UEFI PXE driver (vendor class `PXEClient`).
    Firmware,
    /// UEFI HTTP Boot (vendor class `HTTPClient`).
    HttpBoot,
    /// iPXE (user class `iPXE` or option 175). A ROM may be iPXE itself.
    Ipxe,
    /// Anything else: an initramfs, an installed system, a phone.
    Plain,
}

impl Stage {
    /// Returns the architecture assumed when a client names none. PXE ROMs older than RFC 4578
    /// (2006) and iPXE built without option 93 (<https://github.com/ipxe/ipxe/issues/1527>) are
    /// BIOS. HTTP Boot is UEFI; x64 is the most likely architecture there, and the others name
    /// theirs. `None` for a plain client.
    pub fn unsaid_arch(self) -> Option<Arch> {
        match self {
            Self::Firmware | Self::Ipxe => Some(Arch::X86Bios),
            Self::HttpBoot => Some(Arch::X64Http),
            Self::Plain => None,
        }
    }
}

/// The UUID of a machine's board in SMBIOS's byte order (the first three fields little-endian), which
/// is that of DHCP option 97, type 0, too (RFC 4578 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// As PXELINUX asks for it: the bytes in wire order.
    pub fn wire_order(self) -> String {
        hyphenated(self.0)
    }
}

impl fmt::Display for Uuid {
    /// As iPXE, `dmidecode` and people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        let [j, k, l, m, n, o, p, q] = rest;
        f.write_str(&hyphenated([
            d, c, b, a, g, e, i, h, j, k, l, m, n, o, p, q,
        ]))
    }
}

/// Error: the text is not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a UUID; write it like 4c4c4544-0044-3510-8052-b4c04f4a4d31", .0.escape_debug())]
pub struct BadUuid(pub String);

impl FromStr for Uuid {
    type Err = BadUuid;

    /// Accepts 32 digits of either case, with hyphens anywhere, as [`Uuid`] displays them.
    fn from_str(text: &str) -> Result<Self, BadUuid> {
        let bad = || BadUuid(text.to_owned());
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let number = u128::from_str_radix(&digits, 16).map_err(|_| bad())?;
        let [d, c, b, a, g, e, i, h, rest @ ..] = number.to_be_bytes();
        let [j, k, l, m, n, o, p, q] = rest;
        Ok(Self([a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q]))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

fn hyphenated(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A machine as described by one DHCP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Hardware address.
    pub mac: Mac,
    /// Client architecture, if the message names one.
    pub arch: Option<Arch>,
    /// Boot stage.
    pub stage: Stage,
    /// UUID, if the message names one.
    pub uuid: Option<Uuid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_display_round_trips() {
        let mac = Mac([0x00, 0x1a, 0xff, 0x03, 0x04, 0x05]);
        assert_eq!("00:1A:ff:03:04:05".parse(), Ok(mac));
        assert_eq!("00-1a-ff-03-04-05".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "00:1a:ff:03:04:05");
        assert_eq!(mac.hyphenated(), "00-1a-ff-03-04-05");
    }

    #[test]
    fn bad_mac_error_shows_the_expected_form() {
        for text in [
            "",
            "00:1a",
            "00:1a:ff:03:04:05:06",
            "00:1a:ff:03:04:5",
            "zz:1a:ff:03:04:05",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(BadMac(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_uuid_is_read_as_it_is_shown() {
        let uuid = Uuid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
        let text = uuid.to_string();
        assert_eq!(text, "04030201-0605-0807-090a-0b0c0d0e0f10");
        assert_eq!(text.to_uppercase().parse(), Ok(uuid));
        assert_eq!(text.replace('-', "").parse(), Ok(uuid));
        for text in ["", "7", "+4030201-0605-0807-090a-0b0c0d0e0f10", &text[1..]] {
            assert_eq!(
                text.parse::<Uuid>(),
                Err(BadUuid(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn seven_and_nine_are_x64_and_unknown_numbers_are_preserved() {
        assert_eq!(Arch::from(7), Arch::X64Uefi);
        assert_eq!(Arch::from(9), Arch::X64Uefi);
        assert_eq!(Arch::from(65535), Arch::Other(65535));
        assert_eq!(Arch::Other(65535).to_string(), "architecture 65535");
        for code in 0..100 {
            assert_eq!(
                Arch::from(Arch::from(code).code()),
                Arch::from(code),
                "{code}"
            );
        }
    }

    #[test]
    fn http_firmware_runs_the_programs_of_its_counterpart() {
        for (code, program, http) in [(16, 7, true), (19, 11, true), (7, 7, false), (9, 7, false)] {
            assert_eq!(Arch::from(code).program(), Arch::from(program), "{code}");
            assert_eq!(Arch::from(code).is_http(), http, "{code}");
        }
        assert_eq!(Arch::Other(500).program(), Arch::Other(500));
    }
}
