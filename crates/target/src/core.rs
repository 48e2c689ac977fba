use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Most bytes of a frame or of a function's code, and most functions of a table: no sum of them reaches 2^32.
const LARGEST: u32 = 1 << 18;
const MOST: usize = 1 << 12;

/// A function as it was compiled.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its source in a firmware folder, or `library`.
    pub file: String,
    /// Bytes of code.
    pub code: u32,
    /// Bytes of its own frame.
    pub stack: u32,
    /// Functions that it calls.
    pub calls: Vec<String>,
}

/// A core's table: every function that all boards with this core share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The script that made the table.
    pub generator: String,
    /// The compiler that made the code.
    pub compiler: String,
    /// Flags that select the core: those of every board that names it.
    pub flags: Vec<String>,
    /// Flags of the kernels.
    pub kernel_flags: String,
    /// Bytes of SRAM of the protocol.
    pub protocol: u32,
    /// Constants of a file, counted with the first of its functions.
    pub constants: BTreeMap<String, u32>,
    /// Functions by name; that of a static function is `FILE:NAME`.
    pub functions: BTreeMap<String, Function>,
    /// Those that are other ones, or there only, in the firmware of a Program to which samples come row by row.
    pub fed: BTreeMap<String, Function>,
    /// Those that are other ones, or there only, in the firmware of a Program with a replay buffer.
    pub replay: BTreeMap<String, Function>,
    /// What is added, or compiled otherwise, in a firmware with a store; none in a table of a board without one.
    pub store: Option<CoreStore>,
}

/// What a store changes in a core's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreStore {
    /// Bytes of SRAM of the store.
    pub bytes: u32,
    /// Constants of a file, in place of those without a store.
    pub constants: BTreeMap<String, u32>,
    /// Functions, in place of those without a store.
    pub functions: BTreeMap<String, Function>,
    /// Those of a firmware with a store that are other ones, or there only, where samples come row by row.
    pub fed: BTreeMap<String, Function>,
    /// Likewise where there is a replay buffer.
    pub replay: BTreeMap<String, Function>,
}

/// A board's own table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardFunctions {
    /// The script that made the table.
    pub generator: String,
    /// The compiler that made the code.
    pub compiler: String,
    /// Bytes of constants, the vector table included.
    pub constants: u32,
    /// Functions that nothing calls and that are there all the same: handlers of the vector table.
    pub roots: BTreeSet<String>,
    /// Functions by name.
    pub functions: BTreeMap<String, Function>,
    /// What is added, or compiled otherwise, in a firmware with a store.
    pub store: Option<BoardStore>,
}

/// What a store changes in a board's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardStore {
    /// Bytes of constants in all.
    pub constants: u32,
    /// Functions, in place of those without a store.
    pub functions: BTreeMap<String, Function>,
}

impl Core {
    /// Reads a core's table. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let core: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        check_sizes(&core.fed, [])?;
        check_sizes(&core.replay, [])?;
        check_sizes(&core.functions, core.constants.values().chain([&core.protocol]))?;
        if let Some(store) = &core.store {
            check_sizes(&store.functions, store.constants.values().chain([&store.bytes]))?;
            check_sizes(&store.fed, [])?;
            check_sizes(&store.replay, [])?;
        }
        Ok(core)
    }

    /// The table of firmwares with a store, and the bytes of SRAM of that store.
    pub(crate) fn with_store(&self) -> Option<(Self, u32)> {
        let store = self.store.as_ref()?;
        let mut core = self.clone();
        core.functions.extend(store.functions.clone());
        core.fed.clone_from(&store.fed);
        core.replay.clone_from(&store.replay);
        core.constants.extend(store.constants.clone());
        Some((core, store.bytes))
    }
}

impl BoardFunctions {
    /// Reads a board's table. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let board: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        check_sizes(&board.functions, [&board.constants])?;
        if let Some(store) = &board.store {
            check_sizes(&store.functions, [&store.constants])?;
        }
        Ok(board)
    }

    /// The table of firmwares with a store.
    pub(crate) fn with_store(&self) -> Option<Self> {
        let store = self.store.as_ref()?;
        let mut board = Self { constants: store.constants, ..self.clone() };
        board.functions.extend(store.functions.clone());
        Some(board)
    }
}

fn check_sizes<'a>(
    functions: &'a BTreeMap<String, Function>,
    others: impl IntoIterator<Item = &'a u32>,
) -> Result<(), String> {
    if functions.len() > MOST {
        return Err(format!("{} functions are too many for a firmware", functions.len()));
    }
    let large = functions.iter().find(|(_, f)| f.code > LARGEST || f.stack > LARGEST);
    if let Some((name, _)) = large {
        return Err(format!("'{name}' is too large for a function of a firmware"));
    }
    if others.into_iter().any(|&bytes| bytes > LARGEST) {
        return Err("the constants are too large for a firmware".into());
    }
    Ok(())
}
