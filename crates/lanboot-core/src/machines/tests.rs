//! Tests of what is known of machines.

use std::sync::Arc;

use super::*;
use crate::events::Protocol;
use crate::machine::{Arch, Uuid};

const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
const OTHER: Mac = Mac([0x52, 0x54, 0, 0, 0, 2]);
const UUID: Uuid = Uuid([7; 16]);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_800_000_000 + seconds)
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn dhcp(mac: Mac, stage: Stage, arch: Option<Arch>, leased: Option<IpAddr>) -> EventKind {
    EventKind::Dhcp {
        interface: "eth0".into(),
        message: leased.map_or(MessageType::Discover, |_| MessageType::Ack),
        address: leased,
        machine: Some(Machine {
            mac,
            arch,
            stage,
            uuid: (stage != Stage::Plain).then_some(UUID),
        }),
        detail: None,
    }
}

fn file(role: Role, name: &str) -> EventKind {
    EventKind::Started {
        protocol: Protocol::Http,
        transfer: 1,
        path: name.to_owned(),
        len: 1,
        file_use: Arc::new(FileUse {
            role,
            name: name.to_owned(),
            begins_boot: role != Role::Root,
            ..FileUse::default()
        }),
    }
}

fn boot(state: BootState) -> EventKind {
    let text = String::new();
    EventKind::Boot { state, text }
}

/// A table, and the events of one machine.
struct Scene {
    machines: Machines,
    seconds: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            machines: Machines::default(),
            seconds: 0,
        }
    }

    fn by(&mut self, peer: Peer, what: EventKind) {
        self.seconds += 1;
        let at = at(self.seconds);
        self.machines.observe(&Event { at, peer, what });
    }

    fn by_mac(&mut self, what: EventKind) {
        let peer = Peer {
            mac: Some(MAC),
            ip: None,
        };
        self.by(peer, what);
    }

    fn by_ip(&mut self, what: EventKind) {
        let peer = Peer {
            mac: None,
            ip: Some(ip(5)),
        };
        self.by(peer, what);
    }

    fn known(&self) -> &KnownMachine {
        self.machines.get(MAC).unwrap()
    }

    fn last(&self) -> (Option<&str>, BootOutcome) {
        let boot = self.known().last_boot.as_ref().unwrap();
        (boot.image.as_deref(), boot.outcome)
    }

    /// One boot from the firmware up to `end`.
    fn boot(&mut self, image: &str, end: BootState) {
        let firmware = dhcp(MAC, Stage::Firmware, Some(Arch::X64Uefi), Some(ip(5)));
        self.by_mac(firmware);
        self.by_ip(file(Role::Loader, "loader/snponly-x86_64.efi"));
        self.by_mac(boot(BootState::Loading));
        self.by_mac(dhcp(MAC, Stage::Ipxe, Some(Arch::X86Bios), Some(ip(5))));
        self.by_ip(file(Role::Kernel, &format!("{image}/vmlinuz")));
        self.by_ip(file(Role::Initramfs, &format!("{image}/initrd")));
        self.by_ip(file(Role::Root, &format!("{image}/root.squashfs")));
        self.by_mac(boot(end));
    }
}

#[test]
fn a_boot_is_remembered_with_its_image_and_its_end() {
    let mut scene = Scene::new();
    scene.boot("arch", BootState::Up);
    assert_eq!(scene.last(), (Some("arch"), BootOutcome::Up));
    let known = scene.known();
    assert_eq!((known.boots, known.failures), (1, 0));
    // iPXE's own word does not replace the firmware's.
    assert_eq!(known.arch, Some(Arch::X64Uefi));
    assert_eq!((known.uuid, known.address), (Some(UUID), Some(ip(5))));
    assert_eq!((known.first_seen, known.last_seen), (at(1), at(8)));
    scene.boot("debian", BootState::GivenUp);
    assert_eq!(scene.last(), (Some("debian"), BootOutcome::GivenUp));
    assert_eq!((scene.known().boots, scene.known().failures), (1, 1));
    scene.boot("debian", BootState::Streaming);
    assert_eq!((scene.known().boots, scene.known().failures), (2, 1));
}

#[test]
fn a_system_that_reads_its_root_for_days_boots_once() {
    let mut scene = Scene::new();
    scene.boot("arch", BootState::Streaming);
    scene.by_ip(file(Role::Root, "arch/root.squashfs"));
    scene.by_mac(dhcp(MAC, Stage::Plain, None, Some(ip(5))));
    scene.by_mac(boot(BootState::Up));
    assert_eq!(scene.last(), (Some("arch"), BootOutcome::Up));
    assert_eq!(scene.known().boots, 1);
    // The files of one boot come from one loader after the other.
    scene.by_ip(file(Role::Loader, "loader/shimx64.efi"));
    scene.by_ip(file(Role::Loader, "loader/grubx64.efi"));
    assert_eq!(scene.last(), (None, BootOutcome::Open));
    let began = scene.known().last_boot.as_ref().unwrap().began;
    assert_eq!(began, at(scene.seconds - 1));
}

#[test]
fn a_machine_that_is_switched_off_in_the_middle_begins_a_new_boot() {
    let mut scene = Scene::new();
    scene.boot("arch", BootState::AwaitsAddress);
    assert_eq!(scene.last(), (Some("arch"), BootOutcome::Open));
    scene.by_ip(file(Role::Loader, "loader/undionly.kpxe"));
    assert_eq!(scene.last(), (None, BootOutcome::Open));
}

#[test]
fn phones_and_unknown_addresses_are_not_known() {
    let mut scene = Scene::new();
    scene.by_mac(dhcp(MAC, Stage::Plain, None, Some(ip(5))));
    scene.by_ip(file(Role::Kernel, "arch/vmlinuz"));
    scene.by_mac(boot(BootState::Loading));
    assert!(scene.machines.list().is_empty());
    assert_eq!(scene.machines.take_changes(10), []);
}

#[test]
fn an_address_is_that_of_the_last_machine_that_took_it() {
    let mut scene = Scene::new();
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, Some(ip(5))));
    let peer = Peer {
        mac: Some(OTHER),
        ip: None,
    };
    scene.by(peer, dhcp(OTHER, Stage::Firmware, None, Some(ip(5))));
    scene.by_ip(file(Role::Kernel, "arch/vmlinuz"));
    assert_eq!(scene.known().last_boot, None);
    let other = scene.machines.get(OTHER).unwrap();
    let image = other.last_boot.as_ref().unwrap().image.as_deref();
    assert_eq!(image, Some("arch"));
    // The first one's next address does not take the second one's.
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, Some(ip(6))));
    assert_eq!(scene.machines.by_address.get(&ip(5)), Some(&OTHER));
    assert_eq!(scene.machines.by_address.get(&ip(6)), Some(&MAC));
}

#[test]
fn changes_are_kept_once_and_what_only_was_heard_again_rarely() {
    let mut scene = Scene::new();
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, None));
    let put = |scene: &Scene| Change::Put(scene.known().clone());
    assert_eq!(scene.machines.take_changes(10), [put(&scene)]);
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, None));
    assert_eq!(scene.machines.take_changes(10), []);
    scene.seconds += 60;
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, None));
    assert_eq!(scene.machines.take_changes(10), [put(&scene)]);
    scene.machines.not_kept(MAC);
    assert_eq!(scene.machines.take_changes(10), [put(&scene)]);
    assert!(scene.machines.forget(MAC) && !scene.machines.forget(MAC));
    assert_eq!(scene.machines.take_changes(10), [Change::Remove(MAC)]);
    // One that was never kept leaves nothing to remove.
    scene.by_mac(dhcp(MAC, Stage::Firmware, None, None));
    scene.machines.forget(MAC);
    assert_eq!(scene.machines.take_changes(10), []);
}

#[test]
fn records_come_back_and_the_one_heard_last_is_first() {
    let mut scene = Scene::new();
    scene.boot("arch", BootState::Up);
    let peer = Peer {
        mac: Some(OTHER),
        ip: None,
    };
    scene.by(peer, dhcp(OTHER, Stage::HttpBoot, None, Some(ip(6))));
    let listed: Vec<KnownMachine> = scene.machines.list().into_iter().cloned().collect();
    assert_eq!(
        listed.iter().map(|m| m.mac).collect::<Vec<_>>(),
        [OTHER, MAC]
    );
    let mut restored = Machines::restore(listed.clone());
    assert_eq!(restored.list(), listed.iter().collect::<Vec<_>>());
    assert_eq!(restored.take_changes(10), []);
    assert_eq!(restored.by_address.get(&ip(5)), Some(&MAC));
}

#[test]
fn a_flood_of_invented_machines_forgets_none_that_booted() {
    let mut scene = Scene::new();
    scene.boot("arch", BootState::Up);
    let flood = u32::try_from(MAX_MACHINES).unwrap() * 2;
    for number in 0..flood {
        let [a, b, c, d] = number.to_be_bytes();
        let mac = Mac([2, 0xff, a, b, c, d]);
        let peer = Peer {
            mac: Some(mac),
            ip: None,
        };
        scene.by(peer, dhcp(mac, Stage::Firmware, None, None));
        assert!(scene.machines.known.len() <= MAX_MACHINES);
    }
    assert_eq!(scene.known().boots, 1);
    // What was never kept costs no write.
    assert!(scene.machines.changed.len() <= MAX_MACHINES);
    assert_eq!(scene.machines.take_changes(100).len(), 100);
}
