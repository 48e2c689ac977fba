//! Fixes the exponents of gradients from a few samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tinytrain_exec::Executor;
use tinytrain_ir::{Graph, Kind, TensorId, Wrt};
use tinytrain_program::{Program, Slot, StateKind};
use tinytrain_spec::arith::ceil_log2;

use crate::CompileError;
use crate::compiler::{forward_of, forward_tensors};
use crate::float::{Values, backward, magnitudes};

/// Samples that calibration looks at.
pub const CALIBRATION_SAMPLES: usize = 20;
/// Exponent of a gradient that was zero on every sample.
pub const DEFAULT_EXPONENT: i32 = 0;

/// Exponent of each gradient relative to the head's error: `ceil(log2(max |g| 2^k / 127)) + 1` over the given samples with the initial head. The octave
/// of headroom is used as the head learns. `graph` is the differentiated, unpruned graph; the result does not depend on the number of threads.
pub fn calibrate(
    graph: &Graph,
    samples: &[(Vec<i8>, usize)],
    threads: usize,
) -> Result<BTreeMap<Wrt, i32>, CompileError> {
    let program = Arc::new(forward_of(graph)?);
    let places: BTreeMap<TensorId, Slot> = forward_tensors(graph, &program).into_iter().collect();
    let next = AtomicUsize::new(0);
    let worker = || -> Result<BTreeMap<Wrt, f64>, CompileError> {
        let mut executor = Executor::new(program.clone())?;
        let mut largest = BTreeMap::new();
        while let Some((sample, label)) = samples.get(next.fetch_add(1, Ordering::Relaxed)) {
            tinytrain_stop::check();
            executor.evaluate(sample, *label)?;
            let values = read_values(graph, &program, &places, &executor);
            for (wrt, m) in magnitudes(graph, &backward(graph, &values)) {
                let l = largest.entry(wrt).or_insert(0.0f64);
                *l = l.max(m);
            }
        }
        Ok(largest)
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        // Beyond one thread for each sample, threads have nothing to do.
        let count = threads.clamp(1, samples.len().max(1));
        let stop = tinytrain_stop::current();
        let under = |stop| move || tinytrain_stop::under(stop, worker);
        let handles: Vec<_> = (0..count).map(|_| scope.spawn(under(stop.clone()))).collect();
        handles.into_iter().map(|h| tinytrain_stop::joined(h.join())).collect()
    });
    let mut largest: BTreeMap<Wrt, f64> = BTreeMap::new();
    for part in parts {
        for (wrt, m) in part? {
            let l = largest.entry(wrt).or_insert(0.0);
            *l = l.max(m);
        }
    }
    let all = graph.tensors.iter().filter_map(|t| if let Kind::Gradient(w) = t.kind { Some(w) } else { None });
    Ok(all.map(|wrt| (wrt, largest.get(&wrt).map_or(DEFAULT_EXPONENT, |&m| exponent(m)))).collect())
}

fn exponent(largest: f64) -> i32 {
    if largest > 1e-300 { ceil_log2(largest / 127.0) + 1 } else { DEFAULT_EXPONENT }
}

/// The values that an integer forward pass left behind, for the float backward pass.
pub fn read_values(graph: &Graph, program: &Program, places: &BTreeMap<TensorId, Slot>, executor: &Executor) -> Values {
    let mut values = Values::default();
    for (&t, &slot) in places {
        let tensor = graph.tensor(t);
        let bytes = executor.bytes(slot);
        match tensor.kind {
            Kind::Activation(_) => {
                values.activations.insert(t, bytes.iter().map(|&v| v as f64).collect());
            }
            Kind::Mask => {
                let bit = |i: usize| bytes[i / 8] as u8 >> (i % 8) & 1 == 1;
                values.masks.insert(t, (0..tensor.shape.len()).map(bit).collect());
            }
            _ => {}
        }
    }
    let state = executor.state();
    if let Some(w) = program.states.iter().find(|s| s.kind == StateKind::HeadWeights) {
        let bytes = &state[w.slot.offset as usize..][..w.slot.bytes as usize];
        values.head = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]]) as f64).collect();
    }
    values.error = executor.error().0.iter().map(|&e| e as f64).collect();
    values
}
