//! Text and times as UDF records them (OSTA UDF §2.1.1, §2.1.4; ECMA-167 1/7.3).

use crate::storage::{calendar, u16_le};

/// Compression identifiers: a character has eight or sixteen bits.
const EIGHT_BITS: u8 = 8;
const SIXTEEN_BITS: u8 = 16;

/// Decodes compressed Unicode; `None` without a valid compression identifier.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let (kind, characters) = bytes.split_first()?;
    match *kind {
        EIGHT_BITS => Some(characters.iter().copied().map(char::from).collect()),
        SIXTEEN_BITS => {
            let units = characters.chunks_exact(2).map(|pair| {
                let pair: [u8; 2] = pair.try_into().unwrap_or_default();
                u16::from_be_bytes(pair)
            });
            let characters = char::decode_utf16(units);
            Some(
                characters
                    .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Decodes a field whose last byte is its length, without control characters; empty if it is not set.
pub(super) fn field(bytes: &[u8]) -> String {
    let Some((&len, rest)) = bytes.split_last() else {
        return String::new();
    };
    let recorded = rest.get(..usize::from(len)).unwrap_or_default();
    let text = text(recorded).unwrap_or_default();
    let printable = |c: char| if c.is_control() { '?' } else { c };
    text.trim_end_matches(['\0', ' '])
        .chars()
        .map(printable)
        .collect()
}

/// Parses a timestamp of twelve bytes as seconds since 1970; 0 if it is not set.
pub(super) fn seconds(bytes: &[u8]) -> i64 {
    let byte = |at: usize| bytes.get(at).copied().map_or(0, i64::from);
    // Twelve bits, signed: minutes from UTC; -2047 if unknown.
    let minutes = i64::from((u16_le(bytes, 0) << 4).cast_signed() >> 4);
    let minutes = if (-1440..=1440).contains(&minutes) {
        minutes
    } else {
        0
    };
    let year = i64::from(u16_le(bytes, 2).cast_signed());
    if year < 0 {
        return 0;
    }
    let local = calendar::seconds(year, byte(4), byte(5), byte(6), byte(7), byte(8));
    local.map_or(0, |local| local - minutes * 60)
}

/// Converts the components of a symbolic link (ECMA-167 4/14.16) to a path; `None` if they are damaged.
pub(super) fn link(mut components: &[u8]) -> Option<Vec<u8>> {
    const ROOTS: [u8; 2] = [1, 2];
    const PARENT: u8 = 3;
    const CURRENT: u8 = 4;
    const NAME: u8 = 5;
    let mut path: Vec<u8> = Vec::new();
    while let Some((&[kind, len, ..], rest)) = components.split_first_chunk::<4>() {
        let name = rest.get(..usize::from(len))?;
        components = rest.get(usize::from(len)..)?;
        if !path.is_empty() && path.last() != Some(&b'/') {
            path.push(b'/');
        }
        match kind {
            kind if ROOTS.contains(&kind) => path = b"/".to_vec(),
            PARENT => path.extend_from_slice(b".."),
            CURRENT => path.push(b'.'),
            NAME => path.extend_from_slice(text(name)?.as_bytes()),
            _ => return None,
        }
    }
    (components.is_empty() && !path.is_empty() && !path.contains(&0)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_eight_or_sixteen_bits() {
        assert_eq!(text(b"\x08caf\xe9").as_deref(), Some("café"));
        assert_eq!(text(b"\x10\x54\x0d\0a").as_deref(), Some("名a"));
        assert_eq!(text(b"\xfea"), None);
        assert_eq!(field(b"\x08CCCOMA_X64\0\0\0\x0b"), "CCCOMA_X64");
        assert_eq!(field(b"\x08A\x1b\0\0\x03"), "A?");
        assert_eq!(field(&[0; 32]), "");
        assert_eq!(field(b"\x08abc\xff"), "");
    }

    #[test]
    fn times_are_seconds_since_1970() {
        // date -u -d '2026-03-01 10:20:30 +0200' +%s
        let zone = 0x1000u16 | 120;
        let mut time = zone.to_le_bytes().to_vec();
        time.extend(2026u16.to_le_bytes());
        time.extend([3, 1, 10, 20, 30, 0, 0, 0]);
        assert_eq!(seconds(&time), 1_772_353_230);
        let west = 0x1000u16 | (-120i16).cast_unsigned() & 0xfff;
        time[..2].copy_from_slice(&west.to_le_bytes());
        assert_eq!(seconds(&time), 1_772_353_230 + 4 * 3600);
        let unknown = 0x1000u16 | (-2047i16).cast_unsigned() & 0xfff;
        time[..2].copy_from_slice(&unknown.to_le_bytes());
        assert_eq!(seconds(&time), 1_772_353_230 + 2 * 3600);
        assert_eq!(seconds(&[0; 12]), 0);
    }

    #[test]
    fn links_are_paths() {
        assert_eq!(
            link(b"\x03\0\0\0\x05\x03\0\0\x08ab").as_deref(),
            Some(&b"../ab"[..])
        );
        assert_eq!(
            link(b"\x02\0\0\0\x05\x02\0\0\x08a").as_deref(),
            Some(&b"/a"[..])
        );
        for wrong in [
            &b""[..],
            b"\x05\x09\0\0\x08a",
            b"\x05\x02\0\0\x08\0",
            b"\x09\0\0\0",
            b"\x03\0",
        ] {
            assert_eq!(link(wrong), None);
        }
    }
}
