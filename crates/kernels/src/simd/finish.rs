//! What becomes of a product's sums: activations with their mask, or gradients.

use super::isa::{Isa, LANES, Line};
use super::product::Sink;
use tinytrain_spec::arith::{Requant, sat32};

/// How an output is scaled, laid out for vectors.
#[derive(Clone, Debug)]
pub struct Scaling {
    /// Multipliers, by panel.
    m: Vec<Line>,
    /// Left shifts; empty if all are 0.
    shift: Vec<u8>,
    zero: i32,
    lo: i32,
    hi: i32,
    channels: usize,
}

impl Scaling {
    /// For `channels` channels: multipliers and shifts ([`crate::Scales`]), zero point and bounds.
    pub fn new(scales: crate::Scales, zero: i32, lo: i32, hi: i32) -> Self {
        let m = scales.m.chunks(LANES).map(|m| {
            let mut line = Line::default();
            line.0[..m.len()].copy_from_slice(m);
            line
        });
        let shift = if scales.shift.iter().all(|&s| s == 0) { Vec::new() } else { scales.shift.to_vec() };
        Self { m: m.collect(), shift, zero, lo, hi, channels: scales.m.len() }
    }
}

/// Requantises sums to `y`, `[pixels][channels]`, and to the mask, which must be 0.
pub struct Requantise<'a> {
    pub scaling: &'a Scaling,
    pub y: &'a mut [i8],
    pub mask: Option<&'a mut [u8]>,
}

impl<I: Isa> Sink<I> for Requantise<'_> {
    #[inline(always)]
    fn put(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        let s = self.scaling;
        let v = if s.shift.is_empty() {
            isa.mul_high_round(sums, isa.load(&s.m[panel]))
        } else {
            let mut line = Line::default();
            isa.store(sums, &mut line);
            shifted(&s.shift[panel * LANES..], &s.m[panel], &mut line);
            isa.load(&line)
        };
        let v = isa.add(v, isa.splat(s.zero));
        let clamped = isa.clamp(v, isa.splat(s.lo), isa.splat(s.hi));
        let at = row * s.channels + panel * LANES;
        let width = LANES.min(s.channels - panel * LANES);
        isa.narrow(clamped, &mut self.y[at..at + width]);
        if let Some(mask) = self.mask.as_deref_mut() {
            let inside = isa.equal(clamped, v) & (u16::MAX >> (LANES - width));
            set_bits(mask, at, inside);
        }
    }
}

/// Requantises one line in which some channels have a left shift.
fn shifted(shift: &[u8], m: &Line, line: &mut Line) {
    for (i, v) in line.0.iter_mut().enumerate() {
        let scale = Requant { m: m.0[i], shift: shift.get(i).copied().unwrap_or(0) };
        // At most 2^30 in magnitude.
        *v = sat32(scale.apply(*v));
    }
}

/// Sets, in a mask that is 0 there, the bits from `at` on.
#[inline(always)]
fn set_bits(mask: &mut [u8], at: usize, bits: u16) {
    let wide = (bits as u32) << (at % 8);
    let first = at / 8;
    mask[first] |= wide as u8;
    for (i, byte) in [(1, (wide >> 8) as u8), (2, (wide >> 16) as u8)] {
        // Bits beyond the mask's end are 0.
        if let Some(to) = mask.get_mut(first + i) {
            *to |= byte;
        }
    }
}

/// Rounds sums to a gradient, `[pixels][channels]`: `sat8(round(sum * 2^-shift))`.
pub struct Round<'a> {
    pub shift: i32,
    pub channels: usize,
    /// Where each row of the product stands in `gx`, in pixels; empty for rows in order.
    pub places: &'a [u32],
    pub gx: &'a mut [i8],
    /// Elements that saturated.
    pub saturated: u32,
}

impl<I: Isa> Sink<I> for Round<'_> {
    #[inline(always)]
    fn put(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        let v = rounded(isa, sums, self.shift);
        let clamped = isa.clamp(v, isa.splat(-128), isa.splat(127));
        let pixel = self.places.get(row).map_or(row, |&place| place as usize);
        let at = pixel * self.channels + panel * LANES;
        let width = LANES.min(self.channels - panel * LANES);
        isa.narrow(clamped, &mut self.gx[at..at + width]);
        let outside = !isa.equal(clamped, v) & (u16::MAX >> (LANES - width));
        self.saturated += outside.count_ones();
    }
}

/// `round(v * 2^-shift)`, as far as int8 can tell.
#[inline(always)]
fn rounded<I: Isa>(isa: I, v: I::V, shift: i32) -> I::V {
    if shift >= 32 {
        // At most a half in magnitude, and -1/2 rounds up.
        isa.splat(0)
    } else if shift > 0 {
        // The bit below the last one kept is what a half adds.
        let half = isa.and(isa.shift_right(v, shift - 1), isa.splat(1));
        isa.add(isa.shift_right(v, shift), half)
    } else {
        // What saturates unshifted saturates shifted, and after eight places everything but 0 does.
        let near = isa.clamp(v, isa.splat(-129), isa.splat(128));
        isa.shift_left(near, shift.saturating_neg().min(8))
    }
}
