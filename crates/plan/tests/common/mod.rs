//! Random problems.
#![allow(dead_code)] // No test file uses all of it.

use proptest::prelude::*;
use tinytrain_plan::{Buffer, Window};

/// Up to 24 buffers, some empty, in few enough steps that many meet; all aligned to `1 << log_align`.
pub fn problem(log_align: impl Strategy<Value = u32> + Clone) -> impl Strategy<Value = Vec<Buffer>> {
    let size = prop_oneof![1 => Just(0), 4 => 1..40u32, 4 => 1..5000u32];
    let buffer = (any::<usize>(), 0..20u32, 1..12u32, size, log_align);
    let buffer = buffer
        .prop_map(|(id, start, steps, size, log_align)| Buffer::whole(id, start, start + steps, size, 1 << log_align));
    prop::collection::vec(buffer, 0..24)
}

/// Up to `most` buffers of 1 to 3 windows of any kind, within `size` bytes and 10 steps.
pub fn windowed(
    most: usize,
    size: u32,
    log_align: impl Strategy<Value = u32> + Clone,
) -> impl Strategy<Value = Vec<Buffer>> {
    let window = (1..3u32, 0..size, 1..=size);
    let buffer = (0..6u32, prop::collection::vec(window, 1..=3), log_align);
    let buffer = buffer.prop_map(move |(mut start, windows, log_align)| {
        let mut window = |(steps, lo, bytes): (u32, u32, u32)| {
            let hi = (lo + bytes).min(size);
            start += steps;
            Window { start: start - steps, end: start, lo, hi }
        };
        Buffer { id: 0, size, align: 1 << log_align, windows: windows.into_iter().map(&mut window).collect() }
    });
    prop::collection::vec(buffer, 1..=most).prop_map(|mut buffers| {
        buffers.iter_mut().enumerate().for_each(|(id, b)| b.id = id);
        buffers
    })
}

/// Whether the plan is valid, byte by byte and step by step.
pub fn no_byte_twice(buffers: &[Buffer], offsets: &[u32], total: u32) -> bool {
    let mut taken = std::collections::HashSet::new();
    buffers.iter().zip(offsets).all(|(b, &offset)| {
        offset % b.align == 0
            && b.windows.iter().all(|w| {
                let mut bytes = (w.start..w.end).flat_map(|step| (w.lo..w.hi).map(move |byte| (step, offset + byte)));
                bytes.all(|at| at.1 < total && taken.insert(at))
            })
    })
}
