//! The instances of minimalloc: how close the plans come to their capacity.

use std::path::Path;
use tinytrain_plan::{Options, plan_with, read_csv, validate};

/// Rounds of search, and the total in bytes that they reached for each instance when the solver was last improved. Work
/// is counted and not timed, so the same totals are reached everywhere.
const ROUNDS: u32 = 2048;
const REACHED: [(&str, u32); 6] =
    [("A", 1_048_576), ("B", 1_048_576), ("C", 1_039_360), ("D", 1_037_312), ("E", 1_115_136), ("F", 1_048_576)];

#[test]
fn totals_do_not_get_worse() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/benchmarks/minimalloc");
    if !folder.is_dir() {
        println!("skipped: ../shared missing ({} is no folder)", folder.display());
        return;
    }
    println!("instance  lower bound   capacity      total");
    for (name, reached) in REACHED {
        let capacity = 1 << 20;
        let text = std::fs::read_to_string(folder.join(format!("{name}.{capacity}.csv"))).unwrap();
        let buffers = read_csv(&text).unwrap();
        let plan = plan_with(&buffers, &Options { improvement_rounds: ROUNDS }).unwrap();
        println!("{name:<8} {:>12} {capacity:>10} {:>10}", plan.lower_bound, plan.total);
        assert_eq!(validate(&buffers, &plan.offsets, plan.total), Ok(()), "{name}");
        assert!(plan.total <= reached, "{name}: {} bytes, once {reached}", plan.total);
    }
}
