//! Lists an initramfs.

use std::io::Read;

use super::archive::Listing;
use super::unpack::Input;
use super::{Contents, Error, MAX_UNPACKED};

/// Lists an initramfs. Several files of one kernel are to be concatenated, as the kernel does.
///
/// # Errors
/// Fails if the data cannot be read, is damaged or exceeds a limit.
pub fn list(initramfs: impl Read) -> Result<Contents, Error> {
    let mut listing = Listing::default();
    let mut input = Input::new(initramfs);
    let mut left = MAX_UNPACKED;
    loop {
        listing.read(&mut input, &mut left)?;
        let Some(packing) = input.packing()? else {
            let at = input.position();
            return match input.peek()?.first() {
                None => Ok(listing.contents),
                Some(_) => Err(Error::NoArchive(at)),
            };
        };
        let mut unpacked = Input::new(packing.unpack(input)?);
        listing.read(&mut unpacked, &mut left)?;
        if !unpacked.peek()?.is_empty() {
            return Err(Error::Damaged("something follows it that is no archive"));
        }
        input = unpacked.into_inner().into_inner().ok_or(Error::CutShort)?;
    }
}
