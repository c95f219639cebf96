//! Where the key is found, and that it is found nowhere else.

use std::path::Path;

use crate::shell::{KEY, Shell};
use crate::simulated::Simulated;

const QUERY: &str = "SELECT semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv'";
const OTHER: &str = "sk-or-v1-other-0a1b2c3d4e";

/// A server that knows one key.
fn server(key: &str) -> Simulated {
    Simulated::start(&format!("[keys]\naccepted = ['{key}']"))
}

/// A shell that knows the server but no key.
fn without_key(server: &Simulated) -> Shell {
    let shell = Shell::new().set("OPENROUTER_BASE_URL", server.url());
    shell.file("reviews.csv", "text\ngood\n");
    shell
}

#[test]
fn a_key_stands_in_env_of_a_folder_above() {
    let server = server(KEY);
    let shell = without_key(&server);
    shell.file(".env", format!("# the key\nOPENROUTER_API_KEY='{KEY}'\n"));
    shell.file("a/b/reviews.csv", "text\ngood\n");
    shell.run_in(&shell.folder().join("a/b"), &["sql", QUERY]).ends_with(0);
    assert_eq!(server.asked(), 1);
}

#[test]
fn a_key_stands_in_the_configuration() {
    let server = server(KEY);
    let shell = without_key(&server);
    shell.file("corsac.toml", format!("api_key = '{KEY}'\n"));
    shell.sql(QUERY, &[]).ends_with(0);
}

#[test]
fn the_environment_wins_over_env_and_configuration() {
    let server = server(KEY);
    let shell = without_key(&server).set("OPENROUTER_API_KEY", KEY);
    shell.file(".env", format!("OPENROUTER_API_KEY={OTHER}\n"));
    shell.file("corsac.toml", format!("api_key = '{OTHER}'\n"));
    shell.sql(QUERY, &[]).ends_with(0);
}

#[test]
fn env_wins_over_the_configuration() {
    let server = server(KEY);
    let shell = without_key(&server);
    shell.file(".env", format!("export OPENROUTER_API_KEY=\"{KEY}\"\n"));
    shell.file("corsac.toml", format!("api_key = '{OTHER}'\n"));
    shell.sql(QUERY, &[]).ends_with(0);
}

#[test]
fn the_place_of_the_key_is_told_without_the_key() {
    let server = server(KEY);
    let shell = without_key(&server);
    let path = shell.file(".env", format!("OPENROUTER_API_KEY={KEY}\n"));
    let ran = shell.sql(QUERY, &["--explain"]).ends_with(0);
    let path = path.canonicalize().unwrap();
    assert!(ran.stdout.contains(&path.display().to_string()) && !ran.stdout.contains(KEY), "{}", ran.stdout);
}

#[test]
fn openrouter_without_a_key_is_a_configuration_error() {
    let shell = Shell::new();
    shell.file("reviews.csv", "text\ngood\n");
    let ran = shell.sql(QUERY, &["--engine", "openrouter"]).ends_with(4).prints("");
    ran.says(&["no key", "OPENROUTER_API_KEY", "--engine local"]);
}

#[test]
fn a_refused_key_stops_the_run_and_is_not_repeated() {
    let server = server(OTHER);
    let shell = without_key(&server).set("OPENROUTER_API_KEY", KEY);
    let ran = shell.sql(QUERY, &[]).ends_with(4).says(&["refused the key", "OPENROUTER_API_KEY"]);
    assert!(!ran.stderr.contains(KEY) && !ran.stdout.contains(KEY));
    assert_nowhere(&shell.corsac_home(), KEY);
}

#[test]
fn a_server_that_repeats_the_key_does_not_make_us_repeat_it() {
    let body = format!("{{ error = {{ code = 401, message = 'the key {KEY} is unknown' }} }}");
    let server = Simulated::start(&format!("[[rule]]\nreply = {{ status = 401, body = {body} }}"));
    let shell = without_key(&server).set("OPENROUTER_API_KEY", KEY);
    let ran = shell.sql(QUERY, &[]).ends_with(4);
    assert!(!ran.stderr.contains(KEY) && !ran.stdout.contains(KEY), "{}", ran.stderr);
    let id = ran.run_id();
    let shown = shell.run(&["runs", "show", &id, "--failed"]).ends_with(0);
    assert!(!shown.stdout.contains(KEY), "{}", shown.stdout);
    assert_nowhere(&shell.corsac_home(), KEY);
}

#[test]
fn the_key_is_kept_in_no_file() {
    let server = server(KEY);
    let shell = without_key(&server).set("OPENROUTER_API_KEY", KEY);
    let ran = shell.sql(QUERY, &[]).ends_with(0);
    let shown = shell.run(&["runs", "show", &ran.run_id(), "--row", "0"]).ends_with(0);
    let exported = shell.run(&["runs", "export", &ran.run_id()]).ends_with(0);
    shell.run(&["models", "list"]).ends_with(0);
    for text in [&ran.stdout, &ran.stderr, &shown.stdout, &exported.stdout] {
        assert!(!text.contains(KEY), "{text}");
    }
    assert_nowhere(&shell.corsac_home(), KEY);
}

#[test]
fn a_broken_configuration_does_not_show_its_key() {
    let server = server(KEY);
    let shell = without_key(&server);
    shell.file("corsac.toml", format!("api_key = '{KEY}\n"));
    let ran = shell.sql(QUERY, &[]).ends_with(4).prints("").says(&["corsac.toml", "line 1"]);
    assert!(!ran.stderr.contains(KEY), "{}", ran.stderr);
}

/// Fails if the bytes of a text stand in any file below a folder, or if there is no file to look into.
fn assert_nowhere(folder: &Path, secret: &str) {
    let mut folders = vec![folder.to_owned()];
    let mut looked_into = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            looked_into += 1;
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "the key stands in {}", path.display());
        }
    }
    assert!(looked_into > 0);
}
