//! `--explain` shows the plan and its price and asks nothing.

use std::net::{Ipv4Addr, TcpListener};

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT id, semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv' WHERE id > 1";

#[test]
fn a_plan_needs_no_key_and_shows_a_price() {
    let server = Simulated::start("");
    let shell = Shell::new().set("OPENROUTER_BASE_URL", server.url());
    shell.file("reviews.csv", "id,text\n1,good\n2,bad\n3,worse\n");
    let ran = shell.sql(QUERY, &["--explain", "--engine", "openrouter"]).ends_with(0);
    for words in ["Semantic: semantic_classify", "reviews.csv", "total  ≈ $0.0", "openai/gpt-4o-mini", "requests"] {
        assert!(ran.stdout.contains(words), "{words:?} is not in\n{}", ran.stdout);
    }
    assert_eq!(server.asked(), 0);
}

#[test]
fn a_plan_without_a_catalog_says_that_the_price_is_unknown() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let shell = Shell::at(&format!("http://{}/api/v1", listener.local_addr().unwrap()));
    drop(listener);
    shell.file("reviews.csv", "id,text\n1,good\n");
    let ran = shell.sql(QUERY, &["--explain"]).ends_with(0);
    assert!(ran.stdout.contains("Semantic: semantic_classify") && ran.stdout.contains("total  unknown"), "{}", ran.stdout);
}

#[test]
fn the_embedded_model_costs_nothing_and_is_not_loaded() {
    let shell = Shell::new().set("CORSAC_LOCAL_MODEL", "/nowhere/model.gguf");
    shell.file("reviews.csv", "id,text\n1,good\n");
    let ran = shell.sql(QUERY, &["--explain"]).ends_with(0);
    assert!(ran.stdout.contains("total  ≈ $0.0000") && ran.stdout.contains("the embedded model"), "{}", ran.stdout);
}

#[test]
fn the_price_holds() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let rows: String = (1..=10).map(|id| format!("{id},review number {id}\n")).collect();
    shell.file("reviews.csv", format!("id,text\n{rows}"));
    let query = "SELECT semantic_classify(text, ['a', 'b']) AS kind FROM 'reviews.csv'";
    let plan = shell.sql(query, &["--explain"]).ends_with(0).stdout;
    let total = plan.lines().find(|line| line.starts_with("total")).unwrap_or_else(|| panic!("no total in\n{plan}"));
    let range = total.split(['(', ')']).nth(1).unwrap_or_else(|| panic!("no range in {total}"));
    let bounds: Vec<f64> = range.split('–').map(|dollars| dollars.trim_start_matches('$').parse().unwrap()).collect();
    assert!(plan.contains("out (guessed)"), "{plan}");
    let id = shell.sql(query, &[]).ends_with(0).run_id();
    let shown = shell.run(&["runs", "show", &id]).ends_with(0).stdout;
    let spent = shown.lines().find_map(|line| line.strip_prefix("spent    $")).unwrap();
    let spent: f64 = spent.split_whitespace().next().unwrap().parse().unwrap();
    assert!((bounds[0]..=bounds[1]).contains(&spent), "{spent} is not within {range}");
    // what was measured narrows the next range
    let plan = shell.sql(query, &["--explain"]).ends_with(0).stdout;
    assert!(plan.contains("out (measured)"), "{plan}");
}

#[test]
fn a_plan_leaves_no_run() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n");
    shell.sql(QUERY, &["--explain"]).ends_with(0);
    shell.run(&["runs", "list"]).ends_with(0).prints("").says(&["Nothing was run yet"]);
}
