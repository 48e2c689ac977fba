//! Boards and cores.

use std::path::Path;

use napi::Result;
use napi_derive::napi;
use serde_json::{Value, json};
use tinytrain_program::Program;
use tinytrain_target::{Core, CostTable, Estimate, Span, Target};

use crate::error::Failure;

/// A board, as its `board.toml` describes it.
#[napi(object)]
pub struct Board {
    /// Its name, which is that of its folder.
    pub name: String,
    /// Its name, for people to read.
    pub title: String,
    /// Its core, which selects the tables used for planning.
    pub core: String,
    /// The folder of a user's board; none for a shipped one.
    pub folder: Option<String>,
    /// Compiler and linker flags that select the core.
    pub flags: Vec<String>,
    /// C files: `common/NAME.c`, or `NAME.c` of its own folder.
    pub sources: Vec<String>,
    /// Cycles of its core per second.
    pub clock_hz: u32,
    /// The memory for code and constants.
    pub flash: AddressRange,
    /// The memory for everything else.
    pub sram: AddressRange,
    /// The beginning of `sram` that the core reaches without wait states and without a cache.
    pub fast: Option<AddressRange>,
    /// Shell commands that write a firmware to the board, the preferred one first; `{elf}` and `{bin}` stand for the files.
    pub flash_commands: Vec<String>,
    /// Its emulation in QEMU.
    pub emulator: Option<Emulator>,
    /// Where it can keep what was learned.
    pub store: Option<BoardStore>,
}

/// Sectors of flash for saved states.
#[napi(object)]
pub struct BoardStore {
    /// The first address.
    pub origin: u32,
    /// Bytes of a sector.
    pub sector: u32,
    /// Number of sectors.
    pub sectors: u32,
    /// Where a firmware lies, but for its vector table, if the store is amid `flash`.
    pub firmware: Option<AddressRange>,
    /// C files that implement `tt_flash.h`, named like those of the board.
    pub sources: Vec<String>,
    /// Bytes of `flash` that a firmware cannot use because of it.
    pub within_flash: u32,
}

/// A range of addresses.
#[napi(object)]
pub struct AddressRange {
    /// The first address.
    pub origin: u32,
    /// Bytes.
    pub length: u32,
}

/// The emulation of a board in QEMU.
#[napi(object)]
pub struct Emulator {
    /// `-M`
    pub machine: String,
    /// An instruction takes 2^shift ns of the time counted by the board's clock.
    pub icount_shift: u32,
    /// The word that tells the board to use semihosting.
    pub mailbox: Option<u32>,
}

impl Board {
    fn new(name: &str, folder: Option<&Path>, board: &tinytrain_target::Board) -> Self {
        let range = |r: tinytrain_target::Range| AddressRange { origin: r.origin, length: r.length };
        Self {
            name: name.into(),
            title: board.title.clone(),
            core: board.core.clone(),
            folder: folder.map(|f| f.display().to_string()),
            flags: board.flags.clone(),
            clock_hz: board.clock_hz,
            sources: board.sources.clone(),
            flash: range(board.flash),
            sram: range(board.sram),
            fast: board.fast.map(range),
            flash_commands: board.flash_commands.clone(),
            emulator: board.emulator.as_ref().map(|e| Emulator {
                machine: e.machine.clone(),
                icount_shift: e.icount_shift,
                mailbox: e.mailbox,
            }),
            store: board.store.as_ref().map(|s| BoardStore {
                origin: s.origin,
                sector: s.sector,
                sectors: s.sectors,
                firmware: s.firmware.map(range),
                sources: s.sources.clone(),
                within_flash: s.within(board.flash),
            }),
        }
    }

    fn of(target: &Target) -> Self {
        Self::new(target.name(), target.folder(), target.board())
    }
}

pub(crate) fn named(target: &str) -> std::result::Result<Target, Failure> {
    Ok(Target::named(target)?)
}

/// A board for firmwares that keep what was learned, or for those that do not.
pub(crate) fn keeping(target: Target, store: bool) -> std::result::Result<Target, Failure> {
    if store { Ok(target.with_store()?) } else { Ok(target) }
}

/// Names of the shipped boards.
#[napi(catch_unwind)]
pub fn target_names() -> Vec<String> {
    Target::names().into_iter().map(String::from).collect()
}

/// A shipped board, given by its name, or a user's board, given by the path of its folder.
#[napi(catch_unwind)]
pub fn board(target: String) -> Result<Board> {
    Ok(Board::of(&named(&target)?))
}

/// The board that QEMU emulates in place of the given one: itself, or a shipped one with the same core.
#[napi(catch_unwind)]
pub fn stand_in(target: String) -> Result<Option<Board>> {
    Ok(named(&target)?.stand_in().map(|t| Board::of(&t)))
}

/// The SRAM that a Program may take on a board.
#[napi(object)]
pub struct SramLimit {
    /// The board.
    pub target: String,
    /// Bytes, the stack included.
    pub bytes: u32,
    /// Whether the firmware has a store.
    pub store: bool,
}

/// A Program whose arena is what a limit on all of SRAM leaves to it, if it can be. `compile` yields it for a limit of the arena.
///
/// # Errors
/// Those of `compile` and of the memory table.
pub(crate) fn within<E>(
    target: &Target,
    limit: u32,
    compile: impl Fn(Option<u32>) -> std::result::Result<Program, E>,
) -> std::result::Result<Program, Failure>
where
    Failure: From<E>,
{
    let rest = |program: &Program| -> std::result::Result<u32, Failure> {
        Ok(target.memory(program, 0)?.sram.total - program.arena_bytes)
    };
    let mut program = compile(Some(limit))?;
    let mut counted = 0;
    // What is not arena hardly depends on how the forward pass runs: calls over rows may take a little more stack.
    loop {
        let rest = rest(&program)?;
        if rest <= counted || rest + program.arena_bytes <= limit {
            break;
        }
        counted = rest;
        program = compile(Some(limit.saturating_sub(rest)))?;
    }
    Ok(program)
}

/// The board that a folder describes, whether or not there are tables to plan with.
#[napi(catch_unwind)]
pub fn board_in(folder: String) -> Result<Board> {
    let path = Path::new(&folder);
    let (name, board) = Target::board_in(path).map_err(Failure::from)?;
    Ok(Board::new(&name, Some(path), &board))
}

/// The table of a shipped core, as stored in its file; none for a core that is not shipped.
#[napi(catch_unwind)]
pub fn core_table(core: String) -> Option<String> {
    Core::shipped_text(&core).map(String::from)
}

/// The cost table of a board's core, with the entries of a table in JSON replacing its own.
pub(crate) fn costs(target: &Target, text: Option<&str>) -> std::result::Result<CostTable, Failure> {
    Ok(target.costs(text.map(CostTable::parse).transpose()?)?)
}

/// Milliseconds of cycles on a board.
pub(crate) fn milliseconds(target: &Target, cycles: Span) -> Span {
    cycles.times(1e3 / f64::from(target.board().clock_hz))
}

/// What a Program takes on a board: `instructions` and `time` of a prediction and of a training step, and of each step. `time` is null where no cycles
/// are known of the core.
pub(crate) fn estimate(target: &Target, costs: &CostTable, program: &Program) -> std::result::Result<Value, Failure> {
    let time = |e: &Estimate| e.cycles.map(|cycles| milliseconds(target, cycles));
    let source = if costs.measured() { "measured" } else { "modelled" };
    let clock = target.board().clock_hz;
    let timed = |e: &Estimate| time(e).map(|ms| json!({ "milliseconds": ms, "clockHz": clock, "source": source }));
    let (inference, step) = (costs.inference(program)?, costs.training_step(program)?);
    let steps = program.work().into_iter().map(|work| {
        let found = costs.estimate(&work)?;
        Ok(json!({ "kind": work.kind, "instructions": found.instructions.round(), "milliseconds": time(&found) }))
    });
    let steps = steps.collect::<std::result::Result<Vec<_>, Failure>>()?;
    let instructions = json!({ "inference": inference.instructions.round(), "trainStep": step.instructions.round() });
    let times = timed(&inference).zip(timed(&step)).map(|(i, s)| json!({ "inference": i, "trainStep": s }));
    Ok(json!({ "instructions": instructions, "time": times, "steps": steps }))
}

/// Throws if `text` is not a cost table.
#[napi(catch_unwind)]
pub fn check_costs(text: String) -> Result<()> {
    CostTable::parse(&text).map_err(Failure::from)?;
    Ok(())
}

/// The cost table of a board's core as JSON: for each kind the instructions per call, per gathered element, per output element and per product. It is
/// empty if the core was never measured.
#[napi(catch_unwind)]
pub fn built_in_costs(target: String) -> Result<String> {
    Ok(json!(named(&target)?.shipped_costs()).to_string())
}

/// All kinds of work that a complete table of costs has; the last is what belongs to no step.
#[napi(catch_unwind)]
pub fn work_kinds() -> Vec<String> {
    tinytrain_program::kinds()
}
