//! Who is booting: hardware address, client architecture, firmware and what it said of itself.

use std::fmt;
use std::str::FromStr;

/// An Ethernet hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `00-1a-2b-3c-4d-5e`, the form PXELINUX and `BOOTIF=` use.
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

/// The text is not a hardware address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a hardware address; write it like 00:1a:2b:3c:4d:5e")]
pub struct BadMac(pub String);

impl FromStr for Mac {
    type Err = BadMac;

    /// Accepts `:` and `-` between the pairs, either case.
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
    /// 0: x86 PC BIOS (also what Raspberry Pi 3 and 4 announce).
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
    /// Any other number, kept.
    Other(u16),
}

impl From<u16> for Arch {
    fn from(code: u16) -> Self {
        match code {
            0 => Self::X86Bios,
            6 => Self::X86Uefi,
            7 | 9 => Self::X64Uefi,
            10 => Self::Arm32Uefi,
            11 => Self::Arm64Uefi,
            15 => Self::X86Http,
            16 | 17 => Self::X64Http,
            18 => Self::Arm32Http,
            19 => Self::Arm64Http,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X86Bios => f.write_str("x86 BIOS"),
            Self::X86Uefi => f.write_str("x86 UEFI"),
            Self::X64Uefi => f.write_str("x64 UEFI"),
            Self::Arm32Uefi => f.write_str("arm32 UEFI"),
            Self::Arm64Uefi => f.write_str("arm64 UEFI"),
            Self::X86Http => f.write_str("x86 UEFI HTTP"),
            Self::X64Http => f.write_str("x64 UEFI HTTP"),
            Self::Arm32Http => f.write_str("arm32 UEFI HTTP"),
            Self::Arm64Http => f.write_str("arm64 UEFI HTTP"),
            Self::Other(code) => write!(f, "architecture {code}"),
        }
    }
}

/// The software that is asking right now; a boot passes through several on one machine.
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

/// A machine as one DHCP message describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its hardware address.
    pub mac: Mac,
    /// Client architecture, when it said one.
    pub arch: Option<Arch>,
    /// What is asking.
    pub stage: Stage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_prints_as_it_parses() {
        let mac = Mac([0x00, 0x1a, 0xff, 0x03, 0x04, 0x05]);
        assert_eq!("00:1A:ff:03:04:05".parse(), Ok(mac));
        assert_eq!("00-1a-ff-03-04-05".parse(), Ok(mac));
        assert_eq!(mac.to_string(), "00:1a:ff:03:04:05");
        assert_eq!(mac.hyphenated(), "00-1a-ff-03-04-05");
    }

    #[test]
    fn what_is_no_mac_says_how_to_write_one() {
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
    fn seven_and_nine_are_both_x64_and_unknown_numbers_are_kept() {
        assert_eq!(Arch::from(7), Arch::X64Uefi);
        assert_eq!(Arch::from(9), Arch::X64Uefi);
        assert_eq!(Arch::from(65535), Arch::Other(65535));
    }
}
