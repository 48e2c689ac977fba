//! Nodes of the graph as operators of the format.

use tinytrain_ir::{Function, Graph, Layer, LayerId, Lookup, Movement, Op, Quant, Shape, TensorId};
use tinytrain_spec::arith::DEAD_SCALE;
use tinytrain_spec::params::{PoolParams, ResizeAxis};
use tinytrain_spec::softmax::LogitScale;
use tinytrain_tflite::{
    Add, Concatenation, Conv, DepthwiseConv, LeakyRelu, Mul, Options, Pool, Reducer, Reshape, Softmax, dtype, mean,
};

use crate::writer::{Code, TensorIndex, Writer, quantisation, whole};
use crate::{ExportError, Functions};

/// Fused activations, by the format's numbers.
mod fused {
    pub const NONE: i8 = 0;
    pub const RELU: i8 = 1;
    pub const RELU_N1_TO_1: i8 = 2;
    pub const RELU6: i8 = 3;
}

/// Paddings, by the format's numbers.
const SAME: i8 = 0;
const VALID: i8 = 1;

/// The file's tensors of a graph's values.
pub struct Values<'a> {
    graph: &'a Graph,
    functions: Functions,
    places: Vec<Option<TensorIndex>>,
}

fn dims(s: Shape) -> [i32; 4] {
    [1, s.h as i32, s.w as i32, s.c as i32]
}

pub fn words(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn bytes(values: &[i8]) -> Vec<u8> {
    values.iter().map(|&v| v as u8).collect()
}

/// The fused activation with these bounds; none has some bounds.
fn activation(bounds: (i32, i32), y: Quant) -> Option<i8> {
    // As LiteRT computes them: the quotient in float32, halves away from zero.
    let at = |real: f32| ((real / y.scale as f32).round() as i64 + i64::from(y.zero)).clamp(-128, 127) as i32;
    [
        (fused::NONE, (-128, 127)),
        (fused::RELU, (at(0.0), 127)),
        (fused::RELU6, (at(0.0), at(6.0))),
        (fused::RELU_N1_TO_1, (at(-1.0), at(1.0))),
    ]
    .into_iter()
    .find_map(|(number, of)| (of == bounds).then_some(number))
}

/// Rows or columns that a window reads: size of input, window, stride, padding before, size of output.
#[derive(Clone, Copy)]
struct Axis {
    n: i32,
    k: i32,
    stride: i32,
    before: i32,
    out: i32,
}

impl Axis {
    /// Padding behind the input.
    fn after(self) -> i32 {
        ((self.out - 1) * self.stride + self.k - self.n - self.before).max(0)
    }

    fn is_valid(self) -> bool {
        self.before == 0 && self.n >= self.k && self.out == (self.n - self.k) / self.stride + 1
    }

    fn is_same(self) -> bool {
        let total = ((self.out - 1) * self.stride + self.k - self.n).max(0);
        self.out == (self.n + self.stride - 1) / self.stride && self.before == total / 2
    }
}

/// The format's padding of a window; none has some.
fn padding(axes: [Axis; 2]) -> Option<i8> {
    match axes {
        _ if axes.iter().all(|a| a.is_valid()) => Some(VALID),
        _ if axes.iter().all(|a| a.is_same()) => Some(SAME),
        _ => None,
    }
}

impl<'a> Values<'a> {
    /// Begins with the graph's input.
    pub fn new(graph: &'a Graph, functions: Functions, writer: &mut Writer) -> Self {
        let mut values = Self { graph, functions, places: vec![None; graph.tensors.len()] };
        let input = values.define(writer, graph.input);
        writer.inputs.push(input);
        values
    }

    /// The file's tensor of a value that has been written.
    pub fn of(&self, t: TensorId) -> TensorIndex {
        self.places[t.index()].expect("nodes are in order of execution")
    }

    fn define(&mut self, writer: &mut Writer, t: TensorId) -> TensorIndex {
        let tensor = self.graph.tensor(t);
        let index = writer.value(&tensor.name, &dims(tensor.shape), dtype::INT8, whole(self.quant(t)));
        self.places[t.index()] = Some(index);
        index
    }

    fn quant(&self, t: TensorId) -> Quant {
        self.graph.tensor(t).quant().expect("a forward graph holds activations only")
    }

    fn shape(&self, t: TensorId) -> Shape {
        self.graph.tensor(t).shape
    }

    /// Writes node `n`, which is not the head.
    pub fn node(&mut self, w: &mut Writer, n: usize) -> Result<(), ExportError> {
        let graph = self.graph;
        let node = &graph.nodes[n];
        let (x, y) = (node.inputs[0], node.outputs[0]);
        match &node.op {
            Op::Conv(l) => self.conv(w, *l, x, y),
            Op::Add(p, _) => {
                let activation = self.fused((p.lo, p.hi), y)?;
                let options = Options::Add(Box::new(Add { activation, ..Add::default() }));
                self.plain(w, Code::of("ADD", 2), &node.inputs, y, Some(options))
            }
            Op::Mul(p, _) => {
                let activation = self.fused((p.lo, p.hi), y)?;
                self.plain(w, Code::of("MUL", 2), &node.inputs, y, Some(Options::Mul(Box::new(Mul { activation }))))
            }
            Op::AveragePool(p) => self.pool(w, Code::of("AVERAGE_POOL_2D", 2), p, x, y),
            Op::MaxPool(p) => self.pool(w, Code::of("MAX_POOL_2D", 2), p, x, y),
            Op::Mean(..) if self.functions == Functions::Tables && self.is_exact_mean(x, y) => {
                self.mean(w, x, y);
                Ok(())
            }
            Op::Mean(..) => {
                let axes = w.constant("axes", &[2], dtype::INT32, words(&[1, 2]), None);
                let from = self.of(x);
                let to = self.define(w, y);
                let options = Options::Reducer(Box::new(Reducer { keep_dims: true }));
                w.op(Code::of("MEAN", 2), &[from, axes], to, Some(options));
                Ok(())
            }
            Op::Requantize(p, _) => {
                let code = match self.fused((p.lo, p.hi), y)? {
                    fused::RELU => Code::of("RELU", 2),
                    fused::RELU6 => Code::of("RELU6", 2),
                    fused::RELU_N1_TO_1 => Code::of("RELU_N1_TO_1", 1),
                    _ => Code::of("QUANTIZE", 2),
                };
                self.plain(w, code, &node.inputs, y, None)
            }
            Op::Pad { top, left } => {
                let (xs, ys) = (self.shape(x), self.shape(y));
                let rows = [*top, ys.h - xs.h - top];
                let columns = [*left, ys.w - xs.w - left];
                let from = self.of(x);
                let to = self.define(w, y);
                pad(w, from, to, rows.map(|n| n as i32), columns.map(|n| n as i32));
                Ok(())
            }
            Op::Softmax(p) => {
                // Of scale and beta the graph has the product.
                let usual = LogitScale::from_unit(self.quant(x).scale).is_some_and(|s| (s.m as i32, s.s) == (p.m, p.s));
                if !usual {
                    return Err(ExportError::Unsupported("a softmax with a beta other than 1".into()));
                }
                let options = Options::Softmax(Box::new(Softmax { beta: 1.0 }));
                self.plain(w, Code::of("SOFTMAX", 2), &node.inputs, y, Some(options))
            }
            Op::Concat(axis) => {
                let options = Concatenation { axis: *axis as i32 + 1, activation: fused::NONE };
                self.plain(
                    w,
                    Code::of("CONCATENATION", 2),
                    &node.inputs,
                    y,
                    Some(Options::Concatenation(Box::new(options))),
                )
            }
            Op::Reshape => {
                let from = self.of(x);
                let to = self.define(w, y);
                reshape(w, from, to, &dims(self.shape(y)));
                Ok(())
            }
            Op::Move(m) => {
                self.moved(w, m, x, y);
                Ok(())
            }
            Op::ResizeBilinear(p) => {
                let flags = [(false, false), (true, false), (false, true)].into_iter().find(|&(corners, centers)| {
                    p.axes().iter().all(|a| *a == ResizeAxis::litert(a.inputs, a.outputs, corners, centers))
                });
                let (align_corners, half_pixel_centers) = flags.ok_or_else(|| {
                    ExportError::Unsupported("a resize whose places a .tflite has no word for".into())
                })?;
                let size = w.constant("size", &[2], dtype::INT32, words(&[p.out_h, p.out_w]), None);
                let from = self.of(x);
                let to = self.define(w, y);
                let options =
                    tinytrain_tflite::ResizeBilinear { align_corners, half_pixel_centers, ..Default::default() };
                w.op(
                    Code::of("RESIZE_BILINEAR", 3),
                    &[from, size],
                    to,
                    Some(Options::ResizeBilinear(Box::new(options))),
                );
                Ok(())
            }
            Op::Lookup(l) => {
                match operator(l.function).filter(|_| self.functions == Functions::Operators) {
                    Some((code, options)) => self.plain(w, code, &[x], y, options)?,
                    None => self.lookup(w, l, x, y),
                }
                Ok(())
            }
            other => Err(ExportError::Unsupported(format!("{} has no operator in a .tflite", other.name()))),
        }
    }

    fn plain(
        &mut self,
        w: &mut Writer,
        code: Code,
        inputs: &[TensorId],
        y: TensorId,
        options: Option<Options>,
    ) -> Result<(), ExportError> {
        let inputs: Vec<TensorIndex> = inputs.iter().map(|&t| self.of(t)).collect();
        let to = self.define(w, y);
        w.op(code, &inputs, to, options);
        Ok(())
    }

    fn fused(&self, bounds: (i32, i32), y: TensorId) -> Result<i8, ExportError> {
        activation(bounds, self.quant(y)).ok_or_else(|| {
            let name = &self.graph.tensor(y).name;
            ExportError::Unsupported(format!("{name} is clamped to {bounds:?}, which no activation of a .tflite does"))
        })
    }

    /// A convolution. Padding that the format has no word for becomes an operator of its own.
    fn conv(&mut self, w: &mut Writer, l: LayerId, x: TensorId, y: TensorId) -> Result<(), ExportError> {
        let layer = self.graph.layer(l);
        let g = &layer.geo;
        let rows = Axis { n: g.in_h, k: g.kh, stride: g.stride_h, before: g.pad_top, out: g.out_h };
        let columns = Axis { n: g.in_w, k: g.kw, stride: g.stride_w, before: g.pad_left, out: g.out_w };
        let (from, padding) = match padding([rows, columns]) {
            Some(padding) => (self.of(x), padding),
            None => (self.padded(w, x, [rows, columns]), VALID),
        };
        let activation = self.fused((g.lo, g.hi), y)?;
        let (weights, bias) = constants(w, layer, self.quant(y).scale);
        let (stride_w, stride_h) = (g.stride_w, g.stride_h);
        let (code, options) = if layer.depthwise {
            let multiplier = g.out_c / g.in_c;
            let o = DepthwiseConv { padding, stride_w, stride_h, multiplier, activation, ..DepthwiseConv::default() };
            (Code::of("DEPTHWISE_CONV_2D", 3), Options::DepthwiseConv(Box::new(o)))
        } else {
            let o = Conv { padding, stride_w, stride_h, activation, ..Conv::default() };
            (Code::of("CONV_2D", 3), Options::Conv(Box::new(o)))
        };
        let to = self.define(w, y);
        w.op(code, &[from, weights, bias], to, Some(options));
        Ok(())
    }

    /// Whether a mean is one that a convolution rounds as a Program does.
    fn is_exact_mean(&self, x: TensorId, y: TensorId) -> bool {
        self.quant(x) == self.quant(y) && self.shape(x).pixels() <= mean::MOST_PIXELS
    }

    /// A mean as a depthwise convolution: see `tinytrain_tflite::mean`.
    fn mean(&mut self, w: &mut Writer, x: TensorId, y: TensorId) {
        let (xs, quant) = (self.shape(x), self.quant(x));
        let name = &self.graph.tensor(y).name;
        let scale = mean::scale(xs.pixels());
        let of_weights = quantisation(&vec![scale; xs.c], 0, 3);
        let of_bias = quantisation(&vec![scale * quant.scale; xs.c], 0, 0);
        let weights = vec![mean::WEIGHT as u8; xs.pixels() * xs.c];
        let weights = w.constant(&format!("{name} weights"), &dims(xs), dtype::INT8, weights, of_weights);
        let bias = words(&vec![mean::BIAS; xs.c]);
        let bias = w.constant(&format!("{name} bias"), &[xs.c as i32], dtype::INT32, bias, of_bias);
        let options =
            DepthwiseConv { padding: VALID, stride_w: 1, stride_h: 1, multiplier: 1, ..DepthwiseConv::default() };
        let from = self.of(x);
        let to = self.define(w, y);
        let options = Some(Options::DepthwiseConv(Box::new(options)));
        w.op(Code::of("DEPTHWISE_CONV_2D", 3), &[from, weights, bias], to, options);
    }

    fn padded(&self, w: &mut Writer, x: TensorId, [rows, columns]: [Axis; 2]) -> TensorIndex {
        let tensor = self.graph.tensor(x);
        let (h, c) = (rows.before + rows.n + rows.after(), tensor.shape.c as i32);
        let shape = [1, h, columns.before + columns.n + columns.after(), c];
        let to = w.value(&format!("{} padded", tensor.name), &shape, dtype::INT8, whole(self.quant(x)));
        pad(w, self.of(x), to, [rows.before, rows.after()], [columns.before, columns.after()]);
        to
    }

    fn pool(
        &mut self,
        w: &mut Writer,
        code: Code,
        p: &PoolParams,
        x: TensorId,
        y: TensorId,
    ) -> Result<(), ExportError> {
        let rows = Axis { n: p.in_h, k: p.kh, stride: p.stride_h, before: p.pad_top, out: p.out_h };
        let columns = Axis { n: p.in_w, k: p.kw, stride: p.stride_w, before: p.pad_left, out: p.out_w };
        let padding = padding([rows, columns])
            .ok_or_else(|| ExportError::Unsupported("pooling with a padding that a .tflite has no word for".into()))?;
        let activation = self.fused((p.lo, p.hi), y)?;
        let (stride_w, stride_h, kernel_w, kernel_h) = (p.stride_w, p.stride_h, p.kw, p.kh);
        let options = Pool { padding, stride_w, stride_h, kernel_w, kernel_h, activation };
        self.plain(w, code, &[x], y, Some(Options::Pool(Box::new(options))))
    }

    /// Elements at other places: all of them gathered by their places, those that nothing writes from a zero point appended to them.
    fn moved(&mut self, w: &mut Writer, m: &Movement, x: TensorId, y: TensorId) {
        let (from, to) = (self.shape(x).len(), self.shape(y).len());
        let mut places = vec![from as i32; to];
        for b in &m.boxes {
            for (i, j) in (0..b.size.h).flat_map(|i| (0..b.size.w).map(move |j| (i, j))) {
                let at = |s: tinytrain_ir::Steps| s.first + i * s.row + j * s.column;
                (0..b.size.c).for_each(|k| places[at(b.to) + k] = (at(b.from) + k) as i32);
            }
        }
        let flat = |w: &mut Writer, n: usize| w.value("flat", &[n as i32], dtype::INT8, whole(self.quant(x)));
        let mut line = flat(w, from);
        reshape(w, self.of(x), line, &[from as i32]);
        if places.contains(&(from as i32)) {
            let longer = flat(w, from + 1);
            let behind = w.constant("behind", &[1, 2], dtype::INT32, words(&[0, 1]), None);
            w.op(Code::of("PAD", 2), &[line, behind], longer, None);
            line = longer;
        }
        let gathered = flat(w, to);
        let places = w.constant("places", &[to as i32], dtype::INT32, words(&places), None);
        w.op(Code::of("GATHER", 2), &[line, places], gathered, None);
        let result = self.define(w, y);
        reshape(w, gathered, result, &dims(self.shape(y)));
    }

    /// A function by its table: the values gathered by `x + 128`.
    fn lookup(&mut self, w: &mut Writer, l: &Lookup, x: TensorId, y: TensorId) {
        let shape = dims(self.shape(x));
        let table = w.constant(l.function.name(), &[256], dtype::INT8, bytes(&l.table), whole(self.quant(y)));
        let offset = w.constant("offset", &[1], dtype::INT32, words(&[128]), None);
        let wide = w.value("values", &shape, dtype::INT32, None);
        w.op(Code::of("CAST", 1), &[self.of(x)], wide, None);
        let places = w.value("places", &shape, dtype::INT32, None);
        w.op(Code::of("ADD", 1), &[wide, offset], places, Some(Options::Add(Box::default())));
        let to = self.define(w, y);
        w.op(Code::of("GATHER", 2), &[table, places], to, None);
    }
}

/// The operator of a function.
fn operator(f: Function) -> Option<(Code, Option<Options>)> {
    Some(match f {
        Function::Logistic => (Code::of("LOGISTIC", 2), None),
        Function::Tanh => (Code::of("TANH", 2), None),
        Function::HardSwish => (Code::of("HARD_SWISH", 1), None),
        Function::LeakyRelu { alpha } => {
            (Code::of("LEAKY_RELU", 2), Some(Options::LeakyRelu(Box::new(LeakyRelu { alpha: alpha as f32 }))))
        }
        _ => return None,
    })
}

fn reshape(w: &mut Writer, from: TensorIndex, to: TensorIndex, shape: &[i32]) {
    let wanted = w.constant("shape", &[shape.len() as i32], dtype::INT32, words(shape), None);
    let options = Options::Reshape(Box::new(Reshape { new_shape: Some(shape.to_vec()) }));
    w.op(Code::of("RESHAPE", 1), &[from, wanted], to, Some(options));
}

fn pad(w: &mut Writer, from: TensorIndex, to: TensorIndex, rows: [i32; 2], columns: [i32; 2]) {
    let amounts = [0, 0, rows[0], rows[1], columns[0], columns[1], 0, 0];
    let amounts = w.constant("padding", &[4, 2], dtype::INT32, words(&amounts), None);
    w.op(Code::of("PAD", 2), &[from, amounts], to, None);
}

/// Weights and biases of a convolution.
fn constants(w: &mut Writer, layer: &Layer, y_scale: f64) -> (TensorIndex, TensorIndex) {
    let g = &layer.geo;
    let (shape, dimension) =
        if layer.depthwise { ([1, g.kh, g.kw, g.out_c], 3) } else { ([g.out_c, g.kh, g.kw, g.in_c], 0) };
    let scales = quantisation(&layer.w_scales, 0, dimension);
    let weights = w.constant(&format!("{} weights", layer.name), &shape, dtype::INT8, bytes(&layer.weights), scales);
    let of_bias: Vec<f64> = layer.w_scales.iter().map(|s| s * layer.x_scale).collect();
    let (name, data) = (format!("{} bias", layer.name), words(&biases(layer, y_scale)));
    (weights, w.constant(&name, &[g.out_c], dtype::INT32, data, quantisation(&of_bias, 0, 0)))
}

/// The biases in units of the scales of input and weights. Those of dead channels are in the graph in units of a multiplier that was rounded up
/// (`docs/numerics.md`, section 2).
fn biases(layer: &Layer, y_scale: f64) -> Vec<i32> {
    let of = |(c, &bias): (usize, &i32)| {
        let scale = layer.x_scale * layer.w_scales[c] / y_scale;
        if scale >= DEAD_SCALE {
            return bias;
        }
        let exact = scale * 4294967296.0;
        (f64::from(bias) * f64::from(layer.requant[c].m) / exact).round() as i32
    };
    layer.bias.iter().enumerate().map(of).collect()
}
