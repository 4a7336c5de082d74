//! The HTTP server with all its connections taken by clients that do nothing.

mod http_server;

use std::time::Duration;

use http_server::crowd::{CROWD, Crowd, allow_descriptors, ask};
use http_server::{DEADLINE, serve};
use lanboot::http::Limits;

#[test]
fn ten_thousand_idle_connections_make_room_for_one_that_asks() {
    allow_descriptors();
    // All of them come from one address, and so does the one that asks.
    let limits = Limits {
        idle: Duration::from_secs(3600),
        ..Limits::default()
    };
    let served = serve(limits);
    let crowd = Crowd::gather(&served);
    assert!(ask(&served) < DEADLINE);
    let closed = crowd.closed();
    println!("{closed} of {CROWD} made room");
    let most = Limits::default().connections_per_peer;
    assert!((CROWD - most..CROWD).contains(&closed), "{closed}");
}

/// Not a test of its own: the process that [`Crowd::gather`] starts.
#[test]
#[ignore = "run by the other test of this file"]
fn crowd() {
    http_server::crowd::crowd();
}
