//! The NBD server as raw sockets see it.

mod disk;

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use disk::{
    ACK, EINVAL, EIO, EPERM, ERR_INVALID, ERR_TOO_BIG, ERR_UNKNOWN, ERR_UNSUP, IMAGE_BYTES, SIZE,
    image, option, option_head, request, serve, serve_in,
};
use lanboot::nbd::Limits;
use lanboot_core::events::EventKind;

/// INFO or GO of `name`, wanting everything.
fn info(name: &[u8]) -> Vec<u8> {
    let len = u32::try_from(name.len()).unwrap().to_be_bytes();
    [&len[..], name, &[0, 3, 0, 1, 0, 2, 0, 3]].concat()
}

#[test]
fn every_byte_of_the_image_can_be_read() {
    let served = serve(Limits::default());
    for structured in [false, true] {
        let mut client = served.enter(structured);
        // Copied, sent from the file, over the end of the file, and only padding.
        for (offset, len) in [
            (0, 1),
            (511, 16 * 1024),
            (3, 16 * 1024 + 1),
            (1_000_001, 3_000_000),
            (0, u32::try_from(SIZE).unwrap()),
            (SIZE - 1000, 1000),
            (SIZE - 1, 1),
        ] {
            let start = usize::try_from(offset).unwrap();
            let want = &served.image[start..start + usize::try_from(len).unwrap()];
            let got = client.read(structured, offset, len).unwrap();
            assert!(got == want, "{len} bytes from {offset}");
        }
    }
}

#[test]
fn many_requests_at_once_are_answered_in_order() {
    let served = serve(Limits::default());
    let mut client = served.enter(true);
    let reads: Vec<(u64, u32)> = (0..2000u32)
        .map(|n| match n % 5 {
            // In between, some that go by sendfile.
            0 => (u64::from(n), 100_000),
            _ => (u64::from(n) * 4096 % (SIZE - 4096), 4096),
        })
        .collect();
    let mut writing = client.stream.try_clone().unwrap();
    let sent = reads.clone();
    let writer = std::thread::spawn(move || {
        for (offset, len) in sent {
            writing.write_all(&request(0, 0, 7, offset, len)).unwrap();
        }
    });
    for (offset, len) in reads {
        let start = usize::try_from(offset).unwrap();
        let got = client.reply(true, len).unwrap();
        assert!(got == served.image[start..start + got.len()], "{offset}");
    }
    writer.join().unwrap();
}

#[test]
fn a_negotiation_byte_by_byte_and_a_request_too() {
    let served = serve(Limits::default());
    let mut client = served.dial();
    client.take(18);
    let list = option(3, b"");
    let go = option(7, &info(b"archiso"));
    for byte in [&3u32.to_be_bytes()[..], &list, &go].concat() {
        client.send(&[byte]);
    }
    let names: Vec<_> = (0..3).map(|_| client.answer(3)).collect();
    assert_eq!(names[0], (2, b"\0\0\0\x04disk".to_vec()));
    assert_eq!(names[1], (2, b"\0\0\0\x07archiso".to_vec()));
    assert_eq!(names[2].0, ACK);
    let sizes: Vec<_> = (0..5).map(|_| client.answer(7)).collect();
    assert_eq!(sizes[0].1[2..10], SIZE.to_be_bytes());
    assert_eq!(sizes[1].1, b"\0\x01disk");
    assert_eq!(sizes[4].0, ACK);
    for byte in request(0, 0, 7, 4096, 20_000) {
        client.send(&[byte]);
    }
    assert!(client.reply(false, 20_000).unwrap() == served.image[4096..24_096]);
}

#[test]
fn reads_that_cannot_be_are_errors_and_the_connection_goes_on() {
    let mut served = serve(Limits::default());
    for structured in [false, true] {
        let mut client = served.enter(structured);
        for (offset, len) in [
            (SIZE, 1),
            (SIZE - 1, 2),
            (u64::MAX, 1),
            (u64::MAX - 5, 10),
            (0, 0),
            (0, 1 << 31),
            (0, u32::MAX),
            (1 << 63, 512),
        ] {
            assert_eq!(
                client.read(structured, offset, len),
                Err(EINVAL),
                "{offset}+{len}"
            );
        }
        // TRIM, WRITE_ZEROES, a write with its data, and one of nothing.
        for command in [4, 6] {
            client.request(command, 0, 512);
            assert_eq!(client.reply(structured, 0), Err(EPERM));
        }
        client.request(1, 0, 1_000_000);
        client.send(&vec![b'w'; 1_000_000]);
        assert_eq!(client.reply(structured, 0), Err(EPERM));
        client.request(1, 0, 0);
        assert_eq!(client.reply(structured, 0), Err(EPERM));
        client.request(99, 0, 0);
        assert_eq!(client.reply(structured, 0), Err(EINVAL));
        // FLUSH and CACHE have no data and are answered plainly.
        client.request(3, 0, 0);
        assert_eq!(client.reply(false, 0), Ok(Vec::new()));
        client.request(5, 0, 4096);
        assert_eq!(client.reply(false, 0), Ok(Vec::new()));
        assert!(client.read(structured, 0, 512).unwrap() == served.image[..512]);
        client.request(2, 0, 0);
        assert!(client.is_closed());
    }
    // Twice a dozen refusals, logged once.
    let logged = served.events();
    assert!(
        matches!(&logged[..], [EventKind::Ignored { .. }]),
        "{logged:?}"
    );
}

#[test]
fn what_no_client_says_closes_the_connection_at_once() {
    let served = serve(Limits::default());
    for flags in [4u32, 0x8000_0000, u32::MAX] {
        let mut client = served.dial();
        client.take(18);
        client.send(&flags.to_be_bytes());
        assert!(client.is_closed(), "{flags:x}");
    }
    for option in [
        // 1 GiB and more.
        option_head(7, 1 << 30, b""),
        option_head(3, u32::MAX, b"abc"),
        option_head(99, 1 << 31, b""),
        // No such export, or a name that cannot be one.
        option(1, b"no-such-disk"),
        option_head(1, 100_000, b""),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ] {
        let mut client = served.connect();
        client.send(&option);
        assert!(client.is_closed(), "{option:?}");
    }
    for bytes in [
        request(0, 1, 7, 0, u32::MAX),
        request(0, 1, 7, 0, 1 << 31),
        vec![0; 28],
    ] {
        let mut client = served.enter(false);
        client.send(&bytes);
        assert!(client.is_closed());
    }
    let mut client = served.enter(false);
    assert!(client.read(false, 0, 512).is_ok());
}

#[test]
fn options_that_are_wrong_are_refused_and_the_negotiation_goes_on() {
    let mut served = serve(Limits::default());
    let mut client = served.connect();
    for (code, data, answer) in [
        (5, vec![], ERR_UNSUP),
        (11, vec![], ERR_UNSUP),
        (0xdead_beef, vec![1; 8192], ERR_UNSUP),
        (7, vec![0; 8193], ERR_TOO_BIG),
        (42, vec![0; 1 << 20], ERR_TOO_BIG),
        (7, info(&[b'x'; 4097]), ERR_TOO_BIG),
        (7, info(b"\x1b[2Jnone"), ERR_UNKNOWN),
        (6, vec![], ERR_INVALID),
        (6, vec![0xff; 100], ERR_INVALID),
        (10, vec![0; 8], ERR_INVALID),
        (8, vec![0], ERR_INVALID),
    ] {
        assert_eq!(client.option(code, &data).0, answer, "{code}");
    }
    let path = served.event(|what| match what {
        EventKind::NotFound { path, .. } => Some(path.clone()),
        _ => None,
    });
    assert_eq!(path, "\\x1b[2Jnone");
    client.send(&option(1, b"disk.iso"));
    client.take(10);
    assert!(client.read(false, 0, 512).is_ok());
    // ABORT is acknowledged.
    let mut client = served.connect();
    assert_eq!(client.option(2, b"").0, ACK);
    assert!(client.is_closed());
}

#[test]
fn ten_thousand_tiny_options_end_at_the_limit() {
    let served = serve(Limits::default());
    let mut client = served.connect();
    let mut writing = client.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let options = option(8, b"").repeat(10_000);
        // The server closes the connection in the middle.
        let _ = writing.write_all(&options);
    });
    let mut answers = Vec::new();
    // The end may be a reset, as there is more that nobody read.
    let _ = client.stream.read_to_end(&mut answers);
    writer.join().unwrap();
    assert!(answers.len() <= 20 * 2048, "{} answers", answers.len() / 20);
    assert!(served.enter(false).read(false, 0, 512).is_ok());
}

#[test]
fn an_image_that_became_shorter_is_an_error_and_what_is_left_can_be_read() {
    let mut served = serve(Limits::default());
    let (mut simple, mut chunks) = (served.enter(false), served.enter(true));
    served.image_file.as_file().set_len(1_000_000).unwrap();
    for (client, structured) in [(&mut simple, false), (&mut chunks, true)] {
        // A short one that is copied, and a long one that would go by sendfile.
        for len in [4096, 1_000_000] {
            assert_eq!(client.read(structured, 500_000 * 2, len), Err(EIO), "{len}");
            assert_eq!(client.read(structured, 999_000, len), Err(EIO), "{len}");
        }
        assert!(client.read(structured, 900_000, 4096).unwrap() == served.image[900_000..904_096]);
    }
    let why = served.event(|what| match what {
        EventKind::Failed { reason, path, .. } => Some((path.clone(), reason.to_string())),
        _ => None,
    });
    let shorter = "the image file was truncated";
    assert_eq!(why, ("disk".to_owned(), shorter.to_owned()));
}

#[test]
fn who_entered_keeps_the_old_image_and_who_comes_gets_the_new_one() {
    let mut served = serve(Limits::default());
    let mut old = served.enter(false);
    let (new_file, new_image) = image(4711);
    served.replace(new_file.path());
    let (first, second) = (served.enter(false), served.enter(true));
    for (mut client, structured) in [(first, false), (second, true)] {
        assert!(client.read(structured, 0, 100_000).unwrap() == new_image[..100_000]);
    }
    // Its name is gone, its number forgotten, its file removed.
    let _ = std::fs::remove_file(served.image_file.path());
    let whole = u32::try_from(IMAGE_BYTES).unwrap();
    assert!(old.read(false, 0, whole).unwrap() == served.image[..IMAGE_BYTES]);
    assert!(old.read(false, 5, 4096).unwrap() == served.image[5..4101]);
    // By its identity it would still be that file or nothing.
    let mut client = served.connect();
    let pinned = format!("disk@{}", "00".repeat(16));
    assert_eq!(client.option(7, &info(pinned.as_bytes())).0, ERR_UNKNOWN);
    let pinned = format!("disk@{}", "01".repeat(16));
    assert_eq!(client.option(7, &info(pinned.as_bytes())).0, 3);
}

#[test]
fn strangers_are_not_served() {
    // 127.0.0.1 alone is served, and the client comes from another address.
    let mut served = serve_in(Limits::default(), 32);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: std::net::SocketAddr = "127.0.0.2:0".parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&served.address.into()).unwrap();
    let mut stranger = disk::Client {
        stream: socket.into(),
    };
    assert!(stranger.is_closed());
    let why = served.event(|what| match what {
        EventKind::Ignored { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    assert_eq!(why, "it is in none of the served networks");
    assert!(served.enter(false).read(false, 0, 512).is_ok());
}

#[test]
fn who_does_not_negotiate_is_cut_and_who_has_read_never_is() {
    let limits = Limits {
        negotiation: Duration::from_secs(2),
        connections_per_peer: 3,
        ..Limits::default()
    };
    let mut served = serve(limits);
    let mut entered = served.enter(false);
    assert!(entered.read(false, 0, 512).is_ok());
    let began = Instant::now();
    let mut slow = served.connect();
    slow.send(b"IHAVE");
    assert!(slow.is_closed());
    assert!(began.elapsed() >= limits.negotiation);
    let why = served.event(|what| match what {
        EventKind::Ignored { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    assert!(why.contains("negotiation"), "{why}");
    // All three connections of this address: who has read stays, so a fourth is refused.
    let mut second = served.enter(false);
    assert!(second.read(false, 0, 512).is_ok());
    let mut third = served.enter(true);
    assert!(third.read(true, 0, 512).is_ok());
    assert!(served.dial().is_closed());
    sleep(2 * limits.negotiation);
    for (client, structured) in [
        (&mut entered, false),
        (&mut second, false),
        (&mut third, true),
    ] {
        assert!(client.read(structured, 0, 512).is_ok());
    }
    // A client that only negotiates or only entered makes room, once it waits; and its connection
    // must be closed first.
    drop(third);
    let mut idle = entered_once_free(&served);
    let mut next = greeted(&served);
    assert!(idle.is_closed());
    next.send(b"IHAVE");
    drop(next);
    let mut waiting = greeted(&served);
    let mut last = greeted(&served);
    assert!(waiting.is_closed());
    last.send(&[&[0, 0, 0, 3][..], &option(1, b"")].concat());
    last.take(10);
    assert!(last.read(false, 0, 512).is_ok());
}

/// Enters the disk once a connection is accepted, and reads nothing.
fn entered_once_free(served: &disk::Served) -> disk::Client {
    let mut client = greeted(served);
    client.send(&[&[0, 0, 0, 3][..], &option(1, b"")].concat());
    client.take(10);
    client
}

/// Returns the first connection that is accepted.
fn greeted(served: &disk::Served) -> disk::Client {
    let end = Instant::now() + disk::DEADLINE;
    while Instant::now() < end {
        let mut client = served.dial();
        if client.stream.read_exact(&mut [0; 18]).is_ok() {
            return client;
        }
    }
    panic!("every connection is taken");
}

#[test]
fn a_disk_in_use_is_logged_from_its_first_reads_to_its_end_and_a_probe_is_not() {
    let mut served = serve(Limits::default());
    let mut probe = served.enter(true);
    probe.read(true, 0, 4096).unwrap();
    probe.read(true, 32768, 2048).unwrap();
    probe.request(2, 0, 0);
    assert!(probe.is_closed());
    drop(served.dial());
    drop(served.connect());
    for goodbye in [true, false] {
        let mut client = served.enter(false);
        for n in 0..100 {
            client.read(false, n * 4096, 4096).unwrap();
        }
        client.read(false, 0, 1_000_000).unwrap();
        if goodbye {
            client.request(2, 0, 0);
            assert!(client.is_closed());
        }
        drop(client);
        let mut all = Vec::new();
        served.event(|what| {
            all.push(what.clone());
            matches!(what, EventKind::Finished { .. }).then_some(())
        });
        assert!(
            matches!(&all[0], EventKind::Started { path, len: SIZE, .. } if path == "disk"),
            "{all:?}"
        );
        let total = 100 * 4096 + 1_000_000;
        assert!(
            matches!(all.last(), Some(EventKind::Finished { path, sent, .. }) if path == "disk" && *sent == total),
            "{all:?}"
        );
        let rest = &all[1..all.len() - 1];
        assert!(
            rest.iter()
                .all(|what| matches!(what, EventKind::Progress { .. })),
            "{all:?}"
        );
    }
    assert!(served.events().is_empty());
}

#[test]
fn requests_that_wait_when_the_server_stops_are_answered() {
    let served = serve(Limits::default());
    let mut busy = served.enter(false);
    let whole = u32::try_from(IMAGE_BYTES).unwrap();
    busy.request(0, 0, whole);
    let head = busy.take(16);
    assert_eq!(head[4..8], [0; 4]);
    // The server is in the middle of the first answer and reads none of these before the end.
    for _ in 0..3 {
        busy.request(0, 0, 512);
    }
    served.drain.send(true).unwrap();
    sleep(Duration::from_millis(50));
    assert!(busy.take(IMAGE_BYTES) == served.image[..IMAGE_BYTES]);
    for _ in 0..3 {
        busy.take(16);
        assert!(busy.take(512) == served.image[..512]);
    }
    assert!(busy.is_closed());
    served.runtime.block_on(served.done).unwrap().unwrap();
}

#[test]
fn at_the_end_replies_are_finished_and_disks_closed() {
    let served = serve(Limits::default());
    let mut idle = served.enter(false);
    let mut negotiating = served.connect();
    let mut busy = served.enter(false);
    let whole = u32::try_from(IMAGE_BYTES).unwrap();
    // More than fits between both ends: the server is in the middle of it.
    for _ in 0..4 {
        busy.request(0, 0, whole);
    }
    let head = busy.take(16);
    assert_eq!(head[4..8], [0; 4]);
    served.drain.send(true).unwrap();
    assert!(idle.is_closed());
    assert!(negotiating.is_closed());
    for n in 0..4 {
        if n > 0 {
            busy.take(16);
        }
        assert!(
            busy.take(IMAGE_BYTES) == served.image[..IMAGE_BYTES],
            "reply {n}"
        );
    }
    assert!(busy.is_closed());
    served.runtime.block_on(served.done).unwrap().unwrap();
    assert!(std::net::TcpStream::connect(served.address).is_err());
}
