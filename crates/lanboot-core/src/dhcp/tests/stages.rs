//! One machine in all stages of a boot, each of which names itself in its own way, and two clients
//! that share a hardware address.

use proptest::prelude::*;

use super::*;

/// The client, and how it names itself in option 61.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// PXE firmware: type 0 and the board's UUID.
    Firmware,
    /// PXE firmware without option 61.
    OldFirmware,
    /// iPXE: type 1 and the hardware address.
    Ipxe,
    /// klibc's ipconfig, busybox: no option 61.
    Ipconfig,
    /// NetworkManager, dhclient: type 1 and the hardware address.
    NetworkManager,
    /// systemd-networkd in the initramfs: RFC 4361.
    InitramfsNetworkd,
    /// systemd-networkd in the system, with a machine-id of its own: RFC 4361.
    Networkd,
    /// dhcpcd: RFC 4361 with a DUID-LLT.
    Dhcpcd,
}

impl Who {
    const ALL: [Self; 8] = [
        Self::Firmware,
        Self::OldFirmware,
        Self::Ipxe,
        Self::Ipconfig,
        Self::NetworkManager,
        Self::InitramfsNetworkd,
        Self::Networkd,
        Self::Dhcpcd,
    ];

    fn boots(self) -> bool {
        matches!(self, Self::Firmware | Self::OldFirmware | Self::Ipxe)
    }

    fn message(self, kind: MessageType) -> Packet {
        let mut packet = message(kind, 1);
        let hardware = [&[1][..], &mac(1).0].concat();
        let duid = |iaid: u8| {
            let fixed = [0, 2, 0, 0, 0xab, 0x11, 9, 8, 7, 6, 5, 4, 3, iaid];
            [&[0xff, 1, 2, 3, iaid][..], &fixed].concat()
        };
        let id = match self {
            Self::Firmware => Some([&[0][..], &[0x42; 16]].concat()),
            Self::OldFirmware | Self::Ipconfig => None,
            Self::Ipxe | Self::NetworkManager => Some(hardware),
            Self::InitramfsNetworkd => Some(duid(1)),
            Self::Networkd => Some(duid(2)),
            Self::Dhcpcd => Some(duid(3)),
        };
        if let Some(id) = id {
            packet.options.set(Code::CLIENT_ID, id);
        }
        if self.boots() {
            packet
                .options
                .set(Code::VENDOR_CLASS, *b"PXEClient:Arch:00007:UNDI:003016");
        }
        if self == Self::Ipxe {
            packet.options.set(Code::USER_CLASS, *b"iPXE");
        }
        packet
    }
}

/// The way a stage gets its address.
#[derive(Clone, Copy, Debug)]
enum How {
    /// DISCOVER, REQUEST.
    Discover,
    /// The same, with the address of the stage before in option 50.
    Wish,
    /// INIT-REBOOT with the address of the stage before.
    Reboot,
}

/// The wire: the hardware addresses that answer probes of an address.
struct Wire {
    server: Server,
    /// Addresses the kernel of machine 1 answers for.
    kept: Vec<Ipv4Addr>,
}

impl Wire {
    fn new() -> Self {
        Self {
            server: Server::checking(10, 60),
            kept: Vec::new(),
        }
    }

    /// The answer after all probes.
    fn take(&mut self, packet: &Packet) -> Answer {
        let mut answer = self.server.take(packet);
        while let Answer::Check { address, .. } = answer {
            let probe = match self.kept.contains(&address) {
                true => Probe::Answered(Some(mac(1))),
                false => Probe::Silent,
            };
            answer = self.server.probed(packet, address, probe);
        }
        answer
    }

    fn join(&mut self, who: Who, how: How, before: Option<Ipv4Addr>) -> Ipv4Addr {
        let before = before.filter(|_| !matches!(how, How::Discover));
        if let (How::Reboot, Some(before)) = (how, before) {
            let mut packet = who.message(MessageType::Request);
            packet.options.set(Code::REQUESTED_ADDRESS, before.octets());
            return self.server.bound(&packet).address;
        }
        let mut packet = who.message(MessageType::Discover);
        if let Some(before) = before {
            packet.options.set(Code::REQUESTED_ADDRESS, before.octets());
        }
        let offered = open(self.take(&packet)).1.yiaddr;
        packet.options.set(Code::MESSAGE_TYPE, [3]);
        packet.options.set(Code::SERVER_ID, SERVER.octets());
        packet
            .options
            .set(Code::REQUESTED_ADDRESS, offered.octets());
        self.server.bound(&packet).address
    }

    fn renew(&mut self, who: Who, address: Ipv4Addr) -> Packet {
        let mut packet = who.message(MessageType::Request);
        packet.ciaddr = address;
        open(self.take(&packet)).1
    }
}

proptest! {
    #[test]
    fn every_order_of_stages_keeps_one_address_that_only_the_machine_itself_answers_for(
        boot in prop::sample::select(vec![Who::Firmware, Who::OldFirmware, Who::Ipxe]),
        stages in prop::collection::vec(
            (
                prop::sample::select(Who::ALL.to_vec()),
                prop::sample::select(vec![How::Discover, How::Wish, How::Reboot]),
                any::<bool>(),
                0..600_u64,
            ),
            1..8,
        ),
        releases in prop::sample::select(vec![None, Some(0), Some(1), Some(2)]),
    ) {
        let mut wire = Wire::new();
        let first = wire.join(boot, How::Discover, None);
        for (number, (who, how, keeps, pause)) in stages.into_iter().enumerate() {
            // The kernel keeps what an earlier stage configured, or does not.
            wire.kept = if keeps { vec![first] } else { vec![] };
            let address = wire.join(who, how, Some(first));
            prop_assert_eq!(address, first, "{:?} {:?}", who, how);
            if releases == Some(number) {
                // A stage that ends gives back what is its own, or was.
                for who in [who, boot] {
                    let mut packet = who.message(MessageType::Release);
                    packet.ciaddr = first;
                    wire.server.source = first;
                    let _ = wire.server.take(&packet);
                    wire.server.source = Ipv4Addr::UNSPECIFIED;
                }
            }
            // Each stage begins at most ten minutes after the one before; thirty minutes after
            // firmware the boot is over.
            wire.server.now += pause / 4;
        }
        prop_assert_eq!(wire.server.leases.iter().count(), 1);
        prop_assert_eq!(wire.server.leases.take_findings(), vec![]);
    }
}

#[test]
fn a_system_that_booted_from_its_disk_keeps_the_address_of_its_initramfs() {
    // systemd#21967: `ip=dhcp` on the command line, then KeepConfiguration=. Nothing of it asked to
    // boot.
    for (from, to) in [
        (Who::Ipconfig, Who::Networkd),
        (Who::NetworkManager, Who::Networkd),
        (Who::NetworkManager, Who::Dhcpcd),
        (Who::InitramfsNetworkd, Who::NetworkManager),
    ] {
        let mut wire = Wire::new();
        let first = wire.join(from, How::Discover, None);
        wire.kept = vec![first];
        wire.server.now += 30;
        assert_eq!(wire.join(to, How::Discover, None), first, "{from:?} {to:?}");
        assert_eq!(wire.server.leases.take_findings(), []);
        // It renews, and so on, and so does the next boot.
        wire.renew(to, first);
        wire.server.now += 3600;
        wire.kept.clear();
        assert_eq!(wire.join(from, How::Discover, None), first);
    }
    // Hours later it is somebody else: a container with the card of its host.
    let mut wire = Wire::new();
    let first = wire.join(Who::NetworkManager, How::Discover, None);
    wire.kept = vec![first];
    wire.server.now += 3 * 3600;
    let second = wire.join(Who::Networkd, How::Discover, None);
    assert_ne!(first, second);
    assert_eq!(
        wire.server.leases.take_findings(),
        [Finding::SecondClient(first, mac(1))]
    );
}

#[test]
fn two_clients_that_hold_leases_behind_one_hardware_address_stay_two() {
    let mut wire = Wire::new();
    let first = wire.join(Who::NetworkManager, How::Discover, None);
    wire.kept = vec![first];
    wire.server.now += 3600;
    let second = wire.join(Who::Networkd, How::Discover, None);
    assert_ne!(first, second);
    wire.kept.push(second);
    // A boot from here makes no difference to those that have a lease each.
    let mut boot = Who::Ipxe.message(MessageType::Discover);
    boot.options.remove(Code::CLIENT_ID);
    let _ = wire.take(&boot);
    for _ in 0..3 {
        wire.server.now += 3600;
        assert_eq!(wire.join(Who::Networkd, How::Discover, None), second);
        assert_eq!(wire.join(Who::NetworkManager, How::Discover, None), first);
        assert_eq!(wire.renew(Who::NetworkManager, first).yiaddr, first);
        assert_eq!(wire.renew(Who::Networkd, second).yiaddr, second);
    }
}

#[test]
fn clients_taken_for_stages_of_one_machine_are_distinguished_once_both_are_alive() {
    let mut wire = Wire::new();
    wire.join(Who::Firmware, How::Discover, None);
    let host = wire.join(Who::NetworkManager, How::Discover, None);
    wire.kept = vec![host];
    // A container of the host, which booted a minute ago: it could be the next stage.
    assert_eq!(wire.join(Who::Networkd, How::Discover, None), host);
    // The host renews all the same. It is not let in again under the other's feet.
    wire.server.now += 600;
    let nak = wire.renew(Who::NetworkManager, host);
    assert_eq!(nak.message_type(), Some(MessageType::Nak));
    let again = wire.join(Who::NetworkManager, How::Discover, None);
    assert_ne!(again, host);
    for (who, address) in [(Who::NetworkManager, again), (Who::Networkd, host)] {
        assert_eq!(wire.renew(who, address).yiaddr, address);
        assert_eq!(wire.join(who, How::Discover, None), address);
    }
    // The machine starts again: firmware names itself, and finds both taken.
    wire.kept.clear();
    let firmware = wire.join(Who::Firmware, How::Discover, None);
    assert!([again, host].contains(&firmware));
}

#[test]
fn a_stage_prefers_what_this_boot_has_to_what_it_had_in_an_earlier_one() {
    let mut wire = Wire::new();
    let old = wire.join(Who::Networkd, How::Discover, None);
    wire.kept = vec![old];
    wire.server.now += 3600;
    // Another client for a while, with an address of its own.
    let first = wire.join(Who::NetworkManager, How::Discover, None);
    assert_ne!(old, first);
    wire.server.now += 24 * 3600;
    wire.kept.clear();
    assert_eq!(wire.join(Who::Ipxe, How::Discover, None), first);
    wire.kept = vec![first];
    assert_eq!(wire.join(Who::Networkd, How::Discover, None), first);
}

#[test]
fn an_address_of_the_machine_that_somebody_else_answers_for_is_not_kept() {
    let mut server = Server::checking(10, 60);
    let packet = Who::Ipxe.message(MessageType::Discover);
    let Answer::Check { address: first, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    open(server.probed(&packet, first, Probe::Silent));
    let mut request = Who::Ipxe.message(MessageType::Request);
    request.options.set(Code::REQUESTED_ADDRESS, first.octets());
    server.bound(&request);
    let packet = Who::Networkd.message(MessageType::Discover);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    assert_eq!(address, first);
    let next = server.probed(&packet, first, Probe::Answered(Some(mac(9))));
    assert!(matches!(next, Answer::Check { address, .. } if address != first));
    let [finding] = server.leases.take_findings().try_into().unwrap();
    assert_eq!(
        finding.to_string(),
        format!(
            "{first} is leased to {} and in use by {}: two machines use one address",
            mac(1),
            mac(9)
        )
    );
}
