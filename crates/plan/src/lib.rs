//! Static memory allocation: assigns buffers with known lifetimes to fixed offsets in one arena.
//!
//! In a compiled program it is known when each buffer is first written and last read, so nothing has to be allocated at
//! run time. This crate finds the offsets once, such that no two buffers that are live at the same time share a byte
//! and the arena is small. Sizes, offsets and alignments are in bytes; time is counted in steps, and a lifetime is
//! half-open, `[start, end)`. The crate knows nothing about networks; the caller decides what a buffer stands for.
//!
//! Not all bytes of a buffer need to be live all the time: its [`Window`]s say which are live when, and another buffer
//! may use the rest. A tensor that is consumed row by row makes room for the one that is made of it, an operation in
//! place is two windows that interlock. Of two buffers that are live at the same time, one lies below the other at all
//! steps that they share, so a pair comes down to two distances: the least offset of the one above the other, and the
//! other way round. The solver sees only these, and a buffer without windows is nothing special to it.
//!
//! The problem is NP-hard, and plans are needed both once (a build may take seconds) and thousands of times (a search
//! over training schemes has milliseconds for each). The work is therefore done in three parts; the first two stop as
//! soon as the plan reaches the lower bound:
//!
//! 1. *First fit* in a few orders (`first_fit`): each buffer goes to the lowest gap that is large enough. This takes
//!    microseconds and is optimal for most training graphs.
//! 2. *Depth-first search* below a target (`search`): builds plans from the bottom up and abandons a branch as soon as
//!    the items left to place at some step can no longer stay below the target. It is run in many orders and with
//!    different focus, and bisection moves the target. The caller decides how much of this is done ([`PlanOptions`]); it is
//!    counted in units of work rather than in seconds, so a plan is the same on every machine.
//! 3. *Validation* ([`validate`]), always: a sweep over rectangles of time and bytes that shares no code with the
//!    solver. A wrong plan is an error here rather than a corrupted tensor on a device.
//!
//! ```
//! use tinytrain_plan::{Buffer, plan};
//!
//! let buffer = |id, start, end, size| Buffer::whole(id, start, end, size, 4);
//! // The first buffer is dead before the last is born, so they may share bytes.
//! let plan = plan(&[buffer(0, 0, 2, 96), buffer(1, 1, 3, 32), buffer(2, 2, 4, 64)])?;
//! assert_eq!(plan.total, 128);
//! # Ok::<(), tinytrain_plan::PlanError>(())
//! ```

mod csv;
mod error;
mod first_fit;
mod order;
mod problem;
mod search;
mod solver;
mod timeline;
mod validator;

pub use csv::read_csv;
pub use error::PlanError;
pub use problem::{Buffer, Window, lower_bound};
pub use solver::{Plan, PlanOptions, plan, plan_with};
pub use validator::validate;
