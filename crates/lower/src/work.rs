//! What a step costs in instructions: how much of what it does, and a table of how many instructions that takes.
//!
//! A kernel's instructions are close to linear in four terms: one for the call, the elements it brings into order first, the elements it yields, and the
//! products it sums up. How much each takes hangs on which of a kernel's loops run: a *kind* names them. The default table (`costs.json`, made by
//! `scripts/costs.mjs`) was fitted to steps counted in QEMU, on firmware built as `compile` builds it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tinytrain_program::{Program, TERMS, Work};

const TABLE: &str = include_str!("costs.json");
/// What a training step does beside the Program's steps: its checks and counters.
const REST: &str = "rest of a step";

/// Instructions for each term, by kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    costs: BTreeMap<String, [f64; TERMS]>,
}

/// Why a table of costs does not serve.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// Not a table.
    #[error("not a table of costs: {0}")]
    Malformed(String),
}

impl CostError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "COSTS_INVALID",
        }
    }
}

impl Costs {
    /// The table that this version was measured with.
    pub fn built_in() -> &'static Self {
        static PARSED: OnceLock<Costs> = OnceLock::new();
        // The file is part of this crate, and a test reads it.
        PARSED.get_or_init(|| serde_json::from_str(TABLE).expect("costs.json is well-formed"))
    }

    /// The built-in table with the kinds of another, in JSON of the same form, in place of its own.
    pub fn parse(text: &str) -> Result<Self, CostError> {
        let own: Self = serde_json::from_str(text).map_err(|e| CostError::Malformed(e.to_string()))?;
        if let Some((kind, _)) = own.costs.iter().find(|(_, c)| c.iter().any(|x| !(x.is_finite() && *x >= 0.0))) {
            return Err(CostError::Malformed(format!("'{kind}' has a negative cost")));
        }
        let mut table = Self::built_in().clone();
        table.costs.extend(own.costs);
        Ok(table)
    }

    /// Predicted instructions of a piece of work. A kind that was never measured counts as the one that its name begins with.
    pub fn of(&self, work: &Work) -> f64 {
        let mut kind = work.kind.as_str();
        loop {
            if let Some(costs) = self.costs.get(kind) {
                return costs.iter().zip(work.terms).map(|(c, t)| c * t).sum();
            }
            let Some((shorter, _)) = kind.rsplit_once(", ") else { return 0.0 };
            kind = shorter;
        }
    }

    /// Predicted instructions of a training step of a Program, the sample being in its place.
    pub fn training_step(&self, program: &Program) -> f64 {
        let rest = Work { kind: REST.into(), terms: [1.0, 0.0, 0.0, 0.0] };
        program.work().iter().map(|w| self.of(w)).sum::<f64>() + self.of(&rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds that everything else falls back to: at least one for each kernel.
    const BASES: [&str; 27] = [
        "conv",
        "conv 1x1",
        "depthwise",
        "conv input grad",
        "conv 1x1 input grad",
        "depthwise input grad",
        "bias step",
        "add",
        "requantize",
        "average pool",
        "max pool",
        "average pool grad",
        "max pool grad",
        "mean",
        "softmax",
        "copy",
        "copy shifted",
        "fill",
        "head logits",
        "head error",
        "head input grad",
        "head update",
        "grad scale",
        "grad repeat",
        "sum",
        "depthwise, strided",
        REST,
    ];

    #[test]
    fn the_built_in_table_knows_every_kernel() {
        let table = Costs::built_in();
        let weight_steps = ["conv weight step", "conv weight step, many pixels", "depthwise weight step"];
        let bits = [0, 2, 4, 8].into_iter().flat_map(|b| weight_steps.map(|w| format!("{w}, {b} residual bits")));
        for kind in BASES.into_iter().map(String::from).chain(bits) {
            let work = Work { kind: kind.clone(), terms: [1.0, 1000.0, 1000.0, 1000.0] };
            assert!(table.of(&work) > 0.0, "{kind}");
        }
    }

    #[test]
    fn a_kind_that_was_never_measured_counts_as_what_its_name_begins_with() {
        let table = Costs::parse(r#"{"costs": {"conv": [1, 2, 3, 4]}}"#).unwrap();
        let work = |kind: &str| Work { kind: kind.into(), terms: [1.0, 10.0, 100.0, 1000.0] };
        assert_eq!(table.of(&work("conv")), 4321.0);
        assert_eq!(table.of(&work("conv, unheard of, indeed")), 4321.0);
        assert_eq!(table.of(&work("unheard of")), 0.0);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for text in [
            "",
            "[]",
            r#"{"conv": [1, 2, 3, 4]}"#,
            r#"{"costs": {"conv": [1, 2, 3]}}"#,
            r#"{"costs": {"conv": [1, 2, 3, -4]}}"#,
        ] {
            assert_eq!(Costs::parse(text).unwrap_err().code(), "COSTS_INVALID", "{text}");
        }
    }
}
