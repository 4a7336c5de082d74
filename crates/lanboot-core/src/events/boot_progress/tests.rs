//! Boots as the events of a server show them, from the first DISCOVER to a running system.

use super::*;
use crate::events::{
    ADDRESS_GRACE, BootStage, BootState, Expected, FileUse, GRACE, MAX_PAUSE_UNLOADED, Protocol,
    Role, SETTLE, SendFailure,
};
use crate::machine::{Arch, Machine};
use proptest::prelude::*;
use std::sync::Arc;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
const IP: &str = "10.0.0.50";
const SIGNATURE: &str = "arch/airootfs.sfs.cms.sig";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The progress of boots, second by second.
struct Scene {
    boot_progress: BootProgress,
    now: Duration,
    transfers: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            boot_progress: BootProgress::default(),
            now: Duration::from_secs(1_000_000),
            transfers: 0,
        }
    }

    fn fold(&mut self, peer: Peer, what: EventKind) {
        let at = self.now;
        self.boot_progress.fold(&Event { at, peer, what });
    }

    fn dhcp(&mut self, mac: Mac, message: MessageType, stage: Stage, address: Option<&str>) {
        let machine = Machine {
            mac,
            arch: (stage != Stage::Plain).then_some(Arch::X86Bios),
            stage,
            uuid: None,
        };
        let what = EventKind::Dhcp {
            interface: "eth0".into(),
            message,
            address: address.map(ip),
            machine: Some(machine),
            detail: None,
        };
        let peer = Peer {
            mac: Some(mac),
            ip: None,
        };
        self.fold(peer, what);
    }

    /// Firmware that gets its address here.
    fn firmware(&mut self, mac: Mac, address: &str) {
        self.dhcp(mac, MessageType::Discover, Stage::Firmware, None);
        self.dhcp(mac, MessageType::Offer, Stage::Firmware, Some(address));
        self.dhcp(mac, MessageType::Ack, Stage::Firmware, Some(address));
    }

    /// A system or an initramfs that gets its address here.
    fn system(&mut self, mac: Mac, address: &str) {
        self.dhcp(mac, MessageType::Offer, Stage::Plain, Some(address));
        self.dhcp(mac, MessageType::Ack, Stage::Plain, Some(address));
    }

    /// Somebody who is heard taking an address from another server.
    fn elsewhere(&mut self, mac: Mac, stage: Stage, address: &str) {
        let peer = Peer {
            mac: Some(mac),
            ip: None,
        };
        let what = EventKind::OtherLease {
            interface: "eth0".into(),
            server: Some(ip("10.0.0.254")),
            address: ip(address),
            machine: Machine {
                mac,
                arch: None,
                stage,
                uuid: None,
            },
        };
        self.fold(peer, what);
    }

    fn begin(&mut self, protocol: Protocol, address: &str, file: &FileUse) -> u64 {
        self.transfers += 1;
        let peer = Peer {
            mac: None,
            ip: Some(ip(address)),
        };
        let what = EventKind::Started {
            protocol,
            transfer: self.transfers,
            path: file.name.clone(),
            len: 1000,
            file_use: Arc::new(file.clone()),
        };
        self.fold(peer, what);
        self.transfers
    }

    fn end(
        &mut self,
        protocol: Protocol,
        address: &str,
        file: &FileUse,
        transfer: u64,
        is_good: bool,
    ) {
        let peer = Peer {
            mac: None,
            ip: Some(ip(address)),
        };
        let path = file.name.clone();
        let what = match is_good {
            true => EventKind::Finished {
                protocol,
                transfer,
                path,
                sent: 1000,
                took: Duration::from_secs(1),
                retransmits: 0,
                file_use: Arc::new(file.clone()),
            },
            false => EventKind::Failed {
                protocol,
                transfer: Some(transfer),
                path,
                sent: 500,
                reason: SendFailure::Truncated.into(),
            },
        };
        self.fold(peer, what);
    }

    fn send(&mut self, address: &str, file: &FileUse) {
        let transfer = self.begin(Protocol::Http, address, file);
        self.pass(1);
        self.end(Protocol::Http, address, file, transfer, true);
    }

    /// Kernel and initramfs.
    fn load(&mut self, address: &str) {
        self.send(address, &kernel());
        self.send(address, &initramfs());
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn outlook(&mut self) -> crate::events::Outlook {
        self.boot_progress.advance(self.now).0
    }

    fn is_done(&mut self) -> bool {
        self.outlook().is_done()
    }

    fn is_idle(&mut self, seconds: u64) -> bool {
        let now = self.now;
        self.outlook().is_idle(now, Duration::from_secs(seconds))
    }

    fn state(&mut self, mac: Mac) -> BootState {
        let now = self.now;
        self.boot_progress.machines[&Key::Mac(mac)].state(now)
    }
}

fn used(role: Role, name: &str) -> FileUse {
    FileUse {
        role,
        name: name.into(),
        begins_boot: matches!(role, Role::Loader | Role::Kernel | Role::Initramfs),
        shim: None,
        expected: Vec::new(),
    }
}

fn kernel() -> FileUse {
    used(Role::Kernel, "arch/vmlinuz")
}

fn initramfs() -> FileUse {
    used(Role::Initramfs, "arch/initramfs.img")
}

/// A root whose signature is fetched after it.
fn root() -> FileUse {
    let expected = [
        ("arch/airootfs.sfs", true),
        (SIGNATURE, true),
        ("arch/airootfs.sha512", false),
    ];
    let expected = expected.map(|(name, required)| Expected {
        name: name.into(),
        required,
    });
    FileUse {
        expected: expected.to_vec(),
        ..used(Role::Root, "arch/airootfs.sfs")
    }
}

fn signature() -> FileUse {
    used(Role::Other, SIGNATURE)
}

#[test]
fn a_signed_root_over_http_is_up_when_its_system_has_its_address() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.send(IP, &used(Role::Loader, "undionly.kpxe"));
    // iPXE asks again.
    scene.dhcp(MAC, MessageType::Discover, Stage::Ipxe, None);
    scene.dhcp(MAC, MessageType::Ack, Stage::Ipxe, Some(IP));
    scene.load(IP);
    // The initramfs asks too, under another client id.
    scene.pass(25);
    scene.system(MAC, IP);
    assert_eq!(scene.state(MAC), BootState::Loading);
    assert!(!scene.is_idle(20));
    let transfer = scene.begin(Protocol::Http, IP, &root());
    assert_eq!(scene.state(MAC), BootState::Loading);
    scene.end(Protocol::Http, IP, &root(), transfer, true);
    scene.pass(30);
    assert_eq!(scene.state(MAC), BootState::AwaitsFile(SIGNATURE.into()));
    assert!(!scene.is_done() && !scene.is_idle(20));
    scene.send(IP, &signature());
    assert_eq!(scene.state(MAC), BootState::AwaitsAddress);
    scene.pass(90);
    assert!(!scene.is_done() && !scene.is_idle(20));
    // Its system has another client id and another address.
    scene.system(MAC, "10.0.0.51");
    assert!(!scene.is_done(), "it may still decline it");
    scene.dhcp(MAC, MessageType::Decline, Stage::Plain, None);
    scene.pass(5);
    assert!(!scene.is_done());
    scene.system(MAC, "10.0.0.52");
    scene.pass(SETTLE.as_secs());
    assert_eq!(scene.state(MAC), BootState::Up);
    assert!(scene.is_done());
    assert_eq!(
        scene.boot_progress.machines[&Key::Mac(MAC)].stage,
        BootStage::Up
    );
    // A renewal changes nothing, and the machine keeps nobody.
    scene.dhcp(MAC, MessageType::Ack, Stage::Plain, Some("10.0.0.52"));
    assert!(scene.is_done() && scene.is_idle(0));
    // It is restarted.
    scene.dhcp(MAC, MessageType::Discover, Stage::Firmware, None);
    assert_eq!(scene.state(MAC), BootState::Loading);
    assert!(!scene.is_done());
    assert_eq!(scene.boot_progress.statuses().count(), 1);
}

#[test]
fn a_static_address_is_up_after_a_grace_time_longer_where_addresses_come_from_here() {
    for (from_here, grace) in [(true, ADDRESS_GRACE), (false, GRACE)] {
        let mut scene = Scene::new();
        match from_here {
            true => scene.firmware(MAC, IP),
            false => {
                scene.dhcp(MAC, MessageType::Discover, Stage::Firmware, None);
                scene.dhcp(MAC, MessageType::Offer, Stage::Firmware, None);
                scene.elsewhere(MAC, Stage::Firmware, IP);
            }
        }
        scene.load(IP);
        scene.send(IP, &root());
        scene.send(IP, &signature());
        scene.pass(grace.as_secs() - 1);
        assert!(!scene.is_done());
        scene.pass(1);
        assert!(scene.is_done(), "{from_here}");
        assert!(
            scene
                .boot_progress
                .statuses()
                .all(|status| !status.has_own_address())
        );
    }
}

#[test]
fn beside_another_server_the_address_that_is_heard_counts() {
    let mut scene = Scene::new();
    scene.dhcp(MAC, MessageType::Discover, Stage::Firmware, None);
    scene.elsewhere(MAC, Stage::Firmware, IP);
    scene.load(IP);
    scene.elsewhere(MAC, Stage::Plain, IP);
    scene.send(IP, &root());
    scene.send(IP, &signature());
    assert_eq!(scene.state(MAC), BootState::AwaitsAddress);
    scene.elsewhere(MAC, Stage::Plain, "10.0.0.60");
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
    assert_eq!(scene.boot_progress.statuses().count(), 1);
}

#[test]
fn a_machine_known_by_its_address_alone_is_joined_to_its_hardware_address() {
    // The server was started again in the middle of a boot, or does no DHCP.
    let mut scene = Scene::new();
    scene.load(IP);
    scene.send(IP, &root());
    scene.send(IP, &signature());
    assert!(!scene.is_done());
    scene.elsewhere(MAC, Stage::Plain, IP);
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
    assert_eq!(scene.boot_progress.statuses().count(), 1);
    assert_eq!(scene.state(MAC), BootState::Up);
}

#[test]
fn a_file_the_machine_never_asks_for_is_waited_for_and_not_for_ever() {
    // Somebody took cms_verify=y out in the menu: the system comes up all the same.
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.load(IP);
    scene.send(IP, &root());
    scene.system(MAC, IP);
    scene.pass(GRACE.as_secs() - 1);
    assert!(!scene.is_done());
    scene.pass(1);
    assert!(scene.is_done());
    // The machine is switched off behind its root.
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.load(IP);
    scene.send(IP, &root());
    scene.pass(MAX_PAUSE.as_secs() - 1);
    assert!(!scene.is_idle(1));
    scene.pass(1);
    assert_eq!(scene.state(MAC), BootState::GivenUp);
    assert!(scene.is_idle(1) && !scene.is_done(), "nobody is up");
}

#[test]
fn a_download_whose_sender_pauses_is_no_silence() {
    let mut scene = Scene::new();
    scene.begin(Protocol::Http, IP, &FileUse::default());
    scene.pass(10);
    assert!(!scene.is_idle(2));
    scene.pass(50);
    assert!(scene.is_idle(2), "abandoned");
    // Nothing is known of what came after the outlook.
    let outlook = scene.outlook();
    let mut scene = Scene::new();
    scene.dhcp(MAC, MessageType::Discover, Stage::Plain, None);
    let fresh = scene.outlook();
    let later = Duration::from_secs(4);
    assert!(!fresh.is_idle(fresh.at + later, Duration::from_secs(2)));
    assert!(
        !outlook.is_idle(outlook.at + 2 * later, Duration::ZERO),
        "stale"
    );
}

#[test]
fn a_root_that_fails_is_no_root() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.load(IP);
    let transfer = scene.begin(Protocol::Http, IP, &root());
    scene.end(Protocol::Http, IP, &root(), transfer, false);
    scene.system(MAC, IP);
    scene.pass(ADDRESS_GRACE.as_secs());
    assert_eq!(scene.state(MAC), BootState::Loading);
    // It tries again.
    scene.send(IP, &root());
    scene.send(IP, &signature());
    scene.system(MAC, IP);
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
}

#[test]
fn a_root_that_stays_here_needs_the_server_until_it_is_let_go() {
    for protocol in [Protocol::Nfs, Protocol::Nbd] {
        let mut scene = Scene::new();
        scene.firmware(MAC, IP);
        scene.load(IP);
        scene.system(MAC, IP);
        let mounted = FileUse::mounted();
        let transfer = scene.begin(protocol, IP, &mounted);
        scene.pass(10);
        assert_eq!(scene.state(MAC), BootState::Loading);
        scene.system(MAC, IP);
        scene.pass(SETTLE.as_secs());
        assert_eq!(scene.state(MAC), BootState::Streaming);
        // It runs from memory for hours.
        scene.outlook();
        scene.pass(10_000);
        assert!(!scene.is_done() && !scene.is_idle(20), "{protocol:?}");
        scene.end(protocol, IP, &mounted, transfer, true);
        assert!(scene.is_done());
    }
}

#[test]
fn a_copy_through_a_mount_is_up_after_it_let_go_and_its_system_asked() {
    for protocol in [Protocol::Nfs, Protocol::Nbd] {
        let mut scene = Scene::new();
        scene.firmware(MAC, IP);
        scene.load(IP);
        let mounted = FileUse::mounted();
        let transfer = scene.begin(protocol, IP, &mounted);
        scene.pass(20);
        scene.end(protocol, IP, &mounted, transfer, true);
        assert_eq!(scene.state(MAC), BootState::AwaitsAddress);
        scene.system(MAC, IP);
        scene.pass(SETTLE.as_secs());
        assert!(scene.is_done(), "{protocol:?}");
    }
}

#[test]
fn an_installer_has_no_root_but_its_initramfs() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.send(IP, &used(Role::Kernel, "deb/linux"));
    // GRUB asks again, as a plain client, before the initramfs is there.
    scene.system(MAC, IP);
    scene.send(IP, &used(Role::Root, "deb/initrd.gz"));
    assert_eq!(scene.state(MAC), BootState::AwaitsAddress);
    scene.pass(100);
    scene.system(MAC, IP);
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
}

#[test]
fn every_machine_that_began_is_waited_for() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.firmware(OTHER, "10.0.0.51");
    scene.load(IP);
    scene.load("10.0.0.51");
    for address in [IP, "10.0.0.51"] {
        scene.send(address, &root());
        scene.send(address, &signature());
    }
    scene.system(MAC, IP);
    scene.pass(SETTLE.as_secs());
    assert!(!scene.is_done());
    assert_eq!(scene.state(MAC), BootState::Up);
    scene.system(OTHER, "10.0.0.51");
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
    assert_eq!(scene.outlook().done_text(), "all 2 machines are up");
    // A third one is switched off in its boot.
    let third = Mac([2, 0, 0, 0, 0, 3]);
    scene.firmware(third, "10.0.0.52");
    scene.load("10.0.0.52");
    assert!(!scene.is_done());
    scene.pass(MAX_PAUSE.as_secs());
    assert!(scene.is_done());
    let said = scene.outlook().done_text();
    assert!(
        said.ends_with("1 machine stopped in the middle of its boot"),
        "{said}"
    );
}

#[test]
fn who_asks_to_boot_and_loads_nothing_is_not_waited_for_long() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    assert!(!scene.is_idle(0));
    scene.pass(MAX_PAUSE_UNLOADED.as_secs());
    assert!(scene.is_idle(0) && !scene.is_done());
}

#[test]
fn a_phone_a_download_and_a_look_at_an_image_are_no_boot() {
    let mut scene = Scene::new();
    scene.system(MAC, IP);
    scene.send("10.0.0.9", &root());
    scene.send("10.0.0.9", &used(Role::Menu, "boot.ipxe"));
    let mounted = FileUse::mounted();
    let transfer = scene.begin(Protocol::Nfs, "10.0.0.8", &mounted);
    assert!(scene.is_idle(0) && !scene.is_done());
    scene.end(Protocol::Nfs, "10.0.0.8", &mounted, transfer, true);
    assert!(!scene.is_done());
    assert!(
        scene
            .boot_progress
            .statuses()
            .all(|status| !status.is_booting())
    );
}

#[test]
fn a_mount_of_the_boot_before_says_nothing_about_this_one() {
    let mut scene = Scene::new();
    let mounted = FileUse::mounted();
    scene.firmware(MAC, IP);
    scene.load(IP);
    let old = scene.begin(Protocol::Nfs, IP, &mounted);
    scene.firmware(MAC, IP);
    scene.load(IP);
    scene.end(Protocol::Nfs, IP, &mounted, old, true);
    assert_eq!(scene.state(MAC), BootState::Loading);
    // The same without a word over DHCP: the kernel again.
    let mut scene = Scene::new();
    scene.load(IP);
    scene.send(IP, &root());
    scene.send(IP, &signature());
    scene.pass(GRACE.as_secs());
    assert!(scene.is_done());
    scene.load(IP);
    assert!(!scene.is_done());
}

#[test]
fn each_state_is_said_once() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    let mut said = Vec::new();
    let mut look = |scene: &mut Scene| {
        for event in scene.boot_progress.advance(scene.now).1 {
            let EventKind::Boot { state, text } = event.what else {
                panic!("{event:?}")
            };
            said.push(format!("{}: {text}", state.name()));
        }
    };
    look(&mut scene);
    scene.load(IP);
    look(&mut scene);
    scene.send(IP, &root());
    look(&mut scene);
    look(&mut scene);
    scene.send(IP, &signature());
    look(&mut scene);
    scene.system(MAC, IP);
    scene.pass(SETTLE.as_secs());
    look(&mut scene);
    scene.pass(1000);
    look(&mut scene);
    assert_eq!(
        said,
        [
            "loading: boots",
            &format!("awaits-file: has its root file system and fetches {SIGNATURE} next"),
            "awaits-address: has all its files; its system is expected to ask for its address",
            "up: is up: its system has its address",
        ]
    );
}

#[test]
fn what_is_sent_when_the_program_ends_is_named() {
    let mut scene = Scene::new();
    assert_eq!(scene.outlook().transfers_text(), None);
    scene.firmware(MAC, IP);
    scene.begin(Protocol::Http, IP, &kernel());
    let said = scene.outlook().transfers_text();
    assert_eq!(
        said.as_deref(),
        Some("waiting for 1 transfer (arch/vmlinuz to 02:00:00:00:00:01 (10.0.0.50))")
    );
    scene.begin(Protocol::Tftp, IP, &initramfs());
    // A mount is let go at once.
    scene.begin(Protocol::Nfs, IP, &FileUse::mounted());
    let said = scene.outlook().transfers_text();
    assert_eq!(said.as_deref(), Some("waiting for 2 transfers"));
}

/// One thing that happens in a boot; any order of them.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Firmware,
    System,
    Elsewhere,
    Load,
    RootBegins,
    RootEnds(bool),
    Signature,
    Mounts,
    LetsGo(bool),
    Pass(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        Just(Happens::Firmware),
        Just(Happens::System),
        Just(Happens::Elsewhere),
        Just(Happens::Load),
        Just(Happens::RootBegins),
        any::<bool>().prop_map(Happens::RootEnds),
        Just(Happens::Signature),
        Just(Happens::Mounts),
        any::<bool>().prop_map(Happens::LetsGo),
        (0..700u64).prop_map(Happens::Pass),
    ]
}

proptest! {
    /// Whatever happens, nobody is up without a root, nobody who fetches is left, and everybody
    /// is let go in the end.
    #[test]
    fn done_means_up_and_nobody_waits_for_ever(steps in prop::collection::vec(happens(), 0..60)) {
        let mut scene = Scene::new();
        let (mut root_running, mut mounted, mut had_root) = (None, None, false);
        for stage in steps {
            match stage {
                Happens::Firmware => {
                    // Any of them may be a restart, which ends what ran.
                    scene.firmware(MAC, IP);
                    (root_running, mounted) = (None, None);
                    scene.boot_progress.machines.get_mut(&Key::Mac(MAC)).unwrap().running.clear();
                }
                Happens::System => scene.system(MAC, IP),
                Happens::Elsewhere => scene.elsewhere(MAC, Stage::Plain, IP),
                Happens::Load => scene.load(IP),
                Happens::RootBegins => {
                    if root_running.is_none() {
                        root_running = Some(scene.begin(Protocol::Http, IP, &root()));
                    }
                }
                Happens::RootEnds(is_good) => {
                    if let Some(transfer) = root_running.take() {
                        scene.end(Protocol::Http, IP, &root(), transfer, is_good);
                        had_root |= is_good;
                    }
                }
                Happens::Signature => scene.send(IP, &signature()),
                Happens::Mounts => {
                    if mounted.is_none() {
                        mounted = Some(scene.begin(Protocol::Nfs, IP, &FileUse::mounted()));
                        had_root = true;
                    }
                }
                Happens::LetsGo(is_good) => {
                    if let Some(transfer) = mounted.take() {
                        scene.end(Protocol::Nfs, IP, &FileUse::mounted(), transfer, is_good);
                    }
                }
                Happens::Pass(seconds) => scene.pass(seconds),
            }
            let outlook = scene.outlook();
            let now = scene.now;
            prop_assert!(had_root || !outlook.is_done());
            prop_assert!(!outlook.is_done() || outlook.needing == 0);
            // `--until-idle` never leaves whom `--once` would wait for.
            prop_assert!(outlook.needing == 0 || !outlook.is_idle(now, Duration::ZERO));
            // Looking again at the same moment says the same and nothing new.
            let (again, events) = scene.boot_progress.advance(now);
            prop_assert_eq!(&again, &outlook);
            prop_assert!(events.is_empty());
        }
        if let Some(transfer) = mounted {
            scene.end(Protocol::Nfs, IP, &FileUse::mounted(), transfer, true);
        }
        scene.outlook();
        scene.pass(MAX_PAUSE.as_secs());
        prop_assert_eq!(scene.outlook().needing, 0);
    }
}

#[test]
fn invented_addresses_cost_a_bounded_amount() {
    let mut scene = Scene::new();
    for n in 0..20_000u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let mac = Mac([2, 0, a, b, c, d]);
        for _ in 0..4 {
            scene.dhcp(mac, MessageType::Ack, Stage::Firmware, Some(IP));
        }
        scene.pass(1);
    }
    let boot_progress = &scene.boot_progress;
    assert!(boot_progress.machines.len() <= MAX_MACHINES);
    assert!(boot_progress.by_ip.len() <= MAX_MACHINES);
    let last = Key::Mac(Mac([2, 0, 0, 0, 0x4e, 0x1f]));
    assert_eq!(boot_progress.machines[&last].lines.len(), 4);
}

/// [`MAX_MACHINES`].
const MANY: u32 = 4096;

/// Invents machines that only want an address, and as many that ask to boot and load nothing.
fn flood(scene: &mut Scene, from: u32) {
    for n in from..from + MANY {
        let [_, b, c, d] = n.to_be_bytes();
        scene.dhcp(
            Mac([6, 0, 0, b, c, d]),
            MessageType::Ack,
            Stage::Plain,
            None,
        );
        scene.dhcp(
            Mac([6, 0, 1, b, c, d]),
            MessageType::Discover,
            Stage::Firmware,
            None,
        );
        scene.now += Duration::from_millis(1);
    }
}

#[test]
fn a_flood_of_addresses_makes_no_machine_forgotten_in_the_middle_of_its_boot() {
    let mut scene = Scene::new();
    scene.firmware(MAC, IP);
    scene.load(IP);
    scene.pass(30);
    flood(&mut scene, 0);
    assert!(scene.boot_progress.machines.len() <= MAX_MACHINES);
    assert_eq!(scene.state(MAC), BootState::Loading);
    // Those that asked to boot are given up.
    scene.pass(MAX_PAUSE_UNLOADED.as_secs());
    assert_eq!(scene.outlook().needing, 1);
    assert!(!scene.is_idle(20));
    scene.send(IP, &root());
    scene.send(IP, &signature());
    scene.system(MAC, IP);
    scene.pass(SETTLE.as_secs());
    assert!(scene.is_done());
    // One that is up is forgotten, and still counts.
    for n in 1..4 {
        flood(&mut scene, n << 16);
        scene.pass(MAX_PAUSE_UNLOADED.as_secs());
    }
    assert!(!scene.boot_progress.machines.contains_key(&Key::Mac(MAC)));
    let outlook = scene.outlook();
    assert!(outlook.is_done(), "{outlook:?}");
    let said = outlook.done_text();
    assert!(
        said.starts_with("02:00:00:00:00:01 (10.0.0.50) is up; "),
        "{said}"
    );
    // A second one.
    scene.firmware(OTHER, "10.0.0.51");
    scene.load("10.0.0.51");
    assert!(!scene.is_done());
    scene.send("10.0.0.51", &root());
    scene.send("10.0.0.51", &signature());
    scene.system(OTHER, "10.0.0.51");
    scene.pass(SETTLE.as_secs());
    let said = scene.outlook().done_text();
    assert!(said.starts_with("all 2 machines are up; "), "{said}");
}

#[test]
fn who_was_heard_last_counts_when_it_is_forgotten() {
    let mut scene = Scene::new();
    for n in 0..MANY {
        let [a, b, c, d] = n.to_be_bytes();
        let mac = Mac([6, 0, a, b, c, d]);
        scene.dhcp(mac, MessageType::Discover, Stage::Firmware, None);
    }
    scene.pass(10);
    scene.system(OTHER, "10.0.0.51");
    let heard = scene.now;
    let kept = scene.boot_progress.machines.len();
    // The next ones are heard at an earlier time: the clock was set back.
    scene.now -= Duration::from_secs(5);
    for n in 0..MANY {
        let [a, b, c, d] = n.to_be_bytes();
        scene.dhcp(
            Mac([10, 0, a, b, c, d]),
            MessageType::Discover,
            Stage::Firmware,
            None,
        );
    }
    assert!(kept < MAX_MACHINES);
    assert!(!scene.boot_progress.machines.contains_key(&Key::Mac(OTHER)));
    assert_eq!(scene.outlook().last, heard);
}
