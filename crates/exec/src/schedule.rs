//! The inputs of a training step: its learning rates and its sample.

use tinytrain_spec::arith::Real31;
use tinytrain_spec::random;

use crate::SampleSource;

/// The learning rates of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// That of the head.
    pub head: Real31,
    /// That of the backbone: of the weights and biases of convolutions.
    pub backbone: Real31,
}

impl Rates {
    /// Those of a step that trains nothing.
    pub const ZERO: Self = Self { head: Real31::ZERO, backbone: Real31::ZERO };

    /// One rate for both.
    pub fn both(rate: f64) -> Self {
        let rate = Real31::from_f64(rate);
        Self { head: rate, backbone: rate }
    }
}

/// The learning rates during a run: linear warm-up over a tenth of the steps, then cosine decay to zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate of the head.
    pub head: f64,
    /// The highest rate of the backbone.
    pub backbone: f64,
    /// Total number of steps.
    pub steps: u64,
}

impl Schedule {
    /// The rates of step `i`, counted from 0.
    pub fn rates(&self, i: u64) -> Rates {
        Rates { head: self.rate(self.head, i), backbone: self.rate(self.backbone, i) }
    }

    /// The rate of step `i` with this peak. Computed with IEEE additions, products and quotients only, so every machine finds the same.
    fn rate(&self, peak: f64, i: u64) -> Real31 {
        let warm = (self.steps / 10).max(1);
        let v = if i < warm {
            peak * (i + 1) as f64 / warm as f64
        } else {
            peak * 0.5 * (1.0 + cos_pi((i - warm) as f64 / (self.steps - warm).max(1) as f64))
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

/// The order in which a run sees its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Each epoch is a permutation of all samples.
    #[default]
    AsTheyAre,
    /// Each epoch has as many steps, but all classes equally often: the samples of a small class come several times, those of a large one over
    /// several epochs.
    Balanced,
}

/// The samples of one epoch, by their place: as many as there are samples.
pub fn epoch_order(order: Order, seed: u64, epoch: u32, samples: &dyn SampleSource) -> Vec<u32> {
    let n = samples.len();
    let shuffled = permutation(seed, epoch, n);
    if order == Order::AsTheyAre {
        return shuffled;
    }
    let mut classes: Vec<Vec<u32>> = Vec::new();
    for i in 0..n {
        let label = samples.label(i);
        if classes.len() <= label {
            classes.resize(label + 1, Vec::new());
        }
        classes[label].push(i as u32);
    }
    classes.retain(|own| !own.is_empty());
    // Step `i` of the whole run draws from class `i mod count`, and goes through the samples of a class in permutations of their own.
    let count = classes.len() as u64;
    let first = u64::from(epoch) * n as u64;
    let mut lap: Vec<Option<(u32, Vec<u32>)>> = vec![None; classes.len()];
    let drawn: Vec<u32> = (first..first + n as u64)
        .map(|i| {
            let (class, turn) = ((i % count) as usize, i / count);
            let own = &classes[class];
            let round = (turn / own.len() as u64) as u32;
            if lap[class].as_ref().is_none_or(|(r, _)| *r != round) {
                lap[class] = Some((round, permutation(seed ^ (class as u64 + 1) << 32, round, own.len())));
            }
            let places = &lap[class].as_ref().expect("set above").1;
            own[places[(turn % own.len() as u64) as usize] as usize]
        })
        .collect();
    shuffled.into_iter().map(|i| drawn[i as usize]).collect()
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
        let s = Schedule { head: 2.0 * 1.6e-3, backbone: 1.6e-3, steps: 1000 };
        let rates: Vec<f64> = (0..1000).map(|i| s.rates(i).backbone.to_f64()).collect();
        assert!((0..1000).all(|i| s.rates(i).head.to_f64() == 2.0 * rates[i as usize]));
        assert!((rates[0] - 1.6e-5).abs() < 1e-12 && (rates[99] - 1.6e-3).abs() < 1e-12);
        assert!(rates[100..].windows(2).all(|w| w[0] >= w[1]) && rates[999] < 1e-8);
    }

    #[test]
    fn a_balanced_order_shows_classes_equally_often_and_all_samples() {
        let labels: Vec<u16> = [vec![0; 40], vec![3; 8], vec![7; 2]].concat();
        let samples = crate::Samples::new(vec![0; labels.len()], labels.clone(), 1).unwrap();
        let orders: Vec<Vec<u32>> = (0..6).map(|e| epoch_order(Order::Balanced, 5, e, &samples)).collect();
        let seen = |label| orders.iter().flatten().filter(|&&i| labels[i as usize] == label).count();
        assert_eq!([seen(0), seen(3), seen(7)], [100, 100, 100]);
        let mut count = vec![0; labels.len()];
        orders.iter().flatten().for_each(|&i| count[i as usize] += 1);
        assert!(count[..40].iter().all(|c| (2..=3).contains(c)), "{count:?}");
        assert!(count[40..48].iter().all(|c| (12..=13).contains(c)) && count[48..] == [50, 50], "{count:?}");
        assert_eq!(orders[3], epoch_order(Order::Balanced, 5, 3, &samples));
        assert_ne!(orders[0], orders[1]);
        assert_eq!(epoch_order(Order::AsTheyAre, 5, 3, &samples), permutation(5, 3, labels.len()));
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
