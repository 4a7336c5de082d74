//! Limits of a connection.

use super::wire::OPTION_HEAD_BYTES;

/// Longest name of an export, in bytes ("Values": a string is at most 4096 bytes).
pub const MAX_NAME_BYTES: usize = 4096;
/// Most data of one option that is parsed, in bytes: a name of [`MAX_NAME_BYTES`] and as much again
/// for queries. More is skipped without being stored and answered ERR_TOO_BIG.
pub const MAX_OPTION_BYTES: usize = 2 * MAX_NAME_BYTES;
/// Most data of one option that is skipped, in bytes. No NBD client announces more.
pub const MAX_SKIPPED_BYTES: u32 = 1 << 20;
/// Most options of one negotiation. A client needs four; a tool that queries each of a thousand
/// images on one connection needs a thousand.
pub const MAX_OPTIONS: u32 = 2048;
/// Longest READ or WRITE, in bytes: the default limit of clients ("Block size constraints").
pub const MAX_REQUEST_BYTES: u32 = 32 << 20;
/// Preferred request size, in bytes: a page.
pub const PREFERRED_BYTES: u32 = 4096;
/// Most extents in one reply. A whole image has two; "the server MAY return less descriptors".
pub const MAX_EXTENTS: usize = 1024;
/// Longest message a session needs to see whole, in bytes. A buffer of this size always suffices.
pub const MAX_MESSAGE_BYTES: usize = OPTION_HEAD_BYTES + MAX_OPTION_BYTES;
