//! A limit on the data copied out of a file. Both formats can refer to the same bytes any number of times (through a
//! FlatBuffer's offsets or a pickle's memo), so a small file could request a million copies of itself; valid models
//! copy each weight once.

use crate::error::{Fault, malformed};

/// Bytes still allowed.
pub(crate) struct Budget(usize);

impl Budget {
    /// Eight times the size of the file is enough for the smallest convolutions, whose scales, multipliers and biases
    /// outweigh their weights.
    pub(crate) fn of(file: usize) -> Self {
        Self(file.saturating_mul(8).saturating_add(1 << 16))
    }

    /// Accounts for a copy of `bytes` bytes; to be called before it is made.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => malformed("it refers to the same bytes over and over: its content would be many times its size"),
        }
    }

    /// Accounts for output channels: scale, multiplier, bias and flags in the graph.
    pub(crate) fn take_channels(&mut self, channels: usize) -> Result<(), Fault> {
        self.take(channels.saturating_mul(64))
    }
}
