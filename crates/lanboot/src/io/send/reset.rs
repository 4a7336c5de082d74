//! Closes that are resets.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Makes the next close a reset. lpxelinux ignores Content-Length and takes a plain close for the
/// end of the file, so an incomplete reply must not end like a complete one.
pub fn reset_on_close(stream: &TcpStream) {
    // A closed socket needs no reset.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Makes the close a reset if the program ends in the middle of a body.
pub(super) struct ResetOnDrop<'a>(pub(super) &'a TcpStream);

impl Drop for ResetOnDrop<'_> {
    fn drop(&mut self) {
        reset_on_close(self.0);
    }
}
