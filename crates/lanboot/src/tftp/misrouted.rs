//! Datagrams that reach the socket of a transfer and are not for it.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use crate::io::udp::Arrival;

/// Most misrouted datagrams that wait for the listener: about as many requests as the socket itself
/// holds. A client whose request is lost repeats it.
pub(super) const MAX_MISROUTED: usize = 1024;

/// A datagram that reached a transfer's socket and is not for it.
#[derive(Debug)]
pub(super) struct Misrouted {
    pub(super) arrival: Arrival,
    pub(super) datagram: Box<[u8]>,
}

/// Hands a datagram to the listener as if it had come in there; `arrival` is the request that the
/// socket it reached was opened for.
pub(super) fn pass_on(
    misrouted: &mpsc::Sender<Misrouted>,
    arrival: &Arrival,
    from: SocketAddr,
    datagram: &[u8],
) {
    let arrival = Arrival {
        len: datagram.len(),
        from,
        ..*arrival
    };
    // Lost when too many wait.
    let _ = misrouted.try_send(Misrouted {
        arrival,
        datagram: datagram.into(),
    });
}
