//! Every op of a Program, forward and backward: in plain loops ([`mod@reference`]), with the processor's vector
//! instructions ([`simd`]), and in C for the device (the device kernels, in `c/`). [`call`] finds the function for a call of a Program.
//!
//! The result of each op is defined in [`tinytrain_spec::params`]; a kernel is correct when it yields exactly those
//! integers. The following holds for all kernels; each function documents only its own particulars.
//!
//! **Layout.** Row-major, batch 1: activations and gradients are `[rows][columns][channels]` int8, weights are
//! described at [`Weights`]. Every slice has exactly the length that its parameters imply. Kernels trust the compiler:
//! a wrong length, or a parameter that the compiler would have rejected, leads to a panic (never to an out-of-bounds
//! access) or, where no index reveals it, to a wrong result.
//!
//! **Ranges.** Any int8 is a valid activation, gradient or weight (an update leaves weights in `-127..=127`), zero points
//! and bounds lie in `-128..=127`. The compiler has checked that no int32 accumulator overflows for any input, so terms may be added
//! in any order and intermediate sums may wrap: this is what allows plain loops to be vectorised.
//!
//! **Masks.** One bit per element of the output, `ceil(n / 8)` bytes. A kernel that is given a mask to write writes all
//! of it, with unused high bits 0. Kernels that read a mask take `None` for "nothing was clamped".
//!
//! **Scratch.** One [`Scratch`] per thread is enough for all kernels; it grows to its largest use and is never
//! reallocated after that. Its content is meaningless between calls. It is unrelated to the scratch that the planner
//! reserves for the device kernels.
//!
//! **Aliasing.** Rust's borrow rules exclude it, except for the ops whose signature makes them work in place
//! ([`reference::grad_scale`], [`reference::sum`]). [`call::run`] copies an operand first where a call works in place
//! and its kernel does not.
//!
//! # The device's kernels
//!
//! `c/tt_conv.c`, `tt_conv_input_grad.c`, `tt_depthwise.c` and `tt_depthwise_input_grad.c` take every shape. Beside them stand kernels for the shapes of
//! which networks are made, with rows of their own in the kernel table; after planning the compiler gives each step the one that takes it
//! (`tinytrain-lower`, `fit`), and the linker leaves out what no step calls. All need DSP instructions to be fast and run everywhere.
//!
//! | kernel | takes | how | instructions of MCUNet-5FPS 128x128 |
//! | --- | --- | --- | --- |
//! | `tt_pointwise` | 1x1, stride 1, even channels (multiples of 8 with a mask) | weights of two channels in one int16, `256 w1 + w0`, two channels by four pixels in registers (`tt_dot.c`) | layers 23 - 41: 10.6 to 7.5 M |
//! | `tt_pointwise_wide` | the same without masks and trained weights | weights as int16: an instruction of twelve less, twice the flash; from 8x8 pixels on | layers 2 - 21: 13.2 to 8.4 M |
//! | `tt_window` | any window of few channels, none trained, no mask | rows as int16 strips, columns copied by words | layer 0: 4.0 to 2.1 M |
//! | `tt_pointwise_input_grad` | the same, input channels in fours | packed weights sorted into int16 rows; rounding by SMMLAR, saturation by the Q flag | 11.0 to 7.5 M |
//! | `tt_depthwise_square` | 3x3, 5x5, 7x7, stride 1 and 2, channels in fours | weights in registers or one load multiple a row (`tt_square.c`) | 11.9 to 7.2 M |
//! | `tt_depthwise_square_input_grad` | the same, widths in fours | flipped weights; at stride 2 four products by parity | 3.9 to 1.7 M |
//!
//! Packed sums are exact while the second row's stays below 2^23, which the compiler checks for every pair and the verifier once more
//! (`tinytrain_spec::packed`). A row of pixels or a mask begins anywhere: any number of rows from one on may be a call. Within kernels for all shapes,
//! gradients are scaled eight at a time where channels are multiples of 8 (27 to 7 instructions an element), ADD works on four values, a weight step
//! with four residual bits updates two weights at once (85 to 25 instructions), a bias step stays in 32 bits where it can.
//!
//! **Counts.** A `u32` result is the number of gradient elements that saturated at the bounds of int8.

pub mod call;
pub mod reference;
pub mod simd;

use simd::Line;
use tinytrain_spec::arith::{Rate, Real31};
use tinytrain_spec::params::UpdateParams;

/// A convolution's weights, in two parts. For a full convolution, `frozen` is `[out_c][kh][kw][in_c - t]`, `trained` is
/// `[out_c][kh][kw][t]`, and `channels` are the `t` trained *input* channels. For a depthwise one, they are
/// `[kh][kw][out_c - t]` and `[kh][kw][t]`, and `channels` are *output* channels.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Weights in flash: those of the channels that are not in `channels`, ascending.
    pub frozen: &'a [i8],
    /// Weights in SRAM: those of the channels in `channels`.
    pub trained: &'a [i8],
    /// The trained channels, ascending; none, some or all of them.
    pub channels: &'a [u16],
}

/// A convolution's bias, `out_c` values.
#[derive(Clone, Copy, Debug)]
pub struct Bias<'a> {
    /// As imported.
    pub base: &'a [i32],
    /// Trained distance from `base`, in units of `2^-8`; empty if the bias is frozen.
    pub offset: &'a [i32],
}

/// A convolution's output scales, one per channel ([`tinytrain_spec::arith::Requant`]).
#[derive(Clone, Copy, Debug)]
pub struct Scales<'a> {
    /// Multipliers.
    pub m: &'a [i32],
    /// Left shifts; empty if all are 0.
    pub shift: &'a [u8],
}

/// The parameters of a tensor's update: those common to all updates in a training step, and the tensor's own.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The tensor's parameters. [`reference::bias_step`] reads only `exponent`.
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

/// Buffers shared by all kernels, grown on demand.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// LHS of a product: rows of activations or gradients.
    a: Vec<i16>,
    /// RHS of a product, or weights, in panels.
    b: Vec<i16>,
    /// Source from which `a` or `b` is gathered, in panels.
    x: Vec<i16>,
    /// Accumulators of the current rows.
    c: Vec<i32>,
    /// Biases as added by the forward pass.
    bias: Vec<i32>,
    /// Whether each output of the current rows was inside its bounds, one byte each.
    inside: Vec<u8>,
    /// The channel of each weight in storage order: frozen ones first.
    order: Vec<u16>,
    /// Gradient sums of a weight update.
    sums: Vec<i32>,
    /// LHS of a fast kernel.
    lhs: Vec<Line>,
    /// RHS of a fast kernel, or rows of words.
    rhs: Vec<Line>,
    /// Initial values of the sums.
    init: Vec<Line>,
    /// An input with padding.
    padded: Vec<Line>,
    /// Words of all channels.
    whole: Vec<Line>,
    /// Sum of a gradient over pixels, per channel.
    sums_of_g: Vec<Line>,
    /// Offsets of the rows of a product.
    places: Vec<u32>,
    /// Rates of an update.
    rates: Vec<Option<Rate>>,
    /// Weights before an update.
    before: Vec<i8>,
    /// Inputs of a call that works in place, which its kernel wants apart.
    copies: [Vec<i8>; 2],
}

/// The first `n` elements of a scratch buffer, with whatever content an earlier use left there.
fn grown<T: Copy + Default>(buffer: &mut Vec<T>, n: usize) -> &mut [T] {
    if buffer.len() < n {
        buffer.resize(n, T::default());
    }
    &mut buffer[..n]
}
