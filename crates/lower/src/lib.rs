//! Turns a scheduled graph into a [`Program`]: steps whose operands are byte offsets. The host executes it, the emitter prints it; neither
//! decides anything about memory or arithmetic any more.
//!
//! A step's arguments stand in the order of its C kernel's parameters. Memory is of three kinds: the arena (activations, masks, gradients, scratch:
//! planned by lifetime), the state (what is trained: permanent), constants (flash).

mod describe;
mod error;
mod lower;
mod program;
mod state;
mod work;

pub use error::LowerError;
pub use lower::{Options, lower};
pub use program::{Arg, Const, Data, Frontier, Init, Kernel, Placed, Program, Region, Slot, State, StateKind, Step};
pub use work::{TERMS, Work};
