//! Product of two tensors and its gradients.

use super::BLOCK;
use super::finish::Output;
use super::mask::{MaskWriter, bit};
use tinytrain_spec::arith::{Requant, round_shift, sat8};
use tinytrain_spec::params::MulParams;

/// Product. `a` and `y` have `n` elements, `b` has `c`, which multiply every run of `c` elements of `a`.
#[inline(always)]
pub fn mul(p: &MulParams, a: &[i8], b: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let scale = Requant { m: p.m, shift: p.left as u8 };
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    let mut mask = MaskWriter::new(mask);
    let mut inside = [0; BLOCK];
    for (a, y) in a.chunks_exact(b.len()).zip(y.chunks_exact_mut(b.len())) {
        for ((a, b), y) in a.chunks(BLOCK).zip(b.chunks(BLOCK)).zip(y.chunks_mut(BLOCK)) {
            for (((&a, &b), y), inside) in a.iter().zip(b).zip(y.iter_mut()).zip(&mut inside) {
                let product = (i32::from(a) - p.a_zero) * (i32::from(b) - p.b_zero);
                // At most 2^30 in magnitude, like every result of `Requant::apply`.
                (*y, *inside) = out.clamp(scale.apply(product) as i32);
            }
            mask.push(&inside[..y.len()]);
        }
    }
    mask.finish();
}

/// Gradient with respect to `a`, over `g` in `buf`. `b` has `c` elements.
#[inline(always)]
pub fn mul_grad(p: &MulParams, mask: Option<&[u8]>, b: &[i8], buf: &mut [i8]) -> u32 {
    let mut saturated = 0;
    for (row, g) in buf.chunks_exact_mut(b.len()).enumerate() {
        for (j, (g, &b)) in g.iter_mut().zip(b).enumerate() {
            let passed = i64::from(*g) * i64::from(bit(mask, row * b_len(p) + j));
            let v = round_shift(passed * i64::from(i32::from(b) - p.b_zero) * i64::from(p.m), p.s);
            *g = sat8(v);
            saturated += u32::from(i64::from(*g) != v);
        }
    }
    saturated
}

/// Gradient with respect to `b`: `g` and `a` have `n` elements, `gx` has `c`.
#[inline(always)]
pub fn mul_sum(p: &MulParams, g: &[i8], mask: Option<&[u8]>, a: &[i8], gx: &mut [i8]) -> u32 {
    let c = b_len(p);
    let mut saturated = 0;
    // Some channels at a time, so that no scratch is needed.
    let mut sums = [0i32; BLOCK];
    for first in (0..c).step_by(BLOCK) {
        let count = BLOCK.min(c - first);
        sums[..count].fill(0);
        for (row, (g, a)) in g.chunks_exact(c).zip(a.chunks_exact(c)).enumerate() {
            for (j, sum) in sums[..count].iter_mut().enumerate() {
                let at = first + j;
                *sum += i32::from(g[at]) * i32::from(bit(mask, row * c + at)) * (i32::from(a[at]) - p.a_zero);
            }
        }
        for (gx, &sum) in gx[first..].iter_mut().zip(&sums[..count]) {
            let v = round_shift(i64::from(sum) * i64::from(p.m), p.s);
            *gx = sat8(v);
            saturated += u32::from(i64::from(*gx) != v);
        }
    }
    saturated
}

fn b_len(p: &MulParams) -> usize {
    p.c as usize
}
