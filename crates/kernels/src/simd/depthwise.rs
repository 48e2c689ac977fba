//! Depthwise convolutions over packed weights: sixteen channels at a time, a word the factors of neighbouring columns.
#![allow(unsafe_code)]

use super::conv::{bias_lines, cleared, take_off};
use super::finish::{Requantise, Round, Scaling};
use super::isa::{Isa, LANES, Line, lines, ones};
use super::pack::Pack;
use super::product::Sink;
use crate::reference::{Axis, step_weights};
use crate::{Scales, Scratch, Update, Weights};
use tinytrain_spec::params::ConvParams;

/// A depthwise convolution with as many outputs as inputs.
#[derive(Clone, Debug)]
pub struct Depthwise {
    p: ConvParams,
    base: Vec<i32>,
    scaling: Scaling,
    channels: Vec<u16>,
    forward: Pack,
    run: Sweep,
    backward: Option<(Pack, Sweep)>,
}

/// A pass over a tensor with a window: which rows each output row reads, and where its columns begin.
#[derive(Clone, Debug)]
struct Sweep {
    /// For each output row its source rows, ascending, each with a row of the pack.
    rows: Vec<Vec<(usize, usize)>>,
    /// Most source rows of an output row.
    most: usize,
    /// Output columns.
    columns: usize,
    /// Source columns.
    source: usize,
    channels: usize,
    /// Columns to the left of the source, and from one of its columns to the next.
    left: usize,
    spread: usize,
    /// From one output's window to the next.
    step: usize,
    /// Words of a kernel row.
    words: usize,
    group: usize,
}

impl Sweep {
    /// The words kept of a row: every `keep`-th.
    fn keep(&self) -> usize {
        if self.group.is_multiple_of(self.step) { self.step } else { 1 }
    }

    /// Words kept of a row.
    fn row(&self) -> usize {
        ((self.columns - 1) * self.step + (self.words - 1) * self.group) / self.keep() + 1
    }

    /// Makes the words of one source row and panel.
    #[inline(always)]
    fn build<I: Isa>(&self, isa: I, x: &[i8], y: usize, panel: usize, zero: i32, to: &mut [Line]) {
        let first = panel * LANES;
        let width = LANES.min(self.channels - first);
        let row = &x[y * self.source * self.channels..][..self.source * self.channels];
        let border = isa.splat(zero + I::OFFSET);
        let offset = isa.splat(I::OFFSET);
        let keep = self.keep();
        let mut words = isa.splat(0);
        let mut kept = to.iter_mut();
        // A word is complete with its last factor; every `keep`-th is kept.
        let mut wait = I::GROUP - 1;
        let mut push = |factor: I::V| {
            words = isa.push(words, factor);
            if wait > 0 {
                wait -= 1;
            } else if let Some(to) = kept.next() {
                isa.store(words, to);
                wait = keep - 1;
            }
        };
        let total = (self.row() - 1) * keep + I::GROUP;
        let left = self.left.min(total);
        let inner = self.source.min((total - left).div_ceil(self.spread));
        for _ in 0..left {
            push(border);
        }
        for from in row[first..].chunks(self.channels).take(inner) {
            push(isa.add(isa.widen(&from[..width]), offset));
            for _ in 1..self.spread {
                push(border);
            }
        }
        for _ in left + inner * self.spread..total {
            push(border);
        }
    }

    /// Runs over all rows and panels.
    #[inline(always)]
    fn run<I: Isa>(
        &self,
        isa: I,
        pack: &mut Pack,
        x: &[i8],
        zero: i32,
        bias: &[Line],
        ring: &mut Vec<Line>,
        terms: &mut Vec<(usize, usize)>,
        sink: &mut impl Sink<I>,
    ) {
        let panels = lines(self.channels);
        let row = self.row();
        let ring = cleared(ring, self.most * row);
        let (step, along) = (self.step / self.keep(), self.group / self.keep());
        pack.sums(isa);
        for panel in 0..panels {
            let mut built = 0;
            for (o, sources) in self.rows.iter().enumerate() {
                let mut init = bias[panel];
                for &(y, tap) in sources {
                    if y >= built {
                        self.build(isa, x, y, panel, zero, &mut ring[y % self.most * row..][..row]);
                        built = y + 1;
                    }
                    let sums = &pack.sums(isa)[tap * panels + panel];
                    take_off(std::slice::from_mut(&mut init), std::slice::from_ref(sums), zero + I::OFFSET);
                }
                let right = pack.right();
                let weights = &right.lines[panel * right.panel..][..right.panel];
                terms.clear();
                for &(y, tap) in sources {
                    for word in 0..self.words {
                        terms.push((y % self.most * row + word * along, tap * self.words + word));
                    }
                }
                // SAFETY, of `span`: the last output's last word is the last of its row (`Sweep::row`), and `weights`
                // has `words` lines for each tap.
                debug_assert!(
                    terms.iter().all(|&(at, w)| at + (self.columns - 1) * step < ring.len() && w < weights.len())
                );
                let init = isa.load(&init);
                let mut put = |column: usize, sums: I::V| sink.put(isa, o * self.columns + column, panel, sums);
                let mut first = 0;
                while first + 8 <= self.columns {
                    let acc = unsafe { span::<I, 8>(isa, init, ring, weights, terms, first * step, step) };
                    acc.into_iter().enumerate().for_each(|(r, sums)| put(first + r, sums));
                    first += 8;
                }
                if first + 4 <= self.columns {
                    let acc = unsafe { span::<I, 4>(isa, init, ring, weights, terms, first * step, step) };
                    acc.into_iter().enumerate().for_each(|(r, sums)| put(first + r, sums));
                    first += 4;
                }
                while first < self.columns {
                    let [acc] = unsafe { span::<I, 1>(isa, init, ring, weights, terms, first * step, step) };
                    put(first, acc);
                    first += 1;
                }
            }
        }
    }
}

/// The sums of `R` outputs, `step` lines apart from line `first` on: each term is a line of words, counted from there,
/// and a line of weights.
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
        for r in 0..R {
            let words = unsafe { words.get_unchecked(at + first + r * step) };
            acc[r] = isa.dot(acc[r], isa.load(words), weight);
        }
    }
    acc
}

impl Depthwise {
    /// Packs the weights, for words of `group`; those of the input gradient too, if asked for. None for a geometry that
    /// these kernels do not have.
    pub fn new(
        p: &ConvParams,
        w: Weights,
        base: &[i32],
        scales: Scales,
        input_grad: bool,
        group: usize,
    ) -> Option<Self> {
        let [v, h] = Axis::of_conv(p);
        let channels = p.in_c as usize;
        if p.in_c != p.out_c {
            return None;
        }
        let rows: Vec<Vec<_>> = (0..v.out).map(|oy| v.taps(oy).map(|ky| (v.at(oy, ky), ky)).collect()).collect();
        let sweep = |rows: Vec<Vec<(usize, usize)>>, columns, source, left: isize, spread, step| {
            Some(Sweep {
                most: rows.iter().map(Vec::len).max()?.max(1),
                rows,
                columns,
                source,
                channels,
                left: usize::try_from(left).ok()?,
                spread,
                step,
                words: h.kernel.div_ceil(group),
                group,
            })
        };
        let run = sweep(rows, h.out, h.input, h.pad, 1, h.stride)?;
        let pack = || Pack::new(channels, v.kernel, h.kernel, group);
        let backward = if input_grad {
            let rows = (0..v.input).map(|iy| {
                let mut rows: Vec<_> = v.fed(iy).each().collect();
                rows.reverse();
                rows
            });
            Some((pack(), sweep(rows.collect(), h.input, h.out, h.kernel as isize - 1 - h.pad, h.stride, 1)?))
        } else {
            None
        };
        let scaling = Scaling::new(scales, p.y_zero, p.lo, p.hi);
        let mut layer =
            Self { p: *p, base: base.to_vec(), scaling, channels: w.channels.to_vec(), forward: pack(), run, backward };
        let frozen: Vec<u16> = (0..channels as u16).filter(|i| w.channels.binary_search(i).is_err()).collect();
        for tap in 0..v.kernel * h.kernel {
            for (&c, &w) in frozen.iter().zip(&w.frozen[tap * frozen.len()..]) {
                layer.set(tap, c as usize, w);
            }
        }
        layer.restore(w.trained);
        Some(layer)
    }

    /// Takes over all trained weights.
    pub fn restore(&mut self, trained: &[i8]) {
        let channels = std::mem::take(&mut self.channels);
        for (tap, row) in trained.chunks_exact(channels.len().max(1)).enumerate() {
            for (&c, &w) in channels.iter().zip(row) {
                self.set(tap, c as usize, w);
            }
        }
        self.channels = channels;
    }

    fn set(&mut self, tap: usize, c: usize, w: i8) {
        let kw = self.p.kw as usize;
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
        x: &[i8],
        offset: &[i32],
        y: &mut [i8],
        mut mask: Option<&mut [u8]>,
        s: &mut Scratch,
    ) {
        let init = cleared(&mut s.init, lines(self.base.len()));
        bias_lines(&self.base, offset, init);
        if let Some(mask) = &mut mask {
            mask.fill(0);
        }
        let mut sink = Requantise { scaling: &self.scaling, y, mask };
        self.run.run(isa, &mut self.forward, x, self.p.x_zero, init, &mut s.right, &mut s.terms, &mut sink);
    }

    /// See [`crate::reference::depthwise_input_grad`].
    #[inline(always)]
    pub fn input_grad<I: Isa>(&mut self, isa: I, shift: i32, g: &[i8], gx: &mut [i8], s: &mut Scratch) -> u32 {
        let (pack, sweep) = self.backward.as_mut().expect("a layer packed for its input gradient");
        let channels = self.p.in_c as usize;
        let init = cleared(&mut s.init, lines(channels));
        let mut sink = Round { shift, channels, places: &[], gx, saturated: 0 };
        sweep.run(isa, pack, g, 0, init, &mut s.right, &mut s.terms, &mut sink);
        sink.saturated
    }

    /// See [`crate::reference::depthwise_weight_step`]; the packed weights follow.
    #[inline(always)]
    pub fn weight_step<I: Isa>(
        &mut self,
        isa: I,
        u: &Update,
        g: &[i8],
        x: &[i8],
        qas: &[u32],
        q: &mut [i8],
        lo: &mut [u8],
        s: &mut Scratch,
    ) {
        let t = self.channels.len();
        let taps = (self.p.kh * self.p.kw) as usize;
        s.sums.resize(taps * t, 0);
        let mut from = 0;
        for panel in 0..lines(self.p.out_c as usize) {
            let trained = self.channels[from..].iter().take_while(|&&c| (c as usize) < (panel + 1) * LANES).count();
            if trained > 0 {
                let sums = weight_grad_panel(
                    isa,
                    &self.p,
                    panel,
                    g,
                    x,
                    [&mut s.left, &mut s.right, &mut s.whole, &mut s.init],
                );
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

/// The sums of one panel, `[kh][kw]` lines. Words hold neighbouring outputs of a row: of the gradient, and of what a
/// tap reads for them.
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
    let offset = isa.splat(I::OFFSET);
    let words = h.out.div_ceil(I::GROUP);
    let gradients = cleared(gradients, v.out * words);
    let totals = cleared(rows, v.out);
    for (oy, (to, total)) in gradients.chunks_exact_mut(words).zip(totals.iter_mut()).enumerate() {
        let mut sum = isa.splat(0);
        for (b, to) in to.iter_mut().enumerate() {
            let mut word = isa.splat(0);
            for ox in b * I::GROUP..(b + 1) * I::GROUP {
                let inside = ox < h.out;
                let at = (oy * h.out + ox) * c + first;
                word = isa.push(word, if inside { isa.widen(&g[at..at + width]) } else { isa.splat(0) });
            }
            isa.store(word, to);
            sum = isa.dot(sum, isa.splat(ones(I::GROUP)), word);
        }
        isa.store(sum, total);
    }
    // Word i of a row begins at column i - pad and goes on in steps of the stride.
    let row = (words * I::GROUP - 1) * h.stride + h.kernel;
    let inputs = cleared(inputs, v.input * row);
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
                word = isa.push(word, isa.add(factor, offset));
            }
            isa.store(word, to);
        }
    }
    let sums = cleared(sums, v.kernel * h.kernel);
    for (ky, sums) in sums.chunks_exact_mut(h.kernel).enumerate() {
        let rows = v.outputs(ky);
        // What the input's zero point and the offset add.
        let mut zero = Line::default();
        for total in &totals[rows.clone()] {
            take_off(std::slice::from_mut(&mut zero), std::slice::from_ref(total), p.x_zero + I::OFFSET);
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
