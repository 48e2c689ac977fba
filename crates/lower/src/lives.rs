//! The bytes of each buffer that are live at each step.

use std::ops::Range;

use tinytrain_spec::kernels::Call;

use crate::fit::room_for_fast;
use crate::group::GroupCall;
use crate::unit::{Place, Span};

/// A use of bytes of a buffer by a step.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    pub step: u32,
    pub buffer: usize,
    pub first: u32,
    pub end: u32,
}

impl Span {
    /// Its use by a step.
    pub fn used(self, step: u32) -> Use {
        Use { step, buffer: self.buffer, first: self.first, end: self.first + self.bytes }
    }
}

/// Whether a buffer is written before the first step, and whether it is read after the last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crossing {
    pub before: bool,
    pub after: bool,
}

/// The live bytes of a buffer from step `start` on: their hull, step by step.
#[derive(Clone, Debug, Default)]
pub struct Life {
    pub start: u32,
    pub hulls: Vec<Range<u32>>,
}

impl Life {
    /// Steps in which it lives.
    pub fn steps(&self) -> Range<u32> {
        self.start..self.start + self.hulls.len() as u32
    }

    /// From the uses of one buffer in the order of time, out of `steps` steps. A byte lives from its first use to its last.
    pub fn new(uses: &[Use], steps: u32, crossing: Crossing) -> Self {
        if uses.is_empty() {
            return Self::default();
        }
        let mut cuts: Vec<u32> = uses.iter().flat_map(|u| [u.first, u.end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        // First and last use of the bytes between two cuts.
        let mut cells = vec![(u32::MAX, 0u32); cuts.len() - 1];
        for u in uses {
            let from = cuts.partition_point(|&c| c < u.first);
            for (cell, _) in cells[from..].iter_mut().zip(&cuts[from + 1..]).take_while(|(_, end)| **end <= u.end) {
                *cell = (cell.0.min(u.step), u.step);
            }
        }
        let last_step = steps.saturating_sub(1);
        let lives = |&(first, last): &(u32, u32)| {
            let used = first != u32::MAX;
            used.then_some((if crossing.before { 0 } else { first }, if crossing.after { last_step } else { last }))
        };
        let spans = || cells.iter().map(lives).zip(cuts.windows(2)).filter_map(|(life, cut)| Some((life?, cut)));
        let start = spans().map(|(life, _)| life.0).min().unwrap_or(0);
        let end = spans().map(|(life, _)| life.1).max().unwrap_or(0);
        // An empty range from the end on: what no byte has widened yet.
        let none = Range { start: u32::MAX, end: 0 };
        let mut hulls: Vec<Range<u32>> = vec![none; (end - start + 1) as usize];
        for ((first, last), cut) in spans() {
            for hull in &mut hulls[(first - start) as usize..=(last - start) as usize] {
                *hull = hull.start.min(cut[0])..hull.end.max(cut[1]);
            }
        }
        // Between two lives it stays where it was: a buffer has one place.
        for i in 1..hulls.len() {
            if hulls[i].start == u32::MAX {
                hulls[i] = hulls[i - 1].clone();
            }
        }
        Self { start, hulls }
    }
}

/// The uses of a step's operands in the arena, and of rows of the sample that come in before it; scratch is left out.
pub fn uses(step: u32, GroupCall { rows, call, .. }: &GroupCall, to: &mut Vec<Use>) {
    to.extend(rows.iter().map(|s| s.used(step)));
    call.operands(&mut |_, operand, _| {
        if let Some(&Place::Span(s)) = operand {
            to.push(s.used(step));
        }
    });
}

/// How much is set aside for the scratch of a call that takes some.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    /// As much as pays.
    Usual,
    /// As little as the kernels for its shape work with.
    Fast,
    /// As little as the kernel for all shapes works with.
    Least,
}

/// Bytes of the scratch of a call.
pub fn scratch(call: &Call<Place>, share: Share) -> u32 {
    let Some(room) = call.room() else { return 0 };
    match share {
        Share::Usual => room.usual(),
        Share::Fast => room.least.max(room_for_fast(call).unwrap_or(0)),
        Share::Least => room.least,
    }
}

/// The most bytes live at one of `steps` steps, given the uses of all buffers and each step's scratch. Buffers that no step uses are the caller's.
pub fn peak(mut uses: Vec<Use>, scratch: &[u32], crossing: &dyn Fn(usize) -> Crossing, align: u32) -> u32 {
    let mut live: Vec<u32> = scratch.iter().map(|n| n.next_multiple_of(align)).collect();
    uses.sort_by_key(|u| (u.buffer, u.step));
    for of_one in uses.chunk_by(|a, b| a.buffer == b.buffer) {
        let life = Life::new(of_one, live.len() as u32, crossing(of_one[0].buffer));
        for (bytes, hull) in live[life.start as usize..].iter_mut().zip(&life.hulls) {
            *bytes += (hull.end - hull.start).next_multiple_of(align);
        }
    }
    live.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(u32, u32, u32)]) -> Vec<Use> {
        list.iter().map(|&(step, first, end)| Use { step, buffer: 0, first, end }).collect()
    }

    #[test]
    fn a_byte_lives_from_its_first_use_to_its_last() {
        // Two rows of 8 bytes, written in steps 1 and 2, read in steps 3 and 4.
        let uses = of(&[(1, 0, 8), (2, 8, 16), (3, 0, 8), (4, 8, 16)]);
        let life = Life::new(&uses, 6, Crossing::default());
        assert_eq!((life.start, life.hulls), (1, vec![0..8, 0..16, 0..16, 8..16]));
        let life = Life::new(&uses, 6, Crossing { before: true, after: false });
        assert_eq!((life.start, life.hulls), (0, vec![0..16, 0..16, 0..16, 0..16, 8..16]));
        let life = Life::new(&uses, 6, Crossing { before: false, after: true });
        assert_eq!((life.start, life.hulls), (1, vec![0..8, 0..16, 0..16, 0..16, 0..16]));
    }

    #[test]
    fn the_peak_counts_scratch_and_rounds_each_buffer_up() {
        let uses = of(&[(0, 0, 9), (1, 0, 9)]);
        assert_eq!(peak(uses, &[4, 20, 0], &|_| Crossing::default(), 8), 16 + 24);
    }
}
