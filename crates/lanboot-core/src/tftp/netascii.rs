//! The netascii mode of RFC 1350 §1 (RFC 764): LF is sent as CR LF, CR as CR NUL. Decoding restores
//! every byte, whatever the file contains.

/// Encodes `bytes` as netascii; at most twice as long.
pub fn to_netascii(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for &byte in bytes {
        match byte {
            b'\n' => out.extend_from_slice(b"\r\n"),
            b'\r' => out.extend_from_slice(b"\r\0"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn undone(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = bytes.iter().copied();
        while let Some(byte) = rest.next() {
            out.push(match byte {
                b'\r' if rest.next() == Some(b'\n') => b'\n',
                other => other,
            });
        }
        out
    }

    #[test]
    fn line_ends_become_two_bytes() {
        assert_eq!(to_netascii(b"a\nb\r\n"), b"a\r\nb\r\0\r\n");
    }

    proptest! {
        #[test]
        fn netascii_round_trips(bytes: Vec<u8>) {
            prop_assert_eq!(undone(&to_netascii(&bytes)), bytes);
        }
    }
}
