//! The N-API layer of tinytrain: conversions, tasks off the main thread, errors. No arithmetic and no policy.
//!
//! What JavaScript holds are opaque handles ([`Model`], [`Compiler`], [`Program`], [`Session`], [`Trainer`], [`SampleStore`], [`Dataset`],
//! [`Kept`]) around values of the other crates. Long work runs on a thread of its own, not on Node's pool, where a few of them would hold up every
//! file operation of the process; it is stopped and watched through a [`Control`]. An error reaches JavaScript as one JSON text
//! `{code, message, details}`, which `ts/native.ts` turns into a `TinytrainError`.

// The attribute macros of napi-rs expand to `unsafe`; this crate has none of its own.
#![allow(unsafe_code)]

mod error;
mod model;
mod program;
mod samples;
mod search;
mod task;
mod trainer;

pub use model::{KernelsFound, Model, input_tables, kernels, supported_operators};
pub use program::{Compiler, Program, Session, learning_rate, target_names};
pub use samples::{Dataset, SampleStore};
pub use search::{Kept, built_in_costs, candidate_costs, check_costs, frozen_steps, trial};
pub use task::Control;
pub use trainer::Trainer;
