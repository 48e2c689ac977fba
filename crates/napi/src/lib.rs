//! The N-API layer of tinytrain: conversions, tasks off the main thread, errors. It contains no arithmetic and no policy.
//!
//! JavaScript holds opaque handles ([`Model`], [`Compiler`], [`Program`], [`Session`], [`Trainer`], [`SampleStore`], [`Dataset`],
//! [`ActivationCache`]) to values of the other crates. Long work runs on its own thread rather than in Node's pool, where a few tasks would block
//! every file operation of the process; a [`Control`] stops and monitors it. An error reaches JavaScript as one JSON text
//! `{code, message, details}`, which `ts/native.ts` turns into a `TinytrainError`.

// The attribute macros of napi-rs expand to `unsafe`; this crate contains no other unsafe code.
#![allow(unsafe_code)]

mod camera;
mod error;
mod export;
mod lock;
mod model;
mod program;
mod quantise;
mod samples;
mod search;
mod series;
mod target;
mod task;
mod trainer;

pub use camera::{CameraView, camera_sample, check_camera};
pub use export::{export_npz, export_tflite};
pub use lock::{FileLock, lock_file};
pub use model::{KernelSelection, Model, input_tables, kernels, supported_operators};
pub use program::{Compiler, Program, Session, learning_rate};
pub use quantise::{FloatInput, FloatModel, QuantisedFile};
pub use samples::{Dataset, SampleStore};
pub use search::{ActivationCache, candidate_costs, feature_power, frozen_steps, trial};
pub use series::{
    MelFront, MelTables, MicroFront, MicroGain, MicroTables, SeriesColumn, mel_features, mel_tables, micro_features,
    micro_tables, series_columns, series_quantised,
};
pub use target::{board, board_in, built_in_costs, check_costs, core_table, stand_in, target_names, work_kinds};
pub use task::Control;
pub use trainer::Trainer;
