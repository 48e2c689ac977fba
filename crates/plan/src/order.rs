//! Orders in which to place items: those that are hard to place should come early.

use crate::timeline::{Item, Timeline};

/// A sort key, largest first unless stated otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// Bytes.
    Size,
    /// Length of the lifetime in steps.
    Steps,
    /// Length of the lifetime in sections: the number of changes it spans.
    Sections,
    /// Bytes times steps.
    Area,
    /// Most bytes live at any time during its lifetime, so that the crowded steps are settled first.
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
    pub fn sorted(&self, timeline: &Timeline) -> Vec<Item> {
        let rank = |item: &Item, key: &Key| match key {
            Key::Size => !item.size,
            Key::Steps => !item.steps,
            Key::Sections => !(item.sections().len() as u64),
            // No wrap: a rounded size is at most 2^32, a lifetime less.
            Key::Area => !(item.size * item.steps),
            Key::Contention => !timeline.contention(item),
            Key::Start => item.first as u64,
        };
        let mut items = timeline.items.clone();
        items.sort_by_cached_key(|item| self.keys.iter().map(|key| rank(item, key)).collect::<Vec<u64>>());
        items
    }
}
