//! `.tflite`: builds a graph from the file's verified tables.

mod cut;
pub mod file;
mod lower;
mod metadata;
mod names;
mod own;

use tinytrain_ir::{Classifier, GraphBuilder, Shape};

use self::file::{File, Op, dtype};
use self::lower::Lowering;
pub(crate) use self::lower::supported;
use crate::budget::Budget;
use crate::error::{Fault, malformed, printable, unsupported};
use crate::{FileTensor, ImportError, ImportOptions, Imported, Input};
use tinytrain_tflite::operator;

/// Whether the bytes have the format's identifier.
pub(crate) fn is(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

pub(crate) fn import(path: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    let whole = |fault: Fault| fault.at(path, None);
    let mut budget = Budget::of(bytes.len());
    let file = File::read(bytes, &mut budget).map_err(whole)?;
    let mut entry = entry(&file).map_err(whole)?;
    let own = own::head(&file);
    entry.dropped.extend(own.iter().flat_map(|own| &own.ops));
    let (shape, quant) = file.activation(entry.tensor).map_err(whole)?;
    check_size(path, shape, options)?;
    let metadata = metadata::read(bytes);
    let normalisation = options.normalisation.as_ref().or(metadata.normalisation.as_ref().filter(|n| n.suits(shape.c)));
    let input = Input::new(path, shape, quant, Some(entry.tensor), normalisation)?;
    let builder =
        GraphBuilder::new(crate::stem(path), shape, quant, Some(entry.tensor)).map_err(|e| whole(e.into()))?;

    let lowering = Lowering::new(&file, builder, budget, entry.tensor);
    let outputs = own.as_ref().map_or(file.outputs.clone(), |own| vec![own.features]);
    let (mut graph, left_out) = cut::lowered(path, &file, lowering, &entry, &outputs)?;
    graph.classifier = own.map(|own| Classifier { features: graph.outputs[0], rows: own.rows });
    let tensors = graph.tensors.iter().enumerate().filter_map(|(id, t)| {
        let source = t.source?;
        let name = printable(file.tensors[source].name);
        Some(FileTensor { tensor: tinytrain_ir::TensorId(id as u32), source: Some(source), name })
    });
    Ok(Imported { tensors: tensors.collect(), graph, format: "tflite", input, left_out, labels: metadata.labels })
}

/// The beginning of the graph.
struct Entry {
    /// The first activation, in the order of the graph.
    tensor: usize,
    /// Operators before it: a QUANTIZE, if the file's input is not int8, and a TRANSPOSE of its dimensions from NCHW. The
    /// sample is given as they would yield it.
    dropped: Vec<usize>,
}

fn entry(file: &File<'_>) -> Result<Entry, Fault> {
    let [input] = file.inputs[..] else {
        return unsupported(format!("the model has {} inputs; one is supported", file.inputs.len()));
    };
    if file.tensors[input].data.is_some() {
        return malformed(format!("the model's input, tensor {input}, is a constant"));
    }
    let mut entry = Entry { tensor: input, dropped: Vec::new() };
    let only_reader = |t: usize| {
        let mut readers = file.ops.iter().enumerate().filter(|(_, op)| op.inputs.contains(&Some(t)));
        let first = readers.next().filter(|_| !file.outputs.contains(&t));
        first.filter(|_| readers.next().is_none()).map(|(index, op)| (index, operator::name(op.code), op))
    };
    if let Some((index, Some("QUANTIZE"), op)) = only_reader(input) {
        let [tensor] = op.outputs[..] else {
            return malformed("the QUANTIZE at the model's input does not have one output");
        };
        // From int8 to int8 it is an operator like others.
        if file.tensors[input].dtype != dtype::INT8 {
            (entry.tensor, entry.dropped) = (tensor, vec![index]);
        }
    }
    if !matches!(file.tensors[entry.tensor].dtype, dtype::INT8 | dtype::UINT8) {
        return Err(file.wrong_type(entry.tensor));
    }
    if let Some((index, Some("TRANSPOSE"), op)) = only_reader(entry.tensor)
        && let [tensor] = op.outputs[..]
        && file.tensors[tensor].data.is_none()
        && file.activation(tensor)?.1 == file.activation(entry.tensor)?.1
        && turns_channels_last(file, op, &file.tensors[entry.tensor].dims, &file.tensors[tensor].dims)
    {
        entry.tensor = tensor;
        entry.dropped.push(index);
    }
    Ok(entry)
}

/// Whether a TRANSPOSE turns NCHW into NHWC.
fn turns_channels_last(file: &File<'_>, op: &Op<'_>, from: &[i32], to: &[i32]) -> bool {
    let order: Vec<u8> = [0u8, 2, 3, 1].iter().flat_map(|&axis| [axis, 0, 0, 0]).collect();
    let permutation = op.inputs.get(1).copied().flatten().and_then(|t| file.tensors[t].data);
    let &[n, c, h, w] = from else { return false };
    permutation == Some(&order[..]) && to == [n, h, w, c]
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
