//! Downloads of images, as far as they need neither network nor disk: addresses, names and versions in
//! directory pages, checksum lists, what a partial file can be continued from, what the OpenPGP programs
//! print.

mod checksums;
mod listing;
mod name_pattern;
mod openpgp;
mod proxy;
mod rate;
mod resume;
mod url;

pub use checksums::{Algorithm, Checksum, checksum_of, names_in_list, only_checksum, parse_hex};
pub use listing::names_in_page;
pub use name_pattern::{MAX_PATTERN_BYTES, NameMatch, NamePattern, PatternError, Version, newest};
pub use openpgp::{binary_key, gpgv_signers, same_fingerprint, sqv_signers};
pub use proxy::bypasses_proxy;
pub use rate::{Rate, duration, progress_line};
pub use resume::{Answer, Begin, Condition, Continued, Discarded, PartState, answer, begin};
pub use url::{Scheme, Url, UrlError, is_safe_file_name};
