//! The short pass of fuzzing: the same inputs each time. With `TINYTRAIN_WRITE` it writes its seeds into `fuzz/corpus`, where libFuzzer begins.

#[path = "../../import/tests/common/mod.rs"]
mod files;
#[path = "../../compile/tests/common/mod.rs"]
mod networks;

use std::path::Path;

use files::{FLOAT32, INT8, pickled};
use networks::{network_to_feed, network_to_write, network_with_functions, samples};
use tinytrain_compile::{Compiler, Feed, ProgramOptions};
use tinytrain_export::{Functions, Labels, tflite};
use tinytrain_fuzz::{TARGETS, chain, changed};
use tinytrain_ir::{Graph, Scheme};
use tinytrain_spec::random::{draw, key};

/// Changed inputs of each target, and of each Program; more by `TINYTRAIN_FUZZ`.
const ROUNDS: u64 = 3000;
const ROUNDS_OF_A_PROGRAM: u64 = 1300;
const CLASSES: usize = 4;

fn program(g: &Graph, scheme: &str, bits: u32, feed: Feed) -> Vec<u8> {
    let c = Compiler::new(g, CLASSES, 1, &samples(g, 6, CLASSES, 1), 2).unwrap();
    let limit = (feed == Feed::Rows).then_some(0);
    c.compile(
        &Scheme::parse(scheme, c.layers()).unwrap(),
        ProgramOptions { arena_limit: limit, feed, ..ProgramOptions::of(bits) },
        8,
    )
    .unwrap()
    .to_bytes()
}

fn programs() -> Vec<Vec<u8>> {
    let schemes = [("head", 4), ("full", 2), ("bias:3,2:1/2,4:1/4", 0), ("bias:2,0:1/3,1:1/2,3:1/4", 8)];
    let of = |seed| {
        let g = network_with_functions(seed);
        schemes.map(|(scheme, bits)| program(&g, scheme, bits, Feed::Whole))
    };
    (1..=4).flat_map(of).chain([program(&network_to_feed(2), "bias:2", 4, Feed::Rows)]).collect()
}

/// The small int8 model in floats.
fn small_float() -> Vec<u8> {
    let mut net = files::small();
    let subgraph = &mut net.model.subgraphs.as_mut().unwrap()[0];
    let buffers = net.model.buffers.as_mut().unwrap();
    for t in subgraph.tensors.iter_mut().flatten().filter(|t| t.quantisation.is_some()) {
        if let Some(data) = &mut buffers[t.buffer as usize].data {
            let value = |word: &[u8]| if t.dtype == INT8 { word[0] as i8 as f32 } else { f32::from(word[0]) } / 64.0;
            let bytes = if t.dtype == INT8 { 1 } else { 4 };
            *data = data.chunks(bytes).flat_map(|word| value(word).to_le_bytes()).collect();
        }
        (t.dtype, t.quantisation) = (FLOAT32, None);
    }
    net.bytes()
}

/// A network as this package writes it.
fn written(graph: &Graph) -> Vec<u8> {
    let classes: Vec<String> = (0..CLASSES).map(|i| i.to_string()).collect();
    tflite(graph, &Labels { classes: &classes, mean: &[127.5], std: &[127.5] }, Functions::Operators).unwrap()
}

/// Inputs that are accepted, all made by our own code.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "model" => vec![files::small().bytes(), written(&network_to_write(1))],
        "pickle" => vec![pickled::zip(&pickled::small().pickle())],
        "float" => vec![include_bytes!("../../../fuzz/seeds/float/net.onnx").to_vec(), small_float()],
        "program" => programs(),
        "scheme" => ["full", "bias:22,21:1,24:1,27:1,30:1,36:1/8,39:1/4"].map(|s| s.as_bytes().to_vec()).to_vec(),
        // Choices as they are drawn; what they could be is the fuzzer's to find.
        "chain" => {
            let drawn = |i: u64| (0..40 * (i % 8 + 1)).map(|n| draw(key(i, 0, 0xc4a0), n as u32) as u8).collect();
            (0..).map(drawn).filter(|bytes: &Vec<u8>| chain(bytes)).take(8).collect()
        }
        other => panic!("{other} has no seeds"),
    }
}

#[test]
fn seeds_are_accepted_and_changed_ones_are_refused_or_computed() {
    let asked: Option<u64> = std::env::var("TINYTRAIN_FUZZ").ok().and_then(|n| n.parse().ok());
    for target in TARGETS {
        let seeds = seeds(target.name);
        for (i, seed) in seeds.iter().enumerate() {
            assert!((target.run)(seed), "seed {i} of {} is refused", target.name);
            if std::env::var_os("TINYTRAIN_WRITE").is_some() {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target.name);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("seed-{i}")), seed).unwrap();
            }
        }
        let count = seeds.len() as u64;
        let rounds =
            asked.unwrap_or(ROUNDS.max(ROUNDS_OF_A_PROGRAM * if target.name == "program" { count } else { 0 }));
        let accepted = (0..rounds).filter(|&i| (target.run)(&changed(&seeds[(i % count) as usize], i))).count();
        println!("{}: {accepted} of {rounds} accepted", target.name);
        assert!(accepted > 0 && accepted < rounds as usize, "{}: {accepted} of {rounds}", target.name);
    }
}

#[test]
fn inputs_that_once_failed_do_not() {
    for target in TARGETS {
        for bytes in target.regressions() {
            (target.run)(&bytes);
        }
    }
}
