//! Random crops and colours of images, as in torchvision's `RandomResizedCrop` and `ColorJitter`: on the pixels behind int8 values, at the size of the model's input.
//! All of it but the length of a crop's sides is computed in integers, and those by operations that IEEE 754 rounds exactly: every machine computes the same bits.

use tinytrain_spec::random;

/// The generator's tensor number with which crops and colours are drawn.
const PIXELS: u32 = 0xffff_fffa;
/// 1 in the fractions of this module.
const ONE: i64 = 1 << 16;
/// Shares of red, green and blue in grey (ITU-R BT.601), of [`ONE`].
const GREY: [i64; 3] = [19595, 38470, 7471];

/// A random part of an image, and random colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelChange {
    crop: u32,
    jitter: u32,
    /// For each channel the int8 value of each pixel value, and back.
    values: Vec<[i8; 256]>,
    pixels: Vec<[u8; 256]>,
}

impl PixelChange {
    /// With `crop`, a random part of an image, of at least this share of its area in 1/65536, is enlarged to the whole; 0 for none. With `jitter`, brightness, contrast and
    /// colour saturation are multiplied by random factors that differ from 1 by up to this, in 1/65536. `tables` has the int8 values of the 256 pixel values, for each channel.
    ///
    /// `None` if these are not whole tables, or a number is above 1.
    pub fn new(crop: u32, jitter: u32, tables: &[i8]) -> Option<Self> {
        if tables.is_empty() || !tables.len().is_multiple_of(256) || crop.max(jitter) > ONE as u32 {
            return None;
        }
        let values: Vec<[i8; 256]> = tables.chunks_exact(256).map(|t| std::array::from_fn(|i| t[i])).collect();
        let pixels = values.iter().map(inverse).collect();
        Some(Self { crop, jitter, values, pixels })
    }

    /// Applies it to a sample of `h` rows, `w` columns and `c` channels; channels beyond the tables are those of the last one.
    pub fn apply(&self, sample: &mut [i8], [h, w, c]: [usize; 3], seed: u64, step: u64) {
        let key = random::key(seed.wrapping_add(step >> 32), step as u32, PIXELS);
        let channel = |i: usize| (i % c).min(self.values.len() - 1);
        let mut image: Vec<u8> =
            sample.iter().enumerate().map(|(i, &v)| self.pixels[channel(i)][(i32::from(v) + 128) as usize]).collect();
        if self.crop > 0 {
            let part = Part::draw(self.crop, [h, w], key);
            image = part.enlarged(&image, [h, w, c]);
        }
        if self.jitter > 0 {
            jitter(&mut image, c, self.jitter, key);
        }
        for (i, (v, pixel)) in sample.iter_mut().zip(image).enumerate() {
            *v = self.values[channel(i)][usize::from(pixel)];
        }
    }
}

/// For each int8 value, from -128 on, the pixel value in the middle of those that become it; of a value that none becomes that of the one below.
fn inverse(values: &[i8; 256]) -> [u8; 256] {
    let mut last = 0;
    std::array::from_fn(|i| {
        let those =
            values.iter().enumerate().filter(|(_, v)| i32::from(**v) + 128 == i as i32).map(|(pixel, _)| pixel as u32);
        let (sum, n) = those.fold((0, 0), |(sum, n), pixel| (sum + pixel, n + 1));
        if n > 0 {
            last = ((2 * sum + n) / (2 * n)) as u8;
        }
        last
    })
}

/// A random 16-bit number, the `part`th of a draw.
fn bits(draw: u64, part: usize) -> i64 {
    (draw >> (16 * part) & 0xffff) as i64
}

/// A rectangle of an image.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    top: usize,
    left: usize,
    rows: usize,
    columns: usize,
}

impl Part {
    /// A share of the area from `least` (of 1/65536) to all of it, sides in a ratio from 3:4 to 4:3 where they fit, at any place.
    fn draw(least: u32, [h, w]: [usize; 2], key: u64) -> Self {
        let r = random::draw(key, 0);
        let share = (i64::from(least) + (((ONE - i64::from(least)) * bits(r, 0)) >> 16)) as f64 / ONE as f64;
        // Upright as often as lying.
        let longer = 1.0 + bits(r, 1) as f64 / (3.0 * ONE as f64);
        let ratio = if r >> 63 == 0 { longer } else { 1.0 / longer };
        let area = share * (h * w) as f64;
        let side = |area: f64, most: usize| ((area.sqrt() + 0.5).floor() as usize).clamp(1, most);
        let (rows, columns) = (side(area / ratio, h), side(area * ratio, w));
        let place = |part: usize, most: usize, n: usize| ((bits(r, part) & 0x7fff) as usize * (most - n + 1)) >> 15;
        Self { top: place(2, h, rows), left: place(3, w, columns), rows, columns }
    }

    /// Its pixels at the size of the whole image, linear between the centres of pixels.
    fn enlarged(&self, image: &[u8], [h, w, c]: [usize; 3]) -> Vec<u8> {
        let (ys, xs) = (positions(self.rows, h), positions(self.columns, w));
        let mut result = Vec::with_capacity(image.len());
        for &(y, fy) in &ys {
            let row = |y: usize| &image[((self.top + y) * w + self.left) * c..][..self.columns * c];
            let (above, below) = (row(y), row((y + 1).min(self.rows - 1)));
            for &(x, fx) in &xs {
                let (left, right) = (x * c, (x + 1).min(self.columns - 1) * c);
                for i in 0..c {
                    let between =
                        |line: &[u8]| u32::from(line[left + i]) * (256 - fx) + u32::from(line[right + i]) * fx;
                    let sum = between(above) * (256 - fy) + between(below) * fy;
                    result.push(((sum + (1 << 15)) >> 16) as u8);
                }
            }
        }
        result
    }
}

/// For each of `to` places, the place among `from` at or before it and the way to the next, in 1/256.
fn positions(from: usize, to: usize) -> Vec<(usize, u32)> {
    let at = |i: usize| (((2 * i + 1) * from * 256 / (2 * to)).saturating_sub(128)).min((from - 1) * 256);
    (0..to).map(at).map(|p| (p / 256, (p % 256) as u32)).collect()
}

/// Multiplies brightness, contrast and, of colours, saturation, in a random order.
fn jitter(image: &mut [u8], c: usize, by: u32, key: u64) {
    let r = random::draw(key, 1);
    let factor = |part: usize| ONE + ((2 * i64::from(by) * bits(r, part)) >> 16) - i64::from(by);
    let mut changes: [fn(&mut [u8], usize, i64); 3] = [brightness, contrast, saturation];
    let order = random::draw(key, 2);
    changes.swap(0, bits(order, 0) as usize % 3);
    changes.swap(1, 1 + bits(order, 1) as usize % 2);
    for (part, change) in changes.into_iter().enumerate() {
        change(image, c, factor(part));
    }
}

/// `from + factor (value - from)`, rounded and in range.
fn away(value: u8, from: i64, factor: i64) -> u8 {
    (from + ((factor * (i64::from(value) - from) + ONE / 2) >> 16)).clamp(0, 255) as u8
}

fn brightness(image: &mut [u8], _: usize, factor: i64) {
    image.iter_mut().for_each(|v| *v = away(*v, 0, factor));
}

/// The grey of a pixel: of one without three colours, its first value.
fn grey(pixel: &[u8]) -> i64 {
    match pixel {
        &[r, g, b] => ([r, g, b].iter().zip(GREY).map(|(&v, share)| i64::from(v) * share).sum::<i64>() + ONE / 2) >> 16,
        _ => i64::from(pixel[0]),
    }
}

fn contrast(image: &mut [u8], c: usize, factor: i64) {
    let (sum, n) = image.chunks_exact(c).fold((0, 0), |(sum, n), pixel| (sum + grey(pixel), n + 1));
    let mean = (2 * sum + n) / (2 * n).max(1);
    image.iter_mut().for_each(|v| *v = away(*v, mean, factor));
}

fn saturation(image: &mut [u8], c: usize, factor: i64) {
    if c == 3 {
        for pixel in image.chunks_exact_mut(c) {
            let grey = grey(pixel);
            pixel.iter_mut().for_each(|v| *v = away(*v, grey, factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [16, 20, 3];

    fn plain() -> Vec<i8> {
        (0..3).flat_map(|_| -128..=127).collect()
    }

    fn image() -> Vec<i8> {
        (0..16 * 20 * 3).map(|i| random::draw(7, i) as i8).collect()
    }

    fn changed(crop: f64, jitter: f64, of: &[i8], step: u64) -> Vec<i8> {
        let mut sample = of.to_vec();
        let in_steps = |v: f64| (v * ONE as f64) as u32;
        PixelChange::new(in_steps(crop), in_steps(jitter), &plain()).unwrap().apply(&mut sample, SHAPE, 1, step);
        sample
    }

    #[test]
    fn crops_are_parts_of_the_area_and_ratio_that_are_asked_for() {
        let (h, w) = (128, 96);
        let (mut shares, mut upright) = (Vec::new(), 0);
        for i in 0..4000 {
            let p = Part::draw((0.08 * ONE as f64) as u32, [h, w], random::key(3, i, 1));
            assert!(p.top + p.rows <= h && p.left + p.columns <= w, "{p:?}");
            let share = (p.rows * p.columns) as f64 / (h * w) as f64;
            // A side that does not fit ends at the image's.
            let whole = p.rows == h || p.columns == w;
            let ratio = p.columns as f64 / p.rows as f64;
            // Half a pixel on a side of 26 or more.
            assert!(whole || (0.75 / 1.04..1.34 * 1.04).contains(&ratio), "{p:?}");
            assert!(share > 0.08 / 1.04 && share <= 1.0, "{p:?}");
            upright += u32::from(p.rows > p.columns);
            shares.push(share);
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        // Uniform from 0.08 to 1, a little less where a side ends at the image's.
        assert!((0.48..0.55).contains(&mean), "{mean}");
        assert!((1800..2600).contains(&upright), "{upright}");
        // Everywhere: each corner is within some part, and the middle within most.
        let all = Part::draw(ONE as u32, [h, h], 5);
        assert!(all.rows >= 110 && all.columns >= 110, "{all:?}");
    }

    #[test]
    fn a_part_is_enlarged_linearly_between_its_pixels() {
        // A ramp stays a ramp.
        let [h, w] = [8, 8];
        let image: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (10 * y + 3 * x) as u8)).collect();
        let part = Part { top: 2, left: 4, rows: 4, columns: 4 };
        let found = part.enlarged(&image, [h, w, 1]);
        for y in 0..h {
            for x in 0..w {
                let at = |i: usize| ((i as f64 + 0.5) / 2.0 - 0.5).clamp(0.0, 3.0);
                let expected = 10.0 * (2.0 + at(y)) + 3.0 * (4.0 + at(x));
                assert!((f64::from(found[y * w + x]) - expected).abs() <= 0.5 + 1e-9, "{y} {x}");
            }
        }
        let whole = Part { top: 0, left: 0, rows: h, columns: w };
        assert_eq!(whole.enlarged(&image, [h, w, 1]), image);
    }

    #[test]
    fn factors_of_one_change_nothing_and_others_what_they_say() {
        let original: Vec<u8> = image().iter().map(|&v| (i32::from(v) + 128) as u8).collect();
        for change in [brightness, contrast, saturation] {
            let mut same = original.clone();
            change(&mut same, 3, ONE);
            assert_eq!(same, original);
        }
        let once = |change: fn(&mut [u8], usize, i64), factor: f64, mut of: Vec<u8>| {
            change(&mut of, 3, (factor * ONE as f64) as i64);
            of
        };
        assert_eq!(once(brightness, 0.5, vec![100, 200, 255]), [50, 100, 128]);
        assert_eq!(once(brightness, 1.25, vec![100, 204, 255]), [125, 255, 255]);
        // Two grey pixels around their mean of 100.
        assert_eq!(once(contrast, 0.5, vec![80, 80, 80, 120, 120, 120]), [90, 90, 90, 110, 110, 110]);
        // The grey of (100, 50, 200) is 0.299 x 100 + 0.587 x 50 + 0.114 x 200 = 82.05.
        assert_eq!(once(saturation, 0.0, vec![100, 50, 200]), [82, 82, 82]);
        assert_eq!(once(saturation, 0.5, vec![100, 50, 200]), [91, 66, 141]);
    }

    #[test]
    fn changes_depend_on_seed_and_step_and_reach_all_tables() {
        let of = image();
        for (crop, jitter) in [(0.08, 0.0), (0.0, 0.4)] {
            let found: Vec<_> = [0, 1, 1 << 32].map(|step| changed(crop, jitter, &of, step)).to_vec();
            assert_eq!(found[0], changed(crop, jitter, &of, 0));
            assert!(found[0] != found[1] && found[0] != found[2] && found[0] != of);
        }
        // Pixels come from the tables and go back through them: with twice as many pixels as values, all of an image of one colour stay in its place.
        let halves: Vec<i8> = (0..256).map(|pixel| (pixel / 2) as i8).collect();
        let change = PixelChange::new(6000, 0, &halves).unwrap();
        let mut sample = vec![37; 12];
        change.apply(&mut sample, [3, 4, 1], 0, 0);
        assert_eq!(sample, [37; 12]);
        assert_eq!((PixelChange::new(0, 0, &halves[1..]), PixelChange::new(1 << 17, 0, &halves)), (None, None));
    }
}
