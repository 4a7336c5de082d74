//! Limits of a request.

/// Longest request head in bytes, request line included. lpxelinux sends about 600 bytes of cookies
/// with every request, browsers a few kilobytes.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header fields in one request; browsers send about 20.
pub const MAX_HEADERS: usize = 64;
/// Longest request body, in bytes, read and discarded to keep a connection usable. No supported
/// request needs a body.
pub const MAX_BODY_BYTES: u64 = 64 * 1024;
/// Most ranges answered in one reply. Loaders request one; a client that sends more gets the whole
/// file.
pub const MAX_RANGES: usize = 64;
