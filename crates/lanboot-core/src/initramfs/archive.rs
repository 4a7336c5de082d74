//! Reads the entries of cpio archives in the "new ASCII" format, like the kernel (Linux
//! `init/initramfs.c`).

use std::io::Read;

use super::unpack::Input;
use super::{BuiltinList, Contents, Error, HEADER, MAX_LIST_BYTES, padding};

/// Longest file name, with its NUL (`PATH_MAX`).
const MAX_NAME: u64 = 4096;
/// Name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// Contents found so far.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) contents: Contents,
}

impl Listing {
    /// Reads all archives at the front of `input`, with the zeros between them, and stops before
    /// other data. `left` is the number of bytes that may still be read.
    pub(super) fn read<R: Read>(
        &mut self,
        input: &mut Input<R>,
        left: &mut u64,
    ) -> Result<(), Error> {
        loop {
            input.skip_zeros(left)?;
            let magic = input.peek()?.get(..6);
            if !magic.is_some_and(|magic| magic == b"070701" || magic == b"070702") {
                return Ok(());
            }
            while self.entry(input, left)? {}
        }
    }

    /// Reads one entry; `false` for the last of its archive.
    fn entry<R: Read>(&mut self, input: &mut Input<R>, left: &mut u64) -> Result<bool, Error> {
        let header = input.array::<HEADER>(left)?;
        let magic = header.get(..6);
        if !magic.is_some_and(|magic| magic == b"070701" || magic == b"070702") {
            return Err(Error::Damaged("an entry has no header"));
        }
        let file_bytes = number(&header, 6)?;
        let name_bytes = number(&header, 11)?;
        if name_bytes == 0 || name_bytes > MAX_NAME {
            return Err(Error::Damaged("a name is too long"));
        }
        let mut name = input.bytes(name_bytes, left)?;
        while name.last() == Some(&0) {
            name.pop();
        }
        input.skip(padding(HEADER as u64 + name_bytes), left)?;
        let name = String::from_utf8_lossy(&name);
        let name = name.strip_prefix("./").unwrap_or(&name);
        if name == TRAILER {
            return Ok(false);
        }
        self.contents.add(name)?;
        match BuiltinList::of(name).filter(|_| file_bytes > 0 && file_bytes <= MAX_LIST_BYTES) {
            Some(list) => {
                let text = input.bytes(file_bytes, left)?;
                self.contents.add_builtin(&list, &text);
            }
            None => input.skip(file_bytes, left)?,
        }
        input.skip(padding(file_bytes), left)?;
        Ok(true)
    }
}

/// Parses the header's number at this index, in hexadecimal digits.
fn number(header: &[u8; HEADER], index: usize) -> Result<u64, Error> {
    let at = 6 + index * 8;
    let digits = header
        .get(at..at + 8)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or(Error::Damaged("a header holds no number"))
}
