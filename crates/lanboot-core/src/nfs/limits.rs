//! Limits of calls.

/// Longest record accepted, in bytes: a WRITE of one megabyte with its headers, answered with
/// "read-only". A longer one ends the connection before any of it is read.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024 + 64 * 1024;
/// Bytes stored of a record; the rest is discarded. Ten times the longest call that is not answered
/// with "read-only": two names of 255 bytes, two handles of 64, and credentials of 400.
pub const KEPT_BYTES: usize = 16 * 1024;
/// Most fragments of one record: the longest sensible call with one byte per fragment.
pub const MAX_FRAGMENTS: u32 = 4096;
/// Longest path that can be mounted, in bytes (MNTPATHLEN).
pub const MAX_PATH_BYTES: usize = 1024;
/// Longest handle of NFSv3 (RFC 1813 §2.4).
pub const MAX_HANDLE_BYTES: usize = 64;
/// Most bytes of one READ over TCP: the maximum Linux uses.
pub const MAX_READ_BYTES: u32 = 1024 * 1024;
/// Most bytes of one READ over UDP: the reply must fit a datagram, and each of its two dozen
/// fragments must arrive.
pub const MAX_READ_BYTES_UDP: u32 = 32 * 1024;
/// Most calls that wait: as many as the kernel holds too, 8 MiB of the longest ones.
pub const MAX_WAITING: usize = 1024;
/// Most calls of one address that wait. Linux has 16 calls under way at once, 128 at most; it repeats
/// what is dropped.
pub const MAX_WAITING_PER_PEER: usize = 128;
/// Most known mounts.
pub const MAX_MOUNTS: usize = 8192;
