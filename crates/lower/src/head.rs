//! The trainable head.

use tinytrain_ir::{Head, Wrt};
use tinytrain_program::Purpose;
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, Real31, exp2i};
use tinytrain_spec::kernels::*;
use tinytrain_spec::params::HeadParams;
use tinytrain_spec::softmax::LogitScale;

use crate::LowerError;
use crate::blocks::Draft::{self, Ready, Tensor};
use crate::lower::Lowering;
use crate::storage::HeadOperands;

impl Lowering<'_> {
    /// Logits, then the error.
    pub fn head(&mut self, n: usize) -> Result<(), LowerError> {
        let (x, e) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]);
        let (p, o) = (self.head_params()?, self.head_operands()?);
        let block = self.blocks.block("logits", Purpose::Other, p.classes as usize * 8);
        self.logits = Some(block);
        let logits = Draft::Block(block);
        let call = HeadLogits { p, x: Tensor(x), w: Ready(o.weights), bias: Ready(o.bias), logits };
        self.blocks.step(n, Call::HeadLogits(call));
        let quant = self.attached_head()?.quant;
        let unit = quant.scale * exp2i(-HEAD_FRACTION_BITS);
        let scale = LogitScale::from_unit(unit).ok_or(LowerError::FeatureScale(quant.scale))?;
        let e = self.blocks.define(e);
        self.blocks.step(n, Call::HeadError(HeadError { classes: p.classes, scale, label: Label, logits, e }));
        Ok(())
    }

    pub fn head_input_grad(&mut self, n: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (p, o) = (self.head_params()?, self.head_operands()?);
        let gx = self.blocks.define(node.outputs[0]);
        let call = HeadInputGrad { p, w: Ready(o.weights), e: Tensor(node.inputs[0]), gx };
        self.blocks.step(n, Call::HeadInputGrad(call));
        Ok(())
    }

    pub fn head_update(&mut self, n: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let scale = self.attached_head()?.quant.scale;
        let (p, o) = (self.head_params()?, self.head_operands()?);
        let call = HeadUpdate {
            p,
            lr: HeadRate,
            k: ErrorShift,
            weight_q: Real31::from_f64(scale * exp2i(HEAD_FRACTION_BITS)),
            bias_q: Real31::from_f64(exp2i(HEAD_FRACTION_BITS) / scale),
            x: Tensor(node.inputs[1]),
            e: Tensor(node.inputs[0]),
            w: Ready(o.weights),
            bias: Ready(o.bias),
        };
        self.blocks.step(n, Call::HeadUpdate(call));
        Ok(())
    }

    fn attached_head(&self) -> Result<&Head, LowerError> {
        self.graph.head.as_ref().ok_or_else(|| LowerError::Graph("no head".into()))
    }

    fn head_operands(&mut self) -> Result<HeadOperands, LowerError> {
        let head = self.attached_head()?.clone();
        Ok(self.storage.head(&head, self.graph.tensor(head.features).shape.c))
    }

    fn head_params(&self) -> Result<HeadParams, LowerError> {
        let head = self.attached_head()?;
        // Head only: no gradient leaves the head, and m and s are not used.
        let (m, s) = match self.graph.exponents.get(&Wrt::Value(head.features)) {
            Some(&e) => {
                let r = Real31::from_f64(head.quant.scale * exp2i(-HEAD_FRACTION_BITS - e));
                let m = (r.m + 256) >> 9;
                // A mantissa that rounds up to 2^22 is halved: the sum times it must stay below 2^62.
                if m == 1 << 22 { (m as i32 / 2, 21 - r.e) } else { (m as i32, 22 - r.e) }
            }
            None => (0, 0),
        };
        let features = self.len(head.features);
        Ok(HeadParams { features, classes: head.classes as i32, x_zero: head.quant.zero, m, s })
    }
}
