//! A windowed op over some rows of its output: the same op with other sizes, over the rows of the input that these need. No kernel knows of it: what a
//! call computes for a row depends on that row's window alone, so calls over parts give together the bits of one call over the whole. The same holds for
//! its input gradient, whose output are rows of the input.

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

    /// The output rows whose windows hold one of the input rows `x`, and how many rows of the first window lie above `x`. None where no window does, where
    /// that number would be negative (a stride beyond the kernel), or where there is no such input.
    fn over(&self, x: &Range<i32>) -> Option<(Range<i32>, i32)> {
        // The first window that ends behind the first row, the last that begins at or before the last one.
        let first = (x.start + self.pad - self.kernel).div_euclid(self.stride) + 1;
        let last = (x.end - 1 + self.pad).div_euclid(self.stride);
        let y = first.max(0)..(last + 1).min(self.outputs);
        let above = x.start + self.pad - y.start * self.stride;
        let good = 0 <= x.start && x.start < x.end && x.end <= self.inputs && y.start < y.end && above >= 0;
        good.then_some((y, above))
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

    /// The convolution whose input gradient is rows `x` of this one's, and the rows of the output whose gradient it reads.
    pub fn input_rows(&self, x: &Range<i32>) -> Option<(Self, Range<i32>)> {
        let (y, pad_top) = self.windows().over(x)?;
        Some((Self { in_h: x.end - x.start, out_h: y.end - y.start, pad_top, ..*self }, y))
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
    fn gradients_of_rows_come_from_the_windows_that_hold_them() {
        for (in_h, kh, stride, pad, out_h) in
            [(8, 3, 1, 1, 8), (8, 3, 2, 1, 4), (9, 7, 2, 3, 5), (5, 1, 1, 0, 5), (7, 3, 2, 0, 3), (8, 5, 3, 2, 3)]
        {
            let p = conv(in_h, kh, stride, pad, out_h);
            for start in 0..in_h {
                for end in start + 1..=in_h {
                    let windows = |x: i32| (0..out_h).filter(move |y| (0..kh).contains(&(x + pad - y * stride)));
                    let Some((part, y)) = p.input_rows(&(start..end)) else {
                        assert!((start..end).all(|x| windows(x).next().is_none()), "{p:?} {start}..{end}");
                        continue;
                    };
                    assert_eq!((part.in_h, part.out_h), (end - start, y.end - y.start));
                    assert!((0..kh).contains(&part.pad_top) && (part.out_h - 1) * stride - part.pad_top < part.in_h);
                    for x in start..end {
                        let there = |oy: &i32| (0..kh).contains(&(x - start + part.pad_top - oy * stride));
                        let found = (0..part.out_h).filter(there).map(|oy| oy + y.start);
                        assert!(found.eq(windows(x)), "{p:?} {start}..{end} {x}");
                    }
                }
            }
        }
        // Rows that windows leave out begin above the first of them: no kernel takes a negative padding.
        assert_eq!(conv(8, 1, 2, 0, 4).input_rows(&(1..3)), None);
    }

    #[test]
    fn windows_without_input_are_no_rows() {
        assert_eq!(conv(4, 2, 3, 0, 3).rows(&(2..3)), None);
        assert_eq!(conv(4, 2, 3, 0, 3).rows(&(0..4)), None);
        assert!(conv(4, 2, 3, 0, 3).rows(&(0..2)).is_some());
    }
}
