//! The committed table of stack that each C kernel needs, `crates/kernels/c/stack.json`: its own frame and the deepest
//! chain of calls below it, as the compiler reports them. The plan reserves stack from this table, so that a budget
//! needs no compiler; a test fails when it is stale.

use crate::runtime::{ARM, OPTIMISATION, TARGET, build_folder, kernels, repository, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Bytes that functions of the C library and of libgcc need, read off their code (GCC 12.2, newlib): the only ones that
/// kernels call. A conformance test paints the stack on the emulated board and sees that no kernel goes deeper than the
/// table says.
const LIBRARY: [(&str, u32); 3] = [("memcpy", 16), ("memset", 16), ("__aeabi_uldivmod", 48)];

/// Bytes that GCC leaves out of a frame: argument registers stored above it, where a struct passed by value lies half
/// in registers.
const LEFT_OUT: [(&str, u32); 1] = [("tt_bias_step", 8)];

/// Where the table is.
pub fn path() -> PathBuf {
    repository("crates/kernels/c/stack.json")
}

/// The compiler's name and version.
pub fn compiler() -> String {
    format!("{ARM} {}", run(Command::new(ARM).arg("-dumpfullversion")).trim())
}

#[derive(Default)]
struct Function {
    bytes: Option<u32>,
    calls: Vec<String>,
}

/// The text between a marker and the next quote.
fn quoted<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.split_once(marker)?.1.split('"').next()
}

/// Reads one of GCC's call graphs (`-fcallgraph-info=su`).
fn read_graph(text: &str, functions: &mut BTreeMap<String, Function>) {
    for line in text.lines() {
        if line.starts_with("node:") {
            let title = quoted(line, "title: \"").expect("a node has a title");
            let label = quoted(line, "label: \"").expect("a node has a label");
            let function = functions.entry(title.into()).or_default();
            if let Some(size) = label.split("\\n").find_map(|l| l.strip_suffix(" bytes (static)")) {
                function.bytes = Some(size.parse().expect("a number of bytes"));
            }
            assert!(!label.contains("dynamic"), "{title} has a frame of unknown size");
        } else if line.starts_with("edge:") {
            let from = quoted(line, "sourcename: \"").expect("an edge has a source");
            let to = quoted(line, "targetname: \"").expect("an edge has a target");
            functions.entry(from.into()).or_default().calls.push(to.into());
        }
    }
}

fn depth(name: &str, functions: &BTreeMap<String, Function>, chain: &mut Vec<String>) -> u32 {
    if let Some((_, bytes)) = LIBRARY.iter().find(|l| l.0 == name) {
        return *bytes;
    }
    assert!(!chain.iter().any(|c| c == name), "{name} calls itself");
    let function = functions.get(name).unwrap_or_else(|| panic!("nobody knows {name}"));
    chain.push(name.into());
    let below = function.calls.iter().map(|c| depth(c, functions, chain)).max().unwrap_or(0);
    chain.pop();
    let own = function.bytes.unwrap_or_else(|| panic!("{name} is neither a kernel's function nor a known library's"));
    own + below + LEFT_OUT.iter().find(|l| l.0 == name).map_or(0, |l| l.1)
}

/// Compiles the kernels and adds up: bytes for each function that a Program may call.
pub fn measure() -> BTreeMap<String, u32> {
    let folder = build_folder("stack");
    let mut functions = BTreeMap::new();
    for file in kernels() {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut gcc = Command::new(ARM);
        gcc.current_dir(&folder).args(["-std=c11", "-fcallgraph-info=su"]).args(TARGET).arg(OPTIMISATION);
        run(gcc.arg("-c").arg(&file).arg("-o").arg(format!("{name}.o")));
        let graph = fs::read_to_string(folder.join(format!("{name}.ci"))).expect("GCC writes the call graph");
        read_graph(&graph, &mut functions);
    }
    let header = fs::read_to_string(repository("crates/kernels/c/tt_kernels.h")).expect("tt_kernels.h");
    let public = |name: &str| header.contains(&format!(" {name}(")) && !name.ends_with("_scratch");
    let names: Vec<String> = functions.keys().filter(|n| public(n)).cloned().collect();
    names.into_iter().map(|n| (n.clone(), depth(&n, &functions, &mut Vec::new()))).collect()
}

/// The table as it is committed.
pub fn to_json(kernels: &BTreeMap<String, u32>) -> String {
    let flags: Vec<String> = TARGET.iter().chain([&OPTIMISATION]).map(|f| format!("\"{f}\"")).collect();
    let rows: Vec<String> = kernels.iter().map(|(name, bytes)| format!("    \"{name}\": {bytes}")).collect();
    format!(
        "{{\n  \"compiler\": \"{}\",\n  \"flags\": [{}],\n  \"kernels\": {{\n{}\n  }}\n}}\n",
        compiler(),
        flags.join(", "),
        rows.join(",\n")
    )
}

/// Reads the committed table's rows.
pub fn read() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let row = |line: &str| {
        let (name, bytes) = line.trim().trim_end_matches(',').split_once("\": ")?;
        Some((name.strip_prefix('"')?.to_string(), bytes.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}
