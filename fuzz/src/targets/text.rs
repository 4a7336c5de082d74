//! Names and texts from outside on their way to a terminal, a log or a path.

use lanboot_core::{http, text, vfs};

/// Makes any bytes printable, and parses them as a path, a date, a byte range.
pub fn run(data: &[u8]) {
    let printable = text::printable(data, 4096);
    assert!(!printable.chars().any(char::is_control), "{printable:?}");
    if let Ok(path) = vfs::Path::parse(data) {
        assert!(!path.names().contains(&&b".."[..]));
    }
    let _ = http::select(data, 1000);
    let _ = http::date::parse(data);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 6] = [
        b"/iso/arch/../x%2f",
        b"bytes=0-1,5-,-3",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        "\u{202e}gro\x1b[2Jüöä\0".as_bytes(),
        b"\\boot\\grub\\x86_64-efi\\",
    ];
    texts.map(<[u8]>::to_vec).into()
}
