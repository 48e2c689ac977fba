//! The inputs of a training step: its learning rate and its sample.

use tinytrain_spec::arith::Real31;
use tinytrain_spec::random;

/// The learning rate during a run: linear warm-up over a tenth of the steps, then cosine decay to zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// Total number of steps.
    pub steps: u64,
}

impl Schedule {
    /// The rate of step `i`, counted from 0. Computed with IEEE additions, products and quotients only, so every machine finds the same.
    pub fn rate(&self, i: u64) -> Real31 {
        let warm = (self.steps / 10).max(1);
        let v = if i < warm {
            self.peak * (i + 1) as f64 / warm as f64
        } else {
            self.peak * 0.5 * (1.0 + cos_pi((i - warm) as f64 / (self.steps - warm).max(1) as f64))
        };
        Real31::from_f64(v)
    }
}

/// `cos(pi x)` for `0 <= x <= 1`, by its Taylor series around the nearer of 0 and 1/2; within 1e-15.
fn cos_pi(x: f64) -> f64 {
    if x > 0.5 {
        return -cos_pi(1.0 - x);
    }
    let (quarter, start) = if x > 0.25 { (0.5 - x, 1.0) } else { (x, 0.0) };
    let t = quarter * std::f64::consts::PI;
    // cos: 1 - t^2/2! + ...; sin: t - t^3/3! + ..., for the distance to 1/2.
    let mut term = if start == 0.0 { 1.0 } else { t };
    let mut sum = term;
    for k in 1..12 {
        let n = 2.0 * k as f64 + start;
        term = -term * t * t / (n * (n - 1.0));
        sum += term;
    }
    sum
}

/// A seeded permutation of `0..n` (Fisher-Yates on the counter generator): the order of one epoch.
pub fn permutation(seed: u64, epoch: u32, n: usize) -> Vec<u32> {
    /// The generator's tensor number with which orders are drawn.
    const ORDER: u32 = 0xffff_fffe;
    let key = random::key(seed, epoch, ORDER);
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        let j = ((random::draw(key, i as u32) >> 32) * (i as u64 + 1)) >> 32;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_matches_libm() {
        for i in 0..=1000 {
            let x = i as f64 / 1000.0;
            assert!((cos_pi(x) - (std::f64::consts::PI * x).cos()).abs() < 1e-14, "{x}");
        }
    }

    #[test]
    fn warms_up_then_falls_to_zero() {
        let s = Schedule { peak: 1.6e-3, steps: 1000 };
        let rates: Vec<f64> = (0..1000).map(|i| s.rate(i).to_f64()).collect();
        assert!((rates[0] - 1.6e-5).abs() < 1e-12 && (rates[99] - 1.6e-3).abs() < 1e-12);
        assert!(rates[100..].windows(2).all(|w| w[0] >= w[1]) && rates[999] < 1e-8);
    }

    #[test]
    fn permutations_hold_every_index_and_differ() {
        let (a, b) = (permutation(1, 0, 1000), permutation(1, 1, 1000));
        assert_ne!(a, b);
        let mut sorted = a.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
        assert_eq!(a, permutation(1, 0, 1000));
    }
}
