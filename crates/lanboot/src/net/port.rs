//! Finds the program that uses a port, from `/proc`.

use std::fs;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// Returns the programs that use `port`, as `name (process 123)`; empty if none is visible, as for
/// other users' processes without root.
pub fn holders(protocol: Protocol, port: u16) -> Vec<String> {
    let tables: [&str; 2] = match protocol {
        Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|text| {
            text.lines()
                .skip(1)
                .filter_map(|line| inode(line, protocol, port))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut found: Vec<String> = processes()
        .filter(|pid| has_socket(pid, &inodes))
        .map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{} (process {pid})", name.trim())
        })
        .collect();
    found.sort();
    found
}

/// Returns the inode of a table line if it is a socket bound to (for TCP: listening on) `port`.
fn inode(line: &str, protocol: Protocol, port: u16) -> Option<String> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let bound = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let state = fields.nth(1)?;
    let listening = protocol == Protocol::Udp || state == "0A";
    (bound == port && listening)
        .then(|| fields.nth(5).map(str::to_owned))
        .flatten()
}

fn processes() -> impl Iterator<Item = String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
}

fn has_socket(pid: &str, inodes: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|target| {
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|t| t.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.iter().any(|i| i == inode))
        })
}
