//! Queries to the kernel for which there is no safe wrapper.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Returns whether the byte at `offset` of `file` can be read without waiting for the disk.
pub fn is_in_memory(file: &File, offset: i64) -> bool {
    let mut byte = 0u8;
    let buffer = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: the descriptor is open for as long as `file` lives; the one buffer is the byte above,
    // and the kernel writes at most that.
    let read = unsafe {
        libc::preadv2(
            file.as_raw_fd(),
            &raw const buffer,
            1,
            offset,
            libc::RWF_NOWAIT,
        )
    };
    // Any other error, or the end of the file, is found again by the actual read.
    read >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
}

/// Returns the bytes sent on a TCP connection and not yet acknowledged by the peer; after a reset,
/// those not acknowledged until then.
pub fn unacknowledged(stream: &impl AsRawFd) -> io::Result<u64> {
    // SIOCOUTQ has the number of TIOCOUTQ.
    queued(stream, libc::TIOCOUTQ)
}

/// Returns the bytes that have not left this host because the peer's window is closed.
pub fn unsent(stream: &impl AsRawFd) -> io::Result<u64> {
    // linux/sockios.h; libc has no name for it.
    const SIOCOUTQNSD: libc::Ioctl = 0x894B;
    queued(stream, SIOCOUTQNSD)
}

/// Returns how long the peer of a TCP connection has accepted none of the pending data: its window
/// is closed, or it acknowledges nothing. Zero if nothing is pending or the kernel gives no
/// information.
pub fn stalled(stream: &impl AsRawFd) -> Duration {
    let Some(info) = tcp_info(stream) else {
        return Duration::ZERO;
    };
    let waits = unsent(stream).unwrap_or(0) > 0;
    // Probes of a closed window carry no data; retransmissions count as sent.
    let closed = if waits { info.tcpi_last_data_sent } else { 0 };
    let silent = if info.tcpi_unacked > 0 {
        info.tcpi_last_ack_recv
    } else {
        0
    };
    Duration::from_millis(closed.max(silent).into())
}

fn tcp_info(stream: &impl AsRawFd) -> Option<libc::tcp_info> {
    let mut info = std::mem::MaybeUninit::<libc::tcp_info>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the descriptor is open for as long as `stream` lives; the kernel writes at most `len`
    // bytes to the address given, which is that of so many, and the length back.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    // SAFETY: it was zeroed, and holds only numbers.
    (done == 0).then(|| unsafe { info.assume_init() })
}

fn queued(stream: &impl AsRawFd, question: libc::Ioctl) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` lives, and both requests used here
    // write one int to the address given.
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), question, &raw mut bytes) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u64::try_from(bytes).unwrap_or(0))
}
