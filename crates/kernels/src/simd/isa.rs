//! The small interface that all fast kernels are written against: sixteen lanes of 32 bits, and a product that adds up
//! several narrow factors a lane.
#![allow(unsafe_code)]

/// Lanes of a vector, on every processor: output channels, or weights of one row.
pub const LANES: usize = 16;

/// Sixteen words, aligned so that a vector's load never crosses a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Line(pub [i32; LANES]);

/// Lines for `n` lanes.
pub fn lines(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// Elements of a factor in memory.
///
/// # Safety
/// Any bytes are a value, and there is no padding.
pub unsafe trait Element: Copy {}
// SAFETY: plain integers.
unsafe impl Element for u8 {}
unsafe impl Element for i8 {}
unsafe impl Element for i16 {}

/// More factors than any word has: what may be read beyond the last of a run.
pub const BEYOND: usize = 4;

/// What a family of processors can do. A value of the type is proof that the processor has the instructions: it is made
/// only where they have been found, and that is why its methods are safe.
///
/// A *word* is 32 bits with [`Isa::GROUP`] factors, the first in the lowest bits. *Left* factors are activations or
/// gradients, int8 moved up by [`Isa::OFFSET`]; *right* factors are weights (or whatever stands in their place), plain
/// int8 widened to the size of a left one. Everything wraps, so what the offset adds to a sum can be taken off it
/// before or after.
pub trait Isa: Copy {
    /// Sixteen lanes.
    type V: Copy;
    /// A left factor.
    type Left: Element;
    /// Factors in a word.
    const GROUP: usize;
    /// Added to each int8 to make a left factor.
    const OFFSET: i32;
    /// Whether a line is one register, of which there are enough for large tiles.
    const WIDE: bool;

    /// An int8 as left factor.
    fn left(v: i8) -> Self::Left;
    /// One word in all lanes.
    fn splat(self, word: i32) -> Self::V;
    /// Sixteen words, wherever they lie.
    fn load_words(self, from: &[i32; LANES]) -> Self::V;
    /// A line.
    #[inline(always)]
    fn load(self, from: &Line) -> Self::V {
        self.load_words(&from.0)
    }
    /// Into a line.
    fn store(self, v: Self::V, to: &mut Line);
    /// Up to sixteen int8, sign-extended, one a lane; further lanes are 0.
    fn widen(self, from: &[i8]) -> Self::V;
    /// Values in int8's range, as many as `to` has room for.
    fn narrow(self, v: Self::V, to: &mut [i8]);
    /// Sum; wraps.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Difference; wraps.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Product; wraps.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `acc` and the products of the factors of both words, lane by lane; wraps.
    fn dot(self, acc: Self::V, left: Self::V, right: Self::V) -> Self::V;
    /// Words moved down by one factor, with an int8 (sign-extended in its lane) at the top as right factor.
    fn push(self, words: Self::V, v: Self::V) -> Self::V;
    /// The same as left factor.
    fn push_left(self, words: Self::V, v: Self::V) -> Self::V;
    /// `(a * b) >> 32`.
    fn mul_high(self, a: Self::V, b: Self::V) -> Self::V;
    /// `(a * b + 2^31) >> 32`.
    fn mul_high_round(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a >> n`, arithmetic, `n` in `0..32`.
    fn shift_right(self, a: Self::V, n: i32) -> Self::V;
    /// `a << n`, `n` in `0..32`.
    fn shift_left(self, a: Self::V, n: i32) -> Self::V;
    /// Bits of both.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a` within `lo..=hi`.
    fn clamp(self, a: Self::V, lo: Self::V, hi: Self::V) -> Self::V;
    /// The lanes whose bit is set, 0 in the others.
    fn select(self, bits: u16, a: Self::V) -> Self::V;
    /// Signed nibbles, two a byte, the first in the lower half; lanes beyond the last hold anything.
    #[inline(always)]
    fn widen_nibbles(self, from: &[u8]) -> Self::V {
        let mut line = Line::default();
        for (pair, &byte) in line.0.chunks_exact_mut(2).zip(from) {
            pair[0] = (byte as i32) << 28 >> 28;
            pair[1] = (byte as i32) << 24 >> 28;
        }
        self.load(&line)
    }
    /// The reverse.
    #[inline(always)]
    fn narrow_nibbles(self, v: Self::V, to: &mut [u8]) {
        let mut line = Line::default();
        self.store(v, &mut line);
        for (pair, byte) in line.0.chunks_exact(2).zip(to) {
            *byte = (pair[0] & 15 | pair[1] << 4) as u8;
        }
    }
    /// A bit for each lane that is equal.
    fn equal(self, a: Self::V, b: Self::V) -> u16;
}

/// A word of ones, as left or right factors.
pub const fn ones(group: usize) -> i32 {
    if group == 4 { 0x0101_0101 } else { 0x0001_0001 }
}
