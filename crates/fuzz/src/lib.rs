//! What untrusted bytes may do: be refused with an error, or be computed with the same bits on all kernels. One function for each reader; a test calls them on
//! changed seeds (`tests/short.rs`), libFuzzer on whatever it finds (`fuzz/` at the root, `npm run fuzz`). A panic is a failure.

mod chain;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tinytrain_compile::{Compiler, ProgramOptions};
use tinytrain_exec::{Executor, Kernels, Rates};
use tinytrain_import::{ImportOptions, import};
use tinytrain_ir::{Graph, Quant, Scheme};
use tinytrain_program::Program;
use tinytrain_quantise::FloatModel;
use tinytrain_spec::random::{draw, key};

pub use chain::chain;

/// A reader of untrusted bytes.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Gives it some bytes; whether they were accepted. Panics where something is wrong with us.
    pub run: fn(&[u8]) -> bool,
}

impl Target {
    /// Inputs that once failed: the files of `fuzz/regressions/NAME`.
    pub fn regressions(&self) -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions").join(self.name);
        let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
        let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        paths.iter().map(|p| std::fs::read(p).expect("an input that once failed")).collect()
    }
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "model", run: model },
    Target { name: "pickle", run: pickle },
    Target { name: "float", run: float },
    Target { name: "program", run: program },
    Target { name: "scheme", run: scheme },
    Target { name: "chain", run: chain },
];

/// Multiplications, and bytes of a Program, above which an accepted input is not computed: it would only take long.
const MOST_PRODUCTS: u64 = 2_000_000;
const MOST_BYTES: u32 = 1 << 20;
const CLASSES: usize = 3;

/// A `.tflite` that is imported is also trained.
fn model(bytes: &[u8]) -> bool {
    let Ok(found) = import("fuzzed.tflite", bytes, &ImportOptions::default()) else { return false };
    train(&found.graph)
}

/// A `.pkl` likewise.
fn pickle(bytes: &[u8]) -> bool {
    let Ok(found) = import("fuzzed.pkl", bytes, &ImportOptions { input: Some([32, 32]), ..Default::default() }) else {
        return false;
    };
    train(&found.graph)
}

/// Compiles a graph and trains a step, the same on all kernels; whether it can be trained.
fn train(graph: &Graph) -> bool {
    let elements: usize = graph.tensors.iter().map(|t| t.shape.len()).sum();
    if graph.layers.iter().map(|l| l.macs()).sum::<u64>() > MOST_PRODUCTS || elements > MOST_BYTES as usize {
        return true;
    }
    let length = graph.tensor(graph.input).shape.len();
    let samples: Vec<(Vec<i8>, usize)> = (0..2).map(|i| (noise(length, i), i as usize)).collect();
    let Ok(compiler) = Compiler::new(graph, CLASSES, 1, &samples, 1) else { return false };
    for scheme in ["full", "bias:2"] {
        let scheme = Scheme::parse(scheme, compiler.layers()).or_else(|_| Scheme::parse("head", compiler.layers()));
        let Ok(scheme) = scheme else { continue };
        let Ok(program) = compiler.compile(&scheme, ProgramOptions::of(4), 0) else { continue };
        program.verify().expect("what is compiled is a Program");
        same_on_all_kernels(program);
    }
    true
}

/// A float `.tflite` or `.onnx` runs on a sample.
fn float(bytes: &[u8]) -> bool {
    let Ok(Some(model)) = FloatModel::open("fuzzed", bytes, None) else { return false };
    let length = model.input().len();
    if length > MOST_BYTES as usize {
        return true;
    }
    model.forward(&noise(length, 1), Quant { scale: 0.02, zero: 3 }).is_ok()
}

/// A Program with a hash that fits is refused by the reader, or computes the same on all kernels.
fn program(bytes: &[u8]) -> bool {
    let Ok(read) = Program::from_bytes(&sealed(bytes)) else { return false };
    let work: f64 = read.work().iter().flat_map(|w| w.terms).sum();
    if work < MOST_PRODUCTS as f64 && read.arena_bytes.saturating_add(read.state_bytes) < MOST_BYTES {
        same_on_all_kernels(read);
    }
    true
}

/// The canonical form of a scheme is read as the same scheme.
fn scheme(bytes: &[u8]) -> bool {
    const LAYERS: usize = 40;
    let Ok(found) = Scheme::parse(&String::from_utf8_lossy(bytes), LAYERS) else { return false };
    assert_eq!(Scheme::parse(&found.to_string(), LAYERS).expect("a scheme"), found);
    true
}

/// Trains three steps, or predicts where there is no head, on every kernel of this machine.
fn same_on_all_kernels(program: Program) {
    let program = Arc::new(program);
    let length = program.input.bytes() as usize;
    let run = |kernels: Kernels| {
        let mut e = Executor::with_kernels(program.clone(), kernels).ok()?;
        for i in 0..3 {
            let sample = noise(length, i);
            if program.classes == 0 {
                e.forward(&sample).ok()?;
            } else {
                e.train_step(&sample, i as usize % program.classes, Rates::both(0.02)).ok()?;
            }
        }
        let outputs: Vec<Vec<i8>> = program.outputs.iter().map(|&s| e.bytes(s).to_vec()).collect();
        Some((e.state().to_vec(), e.scores().to_vec(), outputs))
    };
    let found: Vec<_> = Kernels::ALL.into_iter().filter(|k| k.available()).map(run).collect();
    assert!(found.iter().all(|f| *f == found[0]), "kernels differ");
}

/// The same bytes with a hash that fits, if they are long enough to have one.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    const HASH: usize = 32;
    let mut file = bytes.to_vec();
    if let Some(end) = file.len().checked_sub(HASH) {
        let hash = Sha256::digest(&file[..end]);
        file[end..].copy_from_slice(&hash);
    }
    file
}

fn noise(length: usize, seed: u64) -> Vec<i8> {
    let k = key(seed, 0, 0xf022);
    (0..length).map(|i| draw(k, i as u32) as i8).collect()
}

/// A changed copy: some bytes, words or runs replaced, left out or repeated, by a seed.
pub fn changed(seed: &[u8], round: u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let (k, mut n) = (key(round, 0, 0xc4a6), 0);
    let mut next = |below: usize| {
        n += 1;
        (draw(k, n) % below as u64) as usize
    };
    for _ in 0..=next(4) {
        if bytes.is_empty() {
            break;
        }
        let at = next(bytes.len());
        match next(8) {
            0 => bytes[at] = next(256) as u8,
            1 | 2 => bytes[at] ^= 1 << next(8),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + 1 + next(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let run = bytes[at..(at + 1 + next(16)).min(bytes.len())].to_vec();
                bytes.splice(at..at, run);
            }
            _ => {
                let at = at & !3;
                if let Some(word) = bytes.get_mut(at..at + 4) {
                    let old = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                    let new = match next(5) {
                        0 => old.wrapping_add(1),
                        1 => old.wrapping_sub(1),
                        2 => [0, 1, 127, 128, 255, i32::MAX as u32, 1 << 31, u32::MAX][next(8)],
                        3 => old << 1,
                        _ => next(1 << 32) as u32,
                    };
                    word.copy_from_slice(&new.to_le_bytes());
                }
            }
        }
    }
    bytes
}
