//! Values for the tests of kernels, and the clamp that their formulas end with.
#![allow(dead_code)]

use proptest::prelude::*;
use std::cell::RefCell;
use tinytrain_kernels::Scratch;
use tinytrain_spec::random;

thread_local! {
    /// One scratch for all cases of a thread, so that any dependence on leftover content shows.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

pub fn with_scratch<T>(f: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(f)
}

/// `v` clamped to `lo..=hi`, and the mask bit: whether it was inside, bounds included.
pub fn clamp8(v: i64, lo: i32, hi: i32) -> (i8, bool) {
    let c = v.clamp(lo as i64, hi as i64);
    (c as i8, c == v)
}

/// A source of values; a case stores only its seed, so that shrinking reduces shapes.
#[derive(Clone, Debug)]
pub struct Source {
    key: u64,
    at: u32,
}

impl Source {
    pub fn new(seed: u64) -> Self {
        Self { key: random::mix(seed), at: 0 }
    }

    pub fn bits(&mut self) -> u64 {
        self.at += 1;
        random::draw(self.key, self.at)
    }

    /// Uniform in `lo..=hi`.
    pub fn within(&mut self, lo: i64, hi: i64) -> i64 {
        lo + (self.bits() % (hi - lo + 1) as u64) as i64
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0, of.len() as i64 - 1) as usize]
    }

    /// Values of one kind for a whole array: any, only bounds, or only small ones.
    pub fn int8s(&mut self, n: usize, lo: i64) -> Vec<i8> {
        let manner = self.within(0, 3);
        (0..n)
            .map(|_| match manner {
                0 => self.pick(&[lo, 127]) as i8,
                1 => self.within(-2, 2) as i8,
                _ => self.within(lo, 127) as i8,
            })
            .collect()
    }

    pub fn activations(&mut self, n: usize) -> Vec<i8> {
        self.int8s(n, -128)
    }

    pub fn weights(&mut self, n: usize) -> Vec<i8> {
        self.int8s(n, -128)
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.bits() as u8).collect()
    }

    pub fn zero(&mut self) -> i32 {
        let any = self.within(-128, 127);
        self.pick(&[-128, 127, 0, any]) as i32
    }

    /// Bounds of a clamp, `lo <= hi`.
    pub fn bounds(&mut self) -> (i32, i32) {
        let (a, b) = (self.within(-128, 127) as i32, self.within(-128, 127) as i32);
        self.pick(&[(-128, 127), (a.min(b), a.max(b))])
    }

    /// A multiplier of any size, `[0, 2^31)`.
    pub fn multiplier(&mut self) -> i32 {
        (self.bits() >> 33 >> self.within(0, 31)) as i32
    }

    /// A mask's bytes, or none.
    pub fn mask(&mut self, n: usize) -> Option<Vec<u8>> {
        let mask = self.bytes(n.div_ceil(8));
        self.pick(&[true, true, false]).then_some(mask)
    }

    /// Ascending channels below `c`: none, all, or some.
    pub fn channels(&mut self, c: usize) -> Vec<u16> {
        let manner = self.within(0, 4);
        (0..c as u16).filter(|_| manner == 1 || manner > 1 && self.bits() & 1 == 1).collect()
    }
}

/// Mask bit `n`, computed plainly.
pub fn kept(mask: &Option<Vec<u8>>, n: usize) -> bool {
    mask.as_ref().is_none_or(|m| m[n / 8] & (1 << (n % 8)) != 0)
}

/// Packs flags as a mask.
pub fn packed(flags: &[bool]) -> Vec<u8> {
    let mut mask = vec![0; flags.len().div_ceil(8)];
    for (n, &flag) in flags.iter().enumerate() {
        mask[n / 8] |= (flag as u8) << (n % 8);
    }
    mask
}

/// One axis: input, kernel, stride, padding before, outputs. Padding is at most the kernel less `less`.
pub fn axis(less: i32) -> impl Strategy<Value = [i32; 5]> {
    (1..10i32, 1..5i32, 1..4i32).prop_flat_map(move |(input, kernel, stride)| {
        let most = kernel - less;
        (0..=most, 0..=most).prop_map(move |(before, after)| {
            // A kernel that exceeds the padded input is reduced.
            let kernel = kernel.min(input + before + after);
            let (before, after) = (before.min(kernel - less), after.min(kernel - less));
            let kernel = kernel.min(input + before + after);
            [input, kernel, stride, before, (input + before + after - kernel) / stride + 1]
        })
    })
}
