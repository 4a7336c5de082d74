//! Bad input: nothing panics, nothing loops, nobody takes the pool from the others.

use proptest::prelude::*;

use super::*;

#[test]
fn a_pool_of_one_address_serves_the_first_of_two_machines() {
    let mut server = Server::new(10, 10);
    assert_eq!(server.join(1), host(10));
    for _ in 0..3 {
        assert_eq!(
            server.ignored(&discover(2)),
            "no address is free between 192.168.77.10 and 192.168.77.10"
        );
        assert_eq!(
            server.refused(&select(2, host(10))),
            "192.168.77.10 is leased to another machine"
        );
        assert_eq!(server.join(1), host(10));
    }
    server.now += 12 * 3600;
    assert_eq!(server.join(2), host(10));
    assert!(server.ignored(&discover(1)).contains("no address is free"));
}

#[test]
fn a_machine_that_declines_every_address_is_asked_to_wait_and_the_others_are_served() {
    let mut server = Server::new(10, 17);
    let mut declined = Vec::new();
    for _ in 0..3 {
        let address = server.join(1);
        assert!(
            !declined.contains(&address),
            "a declined address is not offered again"
        );
        let Answer::Done(note) = server.take(&decline(1, address)) else {
            panic!("decline refused");
        };
        assert_eq!((note.address, note.record), (address, None));
        declined.push(address);
        server.now += 1;
    }
    let why = "it declined 3 addresses; it is asked to wait 599 s";
    assert_eq!(server.ignored(&discover(1)), why);
    assert_eq!(server.ignored(&reboot(1, host(10))), why);
    // A quarter of the pool at most rests; the oldest declined one is free again.
    let others: Vec<_> = (2..=7).map(|machine| server.join(machine)).collect();
    assert!(others.contains(&declined[0]));
    assert!(!others.contains(&declined[1]) && !others.contains(&declined[2]));
    server.ignored(&discover(8));
    server.now += DECLINE_TIME;
    server.join(8);
    server.join(1);
}

#[test]
fn declines_far_apart_do_not_add_up() {
    let mut server = Server::new(10, 17);
    for _ in 0..10 {
        let address = server.join(1);
        assert!(matches!(server.take(&decline(1, address)), Answer::Done(_)));
        server.now += DECLINE_TIME;
    }
    let address = server.join(1);
    server.take(&decline(1, address));
    assert_ne!(server.join(1), address);
}

#[test]
fn many_machines_that_decline_do_not_exhaust_the_pool() {
    let mut server = Server::new(10, 29);
    for machine in 1..500 {
        if let Answer::Send(outgoing) = server.take(&discover(machine)) {
            let address = outgoing.address.unwrap();
            server.bound(&select(machine, address));
            assert!(matches!(
                server.take(&decline(machine, address)),
                Answer::Done(_)
            ));
        }
    }
    server.now += OFFER_RESERVATION;
    for machine in 1000..1015 {
        server.join(machine);
    }
}

#[test]
fn a_flood_of_discovers_blocks_the_pool_only_for_the_time_of_an_offer() {
    let mut server = Server::new(10, 200);
    for machine in 0..1000 {
        server.take(&discover(machine));
    }
    assert!(
        server
            .ignored(&discover(5000))
            .contains("no address is free")
    );
    assert_eq!(server.leases.iter().count(), 0);
    server.now += OFFER_RESERVATION;
    server.join(5000);
}

#[test]
fn replies_other_servers_send_and_our_own_messages_are_ignored() {
    let mut server = Server::new(10, 20);
    let mut packet = discover(1);
    packet.op = Op::Reply;
    assert_eq!(server.ignored(&packet), "it is a reply, not a request");
    packet.op = Op::Other(0);
    server.ignored(&packet);
    for (kind, text) in [
        (MessageType::Offer, "a DHCPOFFER is not a client message"),
        (MessageType::Ack, "a DHCPACK is not a client message"),
        (MessageType::Nak, "a DHCPNAK is not a client message"),
        (
            MessageType::Other(13),
            "a DHCP message of type 13 is not a client message",
        ),
    ] {
        assert_eq!(server.ignored(&message(kind, 1)), text);
    }
    server.source = SERVER;
    assert_eq!(
        server.ignored(&discover(1)),
        "it comes from this server itself"
    );
    server.source = Ipv4Addr::UNSPECIFIED;
    server.mode = Mode::Off;
    assert_eq!(server.ignored(&discover(1)), "DHCP is off");
}

#[test]
fn bootp_and_foreign_hardware_are_ignored_with_a_reason() {
    let mut server = Server::new(10, 20);
    let mut packet = discover(1);
    packet.options = Options::new();
    assert_eq!(server.ignored(&packet), "plain BOOTP is not served");

    let mut bytes = discover(1).emit();
    bytes[2] = 255;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(
        server.ignored(&packet),
        "hardware type 1 with addresses of 16 bytes is not Ethernet"
    );
    for mac in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let mut packet = discover(1);
        packet.chaddr[..6].copy_from_slice(&mac);
        assert_eq!(
            server.ignored(&packet),
            "its hardware address is not one of a single machine"
        );
    }
}

#[test]
fn a_request_without_any_address_and_a_server_without_subnet_answer_nothing() {
    let mut server = Server::new(10, 20);
    assert_eq!(
        server.ignored(&message(MessageType::Request, 1)),
        "it names no address"
    );
    server.config.subnets.clear();
    assert_eq!(
        server.ignored(&discover(1)),
        "no subnet is configured for this server's address 192.168.77.1"
    );
}

#[test]
fn truncated_options_and_overload_still_show_the_machine() {
    let mut server = Server::new(10, 20);
    server.boot = Some(golden::pxelinux());
    // 53 and 57 in front, 60 and 93 in `file`, a cut option at the end.
    let mut bytes = discover(1).emit();
    bytes.truncate(240);
    bytes.extend_from_slice(&[53, 1, 1, 57, 1, 9, 52, 1, 1, 61, 200, 1]);
    bytes[108..125].copy_from_slice(b"\x3c\x09PXEClient\x5d\x02\0\0\xff\0");
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.options.faults().len(), 2);
    let (outgoing, reply) = open(server.answer(&packet, None));
    assert_eq!(
        outgoing.detail.as_deref(),
        Some("boot/syslinux/lpxelinux.0")
    );
    assert!(reply.options.has(Code::BOOT_FILE));
    // A second 53 does not turn one message into another.
    let mut bytes = discover(1).emit();
    bytes.truncate(240);
    bytes.extend_from_slice(&[53, 1, 1, 53, 1, 7, 255]);
    open(server.answer(&Packet::parse(&bytes).unwrap(), None));
}

#[test]
fn boards_of_one_uuid_and_clones_of_one_system_are_not_one_machine() {
    let uuid = [[0].as_slice(), &[0xff; 16]].concat();
    let duid = vec![255, 1, 2, 3, 4, 0, 1, 5, 6, 7];
    for id in [uuid, duid, vec![7; 255]] {
        let named = |mut packet: Packet| {
            packet.options.set(Code::CLIENT_ID, id.clone());
            packet
        };
        let mut server = Server::new(10, 200);
        // A classroom that is switched on: all ask before the first takes its offer.
        let all = 1..=30;
        let offers: Vec<_> = all
            .clone()
            .map(|machine| server.offered(&named(discover(machine))))
            .collect();
        let distinct: std::collections::HashSet<_> = offers.iter().collect();
        assert_eq!(distinct.len(), 30, "{offers:?}");
        for (machine, offer) in all.clone().zip(&offers) {
            let (_, reply) = server.sent(&named(select(machine, *offer)));
            assert_eq!(reply.yiaddr, *offer);
            // It gets back what it said.
            assert_eq!(reply.options.get(Code::CLIENT_ID), Some(&id[..]));
        }
        for (machine, offer) in all.zip(&offers) {
            assert_eq!(server.bound(&named(renew(machine, *offer))).address, *offer);
        }
        // Nor does one give back another's, or decline it.
        let why = format!("{} is not leased to it", offers[0]);
        assert_eq!(server.ignored(&named(release(2, offers[0]))), why);
        assert_eq!(server.ignored(&named(decline(2, offers[0]))), why);
    }
}

#[test]
fn a_lease_kept_under_the_bare_identifier_goes_on() {
    let id = [255, 1, 2, 3];
    let mut server = Server::new(10, 200);
    let old = Lease {
        address: host(42),
        client: ClientId::new(&id).unwrap(),
        mac: mac(1),
        hostname: None,
        expires: START + 3600,
        state: State::Bound,
    };
    assert_eq!(
        server
            .leases
            .restore([old].into_iter(), Duration::from_secs(START))
            .kept,
        1
    );
    let mut packet = renew(1, host(42));
    packet.options.set(Code::CLIENT_ID, id);
    assert_eq!(server.bound(&packet).address, host(42));
    packet.options.set(Code::MESSAGE_TYPE, [1]);
    packet.ciaddr = Ipv4Addr::UNSPECIFIED;
    assert_eq!(server.offered(&packet), host(42));
}

#[test]
fn identifiers_of_any_size_are_somebody() {
    let mut server = Server::new(10, 20);
    for len in [0, 1, 2, 255, 256, 700] {
        let mut packet = discover(len);
        packet.options.set(Code::CLIENT_ID, vec![7; len as usize]);
        let address = server.offered(&packet);
        packet.options.set(Code::MESSAGE_TYPE, [3]);
        packet
            .options
            .set(Code::REQUESTED_ADDRESS, address.octets());
        let lease = server.bound(&packet);
        assert!((1..=261).contains(&lease.client.as_bytes().len()));
        assert_eq!(ClientId::new(lease.client.as_bytes()), Some(lease.client));
    }
}

/// A message that looks like one, with anything in its options.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop::sample::select(vec![
        12_u8, 43, 50, 51, 52, 54, 55, 57, 60, 61, 67, 77, 82, 93, 94, 97, 118, 175, 209,
    ]);
    let anything = (codes, prop::collection::vec(any::<u8>(), 0..40));
    let real: Vec<(u8, Vec<u8>)> = vec![
        (60, b"PXEClient:Arch:00007:UNDI:003016".to_vec()),
        (60, b"HTTPClient:Arch:00016:UNDI:003000".to_vec()),
        (77, b"iPXE".to_vec()),
        (93, vec![0, 7]),
        (93, vec![255, 255]),
        (43, vec![71, 4, 0, 0, 0, 0, 255]),
        (43, vec![71, 4, 0x80, 0, 0, 0, 255]),
        (54, SERVER.octets().to_vec()),
        (50, vec![192, 168, 77, 12]),
        (82, vec![5, 4, 192, 168, 77, 0, 11, 4, 192, 168, 77, 9]),
        (118, vec![192, 168, 77, 0]),
    ];
    let option = prop_oneof![2 => anything, 1 => prop::sample::select(real)];
    (
        (1..=8_u8, 0..6_u32, any::<u8>()),
        prop::sample::select(vec![
            [0; 4],
            [192, 168, 77, 10],
            [192, 168, 77, 11],
            [9, 9, 9, 9],
        ]),
        prop::collection::vec(option, 0..8),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<prop::sample::Index>(),
    )
        .prop_map(|((kind, machine, flags), ciaddr, options, pokes, cut)| {
            let mut packet = message(MessageType::from(kind), machine);
            packet.flags = u16::from(flags) << 8;
            packet.ciaddr = ciaddr.into();
            if flags & 0x18 == 0x18 {
                packet.giaddr = [192, 168, 77, flags].into();
            }
            for (code, value) in options {
                packet.options.set(Code(code), value);
            }
            let mut bytes = packet.emit();
            for (at, byte) in pokes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if flags & 7 == 7 {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_conversation_ends_in_small_legal_replies(
        messages in prop::collection::vec((plausible(), 0..400_u64, any::<bool>()), 1..40),
    ) {
        let mut server = Server::checking(10, 14);
        server.boot = Some(golden::pxelinux());
        for (bytes, wait, silent) in messages {
            server.now += wait;
            let Ok(packet) = Packet::parse(&bytes) else { continue };
            let mut answer = server.answer(&packet, None);
            let mut checks = 0;
            while let Answer::Check { address, .. } = answer {
                checks += 1;
                prop_assert!(checks <= MAX_CHECKS);
                let probe = if silent { Probe::Silent } else { Probe::Answered(None) };
                answer = server.answer(&packet, Some((address, probe)));
            }
            if let Answer::Send(outgoing) = answer {
                let limit = packet.options.u16(Code::MAX_MESSAGE).unwrap_or(0).clamp(576, 1500) - 28;
                prop_assert!(outgoing.bytes.len() <= usize::from(limit));
                // A relay may have put its own address into option 54 (RFC 5107).
                if !packet.is_relayed() {
                    open(Answer::Send(outgoing));
                }
            }
            prop_assert!(server.leases.iter().count() <= 5);
        }
    }

    /// Any bytes, in any mode, on either port: no panic, no answer to an answer, and nothing goes
    /// where the rules do not send it.
    #[test]
    fn whatever_comes_every_answer_goes_where_it_may(
        messages in prop::collection::vec(
            (
                prop_oneof![plausible(), prop::collection::vec(any::<u8>(), 0..700)],
                any::<bool>(),
                prop::sample::select(vec![Mode::Server, Mode::Proxy, Mode::Off]),
                prop::sample::select(vec![
                    [0; 4], [255; 4], [192, 168, 77, 10], [192, 168, 77, 11], [192, 168, 77, 1],
                    [192, 168, 77, 255], [10, 0, 0, 1], [9, 9, 9, 9], [224, 0, 0, 1],
                ]),
                prop::sample::select(vec![0_u16, 7, 67, 68, 4011, 40_000]),
            ),
            1..30,
        ),
    ) {
        let mut server = Server::new(10, 14);
        server.boot = Some(golden::pxelinux());
        let mut given = std::collections::HashSet::new();
        for (bytes, boot_server, mode, source, source_port) in messages {
            let Ok(packet) = Packet::parse(&bytes) else { continue };
            server.mode = mode;
            server.port = if boot_server { Port::BootServer } else { Port::Server };
            (server.source, server.source_port) = (source.into(), source_port);
            let answer = server.answer(&packet, None);
            prop_assert!(mode != Mode::Off || answer == Answer::Ignore(IgnoreReason::Off));
            let Answer::Send(outgoing) = &answer else { continue };
            prop_assert_eq!(packet.op, Op::Request);
            prop_assert!(matches!(
                packet.message_type(),
                Some(MessageType::Discover | MessageType::Request | MessageType::Inform)
            ));
            let subnet = &server.config.subnets[0];
            match outgoing.to {
                Destination::Broadcast => prop_assert!(!boot_server),
                Destination::Relay(relay) => {
                    prop_assert_ne!(relay.port(), 0);
                    let relay = *relay.ip();
                    prop_assert!(!boot_server && relay == packet.giaddr && !relay.is_unspecified());
                    prop_assert!(subnet.is_host(relay) || relay == server.source);
                }
                Destination::Frame { mac, .. } => {
                    prop_assert!(!boot_server);
                    prop_assert_eq!(&mac.0[..], packet.hardware_address());
                }
                Destination::Unicast(to) => {
                    prop_assert!(subnet.is_host(*to.ip()) && *to.ip() != SERVER);
                    prop_assert!(to.port() != 0);
                    // Little more than was asked, so that nobody is flooded through us.
                    prop_assert!(outgoing.bytes.len() <= bytes.len().max(300) + 200);
                    let source = SocketAddrV4::new(server.source, source_port);
                    prop_assert!(to == source || !boot_server && to.port() == CLIENT_PORT);
                }
            }
            let reply = Packet::parse(&outgoing.bytes).unwrap();
            prop_assert_eq!(reply.op, Op::Reply);
            if !reply.yiaddr.is_unspecified() {
                prop_assert!(!boot_server);
                // A proxy speaks only of what the server gave before.
                prop_assert!(mode == Mode::Server || given.contains(&reply.yiaddr));
                given.insert(reply.yiaddr);
            }
            if mode == Mode::Proxy || boot_server {
                prop_assert_ne!(outgoing.message, MessageType::Nak);
            }
        }
    }

    /// Two machines never hold a live lease on one address, and what is acknowledged is what the
    /// last record for that address says.
    #[test]
    fn every_acknowledged_address_has_one_owner(
        steps in prop::collection::vec((0..8_u8, 1..5_u32, 10..14_u8, 0..60_u64), 1..120),
    ) {
        let mut server = Server::new(10, 12);
        let mut store = std::collections::HashMap::<Ipv4Addr, Lease>::new();
        for (step, machine, last, wait) in steps {
            server.now += wait * wait * 10;
            let address = host(last);
            let packet = match step {
                0 | 1 => discover(machine),
                2 | 3 => select(machine, address),
                4 => reboot(machine, address),
                5 => renew(machine, address),
                6 => release(machine, address),
                _ => decline(machine, address),
            };
            match server.take(&packet) {
                Answer::Send(Outgoing { commit: Some(lease), .. }) => {
                    let before = store.get(&lease.address);
                    let free = before.is_none_or(|l| l.mac == lease.mac || l.expires <= server.now);
                    prop_assert!(free, "{before:?} given to {lease:?}");
                    prop_assert_eq!(lease.mac, mac(machine));
                    store.retain(|_, l| l.client != lease.client);
                    store.insert(lease.address, lease);
                }
                Answer::Done(note) => match note.record {
                    Some(lease) => { store.insert(note.address, lease); }
                    None => { store.remove(&note.address); }
                },
                _ => {}
            }
            let mut ours: Vec<_> = server.leases.iter().cloned().collect();
            let mut kept: Vec<_> = store.values().cloned().collect();
            ours.sort_by_key(|l| l.address);
            kept.sort_by_key(|l| l.address);
            prop_assert_eq!(ours, kept, "the store and the table differ");
        }
    }
}
