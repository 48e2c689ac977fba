use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Kind, LayerId, Op, TensorId, Wrt};
use tinytrain_plan::Buffer;
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, Real31, exp2i};
use tinytrain_spec::params::*;
use tinytrain_spec::scratch;
use tinytrain_spec::softmax::LogitScale;

use crate::state::{Memory, head_bias_rate, head_weight_rate};
use crate::{Arg, Frontier, Kernel, LowerError, Placed, Program, Region, Slot, Step};

/// How to lower.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Residual bits of trained weights.
    pub residual_bits: u32,
    /// Every tensor keeps a place of its own to the end, nothing is computed in place: for looking at a model's tensors.
    pub keep_all: bool,
    /// Rounds of the planner's improvement.
    pub improvement_rounds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { residual_bits: 4, keep_all: false, improvement_rounds: 200 }
    }
}

/// Alignment of every buffer of the arena in bytes: what int64 logits need. One for all, because then the planner's bound is tight.
const ALIGN: u32 = 8;

/// A buffer before planning: tensors that share bytes, or one step's scratch.
struct Block {
    label: String,
    bytes: usize,
    start: usize,
    end: usize,
}

/// A step's argument before offsets are known.
#[derive(Clone, Copy)]
enum Draft {
    Read(TensorId),
    Write(TensorId),
    Update(TensorId),
    ScratchBlock(usize),
    ReadBlock(usize),
    Ready(Arg),
}

struct Lowering<'a> {
    graph: &'a Graph,
    options: Options,
    memory: Memory,
    steps: Vec<(String, Kernel, Vec<Draft>, Vec<TensorId>)>,
    blocks: Vec<Block>,
    /// The block of each tensor that has one.
    block_of: BTreeMap<TensorId, usize>,
    /// The last node that reads each tensor.
    last_use: Vec<usize>,
    /// The last node that reads any tensor of a block.
    block_last_use: BTreeMap<usize, usize>,
    logits: Option<usize>,
}

/// Lowers a scheduled graph (or a plain forward one) to a Program.
pub fn lower(graph: &Graph, options: &Options) -> Result<Program, LowerError> {
    if ![0, 2, 4, 8].contains(&options.residual_bits) {
        return Err(LowerError::ResidualBits(options.residual_bits));
    }
    let mut last_use = vec![0; graph.tensors.len()];
    for (n, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|t| last_use[t.index()] = n);
    }
    for t in &graph.outputs {
        last_use[t.index()] = usize::MAX;
    }
    let mut l = Lowering {
        graph,
        options: *options,
        memory: Memory::default(),
        steps: Vec::new(),
        blocks: Vec::new(),
        block_of: BTreeMap::new(),
        last_use,
        block_last_use: BTreeMap::new(),
        logits: None,
    };
    l.define(graph.input);
    let mut forward = 0;
    for n in 0..graph.nodes.len() {
        l.node(n)?;
        if graph.nodes[n].op.is_forward() {
            forward = l.steps.len();
        }
    }
    l.finish(forward)
}

impl Lowering<'_> {
    fn node(&mut self, n: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let op = node.op.clone();
        let x = |i: usize| node.inputs[i];
        let y = || node.outputs[0];
        match op {
            Op::Conv(l) => self.conv(n, l),
            Op::Add(p, _) => {
                let out = self.in_place(n, &[x(0), x(1)], y());
                let mask = self.mask_of(n);
                self.step(n, Kernel::Add { p }, vec![self.read(x(0)), self.read(x(1)), out, mask]);
            }
            Op::Requantize(p, _) => {
                let out = self.in_place(n, &[x(0)], y());
                let mask = self.mask_of(n);
                self.step(n, Kernel::Requantize { p }, vec![self.read(x(0)), out, mask]);
            }
            Op::AveragePool(p) => self.pool(n, Kernel::AveragePool { p }),
            Op::MaxPool(p) => self.pool(n, Kernel::MaxPool { p }),
            Op::Mean(p, _) => self.pool(n, Kernel::Mean { p }),
            Op::Softmax(p) => self.unary(n, Kernel::Softmax { p }),
            Op::Pad { top, left } => self.pad(n, top, left),
            Op::Concat(axis) => self.concat(n, axis),
            Op::Reshape | Op::GradReshape => self.alias(n),
            Op::Head => self.head(n)?,
            Op::HeadInputGrad => {
                let p = self.head_params()?;
                let (w, _) = self.head_state();
                let out = self.write(y());
                self.step(n, Kernel::HeadInputGrad { p }, vec![Draft::Ready(w), self.read(x(0)), out]);
            }
            Op::HeadUpdate => {
                let head = self.graph.head.as_ref().ok_or_else(|| LowerError::Graph("no head".into()))?;
                let (weight_q, bias_q) =
                    (Real31::from_f64(head_weight_rate(head)), Real31::from_f64(head_bias_rate(head)));
                let p = self.head_params()?;
                let (w, b) = self.head_state();
                let args = vec![self.read(x(1)), self.read(x(0)), Draft::Ready(update(w)), Draft::Ready(update(b))];
                self.step(n, Kernel::HeadUpdate { p, weight_q, bias_q }, args);
            }
            Op::ConvAccGrad(l) => self.conv_acc_grad(n, l)?,
            Op::ConvInputGrad(l) => self.conv_input_grad(n, l)?,
            Op::ConvWeightStep(l) => self.conv_weight_step(n, l)?,
            Op::ConvBiasStep(l) => self.conv_bias_step(n, l)?,
            Op::GradScale { ratio, repeat } => self.grad_scale(n, ratio, repeat)?,
            Op::GradSum => {
                let out = self.in_place(n, &[x(0), x(1)], y());
                let p = SumParams { n: self.len(y()) };
                self.step(n, Kernel::Sum { p }, vec![self.read(x(0)), self.read(x(1)), out]);
            }
            Op::AveragePoolGrad(p) => {
                let p = PoolParams { shift: 15 + self.fall(x(0), y())?, ..p };
                let out = self.write(y());
                self.step(n, Kernel::AveragePoolGrad { p }, vec![self.read(x(0)), self.read(x(1)), out]);
            }
            Op::MaxPoolGrad(p) => {
                let p = PoolParams { shift: self.fall(x(0), y())?, ..p };
                let out = self.write(y());
                let args = vec![self.read(x(2)), self.read(x(0)), self.read(x(1)), out];
                self.step(n, Kernel::MaxPoolGrad { p }, args);
            }
            Op::GradCrop { at } => {
                let (from, to) = (self.graph.tensor(x(0)).shape, self.graph.tensor(y()).shape);
                let row = |w: usize, c: usize| (w * c) as i32;
                let p = CopyParams {
                    h: to.h as i32,
                    w: to.w as i32,
                    c: to.c as i32,
                    src_offset: ((at[0] * from.w + at[1]) * from.c + at[2]) as i32,
                    src_row: row(from.w, from.c),
                    src_col: from.c as i32,
                    dst_offset: 0,
                    dst_row: row(to.w, to.c),
                    dst_col: to.c as i32,
                    shift: self.fall(x(0), y())?,
                };
                self.unary(n, Kernel::CopyBox { p });
            }
            Op::ConvWeightGrad(_) | Op::ConvBiasGrad(_) | Op::WeightUpdate(_) | Op::BiasUpdate(_) => {
                return Err(LowerError::Graph(format!("node {n} ({}) was not fused", op.name())));
            }
        }
        Ok(())
    }

    fn conv(&mut self, n: usize, l: LayerId) {
        let layer = self.graph.layer(l);
        let (p, depthwise) = (layer.geo, layer.depthwise);
        let a = self.memory.layer(self.graph, l.index(), self.options.residual_bits);
        let x = self.read(self.graph.nodes[n].inputs[0]);
        let y = self.write(self.graph.nodes[n].outputs[0]);
        let mask = self.mask_of(n);
        let bytes = if depthwise { scratch::depthwise(&p) } else { scratch::conv(&p) };
        let s = self.scratch(bytes as usize);
        let r = Draft::Ready;
        let args =
            vec![x, r(a.frozen), r(a.trained), r(a.channels), r(a.bias), r(a.offset), r(a.m), r(a.shift), y, mask, s];
        self.step(n, Kernel::Conv { depthwise, p }, args);
    }

    /// `g_acc = g_y mask m[c]` with `m[c] = m 2^(shift - 32)`, from exponent `E_y` to `E_acc`.
    fn conv_acc_grad(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, mask, out) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let a = self.memory.layer(self.graph, l.index(), self.options.residual_bits);
        let channels = self.graph.layer(l).geo.out_c;
        let p = GradScaleParams { n: self.len(g), channels, m: 0, s: 32 + self.fall(g, out)?, repeat: 1 };
        let to = self.in_place(n, &[g], out);
        let args = vec![self.read(g), self.read(mask), Draft::Ready(a.m), Draft::Ready(a.shift), to];
        self.step(n, Kernel::GradScale { p }, args);
        Ok(())
    }

    fn conv_input_grad(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, out) = (node.inputs[0], node.outputs[0]);
        let layer = self.graph.layer(l);
        let (p, depthwise) = (layer.geo, layer.depthwise);
        let a = self.memory.layer(self.graph, l.index(), self.options.residual_bits);
        let shift = self.fall(g, out)?;
        let y = self.write(out);
        let bytes = if depthwise { scratch::depthwise_input_grad(&p) } else { scratch::conv_input_grad(&p) };
        let s = self.scratch(bytes as usize);
        let r = Draft::Ready;
        let args = vec![self.read(g), r(a.frozen), r(a.trained), r(a.channels), y, s];
        self.step(n, Kernel::ConvInputGrad { depthwise, p, shift }, args);
        Ok(())
    }

    fn update_params(&self, g: TensorId, l: LayerId) -> Result<UpdateParams, LowerError> {
        Ok(UpdateParams {
            exponent: self.exponent(g)?,
            bits: self.options.residual_bits as i32,
            tensor: l.index() as i32,
        })
    }

    fn conv_weight_step(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let (g, x) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].inputs[1]);
        let layer = self.graph.layer(l);
        let (p, depthwise) = (layer.geo, layer.depthwise);
        let u = self.update_params(g, l)?;
        let a = self.memory.layer(self.graph, l.index(), self.options.residual_bits);
        let bytes = if depthwise { scratch::depthwise_weight_step(&p) } else { scratch::conv_weight_step(&p) };
        let s = self.scratch(bytes as usize);
        let r = Draft::Ready;
        let args =
            vec![self.read(g), self.read(x), r(a.channels), r(a.qas), r(update(a.trained)), r(update(a.residuals)), s];
        self.step(n, Kernel::ConvWeightStep { depthwise, p, u }, args);
        Ok(())
    }

    fn conv_bias_step(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let g = self.graph.nodes[n].inputs[0];
        let layer = self.graph.layer(l);
        let kernel = Kernel::BiasStep {
            pixels: layer.geo.out_h * layer.geo.out_w,
            channels: layer.geo.out_c,
            u: self.update_params(g, l)?,
            layer: Real31::from_f64(1.0 / (layer.x_scale * layer.x_scale)),
        };
        let a = self.memory.layer(self.graph, l.index(), self.options.residual_bits);
        let args = vec![self.read(g), Draft::Ready(a.qas), Draft::Ready(a.bias), Draft::Ready(update(a.offset))];
        self.step(n, kernel, args);
        Ok(())
    }

    fn grad_scale(&mut self, n: usize, ratio: f64, repeat: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, mask, out) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let r = Real31::from_f64(ratio);
        let p = GradScaleParams {
            n: self.len(g),
            channels: 1,
            m: r.m as i32,
            s: 31 - r.e + self.fall(g, out)?,
            repeat: repeat as i32,
        };
        let (kernel, to) = if repeat == 1 {
            (Kernel::GradScale { p }, self.in_place(n, &[g], out))
        } else {
            (Kernel::GradRepeat { p }, self.write(out))
        };
        let args = vec![self.read(g), self.read(mask), Draft::Ready(Arg::None), Draft::Ready(Arg::None), to];
        self.step(n, kernel, args);
        Ok(())
    }

    fn pool(&mut self, n: usize, kernel: Kernel) {
        let x = self.read(self.graph.nodes[n].inputs[0]);
        let y = self.write(self.graph.nodes[n].outputs[0]);
        let mask = self.mask_of(n);
        self.step(n, kernel, vec![x, y, mask]);
    }

    fn unary(&mut self, n: usize, kernel: Kernel) {
        let x = self.read(self.graph.nodes[n].inputs[0]);
        let y = self.write(self.graph.nodes[n].outputs[0]);
        self.step(n, kernel, vec![x, y]);
    }

    fn pad(&mut self, n: usize, top: usize, left: usize) {
        let (x, y) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let (from, to) = (self.graph.tensor(x).shape, self.graph.tensor(y).shape);
        let value = self.graph.tensor(y).quant().map_or(0, |q| q.zero);
        let out = self.write(y);
        self.step(n, Kernel::Fill { p: FillParams { n: to.len() as i32, value } }, vec![out]);
        let p = CopyParams {
            h: from.h as i32,
            w: from.w as i32,
            c: from.c as i32,
            src_offset: 0,
            src_row: (from.w * from.c) as i32,
            src_col: from.c as i32,
            dst_offset: ((top * to.w + left) * to.c) as i32,
            dst_row: (to.w * to.c) as i32,
            dst_col: to.c as i32,
            shift: 0,
        };
        self.step(n, Kernel::CopyBox { p }, vec![self.read(x), Draft::Update(y)]);
    }

    fn concat(&mut self, n: usize, axis: usize) {
        let y = self.graph.nodes[n].outputs[0];
        let to = self.graph.tensor(y).shape;
        self.write(y);
        let mut at = [0usize; 3];
        for x in &self.graph.nodes[n].inputs {
            let from = self.graph.tensor(*x).shape;
            let p = CopyParams {
                h: from.h as i32,
                w: from.w as i32,
                c: from.c as i32,
                src_offset: 0,
                src_row: (from.w * from.c) as i32,
                src_col: from.c as i32,
                dst_offset: ((at[0] * to.w + at[1]) * to.c + at[2]) as i32,
                dst_row: (to.w * to.c) as i32,
                dst_col: to.c as i32,
                shift: 0,
            };
            self.step(n, Kernel::CopyBox { p }, vec![self.read(*x), Draft::Update(y)]);
            at[axis] += [from.h, from.w, from.c][axis];
        }
    }

    fn head(&mut self, n: usize) -> Result<(), LowerError> {
        let (x, e) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let p = self.head_params()?;
        let (w, b) = self.head_state();
        let logits = self.block("logits".into(), p.classes as usize * 8);
        self.blocks[logits].end += 1;
        self.logits = Some(logits);
        let args = vec![self.read(x), Draft::Ready(w), Draft::Ready(b), Draft::ScratchBlock(logits)];
        self.step(n, Kernel::HeadLogits { p }, args);
        let head = self.graph.head.as_ref().ok_or_else(|| LowerError::Graph("no head".into()))?;
        let unit = head.quant.scale * exp2i(-HEAD_FRACTION_BITS);
        let scale = LogitScale::from_unit(unit).ok_or(LowerError::FeatureScale(head.quant.scale))?;
        let out = self.write(e);
        self.step(n, Kernel::HeadError { classes: p.classes, scale }, vec![Draft::ReadBlock(logits), out]);
        Ok(())
    }

    fn head_state(&mut self) -> (Arg, Arg) {
        let find = |m: &Memory, name: &str| m.states.iter().find(|s| s.name == name).map(|s| Arg::Read(s.slot));
        if let (Some(w), Some(b)) = (find(&self.memory, "head_weights"), find(&self.memory, "head_bias")) {
            return (w, b);
        }
        match &self.graph.head {
            Some(head) => self.memory.head(head, self.graph.tensor(head.features).shape.c),
            None => (Arg::None, Arg::None),
        }
    }

    fn head_params(&self) -> Result<HeadParams, LowerError> {
        let head = self.graph.head.as_ref().ok_or_else(|| LowerError::Graph("no head".into()))?;
        // Head only: no gradient leaves the head, and m and s are not used.
        let (m, s) = match self.graph.exponents.get(&Wrt::Value(head.features)) {
            Some(&e) => {
                let r = Real31::from_f64(head.quant.scale * exp2i(-HEAD_FRACTION_BITS - e));
                let m = (r.m + 256) >> 9;
                // A mantissa that rounds up to 2^22 is halved: the sum times it must stay below 2^62.
                if m == 1 << 22 { (m as i32 / 2, 21 - r.e) } else { (m as i32, 22 - r.e) }
            }
            None => (0, 0),
        };
        Ok(HeadParams {
            features: self.len(head.features),
            classes: head.classes as i32,
            x_zero: head.quant.zero,
            m,
            s,
        })
    }

    // ---- arguments and memory

    fn len(&self, t: TensorId) -> i32 {
        self.graph.tensor(t).shape.len() as i32
    }

    fn exponent(&self, t: TensorId) -> Result<i32, LowerError> {
        match self.graph.tensor(t).kind {
            Kind::Gradient(wrt) => self.graph.exponents.get(&wrt).copied().ok_or(LowerError::Exponent(wrt)),
            _ => Err(LowerError::Graph(format!("{} is no gradient", self.graph.tensor(t).name))),
        }
    }

    /// How many bits a gradient is shifted to the right on its way from `g` to `gx`.
    fn fall(&self, g: TensorId, gx: TensorId) -> Result<i32, LowerError> {
        Ok(self.exponent(gx)? - self.exponent(g)?)
    }

    fn block(&mut self, label: String, bytes: usize) -> usize {
        let at = self.steps.len();
        self.blocks.push(Block { label, bytes, start: at, end: at + 1 });
        self.blocks.len() - 1
    }

    fn define(&mut self, t: TensorId) -> usize {
        let tensor = self.graph.tensor(t);
        let b = self.block(tensor.name.clone(), tensor.bytes());
        if self.options.keep_all {
            self.blocks[b].end = usize::MAX;
        }
        self.adopt(t, b);
        b
    }

    fn adopt(&mut self, t: TensorId, block: usize) {
        self.block_of.insert(t, block);
        let last = self.block_last_use.entry(block).or_insert(0);
        *last = (*last).max(self.last_use[t.index()]);
        if self.last_use[t.index()] == usize::MAX {
            self.blocks[block].end = usize::MAX;
        }
    }

    fn read(&self, t: TensorId) -> Draft {
        Draft::Read(t)
    }

    fn write(&mut self, t: TensorId) -> Draft {
        self.define(t);
        Draft::Write(t)
    }

    /// The mask that node `n` yields, if any is wanted.
    fn mask_of(&mut self, n: usize) -> Draft {
        match self.graph.nodes[n].outputs.get(1) {
            Some(&m) => self.write(m),
            None => Draft::Ready(Arg::None),
        }
    }

    /// Yields `y` over the first of `candidates` that nothing reads after node `n`; in a place of its own otherwise.
    fn in_place(&mut self, n: usize, candidates: &[TensorId], y: TensorId) -> Draft {
        let free = candidates.iter().copied().find(|t| {
            let same = self.graph.tensor(*t).bytes() == self.graph.tensor(y).bytes();
            same && !self.options.keep_all && self.block_last_use[&self.block_of[t]] <= n
        });
        match free {
            Some(t) => self.adopt(y, self.block_of[&t]),
            None => {
                self.define(y);
            }
        }
        Draft::Write(y)
    }

    fn alias(&mut self, n: usize) {
        let (x, y) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        self.adopt(y, self.block_of[&x]);
        // No step runs: the tensor is finished together with what it names.
        if let Some(step) = self.steps.last_mut() {
            step.3.push(y);
        }
    }

    fn scratch(&mut self, bytes: usize) -> Draft {
        if bytes == 0 {
            return Draft::Ready(Arg::None);
        }
        let b = self.block("scratch".into(), bytes);
        Draft::ScratchBlock(b)
    }

    fn step(&mut self, n: usize, kernel: Kernel, args: Vec<Draft>) {
        let node = &self.graph.nodes[n];
        let at = self.steps.len();
        for a in &args {
            if let Draft::Read(t) | Draft::Write(t) | Draft::Update(t) = a {
                let end = &mut self.blocks[self.block_of[t]].end;
                *end = (*end).max(at + 1);
            }
        }
        let label = match node.op.layer() {
            Some(l) => format!("{} {}", node.op.name(), l.0),
            None => node.op.name().to_string(),
        };
        self.steps.push((label, kernel, args, node.outputs.clone()));
    }

    fn finish(self, forward: usize) -> Result<Program, LowerError> {
        let Self { graph, options, memory, steps, blocks, block_of, logits, .. } = self;
        let count = steps.len().max(1);
        let buffers: Vec<Buffer> = blocks
            .iter()
            .enumerate()
            .map(|(id, b)| Buffer {
                id,
                start: b.start.min(count - 1) as u32,
                end: b.end.min(count) as u32,
                size: b.bytes as u32,
                align: ALIGN,
            })
            .collect();
        let plan = tinytrain_plan::plan_with(
            &buffers,
            &tinytrain_plan::Options { improvement_rounds: options.improvement_rounds },
        )?;
        let at = |b: usize| Slot { region: Region::Arena, offset: plan.offsets[b], bytes: blocks[b].bytes as u32 };
        let of = |t: TensorId| at(block_of[&t]);
        let place = |d: Draft| match d {
            Draft::Read(t) => Arg::Read(of(t)),
            Draft::Write(t) => Arg::Write(of(t)),
            Draft::Update(t) => Arg::Update(of(t)),
            Draft::ScratchBlock(b) => Arg::Scratch(at(b)),
            Draft::ReadBlock(b) => Arg::Update(at(b)),
            Draft::Ready(a) => a,
        };
        let steps: Vec<Step> = steps
            .into_iter()
            .map(|(label, kernel, args, outputs)| Step {
                label,
                kernel,
                args: args.into_iter().map(place).collect(),
                finished: outputs.into_iter().map(|t| (t, of(t))).collect(),
            })
            .collect();
        let input = graph.tensor(graph.input);
        let prefix = prefix(graph, &steps[..forward]);
        let frontiers =
            (0..=prefix).map(|n| frontier(n, &steps, (graph.input, of(graph.input)), &buffers, &plan.offsets));
        let frontiers = frontiers.collect();
        Ok(Program {
            name: graph.name.clone(),
            input_shape: input.shape,
            input_quant: input.quant().ok_or_else(|| LowerError::Graph("the input is no activation".into()))?,
            input: of(graph.input),
            forward,
            classes: graph.head.as_ref().map_or(0, |h| h.classes),
            logits: logits.map(at),
            outputs: graph.outputs.iter().map(|t| of(*t)).collect(),
            consts: memory.consts,
            states: memory.states,
            arena_bytes: plan.total,
            state_bytes: memory.bytes,
            buffers: blocks
                .iter()
                .zip(&buffers)
                .zip(&plan.offsets)
                .map(|((b, buffer), &offset)| Placed { label: b.label.clone(), buffer: *buffer, offset })
                .collect(),
            prefix,
            frontiers,
            plan,
            residual_bits: options.residual_bits,
            seed: graph.head.as_ref().map_or(0, |h| h.seed),
            steps,
        })
    }
}

fn update(a: Arg) -> Arg {
    match a {
        Arg::Read(s) => Arg::Update(s),
        other => other,
    }
}

/// How many first steps read no state and make no mask.
fn prefix(graph: &Graph, forward: &[Step]) -> usize {
    let touches_state = |s: &Step| s.args.iter().any(|a| a.slot().is_some_and(|s| s.region == Region::State));
    let makes_mask = |s: &Step| s.finished.iter().any(|(t, _)| graph.tensor(*t).kind == Kind::Mask);
    forward.iter().position(|s| touches_state(s) || makes_mask(s)).unwrap_or(0)
}

/// The tensors in buffers that live across the end of the first `n` steps: of several that shared a buffer, the one made last.
fn frontier(n: usize, steps: &[Step], input: (TensorId, Slot), buffers: &[Buffer], offsets: &[u32]) -> Frontier {
    let live = |offset: u32, at: u32| {
        let across = |b: &Buffer| b.start <= at && (b.start as usize) < n.max(1) && b.end as usize > n;
        buffers.iter().zip(offsets).any(|(b, &o)| o == offset && across(b) && at < b.end)
    };
    let mut latest: BTreeMap<u32, (TensorId, Slot)> = BTreeMap::new();
    let made = steps[..n].iter().enumerate().flat_map(|(i, s)| s.finished.iter().map(move |f| (i as u32, *f)));
    for (at, (t, slot)) in std::iter::once((0, input)).chain(made) {
        if slot.bytes > 0 && live(slot.offset, at) {
            latest.insert(slot.offset, (t, slot));
        }
    }
    let mut frontier: Frontier = latest.into_values().collect();
    frontier.sort_unstable_by_key(|(t, _)| *t);
    frontier
}
