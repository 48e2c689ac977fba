//! The six models of ../shared (skipped with a message where that folder is absent): counts that others published or
//! measured.

mod common;

use common::shared;
use tinytrain_import::{ImportOptions, Imported, import};
use tinytrain_ir::Shape;

struct Expected {
    file: &'static str,
    input: Shape,
    /// Convolutions, those of the classifier among them.
    convolutions: usize,
    /// MACs as `anchors.md` states them; a `.pkl`'s without the classifier.
    macs: u64,
    /// Weights without the classifier, where `anchors.md` states them.
    weights: Option<usize>,
    /// Tensors of the file that the graph's input and output are.
    ends: Option<(usize, usize)>,
}

const EXPECTED: [Expected; 6] = [
    Expected {
        file: "mcunet-5fps.pkl",
        input: Shape { h: 128, w: 128, c: 3 },
        convolutions: 43,
        macs: 22_453_504,
        weights: Some(463_216),
        ends: None,
    },
    Expected {
        file: "mbv2-w0.35.pkl",
        input: Shape { h: 128, w: 128, c: 3 },
        convolutions: 52,
        macs: 16_646_912,
        weights: Some(238_688),
        ends: None,
    },
    Expected {
        file: "mcunet-vww-80.tflite",
        input: Shape { h: 80, w: 80, c: 3 },
        convolutions: 46,
        macs: 11_578_816,
        weights: None,
        ends: Some((54, 39)),
    },
    Expected {
        file: "person_detect.tflite",
        input: Shape { h: 96, w: 96, c: 1 },
        convolutions: 28,
        macs: 7_157_888,
        weights: None,
        ends: Some((88, 87)),
    },
    Expected {
        file: "vww_96_int8.tflite",
        input: Shape { h: 96, w: 96, c: 3 },
        convolutions: 28,
        macs: 7_489_664,
        weights: None,
        ends: Some((0, 88)),
    },
    Expected {
        file: "pretrainedResnet_quant.tflite",
        input: Shape { h: 32, w: 32, c: 3 },
        convolutions: 10,
        macs: 12_501_632,
        weights: None,
        ends: Some((0, 37)),
    },
];

fn open(e: &Expected, options: &ImportOptions) -> Option<Imported> {
    Some(import(e.file, &shared(e.file)?, options).unwrap())
}

#[test]
fn counts_are_the_published_ones() {
    for e in &EXPECTED {
        let Some(m) = open(e, &ImportOptions::default()) else { return };
        let layers = &m.graph.layers;
        let counted = if e.ends.is_none() { &layers[..layers.len() - 1] } else { &layers[..] };
        assert_eq!(m.input.shape, e.input, "{}", e.file);
        assert_eq!(layers.len(), e.convolutions, "{}", e.file);
        assert_eq!(counted.iter().map(|l| l.macs()).sum::<u64>(), e.macs, "{}", e.file);
        if let Some(weights) = e.weights {
            assert_eq!(counted.iter().map(|l| l.weights.len()).sum::<usize>(), weights, "{}", e.file);
        }
        let output = m.graph.tensor(m.graph.outputs[0]).source;
        assert_eq!(e.ends, m.input.source.zip(output), "{}", e.file);
    }
}

#[test]
fn pixels_become_what_the_models_were_calibrated_with() {
    for e in &EXPECTED {
        let Some(m) = open(e, &ImportOptions::default()) else { return };
        // All six: one int8 value a grey level.
        for c in 0..e.input.c {
            assert!((0..256).all(|p| m.input.table(c)[p] as i32 == p as i32 - 128), "{}", e.file);
        }
        let expected = match e.file {
            "vww_96_int8.tflite" => (0.0, 255.0),
            "pretrainedResnet_quant.tflite" => (0.0, 1.0),
            _ => (127.5, 127.5),
        };
        assert_eq!((m.input.normalisation.mean[0], m.input.normalisation.std[0]), expected, "{}", e.file);
    }
}

#[test]
fn a_pkl_is_built_at_any_size() {
    for e in EXPECTED.iter().filter(|e| e.ends.is_none()) {
        for size in [[96, 96], [160, 160], [50, 73], [1, 1]] {
            let Some(m) = open(e, &ImportOptions { input: Some(size), ..ImportOptions::default() }) else { return };
            assert_eq!([m.input.shape.h, m.input.shape.w], size);
            let weights: usize = m.graph.layers.iter().map(|l| l.weights.len()).sum();
            let last = m.graph.layers.last().unwrap().weights.len();
            assert_eq!(Some(weights - last), e.weights);
        }
    }
}

#[test]
fn a_transpose_and_two_means_keep_the_layout() {
    let Some(m) = open(&EXPECTED[2], &ImportOptions::default()) else { return };
    // TRANSPOSE (13) and the mean over columns in NCHW (60) have other bytes than the graph's tensors, so nothing
    // carries their index.
    let sources: Vec<usize> = m.graph.tensors.iter().filter_map(|t| t.source).collect();
    assert!(!sources.contains(&13) && !sources.contains(&60) && sources.contains(&144) && sources.contains(&105));
}
