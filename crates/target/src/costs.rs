//! A table of costs: how many instructions the work of a step takes on a core, and how many cycles an instruction (`docs/time.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tinytrain_program::{Program, TERMS, Work};

/// The least, the likely and the highest value of something that is modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Span {
    /// With every pairing of instructions that the core might do.
    pub low: f64,
    /// As the core is believed to work.
    pub likely: f64,
    /// Without any.
    pub high: f64,
}

/// Instructions for each term and cycles for each instruction, by kind of work, on a core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostTable {
    core: String,
    costs: BTreeMap<String, [f64; TERMS]>,
    /// Cycles an instruction: low, likely, high. A kind that it lacks takes those of all kinds together, [`ALL_KINDS`].
    #[serde(default)]
    cycles: BTreeMap<String, [f64; 3]>,
    /// Whether the cycles were scaled to what a board's own counter said.
    #[serde(default)]
    measured: bool,
}

/// The key of the cycles an instruction over all kinds.
pub const ALL_KINDS: &str = "all";

/// What work takes on a core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Instructions.
    pub instructions: f64,
    /// Cycles; None where no cycles are known of the core.
    pub cycles: Option<Span>,
}

/// Why a table of costs does not serve. `code()` is stable.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// Not a table.
    #[error("not a table of costs: {0}")]
    Malformed(String),
    /// No costs were measured on the core.
    #[error("there is no table of costs for core {core}")]
    Missing {
        /// The core.
        core: String,
    },
    /// A table of another core.
    #[error("a table of costs of core {found}; this board's core is {wanted}")]
    OtherCore {
        /// The table's core.
        found: String,
        /// The core that is priced.
        wanted: String,
    },
    /// Work that the table has no cost for.
    #[error("the costs of core {core} lack '{kind}'")]
    Kind {
        /// The table's core.
        core: String,
        /// The kind of work.
        kind: String,
    },
}

impl CostError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "COSTS_INVALID",
            Self::Missing { .. } => "COSTS_MISSING",
            Self::OtherCore { .. } => "COSTS_OTHER_CORE",
            Self::Kind { .. } => "COSTS_STALE",
        }
    }
}

impl CostTable {
    /// The table of a core that was never measured.
    pub fn none(core: String) -> Self {
        Self { core, costs: BTreeMap::new(), cycles: BTreeMap::new(), measured: false }
    }

    /// A table in JSON: `{"core": NAME, "costs": {KIND: [4 numbers]}, "cycles": {KIND: [3 numbers]}, "measured": BOOLEAN}`, without the last two where
    /// they are not known.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let table: Self = serde_json::from_str(text).map_err(|e| CostError::Malformed(e.to_string()))?;
        if let Some((kind, _)) = table.costs.iter().find(|(_, c)| c.iter().any(|x| !(x.is_finite() && *x >= 0.0))) {
            return Err(CostError::Malformed(format!("'{kind}' has a negative cost")));
        }
        let ordered =
            |&[low, likely, high]: &[f64; 3]| 0.0 < low && low <= likely && likely <= high && high < f64::INFINITY;
        if let Some((kind, _)) = table.cycles.iter().find(|(_, c)| !ordered(c)) {
            return Err(CostError::Malformed(format!("the cycles of '{kind}' are not three numbers above 0 in order")));
        }
        Ok(table)
    }

    /// The core it was measured on.
    pub fn core(&self) -> &str {
        &self.core
    }

    /// Whether it has no cost at all.
    pub fn is_empty(&self) -> bool {
        self.costs.is_empty()
    }

    /// This table with the kinds of another of the same core in place of its own.
    pub fn with(mut self, other: Self) -> Result<Self, CostError> {
        if other.core != self.core {
            return Err(CostError::OtherCore { found: other.core, wanted: self.core });
        }
        self.costs.extend(other.costs);
        self.measured |= other.measured;
        self.cycles.extend(other.cycles);
        Ok(self)
    }

    /// Whether its cycles were scaled to what a board's own counter said; otherwise they are a model's.
    pub fn measured(&self) -> bool {
        self.measured
    }

    /// Predicted instructions of a piece of work.
    pub fn of(&self, work: &Work) -> Result<f64, CostError> {
        let missing = || CostError::Kind { core: self.core.clone(), kind: work.kind.clone() };
        let costs = self.costs.get(&work.kind).ok_or_else(missing)?;
        Ok(costs.iter().zip(work.terms).map(|(c, t)| c * t).sum())
    }

    /// What a piece of work takes.
    pub fn estimate(&self, work: &Work) -> Result<Estimate, CostError> {
        let instructions = self.of(work)?;
        let cycles = self.cycles.get(&work.kind).or_else(|| self.cycles.get(ALL_KINDS));
        let span = |&[low, likely, high]: &[f64; 3]| Span { low, likely, high }.times(instructions);
        Ok(Estimate { instructions, cycles: cycles.map(span) })
    }

    /// Instructions and cycles of a training step of a Program, the sample being in its place.
    pub fn training_step(&self, program: &Program) -> Result<Estimate, CostError> {
        self.sum(program.work().iter().chain([&program.rest()]))
    }

    /// Instructions and cycles of a prediction, the sample being in its place.
    pub fn inference(&self, program: &Program) -> Result<Estimate, CostError> {
        self.sum(&program.inference_work())
    }

    fn sum<'a>(&self, work: impl IntoIterator<Item = &'a Work>) -> Result<Estimate, CostError> {
        let none = Estimate { instructions: 0.0, cycles: Some(Span::default()) };
        work.into_iter().try_fold(none, |sum, work| Ok(sum.plus(self.estimate(work)?)))
    }
}

impl Span {
    /// Each value times a factor.
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, likely: self.likely * factor, high: self.high * factor }
    }

    fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, likely: self.likely + other.likely, high: self.high + other.high }
    }
}

impl Estimate {
    fn plus(self, other: Self) -> Self {
        Self {
            instructions: self.instructions + other.instructions,
            cycles: self.cycles.zip(other.cycles).map(|(a, b)| a.plus(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(kind: &str) -> Work {
        Work { kind: kind.into(), terms: [1.0, 10.0, 100.0, 1000.0] }
    }

    #[test]
    fn a_kind_that_the_table_lacks_is_an_error() {
        let table = CostTable::parse(r#"{"core": "x", "costs": {"conv": [1, 2, 3, 4]}}"#).unwrap();
        assert_eq!(table.of(&work("conv")).unwrap(), 4321.0);
        assert_eq!(table.of(&work("conv, unheard of")).unwrap_err().code(), "COSTS_STALE");
    }

    #[test]
    fn cycles_are_those_of_the_kind_or_of_all_and_there_are_none_without_a_table() {
        let table = |cycles: &str| {
            CostTable::parse(&format!(r#"{{"core": "x", "costs": {{"conv": [1, 2, 3, 4]}}, "cycles": {cycles}}}"#))
                .unwrap()
        };
        let cycles = |table: CostTable| table.estimate(&work("conv")).unwrap().cycles;
        let span = |low, likely, high| Some(Span { low, likely, high });
        assert_eq!(cycles(table(r#"{"conv": [1, 2, 3], "all": [5, 6, 7]}"#)), span(4321.0, 8642.0, 12963.0));
        assert_eq!(cycles(table(r#"{"all": [1, 1, 2]}"#)), span(4321.0, 4321.0, 8642.0));
        assert_eq!(cycles(table("{}")), None);
    }

    #[test]
    fn tables_of_one_core_are_joined_and_those_of_two_are_not() {
        let table = |core: &str, kind: &str, cost: u32| {
            CostTable::parse(&format!(r#"{{"core": "{core}", "costs": {{"{kind}": [{cost}, 0, 0, 0]}}}}"#)).unwrap()
        };
        let joined = table("x", "add", 3).with(table("x", "sum", 4)).unwrap().with(table("x", "add", 5)).unwrap();
        assert_eq!((joined.of(&work("add")).unwrap(), joined.of(&work("sum")).unwrap()), (5.0, 4.0));
        assert_eq!(joined.with(table("y", "add", 1)).unwrap_err().code(), "COSTS_OTHER_CORE");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"conv": [1, 2, 3, 4]}"#,
            r#"{"costs": {"conv": [1, 2, 3, 4]}}"#,
            r#"{"core": "x", "costs": {"conv": [1, 2, 3]}}"#,
            r#"{"core": "x", "costs": {"conv": [1, 2, 3, -4]}}"#,
            r#"{"core": "x", "costs": {}, "cycles": {"conv": [1, 2]}}"#,
            r#"{"core": "x", "costs": {}, "cycles": {"conv": [2, 1, 3]}}"#,
            r#"{"core": "x", "costs": {}, "cycles": {"conv": [0, 1, 3]}}"#,
        ] {
            assert_eq!(CostTable::parse(text).unwrap_err().code(), "COSTS_INVALID", "{text}");
        }
    }
}
