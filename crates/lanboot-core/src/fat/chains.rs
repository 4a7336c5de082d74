//! The file allocation table: chains of clusters, and clusters that belong to two of them.

use std::collections::{BTreeMap, BTreeSet};

use super::FatKind;
use super::geometry::{FIRST_CLUSTER, Geometry};
use crate::storage::{Disk, Unreadable};

/// Bytes of the table read at once. A multiple of three and of four, so that no entry of two or four
/// bytes, and no pair of entries of twelve bits, crosses from one window into the next.
const WINDOW: u64 = 12 * 1024;
/// Clusters of one page of [`Used`].
const PAGE: u32 = 1 << 16;
/// Most clusters followed in one file system: 512 GiB of files in clusters of 32 KiB.
const MAX_FOLLOWED: u32 = 1 << 24;
/// Most clusters noted that belong to two chains.
const MAX_CROSSED: usize = 1 << 16;

/// Neighbouring clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Number of the first one.
    pub(super) first: u32,
    /// Number of clusters.
    pub(super) count: u32,
}

/// Clusters of a file or directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Its clusters in order, as far as they are known.
    pub(super) runs: Vec<Run>,
    /// True if there is no more of it because the table is damaged or cannot be read.
    pub(super) is_broken: bool,
}

/// Follows chains through the table, each cluster once.
pub(super) struct Chains<'g> {
    geometry: &'g Geometry,
    window: Vec<u8>,
    window_at: u64,
    used: Used,
    /// Clusters found in two chains, or twice in one.
    crossed: BTreeSet<u32>,
    followed: u32,
}

impl<'g> Chains<'g> {
    pub(super) fn new(geometry: &'g Geometry) -> Self {
        Self {
            geometry,
            window: Vec::new(),
            window_at: 0,
            used: Used::default(),
            crossed: BTreeSet::new(),
            followed: 0,
        }
    }

    /// Follows the chain from `first` for at most `limit` clusters. A chain that goes on after them
    /// is not broken.
    pub(super) fn follow(&mut self, disk: &mut Disk<'_>, first: u32, limit: u64) -> Chain {
        let mut chain = Chain::default();
        let mut at = first;
        let mut count = 0;
        while count < limit {
            if self.geometry.cluster(at).is_none()
                || self.followed >= MAX_FOLLOWED
                || self.is_taken(at)
            {
                chain.is_broken = true;
                break;
            }
            self.followed += 1;
            count += 1;
            match chain.runs.last_mut() {
                Some(run) if run.first.checked_add(run.count) == Some(at) => run.count += 1,
                _ => chain.runs.push(Run {
                    first: at,
                    count: 1,
                }),
            }
            match self.next(disk, at) {
                Ok(Next::Cluster(next)) => at = next,
                Ok(Next::End) => break,
                Ok(Next::Damaged) | Err(_) => {
                    // The cluster itself counts; what follows is unknown.
                    chain.is_broken = count < limit;
                    break;
                }
            }
        }
        chain
    }

    /// Returns whether a cluster of this chain was found in another one too.
    pub(super) fn is_crossed(&self, chain: &Chain) -> bool {
        self.crossed.len() >= MAX_CROSSED
            || chain.runs.iter().any(|run| {
                let end = run.first.saturating_add(run.count);
                self.crossed.range(run.first..end).next().is_some()
            })
    }

    /// Returns whether the limit of clusters is reached.
    pub(super) fn is_spent(&self) -> bool {
        self.followed >= MAX_FOLLOWED
    }

    fn is_taken(&mut self, cluster: u32) -> bool {
        let is_taken = self.used.insert(cluster);
        if is_taken && self.crossed.len() < MAX_CROSSED {
            self.crossed.insert(cluster);
        }
        is_taken
    }

    fn next(&mut self, disk: &mut Disk<'_>, cluster: u32) -> Result<Next, Unreadable> {
        let at = u64::from(cluster);
        let (value, bad) = match self.geometry.kind {
            FatKind::Fat12 => {
                let pair = self.word(disk, at + at / 2, 2)?;
                let value = if cluster % 2 == 1 {
                    pair >> 4
                } else {
                    pair & 0xfff
                };
                (value, 0xff7)
            }
            FatKind::Fat16 => (self.word(disk, at * 2, 2)?, 0xfff7),
            FatKind::Fat32 => (self.word(disk, at * 4, 4)? & 0x0fff_ffff, 0x0fff_fff7),
        };
        Ok(match value {
            value if value > bad => Next::End,
            value if value >= FIRST_CLUSTER && value != bad => Next::Cluster(value),
            _ => Next::Damaged,
        })
    }

    /// Returns `len` bytes of the table as a number.
    fn word(&mut self, disk: &mut Disk<'_>, at: u64, len: usize) -> Result<u32, Unreadable> {
        let window_at = at / WINDOW * WINDOW;
        if self.window.is_empty() || self.window_at != window_at {
            let from = self.geometry.table.start.saturating_add(window_at);
            let end = self.geometry.table.end.min(self.geometry.end);
            let len = end.saturating_sub(from).min(WINDOW);
            let mut window = std::mem::take(&mut self.window);
            // Lossless: at most WINDOW.
            window.resize(usize::try_from(len).unwrap_or(0), 0);
            disk.read(from, &mut window)?;
            self.window = window;
            self.window_at = window_at;
        }
        let from = usize::try_from(at - window_at).unwrap_or(usize::MAX);
        let bytes = self.window.get(from..).and_then(|rest| rest.get(..len));
        let bytes = bytes.ok_or(Unreadable::PastEnd)?;
        let number = bytes.iter().rev();
        Ok(number.fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }
}

/// The meaning of a cluster in the table.
enum Next {
    Cluster(u32),
    End,
    /// It is free, bad or reserved.
    Damaged,
}

/// A set of clusters.
#[derive(Default)]
struct Used {
    pages: BTreeMap<u32, Vec<u64>>,
}

impl Used {
    /// Adds a cluster; returns whether it was there already.
    fn insert(&mut self, cluster: u32) -> bool {
        let page = self
            .pages
            .entry(cluster / PAGE)
            .or_insert_with(|| vec![0; PAGE as usize / 64]);
        let at = cluster % PAGE;
        let Some(word) = page.get_mut(at as usize / 64) else {
            return false;
        };
        let bit = 1 << (at % 64);
        let was_there = *word & bit != 0;
        *word |= bit;
        was_there
    }
}
