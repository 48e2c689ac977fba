//! One measurement of a search: a whole training run and what it then finds on other samples, on one thread.

use std::sync::Arc;

use tinytrain_program::Program;

use crate::{Augment, Control, ExecError, Executor, Kept, SampleSource, Schedule, TrainOptions, Trainer, checksum};

/// Samples, and what may be known of them beforehand.
#[derive(Clone)]
pub struct Known {
    /// The samples.
    pub samples: Arc<dyn SampleSource>,
    /// What frozen steps make of them. Left unused for a Program that it does not serve; changes no bit.
    pub kept: Option<Arc<Kept>>,
}

/// What a trial found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrialFound {
    /// Samples that are classified right after the training.
    pub correct: usize,
    /// Sum of losses on them, Q.16.
    pub loss: i64,
    /// SHA-256 over every trainable byte.
    pub checksum: String,
}

/// Trains a Program from its initial state over a whole schedule and measures it. Runs on the calling thread: trials are what runs side by side.
pub fn trial(
    program: Arc<Program>,
    train: &Known,
    measured: &Known,
    schedule: Schedule,
    seed: u64,
    control: &Control,
) -> Result<TrialFound, ExecError> {
    let options = TrainOptions { schedule, seed, augment: Augment::default(), cache_bytes: 0, threads: 1 };
    let mut trainer = Trainer::new(program, train.samples.clone(), options)?;
    if let Some(kept) = train.kept.as_ref().filter(|k| k.fits(trainer.executor())) {
        trainer.use_kept(kept.clone())?;
    }
    let done = trainer.run(schedule.steps, control)?.steps;
    if done < schedule.steps {
        return Err(ExecError::Aborted(done));
    }
    measure(trainer.executor().clone(), measured, control)
}

fn measure(mut executor: Executor, measured: &Known, control: &Control) -> Result<TrialFound, ExecError> {
    let Known { samples, kept } = measured;
    let kept = kept.as_ref().filter(|k| k.fits(&executor));
    let mut sample = vec![0i8; executor.program().input.slot.bytes as usize];
    let (mut correct, mut loss) = (0, 0);
    for i in 0..samples.len() {
        if control.stopped() {
            return Err(ExecError::Aborted(executor.steps() as u64));
        }
        let label = samples.label(i);
        let found = match kept.and_then(|k| Some((k.steps(), k.sample(i)?))) {
            Some((steps, kept)) => executor.evaluate_kept(steps, kept, label)?,
            None => {
                samples.read(i, &mut sample)?;
                executor.evaluate(&sample, label)?
            }
        };
        correct += usize::from(found.predicted as usize == label);
        loss += i64::from(found.loss);
    }
    Ok(TrialFound { correct, loss, checksum: checksum(executor.state()) })
}
