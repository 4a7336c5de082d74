//! Memory that ten thousand connections that do nothing take in the HTTP server. In a process of
//! its own, because it measures it; one test, because another one would be measured with it.

mod http_server;

use std::time::Duration;

use http_server::crowd::{CROWD, Crowd, allow_descriptors, ask};
use http_server::{DEADLINE, serve};
use lanboot::http::Limits;

#[test]
fn ten_thousand_idle_connections_fit_in_little_memory() {
    allow_descriptors();
    let limits = Limits {
        connections: 2 * CROWD,
        connections_per_peer: 2 * CROWD,
        // None is closed for idleness, however long the crowd takes to gather.
        idle: Duration::from_secs(3600),
        ..Limits::default()
    };
    let served = serve(limits);
    ask(&served);
    let before = resident_bytes();
    let crowd = Crowd::gather(&served);
    let grown = resident_bytes().saturating_sub(before);
    println!(
        "{CROWD} idle connections: {} KiB, {} bytes each",
        grown / 1024,
        grown / CROWD
    );
    assert!(grown < 40 * 1024 * 1024, "{grown} bytes");
    assert!(ask(&served) < DEADLINE);
    assert_eq!(crowd.closed(), 0);
}

/// Not a test of its own: the process that [`Crowd::gather`] starts.
#[test]
#[ignore = "run by the other test of this file"]
fn crowd() {
    http_server::crowd::crowd();
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
