//! The mean of a map at its own scale as a depthwise convolution, which every kernel of LiteRT rounds alike, and as MEAN of a Program: to the nearest, halves upwards.
//!
//! LiteRT's MEAN rounds a half, which one of two maps of 4x4 pixels has in one of eight channels, now up and now down. Here a pixel counts 64, and 16 is added to
//! the sum: a quarter of a pixel's unit, which takes halves upwards and everything else not across one.

/// Weight of every pixel.
pub const WEIGHT: i8 = 64;
/// What is added.
pub const BIAS: i32 = 16;
/// Most pixels of a map.
pub const MOST_PIXELS: usize = 1 << 10;

/// Scale of the weights for a map of so many pixels.
pub fn scale(pixels: usize) -> f64 {
    1.0 / (f64::from(WEIGHT) * pixels as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requantisation as LiteRT's own kernels do it, which round twice.
    fn twice(acc: i64, scale: f64) -> i64 {
        let mut exponent = 0;
        let mut m = scale;
        while m < 0.5 {
            m *= 2.0;
            exponent += 1;
        }
        let m = (m * 2f64.powi(31)).round() as i64;
        let nudge = if acc >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (acc * m + nudge) / (1 << 31);
        let mask = (1i64 << exponent) - 1;
        let threshold = (mask >> 1) + i64::from(high < 0);
        (high >> exponent) + i64::from(high & mask > threshold)
    }

    #[test]
    fn both_ways_to_round_give_the_mean_with_halves_upwards() {
        for pixels in (1..=150).chain([196, 225, 256, 784, MOST_PIXELS as i64]) {
            let scale = f64::from(scale(pixels as usize) as f32);
            for sum in -255 * pixels..=255 * pixels {
                let acc = i64::from(WEIGHT) * sum + i64::from(BIAS);
                let mean = (2 * sum + pixels).div_euclid(2 * pixels);
                assert_eq!(twice(acc, scale), mean, "{sum} of {pixels} pixels");
                assert_eq!((acc as f64 * scale).round_ties_even() as i64, mean, "{sum} of {pixels} pixels, once");
            }
        }
    }
}
