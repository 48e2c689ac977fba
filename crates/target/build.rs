//! Lists the boards and cores that the crate is compiled with: every folder of `device/boards` with a `board.toml` and a `functions.json`, every folder
//! of `cores`. Adding one is adding its folder, and nothing else.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn folders(parent: &Path) -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed={}", parent.display());
    let entries = fs::read_dir(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    let mut found: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    found.sort();
    found
}

fn name(folder: &Path) -> &str {
    folder.file_name().and_then(|n| n.to_str()).expect("a name in UTF-8")
}

/// The expression for a file's text.
fn text(path: &Path) -> String {
    format!("include_str!({:?})", path.to_str().expect("a path in UTF-8"))
}

fn main() {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let boards_folder = here.join("../../device/boards").canonicalize().expect("device/boards");
    let mut list = String::from("pub const BOARDS: &[(&str, &str, &str)] = &[\n");
    for folder in folders(&boards_folder) {
        let [board, functions] = ["board.toml", "functions.json"].map(|file| folder.join(file));
        if board.exists() && functions.exists() {
            writeln!(list, "    ({:?}, {}, {}),", name(&folder), text(&board), text(&functions)).expect("a string");
        }
    }
    list += "];\npub const CORES: &[(&str, &str, Option<&str>)] = &[\n";
    for folder in folders(&here.join("cores")) {
        let costs = folder.join("costs.json");
        let costs = if costs.exists() { format!("Some({})", text(&costs)) } else { "None".into() };
        writeln!(list, "    ({:?}, {}, {costs}),", name(&folder), text(&folder.join("functions.json")))
            .expect("a string");
    }
    list += "];\n";
    let to = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("shipped.rs");
    fs::write(to, list).expect("OUT_DIR can be written");
}
