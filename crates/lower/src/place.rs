//! From steps on whole tensors to a planned Program: the forward pass cut as far as the limit asks for, the live bytes of every buffer, their places.

use tinytrain_ir::{Graph, TensorId};
use tinytrain_program::Program;
use tinytrain_spec::kernels::{Call, Role};

use crate::blocks::Blocks;
use crate::cut::choose;
use crate::group::{Forward, Group, GroupCall, whole_calls};
use crate::lives::{Crossing, Share, peak, scratch, uses};
use crate::steps::Steps;
use crate::unit::{Map, Place, Span, Unit, feed, units};
use crate::{Feed, LowerError, LowerOptions};

/// Alignment of every buffer of the arena in bytes: that of int64 logits. One for all, because then the planner's bound is tight.
pub const ALIGN: u32 = 8;
/// Attempts to cut further where the planner does not reach the bytes that live at once.
const ATTEMPTS: usize = 4;

/// Everything of a Program that lies in the arena; the rest is left empty.
pub fn place(
    blocks: &Blocks,
    forward: usize,
    logits: Option<usize>,
    options: &LowerOptions,
) -> Result<Program, LowerError> {
    let layout = Layout { blocks, forward, logits, options };
    let calls = whole_calls(blocks);
    let cutter = layout.cutter(&calls)?;
    let backward = layout.backward(&calls);
    let limit = options.arena_limit.unwrap_or(u32::MAX);
    let uncut = |share: Share| {
        let alone = (0..cutter.units.len()).map(|unit| cutter.alone(unit)).collect();
        layout.steps(alone, &backward, share)
    };
    let groups = |aim: u32, floor: u32, share: Share| choose(&cutter, aim, floor, share).ok_or(LowerError::Feed);
    // No cut of the forward pass changes what the backward pass takes.
    if options.whole_above_limit && layout.backward_peak(&cutter, &backward, Share::Least) > limit {
        return match options.feed {
            Feed::Rows => layout.steps(groups(u32::MAX, 0, Share::Least)?, &backward, Share::Least).place(),
            Feed::Whole => uncut(Share::Least).place(),
        };
    }
    let mut best: Option<Program> = None;
    let whole = |share: Share| {
        let whole = uncut(share);
        // Where the bytes that live at once are too many, no plan need be looked for.
        (whole.peak() <= limit).then(|| whole.place()).transpose()
    };
    let cut = |share: Share| -> Result<Option<Program>, LowerError> {
        let floor = layout.backward_peak(&cutter, &backward, share);
        if floor > limit && share != Share::Least {
            return Ok(None);
        }
        let mut aim = limit;
        let mut best: Option<Program> = None;
        for _ in 0..ATTEMPTS {
            let cut = layout.steps(groups(aim, floor, share)?, &backward, share).place()?;
            // Beyond what lives at once only a better plan helps, not another cut.
            let hopeless = cut.plan.lower_bound > limit;
            let over = cut.arena_bytes.saturating_sub(limit);
            let less = best.as_ref().is_none_or(|best| cut.arena_bytes < best.arena_bytes);
            if less {
                best = Some(cut);
            }
            if over == 0 || !less || hopeless {
                break;
            }
            aim = aim.saturating_sub(over);
        }
        Ok(best)
    };
    // From the fewest instructions to the fewest bytes; whether the forward pass is cut, and how much scratch is set aside.
    let ways: &[(bool, Share)] = match options.feed {
        Feed::Rows => &[(true, Share::Usual), (true, Share::Fast), (true, Share::Least)],
        Feed::Whole => &[
            (false, Share::Usual),
            (false, Share::Fast),
            (true, Share::Fast),
            (false, Share::Least),
            (true, Share::Least),
        ],
    };
    for &(is_cut, share) in ways {
        let Some(program) = (if is_cut { cut(share)? } else { whole(share)? }) else { continue };
        if best.as_ref().is_none_or(|best| program.arena_bytes < best.arena_bytes) {
            best = Some(program);
        }
        if best.as_ref().is_some_and(|best| best.arena_bytes <= limit) {
            break;
        }
    }
    Ok(best.expect("a cut Program is one in any case"))
}

/// What a Program is made from.
pub struct Layout<'a> {
    pub blocks: &'a Blocks<'a>,
    /// Steps of the forward pass on whole tensors.
    forward: usize,
    pub logits: Option<usize>,
    pub options: &'a LowerOptions,
}

impl<'a> Layout<'a> {
    pub fn graph(&self) -> &'a Graph {
        self.blocks.graph
    }

    pub fn input(&self) -> usize {
        self.blocks.block_of[&self.graph().input]
    }

    /// The forward pass as units.
    fn cutter(&self, calls: &[Call<Place>]) -> Result<Forward<'a>, LowerError> {
        let blocks = self.blocks;
        let maps = self.maps();
        let fed =
            (self.options.feed == Feed::Rows).then(|| feed(self.input(), &maps).ok_or(LowerError::Feed)).transpose()?;
        let feed = fed.is_some().then_some(0);
        let units: Vec<Unit> = fed.into_iter().chain(units(blocks, self.forward, &maps)).collect();
        let count = blocks.blocks.len();
        let (mut writers, mut readers) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (u, unit) in units.iter().enumerate() {
            for step in unit.steps.clone() {
                blocks.steps[step].call.operands(&mut |spec, operand, _| {
                    let Some(b) = operand.and_then(|o| blocks.block_of(o)) else { return };
                    let list = if matches!(spec.role, Role::Read) { &mut readers[b] } else { &mut writers[b] };
                    if list.last() != Some(&u) {
                        list.push(u);
                    }
                });
            }
        }
        let mut kept: Vec<bool> = blocks.blocks.iter().map(|b| b.kept).collect();
        for step in &blocks.steps[self.forward..] {
            step.call.operands(&mut |spec, operand, _| {
                let Some(b) = operand.and_then(|o| blocks.block_of(o)) else { return };
                kept[b] |= spec.role != Role::Write;
            });
        }
        let mut given = vec![false; count];
        given[self.input()] = feed.is_none();
        writers[self.input()].splice(0..0, feed);
        Ok(Forward { blocks, units, calls: calls.to_vec(), maps, writers, readers, given, kept, feed })
    }

    /// The maps that buffers hold: of several tensors in one, all the same.
    fn maps(&self) -> Vec<Option<Map>> {
        let mut maps: Vec<Option<Map>> = vec![None; self.blocks.blocks.len()];
        let mut several = vec![false; maps.len()];
        for (&t, &b) in &self.blocks.block_of {
            let tensor = self.graph().tensor(t);
            let s = tensor.shape;
            let map = (tensor.bytes() == s.len()).then_some(Map { rows: s.h as i32, row: (s.w * s.c) as u32 });
            several[b] |= maps[b].is_some() && maps[b] != map;
            maps[b] = map;
        }
        maps.iter().zip(several).map(|(map, several)| map.filter(|_| !several)).collect()
    }

    /// The steps behind the forward pass, each by itself.
    fn backward(&self, calls: &[Call<Place>]) -> Vec<Group> {
        let emitted = |step: usize| {
            let finished = &self.blocks.steps[step].finished;
            let whole = |&t: &TensorId| (t, 0, self.whole(self.blocks.block_of[&t]));
            let emitted = GroupCall {
                rows: Vec::new(),
                step: Some(step),
                call: calls[step].clone(),
                finished: finished.iter().map(whole).collect(),
            };
            Group { calls: vec![emitted], ..Group::default() }
        };
        (self.forward..calls.len()).map(emitted).collect()
    }

    pub fn whole(&self, buffer: usize) -> Span {
        Span { buffer, first: 0, bytes: self.blocks.blocks[buffer].bytes }
    }

    /// The most bytes live at a step of the backward pass.
    fn backward_peak(&self, forward: &Forward, backward: &[Group], share: Share) -> u32 {
        let mut list = Vec::new();
        backward.iter().flat_map(|g| &g.calls).enumerate().for_each(|(t, e)| uses(t as u32, e, &mut list));
        let scratch: Vec<u32> = backward.iter().flat_map(|g| &g.calls).map(|e| scratch(&e.call, share)).collect();
        let crossing =
            |b: usize| Crossing { before: !forward.writers[b].is_empty(), after: self.blocks.blocks[b].kept };
        peak(list, &scratch, &crossing, ALIGN)
    }

    /// Groups one after the other.
    fn steps(&self, forward: Vec<Group>, backward: &[Group], share: Share) -> Steps<'_> {
        let mut steps = Steps::new(self, share);
        forward.into_iter().for_each(|group| steps.append(group));
        steps.end_forward();
        backward.iter().for_each(|group| steps.append(group.clone()));
        steps
    }
}
