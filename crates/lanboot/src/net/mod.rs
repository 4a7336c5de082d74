//! Interfaces, sockets and kernel queries. The only module with `unsafe` besides `clock`.

mod address;
mod ask;
mod changes;
mod choose;
mod frame;
mod interface;
mod links;
mod ping;
mod port;
mod rights;
mod socket;
mod tap;
mod tcp_table;

pub use address::TemporaryAddress;
pub use ask::{is_in_memory, stalled, unacknowledged, unsent};
pub use changes::{Change, ChangeSocket};
pub use choose::{choose, shared_networks, unserved};
pub use frame::{ArpSocket, ClientSocket, FrameSocket};
pub use interface::{Interface, Medium, Upper, interfaces, upper};
pub use ping::PingSocket;
pub use port::{Protocol, holders};
pub use rights::{Capability, MoreRights, first_free_port};
pub use socket::{Listeners, Service, drops_unexpected, has_link, is_off, listen, udp};
pub use tap::{MAX_PORTS, Seen, TapSocket};
pub use tcp_table::{Handshake, TcpTable};

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

/// A served interface and this host's address on it, with the prefix of its network.
pub type ServedInterface = (Interface, IpNet);

/// Returns an address with its network if it is one of IPv4, for protocols that have no other.
pub fn ipv4(address: &IpNet) -> Option<Ipv4Net> {
    match address {
        IpNet::V4(address) => Some(*address),
        IpNet::V6(_) => None,
    }
}

/// Returns the default address pool: at most 150 addresses of the interface's own network, starting
/// at the hundredth in large ones, as home routers do.
pub fn default_range(own: Ipv4Net) -> Option<(Ipv4Addr, Ipv4Addr)> {
    const SKIP: u32 = 100;
    const COUNT: u32 = 150;
    let (network, broadcast) = (own.network().to_bits(), own.broadcast().to_bits());
    let (first, last) = (network.checked_add(1)?, broadcast.checked_sub(1)?);
    if first > last {
        return None;
    }
    let roomy = last - first >= SKIP + COUNT - 1;
    let first = if roomy { network + SKIP } else { first };
    let last = if roomy { first + COUNT - 1 } else { last };
    (own.prefix_len() <= 30).then(|| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_range_stays_inside_the_network() {
        let range = |address: &str, prefix| {
            let own = Ipv4Net::new(address.parse().unwrap(), prefix).unwrap();
            let (a, b) = default_range(own)?;
            Some(format!("{a}-{b}"))
        };
        assert_eq!(
            range("192.168.0.1", 24).unwrap(),
            "192.168.0.100-192.168.0.249"
        );
        assert_eq!(range("10.1.2.3", 16).unwrap(), "10.1.0.100-10.1.0.249");
        assert_eq!(range("10.0.0.1", 28).unwrap(), "10.0.0.1-10.0.0.14");
        assert_eq!(range("10.0.0.1", 30).unwrap(), "10.0.0.1-10.0.0.2");
        assert_eq!(range("10.0.0.1", 31), None);
        assert_eq!(range("10.0.0.1", 32), None);
    }
}
