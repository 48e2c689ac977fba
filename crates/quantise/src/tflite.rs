//! Float `.tflite`: also those whose weights alone are float16 or int8.

use tinytrain_import::tflite_file::{File, Op as FileOp, Tensor, dtype};
use tinytrain_ir::Function;
use tinytrain_tflite::OptionsRef;

use crate::build::{Builder, Constant, Data, Order, View};
use crate::error::{Fault, malformed, unsupported};
use crate::graph::{Bounds, Conv, Network, Op, Window};

const LAST: Order = Order::ChannelsLast;
const FLOAT16: i8 = 1;

/// The operators that are read, sorted.
pub const SUPPORTED: &[&str] = &[
    "ADD",
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "DEQUANTIZE",
    "DIV",
    "EXPAND_DIMS",
    "FULLY_CONNECTED",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
    "PACK",
    "PAD",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RESHAPE",
    "SHAPE",
    "SOFTMAX",
    "SQUEEZE",
    "STRIDED_SLICE",
    "SUB",
    "TANH",
    "TRANSPOSE",
];

/// Whether the file is a `.tflite` whose input is float.
pub fn is(file: &File) -> bool {
    file.inputs.first().is_some_and(|&i| file.tensors[i].dtype == dtype::FLOAT32)
        // An int8 network behind a QUANTIZE is one that the importer takes.
        && !file.ops.iter().any(|op| op.outputs.iter().any(|&t| file.tensors[t].dtype == dtype::INT8 && file.tensors[t].data.is_none()))
}

/// The network of a float `.tflite`.
pub fn read(file: &File) -> Result<Network, Fault> {
    let &[input] = &file.inputs[..] else {
        return unsupported(format!("the model has {} inputs; one is supported", file.inputs.len()));
    };
    let Some(&output) = file.outputs.first() else { return malformed("it has no output") };
    let (builder, view) = Builder::new(&dims(&file.tensors[input])?, LAST)?;
    let mut views = vec![None; file.tensors.len()];
    views[input] = Some(view);
    let mut reader = Reader { file, builder, views, halves: vec![None; file.tensors.len()] };
    for (i, op) in file.ops.iter().enumerate() {
        let place = file.describe(i);
        reader.op(op, &place.name).map_err(|f| f.within(&place.to_string()))?;
    }
    match reader.views[output].take() {
        Some(view) => reader.builder.finish(&view),
        None => malformed("nothing yields its output"),
    }
}

fn dims(t: &Tensor) -> Result<Vec<usize>, Fault> {
    if t.dynamic {
        return unsupported("a shape that is not fixed");
    }
    // An open batch stands as 1, or as -1 in old files.
    let size = |(i, &d): (usize, &i32)| match d {
        -1 if i == 0 => Ok(1),
        d => usize::try_from(d).or_else(|_| malformed("a dimension below 0")),
    };
    t.dims.iter().enumerate().map(size).collect()
}

/// IEEE half precision.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, bits >> 10 & 31, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 => f32::INFINITY,
        e => (1024.0 + fraction) * 2f32.powi(i32::from(e) - 25),
    };
    if sign == 1 { -size } else { size }
}

fn bounds(activation: i8) -> Result<Bounds, Fault> {
    Ok(match activation {
        0 => Bounds::NONE,
        1 => Bounds { low: 0.0, ..Bounds::NONE },
        2 => Bounds { low: -1.0, high: 1.0 },
        3 => Bounds { low: 0.0, high: 6.0 },
        other => return unsupported(format!("fused activation {other}")),
    })
}

struct Reader<'f> {
    file: &'f File<'f>,
    builder: Builder,
    views: Vec<Option<View>>,
    /// Weights that a DEQUANTIZE yields, by its output.
    halves: Vec<Option<usize>>,
}

impl Reader<'_> {
    fn input(&self, op: &FileOp, i: usize) -> Result<usize, Fault> {
        op.inputs.get(i).copied().flatten().map_or_else(|| malformed(format!("its input {i} is missing")), Ok)
    }

    fn view(&self, op: &FileOp, i: usize) -> Result<View, Fault> {
        let at = self.input(op, i)?;
        self.views[at].clone().map_or_else(
            || unsupported(format!("its input {i}, tensor {at}, is no activation that was yielded before")),
            Ok,
        )
    }

    fn constant(&self, at: usize) -> Result<Constant, Fault> {
        let t = &self.file.tensors[self.halves[at].unwrap_or(at)];
        let Some(bytes) = t.data else { return unsupported(format!("tensor {at} is no constant")) };
        let dims = dims(t)?;
        let n = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let data = match t.dtype {
            dtype::FLOAT32 => Data::Float(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
            FLOAT16 => Data::Float(bytes.as_chunks().0.iter().map(|&b| half(u16::from_le_bytes(b))).collect()),
            dtype::INT32 => Data::Int(bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect()),
            dtype::INT8 => Data::Float(self.dequantised(t, bytes, &dims)?),
            other => return unsupported(format!("a constant of type {other}")),
        };
        let (found, finite) = match &data {
            Data::Float(v) => (v.len(), v.iter().all(|v| v.is_finite())),
            Data::Int(v) => (v.len(), true),
        };
        match () {
            _ if n != Some(found) => malformed(format!("tensor {at} has {found} elements for its shape {dims:?}")),
            _ if !finite => unsupported(format!("tensor {at} has weights that are not finite")),
            _ => Ok(Constant { dims, data }),
        }
    }

    fn dequantised(&self, t: &Tensor, bytes: &[u8], dims: &[usize]) -> Result<Vec<f32>, Fault> {
        let scales: Vec<f32> = t.scales.map(|v| v.iter().collect()).unwrap_or_default();
        let axis = usize::try_from(t.axis).unwrap_or(0);
        let inner: usize = dims.iter().skip(axis + 1).product::<usize>().max(1);
        let channels = dims.get(axis).copied().unwrap_or(1).max(1);
        if scales.len() != 1 && scales.len() != channels || t.zeros.is_some_and(|z| z.iter().any(|z| z != 0)) {
            return unsupported("int8 weights without a scale for all or for each channel, or with a zero point");
        }
        let scale = |i: usize| scales[if scales.len() == 1 { 0 } else { i / inner % channels }];
        Ok(bytes.iter().enumerate().map(|(i, &b)| f32::from(b as i8) * scale(i)).collect())
    }

    fn floats(&self, op: &FileOp, i: usize) -> Result<Vec<f32>, Fault> {
        Ok(self.constant(self.input(op, i)?)?.floats()?.to_vec())
    }

    fn ints(&self, op: &FileOp, i: usize) -> Result<Vec<i64>, Fault> {
        Ok(self.constant(self.input(op, i)?)?.ints()?.to_vec())
    }

    fn places(&self, op: &FileOp, i: usize, rank: usize) -> Result<Vec<usize>, Fault> {
        let place = |d: i64| usize::try_from(if d < 0 { d + rank as i64 } else { d }).ok().filter(|&d| d < rank);
        self.ints(op, i)?
            .into_iter()
            .map(|d| place(d).map_or_else(|| malformed(format!("dimension {d} of {rank}")), Ok))
            .collect()
    }

    fn window(
        &self,
        x: &View,
        padding: i8,
        kernel: [usize; 2],
        stride: [i32; 2],
        dilation: [i32; 2],
    ) -> Result<Window, Fault> {
        let size = |v: [i32; 2]| {
            let [a, b] = v.map(|n| usize::try_from(n).ok().filter(|&n| n > 0));
            a.zip(b).map_or_else(|| malformed("a stride or dilation below 1"), |(a, b)| Ok([a, b]))
        };
        let mut window = Window { kernel, stride: size(stride)?, dilation: size(dilation)?, pads: [0; 4] };
        if kernel.contains(&0) {
            return malformed("a window of size 0");
        }
        if padding == 0 {
            window.pads = window.same(self.builder.shape(x));
        }
        Ok(window)
    }

    fn op(&mut self, op: &FileOp, name: &str) -> Result<(), Fault> {
        let &[output] = &op.outputs[..] else { return unsupported("more than one output, or none") };
        if !SUPPORTED.contains(&name) {
            // Of what is behind the classes nothing is needed.
            if matches!(name, "LOG_SOFTMAX" | "ARG_MAX") && self.file.outputs.contains(&output) {
                self.views[output] = Some(self.view(op, 0)?);
                return Ok(());
            }
            return unsupported(format!("not supported in a float model\n  supported: {}", SUPPORTED.join(", ")));
        }
        match name {
            // Exporters compute the shape of a reshape, which the file states.
            "SHAPE" | "STRIDED_SLICE" | "PACK" if self.file.tensors[output].dtype == dtype::INT32 => return Ok(()),
            "DEQUANTIZE" => {
                self.halves[output] = Some(self.input(op, 0)?);
                return Ok(());
            }
            _ => {}
        }
        let (view, activation) = self.computed(op, name, output)?;
        let fused = bounds(activation)?;
        let view = if fused == Bounds::NONE { view } else { self.builder.bounded(&view, fused)? };
        self.views[output] = Some(view);
        Ok(())
    }

    fn computed(&mut self, op: &FileOp, name: &str, output: usize) -> Result<(View, i8), Fault> {
        let to = &self.file.tensors[output];
        let plain = |v: View| Ok((v, 0));
        if let ("CONCATENATION", Some(OptionsRef::Concatenation(o))) = (name, &op.options) {
            let parts: Vec<View> = (0..op.inputs.len()).map(|i| self.view(op, i)).collect::<Result<_, _>>()?;
            let rank = parts.first().map_or(0, |p| p.dims.len()) as i32;
            let axis = o.axis()?;
            let dim = usize::try_from(if axis < 0 { axis + rank } else { axis }).unwrap_or(usize::MAX);
            return Ok((self.builder.concat(&parts, dim)?, o.activation()?));
        }
        if matches!(name, "ADD" | "SUB" | "MUL" | "DIV") {
            return self.arithmetic(op, name);
        }
        let x = self.view(op, 0)?;
        match (name, &op.options) {
            ("CONV_2D", Some(OptionsRef::Conv(o))) => {
                let w = self.constant(self.input(op, 1)?)?;
                let &[outputs, kh, kw, inputs] = &w.dims[..] else {
                    return malformed("weights of other than four dimensions");
                };
                if inputs != self.builder.shape(&x).c {
                    return unsupported("a convolution in groups");
                }
                let window = self.window(
                    &x,
                    o.padding()?,
                    [kh, kw],
                    [o.stride_h()?, o.stride_w()?],
                    [o.dilation_h()?, o.dilation_w()?],
                )?;
                Ok((self.conv(op, &x, window, false, outputs, &w)?, o.activation()?))
            }
            ("DEPTHWISE_CONV_2D", Some(OptionsRef::DepthwiseConv(o))) => {
                let w = self.constant(self.input(op, 1)?)?;
                let &[1, kh, kw, outputs] = &w.dims[..] else {
                    return malformed("weights of other than 1, rows, columns, channels");
                };
                let window = self.window(
                    &x,
                    o.padding()?,
                    [kh, kw],
                    [o.stride_h()?, o.stride_w()?],
                    [o.dilation_h()?, o.dilation_w()?],
                )?;
                Ok((self.conv(op, &x, window, true, outputs, &w)?, o.activation()?))
            }
            ("FULLY_CONNECTED", Some(OptionsRef::FullyConnected(o))) => {
                let w = self.constant(self.input(op, 1)?)?;
                let &[outputs, inputs] = &w.dims[..] else { return malformed("weights of other than two dimensions") };
                let x = self.builder.reshape(&x, &[1, inputs])?;
                let bias = self.bias(op, outputs)?;
                Ok((self.builder.dense(&x, w.floats()?.to_vec(), bias)?, o.activation()?))
            }
            ("MAX_POOL_2D" | "AVERAGE_POOL_2D", Some(OptionsRef::Pool(o))) => {
                let size = |n: i32| usize::try_from(n).unwrap_or(0);
                let kernel = [size(o.kernel_h()?), size(o.kernel_w()?)];
                let window = self.window(&x, o.padding()?, kernel, [o.stride_h()?, o.stride_w()?], [1, 1])?;
                Ok((self.builder.pool(&x, LAST, window, name == "MAX_POOL_2D")?, o.activation()?))
            }
            ("MEAN", Some(OptionsRef::Reducer(o))) => {
                let over = self.places(op, 1, x.dims.len())?;
                plain(self.builder.mean(&x, &over, o.keep_dims()?)?)
            }
            ("MEAN", None) => {
                let over = self.places(op, 1, x.dims.len())?;
                plain(self.builder.mean(&x, &over, false)?)
            }
            ("PAD", _) => {
                let pads = self.ints(op, 1)?;
                let size = |i: usize| usize::try_from(pads[i]).or_else(|_| malformed("padding below 0"));
                if pads.len() != 2 * x.dims.len() {
                    return malformed("padding of another number of dimensions than its input");
                }
                let side = |first: usize| (0..x.dims.len()).map(|i| size(2 * i + first)).collect::<Result<Vec<_>, _>>();
                let (before, behind) = (side(0)?, side(1)?);
                plain(self.builder.pad(&x, &before, &behind)?)
            }
            ("TRANSPOSE", _) => {
                let permutation = self.places(op, 1, x.dims.len())?;
                plain(self.builder.transpose(&x, &permutation)?)
            }
            ("RESHAPE" | "SQUEEZE" | "EXPAND_DIMS", _) => {
                // Where the first dimension is open, it is the batch.
                let mut dims = dims(to)?;
                if dims.iter().product::<usize>() != x.dims.iter().product() && !dims.is_empty() {
                    dims[0] = 1;
                }
                plain(self.builder.reshape(&x, &dims)?)
            }
            ("SOFTMAX", Some(OptionsRef::Softmax(o))) if o.beta()? == 1.0 => plain(self.builder.softmax(&x)?),
            ("LEAKY_RELU", Some(OptionsRef::LeakyRelu(o))) => {
                plain(self.builder.function(&x, Function::LeakyRelu { alpha: o.alpha()?.into() })?)
            }
            ("LOGISTIC", _) => plain(self.builder.function(&x, Function::Logistic)?),
            ("TANH", _) => plain(self.builder.function(&x, Function::Tanh)?),
            ("HARD_SWISH", _) => plain(self.builder.function(&x, Function::HardSwish)?),
            ("RELU", _) => Ok((x, 1)),
            ("RELU_N1_TO_1", _) => Ok((x, 2)),
            ("RELU6", _) => Ok((x, 3)),
            _ => unsupported("options that are not supported"),
        }
    }

    fn bias(&self, op: &FileOp, outputs: usize) -> Result<Vec<f32>, Fault> {
        if op.inputs.get(2).copied().flatten().is_some() { self.floats(op, 2) } else { Ok(vec![0.0; outputs]) }
    }

    fn conv(
        &mut self,
        op: &FileOp,
        x: &View,
        window: Window,
        depthwise: bool,
        outputs: usize,
        w: &Constant,
    ) -> Result<View, Fault> {
        let bias = self.bias(op, outputs)?;
        self.builder.conv(x, LAST, Conv { window, depthwise, outputs, weights: w.floats()?.to_vec(), bias })
    }

    fn arithmetic(&mut self, op: &FileOp, name: &str) -> Result<(View, i8), Fault> {
        let activation = match &op.options {
            Some(OptionsRef::Add(o)) => o.activation()?,
            Some(OptionsRef::Sub(o)) => o.activation()?,
            Some(OptionsRef::Mul(o)) => o.activation()?,
            _ => 0,
        };
        let (a, b) = (self.input(op, 0)?, self.input(op, 1)?);
        let view = match (self.views[a].clone(), self.views[b].clone()) {
            (Some(a), Some(b)) => {
                let op = match name {
                    "ADD" => Op::Add,
                    "MUL" => Op::Mul,
                    _ => return unsupported("two activations; their sum and product are supported"),
                };
                self.builder.pair(op, &a, &b)?
            }
            (Some(x), None) => self.by_constant(name, &x, b, false)?,
            (None, Some(x)) => self.by_constant(name, &x, a, true)?,
            _ => return unsupported("constants alone"),
        };
        Ok((view, activation))
    }

    fn by_constant(&mut self, name: &str, x: &View, constant: usize, reversed: bool) -> Result<View, Fault> {
        let c = self.builder.broadcast(x, &self.constant(constant)?)?;
        self.builder.combined(name, x, c, reversed)
    }
}

impl From<tinytrain_tflite::planus::Error> for Fault {
    fn from(e: tinytrain_tflite::planus::Error) -> Self {
        Self::Malformed(e.error_kind.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 2f32.powi(-24)), (0x7bff, 65504.0)];
        assert!(cases.iter().all(|&(bits, v)| half(bits) == v));
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
    }
}
