//! Writes `crates/kernels/c/stack.json`: `cargo run -p tinytrain-conformance --example stack_table`.

use tinytrain_conformance::stack::{measure, path, to_json};

fn main() {
    std::fs::write(path(), to_json(&measure())).expect("the table can be written");
}
