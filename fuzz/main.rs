//! One target of `crates/fuzz`, by its name in `TINYTRAIN_TARGET`.
#![no_main]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;
use tinytrain_fuzz::TARGETS;

/// Inputs that were accepted, and so compiled and trained on all kernels where the target does so.
static ACCEPTED: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    /// libFuzzer ends with `exit`, not by returning to anyone.
    fn atexit(last: extern "C" fn()) -> i32;
}

extern "C" fn say_accepted() {
    eprintln!("stat::accepted_units:           {}", ACCEPTED.load(Relaxed));
}

fn target() -> fn(&[u8]) -> bool {
    static FOUND: OnceLock<fn(&[u8]) -> bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a plain function that is there until the process ends.
        unsafe { atexit(say_accepted) };
        let name = std::env::var("TINYTRAIN_TARGET").unwrap_or_default();
        TARGETS.iter().find(|t| t.name == name).expect("TINYTRAIN_TARGET names a target").run
    })
}

fuzz_target!(|bytes: &[u8]| {
    ACCEPTED.fetch_add(u64::from(target()(bytes)), Relaxed);
});
