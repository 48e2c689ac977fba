//! How the raw values of a series become int8: in integers, so that a device can do the same.

use core::fmt;

use crate::arith::{exp2i, floor_log2, round_half_up};

/// Bits of a factor.
const FACTOR_BITS: i32 = 15;

/// The normalisation of a column and the quantisation of what it is fed to, in real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// `real = (value - mean) / std`
    pub mean: f64,
    /// See `mean`; above 0.
    pub std: f64,
    /// The value of one step of a raw sample.
    pub unit: f64,
    /// `real = (q - zero) * scale`
    pub scale: f64,
    /// See `scale`.
    pub zero: i32,
}

/// How a raw sample of one column becomes int8: `clamp((raw * factor + offset) >> shift, -128, 127)` in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// 2^14 to 2^15 - 1.
    pub factor: i32,
    /// Below 2^52 in magnitude. It contains the half step that makes the shift round to nearest, halves upwards.
    pub offset: i64,
    /// 1 to 45.
    pub shift: u32,
}

/// A normalisation that [`Column`] cannot express.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impossible {
    /// A step of a raw sample is this many steps of int8: not within 2^-31 and 2^14.
    Step(f64),
    /// This mean is too far from 0, measured in steps of int8.
    Mean(f64),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "a step of a raw sample is {step} steps of the input"),
            Self::Mean(mean) => write!(f, "the mean {mean} is too far from the values"),
        }
    }
}

impl Column {
    /// The integers of a normalisation. Only exact operations and divisions of float64 are used: the same on every machine.
    ///
    /// # Errors
    /// A normalisation that 64 bits cannot express.
    pub fn new(n: Normalisation) -> Result<Self, Impossible> {
        let step = n.unit / (n.std * n.scale);
        if !(step > exp2i(-31) && step < exp2i(14)) {
            return Err(Impossible::Step(step));
        }
        let shift = FACTOR_BITS - 1 - floor_log2(step);
        let factor = (round_half_up(step * exp2i(shift)) as i32).min((1 << FACTOR_BITS) - 1);
        let offset = (f64::from(n.zero) - n.mean / (n.std * n.scale) + 0.5) * exp2i(shift);
        if !(offset > -exp2i(52) && offset < exp2i(52)) {
            return Err(Impossible::Mean(n.mean));
        }
        Ok(Self { factor, offset: round_half_up(offset) as i64, shift: shift as u32 })
    }

    /// The int8 value of a raw sample.
    #[inline]
    pub fn quantise(self, raw: i16) -> i8 {
        ((i64::from(raw) * i64::from(self.factor) + self.offset) >> self.shift).clamp(-128, 127) as i8
    }
}

/// The int8 values of raw samples, which belong to the columns in turn. `raw` and `out` have the same length.
pub fn quantise(raw: &[i16], columns: &[Column], out: &mut [i8]) {
    for ((to, &from), column) in out.iter_mut().zip(raw).zip(columns.iter().cycle()) {
        *to = column.quantise(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(mean: f64, std: f64, unit: f64) -> Column {
        Column::new(Normalisation { mean, std, unit, scale: 1.0 / 256.0, zero: -128 }).unwrap()
    }

    #[test]
    fn known_integers() {
        // 0 to 256 in steps of 1: q = raw - 128.
        assert_eq!(column(0.0, 256.0, 1.0), Column { factor: 1 << 14, offset: (-255 << 14) / 2, shift: 14 });
        let c = column(0.0, 256.0, 1.0);
        let of = [-32768, -1, 0, 1, 100, 254, 255, 256, 32767].map(|raw| c.quantise(raw));
        assert_eq!(of, [-128, -128, -128, -127, -28, 126, 127, 127, 127]);
        // Halves go upwards: two raw steps are one of int8.
        let c = column(0.0, 512.0, 1.0);
        assert_eq!([0, 1, 2, 3].map(|raw| c.quantise(raw)), [-128, -127, -127, -126]);
        // A unit is a step of the raw value: 3 is 12 where one step is 4.
        assert_eq!(column(0.0, 256.0, 4.0).quantise(3), -116);
    }

    #[test]
    fn all_raw_values_are_within_half_a_step_of_the_real_one() {
        for (mean, std, unit) in
            [(-4.0, 8.0, 1.0 / 4096.0), (-2000.0, 4000.0, 1.0 / 8.0), (1e5, 3e4, 4.0), (0.3, 2.2, 0.001)]
        {
            let c = column(mean, std, unit);
            assert!((1 << 14..1 << 15).contains(&c.factor));
            for raw in i16::MIN..=i16::MAX {
                let exact = ((f64::from(raw) * unit - mean) / std * 256.0 - 128.0).clamp(-128.0, 127.0);
                // A factor of 15 bits adds an error of at most 2^-15 of the distance from 0, where the result is within int8.
                let off = (f64::from(c.quantise(raw)) - exact).abs();
                let far = (f64::from(raw) * unit / std * 256.0).abs() * exp2i(-15);
                assert!(off <= 0.5 + far + 1e-9, "{raw}: {off}, {far}");
            }
        }
    }

    #[test]
    fn what_64_bits_cannot_express_is_refused() {
        let of = |mean, std| Column::new(Normalisation { mean, std, unit: 1.0, scale: 1.0, zero: 0 });
        assert_eq!(of(0.0, exp2i(-14)), Err(Impossible::Step(exp2i(14))));
        assert_eq!(of(0.0, exp2i(31)), Err(Impossible::Step(exp2i(-31))));
        assert!(of(0.0, exp2i(30)).is_ok() && of(0.0, exp2i(-13)).is_ok());
        assert_eq!(of(1e30, 1.0), Err(Impossible::Mean(1e30)));
        assert!(matches!(of(0.0, f64::NAN), Err(Impossible::Step(_))) && of(f64::NAN, 1.0).is_err());
    }

    #[test]
    fn columns_take_turns() {
        let columns = [column(0.0, 256.0, 1.0), column(0.0, 256.0, 2.0)];
        let mut out = [0; 4];
        quantise(&[1, 1, 5, 5], &columns, &mut out);
        assert_eq!(out, [-127, -126, -123, -118]);
    }
}
