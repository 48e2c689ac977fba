//! Exponents of gradients, and the pass before them, held against their rules.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{head_weights, network, samples, tensors, values_of};
use tinytrain_compile::ProgramOptions;
use tinytrain_compile::float::backward;
use tinytrain_compile::{Compiler, forward_program, forward_tensors};
use tinytrain_exec::{Executor, Rates};
use tinytrain_ir::{Graph, Kind, Node, Op, Scheme, TensorId, Wrt};
use tinytrain_passes::differentiate;

const CLASSES: usize = 5;

/// The largest unrounded gradient of each kind over all samples, with the initial head.
fn largest(c: &Compiler, data: &[(Vec<i8>, usize)]) -> BTreeMap<Wrt, f64> {
    let graph = c.graph();
    let full = c.compile(&Scheme::parse("full", c.layers()).unwrap(), ProgramOptions::of(4), 0).unwrap();
    let mut e = Executor::new(Arc::new(full)).unwrap();
    let mut largest = BTreeMap::new();
    for (sample, label) in data {
        e.trace();
        // A rate of 0 leaves head and weights as they are.
        e.train_step(sample, *label, Rates::ZERO).unwrap();
        let trace = tensors(e.take_trace());
        let mut values = values_of(graph, &trace, sample);
        values.head = head_weights(&e);
        for (t, gradient) in backward(graph, &values) {
            if let Kind::Gradient(wrt) = graph.tensor(t).kind {
                let l = largest.entry(wrt).or_insert(0.0f64);
                *l = gradient.iter().fold(*l, |l, g| l.max(g.abs()));
            }
        }
    }
    largest
}

#[test]
fn an_exponent_leaves_an_octave_above_the_largest_gradient() {
    for seed in 1..=4 {
        let g = network(seed);
        let data = samples(&g, 7, CLASSES, seed);
        let c = Compiler::new(&g, CLASSES, seed, &data, 2).unwrap();
        let largest = largest(&c, &data);
        assert!(largest.len() > 15);
        for (wrt, l) in &largest {
            let e = c.graph().exponents[wrt];
            // One octave below, the range of int8 holds the gradient; two octaves below, it does not.
            let range = |e: i32| 127.0 * 2f64.powi(e);
            assert!(*l > 0.0 && *l <= range(e - 1) && *l > range(e - 2), "seed {seed}, {wrt:?}: {l} at 2^{e}");
        }
        assert!(c.graph().exponents.keys().eq(largest.keys()));
    }
}

#[test]
fn an_input_that_is_first_given_another_shape_changes_no_exponent() {
    let plain = network(1);
    let mut g = plain.clone();
    let (input, reshaped) = (g.input, TensorId(g.tensors.len() as u32));
    g.tensors.push(g.tensor(input).clone());
    for x in g.nodes.iter_mut().flat_map(|n| &mut n.inputs).filter(|x| **x == input) {
        *x = reshaped;
    }
    let node = Node { op: Op::Reshape, inputs: vec![input], outputs: vec![reshaped], ..g.nodes[0].clone() };
    g.nodes.insert(0, node);
    let data = samples(&plain, 3, CLASSES, 1);
    let exponents = |g: &Graph| -> Vec<i32> {
        Compiler::new(g, CLASSES, 1, &data, 1).unwrap().graph().exponents.values().copied().collect()
    };
    // The numbers of tensors differ, and the input's other shape may have a gradient of its own.
    let mut found = exponents(&g);
    for exponent in exponents(&plain) {
        let at = found.iter().position(|&e| e == exponent).expect("an exponent of the network without the shape");
        found.remove(at);
    }
    assert!(found.len() <= 1, "{found:?}");
}

#[test]
fn threads_change_no_exponent() {
    let g = network(1);
    let data = samples(&g, 9, CLASSES, 1);
    let with = |threads| Compiler::new(&g, CLASSES, 1, &data, threads).unwrap().graph().exponents.clone();
    assert_eq!(with(1), with(4));
}

/// Every activation of a forward graph on a sample.
fn activations(graph: &Graph, sample: &[i8]) -> BTreeMap<TensorId, Vec<i8>> {
    let program = forward_program(graph, true).unwrap();
    let tensors = forward_tensors(graph, &program);
    let mut e = Executor::new(Arc::new(program)).unwrap();
    e.forward(sample).unwrap();
    tensors.into_iter().map(|(t, slot)| (t, e.bytes(slot).to_vec())).collect()
}

#[test]
fn folding_padding_into_convolutions_changes_no_bit() {
    for seed in 1..=6 {
        let before = network(seed);
        let stages = differentiate(&before, CLASSES, seed).unwrap();
        let mut after = stages.iter().find(|s| s.name == "fold").unwrap().graph.clone();
        assert!(before.nodes.iter().any(|n| matches!(n.op, Op::Pad { .. })));
        assert!(after.nodes.iter().all(|n| !matches!(n.op, Op::Pad { .. })));
        after.nodes.retain(|n| n.op != Op::Head);
        after.outputs = vec![after.head.take().unwrap().features];
        let (sample, _) = samples(&before, 1, CLASSES, seed).remove(0);
        let (old, new) = (activations(&before, &sample), activations(&after, &sample));
        let shared: Vec<&TensorId> = new.keys().filter(|t| old.contains_key(t)).collect();
        assert!(shared.len() > 8);
        for t in shared {
            assert_eq!(old[t], new[t], "seed {seed}: {}", before.tensor(*t).name);
        }
    }
}
