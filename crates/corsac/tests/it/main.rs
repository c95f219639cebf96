//! The shape of the workspace: the arrows between crates point one way only.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// From the bottom up. A crate may use those before it, never those after it.
const ORDER: [&str; 16] = [
    "corsac-macros",
    "corsac-wire",
    "corsac-schema",
    "corsac-text",
    "corsac-s3",
    "corsac-policy",
    "corsac-ledger",
    "corsac-dispatch",
    "corsac-local",
    "corsac-program",
    "corsac-tune",
    "corsac-frame",
    "corsac-sim",
    "corsac-cli",
    "corsac-python",
    "corsac",
];

fn arrows() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let uses = |package: &Value| {
        let normal = |one: &&Value| one["kind"].is_null();
        let names = package["dependencies"].as_array().into_iter().flatten().filter(normal).filter_map(|one| one["name"].as_str());
        names.filter(|name| name.starts_with("corsac")).map(str::to_owned).collect()
    };
    packages.iter().map(|package| (package["name"].as_str().unwrap_or_default().to_owned(), uses(package))).collect()
}

#[test]
fn arrows_point_down() {
    let place = |name: &str| ORDER.iter().position(|other| *other == name);
    let arrows = arrows();
    for name in ORDER {
        assert!(arrows.contains_key(name), "{name} is not in the workspace");
    }
    for (name, uses) in &arrows {
        if name == "corsac-benches" {
            continue;
        }
        let own = place(name).unwrap_or_else(|| panic!("{name} has no place in the order: say where it stands"));
        for used in uses {
            let other = place(used).unwrap_or_else(|| panic!("{used} has no place in the order"));
            assert!(other < own, "{name} uses {used}, which stands above it");
        }
    }
}

#[test]
fn only_the_engine_stands_between_programs_and_models() {
    let arrows = arrows();
    let uses = |name: &str, used: &str| arrows[name].iter().any(|other| other == used);
    for name in ["corsac-program", "corsac-tune", "corsac-frame"] {
        assert!(!uses(name, "corsac-local"), "{name} must not know the embedded model");
        assert!(!uses(name, "corsac-sim"), "{name} must not know the simulator");
    }
    for name in ORDER.into_iter().filter(|name| !["corsac-cli", "corsac-python"].contains(name)) {
        assert!(!uses(name, "corsac-sim"), "{name} must not use the simulator outside tests");
    }
    for name in ["corsac-wire", "corsac-schema", "corsac-text"] {
        assert!(arrows[name].is_empty(), "{name} must use none of ours");
    }
}

#[test]
fn files_stay_readable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("crates"), root.join("benches")];
    let mut long = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the workspace").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let lines = std::fs::read_to_string(&path).expect("a source file").lines().count();
                if lines > 700 {
                    long.push(format!("{}: {lines} lines", path.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "longer than a person reads in one go: {long:?}");
}
