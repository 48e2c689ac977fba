//! Runs a Program on the host: in one arena, at the planned offsets, and with the same bits as on the device.
//!
//! * [`Executor`]: one Program in its own memory; runs forward passes and training steps.
//! * [`Trainer`]: training runs over many samples, evaluation on all cores, checkpoints.
//! * [`trial()`]: one complete training run and its evaluation on one thread, of which a search makes hundreds.
//!
//! A Program is verified once, when it is loaded ([`Executor::new`]): every operand lies in its region and has the length that its kernel's parameters imply,
//! and no output of a step overlaps anything else that the step accesses unless its kernel works in place. Nothing is checked after that.

mod augment;
mod cache;
mod error;
mod executor;
mod fast;
mod features;
mod pixels;
mod regions;
mod samples;
mod schedule;
mod trainer;
mod trial;

pub use augment::Augment;
pub use cache::ActivationCache;
pub use error::ExecError;
pub use executor::{Executor, StepResult, Traced};
pub use fast::{KERNELS_VARIABLE, chosen_kernels};
pub use features::feature_power;
pub use pixels::PixelChange;
pub use samples::{SampleSource, Samples};
pub use schedule::{Order, Rates, Schedule, epoch_order, permutation};
pub use tinytrain_kernels::simd::Kernels;
pub use trainer::{Control, Evaluation, Progress, RunReport, TrainOptions, Trainer, checksum, evaluate};
pub use trial::{CachedSamples, TrialOptions, TrialResult, trial};
