//! The small interface against which all fast kernels are written: sixteen lanes of 32 bits, and a dot product of
//! several narrow factors per lane.
#![allow(unsafe_code)]

/// Lanes of a vector, on every processor: usually output channels, or the weights of one row.
pub const LANES: usize = 16;

/// Sixteen words (64 bytes), aligned so that loading a vector never crosses a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [i32; LANES]);

/// Number of lines for `n` lanes.
pub fn lines(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// The type of a factor in memory.
///
/// # Safety
/// Any bytes are a valid value, and there is no padding.
pub unsafe trait Element: Copy {}
// SAFETY: plain integers.
unsafe impl Element for u8 {}
unsafe impl Element for i8 {}
unsafe impl Element for i16 {}

/// The largest number of factors per word, and hence a bound on what may be read beyond the end of a run.
pub const BEYOND: usize = 4;

/// The operations of an instruction set. A value of the type proves that the processor has the instructions, because it
/// is created only where they have been detected; this is why its methods are safe.
///
/// A *word* packs [`Isa::GROUP`] factors into 32 bits, the first in the lowest bits. Factors of the *LHS* are
/// activations or gradients: int8 plus [`Isa::OFFSET`]. Factors of the *RHS* are weights (or whatever takes their
/// place): int8 widened to the size of an LHS factor. All arithmetic wraps, so the contribution of the offset to a sum
/// can be subtracted before or after.
pub trait Isa: Copy {
    /// Sixteen lanes.
    type V: Copy;
    /// A factor of the LHS.
    type Lhs: Element;
    /// Number of factors in a word.
    const GROUP: usize;
    /// Added to an int8 to form a factor of the LHS.
    const OFFSET: i32;
    /// Whether a line fits one register, with enough registers for large tiles.
    const WIDE: bool;

    /// An int8 as a factor of the LHS.
    fn lhs(v: i8) -> Self::Lhs;
    /// One word in all lanes.
    fn splat(self, word: i32) -> Self::V;
    /// Loads sixteen words of any alignment.
    fn load_words(self, from: &[i32; LANES]) -> Self::V;
    /// Loads a line.
    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        self.load_words(&from.0)
    }
    /// Stores to a line.
    fn store(self, v: Self::V, to: &mut Line);
    /// Up to sixteen int8, sign-extended, one per lane; further lanes are 0.
    fn widen(self, from: &[i8]) -> Self::V;
    /// Stores values within the range of int8, as many as `to` has room for.
    fn narrow(self, v: Self::V, to: &mut [i8]);
    /// Sum; wraps.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Difference; wraps.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Product; wraps.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `acc` plus the dot product of the factors of both words, in each lane; wraps.
    fn dot(self, acc: Self::V, lhs: Self::V, rhs: Self::V) -> Self::V;
    /// Shifts words down by one factor and inserts an int8 (sign-extended in its lane) at the top as a factor of the
    /// RHS.
    fn push_rhs(self, words: Self::V, v: Self::V) -> Self::V;
    /// The same with a factor of the LHS.
    fn push_lhs(self, words: Self::V, v: Self::V) -> Self::V;
    /// `(a * b) >> 32`.
    fn mul_high(self, a: Self::V, b: Self::V) -> Self::V;
    /// `(a * b + 2^31) >> 32`.
    fn mul_high_round(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a >> n`, arithmetic, `n` in `0..32`.
    fn shift_right(self, a: Self::V, n: i32) -> Self::V;
    /// `a << n`, `n` in `0..32`.
    fn shift_left(self, a: Self::V, n: i32) -> Self::V;
    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` clamped to `lo..=hi`.
    fn clamp(self, a: Self::V, lo: Self::V, hi: Self::V) -> Self::V;
    /// `a` in the lanes whose bit is set, 0 in the others.
    fn select(self, bits: u16, a: Self::V) -> Self::V;
    /// Signed nibbles, two per byte, the first in the lower half; lanes beyond the last are unspecified.
    #[inline(always)]
    fn widen_nibbles(self, from: &[u8]) -> Self::V {
        let mut line = Line::default();
        for (pair, &byte) in line.0.chunks_exact_mut(2).zip(from) {
            pair[0] = (byte as i32) << 28 >> 28;
            pair[1] = (byte as i32) << 24 >> 28;
        }
        self.load(&line)
    }
    /// The inverse of [`Isa::widen_nibbles`].
    #[inline(always)]
    fn narrow_nibbles(self, v: Self::V, to: &mut [u8]) {
        let mut line = Line::default();
        self.store(v, &mut line);
        for (pair, byte) in line.0.chunks_exact(2).zip(to) {
            *byte = (pair[0] & 15 | pair[1] << 4) as u8;
        }
    }
    /// One bit per lane: whether the lanes are equal.
    fn equal(self, a: Self::V, b: Self::V) -> u16;
}

/// A word whose factors are all 1, for the LHS or the RHS.
pub const fn ones(group: usize) -> i32 {
    if group == 4 { 0x0101_0101 } else { 0x0001_0001 }
}
