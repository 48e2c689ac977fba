//! Weights in the order and width in which kernels multiply them: what the compiler writes into flash in place of int8.
//!
//! A word holds two int16, the first in its low half. Rows (output channels) come in pairs, and the elements `k` of a row in fours, filled up with zeros:
//!
//! * *Packed*: one int16 `h[k] = 256 w1[k] + w0[k]` for both rows, in words `(h[k], h[k+2]), (h[k+1], h[k+3])`: as many bytes as int8. A sum of products
//!   with `h` is `256 S1 + S0`, one with its low byte is `S0`; both wrap at 2^32, so `S1` is exact while `|S1| < 2^23` ([`fits`]).
//! * *Wide*: words `(w0[k], w0[k+2]), (w1[k], w1[k+2]), (w0[k+1], w0[k+3]), (w1[k+1], w1[k+3])`: twice the bytes, and no limit on a sum.
//!
//! * *Window*, for a convolution with one: as wide ones, each row of the kernel (`kw in_c` elements, filled up to an even number) in the order of its
//!   elements, in words `(w0[k], w0[k+1]), (w1[k], w1[k+1])`.
//!
//! The order within four is that in which `SXTB16` widens a word of int8.

use alloc::vec::Vec;

use crate::params::ConvParams;

/// Sums of the second row of a pair must lie below this.
const LIMIT: i64 = 1 << 23;
/// Places of the elements k, k+1, k+2, k+3 in two words of int16.
const ORDER: [usize; 4] = [0, 2, 1, 3];

fn fours(k: i32) -> i64 {
    (i64::from(k) + 3) / 4
}

/// Words of a pointwise convolution's weights, packed.
pub fn packed_words(p: &ConvParams) -> i64 {
    i64::from(p.out_c / 2) * fours(p.in_c) * 2
}

/// Words of a pointwise convolution's weights, wide.
pub fn wide_words(p: &ConvParams) -> i64 {
    2 * packed_words(p)
}

/// Words of a convolution's weights for its window.
pub fn window_words(p: &ConvParams) -> i64 {
    i64::from(p.out_c) * i64::from(p.kh) * ((i64::from(p.kw) * i64::from(p.in_c) + 1) / 2)
}

fn word(low: i32, high: i32) -> u32 {
    (low as u32 & 0xffff) | (high as u32) << 16
}

fn halves(word: u32) -> [i32; 2] {
    [i32::from(word as i16), (word as i32) >> 16]
}

/// The element `k` of a row, 0 behind its end.
fn element(row: &[i8], k: usize) -> i32 {
    row.get(k).copied().unwrap_or(0).into()
}

/// Both formats: `put` gets the four elements from `k` on of both rows of a pair.
fn pairs(weights: &[i8], k: usize, mut put: impl FnMut([i32; 4], [i32; 4])) {
    for pair in weights.chunks_exact(2 * k) {
        let (first, second) = pair.split_at(k);
        for at in (0..k).step_by(4) {
            let four = |row| core::array::from_fn(|i| element(row, at + i));
            put(four(first), four(second));
        }
    }
}

/// Packs rows of `k` weights each.
pub fn pack(weights: &[i8], k: usize) -> Vec<u32> {
    let mut words = Vec::with_capacity(weights.len() / 4 + weights.len() / k);
    pairs(weights, k, |a, b| {
        let h: [i32; 4] = core::array::from_fn(|i| 256 * b[i] + a[i]);
        words.extend([word(h[0], h[2]), word(h[1], h[3])]);
    });
    words
}

/// Widens rows of `k` weights each.
pub fn widen(weights: &[i8], k: usize) -> Vec<u32> {
    let mut words = Vec::with_capacity(weights.len() / 2 + 2 * weights.len() / k);
    pairs(weights, k, |a, b| words.extend([word(a[0], a[2]), word(b[0], b[2]), word(a[1], a[3]), word(b[1], b[3])]));
    words
}

/// Widens rows of `kh` parts of `run` weights each.
pub fn window(weights: &[i8], kh: usize, run: usize) -> Vec<u32> {
    let mut words = Vec::new();
    for pair in weights.chunks_exact(2 * kh * run) {
        let (first, second) = pair.split_at(kh * run);
        for (a, b) in first.chunks_exact(run).zip(second.chunks_exact(run)) {
            for at in (0..run).step_by(2) {
                words.extend([a, b].map(|row| word(element(row, at), element(row, at + 1))));
            }
        }
    }
    words
}

/// The weights that [`window`] widened; none for words that it does not make.
pub fn unwindow(words: &[u32], kh: usize, run: usize) -> Option<Vec<i8>> {
    let each = run.div_ceil(2);
    let mut weights = Vec::with_capacity(2 * words.len());
    for pair in words.chunks_exact(2 * kh * each) {
        for row in 0..2 {
            for part in pair.chunks_exact(2 * each) {
                let halves = part[row..].iter().step_by(2).flat_map(|&w| halves(w));
                for (k, v) in halves.enumerate() {
                    let w = i8::try_from(v).ok()?;
                    if k < run {
                        weights.push(w);
                    } else if w != 0 {
                        return None;
                    }
                }
            }
        }
    }
    Some(weights)
}

/// Rows of `k` weights from fours of both rows of a pair; none where a weight is no int8.
fn rows(fours: impl Iterator<Item = [[i32; 4]; 2]>, k: usize) -> Option<Vec<i8>> {
    let (mut weights, mut pair) = (Vec::new(), [Vec::with_capacity(k), Vec::with_capacity(k)]);
    for four in fours {
        for (row, values) in pair.iter_mut().zip(four) {
            for v in values {
                let w = i8::try_from(v).ok()?;
                // Behind the end of a row there are zeros.
                if row.len() < k {
                    row.push(w)
                } else if w != 0 {
                    return None;
                }
            }
        }
        if pair[0].len() == k {
            for row in &mut pair {
                weights.append(row);
            }
        }
    }
    Some(weights)
}

/// The weights that [`pack`] packed; none for words that it does not make.
pub fn unpack(words: &[u32], k: usize) -> Option<Vec<i8>> {
    let (fours, []) = words.as_chunks::<2>() else { return None };
    let split = |h: i32| {
        let low = i32::from(h as i8);
        [low, (h - low) >> 8]
    };
    let four = |w: &[u32; 2]| {
        let h = [halves(w[0]), halves(w[1])];
        let [mut a, mut b] = [[0; 4]; 2];
        for (i, place) in ORDER.into_iter().enumerate() {
            [a[i], b[i]] = split(h[place / 2][place % 2]);
        }
        [a, b]
    };
    rows(fours.iter().map(four), k)
}

/// The weights that [`widen`] widened; none for words that it does not make.
pub fn narrow(words: &[u32], k: usize) -> Option<Vec<i8>> {
    let (fours, []) = words.as_chunks::<4>() else { return None };
    let four = |w: &[u32; 4]| {
        let [a, b, c, d] = w.map(halves);
        [[a[0], c[0], a[1], c[1]], [b[0], d[0], b[1], d[1]]]
    };
    rows(fours.iter().map(four), k)
}

/// Whether weights can be packed: none is -128, which with a negative one beside it leaves int16, and no sum of the second row of a pair can leave its
/// 24 bits: rows of `k` weights each, zero where `trained` weights come in, of which each may
/// become anything from -127 to 127; inputs are int8 around `x_zero`.
pub fn fits(weights: &[i8], k: usize, trained: i32, x_zero: i32) -> bool {
    let furthest = i64::from((127 - x_zero).max(128 + x_zero));
    !weights.contains(&i8::MIN)
        && weights.chunks_exact(k).skip(1).step_by(2).all(|row| {
            let sum: i64 = row.iter().map(|&w| i64::from(w).abs()).sum();
            (sum + 127 * i64::from(trained)) * furthest < LIMIT
        })
}
