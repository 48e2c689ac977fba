//! Reads the file into plain records: visits every table and checks every index and length, but interprets nothing.
#![allow(missing_docs)]

use tinytrain_tflite::planus::{self, ReadAsRoot, Vector};

use crate::ImportError;
use crate::budget::Budget;
use crate::error::{Fault, Operator, malformed, printable, unsupported};
use tinytrain_tflite::operator;
use tinytrain_tflite::{ModelRef, OperatorCodeRef, OperatorRef, OptionsRef, QuantisationRef, SubgraphRef, TensorRef};

pub use tinytrain_tflite::dtype;

/// Far more than any model for a microcontroller has; keeps the records below small in relation to the file.
const MAX_ITEMS: usize = 1 << 16;
const MAX_RANK: usize = 8;
const MAX_OUTPUTS: usize = 64;

/// A tensor as described in the file.
pub struct Tensor<'a> {
    pub name: &'a str,
    pub dims: Vec<i32>,
    /// Whether a dimension other than the batch is dynamic.
    pub dynamic: bool,
    pub dtype: i8,
    /// Content, if the tensor is a constant.
    pub data: Option<&'a [u8]>,
    pub sparse: bool,
    pub variable: bool,
    pub scales: Option<Vector<'a, f32>>,
    pub zeros: Option<Vector<'a, i64>>,
    /// The dimension to which the scales belong.
    pub axis: i32,
}

/// An operator as described in the file.
pub struct Op<'a> {
    pub code: i32,
    pub custom: Option<&'a str>,
    /// Tensors read; `None` for an omitted optional one.
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<usize>,
    pub options: Option<OptionsRef<'a>>,
}

/// The one subgraph.
pub struct File<'a> {
    pub tensors: Vec<Tensor<'a>>,
    pub ops: Vec<Op<'a>>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
}

impl From<planus::Error> for Fault {
    fn from(e: planus::Error) -> Self {
        let place = format!("{}.{}", e.source_location.type_, e.source_location.method);
        Self::Malformed(format!("{}, reading {place}", e.error_kind.to_string().to_lowercase()))
    }
}

impl<'a> File<'a> {
    pub(super) fn read(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, Fault> {
        let model = ModelRef::read_as_root(bytes)?;
        let version = model.version()?;
        if version != 3 {
            return unsupported(format!("the .tflite has format version {version}; version 3 is supported"));
        }
        let graph = only_subgraph(model)?;
        let buffers = Buffers { model };
        let codes = match model.operator_codes()? {
            Some(codes) => collect(codes.iter().map(|c| operator_code(c?, budget)), "operator codes")?,
            None => Vec::new(),
        };
        let tensors = match graph.tensors()? {
            Some(tensors) => collect(tensors.iter().map(|t| read_tensor(t?, &buffers, budget)), "tensors")?,
            None => return malformed("the subgraph has no tensors"),
        };
        let n = tensors.len();
        let ops = match graph.operators()? {
            Some(ops) => collect(ops.iter().map(|o| read_op(o?, &codes, n, budget)), "operators")?,
            None => return malformed("the subgraph has no operators"),
        };
        let inputs = present(indices(graph.inputs()?, n, budget)?)?;
        let outputs = present(indices(graph.outputs()?, n, budget)?)?;
        if outputs.len() > MAX_OUTPUTS {
            return unsupported(format!("the model has {} outputs; {MAX_OUTPUTS} are supported", outputs.len()));
        }
        Ok(Self { tensors, ops, inputs, outputs })
    }

    /// Reads a file; `path` is used only in messages.
    ///
    /// # Errors
    /// A damaged file, or one with what no importer supports.
    pub fn open(path: &str, bytes: &'a [u8]) -> Result<Self, ImportError> {
        Self::read(bytes, &mut Budget::of(bytes.len())).map_err(|fault| fault.at(path, None))
    }

    /// The operator as named in messages.
    pub fn describe(&self, index: usize) -> Operator {
        let op = &self.ops[index];
        let name = match (operator::name(op.code), op.custom) {
            (Some("CUSTOM"), Some(custom)) => format!("CUSTOM '{}'", printable(custom)),
            (Some(name), _) => name.into(),
            (None, _) => format!("number {}", op.code),
        };
        let inputs = op.inputs.iter().flatten().copied().filter(|&t| self.tensors[t].data.is_none()).collect();
        Operator { index, name, inputs, outputs: op.outputs.clone() }
    }
}

fn only_subgraph(model: ModelRef<'_>) -> Result<SubgraphRef<'_>, Fault> {
    let graphs = model.subgraphs()?;
    match graphs.map_or(0, |g| g.len()) {
        1 => Ok(graphs.and_then(|g| g.get(0)).ok_or_else(|| Fault::Malformed("no subgraph".into()))??),
        0 => malformed("it has no subgraph"),
        n => unsupported(format!("the model has {n} subgraphs (control flow or several signatures); one is supported")),
    }
}

/// Number and custom name. Old files store the number in a byte; newer ones in an int, with a placeholder in the byte
/// if it does not fit.
fn operator_code<'a>(code: OperatorCodeRef<'a>, budget: &mut Budget) -> Result<(i32, Option<&'a str>), Fault> {
    let custom = code.custom()?;
    budget.take(custom.map_or(0, str::len))?;
    Ok((code.code()?.max(code.old_code()? as i32), custom))
}

fn read_tensor<'a>(tensor: TensorRef<'a>, buffers: &Buffers<'a>, budget: &mut Budget) -> Result<Tensor<'a>, Fault> {
    let dims = ints(tensor.shape()?, MAX_RANK, "dimensions")?;
    let name = tensor.name()?.unwrap_or("");
    // Only part of it is copied, but all of it is read to check that it is UTF-8.
    budget.take(name.len())?;
    let signature = ints(tensor.shape_signature()?, MAX_RANK, "dimensions")?;
    let dynamic = signature.iter().skip(1).any(|&d| d < 0) || (signature.len() > 1 && signature.len() != dims.len());
    let quantisation = tensor.quantisation()?;
    if let Some(q) = quantisation
        && q.details_type()? != 0
    {
        return unsupported(format!("tensor '{}' has a custom quantisation", printable(name)));
    }
    let (scales, zeros, axis) = quantisation.map_or(Ok((None, None, 0)), parameters)?;
    Ok(Tensor {
        name,
        dims,
        dynamic,
        dtype: tensor.dtype()?,
        data: buffers.get(tensor.buffer()?)?,
        sparse: tensor.sparsity()?.is_some(),
        variable: tensor.is_variable()?,
        scales,
        zeros,
        axis,
    })
}

type Parameters<'a> = (Option<Vector<'a, f32>>, Option<Vector<'a, i64>>, i32);

fn parameters(q: QuantisationRef<'_>) -> Result<Parameters<'_>, Fault> {
    Ok((q.scale()?, q.zero_point()?, q.dimension()?))
}

fn read_op<'a>(
    op: OperatorRef<'a>,
    codes: &[(i32, Option<&'a str>)],
    tensors: usize,
    budget: &mut Budget,
) -> Result<Op<'a>, Fault> {
    let index = op.code()? as usize;
    let Some(&(code, custom)) = codes.get(index) else {
        return malformed(format!("an operator refers to operator code {index} of {}", codes.len()));
    };
    Ok(Op {
        code,
        custom,
        inputs: indices(op.inputs()?, tensors, budget)?,
        outputs: present(indices(op.outputs()?, tensors, budget)?)?,
        // The schema omits the options of some operators; those operators are rejected by their number.
        options: op.options().or_else(|e| match e.error_kind {
            planus::errors::ErrorKind::UnknownUnionTag { .. } => Ok(None),
            _ => Err(e),
        })?,
    })
}

struct Buffers<'a> {
    model: ModelRef<'a>,
}

impl<'a> Buffers<'a> {
    /// Content of a buffer; `None` if it is empty, as for every activation.
    fn get(&self, index: u32) -> Result<Option<&'a [u8]>, Fault> {
        let buffers = self.model.buffers()?;
        let count = buffers.map_or(0, |b| b.len());
        let Some(buffer) = buffers.and_then(|b| b.get(index as usize)) else {
            // By convention buffer 0 is empty, whether the file lists it or not.
            return if index == 0 {
                Ok(None)
            } else {
                malformed(format!("a tensor refers to buffer {index} of {count}"))
            };
        };
        let buffer = buffer?;
        if buffer.offset()? > 1 {
            return unsupported("weights are stored outside the model's 2 GB; such files are not supported");
        }
        Ok(buffer.data()?.filter(|d| !d.is_empty()))
    }
}

fn collect<T>(items: impl ExactSizeIterator<Item = Result<T, Fault>>, what: &str) -> Result<Vec<T>, Fault> {
    match items.len() {
        n if n > MAX_ITEMS => unsupported(format!("the model has {n} {what}; {MAX_ITEMS} are supported")),
        _ => items.collect(),
    }
}

fn ints(v: Option<Vector<'_, i32>>, most: usize, what: &str) -> Result<Vec<i32>, Fault> {
    match v {
        Some(v) if v.len() > most => unsupported(format!("a tensor has {} {what}; {most} are supported", v.len())),
        Some(v) => Ok(v.iter().collect()),
        None => Ok(Vec::new()),
    }
}

/// Tensor indices; -1 means that an optional tensor is omitted.
fn indices(v: Option<Vector<'_, i32>>, tensors: usize, budget: &mut Budget) -> Result<Vec<Option<usize>>, Fault> {
    let Some(v) = v else { return Ok(Vec::new()) };
    budget.take(v.len().saturating_mul(16))?;
    v.iter()
        .map(|i| match usize::try_from(i) {
            Ok(t) if t < tensors => Ok(Some(t)),
            _ if i == -1 => Ok(None),
            _ => malformed(format!("it refers to tensor {i} of {tensors}")),
        })
        .collect()
}

fn present(v: Vec<Option<usize>>) -> Result<Vec<usize>, Fault> {
    v.into_iter()
        .map(|t| t.ok_or_else(|| Fault::Malformed("a tensor is missing where one is required".into())))
        .collect()
}
