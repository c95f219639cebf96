//! A stand-in for the model that answers by rule, counts, and can be slow or fail as told; and a session over it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use corsac_dispatch::{Answer, Ask, Call, Contract, Failure, FailureKind, Outcome, Source};
use corsac_frame::{FrameError, OnError, RowLimits, Session, SessionOptions};
use corsac_ledger::{Ledger, RunId, RunStart};
use corsac_schema::Type;
use corsac_wire::Usd;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};

type Rule = dyn Fn(&Call) -> Option<Outcome> + Send + Sync;
type Delay = dyn Fn(&Call) -> Duration + Send + Sync;

/// What the model's stand-in saw and how it behaves.
pub(crate) struct Fake {
    window: usize,
    rule: Box<Rule>,
    delay: Option<Box<Delay>>,
    asked: Mutex<Vec<Call>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake {
            window: 64,
            rule: Box::new(|_| None),
            delay: None,
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }
    }

    pub(crate) fn window(self, window: usize) -> Fake {
        Fake { window, ..self }
    }

    /// What comes of calls the rule knows; the others are answered as usual.
    pub(crate) fn rule(self, rule: impl Fn(&Call) -> Option<Outcome> + Send + Sync + 'static) -> Fake {
        Fake { rule: Box::new(rule), ..self }
    }

    /// Answers take this long under virtual time.
    pub(crate) fn delay(self, delay: impl Fn(&Call) -> Duration + Send + Sync + 'static) -> Fake {
        Fake { delay: Some(Box::new(delay)), ..self }
    }

    pub(crate) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(crate) fn asked(&self) -> Vec<Call> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn users(&self) -> Vec<String> {
        self.asked().into_iter().map(|call| call.user).collect()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Ordering::SeqCst)
    }
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Ask for Fake {
    async fn ask(&self, call: Call) -> Outcome {
        self.asked.lock().unwrap().push(call.clone());
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        let _under_way = UnderWay(&self.under_way);
        if let Some(delay) = &self.delay {
            tokio::time::sleep(delay(&call)).await;
        }
        (self.rule)(&call).unwrap_or_else(|| answered(usual_answer(&call)))
    }

    fn window(&self) -> usize {
        self.window
    }
}

pub(crate) fn answered(value: Value) -> Outcome {
    Ok(Answer {
        value: Arc::new(value),
        model: "fake/model".into(),
        provider: Some("Fake".into()),
        cost: Usd::parse("0.001").unwrap(),
        attempts: 1,
        source: Source::Asked,
        usage: Default::default(),
    })
}

pub(crate) fn failed(kind: FailureKind, message: &str) -> Outcome {
    Err(Failure {
        kind,
        message: message.into(),
        attempts: 2,
        cost: Usd::ZERO,
        model: Some("fake/model".into()),
        provider: None,
        status: None,
    })
}

/// Vectors: the lengths of the first two words. Text: the question in angle brackets. Labels: the first one that stands in the text, else the last. Statements: true
/// unless "not" stands in them.
fn usual_answer(call: &Call) -> Value {
    match &call.contract {
        Contract::Turn(_) => Value::Null,
        Contract::Embedding { .. } => vector_of(&call.user),
        Contract::Text => json!(format!("<{}>", call.user)),
        Contract::Json(schema) => value_of(schema.kind(), &call.user),
        Contract::JsonTurn { schema, .. } => value_of(schema.kind(), &last_message(call)),
    }
}

/// What a program is given: its last message, without the request behind it.
pub(crate) fn last_message(call: &Call) -> String {
    let last: Value = serde_json::from_str(call.input().lines().last().unwrap_or_default()).unwrap_or_default();
    let text = last["content"].as_str().unwrap_or_default();
    text.split("\n\nNow write").next().unwrap_or_default().to_owned()
}

/// The vector of a text: how long its first two words are.
pub(crate) fn vector_of(text: &str) -> Value {
    text.split(' ').take(2).map(|word| json!(word.len() as f64)).collect()
}

/// What is said of a text where JSON of this type is wanted.
pub(crate) fn value_of(kind: &Type, text: &str) -> Value {
    match kind {
        Type::String => json!(text.split(' ').next().unwrap_or_default()),
        Type::Integer => json!(text.len()),
        Type::Number => json!(text.len() as f64 / 2.0),
        Type::Boolean => json!(!text.contains("not")),
        Type::Date => json!("2024-02-29"),
        Type::DateTime => json!("2024-02-29T12:00:00Z"),
        Type::Enum(labels) => json!(labels.iter().find(|label| text.contains(*label)).or(labels.last())),
        Type::List(item) => json!([value_of(item, text)]),
        Type::Struct(fields) => {
            Value::Object(fields.iter().map(|field| (field.name.clone(), value_of(&field.ty, text))).collect::<Map<_, _>>())
        }
        Type::Json => json!({"length": text.len()}),
    }
}

pub(crate) fn run() -> RunId {
    let start = RunStart {
        started_ms: 0,
        command: "test".into(),
        query: String::new(),
        settings: json!({}),
        engine: "fake".into(),
        model: "fake/model".into(),
        pid: 1,
    };
    Ledger::in_memory().unwrap().start_run(start).unwrap()
}

pub(crate) fn session(fake: &Arc<Fake>) -> Session {
    Session::new(Arc::clone(fake) as Arc<dyn Ask>, run(), SessionOptions::default())
}

pub(crate) fn session_with(fake: &Arc<Fake>, on_error: OnError, limits: RowLimits) -> Session {
    Session::new(Arc::clone(fake) as Arc<dyn Ask>, run(), SessionOptions { on_error, limits, ..SessionOptions::default() })
}

/// The numbered texts that most tests ask about: `id` from 0 and `t`, every one different.
pub(crate) fn numbered(rows: usize) -> String {
    format!("(SELECT value AS id, concat('text ', value) AS t FROM generate_series(0, {})) AS r", rows - 1)
}

pub(crate) async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, FrameError> {
    let stream = session.plan(sql).await?.stream().await?;
    stream.try_collect().await.map_err(|error| match error {
        datafusion::common::DataFusionError::External(inner) => match inner.downcast::<FrameError>() {
            Ok(own) => *own,
            Err(other) => FrameError::Execution { message: other.to_string() },
        },
        other => FrameError::Execution { message: other.to_string() },
    })
}

/// The result as a table.
pub(crate) async fn table(session: &Session, sql: &str) -> String {
    let batches = rows(session, sql).await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

pub(crate) fn count_rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// The message a query is refused with; nothing may have been asked.
pub(crate) async fn refused(sql: &str) -> String {
    let fake = Arc::new(Fake::new());
    let error = session(&fake).plan(sql).await.map(|query| query.explain()).unwrap_err();
    assert_eq!(fake.count(), 0);
    error.to_string()
}
