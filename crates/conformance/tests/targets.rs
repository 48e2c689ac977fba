//! The reference kernels on another target: what they make of every case of the suite is, byte for byte, what they make of it on this machine. This machine's
//! test writes the cases; `scripts/test-wasm.mjs` then runs the WebAssembly's.

use std::fs;

use tinytrain_conformance::runtime::repository;
use tinytrain_conformance::suite::{suite, to_file};

#[test]
fn every_case_is_the_same_on_every_target() {
    let path = repository("target/conformance/cases-of-this-machine.bin");
    let cases = suite();
    let found = to_file(&cases);
    if cfg!(target_family = "wasm") {
        let expected = fs::read(&path).expect("`cargo test -p tinytrain-conformance --test targets` writes the cases");
        assert_eq!(expected.len(), found.len());
        let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
        assert_eq!(differs, None, "the first byte that differs");
        println!("{} cases in {} bytes", cases.len(), found.len());
    } else {
        fs::create_dir_all(path.parent().expect("a folder")).expect("target can be written");
        fs::write(&path, found).expect("target can be written");
    }
}
