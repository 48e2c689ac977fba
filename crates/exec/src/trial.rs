//! One measurement of a search: a complete training run and its accuracy on other samples, on one thread.

use std::sync::Arc;

use tinytrain_program::Program;

use crate::{
    ActivationCache, Augment, Control, ExecError, Executor, Order, SampleSource, Schedule, TrainOptions, Trainer,
    checksum,
};

/// Samples, with an activation cache if there is one.
#[derive(Clone)]
pub struct CachedSamples {
    /// The samples.
    pub samples: Arc<dyn SampleSource>,
    /// Their activation cache. Not used for a Program that it does not fit; does not affect results.
    pub cache: Option<Arc<ActivationCache>>,
}

/// What determines a trial besides Program and samples.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// Learning rates and number of steps.
    pub schedule: Schedule,
    /// Order of the samples.
    pub order: Order,
    /// Augmentation.
    pub augment: Augment,
    /// Seed of the order of samples and of augmentation.
    pub seed: u64,
}

/// The result of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialResult {
    /// Number of samples classified correctly after training.
    pub correct: usize,
    /// Sum of their losses, with 16 fraction bits.
    pub loss: i64,
    /// SHA-256 over all trainable state.
    pub checksum: String,
}

/// Trains a Program from its initial state for a complete schedule and then measures it. Runs on the calling thread: a search runs trials in
/// parallel.
pub fn trial(
    program: Arc<Program>,
    train: &CachedSamples,
    measured: &CachedSamples,
    options: TrialOptions,
    control: &Control,
) -> Result<TrialResult, ExecError> {
    let TrialOptions { schedule, order, augment, seed } = options;
    let options = TrainOptions { schedule, order, replay_steps: 0, seed, augment, cache_bytes: 0, threads: 1 };
    let mut trainer = Trainer::new(program, train.samples.clone(), options)?;
    // Nothing here is trained on again.
    trainer.keep(false);
    if let Some(cache) = train.cache.as_ref().filter(|c| trainer.steps_in(c).is_some()) {
        trainer.use_cache(cache.clone())?;
    }
    let steps = schedule.steps;
    let done = trainer.run(steps, control)?.steps;
    if done < steps {
        return Err(ExecError::Aborted(done));
    }
    measure(trainer.executor().clone(), measured, control)
}

fn measure(mut executor: Executor, measured: &CachedSamples, control: &Control) -> Result<TrialResult, ExecError> {
    let CachedSamples { samples, cache } = measured;
    let cache = cache.as_ref().and_then(|c| Some((c.steps(&executor)?, c)));
    let mut sample = vec![0i8; executor.program().input.bytes() as usize];
    let (mut correct, mut loss) = (0, 0);
    for i in 0..samples.len() {
        if control.stopped() {
            return Err(ExecError::Aborted(executor.steps() as u64));
        }
        let label = samples.label(i);
        let result = match cache.and_then(|(steps, c)| Some((steps, c.sample(i)?))) {
            Some((steps, activations)) => executor.evaluate_from_prefix(steps, activations, label)?,
            None => {
                samples.read(i, &mut sample)?;
                executor.evaluate(&sample, label)?
            }
        };
        correct += usize::from(result.predicted as usize == label);
        loss += i64::from(result.loss);
    }
    Ok(TrialResult { correct, loss, checksum: checksum(executor.state()) })
}
