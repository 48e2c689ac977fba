//! From steps on whole tensors to a planned Program: cut over rows as far as the limit asks for, the live bytes of every buffer, their places.

use tinytrain_ir::Graph;
use tinytrain_program::Program;
use tinytrain_spec::kernels::{Call, Role};

use crate::blocks::Blocks;
use crate::cut::Cutter;
use crate::group::{Group, Nodes, whole_calls};
use crate::lives::Share;
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
    let nodes = layout.nodes(&whole_calls(blocks))?;
    let limit = options.arena_limit.unwrap_or(u32::MAX);
    let uncut = |share: Share| {
        let alone = (0..nodes.units.len()).map(|unit| nodes.alone(unit)).collect();
        layout.steps(alone, nodes.forward, share)
    };
    // No cut of the forward pass changes what the backward pass takes.
    if options.whole_above_limit && Cutter::new(&nodes, Share::Least).backward_least() > limit {
        return match options.feed {
            Feed::Rows => {
                let (groups, _) = Cutter::new(&nodes, Share::Least).choose(u32::MAX).ok_or(LowerError::Feed)?;
                layout.steps(groups, nodes.forward, Share::Least).place()
            }
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
        let cutter = Cutter::new(&nodes, share);
        let floor = cutter.backward_least();
        if floor > limit && share != Share::Least {
            return Ok(None);
        }
        let mut aim = limit;
        let mut best: Option<Program> = None;
        for attempt in 1.. {
            let (groups, least) = cutter.choose(aim.max(floor)).ok_or(LowerError::Feed)?;
            if least > limit && share != Share::Least {
                return Ok(None);
            }
            let cut = layout.steps(groups, nodes.forward, share).place()?;
            // Beyond what lives at once only a better plan helps, not another cut.
            let hopeless = cut.plan.lower_bound > limit;
            let over = cut.arena_bytes.saturating_sub(limit);
            let less = best.as_ref().is_none_or(|best| cut.arena_bytes < best.arena_bytes);
            if less {
                best = Some(cut);
            }
            if over == 0 || hopeless {
                break;
            }
            aim = if less && attempt < ATTEMPTS {
                aim.saturating_sub(over)
            } else if share == Share::Least && aim > 0 {
                // The plans of smaller cuts need not be smaller ones, but that of the least cut may be within the limit.
                0
            } else {
                break;
            };
        }
        Ok(best)
    };
    // From the fewest instructions to the fewest bytes; whether it is cut, and how much scratch is set aside.
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
    // Where cuts reach little, the plan of a cut Program may be the worse one.
    let mut best = best.expect("a cut Program is one in any case");
    if best.arena_bytes > limit && options.feed == Feed::Whole {
        for share in [Share::Least, Share::Fast, Share::Usual] {
            let whole = uncut(share);
            if whole.peak() <= best.arena_bytes.next_multiple_of(ALIGN) {
                let whole = whole.place()?;
                if whole.arena_bytes < best.arena_bytes {
                    best = whole;
                }
            }
        }
    }
    Ok(best)
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

    /// All nodes as units.
    fn nodes(&self, calls: &[Call<Place>]) -> Result<Nodes<'a>, LowerError> {
        let blocks = self.blocks;
        let maps = self.maps();
        let fed =
            (self.options.feed == Feed::Rows).then(|| feed(self.input(), &maps).ok_or(LowerError::Feed)).transpose()?;
        let feed = fed.is_some().then_some(0);
        let units: Vec<Unit> = fed.into_iter().chain(units(blocks, &maps)).collect();
        let forward = units.iter().take_while(|u| u.steps.end <= self.forward).count();
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
        let kept: Vec<bool> = blocks.blocks.iter().map(|b| b.kept).collect();
        let mut given = vec![false; count];
        given[self.input()] = feed.is_none();
        writers[self.input()].splice(0..0, feed);
        Ok(Nodes { blocks, units, forward, calls: calls.to_vec(), maps, writers, readers, given, kept, feed })
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

    pub fn whole(&self, buffer: usize) -> Span {
        Span { buffer, first: 0, bytes: self.blocks.blocks[buffer].bytes }
    }

    /// Groups one after the other; `forward` nodes are the forward pass.
    fn steps(&self, mut groups: Vec<Group>, forward: usize, share: Share) -> Steps<'_> {
        let mut steps = Steps::new(self, share);
        let backward = groups.split_off(groups.partition_point(|g| g.nodes.start < forward));
        groups.into_iter().for_each(|group| steps.append(group));
        steps.end_forward();
        backward.into_iter().for_each(|group| steps.append(group));
        steps
    }
}
