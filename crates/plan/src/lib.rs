//! Static memory allocation: buffers with known lifetimes go to fixed offsets in one arena.
//!
//! A compiled program knows when each of its buffers is born and when it dies. So nothing need be allocated at run
//! time: this crate finds offsets, once, such that no two buffers that are live together share a byte, and such that
//! the arena is small. Sizes, offsets and alignments are bytes; time is counted in steps, and a lifetime is half-open,
//! `[start, end)`. The crate knows nothing of networks; whoever calls it says what the buffers are.
//!
//! The problem is NP-hard, and the plan is asked for both once (a build may take seconds) and thousands of times (a
//! search over training schemes has milliseconds). So the work comes in three parts, each stopping as soon as the plan
//! meets the lower bound, below which no plan can be:
//!
//! 1. *First fit* in a few orders (`first_fit`): each buffer goes to the lowest gap that holds it. Takes microseconds
//!    and is optimal for most training graphs.
//! 2. *Depth-first search* beneath a target (`search`): fills memory from the bottom up and drops a branch as soon as
//!    what is left to place at some step cannot stay beneath the target. It is steered by the same kind of order, and
//!    the target is moved by bisection. How much of this is done is the caller's choice ([`Options`]); it is counted
//!    in steps of work and never in seconds, so a plan is the same on every machine.
//! 3. *Validation* ([`validate`]), always: a check of all pairs that shares nothing with the solver. A wrong plan is
//!    an error here rather than a corrupted tensor on a device.
//!
//! ```
//! use tinytrain_plan::{Buffer, plan};
//!
//! let buffer = |id, start, end, size| Buffer { id, start, end, size, align: 4 };
//! // The first buffer is dead when the last is born: they may share bytes.
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
pub use problem::{Buffer, lower_bound};
pub use solver::{Options, Plan, plan, plan_with};
pub use validator::validate;
