//! First fit: each item, in the order given, goes to the lowest gap that holds it.

use crate::timeline::Timeline;

/// Offsets in grains, by item.
pub(crate) fn first_fit(timeline: &Timeline, order: &[usize]) -> Vec<i64> {
    let mut offsets = vec![-1; timeline.items.len()];
    // The offsets strictly between the two numbers are denied by an item that is placed.
    let mut denied: Vec<(i64, i64)> = Vec::new();
    for &item in order {
        denied.clear();
        let placed = timeline.pairs(item).iter().filter(|pair| offsets[pair.other] >= 0);
        denied.extend(placed.map(|pair| (offsets[pair.other] - pair.above, offsets[pair.other] + pair.below)));
        denied.sort_unstable();
        let mut offset = 0;
        for &(from, to) in &denied {
            if offset <= from {
                break;
            }
            offset = offset.max(timeline.items[item].align_up(to));
        }
        offsets[item] = offset;
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buffer, Window};

    fn offsets(buffers: &[(u32, u32, u32, u32)]) -> Vec<i64> {
        let buffer = |&(start, end, size, align): &_| Buffer::whole(0, start, end, size, align);
        let buffers: Vec<Buffer> = buffers.iter().map(buffer).collect();
        let order: Vec<usize> = (0..buffers.len()).collect();
        first_fit(&Timeline::new(&buffers), &order)
    }

    #[test]
    fn equal_lifetimes_do_not_share() {
        assert_eq!(offsets(&[(0, 2, 8, 1), (0, 2, 8, 1), (0, 2, 8, 1)]), [0, 8, 16]);
    }

    #[test]
    fn a_gap_that_is_just_large_enough_is_used() {
        // The first dies at step 2 and leaves 8 bytes free below the second: enough for 8, not for 9.
        assert_eq!(offsets(&[(0, 2, 8, 1), (0, 4, 8, 1), (2, 4, 8, 1)]), [0, 8, 0]);
        assert_eq!(offsets(&[(0, 2, 8, 1), (0, 4, 8, 1), (2, 4, 9, 1)]), [0, 8, 16]);
    }

    #[test]
    fn a_gap_counts_from_the_aligned_offset() {
        // Between bytes 3 and 11, an item aligned to 4 has room for 4 bytes at offset 4, but not for 8.
        let around = [(0, 4, 3, 1), (0, 2, 8, 1), (0, 4, 5, 1)];
        assert_eq!(offsets(&[around[0], around[1], around[2], (2, 4, 4, 4)]), [0, 3, 11, 4]);
        assert_eq!(offsets(&[around[0], around[1], around[2], (2, 4, 8, 4)]), [0, 3, 11, 16]);
    }

    /// A buffer of 8 bytes whose first half dies at step 2, when the first half of another begins to live.
    #[test]
    fn windows_interlock() {
        let window = |start, end, lo, hi| Window { start, end, lo, hi };
        let dies = Buffer { windows: vec![window(0, 2, 0, 8), window(2, 4, 4, 8)], ..Buffer::whole(0, 0, 4, 8, 1) };
        let born = Buffer { windows: vec![window(2, 4, 0, 4), window(4, 6, 0, 8)], ..Buffer::whole(1, 2, 6, 8, 1) };
        assert_eq!(first_fit(&Timeline::new(&[dies, born]), &[0, 1]), [0, 0]);
    }
}
