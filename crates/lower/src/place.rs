//! From steps on whole tensors to a planned Program: the forward pass cut as far as the limit asks for, the live bytes of every buffer, their places.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use tinytrain_ir::{Graph, Kind, TensorId};
use tinytrain_plan::{Buffer, Window};
use tinytrain_program::{
    self as program, Boundary, Feed, Input, Operand, Piece, Placed, Plan, Program, Region, Slot, Step,
};
use tinytrain_spec::kernels::{Call, Role};

use crate::blocks::Blocks;
use crate::cut::choose;
use crate::group::{Emitted, Forward, Group, whole_calls};
use crate::lives::{Crossing, Life, Use, peak, scratch, uses};
use crate::unit::{Map, Place, Span, units};
use crate::{LowerError, Options};

/// Alignment of every buffer of the arena in bytes: that of int64 logits. One for all, because then the planner's bound is tight.
pub const ALIGN: u32 = 8;
/// Attempts to cut further where the planner does not reach the bytes that live at once.
const ATTEMPTS: usize = 4;

/// Everything of a Program that lies in the arena; the rest is left empty.
pub fn place(blocks: &Blocks, forward: usize, logits: Option<usize>, options: &Options) -> Result<Program, LowerError> {
    let layout = Layout { blocks, forward, logits, options };
    let calls = whole_calls(blocks);
    let cutter = layout.cutter(&calls);
    let backward = layout.backward(&calls);
    let alone = |cutter: &Forward| {
        (0..cutter.units.len()).filter_map(|u| cutter.group(u..u + 1, crate::group::Band::Whole)).collect()
    };
    let whole = layout.program(alone(&cutter), &backward)?;
    let Some(limit) = options.arena_limit.filter(|&limit| whole.arena_bytes > limit) else { return Ok(whole) };
    let floor = layout.backward_peak(&cutter, &backward);
    let mut best = whole;
    let mut aim = limit;
    for _ in 0..ATTEMPTS {
        let cut = layout.program(choose(&cutter, aim, floor), &backward)?;
        let over = cut.arena_bytes.saturating_sub(limit);
        let less = cut.arena_bytes < best.arena_bytes;
        if less {
            best = cut;
        }
        if over == 0 || !less {
            break;
        }
        aim = aim.saturating_sub(over);
    }
    Ok(best)
}

/// What a Program is made from.
struct Layout<'a> {
    blocks: &'a Blocks<'a>,
    /// Steps of the forward pass.
    forward: usize,
    logits: Option<usize>,
    options: &'a Options,
}

/// A buffer of the Program: a block, lines of one, or scratch.
struct Named {
    label: String,
    bytes: u32,
}

impl<'a> Layout<'a> {
    fn graph(&self) -> &'a Graph {
        self.blocks.graph
    }

    fn input(&self) -> usize {
        self.blocks.block_of[&self.graph().input]
    }

    /// The forward pass as units.
    fn cutter(&self, calls: &[Call<Place>]) -> Forward<'a> {
        let blocks = self.blocks;
        let maps = self.maps();
        let fed = self.options.fed_by_rows.then(|| self.input());
        let units = units(blocks, self.forward, &maps, fed);
        let count = blocks.blocks.len();
        let (mut writers, mut readers) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (u, unit) in units.iter().enumerate() {
            if unit.feeds {
                writers[self.input()].push(u);
            }
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
        given[self.input()] = fed.is_none();
        Forward { blocks, units, calls: calls.to_vec(), maps, writers, readers, given, kept }
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
            let emitted =
                Emitted { step: Some(step), call: calls[step].clone(), finished: finished.iter().map(whole).collect() };
            Group { calls: vec![emitted], ..Group::default() }
        };
        (self.forward..calls.len()).map(emitted).collect()
    }

    fn whole(&self, buffer: usize) -> Span {
        Span { buffer, first: 0, bytes: self.blocks.blocks[buffer].bytes }
    }

    /// The most bytes live at a step of the backward pass.
    fn backward_peak(&self, forward: &Forward, backward: &[Group]) -> u32 {
        let mut list = Vec::new();
        backward.iter().flat_map(|g| &g.calls).enumerate().for_each(|(t, e)| uses(t as u32, &e.call, &mut list));
        let scratch: Vec<u32> = backward.iter().flat_map(|g| &g.calls).map(|e| scratch(&e.call)).collect();
        let crossing =
            |b: usize| Crossing { before: !forward.writers[b].is_empty(), after: self.blocks.blocks[b].kept };
        peak(list, &scratch, &crossing, ALIGN)
    }

    /// Groups one after the other as a planned Program.
    fn program(&self, forward: Vec<Group>, backward: &[Group]) -> Result<Program, LowerError> {
        let mut steps = Steps::new(self);
        for group in forward {
            steps.append(group);
        }
        let forward = steps.calls.len();
        for group in backward {
            steps.append(group.clone());
        }
        steps.place(forward)
    }
}

/// Steps over buffers, one after the other.
struct Steps<'a> {
    layout: &'a Layout<'a>,
    buffers: Vec<Named>,
    calls: Vec<Emitted>,
    uses: Vec<Use>,
    /// The lives of scratch, whose content does not outlive a step.
    scratches: Vec<(usize, Life)>,
    /// Where a group ends.
    ends: Vec<usize>,
    /// Where bytes of the sample go.
    feeds: Vec<(usize, Span)>,
    /// Groups that run over rows.
    streams: Vec<Range<usize>>,
}

impl<'a> Steps<'a> {
    fn new(layout: &'a Layout<'a>) -> Self {
        let named = |b: &crate::blocks::Block| Named { label: b.label.clone(), bytes: b.bytes };
        let buffers = layout.blocks.blocks.iter().map(named).collect();
        Self {
            layout,
            buffers,
            calls: Vec::new(),
            uses: Vec::new(),
            scratches: Vec::new(),
            ends: vec![0],
            feeds: Vec::new(),
            streams: Vec::new(),
        }
    }

    fn buffer(&mut self, label: String, bytes: u32) -> usize {
        self.buffers.push(Named { label, bytes });
        self.buffers.len() - 1
    }

    /// Appends the calls of a group: its lines and its scratch get buffers of their own.
    fn append(&mut self, group: Group) {
        let (start, end) = (self.calls.len(), self.calls.len() + group.calls.len());
        let (own, first_line) = (self.layout.blocks.blocks.len(), self.buffers.len());
        for (label, bytes) in group.lines {
            let buffer = self.buffer(label, bytes);
            // Lines live as long as their group runs.
            let span = Span { buffer, first: 0, bytes };
            self.uses.extend([start, end - 1].map(|step| span.used(step as u32)));
        }
        let scratch: Vec<u32> = group.calls.iter().map(|e| scratch(&e.call)).collect();
        let shared = self.scratch(start, &scratch);
        let span = |s: Span| if s.buffer < own { s } else { Span { buffer: first_line + s.buffer - own, ..s } };
        let place = |p: &Place| match *p {
            Place::Span(s) => Place::Span(span(s)),
            Place::Scratch(bytes) => Place::Span(Span { buffer: shared, first: 0, bytes }),
            ready => ready,
        };
        for emitted in group.calls {
            let call = emitted.call.map(&mut |_, p| Ok::<_, Infallible>(place(p))).unwrap_or_else(|e| match e {});
            uses(self.calls.len() as u32, &call, &mut self.uses);
            let finished = emitted.finished.into_iter().map(|(t, from, s)| (t, from, span(s))).collect();
            self.calls.push(Emitted { step: emitted.step, call, finished });
        }
        for (before, s) in group.feeds {
            let (step, span) = (start + before, span(s));
            self.uses.push(span.used(step as u32));
            self.feeds.push((step, span));
        }
        if group.streamed {
            self.streams.push(start..end);
        }
        if end > start {
            self.ends.push(end);
        }
    }

    /// A buffer for the scratch of the steps from `start` on: one after the other, each as much as it needs.
    fn scratch(&mut self, start: usize, bytes: &[u32]) -> usize {
        let most = bytes.iter().copied().max().unwrap_or(0);
        if most == 0 {
            return 0;
        }
        let (first, last) = (bytes.iter().position(|&b| b > 0), bytes.iter().rposition(|&b| b > 0));
        let used = first.unwrap_or(0)..last.unwrap_or(0) + 1;
        // A buffer has one place while it lives, and lives as a few bytes where a step needs none.
        let hulls = bytes[used.clone()].iter().map(|&b| 0..b.max(ALIGN.min(most))).collect();
        let buffer = self.buffer("scratch".into(), most);
        self.scratches.push((buffer, Life { start: (start + used.start) as u32, hulls }));
        buffer
    }

    /// The live bytes of each buffer.
    fn lives(&mut self, forward: usize) -> Vec<Life> {
        let layout = self.layout;
        let input = layout.input();
        let count = self.calls.len().max(1) as u32;
        let whole = !layout.options.fed_by_rows;
        let kept = |b: usize| layout.blocks.blocks.get(b).is_some_and(|b| b.kept);
        let crossing = |b: usize| Crossing { before: b == input && whole, after: kept(b) };
        if whole {
            // A sample that no step reads is there nevertheless.
            self.uses.push(layout.whole(input).used(0));
            self.feeds.push((0, layout.whole(input)));
        }
        self.uses.sort_by_key(|u| (u.buffer, u.step));
        let mut lives = vec![Life::default(); self.buffers.len()];
        for of_one in self.uses.chunk_by(|a, b| a.buffer == b.buffer) {
            let buffer = of_one[0].buffer;
            lives[buffer] = Life::new(of_one, count, crossing(buffer));
        }
        for (buffer, life) in std::mem::take(&mut self.scratches) {
            lives[buffer] = life;
        }
        // Between groups of the forward pass a tensor is whole, also what nothing reads of it: an activation cache may begin there.
        for (life, named) in lives.iter_mut().zip(&self.buffers) {
            let (start, end) = (life.start as usize, life.steps().end as usize);
            for &at in self.ends.iter().filter(|&&at| at <= forward && start < at && at < end) {
                life.hulls[at - 1 - start..=at - start].fill(0..named.bytes);
            }
        }
        lives
    }

    fn place(mut self, forward: usize) -> Result<Program, LowerError> {
        let layout = self.layout;
        let lives = self.lives(forward);
        let used: Vec<usize> = (0..lives.len()).filter(|&b| !lives[b].hulls.is_empty()).collect();
        let buffers: Vec<Buffer> = used.iter().map(|&b| planned(b, &lives[b], &self.buffers[b])).collect();
        let Options { improvement_rounds, arena_limit, .. } = *layout.options;
        let work = tinytrain_plan::Options { improvement_rounds, enough: arena_limit.unwrap_or(0) };
        let plan = tinytrain_plan::plan_with(&buffers, &work)?;
        let mut offsets = vec![0; self.buffers.len()];
        used.iter().zip(&plan.offsets).for_each(|(&b, &offset)| offsets[b] = offset);
        let slot = |s: Span| Slot { region: Region::Arena, offset: offsets[s.buffer] + s.first, bytes: s.bytes };
        let operand = |p: &Place| match *p {
            Place::Span(s) => Operand::Memory(slot(s)),
            Place::Ready(operand) => operand,
            Place::Scratch(_) => unreachable!("scratch has a buffer"),
        };
        let step = |e: &Emitted| Step {
            label: e.step.map_or("move lines".into(), |s| layout.blocks.steps[s].label.clone()),
            call: e.call.map(&mut |_, p| Ok::<_, Infallible>(operand(p))).unwrap_or_else(|e| match e {}),
            finished: e.finished.iter().map(|&(t, from, s)| Piece { tensor: t.0, from, slot: slot(s) }).collect(),
        };
        let steps: Vec<Step> = self.calls.iter().map(step).collect();
        let graph = layout.graph();
        let of = |t: TensorId| slot(layout.whole(layout.blocks.block_of[&t]));
        let input = graph.tensor(graph.input);
        let quant = input.quant().ok_or_else(|| LowerError::Graph("the input is no activation".into()))?;
        let shape = [input.shape.h, input.shape.w, input.shape.c].map(|n| n as u32);
        let placed = |(buffer, &b): (&Buffer, &usize)| Placed {
            label: self.buffers[b].label.clone(),
            size: buffer.size,
            offset: offsets[b],
            windows: buffer.windows.iter().map(|&w| live(w)).collect(),
        };
        let feed = |&(step, span): &(usize, Span)| Feed { step: step as u32, slot: slot(span) };
        let boundaries = self.boundaries(&steps[..forward], &lives, &of);
        Ok(Program {
            name: graph.name.clone(),
            scheme: String::new(),
            input: Input { shape, scale: quant.scale, zero: quant.zero, feeds: self.feeds.iter().map(feed).collect() },
            forward,
            classes: graph.head.as_ref().map_or(0, |h| h.classes),
            logits: layout.logits.map(|b| slot(layout.whole(b))),
            outputs: graph.outputs.iter().map(|t| of(*t)).collect(),
            consts: Vec::new(),
            states: Vec::new(),
            arena_bytes: plan.total,
            state_bytes: 0,
            buffers: buffers.iter().zip(&used).map(placed).collect(),
            streams: self.streams.clone(),
            boundaries,
            plan: Plan { lower_bound: plan.lower_bound, heuristic: plan.heuristic.to_string() },
            residual_bits: layout.options.residual_bits,
            seed: graph.head.as_ref().map_or(0, |h| h.seed),
            steps,
        })
    }

    /// Where an activation cache may begin: between groups of the frozen prefix, the first steps that read no state and make no mask.
    fn boundaries(&self, forward: &[Step], lives: &[Life], of: &dyn Fn(TensorId) -> Slot) -> Vec<Boundary> {
        let graph = self.layout.graph();
        let trains = |(s, e): (&Step, &Emitted)| {
            let state = s.slots().iter().any(|s| s.region == Region::State);
            state || e.finished.iter().any(|(t, ..)| graph.tensor(*t).kind == Kind::Mask)
        };
        let frozen = forward.iter().zip(&self.calls).position(trains).unwrap_or(0);
        let block_of = &self.layout.blocks.block_of;
        // The tensor that each buffer holds: of several the one made last.
        let mut holds: BTreeMap<usize, TensorId> = [(block_of[&graph.input], graph.input)].into();
        let mut at = 0;
        let mut boundaries = Vec::new();
        // A sample that comes by rows is there behind the last of them.
        let fed = self.feeds.last().map_or(0, |(step, _)| *step);
        let complete = |end: usize| end > fed || (end == 0 && fed == 0);
        for &end in self.ends.iter().filter(|&&end| end <= frozen) {
            for (t, ..) in self.calls[at..end].iter().flat_map(|e| &e.finished) {
                holds.insert(block_of[t], *t);
            }
            at = end;
            let across = |b: usize| {
                let steps = lives[b].steps();
                steps.contains(&(end as u32)) && (end == 0 || (steps.start as usize) < end)
            };
            let live = holds.iter().filter(|&(&b, &t)| across(b) && of(t).bytes > 0);
            let mut live: Vec<_> = live.map(|(_, &t)| (t.0, of(t))).collect();
            live.sort_unstable_by_key(|(t, _)| *t);
            if complete(end) {
                boundaries.push(Boundary { steps: end, live });
            }
        }
        boundaries
    }
}

fn live(Window { start, end, lo, hi }: Window) -> program::Window {
    program::Window { start, end, lo, hi }
}

/// A buffer for the planner.
fn planned(id: usize, life: &Life, named: &Named) -> Buffer {
    let mut windows: Vec<Window> = Vec::new();
    for (step, hull) in life.steps().zip(&life.hulls) {
        match windows.last_mut() {
            Some(w) if (w.lo, w.hi) == (hull.start, hull.end) => w.end = step + 1,
            _ => windows.push(Window { start: step, end: step + 1, lo: hull.start, hi: hull.end }),
        }
    }
    Buffer { id, size: named.bytes, align: ALIGN, windows }
}
