//! The boot door with ten thousand connections that do nothing. In its own process, because it
//! measures memory; the crowd is another one, because it needs as many descriptors.

mod door;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use door::{Served, one_reply, serve};
use lanboot::serve::http::Limits;

const CROWD: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_fit_in_little_memory() {
    allow_descriptors();
    let limits = Limits {
        connections: 2 * CROWD,
        connections_per_peer: 2 * CROWD,
        ..Limits::default()
    };
    let served = serve(limits);
    ask(&served);
    let before = resident_bytes();
    let crowd = Crowd::gather(&served);
    let grown = resident_bytes().saturating_sub(before);
    println!(
        "{CROWD} idle connections: {} KiB, {} bytes each",
        grown / 1024,
        grown / CROWD
    );
    assert!(grown < 40 * 1024 * 1024, "{grown} bytes");
    assert!(ask(&served) < Duration::from_secs(2));
    assert_eq!(crowd.closed(), 0);
}

#[test]
fn ten_thousand_idle_connections_make_room_for_one_that_asks() {
    allow_descriptors();
    // All of them come from one address, and so does the one that asks.
    let served = serve(Limits::default());
    let crowd = Crowd::gather(&served);
    assert!(ask(&served) < Duration::from_secs(2));
    let closed = crowd.closed();
    println!("{closed} of {CROWD} made room");
    let most = Limits::default().connections_per_peer;
    assert!((CROWD - most..CROWD).contains(&closed), "{closed}");
}

/// Not a test of its own: the process that [`Crowd::gather`] starts.
#[test]
#[ignore = "run by the other tests of this file"]
fn crowd() {
    let Ok(address) = std::env::var("CROWD_AT") else {
        return;
    };
    allow_descriptors();
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..CROWD {
        // One request each: nobody is left in the listener's queue.
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /empty HTTP/1.1\r\n\r\n").unwrap();
        one_reply(&mut stream);
        crowd.push(stream);
    }
    println!("\ncrowd gathered");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let closed = crowd.iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Ok(0))
    });
    println!("\ncrowd closed {}", closed.count());
}

struct Crowd {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Crowd {
    fn gather(served: &Served) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crowd", "--ignored", "--nocapture"])
            .env("CROWD_AT", served.address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = process.stdin.take().unwrap();
        let from = BufReader::new(process.stdout.take().unwrap());
        let mut crowd = Self { process, to, from };
        crowd.hear("crowd gathered");
        crowd
    }

    /// How many of its connections the door has closed.
    fn closed(mut self) -> usize {
        self.to.write_all(b"\n").unwrap();
        let count = self.hear("crowd closed ").parse().unwrap();
        assert!(self.process.wait().unwrap().success());
        count
    }

    fn hear(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.from.read_line(&mut line).unwrap() > 0,
                "the crowd died"
            );
            if let Some(rest) = line.trim_end().strip_prefix(what) {
                return rest.to_owned();
            }
        }
    }
}

/// Fetches a file on a connection of its own; how long it took.
fn ask(served: &Served) -> Duration {
    let began = Instant::now();
    let mut stream = served.connect();
    stream
        .write_all(b"GET /mixed.bin HTTP/1.0\r\n\r\n")
        .unwrap();
    let (_, body) = one_reply(&mut stream);
    let took = began.elapsed();
    assert!(body == served.mixed());
    took
}

fn allow_descriptors() {
    let wanted = CROWD as u64 + 1000;
    // SAFETY: both calls read or write only the struct they are given, which lives here.
    let allowed = unsafe {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        limit.rlim_cur >= wanted && libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
    };
    assert!(
        allowed,
        "this test needs {wanted} open files per process; allow them with: ulimit -Hn {wanted}"
    );
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = status.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
