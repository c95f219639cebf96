//! Several conditions that ask: in which order, why, and how often.

use std::sync::Arc;

use corsac_dispatch::{Ask, Call, CallSettings, Outcome, Share};
use corsac_frame::{Session, SessionOptions};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;

use crate::fake::{Fake, rows, run, session};

/// A stand-in that knows what models cost, and how earlier questions ended.
#[derive(Debug)]
struct Knowing {
    fake: Arc<Fake>,
}

#[async_trait::async_trait]
impl Ask for Knowing {
    async fn ask(&self, call: Call) -> Outcome {
        self.fake.ask(call).await
    }

    fn window(&self) -> usize {
        64
    }

    fn pricing(&self, settings: &CallSettings, _vectors: bool) -> Option<Pricing> {
        let dollars = if settings.model.as_deref() == Some("dear/model") { "0.00001" } else { "0.0000001" };
        let price = Usd::parse(dollars).ok();
        Some(Pricing { prompt: price, completion: price, ..Pricing::default() })
    }

    fn earlier_truths(&self, _operator: &str, words: &[String]) -> Option<Share> {
        words.first().is_some_and(|word| word.starts_with("Hardly any")).then_some(Share { of: 200, part: 4 })
    }
}

const T: &str = "(VALUES (1, 'a tiny text', 'b'), (2, 'a not so tiny text', 'b'), (3, 'c', 'not b')) AS r (id, text, other)";

fn knowing() -> (Arc<Fake>, Session) {
    let fake = Arc::new(Fake::new());
    let session = Session::new(Arc::new(Knowing { fake: Arc::clone(&fake) }), run(), SessionOptions::default());
    (fake, session)
}

async fn explained(session: &Session, sql: &str) -> String {
    session.plan(&sql.replace("$t", T)).await.unwrap().explain()
}

#[tokio::test]
async fn without_prices_tokens_decide_and_the_plan_says_so() {
    let session = session(&Arc::new(Fake::new()));
    let long = "word ".repeat(60);
    let sql = format!(
        "SELECT id FROM $t WHERE semantic_predicate('{long} {{{{ text }}}} good?', text) AND id > 1 AND semantic_predicate('Is {{{{ other }}}} bad?', other)"
    );
    insta::assert_snapshot!(explained(&session, &sql).await);
}

#[tokio::test]
async fn what_leaves_out_nearly_all_comes_first_and_what_is_dear_last() {
    let (fake, session) = knowing();
    let sql = "SELECT id FROM $t WHERE semantic_predicate('Is {{ text }} good?', text, model => 'dear/model') \
               AND semantic_predicate('Is {{ other }} bad?', other) \
               AND semantic_predicate('Hardly any rows are like this one, with many words: {{ text }}', text)";
    insta::assert_snapshot!(explained(&session, sql).await);
    assert_eq!(fake.count(), 0);
    rows(&session, &sql.replace("$t", T)).await.unwrap();
    let models: Vec<bool> = fake.asked().iter().map(|call| call.settings.model.is_some()).collect();
    // three are asked the first, those two that pass the second, and only the one left is asked of the dear model
    let (first_dear, asked) = (models.iter().position(|dear| *dear).unwrap(), models.len());
    assert_eq!((first_dear, asked), (3 + 2, 3 + 2 + 1), "{:?}", fake.users());
}

#[tokio::test]
async fn conditions_of_nested_queries_and_views_are_put_in_order_together() {
    let (fake, session) = knowing();
    let sql = "SELECT id, said FROM (SELECT id, text AS body, other, semantic_map('Say {{ text }}', text) AS said FROM $t \
               WHERE semantic_predicate('Is {{ text }} good?', text, model => 'dear/model')) AS inner_rows \
               WHERE semantic_predicate('Is {{ body }} bad?', body) ORDER BY id";
    insta::assert_snapshot!(explained(&session, sql).await);
    let found = rows(&session, &sql.replace("$t", T)).await.unwrap();
    assert_eq!(found.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 2);
    // the cheap one for all, the dear one and the map for those that passed
    assert_eq!(fake.count(), 3 + 2 + 2, "{:?}", fake.users());
}

#[tokio::test]
async fn rows_are_left_out_before_pairs_are_asked_about() {
    let (fake, session) = knowing();
    let sql = "SELECT r.id, s.w FROM $t JOIN (VALUES ('x'), ('not y')) AS s (w) \
               ON semantic_predicate('{{ l }} and {{ w }}', l => r.text, w => s.w, strategy => 'cross') AND semantic_predicate('Is {{ w }} odd?', s.w) \
               WHERE semantic_predicate('Is {{ other }} bad?', r.other)";
    insta::assert_snapshot!(explained(&session, sql).await);
    rows(&session, &sql.replace("$t", T)).await.unwrap();
    // 2 different texts and 2 of the other side, and then one pair for each of the two rows that are left
    assert_eq!(fake.count(), 2 + 2 + 2, "{:?}", fake.users());
    // above other joins fewer rows are left to ask about
    let sql = "SELECT r.id FROM $t JOIN (VALUES (3)) AS s (id) ON r.id = s.id WHERE semantic_predicate('Is {{ text }} odd?', r.text)";
    let before = fake.count();
    rows(&session, &sql.replace("$t", T)).await.unwrap();
    assert_eq!(fake.count() - before, 1);
}
