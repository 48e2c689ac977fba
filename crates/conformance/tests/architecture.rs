//! The direction of the arrows between the crates, as `cargo metadata` reports them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// The crates of the workspace that each crate may use. `spec`, `stop` and `plan` know nothing of what the others are about.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("spec", &[]),
    ("stop", &[]),
    ("plan", &["stop"]),
    ("kernels", &["spec"]),
    ("ir", &["spec"]),
    ("passes", &["ir", "spec", "stop"]),
    ("tflite", &[]),
    ("import", &["ir", "spec", "tflite"]),
    ("export", &["ir", "spec", "tflite"]),
    ("program", &["spec"]),
    ("lower", &["ir", "plan", "program", "spec", "stop"]),
    ("exec", &["kernels", "program", "spec", "stop"]),
    ("compile", &["exec", "ir", "lower", "passes", "program", "spec", "stop"]),
    ("target", &["program", "spec"]),
    ("quantise", &["compile", "exec", "import", "ir", "stop", "tflite"]),
    ("napi", &["compile", "exec", "export", "import", "ir", "passes", "program", "quantise", "spec", "stop", "target"]),
    ("conformance", &["spec", "kernels", "target"]),
    ("fuzz", &["compile", "exec", "export", "import", "ir", "program", "quantise", "spec"]),
];

#[test]
fn arrows_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let allowed: BTreeMap<_, BTreeSet<_>> =
        MAY_USE.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = short(package["name"].as_str().expect("a name")).expect("every package is named tinytrain-*");
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} is missing from MAY_USE"));
        seen.insert(name.to_string());
        // Tests may look further than the library does.
        let normal = package["dependencies"].as_array().expect("dependencies").iter().filter(|d| d["kind"].is_null());
        for used in normal.filter_map(|d| short(d["name"].as_str()?)) {
            assert!(allowed.contains(used), "{name} must not use {used}");
        }
    }
    assert_eq!(seen.len(), MAY_USE.len(), "a crate of MAY_USE is gone");
}

fn short(name: &str) -> Option<&str> {
    name.strip_prefix("tinytrain-")
}
