//! Weights as right factors: in lines of words, kept up to date by the update.

use super::isa::{Isa, LANES, Line, lines, ones};
use super::product::Right;

/// A matrix of weights, cut into panels of sixteen columns; a panel has `rows` rows of `words` words, a line a word.
#[derive(Clone, Debug)]
pub struct Pack {
    lines: Vec<Line>,
    rows: usize,
    words: usize,
    group: usize,
    /// The sum of each row and column, `[rows][panels]`.
    sums: Vec<Line>,
    /// Whether a weight has changed since the sums were taken.
    changed: bool,
}

impl Pack {
    /// All zero: `columns` columns, `rows` rows of `values` weights each, `group` weights a word.
    pub fn new(columns: usize, rows: usize, values: usize, group: usize) -> Self {
        let (panels, words) = (lines(columns), values.div_ceil(group));
        Self {
            lines: vec![Line::default(); panels * rows * words],
            rows,
            words,
            group,
            sums: vec![Line::default(); panels * rows],
            changed: true,
        }
    }

    /// Lines of a panel, words of a row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The first line of a row in a panel.
    pub fn line(&self, row: usize) -> usize {
        row * self.words
    }

    /// All panels.
    pub fn right(&self) -> Right<'_> {
        Right { lines: &self.lines, panel: self.rows * self.words }
    }

    /// Sets one weight.
    #[inline(always)]
    pub fn set(&mut self, column: usize, row: usize, value: usize, weight: i8) {
        let at = ((column / LANES) * self.rows + row) * self.words + value / self.group;
        let bits = 32 / self.group as u32;
        let shift = (value % self.group) as u32 * bits;
        let mask = ((1u32 << bits) - 1) << shift;
        let word = &mut self.lines[at].0[column % LANES];
        *word = ((*word as u32 & !mask) | ((weight as u32) << shift & mask)) as i32;
        self.changed = true;
    }

    /// The sum of each row and column, `[rows][panels]`.
    #[inline(always)]
    pub fn sums<I: Isa>(&mut self, isa: I) -> &[Line] {
        if self.changed {
            let panels = self.sums.len() / self.rows;
            for (i, row) in self.lines.chunks_exact(self.words).enumerate() {
                let sum =
                    row.iter().fold(isa.splat(0), |sum, line| isa.dot(sum, isa.splat(ones(I::GROUP)), isa.load(line)));
                isa.store(sum, &mut self.sums[(i % self.rows) * panels + i / self.rows]);
            }
            self.changed = false;
        }
        &self.sums
    }
}
