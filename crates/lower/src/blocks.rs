//! Buffers of the arena before planning: tensors that share bytes, and one step's scratch.

use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Kind, TensorId};
use tinytrain_plan::Buffer;
use tinytrain_program::{Input, LiveIn, Operand, Placed, Plan, Program, Region, Slot, Step};
use tinytrain_spec::kernels::Call;

use crate::{LowerError, Options};

/// Alignment of every buffer of the arena in bytes: that of int64 logits. One for all, because then the planner's bound is tight.
const ALIGN: u32 = 8;

/// An operand before offsets are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draft {
    /// A tensor of the graph.
    Tensor(TensorId),
    /// A buffer that is no tensor.
    Block(usize),
    /// A constant or a trainable tensor.
    Ready(Operand),
}

struct Block {
    label: String,
    bytes: usize,
    /// Steps in which it lives, half-open.
    start: usize,
    end: usize,
}

struct DraftStep {
    label: String,
    call: Call<Draft>,
    finished: Vec<TensorId>,
}

/// Steps and buffers as they come up in the order of execution.
pub struct Blocks<'a> {
    graph: &'a Graph,
    keep_all: bool,
    steps: Vec<DraftStep>,
    blocks: Vec<Block>,
    /// The block of each tensor that has one.
    block_of: BTreeMap<TensorId, usize>,
    /// The last node that reads each tensor.
    last_use: Vec<usize>,
    /// The last node that reads any tensor of a block.
    block_last_use: BTreeMap<usize, usize>,
}

impl<'a> Blocks<'a> {
    /// No step yet; the input is there.
    pub fn new(graph: &'a Graph, options: &Options) -> Self {
        let mut last_use = vec![0; graph.tensors.len()];
        for (n, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|t| last_use[t.index()] = n);
        }
        for t in &graph.outputs {
            last_use[t.index()] = usize::MAX;
        }
        let mut blocks = Self {
            graph,
            keep_all: options.keep_all,
            steps: Vec::new(),
            blocks: Vec::new(),
            block_of: BTreeMap::new(),
            last_use,
            block_last_use: BTreeMap::new(),
        };
        blocks.define(graph.input);
        blocks
    }

    /// Steps so far.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// A buffer that begins to live with the next step.
    pub fn block(&mut self, label: &str, bytes: usize) -> usize {
        let at = self.steps.len();
        self.blocks.push(Block { label: label.into(), bytes, start: at, end: at + 1 });
        self.blocks.len() - 1
    }

    /// A place of its own for a tensor that the next step yields.
    pub fn define(&mut self, t: TensorId) -> Draft {
        let tensor = self.graph.tensor(t);
        let b = self.block(&tensor.name, tensor.bytes());
        if self.keep_all {
            self.blocks[b].end = usize::MAX;
        }
        self.adopt(t, b);
        Draft::Tensor(t)
    }

    fn adopt(&mut self, t: TensorId, block: usize) {
        self.block_of.insert(t, block);
        let last = self.block_last_use.entry(block).or_insert(0);
        *last = (*last).max(self.last_use[t.index()]);
        if self.last_use[t.index()] == usize::MAX {
            self.blocks[block].end = usize::MAX;
        }
    }

    /// Yields `y` over the first of `candidates` that nothing reads after node `n`; in a place of its own otherwise.
    pub fn in_place(&mut self, n: usize, candidates: &[TensorId], y: TensorId) -> Draft {
        let free = candidates.iter().copied().find(|t| {
            let same = self.graph.tensor(*t).bytes() == self.graph.tensor(y).bytes();
            same && !self.keep_all && self.block_last_use[&self.block_of[t]] <= n
        });
        match free {
            Some(t) => {
                self.adopt(y, self.block_of[&t]);
                Draft::Tensor(y)
            }
            None => self.define(y),
        }
    }

    /// Lets `y` be the bytes of `x`. No step runs: it is finished together with what it names.
    pub fn alias(&mut self, x: TensorId, y: TensorId) {
        self.adopt(y, self.block_of[&x]);
        if let Some(step) = self.steps.last_mut() {
            step.finished.push(y);
        }
    }

    /// Appends a step of node `n`; scratch that its kernel wants is a buffer of its own.
    pub fn step(&mut self, n: usize, mut call: Call<Draft>) {
        call.set_scratch(&mut |bytes| Draft::Block(self.block("scratch", bytes as usize)));
        let node = &self.graph.nodes[n];
        let at = self.steps.len();
        call.operands(&mut |_, operand, _| {
            let block = match operand {
                Some(Draft::Tensor(t)) => self.block_of[t],
                Some(Draft::Block(b)) => *b,
                Some(Draft::Ready(_)) | None => return,
            };
            let end = &mut self.blocks[block].end;
            *end = (*end).max(at + 1);
        });
        let label = match node.op.layer() {
            Some(l) => format!("{} {}", node.op.name(), l.0),
            None => node.op.name().to_string(),
        };
        self.steps.push(DraftStep { label, call, finished: node.outputs.clone() });
    }

    /// Plans the arena: everything of a Program that lies in it. The rest is left empty.
    pub fn plan(self, forward: usize, logits: Option<usize>, options: &Options) -> Result<Program, LowerError> {
        let Self { graph, steps, blocks, block_of, .. } = self;
        let count = steps.len().max(1);
        let buffer = |(id, b): (usize, &Block)| {
            Buffer::whole(id, b.start.min(count - 1) as u32, b.end.min(count) as u32, b.bytes as u32, ALIGN)
        };
        let buffers: Vec<Buffer> = blocks.iter().enumerate().map(buffer).collect();
        let rounds = tinytrain_plan::Options { improvement_rounds: options.improvement_rounds, ..Default::default() };
        let plan = tinytrain_plan::plan_with(&buffers, &rounds)?;
        let at = |b: usize| Slot { region: Region::Arena, offset: plan.offsets[b], bytes: blocks[b].bytes as u32 };
        let of = |t: TensorId| at(block_of[&t]);
        let place = |d: &Draft| match *d {
            Draft::Tensor(t) => Operand::Memory(of(t)),
            Draft::Block(b) => Operand::Memory(at(b)),
            Draft::Ready(operand) => operand,
        };
        let placed = |step: DraftStep| Step {
            label: step.label,
            call: step.call.map(&mut |_, d| Ok::<_, std::convert::Infallible>(place(d))).unwrap_or_else(|e| match e {}),
            finished: step.finished.into_iter().map(|t| (t.0, of(t))).collect(),
        };
        let steps: Vec<Step> = steps.into_iter().map(placed).collect();
        let input = graph.tensor(graph.input);
        let quant = input.quant().ok_or_else(|| LowerError::Graph("the input is no activation".into()))?;
        let shape = [input.shape.h, input.shape.w, input.shape.c].map(|n| n as u32);
        let input = Input { shape, scale: quant.scale, zero: quant.zero, slot: of(graph.input) };
        let prefix = prefix(graph, &steps[..forward]);
        let first = (graph.input.0, input.slot);
        let live_in = (0..=prefix).map(|n| live_in(n, &steps, first, &buffers, &plan.offsets)).collect();
        let placed = |((b, buffer), &offset): ((&Block, &Buffer), &u32)| Placed {
            label: b.label.clone(),
            start: buffer.start(),
            end: buffer.end(),
            size: buffer.size,
            offset,
        };
        Ok(Program {
            name: graph.name.clone(),
            scheme: String::new(),
            input,
            forward,
            classes: graph.head.as_ref().map_or(0, |h| h.classes),
            logits: logits.map(at),
            outputs: graph.outputs.iter().map(|t| of(*t)).collect(),
            consts: Vec::new(),
            states: Vec::new(),
            arena_bytes: plan.total,
            state_bytes: 0,
            buffers: blocks.iter().zip(&buffers).zip(&plan.offsets).map(placed).collect(),
            prefix,
            live_in,
            plan: Plan { lower_bound: plan.lower_bound, heuristic: plan.heuristic.to_string() },
            residual_bits: options.residual_bits,
            seed: graph.head.as_ref().map_or(0, |h| h.seed),
            steps,
        })
    }
}

/// How many first steps read no state and make no mask.
fn prefix(graph: &Graph, forward: &[Step]) -> usize {
    let touches_state = |s: &Step| s.slots().iter().any(|s| s.region == Region::State);
    let makes_mask = |s: &Step| s.finished.iter().any(|(t, _)| graph.tensor(TensorId(*t)).kind == Kind::Mask);
    forward.iter().position(|s| touches_state(s) || makes_mask(s)).unwrap_or(0)
}

/// The tensors in buffers that live across the end of the first `n` steps: of several that shared a buffer, the one made last.
fn live_in(n: usize, steps: &[Step], input: (u32, Slot), buffers: &[Buffer], offsets: &[u32]) -> LiveIn {
    let live = |offset: u32, at: u32| {
        let across = |b: &Buffer| b.start() <= at && (b.start() as usize) < n.max(1) && b.end() as usize > n;
        buffers.iter().zip(offsets).any(|(b, &o)| o == offset && across(b) && at < b.end())
    };
    let mut latest: BTreeMap<u32, (u32, Slot)> = BTreeMap::new();
    let made = steps[..n].iter().enumerate().flat_map(|(i, s)| s.finished.iter().map(move |f| (i as u32, *f)));
    for (at, (t, slot)) in std::iter::once((0, input)).chain(made) {
        if slot.bytes > 0 && live(slot.offset, at) {
            latest.insert(slot.offset, (t, slot));
        }
    }
    let mut live_in: LiveIn = latest.into_values().collect();
    live_in.sort_unstable_by_key(|(t, _)| *t);
    live_in
}
