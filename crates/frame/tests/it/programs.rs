//! Programs as functions of SQL, kept and registered, and saved programs laid over the built-in functions.

use std::path::Path;
use std::sync::Arc;

use corsac_dispatch::{Ask, Call, FailureKind};
use corsac_frame::{FrameError, Session, SessionOptions, Statement};
use corsac_program::{
    BestOfN, ChainOfThought, Field, Module, Overlaid, Overlay, Predict, ReAct, SavedProgram, Signature, Tool, Tools, record,
};
use serde_json::json;

use crate::fake::{Fake, answered, failed, last_message, run, session, table};

const TICKETS: &str =
    "(VALUES (1, 'the sales lamp broke'), (2, 'hello support'), (3, NULL), (4, ' '), (5, 'the sales lamp broke')) AS r (id, body)";

fn triage() -> Signature {
    let signature = Signature::parse("ticket, channel: Optional[str] -> team: Literal['sales', 'support'], urgency: int").unwrap();
    signature.named("triage").with_instructions("Decide who must look at a ticket.")
}

/// A saved program with a demo, in a file.
fn saved(folder: &Path, module: &dyn Module) -> String {
    let path = folder.join("triage.json");
    std::fs::write(&path, SavedProgram::of(module).to_text()).unwrap();
    path.display().to_string()
}

fn with_demo() -> Overlaid {
    let demo = record([("ticket", "It burns.".into()), ("reasoning", "Fire.".into()), ("team", "support".into()), ("urgency", 9.into())]);
    Overlaid::new(Arc::new(ChainOfThought::new(triage())), Overlay::default().with_demos("predict", vec![demo]))
}

fn at(home: &Path, fake: &Arc<Fake>) -> Session {
    let options = SessionOptions { home: Some(home.to_owned()), ..SessionOptions::default() };
    Session::new(Arc::clone(fake) as Arc<dyn Ask>, run(), options)
}

async fn did(session: &Session, sql: &str) -> Result<String, FrameError> {
    match session.statement(sql).await? {
        Statement::Change(change) => change.apply(),
        Statement::Rows(_) | Statement::Keep(_) => panic!("{sql} changes nothing"),
    }
}

async fn refused(session: &Session, sql: &str) -> String {
    match session.statement(sql).await {
        Ok(Statement::Change(change)) => change.apply().unwrap_err().to_string(),
        Ok(_) => panic!("{sql} is planned"),
        Err(error) => error.to_string(),
    }
}

/// A session that has the function `triage`, a chain of thought with a demo.
async fn with_triage(fake: &Arc<Fake>) -> (Session, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let file = saved(home.path(), &with_demo());
    assert_eq!(did(&at(home.path(), fake), &format!("CREATE FUNCTION triage FROM '{file}'")).await.unwrap(), "function triage is made");
    // the program is kept, not the place of its file
    std::fs::remove_file(&file).unwrap();
    (at(home.path(), fake), home)
}

#[tokio::test]
async fn a_saved_program_is_a_function_with_a_struct_of_its_outputs() {
    let fake = Arc::new(Fake::new());
    let (session, _home) = with_triage(&fake).await;
    insta::assert_snapshot!(table(&session, &format!("SELECT id, triage(body) FROM {TICKETS}")).await);
    // equal inputs are asked once, NULL and blank ones not at all
    assert_eq!(fake.count(), 2);
    let call = &fake.asked()[0];
    assert_eq!(&*call.origin.operator, "triage");
    assert!(call.system.contains("Decide who must look at a ticket."), "{}", call.system);
    assert!(call.input().contains("It burns.") && call.input().contains("Fire."), "{}", call.input());
    assert_eq!(last_message(call), "[[ ## ticket ## ]]\nthe sales lamp broke\n\n[[ ## channel ## ]]\nNone");
}

#[tokio::test]
async fn it_stands_wherever_a_call_can_stand() {
    let fake = Arc::new(Fake::new());
    let (session, _home) = with_triage(&fake).await;
    insta::assert_snapshot!(table(&session, &format!(
        "SELECT id, triage(body).team, (triage(body)).urgency AS u, CASE WHEN id = 2 THEN triage(body).reasoning END AS why \
         FROM {TICKETS} WHERE triage(body).team = 'sales' AND id < 5"
    )).await, @r"
    +----+-------+----+-----+
    | id | team  | u  | why |
    +----+-------+----+-----+
    | 1  | sales | 65 |     |
    +----+-------+----+-----+
    ");
    assert_eq!(fake.count(), 2);
    table(&session, &format!("SELECT TRIAGE(body).team AS team, count(*) FROM {TICKETS} GROUP BY team ORDER BY team")).await;
    table(&session, "SELECT triage(concat('text ', value)).urgency AS u FROM generate_series(1, 500) LIMIT 2").await;
    assert!(fake.count() < 150, "a limit stops the asking: {}", fake.count());
}

#[tokio::test]
async fn inputs_come_in_order_or_by_name_and_options_beside_them() {
    let fake = Arc::new(Fake::new());
    let (session, _home) = with_triage(&fake).await;
    let from = "FROM (VALUES ('broken', 'mail'), ('lost', NULL)) AS r (body, by)";
    table(&session, &format!("SELECT triage(body, channel => by, model => 'a/b', temperature => 0.5) {from}")).await;
    let asked: Vec<(String, Option<String>)> = fake.asked().iter().map(|call| (last_message(call), call.settings.model.clone())).collect();
    let text = |ticket: &str, channel: &str| format!("[[ ## ticket ## ]]\n{ticket}\n\n[[ ## channel ## ]]\n{channel}");
    let model = Some("a/b".to_owned());
    assert_eq!(asked, [(text("broken", "mail"), model.clone()), (text("lost", "None"), model)]);
    let refusal = |call: &str| format!("SELECT {call} {from}");
    insta::assert_snapshot!(refused(&session, &refusal("triage()")).await, @"triage needs ticket. Write triage(ticket, [channel])");
    insta::assert_snapshot!(refused(&session, &refusal("triage(body, by, 3)")).await, @"triage takes 2 inputs, not 3. Write triage(ticket, [channel])");
    insta::assert_snapshot!(refused(&session, &refusal("triage(body, ticket => by)")).await, @"triage is given ticket twice: in its place and by its name");
    insta::assert_snapshot!(refused(&session, &refusal("triage(body, chanel => by)")).await, @"triage takes nothing by the name chanel. Did you mean channel? It takes model, profile, temperature, max_tokens, timeout, ticket, channel");
    insta::assert_snapshot!(refused(&session, &refusal("triage(body, model => by)")).await, @"the model of triage must be known before the query runs, so no column can stand in it. Write triage(ticket, [channel])");
}

#[tokio::test]
async fn a_row_that_fails_is_null_and_tells_why() {
    let fake = Arc::new(Fake::new().rule(|call| last_message(call).contains("lost").then(|| failed(FailureKind::Moderated, "no"))));
    let (session, _home) = with_triage(&fake).await;
    insta::assert_snapshot!(table(&session, "WITH o AS (SELECT body, outcome(triage(body)) AS o FROM (VALUES ('sales'), ('lost')) AS r (body)) \
        SELECT body, o.value.team AS team, o.error_kind AS kind, o.error AS error, o.attempts AS n, o.model AS model FROM o").await, @r"
    +-------+-------+-----------+-------+---+------------+
    | body  | team  | kind      | error | n | model      |
    +-------+-------+-----------+-------+---+------------+
    | sales | sales |           |       | 1 | fake/model |
    | lost  |       | moderated | no    | 2 | fake/model |
    +-------+-------+-----------+-------+---+------------+
    ");
}

#[tokio::test]
async fn functions_are_made_listed_replaced_and_dropped() {
    let fake = Arc::new(Fake::new());
    let (session, _home) = with_triage(&fake).await;
    let adhoc = "CREATE FUNCTION mood AS SIGNATURE 'review -> label: str' INSTRUCTIONS 'Judge.' COMMENT 'how they feel'";
    assert_eq!(did(&session, adhoc).await.unwrap(), "function mood is made");
    insta::assert_snapshot!(
        table(
            &session,
            "SELECT routine_name, arguments, data_type, module, description FROM information_schema.routines \
        WHERE module <> 'built in'"
        )
        .await
    );
    let listed = table(&session, "SHOW FUNCTIONS").await;
    assert!(listed.contains("semantic_extract") && listed.contains("text, 'name string, stars int'"), "{listed}");
    insta::assert_snapshot!(refused(&session, adhoc).await, @"there is a function mood already: write CREATE OR REPLACE FUNCTION to replace it");
    assert!(did(&session, &adhoc.replace("FUNCTION", "FUNCTION IF NOT EXISTS")).await.unwrap().contains("nothing was made"));
    table(&session, "SELECT mood('fine')").await;
    did(&session, &adhoc.replace("CREATE", "CREATE OR REPLACE").replace("label: str", "label: int")).await.unwrap();
    assert!(table(&session, "SELECT mood('fine').label + 1 AS n").await.contains("24"));
    assert_eq!(did(&session, "DROP FUNCTION mood, triage").await.unwrap(), "function mood, triage is dropped");
    assert!(refused(&session, "SELECT mood('fine')").await.contains("mood"));
    insta::assert_snapshot!(refused(&session, "DROP FUNCTION mood").await, @"there is no function mood to drop; SHOW FUNCTIONS lists them");
    assert!(did(&session, "DROP FUNCTION IF EXISTS mood").await.unwrap().contains("nothing was dropped"));
    insta::assert_snapshot!(refused(&session, "CREATE FUNCTION upper AS SIGNATURE 'a -> b'").await, @"there is a function upper of the engine's own: call it otherwise");
}

#[tokio::test]
async fn a_view_may_stand_on_a_program() {
    let fake = Arc::new(Fake::new());
    let (session, home) = with_triage(&fake).await;
    did(&session, &format!("CREATE VIEW teams AS SELECT id, triage(body).team AS team FROM {TICKETS}")).await.unwrap();
    let later = at(home.path(), &fake);
    assert!(table(&later, "SELECT team FROM teams WHERE id = 1").await.contains("sales"));
    assert_eq!(fake.count(), 1);
}

#[tokio::test]
async fn programs_of_several_calls_are_functions_too() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    did(&session, "CREATE FUNCTION compare AS SIGNATURE 'q -> a: str' MODULE multi_chain_comparison").await.unwrap();
    let query = session.plan("SELECT compare(x) AS c FROM (VALUES ('one'), ('two')) AS r (x)").await.unwrap();
    let estimates = query.estimate().await.unwrap();
    let told: Vec<_> = estimates.iter().map(|one| (one.operator.as_str(), one.rows.unwrap().count)).collect();
    assert_eq!(told, [("compare_predict", 2), ("compare_chain_predict", 6)]);
    let text = table(
        &session,
        "SELECT outcome(compare(x)).attempts AS n, outcome(compare(x)).cost AS c, compare(x).rationale IS NOT NULL AS r \
        FROM (VALUES ('one'), ('two')) AS r (x)",
    )
    .await;
    insta::assert_snapshot!(text, @r"
    +---+-------+------+
    | n | c     | r    |
    +---+-------+------+
    | 4 | 0.004 | true |
    | 4 | 0.004 | true |
    +---+-------+------+
    ");
    assert_eq!(fake.count(), 8);
}

#[tokio::test]
async fn any_module_that_says_what_it_takes_can_be_registered() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let best = BestOfN::new(Arc::new(Predict::new(triage())), 3, 1.0, |_, prediction| f64::from(prediction.text("team") == Some("sales")));
    session.register_program("best", Arc::new(best)).unwrap();
    table(&session, "SELECT best('for support').team").await;
    assert_eq!(fake.count(), 3);
    let look = Tool::new("look", "Looks", vec![Field::text("at")], |_| async { Ok(json!("nothing")) }).unwrap();
    session.register_program("agent", Arc::new(ReAct::new(triage(), Tools::new([look])).unwrap().with_most_steps(2))).unwrap();
    let plan = session.plan("SELECT agent(x).trajectory AS t, agent(x).team AS team FROM (VALUES ('sales')) AS r (x)").await.unwrap();
    assert!(plan.explain().contains("agent(r.x → reasoning, team, urgency, trajectory)"), "{}", plan.explain());

    struct Silent;
    #[async_trait::async_trait]
    impl Module for Silent {
        async fn forward(
            &self,
            _: &corsac_program::Context,
            _: &corsac_program::Record,
        ) -> Result<corsac_program::Prediction, corsac_program::ModuleError> {
            Ok(corsac_program::Prediction::default())
        }
        fn predictors(&self) -> Vec<corsac_program::Named<'_>> {
            Vec::new()
        }
    }
    let error = session.register_program("silent", Arc::new(Silent)).unwrap_err().to_string();
    assert!(error.contains("does not say what it takes and gives") && error.contains("Module::interface"), "{error}");
}

#[tokio::test]
async fn a_module_that_no_file_makes_says_which_can_be() {
    let fake = Arc::new(Fake::new());
    let home = tempfile::tempdir().unwrap();
    let best = BestOfN::new(Arc::new(Predict::new(triage())), 3, 1.0, |_, _| 1.0);
    let file = saved(home.path(), &best);
    let told = refused(&at(home.path(), &fake), &format!("CREATE FUNCTION f FROM '{file}' SIGNATURE 'a -> b'")).await;
    assert!(told.contains("a BestOfN cannot be built from a file") && told.contains("ChainOfThought or a MultiChainComparison"), "{told}");
}

fn system_of(calls: &[Call]) -> String {
    calls[0].system.to_string()
}

#[tokio::test]
async fn built_in_functions_take_what_an_optimizer_found() {
    let home = tempfile::tempdir().unwrap();
    let tuned = Predict::new(Signature::parse("review -> verdict: Literal['good', 'bad']").unwrap().with_instructions("Look at the end."))
        .with_demos([record([("review", "Broke.".into()), ("verdict", "bad".into())])]);
    let file = saved(home.path(), &tuned);
    let of = |call: String| async move {
        let fake = Arc::new(Fake::new());
        table(&session(&fake), &format!("SELECT {call} FROM (VALUES ('a good lamp')) AS r (t)")).await;
        system_of(&fake.asked())
    };
    insta::assert_snapshot!(of(format!("semantic_classify(t, ['good', 'bad'], program => '{file}')")).await, @r#"
    Look at the end.

    The label is one of:
    - good
    - bad
    Answer as JSON.

    Examples:

    Input: Broke.
    Answer: {"label":"bad"}
    "#);
    insta::assert_snapshot!(of(format!("semantic_map('Judge {{{{ t }}}}', t, program => '{file}')")).await, @r"
    Look at the end.

    Examples:

    Input: Judge Broke.
    Answer: bad
    ");
    insta::assert_snapshot!(of(format!("semantic_reduce('What of {{{{ t }}}}?', t, program => '{file}')")).await, @r"
    Look at the end.

    Examples:

    Input: What of 
    [1] Broke.
    ?
    Answer: bad
    ");
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let told = refused(&session, &format!("SELECT semantic_classify(t, ['yes'], program => '{file}') FROM (VALUES ('a')) AS r (t)")).await;
    assert!(told.contains("demo 1 does not fit"), "{told}");
    let told = refused(&session, "SELECT semantic_classify(t, ['yes'], program => 'none.json') FROM (VALUES ('a')) AS r (t)").await;
    assert!(told.contains("the program of semantic_classify: none.json cannot be read"), "{told}");
}

#[tokio::test]
async fn a_program_in_the_form_of_a_chat_is_asked_again_in_the_same_conversation() {
    let fake = Arc::new(Fake::new().rule(|call| {
        let text = if call.input().contains("cannot be used") { "[[ ## a ## ]]\n7\n\n[[ ## completed ## ]]" } else { "seven, I think" };
        Some(answered(json!({"role": "assistant", "content": text})))
    }));
    let session = session(&fake);
    did(&session, "CREATE FUNCTION f AS SIGNATURE 'q -> a: int' ADAPTER chat").await.unwrap();
    assert!(table(&session, "SELECT f('what').a AS a, outcome(f('what')).attempts AS n").await.contains("| 7 | 2 |"));
}
