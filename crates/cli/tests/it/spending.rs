//! `corsac usage`: what the ledger says was spent, which is what the service charged.

use crate::shell::Shell;
use crate::simulated::Simulated;

#[test]
fn sums_are_what_was_charged_by_every_measure() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let rows: String = (0..40).map(|row| format!("text number {row}\n")).collect();
    shell.file("texts.csv", format!("text\n{rows}"));
    shell.sql("SELECT semantic_classify(text, ['a', 'b']) FROM 'texts.csv'", &[]).ends_with(0);
    shell.sql("SELECT semantic_map('Say {{ text }}', text) FROM 'texts.csv' LIMIT 10", &[]).ends_with(0);
    let charged: f64 = server.seen().cost_dollars.to_string().trim_start_matches('$').parse().unwrap();
    assert!(charged > 0.0);
    for by in ["model", "provider", "day", "run", "operator", "key"] {
        let ran = shell.run(&["usage", "--by", by, "--format", "json"]).ends_with(0);
        let lines: Vec<serde_json::Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sum: f64 = lines.iter().map(|line| line["cost"].as_str().unwrap().parse::<f64>().unwrap()).sum();
        assert!((sum - charged).abs() < 1e-11, "by {by}: {sum} of {charged}");
        assert!(lines.iter().all(|line| line[by].as_str().is_some_and(|key| !key.is_empty())), "{}", ran.stdout);
    }
    let table = shell.run(&["usage"]).ends_with(0);
    assert!(table.stdout.contains("openai/gpt-4o-mini") && table.stdout.contains("total"), "{}", table.stdout);
    shell.run(&["usage", "--since", "tomorrow"]).ends_with(2).says(&["2026-11-22"]);
    assert!(shell.run(&["usage", "--by", "key"]).ends_with(0).stdout.contains("…7b61"));
}
