//! The metadata of a model: where the labels are, and how the input is normalised.

use tinytrain_tflite::planus::Builder;
use tinytrain_tflite::{
    AssociatedFile, ModelMetadata, Normalisation, ProcessOptions, ProcessUnit, SubgraphMetadata, TensorMetadata,
};

use crate::Labels;

/// The file of the labels, one a line.
pub const LABELS: &str = "labels.txt";
const IDENTIFIER: [u8; 4] = *b"M001";
/// Labels of an axis.
const AXIS_LABELS: i8 = 2;

/// The metadata as a flatbuffer.
pub fn metadata(name: &str, labels: &Labels<'_>) -> Vec<u8> {
    let single = |values: &[f64]| Some(values.iter().map(|&v| v as f32).collect());
    let input = if labels.mean.is_empty() {
        TensorMetadata {
            name: Some("series".into()),
            description: Some("values of a series, normalised and quantised".into()),
            ..TensorMetadata::default()
        }
    } else {
        let normalisation = Normalisation { mean: single(labels.mean), std: single(labels.std) };
        let unit = ProcessUnit { options: Some(ProcessOptions::Normalisation(Box::new(normalisation))) };
        TensorMetadata {
            name: Some("image".into()),
            description: Some("pixels from 0 to 255, normalised and quantised".into()),
            process_units: Some(vec![unit]),
            ..TensorMetadata::default()
        }
    };
    let file = AssociatedFile { name: Some(LABELS.into()), description: None, kind: AXIS_LABELS };
    let output = TensorMetadata {
        name: Some("probability".into()),
        description: Some("probability of each class".into()),
        files: (!labels.classes.is_empty()).then(|| vec![file]),
        ..TensorMetadata::default()
    };
    let graph =
        SubgraphMetadata { inputs: Some(vec![input]), outputs: Some(vec![output]), ..SubgraphMetadata::default() };
    let model = ModelMetadata {
        name: Some(name.into()),
        subgraphs: Some(vec![graph]),
        min_parser_version: Some("1.0.0".into()),
        ..ModelMetadata::default()
    };
    crate::writer::identified(Builder::new().finish(&model, Some(IDENTIFIER)).to_vec(), IDENTIFIER)
}
