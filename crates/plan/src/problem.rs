//! The problem: the buffers to place, and a lower bound for any placement.

use crate::PlanError;

/// Bytes that are needed for a range of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// A name for messages and files. Never interpreted: offsets go by position, not by id.
    pub id: usize,
    /// First step at which the buffer is live.
    pub start: u32,
    /// Step after the last at which it is live. The lifetime `[start, end)` is half-open, so a buffer that ends where
    /// another starts may share bytes with it.
    pub end: u32,
    /// Size in bytes. Zero is allowed and takes no room.
    pub size: u32,
    /// Alignment of the offset in bytes, a power of two. Use the same for all buffers where possible: the solver then
    /// knows that no buffer can use the bytes between them.
    pub align: u32,
}

impl Buffer {
    /// Rejects a buffer that cannot be placed in any plan.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let &Self { id, start, end, align, .. } = self;
        if start >= end {
            return Err(PlanError::EmptyLifetime { id, start, end });
        }
        if !align.is_power_of_two() {
            return Err(PlanError::BadAlignment { id, align });
        }
        Ok(())
    }
}

/// The most bytes live at one step: no plan can be smaller. Alignment may force a plan to be larger.
///
/// Buffers with an empty lifetime are never live. A sum past `u32::MAX` is returned as `u32::MAX`;
/// [`plan`](crate::plan) rejects such a problem.
pub fn lower_bound(buffers: &[Buffer]) -> u32 {
    u32::try_from(peak(buffers)).unwrap_or(u32::MAX)
}

/// The same without a limit.
pub(crate) fn peak(buffers: &[Buffer]) -> u64 {
    let ever_live = buffers.iter().filter(|b| b.start < b.end);
    // `false` sorts first: within one step, buffers that die release their bytes before others claim them.
    let mut events: Vec<(u32, bool, u32)> =
        ever_live.flat_map(|b| [(b.start, true, b.size), (b.end, false, b.size)]).collect();
    events.sort_unstable();
    let (mut live, mut peak) = (0u64, 0);
    for (_, born, size) in events {
        live = if born { live + u64::from(size) } else { live - u64::from(size) };
        peak = peak.max(live);
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(start: u32, end: u32, size: u32) -> Buffer {
        Buffer { id: 0, start, end, size, align: 1 }
    }

    #[test]
    fn a_buffer_that_ends_makes_room_for_one_that_starts() {
        assert_eq!(lower_bound(&[buffer(0, 2, 10), buffer(2, 4, 10)]), 10);
        assert_eq!(lower_bound(&[buffer(0, 3, 10), buffer(2, 4, 10)]), 20);
    }

    #[test]
    fn a_sum_past_32_bits_saturates() {
        assert_eq!(lower_bound(&[buffer(0, 1, u32::MAX), buffer(0, 1, 2)]), u32::MAX);
        assert_eq!(peak(&[buffer(0, 1, u32::MAX), buffer(0, 1, 2)]), (1 << 32) + 1);
    }

    #[test]
    fn a_buffer_that_is_never_live_counts_nothing() {
        assert_eq!(lower_bound(&[buffer(3, 3, 9), buffer(5, 4, 9)]), 0);
    }
}
