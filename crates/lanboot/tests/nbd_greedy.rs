//! Clients of the NBD server that only stay, and some that ask and never read. In a process of its
//! own, because it measures memory; one test, because two would measure each other.

mod disk;

use std::io::Write;
use std::time::Duration;

use disk::{option, request, serve};
use lanboot::nbd::Limits;

const IDLE: usize = 400;
const GREEDY: usize = 200;

#[test]
fn clients_that_stay_or_never_read_cost_little_memory_and_disturb_nobody() {
    let limits = Limits {
        connections_per_peer: 2 * (IDLE + GREEDY),
        ..Limits::default()
    };
    let served = serve(limits);
    assert!(served.enter(false).read(false, 0, 512).is_ok());
    let before = resident_bytes();
    let idle: Vec<_> = (0..IDLE)
        .map(|_| {
            let mut client = served.enter(true);
            client.read(true, 0, 4096).unwrap();
            client
        })
        .collect();
    let grown = resident_bytes().saturating_sub(before);
    println!(
        "{IDLE} idle: {} KiB, {} bytes each",
        grown / 1024,
        grown / IDLE
    );
    assert!(grown < IDLE * 20 * 1024, "{grown} bytes");
    drop(idle);
    // Their permits are released one by one.
    let before = resident_bytes();
    let crowd: Vec<_> = (0..GREEDY)
        .map(|n| {
            // Short reads, long reads, and lists.
            let (mut client, ask) = match n % 3 {
                0 => (served.enter(true), request(0, 0, 7, 4096, 4096)),
                1 => (served.enter(false), request(0, 0, 7, 0, 8 << 20)),
                _ => (served.connect(), option(3, b"")),
            };
            client
                .stream
                .set_write_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            let many = ask.repeat(1000);
            // Until the server reads no more.
            for _ in 0..50 {
                if client.stream.write_all(&many).is_err() {
                    break;
                }
            }
            client
        })
        .collect();
    let grown = resident_bytes().saturating_sub(before);
    println!(
        "{GREEDY} that never read: {} KiB, {} bytes each",
        grown / 1024,
        grown / GREEDY
    );
    // Each holds at most the replies gathered for one go, and a third of them that.
    assert!(grown < 64 << 20, "{grown} bytes");
    let mut other = served.enter(true);
    for _ in 0..100 {
        assert!(other.read(true, 0, 1_000_000).unwrap() == served.image[..1_000_000]);
    }
    drop(crowd);
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
