//! Runs a Program on the host: in one arena, at the planned offsets, with the device's bits.
//!
//! * [`Executor`]: one Program in memory of its own; a step, a sample, a training step.
//! * [`calibrate()`]: exponents of gradients, from a float64 backward pass over a few samples.
//! * [`Compiler`]: model to Program.
//! * [`Trainer`]: training runs over many samples, evaluation on all cores, checkpoints.
//! * [`trial()`]: one whole run and its measure on one thread, of which a search makes hundreds.
//!
//! A Program is data of ours, checked once when it is loaded ([`Executor::new`]): every slot lies in its region, no output of a step overlaps
//! anything else the step touches unless its kernel works in place. After that nothing is checked again.

mod calibrate;
mod compile;
mod error;
mod executor;
mod fast;
pub mod float;
mod kept;
mod memory;
mod samples;
mod schedule;
mod trainer;
mod trial;

pub use calibrate::{CALIBRATION_SAMPLES, DEFAULT_EXPONENT, calibrate, read_values};
pub use compile::{Compiler, forward_program, forward_tensors};
pub use error::ExecError;
pub use executor::{Executor, StepResult};
pub use fast::{KERNELS_VARIABLE, chosen_kernels};
pub use kept::Kept;
pub use samples::{Augment, SampleSource, Samples};
pub use schedule::{Schedule, permutation};
pub use tinytrain_kernels::simd::Kernels;
pub use trainer::{Control, Evaluation, Progress, RunReport, TrainOptions, Trainer, checksum, evaluate};
pub use trial::{Known, TrialFound, trial};
