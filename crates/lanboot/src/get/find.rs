//! Finds the newest image of a source: its name, its addresses, and the checksum it must have.

use anyhow::Context as _;
use lanboot_core::downloads::{
    Checksum, NameMatch, NamePattern, Url, checksum_of, is_safe_file_name, names_in_list,
    names_in_page, newest, only_checksum,
};
use lanboot_core::text;

use super::failure::{Failure, Kind};
use super::signature::{Good, Signed, Trust, require_program};
use super::sources::{FILE, INLINE, Source, VERSION};
use super::web::{Web, WebError};

/// Largest page or checksum list, in bytes.
pub(super) const MAX_PAGE_BYTES: u64 = 8 << 20;
/// Largest signature, in bytes.
const MAX_SIGNATURE_BYTES: u64 = 1 << 16;
/// Most folders of versions looked into: the newest may hold only a beta.
const MAX_FOLDERS: usize = 4;

/// An image that can be downloaded.
#[derive(Debug)]
pub(super) struct Found {
    /// Name of the file here.
    pub(super) name: String,
    /// Addresses, tried in turn.
    pub(super) urls: Vec<Url>,
    /// Checksum it must have.
    pub(super) checksum: Option<Checksum>,
    /// Signature of the image.
    pub(super) signature: Option<Vec<u8>>,
    /// Fingerprint of the key that signed the checksum list.
    pub(super) list_signer: Option<String>,
}

/// Searches with a client and keys.
#[derive(Debug)]
pub(super) struct Finder<'a> {
    /// The client.
    pub(super) web: &'a Web,
    /// The keys.
    pub(super) trust: &'a Trust<'a>,
    /// False if the checksum alone is enough for the operator.
    pub(super) wants_signatures: bool,
}

/// A checksum list, verified if it is signed.
#[derive(Debug)]
struct List {
    text: String,
    signer: Option<String>,
}

impl Finder<'_> {
    /// Finds the newest image of a source.
    ///
    /// # Errors
    /// The pages cannot be read or name no image, or the signature of the checksum list is not good.
    pub(super) fn find(&self, source: &Source) -> Result<Found, Failure> {
        let Some((above, part)) = source.versions() else {
            let found = self.in_folder(source, None)?;
            return found.ok_or_else(|| none(source, &source.folders("…")));
        };
        let versions =
            NamePattern::parse(&part).context("the part of the folder with the version")?;
        let mut reasons = Vec::new();
        let parents = source.folders(VERSION_PLACEHOLDER);
        for parent in &parents {
            let parent = parent.to_string();
            let Some(at) = parent.find(VERSION_PLACEHOLDER) else {
                continue;
            };
            let start = parent[..at].rfind('/').map_or(0, |slash| slash + 1);
            let Ok(parent) = Url::parse(&parent[..start]) else {
                continue;
            };
            let page = match self.page(&parent) {
                Ok(page) => page,
                Err(error) => {
                    reasons.push(format!("{}: {error}", parent.shown()));
                    continue;
                }
            };
            let names = names_in_page(&page);
            let folders = newest(&versions, names.iter().map(String::as_str));
            for folder in folders.iter().take(MAX_FOLDERS) {
                let version = folder
                    .version
                    .as_ref()
                    .map_or("", |version| version.as_str());
                if let Some(found) = self.in_folder(source, Some(version))? {
                    return Ok(found);
                }
            }
        }
        match reasons.is_empty() {
            true => Err(none(
                source,
                &Url::parse(&above).into_iter().collect::<Vec<_>>(),
            )),
            false => Err(anyhow::anyhow!(
                "cannot find the newest version of {}: {}",
                source.name,
                reasons.join("; ")
            )
            .into()),
        }
    }

    /// Finds the newest image in the folder of one version; `None` if there is none in it.
    fn in_folder(&self, source: &Source, version: Option<&str>) -> Result<Option<Found>, Failure> {
        let pattern = source.file()?;
        // A list of all files names the newest, too; what is not there has no checksum anyway.
        let is_list = source.page().is_none()
            && source.pinned().is_none()
            && source
                .checksums
                .as_ref()
                .is_some_and(|list| !list.contains(FILE) && !list.contains(VERSION));
        let fixed = pattern
            .matches(source.file_text())
            .filter(|_| source.is_renamed());
        let mut list = None;
        let found = match fixed {
            Some(fixed) => Some(fixed),
            None if is_list => {
                let Some(read) = self.list(source, version, None)? else {
                    return Ok(None);
                };
                let names = names_in_list(&read.text);
                list = Some(read);
                newest(&pattern, names.iter().map(String::as_str))
                    .into_iter()
                    .next()
            }
            None => self.in_pages(source, version, &pattern)?,
        };
        let Some(found) = found else {
            return Ok(None);
        };
        if list.is_none() && source.checksums.is_some() {
            list = self.list(source, version, Some(&found))?;
            if list.is_none() {
                return Err(unlisted(source, &found.name));
            }
        }
        self.complete(source, version, found, list).map(Some)
    }

    /// Finds the newest name in the page of a source, or in its folder.
    fn in_pages(
        &self,
        source: &Source,
        version: Option<&str>,
        pattern: &NamePattern,
    ) -> Result<Option<NameMatch>, Failure> {
        let pages = match source.page() {
            Some(page) => vec![page],
            None => source.folders(version.unwrap_or_default()),
        };
        let mut reasons = Vec::new();
        for url in pages {
            match self.page(&url) {
                Ok(page) => {
                    let names = names_in_page(&page);
                    let found = newest(pattern, names.iter().map(String::as_str));
                    return Ok(found.into_iter().next());
                }
                // The folder of a version that does not hold this image.
                Err(WebError::Status(404)) if version.is_some() => return Ok(None),
                Err(error) => reasons.push(format!("{}: {error}", url.shown())),
            }
        }
        Err(anyhow::anyhow!(
            "cannot find the newest version of {}: {}",
            source.name,
            reasons.join("; ")
        )
        .into())
    }

    /// Puts together what is known of an image.
    fn complete(
        &self,
        source: &Source,
        version: Option<&str>,
        found: NameMatch,
        list: Option<List>,
    ) -> Result<Found, Failure> {
        let of_file = found
            .version
            .as_ref()
            .map_or("", |version| version.as_str());
        let mut name = found.name.clone();
        let mut checksum = source.pinned();
        if let Some(list) = &list {
            let own = source
                .checksums
                .as_ref()
                .is_some_and(|list| list.contains(FILE));
            let listed = checksum_of(&list.text, &found.name).map(|sum| (sum, None));
            let listed = listed.or_else(|| only_checksum(&list.text).filter(|_| own));
            let (sum, named) = listed.ok_or_else(|| unlisted(source, &found.name))?;
            if source.is_renamed() {
                name = named.unwrap_or(name);
                if source.local_name()?.matches(&name).is_none() {
                    return Err(anyhow::anyhow!(
                        "the checksum list of {} names '{}', which is another image",
                        source.name,
                        text::line(&name)
                    )
                    .into());
                }
            }
            checksum = Some(sum);
        }
        if !is_safe_file_name(&name) {
            let shown = text::line(&name);
            return Err(anyhow::anyhow!("'{shown}' cannot be the name of a file here").into());
        }
        let folders = source.folders(version.unwrap_or(of_file));
        let signature = match &source.image_signature {
            Some(place) if self.wants_signatures => {
                // Better known before gigabytes are downloaded.
                require_program()?;
                let place = place.replace(FILE, &found.name).replace(VERSION, of_file);
                Some(self.first(&folders, &place, MAX_SIGNATURE_BYTES)?.1)
            }
            _ => None,
        };
        let urls = folders
            .iter()
            .map(|folder| folder.join(&encoded(&found.name)));
        Ok(Found {
            name,
            urls: urls.filter_map(Result::ok).collect(),
            checksum,
            signature,
            list_signer: list.and_then(|list| list.signer),
        })
    }

    /// Reads the checksum list, and verifies it if it is signed; `None` if there is none in the folder
    /// of this version. An unsigned one is only read from the official folder.
    fn list(
        &self,
        source: &Source,
        version: Option<&str>,
        found: Option<&NameMatch>,
    ) -> Result<Option<List>, Failure> {
        let of_file = found.and_then(|found| found.version.as_ref());
        let of_file = of_file.map_or("", |version| version.as_str());
        let fill = |place: &str| {
            let file = found.map_or("", |found| found.name.as_str());
            place.replace(FILE, file).replace(VERSION, of_file)
        };
        let place = fill(source.checksums.as_deref().unwrap_or_default());
        let mut folders = source.folders(version.unwrap_or(of_file));
        let signature = source
            .signature
            .as_deref()
            .filter(|_| self.wants_signatures);
        if signature.is_none() {
            folders.truncate(1);
        }
        let (from, bytes) = match self.first(&folders, &place, MAX_PAGE_BYTES) {
            Ok(read) => read,
            Err(_) if version.is_some() && found.is_none() => return Ok(None),
            Err(error) => return Err(error),
        };
        let shown = from
            .join(&place)
            .map_or_else(|_| place.clone(), |url| url.shown());
        let Some(signature) = signature else {
            return Ok(Some(List {
                text: String::from_utf8_lossy(&bytes).into_owned(),
                signer: None,
            }));
        };
        let good = if signature == INLINE {
            self.trust.verify(source, Signed::Inline(&bytes), &shown)?
        } else {
            let from = std::slice::from_ref(&from);
            let (_, signature) = self.first(from, &fill(signature), MAX_SIGNATURE_BYTES)?;
            self.trust
                .verify(source, Signed::Bytes(&bytes, &signature), &shown)?
        };
        let Good { signer, text } = good;
        Ok(Some(List {
            text: String::from_utf8_lossy(&text.unwrap_or(bytes)).into_owned(),
            signer: Some(signer),
        }))
    }

    /// Reads a file from the first folder that has it, and returns this folder, too.
    fn first(&self, folders: &[Url], place: &str, limit: u64) -> Result<(Url, Vec<u8>), Failure> {
        let mut reasons = Vec::new();
        for folder in folders {
            let Ok(url) = folder.join(place) else {
                continue;
            };
            match self.web.small(&url, limit) {
                Ok(bytes) => return Ok((folder.clone(), bytes)),
                Err(error) => {
                    let reason = format!("cannot read {}: {error}", url.shown());
                    if !reasons.contains(&reason) {
                        reasons.push(reason);
                    }
                }
            }
        }
        Err(anyhow::anyhow!(reasons.join("; ")).into())
    }

    fn page(&self, url: &Url) -> Result<String, WebError> {
        let bytes = self.web.small(url, MAX_PAGE_BYTES)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Text that stands for the version while the folder above it is looked for.
const VERSION_PLACEHOLDER: &str = "0-version-0";

fn none(source: &Source, folders: &[Url]) -> Failure {
    let places: Vec<String> = folders.iter().map(Url::shown).collect();
    anyhow::anyhow!(
        "there is no image of {} at {}: its project may have changed the names, so look for a newer lanboot",
        source.name,
        places.join(" or ")
    )
    .into()
}

fn unlisted(source: &Source, name: &str) -> Failure {
    Kind::NotVerified.because(format!(
        "the checksum list of {} has no SHA-256 or SHA-512 of {}",
        source.name,
        text::line(name)
    ))
}

/// Percent-encodes what a name may have and a path may not.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte);
    let bytes = name.bytes();
    bytes
        .map(|byte| match is_plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
