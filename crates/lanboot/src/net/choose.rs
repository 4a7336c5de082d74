//! Chooses the interface to serve, and describes the others. Depends on descriptions alone.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{anyhow, bail};
use ipnet::{IpNet, Ipv4Net};
use lanboot_core::events::{Diagnostic, DiagnosticCode};

use super::interface::{Interface, Medium, is_hex, is_link_local};

/// Networks suggested for an interface without an address, in this order.
const SUGGESTIONS: [IpNet; 3] = [
    suggested([192, 168, 0, 1]),
    suggested([192, 168, 77, 1]),
    suggested([10, 77, 0, 1]),
];

const fn suggested([a, b, c, d]: [u8; 4]) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), 24))
}

impl Interface {
    /// Returns the reason it cannot be chosen automatically, in a few words; `None` if it can.
    pub(super) fn unusable(&self) -> Option<String> {
        let words = if self.loopback {
            "loopback"
        } else if let Some(upper) = &self.upper {
            return Some(upper.role());
        } else if self.mac.is_none() {
            "not Ethernet"
        } else if !self.up {
            "down"
        } else if self.medium == Medium::Wifi {
            "Wi-Fi"
        } else if self.medium == Medium::Mobile {
            "a modem or phone"
        } else if self.addresses.is_empty() {
            "no IPv4 address"
        } else if self.is_virtual() {
            "a bridge or tunnel of containers or virtual machines"
        } else {
            let own = self.address()?.addr();
            if is_link_local(own) {
                "only a link-local address"
            } else if is_public(own) {
                "in a public network"
            } else {
                return None;
            }
        };
        Some(words.into())
    }

    /// Returns whether it was made by software for its own guests, or is a tunnel; served only if
    /// named.
    fn is_virtual(&self) -> bool {
        let is_tunnel = self.kind.as_deref().is_some_and(|kind| {
            matches!(
                kind,
                "tun"
                    | "wireguard"
                    | "vxlan"
                    | "geneve"
                    | "gretap"
                    | "ip6gretap"
                    | "erspan"
                    | "ip6erspan"
                    | "l2tpeth"
                    | "bareudp"
                    | "ifb"
            )
        });
        is_tunnel || is_virtual_name(&self.name)
    }

    /// Returns whether a cable is plugged in but no address configured: it may be the intended one.
    fn is_idle(&self) -> bool {
        self.addresses.is_empty()
            && self.running
            && self.mac.is_some()
            && self.upper.is_none()
            && self.medium == Medium::Cable
            && !self.loopback
            && !self.is_virtual()
    }
}

/// Returns whether a name is one given by container engines, hypervisors and VPNs, in exactly their
/// form: OpenWrt's LAN is called `br-lan`, Proxmox's `vmbr0`.
fn is_virtual_name(name: &str) -> bool {
    const NUMBERED: [&str; 18] = [
        "docker",
        "virbr",
        "vnet",
        "vmnet",
        "vboxnet",
        "lxcbr",
        "lxdbr",
        "incusbr",
        "podman",
        "cni",
        "cni-podman",
        "tun",
        "tap",
        "wg",
        "tailscale",
        "utun",
        "dummy",
        "vif",
    ];
    const BEGINNINGS: [&str; 13] = [
        "veth", "cali", "cilium_", "flannel.", "kube-", "lxc", "fwbr", "fwpr", "fwln", "ve-",
        "vb-", "vz-", "virbr0-",
    ];
    const EXACT: [&str; 4] = ["docker_gwbridge", "nodelocaldns", "ovs-system", "nordlynx"];
    let has_number = |prefix: &&str| {
        let rest = name.strip_prefix(*prefix);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    // Docker's own networks; ZeroTier's.
    let is_docker = name.strip_prefix("br-").is_some_and(|id| is_hex(id, 12));
    let is_zerotier = name.strip_prefix("zt").is_some_and(|id| {
        let is_plain = id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        id.len() == 8 && is_plain
    });
    is_docker
        || is_zerotier
        || EXACT.contains(&name)
        || NUMBERED.iter().any(has_number)
        || BEGINNINGS.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns whether an address is public (RFC 6890 lists those that are not), as in the network of a
/// provider or a university, which is managed by others. Served only if named.
fn is_public(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V4(address) => address,
        // Every network's are global.
        IpAddr::V6(_) => return false,
    };
    let is_shared = matches!(address.octets(), [100, 64..=127, ..]);
    let is_benchmark = matches!(address.octets(), [198, 18 | 19, ..]);
    let is_reserved = matches!(address.octets(), [0 | 240.., ..] | [192, 0, 0, _]);
    !(address.is_private()
        || address.is_link_local()
        || address.is_loopback()
        || address.is_documentation()
        || is_shared
        || is_benchmark
        || is_reserved)
}

/// Chooses the interface to serve: the one named, or the only suitable one.
///
/// # Errors
/// Fails if the named one is missing, unusable or without an address, and if none or several are
/// suitable.
pub fn choose(
    interfaces: &[Interface],
    named: Option<&str>,
    address_given: bool,
) -> anyhow::Result<Interface> {
    if let Some(name) = named {
        let found = interfaces
            .iter()
            .find(|i| i.name == name)
            .ok_or_else(|| no_such(interfaces, name))?;
        // Before the address: ports have none, the bridge does.
        if let Some(upper) = &found.upper {
            bail!("{name} is {}; {}", upper.role(), upper.instead());
        }
        if found.addresses.is_empty() && !address_given {
            let suggested = suggestion(interfaces);
            bail!("{name} has no IPv4 address; give it one: --address {suggested}");
        }
        return Ok(found.clone());
    }
    let mut fit = interfaces.iter().filter(|i| i.unusable().is_none());
    match (fit.next(), fit.next()) {
        (Some(one), None) if !address_given => Ok(one.clone()),
        (None, _) => bail!(
            "cannot choose an interface automatically; name one with --interface, and give it an \
             address with --address {} if it has none:\n{}{}",
            suggestion(interfaces),
            list(interfaces),
            example(interfaces)
        ),
        _ => bail!(
            "say which interface to serve with --interface:\n{}",
            list(interfaces)
        ),
    }
}

fn no_such(interfaces: &[Interface], name: &str) -> anyhow::Error {
    if name.contains([',', ' ']) {
        let names = name.split([',', ' ']).filter(|name| !name.is_empty());
        let flags: Vec<String> = names.map(|name| format!("--interface {name}")).collect();
        return anyhow!(
            "there is no interface {name}; for several, repeat the flag: {}",
            flags.join(" ")
        );
    }
    anyhow!(
        "there is no interface {name}; there are:\n{}",
        list(interfaces)
    )
}

fn list(interfaces: &[Interface]) -> String {
    let line = |i: &Interface| {
        let addresses = i.addresses.iter();
        let addresses = addresses.map(|a| format!(" {a}"));
        let reason = i
            .unusable()
            .map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("  {}{}{reason}", i.name, addresses.collect::<String>())
    };
    interfaces.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns example flags for the interface that is most likely intended.
fn example(interfaces: &[Interface]) -> String {
    let idle = interfaces.iter().find(|i| i.is_idle());
    let flags = idle.map(|i| {
        let suggested = suggestion(interfaces);
        format!("--interface {} --address {suggested}", i.name)
    });
    let served = |i: &&Interface| {
        i.upper.is_none() && i.up && i.mac.is_some() && !i.loopback && !i.addresses.is_empty()
    };
    let named = || {
        let first = interfaces.iter().find(served)?;
        Some(format!("--interface {}", first.name))
    };
    flags
        .or_else(named)
        .map_or_else(String::new, |flags| format!("\nFor example: {flags}"))
}

/// Returns an address for an interface without one, in an unused network.
fn suggestion(interfaces: &[Interface]) -> String {
    let there = || interfaces.iter().flat_map(|i| &i.addresses);
    let is_free =
        |one: &&IpNet| !there().any(|a| a.contains(&one.addr()) || one.contains(&a.addr()));
    let [first, ..] = &SUGGESTIONS;
    let free = SUGGESTIONS.iter().find(is_free).unwrap_or(first);
    free.to_string()
}

/// Returns a warning for each interface that has a cable, no address, and is not served: it may be
/// the intended one. Empty if one was named, unless a radio is served.
pub fn unserved(interfaces: &[Interface], served: &[&str], is_named: bool) -> Vec<Diagnostic> {
    let is_served = |i: &&Interface| served.contains(&i.name.as_str());
    let mut radios = interfaces.iter().filter(is_served);
    if is_named && !radios.any(|i| i.medium != Medium::Cable) {
        return Vec::new();
    }
    let suggested = suggestion(interfaces);
    let idle = interfaces.iter().filter(|i| i.is_idle() && !is_served(i));
    idle.map(|i| {
        let name = &i.name;
        let text = format!(
            "{name} has a link and no address, and is not served; to serve it: --interface {name} \
             --address {suggested}"
        );
        DiagnosticCode::InterfaceUnserved
            .with(text)
            .of_interface(name)
    })
    .collect()
}

/// Returns a warning for each other interface in the network of a served one: packets not bound to
/// an interface may leave through it, and incoming ones may be dropped. `is_strict` returns whether
/// the kernel drops packets that arrive where their answer would not leave (`rp_filter` 1).
pub fn shared_networks(
    interfaces: &[Interface],
    served: &[(Interface, IpNet)],
    is_strict: impl Fn(&str) -> bool,
) -> Vec<Diagnostic> {
    let shared =
        |text: String, name: &str| DiagnosticCode::NetworkShared.with(text).of_interface(name);
    let mut said = Vec::new();
    for (own, address) in served {
        let (name, ours) = (&own.name, address.addr());
        let others = interfaces.iter().filter(|other| {
            other.name != *name && !other.loopback && other.up && other.upper.is_none()
        });
        for (other, theirs) in others.flat_map(|i| i.addresses.iter().map(move |a| (&i.name, a))) {
            if theirs.addr() == ours {
                let text = format!(
                    "{other} has the address {ours} too, as {name} has: machines on {name} may \
                     reach the wrong one; take it away from one of the two"
                );
                said.push(shared(text, name));
                continue;
            }
            // Of two networks the kernel prefers the smaller one. One without neighbours does not
            // compete.
            let is_inside = address.contains(theirs);
            if !is_inside || theirs.prefix_len() + 1 >= theirs.max_prefix_len() {
                continue;
            }
            let network = address.trunc();
            let dropped = if is_strict(name) {
                format!(
                    ", and this host drops what machines send by {name} (rp_filter); allow it: \
                     sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{name}.rp_filter=2"
                )
            } else {
                format!(
                    ". lanboot answers by the interface it is asked at; other programs may not. \
                     Better give {name} a network of its own"
                )
            };
            let text = format!(
                "the network {network} of {name} is on {other} ({theirs}) as well{dropped}"
            );
            said.push(shared(text, name));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the sentences, which are all about this interface.
    fn about(name: &str, said: Vec<Diagnostic>) -> Vec<String> {
        let about_it = |d: &Diagnostic| d.interface.as_deref() == Some(name);
        assert!(said.iter().all(about_it), "{said:?}");
        said.into_iter().map(|diagnostic| diagnostic.text).collect()
    }

    use crate::net::interface::Upper;
    use lanboot_core::machine::Mac;

    fn interface(name: &str, address: Option<&str>) -> Interface {
        let address = address.map(|a| IpNet::new(a.parse().unwrap(), 24).unwrap());
        Interface {
            name: name.into(),
            index: 2,
            mac: Some(Mac([2; 6])),
            addresses: address.into_iter().collect(),
            up: true,
            running: true,
            ..Interface::default()
        }
    }

    #[test]
    fn the_only_suitable_interface_is_chosen() {
        let mut all = vec![
            interface("docker0", Some("172.17.0.1")),
            interface("eth0", Some("10.0.0.1")),
            interface("eth1", None),
        ];
        assert_eq!(choose(&all, None, false).unwrap().name, "eth0");
        assert_eq!(
            choose(&all, Some("docker0"), false).unwrap().name,
            "docker0"
        );
        let error = choose(&all, Some("eth1"), false).unwrap_err().to_string();
        assert!(error.contains("--address"), "{error}");
        assert_eq!(choose(&all, Some("eth1"), true).unwrap().name, "eth1");
        all.push(interface("eth2", Some("10.1.0.1")));
        let error = choose(&all, None, false).unwrap_err().to_string();
        assert!(
            error.contains("eth2 10.1.0.1/24") && error.contains("(no IPv4 address)"),
            "{error}"
        );
        let error = choose(&all, Some("eth9"), false).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no interface eth9; there are:\n"),
            "{error}"
        );
    }

    #[test]
    fn link_local_and_public_networks_are_served_only_if_named() {
        for (address, expected) in [
            (
                "169.254.3.3",
                "eth0 169.254.3.3/24 (only a link-local address)",
            ),
            ("8.8.8.1", "eth0 8.8.8.1/24 (in a public network)"),
            ("172.32.0.1", "(in a public network)"),
            ("100.63.0.1", "(in a public network)"),
        ] {
            let all = [interface("eth0", Some(address))];
            let error = choose(&all, None, false).unwrap_err().to_string();
            assert!(error.contains(expected), "{address}: {error}");
            assert_eq!(choose(&all, Some("eth0"), false).unwrap().name, "eth0");
            let all = [interface("eth1", Some("10.0.0.1")), all[0].clone()];
            assert_eq!(choose(&all, None, false).unwrap().name, "eth1", "{address}");
        }
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "192.0.2.1",
            "198.18.0.1",
        ] {
            let all = [interface("eth0", Some(address))];
            assert_eq!(choose(&all, None, false).unwrap().name, "eth0", "{address}");
        }
    }

    #[test]
    fn link_local_addresses_are_the_last_choice() {
        let mut both = interface("eth0", Some("169.254.3.3"));
        assert_eq!(both.address(), Some(both.addresses[0]));
        both.addresses
            .extend(interface("eth0", Some("10.0.0.1")).addresses);
        assert_eq!(both.address(), Some(both.addresses[1]));
        assert_eq!(both.unusable(), None);
        assert_eq!(interface("eth0", None).address(), None);
    }

    #[test]
    fn error_without_suitable_interface_is_complete() {
        let all = [
            interface("eth0", None),
            interface("zt5u4y6w3x", Some("10.4.0.1")),
        ];
        let error = choose(&all, None, false).unwrap_err().to_string();
        for part in [
            "--interface, and give it an address with --address",
            "\n  eth0 (no IPv4 address)\n",
            "\n  zt5u4y6w3x 10.4.0.1/24 (a bridge or tunnel",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    fn with(name: &str, address: Option<&str>, change: impl Fn(&mut Interface)) -> Interface {
        let mut found = interface(name, address);
        change(&mut found);
        found
    }

    #[test]
    fn ports_are_rejected_by_name_and_never_chosen() {
        let bridge = Upper {
            name: "br0".into(),
            kind: "bridge".into(),
            top: "br0".into(),
        };
        let port = |address| with("eth0", address, |i| i.upper = Some(bridge.clone()));
        for address in [None, Some("10.0.0.1")] {
            let all = [
                port(address),
                with("br0", Some("10.0.0.2"), |i| i.kind = Some("bridge".into())),
            ];
            for address_given in [false, true] {
                let error = choose(&all, Some("eth0"), address_given)
                    .unwrap_err()
                    .to_string();
                assert_eq!(
                    error,
                    "eth0 is a port of the bridge br0; use --interface br0"
                );
            }
            assert_eq!(choose(&all, None, false).unwrap().name, "br0");
            let error = choose(&all[..1], None, false).unwrap_err().to_string();
            assert!(error.contains(" (a port of the bridge br0)"), "{error}");
        }
    }

    #[test]
    fn wifi_is_served_only_if_named_and_an_idle_cable_is_reported() {
        let all = [
            interface("eth0", None),
            with("wlan0", Some("192.168.0.23"), |i| i.medium = Medium::Wifi),
        ];
        let error = choose(&all, None, false).unwrap_err().to_string();
        for part in [
            "  eth0 (no IPv4 address)\n  wlan0 192.168.0.23/24 (Wi-Fi)",
            // Not the network used on wlan0.
            "\nFor example: --interface eth0 --address 192.168.77.1/24",
        ] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(choose(&all, Some("wlan0"), false).unwrap().name, "wlan0");
        let said = about("eth0", unserved(&all, &["wlan0"], true));
        assert!(
            said.concat()
                .contains("eth0 has a link and no address, and is not served"),
            "{said:?}"
        );
        assert!(
            said.concat()
                .contains("--interface eth0 --address 192.168.77.1/24"),
            "{said:?}"
        );
        // Even alone it must be named.
        let error = choose(&all[1..], None, false).unwrap_err().to_string();
        assert!(error.contains("For example: --interface wlan0"), "{error}");
        // Phones and modems do not count.
        let phone = with("usb0", Some("192.168.42.2"), |i| i.medium = Medium::Mobile);
        let cable = interface("eth1", Some("10.0.0.1"));
        assert_eq!(choose(&[phone, cable], None, false).unwrap().name, "eth1");
    }

    #[test]
    fn cables_without_address_are_reported_unless_others_were_named() {
        let all = [
            interface("eth0", Some("10.0.0.1")),
            interface("eth1", None),
            with("eth2", None, |i| i.running = false),
            with("veth1a2b3c4", None, |_| {}),
        ];
        let said = about("eth1", unserved(&all, &["eth0"], false));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("eth1 has a link"), "{said:?}");
        assert!(unserved(&all, &["eth0"], true).is_empty());
        assert!(unserved(&all, &["eth0", "eth1"], false).is_empty());
    }

    #[test]
    fn virtual_names_are_matched_exactly() {
        for name in [
            "docker0",
            "docker_gwbridge",
            "br-1a2b3c4d5e6f",
            "virbr0",
            "virbr0-nic",
            "vnet3",
            "lxcbr0",
            "lxdbr0",
            "incusbr0",
            "podman0",
            "cni0",
            "cni-podman0",
            "cali12ab34cd56e",
            "veth9f3a2b1",
            "vethb@if3",
            "flannel.1",
            "cilium_host",
            "lxc4f2a",
            "zt5u4y6w3x",
            "tun0",
            "tap0",
            "wg0",
            "tailscale0",
            "vmnet8",
            "vboxnet0",
            "vif1.0",
            "fwbr100i0",
            "ve-debian",
            "kube-ipvs0",
            "nodelocaldns",
            "ovs-system",
            "dummy0",
        ] {
            assert!(is_virtual_name(name), "{name}");
        }
        for name in [
            "br-lan",
            "br-guest",
            "br-0",
            "br0",
            "br-1a2b3c4d5e6",
            "br-1A2B3C4D5E6F",
            "vmbr0",
            "eth0",
            "lan",
            "tunnel-lab",
            "tapestry",
            "wgnet",
            "docker-lan",
            "virbr",
            "cnid",
            "zte0",
            "enp3s0",
            "eno1",
            "bond0",
            "eth0.10",
            "dummynet",
            "podmanlan",
            "vlan10",
        ] {
            assert!(!is_virtual_name(name), "{name}");
        }
        // The kind is decisive if the name is not.
        let vpn = with("office", Some("10.8.0.2"), |i| i.kind = Some("tun".into()));
        assert!(vpn.unusable().is_some());
        let lan = with("br-lan", Some("192.168.1.1"), |i| {
            i.kind = Some("bridge".into())
        });
        let docker = with("br-1a2b3c4d5e6f", Some("172.18.0.1"), |i| {
            i.kind = Some("bridge".into())
        });
        assert_eq!(choose(&[docker, lan], None, false).unwrap().name, "br-lan");
    }

    #[test]
    fn networks_on_two_interfaces_are_reported() {
        let address = |text: &str, prefix| IpNet::new(text.parse().unwrap(), prefix).unwrap();
        let eth0 = interface("eth0", None);
        let served = [(eth0.clone(), address("192.168.0.1", 24))];
        let other = |name: &str, text: &str, prefix| {
            with(name, None, |i| i.addresses = vec![address(text, prefix)])
        };
        let said = |other: Interface, is_strict: bool| {
            about(
                "eth0",
                shared_networks(&[eth0.clone(), other], &served, |_| is_strict),
            )
            .concat()
        };
        let text = said(other("wlan0", "192.168.0.23", 24), false);
        assert!(
            text.starts_with(
                "the network 192.168.0.0/24 of eth0 is on wlan0 (192.168.0.23/24) as well. "
            ),
            "{text}"
        );
        let text = said(other("wlan0", "192.168.0.23", 24), true);
        assert!(text.contains("(rp_filter); allow it: sysctl -w "), "{text}");
        let text = said(other("tun0", "192.168.0.130", 25), false);
        assert!(text.contains("is on tun0 (192.168.0.130/25)"), "{text}");
        let text = said(other("wlan0", "192.168.0.1", 24), false);
        assert!(
            text.starts_with("wlan0 has the address 192.168.0.1 too"),
            "{text}"
        );
        for other in [
            other("wlan0", "192.168.1.23", 24),
            // A larger network does not compete with a smaller one.
            other("wlan0", "192.168.7.7", 16),
            // An address without neighbours.
            other("vpn", "192.168.0.9", 32),
            with("lo", Some("192.168.0.9"), |i| i.loopback = true),
            with("eth9", Some("192.168.0.9"), |i| i.up = false),
        ] {
            assert_eq!(said(other.clone(), false), "", "{other:?}");
        }
    }
}
