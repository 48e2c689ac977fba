//! Convolutions, pooling and FULLY_CONNECTED: their weights, windows and dilation.

use std::sync::Arc;

use tinytrain_ir::{ConvSpec, PoolSpec, Shape, TensorId};

use super::{Layout, Lowering, MAX_STEP, Operator, Site, Value, bounds, missing_options, step, window, words};
use crate::error::{Fault, malformed, unsupported};
use crate::tflite::file::{Op, Tensor, dtype};
use crate::tflite::names;
use tinytrain_tflite::{OptionsRef, mean};

pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("AVERAGE_POOL_2D", |l, site| l.pool(site, false).map(Value::from)),
    ("CONV_2D", |l, site| l.conv(site).map(Value::from)),
    ("DEPTHWISE_CONV_2D", |l, site| l.depthwise(site).map(Value::from)),
    ("FULLY_CONNECTED", |l, site| l.fully_connected(site).map(Value::from)),
    ("MAX_POOL_2D", |l, site| l.pool(site, true).map(Value::from)),
    ("REDUCE_MAX", |l, site| l.reduce_max(site).map(Value::from)),
];

/// Weights of a convolution.
struct Weights {
    dims: Vec<usize>,
    /// Without their zero point: beyond int8 where they were uint8.
    values: Vec<i16>,
    scales: Vec<f64>,
}

impl Weights {
    /// The values, if they fit int8.
    fn int8(&self) -> Option<Vec<i8>> {
        self.values.iter().map(|&w| i8::try_from(w).ok()).collect()
    }

    /// Columns of a matrix in the graph's order: column `n` of the file is column `places[n]`.
    fn shuffle(&mut self, places: &[usize]) {
        if self.dims[1] == places.len() {
            for row in self.values.chunks_exact_mut(places.len()) {
                let file = row.to_vec();
                places.iter().zip(file).for_each(|(&to, w)| row[to] = w);
            }
        }
    }
}

/// The windows of a convolution as the file describes them: rows, then columns.
struct Windows {
    kernel: [usize; 2],
    stride: [i32; 2],
    dilation: [i32; 2],
    padding: i8,
}

/// The zero point of uint8 weights: one for all.
fn zero_point(t: usize, tensor: &Tensor<'_>) -> Result<i16, Fault> {
    let zeros = tensor.zeros.filter(|z| z.len() == 1);
    match zeros.and_then(|z| z.first()).and_then(|z| u8::try_from(z).ok()) {
        Some(zero) => Ok(i16::from(zero)),
        None => unsupported(format!("its weights, tensor {t}, are uint8 without one zero point for all")),
    }
}

/// One scale per channel, from a single one or one for each.
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
    let first = scales.first().unwrap_or(0.0) as f64;
    Ok(if scales.len() == 1 { vec![first; channels] } else { scales.iter().map(f64::from).collect() })
}

impl<'a> Lowering<'a> {
    /// Weights of a convolution: dimensions, content and one scale per output channel; output channels lie along
    /// `axis`.
    fn weights(&mut self, op: &Op<'_>, rank: usize, axis: usize) -> Result<Weights, Fault> {
        let Some((t, tensor, data)) = self.constant(op, 1, "weights")? else {
            return malformed("it has no weights");
        };
        if !matches!(tensor.dtype, dtype::INT8 | dtype::UINT8) {
            return unsupported(format!(
                "its weights, tensor {t}, are {}; int8 and uint8 are supported",
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
        let zero = match tensor.dtype {
            dtype::UINT8 => zero_point(t, tensor)?,
            _ if tensor.zeros.is_some_and(|z| z.iter().any(|z| z != 0)) => {
                return unsupported(format!("its weights, tensor {t}, have a zero point other than 0"));
            }
            _ => 0,
        };
        let signed = tensor.dtype == dtype::INT8;
        let values = data.iter().map(|&b| if signed { i16::from(b as i8) } else { i16::from(b) - zero });
        Ok(Weights { dims, values: values.collect(), scales })
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

    fn conv(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.conv_of(site, x)
    }

    /// CONV_2D of `x`.
    fn conv_of(&mut self, site: &Site<'a>, x: TensorId) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Conv(o)) = site.op.options else { return missing_options() };
        let weights = self.weights(site.op, 4, 0)?;
        let (xs, in_c) = (self.builder.shape(x), weights.dims[3]);
        if in_c != xs.c {
            return match in_c > 0 && xs.c.is_multiple_of(in_c) {
                true => unsupported(format!("a grouped convolution ({} groups) is not supported", xs.c / in_c)),
                false => malformed(format!("its weights are for {in_c} input channels, but its input has {}", xs.c)),
            };
        }
        let windows = Windows {
            kernel: [weights.dims[1], weights.dims[2]],
            stride: [o.stride_h()?, o.stride_w()?],
            dilation: [o.dilation_h()?, o.dilation_w()?],
            padding: o.padding()?,
        };
        self.convolved(site, x, weights, 0, windows, o.activation()?)
    }

    fn depthwise(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.depthwise_of(site, x)
    }

    /// DEPTHWISE_CONV_2D of `x`.
    fn depthwise_of(&mut self, site: &Site<'a>, x: TensorId) -> Result<TensorId, Fault> {
        let Some(OptionsRef::DepthwiseConv(o)) = site.op.options else { return missing_options() };
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
        let windows = Windows {
            kernel: [kh, kw],
            stride: [o.stride_h()?, o.stride_w()?],
            dilation: [o.dilation_h()?, o.dilation_w()?],
            padding: o.padding()?,
        };
        let activation = o.activation()?;
        if self.is_mean(site, x, &weights, &windows, activation)? {
            return Ok(self.builder.mean(x, site.quant)?);
        }
        self.convolved(site, x, weights, 3, windows, activation)
    }

    /// Whether a depthwise convolution is the mean that an exported model has in its place.
    fn is_mean(
        &mut self,
        site: &Site<'a>,
        x: TensorId,
        weights: &Weights,
        windows: &Windows,
        activation: i8,
    ) -> Result<bool, Fault> {
        let xs = self.builder.shape(x);
        let scale = f64::from(mean::scale(xs.pixels()) as f32);
        let alike =
            windows.kernel == [xs.h, xs.w] && windows.padding == 1 && windows.dilation == [1, 1] && activation == 0;
        let whole =
            weights.values.iter().all(|&w| w == i16::from(mean::WEIGHT)) && weights.scales.iter().all(|&s| s == scale);
        if !alike || !whole || weights.values.len() != xs.len() || self.builder.quant(x) != site.quant {
            return Ok(false);
        }
        Ok(self.bias(site.op, xs.c)?.iter().all(|&b| b == mean::BIAS))
    }

    /// A convolution inside a batch: of the images one below the other, without padding. The rows across two images are
    /// computed too, and never read.
    pub(super) fn conv_of_stack(&mut self, name: &str, site: &Site<'a>, x: TensorId) -> Result<TensorId, Fault> {
        match name {
            "CONV_2D" => self.conv_of(site, x),
            _ => self.depthwise_of(site, x),
        }
    }

    fn convolved(
        &mut self,
        site: &Site<'a>,
        x: TensorId,
        weights: Weights,
        axis: usize,
        windows: Windows,
        activation: i8,
    ) -> Result<TensorId, Fault> {
        let dilation = [step(windows.dilation[0], "dilation")?, step(windows.dilation[1], "dilation")?];
        if dilation == [1, 1] {
            let window = window(self.builder.shape(x), windows.padding, windows.kernel, windows.stride)?;
            return self.finish_conv(site, x, weights, axis, window, activation);
        }
        if windows.stride != [1, 1] {
            return unsupported("a dilated convolution with a stride is not supported");
        }
        let (xs, kernel) = (self.builder.shape(x), windows.kernel);
        let reach: [usize; 2] = std::array::from_fn(|k| (kernel[k].saturating_sub(1)).saturating_mul(dilation[k]));
        let same = windows.padding == 0;
        let size = [xs.h, xs.w];
        if !same && (size[0] <= reach[0] || size[1] <= reach[1]) || reach.iter().any(|&r| r > MAX_STEP as usize) {
            return unsupported(format!("a kernel of {kernel:?} with dilation {dilation:?} on {xs}"));
        }
        let pad = if same { reach.map(|r| r / 2) } else { [0, 0] };
        let out: [usize; 2] = std::array::from_fn(|k| if same { size[k] } else { size[k] - reach[k] });
        let padded: [usize; 2] = std::array::from_fn(|k| out[k] + reach[k]);
        self.builder.origin(site.index, None);
        let (stack, batch) = self.stack(x, dilation, pad, padded)?;
        let window = PoolSpec::valid(self.builder.shape(stack), kernel, [1, 1]);
        let y = self.finish_conv(site, stack, weights, axis, window, activation)?;
        self.builder.origin(site.index, self.source(site.y));
        self.unstack(y, batch, dilation, [0, 0], out)
    }

    fn finish_conv(
        &mut self,
        site: &Site<'a>,
        x: TensorId,
        weights: Weights,
        axis: usize,
        window: PoolSpec,
        activation: i8,
    ) -> Result<TensorId, Fault> {
        let bias = self.bias(site.op, weights.dims[axis])?;
        let bounds = bounds(activation, site.quant)?;
        let (x, window, values) = match weights.int8() {
            Some(values) => (x, window, values),
            None => self.in_two_parts(site, x, &weights, axis, window)?,
        };
        let spec = ConvSpec {
            window,
            depthwise: axis == 3,
            weights: values.into(),
            bias,
            w_scales: weights.scales,
            y: site.quant,
            bounds,
        };
        Ok(self.builder.conv(x, spec)?)
    }

    /// Weights beyond int8 (uint8 ones whose zero point is not in the middle), exactly: every column of the input is
    /// doubled, and each of the two is multiplied by a part of the weight.
    fn in_two_parts(
        &mut self,
        site: &Site<'a>,
        x: TensorId,
        weights: &Weights,
        axis: usize,
        window: PoolSpec,
    ) -> Result<(TensorId, PoolSpec, Vec<i8>), Fault> {
        let run = if axis == 3 { weights.dims[3] } else { weights.dims.get(3).copied().unwrap_or(weights.dims[1]) };
        let mut values = Vec::with_capacity(2 * weights.values.len());
        for column in weights.values.chunks_exact(run) {
            let first = |w: i16| w.clamp(-128, 127);
            values.extend(column.iter().map(|&w| first(w) as i8));
            for &w in column {
                let Ok(second) = i8::try_from(w - first(w)) else {
                    return unsupported("uint8 weights of 255 at the zero point 0");
                };
                values.push(second);
            }
        }
        self.budget.take(values.len())?;
        self.builder.origin(site.index, None);
        let doubled = self.builder.enlarge(x, "doubled columns", [1, 2])?;
        self.builder.origin(site.index, self.source(site.y));
        let PoolSpec { kernel, stride, pad, out } = window;
        let window = PoolSpec {
            kernel: [kernel[0], 2 * kernel[1]],
            stride: [stride[0], 2 * stride[1]],
            pad: [pad[0], 2 * pad[1]],
            out,
        };
        Ok((doubled, window, values))
    }

    /// FULLY_CONNECTED as a 1x1 convolution: on a map of one pixel, or on every pixel if the file keeps the dimensions.
    fn fully_connected(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::FullyConnected(o)) = site.op.options else { return missing_options() };
        if o.weights_format()? != 0 {
            return unsupported("its weights are shuffled; only the plain order is supported");
        }
        let mut weights = self.weights(site.op, 2, 0)?;
        let Some(&Some(t)) = site.op.inputs.first() else { return malformed("its input 0 is missing") };
        let mut x = match self.value(t)? {
            Value { id, layout: Layout::Shuffled(places) } => {
                weights.shuffle(&places);
                id
            }
            _ => self.plain(t)?,
        };
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
        self.shaped(site, y, site.shape, self.source(site.y))
    }

    fn pool(&mut self, site: &Site<'a>, max: bool) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Pool(o)) = site.op.options else { return missing_options() };
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let kernel = [step(o.kernel_h()?, "window")?, step(o.kernel_w()?, "window")?];
        let window = window(self.builder.shape(x), o.padding()?, kernel, [o.stride_h()?, o.stride_w()?])?;
        Ok(self.builder.pool(x, window, max, bounds(o.activation()?, site.quant)?)?)
    }

    /// The maximum over rows and columns.
    fn reduce_max(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let Some((axes, _)) = self.integers(site.op, 1, "axes")? else { return malformed("it has no axes") };
        let (xs, rank) = (self.builder.shape(x), self.rank(site.op));
        let axes: Vec<i64> = axes.iter().map(|&a| if a < 0 { a + rank as i64 } else { a }).collect();
        let over = |axis: usize| axes.contains(&(axis as i64 + rank as i64 - 4));
        if over(0) || over(3) || !(over(1) || xs.h == 1) || !(over(2) || xs.w == 1) {
            return unsupported("REDUCE_MAX is supported over all rows and columns only");
        }
        self.claim(site, Shape::new(1, 1, xs.c), true);
        let y = self.builder.pool(x, PoolSpec::valid(xs, [xs.h, xs.w], [1, 1]), true, (-128, 127))?;
        self.shaped(site, y, site.shape, self.source(site.y))
    }
}
