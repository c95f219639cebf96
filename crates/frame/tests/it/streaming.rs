//! The operator at work: order, concurrency, memory, and the end of asking.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use corsac_frame::{OnError, RowLimits};
use futures::StreamExt;

use crate::fake::{Fake, count_rows, numbered, rows, session, session_with};

fn some_delay(text: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Duration::from_millis(hasher.finish() % 500)
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test(start_paused = true)]
async fn rows_leave_in_order_whatever_their_answers_take() {
    let fake = Arc::new(Fake::new().delay(|call| some_delay(&call.user)));
    let sql = format!("SELECT id, semantic_map('Say {{{{ t }}}}', t) AS said FROM {}", numbered(5_000));
    let batches = rows(&session(&fake), &sql).await.unwrap();
    assert_eq!(ids(&batches), (0..5_000).collect::<Vec<_>>());
    for batch in &batches {
        for (id, said) in batch.column(0).as_primitive::<Int64Type>().values().iter().zip(batch.column(1).as_string::<i32>()) {
            assert_eq!(said, Some(format!("<Say text {id}>").as_str()));
        }
    }
    assert_eq!(fake.most_under_way(), 64);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_filled_over_batch_borders() {
    let fake = Arc::new(Fake::new().window(2_000).delay(|_| Duration::from_secs(1)));
    let before = tokio::time::Instant::now();
    let sql = format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(2_000));
    let batches = rows(&session(&fake), &sql).await.unwrap();
    assert_eq!((count_rows(&batches), fake.most_under_way()), (2_000, 2_000));
    assert_eq!(before.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_row_run_at_the_same_time() {
    let fake = Arc::new(Fake::new().delay(|_| Duration::from_secs(1)));
    let before = tokio::time::Instant::now();
    let sql =
        "SELECT semantic_map('a {{ x }}', x), semantic_map('b {{ x }}', x), semantic_classify(x, ['p', 'q']) FROM (VALUES ('v')) AS t (x)";
    rows(&session(&fake), sql).await.unwrap();
    assert_eq!((before.elapsed(), fake.count()), (Duration::from_secs(1), 3));
}

#[tokio::test(start_paused = true)]
async fn the_first_rows_do_not_wait_for_a_full_batch() {
    let fake = Arc::new(Fake::new().window(4).delay(|_| Duration::from_secs(1)));
    let sql = format!("SELECT id, semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(1_000));
    let mut stream = session(&fake).plan(&sql).await.unwrap().stream().await.unwrap();
    let before = tokio::time::Instant::now();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(1));
    assert!(first.num_rows() >= 1);
    let mut batches = 1;
    while let Some(batch) = stream.next().await {
        batch.unwrap();
        batches += 1;
    }
    assert!(batches < 60, "{batches} batches for 1000 rows");
}

#[tokio::test(start_paused = true)]
async fn a_semantic_filter_does_not_hold_back_what_passed() {
    let fake = Arc::new(Fake::new().window(4).delay(|_| Duration::from_secs(1)));
    let sql = format!("SELECT id FROM {} WHERE semantic_predicate('Is {{{{ t }}}} fine?', t)", numbered(1_000));
    let mut stream = session(&fake).plan(&sql).await.unwrap().stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(fake.count() <= 12, "{} calls before the first row", fake.count());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_asks_nothing_more() {
    let fake = Arc::new(Fake::new().window(16).delay(|_| Duration::from_secs(1)));
    let session = session(&fake);
    let sql = format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {}", numbered(1_000));
    let mut stream = session.plan(&sql).await.unwrap().stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    let asked = fake.count();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count(), asked);
    assert!(asked <= 48, "{asked}");
    assert_eq!(session.progress().in_flight(), 0);
}

#[tokio::test]
async fn repeated_texts_are_asked_once_and_rows_held_stay_few() {
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let sql = "SELECT value, semantic_classify(concat('text ', value % 1000), ['1', 'other']) AS c FROM generate_series(0, 199999)";
    let mut stream = session.plan(sql).await.unwrap().stream().await.unwrap();
    let progress = session.progress();
    let (mut rows, mut most_held) = (0, 0);
    while let Some(batch) = stream.next().await {
        rows += batch.unwrap().num_rows();
        most_held = most_held.max(progress.rows_in() - progress.rows_done());
    }
    assert_eq!((rows, fake.count()), (200_000, 1_000));
    assert!(most_held <= 16_384, "{most_held} rows held");
    assert_eq!((progress.rows_in(), progress.rows_done(), progress.calls_finished()), (200_000, 200_000, 1_000));
}

#[tokio::test(start_paused = true)]
async fn slow_answers_do_not_let_rows_pile_up() {
    let fake = Arc::new(Fake::new().window(8).delay(|_| Duration::from_secs(1)));
    let limits = RowLimits { held_rows: 1_000, ..RowLimits::default() };
    let session = session_with(&fake, OnError::Null, limits);
    // many rows wait for few answers, and one slow row holds the others back
    let sql = "SELECT semantic_classify(concat('text ', value % 10), ['a', 'b']) FROM generate_series(0, 99999)";
    let stream = session.plan(sql).await.unwrap().stream().await.unwrap();
    let progress = session.progress();
    let batches: Vec<_> = stream.inspect(|_| assert!(progress.rows_in() - progress.rows_done() <= 1_000 + 8_192)).collect().await;
    assert_eq!(batches.len(), batches.iter().filter(|batch| batch.is_ok()).count());
    assert_eq!(fake.count(), 10);
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again_and_nothing_else() {
    let fake = Arc::new(Fake::new());
    let limits = RowLimits { remembered_answers: 4, ..RowLimits::default() };
    let session = session_with(&fake, OnError::Null, limits);
    let sql = "SELECT semantic_classify(concat('text ', value), ['a', 'b']) FROM generate_series(0, 99)";
    rows(&session, &format!("{sql} UNION ALL {sql}")).await.unwrap();
    assert!(fake.count() >= 100, "{}", fake.count());
}

#[tokio::test]
async fn every_type_of_text_and_template_input_is_accepted() {
    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::datatypes::{DataType, Field, Int32Type};
    let fake = Arc::new(Fake::new());
    let session = session(&fake);
    let name: ArrayRef = Arc::new(StringArray::from(vec!["lamp"]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("plain", Arc::new(StringArray::from(vec!["p"]))),
        ("large", Arc::new(LargeStringArray::from(vec!["l"]))),
        ("view", Arc::new(StringViewArray::from(vec!["v"]))),
        ("dictionary", Arc::new(vec![Some("d")].into_iter().collect::<DictionaryArray<Int32Type>>())),
        ("number", Arc::new(Int64Array::from(vec![7]))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), Some(2)])]))),
        ("item", Arc::new(StructArray::from(vec![(Arc::new(Field::new("name", DataType::Utf8, true)), name)]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let memory = datafusion::datasource::MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    session.register_provider("t", Arc::new(memory)).unwrap();
    for column in ["plain", "large", "view", "dictionary", "number"] {
        rows(&session, &format!("SELECT semantic_classify({column}, ['x', 'y']) FROM t")).await.unwrap();
    }
    rows(&session, "SELECT semantic_map('{{ list[1] }} of {{ item.name }}: {% for x in list %}{{ x }};{% endfor %}{{ number + 1 }}', list, item, number) FROM t").await.unwrap();
    assert_eq!(fake.users(), ["p", "l", "v", "d", "7", "2 of lamp: 1;2;8"]);
}

#[tokio::test]
async fn calls_carry_their_origin() {
    let fake = Arc::new(Fake::new().window(1));
    rows(&session(&fake), &format!("SELECT semantic_map('Say {{{{ t }}}}', t) FROM {} WHERE id > 1", numbered(4))).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.iter().map(|call| call.origin.row).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(asked[0].origin.operator.as_ref(), "semantic_map");
    assert!(Arc::ptr_eq(&asked[0].system, &asked[1].system));
}
