//! Programs as functions, from one command to the next.

use crate::shell::Shell;
use crate::simulated::Simulated;

const MADE: &str = "CREATE FUNCTION mood AS SIGNATURE 'review -> label: Literal[\"good\", \"bad\"], why' INSTRUCTIONS 'Judge the product.' \
                    MODULE chain_of_thought MODEL 'anthropic/claude-3-haiku' COMMENT 'how a review feels'";

#[test]
fn a_program_is_a_function_from_one_command_to_the_next() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    shell.file("d.csv", "id,text\n1,Broke after a day.\n2,Just what I wanted.\n3,\n");
    shell.sql(MADE, &[]).ends_with(0).says(&["function mood is made"]);
    let query = "SELECT id, mood(text).label AS label FROM 'd.csv'";
    let first = shell.sql(query, &[]).ends_with(0).says(&["2 answers, 0 from memory", "anthropic/claude-3-haiku"]);
    let labels: Vec<&str> = first.stdout.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert!(matches!(labels.as_slice(), ["good" | "bad", "good" | "bad", ""]), "{}", first.stdout);
    let asked = server.asked();
    assert_eq!(shell.sql(query, &[]).ends_with(0).says(&["0 answers, 2 from memory"]).stdout, first.stdout);
    assert_eq!(server.asked(), asked);
    // whom the command names comes before whom the program was made for
    shell.sql(query, &["-m", "openai/gpt-4o-mini"]).ends_with(0).says(&["openai/gpt-4o-mini", "2 answers, 0 from memory"]);
    let plan = shell.sql(query, &["--explain"]).ends_with(0).stdout;
    assert!(plan.contains("mood(d.csv.text → reasoning, label, why)"), "{plan}");
    assert!(plan.contains("price  mood(text@1 → reasoning, label, why)  ≤ 2 requests"), "{plan}");
    let listed = shell.sql("SHOW FUNCTIONS", &["--format", "csv"]).ends_with(0).stdout;
    assert!(listed.contains("mood,review,") && listed.contains("how a review feels"), "{listed}");
    shell.sql("DROP FUNCTION mood", &[]).ends_with(0).says(&["function mood is dropped"]);
    shell.sql(query, &[]).ends_with(2).says(&["mood"]);
}

#[test]
fn a_statement_that_makes_none_says_what_to_write() {
    let shell = Shell::new();
    shell.sql("CREATE FUNCTION f(a INT) RETURNS INT AS 'x'", &[]).ends_with(2).says(&["CREATE FUNCTION triage FROM 'triage.json'"]);
    shell.sql("CREATE FUNCTION f FROM 'none.json'", &[]).ends_with(2).says(&["none.json cannot be read"]);
}
