//! How a sound becomes the features of a log-mel spectrogram: in integers, so that a device can do the same.
//!
//! A frame is the last [`Front::length`] values of the sound, every [`Front::stride`] values. With `F` the next power of two ([`Front::points`]):
//!
//! ```text
//! v[n] = (x[n] h[n]) >> 17                               x in int16, h the Hann window in Q0.31; 0 for n >= length
//! Y[k] = DFT(v)[k] / F                                   in int32: a complex transform of the F / 2 pairs, halved in each stage, and their separation
//! S[c] = sum over k of w[c, k] ((|Y[k]|^2 + 128) >> 8)   in uint64, w triangles over the mel scale in Q0.15
//! y[c] = round(512 (log2(S[c] + 2^24) - 24))             in int16: a step is 1/512 of a doubling of power, 0.0059 dB
//! ```
//!
//! Against real numbers the features are off by at most 6 steps (0.035 dB) where the transform has up to 512 points, and half a step on average, from silence to
//! full scale; with 2,048 points by at most 24, where it is nearly silent. A test compares them.
//! 2^24 is about the power that the rounding of `x` alone has in a channel as wide as a line of the spectrum, so that silence is 0. The tables are computed by
//! additions, multiplications and divisions of float64 alone, the same on every machine; a device has them as constants.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::arith::round_half_up;

/// Most values of a frame.
pub const LONGEST: u32 = 4096;
/// Fewest values of a frame.
pub const SHORTEST: u32 = 16;
/// Most values a second.
pub const FASTEST: u32 = 192_000;
/// Most channels.
pub const MOST_CHANNELS: u32 = 256;
/// Features are multiples of 1 / this of an octave of power.
pub const STEPS: u32 = 512;
/// log2 of what is added to the power of a channel.
const FLOOR: u32 = 24;
/// Bits of a square that are dropped.
const DROPPED: u32 = 8;
/// `2^16 log2(1 + i / 32)`, to the nearest.
const LOG2: [u32; 33] = [
    0, 2909, 5732, 8473, 11136, 13727, 16248, 18704, 21098, 23433, 25711, 27936, 30109, 32234, 34312, 36346, 38336,
    40286, 42196, 44068, 45904, 47705, 49472, 51207, 52911, 54584, 56229, 57845, 59434, 60997, 62534, 64047, 65536,
];

/// The front end of a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Values a second.
    pub rate: u32,
    /// Values of a frame.
    pub length: u32,
    /// Values from one frame to the next.
    pub stride: u32,
    /// Features of a frame.
    pub channels: u32,
    /// Where the first channel begins, in Hz.
    pub low: u32,
    /// Where the last one ends, in Hz.
    pub high: u32,
}

/// A [`Front`] that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    /// Values a second: none, or more than [`FASTEST`].
    Rate(u32),
    /// Values of a frame: not from [`SHORTEST`] to [`LONGEST`].
    Length(u32),
    /// No value from one frame to the next, or more than a frame has.
    Stride(u32, u32),
    /// Channels: none, or more than [`MOST_CHANNELS`].
    Channels(u32),
    /// From, to, and the half of the rate: not in this order.
    Range(u32, u32, u32),
    /// No line of the spectrum lies in this one of so many channels; the lines are so many thousandths of a Hz apart.
    Empty(u32, u32, u32),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "{rate} values a second; possible are 1 to {FASTEST}"),
            Self::Length(length) => write!(f, "a frame of {length} values; possible are {SHORTEST} to {LONGEST}"),
            Self::Stride(stride, length) => write!(f, "{stride} values from one frame of {length} to the next"),
            Self::Channels(channels) => write!(f, "{channels} channels; possible are 1 to {MOST_CHANNELS}"),
            Self::Range(low, high, half) => {
                write!(
                    f,
                    "channels from {low} to {high} Hz; the second must be above the first and at most {half}, half the rate"
                )
            }
            Self::Empty(channel, channels, apart) => write!(
                f,
                "channel {channel} of {channels} has no line of the spectrum, which are {}.{} Hz apart; take fewer channels, or longer frames",
                apart / 1000,
                apart / 100 % 10
            ),
        }
    }
}

/// What a frame is computed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The first half of the Hann window, in Q0.31; the other one mirrors it.
    pub window: Vec<i32>,
    /// `cos(2 pi j / points)` for `j` from 0 to a quarter of the points, in Q0.31.
    pub cosines: Vec<i32>,
    /// The first line of the spectrum that counts.
    pub first: u32,
    /// Where the lines end that lie below the middle of channel 0, between those of 0 and 1, and so on, and above that of the last one.
    pub ends: Vec<u16>,
    /// How much of each line, from `first` on, counts in the lower one of its two channels, in Q0.15; the rest counts in the upper one.
    pub weights: Vec<u16>,
}

/// `cos(2 pi j / n)`, by its Taylor series within an eighth of a turn.
pub(crate) fn cosine(j: u64, n: u64) -> f64 {
    let j = j % n;
    if 2 * j > n {
        return cosine(n - j, n);
    }
    if 4 * j > n {
        return -cosine(n - 2 * j, 2 * n);
    }
    let (j, n, sine) = if 8 * j > n { (n - 4 * j, 4 * n, true) } else { (j, n, false) };
    let x = core::f64::consts::TAU * j as f64 / n as f64;
    let (mut term, mut sum, mut k) = if sine { (x, x, 2.0) } else { (1.0, 1.0, 1.0) };
    for _ in 0..10 {
        term *= -x * x / (k * (k + 1.0));
        sum += term;
        k += 2.0;
    }
    sum
}

/// `ln x` of `x >= 1`.
pub(crate) fn ln(x: f64) -> f64 {
    let (mut x, mut twos) = (x, 0.0);
    while x > 1.5 {
        x /= 2.0;
        twos += 1.0;
    }
    let s = (x - 1.0) / (x + 1.0);
    let (mut power, mut sum) = (s, 0.0);
    for k in 0..20 {
        sum += power / f64::from(2 * k + 1);
        power *= s * s;
    }
    2.0 * sum + twos * core::f64::consts::LN_2
}

/// The place of a frequency on the mel scale; its unit does not matter.
fn mel(hz: f64) -> f64 {
    ln(1.0 + hz / 700.0)
}

impl Front {
    /// Points of the transform: the next power of two.
    pub fn points(&self) -> u32 {
        self.length.next_power_of_two()
    }

    /// Frames of a sound of so many values.
    pub fn frames(&self, values: usize) -> usize {
        values.checked_sub(self.length as usize).map_or(0, |more| more / self.stride as usize + 1)
    }

    /// Whether rate, frames and channels are possible.
    pub(crate) fn check(&self) -> Result<(), Impossible> {
        let &Self { rate, length, stride, channels, low, high } = self;
        if !(1..=FASTEST).contains(&rate) {
            return Err(Impossible::Rate(rate));
        }
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(Impossible::Length(length));
        }
        if !(1..=length).contains(&stride) {
            return Err(Impossible::Stride(stride, length));
        }
        if !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(Impossible::Channels(channels));
        }
        if low >= high || high > rate / 2 {
            return Err(Impossible::Range(low, high, rate / 2));
        }
        Ok(())
    }

    /// What a frame is computed with.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn tables(&self) -> Result<Tables, Impossible> {
        self.check()?;
        let &Self { rate, length, channels, low, high, .. } = self;
        let points = self.points();
        let hann = |n| 0.5 - 0.5 * cosine(2 * u64::from(n) + 1, 2 * u64::from(length));
        let window = (0..length.div_ceil(2)).map(|n| round_half_up(hann(n) * 2147483647.0) as i32).collect();
        let cosines = (0..=points / 4)
            .map(|j| round_half_up(cosine(j.into(), points.into()) * 2147483648.0).min(2147483647.0) as i32)
            .collect();
        let (bottom, top) = (mel(low.into()), mel(high.into()));
        let middle = |c: u32| bottom + (top - bottom) * f64::from(c) / f64::from(channels + 1);
        let line = |k: u32| mel(f64::from(k) * f64::from(rate) / f64::from(points));
        let first = (1..points / 2).find(|&k| line(k) >= bottom).unwrap_or(points / 2);
        let (mut ends, mut weights, mut k) = (Vec::new(), Vec::new(), first);
        for band in 0..=channels {
            let (from, to) = (middle(band), middle(band + 1));
            while k < points / 2 && line(k) < to {
                weights.push(round_half_up((to - line(k)) / (to - from) * 32768.0) as u16);
                k += 1;
            }
            ends.push(k as u16);
        }
        let from = |band: u32| if band == 0 { first } else { u32::from(ends[band as usize - 1]) };
        if let Some(c) = (0..channels).find(|&c| from(c) == u32::from(ends[c as usize + 1])) {
            return Err(Impossible::Empty(c, channels, (u64::from(rate) * 1000 / u64::from(points)) as u32));
        }
        Ok(Tables { window, cosines, first, ends, weights })
    }
}

/// A complex number.
type Point = [i32; 2];

/// `e^(-2 pi i j / points)` as its cosine and the negative of its sine, `j` below half the points.
fn turn(cosines: &[i32], j: usize) -> [i64; 2] {
    let quarter = cosines.len() - 1;
    let [c, s] = if j <= quarter {
        [cosines[j], cosines[quarter - j]]
    } else {
        [-cosines[2 * quarter - j], cosines[j - quarter]]
    };
    [c.into(), s.into()]
}

/// The transform of points in the order of their reversed bits, in place; each stage halves them.
fn transform(z: &mut [Point], cosines: &[i32]) {
    let mut half = 1;
    while half < z.len() {
        for k in 0..half {
            let [c, s] = turn(cosines, k * (z.len() / half));
            for i in (k..z.len()).step_by(2 * half) {
                let ([a, b], [re, im]) = (z[i], z[i + half].map(i64::from));
                let t = [(re * c + im * s + (1 << 30)) >> 31, (im * c - re * s + (1 << 30)) >> 31].map(|v| v as i32);
                z[i] = [(a + t[0]) >> 1, (b + t[1]) >> 1];
                z[i + half] = [(a - t[0]) >> 1, (b - t[1]) >> 1];
            }
        }
        half *= 2;
    }
}

/// The power of a line of the spectrum of real values, whose pairs were transformed.
fn power(z: &[Point], cosines: &[i32], k: usize) -> u64 {
    let ([a, b], [p, q]) = (z[k].map(i64::from), z[z.len() - k].map(i64::from));
    let [c, s] = turn(cosines, k);
    let re = ((a + p) * (1 << 31) + c * (b + q) - s * (a - p) + (1 << 32)) >> 33;
    let im = ((b - q) * (1 << 31) - c * (a - p) - s * (b + q) + (1 << 32)) >> 33;
    (re * re + im * im) as u64
}

/// The feature of the power of a channel.
fn feature(power: u64) -> i16 {
    let v = power + (1 << FLOOR);
    let whole = 63 - v.leading_zeros();
    // 16 bits behind the leading one.
    let t = ((v << (63 - whole)) >> 47) as u32 & 0xffff;
    let (at, rest) = ((t >> 11) as usize, t & 2047);
    let log = (whole << 16) + LOG2[at] + (((LOG2[at + 1] - LOG2[at]) * rest) >> 11);
    ((log - (FLOOR << 16) + 64) >> 7) as i16
}

/// The features of a frame, one a channel.
fn frame(tables: &Tables, values: &[i16], out: &mut Vec<i16>) {
    let half = 2 * (tables.cosines.len() - 1);
    let bits = half.trailing_zeros();
    let mut z = vec![[0; 2]; half];
    for (n, &x) in values.iter().enumerate() {
        let h = tables.window[n.min(values.len() - 1 - n)];
        let place = ((n / 2) as u32).reverse_bits() >> (32 - bits);
        z[place as usize][n % 2] = ((i64::from(x) * i64::from(h)) >> 17) as i32;
    }
    transform(&mut z, &tables.cosines);
    let (mut rising, mut k) = (0, tables.first as usize);
    for (band, &end) in tables.ends.iter().enumerate() {
        let mut falling = rising;
        rising = 0;
        while k < usize::from(end) {
            let p = (power(&z, &tables.cosines, k) + (1 << (DROPPED - 1))) >> DROPPED;
            let w = u64::from(tables.weights[k - tables.first as usize]);
            falling += p * w;
            rising += p * (32768 - w);
            k += 1;
        }
        if band > 0 {
            out.push(feature(falling));
        }
    }
}

/// The features of all whole frames of a sound, frame after frame.
///
/// # Panics
/// If the tables are not those of the front.
pub fn features(front: &Front, tables: &Tables, sound: &[i16]) -> Vec<i16> {
    let mut out = Vec::with_capacity(front.frames(sound.len()) * front.channels as usize);
    for i in 0..front.frames(sound.len()) {
        let from = i * front.stride as usize;
        frame(tables, &sound[from..from + front.length as usize], &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use core::f64::consts::{PI, TAU};

    use crate::random::{draw, key};

    /// 30 ms every 20 ms, 40 channels, 125 to 7500 Hz.
    const FAST: Front = Front { rate: 16_000, length: 480, stride: 320, channels: 40, low: 125, high: 7500 };
    const SLOW: Front = Front { rate: 8_000, length: 240, stride: 160, channels: 40, low: 125, high: 3750 };

    /// The same in real numbers, by the definition: the feature of each channel before it is rounded.
    fn real(front: &Front, values: &[i16]) -> Vec<f64> {
        let Front { rate, length, channels, low, high, .. } = *front;
        let points = front.points();
        let turns: Vec<(f64, f64)> = (0..points).map(|j| (TAU * f64::from(j) / f64::from(points)).sin_cos()).collect();
        let v: Vec<f64> = (0..length)
            .map(|n| f64::from(values[n as usize]) * (PI * (f64::from(n) + 0.5) / f64::from(length)).sin().powi(2))
            .collect();
        let power = |k: u32| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, x) in v.iter().enumerate() {
                let (sin, cos) = turns[k as usize * n % turns.len()];
                (re, im) = (re + x * cos, im - x * sin);
            }
            (re * re + im * im) * exp2(28.0 - 8.0) / f64::from(points).powi(2)
        };
        let mel = |hz: f64| (1.0 + hz / 700.0).ln();
        let middle = |c: f64| mel(low.into()) + (mel(high.into()) - mel(low.into())) * c / f64::from(channels + 1);
        let lines: Vec<(f64, f64)> =
            (1..points / 2).map(|k| (mel(f64::from(k) * f64::from(rate) / f64::from(points)), power(k))).collect();
        let triangle = |c: u32, at: f64| {
            let [from, top, to] = [0.0, 1.0, 2.0].map(|i| middle(f64::from(c) + i));
            ((at - from) / (top - from)).min((to - at) / (to - top)).max(0.0)
        };
        (0..channels)
            .map(|c| {
                let sum: f64 = lines.iter().map(|&(at, p)| triangle(c, at) * p).sum();
                512.0 * ((sum * 32768.0 + exp2(24.0)).log2() - 24.0)
            })
            .collect()
    }

    fn exp2(x: f64) -> f64 {
        2f64.powf(x)
    }

    /// Sounds of one frame: silence, steps, impulses, tones and chords, noise, each from faint to the largest.
    fn sounds(front: &Front) -> Vec<Vec<i16>> {
        let n = front.length as usize;
        let mut all = vec![vec![0; n]];
        let of = |f: &dyn Fn(usize) -> f64| (0..n).map(|i| f(i).round().clamp(-32768.0, 32767.0) as i16).collect();
        for level in [1.0, 3.0, 30.0, 1000.0, 32768.0] {
            for sign in [-1.0, 1.0] {
                all.push(of(&|_| sign * level));
                all.push(of(&|i| if i == n / 3 { sign * level } else { 0.0 }));
            }
            for hz in [60.0, 125.0, 440.0, 1003.7, 2500.0, 0.49 * f64::from(front.rate)] {
                let angle = |i: usize| TAU * hz * i as f64 / f64::from(front.rate);
                all.push(of(&|i| level * angle(i).sin()));
                all.push(of(&|i| level * angle(i).sin().signum()));
                all.push(of(&|i| level * angle(i).sin() + (3.1 * angle(i)).sin()));
            }
            for seed in 0..4 {
                all.push(of(&|i| level * ((draw(key(seed, 0, 0), i as u32) >> 32) as f64 / exp2(31.0) - 1.0)));
            }
        }
        all
    }

    #[test]
    fn features_are_those_of_real_numbers() {
        // CD quality as well.
        let long = Front { rate: 44_100, length: 1323, stride: 882, channels: 64, low: 20, high: 22_050 };
        for (front, bound, average) in [(FAST, 6.0, 0.5), (SLOW, 6.0, 0.5), (long, 24.0, 0.8)] {
            let tables = front.tables().unwrap();
            let (mut worst, mut sum, mut count) = (0f64, 0.0, 0);
            for sound in sounds(&front) {
                let found = features(&front, &tables, &sound);
                assert_eq!(found.len(), front.channels as usize);
                for (y, r) in found.iter().zip(real(&front, &sound)) {
                    let off = (f64::from(*y) - r).abs();
                    worst = worst.max(off);
                    (sum, count) = (sum + off, count + 1);
                }
            }
            let mean = sum / f64::from(count);
            std::println!("{} Hz: off by at most {worst:.2} steps, {mean:.2} on average", front.rate);
            assert!(worst <= bound && mean <= average, "{worst}, {mean}");
        }
    }

    #[test]
    fn the_largest_values_stay_within_their_bits() {
        let sizes = [(16, 1), (17, 2), (1024, 40), (4096, 64)];
        for (length, channels) in sizes {
            let front = Front { rate: 48_000, length, stride: 1, channels, low: 0, high: 24_000 };
            let tables = front.tables().unwrap();
            for period in [1, 2, 3, 8, length as usize] {
                let of = |i: usize| if (i / period).is_multiple_of(2) { i16::MIN } else { i16::MAX };
                let sound: Vec<i16> = (0..length as usize + 2).map(of).collect();
                let found = features(&front, &tables, &sound);
                assert_eq!(found.len(), 3 * channels as usize);
                assert!(found.iter().all(|y| (0..20_000).contains(y)), "{length}, {period}");
            }
        }
    }

    #[test]
    fn silence_is_nothing_and_a_tone_is_in_its_channel() {
        let tables = FAST.tables().unwrap();
        assert_eq!(features(&FAST, &tables, &[0; 480]), [0; 40]);
        assert!(features(&FAST, &tables, &[0; 479]).is_empty());
        let tone: Vec<i16> = (0..800).map(|i| (8000.0 * (TAU * 1000.0 * f64::from(i) / 16e3).sin()) as i16).collect();
        let found = features(&FAST, &tables, &tone);
        assert_eq!(found.len(), 80, "two frames");
        let loudest = (0..40).max_by_key(|&c| found[c]).unwrap();
        // Channel c is at 185 + (c + 1) (2774 - 185) / 41 mel; 1000 Hz is 1000 mel.
        assert_eq!(loudest, 12);
        assert_eq!(found[..40], found[40..], "20 ms are 20 periods");
    }

    #[test]
    fn tables_are_those_of_libm() {
        let Tables { window, cosines, first, ends, weights } = FAST.tables().unwrap();
        for (n, h) in window.iter().enumerate() {
            let exact = (PI * (n as f64 + 0.5) / 480.0).sin().powi(2) * 2147483647.0;
            assert!((f64::from(*h) - exact).abs() < 0.501, "{n}");
        }
        for (j, c) in cosines.iter().enumerate() {
            assert!((f64::from(*c) - (TAU * j as f64 / 512.0).cos() * 2147483648.0).abs() < 1.01, "{j}");
        }
        for (i, &log) in LOG2.iter().enumerate() {
            assert!((f64::from(log) - 65536.0 * (1.0 + i as f64 / 32.0).log2()).abs() < 0.501, "{i}");
        }
        for i in 0..10_000 {
            let x = 1.0 + f64::from(i) * 0.0173;
            assert!((ln(x) - x.ln()).abs() < 1e-14, "{x}");
        }
        // 125 Hz is line 4, 7500 Hz line 240.
        assert_eq!((first, ends.len(), ends[40], weights.len()), (4, 41, 240, 236));
        assert_eq!(weights[0], 32768);
        assert!(ends.is_sorted());
    }

    #[test]
    fn impossible_fronts_are_refused() {
        let with = |change: &dyn Fn(&mut Front)| {
            let mut front = FAST;
            change(&mut front);
            front.tables().map(|_| ())
        };
        assert_eq!(with(&|_| ()), Ok(()));
        assert_eq!(with(&|f| f.rate = 0), Err(Impossible::Rate(0)));
        assert_eq!(with(&|f| f.rate = 192_001), Err(Impossible::Rate(192_001)));
        assert_eq!(with(&|f| f.length = 15), Err(Impossible::Length(15)));
        assert_eq!(with(&|f| f.length = 4097), Err(Impossible::Length(4097)));
        assert_eq!(with(&|f| f.stride = 0), Err(Impossible::Stride(0, 480)));
        assert_eq!(with(&|f| f.stride = 481), Err(Impossible::Stride(481, 480)));
        assert_eq!(with(&|f| f.channels = 0), Err(Impossible::Channels(0)));
        assert_eq!(with(&|f| f.channels = 257), Err(Impossible::Channels(257)));
        assert_eq!(with(&|f| f.high = 8001), Err(Impossible::Range(125, 8001, 8000)));
        assert_eq!(with(&|f| f.low = 7500), Err(Impossible::Range(7500, 7500, 8000)));
        assert_eq!(with(&|f| f.rate = 15_000), Ok(()));
        assert_eq!(with(&|f| f.rate = 14_999), Err(Impossible::Range(125, 7500, 7499)));
        assert!(matches!(with(&|f| f.channels = 200), Err(Impossible::Empty(_, 200, 31_250))));
    }
}
