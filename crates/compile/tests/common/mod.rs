//! Small random networks and samples, and what a step on them left behind.
#![allow(dead_code)]

use std::collections::BTreeMap;

use tinytrain_compile::float::Values;
use tinytrain_exec::{Executor, Traced};
use tinytrain_ir::{ConvSpec, Function, Graph, GraphBuilder, Kind, PoolSpec, Quant, Shape, TensorId};
use tinytrain_spec::random::mix;

/// The tensors of a trace, put together from their pieces.
pub fn tensors(trace: Vec<Traced>) -> BTreeMap<TensorId, Vec<i8>> {
    let mut tensors: BTreeMap<TensorId, Vec<i8>> = BTreeMap::new();
    for Traced { tensor, from, bytes } in trace {
        let whole = tensors.entry(TensorId(tensor)).or_default();
        whole.resize(whole.len().max(from + bytes.len()), 0);
        whole[from..from + bytes.len()].copy_from_slice(&bytes);
    }
    tensors
}

/// A seeded source of test values.
pub struct Source(pub u64);

impl Source {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
    pub fn range(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.next() % (hi - lo + 1) as u64) as i64
    }
    pub fn real(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn quant(&mut self) -> Quant {
        Quant { scale: self.real(0.02, 0.06), zero: self.range(-128, 20) as i32 }
    }
}

pub fn conv(
    b: &mut GraphBuilder,
    s: &mut Source,
    x: TensorId,
    depthwise: bool,
    out_c: usize,
    window: PoolSpec,
    y: Quant,
) -> TensorId {
    let in_c = b.shape(x).c;
    let taps = window.kernel[0] * window.kernel[1];
    let fan = taps * if depthwise { 1 } else { in_c };
    let n = fan * out_c;
    let weights: Vec<i8> = (0..n).map(|_| s.range(-127, 127) as i8).collect();
    let x_scale = b.quant(x).scale;
    // Chosen so that outputs spread over the int8 range and some are clamped.
    let w = y.scale * 90.0 / (x_scale * 73.0 * 60.0 * (fan as f64).sqrt());
    let w_scales: Vec<f64> = (0..out_c).map(|_| w * s.real(0.5, 1.5)).collect();
    let bias: Vec<i32> = w_scales.iter().map(|w| (s.real(-40.0, 40.0) * y.scale / (x_scale * w)) as i32).collect();
    let spec =
        ConvSpec { window, depthwise, weights: weights.into(), bias: bias.into(), w_scales, y, bounds: (-128, 127) };
    b.conv(x, spec).unwrap()
}

/// A network with every op that has a gradient: padding, convolutions of several kinds, a residual sum, concatenation, both poolings, requantisation.
pub fn network(seed: u64) -> Graph {
    build(seed, false, None)
}

/// The same with the rarer ops in its middle (LOGISTIC, products, movements, RESIZE_BILINEAR), which make the gradients before it small: for what depends on no size of theirs.
pub fn network_with_functions(seed: u64) -> Graph {
    build(seed, true, None)
}

/// One or the other, with rows of the input that begin at words: it can be fed row by row.
pub fn network_to_feed(seed: u64) -> Graph {
    build(seed, seed.is_multiple_of(2), Some(12))
}

/// A network of operators and bounds that a `.tflite` has words for.
pub fn network_to_write(seed: u64) -> Graph {
    let s = &mut Source(seed * 1000);
    let q = Quant { scale: 0.04, zero: -7 };
    let mut b = GraphBuilder::new("written", Shape::new(8, 10, 3), q, None).unwrap();
    let window = PoolSpec::same(Shape::new(8, 10, 3), [3, 3], [1, 1]);
    let x = b.input();
    let x = conv(&mut b, s, x, false, 8, window, q);
    let d = conv(&mut b, s, x, true, 8, window, q);
    let sum = b.add(x, d, q, (-128, 127)).unwrap();
    let halves = PoolSpec::same(b.shape(sum), [2, 2], [2, 2]);
    let m = b.pool(sum, halves, true, (-128, 127)).unwrap();
    let v = b.pool(sum, halves, false, (-128, 127)).unwrap();
    let x = b.concat(&[m, v], 2).unwrap();
    let x = b.resize_bilinear(x, [6, 7], false, true).unwrap();
    let gate = b.logistic(x, Quant { scale: 1.0 / 256.0, zero: -128 }).unwrap();
    let x = b.mul(x, gate, q, (-128, 127)).unwrap();
    let x = b.function(x, Function::HardSwish, q, (-128, 127)).unwrap();
    let window = PoolSpec::same(b.shape(x), [1, 1], [1, 1]);
    let x = conv(&mut b, s, x, false, 4, window, q);
    let x = b.mean(x, q).unwrap();
    b.finish(vec![x]).unwrap()
}

/// Squeeze and excitation, a product of two maps, and movements that end where they began.
fn excited(b: &mut GraphBuilder, s: &mut Source, x: TensorId) -> TensorId {
    let unit = Quant { scale: 1.0 / 256.0, zero: -128 };
    let x = b.logistic(x, unit).unwrap();
    let small = b.mean(x, Quant { scale: 1.0 / 300.0, zero: -110 }).unwrap();
    let window = PoolSpec::same(b.shape(small), [1, 1], [1, 1]);
    let q = s.quant();
    let gate = conv(b, s, small, false, 8, window, q);
    let gate = b.function(gate, Function::HardSwish, Quant { scale: 0.03, zero: -40 }, (-128, 127)).unwrap();
    let y = b.mul(x, gate, Quant { scale: 0.01, zero: -5 }, (-120, 127)).unwrap();
    let y = b.mul(y, x, Quant { scale: 0.008, zero: 4 }, (-128, 127)).unwrap();
    let shape = b.shape(y);
    let wide = b.enlarge(y, "RESIZE_NEAREST_NEIGHBOR", [2, 2]).unwrap();
    let turned = b.transposed(wide, [1, 0, 2]).unwrap();
    let channels_first = b.transposed(turned, [2, 1, 0]).unwrap();
    let back = b.transposed(channels_first, [1, 2, 0]).unwrap();
    let y = b.slice(back, "STRIDED_SLICE", [1, 0, 0], shape, [2, 2]).unwrap();
    let y = b.resize_bilinear(y, [shape.h + 3, 2 * shape.w], false, true).unwrap();
    let y = b.resize_bilinear(y, [shape.h - 2, 2 * shape.w - 1], true, false).unwrap();
    b.resize_bilinear(y, [shape.h, shape.w], false, false).unwrap()
}

fn build(seed: u64, functions: bool, columns: Option<usize>) -> Graph {
    let s = &mut Source(seed * 1000);
    let (h, w) = (s.range(9, 12) as usize, s.range(9, 12) as usize);
    let w = columns.unwrap_or(w);
    let mut b = GraphBuilder::new("random", Shape::new(h, w, 3), Quant { scale: 1.0 / 127.5, zero: 0 }, None).unwrap();
    let x = b.input();
    let padded = b.pad(x, [1, 0, 0, 1]).unwrap();
    let window = PoolSpec::valid(b.shape(padded), [3, 2], [1, 1]);
    let q = s.quant();
    let a = conv(&mut b, s, padded, false, 8, window, q);
    let window = PoolSpec::same(b.shape(a), [3, 3], [1, 1]);
    let q = s.quant();
    let d = conv(&mut b, s, a, true, 8, window, q);
    let window = PoolSpec::same(b.shape(d), [1, 1], [1, 1]);
    let q = s.quant();
    let p = conv(&mut b, s, d, false, 8, window, q);
    let q = s.quant();
    let sum = b.add(a, p, q, (-128, 127)).unwrap();
    let q = s.quant();
    let r = b.requantize(sum, q, (-100, 110)).unwrap();
    let r = if functions { excited(&mut b, s, r) } else { r };
    let window = PoolSpec::same(b.shape(r), [3, 3], [2, 2]);
    let m = b.pool(r, window, true, (-128, 127)).unwrap();
    let window = PoolSpec::same(b.shape(r), [2, 3], [2, 2]);
    let v = b.pool(r, window, false, (-128, 127)).unwrap();
    let c = b.concat(&[m, v], 2).unwrap();
    let window = PoolSpec::same(b.shape(c), [5, 3], [2, 1]);
    let q = s.quant();
    let e = conv(&mut b, s, c, true, 32, window, q);
    let window = PoolSpec::same(b.shape(e), [3, 3], [1, 1]);
    let q = s.quant();
    let f = conv(&mut b, s, e, false, 12, window, q);
    b.finish(vec![f]).unwrap()
}

pub fn sample(s: &mut Source, len: usize) -> Vec<i8> {
    (0..len).map(|_| s.range(-128, 127) as i8).collect()
}

pub fn samples(graph: &Graph, n: usize, classes: usize, seed: u64) -> Vec<(Vec<i8>, usize)> {
    let s = &mut Source(seed ^ 0x5555);
    let len = graph.tensor(graph.input).shape.len();
    (0..n).map(|i| (sample(s, len), i % classes)).collect()
}

/// The head's weights as they stand, class-major.
pub fn head_weights(e: &Executor) -> Vec<f64> {
    let s = e.program().states.iter().find(|s| s.name == "head_weights").unwrap();
    let bytes = &e.state()[s.slot.offset as usize..][..s.slot.bytes as usize];
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]) as f64).collect()
}

/// The values that a traced step left behind, for the backward pass in float64.
pub fn values_of(graph: &Graph, trace: &BTreeMap<TensorId, Vec<i8>>, sample: &[i8]) -> Values {
    let mut v = Values::default();
    v.activations.insert(graph.input, sample.iter().map(|&x| x as f64).collect());
    for (t, bytes) in trace {
        let tensor = graph.tensor(*t);
        match tensor.kind {
            Kind::Activation(_) => {
                v.activations.insert(*t, bytes.iter().map(|&x| x as f64).collect());
            }
            Kind::Mask => {
                let bit = |i: usize| bytes[i / 8] as u8 >> (i % 8) & 1 == 1;
                v.masks.insert(*t, (0..tensor.shape.len()).map(bit).collect());
            }
            Kind::Error => {
                v.error = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0] as u8, b[1] as u8]) as f64).collect();
            }
            _ => {}
        }
    }
    v
}
