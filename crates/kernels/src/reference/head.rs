//! The trainable classifier. The error is computed from the logits by `tinytrain_spec::softmax`.

use super::BLOCK;
use tinytrain_spec::arith::{Rate, Real31, round_shift, sat8, sat32};
use tinytrain_spec::params::HeadParams;

/// Logits. `x` has `features` elements, `w` is `[classes][features]`, `b` and `logits` have `classes`.
#[inline(always)]
pub fn head_logits(p: &HeadParams, x: &[i8], w: &[i16], b: &[i32], logits: &mut [i64]) {
    let features = p.features as usize;
    for ((logit, row), &b) in logits.iter_mut().zip(w.chunks_exact(features)).zip(b) {
        *logit = b as i64;
        for (x, w) in x.chunks(BLOCK).zip(row.chunks(BLOCK)) {
            // Products are below 2^23, so the sum of a block fits 32 bits.
            let sum: i32 = x.iter().zip(w).map(|(&x, &w)| (x as i32 - p.x_zero) * w as i32).sum();
            *logit += sum as i64;
        }
    }
}

/// Input gradient. `e` is the error, one per class; `gx` has `features` elements. Uses the weights from before
/// [`head_update`].
#[inline(always)]
pub fn head_input_grad(p: &HeadParams, w: &[i16], e: &[i16], gx: &mut [i8]) -> u32 {
    let features = p.features as usize;
    let mut saturated = 0;
    for (b, gx) in gx.chunks_mut(BLOCK).enumerate() {
        let mut sums = [0i64; BLOCK];
        for (row, &e) in w.chunks_exact(features).zip(e) {
            for (sum, &w) in sums.iter_mut().zip(&row[b * BLOCK..][..gx.len()]) {
                *sum += (w as i32 * e as i32) as i64;
            }
        }
        for (gx, sum) in gx.iter_mut().zip(sums) {
            let v = round_shift(sum * p.m as i64, p.s);
            *gx = sat8(v);
            saturated += (*gx as i64 != v) as u32;
        }
    }
    saturated
}

/// Update of weights and biases: `qw = s_x 2^13`, `qb = 2^13 / s_x`.
#[inline(always)]
pub fn head_update(
    p: &HeadParams,
    lr: Real31,
    qw: Real31,
    qb: Real31,
    k: i32,
    x: &[i8],
    e: &[i16],
    w: &mut [i16],
    b: &mut [i32],
) {
    let (weight, bias) = (Rate::new(lr, qw, 0, k, 0), Rate::new(lr, qb, 0, k, 0));
    for ((row, b), &e) in w.chunks_exact_mut(p.features as usize).zip(b).zip(e) {
        *b = sat32(*b as i64 - bias.delta(e as i32, None) as i64);
        for (w, &x) in row.iter_mut().zip(x) {
            let delta = weight.delta((x as i32 - p.x_zero) * e as i32, None);
            *w = (*w as i32).saturating_sub(delta).clamp(-32768, 32767) as i16;
        }
    }
}
