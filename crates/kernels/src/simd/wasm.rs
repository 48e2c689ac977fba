//! WebAssembly's SIMD: four registers per vector, two int16 per word.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use std::arch::wasm32::*;

/// Proof that the module may use SIMD: an engine that lacks it does not even load a module in which it occurs.
#[derive(Clone, Copy, Debug)]
pub struct Simd128(());

impl Simd128 {
    /// The instructions, which are there wherever this runs.
    pub fn found() -> Option<Self> {
        Some(Self(()))
    }
}

/// Applies one operation to all four quarters of a vector.
macro_rules! quarters {
    (@ $i:literal |$($v:ident),*| $op:expr) => {{
        $(let $v = $v[$i];)*
        $op
    }};
    (|$($v:ident),*| $op:expr) => {
        [
            quarters!(@ 0 |$($v),*| $op),
            quarters!(@ 1 |$($v),*| $op),
            quarters!(@ 2 |$($v),*| $op),
            quarters!(@ 3 |$($v),*| $op),
        ]
    };
}

/// The upper words of the products of both halves, four in all.
macro_rules! upper {
    ($low:expr, $high:expr) => {
        i32x4_shuffle::<1, 3, 5, 7>($low, $high)
    };
}

// SAFETY of every block below: pointers come from references or slices of at least the length that is read or written.
impl Isa for Simd128 {
    type V = [v128; 4];
    type Lhs = i16;
    const GROUP: usize = 2;
    const OFFSET: i32 = 0;
    const WIDE: bool = false;

    #[inline(always)]
    fn lhs(v: i8) -> i16 {
        v as i16
    }

    #[inline(always)]
    fn splat(self, word: i32) -> Self::V {
        [i32x4_splat(word); 4]
    }

    #[inline(always)]
    fn load_words(self, from: &[i32; LANES]) -> Self::V {
        let at = from.as_ptr().cast::<v128>();
        unsafe { [v128_load(at), v128_load(at.add(1)), v128_load(at.add(2)), v128_load(at.add(3))] }
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        for (v, to) in v.into_iter().zip(to.0.chunks_exact_mut(4)) {
            unsafe { v128_store(to.as_mut_ptr().cast(), v) }
        }
    }

    #[inline(always)]
    fn widen(self, from: &[i8]) -> Self::V {
        let mut padded = [0i8; LANES];
        let from = if from.len() >= LANES {
            from
        } else {
            padded[..from.len()].copy_from_slice(from);
            &padded
        };
        let bytes = unsafe { v128_load(from.as_ptr().cast()) };
        let (low, high) = (i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes));
        [
            i32x4_extend_low_i16x8(low),
            i32x4_extend_high_i16x8(low),
            i32x4_extend_low_i16x8(high),
            i32x4_extend_high_i16x8(high),
        ]
    }

    #[inline(always)]
    fn narrow(self, v: Self::V, to: &mut [i8]) {
        let (low, high) = (i16x8_narrow_i32x4(v[0], v[1]), i16x8_narrow_i32x4(v[2], v[3]));
        let bytes = i8x16_narrow_i16x8(low, high);
        if to.len() >= LANES {
            unsafe { v128_store(to.as_mut_ptr().cast(), bytes) }
        } else {
            let mut all = [0i8; LANES];
            unsafe { v128_store(all.as_mut_ptr().cast(), bytes) }
            to.copy_from_slice(&all[..to.len()]);
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        quarters!(|a, b| i32x4_add(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        quarters!(|a, b| i32x4_sub(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        quarters!(|a, b| i32x4_mul(a, b))
    }

    #[inline(always)]
    fn dot(self, acc: Self::V, lhs: Self::V, rhs: Self::V) -> Self::V {
        quarters!(|acc, lhs, rhs| i32x4_add(acc, i32x4_dot_i16x8(lhs, rhs)))
    }

    #[inline(always)]
    fn push_rhs(self, words: Self::V, v: Self::V) -> Self::V {
        quarters!(|words, v| v128_or(u32x4_shr(words, 16), i32x4_shl(v, 16)))
    }

    #[inline(always)]
    fn push_lhs(self, words: Self::V, v: Self::V) -> Self::V {
        self.push_rhs(words, v)
    }

    #[inline(always)]
    fn mul_high(self, a: Self::V, b: Self::V) -> Self::V {
        quarters!(|a, b| upper!(i64x2_extmul_low_i32x4(a, b), i64x2_extmul_high_i32x4(a, b)))
    }

    #[inline(always)]
    fn mul_high_round(self, a: Self::V, b: Self::V) -> Self::V {
        let half = i64x2_splat(1 << 31);
        quarters!(|a, b| {
            let low = i64x2_add(i64x2_extmul_low_i32x4(a, b), half);
            upper!(low, i64x2_add(i64x2_extmul_high_i32x4(a, b), half))
        })
    }

    #[inline(always)]
    fn shift_right(self, a: Self::V, n: i32) -> Self::V {
        quarters!(|a| i32x4_shr(a, n as u32))
    }

    #[inline(always)]
    fn shift_left(self, a: Self::V, n: i32) -> Self::V {
        quarters!(|a| i32x4_shl(a, n as u32))
    }

    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        quarters!(|a, b| v128_and(a, b))
    }

    #[inline(always)]
    fn clamp(self, a: Self::V, lo: Self::V, hi: Self::V) -> Self::V {
        quarters!(|a, lo, hi| i32x4_min(i32x4_max(a, lo), hi))
    }

    #[inline(always)]
    fn select(self, bits: u16, a: Self::V) -> Self::V {
        let lane = i32x4(1, 2, 4, 8);
        let bits = i32x4_splat(bits as i32);
        let bits = [bits, u32x4_shr(bits, 4), u32x4_shr(bits, 8), u32x4_shr(bits, 12)];
        quarters!(|a, bits| v128_and(a, i32x4_eq(v128_and(bits, lane), lane)))
    }

    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u16 {
        let [p, q, r, s] = quarters!(|a, b| i32x4_bitmask(i32x4_eq(a, b)) as u16);
        p | q << 4 | r << 8 | s << 12
    }
}
