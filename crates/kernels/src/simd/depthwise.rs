//! Depthwise convolutions over packed weights: sixteen channels at a time; a word packs the factors of neighbouring
//! columns.
#![allow(unsafe_code)]

use super::Geometries;
use super::finish::{Biases, Requantise, Round, Scaling};
use super::isa::{Isa, LANES, Line, lines, ones};
use super::pack::{Pack, each};
use super::product::Sink;
use crate::reference::{Axis, step_weights, weight_order};
use crate::{Scales, Scratch, Update, Weights, grown};
use tinytrain_spec::params::ConvParams;

/// A depthwise convolution with as many outputs as inputs.
#[derive(Clone, Debug)]
pub struct Depthwise {
    /// Its parts, whose rows differ, each with its pass over the input.
    parts: Vec<(ConvParams, Sweep)>,
    biases: Biases,
    scaling: Scaling,
    channels: Vec<u16>,
    forward: Pack,
    /// The packed weights of the input gradient, and its passes over the gradient.
    backward: Option<(Pack, Vec<Sweep>)>,
    weight_steps: Vec<ConvParams>,
}

/// A pass of a window over a tensor: the rows that each output row reads, and the layout of its columns.
#[derive(Clone, Debug)]
struct Sweep {
    rows: Vec<Row>,
    /// The different sets of kernel rows over which output rows sum.
    sets: Vec<Vec<usize>>,
    /// The largest number of source rows of an output row.
    most: usize,
    /// The largest line numbers, of words and of weights, at which the terms of an output row begin.
    farthest: (usize, usize),
    /// Number of output columns.
    columns: usize,
    /// Number of source columns.
    source: usize,
    channels: usize,
    /// Number of columns to the left of the source, and distance between its columns.
    left: usize,
    spread: usize,
    /// Distance in columns between the windows of neighbouring outputs.
    step: usize,
    /// Number of words of a kernel row.
    words: usize,
    group: usize,
}

/// The terms of an output row.
#[derive(Clone, Debug)]
struct Row {
    /// Source rows.
    sources: std::ops::Range<usize>,
    /// Index into [`Sweep::sets`] of its kernel rows.
    set: usize,
    /// Pairs of a line of words in the ring and a line of weights.
    terms: Vec<(usize, usize)>,
}

impl Sweep {
    /// Adds the output rows, given for each its source rows, ascending, with their kernel rows.
    fn over(mut self, rows: Vec<Vec<(usize, usize)>>) -> Self {
        self.most = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let (row, ahead, along) = (self.row(), self.ahead(), self.group / self.keep());
        for taps in rows {
            let set: Vec<usize> = taps.iter().map(|&(_, tap)| tap).collect();
            let at = self.sets.iter().position(|s| *s == set).unwrap_or_else(|| {
                self.sets.push(set);
                self.sets.len() - 1
            });
            let terms = taps.iter().flat_map(|&(y, tap)| {
                let (most, words) = (self.most, self.words);
                (0..words).map(move |word| (y % most * row + ahead + word * along, tap * words + word))
            });
            let terms: Vec<_> = terms.collect();
            let farthest = terms.iter().fold(self.farthest, |far, at| (far.0.max(at.0), far.1.max(at.1)));
            self.farthest = farthest;
            let sources = taps.first().map_or(0..0, |first| first.0..taps[taps.len() - 1].0 + 1);
            self.rows.push(Row { sources, set: at, terms });
        }
        self
    }

    /// The interval of the words that are stored: every `keep`-th of a row.
    fn keep(&self) -> usize {
        if self.group.is_multiple_of(self.step) { self.step } else { 1 }
    }

    /// Number of lines before the first complete word of a row: a word is stored when its last factor arrives.
    fn ahead(&self) -> usize {
        self.group / self.keep() - 1
    }

    /// Number of lines of a row.
    fn row(&self) -> usize {
        ((self.columns - 1) * self.step + (self.words - 1) * self.group) / self.keep() + 1 + self.ahead()
    }

    /// Packs the words of one source row. `FULL`: all lanes of the panel are in use. `KEEP`: the interval of stored
    /// words if the source columns are adjacent, or 0 to use [`Sweep::keep`] and `spread`.
    #[inline(always)]
    fn build<I: Isa, const FULL: bool, const KEEP: usize>(
        &self,
        isa: I,
        row: &[i8],
        first: usize,
        zero: i32,
        to: &mut [Line],
    ) {
        let width = if FULL { LANES } else { self.channels - first };
        let (keep, spread) = if KEEP > 0 { (KEEP, 1) } else { (self.keep(), self.spread) };
        let total = to.len() * keep;
        let left = self.left.min(total);
        let inner = self.source.min((total - left).div_ceil(spread));
        assert!(row.len() == self.source * self.channels && first + width <= self.channels);
        let (border, mut words, mut column) = (isa.splat(zero), isa.splat(0), 0);
        macro_rules! push {
            ($v:expr) => {
                words = isa.push_lhs(words, $v);
                if column % keep == keep - 1 {
                    // SAFETY: `column` is below `total`.
                    isa.store(words, unsafe { to.get_unchecked_mut(column / keep) });
                }
                column += 1;
            };
        }
        for _ in 0..left {
            push!(border);
        }
        for i in 0..inner {
            // SAFETY: `i` is below `source`, and the assertion above holds.
            let from = unsafe { row.get_unchecked(i * self.channels + first..).get_unchecked(..width) };
            push!(isa.widen(from));
            if KEEP == 0 {
                for _ in 1..spread.min(total + 1 - column) {
                    push!(border);
                }
            }
        }
        while column < total {
            push!(border);
        }
    }

    /// Processes all rows and panels.
    #[inline(always)]
    fn run<I: Isa>(
        &self,
        isa: I,
        pack: &mut Pack,
        x: &[i8],
        zero: i32,
        start: impl Fn(usize) -> I::V,
        ring: &mut Vec<Line>,
        init: &mut Vec<Line>,
        sink: &mut impl Sink<I>,
    ) {
        let ring = grown(ring, self.most * self.row());
        let init = grown(init, pack.init_len());
        pack.init(isa, zero + I::OFFSET, start, init);
        let panels = lines(self.channels);
        for panel in 0..panels {
            let init = &init[panel..];
            let rhs = pack.rhs();
            let weights = &rhs.lines[panel * rhs.panel..][..rhs.panel];
            let full = (panel + 1) * LANES <= self.channels;
            let keep = if self.spread == 1 && self.step == self.keep() { self.step } else { 0 };
            match (full, keep) {
                (true, 1) => self.panel::<I, true, 1>(isa, panel, x, zero, init, weights, ring, sink),
                (true, 2) => self.panel::<I, true, 2>(isa, panel, x, zero, init, weights, ring, sink),
                (true, _) => self.panel::<I, true, 0>(isa, panel, x, zero, init, weights, ring, sink),
                (false, 1) => self.panel::<I, false, 1>(isa, panel, x, zero, init, weights, ring, sink),
                (false, _) => self.panel::<I, false, 0>(isa, panel, x, zero, init, weights, ring, sink),
            }
        }
    }

    /// Processes all rows of one panel. `init` begins with the panel's line for the first set of kernel rows; there are
    /// as many lines per set as there are panels.
    #[inline(always)]
    fn panel<I: Isa, const FULL: bool, const KEEP: usize>(
        &self,
        isa: I,
        panel: usize,
        x: &[i8],
        zero: i32,
        init: &[Line],
        weights: &[Line],
        ring: &mut [Line],
        sink: &mut impl Sink<I>,
    ) {
        let (row, wide) = (self.row(), self.source * self.channels);
        let step = if KEEP > 0 { 1 } else { self.step / self.keep() };
        assert!(self.farthest.0 + (self.columns - 1) * step < ring.len() && self.farthest.1 < weights.len());
        let mut built = 0;
        for (o, Row { sources, set, terms }) in self.rows.iter().enumerate() {
            for y in built.max(sources.start)..sources.end {
                let to = &mut ring[y % self.most * row..][..row];
                self.build::<I, FULL, KEEP>(isa, &x[y * wide..][..wide], panel * LANES, zero, to);
            }
            built = built.max(sources.end);
            let init = isa.load(&init[set * lines(self.channels)]);
            let mut first = 0;
            // SAFETY: the assertion above covers the farthest of all terms; the sink has room for each output.
            macro_rules! spans {
                ($($r:literal)*) => {$(
                    while self.columns - first >= $r {
                        let acc = unsafe { span::<I, $r>(isa, init, ring, weights, terms, first * step, step) };
                        for r in 0..$r {
                            unsafe { sink.put::<FULL>(isa, o * self.columns + first + r, panel, acc[r]) };
                        }
                        first += $r;
                    }
                )*};
            }
            spans!(8 5 3 2 1);
        }
    }
}

/// The sums of `R` outputs, which start at line `first` and are `step` lines apart. Each term is a line of words,
/// relative to the output's line, and a line of weights.
///
/// # Safety
/// All of these lines must exist.
#[inline(always)]
unsafe fn span<I: Isa, const R: usize>(
    isa: I,
    init: I::V,
    words: &[Line],
    weights: &[Line],
    terms: &[(usize, usize)],
    first: usize,
    step: usize,
) -> [I::V; R] {
    let mut acc = [init; R];
    for &(at, weight) in terms {
        let weight = isa.load(unsafe { weights.get_unchecked(weight) });
        let words = unsafe { words.get_unchecked(at + first..) };
        for r in 0..R {
            acc[r] = isa.dot(acc[r], isa.load(unsafe { words.get_unchecked(r * step) }), weight);
        }
    }
    acc
}

impl Depthwise {
    /// Packs the weights into words of `group` factors, also for the input gradient, where there is one. None for a geometry that these kernels do not
    /// support.
    pub fn new(
        Geometries { forward: parts, weight_steps, input_grads }: Geometries,
        w: Weights,
        base: &[i32],
        scales: Scales,
        group: usize,
    ) -> Option<Self> {
        let p = parts.first()?;
        let channels = p.in_c as usize;
        if p.in_c != p.out_c || weight_steps.iter().any(|step| step.in_c != p.in_c) {
            return None;
        }
        let [v, h] = Axis::of_conv(p);
        let empty = |columns, source, left: isize, spread, step| {
            let left = usize::try_from(left).ok()?;
            let (most, farthest, words) = (1, (0, 0), h.kernel.div_ceil(group));
            let (rows, sets) = (Vec::new(), Vec::new());
            Some(Sweep { rows, sets, most, farthest, columns, source, channels, left, spread, step, words, group })
        };
        let pack = |sets: &[Vec<usize>]| Pack::new(channels, v.kernel, h.kernel, group, sets.to_vec());
        // All parts share the packed weights, so they share the sets of kernel rows.
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let mut sweeps = Vec::new();
        for p in parts {
            let [v, _] = Axis::of_conv(p);
            let rows = (0..v.out).map(|oy| v.taps(oy).map(|ky| (v.at(oy, ky), ky)).collect());
            let known = Sweep { sets, ..empty(h.out, h.input, h.pad, 1, h.stride)? };
            let sweep = known.over(rows.collect());
            sets = sweep.sets.clone();
            sweeps.push((*p, sweep));
        }
        let mut grads: Vec<Sweep> = Vec::new();
        for p in input_grads {
            let [v, h] = Axis::of_conv(p);
            let rows = (0..v.input).map(|iy| {
                let mut rows: Vec<_> = v.fed(iy).each().collect();
                rows.reverse();
                rows
            });
            // They share the packed weights as well.
            let sets = grads.last().map(|sweep| sweep.sets.clone()).unwrap_or_default();
            let known = Sweep { sets, ..empty(h.input, h.out, h.kernel as isize - 1 - h.pad, h.stride, 1)? };
            grads.push(known.over(rows.collect()));
        }
        let backward = grads.last().map(|sweep| pack(&sweep.sets)).map(|pack| (pack, grads));
        let mut layer = Self {
            biases: Biases::new(base),
            scaling: Scaling::new(scales, p.y_zero, p.lo, p.hi),
            channels: w.channels.to_vec(),
            forward: pack(&sets),
            parts: sweeps,
            backward,
            weight_steps: weight_steps.to_vec(),
        };
        let mut order = Vec::new();
        let frozen = &weight_order(channels, w.channels, &mut order)[..channels - w.channels.len()];
        assert_eq!(w.frozen.len(), v.kernel * h.kernel * frozen.len());
        each(w.frozen, frozen).for_each(|(tap, c, w)| layer.set(tap, c, w));
        layer.restore(w.trained);
        Some(layer)
    }

    /// What all parts have in common, and the rows of one.
    fn p(&self) -> &ConvParams {
        &self.parts[0].0
    }

    /// Replaces all trained weights.
    pub fn restore(&mut self, trained: &[i8]) {
        let channels = std::mem::take(&mut self.channels);
        assert_eq!(trained.len(), (self.p().kh * self.p().kw) as usize * channels.len());
        each(trained, &channels).for_each(|(tap, c, w)| self.set(tap, c, w));
        self.channels = channels;
    }

    fn set(&mut self, tap: usize, c: usize, w: i8) {
        let kw = self.p().kw as usize;
        let (ky, kx) = (tap / kw, tap % kw);
        self.forward.set(c, ky, kx, w);
        if let Some((pack, _)) = &mut self.backward {
            pack.set(c, ky, kw - 1 - kx, w);
        }
    }

    /// See [`crate::reference::depthwise`].
    #[inline(always)]
    pub fn run<I: Isa>(
        &mut self,
        isa: I,
        part: usize,
        x: &[i8],
        offset: &[i32],
        y: &mut [i8],
        mask: Option<&mut [u8]>,
        s: &mut Scratch,
    ) {
        let (p, sweep) = &self.parts[part];
        let mut sink = Requantise::new(isa, &self.scaling, sweep.rows.len() * sweep.columns, y, mask);
        let start = |panel| self.biases.panel(isa, panel, offset);
        sweep.run(isa, &mut self.forward, x, p.x_zero, start, &mut s.rhs, &mut s.init, &mut sink);
    }

    /// See [`crate::reference::depthwise_input_grad`].
    #[inline(always)]
    pub fn input_grad<I: Isa>(
        &mut self,
        isa: I,
        part: usize,
        shift: i32,
        g: &[i8],
        gx: &mut [i8],
        s: &mut Scratch,
    ) -> u32 {
        let (pack, sweeps) = self.backward.as_mut().expect("a layer packed for its input gradient");
        let sweep = &sweeps[part];
        let channels = sweep.channels;
        let mut sink = Round { shift, channels, places: &[], gx, saturated: 0 };
        sweep.run(isa, pack, g, 0, |_| isa.splat(0), &mut s.rhs, &mut s.init, &mut sink);
        sink.saturated
    }

    /// See [`crate::reference::depthwise_weight_step`]; also updates the packed weights.
    #[inline(always)]
    pub fn weight_step<I: Isa>(
        &mut self,
        isa: I,
        part: usize,
        u: &Update,
        g: &[i8],
        x: &[i8],
        qas: &[u32],
        q: &mut [i8],
        lo: &mut [u8],
        s: &mut Scratch,
    ) {
        let p = self.weight_steps[part];
        let t = self.channels.len();
        let taps = (p.kh * p.kw) as usize;
        s.sums.resize(taps * t, 0);
        let mut from = 0;
        for panel in 0..lines(p.out_c as usize) {
            let trained = self.channels[from..].iter().take_while(|&&c| (c as usize) < (panel + 1) * LANES).count();
            if trained > 0 {
                let sums = weight_grad_panel(isa, &p, panel, g, x, [&mut s.lhs, &mut s.rhs, &mut s.whole, &mut s.init]);
                for (tap, sums) in sums.iter().enumerate() {
                    for (j, &c) in self.channels[from..][..trained].iter().enumerate() {
                        s.sums[tap * t + from + j] = sums.0[c as usize % LANES];
                    }
                }
            }
            from += trained;
        }
        s.before.clear();
        s.before.extend_from_slice(q);
        step_weights(u, &s.sums[..taps * t], q, lo, 1, qas, Some(&self.channels));
        for (i, (&new, &old)) in q.iter().zip(&s.before).enumerate() {
            if new != old {
                self.set(i / t, self.channels[i % t] as usize, new);
            }
        }
    }
}

/// The sums of one panel, `[kh][kw]` lines. A word packs values of neighbouring outputs of a row: their gradients, or
/// the inputs that a tap reads for them.
#[inline(always)]
fn weight_grad_panel<'s, I: Isa>(
    isa: I,
    p: &ConvParams,
    panel: usize,
    g: &[i8],
    x: &[i8],
    [gradients, inputs, rows, sums]: [&'s mut Vec<Line>; 4],
) -> &'s [Line] {
    let [v, h] = Axis::of_conv(p);
    let (c, first) = (p.out_c as usize, panel * LANES);
    let width = LANES.min(c - first);
    let words = h.out.div_ceil(I::GROUP);
    let gradients = grown(gradients, v.out * words);
    let totals = grown(rows, v.out);
    for (oy, (to, total)) in gradients.chunks_exact_mut(words).zip(totals.iter_mut()).enumerate() {
        let mut sum = isa.splat(0);
        for (b, to) in to.iter_mut().enumerate() {
            let mut word = isa.splat(0);
            for ox in b * I::GROUP..(b + 1) * I::GROUP {
                let inside = ox < h.out;
                let at = (oy * h.out + ox) * c + first;
                word = isa.push_rhs(word, if inside { isa.widen(&g[at..at + width]) } else { isa.splat(0) });
            }
            isa.store(word, to);
            sum = isa.dot(sum, isa.splat(ones(I::GROUP)), word);
        }
        isa.store(sum, total);
    }
    // Word i of a row begins at column i - pad and continues in steps of the stride.
    let row = (words * I::GROUP - 1) * h.stride + h.kernel;
    let inputs = grown(inputs, v.input * row);
    for (iy, to) in inputs.chunks_exact_mut(row).enumerate() {
        let reach = (I::GROUP - 1) * h.stride;
        for (i, to) in to.iter_mut().enumerate() {
            let mut word = isa.splat(0);
            for column in (i..=i + reach).step_by(h.stride) {
                let ix = usize::try_from(column as isize - h.pad).ok().filter(|&ix| ix < h.input);
                let factor = match ix.map(|ix| (iy * h.input + ix) * c + first) {
                    Some(at) => isa.widen(&x[at..at + width]),
                    None => isa.splat(p.x_zero),
                };
                word = isa.push_lhs(word, factor);
            }
            isa.store(word, to);
        }
    }
    let sums = grown(sums, v.kernel * h.kernel);
    for (ky, sums) in sums.chunks_exact_mut(h.kernel).enumerate() {
        let rows = v.outputs(ky);
        // The contribution of the input's zero point and of the offset.
        let mut zero = Line::default();
        for total in &totals[rows.clone()] {
            for (zero, total) in zero.0.iter_mut().zip(&total.0) {
                *zero = zero.wrapping_sub(total.wrapping_mul(p.x_zero + I::OFFSET));
            }
        }
        for (kx, sum) in sums.iter_mut().enumerate() {
            let mut acc = isa.load(&zero);
            for oy in rows.clone() {
                let (g, x) = (&gradients[oy * words..][..words], &inputs[v.at(oy, ky) * row..][..row]);
                for (b, g) in g.iter().enumerate() {
                    acc = isa.dot(acc, isa.load(&x[b * I::GROUP * h.stride + kx]), isa.load(g));
                }
            }
            isa.store(acc, sum);
        }
    }
    sums
}
