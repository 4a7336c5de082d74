//! The TFTP server against clients nobody here wrote: tftp-hpa, atftp, curl and busybox, and
//! against datagrams no client would send. Loopback only, unprivileged ports.
//!
//! `tftp_single_port.rs` runs all of this again, with transfers that leave from the server's port.

// Not all of it is used here.
#[allow(dead_code, unreachable_pub)]
#[path = "event_stream/mod.rs"]
mod event_stream;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use lanboot::events::bus::Bus;
use lanboot::images::open_images::{ImageFile, OpenImages};
use lanboot::tftp::{self, Limits};
use lanboot_core::events::EventKind;
use lanboot_core::tftp::{ErrorCode, Failure, Mode, Options, Packet, Request};
use lanboot_core::vfs::{Content, File, Piece, Source};
use tempfile::TempDir;
use tokio::sync::watch;

/// Longest time for a fact to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// 40 MB need 78,126 blocks of 512 bytes: the block number wraps.
const LARGE: usize = 40_000_000;

/// True if transfers leave from the port requests come to.
pub(crate) const SINGLE_PORT: bool =
    matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"tftp_single_port");

pub(crate) fn limits() -> Limits {
    Limits {
        single_port: SINGLE_PORT,
        ..Limits::default()
    }
}

/// For machines of tests that say every word themselves: nothing is sent twice because they are
/// slow. What they begin they must end.
pub(crate) fn patient() -> Limits {
    let mut limits = limits();
    let wait = Duration::from_secs(20);
    limits.protocol.first_wait = wait;
    limits.protocol.shortest_wait = wait;
    limits.protocol.longest_wait = wait;
    limits
}

/// A server in this process, with an image cut into files.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) files: HashMap<String, Vec<u8>>,
    events: mpsc::Receiver<EventKind>,
    drain: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = event_stream::noise(LARGE + 1000);
        let path = folder.path().join("image");
        std::fs::write(&path, &image).unwrap();
        let open_images = Arc::new(OpenImages::default());
        let id = open_images.insert(ImageFile::open(&path).unwrap());
        let mut known: HashMap<Vec<u8>, File> = HashMap::new();
        let mut files = HashMap::new();
        let mut add = |name: &str, content: Content, bytes: Vec<u8>| {
            let file = File {
                content,
                modified: None,
                version: 1,
                warning: None,
            };
            known.insert(name.as_bytes().to_vec(), file);
            files.insert(name.to_owned(), bytes);
        };
        for len in [
            0, 1, 511, 512, 513, 1023, 1024, 14_080, 65_536, 300_000, LARGE,
        ] {
            let content = Content::in_image(id, 77, len as u64);
            add(&format!("{len}"), content, image[77..77 + len].to_vec());
        }
        let menu = b"DEFAULT a\r\n\rLABEL a\n\0".to_vec();
        add("boot/menu.cfg", Content::memory(menu.clone()), menu.clone());
        // Two extents, zeros between them, and generated text behind.
        let extent = |offset, len| Piece {
            source: Source::Image { image: id, offset },
            len,
        };
        let zeros = Piece {
            source: Source::Zero,
            len: 1000,
        };
        let text = Content::memory(menu.clone()).pieces()[0].clone();
        let pieces = [extent(500_000, 70_001), zeros, extent(3, 50_000), text];
        let mut bytes = image[500_000..570_001].to_vec();
        bytes.resize(71_001, 0);
        bytes.extend_from_slice(&image[3..50_003]);
        bytes.extend_from_slice(&menu);
        add("pieces", Content::new(pieces), bytes);
        // Goes on behind the end of the image.
        let past = Content::in_image(id, LARGE as u64, 1_000_000);
        add("broken", past, Vec::new());

        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        tftp::prepare(&socket).unwrap();
        let at = socket.local_addr().unwrap();
        let (bus, mut bus_events) = Bus::new();
        let (drain, draining) = watch::channel(false);
        let (sender, events) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let find = move |path: &[u8], peer: IpAddr| {
                assert!(peer.is_loopback());
                let start = path.iter().position(|&b| b != b'/').unwrap_or(0);
                let file = known.get(&path[start..]).cloned()?;
                Some(event_stream::found(file))
            };
            runtime.block_on(async move {
                let forwarder = tokio::spawn(async move {
                    while let Some(event) = bus_events.recv().await {
                        let _ = sender.send(event.what.clone());
                    }
                });
                tftp::run(socket, find, open_images, bus, draining, limits)
                    .await
                    .unwrap();
                forwarder.await.unwrap();
            });
        });
        Self {
            at,
            files,
            events,
            drain,
            thread: Some(thread),
            folder,
        }
    }

    pub(crate) fn port(&self) -> String {
        self.at.port().to_string()
    }

    /// The next event that is no mere progress.
    pub(crate) fn event(&self) -> EventKind {
        loop {
            match self.events.recv_timeout(PATIENCE).unwrap() {
                EventKind::Progress { .. } => {}
                what => return what,
            }
        }
    }

    /// Returns where a client puts its copy.
    pub(crate) fn copy(&self) -> PathBuf {
        self.folder.path().join("copy")
    }

    /// Checks that the client's copy equals the file, byte by byte.
    pub(crate) fn check(&self, name: &str, copy: &Path, output: &Output) {
        let got = std::fs::read(copy).unwrap_or_else(|e| panic!("{name}: {e}: {output:?}"));
        let expected = &self.files[name];
        assert_eq!(got.len(), expected.len(), "{name}: {output:?}");
        assert!(got == *expected, "{name} arrived damaged: {output:?}");
        std::fs::remove_file(copy).unwrap();
    }

    /// A socket that will be answered within [`PATIENCE`].
    pub(crate) fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    pub(crate) fn ask(&self, socket: &UdpSocket, name: &str, options: Options) {
        let request = Request {
            name: name.into(),
            mode: Mode::Octet,
            options,
        };
        let datagram = Packet::Read(request).emit();
        socket.send_to(&datagram, self.at).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.drain.send(true);
        if std::thread::panicking() {
            return;
        }
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Runs a client; one that is missing fails the test with the way to install it.
pub(crate) fn client(program: &str, package: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("120").arg(program).args(arguments);
    let output = command.output().expect("timeout is in coreutils");
    assert!(
        output.status.code() != Some(127),
        "{program} is missing: sudo apt-get install {package}"
    );
    output
}

pub(crate) fn hear(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buf = [0; 2000];
    let (len, from) = socket.recv_from(&mut buf).unwrap();
    (buf[..len].to_vec(), from)
}

pub(crate) fn say(socket: &UdpSocket, to: SocketAddr, packet: &Packet<'_>) {
    socket.send_to(&packet.emit(), to).unwrap();
}

// Foreign clients.

#[test]
fn curl_gets_every_size_whole() {
    let server = Server::start(limits());
    let copy = server.copy();
    for (name, bytes) in server.files.iter().filter(|(name, _)| *name != "broken") {
        let url = format!("tftp://127.0.0.1:{}/{name}", server.port());
        for blksize in ["512", "1408", "8"] {
            if blksize == "8" && bytes.len() > 600_000 {
                continue;
            }
            // curl makes no file when nothing comes.
            std::fs::write(&copy, "").unwrap();
            let to = copy.to_str().unwrap();
            let arguments = ["-s", "--tftp-blksize", blksize, "-o", to, &url];
            let output = client("curl", "curl", &arguments);
            server.check(name, &copy, &output);
        }
    }
}

#[test]
fn curl_without_options_is_served_as_in_1992() {
    let server = Server::start(limits());
    let copy = server.copy();
    let url = format!("tftp://127.0.0.1:{}//pieces", server.port());
    let to = copy.to_str().unwrap();
    let output = client("curl", "curl", &["-s", "--tftp-no-options", "-o", to, &url]);
    server.check("pieces", &copy, &output);
}

pub(crate) fn atftp(server: &Server, name: &str, options: &[&str]) {
    let (copy, port) = (server.copy(), server.port());
    let mut arguments: Vec<&str> = options.iter().flat_map(|o| ["--option", *o]).collect();
    let to = copy.to_str().unwrap();
    arguments.extend(["-g", "-r", name, "-l", to, "127.0.0.1", &port]);
    let output = client("atftp", "atftp", &arguments);
    server.check(name, &copy, &output);
}

#[test]
fn atftp_gets_windows_whole() {
    let server = Server::start(limits());
    for windowsize in ["1", "4", "16", "64"] {
        for blksize in ["512", "1468", "65464"] {
            for name in ["0", "1", "512", "14080", "300000", "pieces"] {
                let windowsize = format!("windowsize {windowsize}");
                let blksize = format!("blksize {blksize}");
                atftp(&server, name, &[&windowsize, &blksize, "tsize 0"]);
            }
        }
    }
}

#[test]
fn atftp_windows_wrap_the_block_number() {
    let server = Server::start(limits());
    atftp(&server, &LARGE.to_string(), &["windowsize 16"]);
}

fn tftp_hpa(server: &Server, mode: &str, name: &str) -> Output {
    let (copy, port) = (server.copy(), server.port());
    let to = copy.to_str().unwrap();
    let arguments = ["127.0.0.1", &port, "-m", mode, "-c", "get", name, to];
    client("tftp", "tftp-hpa", &arguments)
}

#[test]
fn tftp_hpa_gets_binary_whole_and_text_restored() {
    let server = Server::start(limits());
    for (mode, names) in [
        ("binary", &["0", "1", "511", "512", "513", "pieces"][..]),
        // The client undoes netascii, so even noise comes back as it was.
        ("ascii", &["boot/menu.cfg", "0", "1024", "65536"]),
    ] {
        for name in names {
            let output = tftp_hpa(&server, mode, name);
            server.check(name, &server.copy(), &output);
        }
    }
    // Larger files in netascii are refused with the cure, not damaged.
    let output = tftp_hpa(&server, "ascii", "300000");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("use octet (binary) mode"), "{output:?}");
}

#[test]
fn busybox_gets_files_with_its_own_block_sizes() {
    let server = Server::start(limits());
    let (copy, port) = (server.copy(), server.port());
    let to = copy.to_str().unwrap();
    for blksize in ["512", "1408", "20000"] {
        for name in ["0", "512", "14080", "300000", "boot/menu.cfg"] {
            let what = ["tftp", "-g", "-b", blksize, "-r", name, "-l", to];
            let arguments = [&what[..], &["127.0.0.1", &port]].concat();
            let output = client("busybox", "busybox-static", &arguments);
            server.check(name, &copy, &output);
        }
    }
}

#[test]
fn many_clients_at_once_get_their_own_bytes() {
    let server = Server::start(limits());
    let (folder, files) = (server.folder.path(), &server.files);
    std::thread::scope(|scope| {
        for n in 0..24 {
            let name = ["14080", "65536", "300000", "pieces"][n % 4];
            let copy = folder.join(format!("copy{n}"));
            let url = format!("tftp://127.0.0.1:{}/{name}", server.port());
            scope.spawn(move || {
                let to = copy.to_str().unwrap();
                let output = client("curl", "curl", &["-s", "-o", to, &url]);
                let got = std::fs::read(&copy).unwrap();
                assert!(got == files[name], "{name}: {output:?}");
            });
        }
    });
}

// Events, and refused requests.

#[test]
fn a_missing_file_is_an_error_at_once_and_logged() {
    let limits = patient();
    let wait = limits.protocol.first_wait;
    let server = Server::start(limits);
    let socket = server.client();
    let asked = Instant::now();
    server.ask(&socket, "pxelinux.cfg/default", Options::default());
    let (datagram, from) = hear(&socket);
    let expected = Packet::Error(Failure::NOT_FOUND);
    assert_eq!(Packet::parse(&datagram), Ok(expected));
    assert!(asked.elapsed() < wait);
    let is_shared = from.port() == server.at.port();
    assert_eq!(is_shared, SINGLE_PORT, "a port of its own");
    let EventKind::NotFound { path, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(path, "pxelinux.cfg/default");
}

#[test]
fn writing_and_climbing_and_odd_modes_are_refused() {
    use ErrorCode::{AccessViolation, IllegalOperation, NotFound};
    let server = Server::start(limits());
    let socket = server.client();
    for (datagram, code) in [
        (&b"\x00\x02boot/menu.cfg\0octet\0"[..], AccessViolation),
        (b"\x00\x01../../etc/shadow\0octet\0", AccessViolation),
        (
            b"\x00\x01boot\\..\\..\\etc\\shadow\0octet\0",
            AccessViolation,
        ),
        (b"\x00\x01/etc/shadow\0octet\0", NotFound),
        (b"\x00\x011\0image\0", IllegalOperation),
        (b"\x00\x011\0mail\0", IllegalOperation),
    ] {
        socket.send_to(datagram, server.at).unwrap();
        match Packet::parse(&hear(&socket).0) {
            Ok(Packet::Error(failure)) => assert_eq!(failure.code, code),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_request_sent_twice_starts_one_transfer() {
    let server = Server::start(patient());
    let socket = server.client();
    let options = Options {
        blksize: Some(1000),
        ..Options::default()
    };
    server.ask(&socket, "14080", options);
    server.ask(&socket, "14080", options);
    let (datagram, from) = hear(&socket);
    assert_eq!(Packet::parse(&datagram), Ok(Packet::OptionAck(options)));
    let EventKind::Ignored {
        request, reason, ..
    } = server.event()
    else {
        panic!("no such event");
    };
    assert_eq!(request, "RRQ 14080");
    assert_eq!(
        reason.to_string(),
        "the same request is being answered already"
    );
    // Every block comes from the one port that answered.
    let mut got = Vec::new();
    let mut block = 0u16;
    while got.len() < 14_080 {
        say(&socket, from, &Packet::Ack(block));
        let (datagram, again) = hear(&socket);
        assert_eq!(again, from);
        match Packet::parse(&datagram) {
            Ok(Packet::Data { block: n, bytes }) if n == block + 1 => got.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        }
        block += 1;
    }
    say(&socket, from, &Packet::Ack(block));
    assert!(got == server.files["14080"]);
    let EventKind::Started { transfer, len, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(len, 14_080);
    match server.event() {
        EventKind::Finished {
            transfer: finished,
            sent: 14_080,
            ..
        } => assert_eq!(finished, transfer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn edk2s_size_probe_is_not_logged_and_its_second_request_is_answered() {
    let server = Server::start(patient());
    let socket = server.client();
    let asked = Options {
        tsize: Some(0),
        blksize: Some(1468),
        windowsize: Some(4),
        timeout: None,
    };
    server.ask(&socket, "14080", asked);
    let (datagram, from) = hear(&socket);
    let answer = Options {
        tsize: Some(14_080),
        ..asked
    };
    assert_eq!(Packet::parse(&datagram), Ok(Packet::OptionAck(answer)));
    let abort = Failure::new(ErrorCode::OptionsRefused, b"User aborted the transfer");
    say(&socket, from, &Packet::Error(abort));
    let second = Options {
        tsize: None,
        ..asked
    };
    server.ask(&socket, "14080", second);
    let (datagram, from) = hear(&socket);
    assert_eq!(Packet::parse(&datagram), Ok(Packet::OptionAck(second)));
    say(&socket, from, &Packet::Ack(0));
    for n in 1..=4 {
        let (datagram, _) = hear(&socket);
        assert_eq!(datagram[..4], [0, 3, 0, n]);
        assert_eq!(datagram.len(), 1472);
    }
    // The first event of all is about the second request's data.
    assert!(matches!(server.event(), EventKind::Started { .. }));
    let gone = Failure::new(ErrorCode::Undefined, b"out of \x1b[31mmemory");
    say(&socket, from, &Packet::Error(gone));
    let EventKind::Failed { reason, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(
        reason.to_string(),
        "the machine gave up: error 0 \"out of \\x1b[31mmemory\""
    );
}

#[test]
fn an_image_that_ends_early_is_an_error_for_the_machine_and_logged() {
    let server = Server::start(limits());
    let socket = server.client();
    server.ask(&socket, "broken", Options::default());
    // The first read-ahead goes beyond the image's end.
    let (datagram, _) = hear(&socket);
    let expected = Packet::Error(Failure::READ_FAILED);
    assert_eq!(Packet::parse(&datagram), Ok(expected));
    assert!(matches!(server.event(), EventKind::Started { .. }));
    let EventKind::Failed { reason, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(reason.to_string(), "the image file was truncated");
}

#[test]
fn a_machine_that_closes_its_port_is_forgotten_and_its_place_is_free() {
    let limits = Limits {
        transfers_per_machine: 1,
        ..limits()
    };
    let server = Server::start(limits);
    let socket = server.client();
    server.ask(&socket, "14080", Options::default());
    let (_, from) = hear(&socket);
    assert!(matches!(server.event(), EventKind::Started { .. }));
    // Without an ACK it would make room.
    say(&socket, from, &Packet::Ack(1));
    assert_eq!(hear(&socket).0[..4], [0, 3, 0, 2]);
    let other = server.client();
    server.ask(&other, "1", Options::default());
    let EventKind::Ignored { reason, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(
        reason.to_string(),
        "too many transfers are running for this machine"
    );
    // One last ACK, and nobody there for block 3.
    say(&socket, from, &Packet::Ack(2));
    drop(socket);
    let EventKind::Failed { reason, .. } = server.event() else {
        panic!("no such event");
    };
    assert_eq!(reason.to_string(), "the machine closed its port");
    server.ask(&other, "1", Options::default());
    let (datagram, from) = hear(&other);
    assert_eq!(datagram[..4], [0, 3, 0, 1]);
    say(&other, from, &Packet::Ack(1));
}

#[test]
fn a_machine_that_vanishes_is_given_up_and_logged() {
    let mut limits = limits();
    limits.protocol.tries = 3;
    limits.protocol.patience = Duration::ZERO;
    limits.protocol.first_wait = Duration::from_millis(60);
    limits.protocol.longest_wait = Duration::from_millis(60);
    let server = Server::start(limits);
    let socket = server.client();
    server.ask(&socket, "14080", Options::default());
    assert!(matches!(server.event(), EventKind::Started { .. }));
    let EventKind::Failed {
        reason, sent: 0, ..
    } = server.event()
    else {
        panic!("no such event");
    };
    assert_eq!(reason.to_string(), "no answer after 3 tries");
    for _ in 0..3 {
        assert_eq!(hear(&socket).0.len(), 516);
    }
}

#[test]
fn a_machine_that_starts_over_from_the_same_port_gets_its_new_file() {
    let server = Server::start(patient());
    let socket = server.client();
    server.ask(&socket, "14080", Options::default());
    let (_, old) = hear(&socket);
    say(&socket, old, &Packet::Ack(1));
    assert_eq!(hear(&socket).1, old);
    // The machine was reset, and its ROM always uses this port.
    server.ask(&socket, "513", Options::default());
    let (datagram, new) = hear(&socket);
    assert_eq!(new == old, SINGLE_PORT);
    assert!(datagram[4..] == server.files["513"][..512]);
    let mut events: Vec<EventKind> = (0..3).map(|_| server.event()).collect();
    events.retain(|what| !matches!(what, EventKind::Started { .. }));
    match &events[..] {
        [EventKind::Failed { reason, path, .. }] => {
            assert_eq!(
                (reason.to_string().as_str(), path.as_str()),
                ("the machine repeated its request", "14080")
            );
        }
        other => panic!("{other:?}"),
    }
    say(&socket, new, &Packet::Ack(1));
    assert_eq!(hear(&socket).0.len(), 5);
    say(&socket, new, &Packet::Ack(2));
    assert!(matches!(server.event(), EventKind::Finished { .. }));
}

#[test]
fn draining_takes_nothing_new_and_finishes_what_runs() {
    let mut server = Server::start(patient());
    let socket = server.client();
    server.ask(&socket, "513", Options::default());
    let (_, from) = hear(&socket);
    server.drain.send(true).unwrap();
    say(&socket, from, &Packet::Ack(1));
    let (datagram, _) = hear(&socket);
    assert_eq!(datagram.len(), 5);
    say(&socket, from, &Packet::Ack(2));
    server.thread.take().unwrap().join().unwrap();
}

#[test]
fn a_lost_block_is_sent_again_and_noise_changes_nothing() {
    let server = Server::start(limits());
    let socket = server.client();
    let noise = [
        &b""[..],
        b"\0",
        b"\xff\xff\xff\xff",
        b"\x00\x01a",
        &[0; 1400],
    ];
    for datagram in noise {
        socket.send_to(datagram, server.at).unwrap();
        assert!(matches!(server.event(), EventKind::Ignored { .. }));
    }
    server.ask(&socket, "513", Options::default());
    let (first, from) = hear(&socket);
    let odd = [b"\x00\x04\x99\x99", b"\x00\x06aa", b"\x00\x03\x00\x01"];
    for datagram in noise.iter().copied().chain(odd.map(|o| &o[..])) {
        socket.send_to(datagram, from).unwrap();
    }
    // No ACK: the same block comes again by itself.
    let (again, _) = hear(&socket);
    assert!(first == again);
    say(&socket, from, &Packet::Ack(1));
    assert_eq!(hear(&socket).0.len(), 5);
    say(&socket, from, &Packet::Ack(2));
    assert!(matches!(server.event(), EventKind::Started { .. }));
    let mut last = server.event();
    // The truncated request among the noise reached the server.
    if SINGLE_PORT && matches!(last, EventKind::Ignored { .. }) {
        last = server.event();
    }
    match last {
        EventKind::Finished { retransmits, .. } => assert!(retransmits >= 1),
        other => panic!("{other:?}"),
    }
}
