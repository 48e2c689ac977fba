//! An independent check of a plan. It shares no code with the solver: it restates windows as rectangles of time and
//! bytes and sweeps over time.

use std::collections::BTreeMap;

use crate::{Buffer, PlanError};

/// The bytes `[lo, hi)` of the arena during the steps `[start, end)`, held by the buffer at a position of the input.
struct Rectangle {
    start: u32,
    end: u32,
    lo: u32,
    hi: u32,
    owner: usize,
}

/// Checks that `offsets`, in bytes and in the order of `buffers`, form a plan for an arena of `total` bytes: aligned,
/// no live byte outside the arena, and none that two buffers use at the same step.
///
/// # Errors
/// The first rule that is broken. A buffer that no plan can serve is an error as well.
pub fn validate(buffers: &[Buffer], offsets: &[u32], total: u32) -> Result<(), PlanError> {
    if buffers.len() != offsets.len() {
        return Err(PlanError::OffsetCount { buffers: buffers.len(), offsets: offsets.len() });
    }
    let mut rectangles = Vec::new();
    for (owner, (buffer, &offset)) in buffers.iter().zip(offsets).enumerate() {
        buffer.check()?;
        let &Buffer { id, align, .. } = buffer;
        if offset % align != 0 {
            return Err(PlanError::Misaligned { id, offset, align });
        }
        for w in &buffer.windows {
            let end = u64::from(offset) + u64::from(w.hi);
            if end > u64::from(total) {
                return Err(PlanError::OutOfArena { id, end, total });
            }
            // No overflow: both ends are inside the arena. An empty buffer has no byte to share.
            if w.lo < w.hi {
                rectangles.push(Rectangle { start: w.start, end: w.end, lo: offset + w.lo, hi: offset + w.hi, owner });
            }
        }
    }
    match first_overlap(&rectangles) {
        None => Ok(()),
        Some((a, b)) => Err(PlanError::Overlap { first: buffers[a.min(b)].id, second: buffers[a.max(b)].id }),
    }
}

/// The owners of two rectangles that share a byte at a step: the pair that meets first, in time.
fn first_overlap(rectangles: &[Rectangle]) -> Option<(usize, usize)> {
    // `false` sorts first: within one step, rectangles that end give up their bytes before others take them.
    let mut events: Vec<(u32, bool, usize)> =
        rectangles.iter().enumerate().flat_map(|(i, r)| [(r.start, true, i), (r.end, false, i)]).collect();
    events.sort_unstable();
    // Those of the present step by their first byte. They are apart, so only the neighbours of a new one can overlap it.
    let mut present: BTreeMap<u32, &Rectangle> = BTreeMap::new();
    for (_, begins, i) in events {
        let new = &rectangles[i];
        if !begins {
            present.remove(&new.lo);
            continue;
        }
        let below = present.range(..=new.lo).next_back().filter(|(_, r)| r.hi > new.lo);
        let above = present.range(new.lo..).next().filter(|(_, r)| r.lo < new.hi);
        if let Some((_, other)) = below.or(above) {
            return Some((other.owner, new.owner));
        }
        present.insert(new.lo, new);
    }
    None
}
