//! Reading CSV.

mod common;

use common::problem;
use proptest::prelude::*;
use tinytrain_plan::{Buffer, read_csv};

proptest! {
    #[test]
    fn a_written_problem_is_read_back(buffers in problem(0..6u32)) {
        let line = |b: &Buffer| format!("{},{},{},{},{}\n", b.id, b.start(), b.end(), b.size, b.align);
        let text = "id,lower,upper,size,alignment\n".to_string() + &buffers.iter().map(line).collect::<String>();
        prop_assert_eq!(read_csv(&text), Ok(buffers));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(id|lower|upper|size|alignment|offset|[0-9]{0,12}|[,\n\r -])*") {
        if let Err(error) = read_csv(&text) {
            prop_assert!(error.code().starts_with("PLAN_"));
        }
    }
}

#[test]
fn reads_minimalloc_files_and_columns_in_any_order() {
    let expected = [Buffer::whole(3, 10, 20, 512, 1)];
    assert_eq!(read_csv("id,lower,upper,size\n3,10,20,512\n").unwrap(), expected);
    assert_eq!(read_csv("size, upper ,lower,id\r\n\r\n512,20,10,3\r\n").unwrap(), expected);
    let aligned = read_csv("id,lower,upper,size,alignment,offset\n3,10,20,512,64,\n").unwrap();
    assert_eq!(aligned, [Buffer { align: 64, ..expected[0].clone() }]);
    assert_eq!(read_csv("id,lower,upper,size"), Ok(vec![]));
}

#[test]
fn says_what_is_wrong_and_where() {
    let message = |text: &str| read_csv(text).unwrap_err().to_string();
    assert_eq!(message(""), "line 1: unknown column \"\"");
    assert_eq!(message("id,lower,size"), "line 1: no column \"upper\"");
    assert_eq!(message("id,lower,upper,size,gaps"), "line 1: unknown column \"gaps\"");
    assert_eq!(message("id,lower,id,upper,size"), "line 1: column \"id\" appears twice");
    let record = |record: &str| message(&format!("id,lower,upper,size,alignment\n0,0,1,1,1\n\n{record}"));
    assert_eq!(record("1,2,3,4"), "line 4: 4 fields under 5 columns");
    assert_eq!(record("1,2,-3,4,5"), "line 4: upper \"-3\": invalid digit found in string");
    let too_large = "line 4: size \"4294967296\": number too large to fit in target type";
    assert_eq!(record("1,2,3,4294967296,1"), too_large);
    assert_eq!(record("1,3,3,4,1"), "buffer 1: empty lifetime [3, 3)");
    assert_eq!(record("1,2,3,4,3"), "buffer 1: alignment 3 is not a power of two");
}
