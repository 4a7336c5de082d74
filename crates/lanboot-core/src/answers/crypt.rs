//! Hashes passwords as crypt(5) writes them.

use std::sync::atomic::{AtomicU32, Ordering};

use hmac::Mac as _;
use sha_crypt::ShaCrypt;
use sha_crypt::password_hash::PasswordHasher as _;

use super::limits::MAX_PASSWORD;
use super::token::hmac;

/// Bytes of a salt: 96 bits, which SHA-crypt writes as its longest salt of 16 characters.
const SALT_BYTES: usize = 12;

/// A way to hash passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `$6$`, which every Linux since 2007 reads.
    Sha512,
    /// `$y$`, the default of Debian 11, Fedora 35 and Arch and later.
    Yescrypt,
}

impl Method {
    /// Parses the word that the filter takes.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "sha512" => Some(Self::Sha512),
            "yescrypt" => Some(Self::Yescrypt),
            _ => None,
        }
    }

    /// Hashes a password. Returns `None` for one that is too long or has a NUL, which no login takes.
    pub(super) fn hash(self, password: &str, salt: &[u8]) -> Option<String> {
        if password.len() > MAX_PASSWORD || password.contains('\0') {
            return None;
        }
        let password = password.as_bytes();
        match self {
            Self::Sha512 => {
                let hash = ShaCrypt::SHA512.hash_password_with_salt(password, salt);
                Some(hash.ok()?.as_str().to_owned())
            }
            Self::Yescrypt => {
                let hash = yescrypt::Yescrypt::default().hash_password_with_salt(password, salt);
                Some(hash.ok()?.as_str().to_owned())
            }
        }
    }
}

/// Salts of one rendering: the same ones in the same order each time the same machine asks.
#[derive(Debug)]
pub(super) struct Salts {
    key: [u8; 32],
    used: AtomicU32,
}

impl Salts {
    /// Makes the salts of a machine by its secret key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            used: AtomicU32::new(0),
        }
    }

    /// Returns the next salt.
    pub(super) fn next(&self) -> Vec<u8> {
        let number = self.used.fetch_add(1, Ordering::Relaxed);
        let mut mac = hmac(&self.key);
        mac.update(b"salt");
        mac.update(&number.to_be_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().copied().take(SALT_BYTES).collect()
    }
}
