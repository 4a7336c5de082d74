//! The value of answers to probes: machines with addresses set by hand, proxy ARP, attackers.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// The answers on the wire, by address.
#[derive(Default)]
struct Wire {
    /// Answers ARP for everything; with pings, too, where `pings`.
    liar: Option<Mac>,
    pings: bool,
    /// Addresses of an honest machine, and whether it answers pings.
    honest: HashSet<Ipv4Addr>,
    honest_pings: bool,
    by_arp: u32,
    by_ping: u32,
}

const LIAR: Mac = Mac([2, 0xbb, 0, 0, 0, 1]);
const HONEST: Mac = Mac([2, 0xaa, 0, 0, 0, 1]);

impl Wire {
    fn probe(&mut self, server: &mut Server, address: Ipv4Addr, by_ping: bool) -> Probe {
        let honest = self.honest.contains(&address);
        if by_ping {
            self.by_ping += 1;
            let answers = self.pings || honest && self.honest_pings;
            return if answers {
                Probe::Answered(None)
            } else {
                Probe::Silent
            };
        }
        self.by_arp += 1;
        let now = Duration::from_secs(server.now);
        let liar = self.liar.filter(|mac| !server.leases.ignores(*mac, now));
        match liar.or_else(|| honest.then_some(HONEST)) {
            Some(mac) => Probe::Answered(Some(mac)),
            None => Probe::Silent,
        }
    }

    /// The address offered to one DISCOVER.
    fn discover(&mut self, server: &mut Server, machine: u32) -> Option<Ipv4Addr> {
        let packet = discover(machine);
        let mut answer = server.take(&packet);
        while let Answer::Check { address, by_ping } = answer {
            let probe = self.probe(server, address, by_ping);
            answer = server.probed(&packet, address, probe);
        }
        match answer {
            Answer::Send(_) => Some(open(answer).1.yiaddr),
            _ => None,
        }
    }
}

#[test]
fn beside_a_router_with_proxy_arp_each_machine_is_served_at_its_first_try() {
    let mut server = Server::checking(10, 60);
    let mut wire = Wire {
        liar: Some(LIAR),
        ..Wire::default()
    };
    let mut given = HashSet::new();
    for machine in 1..=50 {
        let offered = wire.discover(&mut server, machine).expect("an offer");
        server.bound(&select(machine, offered));
        assert!(given.insert(offered), "{offered} twice");
        server.now += 20;
    }
    // Said once, with the hardware address; nothing is blocked.
    let findings = server.leases.take_findings();
    let proxy = findings
        .iter()
        .filter(|f| matches!(f, Finding::ProxyArp { .. }));
    let [said] = proxy.collect::<Vec<_>>().try_into().unwrap();
    let text = said.to_string();
    assert!(text.starts_with("02:bb:00:00:00:01 on eth0 answers ARP for "));
    assert!(text.contains(" and 3 others"), "{text}");
    let in_use = findings.iter().filter(|f| matches!(f, Finding::InUse(..)));
    assert_eq!(in_use.count(), 3);
    let last = wire.discover(&mut server, 99).expect("an offer");
    assert!(given.insert(last), "{last} twice");
}

#[test]
fn who_answers_arp_and_pings_for_all_is_ignored_at_the_second_try() {
    let mut server = Server::checking(10, 60);
    let mut wire = Wire {
        liar: Some(LIAR),
        pings: true,
        ..Wire::default()
    };
    assert_eq!(wire.discover(&mut server, 1), None);
    server.now += 4;
    assert!(wire.discover(&mut server, 1).is_some());
    server.leases.take_findings();
    for machine in 2..40 {
        assert!(wire.discover(&mut server, machine).is_some(), "{machine}");
    }
    assert_eq!(server.leases.take_findings(), []);
    // An honest machine is heard beside it.
    wire.honest = (10..=60).map(host).collect();
    assert_eq!(wire.discover(&mut server, 40), None);
}

#[test]
fn addresses_an_honest_machine_has_by_hand_are_not_given_away() {
    for (count, pings) in [
        (1, false),
        (2, false),
        (3, false),
        (5, true),
        (7, true),
        (8, true),
        (12, true),
        (25, true),
    ] {
        let mut server = Server::checking(10, 60);
        let mut wire = Wire {
            honest: (10..10 + count).map(host).collect(),
            honest_pings: pings,
            ..Wire::default()
        };
        for round in 0..4 {
            for machine in 0..60 {
                let offered = wire.discover(&mut server, round * 100 + machine);
                let taken = offered.filter(|a| wire.honest.contains(a));
                assert_eq!(taken, None, "{count} {pings}");
            }
            server.now += IN_USE_TIME + 1;
        }
        let findings = server.leases.take_findings();
        let is_use = |f: &Finding| matches!(f, Finding::InUse(_, HONEST));
        assert!(findings.iter().all(is_use), "{findings:?}");
    }
}

proptest! {
    /// However many addresses it has, in whatever order machines come, and with the pool as full as
    /// it gets.
    #[test]
    fn no_address_of_an_honest_machine_is_given_away_once_another_machine_has_one(
        honest in prop::collection::hash_set(11..=60_u8, 1..50),
        comers in prop::collection::vec((2..80_u32, any::<bool>(), 0..400_u64), 1..120),
    ) {
        let mut server = Server::checking(10, 60);
        server.bound(&reboot(1, host(10)));
        let mut wire = Wire {
            honest: honest.into_iter().map(host).collect(),
            honest_pings: true,
            ..Wire::default()
        };
        for (machine, takes, pause) in comers {
            server.now += pause;
            server.bound(&renew(1, host(10)));
            let Some(offered) = wire.discover(&mut server, machine) else {
                continue;
            };
            prop_assert!(!wire.honest.contains(&offered), "{} is given away", offered);
            if takes {
                server.bound(&select(machine, offered));
            }
        }
        let findings = server.leases.take_findings();
        let is_use = |f: &Finding| matches!(f, Finding::InUse(_, HONEST));
        prop_assert!(findings.iter().all(is_use), "{:?}", findings);
    }
}

#[test]
fn who_answers_for_everything_answers_for_leased_addresses_too_and_is_ignored() {
    // Many leases, and few addresses left.
    for leased in [1_u8, 20, 40] {
        let mut server = Server::checking(10, 60);
        for machine in 1..=leased {
            server.bound(&reboot(u32::from(machine), host(9 + machine)));
        }
        let mut wire = Wire {
            liar: Some(LIAR),
            pings: true,
            ..Wire::default()
        };
        assert_eq!(wire.discover(&mut server, 99), None);
        server.now += 4;
        let offered = wire.discover(&mut server, 99).expect("an offer");
        assert!(offered > host(9 + leased), "{offered} is leased");
        let findings = server.leases.take_findings();
        let is_proxy = |f: &&Finding| matches!(f, Finding::ProxyArp { mac: LIAR, .. });
        assert_eq!(findings.iter().filter(is_proxy).count(), 1, "{leased}");
    }
}

#[test]
fn the_answer_for_a_leased_address_changes_nothing_about_it() {
    let mut server = Server::checking(10, 60);
    let lease = server.bound(&reboot(1, host(10)));
    let packet = discover(2);
    // All its other addresses are somebody's, who has them all by hand.
    let mut asked = HashSet::new();
    for _ in 0..3 {
        let mut answer = server.take(&packet);
        while let Answer::Check { address, by_ping } = answer {
            asked.insert(address);
            let probe = match (address == host(10), by_ping) {
                // The machine that has it is faster than any other that might answer.
                (true, _) => Probe::Answered(Some(mac(1))),
                (false, true) => Probe::Answered(None),
                (false, false) => Probe::Answered(Some(HONEST)),
            };
            answer = server.probed(&packet, address, probe);
        }
        assert_eq!(answer, Answer::Ignore(IgnoreReason::AllInUse(4)));
    }
    assert!(asked.contains(&host(10)), "no control");
    assert_eq!(asked.len(), 13);
    assert_eq!(server.leases.get(host(10)), Some(&lease));
    assert_eq!(server.bound(&renew(1, host(10))).address, host(10));
}

#[test]
fn behind_a_relay_the_addresses_left_over_may_all_be_in_use() {
    let far = |last| Ipv4Addr::new(10, 9, 0, last);
    let mut subnet = subnet(10, 20);
    subnet.network = far(0);
    subnet.range = (far(50), far(99));
    let mut server = Server::with(Config {
        subnets: vec![super::subnet(10, 20), subnet],
        only: vec![],
        check: true,
    });
    server.source = far(1);
    let relayed = |mut packet: Packet| {
        packet.giaddr = far(1);
        packet
    };
    // 30 leases; the 20 machines with addresses by hand have the others.
    for n in 0..30 {
        server.bound(&relayed(reboot(u32::from(n), far(50 + n))));
    }
    let packet = relayed(discover(99));
    for _ in 0..5 {
        let mut answer = server.take(&packet);
        while let Answer::Check { address, .. } = answer {
            answer = server.probed(&packet, address, Probe::Answered(None));
        }
        assert!(matches!(answer, Answer::Ignore(_)), "{answer:?}");
    }
}

#[test]
fn an_honest_machine_beside_proxy_arp_keeps_its_address_as_long_as_it_answers_pings() {
    let mut server = Server::checking(10, 60);
    let mut wire = Wire {
        liar: Some(LIAR),
        honest: [host(20), host(30), host(40)].into(),
        honest_pings: true,
        ..Wire::default()
    };
    for machine in 1..=47 {
        if let Some(offered) = wire.discover(&mut server, machine) {
            server.bound(&select(machine, offered));
            assert!(!wire.honest.contains(&offered), "{offered}");
        }
    }
    assert_eq!(server.leases.iter().count(), 47);
}

#[test]
fn a_small_pool_beside_proxy_arp_is_served_as_well() {
    for last in [11, 12, 13] {
        let mut server = Server::checking(10, last);
        let mut wire = Wire {
            liar: Some(LIAR),
            ..Wire::default()
        };
        assert!(wire.discover(&mut server, 1).is_some(), "{last}");
    }
}

#[test]
fn a_network_behind_a_relay_whose_every_address_answers_pings_is_served() {
    let far = |last| Ipv4Addr::new(10, 9, 0, last);
    let serve = |last: u8, answers: &dyn Fn(Ipv4Addr) -> bool| {
        let mut subnet = subnet(10, 20);
        subnet.network = far(0);
        subnet.range = (far(50), far(last));
        let mut server = Server::with(Config {
            subnets: vec![super::subnet(10, 20), subnet],
            only: vec![],
            check: true,
        });
        server.source = far(1);
        let mut offers = Vec::new();
        // One machine that asks three times.
        for _ in 0..3 {
            let mut packet = discover(1);
            packet.giaddr = far(1);
            let mut answer = server.take(&packet);
            while let Answer::Check { address, by_ping } = answer {
                assert!(by_ping);
                let probe = match answers(address) {
                    true => Probe::Answered(None),
                    false => Probe::Silent,
                };
                answer = server.probed(&packet, address, probe);
            }
            if let Answer::Send(_) = answer {
                offers.push(open(answer).1.yiaddr);
                break;
            }
            server.now += 8;
        }
        (offers, server.leases.take_findings())
    };
    let (offers, findings) = serve(250, &|_| true);
    assert_eq!(offers.len(), 1, "at the third try");
    let all = "every address asked of 10.9.0.0/24 answers pings (12 of 12): ";
    let said = findings.iter().filter(|f| f.to_string().starts_with(all));
    assert_eq!(said.count(), 1, "{findings:?}");
    // Machines with addresses by hand: every other one, or side by side.
    let (offers, _) = serve(250, &|address| address.octets()[3] % 2 == 0);
    assert!(offers.len() == 1 && offers[0].octets()[3] % 2 == 1);
    for first in (50..230).step_by(10) {
        let (offers, _) = serve(250, &|a| (first..first + 20).contains(&a.octets()[3]));
        assert!(
            !(first..first + 20).contains(&offers[0].octets()[3]),
            "{first}"
        );
    }
    // A small pool that is full of them.
    let (offers, _) = serve(61, &|_| true);
    assert!(offers.is_empty());
}

#[test]
fn what_is_said_of_an_address_in_use_is_true() {
    let said = |server: &mut Server| {
        let findings = server.leases.take_findings();
        findings.iter().map(Finding::to_string).collect::<Vec<_>>()
    };
    let mut server = Server::checking(10, 11);
    let packet = discover(1);
    let Answer::Check { address, .. } = server.take(&packet) else {
        panic!("not checked");
    };
    server.probed(&packet, address, Probe::Answered(Some(HONEST)));
    assert_eq!(
        said(&mut server),
        [format!(
            "{address} is in use by {HONEST}, which has no lease; not offered"
        )]
    );
    // Its own last life answers: offered, and nothing is said.
    let mut server = Server::checking(10, 10);
    server.bound(&reboot(1, host(10)));
    server.now += 24 * 3600;
    server.take(&packet);
    open(server.probed(&packet, host(10), Probe::Answered(Some(mac(1)))));
    assert_eq!(said(&mut server), [""; 0]);
    // A machine whose lease has ended goes on using its address.
    let mut server = Server::checking(10, 10);
    server.bound(&reboot(2, host(10)));
    server.now += 24 * 3600;
    server.take(&packet);
    server.probed(&packet, host(10), Probe::Answered(Some(mac(2))));
    let ended = "192.168.77.10 is in use by 02:00:00:00:00:02, whose lease has ended; not offered";
    assert_eq!(said(&mut server), [ended]);
}

#[test]
fn a_decline_that_the_leases_own_machine_belies_is_not_counted() {
    let mut server = Server::checking(10, 60);
    let address = Wire::default().discover(&mut server, 1).unwrap();
    let lease = server.bound(&select(1, address));
    for _ in 0..6 {
        let packet = decline(1, address);
        let Answer::Check { by_ping: false, .. } = server.take(&packet) else {
            panic!("not checked");
        };
        let answer = server.probed(&packet, address, Probe::Answered(Some(mac(1))));
        let Answer::Ignore(why) = answer else {
            panic!("believed: {answer:?}");
        };
        assert!(why.to_string().contains("which has the lease: it goes on"));
        assert_eq!(server.leases.get(address), Some(&lease));
    }
    // It renews, and is no machine that declines too often.
    assert_eq!(server.bound(&renew(1, address)).address, address);
    assert_eq!(server.bound(&reboot(1, address)).address, address);
    assert_eq!(server.offered(&discover(1)), address);
    // It may renew while the probe is under way.
    server.take(&decline(1, address));
    assert_eq!(server.bound(&renew(1, address)).address, address);
    let late = server.probed(&decline(1, address), address, Probe::Silent);
    assert_eq!(late, Answer::Ignore(IgnoreReason::StaleCheck(address)));
    // One that names the wrong machine changes nothing.
    assert!(
        server
            .ignored(&decline(2, address))
            .ends_with("is not leased to it")
    );
}

#[test]
fn a_decline_nobody_belies_counts_and_nothing_is_lost_in_between() {
    for probe in [Probe::Silent, Probe::Answered(Some(HONEST))] {
        let mut server = Server::checking(10, 60);
        let address = Wire::default().discover(&mut server, 1).unwrap();
        server.bound(&select(1, address));
        let packet = decline(1, address);
        assert!(matches!(server.take(&packet), Answer::Check { .. }));
        // It asks for another one before the probe ends.
        let other = Wire::default().discover(&mut server, 1).unwrap();
        assert_ne!(other, address);
        let Answer::Done(note) = server.probed(&packet, address, probe) else {
            panic!("not believed");
        };
        assert_eq!((note.address, note.record), (address, None));
        server.bound(&select(1, other));
        assert_eq!(server.leases.get(address), None);
        assert!(server.refused(&reboot(2, address)).contains("declined"));
        let stale = server.probed(&packet, address, probe);
        assert_eq!(stale, Answer::Ignore(IgnoreReason::StaleCheck(address)));
    }
    // It has another one already when its kernel answers for the old: it meant what it said.
    let mut server = Server::checking(10, 60);
    let address = Wire::default().discover(&mut server, 1).unwrap();
    server.bound(&select(1, address));
    let packet = decline(1, address);
    server.take(&packet);
    let other = Wire::default().discover(&mut server, 1).unwrap();
    server.bound(&select(1, other));
    let answer = server.probed(&packet, address, Probe::Answered(Some(mac(1))));
    assert!(matches!(
        answer,
        Answer::Ignore(IgnoreReason::StaleCheck(_))
    ));
    assert_eq!(server.leases.iter().count(), 1);
}
