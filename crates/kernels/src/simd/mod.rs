//! The fast kernels: the same integers as the reference kernels, computed with the processor's vector instructions.
//!
//! Everything is written once, against `isa::Isa`: sixteen lanes and a dot product of narrow factors. Each instruction
//! set is one implementation of it (`avx2`, `avx512`, `neon`, `wasm`); the one to use is chosen once ([`Kernels`]). A
//! convolution's weights are packed when a Program is loaded ([`PackedConv`]) and kept up to date by each update. Most
//! elementwise ops are the loops of the reference kernels, compiled for the instruction set (`plain`).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod conv;
mod depthwise;
mod elementwise;
mod finish;
mod grad;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pack;
mod padded;
mod plain;
mod product;
mod unit;
mod update;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub(crate) use isa::Line;
pub use plain::*;
pub use unit::{Kernels, Unit};

use crate::{Scales, Scratch, Update, Weights};
use conv::Conv;
use depthwise::Depthwise;
use tinytrain_spec::arith::Real31;
use tinytrain_spec::params::{AddParams, ConvParams, GradScaleParams};
use unit::entry;

/// The calls of a convolution, which differ in their rows (`in_h`, `out_h` and `pad_top`) only: those of each kind are its *parts*, by number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Geometries<'a> {
    /// Of the forward pass; at least one.
    pub forward: &'a [ConvParams],
    /// Of weight steps. Those of a full convolution may have the trained channels alone as their input (`in_c` is `trained`).
    pub weight_steps: &'a [ConvParams],
    /// Of input gradients.
    pub input_grads: &'a [ConvParams],
}

/// Number of elements of input and output of each part.
type Elements = Vec<(usize, usize)>;

/// A convolution whose weights are packed for one instruction set. [`PackedConv::weight_step`] keeps the packed weights up to date; after any other change
/// of trained weights, call [`PackedConv::restore`].
#[derive(Clone, Debug)]
pub struct PackedConv {
    unit: Unit,
    kind: Kind,
    forward: Elements,
    weight_steps: Elements,
    input_grads: Elements,
}

#[derive(Clone, Debug)]
enum Kind {
    Full(Box<Conv>),
    Depthwise(Box<Depthwise>),
}

/// None beyond 2^31.
fn elements(parts: &[ConvParams]) -> Option<Elements> {
    let count = |h: i32, w: i32, c: i32| [w, c].iter().try_fold(h as u32, |n, &by| n.checked_mul(by as u32));
    let of =
        |p: &ConvParams| Some((count(p.in_h, p.in_w, p.in_c)? as usize, count(p.out_h, p.out_w, p.out_c)? as usize));
    parts.iter().map(of).collect()
}

impl PackedConv {
    /// Packs a layer. None for the cases that only the reference kernels
    /// support: a depthwise convolution with more outputs than inputs (unless it has one input, is entirely frozen and
    /// needs no input gradient, in which case it is treated as a full one), an input gradient with more column padding
    /// than the kernel allows, and sizes beyond 2^31. Panics if lengths and sizes contradict each other, or if parts differ in
    /// more than their rows.
    pub fn new(
        unit: Unit,
        parts: Geometries,
        depthwise: bool,
        w: Weights,
        base: &[i32],
        scales: Scales,
    ) -> Option<Self> {
        let Geometries { forward, weight_steps, input_grads } = parts;
        let p = forward.first()?;
        let gathered =
            |step: &ConvParams| ConvParams { in_c: p.in_c, ..*step }.same_columns(p) && step.in_c == p.trained;
        assert!(forward.iter().chain(input_grads).all(|part| part.same_columns(p)), "parts differ in their rows only");
        assert!(
            weight_steps.iter().all(|step| step.same_columns(p) || gathered(step)),
            "parts differ in their rows only"
        );
        let sizes = [p.in_w, p.in_c, p.out_w, p.out_c, p.kh, p.kw, p.stride_h, p.stride_w];
        let rows = forward.iter().chain(weight_steps).chain(input_grads).flat_map(|p| [p.in_h, p.out_h]);
        assert!(sizes.into_iter().chain(rows).all(|n| n >= 1), "sizes are at least 1");
        let (forward, weight_steps, input_grads) =
            (elements(forward)?, elements(weight_steps)?, elements(input_grads)?);
        let n = p.out_c as usize;
        assert!(base.len() == n && scales.m.len() == n && (scales.shift.is_empty() || scales.shift.len() == n));
        let group = unit.group();
        let one_input = depthwise && p.in_c == 1 && p.out_c > 1;
        let kind = if one_input && w.channels.is_empty() && input_grads.is_empty() {
            // [kh][kw][out_c] becomes [out_c][kh][kw].
            let taps = (p.kh * p.kw) as usize;
            let turned: Vec<i8> = (0..n * taps).map(|i| w.frozen[i % taps * n + i / taps]).collect();
            let w = Weights { frozen: &turned, ..w };
            Kind::Full(Box::new(Conv::new(parts, w, base, scales, group)?))
        } else if depthwise {
            Kind::Depthwise(Box::new(Depthwise::new(parts, w, base, scales, group)?))
        } else {
            Kind::Full(Box::new(Conv::new(parts, w, base, scales, group)?))
        };
        Some(Self { unit, kind, forward, weight_steps, input_grads })
    }

    /// Replaces all trained weights, laid out as in [`Weights`].
    pub fn restore(&mut self, trained: &[i8]) {
        match &mut self.kind {
            Kind::Full(conv) => conv.restore(trained),
            Kind::Depthwise(depthwise) => depthwise.restore(trained),
        }
    }

    /// The forward pass of a part ([`crate::reference::conv`], [`crate::reference::depthwise`]), with the biases' trained
    /// `offset` ([`crate::Bias`]).
    pub fn run(
        &mut self,
        part: usize,
        x: &[i8],
        offset: &[i32],
        y: &mut [i8],
        mask: Option<&mut [u8]>,
        s: &mut Scratch,
    ) {
        let (inputs, outputs) = self.forward[part];
        assert!(x.len() == inputs && y.len() == outputs);
        assert!(mask.as_ref().is_none_or(|mask| mask.len() == outputs.div_ceil(8)));
        match &mut self.kind {
            Kind::Full(conv) => full_run(self.unit, conv, part, x, offset, y, mask, s),
            Kind::Depthwise(layer) => depthwise_run(self.unit, layer, part, x, offset, y, mask, s),
        }
    }

    /// The input gradient of a part ([`crate::reference::conv_input_grad`], [`crate::reference::depthwise_input_grad`]).
    pub fn input_grad(&mut self, part: usize, shift: i32, g: &[i8], gx: &mut [i8], s: &mut Scratch) -> u32 {
        let (inputs, outputs) = self.input_grads[part];
        assert!(g.len() == outputs && gx.len() == inputs);
        match &mut self.kind {
            Kind::Full(conv) => full_input_grad(self.unit, conv, part, shift, g, gx, s),
            Kind::Depthwise(layer) => depthwise_input_grad(self.unit, layer, part, shift, g, gx, s),
        }
    }

    /// Weight gradient and update ([`crate::reference::conv_weight_step`],
    /// [`crate::reference::depthwise_weight_step`]), by the gradient that a part sums.
    pub fn weight_step(
        &mut self,
        part: usize,
        u: &Update,
        g: &[i8],
        x: &[i8],
        qas: &[u32],
        q: &mut [i8],
        lo: &mut [u8],
        s: &mut Scratch,
    ) {
        let (inputs, outputs) = self.weight_steps[part];
        assert!(g.len() == outputs && x.len() == inputs);
        match &mut self.kind {
            Kind::Full(conv) => full_weight_step(self.unit, conv, part, u, g, x, qas, q, lo, s),
            Kind::Depthwise(layer) => depthwise_weight_step(self.unit, layer, part, u, g, x, qas, q, lo, s),
        }
    }
}

entry! {
    /// See [`crate::reference::add`].
    pub fn add(
        p: &AddParams, a: &[i8], b: &[i8], y: &mut [i8], mask: Option<&mut [u8]>,
    ) = elementwise::add;

    /// See [`crate::reference::grad_scale`].
    pub fn grad_scale(
        p: &GradScaleParams, m: &[i32], shift: &[u8], mask: Option<&[u8]>, buf: &mut [i8],
    ) -> u32 = grad::grad_scale;

    /// See [`crate::reference::bias_step`].
    pub fn bias_step(
        channels: usize, u: &Update, layer: Real31, g: &[i8], qas: &[u32], base: &[i32], offset: &mut [i32],
    ) = grad::bias_step;

    fn full_run(
        conv: &mut Conv, part: usize, x: &[i8], offset: &[i32], y: &mut [i8], mask: Option<&mut [u8]>, s: &mut Scratch,
    ) = Conv::run;

    fn full_input_grad(
        conv: &mut Conv, part: usize, shift: i32, g: &[i8], gx: &mut [i8], s: &mut Scratch,
    ) -> u32 = Conv::input_grad;

    fn full_weight_step(
        conv: &mut Conv, part: usize, u: &Update, g: &[i8], x: &[i8], qas: &[u32], q: &mut [i8], lo: &mut [u8], s: &mut Scratch,
    ) = Conv::weight_step;

    fn depthwise_run(
        layer: &mut Depthwise, part: usize, x: &[i8], offset: &[i32], y: &mut [i8], mask: Option<&mut [u8]>, s: &mut Scratch,
    ) = Depthwise::run;

    fn depthwise_input_grad(
        layer: &mut Depthwise, part: usize, shift: i32, g: &[i8], gx: &mut [i8], s: &mut Scratch,
    ) -> u32 = Depthwise::input_grad;

    fn depthwise_weight_step(
        layer: &mut Depthwise, part: usize, u: &Update, g: &[i8], x: &[i8], qas: &[u32], q: &mut [i8], lo: &mut [u8], s: &mut Scratch,
    ) = Depthwise::weight_step;
}
