//! Gradients between convolutions: scaled and masked, and summed for the biases.

use super::isa::{Isa, LANES, Line};
use crate::{Update, reference};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::params::GradScaleParams;

/// See [`reference::grad_scale`].
#[inline(always)]
pub fn grad_scale<I: Isa>(
    p: &GradScaleParams,
    isa: I,
    m: &[i32],
    shift: &[u8],
    mask: Option<&[u8]>,
    buf: &mut [i8],
) -> u32 {
    // The result is the rounded upper half of the product; other shifts are as rare as shifts per channel.
    if !(8..=62).contains(&p.s) || shift.iter().any(|&left| left != 0) {
        return reference::grad_scale(p, m, shift, mask, buf);
    }
    let row = if m.is_empty() { buf.len() } else { p.channels as usize }.max(1);
    if p.s <= 32 {
        let up = 32 - p.s;
        scale(isa, row, p.m, m, mask, buf, |g, m| isa.mul_high_round(isa.shift_left(g, up), m))
    } else {
        let (half, down) = (isa.splat(1 << (p.s - 33)), p.s - 32);
        scale(isa, row, p.m, m, mask, buf, |g, m| isa.shift_right(isa.add(isa.mul_high(g, m), half), down))
    }
}

/// Scales rows of a gradient by `by`, whose arguments are a vector of the gradient and one of multipliers.
#[inline(always)]
fn scale<I: Isa>(
    isa: I,
    row: usize,
    one: i32,
    m: &[i32],
    mask: Option<&[u8]>,
    buf: &mut [i8],
    by: impl Fn(I::V, I::V) -> I::V,
) -> u32 {
    let (least, most) = (isa.splat(-128), isa.splat(127));
    let mut saturated = 0;
    for (r, buf) in buf.chunks_exact_mut(row).enumerate() {
        for (panel, buf) in buf.chunks_mut(LANES).enumerate() {
            let m = match m.get(panel * LANES..) {
                None | Some([]) => isa.splat(one),
                Some(m) => match m.first_chunk() {
                    Some(m) => isa.load_words(m),
                    None => {
                        let mut last = [0; LANES];
                        last[..m.len()].copy_from_slice(m);
                        isa.load_words(&last)
                    }
                },
            };
            let v = by(isa.widen(buf), m);
            let v = match mask {
                Some(mask) => isa.select(bits(mask, r * row + panel * LANES), v),
                None => v,
            };
            let clamped = isa.clamp(v, least, most);
            let outside = !isa.equal(clamped, v) & (u16::MAX >> (LANES - buf.len()));
            isa.narrow(clamped, buf);
            saturated += outside.count_ones();
        }
    }
    saturated
}

/// Sixteen bits of a mask; bits beyond its end are 0.
#[inline(always)]
fn bits(mask: &[u8], at: usize) -> u16 {
    if at.is_multiple_of(8)
        && let Some(two) = mask[at / 8..].first_chunk()
    {
        return u16::from_le_bytes(*two);
    }
    let byte = |i: usize| mask.get(at / 8 + i).map_or(0, |&b| (b as u32) << (8 * i));
    ((byte(0) | byte(1) | byte(2)) >> (at % 8)) as u16
}

/// See [`reference::bias_step`].
#[inline(always)]
pub fn bias_step<I: Isa>(
    channels: usize,
    isa: I,
    u: &Update,
    layer: Real31,
    g: &[i8],
    qas: &[u32],
    base: &[i32],
    offset: &mut [i32],
) {
    let mut sums = Line::default();
    for first in (0..channels).step_by(LANES) {
        let width = LANES.min(channels - first);
        let mut sum = [isa.splat(0); 4];
        let mut quads = g[first..].chunks(4 * channels);
        for four in &mut quads {
            for (sum, from) in sum.iter_mut().zip(four.chunks(channels)) {
                *sum = isa.add(*sum, isa.widen(&from[..width]));
            }
        }
        isa.store(isa.add(isa.add(sum[0], sum[1]), isa.add(sum[2], sum[3])), &mut sums);
        let own = first..first + width;
        reference::bias_apply(u, layer, &sums.0[..width], &qas[own.clone()], &base[own.clone()], &mut offset[own]);
    }
}
