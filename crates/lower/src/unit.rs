//! Nodes that can run over some rows of their output, and their calls over them.

use std::convert::Infallible;
use std::ops::Range;

use tinytrain_program::Operand;
use tinytrain_spec::kernels::Call;
use tinytrain_spec::params::{ConvParams, PoolParams};

use crate::blocks::{Blocks, Draft, DraftStep};

/// Bytes of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub buffer: usize,
    pub first: u32,
    pub bytes: u32,
}

/// An operand whose buffer has no place yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// In the arena.
    Span(Span),
    /// The scratch of a call.
    Scratch,
    /// A constant or a trainable tensor.
    Ready(Operand),
}

/// A map of rows in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    pub rows: i32,
    /// Bytes of a row.
    pub row: u32,
}

/// The rows of an input that rows of the output need.
#[derive(Clone, Copy, Debug)]
enum Window {
    Conv(ConvParams),
    /// Of its input gradient: an input of the node is the output of the convolution.
    InputGrad(ConvParams),
    Pool(PoolParams),
    /// The same rows, `top` higher, as far as there are any: of a box that is copied.
    Copied {
        top: i32,
        rows: i32,
    },
}

impl Window {
    fn under(&self, y: &Range<i32>) -> Option<Range<i32>> {
        match self {
            Self::Conv(p) => Some(p.rows(y)?.1),
            Self::InputGrad(p) => Some(p.input_rows(y)?.1),
            Self::Pool(p) => Some(p.rows(y)?.1),
            Self::Copied { top, rows } => Some((y.start - top).clamp(0, *rows)..(y.end - top).clamp(0, *rows)),
        }
    }
}

/// A node.
pub struct Unit {
    /// Its steps.
    pub steps: Range<usize>,
    /// What it takes to run it over rows; none for one that runs as a whole only.
    pub by_rows: Option<ByRows>,
}

/// A node as an op over rows.
pub struct ByRows {
    pub inputs: Vec<Input>,
    pub output: usize,
    pub map: Map,
    pub mask: Option<usize>,
}

/// An input of a [`ByRows`].
pub struct Input {
    pub buffer: usize,
    window: Window,
}

impl Input {
    /// The rows that rows `y` of the output need.
    pub fn rows(&self, y: &Range<i32>) -> Range<i32> {
        self.window.under(y).unwrap_or(0..0)
    }
}

/// Alignment in bytes of a row that calls begin at: kernels read words.
const ROW_ALIGN: u32 = 4;

/// The sample coming in row by row, as a unit without steps that yields its buffer; none where a row does not begin at a word.
pub fn feed(input: usize, maps: &[Option<Map>]) -> Option<Unit> {
    let map = maps[input].filter(|m| m.row.is_multiple_of(ROW_ALIGN) && m.rows > 1)?;
    Some(Unit { steps: 0..0, by_rows: Some(ByRows { inputs: Vec::new(), output: input, map, mask: None }) })
}

/// The nodes that have steps. `maps` are the maps that buffers hold.
pub fn units(blocks: &Blocks, maps: &[Option<Map>]) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut at = 0;
    for of_node in blocks.steps.chunk_by(|a, b| a.node == b.node) {
        let range = at..at + of_node.len();
        at = range.end;
        units.push(Unit { steps: range, by_rows: by_rows(blocks, of_node, maps) });
    }
    units
}

fn by_rows(blocks: &Blocks, steps: &[DraftStep], maps: &[Option<Map>]) -> Option<ByRows> {
    let block = |d: &Draft| blocks.block_of(d);
    let (mut inputs, mut output, mut mask) = (Vec::new(), None, None);
    for step in steps {
        let (x, y, m) = match &step.call {
            Call::Conv(c) | Call::Depthwise(c) => (vec![(&c.x, Window::Conv(c.p))], &c.y, &c.mask),
            Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => {
                (vec![(&c.g, Window::InputGrad(c.p))], &c.gx, &None)
            }
            Call::AveragePool(c) => (vec![(&c.x, Window::Pool(c.p))], &c.y, &c.mask),
            Call::MaxPool(c) => (vec![(&c.x, Window::Pool(c.p))], &c.y, &c.mask),
            Call::Add(c) => (vec![(&c.a, same()), (&c.b, same())], &c.y, &c.mask),
            Call::Requantize(c) => (vec![(&c.x, same())], &c.y, &c.mask),
            Call::Lookup(c) => (vec![(&c.x, same())], &c.y, &None),
            Call::Fill(c) => (vec![], &c.dst, &None),
            Call::CopyBox(c) => {
                let (from, to) = (maps[block(&c.src)?]?, maps[block(&c.dst)?]?);
                let whole_rows = (c.p.src_row, c.p.dst_row) == (from.row as i32, to.row as i32);
                if !whole_rows || c.p.src_offset >= c.p.src_row || c.p.shift != 0 || c.p.h != from.rows {
                    return None;
                }
                (vec![(&c.src, Window::Copied { top: c.p.dst_offset / c.p.dst_row, rows: from.rows })], &c.dst, &None)
            }
            _ => return None,
        };
        for (x, window) in x {
            let buffer = block(x)?;
            maps[buffer].filter(|m| m.row.is_multiple_of(ROW_ALIGN))?;
            inputs.push(Input { buffer, window });
        }
        let y = block(y)?;
        if output.replace(y).is_some_and(|other| other != y) {
            return None;
        }
        mask = m.as_ref().and_then(block);
    }
    let output = output?;
    let map = maps[output].filter(|m| m.row.is_multiple_of(ROW_ALIGN))?;
    // A row's bits of the mask are whole bytes.
    let whole_bytes = mask.is_none() || map.row.is_multiple_of(8);
    let windows_hold = (0..map.rows).all(|y| inputs.iter().all(|x| x.window.under(&(y..y + 1)).is_some()));
    (whole_bytes && windows_hold).then_some(ByRows { inputs, output, map, mask })
}

/// The window of an op on single elements.
fn same() -> Window {
    Window::Copied { top: 0, rows: i32::MAX }
}

/// A call on whole tensors, its scratch by size.
pub fn whole(blocks: &Blocks, call: &Call<Draft>) -> Call<Place> {
    let place = |d: &Draft| match (d, blocks.block_of(d)) {
        (Draft::Ready(operand), _) => Place::Ready(*operand),
        (_, Some(buffer)) => Place::Span(Span { buffer, first: 0, bytes: blocks.blocks[buffer].bytes }),
        (_, None) => unreachable!("an operand is in a buffer or ready"),
    };
    let mut whole = call.map(&mut |_, d| Ok::<_, Infallible>(place(d))).unwrap_or_else(|e| match e {});
    whole.set_scratch(&mut |_| Place::Scratch);
    whole
}

impl Place {
    /// Rows of a map.
    fn take(&mut self, map: Map, rows: &Range<i32>) {
        if let Self::Span(s) = self {
            s.first = rows.start as u32 * map.row;
            s.bytes = (rows.end - rows.start) as u32 * map.row;
        }
    }
}

/// The call of a step of `unit` over rows `y` of its output; none where it has nothing to do for them.
pub fn over_rows(call: &Call<Place>, unit: &ByRows, maps: &[Option<Map>], y: &Range<i32>) -> Option<Call<Place>> {
    let mut cut = call.clone();
    let map = unit.map;
    let elements = (y.end - y.start) * map.row as i32;
    let bits = Map { row: map.row / 8, ..map };
    let source = |place: &Place| match place {
        Place::Span(s) => maps[s.buffer],
        _ => None,
    };
    let take_result = |result: &mut Place, mask: &mut Option<Place>| {
        result.take(map, y);
        mask.iter_mut().for_each(|m| m.take(bits, y));
    };
    match &mut cut {
        Call::Conv(c) | Call::Depthwise(c) => {
            let (p, x) = c.p.rows(y)?;
            c.p = p;
            c.x.take(source(&c.x)?, &x);
            take_result(&mut c.y, &mut c.mask);
        }
        Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => {
            let (p, g) = c.p.input_rows(y)?;
            c.p = p;
            c.g.take(source(&c.g)?, &g);
            c.gx.take(map, y);
        }
        Call::AveragePool(c) => {
            let (p, x) = c.p.rows(y)?;
            c.p = p;
            c.x.take(source(&c.x)?, &x);
            take_result(&mut c.y, &mut c.mask);
        }
        Call::MaxPool(c) => {
            let (p, x) = c.p.rows(y)?;
            c.p = p;
            c.x.take(source(&c.x)?, &x);
            take_result(&mut c.y, &mut c.mask);
        }
        Call::Add(c) => {
            c.p.n = elements;
            [&mut c.a, &mut c.b].into_iter().for_each(|x| x.take(map, y));
            take_result(&mut c.y, &mut c.mask);
        }
        Call::Requantize(c) => {
            c.p.n = elements;
            c.x.take(map, y);
            take_result(&mut c.y, &mut c.mask);
        }
        Call::Lookup(c) => {
            c.p.n = elements;
            [&mut c.x, &mut c.y].into_iter().for_each(|place| place.take(map, y));
        }
        Call::Fill(c) => {
            c.p.n = elements;
            c.dst.take(map, y);
        }
        Call::CopyBox(c) => {
            let from = source(&c.src)?;
            let top = c.p.dst_offset / c.p.dst_row;
            let x = Window::Copied { top, rows: from.rows }.under(y)?;
            if x.is_empty() {
                return None;
            }
            c.p.h = x.end - x.start;
            // The first row that is written, counted from the first of `y`.
            c.p.dst_offset = c.p.dst_offset % c.p.dst_row + (x.start + top - y.start) * c.p.dst_row;
            c.src.take(from, &x);
            c.dst.take(map, y);
        }
        _ => unreachable!("a unit that runs by rows has calls over rows"),
    }
    cut.set_scratch(&mut |_| Place::Scratch);
    Some(cut)
}
