//! RESIZE_BILINEAR.

use std::ops::Range;

use super::BLOCK;
use tinytrain_spec::arith::{round_shift, sat8};
use tinytrain_spec::params::{ResizeAxis, ResizeParams};

/// The sum of the weights of an output.
const ONE: i32 = 1 << 20;

/// RESIZE_BILINEAR. `x` is `[in_h][in_w][c]`, `y` `[out_h][out_w][c]`.
#[inline(always)]
pub fn resize_bilinear(p: &ResizeParams, x: &[i8], y: &mut [i8]) {
    let ([v, h], c) = (p.axes(), p.c as usize);
    let pixel = |iy: usize, ix: usize| &x[(iy * h.inputs as usize + ix) * c..][..c];
    for (oy, y) in y.chunks_exact_mut(h.outputs as usize * c).enumerate() {
        let [(top, above), (bottom, below)] = v.parts(oy as i32);
        for (ox, y) in y.chunks_exact_mut(c).enumerate() {
            let [(left, before), (right, behind)] = h.parts(ox as i32);
            let upper = pixel(top, left).iter().zip(pixel(top, right));
            let lower = pixel(bottom, left).iter().zip(pixel(bottom, right));
            let between = |(&a, &b): (&i8, &i8)| before * i32::from(a) + behind * i32::from(b);
            for ((y, u), l) in y.iter_mut().zip(upper).zip(lower) {
                let sum = above * between(u) + below * between(l);
                // Halves away from zero, since the division truncates.
                *y = ((sum + if sum > 0 { ONE / 2 } else { -ONE / 2 }) / ONE) as i8;
            }
        }
    }
}

/// The outputs that input `i` takes part in; `from` is the first of those of the input before.
#[inline(always)]
fn fed(axis: ResizeAxis, i: usize, from: usize) -> Range<usize> {
    let (i, outputs) = (i as i32, axis.outputs as usize);
    let first = (from..outputs).find(|&o| axis.at(o as i32) > ResizeAxis::ONE * (i - 1)).unwrap_or(outputs);
    let end = (first..outputs).find(|&o| axis.at(o as i32) >= ResizeAxis::ONE * (i + 1)).unwrap_or(outputs);
    first..end
}

/// Input gradient of RESIZE_BILINEAR. `g` is `[out_h][out_w][c]`, `gx` `[in_h][in_w][c]`.
#[inline(always)]
pub fn resize_bilinear_grad(p: &ResizeParams, g: &[i8], gx: &mut [i8]) -> u32 {
    let ([v, h], c) = (p.axes(), p.c as usize);
    let mut saturated = 0;
    let mut rows = 0..0;
    for (iy, gx) in gx.chunks_exact_mut(h.inputs as usize * c).enumerate() {
        rows = fed(v, iy, rows.start);
        let mut columns = 0..0;
        for (ix, gx) in gx.chunks_exact_mut(c).enumerate() {
            columns = fed(h, ix, columns.start);
            for (block, gx) in gx.chunks_mut(BLOCK).enumerate() {
                let mut sums = [0i64; BLOCK];
                for oy in rows.clone() {
                    for ox in columns.clone() {
                        let weight = v.weight(oy as i32, iy as i32) * h.weight(ox as i32, ix as i32);
                        let at = (oy * h.outputs as usize + ox) * c + block * BLOCK;
                        for (sum, &g) in sums.iter_mut().zip(&g[at..][..gx.len()]) {
                            *sum += i64::from(weight * i32::from(g));
                        }
                    }
                }
                for (gx, &sum) in gx.iter_mut().zip(&sums) {
                    let rounded = round_shift(sum, p.shift);
                    *gx = sat8(rounded);
                    saturated += u32::from(i64::from(*gx) != rounded);
                }
            }
        }
    }
    saturated
}
