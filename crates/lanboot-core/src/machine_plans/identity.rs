//! The facts by which rules know a machine.

use crate::machine::{Mac, Uuid};

/// The facts by which rules know a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Hardware address of the card it boots from.
    pub mac: Mac,
    /// UUID of its board; `None` also where another machine had it first.
    pub uuid: Option<Uuid>,
    /// Serial number according to its firmware.
    pub serial: Option<&'a str>,
    /// Asset tag according to its firmware.
    pub asset_tag: Option<&'a str>,
}
