//! Missing privileges, and how to grant them.

use std::fmt;
use std::fs;

/// A Linux capability (capabilities(7)) needed for serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Ports below 1024.
    NetBindService,
    /// Raw sockets: DHCP replies to machines without an address, ARP.
    NetRaw,
    /// Adding addresses to interfaces.
    NetAdmin,
}

impl Capability {
    /// Returns the name after `CAP_`, as used by `--cap-add`.
    fn name(self) -> &'static str {
        match self {
            Self::NetBindService => "NET_BIND_SERVICE",
            Self::NetRaw => "NET_RAW",
            Self::NetAdmin => "NET_ADMIN",
        }
    }

    fn bit(self) -> u64 {
        let number = match self {
            Self::NetBindService => 10,
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
        };
        1 << number
    }
}

/// Privileges of this process, from the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    is_root: bool,
    /// Effective capabilities, one bit each.
    effective: u64,
    in_container: bool,
    /// True if root here is an unprivileged user outside (a rootless container).
    in_user_namespace: bool,
}

impl Process {
    fn this() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let map: Vec<&str> = map.split_whitespace().collect();
        let marks = [
            "/.dockerenv",
            "/run/.containerenv",
            "/run/systemd/container",
            "/var/run/secrets/kubernetes.io",
        ];
        Self {
            is_root: nix::unistd::geteuid().is_root(),
            effective: effective.unwrap_or(0),
            in_container: marks.iter().any(|mark| fs::exists(mark).unwrap_or(false)),
            in_user_namespace: !matches!(map[..], [] | ["0", "0", "4294967295"]),
        }
    }

    fn lacks(&self, capability: Capability) -> bool {
        self.effective & capability.bit() == 0
    }
}

/// Error: an operation needs root or a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoreRights {
    what: String,
    wanted: Vec<Capability>,
    process: Process,
}

impl MoreRights {
    /// Creates the error for `what`, which failed for lack of a capability.
    pub fn new(what: &str, capability: Capability) -> Self {
        Self {
            what: what.to_owned(),
            wanted: vec![capability],
            process: Process::this(),
        }
    }

    /// Adds a capability needed later, if the process lacks it.
    #[must_use]
    pub fn with(mut self, capability: Capability) -> Self {
        if self.process.lacks(capability) && !self.wanted.contains(&capability) {
            self.wanted.push(capability);
            self.wanted.sort_unstable();
        }
        self
    }
}

impl std::error::Error for MoreRights {}

impl fmt::Display for MoreRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, process) = (&self.what, &self.process);
        let missing = self.wanted.iter().filter(|c| process.lacks(**c));
        let missing: Vec<&str> = missing.map(|c| c.name()).collect();
        let all: Vec<String> = missing.iter().map(|name| format!("CAP_{name}")).collect();
        let names = match all.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => all.concat(),
        };
        if missing.is_empty() {
            return f.write_str(&if process.in_user_namespace {
                format!(
                    "{what} is not permitted: root of a user namespace (a rootless container) has no \
                     rights on this network; run lanboot as root of the host"
                )
            } else {
                format!(
                    "{what} is not permitted although this process has the capability for it: a \
                     security profile (AppArmor, SELinux, seccomp) forbids it"
                )
            });
        }
        match (process.is_root, process.in_container) {
            (true, true) => {
                let flags: Vec<String> = missing
                    .iter()
                    .map(|name| format!("--cap-add {name}"))
                    .collect();
                let flags = flags.join(" ");
                write!(
                    f,
                    "{what} needs {names}, which root of this container does not have: start the \
                     container with {flags} (Kubernetes: securityContext.capabilities.add)"
                )
            }
            (true, false) => write!(
                f,
                "{what} needs {names}, which root does not have here: allow it where lanboot is \
                 started (CapabilityBoundingSet= of a systemd service, --cap-add of a container)"
            ),
            (false, _) => {
                let set = all.join(",").to_lowercase();
                write!(
                    f,
                    "{what}: permission denied; run as root, or grant {names} (setcap '{set}+ep' \
                     lanboot)"
                )
            }
        }
    }
}

/// Returns the first port any process may open (`net.ipv4.ip_unprivileged_port_start`).
pub fn first_free_port() -> u16 {
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse().unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use super::Capability::{NetAdmin, NetBindService, NetRaw};
    use super::*;

    const NOBODY: Process = Process {
        is_root: false,
        effective: 0,
        in_container: false,
        in_user_namespace: false,
    };

    fn said(what: &str, wanted: &[Capability], process: Process) -> String {
        let (first, rest) = wanted.split_first().unwrap();
        let rights = MoreRights {
            process,
            ..MoreRights::new(what, *first)
        };
        rest.iter().fold(rights, |r, c| r.with(*c)).to_string()
    }

    #[test]
    fn only_missing_capabilities_are_named() {
        assert_eq!(
            said("UDP port 69", &[NetBindService], NOBODY),
            "UDP port 69: permission denied; run as root, or grant CAP_NET_BIND_SERVICE (setcap \
             'cap_net_bind_service+ep' lanboot)"
        );
        let three = said("eth0", &[NetAdmin, NetRaw, NetBindService], NOBODY);
        assert!(
            three.ends_with(
                "grant CAP_NET_BIND_SERVICE, CAP_NET_RAW and CAP_NET_ADMIN (setcap \
                 'cap_net_bind_service,cap_net_raw,cap_net_admin+ep' lanboot)"
            ),
            "{three}"
        );
        let has_one = Process {
            effective: NetBindService.bit(),
            ..NOBODY
        };
        let text = said("eth0", &[NetRaw, NetBindService], has_one);
        assert!(
            text.contains("grant CAP_NET_RAW (setcap 'cap_net_raw+ep'"),
            "{text}"
        );
    }

    #[test]
    fn container_root_gets_the_docker_flag() {
        // Docker's default without NET_RAW.
        let docker = Process {
            is_root: true,
            effective: 0xa804_25fb & !NetRaw.bit(),
            in_container: true,
            in_user_namespace: false,
        };
        let text = said("a raw socket on eth0", &[NetRaw], docker);
        assert_eq!(
            text,
            "a raw socket on eth0 needs CAP_NET_RAW, which root of this container does not have: \
             start the container with --cap-add NET_RAW (Kubernetes: securityContext.capabilities.add)"
        );
        let text = said("an address", &[NetAdmin, NetRaw], docker);
        assert!(
            text.contains("--cap-add NET_RAW --cap-add NET_ADMIN"),
            "{text}"
        );
        let service = Process {
            in_container: false,
            ..docker
        };
        let text = said("a raw socket on eth0", &[NetRaw], service);
        assert!(
            text.contains("CAP_NET_RAW, which root does not have here"),
            "{text}"
        );
        assert!(!text.contains("run as root"), "{text}");
    }

    #[test]
    fn ineffective_capabilities_are_distinguished() {
        let all = Process {
            is_root: true,
            effective: u64::MAX,
            in_container: true,
            in_user_namespace: true,
        };
        let text = said("UDP port 67", &[NetBindService], all);
        assert!(text.contains("rootless container"), "{text}");
        let profile = Process {
            in_user_namespace: false,
            ..all
        };
        let text = said("UDP port 67", &[NetBindService], profile);
        assert!(text.contains("AppArmor, SELinux, seccomp"), "{text}");
    }
}
