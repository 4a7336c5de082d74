//! An NFS server on loopback, in this process, with an image made here.
// Each test binary uses its part.
#![allow(dead_code, unreachable_pub)]

#[path = "../event_stream/mod.rs"]
mod event_stream;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use lanboot::context::Context;
use lanboot::events::bus::Events;
use lanboot::images::open_images::OpenImages;
use lanboot::nfs::{Limits, Listener, serve};
use lanboot_core::catalog::{Catalog, Image};
use lanboot_core::events::EventKind;
use lanboot_core::routes::Routes;
use lanboot_core::vfs::{
    Content, Identity, ImageId, Kind, Meta, NodeId, Piece, Source, Tree, TreeBuilder,
};
use tokio::sync::watch;

pub use event_stream::DEADLINE;

pub const IMAGE_BYTES: usize = 32 * 1024 * 1024;
pub const KEY: [u8; 16] = *b"a key of testing";

pub const NFS: u32 = 100_003;
pub const MOUNT: u32 = 100_005;
pub const PORTMAP: u32 = 100_000;

pub struct Served {
    pub nfs: SocketAddr,
    pub portmap: SocketAddr,
    pub image: Vec<u8>,
    pub image_file: tempfile::NamedTempFile,
    pub context: Context,
    pub events: Events,
    pub drain: watch::Sender<bool>,
    pub done: tokio::task::JoinHandle<anyhow::Result<()>>,
    pub runtime: tokio::runtime::Runtime,
}

pub fn serve_here(limits: Limits) -> Served {
    let image = event_stream::noise(IMAGE_BYTES);
    let (image_file, open_images, id) = event_stream::opened(&image);
    let catalog = Catalog::new(vec![Arc::new(catalog_image("test", id))]);
    serve_catalog(limits, catalog, open_images, image, image_file)
}

pub fn serve_catalog(
    limits: Limits,
    catalog: Catalog,
    open_images: Arc<OpenImages>,
    image: Vec<u8>,
    image_file: tempfile::NamedTempFile,
) -> Served {
    let (context, events, drain) = event_stream::context(routes(catalog), open_images);
    let runtime = event_stream::runtime();
    let listener = Listener::anywhere([127, 0, 0, 1].into(), KEY).unwrap();
    let (nfs, portmap) = listener.ports();
    let done = runtime.spawn(serve(listener, context.clone(), limits));
    Served {
        nfs,
        portmap: portmap.unwrap(),
        image,
        image_file,
        context,
        events,
        drain,
        done,
        runtime,
    }
}

pub fn routes(catalog: Catalog) -> Routes {
    event_stream::routes(catalog, 8)
}

/// The places of the files in the image.
pub const FILES: [(&str, &[(u64, u64)]); 5] = [
    ("big", &[(2048, 20_000_000)]),
    ("extents", &[(30_000_000, 1_000_003), (4096, 700_000)]),
    ("small", &[(5000, 1001)]),
    // The file system says more than there is.
    ("behind", &[(IMAGE_BYTES as u64 - 100_000, 200_000)]),
    // The same, in the middle.
    (
        "torn",
        &[(0, 100_000), (IMAGE_BYTES as u64, 50_000), (0, 100_000)],
    ),
];

/// An image with [`FILES`], a folder of many names and a link.
pub fn catalog_image(name: &str, id: ImageId) -> Image {
    let mut tree = TreeBuilder::new(Meta::default());
    let meta = Meta::default();
    for (name, extents) in FILES {
        let piece = |&(offset, len): &(u64, u64)| Piece {
            source: Source::Image { image: id, offset },
            len,
        };
        let content = Content::new(extents.iter().map(piece));
        tree.add(Tree::ROOT, name.as_bytes(), Kind::File(content), meta)
            .unwrap();
    }
    let many = Kind::Directory(Vec::new());
    let many = tree.add(Tree::ROOT, b"many", many, meta).unwrap();
    for n in 0..500 {
        let text = format!("file {n}\n");
        let kind = Kind::File(Content::memory(text.into_bytes()));
        let name = format!("{n:04}-{}", "x".repeat(n % 50));
        tree.add(many, name.as_bytes(), kind, meta).unwrap();
    }
    let link = Kind::Symlink((*b"many/0001-x").into());
    tree.add(Tree::ROOT, b"link", link, meta).unwrap();
    let mut identity = [0; 16];
    identity
        .iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    Image {
        identity: Identity(identity),
        tree: Arc::new(tree.build()),
        ..event_stream::image(name, id, IMAGE_BYTES as u64)
    }
}

impl Served {
    /// Returns what a file holds, put together by hand.
    pub fn bytes_of(&self, name: &str) -> Vec<u8> {
        let (_, extents) = FILES.iter().find(|(n, _)| *n == name).unwrap();
        let mut whole = Vec::new();
        for (offset, len) in *extents {
            let start = usize::try_from(*offset).unwrap();
            whole.extend_from_slice(&self.image[start..start + usize::try_from(*len).unwrap()]);
        }
        whole
    }

    /// The next event that `wanted` accepts.
    pub fn event<T>(&mut self, wanted: impl FnMut(&EventKind) -> Option<T>) -> T {
        event_stream::event(&mut self.events, wanted)
    }

    pub fn connect(&self) -> Wire {
        Wire::to(self.nfs)
    }

    /// The handle of a file in `/iso/test`, by MNT and LOOKUP.
    pub fn handle(&self, name: &str) -> Vec<u8> {
        let mut wire = self.connect();
        let root = wire.mount("/iso/test").unwrap();
        if name.is_empty() {
            return root;
        }
        let found = wire.nfs(3, &[opaque(&root), opaque(name.as_bytes())].concat());
        assert_eq!(word(&found), 0, "LOOKUP {name}");
        unopaque(&found[4..]).to_vec()
    }
}

/// A connection and what goes over it by hand.
pub struct Wire {
    pub stream: TcpStream,
    xid: u32,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream, xid: 7 }
    }

    /// Sends a call in one fragment; its xid.
    pub fn send(&mut self, call: &[u8]) -> u32 {
        let record = record(call);
        self.stream.write_all(&record).unwrap();
        word(call)
    }

    /// The next message, which must be one fragment.
    pub fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut mark = [0; 4];
        self.stream.read_exact(&mut mark)?;
        let mark = u32::from_be_bytes(mark);
        assert!(mark & 0x8000_0000 != 0, "more than one fragment");
        let mut message = vec![0; (mark & 0x7fff_ffff) as usize];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }

    /// The results of a call that succeeds.
    pub fn call(&mut self, program: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
        self.xid += 1;
        self.send(&call(self.xid, program, version, procedure, args));
        let reply = self.receive().unwrap();
        results(&reply, self.xid).expect("no success")
    }

    pub fn nfs(&mut self, procedure: u32, args: &[u8]) -> Vec<u8> {
        self.call(NFS, 3, procedure, args)
    }

    /// The handle of an export, or the status.
    pub fn mount(&mut self, path: &str) -> Result<Vec<u8>, u32> {
        let found = self.call(MOUNT, 3, 1, &opaque(path.as_bytes()));
        match word(&found) {
            0 => Ok(unopaque(&found[4..]).to_vec()),
            status => Err(status),
        }
    }

    /// The bytes of a READ and whether they are the last ones, or the status.
    pub fn read(&mut self, handle: &[u8], offset: u64, count: u32) -> Result<(Vec<u8>, bool), u32> {
        let found = self.nfs(6, &read_args(handle, offset, count));
        match word(&found) {
            0 => {
                // status, attributes, count, eof, data
                let rest = &found[4 + 4 + 84..];
                let data = unopaque(&rest[8..]);
                assert_eq!(word(rest) as usize, data.len());
                Ok((data.to_vec(), word(&rest[4..]) == 1))
            }
            status => Err(status),
        }
    }
}

pub fn read_args(handle: &[u8], offset: u64, count: u32) -> Vec<u8> {
    [
        opaque(handle),
        offset.to_be_bytes().to_vec(),
        count.to_be_bytes().to_vec(),
    ]
    .concat()
}

pub fn record(message: &[u8]) -> Vec<u8> {
    fragment(message, true)
}

pub fn fragment(message: &[u8], is_last: bool) -> Vec<u8> {
    let last = if is_last { 0x8000_0000 } else { 0 };
    let mark = u32::try_from(message.len()).unwrap() | last;
    [&mark.to_be_bytes()[..], message].concat()
}

/// A call with AUTH_SYS credentials of the superuser.
pub fn call(xid: u32, program: u32, version: u32, procedure: u32, args: &[u8]) -> Vec<u8> {
    let mut call = Vec::new();
    for word in [xid, 0, 2, program, version, procedure, 1, 24] {
        call.extend(word.to_be_bytes());
    }
    // stamp, machine "pc", uid, gid, no groups; no verifier
    for word in [0, 2, 0x7063_0000, 0, 0, 0, 0, 0] {
        call.extend(u32::to_be_bytes(word));
    }
    call.extend_from_slice(args);
    call
}

/// Returns what is behind the head of a reply that is a success.
pub fn results(reply: &[u8], xid: u32) -> Option<Vec<u8>> {
    assert_eq!(word(reply), xid, "another call's reply");
    let head = reply.get(4..24)?;
    (head == [1u32, 0, 0, 0, 0].map(u32::to_be_bytes).concat()).then(|| reply[24..].to_vec())
}

pub fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

pub fn unopaque(bytes: &[u8]) -> &[u8] {
    let len = word(bytes) as usize;
    &bytes[4..4 + len]
}

pub fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

/// One call over UDP; `None` when nothing came back within `patience`.
pub fn ask_udp(to: SocketAddr, call: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(call).unwrap();
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

pub fn node(n: u32) -> NodeId {
    NodeId(n)
}

pub fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
