use std::path::PathBuf;

/// Why a Program cannot be measured for a board. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No such board.
    #[error("there is no board '{name}'; there are: {}", known.join(", "))]
    Unknown {
        /// The board asked for.
        name: String,
        /// All shipped boards.
        known: Vec<String>,
    },
    /// A file of a board or of a core does not say what it must.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// The file, or the board's folder.
        path: PathBuf,
        /// The rule it breaks.
        why: String,
    },
    /// A function that a firmware calls is in neither of the two tables.
    #[error(
        "the tables of board {board} and core {core} lack {function}, which {caller} calls: the tables are out of date"
    )]
    Function {
        /// The board.
        board: String,
        /// Its core.
        core: String,
        /// The missing function.
        function: String,
        /// Who calls it.
        caller: String,
    },
    /// There is no place for saved states on the board.
    #[error("board {board} has no store for what was learned: its board.toml has no [store]")]
    NoStore {
        /// The board.
        board: String,
    },
    /// The tables were made before the board had a place for saved states.
    #[error("the tables of board {board} and core {core} lack the functions of a store: the tables are out of date")]
    NoStoreFunctions {
        /// The board.
        board: String,
        /// Its core.
        core: String,
    },
    /// A saved state is larger than a sector.
    #[error("a saved state of {needed} B does not fit a sector of {sector} B of the store of {board}")]
    StoreTooSmall {
        /// The board.
        board: String,
        /// Bytes that a saved state takes in flash.
        needed: u32,
        /// Bytes of a sector.
        sector: u32,
    },
    /// A function calls itself: its stack has no bound.
    #[error("the tables of board {board} have {function} call itself, which leaves the stack without a bound")]
    Recursion {
        /// The board.
        board: String,
        /// The function.
        function: String,
    },
}

impl TargetError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "BOARD_UNKNOWN",
            Self::Invalid { .. } => "BOARD_INVALID",
            Self::NoStore { .. } => "STORE_NONE",
            Self::StoreTooSmall { .. } => "STORE_TOO_SMALL",
            Self::Function { .. } | Self::Recursion { .. } | Self::NoStoreFunctions { .. } => "TABLES_STALE",
        }
    }
}
