//! First fit: each item, in the order given, goes to the lowest gap that holds it.

use crate::timeline::Item;

/// Offsets in bytes, in the order of `items`.
pub(crate) fn first_fit(items: &[Item]) -> Vec<u64> {
    let mut offsets = vec![0; items.len()];
    // Items placed so far, by ascending offset.
    let mut placed: Vec<usize> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let mut offset = 0;
        for &other in placed.iter().filter(|&&other| items[other].meets(item)) {
            if offset + item.size <= offsets[other] {
                break;
            }
            offset = item.align_up(offset.max(offsets[other] + items[other].size));
        }
        offsets[i] = offset;
        placed.insert(placed.partition_point(|&other| offsets[other] <= offset), i);
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Buffer;
    use crate::timeline::Timeline;

    fn offsets(buffers: &[(u32, u32, u32, u32)]) -> Vec<u64> {
        let buffer = |&(start, end, size, align): &_| Buffer { id: 0, start, end, size, align };
        first_fit(&Timeline::new(&buffers.iter().map(buffer).collect::<Vec<_>>()).items)
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
}
