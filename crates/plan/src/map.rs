//! Draws a plan for the terminal: steps from left to right, memory from the bottom up.

use crate::problem::{Peak, peak};
use crate::{Buffer, Plan};

/// Letters of the buffers in the legend, the largest buffer first.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Symbol of the buffers that are too small for a letter.
const OTHER: u8 = b'+';
/// Symbol of bytes that no buffer occupies.
const FREE: u8 = b'.';
/// Most columns or rows of a map. Nobody can read a larger one, and the limit keeps an absurd size from exhausting
/// memory.
const LARGEST: usize = 1000;

/// Draws `plan` in at most `width` columns and `rows` lines, without the margin and the legend.
///
/// A column stands for a range of steps and a line for a range of bytes, the first of which is in the margin; each cell
/// shows the buffer that covers most of it. `labels` name the buffers in the legend, in the order of `buffers`; where
/// one is missing, the id is used. The step with the most live bytes is marked.
pub fn memory_map(buffers: &[Buffer], labels: &[String], plan: &Plan, width: usize, rows: usize) -> String {
    let placed: Vec<Placed> = (buffers.iter().zip(&plan.offsets).enumerate())
        .filter(|(_, (b, _))| b.size > 0 && b.start < b.end)
        .map(|(index, (&buffer, &offset))| Placed { index, buffer, offset: offset.into(), symbol: OTHER })
        .collect();
    let steps = Axis::new(
        placed.iter().map(|p| p.buffer.start.into()).min().unwrap_or(0),
        placed.iter().map(|p| p.buffer.end.into()).max().unwrap_or(0),
        width,
    );
    let bytes = Axis::new(0, placed.iter().map(Placed::end).max().unwrap_or(0), rows);
    let placed = with_letters(placed);

    let margin = bytes.last.to_string().len().max("bytes".len());
    let mut text = format!("{:>margin$}\n", "bytes");
    for (row, cells) in draw(&placed, &steps, &bytes).iter().enumerate().rev() {
        text += &format!("{:>margin$} |{}\n", bytes.cell(row).0, String::from_utf8_lossy(cells));
    }
    let Peak { bytes: live, step } = peak(buffers);
    let above = |&column: &usize| steps.covered(column, step.into(), u64::from(step) + 1) > 0;
    let at = (0..steps.cells).find(above).unwrap_or(0);
    text += &format!("{:>margin$} +{}\n", "", "-".repeat(steps.cells));
    text += &format!("{:>margin$}  {:at$}^ peak\n", "steps", "");
    text += &format!("arena: {} bytes over steps {}..{}, {}\n", plan.total, steps.first, steps.last, plan.heuristic);
    text += &format!("peak: {live} bytes live at step {step}\n");
    text += &legend(&placed, labels);
    text
}

struct Placed {
    /// Position in the input.
    index: usize,
    buffer: Buffer,
    /// Bytes.
    offset: u64,
    symbol: u8,
}

impl Placed {
    /// Byte after the last.
    fn end(&self) -> u64 {
        self.offset + u64::from(self.buffer.size)
    }
}

/// Sorts by size, largest first, and assigns letters until they run out.
fn with_letters(mut placed: Vec<Placed>) -> Vec<Placed> {
    placed.sort_by_key(|p| (std::cmp::Reverse(p.buffer.size), p.index));
    placed.iter_mut().zip(LETTERS).for_each(|(p, &letter)| p.symbol = letter);
    placed
}

/// A range of steps or bytes, cut into cells.
struct Axis {
    first: u64,
    last: u64,
    cells: usize,
}

impl Axis {
    /// At most `wanted` cells; with fewer units than that, each unit is as many cells wide as fit.
    fn new(first: u64, last: u64, wanted: usize) -> Self {
        let wanted = wanted.clamp(1, LARGEST);
        let units = last - first;
        let cells = if units <= wanted as u64 { wanted / units.max(1) as usize * units as usize } else { wanted };
        Self { first, last, cells }
    }

    /// First unit of a cell, and the one after its last unit.
    fn cell(&self, cell: usize) -> (u64, u64) {
        let (units, cells, cell) = (self.last - self.first, self.cells as u64, cell as u64);
        (self.first + cell * units / cells, self.first + ((cell + 1) * units).div_ceil(cells))
    }

    /// Number of units of a cell that lie in `[from, to)`.
    fn covered(&self, cell: usize, from: u64, to: u64) -> u64 {
        let (first, last) = self.cell(cell);
        last.min(to).saturating_sub(first.max(from))
    }
}

/// The cells as lines, lowest bytes first.
fn draw(placed: &[Placed], steps: &Axis, bytes: &Axis) -> Vec<Vec<u8>> {
    let mut cells = vec![vec![FREE; steps.cells]; bytes.cells];
    let mut most = vec![vec![0; steps.cells]; bytes.cells];
    for p in placed {
        for row in 0..bytes.cells {
            let height = bytes.covered(row, p.offset, p.end());
            for column in 0..if height > 0 { steps.cells } else { 0 } {
                let area = height * steps.covered(column, p.buffer.start.into(), p.buffer.end.into());
                if area > most[row][column] {
                    (most[row][column], cells[row][column]) = (area, p.symbol);
                }
            }
        }
    }
    cells
}

fn legend(placed: &[Placed], labels: &[String]) -> String {
    let mut text = String::new();
    for p in placed.iter().take(LETTERS.len()) {
        let Buffer { id, start, end, size, .. } = p.buffer;
        let label = labels.get(p.index).cloned().unwrap_or_else(|| format!("buffer {id}"));
        let symbol = char::from(p.symbol);
        text += &format!("{symbol} {size:>8} bytes at {:>8}, steps {start}..{end}  {label}\n", p.offset);
    }
    let others = placed.iter().skip(LETTERS.len());
    let bytes: u64 = others.clone().map(|p| u64::from(p.buffer.size)).sum();
    if bytes > 0 {
        text += &format!("{} {bytes:>8} bytes in {} smaller buffers\n", char::from(OTHER), others.count());
    }
    text
}
