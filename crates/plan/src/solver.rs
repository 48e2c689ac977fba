//! Finds a plan: first fit in a few orders, then search below ever lower targets.

use crate::first_fit::first_fit;
use crate::order::{Key, Order, Random, blended};
use crate::problem::{Buffer, peak};
use crate::search::{Focus, Outcome, Search};
use crate::timeline::Timeline;
use crate::validator::validate;
use crate::{PlanError, lower_bound};

/// An offset for each buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Offset of each buffer in bytes, in the order of the input.
    pub offsets: Vec<u32>,
    /// Size of the arena in bytes: the highest end of a buffer.
    pub total: u32,
    /// The most bytes live at one step. A plan whose `total` equals it is optimal.
    pub lower_bound: u32,
    /// The order that found this plan.
    pub heuristic: &'static str,
}

/// How much work to spend on a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanOptions {
    /// Work of the search that follows first fit: one round tries as many placements as there are buffers, and
    /// takes about half a millisecond for 200 buffers. The search stops early at the lower bound. There is none with 0
    /// rounds, nor with more than 2000 buffers, because its memory grows with the square of their number.
    pub improvement_rounds: u32,
    /// A plan of at most so many bytes is good enough: none better is looked for.
    pub enough: u32,
}

impl Default for PlanOptions {
    /// 8 rounds: for 300 buffers about 5 ms if the bound is not reached, and well under 1 ms if it is.
    fn default() -> Self {
        Self { improvement_rounds: 8, enough: 0 }
    }
}

const FIRST_FIT: &[Order] = &[
    Order { name: "first fit by size", keys: &[Key::Size, Key::Steps] },
    Order { name: "first fit by area", keys: &[Key::Area] },
    Order { name: "first fit by contention", keys: &[Key::Contention, Key::Size] },
    Order { name: "first fit by lifetime", keys: &[Key::Steps, Key::Size] },
    Order { name: "first fit by start", keys: &[Key::Start, Key::Size] },
];

const SEARCH: &[Order] = &[
    Order { name: "search by contention, lifetime", keys: &[Key::Contention, Key::Steps, Key::Area] },
    Order { name: "search by start", keys: &[Key::Start, Key::Size, Key::Area] },
    Order { name: "search by contention, area", keys: &[Key::Contention, Key::Area] },
    Order { name: "search by sections, contention", keys: &[Key::Sections, Key::Contention] },
    Order { name: "search by sections, size", keys: &[Key::Sections, Key::Size] },
    Order { name: "search by lifetime", keys: &[Key::Steps, Key::Area] },
];

const FOCI: &[Focus] = &[Focus::Load, Focus::Failures, Focus::Lowest, Focus::LastFailure];

/// Most buffers for which the search runs: each node of its path may list all of them.
const MOST_SEARCHED: usize = 2000;

/// Plans with the default [`PlanOptions`].
pub fn plan(buffers: &[Buffer]) -> Result<Plan, PlanError> {
    plan_with(buffers, &PlanOptions::default())
}

/// Finds an offset for each buffer, such that no byte is live in two buffers at the same step.
///
/// Deterministic: the same buffers and options yield the same plan on every machine. Every returned plan has passed
/// [`validate`].
///
/// # Errors
/// A buffer with windows that are empty, leave a gap in time or exceed its size, an alignment that is not a power of two,
/// or more bytes than a `u32` offset can address.
pub fn plan_with(buffers: &[Buffer], options: &PlanOptions) -> Result<Plan, PlanError> {
    buffers.iter().try_for_each(Buffer::check)?;
    let live = peak(buffers);
    if live > u64::from(u32::MAX) {
        return Err(PlanError::TooLarge { bytes: live });
    }
    let timeline = Timeline::new(buffers);
    let mut best = Best::new(&timeline, i64::from(options.enough / timeline.grain));
    best.try_first_fit();
    best.improve(u64::from(options.improvement_rounds) * timeline.items.len() as u64);
    let plan = best.into_plan(buffers)?;
    validate(buffers, &plan.offsets, plan.total)?;
    Ok(plan)
}

/// The best plan so far.
struct Best<'a> {
    timeline: &'a Timeline,
    /// A plan of so many grains needs no improvement.
    goal: i64,
    /// Offsets in grains, by item.
    offsets: Vec<i64>,
    /// The highest end of an item, in grains.
    total: i64,
    heuristic: &'static str,
}

impl<'a> Best<'a> {
    fn new(timeline: &'a Timeline, enough: i64) -> Self {
        let goal = timeline.bound().max(enough);
        Self { timeline, goal, offsets: Vec::new(), total: i64::MAX, heuristic: FIRST_FIT[0].name }
    }

    fn is_optimal(&self) -> bool {
        self.total <= self.goal
    }

    fn offer(&mut self, offsets: Vec<i64>, heuristic: &'static str) {
        let total = self.timeline.height(&offsets);
        if total < self.total {
            (self.offsets, self.total, self.heuristic) = (offsets, total, heuristic);
        }
    }

    fn try_first_fit(&mut self) {
        for order in FIRST_FIT {
            if self.is_optimal() {
                return;
            }
            tinytrain_stop::check();
            self.offer(first_fit(self.timeline, &order.sorted(self.timeline)), order.name);
        }
    }

    /// Searches in passes, each with twice the work of the one before it: half of the work is for one fixed order after
    /// the other, half for many short searches in random orders. Which order solves a hard problem cannot be foreseen,
    /// and one that does is often quick.
    fn improve(&mut self, mut work: u64) {
        let count = self.timeline.items.len() as u64;
        if count > MOST_SEARCHED as u64 {
            return;
        }
        let mut random = Random(0);
        let mut search = Search::new(self.timeline);
        let mut restarts = 0;
        let mut pass = 0;
        while work > 0 && !self.is_optimal() {
            let budget = (2 * count) << pass.min(40);
            pass += 1;
            for focus in FOCI {
                for order in SEARCH {
                    let sorted = order.sorted(self.timeline);
                    self.descend(&mut search, (&sorted, *focus, order.name), budget, &mut work);
                }
            }
            let mut left = budget * (FOCI.len() * SEARCH.len()) as u64;
            while left > 0 && work > 0 && !self.is_optimal() {
                restarts += 1;
                let budget = (4 * count * luby(restarts)).min(left);
                let before = work;
                let focus = FOCI[restarts as usize % FOCI.len()];
                let order = blended(self.timeline, &mut random);
                self.descend(&mut search, (&order, focus, "search in a random order"), budget, &mut work);
                left = left.saturating_sub(before - work);
            }
        }
    }

    /// Lowers the total by bisection as far as one order allows. The goal itself is the first target and gets nearly
    /// all the work: it prunes best, so it is often easier to reach than the targets above it. For those, little more
    /// than one straight descent shows whether an order is any good. A goal that is impossible is raised.
    fn descend(
        &mut self,
        search: &mut Search,
        (order, focus, heuristic): (&[usize], Focus, &'static str),
        budget: u64,
        work: &mut u64,
    ) {
        let straight = order.len() as u64 * 5 / 4;
        let (mut target, mut grant, mut failed) = (self.goal, budget, self.goal);
        while !self.is_optimal() && *work > 0 {
            tinytrain_stop::check();
            let granted = grant.min(*work);
            let mut left = granted;
            match search.run(order, focus, target, &mut left) {
                Outcome::Found(offsets) => self.offer(offsets, heuristic),
                Outcome::Impossible => {
                    self.goal = target + 1;
                    failed = target;
                }
                Outcome::Spent => failed = target,
            }
            // Even a search that ends at once has cost something.
            *work -= (granted - left).max(1);
            // The last eighth of the gap is left to the next order.
            if self.total.saturating_sub(failed) <= 1 + (self.total - self.goal) / 8 {
                return;
            }
            target = failed.midpoint(self.total);
            grant = straight + budget / 8;
        }
    }

    fn into_plan(self, buffers: &[Buffer]) -> Result<Plan, PlanError> {
        let mut offsets = vec![0; buffers.len()];
        let mut total = 0;
        for (item, offset) in self.timeline.items.iter().zip(self.offsets) {
            let offset = offset as u64 * u64::from(self.timeline.grain);
            // The last live byte rather than the last grain: the bytes added to reach the grain are not part of the
            // arena.
            let end = offset + u64::from(buffers[item.index].top());
            total = total.max(u32::try_from(end).map_err(|_| PlanError::TooLarge { bytes: end })?);
            offsets[item.index] = offset as u32;
        }
        Ok(Plan { offsets, total, lower_bound: lower_bound(buffers), heuristic: self.heuristic })
    }
}

/// The sequence 1, 1, 2, 1, 1, 2, 4, 1, ... from index 1 on: nearly as good as the best sequence of budgets for a search
/// whose time is not known (Luby, Sinclair and Zuckerman, "Optimal speedup of Las Vegas algorithms", 1993).
fn luby(index: u64) -> u64 {
    let next = (index + 1).next_power_of_two();
    if index + 1 == next { next / 2 } else { luby(index + 1 - next / 2) }
}
