//! An executor allocates nothing after its first steps.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use common::{network, samples};
use tinytrain_compile::Compiler;
use tinytrain_compile::ProgramOptions;
use tinytrain_exec::{Executor, Rates};
use tinytrain_ir::Scheme;
use tinytrain_kernels::simd::Kernels;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all calls go to the system's allocator; this only counts them.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_step_allocates_nothing() {
    for seed in 1..=4 {
        let graph = network(seed);
        let data = samples(&graph, 10, 5, seed);
        let compiler = Compiler::new(&graph, 5, seed, &data, 1).unwrap();
        for scheme in ["full", "bias:3,2:1/2,4:1/4"] {
            let scheme = Scheme::parse(scheme, compiler.layers()).unwrap();
            let program =
                Arc::new(compiler.compile(&scheme, ProgramOptions::of(if seed % 2 == 0 { 2 } else { 4 }), 0).unwrap());
            for kernels in Kernels::ALL.into_iter().filter(|k| k.available()) {
                let mut executor = Executor::with_kernels(program.clone(), kernels).unwrap();
                let mut activations = Vec::new();
                let prefix = program.prefix().steps;
                executor.prefix(prefix, &data[0].0, &mut activations).unwrap();
                let mut steps = || {
                    let rate = Rates::both(0.01);
                    for (sample, label) in &data {
                        executor.train_step(sample, *label, rate).unwrap();
                        executor.predict(sample).unwrap();
                        executor.evaluate(sample, *label).unwrap();
                        executor.train_step_from_prefix(prefix, &activations, *label, rate).unwrap();
                        executor.evaluate_from_prefix(prefix, &activations, *label).unwrap();
                    }
                };
                steps();
                let before = ALLOCATIONS.get();
                assert!(before > 0);
                steps();
                assert_eq!(ALLOCATIONS.get(), before, "seed {seed}, {}", kernels.name());
            }
        }
    }
}
