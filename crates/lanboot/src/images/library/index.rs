//! The bytes an earlier run read of an image to recognise it, so that a start does not wait for a slow or
//! remote folder once more: the bytes themselves, not what was concluded from them.
//!
//! A record belongs to a file with this path, size, time of the last write and of the last change, and
//! first bytes. A version of this program that needs other bytes reads those from the file.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::hash::Hash as _;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::paged::{MAX_PAGES, PAGE, Pages};
use crate::images::open_images::{MAX_SAMPLE_PLACES, Sampled};
use crate::store::{IndexCache, MAX_RECORD, RecordKind};

/// Most bytes of a record before it is compressed: numbers and bytes of the pages, and the sample.
const MAX_UNPACKED: u64 = (MAX_PAGES * (8 + PAGE) + MAX_SAMPLE_PLACES * 8 + 16) as u64;

/// Pages with the first bytes of an image, which are part of its key.
const FIRST_PAGES: u64 = 32;

/// The bytes read of an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) pages: Pages,
    /// The sample that reveals another content.
    pub(super) sampled: Option<Sampled>,
}

impl Recorded {
    /// Returns what an earlier run read of the file with this key.
    pub(super) fn get(cache: &IndexCache, key: &[u8; 16]) -> Option<Self> {
        Self::from_bytes(&cache.get(RecordKind::Pages, key)?)
    }

    /// Keeps it; as many pages of it as a record holds.
    pub(super) fn put(mut self, cache: &IndexCache, key: &[u8; 16]) {
        while let Some(bytes) = self.to_bytes() {
            if bytes.len() <= MAX_RECORD {
                cache.put(RecordKind::Pages, key, &bytes);
                return;
            }
            let half = self.pages.keys().nth(self.pages.len() / 2).copied();
            // Folders come first on a disc.
            drop(self.pages.split_off(&half.unwrap_or(0)));
        }
    }

    /// Compresses: the number of places, the places, their hash; then each page with its number.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut write = |bytes: &[u8]| out.write_all(bytes).ok();
        let places = self
            .sampled
            .as_ref()
            .map_or(&[][..], |sampled| &sampled.places);
        write(&u64::try_from(places.len()).ok()?.to_le_bytes())?;
        for place in places {
            write(&place.to_le_bytes())?;
        }
        write(
            &self
                .sampled
                .as_ref()
                .map_or(0, |sampled| sampled.hash)
                .to_le_bytes(),
        )?;
        for (number, page) in &self.pages {
            write(&number.to_le_bytes())?;
            write(&page[..])?;
        }
        out.finish().ok()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut unpacked = Vec::new();
        let limit = ZlibDecoder::new(bytes).take(MAX_UNPACKED);
        { limit }.read_to_end(&mut unpacked).ok()?;
        let mut rest = &unpacked[..];
        let count = usize::try_from(number(&mut rest)?).ok()?;
        if count > MAX_SAMPLE_PLACES {
            return None;
        }
        let places: Option<Vec<u64>> = (0..count).map(|_| number(&mut rest)).collect();
        let (places, hash) = (places?, number(&mut rest)?);
        let mut pages = Pages::new();
        while !rest.is_empty() {
            let number = number(&mut rest)?;
            let (page, after) = rest.split_first_chunk::<PAGE>()?;
            pages.insert(number, Box::new(*page));
            rest = after;
        }
        let sampled = (!places.is_empty()).then_some(Sampled { places, hash });
        Some(Self { pages, sampled })
    }
}

/// Takes a number of eight bytes, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

/// Returns the key of the file at `path` with these properties, whose first bytes have this hash. Numbers
/// of devices and inodes are not part of it: remote and FUSE file systems change them at every mount.
/// The time of the last change, which nobody can set, shows what inodes would.
pub(super) fn key(path: &Path, meta: &Metadata, first_bytes: u64) -> [u8; 16] {
    let mut hasher = SipHasher13::new();
    path.as_os_str().as_bytes().hash(&mut hasher);
    (meta.len(), times(meta), first_bytes).hash(&mut hasher);
    hasher.finish128().as_bytes()
}

/// Tests whether a file is the one it was, as far as its properties show, and was not written to in the time
/// `settle` before now: what is written in the same moment does not change the time.
pub(super) fn is_steady(before: &Metadata, after: &Metadata, settle: Duration) -> bool {
    let is_same = before.len() == after.len() && times(before) == times(after);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let latest = now.unwrap_or_default().saturating_sub(settle);
    let is_old = |seconds: i64| {
        let at = u64::try_from(seconds).unwrap_or(0);
        Duration::from_secs(at) <= latest
    };
    is_same && after.is_file() && is_old(after.mtime()) && is_old(after.ctime())
}

/// Tests whether there are pages besides those in `known` and the first bytes, which are read in any case.
pub(super) fn are_more(pages: &Pages, known: &BTreeSet<u64>) -> bool {
    let mut others = pages.keys().filter(|number| **number >= FIRST_PAGES);
    others.any(|number| !known.contains(number))
}

/// Returns the times of the last write and of the last change, in seconds and nanoseconds.
fn times(meta: &Metadata) -> [i64; 4] {
    [
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::files::SETTLE;
    use super::*;

    fn recorded(pages: u64, seed: u64) -> Recorded {
        let page = |n: u64| {
            let mut state = seed + n;
            let mut page = Box::new([0; PAGE]);
            for byte in &mut page[..] {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *byte = if seed == 0 { 0 } else { state.to_le_bytes()[7] };
            }
            (n * 3, page)
        };
        Recorded {
            pages: (0..pages).map(page).collect(),
            sampled: Some(Sampled {
                places: vec![4096, 1 << 40],
                hash: 7,
            }),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let without_sample = Recorded {
            sampled: None,
            ..recorded(3, 1)
        };
        for recorded in [
            Recorded::default(),
            without_sample,
            recorded(MAX_PAGES as u64, 0),
        ] {
            let bytes = recorded.to_bytes().unwrap();
            assert_eq!(Recorded::from_bytes(&bytes), Some(recorded));
        }
    }

    #[test]
    fn damaged_records_are_none() {
        let bytes = recorded(3, 1).to_bytes().unwrap();
        assert_eq!(Recorded::from_bytes(&[]), None);
        for len in 1..bytes.len() {
            assert_eq!(Recorded::from_bytes(&bytes[..len]), None, "{len}");
        }
        let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
        out.write_all(&u64::MAX.to_le_bytes()).unwrap();
        assert_eq!(Recorded::from_bytes(&out.finish().unwrap()), None);
    }

    #[test]
    fn what_is_too_long_is_kept_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let cache = IndexCache::open(folder.path());
        let all = recorded(1000, 1);
        recorded(1000, 1).put(&cache, &[1; 16]);
        let kept = Recorded::get(&cache, &[1; 16]).unwrap();
        assert!(
            (100..1000).contains(&kept.pages.len()),
            "{}",
            kept.pages.len()
        );
        assert!(kept.pages.iter().all(|(n, page)| all.pages[n] == *page));
        assert_eq!(kept.sampled, all.sampled);
    }

    #[test]
    fn another_path_time_size_or_first_byte_is_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.iso");
        std::fs::write(&path, b"12345").unwrap();
        let meta = || std::fs::metadata(&path).unwrap();
        let before = meta();
        let first = key(&path, &before, 5);
        assert_eq!(first, key(&path, &meta(), 5));
        assert_ne!(first, key(&path, &before, 6));
        assert_ne!(first, key(&folder.path().join("b.iso"), &before, 5));
        assert!(is_steady(&before, &before, Duration::ZERO));
        let is_recent = !is_steady(&before, &before, SETTLE);
        assert!(is_recent, "it was written to a moment ago");
        // The same size, and the time of the last write set back.
        std::fs::write(&path, b"54321").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        let after = meta();
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        assert_ne!(first, key(&path, &after, 5));
        assert!(!is_steady(&before, &after, Duration::ZERO));
    }
}
