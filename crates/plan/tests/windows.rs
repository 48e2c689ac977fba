//! Plans of buffers of which not all bytes are live all the time.

mod common;

use common::{no_byte_twice, windowed};
use proptest::prelude::*;
use tinytrain_plan::{Buffer, Options, lower_bound, plan, plan_with, validate};

/// Whether, at all steps that they share, the live bytes of `low` end at or below the first of `high`.
fn is_below((low, at_low): (&Buffer, u32), (high, at_high): (&Buffer, u32)) -> bool {
    let pairs = low.windows.iter().flat_map(|a| high.windows.iter().map(move |b| (a, b)));
    let mut shared = pairs.filter(|(a, b)| a.start < b.end && b.start < a.end);
    shared.all(|(a, b)| at_low + a.hi <= at_high + b.lo)
}

/// Whether there is a plan of at most `total` bytes in which each pair keeps its order, by trying all offsets of one
/// buffer after the other.
fn fits(buffers: &[Buffer], offsets: &mut Vec<u32>, total: u32) -> bool {
    let Some(next) = buffers.get(offsets.len()) else { return true };
    (0..total).step_by(next.align as usize).any(|offset| {
        let inside = next.windows.iter().all(|w| offset + w.hi <= total);
        let mut placed = buffers.iter().zip(offsets.iter().copied());
        let apart = placed.all(|other| is_below(other, (next, offset)) || is_below((next, offset), other));
        inside && apart && {
            offsets.push(offset);
            let found = fits(buffers, offsets, total);
            offsets.pop();
            found
        }
    })
}

proptest! {
    #[test]
    fn a_plan_is_valid_and_above_its_bound(buffers in windowed(20, 40, 0..4u32)) {
        let plan = plan(&buffers).unwrap();
        prop_assert!(no_byte_twice(&buffers, &plan.offsets, plan.total));
        prop_assert_eq!(plan.lower_bound, lower_bound(&buffers));
        prop_assert!(plan.total >= plan.lower_bound);
        prop_assert!(!no_byte_twice(&buffers, &plan.offsets, plan.total - 1));
    }

    #[test]
    fn small_problems_are_solved_to_the_optimum(buffers in windowed(4, 5, Just(0))) {
        let plan = plan_with(&buffers, &Options { improvement_rounds: 1000, ..Options::default() }).unwrap();
        prop_assert!(!fits(&buffers, &mut Vec::new(), plan.total - 1), "{:?}", plan);
    }

    #[test]
    fn the_validator_agrees_with_counting_bytes(
        buffers in windowed(5, 12, 0..2u32),
        offsets in prop::collection::vec(0..24u32, 5),
        total in 12..40u32,
    ) {
        let offsets = &offsets[..buffers.len()];
        let valid = validate(&buffers, offsets, total).is_ok();
        prop_assert_eq!(valid, no_byte_twice(&buffers, offsets, total));
    }
}
