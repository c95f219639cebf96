//! What a call names of its own: models by alias and id, profiles, and what leads nowhere.

use crate::shell::Shell;
use crate::simulated::Simulated;

const CONFIG: &str =
    "model = 'openai/gpt-4o-mini'\n[models.other]\nid = 'anthropic/claude-3-haiku'\n[profiles.elsewhere]\nmodel = 'openai/gpt-4o'\n";

fn shell(server: &Simulated) -> Shell {
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n2,bad\n");
    shell.file("corsac.toml", CONFIG);
    shell
}

#[test]
fn each_call_asks_whom_it_names() {
    let server = Simulated::start("");
    let shell = shell(&server);
    let query = "SELECT semantic_map('Say {{ text }}', text) AS a, semantic_map('Say {{ text }}', text, model => 'other') AS b, \
                 semantic_map('Say {{ text }}', text, profile => 'elsewhere') AS c, \
                 semantic_map('Say {{ text }}', text, model => 'openrouter/google/gemini-2.5-flash') AS d FROM 'reviews.csv'";
    shell.sql(query, &[]).ends_with(0).says(&["8 answers"]);
    let asked = server.seen().asked_by_model;
    for model in ["openai/gpt-4o-mini", "anthropic/claude-3-haiku", "openai/gpt-4o", "google/gemini-2.5-flash"] {
        assert_eq!(asked.get(model), Some(&2), "{model}: {asked:?}");
    }
    let plan = shell.sql(query, &["--explain"]).ends_with(0).stdout;
    assert!(plan.contains("total  ≈ $") && plan.contains("anthropic/claude-3-haiku"), "{plan}");
    shell.sql(query, &[]).ends_with(0).says(&["0 answers, 8 from memory"]);
}

#[test]
fn names_that_lead_nowhere_are_told_before_anything_is_asked() {
    let server = Simulated::start("");
    let shell = shell(&server);
    let call = |argument: &str| format!("SELECT semantic_map('Say {{{{ text }}}}', text, {argument}) FROM 'reviews.csv'");
    shell.sql(&call("profile => 'elsewhre'"), &[]).ends_with(4).says(&["\"elsewhre\"", "did you mean elsewhere?"]);
    shell.sql(&call("model => 'openai/gpt-4o-minni'"), &["--budget", "1"]).ends_with(4).says(&["openai/gpt-4o-mini"]);
    shell.sql(&call("modle => 'x'"), &[]).ends_with(2).says(&["modle", "Did you mean model?"]);
    let local = Shell::new();
    local.file("reviews.csv", "id,text\n1,good\n");
    local.sql(&call("model => 'openai/gpt-4o'"), &[]).ends_with(4).says(&["openai/gpt-4o", "OPENROUTER_API_KEY"]);
    assert_eq!(server.asked(), 0);
}

#[test]
fn groups_and_summaries_come_out_of_the_whole() {
    let server = Simulated::start("");
    let shell = shell(&server);
    let query = "SELECT length(text) AS n, semantic_reduce('Sum up: {{ text }}', text ORDER BY id) AS s FROM 'reviews.csv' GROUP BY length(text) ORDER BY n";
    let ran = shell.sql(query, &[]).ends_with(0).says(&["2 answers"]);
    assert_eq!(ran.stdout.lines().next(), Some("n,s"), "{}", ran.stdout);
    shell.sql(query, &[]).ends_with(0).says(&["0 answers, 2 from memory"]);
    let ran = shell.sql("SELECT semantic_analyze_sentiment(text) IN ('positive', 'negative', 'neutral') AS known FROM 'reviews.csv'", &[]);
    ran.ends_with(0).prints("known\ntrue\ntrue\n");
}
