//! Gradients of the unrounded graph against finite differences of the unrounded loss.

mod common;

use std::collections::BTreeMap;

use common::{Source, network_with_functions, samples};
use tinytrain_compile::float::{Values, backward};
use tinytrain_ir::{Graph, Op, TensorId};
use tinytrain_passes::differentiate;
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, exp2i};
use tinytrain_spec::params::{PoolParams, ResizeAxis};

const CLASSES: usize = 4;

struct Net<'a> {
    graph: &'a Graph,
    weights: Vec<Vec<f64>>,
    biases: Vec<Vec<f64>>,
    head: Vec<f64>,
}

impl Net<'_> {
    /// The unrounded forward pass: values, masks, and the loss; the error goes into `values.error`.
    fn run(&self, sample: &[i8], label: usize) -> (Values, f64) {
        let mut v = Values { head: self.head.clone(), ..Values::default() };
        v.weights = self.weights.iter().cloned().enumerate().collect();
        v.activations.insert(self.graph.input, sample.iter().map(|&x| x as f64).collect());
        let mut loss = 0.0;
        for node in self.graph.nodes.iter().filter(|n| n.op.is_forward()) {
            let x = |i: usize| v.activations[&node.inputs[i]].clone();
            let (raw, lo, hi) = match &node.op {
                Op::Conv(l) => {
                    let g = &self.graph.layer(*l).geo;
                    (self.conv(l.index(), &x(0)), g.lo, g.hi)
                }
                Op::Add(p, r) => {
                    let sum = |(a, b): (&f64, &f64)| {
                        (a - p.zero1 as f64) * r[0] + (b - p.zero2 as f64) * r[1] + p.y_zero as f64
                    };
                    (x(0).iter().zip(&x(1)).map(sum).collect(), p.lo, p.hi)
                }
                Op::Requantize(p, r) => {
                    (x(0).iter().map(|a| (a - p.x_zero as f64) * r + p.y_zero as f64).collect(), p.lo, p.hi)
                }
                Op::Lookup(l) => {
                    // Slopes run straight between two integers, so the function is their integral.
                    let slope = |i: usize| f64::from(l.slope[i.min(255)]) * exp2i(-tinytrain_ir::Lookup::SLOPE_BITS);
                    let value = |v: &f64| {
                        let (at, part) = ((v + 128.0) as usize, (v + 128.0).fract());
                        let whole = (0..at).map(|i| (slope(i) + slope(i + 1)) / 2.0).sum::<f64>();
                        let rest = part * slope(at) + part * part / 2.0 * (slope(at + 1) - slope(at));
                        f64::from(l.table[0]) + whole + rest
                    };
                    // The table has the bounds of int8 already; near them its slopes are next to nothing.
                    (x(0).iter().map(value).collect(), i32::MIN, i32::MAX)
                }
                Op::Mul(p, r) => {
                    let (a, b) = (x(0), x(1));
                    let of = |(i, a): (usize, &f64)| {
                        (a - p.a_zero as f64) * (b[i % b.len()] - p.b_zero as f64) * r + p.y_zero as f64
                    };
                    (a.iter().enumerate().map(of).collect(), p.lo, p.hi)
                }
                Op::Move(m) => {
                    let (from, zero) = (x(0), self.graph.tensor(node.outputs[0]).quant().unwrap().zero);
                    let mut y = vec![f64::from(zero); self.graph.tensor(node.outputs[0]).shape.len()];
                    for b in &m.boxes {
                        for i in 0..b.size.len() {
                            let [h, w, c] = [i / b.size.c / b.size.w, i / b.size.c % b.size.w, i % b.size.c];
                            y[b.to.first + h * b.to.row + w * b.to.column + c] =
                                from[b.from.first + h * b.from.row + w * b.from.column + c];
                        }
                    }
                    (y, -128, 127)
                }
                Op::ResizeBilinear(p) => {
                    let ([rows, columns], c, x) = (p.axes(), p.c as usize, x(0));
                    let y = (0..p.outputs() as usize).map(|n| {
                        let [oy, ox] = [n / c / p.out_w as usize, n / c % p.out_w as usize];
                        let at = |a: ResizeAxis, o: usize| f64::from(a.at(o as i32)) / 1024.0;
                        let (v, h) = (at(rows, oy), at(columns, ox));
                        // Straight lines between the pixels around the place, first along the rows.
                        let line = |from: f64, to: f64, part: f64| from + (to - from) * part;
                        let pixel = |y: f64, x_: f64| x[(y as usize * p.in_w as usize + x_ as usize) * c + n % c];
                        let row = |y: f64| line(pixel(y, h.floor()), pixel(y, h.ceil()), h.fract());
                        line(row(v.floor()), row(v.ceil()), v.fract())
                    });
                    (y.collect(), -128, 127)
                }
                Op::Mean(p, r) => {
                    let c = p.c as usize;
                    let mut y = vec![p.y_zero as f64; c];
                    x(0).iter().enumerate().for_each(|(i, a)| y[i % c] += (a - p.x_zero as f64) * r);
                    (y, p.lo, p.hi)
                }
                Op::AveragePool(p) => (pool(p, &x(0), false), p.lo, p.hi),
                Op::MaxPool(p) => (pool(p, &x(0), true), p.lo, p.hi),
                Op::Concat(2) => {
                    let (a, b) = (x(0), x(1));
                    let (ca, cb) =
                        (self.graph.tensor(node.inputs[0]).shape.c, self.graph.tensor(node.inputs[1]).shape.c);
                    let rows = a.chunks(ca).zip(b.chunks(cb));
                    (rows.flat_map(|(a, b)| [a, b].concat()).collect(), -128, 127)
                }
                Op::Head => {
                    (v.error, loss) = self.loss(&x(0), label);
                    continue;
                }
                other => panic!("{} does not occur in the test networks", other.name()),
            };
            let clamp = |a: &f64| a.clamp(lo as f64, hi as f64);
            if let Some(mask) = node.outputs.get(1) {
                v.masks.insert(*mask, raw.iter().map(|a| clamp(a) == *a).collect());
            }
            v.activations.insert(node.outputs[0], raw.iter().map(clamp).collect());
        }
        (v, loss)
    }

    fn conv(&self, index: usize, x: &[f64]) -> Vec<f64> {
        let layer = &self.graph.layers[index];
        let p = &layer.geo;
        let mut y = Vec::new();
        for oy in 0..p.out_h {
            for ox in 0..p.out_w {
                for o in 0..p.out_c {
                    let mut acc = self.biases[index][o as usize];
                    for ky in 0..p.kh {
                        for kx in 0..p.kw {
                            let (iy, ix) = (oy * p.stride_h - p.pad_top + ky, ox * p.stride_w - p.pad_left + kx);
                            if iy < 0 || ix < 0 || iy >= p.in_h || ix >= p.in_w {
                                continue;
                            }
                            let at = (iy * p.in_w + ix) * p.in_c;
                            let tap = ky * p.kw + kx;
                            let channels = if layer.depthwise {
                                let i = o / (p.out_c / p.in_c);
                                vec![(i, tap * p.out_c + o)]
                            } else {
                                (0..p.in_c).map(|i| (i, (o * p.kh * p.kw + tap) * p.in_c + i)).collect()
                            };
                            for (i, w) in channels {
                                acc += (x[(at + i) as usize] - p.x_zero as f64) * self.weights[index][w as usize];
                            }
                        }
                    }
                    y.push(acc * layer.requant[o as usize].scale() + p.y_zero as f64);
                }
            }
        }
        y
    }

    fn loss(&self, x: &[f64], label: usize) -> (Vec<f64>, f64) {
        let q = self.graph.head.as_ref().unwrap().quant;
        let unit = q.scale * exp2i(-HEAD_FRACTION_BITS);
        let logit = |c: usize| -> f64 {
            x.iter().enumerate().map(|(f, x)| (x - q.zero as f64) * self.head[c * x_len(self) + f] * unit).sum()
        };
        let logits: Vec<f64> = (0..CLASSES).map(logit).collect();
        let max = logits.iter().cloned().fold(f64::MIN, f64::max);
        let sum: f64 = logits.iter().map(|l| (l - max).exp()).sum();
        let error = (0..CLASSES).map(|c| (logits[c] - max).exp() / sum - (c == label) as u8 as f64).collect();
        (error, sum.ln() + max - logits[label])
    }
}

fn x_len(net: &Net) -> usize {
    net.graph.tensor(net.graph.head.as_ref().unwrap().features).shape.c
}

fn pool(p: &PoolParams, x: &[f64], max: bool) -> Vec<f64> {
    let mut y = Vec::new();
    for oy in 0..p.out_h {
        for ox in 0..p.out_w {
            for c in 0..p.c {
                let mut window = Vec::new();
                for iy in oy * p.stride_h - p.pad_top..oy * p.stride_h - p.pad_top + p.kh {
                    for ix in ox * p.stride_w - p.pad_left..ox * p.stride_w - p.pad_left + p.kw {
                        if iy >= 0 && ix >= 0 && iy < p.in_h && ix < p.in_w {
                            window.push(x[((iy * p.in_w + ix) * p.c + c) as usize]);
                        }
                    }
                }
                y.push(if max {
                    window.iter().cloned().fold(f64::MIN, f64::max)
                } else {
                    window.iter().sum::<f64>() / window.len() as f64
                });
            }
        }
    }
    y
}

#[test]
fn unrounded_gradients_agree_with_finite_differences() {
    let mut checked = 0;
    for seed in 1..=3 {
        let imported = network_with_functions(seed);
        let stages = differentiate(&imported, CLASSES, seed).unwrap();
        let graph = &stages.last().unwrap().graph;
        let (sample, label) = samples(&imported, 1, CLASSES, seed).remove(0);
        let s = &mut Source(seed + 77);
        let features = graph.tensor(graph.head.as_ref().unwrap().features).shape.c;
        let mut net = Net {
            graph,
            weights: graph.layers.iter().map(|l| l.weights.iter().map(|&w| w as f64).collect()).collect(),
            biases: graph.layers.iter().map(|l| l.bias.iter().map(|&b| b as f64).collect()).collect(),
            head: (0..CLASSES * features).map(|_| s.real(-3000.0, 3000.0)).collect(),
        };
        let (values, _) = net.run(&sample, label);
        let grads = backward(graph, &values);
        let sums = |want: &dyn Fn(&Op) -> bool| -> BTreeMap<usize, TensorId> {
            let of = graph.nodes.iter().filter(|n| want(&n.op));
            of.map(|n| (n.op.layer().unwrap().index(), n.outputs[0])).collect()
        };
        let gw = sums(&|op| matches!(op, Op::ConvWeightGrad(_)));
        let gb = sums(&|op| matches!(op, Op::ConvBiasGrad(_)));
        for layer in 0..graph.layers.len() {
            for _ in 0..12 {
                let w = s.next() as usize % net.weights[layer].len();
                let b = s.next() as usize % net.biases[layer].len();
                for (is_bias, index, got) in [(false, w, grads[&gw[&layer]][w]), (true, b, grads[&gb[&layer]][b])] {
                    let eps = if is_bias { 1e-2 } else { 1e-4 };
                    let mut at = |d: f64| {
                        let place = if is_bias { &mut net.biases } else { &mut net.weights };
                        place[layer][index] += d;
                        let loss = net.run(&sample, label).1;
                        let place = if is_bias { &mut net.biases } else { &mut net.weights };
                        place[layer][index] -= d;
                        loss
                    };
                    let want = (at(eps) - at(-eps)) / (2.0 * eps);
                    // The loss has 52 bits: the bits that remain of a difference over 2 eps limit the comparison.
                    let slack = 1e-4 * got.abs() + 4e-15 / eps;
                    assert!(
                        (want - got).abs() <= slack,
                        "seed {seed} layer {layer} bias {is_bias} {index}: {want} {got}"
                    );
                    checked += 1;
                }
            }
        }
    }
    println!("{checked} derivatives agree");
}
