//! File handles: identify a file of an image, authenticated by a key.
//!
//! ```text
//! 0        1                17        21                37
//! ┌────────┬────────────────┬─────────┬─────────────────┐
//! │ layout │ image identity │ node    │ SipHash-2-4-128 │
//! └────────┴────────────────┴─────────┴─────────────────┘
//! ```
//!
//! Machines keep handles for days, over restarts of the server and renames of the image. Nothing in
//! them refers to this run, and the shell keeps the key.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::bytes::Reader;
use crate::vfs::{Identity, NodeId};

/// Length of our handles.
pub const HANDLE_BYTES: usize = 37;
const TAG_BYTES: usize = 16;
const LAYOUT: u8 = 1;

/// A file of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The image.
    pub image: Identity,
    /// The file in its tree.
    pub node: NodeId,
}

/// Reason a handle is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHandle {
    /// Not in the format of a handle.
    Bad,
    /// In the right format, but made with another key or modified.
    WrongTag,
}

/// Encodes and decodes handles.
#[derive(Clone)]
pub struct Handles {
    key: [u8; 16],
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handles")
    }
}

impl Handles {
    /// Creates the codec for a secret key. Knowing the key allows making handles, which gives
    /// access only to files of images served at some time.
    pub fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// Encodes the handle of a file.
    pub fn write(&self, handle: Handle) -> [u8; HANDLE_BYTES] {
        let mut bytes = [0; HANDLE_BYTES];
        let node = handle.node.0.to_be_bytes();
        let tag = self.tag(handle);
        let parts = [&LAYOUT.to_be_bytes()[..], &handle.image.0, &node, &tag];
        let parts = parts.into_iter().flatten();
        bytes
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Decodes a handle.
    ///
    /// # Errors
    /// Fails if the handle has another format or was not made with this key.
    pub fn read(&self, bytes: &[u8]) -> Result<Handle, NoHandle> {
        let mut reader = Reader::new(bytes);
        let mut parts = || {
            let layout = reader.u8("layout").ok()?;
            let image = Identity(reader.array("image").ok()?);
            let node = NodeId(reader.u32("node").ok()?);
            let tag: [u8; TAG_BYTES] = reader.array("tag").ok()?;
            let whole = layout == LAYOUT && reader.is_empty();
            whole.then_some((Handle { image, node }, tag))
        };
        let (handle, tag) = parts().ok_or(NoHandle::Bad)?;
        // Compares all bytes, in constant time.
        let differing = tag
            .iter()
            .zip(self.tag(handle))
            .fold(0, |differing, (a, b)| differing | (a ^ b));
        if differing == 0 {
            Ok(handle)
        } else {
            Err(NoHandle::WrongTag)
        }
    }

    fn tag(&self, handle: Handle) -> [u8; TAG_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&[LAYOUT]);
        hasher.write(&handle.image.0);
        hasher.write(&handle.node.0.to_be_bytes());
        hasher.finish128().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::MAX_HANDLE_BYTES;
    use super::*;

    const HANDLE: Handle = Handle {
        image: Identity(*b"an image of ours"),
        node: NodeId(0x0102_0304),
    };

    #[test]
    fn handles_are_stable_across_runs() {
        let bytes = Handles::new([7; 16]).write(HANDLE);
        assert_eq!(Handles::new([7; 16]).read(&bytes), Ok(HANDLE));
        assert!(bytes.len() <= MAX_HANDLE_BYTES);
        // Machines keep handles over an upgrade, so the layout must not change.
        assert_eq!(bytes[..21], *b"\x01an image of ours\x01\x02\x03\x04");
        assert_eq!(
            bytes[21..],
            [
                250, 255, 208, 69, 213, 234, 249, 143, 79, 7, 164, 147, 85, 190, 18, 80
            ]
        );
    }

    #[test]
    fn modified_handles_are_rejected() {
        let handles = Handles::new([7; 16]);
        let good = handles.write(HANDLE);
        for bit in 0..HANDLE_BYTES * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let fault = handles.read(&bytes).unwrap_err();
            let expected = if bit < 8 {
                NoHandle::Bad
            } else {
                NoHandle::WrongTag
            };
            assert_eq!(fault, expected, "bit {bit}");
        }
        assert_eq!(Handles::new([8; 16]).read(&good), Err(NoHandle::WrongTag));
    }

    #[test]
    fn other_lengths_are_rejected() {
        let handles = Handles::new([7; 16]);
        let good = handles.write(HANDLE);
        for len in 0..HANDLE_BYTES {
            assert_eq!(handles.read(&good[..len]), Err(NoHandle::Bad));
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(handles.read(&longer), Err(NoHandle::Bad));
    }
}
