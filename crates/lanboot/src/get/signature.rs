//! OpenPGP signatures, verified by `sqv`, or by `gpgv` where that is not installed.
//!
//! Keys come from files of this host or from the network, and are trusted for one reason only: the
//! program that verifies the signature names the fingerprint of the key that made it, and that one is
//! pinned.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;
use lanboot_core::downloads::{Url, binary_key, gpgv_signers, same_fingerprint, sqv_signers};
use lanboot_core::text;

use super::failure::{Failure, Kind};
use super::sources::{FINGERPRINT, Source};
use super::web::Web;

/// Largest key file, in bytes: Debian's keyring of all its developers is smaller.
const MAX_KEY_BYTES: u64 = 64 << 20;
/// Largest key file fetched from the network, in bytes.
const MAX_FETCHED_BYTES: u64 = 4 << 20;
/// Most lines of a verifying program that are shown.
const MAX_LINES: usize = 3;

/// Where keys come from and which count.
#[derive(Debug)]
pub(super) struct Trust<'a> {
    /// The client that fetches keys.
    pub(super) web: &'a Web,
    /// A keyring named by the operator: every key in it counts, and no other.
    pub(super) keyring: Option<&'a Path>,
}

/// The object of a signature.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signed<'a> {
    /// A file, with a signature apart.
    File(&'a Path, &'a [u8]),
    /// Bytes, with a signature apart.
    Bytes(&'a [u8], &'a [u8]),
    /// A text that holds its signature.
    Inline(&'a [u8]),
}

/// A good signature.
#[derive(Debug)]
pub(super) struct Good {
    /// Fingerprint of the key that made it.
    pub(super) signer: String,
    /// The signed text, if it held its signature: what surrounds it is not signed.
    pub(super) text: Option<Vec<u8>>,
}

/// A program's verdict.
#[derive(Debug)]
struct Verdict {
    signers: Vec<String>,
    text: Option<Vec<u8>>,
    /// Its own words.
    words: String,
}

impl Trust<'_> {
    /// Verifies a signature with the keys of a source. `what` is the name of the signed thing.
    ///
    /// # Errors
    /// It is not good, no key for it was found, or there is no program to verify it.
    pub(super) fn verify(
        &self,
        source: &Source,
        signed: Signed<'_>,
        what: &str,
    ) -> Result<Good, Failure> {
        let scratch = Scratch::new(signed)?;
        let mut words = Vec::new();
        if let Some(keyring) = self.keyring {
            let shown = text::path(keyring);
            let keys = read_keys(keyring).with_context(|| format!("the keyring {shown}"))?;
            let verdict = scratch.verify(&keys)?;
            let signer = verdict.signers.into_iter().next();
            return signer
                .map(|signer| Good {
                    signer,
                    text: verdict.text,
                })
                .ok_or_else(|| {
                    not_good(what, &format!("with the keys in {shown}"), &verdict.words)
                });
        }
        let mut tried = 0;
        for keys in self.keys_of(source, &mut words) {
            tried += 1;
            let verdict = scratch.verify(&keys)?;
            let is_pinned = |signer: &String| {
                let mut pinned = source.keys.iter();
                pinned.any(|pinned| same_fingerprint(pinned, signer))
            };
            if let Some(signer) = verdict.signers.iter().find(|signer| is_pinned(signer)) {
                return Ok(Good {
                    signer: signer.clone(),
                    text: verdict.text,
                });
            }
            words.push(match verdict.signers.first() {
                Some(other) => format!("it is by {other}, which is no key of this project"),
                None => verdict.words,
            });
        }
        let with = match tried {
            0 => "because no key was found".to_owned(),
            _ => format!("by {}", source.keys.join(" or ")),
        };
        Err(not_good(what, &with, &words.join("; ")))
    }

    /// Returns the keys of a source, one file after the other: those of this host, then those from the
    /// network. Reasons why there are none are added to `words`.
    fn keys_of(&self, source: &Source, words: &mut Vec<String>) -> Vec<Vec<u8>> {
        let here = source.keyrings.iter().filter(|path| path.exists());
        let mut found: Vec<Vec<u8>> = here.filter_map(|path| read_keys(path).ok()).collect();
        for template in &source.key_urls {
            // One address for each key, or one for all.
            let fingerprints = match template.contains(FINGERPRINT) {
                true => source.keys.as_slice(),
                false => &source.keys[..source.keys.len().min(1)],
            };
            for fingerprint in fingerprints {
                let url = template.replace(FINGERPRINT, &fingerprint.replace(' ', ""));
                let Ok(url) = Url::parse(&url) else {
                    continue;
                };
                match self.web.small(&url, MAX_FETCHED_BYTES) {
                    Ok(file) => match binary_key(&file) {
                        Some(keys) => found.push(keys),
                        None => words.push(format!("{} is no key", url.shown())),
                    },
                    Err(error) => words.push(format!("no key from {}: {error}", url.shown())),
                }
            }
        }
        found
    }
}

fn not_good(what: &str, with: &str, words: &str) -> Failure {
    Kind::NotVerified.because(format!(
        "the signature of {what} is not good {with}: {}",
        text::line(words)
    ))
}

fn read_keys(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_KEY_BYTES).read_to_end(&mut bytes)?;
    binary_key(&bytes).context("holds no OpenPGP keys")
}

/// A folder with the files that a verifying program reads, removed in the end.
#[derive(Debug)]
struct Scratch {
    folder: tempfile::TempDir,
    /// The signed file; `None` if it holds its signature.
    data: Option<PathBuf>,
    signature: PathBuf,
}

impl Scratch {
    fn new(signed: Signed<'_>) -> anyhow::Result<Self> {
        let cannot = "cannot write temporary files to verify a signature";
        let folder = tempfile::Builder::new()
            .prefix("lanboot-get-")
            .tempdir()
            .context(cannot)?;
        let write = |name: &str, bytes: &[u8]| -> anyhow::Result<PathBuf> {
            let path = folder.path().join(name);
            let mut file = File::create(&path).context(cannot)?;
            file.write_all(bytes).context(cannot)?;
            Ok(path)
        };
        let (data, signature) = match signed {
            Signed::File(path, signature) => {
                let path = path.canonicalize().context(cannot)?;
                (Some(path), write("signature", signature)?)
            }
            Signed::Bytes(bytes, signature) => {
                (Some(write("data", bytes)?), write("signature", signature)?)
            }
            Signed::Inline(text) => (None, write("signature", text)?),
        };
        Ok(Self {
            folder,
            data,
            signature,
        })
    }

    /// Runs the verifying program with these keys.
    fn verify(&self, keys: &[u8]) -> Result<Verdict, Failure> {
        let keyring = self.folder.path().join("keys.gpg");
        std::fs::write(&keyring, keys)
            .context("cannot write temporary files to verify a signature")?;
        if let Some(data) = &self.data {
            let arguments = [
                OsStr::new("--keyring"),
                keyring.as_os_str(),
                self.signature.as_os_str(),
                data.as_os_str(),
            ];
            if let Some(output) = self.run("sqv", &arguments)? {
                return Ok(Verdict {
                    signers: match output.status.success() {
                        true => sqv_signers(&String::from_utf8_lossy(&output.stdout)),
                        false => Vec::new(),
                    },
                    text: None,
                    words: last_lines(&output.stderr),
                });
            }
        }
        self.gpgv(&keyring)
    }

    fn gpgv(&self, keyring: &Path) -> Result<Verdict, Failure> {
        let text = self.folder.path().join("text");
        let mut arguments: Vec<OsString> = ["--status-fd", "1", "--homedir"].map(Into::into).into();
        arguments.push(self.folder.path().into());
        arguments.push("--keyring".into());
        arguments.push(keyring.into());
        if self.data.is_none() {
            // From one file of keys to the next.
            let _ = std::fs::remove_file(&text);
            arguments.push("--output".into());
            arguments.push(text.clone().into());
        }
        arguments.push(self.signature.clone().into());
        arguments.extend(self.data.clone().map(Into::into));
        let arguments: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
        let Some(output) = self.run("gpgv", &arguments)? else {
            return Err(no_program(match self.data {
                Some(_) => "sqv or gpgv",
                None => "gpgv",
            }));
        };
        let inline = match self.data {
            Some(_) => None,
            None => std::fs::read(&text).ok(),
        };
        let is_complete = self.data.is_some() || inline.is_some();
        Ok(Verdict {
            signers: match is_complete {
                true => gpgv_signers(&String::from_utf8_lossy(&output.stdout)),
                false => Vec::new(),
            },
            text: inline,
            words: last_lines(&output.stderr),
        })
    }

    /// Runs a program; `None` if it is not installed.
    fn run(&self, program: &str, arguments: &[&OsStr]) -> Result<Option<Output>, Failure> {
        let output = Command::new(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(anyhow::anyhow!("cannot run {program}: {error}").into()),
        }
    }
}

/// Looks for a program that verifies signatures.
///
/// # Errors
/// There is none.
pub(super) fn require_program() -> Result<(), Failure> {
    let is_there = |program: &&str| {
        let called = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        called.is_ok()
    };
    match ["sqv", "gpgv"].iter().any(is_there) {
        true => Ok(()),
        false => Err(no_program("sqv or gpgv")),
    }
}

fn no_program(packages: &str) -> Failure {
    Kind::NotVerified.because(format!(
        "there is no program to verify its OpenPGP signature: install {packages}, or accept the checksum \
         alone with --no-signature"
    ))
}

/// Returns the last lines that a program printed, on one line.
fn last_lines(output: &[u8]) -> String {
    let output = String::from_utf8_lossy(output);
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let start = lines.len().saturating_sub(MAX_LINES);
    text::line(&lines[start..].join("; "))
}
