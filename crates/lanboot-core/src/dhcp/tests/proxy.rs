//! Proxy and boot server: the dialogues of real firmware beside another DHCP server, a server that
//! steps down, and what must stay unanswered.

use super::golden::{codes, edk2, ipxe_rom, pxelinux, script};
use super::*;
use crate::machine::Arch;

/// The LAN's DHCP server, which names itself as next server.
const OTHER: [u8; 4] = [192, 168, 77, 254];
const PXE_X64: &str = "PXEClient:Arch:00007:UNDI:003016";

fn proxy() -> Server {
    let mut server = Server::new(10, 200);
    server.mode = Mode::Proxy;
    server.boot = Some(pxelinux());
    server
}

/// UEFI's loader, at a host that is not this one.
fn snponly() -> Offer {
    Offer {
        server: SERVER.into(),
        file: "snponly.efi".to_owned(),
        config: None,
        prefix: None,
        warning: None,
    }
}

/// Returns what it broadcasts when it took the other server's offer.
fn takes_the_other(mut packet: Packet) -> Packet {
    packet.options.set(Code::MESSAGE_TYPE, [3]);
    packet.options.set(Code::SERVER_ID, OTHER);
    packet
        .options
        .set(Code::REQUESTED_ADDRESS, [192, 168, 77, 60]);
    packet
}

/// Returns what it then asks at port 4011.
fn asks_for_the_file(mut packet: Packet) -> Packet {
    packet.options.set(Code::MESSAGE_TYPE, [3]);
    packet.options.remove(Code::CLIENT_ID);
    packet.flags = 0;
    packet.ciaddr = host(60);
    packet
}

fn at_4011(server: &mut Server, port: u16) {
    server.port = Port::BootServer;
    (server.source, server.source_port) = (host(60), port);
}

#[test]
fn the_ipxe_rom_takes_its_script_from_the_offer_and_asks_nobody_else() {
    let mut server = proxy();
    server.boot = Some(script());
    let (outgoing, reply) = server.sent(&ipxe_rom());
    assert_eq!(outgoing.to, Destination::Broadcast);
    assert_eq!((outgoing.address, outgoing.commit), (None, None));
    let mut wanted = Vec::new();
    wanted.extend_from_slice(&[2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
    wanted.extend_from_slice(&[0; 8]);
    wanted.extend_from_slice(&SERVER.octets());
    wanted.extend_from_slice(&[0, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
    wanted.resize(108, 0);
    wanted.extend_from_slice(b"http://192.168.77.1/boot.ipxe");
    wanted.resize(236, 0);
    wanted.extend_from_slice(&[99, 130, 83, 99]);
    wanted.extend_from_slice(&[53, 1, 2, 54, 4, 192, 168, 77, 1]);
    wanted.extend_from_slice(b"\x3c\x09PXEClient\x2b\x04\x06\x01\x08\xff");
    wanted.extend_from_slice(&[97, 17, 0]);
    wanted.extend(1..=16);
    wanted.extend_from_slice(b"\x43\x1ehttp://192.168.77.1/boot.ipxe\0");
    wanted.extend_from_slice(b"\x42\x0d192.168.77.1\0");
    wanted.extend_from_slice(&[61, 7, 1, 2, 0, 0, 0, 0, 1, 255]);
    assert_eq!(outgoing.bytes, wanted);
    // A proxy must not make it ignore proxies.
    assert!(!reply.options.has(Code::IPXE));
    assert_eq!(
        server.ignored(&takes_the_other(ipxe_rom())),
        "it chose the server 192.168.77.254"
    );
}

#[test]
fn uefi_pxe_is_sent_to_port_4011_and_gets_its_file_there() {
    let mut server = proxy();
    server.boot = Some(snponly());
    let discover = edk2(7, PXE_X64);
    let (outgoing, reply) = server.sent(&discover);
    assert_eq!(outgoing.to, Destination::Broadcast);
    assert_eq!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(reply.siaddr, SERVER);
    assert_eq!(&reply.file[..12], b"snponly.efi\0");
    // EDK2 of before 2017 throws away proxy offers with option 43.
    assert_eq!(codes(&reply), [53, 54, 60, 97, 67, 66, 61]);
    assert_eq!(
        reply.options.get(Code::VENDOR_CLASS),
        Some(&b"PXEClient"[..])
    );
    server.ignored(&takes_the_other(discover.clone()));

    at_4011(&mut server, 4011);
    let (outgoing, reply) = server.sent(&asks_for_the_file(discover));
    assert_eq!(
        outgoing.to,
        Destination::Unicast(SocketAddrV4::new(host(60), 4011))
    );
    let mut wanted = Vec::new();
    wanted.extend_from_slice(&[2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
    wanted.extend_from_slice(&host(60).octets());
    wanted.extend_from_slice(&[0; 4]);
    wanted.extend_from_slice(&SERVER.octets());
    wanted.extend_from_slice(&[0, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
    wanted.resize(108, 0);
    wanted.extend_from_slice(b"snponly.efi");
    wanted.resize(236, 0);
    wanted.extend_from_slice(&[99, 130, 83, 99]);
    wanted.extend_from_slice(&[53, 1, 5, 54, 4, 192, 168, 77, 1]);
    wanted.extend_from_slice(b"\x3c\x09PXEClient\x61\x11\0");
    wanted.extend_from_slice(&[0xab; 16]);
    wanted.extend_from_slice(b"\x43\x0csnponly.efi\0\x42\x0d192.168.77.1\0\xff");
    assert_eq!(outgoing.bytes, wanted);
    assert_eq!(reply.ciaddr, host(60));
    assert_eq!(outgoing.detail.as_deref(), Some("snponly.efi"));
    assert_eq!(server.leases.iter().count(), 0);
}

#[test]
fn http_boot_gets_its_class_and_url_and_nothing_of_pxe() {
    let mut server = proxy();
    let url = "http://192.168.77.1/loader/snponly.efi";
    server.boot = Some(Offer {
        file: url.to_owned(),
        ..snponly()
    });
    let (outgoing, reply) = server.sent(&edk2(16, "HTTPClient:Arch:00016:UNDI:003000"));
    assert_eq!(outgoing.to, Destination::Broadcast);
    assert_eq!(codes(&reply), [53, 54, 60, 97, 67, 66, 61]);
    assert_eq!(
        reply.options.get(Code::VENDOR_CLASS),
        Some(&b"HTTPClient"[..])
    );
    let with_nul = format!("{url}\0");
    assert_eq!(
        reply.options.get(Code::BOOT_FILE),
        Some(with_nul.as_bytes())
    );
    assert_eq!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
}

#[test]
fn a_bios_rom_is_to_use_the_file_and_gets_pxelinux_options() {
    let mut server = proxy();
    let mut packet = discover(1);
    packet
        .options
        .set(Code::VENDOR_CLASS, *b"PXEClient:Arch:00000:UNDI:002001");
    packet.options.set(Code::ARCH, [0, 0]);
    let (_, reply) = server.sent(&packet);
    // It sent no 97, and none comes back.
    assert_eq!(codes(&reply), [53, 54, 60, 43, 67, 209, 210, 66]);
    // The file is here, and a menu of one entry for those that insist on one (PXE-E74).
    let mut menu = vec![6, 1, 11, 10, 4, 0, b'P', b'X', b'E', 8, 7, 0x80, 0, 1];
    menu.extend_from_slice(&SERVER.octets());
    menu.extend_from_slice(b"\x09\x0a\x80\0\x07lanboot\xff");
    assert_eq!(reply.options.get(Code::VENDOR), Some(&menu[..]));
    let read = pxe::vendor_options(&menu);
    assert_eq!(read.menu, Some(&b"\x80\0\x07lanboot"[..]));
    assert_eq!(read.prompt, Some(&b"\0PXE"[..]));
    assert_eq!(&reply.file[..10], &pxelinux().file.as_bytes()[..10]);
    // Asked at 4011 all the same, it hears the same.
    at_4011(&mut server, 68);
    let (outgoing, reply) = server.sent(&asks_for_the_file(packet));
    assert_eq!(
        outgoing.to,
        Destination::Unicast(SocketAddrV4::new(host(60), 68))
    );
    assert_eq!(codes(&reply), [53, 54, 60, 43, 67, 209, 210, 66]);
    assert_eq!(reply.options.get(Code::VENDOR), Some(&[6, 1, 8, 255][..]));
}

#[test]
fn a_rom_that_takes_the_menu_gets_its_file_from_the_boot_server_it_names() {
    let mut server = proxy();
    let rom = edk2(0, "PXEClient:Arch:00000:UNDI:002001");
    let (_, reply) = server.sent(&rom);
    let offered = pxe::vendor_options(reply.options.get(Code::VENDOR).unwrap());
    let [item, more, _, a, b, c, d] = *offered.boot_servers.unwrap() else {
        panic!("not one server");
    };
    assert_eq!(Ipv4Addr::from([a, b, c, d]), SERVER);
    at_4011(&mut server, 68);
    let mut asks = asks_for_the_file(rom);
    let chosen = [71, 4, item, more, 0, 0, 255];
    asks.options.set(Code::VENDOR, chosen);
    let (outgoing, reply) = server.sent(&asks);
    assert_eq!(outgoing.message, MessageType::Ack);
    assert_eq!(&reply.file[..10], &pxelinux().file.as_bytes()[..10]);
    assert_eq!(
        reply.options.get(Code::VENDOR),
        Some(&[[6, 1, 8].as_slice(), &chosen].concat()[..])
    );
}

#[test]
fn without_port_4011_no_offer_sends_a_machine_there() {
    for (class, arch) in [(PXE_X64, 7), ("PXEClient:Arch:00011", 11), ("PXEClient", 0)] {
        let mut server = proxy();
        server.boot_server = false;
        server.boot = Some(snponly());
        let (_, reply) = server.sent(&edk2(arch, class));
        // EDK2 calls this a PXE10 offer and loads the file: option 60, option 43 with 6 = 8, the
        // file, the server in siaddr, and no address.
        assert_eq!(codes(&reply), [53, 54, 60, 43, 97, 67, 66, 61]);
        assert_eq!(reply.options.get(Code::VENDOR), Some(&[6, 1, 8, 255][..]));
        assert_eq!(&reply.file[..12], b"snponly.efi\0");
        assert_eq!((reply.siaddr, reply.yiaddr), (SERVER, [0; 4].into()));
    }
    // The rest asks nobody there anyway.
    let mut server = proxy();
    server.boot = Some(script());
    let with = server.sent(&ipxe_rom()).0;
    server.boot_server = false;
    assert_eq!(server.sent(&ipxe_rom()).0, with);
    let http = edk2(16, "HTTPClient:Arch:00016:UNDI:003000");
    let without = server.sent(&http).0;
    server.boot_server = true;
    assert_eq!(server.sent(&http).0, without);
}

#[test]
fn a_raspberry_pi_finds_its_menu_entry_in_every_mode() {
    for mode in [Mode::Proxy, Mode::Server] {
        let mut server = proxy();
        server.mode = mode;
        let mut packet = discover(1);
        packet.chaddr[..3].copy_from_slice(&[0xdc, 0xa6, 0x32]);
        packet
            .options
            .set(Code::VENDOR_CLASS, *b"PXEClient:Arch:00000:UNDI:002001");
        packet.options.set(Code::ARCH, [0, 0]);
        let (_, reply) = server.sent(&packet);
        let option = reply.options.get(Code::VENDOR).unwrap();
        assert_eq!(option.len(), 32);
        let read = pxe::vendor_options(option);
        assert_eq!(read.discovery_control, Some(3));
        assert_eq!(read.menu, Some(&b"\0\0\x11Raspberry Pi Boot"[..]));
        assert_eq!(
            reply.options.get(Code::VENDOR_CLASS),
            Some(&b"PXEClient"[..])
        );
        assert_eq!(reply.yiaddr.is_unspecified(), mode == Mode::Proxy);
    }
}

#[test]
fn the_boot_item_asked_for_comes_back_and_another_one_gets_nothing() {
    let mut server = proxy();
    at_4011(&mut server, 68);
    let mut packet = asks_for_the_file(edk2(0, "PXEClient:Arch:00000:UNDI:002001"));
    packet.options.set(Code::VENDOR, [71, 4, 0, 0, 0, 0, 255]);
    let (_, reply) = server.sent(&packet);
    assert_eq!(
        reply.options.get(Code::VENDOR),
        Some(&[6, 1, 8, 71, 4, 0, 0, 0, 0, 255][..])
    );
    // An offer is no answer to it.
    let mut early = edk2(0, "PXEClient:Arch:00000:UNDI:002001");
    early.options.set(Code::VENDOR, [71, 4, 0, 0, 0, 0, 255]);
    let (_, reply) = proxy().sent(&early);
    let offered = pxe::vendor_options(reply.options.get(Code::VENDOR).unwrap());
    assert_eq!(offered.boot_item, None);
    for (item, why) in [
        (
            [0x80, 1, 0, 0],
            "boot item 32769, layer 0 is not offered by this server",
        ),
        (
            [0x80, 0, 0, 1],
            "boot item 32768, layer 1 is not offered by this server",
        ),
        (
            [0, 0, 0x80, 0],
            "boot item 0, layer 32768 is not offered by this server",
        ),
        (
            [0, 1, 0, 2],
            "boot item 1, layer 2 is not offered by this server",
        ),
    ] {
        packet
            .options
            .set(Code::VENDOR, [&[71, 4][..], &item, &[255]].concat());
        assert_eq!(server.ignored(&packet), why);
    }
    // Garbage names no item: it is a plain request for the file.
    for garbage in [&[71, 200, 1][..], &[71, 2, 0, 0], &[0xff; 40], &[71], b""] {
        packet.options.set(Code::VENDOR, garbage);
        let (_, reply) = server.sent(&packet);
        assert_eq!(reply.options.get(Code::VENDOR), Some(&[6, 1, 8, 255][..]));
    }
}

#[test]
fn port_4011_answers_where_the_question_came_from_and_only_to_machines_here() {
    let ask = || asks_for_the_file(edk2(7, PXE_X64));
    for mode in [Mode::Proxy, Mode::Server] {
        let mut server = proxy();
        server.mode = mode;
        at_4011(&mut server, 50_123);
        let (outgoing, reply) = server.sent(&ask());
        assert_eq!(
            outgoing.to,
            Destination::Unicast(SocketAddrV4::new(host(60), 50_123))
        );
        assert_eq!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
        assert!(!reply.options.has(Code::LEASE_TIME));

        server.source_port = 0;
        assert_eq!(server.ignored(&ask()), "it was sent from port 0");
        server.source_port = 4011;
        for source in [
            [0, 0, 0, 0],
            [255, 255, 255, 255],
            [192, 168, 77, 255],
            [192, 168, 77, 0],
            [224, 0, 0, 1],
            [127, 0, 0, 1],
            [9, 9, 9, 9],
        ] {
            server.source = source.into();
            assert_eq!(
                server.ignored(&ask()),
                format!("its address {} is in no network served here", server.source)
            );
        }
        server.source = SERVER;
        assert_eq!(server.ignored(&ask()), "it comes from this server itself");

        at_4011(&mut server, 4011);
        for kind in [1, 4, 7] {
            let mut packet = ask();
            packet.options.set(Code::MESSAGE_TYPE, [kind]);
            assert!(
                server
                    .ignored(&packet)
                    .ends_with("is not answered on port 4011")
            );
        }
        let mut packet = ask();
        packet.options.set(Code::SERVER_ID, OTHER);
        assert_eq!(
            server.ignored(&packet),
            "it chose the server 192.168.77.254"
        );
        packet.options.set(Code::SERVER_ID, SERVER.octets());
        packet.options.set(Code::MESSAGE_TYPE, [8]);
        assert_eq!(server.sent(&packet).0.message, MessageType::Ack);
        packet.options.remove(Code::VENDOR_CLASS);
        assert!(server.ignored(&packet).contains("does not ask to boot"));
        packet.options.set(Code::VENDOR_CLASS, *b"");
        assert!(server.ignored(&packet).contains("does not ask to boot"));
        server.mode = Mode::Off;
        assert_eq!(server.ignored(&ask()), "DHCP is off");
        assert_eq!(server.leases.iter().count(), 0);
    }
}

#[test]
fn a_proxy_says_nothing_to_plain_clients_and_nothing_where_there_is_nothing_to_load() {
    let mut server = proxy();
    let why = "it does not ask to boot, and nothing else is answered here";
    assert_eq!(server.ignored(&discover(1)), why);
    let mut inform = message(MessageType::Inform, 1);
    inform.ciaddr = host(60);
    assert_eq!(server.ignored(&inform), why);
    // An empty class is no class, even beside an architecture.
    let mut packet = edk2(7, "");
    assert_eq!(server.ignored(&packet), why);
    packet.options.set(Code::VENDOR_CLASS, *b"PXE");
    assert_eq!(server.ignored(&packet), why);

    assert!(matches!(server.take(&edk2(7, PXE_X64)), Answer::Send(_)));
    server.boot = None;
    assert_eq!(
        server.ignored(&edk2(7, PXE_X64)),
        "nothing to boot: no image served has a bootable entry"
    );
    assert_eq!(server.leases.iter().count(), 0);
}

#[test]
fn a_machine_that_informs_itself_gets_its_file_at_its_own_address() {
    let mut server = proxy();
    let mut packet = edk2(7, PXE_X64);
    packet.options.set(Code::MESSAGE_TYPE, [8]);
    packet.ciaddr = host(60);
    let (outgoing, reply) = server.sent(&packet);
    assert_eq!(
        outgoing.to,
        Destination::Unicast(SocketAddrV4::new(host(60), 68))
    );
    assert_eq!(
        (reply.ciaddr, reply.yiaddr),
        (host(60), Ipv4Addr::UNSPECIFIED)
    );
    packet.ciaddr = [8, 8, 8, 8].into();
    assert!(server.ignored(&packet).contains("in no network served"));
}

#[test]
fn offers_of_other_proxies_and_servers_are_not_answered() {
    let mut server = proxy();
    for port in [Port::Server, Port::BootServer] {
        for other in [host(2), host(3)] {
            (server.port, server.source, server.source_port) = (port, other, 67);
            let mut offer = edk2(7, "PXEClient");
            offer.op = Op::Reply;
            offer.siaddr = other;
            offer.options.set(Code::MESSAGE_TYPE, [2]);
            offer.options.set(Code::SERVER_ID, other.octets());
            offer.options.set(Code::VENDOR, vec![0xa5; 200]);
            assert_eq!(server.ignored(&offer), "it is a reply, not a request");
            // One that lies about its direction.
            offer.op = Op::Request;
            assert!(server.ignored(&offer).starts_with("a DHCPOFFER is not"));
        }
    }
}

#[test]
fn architecture_65535_is_kept_and_still_answered() {
    let mut server = proxy();
    let mut packet = edk2(7, "PXEClient");
    packet.options.set(Code::ARCH, [0xff, 0xff]);
    let machine = pxe::machine(&packet).unwrap();
    assert_eq!(machine.arch, Some(Arch::Other(65535)));
    let (_, reply) = server.sent(&packet);
    assert_eq!(reply.options.get(Code::VENDOR), Some(&[6, 1, 8, 255][..]));
    // A number with a name wins, wherever it stands.
    packet.options.set(Code::ARCH, [0xff, 0xff, 0, 7]);
    assert_eq!(pxe::machine(&packet).unwrap().arch, Some(Arch::X64Uefi));
    packet.options.set(Code::ARCH, [0xff, 0xff]);
    packet
        .options
        .set(Code::VENDOR_CLASS, *b"PXEClient:Arch:00011");
    assert_eq!(pxe::machine(&packet).unwrap().arch, Some(Arch::Arm64Uefi));
}

#[test]
fn a_server_that_steps_down_keeps_its_leases_and_offers_and_adds_none() {
    let mut server = Server::new(10, 200);
    let lease = server.bound(&reboot(1, host(10)));
    let offered = server.offered(&discover(2));
    assert!(!is_parting(&server.sent(&renew(1, host(10))).1));
    server.mode = Mode::Proxy;

    // The offer was a promise to the client that selects it.
    assert!(server.ignored(&reboot(2, offered)).contains("not leased"));
    let (outgoing, reply) = server.sent(&select(2, offered));
    assert_eq!(outgoing.message, MessageType::Ack);
    assert_eq!(reply.options.u32(Code::LEASE_TIME), Some(43_200));

    // A renewal gets the time that is left, and the lease does not grow.
    server.now += 40_000;
    let (outgoing, reply) = server.sent(&renew(1, host(10)));
    assert_eq!(reply.options.u32(Code::LEASE_TIME), Some(3200));
    assert!(
        is_parting(&reply),
        "other lanboots must know it for no rival"
    );
    assert_eq!(outgoing.commit.unwrap().expires, lease.expires);
    assert_eq!(server.bound(&reboot(1, host(10))).expires, lease.expires);

    // Nobody else gets anything, and nobody is refused.
    let why = |address: Ipv4Addr| {
        format!("{address} is not leased to it here, and another server gives addresses now")
    };
    for (packet, address) in [
        (select(3, host(30)), host(30)),
        (reboot(3, host(30)), host(30)),
        (renew(3, host(10)), host(10)),
        (select(3, host(10)), host(10)),
        (reboot(1, [10, 1, 1, 1].into()), [10, 1, 1, 1].into()),
    ] {
        assert_eq!(server.ignored(&packet), why(address));
    }
    assert!(
        server
            .ignored(&discover(1))
            .contains("does not ask to boot")
    );
    let bare = message(MessageType::Request, 1);
    assert_eq!(server.ignored(&bare), "it names no address");

    // Not even the same hardware under another name.
    let mut renamed = renew(1, host(10));
    renamed.options.set(Code::CLIENT_ID, [0, 1, 2, 3]);
    assert_eq!(server.ignored(&renamed), why(host(10)));

    // RELEASE and DECLINE still work.
    assert!(matches!(
        server.take(&release(1, host(10))),
        Answer::Done(_)
    ));
    assert_eq!(server.ignored(&renew(1, host(10))), why(host(10)));
    assert!(matches!(server.take(&decline(2, offered)), Answer::Done(_)));

    // A lease that is over is over.
    let mut server = Server::new(10, 200);
    server.bound(&reboot(1, host(10)));
    server.mode = Mode::Proxy;
    server.now += 12 * 3600;
    assert_eq!(server.ignored(&renew(1, host(10))), why(host(10)));
    // An offer that lapsed, too.
    let mut server = Server::new(10, 200);
    let offered = server.offered(&discover(1));
    server.mode = Mode::Proxy;
    server.now += OFFER_RESERVATION;
    assert_eq!(server.ignored(&select(1, offered)), why(offered));
}

#[test]
fn a_probe_that_ends_after_stepping_down_offers_no_address() {
    let mut server = Server::checking(10, 200);
    server.boot = Some(snponly());
    let packet = edk2(7, PXE_X64);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    let mut plain = discover(2);
    plain
        .options
        .set(Code::REQUESTED_ADDRESS, host(20).octets());
    assert!(matches!(server.take(&plain), Answer::Check { .. }));
    server.mode = Mode::Proxy;
    let (_, reply) = open(server.probed(&packet, address, Probe::Silent));
    assert_eq!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(
        server.probed(&plain, host(20), Probe::Silent),
        Answer::Ignore(IgnoreReason::NotBooting)
    );
    let mut request = select(1, address);
    request
        .options
        .set(Code::CLIENT_ID, [[0].as_slice(), &[0xab; 16]].concat());
    assert!(
        server
            .ignored(&request)
            .contains("is not leased to it here")
    );
}

#[test]
fn a_class_wins_over_an_architecture_that_contradicts_it() {
    for (code, class, arch, stage) in [
        (16, "PXEClient:Arch:00016", Arch::X64Uefi, Stage::Firmware),
        (7, "HTTPClient:Arch:00007", Arch::X64Http, Stage::HttpBoot),
        (11, "HTTPClient", Arch::Arm64Http, Stage::HttpBoot),
        // A BIOS code beside a UEFI one is the firmware's lie, wherever the other stands.
        (
            0,
            "HTTPClient:Arch:00016:UNDI:003000",
            Arch::X64Http,
            Stage::HttpBoot,
        ),
        (0, "HTTPClient:Arch:00011", Arch::Arm64Http, Stage::HttpBoot),
        (16, "HTTPClient:Arch:00000", Arch::X64Http, Stage::HttpBoot),
        (0, "HTTPClient", Arch::X86Bios, Stage::HttpBoot),
        (0, "HTTPClient:Arch:00000", Arch::X86Bios, Stage::HttpBoot),
        (20, "HTTPClient", Arch::BiosHttp, Stage::HttpBoot),
        (20, "PXEClient", Arch::X86Bios, Stage::Firmware),
        (8, "PXEClient", Arch::X64Uefi, Stage::Firmware),
        (41, "PXEClient", Arch::RaspberryPi, Stage::Firmware),
    ] {
        let machine = pxe::machine(&edk2(code, class)).unwrap();
        assert_eq!(
            (machine.arch, machine.stage),
            (Some(arch), stage),
            "{class}"
        );
    }
}

#[test]
fn http_boot_that_says_it_is_a_bios_gets_no_url_and_the_log_says_why() {
    let why = "it wants to boot over HTTP, as UEFI does, and says it is an x86 BIOS";
    let discover = edk2(0, "HTTPClient:Arch:00000:UNDI:003000");
    let mut server = proxy();
    assert_eq!(server.ignored(&discover), why);
    at_4011(&mut server, 68);
    assert_eq!(server.ignored(&asks_for_the_file(discover.clone())), why);
    // A server gives it an address all the same.
    let mut server = Server::new(10, 200);
    server.boot = Some(pxelinux());
    let (outgoing, reply) = server.sent(&discover);
    assert_ne!(reply.yiaddr, Ipv4Addr::UNSPECIFIED);
    assert!(!reply.options.has(Code::BOOT_FILE) && reply.file[0] == 0);
    assert_eq!(outgoing.detail, Some(format!("no boot file for it: {why}")));
    // With a list of codes it is the one that fits.
    let mut both = edk2(0, "HTTPClient");
    both.options.set(Code::ARCH, [0, 0, 0, 19]);
    assert_eq!(pxe::machine(&both).unwrap().arch, Some(Arch::Arm64Http));
}
