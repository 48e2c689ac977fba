use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{Float64Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use tinytrain_exec::{Augment, Schedule};

use crate::error::Failure;
use crate::program::lock;
use crate::samples::Dataset;
use crate::task::on_thread;
use crate::{Control, Program};

/// How to train.
#[napi(object)]
pub struct TrainerOptions {
    /// The highest learning rate.
    pub lr: f64,
    /// Steps of the whole run.
    pub steps: f64,
    /// Seed of the order of samples and of augmentation.
    pub seed: f64,
    /// Mirrors every other sample, by chance.
    pub flip: bool,
    /// Shifts by up to so many pixels.
    pub shift: u32,
    /// Bytes for what the frozen prefix makes of the samples.
    pub cache_bytes: f64,
    /// Threads for filling that.
    pub threads: u32,
}

/// What a stretch of training found.
#[napi(object)]
pub struct StretchFound {
    /// Steps done.
    pub steps: f64,
    /// Sum of losses before each update, Q.16.
    pub loss: f64,
    /// How many samples were classified right before their update.
    pub correct: f64,
}

/// What an evaluation found.
#[napi(object)]
pub struct EvaluationFound {
    /// The class of each sample.
    pub predicted: Uint32Array,
    /// How many are right.
    pub correct: u32,
    /// Sum of losses, Q.16.
    pub loss: f64,
}

/// Where a run stands: enough to continue it.
#[napi(object)]
pub struct Checkpoint {
    /// Every trainable byte.
    pub state: Uint8Array,
    /// Steps done.
    pub steps: f64,
    /// Gradient elements that saturated, for each step of the Program.
    pub saturated: Float64Array,
}

/// Trains a Program on samples.
#[napi]
pub struct Trainer {
    inner: Arc<Mutex<tinytrain_exec::Trainer>>,
    length: usize,
}

#[napi]
impl Trainer {
    /// A run from the Program's initial state.
    #[napi(constructor)]
    pub fn new(program: &Program, samples: &Dataset, options: TrainerOptions) -> Result<Self> {
        let length = program.inner.input.slot.bytes as usize;
        let options = tinytrain_exec::TrainOptions {
            schedule: Schedule { peak: options.lr, steps: options.steps as u64 },
            seed: options.seed as u64,
            augment: Augment { flip: options.flip, shift: options.shift as usize },
            cache_bytes: options.cache_bytes as usize,
            threads: options.threads as usize,
        };
        let trainer = tinytrain_exec::Trainer::new(program.inner.clone(), samples.fitting(length)?, options);
        Ok(Self { inner: Arc::new(Mutex::new(trainer.map_err(Failure::from)?)), length })
    }

    /// Runs the frozen layers over the samples, where keeping what they yield pays. Without it the first `run` does so.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn prepare<'e>(&self, env: &'e Env, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        on_thread(env, move || Ok(lock(&inner)?.prepare(&control)?))
    }

    /// Trains for up to so many further steps; a stop through the control ends it early, and the steps done stand.
    #[napi(ts_return_type = "Promise<StretchFound>")]
    pub fn run<'e>(&self, env: &'e Env, steps: f64, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        on_thread(env, move || {
            let found = lock(&inner)?.run(steps as u64, &control)?;
            Ok(StretchFound { steps: found.steps as f64, loss: found.loss as f64, correct: found.correct as f64 })
        })
    }

    /// Classifies samples with the state as it is.
    #[napi(ts_return_type = "Promise<EvaluationFound>")]
    pub fn evaluate<'e>(&self, env: &'e Env, samples: &Dataset, threads: u32, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        let samples = samples.fitting(self.length)?;
        on_thread(env, move || {
            let found = lock(&inner)?.evaluate(&samples, threads as usize, &control)?;
            Ok(EvaluationFound {
                predicted: found.predicted.into(),
                correct: found.correct as u32,
                loss: found.loss as f64,
            })
        })
    }

    /// Where the run stands.
    #[napi]
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let trainer = lock(&self.inner)?;
        let saturated: Vec<f64> = trainer.executor().saturated().iter().map(|&n| n as f64).collect();
        Ok(Checkpoint {
            state: trainer.executor().state().to_vec().into(),
            steps: trainer.visits() as f64,
            saturated: saturated.into(),
        })
    }

    /// Continues from a checkpoint.
    #[napi]
    pub fn restore(&self, checkpoint: Checkpoint) -> Result<()> {
        let saturated: Vec<u64> = checkpoint.saturated.iter().map(|&n| n as u64).collect();
        let restored = lock(&self.inner)?.restore(&checkpoint.state, checkpoint.steps as u64, &saturated);
        Ok(restored.map_err(Failure::from)?)
    }

    /// SHA-256 over every trainable byte, in hexadecimal.
    #[napi]
    pub fn checksum(&self) -> Result<String> {
        Ok(lock(&self.inner)?.checksum())
    }
}
