//! Outcome of a reply.

use std::fmt;
use std::io;
use std::time::Duration;

use lanboot_core::events::{Reason, SendFailure};

use crate::images::open_folder::NotOpened;
use crate::images::open_images::{Changed, Unavailable};

/// Outcome of a reply.
#[derive(Debug)]
#[must_use]
pub enum Sent {
    /// All of it was handed to the kernel.
    Whole,
    /// Nothing could be read, so the reply's `on_read_error` was sent instead.
    ReadError(SendError),
    /// Sending broke off in the middle. The connection was reset, so that the machine cannot
    /// mistake the part for the whole.
    Cut(SendError),
}

/// Reason a reply broke off; events carry it as [`SendFailure`].
#[derive(Debug)]
pub enum SendError {
    /// The peer closed the connection or vanished.
    Peer(io::Error),
    /// The peer accepts no data.
    Stalled(Duration),
    /// Reading failed.
    Read(io::Error),
    /// The file is shorter than expected.
    Short,
    /// Bytes recorded by the image are missing from it.
    Missing,
    /// The file was overwritten.
    Overwritten,
    /// The image is not open any more.
    Gone,
}

impl From<&SendError> for SendFailure {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Peer(error) => Self::HungUp(error.to_string()),
            SendError::Stalled(time) => Self::Stalled(*time),
            SendError::Read(error) => Self::Unreadable(error.to_string()),
            SendError::Short => Self::Truncated,
            SendError::Missing => Self::Incomplete,
            SendError::Overwritten => Self::Overwritten,
            SendError::Gone => Self::Closed,
        }
    }
}

impl From<&SendError> for Reason {
    fn from(error: &SendError) -> Self {
        SendFailure::from(error).into()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SendFailure::from(self).fmt(f)
    }
}

impl std::error::Error for SendError {}

impl From<Unavailable> for SendError {
    fn from(why: Unavailable) -> Self {
        match why {
            Unavailable::Gone => Self::Gone,
            Unavailable::NotOpened(NotOpened::Changed) => Self::Overwritten,
            Unavailable::NotOpened(NotOpened::Error(error)) => {
                Self::Read(io::Error::from_raw_os_error(error))
            }
        }
    }
}

impl From<Changed> for SendError {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::Shorter => Self::Short,
            Changed::Overwritten => Self::Overwritten,
        }
    }
}
