//! What the replay buffer keeps, and what it gives back.
use proptest::prelude::*;
use tinytrain_spec::replay::{Replay, Tag};

/// A buffer that remembers which sample of the stream lies in each place.
struct Buffer {
    tags: Vec<Tag>,
    counts: Vec<u32>,
    kept: Vec<usize>,
    seed: u64,
}

impl Buffer {
    fn new(places: usize, classes: usize, seed: u64) -> Self {
        Self { tags: vec![0; places], counts: vec![0; 2 * classes], kept: vec![usize::MAX; places], seed }
    }

    fn replay(&mut self) -> Replay<'_> {
        Replay { tags: &mut self.tags, counts: &mut self.counts }
    }

    /// Trains on sample `i` of the stream in step `i`.
    fn take(&mut self, i: usize, label: usize) -> Option<usize> {
        let seed = self.seed;
        let place = self.replay().keep(label, seed, i as u32);
        self.replay().trained(label);
        if let Some(place) = place {
            self.kept[place] = i;
        }
        place
    }

    fn of_class(&self, class: usize) -> usize {
        self.tags.iter().filter(|&&t| usize::from(t) == class + 1).count()
    }
}

#[test]
fn all_classes_get_as_many_places_however_often_they_come() {
    const CLASSES: usize = 6;
    let mut b = Buffer::new(50, CLASSES, 3);
    // Class 0 comes in nine of ten samples; the last class has only three samples in all.
    for i in 0..3000 {
        let label = if i % 10 != 0 { 0 } else { 1 + (i / 10) % (CLASSES - 2) };
        b.take(i, label);
    }
    (3000..3003).for_each(|i| {
        assert!(b.take(i, CLASSES - 1).is_some());
    });
    let places: Vec<usize> = (0..CLASSES).map(|class| b.of_class(class)).collect();
    assert_eq!(places[CLASSES - 1], 3);
    assert_eq!(places.iter().sum::<usize>(), 50);
    assert!(places[..CLASSES - 1].iter().all(|n| (9..=10).contains(n)), "{places:?}");
}

#[test]
fn every_sample_of_a_class_is_kept_equally_often() {
    let (mut early, mut all) = (0, 0);
    for seed in 0..400 {
        let mut b = Buffer::new(20, 2, seed);
        for i in 0..200 {
            b.take(i, 1);
        }
        all += b.kept.len();
        early += b.kept.iter().filter(|&&i| i < 50).count();
    }
    // A quarter of the stream; the standard error of the share is half a percent.
    let share = f64::from(early as u32) / f64::from(all as u32);
    assert!((share - 0.25).abs() < 0.015, "{share}");
}

#[test]
fn the_class_that_was_left_behind_longest_comes_again_first() {
    let mut b = Buffer::new(8, 4, 1);
    assert_eq!(b.replay().again(1, 0), None);
    for (i, label) in [2, 0, 1, 1].into_iter().enumerate() {
        b.take(i, label);
    }
    let mut order = Vec::new();
    for step in 4..10 {
        let (place, class) = b.replay().again(1, step).unwrap();
        assert_eq!(usize::from(b.tags[place]), class + 1);
        b.replay().trained(class);
        order.push(class);
    }
    assert_eq!(order, [2, 0, 1, 2, 0, 1]);
    // A class of which nothing was kept does not come.
    assert!(!order.contains(&3));
}

proptest! {
    /// A buffer comes from a file or over a line: whatever it holds, no place and no class beyond it is named.
    #[test]
    fn wild_tags_and_counts_name_no_place_that_is_not_there(
        mut tags in prop::collection::vec(prop_oneof![0u16..6, any::<u16>()], 1..20),
        mut counts in prop::collection::vec(prop_oneof![0u32..9, Just(u32::MAX), any::<u32>()], 8..=8),
        label in 0usize..4, seed: u64, step: u32,
    ) {
        let places = tags.len();
        let mut replay = Replay { tags: &mut tags, counts: &mut counts };
        if let Some((place, class)) = replay.again(seed, step) {
            prop_assert!(place < places && class < 4 && usize::from(replay.tags[place]) == class + 1);
        }
        if let Some(place) = replay.keep(label, seed, step) {
            prop_assert!(place < places && usize::from(replay.tags[place]) == label + 1);
        }
        replay.trained(label);
    }
}
