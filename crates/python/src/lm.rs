//! One question to a model in the shape of a chat completion, for clients that speak it: in go a conversation, functions
//! and settings, out comes the message with its tokens, its true cost and who gave it.

use std::sync::Arc;

use corsac_dispatch::config::{Profile, seconds};
use corsac_dispatch::{Answer, Ask, Call, CallSettings, Contract, Opened, Origin, Outcome, Source, StreamItem, Turn};
use corsac_schema::Schema;
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::BoxStream;
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::engine::PyEngine;
use crate::errors::{configuration, of_failure};
use crate::runtime;

/// A question as Python writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Question {
    messages: Vec<Value>,
    tools: Vec<Value>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
    /// A model in place of the engine's own, by id or alias.
    model: Option<String>,
    profile: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    /// The most seconds it may take over all attempts.
    timeout: Option<f64>,
    /// Everything else, in the form of a profile.
    said: Value,
    operator: Option<String>,
    sample: u32,
    fresh: bool,
}

/// A question that can be asked.
struct Ready {
    contract: Contract,
    settings: CallSettings,
    operator: Arc<str>,
}

impl Question {
    fn ready(self) -> Result<Ready, String> {
        let mut said = Profile::from_json(&self.said)?;
        let contract = match schema_of(self.response_format.as_ref(), &self.tools) {
            Form::Json(schema) => Contract::JsonTurn { turn: Arc::new(Turn::new(&self.messages)), schema },
            Form::Message(format) => {
                if let Some(format) = format {
                    said.extra_body.insert("response_format".to_owned(), format);
                }
                Contract::Turn(Arc::new(Turn::with_tools(&self.messages, &self.tools, self.tool_choice)))
            }
        };
        let settings = CallSettings {
            model: self.model,
            profile: self.profile,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            timeout: self.timeout.map(seconds).transpose().map_err(|error| error.to_string())?,
            sample: self.sample,
            fresh: self.fresh,
            said: (said != Profile::default()).then(|| Arc::new(said)),
        };
        Ok(Ready { contract, settings, operator: self.operator.as_deref().unwrap_or("chat").into() })
    }
}

/// What the answer is held to.
enum Form {
    /// JSON that satisfies a schema: the engine finds a way to get it from whoever is asked.
    Json(Schema),
    /// The next message, whatever it is, asked for with a format as it stands.
    Message(Option<Value>),
}

/// A schema is the engine's business; one that it does not read goes on as it is. With functions to call, the next message may
/// be a call, which no schema describes.
fn schema_of(format: Option<&Value>, tools: &[Value]) -> Form {
    let Some(format) = format.filter(|_| tools.is_empty()) else { return Form::Message(None) };
    let schema = match format.get("type").and_then(Value::as_str) {
        Some("json_object") => Schema::from_json(json!({"type": "object"})).ok(),
        Some("json_schema") => format.pointer("/json_schema/schema").and_then(|schema| Schema::from_json(schema.clone()).ok()),
        _ => None,
    };
    schema.map_or_else(|| Form::Message(Some(format.clone())), Form::Json)
}

fn call_of(engine: &PyEngine, opened: &Opened, ready: Ready) -> Call {
    Call {
        origin: Origin { run: opened.run.clone(), operator: ready.operator, row: engine.core.next_row() },
        system: "".into(),
        user: String::new(),
        contract: ready.contract,
        settings: Arc::new(ready.settings),
    }
}

fn read(question: &str) -> PyResult<Ready> {
    let question: Question = serde_json::from_str(question).map_err(|error| configuration(format!("the question: {error}")))?;
    question.ready().map_err(configuration)
}

async fn asked(engine: PyEngine, ready: Ready) -> PyResult<String> {
    let opened = engine.core.opened().await?;
    let call = call_of(&engine, &opened, ready);
    let is_turn = matches!(call.contract, Contract::Turn(_));
    let outcome = Arc::clone(&opened.dispatcher).ask_to_the_end(call).await;
    completion(&outcome, is_turn, &opened)
}

/// Asks, and waits for the whole answer: a chat completion as JSON.
#[pyfunction]
pub(crate) fn ask_chat(py: Python<'_>, engine: &PyEngine, question: &str) -> PyResult<String> {
    let ready = read(question)?;
    runtime::wait(py, asked(engine.clone(), ready))?
}

/// The same as an awaitable.
#[pyfunction]
pub(crate) fn ask_chat_async<'py>(py: Python<'py>, engine: &PyEngine, question: &str) -> PyResult<Bound<'py, PyAny>> {
    let ready = read(question)?;
    runtime::awaitable(py, asked(engine.clone(), ready))
}

/// Asks all of them at once, and waits for all answers in their order: each a chat completion as JSON, or the exception that
/// asking it alone would have raised.
#[pyfunction]
pub(crate) fn ask_chats(py: Python<'_>, engine: &PyEngine, questions: Vec<String>) -> PyResult<Vec<Py<PyAny>>> {
    let ready = questions.iter().map(|question| read(question)).collect::<PyResult<Vec<Ready>>>()?;
    let all = join_all(ready.into_iter().map(|ready| asked(engine.clone(), ready)));
    runtime::wait(py, all)?.into_iter().map(|outcome| told(py, outcome)).collect()
}

/// The same as an awaitable.
#[pyfunction]
pub(crate) fn ask_chats_async<'py>(py: Python<'py>, engine: &PyEngine, questions: Vec<String>) -> PyResult<Bound<'py, PyAny>> {
    let ready = questions.iter().map(|question| read(question)).collect::<PyResult<Vec<Ready>>>()?;
    let all = join_all(ready.into_iter().map(|ready| asked(engine.clone(), ready)));
    runtime::awaitable(py, async move {
        let outcomes = all.await;
        Python::attach(|py| outcomes.into_iter().map(|outcome| told(py, outcome)).collect::<PyResult<Vec<Py<PyAny>>>>())
    })
}

fn told(py: Python<'_>, outcome: PyResult<String>) -> PyResult<Py<PyAny>> {
    Ok(match outcome {
        Ok(completion) => completion.into_pyobject(py)?.into_any().unbind(),
        Err(error) => error.into_value(py).into_any(),
    })
}

/// Whether functions can be offered to a model, or to the engine's own: what the catalog says of who serves it. An engine that
/// cannot be opened says so with the first question.
#[pyfunction]
#[pyo3(signature = (engine, model = None))]
pub(crate) fn takes_tools(py: Python<'_>, engine: &PyEngine, model: Option<String>) -> PyResult<bool> {
    let engine = engine.clone();
    runtime::wait(py, async move {
        match engine.core.opened().await {
            Ok(opened) => opened.dispatcher.takes_tools(&CallSettings { model, ..CallSettings::default() }).await,
            Err(_) => true,
        }
    })
}

/// Asks, and gives the answer as it comes.
#[pyfunction]
pub(crate) fn stream_chat(engine: &PyEngine, question: &str) -> PyResult<Pieces> {
    let ready = read(question)?;
    Ok(Pieces { state: Arc::new(Mutex::new(State::Unasked(Box::new((engine.clone(), ready))))) })
}

/// A chat completion out of an outcome.
fn completion(outcome: &Outcome, is_turn: bool, opened: &Opened) -> PyResult<String> {
    let answer = outcome.as_ref().map_err(of_failure)?;
    let message = match (is_turn, answer.value.as_ref()) {
        (true, message) => message.clone(),
        (false, Value::String(text)) => json!({"role": "assistant", "content": text}),
        (false, value) => json!({"role": "assistant", "content": value.to_string()}),
    };
    let called = message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
    let source = match answer.source {
        Source::Asked => "asked",
        Source::Memory => "memory",
        Source::Shared => "shared",
    };
    let completion = json!({
        "object": "chat.completion",
        "model": answer.model,
        "provider": answer.provider,
        "choices": [{"index": 0, "finish_reason": if called { "tool_calls" } else { "stop" }, "message": message}],
        "usage": usage(answer),
        "corsac": {"source": source, "attempts": answer.attempts, "run": opened.run.as_str()},
    });
    Ok(completion.to_string())
}

/// Tokens and dollars; of an answer that cost nothing now, only that.
fn usage(answer: &Answer) -> Value {
    let mut told = Map::new();
    if answer.source == Source::Asked {
        let usage = &answer.usage;
        told.insert("prompt_tokens".to_owned(), usage.prompt_tokens.into());
        told.insert("completion_tokens".to_owned(), usage.completion_tokens.into());
        told.insert("total_tokens".to_owned(), (usage.prompt_tokens + usage.completion_tokens).into());
        let prompt = json!({"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens});
        told.insert("prompt_tokens_details".to_owned(), prompt);
        told.insert("completion_tokens_details".to_owned(), json!({"reasoning_tokens": usage.reasoning_tokens}));
    }
    told.insert("cost".to_owned(), json!(answer.cost.as_f64()));
    Value::Object(told)
}

/// A piece of an answer for Python: `("text", text)`, `("reasoning", text)`, `("tool", index, id, name, arguments)`,
/// `("end", completion)`.
type Piece = Py<PyAny>;

enum State {
    Unasked(Box<(PyEngine, Ready)>),
    Coming { pieces: BoxStream<'static, StreamItem>, opened: Opened, is_turn: bool, told: bool },
    Over,
}

/// An answer that comes piece by piece, as an iterator and as an asynchronous one. The last piece is the whole answer.
#[pyclass(frozen, module = "corsac._corsac")]
pub(crate) struct Pieces {
    state: Arc<Mutex<State>>,
}

/// What Python is given next.
enum Next {
    Text(String),
    Reasoning(String),
    Tool(usize, Option<String>, Option<String>, String),
    End(String),
}

impl Next {
    fn into_python(self, py: Python<'_>) -> PyResult<Piece> {
        Ok(match self {
            Next::Text(text) => ("text", text).into_pyobject(py)?.into_any().unbind(),
            Next::Reasoning(text) => ("reasoning", text).into_pyobject(py)?.into_any().unbind(),
            Next::Tool(index, id, name, arguments) => ("tool", index, id, name, arguments).into_pyobject(py)?.into_any().unbind(),
            Next::End(completion) => ("end", completion).into_pyobject(py)?.into_any().unbind(),
        })
    }
}

async fn next(state: Arc<Mutex<State>>) -> PyResult<Option<Next>> {
    let mut state = state.lock().await;
    if let State::Unasked(_) = *state {
        let State::Unasked(asking) = std::mem::replace(&mut *state, State::Over) else { return Ok(None) };
        let (engine, ready) = *asking;
        let opened = engine.core.opened().await?;
        let call = call_of(&engine, &opened, ready);
        let is_turn = matches!(call.contract, Contract::Turn(_));
        let pieces = opened.dispatcher.stream(call).boxed();
        *state = State::Coming { pieces, opened, is_turn, told: false };
    }
    let State::Coming { pieces, opened, is_turn, told } = &mut *state else { return Ok(None) };
    let Some(item) = pieces.next().await else { return Ok(None) };
    Ok(Some(match item {
        StreamItem::Reasoning(text) => Next::Reasoning(text),
        StreamItem::Text(text) => {
            *told = true;
            Next::Text(text)
        }
        // structure that is asked for as a function call is the answer's text all the same
        StreamItem::ToolCall { arguments, .. } if !*is_turn => {
            *told = true;
            Next::Text(arguments)
        }
        StreamItem::ToolCall { call, id, name, arguments } => {
            *told = true;
            Next::Tool(call, id, name, arguments)
        }
        StreamItem::End(outcome) => {
            let end = completion(&outcome, *is_turn, opened);
            *state = State::Over;
            Next::End(end?)
        }
    }))
}

#[pymethods]
impl Pieces {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Piece>> {
        let piece = runtime::wait(py, next(Arc::clone(&self.state)))??;
        piece.map(|piece| piece.into_python(py)).transpose()
    }

    fn __aiter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = Arc::clone(&self.state);
        runtime::awaitable(py, async move {
            match next(state).await? {
                Some(piece) => Python::attach(|py| piece.into_python(py)),
                None => Err(pyo3::exceptions::PyStopAsyncIteration::new_err(())),
            }
        })
    }
}
