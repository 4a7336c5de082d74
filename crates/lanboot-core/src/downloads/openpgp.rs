//! OpenPGP, as far as it is not left to `sqv` and `gpgv`: key files without armour, and what these
//! programs print of a signature.

/// First line of an armoured key (RFC 9580, section 6.2).
const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Bit that begins every packet.
const PACKET: u8 = 0x80;
/// Beginning of a line for programs in the output of `gpgv --status-fd`.
const STATUS: &str = "[GNUPG:] ";

/// Returns keys as `gpgv` reads them: armour is removed, all blocks joined. `None` if the file holds no
/// keys.
pub fn binary_key(file: &[u8]) -> Option<Vec<u8>> {
    let first = file.first()?;
    if first & PACKET != 0 {
        return Some(file.to_vec());
    }
    let text = std::str::from_utf8(file).ok()?;
    let mut keys = Vec::new();
    for block in text.split(ARMOR).skip(1) {
        let body = block.split("-----END").next()?;
        // Header lines end at an empty line; the checksum begins with `=`.
        let body = body
            .trim_start_matches([' ', '\t', '\r'])
            .trim_start_matches('\n');
        let lines = body.lines().map(str::trim);
        let digits: String = lines
            .skip_while(|line| line.contains(": "))
            .take_while(|line| !line.starts_with('='))
            .collect();
        keys.extend(base64(&digits)?);
    }
    keys.first()
        .is_some_and(|first| first & PACKET != 0)
        .then_some(keys)
}

/// Decodes base64 with or without padding.
fn base64(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in digits.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// Returns the fingerprints of the primary keys whose signatures `gpgv` found good, out of its status
/// lines. Signatures that are expired, or by an expired or revoked key, do not count.
pub fn gpgv_signers(status: &str) -> Vec<String> {
    let mut signers = Vec::new();
    let mut is_good = false;
    for line in status.lines() {
        let Some(line) = line.strip_prefix(STATUS) else {
            continue;
        };
        let mut words = line.split(' ');
        match words.next() {
            Some("GOODSIG") => is_good = true,
            Some("NEWSIG" | "BADSIG" | "ERRSIG" | "EXPSIG" | "EXPKEYSIG" | "REVKEYSIG") => {
                is_good = false;
            }
            Some("VALIDSIG") if is_good => {
                // The signing key comes first, its primary key last.
                signers.extend(
                    words
                        .next_back()
                        .filter(|word| is_fingerprint(word))
                        .map(str::to_owned),
                );
                is_good = false;
            }
            _ => {}
        }
    }
    signers
}

/// Returns the fingerprints that `sqv` prints: one a line, of the keys whose signatures are good.
pub fn sqv_signers(output: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim);
    lines
        .filter(|line| is_fingerprint(line))
        .map(str::to_owned)
        .collect()
}

fn is_fingerprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Tests whether two fingerprints are the same, whatever their blanks and case. Short ones are none.
pub fn same_fingerprint(a: &str, b: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_ascii_uppercase();
    let (a, b) = (plain(a), plain(b));
    is_fingerprint(&a) && a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIGNING: &str = "1111111111111111111111111111111111111111";
    const PRIMARY: &str = "DF9B9C49EAA9298432589D76DA87E80D6294BE9B";

    fn status(verdict: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] {verdict} DA87E80D6294BE9B Somebody\n\
             [GNUPG:] VALIDSIG {SIGNING} 2026-01-01 1 0 4 0 1 10 00 {PRIMARY}\n"
        )
    }

    #[test]
    fn only_good_signatures_count_and_by_their_primary_key() {
        assert_eq!(gpgv_signers(&status("GOODSIG")), [PRIMARY]);
        for verdict in ["BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG"] {
            assert!(gpgv_signers(&status(verdict)).is_empty(), "{verdict}");
        }
        // A name that looks like a status line is in one.
        let injected = "[GNUPG:] BADSIG 11 a [GNUPG:] GOODSIG\ngpgv: [GNUPG:] GOODSIG\n";
        assert!(gpgv_signers(injected).is_empty());
        let two = status("EXPKEYSIG") + &status("GOODSIG");
        assert_eq!(gpgv_signers(&two).len(), 1);
        assert_eq!(sqv_signers(&format!("{PRIMARY}\nno\n")), [PRIMARY]);
    }

    #[test]
    fn fingerprints_are_compared_whole() {
        let spaced = "df9b 9c49 eaa9 2984 3258  9d76 da87 e80d 6294 be9b";
        assert!(same_fingerprint(spaced, PRIMARY));
        assert!(!same_fingerprint("6294BE9B", "6294BE9B"));
        assert!(!same_fingerprint(PRIMARY, SIGNING));
    }

    #[test]
    fn armour_is_removed() {
        let armoured = |head: &str| {
            format!("text\n{ARMOR}\n{head}\nmQINBA==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n")
        };
        let key = [0x99, 0x02, 0x0d, 0x04];
        for head in ["", "Version: 1\nComment: two\n"] {
            assert_eq!(
                binary_key(armoured(head).as_bytes()).unwrap(),
                key,
                "{head}"
            );
        }
        let two = armoured("").repeat(2).replace('\n', "\r\n");
        assert_eq!(binary_key(two.as_bytes()).unwrap(), key.repeat(2));
        assert_eq!(binary_key(&key).unwrap(), key);
        assert_eq!(binary_key(b"<html>"), None);
        assert_eq!(binary_key(b""), None);
    }

    proptest! {
        #[test]
        fn any_file_is_read_without_a_panic(head in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let head = ["", ARMOR, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"][head];
            binary_key(&[head.as_bytes(), &bytes].concat());
            gpgv_signers(&String::from_utf8_lossy(&bytes));
        }
    }
}
