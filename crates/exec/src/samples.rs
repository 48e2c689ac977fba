//! Samples as int8 tensors, in memory or behind a function that reads them.

use tinytrain_spec::random;

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

/// Augmentation of training samples. It depends only on seed and step, so a run can be resumed and results do not depend on threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Mirrors a sample horizontally with probability 1/2.
    pub flip: bool,
    /// Shifts by up to this number of pixels in each direction; pixels moved in are the zero point.
    pub shift: usize,
}

impl Augment {
    /// Whether it leaves samples unchanged.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Applies it in place to a sample of `h` rows, `w` columns and `c` channels.
    pub fn apply(&self, sample: &mut [i8], [h, w, c]: [usize; 3], zero: i8, seed: u64, step: u64) {
        /// The generator's tensor number with which augmentation is drawn.
        const AUGMENT: u32 = 0xffff_fffd;
        let r = random::draw(random::key(seed, (step >> 32) as u32, AUGMENT), step as u32);
        if self.flip && r & 1 == 1 {
            for row in sample.chunks_exact_mut(w * c) {
                for x in 0..w / 2 {
                    (0..c).for_each(|i| row.swap(x * c + i, (w - 1 - x) * c + i));
                }
            }
        }
        if self.shift > 0 {
            let span = 2 * self.shift as u64 + 1;
            let draw = |bits: u64| (((bits & 0xffff) * span) >> 16) as isize - self.shift as isize;
            let (dy, dx) = (draw(r >> 16), draw(r >> 32));
            let old = sample.to_vec();
            sample.fill(zero);
            for y in 0..h as isize {
                for x in 0..w as isize {
                    let (sy, sx) = (y + dy, x + dx);
                    if (0..h as isize).contains(&sy) && (0..w as isize).contains(&sx) {
                        let (to, from) = ((y as usize * w + x as usize) * c, (sy as usize * w + sx as usize) * c);
                        sample[to..to + c].copy_from_slice(&old[from..from + c]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentation_is_a_function_of_seed_and_step() {
        let a = Augment { flip: true, shift: 2 };
        let original: Vec<i8> = (0..5 * 4 * 3).map(|i| i as i8).collect();
        let run = |seed, step| {
            let mut p = original.clone();
            a.apply(&mut p, [5, 4, 3], -1, seed, step);
            p
        };
        assert_eq!(run(1, 7), run(1, 7));
        assert!((0..20).any(|v| run(1, v) != run(1, 0)) && (0..20).any(|v| run(2, v) != run(1, v)));
        let mut flipped = original.clone();
        let only = Augment { flip: true, shift: 0 };
        let step = (0..).find(|&v| {
            flipped.copy_from_slice(&original);
            only.apply(&mut flipped, [5, 4, 3], 0, 3, v);
            flipped != original
        });
        assert!(step.is_some());
        assert_eq!(&flipped[..3], &original[9..12]);
    }
}
