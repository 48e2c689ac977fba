//! The counter-based generator: a number depends on (seed, step, tensor, index) and nothing else, so that host threads and the
//! device draw the same numbers in any order. It is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014) applied
//! to a counter.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser.
#[inline(always)]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of one tensor in one step.
#[inline(always)]
pub fn key(seed: u64, step: u32, tensor: u32) -> u64 {
    mix(seed ^ mix(((step as u64) << 32) | tensor as u64))
}

/// Number `index` under `key`.
#[inline(always)]
pub fn draw(key: u64, index: u32) -> u64 {
    mix(key.wrapping_add((index as u64 + 1).wrapping_mul(GOLDEN)))
}

/// The tensor number with which a head's initial weights are drawn (at step 0).
pub const HEAD_TENSOR: u32 = 0xffff_ffff;

/// The head's initial weight or bias `index`, uniform in `+-1/sqrt(features)`, as int16 in Q2.13. `bound` is
/// `floor(2^13 / sqrt(features))` (see [`head_bound`]); the value is uniform over `-bound ..= bound`. Weights come first, class-major, then biases,
/// which are drawn in Q2.13 too; the compiler scales them to their own unit.
pub fn head_init(seed: u64, index: u32, bound: u32) -> i16 {
    let r = draw(key(seed, 0, HEAD_TENSOR), index);
    let span = 2 * bound as u64 + 1;
    (((r >> 32) * span) >> 32) as i64 as i16 - bound as i16
}

/// `floor(2^13 / sqrt(features))`, at least 1.
pub fn head_bound(features: u32) -> u32 {
    let square = (1u64 << 26) / features.max(1) as u64;
    let mut b = 1u64;
    while (b + 1) * (b + 1) <= square {
        b += 1;
    }
    b as u32
}
