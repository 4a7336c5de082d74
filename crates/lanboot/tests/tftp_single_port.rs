//! The TFTP server with everything on one port: what `tftp.rs` tests, and what can only go wrong
//! here.

#[path = "tftp.rs"]
mod tftp;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use lanboot_core::tftp::{ErrorCode, Failure, Options, Packet};
use tftp::{SINGLE_PORT, Server, hear, patient, say};

/// Shorter than the wait before anything is sent again, so that what is lost is missed.
const HURRIED: Duration = Duration::from_secs(15);

const OPTIONS: Options = Options {
    blksize: Some(1000),
    tsize: None,
    timeout: None,
    windowsize: None,
};

/// Reads a file whose OACK was heard, and checks that every datagram comes from `from`.
fn read(socket: &UdpSocket, from: SocketAddr, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    for block in 0..=u16::MAX {
        say(socket, from, &Packet::Ack(block));
        if got.len() == len && usize::from(block) > len / 1000 {
            break;
        }
        let (datagram, again) = hear(socket);
        assert_eq!(again, from);
        match Packet::parse(&datagram) {
            Ok(Packet::Data { block: n, bytes }) if n == block + 1 => got.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        }
    }
    got
}

#[test]
fn everything_comes_from_the_one_port_and_to_the_right_machine() {
    const { assert!(SINGLE_PORT) };
    let server = Server::start(patient());
    // All are under way at once, block by block in turns.
    let machines: Vec<UdpSocket> = (0..20).map(|_| server.client()).collect();
    let names = ["14080", "65536", "1024", "pieces"];
    for (machine, name) in machines.iter().zip(names.iter().cycle()) {
        server.ask(machine, name, OPTIONS);
    }
    for machine in &machines {
        let (datagram, from) = hear(machine);
        assert_eq!(from, server.at);
        assert_eq!(Packet::parse(&datagram), Ok(Packet::OptionAck(OPTIONS)));
    }
    for (machine, name) in machines.iter().zip(names.iter().cycle()) {
        let expected = &server.files[*name];
        assert!(read(machine, server.at, expected.len()) == *expected);
    }
}

/// A socket that is bound and not yet connected may be given anybody's request: none may be lost.
#[test]
fn no_request_is_lost_among_many() {
    let server = Server::start(patient());
    let (at, expected) = (server.at, &server.files["513"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for _ in 0..60 {
                    let machines: Vec<UdpSocket> = (0..4)
                        .map(|_| {
                            let machine = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                            machine.set_read_timeout(Some(HURRIED)).unwrap();
                            machine
                        })
                        .collect();
                    for machine in &machines {
                        machine.send_to(b"\0\x01513\0octet\0", at).unwrap();
                    }
                    for machine in &machines {
                        let (datagram, from) = hear(machine);
                        assert_eq!((from, &datagram[..4]), (at, &[0, 3, 0, 1][..]));
                        say(machine, from, &Packet::Ack(1));
                    }
                    for machine in &machines {
                        let last = [&[0, 3, 0, 2][..], &expected[512..]].concat();
                        assert_eq!(hear(machine).0, last);
                        say(machine, at, &Packet::Ack(2));
                    }
                }
            });
        }
    });
}

/// EDK2 sends its second request right behind the error that ends its size probe, to the same port
/// and from the same one.
#[test]
fn a_request_behind_the_end_of_a_transfer_is_heard() {
    let server = Server::start(patient());
    let socket = server.client();
    let probe = Options {
        tsize: Some(0),
        ..OPTIONS
    };
    socket.set_read_timeout(Some(HURRIED)).unwrap();
    // Without CAP_NET_RAW one may be lost now and then, and is asked for again by its machine.
    let rounds = if nix::unistd::geteuid().is_root() {
        100
    } else {
        1
    };
    for _ in 0..rounds {
        server.ask(&socket, "1024", probe);
        let (datagram, _) = hear(&socket);
        assert!(matches!(Packet::parse(&datagram), Ok(Packet::OptionAck(_))));
        let abort = Failure::new(ErrorCode::OptionsRefused, b"User aborted the transfer");
        say(&socket, server.at, &Packet::Error(abort));
        server.ask(&socket, "1024", OPTIONS);
        let (datagram, from) = hear(&socket);
        assert_eq!(Packet::parse(&datagram), Ok(Packet::OptionAck(OPTIONS)));
        assert!(read(&socket, from, 1024) == server.files["1024"]);
    }
}

#[test]
fn another_server_cannot_slip_in_on_the_port() {
    let server = Server::start(patient());
    let error = UdpSocket::bind(server.at).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
