//! Ops that process single elements or single rows.

use super::BLOCK;
use super::finish::Output;
use super::mask::MaskWriter;
use tinytrain_spec::arith::{Requant, round_shift, sat8, scale_grad};
use tinytrain_spec::params::{AddParams, CopyParams, FillParams, LookupParams, RequantizeParams, SoftmaxParams};
use tinytrain_spec::softmax::{LogitScale, exp2_neg};

/// Residual sum. `a`, `b` and `y` have `n` elements.
#[inline(always)]
pub fn add(p: &AddParams, a: &[i8], b: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let mut mask = MaskWriter::new(mask);
    let mut inside = [0; BLOCK];
    for ((a, b), y) in a.chunks(BLOCK).zip(b.chunks(BLOCK)).zip(y.chunks_mut(BLOCK)) {
        add_block(p, a, b, y, &mut inside);
        mask.push(&inside[..y.len()]);
    }
    mask.finish();
}

#[inline(always)]
fn add_block(p: &AddParams, a: &[i8], b: &[i8], y: &mut [i8], inside: &mut [u8; BLOCK]) {
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    let (a, b) = (&a[..y.len()], &b[..y.len()]);
    // Differences are below 2^8: with multipliers up to 2^21 everything fits int32.
    if p.m1.unsigned_abs().max(p.m2.unsigned_abs()) <= 1 << 21 {
        for n in 0..y.len().min(BLOCK) {
            let v = (a[n] as i32 - p.zero1) * p.m1 + (b[n] as i32 - p.zero2) * p.m2;
            (y[n], inside[n]) = out.clamp((v + (1 << 19)) >> 20);
        }
    } else {
        for n in 0..y.len().min(BLOCK) {
            let v = (a[n] as i32 - p.zero1) as i64 * p.m1 as i64 + (b[n] as i32 - p.zero2) as i64 * p.m2 as i64;
            (y[n], inside[n]) = out.clamp(((v + (1 << 19)) >> 20) as i32);
        }
    }
}

/// Rescaling: RELU, RELU6 and QUANTIZE. `x` and `y` have `n` elements.
#[inline(always)]
pub fn requantize(p: &RequantizeParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>) {
    let scale = Requant { m: p.m, shift: p.left as u8 };
    let out = Output { zero: p.y_zero, lo: p.lo, hi: p.hi };
    // An int8 has 256 values, so a table holds all outputs.
    let table: [(i8, u8); 256] = std::array::from_fn(|i| {
        // At most 2^30 in magnitude, like every result of `Requant::apply`.
        out.clamp(scale.apply(i as u8 as i8 as i32 - p.x_zero) as i32)
    });
    let mut mask = MaskWriter::new(mask);
    let mut inside = [0; BLOCK];
    for (x, y) in x.chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
        for ((&x, y), inside) in x.iter().zip(y.iter_mut()).zip(&mut inside) {
            (*y, *inside) = table[x as u8 as usize];
        }
        mask.push(&inside[..y.len()]);
    }
    mask.finish();
}

/// Softmax on int8. `x` and `y` are `[rows][n]`.
pub fn softmax(p: &SoftmaxParams, x: &[i8], y: &mut [i8]) {
    let scale = LogitScale { cap: p.cap as u64, pre: 0, m: p.m as u32, s: p.s };
    let n = p.n as usize;
    for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
        let largest = x.iter().copied().max().unwrap_or(0) as i64;
        let weight = |x: i8| exp2_neg(scale.u((largest - x as i64) as u64)) as u64;
        let sum: u64 = x.iter().map(|&x| weight(x)).sum();
        for (&x, y) in x.iter().zip(y) {
            *y = (((weight(x) << 8) + sum / 2) / sum).min(255).wrapping_sub(128) as i8;
        }
    }
}

/// Copies a box of bytes within `src` to a box within `dst`; both may be larger than the box.
pub fn copy_box(p: &CopyParams, src: &[i8], dst: &mut [i8]) -> u32 {
    // Columns that are adjacent in both source and destination form one run.
    let (w, c) = if p.src_col == p.c && p.dst_col == p.c { (1, p.w * p.c) } else { (p.w, p.c) };
    let c = c as usize;
    let mut saturated = 0;
    for i in 0..p.h {
        for j in 0..w {
            let from = (p.src_offset + i * p.src_row + j * p.src_col) as usize;
            let to = (p.dst_offset + i * p.dst_row + j * p.dst_col) as usize;
            saturated += copy_run(p.shift, &src[from..][..c], &mut dst[to..][..c]);
        }
    }
    saturated
}

fn copy_run(shift: i32, src: &[i8], dst: &mut [i8]) -> u32 {
    if shift == 0 {
        dst.copy_from_slice(src);
        return 0;
    }
    let mut saturated = 0;
    for (&v, d) in src.iter().zip(dst) {
        let v = round_shift(v as i64, shift);
        *d = sat8(v);
        saturated += (*d as i64 != v) as u32;
    }
    saturated
}

/// A function of single values by its table.
pub fn lookup(p: &LookupParams, table: &[i8], buf: &mut [i8]) {
    let table: &[i8; 256] = table.try_into().expect("a table of 256 values");
    buf[..p.n as usize].iter_mut().for_each(|v| *v = table[(*v as u8 ^ 0x80) as usize]);
}

/// Its input gradient, over `g` in `buf`.
pub fn lookup_grad(p: &LookupParams, x: &[i8], slope: &[i32], buf: &mut [i8]) -> u32 {
    let slope: &[i32; 256] = slope.try_into().expect("a table of 256 slopes");
    let mut saturated = 0;
    for (g, &x) in buf[..p.n as usize].iter_mut().zip(x) {
        let v = scale_grad(*g, slope[(x as u8 ^ 0x80) as usize], p.s);
        *g = sat8(v);
        saturated += (i64::from(*g) != v) as u32;
    }
    saturated
}

/// Fills the first `n` bytes of `dst`.
pub fn fill(p: &FillParams, dst: &mut [i8]) {
    dst[..p.n as usize].fill(p.value as i8);
}
