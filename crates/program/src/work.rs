//! The work of a step, for a table of costs: a kernel's instructions are close to linear in four terms: one for the call, the elements it brings into
//! order first, the elements it yields, and the products it sums up. How much each takes depends on which of a kernel's loops run: a *kind* names them.

use serde::Serialize;
use tinytrain_spec::kernels::{Call, Kernel};
use tinytrain_spec::params::{AddParams, ConvParams, PoolParams, ResizeAxis, ResizeParams};
use tinytrain_spec::scratch::{PIXELS, Room, weight_step_rows};

use crate::{Data, Operand, Program, Step};

/// The work of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// Which loops run: one of [`kinds`].
    pub kind: String,
    /// Calls, elements brought into order, elements yielded, products.
    pub terms: [f64; TERMS],
}

/// Terms of a kernel's cost.
pub const TERMS: usize = 4;
/// The kind of the work of a training step beside the steps of its Program: checks, counters and the seal of the state.
pub const REST: &str = "rest of a step";

const SHAPES: &[&str] = &["window", "pointwise"];
const PARTS: &[&str] = &["whole", "split"];
const STRIDES: &[&str] = &["dense", "strided"];
const OUTPUTS: &[&str] = &["plain", "masked", "single"];
const KERNELS: &[&str] = &["3x3", "wider"];
const MASKS: &[&str] = &["plain", "masked"];
const FACTORS: &[&str] = &["one factor", "by channel", "shifted"];
const RUNS: &[&str] = &["other runs", "runs of five"];
const SUMS: &[&str] = &["usual", "clamped", "far scales"];
const PIXEL_COUNTS: &[&str] = &["few pixels", "many pixels"];
const BITS: &[&str] = &["0 bits", "2 bits", "4 bits", "8 bits"];
const SHIFTS: &[&str] = &["plain", "shifted"];

/// The choices that tell the loops of a kernel apart; the first value of each is the plainest.
fn variants(kernel: Kernel) -> &'static [&'static [&'static str]] {
    match kernel {
        Kernel::Conv => &[SHAPES, PARTS, OUTPUTS],
        Kernel::Pointwise => &[PARTS, MASKS],
        Kernel::Window => &[RUNS],
        Kernel::PointwiseInputGrad => &[PARTS],
        Kernel::DepthwiseSquare => &[STRIDES, KERNELS, MASKS],
        Kernel::DepthwiseSquareInputGrad => &[STRIDES, KERNELS],
        Kernel::Depthwise => &[STRIDES, OUTPUTS],
        Kernel::ConvInputGrad => &[SHAPES, PARTS],
        Kernel::DepthwiseInputGrad => &[STRIDES],
        Kernel::ConvWeightStep => &[SHAPES, PIXEL_COUNTS, BITS],
        Kernel::DepthwiseWeightStep => &[BITS],
        Kernel::GradScale => &[FACTORS, MASKS],
        Kernel::CopyBox => &[SHIFTS],
        Kernel::Add => &[SUMS, MASKS],
        Kernel::Requantize | Kernel::AveragePool | Kernel::MaxPool | Kernel::Mean | Kernel::Mul => &[MASKS],
        _ => &[],
    }
}

fn named(kernel: Kernel, chosen: &[&str]) -> String {
    let mut kind = kernel.spec().name.to_string();
    for choice in chosen {
        kind += ", ";
        kind += choice;
    }
    kind
}

/// All kinds of work, those of all kernels and [`REST`]: what a complete table of costs has.
pub fn kinds() -> Vec<String> {
    let of = |&kernel: &Kernel| {
        let combine = |found: Vec<Vec<&'static str>>, choices: &&'static [&'static str]| {
            found.iter().flat_map(|f| choices.iter().map(move |c| [f.as_slice(), &[*c]].concat())).collect()
        };
        let all = variants(kernel).iter().fold(vec![Vec::new()], combine);
        all.into_iter().map(move |chosen| named(kernel, &chosen)).collect::<Vec<_>>()
    };
    Kernel::ALL.iter().flat_map(of).chain([REST.to_string()]).collect()
}

impl Program {
    /// The work of a training step beside its steps: the trainable state is checked and sealed, word by word.
    pub fn rest(&self) -> Work {
        Work { kind: REST.into(), terms: [1.0, f64::from(self.state_bytes / 4), 0.0, 0.0] }
    }

    /// The work of each step.
    pub fn work(&self) -> Vec<Work> {
        self.steps.iter().map(|s| s.work(self, true)).collect()
    }

    /// The work of a prediction: the forward pass without its masks and what else only training needs (but in [`Program::fed`]), and the probabilities in place of the
    /// head's error.
    pub fn inference_work(&self) -> Vec<Work> {
        let classes = |s: &Step| match &s.call {
            Call::HeadError(c) => c.classes,
            _ => 0,
        };
        let scores = |classes: i32| {
            let kind = named(Kernel::SoftmaxScores, &[]);
            Work { kind, terms: [1.0, 0.0, classes.into(), 0.0] }
        };
        let (error, forward) = self.steps[..self.forward].split_last().expect("a Program has a head");
        let fed = self.fed();
        let needed = forward.iter().enumerate().filter(|&(i, _)| fed.contains(&i) || !self.is_for_training(i));
        needed.map(|(i, s)| s.work(self, fed.contains(&i))).chain([scores(classes(error))]).collect()
    }

    /// How many of the numbers of a constant are not 0: channels that can learn; the others are passed over.
    fn alive(&self, operand: Operand, of: i32) -> i64 {
        match operand {
            Operand::Constant(i) => match self.consts.get(i).map(|c| &c.data) {
                Some(Data::U32(v)) => v.iter().filter(|&&x| x != 0).count() as i64,
                _ => of.into(),
            },
            Operand::Memory(_) => of.into(),
        }
    }
}

impl Step {
    /// Its work, with the masks that training needs or without.
    fn work(&self, program: &Program, masks: bool) -> Work {
        let has_mask = |mask: &Option<Operand>| masks && mask.is_some();
        let masked = |mask: &Option<Operand>| MASKS[usize::from(has_mask(mask))];
        let room = self.call.scratch().and_then(|o| o.slot()).map_or(0, |s| s.bytes);
        let blocks = || blocks(self.call.room(), room);
        let n = |size: i32| i64::from(size);
        let (chosen, [inputs, outputs, products]): (Vec<&str>, [i64; 3]) = match &self.call {
            Call::Conv(c) => conv(&c.p, c.shift.is_some(), has_mask(&c.mask)),
            Call::Depthwise(c) => depthwise(&c.p, c.shift.is_some(), has_mask(&c.mask)),
            Call::ConvInputGrad(c) => conv_input_grad(&c.p),
            Call::DepthwiseInputGrad(c) => depthwise_input_grad(&c.p),
            Call::ConvWeightStep(c) => {
                conv_weight_step(&c.p, c.u.bits, program.alive(c.qas, c.p.out_c), weight_step_rows(&c.p, room).into())
            }
            Call::Pointwise(c) => pointwise(&c.p, blocks(), has_mask(&c.mask)),
            Call::DepthwiseSquare(c) => depthwise_square(&c.p, blocks(), has_mask(&c.mask)),
            Call::DepthwiseSquareInputGrad(c) => depthwise_square_input_grad(&c.p, blocks()),
            Call::Window(c) => row_window(&c.p),
            Call::PointwiseWide(c) => (vec![], pointwise(&c.p, blocks(), false).1),
            Call::PointwiseInputGrad(c) => pointwise_input_grad(&c.p, blocks()),
            Call::DepthwiseWeightStep(c) => depthwise_weight_step(&c.p, c.u.bits, program.alive(c.qas, c.p.out_c)),
            Call::BiasStep(c) => (vec![], [n(c.pixels) * n(c.channels), program.alive(c.qas, c.channels), 0]),
            Call::Add(c) => (vec![sum(&c.p), masked(&c.mask)], [0, n(c.p.n), 0]),
            Call::Requantize(c) => (vec![masked(&c.mask)], [0, n(c.p.n), 0]),
            Call::AveragePool(c) => (vec![masked(&c.mask)], [0, outputs_of(&c.p), window(&c.p)]),
            Call::MaxPool(c) => (vec![masked(&c.mask)], [0, outputs_of(&c.p), window(&c.p)]),
            Call::AveragePoolGrad(c) => (vec![], [0, inputs_of(&c.p), window(&c.p)]),
            Call::MaxPoolGrad(c) => (vec![], [0, inputs_of(&c.p), window(&c.p) * n(c.p.kh) * n(c.p.kw)]),
            Call::Mean(c) => (vec![masked(&c.mask)], [n(c.p.pixels) * n(c.p.c), n(c.p.c), 0]),
            Call::Softmax(c) => (vec![], [0, n(c.p.rows) * n(c.p.n), 0]),
            Call::Lookup(c) => (vec![], [0, n(c.p.n), 0]),
            Call::LookupGrad(c) => (vec![], [0, n(c.p.n), 0]),
            Call::ResizeBilinear(c) => {
                (vec![], [n(c.p.out_h) * n(c.p.out_w), n(c.p.out_h) * n(c.p.out_w) * n(c.p.c), 0])
            }
            Call::ResizeBilinearGrad(c) => {
                let taken = resize_pairs(&c.p);
                (vec![], [n(c.p.in_h) * n(c.p.in_w) + taken, n(c.p.in_h) * n(c.p.in_w) * n(c.p.c), taken * n(c.p.c)])
            }
            Call::Mul(c) => (vec![masked(&c.mask)], [0, n(c.p.n), 0]),
            Call::MulGrad(c) => (vec![], [0, n(c.p.n), 0]),
            Call::MulSum(c) => (vec![], [n(c.p.n), n(c.p.c), 0]),
            Call::CopyBox(c) => {
                let p = &c.p;
                (vec![SHIFTS[usize::from(p.shift != 0)]], [n(p.h) * n(p.w), n(p.h) * n(p.w) * n(p.c), 0])
            }
            Call::Fill(c) => (vec![], [0, n(c.p.n), 0]),
            Call::HeadLogits(c) => (vec![], [0, n(c.p.classes), n(c.p.classes) * n(c.p.features)]),
            Call::SoftmaxScores(c) => (vec![], [0, n(c.classes), 0]),
            Call::HeadError(c) => (vec![], [0, n(c.classes), 0]),
            Call::HeadInputGrad(c) => (vec![], [0, n(c.p.features), n(c.p.classes) * n(c.p.features)]),
            Call::HeadUpdate(c) => (vec![], [0, n(c.p.classes), n(c.p.classes) * n(c.p.features)]),
            Call::GradScale(c) => {
                let factor = if c.shift.is_some() { 2 } else { usize::from(c.m.is_some()) };
                (vec![FACTORS[factor], masked(&c.mask)], [0, n(c.p.n), 0])
            }
            Call::GradRepeat(c) => (vec![], [n(c.p.n), n(c.p.n) * n(c.p.repeat), 0]),
            Call::Sum(c) => (vec![], [0, n(c.p.n), 0]),
        };
        let kind = named(self.call.kernel(), &chosen);
        Work { kind, terms: [1.0, inputs as f64, outputs as f64, products as f64] }
    }
}

/// Fields of a kernel's parameters as variables of 64 bits, in which no product of them wraps: a tensor has at most 2^26 elements.
macro_rules! wide {
    ($p:ident: $($field:ident),+) => { $(let $field = i64::from($p.$field);)+ };
}

/// The variants of a kernel's loops; elements brought into order, elements yielded, products.
type Amounts = (Vec<&'static str>, [i64; 3]);

/// The loop of a sum: of whole words, with other bounds than those of int8, or in 64 bits where one scale is more than twice the output's.
fn sum(p: &AddParams) -> &'static str {
    let far = p.m1.max(p.m2) > 1 << 21;
    SUMS[if far { 2 } else { usize::from((p.lo, p.hi) != (-128, 127)) }]
}

fn inputs_of(p: &PoolParams) -> i64 {
    wide!(p: in_h, in_w, c);
    in_h * in_w * c
}

fn outputs_of(p: &PoolParams) -> i64 {
    wide!(p: out_h, out_w, c);
    out_h * out_w * c
}

fn window(p: &PoolParams) -> i64 {
    wide!(p: out_h, out_w, c, kh, kw);
    out_h * out_w * c * kh * kw
}

/// Pairs of a pixel of the output and one of the input that has a weight in it.
fn resize_pairs(p: &ResizeParams) -> i64 {
    let of = |a: ResizeAxis| (0..a.outputs).map(|o| 1 + i64::from(a.at(o) % ResizeAxis::ONE != 0)).sum::<i64>();
    let [rows, columns] = p.axes();
    of(rows) * of(columns)
}

/// How a convolution writes its outputs.
fn output(p: &ConvParams, shift: bool, mask: bool) -> &'static str {
    match mask {
        _ if shift => OUTPUTS[2],
        false if p.lo == -128 && p.hi == 127 => OUTPUTS[0],
        true if p.out_c % 8 == 0 => OUTPUTS[1],
        _ => OUTPUTS[2],
    }
}

/// How often a kernel goes over its weights: once for every block of the units that its scratch holds.
fn blocks(room: Option<Room>, bytes: u32) -> i64 {
    let Some(Room { least, most }) = room else { return 1 };
    if bytes >= most { 1 } else { most.div_ceil(bytes.max(least)).into() }
}

/// Pixels that a pointwise kernel computes, and how often it goes over the weights: where the pixels are no fours, the last four are a block of their own.
fn fours(p: &ConvParams, blocks: i64) -> (i64, i64) {
    wide!(p: out_h, out_w);
    let pixels = out_h * out_w;
    (up4(pixels), blocks + i64::from(pixels % 4 != 0))
}

/// Columns are filled once; each block of pixels goes over the weights, and mends the rows of those that have trained ones.
fn pointwise(p: &ConvParams, blocks: i64, mask: bool) -> Amounts {
    wide!(p: out_c, trained, in_c);
    let ((pixels, blocks), n) = (fours(p, blocks), out_c);
    let mended = if trained > 0 { trained + in_c / 4 } else { 0 };
    let inputs = pixels * in_c + blocks * n * (mended + 8);
    let chosen = vec![parts(trained, in_c), MASKS[usize::from(mask)]];
    (chosen, [inputs, pixels * n, pixels * n * (in_c + 3) / 4 * 4])
}

/// Four pixels of a row at a time; elements come in words of two, and five words, as 3x3x3 has, are moved at once.
fn row_window(p: &ConvParams) -> Amounts {
    wide!(p: kw, in_c, out_h, out_w, kh, out_c);
    let (run, pixels) = ((kw * in_c + 1) / 2, out_h * up4(out_w));
    let elements = pixels * kh * 2 * run;
    (vec![RUNS[usize::from(run == 5)]], [elements, pixels * out_c, elements * out_c])
}

/// The same the other way; each block sorts the weights anew.
fn pointwise_input_grad(p: &ConvParams, blocks: i64) -> Amounts {
    wide!(p: out_c, in_c, trained);
    let ((pixels, blocks), k) = (fours(p, blocks), out_c);
    let sorted = blocks * k * (in_c + trained);
    (vec![parts(trained, in_c)], [pixels * k + 2 * sorted, pixels * in_c, pixels * in_c * k])
}

/// Inputs are widened once, weights for each band; 3x3 has rows of zeros, wider kernels leave out what lies outside.
fn depthwise_square(p: &ConvParams, bands: i64, mask: bool) -> Amounts {
    wide!(p: out_w, kh, in_h, in_w, in_c, out_c, kw, out_h);
    let aside = mask || out_w % 4 != 0;
    let chosen = vec![stride(p), KERNELS[usize::from(kh > 3)], MASKS[usize::from(aside)]];
    let inputs = in_h * in_w * in_c + bands * out_c * (kh * kw + 12);
    let rows = if kh == 3 { 3 * out_h } else { rows_inside(p) };
    (chosen, [inputs, out_h * up4(out_w) * out_c, rows * kw * up4(out_w) * out_c])
}

fn depthwise_square_input_grad(p: &ConvParams, bands: i64) -> Amounts {
    wide!(p: kh, out_h, out_w, out_c, kw, in_h, in_w, in_c);
    let chosen = vec![stride(p), KERNELS[usize::from(kh > 3)]];
    let inputs = out_h * out_w * out_c + bands * out_c * (kh * kw + 12);
    let rows = if kh == 3 { 3 * in_h } else { rows_inside(p) };
    (chosen, [inputs, in_h * in_w * in_c, rows * kw * in_w * in_c])
}

/// Whether some of `of` channels are trained and others are not.
fn parts(t: i64, of: i64) -> &'static str {
    PARTS[usize::from(t > 0 && t < of)]
}

fn conv(p: &ConvParams, shift: bool, mask: bool) -> Amounts {
    wide!(p: kh, kw, in_c, out_h, out_w, pad_top, pad_left, trained, out_c);
    let (row, pixels) = (kh * kw * in_c, out_h * out_w);
    let pointwise = kh == 1 && kw == 1 && pad_top == 0 && pad_left == 0;
    let chosen = vec![SHAPES[usize::from(pointwise)], parts(trained, in_c), output(p, shift, mask)];
    (chosen, [pixels * row, pixels * out_c, pixels * out_c * row])
}

/// Taps of all windows that lie inside the input, along one dimension.
fn taps_inside(inputs: i64, outputs: i64, kernel: i64, stride: i64, pad: i64) -> i64 {
    let within = |o: i64| (pad - o * stride).max(0)..(inputs + pad - o * stride).min(kernel);
    (0..outputs).map(|o| (within(o).end - within(o).start).max(0)).sum()
}

fn rows_inside(p: &ConvParams) -> i64 {
    wide!(p: in_h, out_h, kh, stride_h, pad_top);
    taps_inside(in_h, out_h, kh, stride_h, pad_top)
}

/// Outputs are made four at a time.
fn up4(n: i64) -> i64 {
    n + (4 - n % 4) % 4
}

fn depthwise(p: &ConvParams, shift: bool, mask: bool) -> Amounts {
    wide!(p: kw, out_w, out_c, in_h, in_w, in_c, kh, out_h);
    let products = rows_inside(p) * (kw / 2 + 1) * up4(out_w) * out_c;
    let inputs = in_h * in_w * in_c + kh * kw * out_c;
    (vec![stride(p), output(p, shift, mask)], [inputs, out_h * up4(out_w) * out_c, products])
}

fn stride(p: &ConvParams) -> &'static str {
    STRIDES[usize::from(p.stride_w > 1)]
}

fn conv_input_grad(p: &ConvParams) -> Amounts {
    wide!(p: kh, kw, in_h, in_w, stride_h, stride_w, in_c, out_c, trained, out_w, pad_left);
    let (taps, pixels) = (kh * kw, in_h * in_w);
    let pointwise = taps == 1 && stride_h == 1 && stride_w == 1;
    // Every tap is looked at for each input, whether it reaches an output or not.
    let inputs = if pointwise { in_c * out_c } else { pixels * taps * up4(in_c) };
    let channels = up4(trained) + up4(in_c - trained);
    let products = rows_inside(p) * taps_inside(in_w, out_w, kw, stride_w, pad_left) * out_c * channels;
    (vec![SHAPES[usize::from(pointwise)], parts(trained, in_c)], [inputs, pixels * in_c, products])
}

fn depthwise_input_grad(p: &ConvParams) -> Amounts {
    wide!(p: kw, in_w, out_c, out_h, out_w, kh, in_h, in_c);
    let products = rows_inside(p) * (kw / 2 + 1) * up4(in_w) * out_c;
    let inputs = out_h * out_w * out_c + kh * kw * out_c;
    (vec![stride(p)], [inputs, in_h * up4(in_w) * in_c, products])
}

fn residuals(bits: i32) -> &'static str {
    BITS[match bits {
        0 => 0,
        2 => 1,
        4 => 2,
        _ => 3,
    }]
}

fn conv_weight_step(p: &ConvParams, bits: i32, alive: i64, rows: i64) -> Amounts {
    wide!(p: kh, kw, trained, out_h, out_w, out_c, stride_h, stride_w, pad_top, pad_left, in_w);
    let (weights, pixels) = (kh * kw * trained, out_h * out_w);
    // Inputs are gathered once, or where not all pixels are taken at once, for every four output channels.
    let many = pixels > PIXELS.into();
    let times = if many { up4(out_c) / 4 } else { 1 };
    let gradients = pixels * out_c * ((weights + rows - 1) / rows);
    let inputs = pixels * weights * times + gradients / 4;
    // Inputs of a 1x1 kernel are gathered without looking where the input ends.
    let pointwise = [kh, kw, stride_h, stride_w] == [1; 4] && pad_top == 0 && pad_left == 0;
    let chosen =
        vec![SHAPES[usize::from(pointwise && in_w == out_w)], PIXEL_COUNTS[usize::from(many)], residuals(bits)];
    (chosen, [inputs, weights * alive, up4(pixels) * weights * up4(out_c)])
}

fn depthwise_weight_step(p: &ConvParams, bits: i32, alive: i64) -> Amounts {
    wide!(p: trained, out_c, out_h, out_w, in_h, in_w, kh, kw);
    let trained = (trained * alive + out_c / 2) / out_c;
    let inputs = (out_h * out_w + in_h * in_w) * trained;
    (vec![residuals(bits)], [inputs, kh * kw * trained, rows_inside(p) * kw * out_w * trained])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_amount_of_work_wraps() {
        // The most weights and outputs that a tensor may have.
        let side = 1 << 13;
        let p = ConvParams {
            in_h: side,
            in_w: 1,
            in_c: side,
            out_h: side,
            out_w: 1,
            out_c: side,
            kh: 1,
            kw: 1,
            ..Default::default()
        };
        let p = ConvParams { stride_h: 1, stride_w: 1, trained: side, ..p };
        assert_eq!(conv(&p, false, false).1[2], 1 << 39);
        assert_eq!(pointwise(&p, 1, false).1[2], (1 << 26) * i64::from(side + 3));
        assert_eq!(conv_input_grad(&p).1[2], 1 << 39);
        assert_eq!(conv_weight_step(&p, 8, side.into(), 1).1[2], 1 << 39);
    }

    #[test]
    fn taps_inside_the_input_are_counted() {
        // Rows -1 0 1 | 0 1 2 | 1 2 3 of an input of three rows.
        assert_eq!(taps_inside(3, 3, 3, 1, 1), 7);
        assert_eq!(taps_inside(4, 2, 3, 2, 0), 5);
        assert_eq!(taps_inside(4, 2, 2, 2, 0), 4);
    }
}
