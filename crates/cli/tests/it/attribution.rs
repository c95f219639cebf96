//! Requests are counted for the user's application, named by flags, the environment or the configuration.

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv'";
const CONFIGURATION: &str = "[app]\nname = 'From File'\nurl = 'https://file.example'\ncategories = ['cli-agent', 'creative-writing']\n";

/// Runs the query and checks the name and the address of its one request.
#[track_caller]
fn counted_for(server: &Simulated, shell: &Shell, arguments: &[&str], name: &str, url: &str) {
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, arguments).ends_with(0);
    assert_eq!(server.headers("x-openrouter-title"), [name]);
    assert_eq!(server.headers("x-title"), [name]);
    assert_eq!(server.headers("http-referer"), [url]);
}

#[test]
fn the_environment_names_the_application() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url()).set("CORSAC_APP_NAME", "8-Bit Oracle").set("CORSAC_APP_URL", "https://oracle.example");
    counted_for(&server, &shell, &[], "8-Bit Oracle", "https://oracle.example");
}

#[test]
fn the_configuration_names_the_application() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("corsac.toml", CONFIGURATION);
    counted_for(&server, &shell, &[], "From File", "https://file.example");
    assert_eq!(server.headers("x-openrouter-categories"), ["cli-agent,creative-writing"]);
}

#[test]
fn the_environment_wins_over_the_configuration() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url()).set("CORSAC_APP_NAME", "Environment");
    shell.file("corsac.toml", CONFIGURATION);
    counted_for(&server, &shell, &[], "Environment", "https://file.example");
}

#[test]
fn flags_win_over_all() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url()).set("CORSAC_APP_NAME", "Environment").set("CORSAC_APP_URL", "https://environment.example");
    shell.file("corsac.toml", CONFIGURATION);
    counted_for(&server, &shell, &["--app-name", "Flags", "--app-url", "https://flags.example"], "Flags", "https://flags.example");
}

#[test]
fn no_request_goes_without_attribution() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    shell.sql(QUERY, &[]).ends_with(0);
    assert_eq!((server.asked(), server.headers("x-openrouter-title").len(), server.headers("http-referer").len()), (1, 1, 1));
}

#[test]
fn a_name_that_no_header_can_carry_is_told() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "text\ngood\n");
    let ran = shell.sql(QUERY, &["--app-name", "two\nlines"]);
    assert!(ran.code == Some(4) && !ran.stderr.contains("panicked"), "{:?} {}", ran.code, ran.stderr);
    assert_eq!(server.asked(), 0);
}
