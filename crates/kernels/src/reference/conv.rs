//! Full convolutions.

use super::finish::{Output, requantize_rows, round_rows};
use super::geometry::Axis;
use super::mask::MaskWriter;
use super::panels::{LANES, cut, panels, product, widen};
use super::update::step_weights;
use crate::{Bias, Scales, Scratch, Update, Weights, grown};
use std::mem::take;
use tinytrain_spec::arith::bias_value;
use tinytrain_spec::params::ConvParams;

/// Pixels processed at a time: few enough for their patches to stay in the fastest cache, enough to amortise reading
/// the weights.
const PIXELS: usize = 32;

/// The channels in the order in which the weights are stored: the frozen ones, then the trained ones.
pub(crate) fn weight_order<'s>(c: usize, channels: &[u16], order: &'s mut Vec<u16>) -> &'s [u16] {
    order.clear();
    let mut trained = channels.iter().copied().peekable();
    order.extend((0..c as u16).filter(|&i| trained.next_if_eq(&i).is_none()));
    order.extend_from_slice(channels);
    order
}

/// Biases as the forward pass adds them, padded with zeros to whole panels.
pub(super) fn forward_bias<'s>(b: Bias, buffer: &'s mut Vec<i32>) -> &'s [i32] {
    let n = b.base.len();
    let bias = grown(buffer, panels(n) * LANES);
    for o in 0..n {
        bias[o] = if b.offset.is_empty() { b.base[o] } else { bias_value(b.base[o], b.offset[o]) };
    }
    bias[n..].fill(0);
    bias
}

/// Convolution. `x` is `[in_h][in_w][in_c]`, `y` `[out_h][out_w][out_c]`. Scratch: about 32 patches of the input as
/// int16 and their accumulators, and all weights as int16.
pub fn conv(
    p: &ConvParams,
    x: &[i8],
    w: Weights,
    b: Bias,
    r: Scales,
    y: &mut [i8],
    mask: Option<&mut [u8]>,
    s: &mut Scratch,
) {
    let [v, h] = Axis::of_conv(p);
    let (in_c, n) = (p.in_c as usize, p.out_c as usize);
    let k = v.kernel * h.kernel * in_c;
    let stride = panels(n) * LANES;
    let order = weight_order(in_c, w.channels, &mut s.order);
    let weights = grown(&mut s.b, k * stride);
    for_products(w, v.kernel * h.kernel, n, order, weights);
    let bias = forward_bias(b, &mut s.bias);
    let patches = grown(&mut s.a, PIXELS * k);
    let acc = grown(&mut s.c, PIXELS * stride);
    let inside = grown(&mut s.inside, PIXELS * n);
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    let mut mask = MaskWriter::new(mask);
    for (chunk, y) in y.chunks_mut(PIXELS * n).enumerate() {
        let (first, count) = (chunk * PIXELS, y.len() / n);
        if v.pointwise() && h.pointwise() {
            widen(&x[first * k..][..count * k], p.x_zero as i16, &mut patches[..count * k]);
        } else {
            gather_patches(p, [v, h], x, first, &mut patches[..count * k]);
        }
        for row in acc.chunks_exact_mut(stride) {
            row.copy_from_slice(bias);
        }
        product(patches, weights, k, count, panels(n), acc, stride);
        requantize_rows(acc, stride, n, r, out, y, &mut inside[..count * n]);
        mask.push(&inside[..count * n]);
    }
    mask.finish();
}

/// Weights as RHS of the forward product: rows `[kh][kw][in_c]` with all channels in their natural order, columns
/// `[out_c]`.
fn for_products(w: Weights, taps: usize, out_c: usize, order: &[u16], b: &mut [i16]) {
    let (in_c, t) = (order.len(), w.channels.len());
    let frozen = in_c - t;
    for (q, panel) in b.chunks_exact_mut(taps * in_c * LANES).enumerate() {
        for lane in 0..LANES {
            let o = q * LANES + lane;
            for tap in 0..taps {
                let rows = &mut panel[tap * in_c * LANES..][..in_c * LANES];
                if o >= out_c {
                    for i in 0..in_c {
                        rows[i * LANES + lane] = 0;
                    }
                    continue;
                }
                let at = o * taps + tap;
                for (&i, &w) in order[..frozen].iter().zip(&w.frozen[at * frozen..][..frozen]) {
                    rows[i as usize * LANES + lane] = w as i16;
                }
                for (&i, &w) in w.channels.iter().zip(&w.trained[at * t..][..t]) {
                    rows[i as usize * LANES + lane] = w as i16;
                }
            }
        }
    }
}

/// The patches of the input that output pixels from `first` on read, minus the zero point; positions outside the input
/// are 0.
fn gather_patches(p: &ConvParams, [v, h]: [Axis; 2], x: &[i8], first: usize, patches: &mut [i16]) {
    let c = p.in_c as usize;
    let row = h.kernel * c;
    for (i, patch) in patches.chunks_exact_mut(v.kernel * row).enumerate() {
        let (oy, ox) = ((first + i) / h.out, (first + i) % h.out);
        let (rows, columns) = (v.taps(oy), h.taps(ox));
        for (ky, to) in patch.chunks_exact_mut(row).enumerate() {
            if !rows.contains(&ky) || columns.is_empty() {
                to.fill(0);
                continue;
            }
            let from = (v.at(oy, ky) * h.input + h.at(ox, columns.start)) * c;
            let (start, end) = (columns.start * c, columns.end * c);
            to[..start].fill(0);
            widen(&x[from..][..end - start], p.x_zero as i16, &mut to[start..end]);
            to[end..].fill(0);
        }
    }
}

/// Input gradient of a convolution. `g` is `[out_h][out_w][out_c]`, `gx` `[in_h][in_w][in_c]`. Scratch: `g` and all
/// weights as int16, and the sums of a row.
pub fn conv_input_grad(p: &ConvParams, shift: i32, g: &[i8], w: Weights, gx: &mut [i8], s: &mut Scratch) -> u32 {
    let [v, h] = Axis::of_conv(p);
    let (n, k) = (p.in_c as usize, p.out_c as usize);
    let stride = panels(n) * LANES;
    let order = weight_order(n, w.channels, &mut s.order);
    let weights = grown(&mut s.b, v.kernel * h.kernel * k * stride);
    for_input_grad(w, v.kernel * h.kernel, k, order, weights);
    let wide = grown(&mut s.a, g.len());
    widen(g, 0, wide);
    if v.pointwise() && h.pointwise() {
        return pointwise_input_grad(shift, wide, weights, k, n, gx, &mut s.c);
    }
    let acc = grown(&mut s.c, h.input * stride);
    let mut saturated = 0;
    for (iy, gx) in gx.chunks_exact_mut(h.input * n).enumerate() {
        acc.fill(0);
        for (oy, ky) in v.fed(iy).each() {
            for kx in 0..h.kernel {
                let outputs = h.outputs(kx);
                if outputs.is_empty() {
                    continue;
                }
                let from = &wide[(oy * h.out + outputs.start) * k..];
                let panel = &weights[(ky * h.kernel + kx) * k * stride..];
                let to = &mut acc[h.at(outputs.start, kx) * stride..];
                product(from, panel, k, outputs.len(), panels(n), to, h.stride * stride);
            }
        }
        saturated += round_rows(acc, stride, n, shift, gx);
    }
    saturated
}

fn pointwise_input_grad(
    shift: i32,
    g: &[i16],
    weights: &[i16],
    k: usize,
    n: usize,
    gx: &mut [i8],
    c: &mut Vec<i32>,
) -> u32 {
    let stride = panels(n) * LANES;
    let acc = grown(c, PIXELS * stride);
    let mut saturated = 0;
    for (gx, g) in gx.chunks_mut(PIXELS * n).zip(g.chunks(PIXELS * k)) {
        acc.fill(0);
        product(g, weights, k, gx.len() / n, panels(n), acc, stride);
        saturated += round_rows(acc, stride, n, shift, gx);
    }
    saturated
}

/// Weights as RHS of the input gradient: for each tap a matrix of rows `[out_c]` and columns `[in_c]` in their
/// natural order.
fn for_input_grad(w: Weights, taps: usize, out_c: usize, order: &[u16], b: &mut [i16]) {
    let t = w.channels.len();
    let (in_c, frozen) = (order.len(), order.len() - t);
    // Columns beyond in_c remain 0.
    b.fill(0);
    for o in 0..out_c {
        for tap in 0..taps {
            let matrix = &mut b[tap * out_c * panels(in_c) * LANES..];
            let mut put = |i: u16, w: i8| {
                let i = i as usize;
                matrix[((i / LANES) * out_c + o) * LANES + i % LANES] = w as i16;
            };
            let at = o * taps + tap;
            for (&i, &w) in order[..frozen].iter().zip(&w.frozen[at * frozen..][..frozen]) {
                put(i, w);
            }
            for (&i, &w) in w.channels.iter().zip(&w.trained[at * t..][..t]) {
                put(i, w);
            }
        }
    }
}

/// Weight gradient: the int32 sums, `[out_c][kh][kw][t]`. `g` is `[out_h][out_w][out_c]`, the gradient of the
/// accumulators; `x` is the input of the forward pass; `channels` are the `t` trained input channels, none named where all are. Scratch: `g` and
/// the trained channels of `x` as int16, and for kernels larger than 1x1 the values that one tap reads.
pub fn conv_weight_grad(p: &ConvParams, g: &[i8], x: &[i8], channels: &[u16], acc: &mut [i32], s: &mut Scratch) {
    let [v, h] = Axis::of_conv(p);
    let (t, out_c, pixels) = (p.trained as usize, p.out_c as usize, v.out * h.out);
    if t == 0 {
        return;
    }
    let named = (!channels.is_empty()).then_some(channels);
    let stride = panels(t) * LANES;
    let across = grown(&mut s.a, pixels * out_c);
    transpose(g, out_c, across);
    let wide = grown(&mut s.x, v.input * h.input * stride);
    cut(x, p.in_c as usize, t, named, 1, p.x_zero as i16, wide);
    let sums = grown(&mut s.c, out_c * stride);
    let taps = v.kernel * h.kernel;
    for tap in 0..taps {
        sums.fill(0);
        if v.pointwise() && h.pointwise() {
            product(across, wide, pixels, out_c, panels(t), sums, stride);
        } else {
            let read = grown(&mut s.b, pixels * stride);
            gather_tap([v, h], tap, wide, read);
            product(across, read, pixels, out_c, panels(t), sums, stride);
        }
        for o in 0..out_c {
            acc[(o * taps + tap) * t..][..t].copy_from_slice(&sums[o * stride..][..t]);
        }
    }
}

/// Transposes `[pixels][c]` int8 to `[c][pixels]` int16, in blocks that fit into the cache.
fn transpose(g: &[i8], c: usize, across: &mut [i16]) {
    let pixels = g.len() / c;
    for first in (0..pixels).step_by(LANES) {
        let count = LANES.min(pixels - first);
        for o in 0..c {
            let to = &mut across[o * pixels + first..][..count];
            for (i, to) in to.iter_mut().enumerate() {
                *to = g[(first + i) * c + o] as i16;
            }
        }
    }
}

/// Gathers the pixels that one tap reads from an input in panels, in the order of the output; 0 outside the input.
fn gather_tap([v, h]: [Axis; 2], tap: usize, wide: &[i16], read: &mut [i16]) {
    let (ky, kx) = (tap / h.kernel, tap % h.kernel);
    let (rows, columns) = (v.outputs(ky), h.outputs(kx));
    let (from, to) = (wide.as_chunks::<LANES>().0, read.as_chunks_mut::<LANES>().0);
    for (from, to) in from.chunks_exact(v.input * h.input).zip(to.chunks_exact_mut(v.out * h.out)) {
        for (oy, to) in to.chunks_exact_mut(h.out).enumerate() {
            if !rows.contains(&oy) || columns.is_empty() {
                to.fill([0; LANES]);
                continue;
            }
            to[..columns.start].fill([0; LANES]);
            to[columns.end..].fill([0; LANES]);
            let from = &from[v.at(oy, ky) * h.input + h.at(columns.start, kx)..];
            for (to, from) in to[columns.clone()].iter_mut().zip(from.iter().step_by(h.stride)) {
                *to = *from;
            }
        }
    }
}

/// Weight gradient ([`conv_weight_grad`]) and update: `q` is the trained part `[out_c][kh][kw][t]`, `lo` its residual
/// plane (empty without residual bits); `qas` has one word per output channel, 0 if it is never updated. Scratch: that
/// of the gradient, and its sums.
pub fn conv_weight_step(
    p: &ConvParams,
    u: &Update,
    g: &[i8],
    x: &[i8],
    channels: &[u16],
    qas: &[u32],
    q: &mut [i8],
    lo: &mut [u8],
    s: &mut Scratch,
) {
    let mut sums = take(&mut s.sums);
    let acc = grown(&mut sums, q.len());
    conv_weight_grad(p, g, x, channels, acc, s);
    let row = (p.kh * p.kw * p.trained) as usize;
    step_weights(u, acc, q, lo, row, qas, None);
    s.sums = sums;
}
