//! Plans the instances of minimalloc and prints how far each plan is from the lower bound.
//!
//! `cargo run --release -p tinytrain-plan --example minimalloc [improvement rounds] [folder of NAME.CAPACITY.csv]`

use std::time::Instant;
use tinytrain_plan::{PlanOptions, plan_with, read_csv};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let improvement_rounds =
        args.next().map_or(Ok(PlanOptions::default().improvement_rounds), |rounds| rounds.parse())?;
    let default_folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/benchmarks/minimalloc");
    let folder = args.next().unwrap_or_else(|| default_folder.into());
    let mut files = std::fs::read_dir(&folder)
        .map_err(|e| format!("{folder}: {e}"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();

    println!("{improvement_rounds} improvement rounds");
    println!("instance  buffers  lower bound   capacity       ours  over by        ms  found by");
    for path in files {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (name, capacity) = stem.split_once('.').ok_or("a file is not called NAME.CAPACITY.csv")?;
        let capacity: u32 = capacity.parse()?;
        let buffers = read_csv(&std::fs::read_to_string(&path)?)?;
        let begin = Instant::now();
        let plan = plan_with(&buffers, &PlanOptions { improvement_rounds, enough: capacity })?;
        let ms = begin.elapsed().as_secs_f64() * 1000.0;
        let over = (f64::from(plan.total) / f64::from(capacity) - 1.0) * 100.0;
        let count = buffers.len();
        let (bound, total, by) = (plan.lower_bound, plan.total, plan.heuristic);
        println!("{name:<8} {count:>8} {bound:>12} {capacity:>10} {total:>10} {over:>7.2}% {ms:>9.2}  {by}");
    }
    Ok(())
}
