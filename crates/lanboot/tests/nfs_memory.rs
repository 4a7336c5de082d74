//! Memory that machines can make the NFS server take. In a process of its own, because it
//! measures it.

mod nfs_server;

use std::io::Write;
use std::time::{Duration, Instant};

use lanboot::nfs::Limits;
use nfs_server::*;

/// Connections of each kind.
const CROWD: usize = 200;

#[test]
fn machines_that_never_read_or_never_finish_a_call_cost_little() {
    let served = serve_here(Limits::default());
    let handle = served.handle("big");
    let read = record(&call(1, NFS, 3, 6, &read_args(&handle, 0, 1 << 20)));
    let list = record(&call(
        1,
        NFS,
        3,
        17,
        &[
            opaque(&served.handle("many")),
            vec![0; 16],
            vec![0, 0, 255, 255, 0, 0, 255, 255],
        ]
        .concat(),
    ));
    let before = resident_bytes();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        for calls in [&read, &list] {
            // Thousands of calls; each answer to a read is a megabyte.
            let mut wire = served.connect();
            wire.stream
                .set_write_timeout(Some(Duration::from_millis(20)))
                .unwrap();
            let many = calls.repeat(1000);
            while let Ok(sent) = wire.stream.write(&many) {
                // Until nothing is taken any more.
                if sent < many.len() {
                    break;
                }
            }
            crowd.push(wire);
        }
        // The beginning of a call, of a long one, and of one in many fragments.
        for beginning in [
            read[..40].to_vec(),
            [&0x8010_0000_u32.to_be_bytes()[..], &vec![0; 900_000]].concat(),
            fragment(&[0; 4], false).repeat(4000),
        ] {
            let mut wire = served.connect();
            wire.stream.write_all(&beginning).unwrap();
            crowd.push(wire);
        }
    }
    let began = Instant::now();
    assert!(served.connect().read(&handle, 0, 1000).is_ok());
    assert!(began.elapsed() < DEADLINE);
    let grown = resident_bytes().saturating_sub(before);
    println!("{} connections: {} KiB", crowd.len(), grown / 1024);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes");
}
