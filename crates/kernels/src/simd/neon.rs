//! NEON with dot products: four registers per vector, four bytes per word.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

/// Proof that the processor has NEON and its dot product.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// Detects the instructions.
    pub fn found() -> Option<Self> {
        // Words are read as stored in memory, with the first factor in the lowest bits.
        let found = cfg!(target_endian = "little")
            && is_aarch64_feature_detected!("neon")
            && is_aarch64_feature_detected!("dotprod");
        found.then_some(Self(()))
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

/// One bit for each lane of a quarter.
const LANE: [u32; 4] = [1, 2, 4, 8];

/// `SDOT`, which has no stable intrinsic.
#[inline(always)]
fn sdot(_: Neon, mut acc: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: the first argument proves that the instruction exists; it accesses only registers.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {acc:v}.4s, {a:v}.16b, {b:v}.16b",
            acc = inout(vreg) acc, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

// SAFETY of every block below: the processor has the instructions, since `self` exists; pointers come from references
// or slices of at least the length that is read or written.
impl Isa for Neon {
    type V = [int32x4_t; 4];
    type Lhs = i8;
    const GROUP: usize = 4;
    const OFFSET: i32 = 0;
    const WIDE: bool = false;

    #[inline(always)]
    fn lhs(v: i8) -> i8 {
        v
    }

    #[inline(always)]
    fn splat(self, word: i32) -> Self::V {
        unsafe { [vdupq_n_s32(word); 4] }
    }

    #[inline(always)]
    fn load_words(self, from: &[i32; LANES]) -> Self::V {
        let at = from.as_ptr();
        unsafe { [vld1q_s32(at), vld1q_s32(at.add(4)), vld1q_s32(at.add(8)), vld1q_s32(at.add(12))] }
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        for (v, to) in v.into_iter().zip(to.0.chunks_exact_mut(4)) {
            unsafe { vst1q_s32(to.as_mut_ptr(), v) }
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
        unsafe {
            let bytes = vld1q_s8(from.as_ptr());
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
            [vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)]
        }
    }

    #[inline(always)]
    fn narrow(self, v: Self::V, to: &mut [i8]) {
        unsafe {
            let low = vcombine_s16(vmovn_s32(v[0]), vmovn_s32(v[1]));
            let high = vcombine_s16(vmovn_s32(v[2]), vmovn_s32(v[3]));
            let bytes = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
            if to.len() >= LANES {
                vst1q_s8(to.as_mut_ptr(), bytes);
            } else {
                let mut all = [0i8; LANES];
                vst1q_s8(all.as_mut_ptr(), bytes);
                to.copy_from_slice(&all[..to.len()]);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { quarters!(|a, b| vaddq_s32(a, b)) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { quarters!(|a, b| vsubq_s32(a, b)) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { quarters!(|a, b| vmulq_s32(a, b)) }
    }

    #[inline(always)]
    fn dot(self, acc: Self::V, lhs: Self::V, rhs: Self::V) -> Self::V {
        quarters!(|acc, lhs, rhs| sdot(self, acc, lhs, rhs))
    }

    #[inline(always)]
    fn push_rhs(self, words: Self::V, v: Self::V) -> Self::V {
        unsafe {
            quarters!(|words, v| {
                let rest = vreinterpretq_s32_u32(vshrq_n_u32::<8>(vreinterpretq_u32_s32(words)));
                vorrq_s32(rest, vshlq_n_s32::<24>(v))
            })
        }
    }

    #[inline(always)]
    fn push_lhs(self, words: Self::V, v: Self::V) -> Self::V {
        self.push_rhs(words, v)
    }

    #[inline(always)]
    fn mul_high(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            quarters!(|a, b| {
                let low = vshrn_n_s64::<32>(vmull_s32(vget_low_s32(a), vget_low_s32(b)));
                vcombine_s32(low, vshrn_n_s64::<32>(vmull_high_s32(a, b)))
            })
        }
    }

    #[inline(always)]
    fn mul_high_round(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            quarters!(|a, b| {
                let low = vrshrn_n_s64::<32>(vmull_s32(vget_low_s32(a), vget_low_s32(b)));
                vcombine_s32(low, vrshrn_n_s64::<32>(vmull_high_s32(a, b)))
            })
        }
    }

    #[inline(always)]
    fn shift_right(self, a: Self::V, n: i32) -> Self::V {
        unsafe { quarters!(|a| vshlq_s32(a, vdupq_n_s32(-n))) }
    }

    #[inline(always)]
    fn shift_left(self, a: Self::V, n: i32) -> Self::V {
        unsafe { quarters!(|a| vshlq_s32(a, vdupq_n_s32(n))) }
    }

    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { quarters!(|a, b| vandq_s32(a, b)) }
    }

    #[inline(always)]
    fn clamp(self, a: Self::V, lo: Self::V, hi: Self::V) -> Self::V {
        unsafe { quarters!(|a, lo, hi| vminq_s32(vmaxq_s32(a, lo), hi)) }
    }

    #[inline(always)]
    fn select(self, bits: u16, a: Self::V) -> Self::V {
        unsafe {
            let (lane, bits) = (vld1q_u32(LANE.as_ptr()), bits as u32);
            let bits = [vdupq_n_u32(bits), vdupq_n_u32(bits >> 4), vdupq_n_u32(bits >> 8), vdupq_n_u32(bits >> 12)];
            quarters!(|a, bits| vandq_s32(a, vreinterpretq_s32_u32(vtstq_u32(bits, lane))))
        }
    }

    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u16 {
        unsafe {
            let bits = vld1q_u32(LANE.as_ptr());
            let [p, q, r, s] = quarters!(|a, b| vaddvq_u32(vandq_u32(vceqq_s32(a, b), bits)) as u16);
            p | q << 4 | r << 8 | s << 12
        }
    }
}
