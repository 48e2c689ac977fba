//! Operators behind the features need not be supported: a head replaces the classifier and what follows it (LOG_SOFTMAX,
//! ARG_MAX, anomaly scores). They are left out, and the graph ends where the first of them begins.

use tinytrain_ir::{Graph, IrError};

use super::Entry;
use super::file::File;
use super::lower::Lowering;
use crate::error::{Fault, ImportError, Operator};
use tinytrain_tflite::operator;

/// Operators with weights: of these, only the classifier may be left out.
const WEIGHTED: [&str; 12] = [
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "CONV_3D",
    "SVDF",
    "RNN",
    "LSTM",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "CUSTOM",
    "WHILE",
];

impl Fault {
    /// Whether a model is valid and only uses what is not supported.
    fn is_unsupported(&self) -> bool {
        matches!(self, Self::Operator | Self::Unsupported(_) | Self::Graph(IrError::Unsupported { .. }))
    }
}

/// Translates all operators, or those up to the classifier, into a graph that ends with these of the file's tensors; also the operators that were left out.
pub(super) fn lowered(
    path: &str,
    file: &File<'_>,
    mut lowering: Lowering<'_>,
    entry: &Entry,
    outputs: &[usize],
) -> Result<(Graph, Vec<Operator>), ImportError> {
    let mut behind = vec![false; file.tensors.len()];
    let (mut left_out, mut faults): (Vec<usize>, Vec<(usize, Fault)>) = (Vec::new(), Vec::new());
    for index in (0..file.ops.len()).filter(|i| !entry.dropped.contains(i)) {
        let op = &file.ops[index];
        let follows = op.inputs.iter().flatten().any(|&t| behind[t]);
        let done = if follows { Ok(false) } else { lowering.operator(index).map(|()| true) };
        match done {
            Ok(true) => continue,
            Ok(false) => {}
            Err(fault) if fault.is_unsupported() => faults.push((index, fault)),
            Err(fault) => return Err(fault.at(path, Some(file.describe(index)))),
        }
        left_out.push(index);
        op.outputs.iter().for_each(|&t| behind[t] = true);
    }
    let whole = |fault: Fault| fault.at(path, None);
    if left_out.is_empty() {
        let graph = lowering.finish(outputs).map_err(whole)?;
        return Ok((graph, Vec::new()));
    }
    let frontier = frontier(file, &lowering, &left_out, &behind);
    if !may_leave(file, &left_out) || lowering.convolutions() == 0 || frontier.is_empty() {
        // An unknown operator is more important to the user than an error in an earlier one.
        let unknown = faults.iter().position(|(_, fault)| matches!(fault, Fault::Operator)).unwrap_or(0);
        let (index, fault) = faults.swap_remove(unknown);
        return Err(fault.at(path, Some(file.describe(index))));
    }
    let graph = lowering.finish(&frontier).map_err(whole)?;
    Ok((graph, left_out.into_iter().map(|index| file.describe(index)).collect()))
}

/// The file's tensors with which the graph ends: outputs that it computes, and what operators that are left out read of it.
fn frontier(file: &File<'_>, lowering: &Lowering<'_>, left_out: &[usize], behind: &[bool]) -> Vec<usize> {
    let read = left_out.iter().flat_map(|&i| file.ops[i].inputs.iter().flatten().copied());
    let mut ends: Vec<usize> =
        file.outputs.iter().copied().filter(|&t| !behind[t]).chain(read).filter(|&t| lowering.has(t)).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// Whether nothing with weights is among these operators except, at most, one classifier.
fn may_leave(file: &File<'_>, left_out: &[usize]) -> bool {
    let names = left_out.iter().map(|&i| operator::name(file.ops[i].code).unwrap_or("CUSTOM"));
    let weighted: Vec<&str> = names.filter(|name| WEIGHTED.contains(name)).collect();
    matches!(weighted[..], [] | ["FULLY_CONNECTED"] | ["CONV_2D"])
}
