//! What rules know a machine by.

use crate::machine::{Mac, Uuid};

/// What rules know a machine by.
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
