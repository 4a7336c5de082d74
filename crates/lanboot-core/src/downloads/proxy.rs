//! Hosts that are reached without a proxy, as `no_proxy` lists them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Tests whether `no_proxy` names a host: itself, a domain it is in (with or without a dot before it), a
/// network of addresses, or everything (`*`). Entries stand between commas or blanks; their ports are
/// not looked at.
pub fn bypasses_proxy(no_proxy: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let entries = no_proxy.split([',', ' ', '\t']);
    let mut entries = entries.map(str::trim).filter(|entry| !entry.is_empty());
    entries.any(|entry| names(&entry.to_ascii_lowercase(), &host))
}

fn names(entry: &str, host: &str) -> bool {
    if entry == "*" || entry == host {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let bare = entry.trim_start_matches('[');
        let bare = bare.split(']').next().unwrap_or_default();
        let is_network = || {
            entry
                .parse::<IpNet>()
                .is_ok_and(|net| net.contains(&address))
        };
        let with_port = || {
            entry
                .rsplit_once(':')
                .and_then(|(ip, _)| ip.parse::<IpAddr>().ok())
        };
        return bare.parse() == Ok(address) || is_network() || with_port() == Some(address);
    }
    let domain = entry.split(':').next().unwrap_or_default();
    let domain = domain.trim_start_matches('*').trim_start_matches('.');
    let is_below = || {
        host.strip_suffix(domain)
            .is_some_and(|above| above.ends_with('.'))
    };
    !domain.is_empty() && (host == domain || is_below())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_domains_and_networks_are_excepted() {
        let list = "localhost,.lan , example.org:8080, 10.0.0.0/8,192.168.1.5 [fe80::1],*.corp";
        for host in [
            "localhost",
            "a.lan",
            "lan",
            "example.org",
            "MIRROR.example.org.",
            "10.2.3.4",
            "192.168.1.5",
            "fe80::1",
            "x.corp",
        ] {
            assert!(bypasses_proxy(list, host), "{host}");
        }
        for host in [
            "notexample.org",
            "example.com",
            "11.0.0.1",
            "plan",
            "fe80::2",
            "",
        ] {
            assert!(!bypasses_proxy(list, host), "{host}");
        }
        assert!(bypasses_proxy("*", "any") && !bypasses_proxy("", "any"));
    }
}
