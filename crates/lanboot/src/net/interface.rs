//! Network interfaces of this host, as described by the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use anyhow::Context as _;
use ipnet::{IpNet, Ipv4Net};
use lanboot_core::machine::Mac;
use nix::net::if_::InterfaceFlags;

use super::links::{self, Link};

/// Deepest stack of devices: a port of a bond of a bridge, with a margin.
const MAX_STACK: usize = 8;

/// A network interface of this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Interface name.
    pub name: String,
    /// Interface index.
    pub index: u32,
    /// Hardware address; machines can only boot over Ethernet.
    pub mac: Option<Mac>,
    /// Addresses with their networks; for now only those of IPv4 are listed.
    pub addresses: Vec<IpNet>,
    /// Administratively up.
    pub up: bool,
    /// It has a link: a cable plugged in, or a radio connected.
    pub running: bool,
    /// The loopback.
    pub loopback: bool,
    /// Kind as named by the kernel (`bridge`, `veth`, `tun`…); `None` for hardware.
    pub kind: Option<String>,
    /// The device that takes what this one receives.
    pub upper: Option<Upper>,
    /// Physical medium.
    pub medium: Medium,
    /// True if an XDP program sees its packets first.
    pub has_xdp: bool,
}

impl Interface {
    /// Returns its own address: the first that is not link-local, if any.
    pub fn address(&self) -> Option<IpNet> {
        let mut all = self.addresses.iter();
        let first = self.addresses.first();
        let own = all.find(|a| !is_link_local(a.addr())).or(first);
        own.copied()
    }
}

/// Tests whether an address is valid on its own link alone (RFC 3927, RFC 4291 §2.5.6).
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Physical medium of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// A cable, or a virtual equivalent.
    #[default]
    Cable,
    /// A radio; access points rarely forward what booting needs.
    Wifi,
    /// A modem or a phone: another party's network.
    Mobile,
}

/// A device that takes the packets of the interfaces below it: no program receives anything there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upper {
    /// Interface name.
    pub name: String,
    /// Kind: `bridge`, `bond`, `team`, `vrf`, `openvswitch`…; `passthru` for a macvlan in that
    /// mode; empty if unknown.
    pub kind: String,
    /// Name of the topmost device; its own if there is none above.
    pub top: String,
}

impl Upper {
    /// Describes the role of an interface below, as in "eth0 is …".
    pub fn role(&self) -> String {
        let name = &self.name;
        let role = match self.kind.as_str() {
            "bridge" => format!("a port of the bridge {name}"),
            "bond" => format!("a member of the bond {name}"),
            "team" => format!("a member of the team {name}"),
            "vrf" => format!("a member of the VRF {name}"),
            "openvswitch" => "a port of an Open vSwitch bridge".into(),
            "batadv" => format!("a port of the mesh {name}"),
            "passthru" => format!("passed through to the macvlan {name}"),
            _ => format!("a part of {name}"),
        };
        if self.top == *name {
            role
        } else {
            format!("{role}, which is a part of {}", self.top)
        }
    }

    /// Returns a suggestion which interface to serve instead.
    pub fn instead(&self) -> String {
        match self.kind.as_str() {
            // Any number of ports can be the host's own.
            "openvswitch" => "name the host's own interface of that bridge with --interface".into(),
            // A socket there receives only part of its interfaces' packets.
            "vrf" => "take it out of the VRF, or name another with --interface".into(),
            _ => format!("use --interface {}", self.top),
        }
    }
}

/// Lists all interfaces, by name.
pub fn interfaces() -> anyhow::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in nix::ifaddrs::getifaddrs().context("cannot list the network interfaces")? {
        let index = nix::net::if_::if_nametoindex(entry.interface_name.as_str()).unwrap_or(0);
        let interface = found
            .entry(entry.interface_name.clone())
            .or_insert_with(|| Interface {
                name: entry.interface_name.clone(),
                index,
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                running: entry.flags.contains(InterfaceFlags::IFF_RUNNING),
                loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                ..Interface::default()
            });
        let Some(address) = entry.address else {
            continue;
        };
        if let Some(link) = address.as_link_addr() {
            interface.mac = link.addr().filter(|m| *m != [0; 6]).map(Mac);
        }
        if let Some(v4) = address.as_sockaddr_in() {
            let mask = entry
                .netmask
                .as_ref()
                .and_then(|m| Some(m.as_sockaddr_in()?.ip()));
            let prefix = mask.map_or(32, |m| m.to_bits().leading_ones());
            let prefix = u8::try_from(prefix).unwrap_or(32);
            let address = Ipv4Net::new(v4.ip(), prefix).unwrap_or_else(|_| v4.ip().into());
            interface.addresses.push(address.into());
        }
    }
    // A kernel that reports no links (a sandbox) has no bridges either.
    let links = links::list().unwrap_or_default();
    let mut found: Vec<Interface> = found.into_values().collect();
    for interface in &mut found {
        describe(interface, &links);
        interface.medium = medium(
            &interface.name,
            interface.kind.as_deref(),
            &hints(&interface.name),
        );
    }
    Ok(found)
}

/// Looks up the device that takes the packets of the interface with this index.
pub fn upper(index: u32) -> Option<Upper> {
    let links = links::list().ok()?;
    upper_of(index, &links)
}

/// Adds the kernel's link information of an interface.
fn describe(interface: &mut Interface, links: &[Link]) {
    let own = links.iter().find(|link| link.index == interface.index);
    let Some(link) = own.filter(|link| link.name == interface.name) else {
        return;
    };
    interface.kind.clone_from(&link.kind);
    interface.has_xdp = link.has_xdp;
    interface.upper = upper_of(link.index, links);
}

fn upper_of(index: u32, links: &[Link]) -> Option<Upper> {
    let (first, kind) = above(index, links)?;
    let mut top = first;
    for _ in 0..MAX_STACK {
        match above(top.index, links) {
            Some((next, _)) => top = next,
            None => break,
        }
    }
    Some(Upper {
        name: first.name.clone(),
        kind,
        top: top.name.clone(),
    })
}

/// Returns the link directly above another, and its kind.
fn above(index: u32, links: &[Link]) -> Option<(&Link, String)> {
    let own = links.iter().find(|link| link.index == index)?;
    if let Some(master) = own.master {
        let upper = links.iter().find(|link| link.index == master)?;
        let kind = upper.kind.as_ref().or(own.member_kind.as_ref());
        return Some((upper, kind.cloned().unwrap_or_default()));
    }
    let mut all = links.iter();
    let upper = all.find(|link| link.takes_all && link.lower == Some(index))?;
    Some((upper, "passthru".into()))
}

/// Properties of a device in sysfs.
#[derive(Debug, Default)]
struct Hints {
    has_radio: bool,
    device_type: Option<String>,
    driver: Option<String>,
}

/// Reads them; empty if `/sys` belongs to another namespace or is missing.
fn hints(name: &str) -> Hints {
    let folder = format!("/sys/class/net/{name}");
    let uevent = fs::read_to_string(format!("{folder}/uevent")).unwrap_or_default();
    let device_type = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="));
    let driver = fs::read_link(format!("{folder}/device/driver")).ok();
    let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let has = |file: &str| fs::exists(format!("{folder}/{file}")).unwrap_or(false);
    Hints {
        has_radio: has("phy80211") || has("wireless"),
        device_type: device_type.map(str::to_owned),
        driver,
    }
}

/// Determines the medium from kernel information, then from names given by systemd and kernels.
fn medium(name: &str, kind: Option<&str>, hints: &Hints) -> Medium {
    if matches!(kind, Some("bridge" | "bond" | "team" | "openvswitch")) {
        return Medium::Cable;
    }
    let is_named = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let driver = hints.driver.as_deref();
    match hints.device_type.as_deref() {
        Some("wlan") => return Medium::Wifi,
        Some("wwan") => return Medium::Mobile,
        _ => {}
    }
    if hints.has_radio
        || is_named("wlan")
        || is_named("wlp")
        || is_named("wls")
        || is_named("wlo")
        || name.strip_prefix("wlx").is_some_and(|mac| is_hex(mac, 12))
        || name
            .strip_prefix("wlP")
            .is_some_and(|rest| rest.contains('p'))
    {
        return Medium::Wifi;
    }
    // A phone that shares its connection over USB, or a modem. The kernel calls such a link usb0
    // unless it has a universal hardware address.
    if matches!(
        driver,
        Some("ipheth" | "rndis_host" | "qmi_wwan" | "cdc_mbim")
    ) || is_named("wwan")
        || is_named("wwp")
        || is_named("usb")
    {
        return Medium::Mobile;
    }
    Medium::Cable
}

/// Returns whether `text` is `len` lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, kind: Option<&str>, master: Option<u32>) -> Link {
        Link {
            index,
            name: name.into(),
            kind: kind.map(str::to_owned),
            master,
            ..Link::default()
        }
    }

    #[test]
    fn upper_devices_are_found_to_the_top() {
        let mut links = vec![
            link(1, "br0", Some("bridge"), None),
            link(2, "bond0", Some("bond"), Some(1)),
            link(3, "eth0", None, Some(2)),
            link(4, "eth1", None, Some(1)),
            link(5, "eth2", None, None),
            link(6, "ovs-system", Some("openvswitch"), None),
            link(7, "eth3", None, Some(6)),
            link(8, "blue", Some("vrf"), None),
            link(9, "eth4", None, Some(8)),
            link(10, "eth5", None, None),
            // Hyper-V's pair of a virtual and a passed-through card.
            link(11, "eth6", None, Some(10)),
            // Refers to a missing master.
            link(12, "eth7", None, Some(99)),
            link(13, "team0", Some("team"), None),
            link(14, "eth8", None, Some(13)),
        ];
        let macvlan = |index, takes_all| Link {
            lower: Some(5),
            takes_all,
            ..link(index, "m0", Some("macvlan"), None)
        };
        let said = |links: &[Link], index| {
            let upper = upper_of(index, links)?;
            Some(format!("{}; {}", upper.role(), upper.instead()))
        };
        for (index, expected) in [
            (
                3,
                Some("a member of the bond bond0, which is a part of br0; use --interface br0"),
            ),
            (4, Some("a port of the bridge br0; use --interface br0")),
            (5, None),
            (
                7,
                Some(
                    "a port of an Open vSwitch bridge; name the host's own interface of that bridge with --interface",
                ),
            ),
            (
                9,
                Some(
                    "a member of the VRF blue; take it out of the VRF, or name another with --interface",
                ),
            ),
            (11, Some("a part of eth5; use --interface eth5")),
            (12, None),
            (
                14,
                Some("a member of the team team0; use --interface team0"),
            ),
            (1, None),
        ] {
            assert_eq!(said(&links, index).as_deref(), expected, "{index}");
        }
        links.push(macvlan(20, false));
        assert_eq!(
            said(&links, 5),
            None,
            "the lower of a bridge-mode macvlan hears all"
        );
        links.push(macvlan(21, true));
        let expected = "passed through to the macvlan m0; use --interface m0";
        assert_eq!(said(&links, 5).as_deref(), Some(expected));
        // A loop of two devices ends.
        let circle = [link(1, "a", None, Some(2)), link(2, "b", None, Some(1))];
        assert!(upper_of(1, &circle).is_some());
    }

    #[test]
    fn radios_and_phones_are_distinguished_from_cables() {
        let none = Hints::default();
        for (name, kind, expected) in [
            ("wlan0", None, Medium::Wifi),
            ("wlp3s0", None, Medium::Wifi),
            ("wlx00c0ca5b3f21", None, Medium::Wifi),
            ("wlo1", None, Medium::Wifi),
            ("wlP1p1s0", None, Medium::Wifi),
            ("wlan0", Some("bridge"), Medium::Cable),
            ("wlan-lab", None, Medium::Cable),
            ("wwan0", None, Medium::Mobile),
            ("wwp0s20f0u6", None, Medium::Mobile),
            ("usb0", None, Medium::Mobile),
            ("usblan", None, Medium::Cable),
            ("eth0", None, Medium::Cable),
            ("enx00e04c680001", None, Medium::Cable),
            ("br-lan", Some("bridge"), Medium::Cable),
        ] {
            assert_eq!(medium(name, kind, &none), expected, "{name}");
        }
        let radio = Hints {
            has_radio: true,
            ..Hints::default()
        };
        assert_eq!(medium("ath0", None, &radio), Medium::Wifi);
        let of_type = |text: &str| Hints {
            device_type: Some(text.into()),
            ..Hints::default()
        };
        assert_eq!(medium("lan5", None, &of_type("wlan")), Medium::Wifi);
        assert_eq!(medium("lan5", None, &of_type("wwan")), Medium::Mobile);
        assert_eq!(
            medium("br0", Some("bridge"), &of_type("bridge")),
            Medium::Cable
        );
        for (driver, expected) in [
            ("ipheth", Medium::Mobile),
            ("rndis_host", Medium::Mobile),
            // Cable adapters use these drivers as well.
            ("cdc_ether", Medium::Cable),
            ("cdc_ncm", Medium::Cable),
        ] {
            let hints = Hints {
                driver: Some(driver.into()),
                ..Hints::default()
            };
            assert_eq!(
                medium("enx00e04c680001", None, &hints),
                expected,
                "{driver}"
            );
        }
    }
}
