//! ISO 9660 with Rock Ridge, Joliet and El Torito, read once into a [`crate::vfs::Tree`].

/// Random access to an image, given by the shell.
pub trait ReadAt {
    /// Reads some bytes at `offset` into `buf`; 0 only at or after the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> std::io::Result<usize>;
    /// Length in bytes at the moment the image was opened.
    fn len(&self) -> u64;
    /// Whether the image holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
/// stub until merge
pub struct Medium {
    /// x
    pub tree: crate::vfs::Tree,
    /// x
    pub label: String,
}
