//! The forward pass of a network in float.

use std::borrow::Cow;

use tinytrain_ir::Shape;

use crate::graph::{Conv, Network, Op, Window};

/// Every value of a forward pass, by its number; those of operations that were merged away are empty.
pub fn run(net: &Network, input: Vec<f32>) -> Vec<Vec<f32>> {
    let mut values = vec![Vec::new(); net.values.len()];
    values[0] = input;
    for node in &net.nodes {
        tinytrain_stop::check();
        let shape = net.values[node.output].shape;
        let x = |i: usize| &values[node.inputs[i]][..];
        let of = |i: usize| net.values[node.inputs[i]].shape;
        let mut y = match &node.op {
            Op::Conv(c) if c.depthwise => depthwise(c, x(0), of(0), shape),
            Op::Conv(c) => conv(c, x(0), of(0), shape),
            Op::Dense(c) => dense(c, x(0)),
            Op::Add => x(0).iter().zip(x(1)).map(|(a, b)| a + b).collect(),
            Op::Mul => x(0).iter().zip(x(1).iter().cycle()).map(|(a, b)| a * b).collect(),
            Op::Concat(axis) => {
                concat(*axis, &node.inputs.iter().map(|&i| (&values[i][..], net.values[i].shape)).collect::<Vec<_>>())
            }
            Op::MaxPool(w) => pool(w, x(0), of(0), shape, f32::NEG_INFINITY, |best, v| best.max(v), |best, _| best),
            Op::AveragePool(w) => pool(w, x(0), of(0), shape, 0.0, |sum, v| sum + v, |sum, n| sum / n as f32),
            Op::Mean => mean(x(0), of(0).c),
            Op::Pad(pads) => padded(x(0), of(0), *pads).into_owned(),
            Op::Reshape | Op::Bounded => x(0).to_vec(),
            Op::Function(f) => x(0).iter().map(|&v| f.value(v.into()) as f32).collect(),
            Op::Softmax => softmax(x(0)),
        };
        y.iter_mut().for_each(|v| *v = node.bounds.hold(*v));
        values[node.output] = y;
    }
    values
}

fn padded(x: &[f32], s: Shape, [top, left, bottom, right]: [usize; 4]) -> Cow<'_, [f32]> {
    if [top, left, bottom, right] == [0; 4] {
        return Cow::Borrowed(x);
    }
    let row = (s.w + left + right) * s.c;
    let mut y = vec![0.0; (s.h + top + bottom) * row];
    for (i, from) in x.chunks_exact(s.w * s.c).enumerate() {
        y[(top + i) * row + left * s.c..][..from.len()].copy_from_slice(from);
    }
    Cow::Owned(y)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at once, which the compiler turns into vectors.
    let mut sums = [0.0f32; 8];
    let (wide_a, rest_a) = a.as_chunks::<8>();
    let (wide_b, rest_b) = b.as_chunks::<8>();
    for (a, b) in wide_a.iter().zip(wide_b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// First elements of the windows' rows in the padded input: for an output row and column, and a row of the kernel.
fn starts(w: &Window, columns: usize, c: usize) -> impl Fn(usize, usize, usize) -> usize {
    let (window, row) = (*w, columns * c);
    move |oy, ox, ky| (oy * window.stride[0] + ky * window.dilation[0]) * row + ox * window.stride[1] * c
}

fn conv(conv: &Conv, x: &[f32], s: Shape, y: Shape) -> Vec<f32> {
    let w = &conv.window;
    let x = padded(x, s, w.pads);
    let at = starts(w, s.w + w.pads[1] + w.pads[3], s.c);
    let [kh, kw] = w.kernel;
    let mut columns = vec![0.0; kh * kw * s.c];
    let mut out = Vec::with_capacity(y.len());
    for oy in 0..y.h {
        for ox in 0..y.w {
            for (tap, to) in columns.chunks_exact_mut(s.c).enumerate() {
                let from = at(oy, ox, tap / kw) + tap % kw * w.dilation[1] * s.c;
                to.copy_from_slice(&x[from..from + s.c]);
            }
            out.extend(conv.weights.chunks_exact(columns.len()).zip(&conv.bias).map(|(row, b)| dot(row, &columns) + b));
        }
    }
    out
}

fn depthwise(conv: &Conv, x: &[f32], s: Shape, y: Shape) -> Vec<f32> {
    let w = &conv.window;
    let x = padded(x, s, w.pads);
    let at = starts(w, s.w + w.pads[1] + w.pads[3], s.c);
    let [kh, kw] = w.kernel;
    let multiplier = conv.outputs / s.c;
    let mut out = Vec::with_capacity(y.len());
    for oy in 0..y.h {
        for ox in 0..y.w {
            let mut sums = conv.bias.clone();
            for (tap, weights) in conv.weights.chunks_exact(conv.outputs).enumerate().take(kh * kw) {
                let from = at(oy, ox, tap / kw) + tap % kw * w.dilation[1] * s.c;
                for (o, (sum, weight)) in sums.iter_mut().zip(weights).enumerate() {
                    *sum += weight * x[from + o / multiplier];
                }
            }
            out.extend(sums);
        }
    }
    out
}

fn dense(conv: &Conv, x: &[f32]) -> Vec<f32> {
    conv.weights.chunks_exact(x.len()).zip(&conv.bias).map(|(row, b)| dot(row, x) + b).collect()
}

fn concat(axis: usize, parts: &[(&[f32], Shape)]) -> Vec<f32> {
    // Blocks in front of the axis follow each other; within one, every part has its own run.
    let run = |s: Shape| [s.h * s.w * s.c, s.w * s.c, s.c][axis];
    let blocks = parts.first().map_or(0, |(x, s)| x.len() / run(*s));
    (0..blocks).flat_map(|b| parts.iter().flat_map(move |&(x, s)| &x[b * run(s)..][..run(s)])).copied().collect()
}

fn pool(
    w: &Window,
    x: &[f32],
    s: Shape,
    y: Shape,
    start: f32,
    join: impl Fn(f32, f32) -> f32,
    end: impl Fn(f32, usize) -> f32,
) -> Vec<f32> {
    let inside = |o: usize, k: usize, axis: usize, size: usize| {
        (o * w.stride[axis] + k * w.dilation[axis]).checked_sub(w.pads[axis]).filter(|&i| i < size)
    };
    let mut out = Vec::with_capacity(y.len());
    for oy in 0..y.h {
        for ox in 0..y.w {
            let mut best = vec![start; s.c];
            let mut n = 0;
            for iy in (0..w.kernel[0]).filter_map(|k| inside(oy, k, 0, s.h)) {
                for ix in (0..w.kernel[1]).filter_map(|k| inside(ox, k, 1, s.w)) {
                    n += 1;
                    let from = &x[(iy * s.w + ix) * s.c..][..s.c];
                    best.iter_mut().zip(from).for_each(|(b, &v)| *b = join(*b, v));
                }
            }
            out.extend(best.into_iter().map(|b| end(b, n)));
        }
    }
    out
}

fn mean(x: &[f32], c: usize) -> Vec<f32> {
    let mut sums = vec![0.0; c];
    for pixel in x.chunks_exact(c) {
        sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
    }
    let n = (x.len() / c) as f32;
    sums.into_iter().map(|s| s / n).collect()
}

fn softmax(x: &[f32]) -> Vec<f32> {
    let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let e: Vec<f32> = x.iter().map(|v| (v - most).exp()).collect();
    let sum: f32 = e.iter().sum();
    e.into_iter().map(|v| v / sum).collect()
}
