//! The memory of a Program on a board, item by item.
//!
//! SRAM is exact: everything in it is laid out by the plan, by the emitted context, or (the stack) reserved by the linker script because this module
//! says so. Flash is exact for constants and parameters and an upper bound for code, whose sizes were measured once, function by function.

use std::collections::BTreeSet;

use serde::Serialize;
use tinytrain_program::{COUNTERS_BYTES, Init, Program, StateKind, Step, Stream};

use crate::Store;

/// Code of one argument of a step, of its call, and of a step's beginning, at most.
const ARGUMENT_CODE: u32 = 14;
const CALL_CODE: u32 = 24;
/// Code of a loop, of one of its parts beside its call (a copy of its parameters), and of a number that varies, at most.
const LOOP_CODE: u32 = 64;
const TURN_CODE: u32 = 48;
const VARYING_CODE: u32 = 24;
/// Code that fills one state tensor at the start.
const INIT_CODE: u32 = 20;
/// The Program's hash.
const HASH_BYTES: u32 = 32;
/// An entry of the tables of constants and of initial values, for their checksums; and the two checksums.
const SPAN_BYTES: u32 = 8;
const CHECKSUM_BYTES: u32 = 8;
/// An entry of the table of what the replay buffer keeps of a sample; its length.
const LIVE_BYTES: u32 = 8;
const LIVE_COUNT_BYTES: u32 = 4;
/// One table of pixel values.
const PIXEL_TABLE_BYTES: u32 = 256;
/// Around the state in a saved one (`TT_SAVED_BYTES`), and around that in a record of `tt_store` (`TT_STORE_RECORD_BYTES`).
const SAVED_FRAME: u32 = 84;
const RECORD_FRAME: u32 = 24;
const WORD: u32 = 4;

/// Which memory an item lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// RAM.
    Sram,
    /// Flash.
    Flash,
}

/// One line of a memory table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryItem {
    /// For people and for tools: stable.
    pub name: &'static str,
    /// Which memory.
    pub region: MemoryKind,
    /// Its size.
    pub bytes: u32,
    /// Whether `bytes` is exact; otherwise it is an upper bound.
    pub exact: bool,
}

/// Required and available bytes of one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegionTotal {
    /// Bytes required.
    pub total: u32,
    /// Bytes available on the board.
    pub available: u32,
}

/// The memory a Program takes on a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryTable {
    /// The board.
    pub target: String,
    /// RAM in all, the stack included.
    pub sram: RegionTotal,
    /// Flash in all.
    pub flash: RegionTotal,
    /// The stack, which is one of the items.
    pub stack: u32,
    /// No arena can be smaller than this: the most bytes of it that live at once.
    pub bound: u32,
    /// The calls it is reserved for, outermost first.
    pub stack_path: Vec<String>,
    /// All items.
    pub items: Vec<MemoryItem>,
    /// What is kept over a reset; none in a firmware without a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreTable>,
}

/// Saved states in flash.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreTable {
    /// Sectors.
    pub sectors: u32,
    /// Bytes of each.
    pub sector_bytes: u32,
    /// Bytes of a saved state in flash.
    pub record_bytes: u32,
    /// Saved states that all sectors hold: each sector is erased once in as many saves.
    pub records: u32,
    /// What is known of their times.
    pub times: Option<StoreTimes>,
}

/// How long a save takes, and how many there can be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreTimes {
    /// Seconds in which a save is programmed: typically, and at most.
    pub save: [f64; 2],
    /// Seconds that a save takes in addition where a sector must be erased first.
    pub erase: [f64; 2],
    /// How often a sector may be erased.
    pub cycles: u32,
    /// Where that is from.
    pub source: String,
}

/// The store of a board for the states of a Program.
///
/// # Errors
/// The bytes of a saved state where it is larger than a sector.
pub(crate) fn store_table(store: &Store, program: &Program) -> Result<StoreTable, u32> {
    let record_bytes = (program.state_bytes + SAVED_FRAME).next_multiple_of(WORD) + RECORD_FRAME;
    let places = store.sector / record_bytes;
    if places == 0 {
        return Err(record_bytes);
    }
    let words = f64::from(record_bytes / WORD);
    let times = store.times.as_ref().map(|t| StoreTimes {
        save: t.program_us.map(|us| words * f64::from(us) / 1e6),
        erase: t.erase_ms.map(|ms| f64::from(ms) / 1e3),
        cycles: t.cycles,
        source: t.source.clone(),
    });
    Ok(StoreTable {
        sectors: store.sectors,
        sector_bytes: store.sector,
        record_bytes,
        records: places * store.sectors,
        times,
    })
}

/// Everything in RAM: the context (arena, state, counters), the protocol and the store beside it, the stack.
pub(crate) fn sram_items(program: &Program, protocol: u32, store: u32, stack: u32) -> [MemoryItem; 12] {
    let sram = |name, bytes| MemoryItem { name, region: MemoryKind::Sram, bytes, exact: true };
    let of = |kinds: &[StateKind]| kinds.iter().map(|&k| program.state_bytes_of(k)).sum::<u32>();
    let weights = of(&[StateKind::Weights]);
    let residuals = of(&[StateKind::Residuals]);
    let biases = of(&[StateKind::Biases]);
    let head = of(&[StateKind::HeadWeights, StateKind::HeadBiases]);
    let replay = of(&[StateKind::ReplaySamples, StateKind::ReplayTags, StateKind::ReplayCounts]);
    // The protocol and the store lie behind the context; the whole is a multiple of 8.
    let whole = (program.context_bytes() + protocol + store).next_multiple_of(8);
    let known = program.arena_bytes + weights + residuals + biases + head + replay + COUNTERS_BYTES + protocol + store;
    [
        sram("arena", program.arena_bytes),
        sram("trained weights", weights),
        sram("residual bits", residuals),
        sram("trained biases", biases),
        sram("head", head),
        sram("replay buffer", replay),
        sram("counters", COUNTERS_BYTES),
        sram("protocol", protocol),
        sram("store", store),
        sram("alignment", whole - known),
        sram("data and bss of board", 0),
        sram("stack", stack),
    ]
}

/// Everything in flash; `code` is that of kernels and board, `saved` are the bytes that are kept free for saved states.
pub(crate) fn flash_items(program: &Program, pixel_tables: u32, code: u32, saved: u32) -> [MemoryItem; 6] {
    let flash = |name, bytes, exact| MemoryItem { name, region: MemoryKind::Flash, bytes, exact };
    let up4 = |n: usize| (n as u32).next_multiple_of(4);
    let constants = program.consts.iter().map(|c| up4(c.data.bytes())).sum();
    let filled = || program.states.iter().filter(|s| s.init != Init::Zero);
    let initial = filled().map(|s| s.slot.bytes.next_multiple_of(4)).sum();
    // Both tables have an entry that ends them.
    let spans = (program.consts.len() + filled().count() + 2) as u32;
    let checksums = SPAN_BYTES * spans + CHECKSUM_BYTES;
    let replay = program.replay().map_or(0, |r| LIVE_BYTES * r.boundary.live.len() as u32 + LIVE_COUNT_BYTES);
    let parameters = parameter_bytes(program) + replay + PIXEL_TABLE_BYTES * pixel_tables + HASH_BYTES + checksums;
    [
        flash("constants", constants, true),
        flash("initial state", initial, true),
        flash("parameters", parameters, true),
        flash("code of the model", model_code(program), false),
        flash("code of kernels and board", code, false),
        flash("saved states", saved, true),
    ]
}

/// The steps that stand in C: of a loop, the first turn of each part.
fn written<'p>(program: &'p Program, loops: &[Stream]) -> impl Iterator<Item = &'p Step> {
    let mut firsts: Vec<bool> = vec![true; program.steps.len()];
    for stream in loops {
        firsts[stream.start..stream.end].fill(false);
        stream.parts.iter().filter_map(|part| part.step).for_each(|step| firsts[step] = true);
    }
    program.steps.iter().zip(firsts).filter(|(_, first)| *first).map(|(step, _)| step)
}

/// Bytes of a kernel's constant parameters, once for each that differs, and of the tables of loops.
fn parameter_bytes(program: &Program) -> u32 {
    let loops = program.loops();
    let mut seen = BTreeSet::new();
    let mut sum: u32 = loops.iter().map(|s| (s.turns.len() as u32).next_multiple_of(4)).sum();
    // The length of a turn in which a row comes in.
    sum += if program.input.rows().is_empty() { 0 } else { 4 };
    for step in written(program, &loops) {
        step.call.params(&mut |_, value| {
            if seen.insert(format!("{value:?}")) {
                sum += value.flash_bytes();
            }
        });
    }
    sum
}

/// At most what the emitted steps compile to.
fn model_code(program: &Program) -> u32 {
    let loops = program.loops();
    let step = |s: &Step| CALL_CODE + ARGUMENT_CODE * (s.call.kernel().spec().operands.len() as u32 + 2);
    let steps: u32 = written(program, &loops).map(step).sum();
    let parts = loops.iter().flat_map(|s| &s.parts).map(|p| TURN_CODE + VARYING_CODE * p.varying.len() as u32);
    let turns = loops.len() as u32 * LOOP_CODE + parts.sum::<u32>();
    let functions = if program.replay.is_some() { 6 } else { 5 };
    steps + turns + program.states.len() as u32 * INIT_CODE + functions * CALL_CODE
}
