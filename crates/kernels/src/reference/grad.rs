//! Gradients between ops: scaling, masking, repetition and sums.

use super::BLOCK;
use super::mask::{bit, spread};
use tinytrain_spec::arith::{sat8, scale_grad};
use tinytrain_spec::params::GradScaleParams;

/// Scales and masks a gradient in place. `m` has one multiplier per channel, or is empty for `p.m`; `shift` has one
/// left shift per channel, or is empty for 0; `buf` and `mask` have `n` elements. `p.repeat` is not read.
#[inline(always)]
pub fn grad_scale(p: &GradScaleParams, m: &[i32], shift: &[u8], mask: Option<&[u8]>, buf: &mut [i8]) -> u32 {
    // Blocks run along a row of channels, or along all elements if they share one multiplier.
    let row = if m.is_empty() && shift.is_empty() { buf.len() } else { p.channels as usize };
    if row == 0 {
        return 0;
    }
    let one = [p.m; BLOCK];
    let mut keep = [1u8; BLOCK];
    let mut saturated = 0;
    for (r, buf) in buf.chunks_exact_mut(row).enumerate() {
        for (b, buf) in buf.chunks_mut(BLOCK).enumerate() {
            let first = b * BLOCK;
            if let Some(mask) = mask {
                spread(mask, r * row + first, &mut keep[..buf.len()]);
            }
            let m = if m.is_empty() { &one[..buf.len()] } else { &m[first..][..buf.len()] };
            let shift = if shift.is_empty() { shift } else { &shift[first..][..buf.len()] };
            saturated += if (17..=46).contains(&p.s) && shift.iter().all(|&left| left == 0) {
                scale_narrow(p.s, m, &keep, buf)
            } else {
                scale_any(p.s, m, shift, &keep, buf)
            };
        }
    }
    saturated
}

/// `scale_grad` for `17 <= s <= 46` in 32 bits: two partial products, with the upper and lower 16 bits of `m`; the
/// lower one matters only through its carry.
#[inline(always)]
fn scale_narrow(s: i32, m: &[i32], keep: &[u8; BLOCK], buf: &mut [i8]) -> u32 {
    let m = &m[..buf.len()];
    let half = 1i32 << (s - 17);
    let mut saturated = 0;
    for n in 0..buf.len().min(BLOCK) {
        let g = buf[n] as i32;
        let product = g * (m[n] >> 16) + ((g * (m[n] & 0xffff)) >> 16);
        let v = if keep[n] != 0 { (product + half) >> (s - 16) } else { 0 };
        buf[n] = v.clamp(-128, 127) as i8;
        saturated += (buf[n] as i32 != v) as u32;
    }
    saturated
}

#[inline(always)]
fn scale_any(s: i32, m: &[i32], shift: &[u8], keep: &[u8; BLOCK], buf: &mut [i8]) -> u32 {
    let mut saturated = 0;
    for n in 0..buf.len() {
        let s = s - shift.get(n).map_or(0, |&left| left as i32);
        let v = if keep[n] != 0 { scale_grad(buf[n], m[n], s) } else { 0 };
        buf[n] = sat8(v);
        saturated += (buf[n] as i64 != v) as u32;
    }
    saturated
}

/// Scales and masks `n` gradients with `p.m` and `p.s` and writes them `p.repeat` times in succession. The count is of
/// elements of `gx`: a gradient that saturates counts in each copy.
#[inline(always)]
pub fn grad_repeat(p: &GradScaleParams, mask: Option<&[u8]>, g: &[i8], gx: &mut [i8]) -> u32 {
    let n = p.n as usize;
    let (first, copies) = gx[..n * p.repeat as usize].split_at_mut(n);
    let mut saturated = 0;
    for (i, (&g, gx)) in g.iter().zip(first.iter_mut()).enumerate() {
        let v = if bit(mask, i) { scale_grad(g, p.m, p.s) } else { 0 };
        *gx = sat8(v);
        saturated += (*gx as i64 != v) as u32;
    }
    for copy in copies.chunks_exact_mut(n) {
        copy.copy_from_slice(first);
    }
    saturated * p.repeat as u32
}

/// Adds another contribution to a gradient, saturating. Both have the same number of elements.
#[inline(always)]
pub fn sum(acc: &mut [i8], other: &[i8]) -> u32 {
    let mut saturated = 0;
    for (acc, &other) in acc.iter_mut().zip(other) {
        let v = *acc as i16 + other as i16;
        *acc = v.clamp(-128, 127) as i8;
        saturated += (v != *acc as i16) as u32;
    }
    saturated
}
