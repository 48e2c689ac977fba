//! Model and scheme to Program.
//!
//! * [`Compiler`]: a model differentiated and calibrated once, from which the Programs of any number of schemes are made.
//! * [`calibrate()`]: exponents of gradients, from a float64 backward pass over a few samples.
//! * [`float`]: that backward pass.
//! * [`adapted()`]: the model with what a Program has learned.
//!
//! `exec`, which runs Programs, knows nothing of this crate: a Program that was read from a file needs no compiler.

mod adapted;
mod calibrate;
mod compiler;
mod error;
pub mod float;

pub use adapted::adapted;
pub use calibrate::{CALIBRATION_SAMPLES, DEFAULT_EXPONENT, calibrate, read_values};
pub use compiler::{Compiler, ProgramOptions, forward_program, forward_tensors, planner_rounds};
pub use error::CompileError;
pub use tinytrain_lower::Feed;
