//! From accumulators to int8: requantisation with its mask, and the rounding of gradients.

use tinytrain_spec::arith::sat32;

/// Zero point and bounds of an output.
#[derive(Clone, Copy)]
pub struct Output {
    pub zero: i32,
    pub lo: i32,
    pub hi: i32,
}

impl Output {
    /// Clamps a requantised value (within `+-2^30`) and tells whether it was inside the bounds.
    #[inline(always)]
    pub fn clamp(self, v: i32) -> (i8, u8) {
        let v = v + self.zero;
        let c = v.clamp(self.lo, self.hi);
        (c as i8, (c == v) as u8)
    }
}

/// `Requant::apply`. The product is within `+-2^62`, so the result fits int32.
#[inline(always)]
fn requantize(acc: i32, m: i32) -> i32 {
    ((acc as i64 * m as i64 + (1 << 31)) >> 32) as i32
}

/// Requantises rows of `n` accumulators, `stride` apart, to `y` and to flags that tell which elements were inside
/// the bounds.
pub fn requantize_rows(
    acc: &[i32],
    stride: usize,
    n: usize,
    scales: crate::Scales,
    out: Output,
    y: &mut [i8],
    inside: &mut [u8],
) {
    let m = &scales.m[..n];
    for ((y, inside), acc) in y.chunks_exact_mut(n).zip(inside.chunks_exact_mut(n)).zip(acc.chunks(stride)) {
        let acc = &acc[..n];
        if scales.shift.is_empty() {
            for c in 0..n {
                (y[c], inside[c]) = out.clamp(requantize(acc[c], m[c]));
            }
        } else {
            let shift = &scales.shift[..n];
            for c in 0..n {
                (y[c], inside[c]) = out.clamp(requantize(sat32((acc[c] as i64) << (shift[c] & 31)), m[c]));
            }
        }
    }
}

/// Rounds rows of `n` gradient sums, `stride` apart: `sat8(round(acc * 2^-shift))`. Returns the number of elements that
/// saturated.
pub fn round_rows(acc: &[i32], stride: usize, n: usize, shift: i32, gx: &mut [i8]) -> u32 {
    gx.chunks_exact_mut(n).zip(acc.chunks(stride)).map(|(gx, acc)| round_row(&acc[..n], shift, gx)).sum()
}

/// One row of [`round_rows`], in 32 bits for any shift.
#[inline(always)]
pub fn round_row(acc: &[i32], shift: i32, gx: &mut [i8]) -> u32 {
    let acc = &acc[..gx.len()];
    let mut saturated = 0;
    if shift >= 32 {
        // |acc| <= 2^31 gives at most one half in magnitude, and -1/2 rounds up to 0.
        gx.fill(0);
    } else if shift > 0 {
        for c in 0..gx.len() {
            // Adding the highest dropped bit rounds halves up.
            let v = (acc[c] >> shift) + ((acc[c] >> (shift - 1)) & 1);
            gx[c] = v.clamp(-128, 127) as i8;
            saturated += (v != gx[c] as i32) as u32;
        }
    } else {
        // A value that saturates without the shift saturates with it, and after eight places every value but 0 does.
        let left = (-(shift as i64)).min(8) as u32;
        for c in 0..gx.len() {
            let v = acc[c].clamp(-129, 128) << left;
            gx[c] = v.clamp(-128, 127) as i8;
            saturated += (v != gx[c] as i32) as u32;
        }
    }
    saturated
}

#[cfg(test)]
mod tests {
    use super::round_row;
    use tinytrain_spec::arith::{round_shift, sat8};

    #[test]
    fn rounds_any_sum_by_any_shift() {
        let near = |v: i64| (-2..=2).map(move |d| v + d);
        let powers = (0..32).flat_map(|e| near(1 << e).chain(near(3 << e)).chain(near(-1 << e)).chain(near(-3 << e)));
        let acc: Vec<i32> = powers.filter_map(|v| v.try_into().ok()).chain([i32::MIN, i32::MAX]).collect();
        for shift in -40..70 {
            let mut gx = vec![99; acc.len()];
            let saturated = round_row(&acc, shift, &mut gx);
            let rounded = acc.iter().map(|&v| round_shift(v as i64, shift));
            assert!(gx.iter().copied().eq(rounded.clone().map(sat8)), "shift {shift}");
            assert_eq!(saturated as usize, rounded.filter(|v| !(-128..=127).contains(v)).count(), "shift {shift}");
        }
    }
}
