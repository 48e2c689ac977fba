//! Factors in memory: an activation or a gradient, each element turned into a factor, with room around it.
#![allow(unsafe_code)]

use super::isa::{BEYOND, Element, Line};
use crate::grown;

/// A copy of a tensor `[rows][columns][channels]` within a larger one that products read without a bound to look at.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Rows, columns and channels of what is copied.
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
    /// Rows above it and columns to its left.
    pub top: usize,
    pub left: usize,
    /// From one column of it to the next.
    pub spread: usize,
    /// Rows and columns in all; what does not fit is left out.
    pub height: usize,
    pub width: usize,
}

impl Frame {
    /// Elements from one row to the next.
    pub fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Elements in all, with some beyond the end that the last word may read.
    pub fn len(&self) -> usize {
        self.height * self.row() + BEYOND
    }

    /// Whether its places fit 32 bits, with room to count them in.
    pub fn fits(&self) -> bool {
        let len = self.width.checked_mul(self.channels).and_then(|row| row.checked_mul(self.height));
        len.is_some_and(|len| len < 1 << 31)
    }

    /// Whether it is the tensor itself, element by element.
    pub fn plain(&self) -> bool {
        self.top == 0 && self.left == 0 && self.spread == 1 && self.height == self.rows && self.width == self.columns
    }

    /// Fills the frame: elements as `factor` says, `zero` around them.
    #[inline(always)]
    pub fn fill<T: Element>(&self, x: &[i8], zero: T, to: &mut [T], factor: impl Fn(i8) -> T) {
        let (body, slack) = to[..self.len()].split_at_mut(self.height * self.row());
        slack.fill(zero);
        if self.plain() {
            return turn(x, body, factor);
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
                turn(&from[..n], &mut to[..n], &factor);
                to[n..].fill(zero);
            } else {
                to.fill(zero);
                for (to, from) in to.chunks_mut(self.spread * c).zip(from.chunks_exact(c)) {
                    turn(from, &mut to[..c], &factor);
                }
            }
        }
    }
}

#[inline(always)]
fn turn<T>(from: &[i8], to: &mut [T], factor: impl Fn(i8) -> T) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor(from);
    }
}

/// `n` elements in lines, which hold whatever an earlier use left there.
pub fn elements<T: Element>(lines: &mut Vec<Line>, n: usize) -> &mut [T] {
    let bytes = n.checked_mul(size_of::<T>()).expect("a size in memory");
    let lines = grown(lines, bytes.div_ceil(size_of::<Line>()));
    // SAFETY: the lines are initialised, long enough, more strictly aligned, and any bytes are an `Element`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), n) }
}

/// All of some lines as elements.
pub fn as_elements<T: Element>(lines: &[Line]) -> &[T] {
    // SAFETY: as in `elements`.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines) / size_of::<T>()) }
}
