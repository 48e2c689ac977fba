//! Plans of random and of typical problems.

mod common;

use common::problem;
use proptest::prelude::*;
use tinytrain_plan::{Buffer, PlanError, PlanOptions, lower_bound, plan, plan_with, validate};

fn buffer(start: u32, end: u32, size: u32, align: u32) -> Buffer {
    Buffer::whole(7, start, end, size, align)
}

proptest! {
    #[test]
    fn a_plan_is_valid_and_tight(buffers in problem(0..6u32)) {
        let plan = plan(&buffers).unwrap();
        prop_assert_eq!(validate(&buffers, &plan.offsets, plan.total), Ok(()));
        prop_assert_eq!(plan.lower_bound, lower_bound(&buffers));
        prop_assert!(plan.total >= plan.lower_bound);
        let highest_end = buffers.iter().zip(&plan.offsets).filter(|(b, _)| b.size > 0).map(|(b, o)| b.size + o).max();
        prop_assert_eq!(plan.total, highest_end.unwrap_or(0));
    }

    #[test]
    fn equal_lifetimes_never_share(buffers in problem(Just(2)), copied in any::<prop::sample::Index>()) {
        prop_assume!(!buffers.is_empty());
        let copied = copied.index(buffers.len());
        let mut buffers = buffers;
        let b = &buffers[copied];
        buffers[copied] = Buffer::whole(b.id, b.start(), b.end(), b.size + 1, b.align);
        buffers.push(buffers[copied].clone());
        let plan = plan(&buffers).unwrap();
        let (a, b) = (plan.offsets[copied], plan.offsets[buffers.len() - 1]);
        prop_assert!(a.abs_diff(b) >= buffers[copied].size);
    }

    #[test]
    fn search_never_makes_it_worse(buffers in problem(0..6u32)) {
        let total = |improvement_rounds| plan_with(&buffers, &PlanOptions { improvement_rounds, ..PlanOptions::default() }).unwrap().total;
        // Up to the smallest alignment may be lost at the very top.
        let grain = buffers.iter().filter(|b| b.size > 0).map(|b| b.align).min().unwrap_or(1);
        prop_assert!(total(32) < total(0) + grain);
    }
}

#[test]
fn nothing_needs_nothing() {
    let plan = plan(&[]).unwrap();
    assert_eq!((plan.offsets, plan.total, plan.lower_bound), (vec![], 0, 0));
}

#[test]
fn empty_buffers_take_no_room() {
    let plan = plan(&[buffer(0, 9, 0, 16), buffer(0, 9, 5, 1), buffer(0, 9, 0, 1)]).unwrap();
    assert_eq!((plan.offsets, plan.total), (vec![0, 0, 0], 5));
}

#[test]
fn a_buffer_that_dies_makes_room_at_the_same_step() {
    assert_eq!(plan(&[buffer(0, 2, 64, 4), buffer(2, 4, 64, 4)]).unwrap().total, 64);
}

/// Copies, one after the other in time, of a problem for which every order of first fit needs 12 bytes although at most
/// 11 are live. Found by trying random problems.
fn hard(copies: u32) -> Vec<Buffer> {
    let once = [(2, 5, 5), (4, 8, 4), (4, 5, 2), (0, 2, 4), (5, 9, 6)];
    let copy = |at| once.map(|(start, end, size)| buffer(at + start, at + end, size, 1));
    (0..copies).flat_map(|i| copy(10 * i)).collect()
}

#[test]
fn search_finds_what_first_fit_does_not() {
    let total = |improvement_rounds| {
        plan_with(&hard(20), &PlanOptions { improvement_rounds, ..PlanOptions::default() }).unwrap().total
    };
    assert_eq!((total(0), total(8)), (12, 11));
}

#[test]
fn very_many_buffers_are_planned_without_search() {
    let plan = plan_with(&hard(401), &PlanOptions { improvement_rounds: u32::MAX, ..PlanOptions::default() }).unwrap();
    assert_eq!((plan.total, plan.lower_bound), (12, 11));
}

/// A chain of layers, forward and backward, as in a training graph. Such problems are to be planned optimally with the
/// default options.
#[test]
fn training_graphs_meet_the_bound() {
    for layers in [5, 20, 60] {
        let mut buffers = Vec::new();
        let mut add = |start, end, size| buffers.push(buffer(start, end, size, 4));
        let last = 2 * layers;
        for i in 0..layers {
            let size = 4 * (40_000 / (i + 4));
            let (forward, backward) = (i, last - 1 - i);
            add(forward, if i % 3 == 0 { forward + 2 } else { backward + 1 }, size); // activation, needed by the backward pass or not
            add(forward, backward + 1, size / 32 * 4); // mask
            add(forward, forward + 1, 4 * 9 * (i % 5) * 100); // scratch
            add(backward, backward + 2 + i % 2, size); // gradient
            add(backward, last + 1, 40); // bias gradient
        }
        let plan = plan(&buffers).unwrap();
        assert_eq!(plan.total, plan.lower_bound, "{layers} layers, {}", plan.heuristic);
    }
}

#[test]
fn bad_buffers_are_rejected() {
    let code = |b: Buffer| plan(&[buffer(0, 1, 1, 1), b]).unwrap_err().code();
    assert_eq!(code(buffer(3, 3, 1, 1)), "PLAN_EMPTY_LIFETIME");
    assert_eq!(code(buffer(4, 3, 1, 1)), "PLAN_EMPTY_LIFETIME");
    assert_eq!(code(buffer(0, 1, 1, 0)), "PLAN_BAD_ALIGNMENT");
    assert_eq!(code(buffer(0, 1, 1, 12)), "PLAN_BAD_ALIGNMENT");
}

#[test]
fn more_than_32_bits_is_an_error() {
    let max = u32::MAX;
    assert_eq!(plan(&[buffer(0, 1, max, 1), buffer(0, 1, 1, 1)]), Err(PlanError::TooLarge { bytes: 1 << 32 }));
    assert_eq!(plan(&[buffer(0, 1, max, 1), buffer(1, 2, 1, 1)]).map(|p| p.total), Ok(max));
    // Few bytes, but three buffers at multiples of 2 GiB reach past the fourth.
    let apart = [0; 3].map(|_| buffer(0, 1, 1, 1 << 31));
    assert_eq!(plan(&apart), Err(PlanError::TooLarge { bytes: (1 << 32) + 1 }));
    assert_eq!(plan(&apart[..2]).map(|p| p.total), Ok((1 << 31) + 1));
}
