//! `corsac ask`: one question, its answer as it comes.

use crate::shell::{KEY, Shell};
use crate::simulated::Simulated;

#[test]
fn the_answer_is_printed_and_its_bill_told() {
    let server = Simulated::start("latency_ms = 5\n[[rule]]\ncontent = \"It is Paris.\"\n");
    let shell = Shell::at(server.url());
    let ran = shell.run(&["ask", "What is the capital of France?"]).ends_with(0).says(&["openai/gpt-4o-mini", "1 request", "run "]);
    assert!(ran.stdout.contains("Paris"), "{}", ran.stdout);
    let again = shell.run(&["ask", "What", "is the capital of France?"]).ends_with(0).says(&["from memory"]);
    assert_eq!(again.stdout, ran.stdout);
    assert_eq!(server.asked(), 1);
    shell.run(&["ask", "--fresh", "-q", "What is the capital of France?"]).ends_with(0).prints(&ran.stdout).says(&[]);
    assert_eq!(server.asked(), 2);
}

#[test]
fn it_can_be_piped_and_have_a_form() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let ran = shell.run_with_input(&["ask", "--json", "--schema", "city string, population int"], b"Tell me about Oslo").ends_with(0);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(said["answer"]["city"].is_string() && said["answer"]["population"].is_i64(), "{said}");
    assert_eq!(said["attempts"], 1);
    assert!(said["cost"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{said}");
    shell.run(&["ask", "   "]).ends_with(2).says(&["the question is empty"]);
    shell.run(&["ask", "--schema", "nonsense here: x", "hello"]).ends_with(2).says(&["--schema"]);
}

#[test]
fn trouble_before_the_first_word_is_remedied_and_after_it_told() {
    let down = Simulated::start("[[down]]\nmodel = \"openai/gpt-4o-mini\"\nfault = \"http_502\"\n");
    let shell = Shell::at(down.url());
    let ran = shell.run(&["ask", "--fallback", "anthropic/claude-3-haiku", "Hello"]).ends_with(0);
    assert!(!ran.stdout.trim().is_empty());
    ran.says(&["anthropic/claude-3-haiku"]);
    let events = [
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It is\"}}]}",
        "{\"error\":{\"code\":502,\"message\":\"gone\"},\"choices\":[]}",
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let broken = Simulated::start(&format!("[[rule]]\nreply = {{ status = 200, body = '''{body}''' }}\n"));
    let shell = Shell::at(broken.url());
    let ran = shell.run(&["ask", "Hello"]).ends_with(3);
    assert!(ran.stdout.starts_with("It is"), "{ran:?}");
    assert_eq!(broken.asked(), 1, "an answer that was partly delivered is not asked for again: {}", ran.stderr);
}

#[test]
fn a_wrong_key_says_what_to_do() {
    let server = Simulated::start("[keys]\naccepted = [\"sk-or-v1-another-key\"]\n");
    let ran = Shell::at(server.url()).run(&["ask", "Hello"]).ends_with(4).says(&["OPENROUTER_API_KEY"]);
    assert!(!ran.stderr.contains(KEY) && ran.stdout.is_empty(), "{ran:?}");
}
