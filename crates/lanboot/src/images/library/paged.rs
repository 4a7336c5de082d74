//! Reads an image while it is recognised: in blocks, because what is read lies close together and a reply
//! of a remote folder takes long; and bounded, because a damaged or malicious image may have more
//! folders than anybody waits for.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use lanboot_core::storage::ReadAt;

/// Bytes of a page: a sector of a disc.
pub(super) const PAGE: usize = 2048;
/// Most pages kept for the next start: 4 MiB.
pub(super) const MAX_PAGES: usize = 2048;
/// Pages read at once, at least.
const BLOCK: u64 = 16;
/// Most pages read at once.
const MAX_RUN: u64 = 16 * BLOCK;
/// Blocks kept in memory because the rest of them may be needed.
const BLOCKS: usize = 64;
/// Most calls that read one image. The folders of a large medium take a few hundred.
const MAX_READS: u32 = 100_000;
/// Most bytes read of one image: the folders of a million files have about 200 MB.
const MAX_BYTES: u64 = 512 << 20;

/// Time from which on a call that reads is slow: a copy from this host's memory takes a tenth of it.
const SLOW: Duration = Duration::from_millis(1);

/// Pages by their numbers; the last one of an image is filled up with zeros.
pub(super) type Pages = BTreeMap<u64, Box<[u8; PAGE]>>;

/// An image that is being recognised.
pub(super) struct PagedReader<'a> {
    source: &'a dyn ReadAt,
    inner: RefCell<Inner>,
}

struct Inner {
    /// Pages that were needed, in this run or an earlier one.
    pages: Pages,
    /// Blocks that were read last, by the number of their first page.
    blocks: VecDeque<(u64, Vec<u8>)>,
    spent: Spent,
    limits: Limits,
}

/// The cost of reading an image.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Number of calls.
    reads: u32,
    /// Bytes read.
    bytes: u64,
    /// Number of calls that took at least [`SLOW`].
    slow_reads: u32,
    /// Time spent waiting for them.
    waited: Duration,
    /// True if a limit was reached.
    is_over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    reads: u32,
    bytes: u64,
}

impl<'a> PagedReader<'a> {
    /// Reads from `source`, of which nothing is known.
    pub(super) fn new(source: &'a dyn ReadAt) -> Self {
        Self {
            source,
            inner: RefCell::new(Inner {
                pages: Pages::new(),
                blocks: VecDeque::new(),
                spent: Spent::default(),
                limits: Limits {
                    reads: MAX_READS,
                    bytes: MAX_BYTES,
                },
            }),
        }
    }

    /// Adds pages that an earlier run read. Those read by this one have precedence.
    pub(super) fn add(&self, pages: Pages) {
        let mut inner = self.inner.borrow_mut();
        for (number, page) in pages {
            inner.pages.entry(number).or_insert(page);
        }
    }

    /// Returns the sentence about an image that takes more reading than is allowed, a clause that follows
    /// its name.
    pub(super) fn over(&self) -> Option<String> {
        let Inner { spent, limits, .. } = &*self.inner.borrow();
        spent.is_over.then(|| {
            format!(
                "is not read any further: to recognise it takes more than {} reads or {} MiB",
                limits.reads,
                limits.bytes >> 20
            )
        })
    }

    /// Returns the pages that were needed and what reading them took.
    pub(super) fn into_pages(self) -> (Pages, Spent) {
        let inner = self.inner.into_inner();
        (inner.pages, inner.spent)
    }
}

impl ReadAt for PagedReader<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let wanted = usize::try_from(left).map_or(buf.len(), |left| buf.len().min(left));
        let Some(mut rest) = buf.get_mut(..wanted).filter(|rest| !rest.is_empty()) else {
            return Ok(0);
        };
        let mut at = offset;
        let end = offset.saturating_add(wanted as u64);
        let mut inner = self.inner.borrow_mut();
        while !rest.is_empty() {
            let number = at / PAGE as u64;
            let page = inner.page(self.source, number, end)?;
            let from = usize::try_from(at % PAGE as u64).unwrap_or(0);
            let Some(bytes) = page.get(from..) else { break };
            let step = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(step);
            now.copy_from_slice(bytes.get(..step).unwrap_or_default());
            rest = later;
            at += step as u64;
        }
        Ok(wanted)
    }

    fn len(&self) -> u64 {
        self.source.len()
    }
}

impl Inner {
    /// Returns a page; the bytes up to `end` are wanted next.
    fn page(&mut self, source: &dyn ReadAt, number: u64, end: u64) -> io::Result<Box<[u8; PAGE]>> {
        if let Some(page) = self.pages.get(&number) {
            return Ok(page.clone());
        }
        let len = source.len().saturating_sub(number * PAGE as u64);
        let len = usize::try_from(len).map_or(PAGE, |len| len.min(PAGE));
        let page = match self.in_block(number, len) {
            Some(page) => page,
            None => self.read_page(source, number, len, end)?,
        };
        if self.pages.len() < MAX_PAGES {
            self.pages.insert(number, page.clone());
        }
        Ok(page)
    }

    /// Copies a page of `len` bytes out of the blocks that were read last, if all of it is there.
    fn in_block(&self, number: u64, len: usize) -> Option<Box<[u8; PAGE]>> {
        let mut blocks = self.blocks.iter().rev();
        blocks.find_map(|(first, bytes)| {
            let at = usize::try_from(number.checked_sub(*first)?).ok()?;
            let bytes = bytes.get(at.checked_mul(PAGE)?..)?.get(..len)?;
            let mut page = Box::new([0; PAGE]);
            page.get_mut(..len)?.copy_from_slice(bytes);
            Some(page)
        })
    }

    /// Reads the block of a page, and those after it up to `end`; where that fails, the page alone.
    fn read_page(
        &mut self,
        source: &dyn ReadAt,
        number: u64,
        len: usize,
        end: u64,
    ) -> io::Result<Box<[u8; PAGE]>> {
        let first = number / BLOCK * BLOCK;
        let wanted = end.div_ceil(PAGE as u64).saturating_sub(first);
        let pages = wanted.next_multiple_of(BLOCK).clamp(BLOCK, MAX_RUN);
        let at = first * PAGE as u64;
        let block = (pages * PAGE as u64).min(source.len().saturating_sub(at));
        let mut bytes = vec![0; usize::try_from(block).map_err(io::Error::other)?];
        // A bad sector beside the page is no fault of it.
        let known = self.fill(source, at, &mut bytes).unwrap_or(0);
        bytes.truncate(known);
        if self.blocks.len() >= BLOCKS {
            self.blocks.pop_front();
        }
        self.blocks.push_back((first, bytes));
        if let Some(page) = self.in_block(number, len) {
            return Ok(page);
        }
        let mut page = Box::new([0; PAGE]);
        let part = page.get_mut(..len).unwrap_or_default();
        match self.fill(source, number * PAGE as u64, part)? == len {
            true => Ok(page),
            // It became shorter after it was opened.
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Fills `buf` from byte `at` on, as far as there are bytes; returns their number.
    fn fill(&mut self, source: &dyn ReadAt, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut known = 0;
        while let Some(rest) = buf.get_mut(known..).filter(|rest| !rest.is_empty()) {
            self.spent.charge(rest.len() as u64, self.limits)?;
            let begun = Instant::now();
            let read = source.read_at(rest, at + known as u64);
            self.spent.wait(begun.elapsed());
            match read {
                Ok(0) => break,
                Ok(n) => known += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }
}

impl Spent {
    /// Tests whether at least the time `worth` was spent waiting because the image is slow to read, and not
    /// because this host has other work: then most calls take long. Of no time everything is worth it.
    pub(super) fn is_worth(&self, worth: Duration) -> bool {
        let is_slow = self.slow_reads > self.reads / 2 && self.waited >= worth;
        is_slow || worth.is_zero()
    }

    fn wait(&mut self, took: Duration) {
        self.waited += took;
        self.slow_reads += u32::from(took >= SLOW);
    }

    fn charge(&mut self, bytes: u64, limits: Limits) -> io::Result<()> {
        self.reads = self.reads.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_over |= self.reads > limits.reads || self.bytes > limits.bytes;
        match self.is_over {
            true => Err(io::Error::other("more of it is not read")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Bytes that differ everywhere, with a bad sector and a count of calls.
    struct Source {
        len: u64,
        bad: Option<u64>,
        /// Bytes that are really there.
        present: u64,
        calls: Cell<u32>,
    }

    impl Source {
        fn new(len: u64) -> Self {
            Self {
                len,
                bad: None,
                present: len,
                calls: Cell::new(0),
            }
        }

        fn byte(at: u64) -> u8 {
            (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]
        }
    }

    impl ReadAt for Source {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.calls.set(self.calls.get() + 1);
            let end = (offset + buf.len() as u64).min(self.present);
            if self.bad.is_some_and(|bad| (offset..end).contains(&bad)) {
                return Err(io::Error::other("bad sector"));
            }
            let len = usize::try_from(end.saturating_sub(offset)).unwrap();
            for (n, byte) in buf[..len].iter_mut().enumerate() {
                *byte = Self::byte(offset + n as u64);
            }
            Ok(len)
        }

        fn len(&self) -> u64 {
            self.len
        }
    }

    fn read(reader: &PagedReader<'_>, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let n = reader.read_at(&mut bytes, at)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    fn expected(range: std::ops::Range<u64>) -> Vec<u8> {
        range.map(Source::byte).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_file_and_one_call_reads_a_block() {
        let source = Source::new(1_000_001);
        let reader = PagedReader::new(&source);
        for (at, len) in [(0, 10), (2047, 2), (32_000, 700), (20_000, 1)] {
            let is = read(&reader, at, len).unwrap();
            assert_eq!(is, expected(at..at + len as u64), "{at}");
        }
        assert_eq!(source.calls.get(), 1);
        assert_eq!(
            read(&reader, 999_990, 100).unwrap(),
            expected(999_990..1_000_001)
        );
        assert_eq!(read(&reader, 1_000_001, 100).unwrap(), expected(0..0));
        assert_eq!(read(&reader, u64::MAX, 100).unwrap(), expected(0..0));
        assert_eq!(source.calls.get(), 2);
        assert_eq!(
            read(&reader, 100_000, 300_000).unwrap(),
            expected(100_000..400_000)
        );
        assert_eq!(source.calls.get(), 3, "what is wanted is read at once");
    }

    #[test]
    fn pages_of_an_earlier_run_are_not_read_again() {
        let source = Source::new(1_000_001);
        let reader = PagedReader::new(&source);
        read(&reader, 500_000, 5000).unwrap();
        read(&reader, 999_999, 2).unwrap();
        let (pages, spent) = reader.into_pages();
        assert_eq!((pages.len(), spent.reads), (4, 2));
        let calls = source.calls.get();
        let reader = PagedReader::new(&source);
        reader.add(pages);
        assert_eq!(
            read(&reader, 500_000, 5000).unwrap(),
            expected(500_000..505_000)
        );
        assert_eq!(
            read(&reader, 999_999, 9).unwrap(),
            expected(999_999..1_000_001)
        );
        assert_eq!(source.calls.get(), calls);
        // What it does not have comes from the file.
        assert_eq!(read(&reader, 0, 9).unwrap(), expected(0..9));
        assert_eq!(source.calls.get(), calls + 1);
    }

    #[test]
    fn a_bad_sector_is_an_error_only_where_it_is() {
        let mut source = Source::new(1_000_000);
        source.bad = Some(5000);
        let reader = PagedReader::new(&source);
        assert_eq!(read(&reader, 3000, 1000).unwrap(), expected(3000..4000));
        assert_eq!(read(&reader, 7000, 1000).unwrap(), expected(7000..8000));
        assert!(read(&reader, 4000, 1000).is_err());
        assert_eq!(reader.over(), None);
    }

    #[test]
    fn what_is_missing_of_a_file_is_an_error_and_no_zeros() {
        let mut source = Source::new(1_000_000);
        source.present = 5000;
        let reader = PagedReader::new(&source);
        assert_eq!(read(&reader, 0, 4096).unwrap(), expected(0..4096));
        for at in [4000, 4999, 5000, 6000, 999_999] {
            assert!(read(&reader, at, 1000).is_err(), "{at}");
        }
        assert_eq!(reader.into_pages().0.len(), 2);
    }

    #[test]
    fn reading_is_bounded_in_calls_and_in_bytes() {
        let source = Source::new(u64::MAX / 2);
        for (limits, reads) in [
            (
                Limits {
                    reads: 10,
                    bytes: u64::MAX,
                },
                10,
            ),
            (
                Limits {
                    reads: 1000,
                    bytes: 5 << 20,
                },
                160,
            ),
        ] {
            let reader = PagedReader::new(&source);
            reader.inner.borrow_mut().limits = limits;
            let far = |n: u64| read(&reader, n << 30, 100);
            assert!((0..reads).all(|n| far(n).is_ok()) && reader.over().is_none());
            assert!(far(reads).is_err() && far(reads + 1).is_err());
            let said = reader.over().unwrap();
            assert!(said.starts_with("is not read any further"), "{said}");
            assert!(far(0).is_ok(), "what was read is there");
        }
        let reader = PagedReader::new(&source);
        (0..MAX_PAGES as u64 + 100).for_each(|n| drop(read(&reader, n << 20, 1).unwrap()));
        assert_eq!(reader.into_pages().0.len(), MAX_PAGES);
    }
}
