//! Which parameters a kernel takes. What the compiler makes always passes; a Program from a file is checked against this before its steps run, so that no
//! kernel meets a size, a bound or a shift that it does not define.

use super::{Call, Kernel};
use crate::arith::Real31;
use crate::params::*;
use crate::softmax::LogitScale;

/// The most elements of a tensor: 64 Mi, far beyond a microcontroller, so that no formula over sizes leaves its type.
const MOST: i64 = 1 << 26;
/// The largest power of two that a shift may stand for, either way: beyond any that integers here can have.
const LARGEST_SHIFT: i32 = 4096;

type Found = Result<(), &'static str>;

fn all(checks: &[(bool, &'static str)]) -> Found {
    checks.iter().find(|(good, _)| !good).map_or(Ok(()), |(_, what)| Err(*what))
}

fn int8(values: &[i32]) -> bool {
    values.iter().all(|v| (-128..=127).contains(v))
}

fn sizes(values: &[i32]) -> bool {
    values.iter().all(|&v| v >= 1 && i64::from(v) <= MOST)
}

/// The number of elements is at least 1 and at most [`MOST`].
fn volume(factors: &[i32]) -> bool {
    factors.iter().try_fold(1i64, |n, &f| n.checked_mul(f.into()).filter(|n| (1..=MOST).contains(n))).is_some()
}

fn shift(s: i32) -> bool {
    (-LARGEST_SHIFT..=LARGEST_SHIFT).contains(&s)
}

/// Windows along one axis: padding is less than the kernel, and the last one holds at least one input.
fn windows(inputs: i32, outputs: i32, kernel: i32, stride: i32, pad: i32) -> bool {
    pad >= 0 && pad < kernel && (i64::from(outputs) - 1) * i64::from(stride) - i64::from(pad) < i64::from(inputs)
}

fn real(r: &Real31) -> bool {
    (r.m == 0 || (1 << 30..1 << 31).contains(&r.m)) && shift(r.e)
}

fn logit_scale(s: &LogitScale) -> bool {
    s.pre <= 32 && s.cap >= 1 && s.cap < 1 << (31 + s.pre) && s.m < 1 << 31 && (1..=62).contains(&s.s)
}

fn conv(p: &ConvParams, depthwise: bool) -> Found {
    let selectable = p.selectable(depthwise);
    all(&[
        (sizes(&[p.in_h, p.in_w, p.in_c, p.out_h, p.out_w, p.out_c, p.kh, p.kw, p.stride_h, p.stride_w]), "a size"),
        (volume(&[p.in_h, p.in_w, p.in_c]) && volume(&[p.out_h, p.out_w, p.out_c]), "the size of a tensor"),
        (volume(&[p.kh, p.kw, p.in_c, if depthwise { 1 } else { p.out_c }]), "the number of weights"),
        (volume(&[p.kh, p.kw, p.out_c]) && p.in_c <= 1 << 16 && p.out_c <= 1 << 16, "the number of channels"),
        (windows(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top), "the rows"),
        (windows(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left), "the columns"),
        (!depthwise || p.out_c.checked_rem(p.in_c) == Some(0), "the number of channels"),
        (int8(&[p.x_zero, p.y_zero, p.lo, p.hi]) && p.lo <= p.hi, "a zero point or bound"),
        (p.trained >= 0 && p.trained <= selectable, "the number of trained channels"),
    ])
}

/// A convolution that is a product of matrices, pairs of rows by fours of pixels.
fn pointwise(p: &ConvParams) -> Found {
    conv(p, false)?;
    all(&[
        ((p.kh, p.kw, p.stride_h, p.stride_w, p.pad_top, p.pad_left) == (1, 1, 1, 1, 0, 0), "the kernel's shape"),
        ((p.in_h, p.in_w) == (p.out_h, p.out_w) && p.out_h * p.out_w >= 4, "the number of pixels"),
        (p.out_c % 2 == 0 && (p.lo, p.hi) == (-128, 127), "the number of channels or a bound"),
    ])
}

/// A depthwise convolution whose channels are planes of their own.
fn square(p: &ConvParams) -> Found {
    conv(p, true)?;
    all(&[
        (p.kh == p.kw && [3, 5, 7].contains(&p.kh), "the kernel's shape"),
        (p.stride_h == p.stride_w && p.stride_h <= 2, "a stride"),
        (p.in_c == p.out_c && p.out_c % 4 == 0, "the number of channels"),
        (p.trained == 0 || p.trained == p.out_c, "the number of trained channels"),
    ])
}

fn update(u: &UpdateParams) -> Found {
    all(&[(shift(u.exponent), "an exponent"), ([0, 2, 4, 8].contains(&u.bits), "the residual bits")])
}

fn pool(p: &PoolParams) -> Found {
    all(&[
        (sizes(&[p.in_h, p.in_w, p.c, p.out_h, p.out_w, p.kh, p.kw, p.stride_h, p.stride_w]), "a size"),
        (
            volume(&[p.in_h, p.in_w, p.c]) && volume(&[p.out_h, p.out_w, p.c]) && volume(&[p.kh, p.kw]),
            "the size of a tensor",
        ),
        (windows(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top), "the rows"),
        (windows(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left), "the columns"),
        (int8(&[p.lo, p.hi]) && p.lo <= p.hi && shift(p.shift), "a bound or shift"),
        // A window's sum of int8 values, and its count, are int32; the average's reciprocal has 15 bits.
        (i64::from(p.kh) * i64::from(p.kw) <= 1 << 15, "the size of a window"),
    ])
}

fn head(p: &HeadParams) -> Found {
    all(&[
        (volume(&[p.features, p.classes]), "the size of the head"),
        (int8(&[p.x_zero]), "a zero point"),
        ((0..1 << 22).contains(&p.m) && shift(p.s), "the multiplier of the gradient"),
    ])
}

fn requantise(n: &[i32], zeros: &[i32], [lo, hi]: [i32; 2], m: i32, left: i32) -> Found {
    all(&[
        (volume(n), "a size"),
        (int8(zeros) && int8(&[lo, hi]) && lo <= hi, "a zero point or bound"),
        (m >= 0 && (0..=31).contains(&left), "a multiplier"),
    ])
}

fn grad_scale(p: &GradScaleParams, repeated: bool) -> Found {
    all(&[
        (volume(&[p.n, if repeated { p.repeat } else { 1 }]), "a size"),
        (p.channels >= 1 && p.n.checked_rem(p.channels) == Some(0), "the number of channels"),
        (p.m >= 0 && shift(p.s), "a multiplier"),
    ])
}

impl<A> Call<A> {
    /// Whether the kernel is defined for these parameters; the error names what is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let depthwise = self.kernel().depthwise();
        match self {
            Self::Conv(c) | Self::Depthwise(c) => conv(&c.p, depthwise),
            Self::ConvInputGrad(c) | Self::DepthwiseInputGrad(c) => {
                conv(&c.p, depthwise)?;
                all(&[(shift(c.shift), "the shift")])
            }
            Self::Pointwise(c) => {
                pointwise(&c.p)?;
                all(&[(c.mask.is_none() || c.p.out_c % 8 == 0, "a mask of so many channels")])
            }
            Self::PointwiseWide(c) => {
                pointwise(&c.p)?;
                all(&[(c.p.trained == 0, "the number of trained channels")])
            }
            Self::PointwiseInputGrad(c) => {
                pointwise(&c.p)?;
                all(&[((2..=32).contains(&c.shift), "the shift"), (c.p.in_c % 4 == 0, "the number of channels")])
            }
            Self::Window(c) => {
                let p = &c.p;
                conv(p, false)?;
                all(&[
                    (p.trained == 0 && p.out_c % 2 == 0 && (p.lo, p.hi) == (-128, 127), "the channels or a bound"),
                    (p.out_w >= 4 && (p.stride_w * p.in_c) % 2 == 0, "the width or where a window begins"),
                    (p.kh * p.kw * p.in_c >= 4, "the size of a window"),
                ])
            }
            Self::DepthwiseSquare(c) => {
                square(&c.p)?;
                let aside = c.mask.is_some() || c.p.out_w % 4 != 0;
                all(&[
                    ((c.p.lo, c.p.hi) == (-128, 127), "a bound"),
                    (!aside || c.p.out_c % 8 == 0, "a mask or a width of so many channels"),
                ])
            }
            Self::DepthwiseSquareInputGrad(c) => {
                square(&c.p)?;
                let p = &c.p;
                let twice = (p.in_h, p.in_w) == (2 * p.out_h, 2 * p.out_w) && p.out_w % 4 == 0;
                all(&[
                    ((2..=32).contains(&c.shift), "the shift"),
                    (if p.stride_h == 1 { p.in_w % 4 == 0 } else { twice }, "the width"),
                ])
            }
            Self::ConvWeightStep(c) | Self::DepthwiseWeightStep(c) => {
                conv(&c.p, depthwise)?;
                update(&c.u)?;
                all(&[(c.p.trained > 0, "the number of trained channels")])
            }
            Self::BiasStep(c) => {
                update(&c.u)?;
                all(&[(volume(&[c.pixels, c.channels]), "a size"), (real(&c.layer), "the layer's factor")])
            }
            Self::Add(c) => {
                let p = &c.p;
                // Halves of 2^31: a difference of int8 values times a multiplier is then below 2^39, in 64 bits.
                let zeros = [p.zero1, p.zero2, p.y_zero];
                all(&[
                    (volume(&[p.n]), "a size"),
                    (int8(&zeros) && int8(&[p.lo, p.hi]) && p.lo <= p.hi, "a zero point or bound"),
                ])
            }
            Self::Requantize(c) => {
                let p = &c.p;
                requantise(&[p.n], &[p.x_zero, p.y_zero], [p.lo, p.hi], p.m, p.left)
            }
            Self::AveragePool(AveragePool { p, .. }) | Self::MaxPool(MaxPool { p, .. }) => pool(p),
            Self::AveragePoolGrad(AveragePoolGrad { p, .. }) | Self::MaxPoolGrad(MaxPoolGrad { p, .. }) => pool(p),
            Self::Mean(c) => {
                let p = &c.p;
                requantise(&[p.pixels, p.c], &[p.x_zero, p.y_zero], [p.lo, p.hi], p.m, p.left)?;
                // The sum of all differences must stay within int32.
                all(&[(p.pixels <= 1 << 23, "the number of pixels")])
            }
            Self::Softmax(c) => {
                let p = &c.p;
                let scale = LogitScale { cap: p.cap.max(0) as u64, pre: 0, m: p.m as u32, s: p.s };
                all(&[(volume(&[p.rows, p.n]), "a size"), (p.m >= 0 && logit_scale(&scale), "the scale")])
            }
            Self::Lookup(Lookup { p, .. }) | Self::LookupGrad(LookupGrad { p, .. }) => {
                all(&[(volume(&[p.n]), "a size"), (shift(p.s), "a shift")])
            }
            Self::Mul(Mul { p, .. }) | Self::MulGrad(MulGrad { p, .. }) | Self::MulSum(MulSum { p, .. }) => {
                requantise(&[p.n], &[p.a_zero, p.b_zero, p.y_zero], [p.lo, p.hi], p.m, p.left)?;
                all(&[
                    (p.c >= 1 && p.n.checked_rem(p.c) == Some(0) && p.n / p.c <= 1 << 16, "the number of channels"),
                    (shift(p.s), "a shift"),
                ])
            }
            Self::CopyBox(c) => {
                let p = &c.p;
                let places = [p.src_offset, p.src_row, p.src_col, p.dst_offset, p.dst_row, p.dst_col];
                all(&[
                    (volume(&[p.h, p.w, p.c]), "a size"),
                    (places.iter().all(|&n| (0..=MOST).contains(&i64::from(n))) && shift(p.shift), "a place or shift"),
                ])
            }
            Self::Fill(c) => all(&[(volume(&[c.p.n]) && int8(&[c.p.value]), "a size or value")]),
            Self::HeadLogits(HeadLogits { p, .. }) | Self::HeadInputGrad(HeadInputGrad { p, .. }) => head(p),
            Self::HeadUpdate(c) => {
                head(&c.p)?;
                all(&[(real(&c.weight_q) && real(&c.bias_q), "a factor of the update")])
            }
            Self::SoftmaxScores(SoftmaxScores { classes, scale, .. })
            | Self::HeadError(HeadError { classes, scale, .. }) => {
                all(&[(volume(&[*classes]), "the number of classes"), (logit_scale(scale), "the scale of the logits")])
            }
            Self::GradScale(c) => {
                grad_scale(&c.p, false)?;
                all(&[(c.m.is_some() || c.shift.is_none(), "shifts without multipliers")])
            }
            Self::GradRepeat(c) => {
                grad_scale(&c.p, true)?;
                all(&[(c.m.is_none() && c.shift.is_none(), "multipliers by channel")])
            }
            Self::Sum(c) => all(&[(volume(&[c.p.n]), "a size")]),
        }
    }
}

use super::{
    AveragePool, AveragePoolGrad, HeadError, HeadInputGrad, HeadLogits, Lookup, LookupGrad, MaxPool, MaxPoolGrad, Mul,
    MulGrad, MulSum, SoftmaxScores,
};

impl Kernel {
    /// The kernel of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.spec().name == name)
    }
}
