//! A Program that runs over rows yields what the whole one yields.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use common::{Source, conv, network, network_to_feed, network_with_functions, samples, tensors};
use tinytrain_compile::{Compiler, Feed, ProgramOptions};
use tinytrain_exec::{Executor, Kernels, Rates};
use tinytrain_ir::{Graph, GraphBuilder, PoolSpec, Quant, Scheme, Shape, TensorId};
use tinytrain_program::{Program, Step};
use tinytrain_spec::kernels::Call;

const CLASSES: usize = 5;
const SCHEMES: [&str; 4] = ["head", "full", "bias:3,2:1/2,4:1/4", "bias:2,0:1/3,1:1/2,3:1/4"];

fn compiler(g: &Graph, seed: u64) -> Compiler {
    Compiler::new(g, CLASSES, seed, &samples(g, 10, CLASSES, seed), 2).unwrap()
}

fn compile(c: &Compiler, scheme: &str, limit: Option<u32>) -> Program {
    c.compile(
        &Scheme::parse(scheme, c.layers()).unwrap(),
        ProgramOptions { arena_limit: limit, ..ProgramOptions::of(4) },
        20,
    )
    .unwrap()
}

/// The Program to which the sample comes in row by row.
fn fed(c: &Compiler, scheme: &str, limit: Option<u32>) -> Program {
    c.compile(
        &Scheme::parse(scheme, c.layers()).unwrap(),
        ProgramOptions { arena_limit: limit, feed: Feed::Rows, ..ProgramOptions::of(4) },
        20,
    )
    .unwrap()
}

/// A tensor of the differentiated graph, or one that a pass added for the scheme.
fn name(c: &Compiler, t: TensorId) -> String {
    c.graph().tensors.get(t.index()).map_or(format!("added tensor {}", t.0), |t| t.name.clone())
}

/// What training steps leave behind: every finished tensor of every step, and the state.
fn run(program: &Program, kernels: Kernels, data: &[(Vec<i8>, usize)]) -> (Vec<BTreeMap<TensorId, Vec<i8>>>, Vec<u8>) {
    let mut e = Executor::with_kernels(Arc::new(program.clone()), kernels).unwrap();
    e.poison(true);
    let step = |(sample, label): &(Vec<i8>, usize)| {
        e.trace();
        e.train_step(sample, *label, Rates::both(0.003)).unwrap();
        tensors(e.take_trace())
    };
    let traces = data.iter().map(step).collect();
    (traces, e.state().to_vec())
}

/// Runs of steps of the backward pass that take turns over rows.
fn backward_streams(p: &Program) -> usize {
    p.streams.iter().filter(|s| s.start >= p.forward).count()
}

/// Weight steps that read the trained channels of an input alone.
fn gathered(p: &Program) -> usize {
    let alone =
        |s: &&Step| matches!(&s.call, Call::ConvWeightStep(c) if c.p.in_c == c.p.trained && c.channels.is_none());
    p.steps.iter().filter(alone).count()
}

#[test]
fn a_cut_program_yields_the_bits_of_the_whole_one_on_all_kernels() {
    let (mut streams, mut backward, mut alone) = (0, 0, 0);
    for seed in 1..=14 {
        let g = if seed % 2 == 0 { network_with_functions(seed) } else { network(seed) };
        let c = compiler(&g, seed);
        let data = samples(&g, 4, CLASSES, seed + 7);
        for scheme in SCHEMES {
            let whole = compile(&c, scheme, None);
            let expected = run(&whole, Kernels::Reference, &data);
            for limit in [0, whole.arena_bytes / 2, whole.arena_bytes * 3 / 4] {
                let cut = compile(&c, scheme, Some(limit));
                cut.verify().unwrap();
                let (found, all) = (cut.arena_bytes, whole.arena_bytes);
                assert!(found <= all, "seed {seed} {scheme} limit {limit}: {found} of {all}");
                assert_eq!(Program::from_bytes(&cut.to_bytes()).unwrap(), cut);
                streams += cut.streams.len();
                backward += backward_streams(&cut);
                alone += gathered(&cut);
                for kernels in Kernels::ALL.into_iter().filter(|k| k.available()) {
                    let found = run(&cut, kernels, &data);
                    for (step, (found, expected)) in found.0.iter().zip(&expected.0).enumerate() {
                        for (t, bytes) in expected {
                            let name = name(&c, *t);
                            assert_eq!(
                                found.get(t),
                                Some(bytes),
                                "seed {seed} {scheme} limit {limit} step {step} {name}"
                            );
                        }
                    }
                    assert_eq!(found.1, expected.1, "seed {seed} {scheme} limit {limit}");
                }
            }
        }
    }
    assert!(
        streams > 20 && backward > 20 && alone > 20,
        "{streams} groups over rows, {backward} of them in the backward pass, and {alone} inputs of which some channels are kept are too few to prove anything"
    );
}

#[test]
fn a_program_fed_by_rows_yields_the_bits_of_the_whole_one_on_all_kernels() {
    let (mut lines, mut tried) = (0, 0);
    for seed in 1..=14 {
        let g = network_to_feed(seed);
        let c = compiler(&g, seed);
        let data = samples(&g, 4, CLASSES, seed + 7);
        for scheme in SCHEMES {
            let whole = compile(&c, scheme, None);
            let expected = run(&whole, Kernels::Reference, &data);
            for limit in [None, Some(whole.arena_bytes * 3 / 4), Some(0)] {
                let p = fed(&c, scheme, limit);
                p.verify().unwrap();
                assert_eq!(Program::from_bytes(&p.to_bytes()).unwrap(), p);
                assert_eq!(p.loops().first().map(|l| l.start), Some(0), "a loop can stop for rows");
                tried += 1;
                let places: BTreeSet<u32> = p.input.rows().iter().map(|r| r.slot.offset).collect();
                lines += usize::from(places.len() < p.input.rows().len());
                for kernels in Kernels::ALL.into_iter().filter(|k| k.available()) {
                    let found = run(&p, kernels, &data);
                    for (step, (found, expected)) in found.0.iter().zip(&expected.0).enumerate() {
                        for (t, bytes) in expected {
                            let name = name(&c, *t);
                            let what = format!("seed {seed} {scheme} limit {limit:?} step {step} {name}");
                            assert_eq!(found.get(t), Some(bytes), "{what}");
                        }
                    }
                    assert_eq!(found.1, expected.1, "seed {seed} {scheme} limit {limit:?}");
                }
            }
        }
    }
    assert!(3 * lines > tried, "the sample is nowhere whole in {lines} of {tried} Programs only");
}

#[test]
fn activations_of_the_whole_program_serve_the_fed_one() {
    for (seed, scheme) in [(1, "bias:2"), (2, "full"), (3, "bias:2,4:1")] {
        let g = network_to_feed(seed);
        let c = compiler(&g, seed);
        let p = Arc::new(fed(&c, scheme, None));
        let steps = p.prefix().steps;
        let (mut plain, mut cached) = (Executor::new(p.clone()).unwrap(), Executor::new(p.clone()).unwrap());
        cached.poison(true);
        for (sample, label) in &samples(&g, 4, CLASSES, seed + 3) {
            let mut activations = Vec::new();
            cached.prefix(steps, sample, &mut activations).unwrap();
            let rates = Rates::both(0.003);
            let found = cached.train_step_from_prefix(steps, &activations, *label, rates).unwrap();
            assert_eq!(plain.train_step(sample, *label, rates).unwrap(), found, "seed {seed} {scheme}");
        }
        assert_eq!(plain.state(), cached.state());
    }
}

#[test]
fn a_limit_is_kept_where_it_can_be_and_nothing_is_cut_without_need() {
    for seed in 1..=6 {
        let c = compiler(&network(seed), seed);
        for scheme in SCHEMES {
            let whole = compile(&c, scheme, None);
            // But for boxes that are copied.
            let copies = |s: &Range<usize>| whole.steps[s.clone()].iter().all(|s| matches!(s.call, Call::CopyBox(_)));
            assert!(whole.streams.iter().all(copies));
            assert_eq!(compile(&c, scheme, Some(whole.arena_bytes)), whole);
            let least = compile(&c, scheme, Some(0));
            let between = u32::midpoint(least.arena_bytes, whole.arena_bytes);
            let cut = compile(&c, scheme, Some(between));
            assert!(cut.arena_bytes <= between.max(least.arena_bytes), "{} of {between}", cut.arena_bytes);
            assert!(cut.steps.len() <= least.steps.len());
        }
    }
}

#[test]
fn activations_of_the_whole_program_serve_the_cut_one_where_both_have_the_boundary() {
    let mut shared = 0;
    for seed in 1..=6 {
        let g = network(seed);
        let c = compiler(&g, seed);
        let (whole, cut) = (compile(&c, "bias:2,4:1", None), compile(&c, "bias:2,4:1", Some(0)));
        let names = |p: &Program, steps: usize| -> Option<Vec<u32>> {
            Some(p.boundary(steps)?.live.iter().map(|(t, _)| *t).collect())
        };
        let data = samples(&g, 4, CLASSES, seed + 3);
        for b in &cut.boundaries {
            let mine = names(&cut, b.steps);
            let Some(theirs) = whole.boundaries.iter().find(|w| names(&whole, w.steps) == mine) else { continue };
            shared += usize::from(b.steps > 0);
            let mut source = Executor::new(Arc::new(whole.clone())).unwrap();
            let mut plain = Executor::new(Arc::new(whole.clone())).unwrap();
            let mut from_cache = Executor::new(Arc::new(cut.clone())).unwrap();
            from_cache.poison(true);
            for (sample, label) in &data {
                let mut activations = Vec::new();
                source.prefix(theirs.steps, sample, &mut activations).unwrap();
                let rates = Rates::both(0.003);
                let found = from_cache.train_step_from_prefix(b.steps, &activations, *label, rates).unwrap();
                assert_eq!(
                    plain.train_step(sample, *label, rates).unwrap(),
                    found,
                    "seed {seed}, {mine:?} behind steps {} and {}",
                    theirs.steps,
                    b.steps
                );
            }
            assert_eq!(plain.state(), from_cache.state());
        }
    }
    assert!(shared > 3, "{shared} boundaries are too few to prove anything");
}

/// Maps larger than everything else: a window of three rows beside a sum in place over the same map, then two convolutions that leave out every other row.
fn wide(seed: u64) -> Graph {
    let s = &mut Source(seed);
    let q = |s: &mut Source| s.quant();
    let mut b = GraphBuilder::new("wide", Shape::new(20, 20, 4), Quant { scale: 0.02, zero: 0 }, None).unwrap();
    let x = b.input();
    let (window, y) = (PoolSpec::same(b.shape(x), [1, 1], [1, 1]), q(s));
    let a = conv(&mut b, s, x, false, 16, window, y);
    let (window, y) = (PoolSpec::same(b.shape(a), [3, 3], [1, 1]), q(s));
    let d = conv(&mut b, s, a, true, 16, window, y);
    let y = q(s);
    let sum = b.add(a, d, y, (-128, 127)).unwrap();
    let (window, y) = (PoolSpec::valid(b.shape(sum), [1, 1], [2, 2]), q(s));
    let left = conv(&mut b, s, sum, false, 8, window, y);
    let y = q(s);
    let right = conv(&mut b, s, sum, false, 8, window, y);
    let y = q(s);
    let both = b.add(left, right, y, (-128, 127)).unwrap();
    let (window, y) = (PoolSpec::same(b.shape(both), [3, 3], [2, 2]), q(s));
    let last = conv(&mut b, s, both, false, 8, window, y);
    b.finish(vec![last]).unwrap()
}

#[test]
fn a_sum_in_place_waits_for_the_windows_beside_it() {
    for seed in 1..=3 {
        let g = wide(seed);
        let c = compiler(&g, seed);
        let data = samples(&g, 3, CLASSES, seed);
        let whole = compile(&c, "head", None);
        let cut = compile(&c, "head", Some(0));
        assert!(cut.arena_bytes < whole.arena_bytes && !cut.streams.is_empty());
        let (expected, found) = (run(&whole, Kernels::Reference, &data), run(&cut, Kernels::Reference, &data));
        assert!(expected == found, "seed {seed}");
    }
}

#[test]
fn tensors_of_a_boundary_are_whole() {
    let mut cut = 0;
    for seed in 1..=4 {
        for g in [wide(seed), network(seed)] {
            let c = compiler(&g, seed);
            let whole = compile(&c, "head", None).arena_bytes;
            for limit in (0..16).map(|i| whole * i / 16) {
                let p = compile(&c, "head", Some(limit));
                cut += usize::from(!p.streams.is_empty());
                for b in p.boundaries.iter().filter(|b| b.steps > 0) {
                    for (t, slot) in &b.live {
                        let covered = |step: usize| {
                            p.buffers.iter().any(|placed| {
                                let live = placed.live(step);
                                let (first, end) = (placed.offset + live.start, placed.offset + live.end);
                                first <= slot.offset && slot.offset + slot.bytes <= end
                            })
                        };
                        // Behind the step before and before the next, also bytes that no step reads.
                        assert!(covered(b.steps - 1) && covered(b.steps), "seed {seed}, limit {limit}, tensor {t}");
                    }
                }
            }
        }
    }
    assert!(cut > 20, "{cut} Programs over rows are too few to prove anything");
}
