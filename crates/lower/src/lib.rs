//! Turns a scheduled graph into a [`Program`](tinytrain_program::Program): nodes become calls of the kernel table, tensors become buffers, the planner
//! finds their places.
//!
//! * `lower`: node by node; `conv`, `head`, `movement`: those that take more than a line.
//! * `blocks`: steps on whole tensors, and the buffers these share where a step works in place.
//! * `unit`, `group`: nodes that run over some rows of their output, and groups of them that run together.
//! * `cut`: which groups, so that the arena keeps to a limit at the least cost in instructions.
//! * `lives`, `steps`: the live bytes of each buffer at each step, and the plan; `place`: the whole or a cut one, as the limit asks.
//! * `fit`: after planning, the device's kernels, formats of weights and scratch.
//! * `storage`: constants and trainable tensors.
//!
//! **Steps over rows.** The arena of a network that sees images is one early layer. Every windowed op is therefore also an op over some rows of its output
//! (`spec::rows`): an ordinary call with other sizes, so no kernel knows of it. A group of consecutive nodes can take turns, a few rows each; a tensor that
//! only the group knows needs but the rows that are still read (lines), and a tensor between groups takes bytes as its rows are made and gives them back as
//! they are used. Lines slide (their rows move to the beginning) rather than being rings, which every kernel would have to know. Ops that sum over pixels
//! end a group; in the backward pass, where such sums stand behind every gradient, a group is the input gradient of one convolution. The planner sees
//! windows, the live bytes of each buffer at each step; in place, one tensor growing into another that shrinks, and lines between them are all the same
//! inequality there. Calls over rows take a little longer, so a Program is cut only as far as its limit asks for.

mod blocks;
mod conv;
mod cut;
mod error;
mod fit;
mod group;
mod head;
mod lives;
mod lower;
mod movement;
mod place;
mod steps;
mod storage;
mod unit;

pub use error::LowerError;
pub use lower::{Feed, LowerOptions, lower};
