//! AVX2: two registers per vector, two int16 per word (because its product of bytes, `vpmaddubsw`, saturates).
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// Detects the instructions.
    pub fn found() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Applies one operation to both halves of a vector.
macro_rules! halves {
    (@ $i:literal |$($v:ident),*| $op:expr) => {{
        $(let $v = $v[$i];)*
        $op
    }};
    (|$($v:ident),*| $op:expr) => {
        [halves!(@ 0 |$($v),*| $op), halves!(@ 1 |$($v),*| $op)]
    };
}

// SAFETY of every block below: the processor has the instructions, since `self` exists; pointers come from references
// or slices of at least the length that is read or written.
impl Isa for Avx2 {
    type V = [__m256i; 2];
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
        unsafe { [_mm256_set1_epi32(word); 2] }
    }

    #[inline(always)]
    fn load_words(self, from: &[i32; LANES]) -> Self::V {
        unsafe {
            let at = from.as_ptr().cast::<__m256i>();
            [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
        }
    }

    #[inline(always)]
    fn store(self, v: Self::V, to: &mut Line) {
        unsafe {
            let at = to.0.as_mut_ptr().cast::<__m256i>();
            _mm256_store_si256(at, v[0]);
            _mm256_store_si256(at.add(1), v[1]);
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
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            [_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(bytes))]
        }
    }

    #[inline(always)]
    fn narrow(self, v: Self::V, to: &mut [i8]) {
        unsafe {
            let words = _mm256_permute4x64_epi64::<0xd8>(_mm256_packs_epi32(v[0], v[1]));
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            if to.len() >= LANES {
                _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
            } else {
                let mut all = [0i8; LANES];
                _mm_storeu_si128(all.as_mut_ptr().cast(), bytes);
                to.copy_from_slice(&all[..to.len()]);
            }
        }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { halves!(|a, b| _mm256_add_epi32(a, b)) }
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { halves!(|a, b| _mm256_sub_epi32(a, b)) }
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { halves!(|a, b| _mm256_mullo_epi32(a, b)) }
    }

    #[inline(always)]
    fn dot(self, acc: Self::V, lhs: Self::V, rhs: Self::V) -> Self::V {
        unsafe { halves!(|acc, lhs, rhs| _mm256_add_epi32(acc, _mm256_madd_epi16(lhs, rhs))) }
    }

    #[inline(always)]
    fn push_rhs(self, words: Self::V, v: Self::V) -> Self::V {
        unsafe { halves!(|words, v| _mm256_or_si256(_mm256_srli_epi32::<16>(words), _mm256_slli_epi32::<16>(v))) }
    }

    #[inline(always)]
    fn push_lhs(self, words: Self::V, v: Self::V) -> Self::V {
        self.push_rhs(words, v)
    }

    #[inline(always)]
    fn mul_high(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            halves!(|a, b| {
                let even = _mm256_mul_epi32(a, b);
                let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
                _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd)
            })
        }
    }

    #[inline(always)]
    fn mul_high_round(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            let half = _mm256_set1_epi64x(1 << 31);
            halves!(|a, b| {
                let even = _mm256_add_epi64(_mm256_mul_epi32(a, b), half);
                let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
                _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), _mm256_add_epi64(odd, half))
            })
        }
    }

    #[inline(always)]
    fn shift_right(self, a: Self::V, n: i32) -> Self::V {
        unsafe { halves!(|a| _mm256_sra_epi32(a, _mm_cvtsi32_si128(n))) }
    }

    #[inline(always)]
    fn shift_left(self, a: Self::V, n: i32) -> Self::V {
        unsafe { halves!(|a| _mm256_sll_epi32(a, _mm_cvtsi32_si128(n))) }
    }

    #[inline(always)]
    fn and(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { halves!(|a, b| _mm256_and_si256(a, b)) }
    }

    #[inline(always)]
    fn clamp(self, a: Self::V, lo: Self::V, hi: Self::V) -> Self::V {
        unsafe { halves!(|a, lo, hi| _mm256_min_epi32(_mm256_max_epi32(a, lo), hi)) }
    }

    #[inline(always)]
    fn select(self, bits: u16, a: Self::V) -> Self::V {
        unsafe {
            let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let bits = [_mm256_set1_epi32(bits as i32), _mm256_set1_epi32(bits as i32 >> 8)];
            halves!(|a, bits| _mm256_and_si256(a, _mm256_cmpeq_epi32(_mm256_and_si256(bits, lane), lane)))
        }
    }

    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u16 {
        unsafe {
            let bits = halves!(|a, b| _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))));
            (bits[0] | bits[1] << 8) as u16
        }
    }
}
