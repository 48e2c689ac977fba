//! The replay buffer: which samples it keeps, and which of them is trained on again.
//!
//! It holds what the frozen first steps of a Program make of samples, each with its class. While it is not full every new sample goes in; then it is balanced
//! by class: a sample of a class that has fewer places than the largest one takes a place of that one, and one of a largest class takes one of its own with
//! the probability that keeps all samples of the class equally likely (Chrysakis and Moens, "Online continual learning from imbalanced data", 2020). The
//! class that is trained on again is the one whose last training step lies furthest back: classes that the stream of samples has left behind come up most
//! often, and nothing has to be told where one task ends and another begins.

use crate::random;

/// The generator's tensor number with which places and samples are drawn.
const REPLAY_TENSOR: u32 = 0xffff_fffb;
/// The indices under that key: whether a sample is kept, its place, and the sample that is trained on again.
const KEEP: u32 = 0;
const PLACE: u32 = 1;
const AGAIN: u32 = 2;

/// The class of a place: the label and 1, or 0 while it is empty. A number beyond the classes is neither; it is never drawn.
pub type Tag = u16;

/// What the buffer knows beside the samples.
#[derive(Debug)]
pub struct Replay<'a> {
    /// One tag a place.
    pub tags: &'a mut [Tag],
    /// For each class the number of samples that have come in; then for each class the time of its last training step: one more than the latest of all. That
    /// is not the number of the step, which begins anew with every run, while the buffer goes from one to the next. Both saturate.
    pub counts: &'a mut [u32],
}

impl Replay<'_> {
    /// Number of classes.
    fn classes(&self) -> usize {
        self.counts.len() / 2
    }

    /// Places of a class.
    fn places(&self, class: usize) -> u32 {
        self.tags.iter().filter(|&&t| usize::from(t) == class + 1).count() as u32
    }

    /// Place number `n` of a class.
    fn place(&self, class: usize, n: u32) -> Option<usize> {
        (0..self.tags.len()).filter(|&i| usize::from(self.tags[i]) == class + 1).nth(n as usize)
    }

    /// The place that a new sample of class `label` takes in training step `step`, counted from 0; none if it is not kept.
    pub fn keep(&mut self, label: usize, seed: u64, step: u32) -> Option<usize> {
        self.counts[label] = self.counts[label].saturating_add(1);
        let key = random::key(seed, step, REPLAY_TENSOR);
        let place = match self.tags.iter().position(|&t| t == 0) {
            Some(empty) => empty,
            None => {
                let (mut largest, mut most) = (0, 0);
                for class in 0..self.classes() {
                    let places = self.places(class);
                    if places > most {
                        (largest, most) = (class, places);
                    }
                }
                let own = self.places(label);
                if own < most {
                    self.place(largest, below(random::draw(key, PLACE), most))?
                } else {
                    if below(random::draw(key, KEEP), self.counts[label]) >= own {
                        return None;
                    }
                    self.place(label, below(random::draw(key, PLACE), own))?
                }
            }
        };
        self.tags[place] = label as Tag + 1;
        Some(place)
    }

    /// The place and the class of the sample that is trained on again in training step `step`; none while the buffer is empty.
    pub fn again(&self, seed: u64, step: u32) -> Option<(usize, usize)> {
        let last = &self.counts[self.classes()..];
        let mut oldest = None;
        for class in 0..self.classes() {
            if self.places(class) > 0 && oldest.is_none_or(|o: usize| last[class] < last[o]) {
                oldest = Some(class);
            }
        }
        let class = oldest?;
        let draw = random::draw(random::key(seed, step, REPLAY_TENSOR), AGAIN);
        Some((self.place(class, below(draw, self.places(class)))?, class))
    }

    /// Notes a training step on a sample of a class.
    pub fn trained(&mut self, label: usize) {
        let classes = self.classes();
        let last = &mut self.counts[classes..];
        let latest = last.iter().copied().max().unwrap_or(0);
        last[label] = latest.saturating_add(1);
    }
}

/// A number below `n` from a random one.
fn below(draw: u64, n: u32) -> u32 {
    (((draw >> 32) * u64::from(n)) >> 32) as u32
}
