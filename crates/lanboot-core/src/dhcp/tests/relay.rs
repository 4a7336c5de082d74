//! Relays: which subnet, where the answer goes, who we are there, and loops.

use super::golden::{edk2, pxelinux};
use super::*;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The source address of a relay that names the link by option 82.
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(172, 16, 255, 9);

/// Serves its own network and 10.9.0.0/24, which lies behind a relay.
fn server() -> Server {
    let mut far = subnet(10, 20);
    far.network = Ipv4Addr::new(10, 9, 0, 0);
    far.range = (Ipv4Addr::new(10, 9, 0, 50), Ipv4Addr::new(10, 9, 0, 60));
    far.routers = vec![RELAY];
    far.options = vec![(Code(42), vec![10, 9, 0, 7])];
    let mut server = Server::with(Config {
        subnets: vec![subnet(10, 20), far],
        only: vec![],
        check: false,
    });
    server.boot = Some(pxelinux());
    server
}

fn through(relay: Ipv4Addr, mut packet: Packet, agent: &[u8]) -> Packet {
    packet.giaddr = relay;
    packet.hops = 1;
    if !agent.is_empty() {
        packet.options.set(Code::RELAY, agent);
    }
    packet
}

fn link(address: [u8; 4]) -> Vec<u8> {
    [&[1, 2, 0, 7, 5, 4][..], &address].concat()
}

/// Read without the helper that expects our own address in option 54.
fn sent(answer: Answer) -> (Outgoing, Packet) {
    let Answer::Send(outgoing) = answer else {
        panic!("nothing sent: {answer:?}");
    };
    let reply = Packet::parse(&outgoing.bytes).unwrap();
    (outgoing, reply)
}

#[test]
fn each_subnet_has_its_own_pool_and_options() {
    let mut server = server();
    let (_, near) = server.sent(&discover(1));
    assert!(!near.options.has(Code(42)) && !near.options.has(Code::ROUTERS));
    let (outgoing, far) = server.sent(&through(RELAY, discover(2), &[]));
    assert_eq!(outgoing.to, to_relay(RELAY));
    assert!(server.config.subnets[1].contains(far.yiaddr));
    assert_eq!(far.options.get(Code(42)), Some(&[10, 9, 0, 7][..]));
    assert_eq!(far.options.address(Code::ROUTERS), Some(RELAY));
}

#[test]
fn configured_options_come_last_and_leave_out_first() {
    let mut server = server();
    server.config.subnets[0].options = vec![(Code(42), vec![1; 4]), (Code(224), vec![2; 200])];
    let mut packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
    packet.options.set(Code::RELAY, link([192, 168, 77, 0]));
    packet.giaddr = host(2);
    let (_, reply) = server.sent(&packet);
    let codes: Vec<u8> = reply.options.iter().map(|(code, _)| code.0).collect();
    assert_eq!(codes[codes.len() - 3..], [42, 224, 82]);
    packet.options.remove(Code::MAX_MESSAGE);
    let (outgoing, reply) = server.sent(&packet);
    assert!(!reply.options.has(Code(224)) && reply.options.has(Code(42)));
    assert!(
        outgoing
            .detail
            .unwrap()
            .ends_with("no room for options 224")
    );
}

#[test]
fn link_selection_chooses_the_subnet_and_the_relay_still_gets_the_answer() {
    let mut server = server();
    server.source = LOOPBACK;
    let agent = link([10, 9, 0, 0]);
    let (outgoing, reply) = server.sent(&through(LOOPBACK, discover(1), &agent));
    assert_eq!(outgoing.to, to_relay(LOOPBACK));
    assert!(server.config.subnets[1].contains(reply.yiaddr));
    assert_eq!(
        reply.options.iter().last().unwrap(),
        (Code::RELAY, &agent[..])
    );
    let select = through(LOOPBACK, select(1, reply.yiaddr), &agent);
    assert_eq!(server.bound(&select).address, reply.yiaddr);

    // It wins over a relay that stands in another of our subnets.
    let near = through(host(2), discover(2), &agent);
    let offered = server.offered(&near);
    assert!(server.config.subnets[1].contains(offered));

    // A relay nobody configured is only believed about an address it speaks from.
    server.source = host(2);
    assert_eq!(
        server.ignored(&through(LOOPBACK, discover(3), &agent)),
        "no subnet is configured for the relay 172.16.255.9"
    );
    for relay in [[127, 0, 0, 1], [224, 0, 0, 9], [255, 255, 255, 255]] {
        server.source = relay.into();
        let packet = through(relay.into(), discover(3), &agent);
        assert!(server.ignored(&packet).contains("for the relay"));
    }
    server.source = RELAY;
    assert_eq!(
        server.ignored(&through(RELAY, discover(3), &link([10, 8, 0, 0]))),
        "no subnet is configured for the link 10.8.0.0 it asks for"
    );
    // Sub-options of other sizes say nothing.
    for agent in [&[5, 3, 1, 2, 3][..], &[5, 4, 0, 0, 0, 0], &[5, 200, 1]] {
        let offered = server.offered(&through(RELAY, discover(4), agent));
        assert!(server.config.subnets[1].contains(offered));
    }
}

#[test]
fn a_stranger_who_says_he_is_a_relay_gets_nothing_of_the_networks_we_stand_in() {
    // Both addresses are forged: the answer would go to somebody on the Internet, who never asked,
    // and hold one of our own machines' addresses.
    let victim = Ipv4Addr::new(203, 0, 113, 9);
    for mode in [Mode::Server, Mode::Proxy] {
        let mut server = server();
        (server.mode, server.source) = (mode, victim);
        let packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
        let agent = link([192, 168, 77, 0]);
        assert_eq!(
            server.ignored(&through(victim, packet.clone(), &agent)),
            "no subnet is configured for the relay 203.0.113.9"
        );
        let mut selects = packet;
        let network = [192, 168, 77, 0];
        selects.options.set(Code::SUBNET_SELECTION, network);
        assert_eq!(
            server.ignored(&through(victim, selects, &[])),
            "no subnet is configured for the relay 203.0.113.9"
        );
    }
}

#[test]
fn a_relay_that_asks_for_it_is_answered_at_the_port_it_sent_from() {
    // RFC 8357: sub-option 19, without a value; it goes back with the rest.
    let agent = [1, 2, 0, 7, 19, 0];
    let at = |port| Destination::Relay(SocketAddrV4::new(RELAY, port));
    let mut server = server();
    (server.source, server.source_port) = (RELAY, 40_067);
    let (outgoing, reply) = server.sent(&through(RELAY, discover(1), &agent));
    assert_eq!(outgoing.to, at(40_067));
    assert_eq!(reply.options.get(Code::RELAY), Some(&agent[..]));
    let request = through(RELAY, select(1, reply.yiaddr), &agent);
    assert_eq!(server.sent(&request).0.to, at(40_067));
    let refused = through(RELAY, reboot(1, host(10)), &agent);
    let (nak, reply) = server.sent(&refused);
    assert_eq!((nak.message, nak.to), (MessageType::Nak, at(40_067)));
    assert_eq!(reply.options.get(Code::RELAY), Some(&agent[..]));
    // A relay without the option is answered at port 67, whatever port it sent from.
    let (outgoing, _) = server.sent(&through(RELAY, discover(2), &agent[..4]));
    assert_eq!(outgoing.to, at(67));
    // A proxy's offer.
    server.mode = Mode::Proxy;
    let packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
    let (outgoing, _) = server.sent(&through(RELAY, packet, &agent));
    assert_eq!(outgoing.to, at(40_067));
    server.mode = Mode::Server;
    // Without a relay there is nobody who could ask.
    let mut packet = discover(3);
    packet.options.set(Code::RELAY, agent);
    assert!(matches!(
        server.sent(&packet).0.to,
        Destination::Frame { .. }
    ));
    server.source_port = 0;
    assert_eq!(
        server.ignored(&through(RELAY, discover(4), &agent)),
        "it was sent from port 0"
    );
}

#[test]
fn subnet_selection_counts_behind_a_relay_and_goes_back_as_it_came() {
    let mut server = server();
    let mut packet = discover(1);
    packet.options.set(Code::SUBNET_SELECTION, [10, 9, 0, 0]);
    // On our own wire an address of another network is of no use.
    let (_, reply) = server.sent(&packet);
    assert!(server.config.subnets[0].contains(reply.yiaddr));
    assert!(!reply.options.has(Code::SUBNET_SELECTION));

    let (_, reply) = server.sent(&through(host(2), packet.clone(), &[]));
    assert!(server.config.subnets[1].contains(reply.yiaddr));
    assert_eq!(
        reply.options.get(Code::SUBNET_SELECTION),
        Some(&[10, 9, 0, 0][..])
    );
    // Link selection is the relay's word and wins (RFC 3527).
    let both = through(host(2), packet.clone(), &link([192, 168, 77, 0]));
    let (_, reply) = server.sent(&both);
    assert!(server.config.subnets[0].contains(reply.yiaddr));
    assert!(!reply.options.has(Code::SUBNET_SELECTION));
    packet.options.set(Code::SUBNET_SELECTION, [10, 8, 0, 0]);
    assert!(
        server
            .ignored(&through(host(2), packet, &[]))
            .contains("for the link 10.8.0.0")
    );
}

#[test]
fn a_relay_may_stand_in_for_us_and_only_our_own_machines_are_then_ours() {
    let mut server = server();
    let agent = [11, 4, 10, 9, 0, 1];
    let (_, offer) = sent(server.take(&through(RELAY, discover(1), &agent)));
    assert_eq!(offer.options.address(Code::SERVER_ID), Some(RELAY));
    assert_ne!(offer.yiaddr, RELAY);

    let mut request = through(RELAY, select(1, offer.yiaddr), &agent);
    request.options.set(Code::SERVER_ID, RELAY.octets());
    let (outgoing, ack) = sent(server.take(&request));
    assert_eq!(outgoing.message, MessageType::Ack);
    assert_eq!(ack.options.address(Code::SERVER_ID), Some(RELAY));
    assert!(outgoing.commit.is_some());

    // Another server behind the same relay says the same identifier: no NAK for its machines.
    let mut request = through(RELAY, select(2, [10, 9, 0, 99].into()), &agent);
    request.options.set(Code::SERVER_ID, RELAY.octets());
    assert_eq!(server.ignored(&request), "it chose the server 10.9.0.1");

    // An identifier outside the machine's network is none it could ask.
    for wrong in [[8, 8, 8, 8], [10, 9, 0, 255], [0, 0, 0, 0]] {
        let agent = [&[11, 4][..], &wrong].concat();
        server.sent(&through(RELAY, discover(3), &agent));
    }
    // A proxy is asked at its own address.
    server.mode = Mode::Proxy;
    let packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
    server.sent(&through(RELAY, packet, &agent));
}

#[test]
fn the_relays_own_address_is_never_handed_out() {
    let mut server = server();
    let relay = Ipv4Addr::new(10, 9, 0, 50);
    let mut packet = through(relay, discover(1), &[]);
    packet.options.set(Code::REQUESTED_ADDRESS, relay.octets());
    assert_ne!(server.offered(&packet), relay);
    assert!(
        server
            .refused(&through(relay, reboot(1, relay), &[]))
            .contains("belongs to the server or a router")
    );
}

#[test]
fn a_proxy_answers_through_the_relay_with_the_broadcast_flag() {
    let mut server = server();
    server.mode = Mode::Proxy;
    let mut packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
    packet.flags = 0;
    let agent = [1, 4, b'e', b't', b'h', b'3'];
    let (outgoing, reply) = server.sent(&through(RELAY, packet.clone(), &agent));
    assert_eq!(outgoing.to, to_relay(RELAY));
    // Without `yiaddr` the relay has nowhere else to send it.
    assert_eq!(reply.flags, 0x8000);
    assert_eq!((reply.giaddr, reply.siaddr), (RELAY, SERVER));
    assert_eq!(
        reply.options.iter().last().unwrap(),
        (Code::RELAY, &agent[..])
    );
    // The machine then asks the boot server directly, from its own network.
    packet.options.set(Code::MESSAGE_TYPE, [3]);
    packet.ciaddr = Ipv4Addr::new(10, 9, 0, 55);
    server.port = Port::BootServer;
    (server.source, server.source_port) = (packet.ciaddr, 4011);
    assert_eq!(
        server.sent(&packet).0.to,
        Destination::Unicast(SocketAddrV4::new(packet.ciaddr, 4011))
    );
    server.port = Port::Server;
    assert!(
        server
            .ignored(&through([10, 8, 0, 1].into(), packet, &[]))
            .contains("for the relay 10.8.0.1")
    );
}

#[test]
fn messages_that_come_back_from_any_of_our_interfaces_go_no_further() {
    let mut server = server();
    server.own = vec![SERVER, RELAY, LOOPBACK];
    for mode in [Mode::Server, Mode::Proxy] {
        for port in [Port::Server, Port::BootServer] {
            (server.mode, server.port) = (mode, port);
            for own in [SERVER, RELAY, LOOPBACK] {
                let packet = edk2(7, "PXEClient:Arch:00007:UNDI:003016");
                server.source = host(60);
                assert_eq!(
                    server.ignored(&through(own, packet.clone(), &[])),
                    "it comes from this server itself"
                );
                server.source = own;
                assert_eq!(server.ignored(&packet), "it comes from this server itself");
            }
            server.source = host(60);
            let mut packet = through(host(2), discover(1), &[]);
            packet.hops = 17;
            assert!(server.ignored(&packet).contains("17 relays"));
        }
    }
    // None of them is handed out either.
    let mut server = Server::new(10, 12);
    server.own = vec![SERVER, host(10), host(11)];
    assert_eq!(server.join(1), host(12));
}
