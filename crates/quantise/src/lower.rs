//! A float network with ranges to an int8 graph: weights with a scale for each output channel (symmetric), activations with a scale and a zero point.
//!
//! Scales are rounded to single precision first: they are then the same in a `.tflite` that is written from the graph.

use tinytrain_ir::{ConvSpec, Function, Graph, GraphBuilder, IrError, PoolSpec, Quant, Shape, TensorId};

use crate::error::{Fault, unsupported};
use crate::graph::{Bounds, Conv, Network, Node, Op, Window};
use crate::ranges::{Histogram, Method};

const UNIT: Quant = Quant { scale: 1.0 / 256.0, zero: -128 };
const SIGNED_UNIT: Quant = Quant { scale: 1.0 / 128.0, zero: 0 };
/// Channels whose weights are this much smaller than the largest ones count as having none.
const NOTHING: f32 = 1e-6;
/// A bias stays below this, so that the sum with its products stays in 32 bits.
const BIAS: f64 = (1 << 30) as f64;

impl From<IrError> for Fault {
    fn from(e: IrError) -> Self {
        Self::Unsupported(e.to_string())
    }
}

fn single(v: f64) -> f64 {
    f64::from(v as f32)
}

/// Scale and zero point with which int8 covers a range that has 0 in it.
fn quant((low, high): (f64, f64)) -> Quant {
    let scale = single(((high - low) / 255.0).max(1e-9));
    Quant { scale, zero: (-128.0 - low / scale).round().clamp(-128.0, 127.0) as i32 }
}

fn bounds(b: Bounds, y: Quant) -> (i32, i32) {
    let of = |v: f32, none: i32| {
        if v.is_finite() {
            (f64::from(v) / y.scale + f64::from(y.zero)).round().clamp(-128.0, 127.0) as i32
        } else {
            none
        }
    };
    (of(b.low, -128), of(b.high, 127))
}

/// The graph of a network.
pub fn lowered(name: &str, net: &Network, input: Quant, ranges: &[Histogram], method: Method) -> Result<Graph, Fault> {
    let quants = quants(net, input, ranges, method);
    let mut b = GraphBuilder::new(name, net.values[0].shape, input, None)?;
    let mut places = vec![b.input(); net.values.len()];
    for (i, node) in net.nodes.iter().enumerate() {
        b.origin(i, None);
        places[node.output] = lower(&mut b, net, node, &places, &quants)?;
    }
    Ok(b.finish(vec![places[net.output]])?)
}

/// The quantisation of each value. What only moves elements keeps its input's; what is concatenated has one, that of all their ranges.
fn quants(net: &Network, input: Quant, ranges: &[Histogram], method: Method) -> Vec<Quant> {
    let mut covered: Vec<(f64, f64)> = ranges.iter().map(|h| h.range(method)).collect();
    for node in net.nodes.iter().filter(|n| matches!(n.op, Op::Concat(_))) {
        let all = node.inputs.iter().map(|&i| covered[i]).fold((0f64, 0f64), |(a, b), (c, d)| (a.min(c), b.max(d)));
        node.inputs.iter().chain([&node.output]).for_each(|&v| covered[v] = all);
    }
    let mut quants: Vec<Quant> = covered.into_iter().map(quant).collect();
    quants[0] = input;
    for node in &net.nodes {
        let own = match node.op {
            Op::MaxPool(_) | Op::AveragePool(_) | Op::Pad(_) | Op::Reshape => Some(quants[node.inputs[0]]),
            Op::Softmax | Op::Function(Function::Logistic) => Some(UNIT),
            Op::Function(Function::Tanh) => Some(SIGNED_UNIT),
            _ => net.values[node.output].stated,
        };
        if let Some(q) = own {
            quants[node.output] = q;
        }
    }
    quants
}

fn lower(
    b: &mut GraphBuilder,
    net: &Network,
    node: &Node,
    places: &[TensorId],
    quants: &[Quant],
) -> Result<TensorId, Fault> {
    let y = quants[node.output];
    let held = bounds(node.bounds, y);
    let shape = net.values[node.output].shape;
    let x = places[node.inputs[0]];
    Ok(match &node.op {
        Op::Conv(c) | Op::Dense(c) => {
            let x = match node.op {
                Op::Dense(_) if b.shape(x).pixels() != 1 => {
                    let n = b.shape(x).len();
                    b.reshape(x, Shape::new(1, 1, n))?
                }
                _ => x,
            };
            let spec = conv(c, b.shape(x), b.quant(x), y, held);
            b.conv(x, spec)?
        }
        Op::Add => b.add(x, places[node.inputs[1]], y, held)?,
        Op::Mul => b.mul(x, places[node.inputs[1]], y, held)?,
        Op::Concat(axis) => {
            let mut parts = Vec::new();
            for &i in &node.inputs {
                let part = places[i];
                parts.push(if b.quant(part) == y { part } else { b.requantize(part, y, (-128, 127))? });
            }
            b.concat(&parts, *axis)?
        }
        Op::MaxPool(w) | Op::AveragePool(w) => {
            let largest = matches!(node.op, Op::MaxPool(_));
            if w.dilation != [1, 1] {
                return unsupported("a pooling with dilation");
            }
            b.pool(x, spec(w, shape), largest, held)?
        }
        Op::Mean => b.mean(x, y)?,
        Op::Pad([top, left, bottom, right]) => b.pad(x, [*top, *bottom, *left, *right])?,
        Op::Reshape => b.reshape(x, shape)?,
        Op::Bounded => b.requantize(x, y, held)?,
        Op::Function(f) => b.function(x, *f, y, held)?,
        Op::Softmax => b.softmax(x, 1.0, y)?,
    })
}

fn spec(w: &Window, y: Shape) -> PoolSpec {
    PoolSpec { kernel: w.kernel, stride: w.stride, pad: [w.pads[0], w.pads[1]], out: [y.h, y.w] }
}

/// A convolution with int8 weights.
fn conv(c: &Conv, x: Shape, xq: Quant, y: Quant, bounds: (i32, i32)) -> ConvSpec {
    let c = spread(c);
    let mut largest = vec![0f32; c.outputs];
    for (i, w) in c.weights.iter().enumerate() {
        let at = c.channel(i);
        largest[at] = largest[at].max(w.abs());
    }
    let most = largest.iter().copied().fold(f32::MIN_POSITIVE / NOTHING, f32::max);
    let w_scales: Vec<f64> = largest
        .iter()
        .zip(&c.bias)
        .map(|(&l, &bias)| {
            let scale = f64::from(l.max(most * NOTHING)) / 127.0;
            // A channel of nearly no weights may have a bias that its scale cannot hold.
            single(scale.max(f64::from(bias.abs()) / (BIAS * xq.scale)))
        })
        .collect();
    let weight = |(i, &w): (usize, &f32)| (f64::from(w) / w_scales[c.channel(i)]).round().clamp(-127.0, 127.0) as i8;
    let bias = |(&b, s): (&f32, &f64)| (f64::from(b) / (xq.scale * s)).round() as i32;
    let out = c.window.output(x).unwrap_or([0, 0]);
    ConvSpec {
        window: spec(&c.window, Shape::new(out[0], out[1], c.outputs)),
        depthwise: c.depthwise,
        weights: c.weights.iter().enumerate().map(weight).collect(),
        bias: c.bias.iter().zip(&w_scales).map(bias).collect(),
        w_scales,
        y,
        bounds,
    }
}

/// Without dilation: a larger kernel with zeros between.
fn spread(c: &Conv) -> Conv {
    let Window { kernel: [kh, kw], dilation: [dh, dw], .. } = c.window;
    if [dh, dw] == [1, 1] {
        return c.clone();
    }
    let wide = [(kh - 1) * dh + 1, (kw - 1) * dw + 1];
    // Elements that lie together for each tap, and how often the taps are repeated.
    let run = if c.depthwise { c.outputs } else { c.weights.len() / (c.outputs * kh * kw) };
    let rows = c.weights.len() / (run * kh * kw);
    let mut weights = vec![0.0; rows * wide[0] * wide[1] * run];
    for (at, from) in c.weights.chunks_exact(run).enumerate() {
        let (row, tap) = (at / (kh * kw), at % (kh * kw));
        let to = (row * wide[0] + tap / kw * dh) * wide[1] + tap % kw * dw;
        weights[to * run..][..run].copy_from_slice(from);
    }
    Conv { window: Window { kernel: wide, dilation: [1, 1], ..c.window }, weights, ..c.clone() }
}
