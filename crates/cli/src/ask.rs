//! `corsac ask`: one question, its answer as it comes.

use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;

use corsac_dispatch::{Call, CallSettings, Contract, Dispatcher, Origin, Outcome, StreamItem};
use corsac_schema::Schema;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::args::Ask;
use crate::exit::{Exit, Stop, of_kind};
use crate::screen;
use crate::work::Work;

pub(crate) async fn run(arguments: Ask) -> Result<Exit, Stop> {
    let question = question(&arguments)?;
    let contract = contract(arguments.schema.as_deref())?;
    let work = Work::begin(&arguments.asking, "ask", &question, arguments.quiet || arguments.json).await?;
    let (run, dispatcher) = (work.run.clone(), Arc::clone(&work.engine.dispatcher));
    let call = Call {
        origin: Origin { run: run.clone(), operator: "ask".into(), row: 0 },
        system: arguments.system.clone().unwrap_or_default().into(),
        user: question,
        contract,
        settings: Arc::new(CallSettings {
            temperature: arguments.temperature,
            max_tokens: arguments.max_tokens,
            ..CallSettings::default()
        }),
    };
    let outcome = if arguments.json || matches!(call.contract, Contract::Json(_)) {
        Arc::clone(&dispatcher).ask_to_the_end(call).await
    } else {
        aloud(&dispatcher, call).await
    };
    let took = work.took();
    let exit = outcome.as_ref().err().map_or(Exit::Done, |failure| of_kind(failure.kind));
    work.end(exit, u64::from(outcome.is_ok()), outcome.as_ref().err().map(|failure| failure.message.to_string())).await?;
    let answer = outcome.map_err(|failure| Stop::new(exit, failure.message.to_string()))?;
    if arguments.json {
        let summary = dispatcher.tally().summary();
        screen::result(
            &json!({
                "answer": *answer.value,
                "model": answer.model,
                "provider": answer.provider,
                "cost": answer.cost.to_string().trim_start_matches('$'),
                "attempts": answer.attempts,
                "from_memory": answer.attempts == 0,
                "usage": {"prompt_tokens": summary.usage.prompt_tokens, "completion_tokens": summary.usage.completion_tokens},
                "run": run.as_str(),
            })
            .to_string(),
        );
    } else if !matches!(*answer.value, Value::String(_)) {
        screen::result(&serde_json::to_string_pretty(&*answer.value).unwrap_or_else(|_| answer.value.to_string()));
    }
    if !arguments.quiet && !arguments.json {
        let by = answer.provider.as_ref().map_or(String::new(), |provider| format!(" by {provider}"));
        let how = if answer.attempts == 0 { "from memory (--fresh asks anew)".to_owned() } else { format!("{} requests", answer.attempts) };
        let how = if answer.attempts == 1 { "1 request".to_owned() } else { how };
        screen::note(&format!("{}{by}  {how}  {}  {:.1} s  run {run}", answer.model, answer.cost, took.as_secs_f64()));
    }
    Ok(Exit::Done)
}

/// Prints the answer as it comes.
async fn aloud(dispatcher: &Arc<Dispatcher>, call: Call) -> Outcome {
    let mut pieces = Box::pin(dispatcher.stream(call));
    let mut out = std::io::stdout();
    let mut thinks = false;
    while let Some(item) = pieces.next().await {
        match item {
            StreamItem::Text(text) => {
                if std::mem::take(&mut thinks) {
                    screen::clear();
                }
                // a reader that went away is no error of ours
                let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            }
            StreamItem::Reasoning(_) if screen::is_watched() && !thinks => {
                thinks = true;
                screen::redraw("thinking …");
            }
            StreamItem::Reasoning(_) | StreamItem::ToolCall { .. } => {}
            StreamItem::End(outcome) => {
                if thinks {
                    screen::clear();
                }
                if outcome.is_ok() {
                    let _ = out.write_all(b"\n").and_then(|()| out.flush());
                }
                return outcome;
            }
        }
    }
    Err(corsac_dispatch::Failure::interrupted())
}

fn question(arguments: &Ask) -> Result<String, Stop> {
    let given = arguments.question.join(" ");
    let piped = given.trim() == "-" || (given.trim().is_empty() && !std::io::stdin().is_terminal());
    let text = if piped {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        given
    };
    if text.trim().is_empty() {
        return Err(Stop::new(Exit::Usage, "the question is empty: corsac ask \"What is a corsac?\", or pipe it in"));
    }
    Ok(text.trim().to_owned())
}

/// A schema in the short form, as JSON Schema, or in a file.
fn contract(schema: Option<&str>) -> Result<Contract, Stop> {
    let Some(given) = schema else { return Ok(Contract::Text) };
    let text = match std::fs::read_to_string(given) {
        Ok(text) => text,
        Err(error) if given.ends_with(".json") => {
            return Err(Stop::new(Exit::Usage, format!("the schema {given} cannot be read: {error}")));
        }
        Err(_) => given.to_owned(),
    };
    let schema = Schema::from_text(&text).map_err(|error| Stop::new(Exit::Usage, format!("--schema: {error}")))?;
    Ok(Contract::Json(schema))
}
