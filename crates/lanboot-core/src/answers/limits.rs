//! Bounds of templates and of what they make.

/// Most files of a template folder.
pub const MAX_FILES: usize = 1024;
/// Longest template, in bytes.
pub const MAX_SOURCE: usize = 256 * 1024;
/// Most bytes of all templates.
pub const MAX_SOURCES: usize = 16 * 1024 * 1024;
/// Longest name of a template, with its folders, in bytes.
pub const MAX_NAME: usize = 200;
/// Most bytes that a template makes. Installers hold the file in memory, some of them several times.
pub const MAX_RENDERED: usize = 1024 * 1024;
/// Work of one rendering: a step costs one, and so do 64 bytes that are made. It bounds the memory, too:
/// about 13 MB.
pub const FUEL: u64 = 200_000;
/// Depth of blocks, loops, macros and included files within each other, as minijinja counts it: an
/// included file costs ten.
pub const MAX_DEPTH: usize = 200;
/// Longest secret, in bytes.
pub const MAX_SECRET: usize = 64 * 1024;
/// Fuel that hashing one password costs: it takes as long as thousands of steps.
pub(super) const CRYPT_FUEL: u64 = 5_000;
/// Longest password that is hashed, in bytes, as in crypt(5).
pub(super) const MAX_PASSWORD: usize = 511;
