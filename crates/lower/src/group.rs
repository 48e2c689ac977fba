//! Consecutive nodes that run together, some rows at a time: the order of their turns, and the lines that tensors between them need.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use tinytrain_ir::TensorId;
use tinytrain_spec::kernels::{Call, CopyBox};
use tinytrain_spec::params::{ConvParams, CopyParams};

use crate::blocks::{Block, Blocks};
use crate::unit::{ByRows, Input, Map, Place, Span, Unit, over_rows, whole};

/// All nodes as units, and what their buffers hold.
pub struct Nodes<'a> {
    pub blocks: &'a Blocks<'a>,
    pub units: Vec<Unit>,
    /// How many of them are the forward pass.
    pub forward: usize,
    /// The steps on whole tensors as calls.
    pub calls: Vec<Call<Place>>,
    pub maps: Vec<Option<Map>>,
    /// For each buffer, the units that write and that read it, ascending.
    pub writers: Vec<Vec<usize>>,
    pub readers: Vec<Vec<usize>>,
    /// Whether a buffer is there before the first unit, and whether something reads it after the last.
    pub given: Vec<bool>,
    pub kept: Vec<bool>,
    /// The unit that stands for the sample coming in row by row; it has no steps.
    pub feed: Option<usize>,
}

/// How many rows at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Band {
    /// A single node as a whole.
    Whole,
    /// So many rows of every node.
    Rows(i32),
    /// So many rows of the last node, and of each before it in proportion.
    Scaled(i32),
}

/// Rows of one node.
#[derive(Clone, Debug)]
struct Turn {
    unit: usize,
    rows: Range<i32>,
}

/// A call of a group.
#[derive(Clone, Debug)]
pub struct GroupCall {
    /// Where rows of the sample go that come in before it.
    pub rows: Vec<Span>,
    /// The step on whole tensors that it is of; none for lines that move.
    pub step: Option<usize>,
    pub call: Call<Place>,
    /// Tensors of which bytes are finished: where they begin in the tensor, and where they lie.
    pub finished: Vec<(TensorId, u32, Span)>,
}

/// A group as calls.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its nodes.
    pub nodes: Range<usize>,
    pub calls: Vec<GroupCall>,
    /// Lines of tensors that are nowhere whole. Their buffers have the numbers after those of whole tensors.
    pub lines: Vec<Block>,
    /// Whether its calls are a loop: turns over rows, or many boxes that are copied.
    pub streamed: bool,
    /// About how many instructions more than its nodes one by one.
    pub overhead: f64,
}

/// From so many boxes on, calls take more flash than a loop.
const BOXES: usize = 4;
/// Instructions of a call beyond its work, and of moving a byte: rough, for a choice between groups.
const CALL_OVERHEAD: f64 = 250.0;
const MOVE_OVERHEAD: f64 = 0.5;

impl Nodes<'_> {
    fn rows_of(&self, unit: usize) -> Option<&ByRows> {
        self.units[unit].by_rows.as_ref()
    }

    /// The unit that yields what `unit` reads from `buffer`: the last one before it that writes there.
    fn producer(&self, unit: usize, buffer: usize) -> Option<usize> {
        self.writers[buffer].iter().copied().take_while(|&w| w < unit).last()
    }

    /// Units `group` as calls; none if they cannot run in this way.
    pub fn group(&self, group: Range<usize>, band: Band) -> Option<Group> {
        let fed = self.feed.is_some_and(|feed| group.contains(&feed));
        if band == Band::Whole {
            return (group.len() == 1 && !fed).then(|| self.alone(group.start));
        }
        if fed && group.len() == 1 {
            return None;
        }
        let mut streamed = Streamed::new(self, group, band)?;
        streamed.order();
        streamed.emit()
    }

    /// A node as a whole.
    pub fn alone(&self, unit: usize) -> Group {
        let emitted = |step: usize| GroupCall {
            rows: Vec::new(),
            step: Some(step),
            call: self.calls[step].clone(),
            finished: (self.blocks.steps[step].finished.iter()).map(|&t| (t, 0, self.tensor(t))).collect(),
        };
        let calls: Vec<GroupCall> = self.units[unit].steps.clone().map(emitted).collect();
        // Many boxes that are copied are a loop as well.
        let boxes = calls.iter().filter(|e| matches!(e.call, Call::CopyBox(_))).count();
        Group { streamed: boxes >= BOXES, calls, nodes: unit..unit + 1, ..Group::default() }
    }

    /// A whole tensor.
    fn tensor(&self, t: TensorId) -> Span {
        Span { buffer: self.blocks.block_of[&t], first: 0, bytes: self.blocks.graph.tensor(t).bytes() as u32 }
    }
}

/// A group that runs over rows, while it is laid out.
struct Streamed<'a> {
    nodes: &'a Nodes<'a>,
    group: Range<usize>,
    /// The nodes of the group, as ops over rows.
    units: Vec<&'a ByRows>,
    /// Rows at a time.
    bands: Vec<i32>,
    /// Rows that are ordered so far.
    done: Vec<i32>,
    turns: Vec<Turn>,
    /// Lines of a buffer that lives in this group only: their number and rows.
    lines: BTreeMap<usize, LineBuffer>,
    /// Where rows of the sample go that come in before the next call.
    rows: Vec<Span>,
}

struct LineBuffer {
    buffer: usize,
    rows: i32,
    /// The row of the tensor at its beginning.
    base: i32,
}

impl<'a> Streamed<'a> {
    fn new(nodes: &'a Nodes<'a>, group: Range<usize>, band: Band) -> Option<Self> {
        let units: Vec<&ByRows> = group.clone().map(|u| nodes.rows_of(u)).collect::<Option<_>>()?;
        let last = units.last()?.map.rows;
        let rows = |unit: &&ByRows| match band {
            Band::Whole => unit.map.rows,
            Band::Rows(n) => n.min(unit.map.rows),
            Band::Scaled(n) => ((n * unit.map.rows + last - 1) / last).clamp(1, unit.map.rows),
        };
        let mut bands: Vec<i32> = units.iter().map(rows).collect();
        if let Some(feed) = nodes.feed.filter(|feed| group.contains(feed)) {
            bands[feed - group.start] = 1;
        }
        let done = vec![0; units.len()];
        Some(Self { nodes, group, units, bands, done, turns: Vec::new(), lines: BTreeMap::new(), rows: Vec::new() })
    }

    fn member(&self, unit: Option<usize>) -> Option<usize> {
        unit.filter(|u| self.group.contains(u)).map(|u| u - self.group.start)
    }

    /// Whether a buffer lives in this group only.
    fn inner(&self, buffer: usize) -> bool {
        let f = self.nodes;
        let inside = |users: &[usize]| users.iter().all(|u| self.group.contains(u));
        let result = self.units[self.units.len() - 1].output == buffer;
        !result && !f.given[buffer] && !f.kept[buffer] && inside(&f.writers[buffer]) && inside(&f.readers[buffer])
    }

    /// The order of turns: each as late as those behind it allow.
    fn order(&mut self) {
        for unit in [self.units.len() - 1].into_iter().chain(0..self.units.len()) {
            self.finish(unit, self.units[unit].map.rows);
        }
    }

    /// Orders the turns of a unit up to row `end` of its output, and what they need.
    fn finish(&mut self, unit: usize, end: i32) {
        while self.done[unit] < end {
            let by_rows = self.units[unit];
            let start = self.done[unit];
            let rows = start..(start + self.bands[unit]).min(by_rows.map.rows);
            for input in &by_rows.inputs {
                let needed = self.needed_end(input, &rows);
                if let Some(producer) = self.member(self.nodes.producer(self.group.start + unit, input.buffer)) {
                    self.finish(producer, needed.min(self.units[producer].map.rows));
                }
            }
            self.done[unit] = rows.end;
            self.turns.push(Turn { unit, rows: rows.clone() });
            for aside in 0..self.units.len() {
                if self.looks_on(aside, unit) {
                    self.finish(aside, self.ready(aside));
                }
            }
        }
    }

    /// One past the last row of an input that rows of the output need. With the last row of the sample that anything needs come those that nothing does:
    /// they are sent all the same.
    fn needed_end(&self, input: &Input, rows: &Range<i32>) -> i32 {
        let end = input.rows(rows).end;
        let fed = self.nodes.feed.and_then(|feed| self.member(Some(feed)));
        if fed.is_none_or(|feed| self.units[feed].output != input.buffer) {
            return end;
        }
        let readers = self.units.iter().flat_map(|u| u.inputs.iter().map(move |x| (u, x)));
        let last = readers.filter(|(_, x)| x.buffer == input.buffer).map(|(u, x)| x.rows(&(0..u.map.rows)).end).max();
        if last.is_none_or(|last| end >= last) { i32::MAX } else { end }
    }

    /// Whether nobody in the group waits for a unit, so that it goes on as soon as `unit` has yielded something.
    fn looks_on(&self, aside: usize, unit: usize) -> bool {
        let output = self.units[aside].output;
        let awaited = |u: usize| {
            let reads = self.units[u].inputs.iter().any(|x| x.buffer == output);
            reads && self.member(self.nodes.producer(self.group.start + u, output)) == Some(aside)
        };
        let fed = |x: &Input| self.member(self.nodes.producer(self.group.start + aside, x.buffer)) == Some(unit);
        aside + 1 != self.units.len() && self.units[aside].inputs.iter().any(fed) && !(0..self.units.len()).any(awaited)
    }

    /// How many rows of a unit what is there suffices for.
    fn ready(&self, unit: usize) -> i32 {
        let by_rows = self.units[unit];
        let there = |input: &Input| match self.member(self.nodes.producer(self.group.start + unit, input.buffer)) {
            Some(producer) => self.done[producer],
            None => i32::MAX,
        };
        let fits = |y: &i32| by_rows.inputs.iter().all(|x| x.rows(&(*y..*y + 1)).end <= there(x));
        let mut end = self.done[unit];
        while end < by_rows.map.rows && fits(&end) {
            end += 1;
        }
        // Whole bands, but for the last.
        let band = self.bands[unit];
        if end == by_rows.map.rows { end } else { self.done[unit] + (end - self.done[unit]) / band * band }
    }

    /// The first row of a buffer that somebody in the group still reads.
    fn needed(&self, buffer: usize) -> i32 {
        let mut first = i32::MAX;
        for (unit, by_rows) in self.units.iter().enumerate() {
            if self.done[unit] < by_rows.map.rows {
                for input in by_rows.inputs.iter().filter(|x| x.buffer == buffer) {
                    first = first.min(input.rows(&(self.done[unit]..self.done[unit] + 1)).start);
                }
            }
        }
        first
    }

    /// How many rows each buffer of the group needs to hold at a time.
    fn measure(&mut self) {
        self.done.fill(0);
        let mut next = self.nodes.blocks.blocks.len();
        for turn in self.turns.clone() {
            let buffer = self.units[turn.unit].output;
            if self.inner(buffer) {
                let rows = turn.rows.end - self.needed(buffer).min(turn.rows.start);
                let line = self.lines.entry(buffer).or_insert_with(|| {
                    next += 1;
                    LineBuffer { buffer: next - 1, rows: 0, base: 0 }
                });
                line.rows = line.rows.max(rows);
            }
            self.done[turn.unit] = turn.rows.end;
        }
    }

    /// Whether a turn reads rows that a later unit, working in place, has overwritten.
    fn overwritten(&self, turn: &Turn) -> bool {
        let unit = self.group.start + turn.unit;
        self.units[turn.unit].inputs.iter().any(|input| {
            let later = self.nodes.writers[input.buffer].iter().filter(|&&w| w > unit);
            let mut members = later.filter_map(|&w| self.member(Some(w)));
            let rows = input.rows(&turn.rows);
            members.any(|w| !rows.is_empty() && self.done[w] > rows.start)
        })
    }

    /// The turns as calls.
    fn emit(mut self) -> Option<Group> {
        self.measure();
        self.done.fill(0);
        let mut group = Group { nodes: self.group.clone(), streamed: true, ..Group::default() };
        let mut lines: Vec<(usize, &LineBuffer)> = self.lines.iter().map(|(&b, l)| (b, l)).collect();
        lines.sort_by_key(|(_, line)| line.buffer);
        group.lines = (lines.into_iter())
            .map(|(b, line)| {
                let map = self.map(b);
                let label = format!("{} ({} of {} rows)", self.nodes.blocks.blocks[b].label, line.rows, map.rows);
                let purpose = self.nodes.blocks.blocks[b].purpose;
                Block { label, purpose, bytes: line.rows as u32 * map.row, kept: false }
            })
            .collect();
        for turn in std::mem::take(&mut self.turns) {
            if self.overwritten(&turn) {
                return None;
            }
            self.slide(&turn, &mut group);
            self.turn(&turn, &mut group);
            self.done[turn.unit] = turn.rows.end;
        }
        // Rows of the sample that no call waits for.
        if !self.rows.is_empty() {
            return None;
        }
        Some(group)
    }

    fn map(&self, buffer: usize) -> Map {
        self.nodes.maps[buffer].expect("a buffer of an op over rows holds a map")
    }

    /// Makes room for a turn's rows: what is still needed moves to the beginning of the line.
    fn slide(&mut self, turn: &Turn, group: &mut Group) {
        let buffer = self.units[turn.unit].output;
        let Some(line) = self.lines.get(&buffer) else { return };
        if turn.rows.end - line.base <= line.rows {
            return;
        }
        let keep = self.needed(buffer).min(turn.rows.start);
        let (row, by) = (self.map(buffer).row, keep - line.base);
        let (mut from, end) = (by, turn.rows.start - line.base);
        while from < end {
            // No more than it moves by: a copy does not overlap itself.
            let rows = by.min(end - from);
            let bytes = rows as u32 * row;
            let at = |first: i32| Place::Span(Span { buffer: line.buffer, first: first as u32 * row, bytes });
            let p = CopyParams {
                h: 1,
                w: 1,
                c: bytes as i32,
                src_row: bytes as i32,
                src_col: bytes as i32,
                dst_row: bytes as i32,
                dst_col: bytes as i32,
                ..CopyParams::default()
            };
            let call = Call::CopyBox(CopyBox { p, src: at(from), dst: at(from - by) });
            let came_in = std::mem::take(&mut self.rows);
            group.calls.push(GroupCall { rows: came_in, step: None, call, finished: Vec::new() });
            group.overhead += CALL_OVERHEAD + MOVE_OVERHEAD * f64::from(bytes);
            from += rows;
        }
        if let Some(line) = self.lines.get_mut(&buffer) {
            line.base = keep;
        }
    }

    fn turn(&mut self, turn: &Turn, group: &mut Group) {
        let by_rows = self.units[turn.unit];
        let nodes = self.nodes;
        if nodes.feed == Some(self.group.start + turn.unit) {
            let (buffer, row) = (by_rows.output, by_rows.map.row);
            let at = |y: i32| self.place(Span { buffer, first: y as u32 * row, bytes: row });
            self.rows.extend(turn.rows.clone().map(at).collect::<Vec<_>>());
            return;
        }
        let steps = nodes.units[self.group.start + turn.unit].steps.clone();
        let last = steps.end - 1;
        for step in steps {
            let Some(cut) = over_rows(&nodes.calls[step], by_rows, &nodes.maps, &turn.rows) else { continue };
            let place = |place: &Place| match *place {
                Place::Span(span) => Place::Span(self.place(span)),
                other => other,
            };
            let call = cut.map(&mut |_, p| Ok::<_, Infallible>(place(p))).unwrap_or_else(|e| match e {});
            group.overhead += CALL_OVERHEAD + again(&nodes.calls[step], &cut);
            let finished = if step == last { self.finished(step, by_rows, turn) } else { Vec::new() };
            let came_in = std::mem::take(&mut self.rows);
            group.calls.push(GroupCall { rows: came_in, step: Some(step), call, finished });
        }
    }

    /// Rows of a whole buffer where they are: in its line, if it has one.
    fn place(&self, span: Span) -> Span {
        match self.lines.get(&span.buffer) {
            Some(line) => Span {
                buffer: line.buffer,
                first: span.first - line.base as u32 * self.map(span.buffer).row,
                bytes: span.bytes,
            },
            None => span,
        }
    }

    fn finished(&self, step: usize, by_rows: &ByRows, turn: &Turn) -> Vec<(TensorId, u32, Span)> {
        let bytes_of = |row: u32| {
            let first = turn.rows.start as u32 * row;
            (first, turn.rows.end as u32 * row - first)
        };
        let piece = |&t: &TensorId| {
            let buffer = self.nodes.blocks.block_of[&t];
            let mask = by_rows.mask == Some(buffer);
            let (first, bytes) = bytes_of(if mask { by_rows.map.row / 8 } else { by_rows.map.row });
            (t, first, self.place(Span { buffer, first, bytes }))
        };
        self.nodes.blocks.steps[step].finished.iter().map(piece).collect()
    }
}

/// About the instructions of a convolution over rows beyond its share of the whole: of a depthwise one, weights and rows of the input are brought into
/// order again; of an input gradient, weights.
fn again(whole: &Call<Place>, cut: &Call<Place>) -> f64 {
    let depthwise =
        |p: &ConvParams, rows: i32, row: i32| f64::from(p.out_c * p.kh * (p.kw + 8)) + 1.3 * f64::from(rows * row);
    match (whole, cut) {
        (Call::Depthwise(whole), Call::Depthwise(cut)) if whole.p.out_h != cut.p.out_h => {
            let p = &cut.p;
            depthwise(p, p.in_h - p.out_h * p.stride_h, p.in_w * p.in_c)
        }
        (Call::DepthwiseInputGrad(whole), Call::DepthwiseInputGrad(cut)) if whole.p.in_h != cut.p.in_h => {
            let p = &cut.p;
            depthwise(p, p.out_h - p.in_h / p.stride_h, p.out_w * p.out_c)
        }
        (Call::ConvInputGrad(whole), Call::ConvInputGrad(cut)) if whole.p.in_h != cut.p.in_h => {
            f64::from(cut.p.kh * cut.p.kw * cut.p.in_c * cut.p.out_c)
        }
        _ => 0.0,
    }
}

/// The call of a step as a whole, for all steps.
pub fn whole_calls(blocks: &Blocks) -> Vec<Call<Place>> {
    blocks.steps.iter().map(|step| whole(blocks, &step.call)).collect()
}
