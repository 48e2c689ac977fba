//! A table of costs: how many instructions the work of a step takes on a core.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tinytrain_program::{Program, REST, TERMS, Work};

/// Instructions for each term, by kind of work, on a core.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    core: String,
    costs: BTreeMap<String, [f64; TERMS]>,
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

impl Costs {
    /// The table of a core that was never measured.
    pub fn none(core: String) -> Self {
        Self { core, costs: BTreeMap::new() }
    }

    /// A table in JSON: `{"core": NAME, "costs": {KIND: [4 numbers]}}`.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let table: Self = serde_json::from_str(text).map_err(|e| CostError::Malformed(e.to_string()))?;
        if let Some((kind, _)) = table.costs.iter().find(|(_, c)| c.iter().any(|x| !(x.is_finite() && *x >= 0.0))) {
            return Err(CostError::Malformed(format!("'{kind}' has a negative cost")));
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
        Ok(self)
    }

    /// Predicted instructions of a piece of work.
    pub fn of(&self, work: &Work) -> Result<f64, CostError> {
        let missing = || CostError::Kind { core: self.core.clone(), kind: work.kind.clone() };
        let costs = self.costs.get(&work.kind).ok_or_else(missing)?;
        Ok(costs.iter().zip(work.terms).map(|(c, t)| c * t).sum())
    }

    /// Predicted instructions of a training step of a Program, the sample being in its place.
    pub fn training_step(&self, program: &Program) -> Result<f64, CostError> {
        let rest = Work { kind: REST.into(), terms: [1.0, 0.0, 0.0, 0.0] };
        program.work().iter().chain([&rest]).try_fold(0.0, |sum, work| Ok(sum + self.of(work)?))
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
        let table = Costs::parse(r#"{"core": "x", "costs": {"conv": [1, 2, 3, 4]}}"#).unwrap();
        assert_eq!(table.of(&work("conv")).unwrap(), 4321.0);
        assert_eq!(table.of(&work("conv, unheard of")).unwrap_err().code(), "COSTS_STALE");
    }

    #[test]
    fn tables_of_one_core_are_joined_and_those_of_two_are_not() {
        let table = |core: &str, kind: &str, cost: u32| {
            Costs::parse(&format!(r#"{{"core": "{core}", "costs": {{"{kind}": [{cost}, 0, 0, 0]}}}}"#)).unwrap()
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
        ] {
            assert_eq!(Costs::parse(text).unwrap_err().code(), "COSTS_INVALID", "{text}");
        }
    }
}
