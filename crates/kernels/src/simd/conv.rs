//! Full convolutions over packed weights.
#![allow(unsafe_code)]

use super::Geometries;
use super::finish::{Biases, Requantise, Round, Scaling};
use super::isa::{Isa, LANES, Line, lines, ones};
use super::pack::{Pack, each};
use super::padded::{Padded, as_elements, elements};
use super::product::{Lhs, Rhs, Segment, Shared, Sink, product, product_of_pairs};
use super::update::{Change, Rates, step_line};
use crate::reference::{Axis, weight_order};
use crate::{Scales, Scratch, Update, Weights, grown};
use tinytrain_spec::params::ConvParams;

/// A full convolution: its weights and the layout of its operands.
#[derive(Clone, Debug)]
pub struct Conv {
    /// Of all parts; their rows differ.
    p: ConvParams,
    biases: Biases,
    scaling: Scaling,
    channels: Vec<u16>,
    parts: Vec<Part>,
    steps: Vec<StepPart>,
    /// The start of each output's window in the padded input: that of the part with most outputs, with which the others begin.
    at: Vec<u32>,
    segments: Vec<Segment>,
    /// The runs that two output rows share; empty if rows are processed one by one.
    shared: Vec<Shared>,
    forward: Pack,
    backward: Option<Backward>,
}

/// The convolution over some rows.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// The input with padding.
    padded: Padded,
    /// Outputs.
    pixels: usize,
}

impl Part {
    fn new(p: &ConvParams) -> Option<Self> {
        let [v, h] = Axis::of_conv(p);
        let padded = Padded {
            rows: v.input,
            columns: h.input,
            channels: p.in_c as usize,
            top: usize::try_from(v.pad).ok()?,
            left: usize::try_from(h.pad).ok()?,
            spread: 1,
            height: (v.out - 1) * v.stride + v.kernel,
            width: (h.out - 1) * h.stride + h.kernel,
        };
        padded.fits().then_some(Self { padded, pixels: v.out * h.out })
    }
}

/// The input gradient: a convolution of the gradient with the flipped kernel. Columns are spread by the stride; along
/// rows, the phases of the stride are processed one after the other, so that no row of zeros is read.
#[derive(Clone, Debug)]
struct Backward {
    pack: Pack,
    /// One for each of the convolutions whose rows differ.
    parts: Vec<GradPart>,
}

/// The input gradient over some rows.
#[derive(Clone, Debug)]
struct GradPart {
    padded: Padded,
    phases: Vec<Phase>,
}

/// Input rows whose gradient comes through the same kernel rows.
#[derive(Clone, Debug)]
struct Phase {
    segments: Vec<Segment>,
    at: Vec<u32>,
    /// The pixels of these rows.
    places: Vec<u32>,
}

impl Backward {
    /// None if the padding exceeds the kernel.
    fn new(parts: &[ConvParams], group: usize) -> Option<Self> {
        let p = parts.first()?;
        let [v, h] = Axis::of_conv(p);
        let kernel_rows: Vec<Vec<usize>> = (0..v.stride).map(|f| (f..v.kernel).step_by(v.stride).collect()).collect();
        let pack = Pack::new(p.in_c as usize, v.kernel, h.kernel * p.out_c as usize, group, kernel_rows.clone());
        let parts = parts.iter().map(|p| GradPart::new(p, &pack, &kernel_rows)).collect::<Option<_>>()?;
        Some(Self { pack, parts })
    }
}

impl GradPart {
    fn new(p: &ConvParams, pack: &Pack, kernel_rows: &[Vec<usize>]) -> Option<Self> {
        let [v, h] = Axis::of_conv(p);
        let out_c = p.out_c as usize;
        let left = (h.kernel as isize - 1).checked_sub(h.pad).filter(|&l| l >= 0)? as usize;
        let pad = usize::try_from(v.pad).ok()?;
        let top = v.kernel.div_ceil(v.stride) - 1;
        let padded = Padded {
            rows: v.out,
            columns: h.out,
            channels: out_c,
            top,
            left,
            spread: h.stride,
            height: (v.input - 1 + pad) / v.stride + top + 1,
            width: h.input + h.kernel - 1,
        };
        if !padded.fits() {
            return None;
        }
        let phases = kernel_rows.iter().enumerate().map(|(f, kernel_rows)| {
            let segments = kernel_rows.iter().enumerate();
            let segments = segments.map(|(j, &ky)| Segment { lhs: (top - j) * padded.row(), line: pack.line(ky) });
            let rows = (0..v.input).filter(|iy| (iy + pad) % v.stride == f);
            let pixels = rows.flat_map(|iy| (0..h.input).map(move |ix| (iy, ix)));
            let at = pixels.clone().map(|(iy, ix)| ((iy + pad) / v.stride * padded.row() + ix * out_c) as u32);
            Phase {
                segments: segments.collect(),
                at: at.collect(),
                places: pixels.map(|(iy, ix)| (iy * h.input + ix) as u32).collect(),
            }
        });
        Some(Self { padded, phases: phases.collect() })
    }
}

/// The sums of a weight gradient over some rows.
#[derive(Clone, Debug)]
struct StepPart {
    /// The input with padding: that of the layer, or its trained channels alone.
    padded: Padded,
    /// The start of each output's window.
    at: Vec<u32>,
}

impl StepPart {
    fn new(p: &ConvParams) -> Option<Self> {
        let Part { padded, .. } = Part::new(p)?;
        Some(Self { padded, at: windows(p, padded.row()) })
    }

    /// Channels of its input.
    fn channels(&self) -> usize {
        self.padded.channels
    }
}

/// Where each output's window begins in a padded input with rows of `row` elements.
fn windows(p: &ConvParams, row: usize) -> Vec<u32> {
    let [v, h] = Axis::of_conv(p);
    let pixels = (0..v.out).flat_map(|oy| (0..h.out).map(move |ox| (oy, ox)));
    pixels.map(|(oy, ox)| (oy * v.stride * row + ox * h.stride * p.in_c as usize) as u32).collect()
}

impl Conv {
    /// Packs the weights into words of `group` factors, also for the input gradient, where there is one. None for a geometry that these kernels do not
    /// support.
    pub fn new(
        Geometries { forward: parts, weight_steps, input_grads }: Geometries,
        w: Weights,
        base: &[i32],
        scales: Scales,
        group: usize,
    ) -> Option<Self> {
        let p = parts.iter().max_by_key(|p| p.out_h)?;
        let [v, h] = Axis::of_conv(p);
        let (in_c, out_c) = (p.in_c as usize, p.out_c as usize);
        let backward = match input_grads {
            [] => None,
            grads => Some(Backward::new(grads, group)?),
        };
        let parts = parts.iter().map(Part::new).collect::<Option<Vec<_>>>()?;
        let steps = weight_steps.iter().map(StepPart::new).collect::<Option<Vec<_>>>()?;
        let padded = parts[0].padded;
        let forward = Pack::new(out_c, v.kernel, h.kernel * in_c, group, vec![(0..v.kernel).collect()]);
        let at = windows(p, padded.row());
        let segments = (0..v.kernel).map(|ky| Segment { lhs: ky * padded.row(), line: forward.line(ky) }).collect();
        // Worthwhile only for a single panel whose kernel rows overlap.
        let alone = out_c > LANES || v.kernel <= v.stride;
        let shared = (0..if alone { 0 } else { v.kernel + v.stride }).map(|y| {
            let line = |ky: Option<usize>| ky.filter(|&ky| ky < v.kernel).map(|ky| forward.line(ky));
            Shared { lhs: y * padded.row(), lines: [line(Some(y)), line(y.checked_sub(v.stride))] }
        });
        let shared = shared.collect();
        let mut conv = Self {
            p: *p,
            biases: Biases::new(base),
            scaling: Scaling::new(scales, p.y_zero, p.lo, p.hi),
            channels: w.channels.to_vec(),
            parts,
            steps,
            at,
            segments,
            shared,
            forward,
            backward,
        };
        let mut order = Vec::new();
        let frozen = &weight_order(in_c, w.channels, &mut order)[..in_c - w.channels.len()];
        assert_eq!(w.frozen.len(), out_c * v.kernel * h.kernel * frozen.len());
        each(w.frozen, frozen).for_each(|(at, i, w)| conv.set(at, i, w));
        conv.restore(w.trained);
        Some(conv)
    }

    /// Replaces all trained weights.
    pub fn restore(&mut self, trained: &[i8]) {
        let channels = std::mem::take(&mut self.channels);
        assert_eq!(trained.len(), (self.p.out_c * self.p.kh * self.p.kw) as usize * channels.len());
        each(trained, &channels).for_each(|(at, i, w)| self.set(at, i, w));
        self.channels = channels;
    }

    /// Sets the weight of an output channel and tap (`[out_c][kh][kw]`, flat) and an input channel.
    #[inline(always)]
    fn set(&mut self, at: usize, i: usize, w: i8) {
        set(&self.p, &mut self.forward, &mut self.backward, at, i, w);
    }

    /// See [`crate::reference::conv`].
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
        let p = &self.p;
        let Part { padded, pixels } = self.parts[part];
        let at = &self.at[..pixels];
        let factors = elements::<I::Lhs>(&mut s.lhs, padded.len());
        padded.fill(x, I::lhs(p.x_zero as i8), factors, I::lhs);
        let init = grown(&mut s.init, self.forward.init_len());
        self.forward.init(isa, p.x_zero + I::OFFSET, |panel| self.biases.panel(isa, panel, offset), init);
        let lhs = Lhs { factors, at, step: I::GROUP };
        let mut sink = Requantise::new(isa, &self.scaling, pixels, y, mask);
        if I::WIDE && !self.shared.is_empty() {
            let (row, words, rhs) = (p.out_w as usize, self.forward.words(), self.forward.rhs());
            let pairs = at.chunks(2 * row);
            for (i, at) in pairs.enumerate() {
                let mut sink = Below { sink: &mut sink, first: i * 2 * row };
                if at.len() == 2 * row {
                    let lhs = Lhs { at: &at[..row], ..lhs };
                    product_of_pairs(isa, lhs, &self.shared, words, rhs, &init[0], row, &mut sink);
                } else {
                    product(isa, Lhs { at, ..lhs }, &self.segments, words, rhs, init, &mut sink);
                }
            }
            return;
        }
        product(isa, lhs, &self.segments, self.forward.words(), self.forward.rhs(), init, &mut sink);
    }

    /// See [`crate::reference::conv_input_grad`].
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
        let channels = self.p.in_c as usize;
        let Backward { pack, parts } = self.backward.as_mut().expect("a layer packed for its input gradient");
        let GradPart { padded, phases } = &parts[part];
        let factors = elements::<I::Lhs>(&mut s.lhs, padded.len());
        padded.fill(g, I::lhs(0), factors, I::lhs);
        let init = grown(&mut s.init, pack.init_len());
        pack.init(isa, I::OFFSET, |_| isa.splat(0), init);
        let mut saturated = 0;
        for (phase, init) in phases.iter().zip(init.chunks_exact(lines(channels))) {
            let lhs = Lhs { factors, at: &phase.at, step: I::GROUP };
            let mut sink = Round { shift, channels, places: &phase.places, gx, saturated: 0 };
            product(isa, lhs, &phase.segments, pack.words(), pack.rhs(), init, &mut sink);
            saturated += sink.saturated;
        }
        saturated
    }

    /// See [`crate::reference::conv_weight_step`]; also updates the packed weights.
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
        if self.channels.is_empty() {
            return;
        }
        let StepPart { padded: place, at } = &self.steps[part];
        let (in_c, pixels) = (self.steps[part].channels(), at.len());
        let p = self.p;
        let [v, h] = Axis::of_conv(&p);
        let (out_c, t, taps) = (p.out_c as usize, self.channels.len(), v.kernel * h.kernel);
        let words = pixels.div_ceil(I::GROUP);
        // Words run along the pixels of the sum: gradients as LHS, `[words][out_c]`, inputs as RHS.
        let row = lines(out_c);
        let across = grown(&mut s.lhs, words * row);
        for (k, to) in across.chunks_exact_mut(row).enumerate() {
            gather_words(
                isa,
                g,
                out_c,
                true,
                |i| Some(k * I::GROUP + i).filter(|&o| o < pixels),
                |pixel| pixel * out_c,
                to,
            );
        }
        // The contribution of the input's zero point to each output channel.
        let zeros = grown(&mut s.sums_of_g, row);
        for (i, to) in zeros.iter_mut().enumerate() {
            let sum =
                across[i..].iter().step_by(row).fold(isa.splat(-I::OFFSET * (words * I::GROUP) as i32), |sum, line| {
                    isa.dot(sum, isa.load(line), isa.splat(ones(I::GROUP)))
                });
            isa.store(sum, to);
        }
        for sum in zeros.iter_mut().flat_map(|line| &mut line.0) {
            *sum = sum.wrapping_mul(p.x_zero);
        }
        let padded = elements::<i8>(&mut s.padded, place.len());
        let source: &[i8] = if place.plain() {
            x
        } else {
            place.fill(x, p.x_zero as i8, padded, |v| v);
            padded
        };
        s.places.clear();
        s.places.extend((0..out_c).map(|o| (o * I::GROUP) as u32));
        let rates = Rates::new(u, qas, &mut s.rates);
        let panels = lines(t);
        let all = t == in_c;
        for tap in 0..taps {
            let shift = tap / h.kernel * place.row() + tap % h.kernel * in_c;
            let inputs = grown(&mut s.rhs, panels * words);
            // Clears the lanes beyond the last trained channel.
            inputs[(panels - 1) * words..].fill(Line::default());
            let whole = grown(&mut s.whole, lines(in_c));
            for k in 0..words {
                gather_words(isa, source, in_c, false, |i| at.get(k * I::GROUP + i), |&at| at as usize + shift, whole);
                if all {
                    for (panel, line) in whole.iter().enumerate() {
                        inputs[panel * words + k] = *line;
                    }
                } else {
                    for (j, &i) in self.channels.iter().enumerate() {
                        let (i, to) = (i as usize, &mut inputs[j / LANES * words + k]);
                        to.0[j % LANES] = whole[i / LANES].0[i % LANES];
                    }
                }
            }
            let init = grown(&mut s.init, panels);
            init.fill(Line::default());
            if I::OFFSET != 0 {
                for (init, inputs) in init.iter_mut().zip(inputs.chunks_exact(words)) {
                    let sum = inputs
                        .iter()
                        .fold(isa.splat(0), |sum, line| isa.dot(sum, isa.splat(ones(I::GROUP)), isa.load(line)));
                    isa.store(sum, init);
                    init.0 = init.0.map(|sum| sum.wrapping_mul(-I::OFFSET));
                }
            }
            let lhs = Lhs { factors: as_elements::<I::Lhs>(across), at: &s.places, step: row * LANES * I::GROUP };
            let mut sink = UpdateSink {
                p: &p,
                tap,
                taps,
                rates: &rates,
                zeros,
                channels: &self.channels,
                q,
                lo,
                forward: &mut self.forward,
                backward: &mut self.backward,
            };
            let segment = [Segment { lhs: 0, line: 0 }];
            product(isa, lhs, &segment, words, Rhs { lines: inputs, panel: words }, init, &mut sink);
        }
    }
}

/// A sink whose rows are counted from `first`.
struct Below<'a, S> {
    sink: &'a mut S,
    first: usize,
}

impl<I: Isa, S: Sink<I>> Sink<I> for Below<'_, S> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.sink.columns()
    }

    #[inline(always)]
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        // SAFETY: the caller passes only rows that exist from `first` on.
        unsafe { self.sink.put::<FULL>(isa, self.first + row, panel, sums) };
    }
}

/// See [`Conv::set`].
#[inline(always)]
fn set(p: &ConvParams, forward: &mut Pack, backward: &mut Option<Backward>, at: usize, i: usize, w: i8) {
    let (kh, kw) = (p.kh as usize, p.kw as usize);
    // Divisions would take longer than everything else.
    let (o, ky, kx) = if kh * kw == 1 { (at, 0, 0) } else { (at / (kh * kw), at / kw % kh, at % kw) };
    forward.set(o, ky, kx * p.in_c as usize + i, w);
    if let Some(backward) = backward {
        backward.pack.set(i, ky, (kw - 1 - kx) * p.out_c as usize + o, w);
    }
}

/// Updates weights as soon as the product yields their gradients: rows are output channels, columns trained input
/// channels.
struct UpdateSink<'a> {
    p: &'a ConvParams,
    tap: usize,
    taps: usize,
    rates: &'a Rates<'a>,
    /// To be subtracted from the sums of each row.
    zeros: &'a [Line],
    channels: &'a [u16],
    q: &'a mut [i8],
    lo: &'a mut [u8],
    forward: &'a mut Pack,
    backward: &'a mut Option<Backward>,
}

impl<I: Isa> Sink<I> for UpdateSink<'_> {
    #[inline(always)]
    fn columns(&self) -> usize {
        self.channels.len()
    }

    #[inline(always)]
    unsafe fn put<const FULL: bool>(&mut self, isa: I, row: usize, panel: usize, sums: I::V) {
        let Some(rate) = self.rates.of(row) else { return };
        let zero = self.zeros[row / LANES].0[row % LANES];
        let sums = isa.sub(sums, isa.splat(zero));
        let t = self.channels.len();
        let at = row * self.taps + self.tap;
        let first = at * t + panel * LANES;
        let width = if FULL { LANES } else { LANES.min(t - panel * LANES) };
        let Change { mut lanes, q } = step_line(isa, self.rates, rate, first, width, sums, self.q, self.lo);
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let i = self.channels[panel * LANES + lane] as usize;
            set(self.p, self.forward, self.backward, at, i, q[lane]);
        }
    }
}

/// Packs words of the LHS or RHS for all `c` channels: factor `i` of each comes from pixel `pick(i)`, whose channels
/// begin at `place(pixel)`; a factor without a pixel is 0.
#[inline(always)]
fn gather_words<I: Isa, P: Copy>(
    isa: I,
    from: &[i8],
    c: usize,
    lhs: bool,
    pick: impl Fn(usize) -> Option<P>,
    place: impl Fn(P) -> usize,
    to: &mut [Line],
) {
    for (panel, to) in to.iter_mut().enumerate() {
        let width = LANES.min(c - panel * LANES);
        let mut words = isa.splat(0);
        for i in 0..I::GROUP {
            let factor = match pick(i) {
                Some(pixel) => isa.widen(&from[place(pixel) + panel * LANES..][..width]),
                None => isa.splat(0),
            };
            words = if lhs { isa.push_lhs(words, factor) } else { isa.push_rhs(words, factor) };
        }
        isa.store(words, to);
    }
}
