//! Configuration of the DHCP server.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::limits::MAX_POOL;
use super::wire::option::{Code, MAX_PIECE, legal_len};
use crate::machine::Mac;

/// The mode of DHCP on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Hand out addresses, as the only server of the LAN: a machine that insists on an address it
    /// cannot have gets a NAK. Of addresses of our networks that are not in the range only those
    /// are refused that we gave: some may be of a server that is only away.
    #[default]
    Server,
    /// Leave addresses to another server and only say what to load (PXE 2.1 §2.2.3). Leases and
    /// offers of before stay good until they end, none is renewed beyond, and nobody gets a NAK.
    Proxy,
    /// Answer nothing.
    Off,
}

/// The addresses and options handed out, and the machines that get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The networks served, found by the receiving interface's address or by the relay's. A proxy
    /// needs them too: it answers only relays and machines that stand in one of them.
    pub subnets: Vec<Subnet>,
    /// Serve only these; empty means everybody.
    pub only: Vec<Mac>,
    /// Probe an address before offering it. Without probes two machines behind one hardware
    /// address (`ipvlan`) are not distinguished.
    pub check: bool,
}

/// One network and the options that machines on it get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Any address of it; only the first `prefix` bits count.
    pub network: Ipv4Addr,
    /// Bits of the network part.
    pub prefix: u8,
    /// First and last address handed out.
    pub range: (Ipv4Addr, Ipv4Addr),
    /// Duration of a lease; [`Subnet::LEASE_TIME`] unless configured.
    pub lease_time: Duration,
    /// Default routers. None unless configured: a boot server is no router.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers. None unless configured.
    pub dns: Vec<Ipv4Addr>,
    /// Domain name. None unless configured.
    pub domain: Option<String>,
    /// More options, as configured: sent after all others, as far as they fit, to clients that ask
    /// for them or for nothing in particular. None of those the server decides; see
    /// [`Config::check`].
    pub options: Vec<(Code, Vec<u8>)>,
    /// Those of `options` that are sent unasked: for clients that need one and do not ask for it.
    pub always: Vec<Code>,
}

/// A subnet that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// There is nothing to hand out in it.
    #[error("the network {0}/{1} is too small to hand out addresses; use a prefix from 1 to 30")]
    Prefix(Ipv4Addr, u8),
    /// An end of the range lies outside the network.
    #[error("the range {0}-{1} is not inside the network {2}/{3}")]
    Outside(Ipv4Addr, Ipv4Addr, Ipv4Addr, u8),
    /// The range ends before it begins.
    #[error("the range {0}-{1} is backwards; write the lower address first")]
    Backwards(Ipv4Addr, Ipv4Addr),
    /// The range has more than [`MAX_POOL`] addresses.
    #[error("the range {0}-{1} has more than {MAX_POOL} addresses; make it smaller")]
    Huge(Ipv4Addr, Ipv4Addr),
    /// Machines send what is for other networks to a router of their own.
    #[error("the router {0} is no machine of the network {1}/{2}, whose machines cannot reach it")]
    Router(Ipv4Addr, Ipv4Addr, u8),
    /// Two subnets share addresses.
    #[error("the networks {0}/{1} and {2}/{3} overlap; keep one of them")]
    Overlap(Ipv4Addr, u8, Ipv4Addr, u8),
    /// The server says this option itself.
    #[error("option {0} cannot be set for the network {1}/{2}: the server decides it")]
    Decided(Code, Ipv4Addr, u8),
    /// It has a key of its own, which other parts of the server read as well.
    #[error("option {0} of the network {1}/{2} has a key of its own: router, dns or domain")]
    OwnKey(Code, Ipv4Addr, u8),
    /// An option is there twice.
    #[error("option {0} is set twice for the network {1}/{2}; keep one")]
    Twice(Code, Ipv4Addr, u8),
    /// Nothing is there to be sent always.
    #[error("option {0} is to be sent always in the network {1}/{2}, which has no option {0}")]
    Missing(Code, Ipv4Addr, u8),
    /// Its own RFC forbids it.
    #[error("option {0} of the network {1}/{2} only goes to machines that ask for it ({3})")]
    OnlyAsked(Code, Ipv4Addr, u8, &'static str),
    /// No option of this code may be so long.
    #[error("option {0} of the network {1}/{2} cannot have {3} bytes")]
    Length(Code, Ipv4Addr, u8, usize),
}

/// Options that the server sends or reads itself, and hence nobody can set: what the
/// message is and about which address, who booted what, and what only goes back as it came.
const DECIDED: [Code; 29] = [
    Code::PAD,
    Code::SUBNET_MASK,
    Code::BROADCAST,
    Code::VENDOR,
    Code::REQUESTED_ADDRESS,
    Code::LEASE_TIME,
    Code::OVERLOAD,
    Code::MESSAGE_TYPE,
    Code::SERVER_ID,
    Code::PARAMETERS,
    Code::MESSAGE,
    Code::MAX_MESSAGE,
    Code::RENEWAL,
    Code::REBINDING,
    Code::VENDOR_CLASS,
    Code::CLIENT_ID,
    Code::TFTP_SERVER,
    Code::BOOT_FILE,
    Code::USER_CLASS,
    // 80 and 90, rapid commit and authentication, promise what is not done here.
    Code(80),
    Code::RELAY,
    Code(90),
    Code::ARCH,
    Code::NDI,
    Code::UUID,
    Code::SUBNET_SELECTION,
    Code::IPXE,
    Code::CONFIG_FILE,
    Code::PATH_PREFIX,
];

impl Config {
    /// Checks that it can be served in a mode.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, mode: Mode) -> Result<(), BadConfig> {
        for (i, subnet) in self.subnets.iter().enumerate() {
            subnet.check(mode)?;
            for other in self.subnets.iter().skip(i + 1) {
                if subnet.contains(other.network) || other.contains(subnet.network) {
                    return Err(BadConfig::Overlap(
                        subnet.network,
                        subnet.prefix,
                        other.network,
                        other.prefix,
                    ));
                }
            }
        }
        Ok(())
    }

    /// The subnet an address belongs to.
    pub(super) fn subnet(&self, address: Ipv4Addr) -> Option<&Subnet> {
        self.subnets.iter().find(|s| s.contains(address))
    }
}

impl Subnet {
    /// The default lease time: 12 hours, a working day.
    pub const LEASE_TIME: Duration = Duration::from_secs(12 * 3600);

    /// The mask.
    pub fn mask(&self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(u32::from(self.prefix));
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// The broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !self.mask().to_bits())
    }

    /// The network's own address.
    pub fn base(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() & self.mask().to_bits())
    }

    /// Returns whether an address lies in this network, its first and last included.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        (self.network.to_bits() ^ address.to_bits()) & self.mask().to_bits() == 0
    }

    /// Returns whether a machine can have this address here: neither the network's own nor its
    /// broadcast, which a network of two addresses has not (RFC 3021 §2.1).
    pub fn is_host(&self, address: Ipv4Addr) -> bool {
        let is_end = || address == self.base() || address == self.broadcast();
        self.contains(address) && (self.prefix == 31 || !is_end())
    }

    /// The lease time in seconds for a client that asks for `asked`. Shorter is granted, down to
    /// two minutes, so that nobody can make us write leases all day.
    pub(super) fn lease_secs(&self, asked: Option<u32>) -> u32 {
        const SHORTEST_SECS: u32 = 120;
        let configured = u32::try_from(self.lease_time.as_secs()).unwrap_or(u32::MAX);
        let asked = asked.unwrap_or(u32::MAX).max(SHORTEST_SECS);
        configured.min(asked)
    }

    fn check(&self, mode: Mode) -> Result<(), BadConfig> {
        let (first, last) = self.range;
        // A proxy hands out nothing: two machines are enough for it.
        let longest = if mode == Mode::Proxy { 31 } else { 30 };
        if !(1..=longest).contains(&self.prefix) {
            return Err(BadConfig::Prefix(self.network, self.prefix));
        }
        if !self.contains(first) || !self.contains(last) {
            return Err(BadConfig::Outside(first, last, self.network, self.prefix));
        }
        if first > last {
            return Err(BadConfig::Backwards(first, last));
        }
        if last.to_bits() - first.to_bits() >= MAX_POOL {
            return Err(BadConfig::Huge(first, last));
        }
        if let Some(router) = self.routers.iter().find(|r| !self.is_host(**r)) {
            return Err(BadConfig::Router(*router, self.base(), self.prefix));
        }
        self.check_options()
    }

    fn check_options(&self) -> Result<(), BadConfig> {
        let (network, prefix) = (self.network, self.prefix);
        for (i, (code, value)) in self.options.iter().enumerate() {
            let bad = match *code {
                Code::ROUTERS | Code::DNS | Code::DOMAIN => BadConfig::OwnKey,
                code if code == Code::END || DECIDED.contains(&code) => BadConfig::Decided,
                code if self.options.iter().skip(i + 1).any(|(c, _)| *c == code) => {
                    BadConfig::Twice
                }
                _ => {
                    if value.len() > MAX_PIECE || !legal_len(*code, value.len()) {
                        let len = value.len();
                        return Err(BadConfig::Length(*code, network, prefix, len));
                    }
                    continue;
                }
            };
            return Err(bad(*code, network, prefix));
        }
        for code in &self.always {
            if let Some(source) = only_asked(*code) {
                return Err(BadConfig::OnlyAsked(*code, network, prefix, source));
            }
            if self.options.iter().all(|(there, _)| there != code) {
                return Err(BadConfig::Missing(*code, network, prefix));
            }
        }
        Ok(())
    }
}

/// Returns where it says that an option may only be sent to who asks for it.
pub(super) fn only_asked(code: Code) -> Option<&'static str> {
    match code {
        Code::IPV6_ONLY => Some("RFC 8925 §3.3"),
        Code::AUTO_CONFIGURE => Some("RFC 2563 §2.2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(prefix: u8, first: [u8; 4], last: [u8; 4]) -> Subnet {
        Subnet {
            network: Ipv4Addr::new(10, 0, 0, 7),
            prefix,
            range: (first.into(), last.into()),
            lease_time: Subnet::LEASE_TIME,
            routers: vec![],
            dns: vec![],
            domain: None,
            options: vec![],
            always: vec![],
        }
    }

    #[test]
    fn masks_are_right_at_both_ends() {
        for (prefix, mask, broadcast) in [
            (0, [0, 0, 0, 0], [255, 255, 255, 255]),
            (8, [255, 0, 0, 0], [10, 255, 255, 255]),
            (30, [255, 255, 255, 252], [10, 0, 0, 7]),
            (32, [255, 255, 255, 255], [10, 0, 0, 7]),
            (255, [255, 255, 255, 255], [10, 0, 0, 7]),
        ] {
            let subnet = subnet(prefix, [0; 4], [0; 4]);
            assert_eq!(subnet.mask(), Ipv4Addr::from(mask), "{prefix}");
            assert_eq!(subnet.broadcast(), Ipv4Addr::from(broadcast), "{prefix}");
        }
    }

    #[test]
    fn what_cannot_be_served_says_why() {
        let try_one = |s| {
            let config = Config {
                subnets: vec![s],
                only: vec![],
                check: true,
            };
            config.check(Mode::Server)
        };
        assert_eq!(try_one(subnet(24, [10, 0, 0, 9], [10, 0, 0, 9])), Ok(()));
        for (prefix, first, last, text) in [
            (31, [10, 0, 0, 6], [10, 0, 0, 7], "too small"),
            (24, [10, 0, 0, 9], [10, 0, 1, 9], "not inside"),
            (24, [10, 0, 0, 9], [10, 0, 0, 8], "backwards"),
            (8, [10, 0, 0, 1], [10, 16, 0, 1], "more than 1048576"),
        ] {
            let error = try_one(subnet(prefix, first, last))
                .unwrap_err()
                .to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_proxy_needs_no_free_address_and_nobody_a_router_elsewhere() {
        let pair = subnet(31, [10, 0, 0, 7], [10, 0, 0, 7]);
        assert_eq!(pair.check(Mode::Proxy), Ok(()));
        assert!(pair.is_host([10, 0, 0, 6].into()) && !pair.is_host([10, 0, 0, 8].into()));
        assert!(pair.check(Mode::Server).is_err());
        let alone = subnet(32, [10, 0, 0, 7], [10, 0, 0, 7]);
        assert!(alone.check(Mode::Proxy).is_err());
        for (router, fine) in [
            ([10, 0, 0, 1], true),
            ([10, 0, 0, 0], false),
            ([10, 0, 0, 255], false),
            ([10, 0, 1, 1], false),
        ] {
            let mut subnet = subnet(24, [10, 0, 0, 9], [10, 0, 0, 9]);
            subnet.routers = vec![[10, 0, 0, 254].into(), router.into()];
            match subnet.check(Mode::Off) {
                Ok(()) => assert!(fine, "{router:?}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!fine && text.contains("no machine of the network 10.0.0.0/24"));
                }
            }
        }
    }

    #[test]
    fn options_the_server_decides_or_that_cannot_be_are_refused() {
        let try_one = |options: &[(u8, usize)]| {
            let mut subnet = subnet(24, [10, 0, 0, 9], [10, 0, 0, 9]);
            let options = options
                .iter()
                .map(|(code, len)| (Code(*code), vec![1; *len]));
            subnet.options = options.collect();
            subnet
                .check(Mode::Server)
                .map_err(|error| error.to_string())
        };
        assert_eq!(try_one(&[(42, 4), (12, 255), (224, 1), (119, 30)]), Ok(()));
        for code in [
            0, 1, 43, 50, 51, 52, 53, 54, 60, 61, 66, 67, 82, 97, 175, 209, 255,
        ] {
            let error = try_one(&[(code, 4)]).unwrap_err();
            assert!(error.ends_with("the server decides it"), "{error}");
        }
        for code in [3, 6, 15] {
            assert!(
                try_one(&[(code, 4)])
                    .unwrap_err()
                    .contains("key of its own")
            );
        }
        assert!(try_one(&[(42, 4), (42, 4)]).unwrap_err().contains("twice"));
        assert!(try_one(&[(42, 256)]).unwrap_err().contains("256 bytes"));
        for (always, part) in [
            (42, "has no option 42"),
            (108, "only goes to machines that ask for it (RFC 8925 §3.3)"),
            (116, "only goes to machines that ask for it (RFC 2563 §2.2)"),
        ] {
            let mut subnet = subnet(24, [10, 0, 0, 9], [10, 0, 0, 9]);
            subnet.options = vec![(Code(108), vec![0; 4]), (Code(116), vec![0])];
            subnet.always = vec![Code(always)];
            let error = subnet.check(Mode::Server).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn overlapping_networks_are_refused() {
        let config = Config {
            subnets: vec![
                subnet(24, [10, 0, 0, 9], [10, 0, 0, 9]),
                subnet(16, [10, 0, 3, 9], [10, 0, 3, 9]),
            ],
            only: vec![],
            check: true,
        };
        assert!(matches!(
            config.check(Mode::Server),
            Err(BadConfig::Overlap(..))
        ));
    }

    #[test]
    fn shorter_leases_are_granted_down_to_two_minutes() {
        let subnet = subnet(24, [0; 4], [0; 4]);
        assert_eq!(subnet.lease_secs(None), 43_200);
        assert_eq!(subnet.lease_secs(Some(3600)), 3600);
        assert_eq!(subnet.lease_secs(Some(1)), 120);
        assert_eq!(subnet.lease_secs(Some(u32::MAX)), 43_200);
    }
}
