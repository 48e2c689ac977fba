//! How a sound becomes the features of TensorFlow Lite for Microcontrollers' micro front end, bit for bit, so that networks that were trained on these can be used.
//!
//! A frame is the last `length` values of the sound, every `stride` values. With `F` the next power of two, `e` the bits that the largest of a frame leaves free
//! in an int16, and `C = log2 F - 6`:
//!
//! ```text
//! v[n] = (x[n] h[n]) >> 12                                  h Hann window in Q0.12; int16
//! Y[k] = DFT(v << e)[k] / F                                 int16: a complex transform of the F / 2 pairs, in stages of four, and their separation
//! S[c] = sum over k of w[c, k] |Y[k]|^2                     w triangles over the mel scale in Q0.12; uint64
//! a[c] = round(sqrt(S[c])) >> e                             uint32
//! n[c] = ((a[c] << s) u + n[c] (2^14 - u)) >> 14            the noise: a moving average, u even or odd by c; 0 before the first frame
//! b[c] = max(max(0, (a[c] << s) - n[c]) >> s, (a[c] r) >> 14)
//! g[c] = shrink((b[c] gain(n[c])) >> (G - C - 12))          gain(n) = 2^G (n / 2^(s - C) + offset)^-strength, by parabolas; without it g = b
//! y[c] = round(2^scale ln(g[c] << C))                       0 where it is at most 1; int16
//! ```
//!
//! `shrink(x)` is `(x^2) >> 20` below `2^13`, and `(x >> 6) - 64` above. Products and shifts keep the bits that their type has. The tables were computed in float32
//! there, operation by operation, and are here: where a C library does not round a cosine, a logarithm or a power to the nearest float32, its table may hold another
//! number.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::arith::{floor, round_half_up};
use crate::mel::{self, cosine, ln};

/// Bits of the window and of the triangles.
const BITS: u32 = 12;
/// Bits of the shares of a moving average.
const SHARE: u32 = 14;
/// Bits of the fraction of a signal over its noise, and of the gain control's result.
const SNR: u32 = 12;
const GAINED: u32 = 6;
/// The shortest frame: 64 points.
const SHORTEST: u32 = 33;
/// The largest factor of the logarithm, as a power of two.
const LARGEST_SCALE: u32 = 10;
/// `2^16 ln 2`.
const LN2: u64 = 45_426;

/// The front end of a sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Front {
    /// Frames and channels.
    pub frames: mel::Front,
    /// Bits of the noise's fraction.
    pub smoothing: u32,
    /// How much of a frame becomes noise, from 0 to 1: of channels 0, 2, 4 and so on.
    pub even: f64,
    /// Of channels 1, 3, 5 and so on.
    pub odd: f64,
    /// How much of a signal remains at least, from 0 to 1.
    pub remaining: f64,
    /// The control of its gain; none leaves it as it is.
    pub gain: Option<Gain>,
    /// Features are multiples of 1 / 2^this of a logarithm.
    pub scale: u32,
}

/// How loud sounds are brought near to faint ones: per-channel energy normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// The exponent, from 0 to 1.
    pub strength: f64,
    /// What is added to the noise, above 0.
    pub offset: f64,
    /// Bits of the gain's fraction.
    pub bits: u32,
}

/// A [`Front`] that is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Impossible {
    /// Frames or channels.
    Frames(mel::Impossible),
    /// Values of a frame: not from 33 to [`mel::LONGEST`].
    Length(u32),
    /// Bits of the noise's fraction, with those that it must have at least.
    Smoothing(u32, u32),
    /// A share that is not from 0 to 1.
    Share(f64),
    /// An exponent that is not from 0 to 1.
    Strength(f64),
    /// An offset that is not above 0 and at most 2^20.
    Offset(f64),
    /// Bits of the gain, with those that it must have at least.
    Gain(u32, u32),
    /// The factor of the logarithm.
    Scale(u32),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(why) => why.fmt(f),
            Self::Length(length) => {
                write!(f, "a frame of {length} values; possible are {SHORTEST} to {}", mel::LONGEST)
            }
            Self::Smoothing(bits, least) => write!(f, "{bits} bits of smoothing; possible are {least} to 16"),
            Self::Share(share) => write!(f, "a share of {share}; possible are 0 to 1"),
            Self::Strength(strength) => write!(f, "a gain control of strength {strength}; possible are 0 to 1"),
            Self::Offset(offset) => write!(f, "an offset of {offset}; possible are numbers above 0, at most 1048576"),
            Self::Gain(bits, least) => write!(f, "{bits} bits of gain; possible are {least} to 30"),
            Self::Scale(scale) => write!(f, "a scale of 2^{scale}; possible are 2^0 to 2^{LARGEST_SCALE}"),
        }
    }
}

/// What a frame is computed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The Hann window, in Q0.12.
    pub window: Vec<i16>,
    /// `32767 cos(2 pi j / points)` for `j` from 0 to a quarter of the points.
    pub cosines: Vec<i16>,
    /// The first line of the spectrum that counts.
    pub first: u32,
    /// Where the lines end that lie below the middle of channel 0, between those of 0 and 1, and so on, and above that of the last one.
    pub ends: Vec<u16>,
    /// How much of each line, from `first` on, counts in the lower and in the upper one of its two channels, in Q0.12.
    pub weights: Vec<u16>,
    /// Shares in Q0.14: of an even and of an odd channel that becomes noise, and of a signal that remains.
    pub shares: [u16; 3],
    /// The gain of noise 0 and 1; from then on, of noise with `i` bits, from `i = 2`: the gain at its beginning, and slope and bend from there, and a 0. Empty
    /// without a gain control.
    pub gains: Vec<i16>,
    /// By how many bits a signal times its gain is too large.
    pub gain_shift: u32,
    /// `2^16 (log2(1 + i / 128) - i / 128)` for `i` from 0 to 128.
    pub logs: Vec<u16>,
}

/// `e^x` of `|x| < 700`.
fn exp(x: f64) -> f64 {
    let twos = round_half_up(x / core::f64::consts::LN_2);
    let rest = x - twos * core::f64::consts::LN_2;
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..20 {
        term *= rest / f64::from(k);
        sum += term;
    }
    let power = f64::from_bits(((twos as i64 + 1023) as u64) << 52);
    sum * power
}

/// `ln x` of `x > 0`.
fn ln_of(x: f64) -> f64 {
    if x < 1.0 { -ln(1.0 / x) } else { ln(x) }
}

/// `ln(1 + x)` of `x >= 0`, with the roundings of fdlibm's algorithm, which glibc 2.36 has: a few of the last bits are not those of
/// the number that is nearest. `1 + x = 2^k (1 + f)`, with `f` from sqrt(1/2) - 1 to sqrt(2) - 1; `ln(1 + f) = f - f^2 / 2 + s (f^2 / 2 + R(s^2))`, `s = f / (2 + f)`.
fn ln_1p(x: f32) -> f32 {
    const LN2: [f32; 2] = [f32::from_bits(0x3f31_7180), f32::from_bits(0x3717_f7d1)];
    const R: [f32; 7] = [0.666_666_7, 0.4, 0.285_714_3, 0.222_221_99, 0.181_835_73, 0.153_138_38, 0.147_981_99];
    let (mut k, mut f, mut lost) = (0, x, 0.0);
    if x >= core::f32::consts::SQRT_2 - 1.0 {
        let u = 1.0 + x;
        k = (u.to_bits() >> 23) as i32 - 127;
        lost = if k > 0 { 1.0 - (u - x) } else { x - (u - 1.0) } / u;
        let mantissa = u.to_bits() & 0x7f_ffff;
        // Above sqrt(2) half of it is taken.
        let exponent = if mantissa < 0x35_04f7 { 127 } else { 126 };
        k += 127 - exponent;
        f = f32::from_bits(mantissa | (exponent as u32) << 23) - 1.0;
    }
    let half = 0.5 * f * f;
    let s = f / (2.0 + f);
    let r = R.iter().rev().fold(0.0, |sum, term| (sum + term) * (s * s));
    if k == 0 {
        return f - (half - s * (half + r));
    }
    let [high, low] = LN2.map(|part| part * k as f32);
    high - ((half - (s * (half + r) + (low + lost))) - f)
}

/// The place of a frequency on the mel scale, in float32.
fn mel_of(hz: f32) -> f32 {
    1127.0 * ln_1p(hz / 700.0)
}

/// A share in a number of bits, rounded to the nearest.
fn rounded(share: f32, bits: u32) -> i32 {
    round_half_up_f32(share * (1 << bits) as f32)
}

/// `floor(x + 1/2)`, the sum in float32.
fn round_half_up_f32(x: f32) -> i32 {
    floor(f64::from(x + 0.5)) as i32
}

impl Gain {
    /// The gain of a noise with so many bits of fraction.
    fn of(&self, fraction: u32, noise: u32) -> i16 {
        let base = noise as f32 / (1u32 << fraction) as f32 + self.offset as f32;
        let power = exp(-f64::from(self.strength as f32) * ln_of(base.into())) as f32;
        let gain = (1u32 << self.bits) as f32 * power;
        if gain > 32767.0 { i16::MAX } else { (gain + 0.5) as i16 }
    }

    fn table(&self, fraction: u32) -> Vec<i16> {
        let mut table = vec![self.of(fraction, 0), self.of(fraction, 1)];
        for bits in 2..=32 {
            let from = 1u32 << (bits - 1);
            let to = if bits == 32 { u32::MAX } else { 2 * from };
            let [begin, middle, end] = [from, from + from / 2, to].map(|noise| i32::from(self.of(fraction, noise)));
            let slope = 4 * (middle - begin) - (end - begin);
            let bend = (end - begin) - slope;
            table.extend([begin, slope, bend, 0].map(|v| v as i16));
        }
        table.pop();
        table
    }
}

impl Front {
    /// Points of the transform: the next power of two.
    pub fn points(&self) -> u32 {
        self.frames.points()
    }

    /// Bits by which the logarithm's argument is too small: what the transform divides by, without the bits that the root leaves of those of the triangles.
    pub fn correction(&self) -> u32 {
        self.points().trailing_zeros().saturating_sub(BITS / 2)
    }

    fn check(&self) -> Result<(), Impossible> {
        self.frames.check().map_err(Impossible::Frames)?;
        let mel::Front { rate, length, low, high, .. } = self.frames;
        if length < SHORTEST {
            return Err(Impossible::Length(length));
        }
        // The line at half the rate is none of the spectrum's.
        if 2 * high >= rate {
            return Err(Impossible::Frames(mel::Impossible::Range(low, high, (rate - 1) / 2)));
        }
        if !(self.correction()..=16).contains(&self.smoothing) {
            return Err(Impossible::Smoothing(self.smoothing, self.correction()));
        }
        if let Some(share) =
            [self.even, self.odd, self.remaining].into_iter().find(|share| !(0.0..=1.0).contains(share))
        {
            return Err(Impossible::Share(share));
        }
        if self.scale > LARGEST_SCALE {
            return Err(Impossible::Scale(self.scale));
        }
        if let Some(Gain { strength, offset, bits }) = self.gain {
            let least = self.correction() + SNR;
            if !(0.0..=1.0).contains(&strength) {
                return Err(Impossible::Strength(strength));
            }
            if !(offset as f32 > 0.0 && offset <= f64::from(1 << 20)) {
                return Err(Impossible::Offset(offset));
            }
            if !(least..=30).contains(&bits) {
                return Err(Impossible::Gain(bits, least));
            }
        }
        Ok(())
    }

    /// The first line of the spectrum that counts, where the lines of each band end, and how much of each counts below and above.
    fn triangles(&self) -> (u32, Vec<u16>, Vec<u16>) {
        let mel::Front { rate, channels, low, high, .. } = self.frames;
        let apart = 0.5 * rate as f32 / (self.points() / 2) as f32;
        let bottom = mel_of(low as f32);
        let spacing = (mel_of(high as f32) - bottom) / (channels + 1) as f32;
        let first = (1.5 + low as f32 / apart) as u32;
        let (mut ends, mut weights, mut k, mut from) = (Vec::new(), Vec::new(), first, bottom);
        for band in 0..=channels {
            let to = bottom + spacing * (band + 1) as f32;
            while mel_of(k as f32 * apart) <= to {
                let below = (to - mel_of(k as f32 * apart)) / (to - from);
                weights.extend([below, 1.0 - below].map(|share| rounded(share, BITS) as u16));
                k += 1;
            }
            ends.push(k as u16);
            from = to;
        }
        (first, ends, weights)
    }

    /// What a frame is computed with.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn tables(&self) -> Result<Tables, Impossible> {
        self.check()?;
        let (length, points) = (self.frames.length, self.points());
        let turn = core::f32::consts::PI * 2.0 / length as f32;
        let hann = |n: u32| {
            // The angle in float32, its cosine by that of a multiple of 1 / 2^52 of a turn.
            let angle = f64::from(turn * (n as f32 + 0.5));
            let part = angle / core::f64::consts::TAU * (1u64 << 52) as f64;
            rounded(0.5 - 0.5 * cosine(round_half_up(part) as u64, 1 << 52) as f32, BITS) as i16
        };
        let (first, ends, weights) = self.triangles();
        let fraction = self.smoothing - self.correction();
        let shares = [self.even, self.odd, self.remaining].map(|share| (share as f32 * (1 << SHARE) as f32) as u16);
        let log = |i: u32| 65_536.0 * (ln(1.0 + f64::from(i) / 128.0) / core::f64::consts::LN_2 - f64::from(i) / 128.0);
        Ok(Tables {
            window: (0..length).map(hann).collect(),
            cosines: (0..=points / 4)
                .map(|j| round_half_up(32_767.0 * cosine(j.into(), points.into())) as i16)
                .collect(),
            first,
            ends,
            weights,
            shares,
            gains: self.gain.map_or_else(Vec::new, |gain| gain.table(fraction)),
            gain_shift: self.gain.map_or(0, |gain| gain.bits - self.correction() - SNR),
            logs: (0..=128).map(|i| round_half_up(log(i)) as u16).collect(),
        })
    }
}

/// A complex number.
type Point = [i16; 2];

/// `32767 e^(-2 pi i j / points)`, `j` below the points.
fn turn(cosines: &[i16], j: usize) -> Point {
    let quarter = cosines.len() - 1;
    let (at, rest) = (j / quarter, j % quarter);
    let [c, s] = [cosines[rest], cosines[quarter - rest]];
    match at {
        0 => [c, -s],
        1 => [-s, -c],
        2 => [-c, s],
        _ => [s, c],
    }
}

/// A number of 15 bits of fraction, rounded to the nearest.
fn fraction(x: i32) -> i16 {
    ((x + (1 << 14)) >> 15) as i16
}

fn times(a: Point, b: Point) -> Point {
    let ([a, b], [c, d]) = (a.map(i32::from), b.map(i32::from));
    [fraction(a * c - b * d), fraction(a * d + b * c)]
}

/// Times `32767 / n` in 15 bits of fraction.
fn over(a: Point, n: i32) -> Point {
    a.map(|v| fraction(i32::from(v) * (32_767 / n)))
}

fn sum(a: Point, b: Point) -> Point {
    [a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1])]
}

fn difference(a: Point, b: Point) -> Point {
    [a[0].wrapping_sub(b[0]), a[1].wrapping_sub(b[1])]
}

/// How many points the stages of a transform of `count` points combine: four, and in the last one two where fours do not divide it.
fn stages(count: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    core::iter::from_fn(move || {
        let radix = match left {
            1 => return None,
            n if n.is_multiple_of(4) => 4,
            _ => 2,
        };
        left /= radix;
        Some(radix)
    })
}

/// The place of a pair of values before the transform: its digits reversed.
fn place(count: usize, n: usize) -> usize {
    let (mut place, mut size, mut n) = (0, count, n);
    for radix in stages(count) {
        size /= radix;
        place += n % radix * size;
        n /= radix;
    }
    place
}

/// The transform of points at their places, in place; each stage divides them by what it combines.
fn transform(z: &mut [Point], cosines: &[i16]) {
    let radices: Vec<usize> = stages(z.len()).collect();
    let mut size = 1;
    for &radix in radices.iter().rev() {
        // The table has twice as many turns as there are points.
        let step = 2 * (z.len() / (size * radix));
        for from in (0..z.len()).step_by(radix * size) {
            for k in 0..size {
                let at = |i: usize| from + k + i * size;
                let turned = |i: usize| times(over(z[at(i)], radix as i32), turn(cosines, i * k * step));
                let first = over(z[at(0)], radix as i32);
                if radix == 2 {
                    let second = turned(1);
                    z[at(0)] = sum(first, second);
                    z[at(1)] = difference(first, second);
                    continue;
                }
                let [b, c, d] = [turned(1), turned(2), turned(3)];
                let (even, apart) = (sum(first, c), difference(first, c));
                let (odd, [re, im]) = (sum(b, d), difference(b, d));
                z[at(0)] = sum(even, odd);
                z[at(2)] = difference(even, odd);
                z[at(1)] = [apart[0].wrapping_add(im), apart[1].wrapping_sub(re)];
                z[at(3)] = [apart[0].wrapping_sub(im), apart[1].wrapping_add(re)];
            }
        }
        size *= radix;
    }
}

/// The energy of a line of the spectrum of real values, whose pairs were transformed.
fn energy(z: &[Point], cosines: &[i16], k: usize) -> u64 {
    let mirrored = 2 * k >= z.len();
    let k = if mirrored { z.len() - k } else { k };
    let [re, im] = z[z.len() - k];
    let (this, other) = (over(z[k], 2), over([re, im.wrapping_neg()], 2));
    let both = sum(this, other).map(i32::from);
    // e^(-i (pi k / count + pi / 2))
    let [c, s] = turn(cosines, k);
    let apart = times(difference(this, other), [s, -c]).map(i32::from);
    let [re, im] = if mirrored {
        [(both[0] - apart[0]) >> 1, (apart[1] - both[1]) >> 1]
    } else {
        [(both[0] + apart[0]) >> 1, (both[1] + apart[1]) >> 1]
    };
    re.wrapping_mul(re).wrapping_add(im.wrapping_mul(im)) as u64
}

/// The square root, to the nearest; held within 16 bits where the square has 32.
fn root(square: u64) -> u32 {
    let (mut root, mut rest, mut bit) = (0, square, 1u64 << 62);
    while bit > square {
        bit >>= 2;
    }
    while bit > 0 {
        if rest >= root + bit {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    let most = if square >> 32 == 0 { 0xffff } else { 0xffff_ffff };
    (root + u64::from(rest > root && root < most)) as u32
}

/// The gain of a noise: a parabola between the powers of two.
fn gain(gains: &[i16], noise: u32) -> u32 {
    if noise < 2 {
        return gains[noise as usize] as u32;
    }
    let bits = 32 - noise.leading_zeros();
    let at = 4 * bits as usize - 6;
    let [begin, slope, bend] = [gains[at], gains[at + 1], gains[at + 2]].map(i32::from);
    // 10 bits behind the leading one.
    let t = ((if bits < 11 { noise << (11 - bits) } else { noise >> (bits - 11) }) & 0x3ff) as i32;
    (begin + (((((bend * t) >> 5) + (slope << 5)) * t + (1 << 14)) >> 15)) as i16 as u32
}

/// The feature of what is left of a channel.
fn feature(tables: &Tables, value: u32, scale: u32) -> i16 {
    if value <= 1 {
        return 0;
    }
    let whole = 31 - value.leading_zeros();
    let rest = value - (1 << whole);
    let t = if whole < 16 { rest << (16 - whole) } else { rest >> (whole - 16) };
    let at = (t >> 9) as usize;
    let [from, to] = [tables.logs[at], tables.logs[at + 1]].map(i32::from);
    let bent = from + (((to - from) * (t & 511) as i32) >> 16);
    let log2 = (whole << 16) + t + bent as u32;
    let log = (LN2 * u64::from(log2) + (1 << 15)) >> 16;
    (((log << scale) + (1 << 15)) >> 16) as i16
}

/// A sound whose frames come one after another.
struct Sound<'a> {
    front: &'a Front,
    tables: &'a Tables,
    noise: Vec<u32>,
}

impl Sound<'_> {
    /// The features of the next frame, one a channel.
    fn frame(&mut self, values: &[i16], out: &mut Vec<i16>) {
        let tables = self.tables;
        let product = |(&x, &h): (&i16, &i16)| ((i32::from(x) * i32::from(h)) >> BITS) as i16;
        let windowed: Vec<i16> = values.iter().zip(&tables.window).map(product).collect();
        let most = windowed.iter().map(|v| v.wrapping_abs()).max().unwrap_or(0).max(0);
        let free = (most as u16).leading_zeros() - 1;
        let mut z = vec![[0; 2]; self.front.points() as usize / 2];
        let count = z.len();
        for (n, &v) in windowed.iter().enumerate() {
            z[place(count, n / 2)][n % 2] = ((v as u16) << free) as i16;
        }
        transform(&mut z, &tables.cosines);
        let (mut rising, mut k) = (0u64, tables.first as usize);
        for (band, &end) in tables.ends.iter().enumerate() {
            let mut falling = rising;
            rising = 0;
            while k < usize::from(end) {
                let at = 2 * (k - tables.first as usize);
                let e = energy(&z, &tables.cosines, k);
                falling = falling.wrapping_add(e.wrapping_mul(tables.weights[at].into()));
                rising = rising.wrapping_add(e.wrapping_mul(tables.weights[at + 1].into()));
                k += 1;
            }
            if band > 0 {
                out.push(self.channel(band - 1, root(falling) >> free));
            }
        }
    }

    /// The feature of a channel's amplitude.
    fn channel(&mut self, c: usize, amplitude: u32) -> i16 {
        let Self { front, tables, noise } = self;
        let [even, odd, remaining] = tables.shares.map(u64::from);
        let share = if c.is_multiple_of(2) { even } else { odd };
        let scaled = amplitude << front.smoothing;
        let estimate = ((u64::from(scaled) * share + u64::from(noise[c]) * ((1 << SHARE) - share)) >> SHARE) as u32;
        noise[c] = estimate;
        let least = ((u64::from(amplitude) * remaining) >> SHARE) as u32;
        let mut left = (scaled.saturating_sub(estimate) >> front.smoothing).max(least);
        if front.gain.is_some() {
            let snr = ((u64::from(left) * u64::from(gain(&tables.gains, estimate))) >> tables.gain_shift) as u32;
            left = if snr < 2 << SNR {
                (snr * snr) >> (2 + 2 * SNR - GAINED)
            } else {
                (snr >> (SNR - GAINED)) - (1 << GAINED)
            };
        }
        feature(tables, left << front.correction(), front.scale)
    }
}

/// The features of all whole frames of a sound, frame after frame; the noise is that of this sound alone.
///
/// # Panics
/// If the tables are not those of the front.
pub fn features(front: &Front, tables: &Tables, sound: &[i16]) -> Vec<i16> {
    let frames = &front.frames;
    let mut out = Vec::with_capacity(frames.frames(sound.len()) * frames.channels as usize);
    let mut of = Sound { front, tables, noise: vec![0; frames.channels as usize] };
    for i in 0..frames.frames(sound.len()) {
        let from = i * frames.stride as usize;
        of.frame(&sound[from..from + frames.length as usize], &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::random::{draw, key};

    const FAST: mel::Front = mel::Front { rate: 16_000, length: 480, stride: 320, channels: 40, low: 125, high: 7500 };
    const SLOW: mel::Front = mel::Front { rate: 8_000, length: 240, stride: 160, channels: 40, low: 125, high: 3750 };
    const SHORT: mel::Front = mel::Front { rate: 16_000, length: 400, stride: 160, channels: 32, low: 125, high: 7500 };
    /// What networks of TensorFlow Lite for Microcontrollers are trained with.
    const USUAL: Front = Front {
        frames: FAST,
        smoothing: 10,
        even: 0.025,
        odd: 0.06,
        remaining: 0.05,
        gain: Some(Gain { strength: 0.95, offset: 80.0, bits: 21 }),
        scale: 6,
    };

    /// Silence, then a chord of triangles in noise that grows to full scale and beyond, where it is clipped, then silence.
    fn sound() -> Vec<i16> {
        let triangle = |n: i64, period: i64| (4 * (n % period) - 2 * period).abs() * 1000 / period - 1000;
        let value = |n: i64| {
            let loud = if (600..3000).contains(&n) { (n - 600) * (n - 600) / 256 } else { 0 };
            let noise = (draw(key(5, 0, 0), n as u32) >> 53) as i64 - 1024;
            let sum = triangle(n, 23) + triangle(n, 150) / 2 + noise / 4;
            (sum * loud / 1000).clamp(-32_768, 32_767) as i16
        };
        (0..4000).map(value).collect()
    }

    #[test]
    fn features_are_those_of_the_reference() {
        // One line a frame: what pymicro-features 2.0.2 (TensorFlow's microfrontend, kissfft) gives for the sound with each front.
        let fixture = include_str!("../tests/micro.txt");
        let mut lines = fixture.lines().filter(|line| !line.starts_with('#'));
        let plain = Front { frames: SHORT, gain: None, scale: 7, ..USUAL };
        for front in [USUAL, Front { frames: SLOW, ..USUAL }, plain] {
            let found = features(&front, &front.tables().unwrap(), &sound());
            for (i, frame) in found.chunks(front.frames.channels as usize).enumerate() {
                let expected: Vec<i16> = lines.next().unwrap().split(' ').map(|v| v.parse().unwrap()).collect();
                assert_eq!(frame, expected, "{front:?}, frame {i}");
            }
        }
        assert_eq!(lines.next(), None);
    }

    #[test]
    fn any_front_takes_any_sound() {
        for (length, channels, gain, smoothing) in [
            (33, 1, None, 16),
            (64, 2, Some((1.0, 0.01, 30)), 0),
            (1024, 40, Some((0.0, 1e6, 30)), 16),
            (4096, 64, None, 6),
        ] {
            let frames = mel::Front { rate: 48_000, length, stride: 1, channels, low: 0, high: 23_999 };
            let gain = gain.map(|(strength, offset, bits)| Gain { strength, offset, bits });
            for share in [0.0, 0.5, 1.0] {
                let front = Front { frames, smoothing, even: share, odd: share, remaining: share, gain, scale: 10 };
                let tables = front.tables().unwrap();
                for period in [1, 2, 3, 8, length as usize, usize::MAX] {
                    let of = |i: usize| if (i / period).is_multiple_of(2) { i16::MIN } else { i16::MAX };
                    let sound: Vec<i16> = (0..length as usize + 2).map(of).collect();
                    assert_eq!(features(&front, &tables, &sound).len(), 3 * channels as usize, "{front:?}");
                }
            }
        }
        assert!(features(&USUAL, &USUAL.tables().unwrap(), &[0; 479]).is_empty());
        assert_eq!(features(&USUAL, &USUAL.tables().unwrap(), &[0; 800]), [0; 80]);
    }

    #[test]
    fn logarithms_are_those_of_the_c_library() {
        // Those of other versions round otherwise: the last bit at most.
        for i in 0..100_000 {
            let x = i as f32 * 0.001_37;
            let exact = f64::from(x).ln_1p();
            assert!((f64::from(ln_1p(x)) - exact).abs() <= exact * 1.2e-7, "{x}");
        }
        for i in -400..400 {
            let x = f64::from(i) * 1.7;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-13, "{x}");
            assert!((ln_of(exp(x)) - x).abs() < 1e-12 * x.abs().max(1.0), "{x}");
        }
    }

    #[test]
    fn impossible_fronts_are_refused() {
        let with = |change: &dyn Fn(&mut Front)| {
            let mut front = USUAL;
            change(&mut front);
            front.tables().map(|_| ())
        };
        let gain = |strength, offset, bits| Some(Gain { strength, offset, bits });
        assert_eq!(with(&|_| ()), Ok(()));
        assert_eq!(with(&|f| f.frames.rate = 0), Err(Impossible::Frames(mel::Impossible::Rate(0))));
        assert_eq!(with(&|f| f.frames.high = 8000), Err(Impossible::Frames(mel::Impossible::Range(125, 8000, 7999))));
        assert_eq!(with(&|f| (f.frames.length, f.frames.stride) = (32, 32)), Err(Impossible::Length(32)));
        assert_eq!(with(&|f| f.frames.channels = 200), Ok(()), "channels without lines are 0");
        assert_eq!(with(&|f| f.smoothing = 17), Err(Impossible::Smoothing(17, 3)));
        assert_eq!(with(&|f| f.smoothing = 2), Err(Impossible::Smoothing(2, 3)));
        assert_eq!(with(&|f| f.even = -0.1), Err(Impossible::Share(-0.1)));
        assert_eq!(with(&|f| f.odd = 1.1), Err(Impossible::Share(1.1)));
        assert!(with(&|f| f.remaining = f64::NAN).is_err());
        assert_eq!(with(&|f| f.scale = 11), Err(Impossible::Scale(11)));
        assert_eq!(with(&|f| f.gain = gain(1.5, 80.0, 21)), Err(Impossible::Strength(1.5)));
        assert_eq!(with(&|f| f.gain = gain(0.95, 0.0, 21)), Err(Impossible::Offset(0.0)));
        assert_eq!(with(&|f| f.gain = gain(0.95, 80.0, 14)), Err(Impossible::Gain(14, 15)));
        assert_eq!(with(&|f| f.gain = gain(0.95, 80.0, 31)), Err(Impossible::Gain(31, 15)));
    }
}
