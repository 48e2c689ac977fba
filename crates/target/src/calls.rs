use std::collections::{BTreeMap, BTreeSet};

use tinytrain_program::{Program, Step};

use crate::core::{BoardFunctions, Core, Function};

/// Where execution begins.
const START: &str = "tt_start";
/// The most that the linker adds between functions.
const CODE_ALIGN: u32 = 8;

/// Bytes of stack, and the calls that take them, outermost first.
pub(crate) type Depth = (u32, Vec<String>);

/// Why a table of calls has no sum.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// Nobody knows the function.
    Missing { function: String, caller: String },
    /// It calls itself.
    Recursion(String),
}

/// Who calls whom in the firmware of a Program.
pub(crate) struct Calls<'a> {
    /// Kernels that the parts of model.c call.
    parts: BTreeMap<&'static str, BTreeSet<&'static str>>,
    board: &'a BoardFunctions,
    core: &'a Core,
    /// Functions that are other ones, or there only, in firmwares like that of the Program.
    other: Option<&'a BTreeMap<String, Function>>,
}

impl<'a> Calls<'a> {
    pub(crate) fn new(board: &'a BoardFunctions, core: &'a Core, program: &Program) -> Self {
        let kernels = |steps: &[Step]| steps.iter().map(|s| s.call.kernel().spec().c).collect::<BTreeSet<_>>();
        let forward = program.forward.saturating_sub(1);
        // Steps during which rows come in: the first loop.
        let fed = !program.input.rows().is_empty();
        let rows = if fed { program.streams.first().map_or(0, |s| s.end) } else { 0 };
        let kept = program.replay.unwrap_or(rows);
        let parts = BTreeMap::from([
            ("tt_next_row", kernels(&program.steps[..rows])),
            ("tt_prefix", kernels(&program.steps[rows..kept])),
            ("tt_forward", kernels(&program.steps[kept..forward])),
            ("tt_backward", kernels(&program.steps[program.forward..])),
            ("tt_scores", BTreeSet::from(["tt_softmax_scores"])),
            ("tt_error", BTreeSet::from(["tt_head_error"])),
        ]);
        let other = if fed { Some(&core.fed) } else { program.replay.map(|_| &core.replay) };
        Self { parts, board, core, other }
    }

    /// Everything but what a Program calls.
    pub(crate) fn without_program(board: &'a BoardFunctions, core: &'a Core) -> Self {
        Self { parts: BTreeMap::new(), board, core, other: None }
    }

    fn function(&self, name: &str, caller: &str) -> Result<&'a Function, CallError> {
        let other = || self.other?.get(name);
        let found = self.board.functions.get(name).or_else(other).or_else(|| self.core.functions.get(name));
        found.ok_or_else(|| CallError::Missing { function: name.into(), caller: caller.into() })
    }

    fn callees<'s>(&'s self, name: &str, function: &'s Function) -> impl Iterator<Item = &'s str> {
        function.calls.iter().map(String::as_str).chain(self.parts.get(name).into_iter().flatten().copied())
    }

    /// The deepest stack from reset on.
    pub(crate) fn stack(&self) -> Result<Depth, CallError> {
        self.depth(START, "the vector table", &mut BTreeMap::new())
    }

    /// `known` holds the functions that were summed up, and `None` for those that are being summed up.
    fn depth(&self, name: &str, caller: &str, known: &mut BTreeMap<String, Option<Depth>>) -> Result<Depth, CallError> {
        match known.get(name) {
            Some(Some(found)) => return Ok(found.clone()),
            Some(None) => return Err(CallError::Recursion(name.into())),
            None => known.insert(name.into(), None),
        };
        let function = self.function(name, caller)?;
        let below = self.callees(name, function).map(|c| self.depth(c, name, known)).collect::<Result<Vec<_>, _>>()?;
        let (bytes, path) = below.into_iter().max_by_key(|(bytes, _)| *bytes).unwrap_or_default();
        let result = (function.stack + bytes, std::iter::once(name.to_string()).chain(path).collect());
        known.insert(name.into(), Some(Depth::clone(&result)));
        Ok(result)
    }

    /// The functions that can be reached.
    fn reached(&self) -> Result<BTreeMap<&str, &'a Function>, CallError> {
        let mut reached = BTreeMap::new();
        let mut open = vec![(START, "the vector table")];
        open.extend(self.board.roots.iter().map(|root| (root.as_str(), "the vector table")));
        while let Some((name, caller)) = open.pop() {
            if reached.contains_key(name) {
                continue;
            }
            let function = self.function(name, caller)?;
            reached.insert(name, function);
            open.extend(self.callees(name, function).map(|callee| (callee, name)));
        }
        Ok(reached)
    }

    /// The C files of the functions that can be reached, in order.
    pub(crate) fn files(&self) -> Result<BTreeSet<String>, CallError> {
        Ok(self.reached()?.values().map(|f| f.file.clone()).collect())
    }

    /// Code and constants of every function that can be reached, at most. The parts of the model are not among them: their code follows from the
    /// Program's steps.
    pub(crate) fn code(&self) -> Result<u32, CallError> {
        let reached = self.reached()?;
        let files: BTreeSet<_> = reached.values().map(|f| f.file.as_str()).collect();
        let generated = |f: &Function| f.file == "model/model.c" || f.file == "model/state.c";
        let compiled = reached.values().filter(|f| !generated(f));
        let code: u32 = compiled.map(|f| f.code.next_multiple_of(CODE_ALIGN)).sum();
        Ok(code + files.iter().filter_map(|f| self.core.constants.get(*f)).sum::<u32>())
    }
}

impl Core {
    /// Bytes of stack of a function of this table and of the deepest calls below it; None where the table lacks one of them.
    pub fn depth(&self, name: &str) -> Option<u32> {
        let board = BoardFunctions::default();
        let calls = Calls::without_program(&board, self);
        calls.depth(name, name, &mut BTreeMap::new()).ok().map(|(bytes, _)| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(functions: &[(&str, u32, &[&str])]) -> Core {
        let entry = |&(name, stack, calls): &(&str, u32, &[&str])| {
            let calls = calls.iter().map(|c| c.to_string()).collect();
            (name.to_string(), Function { file: "x.c".into(), code: 10, stack, calls })
        };
        Core { functions: functions.iter().map(entry).collect(), ..Core::default() }
    }

    fn board() -> BoardFunctions {
        BoardFunctions::default()
    }

    #[test]
    fn the_deepest_calls_are_found_once_each() {
        let core = core(&[
            ("tt_start", 8, &["a", "b"]),
            ("a", 100, &["c"]),
            ("b", 4, &["c", "d"]),
            ("c", 16, &[]),
            ("d", 120, &[]),
        ]);
        let board = board();
        let calls = Calls::without_program(&board, &core);
        assert_eq!(calls.stack().unwrap(), (132, ["tt_start", "b", "d"].map(String::from).to_vec()));
        assert_eq!(calls.code().unwrap(), 5 * 16);
        assert_eq!(core.depth("a"), Some(116));
    }

    #[test]
    fn a_function_that_the_tables_lack_is_an_error_and_names_the_caller() {
        let core = core(&[("tt_start", 8, &["a"]), ("a", 100, &["gone"])]);
        let board = board();
        let calls = Calls::without_program(&board, &core);
        let missing = CallError::Missing { function: "gone".into(), caller: "a".into() };
        assert_eq!(calls.stack().unwrap_err(), missing);
        assert_eq!(calls.code().unwrap_err(), missing);
        assert_eq!(core.depth("a"), None);
    }

    #[test]
    fn a_root_is_counted_and_must_be_there() {
        let core = core(&[("tt_start", 8, &[]), ("handler", 4, &[])]);
        let board = BoardFunctions { roots: ["handler".into()].into(), ..board() };
        assert_eq!(Calls::without_program(&board, &core).code().unwrap(), 32);
        let board = BoardFunctions { roots: ["other".into()].into(), ..board };
        assert!(Calls::without_program(&board, &core).code().is_err());
    }

    #[test]
    fn a_circle_of_calls_is_an_error() {
        let core = core(&[("tt_start", 8, &["a"]), ("a", 100, &["b"]), ("b", 4, &["a"])]);
        let board = board();
        let calls = Calls::without_program(&board, &core);
        assert_eq!(calls.stack().unwrap_err(), CallError::Recursion("a".into()));
    }
}
