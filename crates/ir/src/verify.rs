//! The rules that hold for every graph, whichever pass created it.

use std::ops::RangeInclusive;

use crate::{Graph, Kind, Layer, LayerId, Node, Op, Shape, Tensor, TensorId, Wrt};

/// The kind of tensor required for an operand of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Activation,
    Mask,
    /// A gradient with respect to a tensor's values.
    Gradient,
    /// A gradient with respect to the accumulators of the node's own layer.
    Accumulators,
    Error,
    Sums,
}

impl Form {
    fn fits(self, kind: &Kind, layer: Option<LayerId>) -> bool {
        match (self, kind) {
            (Self::Activation, Kind::Activation(_))
            | (Self::Mask, Kind::Mask)
            | (Self::Gradient, Kind::Gradient(Wrt::Value(_)))
            | (Self::Error, Kind::Error)
            | (Self::Sums, Kind::Sums) => true,
            (Self::Accumulators, Kind::Gradient(Wrt::Acc(l))) => Some(*l) == layer,
            _ => false,
        }
    }
}

/// The operands of an op.
struct Signature {
    inputs: &'static [Form],
    outputs: &'static [Form],
    /// Further inputs like the last one.
    variadic: bool,
    /// Whether a mask may be a second output.
    masked: bool,
}

impl Signature {
    fn counts(&self) -> (RangeInclusive<usize>, RangeInclusive<usize>) {
        let most = if self.variadic { usize::MAX } else { self.inputs.len() };
        (self.inputs.len()..=most, self.outputs.len()..=self.outputs.len() + self.masked as usize)
    }
}

fn signature(op: &Op) -> Signature {
    use Form::*;
    let plain = |inputs, outputs| Signature { inputs, outputs, variadic: false, masked: false };
    let forward = |inputs| Signature { masked: true, ..plain(inputs, &[Activation]) };
    match op {
        Op::Conv(_) | Op::AveragePool(_) | Op::MaxPool(_) | Op::Mean(..) | Op::Requantize(..) => forward(&[Activation]),
        Op::Add(..) | Op::Mul(..) => forward(&[Activation, Activation]),
        Op::Pad { .. } | Op::Reshape | Op::Softmax(_) | Op::Lookup(_) | Op::Move(_) => {
            plain(&[Activation], &[Activation])
        }
        Op::Concat(_) => Signature { variadic: true, ..plain(&[Activation], &[Activation]) },
        Op::Head => plain(&[Activation], &[Error]),
        Op::HeadInputGrad => plain(&[Error], &[Gradient]),
        Op::HeadUpdate => plain(&[Error, Activation], &[]),
        Op::ConvAccGrad(_) => plain(&[Gradient, Mask], &[Accumulators]),
        Op::ConvInputGrad(_) => plain(&[Accumulators], &[Gradient]),
        Op::ConvWeightGrad(_) => plain(&[Accumulators, Activation], &[Sums]),
        Op::ConvBiasGrad(_) => plain(&[Accumulators], &[Sums]),
        Op::WeightUpdate(_) | Op::BiasUpdate(_) => plain(&[Sums], &[]),
        Op::ConvWeightStep(_) => plain(&[Accumulators, Activation], &[]),
        Op::ConvBiasStep(_) => plain(&[Accumulators], &[]),
        Op::GradScale { .. } | Op::AveragePoolGrad(_) => plain(&[Gradient, Mask], &[Gradient]),
        Op::GradSum => plain(&[Gradient, Gradient], &[Gradient]),
        Op::LookupGrad(_) => plain(&[Gradient, Activation], &[Gradient]),
        Op::MaxPoolGrad(_) => plain(&[Gradient, Mask, Activation], &[Gradient]),
        Op::MulGrad(..) | Op::MulSum(..) => plain(&[Gradient, Mask, Activation], &[Gradient]),
        Op::GradCrop { .. } | Op::GradReshape | Op::MoveGrad(_) => plain(&[Gradient], &[Gradient]),
    }
}

/// State that must no longer be read because an update has changed it.
#[derive(Default)]
struct Changed {
    layers: Vec<bool>,
    head: bool,
    backward: bool,
}

impl Graph {
    /// Checks that every tensor is written once and before it is read, that number, kinds and shapes of operands match each op, that the forward
    /// pass comes first, and that weights are read before they are updated. `pass` is named in the error.
    pub fn verify(&self, pass: &str) -> Result<(), crate::IrError> {
        self.check().map_err(|what| crate::IrError::Broken { pass: pass.into(), what })
    }

    fn check(&self) -> Result<(), String> {
        let mut written = vec![false; self.tensors.len()];
        *written.get_mut(self.input.index()).ok_or("the input is a tensor that does not exist")? = true;
        for (index, layer) in self.layers.iter().enumerate() {
            layer.check().map_err(|what| format!("layer {index}: {what}"))?;
        }
        let mut changed = Changed { layers: vec![false; self.layers.len()], ..Changed::default() };
        for (n, node) in self.nodes.iter().enumerate() {
            let at = |what: String| format!("node {n} ({}) {what}", node.op.name());
            self.check_tensors(node, &mut written).map_err(at)?;
            self.check_order(node, &mut changed).map_err(at)?;
            self.check_signature(node).map_err(at)?;
            self.check_shapes(node).map_err(at)?;
        }
        match self.outputs.iter().find(|t| written.get(t.index()) != Some(&true)) {
            Some(t) => Err(format!("output %{} is never written", t.0)),
            None => Ok(()),
        }
    }

    fn check_tensors(&self, node: &Node, written: &mut [bool]) -> Result<(), String> {
        for t in &node.inputs {
            match written.get(t.index()) {
                Some(true) => {}
                Some(false) => return Err(format!("reads {} before it is written", self.tensor(*t).name)),
                None => return Err("reads a tensor that does not exist".into()),
            }
        }
        for t in &node.outputs {
            match written.get_mut(t.index()) {
                Some(w) if !*w => *w = true,
                Some(_) => return Err(format!("writes {} a second time", self.tensor(*t).name)),
                None => return Err("writes a tensor that does not exist".into()),
            }
        }
        Ok(())
    }

    fn check_order(&self, node: &Node, changed: &mut Changed) -> Result<(), String> {
        if node.op.is_forward() && changed.backward {
            return Err("belongs to the forward pass and comes after the backward pass".into());
        }
        changed.backward |= !node.op.is_forward();
        match node.op {
            Op::HeadInputGrad if changed.head => return Err("reads the head's weights after their update".into()),
            Op::HeadUpdate => changed.head = true,
            _ => {}
        }
        let Some(l) = node.op.layer() else { return Ok(()) };
        let weights = changed.layers.get_mut(l.index());
        let weights = weights.ok_or_else(|| format!("names layer {} of {}", l.0, self.layers.len()))?;
        match node.op {
            Op::ConvInputGrad(_) if *weights => return Err("reads weights after their update".into()),
            Op::WeightUpdate(_) | Op::ConvWeightStep(_) => *weights = true,
            _ => {}
        }
        Ok(())
    }

    fn check_signature(&self, node: &Node) -> Result<(), String> {
        let signature = signature(&node.op);
        let (inputs, outputs) = signature.counts();
        if !inputs.contains(&node.inputs.len()) || !outputs.contains(&node.outputs.len()) {
            return Err(format!("has {} inputs and {} outputs", node.inputs.len(), node.outputs.len()));
        }
        let last = signature.inputs.last();
        let wanted = signature.inputs.iter().chain(std::iter::repeat(last.unwrap_or(&Form::Activation)));
        let yielded = signature.outputs.iter().chain([&Form::Mask]);
        for (t, form) in node.inputs.iter().zip(wanted).chain(node.outputs.iter().zip(yielded)) {
            let Tensor { name, kind, .. } = self.tensor(*t);
            if !form.fits(kind, node.op.layer()) {
                return Err(format!("has {name} where its kind is {form:?}"));
            }
        }
        Ok(())
    }

    fn check_shapes(&self, node: &Node) -> Result<(), String> {
        let shape = |t: TensorId| self.tensor(t).shape;
        let x = |i: usize| shape(node.inputs[i]);
        let y = || shape(node.outputs[0]);
        if let [y, mask] = node.outputs[..] {
            equal(shape(y), shape(mask))?;
        }
        match &node.op {
            Op::Conv(l) => {
                equal(x(0), self.layer(*l).input())?;
                equal(y(), self.layer(*l).output())
            }
            Op::Add(..) => {
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::Requantize(..) | Op::Softmax(_) | Op::Lookup(_) => equal(x(0), y()),
            Op::AveragePool(p) | Op::MaxPool(p) => {
                equal(x(0), sizes(p.in_h, p.in_w, p.c))?;
                equal(y(), sizes(p.out_h, p.out_w, p.c))
            }
            Op::Mean(p, _) => {
                require(x(0).pixels() == p.pixels as usize, "takes the mean of another number of pixels")?;
                equal(y(), Shape::new(1, 1, x(0).c))
            }
            Op::Pad { top, left } => inside(x(0), [*top, *left, 0], y()),
            Op::Mul(p, _) => {
                equal(x(0), y())?;
                require(x(0).len() == p.n as usize && x(1).len() == p.c as usize, "multiplies other shapes")
            }
            Op::MulGrad(p, _) => {
                equal(x(0), x(1))?;
                equal(x(0), y())?;
                require(x(0).len() == p.n as usize && x(2).len() == p.c as usize, "multiplies other shapes")
            }
            Op::MulSum(p, _) => {
                equal(x(0), x(1))?;
                equal(x(0), x(2))?;
                require(x(0).len() == p.n as usize && y().len() == p.c as usize, "multiplies other shapes")
            }
            Op::Move(m) | Op::MoveGrad(m) => m.check(x(0), y()),
            Op::Concat(axis) => self.check_concat(node, *axis),
            Op::Reshape | Op::GradReshape => require(x(0).len() == y().len(), "changes the number of elements"),
            Op::Head => {
                let head = self.head.as_ref().ok_or("stands in a graph without a head")?;
                require(node.inputs[0] == head.features, "reads something else than the features")?;
                equal(y(), Shape::new(1, 1, head.classes))
            }
            Op::HeadInputGrad => {
                let head = self.head.as_ref().ok_or("stands in a graph without a head")?;
                equal(y(), shape(head.features))
            }
            Op::HeadUpdate => Ok(()),
            Op::ConvAccGrad(l) => {
                equal(x(0), x(1))?;
                equal(x(0), y())?;
                equal(y(), self.layer(*l).output())
            }
            Op::LookupGrad(_) => {
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::ConvInputGrad(l) => equal(y(), self.layer(*l).input()),
            Op::ConvWeightGrad(l) => self.check_sums(y(), self.layer(*l).updated_weights()),
            Op::ConvBiasGrad(l) => self.check_sums(y(), self.layer(*l).bias.len()),
            Op::WeightUpdate(l) => self.check_sums(x(0), self.layer(*l).updated_weights()),
            Op::BiasUpdate(l) => self.check_sums(x(0), self.layer(*l).bias.len()),
            Op::ConvWeightStep(l) => equal(x(1), self.layer(*l).input()),
            Op::ConvBiasStep(_) => Ok(()),
            Op::GradScale { repeat, .. } => {
                equal(x(0), x(1))?;
                require(x(0).len() * repeat == y().len(), "yields another number of elements than it repeats")
            }
            Op::GradSum => {
                let kind = |t: TensorId| &self.tensor(t).kind;
                let alike = node.inputs.iter().all(|&t| kind(t) == kind(node.outputs[0]));
                require(alike, "adds gradients of different tensors")?;
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::AveragePoolGrad(p) | Op::MaxPoolGrad(p) => {
                equal(x(0), sizes(p.out_h, p.out_w, p.c))?;
                equal(x(0), x(1))?;
                equal(y(), sizes(p.in_h, p.in_w, p.c))?;
                node.inputs.get(2).map_or(Ok(()), |x| equal(shape(*x), y()))
            }
            Op::GradCrop { at } => inside(y(), *at, x(0)),
        }
    }

    fn check_concat(&self, node: &Node, axis: usize) -> Result<(), String> {
        let dims = |t: &TensorId| {
            let s = self.tensor(*t).shape;
            [s.h, s.w, s.c]
        };
        require(axis < 3, "joins along an axis that there is not")?;
        let y = dims(&node.outputs[0]);
        let others = |x: [usize; 3]| (0..3).all(|a| a == axis || x[a] == y[a]);
        require(node.inputs.iter().map(dims).all(others), "joins shapes that differ beside its axis")?;
        require(
            node.inputs.iter().map(|t| dims(t)[axis]).sum::<usize>() == y[axis],
            "yields another length than it joins",
        )
    }

    fn check_sums(&self, found: Shape, wanted: usize) -> Result<(), String> {
        require(found.len() == wanted, "has sums that are not one for each value it updates")
    }
}

impl Layer {
    fn check(&self) -> Result<(), String> {
        let channels = &self.training.channels;
        require(
            self.geo.trained as usize == channels.len(),
            "the number of trained channels is not that of their list",
        )?;
        require(channels.is_sorted_by(|a, b| a < b), "the trained channels are not in ascending order")?;
        require(channels.last().is_none_or(|&c| (c as usize) < self.selectable()), "a trained channel does not exist")
    }

    fn input(&self) -> Shape {
        sizes(self.geo.in_h, self.geo.in_w, self.geo.in_c)
    }

    fn output(&self) -> Shape {
        sizes(self.geo.out_h, self.geo.out_w, self.geo.out_c)
    }

    /// Weights that an update changes: of the trained channels once a scheme is chosen, all of them before.
    fn updated_weights(&self) -> usize {
        match self.training.channels.len() {
            0 => self.weights.len(),
            n => n * self.weights_per_channel(),
        }
    }
}

fn sizes(h: i32, w: i32, c: i32) -> Shape {
    Shape::new(h as usize, w as usize, c as usize)
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn equal(a: Shape, b: Shape) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("has shapes {a} and {b} that differ")) }
}

/// Checks that a box of the shape `part` at `at` lies inside `whole`.
fn inside(part: Shape, at: [usize; 3], whole: Shape) -> Result<(), String> {
    let ends = [(part.h, whole.h), (part.w, whole.w), (part.c, whole.c)];
    let fits = ends.iter().zip(at).all(|((n, all), start)| start + n <= *all);
    if fits { Ok(()) } else { Err(format!("has a box of {part} that leaves {whole}")) }
}
