//! The cases, with what the Rust reference makes of them, and the file that hands them to the C driver (`c/driver.c`).
//!
//! The file is a sequence of little-endian words: magic, number of ops, number of cases; for each case its op, the
//! number of scalars and the scalars (parameters first, field by field), the number of buffers, the expected count of
//! saturated elements; for each buffer its kind, its length in bytes, and, padded to words, an input's content or an
//! output's content before and after. Buffers stand in the order of the C function's pointers.

use crate::random::Random;
use tinytrain_kernels::reference;
use tinytrain_kernels::{Bias, Scales, Scratch, Update, Weights};
use tinytrain_spec::arith::{self, BIAS_LIMIT, Qas, Real31, Requant};
use tinytrain_spec::params::*;
use tinytrain_spec::scratch;
use tinytrain_spec::softmax::{self, HeadResult, LogitScale};

const MAGIC: u32 = 0x5343_5454;
/// Number of ops, the last being [`Op::Sum`].
pub const OPS: u32 = Op::Sum as u32 + 1;

/// The driver's numbers of the kernels.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Conv,
    Depthwise,
    ConvInputGrad,
    DepthwiseInputGrad,
    ConvWeightStep,
    DepthwiseWeightStep,
    BiasStep,
    Add,
    Requantize,
    AveragePool,
    AveragePoolGrad,
    MaxPool,
    MaxPoolGrad,
    Mean,
    Softmax,
    CopyBox,
    Fill,
    HeadLogits,
    SoftmaxScores,
    HeadError,
    HeadInputGrad,
    HeadUpdate,
    GradScale,
    GradRepeat,
    Sum,
}

/// An argument of a kernel.
#[derive(Clone, Debug)]
pub enum Buffer {
    /// NULL.
    Absent,
    /// Read only.
    Input(Vec<u8>),
    /// Content before and after.
    Output(Vec<u8>, Vec<u8>),
    /// So many bytes.
    Scratch(u32),
}

/// One call of a kernel.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which.
    pub op: Op,
    /// Parameters, then what else is passed by value.
    pub scalars: Vec<i32>,
    /// Pointers.
    pub buffers: Vec<Buffer>,
    /// What the kernel returns; 0 for none.
    pub count: u32,
}

/// Elements that can be written to the file.
trait Element: Copy {
    fn put(self, to: &mut Vec<u8>);
}

macro_rules! element {
    ($($t:ty),*) => { $(impl Element for $t { fn put(self, to: &mut Vec<u8>) { to.extend(self.to_le_bytes()) } })* };
}
element!(i8, u8, i16, u16, i32, u32, i64);

fn bytes<T: Element>(v: &[T]) -> Vec<u8> {
    let mut to = Vec::new();
    v.iter().for_each(|x| x.put(&mut to));
    to
}

impl Case {
    fn new<const N: usize>(op: Op, fields: [(&'static str, i32); N]) -> Self {
        Self { op, scalars: fields.iter().map(|f| f.1).collect(), buffers: Vec::new(), count: 0 }
    }

    fn scalars(mut self, more: &[i32]) -> Self {
        self.scalars.extend(more);
        self
    }

    fn count(mut self, n: u32) -> Self {
        self.count = n;
        self
    }

    /// An input; NULL if it is empty.
    fn input<T: Element>(mut self, v: &[T]) -> Self {
        self.buffers.push(if v.is_empty() { Buffer::Absent } else { Buffer::Input(bytes(v)) });
        self
    }

    fn optional<T: Element>(self, v: Option<&[T]>) -> Self {
        self.input(v.unwrap_or(&[]))
    }

    /// An output that the kernel writes as a whole.
    fn output<T: Element>(mut self, after: &[T]) -> Self {
        let after = bytes(after);
        self.buffers.push(Buffer::Output(vec![0x5a; after.len()], after));
        self
    }

    fn changed<T: Element>(mut self, before: &[T], after: &[T]) -> Self {
        self.buffers.push(if before.is_empty() { Buffer::Absent } else { Buffer::Output(bytes(before), bytes(after)) });
        self
    }

    fn mask(mut self, mask: Option<&[u8]>) -> Self {
        match mask {
            Some(mask) => self.output(mask),
            None => {
                self.buffers.push(Buffer::Absent);
                self
            }
        }
    }

    fn scratch(mut self, n: u32) -> Self {
        self.buffers.push(Buffer::Scratch(n));
        self
    }
}

/// The file.
pub fn to_file(cases: &[Case]) -> Vec<u8> {
    fn padded(to: &mut Vec<u8>, v: &[u8]) {
        to.extend(v);
        to.resize(to.len().next_multiple_of(4), 0);
    }
    let mut to = bytes(&[MAGIC, OPS, cases.len() as u32]);
    for c in cases {
        to.extend(bytes(&[c.op as u32, c.scalars.len() as u32]));
        to.extend(bytes(&c.scalars));
        to.extend(bytes(&[c.buffers.len() as u32, c.count]));
        for b in &c.buffers {
            let (kind, n) = match b {
                Buffer::Absent => (0, 0),
                Buffer::Input(v) => (1, v.len() as u32),
                Buffer::Output(v, _) => (2, v.len() as u32),
                Buffer::Scratch(n) => (3, *n),
            };
            to.extend(bytes(&[kind, n]));
            match b {
                Buffer::Input(v) => padded(&mut to, v),
                Buffer::Output(before, after) => {
                    padded(&mut to, before);
                    padded(&mut to, after);
                }
                _ => {}
            }
        }
    }
    to
}

/// All cases.
pub fn suite() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut s = Scratch::default();
    for i in 0..160 {
        for depthwise in [false, true] {
            let mut r = Random::new(i * 2 + depthwise as u32);
            let l = Layer::random(&mut r, depthwise, i);
            cases.push(l.forward(&mut r, &mut s));
            cases.push(l.input_grad(&mut r, &mut s));
            if !l.channels.is_empty() {
                cases.push(l.weight_step(&mut r, &mut s));
            }
        }
    }
    for i in 0..40 {
        let mut r = Random::new(1000 + i);
        cases.push(bias_step(&mut r));
        cases.push(add(&mut r));
        cases.push(requantize(&mut r));
        cases.extend(pools(&mut r));
        cases.push(mean(&mut r));
        cases.push(softmax_int8(&mut r));
        cases.push(copy_box(&mut r));
        cases.push(fill(&mut r));
        cases.extend(head(&mut r, i));
        cases.push(grad_scale(&mut r));
        cases.push(grad_repeat(&mut r));
        cases.push(sum(&mut r));
    }
    cases
}

/// A convolution, its weights and which of them are trained.
struct Layer {
    p: ConvParams,
    depthwise: bool,
    frozen: Vec<i8>,
    trained: Vec<i8>,
    channels: Vec<u16>,
}

/// Input size, output size, kernel, stride and padding along one axis. Each window touches the input or its padding,
/// the last one the input.
fn axis(r: &mut Random, largest: i32, kernels: &[i32]) -> [i32; 5] {
    let (input, k, stride) = (r.int(1, largest), r.of(kernels), r.of(&[1, 1, 1, 2, 2, 3]));
    let pad = r.int(0, k - 1);
    let out = (input - 1 + pad) / stride + 1;
    let out = if r.one_in(3) { r.int(1, out) } else { out };
    [input, out, k, stride, pad]
}

impl Layer {
    fn random(r: &mut Random, depthwise: bool, i: u32) -> Self {
        let (largest, kernels): (i32, &[i32]) = match (depthwise, i % 8) {
            // Enough pixels for a weight gradient in blocks, and rows for depthwise bands.
            (false, 0) => (40, &[1, 3]),
            (true, 0) => (70, &[3, 5]),
            (false, _) if i % 2 == 1 => (9, &[1]),
            (false, _) => (9, &[1, 2, 3, 4]),
            (true, _) => (12, &[1, 2, 3, 4, 5, 6, 7, 9]),
        };
        let ([in_h, out_h, kh, stride_h, pad_top], [in_w, out_w, kw, stride_w, pad_left]) =
            (axis(r, largest, kernels), axis(r, largest, kernels));
        let (in_c, out_c) = match depthwise {
            true => {
                let c = r.int(1, if i.is_multiple_of(8) { 5 } else { 12 });
                (c, c * r.of(&[1, 1, 1, 2, 3, 5]))
            }
            false => (r.int(1, if i.is_multiple_of(8) { 7 } else { 40 }), r.int(1, 21)),
        };
        let channels = r.channels(if depthwise { out_c } else { in_c });
        let t = channels.len() as i32;
        let each = kh * kw * if depthwise { 1 } else { out_c };
        let all = if depthwise { out_c } else { in_c };
        let (lo, hi) = match r.int(0, 5) {
            0 => (r.int(-128, 0), r.int(0, 127)),
            1 => (-128, r.int(-128, 127)),
            _ => (-128, 127),
        };
        let extreme = |r: &mut Random| if r.one_in(4) { r.of(&[-128, 127]) } else { r.int(-128, 127) };
        let (x_zero, y_zero) = (extreme(r), extreme(r));
        #[rustfmt::skip]
        let p = ConvParams {
            in_h, in_w, in_c, out_h, out_w, out_c, kh, kw, stride_h, stride_w, pad_top, pad_left,
            x_zero, y_zero, lo, hi, trained: t,
        };
        let frozen = r.weights((each * (all - t)) as usize);
        let trained = r.weights((each * t) as usize);
        Self { p, depthwise, frozen, trained, channels }
    }

    fn weights(&self) -> Weights<'_> {
        Weights { frozen: &self.frozen, trained: &self.trained, channels: &self.channels }
    }

    /// The channels as C gets them: where all are trained, the list may be missing.
    fn list(&self, r: &mut Random) -> &[u16] {
        let all = if self.depthwise { self.p.out_c } else { self.p.in_c };
        if self.p.trained == all && r.one_in(2) { &[] } else { &self.channels }
    }

    /// Sum of magnitudes of an output channel's weights.
    fn magnitude(&self, o: usize) -> i64 {
        let (n, t) = (self.p.out_c as usize, self.channels.len());
        let of = |w: &[i8]| w.iter().map(|&w| (w as i64).abs()).sum::<i64>();
        if !self.depthwise {
            return of(&self.frozen[o * (self.frozen.len() / n)..][..self.frozen.len() / n])
                + of(&self.trained[o * (self.trained.len() / n)..][..self.trained.len() / n]);
        }
        let strided = |w: &[i8], c: usize, of: usize| w.iter().skip(c).step_by(of).map(|&w| (w as i64).abs()).sum();
        match self.channels.binary_search(&(o as u16)) {
            Ok(j) => strided(&self.trained, j, t),
            Err(j) => strided(&self.frozen, o - j, n - t),
        }
    }

    fn inputs(&self) -> usize {
        (self.p.in_h * self.p.in_w * self.p.in_c) as usize
    }

    fn outputs(&self) -> usize {
        (self.p.out_h * self.p.out_w * self.p.out_c) as usize
    }

    fn forward(&self, r: &mut Random, s: &mut Scratch) -> Case {
        let (p, n) = (&self.p, self.p.out_c as usize);
        let x = r.bytes(self.inputs());
        let trained_bias = r.one_in(2);
        let (mut base, mut offset) = (Vec::new(), Vec::new());
        let extreme = r.one_in(3);
        for o in 0..n {
            // As far as the accumulator stays in int32 whatever the input.
            let room = i32::MAX as i64 - self.magnitude(o) * 255;
            let b = match r.int(0, 3) {
                0 if extreme => r.of(&[-room, room]),
                1 => r.range(-room, room),
                _ => r.range(-20000, 20000),
            };
            if trained_bias && b.abs() < BIAS_LIMIT as i64 && !r.one_in(5) {
                let delta = (r.bits() as i32) >> r.int(0, 20);
                offset.push(arith::apply_bias(b as i32, 0, delta));
            } else if trained_bias {
                offset.push(0);
            }
            base.push(b as i32);
        }
        let shifted = r.one_in(4);
        let mut shift = Vec::new();
        let m: Vec<i32> = (0..n)
            .map(|_| match r.int(0, 9) {
                0 => r.of(&[1, i32::MAX, 1 << 30]),
                _ => {
                    let scale = Requant::from_scale(r.real(-14.0, if shifted { 6.0 } else { -1.0 })).unwrap();
                    (scale.m as i64 * i64::from(scale.shift == 0 || shifted)) as i32
                }
            })
            .collect();
        if shifted {
            shift = (0..n).map(|_| r.of(&[0, 0, 1, 2, 5, 17, 31])).collect();
        }
        let mut y = vec![0; self.outputs()];
        let mut mask = r.one_in(2).then(|| vec![0; y.len().div_ceil(8)]);
        let (b, scales) = (Bias { base: &base, offset: &offset }, Scales { m: &m, shift: &shift });
        let (op, bytes) = if self.depthwise {
            reference::depthwise(p, &x, self.weights(), b, scales, &mut y, mask.as_deref_mut(), s);
            (Op::Depthwise, scratch::depthwise(p))
        } else {
            reference::conv(p, &x, self.weights(), b, scales, &mut y, mask.as_deref_mut(), s);
            (Op::Conv, scratch::conv(p))
        };
        let case = Case::new(op, p.fields()).input(&x).input(&self.frozen).input(&self.trained).input(self.list(r));
        let case = case.input(&base).input(&offset).input(&m).input(&shift);
        case.output(&y).mask(mask.as_deref()).scratch(bytes)
    }

    fn input_grad(&self, r: &mut Random, s: &mut Scratch) -> Case {
        let p = &self.p;
        let g = r.bytes(self.outputs());
        let shift = match r.int(0, 5) {
            0 => r.of(&[-100, -30, -9, -8, -1, 0, 1, 2, 31, 32, 33, 62, 63, 100]),
            _ => r.int(3, 14),
        };
        let mut gx = vec![0; self.inputs()];
        let (op, bytes, count) = if self.depthwise {
            let n = reference::depthwise_input_grad(p, shift, &g, self.weights(), &mut gx, s);
            (Op::DepthwiseInputGrad, scratch::depthwise_input_grad(p), n)
        } else {
            let n = reference::conv_input_grad(p, shift, &g, self.weights(), &mut gx, s);
            (Op::ConvInputGrad, scratch::conv_input_grad(p), n)
        };
        let case = Case::new(op, p.fields()).scalars(&[shift]).count(count).input(&g).input(&self.frozen);
        case.input(&self.trained).input(self.list(r)).output(&gx).scratch(bytes)
    }

    fn weight_step(&self, r: &mut Random, s: &mut Scratch) -> Case {
        let p = &self.p;
        let (g, x, qas) = (r.bytes(self.outputs()), r.bytes(self.inputs()), qas(r, p.out_c));
        let bits = r.of(&[0, 2, 4, 8]);
        let mut params = UpdateParams::default();
        let u = update(r, bits, &mut params);
        let n = self.trained.len();
        let (mut q, mut lo) = (vec![0; n], vec![0; arith::residual_bytes(n, bits)]);
        for i in 0..n {
            let limit = 127 << bits;
            let w = if r.one_in(5) { r.of(&[-limit, limit]) } else { r.int(-limit, limit) };
            let (high, low) = arith::apply_weight(0, 0, w, bits);
            q[i] = high;
            arith::residual_set(&mut lo, i, bits, low);
        }
        let (before, lo_before) = (q.clone(), lo.clone());
        let (op, bytes) = if self.depthwise {
            reference::depthwise_weight_step(p, &u, &g, &x, &self.channels, &qas, &mut q, &mut lo, s);
            (Op::DepthwiseWeightStep, scratch::depthwise_weight_step(p))
        } else {
            reference::conv_weight_step(p, &u, &g, &x, &self.channels, &qas, &mut q, &mut lo, s);
            (Op::ConvWeightStep, scratch::conv_weight_step(p))
        };
        let case = Case::new(op, p.fields()).scalars(&update_scalars(&u)).input(&g).input(&x).input(self.list(r));
        case.input(&qas).changed(&before, &q).changed(&lo_before, &lo).scratch(bytes)
    }
}

fn qas(r: &mut Random, n: i32) -> Vec<u32> {
    (0..n).map(|_| if r.one_in(6) { Qas::FROZEN.0 } else { Qas::from_f64(r.real(4.0, 10.0)).0 }).collect()
}

/// An update with an exponent such that its shift lies, mostly, where something happens.
fn update<'a>(r: &mut Random, bits: u32, params: &'a mut UpdateParams) -> Update<'a> {
    let lr = if r.one_in(20) { Real31::ZERO } else { Real31::from_f64(r.real(-30.0, 10.0)) };
    let k = r.int(14, 45);
    let shift = if r.one_in(4) { r.int(-30, 70) } else { r.int(26, 44) };
    *params =
        UpdateParams { exponent: 31 - lr.e - 7 + k - bits as i32 - shift, bits: bits as i32, tensor: r.int(0, 60) };
    Update { params, lr, k, seed: r.bits(), step: r.bits() as u32 }
}

fn update_scalars(u: &Update) -> Vec<i32> {
    let p = u.params;
    vec![p.exponent, p.bits, p.tensor, u.lr.m as i32, u.lr.e, u.k, u.step as i32, u.seed as i32, (u.seed >> 32) as i32]
}

fn bias_step(r: &mut Random) -> Case {
    let (pixels, channels) = (r.of(&[1, 3, 16, 255, 256, 257, 600]), r.int(1, 21));
    let g = r.bytes((pixels * channels) as usize);
    let qas = qas(r, channels);
    let mut params = UpdateParams::default();
    let u = update(r, 8, &mut params);
    let layer = Real31::from_f64(r.real(0.0, 12.0));
    let base: Vec<i32> = (0..channels)
        .map(|_| match r.int(0, 3) {
            0 => r.of(&[BIAS_LIMIT - 1, 1 - BIAS_LIMIT, i32::MAX, i32::MIN]),
            _ => r.int(-100_000, 100_000),
        })
        .collect();
    let offset: Vec<i32> = base
        .iter()
        .map(|&b| (r.bits() as i32 >> r.int(0, 24)).clamp(-b.saturating_abs(), b.saturating_abs()))
        .collect();
    let mut after = offset.clone();
    reference::bias_step(channels as usize, &u, layer, &g, &qas, &base, &mut after);
    let mut scalars = vec![pixels, channels];
    scalars.extend(update_scalars(&u));
    scalars.extend([layer.m as i32, layer.e]);
    Case::new(Op::BiasStep, []).scalars(&scalars).input(&g).input(&qas).input(&base).changed(&offset, &after)
}

fn bounds(r: &mut Random) -> (i32, i32) {
    if r.one_in(2) {
        return (-128, 127);
    }
    let lo = r.int(-128, 127);
    (lo, r.int(lo, 127))
}

fn zero(r: &mut Random) -> i32 {
    if r.one_in(3) { r.of(&[-128, 127]) } else { r.int(-128, 127) }
}

fn maybe_mask(r: &mut Random, n: usize) -> Option<Vec<u8>> {
    r.one_in(2).then(|| vec![0; n.div_ceil(8)])
}

fn add(r: &mut Random) -> Case {
    let n = r.int(1, 100);
    let (lo, hi) = bounds(r);
    let m = |r: &mut Random| {
        let largest = r.of(&[2.0, 2.0, 10.0]);
        (r.real(-4.0, largest) * 1048576.0) as i32
    };
    let p = AddParams { n, zero1: zero(r), zero2: zero(r), m1: m(r), m2: m(r), y_zero: zero(r), lo, hi };
    let (a, b, mut y) = (r.bytes(n as usize), r.bytes(n as usize), vec![0; n as usize]);
    let mut mask = maybe_mask(r, n as usize);
    reference::add(&p, &a, &b, &mut y, mask.as_deref_mut());
    Case::new(Op::Add, p.fields()).input(&a).input(&b).output(&y).mask(mask.as_deref())
}

fn requant(r: &mut Random) -> Requant {
    Requant::from_scale(r.real(-8.0, 5.0)).unwrap()
}

fn requantize(r: &mut Random) -> Case {
    let n = r.int(1, 100);
    let ((lo, hi), q) = (bounds(r), requant(r));
    let p = RequantizeParams { n, x_zero: zero(r), y_zero: zero(r), m: q.m, left: q.shift as i32, lo, hi };
    let (x, mut y) = (r.bytes(n as usize), vec![0; n as usize]);
    let mut mask = maybe_mask(r, n as usize);
    reference::requantize(&p, &x, &mut y, mask.as_deref_mut());
    Case::new(Op::Requantize, p.fields()).input(&x).output(&y).mask(mask.as_deref())
}

fn pools(r: &mut Random) -> [Case; 4] {
    let [in_h, out_h, kh, stride_h, pad_top] = axis(r, 10, &[1, 2, 3, 5]);
    let [in_w, out_w, kw, stride_w, pad_left] = axis(r, 10, &[1, 2, 3, 5]);
    let ((lo, hi), c) = (bounds(r), r.int(1, 9));
    let shift = if r.one_in(4) { r.of(&[-40, -3, 0, 1, 33, 63]) } else { r.int(12, 18) };
    #[rustfmt::skip]
    let p = PoolParams { in_h, in_w, c, out_h, out_w, kh, kw, stride_h, stride_w, pad_top, pad_left, lo, hi, shift };
    let (inputs, outputs) = ((in_h * in_w * c) as usize, (out_h * out_w * c) as usize);
    let (x, g, given) = (r.bytes(inputs), r.bytes(outputs), r.mask(outputs));
    let (mut y, mut gx, mut mask) = (vec![0; outputs], vec![0; inputs], maybe_mask(r, outputs));
    reference::average_pool(&p, &x, &mut y, mask.as_deref_mut());
    let average = Case::new(Op::AveragePool, p.fields()).input(&x).output(&y).mask(mask.as_deref());
    let n = reference::average_pool_grad(&p, &g, given.as_deref(), &mut gx);
    let average_grad =
        Case::new(Op::AveragePoolGrad, p.fields()).count(n).input(&g).optional(given.as_deref()).output(&gx);
    reference::max_pool(&p, &x, &mut y, mask.as_deref_mut());
    let max = Case::new(Op::MaxPool, p.fields()).input(&x).output(&y).mask(mask.as_deref());
    let p = PoolParams { shift: if r.one_in(2) { 0 } else { shift - 14 }, ..p };
    let n = reference::max_pool_grad(&p, &x, &g, given.as_deref(), &mut gx);
    let max_grad =
        Case::new(Op::MaxPoolGrad, p.fields()).count(n).input(&x).input(&g).optional(given.as_deref()).output(&gx);
    [average, average_grad, max, max_grad]
}

fn mean(r: &mut Random) -> Case {
    let (pixels, c) = (r.int(1, 90), r.int(1, 20));
    let ((lo, hi), q) = (bounds(r), Requant::from_scale(r.real(-2.0, 1.5) / pixels as f64).unwrap());
    let p =
        MeanParams { pixels, c, x_zero: r.int(-30, 30), y_zero: r.int(-30, 30), m: q.m, left: q.shift as i32, lo, hi };
    let (x, mut y) = (r.bytes((pixels * c) as usize), vec![0; c as usize]);
    let mut mask = maybe_mask(r, c as usize);
    reference::mean(&p, &x, &mut y, mask.as_deref_mut());
    Case::new(Op::Mean, p.fields()).input(&x).output(&y).mask(mask.as_deref())
}

fn softmax_int8(r: &mut Random) -> Case {
    let (rows, n) = (r.int(1, 3), r.int(1, 30));
    let scale = LogitScale::from_unit(r.real(-9.0, 7.0)).unwrap();
    let p = SoftmaxParams { rows, n, cap: scale.cap as i32, m: scale.m as i32, s: scale.s };
    let (x, mut y) = (r.bytes((rows * n) as usize), vec![0; (rows * n) as usize]);
    reference::softmax(&p, &x, &mut y);
    Case::new(Op::Softmax, p.fields()).input(&x).output(&y)
}

fn copy_box(r: &mut Random) -> Case {
    let (h, w, c) = (r.int(1, 5), r.int(1, 5), r.int(1, 9));
    let strides = |r: &mut Random| {
        let col = c + r.int(0, 5);
        let row = col * w + r.int(0, 7);
        (r.int(0, 6), row, col)
    };
    let ((src_offset, src_row, src_col), (dst_offset, dst_row, dst_col)) = (strides(r), strides(r));
    let shift = if r.one_in(2) { 0 } else { r.of(&[-30, -8, -2, -1, 1, 3, 8, 9, 63]) };
    let p = CopyParams { h, w, c, src_offset, src_row, src_col, dst_offset, dst_row, dst_col, shift };
    let (beyond_src, beyond_dst) = (r.int(0, 3), r.int(0, 3));
    let src = r.bytes((src_offset + src_row * h + beyond_src) as usize);
    let before = r.bytes((dst_offset + dst_row * h + beyond_dst) as usize);
    let mut dst = before.clone();
    let n = reference::copy_box(&p, &src, &mut dst);
    Case::new(Op::CopyBox, p.fields()).count(n).input(&src).changed(&before, &dst)
}

fn fill(r: &mut Random) -> Case {
    let p = FillParams { n: r.int(1, 60), value: r.int(-128, 127) };
    let mut dst = vec![0; p.n as usize];
    reference::fill(&p, &mut dst);
    Case::new(Op::Fill, p.fields()).output(&dst)
}

fn head_result(h: &HeadResult) -> [i32; 4] {
    [h.predicted as i32, h.loss, h.k, h.any as i32]
}

fn head(r: &mut Random, i: u32) -> Vec<Case> {
    let (features, classes) = if i == 0 { (70, 1000) } else { (r.int(1, 300), r.int(1, 12)) };
    let p = HeadParams {
        features,
        classes,
        x_zero: zero(r),
        m: r.int(0, (1 << 22) - 1),
        s: r.of(&[-3, 1, 20, 28, 33, 40, 62]),
    };
    let (f, c) = (features as usize, classes as usize);
    let x = r.bytes(f);
    let extreme = r.one_in(5);
    let w: Vec<i16> =
        (0..f * c).map(|_| if extreme { r.of(&[-32768, 32767]) } else { r.int(-3000, 3000) as i16 }).collect();
    let bias: Vec<i32> =
        (0..c).map(|_| if r.one_in(9) { r.of(&[i32::MIN, i32::MAX]) } else { r.int(-9999, 9999) }).collect();
    let mut logits = vec![0i64; c];
    reference::head_logits(&p, &x, &w, &bias, &mut logits);
    let mut cases = vec![Case::new(Op::HeadLogits, p.fields()).input(&x).input(&w).input(&bias).output(&logits)];

    if r.one_in(4) {
        logits.iter_mut().for_each(|l| *l = r.range(-1 << 45, 1 << 45) >> r.int(0, 40));
    }
    if r.one_in(6) {
        let first = logits[0];
        logits.fill(first);
    }
    let largest = r.of(&[-12.0, -12.0, -12.0, 16.0]);
    let scale = LogitScale::from_unit(r.real(-30.0, largest)).unwrap();
    let scale_scalars = [scale.cap as i32, (scale.cap >> 32) as i32, scale.pre as i32, scale.m as i32, scale.s];
    let mut scores = logits.clone();
    let h = softmax::softmax(&mut scores, scale);
    let case = Case::new(Op::SoftmaxScores, []).scalars(&[classes]).scalars(&scale_scalars);
    cases.push(case.changed(&logits, &scores).output(&head_result(&h)));
    let label = r.int(0, classes - 1);
    let (mut scores, mut e) = (logits.clone(), vec![0i16; c]);
    let h = softmax::head_error(&mut scores, scale, label as usize, &mut e);
    let case = Case::new(Op::HeadError, []).scalars(&[classes, label]).scalars(&scale_scalars);
    cases.push(case.changed(&logits, &scores).output(&e).output(&head_result(&h)));

    if r.one_in(3) {
        e.iter_mut().for_each(|e| *e = r.of(&[-32768, 32767, 0, 16384]));
    }
    let mut gx = vec![0i8; f];
    let n = reference::head_input_grad(&p, &w, &e, &mut gx);
    cases.push(Case::new(Op::HeadInputGrad, p.fields()).count(n).input(&w).input(&e).output(&gx));

    let lr = Real31::from_f64(r.real(-16.0, 4.0));
    let (qw, qb) = (Real31::from_f64(r.real(4.0, 14.0)), Real31::from_f64(r.real(10.0, 24.0)));
    let k = if h.any { h.k } else { r.int(14, 45) };
    let (mut w_after, mut bias_after) = (w.clone(), bias.clone());
    reference::head_update(&p, lr, qw, qb, k, &x, &e, &mut w_after, &mut bias_after);
    let scalars = [lr.m as i32, lr.e, k, qw.m as i32, qw.e, qb.m as i32, qb.e];
    let case = Case::new(Op::HeadUpdate, p.fields()).scalars(&scalars).input(&x).input(&e);
    cases.push(case.changed(&w, &w_after).changed(&bias, &bias_after));
    cases
}

fn grad_scale(r: &mut Random) -> Case {
    let (pixels, channels) = (r.int(1, 20), r.int(1, 20));
    let n = pixels * channels;
    let s = if r.one_in(4) { r.of(&[-40, 0, 1, 31, 32, 33, 62, 63, 90]) } else { r.int(28, 38) };
    let p = GradScaleParams { n, channels, m: r.int(0, i32::MAX), s, repeat: 1 };
    let g = r.bytes(n as usize);
    let by_channel = r.one_in(2);
    let m: Vec<i32> =
        if by_channel { (0..channels).map(|_| r.int(0, i32::MAX) >> r.int(0, 8)).collect() } else { Vec::new() };
    let shift: Vec<u8> =
        if by_channel && r.one_in(2) { (0..channels).map(|_| r.int(0, 31) as u8).collect() } else { Vec::new() };
    let mask = r.mask(n as usize);
    let mut gx = g.clone();
    let count = reference::grad_scale(&p, &m, &shift, mask.as_deref(), &mut gx);
    let case = Case::new(Op::GradScale, p.fields()).count(count).input(&g).optional(mask.as_deref());
    case.input(&m).input(&shift).output(&gx)
}

fn grad_repeat(r: &mut Random) -> Case {
    let (n, repeat) = (r.int(1, 40), r.int(1, 9));
    let p = GradScaleParams { n, channels: n, m: r.int(0, i32::MAX), s: r.int(24, 40), repeat };
    let (g, mask) = (r.bytes(n as usize), r.mask(n as usize));
    let mut gx = vec![0; (n * repeat) as usize];
    let count = reference::grad_repeat(&p, mask.as_deref(), &g, &mut gx);
    let case = Case::new(Op::GradRepeat, p.fields()).count(count).input(&g).optional(mask.as_deref());
    case.input::<i32>(&[]).input::<u8>(&[]).output(&gx)
}

fn sum(r: &mut Random) -> Case {
    let p = SumParams { n: r.int(1, 90) };
    let (a, b) = (r.bytes(p.n as usize), r.bytes(p.n as usize));
    let mut gx = a.clone();
    let count = reference::sum(&mut gx, &b);
    Case::new(Op::Sum, p.fields()).count(count).input(&a).input(&b).output(&gx)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all cases of an op, how many do what the test asks.
    fn share(cases: &[Case], op: Op, test: impl Fn(&Case) -> bool) -> f64 {
        let of: Vec<&Case> = cases.iter().filter(|c| c.op == op).collect();
        assert!(of.len() >= 40, "{op:?}");
        of.iter().filter(|c| test(c)).count() as f64 / of.len() as f64
    }

    fn varied(v: &[u8]) -> bool {
        v.iter().any(|b| *b != v[0])
    }

    #[test]
    fn cases_exercise_what_they_name() {
        let cases = suite();
        for op in [Op::Conv, Op::Depthwise, Op::Add, Op::AveragePool, Op::MaxPool, Op::Requantize, Op::Mean] {
            let some =
                share(&cases, op, |c| c.buffers.iter().any(|b| matches!(b, Buffer::Output(_, after) if varied(after))));
            assert!(some > 0.5, "{op:?}: outputs vary in {some}");
        }
        for op in
            [Op::ConvInputGrad, Op::DepthwiseInputGrad, Op::AveragePoolGrad, Op::MaxPoolGrad, Op::GradScale, Op::Sum]
        {
            let some = share(&cases, op, |c| c.count > 0);
            assert!((0.1..0.99).contains(&some), "{op:?}: {some} saturate");
        }
        for op in [Op::ConvWeightStep, Op::DepthwiseWeightStep, Op::BiasStep, Op::HeadUpdate] {
            let some =
                share(&cases, op, |c| c.buffers.iter().any(|b| matches!(b, Buffer::Output(was, is) if was != is)));
            assert!(some > 0.5, "{op:?}: {some} change anything");
        }
    }
}
