//! A lease as it is stored, and whom it belongs to.

use std::fmt;
use std::net::Ipv4Addr;

use super::wire::Packet;
use super::wire::option::{Code, MAX_PIECE};
use crate::machine::Mac;

/// The identity a lease belongs to: option 61 and the hardware address, or hardware type and
/// address where there is no option 61 (RFC 2131 §4.2). Firmware, loader and system of one machine
/// often give different ones.
///
/// The RFC wants option 61 alone. But UEFI puts the board's UUID there, and makers leave the same
/// one on all their boards (FFFFFFFF-… on some of MSI's, <https://github.com/FOGProject/fogproject/pull/196>);
/// systems cloned from one disk share theirs, too. A classroom of them would get one address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Vec<u8>);

impl ClientId {
    /// Longest identifier kept: what one option holds, and a hardware address.
    pub const MAX_LEN: usize = MAX_PIECE + 16;

    /// The identifier in these bytes; `None` when they are none or too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::MAX_LEN)
            .contains(&bytes.len())
            .then(|| Self(bytes.to_vec()))
    }

    /// Returns who sent a message.
    pub fn of(packet: &Packet) -> Self {
        // The same bytes as option 61 of type 1, so that a loader that names its hardware address
        // there and a system that sends no option 61 are one client.
        let hardware = packet.hardware_address();
        let own = [&[packet.htype], hardware].concat();
        match packet.options.get(Code::CLIENT_ID) {
            Some(id) if (1..=MAX_PIECE).contains(&id.len()) && id != own => {
                Self([id, hardware].concat())
            }
            _ => Self(own),
        }
    }

    /// Returns how the client names itself, whose hardware address is `mac`.
    pub(super) fn form(&self, mac: Mac) -> Form {
        let Some(id) = self.0.strip_suffix(&mac.0) else {
            return Form::Other;
        };
        match (id, id.len()) {
            ([1], _) => Form::Hardware,
            ([0, ..], 17) => Form::Board,
            ([0xff, ..], 7..) => Form::Duid,
            _ => Form::Other,
        }
    }

    /// The bytes, for the store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The form of a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The hardware address: iPXE, `ipconfig`, NetworkManager, and clients without option 61.
    Hardware,
    /// Type 0 and the board's UUID: PXE firmware (PXE 2.1 table 2-1).
    Board,
    /// Type 255, an interface and a DUID (RFC 4361): systemd-networkd, dhcpcd.
    Duid,
    /// Anything else: somebody chose it, perhaps to distinguish machines.
    Other,
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The state of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Given out; over when it expires.
    Bound,
    /// Given back, and remembered.
    Released,
}

/// An address given to a client: the record that must survive the program. A store keeps one
/// record per address *and* one per client: a new record replaces both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// To whom.
    pub client: ClientId,
    /// Its hardware address.
    pub mac: Mac,
    /// The name it gave itself (option 12), printable.
    pub hostname: Option<String>,
    /// Time at which it ends or ended, in seconds since 1970.
    pub expires: u64,
    /// Given out or given back.
    pub state: State,
}

/// The client that sent a message.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: ClientId,
    pub(super) mac: Mac,
}

/// Reason a client cannot have the address it insists on; the text of a NAK.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0} is not an address of the network {1}/{2}")]
    WrongNetwork(Ipv4Addr, Ipv4Addr, u8),
    #[error("{0} is outside the range handed out here")]
    OutsideRange(Ipv4Addr),
    #[error("{0} belongs to the server or a router")]
    Excluded(Ipv4Addr),
    #[error("{0} is leased to another machine")]
    Leased(Ipv4Addr),
    #[error("{0} is offered to another machine")]
    Offered(Ipv4Addr),
    #[error("{0} went to the next stage of the same boot, which uses it")]
    PassedOn(Ipv4Addr),
    #[error("{0} was declined a while ago")]
    Declined(Ipv4Addr),
    #[error("{0} is in use by a machine without a lease")]
    InUse(Ipv4Addr),
}
