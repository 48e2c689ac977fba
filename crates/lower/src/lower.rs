use tinytrain_ir::{Graph, Kind, LayerId, Op, TensorId};
use tinytrain_program::{Boundary, Data, Program};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::kernels::*;
use tinytrain_spec::params::*;

use crate::LowerError;
use crate::blocks::{Blocks, Draft};
use crate::fit::fit;
use crate::place::place;
use crate::storage::{LayerOperands, Storage};

/// How the sample comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    /// As a whole, before the first step.
    #[default]
    Whole,
    /// Row by row, as a camera delivers it: no place for all of it is needed.
    Rows,
}

/// How to lower.
#[derive(Clone, Copy, Debug)]
pub struct LowerOptions {
    /// Residual bits of trained weights.
    pub residual_bits: u32,
    /// Every tensor keeps a place of its own to the end, nothing is computed in place: for looking at a model's tensors.
    pub keep_all: bool,
    /// Rounds of the planner's improvement.
    pub improvement_rounds: u32,
    /// Bytes that the arena may take: above them it runs over rows, as far as it must. Without it nothing does.
    pub arena_limit: Option<u32>,
    /// How the sample comes in.
    pub feed: Feed,
    /// Samples for which the replay buffer has places; without any there is no buffer.
    pub replay: u32,
    /// Whether the Program stays whole where no cut of its backward pass reaches the limit, instead of coming as near as it can. For asking whether a scheme fits: the
    /// nearest cut takes far longer to find.
    pub whole_above_limit: bool,
}

impl Default for LowerOptions {
    fn default() -> Self {
        Self {
            residual_bits: 4,
            keep_all: false,
            improvement_rounds: 200,
            arena_limit: None,
            feed: Feed::Whole,
            replay: 0,
            whole_above_limit: false,
        }
    }
}

/// A graph on its way to a Program, node by node in the order of execution.
pub struct Lowering<'a> {
    pub graph: &'a Graph,
    pub blocks: Blocks<'a>,
    pub storage: Storage,
    /// The buffer of the head's logits.
    pub logits: Option<usize>,
    residual_bits: u32,
}

/// Lowers a scheduled graph (or a plain forward one) to a Program.
pub fn lower(graph: &Graph, options: &LowerOptions) -> Result<Program, LowerError> {
    if ![0, 2, 4, 8].contains(&options.residual_bits) {
        return Err(LowerError::ResidualBits(options.residual_bits));
    }
    if options.replay > 0 && options.feed == Feed::Rows {
        return Err(LowerError::ReplayOfRows);
    }
    let mut l = Lowering {
        graph,
        blocks: Blocks::new(graph, options),
        storage: Storage::default(),
        logits: None,
        residual_bits: options.residual_bits,
    };
    let mut forward = 0;
    for n in 0..graph.nodes.len() {
        l.node(n)?;
        if graph.nodes[n].op.is_forward() {
            forward = l.blocks.len();
        }
    }
    let planned = place(&l.blocks, forward, l.logits, options)?;
    let mut replay = None;
    if options.replay > 0 {
        let boundary = narrowest(&planned);
        l.storage.replay(planned.boundary_bytes(boundary), options.replay, planned.classes)?;
        replay = Some(boundary.steps);
    }
    let Storage { consts, states, state_bytes, .. } = l.storage;
    let mut program = Program { consts, states, state_bytes, replay, ..planned };
    fit(&mut program);
    Ok(program)
}

/// The boundary with the fewest bytes, the last of several: where a kept sample costs least memory, and then least time.
fn narrowest(program: &Program) -> &Boundary {
    let bytes = |b: &&Boundary| program.boundary_bytes(b);
    program.boundaries.iter().rev().min_by_key(bytes).unwrap_or(program.prefix())
}

impl Lowering<'_> {
    fn node(&mut self, n: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let x = |i: usize| node.inputs[i];
        let read = |i: usize| Draft::Tensor(node.inputs[i]);
        let y = || node.outputs[0];
        match node.op {
            Op::Conv(l) => self.conv(n, l),
            Op::Add(p, _) => {
                let out = self.blocks.in_place(n, &[x(0), x(1)], y());
                let mask = self.mask_of(n);
                self.blocks.step(n, Call::Add(Add { p, a: read(0), b: read(1), y: out, mask }));
            }
            Op::Requantize(p, _) => {
                let out = self.blocks.in_place(n, &[x(0)], y());
                let mask = self.mask_of(n);
                self.blocks.step(n, Call::Requantize(Requantize { p, x: read(0), y: out, mask }));
            }
            Op::AveragePool(p) => {
                let (x, y, mask) = self.masked(n);
                self.blocks.step(n, Call::AveragePool(AveragePool { p, x, y, mask }));
            }
            Op::MaxPool(p) => {
                let (x, y, mask) = self.masked(n);
                self.blocks.step(n, Call::MaxPool(MaxPool { p, x, y, mask }));
            }
            Op::Mean(p, _) => {
                let (x, y, mask) = self.masked(n);
                self.blocks.step(n, Call::Mean(Mean { p, x, y, mask }));
            }
            Op::Softmax(p) => {
                let y = self.blocks.define(y());
                self.blocks.step(n, Call::Softmax(Softmax { p, x: read(0), y }));
            }
            Op::Lookup(ref l) => {
                let table =
                    Draft::Ready(self.storage.constant(format!("lookup{n}_values"), Data::I8(l.table.to_vec())));
                let out = self.blocks.in_place(n, &[x(0)], y());
                let p = LookupParams { n: self.len(y()), s: 0 };
                self.blocks.step(n, Call::Lookup(Lookup { p, x: read(0), table, y: out }));
            }
            Op::LookupGrad(ref l) => {
                let slope =
                    Draft::Ready(self.storage.constant(format!("lookup{n}_slopes"), Data::I32(l.slope.to_vec())));
                let p = LookupParams {
                    n: self.len(y()),
                    s: tinytrain_ir::Lookup::SLOPE_BITS + self.exponent_shift(x(0), y())?,
                };
                let gx = self.blocks.in_place(n, &[x(0)], y());
                self.blocks.step(n, Call::LookupGrad(LookupGrad { p, g: read(0), x: read(1), slope, gx }));
            }
            Op::ResizeBilinear(p) => {
                let y = self.blocks.define(y());
                self.blocks.step(n, Call::ResizeBilinear(ResizeBilinear { p, x: read(0), y }));
            }
            Op::ResizeBilinearGrad(p) => {
                let p = ResizeParams { shift: 20 + self.exponent_shift(x(0), y())?, ..p };
                let gx = self.blocks.define(y());
                self.blocks.step(n, Call::ResizeBilinearGrad(ResizeBilinearGrad { p, g: read(0), gx }));
            }
            Op::Mul(p, _) => {
                // A square: the kernel has read one factor at a place when it writes there, and then reads the other.
                let own: &[TensorId] = if self.blocks.share(x(0), x(1)) { &[] } else { &[x(0)] };
                let out = self.blocks.in_place(n, own, y());
                let mask = self.mask_of(n);
                self.blocks.step(n, Call::Mul(Mul { p, a: read(0), b: read(1), y: out, mask }));
            }
            Op::MulGrad(p, ratio) => {
                let p = self.product_grad(p, ratio, x(0), y())?;
                let gx = self.blocks.in_place(n, &[x(0)], y());
                self.blocks.step(n, Call::MulGrad(MulGrad { p, g: read(0), mask: Some(read(1)), b: read(2), gx }));
            }
            Op::MulSum(p, ratio) => {
                let p = self.product_grad(p, ratio, x(0), y())?;
                let gx = self.blocks.define(y());
                self.blocks.step(n, Call::MulSum(MulSum { p, g: read(0), mask: Some(read(1)), a: read(2), gx }));
            }
            Op::Move(ref m) => self.moved(n, m, 0),
            Op::MoveGrad(ref m) => self.moved(n, m, self.exponent_shift(x(0), y())?),
            Op::Pad { top, left } => self.pad(n, top, left),
            Op::Concat(axis) => self.concat(n, axis),
            Op::GradCrop { at } => self.crop(n, at)?,
            Op::Reshape | Op::GradReshape => self.blocks.alias(x(0), y()),
            Op::Head => self.head(n)?,
            Op::HeadInputGrad => self.head_input_grad(n)?,
            Op::HeadUpdate => self.head_update(n)?,
            Op::ConvAccGrad(l) => self.conv_acc_grad(n, l)?,
            Op::ConvInputGrad(l) => self.conv_input_grad(n, l)?,
            Op::ConvWeightStep(l) => self.conv_weight_step(n, l)?,
            Op::ConvBiasStep(l) => self.conv_bias_step(n, l)?,
            Op::GradScale { ratio, repeat } => self.grad_scale(n, ratio, repeat)?,
            Op::GradSum => {
                let gx = self.blocks.in_place(n, &[x(0), x(1)], y());
                let p = SumParams { n: self.len(y()) };
                self.blocks.step(n, Call::Sum(Sum { p, a: read(0), b: read(1), gx }));
            }
            Op::AveragePoolGrad(p) => {
                let p = PoolParams { shift: 15 + self.exponent_shift(x(0), y())?, ..p };
                let gx = self.blocks.define(y());
                let call = AveragePoolGrad { p, g: read(0), mask: Some(read(1)), gx };
                self.blocks.step(n, Call::AveragePoolGrad(call));
            }
            Op::MaxPoolGrad(p) => {
                let p = PoolParams { shift: self.exponent_shift(x(0), y())?, ..p };
                let gx = self.blocks.define(y());
                let call = MaxPoolGrad { p, x: read(2), g: read(0), mask: Some(read(1)), gx };
                self.blocks.step(n, Call::MaxPoolGrad(call));
            }
            Op::ConvWeightGrad(_) | Op::ConvBiasGrad(_) | Op::WeightUpdate(_) | Op::BiasUpdate(_) => {
                return Err(LowerError::Graph(format!("node {n} ({}) was not fused", node.op.name())));
            }
        }
        Ok(())
    }

    /// The parameters of a product's gradient.
    fn product_grad(&self, p: MulParams, ratio: f64, g: TensorId, gx: TensorId) -> Result<MulParams, LowerError> {
        let r = Real31::from_f64(ratio);
        Ok(MulParams { m: r.m as i32, s: 31 - r.e + self.exponent_shift(g, gx)?, ..p })
    }

    /// Input, output and mask of a node that works in no place but its own.
    fn masked(&mut self, n: usize) -> (Draft, Draft, Option<Draft>) {
        let node = &self.graph.nodes[n];
        (Draft::Tensor(node.inputs[0]), self.blocks.define(node.outputs[0]), self.mask_of(n))
    }

    /// The mask that node `n` yields, if any is wanted.
    pub fn mask_of(&mut self, n: usize) -> Option<Draft> {
        self.graph.nodes[n].outputs.get(1).map(|&mask| self.blocks.define(mask))
    }

    /// The operands of a layer.
    pub fn layer(&mut self, l: LayerId) -> LayerOperands {
        self.storage.layer(self.graph, l.index(), self.residual_bits)
    }

    /// Elements of a tensor.
    pub fn len(&self, t: TensorId) -> i32 {
        self.graph.tensor(t).shape.len() as i32
    }

    /// The exponent of a gradient.
    pub fn exponent(&self, t: TensorId) -> Result<i32, LowerError> {
        match self.graph.tensor(t).kind {
            Kind::Gradient(wrt) => self.graph.exponents.get(&wrt).copied().ok_or(LowerError::Exponent(wrt)),
            _ => Err(LowerError::Graph(format!("{} is no gradient", self.graph.tensor(t).name))),
        }
    }

    /// Right shift from the exponent of `g` to that of `gx`.
    pub fn exponent_shift(&self, g: TensorId, gx: TensorId) -> Result<i32, LowerError> {
        Ok(self.exponent(gx)? - self.exponent(g)?)
    }

    /// The parameters of an update by the gradient `g` of layer `l`.
    pub fn update_params(&self, g: TensorId, l: LayerId) -> Result<UpdateParams, LowerError> {
        Ok(UpdateParams { exponent: self.exponent(g)?, bits: self.residual_bits as i32, tensor: l.index() as i32 })
    }
}
