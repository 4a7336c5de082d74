//! The HTTP server as curl and raw sockets see it.

mod http_server;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use http_server::{DEADLINE, IMAGE_BYTES, curl, curl_any, one_reply, serve, transaction};
use lanboot::http::Limits;
use lanboot_core::events::EventKind;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn curl_gets_every_byte_of_every_kind_of_piece() {
    let served = serve(Limits::default());
    for (path, want) in [
        ("/mixed.bin", served.mixed()),
        ("/image.iso", served.image.clone()),
        ("/small.cfg", served.image[5000..6000].to_vec()),
        ("/boot.ipxe?a=b", b"#!ipxe\n# a=b 127.0.0.1\n".to_vec()),
        ("/empty", Vec::new()),
        ("/%6dixed.bin", served.mixed()),
    ] {
        for version in ["--http1.1", "--http1.0"] {
            let got = curl(&["--fail", version, &served.url(path)]).stdout;
            assert!(got == want, "{path} over {version}: {} bytes", got.len());
        }
    }
}

#[test]
fn curl_gets_ranges() {
    let served = serve(Limits::default());
    let mixed = served.mixed();
    let len = mixed.len();
    for (range, want) in [
        ("0-0", 0..1),
        ("2999990-3000020", 2_999_990..3_000_021),
        ("3050000-3200000", 3_050_000..3_200_001),
        ("-500001", len - 500_001..len),
        ("1000-", 1000..len),
        ("3599999-9999999999999", 3_599_999..len),
    ] {
        let args = [
            "-r",
            range,
            "-w",
            "%{stderr}%{http_code}",
            &served.url("/mixed.bin"),
        ];
        let got = curl(&args);
        assert_eq!(text(&got.stderr), "206", "{range}");
        assert!(got.stdout == mixed[want], "{range}");
    }
    let got = curl(&["-r", "99999999-", "-i", &served.url("/mixed.bin")]);
    let got = text(&got.stdout);
    assert!(got.starts_with("HTTP/1.1 416 "), "{got}");
    assert!(
        got.contains(&format!("Content-Range: bytes */{len}\r\n")),
        "{got}"
    );
}

#[test]
fn curl_gets_several_ranges_at_once() {
    let served = serve(Limits::default());
    let mixed = served.mixed();
    // Around the overlay, all zeros, and long enough for sendfile.
    let wanted = [2_999_998..3_000_009, 3_050_000..3_050_004, 0..40_000];
    let list: Vec<_> = wanted
        .iter()
        .map(|r| format!("{}-{}", r.start, r.end - 1))
        .collect();
    let output = curl(&["-i", "-r", &list.join(","), &served.url("/mixed.bin")]).stdout;
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let head = text(&output[..end]);
    let boundary = head
        .split("boundary=")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let mut want = Vec::new();
    for (range, spec) in wanted.iter().zip(&list) {
        want.extend(format!("\r\n--{boundary}\r\n").bytes());
        want.extend(b"Content-Type: application/octet-stream\r\n");
        want.extend(format!("Content-Range: bytes {spec}/{}\r\n\r\n", mixed.len()).bytes());
        want.extend(&mixed[range.clone()]);
    }
    want.extend(format!("\r\n--{boundary}--\r\n").bytes());
    // The first boundary needs no line before it.
    assert!(output[end..] == want[2..], "{head}");
}

#[test]
fn curl_goes_on_where_it_stopped() {
    let served = serve(Limits::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mixed.bin");
    let mixed = served.mixed();
    std::fs::write(&path, &mixed[..1_234_567]).unwrap();
    curl(&[
        "-C",
        "-",
        "-o",
        path.to_str().unwrap(),
        &served.url("/mixed.bin"),
    ]);
    assert!(std::fs::read(&path).unwrap() == mixed);
}

#[test]
fn a_changed_file_is_sent_whole_or_refused_and_an_unchanged_one_not_at_all() {
    let served = serve(Limits::default());
    let url = served.url("/small.cfg");
    let head = text(&curl(&["--head", &url]).stdout);
    let tag = head.lines().find_map(|l| l.strip_prefix("ETag: ")).unwrap();
    let status = |field: &str| {
        let output = curl(&[
            "-r",
            "0-1",
            "-H",
            field,
            "-w",
            "%{stderr}%{http_code}",
            &url,
        ]);
        (text(&output.stderr), output.stdout.len())
    };
    assert_eq!(status(&format!("If-Range: {tag}")), ("206".into(), 2));
    assert_eq!(status("If-Range: \"old\""), ("200".into(), 1000));
    assert_eq!(status(&format!("If-Match: {tag}")), ("206".into(), 2));
    assert_eq!(status("If-Match: \"old\"").0, "412");
    assert_eq!(status(&format!("If-None-Match: {tag}")), ("304".into(), 0));
    assert_eq!(
        status("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
        ("304".into(), 0)
    );
}

#[test]
fn connections_are_kept_by_http11_and_closed_by_http10() {
    let served = serve(Limits::default());
    let (a, b) = (served.url("/small.cfg"), served.url("/no-such-file"));
    let connects = |version: &str| {
        let out = ["-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null"];
        let more = [
            version,
            "-w",
            "%{num_connects}",
            a.as_str(),
            b.as_str(),
            a.as_str(),
        ];
        text(&curl(&[&out[..], &more[..]].concat()).stdout)
    };
    assert_eq!(connects("--http1.1"), "100");
    assert_eq!(connects("--http1.0"), "111");
}

#[test]
fn head_says_what_get_would() {
    let served = serve(Limits::default());
    for path in [
        "/mixed.bin",
        "/small.cfg",
        "/boot.ipxe",
        "/empty",
        "/nothing",
    ] {
        let head = text(&curl(&["--head", &served.url(path)]).stdout);
        let get = text(&curl(&["-D", "-", "-o", "/dev/null", &served.url(path)]).stdout);
        let stable = |text: String| -> Vec<String> {
            let lines = text.lines().filter(|l| !l.starts_with("Date: "));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(stable(head), stable(get), "{path}");
    }
}

#[test]
fn bad_requests_get_one_clean_answer_and_a_close() {
    let served = serve(Limits::default());
    let long = "a".repeat(64 * 1024);
    for (bytes, status) in [
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), "414"),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
        ("GET /small.cfg\r\n".to_owned(), "400"),
        ("GET /small.cfg HTTP/3.0\r\n\r\n".to_owned(), "505"),
        ("\x16\x03\x01\x02\0\x01".to_owned(), "400"),
        (
            "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n".to_owned() + &long,
            "405",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n".to_owned() + &long,
            "413",
        ),
    ] {
        // Reading to the end fails when the server resets instead of closing.
        let answer = text(&transaction(&served, bytes.as_bytes()));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {answer}"
        );
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
}

#[test]
fn a_backward_range_is_ignored_and_one_without_numbers_is_refused_and_logged() {
    let mut served = serve(Limits::default());
    let ask = |range: &str| {
        format!("GET /small.cfg HTTP/1.1\r\nRange: {range}\r\nConnection: close\r\n\r\n")
    };
    let answer = text(&transaction(&served, ask("bytes=5-2").as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("\r\nContent-Length: 1000\r\n"));
    let answer = text(&transaction(&served, ask("bytes=u-u").as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 416 "));
    let why = served.event(|what| match what {
        EventKind::Failed { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    assert!(why.contains("iPXE"), "{why}");
}

#[test]
fn requests_that_arrive_together_are_answered_in_order() {
    let served = serve(Limits::default());
    let answer = transaction(
        &served,
        b"GET /small.cfg HTTP/1.1\r\n\r\nHEAD /small.cfg HTTP/1.1\r\n\r\n\
          GET /mixed.bin HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET /none HTTP/1.1\r\n\r\n\
          GET /boot.ipxe?x HTTP/1.0\r\n\r\nGET /never HTTP/1.1\r\n\r\n",
    );
    let mut rest = &answer[..];
    let mut statuses = Vec::new();
    for (n, length) in [1000, 0, 3_600_007, 14, 21].into_iter().enumerate() {
        let end = rest.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        statuses.push(text(&rest[9..12]));
        if n == 2 {
            assert!(rest[end..end + length] == served.mixed());
        }
        rest = &rest[end + length..];
    }
    assert_eq!(statuses, ["200", "200", "200", "404", "200"]);
    assert!(rest.is_empty(), "{}", text(rest));
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_answered() {
    let served = serve(Limits::default());
    let mut stream = served.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"\r\nGET http://some.name:80/small.cfg HTTP/1.1\r\nHost: other\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let (head, body) = one_reply(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(body == served.image[5000..6000]);
}

#[test]
fn an_image_that_cannot_be_read_is_an_error_before_the_first_byte() {
    let mut served = serve(Limits::default());
    for path in [
        "/gone.small",
        "/gone.big",
        "/behind.small",
        "/behind.big",
        "/half.big",
    ] {
        let output = curl(&["-w", "%{stderr}%{http_code}", &served.url(path)]);
        assert_eq!(text(&output.stderr), "500", "{path}");
        let failed = served.event(|what| match what {
            EventKind::Failed { path, sent, .. } => Some((path.clone(), *sent)),
            _ => None,
        });
        assert_eq!(failed, (path.to_owned(), 0));
    }
}

#[test]
fn a_file_with_a_gap_cuts_the_connection_by_a_reset() {
    let mut served = serve(Limits::default());
    let output = curl_any(&["-o", "/dev/null", &served.url("/gap.big")]);
    // 56: failure receiving; 18: partial file. A reset is the former.
    assert_eq!(output.status.code(), Some(56), "{}", text(&output.stderr));
    let why = served.event(|what| match what {
        EventKind::Failed { reason, sent, .. } => Some((reason.to_string(), *sent)),
        _ => None,
    });
    assert_eq!(
        why,
        (
            "the image file was truncated".to_owned(),
            IMAGE_BYTES as u64
        )
    );
}

#[test]
fn a_file_truncated_while_it_is_served_cuts_that_transfer_and_no_other() {
    let mut served = serve(Limits::default());
    let mut stream = served.connect();
    stream
        .write_all(b"GET /image.iso HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    served.image_file.as_file().set_len(1_000_000).unwrap();
    let mut read = first.len();
    let mut buffer = vec![0; 1 << 20];
    let error = loop {
        match stream.read(&mut buffer) {
            Ok(0) => panic!("a clean end after {read} bytes: lpxelinux would boot this"),
            Ok(n) => read += n,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    assert!(read < IMAGE_BYTES);
    served.event(|what| matches!(what, EventKind::Failed { .. }).then_some(()));
    let got = curl(&[&served.url("/small.cfg")]).stdout;
    assert!(got == served.image[5000..6000]);
}

#[test]
fn slow_readers_cost_no_thread_and_are_not_cut_while_they_read() {
    let limits = Limits {
        stall: Duration::from_secs(4),
        ..Limits::default()
    };
    let mut served = serve(limits);
    // Far more of them than the four threads of the server.
    let mut readers: Vec<_> = (0..24).map(|_| slow_reader(&served)).collect();
    let stalled = slow_reader(&served);
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&enough);
    let least = Instant::now() + 2 * limits.stall;
    let reading = std::thread::spawn(move || {
        while !is_enough.load(Ordering::Relaxed) || Instant::now() < least {
            for reader in &mut readers {
                reader.read_exact(&mut [0; 1000]).unwrap();
            }
            sleep(Duration::from_millis(20));
        }
    });
    for _ in 0..3 {
        // The readers go on until this is done; curl gives up if it waits for them.
        let got = curl(&[&served.url("/mixed.bin")]).stdout;
        assert!(got == served.mixed());
    }
    // Only the one that reads nothing is cut.
    let why = served.event(|what| match what {
        EventKind::Failed { reason, .. } => Some(reason.to_string()),
        _ => None,
    });
    assert_eq!(why, "the machine read nothing for 4 s");
    enough.store(true, Ordering::Relaxed);
    reading.join().expect("a slow reader was cut");
    drop(stalled);
}

/// A machine with small segments and a small receive buffer, so that what it reads shows at once.
fn slow_reader(served: &http_server::Served) -> std::net::TcpStream {
    let mut stream = small_reader(served);
    stream
        .write_all(b"GET /image.iso HTTP/1.1\r\n\r\n")
        .unwrap();
    stream
}

fn small_reader(served: &http_server::Served) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.connect(&served.address.into()).unwrap();
    let stream = std::net::TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// The whole reply is in the kernel, and the machine answers the probes of its closed window: TCP
/// itself would keep such a connection for ever.
#[test]
fn who_took_nothing_and_lost_its_place_is_reset_at_once() {
    // A reply that is logged is waited for; after a short part the next request is.
    for range in ["", "Range: bytes=0-16380\r\n"] {
        let limits = Limits {
            connections_per_peer: 1,
            ..Limits::default()
        };
        let mut served = serve(limits);
        let mut stalled = small_reader(&served);
        let request = format!("GET /medium.bin HTTP/1.1\r\n{range}\r\n");
        stalled.write_all(request.as_bytes()).unwrap();
        stalled.peek(&mut [0]).unwrap();
        let end = Instant::now() + DEADLINE;
        while !is_served(&served) {
            assert!(Instant::now() < end, "nobody made room");
            sleep(Duration::from_millis(50));
        }
        if range.is_empty() {
            let reason = served.event(|what| match what {
                EventKind::Failed { reason, .. } => Some(reason.code()),
                _ => None,
            });
            assert_eq!(reason, "connection_taken");
        }
        // Not by reading, which would open the window while the connection is being closed.
        let error = loop {
            if let Some(error) = stalled.take_error().unwrap() {
                break error;
            }
            assert!(Instant::now() < end, "no reset came");
            sleep(Duration::from_millis(2));
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{range}");
    }
}

/// Returns whether a new connection gets a file. One that gets 503 is closed with its request
/// unread, and so may be reset.
fn is_served(served: &http_server::Served) -> bool {
    let mut stream = served.connect();
    let mut begin = [0; 12];
    let asked = stream.write_all(b"GET /small.cfg HTTP/1.0\r\n\r\n");
    asked.and_then(|()| stream.read_exact(&mut begin)).is_ok() && begin == *b"HTTP/1.1 200"
}

#[test]
fn who_dawdles_with_a_request_is_cut_and_who_says_nothing_too() {
    let limits = Limits {
        head: Duration::from_millis(300),
        idle: Duration::from_secs(3),
        ..Limits::default()
    };
    let served = serve(limits);
    let began = Instant::now();
    let mut dawdler = served.connect();
    let mut silent = served.connect();
    dawdler
        .write_all(b"GET /small.cfg HTTP/1.1\r\nX: ")
        .unwrap();
    assert_eq!(dawdler.read(&mut [0; 10]).unwrap(), 0);
    let dawdled = began.elapsed();
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    assert!(dawdled >= Duration::from_millis(300), "{dawdled:?}");
    assert!(began.elapsed() >= limits.idle);
    // After a reply the wait begins anew: together these are longer.
    let mut stream = served.connect();
    for _ in 0..3 {
        sleep(limits.idle * 2 / 5);
        stream
            .write_all(b"GET /small.cfg HTTP/1.1\r\n\r\n")
            .unwrap();
        one_reply(&mut stream);
    }
}

#[test]
fn a_transfer_is_logged_from_its_start_to_its_end() {
    let mut served = serve(Limits::default());
    curl(&["--head", &served.url("/image.iso")]);
    curl(&["-r", "0-0", &served.url("/image.iso")]);
    curl(&[&served.url("/none")]);
    curl(&["-o", "/dev/null", &served.url("/mixed.bin")]);
    let len = served.mixed().len() as u64;
    // Neither HEAD nor the probe is logged: the first event is about the file that is not there.
    let first = served.event(|what| Some(what.clone()));
    assert!(
        matches!(&first, EventKind::NotFound { path, .. } if path == "/none"),
        "{first:?}"
    );
    let started = served.event(|what| Some(what.clone()));
    let EventKind::Started {
        transfer,
        path,
        len: announced,
        ..
    } = started
    else {
        panic!("{started:?}")
    };
    assert_eq!((path.as_str(), announced), ("/mixed.bin", len));
    let finished = served.event(|what| match what {
        EventKind::Finished { transfer, sent, .. } => Some((*transfer, *sent)),
        _ => None,
    });
    assert_eq!(finished, (transfer, len));
}

#[test]
fn a_machine_that_hangs_up_has_not_finished() {
    let mut served = serve(Limits::default());
    for path in ["/image.iso", "/mixed.bin"] {
        let mut stream = served.connect();
        let request = format!("GET {path} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 100_000]).unwrap();
        drop(stream);
        let what = served.event(|what| match what {
            EventKind::Finished { .. } | EventKind::Failed { .. } => Some(what.clone()),
            _ => None,
        });
        assert!(matches!(what, EventKind::Failed { .. }), "{what:?}");
    }
}

#[test]
fn a_transfer_that_the_server_ends_has_failed() {
    let mut served = serve(Limits::default());
    let mut stream = served.connect();
    stream
        .write_all(b"GET /image.iso HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    served.done.abort();
    let code = served.event(|what| match what {
        EventKind::Finished { .. } => Some("finished"),
        EventKind::Failed { reason, .. } => Some(reason.code()),
        _ => None,
    });
    assert_eq!(code, "interrupted");
}

#[test]
fn draining_closes_who_waits_and_finishes_what_runs() {
    let served = serve(Limits::default());
    let mut idle = served.connect();
    idle.write_all(b"GET /small.cfg HTTP/1.1\r\n\r\n").unwrap();
    one_reply(&mut idle);
    let mut busy = served.connect();
    busy.write_all(b"GET /image.iso HTTP/1.1\r\n\r\n").unwrap();
    busy.read_exact(&mut [0; 17]).unwrap();
    served.drain.send(true).unwrap();
    assert_eq!(idle.read(&mut [0; 10]).unwrap(), 0);
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&served.image[IMAGE_BYTES - 100_000..]));
    let done = async { tokio::time::timeout(DEADLINE, served.done).await };
    served.runtime.block_on(done).unwrap().unwrap().unwrap();
    assert!(std::net::TcpStream::connect(served.address).is_err());
}
