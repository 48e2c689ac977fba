//! The memory map.

use proptest::prelude::*;
use tinytrain_plan::{Buffer, Plan, memory_map, plan};

fn buffer(id: usize, start: u32, end: u32, size: u32) -> Buffer {
    Buffer { id, start, end, size, align: 1 }
}

#[test]
fn shows_who_holds_what_when() {
    let buffers = [buffer(0, 0, 2, 40), buffer(1, 1, 4, 60), buffer(2, 3, 6, 30), buffer(3, 0, 6, 0)];
    let labels = ["input", "conv1"].map(String::from);
    let plan = plan(&buffers).unwrap();
    let expected = "\
bytes
   90 |BBBB........
   80 |BBBB..CCCCCC
   70 |BBBB..CCCCCC
   60 |BBBB..CCCCCC
   50 |..AAAAAA....
   40 |..AAAAAA....
   30 |..AAAAAA....
   20 |..AAAAAA....
   10 |..AAAAAA....
    0 |..AAAAAA....
      +------------
steps    ^ peak
arena: 100 bytes over steps 0..6, first fit by size
peak: 100 bytes live at step 1
A       60 bytes at        0, steps 1..4  conv1
B       40 bytes at       60, steps 0..2  input
C       30 bytes at       60, steps 3..6  buffer 2
";
    let map = memory_map(&buffers, &labels, &plan, 13, 10);
    assert_eq!(map, expected, "\n{map}");
}

#[test]
fn an_empty_plan_has_a_map() {
    assert!(memory_map(&[], &[], &plan(&[]).unwrap(), 80, 20).contains("peak: 0 bytes"));
}

#[test]
fn small_buffers_share_a_line_of_the_legend() {
    let buffers: Vec<Buffer> = (0..30).map(|i| buffer(i, 0, 1, 100 - i as u32)).collect();
    let map = memory_map(&buffers, &[], &plan(&buffers).unwrap(), 4, 200);
    assert!(map.contains("Z       75 bytes at"), "{map}");
    assert!(map.contains("buffer 25\n+      290 bytes in 4 smaller buffers\n"), "{map}");
}

prop_compose! {
    /// Anything the types allow, plan or not.
    fn any_buffer()(start: u32, end: u32, size: u32, align: u32, id: usize) -> Buffer {
        Buffer { id, start, end, size, align }
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_the_frame_is_kept(
        buffers in prop::collection::vec(any_buffer(), 0..12),
        offsets in prop::collection::vec(any::<u32>(), 0..12),
        width in prop_oneof![Just(usize::MAX), 0..50usize],
        rows in prop_oneof![Just(usize::MAX), 0..50usize],
    ) {
        let plan = Plan { offsets, total: 0, lower_bound: 0, heuristic: "none" };
        let map = memory_map(&buffers, &[], &plan, width, rows);
        let lines: Vec<&str> = map.lines().filter_map(|line| line.split_once(" |").map(|(_, cells)| cells)).collect();
        prop_assert!(lines.len() <= rows.max(1));
        prop_assert!(lines.iter().all(|cells| cells.len() <= width.max(1) && cells.len() == lines[0].len()));
    }
}
