//! Classifies what arrives on port 69.

use super::limits::MAX_REQUEST;
use super::reason::IgnoreReason;
use super::wire::{Failure, Mode, Packet, Request};
use crate::vfs;

/// Meaning of a datagram on port 69.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A valid read request.
    Read(Request<'a>),
    /// A request to be rejected; send this failure from a new port.
    Refuse {
        /// Requested file name.
        name: Vec<u8>,
        /// Error to send; its text is the reason.
        failure: Failure<'static>,
    },
    /// A datagram that gets no answer.
    Ignore(IgnoreReason),
}

/// Classifies a datagram received on port 69.
pub fn classify(datagram: &[u8]) -> Incoming<'_> {
    if datagram.len() > MAX_REQUEST {
        return Incoming::Ignore(IgnoreReason::TooLong);
    }
    let request = match Packet::parse(datagram) {
        Ok(Packet::Read(request)) => request,
        Ok(Packet::Write(request)) => return refuse(request, Failure::READ_ONLY),
        Ok(_) => return Incoming::Ignore(IgnoreReason::NoRequest),
        Err(bad) => return Incoming::Ignore(IgnoreReason::Bad(bad)),
    };
    match request.mode {
        Mode::Octet | Mode::Netascii => {}
        Mode::Mail => return refuse(request, Failure::MAIL),
        Mode::Other(_) => return refuse(request, Failure::UNKNOWN_MODE),
    }
    match vfs::Path::parse(&request.name) {
        Ok(_) => Incoming::Read(request),
        Err(vfs::PathError::Climbs) => refuse(request, Failure::CLIMBS),
        Err(vfs::PathError::Nul | vfs::PathError::TooLong) => refuse(request, Failure::NOT_FOUND),
    }
}

fn refuse<'a>(request: Request<'a>, failure: Failure<'static>) -> Incoming<'a> {
    Incoming::Refuse {
        name: request.name,
        failure,
    }
}
