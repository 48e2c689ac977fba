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
