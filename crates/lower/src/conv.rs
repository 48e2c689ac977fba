//! Convolutions: forward pass, gradients and updates.

use tinytrain_ir::LayerId;
use tinytrain_spec::arith::Real31;
use tinytrain_spec::kernels::*;
use tinytrain_spec::params::*;

use crate::LowerError;
use crate::blocks::Draft::{Ready, Tensor};
use crate::lower::Lowering;

impl Lowering<'_> {
    pub fn conv(&mut self, n: usize, l: LayerId) {
        let layer = self.graph.layer(l);
        let o = self.layer(l);
        let call = Conv {
            p: layer.geo,
            x: Tensor(self.graph.nodes[n].inputs[0]),
            frozen: o.frozen.map(Ready),
            trained: o.trained.map(Ready),
            channels: o.channels.map(Ready),
            bias: Ready(o.bias),
            offset: o.offset.map(Ready),
            m: Ready(o.m),
            shift: o.shift.map(Ready),
            y: self.blocks.define(self.graph.nodes[n].outputs[0]),
            mask: self.mask_of(n),
            scratch: None,
        };
        self.blocks.step(n, if layer.depthwise { Call::Depthwise(call) } else { Call::Conv(call) });
    }

    /// `g_acc = g_y mask m[c]` with `m[c] = m 2^(shift - 32)`, from exponent `E_y` to `E_acc`.
    pub fn conv_acc_grad(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, mask, out) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let o = self.layer(l);
        let channels = self.graph.layer(l).geo.out_c;
        let p = GradScaleParams { n: self.len(g), channels, m: 0, s: 32 + self.exponent_shift(g, out)?, repeat: 1 };
        let call = GradScale {
            p,
            g: Tensor(g),
            mask: Some(Tensor(mask)),
            m: Some(Ready(o.m)),
            shift: o.shift.map(Ready),
            gx: self.blocks.in_place(n, &[g], out),
        };
        self.blocks.step(n, Call::GradScale(call));
        Ok(())
    }

    pub fn conv_input_grad(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, out) = (node.inputs[0], node.outputs[0]);
        let layer = self.graph.layer(l);
        let o = self.layer(l);
        let call = ConvInputGrad {
            p: layer.geo,
            shift: self.exponent_shift(g, out)?,
            g: Tensor(g),
            frozen: o.frozen.map(Ready),
            trained: o.trained.map(Ready),
            channels: o.channels.map(Ready),
            gx: self.blocks.define(out),
            scratch: None,
        };
        self.blocks.step(n, if layer.depthwise { Call::DepthwiseInputGrad(call) } else { Call::ConvInputGrad(call) });
        Ok(())
    }

    pub fn conv_weight_step(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let (g, x) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].inputs[1]);
        let layer = self.graph.layer(l);
        let o = self.layer(l);
        let untrained = || LowerError::Graph(format!("a weight update of convolution {} that trains no weight", l.0));
        // The trained channels alone are all that there are.
        let in_c = self.graph.tensor(x).shape.c as i32;
        let alone = in_c != layer.geo.in_c;
        let call = ConvWeightStep {
            p: ConvParams { in_c, ..layer.geo },
            u: self.update_params(g, l)?,
            g: Tensor(g),
            x: Tensor(x),
            channels: o.channels.filter(|_| !alone).map(Ready),
            qas: Ready(o.qas.ok_or_else(untrained)?),
            q: Ready(o.trained.ok_or_else(untrained)?),
            lo: o.residuals.map(Ready),
            scratch: None,
        };
        self.blocks.step(n, if layer.depthwise { Call::DepthwiseWeightStep(call) } else { Call::ConvWeightStep(call) });
        Ok(())
    }

    pub fn conv_bias_step(&mut self, n: usize, l: LayerId) -> Result<(), LowerError> {
        let g = self.graph.nodes[n].inputs[0];
        let layer = self.graph.layer(l);
        let o = self.layer(l);
        let untrained = || LowerError::Graph(format!("a bias update of convolution {} that trains no bias", l.0));
        let call = BiasStep {
            pixels: layer.geo.out_h * layer.geo.out_w,
            channels: layer.geo.out_c,
            u: self.update_params(g, l)?,
            layer: Real31::from_f64(1.0 / (layer.x_scale * layer.x_scale)),
            g: Tensor(g),
            qas: Ready(o.qas.ok_or_else(untrained)?),
            base: Ready(o.bias),
            offset: Ready(o.offset.ok_or_else(untrained)?),
        };
        self.blocks.step(n, Call::BiasStep(call));
        Ok(())
    }

    /// `gx = g mask ratio`, for every pixel where `repeat > 1`.
    pub fn grad_scale(&mut self, n: usize, ratio: f64, repeat: usize) -> Result<(), LowerError> {
        let node = &self.graph.nodes[n];
        let (g, mask, out) = (node.inputs[0], node.inputs[1], node.outputs[0]);
        let r = Real31::from_f64(ratio);
        let s = 31 - r.e + self.exponent_shift(g, out)?;
        let p = GradScaleParams { n: self.len(g), channels: 1, m: r.m as i32, s, repeat: repeat as i32 };
        let (g, mask, m, shift) = (Tensor(g), Some(Tensor(mask)), None, None);
        let call = if repeat == 1 {
            let gx = self.blocks.in_place(n, &[node.inputs[0]], out);
            Call::GradScale(GradScale { p, g, mask, m, shift, gx })
        } else {
            let gx = self.blocks.define(out);
            Call::GradRepeat(GradRepeat { p, g, mask, m, shift, gx })
        };
        self.blocks.step(n, call);
        Ok(())
    }
}
