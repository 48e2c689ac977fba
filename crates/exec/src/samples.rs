//! Samples as int8 tensors, in memory or behind a function that reads them.

use crate::ExecError;

/// A source of samples, all with the same number of bytes.
pub trait SampleSource: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;
    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The class of sample `i`.
    fn label(&self, i: usize) -> usize;
    /// Copies sample `i` into `out`, which has the length of a sample.
    fn read(&self, i: usize, out: &mut [i8]) -> Result<(), ExecError>;
}

/// Samples in memory.
pub struct Samples {
    data: Vec<i8>,
    labels: Vec<u16>,
}

impl Samples {
    /// `data` holds the samples one after the other, `bytes` each.
    pub fn new(data: Vec<i8>, labels: Vec<u16>, bytes: usize) -> Result<Self, ExecError> {
        if data.len() != labels.len() * bytes {
            return Err(ExecError::Size {
                what: "length of the samples in bytes",
                found: data.len(),
                expected: labels.len() * bytes,
            });
        }
        Ok(Self { data, labels })
    }
}

impl SampleSource for Samples {
    fn len(&self) -> usize {
        self.labels.len()
    }
    fn label(&self, i: usize) -> usize {
        self.labels[i] as usize
    }
    fn read(&self, i: usize, out: &mut [i8]) -> Result<(), ExecError> {
        out.copy_from_slice(&self.data[i * out.len()..][..out.len()]);
        Ok(())
    }
}
