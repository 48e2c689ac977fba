//! Translates the operators, one after the other, into calls of the graph builder.

mod layout;

use std::sync::Arc;

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, PoolSpec, Quant, Shape, TensorId};

use super::file::{File, Op, Tensor, dtype};
use super::names;
use super::schema::tflite::OptionsRef;
use crate::budget::Budget;
use crate::error::{Fault, malformed, unsupported};

/// Operators that [`Lowering::operator`] supports, sorted.
pub(crate) const SUPPORTED: &[&str] = &[
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "FULLY_CONNECTED",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "PAD",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RESHAPE",
    "SOFTMAX",
    "TRANSPOSE",
];

/// Whether an operator's kind is supported.
pub(super) fn is_supported(op: &Op<'_>) -> bool {
    names::operator(op.code).is_some_and(|name| SUPPORTED.contains(&name))
}

/// No real model has a larger window or stride.
const MAX_STEP: i32 = 1 << 14;
/// Most elements of a tensor: the builder's limit, repeated here so that no product overflows before the builder checks
/// it.
const MAX_ELEMENTS: usize = 1 << 24;

/// Fused activation functions, by the format's numbers.
mod fused {
    pub const NONE: i8 = 0;
    pub const RELU: i8 = 1;
    pub const RELU_N1_TO_1: i8 = 2;
    pub const RELU6: i8 = 3;
}

impl File<'_> {
    /// Shape and quantisation of an int8 activation.
    pub(super) fn activation(&self, t: usize) -> Result<(Shape, Quant), Fault> {
        let tensor = &self.tensors[t];
        if tensor.dtype != dtype::INT8 {
            return Err(self.wrong_type(t));
        }
        let (Some(scales), zeros) = (tensor.scales, tensor.zeros) else {
            return unsupported(format!("tensor {t} has no quantisation"));
        };
        let (Some(scale), 1, true) = (scales.first(), scales.len(), zeros.is_none_or(|z| z.len() <= 1)) else {
            return unsupported(format!("activation {t} has {} scales; one is supported", scales.len()));
        };
        let zero = zeros.and_then(|z| z.first()).unwrap_or(0);
        let Ok(zero) = i8::try_from(zero) else {
            return malformed(format!("tensor {t} has the zero point {zero}, outside int8"));
        };
        Ok((shape(t, tensor)?, Quant { scale: scale as f64, zero: zero as i32 }))
    }

    /// The error for a tensor that cannot be an activation.
    pub(super) fn wrong_type(&self, t: usize) -> Fault {
        let what = match self.tensors[t].dtype {
            dtype::FLOAT32 => "the model computes in float32",
            dtype::UINT8 => "the model's activations are uint8, an older quantisation",
            _ => {
                return Fault::Unsupported(format!(
                    "tensor {t} is {}; only models that are quantised to int8 throughout are supported",
                    names::dtype(self.tensors[t].dtype)
                ));
            }
        };
        Fault::Unsupported(format!(
            "{what} (tensor {t}); only models quantised to int8 throughout are supported \
             (in TensorFlow: full integer quantisation with a representative data set)"
        ))
    }
}

/// HWC of `[1, H, W, C]`, `[1, W, C]` (one row) or `[1, C]` (one pixel).
fn shape(t: usize, tensor: &Tensor<'_>) -> Result<Shape, Fault> {
    if tensor.dynamic || tensor.dims.iter().any(|&d| d < 0) {
        return unsupported(format!("tensor {t} has a dynamic shape; only shapes fixed in the file are supported"));
    }
    let dims: Vec<usize> = tensor.dims.iter().map(|&d| d as usize).collect();
    match dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(1..=MAX_ELEMENTS) => {}
        _ => return unsupported(format!("tensor {t} has the shape {dims:?}")),
    }
    match dims[..] {
        [batch, ..] if batch != 1 && (2..=4).contains(&dims.len()) => {
            unsupported(format!("tensor {t} has the batch size {batch}; 1 is supported"))
        }
        [_, h, w, c] => Ok(Shape::new(h, w, c)),
        [_, w, c] => Ok(Shape::new(1, w, c)),
        [_, c] => Ok(Shape::new(1, 1, c)),
        _ => unsupported(format!(
            "tensor {t} has {} dimensions; 2 to 4 are supported, the first of which is the batch",
            dims.len()
        )),
    }
}

/// A tensor of the file in terms of the graph.
#[derive(Clone)]
struct Value {
    id: TensorId,
    /// The file orders the dimensions differently from the graph, as after a TRANSPOSE to NCHW: for each of the
    /// file's dimensions its axis in the natural order (batch, rows, columns, channels). Only MEAN and TRANSPOSE read
    /// such a value; the graph never moves the bytes.
    order: Option<Vec<usize>>,
}

impl From<TensorId> for Value {
    fn from(id: TensorId) -> Self {
        Self { id, order: None }
    }
}

/// Builds the graph while going through the operators in the file's order.
pub(super) struct Lowering<'a> {
    file: &'a File<'a>,
    builder: GraphBuilder,
    budget: Budget,
    /// Each of the file's tensors in terms of the graph.
    values: Vec<Option<Value>>,
    /// The number of operators that read each tensor.
    readers: Vec<usize>,
}

/// The current operator, its only output and the file's description of that output.
struct Site<'a> {
    index: usize,
    op: &'a Op<'a>,
    /// The file's tensor.
    y: usize,
    shape: Shape,
    quant: Quant,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(file: &'a File<'a>, builder: GraphBuilder, budget: Budget, entry: usize) -> Self {
        let mut values = vec![None; file.tensors.len()];
        values[entry] = Some(builder.input().into());
        let mut readers = vec![0; file.tensors.len()];
        for &t in file.ops.iter().flat_map(|op| op.inputs.iter().flatten()) {
            readers[t] += 1;
        }
        Self { file, builder, budget, values, readers }
    }

    pub(super) fn finish(self) -> Result<Graph, Fault> {
        if self.file.outputs.is_empty() {
            return malformed("the model has no output");
        }
        let outputs = self.file.outputs.iter().map(|&t| self.plain(t)).collect::<Result<_, _>>()?;
        Ok(self.builder.finish(outputs)?)
    }

    pub(super) fn operator(&mut self, index: usize) -> Result<(), Fault> {
        let op = &self.file.ops[index];
        let name = names::operator(op.code).ok_or(Fault::Operator)?;
        let [y] = op.outputs[..] else {
            return malformed(format!("it has {} outputs", op.outputs.len()));
        };
        if self.values[y].is_some() || self.file.tensors[y].data.is_some() || self.file.inputs.contains(&y) {
            return malformed(format!("it writes tensor {y}, which already has a value"));
        }
        let result = match name {
            "DEQUANTIZE" => self.leave(op, y)?.into(),
            "QUANTIZE" if self.file.tensors[y].dtype == dtype::UINT8 => self.leave(op, y)?.into(),
            "TRANSPOSE" | "MEAN" => self.reorder(name, index, op, y)?,
            _ => self.compute(name, index, op, y)?.into(),
        };
        self.values[y] = Some(result);
        Ok(())
    }

    /// DEQUANTIZE, or QUANTIZE to uint8, after the last int8 tensor: the graph's output is that tensor.
    fn leave(&mut self, op: &Op<'_>, y: usize) -> Result<TensorId, Fault> {
        let x = self.input(op, 0)?;
        if self.readers[y] > 0 || !self.file.outputs.contains(&y) {
            return unsupported("a conversion from int8 is supported only at the end of a model");
        }
        Ok(x)
    }

    fn site(&mut self, index: usize, op: &'a Op<'a>, y: usize) -> Result<Site<'a>, Fault> {
        let (shape, quant) = self.file.activation(y)?;
        self.builder.origin(index, Some(y));
        Ok(Site { index, op, y, shape, quant })
    }

    /// Operators that accept an input with its dimensions in another order.
    fn reorder(&mut self, name: &str, index: usize, op: &'a Op<'a>, y: usize) -> Result<Value, Fault> {
        let site = self.site(index, op, y)?;
        if name == "MEAN" { self.mean(&site) } else { self.transpose(&site) }
    }

    fn compute(&mut self, name: &str, index: usize, op: &'a Op<'a>, y: usize) -> Result<TensorId, Fault> {
        let site = self.site(index, op, y)?;
        let shape = site.shape;
        let result = match name {
            "CONV_2D" => self.conv(&site)?,
            "DEPTHWISE_CONV_2D" => self.depthwise(&site)?,
            "FULLY_CONNECTED" => self.fully_connected(&site)?,
            "ADD" => self.add(&site)?,
            "AVERAGE_POOL_2D" => self.pool(&site, false)?,
            "MAX_POOL_2D" => self.pool(&site, true)?,
            "PAD" => self.pad(&site)?,
            "RESHAPE" => self.reshape(&site)?,
            "CONCATENATION" => self.concat(&site)?,
            "RELU" => self.clamp(&site, fused::RELU)?,
            "RELU6" => self.clamp(&site, fused::RELU6)?,
            "RELU_N1_TO_1" => self.clamp(&site, fused::RELU_N1_TO_1)?,
            "QUANTIZE" => self.clamp(&site, fused::NONE)?,
            "LOGISTIC" => {
                let x = self.input(site.op, 0)?;
                self.builder.logistic(x, site.quant)?
            }
            "SOFTMAX" => self.softmax(&site)?,
            _ => return Err(Fault::Operator),
        };
        match self.builder.shape(result) {
            s if s == shape => Ok(result),
            s => malformed(format!("its output is declared as {shape}, but its parameters imply {s}")),
        }
    }

    // ---- operands ----

    /// A value whose bytes are in the file's order.
    fn plain(&self, t: usize) -> Result<TensorId, Fault> {
        match self.value(t)? {
            Value { id, order: None } => Ok(id),
            _ => unsupported(format!(
                "tensor {t} is transposed; only MEAN over rows and columns may read a transposed tensor"
            )),
        }
    }

    fn value(&self, t: usize) -> Result<Value, Fault> {
        if let Some(v) = &self.values[t] {
            return Ok(v.clone());
        }
        let tensor = &self.file.tensors[t];
        if tensor.data.is_some() {
            return unsupported(format!("tensor {t} is a constant where an activation is expected"));
        }
        if tensor.variable {
            return unsupported(format!("tensor {t} is a variable; models with state are not supported"));
        }
        if tensor.dtype != dtype::INT8 {
            return Err(self.file.wrong_type(t));
        }
        malformed(format!("tensor {t} is read before any operator writes it"))
    }

    fn input(&self, op: &Op<'_>, n: usize) -> Result<TensorId, Fault> {
        match op.inputs.get(n) {
            Some(&Some(t)) => self.plain(t),
            _ => malformed(format!("its input {n} is missing")),
        }
    }

    /// The first input, in any order of dimensions, and its dimensions in the file.
    fn ordered_input(&self, op: &Op<'_>) -> Result<(Value, &'a [i32]), Fault> {
        match op.inputs.first() {
            Some(&Some(t)) => Ok((self.value(t)?, &self.file.tensors[t].dims)),
            _ => malformed("its input 0 is missing"),
        }
    }

    /// A constant's description and content; `None` if the optional input is omitted.
    fn constant(&self, op: &Op<'_>, n: usize, what: &str) -> Result<Option<Constant<'a>>, Fault> {
        let Some(&Some(t)) = op.inputs.get(n) else { return Ok(None) };
        let tensor = &self.file.tensors[t];
        if tensor.sparse {
            return unsupported(format!("its {what}, tensor {t}, are sparse; only dense ones are supported"));
        }
        match tensor.data {
            Some(data) => Ok(Some((t, tensor, data))),
            None => unsupported(format!("its {what}, tensor {t}, are not constant; they must be in the file")),
        }
    }

    /// A small constant of int32 or int64: axes, paddings, a shape.
    fn integers(&self, op: &Op<'_>, n: usize, what: &str) -> Result<Option<(Vec<i64>, &'a Tensor<'a>)>, Fault> {
        let Some((t, tensor, data)) = self.constant(op, n, what)? else { return Ok(None) };
        if data.len() > 256 {
            return malformed(format!("its {what}, tensor {t}, take {} bytes", data.len()));
        }
        let values = match tensor.dtype {
            dtype::INT32 => words(data).map(|v| v as i64).collect(),
            dtype::INT64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap_or_default())).collect()
            }
            other => return unsupported(format!("its {what}, tensor {t}, are {}", names::dtype(other))),
        };
        Ok(Some((values, tensor)))
    }

    /// Weights of a convolution: dimensions, content and one scale per output channel; output channels lie along
    /// `axis`.
    fn weights(&mut self, op: &Op<'_>, rank: usize, axis: usize) -> Result<Weights<'a>, Fault> {
        let Some((t, tensor, data)) = self.constant(op, 1, "weights")? else {
            return malformed("it has no weights");
        };
        if tensor.dtype != dtype::INT8 {
            return unsupported(format!(
                "its weights, tensor {t}, are {}; int8 is supported",
                names::dtype(tensor.dtype)
            ));
        }
        let dims = tensor.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<_>>>().unwrap_or_default();
        let len = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if dims.len() != rank || len != Some(data.len()) || data.is_empty() {
            return malformed(format!(
                "its weights, tensor {t}, have the shape {:?} and {} bytes",
                tensor.dims,
                data.len()
            ));
        }
        self.budget.take(data.len())?;
        self.budget.take_channels(dims[axis])?;
        let scales = channel_scales(t, tensor, dims[axis], axis)?;
        Ok(Weights { dims, data, scales })
    }

    fn bias(&mut self, op: &Op<'_>, channels: usize) -> Result<Arc<[i32]>, Fault> {
        // `quantized_dimension` is meaningless for a single dimension, and some files (person_detect) contain garbage
        // there.
        let Some((t, tensor, data)) = self.constant(op, 2, "biases")? else {
            return Ok(vec![0; channels].into());
        };
        if tensor.dtype != dtype::INT32 {
            return unsupported(format!(
                "its biases, tensor {t}, are {}; int32 is supported",
                names::dtype(tensor.dtype)
            ));
        }
        if channels.checked_mul(4) != Some(data.len()) {
            return malformed(format!("its biases, tensor {t}, take {} bytes for {channels} channels", data.len()));
        }
        Ok(words(data).collect())
    }

    /// Checks that the output has the input's quantisation, as LiteRT's kernels require.
    fn keeps_quant(&self, x: TensorId, site: &Site<'_>) -> Result<(), Fault> {
        let q = self.builder.quant(x);
        if q == site.quant {
            return Ok(());
        }
        unsupported(format!(
            "its output (tensor {}, scale {}, zero point {}) is quantised differently from its input (scale {}, zero \
             point {})",
            site.y, site.quant.scale, site.quant.zero, q.scale, q.zero
        ))
    }

    // ---- operators ----

    fn conv(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Conv(o)) = site.op.options else { return missing_options() };
        let x = self.input(site.op, 0)?;
        no_dilation(o.dilation_h()?, o.dilation_w()?)?;
        let weights = self.weights(site.op, 4, 0)?;
        let (xs, in_c) = (self.builder.shape(x), weights.dims[3]);
        if in_c != xs.c {
            return match in_c > 0 && xs.c.is_multiple_of(in_c) {
                true => unsupported(format!("a grouped convolution ({} groups) is not supported", xs.c / in_c)),
                false => malformed(format!("its weights are for {in_c} input channels, but its input has {}", xs.c)),
            };
        }
        let kernel = [weights.dims[1], weights.dims[2]];
        let window = window(xs, o.padding()?, kernel, [o.stride_h()?, o.stride_w()?])?;
        self.finish_conv(site, x, weights, 0, window, o.activation()?)
    }

    fn depthwise(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::DepthwiseConv(o)) = site.op.options else { return missing_options() };
        let x = self.input(site.op, 0)?;
        no_dilation(o.dilation_h()?, o.dilation_w()?)?;
        let weights = self.weights(site.op, 4, 3)?;
        let xs = self.builder.shape(x);
        let [one, kh, kw, out_c] = weights.dims[..] else { return missing_options() };
        let stated = o.multiplier()?;
        let fits = one == 1 && out_c.is_multiple_of(xs.c) && (stated == 0 || stated as usize == out_c / xs.c);
        if !fits {
            return malformed(format!(
                "its weights have the shape {:?} for {} input channels, multiplier {stated}",
                weights.dims, xs.c
            ));
        }
        let window = window(xs, o.padding()?, [kh, kw], [o.stride_h()?, o.stride_w()?])?;
        self.finish_conv(site, x, weights, 3, window, o.activation()?)
    }

    fn finish_conv(
        &mut self,
        site: &Site<'a>,
        x: TensorId,
        weights: Weights<'a>,
        axis: usize,
        window: PoolSpec,
        activation: i8,
    ) -> Result<TensorId, Fault> {
        let spec = ConvSpec {
            window,
            depthwise: axis == 3,
            weights: weights.data.iter().map(|&b| b as i8).collect(),
            bias: self.bias(site.op, weights.dims[axis])?,
            w_scales: weights.scales,
            y: site.quant,
            bounds: bounds(activation, site.quant)?,
        };
        Ok(self.builder.conv(x, spec)?)
    }

    /// FULLY_CONNECTED as a 1x1 convolution: on a map of one pixel, or on every pixel if the file keeps the dimensions.
    fn fully_connected(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::FullyConnected(o)) = site.op.options else { return missing_options() };
        if o.weights_format()? != 0 {
            return unsupported("its weights are shuffled; only the plain order is supported");
        }
        let mut x = self.input(site.op, 0)?;
        let weights = self.weights(site.op, 2, 0)?;
        let xs = self.builder.shape(x);
        let [out, features] = weights.dims[..] else { return missing_options() };
        let keeps = o.keep_num_dims()? && xs.c == features;
        if !keeps && xs.len() != features {
            return unsupported(format!("its weights are for {features} features, but its input has {xs}"));
        }
        if !keeps && xs.pixels() > 1 {
            x = self.helper_reshape(site, x, Shape::new(1, 1, features))?;
        }
        let window = PoolSpec::valid(self.builder.shape(x), [1, 1], [1, 1]);
        let pixels = self.builder.shape(x);
        // The file may declare another shape for the result (with dimensions of 1 elsewhere): a reshape then follows
        // as the last node.
        self.claim(site, Shape::new(pixels.h, pixels.w, out), true);
        let y = self.finish_conv(site, x, weights, 0, window, o.activation()?)?;
        self.shaped(site, y, site.shape, Some(site.y))
    }

    /// Adds a helper node before the operator's own: it yields no tensor of the file.
    fn helper_reshape(&mut self, site: &Site<'_>, x: TensorId, shape: Shape) -> Result<TensorId, Fault> {
        self.builder.origin(site.index, None);
        Ok(self.builder.reshape(x, shape)?)
    }

    /// The next node yields the file's tensor if it has its shape and its order of bytes; otherwise it is a helper.
    fn claim(&mut self, site: &Site<'_>, shape: Shape, in_order: bool) {
        self.builder.origin(site.index, (in_order && shape == site.shape).then_some(site.y));
    }

    /// `y` in this shape, through a reshape if it has another.
    fn shaped(&mut self, site: &Site<'_>, y: TensorId, shape: Shape, tensor: Option<usize>) -> Result<TensorId, Fault> {
        if self.builder.shape(y) == shape {
            return Ok(y);
        }
        self.builder.origin(site.index, tensor);
        Ok(self.builder.reshape(y, shape)?)
    }

    fn add(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let activation = match site.op.options {
            Some(OptionsRef::Add(o)) => o.activation()?,
            _ => fused::NONE,
        };
        let (a, b) = (self.input(site.op, 0)?, self.input(site.op, 1)?);
        Ok(self.builder.add(a, b, site.quant, bounds(activation, site.quant)?)?)
    }

    fn pool(&mut self, site: &Site<'a>, max: bool) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Pool(o)) = site.op.options else { return missing_options() };
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let kernel = [step(o.kernel_h()?, "window")?, step(o.kernel_w()?, "window")?];
        let window = window(self.builder.shape(x), o.padding()?, kernel, [o.stride_h()?, o.stride_w()?])?;
        Ok(self.builder.pool(x, window, max, bounds(o.activation()?, site.quant)?)?)
    }

    fn pad(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let Some((pads, tensor)) = self.integers(site.op, 1, "paddings")? else {
            return malformed("it has no paddings");
        };
        let Some(&Some(t)) = site.op.inputs.first() else { return malformed("it has no input") };
        let rank = self.file.tensors[t].dims.len();
        if tensor.dims != [rank as i32, 2]
            || pads.len() != 2 * rank
            || pads.iter().any(|&p| p < 0 || p > MAX_STEP as i64)
        {
            return malformed(format!("its paddings are {pads:?} for {rank} dimensions"));
        }
        let of = |axis: usize| [pads[2 * axis] as usize, pads[2 * axis + 1] as usize];
        let [top, bottom] = if rank == 4 { of(1) } else { [0, 0] };
        let [left, right] = if rank >= 3 { of(rank - 2) } else { [0, 0] };
        if of(0) != [0, 0] || of(rank - 1) != [0, 0] {
            return unsupported("PAD of the batch or of the channels is not supported; rows and columns are");
        }
        Ok(self.builder.pad(x, [top, bottom, left, right])?)
    }

    fn reshape(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        // The shape of the output decides; the requested shape only has to agree with it.
        let asked = match (self.integers(site.op, 1, "dimensions")?, site.op.options) {
            (Some((shape, _)), _) => Some(shape),
            (None, Some(OptionsRef::Reshape(o))) => match o.new_shape()? {
                Some(shape) if shape.len() <= 8 => Some(shape.iter().map(i64::from).collect()),
                _ => None,
            },
            (None, _) => None,
        };
        let declared = &self.file.tensors[site.y].dims;
        let agrees =
            |s: &Vec<i64>| s.len() == declared.len() && s.iter().zip(declared).all(|(&a, &d)| a == d as i64 || a == -1);
        match asked {
            Some(s) if !agrees(&s) => {
                malformed(format!("it requests the shape {s:?}, but its output has {declared:?}"))
            }
            _ => Ok(self.builder.reshape(x, site.shape)?),
        }
    }

    fn concat(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Concatenation(o)) = site.op.options else { return missing_options() };
        if o.activation()? != fused::NONE {
            return unsupported("CONCATENATION with a fused activation is not supported");
        }
        let rank = self.file.tensors[site.y].dims.len();
        let same_rank = |t: &Option<usize>| t.is_some_and(|t| self.file.tensors[t].dims.len() == rank);
        if !site.op.inputs.iter().all(same_rank) {
            return malformed("its inputs and its output differ in their number of dimensions");
        }
        let axis = o.axis()? as i64;
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        // Dimensions are counted from the batch; with fewer than four, the leading ones of HWC are 1.
        let axis = match usize::try_from(axis) {
            Ok(0) => return unsupported("CONCATENATION along the batch is not supported"),
            Ok(a) if a < rank => a,
            _ => return malformed(format!("its axis is {axis} for {rank} dimensions")),
        };
        let xs = (0..site.op.inputs.len()).map(|n| self.input(site.op, n)).collect::<Result<Vec<_>, _>>()?;
        for &x in &xs {
            self.keeps_quant(x, site)?;
        }
        Ok(self.builder.concat(&xs, axis + 3 - rank)?)
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
        let leaves = |op: &Op<'_>| op.outputs.iter().all(|&t| self.file.tensors[t].dtype != dtype::INT8);
        if !self.file.ops[site.index + 1..].iter().all(leaves) {
            return unsupported("SOFTMAX is supported as the last operator only");
        }
        Ok(self.builder.softmax(x, beta, site.quant)?)
    }
}

/// A constant: the tensor's index, description and content.
type Constant<'a> = (usize, &'a Tensor<'a>, &'a [u8]);

/// Weights as stored in the file.
struct Weights<'a> {
    dims: Vec<usize>,
    data: &'a [u8],
    scales: Vec<f64>,
}

fn missing_options<T>() -> Result<T, Fault> {
    malformed("its options are missing or belong to another operator")
}

fn words(data: &[u8]) -> impl Iterator<Item = i32> {
    data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

/// One scale per channel, from a single one or one for each; the zero points must be 0.
fn channel_scales(t: usize, tensor: &Tensor<'_>, channels: usize, axis: usize) -> Result<Vec<f64>, Fault> {
    let Some(scales) = tensor.scales else {
        return unsupported(format!("its weights, tensor {t}, have no quantisation"));
    };
    // Compares scale by scale rather than lengths: a vector that is aliased a thousand times is never read beyond the
    // channels.
    if scales.len() != 1 && scales.len() != channels || tensor.zeros.is_some_and(|z| z.len() > scales.len()) {
        return malformed(format!("its weights, tensor {t}, have {} scales for {channels} channels", scales.len()));
    }
    if scales.len() > 1 && tensor.axis != axis as i32 {
        return unsupported(format!(
            "its weights, tensor {t}, have scales along dimension {}; only {axis} is supported",
            tensor.axis
        ));
    }
    if tensor.zeros.is_some_and(|z| z.iter().any(|z| z != 0)) {
        return unsupported(format!("its weights, tensor {t}, have a zero point other than 0"));
    }
    let first = scales.first().unwrap_or(0.0) as f64;
    Ok(if scales.len() == 1 { vec![first; channels] } else { scales.iter().map(f64::from).collect() })
}

fn no_dilation(h: i32, w: i32) -> Result<(), Fault> {
    if (h, w) == (1, 1) { Ok(()) } else { unsupported(format!("a dilation of {h}x{w} is not supported")) }
}

fn step(n: i32, what: &str) -> Result<usize, Fault> {
    if (1..=MAX_STEP).contains(&n) { Ok(n as usize) } else { malformed(format!("its {what} is {n}")) }
}

fn window(x: Shape, padding: i8, kernel: [usize; 2], stride: [i32; 2]) -> Result<PoolSpec, Fault> {
    let stride = [step(stride[0], "stride")?, step(stride[1], "stride")?];
    match padding {
        0 => Ok(PoolSpec::same(x, kernel, stride)),
        1 => Ok(PoolSpec::valid(x, kernel, stride)),
        p => malformed(format!("its padding has the number {p}")),
    }
}

/// Bounds of a fused activation as LiteRT computes them: the quotient in float32, halves away from zero.
fn bounds(activation: i8, y: Quant) -> Result<(i32, i32), Fault> {
    let at =
        |real: f32| (((real / y.scale as f32).round() as i64).saturating_add(y.zero as i64)).clamp(-128, 127) as i32;
    match activation {
        fused::NONE => Ok((-128, 127)),
        fused::RELU => Ok((at(0.0), 127)),
        fused::RELU_N1_TO_1 => Ok((at(-1.0), at(1.0))),
        fused::RELU6 => Ok((at(0.0), at(6.0))),
        other => unsupported(format!(
            "the fused activation {other} is not supported; none, RELU, RELU6 and RELU_N1_TO_1 are"
        )),
    }
}
