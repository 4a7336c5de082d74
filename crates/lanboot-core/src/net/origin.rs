//! The origin of a URL (RFC 6454 §4): scheme, host and port.

use std::fmt;
use std::net::IpAddr;

/// A URL's scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// Returns the port that a URL need not name (RFC 9110 §4.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// The origin of a URL of this server. Its host is always an address: an initramfs may have no
/// DNS.
///
/// Displays as `http://192.0.2.1:8080`, as `http://[2001:db8::1]` with an IPv6 host, and with the
/// port only where it is not the scheme's own, because some ROMs cannot read one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host's address.
    pub host: IpAddr,
    /// The TCP port.
    pub port: u16,
}

impl Origin {
    /// Returns the origin of an HTTP server.
    pub const fn http(host: IpAddr, port: u16) -> Self {
        Self {
            scheme: Scheme::Http,
            host,
            port,
        }
    }

    /// Returns the host in the notation of URLs.
    pub fn url_host(&self) -> UrlHost {
        UrlHost(self.host)
    }

    /// Tests whether the port is the scheme's own.
    pub fn has_default_port(&self) -> bool {
        self.port == self.scheme.default_port()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.url_host())?;
        if self.has_default_port() {
            return Ok(());
        }
        write!(f, ":{}", self.port)
    }
}

/// An address that displays as the host of a URL: an IPv6 address is in brackets (RFC 3986 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlHost(pub IpAddr);

impl fmt::Display for UrlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    #[test]
    fn the_port_of_the_scheme_is_left_out() {
        let origin = |scheme, host: &str, port| {
            let host = host.parse().unwrap();
            Origin { scheme, host, port }.to_string()
        };
        for (scheme, host, port, expected) in [
            (Scheme::Http, "192.0.2.1", 80, "http://192.0.2.1"),
            (Scheme::Http, "192.0.2.1", 8080, "http://192.0.2.1:8080"),
            (Scheme::Http, "192.0.2.1", 443, "http://192.0.2.1:443"),
            (Scheme::Https, "192.0.2.1", 443, "https://192.0.2.1"),
            (Scheme::Https, "192.0.2.1", 80, "https://192.0.2.1:80"),
            (Scheme::Http, "2001:db8::1", 80, "http://[2001:db8::1]"),
            (Scheme::Http, "fe80::1", 8080, "http://[fe80::1]:8080"),
            (
                Scheme::Http,
                "::ffff:10.0.0.1",
                80,
                "http://[::ffff:10.0.0.1]",
            ),
        ] {
            assert_eq!(origin(scheme, host, port), expected);
        }
    }

    proptest! {
        #[test]
        fn an_origin_reads_back(host: IpAddr, port in prop_oneof![Just(80), Just(443), any::<u16>()], is_https: bool) {
            let scheme = if is_https { Scheme::Https } else { Scheme::Http };
            let text = Origin { scheme, host, port }.to_string();
            let (before, authority) = text.split_once("://").unwrap();
            prop_assert_eq!(before, scheme.to_string());
            prop_assert_eq!(authority.starts_with('['), host.is_ipv6());
            let is_named = authority.parse::<SocketAddr>();
            match is_named {
                Ok(read) => {
                    prop_assert_eq!(read, SocketAddr::new(host, port));
                    prop_assert_ne!(port, scheme.default_port());
                }
                Err(_) => {
                    let bare = authority.trim_start_matches('[').trim_end_matches(']');
                    prop_assert_eq!(bare.parse::<IpAddr>().unwrap(), host);
                    prop_assert_eq!(port, scheme.default_port());
                }
            }
        }
    }
}
