//! What a step costs in instructions: how much of what it does, and a table of how many instructions that takes.
//!
//! A kernel's instructions are close to linear in four terms: one for the call, the elements it brings into order first, the elements it yields, and the
//! products it sums up. How much each takes hangs on which of a kernel's loops run: a *kind* names them. The default table (`costs.json`, made by
//! `scripts/costs.mjs`) was fitted to steps counted in QEMU, on firmware built as `compile` builds it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tinytrain_spec::params::ConvParams;

use crate::{Arg, Data, Kernel, Program, Step};

const TABLE: &str = include_str!("costs.json");
/// What a training step does beside the Program's steps: its checks and counters.
const REST: &str = "rest of a step";

/// How much of what a step does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// Which loops run.
    pub kind: String,
    /// Calls, elements brought into order, elements yielded, products.
    pub terms: [f64; TERMS],
}

/// Terms of a kernel's cost.
pub const TERMS: usize = 4;

/// Instructions for each term, by kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    costs: BTreeMap<String, [f64; TERMS]>,
}

/// Why a table of costs does not serve.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// Not a table.
    #[error("not a table of costs: {0}")]
    Malformed(String),
}

impl CostError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "COSTS_INVALID",
        }
    }
}

impl Costs {
    /// The table that this version was measured with.
    pub fn built_in() -> &'static Self {
        static PARSED: OnceLock<Costs> = OnceLock::new();
        // The file is part of this crate, and a test reads it.
        PARSED.get_or_init(|| serde_json::from_str(TABLE).expect("costs.json is well-formed"))
    }

    /// The built-in table with the kinds of another, in JSON of the same form, in place of its own.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let own: Self = serde_json::from_str(text).map_err(|e| CostError::Malformed(e.to_string()))?;
        if let Some((kind, _)) = own.costs.iter().find(|(_, c)| c.iter().any(|x| !(x.is_finite() && *x >= 0.0))) {
            return Err(CostError::Malformed(format!("'{kind}' has a negative cost")));
        }
        let mut table = Self::built_in().clone();
        table.costs.extend(own.costs);
        Ok(table)
    }

    /// Predicted instructions of a piece of work. A kind that was never measured counts as the one that its name begins with.
    pub fn of(&self, work: &Work) -> f64 {
        let mut kind = work.kind.as_str();
        loop {
            if let Some(costs) = self.costs.get(kind) {
                return costs.iter().zip(work.terms).map(|(c, t)| c * t).sum();
            }
            let Some((shorter, _)) = kind.rsplit_once(", ") else { return 0.0 };
            kind = shorter;
        }
    }

    /// Predicted instructions of a training step of a Program, the sample being in its place.
    pub fn training_step(&self, program: &Program) -> f64 {
        let rest = Work { kind: REST.into(), terms: [1.0, 0.0, 0.0, 0.0] };
        program.work().iter().map(|w| self.of(w)).sum::<f64>() + self.of(&rest)
    }
}

impl Program {
    /// What each step does.
    pub fn work(&self) -> Vec<Work> {
        self.steps.iter().map(|s| s.work(self)).collect()
    }

    /// How many of the numbers of a constant are not 0; all of `of` where there is none.
    fn alive(&self, arg: Option<&Arg>, of: i32) -> i32 {
        match arg {
            Some(Arg::Const(i)) => match self.consts.get(*i).map(|c| &c.data) {
                Some(Data::U32(v)) => v.iter().filter(|&&x| x != 0).count() as i32,
                _ => of,
            },
            _ => of,
        }
    }
}

impl Step {
    fn work(&self, program: &Program) -> Work {
        let has = |i: usize| self.args.get(i).is_some_and(|a| *a != Arg::None);
        let (kind, inputs, outputs, products) = match &self.kernel {
            Kernel::Conv { depthwise: false, p } => conv(p, has(7), has(9)),
            Kernel::Conv { p, .. } => depthwise(p, has(7), has(9)),
            Kernel::ConvInputGrad { depthwise: false, p, .. } => conv_input_grad(p),
            Kernel::ConvInputGrad { p, .. } => depthwise_input_grad(p),
            // Channels that cannot learn are passed over.
            Kernel::ConvWeightStep { depthwise: false, p, u } => {
                conv_weight_step(p, u.bits, program.alive(self.args.get(3), p.out_c))
            }
            Kernel::ConvWeightStep { p, u, .. } => {
                depthwise_weight_step(p, u.bits, program.alive(self.args.get(3), p.out_c))
            }
            Kernel::BiasStep { pixels, channels, .. } => {
                ("bias step".into(), pixels * channels, program.alive(self.args.get(1), *channels), 0)
            }
            Kernel::Add { p } => (masked("add", has(3)), 0, p.n, 0),
            Kernel::Requantize { p } => (masked("requantize", has(2)), 0, p.n, 0),
            Kernel::AveragePool { p } => (masked("average pool", has(2)), 0, p.out_h * p.out_w * p.c, window(p)),
            Kernel::MaxPool { p } => (masked("max pool", has(2)), 0, p.out_h * p.out_w * p.c, window(p)),
            Kernel::AveragePoolGrad { p } => ("average pool grad".into(), 0, p.in_h * p.in_w * p.c, window(p)),
            Kernel::MaxPoolGrad { p } => ("max pool grad".into(), 0, p.in_h * p.in_w * p.c, window(p) * p.kh * p.kw),
            Kernel::Mean { p } => (masked("mean", has(2)), p.pixels * p.c, p.c, 0),
            Kernel::Softmax { p } => ("softmax".into(), 0, p.rows * p.n, 0),
            Kernel::CopyBox { p } => {
                let kind = if p.shift == 0 { "copy" } else { "copy shifted" };
                (kind.into(), p.h * p.w, p.h * p.w * p.c, 0)
            }
            Kernel::Fill { p } => ("fill".into(), 0, p.n, 0),
            Kernel::HeadLogits { p } => ("head logits".into(), 0, p.classes, p.classes * p.features),
            Kernel::HeadError { classes, .. } => ("head error".into(), 0, *classes, 0),
            Kernel::HeadInputGrad { p } => ("head input grad".into(), 0, p.features, p.classes * p.features),
            Kernel::HeadUpdate { p, .. } => ("head update".into(), 0, p.classes, p.classes * p.features),
            Kernel::GradScale { p } => (grad_scale(has(1), has(2), has(3)), 0, p.n, 0),
            Kernel::GradRepeat { p } => ("grad repeat".into(), p.n, p.n * p.repeat, 0),
            Kernel::Sum { p } => ("sum".into(), 0, p.n, 0),
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

fn window(p: &tinytrain_spec::params::PoolParams) -> i32 {
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

    /// Kinds that everything else falls back to: at least one for each kernel.
    const BASES: [&str; 27] = [
        "conv",
        "conv 1x1",
        "depthwise",
        "conv input grad",
        "conv 1x1 input grad",
        "depthwise input grad",
        "bias step",
        "add",
        "requantize",
        "average pool",
        "max pool",
        "average pool grad",
        "max pool grad",
        "mean",
        "softmax",
        "copy",
        "copy shifted",
        "fill",
        "head logits",
        "head error",
        "head input grad",
        "head update",
        "grad scale",
        "grad repeat",
        "sum",
        "depthwise, strided",
        REST,
    ];

    #[test]
    fn the_built_in_table_knows_every_kernel() {
        let table = Costs::built_in();
        let weight_steps = ["conv weight step", "conv weight step, many pixels", "depthwise weight step"];
        let bits = [0, 2, 4, 8].into_iter().flat_map(|b| weight_steps.map(|w| format!("{w}, {b} residual bits")));
        for kind in BASES.into_iter().map(String::from).chain(bits) {
            let work = Work { kind: kind.clone(), terms: [1.0, 1000.0, 1000.0, 1000.0] };
            assert!(table.of(&work) > 0.0, "{kind}");
        }
    }

    #[test]
    fn a_kind_that_was_never_measured_counts_as_what_its_name_begins_with() {
        let table = Costs::parse(r#"{"costs": {"conv": [1, 2, 3, 4]}}"#).unwrap();
        let work = |kind: &str| Work { kind: kind.into(), terms: [1.0, 10.0, 100.0, 1000.0] };
        assert_eq!(table.of(&work("conv")), 4321.0);
        assert_eq!(table.of(&work("conv, unheard of, indeed")), 4321.0);
        assert_eq!(table.of(&work("unheard of")), 0.0);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"conv": [1, 2, 3, 4]}"#,
            r#"{"costs": {"conv": [1, 2, 3]}}"#,
            r#"{"costs": {"conv": [1, 2, 3, -4]}}"#,
        ] {
            assert_eq!(Costs::parse(text).unwrap_err().code(), "COSTS_INVALID", "{text}");
        }
    }

    #[test]
    fn windows_that_meet_the_input_are_counted() {
        // Rows -1 0 1 | 0 1 2 | 1 2 3 of an input of three rows.
        assert_eq!(met(3, 3, 3, 1, 1), 7);
        assert_eq!(met(4, 2, 3, 2, 0), 5);
        assert_eq!(met(4, 2, 2, 2, 0), 4);
    }
}
