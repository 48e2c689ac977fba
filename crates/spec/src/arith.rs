//! Scalar arithmetic: requantisation, gradient scaling, fixed-point reals, the update of a trained value.

/// An output channel of the pretrained model with a scale below this counts as dead and is never updated.
pub const DEAD_SCALE: f64 = 1e-6;
/// Residual bits of a trained bias below its integer unit.
pub const BIAS_RESIDUAL_BITS: u32 = 8;
/// A bias of this magnitude or more stays frozen: with its residual bits it would exceed 32 bits.
pub const BIAS_LIMIT: i32 = 1 << 23;
/// Fraction bits of the head's int16 weights (Q2.13).
pub const HEAD_FRACTION_BITS: i32 = 13;

/// Saturates to int8.
#[inline(always)]
pub fn sat8(v: i64) -> i8 {
    v.clamp(-128, 127) as i8
}

/// Saturates to int32.
#[inline(always)]
pub fn sat32(v: i64) -> i32 {
    v.clamp(i32::MIN as i64, i32::MAX as i64) as i32
}

/// A channel's output scale, `m * 2^(shift - 32)`. For scales below 1/2, `shift` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requant {
    /// Multiplier, in `[0, 2^31)`.
    pub m: i32,
    /// Left shift of the accumulator before the product, saturating; 0 to 31.
    pub shift: u8,
}

impl Requant {
    /// From a real scale (`s_x * s_w / s_y`); `None` if it is negative, not finite, or `>= 2^30`.
    pub fn from_scale(scale: f64) -> Option<Self> {
        if !(0.0..1073741824.0).contains(&scale) {
            return None;
        }
        let (mut rest, mut shift) = (scale, 0u8);
        // A product that rounds to 2^31 would not fit, hence the comparison after rounding.
        while round_half_up(rest * 4294967296.0) >= 2147483648.0 {
            rest *= 0.5;
            shift += 1;
        }
        Some(Self { m: round_half_up(rest * 4294967296.0) as i32, shift })
    }

    /// The real scale that this represents.
    pub fn scale(self) -> f64 {
        self.m as f64 * exp2i(self.shift as i32 - 32)
    }

    /// `round(acc * scale)` with the accumulator saturated after its left shift; not clamped.
    #[inline(always)]
    pub fn apply(self, acc: i32) -> i64 {
        let acc = sat32((acc as i64) << self.shift) as i64;
        (acc * self.m as i64 + (1 << 31)) >> 32
    }
}

/// `floor(x + 1/2)`, by IEEE operations only, for `|x| < 2^52`.
pub fn round_half_up(x: f64) -> f64 {
    floor(x + 0.5)
}

/// `floor`, without libm (this crate has no std), for `|x| < 2^62`.
pub fn floor(x: f64) -> f64 {
    let t = x as i64 as f64;
    if t > x { t - 1.0 } else { t }
}

/// `2^e`, exact, for `-1022 <= e <= 1023`.
pub fn exp2i(e: i32) -> f64 {
    f64::from_bits(((e + 1023) as u64) << 52)
}

/// `floor(log2(x))` of a positive normal number, from its bits.
pub fn floor_log2(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// `ceil(log2(x))` of a positive normal number, from its bits.
pub fn ceil_log2(x: f64) -> i32 {
    floor_log2(x) + (x.to_bits() << 12 != 0) as i32
}

/// Scales an int8 gradient: `round(g * m * 2^-s)`, not saturated. `0 <= m < 2^31`. `s > 62` gives 0; `s <= 0` shifts to the left,
/// by at most 24 (any gradient but 0 saturates int8 beyond that in any case).
#[inline(always)]
pub fn scale_grad(g: i8, m: i32, s: i32) -> i64 {
    round_shift(g as i64 * m as i64, s)
}

/// `round(v * 2^-s)` for `|v| < 2^62`: `s > 62` gives 0, `s <= 0` a left shift by `min(-s, 24)`, saturating at `+-2^62`.
#[inline(always)]
pub fn round_shift(v: i64, s: i32) -> i64 {
    if s > 62 {
        0
    } else if s > 0 {
        (v + (1 << (s - 1))) >> s
    } else {
        let limit = 1i64 << 62;
        ((v as i128) << (-s).min(24)).clamp(-limit as i128, limit as i128) as i64
    }
}

/// A positive real as a 31-bit mantissa and an exponent: `m * 2^(e - 31)`, `m` in `[2^30, 2^31)`; zero is `m = 0, e = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Real31 {
    /// Mantissa.
    pub m: u32,
    /// Exponent.
    pub e: i32,
}

impl Real31 {
    /// Zero.
    pub const ZERO: Self = Self { m: 0, e: 0 };

    /// The nearest to `v`; zero if `v` is not positive, not finite or at most `2^-1000`.
    pub fn from_f64(v: f64) -> Self {
        if !(v.is_finite() && v > exp2i(-1000)) {
            return Self::ZERO;
        }
        let e = floor_log2(v) + 1;
        let m = round_half_up(v * exp2i(31 - e)) as u64;
        if m == 1 << 31 { Self { m: 1 << 30, e: e + 1 } } else { Self { m: m as u32, e } }
    }

    /// The real number that this represents.
    pub fn to_f64(self) -> f64 {
        self.m as f64 * exp2i(self.e - 31)
    }

    /// The product, with its mantissa truncated and normalised again.
    #[inline]
    pub fn times(self, o: Self) -> Self {
        let m = (self.m as u64 * o.m as u64) >> 31;
        match m {
            0 => Self::ZERO,
            m if m < 1 << 30 => Self { m: (m << 1) as u32, e: self.e + o.e - 1 },
            m => Self { m: m as u32, e: self.e + o.e },
        }
    }
}

/// A channel's quantisation-aware scale `1 / s_w^2` in four bytes: mantissa `q >> 8` (24 bits, its top bit set) and exponent `q as i8`, which stand
/// for `(q >> 8) * 2^(exponent - 24)`. 0 means: this channel is never updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qas(pub u32);

impl Qas {
    /// A channel that is never updated.
    pub const FROZEN: Self = Self(0);

    /// The nearest to `v`; frozen if `v` is not positive and finite, or if its exponent does not fit int8.
    pub fn from_f64(v: f64) -> Self {
        if !(v.is_finite() && v > 0.0) {
            return Self::FROZEN;
        }
        let mut e = floor_log2(v) + 1;
        let mut m = round_half_up(v * exp2i(24 - e)) as u32;
        if m == 1 << 24 {
            (m, e) = (1 << 23, e + 1);
        }
        if (-128..=127).contains(&e) { Self(m << 8 | (e as u8) as u32) } else { Self::FROZEN }
    }

    /// As a [`Real31`] (exact).
    #[inline(always)]
    pub fn real(self) -> Real31 {
        if self.0 == 0 { Real31::ZERO } else { Real31 { m: (self.0 >> 8) << 7, e: (self.0 as u8) as i8 as i32 } }
    }
}

/// Factor and shift of one channel's update: `delta = round(acc * p * 2^-s)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// `(lr.m * q.m) >> 31`.
    pub p: u32,
    /// Right shift.
    pub s: i32,
}

impl Rate {
    /// For a gradient accumulator with exponent `exponent - k` (relative exponent of its gradient tensor, shift of the head's error) and a value
    /// kept with `bits` residual bits: `s = 31 - lr.e - q.e - exponent + k - bits`.
    #[inline(always)]
    pub fn new(lr: Real31, q: Real31, exponent: i32, k: i32, bits: u32) -> Self {
        Self { p: ((lr.m as u64 * q.m as u64) >> 31) as u32, s: 31 - lr.e - q.e - exponent + k - bits as i32 }
    }

    /// The amount to subtract from the value (descent goes against the gradient), saturated to int32. `s > 62` gives 0, `s <= 0` shifts to the left
    /// as [`round_shift`] does. `random`: 64 bits whose top `s` replace the constant one half (stochastic rounding); `None` rounds to nearest.
    #[inline(always)]
    pub fn delta(self, acc: i32, random: Option<u64>) -> i32 {
        let v = acc as i64 * self.p as i64;
        match random {
            Some(r) if self.s > 0 && self.s <= 62 => sat32((v + (r >> (64 - self.s)) as i64) >> self.s),
            _ => sat32(round_shift(v, self.s)),
        }
    }
}

/// Whether updates of values kept with this number of residual bits are rounded stochastically.
#[inline(always)]
pub fn stochastic(bits: u32) -> bool {
    bits < 4
}

/// Subtracts `delta` from a trained weight `w = q * 2^bits + lo`: the difference saturates at `+-127 * 2^bits`, and `q = (w + 2^(bits-1)) >> bits` is
/// the int8 that the forward and backward passes use. Returns `(q, lo)`, `lo` in `[-2^(bits-1), 2^(bits-1))` (0 without residual bits).
#[inline(always)]
pub fn apply_weight(q: i8, lo: i32, delta: i32, bits: u32) -> (i8, i32) {
    let limit = 127i64 << bits;
    let w = (((q as i64) << bits) + lo as i64 - delta as i64).clamp(-limit, limit) as i32;
    let half = if bits == 0 { 0 } else { 1 << (bits - 1) };
    let q = (w + half) >> bits;
    (q as i8, w - (q << bits))
}

/// Subtracts `delta` from a trained bias. The state holds `offset`, the distance from the imported bias `base` in units of `2^-8`, so that it starts
/// at 0 and stays there for a frozen channel. The sum `base * 2^8 + offset` saturates at `+-(2^31 - 1)`, and so does `offset`.
#[inline(always)]
pub fn apply_bias(base: i32, offset: i32, delta: i32) -> i32 {
    let base = (base as i64) << BIAS_RESIDUAL_BITS;
    let limit = i32::MAX as i64;
    let whole = (base + offset as i64 - delta as i64).clamp(-limit, limit);
    (whole - base).clamp(-limit, limit) as i32
}

/// The bias that the forward pass adds: `base + round(offset / 2^8)`.
#[inline(always)]
pub fn bias_value(base: i32, offset: i32) -> i32 {
    base.wrapping_add((offset >> BIAS_RESIDUAL_BITS) + ((offset >> (BIAS_RESIDUAL_BITS - 1)) & 1))
}

/// Size in bytes of the residual plane of `n` weights.
pub fn residual_bytes(n: usize, bits: u32) -> usize {
    (n * bits as usize).div_ceil(8)
}

/// Reads residual `i` (signed, `bits` in {0, 2, 4, 8}) from its plane; element 0 is in the lowest bits of byte 0.
#[inline(always)]
pub fn residual_get(plane: &[u8], i: usize, bits: u32) -> i32 {
    match bits {
        0 => 0,
        8 => plane[i] as i8 as i32,
        _ => {
            let at = i * bits as usize;
            let raw = (plane[at / 8] >> (at % 8)) as i32;
            (raw << (32 - bits)) >> (32 - bits)
        }
    }
}

/// Writes residual `i` to its plane, see [`residual_get`].
#[inline(always)]
pub fn residual_set(plane: &mut [u8], i: usize, bits: u32, lo: i32) {
    match bits {
        0 => {}
        8 => plane[i] = lo as u8,
        _ => {
            let at = i * bits as usize;
            let mask = ((1u32 << bits) - 1) as u8;
            let byte = &mut plane[at / 8];
            *byte = (*byte & !(mask << (at % 8))) | ((lo as u8 & mask) << (at % 8));
        }
    }
}
