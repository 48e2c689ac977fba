//! Pooling. Windows are clipped at the edges of the input; each must contain at least one element.

use super::BLOCK;
use super::finish::{Output, round_row};
use super::geometry::Axis;
use super::mask::{MaskWriter, bit};
use tinytrain_spec::arith::Requant;
use tinytrain_spec::params::{MeanParams, PoolParams};

/// Inputs of one window, in row-major order.
#[inline(always)]
fn window([v, h]: [Axis; 2], oy: usize, ox: usize) -> impl Iterator<Item = usize> + Clone {
    let columns = h.taps(ox);
    v.taps(oy).flat_map(move |ky| columns.clone().map(move |kx| v.at(oy, ky) * h.input + h.at(ox, kx)))
}

/// Blocks of channels, as `(first, count)`.
#[inline(always)]
fn blocks(c: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..c).step_by(BLOCK).map(move |first| (first, BLOCK.min(c - first)))
}

/// Applies `reduce` to the window of each output and each block of channels (arguments: sums or maxima to fill in,
/// pixels of the window, first channel) and clamps the results.
#[inline(always)]
fn pool(
    p: &PoolParams,
    y: &mut [i8],
    mask: Option<&mut [u8]>,
    reduce: impl Fn(&mut [i32], &[usize; 2], [Axis; 2], usize),
) {
    let axes @ [_, h] = Axis::of_pool(p);
    let c = p.c as usize;
    let out = Output { zero: 0, lo: p.lo, hi: p.hi };
    let mut mask = MaskWriter::new(mask);
    let (mut found, mut inside) = ([0i32; BLOCK], [0u8; BLOCK]);
    for (o, y) in y.chunks_exact_mut(c).enumerate() {
        for (first, count) in blocks(c) {
            let found = &mut found[..count];
            reduce(found, &[o / h.out, o % h.out], axes, first);
            for ((y, inside), &v) in y[first..].iter_mut().zip(&mut inside).zip(found.iter()) {
                (*y, *inside) = out.clamp(v);
            }
            mask.push(&inside[..count]);
        }
    }
    mask.finish();
}

/// Average pooling. `x` is `[in_h][in_w][c]`, `y` `[out_h][out_w][c]`.
#[inline(always)]
pub fn average_pool(p: &PoolParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let c = p.c as usize;
    pool(p, y, mask, |sums, &[oy, ox], axes, first| {
        sums.fill(0);
        let mut count = 0;
        for pixel in window(axes, oy, ox) {
            count += 1;
            for (sum, &x) in sums.iter_mut().zip(&x[pixel * c + first..]) {
                *sum += x as i32;
            }
        }
        for sum in sums {
            // Rounds halves away from zero, since the division truncates.
            *sum = (*sum + if *sum > 0 { count / 2 } else { -(count / 2) }) / count;
        }
    });
}

/// Maximum pooling. `x` is `[in_h][in_w][c]`, `y` `[out_h][out_w][c]`.
#[inline(always)]
pub fn max_pool(p: &PoolParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let c = p.c as usize;
    pool(p, y, mask, |largest, &[oy, ox], axes, first| {
        largest.fill(-128);
        for pixel in window(axes, oy, ox) {
            for (largest, &x) in largest.iter_mut().zip(&x[pixel * c + first..]) {
                *largest = (*largest).max(x as i32);
            }
        }
    });
}

/// For each input pixel and block of channels, adds what `contribute` yields for each window that contains the pixel
/// (arguments: sums, input pixel, output `(oy, ox)`, first channel).
#[inline(always)]
fn pool_grad(
    p: &PoolParams,
    gx: &mut [i8],
    contribute: impl Fn(&mut [i32], usize, [usize; 2], [Axis; 2], usize),
) -> u32 {
    let axes @ [v, h] = Axis::of_pool(p);
    let c = p.c as usize;
    let mut sums = [0i32; BLOCK];
    let mut saturated = 0;
    for (pixel, gx) in gx.chunks_exact_mut(c).enumerate() {
        for (first, count) in blocks(c) {
            let sums = &mut sums[..count];
            sums.fill(0);
            for (oy, _) in v.fed(pixel / h.input).each() {
                for (ox, _) in h.fed(pixel % h.input).each() {
                    contribute(sums, pixel, [oy, ox], axes, first);
                }
            }
            saturated += round_row(sums, p.shift, &mut gx[first..][..count]);
        }
    }
    saturated
}

/// Gradient of average pooling. `g` and `mask` have the shape of the output, `gx` that of the input.
#[inline(always)]
pub fn average_pool_grad(p: &PoolParams, g: &[i8], mask: Option<&[u8]>, gx: &mut [i8]) -> u32 {
    let c = p.c as usize;
    pool_grad(p, gx, |sums, _, [oy, ox], [v, h], first| {
        let count = (v.taps(oy).len() * h.taps(ox).len()) as i32;
        let factor = ((1 << 16) + count) / (2 * count);
        let at = (oy * h.out + ox) * c + first;
        for (i, sum) in sums.iter_mut().enumerate() {
            if bit(mask, at + i) {
                *sum = sum.wrapping_add(g[at + i] as i32 * factor);
            }
        }
    })
}

/// Gradient of maximum pooling. `x` is the input of the forward pass, in which the first of the largest elements of
/// each window is found again. `y` is not needed (and, being clamped, would not be sufficient).
#[inline(always)]
pub fn max_pool_grad(p: &PoolParams, x: &[i8], g: &[i8], mask: Option<&[u8]>, gx: &mut [i8]) -> u32 {
    let c = p.c as usize;
    pool_grad(p, gx, |sums, pixel, [oy, ox], axes, first| {
        let mut chosen = [true; BLOCK];
        let own = &x[pixel * c + first..];
        for other in window(axes, oy, ox) {
            let there = &x[other * c + first..];
            // Larger than all elements before it and at least as large as all after it.
            for i in 0..sums.len() {
                chosen[i] &= if other < pixel { own[i] > there[i] } else { own[i] >= there[i] };
            }
        }
        let at = (oy * axes[1].out + ox) * c + first;
        for (i, sum) in sums.iter_mut().enumerate() {
            if chosen[i] && bit(mask, at + i) {
                *sum = sum.wrapping_add(g[at + i] as i32);
            }
        }
    })
}

/// Mean over all pixels. `x` is `[pixels][c]`, `y` `[c]`.
#[inline(always)]
pub fn mean(p: &MeanParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let c = p.c as usize;
    let scale = Requant { m: p.m, shift: p.left as u8 };
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    let mut mask = MaskWriter::new(mask);
    let (mut sums, mut inside) = ([0i32; BLOCK], [0u8; BLOCK]);
    for (first, count) in blocks(c) {
        let sums = &mut sums[..count];
        sums.fill(0);
        for row in x.chunks_exact(c) {
            for (sum, &x) in sums.iter_mut().zip(&row[first..]) {
                *sum += x as i32 - p.x_zero;
            }
        }
        for ((y, inside), &sum) in y[first..].iter_mut().zip(&mut inside).zip(sums.iter()) {
            (*y, *inside) = out.clamp(scale.apply(sum) as i32);
        }
        mask.push(&inside[..count]);
    }
    mask.finish();
}
