//! Turns a scheduled graph into a [`Program`](tinytrain_program::Program): nodes become calls of the kernel table, tensors become buffers, the planner
//! finds their places.
//!
//! * `lower`: node by node; `conv`, `head`, `movement`: those that take more than a line.
//! * `blocks`: buffers of the arena by lifetime, what is computed in place, the plan.
//! * `storage`: constants and trainable tensors.

mod blocks;
mod conv;
mod error;
mod head;
mod lower;
mod movement;
mod storage;

pub use error::LowerError;
pub use lower::{Options, lower};
