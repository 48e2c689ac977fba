//! Random changes of training samples, on the host only. They depend on nothing but seed and step, so a run can be resumed and results do not depend on threads.

use std::sync::Arc;

use tinytrain_spec::random;

use crate::pixels::PixelChange;

/// Augmentation of training samples, in this order: pixels, mirror, shift, noise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Augment {
    /// Changes of the pixels behind an image's int8 values.
    pub pixels: Option<Arc<PixelChange>>,
    /// Mirrors a sample horizontally with probability 1/2.
    pub flip: bool,
    /// Shifts by up to this number of pixels in each direction; pixels moved in are the zero point. A series is shifted by up to this number of rows
    /// (see `row`), and continued with its first or last row.
    pub shift: usize,
    /// Adds noise of this standard deviation, in 1/256 of a step of int8: nearly normal, a sum of four uniform numbers.
    pub noise: u32,
    /// For series, the number of values in a row; 0 for images.
    pub row: usize,
}

/// The generator's tensor numbers with which flips and shifts, and noise, are drawn.
const AUGMENT: u32 = 0xffff_fffd;
const NOISE: u32 = 0xffff_fffc;
/// The standard deviation of a sum of four uniform 16-bit numbers, `sqrt((2^32 - 1) / 3)`, times 256.
const NOISE_UNIT: i64 = 37837 * 256;

impl Augment {
    /// Whether it leaves samples unchanged.
    pub fn is_off(&self) -> bool {
        self.pixels.is_none() && !self.flip && self.shift == 0 && self.noise == 0
    }

    /// Applies it in place to a sample of `h` rows, `w` columns and `c` channels.
    pub fn apply(&self, sample: &mut [i8], [h, w, c]: [usize; 3], zero: i8, seed: u64, step: u64) {
        if let Some(pixels) = &self.pixels {
            pixels.apply(sample, [h, w, c], seed, step);
        }
        let r = random::draw(random::key(seed, (step >> 32) as u32, AUGMENT), step as u32);
        if self.flip && r & 1 == 1 {
            for row in sample.chunks_exact_mut(w * c) {
                for x in 0..w / 2 {
                    (0..c).for_each(|i| row.swap(x * c + i, (w - 1 - x) * c + i));
                }
            }
        }
        let span = 2 * self.shift as u64 + 1;
        let draw = |bits: u64| (((bits & 0xffff) * span) >> 16) as isize - self.shift as isize;
        if self.shift > 0 && self.row > 0 {
            shift_rows(sample, self.row, draw(r >> 16));
        } else if self.shift > 0 {
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
        if self.noise > 0 {
            let key = random::key(seed.wrapping_add(step >> 32), step as u32, NOISE);
            for (i, v) in sample.iter_mut().enumerate() {
                *v = (i64::from(*v) + noise(random::draw(key, i as u32), self.noise)).clamp(-128, 127) as i8;
            }
        }
    }
}

/// A random number of mean 0 and standard deviation `size / 256`, rounded to nearest with halves up.
fn noise(bits: u64, size: u32) -> i64 {
    let sum: i64 = (0..4).map(|i| (bits >> (16 * i) & 0xffff) as i64).sum();
    let around_zero = sum - 2 * 0xffff;
    (2 * around_zero * i64::from(size) + NOISE_UNIT).div_euclid(2 * NOISE_UNIT)
}

/// Moves the rows of a series by `by` towards its beginning; what is missing then is its first or last row.
fn shift_rows(sample: &mut [i8], row: usize, by: isize) {
    let old = sample.to_vec();
    let last = (old.len() / row) as isize - 1;
    for (i, to) in sample.chunks_exact_mut(row).enumerate() {
        let from = (i as isize + by).clamp(0, last) as usize * row;
        to.copy_from_slice(&old[from..from + row]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentation_is_a_function_of_seed_and_step() {
        let a = Augment { flip: true, shift: 2, ..Augment::default() };
        let original: Vec<i8> = (0..5 * 4 * 3).map(|i| i as i8).collect();
        let run = |seed, step| {
            let mut p = original.clone();
            a.apply(&mut p, [5, 4, 3], -1, seed, step);
            p
        };
        assert_eq!(run(1, 7), run(1, 7));
        assert!((0..20).any(|v| run(1, v) != run(1, 0)) && (0..20).any(|v| run(2, v) != run(1, v)));
        let mut flipped = original.clone();
        let only = Augment { flip: true, ..Augment::default() };
        let step = (0..).find(|&v| {
            flipped.copy_from_slice(&original);
            only.apply(&mut flipped, [5, 4, 3], 0, 3, v);
            flipped != original
        });
        assert!(step.is_some());
        assert_eq!(&flipped[..3], &original[9..12]);
    }

    #[test]
    fn series_are_shifted_by_whole_rows_and_continued() {
        let a = Augment { shift: 2, row: 3, ..Augment::default() };
        let original: Vec<i8> = (0..5 * 3).collect();
        let mut found = [0; 5];
        for step in 0..200 {
            let mut s = original.clone();
            // The shape of the tensor does not matter.
            a.apply(&mut s, [1, 3, 5], -1, 1, step);
            let rows: Vec<isize> = s.chunks(3).map(|r| isize::from(r[0]) / 3).collect();
            assert!(s.chunks(3).all(|r| r[0] % 3 == 0 && r[1] == r[0] + 1 && r[2] == r[0] + 2), "{s:?}");
            let by = (-2..=2).find(|by| rows == [0, 1, 2, 3, 4].map(|i: isize| (i + by).clamp(0, 4))).expect("a shift");
            found[(by + 2) as usize] += 1;
        }
        assert!(found.iter().all(|&n| n > 20), "{found:?}");
    }

    #[test]
    fn noise_has_the_deviation_that_is_asked_for() {
        let size = 2.5;
        let a = Augment { noise: (size * 256.0) as u32, ..Augment::default() };
        assert!(!a.is_off() && Augment { row: 3, ..Augment::default() }.is_off());
        let noise: Vec<f64> = (0..100)
            .flat_map(|step| {
                let mut s = vec![10i8; 200];
                a.apply(&mut s, [1, 1, 200], 0, 3, step);
                s.into_iter().map(|v| f64::from(v) - 10.0)
            })
            .collect();
        let n = noise.len() as f64;
        let mean = noise.iter().sum::<f64>() / n;
        let deviation = (noise.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Rounding to whole steps adds a variance of 1/12. Bounds are four standard errors of 20,000 draws.
        let wanted = (size * size + 1.0 / 12.0f64).sqrt();
        assert!(mean.abs() < 4.0 * wanted / n.sqrt(), "{mean}");
        assert!((deviation - wanted).abs() < 4.0 * wanted / (2.0 * n).sqrt(), "{deviation} for {wanted}");
        // Steps beyond 2^32 draw other numbers.
        let at = |step| {
            let mut s = vec![0i8; 50];
            a.apply(&mut s, [1, 1, 50], 0, 3, step);
            s
        };
        assert!(at(5) == at(5) && at(5) != at(6) && at(5) != at(5 + (1 << 32)));
    }
}
