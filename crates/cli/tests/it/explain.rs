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

/// Row 1 repeats row 0, row 3 is blank, row 4 is asked twice, row 5 is refused.
const MIXED: &str = "id,text\n0,good\n1,good\n2,bad\n3,\n4,shaky\n5,poisoned\n";
const SCRIPT: &str = "[[rule]]\ncontains = 'poisoned'\nfault = 'moderation_403'\n\
                      [[rule]]\ncontains = 'shaky'\ntimes = 1\nfault = 'http_500'\n[[rule]]\ncontent = 'yes'";
const MAP: &str = "SELECT id, semantic_map('Say yes about {{ text }}', text) AS said FROM 'reviews.csv'";

fn mixed() -> (Simulated, Shell) {
    let server = Simulated::start(SCRIPT);
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", MIXED);
    (server, shell)
}

#[test]
fn a_plan_is_had_as_json() {
    let (server, shell) = mixed();
    for (query, flags) in [(MAP.to_owned(), &["--explain", "--format", "json"][..]), (format!("EXPLAIN FORMAT JSON {MAP}"), &[])] {
        let plan: serde_json::Value = serde_json::from_str(&shell.sql(&query, flags).ends_with(0).stdout).unwrap();
        let operator = &plan["operators"][0];
        assert_eq!((operator["operator"].as_str(), operator["rows"].as_u64()), (Some("semantic_map"), Some(6)), "{plan}");
        assert_eq!((operator["rows_are_exact"].as_bool(), operator["requests_at_most"].as_u64()), (Some(true), Some(5)), "{plan}");
        assert!(operator["prompt_tokens"].as_u64() > Some(50), "{plan}");
        let dollars = ["low", "likely", "high"].map(|name| plan["total"]["dollars"][name].as_str().unwrap().parse::<f64>().unwrap());
        assert!(0.0 < dollars[0] && dollars[0] <= dollars[1] && dollars[1] <= dollars[2], "{plan}");
        assert!(plan["plan"]["logical"].as_str().unwrap().contains("Semantic: semantic_map"), "{plan}");
        assert!(plan["plan"]["physical"].as_str().unwrap().contains("SemanticExec"), "{plan}");
    }
    let text = shell.sql(&format!("EXPLAIN {MAP}"), &[]).ends_with(0).stdout;
    assert!(text.contains("total  ≈ $0.0") && text.contains("≤ 5 requests"), "{text}");
    assert_eq!(server.asked(), 0);
}

#[test]
fn an_analysis_tells_what_each_operator_came_to() {
    let (server, shell) = mixed();
    let ran = shell.sql(&format!("EXPLAIN ANALYZE FORMAT JSON {MAP}"), &[]).ends_with(3);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["run"], ran.run_id().as_str());
    let operator = &told["operators"][0];
    let counts = ["rows", "asked", "from_memory", "shared", "nothing_to_ask", "failed", "requests", "retried"];
    let counts = counts.map(|name| operator[name].as_u64().unwrap());
    assert_eq!(counts, [6, 4, 0, 1, 1, 1, 5, 1], "{told}");
    assert_eq!(server.asked(), 5);
    assert!(operator["p99_ms"].as_f64() >= operator["p50_ms"].as_f64() && operator["p50_ms"].as_f64() > Some(0.0), "{told}");
    assert!(told["total"]["dollars"].as_str().unwrap().parse::<f64>().unwrap() > 0.0 && told["total"]["rows"] == 6, "{told}");

    let again = shell.sql(&format!("explain analyze {MAP}"), &[]).ends_with(3).stdout;
    for words in
        ["SemanticExec", "ran    semantic_map", "rows 6  asked 1  from memory 3  shared 1  nothing to ask 1  failed 1", "total  6 rows"]
    {
        assert!(again.contains(words), "{words:?} is not in\n{again}");
    }
}

#[test]
fn an_analysis_of_a_query_that_asks_nothing_is_told_too() {
    let shell = Shell::new();
    let ran = shell.sql("EXPLAIN ANALYZE SELECT 1 AS one", &["--engine", "sim"]).ends_with(0);
    assert!(ran.stdout.contains("total  1 rows"), "{}", ran.stdout);
}
