//! The proxy and the boot server: what to load, for machines whose address another server gives
//! (PXE 2.1 §2.2.3 and §2.2.5).
//!
//! On port 67 only DISCOVER and INFORM of machines that want to boot are answered; a REQUEST there
//! belongs to the server it selects. EDK2 and iPXE ask the rest at port 4011, and dnsmasq and
//! pixiecore answer nothing else either. A server that stepped down to a proxy still
//! honours its leases and offers, and never sends a NAK.

use std::net::SocketAddrV4;

use super::answer::{Answer, Destination, Outgoing};
use super::pxe::{MENU_ITEM, vendor_options};
use super::reason::IgnoreReason;
use super::respond::Transaction;
use super::table::ReservationState;
use super::wire::option::Code;
use super::wire::{CLIENT_PORT, MessageType};
use crate::plan::Offer;

/// PXE's "bootstrap": what a machine asks for that was shown no menu (PXE 2.1 table 2-3).
const BOOTSTRAP: (u16, u16) = (0, 0);

impl Transaction<'_> {
    /// Port 67 of a proxy.
    pub(super) fn proxy(&mut self) -> Result<Answer, IgnoreReason> {
        match self.message {
            MessageType::Discover => {
                let boot = self.boot_file()?;
                // Always by broadcast: the machine has no address, and is given none here.
                let to = self.relay().unwrap_or(Destination::Broadcast);
                Ok(self.direct(MessageType::Offer, &boot, to))
            }
            MessageType::Inform => {
                let boot = self.boot_file()?;
                let address = SocketAddrV4::new(self.informing()?, CLIENT_PORT);
                Ok(self.direct(MessageType::Ack, &boot, Destination::Unicast(address)))
            }
            MessageType::Request => self.renew_existing(),
            MessageType::Release => self.release(),
            MessageType::Decline => self.decline(),
            MessageType::Offer | MessageType::Ack | MessageType::Nak | MessageType::Other(_) => {
                Err(IgnoreReason::Message(self.message))
            }
        }
    }

    /// Port 4011, of a proxy or a server. Never about addresses.
    pub(super) fn boot_server(&mut self) -> Result<Answer, IgnoreReason> {
        if self.info.source.port() == 0 {
            return Err(IgnoreReason::NoSourcePort);
        }
        if !matches!(self.message, MessageType::Request | MessageType::Inform) {
            return Err(IgnoreReason::BootServerMessage(self.message));
        }
        if let Some(server) = self.packet.options.address(Code::SERVER_ID)
            && !self.info.is_own(server)
        {
            return Err(IgnoreReason::OtherServer(server));
        }
        let asked = self.packet.options.get(Code::VENDOR);
        let item = asked.and_then(|option| vendor_options(option).boot_item);
        if let Some((item, layer)) = item.filter(|item| ![BOOTSTRAP, MENU_ITEM].contains(item)) {
            return Err(IgnoreReason::BootItem { item, layer });
        }
        let boot = self.boot_file()?;
        let to = Destination::Unicast(self.info.source);
        Ok(self.direct(MessageType::Ack, &boot, to))
    }

    /// Renews existing leases and honours offers after the server stepped down; gives nothing new.
    fn renew_existing(&mut self) -> Result<Answer, IgnoreReason> {
        let (address, selecting) = self.requested()?;
        let lease = self
            .leases
            .get(address)
            .filter(|l| l.client == self.client.id && l.expires > self.now);
        let secs = match (lease, self.leases.held_for(&self.client.id)) {
            // It gets the time that is left, so that it looks for the other server in time.
            (Some(lease), _) => u32::try_from(lease.expires - self.now).unwrap_or(u32::MAX),
            (None, Some((held, ReservationState::Offered))) if selecting && held == address => {
                self.lease_secs()
            }
            _ => return Err(IgnoreReason::NotGivenHere(address)),
        };
        if self.claim(address).is_err() {
            return Err(IgnoreReason::NotGivenHere(address));
        }
        Ok(self.acknowledge(address, secs))
    }

    /// Returns whether there is no record of a machine that asks all servers about an address: a
    /// server must not answer then (RFC 2131 §4.3.2), for another one may have given it.
    pub(super) fn is_strange(&self) -> bool {
        !self.packet.options.has(Code::SERVER_ID) && !self.leases.knows(&self.client)
    }

    /// Answers with the boot file and nothing about addresses.
    fn direct(&mut self, message: MessageType, boot: &Offer, to: Destination) -> Answer {
        let encoded = self.reply(message, None, None, Some(boot)).encode_proxy();
        self.warn_of_relay(&encoded);
        let address = match to {
            Destination::Unicast(target) => Some(*target.ip()),
            _ => None,
        };
        let detail = Self::detail(Ok(boot), &encoded);
        Answer::Send(Outgoing {
            bytes: encoded.bytes,
            to,
            message,
            address,
            commit: None,
            detail,
        })
    }
}
