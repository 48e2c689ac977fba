//! An independent check of a plan. It shares no code with the solver and compares all pairs: slow and plain.

use crate::{Buffer, PlanError};

/// Checks that `offsets`, in bytes and in the order of `buffers`, form a plan for an arena of `total` bytes: aligned,
/// inside the arena, and such that no two buffers that are live at the same step share a byte.
pub fn validate(buffers: &[Buffer], offsets: &[u32], total: u32) -> Result<(), PlanError> {
    if buffers.len() != offsets.len() {
        return Err(PlanError::OffsetCount { buffers: buffers.len(), offsets: offsets.len() });
    }
    for (buffer, &offset) in buffers.iter().zip(offsets) {
        buffer.check()?;
        let &Buffer { id, size, align, .. } = buffer;
        if offset % align != 0 {
            return Err(PlanError::Misaligned { id, offset, align });
        }
        let end = u64::from(offset) + u64::from(size);
        if end > u64::from(total) {
            return Err(PlanError::OutOfArena { id, end, total });
        }
    }
    for i in 0..buffers.len() {
        for j in i + 1..buffers.len() {
            let (a, b) = (&buffers[i], &buffers[j]);
            let in_time = a.start < b.end && b.start < a.end;
            // No overflow: both ends are inside the arena. An empty buffer has no byte to share.
            let in_memory = offsets[i].max(offsets[j]) < (offsets[i] + a.size).min(offsets[j] + b.size);
            if in_time && in_memory {
                return Err(PlanError::Overlap { first: a.id, second: b.id });
            }
        }
    }
    Ok(())
}
