//! Realistic and random client dialogues.

mod dialogue;
mod random;

use super::*;
use crate::Reply;
use crate::vfs::{Content, ImageId, Piece, Source};

const GREETING: &[u8] = b"NBDMAGICIHAVEOPT\0\x03";
/// Length of the image behind "disk", in bytes.
const LEN: u64 = 1_000_000;
/// The same in whole blocks.
const SIZE: u64 = 1_000_448;

/// Two disks, and a "folder": "disk" (also the default one), which ends in padding, and "odd", half of it zeros.
struct Two;

impl Exports for Two {
    fn find(&self, name: &[u8]) -> Option<Export> {
        let zeros = Piece {
            source: Source::Zero,
            len: 4096,
        };
        let data = Piece {
            source: Source::Image {
                image: ImageId(2),
                offset: 100,
            },
            len: 4096,
        };
        let (name, content) = match name {
            b"" | b"disk" => ("disk", Content::in_image(ImageId(1), 0, LEN)),
            b"odd" => ("odd", Content::new([data.clone(), zeros, data])),
            _ => return None,
        };
        Some(Export::new(name.into(), "a disk".into(), content))
    }

    fn is_without_disk(&self, name: &[u8]) -> bool {
        name == b"folder"
    }

    fn names(&self) -> Vec<String> {
        vec!["disk".into(), "odd".into()]
    }
}

fn option(code: u32, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    [
        b"IHAVEOPT",
        &code.to_be_bytes()[..],
        &len.to_be_bytes(),
        data,
    ]
    .concat()
}

/// Returns INFO (6) or GO (7).
fn info(code: u32, name: &[u8], wanted: &[u16]) -> Vec<u8> {
    let mut data = string(name);
    data.extend(u16::try_from(wanted.len()).unwrap().to_be_bytes());
    wanted
        .iter()
        .for_each(|info| data.extend(info.to_be_bytes()));
    option(code, &data)
}

/// Returns LIST (9) or SET (10) of metadata contexts.
fn meta(code: u32, name: &[u8], queries: &[&[u8]]) -> Vec<u8> {
    let mut data = string(name);
    data.extend(u32::try_from(queries.len()).unwrap().to_be_bytes());
    queries.iter().for_each(|query| data.extend(string(query)));
    option(code, &data)
}

fn string(text: &[u8]) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap();
    [&len.to_be_bytes(), text].concat()
}

fn request(flags: u16, command: u16, cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes
}

fn reply_of(step: Received) -> Reply {
    match step {
        Received::More => panic!("it wants more"),
        Received::Reply(reply)
        | Received::Refused { reply, .. }
        | Received::Entered { reply, .. }
        | Received::Closed { reply, .. } => reply,
    }
}

/// A client in the middle of a dialogue.
struct Client {
    session: Session,
}

impl Client {
    /// Creates a client that has read the greeting and sent its flags.
    fn new(flags: u32) -> Self {
        let mut client = Self {
            session: Session::new(),
        };
        assert_eq!(client.say(&[]).as_deref(), Some(GREETING));
        assert_eq!(client.say(&flags.to_be_bytes()), None);
        client
    }

    fn structured() -> Self {
        let mut client = Self::new(3);
        let ack = client.say(&option(8, b"")).unwrap();
        assert_eq!(ack, answers(8, 1, b""));
        client
    }

    fn step(&mut self, mut bytes: &[u8]) -> Received {
        let step = self.session.advance(&mut bytes, &Two);
        assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
        step
    }

    /// Sends one message and returns the head of the reply.
    fn say(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.step(bytes) {
            Received::More => None,
            step => Some(reply_of(step).head),
        }
    }

    /// Sends one request and returns the reply.
    fn ask(&mut self, flags: u16, command: u16, offset: u64, len: u32) -> Reply {
        reply_of(self.step(&request(flags, command, 77, offset, len)))
    }
}

/// Returns a reply to an option.
fn answers(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(string(data));
    bytes
}

/// Returns the head of a simple reply.
fn simple(error: u32) -> Vec<u8> {
    let mut bytes = 0x6744_6698_u32.to_be_bytes().to_vec();
    bytes.extend(error.to_be_bytes());
    bytes.extend(77u64.to_be_bytes());
    bytes
}

/// Returns a last chunk, without `missing` bytes of its data.
fn chunk(kind: u16, data: &[u8], missing: u32) -> Vec<u8> {
    let mut bytes = 0x668e_33ef_u32.to_be_bytes().to_vec();
    bytes.extend(1u16.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(77u64.to_be_bytes());
    bytes.extend((u32::try_from(data.len()).unwrap() + missing).to_be_bytes());
    bytes.extend(data);
    bytes
}

/// Returns the error code of an error chunk.
fn chunk_error(head: &[u8]) -> u32 {
    assert_eq!(head[..8], [0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1]);
    let len = u32::from_be_bytes(head[16..20].try_into().unwrap());
    let text = u16::from_be_bytes(head[24..26].try_into().unwrap());
    assert_eq!(usize::try_from(len).unwrap(), head.len() - 20);
    assert_eq!(usize::from(text), head.len() - 26);
    u32::from_be_bytes(head[20..24].try_into().unwrap())
}
