//! The problem as the solver sees it: time is cut into sections, so that it need not consider single steps.

use crate::Buffer;
use std::ops::Range;

/// A buffer that is not empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// Position of the buffer in the input.
    pub index: usize,
    /// First section in which it is live.
    pub first: usize,
    /// Section after the last.
    pub last: usize,
    /// Length of the lifetime in steps.
    pub steps: u64,
    /// Bytes it denies to others: its size, rounded up to the grain of the problem.
    pub size: u64,
    /// Bytes, a power of two.
    pub align: u64,
}

impl Item {
    /// The sections in which it is live.
    pub fn sections(&self) -> Range<usize> {
        self.first..self.last
    }

    /// Whether both are live in some section.
    pub fn meets(&self, other: &Item) -> bool {
        self.first < other.last && other.first < self.last
    }

    /// The first offset at or above `floor` where it may start.
    pub fn align_up(&self, floor: u64) -> u64 {
        (floor + self.align - 1) & !(self.align - 1)
    }
}

/// The buffers that are not empty, and the sections in which they are live.
pub(crate) struct Timeline {
    /// In the order of the input.
    pub items: Vec<Item>,
    /// Bytes live in each section.
    pub live: Vec<u64>,
}

impl Timeline {
    /// A section ends wherever a buffer starts or ends: within one, the same buffers are live throughout.
    ///
    /// All offsets are multiples of the smallest alignment, the grain. The bytes between the end of a buffer and the
    /// next multiple are therefore useless to any other, and counting them as the buffer's own gives a tighter bound
    /// than its size alone. This can cost less than one grain at the very top of the arena.
    pub fn new(buffers: &[Buffer]) -> Self {
        let sized = || buffers.iter().enumerate().filter(|(_, b)| b.size > 0);
        let grain = u64::from(sized().map(|(_, b)| b.align).min().unwrap_or(1));
        let mut cuts: Vec<u32> = sized().flat_map(|(_, b)| [b.start, b.end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let section = |step: u32| cuts.partition_point(|&cut| cut < step);
        let item = |(index, b): (usize, &Buffer)| Item {
            index,
            first: section(b.start),
            last: section(b.end),
            steps: u64::from(b.end - b.start),
            size: u64::from(b.size).next_multiple_of(grain),
            align: b.align.into(),
        };
        let items: Vec<Item> = sized().map(item).collect();
        let mut live = vec![0; cuts.len()];
        for item in &items {
            live[item.sections()].iter_mut().for_each(|bytes| *bytes += item.size);
        }
        Self { items, live }
    }

    /// The smallest arena, in bytes, that the solver can reach.
    pub fn bound(&self) -> u64 {
        self.live.iter().copied().max().unwrap_or(0)
    }

    /// The most bytes live in one section of the lifetime of `item`.
    pub fn contention(&self, item: &Item) -> u64 {
        self.live[item.sections()].iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_lie_between_changes() {
        let buffer = |start, end, size| Buffer { id: 0, start, end, size, align: 4 };
        let timeline = Timeline::new(&[buffer(10, 30, 4), buffer(0, 90, 0), buffer(20, 40, 8)]);
        // Cut at 10, 20, 30, 40; the empty buffer cuts nothing.
        assert_eq!(timeline.live, [4, 12, 8, 0]);
        let sections: Vec<_> = timeline.items.iter().map(|item| (item.index, item.sections())).collect();
        assert_eq!(sections, [(0, 0..2), (2, 1..3)]);
    }

    #[test]
    fn sizes_round_up_to_the_smallest_alignment() {
        let buffer = |size, align| Buffer { id: 0, start: 0, end: 1, size, align };
        let sizes = |buffers: &[Buffer]| Timeline::new(buffers).items.iter().map(|i| i.size).collect::<Vec<_>>();
        assert_eq!(sizes(&[buffer(5, 4), buffer(8, 16)]), [8, 8]);
        assert_eq!(sizes(&[buffer(5, 4), buffer(8, 16), buffer(3, 1)]), [5, 8, 3]);
    }
}
