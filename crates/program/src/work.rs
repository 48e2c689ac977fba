//! What a step does, for a table of costs: a kernel's instructions are close to linear in four terms: one for the call, the elements it brings into
//! order first, the elements it yields, and the products it sums up. How much each takes depends on which of a kernel's loops run: a *kind* names them.

use serde::Serialize;
use tinytrain_spec::kernels::Call;
use tinytrain_spec::params::{ConvParams, PoolParams};

use crate::{Data, Operand, Program, Step};

/// The work of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// Which loops run.
    pub kind: String,
    /// Calls, elements brought into order, elements yielded, products.
    pub terms: [f64; TERMS],
}

/// Terms of a kernel's cost.
pub const TERMS: usize = 4;

impl Program {
    /// The work of each step.
    pub fn work(&self) -> Vec<Work> {
        self.steps.iter().map(|s| s.work(self)).collect()
    }

    /// How many of the numbers of a constant are not 0: channels that can learn; the others are passed over.
    fn alive(&self, operand: Operand, of: i32) -> i32 {
        match operand {
            Operand::Constant(i) => match self.consts.get(i).map(|c| &c.data) {
                Some(Data::U32(v)) => v.iter().filter(|&&x| x != 0).count() as i32,
                _ => of,
            },
            Operand::Memory(_) => of,
        }
    }
}

impl Step {
    fn work(&self, program: &Program) -> Work {
        let (kind, inputs, outputs, products): Amounts = match &self.call {
            Call::Conv(c) => conv(&c.p, c.shift.is_some(), c.mask.is_some()),
            Call::Depthwise(c) => depthwise(&c.p, c.shift.is_some(), c.mask.is_some()),
            Call::ConvInputGrad(c) => conv_input_grad(&c.p),
            Call::DepthwiseInputGrad(c) => depthwise_input_grad(&c.p),
            Call::ConvWeightStep(c) => conv_weight_step(&c.p, c.u.bits, program.alive(c.qas, c.p.out_c)),
            Call::DepthwiseWeightStep(c) => depthwise_weight_step(&c.p, c.u.bits, program.alive(c.qas, c.p.out_c)),
            Call::BiasStep(c) => ("bias step".into(), c.pixels * c.channels, program.alive(c.qas, c.channels), 0),
            Call::Add(c) => (masked("add", c.mask.is_some()), 0, c.p.n, 0),
            Call::Requantize(c) => (masked("requantize", c.mask.is_some()), 0, c.p.n, 0),
            Call::AveragePool(c) => (masked("average pool", c.mask.is_some()), 0, outputs_of(&c.p), window(&c.p)),
            Call::MaxPool(c) => (masked("max pool", c.mask.is_some()), 0, outputs_of(&c.p), window(&c.p)),
            Call::AveragePoolGrad(c) => ("average pool grad".into(), 0, inputs_of(&c.p), window(&c.p)),
            Call::MaxPoolGrad(c) => ("max pool grad".into(), 0, inputs_of(&c.p), window(&c.p) * c.p.kh * c.p.kw),
            Call::Mean(c) => (masked("mean", c.mask.is_some()), c.p.pixels * c.p.c, c.p.c, 0),
            Call::Softmax(c) => ("softmax".into(), 0, c.p.rows * c.p.n, 0),
            Call::CopyBox(c) => {
                let kind = if c.p.shift == 0 { "copy" } else { "copy shifted" };
                (kind.into(), c.p.h * c.p.w, c.p.h * c.p.w * c.p.c, 0)
            }
            Call::Fill(c) => ("fill".into(), 0, c.p.n, 0),
            Call::HeadLogits(c) => ("head logits".into(), 0, c.p.classes, c.p.classes * c.p.features),
            Call::SoftmaxScores(c) => ("head error".into(), 0, c.classes, 0),
            Call::HeadError(c) => ("head error".into(), 0, c.classes, 0),
            Call::HeadInputGrad(c) => ("head input grad".into(), 0, c.p.features, c.p.classes * c.p.features),
            Call::HeadUpdate(c) => ("head update".into(), 0, c.p.classes, c.p.classes * c.p.features),
            Call::GradScale(c) => (grad_scale(c.mask.is_some(), c.m.is_some(), c.shift.is_some()), 0, c.p.n, 0),
            Call::GradRepeat(c) => ("grad repeat".into(), c.p.n, c.p.n * c.p.repeat, 0),
            Call::Sum(c) => ("sum".into(), 0, c.p.n, 0),
        };
        Work { kind, terms: [1.0, inputs.into(), outputs.into(), products.into()] }
    }
}

type Amounts = (String, i32, i32, i32);

fn masked(name: &str, mask: bool) -> String {
    if mask { format!("{name}, masked") } else { name.into() }
}

fn grad_scale(mask: bool, channels: bool, shift: bool) -> String {
    let of = if shift {
        ", shifted"
    } else if channels {
        ", by channel"
    } else {
        ""
    };
    masked(&format!("grad scale{of}"), mask)
}

fn inputs_of(p: &PoolParams) -> i32 {
    p.in_h * p.in_w * p.c
}

fn outputs_of(p: &PoolParams) -> i32 {
    p.out_h * p.out_w * p.c
}

fn window(p: &PoolParams) -> i32 {
    p.out_h * p.out_w * p.c * p.kh * p.kw
}

/// How a convolution writes its outputs.
fn output(p: &ConvParams, shift: bool, mask: bool) -> &'static str {
    match mask {
        _ if shift => ", one by one",
        false if p.lo == -128 && p.hi == 127 => "",
        true if p.out_c % 8 == 0 => ", masked",
        _ => ", one by one",
    }
}

fn split(t: i32, of: i32) -> bool {
    t > 0 && t < of
}

fn conv(p: &ConvParams, shift: bool, mask: bool) -> Amounts {
    let (row, pixels) = (p.kh * p.kw * p.in_c, p.out_h * p.out_w);
    let pointwise = p.kh == 1 && p.kw == 1 && p.pad_top == 0 && p.pad_left == 0;
    let name = match (pointwise, split(p.trained, p.in_c)) {
        (true, false) => "conv 1x1",
        (true, true) => "conv 1x1, in two parts",
        (false, false) => "conv",
        (false, true) => "conv, in two parts",
    };
    let kind = format!("{name}{}", output(p, shift, mask));
    (kind, pixels * row, pixels * p.out_c, pixels * p.out_c * row)
}

/// How many windows and rows of the kernel meet in a row of the input, one dimension of them.
fn met(inputs: i32, outputs: i32, kernel: i32, stride: i32, pad: i32) -> i32 {
    let within = |o: i32| (pad - o * stride).max(0)..(inputs + pad - o * stride).min(kernel);
    (0..outputs).map(|o| within(o).len() as i32).sum()
}

fn met_rows(p: &ConvParams) -> i32 {
    met(p.in_h, p.out_h, p.kh, p.stride_h, p.pad_top)
}

/// Outputs are made four at a time.
fn up4(n: i32) -> i32 {
    n + (4 - n % 4) % 4
}

fn depthwise(p: &ConvParams, shift: bool, mask: bool) -> Amounts {
    let kind = format!("depthwise{}{}", strided(p), output(p, shift, mask));
    let products = met_rows(p) * (p.kw / 2 + 1) * up4(p.out_w) * p.out_c;
    (kind, p.in_h * p.in_w * p.in_c + p.kh * p.kw * p.out_c, p.out_h * up4(p.out_w) * p.out_c, products)
}

fn strided(p: &ConvParams) -> &'static str {
    if p.stride_w > 1 { ", strided" } else { "" }
}

fn conv_input_grad(p: &ConvParams) -> Amounts {
    let (taps, pixels) = (p.kh * p.kw, p.in_h * p.in_w);
    let pointwise = taps == 1 && p.stride_h == 1 && p.stride_w == 1;
    let parts = if split(p.trained, p.in_c) { ", in two parts" } else { "" };
    // Every tap is looked at for each input, whether it reaches an output or not.
    let (kind, inputs) = if pointwise {
        ("conv 1x1 input grad", p.in_c * p.out_c)
    } else {
        ("conv input grad", pixels * taps * up4(p.in_c))
    };
    let channels = up4(p.trained) + up4(p.in_c - p.trained);
    let products = met_rows(p) * met(p.in_w, p.out_w, p.kw, p.stride_w, p.pad_left) * p.out_c * channels;
    (format!("{kind}{parts}"), inputs, pixels * p.in_c, products)
}

fn depthwise_input_grad(p: &ConvParams) -> Amounts {
    let products = met_rows(p) * (p.kw / 2 + 1) * up4(p.in_w) * p.out_c;
    let inputs = p.out_h * p.out_w * p.out_c + p.kh * p.kw * p.out_c;
    (format!("depthwise input grad{}", strided(p)), inputs, p.in_h * up4(p.in_w) * p.in_c, products)
}

/// Pixels, and bytes of rows, that the kernel takes at once.
const PIXELS: i32 = 256;
const ROW_BYTES: i32 = 3072;

fn conv_weight_step(p: &ConvParams, bits: i32, alive: i32) -> Amounts {
    let (weights, pixels) = (p.kh * p.kw * p.trained, p.out_h * p.out_w);
    let rows = (ROW_BYTES / up4(pixels.min(PIXELS))).clamp(1, weights.max(1));
    // Inputs are gathered once, or where not all pixels are taken at once, for every four output channels.
    let (times, many) = if pixels > PIXELS { (up4(p.out_c) / 4, ", many pixels") } else { (1, "") };
    let gradients = pixels * p.out_c * ((weights + rows - 1) / rows);
    let kind = format!("conv weight step{many}, {bits} residual bits");
    (kind, pixels * weights * times + gradients / 4, weights * alive, pixels * weights * up4(p.out_c))
}

fn depthwise_weight_step(p: &ConvParams, bits: i32, alive: i32) -> Amounts {
    let kind = format!("depthwise weight step, {bits} residual bits");
    let trained = (p.trained * alive + p.out_c / 2) / p.out_c;
    let inputs = (p.out_h * p.out_w + p.in_h * p.in_w) * trained;
    (kind, inputs, p.kh * p.kw * trained, met_rows(p) * p.kw * p.out_w * trained)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_meet_the_input_are_counted() {
        // Rows -1 0 1 | 0 1 2 | 1 2 3 of an input of three rows.
        assert_eq!(met(3, 3, 3, 1, 1), 7);
        assert_eq!(met(4, 2, 3, 2, 0), 5);
        assert_eq!(met(4, 2, 2, 2, 0), 4);
    }
}
