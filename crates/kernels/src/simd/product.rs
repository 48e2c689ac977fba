//! The matrix product on which all full convolutions, their input gradients and their weight gradients are based.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};

/// A run of words that each row of a product reads from the LHS: its start, relative to that of the row, and the first
/// of its lines in a panel of the RHS.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub lhs: usize,
    pub line: usize,
}

/// The RHS of a product: panels of sixteen columns, each of `panel` lines, one line per word.
#[derive(Clone, Copy)]
pub struct Rhs<'a> {
    pub lines: &'a [Line],
    pub panel: usize,
}

/// Receives the sums: one call for each row and panel.
pub trait Sink<I: Isa> {
    /// Total number of columns, which must not change.
    fn columns(&self) -> usize;
    /// Takes the sums of one row and sixteen columns.
    ///
    /// # Safety
    /// The row must be one for which the sink was created, and the panel must begin (`FULL`: lie entirely) within its
    /// columns.
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V);
}

/// The LHS of a product.
#[derive(Clone, Copy)]
pub struct Lhs<'a, T> {
    pub factors: &'a [T],
    /// The start of each row.
    pub at: &'a [u32],
    /// Distance between words, in factors.
    pub step: usize,
}

/// For each row and panel: `init` of the panel plus the sum over all segments, each of `words` words; wraps.
#[inline(always)]
pub fn product<I: Isa>(
    isa: I,
    lhs: Lhs<I::Lhs>,
    segments: &[Segment],
    words: usize,
    rhs: Rhs,
    init: &[Line],
    sink: &mut impl Sink<I>,
) {
    const { assert!(I::GROUP * size_of::<I::Lhs>() == 4, "a word has 32 bits") };
    // `strip` relies on this.
    let farthest = lhs.at.iter().max().map_or(0, |&at| at as usize) + words.saturating_sub(1) * lhs.step + I::GROUP;
    let panels = init.len();
    assert!(segments.iter().all(|s| s.lhs + farthest <= lhs.factors.len() && s.line + words <= rhs.panel));
    let mut panel = 0;
    while panel < panels {
        let (two, full) = (I::WIDE && panel + 2 <= panels, |p: usize| (panel + p) * LANES <= sink.columns());
        match (two, full(1 + two as usize)) {
            (true, true) => strip::<I, 8, 2, true>(isa, lhs, segments, words, rhs, panel, init, sink),
            (true, false) => strip::<I, 8, 2, false>(isa, lhs, segments, words, rhs, panel, init, sink),
            (false, true) if I::WIDE => strip::<I, 8, 1, true>(isa, lhs, segments, words, rhs, panel, init, sink),
            (false, false) if I::WIDE => strip::<I, 8, 1, false>(isa, lhs, segments, words, rhs, panel, init, sink),
            (false, true) => strip::<I, 4, 1, true>(isa, lhs, segments, words, rhs, panel, init, sink),
            (false, false) => strip::<I, 4, 1, false>(isa, lhs, segments, words, rhs, panel, init, sink),
        }
        panel += 1 + two as usize;
    }
}

/// A run of words that outputs of two neighbouring rows share: its start, and the first line for the upper and for the
/// lower output, if they read it.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    pub lhs: usize,
    pub lines: [Option<usize>; 2],
}

/// [`product`] for a single panel, where a tile is too narrow to amortise loading the LHS: each row of the product
/// stands for two, the second one `below` rows after it, and words that both need are loaded once.
#[inline(always)]
pub fn product_of_pairs<I: Isa>(
    isa: I,
    lhs: Lhs<I::Lhs>,
    shared: &[Shared],
    words: usize,
    rhs: Rhs,
    init: &Line,
    below: usize,
    sink: &mut impl Sink<I>,
) {
    // The unsafe code below relies on this.
    let farthest = lhs.at.iter().max().map_or(0, |&at| at as usize) + words.saturating_sub(1) * lhs.step + I::GROUP;
    let inside = |line: &Option<usize>| line.is_none_or(|line| line + words <= rhs.panel);
    assert!(shared.iter().all(|s| s.lhs + farthest <= lhs.factors.len() && s.lines.iter().all(inside)));
    let lines = &rhs.lines[..rhs.panel];
    const R: usize = 8;
    for (t, at) in lhs.at.chunks(R).enumerate() {
        let starts: [usize; R] = std::array::from_fn(|r| at[r.min(at.len() - 1)] as usize);
        let [mut upper, mut lower] = [[[isa.load(init); 1]; R]; 2];
        for s in shared {
            // SAFETY: the last word of each run is inside, as asserted.
            let rows: [*const I::Lhs; R] =
                std::array::from_fn(|r| unsafe { lhs.factors.as_ptr().add(starts[r] + s.lhs) });
            let panel = |line: usize| &lines[line..][..words];
            match s.lines.map(|line| line.map(panel)) {
                [Some(a), Some(b)] => {
                    for k in 0..words {
                        // SAFETY: both panels and all rows have `words` words.
                        let (a, b) = unsafe { (isa.load(a.get_unchecked(k)), isa.load(b.get_unchecked(k))) };
                        for r in 0..R {
                            let lhs = isa.splat(unsafe { rows[r].add(k * lhs.step).cast::<i32>().read_unaligned() });
                            upper[r][0] = isa.dot(upper[r][0], lhs, a);
                            lower[r][0] = isa.dot(lower[r][0], lhs, b);
                        }
                    }
                }
                // SAFETY: as above.
                [Some(a), None] => (0..words).for_each(|k| unsafe { word(isa, &rows, &[a], k, lhs.step, &mut upper) }),
                [None, Some(b)] => (0..words).for_each(|k| unsafe { word(isa, &rows, &[b], k, lhs.step, &mut lower) }),
                [None, None] => unreachable!("rows between two kernels are not shared"),
            }
        }
        let full = LANES <= sink.columns();
        for r in 0..at.len() {
            for (row, acc) in [(t * R + r, &upper), (t * R + r + below, &lower)] {
                // SAFETY: the rows are the caller's, and there is only one panel.
                unsafe {
                    if full {
                        sink.put::<true>(isa, row, 0, acc[r][0]);
                    } else {
                        sink.put::<false>(isa, row, 0, acc[r][0]);
                    }
                }
            }
        }
    }
}

/// All rows, `R` at a time, times `P` panels from `first` on, with the sums in registers.
#[inline(always)]
fn strip<I: Isa, const R: usize, const P: usize, const FULL: bool>(
    isa: I,
    lhs: Lhs<I::Lhs>,
    segments: &[Segment],
    words: usize,
    rhs: Rhs,
    first: usize,
    init: &[Line],
    sink: &mut impl Sink<I>,
) {
    for (t, at) in lhs.at.chunks(R).enumerate() {
        // Rows beyond the last repeat it and are not passed on.
        let starts: [usize; R] = std::array::from_fn(|r| at[r.min(at.len() - 1)] as usize);
        let mut acc: [[I::V; P]; R] = [std::array::from_fn(|p| isa.load(&init[first + p])); R];
        for s in segments {
            let panels: [&[Line]; P] = std::array::from_fn(|p| &rhs.lines[(first + p) * rhs.panel + s.line..][..words]);
            // SAFETY: `product` has checked that the last word of each segment is inside.
            let rows: [*const I::Lhs; R] =
                std::array::from_fn(|r| unsafe { lhs.factors.as_ptr().add(starts[r] + s.lhs) });
            for k in 0..words {
                // SAFETY: each panel has `words` lines, and `product` has checked the rows.
                unsafe { word(isa, &rows, &panels, k, lhs.step, &mut acc) };
            }
        }
        for r in 0..at.len() {
            for p in 0..P {
                // SAFETY: the rows are the caller's, and `product` has compared panels with columns.
                unsafe { sink.put::<FULL>(isa, t * R + r, first + p, acc[r][p]) };
            }
        }
    }
}

/// Adds the products of word `k` of `R` rows and `P` panels.
///
/// # Safety
/// All of them must have that word.
#[inline(always)]
unsafe fn word<I: Isa, const R: usize, const P: usize>(
    isa: I,
    rows: &[*const I::Lhs; R],
    panels: &[&[Line]; P],
    k: usize,
    step: usize,
    acc: &mut [[I::V; P]; R],
) {
    let rhs: [I::V; P] = std::array::from_fn(|p| isa.load(unsafe { panels[p].get_unchecked(k) }));
    for r in 0..R {
        // A word need not be aligned.
        let lhs = isa.splat(unsafe { rows[r].add(k * step).cast::<i32>().read_unaligned() });
        for p in 0..P {
            acc[r][p] = isa.dot(acc[r][p], lhs, rhs[p]);
        }
    }
}
