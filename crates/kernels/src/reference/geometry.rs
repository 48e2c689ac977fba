//! Along one axis: the input positions that an output position reads, and the outputs to which an input position
//! contributes.

use std::ops::Range;
use tinytrain_spec::params::{ConvParams, PoolParams};

/// One axis of a convolution or pooling window: output `o` reads the inputs `o * stride - pad + k` for `k < kernel`
/// that exist.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub input: usize,
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pad: isize,
}

impl Axis {
    fn new(input: i32, out: i32, kernel: i32, stride: i32, pad: i32) -> Self {
        let [input, out, kernel, stride] = [input, out, kernel, stride].map(|v| v as usize);
        Self { input, out, kernel, stride, pad: pad as isize }
    }

    /// Rows and columns of a convolution.
    pub fn of_conv(p: &ConvParams) -> [Self; 2] {
        [
            Self::new(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top),
            Self::new(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left),
        ]
    }

    /// Rows and columns of a pooling op.
    pub fn of_pool(p: &PoolParams) -> [Self; 2] {
        [
            Self::new(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top),
            Self::new(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left),
        ]
    }

    /// Whether each output reads only the input at its own position.
    pub fn pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.pad == 0 && self.input == self.out
    }

    /// Taps of output `o` inside the input; tap `k` reads input `o * stride + k - pad`.
    #[inline(always)]
    pub fn taps(&self, o: usize) -> Range<usize> {
        let first = (o * self.stride) as isize - self.pad;
        let lo = (-first).clamp(0, self.kernel as isize);
        let hi = (self.input as isize - first).clamp(lo, self.kernel as isize);
        lo as usize..hi as usize
    }

    /// The input that tap `k` of output `o` reads, which must exist.
    #[inline(always)]
    pub fn at(&self, o: usize, k: usize) -> usize {
        ((o * self.stride + k) as isize - self.pad) as usize
    }

    /// Outputs whose tap `k` is inside the input.
    #[inline(always)]
    pub fn outputs(&self, k: usize) -> Range<usize> {
        let (stride, ahead) = (self.stride as isize, self.pad - k as isize);
        // o * stride >= ahead, and o * stride < input + ahead; both quotients round up.
        let up = |v: isize| if v <= 0 { 0 } else { (v + stride - 1) / stride };
        let hi = up(self.input as isize + ahead).min(self.out as isize);
        let lo = up(ahead).min(hi);
        lo as usize..hi as usize
    }

    /// The outputs to which input `i` contributes. The last of them reads it through tap `tap`, each earlier one
    /// through a tap `stride` higher.
    #[inline(always)]
    pub fn fed(&self, i: usize) -> Fed {
        let (place, stride) = (i as isize + self.pad, self.stride as isize);
        // The smallest tap whose output exists, rounded up to the grid of the stride.
        let least = (place - (self.out as isize - 1) * stride).max(0);
        let tap = least + (place - least).rem_euclid(stride);
        let end = (place + 1).min(self.kernel as isize);
        if tap >= end {
            return Fed { outputs: 0..0, tap: 0, stride: self.stride };
        }
        let (last, count) = ((place - tap) / stride, (end - 1 - tap) / stride + 1);
        Fed { outputs: (last + 1 - count) as usize..(last + 1) as usize, tap: tap as usize, stride: self.stride }
    }
}

/// See [`Axis::fed`].
#[derive(Clone, Debug)]
pub struct Fed {
    pub outputs: Range<usize>,
    pub tap: usize,
    stride: usize,
}

impl Fed {
    /// Each output with its tap, in ascending order of taps.
    #[inline(always)]
    pub fn each(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        self.outputs.clone().rev().zip((self.tap..).step_by(self.stride))
    }
}
