//! Random values for cases: a stream over the normative generator.

use tinytrain_spec::random::{draw, key};

/// A stream of random numbers; the same seed gives the same stream for ever.
pub struct Random {
    key: u64,
    at: u32,
}

impl Random {
    /// Stream number `stream`.
    pub fn new(stream: u32) -> Self {
        Self { key: key(0x7474, 0, stream), at: 0 }
    }

    /// Leads to another stream by a number.
    pub fn mix(&mut self, with: u32) {
        self.key = draw(self.key, with);
    }

    /// Uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.at += 1;
        draw(self.key, self.at)
    }

    /// Uniform over `lo..=hi`.
    pub fn range(&mut self, lo: i64, hi: i64) -> i64 {
        assert!(lo <= hi);
        let span = (hi - lo) as u64 + 1;
        lo + if span == 0 { self.bits() as i64 } else { (((self.bits() as u128) * span as u128) >> 64) as i64 }
    }

    /// Uniform over `lo..=hi`.
    pub fn int(&mut self, lo: i32, hi: i32) -> i32 {
        self.range(lo as i64, hi as i64) as i32
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: i32) -> bool {
        self.int(1, n) == 1
    }

    /// One of several.
    pub fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.int(0, choice.len() as i32 - 1) as usize]
    }

    /// A positive real, its logarithm uniform between `2^lo` and `2^hi`.
    pub fn real(&mut self, lo: f64, hi: f64) -> f64 {
        (lo + (hi - lo) * (self.bits() >> 11) as f64 / (1u64 << 53) as f64).exp2()
    }

    /// int8 values of one of several distributions.
    pub fn bytes(&mut self, n: usize) -> Vec<i8> {
        let mode = self.int(0, 9);
        (0..n)
            .map(|_| match mode {
                0 => -128,
                1 => 127,
                2 => self.of(&[-128, 127]),
                3 => self.int(-3, 3) as i8,
                4 if self.one_in(2) => 0,
                _ => self.int(-128, 127) as i8,
            })
            .collect()
    }

    /// A subset of `0..n`: none, all, or some, ascending.
    pub fn channels(&mut self, n: i32) -> Vec<u16> {
        match self.int(0, 4) {
            0 | 1 => Vec::new(),
            2 => (0..n as u16).collect(),
            _ => (0..n as u16).filter(|_| self.one_in(2)).collect(),
        }
    }

    /// A mask of `n` bits, unused bits 0, or none.
    pub fn mask(&mut self, n: usize) -> Option<Vec<u8>> {
        if self.one_in(3) {
            return None;
        }
        let mut mask: Vec<u8> = (0..n.div_ceil(8)).map(|_| (self.bits() | self.bits()) as u8).collect();
        if !n.is_multiple_of(8) {
            mask[n / 8] &= (1 << (n % 8)) - 1;
        }
        Some(mask)
    }
}
