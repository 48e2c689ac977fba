use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{Float64Array, Int8Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use tinytrain_exec::{Augment, Order, PixelChange, Schedule};

use crate::error::Failure;
use crate::program::lock;
use crate::samples::Dataset;
use crate::task::on_thread;
use crate::{Control, Program};

/// Options of a training run.
#[napi(object)]
pub struct TrainerOptions {
    /// The highest learning rate of the head.
    pub head_rate: f64,
    /// The highest learning rate of the backbone.
    pub backbone_rate: f64,
    /// Number of steps of the entire run.
    pub steps: f64,
    /// Seed for the order of samples and for augmentation.
    pub seed: f64,
    /// How samples are changed at random.
    pub augment: Augmentation,
    /// Whether all classes are drawn equally often.
    pub balance: bool,
    /// Training steps on samples of the replay buffer behind each one on a new sample.
    pub replay_steps: u32,
    /// Size limit of the activation cache, in bytes.
    pub cache_bytes: f64,
    /// Number of threads that fill the cache.
    pub threads: u32,
}

/// How samples are changed at random: see `Augment` of `crates/exec`.
#[napi(object)]
pub struct Augmentation {
    /// Mirrors a sample horizontally with probability 1/2.
    pub flip: bool,
    /// Shifts by up to this number of pixels in each direction, or rows of a series.
    pub shift: u32,
    /// Adds noise of this standard deviation, in 1/256 of a step of int8.
    pub noise: u32,
    /// Values in a row of a series; 0 for images.
    pub row: u32,
    /// Least share of an image's area that is enlarged to the whole, in 1/65536; 0 for none.
    pub crop: u32,
    /// How far factors of brightness, contrast and saturation may be from 1, in 1/65536.
    pub jitter: u32,
    /// For crop and jitter, the int8 values of the 256 pixel values, for each channel in turn.
    pub tables: Int8Array,
}

/// What the steps of a run apply.
pub fn augmentation(of: Augmentation) -> Result<Augment> {
    let Augmentation { flip, shift, noise, row, crop, jitter, tables } = of;
    let pixels = if crop.max(jitter) > 0 {
        let change = PixelChange::new(crop, jitter, &tables);
        Some(change.ok_or_else(|| Failure::new("USAGE", "crop, jitter or their tables are no such numbers"))?)
    } else {
        None
    };
    Ok(Augment { pixels: pixels.map(Arc::new), flip, shift: shift as usize, noise, row: row as usize })
}

/// The order of samples, balanced or not.
pub fn order(balance: bool) -> Order {
    if balance { Order::Balanced } else { Order::AsTheyAre }
}

/// The result of a part of a training run.
#[napi(object)]
pub struct TrainingResult {
    /// Steps done.
    pub steps: f64,
    /// Sum of the losses before each update, with 16 fraction bits.
    pub loss: f64,
    /// Number of samples that were classified correctly before their update.
    pub correct: f64,
}

/// The result of an evaluation.
#[napi(object)]
pub struct EvaluationResult {
    /// The predicted class of each sample.
    pub predicted: Uint32Array,
    /// Number of correct predictions.
    pub correct: u32,
    /// Sum of the losses, with 16 fraction bits.
    pub loss: f64,
}

/// The state of a run: everything needed to continue it.
#[napi(object)]
pub struct Checkpoint {
    /// The trainable state.
    pub state: Uint8Array,
    /// Steps done.
    pub steps: f64,
    /// Number of gradient elements that saturated, for each step of the Program.
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
    /// A run that starts from the Program's initial state.
    #[napi(catch_unwind, constructor)]
    pub fn new(program: &Program, samples: &Dataset, options: TrainerOptions) -> Result<Self> {
        let length = program.inner.input.bytes() as usize;
        let options = tinytrain_exec::TrainOptions {
            schedule: Schedule {
                head: options.head_rate,
                backbone: options.backbone_rate,
                steps: options.steps as u64,
            },
            order: order(options.balance),
            replay_steps: options.replay_steps.into(),
            seed: options.seed as u64,
            augment: augmentation(options.augment)?,
            cache_bytes: options.cache_bytes as usize,
            threads: options.threads as usize,
        };
        let trainer = tinytrain_exec::Trainer::new(program.inner.clone(), samples.fitting(length)?, options);
        Ok(Self { inner: Arc::new(Mutex::new(trainer.map_err(Failure::from)?)), length })
    }

    /// Fills the activation cache where that pays off. Without it the first `run` does so.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn prepare<'e>(&self, env: &'e Env, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        on_thread(env, move || Ok(lock(&inner)?.prepare(&control)?))
    }

    /// Trains for up to `steps` further steps. The control can stop it early; the steps done so far remain in effect.
    #[napi(catch_unwind, ts_return_type = "Promise<TrainingResult>")]
    pub fn run<'e>(&self, env: &'e Env, steps: f64, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        on_thread(env, move || {
            let result = lock(&inner)?.run(steps as u64, &control)?;
            Ok(TrainingResult { steps: result.steps as f64, loss: result.loss as f64, correct: result.correct as f64 })
        })
    }

    /// Classifies samples with the current state.
    #[napi(catch_unwind, ts_return_type = "Promise<EvaluationResult>")]
    pub fn evaluate<'e>(&self, env: &'e Env, samples: &Dataset, threads: u32, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        let samples = samples.fitting(self.length)?;
        on_thread(env, move || {
            let result = lock(&inner)?.evaluate(&samples, threads as usize, &control)?;
            Ok(EvaluationResult {
                predicted: result.predicted.into(),
                correct: result.correct as u32,
                loss: result.loss as f64,
            })
        })
    }

    /// The current state of the run.
    #[napi(catch_unwind)]
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let trainer = lock(&self.inner)?;
        let saturated: Vec<f64> = trainer.executor().saturated().iter().map(|&n| n as f64).collect();
        Ok(Checkpoint {
            state: trainer.executor().state().to_vec().into(),
            steps: trainer.steps() as f64,
            saturated: saturated.into(),
        })
    }

    /// Changes the highest rates for the steps to come.
    #[napi(catch_unwind)]
    pub fn set_rates(&self, head: f64, backbone: f64) -> Result<()> {
        lock(&self.inner)?.set_rates(head, backbone);
        Ok(())
    }

    /// Continues from a checkpoint.
    #[napi(catch_unwind)]
    pub fn restore(&self, checkpoint: Checkpoint) -> Result<()> {
        let saturated: Vec<u64> = checkpoint.saturated.iter().map(|&n| n as u64).collect();
        let restored = lock(&self.inner)?.restore(&checkpoint.state, checkpoint.steps as u64, &saturated);
        Ok(restored.map_err(Failure::from)?)
    }

    /// SHA-256 over all trainable state, in hexadecimal.
    #[napi(catch_unwind)]
    pub fn checksum(&self) -> Result<String> {
        Ok(lock(&self.inner)?.checksum())
    }
}
