//! The steps of a Program over its buffers: their live bytes, their places.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use tinytrain_ir::{Kind, TensorId};
use tinytrain_plan::{Buffer, Window};
use tinytrain_program::{
    self as program, Boundary, Input, Operand, Piece, Placed, Plan, Program, Purpose, Region, SamplePlace, SampleRow,
    Slot, Step,
};

use crate::blocks::Block;
use crate::group::{Group, GroupCall};
use crate::lives::{Crossing, Life, Share, Use, scratch, uses};
use crate::place::{ALIGN, Layout};
use crate::unit::{Place, Span};
use crate::{Feed, LowerError, LowerOptions};

/// Steps over buffers, one after the other.
pub struct Steps<'a> {
    layout: &'a Layout<'a>,
    share: Share,
    /// Those of the draft, then lines and scratch.
    buffers: Vec<Block>,
    calls: Vec<GroupCall>,
    uses: Vec<Use>,
    /// The lives of scratch, whose content does not outlive a step.
    scratches: Vec<(usize, Life)>,
    /// Calls of the forward pass.
    forward: usize,
    /// Where a group ends.
    ends: Vec<usize>,
    /// Groups that are loops.
    streams: Vec<Range<usize>>,
}

impl<'a> Steps<'a> {
    pub fn new(layout: &'a Layout<'a>, share: Share) -> Self {
        let input = layout.whole(layout.input());
        let given = layout.options.feed == Feed::Whole;
        Self {
            layout,
            share,
            buffers: layout.blocks.blocks.clone(),
            calls: Vec::new(),
            // A sample that no step reads is there nevertheless.
            uses: given.then(|| input.used(0)).into_iter().collect(),
            forward: 0,
            scratches: Vec::new(),
            ends: vec![0],
            streams: Vec::new(),
        }
    }

    fn buffer(&mut self, block: Block) -> usize {
        self.buffers.push(block);
        self.buffers.len() - 1
    }

    /// Appends the calls of a group: its lines and its scratch get buffers of their own.
    pub fn append(&mut self, group: Group) {
        let (start, end) = (self.calls.len(), self.calls.len() + group.calls.len());
        let (own, first_line) = (self.layout.blocks.blocks.len(), self.buffers.len());
        let shares = self.shares(&group);
        for line in group.lines {
            let bytes = line.bytes;
            let buffer = self.buffer(line);
            // Lines live as long as their group runs.
            let span = Span { buffer, first: 0, bytes };
            self.uses.extend([start, end - 1].map(|step| span.used(step as u32)));
        }
        let shared = self.scratch(start, &shares);
        let span = |s: Span| if s.buffer < own { s } else { Span { buffer: first_line + s.buffer - own, ..s } };
        let place = |p: &Place| match *p {
            Place::Span(s) => Place::Span(span(s)),
            Place::Scratch => Place::Span(Span { buffer: shared, first: 0, bytes: 0 }),
            ready => ready,
        };
        for emitted in group.calls {
            let call = emitted.call.map(&mut |_, p| Ok::<_, Infallible>(place(p))).unwrap_or_else(|e| match e {});
            let finished = emitted.finished.into_iter().map(|(t, from, s)| (t, from, span(s))).collect();
            let rows = emitted.rows.into_iter().map(span).collect();
            self.calls.push(GroupCall { rows, step: emitted.step, call, finished });
            uses(self.calls.len() as u32 - 1, &self.calls[self.calls.len() - 1], &mut self.uses);
        }
        if group.streamed {
            self.streams.push(start..end);
        }
        self.ends.push(end);
    }

    /// Bytes of scratch of each call; those of a step take turns with equally many.
    fn shares(&self, group: &Group) -> Vec<u32> {
        let own = || group.calls.iter().map(|e| (e.step, scratch(&e.call, self.share)));
        let mut most = BTreeMap::new();
        own().for_each(|(step, bytes)| {
            let known: &mut u32 = most.entry(step).or_default();
            *known = bytes.max(*known);
        });
        own().map(|(step, _)| most[&step]).collect()
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
        let buffer =
            self.buffer(Block { label: "scratch".into(), purpose: Purpose::Scratch, bytes: most, kept: false });
        self.scratches.push((buffer, Life { start: (start + used.start) as u32, hulls }));
        buffer
    }

    /// Ends the forward pass.
    pub fn end_forward(&mut self) {
        self.forward = self.calls.len();
    }

    /// The most bytes live at a step: no arena is smaller.
    pub fn peak(&self) -> u32 {
        let mut live = vec![0; self.calls.len().max(1)];
        for life in self.lives() {
            for (bytes, hull) in live[life.start as usize..].iter_mut().zip(life.hulls) {
                *bytes += hull.end - hull.start;
            }
        }
        live.into_iter().max().unwrap_or(0)
    }

    /// The live bytes of each buffer.
    fn lives(&self) -> Vec<Life> {
        let input = self.layout.input();
        let count = self.calls.len().max(1) as u32;
        let crossing = |b: usize| Crossing {
            before: b == input && self.layout.options.feed == Feed::Whole,
            after: self.buffers[b].kept,
        };
        let mut uses = self.uses.clone();
        uses.sort_by_key(|u| (u.buffer, u.step));
        let mut lives = vec![Life::default(); self.buffers.len()];
        for of_one in uses.chunk_by(|a, b| a.buffer == b.buffer) {
            let buffer = of_one[0].buffer;
            lives[buffer] = Life::new(of_one, count, crossing(buffer));
        }
        for (buffer, life) in &self.scratches {
            lives[*buffer] = life.clone();
        }
        // Between groups of the forward pass a tensor is whole, also what nothing reads of it: an activation cache may begin there.
        for (life, buffer) in lives.iter_mut().zip(&self.buffers) {
            let (start, end) = (life.start as usize, life.steps().end as usize);
            for &at in self.ends.iter().filter(|&&at| at <= self.forward && start < at && at < end) {
                life.hulls[at - 1 - start..=at - start].fill(0..buffer.bytes);
            }
        }
        lives
    }

    /// Plans the arena.
    pub fn place(self) -> Result<Program, LowerError> {
        let (layout, forward) = (self.layout, self.forward);
        let lives = self.lives();
        let used: Vec<usize> = (0..lives.len()).filter(|&b| !lives[b].hulls.is_empty()).collect();
        let buffers: Vec<Buffer> = used.iter().map(|&b| planned(b, &lives[b], &self.buffers[b])).collect();
        let LowerOptions { improvement_rounds, arena_limit, .. } = *layout.options;
        let work = tinytrain_plan::PlanOptions { improvement_rounds, enough: arena_limit.unwrap_or(0) };
        let plan = tinytrain_plan::plan_with(&buffers, &work)?;
        let mut offsets = vec![0; self.buffers.len()];
        used.iter().zip(&plan.offsets).for_each(|(&b, &offset)| offsets[b] = offset);
        let slot = |s: Span| Slot { region: Region::Arena, offset: offsets[s.buffer] + s.first, bytes: s.bytes };
        let operand = |p: &Place| match *p {
            Place::Span(s) => Operand::Memory(slot(s)),
            Place::Ready(operand) => operand,
            Place::Scratch => unreachable!("scratch has a buffer"),
        };
        let step = |e: &GroupCall| Step {
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
            purpose: self.buffers[b].purpose,
            size: buffer.size,
            offset: offsets[b],
            windows: buffer.windows.iter().map(|&w| live(w)).collect(),
        };
        let rows = self.calls.iter().enumerate().flat_map(|(step, e)| e.rows.iter().map(move |&s| (step, s)));
        let place = match layout.options.feed {
            Feed::Rows => SamplePlace::Rows(rows.map(|(step, s)| SampleRow { step, slot: slot(s) }).collect()),
            Feed::Whole => SamplePlace::Whole(of(graph.input)),
        };
        let boundaries = self.boundaries(&steps[..forward], &lives, &of);
        Ok(Program {
            name: graph.name.clone(),
            scheme: String::new(),
            input: Input { shape, scale: quant.scale, zero: quant.zero, place },
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
            replay: None,
            residual_bits: layout.options.residual_bits,
            seed: graph.head.as_ref().map_or(0, |h| h.seed),
            steps,
        })
    }

    /// Where an activation cache may begin: between groups of the frozen prefix, the first steps that read no state and make no mask.
    fn boundaries(&self, forward: &[Step], lives: &[Life], of: &dyn Fn(TensorId) -> Slot) -> Vec<Boundary> {
        let graph = self.layout.graph();
        let trains = |(s, e): (&Step, &GroupCall)| {
            let state = s.slots().iter().any(|s| s.region == Region::State);
            state || e.finished.iter().any(|(t, ..)| graph.tensor(*t).kind == Kind::Mask)
        };
        let frozen = forward.iter().zip(&self.calls).position(trains).unwrap_or(0);
        let block_of = &self.layout.blocks.block_of;
        // The tensor that each buffer holds: of several the one made last.
        let mut holds: BTreeMap<usize, TensorId> = BTreeMap::new();
        if self.layout.options.feed == Feed::Whole {
            holds.insert(block_of[&graph.input], graph.input);
        }
        let mut at = 0;
        let mut boundaries = Vec::new();
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
            boundaries.push(Boundary { steps: end, live });
        }
        boundaries
    }
}

fn live(Window { start, end, lo, hi }: Window) -> program::Window {
    program::Window { start, end, lo, hi }
}

/// A buffer for the planner.
fn planned(id: usize, life: &Life, block: &Block) -> Buffer {
    let mut windows: Vec<Window> = Vec::new();
    for (step, hull) in life.steps().zip(&life.hulls) {
        match windows.last_mut() {
            Some(w) if (w.lo, w.hi) == (hull.start, hull.end) => w.end = step + 1,
            _ => windows.push(Window { start: step, end: step + 1, lo: hull.start, hi: hull.end }),
        }
    }
    Buffer { id, size: block.bytes, align: ALIGN, windows }
}
