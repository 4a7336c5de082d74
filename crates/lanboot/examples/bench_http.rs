//! N readers fetch one URL at once, as cheaply as the kernel allows, and say how fast it went.
//! `./bench` measures every HTTP server with this one client.
//!
//! Without `--hash` the bytes are dropped inside the kernel (`MSG_TRUNC`), so that the client
//! takes as little as possible of the machine it shares with the server. With it every reader
//! makes the CRC-32 (the one of zip and gzip) of what it got, and they must agree.
//!
//! ```text
//! bench_http [--readers N] [--threads N] [--hash] [--expect CRC] http://ADDRESS:PORT/PATH
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::timeout;

/// Taken from the socket at once.
const READ_BYTES: usize = 1024 * 1024;
/// No server worth measuring is silent for so long.
const SILENCE: Duration = Duration::from_secs(60);

/// Fetches one URL with many readers at once and prints the rate.
#[derive(Parser)]
struct Arguments {
    /// Number of connections that read at once.
    #[arg(long, default_value_t = 1)]
    readers: usize,
    /// Number of threads that serve them.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Make the CRC-32 of what each reader got, and compare them.
    #[arg(long)]
    hash: bool,
    /// The CRC-32 that it must be, in hexadecimal; implies --hash.
    #[arg(long)]
    expect: Option<String>,
    /// URL to fetch; the host must be an IP address.
    url: String,
}

struct Got {
    bytes: u64,
    crc: Option<u32>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.readers > 0, "--readers must be at least 1");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(arguments.threads.max(1))
        .enable_all()
        .build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: Arguments) -> Result<()> {
    let rest = arguments
        .url
        .strip_prefix("http://")
        .context("the URL must begin with http://")?;
    let (host, path) = rest.split_once('/').context("the URL has no path")?;
    let address: SocketAddr = host
        .parse()
        .or_else(|_| format!("{host}:80").parse())
        .context("the host must be an IP address")?;
    let request: Arc<str> =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into();
    let makes_crc = arguments.hash || arguments.expect.is_some();
    let ready = Arc::new(Barrier::new(arguments.readers + 1));
    let readers: Vec<_> = (0..arguments.readers)
        .map(|_| {
            let (request, ready) = (Arc::clone(&request), Arc::clone(&ready));
            tokio::spawn(fetch(address, request, ready, makes_crc))
        })
        .collect();
    ready.wait().await;
    let began = Instant::now();
    let mut bytes = 0;
    let mut crcs = Vec::new();
    for reader in readers {
        let got = reader.await??;
        bytes += got.bytes;
        crcs.extend(got.crc);
    }
    let took = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)]
    let rate = bytes as f64 / took / 1e6;
    print!(
        "readers={} bytes={bytes} seconds={took:.3} MB/s={rate:.1}",
        arguments.readers
    );
    if let Some(first) = crcs.first() {
        print!(" crc32={first:08x}");
        ensure!(
            crcs.iter().all(|c| c == first),
            "the readers got different bytes"
        );
        if let Some(expected) = &arguments.expect {
            let expected = u32::from_str_radix(expected, 16).context("--expect is no CRC-32")?;
            ensure!(
                *first == expected,
                "the bytes are wrong: CRC-32 {first:08x}"
            );
        }
    }
    println!();
    Ok(())
}

async fn fetch(
    address: SocketAddr,
    request: Arc<str>,
    ready: Arc<Barrier>,
    makes_crc: bool,
) -> Result<Got> {
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    ready.wait().await;
    stream.write_all(request.as_bytes()).await?;
    let mut body = Vec::new();
    let length = loop {
        if let Some(length) = take_head(&mut body)? {
            break length;
        }
        stream.readable().await?;
        match stream.try_read_buf(&mut body) {
            Ok(0) => bail!("the server closed within the head"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    let mut crc = makes_crc.then(Crc::new);
    if let Some(crc) = &mut crc {
        crc.update(&body);
    }
    let mut bytes = body.len() as u64;
    let mut buffer = Vec::<u8>::with_capacity(READ_BYTES);
    let flags = if makes_crc { 0 } else { libc::MSG_TRUNC };
    while bytes < length {
        timeout(SILENCE, stream.readable()).await??;
        let read = stream.try_io(Interest::READABLE, || {
            SockRef::from(&stream).recv_with_flags(buffer.spare_capacity_mut(), flags)
        });
        match read {
            Ok(0) => bail!("the server closed after {bytes} of {length} bytes"),
            Ok(n) => {
                bytes += n as u64;
                if let Some(crc) = &mut crc {
                    // SAFETY: without MSG_TRUNC the kernel has written the first n bytes of the
                    // spare capacity, which begins at the buffer's start.
                    crc.update(unsafe { std::slice::from_raw_parts(buffer.as_mut_ptr(), n) });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(bytes == length, "more bytes than Content-Length says");
    Ok(Got {
        bytes,
        crc: crc.map(|c| c.value()),
    })
}

/// Content-Length, once the head is complete; the head is then taken off.
fn take_head(bytes: &mut Vec<u8>) -> Result<Option<u64>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "the server says: {status}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .context("the reply has no Content-Length")?;
    let length = length.trim().parse()?;
    bytes.drain(..end + 4);
    Ok(Some(length))
}

/// CRC-32 as in zip and gzip, eight bytes at a time.
struct Crc {
    state: u32,
}

static TABLES: [[u32; 256]; 8] = tables();

#[allow(clippy::cast_possible_truncation)] // A table index is below 256.
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[n - 1][byte];
            tables[n][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        n += 1;
    }
    tables
}

impl Crc {
    fn new() -> Self {
        Self { state: !0 }
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut crc = self.state;
        let (eights, rest) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in eights {
            let [a, b, c, d] = (u32::from_le_bytes([a, b, c, d]) ^ crc).to_le_bytes();
            let by = |table: usize, byte: u8| TABLES[table][usize::from(byte)];
            crc = by(7, a) ^ by(6, b) ^ by(5, c) ^ by(4, d);
            crc ^= by(3, e) ^ by(2, f) ^ by(1, g) ^ by(0, h);
        }
        for &byte in rest {
            let [low, ..] = crc.to_le_bytes();
            crc = (crc >> 8) ^ TABLES[0][usize::from(low ^ byte)];
        }
        self.state = crc;
    }

    fn value(&self) -> u32 {
        !self.state
    }
}
