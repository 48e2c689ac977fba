//! The metadata of a model: labels of its classes, normalisation of its input. Both help, neither is needed: metadata that is damaged counts as absent.

use rawzip::{CompressionMethod, ZipArchive};
use tinytrain_tflite::planus::ReadAsRoot;
use tinytrain_tflite::{ModelMetadataRef, ModelRef, NormalisationRef, ProcessOptionsRef, SubgraphMetadataRef};

use crate::Normalisation;
use crate::error::printable;

/// The buffer that holds it.
const NAME: &str = "TFLITE_METADATA";
/// A file of labels of an axis.
const AXIS_LABELS: i8 = 2;
/// More labels and more files than any classifier has.
const MAX_LABELS: usize = 1 << 16;
const MAX_FILES: usize = 1 << 8;

#[derive(Default)]
pub(super) struct Metadata {
    pub labels: Vec<String>,
    pub normalisation: Option<Normalisation>,
}

pub(super) fn read(bytes: &[u8]) -> Metadata {
    let Some(graph) = first_graph(bytes) else { return Metadata::default() };
    Metadata { labels: labels(bytes, graph).unwrap_or_default(), normalisation: normalisation(graph) }
}

fn first_graph(bytes: &[u8]) -> Option<SubgraphMetadataRef<'_>> {
    let model = ModelRef::read_as_root(bytes).ok()?;
    let mut named = model.metadata().ok()??.iter().take(MAX_FILES).flatten();
    let buffer = named.find(|n| matches!(n.name(), Ok(Some(NAME))))?.buffer().ok()?;
    let data = model.buffers().ok()??.get(buffer as usize)?.ok()?.data().ok()??;
    ModelMetadataRef::read_as_root(data).ok()?.subgraphs().ok()??.get(0)?.ok()
}

/// The labels of the first output.
fn labels(bytes: &[u8], graph: SubgraphMetadataRef<'_>) -> Option<Vec<String>> {
    let output = graph.outputs().ok()??.get(0)?.ok()?;
    let mut files = output.files().ok()??.iter().take(MAX_FILES).flatten();
    let name = files.find(|f| f.kind().is_ok_and(|kind| kind == AXIS_LABELS))?.name().ok()??;
    let text = std::str::from_utf8(stored(bytes, name)?).ok()?;
    Some(text.lines().take(MAX_LABELS).map(|line| printable(line.trim())).collect())
}

/// A file of the zip archive behind the model.
fn stored<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let archive = ZipArchive::from_slice(bytes).ok()?;
    let mut entries = archive.entries();
    for _ in 0..MAX_FILES {
        let header = entries.next_entry().ok()??;
        if header.file_path().as_ref() == name.as_bytes() && header.compression_method() == CompressionMethod::STORE {
            let (from, to) = archive.get_entry(header.wayfinder()).ok()?.compressed_data_range();
            return bytes.get(from as usize..to as usize);
        }
    }
    None
}

/// The normalisation of the first input.
fn normalisation(graph: SubgraphMetadataRef<'_>) -> Option<Normalisation> {
    let input = graph.inputs().ok()??.get(0)?.ok()?;
    let mut units = input.process_units().ok()??.iter().take(MAX_FILES).flatten();
    let of = |n: NormalisationRef<'_>| {
        let mean = n.mean().ok()??.iter().map(f64::from).collect();
        Some(Normalisation { mean, std: n.std().ok()??.iter().map(f64::from).collect() })
    };
    units.find_map(|unit| match unit.options() {
        Ok(Some(ProcessOptionsRef::Normalisation(n))) => of(n),
        _ => None,
    })
}
