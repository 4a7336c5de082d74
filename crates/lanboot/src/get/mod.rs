//! `lanboot get`: official images by name, or any by address, verified before they get their name.
//!
//! A download is `NAME.part` until its checksum and its signature are good; only then it is
//! renamed. Pure decisions are `lanboot_core::downloads`.

mod by_url;
mod failure;
mod find;
mod list;
mod part;
mod progress;
mod signature;
mod sources;
mod transfer;
mod update;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lanboot_core::downloads::{Algorithm, Checksum, Url};
use lanboot_core::events::bytes;
use lanboot_core::text;
use lanboot_core::text::nearest;

use self::failure::{Failure, Kind};
use self::find::{Finder, Found};
use self::part::{Part, checksum_of_file};
use self::progress::Progress;
use self::signature::{Signed, Trust};
use self::sources::Source;
use self::transfer::Transfer;
use self::web::Web;
use crate::config::args::Get;
use crate::config::{image_folder, proxies};

/// An image that is here and verified.
#[derive(Debug)]
struct Fetched {
    path: PathBuf,
    size: u64,
    /// The way it was verified, in words.
    verified: String,
    /// True if it was here before.
    was_here: bool,
}

/// The input of one call.
struct Session<'a> {
    web: &'a Web,
    trust: &'a Trust<'a>,
    flags: &'a Get,
    folder: PathBuf,
}

/// Runs the command, prints what it did, and returns its exit code.
///
/// # Errors
/// The flags or the file of sources are wrong.
pub fn run(flags: &Get) -> anyhow::Result<ExitCode> {
    let sources = sources::read(flags.sources.as_deref())?;
    if flags.list {
        let shown = match flags.json {
            true => list::json(&sources)?,
            false => list::table(&sources),
        };
        print!("{shown}");
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match &flags.to {
        Some(folder) => folder.clone(),
        None => image_folder(flags.config.as_deref())?.unwrap_or_else(|| ".".into()),
    };
    if !folder.is_dir() {
        let shown = text::path(&folder);
        bail!(
            "{shown} is no folder: make it with 'mkdir -p {shown}', or name another one with --to"
        );
    }
    let web = Web::new(proxies(), Duration::from_secs(flags.timeout.get()));
    let trust = Trust {
        web: &web,
        keyring: flags.keyring.as_deref(),
    };
    let session = Session {
        web: &web,
        trust: &trust,
        flags,
        folder,
    };
    if flags.update {
        return session.update(&sources);
    }
    if flags.images.is_empty() {
        bail!("nothing to get: name an image ('lanboot get --list' shows them) or an address");
    }
    session.all(&sources)
}

impl Session<'_> {
    /// Gets every image that was asked for, and returns the exit code of the first failure.
    fn all(&self, sources: &[Source]) -> anyhow::Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut failed = false;
        // A typing error is found before anything is downloaded.
        let named = self.flags.images.iter();
        let named: Vec<(&String, Option<&Source>)> = named
            .map(|image| Ok((image, self.named(sources, image)?)))
            .collect::<anyhow::Result<_>>()?;
        for (image, source) in named {
            let fetched = match source {
                Some(source) => self.by_name(source),
                None => self.by_address(image),
            };
            match fetched {
                Ok(fetched) => fetched.print(),
                Err(failure) => {
                    say_failure(image, &failure);
                    if !failed {
                        code = failure.kind.exit_code();
                    }
                    failed = true;
                }
            }
        }
        Ok(code)
    }

    /// Returns the source with this name; `None` for an address.
    fn named<'a>(&self, sources: &'a [Source], image: &str) -> anyhow::Result<Option<&'a Source>> {
        if image.contains("://") {
            return Ok(None);
        }
        let flags = self.flags;
        if flags.sha256.is_some() || flags.unverified {
            bail!(
                "--sha256 and --unverified are for an address; '{image}' has a verification of its own"
            );
        }
        let found = sources.iter().find(|source| source.name == image);
        let Some(found) = found else {
            let names = sources.iter().map(|source| source.name.as_str());
            let hint = match nearest(image, names) {
                Some(name) => format!("did you mean '{name}'?"),
                None => "'lanboot get --list' shows all names".to_owned(),
            };
            bail!("there is no image called '{}'; {hint}", text::line(image));
        };
        Ok(Some(found))
    }

    fn finder(&self) -> Finder<'_> {
        Finder {
            web: self.web,
            trust: self.trust,
            wants_signatures: !self.flags.no_signature,
        }
    }

    /// Gets the newest image of a source.
    fn by_name(&self, source: &Source) -> Result<Fetched, Failure> {
        let found = self.finder().find(source)?;
        self.fetch(source, &found)
    }

    /// Downloads a found image, and verifies it.
    fn fetch(&self, source: &Source, found: &Found) -> Result<Fetched, Failure> {
        let target = self.folder.join(&found.name);
        let mut verified: Vec<String> = Vec::new();
        if let Some(signer) = &found.list_signer {
            verified.push(format!("checksum signed by {signer}"));
        } else if found.checksum.is_some() {
            verified.push(match source.verification() {
                sources::Verification::Signature => "checksum".to_owned(),
                other => other.words().to_owned(),
            });
        }
        if let Some(fetched) = self.is_here(&target, found.checksum.as_ref(), &verified)? {
            return Ok(fetched);
        }
        let algorithm = found
            .checksum
            .as_ref()
            .map_or(Algorithm::Sha256, |sum| sum.algorithm);
        let mut part = Part::open(&target, algorithm)?;
        let mut progress = Progress::new(&found.name);
        part = self.transfer(part, &found.urls, found.checksum.as_ref(), &mut progress)?;
        if let Some(signature) = &found.signature {
            progress.say("verifying the signature");
            let shown = text::path(&target);
            part.sync()
                .with_context(|| format!("cannot write {shown}"))?;
            let signed = Signed::File(part.path(), signature);
            match self.trust.verify(source, signed, &shown) {
                Ok(good) => verified.push(format!("signed by {}", good.signer)),
                Err(failure) => {
                    // Whole, and not what it should be: nothing can be continued.
                    if failure.kind == Kind::NotVerified && found.checksum.is_none() {
                        part.remove();
                    }
                    return Err(failure);
                }
            }
        }
        drop(progress);
        self.keep(part, &target, verified.join(", "))
    }

    /// Downloads into a partial file, which is removed if nothing of it can be used later.
    fn transfer(
        &self,
        mut part: Part,
        urls: &[Url],
        expected: Option<&Checksum>,
        progress: &mut Progress,
    ) -> Result<Part, Failure> {
        let transfer = Transfer {
            web: self.web,
            urls,
            expected,
            part: &mut part,
            progress,
        };
        match transfer.run() {
            Ok(()) => Ok(part),
            Err(failure) => {
                if part.len() == 0 {
                    part.remove();
                }
                Err(failure)
            }
        }
    }

    /// Returns the image if it is here and right.
    ///
    /// # Errors
    /// Another file has its name.
    fn is_here(
        &self,
        target: &Path,
        expected: Option<&Checksum>,
        verified: &[String],
    ) -> Result<Option<Fetched>, Failure> {
        let Ok(meta) = std::fs::metadata(target) else {
            return Ok(None);
        };
        let shown = text::path(target);
        if let Some(expected) = expected.filter(|_| meta.is_file()) {
            let sum = checksum_of_file(target, expected.algorithm);
            if sum.with_context(|| format!("cannot read {shown}"))? == *expected {
                return Ok(Some(Fetched {
                    path: target.to_owned(),
                    size: meta.len(),
                    verified: verified.join(", "),
                    was_here: true,
                }));
            }
        }
        if self.flags.replace && meta.is_file() {
            return Ok(None);
        }
        let other = match expected {
            Some(_) => "is another file",
            None => "is there already, and nothing says whether it is the same",
        };
        Err(anyhow::anyhow!("{shown} {other}: replace it with --replace, or remove it").into())
    }

    /// Gives a verified file its name.
    fn keep(&self, part: Part, target: &Path, verified: String) -> Result<Fetched, Failure> {
        let size = part.len();
        let shown = text::path(target);
        part.finish()
            .with_context(|| format!("cannot give the file its name {shown}"))?;
        Ok(Fetched {
            path: target.to_owned(),
            size,
            verified,
            was_here: false,
        })
    }
}

impl Fetched {
    fn print(&self) {
        let Self { path, size, .. } = self;
        let here = if self.was_here { ", here already" } else { "" };
        let path = text::path(path);
        println!("{path}: {}{here}; {}", bytes(*size), self.verified);
    }
}

fn say_failure(image: &str, failure: &Failure) {
    let (image, sentence) = (text::line(image), failure.to_string());
    let sentence = text::lines(&sentence);
    // A sentence about an address begins with it.
    match sentence.starts_with(&image) {
        true => eprintln!("lanboot: {sentence}"),
        false => eprintln!("lanboot: {image}: {sentence}"),
    }
}
