//! Limits of messages, pools and what is remembered of machines.

/// Longest message read. Clients send under 1,500 bytes; this is enough for a jumbo frame and
/// bounds the memory one message can take.
pub const MAX_LEN: usize = 4096;
/// Most addresses one pool may have: a /12. A bit per address is kept, and each lease takes about
/// half a kilobyte, so this bounds what a flood of machines can cost.
pub const MAX_POOL: u32 = 1 << 20;
/// Addresses checked for one DISCOVER. Each takes about 0.3 s and firmware gives up on an attempt
/// after 4; its next attempt goes on with other addresses.
pub const MAX_CHECKS: u8 = 4;
/// Declines of one machine within [`super::DECLINE_TIME`] before it is ignored: three addresses
/// in a row taken by others means the trouble is not the addresses.
pub const MAX_DECLINES: u8 = 3;
/// Machines whose declines are counted at once; the count of another is then forgotten first.
pub const MAX_DECLINING: usize = 1024;
