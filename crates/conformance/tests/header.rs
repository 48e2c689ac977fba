//! The C header is the kernel table's.

use std::fs;

use tinytrain_conformance::header::header;
use tinytrain_conformance::runtime::repository;

/// `TINYTRAIN_WRITE=1 cargo test -p tinytrain-conformance --test header` writes it anew.
#[test]
fn the_header_is_not_stale() {
    let path = repository("crates/kernels/c/tt_kernels.h");
    if std::env::var_os("TINYTRAIN_WRITE").is_some() {
        fs::write(&path, header()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == header(),
        "crates/kernels/c/tt_kernels.h is stale: TINYTRAIN_WRITE=1 cargo test -p tinytrain-conformance --test header"
    );
}
