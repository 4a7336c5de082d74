use std::net::Ipv4Addr;

use super::*;

pub(super) fn message(message: MessageType, machine: u32) -> Packet {
    let [a, b, c, d] = machine.to_be_bytes();
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&[0x02, 0, a, b, c, d]);
    let mut packet = Packet {
        op: Op::Request,
        htype: 1,
        hlen: 6,
        hops: 0,
        xid: 0x1234_5678,
        secs: 0,
        flags: 0,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr,
        sname: [0; 64],
        file: [0; 128],
        options: Options::new(),
    };
    packet.options.set(Code::MESSAGE_TYPE, [message.into()]);
    packet
}
