//! The arithmetic and the parameters that every runtime of a Program shares: the reference kernels, the fast host kernels and the
//! C kernels on the device. Where two of them could disagree, this crate decides; a kernel is right when it gives these bits.
//!
//! Rounding is to nearest with halves up, `floor(x + 1/2)`, everywhere but in AVERAGE_POOL_2D (halves away from zero, as LiteRT does).
//! `>>` on a signed number is arithmetic. Layouts are row-major: activations HWC (batch is always 1), convolution weights OHWI,
//! depthwise weights HWC with `C = out_c`, head weights class-major.
//!
//! * [`arith`]: requantisation, scaling of gradients, the update rule and the packing of residual bits.
//! * [`random`]: the counter-based generator.
//! * [`softmax`]: exp, log-sum-exp loss and the head's error.
//! * [`scratch`]: bytes of scratch that the C kernels need.
//! * [`params`]: what an op needs to know, and in its documentation, exactly what the op computes.
#![no_std]

pub mod arith;
pub mod kernels;
pub mod params;
pub mod random;
pub mod scratch;
pub mod softmax;
