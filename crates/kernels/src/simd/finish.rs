//! Converts the sums of a product into activations with their mask, or into gradients.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};
use super::product::Sink;
use tinytrain_spec::arith::{BIAS_RESIDUAL_BITS, Requant, sat32};

/// Imported biases, laid out for vectors.
#[derive(Clone, Debug)]
pub struct Biases(Vec<Line>);

impl Biases {
    /// From one bias per channel.
    pub fn new(base: &[i32]) -> Self {
        Self(in_lines(base))
    }

    /// The biases of one panel as the forward pass adds them ([`tinytrain_spec::arith::bias_value`]), including the
    /// trained `offset`, which is empty if they are frozen.
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

/// The values in lines, padded with 0.
fn in_lines(values: &[i32]) -> Vec<Line> {
    let line = |values: &[i32]| {
        let mut line = Line::default();
        line.0[..values.len()].copy_from_slice(values);
        line
    };
    values.chunks(LANES).map(line).collect()
}

/// Scales, zero point and bounds of an output, laid out for vectors.
#[derive(Clone, Debug)]
pub struct Scaling {
    /// Multipliers, one line per panel.
    m: Vec<Line>,
    /// Left shifts; empty if all are 0.
    shift: Vec<u8>,
    zero: i32,
    lo: i32,
    hi: i32,
    channels: usize,
}

impl Scaling {
    /// From multipliers and shifts, zero point and bounds.
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
    /// Clears the mask. `y` must have `pixels` pixels.
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
        // SAFETY: the caller passes only rows and columns that exist, for which `new` has checked the length.
        isa.narrow(clamped, unsafe { self.y.get_unchecked_mut(at..at + width) });
        if let Some(mask) = self.mask.as_deref_mut() {
            set_bits(mask, at, isa.equal(clamped, v) & (u16::MAX >> (LANES - width)));
        }
    }
}

/// Requantises a line in which some channels have a left shift.
fn shifted(shift: &[u8], m: &Line, line: &mut Line) {
    for (i, v) in line.0.iter_mut().enumerate() {
        let scale = Requant { m: m.0[i], shift: shift.get(i).copied().unwrap_or(0) };
        // At most 2^30 in magnitude.
        *v = sat32(scale.apply(*v));
    }
}

/// Sets bits of a mask from bit `at` on; they must be 0 before.
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
    /// The pixel of `gx` for each row of the product; empty if rows are in order.
    pub places: &'a [u32],
    pub gx: &'a mut [i8],
    /// Number of elements that saturated.
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

/// `round(v * 2^-shift)`, exact where it fits int8 and outside int8 otherwise.
#[inline(always)]
fn rounded<I: Isa>(isa: I, v: I::V, shift: i32) -> I::V {
    if shift >= 32 {
        // At most one half in magnitude, and -1/2 rounds up to 0.
        isa.splat(0)
    } else if shift > 0 {
        // Adding the highest dropped bit rounds halves up.
        let half = isa.and(isa.shift_right(v, shift - 1), isa.splat(1));
        isa.add(isa.shift_right(v, shift), half)
    } else {
        // A value that saturates without the shift saturates with it, and after eight places every value but 0 does.
        let near = isa.clamp(v, isa.splat(-129), isa.splat(128));
        isa.shift_left(near, shift.saturating_neg().min(8))
    }
}
