//! Complete training runs with every implementation of the kernels that the processor can run: the same bits at the end.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{Source, conv, network, samples};
use tinytrain_compile::Compiler;
use tinytrain_compile::ProgramOptions;
use tinytrain_exec::{Executor, Rates, checksum};
use tinytrain_import::{ImportOptions, import};
use tinytrain_ir::{Graph, GraphBuilder, PoolSpec, Quant, Scheme, Shape};
use tinytrain_kernels::simd::Kernels;

const CLASSES: usize = 10;

/// Trains for some steps and returns the result of each step and a checksum of all trainable state.
fn run(c: &Compiler, graph: &Graph, scheme: &str, bits: u32, steps: usize, kernels: Kernels) -> String {
    let scheme = Scheme::parse(scheme, c.layers()).unwrap();
    let program = Arc::new(c.compile(&scheme, ProgramOptions::of(bits), 0).unwrap());
    let mut executor = Executor::with_kernels(program, kernels).unwrap();
    let mut found = String::new();
    let data = samples(graph, 7, CLASSES, 99);
    for step in 0..steps {
        let (sample, label) = &data[step % data.len()];
        let result = executor.train_step(sample, *label, Rates::both(0.01)).unwrap();
        found.push_str(&format!("{result:?};"));
    }
    checksum(executor.state()) + &found
}

/// Compares all implementations, for each number of residual bits that has its own code path.
fn compare(name: &str, graph: &Graph, schemes: &[&str], steps: usize) {
    let c = Compiler::new(graph, CLASSES, 1, &samples(graph, 10, CLASSES, 5), 2).unwrap();
    for scheme in schemes {
        for bits in [0, 2, 4, 8] {
            let expected = run(&c, graph, scheme, bits, steps, Kernels::Reference);
            for kernels in Kernels::ALL.into_iter().filter(|k| k.available()) {
                let found = run(&c, graph, scheme, bits, steps, kernels);
                assert_eq!(expected, found, "{name}, {scheme}, {bits} bits, {}", kernels.name());
            }
            println!("{name}, {scheme}, {bits} residual bits, {steps} steps: {}", &expected[..16]);
        }
    }
}

#[test]
fn every_family_trains_to_the_same_bits() {
    let here: Vec<_> = Kernels::ALL.into_iter().filter(|k| k.available()).map(Kernels::name).collect();
    println!("kernels: {}", here.join(", "));
    for seed in 1..=6 {
        compare(
            &format!("random network {seed}"),
            &network(seed),
            &["bias:5", "full", "bias:2,0:1/3,1:1/2,3:1/4,4:1/2", "bias:0,2:1"],
            25,
        );
    }
}

#[test]
fn a_square_is_compiled_and_trained() {
    let q = Quant { scale: 0.05, zero: -3 };
    let mut b = GraphBuilder::new("square", Shape::new(4, 4, 2), q, None).unwrap();
    let (x, s) = (b.input(), &mut Source(1));
    let window = PoolSpec::same(b.shape(x), [3, 3], [1, 1]);
    let y = conv(&mut b, s, x, false, 4, window, q);
    let y = b.mul(y, y, q, (-128, 127)).unwrap();
    compare("square", &b.finish(vec![y]).unwrap(), &["full", "head"], 4);
}

#[test]
fn every_family_trains_the_default_model_to_the_same_bits() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/tinytrain-xs.tflite");
    let bytes = std::fs::read(&path).unwrap();
    let graph = import("tinytrain-xs.tflite", &bytes, &ImportOptions::default()).unwrap().graph;
    compare("default", &graph, &["bias:21,11:1,12:1,14:1,15:1,17:1,18:1", "full"], 4);
}

#[test]
fn every_family_trains_mcunet_to_the_same_bits() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models/mcunet-5fps.pkl");
    let Ok(bytes) = std::fs::read(&path) else {
        return eprintln!("skipped: {} does not exist", path.display());
    };
    let options = ImportOptions { input: Some([128, 128]), ..ImportOptions::default() };
    let graph = import("mcunet-5fps.pkl", &bytes, &options).unwrap().graph;
    compare("mcunet-5fps", &graph, &["bias:20,24:1/4,27:1/2,30:1/2"], 2);
}
