//! `.tflite`: builds a graph from the file's verified tables.

mod file;
mod lower;
mod names;
#[rustfmt::skip]
#[allow(unsafe_code, dead_code, missing_docs, unused_qualifications, clippy::all)]
mod schema;

use tinytrain_ir::{GraphBuilder, Shape};

use self::file::{File, dtype};
use self::lower::Lowering;
pub(crate) use self::lower::SUPPORTED;
use crate::budget::Budget;
use crate::error::{Fault, malformed, printable, unsupported};
use crate::{FileTensor, ImportError, ImportOptions, Imported, Input};

/// Whether the bytes have the format's identifier.
pub(crate) fn is(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

pub(crate) fn import(path: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let whole = |fault: Fault| fault.at(path, None);
    let mut budget = Budget::of(bytes.len());
    let file = File::read(bytes, &mut budget).map_err(whole)?;
    let entry = entry(&file).map_err(whole)?;
    let (shape, quant) = file.activation(entry.tensor).map_err(whole)?;
    check_size(path, shape, options)?;
    let input = Input::new(path, shape, quant, Some(entry.tensor), options.normalisation.as_ref())?;
    let builder =
        GraphBuilder::new(crate::stem(path), shape, quant, Some(entry.tensor)).map_err(|e| whole(e.into()))?;

    // An unknown operator is more important to the user than an error in an earlier one.
    if let Some(index) = (0..file.ops.len()).find(|&i| !lower::is_supported(&file.ops[i])) {
        return Err(Fault::Operator.at(path, Some(file.describe(index))));
    }
    let mut lowering = Lowering::new(&file, builder, budget, entry.tensor);
    for index in (0..file.ops.len()).filter(|&i| entry.dropped != Some(i)) {
        lowering.operator(index).map_err(|fault| fault.at(path, Some(file.describe(index))))?;
    }
    let graph = lowering.finish().map_err(whole)?;
    let tensors = graph.tensors.iter().enumerate().filter_map(|(id, t)| {
        let source = t.source?;
        let name = printable(file.tensors[source].name);
        Some(FileTensor { tensor: tinytrain_ir::TensorId(id as u32), source: Some(source), name })
    });
    Ok(Imported { tensors: tensors.collect(), graph, format: "tflite", input })
}

/// The beginning of the graph.
struct Entry {
    /// The int8 input tensor.
    tensor: usize,
    /// The QUANTIZE before it, if the file's input is not int8.
    dropped: Option<usize>,
}

fn entry(file: &File<'_>) -> Result<Entry, Fault> {
    let [input] = file.inputs[..] else {
        return unsupported(format!("the model has {} inputs; one is supported", file.inputs.len()));
    };
    if file.tensors[input].data.is_some() {
        return malformed(format!("the model's input, tensor {input}, is a constant"));
    }
    if file.tensors[input].dtype == dtype::INT8 {
        return Ok(Entry { tensor: input, dropped: None });
    }
    let mut readers = file.ops.iter().enumerate().filter(|(_, op)| op.inputs.contains(&Some(input)));
    match (readers.next(), readers.next()) {
        (Some((index, op)), None) if names::operator(op.code) == Some("QUANTIZE") => match op.outputs[..] {
            [tensor] => Ok(Entry { tensor, dropped: Some(index) }),
            _ => malformed("the QUANTIZE at the model's input does not have one output"),
        },
        _ => Err(file.wrong_type(input)),
    }
}

fn check_size(path: &str, shape: Shape, options: &ImportOptions) -> Result<(), ImportError> {
    match options.input {
        Some([h, w]) if [h, w] != [shape.h, shape.w] => Err(ImportError::Options {
            file: path.into(),
            what: format!(
                "the input of a .tflite has a fixed size, here {}x{}; {h}x{w} was requested",
                shape.h, shape.w
            ),
        }),
        _ => Ok(()),
    }
}
