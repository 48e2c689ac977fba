//! Boards and cores: what a Program takes on a board, in bytes and instructions, without a compiler.
//!
//! A *board* is a folder of `device/boards`, or one of the user's: `board.toml` says its memories, compiler flags, sources and emulator,
//! `functions.json` holds the frame, size and callees of each function that is the board's own. A *core* is a processor together with compiler flags:
//! `cores/<core>` holds the same of every function that all boards share (`functions.json`, made by `scripts/device-tables.mjs`), and what steps cost
//! in instructions and an instruction in cycles (`costs.json`, made by `scripts/costs.mjs`). There is no number without a core, and a total depends on the board asked for alone.

mod board;
mod calls;
mod core;
mod costs;
mod error;
mod memory;
mod target;

pub use board::{Board, Emulator, FlashTimes, Range, Store};
pub use core::{BoardFunctions, BoardStore, Core, CoreStore, Function};
pub use costs::{ALL_KINDS, CostError, CostTable, Estimate, Span};
pub use error::TargetError;
pub use memory::{MemoryItem, MemoryKind, MemoryTable, RegionTotal, StoreTable, StoreTimes};
pub use target::Target;
