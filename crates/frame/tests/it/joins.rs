//! Joins by meaning: the ways, what they ask, and the rows they give.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use corsac_dispatch::{Ask, Call, Contract, FailureKind, Outcome};
use corsac_frame::{RowLimits, Session, SessionOptions};
use datafusion::datasource::MemTable;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fake::{Fake, answered, failed, refused, rows, run, table};

const DIMENSIONS: usize = 24;

/// Numbers that look like chance, for the vectors of the stand-in.
fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::iter::repeat_with(move || {
        // twelve evenly spread numbers add up to nearly a normal one
        (0..12)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1u64 << 53) as f64
            })
            .sum::<f64>()
            - 6.0
    })
}

fn number_in(text: &str) -> u64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Texts with the same number lie near each other, each a little off in its own direction.
fn vector(text: &str, off: f64) -> Value {
    let own = text.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    noise(number_in(text) + 1).zip(noise(own)).take(DIMENSIONS).map(|(common, own)| json!(common + off * own)).collect()
}

fn is_question(call: &Call) -> bool {
    !matches!(call.contract, Contract::Embedding { .. })
}

/// Says that texts match when their numbers do.
fn judge(call: &Call, off: f64) -> Option<Outcome> {
    if !is_question(call) {
        return Some(answered(vector(&call.user, off)));
    }
    let (left, right) = call.user.split_once(" ~ ")?;
    if is_choice(call) {
        let known = number_in(if left == "[option]" { right } else { left });
        let options = call.system.split_once("Options:\n")?.1.lines().filter_map(|line| line.split_once(": "));
        let matches: Vec<&str> = options.filter(|(_, option)| number_in(option) == known).map(|(number, _)| number).collect();
        return Some(answered(json!({ "matches": matches })));
    }
    Some(answered(json!({"answer": number_in(left) == number_in(right)})))
}

/// Whether values to choose from stand in the question.
fn is_choice(call: &Call) -> bool {
    call.user.contains("[option]")
}

fn choices(fake: &Fake) -> usize {
    fake.asked().iter().filter(|call| is_choice(call)).count()
}

fn matcher() -> Arc<Fake> {
    Arc::new(Fake::new().rule(|call| judge(call, 0.5)))
}

fn questions(fake: &Fake) -> usize {
    fake.asked().iter().filter(|call| is_question(call)).count()
}

fn texts(fake: &Fake) -> usize {
    fake.count() - questions(fake)
}

/// A session with tables `a` and `b` of an id and a text each.
fn session(fake: &Arc<Fake>, left: &[Option<&str>], right: &[Option<&str>]) -> Session {
    session_with(fake, left, right, SessionOptions::default())
}

fn session_with(fake: &Arc<Fake>, left: &[Option<&str>], right: &[Option<&str>], options: SessionOptions) -> Session {
    let session = Session::new(Arc::clone(fake) as Arc<dyn Ask>, run(), options);
    register(&session, left, right);
    session
}

fn register(session: &Session, left: &[Option<&str>], right: &[Option<&str>]) {
    for (name, texts) in [("a", left), ("b", right)] {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..texts.len() as i64));
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let batch = RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("t", texts, true)]).unwrap();
        let provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        session.register_provider(name, Arc::new(provider)).unwrap();
    }
}

fn numbered(side: &str, count: usize) -> Vec<Option<String>> {
    (0..count).map(|number| Some(format!("{side} {number}"))).collect()
}

fn large(fake: &Arc<Fake>, left: usize, right: usize) -> Session {
    let (left, right) = (numbered("left", left), numbered("right", right));
    session(fake, &texts_of(&left), &texts_of(&right))
}

fn texts_of(texts: &[Option<String>]) -> Vec<Option<&str>> {
    texts.iter().map(Option::as_deref).collect()
}

const ON: &str = "semantic_predicate('{{ l }} ~ {{ r }}', l => a.t, r => b.t)";

fn on(told: &str) -> String {
    format!("semantic_predicate('{{{{ l }}}} ~ {{{{ r }}}}', l => a.t, r => b.t, {told})")
}

fn matches(batches: &[RecordBatch]) -> Vec<(i64, i64)> {
    let of = |batch: &RecordBatch| {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values().to_vec();
        column(0).into_iter().zip(column(1)).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

#[tokio::test]
async fn a_join_of_a_thousand_by_a_thousand_asks_about_two_pairs_in_a_hundred_at_most() {
    for seed in [0, 1] {
        let fake = matcher();
        let session = large(&fake, 1_000, 1_000);
        let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {}", on(&format!("recall => 0.95, seed => {seed}")));
        let found = matches(&rows(&session, &sql).await.unwrap());
        assert!(found.iter().all(|(left, right)| left == right));
        assert!(found.len() >= 950, "seed {seed}: {} of 1000 matches found", found.len());
        assert!(questions(&fake) <= 20_000, "seed {seed}: {} of 1000000 pairs asked", questions(&fake));
        assert_eq!(texts(&fake), 2_000);
        eprintln!("seed {seed}: recall {}, asked {}", found.len(), questions(&fake));
    }
}

#[tokio::test]
async fn vectors_that_know_nothing_cost_questions_and_no_matches() {
    for seed in [0, 1] {
        let fake = Arc::new(Fake::new().rule(|call| judge(call, 400.0)));
        let session = large(&fake, 120, 120);
        let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {}", on(&format!("strategy => 'embedding', seed => {seed}")));
        let found = matches(&rows(&session, &sql).await.unwrap());
        assert!(found.len() >= 114, "seed {seed}: {} of 120 matches found", found.len());
        assert!((7_200..=14_400).contains(&questions(&fake)), "seed {seed}: {} of 14400 pairs asked", questions(&fake));
    }
}

/// Each pair of texts that belongs together shares two of its own words, beside those that all of a side share.
#[tokio::test(start_paused = true)]
async fn the_simulators_vectors_find_the_matches_through_the_whole_engine() {
    const ROWS: usize = 200;
    let (voiced, session) = crate::voiced::judged(|user| {
        let (left, right) = user.split_once(" ~ ").unwrap();
        number_in(left) == number_in(right)
    });
    // numbers as words: what a text shares with another is no more than these
    let word = |number: usize| ["ba", "de", "ki", "lo", "mu", "na", "po", "ri", "su", "ta"].map(String::from)[number % 10].clone();
    let words = |number: usize| format!("{}{}{} v{number}x", word(number), word(number / 10), word(number / 100));
    let left: Vec<Option<String>> =
        (0..ROWS).map(|number| Some(format!("The order of {} came late and was broken", words(number)))).collect();
    let right: Vec<Option<String>> =
        (0..ROWS).map(|number| Some(format!("How to send back {} when it is damaged", words(number)))).collect();
    register(&session, &texts_of(&left), &texts_of(&right));
    let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {}", on("strategy => 'embedding'"));
    let found = matches(&rows(&session, &sql).await.unwrap());
    assert!(found.len() >= ROWS * 95 / 100 && found.iter().all(|(one, other)| one == other), "{} found", found.len());
    let pairs = voiced.count() - 2 * ROWS;
    assert!(pairs <= ROWS * ROWS / 10, "{pairs} of {} pairs asked", ROWS * ROWS);
}

#[tokio::test]
async fn a_seed_asks_about_the_same_pairs() {
    let asked = |seed: u64| async move {
        let fake = matcher();
        let session = large(&fake, 60, 60);
        rows(&session, &format!("SELECT a.id, b.id FROM a JOIN b ON {}", on(&format!("strategy => 'embedding', seed => {seed}"))))
            .await
            .unwrap();
        let mut users = fake.users();
        users.sort_unstable();
        users
    };
    let first = asked(7).await;
    assert!(first == asked(7).await && first != asked(8).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However little the vectors tell, however few answers are remembered and whatever fails: a pair is asked about once.
    #[test]
    fn no_pair_is_asked_about_twice(
        (left, right) in (1usize..36, 1usize..36),
        off in prop_oneof![Just(0.0), Just(0.7), Just(3.0), Just(400.0)],
        kind in prop_oneof![Just("JOIN"), Just("LEFT JOIN"), Just("LEFT ANTI JOIN"), Just("RIGHT JOIN")],
        condition in prop_oneof![Just(""), Just(" AND a.id + b.id < 30"), Just(" AND a.id <> b.id")],
        (seed, remembered) in (any::<u16>(), 1usize..6),
        failing in prop_oneof![Just(u64::MAX), 0u64..9],
        dense in 1u64..6,
    ) {
        let fake = Arc::new(Fake::new().rule(move |call| match call.user.split_once(" ~ ") {
            Some((one, other)) if is_question(call) => {
                let (one, other) = (number_in(one), number_in(other));
                Some(if (one + other) % 9 == failing {
                    failed(FailureKind::Refused, "refused")
                } else {
                    answered(json!({"answer": one / dense == other / dense}))
                })
            }
            _ => judge(call, off),
        }));
        let limits = RowLimits { remembered_answers: remembered, ..RowLimits::default() };
        let (left_texts, right_texts) = (numbered("left", left), numbered("right", right));
        let told = on(&format!("strategy => 'embedding', recall => 0.9, seed => {seed}"));
        let columns = if kind.contains("ANTI") { "id" } else { "a.id, b.id" };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let found = runtime.block_on(async {
            let options = SessionOptions { limits, ..SessionOptions::default() };
            let session = session_with(&fake, &texts_of(&left_texts), &texts_of(&right_texts), options);
            rows(&session, &format!("SELECT {columns} FROM a {kind} b ON {told}{condition}")).await.unwrap()
        });
        let mut asked: Vec<String> = fake.asked().into_iter().filter(is_question).map(|call| call.user).collect();
        let count = asked.len();
        asked.sort_unstable();
        asked.dedup();
        prop_assert_eq!(asked.len(), count, "a pair was asked about twice");
        prop_assert!(count <= left * right, "{} of {} pairs", count, left * right);
        if kind == "JOIN" {
            let found = matches(&found);
            let rule = |one: u64, other: u64| one / dense == other / dense && (one + other) % 9 != failing;
            prop_assert!(found.iter().all(|(one, other)| rule(*one as u64, *other as u64)), "only what matches is found");
            // so few pairs are all in the samples
            if left * right <= 40 && condition.is_empty() {
                let all = (0..left as u64).flat_map(|one| (0..right as u64).filter(move |other| rule(one, *other))).count();
                prop_assert_eq!(found.len(), all);
            }
        }
    }
}

#[tokio::test]
async fn a_small_side_is_chosen_from() {
    for (left, right) in [(400, 12), (12, 400)] {
        let fake = matcher();
        let session = large(&fake, left, right);
        let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {ON}");
        let plan = session.plan(&sql).await.unwrap().explain();
        assert!(plan.contains("PairsExec: classify (one side has 12 values, which fit one question)"), "{plan}");
        let found = matches(&rows(&session, &sql).await.unwrap());
        assert_eq!(found, (0..12).map(|number| (number, number)).collect::<Vec<_>>());
        // one choice for each of the 400; the 12 that were chosen are asked about, and a sixth of the others
        assert_eq!((choices(&fake), texts(&fake)), (400, 0));
        let pairs = questions(&fake) - choices(&fake);
        assert!((12 + 750..=12 + 810).contains(&pairs), "{pairs} pairs asked");
    }
}

#[tokio::test]
async fn choices_that_overlook_too_much_give_way_to_all_pairs() {
    // a model that finds nothing when it has to choose
    let fake = Arc::new(Fake::new().rule(|call| match is_choice(call) {
        true => Some(answered(json!({ "matches": [] }))),
        false => judge(call, 0.5),
    }));
    let session = large(&fake, 120, 6);
    let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {}", on("strategy => 'classify'"));
    let found = matches(&rows(&session, &sql).await.unwrap());
    assert_eq!(found, (0..6).map(|number| (number, number)).collect::<Vec<_>>());
    assert_eq!((choices(&fake), questions(&fake) - choices(&fake)), (120, 720));
}

#[tokio::test]
async fn a_choice_without_an_answer_overlooks_nothing() {
    let fake = Arc::new(Fake::new().rule(|call| match is_choice(call) && call.user.contains("left 3 ") {
        true => Some(failed(FailureKind::Refused, "refused")),
        false => judge(call, 0.5),
    }));
    let session = large(&fake, 40, 6);
    let sql = format!("SELECT a.id, a.id AS same FROM a LEFT SEMI JOIN b ON {}", on("strategy => 'classify'"));
    assert_eq!(matches(&rows(&session, &sql).await.unwrap()), (0..6).map(|number| (number, number)).collect::<Vec<_>>());
}

#[tokio::test]
async fn few_pairs_are_all_asked_about_and_nothing_is_embedded() {
    let fake = matcher();
    let session = large(&fake, 5, 4);
    let found = matches(&rows(&session, &format!("SELECT a.id, b.id FROM a JOIN b ON {ON}")).await.unwrap());
    assert_eq!(found, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    assert_eq!((questions(&fake), texts(&fake)), (20, 0));
}

#[tokio::test]
async fn every_way_and_kind_gives_the_rows_of_its_join() {
    let (left, right) = (
        [Some("x 1"), None, Some("x 2"), Some("  "), Some("x 1"), Some("x 9")],
        [Some("y 2"), Some("y 1"), Some(""), Some("z 1"), Some("y 5"), None],
    );
    let kinds = [
        ("a JOIN b", "a.id, b.id"),
        ("a LEFT JOIN b", "a.id, b.id"),
        ("a RIGHT JOIN b", "a.id, b.id"),
        ("a LEFT SEMI JOIN b", "id"),
        ("a LEFT ANTI JOIN b", "id"),
        ("a RIGHT SEMI JOIN b", "id"),
        ("a RIGHT ANTI JOIN b", "id"),
    ];
    for way in ["cross", "embedding", "auto", "classify"] {
        let mut shown = String::new();
        for (kind, columns) in kinds {
            let fake = matcher();
            let session = session(&fake, &left, &right);
            let told = on(&format!("strategy => '{way}', recall => 0.9"));
            let sql = format!("SELECT {columns} FROM {kind} ON {told} ORDER BY 1, 2");
            let sql = if columns == "id" { sql.replace(", 2", "") } else { sql };
            shown += &format!("{kind}\n{}\n", table(&session, &sql).await);
            // three different texts on either side, or four; equal ones are one question
            assert!(questions(&fake) - choices(&fake) <= 12, "{way} {kind}: {}", questions(&fake));
            assert!(way == "classify" || choices(&fake) == 0, "{way} {kind}");
            assert_eq!(texts(&fake), if way == "embedding" { 7 } else { 0 }, "{way} {kind}");
        }
        insta::assert_snapshot!("every_kind", shown);
    }
}

#[tokio::test]
async fn other_conditions_are_worked_out_without_a_question() {
    let fake = matcher();
    let session = large(&fake, 30, 30);
    let found = |sql: String| {
        let session = &session;
        async move { matches(&rows(session, &sql).await.unwrap()) }
    };
    let pairs = found(format!("SELECT a.id, b.id FROM a JOIN b ON a.id < 3 AND {ON} WHERE b.id > 1 AND b.id < 6")).await;
    assert_eq!((pairs, questions(&fake)), (vec![(2, 2)], 3 * 4));
    let mixed = found(format!("SELECT a.id, b.id FROM a JOIN b ON a.id + b.id < 3 AND {ON}")).await;
    assert_eq!((mixed, questions(&fake)), (vec![(0, 0), (1, 1)], 12 + 6));
    let embedded = texts(&fake);
    // an equality leaves one pair for each row: nothing has to be embedded to choose among them
    let equal = found(format!("SELECT a.id, b.id FROM a JOIN b ON a.id = b.id AND {ON} WHERE a.id >= 10")).await;
    assert_eq!((equal.len(), questions(&fake), texts(&fake)), (20, 12 + 6 + 20, embedded));
    let kept = rows(&session, &format!("SELECT a.id FROM a LEFT JOIN b ON b.id = 4 AND a.id > 27 AND {ON}")).await.unwrap();
    assert_eq!((kept.iter().map(RecordBatch::num_rows).sum::<usize>(), questions(&fake)), (30, 38 + 2));
}

#[tokio::test]
async fn a_limit_stops_the_questions() {
    let fake = matcher();
    let session = large(&fake, 200, 200);
    let sql = format!("SELECT a.id, b.id FROM a JOIN b ON {} LIMIT 2", on("strategy => 'embedding'"));
    assert_eq!(rows(&session, &sql).await.unwrap().iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let first = questions(&fake);
    let all = matcher();
    rows(&large(&all, 200, 200), &sql.replace("LIMIT 2", "")).await.unwrap();
    assert!(first < questions(&all), "{first} of {}", questions(&all));

    let fake = matcher();
    let session = large(&fake, 200, 200);
    let sql = format!("SELECT a.id, b.id FROM a LEFT JOIN b ON {} LIMIT 2", on("strategy => 'cross'"));
    rows(&session, &sql).await.unwrap();
    assert!(questions(&fake) <= 1_000, "{}", questions(&fake));
}

#[tokio::test]
async fn inputs_can_be_calls_themselves() {
    let fake = Arc::new(Fake::new().rule(|call| match &call.contract {
        Contract::Text => Some(answered(json!(call.user.replace("Say ", "said ")))),
        _ => judge(call, 0.5),
    }));
    let session = large(&fake, 3, 3);
    let sql = "SELECT a.id, b.id FROM a JOIN b ON semantic_predicate('{{ l }} ~ {{ r }}', l => semantic_map('Say {{ t }}', a.t), r => b.t)";
    assert_eq!(matches(&rows(&session, sql).await.unwrap()), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(fake.count(), 3 + 9);
}

#[tokio::test]
async fn plans_say_which_way_is_taken_and_why() {
    let fake = matcher();
    let session = large(&fake, 1_000, 1_000);
    let plan = |sql: String| {
        let session = &session;
        async move { session.plan(&sql).await.unwrap().explain() }
    };
    let sql = format!("SELECT a.id, b.t FROM a JOIN b ON {ON} WHERE a.id > 10 LIMIT 5");
    insta::assert_snapshot!("plan_embedding", plan(sql).await);
    let sql = format!("SELECT a.id FROM a LEFT ANTI JOIN b ON {} AND a.id < b.id", on("strategy => 'cross'"));
    insta::assert_snapshot!("plan_anti", plan(sql).await);
    assert_eq!(fake.count(), 0);
    let estimates = session.plan(&format!("SELECT a.id FROM a JOIN b ON {ON}")).await.unwrap().estimate().await.unwrap();
    let sizes: Vec<_> = estimates.iter().map(|one| (one.operator.clone(), one.rows.map(|rows| rows.count))).collect();
    let named = |name: &str, count: usize| (name.to_owned(), Some(count));
    assert_eq!(sizes, [named("semantic_embed", 1_000), named("semantic_embed", 1_000), named("semantic_predicate", 13_750)]);
}

#[tokio::test]
async fn what_cannot_be_joined_is_told() {
    let of = |told: &str| {
        let sides = "(VALUES ('x')) AS a (t) JOIN (VALUES ('y')) AS b (t)";
        refused_owned(format!("SELECT 1 FROM {sides} ON {}", on(told)))
    };
    assert!(of("strategy => 'guess'").await.contains("strategy of a semantic join must be 'auto', 'cross', 'embedding' or 'classify'"));
    assert!(of("recall => 2").await.contains("recall of a semantic join must be a number above 0 and up to 1"));
    assert!(of("sedd => 2").await.contains("sedd"));
    let full = "SELECT 1 FROM (VALUES ('x')) AS a (t) FULL JOIN (VALUES ('y')) AS b (t) ON semantic_predicate('{{ l }} ~ {{ r }}', l => a.t, r => b.t)";
    assert!(refused(full).await.contains("FULL JOIN cannot ask about both sides"), "{}", refused(full).await);
}

async fn refused_owned(sql: String) -> String {
    refused(&sql).await
}
