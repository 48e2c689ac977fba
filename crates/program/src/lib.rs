//! The Program: what a model, a scheme and a plan become. Steps whose operands are bytes at fixed places, the constants they read, the state they train.
//! The host executes it, the emitter prints it as C; neither decides anything about memory or arithmetic any more.
//!
//! Memory is of three kinds: the arena (activations, masks, gradients, scratch: planned by lifetime), the state (what is trained: permanent) and
//! constants (flash). A step is a [`Call`](tinytrain_spec::kernels::Call) of the kernel table over [`Operand`]s.
//!
//! * [`Program`]: the value.
//! * [`Program::to_bytes`], [`Program::from_bytes`]: the value as a file, versioned, with a hash over its content (`docs/program.md`).
//! * [`Program::verify`]: whether a runtime may execute it without looking again. A file is trusted for nothing: reading one ends with the verifier.
//! * [`Program::plain`]: the value without formats that only the device's kernels read.
//! * [`record`]: the value as plain data for what prints it.

mod file;
mod plain;
mod program;
pub mod record;
mod stream;
mod verify;
mod work;

pub use file::{FileError, VERSION};
pub use program::{
    Boundary, COUNTERS_BYTES, Const, Data, Init, Input, Operand, Piece, Placed, Plan, Program, Purpose, Region, Replay,
    SamplePlace, SampleRow, Slot, State, StateKind, Step, TensorNumber, Window,
};
pub use stream::{CallNumber, Part, Stream, Varying};
pub use verify::VerifyError;
pub use work::{REST, TERMS, Work, kinds};
