//! The forward pass against LiteRT's reference kernels, layer by layer and end to end.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tinytrain_compile::{forward_program, forward_tensors};
use tinytrain_exec::Executor;
use tinytrain_ir::{Graph, Op, TensorId};

const MODELS: [&str; 4] = ["mcunet-vww-80", "person_detect", "pretrainedResnet_quant", "vww_96_int8"];

fn shared() -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if dir.join("golden").is_dir() {
        return Some(dir);
    }
    println!("skipped: ../shared/golden does not exist");
    None
}

/// Golden tensors of one of the four inputs, by index in the file.
type Golden = BTreeMap<usize, Vec<i8>>;

fn golden(dir: &std::path::Path, name: &str) -> Vec<Golden> {
    let record: Value = serde_json::from_slice(&fs::read(dir.join(format!("golden/{name}.json"))).unwrap()).unwrap();
    let bytes = fs::read(dir.join(format!("golden/{name}.bin"))).unwrap();
    let mut inputs = vec![Golden::new(); 4];
    for t in record["tensors"].as_array().unwrap().iter().filter(|t| t["dtype"] == "int8") {
        let n = |key: &str| t[key].as_u64().unwrap() as usize;
        let content = bytes[n("offset")..n("offset") + n("length")].iter().map(|&b| b as i8).collect();
        inputs[n("input")].insert(n("tensor"), content);
    }
    inputs
}

/// The graph of one node alone: its activation inputs become the graph's.
fn run_node(graph: &Graph, n: usize, inputs: &[&Vec<i8>]) -> Vec<i8> {
    let mut g = graph.clone();
    let node = g.nodes[n].clone();
    g.nodes = vec![node.clone()];
    g.outputs = vec![node.outputs[0]];
    g.input = node.inputs[0];
    // A Program has one input, so ADD's kernel is called as the executor calls it.
    if let Op::Add(p, _) = &node.op {
        let mut y = vec![0; inputs[0].len()];
        tinytrain_kernels::reference::add(p, inputs[0], inputs[1], &mut y, None);
        return y;
    }
    let program = forward_program(&g, true).unwrap();
    let out = program.outputs[0];
    let mut e = Executor::new(Arc::new(program)).unwrap();
    e.forward(inputs[0]).unwrap();
    e.bytes(out).to_vec()
}

#[derive(Default)]
struct Count {
    values: usize,
    differ: usize,
}

#[test]
fn every_layer_agrees_with_litert_and_so_does_the_class() {
    let Some(dir) = shared() else { return };
    let mut kinds: BTreeMap<&str, Count> = BTreeMap::new();
    for name in MODELS {
        let file = format!("{name}.tflite");
        let bytes = fs::read(dir.join("models").join(&file)).unwrap();
        let model = tinytrain_import::import(&file, &bytes, &Default::default()).unwrap();
        let graph = &model.graph;
        let source = |t: TensorId| graph.tensor(t).source;
        let program = forward_program(graph, true).unwrap();
        let tensors = forward_tensors(graph, &program);
        let mut executor = Executor::new(Arc::new(program)).unwrap();
        let (mut whole, mut worst) = (Count::default(), 0.0f64);
        for (i, golden) in golden(&dir, name).into_iter().enumerate() {
            for (n, node) in graph.nodes.iter().enumerate() {
                let Some(want) = source(node.outputs[0]).and_then(|s| golden.get(&s)) else { continue };
                let inputs: Option<Vec<&Vec<i8>>> =
                    node.inputs.iter().map(|t| source(*t).and_then(|s| golden.get(&s))).collect();
                let Some(inputs) = inputs else { continue };
                let got = run_node(graph, n, &inputs);
                assert_eq!(got.len(), want.len());
                let far = got.iter().zip(want).filter(|(a, b)| a.abs_diff(**b) > 1).count();
                let differ = got.iter().zip(want).filter(|(a, b)| a != b).count();
                assert_eq!(far, 0, "{name} node {n} ({}): {far} values differ by more than 1", node.op.name());
                let share = differ as f64 / want.len() as f64;
                assert!(share <= 0.02, "{name} node {n} ({}): {:.2} % differ", node.op.name(), share * 100.0);
                worst = worst.max(share);
                let kind = match node.op {
                    Op::Conv(l) if graph.layer(l).depthwise => "depthwise",
                    ref op => op.name(),
                };
                let count = kinds.entry(kind).or_default();
                (count.values, count.differ) = (count.values + want.len(), count.differ + differ);
            }
            let input = source(graph.input).and_then(|s| golden.get(&s)).expect("the golden input is stored");
            executor.forward(input).unwrap();
            for (t, slot) in &tensors {
                if let Some(want) = source(*t).and_then(|s| golden.get(&s)) {
                    whole.values += want.len();
                    whole.differ += executor.bytes(*slot).iter().zip(want).filter(|(a, b)| a != b).count();
                }
            }
            let out = executor.program().outputs[0];
            let want = source(graph.outputs[0]).and_then(|s| golden.get(&s)).expect("the golden output is stored");
            // For one of the noise inputs, two reference outputs are equal: either class is accepted.
            assert_eq!(want[top(executor.bytes(out))], want[top(want)], "{name}, input {i}: the class differs");
        }
        let percent = 100.0 * whole.differ as f64 / whole.values as f64;
        println!(
            "{name}: end to end {percent:.2} % of {} values differ; worst layer {:.2} %",
            whole.values,
            worst * 100.0
        );
    }
    for (kind, c) in kinds {
        let share = c.differ as f64 / c.values as f64;
        println!("{kind:<14} {:>9} values, {:>6} differ ({:.3} %)", c.values, c.differ, share * 100.0);
        assert!(share <= 0.005, "{kind}");
    }
}

fn top(values: &[i8]) -> usize {
    let mut best = 0;
    values.iter().enumerate().for_each(|(i, v)| {
        if *v > values[best] {
            best = i
        }
    });
    best
}
