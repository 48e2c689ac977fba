//! Depthwise convolutions, vectorised over channels: input, gradient and weights are stored in panels of [`LANES`]
//! channels.

use super::conv::{forward_bias, weight_order};
use super::finish::{Output, requantize_rows, round_rows};
use super::geometry::Axis;
use super::mask::MaskWriter;
use super::panels::{LANES, cut, multiply_lanes, panels};
use super::update::step_weights;
use crate::{Bias, Scales, Scratch, Update, Weights, grown};
use std::mem::take;
use tinytrain_spec::params::ConvParams;

/// Weights in panels of output channels in their natural order, with `[kh][kw]` rows each.
fn in_panels<'s>(w: Weights, taps: usize, out_c: usize, order: &mut Vec<u16>, b: &'s mut Vec<i16>) -> &'s [i16] {
    let order = weight_order(out_c, w.channels, order);
    let t = w.channels.len();
    let frozen = out_c - t;
    let b = grown(b, panels(out_c) * taps * LANES);
    b.fill(0);
    for tap in 0..taps {
        let row = w.frozen[tap * frozen..][..frozen].iter().chain(&w.trained[tap * t..][..t]);
        for (&o, &w) in order.iter().zip(row) {
            let o = o as usize;
            b[((o / LANES) * taps + tap) * LANES + o % LANES] = w as i16;
        }
    }
    b
}

/// Depthwise convolution. `x` is `[in_h][in_w][in_c]`, `y` `[out_h][out_w][out_c]`. Scratch: the input (repeated for
/// each multiple of its channels) and the weights as int16, and the accumulators of a row.
pub fn depthwise(
    p: &ConvParams,
    x: &[i8],
    w: Weights,
    b: Bias,
    r: Scales,
    y: &mut [i8],
    mask: Option<&mut [u8]>,
    s: &mut Scratch,
) {
    let axes @ [v, h] = Axis::of_conv(p);
    let (in_c, n) = (p.in_c as usize, p.out_c as usize);
    let stride = panels(n) * LANES;
    let weights = in_panels(w, v.kernel * h.kernel, n, &mut s.order, &mut s.b);
    let bias = forward_bias(b, &mut s.bias);
    let wide = grown(&mut s.x, v.input * h.input * stride);
    cut(x, in_c, n, None, n / in_c, p.x_zero as i16, wide);
    let acc = grown(&mut s.c, h.out * stride);
    let inside = grown(&mut s.inside, h.out * n);
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    let mut mask = MaskWriter::new(mask);
    for (oy, y) in y.chunks_exact_mut(h.out * n).enumerate() {
        for row in acc.chunks_exact_mut(stride) {
            row.copy_from_slice(bias);
        }
        forward_row(&axes, oy, wide, weights, acc, stride);
        requantize_rows(acc, stride, n, r, out, y, inside);
        mask.push(inside);
    }
    mask.finish();
}

/// Input gradient of a depthwise convolution. `g` is `[out_h][out_w][out_c]`, `gx` `[in_h][in_w][in_c]`. Scratch: `g`
/// and the weights as int16, and the sums of a row.
pub fn depthwise_input_grad(p: &ConvParams, shift: i32, g: &[i8], w: Weights, gx: &mut [i8], s: &mut Scratch) -> u32 {
    let axes @ [v, h] = Axis::of_conv(p);
    let (in_c, n) = (p.in_c as usize, p.out_c as usize);
    let stride = panels(n) * LANES;
    let weights = in_panels(w, v.kernel * h.kernel, n, &mut s.order, &mut s.b);
    let wide = grown(&mut s.x, v.out * h.out * stride);
    cut(g, n, n, None, 1, 0, wide);
    let acc = grown(&mut s.c, h.input * stride);
    let mut saturated = 0;
    for (iy, gx) in gx.chunks_exact_mut(h.input * in_c).enumerate() {
        input_grad_row(&axes, iy, wide, weights, acc, stride);
        if n != in_c {
            add_multiples(acc, stride, in_c, n / in_c);
        }
        saturated += round_rows(acc, stride, in_c, shift, gx);
    }
    saturated
}

/// Adds up, at the front of each row, the gradients of the outputs that come from the same input channel.
fn add_multiples(acc: &mut [i32], stride: usize, in_c: usize, multiplier: usize) {
    for row in acc.chunks_exact_mut(stride) {
        for i in 0..in_c {
            row[i] = row[i * multiplier..][..multiplier].iter().fold(0, |sum: i32, &v| sum.wrapping_add(v));
        }
    }
}

fn forward_row(axes: &[Axis; 2], oy: usize, wide: &[i16], weights: &[i16], acc: &mut [i32], stride: usize) {
    let [v, h] = axes;
    let (wide, weights) = (wide.as_chunks::<LANES>().0, weights.as_chunks::<LANES>().0);
    let panels = wide.chunks_exact(v.input * h.input).zip(weights.chunks_exact(v.kernel * h.kernel));
    for (q, (x, w)) in panels.enumerate() {
        for ox in 0..h.out {
            let acc = acc[ox * stride + q * LANES..].first_chunk_mut::<LANES>().expect("a row of panels");
            let mut sum = *acc;
            let columns = h.taps(ox);
            for ky in v.taps(oy) {
                if columns.is_empty() {
                    continue;
                }
                let x = &x[v.at(oy, ky) * h.input + h.at(ox, columns.start)..][..columns.len()];
                let w = &w[ky * h.kernel + columns.start..][..columns.len()];
                for (x, w) in x.iter().zip(w) {
                    multiply_lanes(&mut sum, x, w);
                }
            }
            *acc = sum;
        }
    }
}

fn input_grad_row(axes: &[Axis; 2], iy: usize, wide: &[i16], weights: &[i16], acc: &mut [i32], stride: usize) {
    let [v, h] = axes;
    let (wide, weights) = (wide.as_chunks::<LANES>().0, weights.as_chunks::<LANES>().0);
    let rows = v.fed(iy);
    let panels = wide.chunks_exact(v.out * h.out).zip(weights.chunks_exact(v.kernel * h.kernel));
    for (q, (g, w)) in panels.enumerate() {
        for ix in 0..h.input {
            let mut sum = [0; LANES];
            let columns = h.fed(ix);
            for (oy, ky) in rows.each() {
                let g = g[oy * h.out..][columns.outputs.clone()].iter().rev();
                let w = w[ky * h.kernel..][columns.tap..h.kernel].iter().step_by(h.stride);
                for (g, w) in g.zip(w) {
                    multiply_lanes(&mut sum, g, w);
                }
            }
            acc[ix * stride + q * LANES..][..LANES].copy_from_slice(&sum);
        }
    }
}

/// Sums of one panel, `[kh][kw]` rows of lanes.
fn weight_grad_panel(axes: &[Axis; 2], g: &[[i16; LANES]], x: &[[i16; LANES]], sums: &mut [[i32; LANES]]) {
    let [v, h] = axes;
    for (tap, to) in sums.iter_mut().enumerate() {
        let (ky, kx) = (tap / h.kernel, tap % h.kernel);
        let columns = h.outputs(kx);
        let mut sum = [0; LANES];
        for oy in v.outputs(ky) {
            if columns.is_empty() {
                continue;
            }
            let g = &g[oy * h.out..][columns.clone()];
            let x = &x[v.at(oy, ky) * h.input..][..h.input][h.at(columns.start, kx)..];
            for (g, x) in g.iter().zip(x.iter().step_by(h.stride)) {
                multiply_lanes(&mut sum, g, x);
            }
        }
        *to = sum;
    }
}

/// Weight gradient: the int32 sums, `[kh][kw][t]`, for the `t` trained output channels in `channels`. Scratch: the
/// trained channels of `g` and `x` as int16.
pub fn depthwise_weight_grad(p: &ConvParams, g: &[i8], x: &[i8], channels: &[u16], acc: &mut [i32], s: &mut Scratch) {
    let axes @ [v, h] = Axis::of_conv(p);
    let (in_c, out_c, t) = (p.in_c as usize, p.out_c as usize, channels.len());
    let taps = v.kernel * h.kernel;
    let wide_g = grown(&mut s.a, panels(t) * v.out * h.out * LANES);
    cut(g, out_c, t, Some(channels), 1, 0, wide_g);
    let wide_x = grown(&mut s.x, panels(t) * v.input * h.input * LANES);
    cut(x, in_c, t, Some(channels), out_c / in_c, p.x_zero as i16, wide_x);
    let sums = grown(&mut s.c, taps * LANES).as_chunks_mut::<LANES>().0;
    let wide_g = wide_g.as_chunks::<LANES>().0.chunks_exact(v.out * h.out);
    let wide_x = wide_x.as_chunks::<LANES>().0.chunks_exact(v.input * h.input);
    for (q, (g, x)) in wide_g.zip(wide_x).enumerate() {
        weight_grad_panel(&axes, g, x, sums);
        let width = LANES.min(t - q * LANES);
        for (tap, sums) in sums.iter().enumerate() {
            acc[tap * t + q * LANES..][..width].copy_from_slice(&sums[..width]);
        }
    }
}

/// Weight gradient ([`depthwise_weight_grad`]) and update: `q` is the trained part `[kh][kw][t]`, `lo` its residual
/// plane (empty without residual bits); `qas` has one word per output channel, 0 if it is never updated. Scratch: that
/// of the gradient, and its sums.
pub fn depthwise_weight_step(
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
    depthwise_weight_grad(p, g, x, channels, acc, s);
    step_weights(u, acc, q, lo, 1, qas, Some(channels));
    s.sums = sums;
}
