//! Prints guest instructions of the C kernels: `cargo run -p tinytrain-conformance --example instructions`.

use tinytrain_conformance::bench::{measure, table};

fn main() {
    print!("{}", table(&measure()));
}
