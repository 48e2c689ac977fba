//! The update of trained weights and biases.

use crate::Update;
use tinytrain_spec::arith::{
    BIAS_RESIDUAL_BITS, Qas, Rate, Real31, apply_bias, apply_weight, residual_get, residual_set, stochastic,
};
use tinytrain_spec::random;

/// Updates weights in runs of `run` that share an output channel: run `i` belongs to channel `channels[i % t]`, or to
/// `i` without a list.
#[inline(always)]
pub fn step_weights(
    u: &Update,
    acc: &[i32],
    q: &mut [i8],
    lo: &mut [u8],
    run: usize,
    qas: &[u32],
    channels: Option<&[u16]>,
) {
    // With the number of bits known to the compiler, each of these becomes a loop without branches.
    match u.params.bits {
        0 => step::<0>(u, acc, q, lo, run, qas, channels),
        2 => step::<2>(u, acc, q, lo, run, qas, channels),
        4 => step::<4>(u, acc, q, lo, run, qas, channels),
        8 => step::<8>(u, acc, q, lo, run, qas, channels),
        bits => panic!("there are no residuals of {bits} bits"),
    }
}

#[inline(always)]
fn step<const BITS: u32>(
    u: &Update,
    acc: &[i32],
    q: &mut [i8],
    lo: &mut [u8],
    run: usize,
    qas: &[u32],
    channels: Option<&[u16]>,
) {
    if q.is_empty() {
        return;
    }
    let key = random::key(u.seed, u.step, u.params.tensor as u32);
    let mut list = channels.unwrap_or_default().iter().cycle();
    for (i, (acc, q)) in acc.chunks_exact(run).zip(q.chunks_exact_mut(run)).enumerate() {
        let qas = qas[list.next().map_or(i, |&channel| channel as usize)];
        if qas != 0 {
            let rate = Rate::new(u.lr, Qas(qas).real(), u.params.exponent, u.k, BITS);
            if rate.p == 0 {
                continue;
            }
            step_run::<BITS>(rate, key, i * run, acc, q, lo);
        }
    }
}

/// One run, whose first weight has the flat index `first` in its tensor.
#[inline(always)]
fn step_run<const BITS: u32>(rate: Rate, key: u64, first: usize, acc: &[i32], q: &mut [i8], lo: &mut [u8]) {
    for (i, (&acc, q)) in acc.iter().zip(q).enumerate() {
        let at = first + i;
        let random = stochastic(BITS).then(|| random::draw(key, at as u32));
        let (high, low) = apply_weight(*q, residual_get(lo, at, BITS), rate.delta(acc, random), BITS);
        *q = high;
        residual_set(lo, at, BITS, low);
    }
}

/// Bias gradient: the sum over pixels, per channel. `g` is `[pixels][channels]`.
pub fn bias_grad(channels: usize, g: &[i8], acc: &mut [i32]) {
    acc.fill(0);
    for row in g.chunks_exact(channels) {
        for (acc, &g) in acc.iter_mut().zip(row) {
            *acc += g as i32;
        }
    }
}

/// Bias gradient and update of `offset`. `layer` is `1 / s_x^2`; `qas` has one word per channel, 0 for one that is
/// never updated and whose offset is left unchanged. Only `exponent` of `u.params` is read.
#[inline(always)]
pub fn bias_step(channels: usize, u: &Update, layer: Real31, g: &[i8], qas: &[u32], base: &[i32], offset: &mut [i32]) {
    // Processing a few channels at a time makes scratch unnecessary.
    let mut sums = [0i32; 64];
    for first in (0..channels).step_by(sums.len()) {
        let count = sums.len().min(channels - first);
        sums[..count].fill(0);
        for row in g.chunks_exact(channels) {
            for (sum, &g) in sums.iter_mut().zip(&row[first..][..count]) {
                *sum += g as i32;
            }
        }
        let own = first..first + count;
        bias_apply(u, layer, &sums[..count], &qas[own.clone()], &base[own.clone()], &mut offset[own]);
    }
}

/// The update of [`bias_step`] given the sums of the gradient, for as many channels as there are sums.
#[inline(always)]
pub fn bias_apply(u: &Update, layer: Real31, sums: &[i32], qas: &[u32], base: &[i32], offset: &mut [i32]) {
    let lr = u.lr.times(layer);
    for (c, &sum) in sums.iter().enumerate() {
        if qas[c] != 0 {
            let rate = Rate::new(lr, Qas(qas[c]).real(), u.params.exponent, u.k, BIAS_RESIDUAL_BITS);
            offset[c] = apply_bias(base[c], offset[c], rate.delta(sum, None));
        }
    }
}
