//! Quirks of single firmwares that the RFCs do not cover: a table, read top down for every
//! message of a machine that boots.
//!
//! Without any row, a proxy's offer says "load this file and ask nobody else" (option 43,
//! discovery control 8), and the file stands in the header and in option 67, both with their NUL:
//! what PXE 2.1 wants. BIOS ROMs get a menu beside it, for those that want one. Where port 4011 is
//! not ours, no offer sends a machine there, whatever its row says. An answer that also gives an
//! address carries neither option 60 nor 43; an unexpected `PXEClient` in it sends EDK2 to port
//! 4011. Nothing is ever overloaded into `file` and `sname`, and a machine without option 97 gets
//! none back.

use super::wire::Packet;
use super::wire::option::Code;
use crate::machine::{Arch, Machine, Stage};

/// One firmware, how it is recognised and what it needs.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// The firmware, for people.
    pub firmware: &'static str,
    /// All of these must hold.
    pub matches: &'static [Match],
    /// The changes to the answer.
    pub overrides: &'static [Override],
    /// The source of this knowledge.
    pub source: &'static str,
}

/// Something a machine shows in its message.
#[derive(Clone, Copy, Debug)]
pub enum Match {
    /// The stage of the boot.
    Stage(Stage),
    /// Its architecture is one of these, after the rows above.
    Arch(&'static [Arch]),
    /// Its hardware address begins with one of these.
    Oui(&'static [[u8; 3]]),
    /// Option 97 begins with one of these, its type byte included.
    Uuid(&'static [&'static [u8]]),
}

/// A change that a row makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// It is this architecture, whatever it said.
    Arch(Arch),
    /// Every answer carries the vendor class `HTTPClient`.
    HttpClient,
    /// An answer that gives an address has the machine not wait for proxies (option 175, 0xb0).
    NoProxyWait,
    /// A proxy's offer has no option 43: the machine asks port 4011 for the file.
    AskBootServer,
    /// A proxy's offer has a boot menu, too, whose one entry is asked for at port 4011.
    BootMenu,
    /// Every answer carries the vendor class `PXEClient` and a boot menu with the one entry
    /// `Raspberry Pi Boot`.
    RaspberryPiMenu,
}

/// The form of an answer to a machine: the sum of the rows that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseProfile {
    /// Its architecture.
    pub arch: Option<Arch>,
    /// [`Override::HttpClient`].
    pub http_client: bool,
    /// [`Override::NoProxyWait`].
    pub no_proxy_wait: bool,
    /// The content of option 43.
    pub discovery: Discovery,
}

/// The way a machine is to find its boot server (PXE 2.1 §2.3, option 43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Not at all: the file is named in the offer.
    UseFile,
    /// By asking port 4011 of the address in `siaddr`.
    AskBootServer,
    /// Not at all; where it insists on a menu, by the one with us in it, at port 4011.
    Menu,
    /// By the menu the Raspberry Pi looks for.
    RaspberryPiMenu,
}

const UEFI: &[Arch] = &[
    Arch::X86Uefi,
    Arch::X64Uefi,
    Arch::Arm32Uefi,
    Arch::Arm64Uefi,
    Arch::Riscv32Uefi,
    Arch::Riscv64Uefi,
    Arch::Loong32Uefi,
    Arch::Loong64Uefi,
];

/// The prefixes the Raspberry Pi foundation and company have registered so far (IEEE, MA-L). The
/// list grows: newer boards are known by option 97 first.
const RASPBERRY_PI: &[[u8; 3]] = &[
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0xd8, 0x3a, 0xdd],
    [0x2c, 0xcf, 0x67],
    [0x28, 0xcd, 0xc1],
    [0x88, 0xa2, 0x9e],
];

/// Beginnings of option 97 of a Raspberry Pi, the type byte included: `RPi` and the model's digit
/// (`RPi4`, `RPi5`; whatever comes next), or what the boot ROM of the Pi 3, which nobody can change,
/// sends.
const RASPBERRY_PI_UUIDS: &[&[u8]] = &[b"\0RPi", b"\0DDDDDDDDDDDDDDDD"];

/// Every row. Later rows see what earlier ones made of the architecture.
pub const QUIRKS: &[Quirk] = &[
    Quirk {
        firmware: "Raspberry Pis, which say they are PCs",
        matches: &[
            Match::Stage(Stage::Firmware),
            Match::Arch(&[Arch::X86Bios]),
            Match::Oui(RASPBERRY_PI),
        ],
        overrides: &[Override::Arch(Arch::RaspberryPi)],
        source: "https://github.com/raspberrypi/rpi-eeprom/issues/182",
    },
    Quirk {
        firmware: "Raspberry Pi 3, and every one with a boot loader of 2020 or later, whatever its address",
        matches: &[
            Match::Stage(Stage::Firmware),
            Match::Arch(&[Arch::X86Bios]),
            Match::Uuid(RASPBERRY_PI_UUIDS),
        ],
        overrides: &[Override::Arch(Arch::RaspberryPi)],
        source: "https://github.com/raspberrypi/rpi-eeprom/issues/103, \
                 https://github.com/raspberrypi/documentation/issues/3586",
    },
    Quirk {
        firmware: "Raspberry Pi's boot loader, which takes no answer without its menu entry",
        matches: &[
            Match::Stage(Stage::Firmware),
            Match::Arch(&[Arch::RaspberryPi]),
        ],
        overrides: &[Override::RaspberryPiMenu],
        source: "https://github.com/raspberrypi/documentation/issues/1686",
    },
    Quirk {
        firmware: "x64 UEFI that announces itself as Itanium (2) or XScale (8)",
        matches: &[
            Match::Stage(Stage::Firmware),
            Match::Arch(&[Arch::Other(2), Arch::Other(8)]),
        ],
        overrides: &[Override::Arch(Arch::X64Uefi)],
        source: "https://github.com/linuxserver/docker-netbootxyz/issues/8",
    },
    // They stop at option 43 without menu and prompt, although bit 3 of the discovery control says
    // that there is nothing to choose. LTSP's dnsmasq sends both and boots them. Which ROM it is
    // cannot be seen; those that obey bit 3 do not look at the menu.
    Quirk {
        firmware: "PXE ROMs of Intel's, which may stop with PXE-E74 (no menu or no prompt)",
        matches: &[Match::Stage(Stage::Firmware), Match::Arch(&[Arch::X86Bios])],
        overrides: &[Override::BootMenu],
        source: "https://github.com/FOGProject/fogproject/issues/596, \
                 https://knowledge.broadcom.com/external/article/152549",
    },
    // EDK2 of before April 2017 (Dell T130, T430) throws away proxy offers with option 43, and
    // HP's laptops ignore "use this file". All go to port 4011 when option 43 is missing; the
    // file is in the offer as well, for those that do not.
    Quirk {
        firmware: "UEFI PXE",
        matches: &[Match::Stage(Stage::Firmware), Match::Arch(UEFI)],
        overrides: &[Override::AskBootServer],
        source: "https://github.com/tianocore/edk2/issues/6944, \
                 https://github.com/garybowers/bootimus/issues/77, \
                 https://github.com/danderson/netboot (pixiecore/dhcp.go)",
    },
    Quirk {
        firmware: "UEFI HTTP Boot, which takes no URL from an answer without its class",
        matches: &[Match::Stage(Stage::HttpBoot)],
        overrides: &[Override::HttpClient],
        source: "https://github.com/tianocore/edk2 (NetworkPkg/HttpBootDxe/HttpBootDhcp4.c)",
    },
    Quirk {
        firmware: "iPXE, which waits two seconds for proxies after every offer",
        matches: &[Match::Stage(Stage::Ipxe)],
        overrides: &[Override::NoProxyWait],
        source: "https://github.com/ipxe/ipxe (src/net/udp/dhcp.c)",
    },
];

/// Returns how to answer `machine`, which sent `packet` and is described as it describes itself.
pub fn profile(packet: &Packet, machine: &Machine) -> ResponseProfile {
    sum(QUIRKS.iter(), packet, machine)
}

fn sum<'a>(
    quirks: impl Iterator<Item = &'a Quirk>,
    packet: &Packet,
    machine: &Machine,
) -> ResponseProfile {
    let mut profile = ResponseProfile {
        arch: machine.arch,
        http_client: false,
        no_proxy_wait: false,
        discovery: Discovery::UseFile,
    };
    for quirk in quirks {
        if quirk
            .matches
            .iter()
            .all(|s| s.holds(packet, machine, &profile))
        {
            for effect in quirk.overrides {
                effect.apply(&mut profile);
            }
        }
    }
    profile
}

impl ResponseProfile {
    /// Returns the same where port 4011 is not ours: the answer names the file at once, and EDK2 of
    /// 2017 and later does not ask there then (PxeBcDhcp4.c, "PXE10" offers).
    pub(super) fn without_boot_server(mut self) -> Self {
        self.discovery = match self.discovery {
            Discovery::AskBootServer | Discovery::Menu => Discovery::UseFile,
            // It only looks for the text.
            Discovery::UseFile | Discovery::RaspberryPiMenu => self.discovery,
        };
        self
    }
}

impl Match {
    fn holds(&self, packet: &Packet, machine: &Machine, profile: &ResponseProfile) -> bool {
        match self {
            Self::Stage(stage) => machine.stage == *stage,
            Self::Arch(archs) => profile.arch.is_some_and(|arch| archs.contains(&arch)),
            Self::Oui(prefixes) => prefixes.iter().any(|p| machine.mac.0.starts_with(p)),
            Self::Uuid(prefixes) => {
                let uuid = packet.options.get(Code::UUID).unwrap_or_default();
                prefixes.iter().any(|prefix| uuid.starts_with(prefix))
            }
        }
    }
}

impl Override {
    fn apply(self, profile: &mut ResponseProfile) {
        match self {
            Self::Arch(arch) => profile.arch = Some(arch),
            Self::HttpClient => profile.http_client = true,
            Self::NoProxyWait => profile.no_proxy_wait = true,
            Self::AskBootServer => profile.discovery = Discovery::AskBootServer,
            Self::BootMenu => profile.discovery = Discovery::Menu,
            Self::RaspberryPiMenu => profile.discovery = Discovery::RaspberryPiMenu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pxe;
    use super::super::tests::discover;
    use super::*;

    /// A DISCOVER that shows these signs.
    fn showing(matches: &[Match]) -> Packet {
        let mut packet = discover(1);
        for sign in matches {
            match sign {
                Match::Stage(Stage::HttpBoot) => {
                    packet.options.set(Code::VENDOR_CLASS, *b"HTTPClient");
                }
                Match::Stage(stage) => {
                    packet.options.set(Code::VENDOR_CLASS, *b"PXEClient");
                    if *stage == Stage::Ipxe {
                        packet.options.set(Code::USER_CLASS, *b"iPXE");
                    }
                }
                Match::Arch(archs) => {
                    let code = (0..=u16::MAX).find(|code| Arch::from(*code) == archs[0]);
                    packet.options.set(Code::ARCH, code.unwrap().to_be_bytes());
                }
                Match::Oui(prefixes) => packet.chaddr[..3].copy_from_slice(&prefixes[0]),
                Match::Uuid(prefixes) => {
                    let mut uuid = [0; 17];
                    uuid[..prefixes[0].len()].copy_from_slice(prefixes[0]);
                    packet.options.set(Code::UUID, uuid);
                }
            }
        }
        packet
    }

    #[test]
    fn every_row_is_reached_does_something_and_names_its_source() {
        for (i, quirk) in QUIRKS.iter().enumerate() {
            let name = quirk.firmware;
            assert!(quirk.source.starts_with("https://"), "{name}");
            assert!(
                !quirk.matches.is_empty() && !quirk.overrides.is_empty(),
                "{name}"
            );
            assert!(
                QUIRKS.iter().skip(i + 1).all(|q| q.firmware != name),
                "{name} twice"
            );
            let (_, profile) = pxe::read(&showing(quirk.matches)).unwrap();
            for effect in quirk.overrides {
                let mut again = profile;
                effect.apply(&mut again);
                assert_eq!(again, profile, "{name}: {effect:?} is undone");
            }
            // Nobody else does it for this machine.
            let packet = showing(quirk.matches);
            let as_it_says = Machine {
                arch: pxe::arch(&packet),
                ..pxe::machine(&packet).unwrap()
            };
            assert_eq!(super::profile(&packet, &as_it_says), profile, "{name}");
            let others = QUIRKS.iter().filter(|q| q.firmware != name);
            assert_ne!(sum(others, &packet, &as_it_says), profile, "{name}");
        }
    }

    #[test]
    fn a_raspberry_pi_is_known_by_its_address_or_its_uuid_and_a_pc_is_not_one() {
        let pc = showing(&[Match::Stage(Stage::Firmware), Match::Arch(&[Arch::X86Bios])]);
        assert_eq!(pxe::read(&pc).unwrap().1.discovery, Discovery::Menu);
        for oui in RASPBERRY_PI {
            let mut pi = pc.clone();
            pi.chaddr[..3].copy_from_slice(oui);
            let (machine, profile) = pxe::read(&pi).unwrap();
            assert_eq!(machine.arch, Some(Arch::RaspberryPi), "{oui:x?}");
            assert_eq!(profile.discovery, Discovery::RaspberryPiMenu);
            // With UEFI firmware on its card it is a UEFI machine like others.
            pi.options.set(Code::ARCH, [0, 11]);
            let (machine, profile) = pxe::read(&pi).unwrap();
            assert_eq!(machine.arch, Some(Arch::Arm64Uefi));
            assert_eq!(profile.discovery, Discovery::AskBootServer);
        }
        // Of another maker's or a made-up address, with or without option 93.
        for model in *b"0123456789" {
            let mut pi = pc.clone();
            let mut uuid = *b"\0RPi4\x11\x31\xd0\0\x32\x2e\xf8\xed\x10abc";
            uuid[4] = model;
            pi.options.set(Code::UUID, uuid);
            assert_eq!(pxe::machine(&pi).unwrap().arch, Some(Arch::RaspberryPi));
            pi.options.remove(Code::ARCH);
            assert_eq!(pxe::machine(&pi).unwrap().arch, Some(Arch::RaspberryPi));
        }
        // The boot ROM of the Pi 3.
        let mut pi = pc.clone();
        pi.options.set(Code::UUID, *b"\0DDDDDDDDDDDDDDDD");
        assert_eq!(pxe::machine(&pi).unwrap().arch, Some(Arch::RaspberryPi));
        for uuid in [*b"\0DDDDDDDDDDDDDDD\0", *b"\x01RPi5567812345678", [0; 17]] {
            let mut other = pc.clone();
            other.options.set(Code::UUID, uuid);
            assert_eq!(pxe::machine(&other).unwrap().arch, Some(Arch::X86Bios));
        }
    }

    #[test]
    fn a_plain_client_has_no_quirks() {
        let mut packet = showing(&[Match::Oui(RASPBERRY_PI)]);
        packet.options.set(Code::ARCH, [0, 0]);
        let (machine, profile) = pxe::read(&packet).unwrap();
        assert_eq!(
            (machine.stage, machine.arch),
            (Stage::Plain, Some(Arch::X86Bios))
        );
        assert_eq!(profile.discovery, Discovery::UseFile);
        assert!(!profile.http_client && !profile.no_proxy_wait);
    }
}
