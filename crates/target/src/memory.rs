//! The memory of a Program on a board, item by item.
//!
//! SRAM is exact: everything in it is laid out by the plan, by the emitted context, or (the stack) reserved by the linker script because this module
//! says so. Flash is exact for constants and parameters and an upper bound for code, whose sizes were measured once, function by function.

use std::collections::BTreeSet;

use serde::Serialize;
use tinytrain_lower::{Init, Kernel, Program, StateKind, Step};

/// `tt_counters`: steps, a reserved word, saturations.
const COUNTERS_BYTES: u32 = 16;
/// Code of one argument of a step, of its call, and of a step's beginning, at most.
const ARGUMENT_CODE: u32 = 14;
const CALL_CODE: u32 = 24;
/// Code that fills one state tensor at the start.
const INIT_CODE: u32 = 20;
/// The Program's hash.
const HASH_BYTES: u32 = 32;
/// One table of pixel values.
const PIXEL_TABLE_BYTES: u32 = 256;

/// Which memory an item lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// RAM.
    Sram,
    /// Flash.
    Flash,
}

/// One line of a memory table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryItem {
    /// For people and for tools: stable.
    pub name: &'static str,
    /// Which memory.
    pub region: Memory,
    /// Its size.
    pub bytes: u32,
    /// Whether `bytes` is exact; otherwise it is an upper bound.
    pub exact: bool,
}

/// Required and available bytes of one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegionTotal {
    /// Bytes required.
    pub total: u32,
    /// Bytes available on the board.
    pub available: u32,
}

/// The memory a Program takes on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryTable {
    /// The board.
    pub target: String,
    /// RAM in all, the stack included.
    pub sram: RegionTotal,
    /// Flash in all.
    pub flash: RegionTotal,
    /// The stack, which is one of the items.
    pub stack: u32,
    /// The calls it is reserved for, outermost first.
    pub stack_path: Vec<String>,
    /// All items.
    pub items: Vec<MemoryItem>,
}

/// Everything in RAM: the context (arena, state, counters), the protocol beside it, the stack.
pub(crate) fn sram_items(program: &Program, protocol: u32, stack: u32) -> [MemoryItem; 10] {
    let sram = |name, bytes| MemoryItem { name, region: Memory::Sram, bytes, exact: true };
    let of = |kinds: &[StateKind]| kinds.iter().map(|&k| program.state_bytes_of(k)).sum::<u32>();
    let weights = of(&[StateKind::Weights]);
    let residuals = of(&[StateKind::Residuals]);
    let biases = of(&[StateKind::Biases]);
    let head = of(&[StateKind::HeadWeights, StateKind::HeadBiases]);
    // The context as C lays it out: arena, state from a multiple of 4, counters from a multiple of 8; the protocol behind it, the whole a
    // multiple of 8.
    let context = (program.arena_bytes.next_multiple_of(4) + program.state_bytes).next_multiple_of(8) + COUNTERS_BYTES;
    let whole = (context + protocol).next_multiple_of(8);
    let known = program.arena_bytes + weights + residuals + biases + head + COUNTERS_BYTES + protocol;
    [
        sram("arena", program.arena_bytes),
        sram("trained weights", weights),
        sram("residual bits", residuals),
        sram("trained biases", biases),
        sram("head", head),
        sram("counters", COUNTERS_BYTES),
        sram("protocol", protocol),
        sram("alignment", whole - known),
        sram("data and bss of board", 0),
        sram("stack", stack),
    ]
}

/// Everything in flash; `code` is that of kernels and board.
pub(crate) fn flash_items(program: &Program, pixel_tables: u32, code: u32) -> [MemoryItem; 5] {
    let flash = |name, bytes, exact| MemoryItem { name, region: Memory::Flash, bytes, exact };
    let up4 = |n: usize| (n as u32).next_multiple_of(4);
    let constants = program.consts.iter().map(|c| up4(c.data.bytes())).sum();
    let filled = program.states.iter().filter(|s| s.init != Init::Zero);
    let initial = filled.map(|s| s.slot.bytes.next_multiple_of(4)).sum();
    let parameters = parameter_bytes(program) + PIXEL_TABLE_BYTES * pixel_tables + HASH_BYTES;
    [
        flash("constants", constants, true),
        flash("initial state", initial, true),
        flash("parameters", parameters, true),
        flash("code of the model", model_code(program), false),
        flash("code of kernels and board", code, false),
    ]
}

/// Bytes of a kernel's constant parameters, once for each that differs.
fn parameter_bytes(program: &Program) -> u32 {
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for step in &program.steps {
        for (text, bytes) in constants(&step.kernel) {
            if seen.insert(text) {
                sum += bytes;
            }
        }
    }
    sum
}

/// At most what the emitted steps compile to.
fn model_code(program: &Program) -> u32 {
    let step = |s: &Step| CALL_CODE + ARGUMENT_CODE * (s.args.len() as u32 + 2);
    let parts = 5 * CALL_CODE;
    program.steps.iter().map(step).sum::<u32>() + program.states.len() as u32 * INIT_CODE + parts
}

/// The C function of a kernel.
pub(crate) fn c_function(kernel: &Kernel) -> &'static str {
    match kernel {
        Kernel::Conv { depthwise: false, .. } => "tt_conv",
        Kernel::Conv { .. } => "tt_depthwise",
        Kernel::ConvInputGrad { depthwise: false, .. } => "tt_conv_input_grad",
        Kernel::ConvInputGrad { .. } => "tt_depthwise_input_grad",
        Kernel::ConvWeightStep { depthwise: false, .. } => "tt_conv_weight_step",
        Kernel::ConvWeightStep { .. } => "tt_depthwise_weight_step",
        Kernel::BiasStep { .. } => "tt_bias_step",
        Kernel::Add { .. } => "tt_add",
        Kernel::Requantize { .. } => "tt_requantize",
        Kernel::AveragePool { .. } => "tt_average_pool",
        Kernel::AveragePoolGrad { .. } => "tt_average_pool_grad",
        Kernel::MaxPool { .. } => "tt_max_pool",
        Kernel::MaxPoolGrad { .. } => "tt_max_pool_grad",
        Kernel::Mean { .. } => "tt_mean",
        Kernel::Softmax { .. } => "tt_softmax",
        Kernel::CopyBox { .. } => "tt_copy_box",
        Kernel::Fill { .. } => "tt_fill",
        Kernel::HeadLogits { .. } => "tt_head_logits",
        Kernel::HeadError { .. } => "tt_head_error",
        Kernel::HeadInputGrad { .. } => "tt_head_input_grad",
        Kernel::HeadUpdate { .. } => "tt_head_update",
        Kernel::GradScale { .. } => "tt_grad_scale",
        Kernel::GradRepeat { .. } => "tt_grad_repeat",
        Kernel::Sum { .. } => "tt_sum",
    }
}

/// The constants that a kernel needs in flash: what tells them apart, and their size.
fn constants(kernel: &Kernel) -> Vec<(String, u32)> {
    macro_rules! fields {
        ($p:expr) => {
            (format!("{:?}", $p), 4 * $p.fields().len() as u32)
        };
    }
    let real = |r: &tinytrain_spec::arith::Real31| (format!("{r:?}"), 8);
    match kernel {
        Kernel::Conv { p, .. } | Kernel::ConvInputGrad { p, .. } => vec![fields!(p)],
        Kernel::ConvWeightStep { p, u, .. } => vec![fields!(p), fields!(u)],
        Kernel::BiasStep { u, layer, .. } => vec![fields!(u), real(layer)],
        Kernel::Add { p } => vec![fields!(p)],
        Kernel::Requantize { p } => vec![fields!(p)],
        Kernel::AveragePool { p } | Kernel::AveragePoolGrad { p } => vec![fields!(p)],
        Kernel::MaxPool { p } | Kernel::MaxPoolGrad { p } => vec![fields!(p)],
        Kernel::Mean { p } => vec![fields!(p)],
        Kernel::Softmax { p } => vec![fields!(p)],
        Kernel::CopyBox { p } => vec![fields!(p)],
        Kernel::Fill { p } => vec![fields!(p)],
        Kernel::HeadLogits { p } | Kernel::HeadInputGrad { p } => vec![fields!(p)],
        Kernel::HeadError { scale, .. } => vec![(format!("{scale:?}"), 24)],
        Kernel::HeadUpdate { p, weight_q, bias_q } => vec![fields!(p), real(weight_q), real(bias_q)],
        Kernel::GradScale { p } | Kernel::GradRepeat { p } => vec![fields!(p)],
        Kernel::Sum { p } => vec![fields!(p)],
    }
}
