//! One target of `crates/fuzz`, by its name in `TINYTRAIN_TARGET`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tinytrain_fuzz::TARGETS;

fn target() -> fn(&[u8]) -> bool {
    static FOUND: OnceLock<fn(&[u8]) -> bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let name = std::env::var("TINYTRAIN_TARGET").unwrap_or_default();
        TARGETS.iter().find(|t| t.name == name).expect("TINYTRAIN_TARGET names a target").run
    })
}

fuzz_target!(|bytes: &[u8]| {
    target()(bytes);
});
