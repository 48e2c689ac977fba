//! Model to Program.

use std::sync::Arc;

use tinytrain_ir::{Graph, HeadRow, Op, Scheme, TensorId};
use tinytrain_lower::{Feed, LowerOptions, lower};
use tinytrain_passes::{Stage, differentiate, specialise};
use tinytrain_program::{Program, Slot};

use crate::{CompileError, calibrate};

/// A model differentiated and calibrated once: any number of schemes can be compiled from it.
#[derive(Clone)]
pub struct Compiler {
    /// The imported graph, then what each pass made of it, up to `autodiff` (with its exponents).
    stages: Arc<Vec<Stage>>,
}

/// What a Program is like beside its scheme.
#[derive(Clone, Copy, Debug)]
pub struct ProgramOptions {
    /// Residual bits of trained weights: 0, 2, 4 or 8.
    pub residual_bits: u32,
    /// Bytes that the arena may take.
    pub arena_limit: Option<u32>,
    /// How the sample comes in.
    pub feed: Feed,
    /// Samples for which the replay buffer has places; without any there is no buffer.
    pub replay: u32,
}

impl ProgramOptions {
    /// Without a limit, a sample that comes in as a whole, no replay buffer.
    pub fn of(residual_bits: u32) -> Self {
        Self { residual_bits, arena_limit: None, feed: Feed::Whole, replay: 0 }
    }

    fn lower(self, improvement_rounds: u32) -> LowerOptions {
        let Self { residual_bits, arena_limit, feed, replay } = self;
        LowerOptions { residual_bits, improvement_rounds, arena_limit, feed, replay, ..LowerOptions::default() }
    }
}

/// Rounds in which the planner improves the Programs that are handed over; where bytes are only estimated, fewer do.
pub fn planner_rounds() -> u32 {
    LowerOptions::default().improvement_rounds
}

impl Compiler {
    /// Attaches a head of `classes` classes that starts at random, differentiates, calibrates on `samples` (int8, with labels).
    pub fn new(
        graph: &Graph,
        classes: usize,
        seed: u64,
        samples: &[(Vec<i8>, usize)],
        threads: usize,
    ) -> Result<Self, CompileError> {
        Self::with_rows(graph, &vec![None; classes], seed, samples, threads)
    }

    /// The same with a head that has a class for each row, and starts with those that are given.
    ///
    /// # Errors
    /// A row that has not one weight per feature.
    pub fn with_rows(
        graph: &Graph,
        rows: &[Option<HeadRow>],
        seed: u64,
        samples: &[(Vec<i8>, usize)],
        threads: usize,
    ) -> Result<Self, CompileError> {
        let mut stages = vec![Stage { name: "import", graph: graph.clone() }];
        stages.extend(differentiate(graph, rows.len(), seed)?);
        let last = stages.last_mut().expect("differentiate yields stages");
        let head = last.graph.head.as_mut().expect("a differentiated graph has a head");
        let expected = last.graph.tensors[head.features.index()].shape.c;
        if let Some(row) = rows.iter().flatten().find(|row| row.weights.len() != expected) {
            return Err(CompileError::Row { found: row.weights.len(), expected });
        }
        head.rows = rows.to_vec();
        last.graph.exponents = calibrate(&last.graph, samples, threads)?;
        Ok(Self { stages: Arc::new(stages) })
    }

    /// The differentiated graph with its exponents.
    pub fn graph(&self) -> &Graph {
        &self.stages[self.stages.len() - 1].graph
    }

    /// Convolutions of the backbone.
    pub fn layers(&self) -> usize {
        self.graph().layers.len()
    }

    /// Every stage of a scheme's graph, for looking at.
    pub fn stages(&self, scheme: &Scheme) -> Result<Vec<(&'static str, Graph)>, CompileError> {
        let first = self.stages.iter().map(|s| (s.name, s.graph.clone()));
        let rest = specialise(self.graph(), scheme)?.into_iter().map(|s| (s.name, s.graph));
        Ok(first.chain(rest).collect())
    }

    /// The Program of a scheme. Where its arena exceeds its limit, it runs over rows as far as it must. Neither that nor how it is fed changes a
    /// bit of a result.
    pub fn compile(
        &self,
        scheme: &Scheme,
        options: ProgramOptions,
        improvement_rounds: u32,
    ) -> Result<Program, CompileError> {
        self.lowered(scheme, &options.lower(improvement_rounds))
    }

    /// [`Compiler::compile`] for asking whether a scheme fits: where no cut of the forward pass reaches the limit, it stays whole, above the limit.
    pub fn attempt(
        &self,
        scheme: &Scheme,
        options: ProgramOptions,
        improvement_rounds: u32,
    ) -> Result<Program, CompileError> {
        let options = LowerOptions { whole_above_limit: true, ..options.lower(improvement_rounds) };
        self.lowered(scheme, &options)
    }

    fn lowered(&self, scheme: &Scheme, options: &LowerOptions) -> Result<Program, CompileError> {
        let mut stages = specialise(self.graph(), scheme)?;
        let last = stages.pop().expect("specialise yields stages");
        let program = lower(&last.graph, options)?;
        Ok(Program { scheme: scheme.to_string(), ..program })
    }
}

/// The forward nodes of a graph as a Program in which every tensor stays to the end.
pub(crate) fn forward_of(graph: &Graph) -> Result<Program, CompileError> {
    let mut g = graph.clone();
    g.nodes.retain(|n| n.op.is_forward());
    g.exponents.clear();
    Ok(lower(&g, &LowerOptions { keep_all: true, improvement_rounds: 0, ..LowerOptions::default() })?)
}

/// An imported model as it stands, classifier included, as a Program.
pub fn forward_program(graph: &Graph, keep_all: bool) -> Result<Program, CompileError> {
    let defaults = LowerOptions::default();
    // What all lives to the end has no better plan.
    let improvement_rounds = if keep_all { 0 } else { defaults.improvement_rounds };
    Ok(lower(graph, &LowerOptions { keep_all, improvement_rounds, ..defaults })?)
}

/// Where each tensor of a Program made with `keep_all` lies when it has run.
pub fn forward_tensors(graph: &Graph, program: &Program) -> Vec<(TensorId, Slot)> {
    let finished = program.steps.iter().flat_map(|s| s.finished.iter().map(|p| (TensorId(p.tensor), p.slot)));
    let mut places: Vec<_> =
        program.input.whole().map(|slot| (graph.input, slot)).into_iter().chain(finished).collect();
    // No step yields the input under another shape.
    for node in graph.nodes.iter().filter(|n| matches!(n.op, Op::Reshape)) {
        let of = |t| places.iter().find(|(place, _)| *place == t).map(|&(_, slot)| slot);
        if let (Some(slot), None) = (of(node.inputs[0]), of(node.outputs[0])) {
            places.push((node.outputs[0], slot));
        }
    }
    places
}
