//! Every op of a Program, forward and backward: as plain loops ([`mod@reference`]), with what the processor has ([`simd`]), and (in
//! `c/`) as twin for the device.
//!
//! What an op computes is said once, in [`tinytrain_spec::params`]; a kernel here is right when it gives exactly those
//! integers. This page says what all kernels share; each function adds only what is its own.
//!
//! **Layout.** Row-major, batch 1: activations and gradients `[rows][columns][channels]` int8, weights as [`Weights`]
//! says. Every slice has exactly the length that its parameters imply: kernels trust the compiler, and a wrong length
//! or a parameter that the compiler would have refused is a panic (never an out-of-bounds access), or a wrong result
//! where no index shows it.
//!
//! **Ranges.** Any int8 is a valid activation or gradient, any zero point and any bound lies in `-128..=127`, weights
//! in `-127..=127`. The compiler has checked that no int32 accumulator overflows for any input, so sums may be taken in
//! any order and they wrap in between without harm: this is what lets plain loops run on vector registers.
//!
//! **Masks.** One bit an element of the output, `ceil(n / 8)` bytes. A kernel given one writes all of it, unused high
//! bits as 0. Kernels that read a mask take `None` for "nothing was clamped".
//!
//! **Scratch.** One [`Scratch`] a thread serves all kernels; it grows to its largest use and is then never allocated
//! again. Its content means nothing between two calls. It has nothing to do with the device's scratch, which the
//! planner counts for the C twins.
//!
//! **Aliasing.** Rust's borrows rule it out, save for the ops that work in place by their signature
//! ([`reference::grad_scale`], [`reference::sum`]). Nothing here relies on it: a runtime in whose arena operands
//! overlap copies one of them first.
//!
//! **Counts.** A `u32` result is how many elements of the gradient saturated at int8's bounds.

pub mod reference;
pub mod simd;

use simd::Line;
use tinytrain_spec::arith::{Rate, Real31};
use tinytrain_spec::params::UpdateParams;

/// A convolution's weights, in two parts. Full convolution: `frozen` is `[out_c][kh][kw][in_c - t]`, `trained` is
/// `[out_c][kh][kw][t]`, and `channels` are the `t` trained *input* channels. Depthwise: `[kh][kw][out_c - t]` and
/// `[kh][kw][t]`, *output* channels.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Weights in flash: the channels not in `channels`, ascending.
    pub frozen: &'a [i8],
    /// Weights in SRAM: those of `channels`.
    pub trained: &'a [i8],
    /// The trained channels, ascending; may be empty or all of them.
    pub channels: &'a [u16],
}

/// A convolution's bias, `out_c` values.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a> {
    /// As imported.
    pub base: &'a [i32],
    /// Trained distance from it, in units of `2^-8`; empty for a frozen bias.
    pub offset: &'a [i32],
}

/// A convolution's output scales, one a channel ([`tinytrain_spec::arith::Requant`]).
#[derive(Clone, Copy, Debug)]
pub struct Scales<'a> {
    /// Multipliers.
    pub m: &'a [i32],
    /// Left shifts; empty if all are 0.
    pub shift: &'a [u8],
}

/// What one step says to every update of a trained tensor, and the tensor's own parameters.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The tensor's parameters. [`reference::bias_step`] reads `exponent` only.
    pub params: &'a UpdateParams,
    /// Learning rate of this step.
    pub lr: Real31,
    /// Shift of the head's error.
    pub k: i32,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the step.
    pub step: u32,
}

/// Buffers that kernels share, grown on demand.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Left factor of a product: rows of activations or gradients.
    a: Vec<i16>,
    /// Right factor of a product, or weights, in panels.
    b: Vec<i16>,
    /// What `a` or `b` is gathered from, in panels.
    x: Vec<i16>,
    /// Accumulators of the rows at work.
    c: Vec<i32>,
    /// Biases as added.
    bias: Vec<i32>,
    /// Whether each output of the rows at work lay inside its bounds, a byte each.
    inside: Vec<u8>,
    /// Natural channel of each weight, frozen ones first.
    order: Vec<u16>,
    /// Gradient sums of a weight step.
    sums: Vec<i32>,
    /// Left factors of a fast kernel.
    left: Vec<Line>,
    /// Right factors, or rows of words.
    right: Vec<Line>,
    /// What sums begin at.
    init: Vec<Line>,
    /// An input within its border.
    frame: Vec<Line>,
    /// Words of all channels.
    whole: Vec<Line>,
    /// Sums of a gradient for each channel.
    sums_of_g: Vec<Line>,
    /// Where rows of a product begin.
    places: Vec<u32>,
    /// Rates of an update.
    rates: Vec<Option<Rate>>,
    /// Weights before an update.
    before: Vec<i8>,
}

/// The first `n` elements of a scratch buffer. They hold whatever an earlier use left there.
fn grown<T: Copy + Default>(buffer: &mut Vec<T>, n: usize) -> &mut [T] {
    if buffer.len() < n {
        buffer.resize(n, T::default());
    }
    &mut buffer[..n]
}
