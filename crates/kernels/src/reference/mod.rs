//! The kernels in plain, safe loops, written so that the compiler can vectorise them.
//!
//! Full convolutions, their input gradients and their weight gradients are all one matrix product (`panels`) over
//! operands widened to int16; depthwise convolutions run over channels. Functions that the fast kernels reuse unchanged
//! (`simd/plain.rs`) are `#[inline(always)]`, so that they are compiled there for the instruction set in use.

mod conv;
mod depthwise;
mod elementwise;
mod finish;
mod geometry;
mod grad;
mod head;
mod mask;
mod mul;
mod panels;
mod pool;
mod resize;
mod update;

pub(crate) use conv::weight_order;
pub use conv::{conv, conv_input_grad, conv_weight_grad, conv_weight_step};
pub use depthwise::{depthwise, depthwise_input_grad, depthwise_weight_grad, depthwise_weight_step};
pub use elementwise::{add, copy_box, fill, lookup, lookup_grad, requantize, softmax};
pub(crate) use geometry::Axis;
pub use grad::{grad_repeat, grad_scale, sum};
pub use head::{head_input_grad, head_logits, head_update};
pub use mul::{mul, mul_grad, mul_sum};
pub use pool::{average_pool, average_pool_grad, max_pool, max_pool_grad, mean};
pub use resize::{resize_bilinear, resize_bilinear_grad};
pub(crate) use update::{bias_apply, step_weights};
pub use update::{bias_grad, bias_step};

/// Number of channels or elements for which a kernel without scratch keeps sums on the stack.
const BLOCK: usize = 64;
