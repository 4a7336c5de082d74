//! Transfers of one file from several addresses, each continued where the one before it ended.

use std::io::Read as _;
use std::time::Duration;

use lanboot_core::downloads::{
    Answer, Begin, Checksum, Condition, Continued, Discarded, PartState, Url, answer, begin,
};
use lanboot_core::events::bytes;
use lanboot_core::text;

use super::failure::{Failure, Kind};
use super::part::Part;
use super::progress::Progress;
use super::web::{Web, WebAnswer, WebError};

/// Bytes taken from a connection at once.
const CHUNK: usize = 1 << 18;
/// Transfers with less than `MIN_PROGRESS` before the next address is tried.
const MAX_IDLE_TRIES: u32 = 3;
/// Bytes that a broken transfer must have brought for the address to be asked again without end.
const MIN_PROGRESS: u64 = 1 << 20;
/// Transfers of one file from one address at most.
const MAX_TRIES: u32 = 200;
/// Pause before a transfer is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// The reason why a transfer ended early.
enum Ended {
    /// The address is of no use.
    Useless(String),
    /// It may go on.
    Broken(String),
    /// Nothing can go on.
    Fatal(Failure),
}

/// A file to download.
pub(super) struct Transfer<'a> {
    /// The client.
    pub(super) web: &'a Web,
    /// Addresses, tried in turn.
    pub(super) urls: &'a [Url],
    /// Checksum it must have.
    pub(super) expected: Option<&'a Checksum>,
    /// Where it goes.
    pub(super) part: &'a mut Part,
    /// Where that is shown.
    pub(super) progress: &'a mut Progress,
}

impl Transfer<'_> {
    /// Downloads the file, and compares its checksum.
    ///
    /// # Errors
    /// No address gave it, the checksum is wrong, or the disk is full.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        self.read_part()?;
        let mut reasons = Vec::new();
        let mut kind = Kind::Other;
        for url in self.urls {
            if let Err(reason) = self.download_from(url)? {
                reasons.push(format!("{}: {reason}", url.shown()));
                continue;
            }
            match self.expected {
                Some(expected) if self.part.checksum() != *expected => {
                    let is = self.part.checksum();
                    let wrong = format!(
                        "{}: wrong {}: it is {}, and has to be {}",
                        url.shown(),
                        expected.algorithm,
                        is.hex,
                        expected.hex
                    );
                    kind = Kind::NotVerified;
                    self.empty(&PartState::default())?;
                    reasons.push(wrong);
                }
                _ => return Ok(()),
            }
            if reasons.len() < self.urls.len() {
                let last = reasons.last().map_or("", String::as_str);
                self.progress
                    .say(&format!("{last}; trying the next address"));
            }
        }
        Err(kind.because(match reasons.as_slice() {
            [one] => one.clone(),
            all => format!(
                "none of {} addresses gave it: {}",
                all.len(),
                all.join("; ")
            ),
        }))
    }

    /// Hashes what is at hand from an earlier download.
    fn read_part(&mut self) -> Result<(), Failure> {
        let length = self.part.len();
        if length == 0 {
            return Ok(());
        }
        let Self { part, progress, .. } = self;
        let done = part.rehash(&mut |done| progress.show(done, Some(length)));
        progress.restart();
        done.map_err(|error| self.disk_failed(error))
    }

    /// Downloads from one address, however often the connection breaks. The inner error is the reason
    /// why this address did not give the file.
    fn download_from(&mut self, url: &Url) -> Result<Result<(), String>, Failure> {
        let mut idle = 0;
        for _ in 0..MAX_TRIES {
            let before = self.part.len();
            match self.once(url) {
                Ok(()) => return Ok(Ok(())),
                Err(Ended::Fatal(failure)) => return Err(failure),
                Err(Ended::Useless(reason)) => return Ok(Err(reason)),
                Err(Ended::Broken(reason)) => {
                    idle = match self.part.len() >= before + MIN_PROGRESS {
                        true => 0,
                        false => idle + 1,
                    };
                    if idle >= MAX_IDLE_TRIES {
                        return Ok(Err(reason));
                    }
                    let at = bytes(self.part.len());
                    self.progress.say(&format!("{reason}; going on at {at}"));
                    self.progress.restart();
                    std::thread::sleep(PAUSE);
                }
            }
        }
        Ok(Err(format!("the connection broke {MAX_TRIES} times")))
    }

    /// Downloads once, from where the part ends.
    fn once(&mut self, url: &Url) -> Result<(), Ended> {
        let state = self.part.state();
        let is_own = self.part.is_own();
        let begun = begin(
            state.as_ref(),
            self.part.len(),
            &url.to_string(),
            self.expected,
            is_own,
        );
        let condition = match begun {
            Begin::Whole(None) => None,
            Begin::Whole(Some(discarded)) => {
                self.discard(discarded)?;
                None
            }
            Begin::From { condition, .. } => Some(condition),
        };
        let offset = self.part.len();
        let answered = self.ask(url, offset, condition.as_ref())?;
        let known = state.and_then(|state| state.length).filter(|_| offset > 0);
        match answer(fields(&answered), offset, known) {
            Continued::Rest { length } => self.receive(answered, Some(length)),
            Continued::Complete => Ok(()),
            Continued::Whole { length, discarded } => self.whole(url, answered, length, discarded),
            Continued::AskForWhole(discarded) => {
                self.discard(discarded)?;
                let answered = self.ask(url, 0, None)?;
                match answer(fields(&answered), 0, None) {
                    Continued::Whole { length, .. } => self.whole(url, answered, length, None),
                    _ => Err(Ended::Useless(
                        WebError::Status(answered.status).to_string(),
                    )),
                }
            }
            Continued::Refused(status) => Err(Ended::Useless(WebError::Status(status).to_string())),
        }
    }

    fn ask(
        &mut self,
        url: &Url,
        offset: u64,
        condition: Option<&Condition>,
    ) -> Result<WebAnswer, Ended> {
        let range = format!("bytes={offset}-");
        let mut fields = Vec::new();
        if let Some(condition) = condition {
            fields.push(("range", range.as_str()));
            if let Condition::IfRange(value) = condition {
                fields.push(("if-range", value));
            }
        }
        self.web.get(url, &fields).map_err(|error| match error {
            WebError::Timeout(_) | WebError::Unreachable(_) if self.part.len() > 0 => {
                Ended::Broken(error.to_string())
            }
            other => Ended::Useless(other.to_string()),
        })
    }

    /// Receives the whole file; what is at hand is of no use.
    fn whole(
        &mut self,
        url: &Url,
        answered: WebAnswer,
        length: Option<u64>,
        discarded: Option<Discarded>,
    ) -> Result<(), Ended> {
        if let Some(discarded) = discarded {
            self.discard(discarded)?;
        }
        let state = PartState {
            url: url.to_string(),
            etag: answered.field("etag").map(str::to_owned),
            last_modified: answered.field("last-modified").map(str::to_owned),
            length,
            checksum: self.expected.map(|expected| expected.hex.clone()),
        };
        self.empty(&state).map_err(Ended::Fatal)?;
        self.receive(answered, length)
    }

    /// Receives the bytes of an answer, and appends them to the part.
    fn receive(&mut self, mut answered: WebAnswer, length: Option<u64>) -> Result<(), Ended> {
        self.check_space(length).map_err(Ended::Fatal)?;
        let patience = self.web.patience();
        let mut body = answered.body.as_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    return Err(Ended::Broken(WebError::of_io(&error, patience).to_string()));
                }
            };
            if length.is_some_and(|length| self.part.len() + count as u64 > length) {
                return Err(Ended::Useless("it sends more than it announced".to_owned()));
            }
            let appended = self.part.append(&chunk[..count]);
            appended.map_err(|error| Ended::Fatal(self.disk_failed(error)))?;
            self.progress.show(self.part.len(), length);
        }
        match length {
            Some(length) if self.part.len() < length => Err(Ended::Broken(format!(
                "the connection ended after {} of {}",
                bytes(self.part.len()),
                bytes(length)
            ))),
            _ => Ok(()),
        }
    }

    /// Asks for disk space before anything is received.
    fn check_space(&self, length: Option<u64>) -> Result<(), Failure> {
        let needed = length.map(|length| length.saturating_sub(self.part.len()));
        match (needed, self.part.free()) {
            (Some(needed), Some(free)) if needed > free => Err(self.no_space(&format!(
                "it needs {} more, and {} are free",
                bytes(needed),
                bytes(free)
            ))),
            _ => Ok(()),
        }
    }

    fn no_space(&self, why: &str) -> Failure {
        let folder = self
            .part
            .path()
            .parent()
            .map(text::path)
            .unwrap_or_default();
        Kind::NoSpace.because(format!(
            "the disk of {} is too full: {why}; free some, or name another folder with --to",
            if folder.is_empty() {
                "this folder"
            } else {
                &folder
            }
        ))
    }

    fn disk_failed(&self, error: std::io::Error) -> Failure {
        let shown = text::path(self.part.path());
        let kind =
            Failure::from(anyhow::Error::from(error).context(format!("cannot write {shown}")));
        match kind.kind {
            Kind::NoSpace => self.no_space("it took no more bytes"),
            _ => kind,
        }
    }

    /// Says why what is at hand is not used, and empties the part.
    fn discard(&mut self, discarded: Discarded) -> Result<(), Ended> {
        let size = bytes(self.part.len());
        self.progress.say(&format!(
            "the {size} from before are discarded: {discarded}"
        ));
        self.empty(&PartState::default()).map_err(Ended::Fatal)
    }

    fn empty(&mut self, state: &PartState) -> Result<(), Failure> {
        let emptied = self.part.restart(state);
        emptied.map_err(|error| self.disk_failed(error))
    }
}

/// Returns the fields that decide how a transfer goes on.
fn fields(answered: &WebAnswer) -> Answer<'_> {
    Answer {
        status: answered.status,
        content_range: answered.field("content-range"),
        content_length: answered
            .field("content-length")
            .and_then(|length| length.parse().ok()),
    }
}
