//! Sums of activations.

use super::finish::set_bits;
use super::isa::{Isa, LANES};
use crate::reference;
use tinytrain_spec::params::AddParams;

/// See [`reference::add`].
#[inline(always)]
pub fn add<I: Isa>(p: &AddParams, isa: I, a: &[i8], b: &[i8], y: &mut [i8], mut mask: Option<&mut [u8]>) {
    // Differences are at most 255.
    let most = (p.m1.unsigned_abs() as u64 + p.m2.unsigned_abs() as u64) * 255 + (1 << 19);
    if most > i32::MAX as u64 {
        return reference::add(p, a, b, y, mask);
    }
    if let Some(mask) = &mut mask {
        mask.fill(0);
    }
    // (a - zero1) m1 + (b - zero2) m2 + 2^19, with the constant terms combined: they wrap, and so does the sum.
    let constant = (1i32 << 19).wrapping_sub(p.zero1.wrapping_mul(p.m1)).wrapping_sub(p.zero2.wrapping_mul(p.m2));
    let (m1, m2, constant, zero) = (isa.splat(p.m1), isa.splat(p.m2), isa.splat(constant), isa.splat(p.y_zero));
    let (lo, hi) = (isa.splat(p.lo), isa.splat(p.hi));
    // A macro, because a closure that is called twice is not inlined and would be compiled without the instructions.
    macro_rules! line {
        ($i:expr, $a:expr, $b:expr, $y:expr) => {
            let sum = isa.add(isa.mul(isa.widen($a), m1), isa.mul(isa.widen($b), m2));
            let v = isa.add(isa.shift_right(isa.add(sum, constant), 20), zero);
            let clamped = isa.clamp(v, lo, hi);
            isa.narrow(clamped, $y);
            if let Some(mask) = mask.as_deref_mut() {
                set_bits(mask, $i * LANES, isa.equal(clamped, v) & (u16::MAX >> (LANES - $y.len())));
            }
        };
    }
    // Blocks of a length known to the compiler, then the remainder.
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let (y, y_rest) = y.as_chunks_mut::<LANES>();
    for (i, ((a, b), y)) in a.iter().zip(b).zip(y.iter_mut()).enumerate() {
        line!(i, a, b, y);
    }
    if !y_rest.is_empty() {
        line!(y.len(), a_rest, b_rest, y_rest);
    }
}
