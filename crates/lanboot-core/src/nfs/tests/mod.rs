//! Tests of the programs against `nfs3_types`, an independent implementation of packing.

mod files;
mod hostile;
mod listing;
mod programs;

use std::io::Cursor;
use std::net::Ipv4Addr;

use nfs3_types::nfs3::{NFS_PROGRAM, Nfs3Result, diropargs3, filename3, nfs_fh3, nfsstat3};
use nfs3_types::rpc::{
    RPC_VERSION_2, accept_stat_data, auth_unix, call_body, msg_body, opaque_auth, reply_body,
    rpc_msg,
};
use nfs3_types::xdr_codec::{Opaque, Pack, Unpack, Void};

use super::{
    Answer, CallContext, CallOutcome, Exports, Found, Handle, Handles, IgnoreReason, Mounted,
    NotExported, Over, Port, Server, Volume, answer,
};
use crate::vfs::{
    Content, Identity, ImageId, Kind, Meta, NodeId, Path, Piece, Slice, Source, Tree, TreeBuilder,
};

const XID: u32 = 0xabad_cafe;
const IDENTITY: Identity = Identity(*b"image of testing");
const IMAGE: ImageId = ImageId(5);
const MANY: usize = 300;

/// Exports of one image, at `/iso/test`.
struct World {
    tree: Tree,
    handles: Handles,
    over: Over,
    port: Port,
    credentials: opaque_auth<'static>,
}

impl Exports for World {
    fn folder(&self, path: &[u8]) -> Result<Found<'_>, NotExported> {
        let inside = path.strip_prefix(b"/iso/test");
        let inside = Path::parse(inside.ok_or(NotExported::NotFound)?);
        let inside = inside.map_err(|_| NotExported::Forbidden)?;
        let found = self.tree.resolve(&inside).ok_or(NotExported::NotFound)?;
        match found.node.kind {
            Kind::Directory(_) => Ok(Found {
                volume: self.volume(IDENTITY).unwrap(),
                node: found.id,
            }),
            _ => Err(NotExported::NotADirectory),
        }
    }

    fn paths(&self) -> Vec<String> {
        vec!["/iso/test".into()]
    }

    fn networks(&self) -> Vec<String> {
        vec!["10.0.0.0/8".into()]
    }

    fn volume(&self, identity: Identity) -> Option<Volume<'_>> {
        (identity == IDENTITY).then_some(Volume {
            identity,
            image: IMAGE,
            tree: &self.tree,
            size: 1 << 30,
        })
    }
}

fn world() -> World {
    let meta = |mode, links| Meta {
        mode,
        links,
        modified: 1_700_000_000,
        ..Meta::default()
    };
    let directory = || Kind::Directory(Vec::new());
    let mut tree = TreeBuilder::new(meta(0o755, 4));
    let arch = tree.add(Tree::ROOT, b"arch", directory(), meta(0o755, 2));
    let arch = arch.unwrap();
    let kernel = Kind::File(Content::memory(*b"the kernel"));
    tree.add(arch, b"vmlinuz", kernel, meta(0o644, 2)).unwrap();
    let extents = [disk(2048, 3_000_000), disk(10_000_000, 5)];
    let extents = Kind::File(Content::new(extents));
    tree.add(arch, b"extents", extents, meta(0o644, 1)).unwrap();
    let cut = Kind::File(Content::new(Piece::of_image(IMAGE, 2048, 9000, 6000)));
    tree.add(arch, b"cut", cut, meta(0o644, 1)).unwrap();
    let secret = Meta {
        uid: 1000,
        gid: 100,
        ..meta(0o750, 1)
    };
    let file = || Kind::File(Content::memory(*b""));
    tree.add(arch, b"secret", file(), secret).unwrap();
    let old = Meta {
        modified: -5,
        ..meta(0o4755, 0)
    };
    tree.add(arch, b"old", file(), old).unwrap();
    let link = Kind::Symlink((*b"arch/vmlinuz").into());
    tree.add(Tree::ROOT, b"link", link, meta(0o777, 1)).unwrap();
    let many = tree.add(Tree::ROOT, b"many", directory(), meta(0o755, 2));
    let many = many.unwrap();
    for n in 0..MANY {
        let name = format!("{n:03}{}", "x".repeat(n % 97));
        tree.add(many, name.as_bytes(), file(), meta(0o644, 1))
            .unwrap();
    }
    World {
        tree: tree.build(),
        handles: Handles::new([9; 16]),
        over: Over::Tcp,
        port: Port::Nfs,
        credentials: opaque_auth::default(),
    }
}

fn disk(offset: u64, len: u64) -> Piece {
    let image = IMAGE;
    Piece {
        source: Source::Image { image, offset },
        len,
    }
}

/// Returns the byte at offset `n` of the simulated image.
fn byte_at(n: u64) -> u8 {
    u8::try_from(n % 251).unwrap()
}

/// Returns the bytes a slice puts on the wire.
fn bytes_of(slice: &Slice) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in slice.pieces() {
        match &piece.source {
            Source::Image { offset, .. } => {
                out.extend((*offset..offset + piece.len).map(byte_at));
            }
            Source::Zero => out.resize(out.len() + usize::try_from(piece.len).unwrap(), 0),
            Source::Memory { .. } => out.extend_from_slice(piece.memory().unwrap()),
            Source::Missing(_) => panic!("the shell sends the error reply for these"),
        }
    }
    out
}

fn packed(value: &impl Pack) -> Vec<u8> {
    let mut out = Vec::new();
    value.pack(&mut out).unwrap();
    out
}

impl World {
    fn call(&self, program: u32, version: u32, procedure: u32, args: &impl Pack) -> Vec<u8> {
        let body = call_body {
            rpcvers: RPC_VERSION_2,
            prog: program,
            vers: version,
            proc: procedure,
            cred: self.credentials.clone(),
            verf: opaque_auth::default(),
        };
        let message = rpc_msg {
            xid: XID,
            body: msg_body::CALL(body),
        };
        [packed(&message), packed(args)].concat()
    }

    fn answer(&self, message: &[u8]) -> Result<Answer, IgnoreReason> {
        let context = CallContext {
            port: self.port,
            over: self.over,
            here: Ipv4Addr::new(10, 0, 0, 1),
            nfs_port: 2049,
        };
        let mounted = || {
            vec![Mounted {
                machine: "10.0.0.7".into(),
                path: "/iso/test".into(),
            }]
        };
        let server = Server {
            handles: &self.handles,
            exports: self,
            mounted: &mounted,
        };
        answer(message, context, &server)
    }

    /// Returns the whole reply without its record mark, checked against its length.
    fn wire(&self, answer: &Answer) -> Vec<u8> {
        let mut bytes = answer.reply.head.clone();
        bytes.extend(bytes_of(&answer.reply.body));
        if self.over == Over::Tcp {
            let mark = u32::from_be_bytes(*bytes.first_chunk().unwrap());
            assert_eq!(mark, 0x8000_0000 | u32::try_from(bytes.len() - 4).unwrap());
            bytes.drain(..4);
        }
        assert_eq!(bytes.len() % 4, 0);
        bytes
    }

    /// Returns the header of a reply to [`XID`] and its results.
    fn reply(&self, answer: &Answer) -> (reply_body<'static>, Vec<u8>) {
        self.reply_to(XID, answer)
    }

    fn reply_to(&self, xid: u32, answer: &Answer) -> (reply_body<'static>, Vec<u8>) {
        let mut wire = Cursor::new(self.wire(answer));
        let (message, used) = rpc_msg::unpack(&mut wire).unwrap();
        assert_eq!(message.xid, xid);
        let msg_body::REPLY(body) = message.body else {
            panic!("no reply");
        };
        (body, wire.into_inner().split_off(used))
    }

    fn results<R: Unpack>(&self, answer: &Answer) -> R {
        let (body, results) = self.reply(answer);
        let reply_body::MSG_ACCEPTED(accepted) = body else {
            panic!("{body:?}");
        };
        let is_success = matches!(accepted.reply_data, accept_stat_data::SUCCESS);
        assert!(is_success, "{:?}", accepted.reply_data);
        let (value, used) = R::unpack(&mut Cursor::new(&results)).unwrap();
        assert_eq!(used, results.len(), "bytes behind the results");
        value
    }

    /// Calls a procedure of NFS.
    fn nfs<R: Unpack>(&self, procedure: NFS_PROGRAM, args: &impl Pack) -> R {
        self.results(&self.nfs_answer(procedure, args))
    }

    fn nfs_answer(&self, procedure: NFS_PROGRAM, args: &impl Pack) -> Answer {
        let message = self.call(100_003, 3, procedure as u32, args);
        self.answer(&message).unwrap()
    }

    fn handle(&self, path: &str) -> nfs_fh3 {
        let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
        let into = |at, name: &&str| self.tree.lookup(at, name.as_bytes()).unwrap();
        self.handle_of(names.iter().fold(Tree::ROOT, into))
    }

    fn handle_of(&self, node: NodeId) -> nfs_fh3 {
        let image = IDENTITY;
        as_handle(&self.handles.write(Handle { image, node }))
    }
}

fn as_handle(bytes: &[u8]) -> nfs_fh3 {
    nfs_fh3 {
        data: Opaque::owned(bytes.to_vec()),
    }
}

fn named<'a>(dir: nfs_fh3, name: &'a [u8]) -> diropargs3<'a> {
    diropargs3 {
        dir,
        name: filename3(Opaque::borrowed(name)),
    }
}

fn user(uid: u32, gid: u32, gids: &[u32]) -> opaque_auth<'static> {
    opaque_auth::auth_unix(&auth_unix {
        uid,
        gid,
        gids: gids.to_vec(),
        ..auth_unix::default()
    })
}

fn status<T, E>(result: Nfs3Result<T, E>) -> nfsstat3 {
    match result {
        Nfs3Result::Ok(_) => nfsstat3::NFS3_OK,
        Nfs3Result::Err((status, _)) => status,
    }
}

const NOTHING: Void = Void;
