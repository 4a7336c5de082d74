//! Official images by name: where each is found, and how it is verified. The data is a file in TOML; the
//! one of this program is `sources.toml` beside this file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use lanboot_core::downloads::{Checksum, NamePattern, Scheme, Url, parse_hex, same_fingerprint};
use lanboot_core::text;
use serde::{Deserialize, Serialize};

/// Place of the version in addresses and names.
pub(super) const VERSION: &str = "{version}";
/// Place of the name of the image in the names of other files.
pub(super) const FILE: &str = "{file}";
/// Place of a key's fingerprint in an address.
pub(super) const FINGERPRINT: &str = "{fingerprint}";
/// Word for a list that holds its own signature.
pub(super) const INLINE: &str = "inline";

/// Largest file of sources, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Most sources in a file.
const MAX_SOURCES: usize = 1000;
/// The sources of this program.
const BUILT_IN: &str = include_str!("sources.toml");

/// A file of sources.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceFile {
    image: Vec<Source>,
}

/// An image that can be asked for by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Source {
    /// Name to ask for it by.
    pub(super) name: String,
    /// Title for people.
    pub(super) title: String,
    /// Size, about, as text.
    pub(super) size: Option<String>,
    /// Address of its folder; one part of the path may hold `{version}`, and the newest is taken.
    folder: String,
    /// Other addresses of the same folder, tried in turn.
    #[serde(default)]
    mirrors: Vec<String>,
    /// Pattern of its name.
    file: String,
    /// Page that names the newest file, if it is not the folder.
    page: Option<String>,
    /// Pattern of the name it gets here, out of the checksum list, if it has a fixed one there.
    save_as: Option<String>,
    /// Checksum list: its name in the folder, or an address.
    pub(super) checksums: Option<String>,
    /// Signature of the list, or `inline`.
    pub(super) signature: Option<String>,
    /// Signature of the image.
    pub(super) image_signature: Option<String>,
    /// Checksum of an image that never changes.
    sha256: Option<String>,
    /// Fingerprints of the keys whose signatures count.
    #[serde(default)]
    pub(super) keys: Vec<String>,
    /// Files of this host that may hold these keys.
    #[serde(default)]
    pub(super) keyrings: Vec<PathBuf>,
    /// Addresses of these keys.
    #[serde(default)]
    pub(super) key_urls: Vec<String>,
}

/// The way an image is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verification {
    /// An OpenPGP signature by a pinned key.
    Signature,
    /// A checksum that the file of sources holds itself.
    PinnedChecksum,
    /// A checksum that came over TLS.
    ChecksumOverTls,
    /// A checksum that came without protection: it reveals damage, no forgery.
    ChecksumOverHttp,
}

impl Verification {
    /// Returns it in words.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Signature => "OpenPGP signature",
            Self::PinnedChecksum => "pinned checksum",
            Self::ChecksumOverTls => "checksum over TLS only",
            Self::ChecksumOverHttp => "checksum over HTTP: damage only",
        }
    }
}

impl Source {
    /// Returns the addresses of the folder, the official one first, with `{version}` replaced.
    pub(super) fn folders(&self, version: &str) -> Vec<Url> {
        let all = std::iter::once(&self.folder).chain(&self.mirrors);
        let urls = all.map(|folder| Url::parse(&folder.replace(VERSION, version)));
        // They were parsed when the file was read; another version changes nothing but digits.
        urls.filter_map(Result::ok).collect()
    }

    /// Returns the folder above the part with `{version}`, the pattern of this part, and what follows
    /// it; `None` if the folder has none or another page names the file.
    pub(super) fn versions(&self) -> Option<(String, String)> {
        if self.page.is_some() {
            return None;
        }
        let at = self.folder.find(VERSION)?;
        let start = self.folder[..at].rfind('/')? + 1;
        let length = self.folder[start..].find('/')?;
        Some((
            self.folder[..start].to_owned(),
            self.folder[start..start + length].to_owned(),
        ))
    }

    /// Returns the page that names the newest file.
    pub(super) fn page(&self) -> Option<Url> {
        Url::parse(self.page.as_deref()?).ok()
    }

    /// Returns the pattern of its name on the server.
    pub(super) fn file(&self) -> anyhow::Result<NamePattern> {
        pattern(&self.file)
    }

    /// Returns the text of this pattern, which is the name itself if it has no wildcard.
    pub(super) fn file_text(&self) -> &str {
        &self.file
    }

    /// Returns the pattern of its name in a folder of this host.
    pub(super) fn local_name(&self) -> anyhow::Result<NamePattern> {
        pattern(self.save_as.as_ref().unwrap_or(&self.file))
    }

    /// Tests whether it has one name on the server, and another one here.
    pub(super) fn is_renamed(&self) -> bool {
        self.save_as.is_some()
    }

    /// Returns the checksum in the file of sources.
    pub(super) fn pinned(&self) -> Option<Checksum> {
        parse_hex(self.sha256.as_deref()?)
    }

    /// Returns how it is verified.
    pub(super) fn verification(&self) -> Verification {
        let is_signed = self.signature.is_some() || self.image_signature.is_some();
        let list = self.checksums.as_deref().unwrap_or_default();
        let folder = Url::parse(&self.folder.replace(VERSION, "1"));
        let list = folder.and_then(|folder| folder.join(&list.replace(['{', '}'], "")));
        match list {
            _ if is_signed => Verification::Signature,
            _ if self.sha256.is_some() => Verification::PinnedChecksum,
            Ok(url) if url.scheme() == Scheme::Https => Verification::ChecksumOverTls,
            _ => Verification::ChecksumOverHttp,
        }
    }

    /// Checks everything that a typing error could break.
    fn check(&self) -> anyhow::Result<()> {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-+.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(is_word) {
            bail!("a name has lower-case letters, digits, '-', '+' and '.'");
        }
        self.file()?;
        self.local_name()?;
        let folders = std::iter::once(&self.folder).chain(&self.mirrors);
        for folder in folders {
            address(folder)?;
            if !folder.ends_with('/') {
                bail!("'{folder}' is the address of a folder: end it with '/'");
            }
        }
        if let Some(page) = &self.page {
            address(page)?;
        }
        for url in &self.key_urls {
            address(url)?;
        }
        if self.folder.matches(VERSION).count() > 1 && self.page.is_none() {
            bail!("the folder has {VERSION} more than once: name the page that names the file");
        }
        let is_signed = self.signature.is_some() || self.image_signature.is_some();
        if is_signed && self.keys.is_empty() {
            bail!("it has a signature and no 'keys' to verify it with");
        }
        if let Some(key) = self.keys.iter().find(|key| !same_fingerprint(key, key)) {
            bail!("'{key}' is no fingerprint of 40 hexadecimal digits");
        }
        if self.sha256.is_some() && self.pinned().is_none() {
            bail!("'sha256' has 64 hexadecimal digits");
        }
        if self.checksums.is_none() && self.image_signature.is_none() && self.sha256.is_none() {
            bail!("nothing verifies it: it needs 'checksums', 'image-signature' or 'sha256'");
        }
        if self.signature.is_some() && self.checksums.is_none() {
            bail!("'signature' is that of 'checksums', which is missing");
        }
        Ok(())
    }
}

fn pattern(text: &str) -> anyhow::Result<NamePattern> {
    NamePattern::parse(text).with_context(|| format!("'{text}' is no pattern of a name"))
}

fn address(text: &str) -> anyhow::Result<Url> {
    let plain = text.replace(VERSION, "1").replace(FINGERPRINT, "1");
    Url::parse(&plain).with_context(|| format!("'{text}' is no address"))
}

/// Reads the sources in a file, or this program's own.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub(super) fn read(path: Option<&Path>) -> anyhow::Result<Vec<Source>> {
    let Some(path) = path else {
        return parse(BUILT_IN);
    };
    let shown = text::path(path);
    let cannot = || format!("cannot read the file of sources {shown}");
    let size = std::fs::metadata(path).with_context(cannot)?.len();
    if size > MAX_BYTES {
        bail!("{shown} is {size} bytes long; a file of sources has at most {MAX_BYTES}");
    }
    let text = std::fs::read_to_string(path).with_context(cannot)?;
    parse(&text).with_context(|| format!("the file of sources {shown}"))
}

fn parse(text: &str) -> anyhow::Result<Vec<Source>> {
    let mut sources = toml::from_str::<SourceFile>(text)?.image;
    if sources.len() > MAX_SOURCES {
        bail!("it has more than {MAX_SOURCES} images");
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in sources.windows(2) {
        if pair[0].name == pair[1].name {
            bail!("'{}' is there twice", pair[0].name);
        }
    }
    for source in &sources {
        source
            .check()
            .with_context(|| format!("the image '{}'", source.name))?;
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_of_this_program_are_complete() {
        let sources = read(None).unwrap();
        assert!(sources.len() > 30, "{}", sources.len());
        for source in &sources {
            let verification = source.verification();
            assert_ne!(
                verification,
                Verification::ChecksumOverHttp,
                "{}",
                source.name
            );
            for url in source.folders("1") {
                assert_eq!(url.scheme(), Scheme::Https, "{}", source.name);
            }
            assert!(source.title.len() < 60, "{}", source.name);
        }
        let of = |name: &str| sources.iter().find(|source| source.name == name).unwrap();
        assert_eq!(of("debian-netinst").verification(), Verification::Signature);
        assert_eq!(
            of("rocky-boot").verification(),
            Verification::ChecksumOverTls
        );
        let fedora = of("fedora-workstation").versions().unwrap();
        assert!(fedora.0.ends_with("/releases/") && fedora.1 == VERSION);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        let base = "[[image]]\nname = 'a'\ntitle = 'A'\nfile = 'a-{version}.iso'\n";
        let folder = "folder = 'https://h/'\n";
        let list = "checksums = 'SHA256SUMS'\n";
        assert!(parse(&format!("{base}{folder}{list}")).is_ok());
        for (text, expected) in [
            (format!("{base}folder = 'ftp://h/'\n{list}"), "no address"),
            (
                format!("{base}folder = 'https://h/a'\n{list}"),
                "end it with '/'",
            ),
            (format!("{base}{folder}"), "nothing verifies it"),
            (
                format!("{base}{folder}{list}signature = 'S'\n"),
                "no 'keys'",
            ),
            (
                format!("{base}{folder}{list}keys = ['1234']\n"),
                "no fingerprint",
            ),
            (
                format!("{base}{folder}{list}sha256 = 'x'\n"),
                "64 hexadecimal",
            ),
            (format!("{base}{folder}{list}color = 'x'\n"), "color"),
            (format!("{base}{folder}{list}{base}{folder}{list}"), "twice"),
            (
                "[[image]]\nname = 'A b'\ntitle = ''\nfile = ''\nfolder = ''\n".to_owned(),
                "lower-case",
            ),
        ] {
            let error = format!("{:#}", parse(&text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
