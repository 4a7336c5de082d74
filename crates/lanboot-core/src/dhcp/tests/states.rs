//! RFC 2131's states: what each message gets, in each state an address can be in.

use super::*;

/// The state of a machine at the server before it asks for 192.168.77.10.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Offered,
    Bound,
    Expired,
    Released,
    /// Somebody else.
    OfferedToOther,
    BoundByOther,
    ExpiredOfOther,
    DeclinedByOther,
}

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Offer(Ipv4Addr),
    Ack(Ipv4Addr),
    Nak,
    Silence,
}

fn server_in(before: Before) -> Server {
    let mut server = Server::new(10, 11);
    let ten = host(10);
    let hint = |machine| {
        let mut packet = discover(machine);
        packet.options.set(Code::REQUESTED_ADDRESS, ten.octets());
        packet
    };
    match before {
        Before::Nothing => {}
        Before::Offered => assert_eq!(server.offered(&hint(1)), ten),
        Before::OfferedToOther => assert_eq!(server.offered(&hint(2)), ten),
        Before::Bound | Before::Expired | Before::Released => {
            server.bound(&reboot(1, ten));
        }
        Before::BoundByOther | Before::ExpiredOfOther | Before::DeclinedByOther => {
            server.bound(&reboot(2, ten));
        }
    }
    match before {
        Before::Expired | Before::ExpiredOfOther => server.now += 12 * 3600,
        Before::Released => {
            server.source = ten;
            assert!(matches!(server.take(&release(1, ten)), Answer::Done(_)));
            server.source = Ipv4Addr::UNSPECIFIED;
        }
        Before::DeclinedByOther => {
            assert!(matches!(server.take(&decline(2, ten)), Answer::Done(_)));
        }
        _ => {}
    }
    server
}

fn got(answer: Answer) -> Got {
    match answer {
        Answer::Ignore(_) => Got::Silence,
        other => {
            let (outgoing, reply) = open(other);
            match outgoing.message {
                MessageType::Offer => Got::Offer(reply.yiaddr),
                MessageType::Ack => Got::Ack(reply.yiaddr),
                _ => Got::Nak,
            }
        }
    }
}

#[test]
fn the_state_table_of_rfc_2131_holds() {
    let (ten, eleven) = (host(10), host(11));
    let mut ask_ten = discover(1);
    ask_ten.options.set(Code::REQUESTED_ADDRESS, ten.octets());
    let mut elsewhere = select(1, ten);
    elsewhere.options.set(Code::SERVER_ID, [192, 168, 77, 2]);
    for before in [
        Before::Nothing,
        Before::Offered,
        Before::Bound,
        Before::Expired,
        Before::Released,
        Before::OfferedToOther,
        Before::BoundByOther,
        Before::ExpiredOfOther,
        Before::DeclinedByOther,
    ] {
        let (free, busy_for_renewal) = match before {
            Before::OfferedToOther | Before::BoundByOther | Before::DeclinedByOther => {
                (false, true)
            }
            _ => (true, false),
        };
        let offer = if free { ten } else { eleven };
        let claim = if busy_for_renewal {
            Got::Nak
        } else {
            Got::Ack(ten)
        };
        assert_eq!(
            got(server_in(before).take(&ask_ten)),
            Got::Offer(offer),
            "{before:?}"
        );
        assert_eq!(
            got(server_in(before).take(&select(1, ten))),
            claim,
            "{before:?} SELECTING"
        );
        assert_eq!(
            got(server_in(before).take(&reboot(1, ten))),
            claim,
            "{before:?} INIT-REBOOT"
        );
        assert_eq!(
            got(server_in(before).take(&renew(1, ten))),
            claim,
            "{before:?} REBINDING"
        );
        assert_eq!(
            got(server_in(before).take(&elsewhere)),
            Got::Silence,
            "{before:?} elsewhere"
        );
        assert_eq!(
            got(server_in(before).take(&reboot(1, Ipv4Addr::new(10, 1, 1, 1)))),
            Got::Nak,
            "{before:?} wrong network"
        );
        // RFC 2131 §4.3.2: silence about machines nothing is known of. Others may have given it.
        let is_known = matches!(
            before,
            Before::Offered | Before::Bound | Before::Expired | Before::Released
        );
        let outside = if is_known { Got::Nak } else { Got::Silence };
        for packet in [reboot(1, host(99)), renew(1, host(99))] {
            assert_eq!(
                got(server_in(before).take(&packet)),
                outside,
                "{before:?} outside the range"
            );
        }
        assert_eq!(
            got(server_in(before).take(&select(1, host(99)))),
            Got::Nak,
            "{before:?} an offer we did not make"
        );
    }
}

#[test]
fn a_machine_that_chose_another_server_frees_our_offer() {
    let mut server = Server::new(10, 10);
    server.offered(&discover(1));
    assert!(server.ignored(&discover(2)).contains("no address is free"));
    let mut packet = select(1, host(10));
    packet.options.set(Code::SERVER_ID, [192, 168, 77, 9]);
    assert_eq!(server.ignored(&packet), "it chose the server 192.168.77.9");
    assert_eq!(server.offered(&discover(2)), host(10));
}

#[test]
fn an_offer_lapses_and_is_still_granted_when_nobody_took_the_address() {
    let mut server = Server::new(10, 10);
    server.offered(&discover(1));
    server.now += OFFER_RESERVATION - 1;
    server.ignored(&discover(2));
    server.now += 1;
    assert_eq!(server.offered(&discover(2)), host(10));
    assert_eq!(
        server.refused(&select(1, host(10))),
        "192.168.77.10 is offered to another machine"
    );
    server.now += OFFER_RESERVATION;
    server.bound(&select(1, host(10)));
}

#[test]
fn answers_go_where_rfc_2131_section_4_1_says() {
    let mut server = Server::new(10, 20);
    let mut packet = discover(1);
    let (outgoing, reply) = server.sent(&packet);
    let address = reply.yiaddr;
    let mac = mac(1);
    assert_eq!(outgoing.to, Destination::Frame { mac, address });

    packet.flags = 0x8000;
    let (outgoing, reply) = server.sent(&packet);
    assert_eq!(outgoing.to, Destination::Broadcast);
    assert_eq!(reply.flags, 0x8000);

    assert_eq!(
        server.sent(&select(1, address)).0.to,
        Destination::Frame { mac, address }
    );
    let unicast = Destination::Unicast(SocketAddrV4::new(address, 68));
    let (outgoing, reply) = server.sent(&renew(1, address));
    assert_eq!((outgoing.to, reply.ciaddr), (unicast, address));

    // An unexpected ciaddr in a DISCOVER sends nothing to strangers.
    let mut packet = discover(2);
    packet.ciaddr = Ipv4Addr::new(8, 8, 8, 8);
    assert!(matches!(
        server.sent(&packet).0.to,
        Destination::Frame { .. }
    ));

    // A NAK is broadcast even when the machine has an address.
    let nak = server.sent(&renew(1, Ipv4Addr::new(10, 0, 0, 1))).0;
    assert_eq!(
        (nak.message, nak.to),
        (MessageType::Nak, Destination::Broadcast)
    );
}

#[test]
fn a_relayed_message_is_answered_to_its_relay_from_its_own_subnet() {
    let relay = Ipv4Addr::new(10, 9, 0, 1);
    let mut far = subnet(10, 20);
    far.network = Ipv4Addr::new(10, 9, 0, 0);
    far.range = (Ipv4Addr::new(10, 9, 0, 50), Ipv4Addr::new(10, 9, 0, 60));
    let mut server = Server::with(Config {
        subnets: vec![subnet(10, 20), far],
        only: vec![],
        check: true,
    });
    server.source = relay;
    let mut packet = discover(1);
    packet.giaddr = relay;
    packet.hops = 1;
    packet.options.set(Code::RELAY, *b"\x01\x04eth3");
    packet.options.set(Code(12), *b"box");
    let Answer::Check {
        address,
        by_ping: true,
    } = server.take(&packet)
    else {
        panic!("not checked through the relay");
    };
    let (outgoing, reply) = open(server.probed(&packet, address, Probe::Silent));
    assert_eq!(outgoing.to, to_relay(relay));
    assert_eq!((reply.giaddr, reply.hops), (relay, 1));
    assert!(server.config.subnets[1].contains(reply.yiaddr));
    // RFC 3046 §2.2: echoed as the last option.
    let last = reply.options.iter().last().unwrap();
    assert_eq!(last, (Code::RELAY, &b"\x01\x04eth3"[..]));

    let mut packet = select(1, reply.yiaddr);
    packet.giaddr = relay;
    server.bound(&packet);

    // It renews without the relay, routed from its own address.
    let address = reply.yiaddr;
    server.source = address;
    let (outgoing, _) = server.sent(&renew(1, address));
    assert_eq!(
        outgoing.to,
        Destination::Unicast(SocketAddrV4::new(address, 68))
    );

    // A NAK through a relay asks it to broadcast.
    let mut packet = reboot(1, host(10));
    packet.giaddr = relay;
    let (nak, reply) = server.sent(&packet);
    assert_eq!((nak.message, nak.to), (MessageType::Nak, to_relay(relay)));
    assert_eq!(reply.flags, 0x8000);
}

#[test]
fn a_relay_nobody_configured_gets_nothing() {
    let mut server = Server::new(10, 20);
    for giaddr in [
        [10, 9, 0, 1],
        [255, 255, 255, 255],
        [192, 168, 77, 255],
        [192, 168, 77, 0],
    ] {
        let mut packet = discover(1);
        packet.giaddr = giaddr.into();
        let why = server.ignored(&packet);
        assert_eq!(
            why,
            format!("no subnet is configured for the relay {}", packet.giaddr)
        );
    }
    let mut packet = discover(1);
    packet.giaddr = SERVER;
    assert_eq!(server.ignored(&packet), "it comes from this server itself");
    packet.giaddr = host(200);
    packet.hops = 17;
    assert!(server.ignored(&packet).contains("17 relays"));
}

#[test]
fn inform_gets_parameters_and_no_lease() {
    let mut server = Server::new(10, 20);
    server.config.subnets[0].dns = vec![host(53)];
    let mut packet = message(MessageType::Inform, 1);
    packet.ciaddr = host(200);
    let (outgoing, reply) = server.sent(&packet);
    assert_eq!(outgoing.message, MessageType::Ack);
    assert_eq!(
        outgoing.to,
        Destination::Unicast(SocketAddrV4::new(host(200), 68))
    );
    assert_eq!((outgoing.commit, outgoing.address), (None, Some(host(200))));
    assert_eq!(
        (reply.yiaddr, reply.ciaddr),
        (Ipv4Addr::UNSPECIFIED, host(200))
    );
    assert_eq!(reply.options.get(Code::DNS), Some(&host(53).octets()[..]));
    for code in [Code::LEASE_TIME, Code::RENEWAL, Code::REBINDING] {
        assert!(!reply.options.has(code));
    }
    assert_eq!(server.leases.iter().count(), 0);

    packet.ciaddr = Ipv4Addr::UNSPECIFIED;
    assert_eq!(server.ignored(&packet), "it names no address");
    packet.ciaddr = Ipv4Addr::new(8, 8, 8, 8);
    assert_eq!(
        server.ignored(&packet),
        "its address 8.8.8.8 is in no network served here"
    );
}

#[test]
fn a_released_address_is_remembered_and_given_away_last() {
    let mut server = Server::new(10, 11);
    let first = server.join(1);
    server.source = first;
    let Answer::Done(note) = server.take(&release(1, first)) else {
        panic!("release refused");
    };
    let record = note.record.unwrap();
    assert_eq!((record.state, record.expires), (State::Released, START));
    server.source = Ipv4Addr::UNSPECIFIED;

    let second = server.join(2);
    assert_ne!(second, first, "the address nobody had goes first");
    assert_eq!(server.offered(&discover(1)), first);
    server.now += OFFER_RESERVATION;
    assert_eq!(server.join(3), first, "then the one given back");
    assert!(server.ignored(&discover(1)).contains("no address is free"));
}

#[test]
fn a_machine_cannot_release_or_decline_what_is_not_its_own() {
    let mut server = Server::new(10, 11);
    let address = server.join(1);
    for packet in [
        release(2, address),
        decline(2, address),
        decline(1, host(11)),
        release(1, host(11)),
    ] {
        assert!(server.ignored(&packet).ends_with("is not leased to it"));
    }
    let mut packet = release(1, address);
    packet.options.set(Code::SERVER_ID, [1, 2, 3, 4]);
    assert_eq!(server.ignored(&packet), "it chose the server 1.2.3.4");
    assert_eq!(server.leases.get(address).unwrap().state, State::Bound);
}

#[test]
fn an_address_stays_with_its_machine_after_expiry_and_after_a_restart() {
    let mut server = Server::new(10, 200);
    let address = server.join(7);
    server.now += 30 * 24 * 3600;
    assert_eq!(server.offered(&discover(7)), address);
    server.bound(&select(7, address));

    let records: Vec<Lease> = server.leases.iter().cloned().collect();
    let mut again = Server::new(10, 200);
    let restored = again
        .leases
        .restore(records.into_iter(), Duration::from_secs(server.now));
    assert_eq!(
        restored,
        Restored {
            kept: 1,
            dropped: 0
        }
    );
    again.now = server.now;
    assert_eq!(again.offered(&discover(7)), address);

    let mut without_memory = Server::new(10, 200);
    assert_eq!(without_memory.offered(&discover(7)), address);
}

#[test]
fn leases_of_a_clock_that_was_ahead_end_as_if_given_now() {
    const DECADE: u64 = 10 * 365 * 24 * 3600;
    let mut ahead = Server::new(10, 11);
    ahead.now += DECADE;
    let (ten, eleven) = (ahead.join(1), ahead.join(2));
    let records: Vec<Lease> = ahead.leases.iter().cloned().collect();

    // After a restart, and in the one that goes on.
    let mut again = Server::new(10, 11);
    again
        .leases
        .restore(records.into_iter(), Duration::from_secs(again.now));
    ahead.now = START;
    for mut server in [again, ahead] {
        assert!(server.ignored(&discover(3)).starts_with("no address"));
        assert_eq!(server.offered(&discover(1)), ten);
        server.now += Subnet::LEASE_TIME.as_secs();
        assert_eq!(server.bound(&select(1, ten)).address, ten);
        assert_eq!(server.join(3), eleven);
        let ends = server.leases.iter().map(|lease| lease.expires);
        assert!(ends.max().unwrap() <= server.now + Subnet::LEASE_TIME.as_secs());
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_no_address_and_no_machine_waiting() {
    const DECADE: u64 = 10 * 365 * 24 * 3600;
    let mut server = Server::new(10, 12);
    server.now += DECADE;
    for _ in 0..3 {
        let address = server.join(1);
        server.take(&decline(1, address));
        server.now += 1;
    }
    server.now = START;
    let _ = server.take(&discover(2));
    server.now += 700;
    let mut joined = [1, 2, 3].map(|machine| server.join(machine));
    joined.sort_unstable();
    assert_eq!(joined, [host(10), host(11), host(12)]);
}

#[test]
fn records_that_no_longer_fit_are_dropped() {
    let mut old = Server::new(10, 20);
    let kept = old.bound(&reboot(1, host(12)));
    let gone = old.bound(&reboot(2, host(19)));
    let moved = Lease {
        address: host(13),
        expires: kept.expires - 1,
        ..kept.clone()
    };
    let newer = Lease {
        address: host(14),
        expires: kept.expires + 1,
        ..kept.clone()
    };
    let mut server = Server::new(10, 15);
    let records = [kept, gone, moved, newer.clone()];
    assert_eq!(
        server
            .leases
            .restore(records.into_iter(), Duration::from_secs(START + 1)),
        Restored {
            kept: 2,
            dropped: 2
        }
    );
    assert_eq!(server.leases.iter().collect::<Vec<_>>(), [&newer]);
}

#[test]
fn all_stages_of_one_boot_get_one_address() {
    let mut server = Server::checking(10, 10);
    let mut firmware = discover(1);
    firmware
        .options
        .set(Code::CLIENT_ID, [&[0][..], &[9; 16]].concat());
    let mut ipxe = discover(1);
    ipxe.options
        .set(Code::CLIENT_ID, [&[1][..], &mac(1).0].concat());
    let initramfs = discover(1);
    let mut system = discover(1);
    system
        .options
        .set(Code::CLIENT_ID, [255, 1, 2, 3, 4, 0, 1, 5, 6, 7]);
    for (round, mut packet) in [firmware, ipxe, initramfs, system].into_iter().enumerate() {
        match server.take(&packet) {
            Answer::Check { address, .. } => {
                assert_eq!(address, host(10));
                open(server.probed(&packet, address, Probe::Silent));
            }
            other => assert_eq!((round, got(other)), (2, Got::Offer(host(10)))),
        }
        packet.options.set(Code::MESSAGE_TYPE, [3]);
        packet.options.set(Code::SERVER_ID, SERVER.octets());
        packet
            .options
            .set(Code::REQUESTED_ADDRESS, host(10).octets());
        assert_eq!(server.bound(&packet).mac, mac(1));
        server.now += 5;
    }
    assert_eq!(server.leases.iter().count(), 1);
}

#[test]
fn two_clients_behind_one_hardware_address_get_two_addresses_when_both_are_alive() {
    let mut server = Server::checking(10, 12);
    let named = |kind: MessageType, name: u8| {
        let mut packet = message(kind, 1);
        packet.options.set(Code::CLIENT_ID, [0, name]);
        packet
    };
    let join = |server: &mut Server, name, alive: Option<Mac>| {
        let packet = named(MessageType::Discover, name);
        let mut answer = server.take(&packet);
        let mut probe = alive.map_or(Probe::Silent, |mac| Probe::Answered(Some(mac)));
        while let Answer::Check { address, .. } = answer {
            answer = server.probed(&packet, address, probe);
            probe = Probe::Silent;
        }
        let address = open(answer).1.yiaddr;
        let mut packet = named(MessageType::Request, name);
        packet.options.set(Code::SERVER_ID, SERVER.octets());
        packet
            .options
            .set(Code::REQUESTED_ADDRESS, address.octets());
        server.bound(&packet).address
    };
    let first = join(&mut server, 1, None);
    let second = join(&mut server, 2, Some(mac(1)));
    assert_ne!(first, second);
    let mut packet = named(MessageType::Request, 1);
    packet.ciaddr = first;
    assert_eq!(server.bound(&packet).address, first);
}

#[test]
fn an_address_in_use_is_left_alone_and_the_next_one_checked() {
    let mut server = Server::checking(10, 11);
    let packet = discover(1);
    let Answer::Check {
        address: first,
        by_ping: false,
    } = server.take(&packet)
    else {
        panic!("not checked");
    };
    assert_eq!(
        server.ignored(&packet),
        format!("{first} is still being checked for it")
    );
    let Answer::Check {
        address: second, ..
    } = server.probed(&packet, first, Probe::Answered(Some(mac(99))))
    else {
        panic!("the next one is not checked");
    };
    assert_ne!(first, second);
    assert_eq!(
        open(server.probed(&packet, second, Probe::Silent)).1.yiaddr,
        second
    );
    // The offer is repeated without a check.
    assert_eq!(server.offered(&packet), second);
    assert_eq!(
        server.probed(&packet, second, Probe::Silent),
        Answer::Ignore(IgnoreReason::StaleCheck(second))
    );
    // The machine that answered may have a lease that we lost: it keeps its address.
    assert!(
        server
            .refused(&reboot(5, first))
            .ends_with("without a lease")
    );
    assert_eq!(server.bound(&renew(5, first)).address, first);
    // What was found in use is tried again later.
    let mut server = Server::checking(10, 10);
    server.take(&packet);
    let full = server.probed(&packet, host(10), Probe::Answered(None));
    assert_eq!(
        full,
        Answer::Ignore(IgnoreReason::PoolFull(host(10), host(10)))
    );
    server.now += IN_USE_TIME;
    assert!(matches!(server.take(&packet), Answer::Check { .. }));
}

#[test]
fn checks_for_one_discover_are_bounded() {
    let mut server = Server::checking(10, 200);
    let packet = discover(1);
    let mut answer = server.take(&packet);
    let mut checks = 0;
    while let Answer::Check { address, .. } = answer {
        checks += 1;
        answer = server.probed(&packet, address, Probe::Answered(None));
    }
    assert_eq!(checks, 4);
    assert_eq!(answer, Answer::Ignore(IgnoreReason::AllInUse(4)));
    assert!(
        matches!(server.take(&packet), Answer::Check { .. }),
        "the next attempt goes on"
    );
}

#[test]
fn no_check_is_asked_for_when_it_is_not_needed_or_there_is_no_time() {
    let mut server = Server::checking(10, 20);
    let packet = discover(1);
    server.overloaded = true;
    let address = server.offered(&packet);
    server.overloaded = false;
    server.bound(&select(1, address));
    server.now += 3600;
    assert_eq!(server.offered(&packet), address, "a live lease");

    // Found free a moment ago, never taken.
    let packet = discover(2);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    server.probed(&packet, address, Probe::Silent);
    server.now += OFFER_RESERVATION;
    assert_eq!(server.offered(&packet), address);

    // Its own last life answers for an address that was its own.
    let packet = discover(1);
    server.now += 24 * 3600;
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("an expired lease is checked");
    };
    open(server.probed(&packet, address, Probe::Answered(Some(mac(1)))));
}

#[test]
fn a_check_whose_result_never_comes_is_forgotten() {
    let mut server = Server::checking(10, 20);
    let packet = discover(1);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    server.now += CHECK_RESERVATION;
    assert_eq!(
        server.probed(&packet, address, Probe::Silent),
        Answer::Ignore(IgnoreReason::StaleCheck(address))
    );
    assert!(matches!(server.take(&packet), Answer::Check { .. }));
}

#[test]
fn routers_name_servers_and_ourselves_are_never_handed_out() {
    let mut server = Server::new(1, 254);
    server.config.subnets[0].range = (host(0), host(4));
    server.config.subnets[0].routers = vec![host(2)];
    server.config.subnets[0].dns = vec![host(3)];
    server.leases = Leases::new(&server.config.subnets);
    assert_eq!(server.join(1), host(4));
    assert!(server.ignored(&discover(2)).contains("no address is free"));
    for last in [1, 2, 3] {
        assert!(
            server
                .refused(&reboot(2, host(last)))
                .contains("belongs to")
        );
    }
    assert!(
        server
            .refused(&reboot(2, host(0)))
            .contains("is not an address")
    );
}

#[test]
fn a_range_of_reserved_addresses_alone_has_no_room() {
    for (range, is_usable) in [
        ((1, 1), false),
        ((0, 3), false),
        ((0, 4), true),
        ((255, 255), false),
        ((0, 0), false),
        ((10, 10), true),
    ] {
        let mut server = Server::new(10, 10);
        let subnet = &mut server.config.subnets[0];
        subnet.range = (host(range.0), host(range.1));
        subnet.routers = vec![host(2)];
        subnet.dns = vec![host(3)];
        let mut leases = Leases::new(&server.config.subnets);
        leases.exclude(SERVER);
        let subnet = &server.config.subnets[0];
        assert_eq!(leases.has_room(subnet), is_usable, "{range:?}");
    }
}

#[test]
fn other_machines_than_those_named_get_nothing() {
    let mut server = Server::new(10, 20);
    server.config.only = vec![mac(1)];
    assert_eq!(server.ignored(&discover(2)), "not in --only");
    server.join(1);
}

#[test]
fn a_host_name_is_kept_printable() {
    let mut server = Server::new(10, 20);
    let mut packet = reboot(1, host(10));
    packet.options.set(Code::HOST_NAME, *b"box\x1b[1m\0junk");
    assert_eq!(
        server.bound(&packet).hostname.as_deref(),
        Some("box\\x1b[1m")
    );
    packet.options.set(Code::HOST_NAME, *b"\0");
    assert_eq!(server.bound(&packet).hostname, None);
}

#[test]
fn expired_leases_held_for_one_machine_are_not_offered_to_another() {
    let mut server = Server::new(10, 11);
    let (first, second) = (server.join(1), server.join(2));
    server.now += 12 * 3600;
    let third = server.offered(&discover(3));
    let fourth = server.offered(&discover(4));
    assert_eq!(
        [third, fourth]
            .iter()
            .collect::<std::collections::HashSet<_>>()
            .len(),
        2
    );
    assert!([first, second].contains(&third));
    // Those who had them come too late.
    for machine in [1, 2] {
        assert!(
            server
                .ignored(&discover(machine))
                .contains("no address is free")
        );
        assert!(
            server
                .refused(&renew(machine, [first, second][machine as usize - 1]))
                .contains("offered")
        );
    }
    // Nobody took them in the end.
    server.now += OFFER_RESERVATION;
    assert_eq!(server.offered(&discover(1)), first);
    assert_eq!(server.offered(&discover(2)), second);
}

#[test]
fn an_expired_address_somebody_else_uses_now_is_not_given_back() {
    let mut server = Server::checking(10, 11);
    let first = server.bound(&reboot(1, host(10))).address;
    server.now += 12 * 3600;
    let packet = discover(1);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    assert_eq!(address, first);
    let Answer::Check { address, .. } =
        server.probed(&packet, first, Probe::Answered(Some(mac(9))))
    else {
        panic!("the next one is not checked");
    };
    assert_eq!(address, host(11));
}

#[test]
fn a_client_without_identifier_is_the_one_that_names_its_hardware_address() {
    let plain = discover(1);
    let mut named = discover(1);
    named
        .options
        .set(Code::CLIENT_ID, [&[1][..], &mac(1).0].concat());
    assert_eq!(ClientId::of(&plain), ClientId::of(&named));
    assert_eq!(ClientId::of(&plain).to_string(), "01:02:00:00:00:00:01");
    assert_ne!(ClientId::of(&plain), ClientId::of(&discover(2)));
}
