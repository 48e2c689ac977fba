//! The short pass of fuzzing: the same inputs each time.

use tinytrain_fuzz::{TARGETS, changed};

/// Changed inputs of each target; more by `TINYTRAIN_FUZZ`.
const ROUNDS: u64 = 3000;

#[test]
fn seeds_are_accepted_and_changed_ones_are_refused_or_computed() {
    let rounds = std::env::var("TINYTRAIN_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    for target in TARGETS {
        let seeds = target.files("seeds");
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in &seeds {
            assert!((target.run)(seed), "a seed of {} is refused", target.name);
        }
        let count = seeds.len() as u64;
        let accepted = (0..rounds).filter(|&i| (target.run)(&changed(&seeds[(i % count) as usize], i))).count();
        println!("{}: {accepted} of {rounds} accepted", target.name);
        assert!(accepted > 0 && accepted < rounds as usize, "{}: {accepted} of {rounds}", target.name);
    }
}

#[test]
fn inputs_that_once_failed_do_not() {
    for target in TARGETS {
        for bytes in target.files("regressions") {
            (target.run)(&bytes);
        }
    }
}
