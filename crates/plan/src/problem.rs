//! The problem: the buffers to place, and a lower bound for any placement.

use crate::PlanError;

/// The live bytes of a buffer during a range of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// First step.
    pub start: u32,
    /// Step after the last.
    pub end: u32,
    /// First live byte, counted from the buffer's own beginning.
    pub lo: u32,
    /// Byte after the last live one. `lo < hi`, unless the buffer is of size 0.
    pub hi: u32,
}

/// Bytes that are needed for a range of steps, not necessarily all of them all the time.
///
/// A buffer that is filled row by row, or whose rows die one after the other, says with its windows which of its bytes
/// are live when. Bytes outside the window of a step belong to nobody at that step: another buffer may use them, even if
/// the two interlock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// A name for messages and files. Never interpreted: offsets go by position, not by id.
    pub id: usize,
    /// Size in bytes. Zero is allowed and takes no room.
    pub size: u32,
    /// Alignment of the offset in bytes, a power of two. Use the same for all buffers where possible: the solver then
    /// knows that no buffer can use the bytes between them.
    pub align: u32,
    /// The live bytes over time. Each window starts where the one before it ends. The lifetime from the first start to
    /// the last end is half-open, so a buffer that ends where another starts may share bytes with it.
    pub windows: Vec<Window>,
}

impl Buffer {
    /// A buffer whose bytes are all live during the steps `[start, end)`.
    pub fn whole(id: usize, start: u32, end: u32, size: u32, align: u32) -> Self {
        Self { id, size, align, windows: vec![Window { start, end, lo: 0, hi: size }] }
    }

    /// First step at which the buffer is live; 0 without windows.
    pub fn start(&self) -> u32 {
        self.windows.first().map_or(0, |w| w.start)
    }

    /// Step after the last at which it is live; 0 without windows.
    pub fn end(&self) -> u32 {
        self.windows.last().map_or(0, |w| w.end)
    }

    /// Byte after the last that is ever live: where the buffer ends as far as the arena is concerned.
    pub(crate) fn top(&self) -> u32 {
        self.windows.iter().map(|w| w.hi).max().unwrap_or(0)
    }

    /// Rejects a buffer that cannot be placed in any plan.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let (id, size, align) = (self.id, self.size, self.align);
        if !align.is_power_of_two() {
            return Err(PlanError::BadAlignment { id, align });
        }
        if self.windows.is_empty() {
            return Err(PlanError::EmptyLifetime { id, start: 0, end: 0 });
        }
        let mut next = self.start();
        for &Window { start, end, lo, hi } in &self.windows {
            if start != next {
                return Err(PlanError::WindowGap { id, ended: next, start });
            }
            if start >= end {
                return Err(PlanError::EmptyLifetime { id, start, end });
            }
            if hi > size || (lo >= hi && size > 0) || lo > hi {
                return Err(PlanError::BadWindow { id, start, lo, hi, size });
            }
            next = end;
        }
        Ok(())
    }
}

/// The most bytes live at one step: no plan can be smaller. Alignment may force a plan to be larger.
///
/// Windows that are empty, in time or in bytes, are never live. A sum past `u32::MAX` is returned as `u32::MAX`;
/// [`plan`](crate::plan) rejects such a problem.
pub fn lower_bound(buffers: &[Buffer]) -> u32 {
    u32::try_from(peak(buffers)).unwrap_or(u32::MAX)
}

/// The same without a limit.
pub(crate) fn peak(buffers: &[Buffer]) -> u64 {
    let windows = buffers.iter().flat_map(|b| &b.windows).filter(|w| w.start < w.end && w.lo < w.hi);
    // `false` sorts first: within one step, windows that end release their bytes before others claim them.
    let mut events: Vec<(u32, bool, u32)> =
        windows.flat_map(|w| [(w.start, true, w.hi - w.lo), (w.end, false, w.hi - w.lo)]).collect();
    events.sort_unstable();
    let (mut live, mut peak) = (0u64, 0);
    for (_, begins, bytes) in events {
        live = if begins { live + u64::from(bytes) } else { live - u64::from(bytes) };
        peak = peak.max(live);
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(start: u32, end: u32, size: u32) -> Buffer {
        Buffer::whole(0, start, end, size, 1)
    }

    #[test]
    fn a_buffer_that_ends_makes_room_for_one_that_starts() {
        assert_eq!(lower_bound(&[buffer(0, 2, 10), buffer(2, 4, 10)]), 10);
        assert_eq!(lower_bound(&[buffer(0, 3, 10), buffer(2, 4, 10)]), 20);
    }

    #[test]
    fn only_live_bytes_count() {
        let window = |start, end, lo, hi| Window { start, end, lo, hi };
        let shrinks = Buffer { windows: vec![window(0, 2, 0, 10), window(2, 4, 7, 10)], ..buffer(0, 4, 10) };
        assert_eq!(lower_bound(std::slice::from_ref(&shrinks)), 10);
        assert_eq!(lower_bound(&[shrinks.clone(), buffer(2, 4, 5)]), 10);
        assert_eq!(lower_bound(&[shrinks, buffer(2, 4, 9)]), 12);
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
