//! What becomes of a product's sums: activations with their mask, or gradients.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use super::product::Sink;
use tinytrain_spec::arith::{BIAS_RESIDUAL_BITS, Requant, sat32};

/// Biases as imported, laid out for vectors.
#[derive(Clone, Debug)]
pub struct Biases(Vec<Line>);

impl Biases {
    /// One a channel.
    pub fn new(base: &[i32]) -> Self {
        Self(in_lines(base))
    }

    /// One panel's biases as the forward pass adds them ([`tinytrain_spec::arith::bias_value`]), moved by `offset`, which
    /// is empty if they are frozen.
    #[inline(always)]
    pub fn panel<I: Isa>(&self, isa: I, panel: usize, offset: &[i32]) -> I::V {
        let base = isa.load(&self.0[panel]);
        let Some(offset) = offset.get(panel * LANES..).filter(|o| !o.is_empty()) else { return base };
        let mut last = [0; LANES];
        let offset = isa.load_words(offset.first_chunk().unwrap_or_else(|| {
            last[..offset.len()].copy_from_slice(offset);
            &last
        }));
        const BITS: i32 = BIAS_RESIDUAL_BITS as i32;
        let half = isa.and(isa.shift_right(offset, BITS - 1), isa.splat(1));
        isa.add(base, isa.add(isa.shift_right(offset, BITS), half))
    }
}

/// Values in lines, 0 beyond the last.
fn in_lines(values: &[i32]) -> Vec<Line> {
    let line = |values: &[i32]| {
        let mut line = Line::default();
        line.0[..values.len()].copy_from_slice(values);
        line
    };
    values.chunks(LANES).map(line).collect()
}

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
        let shift = if scales.shift.iter().all(|&s| s == 0) { Vec::new() } else { scales.shift.to_vec() };
        Self { m: in_lines(scales.m), shift, zero, lo, hi, channels: scales.m.len() }
    }
}

/// Requantises sums to `y`, `[pixels][channels]`, and to the mask.
pub struct Requantise<'a, I: Isa> {
    scaling: &'a Scaling,
    y: &'a mut [i8],
    mask: Option<&'a mut [u8]>,
    zero: I::V,
    bounds: [I::V; 2],
}

impl<'a, I: Isa> Requantise<'a, I> {
    /// Clears the mask. `y` must have so many pixels.
    #[inline(always)]
    pub fn new(isa: I, scaling: &'a Scaling, pixels: usize, y: &'a mut [i8], mut mask: Option<&'a mut [u8]>) -> Self {
        assert_eq!(y.len(), pixels * scaling.channels);
        if let Some(mask) = &mut mask {
            mask.fill(0);
        }
        let bounds = [isa.splat(scaling.lo), isa.splat(scaling.hi)];
        Self { scaling, y, mask, zero: isa.splat(scaling.zero), bounds }
    }
}

impl<I: Isa> Sink<I> for Requantise<'_, I> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.scaling.channels
    }

    #[inline(always)]
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        let s = self.scaling;
        let v = if s.shift.is_empty() {
            isa.mul_high_round(sums, isa.load(&s.m[panel]))
        } else {
            let mut line = Line::default();
            isa.store(sums, &mut line);
            shifted(&s.shift[panel * LANES..], &s.m[panel], &mut line);
            isa.load(&line)
        };
        let v = isa.add(v, self.zero);
        let clamped = isa.clamp(v, self.bounds[0], self.bounds[1]);
        let at = row * s.channels + panel * LANES;
        let width = if FULL { LANES } else { LANES.min(s.channels - panel * LANES) };
        debug_assert!(at + width <= self.y.len());
        // SAFETY: the caller keeps to rows and columns, for which `new` has found room.
        isa.narrow(clamped, unsafe { self.y.get_unchecked_mut(at..at + width) });
        if let Some(mask) = self.mask.as_deref_mut() {
            set_bits(mask, at, isa.equal(clamped, v) & (u16::MAX >> (LANES - width)));
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
pub fn set_bits(mask: &mut [u8], at: usize, bits: u16) {
    let first = at / 8;
    if at.is_multiple_of(8)
        && let Some(two) = mask[first..].first_chunk_mut()
    {
        *two = (u16::from_le_bytes(*two) | bits).to_le_bytes();
        return;
    }
    let wide = (bits as u32) << (at % 8);
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
    fn columns(&self) -> usize {
        self.channels
    }

    #[inline(always)]
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        let v = rounded(isa, sums, self.shift);
        let clamped = isa.clamp(v, isa.splat(-128), isa.splat(127));
        let pixel = self.places.get(row).map_or(row, |&place| place as usize);
        let at = pixel * self.channels + panel * LANES;
        let width = if FULL { LANES } else { LANES.min(self.channels - panel * LANES) };
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
