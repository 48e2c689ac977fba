//! The instances of minimalloc: each has a plan within its capacity.

use std::path::Path;
use tinytrain_plan::{PlanOptions, plan_with, read_csv, validate};

/// Rounds of search. Work is counted and not timed, so the same totals are reached everywhere.
const ROUNDS: u32 = 8192;

#[test]
fn all_fit_their_capacity() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/benchmarks/minimalloc");
    if !folder.is_dir() {
        println!("skipped: ../shared missing ({} is no folder)", folder.display());
        return;
    }
    println!("instance  lower bound   capacity      total");
    for name in ["A", "B", "C", "D", "E", "F"] {
        let capacity = 1 << 20;
        let text = std::fs::read_to_string(folder.join(format!("{name}.{capacity}.csv"))).unwrap();
        let buffers = read_csv(&text).unwrap();
        let plan = plan_with(&buffers, &PlanOptions { improvement_rounds: ROUNDS, enough: capacity }).unwrap();
        println!("{name:<8} {:>12} {capacity:>10} {:>10}", plan.lower_bound, plan.total);
        assert_eq!(validate(&buffers, &plan.offsets, plan.total), Ok(()), "{name}");
        assert!(plan.total <= capacity, "{name}: {} bytes", plan.total);
    }
}
