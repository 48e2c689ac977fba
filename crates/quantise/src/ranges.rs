//! Ranges of the values of a network over samples, and what part of them int8 covers.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::graph::Network;
use crate::run::run;

const BINS: usize = 2048;

/// How much of a range int8 covers. What lies beyond saturates; the less does, the coarser is the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// All of it.
    Whole,
    /// All but this share of the values, at each end.
    Tail(f64),
    /// The part with the least mean square of rounding and saturation.
    LeastError,
}

impl Method {
    /// All that are tried.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Tail(1e-4), Self::Tail(1e-3), Self::LeastError];

    /// For people to read.
    pub fn name(self) -> String {
        match self {
            Self::Whole => "whole ranges".into(),
            Self::Tail(share) => format!("ranges without {} % at each end", 100.0 * share),
            Self::LeastError => "ranges of least square error".into(),
        }
    }
}

/// How often a value fell into each part of its range.
#[derive(Clone, Debug)]
pub struct Histogram {
    pub low: f32,
    pub high: f32,
    counts: Vec<u64>,
}

/// Applies `f` to every index below `n` on some threads; results are in order.
pub fn each<T: Send>(n: usize, threads: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = Vec::new();
        loop {
            tinytrain_stop::check();
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return own;
            }
            own.push((i, f(i)));
        }
    };
    let flag = tinytrain_stop::current();
    let mut all: Vec<(usize, T)> = std::thread::scope(|s| {
        let other = || tinytrain_stop::under(flag.clone(), work);
        let workers: Vec<_> = (1..threads.clamp(1, n.max(1))).map(|_| s.spawn(other)).collect();
        let mut all = work();
        for w in workers {
            all.extend(tinytrain_stop::joined(w.join()));
        }
        all
    });
    all.sort_by_key(|&(i, _)| i);
    all.into_iter().map(|(_, v)| v).collect()
}

/// Histograms of all values over samples.
pub fn histograms(net: &Network, samples: &[Vec<f32>], threads: usize) -> Vec<Histogram> {
    let ends = each(samples.len(), threads, |i| {
        let values = run(net, samples[i].clone());
        values.iter().map(|v| v.iter().fold((0f32, 0f32), |(lo, hi), &x| (lo.min(x), hi.max(x)))).collect::<Vec<_>>()
    });
    let mut all: Vec<Histogram> = vec![Histogram { low: 0.0, high: 0.0, counts: vec![0; BINS] }; net.values.len()];
    for one in &ends {
        for (h, &(low, high)) in all.iter_mut().zip(one) {
            (h.low, h.high) = (h.low.min(low), h.high.max(high));
        }
    }
    // Some samples at a time: a histogram of every value for every sample would be much.
    for first in (0..samples.len()).step_by(16) {
        let some = 16.min(samples.len() - first);
        let parts = each(some, threads, |i| {
            let values = run(net, samples[first + i].clone());
            values.iter().zip(&all).map(|(v, h)| h.places(v)).collect::<Vec<_>>()
        });
        for part in &parts {
            for (h, counts) in all.iter_mut().zip(part) {
                h.counts.iter_mut().zip(counts).for_each(|(a, &b)| *a += u64::from(b));
            }
        }
    }
    all
}

impl Histogram {
    fn width(&self) -> f64 {
        f64::from(self.high - self.low) / BINS as f64
    }

    fn places(&self, values: &[f32]) -> Vec<u32> {
        let mut counts = vec![0; BINS];
        let width = self.width();
        if width > 0.0 {
            for &v in values {
                counts[((f64::from(v - self.low) / width) as usize).min(BINS - 1)] += 1;
            }
        }
        counts
    }

    /// The part that a method covers; 0 is always in it.
    pub fn range(&self, method: Method) -> (f64, f64) {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        match method {
            Method::Whole => (low, high),
            Method::Tail(share) => {
                let all: u64 = self.counts.iter().sum();
                let beyond = |counts: &mut dyn Iterator<Item = &u64>| {
                    let mut left = (all as f64 * share) as u64;
                    counts
                        .take_while(|&&n| {
                            let fits = n <= left;
                            left = left.saturating_sub(n);
                            fits
                        })
                        .count() as f64
                };
                let (a, b) = (beyond(&mut self.counts.iter()), beyond(&mut self.counts.iter().rev()));
                ((low + a * self.width()).min(0.0), (high - b * self.width()).max(0.0))
            }
            Method::LeastError => {
                let part = |i: i32| f64::from(i) / 20.0;
                let error = |i: &i32| self.error(low * part(*i), high * part(*i));
                let best = (4..=20).rev().min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(20);
                (low * part(best), high * part(best))
            }
        }
    }

    /// The mean square of what is lost where int8 covers a range.
    fn error(&self, low: f64, high: f64) -> f64 {
        let step = (high - low) / 255.0;
        let lost = |(i, &n): (usize, &u64)| {
            let v = f64::from(self.low) + (i as f64 + 0.5) * self.width();
            let beyond = (low - v).max(v - high).max(0.0);
            n as f64 * (beyond * beyond).max(step * step / 12.0)
        };
        self.counts.iter().enumerate().map(lost).sum()
    }
}
