//! The head's loss and error in integers: `p = softmax(logits)`, `loss = -ln p[label]`, `e = p - onehot(label)`. Neither host nor device uses libm.
//!
//! A logit is an int64 `L` with scale `S` (the feature scale times `2^-13`). Its distance to the largest logit becomes `u = (Lmax - L) S log2(e)` in
//! Q6.26, saturated at 40 (`2^-40` is below the last bit of all later results). Error bounds, checked by tests: [`exp2_neg`] is within
//! `2^-29` of `2^-u`, [`log2`] within `2^-23` of the logarithm, so the loss is within `2^-16` and `p` within `2^-28`.

use crate::arith::{Real31, round_shift};

/// `2^(-i/32)` in Q1.31.
pub const EXP2_TABLE: [u32; 32] = [
    2147483648, 2101467502, 2056437387, 2012372174, 1969251188, 1927054196, 1885761398, 1845353420, 1805811301,
    1767116489, 1729250827, 1692196547, 1655936265, 1620452965, 1585730000, 1551751076, 1518500250, 1485961921,
    1454120821, 1422962010, 1392470869, 1362633090, 1333434672, 1304861917, 1276901417, 1249540052, 1222764986,
    1196563654, 1170923762, 1145833280, 1121280436, 1097253708,
];
/// `ln(2)^k / k!` for k = 1 to 4, in Q1.31: the Taylor series of `2^-x`.
pub const EXP2_SERIES: [u32; 4] = [1488522236, 515882496, 119194166, 20654775];
/// `ln 2` in Q0.32.
pub const LN2: u32 = 2977044472;
/// Fraction bits of `u`.
pub const U_BITS: u32 = 26;
/// The largest `u`: 40.
pub const U_MAX: u32 = 40 << U_BITS;
/// Fraction bits of the logarithm.
pub const LOG_BITS: u32 = 24;

/// Converts a distance `d` between logits to `u = min(round((d >> pre) * m * 2^-s), 40)`; a distance of `cap` or more gives 40.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogitScale {
    /// Distances of this or more give 40. Below `2^(31 + pre)`.
    pub cap: u64,
    /// Bits dropped before the product.
    pub pre: u32,
    /// Mantissa below `2^31`.
    pub m: u32,
    /// Right shift of the product, 1 to 62.
    pub s: i32,
}

impl LogitScale {
    /// For logits in units of the real number `unit`; `None` unless `2^-48 <= unit <= 2^16`.
    pub fn from_unit(unit: f64) -> Option<Self> {
        if !(crate::arith::exp2i(-48)..=crate::arith::exp2i(16)).contains(&unit) {
            return None;
        }
        let per = unit * core::f64::consts::LOG2_E;
        let cap = (40.0 / per) as u64 + 1;
        let pre = (64 - cap.leading_zeros()).saturating_sub(31);
        // u = (d >> pre) * per * 2^(pre + 26); the mantissa is kept short enough that a shift of at least 1 remains.
        let factor = Real31::from_f64(per * crate::arith::exp2i((pre + U_BITS) as i32));
        let s = 31 - factor.e;
        let (m, s) = if s >= 1 { (factor.m, s) } else { (factor.m, 1) };
        if 31 - factor.e < 1 {
            // A single unit already exceeds 40: every distance but 0 saturates.
            return Some(Self { cap: 1, pre: 0, m, s });
        }
        Some(Self { cap, pre, m, s: s.min(62) })
    }

    /// The `u` of distance `d`.
    #[inline]
    pub fn u(self, d: u64) -> u32 {
        if d >= self.cap {
            return U_MAX;
        }
        let v = ((d >> self.pre) * self.m as u64 + (1u64 << (self.s - 1))) >> self.s;
        v.min(U_MAX as u64) as u32
    }
}

/// `2^-u` in Q1.31, `u` in Q6.26, at most [`U_MAX`].
pub fn exp2_neg(u: u32) -> u32 {
    let whole = u >> U_BITS;
    let at = (u >> (U_BITS - 5)) & 31;
    let t = ((u & ((1 << (U_BITS - 5)) - 1)) as u64) << 5;
    let mut p = EXP2_SERIES[3] as u64;
    for k in [2, 1, 0] {
        p = EXP2_SERIES[k] as u64 - ((p * t) >> 31);
    }
    p = (1 << 31) - ((p * t) >> 31);
    let v = (EXP2_TABLE[at as usize] as u64 * p + (1 << 30)) >> 31;
    if whole == 0 { v as u32 } else { ((v + (1 << (whole - 1))) >> whole) as u32 }
}

/// `log2(x)` with 26 fraction bits, of `x` with 31 fraction bits and `x >= 1` (an integer of at least `2^31`). Each squaring yields one bit, up to
/// [`LOG_BITS`].
pub fn log2(x: u64) -> u32 {
    let whole = 63 - x.leading_zeros() - 31;
    let mut v = x >> whole;
    let mut bits = 0u32;
    for _ in 0..LOG_BITS {
        v = (v * v) >> 31;
        let bit = (v >> 32) as u32;
        v >>= bit;
        bits = bits << 1 | bit;
    }
    (whole << U_BITS) + (bits << (U_BITS - LOG_BITS))
}

/// The head's result for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadResult {
    /// The class with the largest logit; the lowest class if several are equal.
    pub predicted: u32,
    /// Cross-entropy in nats, Q15.16; 0 without a label. At most `40 ln 2 + ln(classes)`.
    pub loss: i32,
    /// Shift of the error, 14 to 45: `e_real = e * 2^-k`. 0 without a label.
    pub k: i32,
    /// Whether any error is nonzero; otherwise the backward pass is skipped.
    pub any: bool,
}

/// Replaces logits by probabilities (Q0.31, up to `2^31`) and finds the largest logit.
pub fn softmax(logits: &mut [i64], scale: LogitScale) -> HeadResult {
    softmax_and_loss(logits, scale, None)
}

/// [`softmax`], then loss and error for `label`. `e` has one int16 per class, `round((p - onehot) 2^k)`, with `k` such that the largest `|e|` lies in
/// `[2^14, 2^15)` before rounding; saturated to int16.
pub fn head_error(logits: &mut [i64], scale: LogitScale, label: usize, e: &mut [i16]) -> HeadResult {
    let mut r = softmax_and_loss(logits, scale, Some(label));
    let error = |c: usize, p: i64| if c == label { p - (1 << 31) } else { p };
    let largest = logits.iter().enumerate().map(|(c, &p)| error(c, p).unsigned_abs()).max().unwrap_or(0);
    r.any = largest != 0;
    r.k = if r.any { 31 + 14 - (63 - largest.leading_zeros() as i32) } else { 0 };
    for (c, (e, &p)) in e.iter_mut().zip(logits.iter()).enumerate() {
        *e = if r.any { round_shift(error(c, p), 31 - r.k).clamp(-32768, 32767) as i16 } else { 0 };
    }
    r
}

fn softmax_and_loss(logits: &mut [i64], scale: LogitScale, label: Option<usize>) -> HeadResult {
    let (mut predicted, mut largest) = (0usize, i64::MIN);
    for (c, &l) in logits.iter().enumerate() {
        if l > largest {
            (predicted, largest) = (c, l);
        }
    }
    let u_label = label.map_or(0, |y| scale.u(largest.abs_diff(logits[y])));
    let mut sum = 0u64;
    for l in logits.iter_mut() {
        let v = exp2_neg(scale.u(largest.abs_diff(*l)));
        sum += v as u64;
        *l = v as i64;
    }
    for l in logits.iter_mut() {
        *l = ((((*l as u64) << 31) + sum / 2) / sum) as i64;
    }
    let loss = label.map_or(0, |_| (((u_label as u64 + log2(sum) as u64) * LN2 as u64 + (1 << 41)) >> 42) as i32);
    HeadResult { predicted: predicted as u32, loss, k: 0, any: false }
}
