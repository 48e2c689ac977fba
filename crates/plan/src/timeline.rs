//! The problem as the solver sees it: time is cut into sections, bytes are counted in grains, and pairs of buffers are
//! reduced to the distances that they must keep.

use crate::Buffer;
use std::ops::Range;

/// A buffer that is not empty. All of its measures are in grains.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Position of the buffer in the input.
    pub index: usize,
    /// Length of the lifetime in steps.
    pub steps: u64,
    /// Grain after the last that is ever live.
    pub top: i64,
    /// A power of two.
    pub align: i64,
    /// Live grains times steps. No wrap: neither exceeds 2^32.
    pub area: u64,
    /// The live grains over time. Each window begins where the one before it ends.
    pub windows: Vec<Span>,
}

/// The live grains `[lo, hi)` of an item in the sections `[first, last)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub first: usize,
    pub last: usize,
    pub lo: i64,
    pub hi: i64,
}

impl Item {
    /// The sections in which it is live.
    pub fn sections(&self) -> Range<usize> {
        self.windows[0].first..self.windows[self.windows.len() - 1].last
    }

    /// The first offset at or above `floor` where it may start.
    pub fn align_up(&self, floor: i64) -> i64 {
        (floor + self.align - 1) & !(self.align - 1)
    }
}

/// What an item demands of another that is live at the same time as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The other item.
    pub other: usize,
    /// The least offset of the other minus that of the item, if the other lies above it.
    pub above: i64,
    /// The least offset of the item minus that of the other, if the other lies below it.
    pub below: i64,
}

/// The buffers that are not empty, the sections in which they are live, and the distances between them.
pub(crate) struct Timeline {
    /// In the order of the input.
    pub items: Vec<Item>,
    /// Grains live in each section.
    pub live: Vec<i64>,
    /// Bytes of a grain: the smallest alignment, so that all offsets are multiples of it.
    pub grain: u32,
    pairs: Vec<Pair>,
    /// The pairs of an item begin here and end with those of the next.
    pairs_from: Vec<usize>,
    members: Vec<Member>,
    /// The members of a section begin here and end with those of the next.
    members_from: Vec<usize>,
}

/// An item that is live in a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub item: usize,
    /// First grain that is live there.
    pub lo: i64,
}

impl Timeline {
    /// A section ends wherever a window starts or ends: within one, the same bytes are live throughout.
    ///
    /// All offsets are multiples of the smallest alignment, the grain. The bytes between the end of a window and the
    /// next multiple are therefore useless to any other, and counting whole grains gives a tighter bound than bytes.
    /// This can cost less than one grain at the very top of the arena.
    pub fn new(buffers: &[Buffer]) -> Self {
        let sized = || buffers.iter().enumerate().filter(|(_, b)| b.size > 0);
        let grain = sized().map(|(_, b)| b.align).min().unwrap_or(1);
        let mut cuts: Vec<u32> = sized().flat_map(|(_, b)| &b.windows).flat_map(|w| [w.start, w.end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let section = |step: u32| cuts.partition_point(|&cut| cut < step);
        let up = |bytes: u32| i64::from(bytes.div_ceil(grain));
        let item = |(index, b): (usize, &Buffer)| Item {
            index,
            steps: u64::from(b.end() - b.start()),
            top: up(b.top()),
            align: i64::from(b.align / grain),
            area: b.windows.iter().map(|w| u64::from((w.hi - w.lo).div_ceil(grain)) * u64::from(w.end - w.start)).sum(),
            windows: b
                .windows
                .iter()
                .map(|w| Span { first: section(w.start), last: section(w.end), lo: up(w.lo), hi: up(w.hi) })
                .collect(),
        };
        let items: Vec<Item> = sized().map(item).collect();
        let mut live = vec![0; cuts.len()];
        for w in items.iter().flat_map(|item| &item.windows) {
            live[w.first..w.last].iter_mut().for_each(|grains| *grains += w.hi - w.lo);
        }
        let mut timeline = Self {
            items,
            live,
            grain,
            pairs: Vec::new(),
            pairs_from: vec![0],
            members: Vec::new(),
            members_from: vec![0],
        };
        timeline.measure(buffers);
        timeline.call_members();
        timeline
    }

    /// Finds the members of each section, in the order of the items.
    fn call_members(&mut self) {
        let mut members = vec![Vec::new(); self.live.len()];
        for (item, i) in self.items.iter().enumerate() {
            for w in &i.windows {
                members[w.first..w.last].iter_mut().for_each(|list| list.push(Member { item, lo: w.lo }));
            }
        }
        for list in members {
            self.members.extend(list);
            self.members_from.push(self.members.len());
        }
    }

    /// Finds the pairs of each item.
    fn measure(&mut self, buffers: &[Buffer]) {
        for a in 0..self.items.len() {
            let sections = self.items[a].sections();
            for b in 0..self.items.len() {
                let other = self.items[b].sections();
                if a != b && sections.start < other.end && other.start < sections.end {
                    let (above, below) = distances(&buffers[self.items[a].index], &buffers[self.items[b].index]);
                    let grains = |bytes: i64| -(-bytes).div_euclid(i64::from(self.grain));
                    self.pairs.push(Pair { other: b, above: grains(above), below: grains(below) });
                }
            }
            self.pairs_from.push(self.pairs.len());
        }
    }

    /// The items that are live at the same time as `item`.
    pub fn pairs(&self, item: usize) -> &[Pair] {
        &self.pairs[self.pairs_from[item]..self.pairs_from[item + 1]]
    }

    /// The numbers of the members of a section.
    pub fn members(&self, section: usize) -> Range<usize> {
        self.members_from[section]..self.members_from[section + 1]
    }

    /// A member of some section by its number.
    pub fn member(&self, at: usize) -> Member {
        self.members[at]
    }

    /// The smallest arena, in grains, that the solver can reach.
    pub fn bound(&self) -> i64 {
        self.live.iter().copied().max().unwrap_or(0)
    }

    /// Grains of the arena that these offsets, by item, need.
    pub fn height(&self, offsets: &[i64]) -> i64 {
        self.items.iter().zip(offsets).map(|(item, offset)| offset + item.top).max().unwrap_or(0)
    }

    /// The most grains live in one section of the lifetime of `item`.
    pub fn contention(&self, item: usize) -> i64 {
        self.live[self.items[item].sections()].iter().copied().max().unwrap_or(0)
    }
}

/// The least distance in bytes from the offset of `a` up to that of `b` if `b` lies above, and from `b` up to `a` if `a`
/// does: the most by which the end of one window passes the beginning of another at the same step. A distance may be
/// negative, the sum of both never is. The two must meet in time.
fn distances(a: &Buffer, b: &Buffer) -> (i64, i64) {
    let (mut above, mut below) = (i64::MIN, i64::MIN);
    let start = a.start().max(b.start());
    let mut i = a.windows.partition_point(|w| w.end <= start);
    let mut j = b.windows.partition_point(|w| w.end <= start);
    while let (Some(x), Some(y)) = (a.windows.get(i), b.windows.get(j)) {
        above = above.max(i64::from(x.hi) - i64::from(y.lo));
        below = below.max(i64::from(y.hi) - i64::from(x.lo));
        i += usize::from(x.end <= y.end);
        j += usize::from(y.end <= x.end);
    }
    (above, below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    #[test]
    fn sections_lie_between_changes() {
        let buffer = |start, end, size| Buffer::whole(0, start, end, size, 4);
        let timeline = Timeline::new(&[buffer(10, 30, 4), buffer(0, 90, 0), buffer(20, 40, 8)]);
        // Cut at 10, 20, 30, 40; the empty buffer cuts nothing.
        assert_eq!(timeline.live, [1, 3, 2, 0]);
        let sections: Vec<_> = timeline.items.iter().map(|item| (item.index, item.sections())).collect();
        assert_eq!(sections, [(0, 0..2), (2, 1..3)]);
    }

    #[test]
    fn sizes_round_up_to_the_smallest_alignment() {
        let buffer = |size, align| Buffer::whole(0, 0, 1, size, align);
        let tops = |buffers: &[Buffer]| {
            let timeline = Timeline::new(buffers);
            timeline.items.iter().map(|i| i.top * i64::from(timeline.grain)).collect::<Vec<_>>()
        };
        assert_eq!(tops(&[buffer(5, 4), buffer(8, 16)]), [8, 8]);
        assert_eq!(tops(&[buffer(5, 4), buffer(8, 16), buffer(3, 1)]), [5, 8, 3]);
    }

    #[test]
    fn distances_are_the_most_that_any_common_step_asks_for() {
        let window = |start, end, lo, hi| Window { start, end, lo, hi };
        // Rows of 10 bytes die in turn; those of another buffer are born in turn, one row later.
        let dies = vec![window(0, 2, 0, 30), window(2, 3, 10, 30), window(3, 4, 20, 30)];
        let born = vec![window(1, 2, 0, 10), window(2, 3, 0, 20), window(3, 6, 0, 30)];
        let a = Buffer { windows: dies, ..Buffer::whole(0, 0, 4, 30, 1) };
        let b = Buffer { windows: born, ..Buffer::whole(1, 1, 6, 30, 1) };
        // Above: 30 - 0 at every step. Below: 10 - 0, 20 - 10, 30 - 20.
        assert_eq!(distances(&a, &b), (30, 10));
        assert_eq!(distances(&b, &a), (10, 30));
        let timeline = Timeline::new(&[a, b]);
        assert_eq!(timeline.pairs(0), [Pair { other: 1, above: 30, below: 10 }]);
        assert_eq!(timeline.pairs(1), [Pair { other: 0, above: 10, below: 30 }]);
        assert_eq!(timeline.live, [30, 40, 40, 40, 30, 0]);
    }
}
