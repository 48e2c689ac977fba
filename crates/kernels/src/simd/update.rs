//! The update of a line of weights.

use crate::Update;
use tinytrain_spec::arith::{Qas, Rate, apply_weight, residual_get, residual_set, stochastic};
use tinytrain_spec::random;

use super::isa::{Isa, LANES, Line};

/// The rate of each output channel, and the other parameters of an update.
pub struct Rates<'a> {
    rates: &'a [Option<Rate>],
    bits: u32,
    key: u64,
}

impl<'a> Rates<'a> {
    /// Computes the rates; a channel whose `qas` is 0, or whose rate comes to 0, has none.
    pub fn new(u: &Update, qas: &[u32], rates: &'a mut Vec<Option<Rate>>) -> Self {
        let bits = u.params.bits as u32;
        let rate = |&qas: &u32| {
            let rate = (qas != 0).then(|| Rate::new(u.lr, Qas(qas).real(), u.params.exponent, u.k, bits));
            rate.filter(|r| r.p != 0)
        };
        rates.clear();
        rates.extend(qas.iter().map(rate));
        Self { rates, bits, key: random::key(u.seed, u.step, u.params.tensor as u32) }
    }

    /// The rate of an output channel; none if it is never updated.
    #[inline(always)]
    pub fn of(&self, channel: usize) -> Option<Rate> {
        self.rates[channel]
    }
}

/// The lanes whose int8 value has changed, one bit each, and the new values.
pub struct Change {
    pub lanes: u32,
    pub q: [i8; LANES],
}

/// Updates up to sixteen consecutive weights that share a rate; the first has index `first` in its tensor.
#[inline(always)]
pub fn step_line<I: Isa>(
    isa: I,
    u: &Rates,
    rate: Rate,
    first: usize,
    width: usize,
    acc: I::V,
    q: &mut [i8],
    lo: &mut [u8],
) -> Change {
    // The fast path requires that the lower half of products is irrelevant and that no byte of residuals is shared with
    // another line.
    let quick = (33..=62).contains(&rate.s);
    let own = first..first + width;
    match (u.bits, quick) {
        (4, true) if first.is_multiple_of(2) && width.is_multiple_of(2) => {
            let plane = &mut lo[first / 2..][..width / 2];
            let old = isa.widen_nibbles(plane);
            let (change, new) = step_quickly::<I, 4>(isa, rate, acc, old, &mut q[own]);
            isa.narrow_nibbles(new, plane);
            change
        }
        (8, true) => {
            let plane = &mut lo[own.clone()];
            let mut old = Line::default();
            for (old, &byte) in old.0.iter_mut().zip(plane.iter()) {
                *old = byte as i8 as i32;
            }
            let (change, new) = step_quickly::<I, 8>(isa, rate, acc, isa.load(&old), &mut q[own]);
            isa.store(new, &mut old);
            for (&new, byte) in old.0.iter().zip(plane) {
                *byte = new as u8;
            }
            change
        }
        _ => {
            let mut line = Line::default();
            isa.store(acc, &mut line);
            step_any(u, rate, first, &line.0[..width], q, lo)
        }
    }
}

/// [`Rate::delta`] and [`apply_weight`] for `33 <= rate.s <= 62`, where only the upper half of the product matters;
/// returns the new residuals.
#[inline(always)]
fn step_quickly<I: Isa, const BITS: i32>(isa: I, rate: Rate, acc: I::V, lo: I::V, q: &mut [i8]) -> (Change, I::V) {
    let limit = 127 << BITS;
    let half = isa.splat(1 << (rate.s - 33));
    let delta = isa.shift_right(isa.add(isa.mul_high(acc, isa.splat(rate.p as i32)), half), rate.s - 32);
    let old = isa.widen(q);
    let w = isa.sub(isa.add(isa.shift_left(old, BITS), lo), delta);
    let w = isa.clamp(w, isa.splat(-limit), isa.splat(limit));
    let new = isa.shift_right(isa.add(w, isa.splat(1 << (BITS - 1))), BITS);
    isa.narrow(new, q);
    let lanes = !isa.equal(old, new) & (u16::MAX >> (LANES - q.len()));
    let mut change = Change { lanes: lanes as u32, q: [0; LANES] };
    if lanes != 0 {
        isa.narrow(new, &mut change.q);
    }
    (change, isa.sub(w, isa.shift_left(new, BITS)))
}

/// [`step_line`] for any rate.
fn step_any(u: &Rates, rate: Rate, first: usize, acc: &[i32], q: &mut [i8], lo: &mut [u8]) -> Change {
    let mut change = Change { lanes: 0, q: [0; LANES] };
    for (i, &acc) in acc.iter().enumerate() {
        let at = first + i;
        let random = stochastic(u.bits).then(|| random::draw(u.key, at as u32));
        let (high, low) = apply_weight(q[at], residual_get(lo, at, u.bits), rate.delta(acc, random), u.bits);
        change.lanes |= ((high != q[at]) as u32) << i;
        change.q[i] = high;
        q[at] = high;
        residual_set(lo, at, u.bits, low);
    }
    change
}
