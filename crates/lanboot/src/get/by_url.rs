//! An image by its address: verified by a checksum that is given, or that stands beside it.

use lanboot_core::downloads::{
    Algorithm, Checksum, Scheme, Url, checksum_of, only_checksum, parse_hex,
};
use lanboot_core::text;

use super::failure::{Failure, Kind};
use super::find::MAX_PAGE_BYTES;
use super::part::Part;
use super::progress::Progress;
use super::{Fetched, Session};

/// Endings of files beside an image that hold its checksum.
const BESIDE: [&str; 4] = ["sha256", "sha256sum", "sha512", "sha512sum"];
/// Names of lists in the folder of an image.
const LISTS: [&str; 6] = [
    "SHA256SUMS",
    "SHA512SUMS",
    "sha256sums.txt",
    "sha256sum.txt",
    "SHA256SUMS.txt",
    "CHECKSUM",
];

impl Session<'_> {
    /// Gets the file at an address.
    pub(super) fn by_address(&self, address: &str) -> Result<Fetched, Failure> {
        let url = Url::parse(address);
        let url = url.map_err(|error| anyhow::anyhow!("this is no usable address: {error}"))?;
        let Some(name) = url.file_name() else {
            let what = "the address ends in no name of a file: give that of the image itself";
            return Err(anyhow::anyhow!(what).into());
        };
        let (expected, verified) = self.expected(&url, &name)?;
        let target = self.folder.join(&name);
        if let Some(fetched) =
            self.is_here(&target, expected.as_ref(), std::slice::from_ref(&verified))?
        {
            return Ok(fetched);
        }
        let algorithm = expected
            .as_ref()
            .map_or(Algorithm::Sha256, |sum| sum.algorithm);
        let mut part = Part::open(&target, algorithm)?;
        let mut progress = Progress::new(&name);
        let urls = std::slice::from_ref(&url);
        part = self.transfer(part, urls, expected.as_ref(), &mut progress)?;
        drop(progress);
        let verified = match expected {
            Some(_) => verified,
            None => format!("{verified}; its SHA-256 is {}", part.checksum().hex),
        };
        self.keep(part, &target, verified)
    }

    /// Returns the checksum a file must have, and how that is known, in words.
    fn expected(&self, url: &Url, name: &str) -> Result<(Option<Checksum>, String), Failure> {
        if let Some(hex) = &self.flags.sha256 {
            // The flag was checked when it was read.
            let sum = parse_hex(hex);
            return Ok((sum, "SHA256 as given".to_owned()));
        }
        if self.flags.unverified {
            return Ok((None, "not verified".to_owned()));
        }
        if let Some((sum, list)) = self.beside(url, name) {
            let how = match list.scheme() {
                Scheme::Https => "checksum over TLS only",
                Scheme::Http => "checksum over HTTP: damage only",
            };
            return Ok((Some(sum), format!("{how}, from {}", list.shown())));
        }
        Err(Kind::NotVerified.because(format!(
            "nothing says what {} must be: there is neither {}.sha256 nor SHA256SUMS beside it; give \
             its checksum with --sha256, or take it as it is with --unverified",
            text::line(name),
            text::line(name)
        )))
    }

    /// Looks for a checksum beside a file.
    fn beside(&self, url: &Url, name: &str) -> Option<(Checksum, Url)> {
        let own = BESIDE.iter().filter_map(|ending| {
            let whole = url.to_string();
            let path = whole.split('?').next()?;
            Url::parse(&format!("{path}.{ending}")).ok()
        });
        for list in own {
            if let Some(text) = self.text(&list)
                && let Some(sum) = checksum_of(&text, name).or_else(|| {
                    let (sum, named) = only_checksum(&text)?;
                    named.is_none().then_some(sum)
                })
            {
                return Some((sum, list));
            }
        }
        for list in LISTS.iter().filter_map(|list| url.join(list).ok()) {
            if let Some(sum) = self.text(&list).and_then(|text| checksum_of(&text, name)) {
                return Some((sum, list));
            }
        }
        None
    }

    fn text(&self, url: &Url) -> Option<String> {
        let bytes = self.web.small(url, MAX_PAGE_BYTES).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
