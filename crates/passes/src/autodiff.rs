//! Reverse-mode differentiation with respect to integer values.

use std::collections::BTreeMap;
use std::sync::Arc;

use tinytrain_ir::{Graph, IrError, Kind, LayerId, Node, Op, Shape, TensorId, Wrt};
use tinytrain_spec::params::PoolParams;

/// Most products in one sum of a trained convolution: with any int8 input, weights down to -128 and a bias below 2^23, the accumulator fits int32.
const MAX_TAPS: i32 = 65_500;

pub fn run(graph: &Graph) -> Result<Graph, IrError> {
    let mut d = Differentiator { g: graph.clone(), contributions: BTreeMap::new(), nodes: Vec::new() };
    for n in (0..graph.nodes.len()).rev() {
        d.node(n)?;
    }
    d.g.nodes.append(&mut d.nodes);
    Ok(d.g)
}

struct Differentiator {
    g: Graph,
    /// The gradients of each tensor so far, one per use, in reverse order of execution.
    contributions: BTreeMap<TensorId, Vec<TensorId>>,
    nodes: Vec<Node>,
}

impl Differentiator {
    fn node(&mut self, n: usize) -> Result<(), IrError> {
        let node = self.g.nodes[n].clone();
        if node.op == Op::Head {
            self.head(&node);
            return Ok(());
        }
        let Some(g) = self.total(node.outputs[0]) else { return Ok(()) };
        let x = node.inputs[0];
        match &node.op {
            Op::Conv(l) => self.conv(n, *l, g)?,
            Op::Add(_, ratios) => {
                let mask = self.mask(n);
                // The later use first: contributions are in reverse order of execution.
                for i in [1, 0] {
                    self.contribute(Op::GradScale { ratio: ratios[i], repeat: 1 }, &[g, mask], node.inputs[i]);
                }
            }
            Op::AveragePool(p) => {
                let mask = self.mask(n);
                self.contribute(Op::AveragePoolGrad(PoolParams { shift: 0, ..*p }), &[g, mask], x);
            }
            Op::MaxPool(p) => {
                let mask = self.mask(n);
                self.contribute(Op::MaxPoolGrad(PoolParams { shift: 0, ..*p }), &[g, mask, x], x);
            }
            Op::Mean(p, ratio) => {
                let mask = self.mask(n);
                self.contribute(Op::GradScale { ratio: *ratio, repeat: p.pixels as usize }, &[g, mask], x);
            }
            Op::Requantize(_, ratio) => {
                let mask = self.mask(n);
                self.contribute(Op::GradScale { ratio: *ratio, repeat: 1 }, &[g, mask], x);
            }
            Op::Mul(p, ratio) => {
                let mask = self.mask(n);
                let other = node.inputs[1];
                self.contribute(Op::MulSum(*p, *ratio), &[g, mask, x], other);
                self.contribute(Op::MulGrad(*p, *ratio), &[g, mask, other], x);
            }
            Op::Move(m) if m.repeats => {
                // Every box reads all of the input: as many contributions, in the order of the boxes.
                for moved in &m.boxes {
                    self.contribute(Op::MoveGrad(Arc::new(m.reversed(std::slice::from_ref(moved)))), &[g], x);
                }
            }
            Op::Move(m) => self.contribute(Op::MoveGrad(Arc::new(m.reversed(&m.boxes))), &[g], x),
            Op::ResizeBilinear(p) => self.contribute(Op::ResizeBilinearGrad(*p), &[g], x),
            Op::Lookup(l) => self.contribute(Op::LookupGrad(l.clone()), &[g, x], x),
            Op::Pad { top, left } => self.contribute(Op::GradCrop { at: [*top, *left, 0] }, &[g], x),
            Op::Concat(axis) => self.concat(*axis, g, &node.inputs),
            Op::Reshape => self.contribute(Op::GradReshape, &[g], x),
            other => {
                return Err(IrError::Unsupported {
                    place: format!("operator {}", node.origin.op.unwrap_or(n)),
                    what: format!(
                        "{} inside a model that is to be trained; it is supported only as the last operator",
                        other.name()
                    ),
                });
            }
        }
        Ok(())
    }

    fn head(&mut self, node: &Node) {
        let (features, error) = (node.inputs[0], node.outputs[0]);
        self.contribute(Op::HeadInputGrad, &[error], features);
        self.emit(Op::HeadUpdate, &[error, features], None);
    }

    fn conv(&mut self, n: usize, l: LayerId, g: TensorId) -> Result<(), IrError> {
        let (x, layer) = (self.g.nodes[n].inputs[0], self.g.layer(l));
        let taps = layer.geo.kh * layer.geo.kw * if layer.depthwise { 1 } else { layer.geo.in_c };
        if taps > MAX_TAPS {
            return Err(IrError::Unsupported {
                place: format!("convolution {}", l.0),
                what: format!("training sums of {taps} products; at most {MAX_TAPS} fit into 32 bits"),
            });
        }
        let (weights, biases) = (layer.weights.len(), layer.bias.len());
        let mask = self.mask(n);
        let shape = self.g.tensor(g).shape;
        let acc = self.g.push_tensor(format!("grad acc {}", l.0), shape, Kind::Gradient(Wrt::Acc(l)));
        self.emit(Op::ConvAccGrad(l), &[g, mask], Some(acc));
        self.contribute(Op::ConvInputGrad(l), &[acc], x);
        let gw = self.sums(format!("grad weights {}", l.0), weights);
        self.emit(Op::ConvWeightGrad(l), &[acc, x], Some(gw));
        self.emit(Op::WeightUpdate(l), &[gw], None);
        let gb = self.sums(format!("grad bias {}", l.0), biases);
        self.emit(Op::ConvBiasGrad(l), &[acc], Some(gb));
        self.emit(Op::BiasUpdate(l), &[gb], None);
        Ok(())
    }

    fn sums(&mut self, name: String, n: usize) -> TensorId {
        self.g.push_tensor(name, Shape::new(1, 1, n), Kind::Sums)
    }

    fn concat(&mut self, axis: usize, g: TensorId, inputs: &[TensorId]) {
        let mut starts = Vec::new();
        let mut at = [0usize; 3];
        for x in inputs {
            starts.push((*x, at));
            let s = self.g.tensor(*x).shape;
            at[axis] += [s.h, s.w, s.c][axis];
        }
        for (x, at) in starts.into_iter().rev() {
            self.contribute(Op::GradCrop { at }, &[g], x);
        }
    }

    /// The mask of a node's output, created on first use.
    fn mask(&mut self, n: usize) -> TensorId {
        if let Some(&m) = self.g.nodes[n].outputs.get(1) {
            return m;
        }
        let y = self.g.nodes[n].outputs[0];
        let shape = self.g.tensor(y).shape;
        let m = self.g.push_tensor(format!("mask {n}"), shape, Kind::Mask);
        self.g.nodes[n].outputs.push(m);
        m
    }

    fn emit(&mut self, op: Op, inputs: &[TensorId], output: Option<TensorId>) {
        self.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            outputs: output.into_iter().collect(),
            origin: Default::default(),
        });
    }

    /// Adds a node that yields a gradient of `t`, unless `t` is the model's input, whose gradient nobody needs.
    fn contribute(&mut self, op: Op, inputs: &[TensorId], t: TensorId) {
        if t == self.g.input {
            return;
        }
        let g = self.gradient(t);
        self.emit(op, inputs, Some(g));
        self.contributions.entry(t).or_default().push(g);
    }

    fn gradient(&mut self, t: TensorId) -> TensorId {
        let shape = self.g.tensor(t).shape;
        self.g.push_tensor(format!("grad {}", self.g.tensor(t).name), shape, Kind::Gradient(Wrt::Value(t)))
    }

    /// The gradient of `t`: the sum of its contributions.
    fn total(&mut self, t: TensorId) -> Option<TensorId> {
        let parts = self.contributions.remove(&t)?;
        parts.into_iter().reduce(|sum, part| {
            let g = self.gradient(t);
            self.emit(Op::GradSum, &[sum, part], Some(g));
            g
        })
    }
}
