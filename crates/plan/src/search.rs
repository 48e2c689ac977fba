//! Depth-first search for a plan that stays below a target.
//!
//! Items are placed from the bottom up, each at its lowest offset: above every neighbour (an item that is live at the
//! same time) that was placed before. Every plan without neighbours that lie on each other in a circle can be pushed
//! down into one that arises in this way. At each node one item is chosen, and there are two branches: it is placed
//! now, or it is *postponed*, which says that a neighbour that is yet to be placed will lie below it. A postponed item
//! is therefore at least as high as the lowest of those neighbours can carry it, and this is often the proof that the
//! branch is dead. That is the schedule-or-postpone rule of job-shop scheduling (Le Pape et al. 1994), with buffers as
//! jobs that need several machines, the steps, at once.
//!
//! From minimalloc (Moffitt, "MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine Learning",
//! ASPLOS 2023) come the rest of the inferences:
//! - *Sections*: what is left to place in a section must fit above the lowest offset that is still possible there.
//! - *Dominance*: an item that is in nobody's way is placed without an alternative.
//! - *Decomposition*: once no item left to place crosses a moment, the two sides do not depend on each other.
//! - *Orders*: among equally low items a fixed order decides, and several are tried in turn.
//!
//! The search does not work on all of time at once, as minimalloc does, but stays where it is hard ([`Focus`]): where
//! sections failed before, in the manner of the weighted degrees of constraint solvers (Boussemart et al. 2004). Else a
//! mistake in one place is retried for every arrangement of places that have nothing to do with it.

use std::ops::Range;

use crate::timeline::{Pair, Timeline};

/// Placements on trial between two looks whether to stop.
const BETWEEN_CHECKS: u64 = 256;

/// Where the search goes on. It always places an item below which no neighbour could still go; there are usually many,
/// and far apart in time they hardly depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    /// At the lowest item.
    Lowest,
    /// In the section where most is left to place.
    Load,
    /// In the section that failed most often, weighted by what is left to place there: what is hard is settled first.
    Failures,
    /// In the section that failed last, so that what is tried next has to do with what went wrong.
    LastFailure,
}

/// How a search ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Offsets in grains, by item.
    Found(Vec<i64>),
    /// There is no such plan.
    Impossible,
    /// The work was used up.
    Spent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May be placed at its lowest offset.
    Ready,
    /// May be placed only above a neighbour that is yet to be placed.
    Postponed,
    Placed,
}

/// What to restore when a decision is taken back.
enum Change {
    /// The state and lowest offset that an item had.
    Item(usize, State, i64),
    /// This item was placed.
    Placed(usize),
}

/// Items left to place that share sections, directly or through others: `pool[from..to]`, live within `[first, last)`.
#[derive(Clone, Copy)]
struct Group {
    from: usize,
    to: usize,
    first: usize,
    last: usize,
}

/// A node on the path through the search tree. The path is a list rather than the call stack, whose size is fixed.
enum Node {
    /// An item of the group is to be placed. `base` is the length of the pool without the lists of the nodes below.
    Choice { group: Group, base: usize, trial: Option<Trial> },
    /// All of these are to be solved, one after the other.
    Groups(Vec<Group>),
}

#[derive(Clone, Copy)]
struct Trial {
    item: usize,
    /// Length of the trail before the item was placed.
    mark: usize,
    /// Whether the item is in the way of another.
    matters: bool,
}

/// The state of a search. It can be used for one after the other; what is learnt about failures is kept.
pub(crate) struct Search<'a> {
    timeline: &'a Timeline,
    target: i64,
    focus: Focus,
    /// The position of each item in the order: equally low items are tried in this order.
    rank: Vec<usize>,
    state: Vec<State>,
    /// Offset of each placed item; the lowest possible offset of each other.
    lowest: Vec<i64>,
    /// Grains of the items left to place in each section.
    left: Vec<i64>,
    /// How many items left to place are live on both sides of the beginning of each section.
    crossing: Vec<u32>,
    /// For each section, the member that was last found to start low enough there.
    witness: Vec<usize>,
    /// For each postponed item, the neighbour that was last found to be low enough to carry it.
    support: Vec<usize>,
    failures: Vec<u64>,
    last_failure: usize,
    trail: Vec<Change>,
    /// Lists of items: those of the nodes on the path.
    pool: Vec<usize>,
    postponed: Vec<usize>,
}

impl<'a> Search<'a> {
    pub fn new(timeline: &'a Timeline) -> Self {
        let (items, sections) = (timeline.items.len(), timeline.live.len());
        Self {
            timeline,
            target: 0,
            focus: Focus::Lowest,
            rank: vec![0; items],
            state: Vec::new(),
            lowest: Vec::new(),
            left: Vec::new(),
            crossing: Vec::new(),
            witness: vec![0; sections],
            support: vec![0; items],
            failures: vec![0; sections],
            last_failure: 0,
            trail: Vec::new(),
            pool: Vec::new(),
            postponed: Vec::new(),
        }
    }

    /// Looks for a plan with every item's end at most `target`, and decrements `work` for each item placed on trial.
    pub fn run(&mut self, order: &[usize], focus: Focus, target: i64, work: &mut u64) -> Outcome {
        self.reset(order, focus, target);
        if !self.check(0, self.left.len()) {
            return Outcome::Impossible;
        }
        let mut path = vec![Node::Groups(self.split(0, order.len(), None))];
        // Whether the node that was left last is solved.
        let mut solved = true;
        loop {
            match path.last_mut() {
                None if solved => return Outcome::Found(self.lowest.clone()),
                None => return Outcome::Impossible,
                // Where one group fails, all fail: they do not depend on each other.
                Some(Node::Groups(groups)) => match groups.pop().filter(|_| solved) {
                    Some(group) => path.push(Node::Choice { group, base: self.pool.len(), trial: None }),
                    None => {
                        path.pop();
                        // If all are solved, the choices that led here stand.
                        while solved && matches!(path.last(), Some(Node::Choice { .. })) {
                            path.pop();
                        }
                    }
                },
                Some(Node::Choice { group, base, trial }) => {
                    let group = *group;
                    self.pool.truncate(*base);
                    let open = trial.is_none_or(|failed| self.take_back(failed, group));
                    let Some(item) = open.then(|| self.choose(group)).flatten() else {
                        path.pop();
                        solved = false;
                        continue;
                    };
                    let Some(rest) = work.checked_sub(1) else { return Outcome::Spent };
                    *work = rest;
                    if rest.is_multiple_of(BETWEEN_CHECKS) {
                        tinytrain_stop::check();
                    }
                    let placed = self.place(item, group);
                    *trial = Some(placed.trial);
                    solved = placed.may_succeed;
                    if solved {
                        path.push(self.below(item, group, placed.cuts));
                    }
                }
            }
        }
    }

    fn reset(&mut self, order: &[usize], focus: Focus, target: i64) {
        (self.focus, self.target) = (focus, target);
        order.iter().enumerate().for_each(|(at, &item)| self.rank[item] = at);
        self.state = vec![State::Ready; order.len()];
        self.lowest = vec![0; order.len()];
        self.left.clone_from(&self.timeline.live);
        self.crossing = vec![0; self.left.len()];
        for item in &self.timeline.items {
            self.crossing[item.sections()].iter_mut().skip(1).for_each(|count| *count += 1);
        }
        (0..self.left.len()).for_each(|s| self.witness[s] = self.timeline.members(s).start);
        self.failures.fill(0);
        self.trail.clear();
        self.pool.clear();
        self.pool.extend_from_slice(order);
    }

    /// The node for the rest of a group after one of its items was placed.
    fn below(&mut self, item: usize, group: Group, cuts: bool) -> Node {
        if cuts {
            return Node::Groups(self.split(group.from, group.to, Some(item)));
        }
        let from = self.pool.len();
        for at in group.from..group.to {
            if self.pool[at] != item {
                self.pool.push(self.pool[at]);
            }
        }
        let to = self.pool.len();
        if from == to {
            return Node::Groups(Vec::new());
        }
        Node::Choice { group: Group { from, to, ..group }, base: to, trial: None }
    }

    /// Divides `pool[from..to]` into groups, the one with the most to place last.
    fn split(&mut self, from: usize, to: usize, without: Option<usize>) -> Vec<Group> {
        let sections = |item: usize| self.timeline.items[item].sections();
        let mut items: Vec<usize> = self.pool[from..to].iter().copied().filter(|&i| Some(i) != without).collect();
        items.sort_by_key(|&item| sections(item).start);
        let mut groups: Vec<Group> = Vec::new();
        for item in items {
            let Range { start, end } = sections(item);
            let at = self.pool.len();
            self.pool.push(item);
            match groups.last_mut() {
                Some(group) if start < group.last => (group.to, group.last) = (at + 1, group.last.max(end)),
                _ => groups.push(Group { from: at, to: at + 1, first: start, last: end }),
            }
        }
        groups.sort_by_key(|group| self.left[group.first..group.last].iter().copied().max());
        groups
    }

    /// The item of the group to place next, if any may be placed.
    fn choose(&self, group: Group) -> Option<usize> {
        let ready = |i: &usize| self.state[*i] == State::Ready;
        let key = |i: &usize| (self.lowest[*i], self.rank[*i]);
        let lowest = || self.pool[group.from..group.to].iter().copied().filter(ready).min_by_key(key);
        let Some(section) = self.focal_section(group) else { return lowest() };
        let there = self.timeline.members(section).map(|m| self.timeline.member(m).item).filter(ready).min_by_key(key);
        let Some(mut item) = there else { return lowest() };
        // No neighbour that is lower may come later: it would leave a hole or be lifted without need.
        loop {
            let neighbours = self.timeline.pairs(item).iter().map(|pair| pair.other);
            match neighbours.filter(ready).min_by_key(key) {
                Some(lower) if key(&lower) < key(&item) => item = lower,
                _ => return Some(item),
            }
        }
    }

    /// The section of the group in which to go on, if it matters.
    fn focal_section(&self, group: Group) -> Option<usize> {
        let sections = group.first..group.last;
        let load = |s: usize| self.left[s] as f64;
        let failures = |s: usize| (1 + self.failures[s]) as f64 * load(s);
        let best = |rate: &dyn Fn(usize) -> f64| {
            let rated = sections.clone().filter(|&s| self.left[s] > 0).map(|s| (s, rate(s)));
            // The first of several equal ones.
            rated.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(s, _)| s)
        };
        match self.focus {
            Focus::Lowest => None,
            Focus::Load => best(&load),
            Focus::LastFailure if sections.contains(&self.last_failure) && self.left[self.last_failure] > 0 => {
                Some(self.last_failure)
            }
            Focus::Failures | Focus::LastFailure => best(&failures),
        }
    }

    /// Places an item at its lowest offset, and says what that means for the rest of its group.
    fn place(&mut self, item: usize, group: Group) -> Placement {
        let timeline = self.timeline;
        let mark = self.trail.len();
        self.trail.push(Change::Placed(item));
        self.state[item] = State::Placed;
        for w in &timeline.items[item].windows {
            self.left[w.first..w.last].iter_mut().for_each(|grains| *grains -= w.hi - w.lo);
        }
        let mut changed = timeline.items[item].sections();
        let mut cuts = false;
        for count in self.crossing[changed.clone()].iter_mut().skip(1) {
            *count -= 1;
            cuts |= *count == 0;
        }
        let mut matters = false;
        for pair in timeline.pairs(item) {
            let other = pair.other;
            if self.state[other] == State::Placed {
                continue;
            }
            let lowest = timeline.items[other].align_up(self.lowest[item] + pair.above).max(self.lowest[other]);
            if lowest > self.lowest[other] || self.state[other] == State::Postponed {
                matters |= lowest > self.lowest[other];
                self.set(other, State::Ready, lowest);
                extend(&mut changed, timeline.items[other].sections());
            }
        }
        let may_succeed = self.lift(group, &mut changed) && self.check(changed.start, changed.end);
        Placement { trial: Trial { item, mark, matters }, may_succeed, cuts }
    }

    /// Takes back an item that led nowhere at its lowest offset. It must therefore lie above a neighbour that is yet to
    /// be placed. Returns whether that is possible.
    fn take_back(&mut self, failed: Trial, group: Group) -> bool {
        while self.trail.len() > failed.mark {
            match self.trail.pop() {
                Some(Change::Item(item, state, lowest)) => (self.state[item], self.lowest[item]) = (state, lowest),
                Some(Change::Placed(item)) => self.unplace(item),
                None => {}
            }
        }
        // Wherever else it lay, it could be moved to its lowest offset without harm.
        if !failed.matters {
            return false;
        }
        self.set(failed.item, State::Postponed, self.lowest[failed.item]);
        let mut changed = self.timeline.items[failed.item].sections();
        self.lift(group, &mut changed) && self.check(changed.start, changed.end)
    }

    fn unplace(&mut self, item: usize) {
        self.state[item] = State::Ready;
        for w in &self.timeline.items[item].windows {
            self.left[w.first..w.last].iter_mut().for_each(|grains| *grains += w.hi - w.lo);
        }
        self.crossing[self.timeline.items[item].sections()].iter_mut().skip(1).for_each(|count| *count += 1);
    }

    fn set(&mut self, item: usize, state: State, lowest: i64) {
        self.trail.push(Change::Item(item, self.state[item], self.lowest[item]));
        (self.state[item], self.lowest[item]) = (state, lowest);
    }

    /// Lifts the postponed items of a group to the lowest neighbour that may yet come below them, and adds their
    /// sections to `changed`. Returns whether all of them have one.
    fn lift(&mut self, group: Group, changed: &mut Range<usize>) -> bool {
        self.postponed.clear();
        let items = self.pool[group.from..group.to].iter().copied();
        self.postponed.extend(items.filter(|&i| self.state[i] == State::Postponed));
        loop {
            let mut lifted = false;
            for at in 0..self.postponed.len() {
                let item = self.postponed[at];
                let Some(lowest) = self.carried(item) else { return false };
                // Two that could only lie on each other would lift each other without end.
                if lowest + self.timeline.items[item].top > self.target {
                    return false;
                }
                if lowest > self.lowest[item] {
                    self.set(item, State::Postponed, lowest);
                    extend(changed, self.timeline.items[item].sections());
                    lifted = true;
                }
            }
            if !lifted {
                return true;
            }
        }
    }

    /// The lowest offset of a postponed item above any neighbour that is yet to be placed.
    fn carried(&mut self, item: usize) -> Option<i64> {
        let pairs = self.timeline.pairs(item);
        let lowest = self.lowest[item];
        let above = |at: usize| {
            let pair: &Pair = pairs.get(at)?;
            (self.state[pair.other] != State::Placed).then(|| self.lowest[pair.other] + pair.below)
        };
        // Nearly always still true.
        if above(self.support[item]).is_some_and(|offset| offset <= lowest) {
            return Some(lowest);
        }
        let (at, offset) =
            (0..pairs.len()).filter_map(|at| Some((at, above(at)?))).min_by_key(|&(_, offset)| offset)?;
        self.support[item] = at;
        Some(self.timeline.items[item].align_up(offset.max(lowest)))
    }

    /// Whether, in each of these sections, some item can start low enough for all that is left there to fit above.
    fn check(&mut self, first: usize, last: usize) -> bool {
        for section in first..last {
            if self.left[section] == 0 {
                continue;
            }
            let highest = self.target - self.left[section];
            let low_enough = |at: &usize| {
                let member = self.timeline.member(*at);
                self.state[member.item] != State::Placed && self.lowest[member.item] + member.lo <= highest
            };
            // The witness is nearly always still valid, which makes this check cheap.
            if low_enough(&self.witness[section]) {
                continue;
            }
            match self.timeline.members(section).find(low_enough) {
                Some(at) => self.witness[section] = at,
                None => {
                    self.failures[section] += 1;
                    self.last_failure = section;
                    return false;
                }
            }
        }
        true
    }
}

struct Placement {
    trial: Trial,
    may_succeed: bool,
    /// Whether the rest of the group now falls into several.
    cuts: bool,
}

/// Makes `range` include `other`.
fn extend(range: &mut Range<usize>, other: Range<usize>) {
    *range = range.start.min(other.start)..range.end.max(other.end);
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
            let mut search = Search::new(&timeline);
            for focus in [Focus::Lowest, Focus::Load, Focus::Failures, Focus::LastFailure] {
                match search.run(&order, focus, best, &mut u64::MAX.clone()) {
                    Outcome::Found(offsets) => prop_assert_eq!(timeline.height(&offsets), best),
                    other => prop_assert!(false, "{:?}", other),
                }
                prop_assert_eq!(search.run(&order, focus, best - 1, &mut u64::MAX.clone()), Outcome::Impossible);
            }
        }
    }

    #[test]
    fn gives_up_when_the_work_is_used_up() {
        let buffer = |size| Buffer::whole(0, 0, 1, size, 1);
        let timeline = Timeline::new(&[buffer(1), buffer(2), buffer(3)]);
        let run = |mut work| (Search::new(&timeline).run(&[0, 1, 2], Focus::Lowest, 6, &mut work), work);
        assert_eq!(run(2), (Outcome::Spent, 0));
        assert_eq!(run(3), (Outcome::Found(vec![0, 1, 3]), 0));
    }
}
