//! From a call and what became of it to the ledger's records and back.

use std::sync::Arc;

use corsac_ledger::{AttemptRecord, CallOutcome, CallRecord, Fingerprint, StoredAnswer, Usage};
use corsac_wire::Usd;
use serde_json::Value;

use crate::read::{Reading, Validated};
use crate::{Answer, Call, Contract, Failure, Source, vector};

/// What stands in the ledger for an answer.
pub(crate) fn stored(answer: &Answer, contract: &Contract, usage: Usage, repaired: bool, created_ms: i64) -> StoredAnswer {
    let body = match (contract, answer.value.as_ref()) {
        (Contract::Text, Value::String(text)) => text.clone(),
        (Contract::Embedding { .. }, value) => vector::to_text(value),
        (_, value) => value.to_string(),
    };
    StoredAnswer {
        body,
        model: Arc::clone(&answer.model),
        provider: answer.provider.clone(),
        cost: answer.cost,
        usage,
        created_ms,
        repaired,
    }
}

/// The answer that stands in the ledger; `None` where it cannot be read any more.
pub(crate) fn recalled(stored: StoredAnswer, contract: &Contract) -> Option<Answer> {
    let value = match contract {
        Contract::Text => Value::String(stored.body),
        Contract::Embedding { .. } => vector::from_text(&stored.body)?,
        Contract::Json(_) | Contract::JsonTurn { .. } | Contract::Turn(_) => serde_json::from_str(&stored.body).ok()?,
    };
    Some(Answer {
        value: Arc::new(value),
        model: stored.model,
        provider: stored.provider,
        cost: Usd::ZERO,
        attempts: 0,
        source: Source::Memory,
        usage: Usage::default(),
    })
}

pub(crate) fn call_record(fingerprint: Fingerprint, call: &Call, outcome: CallOutcome, attempts: Vec<AttemptRecord>) -> CallRecord {
    CallRecord {
        run: call.origin.run.clone(),
        fingerprint,
        operator: Arc::clone(&call.origin.operator),
        row: call.origin.row,
        input: call.input().to_owned(),
        schema: call.contract.schema_fingerprint(),
        outcome,
        attempts,
    }
}

/// How a failure stands in the ledger.
pub(crate) fn failed_outcome(failure: &Failure) -> CallOutcome {
    CallOutcome::Failed { kind: failure.kind.name().into(), message: failure.message.to_string() }
}

/// Tokens as they were told.
pub(crate) fn usage(reading: &Reading) -> Usage {
    Usage {
        prompt_tokens: reading.usage.prompt_tokens,
        completion_tokens: reading.usage.completion_tokens,
        cached_tokens: reading.usage.cached_tokens(),
        reasoning_tokens: reading.usage.reasoning_tokens(),
        cache_write_tokens: reading.usage.cache_write_tokens(),
    }
}

/// Tokens of an answer nobody counted.
pub(crate) fn answer_text(validated: &Validated) -> String {
    match &validated.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
