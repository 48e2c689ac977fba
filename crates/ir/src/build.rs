use std::collections::BTreeMap;
use std::sync::Arc;

use tinytrain_spec::arith::{BIAS_LIMIT, DEAD_SCALE, Requant, round_half_up};
use tinytrain_spec::params::*;
use tinytrain_spec::softmax::LogitScale;

use crate::{Graph, IrError, Kind, Layer, LayerId, Node, Op, Origin, Quant, Shape, Tensor, TensorId, Training};

/// The window over rows and columns of a convolution or a pooling op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Padding: top, left.
    pub pad: [usize; 2],
    /// Output rows and columns.
    pub out: [usize; 2],
}

impl PoolSpec {
    /// LiteRT's SAME padding: `out = ceil(in / stride)`; an odd row or column of padding goes below or to the right.
    pub fn same(input: Shape, kernel: [usize; 2], stride: [usize; 2]) -> Self {
        let axis = |n: usize, k: usize, s: usize| {
            let out = n.div_ceil(s.max(1));
            (out, ((out.saturating_sub(1)) * s + k).saturating_sub(n) / 2)
        };
        let ((oh, top), (ow, left)) = (axis(input.h, kernel[0], stride[0]), axis(input.w, kernel[1], stride[1]));
        Self { kernel, stride, pad: [top, left], out: [oh, ow] }
    }

    /// LiteRT's VALID padding: none.
    pub fn valid(input: Shape, kernel: [usize; 2], stride: [usize; 2]) -> Self {
        Self::padded(input, kernel, stride, [0; 4])
    }

    /// Explicit padding: top, bottom, left, right. The output is empty where the window does not fit.
    pub fn padded(input: Shape, kernel: [usize; 2], stride: [usize; 2], pad: [usize; 4]) -> Self {
        let axis = |n: usize, k: usize, s: usize| if n < k { 0 } else { (n - k) / s.max(1) + 1 };
        let out = [
            axis(input.h + pad[0] + pad[1], kernel[0], stride[0]),
            axis(input.w + pad[2] + pad[3], kernel[1], stride[1]),
        ];
        Self { kernel, stride, pad: [pad[0], pad[2]], out }
    }
}

/// A convolution as an importer describes it.
#[derive(Clone, Debug)]
pub struct ConvSpec {
    /// Window.
    pub window: PoolSpec,
    /// Depthwise (output channel `o` reads input channel `o / multiplier`) or full.
    pub depthwise: bool,
    /// int8 weights: OHWI, or HWC for a depthwise convolution.
    pub weights: Arc<[i8]>,
    /// int32 biases in units of `s_x s_w`, one per output channel.
    pub bias: Arc<[i32]>,
    /// Scale of each output channel's weights.
    pub w_scales: Vec<f64>,
    /// Quantisation of the output.
    pub y: Quant,
    /// Bounds of the int8 output, from the fused activation.
    pub bounds: (i32, i32),
}

/// Builds a forward graph op by op, in order of execution.
pub struct GraphBuilder {
    graph: Graph,
    origin: Origin,
}

impl GraphBuilder {
    /// Starts a graph whose input is one sample; `source` is the index of the input tensor in the file.
    pub fn new(name: &str, input: Shape, quant: Quant, source: Option<usize>) -> Result<Self, IrError> {
        let mut b = Self {
            graph: Graph {
                name: name.into(),
                tensors: Vec::new(),
                nodes: Vec::new(),
                layers: Vec::new(),
                input: TensorId(0),
                outputs: Vec::new(),
                classifier: None,
                head: None,
                exponents: BTreeMap::new(),
            },
            origin: Origin { op: None, tensor: source },
        };
        b.check_shape(input)?;
        b.check_quant(quant)?;
        b.graph.tensors.push(Tensor { name: "input".into(), shape: input, kind: Kind::Activation(quant), source });
        Ok(b)
    }

    /// Records that the nodes added from now on come from operator `op` of the file and yield this tensor of it.
    pub fn origin(&mut self, op: usize, tensor: Option<usize>) {
        self.origin = Origin { op: Some(op), tensor };
    }

    /// The tensor of the file that the next node yields; the one recorded before.
    pub fn yields(&mut self, tensor: Option<usize>) -> Option<usize> {
        std::mem::replace(&mut self.origin.tensor, tensor)
    }

    /// Number of convolutions so far.
    pub fn convolutions(&self) -> usize {
        self.graph.layers.len()
    }

    /// The input tensor.
    pub fn input(&self) -> TensorId {
        self.graph.input
    }

    /// The shape of a tensor.
    pub fn shape(&self, t: TensorId) -> Shape {
        self.graph.tensor(t).shape
    }

    /// The quantisation of a tensor.
    pub fn quant(&self, t: TensorId) -> Quant {
        self.graph.tensor(t).quant().expect("a forward graph holds activations only")
    }

    /// A convolution. Rejects channels whose accumulator could overflow int32.
    pub fn conv(&mut self, x: TensorId, spec: ConvSpec) -> Result<TensorId, IrError> {
        let (xs, xq) = (self.shape(x), self.quant(x));
        let out_c = spec.bias.len();
        let shape = Shape::new(spec.window.out[0], spec.window.out[1], out_c);
        self.check_shape(shape)?;
        self.check_quant(spec.y)?;
        let [kh, kw] = spec.window.kernel;
        let expected = if spec.depthwise { kh * kw * out_c } else { kh * kw * out_c * xs.c };
        if spec.weights.len() != expected || spec.w_scales.len() != out_c {
            return Err(self.unsupported(format!(
                "{} weights and {} scales for {out_c} output channels, a {kh}x{kw} kernel and {} input channels; {expected} weights are expected",
                spec.weights.len(), spec.w_scales.len(), xs.c
            )));
        }
        if spec.depthwise && !out_c.is_multiple_of(xs.c) {
            return Err(
                self.unsupported(format!("{out_c} output channels are not a multiple of {} input channels", xs.c))
            );
        }
        let index = self.graph.layers.len();
        let mut layer = Layer {
            name: format!("conv {index}"),
            geo: ConvParams {
                in_h: xs.h as i32,
                in_w: xs.w as i32,
                in_c: xs.c as i32,
                out_h: shape.h as i32,
                out_w: shape.w as i32,
                out_c: out_c as i32,
                kh: kh as i32,
                kw: kw as i32,
                stride_h: spec.window.stride[0] as i32,
                stride_w: spec.window.stride[1] as i32,
                pad_top: spec.window.pad[0] as i32,
                pad_left: spec.window.pad[1] as i32,
                x_zero: xq.zero,
                y_zero: spec.y.zero,
                lo: spec.bounds.0,
                hi: spec.bounds.1,
                trained: 0,
            },
            depthwise: spec.depthwise,
            weights: spec.weights,
            bias: spec.bias.clone(),
            requant: Vec::with_capacity(out_c),
            x_scale: xq.scale,
            w_scales: spec.w_scales,
            live: Vec::with_capacity(out_c),
            training: Training::default(),
        };
        if !layer.geo.windows_touch() {
            return Err(self.unsupported("a convolution with windows that lie entirely in the padding".into()));
        }
        let mut bias = spec.bias.to_vec();
        for c in 0..out_c {
            let scale = xq.scale * layer.w_scales[c] / spec.y.scale;
            let (r, b) = self.channel(scale, bias[c], c)?;
            bias[c] = b;
            layer.requant.push(r);
            // A bias this large has no room for its residual bits, so the channel stays frozen.
            layer.live.push(scale >= DEAD_SCALE && b.unsigned_abs() < BIAS_LIMIT as u32);
        }
        layer.bias = bias.into();
        self.check_accumulators(&layer, xq.zero)?;
        self.graph.layers.push(layer);
        self.push(Op::Conv(LayerId(index as u32)), vec![x], shape, spec.y)
    }

    /// Multiplier and bias of one channel. The multiplier of a dead channel is rounded up and its bias scaled down to match: the constant that the
    /// channel yields stays correct, and the multiplier is never 0.
    fn channel(&self, scale: f64, bias: i32, c: usize) -> Result<(Requant, i32), IrError> {
        let requant = Requant::from_scale(scale)
            .filter(|_| scale > 0.0)
            .ok_or_else(|| self.unsupported(format!("channel {c} has the output scale {scale}")))?;
        if scale >= DEAD_SCALE {
            return Ok((requant, bias));
        }
        let exact = scale * 4294967296.0;
        let m = exact.ceil();
        Ok((Requant { m: m as i32, shift: 0 }, round_half_up(bias as f64 * exact / m) as i32))
    }

    fn check_accumulators(&self, layer: &Layer, zero: i32) -> Result<(), IrError> {
        let out_c = layer.bias.len();
        let (mut low, mut high): (Vec<i64>, Vec<i64>) =
            (layer.bias.iter().map(|&b| b as i64).collect(), layer.bias.iter().map(|&b| b as i64).collect());
        let per = layer.weights.len() / out_c;
        for (i, &w) in layer.weights.iter().enumerate() {
            let o = if layer.depthwise { i % out_c } else { i / per };
            let ends = [(-128 - zero) as i64 * w as i64, (127 - zero) as i64 * w as i64];
            // Either end may be the larger one; a tap in the padding adds 0, which lies between them.
            low[o] += ends[0].min(ends[1]);
            high[o] += ends[0].max(ends[1]);
        }
        match (0..out_c).find(|&o| low[o] < i32::MIN as i64 || high[o] > i32::MAX as i64) {
            Some(o) => Err(self.unsupported(format!(
                "the accumulator of channel {o} can reach {}..{}, beyond 32 bits (bias {})",
                low[o], high[o], layer.bias[o]
            ))),
            None => Ok(()),
        }
    }

    /// `a + b`.
    pub fn add(&mut self, a: TensorId, b: TensorId, y: Quant, bounds: (i32, i32)) -> Result<TensorId, IrError> {
        let shape = self.shape(a);
        if shape != self.shape(b) {
            return Err(
                self.unsupported(format!("ADD of {shape} and {}: only equal shapes are supported", self.shape(b)))
            );
        }
        self.check_quant(y)?;
        let (qa, qb) = (self.quant(a), self.quant(b));
        let ratios = [qa.scale / y.scale, qb.scale / y.scale];
        let m = ratios.map(|r| round_half_up(r * 1048576.0));
        if m.iter().any(|&m| m >= 2147483648.0) {
            return Err(self.unsupported(format!("ADD with scales {} and {} into {}", qa.scale, qb.scale, y.scale)));
        }
        let params = AddParams {
            n: shape.len() as i32,
            zero1: qa.zero,
            zero2: qb.zero,
            m1: m[0] as i32,
            m2: m[1] as i32,
            y_zero: y.zero,
            lo: bounds.0,
            hi: bounds.1,
        };
        self.push(Op::Add(params, ratios), vec![a, b], shape, y)
    }

    /// `a b`, `b` having the shape of `a` or one value for each of its channels.
    pub fn mul(&mut self, a: TensorId, b: TensorId, y: Quant, bounds: (i32, i32)) -> Result<TensorId, IrError> {
        self.check_quant(y)?;
        let (shape, other) = (self.shape(a), self.shape(b));
        if other != shape && other != Shape::new(1, 1, shape.c) {
            return Err(self.unsupported(format!(
                "MUL of {shape} and {other}: only equal shapes, or one value a channel, are supported"
            )));
        }
        if shape.len() / other.len() > 1 << 16 {
            return Err(self.unsupported(format!("MUL over {} pixels", shape.pixels())));
        }
        let (qa, qb) = (self.quant(a), self.quant(b));
        let ratio = qa.scale * qb.scale / y.scale;
        let r = Requant::from_scale(ratio).ok_or_else(|| self.unsupported(format!("MUL with the scale {ratio}")))?;
        let params = MulParams {
            n: shape.len() as i32,
            c: other.len() as i32,
            a_zero: qa.zero,
            b_zero: qb.zero,
            y_zero: y.zero,
            m: r.m,
            left: i32::from(r.shift),
            lo: bounds.0,
            hi: bounds.1,
            s: 0,
        };
        self.push(Op::Mul(params, ratio), vec![a, b], shape, y)
    }

    /// Average pooling (`max` false) or maximum pooling; the output has the input's quantisation.
    pub fn pool(&mut self, x: TensorId, w: PoolSpec, max: bool, bounds: (i32, i32)) -> Result<TensorId, IrError> {
        let xs = self.shape(x);
        let shape = Shape::new(w.out[0], w.out[1], xs.c);
        self.check_shape(shape)?;
        let touches = |axis: usize, n: usize| {
            let [outputs, kernel, stride, pad] = [w.out, w.kernel, w.stride, w.pad].map(|of| of[axis] as i32);
            windows_touch(n as i32, outputs, kernel, stride, pad)
        };
        // A window entirely in the padding has no elements to reduce.
        if !touches(0, xs.h) || !touches(1, xs.w) {
            return Err(self.unsupported("pooling with windows that lie entirely in the padding".into()));
        }
        let [rows, columns] = w.kernel;
        if rows.saturating_mul(columns) > MOST_POOLED {
            return Err(
                self.unsupported(format!("pooling over {rows}x{columns} elements; at most {MOST_POOLED} in a window"))
            );
        }
        let params = PoolParams {
            in_h: xs.h as i32,
            in_w: xs.w as i32,
            c: xs.c as i32,
            out_h: shape.h as i32,
            out_w: shape.w as i32,
            kh: w.kernel[0] as i32,
            kw: w.kernel[1] as i32,
            stride_h: w.stride[0] as i32,
            stride_w: w.stride[1] as i32,
            pad_top: w.pad[0] as i32,
            pad_left: w.pad[1] as i32,
            lo: bounds.0,
            hi: bounds.1,
            shift: 0,
        };
        let q = self.quant(x);
        self.push(if max { Op::MaxPool(params) } else { Op::AveragePool(params) }, vec![x], shape, q)
    }

    /// Mean over rows and columns.
    pub fn mean(&mut self, x: TensorId, y: Quant) -> Result<TensorId, IrError> {
        self.check_quant(y)?;
        let (xs, xq) = (self.shape(x), self.quant(x));
        let ratio = xq.scale / (y.scale * xs.pixels() as f64);
        let r = Requant::from_scale(ratio).ok_or_else(|| self.unsupported(format!("MEAN with the scale {ratio}")))?;
        if xs.pixels() >= 1 << 23 {
            return Err(self.unsupported(format!("MEAN over {} pixels", xs.pixels())));
        }
        let params = MeanParams {
            pixels: xs.pixels() as i32,
            c: xs.c as i32,
            x_zero: xq.zero,
            y_zero: y.zero,
            m: r.m,
            left: r.shift as i32,
            lo: -128,
            hi: 127,
        };
        self.push(Op::Mean(params, ratio), vec![x], Shape::new(1, 1, xs.c), y)
    }

    /// `x` with another quantisation, clamped: RELU, RELU6, QUANTIZE.
    pub fn requantize(&mut self, x: TensorId, y: Quant, bounds: (i32, i32)) -> Result<TensorId, IrError> {
        self.check_quant(y)?;
        let (xs, xq) = (self.shape(x), self.quant(x));
        let ratio = xq.scale / y.scale;
        let r = Requant::from_scale(ratio).ok_or_else(|| self.unsupported(format!("a change of scale by {ratio}")))?;
        let params = RequantizeParams {
            n: xs.len() as i32,
            x_zero: xq.zero,
            y_zero: y.zero,
            m: r.m,
            left: r.shift as i32,
            lo: bounds.0,
            hi: bounds.1,
        };
        self.push(Op::Requantize(params, ratio), vec![x], xs, y)
    }

    /// `x` surrounded by rows and columns of its zero point: top, bottom, left, right.
    pub fn pad(&mut self, x: TensorId, pad: [usize; 4]) -> Result<TensorId, IrError> {
        let (xs, q) = (self.shape(x), self.quant(x));
        let shape = Shape::new(xs.h + pad[0] + pad[1], xs.w + pad[2] + pad[3], xs.c);
        self.push(Op::Pad { top: pad[0], left: pad[2] }, vec![x], shape, q)
    }

    /// Concatenation along axis 0 (rows), 1 (columns) or 2 (channels); all inputs have the same quantisation.
    pub fn concat(&mut self, xs: &[TensorId], axis: usize) -> Result<TensorId, IrError> {
        let (Some(&first), true) = (xs.first(), axis < 3) else {
            return Err(self.unsupported("CONCATENATION without inputs or along the batch".into()));
        };
        let q = self.quant(first);
        let dims = |t: TensorId, b: &Self| {
            let s = b.shape(t);
            [s.h, s.w, s.c]
        };
        let mut out = dims(first, self);
        for &x in &xs[1..] {
            let d = dims(x, self);
            if self.quant(x) != q || (0..3).any(|a| a != axis && d[a] != out[a]) {
                return Err(self.unsupported("CONCATENATION of inputs that differ in quantisation or shape".into()));
            }
            out[axis] += d[axis];
        }
        self.push(Op::Concat(axis), xs.to_vec(), Shape::new(out[0], out[1], out[2]), q)
    }

    /// The same bytes with another shape.
    pub fn reshape(&mut self, x: TensorId, shape: Shape) -> Result<TensorId, IrError> {
        let (xs, q) = (self.shape(x), self.quant(x));
        if xs.len() != shape.len() {
            return Err(self.unsupported(format!("RESHAPE of {xs} to {shape}")));
        }
        self.push(Op::Reshape, vec![x], shape, q)
    }

    /// RESIZE_BILINEAR to `size` rows and columns, with aligned corners or half-pixel centres, as LiteRT's reference kernel computes it.
    pub fn resize_bilinear(
        &mut self,
        x: TensorId,
        size: [usize; 2],
        align_corners: bool,
        half_pixel_centers: bool,
    ) -> Result<TensorId, IrError> {
        let (xs, q) = (self.shape(x), self.quant(x));
        let shape = Shape::new(size[0], size[1], xs.c);
        self.check_shape(shape)?;
        let axis = |n: usize, out: usize| ResizeAxis::litert(n as i32, out as i32, align_corners, half_pixel_centers);
        let (rows, columns) = (axis(xs.h, shape.h), axis(xs.w, shape.w));
        if !rows.fits() || !columns.fits() {
            return Err(
                self.unsupported(format!("RESIZE_BILINEAR from {xs} to {shape}: its places need more than 32 bits"))
            );
        }
        let params = ResizeParams {
            in_h: rows.inputs,
            in_w: columns.inputs,
            c: xs.c as i32,
            out_h: rows.outputs,
            out_w: columns.outputs,
            step_h: rows.step,
            step_w: columns.step,
            first_h: rows.first,
            first_w: columns.first,
            shift: 0,
        };
        self.push(Op::ResizeBilinear(params), vec![x], shape, q)
    }

    /// SOFTMAX over the channels of each pixel; `y` must follow LiteRT's int8 convention (scale 1/256, zero point -128).
    pub fn softmax(&mut self, x: TensorId, beta: f64, y: Quant) -> Result<TensorId, IrError> {
        let (xs, xq) = (self.shape(x), self.quant(x));
        if y.zero != -128 || (y.scale * 256.0 - 1.0).abs() > 1e-6 {
            return Err(self.unsupported(format!(
                "SOFTMAX into scale {} and zero point {}: 1/256 and -128 are supported",
                y.scale, y.zero
            )));
        }
        let scale = LogitScale::from_unit(beta * xq.scale)
            .ok_or_else(|| self.unsupported(format!("SOFTMAX with beta {beta} and scale {}", xq.scale)))?;
        // Distances of int8 values are at most 255.
        let params = SoftmaxParams {
            rows: xs.pixels() as i32,
            n: xs.c as i32,
            cap: scale.cap.min(256) as i32,
            m: scale.m as i32,
            s: scale.s,
        };
        if scale.pre != 0 {
            return Err(self.unsupported(format!("SOFTMAX with the scale {}", xq.scale)));
        }
        self.push(Op::Softmax(params), vec![x], xs, y)
    }

    /// The finished graph, verified.
    pub fn finish(mut self, outputs: Vec<TensorId>) -> Result<Graph, IrError> {
        self.graph.outputs = outputs;
        self.graph.verify("import")?;
        Ok(self.graph)
    }

    pub(crate) fn push(
        &mut self,
        op: Op,
        inputs: Vec<TensorId>,
        shape: Shape,
        quant: Quant,
    ) -> Result<TensorId, IrError> {
        self.check_shape(shape)?;
        let name = format!("{} {}", op.name(), self.graph.nodes.len());
        let y = self.graph.push_tensor(name, shape, Kind::Activation(quant));
        self.graph.tensors[y.index()].source = self.origin.tensor;
        self.graph.nodes.push(Node { op, inputs, outputs: vec![y], origin: self.origin });
        Ok(y)
    }

    fn check_shape(&self, s: Shape) -> Result<(), IrError> {
        // 16 MiB per tensor is far beyond any board this is meant for, and keeps all sizes within 32 bits.
        let elements = s.h.checked_mul(s.w).and_then(|p| p.checked_mul(s.c));
        match elements {
            Some(n) if n > 0 && n <= 1 << 24 && s.c <= 1 << 15 => Ok(()),
            _ => Err(self.unsupported(format!("a tensor of shape {}x{}x{}", s.h, s.w, s.c))),
        }
    }

    pub(crate) fn check_quant(&self, q: Quant) -> Result<(), IrError> {
        if q.scale.is_finite() && q.scale > 0.0 && (-128..=127).contains(&q.zero) {
            Ok(())
        } else {
            Err(self.unsupported(format!("scale {} and zero point {}", q.scale, q.zero)))
        }
    }

    pub(crate) fn unsupported(&self, what: String) -> IrError {
        let place = match self.origin.op {
            Some(op) => format!("operator {op}"),
            None => "input".into(),
        };
        IrError::Unsupported { place, what }
    }
}
