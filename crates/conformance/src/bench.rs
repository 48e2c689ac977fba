//! Guest instructions of the C kernels on MCUNet-5FPS's layers (`c/bench.c`), counted by QEMU: the same on every
//! machine.

use crate::runtime::{board, build_board, run};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One call of a kernel, or some that belong together.
#[derive(Clone, Debug)]
pub struct Row {
    /// The kernel, without `tt_`.
    pub kernel: String,
    /// The convolution's number; 42 for the head, from 100 on for what is not part of the model.
    pub layer: u32,
    /// Multiplications and additions, counted over the whole kernel window, padding included; 0 where that makes no
    /// sense.
    pub macs: u64,
    /// Guest instructions.
    pub instructions: u64,
}

/// Kernels that a forward pass calls.
const FORWARD: [&str; 5] = ["conv", "depthwise", "add", "mean", "head_logits"];

/// Runs the bench program.
pub fn measure() -> Vec<Row> {
    let said = run(&mut board(&build_board("bench", &["bench.c"], &[])));
    let row = |line: &str| {
        let f: Vec<&str> = line.split(' ').collect();
        let &[kernel, layer, macs, instructions] = f.as_slice() else { return None };
        let number = |s: &str| s.parse().ok();
        Some(Row {
            kernel: kernel.into(),
            layer: number(layer)? as u32,
            macs: number(macs)?,
            instructions: number(instructions)?,
        })
    };
    said.lines().filter_map(row).collect()
}

/// Instructions of the forward pass and of the whole training step.
pub fn totals(rows: &[Row]) -> (u64, u64) {
    let step = || rows.iter().filter(|r| r.layer < 100);
    let forward = step().filter(|r| FORWARD.contains(&r.kernel.as_str())).map(|r| r.instructions).sum();
    (forward, step().map(|r| r.instructions).sum())
}

/// A table for people: each call, then each kernel's share of the step.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:22} {:>5} {:>10} {:>10} {:>6}\n", "kernel", "layer", "MACs", "instr.", "each");
    let mut line = |kernel: &str, layer: &str, macs: u64, n: u64| {
        let per = if macs == 0 { String::new() } else { format!("{:.2}", n as f64 / macs as f64) };
        writeln!(text, "{kernel:22} {layer:>5} {macs:>10} {n:>10} {per:>6}").expect("a string");
    };
    let mut kernels: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for r in rows {
        line(&r.kernel, &r.layer.to_string(), r.macs, r.instructions);
        if r.layer < 100 {
            let k = kernels.entry(&r.kernel).or_default();
            *k = (k.0 + r.macs, k.1 + r.instructions);
        }
    }
    for (kernel, (macs, n)) in kernels {
        line(kernel, "all", macs, n);
    }
    let (forward, step) = totals(rows);
    writeln!(text, "forward {forward}, training step {step}").expect("a string");
    text
}
