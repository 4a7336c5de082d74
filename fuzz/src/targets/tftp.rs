//! TFTP: requests on port 69, and a whole transfer.

use std::time::{Duration, Instant};

use lanboot_core::tftp::{
    Action, Incoming, Limits, Options, Packet, Transfer, classify, to_netascii,
};

use super::input::{Input, part};

/// Takes the first part of `data` as a request and the others as what its client sends then, one
/// byte of time before each.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let steer = input.byte();
    let request = input.part();
    let _ = to_netascii(request);
    if let Ok(packet) = Packet::parse(request) {
        let emitted = packet.emit();
        let again = Packet::parse(&emitted).expect("what is written can be read");
        assert_eq!(again.emit(), emitted);
    }
    let options = match classify(request) {
        Incoming::Read(request) => request.options,
        Incoming::Refuse { .. } => return,
        Incoming::Ignore(_) => Options::default(),
    };
    let len = u64::from(steer) * 1000;
    #[allow(clippy::disallowed_methods)] // Some instant has to be the first one.
    let mut now = Instant::now();
    let mtu = (steer % 2 == 0).then_some(1500);
    let (mut transfer, first) = Transfer::new(&options, len, mtu, &Limits::default(), now);
    check(&first, len);
    while !input.is_empty() {
        let step = input.byte();
        now += Duration::from_millis(u64::from(step) * 40);
        let packet = input.part();
        for action in [transfer.on_timeout(now), transfer.on_packet(packet, now)] {
            check(&action, len);
        }
    }
    assert!(transfer.confirmed_bytes() <= len);
}

/// Checks that only bytes of the file are sent.
fn check(action: &Action, len: u64) {
    if let Action::SendBlocks(blocks) = action {
        assert!(blocks.count > 0 && blocks.first > 0);
        assert!(blocks.offset + blocks.len <= len, "{blocks:?} of {len}");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let plain: &[u8] = b"\0\x01/boot.ipxe\0octet\0";
    let options: &[u8] =
        b"\0\x01undionly.kpxe\0OCTET\0blksize\x001432\0tsize\x000\0windowsize\x008\0";
    let requests: [&[u8]; 5] = [
        plain,
        options,
        b"\0\x02x\0netascii\0",
        b"\0\x01..\\x\0mail\0",
        b"\0\x06blksize\x00512\0timeout\x005\0",
    ];
    let acks: Vec<u8> = (0..4)
        .flat_map(|n| [&[1][..], &part(&[0, 4, 0, n])].concat())
        .collect();
    let error = [&[100][..], &part(b"\0\x05\0\x08no\0")].concat();
    let answers = [acks, vec![255, 0, 0, 255, 0, 0], error];
    let mut seeds = Vec::new();
    for request in requests {
        for answers in &answers {
            seeds.push([&[3], &part(request)[..], answers].concat());
        }
    }
    seeds
}
