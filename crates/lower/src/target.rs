//! What a Program takes on a board, item by item, without a compiler.
//!
//! SRAM is exact: everything in it is laid out by the plan, by the emitted context, or (the stack) set aside by the linker script because this
//! module says so. Flash is exact for constants and parameters and an upper bound for code, whose sizes were measured once, function by function
//! (`targets.json`, made by `scripts/device-tables.mjs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use tinytrain_program::{Init, Program, StateKind, Step};

const TABLE: &str = include_str!("targets.json");
/// `tt_counters`: steps, a reserved word, saturations.
const COUNTERS_BYTES: u32 = 16;
/// Bytes at the end of the stack that nothing may ever write: what is painted there tells of an overflow.
const STACK_GUARD: u32 = 8;
/// What the linker adds between functions at most.
const CODE_ALIGN: u32 = 8;
/// Code of one argument of a step, of its call, and of a step's beginning, at most.
const ARGUMENT_CODE: u32 = 14;
const CALL_CODE: u32 = 24;
/// Code that fills one state tensor at the start.
const INIT_CODE: u32 = 20;

#[derive(Debug, Deserialize)]
struct Table {
    protocol: u32,
    boards: BTreeMap<String, Board>,
    /// Constants of a file, counted with the first of its functions.
    constants: BTreeMap<String, u32>,
    functions: BTreeMap<String, Function>,
}

#[derive(Debug, Deserialize)]
struct Board {
    title: String,
    sram: u32,
    flash: u32,
    constants: u32,
    functions: BTreeMap<String, Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    file: String,
    code: u32,
    stack: u32,
    calls: Vec<String>,
}

fn table() -> &'static Table {
    static PARSED: OnceLock<Table> = OnceLock::new();
    // The file is part of this crate, and a test reads it.
    PARSED.get_or_init(|| serde_json::from_str(TABLE).expect("targets.json is well-formed"))
}

/// Which memory an item lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
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
    pub region: Memory,
    /// Size.
    pub bytes: u32,
    /// Whether it is that to the byte; otherwise it is at most that.
    pub exact: bool,
}

/// What there is and what is needed of one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RegionTotal {
    /// Needed.
    pub total: u32,
    /// There.
    pub available: u32,
}

/// The memory a Program takes on a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// The calls it is reserved for, outermost first.
    pub stack_path: Vec<String>,
    /// All items.
    pub items: Vec<MemoryItem>,
}

/// Why a Program cannot go onto a board.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No such board.
    #[error("there is no board '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Boards there are.
        known: Vec<String>,
    },
}

impl TargetError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "BOARD_UNKNOWN",
        }
    }
}

/// A board that firmware can be made for.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    name: &'static str,
    board: &'static Board,
}

impl Target {
    /// Names of all boards.
    pub fn names() -> Vec<&'static str> {
        table().boards.keys().map(String::as_str).collect()
    }

    /// A board by its name.
    pub fn named(name: &str) -> Result<Self, TargetError> {
        let found = table().boards.get_key_value(name);
        let (name, board) = found.ok_or_else(|| TargetError::Unknown {
            name: name.into(),
            known: Self::names().into_iter().map(String::from).collect(),
        })?;
        Ok(Self { name, board })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name for people.
    pub fn title(&self) -> &'static str {
        &self.board.title
    }

    /// What a Program takes, with so many tables of pixel values in flash.
    pub fn memory(&self, program: &Program, pixel_tables: u32) -> MemoryTable {
        let calls = Calls::new(self.board, program);
        let (stack, stack_path) = calls.stack();
        let mut items = Vec::from(sram_items(program, stack));
        items.extend(self.flash_items(program, pixel_tables, &calls));
        items.retain(|i| i.bytes > 0);
        let total = |region| items.iter().filter(|i| i.region == region).map(|i| i.bytes).sum();
        MemoryTable {
            target: self.name.into(),
            sram: RegionTotal { total: total(Memory::Sram), available: self.board.sram },
            flash: RegionTotal { total: total(Memory::Flash), available: self.board.flash },
            stack,
            stack_path,
            items,
        }
    }

    /// The C files of kernels that a Program needs.
    pub fn kernel_files(&self, program: &Program) -> Vec<String> {
        let mut files = Calls::new(self.board, program).files();
        files.retain(|f| f.starts_with("kernels/"));
        files
    }

    fn flash_items(&self, program: &Program, pixel_tables: u32, calls: &Calls) -> [MemoryItem; 5] {
        let flash = |name, bytes, exact| MemoryItem { name, region: Memory::Flash, bytes, exact };
        let up4 = |n: usize| (n as u32).next_multiple_of(4);
        let constants = program.consts.iter().map(|c| up4(c.data.bytes())).sum();
        let filled = program.states.iter().filter(|s| s.init != Init::Zero);
        let initial = filled.map(|s| s.slot.bytes.next_multiple_of(4)).sum();
        let hash = 32;
        [
            flash("constants", constants, true),
            flash("initial state", initial, true),
            flash("parameters", parameter_bytes(program) + 256 * pixel_tables + hash, true),
            flash("code of the model", model_code(program), false),
            flash("code of kernels and board", calls.code(table()) + self.board.constants, false),
        ]
    }
}

/// Everything in RAM: the context (arena, state, counters), the protocol beside it, the stack.
fn sram_items(program: &Program, stack: u32) -> [MemoryItem; 10] {
    let sram = |name, bytes| MemoryItem { name, region: Memory::Sram, bytes, exact: true };
    let of = |kinds: &[StateKind]| kinds.iter().map(|&k| program.state_bytes_of(k)).sum::<u32>();
    let weights = of(&[StateKind::Weights]);
    let residuals = of(&[StateKind::Residuals]);
    let biases = of(&[StateKind::Biases]);
    let head = of(&[StateKind::HeadWeights, StateKind::HeadBiases]);
    let protocol = table().protocol;
    // The context as C lays it out: arena, state from a multiple of 4, counters from a multiple of 8; the protocol behind it, the whole a
    // multiple of 8.
    let context = program.context_bytes();
    let whole = (context + protocol).next_multiple_of(8);
    let known = program.arena_bytes + weights + residuals + biases + head + COUNTERS_BYTES + protocol;
    [
        sram("arena", program.arena_bytes),
        sram("trained weights", weights),
        sram("residual bits", residuals),
        sram("trained biases", biases),
        sram("head", head),
        sram("counters", COUNTERS_BYTES),
        sram("protocol", protocol),
        sram("alignment", whole - known),
        sram("data and bss of board", 0),
        sram("stack", stack),
    ]
}

/// Bytes of a kernel's constant parameters, once for each that differs.
fn parameter_bytes(program: &Program) -> u32 {
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for step in &program.steps {
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
    let step = |s: &Step| CALL_CODE + ARGUMENT_CODE * (s.call.kernel().spec().operands.len() as u32 + 2);
    let parts = 5 * CALL_CODE;
    program.steps.iter().map(step).sum::<u32>() + program.states.len() as u32 * INIT_CODE + parts
}

/// Who calls whom in a Program's firmware.
struct Calls {
    /// Kernels that the parts of model.c call.
    parts: BTreeMap<&'static str, BTreeSet<&'static str>>,
    board: &'static Board,
}

/// Where execution begins, and what else is never left out.
const ROOTS: [&str; 2] = ["tt_start", "tt_fault_vector"];

impl Calls {
    fn new(board: &'static Board, program: &Program) -> Self {
        let kernels = |steps: &[Step]| steps.iter().map(|s| s.call.kernel().spec().c).collect::<BTreeSet<_>>();
        let forward = program.forward.saturating_sub(1);
        let parts = BTreeMap::from([
            ("tt_forward", kernels(&program.steps[..forward])),
            ("tt_backward", kernels(&program.steps[program.forward..])),
            ("tt_scores", BTreeSet::from(["tt_softmax_scores"])),
            ("tt_error", BTreeSet::from(["tt_head_error"])),
        ]);
        Self { parts, board }
    }

    fn function(&self, name: &str) -> Option<&'static Function> {
        self.board.functions.get(name).or_else(|| table().functions.get(name))
    }

    fn callees(&self, name: &str) -> Vec<&str> {
        let fixed = self.function(name).map_or(&[][..], |f| &f.calls).iter().map(String::as_str);
        fixed.chain(self.parts.get(name).into_iter().flatten().copied()).collect()
    }

    /// The deepest stack from reset on, over all boards so that a plan holds for each, and the calls that lead there.
    fn stack(&self) -> (u32, Vec<String>) {
        let deepest = table().boards.values().map(|board| {
            let calls = Self { parts: self.parts.clone(), board };
            calls.depth("tt_start", &mut BTreeMap::new())
        });
        let (bytes, path) = deepest.max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
        ((bytes + STACK_GUARD).next_multiple_of(8), path)
    }

    fn depth(&self, name: &str, known: &mut BTreeMap<String, (u32, Vec<String>)>) -> (u32, Vec<String>) {
        if let Some(found) = known.get(name) {
            return found.clone();
        }
        let below = self.callees(name).into_iter().map(|c| self.depth(c, known)).max_by_key(|(bytes, _)| *bytes);
        let (bytes, path) = below.unwrap_or_default();
        let own = self.function(name).map_or(0, |f| f.stack);
        let result = (own + bytes, std::iter::once(name.to_string()).chain(path).collect());
        known.insert(name.into(), result.clone());
        result
    }

    /// The source files of every function that can be reached, in order.
    fn files(&self) -> Vec<String> {
        let files: BTreeSet<_> =
            self.reached().iter().filter_map(|n| self.function(n)).map(|f| f.file.clone()).collect();
        files.into_iter().collect()
    }

    fn reached(&self) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = ROOTS.to_vec();
        while let Some(name) = open.pop() {
            if self.function(name).is_some() && reached.insert(name.to_string()) {
                open.extend(self.callees(name));
            }
        }
        reached
    }

    /// Code and constants of every function that can be reached, at most.
    fn code(&self, table: &Table) -> u32 {
        let reached = self.reached();
        let functions: Vec<_> = reached.iter().filter_map(|n| self.function(n)).collect();
        let files: BTreeSet<_> = functions.iter().map(|f| f.file.as_str()).collect();
        let generated = |f: &Function| f.file == "model/model.c" || f.file == "model/state.c";
        let code = functions.iter().filter(|f| !generated(f)).map(|f| f.code.next_multiple_of(CODE_ALIGN)).sum::<u32>();
        code + files.iter().filter_map(|f| table.constants.get(*f)).sum::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_callee_on_the_way_is_known() {
        for board in table().boards.values() {
            let calls = Calls { parts: BTreeMap::new(), board };
            let mut open = ROOTS.to_vec();
            let mut reached = BTreeSet::new();
            while let Some(name) = open.pop() {
                if name != "tt_fault_vector" {
                    assert!(calls.function(name).is_some(), "{name}");
                }
                if reached.insert(name) {
                    open.extend(calls.function(name).into_iter().flat_map(|f| f.calls.iter().map(String::as_str)));
                }
            }
        }
    }

    #[test]
    fn every_kernel_has_a_frame() {
        for kernel in ["tt_conv", "tt_depthwise_weight_step", "tt_bias_step", "tt_softmax_scores", "tt_head_error"] {
            assert!(table().functions[kernel].stack > 0, "{kernel}");
        }
    }

    #[test]
    fn unknown_boards_are_named() {
        let e = Target::named("stm32").unwrap_err();
        assert_eq!(e.code(), "BOARD_UNKNOWN");
        assert!(e.to_string().contains("stm32f746"));
    }
}
