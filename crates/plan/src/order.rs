//! Orders in which to place items: what is hard to place should come early.

use crate::timeline::{Item, Timeline};

/// What to sort by, largest first unless it says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// Bytes.
    Size,
    /// Steps of lifetime.
    Steps,
    /// Sections of lifetime: how many changes it lives through.
    Sections,
    /// Bytes times steps.
    Area,
    /// Most bytes live during its lifetime, so that the crowded steps are settled first.
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
