//! `semantic_embed` through the real binary: many texts in a request, one model of its own, remembered, priced.

use corsac_local::weights;

use crate::shell::Shell;
use crate::simulated::Simulated;

const QUERY: &str = "SELECT id, array_length(v) AS numbers, round(array_distance(v, v), 3) AS itself \
                     FROM (SELECT id, semantic_embed(text) AS v FROM 'reviews.csv') ORDER BY id";

fn reviews(shell: &Shell) {
    let rows: String = (1..=100).map(|id| format!("{id},review number {id}\n")).collect();
    shell.file("reviews.csv", format!("id,text\n{rows}101,\n"));
}

fn requests(server: &Simulated) -> u64 {
    server.seen().by_route.get("POST /embeddings").copied().unwrap_or(0)
}

#[test]
fn texts_go_together_and_are_paid_once() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    reviews(&shell);
    let first = shell.sql(QUERY, &[]).ends_with(0).says(&["100 answers, 0 from memory, 0 failed", "openai/text-embedding-3-small"]);
    assert!(first.stdout.starts_with("id,numbers,itself\n1,1536,0.0\n2,1536,0.0\n"), "{}", first.stdout);
    assert!(first.stdout.ends_with("\n101,,\n"), "{}", first.stdout);
    let sent = requests(&server);
    assert!((2..20).contains(&sent), "{sent} requests for 100 texts");
    assert_eq!(server.asked(), 0, "no chat model is asked");
    let second = shell.sql(QUERY, &[]).ends_with(0).says(&["0 answers, 100 from memory, 0 failed  $0.0000"]);
    assert_eq!((second.stdout, requests(&server)), (first.stdout, sent));
    let usage = shell.run(&["usage", "--by", "operator"]).ends_with(0).stdout;
    assert!(usage.contains("semantic_embed"), "{usage}");
}

#[test]
fn the_model_is_a_setting_of_its_own() {
    let server = Simulated::start("[[model]]\nid = \"acme/vectors\"\nembedding = true\n");
    let shell = Shell::at(server.url());
    reviews(&shell);
    shell.file("corsac.toml", "model = \"openai/gpt-4o\"\nembedding_model = \"openai/text-embedding-3-small\"\n");
    shell.sql(QUERY, &["--budget", "1"]).ends_with(0).says(&["openai/text-embedding-3-small"]);
    shell.sql(QUERY, &["--embedding-model", "acme/vectors"]).ends_with(0).says(&["100 answers", "acme/vectors"]);
    let unknown = shell.sql(QUERY, &["--embedding-model", "openai/text-embedding-3-smal", "--budget", "1"]).ends_with(4);
    assert!(unknown.stderr.contains("openai/text-embedding-3-small"), "{}", unknown.stderr);
}

#[test]
fn a_model_that_is_down_is_not_replaced_by_a_chat_model() {
    let server = Simulated::start("down = [{ model = \"openai/text-embedding-3-small\" }]\n");
    let shell = Shell::at(server.url());
    shell.file("reviews.csv", "id,text\n1,good\n");
    shell.file("corsac.toml", "fallbacks = [\"anthropic/claude-3-haiku\"]\n[deadlines]\ncall = 5\n");
    let ran = shell.sql("SELECT semantic_embed(text) AS v FROM 'reviews.csv'", &[]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(server.asked(), 0);
}

#[test]
fn the_plan_has_a_price_and_the_price_holds() {
    let server = Simulated::start("");
    let shell = Shell::at(server.url());
    let rows: String = (1..=2000).map(|id| format!("{id},review number {id:04} of a thing that works\n")).collect();
    shell.file("reviews.csv", format!("id,text\n{rows}"));
    let plan = shell.sql(QUERY, &["--explain"]).ends_with(0).stdout;
    assert!(plan.contains("semantic_embed") && plan.contains("openai/text-embedding-3-small"), "{plan}");
    let total = plan.lines().find(|line| line.starts_with("total")).unwrap_or_else(|| panic!("no total in\n{plan}"));
    assert!(!total.contains("gpt-4o-mini"), "{total}");
    let bounds: Vec<f64> =
        total.split(['(', ')']).nth(1).unwrap().split('–').map(|dollars| dollars.trim_start_matches('$').parse().unwrap()).collect();
    let id = shell.sql(QUERY, &[]).ends_with(0).run_id();
    let shown = shell.run(&["runs", "show", &id]).ends_with(0).stdout;
    let spent: f64 =
        shown.lines().find_map(|line| line.strip_prefix("spent    $")).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(spent > 0.0 && (bounds[0]..=bounds[1]).contains(&spent), "{spent} is not within {bounds:?}");
}

#[test]
fn inside_the_process_too() {
    let shell = Shell::new();
    reviews(&shell);
    let ran = shell.sql(QUERY, &["--engine", "sim"]).ends_with(0).says(&["100 answers"]);
    assert!(ran.stdout.starts_with("id,numbers,itself\n1,1536,0.0\n"), "{}", ran.stdout);
}

#[test]
fn the_embedded_model_embeds_without_the_chat_model() {
    let Some(folder) = weights::default_cache_dir().and_then(|cache| weights::locate_embedding(None, &cache)) else {
        println!("not run: the embedding model's weights are not here; `corsac models pull` gets them");
        return;
    };
    // a chat model that is not there shows that it is not loaded
    let shell = Shell::new().set("CORSAC_LOCAL_EMBEDDING_MODEL", folder).set("CORSAC_LOCAL_MODEL", "/nowhere/model.gguf");
    shell.file("texts.csv", "text\nThe parcel came late.\nShipping took far too long.\nI like cheese.\n");
    let near = "SELECT b.text AS near FROM (SELECT text, semantic_embed(text) AS v FROM 'texts.csv') a, \
                (SELECT text, semantic_embed(text) AS v FROM 'texts.csv') b \
                WHERE a.text LIKE 'The parcel%' AND a.text <> b.text ORDER BY array_distance(a.v, b.v)";
    let ran = shell.sql(near, &[]).ends_with(0).says(&["3 answers", "all-MiniLM-L6-v2"]);
    assert_eq!(ran.stdout, "near\nShipping took far too long.\nI like cheese.\n");
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let shell = Shell::new().set("CORSAC_LOCAL_EMBEDDING_MODEL", "/nowhere/model");
    shell.file("texts.csv", "text\nhello\n");
    shell
        .sql("SELECT semantic_embed(text) FROM 'texts.csv'", &[])
        .ends_with(4)
        .says(&["CORSAC_LOCAL_EMBEDDING_MODEL names /nowhere/model"]);
}
