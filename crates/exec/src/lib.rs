//! Runs a Program on the host: in one arena, at the planned offsets, with the device's bits.
//!
//! * [`Executor`]: one Program in memory of its own; a step, a sample, a training step.
//! * [`Trainer`]: training runs over many samples, evaluation on all cores, checkpoints.
//! * [`trial()`]: a run and its measure on one thread, of which a search makes hundreds.
//!
//! A Program is verified once, when it is loaded ([`Executor::new`]): every operand lies in its region and has the length that its kernel's parameters say,
//! no output of a step overlaps anything else the step touches unless its kernel works in place. After that nothing is checked again.

mod error;
mod executor;
mod fast;
mod kept;
mod memory;
mod samples;
mod schedule;
mod trainer;
mod trial;

pub use error::ExecError;
pub use executor::{Executor, StepResult};
pub use fast::{KERNELS_VARIABLE, chosen_kernels};
pub use kept::Kept;
pub use samples::{Augment, SampleSource, Samples};
pub use schedule::{Schedule, permutation};
pub use tinytrain_kernels::simd::Kernels;
pub use trainer::{Control, Evaluation, Progress, RunReport, TrainOptions, Trainer, checksum, evaluate};
pub use trial::{Known, TrialFound, trial};
