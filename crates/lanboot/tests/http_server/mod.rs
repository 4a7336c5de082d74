//! An HTTP server on loopback, in this process, with files made of every kind of piece.
// Each test binary uses its part.
#![allow(dead_code, unreachable_pub)]

pub mod crowd;
#[path = "../event_stream/mod.rs"]
mod event_stream;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;

use lanboot::events::bus::{Bus, Events};
use lanboot::http::{Limits, run};
use lanboot_core::events::EventKind;
use lanboot_core::vfs::{Content, File, ImageId, Piece, Source};
use tokio::sync::watch;

pub use event_stream::DEADLINE;

pub const IMAGE_BYTES: usize = 64 * 1024 * 1024;

pub struct Served {
    pub address: SocketAddr,
    pub image: Vec<u8>,
    pub image_file: tempfile::NamedTempFile,
    pub events: Events,
    pub drain: watch::Sender<bool>,
    pub done: tokio::task::JoinHandle<std::io::Result<()>>,
    pub runtime: tokio::runtime::Runtime,
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Returns what `/mixed.bin` holds, put together by hand.
    pub fn mixed(&self) -> Vec<u8> {
        let mut whole = self.image[2048..2048 + 3_000_000].to_vec();
        whole.extend_from_slice(b"overlay");
        whole.resize(whole.len() + 100_000, 0);
        whole.extend_from_slice(&self.image[10_000_000..10_500_000]);
        whole
    }

    /// The next event that `wanted` accepts.
    pub fn event<T>(&mut self, wanted: impl FnMut(&EventKind) -> Option<T>) -> T {
        event_stream::event(&mut self.events, wanted)
    }
}

pub fn serve(limits: Limits) -> Served {
    let image = event_stream::noise(IMAGE_BYTES);
    let (image_file, open_images, id) = event_stream::opened(&image);
    let (bus, events) = Bus::new();
    let (drain, draining) = watch::channel(false);
    let runtime = event_stream::runtime();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let find = move |path: &[u8], query: &[u8], peer: IpAddr| {
        find(id, path, query, peer).map(event_stream::found)
    };
    let done = runtime.spawn(run(listener, find, open_images, bus, draining, limits));
    Served {
        address,
        image,
        image_file,
        events,
        drain,
        done,
        runtime,
    }
}

fn find(image: ImageId, path: &[u8], query: &[u8], peer: IpAddr) -> Option<File> {
    let disk = |offset, len| Piece {
        source: Source::Image { image, offset },
        len,
    };
    let content = match path {
        b"/image.iso" => Content::in_image(image, 0, IMAGE_BYTES as u64),
        b"/mixed.bin" => {
            let overlay = Piece {
                source: Source::Memory {
                    bytes: Arc::from(&b"__overlay__"[..]),
                    offset: 2,
                },
                len: 7,
            };
            let zeros = Piece {
                source: Source::Zero,
                len: 100_000,
            };
            let first = disk(2048, 3_000_000);
            Content::new([first, overlay, zeros, disk(10_000_000, 500_000)])
        }
        // More than a reader's smallest buffer, and no more than the kernel takes at once.
        b"/medium.bin" => Content::in_image(image, 0, 16 * 1024),
        b"/small.cfg" => Content::in_image(image, 5000, 1000),
        b"/boot.ipxe" => Content::memory(
            format!("#!ipxe\n# {} {peer}\n", String::from_utf8_lossy(query)).into_bytes(),
        ),
        b"/empty" => Content::memory(*b""),
        // On an image nobody has opened, and behind the end of one.
        b"/gone.small" => Content::in_image(ImageId(999), 0, 100),
        b"/gone.big" => Content::in_image(ImageId(999), 0, 1 << 30),
        b"/behind.small" => Content::in_image(image, IMAGE_BYTES as u64, 100),
        b"/behind.big" => Content::in_image(image, IMAGE_BYTES as u64, 1 << 30),
        b"/half.big" => Content::in_image(image, 0, 2 * IMAGE_BYTES as u64),
        // Both its ends can be read, so only sending it shows what is wrong.
        b"/gap.big" => Content::new([
            disk(0, IMAGE_BYTES as u64),
            disk(IMAGE_BYTES as u64, 1),
            disk(0, 1),
        ]),
        _ => return None,
    };
    Some(File {
        content,
        modified: Some(784_111_777),
        version: 7,
        warning: None,
    })
}

/// Runs curl and wants it to succeed.
pub fn curl(args: &[&str]) -> Output {
    let output = curl_any(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {args:?}: {errors}");
    output
}

pub fn curl_any(args: &[&str]) -> Output {
    Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--noproxy",
            "*",
        ])
        .args(args)
        .output()
        .expect("this test needs curl; install it with: apt-get install curl")
}

/// Sends `bytes` and reads until the server closes.
pub fn transaction(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = served.connect();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// Reads one reply off a connection that stays open: its head, and its body by Content-Length.
pub fn one_reply(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}
