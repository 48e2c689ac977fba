//! Packed weights: the RHS of products, in lines of words, kept up to date by each update.

use super::isa::{Isa, LANES, Line, lines, ones};
use super::product::Rhs;

/// Iterates over weights laid out `[rows][channels]`, each with its row and its channel.
pub fn each<'w>(weights: &'w [i8], channels: &'w [u16]) -> impl Iterator<Item = (usize, usize, i8)> + 'w {
    let rows = weights.chunks_exact(channels.len().max(1)).enumerate();
    rows.flat_map(move |(at, row)| channels.iter().zip(row).map(move |(&i, &w)| (at, i as usize, w)))
}

/// A matrix of weights, cut into panels of sixteen columns; a panel has `rows` rows of `words` words, one line per
/// word.
#[derive(Clone, Debug)]
pub struct Pack {
    lines: Vec<Line>,
    rows: usize,
    words: usize,
    /// Binary logarithm of the number of weights per word.
    group: u32,
    /// Sets of rows over which sums are taken.
    sets: Vec<Vec<usize>>,
    /// The sum of the weights of each set and column, `[sets][panels]`.
    totals: Vec<Line>,
    /// Whether a weight has changed since `totals` was computed.
    changed: bool,
}

impl Pack {
    /// All zero, with `columns` columns, `rows` rows of `values` weights each, and `group` weights per word.
    pub fn new(columns: usize, rows: usize, values: usize, group: usize, sets: Vec<Vec<usize>>) -> Self {
        let (panels, words) = (lines(columns), values.div_ceil(group));
        Self {
            lines: vec![Line::default(); panels * rows * words],
            rows,
            words,
            group: group.ilog2(),
            totals: vec![Line::default(); panels * sets.len()],
            sets,
            changed: true,
        }
    }

    /// Number of words of a row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The first line of `row` in a panel.
    pub fn line(&self, row: usize) -> usize {
        row * self.words
    }

    /// All panels, as the RHS of a product.
    pub fn rhs(&self) -> Rhs<'_> {
        Rhs { lines: &self.lines, panel: self.rows * self.words }
    }

    /// Sets one weight.
    #[inline(always)]
    pub fn set(&mut self, column: usize, row: usize, value: usize, weight: i8) {
        let at = ((column / LANES) * self.rows + row) * self.words + (value >> self.group);
        let bits = 32 >> self.group;
        let shift = (value & ((1 << self.group) - 1)) as u32 * bits;
        let mask = ((1u32 << bits) - 1) << shift;
        let word = &mut self.lines[at].0[column % LANES];
        *word = ((*word as u32 & !mask) | ((weight as u32) << shift & mask)) as i32;
        self.changed = true;
    }

    /// The initial values of the sums over each set of rows, `[sets][panels]`: `start` of the panel, minus the
    /// contribution of `extra` in every factor of the LHS.
    #[inline(always)]
    pub fn init<I: Isa>(&mut self, isa: I, extra: i32, start: impl Fn(usize) -> I::V, to: &mut [Line]) {
        let panels = self.totals.len() / self.sets.len();
        if self.changed {
            for (set, totals) in self.sets.iter().zip(self.totals.chunks_exact_mut(panels)) {
                for (panel, total) in totals.iter_mut().enumerate() {
                    let mut sum = isa.splat(0);
                    for row in set {
                        for line in &self.lines[(panel * self.rows + row) * self.words..][..self.words] {
                            sum = isa.dot(sum, isa.splat(ones(I::GROUP)), isa.load(line));
                        }
                    }
                    isa.store(sum, total);
                }
            }
            self.changed = false;
        }
        let extra = isa.splat(extra);
        for (i, (to, total)) in to.iter_mut().zip(&self.totals).enumerate() {
            isa.store(isa.sub(start(i % panels), isa.mul(isa.load(total), extra)), to);
        }
    }

    /// The number of lines that [`Pack::init`] writes, `sets * panels`.
    pub fn init_len(&self) -> usize {
        self.totals.len()
    }
}
