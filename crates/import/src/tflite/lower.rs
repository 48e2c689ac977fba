//! Translates the operators, one after the other, into calls of the graph builder.

mod batch;
mod constants;
mod conv;
mod layout;
mod pointwise;
mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use tinytrain_ir::{Graph, GraphBuilder, PoolSpec, Quant, Shape, TensorId};

use super::file::{File, Op, Tensor, dtype};
use super::names;
use crate::budget::Budget;
use crate::error::{Fault, malformed, unsupported};
use tinytrain_tflite::operator;

/// What an operator with one output of int8 or uint8 becomes in the graph. The shape of a value in the file's order is checked afterwards.
type Operator = for<'a> fn(&mut Lowering<'a>, &Site<'a>) -> Result<Value, Fault>;

/// Those operators by name, as each part of this module lists its own.
static OPERATORS: LazyLock<BTreeMap<&'static str, Operator>> = LazyLock::new(|| {
    [conv::OPERATORS, layout::OPERATORS, pointwise::OPERATORS, shape::OPERATORS].concat().into_iter().collect()
});

/// Operators on batches and integers, with several outputs, or at the end of a model.
const OTHERS: [&str; 7] = ["BATCH_TO_SPACE_ND", "DEQUANTIZE", "PACK", "SHAPE", "SPACE_TO_BATCH_ND", "SPLIT", "SPLIT_V"];

/// Operators that [`Lowering::operator`] supports, sorted.
pub(crate) fn supported() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| OPERATORS.keys().copied().chain(OTHERS).collect::<BTreeSet<_>>().into_iter().collect());
    &NAMES
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
        self.activation_of(t, 1)
    }

    /// The same for a tensor of `batch` images: the shape is that of one.
    fn activation_of(&self, t: usize, batch: usize) -> Result<(Shape, Quant), Fault> {
        let tensor = &self.tensors[t];
        // uint8 is int8 with another zero point: q - 128 stands for the same real.
        let offset = match tensor.dtype {
            dtype::INT8 => 0,
            dtype::UINT8 => 128,
            _ => return Err(self.wrong_type(t)),
        };
        let (Some(scales), zeros) = (tensor.scales, tensor.zeros) else {
            return unsupported(format!("tensor {t} has no quantisation"));
        };
        let (Some(scale), 1, true) = (scales.first(), scales.len(), zeros.is_none_or(|z| z.len() <= 1)) else {
            return unsupported(format!("activation {t} has {} scales; one is supported", scales.len()));
        };
        let zero = zeros.and_then(|z| z.first()).unwrap_or(0);
        let Ok(zero) = i8::try_from(zero.saturating_sub(offset)) else {
            return malformed(format!("tensor {t} has the zero point {zero}, outside its type"));
        };
        Ok((shape(t, tensor, batch)?, Quant { scale: scale as f64, zero: zero as i32 }))
    }

    /// The error for a tensor that cannot be an activation.
    pub(super) fn wrong_type(&self, t: usize) -> Fault {
        let what = match self.tensors[t].dtype {
            dtype::FLOAT32 => "the model computes in float32",
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
fn shape(t: usize, tensor: &Tensor<'_>, images: usize) -> Result<Shape, Fault> {
    if tensor.dynamic || tensor.dims.iter().any(|&d| d < 0) {
        return unsupported(format!("tensor {t} has a dynamic shape; only shapes fixed in the file are supported"));
    }
    let dims: Vec<usize> = tensor.dims.iter().map(|&d| d as usize).collect();
    match dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
        Some(1..=MAX_ELEMENTS) => {}
        _ => return unsupported(format!("tensor {t} has the shape {dims:?}")),
    }
    match dims[..] {
        [batch, ..] if batch != images && (2..=4).contains(&dims.len()) => {
            unsupported(format!("tensor {t} has the batch size {batch}; 1 is supported"))
        }
        [_, h, w, c] => Ok(Shape::new(h, w, c)),
        [_, w, c] => Ok(Shape::new(1, w, c)),
        [_, c] => Ok(Shape::new(1, 1, c)),
        [c] => Ok(Shape::new(1, 1, c)),
        _ => unsupported(format!(
            "tensor {t} has {} dimensions; 1 to 4 are supported, the first of which is the batch",
            dims.len()
        )),
    }
}

/// A tensor of the file in terms of the graph.
#[derive(Clone)]
struct Value {
    id: TensorId,
    layout: Layout,
}

/// How the bytes of a value lie in the graph, compared with the file.
#[derive(Clone)]
enum Layout {
    /// As in the file.
    Plain,
    /// The file orders the dimensions differently from the graph, as after a TRANSPOSE to NCHW: for each of the
    /// file's dimensions its axis in the natural order (batch, rows, columns, channels). MEAN, TRANSPOSE and
    /// FULLY_CONNECTED read such a value as it is; for others the bytes are moved.
    Ordered(Vec<usize>),
    /// A vector that a FULLY_CONNECTED alone reads: element `n` of the file is element `places[n]` of the graph.
    Shuffled(Vec<usize>),
    /// Images of a batch, one below the other.
    Batch(batch::Batch),
}

impl From<TensorId> for Value {
    fn from(id: TensorId) -> Self {
        Self { id, layout: Layout::Plain }
    }
}

impl Value {
    fn batch(&self) -> Option<batch::Batch> {
        match self.layout {
            Layout::Batch(batch) => Some(batch),
            _ => None,
        }
    }
}

/// Builds the graph while going through the operators in the file's order.
pub(super) struct Lowering<'a> {
    file: &'a File<'a>,
    builder: GraphBuilder,
    budget: Budget,
    /// Each of the file's tensors in terms of the graph.
    values: Vec<Option<Value>>,
    /// Each of the file's integer tensors that follows from shapes and constants.
    known: Vec<Option<Vec<i64>>>,
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
        Self { file, builder, budget, values, known: vec![None; file.tensors.len()], readers }
    }

    /// The graph with these of the file's tensors as its outputs.
    pub(super) fn finish(mut self, outputs: &[usize]) -> Result<Graph, Fault> {
        if outputs.is_empty() {
            return malformed("the model has no output");
        }
        let outputs = outputs.iter().map(|&t| self.plain(t)).collect::<Result<_, _>>()?;
        Ok(self.builder.finish(outputs)?)
    }

    /// Whether a tensor of the file has a value in the graph.
    pub(super) fn has(&self, t: usize) -> bool {
        self.values[t].is_some()
    }

    /// Number of convolutions so far.
    pub(super) fn convolutions(&self) -> usize {
        self.builder.convolutions()
    }

    pub(super) fn operator(&mut self, index: usize) -> Result<(), Fault> {
        let op = &self.file.ops[index];
        let name = operator::name(op.code).ok_or(Fault::Operator)?;
        if !supported().contains(&name) {
            return Err(Fault::Operator);
        }
        for &y in &op.outputs {
            if self.has(y) || self.file.tensors[y].data.is_some() || self.file.inputs.contains(&y) {
                return malformed(format!("it writes tensor {y}, which already has a value"));
            }
        }
        if matches!(name, "SPLIT" | "SPLIT_V") {
            return self.split(name, index, op);
        }
        let [y] = op.outputs[..] else {
            return malformed(format!("it has {} outputs", op.outputs.len()));
        };
        if matches!(self.file.tensors[y].dtype, dtype::INT32 | dtype::INT64) {
            self.known[y] = Some(self.folded(name, op)?);
            return Ok(());
        }
        let batched = op.inputs.iter().flatten().any(|&t| self.values[t].as_ref().is_some_and(|v| v.batch().is_some()));
        let result = match name {
            _ if batched => self.batched(name, index, op, y)?,
            "SPACE_TO_BATCH_ND" => self.space_to_batch(index, op, y)?,
            "DEQUANTIZE" => self.leave(op, y)?.into(),
            "QUANTIZE" if self.leaves(op, y) => self.leave(op, y)?.into(),
            _ => self.compute(name, index, op, y)?,
        };
        self.values[y] = Some(result);
        Ok(())
    }

    /// Whether a QUANTIZE leads from int8 to uint8 at the end of a model.
    fn leaves(&self, op: &Op<'_>, y: usize) -> bool {
        let from = op.inputs.first().copied().flatten();
        let types = (from.map(|t| self.file.tensors[t].dtype), self.file.tensors[y].dtype);
        types == (Some(dtype::INT8), dtype::UINT8) && self.file.outputs.contains(&y)
    }

    /// DEQUANTIZE, or QUANTIZE to uint8, after the last int8 tensor: the graph's output is that tensor.
    fn leave(&mut self, op: &'a Op<'a>, y: usize) -> Result<TensorId, Fault> {
        let x = self.input(op, 0)?;
        if self.readers[y] > 0 || !self.file.outputs.contains(&y) {
            return unsupported("a conversion from int8 is supported only at the end of a model");
        }
        Ok(x)
    }

    fn site(&mut self, index: usize, op: &'a Op<'a>, y: usize) -> Result<Site<'a>, Fault> {
        let (shape, quant) = self.file.activation(y)?;
        let site = Site { index, op, y, shape, quant };
        self.builder.origin(index, self.source(y));
        Ok(site)
    }

    /// The file's tensor as the source of one in the graph, if its bytes are the same.
    fn source(&self, y: usize) -> Option<usize> {
        (self.file.tensors[y].dtype == dtype::INT8).then_some(y)
    }

    fn compute(&mut self, name: &str, index: usize, op: &'a Op<'a>, y: usize) -> Result<Value, Fault> {
        let operator = OPERATORS.get(name).ok_or(Fault::Operator)?;
        let site = self.site(index, op, y)?;
        let value = operator(self, &site)?;
        match (&value.layout, self.builder.shape(value.id)) {
            (Layout::Plain, s) if s != site.shape => {
                malformed(format!("its output is declared as {}, but its parameters imply {s}", site.shape))
            }
            _ => Ok(value),
        }
    }

    // ---- operands ----

    /// A value whose bytes are in the file's order; they are moved there if they are not.
    fn plain(&mut self, t: usize) -> Result<TensorId, Fault> {
        let value = self.value(t)?;
        match value.layout {
            Layout::Plain => Ok(value.id),
            Layout::Ordered(order) => {
                let before = self.builder.yields(self.source(t));
                let id = self.moved_to_order(value.id, &order, self.file.activation(t)?.0)?;
                self.builder.yields(before);
                self.values[t] = Some(id.into());
                Ok(id)
            }
            Layout::Shuffled(_) => unsupported(format!("tensor {t} is transposed")),
            Layout::Batch(_) => unsupported(format!(
                "tensor {t} is a batch; between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND only convolutions are supported"
            )),
        }
    }

    fn value(&self, t: usize) -> Result<Value, Fault> {
        if let Some(v) = &self.values[t] {
            return Ok(v.clone());
        }
        let tensor = &self.file.tensors[t];
        if tensor.data.is_some() || self.known[t].is_some() {
            return unsupported(format!("tensor {t} is a constant where an activation is expected"));
        }
        if tensor.variable {
            return unsupported(format!("tensor {t} is a variable; models with state are not supported"));
        }
        if !matches!(tensor.dtype, dtype::INT8 | dtype::UINT8) {
            return Err(self.file.wrong_type(t));
        }
        malformed(format!("tensor {t} is read before any operator writes it"))
    }

    fn input(&mut self, op: &Op<'_>, n: usize) -> Result<TensorId, Fault> {
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

    /// Adds a helper node before the operator's own: it yields no tensor of the file.
    fn helper_reshape(&mut self, site: &Site<'_>, x: TensorId, shape: Shape) -> Result<TensorId, Fault> {
        self.builder.origin(site.index, None);
        Ok(self.builder.reshape(x, shape)?)
    }

    /// The next node yields the file's tensor if it has its shape and its order of bytes; otherwise it is a helper.
    fn claim(&mut self, site: &Site<'_>, shape: Shape, in_order: bool) {
        let source = self.source(site.y).filter(|_| in_order && shape == site.shape);
        self.builder.origin(site.index, source);
    }

    /// `y` in this shape, through a reshape if it has another.
    fn shaped(&mut self, site: &Site<'_>, y: TensorId, shape: Shape, tensor: Option<usize>) -> Result<TensorId, Fault> {
        if self.builder.shape(y) == shape {
            return Ok(y);
        }
        self.builder.origin(site.index, tensor);
        Ok(self.builder.reshape(y, shape)?)
    }
}

/// A constant: the tensor's index, description and content.
type Constant<'a> = (usize, &'a Tensor<'a>, &'a [u8]);

fn missing_options<T>() -> Result<T, Fault> {
    malformed("its options are missing or belong to another operator")
}

fn words(data: &[u8]) -> impl Iterator<Item = i32> {
    data.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
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
