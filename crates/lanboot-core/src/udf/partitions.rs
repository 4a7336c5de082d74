//! Partitions of a logical volume: where in the image their blocks are.

use std::collections::BTreeMap;

/// Bytes of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First byte.
    pub(super) at: u64,
    /// Length in bytes.
    pub(super) len: u64,
}

/// The partitions in the order of their maps; a reference is a number in this list.
#[derive(Clone, Debug)]
pub(super) struct Partitions {
    /// Bytes of a block.
    pub(super) block_bytes: u32,
    pub(super) list: Vec<Partition>,
}

/// One partition.
#[derive(Clone, Debug)]
pub(super) enum Partition {
    /// Blocks that follow one another.
    Physical(Physical),
    /// As physical, where damaged packets lie elsewhere.
    Sparable {
        physical: Physical,
        /// Blocks of a packet.
        packet: u32,
        /// The sector that a packet was moved to, by its first block.
        moved: BTreeMap<u32, u32>,
    },
    /// Blocks of a table that was written last: the block of the physical partition for each.
    Virtual { physical: Physical, table: Vec<u32> },
    /// Blocks of a file.
    Metadata {
        /// The file's bytes by the first block of each run.
        runs: BTreeMap<u32, Run>,
    },
    /// One that cannot be read.
    Unusable,
}

/// Sectors of a partition descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Physical {
    /// First sector.
    pub(super) start: u32,
    /// Length in blocks.
    pub(super) len: u32,
}

impl Partitions {
    /// Finds `len` bytes from block `block` of a partition on, in order; `None` if they are not all
    /// in it.
    pub(super) fn find(&self, reference: u16, block: u32, len: u64) -> Option<Vec<Run>> {
        let size = u64::from(self.block_bytes);
        let count = u32::try_from(len.div_ceil(size)).ok()?;
        let end = block.checked_add(count)?;
        match self.list.get(usize::from(reference))? {
            Partition::Physical(physical) => {
                let at = self.physical(*physical, block, end)?;
                Some(vec![Run { at, len }])
            }
            Partition::Sparable {
                physical,
                packet,
                moved,
            } => {
                self.physical(*physical, block, end)?;
                Some(self.spared(*physical, *packet, moved, block, len))
            }
            Partition::Virtual { physical, table } => {
                let places = table.get(block as usize..end as usize)?;
                self.each(places, len, |place| {
                    self.physical(*physical, *place, place.checked_add(1)?)
                })
            }
            Partition::Metadata { runs } => self.in_file(runs, block, len),
            Partition::Unusable => None,
        }
    }

    /// Returns the first byte of blocks of a physical partition.
    fn physical(&self, physical: Physical, block: u32, end: u32) -> Option<u64> {
        let sector = u64::from(physical.start) + u64::from(block);
        (end <= physical.len).then(|| sector * u64::from(self.block_bytes))
    }

    /// Joins blocks that are found one by one.
    fn each(
        &self,
        places: &[u32],
        len: u64,
        find: impl Fn(&u32) -> Option<u64>,
    ) -> Option<Vec<Run>> {
        let size = u64::from(self.block_bytes);
        let mut runs = Vec::new();
        let mut left = len;
        for place in places {
            let run = Run {
                at: find(place)?,
                len: left.min(size),
            };
            left -= run.len;
            push(&mut runs, run);
        }
        Some(runs)
    }

    fn spared(
        &self,
        physical: Physical,
        packet: u32,
        moved: &BTreeMap<u32, u32>,
        block: u32,
        len: u64,
    ) -> Vec<Run> {
        let size = u64::from(self.block_bytes);
        let (first, end) = (u64::from(block) * size, u64::from(block) * size + len);
        let start = u64::from(physical.start) * size;
        let packet_bytes = u64::from(packet) * size;
        let mut runs = Vec::new();
        let mut at = first;
        // The packet that `block` is in may begin before it.
        for (&from, &to) in moved.range(block.saturating_sub(packet)..) {
            let from = u64::from(from) * size;
            let to = u64::from(to) * size;
            if from >= end {
                break;
            }
            if from + packet_bytes <= at {
                continue;
            }
            let before = from.saturating_sub(at);
            push(
                &mut runs,
                Run {
                    at: start + at,
                    len: before,
                },
            );
            at += before;
            let inside = (from + packet_bytes).min(end) - at;
            push(
                &mut runs,
                Run {
                    at: to + (at - from),
                    len: inside,
                },
            );
            at += inside;
        }
        push(
            &mut runs,
            Run {
                at: start + at,
                len: end - at,
            },
        );
        runs
    }

    fn in_file(&self, file: &BTreeMap<u32, Run>, block: u32, len: u64) -> Option<Vec<Run>> {
        let size = u64::from(self.block_bytes);
        let mut runs = Vec::new();
        let mut at = u64::from(block) * size;
        let end = at + len;
        while at < end {
            let within = u32::try_from(at / size).ok()?;
            let (first, run) = file.range(..=within).next_back()?;
            let skip = at - u64::from(*first) * size;
            let part = run.len.checked_sub(skip).filter(|part| *part > 0)?;
            let part = part.min(end - at);
            push(
                &mut runs,
                Run {
                    at: run.at + skip,
                    len: part,
                },
            );
            at += part;
        }
        Some(runs)
    }
}

/// Adds a run, joined to the last one where it continues it.
pub(super) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        _ if run.len == 0 => {}
        Some(last) if last.at + last.len == run.at => last.len += run.len,
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partition: Partition) -> Partitions {
        Partitions {
            block_bytes: 512,
            list: vec![partition],
        }
    }

    const PHYSICAL: Physical = Physical {
        start: 100,
        len: 50,
    };

    fn found(partitions: &Partitions, block: u32, len: u64) -> Option<Vec<(u64, u64)>> {
        let runs = partitions.find(0, block, len)?;
        Some(runs.iter().map(|run| (run.at, run.len)).collect())
    }

    #[test]
    fn physical_blocks_follow_one_another() {
        let partitions = of(Partition::Physical(PHYSICAL));
        assert_eq!(found(&partitions, 2, 1000), Some(vec![(102 * 512, 1000)]));
        assert_eq!(found(&partitions, 49, 512), Some(vec![(149 * 512, 512)]));
        assert_eq!(found(&partitions, 49, 513), None);
        assert_eq!(found(&partitions, u32::MAX, 513), None);
        assert_eq!(partitions.find(1, 0, 1), None);
    }

    #[test]
    fn moved_packets_are_read_where_they_are() {
        let partitions = of(Partition::Sparable {
            physical: PHYSICAL,
            packet: 4,
            moved: BTreeMap::from([(8, 300), (12, 304)]),
        });
        assert_eq!(found(&partitions, 0, 512), Some(vec![(100 * 512, 512)]));
        let all = found(&partitions, 7, 10 * 512);
        let expected = vec![(107 * 512, 512), (300 * 512, 8 * 512), (116 * 512, 512)];
        assert_eq!(all, Some(expected));
        assert_eq!(found(&partitions, 10, 512), Some(vec![(302 * 512, 512)]));
        assert_eq!(found(&partitions, 16, 512), Some(vec![(116 * 512, 512)]));
    }

    #[test]
    fn virtual_blocks_are_looked_up() {
        let partitions = of(Partition::Virtual {
            physical: PHYSICAL,
            table: vec![7, 8, 3, u32::MAX],
        });
        let expected = vec![(107 * 512, 1024), (103 * 512, 100)];
        assert_eq!(found(&partitions, 0, 1124), Some(expected));
        assert_eq!(found(&partitions, 3, 1), None, "not allocated");
        assert_eq!(found(&partitions, 4, 1), None);
    }

    #[test]
    fn metadata_blocks_lie_in_the_runs_of_a_file() {
        let run = |at, len| Run { at, len };
        let runs = BTreeMap::from([(0, run(5000, 1024)), (2, run(90_000, 512))]);
        let partitions = of(Partition::Metadata { runs });
        assert_eq!(
            found(&partitions, 1, 1024),
            Some(vec![(5512, 512), (90_000, 512)])
        );
        assert_eq!(found(&partitions, 2, 513), None);
    }
}
