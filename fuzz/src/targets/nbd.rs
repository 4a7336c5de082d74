//! NBD connections, from the client's flags to the end.

use lanboot_core::nbd::{Export, Exports, MAX_MESSAGE_BYTES, Received, Session};
use lanboot_core::vfs::{Content, ImageId, Piece, Source};

use super::input::{Input, pieces};

/// Holds a connection over which `data` arrives, cut as its first byte says.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let steer = input.byte();
    let mut session = Session::new();
    let mut buffer = Vec::new();
    // The server speaks first.
    for piece in [&[][..]].into_iter().chain(pieces(input.0, steer)) {
        buffer.extend_from_slice(piece);
        loop {
            let mut rest = &buffer[..];
            let received = session.advance(&mut rest, &Images);
            let taken = buffer.len() - rest.len();
            buffer.drain(..taken);
            let reply = match received {
                Received::More => break,
                Received::Closed { .. } => return,
                Received::Reply(reply)
                | Received::Refused { reply, .. }
                | Received::Entered { reply, .. } => reply,
            };
            assert!(reply.body.len() <= 32 << 20);
        }
        assert!(
            buffer.len() < MAX_MESSAGE_BYTES,
            "{} bytes wait",
            buffer.len()
        );
    }
}

/// The disks "disk" (also the default one) and "odd", a third of which is zeros.
struct Images;

impl Exports for Images {
    fn find(&self, name: &[u8]) -> Option<Export> {
        let data = Content::in_image(ImageId(2), 100, 4096);
        let zeros = Piece {
            source: Source::Zero,
            len: 4096,
        };
        let pieces = data.pieces().iter().chain([&zeros]).chain(data.pieces());
        let (name, content) = match name {
            b"" | b"disk" => ("disk", Content::in_image(ImageId(1), 0, 1_000_000)),
            b"odd" => ("odd", Content::new(pieces.cloned())),
            _ => return None,
        };
        Some(Export::new(name.into(), "a disk".into(), content))
    }

    fn names(&self) -> Vec<String> {
        vec!["disk".into(), "odd".into()]
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let name = |name: &[u8]| {
        [
            &[0, 0, 0, u8::try_from(name.len()).expect("a short name")],
            name,
        ]
        .concat()
    };
    let contexts = [name(b"odd"), vec![0, 0, 0, 1], name(b"base:allocation")].concat();
    let info = [name(b"odd"), vec![0, 2, 0, 1, 0, 3]].concat();
    let options = [
        option(8, b""),
        option(3, b""),
        option(9, &contexts),
        option(10, &contexts),
        option(6, &info),
        option(5, b""),
        option(99, &[0; 300]),
    ];
    let requests = [
        request(0, 0, 0, 512),
        request(1, 7, 4096, 4096),
        request(0, 3, 0, 0),
        request(0, 5, 0, 512),
        [request(0, 1, 0, 3), b"abc".to_vec()].concat(),
        request(0, 0, u64::MAX, 9),
        request(0, 2, 0, 0),
    ];
    let flags = [0, 0, 0, 3];
    let modern = [&options[..], &[option(7, &info)], &requests]
        .concat()
        .concat();
    let old = [&[option(1, b"disk")][..], &requests].concat().concat();
    let abort = [&options[..], &[option(2, b"")]].concat().concat();
    [(0, &modern), (255, &modern), (9, &old), (3, &abort)]
        .map(|(steer, bytes)| [&[steer], &flags[..], bytes].concat())
        .into()
}

fn option(code: u32, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).expect("a short option");
    [
        b"IHAVEOPT",
        &code.to_be_bytes()[..],
        &len.to_be_bytes(),
        data,
    ]
    .concat()
}

fn request(flags: u16, command: u16, offset: u64, len: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend_from_slice(b"a cookie");
    bytes.extend(offset.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes
}
