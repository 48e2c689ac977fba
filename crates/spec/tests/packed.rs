//! Weights in the formats of the device's kernels.

use tinytrain_spec::packed::{fits, narrow, pack, unpack, unwindow, widen, window};

/// Rows of weights of all values but -128.
fn weights(rows: usize, k: usize) -> Vec<i8> {
    (0..rows * k).map(|i| ((i * 89 + i / 7) % 255) as i8).map(|w| if w == -128 { 127 } else { w }).collect()
}

#[test]
fn what_is_packed_comes_back() {
    for (rows, k) in [(2, 1), (2, 2), (4, 3), (6, 4), (8, 5), (2, 259), (16, 48)] {
        let w = weights(rows, k);
        let up4 = k.next_multiple_of(4);
        assert_eq!(pack(&w, k).len(), rows * up4 / 4);
        assert_eq!(widen(&w, k).len(), rows * up4 / 2);
        assert_eq!(unpack(&pack(&w, k), k).unwrap(), w, "{rows} x {k}");
        assert_eq!(narrow(&widen(&w, k), k).unwrap(), w, "{rows} x {k}");
    }
}

#[test]
fn the_order_of_packed_words() {
    let w = [1, 2, 3, 4, -5, 6, 7, 8];
    let h = |a: i32, b: i32| (256 * b + a) as u32 & 0xffff;
    assert_eq!(pack(&w, 4), [h(1, -5) | h(3, 7) << 16, h(2, 6) | h(4, 8) << 16]);
    assert_eq!(widen(&w, 4), [1 | 3 << 16, 0xfffb | 7 << 16, 2 | 4 << 16, 6 | 8 << 16]);
}

#[test]
fn words_that_nobody_packs_are_refused() {
    // Something behind the end of a row; a weight beyond int8; half a group.
    assert_eq!(unpack(&[0, 1 << 16], 3), None);
    assert_eq!(narrow(&[0, 0, 1 << 16, 0], 3), None);
    assert_eq!(narrow(&[128, 0, 0, 0], 4), None);
    assert_eq!(unpack(&[0], 4), None);
    assert_eq!(narrow(&[0, 0], 4), None);
}

#[test]
fn the_bound_counts_second_rows_and_trained_weights() {
    // 258 weights of 127 by inputs up to 255 from their zero point stay below 2^23, 260 do not.
    let row = |n: usize| vec![127i8; n];
    assert!(fits(&row(2 * 258), 258, 0, -128));
    assert!(!fits(&row(2 * 260), 260, 0, -128));
    assert!(fits(&[row(260), vec![0; 260]].concat(), 260, 0, -128));
    assert!(!fits(&[vec![0; 260], row(260)].concat(), 260, 0, 127));
    assert!(fits(&row(2 * 260), 260, 0, 0));
    // -128 leaves int16 with a negative weight below it.
    assert!(fits(&[-1, 1, 1, -127], 2, 0, 0));
    assert!(!fits(&[-1, 1, -128, 1], 2, 0, 0));
    assert!(!fits(&[1, -128, 1, 1], 2, 0, 0));
    // Whatever trained weights become.
    assert!(!fits(&vec![0; 2 * 260], 260, 260, -128));
    assert!(fits(&vec![0; 2 * 260], 260, 258, -128));
}

#[test]
fn windows_come_back() {
    for (rows, kh, run) in [(2, 3, 9), (4, 1, 4), (6, 5, 10), (2, 2, 1)] {
        let w = weights(rows, kh * run);
        let words = window(&w, kh, run);
        assert_eq!(words.len(), rows * kh * run.div_ceil(2));
        assert_eq!(unwindow(&words, kh, run).unwrap(), w, "{rows} x {kh} x {run}");
    }
    assert_eq!(window(&[1, 2, 3, -4, 5, 6], 1, 3), [1 | 2 << 16, 0xfffc | 5 << 16, 3, 6]);
    assert_eq!(unwindow(&[0, 0, 1 << 16, 0], 1, 3), None);
}
