//! AVX-512 with VNNI: one register per vector, four bytes per word.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use std::arch::x86_64::*;

/// Proof that the processor has AVX2 and AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// Detects the instructions.
    pub fn found() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(()))
    }
}

/// The upper halves of 64-bit lanes: of `even` in the even 32-bit lanes, of `odd` in the odd ones.
#[inline(always)]
fn upper_halves(_: Avx512, even: __m512i, odd: __m512i) -> __m512i {
    // a | b & c, which needs no mask register.
    const A_OR_B_AND_C: i32 = 0xf8;
    // SAFETY: the first argument proves the instructions.
    unsafe {
        let upper = _mm512_set1_epi64(0xffff_ffff_0000_0000_u64 as i64);
        _mm512_ternarylogic_epi32::<A_OR_B_AND_C>(_mm512_srli_epi64::<32>(even), odd, upper)
    }
}

/// A bit for each of the first `n` lanes.
#[inline(always)]
fn first(n: usize) -> u16 {
    if n < LANES { (1 << n) - 1 } else { u16::MAX }
}

// SAFETY of every block below: the processor has the instructions, since `self` exists; pointers come from references
// or slices of at least the length that is read or written; masked lanes beyond it are not touched.
impl Isa for Avx512 {
    type V = __m512i;
    type Lhs = u8;
    const GROUP: usize = 4;
    const OFFSET: i32 = 128;
    const WIDE: bool = true;

    #[inline(always)]
    fn lhs(v: i8) -> u8 {
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
            _mm512_cvtepi8_epi32(match from.len() {
                LANES.. => _mm_loadu_si128(from.as_ptr().cast()),
                8 => _mm_loadl_epi64(from.as_ptr().cast()),
                n => _mm_maskz_loadu_epi8(first(n), from.as_ptr()),
            })
        }
    }

    #[inline(always)]
    fn narrow(self, v: __m512i, to: &mut [i8]) {
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(v);
            match to.len() {
                LANES.. => _mm_storeu_si128(to.as_mut_ptr().cast(), bytes),
                8 => _mm_storel_epi64(to.as_mut_ptr().cast(), bytes),
                n => _mm_mask_storeu_epi8(to.as_mut_ptr(), first(n), bytes),
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
    fn mul(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_mullo_epi32(a, b) }
    }

    #[inline(always)]
    fn dot(self, acc: __m512i, lhs: __m512i, rhs: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(acc, lhs, rhs) }
    }

    #[inline(always)]
    fn push_rhs(self, words: __m512i, v: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(_mm512_srli_epi32::<8>(words), _mm512_slli_epi32::<24>(v)) }
    }

    #[inline(always)]
    fn push_lhs(self, words: __m512i, v: __m512i) -> __m512i {
        // Adding the offset to the topmost factor flips its highest bit.
        unsafe { _mm512_xor_si512(self.push_rhs(words, v), _mm512_set1_epi32(i32::MIN)) }
    }

    #[inline(always)]
    fn mul_high(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe {
            let even = _mm512_mul_epi32(a, b);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
            upper_halves(self, even, odd)
        }
    }

    #[inline(always)]
    fn mul_high_round(self, a: __m512i, b: __m512i) -> __m512i {
        unsafe {
            let half = _mm512_set1_epi64(1 << 31);
            let even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
            let odd = _mm512_add_epi64(odd, half);
            upper_halves(self, even, odd)
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
    fn widen_nibbles(self, from: &[u8]) -> __m512i {
        let mut eight = [0; LANES / 2];
        let eight = from.first_chunk().unwrap_or_else(|| {
            eight[..from.len()].copy_from_slice(from);
            &eight
        });
        unsafe {
            // One byte in each 64 bits: its upper half moves into the upper 32 bits.
            let bytes = _mm512_cvtepu8_epi64(_mm_loadl_epi64(eight.as_ptr().cast()));
            let pairs = _mm512_or_si512(bytes, _mm512_slli_epi64::<28>(bytes));
            _mm512_srai_epi32::<28>(_mm512_slli_epi32::<28>(pairs))
        }
    }

    #[inline(always)]
    fn narrow_nibbles(self, v: __m512i, to: &mut [u8]) {
        unsafe {
            let v = _mm512_and_si512(v, _mm512_set1_epi32(15));
            let bytes = _mm512_cvtepi64_epi8(_mm512_or_si512(v, _mm512_srli_epi64::<28>(v)));
            match to.first_chunk_mut::<8>() {
                Some(to) => _mm_storel_epi64(to.as_mut_ptr().cast(), bytes),
                None => {
                    let all = _mm_cvtsi128_si64(bytes).to_le_bytes();
                    to.copy_from_slice(&all[..to.len()]);
                }
            }
        }
    }

    #[inline(always)]
    fn equal(self, a: __m512i, b: __m512i) -> u16 {
        unsafe { _mm512_cmpeq_epi32_mask(a, b) }
    }
}
