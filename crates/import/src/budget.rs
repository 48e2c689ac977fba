//! What may be copied out of a file. Both formats can refer to the same bytes any number of times (a FlatBuffer's
//! offsets, a pickle's memo), so a small file could ask for a copy of itself a million times over; sound models copy
//! each weight once.

use crate::error::{Fault, malformed};

/// Bytes still allowed.
pub(crate) struct Budget(usize);

impl Budget {
    /// Eight times the file covers the smallest convolutions, whose scales, multipliers and biases outweigh their
    /// weights.
    pub(crate) fn of(file: usize) -> Self {
        Self(file.saturating_mul(8).saturating_add(1 << 16))
    }

    /// Announces a copy of `bytes` bytes; to be called before it is made.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => malformed("it refers to the same bytes over and over: its content is many times its size"),
        }
    }

    /// Announces an output channel: scale, multiplier, bias and flags in the graph.
    pub(crate) fn take_channels(&mut self, channels: usize) -> Result<(), Fault> {
        self.take(channels.saturating_mul(64))
    }
}
