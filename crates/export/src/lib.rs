//! Writes a graph with a head as files that others read: [`tflite`] as an int8 `.tflite` that LiteRT runs, [`npz`](fn@npz) as the weights alone.
//!
//! The graph is written anew, wherever it came from. Its convolutions, with their scales, become those of the format, so that what LiteRT computes of the
//! same inputs differs from a Program's forward pass as `docs/numerics.md` says. What the format has no operator for with the same bits (a
//! function by its table, elements at other places) is written as GATHER, which has.
#![warn(missing_docs)]

mod archive;
mod head;
mod metadata;
mod npz;
mod ops;
mod writer;

use tinytrain_ir::{Graph, Head, HeadRow, Op};

pub use npz::npz;

/// Why a graph cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Something that the format has no operator for.
    #[error("{0}")]
    Unsupported(String),
}

impl ExportError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        "EXPORT_UNSUPPORTED"
    }
}

/// What a file says beside the graph.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Names of the classes, in order; none where they are not known.
    pub classes: &'a [String],
    /// The input's normalisation, one value or one for each channel: `real = (pixel - mean) / std`; none for series, whose columns the format does not know.
    pub mean: &'a [f64],
    /// See `mean`.
    pub std: &'a [f64],
}

/// How functions of single values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functions {
    /// By their tables, with the bits of a Program.
    Tables,
    /// As operators of the format where it has them: other tools, ours among them, know what they are. LiteRT's results may differ by 1.
    Operators,
}

/// The graph's head and what each class of it starts with.
fn head_of(graph: &Graph) -> Result<(&Head, Vec<&HeadRow>), ExportError> {
    let head = graph.head.as_ref().ok_or_else(|| ExportError::Unsupported("a graph without a head".into()))?;
    let rows: Option<Vec<&HeadRow>> = head.rows.iter().map(Option::as_ref).collect();
    Ok((head, rows.ok_or_else(|| ExportError::Unsupported("a head without weights".into()))?))
}

/// A forward graph as a `.tflite`: int8 pixels in, int8 probabilities of the classes out where it ends with a head, else its outputs. Labels and
/// normalisation are in its metadata, and the labels in a file `labels.txt` of the zip archive behind it.
///
/// # Errors
/// A graph with an operator that the format has not.
pub fn tflite(graph: &Graph, labels: &Labels<'_>, functions: Functions) -> Result<Vec<u8>, ExportError> {
    let mut writer = writer::Writer::default();
    let mut values = ops::Values::new(graph, functions, &mut writer);
    for (n, node) in graph.nodes.iter().enumerate() {
        match node.op {
            Op::Head => {
                let (head, rows) = head_of(graph)?;
                let features = values.of(head.features);
                let output = head::write(&mut writer, head, &rows, features);
                writer.outputs.push(output);
            }
            _ => values.node(&mut writer, n)?,
        }
    }
    if writer.outputs.is_empty() {
        writer.outputs = graph.outputs.iter().map(|&t| values.of(t)).collect();
    }
    let metadata = metadata::metadata(&graph.name, labels);
    let mut file = writer.finish(&graph.name, metadata);
    if !labels.classes.is_empty() {
        let text = labels.classes.iter().map(|name| format!("{name}\n")).collect::<String>();
        archive::append(&mut file, &[(metadata::LABELS.into(), text.into_bytes())]);
    }
    Ok(file)
}
