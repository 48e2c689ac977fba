//! The product that all full convolutions, their input gradients and their weight gradients are made of.
#![allow(unsafe_code)]

use super::isa::{Isa, LANES, Line};

/// A run of words that each row of a product takes from the left factors: where it begins, counted from the row's own
/// place, and the first of its lines in a panel of the right factors.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub left: usize,
    pub line: usize,
}

/// Right factors: panels of sixteen columns, each so many lines, one line a word.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    pub lines: &'a [Line],
    pub panel: usize,
}

/// What becomes of a sum: one call for each row and panel.
pub trait Sink<I: Isa> {
    /// Columns in all, which must not change.
    fn columns(&self) -> usize;
    /// Takes the sums of one row and sixteen columns.
    ///
    /// # Safety
    /// The row must be one that the sink was made for, and the panel begin (`FULL`: lie) within its columns.
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V);
}

/// The left factors of a product.
#[derive(Clone, Copy)]
pub struct Left<'a, T> {
    pub factors: &'a [T],
    /// Where each row begins.
    pub at: &'a [u32],
    /// From one word to the next, in factors.
    pub step: usize,
}

/// For each row and panel, `init` of the panel and the sum over all segments of `words` words each; wraps.
#[inline(always)]
pub fn product<I: Isa>(
    isa: I,
    left: Left<I::Left>,
    segments: &[Segment],
    words: usize,
    right: Right,
    init: &[Line],
    sink: &mut impl Sink<I>,
) {
    const { assert!(I::GROUP * size_of::<I::Left>() == 4, "a word has 32 bits") };
    // What `strip` relies on.
    let farthest = left.at.iter().max().map_or(0, |&at| at as usize) + words.saturating_sub(1) * left.step + I::GROUP;
    let panels = init.len();
    assert!(segments.iter().all(|s| s.left + farthest <= left.factors.len() && s.line + words <= right.panel));
    let mut panel = 0;
    while panel < panels {
        let (two, full) = (I::WIDE && panel + 2 <= panels, |p: usize| (panel + p) * LANES <= sink.columns());
        match (two, full(1 + two as usize)) {
            (true, true) => strip::<I, 8, 2, true>(isa, left, segments, words, right, panel, init, sink),
            (true, false) => strip::<I, 8, 2, false>(isa, left, segments, words, right, panel, init, sink),
            (false, true) if I::WIDE => strip::<I, 8, 1, true>(isa, left, segments, words, right, panel, init, sink),
            (false, false) if I::WIDE => strip::<I, 8, 1, false>(isa, left, segments, words, right, panel, init, sink),
            (false, true) => strip::<I, 4, 1, true>(isa, left, segments, words, right, panel, init, sink),
            (false, false) => strip::<I, 4, 1, false>(isa, left, segments, words, right, panel, init, sink),
        }
        panel += 1 + two as usize;
    }
}

/// A run of words that the outputs of two neighbouring rows share: where it begins, and the first line for the upper and
/// for the lower output, if they read it.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    pub left: usize,
    pub lines: [Option<usize>; 2],
}

/// [`product`] for one panel, where a tile is too narrow for the reading of left factors to pay: each row of the product
/// stands for two, the second `below` rows after it, and what both read is read once.
#[inline(always)]
pub fn product_of_pairs<I: Isa>(
    isa: I,
    left: Left<I::Left>,
    shared: &[Shared],
    words: usize,
    right: Right,
    init: &Line,
    below: usize,
    sink: &mut impl Sink<I>,
) {
    // What is relied on below.
    let farthest = left.at.iter().max().map_or(0, |&at| at as usize) + words.saturating_sub(1) * left.step + I::GROUP;
    let inside = |line: &Option<usize>| line.is_none_or(|line| line + words <= right.panel);
    assert!(shared.iter().all(|s| s.left + farthest <= left.factors.len() && s.lines.iter().all(inside)));
    let lines = &right.lines[..right.panel];
    const R: usize = 8;
    for (t, at) in left.at.chunks(R).enumerate() {
        let starts: [usize; R] = std::array::from_fn(|r| at[r.min(at.len() - 1)] as usize);
        let [mut upper, mut lower] = [[[isa.load(init); 1]; R]; 2];
        for s in shared {
            // SAFETY: the last word of each run lies inside, as asserted.
            let rows: [*const I::Left; R] =
                std::array::from_fn(|r| unsafe { left.factors.as_ptr().add(starts[r] + s.left) });
            let panel = |line: usize| &lines[line..][..words];
            match s.lines.map(|line| line.map(panel)) {
                [Some(a), Some(b)] => {
                    for k in 0..words {
                        // SAFETY: both panels and all rows have so many words.
                        let (a, b) = unsafe { (isa.load(a.get_unchecked(k)), isa.load(b.get_unchecked(k))) };
                        for r in 0..R {
                            let left = isa.splat(unsafe { rows[r].add(k * left.step).cast::<i32>().read_unaligned() });
                            upper[r][0] = isa.dot(upper[r][0], left, a);
                            lower[r][0] = isa.dot(lower[r][0], left, b);
                        }
                    }
                }
                // SAFETY: as above.
                [Some(a), None] => (0..words).for_each(|k| unsafe { word(isa, &rows, &[a], k, left.step, &mut upper) }),
                [None, Some(b)] => (0..words).for_each(|k| unsafe { word(isa, &rows, &[b], k, left.step, &mut lower) }),
                [None, None] => unreachable!("rows between two kernels are not shared"),
            }
        }
        let full = LANES <= sink.columns();
        for r in 0..at.len() {
            for (row, acc) in [(t * R + r, &upper), (t * R + r + below, &lower)] {
                // SAFETY: the caller's rows, and the only panel.
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

/// All rows, `R` at a time, by `P` panels from `first` on, the sums in registers.
#[inline(always)]
fn strip<I: Isa, const R: usize, const P: usize, const FULL: bool>(
    isa: I,
    left: Left<I::Left>,
    segments: &[Segment],
    words: usize,
    right: Right,
    first: usize,
    init: &[Line],
    sink: &mut impl Sink<I>,
) {
    for (t, at) in left.at.chunks(R).enumerate() {
        // Rows beyond the last repeat it, and are not put.
        let starts: [usize; R] = std::array::from_fn(|r| at[r.min(at.len() - 1)] as usize);
        let mut acc: [[I::V; P]; R] = [std::array::from_fn(|p| isa.load(&init[first + p])); R];
        for s in segments {
            let panels: [&[Line]; P] =
                std::array::from_fn(|p| &right.lines[(first + p) * right.panel + s.line..][..words]);
            // SAFETY: `product` has checked that the last word of each segment lies inside.
            let rows: [*const I::Left; R] =
                std::array::from_fn(|r| unsafe { left.factors.as_ptr().add(starts[r] + s.left) });
            for k in 0..words {
                // SAFETY: each panel has `words` lines, and `product` has looked after the rows.
                unsafe { word(isa, &rows, &panels, k, left.step, &mut acc) };
            }
        }
        for r in 0..at.len() {
            for p in 0..P {
                // SAFETY: the caller's rows, and `product` has compared panels with columns.
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
    rows: &[*const I::Left; R],
    panels: &[&[Line]; P],
    k: usize,
    step: usize,
    acc: &mut [[I::V; P]; R],
) {
    let right: [I::V; P] = std::array::from_fn(|p| isa.load(unsafe { panels[p].get_unchecked(k) }));
    for r in 0..R {
        // A word is read wherever it begins.
        let left = isa.splat(unsafe { rows[r].add(k * step).cast::<i32>().read_unaligned() });
        for p in 0..P {
            acc[r][p] = isa.dot(acc[r][p], left, right[p]);
        }
    }
}
