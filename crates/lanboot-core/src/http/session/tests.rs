//! Requests as clients send them, and damaged ones.

use proptest::prelude::*;

use super::*;
use crate::http::MAX_HEADERS;

const NOW: Duration = Duration::from_secs(784_111_777);

fn steps(bytes: &[u8]) -> Vec<Received> {
    let mut session = Session::new();
    let mut input = bytes.to_vec();
    let mut out = Vec::new();
    loop {
        let step = session.advance(&mut input, NOW);
        let is_last = !matches!(step, Received::Request(_));
        out.push(step);
        if is_last {
            return out;
        }
    }
}

fn request(bytes: &[u8]) -> Request {
    match steps(bytes).into_iter().next() {
        Some(Received::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn reject_reason(bytes: &[u8]) -> RejectReason {
    match steps(bytes).into_iter().next() {
        Some(Received::Refused { why, reply }) => {
            assert!(reply.close);
            why
        }
        other => panic!("{other:?} for {}", bytes.escape_ascii()),
    }
}

#[test]
fn lpxelinux_request_with_a_long_cookie() {
    let head = format!(
        "GET //arch//boot/vmlinuz-linux HTTP/1.0\r\nHost: 10.77.0.1\r\n\
         User-Agent: Syslinux/6.04\r\nConnection: close\r\nCookie: _Syslinux_x={}\r\n\r\n",
        "a".repeat(900)
    );
    let request = request(head.as_bytes());
    assert_eq!(request.path, b"//arch//boot/vmlinuz-linux");
    assert!(request.is_http10 && !request.keep_alive);
}

#[test]
fn targets_are_split_and_decoded() {
    for (target, path, query) in [
        ("/a%20b/%41%2f%zz%4?x=%20&y", "/a b/A/%zz%4", "x=%20&y"),
        ("http://h:80/x?y", "/x", "y"),
        ("HTTP://h", "/", ""),
        ("https://h?q", "/", "q"),
        ("/?", "/", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/http://x", "/http://x", ""),
        ("/caf\u{e9}", "/caf\u{e9}", ""),
    ] {
        let request = request(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(request.path, path.as_bytes(), "{target}");
        assert_eq!(request.query, query.as_bytes(), "{target}");
    }
}

#[test]
fn keep_alive_depends_on_version_and_connection_field() {
    for (version, fields, keep) in [
        ("1.1", "", true),
        ("1.0", "", false),
        ("1.2", "", true),
        ("1.9", "", true),
        ("1.2", "Connection: close\r\n", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, Close\r\n", false),
        ("1.0", "Connection: te\r\nConnection: keep-alive\r\n", true),
    ] {
        let head = format!("GET / HTTP/{version}\r\n{fields}\r\n");
        assert_eq!(request(head.as_bytes()).keep_alive, keep, "{head}");
    }
}

#[test]
fn invalid_requests_are_rejected() {
    for (bytes, want) in [
        ("GET /\r\n", RejectReason::Http09),
        ("GET /x\n", RejectReason::Http09),
        ("GET / HTTP/2.0\r\n", RejectReason::Version),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RejectReason::Version),
        ("GET / HTTP/0.9\r\n\r\n", RejectReason::Version),
        ("GET / HTTP/3.1\r\n\r\n", RejectReason::Version),
        ("GET / http/1.1\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/1.10\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/1.\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/1\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/11\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/1.x\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/x.1\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/ 1.1\r\n\r\n", RejectReason::Malformed),
        ("GET HTTP/1.1\r\n\r\n", RejectReason::Malformed),
        (
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            RejectReason::Method,
        ),
        ("get / HTTP/1.1\r\n\r\n", RejectReason::Method),
        ("OPTIONS * HTTP/1.1\r\n\r\n", RejectReason::Method),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", RejectReason::Method),
        ("GET * HTTP/1.1\r\n\r\n", RejectReason::Malformed),
        ("GET x HTTP/1.1\r\n\r\n", RejectReason::Malformed),
        ("GET ftp://h/x HTTP/1.1\r\n\r\n", RejectReason::Malformed),
        ("GET /a b HTTP/1.1\r\n\r\n", RejectReason::Malformed),
        ("GET / HTTP/1.1\r\nX Y: 1\r\n\r\n", RejectReason::Malformed),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            RejectReason::Malformed,
        ),
        ("GET / HTTP/1.1\r\nX: \0\r\n\r\n", RejectReason::Malformed),
        ("\0\0\0", RejectReason::Malformed),
        ("\x16\x03\x01\x02", RejectReason::Tls),
        ("SSH-2.0-OpenSSH_9\r\n", RejectReason::Malformed),
        (
            "GET / HTTP/1.1\r\nExpect: magic\r\n\r\n",
            RejectReason::Expectation,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
            RejectReason::BodyTooLong,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            RejectReason::BodyTooLong,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            RejectReason::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: \r\n\r\n",
            RejectReason::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            RejectReason::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            RejectReason::LengthMissing,
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            RejectReason::Malformed,
        ),
    ] {
        assert_eq!(
            reject_reason(bytes.as_bytes()),
            want,
            "{}",
            bytes.escape_debug()
        );
    }
}

#[test]
fn limits_hold_for_incomplete_heads() {
    let long = "a".repeat(64 * 1024);
    assert_eq!(reject_reason(long.as_bytes()), RejectReason::LineTooLong);
    let line = format!("GET /{long} HTTP/1.1\r\n\r\n");
    assert_eq!(reject_reason(line.as_bytes()), RejectReason::LineTooLong);
    let unfinished = format!("GET / HTTP/1.1\r\nX: {long}");
    assert_eq!(
        reject_reason(unfinished.as_bytes()),
        RejectReason::HeadTooLong
    );
    let finished = format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n");
    assert_eq!(
        reject_reason(finished.as_bytes()),
        RejectReason::HeadTooLong
    );
    let many = format!(
        "GET / HTTP/1.1\r\n{}\r\n",
        "a:b\r\n".repeat(MAX_HEADERS + 1)
    );
    assert_eq!(reject_reason(many.as_bytes()), RejectReason::HeadTooLong);
    let blank = "\r\n".repeat(MAX_HEAD_BYTES);
    assert_eq!(reject_reason(blank.as_bytes()), RejectReason::HeadTooLong);
    let most = format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(MAX_HEADERS));
    request(most.as_bytes());
}

#[test]
fn a_head_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
    let fill = |n: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(n - frame));
    request(fill(MAX_HEAD_BYTES).as_bytes());
    assert_eq!(
        reject_reason(fill(MAX_HEAD_BYTES + 1).as_bytes()),
        RejectReason::HeadTooLong
    );
}

#[test]
fn requests_that_arrive_together_are_taken_one_by_one() {
    let bytes = b"\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\nX: y\n\nHEAD /3 HTTP/1.0\r\n\r\nGE";
    let paths: Vec<_> = steps(bytes)
        .into_iter()
        .map(|step| match step {
            Received::Request(request) => request.path,
            Received::More => b"more".to_vec(),
            Received::Refused { why, .. } => panic!("{why}"),
        })
        .collect();
    assert_eq!(paths, [&b"/1"[..], b"/2", b"/3", b"more"]);
}

#[test]
fn a_get_body_is_discarded_and_never_parsed_as_a_request() {
    let bytes = b"GET /1 HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /x HTTP/1.1\r\n\r\n__GET /2 HTTP/1.1\r\n\r\n";
    // The first 19 bytes of the body look like a request.
    let found = steps(bytes);
    assert!(
        matches!(&found[..], [Received::Request(a), Received::Request(b), Received::More]
        if a.path == b"/1" && b.path == b"/2")
    );
}

#[test]
fn expect_continue_with_a_body_closes() {
    let head = b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert!(!request(head).keep_alive);
}

#[test]
fn repeated_fields_are_joined_and_two_ranges_are_ignored() {
    let head = b"GET / HTTP/1.1\r\nIf-None-Match: \"a\"\r\nif-none-match: \"b\"\r\n\
        Range: bytes=0-0\r\nRange: bytes=1-1\r\n\r\n";
    let request = request(head);
    assert_eq!(
        request.conditions.if_none_match.as_deref(),
        Some(&b"\"a\", \"b\""[..])
    );
    assert_eq!(request.range, None);
}

#[test]
fn head_has_no_range() {
    let head = b"HEAD / HTTP/1.1\r\nRange: bytes=0-0\r\n\r\n";
    assert_eq!(request(head).range, None);
}

proptest! {
    #[test]
    fn requests_do_not_depend_on_segmentation(
        cuts in proptest::collection::vec(1..20usize, 1..40),
    ) {
        let bytes: &[u8] = b"\r\nGET /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeGET /2 HTTP/1.0\n\n\
            GET /3 HTTP/1.1\r\nRange: bytes=0-0\r\n\r\nGET /4\r\n";
        let whole = steps(bytes);
        let mut session = Session::new();
        let mut input = Vec::new();
        let mut received = Vec::new();
        let mut rest = bytes;
        let mut cuts = cuts.into_iter().cycle();
        'all: while !rest.is_empty() {
            let n = cuts.next().unwrap().min(rest.len());
            input.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            loop {
                match session.advance(&mut input, NOW) {
                    Received::More => break,
                    step => {
                        let refused = matches!(step, Received::Refused { .. });
                        received.push(step);
                        if refused {
                            break 'all;
                        }
                    }
                }
            }
        }
        prop_assert_eq!(received, whole);
    }

    #[test]
    fn nothing_panics_and_the_buffer_stays_small(
        chunks in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                Just(b"GET / HTTP/1.1\r\n".to_vec()),
                Just(b"Content-Length: 100\r\n".to_vec()),
                Just(b"\r\n\r\n".to_vec()),
                Just(vec![b'a'; 5000]),
            ], 0..40),
    ) {
        let mut session = Session::new();
        let mut input = Vec::new();
        for chunk in chunks {
            input.extend_from_slice(&chunk);
            while !matches!(session.advance(&mut input, NOW), Received::More) {}
            prop_assert!(input.len() <= MAX_HEAD_BYTES);
        }
    }
}
