//! What a person sees who writes a derive wrongly: each case is given to the compiler alone, with nothing but the derives, and
//! its whole message is a snapshot, place and all. No dependency is built for it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::process::Command;

/// The derives as the compiler loads them: the library that was built last beside this test.
fn derives() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let (begin, end) = (format!("{}corsac_macros-", std::env::consts::DLL_PREFIX), std::env::consts::DLL_SUFFIX);
    let is_ours = |name: &str| name.starts_with(&begin) && name.ends_with(end);
    let built = std::fs::read_dir(test.parent().unwrap()).unwrap().filter_map(Result::ok);
    built
        .filter(|file| file.file_name().to_str().is_some_and(is_ours))
        .max_by_key(|file| file.metadata().and_then(|metadata| metadata.modified()).ok())
        .expect("the derives are built before their tests")
        .path()
}

/// What the compiler says of a source.
fn complaint(source: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("case.rs"), format!("use corsac_macros::*;\n{source}\n")).unwrap();
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--color", "never", "--cap-lints", "allow", "case.rs"])
        .arg("--extern")
        .arg(format!("corsac_macros={}", derives().display()))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "this should not compile:\n{source}");
    let text = String::from_utf8(output.stderr).unwrap();
    // how many errors there were is said in words of the compiler's own
    text.lines()
        .filter(|line| !line.starts_with("error: aborting"))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect::<String>()
        .trim()
        .to_owned()
}

#[test]
fn messages() {
    let cases = include_str!("cases.rs.txt");
    let mut seen = String::new();
    for case in cases.split("//// ").skip(1) {
        let (title, source) = case.split_once('\n').unwrap();
        seen.push_str(&format!("## {title}\n{}\n\n", complaint(source.trim())));
    }
    insta::assert_snapshot!("messages", seen);
}
