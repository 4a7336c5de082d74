//! Before the first answer: is another DHCP server on this LAN? Two of them would hand out
//! conflicting addresses, so without an explicit `--dhcp server` lanboot stops instead.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use lanboot_core::dhcp::{MessageType, Op, Packet, option::Code};
use lanboot_core::machine::Mac;
use tokio::time::{Instant, timeout_at};

use crate::net::ClientSocket;

/// How long other servers have to answer. Most routers answer at once; dnsmasq pings the address it
/// is going to offer for 3 s.
const WAIT: Duration = Duration::from_secs(4);

/// Another server that answered, if one did.
pub(super) async fn other_server(
    socket: ClientSocket,
    mac: Mac,
    own: Ipv4Addr,
) -> io::Result<Option<Ipv4Addr>> {
    let bytes = RandomState::new().hash_one(mac.0).to_be_bytes();
    let xid = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    socket.ask(&discover(xid, mac))?;
    let socket = socket.polled()?;
    let deadline = Instant::now() + WAIT;
    while let Ok(ready) = timeout_at(deadline, socket.readable()).await {
        let mut ready = ready?;
        loop {
            match socket.get_ref().heard() {
                Ok(Some(payload)) => match offer(&payload, xid) {
                    Some(server) if server != own => return Ok(Some(server)),
                    _ => {}
                },
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    break;
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

/// A DISCOVER that asks for nothing but an answer by broadcast (RFC 2131 §4.4.1).
fn discover(xid: u32, mac: Mac) -> Vec<u8> {
    let mut bytes = vec![0u8; 300];
    let fields: [(usize, &[u8]); 5] = [
        (0, &[1, 1, 6, 0]),
        (4, &xid.to_be_bytes()),
        // The broadcast flag.
        (10, &[0x80, 0]),
        (28, &mac.0),
        // Magic cookie; option 53 DISCOVER; end.
        (236, &[99, 130, 83, 99, 53, 1, 1, 255]),
    ];
    for (at, field) in fields {
        bytes[at..at + field.len()].copy_from_slice(field);
    }
    bytes
}

/// The server that made this offer, when it answers our question.
fn offer(payload: &[u8], xid: u32) -> Option<Ipv4Addr> {
    let packet = Packet::parse(payload).ok()?;
    let is_offer = packet.op == Op::Reply
        && packet.xid == xid
        && packet.message_type() == Some(MessageType::Offer)
        // A proxy offers files, no addresses (PXE 2.1 §2.2.3), and does no harm.
        && !packet.yiaddr.is_unspecified();
    let server: [u8; 4] = packet.options.get(Code::SERVER_ID)?.try_into().ok()?;
    is_offer.then(|| Ipv4Addr::from(server))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn answer(kind: u8, yiaddr: [u8; 4]) -> Vec<u8> {
        let mut bytes = discover(7, MAC);
        bytes[0] = 2;
        bytes[16..20].copy_from_slice(&yiaddr);
        bytes[242] = kind;
        bytes[243..250].copy_from_slice(&[54, 4, 10, 0, 0, 3, 255]);
        bytes
    }

    #[test]
    fn the_question_is_a_discover_and_only_an_offer_of_an_address_counts() {
        let question = Packet::parse(&discover(7, MAC)).unwrap();
        assert_eq!(question.message_type(), Some(MessageType::Discover));
        assert!(question.wants_broadcast());
        let server = Some(Ipv4Addr::new(10, 0, 0, 3));
        assert_eq!(offer(&answer(2, [10, 0, 0, 9]), 7), server);
        assert_eq!(offer(&answer(2, [10, 0, 0, 9]), 8), None, "somebody else's");
        assert_eq!(offer(&answer(2, [0; 4]), 7), None, "a proxy");
        assert_eq!(offer(&answer(5, [10, 0, 0, 9]), 7), None, "an ACK");
        assert_eq!(offer(&discover(7, MAC), 7), None);
    }
}
