//! The backward pass in float64, without quantisation and in a fixed order. It calibrates the exponents, and tests compare the integer backward pass
//! with it. It depends on no kernel and no processor.

use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Kind, Layer, Op, TensorId, Wrt};
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, exp2i};
use tinytrain_spec::params::PoolParams;

/// The values of a forward pass that a backward pass needs.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Activations in integer units.
    pub activations: BTreeMap<TensorId, Vec<f64>>,
    /// Masks: true where an element was not clamped.
    pub masks: BTreeMap<TensorId, Vec<bool>>,
    /// The head's weights, class-major.
    pub head: Vec<f64>,
    /// The head's error, one per class; gradients are in the same unit.
    pub error: Vec<f64>,
    /// Weights that differ from the imported ones, by layer.
    pub weights: BTreeMap<usize, Vec<f64>>,
}

/// The gradients that the graph's backward nodes yield, including the sums for weights and biases.
pub fn backward(graph: &Graph, values: &Values) -> BTreeMap<TensorId, Vec<f64>> {
    let mut grads: BTreeMap<TensorId, Vec<f64>> = BTreeMap::new();
    for node in graph.nodes.iter().filter(|n| !n.op.is_forward() && !n.outputs.is_empty()) {
        tinytrain_stop::check();
        let y = gradient(graph, values, &grads, &node.op, &node.inputs, node.outputs[0]);
        grads.insert(node.outputs[0], y);
    }
    grads
}

fn gradient(
    graph: &Graph,
    values: &Values,
    grads: &BTreeMap<TensorId, Vec<f64>>,
    op: &Op,
    inputs: &[TensorId],
    output: TensorId,
) -> Vec<f64> {
    let g = || &grads[&inputs[0]];
    let mask = || &values.masks[&inputs[1]];
    let shape = graph.tensor(output).shape;
    match op {
        Op::HeadInputGrad => {
            let scale = graph.head.as_ref().map_or(0.0, |h| h.quant.scale) * exp2i(-HEAD_FRACTION_BITS);
            let sum = |f: usize| -> f64 {
                values.error.iter().enumerate().map(|(c, e)| values.head[c * shape.c + f] * e).sum()
            };
            (0..shape.c).map(|f| sum(f) * scale).collect()
        }
        Op::ConvAccGrad(l) => {
            let layer = graph.layer(*l);
            let m: Vec<f64> = layer.requant.iter().map(|r| r.scale()).collect();
            g().iter().zip(mask()).enumerate().map(|(i, (g, &on))| if on { g * m[i % m.len()] } else { 0.0 }).collect()
        }
        Op::ConvInputGrad(l) => conv_input(graph.layer(*l), &weights(graph, values, l.index()), g()),
        Op::ConvWeightGrad(l) => conv_weights(graph.layer(*l), g(), &values.activations[&inputs[1]]),
        Op::ConvBiasGrad(l) => {
            let mut sums = vec![0.0; graph.layer(*l).bias.len()];
            let n = sums.len();
            g().iter().enumerate().for_each(|(i, g)| sums[i % n] += g);
            sums
        }
        Op::GradScale { ratio, repeat } => {
            let one: Vec<f64> = g().iter().zip(mask()).map(|(g, &on)| if on { g * ratio } else { 0.0 }).collect();
            one.repeat(*repeat)
        }
        Op::GradSum => g().iter().zip(&grads[&inputs[1]]).map(|(a, b)| a + b).collect(),
        Op::LookupGrad(l) => {
            let unit = exp2i(-tinytrain_ir::Lookup::SLOPE_BITS);
            // Activations are whole; between two, for tests that move them by less, slopes run straight.
            let slope = |x: f64| {
                let (at, part) = ((x + 128.0) as usize, (x + 128.0).fract());
                let [low, high] = [at, (at + 1).min(255)].map(|i| f64::from(l.slope[i]));
                (low + (high - low) * part) * unit
            };
            g().iter().zip(&values.activations[&inputs[1]]).map(|(g, &x)| g * slope(x)).collect()
        }
        Op::MulGrad(p, ratio) => {
            let (other, zero) = (&values.activations[&inputs[2]], f64::from(p.b_zero));
            let by = |i: usize| (other[i % other.len()] - zero) * ratio;
            g().iter().zip(mask()).enumerate().map(|(i, (g, &on))| if on { g * by(i) } else { 0.0 }).collect()
        }
        Op::MulSum(p, ratio) => {
            let (other, zero) = (&values.activations[&inputs[2]], f64::from(p.a_zero));
            let mut sums = vec![0.0; shape.len()];
            let n = sums.len();
            for (i, (g, _)) in g().iter().zip(mask()).enumerate().filter(|(_, (_, on))| **on) {
                sums[i % n] += g * (other[i] - zero) * ratio;
            }
            sums
        }
        Op::MoveGrad(m) => {
            let g = g();
            let mut out = vec![0.0; shape.len()];
            for b in &m.boxes {
                for (i, j, k) in
                    (0..b.size.h).flat_map(|i| (0..b.size.w).flat_map(move |j| (0..b.size.c).map(move |k| (i, j, k))))
                {
                    out[b.to.first + i * b.to.row + j * b.to.column + k] =
                        g[b.from.first + i * b.from.row + j * b.from.column + k];
                }
            }
            out
        }
        Op::AveragePoolGrad(p) => {
            let (g, mask) = (g(), mask());
            scatter(p, |window, to| {
                let share = g[window.output] / window.inputs.len() as f64;
                if mask[window.output] {
                    window.inputs.iter().for_each(|&i| to[i] += share);
                }
            })
        }
        Op::MaxPoolGrad(p) => {
            let (g, mask, x) = (g(), mask(), &values.activations[&inputs[2]]);
            scatter(p, |window, to| {
                let first = window.inputs.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a });
                if let (true, Some(i)) = (mask[window.output], first) {
                    to[i] += g[window.output];
                }
            })
        }
        Op::ResizeBilinearGrad(p) => {
            let ([rows, columns], c, g) = (p.axes(), shape.c, g());
            let mut gx = vec![0.0; shape.len()];
            for (at, g) in g.chunks(c).enumerate().map(|(at, g)| (at as i32, g)) {
                for (iy, wy) in rows.parts(at / p.out_w) {
                    for (ix, wx) in columns.parts(at % p.out_w) {
                        let weight = f64::from(wy * wx) * exp2i(-20);
                        let to = &mut gx[(iy * shape.w + ix) * c..][..c];
                        to.iter_mut().zip(g).for_each(|(to, g)| *to += g * weight);
                    }
                }
            }
            gx
        }
        Op::GradCrop { at } => {
            let from = graph.tensor(inputs[0]).shape;
            let g = g();
            let mut out = Vec::with_capacity(shape.len());
            for i in 0..shape.h {
                for j in 0..shape.w {
                    let start = ((i + at[0]) * from.w + j + at[1]) * from.c + at[2];
                    out.extend_from_slice(&g[start..start + shape.c]);
                }
            }
            out
        }
        Op::GradReshape => g().clone(),
        other => unreachable!("{} yields no gradient", other.name()),
    }
}

fn weights(graph: &Graph, values: &Values, layer: usize) -> Vec<f64> {
    match values.weights.get(&layer) {
        Some(w) => w.clone(),
        None => graph.layers[layer].weights.iter().map(|&w| w as f64).collect(),
    }
}

/// Calls `f(output, input, weight)` with flat indices for every product of a convolution.
fn products(layer: &Layer, mut f: impl FnMut(usize, usize, usize)) {
    let p = &layer.geo;
    let [ih, iw, ic] = [p.in_h, p.in_w, p.in_c].map(|v| v as usize);
    let [oh, ow, oc, kh, kw] = [p.out_h, p.out_w, p.out_c, p.kh, p.kw].map(|v| v as usize);
    for oy in 0..oh {
        tinytrain_stop::check();
        for ox in 0..ow {
            for ky in 0..kh {
                for kx in 0..kw {
                    let y = (oy as i32 * p.stride_h - p.pad_top) + ky as i32;
                    let x = (ox as i32 * p.stride_w - p.pad_left) + kx as i32;
                    if y < 0 || x < 0 || y as usize >= ih || x as usize >= iw {
                        continue;
                    }
                    let (out, inp, tap) = ((oy * ow + ox) * oc, (y as usize * iw + x as usize) * ic, ky * kw + kx);
                    if layer.depthwise {
                        let multiplier = oc / ic;
                        (0..oc).for_each(|o| f(out + o, inp + o / multiplier, tap * oc + o));
                    } else {
                        for o in 0..oc {
                            (0..ic).for_each(|i| f(out + o, inp + i, (o * kh * kw + tap) * ic + i));
                        }
                    }
                }
            }
        }
    }
}

fn conv_input(layer: &Layer, w: &[f64], g: &[f64]) -> Vec<f64> {
    let mut gx = vec![0.0; layer.input_len()];
    products(layer, |o, i, k| gx[i] += g[o] * w[k]);
    gx
}

fn conv_weights(layer: &Layer, g: &[f64], x: &[f64]) -> Vec<f64> {
    let mut gw = vec![0.0; layer.weights.len()];
    let zero = layer.geo.x_zero as f64;
    products(layer, |o, i, k| gw[k] += g[o] * (x[i] - zero));
    gw
}

struct Window {
    output: usize,
    inputs: Vec<usize>,
}

fn scatter(p: &PoolParams, mut f: impl FnMut(&Window, &mut [f64])) -> Vec<f64> {
    let mut gx = vec![0.0; (p.in_h * p.in_w * p.c) as usize];
    let axis = |o: i32, stride: i32, pad: i32, k: i32, n: i32| {
        let start = o * stride - pad;
        start.max(0)..(start + k).min(n)
    };
    for oy in 0..p.out_h {
        tinytrain_stop::check();
        for ox in 0..p.out_w {
            for c in 0..p.c {
                let mut window = Window { output: ((oy * p.out_w + ox) * p.c + c) as usize, inputs: Vec::new() };
                for y in axis(oy, p.stride_h, p.pad_top, p.kh, p.in_h) {
                    for x in axis(ox, p.stride_w, p.pad_left, p.kw, p.in_w) {
                        window.inputs.push(((y * p.in_w + x) * p.c + c) as usize);
                    }
                }
                f(&window, &mut gx);
            }
        }
    }
    gx
}

/// The largest magnitude of each gradient over all its tensors (including contributions to a sum).
pub fn magnitudes(graph: &Graph, grads: &BTreeMap<TensorId, Vec<f64>>) -> BTreeMap<Wrt, f64> {
    let mut largest = BTreeMap::new();
    for (t, g) in grads {
        if let Kind::Gradient(wrt) = graph.tensor(*t).kind {
            let m = largest.entry(wrt).or_insert(0.0f64);
            *m = g.iter().fold(*m, |m, v| m.max(v.abs()));
        }
    }
    largest
}
