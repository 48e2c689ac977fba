//! `memory MODEL SIDE|- SCHEME...`: the arena of each scheme as a whole, cut as far as it goes and fed by rows, with its lower bound, steps and the time of a plan.

use std::time::Instant;

use tinytrain_compile::{Compiler, Feed, planner_rounds};
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
            let p = compiler.compile(&scheme, 4, planner_rounds(), limit, feed)?;
            let seconds = begin.elapsed().as_secs_f64();
            let Program { arena_bytes, plan, steps, streams, state_bytes, .. } = &p;
            println!(
                "  limit {limit:?}, {feed:?}: arena {arena_bytes} (bound {}), state {state_bytes}, {} steps in {} streams, {seconds:.3} s, {}",
                plan.lower_bound,
                steps.len(),
                streams.len(),
                plan.heuristic,
            );
        }
    }
    Ok(())
}
