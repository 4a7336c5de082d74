//! The networks this server's addresses are in.

use std::net::IpAddr;

use ipnet::IpNet;

/// Returns the first of `networks` that contains `peer`. An IPv4 address mapped to IPv6
/// (`::ffff:0:0/96`), as a socket for both families reports it, is the IPv4 address.
pub fn containing<'a>(
    networks: impl IntoIterator<Item = &'a IpNet>,
    peer: IpAddr,
) -> Option<&'a IpNet> {
    let peer = peer.to_canonical();
    let mut networks = networks.into_iter();
    networks.find(|network| network.contains(&peer))
}

/// Returns the one of our addresses that `peer` reaches best: the first in the same network, else
/// the first of the same family, else the first.
pub fn nearest(addresses: &[IpNet], peer: IpAddr) -> Option<&IpNet> {
    let is_ipv6 = peer.to_canonical().is_ipv6();
    let of_family = |own: &&IpNet| own.addr().is_ipv6() == is_ipv6;
    containing(addresses, peer)
        .or_else(|| addresses.iter().find(of_family))
        .or_else(|| addresses.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_machine_sees_the_address_in_its_own_network() {
        let own = nets(&[
            "192.168.0.1/24",
            "10.0.0.1/16",
            "2001:db8:1::1/64",
            "2001:db8:2::1/64",
        ]);
        let seen = |peer: &str| nearest(&own, peer.parse().unwrap()).unwrap().addr();
        for (peer, expected) in [
            ("192.168.0.9", "192.168.0.1"),
            ("10.0.200.9", "10.0.0.1"),
            ("::ffff:10.0.200.9", "10.0.0.1"),
            ("2001:db8:2::9", "2001:db8:2::1"),
            // In none of the networks.
            ("172.16.0.9", "192.168.0.1"),
            ("2001:db8:3::9", "2001:db8:1::1"),
        ] {
            assert_eq!(seen(peer), expected.parse::<IpAddr>().unwrap(), "{peer}");
        }
        let peer = "2001:db8::9".parse().unwrap();
        assert_eq!(nearest(&own[..2], peer), Some(&own[0]));
        assert_eq!(nearest(&[], peer), None);
    }

    #[test]
    fn the_shortest_and_longest_prefixes_are_networks() {
        let (first, last) = (IpAddr::from([0; 4]), IpAddr::from([255; 4]));
        for peer in [first, last] {
            assert!(containing(&nets(&["127.0.0.1/0"]), peer).is_some());
            assert!(containing(&nets(&["127.0.0.1/32", "::1/0"]), peer).is_none());
        }
        let own = nets(&["127.0.0.1/32"]);
        assert_eq!(containing(&own, Ipv4Addr::LOCALHOST.into()), own.first());
    }

    /// Returns the bits of an address, the first one at the top.
    fn bits(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        // Few bits vary, so that networks are shared often.
        let v4 = any::<u8>().prop_map(|n| Ipv4Addr::new(10, n >> 6, n >> 3 & 7, n & 7).into());
        let v6 = any::<u8>().prop_map(|n| {
            let bits = u128::from(n >> 4) << 64 | u128::from(n & 15);
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | bits).into()
        });
        prop_oneof![v4, v6]
    }

    fn network() -> impl Strategy<Value = IpNet> {
        (address(), 0..=128_u8).prop_map(|(address, prefix)| {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            IpNet::new(address, prefix.min(longest)).unwrap()
        })
    }

    proptest! {
        #[test]
        fn the_nearest_address_shares_prefix_or_family(
            own in prop::collection::vec(network(), 1..6), peer in address(),
        ) {
            let shares = |net: &IpNet| {
                let differing = bits(net.addr()) ^ bits(peer);
                let is_family = net.addr().is_ipv4() == peer.is_ipv4();
                is_family && differing.leading_zeros() >= u32::from(net.prefix_len())
            };
            let found = nearest(&own, peer).unwrap();
            let expected = own.iter().find(|net| shares(net));
            prop_assert_eq!(containing(&own, peer), expected);
            let family = own.iter().find(|net| net.addr().is_ipv4() == peer.is_ipv4());
            prop_assert_eq!(found, expected.or(family).unwrap_or(&own[0]));
        }
    }
}
