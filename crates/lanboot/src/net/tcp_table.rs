//! Connections that no listener has accepted, as far as the kernel has come with them:
//! `/proc/net/tcp`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// With so many half-open connections to a port, the kernel may answer further ones without an entry
/// in its table (SYN cookies). Half of the smallest backlog in use, `net.core.somaxconn` of 128.
const CROWDED: usize = 64;
/// State of a half-open connection (`TCP_SYN_RECV`, net/tcp_states.h).
const SYN_RECEIVED: &str = "03";

/// The kernel's table of TCP connections at one moment.
#[derive(Debug)]
pub struct TcpTable {
    text: String,
    /// First packets never get an entry (`net.ipv4.tcp_syncookies` is 2).
    has_only_cookies: bool,
}

/// The kernel's state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing: its first packet was dropped, or refused.
    Missing,
    /// Its first packet was answered, and the second one is awaited.
    HalfOpen,
    /// It came about: the listener has it, or will when it accepts again.
    Complete,
    /// The table does not show it.
    Unknown,
}

impl TcpTable {
    /// Reads it. Of a table that cannot be read every answer is [`Handshake::Unknown`].
    pub fn read() -> Self {
        let cookies = fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap_or_default();
        let text = fs::read_to_string("/proc/net/tcp");
        Self {
            has_only_cookies: cookies.trim() == "2" || text.is_err(),
            text: text.unwrap_or_default(),
        }
    }

    /// Returns how far the connection from `from` to our `port` has come.
    pub fn handshake(&self, port: u16, from: SocketAddr) -> Handshake {
        let SocketAddr::V4(from) = from else {
            // Those of IPv6 are in another table.
            return Handshake::Unknown;
        };
        let mut half_open = 0;
        for entry in self.text.lines().filter_map(Entry::parse) {
            if entry.port != port {
                continue;
            }
            let is_half_open = entry.state == SYN_RECEIVED;
            if entry.from == from {
                return if is_half_open {
                    Handshake::HalfOpen
                } else {
                    Handshake::Complete
                };
            }
            half_open += usize::from(is_half_open);
        }
        if self.has_only_cookies || half_open >= CROWDED {
            Handshake::Unknown
        } else {
            Handshake::Missing
        }
    }
}

/// One line of the table.
struct Entry<'a> {
    port: u16,
    from: SocketAddrV4,
    /// Two hexadecimal digits.
    state: &'a str,
}

impl<'a> Entry<'a> {
    /// Reads a line; `None` for the headings.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        let (_, port) = fields.next()?.split_once(':')?;
        let (address, from_port) = fields.next()?.split_once(':')?;
        let number = |text| u16::from_str_radix(text, 16).ok();
        // As the kernel keeps it in memory.
        let bits = u32::from_str_radix(address, 16).ok()?;
        let address = Ipv4Addr::from(bits.to_ne_bytes());
        Some(Self {
            port: number(port)?,
            from: SocketAddrV4::new(address, number(from_port)?),
            state: fields.next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 1000);

    fn table(text: impl Into<String>) -> TcpTable {
        TcpTable {
            text: text.into(),
            has_only_cookies: false,
        }
    }

    /// A line as the kernel of this host would write it.
    fn line(port: u16, from: SocketAddrV4, state: &str) -> String {
        let address = u32::from_ne_bytes(from.ip().octets());
        format!(
            "   2: 0100000A:{port:04X} {address:08X}:{:04X} {state} 00000000:00000000 01:00000064\n",
            from.port()
        )
    }

    #[test]
    fn a_connection_is_known_by_port_and_peer() {
        let half_open = table(line(80, FROM, "03"));
        assert_eq!(half_open.handshake(80, FROM.into()), Handshake::HalfOpen);
        assert_eq!(half_open.handshake(81, FROM.into()), Handshake::Missing);
        for other in [
            SocketAddrV4::new(*FROM.ip(), 1001),
            SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 8), 1000),
        ] {
            assert_eq!(half_open.handshake(80, other.into()), Handshake::Missing);
        }
        let headings = table("  sl  local_address rem_address   st\n\n");
        assert_eq!(headings.handshake(80, FROM.into()), Handshake::Missing);
    }

    #[test]
    fn one_that_waits_to_be_accepted_came_about() {
        // Established, and closed by its peer since.
        for state in ["01", "08"] {
            let table = table(line(80, FROM, state));
            assert_eq!(
                table.handshake(80, FROM.into()),
                Handshake::Complete,
                "{state}"
            );
        }
    }

    #[test]
    fn where_the_kernel_may_keep_no_entry_a_missing_one_says_nothing() {
        let others = |count: usize, port| {
            let peers = (2000..).take(count);
            peers
                .map(|n| line(port, SocketAddrV4::new(*FROM.ip(), n), "03"))
                .collect::<String>()
        };
        let few = table(others(CROWDED - 1, 80));
        assert_eq!(few.handshake(80, FROM.into()), Handshake::Missing);
        let elsewhere = table(others(CROWDED, 81));
        assert_eq!(elsewhere.handshake(80, FROM.into()), Handshake::Missing);
        let crowded = table(others(CROWDED, 80) + &line(80, FROM, "03"));
        assert_eq!(crowded.handshake(80, FROM.into()), Handshake::HalfOpen);
        let crowded = table(others(CROWDED, 80));
        assert_eq!(crowded.handshake(80, FROM.into()), Handshake::Unknown);
        let cookies = TcpTable {
            has_only_cookies: true,
            ..table("")
        };
        assert_eq!(cookies.handshake(80, FROM.into()), Handshake::Unknown);
        let ipv6 = "[2001:db8::9]:1000".parse().unwrap();
        assert_eq!(few.handshake(80, ipv6), Handshake::Unknown);
    }

    #[test]
    fn a_real_connection_nobody_accepted_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let stream = std::net::TcpStream::connect(here).unwrap();
        let from = stream.local_addr().unwrap();
        let found = TcpTable::read().handshake(here.port(), from);
        assert_eq!(found, Handshake::Complete);
    }
}
