//! Finds a plan: first fit in a few orders, then search below ever lower targets.

use crate::first_fit::first_fit;
use crate::order::{Key, Order};
use crate::problem::{Buffer, peak};
use crate::search::search;
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
pub struct Options {
    /// Work of the search that follows first fit: one round tries as many placements as there are buffers, and
    /// takes about half a millisecond for 300 buffers. The search stops early at the lower bound. There is none with 0
    /// rounds, nor with more than 2000 buffers, because its memory grows with the square of their number.
    pub improvement_rounds: u32,
}

impl Default for Options {
    /// 8 rounds: for 300 buffers about 5 ms if the bound is not reached, and well under 1 ms if it is.
    fn default() -> Self {
        Self { improvement_rounds: 8 }
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

/// Most buffers for which the search runs: each node of its path may list all of them.
const MOST_SEARCHED: usize = 2000;

/// Plans with the default [`Options`].
pub fn plan(buffers: &[Buffer]) -> Result<Plan, PlanError> {
    plan_with(buffers, &Options::default())
}

/// Finds an offset for each buffer, such that no byte is live in two buffers at the same step.
///
/// Deterministic: the same buffers and options yield the same plan on every machine. Every returned plan has passed
/// [`validate`].
///
/// # Errors
/// A buffer with windows that are empty, leave a gap in time or exceed its size, an alignment that is not a power of two,
/// or more bytes than a `u32` offset can address.
pub fn plan_with(buffers: &[Buffer], options: &Options) -> Result<Plan, PlanError> {
    buffers.iter().try_for_each(Buffer::check)?;
    let live = peak(buffers);
    if live > u64::from(u32::MAX) {
        return Err(PlanError::TooLarge { bytes: live });
    }
    let timeline = Timeline::new(buffers);
    let mut best = Best::new(&timeline);
    best.try_first_fit();
    best.improve(u64::from(options.improvement_rounds) * timeline.items.len() as u64);
    let plan = best.into_plan(buffers)?;
    validate(buffers, &plan.offsets, plan.total)?;
    Ok(plan)
}

/// The best plan so far.
struct Best<'a> {
    timeline: &'a Timeline,
    /// Offsets in grains, by item.
    offsets: Vec<i64>,
    /// The highest end of an item, in grains.
    total: i64,
    heuristic: &'static str,
}

impl<'a> Best<'a> {
    fn new(timeline: &'a Timeline) -> Self {
        Self { timeline, offsets: Vec::new(), total: i64::MAX, heuristic: FIRST_FIT[0].name }
    }

    fn is_optimal(&self) -> bool {
        self.total <= self.timeline.bound()
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
            self.offer(first_fit(self.timeline, &order.sorted(self.timeline)), order.name);
        }
    }

    /// Searches with one order after the other: all of them unchanged, then all slightly shuffled, each time with twice
    /// the work.
    fn improve(&mut self, mut work: u64) {
        if self.timeline.items.len() > MOST_SEARCHED || !self.timeline.plain {
            return;
        }
        let mut budget = 2 * self.timeline.items.len() as u64;
        let mut random = Random(0);
        while !self.is_optimal() && work > 0 {
            for shuffled in [false, true] {
                for order in SEARCH {
                    let mut sorted = order.sorted(self.timeline);
                    if shuffled {
                        shuffle_near(&mut sorted, &mut random);
                    }
                    self.descend(&sorted, order.name, budget, &mut work);
                }
            }
            budget = budget.saturating_mul(2);
        }
    }

    /// Lowers the total by bisection as far as one order allows. The bound itself is the first target and gets nearly
    /// all the work: it prunes best, so it is often easier to reach than the targets above it. For those, little more
    /// than one straight descent shows whether an order is any good.
    fn descend(&mut self, order: &[usize], heuristic: &'static str, budget: u64, work: &mut u64) {
        let bound = self.timeline.bound();
        let straight = order.len() as u64 * 5 / 4;
        let (mut target, mut grant, mut failed) = (bound, budget, bound);
        while !self.is_optimal() && *work > 0 {
            let granted = grant.min(*work);
            let mut left = granted;
            match search(self.timeline, order, target, &mut left) {
                Some(offsets) => self.offer(offsets, heuristic),
                None => failed = target,
            }
            *work -= granted - left;
            // The last eighth of the gap is left to the next order.
            if self.total.saturating_sub(failed) <= 1 + (self.total - bound) / 8 {
                return;
            }
            target = failed.midpoint(self.total);
            grant = straight + budget / 32;
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

/// Swaps some items with ones shortly after them: a good order stays good, but another part of the tree is searched
/// first.
fn shuffle_near(order: &mut [usize], random: &mut Random) {
    for i in 0..order.len() {
        if random.below(3) == 0 {
            let other = (i + 1 + random.below(12)).min(order.len() - 1);
            order.swap(i, other);
        }
    }
}

/// SplitMix64: a plan must not depend on anything but its input.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }
}
