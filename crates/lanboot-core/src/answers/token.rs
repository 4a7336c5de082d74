//! Tokens: the part of a URL that only the machine it is for knows.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::machine::Mac;

/// Bytes of a token that cannot be guessed: 160 bits.
const SECRET_BYTES: usize = 20;
/// Digits of a hardware address.
const MAC_DIGITS: usize = 12;

/// The key that tokens and salts are made with: 256 random bits, which the shell keeps in the state
/// folder. With it every answer file can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

/// The token of one machine. Displays as it is in a path: its hardware address and 40 digits that are
/// made of the address with the key, so that none has to be kept or looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    mac: Mac,
    secret: [u8; SECRET_BYTES],
}

impl TokenKey {
    /// Takes random bytes as a key.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes the token of a machine.
    pub fn token(&self, mac: Mac) -> Token {
        let mut secret = [0; SECRET_BYTES];
        let made = self.code(b"token", mac).finalize().into_bytes();
        secret
            .iter_mut()
            .zip(made.iter())
            .for_each(|(to, from)| *to = *from);
        Token { mac, secret }
    }

    /// Tests whether a token was made with this key, in a time that does not depend on how much of it is
    /// right. Returns the machine that it is for.
    pub fn check(&self, token: &Token) -> Option<Mac> {
        let made = self.code(b"token", token.mac);
        made.verify_truncated_left(&token.secret).ok()?;
        Some(token.mac)
    }

    /// Returns the key that the salts of a machine's passwords are made with.
    pub(super) fn salt_key_of(&self, mac: &str) -> [u8; 32] {
        let mut code = hmac(&self.0);
        code.update(b"salt key");
        code.update(mac.as_bytes());
        code.finalize().into_bytes().into()
    }

    fn code(&self, purpose: &[u8], mac: Mac) -> Hmac<Sha256> {
        let mut code = hmac(&self.0);
        code.update(purpose);
        code.update(&mac.0);
        code
    }
}

/// Begins an HMAC (RFC 2104) with SHA-256.
pub(super) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    // A shorter key is followed by zeros.
    let mut block = [0; 64];
    let (front, _) = block.split_at_mut(key.len());
    front.copy_from_slice(key);
    Hmac::new(&block.into())
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

impl Token {
    /// Parses a token as it is in a path. Whether it is one that was made is checked by
    /// [`TokenKey::check`].
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != MAC_DIGITS + 2 * SECRET_BYTES {
            return None;
        }
        let mut bytes = [0; 6 + SECRET_BYTES];
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            // Only the form that is given out.
            let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
            let digits = std::str::from_utf8(digits).ok()?;
            if !digits.as_bytes().iter().all(is_digit) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        let (mac, secret) = bytes.split_at(6);
        Some(Self {
            mac: Mac(mac.try_into().ok()?),
            secret: secret.try_into().ok()?,
        })
    }

    /// Returns the machine that it claims to be for.
    pub fn claimed(&self) -> Mac {
        self.mac
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.mac.0.iter().chain(&self.secret);
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
