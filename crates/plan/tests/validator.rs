//! The validator accepts plans and rejects everything else.

mod common;

use common::problem;
use proptest::prelude::*;
use tinytrain_plan::{Buffer, PlanError, Window, plan, validate};

fn buffer(id: usize, start: u32, end: u32, size: u32, align: u32) -> Buffer {
    Buffer::whole(id, start, end, size, align)
}

/// A buffer of 8 bytes, aligned to 1, with windows `(start, end, lo, hi)`.
fn windowed(id: usize, windows: &[(u32, u32, u32, u32)]) -> Buffer {
    let windows = windows.iter().map(|&(start, end, lo, hi)| Window { start, end, lo, hi }).collect();
    Buffer { id, size: 8, align: 1, windows }
}

proptest! {
    #[test]
    fn a_buffer_moved_onto_another_is_found(
        buffers in problem(Just(3)),
        pair in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        prop_assume!(!buffers.is_empty());
        let first = pair.0.index(buffers.len());
        let a = &buffers[first];
        let meets = |b: &Buffer| a.size.min(b.size) > 0 && a.start() < b.end() && b.start() < a.end();
        let others: Vec<usize> = (0..buffers.len()).filter(|&i| i != first && meets(&buffers[i])).collect();
        prop_assume!(!others.is_empty());
        let moved = others[pair.1.index(others.len())];
        let mut plan = plan(&buffers).unwrap();
        plan.offsets[moved] = plan.offsets[first];
        let result = validate(&buffers, &plan.offsets, u32::MAX);
        prop_assert!(matches!(result, Err(PlanError::Overlap { .. })), "{:?}", result);
    }

    #[test]
    fn an_arena_one_byte_smaller_is_too_small(buffers in problem(0..6u32)) {
        let plan = plan(&buffers).unwrap();
        prop_assume!(plan.total > 0);
        let result = validate(&buffers, &plan.offsets, plan.total - 1);
        prop_assert!(matches!(result, Err(PlanError::OutOfArena { .. })), "{:?}", result);
    }
}

#[test]
fn one_byte_in_common_is_too_many() {
    let buffers = [buffer(3, 0, 2, 8, 1), buffer(5, 1, 3, 8, 1)];
    assert_eq!(validate(&buffers, &[0, 8], 16), Ok(()));
    assert_eq!(validate(&buffers, &[8, 0], 16), Ok(()));
    assert_eq!(validate(&buffers, &[0, 7], 16), Err(PlanError::Overlap { first: 3, second: 5 }));
    assert_eq!(validate(&buffers, &[7, 0], 16), Err(PlanError::Overlap { first: 3, second: 5 }));
}

#[test]
fn one_step_in_common_is_too_many() {
    let at = |end| validate(&[buffer(3, 0, end, 8, 1), buffer(5, 4, 9, 8, 1)], &[0, 0], 8);
    assert_eq!(at(4), Ok(()));
    assert_eq!(at(5), Err(PlanError::Overlap { first: 3, second: 5 }));
}

#[test]
fn equal_buffers_at_one_offset_overlap() {
    let equal = [buffer(1, 0, 2, 8, 4), buffer(2, 0, 2, 8, 4)];
    assert_eq!(validate(&equal, &[4, 4], 64), Err(PlanError::Overlap { first: 1, second: 2 }));
}

#[test]
fn an_empty_buffer_may_lie_anywhere_inside() {
    let buffers = [buffer(1, 0, 2, 8, 1), buffer(2, 0, 2, 0, 1)];
    assert_eq!(validate(&buffers, &[0, 4], 8), Ok(()));
    assert_eq!(validate(&buffers, &[0, 9], 8), Err(PlanError::OutOfArena { id: 2, end: 9, total: 8 }));
}

#[test]
fn the_rest_is_refused_with_its_reason() {
    let one = [buffer(4, 0, 1, 8, 8)];
    assert_eq!(validate(&one, &[], 8), Err(PlanError::OffsetCount { buffers: 1, offsets: 0 }));
    assert_eq!(validate(&one, &[4], 12), Err(PlanError::Misaligned { id: 4, offset: 4, align: 8 }));
    let past_32_bits = u64::from(u32::MAX - 7) + 8;
    let result = validate(&one, &[u32::MAX - 7], u32::MAX);
    assert_eq!(result, Err(PlanError::OutOfArena { id: 4, end: past_32_bits, total: u32::MAX }));
    // What no plan can serve is no valid plan either, and does not divide by zero.
    assert_eq!(validate(&[buffer(4, 0, 1, 8, 0)], &[0], 8), Err(PlanError::BadAlignment { id: 4, align: 0 }));
    assert_eq!(validate(&[buffer(4, 1, 1, 8, 1)], &[0], 8).unwrap_err().code(), "PLAN_EMPTY_LIFETIME");
}

#[test]
fn only_live_bytes_are_denied_to_others() {
    // The upper half of the one dies when the lower half of the other is born.
    let buffers = [windowed(3, &[(0, 2, 0, 8), (2, 4, 0, 4)]), windowed(5, &[(2, 6, 4, 8)])];
    assert_eq!(validate(&buffers, &[0, 0], 8), Ok(()));
    assert_eq!(validate(&buffers, &[1, 0], 9), Err(PlanError::Overlap { first: 3, second: 5 }));
    let early = [buffers[0].clone(), windowed(5, &[(1, 6, 4, 8)])];
    assert_eq!(validate(&early, &[0, 0], 8), Err(PlanError::Overlap { first: 3, second: 5 }));
    // The arena ends with the last live byte, not with the buffer.
    let lower = [windowed(4, &[(0, 1, 0, 4), (1, 2, 1, 5)])];
    assert_eq!(validate(&lower, &[0], 5), Ok(()));
    assert_eq!(validate(&lower, &[0], 4), Err(PlanError::OutOfArena { id: 4, end: 5, total: 4 }));
}

#[test]
fn windows_that_make_no_buffer_are_refused() {
    let error = |windows: &[_]| {
        let buffers = [windowed(4, windows)];
        let error = validate(&buffers, &[0], 8).unwrap_err();
        assert_eq!(plan(&buffers).unwrap_err(), error);
        (error.code(), error.to_string())
    };
    let is = |code: &'static str, text: &str| (code, format!("buffer 4: {text}"));
    assert_eq!(error(&[]), is("PLAN_EMPTY_LIFETIME", "empty lifetime [0, 0)"));
    assert_eq!(error(&[(0, 2, 0, 8), (2, 2, 0, 8)]), is("PLAN_EMPTY_LIFETIME", "empty lifetime [2, 2)"));
    let gap = is("PLAN_WINDOW_GAP", "a window starts at step 3, the one before it ends at step 2");
    assert_eq!(error(&[(0, 2, 0, 8), (3, 4, 0, 8)]), gap);
    let back = is("PLAN_WINDOW_GAP", "a window starts at step 1, the one before it ends at step 2");
    assert_eq!(error(&[(0, 2, 0, 8), (1, 4, 0, 8)]), back);
    let outside = is("PLAN_BAD_WINDOW", "live bytes [4, 9) at step 2 are no part of its 8");
    assert_eq!(error(&[(0, 2, 0, 8), (2, 4, 4, 9)]), outside);
    assert_eq!(error(&[(0, 2, 4, 4)]), is("PLAN_BAD_WINDOW", "live bytes [4, 4) at step 0 are no part of its 8"));
}
