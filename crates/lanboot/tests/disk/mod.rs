//! An NBD server on loopback, in this process, with one image, and a client that sends exactly
//! what a test asks for.
// Each test binary uses its part.
#![allow(dead_code, unreachable_pub)]

#[path = "../event_stream/mod.rs"]
mod event_stream;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use lanboot::context::Context;
use lanboot::events::bus::Events;
use lanboot::images::open_images::ImageFile;
use lanboot::nbd::{Limits, serve as serve_nbd};
use lanboot_core::catalog::Catalog;
use lanboot_core::events::EventKind;
use lanboot_core::routes::Routes;
use lanboot_core::vfs::ImageId;
use tokio::sync::watch;

pub use event_stream::DEADLINE;

/// No whole number of blocks, so that there is padding.
pub const IMAGE_BYTES: usize = 8 * 1024 * 1024 + 100;
/// The same with its padding.
pub const SIZE: u64 = 8 * 1024 * 1024 + 512;

pub struct Served {
    pub address: SocketAddr,
    /// The content of the image, with its padding.
    pub image: Vec<u8>,
    pub image_file: tempfile::NamedTempFile,
    pub context: Context,
    pub events: Events,
    pub drain: watch::Sender<bool>,
    pub done: tokio::task::JoinHandle<std::io::Result<()>>,
    pub runtime: tokio::runtime::Runtime,
}

/// Serves one image called `disk` to everybody in 127.0.0.0/8.
pub fn serve(limits: Limits) -> Served {
    serve_in(limits, 8)
}

/// The same, to the first `prefix` bits of 127.0.0.1.
pub fn serve_in(limits: Limits, prefix: u8) -> Served {
    let mut image = event_stream::noise(IMAGE_BYTES);
    let (image_file, open_images, id) = event_stream::opened(&image);
    image.resize(usize::try_from(SIZE).unwrap(), 0);
    let (context, events, drain) = event_stream::context(routes(id, prefix), open_images);
    let runtime = event_stream::runtime();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let done = runtime.spawn(serve_nbd(listener, context.clone(), limits));
    Served {
        address,
        image,
        image_file,
        context,
        events,
        drain,
        done,
        runtime,
    }
}

/// A file of random bytes, and what a client sees of it.
pub fn image(state: u64) -> (tempfile::NamedTempFile, Vec<u8>) {
    let mut bytes = event_stream::noise_from(state, IMAGE_BYTES);
    let file = event_stream::file(&bytes);
    bytes.resize(usize::try_from(SIZE).unwrap(), 0);
    (file, bytes)
}

pub fn routes(id: ImageId, prefix: u8) -> Routes {
    let image = event_stream::image("disk", id, IMAGE_BYTES as u64);
    event_stream::routes(Catalog::new(vec![Arc::new(image)]), prefix)
}

impl Served {
    /// Another file takes the image's place, as a rescan does it; what it holds.
    pub fn replace(&mut self, path: &Path) {
        let old = self.context.routes.load().catalog.images()[0].id;
        let new = self
            .context
            .open_images
            .insert(ImageFile::open(path).unwrap());
        self.context.routes.store(Arc::new(routes(new, 8)));
        self.context.open_images.remove(old);
    }

    /// A connection that has read the greeting and sent its flags.
    pub fn connect(&self) -> Client {
        let mut client = self.dial();
        assert_eq!(client.take(18), b"NBDMAGICIHAVEOPT\0\x03");
        client.send(&3u32.to_be_bytes());
        client
    }

    /// A connection, and nothing more.
    pub fn dial(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    /// A connection that is in transmission on the default export.
    pub fn enter(&self, structured: bool) -> Client {
        let mut client = self.connect();
        if structured {
            assert_eq!(client.option(8, b"").0, ACK);
        }
        client.send(&option(1, b""));
        let answer = client.take(10);
        assert_eq!(answer[..8], SIZE.to_be_bytes());
        client
    }

    /// The next event that `wanted` accepts.
    pub fn event<T>(&mut self, wanted: impl FnMut(&EventKind) -> Option<T>) -> T {
        event_stream::event(&mut self.events, wanted)
    }

    /// Every event so far.
    pub fn events(&mut self) -> Vec<EventKind> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| event.what.clone())
            .collect()
    }
}

pub const ACK: u32 = 1;
pub const ERR_UNSUP: u32 = 0x8000_0001;
pub const ERR_INVALID: u32 = 0x8000_0003;
pub const ERR_UNKNOWN: u32 = 0x8000_0006;
pub const ERR_TOO_BIG: u32 = 0x8000_0009;

pub const EPERM: u32 = 1;
pub const EIO: u32 = 5;
pub const EINVAL: u32 = 22;

pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Sends an option; the type and the data of the first answer.
    pub fn option(&mut self, code: u32, data: &[u8]) -> (u32, Vec<u8>) {
        self.send(&option(code, data));
        self.answer(code)
    }

    /// The type and the data of the next answer to an option.
    pub fn answer(&mut self, code: u32) -> (u32, Vec<u8>) {
        let head = self.take(20);
        assert_eq!(head[..8], 0x0003_e889_0455_65a9_u64.to_be_bytes());
        assert_eq!(number(&head[8..12]), code);
        let data = self.take(usize::try_from(number(&head[16..20])).unwrap());
        (number(&head[12..16]), data)
    }

    pub fn request(&mut self, command: u16, offset: u64, len: u32) {
        self.send(&request(0, command, 7, offset, len));
    }

    /// The data of a READ, or its error.
    pub fn read(&mut self, structured: bool, offset: u64, len: u32) -> Result<Vec<u8>, u32> {
        self.request(0, offset, len);
        self.reply(structured, len)
    }

    /// The next reply, with `len` bytes of data if it is no error.
    pub fn reply(&mut self, structured: bool, len: u32) -> Result<Vec<u8>, u32> {
        let head = self.take(16);
        assert_eq!(head[8..16], 7u64.to_be_bytes());
        let len = usize::try_from(len).unwrap();
        if !structured {
            assert_eq!(head[..4], 0x6744_6698_u32.to_be_bytes());
            return match number(&head[4..8]) {
                0 => Ok(self.take(len)),
                error => Err(error),
            };
        }
        assert_eq!(head[..6], [0x66, 0x8e, 0x33, 0xef, 0, 1], "one last chunk");
        let chunk = self.take(4);
        let chunk = self.take(usize::try_from(number(&chunk)).unwrap());
        match head[6..8] {
            [0, 1] => {
                assert_eq!(chunk.len(), 8 + len);
                Ok(chunk[8..].to_vec())
            }
            [0x80, 1] => Err(number(&chunk[..4])),
            _ => panic!("another kind of chunk: {head:?}"),
        }
    }

    /// Returns whether the server closes the connection; what it still sends is read.
    pub fn is_closed(&mut self) -> bool {
        loop {
            match self.stream.read(&mut [0; 1024]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }
}

pub fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

pub fn option(code: u32, data: &[u8]) -> Vec<u8> {
    option_head(code, u32::try_from(data.len()).unwrap(), data)
}

/// An option that says it has `len` bytes.
pub fn option_head(code: u32, len: u32, data: &[u8]) -> Vec<u8> {
    [
        b"IHAVEOPT",
        &code.to_be_bytes()[..],
        &len.to_be_bytes(),
        data,
    ]
    .concat()
}

pub fn request(flags: u16, command: u16, cookie: u64, offset: u64, len: u32) -> Vec<u8> {
    let mut bytes = 0x2560_9513_u32.to_be_bytes().to_vec();
    bytes.extend(flags.to_be_bytes());
    bytes.extend(command.to_be_bytes());
    bytes.extend(cookie.to_be_bytes());
    bytes.extend(offset.to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes
}
