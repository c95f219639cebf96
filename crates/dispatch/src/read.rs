//! From a reply to an answer or a fault. HTTP 200 proves nothing: errors, empty answers, cut answers and answers that
//! do not satisfy the schema all come with it.

use std::sync::Arc;

use corsac_policy::{Fault, FaultClass, Strategy};
use corsac_schema::ReadError;
use corsac_wire::{ChatReply, Reply, Usage, Usd};
use serde_json::Value;

use crate::exchange::RawReply;
use crate::{Contract, ExchangeError, batch};

/// What one request brought.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The validated answer, or what is wrong.
    pub(crate) result: Result<Validated, Fault>,
    /// The text that did not satisfy the schema, to be shown to the model again.
    pub(crate) rejected: Option<String>,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) provider: Option<Arc<str>>,
    pub(crate) generation_id: Option<String>,
    pub(crate) usage: Usage,
    pub(crate) status: Option<u16>,
    /// Whether it broke off while an answer was coming, which may be billed.
    pub(crate) was_cut: bool,
}

/// An answer that satisfies its contract.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(crate) value: Value,
    pub(crate) repaired: bool,
}

impl Reading {
    /// What OpenRouter said it cost.
    pub(crate) fn cost(&self) -> Option<Usd> {
        self.usage.cost.filter(|cost| *cost >= Usd::ZERO)
    }

    pub(crate) fn fault(fault: Fault) -> Reading {
        Reading {
            status: fault.status,
            provider: fault.provider.as_deref().map(Arc::from),
            result: Err(fault),
            rejected: None,
            model: None,
            generation_id: None,
            usage: Usage::default(),
            was_cut: false,
        }
    }

    /// A stream that broke off.
    pub(crate) fn cut(fault: Fault) -> Reading {
        Reading { was_cut: true, ..Reading::fault(fault) }
    }

    /// With what was told before it broke off.
    pub(crate) fn with_head(self, head: &RawReply, partial: &ChatReply) -> Reading {
        let reading = with_source(self, partial);
        Reading {
            status: Some(head.status),
            generation_id: head.generation_id.clone().or(reading.generation_id),
            usage: partial.usage.unwrap_or_default(),
            ..reading
        }
    }
}

/// Reads whatever an exchange gave.
pub(crate) fn read(reply: Result<RawReply, ExchangeError>, contract: &Contract, strategy: Strategy, tool: &str, now_ms: i64) -> Reading {
    let raw = match reply {
        Ok(raw) => raw,
        Err(error) => return Reading::fault(Fault::new(class_of(&error), error.to_string())),
    };
    if let (Contract::Embedding { .. }, 200) = (contract, raw.status)
        && let Some(reading) = batch::read_vectors(&raw)
    {
        return reading;
    }
    read_reply(Reply::decode(raw.status, &raw.body), &raw, contract, strategy, tool, now_ms)
}

/// Reads a reply that was decoded already; `raw` is its head.
pub(crate) fn read_reply(reply: Reply, raw: &RawReply, contract: &Contract, strategy: Strategy, tool: &str, now_ms: i64) -> Reading {
    let fault = Fault::of(&reply, raw.come_back, now_ms);
    let mut reading = match (reply, fault) {
        (Reply::Chat(chat), _) => read_chat(&chat, contract, strategy, tool),
        (Reply::Error { reply, .. }, Some(fault)) => {
            Reading { usage: reply.usage.unwrap_or_default(), ..with_source(Reading::fault(fault), &reply) }
        }
        (_, Some(fault)) => Reading::fault(fault),
        (_, None) => Reading::fault(Fault::new(FaultClass::Garbled, "a reply that is neither an answer nor an error")),
    };
    reading.status = Some(raw.status);
    reading.generation_id = raw.generation_id.clone().or(reading.generation_id);
    reading
}

fn class_of(error: &ExchangeError) -> FaultClass {
    match error {
        ExchangeError::Unreachable { .. } => FaultClass::Unreachable,
        ExchangeError::Timeout(_) => FaultClass::Timeout,
        ExchangeError::Cut(_) => FaultClass::Cut,
        ExchangeError::TooLarge(_) => FaultClass::Garbled,
        ExchangeError::TooLong(_) => FaultClass::ContextLength { limit: None, input: None },
        ExchangeError::Engine(_) => FaultClass::BadRequest,
    }
}

fn with_source(reading: Reading, chat: &ChatReply) -> Reading {
    Reading {
        model: chat.model.as_deref().map(Arc::from),
        provider: chat.provider.as_deref().map(Arc::from).or(reading.provider),
        generation_id: chat.id.clone(),
        ..reading
    }
}

fn read_chat(chat: &ChatReply, contract: &Contract, strategy: Strategy, tool: &str) -> Reading {
    let text = match strategy {
        Strategy::ForcedTool => chat.arguments(tool).or(chat.text()),
        Strategy::Text => chat.text(),
        // some providers turn the schema into a tool of their own and answer with a call of it
        Strategy::ResponseFormat | Strategy::LooseFormat | Strategy::JsonMode | Strategy::Prompted => {
            chat.text().filter(|text| !text.trim().is_empty()).or_else(|| chat.arguments(tool)).or(chat.text())
        }
    };
    let (result, rejected) = match judge(chat, text, contract, strategy) {
        Ok(validated) => (Ok(validated), None),
        Err(fault) => {
            let rejected = (fault.class == FaultClass::Invalid).then(|| text.unwrap_or_default().chars().take(4_000).collect());
            (Err(fault.from_provider(chat.provider.as_deref())), rejected)
        }
    };
    let reading = Reading {
        result,
        rejected,
        model: None,
        provider: None,
        generation_id: None,
        usage: chat.usage.unwrap_or_default(),
        status: None,
        was_cut: false,
    };
    with_source(reading, chat)
}

fn judge(chat: &ChatReply, text: Option<&str>, contract: &Contract, strategy: Strategy) -> Result<Validated, Fault> {
    if let (Contract::Turn(_), Some(choice)) = (contract, chat.choices.first())
        && !choice.message.tool_calls.is_empty()
        && !matches!(choice.finish_reason.as_deref(), Some("error" | "content_filter" | "length"))
    {
        return turn(choice);
    }
    if let Some(fault) = Fault::in_answer(chat, text, strategy) {
        // a whole answer may stand before the cut only where the end can be told
        if let (FaultClass::Truncated, Some(schema)) = (&fault.class, contract.schema())
            && !strategy.describes_schema()
            && let Ok(read) = schema.read_truncated(text.map(str::trim).unwrap_or_default())
        {
            return Ok(Validated { value: read.value, repaired: !read.repairs.is_empty() });
        }
        return Err(fault);
    }
    if let (Contract::Turn(_), Some(choice)) = (contract, chat.choices.first()) {
        return turn(choice);
    }
    let text = text.map(str::trim).unwrap_or_default();
    match contract {
        Contract::Text => Ok(Validated { value: Value::String(text.to_owned()), repaired: false }),
        Contract::Turn(_) | Contract::Embedding { .. } => Err(Fault::new(FaultClass::Garbled, "a reply of another kind")),
        Contract::Json(schema) | Contract::JsonTurn { schema, .. } => match schema.read(text) {
            Ok(read) => Ok(Validated { value: read.value, repaired: !read.repairs.is_empty() }),
            Err(ReadError::Empty) => Err(Fault::new(FaultClass::Empty, "an answer with nothing in it")),
            Err(error) => Err(Fault::new(FaultClass::Invalid, error.to_string())),
        },
    }
}

/// A message of a conversation, kept as it came: providers take it back only unmodified.
fn turn(choice: &corsac_wire::ChatChoice) -> Result<Validated, Fault> {
    match serde_json::from_str(choice.message.verbatim().get()) {
        Ok(value) => Ok(Validated { value, repaired: false }),
        Err(error) => Err(Fault::new(FaultClass::Garbled, format!("a message that cannot be read: {error}"))),
    }
}
