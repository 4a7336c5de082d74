//! Connections by the thousand, held by another process, because it needs as many descriptors as
//! the server.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Served, one_reply};

pub const CROWD: usize = 10_000;

/// Runs in the process of [`Crowd::gather`]. Every test binary with a crowd has an ignored test
/// of the name `crowd` that calls it.
pub fn crowd() {
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

pub struct Crowd {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Crowd {
    pub fn gather(served: &Served) -> Self {
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

    /// Returns how many of its connections the server has closed.
    pub fn closed(mut self) -> usize {
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
pub fn ask(served: &Served) -> Duration {
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

pub fn allow_descriptors() {
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
