//! `memory MODEL SIDE|- SCHEME...`: the arena of each scheme as a whole, cut as far as it goes and fed by rows, with its lower bound, steps and the time of a plan.
//! With `LIMIT=N` in the environment for that limit only, with `PEAKS=N` also the N steps at which most bytes live, and what lives there.

use std::collections::BTreeMap;
use std::time::Instant;

use tinytrain_compile::{Compiler, Feed, ProgramOptions, planner_rounds};
use tinytrain_ir::Scheme;
use tinytrain_program::Program;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, side, schemes @ ..] = args.as_slice() else { return Err("MODEL SIDE|- SCHEME...".into()) };
    let input = side.parse().ok().map(|s| [s, s]);
    let options = tinytrain_import::ImportOptions { input, ..Default::default() };
    let graph = tinytrain_import::import(path, &std::fs::read(path)?, &options)?.graph;
    let compiler = Compiler::new(&graph, 10, 0, &[], 1)?;
    let limits: Vec<Option<u32>> = match std::env::var("LIMIT") {
        Ok(limit) => vec![Some(limit.parse()?)],
        Err(_) => vec![None, Some(0)],
    };
    for scheme in schemes {
        println!("{scheme}");
        let scheme = Scheme::parse(scheme, compiler.layers())?;
        for (&limit, feed) in limits.iter().flat_map(|l| [(l, Feed::Whole), (l, Feed::Rows)]) {
            let begin = Instant::now();
            let p = compiler.compile(
                &scheme,
                ProgramOptions { arena_limit: limit, feed, ..ProgramOptions::of(4) },
                planner_rounds(),
            )?;
            let seconds = begin.elapsed().as_secs_f64();
            let Program { arena_bytes, plan, steps, streams, state_bytes, .. } = &p;
            println!(
                "  limit {limit:?}, {feed:?}: arena {arena_bytes} (bound {}), state {state_bytes}, {} steps in {} streams, {seconds:.3} s, {}",
                plan.lower_bound,
                steps.len(),
                streams.len(),
                plan.heuristic,
            );
            if let Ok(count) = std::env::var("PEAKS") {
                peaks(&p, count.parse()?);
            }
        }
    }
    Ok(())
}

/// Prints the steps at which most bytes of the arena live, one of each run of steps with the same label, and the buffers that live there.
fn peaks(p: &Program, count: usize) {
    let live = |step: usize| p.buffers.iter().filter(move |b| !b.live(step).is_empty());
    let bytes = |step: usize| live(step).map(|b| b.live(step).len()).sum::<usize>();
    let mut most: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (i, step) in p.steps.iter().enumerate() {
        let known = most.entry(&step.label).or_default();
        *known = (*known).max((bytes(i), i));
    }
    let mut most: Vec<(usize, usize)> = most.into_values().collect();
    most.sort_unstable_by(|a, b| b.cmp(a));
    for (bytes, step) in most.into_iter().take(count) {
        let part = if step < p.forward { "forward" } else { "backward" };
        println!("    {bytes} at step {step}, {part}, {}:", p.steps[step].label);
        for b in live(step) {
            println!("      {:>7} of {:>7}  {:?} {}", b.live(step).len(), b.size, b.purpose, b.label);
        }
    }
}
