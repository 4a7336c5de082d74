//! A TFTP client for `./bench`: N receivers in one thread, as cheap as a client can be, so that
//! the server is what is measured.
//!
//! ```text
//! bench_tftp SERVER[:PORT] PATH [--blksize 1468] [--windowsize 1] [--clients 1] [--repeat 1]
//!            [--compare FILE]
//! ```
//!
//! Prints one line: bytes received, seconds, MB/s (10^6), datagrams, ACKs repeated. With
//! `--compare` every block is compared with FILE as it comes in. Exits 1 when anything arrives
//! wrong, is refused, or stops.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use lanboot_core::tftp::{Mode, Options, Packet, Request};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Silence after which an ACK is repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// Interval of checks for silence.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Silence after which the run has failed.
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);
/// Datagrams taken from one socket before the others get their turn.
const FAIR_SHARE: u64 = 64;

#[derive(Parser)]
struct Arguments {
    /// Server, with `:PORT` when it is not 69.
    server: String,
    /// The file to ask for.
    path: String,
    /// Bytes of data per block.
    #[arg(long, default_value_t = 1468)]
    blksize: u16,
    /// Blocks per ACK; 1 asks for no windows at all.
    #[arg(long, default_value_t = 1)]
    windowsize: u16,
    /// Receivers at once.
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Times each of them gets the file.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// The file as it should be.
    #[arg(long)]
    compare: Option<PathBuf>,
}

struct Receiver {
    socket: UdpSocket,
    /// True if the server answered, so that the socket is connected.
    connected: bool,
    blksize: usize,
    windowsize: u64,
    /// Number of the block that is next.
    next: u64,
    acked: u64,
    received: u64,
    /// True if an ACK for the present gap was sent.
    complained: bool,
    heard: Instant,
    repeated: Instant,
    rounds_left: usize,
}

#[derive(Default)]
struct Counts {
    bytes: u64,
    datagrams: u64,
    repeats: u64,
}

struct Bench {
    server: SocketAddr,
    request: Vec<u8>,
    expected: Option<Vec<u8>>,
    counts: Counts,
    /// Buffer for one datagram.
    buf: Vec<u8>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let server: SocketAddr = match arguments.server.parse::<SocketAddr>() {
        Ok(server) => server,
        Err(_) => SocketAddrV4::new(arguments.server.parse().context("no such server")?, 69).into(),
    };
    let request = Packet::Read(Request {
        name: arguments.path.clone().into_bytes(),
        mode: Mode::Octet,
        options: Options {
            blksize: Some(arguments.blksize.into()),
            windowsize: Some(arguments.windowsize.into()).filter(|&w| w > 1),
            ..Options::default()
        },
    });
    let expected = arguments.compare.map(std::fs::read).transpose()?;
    let mut bench = Bench {
        server,
        request: request.emit(),
        expected,
        counts: Counts::default(),
        buf: vec![0; 65_536],
    };
    let begun = Instant::now();
    bench.run(arguments.clients, arguments.repeat)?;
    let seconds = begun.elapsed().as_secs_f64();
    let Counts {
        bytes,
        datagrams,
        repeats,
    } = bench.counts;
    #[allow(clippy::cast_precision_loss)] // A rate for people.
    let rate = bytes as f64 / seconds / 1e6;
    println!(
        "bytes={bytes} seconds={seconds:.3} MB/s={rate:.1} datagrams={datagrams} repeats={repeats}"
    );
    Ok(())
}

impl Bench {
    fn run(&mut self, clients: usize, rounds: usize) -> anyhow::Result<()> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        let mut receivers = Vec::new();
        for n in 0..clients {
            let receiver = self.ask(rounds)?;
            watch(&epoll, &receiver.socket, n)?;
            receivers.push(Some(receiver));
        }
        let mut running = clients;
        let mut looked = Instant::now();
        let mut events = [EpollEvent::empty(); 256];
        while running > 0 {
            let ready = epoll.wait(&mut events, EpollTimeout::from(100u16))?;
            let now = Instant::now();
            for event in events.iter().take(ready) {
                let n = usize::try_from(event.data())?;
                let Some(receiver) = receivers.get_mut(n).and_then(Option::as_mut) else {
                    continue;
                };
                if !self.receive(receiver, now)? {
                    continue;
                }
                let rounds_left = receiver.rounds_left - 1;
                receivers[n] = if rounds_left == 0 {
                    running -= 1;
                    None
                } else {
                    let receiver = self.ask(rounds_left)?;
                    watch(&epoll, &receiver.socket, n)?;
                    Some(receiver)
                };
            }
            if now.duration_since(looked) >= LOOK_EVERY {
                looked = now;
                for receiver in receivers.iter_mut().flatten() {
                    self.repeat(receiver, now)?;
                }
            }
        }
        Ok(())
    }

    fn ask(&self, rounds_left: usize) -> anyhow::Result<Receiver> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_nonblocking(true)?;
        socket.send_to(&self.request, self.server)?;
        let now = Instant::now();
        Ok(Receiver {
            socket,
            connected: false,
            blksize: 512,
            windowsize: 1,
            next: 1,
            acked: 0,
            received: 0,
            complained: false,
            heard: now,
            repeated: now,
            rounds_left,
        })
    }

    /// Takes what there is; says whether the file is complete.
    fn receive(&mut self, receiver: &mut Receiver, now: Instant) -> anyhow::Result<bool> {
        receiver.heard = now;
        let mut buf = std::mem::take(&mut self.buf);
        let done = self.drain(receiver, &mut buf);
        self.buf = buf;
        done
    }

    fn drain(&mut self, receiver: &mut Receiver, buf: &mut [u8]) -> anyhow::Result<bool> {
        // A window is emptied in one go; in lock step a second look would find nothing.
        for _ in 0..receiver.windowsize.min(FAIR_SHARE) {
            let len = if receiver.connected {
                receiver.socket.recv(buf)
            } else {
                receiver.socket.recv_from(buf).and_then(|(len, from)| {
                    receiver.connected = true;
                    receiver.socket.connect(from)?;
                    Ok(len)
                })
            };
            let len = match len {
                Ok(len) => len,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e).context("the server is gone"),
            };
            self.counts.datagrams += 1;
            if self.take(receiver, &buf[..len])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take(&mut self, receiver: &mut Receiver, datagram: &[u8]) -> anyhow::Result<bool> {
        match Packet::parse(datagram)? {
            Packet::Data { block, bytes } if u64::from(block) == receiver.next % 65_536 => {
                if let Some(expected) = &self.expected {
                    let start = usize::try_from(receiver.received)?;
                    let same = expected.get(start..start + bytes.len()) == Some(bytes);
                    ensure!(same, "block {} arrived damaged", receiver.next);
                }
                receiver.next += 1;
                receiver.received += bytes.len() as u64;
                receiver.complained = false;
                self.counts.bytes += bytes.len() as u64;
                let done = bytes.len() < receiver.blksize;
                if done || receiver.next - 1 - receiver.acked >= receiver.windowsize {
                    receiver.ack()?;
                }
                if let Some(expected) = self.expected.as_ref().filter(|_| done) {
                    ensure!(
                        receiver.received == expected.len() as u64,
                        "the file is cut"
                    );
                }
                Ok(done)
            }
            // In lock step every repeated block gets its ACK, in a window the first repeated one.
            Packet::Data { .. } if receiver.windowsize == 1 || !receiver.complained => {
                receiver.complained = true;
                receiver.ack()?;
                Ok(false)
            }
            Packet::Data { .. } => Ok(false),
            Packet::OptionAck(options) => {
                receiver.blksize = usize::try_from(options.blksize.unwrap_or(512))?;
                receiver.windowsize = options.windowsize.unwrap_or(1);
                receiver.ack()?;
                Ok(false)
            }
            Packet::Error(failure) => bail!("{}: {}", failure.code, failure.sentence()),
            other => bail!("no answer to a read request: {other:?}"),
        }
    }

    fn repeat(&mut self, receiver: &mut Receiver, now: Instant) -> anyhow::Result<()> {
        ensure!(
            now.duration_since(receiver.heard) < GIVE_UP_AFTER,
            "nothing came for {} s after block {}",
            GIVE_UP_AFTER.as_secs(),
            receiver.next - 1
        );
        let last = receiver.heard.max(receiver.repeated);
        if now.duration_since(last) >= REPEAT_AFTER {
            receiver.repeated = now;
            receiver.complained = false;
            self.counts.repeats += 1;
            if receiver.connected {
                receiver.ack()?;
            } else {
                receiver.socket.send_to(&self.request, self.server)?;
            }
        }
        Ok(())
    }
}

impl Receiver {
    fn ack(&mut self) -> anyhow::Result<()> {
        self.acked = self.next - 1;
        let [.., a, b] = self.acked.to_be_bytes();
        self.socket.send(&[0, 4, a, b])?;
        Ok(())
    }
}

fn watch(epoll: &Epoll, socket: &UdpSocket, n: usize) -> anyhow::Result<()> {
    Ok(epoll.add(
        socket.as_fd(),
        EpollEvent::new(EpollFlags::EPOLLIN, n as u64),
    )?)
}
