//! The cases, with what the Rust reference makes of them, and the file that hands them to the C driver (`c/driver.c`, `driver.rs`). A case is a call of the
//! kernel table over buffers.
//!
//! The file is a sequence of little-endian words: magic, number of kernels, number of cases; for each case its kernel's place in the table, the number
//! of scalars and the scalars (the words of the parameters, values of the step among them where C takes them), the number of buffers, the expected
//! count of saturated elements; for each buffer its kind, its length in bytes, and, padded to words, an input's content or an output's content before
//! and after. Buffers stand in the order of the C function's pointers.

use crate::random::Random;
use tinytrain_kernels::reference;
use tinytrain_kernels::{Bias, Scales, Scratch, Update, Weights};
use tinytrain_spec::arith::{self, BIAS_LIMIT, Qas, Real31, Requant};
use tinytrain_spec::kernels::*;
use tinytrain_spec::packed;
use tinytrain_spec::params::*;
use tinytrain_spec::scratch::Room;
use tinytrain_spec::softmax::{self, HeadResult, LogitScale};

const MAGIC: u32 = 0x5343_5454;

/// An operand of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Buffer {
    /// Read only.
    Input(Vec<u8>),
    /// Content before and after.
    Output(Vec<u8>, Vec<u8>),
    /// Scratch of this many bytes.
    Scratch(u32),
}

impl Buffer {
    fn bytes(&self) -> usize {
        match self {
            Self::Input(v) | Self::Output(v, _) => v.len(),
            Self::Scratch(n) => *n as usize,
        }
    }
}

/// The values that a step gives anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    lr: Real31,
    k: i32,
    step: u32,
    seed: u64,
    label: i32,
}

/// One call of a kernel.
#[derive(Clone, Debug)]
pub struct Case {
    /// The kernel, its parameters and operands.
    pub call: Call<Buffer>,
    /// The values that the step gives.
    pub given: Given,
    /// The kernel's return value; 0 for none.
    pub count: u32,
    /// The result that it writes through its last pointer, if it does.
    pub result: Option<HeadResult>,
}

fn bytes<T: Scalar + IntoBytes>(v: &[T]) -> Vec<u8> {
    v.iter().flat_map(|x| x.into_bytes()).collect()
}

/// Little-endian bytes of an element.
trait IntoBytes {
    fn into_bytes(self) -> Vec<u8>;
}

macro_rules! into_bytes {
    ($($t:ty),*) => { $(impl IntoBytes for $t { fn into_bytes(self) -> Vec<u8> { self.to_le_bytes().to_vec() } })* };
}
into_bytes!(i8, u8, i16, u16, i32, u32, i64);

/// An operand that is read.
fn input<T: Scalar + IntoBytes>(v: &[T]) -> Buffer {
    Buffer::Input(bytes(v))
}

/// The same, absent where it is empty.
fn optional<T: Scalar + IntoBytes>(v: &[T]) -> Option<Buffer> {
    (!v.is_empty()).then(|| input(v))
}

/// An operand that the kernel writes as a whole.
fn output<T: Scalar + IntoBytes>(after: &[T]) -> Buffer {
    let after = bytes(after);
    Buffer::Output(vec![0x5a; after.len()], after)
}

/// An operand that the kernel changes.
fn changed<T: Scalar + IntoBytes>(before: &[T], after: &[T]) -> Buffer {
    Buffer::Output(bytes(before), bytes(after))
}

/// The most scratch of a case in bytes.
const MOST_SCRATCH: u32 = 1 << 16;

impl Case {
    /// A case; the kernel's scratch is added: the least that it takes, the most, or something between. Panics where an operand has another length than the table says.
    fn new(mut call: Call<Buffer>) -> Self {
        let mut r = Random::new(call.kernel() as u32);
        call.params(&mut |_, value| value.words(&mut |word| r.mix(word)));
        call.set_scratch(&mut |Room { least, most }| {
            let most = most.min(MOST_SCRATCH).max(least);
            let some = r.int(least as i32, most as i32) as u32;
            Buffer::Scratch(r.of(&[least, most, some]))
        });
        call.check().unwrap_or_else(|what| panic!("{:?}: {what}", call.kernel()));
        let kernel = call.kernel();
        call.operands(&mut |spec, operand, length| {
            let Some(buffer) = operand else { return assert!(spec.optional) };
            let wanted = length.elements as usize * spec.element.bytes() as usize;
            let good = if length.exact { buffer.bytes() == wanted } else { buffer.bytes() >= wanted };
            assert!(good, "{kernel:?}: {} has {} bytes, the table says {wanted}", spec.name, buffer.bytes());
        });
        Self { call, given: Given::default(), count: 0, result: None }
    }

    fn count(self, count: u32) -> Self {
        Self { count, ..self }
    }

    fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }

    fn result(self, result: HeadResult) -> Self {
        Self { result: Some(result), ..self }
    }

    fn scalars(&self) -> Vec<u32> {
        let Given { lr, k, step, seed, label } = self.given;
        let lr = [lr.m, lr.e as u32];
        let mut words = Vec::new();
        self.call.params(&mut |spec, value| {
            value.words(&mut |word| words.push(word));
            match spec.kind {
                ParamKind::Update(_) => {
                    words.extend(lr);
                    words.extend([k as u32, step, seed as u32, (seed >> 32) as u32]);
                }
                ParamKind::Given(GivenValue::HeadRate) => words.extend(lr),
                ParamKind::Given(GivenValue::ErrorShift) => words.push(k as u32),
                ParamKind::Given(GivenValue::Label) => words.push(label as u32),
                _ => {}
            }
        });
        words
    }

    fn buffers(&self) -> Vec<Option<Buffer>> {
        let mut buffers = Vec::new();
        self.call.operands(&mut |_, operand, _| buffers.push(operand.cloned()));
        let result = self.result.map(|r| output(&[r.predicted as i32, r.loss, r.k, r.any as i32]));
        buffers.extend(result.map(Some));
        buffers
    }
}

/// The file.
pub fn to_file(cases: &[Case]) -> Vec<u8> {
    fn padded(to: &mut Vec<u8>, v: &[u8]) {
        to.extend(v);
        to.resize(to.len().next_multiple_of(4), 0);
    }
    let place = |k: Kernel| Kernel::ALL.iter().position(|&other| other == k).expect("a kernel of the table") as u32;
    let mut to = bytes(&[MAGIC, Kernel::ALL.len() as u32, cases.len() as u32]);
    for c in cases {
        let (scalars, buffers) = (c.scalars(), c.buffers());
        to.extend(bytes(&[place(c.call.kernel()), scalars.len() as u32]));
        to.extend(bytes(&scalars));
        to.extend(bytes(&[buffers.len() as u32, c.count]));
        for b in &buffers {
            let kind = match b {
                None => 0,
                Some(Buffer::Input(_)) => 1,
                Some(Buffer::Output(..)) => 2,
                Some(Buffer::Scratch(_)) => 3,
            };
            to.extend(bytes(&[kind, b.as_ref().map_or(0, Buffer::bytes) as u32]));
            match b {
                Some(Buffer::Input(v)) => padded(&mut to, v),
                Some(Buffer::Output(before, after)) => {
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
            let l = ConvCase::random(&mut r, depthwise, i);
            cases.push(l.forward(&mut r, &mut s));
            cases.push(l.input_grad(&mut r, &mut s));
            if !l.channels.is_empty() {
                cases.push(l.weight_step(&mut r, &mut s));
            }
        }
    }
    for i in 0..200 {
        let mut r = Random::new(2000 + i);
        let l = ConvCase::pointwise(&mut r, i);
        let forward = l.forward(&mut r, &mut s);
        cases.extend(l.packed(&forward));
        cases.extend(l.wide(&forward));
        cases.extend(l.packed_input_grad(&mut r, &mut s));
    }
    for i in 0..100 {
        let mut r = Random::new(4000 + i);
        let l = ConvCase::window(&mut r);
        let forward = l.forward(&mut r, &mut s);
        cases.extend(l.window_forward(&forward));
    }
    for i in 0..240 {
        let mut r = Random::new(3000 + i);
        let l = ConvCase::square(&mut r, i);
        let forward = l.forward(&mut r, &mut s);
        cases.extend(l.square_forward(&forward));
        cases.extend(l.square_input_grad(&mut r, &mut s));
    }
    for i in 0..40 {
        let mut r = Random::new(1000 + i);
        cases.push(bias_step(&mut r));
        cases.push(add(&mut r));
        cases.push(requantize(&mut r));
        cases.extend(pools(&mut r));
        cases.push(mean(&mut r));
        cases.push(softmax_int8(&mut r));
        cases.extend(lookup(&mut r));
        cases.extend(mul(&mut r));
        cases.extend(resize(&mut r));
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
struct ConvCase {
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

impl ConvCase {
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
        let frozen = r.bytes((each * (all - t)) as usize);
        let trained = r.bytes((each * t) as usize);
        Self { p, depthwise, frozen, trained, channels }
    }

    /// One that its packed and wide kernels take, more or less often.
    fn pointwise(r: &mut Random, i: u32) -> Self {
        let mut l = Self::random(r, false, 1);
        let p = &mut l.p;
        let (h, w) = r.of(&[(4, 4), (1, 4), (2, 3), (8, 8), (1, 13), (7, 5)]);
        (p.in_h, p.in_w, p.out_h, p.out_w) = (h, w, h, w);
        (p.kh, p.kw, p.stride_h, p.stride_w, p.pad_top, p.pad_left) = (1, 1, 1, 1, 0, 0);
        p.in_c = match i % 10 {
            0 => r.int(200, 300),
            n if n % 2 == 1 => r.int(1, 70),
            _ => 4 * r.int(1, 18),
        };
        p.out_c = if r.one_in(2) { 2 * r.int(1, 14) } else { 8 * r.int(1, 5) };
        (p.lo, p.hi) = (-128, 127);
        l.channels = r.channels(p.in_c);
        p.trained = l.channels.len() as i32;
        let (frozen, trained) = (p.out_c * (p.in_c - p.trained), p.out_c * p.trained);
        (l.frozen, l.trained) = (r.bytes(frozen as usize), r.bytes(trained as usize));
        // Packed weights hold no -128, wide ones do.
        if !r.one_in(4) {
            l.frozen.iter_mut().chain(&mut l.trained).for_each(|w| *w = (*w).max(-127));
        }
        l
    }

    /// One that the kernels for square depthwise convolutions take, more or less often.
    fn square(r: &mut Random, i: u32) -> Self {
        let mut l = Self::random(r, true, 1);
        let p = &mut l.p;
        let (k, stride) = (r.of(&[3, 5, 7]), r.of(&[1, 2]));
        let pad = |r: &mut Random| if r.one_in(3) { r.int(0, k - 1) } else { k / 2 };
        (p.pad_top, p.pad_left) = (pad(r), pad(r));
        (p.kh, p.kw, p.stride_h, p.stride_w) = (k, k, stride, stride);
        let axis = |r: &mut Random, pad: i32| {
            // Rows of a larger picture: any number of outputs of which each window holds an input.
            let input = if r.one_in(3) { r.int(1, 13) } else { 4 * r.int(1, 4) };
            let most = (input - 1 + pad) / stride + 1;
            let whole = if stride == 2 && input % 2 == 0 { (input / 2).min(most) } else { input.min(most) };
            (input, if r.one_in(4) { r.int(1, most) } else { whole })
        };
        (p.in_h, p.out_h) = axis(r, p.pad_top);
        (p.in_w, p.out_w) = axis(r, p.pad_left);
        let c = if i.is_multiple_of(4) { 4 * r.int(1, 5) } else { 8 * r.int(1, 3) };
        (p.in_c, p.out_c, p.lo, p.hi) = (c, c, -128, 127);
        l.channels = if r.one_in(4) { (0..c as u16).collect() } else { Vec::new() };
        p.trained = l.channels.len() as i32;
        let weights = r.bytes((k * k * c) as usize);
        (l.frozen, l.trained) = if p.trained > 0 { (Vec::new(), weights) } else { (weights, Vec::new()) };
        l
    }

    /// One that the kernel for windows takes, more or less often.
    fn window(r: &mut Random) -> Self {
        let mut l = Self::random(r, false, 2);
        let p = &mut l.p;
        let usual = r.one_in(3);
        p.in_c = if usual { 3 } else { r.int(1, 6) };
        p.stride_w = if usual || p.in_c % 2 == 1 { 2 } else { p.stride_w };
        (p.kh, p.kw) = if usual { (3, 3) } else { (r.int(1, 4), r.int(1, 4)) };
        (p.in_h, p.in_w) = (r.int(1, 9), r.int(4, 20));
        (p.pad_top, p.pad_left) = (r.int(0, p.kh - 1), r.int(0, p.kw - 1));
        p.out_h = r.int(1, (p.in_h - 1 + p.pad_top) / p.stride_h + 1);
        p.out_w = (p.in_w - 1 + p.pad_left) / p.stride_w + 1;
        (p.out_c, p.lo, p.hi, p.trained) = (2 * r.int(1, 9), -128, 127, 0);
        l.frozen = r.bytes((p.out_c * p.kh * p.kw * p.in_c) as usize);
        (l.trained, l.channels) = (Vec::new(), Vec::new());
        l
    }

    fn window_forward(&self, forward: &Case) -> Option<Case> {
        let Call::Conv(Conv { p, x, bias, offset, m, shift: None, y, .. }) = forward.call.clone() else { return None };
        let wide = input(&packed::window(&self.frozen, p.kh as usize, (p.kw * p.in_c) as usize));
        let call = Call::Window(Window { p, x, wide, bias, offset, m, y, scratch: None });
        call.check().is_ok().then(|| Case::new(call))
    }

    fn square_forward(&self, forward: &Case) -> Option<Case> {
        let Call::Depthwise(Conv { p, x, frozen, trained, bias, offset, m, shift: None, y, mask, .. }) =
            forward.call.clone()
        else {
            return None;
        };
        let call = DepthwiseSquare { p, x, frozen, trained, bias, offset, m, y, mask, scratch: None };
        let call = Call::DepthwiseSquare(call);
        call.check().is_ok().then(|| Case::new(call))
    }

    fn square_input_grad(&self, r: &mut Random, s: &mut Scratch) -> Option<Case> {
        let case = self.input_grad(r, s);
        let Call::DepthwiseInputGrad(c) = case.call.clone() else { return None };
        let ConvInputGrad { p, shift, g, frozen, trained, gx, .. } = c;
        let call = DepthwiseSquareInputGrad { p, shift, g, frozen, trained, gx, scratch: None };
        let call = Call::DepthwiseSquareInputGrad(call);
        call.check().is_ok().then(|| Case::new(call).count(case.count))
    }

    /// All rows of the weights of a pointwise convolution, with zeros for trained ones.
    fn whole(&self) -> Vec<i8> {
        let (k, mut frozen) = (self.p.in_c as usize, self.frozen.iter());
        let trained = |i: usize| self.channels.binary_search(&((i % k) as u16)).is_ok();
        let all = 0..k * self.p.out_c as usize;
        all.map(|i| if trained(i) { 0 } else { *frozen.next().expect("a weight") }).collect()
    }

    fn fits(&self) -> bool {
        !self.trained.contains(&-128)
            && packed::fits(&self.whole(), self.p.in_c as usize, self.p.trained, self.p.x_zero)
    }

    fn packed_words(&self) -> Option<Buffer> {
        let words = packed::pack(&self.whole(), self.p.in_c as usize);
        (self.p.trained < self.p.in_c).then(|| input(&words))
    }

    /// The same over packed weights.
    fn packed(&self, forward: &Case) -> Option<Case> {
        let Call::Conv(Conv { p, x, trained, channels, bias, offset, m, shift: None, y, mask, .. }) =
            forward.call.clone()
        else {
            return None;
        };
        let packed = self.packed_words();
        let call =
            Call::Pointwise(Pointwise { p, x, packed, trained, channels, bias, offset, m, y, mask, scratch: None });
        (call.check().is_ok() && self.fits()).then(|| Case::new(call))
    }

    /// The same over wide weights.
    fn wide(&self, forward: &Case) -> Option<Case> {
        let Call::Conv(Conv { p, x, bias, offset, m, shift: None, y, .. }) = forward.call.clone() else {
            return None;
        };
        let wide = input(&packed::widen(&self.whole(), p.in_c as usize));
        let call = Call::PointwiseWide(PointwiseWide { p, x, wide, bias, offset, m, y, scratch: None });
        call.check().is_ok().then(|| Case::new(call))
    }

    fn packed_input_grad(&self, r: &mut Random, s: &mut Scratch) -> Option<Case> {
        let case = self.input_grad(r, s);
        let Call::ConvInputGrad(ConvInputGrad { p, shift, g, trained, channels, gx, .. }) = case.call.clone() else {
            return None;
        };
        let packed = self.packed_words();
        let call = PointwiseInputGrad { p, shift, g, packed, trained, channels, gx, scratch: None };
        let call = Call::PointwiseInputGrad(call);
        (call.check().is_ok() && self.fits()).then(|| Case::new(call).count(case.count))
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
        let run = if self.depthwise { reference::depthwise } else { reference::conv };
        run(p, &x, self.weights(), b, scales, &mut y, mask.as_deref_mut(), s);
        let call = Conv {
            p: *p,
            x: input(&x),
            frozen: optional(&self.frozen),
            trained: optional(&self.trained),
            channels: optional(self.list(r)),
            bias: input(&base),
            offset: optional(&offset),
            m: input(&m),
            shift: optional(&shift),
            y: output(&y),
            mask: mask.as_deref().map(output),
            scratch: None,
        };
        Case::new(if self.depthwise { Call::Depthwise(call) } else { Call::Conv(call) })
    }

    fn input_grad(&self, r: &mut Random, s: &mut Scratch) -> Case {
        let p = &self.p;
        let g = r.bytes(self.outputs());
        let shift = match r.int(0, 5) {
            0 => r.of(&[-100, -30, -9, -8, -1, 0, 1, 2, 31, 32, 33, 62, 63, 100]),
            _ => r.int(3, 14),
        };
        let mut gx = vec![0; self.inputs()];
        let run = if self.depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
        let count = run(p, shift, &g, self.weights(), &mut gx, s);
        let call = ConvInputGrad {
            p: *p,
            shift,
            g: input(&g),
            frozen: optional(&self.frozen),
            trained: optional(&self.trained),
            channels: optional(self.list(r)),
            gx: output(&gx),
            scratch: None,
        };
        Case::new(if self.depthwise { Call::DepthwiseInputGrad(call) } else { Call::ConvInputGrad(call) }).count(count)
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
            // A model may bring -128, which no update leaves.
            let (high, low) = if r.one_in(9) { (-128, 0) } else { (high, low) };
            q[i] = high;
            arith::residual_set(&mut lo, i, bits, low);
        }
        let (before, lo_before) = (q.clone(), lo.clone());
        let run = if self.depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
        run(p, &u, &g, &x, &self.channels, &qas, &mut q, &mut lo, s);
        let call = ConvWeightStep {
            p: *p,
            u: *u.params,
            g: input(&g),
            x: input(&x),
            channels: optional(self.list(r)),
            qas: input(&qas),
            q: changed(&before, &q),
            lo: (!lo.is_empty()).then(|| changed(&lo_before, &lo)),
            scratch: None,
        };
        Case::new(if self.depthwise { Call::DepthwiseWeightStep(call) } else { Call::ConvWeightStep(call) })
            .given(given(&u))
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

fn given(u: &Update) -> Given {
    Given { lr: u.lr, k: u.k, step: u.step, seed: u.seed, label: 0 }
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
    let call = BiasStep {
        pixels,
        channels,
        u: *u.params,
        layer,
        g: input(&g),
        qas: input(&qas),
        base: input(&base),
        offset: changed(&offset, &after),
    };
    Case::new(Call::BiasStep(call)).given(given(&u))
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
    Case::new(Call::Add(Add { p, a: input(&a), b: input(&b), y: output(&y), mask: mask.as_deref().map(output) }))
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
    Case::new(Call::Requantize(Requantize { p, x: input(&x), y: output(&y), mask: mask.as_deref().map(output) }))
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
    let average =
        Case::new(Call::AveragePool(AveragePool { p, x: input(&x), y: output(&y), mask: mask.as_deref().map(output) }));
    let n = reference::average_pool_grad(&p, &g, given.as_deref(), &mut gx);
    let call = AveragePoolGrad { p, g: input(&g), mask: given.as_deref().map(input), gx: output(&gx) };
    let average_grad = Case::new(Call::AveragePoolGrad(call)).count(n);
    reference::max_pool(&p, &x, &mut y, mask.as_deref_mut());
    let max = Case::new(Call::MaxPool(MaxPool { p, x: input(&x), y: output(&y), mask: mask.as_deref().map(output) }));
    let p = PoolParams { shift: if r.one_in(2) { 0 } else { shift - 14 }, ..p };
    let n = reference::max_pool_grad(&p, &x, &g, given.as_deref(), &mut gx);
    let call = MaxPoolGrad { p, x: input(&x), g: input(&g), mask: given.as_deref().map(input), gx: output(&gx) };
    let max_grad = Case::new(Call::MaxPoolGrad(call)).count(n);
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
    Case::new(Call::Mean(Mean { p, x: input(&x), y: output(&y), mask: mask.as_deref().map(output) }))
}

fn softmax_int8(r: &mut Random) -> Case {
    let (rows, n) = (r.int(1, 3), r.int(1, 30));
    let scale = LogitScale::from_unit(r.real(-9.0, 7.0)).unwrap();
    let p = SoftmaxParams { rows, n, cap: scale.cap as i32, m: scale.m as i32, s: scale.s };
    let (x, mut y) = (r.bytes((rows * n) as usize), vec![0; (rows * n) as usize]);
    reference::softmax(&p, &x, &mut y);
    Case::new(Call::Softmax(Softmax { p, x: input(&x), y: output(&y) }))
}

fn lookup(r: &mut Random) -> [Case; 2] {
    let n = r.int(1, 300);
    let s = if r.one_in(4) { r.of(&[-40, 0, 1, 31, 32, 33, 62, 63, 90]) } else { r.int(12, 34) };
    let p = LookupParams { n, s };
    let (x, g, table) = (r.bytes(n as usize), r.bytes(n as usize), r.bytes(256));
    let slope: Vec<i32> = (0..256).map(|_| (r.bits() as i32) >> r.int(0, 24)).collect();
    let (mut y, mut gx) = (x.clone(), g.clone());
    reference::lookup(&p, &table, &mut y);
    let forward = Case::new(Call::Lookup(Lookup { p, x: input(&x), table: input(&table), y: output(&y) }));
    let count = reference::lookup_grad(&p, &x, &slope, &mut gx);
    let call = LookupGrad { p, g: input(&g), x: input(&x), slope: input(&slope), gx: output(&gx) };
    [forward, Case::new(Call::LookupGrad(call)).count(count)]
}

fn mul(r: &mut Random) -> [Case; 3] {
    let (c, rows) = (r.int(1, 70), r.of(&[1, 1, 2, 9, 25]));
    let (lo, hi) = bounds(r);
    let s = if r.one_in(4) { r.of(&[-40, 0, 1, 31, 32, 62, 63, 90]) } else { r.int(20, 44) };
    let left = if r.one_in(4) { r.int(1, 31) } else { 0 };
    let m = (r.bits() as i32 & i32::MAX) >> r.int(0, 12);
    let p = MulParams { n: c * rows, c, a_zero: zero(r), b_zero: zero(r), y_zero: zero(r), m, left, lo, hi, s };
    let (n, c) = (p.n as usize, c as usize);
    let (a, b, g) = (r.bytes(n), r.bytes(c), r.bytes(n));
    let (mut y, mut mask) = (vec![0; n], vec![0; n.div_ceil(8)]);
    let masked = r.one_in(2);
    reference::mul(&p, &a, &b, &mut y, masked.then_some(&mut mask));
    let forward = Mul { p, a: input(&a), b: input(&b), y: output(&y), mask: masked.then(|| output(&mask)) };
    let given = masked.then_some(&mask[..]);
    let mut ga = g.clone();
    let to_a = reference::mul_grad(&p, given, &b, &mut ga);
    let grad = MulGrad { p, g: input(&g), mask: given.map(input), b: input(&b), gx: output(&ga) };
    let mut gb = vec![0; c];
    let to_b = reference::mul_sum(&p, &g, given, &a, &mut gb);
    let sum = MulSum { p, g: input(&g), mask: given.map(input), a: input(&a), gx: output(&gb) };
    [
        Case::new(Call::Mul(forward)),
        Case::new(Call::MulGrad(grad)).count(to_a),
        Case::new(Call::MulSum(sum)).count(to_b),
    ]
}

fn resize(r: &mut Random) -> [Case; 2] {
    let (c, flags) = (r.int(1, 20), r.of(&[(false, false), (true, false), (false, true)]));
    let any = r.one_in(4);
    let axis = |r: &mut Random| {
        let (inputs, outputs) = (r.int(1, 9), r.int(1, 14));
        let litert = ResizeAxis::litert(inputs, outputs, flags.0, flags.1);
        if any { ResizeAxis { step: r.int(0, 5000), first: r.int(-3000, 3000), ..litert } } else { litert }
    };
    let (v, h) = (axis(r), axis(r));
    let shift = if r.one_in(4) { r.of(&[-40, 0, 1, 33, 62, 63, 90]) } else { r.int(16, 24) };
    let p = ResizeParams {
        in_h: v.inputs,
        in_w: h.inputs,
        c,
        out_h: v.outputs,
        out_w: h.outputs,
        step_h: v.step,
        step_w: h.step,
        first_h: v.first,
        first_w: h.first,
        shift,
    };
    let (x, g) = (r.bytes(p.inputs() as usize), r.bytes(p.outputs() as usize));
    let (mut y, mut gx) = (vec![0; g.len()], vec![0; x.len()]);
    reference::resize_bilinear(&p, &x, &mut y);
    let forward = Case::new(Call::ResizeBilinear(ResizeBilinear { p, x: input(&x), y: output(&y) }));
    let count = reference::resize_bilinear_grad(&p, &g, &mut gx);
    let call = ResizeBilinearGrad { p, g: input(&g), gx: output(&gx) };
    [forward, Case::new(Call::ResizeBilinearGrad(call)).count(count)]
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
    Case::new(Call::CopyBox(CopyBox { p, src: input(&src), dst: changed(&before, &dst) })).count(n)
}

fn fill(r: &mut Random) -> Case {
    let p = FillParams { n: r.int(1, 60), value: r.int(-128, 127) };
    let mut dst = vec![0; p.n as usize];
    reference::fill(&p, &mut dst);
    Case::new(Call::Fill(Fill { p, dst: output(&dst) }))
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
    let call = HeadLogits { p, x: input(&x), w: input(&w), bias: input(&bias), logits: output(&logits) };
    let mut cases = vec![Case::new(Call::HeadLogits(call))];

    if r.one_in(4) {
        logits.iter_mut().for_each(|l| *l = r.range(-1 << 45, 1 << 45) >> r.int(0, 40));
    }
    if r.one_in(6) {
        let first = logits[0];
        logits.fill(first);
    }
    let largest = r.of(&[-12.0, -12.0, -12.0, 16.0]);
    let scale = LogitScale::from_unit(r.real(-30.0, largest)).unwrap();
    let mut scores = logits.clone();
    let h = softmax::softmax(&mut scores, scale);
    let call = SoftmaxScores { classes, scale, logits: changed(&logits, &scores) };
    cases.push(Case::new(Call::SoftmaxScores(call)).result(h));
    let label = r.int(0, classes - 1);
    let (mut scores, mut e) = (logits.clone(), vec![0i16; c]);
    let h = softmax::head_error(&mut scores, scale, label as usize, &mut e);
    let call = HeadError { classes, scale, label: Label, logits: changed(&logits, &scores), e: output(&e) };
    cases.push(Case::new(Call::HeadError(call)).given(Given { label, ..Given::default() }).result(h));

    if r.one_in(3) {
        e.iter_mut().for_each(|e| *e = r.of(&[-32768, 32767, 0, 16384]));
    }
    let mut gx = vec![0i8; f];
    let n = reference::head_input_grad(&p, &w, &e, &mut gx);
    let call = HeadInputGrad { p, w: input(&w), e: input(&e), gx: output(&gx) };
    cases.push(Case::new(Call::HeadInputGrad(call)).count(n));

    let lr = Real31::from_f64(r.real(-16.0, 4.0));
    let (qw, qb) = (Real31::from_f64(r.real(4.0, 14.0)), Real31::from_f64(r.real(10.0, 24.0)));
    let k = if h.any { h.k } else { r.int(14, 45) };
    let (mut w_after, mut bias_after) = (w.clone(), bias.clone());
    reference::head_update(&p, lr, qw, qb, k, &x, &e, &mut w_after, &mut bias_after);
    let call = HeadUpdate {
        p,
        lr: HeadRate,
        k: ErrorShift,
        weight_q: qw,
        bias_q: qb,
        x: input(&x),
        e: input(&e),
        w: changed(&w, &w_after),
        bias: changed(&bias, &bias_after),
    };
    cases.push(Case::new(Call::HeadUpdate(call)).given(Given { lr, k, ..Given::default() }));
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
    let mask = mask.as_deref().map(input);
    let call = GradScale { p, g: input(&g), mask, m: optional(&m), shift: optional(&shift), gx: output(&gx) };
    Case::new(Call::GradScale(call)).count(count)
}

fn grad_repeat(r: &mut Random) -> Case {
    let (n, repeat) = (r.int(1, 40), r.int(1, 9));
    let p = GradScaleParams { n, channels: n, m: r.int(0, i32::MAX), s: r.int(24, 40), repeat };
    let (g, mask) = (r.bytes(n as usize), r.mask(n as usize));
    let mut gx = vec![0; (n * repeat) as usize];
    let count = reference::grad_repeat(&p, mask.as_deref(), &g, &mut gx);
    let mask = mask.as_deref().map(input);
    let call = GradRepeat { p, g: input(&g), mask, m: None, shift: None, gx: output(&gx) };
    Case::new(Call::GradRepeat(call)).count(count)
}

fn sum(r: &mut Random) -> Case {
    let p = SumParams { n: r.int(1, 90) };
    let (a, b) = (r.bytes(p.n as usize), r.bytes(p.n as usize));
    let mut gx = a.clone();
    let count = reference::sum(&mut gx, &b);
    Case::new(Call::Sum(Sum { p, a: input(&a), b: input(&b), gx: output(&gx) })).count(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all cases of a kernel, how many do what the test asks.
    fn share(cases: &[Case], kernel: Kernel, test: impl Fn(&Case) -> bool) -> f64 {
        let of: Vec<&Case> = cases.iter().filter(|c| c.call.kernel() == kernel).collect();
        assert!(of.len() >= 40, "{kernel:?}");
        of.iter().filter(|c| test(c)).count() as f64 / of.len() as f64
    }

    fn varied(v: &[u8]) -> bool {
        v.iter().any(|b| *b != v[0])
    }

    #[test]
    fn no_kernel_is_without_cases() {
        let cases = suite();
        for &kernel in Kernel::ALL {
            assert!(cases.iter().filter(|c| c.call.kernel() == kernel).count() >= 40, "{kernel:?}");
        }
    }

    #[test]
    fn cases_exercise_what_they_name() {
        let cases = suite();
        for kernel in [
            Kernel::Conv,
            Kernel::Depthwise,
            Kernel::Pointwise,
            Kernel::PointwiseWide,
            Kernel::Window,
            Kernel::DepthwiseSquare,
            Kernel::Add,
            Kernel::AveragePool,
            Kernel::MaxPool,
            Kernel::Requantize,
            Kernel::Mean,
        ] {
            let some = share(&cases, kernel, |c| {
                c.buffers().iter().any(|b| matches!(b, Some(Buffer::Output(_, after)) if varied(after)))
            });
            assert!(some > 0.5, "{kernel:?}: outputs vary in {some}");
        }
        for kernel in [
            Kernel::ConvInputGrad,
            Kernel::DepthwiseInputGrad,
            Kernel::PointwiseInputGrad,
            Kernel::DepthwiseSquareInputGrad,
            Kernel::AveragePoolGrad,
            Kernel::MaxPoolGrad,
            Kernel::GradScale,
            Kernel::Sum,
        ] {
            let some = share(&cases, kernel, |c| c.count > 0);
            assert!((0.1..0.99).contains(&some), "{kernel:?}: {some} saturate");
        }
        for kernel in [Kernel::ConvWeightStep, Kernel::DepthwiseWeightStep, Kernel::BiasStep, Kernel::HeadUpdate] {
            let some = share(&cases, kernel, |c| {
                c.buffers().iter().any(|b| matches!(b, Some(Buffer::Output(was, is)) if was != is))
            });
            assert!(some > 0.5, "{kernel:?}: {some} change anything");
        }
    }
}
