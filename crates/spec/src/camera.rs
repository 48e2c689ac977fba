//! How a window of a camera's frame becomes the pixels of a sample: in integers, so that a device can do the same.
//!
//! Cut into as many equal parts as the sample has pixels, the window gives each of them the mean of its part, exactly, rounded once:
//!
//! ```text
//! y[i, j] = floor((sum over rows r and columns c of the window of R[i, r] C[j, c] v[r, c] + floor(n / 2)) / n),    n = rows * columns of the window
//! ```
//!
//! `C[j, c]` is the overlap of column `c` of the window, `[c * width, (c + 1) * width)`, and of column `j` of the sample, `[j * columns, (j + 1) * columns)`,
//! with `width` columns of the sample and `columns` of the window; `R` the same for rows. A window that is smaller than the sample works alike.

use alloc::vec::Vec;
use core::fmt;

/// Most pixels of a window: 255 times as many, and a half of them, stay within 32 bits.
pub const MOST_PIXELS: u32 = 1 << 24;
/// Longest side of a frame.
pub const LONGEST_SIDE: u32 = 0xffff;

/// The frame of a camera, and the window of it that becomes a sample; in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Columns of a frame.
    pub width: u32,
    /// Rows of a frame.
    pub height: u32,
    /// The window's first column.
    pub left: u32,
    /// The window's first row.
    pub top: u32,
    /// Columns of the window.
    pub columns: u32,
    /// Rows of the window.
    pub rows: u32,
}

/// A [`View`] that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// A frame or a window without pixels, or a frame with a side of more than [`LONGEST_SIDE`].
    Size,
    /// The window reaches beyond the frame.
    Outside,
    /// The window has more than [`MOST_PIXELS`].
    Large,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size => write!(f, "a side must be from 1 to {LONGEST_SIDE} pixels"),
            Self::Outside => write!(f, "the window reaches beyond the frame"),
            Self::Large => write!(f, "the window has more than {MOST_PIXELS} pixels"),
        }
    }
}

impl View {
    /// Whether it is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), Impossible> {
        let sides = [self.width, self.height, self.columns, self.rows];
        if sides.iter().any(|side| !(1..=LONGEST_SIDE).contains(side)) {
            return Err(Impossible::Size);
        }
        let within = |first: u32, count: u32, all: u32| first <= all && count <= all - first;
        if !within(self.left, self.columns, self.width) || !within(self.top, self.rows, self.height) {
            return Err(Impossible::Outside);
        }
        if self.columns * self.rows > MOST_PIXELS { Err(Impossible::Large) } else { Ok(()) }
    }
}

/// How the pixels of a frame are stored; rows follow one another without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// A byte.
    Grey,
    /// Red, green and blue, a byte each.
    Rgb888,
    /// 5, 6 and 5 bits in two bytes, the one with the red first. Each becomes a byte: `255 v / 31` and `255 v / 63` to the nearest.
    Rgb565,
}

impl Pixels {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb888 => 3,
            Self::Rgb565 => 2,
        }
    }

    /// Red, green and blue of a pixel.
    fn read(self, bytes: &[u8]) -> [u32; 3] {
        match *bytes {
            [grey] => [u32::from(grey); 3],
            [high, low] => {
                let all = u32::from(high) << 8 | u32::from(low);
                [((all >> 11) * 510 + 31) / 62, ((all >> 5 & 63) * 510 + 63) / 126, ((all & 31) * 510 + 31) / 62]
            }
            [red, green, blue] => [red, green, blue].map(u32::from),
            _ => [0; 3],
        }
    }
}

/// Grey of red, green and blue: the luma of ITU-R BT.601, to the nearest.
fn luma([red, green, blue]: [u32; 3]) -> u32 {
    (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
}

/// For each of `to` equal parts of `from` pixels, the first of these that it overlaps, and by how much it overlaps that and the next ones, in parts of 1 / `to` of a pixel.
fn overlaps(from: u32, to: u32) -> Vec<(u32, Vec<u32>)> {
    let of = |part: u32| {
        let (low, high) = (u64::from(part) * u64::from(from), (u64::from(part) + 1) * u64::from(from));
        let (first, end) = (low / u64::from(to), high.div_ceil(u64::from(to)));
        let share = |pixel: u64| (high.min((pixel + 1) * u64::from(to)) - low.max(pixel * u64::from(to))) as u32;
        (first as u32, (first..end).map(share).collect())
    };
    (0..to).map(of).collect()
}

/// The pixels of a sample of `[height, width, channels]`, row by row, from a frame. One channel is grey, a pixel's before any mean; three are red, green and blue.
///
/// # Panics
/// If the view is none, the frame has not its bytes, or there are other channels than 1 or 3.
pub fn sample(view: &View, pixels: Pixels, frame: &[u8], [height, width, channels]: [u32; 3]) -> Vec<u8> {
    assert_eq!(view.check(), Ok(()), "a view");
    assert_eq!(frame.len(), view.width as usize * view.height as usize * pixels.bytes(), "bytes of a frame");
    assert!(channels == 1 || channels == 3, "channels of a sample");
    let n = view.columns * view.rows;
    let columns = overlaps(view.columns, width);
    let mut out = Vec::with_capacity((height * width * channels) as usize);
    for (top, rows) in overlaps(view.rows, height) {
        for (left, columns) in &columns {
            let mut sums = [0; 3];
            for (row, by_row) in (view.top + top..).zip(&rows) {
                for (column, by_column) in (view.left + left..).zip(columns) {
                    let at = (row as usize * view.width as usize + column as usize) * pixels.bytes();
                    let colours = pixels.read(&frame[at..at + pixels.bytes()]);
                    let values = if channels == 1 { [luma(colours), 0, 0] } else { colours };
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += by_row * by_column * value);
                }
            }
            out.extend(sums[..channels as usize].iter().map(|sum| ((sum + n / 2) / n) as u8));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn whole(width: u32, height: u32) -> View {
        View { width, height, left: 0, top: 0, columns: width, rows: height }
    }

    #[test]
    fn overlaps_are_exact() {
        // 5 pixels in 2 parts: two and a half each.
        assert_eq!(overlaps(5, 2), [(0, vec![2, 2, 1]), (2, vec![1, 2, 2])]);
        // 2 pixels in 3 parts.
        assert_eq!(overlaps(2, 3), [(0, vec![2]), (0, vec![1, 1]), (1, vec![2])]);
        for (from, to) in [(1, 1), (320, 128), (7, 320), (640, 96), (65535, 3)] {
            let all = overlaps(from, to);
            assert!(all.iter().all(|(_, shares)| shares.iter().sum::<u32>() == from));
            let mut of_pixel = vec![0; from as usize];
            for (first, shares) in &all {
                shares.iter().enumerate().for_each(|(i, share)| of_pixel[*first as usize + i] += share);
            }
            assert!(of_pixel.iter().all(|&sum| sum == to));
        }
    }

    #[test]
    fn known_means() {
        let grey = |frame: &[u8], view: View, shape| sample(&view, Pixels::Grey, frame, shape);
        assert_eq!(grey(&[1, 2, 3, 4], whole(2, 2), [1, 1, 1]), [3], "2.5 goes upwards");
        assert_eq!(grey(&[1, 2, 3, 4], whole(2, 2), [2, 2, 1]), [1, 2, 3, 4]);
        assert_eq!(grey(&[10, 20, 40], whole(3, 1), [1, 2, 1]), [13, 33], "40 / 3 and 100 / 3");
        assert_eq!(grey(&[0, 90], whole(2, 1), [1, 3, 1]), [0, 45, 90], "larger than the window");
        let middle = View { width: 3, height: 3, left: 1, top: 1, columns: 1, rows: 1 };
        assert_eq!(grey(&[0, 0, 0, 0, 77, 0, 0, 0, 0], middle, [2, 1, 3]), [77; 6], "a window, and three channels");
    }

    #[test]
    fn known_colours() {
        let one = |pixels, frame: &[u8], channels| sample(&whole(1, 1), pixels, frame, [1, 1, channels]);
        assert_eq!(one(Pixels::Rgb565, &[0xff, 0xff], 3), [255, 255, 255]);
        assert_eq!(one(Pixels::Rgb565, &[0x08, 0x21], 3), [8, 4, 8]);
        assert_eq!(one(Pixels::Rgb888, &[255, 0, 0], 1), [76]);
        assert_eq!(one(Pixels::Rgb888, &[255, 255, 255], 1), [255]);
    }

    #[test]
    fn the_largest_window_stays_within_32_bits() {
        let view = whole(4096, 4096);
        assert_eq!(sample(&view, Pixels::Grey, &vec![255; 1 << 24], [1, 1, 1]), [255]);
    }

    #[test]
    fn impossible_views_are_refused() {
        let check = |left, columns, top, rows| View { width: 320, height: 240, left, top, columns, rows }.check();
        assert_eq!(check(40, 280, 0, 240), Ok(()));
        assert_eq!(check(41, 280, 0, 240), Err(Impossible::Outside));
        assert_eq!(check(u32::MAX, 1, 0, 1), Err(Impossible::Outside));
        assert_eq!(check(0, 320, 1, 240), Err(Impossible::Outside));
        assert_eq!(check(0, 0, 0, 240), Err(Impossible::Size));
        assert_eq!(whole(65536, 1).check(), Err(Impossible::Size));
        assert_eq!(whole(4097, 4096).check(), Err(Impossible::Large));
    }
}
