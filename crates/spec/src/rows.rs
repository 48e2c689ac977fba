//! A windowed op over some rows of its output: the same op with other sizes, over the rows of the input that these need. No kernel knows of it: what a
//! call computes for a row depends on that row's window alone, so calls over parts give together the bits of one call over the whole.

use core::ops::Range;

use crate::params::{ConvParams, PoolParams};

/// Windows along the rows of an op.
#[derive(Clone, Copy, Debug)]
struct Windows {
    inputs: i32,
    outputs: i32,
    kernel: i32,
    stride: i32,
    pad: i32,
}

impl Windows {
    /// The input rows under the windows of output rows `y`, and how many rows of the first window lie above them. None where a window holds no input
    /// at all, or there is no such output.
    fn under(&self, y: &Range<i32>) -> Option<(Range<i32>, i32)> {
        let first = y.start * self.stride - self.pad;
        let last = (y.end - 1) * self.stride - self.pad;
        let x = first.max(0)..(last + self.kernel).min(self.inputs);
        let good = 0 <= y.start
            && y.start < y.end
            && y.end <= self.outputs
            && first < self.inputs
            && first + self.kernel > 0
            && last < self.inputs
            && last + self.kernel > 0;
        good.then(|| (x.clone(), x.start - first))
    }
}

impl ConvParams {
    fn windows(&self) -> Windows {
        let &Self { in_h: inputs, out_h: outputs, kh: kernel, stride_h: stride, pad_top: pad, .. } = self;
        Windows { inputs, outputs, kernel, stride, pad }
    }

    /// Whether another convolution differs from this one in its rows only.
    pub fn same_columns(&self, other: &Self) -> bool {
        let &Self { in_h, out_h, pad_top, .. } = other;
        Self { in_h, out_h, pad_top, ..*self } == *other
    }

    /// The convolution of rows `y` of the output, and the rows of the input that it reads.
    pub fn rows(&self, y: &Range<i32>) -> Option<(Self, Range<i32>)> {
        let (x, pad_top) = self.windows().under(y)?;
        Some((Self { in_h: x.end - x.start, out_h: y.end - y.start, pad_top, ..*self }, x))
    }
}

impl PoolParams {
    fn windows(&self) -> Windows {
        let &Self { in_h: inputs, out_h: outputs, kh: kernel, stride_h: stride, pad_top: pad, .. } = self;
        Windows { inputs, outputs, kernel, stride, pad }
    }

    /// The pooling of rows `y` of the output, and the rows of the input that it reads.
    pub fn rows(&self, y: &Range<i32>) -> Option<(Self, Range<i32>)> {
        let (x, pad_top) = self.windows().under(y)?;
        Some((Self { in_h: x.end - x.start, out_h: y.end - y.start, pad_top, ..*self }, x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(in_h: i32, kh: i32, stride_h: i32, pad_top: i32, out_h: i32) -> ConvParams {
        ConvParams { in_h, kh, stride_h, pad_top, out_h, ..ConvParams::default() }
    }

    #[test]
    fn rows_have_the_windows_of_the_whole() {
        for (in_h, kh, stride, pad, out_h) in
            [(8, 3, 1, 1, 8), (8, 3, 2, 1, 4), (9, 7, 2, 3, 5), (5, 1, 1, 0, 5), (6, 3, 2, 0, 3)]
        {
            let p = conv(in_h, kh, stride, pad, out_h);
            for start in 0..out_h {
                for end in start + 1..=out_h {
                    let (part, x) = p.rows(&(start..end)).unwrap();
                    assert_eq!((part.in_h, part.out_h), (x.end - x.start, end - start));
                    for y in start..end {
                        for k in 0..kh {
                            let whole = y * stride - pad + k;
                            let there = (y - start) * stride - part.pad_top + k;
                            let inside = (0..in_h).contains(&whole);
                            assert_eq!(inside, (0..part.in_h).contains(&there), "{p:?} {start}..{end} {y} {k}");
                            assert!(!inside || whole == x.start + there);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn windows_without_input_are_no_rows() {
        assert_eq!(conv(4, 2, 3, 0, 3).rows(&(2..3)), None);
        assert_eq!(conv(4, 2, 3, 0, 3).rows(&(0..4)), None);
        assert!(conv(4, 2, 3, 0, 3).rows(&(0..2)).is_some());
    }
}
