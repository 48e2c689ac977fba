//! Runs a Program on the host: in one arena, at the planned offsets, and with the same bits as on the device.
//!
//! * [`Executor`]: one Program in its own memory; runs forward passes and training steps.
//! * [`calibrate()`]: exponents of gradients, from a float64 backward pass over a few samples.
//! * [`Compiler`]: model to Program.
//! * [`Trainer`]: training runs over many samples, evaluation on all cores, checkpoints.
//! * [`trial()`]: one complete training run and its evaluation on one thread, of which a search makes hundreds.
//!
//! A Program is checked once, when it is loaded ([`Executor::new`]): every slot lies in its region, and no output of a step overlaps
//! anything else that the step accesses unless its kernel works in place. Nothing is checked after that.

mod cache;
mod calibrate;
mod compile;
mod error;
mod executor;
mod fast;
pub mod float;
mod memory;
mod samples;
mod schedule;
mod trainer;
mod trial;

pub use cache::ActivationCache;
pub use calibrate::{CALIBRATION_SAMPLES, DEFAULT_EXPONENT, calibrate, read_values};
pub use compile::{Compiler, forward_program, forward_tensors};
pub use error::ExecError;
pub use executor::{Executor, StepResult};
pub use fast::{KERNELS_VARIABLE, chosen_kernels};
pub use samples::{Augment, SampleSource, Samples};
pub use schedule::{Schedule, permutation};
pub use tinytrain_kernels::simd::Kernels;
pub use trainer::{Control, Evaluation, Progress, RunReport, TrainOptions, Trainer, checksum, evaluate};
pub use trial::{CachedSamples, TrialResult, trial};
