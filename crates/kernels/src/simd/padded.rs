//! Padded inputs: an activation or a gradient whose elements are converted to factors of a product, with padding around
//! it.
#![allow(unsafe_code)]

use super::isa::{BEYOND, Element, Line};
use crate::grown;

/// A copy of a tensor `[rows][columns][channels]` within a larger one, so that products need no bounds checks.
#[derive(Clone, Copy, Debug)]
pub struct Padded {
    /// Rows, columns and channels of the tensor.
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
    /// Padding rows above it and padding columns to its left.
    pub top: usize,
    pub left: usize,
    /// Distance between neighbouring columns of the tensor.
    pub spread: usize,
    /// Total rows and columns; parts of the tensor that do not fit are omitted.
    pub height: usize,
    pub width: usize,
}

impl Padded {
    /// Number of elements of a padded row.
    pub fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Total number of elements, including some beyond the end that the last word may read.
    pub fn len(&self) -> usize {
        self.height * self.row() + BEYOND
    }

    /// Whether the offset of every element is below `2^31`.
    pub fn fits(&self) -> bool {
        let len = self.width.checked_mul(self.channels).and_then(|row| row.checked_mul(self.height));
        len.is_some_and(|len| len < 1 << 31)
    }

    /// Whether there is no padding and the elements are those of the tensor, in the same order.
    pub fn plain(&self) -> bool {
        self.top == 0 && self.left == 0 && self.spread == 1 && self.height == self.rows && self.width == self.columns
    }

    /// Writes the padded input: elements converted by `factor`, surrounded by `zero`.
    #[inline(always)]
    pub fn fill<T: Element>(&self, x: &[i8], zero: T, to: &mut [T], factor: impl Fn(i8) -> T) {
        let (body, slack) = to[..self.len()].split_at_mut(self.height * self.row());
        slack.fill(zero);
        if self.plain() {
            return convert(x, body, factor);
        }
        let c = self.channels;
        for (y, to) in body.chunks_exact_mut(self.row()).enumerate() {
            let Some(y) = y.checked_sub(self.top).filter(|&y| y < self.rows) else {
                to.fill(zero);
                continue;
            };
            let from = &x[y * self.columns * c..][..self.columns * c];
            let (before, to) = to.split_at_mut((self.left * c).min(to.len()));
            before.fill(zero);
            if self.spread == 1 {
                let n = from.len().min(to.len());
                convert(&from[..n], &mut to[..n], &factor);
                to[n..].fill(zero);
            } else {
                to.fill(zero);
                for (to, from) in to.chunks_mut(self.spread * c).zip(from.chunks_exact(c)) {
                    convert(from, &mut to[..c], &factor);
                }
            }
        }
    }
}

#[inline(always)]
fn convert<T>(from: &[i8], to: &mut [T], factor: impl Fn(i8) -> T) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor(from);
    }
}

/// `n` elements in a buffer of lines, with whatever content an earlier use left there.
pub fn elements<T: Element>(lines: &mut Vec<Line>, n: usize) -> &mut [T] {
    let bytes = n.checked_mul(size_of::<T>()).expect("the size fits into memory");
    let lines = grown(lines, bytes.div_ceil(size_of::<Line>()));
    // SAFETY: the lines are initialised, long enough and more strictly aligned, and any bytes are a valid `Element`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), n) }
}

/// Lines reinterpreted as elements.
pub fn as_elements<T: Element>(lines: &[Line]) -> &[T] {
    // SAFETY: as in `elements`.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines) / size_of::<T>()) }
}
