//! NFS: records out of a stream, and the calls in them: port mapper, MOUNT, NFS.

use std::net::Ipv4Addr;

use lanboot_core::nfs::record::{MARK_BYTES, Records};
use lanboot_core::nfs::{
    CallContext, Exports, Found, Handle, Handles, KEPT_BYTES, Mounted, NotExported, Over, Port,
    Server, Volume, answer,
};
use lanboot_core::vfs::{Identity, ImageId, Path, Tree};

use super::input::{Input, pieces, tree};

const IDENTITY: Identity = Identity(*b"image of fuzzing");

/// Takes `data` as the bytes of a connection, cut as its first byte says, and answers the calls in
/// it, as if each came to both ports and over both protocols.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let steer = input.byte();
    let exports = OneImage::new();
    let handles = Handles::new([9; 16]);
    let mut records = Records::default();
    let mut buffer = Vec::new();
    for piece in pieces(input.0, steer) {
        buffer.extend_from_slice(piece);
        let mut rest = &buffer[..];
        loop {
            match records.next(&mut rest) {
                Ok(Some(record)) => call(record.bytes, &exports, &handles),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let left = rest.len();
        assert!(left <= KEPT_BYTES + MARK_BYTES, "{left} bytes wait");
        buffer.drain(..buffer.len() - left);
    }
}

fn call(message: &[u8], exports: &OneImage, handles: &Handles) {
    let mounted = || {
        vec![Mounted {
            machine: "10.0.0.7".into(),
            path: "/iso/fuzz".into(),
        }]
    };
    let server = Server {
        handles,
        exports,
        mounted: &mounted,
    };
    for port in [Port::Nfs, Port::Portmap] {
        for over in [Over::Tcp, Over::Udp] {
            let context = CallContext {
                port,
                over,
                here: Ipv4Addr::new(10, 0, 0, 1),
                nfs_port: 2049,
            };
            let Ok(answer) = answer(message, context, &server) else {
                continue;
            };
            let mark = if over == Over::Tcp { MARK_BYTES } else { 0 };
            let head = answer
                .reply
                .head
                .get(mark..)
                .expect("a record has its mark");
            assert_eq!(head.first_chunk::<4>(), message.first_chunk());
            assert_eq!(answer.reply.wire_len() % 4, 0);
        }
    }
}

/// One image, exported at `/iso/fuzz`.
struct OneImage(Tree);

impl OneImage {
    fn new() -> Self {
        let names: Vec<String> = (0..40).map(|n| format!("many/{n}")).collect();
        let many = names.iter().map(|name| (name.as_str(), &b""[..]));
        let kernel = ("arch/vmlinuz", &b"the kernel"[..]);
        Self(tree(many.chain([kernel])))
    }
}

impl Exports for OneImage {
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported> {
        let inside = path
            .strip_prefix(b"/iso/fuzz")
            .ok_or(NotExported::NotFound)?;
        let inside = Path::parse(inside).map_err(|_| NotExported::Forbidden)?;
        let found = self.0.resolve(&inside).ok_or(NotExported::NotFound)?;
        Ok(Found {
            volume: self.volume(IDENTITY).ok_or(NotExported::NotFound)?,
            node: found.id,
        })
    }

    fn paths(&self) -> Vec<String> {
        vec!["/iso/fuzz".into()]
    }

    fn networks(&self) -> Vec<String> {
        vec!["10.0.0.0/8".into()]
    }

    fn volume(&self, identity: Identity) -> Option<Volume<'_>> {
        (identity == IDENTITY).then_some(Volume {
            identity,
            image: ImageId(5),
            tree: &self.0,
            size: 1 << 30,
        })
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let image = OneImage::new();
    let handles = Handles::new([9; 16]);
    let handle = |name: &[u8]| {
        let node = image.0.lookup(Tree::ROOT, name).unwrap_or(Tree::ROOT);
        opaque(&handles.write(Handle {
            image: IDENTITY,
            node,
        }))
    };
    let (folder, many) = (handle(b"arch"), handle(b"many"));
    let mut calls = Vec::new();
    for procedure in 0..22 {
        let folder = if procedure == 16 || procedure == 17 {
            &many
        } else {
            &folder
        };
        let tail = match procedure {
            3 => opaque(b"vmlinuz"),
            // READDIR and READDIRPLUS: cookie, verifier, the most bytes wanted.
            16 | 17 => [&[0; 16][..], &words(&[1000, 4000])].concat(),
            6 => words(&[0, 2, 100]),
            _ => words(&[31, 0, 0, 0]),
        };
        calls.push(call_of(
            100_003,
            3,
            procedure,
            &[&folder[..], &tail].concat(),
        ));
    }
    for version in [1, 3] {
        for procedure in 0..6 {
            calls.push(call_of(
                100_005,
                version,
                procedure,
                &opaque(b"/iso/fuzz/arch"),
            ));
        }
    }
    for version in [2, 3, 4] {
        for procedure in 0..9 {
            let args = [
                words(&[100_003, 3]),
                opaque(b"tcp"),
                opaque(b""),
                opaque(b""),
            ]
            .concat();
            calls.push(call_of(100_000, version, procedure, &args));
        }
    }
    let mut seeds: Vec<Vec<u8>> = calls
        .iter()
        .map(|call| [&[255], &record(call, true)[..]].concat())
        .collect();
    let all: Vec<u8> = calls.iter().flat_map(|call| record(call, true)).collect();
    seeds.push([&[50], &all[..]].concat());
    let (head, tail) = calls[3].split_at(20);
    seeds.push([&[0], &record(head, false)[..], &record(tail, true)].concat());
    seeds
}

fn record(bytes: &[u8], is_last: bool) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).expect("a short call") | u32::from(is_last) << 31;
    [&len.to_be_bytes()[..], bytes].concat()
}

/// Returns a call with AUTH_SYS credentials of a user in two groups.
fn call_of(program: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let user = [words(&[7]), opaque(b"host"), words(&[1000, 100, 2, 4, 5])].concat();
    [
        words(&[0xabad_cafe, 0, 2, program, version, procedure, 1]),
        opaque(&user),
        words(&[0, 0]),
        args.to_vec(),
    ]
    .concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = words(&[u32::try_from(bytes.len()).expect("short")]);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}
