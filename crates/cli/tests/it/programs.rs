//! Programs on the command line: asked, measured, improved.

use crate::shell::Shell;
use crate::simulated::Simulated;

const SIGNATURE: &str = "text -> label: Literal['good', 'bad']";

fn data(rows: usize) -> String {
    let rows: String =
        (0..rows).map(|row| format!("review number {row},{},{}\n", ["good", "bad"][row % 2], ["en", "de", "fr"][row % 3])).collect();
    format!("text,label,language\n{rows}")
}

#[test]
fn a_signature_is_asked_with_named_inputs() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let ran = shell.run(&["ask", "question -> answer", "question=What is DSPy?"]).ends_with(0);
    assert!(!ran.stdout.trim().is_empty());
    ran.says(&["openai/gpt-4o-mini", "1 request"]);
    let ran =
        shell.run(&["ask", "text -> label: Literal['good', 'bad'], stars: int", "text=Broke after a day.", "--json", "--module", "cot"]);
    let told: serde_json::Value = serde_json::from_str(&ran.ends_with(0).stdout).unwrap();
    assert!(["good", "bad"].contains(&told["outputs"]["label"].as_str().unwrap()), "{told}");
    assert!(told["outputs"]["stars"].is_i64() && told["outputs"]["reasoning"].is_string(), "{told}");
    assert_eq!(told["attempts"], 1);
}

#[test]
fn what_is_missing_or_no_input_is_said() {
    let shell = Shell::new();
    shell.run(&["ask", "question, context -> answer", "question=What?"]).ends_with(2).says(&["needs context", "context=…"]);
    shell.run(&["ask", "question, context -> answer", "questoin=What?"]).ends_with(2).says(&["questoin=What?", "question, context"]);
    shell.run(&["ask", "question -> answer", "questoin=What?"]).ends_with(2).says(&["questoin=What?", "the inputs are question"]);
    shell.run(&["ask", "n: int -> answer", "n=many"]).ends_with(2).says(&["the input n", "\"many\" is no int"]);
    shell.run(&["ask", "question -> ", "question=What?"]).ends_with(2).says(&["is no signature"]);
    shell.run(&["eval", "--signature", SIGNATURE, "--data", "none.csv"]).ends_with(2).says(&["none.csv"]);
    shell.file("d.csv", "words,label\nx,good\n");
    shell.run(&["eval", "--signature", SIGNATURE, "--data", "d.csv"]).ends_with(2).says(&["no column `text`"]);
    shell.file("e.csv", "text,label\nx,good\n");
    let by = ["eval", "--signature", SIGNATURE, "--data", "e.csv", "--by", "langauge"];
    shell.run(&by).ends_with(2).says(&["no column \"langauge\"", "text, label"]);
    shell.run(&["eval", "--data", "d.csv"]).ends_with(2).says(&["there is no program"]);
    shell.file("p.json", "{\"predict\": {\"signature\": {\"fields\": []}, \"demos\": []}}");
    shell.run(&["ask", "-p", "p.json", "x=1"]).ends_with(2).says(&["--signature", "--module"]);
    shell
        .run(&["tune", "--signature", SIGNATURE, "--data", "d.csv", "--out", "o.json", "--optimizer", "magic"])
        .ends_with(2)
        .says(&["labeled, bootstrap"]);
}

#[test]
fn a_program_is_measured_and_the_second_time_costs_nothing() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("dev.csv", data(30));
    let arguments =
        ["eval", "--signature", SIGNATURE, "--data", "dev.csv", "--metric", "classify", "--by", "language", "--out", "rows.jsonl"];
    let first = shell.run(&arguments).ends_with(0);
    for words in ["classify  ", "95 %", "over 30 of 30", "language", "precision", "good", "30 requests, $0.0"] {
        assert!(first.stdout.contains(words), "{words:?} is not in\n{}", first.stdout);
    }
    assert_eq!(shell.read("rows.jsonl").lines().count(), 30);
    let asked = server.asked();
    let again = shell.run(&arguments).ends_with(0);
    assert!(again.stdout.contains("0 requests, $0.0000"), "{}", again.stdout);
    assert_eq!(server.asked(), asked);
    let json = shell.run(&["eval", "--signature", SIGNATURE, "--data", "dev.csv", "--metric", "exact", "--json", "--quiet"]).ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((told["examples"].as_u64(), told["failed"].as_u64()), (Some(30), Some(0)));
    let arguments =
        ["eval", "--signature", SIGNATURE, "--data", "dev.csv", "--metric", "classify", "--by", "language", "--json", "--quiet"];
    let json = shell.run(&arguments).ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((told["groups"].as_array().unwrap().len(), &told["groups"][0]["language"]), (3, &"de".into()), "{told}");
    assert_eq!(told["classes"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(server.asked(), asked);
}

#[test]
fn a_row_without_a_label_is_a_failure_and_no_zero() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("dev.csv", "text,label\nThis is good,good\nThis is good too,\n");
    let ran = shell.run(&["eval", "--signature", SIGNATURE, "--data", "dev.csv", "--metric", "classify", "--json", "--out", "rows.jsonl"]);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((told["examples"].as_u64(), told["failed"].as_u64(), told["score"].as_f64()), (Some(2), Some(1), Some(1.0)), "{told}");
    assert!(shell.read("rows.jsonl").contains("there is no label"), "{}", shell.read("rows.jsonl"));
}

#[test]
fn a_program_is_improved_saved_and_asked_again() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("train.csv", data(24));
    let arguments = |budget: &'static str| {
        [
            "tune",
            "--signature",
            SIGNATURE,
            "--data",
            "train.csv",
            "--metric",
            "classify",
            "--optimizer",
            "random-search",
            "--candidates",
            "2",
            "--budget",
            budget,
            "--out",
            "better.json",
        ]
    };
    let stopped = shell.run(&arguments("0.00005")).ends_with(5);
    assert!(stopped.stdout.contains("stopped at the budget"), "{}", stopped.stdout);
    let ran = shell.run(&arguments("1")).ends_with(0);
    assert!(ran.stdout.contains("candidate") && ran.stdout.contains("←") && ran.stdout.contains("gain"), "{}", ran.stdout);
    let saved = shell.read("better.json");
    assert!(!saved.contains("sk-or"), "{saved}");
    shell.run(&["ask", "-p", "better.json", "text=Broke after a day."]).ends_with(0);
    let compared = shell.run(&["eval", "-p", "better.json", "--data", "train.csv", "--compare", "better.json"]).ends_with(0);
    assert!(compared.stdout.contains("better at 0, worse at 0 of 24"), "{}", compared.stdout);
    let json = shell.run(&["eval", "-p", "better.json", "--data", "train.csv", "--compare", "better.json", "--json", "-q"]).ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&told["compared"]["difference"]["mean"], &told["compared"]["program"]), (&0.0.into(), &"better.json".into()), "{told}");
}
