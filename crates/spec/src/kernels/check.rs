//! What the `where` of a row is made of: which parameters a kernel takes. What the compiler makes always passes; a Program from a file is checked
//! ([`super::Call::check`]) before its steps run, so that no kernel meets a size, a bound or a shift that it does not define.

use crate::arith::Real31;
use crate::params::*;
use crate::softmax::LogitScale;

/// The most elements of a tensor: 64 Mi, far beyond a microcontroller, so that no formula over sizes leaves its type.
const MOST: i64 = 1 << 26;
/// The largest power of two that a shift may stand for, either way: beyond any that integers here can have.
const LARGEST_SHIFT: i32 = 4096;

/// The error names what a kernel is not defined for.
pub type Found = Result<(), &'static str>;

pub fn all(checks: &[(bool, &'static str)]) -> Found {
    checks.iter().find(|(good, _)| !good).map_or(Ok(()), |(_, what)| Err(*what))
}

pub fn is_int8(values: &[i32]) -> bool {
    values.iter().all(|v| (-128..=127).contains(v))
}

pub fn are_sizes(values: &[i32]) -> bool {
    values.iter().all(|&v| v >= 1 && i64::from(v) <= MOST)
}

/// The number of elements is at least 1 and at most [`MOST`].
pub fn is_volume(factors: &[i32]) -> bool {
    factors.iter().try_fold(1i64, |n, &f| n.checked_mul(f.into()).filter(|n| (1..=MOST).contains(n))).is_some()
}

pub fn is_shift(s: i32) -> bool {
    (-LARGEST_SHIFT..=LARGEST_SHIFT).contains(&s)
}

pub fn is_real(r: &Real31) -> bool {
    (r.m == 0 || (1 << 30..1 << 31).contains(&r.m)) && is_shift(r.e)
}

pub fn is_logit_scale(s: &LogitScale) -> bool {
    s.pre <= 32 && s.cap >= 1 && s.cap < 1 << (31 + s.pre) && s.m < 1 << 31 && (1..=62).contains(&s.s)
}

pub fn conv(p: &ConvParams, depthwise: bool) -> Found {
    let selectable = p.selectable(depthwise);
    all(&[
        (are_sizes(&[p.in_h, p.in_w, p.in_c, p.out_h, p.out_w, p.out_c, p.kh, p.kw, p.stride_h, p.stride_w]), "a size"),
        (is_volume(&[p.in_h, p.in_w, p.in_c]) && is_volume(&[p.out_h, p.out_w, p.out_c]), "the size of a tensor"),
        (is_volume(&[p.kh, p.kw, p.in_c, if depthwise { 1 } else { p.out_c }]), "the number of weights"),
        (is_volume(&[p.kh, p.kw, p.out_c]) && p.in_c <= 1 << 16 && p.out_c <= 1 << 16, "the number of channels"),
        (windows_touch(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top), "the rows"),
        (windows_touch(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left), "the columns"),
        (!depthwise || p.out_c.checked_rem(p.in_c) == Some(0), "the number of channels"),
        (is_int8(&[p.x_zero, p.y_zero, p.lo, p.hi]) && p.lo <= p.hi, "a zero point or bound"),
        (p.trained >= 0 && p.trained <= selectable, "the number of trained channels"),
    ])
}

/// A convolution that is a product of matrices, pairs of rows by fours of pixels.
pub fn pointwise(p: &ConvParams) -> Found {
    conv(p, false)?;
    all(&[
        ((p.kh, p.kw, p.stride_h, p.stride_w, p.pad_top, p.pad_left) == (1, 1, 1, 1, 0, 0), "the kernel's shape"),
        ((p.in_h, p.in_w) == (p.out_h, p.out_w) && p.out_h * p.out_w >= 4, "the number of pixels"),
        (p.out_c % 2 == 0 && (p.lo, p.hi) == (-128, 127), "the number of channels or a bound"),
    ])
}

/// A convolution of few channels whose rows are strips of words.
pub fn strips(p: &ConvParams) -> Found {
    conv(p, false)?;
    all(&[
        (p.trained == 0 && p.out_c % 2 == 0 && (p.lo, p.hi) == (-128, 127), "the channels or a bound"),
        (p.out_w >= 4 && (p.stride_w * p.in_c) % 2 == 0, "the width or where a window begins"),
        (p.kh * p.kw * p.in_c >= 4, "the size of a window"),
    ])
}

/// A depthwise convolution whose channels are planes of their own.
pub fn square(p: &ConvParams) -> Found {
    conv(p, true)?;
    all(&[
        (p.kh == p.kw && [3, 5, 7].contains(&p.kh), "the kernel's shape"),
        (p.stride_h == p.stride_w && p.stride_h <= 2, "a stride"),
        (p.in_c == p.out_c && p.out_c % 4 == 0, "the number of channels"),
        (p.trained == 0 || p.trained == p.out_c, "the number of trained channels"),
    ])
}

/// Its input gradient.
pub fn square_grad(p: &ConvParams, s: i32) -> Found {
    square(p)?;
    let twice = (p.in_h, p.in_w) == (2 * p.out_h, 2 * p.out_w) && p.out_w % 4 == 0;
    all(&[((2..=32).contains(&s), "the shift"), (if p.stride_h == 1 { p.in_w % 4 == 0 } else { twice }, "the width")])
}

pub fn update(u: &UpdateParams) -> Found {
    all(&[(is_shift(u.exponent), "an exponent"), ([0, 2, 4, 8].contains(&u.bits), "the residual bits")])
}

pub fn pool(p: &PoolParams) -> Found {
    all(&[
        (are_sizes(&[p.in_h, p.in_w, p.c, p.out_h, p.out_w, p.kh, p.kw, p.stride_h, p.stride_w]), "a size"),
        (
            is_volume(&[p.in_h, p.in_w, p.c]) && is_volume(&[p.out_h, p.out_w, p.c]) && is_volume(&[p.kh, p.kw]),
            "the size of a tensor",
        ),
        (windows_touch(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top), "the rows"),
        (windows_touch(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left), "the columns"),
        (is_int8(&[p.lo, p.hi]) && p.lo <= p.hi && is_shift(p.shift), "a bound or shift"),
        (i64::from(p.kh) * i64::from(p.kw) <= MOST_POOLED as i64, "the size of a window"),
    ])
}

pub fn head(p: &HeadParams) -> Found {
    all(&[
        (is_volume(&[p.features, p.classes]), "the size of the head"),
        (is_int8(&[p.x_zero]), "a zero point"),
        ((0..1 << 22).contains(&p.m) && is_shift(p.s), "the multiplier of the gradient"),
    ])
}

pub fn requantise(n: &[i32], zeros: &[i32], [lo, hi]: [i32; 2], m: i32, left: i32) -> Found {
    all(&[
        (is_volume(n), "a size"),
        (is_int8(zeros) && is_int8(&[lo, hi]) && lo <= hi, "a zero point or bound"),
        (m >= 0 && (0..=31).contains(&left), "a multiplier"),
    ])
}

pub fn grad_scale(p: &GradScaleParams, repeated: bool) -> Found {
    all(&[
        (is_volume(&[p.n, if repeated { p.repeat } else { 1 }]), "a size"),
        (p.channels >= 1 && p.n.checked_rem(p.channels) == Some(0), "the number of channels"),
        (p.m >= 0 && is_shift(p.s), "a multiplier"),
    ])
}

pub fn product(p: &MulParams) -> Found {
    requantise(&[p.n], &[p.a_zero, p.b_zero, p.y_zero], [p.lo, p.hi], p.m, p.left)?;
    all(&[
        (p.c >= 1 && p.n.checked_rem(p.c) == Some(0) && p.n / p.c <= 1 << 16, "the number of channels"),
        (is_shift(p.s), "a shift"),
    ])
}

pub fn copy(p: &CopyParams) -> Found {
    let places = [p.src_offset, p.src_row, p.src_col, p.dst_offset, p.dst_row, p.dst_col];
    all(&[
        (is_volume(&[p.h, p.w, p.c]), "a size"),
        (places.iter().all(|&n| (0..=MOST).contains(&i64::from(n))) && is_shift(p.shift), "a place or shift"),
    ])
}
