//! The arithmetic and the parameters shared by every runtime of a Program: the reference kernels, the fast host kernels and the
//! C kernels on the device. This crate is normative: a kernel is correct when it yields these bits.
//!
//! Rounding is to the nearest integer with halves rounded up, `floor(x + 1/2)`, except in AVERAGE_POOL_2D (halves away from zero, as in LiteRT).
//! `>>` on a signed number is arithmetic. Layouts are row-major: activations HWC (batch is always 1), convolution weights OHWI,
//! depthwise weights HWC with `C = out_c`, head weights class-major.
//!
//! * [`arith`]: requantisation, scaling of gradients, the update rule and the packing of residual bits.
//! * [`random`]: the counter-based generator.
//! * [`replay`]: which samples a replay buffer keeps, and which it trains on again.
//! * [`softmax`]: exp, log-sum-exp loss and the head's error.
//! * [`packed`]: weights in the order in which the C kernels multiply them.
//! * [`series`]: how raw values of a sensor become int8.
//! * [`mel`]: how a sound becomes a log-mel spectrogram.
//! * [`micro`]: the same as TensorFlow Lite for Microcontrollers does it.
//! * [`camera`]: how the frames of a camera become samples.
//! * [`scratch`]: scratch sizes of the C kernels, in bytes.
//! * [`params`]: the parameters of each op, with a documentation that defines exactly what the op computes.
#![no_std]

extern crate alloc;

pub mod arith;
pub mod camera;
pub mod kernels;
pub mod mel;
pub mod micro;
pub mod packed;
pub mod params;
pub mod random;
pub mod replay;
mod rows;
pub mod scratch;
pub mod series;
pub mod softmax;
