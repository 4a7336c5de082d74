//! HTTP connections: requests cut anywhere, and their replies.

use std::time::Duration;

use lanboot_core::http::{MAX_HEAD_BYTES, Received, Session, respond};
use lanboot_core::vfs::{Content, File, ImageId};

use super::input::{Input, pieces};

const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Holds a connection over which `data` arrives, cut as its first byte says, and answers every
/// request with a file and with none.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let steer = input.byte();
    let file = File {
        content: Content::in_image(ImageId(1), 2048, 100_000),
        modified: Some(1_700_000_000),
        version: 7,
        warning: None,
    };
    let mut session = Session::new();
    let mut buffer = Vec::new();
    for piece in pieces(input.0, steer) {
        buffer.extend_from_slice(piece);
        loop {
            match session.advance(&mut buffer, NOW) {
                Received::More => break,
                Received::Refused { reply, .. } => {
                    assert!(reply.close && reply.head.starts_with(b"HTTP/1.1 "));
                    return;
                }
                Received::Request(request) => {
                    assert!(request.path.starts_with(b"/"));
                    for file in [Some(&file), None] {
                        let reply = respond(&request, file, NOW).reply;
                        assert!(reply.head.starts_with(b"HTTP/1.1 "));
                    }
                }
            }
        }
        assert!(buffer.len() <= MAX_HEAD_BYTES + piece.len());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let get = b"GET /iso/a%20b/x?q=1 HTTP/1.1\r\nHost: h\r\nRange: bytes=0-9,20-\r\nIf-Range: \"7\"\r\n\r\n";
    let head =
        b"\r\nHEAD http://h:80/x HTTP/1.0\nConnection: keep-alive\nIf-None-Match: *, W/\"a\"\n\n";
    let body = b"GET / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc";
    let dates = b"GET / HTTP/1.1\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\nIf-Match: \"x\"\r\n\r\n";
    let all = [&get[..], head, body, dates].concat();
    let seeds: [(u8, &[u8]); 7] = [
        (255, &all),
        (0, &all),
        (20, get),
        (9, head),
        (3, b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (255, b"GET /\r\n"),
        (255, b"POST / HTTP/1.1\r\n\r\n"),
    ];
    seeds
        .map(|(steer, bytes)| [&[steer], bytes].concat())
        .into()
}
