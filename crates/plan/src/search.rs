//! Depth-first search for a plan that stays below a target.
//!
//! Items are placed from the bottom up: each at the lowest offset above every item that was placed before and is live
//! at the same time, and never below the item placed last. Every plan can be pushed down into one that arises in this
//! way, and a placed item never moves. The rule is what makes the search fast: whatever remains to be placed in a
//! section goes above the current offset, and above the lowest offset that is still possible for its items. As soon as
//! that exceeds the target in any section, the branch is dead, long before a single item ends above the target.
//!
//! The idea comes from minimalloc (Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated
//! Machine Learning", ASPLOS 2023).

use crate::timeline::Timeline;

/// Offsets in grains, by item, with every item's end at most `target`. Equally low items are tried in the given order. `None` if there is no such plan, or if `work` is used up: it is decremented for each
/// item placed on trial.
pub(crate) fn search(timeline: &Timeline, order: &[usize], target: i64, work: &mut u64) -> Option<Vec<i64>> {
    let mut state = State::new(timeline, order, target);
    let mut path = vec![Node { untried: state.candidates((0, 0)), entered_by: None }];
    while let Some(node) = path.last_mut() {
        let Some(next) = state.take_best(&mut node.untried) else {
            if let Some(step) = path.pop()?.entered_by {
                state.undo(step);
            }
            continue;
        };
        *work = work.checked_sub(1)?;
        let offset = state.lowest[next];
        let step = state.place(next);
        if state.open.is_empty() {
            return Some(state.lowest);
        }
        if state.may_succeed() {
            path.push(Node { untried: state.candidates((offset, state.rank[next])), entered_by: Some(step) });
        } else {
            state.undo(step);
        }
    }
    None
}

/// A node on the path through the search tree. The path is a list rather than the call stack, whose size is fixed.
struct Node {
    /// Items that may come next and have not been tried. Not sorted: usually only one of them is ever tried.
    untried: Vec<usize>,
    /// The placement that led here from the parent node.
    entered_by: Option<Placed>,
}

/// A placed item, and the state to restore when it is taken back.
struct Placed {
    item: usize,
    /// Items whose lowest offset it raised, with the previous value.
    raised: Vec<(usize, i64)>,
}

struct State<'a> {
    timeline: &'a Timeline,
    target: i64,
    /// Items that are not placed, in order.
    open: Vec<usize>,
    /// The position of each item in the order.
    rank: Vec<usize>,
    is_open: Vec<bool>,
    /// Offset of each placed item; the lowest possible offset of each open one.
    lowest: Vec<i64>,
    /// Grains of the open items in each section.
    left: Vec<i64>,
    /// For each section, the open item that was last found to start low enough there, or any item.
    witness: Vec<usize>,
}

impl<'a> State<'a> {
    fn new(timeline: &'a Timeline, order: &[usize], target: i64) -> Self {
        let count = timeline.items.len();
        let mut rank = vec![0; count];
        order.iter().enumerate().for_each(|(at, &item)| rank[item] = at);
        Self {
            timeline,
            target,
            open: order.to_vec(),
            rank,
            is_open: vec![true; count],
            lowest: vec![0; count],
            left: timeline.live.clone(),
            witness: vec![0; timeline.live.len()],
        }
    }

    /// Items that may come next, after the one placed last at `(offset, rank)`.
    fn candidates(&self, last: (i64, usize)) -> Vec<usize> {
        let highest = self.target - self.left.iter().copied().max().unwrap_or(0);
        // At or above the lowest end of an open item, that item would fit underneath: another order covers this case.
        let lowest_end = self.open.iter().map(|&i| self.lowest[i] + self.timeline.items[i].top).min().unwrap_or(0);
        let fits = |i: &usize| self.key(*i) >= last && self.lowest[*i] < lowest_end && self.lowest[*i] <= highest;
        self.open.iter().copied().filter(fits).collect()
    }

    fn key(&self, item: usize) -> (i64, usize) {
        (self.lowest[item], self.rank[item])
    }

    /// The lowest of the candidates; among equally low ones, the first in order.
    fn take_best(&self, untried: &mut Vec<usize>) -> Option<usize> {
        let best = (0..untried.len()).min_by_key(|&at| self.key(untried[at]))?;
        Some(untried.swap_remove(best))
    }

    /// Places `item` at its lowest offset.
    fn place(&mut self, item: usize) -> Placed {
        let placed = &self.timeline.items[item];
        self.open.retain(|&other| other != item);
        self.is_open[item] = false;
        self.left[placed.sections()].iter_mut().for_each(|grains| *grains -= placed.top);
        let mut raised = Vec::new();
        for pair in self.timeline.pairs(item) {
            let end = self.lowest[item] + pair.above;
            if self.is_open[pair.other] && self.lowest[pair.other] < end {
                raised.push((pair.other, self.lowest[pair.other]));
                self.lowest[pair.other] = self.timeline.items[pair.other].align_up(end);
            }
        }
        Placed { item, raised }
    }

    fn undo(&mut self, Placed { item, raised }: Placed) {
        for (other, lowest) in raised {
            self.lowest[other] = lowest;
        }
        let placed = &self.timeline.items[item];
        self.left[placed.sections()].iter_mut().for_each(|grains| *grains += placed.top);
        self.is_open[item] = true;
        self.open.insert(self.open.partition_point(|&other| self.rank[other] < self.rank[item]), item);
    }

    /// Whether every section with open items has one that can start low enough for all of them to fit.
    fn may_succeed(&mut self) -> bool {
        (0..self.left.len()).all(|section| {
            if self.left[section] == 0 {
                return true;
            }
            let highest = self.target - self.left[section];
            let low_enough = |&i: &usize| {
                self.lowest[i] <= highest && self.is_open[i] && self.timeline.items[i].sections().contains(&section)
            };
            // The parent node's witness is nearly always still valid, which makes this check cheap.
            if low_enough(&self.witness[section]) {
                return true;
            }
            let found = self.open.iter().copied().find(low_enough);
            self.witness[section] = found.unwrap_or(self.witness[section]);
            found.is_some()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;
    use crate::first_fit::first_fit;
    use crate::timeline::Timeline;
    use proptest::prelude::*;

    /// The best total of first fit over all orders of `order[done..]`: the optimum, by exhaustive search.
    fn optimum(timeline: &Timeline, order: &mut [usize], done: usize) -> i64 {
        if done == order.len() {
            return timeline.height(&first_fit(timeline, order));
        }
        let mut best = i64::MAX;
        for i in done..order.len() {
            order.swap(done, i);
            best = best.min(optimum(timeline, order, done + 1));
            order.swap(done, i);
        }
        best
    }

    fn problem() -> impl Strategy<Value = Vec<Buffer>> {
        let buffer = (0..6u32, 1..5u32, 1..9u32, 0..3u32)
            .prop_map(|(start, steps, size, log_align)| Buffer::whole(0, start, start + steps, size, 1 << log_align));
        prop::collection::vec(buffer, 1..7)
    }

    proptest! {
        /// No pruning rule cuts off the best plan, and no plan exceeds its target.
        #[test]
        fn finds_the_optimum_and_nothing_below(buffers in problem()) {
            let timeline = Timeline::new(&buffers);
            let mut order: Vec<usize> = (0..timeline.items.len()).collect();
            let best = optimum(&timeline, &mut order, 0);
            let found = search(&timeline, &order, best, &mut u64::MAX.clone());
            prop_assert_eq!(found.map(|offsets| timeline.height(&offsets)), Some(best));
            prop_assert_eq!(search(&timeline, &order, best - 1, &mut u64::MAX.clone()), None);
        }
    }

    #[test]
    fn gives_up_when_the_work_is_used_up() {
        let buffer = |size| Buffer::whole(0, 0, 1, size, 1);
        let timeline = Timeline::new(&[buffer(1), buffer(2), buffer(3)]);
        let run = |mut work| (search(&timeline, &[0, 1, 2], 6, &mut work), work);
        assert_eq!(run(2), (None, 0));
        assert_eq!(run(3), (Some(vec![0, 1, 3]), 0));
    }
}
