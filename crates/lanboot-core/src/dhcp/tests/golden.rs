//! Messages as real firmware sends them, and every byte of the answers that matters.

use super::*;
use crate::dhcp::pxe;
use crate::machine::Arch;

pub(super) fn pxelinux() -> Offer {
    Offer {
        server: SERVER.into(),
        file: "boot/syslinux/lpxelinux.0".to_owned(),
        config: Some("/lanboot/pxelinux.cfg".to_owned()),
        prefix: Some("http://192.168.77.1/boot/syslinux/".to_owned()),
        warning: None,
    }
}

pub(super) fn script() -> Offer {
    Offer {
        server: SERVER.into(),
        file: "http://192.168.77.1/boot.ipxe".to_owned(),
        config: None,
        prefix: None,
        warning: None,
    }
}

/// The iPXE ROM of QEMU's BIOS machines.
pub(super) fn ipxe_rom() -> Packet {
    let mut packet = discover(1);
    let mut set = |code: u8, value: &[u8]| packet.options.set(Code(code), value);
    set(57, &1472_u16.to_be_bytes());
    set(93, &[0, 0]);
    set(94, &[1, 2, 1]);
    set(60, b"PXEClient:Arch:00000:UNDI:002001");
    set(77, b"iPXE");
    set(
        55,
        &[
            1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134,
            135, 175, 203,
        ],
    );
    set(
        175,
        &[
            0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 0, 0, 0x17, 1, 1, 0x22, 1, 1, 0x13, 1, 1,
            0x11, 1, 1, 0x27, 1, 1, 0x19, 1, 1, 0x29, 1, 1, 0x10, 1, 2,
        ],
    );
    set(61, &[1, 2, 0, 0, 0, 0, 1]);
    set(
        97,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    );
    packet
}

/// OVMF's PXE driver (`arch` 7) or HTTP Boot (`arch` 16).
pub(super) fn edk2(arch: u8, class: &str) -> Packet {
    let mut packet = discover(1);
    packet.flags = 0x8000;
    let mut set = |code: u8, value: &[u8]| packet.options.set(Code(code), value);
    set(57, &1472_u16.to_be_bytes());
    set(97, &[[0].as_slice(), &[0xab; 16]].concat());
    set(94, &[1, 3, 0]);
    set(93, &[0, arch]);
    set(60, class.as_bytes());
    set(61, &[[0].as_slice(), &[0xab; 16]].concat());
    packet
}

pub(super) fn codes(reply: &Packet) -> Vec<u8> {
    reply.options.iter().map(|(code, _)| code.0).collect()
}

#[test]
fn the_ipxe_rom_gets_its_script_and_option_175_against_waiting_for_proxies() {
    let mut server = Server::new(10, 200);
    server.boot = Some(script());
    let packet = ipxe_rom();
    let machine = pxe::machine(&packet).unwrap();
    assert_eq!(
        (machine.stage, machine.arch),
        (Stage::Ipxe, Some(Arch::X86Bios))
    );
    assert!(pxe::ipxe_features(&packet).unwrap().http);

    let (outgoing, reply) = server.sent(&packet);
    let mut wanted = Vec::new();
    wanted.extend_from_slice(&[2, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0]);
    wanted.extend_from_slice(&[0, 0, 0, 0]);
    wanted.extend_from_slice(&reply.yiaddr.octets());
    wanted.extend_from_slice(&SERVER.octets());
    wanted.extend_from_slice(&[0, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
    wanted.resize(108, 0);
    wanted.extend_from_slice(b"http://192.168.77.1/boot.ipxe");
    wanted.resize(236, 0);
    wanted.extend_from_slice(&[99, 130, 83, 99]);
    wanted.extend_from_slice(&[53, 1, 2, 54, 4, 192, 168, 77, 1, 51, 4, 0, 0, 0xa8, 0xc0]);
    wanted.extend_from_slice(&[1, 4, 255, 255, 255, 0]);
    wanted.extend_from_slice(&[97, 17, 0]);
    wanted.extend(1..=16);
    wanted.extend_from_slice(b"\x43\x1ehttp://192.168.77.1/boot.ipxe\0");
    wanted.extend_from_slice(&[175, 3, 0xb0, 1, 1]);
    wanted.extend_from_slice(&[61, 7, 1, 2, 0, 0, 0, 0, 1]);
    wanted.extend_from_slice(&[58, 4, 0, 0, 0x54, 0x60, 59, 4, 0, 0, 0x93, 0xa8]);
    wanted.extend_from_slice(b"\x42\x0d192.168.77.1\0\xff");
    assert_eq!(outgoing.bytes, wanted);
    assert_eq!(
        outgoing.detail.as_deref(),
        Some("http://192.168.77.1/boot.ipxe")
    );
}

#[test]
fn without_option_57_every_reply_fits_548_bytes() {
    let mut server = Server::new(10, 200);
    server.config.subnets[0].routers = vec![SERVER];
    server.config.subnets[0].dns = vec![host(53), host(54)];
    server.config.subnets[0].domain = Some("lab.example".to_owned());
    server.leases = Leases::new(&server.config.subnets);
    server.boot = Some(pxelinux());
    let mut packet = ipxe_rom();
    for len in [None, Some(100_u16), Some(576)] {
        packet.options.remove(Code::MAX_MESSAGE);
        if let Some(len) = len {
            packet.options.set(Code::MAX_MESSAGE, len.to_be_bytes());
        }
        let (outgoing, reply) = server.sent(&packet);
        assert!(outgoing.bytes.len() <= 548, "{}", outgoing.bytes.len());
        assert_eq!(
            codes(&reply),
            [
                53, 54, 51, 1, 97, 67, 209, 210, 175, 3, 6, 61, 58, 59, 15, 66
            ]
        );
    }
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    let mut server = Server::new(10, 200);
    server.boot = Some(Offer {
        file: "x".repeat(126),
        config: Some("c".repeat(120)),
        prefix: Some("p".repeat(66)),
        ..pxelinux()
    });
    let mut packet = ipxe_rom();
    packet.options.remove(Code::MAX_MESSAGE);
    packet.options.set(Code::RELAY, vec![5; 30]);
    let (outgoing, reply) = server.sent(&packet);
    assert!(outgoing.bytes.len() <= 548);
    assert_eq!(reply.file[..127], [&[b'x'; 126][..], &[0]].concat());
    assert_eq!(codes(&reply)[..6], [53, 54, 51, 1, 97, 67]);
    assert_eq!(codes(&reply).last(), Some(&82));
    let detail = outgoing.detail.unwrap();
    assert!(
        detail.ends_with("; no room for options 209, 66"),
        "{detail}"
    );
    // With option 57 all of it fits.
    let mut packet = ipxe_rom();
    packet.options.set(Code::RELAY, vec![5; 30]);
    assert_eq!(server.sent(&packet).0.detail, Some("x".repeat(126)));
    // Too long for the header field: only option 67 carries it.
    server.boot = Some(Offer {
        file: "y".repeat(200),
        ..script()
    });
    let (_, reply) = server.sent(&ipxe_rom());
    assert_eq!(reply.file, [0; 128]);
    assert_eq!(reply.options.get(Code::BOOT_FILE).unwrap().len(), 201);
}

#[test]
fn the_header_takes_a_file_name_of_127_bytes_and_its_nul() {
    let mut server = Server::new(10, 200);
    for (len, in_header) in [(0, true), (127, true), (128, false)] {
        server.boot = Some(Offer {
            server: host(5).into(),
            file: "z".repeat(len),
            ..script()
        });
        let (_, reply) = server.sent(&ipxe_rom());
        let count = reply.file.iter().filter(|b| **b == b'z').count();
        assert_eq!(count, if in_header { len } else { 0 });
        assert_eq!(reply.siaddr, host(5));
        let name = reply.options.get(Code::TFTP_SERVER);
        assert_eq!(name, Some(&b"192.168.77.5\0"[..]));
    }
}

#[test]
fn a_relay_option_too_long_for_the_message_is_left_out() {
    let mut server = Server::new(10, 200);
    let mut packet = discover(1);
    packet.options.set(Code::RELAY, vec![5; 400]);
    let (outgoing, reply) = server.sent(&packet);
    assert!(!reply.options.has(Code::RELAY) && outgoing.bytes.len() <= 548);
    packet
        .options
        .set(Code::MAX_MESSAGE, 1500_u16.to_be_bytes());
    let (_, reply) = server.sent(&packet);
    assert_eq!(reply.options.get(Code::RELAY), Some(&[5; 400][..]));
}

#[test]
fn uefi_firmware_gets_a_file_and_neither_option_60_nor_43() {
    let mut server = Server::new(10, 200);
    server.boot = Some(Offer {
        file: "snponly.efi".to_owned(),
        ..script()
    });
    let (outgoing, reply) = server.sent(&edk2(7, "PXEClient:Arch:00007:UNDI:003000"));
    assert_eq!(outgoing.to, Destination::Broadcast);
    assert_eq!(reply.siaddr, SERVER);
    assert_eq!(
        reply.options.get(Code::BOOT_FILE),
        Some(&b"snponly.efi\0"[..])
    );
    assert_eq!(
        reply.options.get(Code::TFTP_SERVER),
        Some(&b"192.168.77.1\0"[..])
    );
    assert_eq!(&reply.file[..12], b"snponly.efi\0");
    for code in [Code::VENDOR_CLASS, Code::VENDOR, Code::IPXE, Code::OVERLOAD] {
        assert!(!reply.options.has(code));
    }
    assert_eq!(reply.sname, [0; 64]);
}

#[test]
fn http_boot_gets_its_class_back_and_a_url() {
    let mut server = Server::new(10, 200);
    server.boot = Some(script());
    let packet = edk2(16, "HTTPClient:Arch:00016:UNDI:003000");
    let (_, reply) = server.sent(&packet);
    assert_eq!(
        reply.options.get(Code::VENDOR_CLASS),
        Some(&b"HTTPClient"[..])
    );
    assert_eq!(
        reply.options.get(Code::BOOT_FILE),
        Some(&b"http://192.168.77.1/boot.ipxe\0"[..])
    );
    server.boot = None;
    let (outgoing, reply) = server.sent(&packet);
    assert!(!reply.options.has(Code::VENDOR_CLASS));
    assert_eq!(
        outgoing.detail.as_deref(),
        Some("no boot file for it; nothing to boot: no image served has a bootable entry")
    );
    server.boot = Some(Offer {
        warning: Some("it is not what was asked for".to_owned()),
        ..script()
    });
    let detail = server.sent(&packet).0.detail;
    assert_eq!(
        detail.as_deref(),
        Some("http://192.168.77.1/boot.ipxe; it is not what was asked for")
    );
}

#[test]
fn the_initramfs_gets_a_small_plain_answer_with_our_address_as_next_server() {
    let mut server = Server::new(10, 200);
    server.boot = Some(pxelinux());
    let mut packet = discover(1);
    packet.flags = 0x8000;
    packet.options.set(Code::VENDOR_CLASS, *b"Linux ipconfig");
    packet
        .options
        .set(Code::PARAMETERS, [1, 3, 6, 12, 15, 17, 26, 28, 40]);
    let (outgoing, reply) = server.sent(&packet);
    assert_eq!(outgoing.bytes.len(), 300);
    assert_eq!((reply.siaddr, reply.file), (SERVER, [0; 128]));
    assert_eq!(codes(&reply), [53, 54, 51, 1, 58, 59, 28]);
    assert_eq!(outgoing.detail, None);
}

#[test]
fn a_router_and_name_servers_are_sent_only_when_configured() {
    let mut server = Server::new(10, 200);
    let (_, reply) = server.sent(&discover(1));
    for code in [Code::ROUTERS, Code::DNS, Code::DOMAIN] {
        assert!(!reply.options.has(code));
    }
    server.config.subnets[0].routers = vec![host(254)];
    server.config.subnets[0].domain = Some("lab".to_owned());
    let (_, reply) = server.sent(&discover(1));
    assert_eq!(reply.options.address(Code::ROUTERS), Some(host(254)));
    assert_eq!(reply.options.get(Code::DOMAIN), Some(&b"lab"[..]));
}

#[test]
fn a_lease_without_end_has_no_renewal_times() {
    let mut server = Server::new(10, 200);
    server.config.subnets[0].lease_time = Duration::MAX;
    let (_, reply) = server.sent(&reboot(1, host(10)));
    assert_eq!(reply.options.u32(Code::LEASE_TIME), Some(u32::MAX));
    assert!(!reply.options.has(Code::RENEWAL) && !reply.options.has(Code::REBINDING));
}
