//! Orders in which to place items: those that are hard to place should come early.

use crate::timeline::Timeline;

/// A sort key, largest first unless stated otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// The highest grain that is ever live.
    Size,
    /// Length of the lifetime in steps.
    Steps,
    /// Length of the lifetime in sections: the number of changes it spans.
    Sections,
    /// Live grains times steps.
    Area,
    /// Most grains live at any time during its lifetime, so that the crowded steps are settled first.
    Contention,
    /// First step, earliest first: the order of the program.
    Start,
}

/// An order with a name, for [`Plan::heuristic`](crate::Plan::heuristic).
pub(crate) struct Order {
    pub name: &'static str,
    pub keys: &'static [Key],
}

impl Order {
    /// The items in this order. Equal items stay in input order, so that a plan is deterministic.
    pub fn sorted(&self, timeline: &Timeline) -> Vec<usize> {
        let rank = |i: usize, key: &Key| {
            let item = &timeline.items[i];
            match key {
                Key::Size => !(item.top as u64),
                Key::Steps => !item.steps,
                Key::Sections => !(item.sections().len() as u64),
                Key::Area => !item.area,
                Key::Contention => !(timeline.contention(i) as u64),
                Key::Start => item.sections().start as u64,
            }
        };
        let mut order: Vec<usize> = (0..timeline.items.len()).collect();
        order.sort_by_cached_key(|&i| self.keys.iter().map(|key| rank(i, key)).collect::<Vec<u64>>());
        order
    }
}

/// An order by a blend of the keys with random weights, and some noise.
pub(crate) fn blended(timeline: &Timeline, random: &mut Random) -> Vec<usize> {
    let mut weight = || if random.below(5) < 2 { 0 } else { random.below(64) as i64 };
    let (size, steps, sections, contention) = (weight(), weight(), weight(), 20 * weight());
    let noise = 1 + random.below(32) * random.below(32);
    let mut order: Vec<usize> = (0..timeline.items.len()).collect();
    order.sort_by_cached_key(|&i| {
        let item = &timeline.items[i];
        let blend = size * log2(item.top as u64)
            + steps * log2(item.steps)
            + sections * log2(item.sections().len() as u64)
            + contention * log2(timeline.contention(i) as u64);
        -blend - 50 * random.below(noise) as i64
    });
    order
}

/// The binary logarithm in units of 1/256, linear between powers of two: the same on every machine.
fn log2(x: u64) -> i64 {
    let whole = x.max(1).ilog2();
    let rest = ((u128::from(x.max(1)) << 8) >> whole) as i64 - 256;
    256 * i64::from(whole) + rest
}

/// SplitMix64: a plan must not depend on anything but its input.
pub(crate) struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }
}
