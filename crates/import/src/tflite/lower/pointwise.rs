//! Operators on single values: sums and products, with a constant or of two tensors, and functions.

use tinytrain_ir::{ConvSpec, Function, PoolSpec, Quant, Shape, TensorId};

use super::{Lowering, Operator, Site, Value, bounds, fused, missing_options};
use crate::error::{Fault, malformed, unsupported};
use crate::tflite::file::{Op, dtype};
use crate::tflite::names;
use tinytrain_tflite::{OptionsRef, operator};

pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("ABS", |l, site| l.function(site, Function::Abs).map(Value::from)),
    ("ADD", |l, site| l.arithmetic("ADD", site).map(Value::from)),
    ("ELU", |l, site| l.function(site, Function::Elu).map(Value::from)),
    ("EXP", |l, site| l.function(site, Function::Exp).map(Value::from)),
    ("HARD_SWISH", |l, site| l.function(site, Function::HardSwish).map(Value::from)),
    ("LEAKY_RELU", |l, site| l.leaky_relu(site).map(Value::from)),
    ("LOGISTIC", |l, site| l.function(site, Function::Logistic).map(Value::from)),
    ("MAXIMUM", |l, site| l.extreme(true, site).map(Value::from)),
    ("MINIMUM", |l, site| l.extreme(false, site).map(Value::from)),
    ("MUL", |l, site| l.arithmetic("MUL", site).map(Value::from)),
    ("NEG", |l, site| l.function(site, Function::Linear { factor: -1.0, term: 0.0 }).map(Value::from)),
    ("PRELU", |l, site| l.prelu(site).map(Value::from)),
    ("QUANTIZE", |l, site| l.clamp(site, fused::NONE).map(Value::from)),
    ("RELU", |l, site| l.clamp(site, fused::RELU).map(Value::from)),
    ("RELU6", |l, site| l.clamp(site, fused::RELU6).map(Value::from)),
    ("RELU_N1_TO_1", |l, site| l.clamp(site, fused::RELU_N1_TO_1).map(Value::from)),
    ("SOFTMAX", |l, site| l.softmax(site).map(Value::from)),
    ("SUB", |l, site| l.arithmetic("SUB", site).map(Value::from)),
    ("TANH", |l, site| l.function(site, Function::Tanh).map(Value::from)),
];

/// A constant as reals: one for all, or one a channel.
enum Reals {
    One(f64),
    Channels(Vec<f64>),
}

impl<'a> Lowering<'a> {
    /// ADD, SUB and MUL: of two tensors, or with a constant.
    fn arithmetic(&mut self, name: &str, site: &Site<'a>) -> Result<TensorId, Fault> {
        let activation = match site.op.options {
            Some(OptionsRef::Add(o)) => o.activation()?,
            Some(OptionsRef::Sub(o)) => o.activation()?,
            Some(OptionsRef::Mul(o)) => o.activation()?,
            _ => fused::NONE,
        };
        let bounds = bounds(activation, site.quant)?;
        let constant = (0..2).find(|&n| self.is_constant(site.op, n));
        let Some(n) = constant else { return self.of_two(name, site, bounds) };
        let x = self.input(site.op, 1 - n)?;
        let reals = self.reals(site.op, n, self.builder.shape(x))?;
        // Per value v of the constant: factor and term of a linear function.
        let line = |v: f64| match name {
            "MUL" => (v, 0.0),
            "ADD" => (1.0, v),
            _ if n == 0 => (-1.0, v),
            _ => (1.0, -v),
        };
        match reals {
            Reals::One(v) => {
                let (factor, term) = line(v);
                Ok(self.builder.function(x, Function::Linear { factor, term }, site.quant, bounds)?)
            }
            Reals::Channels(values) => {
                self.budget.take_channels(values.len())?;
                self.line_per_channel(x, &values.into_iter().map(line).collect::<Vec<_>>(), site.quant, bounds)
            }
        }
    }

    /// A linear function for each channel: a depthwise convolution of single pixels. Each channel's scale is free, so the
    /// factor is exact; the term is a bias in units of 1/127 of the input's.
    fn line_per_channel(
        &mut self,
        x: TensorId,
        lines: &[(f64, f64)],
        y: Quant,
        bounds: (i32, i32),
    ) -> Result<TensorId, Fault> {
        const WEIGHT: f64 = 127.0;
        let x_scale = self.builder.quant(x).scale;
        let scale = |factor: f64| if factor == 0.0 { y.scale / x_scale } else { factor.abs() } / WEIGHT;
        let bias = |&(factor, term): &(f64, f64)| {
            let v = (term / (x_scale * scale(factor))).round();
            if v.abs() < 2f64.powi(30) { Ok(v as i32) } else { unsupported(format!("a constant of {term}")) }
        };
        let weight = |&(factor, _): &(f64, f64)| if factor == 0.0 { 0 } else { (factor.signum() * WEIGHT) as i8 };
        let spec = ConvSpec {
            window: PoolSpec::valid(self.builder.shape(x), [1, 1], [1, 1]),
            depthwise: true,
            weights: lines.iter().map(weight).collect(),
            bias: lines.iter().map(bias).collect::<Result<Vec<_>, _>>()?.into(),
            w_scales: lines.iter().map(|&(factor, _)| scale(factor)).collect(),
            y,
            bounds,
        };
        Ok(self.builder.conv(x, spec)?)
    }

    fn of_two(&mut self, name: &str, site: &Site<'a>, bounds: (i32, i32)) -> Result<TensorId, Fault> {
        let (mut a, mut b) = (self.input(site.op, 0)?, self.input(site.op, 1)?);
        self.builder.origin(site.index, self.source(site.y));
        match name {
            "ADD" => Ok(self.builder.add(a, b, site.quant, bounds)?),
            "SUB" => {
                self.builder.origin(site.index, None);
                b = self.builder.negated(b)?;
                self.builder.origin(site.index, self.source(site.y));
                Ok(self.builder.add(a, b, site.quant, bounds)?)
            }
            _ => {
                // The weight of a channel may come first.
                if self.builder.shape(a).len() < self.builder.shape(b).len() {
                    (a, b) = (b, a);
                }
                Ok(self.builder.mul(a, b, site.quant, bounds)?)
            }
        }
    }

    fn is_constant(&self, op: &Op<'_>, n: usize) -> bool {
        op.inputs.get(n).copied().flatten().is_some_and(|t| self.file.tensors[t].data.is_some())
    }

    /// Input `n`, a constant of int8 or uint8, as reals for a tensor of shape `x`.
    fn reals(&mut self, op: &Op<'_>, n: usize, x: Shape) -> Result<Reals, Fault> {
        let Some((t, tensor, data)) = self.constant(op, n, "constant")? else {
            return malformed(format!("its input {n} is missing"));
        };
        if !matches!(tensor.dtype, dtype::INT8 | dtype::UINT8) {
            return unsupported(format!("its constant, tensor {t}, is {}", names::dtype(tensor.dtype)));
        }
        let (Some(scale), Some(zero)) =
            (tensor.scales.and_then(|s| s.first()), tensor.zeros.map_or(Some(0), |z| z.first()))
        else {
            return unsupported(format!("its constant, tensor {t}, has no quantisation"));
        };
        if tensor.scales.is_some_and(|s| s.len() != 1) || !scale.is_finite() || zero.unsigned_abs() > 255 {
            return unsupported(format!("its constant, tensor {t}, has a quantisation that is not one for all"));
        }
        self.budget.take(data.len())?;
        let signed = tensor.dtype == dtype::INT8;
        let whole = |&b: &u8| if signed { i64::from(b as i8) } else { i64::from(b) };
        let values: Vec<f64> = data.iter().map(|b| (whole(b) - zero) as f64 * f64::from(scale)).collect();
        let channels_last = tensor.dims.iter().rev().skip(1).all(|&d| d == 1);
        match values[..] {
            [first, ..] if values.iter().all(|&v| v == first) && (channels_last || values.len() == x.len()) => {
                Ok(Reals::One(first))
            }
            _ if values.len() == x.c && channels_last => Ok(Reals::Channels(values)),
            _ => unsupported(format!(
                "its constant, tensor {t}, has the shape {:?} beside {x}; one value, or one a channel, is supported",
                tensor.dims
            )),
        }
    }

    /// MAXIMUM and MINIMUM, with one constant or of two tensors.
    fn extreme(&mut self, max: bool, site: &Site<'a>) -> Result<TensorId, Fault> {
        if let Some(n) = (0..2).find(|&n| self.is_constant(site.op, n)) {
            let x = self.input(site.op, 1 - n)?;
            let Reals::One(bound) = self.reals(site.op, n, self.builder.shape(x))? else {
                return unsupported("MAXIMUM and MINIMUM with a constant for each channel are not supported");
            };
            let f = if max { Function::Maximum { bound } } else { Function::Minimum { bound } };
            return Ok(self.builder.function(x, f, site.quant, (-128, 127))?);
        }
        let (a, b) = (self.input(site.op, 0)?, self.input(site.op, 1)?);
        self.keeps_quant(a, site)?;
        self.keeps_quant(b, site)?;
        self.builder.origin(site.index, None);
        if max {
            let y = self.larger(a, b)?;
            return self.shaped(site, y, site.shape, self.source(site.y));
        }
        // min(a, b) = -max(-a, -b).
        let (a, b) = (self.builder.negated(a)?, self.builder.negated(b)?);
        let y = self.larger(a, b)?;
        let y = self.shaped(site, y, site.shape, None)?;
        self.builder.origin(site.index, self.source(site.y));
        Ok(self.builder.negated(y)?)
    }

    /// The larger of each two values: a maximum over two rows, one of each tensor.
    fn larger(&mut self, a: TensorId, b: TensorId) -> Result<TensorId, Fault> {
        let s = self.builder.shape(a);
        let row = Shape::new(1, s.pixels(), s.c);
        let (a, b) = (self.builder.reshape(a, row)?, self.builder.reshape(b, row)?);
        let both = self.builder.concat(&[a, b], 0)?;
        let window = PoolSpec::valid(self.builder.shape(both), [2, 1], [1, 1]);
        Ok(self.builder.pool(both, window, true, (-128, 127))?)
    }

    fn function(&mut self, site: &Site<'a>, f: Function) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.builder.origin(site.index, self.source(site.y));
        Ok(self.builder.function(x, f, site.quant, (-128, 127))?)
    }

    fn leaky_relu(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::LeakyRelu(o)) = site.op.options else { return missing_options() };
        let alpha = f64::from(o.alpha()?);
        self.function(site, Function::LeakyRelu { alpha })
    }

    /// PRELU, a slope for each channel: the positive side, and the negative side times the slopes. One of the two is 0 for every
    /// value, so their sum is rounded once.
    fn prelu(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        let (q, y) = (self.builder.quant(x), site.quant);
        let slopes = match self.reals(site.op, 1, self.builder.shape(x))? {
            Reals::One(alpha) => return self.function(site, Function::LeakyRelu { alpha }),
            Reals::Channels(slopes) => slopes,
        };
        self.budget.take_channels(slopes.len())?;
        self.builder.origin(site.index, None);
        let positive = self.builder.requantize(x, y, (y.zero, 127))?;
        let negative = self.builder.requantize(x, q, (-128, q.zero))?;
        let lines: Vec<(f64, f64)> = slopes.into_iter().map(|slope| (slope, 0.0)).collect();
        let negative = self.line_per_channel(negative, &lines, y, (-128, 127))?;
        self.builder.origin(site.index, self.source(site.y));
        Ok(self.builder.add(positive, negative, y, (-128, 127))?)
    }

    /// The RELU family, and QUANTIZE from int8 to int8.
    fn clamp(&mut self, site: &Site<'a>, activation: i8) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        Ok(self.builder.requantize(x, site.quant, bounds(activation, site.quant)?)?)
    }

    fn softmax(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let beta = match site.op.options {
            Some(OptionsRef::Softmax(o)) => o.beta()? as f64,
            _ => return missing_options(),
        };
        let x = self.input(site.op, 0)?;
        let activation = |t: &usize| matches!(self.file.tensors[*t].dtype, dtype::INT8 | dtype::UINT8);
        let leaves = |op: &Op<'_>| {
            let reshapes = matches!(operator::name(op.code), Some("RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" | "QUANTIZE"));
            reshapes || !op.outputs.iter().any(activation)
        };
        if !self.file.ops[site.index + 1..].iter().all(leaves) {
            return unsupported("SOFTMAX is supported as the last operator only");
        }
        Ok(self.builder.softmax(x, beta, site.quant)?)
    }
}
