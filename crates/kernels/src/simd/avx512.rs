//! AVX-512 with VNNI: one register a vector, four bytes a word.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use std::arch::x86_64::*;

/// Proof of AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// Looks for the instructions.
    pub fn found() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(()))
    }
}

/// A bit for each of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> u16 {
    if n < LANES { (1 << n) - 1 } else { u16::MAX }
}

// SAFETY, of every block below: the processor has the instructions, since `self` exists; pointers come from references
// or slices of at least the length that is read or written, masked lanes beyond it being left alone.
impl Isa for Avx512 {
    type V = __m512i;
    type Left = u8;
    const GROUP: usize = 4;
    const OFFSET: i32 = 128;
    const WIDE: bool = true;

    #[inline(always)]
    fn left(v: i8) -> u8 {
        v as u8 ^ 0x80
    }

    #[inline(always)]
    fn splat(self, word: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(word) }
    }

    #[inline(always)]
    fn load_words(self, from: &[i32; LANES]) -> __m512i {
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, v: __m512i, to: &mut Line) {
        unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), v) }
    }

    #[inline(always)]
    fn widen(self, from: &[i8]) -> __m512i {
        unsafe {
            _mm512_cvtepi8_epi32(if from.len() >= LANES {
                _mm_loadu_si128(from.as_ptr().cast())
            } else {
                _mm_maskz_loadu_epi8(first(from.len()), from.as_ptr())
            })
        }
    }

    #[inline(always)]
    fn narrow(self, v: __m512i, to: &mut [i8]) {
        unsafe {
            if to.len() >= LANES {
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(v));
            } else {
                _mm_mask_storeu_epi8(to.as_mut_ptr(), first(to.len()), _mm512_cvtepi32_epi8(v));
            }
        }
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, b) }
    }

    #[inline(always)]
    fn dot(self, acc: __m512i, left: __m512i, right: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(acc, left, right) }
    }

    #[inline(always)]
    fn push(self, words: __m512i, factor: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(_mm512_srli_epi32::<8>(words), _mm512_slli_epi32::<24>(factor)) }
    }

    #[inline(always)]
    fn mul_high(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe {
            let even = _mm512_mul_epi32(a, b);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
            _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd)
        }
    }

    #[inline(always)]
    fn mul_high_round(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe {
            let half = _mm512_set1_epi64(1 << 31);
            let even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
            let odd = _mm512_add_epi64(odd, half);
            _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd)
        }
    }

    #[inline(always)]
    fn shift_right(self, a: __m512i, n: i32) -> __m512i {
        unsafe { _mm512_sra_epi32(a, _mm_cvtsi32_si128(n)) }
    }

    #[inline(always)]
    fn shift_left(self, a: __m512i, n: i32) -> __m512i {
        unsafe { _mm512_sll_epi32(a, _mm_cvtsi32_si128(n)) }
    }

    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(a, b) }
    }

    #[inline(always)]
    fn clamp(self, a: __m512i, lo: __m512i, hi: __m512i) -> __m512i {
        unsafe { _mm512_min_epi32(_mm512_max_epi32(a, lo), hi) }
    }

    #[inline(always)]
    fn select(self, bits: u16, a: __m512i) -> __m512i {
        unsafe { _mm512_maskz_mov_epi32(bits, a) }
    }

    #[inline(always)]
    fn equal(self, a: __m512i, b: __m512i) -> u16 {
        unsafe { _mm512_cmpeq_epi32_mask(a, b) }
    }
}
