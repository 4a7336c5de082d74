//! Tens of thousands of machines: the cost of one message must not grow with their number.

use super::*;
use crate::cpu;

/// A /16 with a pool of 65,000 addresses.
fn large(check: bool) -> Server {
    let mut large = subnet(0, 0);
    large.network = Ipv4Addr::new(10, 7, 0, 0);
    large.prefix = 16;
    large.range = (Ipv4Addr::new(10, 7, 0, 10), Ipv4Addr::new(10, 7, 253, 241));
    let mut server = Server::with(Config {
        subnets: vec![large],
        only: vec![],
        check,
    });
    server.config.subnets[0].lease_time = Duration::from_secs(3600);
    server
}

fn relayed(mut packet: Packet) -> Packet {
    packet.giaddr = Ipv4Addr::new(10, 7, 0, 1);
    packet
}

#[test]
fn a_hundred_thousand_machines_pass_through_a_pool_of_65000_in_seconds() {
    let mut server = large(false);
    let began = cpu::seconds();
    for machine in 0..100_000 {
        let packet = relayed(discover(machine));
        if machine == 65_000 {
            // All leased: another machine gets nothing, and quickly.
            assert!(server.ignored(&packet).contains("no address is free"));
            server.now += 3600;
        }
        let Answer::Send(offer) = server.answer(&packet, None) else {
            panic!("nothing offered to machine {machine}");
        };
        let request = relayed(select(machine, offer.address.unwrap()));
        let Answer::Send(ack) = server.answer(&request, None) else {
            panic!("machine {machine} not acknowledged");
        };
        assert!(ack.commit.is_some());
    }
    assert_eq!(server.leases.iter().count(), 65_000);
    server.leases.assert_consistent();
    let took = cpu::seconds() - began;
    println!("200,000 messages: {took:.2} s of processor time");
    // About 9 s without optimisation; linear searches would take minutes.
    assert!(took < 60.0, "{took} s");
}

#[test]
fn every_address_of_a_large_pool_is_given_to_exactly_one_machine() {
    let mut server = large(true);
    let mut seen = std::collections::HashSet::new();
    for machine in 0..65_000 {
        let packet = relayed(discover(machine));
        let Answer::Check { address, .. } = server.take(&packet) else {
            panic!("not checked");
        };
        open(server.probed(&packet, address, Probe::Silent));
        server.bound(&relayed(select(machine, address)));
        assert!(seen.insert(address));
    }
    assert!(
        server
            .ignored(&relayed(discover(65_000)))
            .contains("no address is free")
    );
    assert!(!seen.contains(&Ipv4Addr::new(10, 7, 0, 9)));
}
