use std::sync::{Arc, Mutex};

use tinytrain_program::{Boundary, TensorNumber};

use crate::{Control, ExecError, Executor, SampleSource, trainer};

/// The activation cache: the activations of a set of samples after the frozen steps that precede all training, computed once. It can be used by every
/// Program of the same model that trains nothing in these steps.
pub struct ActivationCache {
    tensors: Vec<TensorNumber>,
    bytes: usize,
    data: Vec<i8>,
}

impl ActivationCache {
    /// Runs the first `steps` steps for the first samples, as many as fit into `limit` bytes, on several threads. `None` if stopped.
    pub fn compute(
        executor: &Executor,
        steps: usize,
        samples: &Arc<dyn SampleSource>,
        limit: usize,
        threads: usize,
        control: &Control,
    ) -> Result<Option<Self>, ExecError> {
        let program = executor.program().clone();
        let boundary = program.boundary(steps).ok_or(ExecError::Usage("not all of these steps are frozen"))?;
        let bytes = program.boundary_bytes(boundary);
        let count = samples.len().min(limit / bytes.max(1));
        control.start(count as u64);
        let mut data = vec![0i8; count * bytes];
        let places: Mutex<Vec<(usize, &mut [i8])>> =
            Mutex::new(data.chunks_exact_mut(bytes.max(1)).enumerate().rev().collect());
        trainer::parallel(executor, threads, |executor| {
            let mut sample = vec![0i8; program.input.bytes() as usize];
            let mut activations = Vec::with_capacity(bytes);
            while !control.stopped() {
                let next = places.lock().unwrap_or_else(|e| e.into_inner()).pop();
                let Some((i, place)) = next else { break };
                samples.read(i, &mut sample)?;
                activations.clear();
                executor.prefix(steps, &sample, &mut activations)?;
                place.copy_from_slice(&activations);
                control.advance();
            }
            Ok(())
        })?;
        drop(places);
        let tensors = boundary.live.iter().map(|(t, _)| *t).collect();
        Ok((!control.stopped()).then_some(Self { tensors, bytes, data }))
    }

    /// How many first steps of a Program the cache makes unnecessary: those up to the boundary that it was computed for. None for a Program that cannot
    /// start there: of another model, one that trains something before, or one that runs other nodes together.
    pub fn steps(&self, executor: &Executor) -> Option<usize> {
        let program = executor.program();
        let same =
            |b: &&Boundary| b.live.iter().map(|(t, _)| t).eq(&self.tensors) && program.boundary_bytes(b) == self.bytes;
        program.boundaries.iter().find(same).map(|b| b.steps)
    }

    /// The cached activations of sample `i`, if they fitted into the limit.
    pub fn sample(&self, i: usize) -> Option<&[i8]> {
        self.data.get(i * self.bytes..(i + 1) * self.bytes)
    }
}
