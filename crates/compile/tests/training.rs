//! Properties that every training graph must have.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{head_weights, network, network_with_functions, samples, tensors, values_of};
use tinytrain_compile::Compiler;
use tinytrain_compile::ProgramOptions;
use tinytrain_exec::{
    Augment, Control, Executor, Order, Rates, SampleSource, Samples, Schedule, TrainOptions, Trainer,
};
use tinytrain_ir::{Graph, Kind, Scheme, TensorId};
use tinytrain_program::{Const, State, StateKind};
use tinytrain_spec::arith::Real31;

const CLASSES: usize = 5;

fn compiler(seed: u64) -> (Graph, Compiler) {
    compiler_of(network(seed), seed)
}

/// With the rarer ops at odd seeds.
fn compiler_of_all_ops(seed: u64) -> (Graph, Compiler) {
    compiler_of(if seed.is_multiple_of(2) { network(seed) } else { network_with_functions(seed) }, seed)
}

fn compiler_of(g: Graph, seed: u64) -> (Graph, Compiler) {
    let c = Compiler::new(&g, CLASSES, seed, &samples(&g, 10, CLASSES, seed), 2).unwrap();
    (g, c)
}

fn executor(c: &Compiler, scheme: &str, bits: u32) -> Executor {
    let scheme = Scheme::parse(scheme, c.layers()).unwrap();
    Executor::new(Arc::new(c.compile(&scheme, ProgramOptions::of(bits), 100).unwrap())).unwrap()
}

const SCHEMES: [&str; 7] =
    ["head", "bias:1", "bias:5", "full", "bias:0,2:1", "bias:3,2:1/2,4:1/4", "bias:2,0:1/3,1:1/2,3:1/4"];

#[test]
fn a_pruned_backward_pass_gives_the_bits_of_the_full_one() {
    for seed in 1..=6 {
        let (g, c) = compiler_of_all_ops(seed);
        let (sample, label) = samples(&g, 1, CLASSES, seed + 100).remove(0);
        let traced = |scheme: &str| -> BTreeMap<TensorId, Vec<i8>> {
            let mut e = executor(&c, scheme, 4);
            e.trace();
            e.train_step(&sample, label, Rates::both(0.01)).unwrap();
            tensors(e.take_trace())
        };
        let full = traced("full");
        for scheme in SCHEMES {
            let pruned = traced(scheme);
            let mut gradients = 0;
            for (t, bytes) in &pruned {
                // What a pass adds for the scheme is in no other.
                let Some(tensor) = c.graph().tensors.get(t.index()) else { continue };
                assert_eq!(full.get(t), Some(bytes), "seed {seed} scheme {scheme} tensor {}", tensor.name);
                gradients += matches!(tensor.kind, Kind::Gradient(_)) as usize;
            }
            assert!((scheme == "head") == (gradients == 0), "{scheme}");
        }
    }
}

#[test]
fn nothing_reads_a_byte_that_has_died_and_caching_the_prefix_changes_nothing() {
    for seed in 1..=4 {
        let (g, c) = compiler_of_all_ops(seed);
        for scheme in SCHEMES {
            let data = samples(&g, 6, CLASSES, seed + 7);
            let mut plain = executor(&c, scheme, 2);
            let mut poisoned = plain.clone();
            poisoned.poison(true);
            let mut cached = plain.clone();
            for (p, label) in &data {
                let rates = Rates { head: Real31::from_f64(0.005), backbone: Real31::from_f64(0.003) };
                let a = plain.train_step(p, *label, rates).unwrap();
                assert_eq!(a, poisoned.train_step(p, *label, rates).unwrap());
                let mut activations = Vec::new();
                let steps = cached.program().prefix().steps;
                cached.prefix(steps, p, &mut activations).unwrap();
                assert_eq!(a, cached.train_step_from_prefix(steps, &activations, *label, rates).unwrap());
            }
            assert_eq!(plain.state(), poisoned.state(), "{scheme}");
            assert_eq!(plain.state(), cached.state(), "{scheme}");
        }
    }
}

#[test]
fn cached_activations_of_one_scheme_fit_every_scheme_that_trains_nothing_before() {
    for seed in 1..=4 {
        let (g, c) = compiler(seed);
        let data = samples(&g, 4, CLASSES, seed + 9);
        for steps in executor(&c, "bias:3", 4).program().boundaries.iter().map(|b| b.steps) {
            let mut source = executor(&c, "bias:3", 4);
            for scheme in ["head", "bias:1", "bias:2,4:1/4", "bias:3,2:1"] {
                let mut plain = executor(&c, scheme, 4);
                let mut from_cache = plain.clone();
                from_cache.poison(true);
                for (p, label) in &data {
                    let mut activations = Vec::new();
                    source.prefix(steps, p, &mut activations).unwrap();
                    let rates = Rates { head: Real31::from_f64(0.005), backbone: Real31::from_f64(0.003) };
                    let found = from_cache.train_step_from_prefix(steps, &activations, *label, rates).unwrap();
                    assert_eq!(plain.train_step(p, *label, rates).unwrap(), found);
                }
                assert_eq!(plain.state(), from_cache.state(), "{scheme} from step {steps}");
            }
        }
    }
}

/// The state tensors of a scheme: their layer (none for the head), kind and length.
fn trained_by(graph: &Graph, scheme: &Scheme, bits: u32) -> Vec<(Option<usize>, StateKind, usize)> {
    let features = graph.tensor(graph.head.as_ref().unwrap().features).shape.len();
    let mut all =
        vec![(None, StateKind::HeadWeights, features * CLASSES * 2), (None, StateKind::HeadBiases, CLASSES * 4)];
    for (i, layer) in graph.layers.iter().enumerate() {
        let training = scheme.training(graph, i);
        let weights = training.channels.len() * layer.weights_per_channel();
        let biases = if training.bias { layer.bias.len() * 4 } else { 0 };
        let residuals = (weights * bits as usize).div_ceil(8);
        for (kind, bytes) in
            [(StateKind::Weights, weights), (StateKind::Residuals, residuals), (StateKind::Biases, biases)]
        {
            all.extend((bytes > 0).then_some((Some(i), kind, bytes)));
        }
    }
    all
}

/// The output channel of an element of a trained tensor.
fn output_channel(graph: &Graph, scheme: &Scheme, state: &State, element: usize) -> usize {
    let index = state.layer.unwrap();
    let layer = &graph.layers[index];
    let channels = scheme.training(graph, index).channels;
    match state.kind {
        StateKind::Biases => element,
        _ if layer.depthwise => channels[element % channels.len()] as usize,
        _ => element / ((layer.geo.kh * layer.geo.kw) as usize * channels.len()),
    }
}

#[test]
fn state_moves_where_the_scheme_says_and_nowhere_else() {
    let mut g = network(3);
    // One channel of a full convolution and one of a depthwise one are never updated.
    (g.layers[2].live[3], g.layers[3].live[5]) = (false, false);
    let c = Compiler::new(&g, CLASSES, 3, &samples(&g, 10, CLASSES, 3), 2).unwrap();
    for (text, bits) in
        [("head", 4), ("bias:2", 4), ("bias:0,2:1/2,3:1/4", 2), ("full", 0), ("full", 2), ("full", 4), ("full", 8)]
    {
        let scheme = Scheme::parse(text, c.layers()).unwrap();
        let mut e = executor(&c, text, bits);
        let before = e.state().to_vec();
        for (p, label) in samples(&g, 5, CLASSES, 8) {
            e.train_step(&p, label, Rates::ZERO).unwrap();
        }
        assert_eq!(before, e.state(), "{text}, {bits} bits: a rate of 0 moves nothing");
        for (p, label) in samples(&g, 30, CLASSES, 9) {
            e.train_step(&p, label, Rates::both(0.3)).unwrap();
        }
        let mut found: Vec<_> = e.program().states.iter().map(|s| (s.layer, s.kind, s.slot.bytes as usize)).collect();
        let mut wanted = trained_by(c.graph(), &scheme, bits);
        let order = |s: &(Option<usize>, StateKind, usize)| (s.0, format!("{:?}", s.1));
        found.sort_by_key(order);
        wanted.sort_by_key(order);
        assert_eq!(found, wanted, "{text}, {bits} bits");

        let mut between = vec![true; before.len()];
        for s in &e.program().states {
            let range = s.slot.offset as usize..(s.slot.offset + s.slot.bytes) as usize;
            between[range.clone()].fill(false);
            let (old, new) = (&before[range.clone()], &e.state()[range]);
            assert_ne!(old, new, "{text}, {bits} bits: {} did not move", s.name);
            let size = match s.kind {
                StateKind::Weights => 1,
                StateKind::Biases => 4,
                // Of packed bits and of the head there is no dead channel to look at.
                _ => continue,
            };
            for (n, (old, new)) in old.chunks(size).zip(new.chunks(size)).enumerate() {
                let channel = output_channel(c.graph(), &scheme, s, n);
                let live = c.graph().layers[s.layer.unwrap()].live[channel];
                assert!(live || old == new, "{text}: {} of the dead channel {channel} moved", s.name);
            }
        }
        for (n, _) in between.iter().enumerate().filter(|(_, b)| **b) {
            assert_eq!(before[n], e.state()[n], "{text}, {bits} bits: byte {n} belongs to nothing");
        }
    }
}

#[test]
fn trained_and_frozen_weights_make_up_the_pretrained_ones() {
    let (_, c) = compiler(4);
    for text in ["full", "bias:0,0:1/3,1:1/4,2:1/2,3:1/8,4:3/4", "bias:5"] {
        let scheme = Scheme::parse(text, c.layers()).unwrap();
        let e = executor(&c, text, 4);
        let plain = e.program().plain();
        for (i, layer) in c.graph().layers.iter().enumerate() {
            let state = e.program().states.iter().find(|s| s.layer == Some(i) && s.kind == StateKind::Weights);
            let mut trained =
                state.map_or(&[][..], |s| &e.state()[s.slot.offset as usize..][..s.slot.bytes as usize]).iter();
            // Where the device's kernels have an order of their own, the plain Program has them as int8 once more.
            let names = ["", "_int8"].map(|end| format!("conv{i}_weights{end}"));
            let int8 = |k: &Const| k.data.elements::<i8>().filter(|_| names.contains(&k.name)).map(<[i8]>::to_vec);
            let frozen = plain.consts.iter().find_map(int8).unwrap_or_default();
            let mut frozen = frozen.iter();
            let channels = scheme.training(c.graph(), i).channels;
            for (n, &w) in layer.weights.iter().enumerate() {
                let channel = (n % layer.selectable()) as u16;
                let found =
                    if channels.contains(&channel) { trained.next().map(|&b| b as i8) } else { frozen.next().copied() };
                assert_eq!(found, Some(w), "{text}: weight {n} of convolution {i}");
            }
            assert_eq!((trained.next(), frozen.next()), (None, None));
        }
    }
}

/// Unrounded gradients of the same forward values, for comparison with the integer ones.
#[test]
fn the_integer_backward_pass_tracks_the_float64_one() {
    let (mut worst, mut sum, mut count): (f64, f64, u32) = (1.0, 0.0, 0);
    for seed in 1..=6 {
        let (g, c) = compiler(seed);
        let graph = c.graph();
        let mut e = executor(&c, "full", 4);
        for (sample, label) in samples(&g, 4, CLASSES, seed) {
            let head = head_weights(&e);
            let weights = current_weights(&e, graph);
            e.trace();
            e.train_step(&sample, label, Rates::ZERO).unwrap();
            let trace = tensors(e.take_trace());
            let mut values = values_of(graph, &trace, &sample);
            (values.head, values.weights) = (head, weights);
            for (t, float) in tinytrain_compile::float::backward(graph, &values) {
                let Some(bytes) = trace.get(&t).filter(|_| matches!(graph.tensor(t).kind, Kind::Gradient(_))) else {
                    continue;
                };
                let dot: f64 = float.iter().zip(bytes).map(|(a, &b)| a * b as f64).sum();
                let norms = float.iter().map(|a| a * a).sum::<f64>().sqrt()
                    * bytes.iter().map(|&b| (b as f64).powi(2)).sum::<f64>().sqrt();
                if norms > 0.0 {
                    worst = worst.min(dot / norms);
                    (sum, count) = (sum + dot / norms, count + 1);
                }
            }
        }
    }
    let mean = sum / count as f64;
    println!(
        "cosine between {count} integer gradients and their float64 counterparts: mean {mean:.4}, least {worst:.4}"
    );
    // A sample whose gradients are small in relation to the calibrated range has few bits, but this must not hold on average.
    assert!(worst > 0.9 && mean > 0.99, "least {worst}, mean {mean}");
}

fn current_weights(e: &Executor, graph: &Graph) -> BTreeMap<usize, Vec<f64>> {
    let of = |i: usize| {
        let s = e.program().states.iter().find(|s| s.name == format!("conv{i}_trained")).unwrap();
        e.state()[s.slot.offset as usize..][..s.slot.bytes as usize].iter().map(|&b| b as i8 as f64).collect()
    };
    (0..graph.layers.len()).map(|i| (i, of(i))).collect()
}

#[test]
fn learning_lowers_the_loss() {
    let (g, c) = compiler(2);
    let data = samples(&g, 20, CLASSES, 4);
    for (scheme, bits) in [("head", 4), ("bias:3", 4), ("full", 0), ("full", 2), ("full", 4), ("full", 8)] {
        let mut e = executor(&c, scheme, bits);
        let loss = |e: &mut Executor| data.iter().map(|(p, l)| e.evaluate(p, *l).unwrap().loss as i64).sum::<i64>();
        let before = loss(&mut e);
        for _ in 0..15 {
            for (p, label) in &data {
                e.train_step(p, *label, Rates::both(0.002)).unwrap();
            }
        }
        let after = loss(&mut e);
        println!("{scheme}, {bits} residual bits: loss {:.3} -> {:.3}", mean(before), mean(after));
        assert!(after < before * 9 / 10, "{scheme} {bits}: {before} -> {after}");
    }
    fn mean(sum: i64) -> f64 {
        sum as f64 / 65536.0 / 20.0
    }
}

#[test]
fn threads_interruption_and_the_cache_change_no_bit() {
    let (g, c) = compiler(5);
    let program =
        Arc::new(c.compile(&Scheme::parse("bias:3,2:1/2", c.layers()).unwrap(), ProgramOptions::of(2), 50).unwrap());
    let all = samples(&g, 23, CLASSES, 8);
    let bytes = all[0].0.len();
    let labels = all.iter().map(|p| p.1 as u16).collect();
    let source: Arc<dyn SampleSource> =
        Arc::new(Samples::new(all.iter().flat_map(|p| p.0.clone()).collect(), labels, bytes).unwrap());
    let options = |threads, cache_bytes| TrainOptions {
        replay_steps: 0,
        schedule: Schedule { head: 0.01, backbone: 0.003, steps: 100 },
        order: Order::AsTheyAre,
        seed: 3,
        augment: Augment::default(),
        cache_bytes,
        threads,
    };
    let control = Control::default();
    let mut whole = Trainer::new(program.clone(), source.clone(), options(1, 0)).unwrap();
    whole.run(u64::MAX, &control).unwrap();
    for (threads, cache) in [(2, 0), (1, usize::MAX), (3, 5 * 4000)] {
        let mut first = Trainer::new(program.clone(), source.clone(), options(threads, cache)).unwrap();
        first.run(41, &control).unwrap();
        let (state, steps, counts) =
            (first.executor().state().to_vec(), first.steps(), first.executor().saturated().to_vec());
        let mut second = Trainer::new(program.clone(), source.clone(), options(1, cache)).unwrap();
        second.restore(&state, steps, &counts).unwrap();
        second.run(u64::MAX, &control).unwrap();
        assert_eq!(
            (whole.checksum(), whole.executor().saturated()),
            (second.checksum(), second.executor().saturated())
        );
        let (a, b) = (whole.evaluate(&source, 1, &control).unwrap(), second.evaluate(&source, 3, &control).unwrap());
        assert_eq!((a.predicted, a.loss), (b.predicted, b.loss));
    }
    let abort = Control::default();
    abort.abort.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut stopped = Trainer::new(program, source, options(1, 0)).unwrap();
    assert_eq!(stopped.run(u64::MAX, &abort).unwrap().steps, 0);
}

#[test]
fn sizes_and_labels_are_checked() {
    let (g, c) = compiler(1);
    let mut e = executor(&c, "head", 4);
    let (p, _) = samples(&g, 1, CLASSES, 1).remove(0);
    assert_eq!(e.train_step(&p[1..], 0, Rates::ZERO).unwrap_err().code(), "SIZE_MISMATCH");
    assert_eq!(e.train_step(&p, CLASSES, Rates::ZERO).unwrap_err().code(), "SIZE_MISMATCH");
    assert_eq!(e.restore(&[0], 0).unwrap_err().code(), "SIZE_MISMATCH");
}
