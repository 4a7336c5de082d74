//! The story of each machine, folded from events.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::tell::{rate, tell};
use super::{Door, Event, Peer, Role, What};
use crate::machine::{Mac, Machine, Stage};

/// Machines remembered. Beyond that the one silent for longest is forgotten, so a LAN full of
/// invented addresses costs a bounded amount of memory.
pub const MAX_MACHINES: usize = 4096;
/// Lines kept per machine.
pub const MAX_TOLD: usize = 64;

/// How far a boot has come, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It was heard.
    Seen,
    /// It has been offered an address.
    Offered,
    /// It has an address.
    Leased,
    /// It loads its loader.
    Loader,
    /// It reads its menu.
    Menu,
    /// It loads its kernel.
    Kernel,
    /// It loads its initramfs.
    Initramfs,
    /// It loads its root file system.
    Root,
    /// It has its root file system.
    Up,
}

impl Step {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Offered => "offered",
            Self::Leased => "leased",
            Self::Loader => "loader",
            Self::Menu => "menu",
            Self::Kernel => "kernel",
            Self::Initramfs => "initramfs",
            Self::Root => "root",
            Self::Up => "up",
        }
    }
}

/// A transfer under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Its number.
    pub transfer: u64,
    /// The path asked for.
    pub path: String,
    /// Bytes to send.
    pub len: u64,
    /// Bytes sent.
    pub sent: u64,
    /// When it began, since 1970 UTC.
    pub since: Duration,
    /// Bytes per second so far.
    pub rate: u64,
}

/// One machine's story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Hardware address, once known.
    pub mac: Option<Mac>,
    /// Its latest network address.
    pub ip: Option<IpAddr>,
    /// What its firmware or loader said of it.
    pub machine: Option<Machine>,
    /// How far it has come.
    pub step: Step,
    /// Whether its firmware or loader asked to boot: a phone that only wants an address did not.
    pub booting: bool,
    /// Transfers under way, oldest first.
    pub running: Vec<Running>,
    /// The latest lines about it with their time, oldest first.
    pub told: VecDeque<(Duration, String)>,
    /// When it was heard last.
    pub last: Duration,
}

/// Transfers shown per machine; more are counted by the doors but not followed here.
const MAX_RUNNING: usize = 32;

/// Every machine heard of.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    machines: HashMap<Key, Story>,
    by_ip: HashMap<IpAddr, Mac>,
    by_transfer: HashMap<u64, Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Mac(Mac),
    Ip(IpAddr),
}

impl Journal {
    /// Every story, in no order.
    pub fn stories(&self) -> impl Iterator<Item = &Story> {
        self.machines.values()
    }

    /// Whether at least one machine has its root file system and none that began is still on its
    /// way.
    pub fn all_up(&self) -> bool {
        let mut booting = self.machines.values().filter(|s| s.booting).peekable();
        booting.peek().is_some() && booting.all(|s| s.step == Step::Up && s.running.is_empty())
    }

    /// Takes one event in; `role` is what the path of its transfer is to a boot. Returns the
    /// story it belongs to.
    pub fn fold(&mut self, event: &Event, role: Role) -> Option<&Story> {
        let key = match &event.what {
            What::Notice { .. } => return None,
            What::Progress { transfer, .. } => *self.by_transfer.get(transfer)?,
            _ => self.key(event.peer)?,
        };
        self.make_room(key);
        let story = self.machines.entry(key).or_insert_with(|| Story {
            mac: event.peer.mac,
            ip: None,
            machine: None,
            step: Step::Seen,
            booting: false,
            running: Vec::new(),
            told: VecDeque::new(),
            last: event.at,
        });
        story.last = event.at;
        if let Some(ip) = event.peer.ip {
            story.ip = Some(ip);
        }
        if let Some(line) = tell(event) {
            if story.told.len() >= MAX_TOLD {
                story.told.pop_front();
            }
            story.told.push_back((event.at, line));
        }
        // Anybody may mount an image or attach one as a disk. Only a machine that is booting has its
        // root there.
        let role = match &event.what {
            What::Started { door, .. } | What::Finished { door, .. }
                if streams(*door) && !story.booting =>
            {
                Role::Other
            }
            // What it left behind when it was restarted says nothing about this boot.
            What::Finished { door, transfer, .. }
                if streams(*door) && !story.is_running(*transfer) =>
            {
                Role::Other
            }
            _ => role,
        };
        match &event.what {
            What::Dhcp {
                message,
                address,
                machine,
                ..
            } => {
                story.dhcp(message, *address, machine.as_ref());
                if let (&"DHCPACK", Some(ip), Some(mac)) = (message, address, story.mac) {
                    self.by_ip.insert(*ip, mac);
                }
            }
            What::Started {
                transfer,
                path,
                len,
                ..
            } => {
                self.by_transfer.insert(*transfer, key);
                story.started(*transfer, path, *len, event.at, role);
            }
            What::Progress { transfer, sent } => {
                if let Some(running) = story.running.iter_mut().find(|r| r.transfer == *transfer) {
                    running.sent = *sent;
                    running.rate = rate(*sent, event.at.saturating_sub(running.since));
                }
            }
            What::Finished { transfer, .. } => {
                self.by_transfer.remove(transfer);
                story.ended(*transfer);
                if role == Role::Root {
                    story.step = Step::Up;
                }
            }
            What::Failed { transfer, .. } => {
                if let Some(transfer) = transfer {
                    self.by_transfer.remove(transfer);
                    story.ended(*transfer);
                }
            }
            What::Ignored { .. }
            | What::NotFound { .. }
            | What::Planned { .. }
            | What::Notice { .. } => {}
        }
        self.machines.get(&key)
    }

    /// DHCP knows the hardware address; the other doors know only the IP address, which the last
    /// DHCPACK ties to one.
    fn key(&self, peer: Peer) -> Option<Key> {
        match (peer.mac, peer.ip) {
            (Some(mac), _) => Some(Key::Mac(mac)),
            (None, Some(ip)) => Some(self.by_ip.get(&ip).map_or(Key::Ip(ip), |m| Key::Mac(*m))),
            (None, None) => None,
        }
    }

    fn make_room(&mut self, key: Key) {
        if self.machines.len() < MAX_MACHINES || self.machines.contains_key(&key) {
            return;
        }
        // One pass drops an eighth, so a flood of new addresses does not cost a pass each.
        let mut ages: Vec<(Duration, Key)> = self
            .machines
            .iter()
            .map(|(key, story)| (story.last, *key))
            .collect();
        ages.sort_unstable_by_key(|(last, _)| *last);
        for (_, old) in ages.into_iter().take(MAX_MACHINES / 8) {
            self.machines.remove(&old);
        }
        let machines = &self.machines;
        self.by_ip
            .retain(|_, mac| machines.contains_key(&Key::Mac(*mac)));
        self.by_transfer.retain(|_, key| machines.contains_key(key));
    }
}

/// Whether machines keep what they get at this door, as a file system or disk.
fn streams(door: Door) -> bool {
    matches!(door, Door::Nfs | Door::Nbd)
}

impl Story {
    fn dhcp(&mut self, message: &str, address: Option<IpAddr>, machine: Option<&Machine>) {
        if let Some(machine) = machine.filter(|m| m.stage != Stage::Plain) {
            // Firmware asking again after the root was there: the machine has been restarted.
            if message == "DHCPDISCOVER" && self.step > Step::Menu {
                self.step = Step::Seen;
                self.running.clear();
            }
            self.booting = true;
            self.machine = Some(machine.clone());
        }
        match message {
            "DHCPOFFER" => self.step = self.step.max(Step::Offered),
            "DHCPACK" => {
                self.step = self.step.max(Step::Leased);
                self.ip = address.or(self.ip);
            }
            _ => {}
        }
    }

    fn started(&mut self, transfer: u64, path: &str, len: u64, at: Duration, role: Role) {
        if self.running.len() < MAX_RUNNING {
            let path = path.to_owned();
            self.running.push(Running {
                transfer,
                path,
                len,
                sent: 0,
                since: at,
                rate: 0,
            });
        }
        let step = match role {
            Role::Other => return,
            Role::Loader => Step::Loader,
            Role::Menu => Step::Menu,
            Role::Kernel => Step::Kernel,
            Role::Initramfs => Step::Initramfs,
            Role::Root => Step::Root,
        };
        self.booting = true;
        // A loader or kernel after the root was there is the next boot.
        self.step = if self.step == Step::Up {
            step
        } else {
            self.step.max(step)
        };
    }

    fn is_running(&self, transfer: u64) -> bool {
        self.running.iter().any(|r| r.transfer == transfer)
    }

    fn ended(&mut self, transfer: u64) {
        self.running.retain(|r| r.transfer != transfer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Arch;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn ip() -> IpAddr {
        "10.0.0.50".parse().unwrap()
    }

    fn dhcp(message: &'static str, stage: Stage) -> Event {
        let machine = Machine {
            mac: MAC,
            arch: Some(Arch::X86Bios),
            stage,
        };
        Event {
            at: Duration::from_secs(1),
            peer: Peer {
                mac: Some(MAC),
                ip: None,
            },
            what: What::Dhcp {
                interface: "eth0".into(),
                message,
                address: Some(ip()),
                machine: Some(machine),
                detail: None,
            },
        }
    }

    fn http(what: What, at: u64) -> Event {
        Event {
            at: Duration::from_secs(at),
            peer: Peer {
                mac: None,
                ip: Some(ip()),
            },
            what,
        }
    }

    fn started(transfer: u64) -> What {
        What::Started {
            door: Door::Http,
            transfer,
            path: "x".into(),
            len: 1000,
        }
    }

    fn finished(transfer: u64) -> What {
        What::Finished {
            door: Door::Http,
            transfer,
            path: "x".into(),
            sent: 1000,
            took: Duration::from_secs(1),
            retransmits: 0,
        }
    }

    #[test]
    fn a_boot_is_told_from_discover_to_root() {
        let mut journal = Journal::default();
        for (event, role, step) in [
            (
                dhcp("DHCPDISCOVER", Stage::Firmware),
                Role::Other,
                Step::Seen,
            ),
            (
                dhcp("DHCPOFFER", Stage::Firmware),
                Role::Other,
                Step::Offered,
            ),
            (dhcp("DHCPACK", Stage::Firmware), Role::Other, Step::Leased),
            (http(started(1), 2), Role::Loader, Step::Loader),
            (http(finished(1), 3), Role::Loader, Step::Loader),
            (http(started(2), 4), Role::Kernel, Step::Kernel),
            (
                http(
                    What::Progress {
                        transfer: 2,
                        sent: 500,
                    },
                    6,
                ),
                Role::Other,
                Step::Kernel,
            ),
            (http(finished(2), 7), Role::Kernel, Step::Kernel),
            (dhcp("DHCPACK", Stage::Plain), Role::Other, Step::Kernel),
            (http(started(3), 8), Role::Root, Step::Root),
            (http(finished(3), 9), Role::Root, Step::Up),
            (dhcp("DHCPACK", Stage::Plain), Role::Other, Step::Up),
        ] {
            let story = journal.fold(&event, role).unwrap();
            assert_eq!((story.mac, story.step), (Some(MAC), step), "{event:?}");
            if let What::Progress { .. } = event.what {
                assert_eq!(story.running[0].rate, 250);
            }
        }
        assert!(journal.all_up());
        assert_eq!(
            journal.stories().count(),
            1,
            "HTTP was joined to DHCP by the lease"
        );
        let again = dhcp("DHCPDISCOVER", Stage::Firmware);
        assert_eq!(journal.fold(&again, Role::Other).unwrap().step, Step::Seen);
        assert!(!journal.all_up());
    }

    #[test]
    fn a_mount_is_a_root_only_to_a_machine_that_boots_and_only_in_that_boot() {
        let nfs = |mut what| {
            let (What::Started { door, .. } | What::Finished { door, .. }) = &mut what else {
                panic!("{what:?}")
            };
            *door = Door::Nfs;
            http(what, 5)
        };
        let mut journal = Journal::default();
        journal.fold(&nfs(started(1)), Role::Root);
        journal.fold(&nfs(finished(1)), Role::Root);
        assert!(!journal.all_up(), "somebody looked at an image");
        let mut step = |event: &Event, role| journal.fold(event, role).unwrap().step;
        let discover = dhcp("DHCPDISCOVER", Stage::Firmware);
        step(&discover, Role::Other);
        step(&dhcp("DHCPACK", Stage::Firmware), Role::Other);
        assert_eq!(step(&nfs(started(2)), Role::Root), Step::Root);
        // Switched off and on again; the mount is forgotten later.
        assert_eq!(step(&discover, Role::Other), Step::Seen);
        assert_eq!(step(&nfs(finished(2)), Role::Root), Step::Seen);
        step(&nfs(started(3)), Role::Root);
        assert_eq!(step(&nfs(finished(3)), Role::Root), Step::Up);
        assert!(journal.all_up());
    }

    #[test]
    fn a_phone_that_wants_an_address_is_no_boot() {
        let mut journal = Journal::default();
        journal.fold(&dhcp("DHCPACK", Stage::Plain), Role::Other);
        assert!(!journal.all_up());
        assert!(!journal.stories().next().unwrap().booting);
    }

    #[test]
    fn invented_addresses_cost_a_bounded_amount() {
        let mut journal = Journal::default();
        for n in 0..20_000u32 {
            let [a, b, c, d] = n.to_be_bytes();
            let mut event = dhcp("DHCPACK", Stage::Firmware);
            event.peer.mac = Some(Mac([2, 0, a, b, c, d]));
            event.at = Duration::from_secs(u64::from(n));
            journal.fold(&event, Role::Other);
            for _ in 0..3 {
                journal.fold(&event, Role::Other);
            }
        }
        assert!(journal.machines.len() <= MAX_MACHINES);
        assert!(journal.by_ip.len() <= MAX_MACHINES);
        let last = Key::Mac(Mac([2, 0, 0, 0, 0x4e, 0x1f]));
        assert_eq!(journal.machines[&last].told.len(), 4);
    }
}
