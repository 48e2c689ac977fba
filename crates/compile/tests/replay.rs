//! The replay buffer of a Program: what it keeps is what came in, and training on it again is training on the sample again.

mod common;

use std::sync::Arc;

use common::{network, network_with_functions, samples};
use tinytrain_compile::{Compiler, Feed, ProgramOptions};
use tinytrain_exec::{
    Augment, Control, Executor, Order, Rates, SampleSource, Samples, Schedule, TrainOptions, Trainer,
};
use tinytrain_ir::{Graph, Scheme};
use tinytrain_kernels::simd::Kernels;
use tinytrain_program::Program;

const CLASSES: usize = 3;
const SCHEMES: [&str; 4] = ["head", "full", "bias:3,2:1/2,4:1/4", "bias:2,3:1/3"];
const BITS: u32 = 2;

fn compiler(seed: u64) -> (Graph, Compiler) {
    let g = if seed.is_multiple_of(2) { network(seed) } else { network_with_functions(seed) };
    let c = Compiler::new(&g, CLASSES, seed, &samples(&g, 6, CLASSES, seed), 2).unwrap();
    (g, c)
}

fn program(c: &Compiler, scheme: &str, replay: u32, arena_limit: Option<u32>) -> Arc<Program> {
    let scheme = Scheme::parse(scheme, c.layers()).unwrap();
    let options = ProgramOptions { replay, arena_limit, ..ProgramOptions::of(BITS) };
    Arc::new(c.compile(&scheme, options, 8).unwrap())
}

/// The state without the replay buffer, which lies at its end.
fn learned<'e>(e: &'e Executor, without: &Program) -> &'e [u8] {
    &e.state()[..without.state_bytes as usize]
}

#[test]
fn a_step_on_a_kept_sample_has_the_bits_of_one_on_the_sample() {
    for seed in 1..=6 {
        let (g, c) = compiler(seed);
        // Few bytes: the Program runs over rows as far as it can.
        for (scheme, limit) in SCHEMES.into_iter().flat_map(|s| [(s, None), (s, Some(0))]) {
            let (plain, replaying) = (program(&c, scheme, 0, limit), program(&c, scheme, 1, limit));
            let boundary = replaying.replay().unwrap().boundary;
            assert!(
                replaying.boundaries.iter().all(|b| replaying.boundary_bytes(boundary) <= replaying.boundary_bytes(b))
            );
            for kernels in [Kernels::Reference, Kernels::best()] {
                let mut expected = Executor::with_kernels(plain.clone(), kernels).unwrap();
                let mut found = Executor::with_kernels(replaying.clone(), kernels).unwrap();
                found.poison(true);
                assert!(found.replay_step(Rates::both(0.02)).unwrap().is_none(), "nothing has been kept");
                let (sample, label) = samples(&g, 1, CLASSES, seed + 50).remove(0);
                for step in 0..4 {
                    let rates = Rates::both(0.02 / f64::from(step + 1));
                    let wanted = expected.train_step(&sample, label, rates).unwrap();
                    let result = match step {
                        0 => found.train_step(&sample, label, rates).unwrap(),
                        _ => {
                            let (class, result) = found.replay_step(rates).unwrap().unwrap();
                            assert_eq!(class, label);
                            result
                        }
                    };
                    assert_eq!(result, wanted, "seed {seed} {scheme} {limit:?} step {step}");
                    assert!(learned(&found, &plain) == expected.state(), "seed {seed} {scheme} {limit:?} step {step}");
                }
            }
        }
    }
}

#[test]
fn keeping_changes_nothing_that_is_learned() {
    let (g, c) = compiler(4);
    for scheme in SCHEMES {
        let (plain, replaying) = (program(&c, scheme, 0, None), program(&c, scheme, 4, None));
        let (mut a, mut b) = (Executor::new(plain.clone()).unwrap(), Executor::new(replaying).unwrap());
        for (sample, label) in samples(&g, 12, CLASSES, 7) {
            let rates = Rates::both(0.01);
            assert_eq!(a.train_step(&sample, label, rates).unwrap(), b.train_step(&sample, label, rates).unwrap());
        }
        assert!(learned(&b, &plain) == a.state(), "{scheme}");
    }
}

#[test]
fn a_run_with_replay_is_the_same_from_a_checkpoint_and_with_a_cache() {
    let (g, c) = compiler(5);
    let program = program(&c, "bias:2,3:1/3", 5, None);
    let all = samples(&g, 23, CLASSES, 8);
    let bytes = all[0].0.len();
    let labels = all.iter().map(|p| p.1 as u16).collect();
    let source: Arc<dyn SampleSource> =
        Arc::new(Samples::new(all.iter().flat_map(|p| p.0.clone()).collect(), labels, bytes).unwrap());
    let options = |cache_bytes| TrainOptions {
        schedule: Schedule { head: 0.01, backbone: 0.003, steps: 120 },
        order: Order::AsTheyAre,
        replay_steps: 2,
        seed: 3,
        augment: Augment::default(),
        cache_bytes,
        threads: 2,
    };
    let control = Control::default();
    let run = |cache_bytes, parts: &[u64]| {
        let mut trainer = Trainer::new(program.clone(), source.clone(), options(cache_bytes)).unwrap();
        for &steps in parts {
            trainer.run(steps, &control).unwrap();
            let (state, step) = (trainer.executor().state().to_vec(), trainer.steps());
            let counts = trainer.executor().saturated().to_vec();
            trainer = Trainer::new(program.clone(), source.clone(), options(cache_bytes)).unwrap();
            trainer.restore(&state, step, &counts).unwrap();
        }
        trainer.run(u64::MAX, &control).unwrap();
        trainer.checksum()
    };
    let whole = run(0, &[]);
    assert_eq!(run(0, &[1, 40]), whole);
    assert_eq!(run(usize::MAX, &[50]), whole);
    let other = TrainOptions { replay_steps: 1, ..options(0) };
    let mut fewer = Trainer::new(program.clone(), source.clone(), other).unwrap();
    fewer.run(u64::MAX, &control).unwrap();
    assert_ne!(fewer.checksum(), whole);
}

#[test]
fn what_has_no_buffer_says_so() {
    let (g, c) = compiler(2);
    let none = program(&c, "head", 0, None);
    assert!(none.replay().is_none());
    let mut e = Executor::new(none.clone()).unwrap();
    assert!(e.replay_step(Rates::both(0.01)).unwrap().is_none());
    let scheme = Scheme::parse("head", c.layers()).unwrap();
    let refused = |options| c.compile(&scheme, options, 0).unwrap_err().code();
    assert_eq!(refused(ProgramOptions { replay: 1, feed: Feed::Rows, ..ProgramOptions::of(4) }), "REPLAY_OF_ROWS");
    assert_eq!(refused(ProgramOptions { replay: u32::MAX, ..ProgramOptions::of(4) }), "REPLAY_TOO_LARGE");
    let one =
        Samples::new(vec![0; samples(&g, 1, CLASSES, 1)[0].0.len()], vec![0], samples(&g, 1, CLASSES, 1)[0].0.len());
    let options = TrainOptions {
        schedule: Schedule { head: 0.01, backbone: 0.01, steps: 2 },
        order: Order::AsTheyAre,
        replay_steps: 1,
        seed: 0,
        augment: Augment::default(),
        cache_bytes: 0,
        threads: 1,
    };
    assert_eq!(Trainer::new(none, Arc::new(one.unwrap()), options).err().unwrap().code(), "USAGE");
}
