//! The addresses of one pool: which are free, found in a few steps however large the pool is.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::limits::MAX_POOL;
use crate::machine::Mac;

/// One pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    first: u32,
    len: u32,
    /// Addresses nobody ever had, as offsets.
    free: Bits,
    /// Addresses with a lease and nothing else, by its end: the first to be given to somebody
    /// else once it is over. Seconds since 1970.
    by_end: BTreeSet<(u64, Ipv4Addr)>,
}

impl Pool {
    /// All addresses of `range` free; empty when it is backwards, cut at [`MAX_POOL`].
    pub(super) fn new((first, last): (Ipv4Addr, Ipv4Addr)) -> Self {
        let (first, last) = (first.to_bits(), last.to_bits());
        let len = last
            .checked_sub(first)
            .map_or(0, |n| n.saturating_add(1).min(MAX_POOL));
        Self {
            first,
            len,
            free: Bits::ones(len),
            by_end: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.offset(address).is_some()
    }

    fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.first)?;
        (offset < self.len).then_some(offset)
    }

    /// Marks an address free or not.
    pub(super) fn set_free(&mut self, address: Ipv4Addr, free: bool) {
        if let Some(offset) = self.offset(address) {
            self.free.set(offset, free);
        }
    }

    /// Puts a lease's address in line for reuse.
    pub(super) fn enqueue(&mut self, end: u64, address: Ipv4Addr) {
        self.by_end.insert((end, address));
    }

    /// Takes it out of line.
    pub(super) fn dequeue(&mut self, end: u64, address: Ipv4Addr) {
        self.by_end.remove(&(end, address));
    }

    /// A free address, searched upwards from the one `seed` picks, then from the start.
    pub(super) fn next_free(&self, seed: u64) -> Option<Ipv4Addr> {
        let start = seed.checked_rem(u64::from(self.len))?;
        let start = u32::try_from(start).ok()?;
        let offset = self.free.next(start).or_else(|| self.free.next(0))?;
        Some(Ipv4Addr::from_bits(self.first + offset))
    }

    /// Takes the address out of line whose lease ends last, where that is after `latest`.
    pub(super) fn pop_after(&mut self, latest: u64) -> Option<Ipv4Addr> {
        let (end, _) = self.by_end.last()?;
        if *end <= latest {
            return None;
        }
        self.by_end.pop_last().map(|(_, address)| address)
    }

    /// The addresses with a live lease and nothing else, the one that ends first before the others.
    pub(super) fn live_by_end(&self, now: u64) -> impl Iterator<Item = Ipv4Addr> {
        let first = (now.saturating_add(1), Ipv4Addr::UNSPECIFIED);
        self.by_end.range(first..).map(|(_, address)| *address)
    }

    /// Returns how many addresses have a live lease and nothing else.
    pub(super) fn live(&self, now: u64) -> u32 {
        u32::try_from(self.live_by_end(now).count()).unwrap_or(u32::MAX)
    }

    /// The address whose lease ended longest ago.
    pub(super) fn oldest_ended(&self, now: u64) -> Option<Ipv4Addr> {
        let (end, address) = self.by_end.first()?;
        (*end <= now).then_some(*address)
    }
}

/// A set of numbers below a fixed one. Each level says which words of the level below are not
/// zero, 64 to one, so the next member is found in as many steps as there are levels: four at
/// most for [`MAX_POOL`].
#[derive(Clone, Debug)]
struct Bits {
    levels: Vec<Vec<u64>>,
}

impl Bits {
    /// Every number below `len`.
    fn ones(len: u32) -> Self {
        let mut levels = Vec::new();
        let mut bits = len;
        loop {
            levels.push(Self::words(bits));
            if bits <= 64 {
                return Self { levels };
            }
            bits = bits.div_ceil(64);
        }
    }

    fn words(bits: u32) -> Vec<u64> {
        (0..bits.div_ceil(64))
            .map(|word| match bits - word * 64 {
                left @ 0..64 => (1 << left) - 1,
                _ => u64::MAX,
            })
            .collect()
    }

    fn set(&mut self, number: u32, on: bool) {
        let mut number = number;
        let mut on = on;
        for level in &mut self.levels {
            let Some(word) = level.get_mut(number as usize / 64) else {
                return;
            };
            let bit = 1 << (number % 64);
            if on {
                *word |= bit;
            } else {
                *word &= !bit;
            }
            // The level above only needs to know whether anything is left here.
            on = *word != 0;
            number /= 64;
        }
    }

    /// The smallest member that is at least `from`.
    fn next(&self, from: u32) -> Option<u32> {
        self.next_at(0, from)
    }

    fn next_at(&self, depth: usize, from: u32) -> Option<u32> {
        let level = self.levels.get(depth)?;
        let index = from / 64;
        let word = level.get(index as usize)? & (u64::MAX << (from % 64));
        if word != 0 {
            return Some(index * 64 + word.trailing_zeros());
        }
        let index = self.next_at(depth + 1, index + 1)?;
        let word = level.get(index as usize)?;
        (*word != 0).then(|| index * 64 + word.trailing_zeros())
    }
}

/// Returns where in its pool a machine's search begins: FNV-1a over its hardware address, the one
/// thing that all stages of a boot have in common; for each failure one step of the golden ratio
/// on.
pub(super) fn seed(mac: Mac, failed: u8) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let hash = mac.0.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)).wrapping_add(STEP.wrapping_mul(u64::from(failed)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_free_one_is_the_one_a_plain_set_finds(
            len in 1..20_000_u32,
            taken in prop::collection::vec(any::<u32>(), 0..300),
            runs in prop::collection::vec((any::<u32>(), 0..5_000_u32), 0..5),
            from in any::<u32>(),
        ) {
            let mut bits = Bits::ones(len);
            let mut plain: BTreeSet<u32> = (0..len).collect();
            for (start, run) in runs {
                for number in (start % len)..(start % len).saturating_add(run).min(len) {
                    bits.set(number, false);
                    plain.remove(&number);
                }
            }
            for (i, number) in taken.into_iter().enumerate() {
                let number = number % len;
                let on = i % 3 == 0;
                bits.set(number, on);
                if on { plain.insert(number); } else { plain.remove(&number); }
            }
            let from = from % len;
            prop_assert_eq!(bits.next(from), plain.range(from..).next().copied());
        }
    }

    #[test]
    fn every_size_can_be_emptied_and_filled_again() {
        for len in [1, 63, 64, 65, 4095, 4096, 4097] {
            let mut bits = Bits::ones(len);
            for number in 0..len {
                assert_eq!(bits.next(0), Some(number));
                bits.set(number, false);
            }
            assert_eq!(bits.next(0), None);
            bits.set(len - 1, true);
            assert_eq!(bits.next(0), Some(len - 1));
        }
    }

    #[test]
    fn a_backwards_range_is_empty_and_the_whole_internet_is_cut() {
        let low = Ipv4Addr::new(10, 0, 0, 1);
        let high = Ipv4Addr::new(10, 0, 0, 9);
        assert_eq!(Pool::new((high, low)).next_free(5), None);
        assert_eq!(Pool::new((low, high)).len(), 9);
        assert_eq!(Pool::new((0.into(), u32::MAX.into())).len(), MAX_POOL);
    }

    #[test]
    fn the_search_starts_where_the_seed_says_and_wraps() {
        let mut pool = Pool::new((Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 12)));
        assert_eq!(pool.next_free(5), Some(Ipv4Addr::new(10, 0, 0, 12)));
        pool.set_free(Ipv4Addr::new(10, 0, 0, 12), false);
        assert_eq!(pool.next_free(5), Some(Ipv4Addr::new(10, 0, 0, 10)));
    }
}
