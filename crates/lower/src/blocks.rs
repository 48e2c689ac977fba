//! Steps on whole tensors, and the buffers in which the tensors lie: several share one where a step works in place.

use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Kind, TensorId};
use tinytrain_program::{Operand, Purpose};
use tinytrain_spec::kernels::Call;

use crate::LowerOptions;

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

/// A buffer of the arena.
#[derive(Clone, Debug)]
pub struct Block {
    pub label: String,
    pub purpose: Purpose,
    pub bytes: u32,
    /// Whether it lives to the end.
    pub kept: bool,
}

/// A step on whole tensors. Its kernel's scratch is left out.
pub struct DraftStep {
    pub label: String,
    /// The node of the graph.
    pub node: usize,
    pub call: Call<Draft>,
    /// The tensors that are finished when it ends.
    pub finished: Vec<TensorId>,
}

/// Steps and buffers as they come up in the order of execution.
pub struct Blocks<'a> {
    pub graph: &'a Graph,
    pub steps: Vec<DraftStep>,
    pub blocks: Vec<Block>,
    /// The block of each tensor that has one.
    pub block_of: BTreeMap<TensorId, usize>,
    keep_all: bool,
    /// The last node that reads each tensor.
    last_use: Vec<usize>,
    /// The last node that reads any tensor of a block.
    block_last_use: BTreeMap<usize, usize>,
}

impl<'a> Blocks<'a> {
    /// No step yet; the input is there.
    pub fn new(graph: &'a Graph, options: &LowerOptions) -> Self {
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

    /// A buffer.
    pub fn block(&mut self, label: &str, purpose: Purpose, bytes: usize) -> usize {
        self.blocks.push(Block { label: label.into(), purpose, bytes: bytes as u32, kept: self.keep_all });
        self.blocks.len() - 1
    }

    /// A place of its own for a tensor that the next step yields.
    pub fn define(&mut self, t: TensorId) -> Draft {
        let tensor = self.graph.tensor(t);
        let purpose = match tensor.kind {
            Kind::Activation(_) if t == self.graph.input => Purpose::Input,
            Kind::Activation(_) => Purpose::Activation,
            Kind::Mask => Purpose::Mask,
            Kind::Gradient(_) => Purpose::Gradient,
            Kind::Error | Kind::Sums => Purpose::Other,
        };
        let b = self.block(&tensor.name, purpose, tensor.bytes());
        self.adopt(t, b);
        Draft::Tensor(t)
    }

    fn adopt(&mut self, t: TensorId, block: usize) {
        self.block_of.insert(t, block);
        let last = self.block_last_use.entry(block).or_insert(0);
        *last = (*last).max(self.last_use[t.index()]);
        if self.last_use[t.index()] == usize::MAX {
            self.blocks[block].kept = true;
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

    /// Whether two tensors are the same bytes.
    pub fn share(&self, a: TensorId, b: TensorId) -> bool {
        self.block_of[&a] == self.block_of[&b]
    }

    /// Lets `y` be the bytes of `x`. No step runs: it is finished together with what it names.
    pub fn alias(&mut self, x: TensorId, y: TensorId) {
        self.adopt(y, self.block_of[&x]);
        if let Some(step) = self.steps.last_mut() {
            step.finished.push(y);
        }
    }

    /// Appends a step of node `n`.
    pub fn step(&mut self, n: usize, call: Call<Draft>) {
        let node = &self.graph.nodes[n];
        let label = match node.op.layer() {
            Some(l) => format!("{} {}", node.op.name(), l.0),
            None => node.op.name().to_string(),
        };
        self.steps.push(DraftStep { label, node: n, call, finished: node.outputs.clone() });
    }

    /// The block of an operand in the arena.
    pub fn block_of(&self, operand: &Draft) -> Option<usize> {
        match operand {
            Draft::Tensor(t) => Some(self.block_of[t]),
            Draft::Block(b) => Some(*b),
            Draft::Ready(_) => None,
        }
    }
}
