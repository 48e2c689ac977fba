//! The kernel of a call: the function that computes it, on the call's operands by name. A runtime on the host needs no more of the kernels than this.

use crate::simd::{self, Unit};
use crate::{Bias, Scales, Scratch, Update, Weights, reference};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::kernels::{Call, OperandSource};
use tinytrain_spec::params::UpdateParams;
use tinytrain_spec::softmax::{self, HeadResult};

/// What the kernels of a step take besides parameters and operands.
pub struct Context<'a> {
    /// The class of the sample, if it is known.
    pub label: Option<usize>,
    /// The learning rate of the head.
    pub head_rate: Real31,
    /// The learning rate of the backbone.
    pub backbone_rate: Real31,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the step.
    pub step: u32,
    /// The result of the head, which its call writes and updates read.
    pub result: &'a mut HeadResult,
    /// Buffers that kernels share.
    pub scratch: &'a mut Scratch,
}

impl Context<'_> {
    /// The parameters of an update in this step.
    pub fn update<'p>(&self, params: &'p UpdateParams) -> Update<'p> {
        Update { params, lr: self.backbone_rate, k: self.result.k, seed: self.seed, step: self.step }
    }
}

/// A copy in a buffer that is allocated once.
fn copied<'c>(from: &[i8], to: &'c mut Vec<i8>) -> &'c [i8] {
    to.clear();
    to.extend_from_slice(from);
    to
}

/// Runs a call on operands in `memory`; returns how many gradient elements saturated. Loops over single elements run as compiled for `unit`, if there is
/// one. Calls of the device's own kernels ([`Kernel::Pointwise`](tinytrain_spec::kernels::Kernel::Pointwise) and its like) have none here.
pub fn run<'m, A: PartialEq>(
    unit: Option<Unit>,
    call: &Call<A>,
    memory: &impl OperandSource<'m, A>,
    c: Context,
) -> u32 {
    macro_rules! k {
        ($name:ident($($arg:expr),* $(,)?)) => {
            match unit {
                Some(unit) => simd::$name(unit, $($arg),*),
                None => reference::$name($($arg),*),
            }
        };
    }
    let depthwise = call.kernel().depthwise();
    match call {
        Call::Conv(k) | Call::Depthwise(k) => {
            let v = k.views(memory);
            let bias = Bias { base: v.bias, offset: v.offset.unwrap_or_default() };
            let scales = Scales { m: v.m, shift: v.shift.unwrap_or_default() };
            let run = if depthwise { reference::depthwise } else { reference::conv };
            run(&k.p, v.x, weights(v.frozen, v.trained, v.channels), bias, scales, v.y, v.mask, c.scratch);
        }
        Call::ConvInputGrad(k) | Call::DepthwiseInputGrad(k) => {
            let v = k.views(memory);
            let run = if depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
            return run(&k.p, k.shift, v.g, weights(v.frozen, v.trained, v.channels), v.gx, c.scratch);
        }
        Call::ConvWeightStep(k) | Call::DepthwiseWeightStep(k) => {
            let v = k.views(memory);
            let (u, channels, lo) = (c.update(&k.u), v.channels.unwrap_or_default(), v.lo.unwrap_or_default());
            let run = if depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
            run(&k.p, &u, v.g, v.x, channels, v.qas, v.q, lo, c.scratch);
        }
        Call::Pointwise(_)
        | Call::PointwiseWide(_)
        | Call::PointwiseInputGrad(_)
        | Call::Window(_)
        | Call::DepthwiseSquare(_)
        | Call::DepthwiseSquareInputGrad(_) => {
            unreachable!("a plain Program has general calls")
        }
        Call::BiasStep(k) => {
            let v = k.views(memory);
            k!(bias_step(k.channels as usize, &c.update(&k.u), k.layer, v.g, v.qas, v.base, v.offset));
        }
        Call::Add(k) => {
            let v = k.views(memory);
            let [a, b] = &mut c.scratch.copies;
            // An input that is the output is copied first: the kernel wants them apart.
            let (a, b) = (v.a.unwrap_or_else(|| copied(v.y, a)), v.b.unwrap_or_else(|| copied(v.y, b)));
            k!(add(&k.p, a, b, v.y, v.mask));
        }
        Call::Requantize(k) => {
            let v = k.views(memory);
            let x = v.x.unwrap_or_else(|| copied(v.y, &mut c.scratch.copies[0]));
            k!(requantize(&k.p, x, v.y, v.mask));
        }
        Call::AveragePool(k) => {
            let v = k.views(memory);
            k!(average_pool(&k.p, v.x, v.y, v.mask));
        }
        Call::AveragePoolGrad(k) => {
            let v = k.views(memory);
            return k!(average_pool_grad(&k.p, v.g, v.mask, v.gx));
        }
        Call::MaxPool(k) => {
            let v = k.views(memory);
            k!(max_pool(&k.p, v.x, v.y, v.mask));
        }
        Call::MaxPoolGrad(k) => {
            let v = k.views(memory);
            return k!(max_pool_grad(&k.p, v.x, v.g, v.mask, v.gx));
        }
        Call::Mean(k) => {
            let v = k.views(memory);
            k!(mean(&k.p, v.x, v.y, v.mask));
        }
        Call::Softmax(k) => {
            let v = k.views(memory);
            reference::softmax(&k.p, v.x, v.y);
        }
        Call::Lookup(k) => {
            let v = k.views(memory);
            if let Some(x) = v.x {
                v.y.copy_from_slice(x);
            }
            k!(lookup(&k.p, v.table, v.y));
        }
        Call::LookupGrad(k) => {
            let v = k.views(memory);
            if let Some(g) = v.g {
                v.gx.copy_from_slice(g);
            }
            return k!(lookup_grad(&k.p, v.x, v.slope, v.gx));
        }
        Call::ResizeBilinear(k) => {
            let v = k.views(memory);
            k!(resize_bilinear(&k.p, v.x, v.y));
        }
        Call::ResizeBilinearGrad(k) => {
            let v = k.views(memory);
            return k!(resize_bilinear_grad(&k.p, v.g, v.gx));
        }
        Call::Mul(k) => {
            let v = k.views(memory);
            let a = v.a.unwrap_or_else(|| copied(v.y, &mut c.scratch.copies[0]));
            k!(mul(&k.p, a, v.b, v.y, v.mask));
        }
        Call::MulGrad(k) => {
            let v = k.views(memory);
            if let Some(g) = v.g {
                v.gx.copy_from_slice(g);
            }
            return k!(mul_grad(&k.p, v.mask, v.b, v.gx));
        }
        Call::MulSum(k) => {
            let v = k.views(memory);
            return k!(mul_sum(&k.p, v.g, v.mask, v.a, v.gx));
        }
        Call::CopyBox(k) => {
            let v = k.views(memory);
            return reference::copy_box(&k.p, v.src, v.dst);
        }
        Call::Fill(k) => reference::fill(&k.p, k.views(memory).dst),
        Call::HeadLogits(k) => {
            let v = k.views(memory);
            k!(head_logits(&k.p, v.x, v.w, v.bias, v.logits));
        }
        Call::SoftmaxScores(k) => *c.result = softmax::softmax(k.views(memory).logits, k.scale),
        Call::HeadError(k) => {
            let v = k.views(memory);
            *c.result = match c.label {
                Some(label) => softmax::head_error(v.logits, k.scale, label, v.e),
                None => softmax::softmax(v.logits, k.scale),
            };
        }
        Call::HeadInputGrad(k) => {
            let v = k.views(memory);
            return k!(head_input_grad(&k.p, v.w, v.e, v.gx));
        }
        Call::HeadUpdate(k) => {
            let v = k.views(memory);
            k!(head_update(&k.p, c.head_rate, k.weight_q, k.bias_q, c.result.k, v.x, v.e, v.w, v.bias));
        }
        Call::GradScale(k) => {
            let v = k.views(memory);
            if let Some(g) = v.g {
                v.gx.copy_from_slice(g);
            }
            return k!(grad_scale(&k.p, v.m.unwrap_or_default(), v.shift.unwrap_or_default(), v.mask, v.gx));
        }
        Call::GradRepeat(k) => {
            let v = k.views(memory);
            return k!(grad_repeat(&k.p, v.mask, v.g, v.gx));
        }
        Call::Sum(k) => {
            let v = k.views(memory);
            // The sum commutes, so it goes into whichever input the output is.
            let other = match (v.a, v.b) {
                (Some(a), Some(b)) => {
                    v.gx.copy_from_slice(a);
                    b
                }
                (Some(other), None) | (None, Some(other)) => other,
                (None, None) => copied(v.gx, &mut c.scratch.copies[0]),
            };
            return k!(sum(v.gx, other));
        }
    }
    0
}

fn weights<'m>(frozen: Option<&'m [i8]>, trained: Option<&'m [i8]>, channels: Option<&'m [u16]>) -> Weights<'m> {
    Weights {
        frozen: frozen.unwrap_or_default(),
        trained: trained.unwrap_or_default(),
        channels: channels.unwrap_or_default(),
    }
}
