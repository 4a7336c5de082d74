//! The options of an answer: what was asked for, what PXE needs, and what fits.

use super::golden::{codes, edk2, pxelinux, script};
use super::*;

/// The options sent to every client, and 28, which goes to those that ask.
const FIXED: [u8; 6] = [53, 54, 51, 1, 58, 59];

fn server() -> Server {
    let mut server = Server::new(10, 200);
    let subnet = &mut server.config.subnets[0];
    subnet.routers = vec![host(254)];
    subnet.dns = vec![host(53)];
    subnet.domain = Some("lab.example".into());
    subnet.options = vec![
        (Code(42), vec![10, 0, 0, 1]),
        (Code(108), vec![0, 0, 7, 8]),
        (Code(114), b"https://portal.example/".to_vec()),
        (Code(116), vec![0]),
        (Code(119), b"\x03lab\x07example\0".to_vec()),
        (Code(121), vec![0, 192, 168, 77, 254]),
        (Code(161), vec![1]),
        (Code(208), vec![0xf1, 0, 0x74, 0x7e]),
        (Code(211), vec![0, 0, 0, 30]),
    ];
    server
}

/// The codes of an answer without those every answer has.
fn more(server: &mut Server, packet: &Packet) -> Vec<u8> {
    let (_, reply) = server.sent(packet);
    let mut codes = codes(&reply);
    for fixed in FIXED {
        let at = codes.iter().position(|code| *code == fixed);
        codes.remove(at.unwrap_or_else(|| panic!("no option {fixed}")));
    }
    codes.sort_unstable();
    codes
}

fn asking(listed: &[u8]) -> Packet {
    let mut packet = discover(1);
    packet.options.set(Code::PARAMETERS, listed);
    packet
}

#[test]
fn a_plain_client_gets_what_it_lists() {
    let mut server = server();
    for (listed, expected) in [
        (&[1, 3, 6, 15][..], &[3, 6, 15][..]),
        (&[1], &[]),
        (&[1, 28, 42], &[28, 42]),
        (&[1, 3, 108], &[3, 108]),
        (&[1, 3, 121, 119], &[3, 119, 121]),
        (&[1, 121, 249], &[121]),
        (&[1, 114, 161], &[114, 161]),
        // Listing 116 is no use of it (RFC 2563).
        (&[1, 116, 208, 211], &[208, 211]),
        (&[1, 43, 60, 66, 67, 93, 97, 175], &[]),
    ] {
        assert_eq!(more(&mut server, &asking(listed)), expected, "{listed:?}");
    }
    // RFC 2563 §2.2: the option itself asks.
    let mut packet = asking(&[1]);
    packet.options.set(Code::AUTO_CONFIGURE, [1]);
    assert_eq!(more(&mut server, &packet), [116]);
}

#[test]
fn who_lists_nothing_gets_everything_but_what_must_be_asked_for() {
    let mut server = server();
    let usual = [3, 6, 15, 28, 42, 114, 119, 121, 161, 208, 211];
    assert_eq!(more(&mut server, &discover(1)), usual);
    // An empty list is none.
    assert_eq!(more(&mut server, &asking(&[])), usual);
}

#[test]
fn acks_and_answers_to_inform_follow_the_list_too() {
    let mut server = server();
    let address = server.offered(&asking(&[1, 3]));
    let mut request = select(1, address);
    request.options.set(Code::PARAMETERS, [1, 3, 42]);
    assert_eq!(more(&mut server, &request), [3, 42]);
    let mut inform = message(MessageType::Inform, 1);
    inform.ciaddr = host(220);
    inform.options.set(Code::PARAMETERS, [6, 42]);
    let (_, reply) = server.sent(&inform);
    assert_eq!(codes(&reply), [53, 54, 1, 6, 42]);
}

#[test]
fn firmware_gets_what_it_needs_to_boot_whatever_it_lists() {
    let mut server = server();
    server.boot = Some(pxelinux());
    let mut packet = edk2(0, "PXEClient:Arch:00000:UNDI:002001");
    // Nobody lists PXELINUX's own, nor the routers a machine behind a relay needs.
    packet.options.set(Code::PARAMETERS, [1, 43, 60]);
    let found = more(&mut server, &packet);
    assert_eq!(found, [3, 61, 66, 67, 97, 208, 209, 210, 211]);
    server.boot = Some(script());
    packet.options.set(Code::USER_CLASS, *b"iPXE");
    packet.options.set(Code::PARAMETERS, [1, 3, 6, 15]);
    let found = more(&mut server, &packet);
    assert_eq!(found, [3, 6, 15, 61, 66, 67, 97, 175, 208, 211]);
}

#[test]
fn what_is_to_be_sent_always_is_sent_unasked() {
    let mut server = server();
    server.config.subnets[0].always = vec![Code(42), Code(114)];
    server.config.check(Mode::Server).unwrap();
    assert_eq!(more(&mut server, &asking(&[1])), [42, 114]);
    assert_eq!(more(&mut server, &asking(&[1, 3, 42])), [3, 42, 114]);
}

#[test]
fn an_option_82_that_does_not_fit_is_reported_once_an_hour_for_each_relay() {
    let mut server = server();
    let long = |last: u8| {
        let mut packet = asking(&[1, 3]);
        packet.giaddr = host(last);
        packet.hops = 1;
        // Two pieces on the wire (RFC 3396): 400 bytes do not fit beside the address.
        packet.options.set(Code::RELAY, [1, 2, 0, 7].repeat(100));
        packet
    };
    let said = |server: &mut Server| {
        let findings = server.leases.take_findings();
        findings.iter().map(Finding::to_string).collect::<Vec<_>>()
    };
    let (outgoing, reply) = server.sent(&long(2));
    assert!(!reply.options.has(Code::RELAY));
    assert_eq!(outgoing.detail.as_deref(), Some("no room for options 82"));
    let [text] = said(&mut server).try_into().unwrap();
    assert!(text.starts_with("the relay 192.168.77.2 sends an option 82 of 400 bytes, "));
    for _ in 0..50 {
        server.sent(&long(2));
        let mut nak = long(2);
        nak.options.set(Code::MESSAGE_TYPE, [3]);
        nak.options.set(Code::REQUESTED_ADDRESS, [10, 1, 1, 1]);
        assert_eq!(server.sent(&nak).0.message, MessageType::Nak);
    }
    assert_eq!(said(&mut server), [""; 0]);
    server.sent(&long(3));
    assert_eq!(said(&mut server).len(), 1, "another relay");
    server.now += 3600;
    server.sent(&long(2));
    assert_eq!(said(&mut server).len(), 1, "an hour later");
    // A proxy's offer, and a NAK alone.
    server.now += 3600;
    let mut nak = long(2);
    nak.options.set(Code::MESSAGE_TYPE, [3]);
    nak.options.set(Code::REQUESTED_ADDRESS, [10, 1, 1, 1]);
    server.sent(&nak);
    assert_eq!(said(&mut server).len(), 1, "a NAK");
    server.now += 3600;
    server.mode = Mode::Proxy;
    server.boot = Some(pxelinux());
    let mut packet = edk2(0, "PXEClient:Arch:00000:UNDI:002001");
    packet.giaddr = host(2);
    packet.options.set(Code::MAX_MESSAGE, [2, 0x40]);
    packet.options.set(Code::RELAY, [1, 2, 0, 7].repeat(100));
    server.sent(&packet);
    assert_eq!(said(&mut server).len(), 1, "a proxy");
    // One that fits is no news.
    packet.options.set(Code::RELAY, [1, 2, 0, 7]);
    server.now += 3600;
    server.sent(&packet);
    assert_eq!(said(&mut server), [""; 0]);
}
