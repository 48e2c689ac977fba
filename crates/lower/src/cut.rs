//! Which nodes run together over rows: as few bytes as the limit asks for, then as few instructions as possible.

use std::ops::Range;

use crate::blocks::Block;
use crate::group::{Band, Group, Nodes};
use crate::lives::{Crossing, Share, peak, scratch, uses};
use crate::place::ALIGN;
use crate::unit::Span;

/// Rows at a time that are tried for a group.
const BANDS: [Band; 5] = [Band::Scaled(4), Band::Scaled(2), Band::Rows(2), Band::Scaled(1), Band::Rows(1)];
/// The longest group in nodes.
const LONGEST: usize = 26;

/// A way to run some consecutive nodes.
#[derive(Clone, Debug)]
struct Choice {
    nodes: Range<usize>,
    band: Band,
    /// The most bytes live while they run.
    bytes: u32,
    /// About how many instructions more than one by one.
    overhead: f64,
}

/// The ways to run the nodes, and what they take.
pub struct Cutter<'a> {
    nodes: &'a Nodes<'a>,
    lifetimes: Lifetimes<'a>,
}

impl<'a> Cutter<'a> {
    pub fn new(nodes: &'a Nodes<'a>, share: Share) -> Self {
        Self { nodes, lifetimes: Lifetimes::new(nodes, share) }
    }

    fn evaluate(&self, nodes: Range<usize>, band: Band) -> Option<Choice> {
        tinytrain_stop::check();
        let group = self.nodes.group(nodes.clone(), band)?;
        Some(Choice { bytes: self.lifetimes.bytes(&group, &nodes), overhead: group.overhead, nodes, band })
    }

    /// The least bytes that the backward pass takes, whatever limit there is.
    pub fn backward_least(&self) -> u32 {
        let least = |u: usize| {
            let by_rows = self.nodes.units[u].by_rows.is_some();
            let bands = [Band::Whole].into_iter().chain(BANDS.into_iter().filter(|_| by_rows));
            bands.filter_map(|band| self.evaluate(u..u + 1, band)).map(|c| c.bytes).min().unwrap_or(0)
        };
        (self.nodes.forward..self.nodes.units.len()).map(least).max().unwrap_or(0)
    }

    /// The groups, in order, and the bytes of the least arena of any; none where the sample is to come in by rows and no group can take it so. `limit` is
    /// what the arena may take.
    pub fn choose(&self, limit: u32) -> Option<(Vec<Group>, u32)> {
        let count = self.nodes.units.len();
        let alone: Vec<Option<Choice>> = (0..count).map(|u| self.evaluate(u..u + 1, Band::Whole)).collect();
        let mut choices: Vec<Vec<Choice>> = vec![Vec::new(); count];
        for first in 0..count {
            choices[first].extend(alone[first].clone());
            for end in first + 1..=(first + LONGEST).min(count) {
                if self.nodes.units[end - 1].by_rows.is_none() {
                    break;
                }
                // The sample cannot come in by rows as a whole.
                if alone[first..end].iter().any(|c| c.as_ref().is_none_or(|c| c.bytes > limit)) {
                    choices[first].extend(BANDS.iter().filter_map(|&band| self.evaluate(first..end, band)));
                }
            }
        }
        let least = cheapest(&choices, &|c, rest: &Price| (c.bytes.max(rest.0), 0.0))?.0.0;
        let allowed = limit.max(least);
        let (_, chosen) =
            cheapest(&choices, &|c, rest| (c.bytes.saturating_sub(allowed).max(rest.0), c.overhead + rest.1))?;
        let group = |c: &Choice| self.nodes.group(c.nodes.clone(), c.band).expect("a choice is a group");
        Some((chosen.iter().map(group).collect(), least))
    }
}

/// Bytes and instructions, in the order in which they count.
type Price = (u32, f64);

/// The cheapest sequence of choices that covers all nodes, if there is one; `cost` adds a choice to what follows it.
fn cheapest(choices: &[Vec<Choice>], cost: &dyn Fn(&Choice, &Price) -> Price) -> Option<(Price, Vec<Choice>)> {
    let mut best: Vec<Option<(Price, Option<&Choice>)>> = vec![None; choices.len()];
    best.push(Some(((0, 0.0), None)));
    for (first, choices) in choices.iter().enumerate().rev() {
        let priced = choices.iter().filter_map(|c| Some((cost(c, &best[c.nodes.end]?.0), Some(c))));
        best[first] = priced.reduce(|a, b| if (b.0.0, b.0.1) < (a.0.0, a.0.1) { b } else { a });
    }
    let mut sequence = Vec::new();
    let mut at = 0;
    while let Some(c) = best[at]?.1 {
        sequence.push(c.clone());
        at = c.nodes.end;
    }
    Some((best[0]?.0, sequence))
}

/// Buffers by the units between which they live.
struct Lifetimes<'a> {
    nodes: &'a Nodes<'a>,
    share: Share,
    /// For each buffer, the first unit that writes it (none: given) and the last that reads it.
    lives: Vec<(Option<usize>, usize)>,
}

impl<'a> Lifetimes<'a> {
    fn new(nodes: &'a Nodes<'a>, share: Share) -> Self {
        let life = |b: usize| {
            let users = || nodes.writers[b].iter().chain(&nodes.readers[b]);
            let first = if nodes.given[b] { None } else { users().min().copied() };
            (first, if nodes.kept[b] { usize::MAX } else { users().max().copied().unwrap_or(0) })
        };
        Self { nodes, share, lives: (0..nodes.blocks.blocks.len()).map(life).collect() }
    }

    /// The most bytes live while a group runs.
    fn bytes(&self, group: &Group, nodes: &Range<usize>) -> u32 {
        let own = self.lives.len();
        let crossing = |b: usize| match self.lives.get(b) {
            Some(&(first, last)) => {
                Crossing { before: first.is_none_or(|f| f < nodes.start), after: last >= nodes.end }
            }
            None => Crossing::default(),
        };
        let mut list = Vec::new();
        for (t, emitted) in group.calls.iter().enumerate() {
            uses(t as u32, emitted, &mut list);
        }
        let mut touched = vec![false; own];
        list.iter().filter(|u| u.buffer < own).for_each(|u| touched[u.buffer] = true);
        let idle: u32 = (0..own)
            .filter(|&b| !touched[b] && crossing(b).before && crossing(b).after && !self.unused(b))
            .map(|b| self.nodes.blocks.blocks[b].bytes.next_multiple_of(ALIGN))
            .sum();
        // Lines are whole as long as their group runs.
        for (line, Block { bytes, .. }) in group.lines.iter().enumerate() {
            let span = Span { buffer: own + line, first: 0, bytes: *bytes };
            list.extend([0, group.calls.len() as u32 - 1].map(|step| span.used(step)));
        }
        let scratch: Vec<u32> = group.calls.iter().map(|e| scratch(&e.call, self.share)).collect();
        idle + peak(list, &scratch, &crossing, ALIGN)
    }

    fn unused(&self, buffer: usize) -> bool {
        self.nodes.writers[buffer].is_empty() && self.nodes.readers[buffer].is_empty()
    }
}
