use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tinytrain_program::Program;

use crate::calls::{CallError, Calls};
use crate::memory::{flash_items, sram_items, store_table};
use crate::{
    Board, BoardFunctions, Core, CostError, CostTable, MemoryKind, MemoryTable, RegionTotal, StoreTable, TargetError,
};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

const BOARD_FILE: &str = "board.toml";
const FUNCTIONS_FILE: &str = "functions.json";
/// Most bytes of a file of a board.
const MOST_BYTES: u64 = 1 << 26;
/// A core's table in a board's folder: for a core that is not shipped, or one compiled by another compiler.
const CORE_FILE: &str = "core.json";
/// Bytes at the end of the stack that nothing may ever write: the record of the last fault, and paint; if that is gone, the stack overflowed.
const STACK_GUARD: u32 = 24;

/// A core, and its costs where they were measured.
#[derive(Debug)]
struct CoreTables {
    core: Core,
    costs: Option<CostTable>,
}

/// A board that firmware can be made for, with the tables to plan with.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    folder: Option<PathBuf>,
    board: Arc<Board>,
    functions: Arc<BoardFunctions>,
    core: Arc<CoreTables>,
    /// Bytes of SRAM of the store, in firmwares that have one.
    store_sram: Option<u32>,
}

fn cores() -> &'static BTreeMap<&'static str, Arc<CoreTables>> {
    static PARSED: OnceLock<BTreeMap<&str, Arc<CoreTables>>> = OnceLock::new();
    // The files are part of this crate, and a test reads them all.
    PARSED.get_or_init(|| {
        let read = |&(name, functions, costs): &(&'static str, &str, Option<&str>)| {
            let core = Core::parse(functions).unwrap_or_else(|e| panic!("cores/{name}/functions.json: {e}"));
            let costs = costs.map(|t| CostTable::parse(t).unwrap_or_else(|e| panic!("cores/{name}/costs.json: {e}")));
            (name, Arc::new(CoreTables { core, costs }))
        };
        CORES.iter().map(read).collect()
    })
}

fn shipped() -> &'static BTreeMap<&'static str, Target> {
    static PARSED: OnceLock<BTreeMap<&str, Target>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let read = |&(name, board, functions): &(&'static str, &str, &str)| {
            let folder = Path::new("device/boards").join(name);
            let target = Target::from_texts(name, &folder, board, functions, None);
            (name, Target { folder: None, ..target.unwrap_or_else(|e| panic!("{e}")) })
        };
        BOARDS.iter().map(read).collect()
    })
}

impl Target {
    /// Names of the shipped boards.
    pub fn names() -> Vec<&'static str> {
        shipped().keys().copied().collect()
    }

    /// A shipped board by its name, or a board of the user's by the path of its folder.
    ///
    /// # Errors
    /// `BOARD_UNKNOWN` if there is neither; `BOARD_INVALID` if a file of the folder is missing or does not say what it must.
    pub fn named(name: &str) -> Result<Self, TargetError> {
        if let Some(target) = shipped().get(name) {
            return Ok(target.clone());
        }
        let folder = Path::new(name);
        if folder.is_dir() || name.contains(std::path::is_separator) {
            return Self::from_folder(folder);
        }
        let known = Self::names().into_iter().map(String::from).collect();
        Err(TargetError::Unknown { name: name.into(), known })
    }

    /// The board that a folder describes, without the tables to plan with: its name, and the content of `board.toml`.
    pub fn board_in(folder: &Path) -> Result<(String, Board), TargetError> {
        let file = folder.join(BOARD_FILE);
        let board = Board::parse(&read(&file)?).map_err(|why| TargetError::Invalid { path: file, why })?;
        Ok((name_of(folder)?, board))
    }

    fn from_folder(folder: &Path) -> Result<Self, TargetError> {
        let name = name_of(folder)?;
        if shipped().contains_key(name.as_str()) {
            let why = format!("a board named {name} is shipped; rename the folder");
            return Err(TargetError::Invalid { path: folder.into(), why });
        }
        let board = read(&folder.join(BOARD_FILE))?;
        let file = folder.join(FUNCTIONS_FILE);
        if !file.exists() {
            let why = format!("there is no {FUNCTIONS_FILE}; `npx tinytrain board {}` makes it", folder.display());
            return Err(TargetError::Invalid { path: folder.into(), why });
        }
        let core = folder.join(CORE_FILE);
        let core = core.exists().then(|| read(&core)).transpose()?;
        Self::from_texts(&name, folder, &board, &read(&file)?, core.as_deref())
    }

    fn from_texts(
        name: &str,
        folder: &Path,
        board: &str,
        functions: &str,
        own_core: Option<&str>,
    ) -> Result<Self, TargetError> {
        let invalid = |file: &str| {
            let path = folder.join(file);
            move |why| TargetError::Invalid { path, why }
        };
        let board = Board::parse(board).map_err(invalid(BOARD_FILE))?;
        let functions = BoardFunctions::parse(functions).map_err(invalid(FUNCTIONS_FILE))?;
        let shipped = cores().get(board.core.as_str());
        let core = match (own_core, shipped) {
            (Some(text), _) => {
                let core = Core::parse(text).map_err(invalid(CORE_FILE))?;
                Arc::new(CoreTables { core, costs: shipped.and_then(|s| s.costs.clone()) })
            }
            (None, Some(shipped)) => shipped.clone(),
            (None, None) => {
                let known = cores().keys().copied().collect::<Vec<_>>().join(", ");
                let why = format!("there is no table of core {}; there are: {known}", board.core);
                return Err(invalid(BOARD_FILE)(why));
            }
        };
        if core.core.flags != board.flags {
            let why = format!(
                "flags [{}] are not those that core {} was measured with, [{}]",
                board.flags.join(" "),
                board.core,
                core.core.flags.join(" ")
            );
            return Err(invalid(BOARD_FILE)(why));
        }
        let folder = Some(folder.into());
        Ok(Self {
            name: name.into(),
            folder,
            board: Arc::new(board),
            functions: Arc::new(functions),
            core,
            store_sram: None,
        })
    }

    /// Its name: that of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of a board of the user's; None for one that is shipped.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The content of `board.toml`.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The board that is emulated in place of this one: itself if it has an emulator, otherwise a shipped one with the same core, planned with the
    /// same table.
    pub fn stand_in(&self) -> Option<Self> {
        if self.board.emulator.is_some() {
            return Some(self.clone());
        }
        let found = shipped().values().find(|t| t.board.core == self.board.core && t.board.emulator.is_some())?;
        Some(Self { core: self.core.clone(), ..found.clone() })
    }

    /// The same board, for firmwares that keep what was learned in its store.
    ///
    /// # Errors
    /// `STORE_NONE` if it has none, `TABLES_STALE` if its tables do not know it.
    pub fn with_store(&self) -> Result<Self, TargetError> {
        if self.board.store.is_none() {
            return Err(TargetError::NoStore { board: self.name.clone() });
        }
        let (Some(functions), Some((core, bytes))) = (self.functions.with_store(), self.core.core.with_store()) else {
            let core = self.board.core.clone();
            return Err(TargetError::NoStoreFunctions { board: self.name.clone(), core });
        };
        let core = Arc::new(CoreTables { core, costs: self.core.costs.clone() });
        Ok(Self { functions: Arc::new(functions), core, store_sram: Some(bytes), ..self.clone() })
    }

    /// The store of a firmware for this board, if it has one, and the bytes of flash that it takes.
    fn store_of(&self, program: &Program) -> Result<(Option<StoreTable>, u32), TargetError> {
        let Some(store) = self.board.store.as_ref().filter(|_| self.store_sram.is_some()) else { return Ok((None, 0)) };
        let table = store_table(store, program).map_err(|needed| TargetError::StoreTooSmall {
            board: self.name.clone(),
            needed,
            sector: store.sector,
        })?;
        Ok((Some(table), store.within(self.board.flash)))
    }

    /// The costs that were measured on its core: none at all on a core that is not shipped.
    pub fn shipped_costs(&self) -> CostTable {
        self.core.costs.clone().unwrap_or_else(|| CostTable::none(self.board.core.clone()))
    }

    /// The costs of its core, with the kinds of a given table in place of those that were shipped.
    ///
    /// # Errors
    /// `COSTS_MISSING` if there are neither; `COSTS_OTHER_CORE` if the given ones are of another core.
    pub fn costs(&self, given: Option<CostTable>) -> Result<CostTable, CostError> {
        let shipped = self.shipped_costs();
        let costs = given.map_or(Ok(shipped.clone()), |given| shipped.with(given))?;
        if costs.is_empty() {
            return Err(CostError::Missing { core: self.board.core.clone() });
        }
        Ok(costs)
    }

    /// The memory that a Program takes, with `pixel_tables` tables of pixel values in flash.
    ///
    /// # Errors
    /// `TABLES_STALE` if a function that the firmware calls is not in the tables, `STORE_TOO_SMALL` if a saved state does not fit a sector.
    pub fn memory(&self, program: &Program, pixel_tables: u32) -> Result<MemoryTable, TargetError> {
        let calls = Calls::new(&self.functions, &self.core.core, program);
        let stale = |e| self.stale(e);
        let (deepest, stack_path) = calls.stack().map_err(stale)?;
        let stack = (deepest + STACK_GUARD).next_multiple_of(8);
        let code = calls.code().map_err(stale)? + self.functions.constants;
        let (store, saved) = self.store_of(program)?;
        let mut items = Vec::from(sram_items(program, self.core.core.protocol, self.store_sram.unwrap_or(0), stack));
        items.extend(flash_items(program, pixel_tables, code, saved));
        items.retain(|i| i.bytes > 0);
        let total = |region| items.iter().filter(|i| i.region == region).map(|i| i.bytes).sum();
        Ok(MemoryTable {
            target: self.name.clone(),
            sram: RegionTotal { total: total(MemoryKind::Sram), available: self.board.sram.length },
            flash: RegionTotal { total: total(MemoryKind::Flash), available: self.board.flash.length },
            stack,
            bound: program.plan.lower_bound,
            stack_path,
            items,
            store,
        })
    }

    /// The C files of kernels that a Program needs.
    ///
    /// # Errors
    /// `TABLES_STALE` if a function that the firmware calls is not in the tables.
    pub fn kernel_files(&self, program: &Program) -> Result<Vec<String>, TargetError> {
        let files = Calls::new(&self.functions, &self.core.core, program).files().map_err(|e| self.stale(e))?;
        let mut files: BTreeSet<String> = files.into_iter().filter(|f| f.starts_with("kernels/")).collect();
        // A folder holds other boards too, and where a core has no DSP instructions a kernel may call a plainer one.
        let portable = &Core::shipped("cortex-m3").expect("a shipped core").functions;
        loop {
            let called = portable.values().filter(|f| files.contains(&f.file)).flat_map(|f| &f.calls);
            let more = called.filter_map(|name| portable.get(name)).map(|f| &f.file);
            let more: Vec<_> = more.filter(|f| f.starts_with("kernels/") && !files.contains(*f)).cloned().collect();
            if more.is_empty() {
                return Ok(files.into_iter().collect());
            }
            files.extend(more);
        }
    }

    fn stale(&self, error: CallError) -> TargetError {
        let board = self.name.clone();
        match error {
            CallError::Missing { function, caller } => {
                TargetError::Function { board, core: self.board.core.clone(), function, caller }
            }
            CallError::Recursion(function) => TargetError::Recursion { board, function },
        }
    }
}

impl Core {
    /// The table of a shipped core.
    pub fn shipped(name: &str) -> Option<&'static Self> {
        cores().get(name).map(|tables| &tables.core)
    }

    /// The same as it lies in its file.
    pub fn shipped_text(name: &str) -> Option<&'static str> {
        CORES.iter().find(|(core, ..)| *core == name).map(|(_, text, _)| *text)
    }
}

fn read(file: &Path) -> Result<String, TargetError> {
    let invalid = |why: String| TargetError::Invalid { path: file.into(), why };
    let found = fs::metadata(file).map_err(|e| invalid(e.to_string()))?;
    // A pipe or a device may never end.
    if !found.is_file() || found.len() > MOST_BYTES {
        return Err(invalid(format!("not a file of at most {MOST_BYTES} bytes")));
    }
    fs::read_to_string(file).map_err(|e| invalid(e.to_string()))
}

/// A board's name goes into paths, a Makefile and a manifest.
fn name_of(folder: &Path) -> Result<String, TargetError> {
    let invalid = |why: String| TargetError::Invalid { path: folder.into(), why };
    let full = folder.canonicalize().map_err(|e| invalid(e.to_string()))?;
    let name = full.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(good) || ["common", "host"].contains(&name)
    {
        return Err(invalid(format!("'{name}' cannot be a board's name: letters, digits, '-', '_' and '.'")));
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use tinytrain_program::Work;

    use super::*;

    #[test]
    fn every_folder_with_a_board_is_a_target_that_lacks_no_function() {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device/boards");
        let folders = fs::read_dir(boards).unwrap().map(|e| e.unwrap().path());
        let with_board = folders.filter(|f| f.join(BOARD_FILE).exists()).map(|f| name_of(&f).unwrap());
        let mut names: Vec<_> = with_board.collect();
        names.sort();
        assert_eq!(Target::names(), names, "node scripts/device-tables.mjs makes functions.json");
        for name in names {
            let target = Target::named(&name).unwrap();
            // Kernels are called by a Program; everything else is there from the start.
            let calls = Calls::without_program(&target.functions, &target.core.core);
            assert!(calls.stack().unwrap().0 > 0 && calls.code().unwrap() > 0, "{name}");
        }
    }

    /// The functions that the kernels' header declares.
    fn declared() -> Vec<String> {
        let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels/c/tt_kernels.h");
        let text = fs::read_to_string(header).unwrap();
        let before_paren = text.lines().filter(|l| !l.starts_with([' ', '/', '#'])).filter_map(|l| l.split_once('('));
        before_paren.filter_map(|(head, _)| head.rsplit(' ').next()).map(String::from).collect()
    }

    #[test]
    fn every_core_knows_every_kernel() {
        let names = declared();
        assert!(names.len() > 24 && names.iter().all(|n| n.starts_with("tt_")), "{names:?}");
        for (core, tables) in cores() {
            for name in &names {
                assert!(tables.core.depth(name).is_some(), "{core}: {name}");
            }
        }
    }

    #[test]
    fn every_core_has_costs_and_a_board_that_is_emulated() {
        for (name, tables) in cores() {
            assert_eq!(tables.costs.as_ref().map(CostTable::core), Some(*name), "node scripts/costs.mjs {name}");
            let emulated = shipped().values().filter(|t| t.board.core == *name && t.board.emulator.is_some());
            assert_eq!(emulated.count(), 1, "{name}");
        }
    }

    #[test]
    fn every_core_has_a_cost_for_every_kind_of_work() {
        for (core, tables) in cores() {
            let table = tables.costs.as_ref().unwrap();
            for kind in tinytrain_program::kinds() {
                let work = Work { kind: kind.clone(), terms: [1.0, 1000.0, 1000.0, 1000.0] };
                assert!(table.of(&work).unwrap() > 0.0, "{core}: {kind}");
            }
        }
    }

    #[test]
    fn a_board_without_an_emulator_has_a_stand_in_of_its_core() {
        let board = Target::named("stm32f746").unwrap();
        assert_eq!(board.stand_in().unwrap().name(), "qemu-mps2-an500");
    }

    #[test]
    fn unknown_boards_are_named() {
        let e = Target::named("stm32").unwrap_err();
        assert_eq!(e.code(), "BOARD_UNKNOWN");
        assert!(e.to_string().contains("stm32f746"));
    }

    #[test]
    fn a_folder_is_a_board_with_its_own_core_or_a_shipped_one() {
        let parent = std::env::temp_dir().join(format!("tinytrain-target-{}", std::process::id()));
        let folder = parent.join("my-board");
        fs::create_dir_all(&folder).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device/boards/stm32f746");
        let text = |file: &str| fs::read_to_string(shipped.join(file)).unwrap();
        let open = || Target::named(folder.to_str().unwrap());
        let refused = |why: &str| {
            let error = open().unwrap_err();
            assert!(error.code() == "BOARD_INVALID" && error.to_string().contains(why), "{error}");
        };
        refused("board.toml");
        fs::write(folder.join("board.toml"), text("board.toml")).unwrap();
        refused("tinytrain board");
        fs::write(folder.join("functions.json"), "{").unwrap();
        refused("functions.json");
        fs::write(folder.join("functions.json"), text("functions.json")).unwrap();
        let target = open().unwrap();
        assert_eq!((target.name(), target.folder()), ("my-board", Some(folder.as_path())));
        fs::write(folder.join("board.toml"), text("board.toml").replace("-mfloat-abi=soft", "-mfloat-abi=hard"))
            .unwrap();
        refused("-mfloat-abi=hard");
        fs::write(folder.join("board.toml"), text("board.toml").replace("cortex-m7\"\n", "cortex-m85\"\n")).unwrap();
        refused("no table of core cortex-m85");
        fs::write(folder.join("core.json"), CORES.iter().find(|c| c.0 == "cortex-m7").unwrap().1).unwrap();
        assert_eq!(open().unwrap().costs(None).unwrap_err().code(), "COSTS_MISSING");
        #[cfg(unix)]
        {
            fs::remove_file(folder.join("core.json")).unwrap();
            std::os::unix::fs::symlink("/dev/zero", folder.join("core.json")).unwrap();
            refused("not a file");
        }
        fs::rename(&folder, parent.join("stm32f746")).unwrap();
        let error = Target::named(parent.join("stm32f746").to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("rename the folder"), "{error}");
        fs::remove_dir_all(parent).unwrap();
    }
}
