//! What is written is the same network when it is read again: the same convolutions to the last integer, the same features, the same head.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tinytrain_compile::{Compiler, ProgramOptions, adapted, forward_program};
use tinytrain_exec::Executor;
use tinytrain_export::{Functions, Labels, npz, tflite};
use tinytrain_import::{ImportOptions, Imported, Normalisation, import};
use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, HeadRow, Op, PoolSpec, Quant, Scheme, Shape};
use tinytrain_program::{Program, StateKind};
use tinytrain_spec::random::{draw, key};
use tinytrain_tflite::planus::ReadAsRoot;

const DEFAULT: &str = "../../assets/tinytrain-xs.tflite";
const MODELS: [&str; 7] = [
    DEFAULT,
    "../../../shared/models/mcunet-5fps.pkl",
    "../../../shared/models/mbv2-w0.35.pkl",
    "../../../shared/models/mcunet-vww-80.tflite",
    "../../../shared/models/person_detect.tflite",
    "../../../shared/models/vww_96_int8.tflite",
    "../../../shared/models/pretrainedResnet_quant.tflite",
];

fn read(file: &str) -> Option<Imported> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let bytes = std::fs::read(&path).inspect_err(|_| println!("skipped: {} is not there", path.display())).ok()?;
    Some(import(file, &bytes, &ImportOptions::default()).unwrap())
}

fn classes() -> Vec<String> {
    ["cat", "dog", "żółw"].map(String::from).to_vec()
}

/// A Program of the model whose state differs from the model in every tensor that it trains.
fn learned(model: &Graph) -> Program {
    let compiler = Compiler::new(model, 3, 1, &[], 1).unwrap();
    let layers = compiler.layers();
    let scheme = Scheme::parse(&format!("bias:{layers},0:1,1:1/2,{}:1/3", layers - 1), layers).unwrap();
    let program = compiler.compile(&scheme, ProgramOptions::of(4), 0).unwrap();
    let mut state = program.initial_state();
    for s in &program.states {
        let own = &mut state[s.slot.offset as usize..][..s.slot.bytes as usize];
        let random = |i: usize| draw(key(7, 1, s.slot.offset), i as u32);
        match s.kind {
            StateKind::Weights => own.iter_mut().enumerate().for_each(|(i, b)| *b = (random(i) % 255) as u8),
            // Some units of a bias, with its eight residual bits.
            StateKind::Biases => {
                let words = own.as_chunks_mut().0.iter_mut().enumerate();
                words.for_each(|(i, b)| *b = ((random(i) % 4096) as i32 - 2048).to_le_bytes());
            }
            // The halves of a weight reach up to 32,639.
            StateKind::HeadWeights => {
                let words = own.as_chunks_mut().0.iter_mut().enumerate();
                words.for_each(|(i, b)| *b = ((random(i) as i16).min(32_639)).to_le_bytes());
            }
            _ => own.iter_mut().enumerate().for_each(|(i, b)| *b = random(i) as u8),
        }
    }
    // int8 weights never become -128.
    for s in program.states.iter().filter(|s| s.kind == StateKind::Weights) {
        let own = &mut state[s.slot.offset as usize..][..s.slot.bytes as usize];
        own.iter_mut().filter(|b| **b == 128).for_each(|b| *b = 1);
    }
    program.with_state(&state).unwrap()
}

fn exported(model: &Imported) -> (Graph, Vec<u8>) {
    let graph = adapted(&model.graph, &learned(&model.graph)).unwrap();
    let Normalisation { mean, std } = &model.input.normalisation;
    let bytes = tflite(&graph, &Labels { classes: &classes(), mean, std }, Functions::Tables).unwrap();
    (graph, bytes)
}

/// A forward graph that ends with what its head reads.
fn without_head(graph: &Graph) -> Graph {
    let mut g = graph.clone();
    let head = g.head.take().unwrap();
    g.outputs = vec![head.features];
    g.nodes.retain(|n| n.op != Op::Head);
    g
}

/// What a graph without a head yields.
fn outputs(graph: &Graph, sample: &[i8]) -> Vec<i8> {
    let mut executor = Executor::new(Arc::new(forward_program(graph, false).unwrap())).unwrap();
    executor.forward(sample).unwrap();
    executor.bytes(executor.program().outputs[0]).to_vec()
}

fn rows(graph: &Graph) -> Vec<HeadRow> {
    graph.head.as_ref().unwrap().rows.iter().map(|r| r.clone().unwrap()).collect()
}

#[test]
fn what_is_written_is_read_again_as_the_same_network() {
    for file in MODELS {
        let Some(model) = read(file) else { continue };
        let (graph, bytes) = exported(&model);
        assert!(bytes == exported(&model).1, "{file}: the same graph gives other bytes");
        let again = import("again.tflite", &bytes, &ImportOptions::default()).unwrap();
        assert_eq!(again.labels, classes(), "{file}");
        assert_eq!(again.input.tables, model.input.tables, "{file}");
        assert!(!again.input.guessed && again.left_out.is_empty(), "{file}");

        assert_eq!(again.graph.layers.len(), graph.layers.len(), "{file}");
        let mut changed = 0;
        for ((one, other), before) in graph.layers.iter().zip(&again.graph.layers).zip(&model.graph.layers) {
            assert_eq!(one.weights, other.weights, "{file} {}", one.name);
            let geo = |g: &tinytrain_spec::params::ConvParams| (g.kh, g.kw, g.out_h, g.out_w, g.out_c, g.lo, g.hi);
            assert_eq!(geo(&one.geo), geo(&other.geo), "{file} {}", one.name);
            for c in (0..one.bias.len()).filter(|&c| one.live[c]) {
                assert_eq!(one.bias[c], other.bias[c], "{file} {} channel {c}", one.name);
                // Scales are float32 in the format; a .pkl has those of 64 bits.
                let [one, other] = [one.requant[c], other.requant[c]];
                assert!((one.m - other.m).abs() <= one.m >> 20 && one.shift == other.shift, "{file} channel {c}");
            }
            changed += usize::from(one.weights != before.weights);
        }
        assert_eq!(changed, 3, "{file}");

        assert_eq!(again.graph.classifier.as_ref().unwrap().rows, rows(&graph), "{file}");
        assert_eq!(tinytrain_passes::classifier(&again.graph).unwrap().unwrap(), rows(&graph), "{file}");

        let sample: Vec<i8> = (0..model.input.shape.len()).map(|i| draw(key(3, 2, 1), i as u32) as i8).collect();
        let (one, other) = (outputs(&without_head(&graph), &sample), outputs(&again.graph, &sample));
        assert_eq!(one, other, "{file}: features");
    }
}

#[test]
fn a_program_that_starts_with_the_file_starts_with_what_was_learned() {
    let model = read(DEFAULT).unwrap();
    let program = learned(&model.graph);
    let again = import("again.tflite", &exported(&model).1, &ImportOptions::default()).unwrap();
    let rows: Vec<_> = tinytrain_passes::classifier(&again.graph).unwrap().unwrap().into_iter().map(Some).collect();
    let compiler = Compiler::with_rows(&again.graph, &rows, 5, &[], 1).unwrap();
    let scheme = Scheme::parse("head", compiler.layers()).unwrap();
    let other = compiler.compile(&scheme, ProgramOptions::of(4), 0).unwrap();
    let mut executors = [program, other].map(|p| Executor::new(Arc::new(p)).unwrap());
    for i in 0..8 {
        let sample: Vec<i8> = (0..model.input.shape.len()).map(|n| draw(key(3, 2, i), n as u32) as i8).collect();
        let [one, other] = &mut executors;
        assert_eq!(one.predict(&sample).unwrap(), other.predict(&sample).unwrap());
        assert_eq!(one.scores(), other.scores());
    }
}

#[test]
fn contents_of_buffers_begin_at_multiples_of_16() {
    let (_, bytes) = exported(&read(DEFAULT).unwrap());
    let model = tinytrain_tflite::ModelRef::read_as_root(&bytes).unwrap();
    let buffers = model.buffers().unwrap().unwrap().iter().map(|b| b.unwrap().data().unwrap());
    let places: Vec<usize> = buffers.flatten().map(|data| data.as_ptr() as usize - bytes.as_ptr() as usize).collect();
    assert!(places.len() > 40);
    assert!(places.iter().all(|place| place % 16 == 0), "{places:?}");
}

#[test]
fn numpy_arrays_hold_what_the_graph_holds() {
    let model = read(DEFAULT).unwrap();
    let graph = adapted(&model.graph, &learned(&model.graph)).unwrap();
    let bytes = npz(&graph, &classes()).unwrap();
    let archive = rawzip::ZipArchive::from_slice(&bytes).unwrap();
    let mut entries = archive.entries();
    let mut arrays = BTreeMap::new();
    while let Some(header) = entries.next_entry().unwrap() {
        let name = String::from_utf8(header.file_path().as_ref().to_vec()).unwrap();
        let (from, to) = archive.get_entry(header.wayfinder()).unwrap().compressed_data_range();
        let file = &bytes[from as usize..to as usize];
        assert_eq!(file[..8], *b"\x93NUMPY\x01\x00");
        let data = 10 + u16::from_le_bytes([file[8], file[9]]) as usize;
        assert_eq!(data % 64, 0, "{name}");
        let text = std::str::from_utf8(&file[10..data]).unwrap().trim_end().to_string();
        arrays.insert(name, (text, file[data..].to_vec()));
    }
    assert_eq!(arrays.len(), 4 * graph.layers.len() + 4);
    let (text, data) = &arrays["conv0.weights.npy"];
    let g = &graph.layers[0].geo;
    let shape = format!("{},{},{},{},", g.out_c, g.kh, g.kw, g.in_c);
    assert_eq!(*text, format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({shape}), }}"));
    assert!(data.iter().map(|&b| b as i8).eq(graph.layers[0].weights.iter().copied()));
    let (_, data) = &arrays["head.weights.npy"];
    let weights = data.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b));
    assert!(weights.eq(rows(&graph).iter().flat_map(|r| r.weights.clone())));
    assert_eq!(arrays["classes.npy"].0, "{'descr': '<U4', 'fortran_order': False, 'shape': (3,), }");
}

#[test]
fn a_normalisation_of_each_channel_is_read_again() {
    let model = read(DEFAULT).unwrap();
    let graph = adapted(&model.graph, &learned(&model.graph)).unwrap();
    let (mean, std) = ([123.5, 116.25, 103.0], [58.5, 57.0, 57.25]);
    let bytes = tflite(&graph, &Labels { classes: &classes(), mean: &mean, std: &std }, Functions::Tables).unwrap();
    let again = import("again.tflite", &bytes, &ImportOptions::default()).unwrap();
    assert_eq!(again.input.normalisation, Normalisation { mean: mean.to_vec(), std: std.to_vec() });
}

#[test]
fn resizing_is_written_with_the_options_it_was_read_with() {
    let quant = Quant { scale: 0.05, zero: -9 };
    let mut b = GraphBuilder::new("resized", Shape::new(7, 6, 3), quant, None).unwrap();
    let conv = |b: &mut GraphBuilder, x, seed: u32| {
        let window = PoolSpec::same(b.shape(x), [3, 3], [1, 1]);
        let weights: Vec<i8> =
            (0..4 * 9 * b.shape(x).c as u32).map(|i| draw(key(seed.into(), 1, 1), i) as i8 | 1).collect();
        let (bias, w_scales) = (vec![5; 4].into(), vec![0.005; 4]);
        let spec = ConvSpec {
            window,
            depthwise: false,
            weights: weights.into(),
            bias,
            w_scales,
            y: quant,
            bounds: (-128, 127),
        };
        b.conv(x, spec).unwrap()
    };
    let mut x = b.input();
    for (n, (rows, corners, centers)) in
        [(13, false, false), (4, true, false), (9, false, true)].into_iter().enumerate()
    {
        x = conv(&mut b, x, n as u32);
        x = b.resize_bilinear(x, [rows, 2 * rows - 1], corners, centers).unwrap();
    }
    let x = b.mean(x, quant).unwrap();
    let graph = b.finish(vec![x]).unwrap();
    let graph = adapted(&graph, &learned(&graph)).unwrap();
    let labels = Labels { classes: &classes(), mean: &[0.0; 3], std: &[1.0; 3] };
    let again =
        import("again.tflite", &tflite(&graph, &labels, Functions::Operators).unwrap(), &ImportOptions::default())
            .unwrap();
    let resizes = |g: &Graph| {
        g.nodes.iter().filter(|n| matches!(n.op, Op::ResizeBilinear(_))).map(|n| n.op.clone()).collect::<Vec<_>>()
    };
    assert_eq!((resizes(&graph).len(), resizes(&graph)), (3, resizes(&again.graph)));
}
