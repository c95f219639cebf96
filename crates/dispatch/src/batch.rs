//! Embeddings: many inputs go in one request, each is remembered, recorded and paid for by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corsac_ledger::{AttemptRecord, CallOutcome, Fingerprint};
use corsac_policy::{Fault, FaultClass, estimated_tokens};
use corsac_wire::{ErrorBody, Usage, Usd};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::exchange::RawReply;
use crate::read::{Reading, Validated};
use crate::record::{call_record, failed_outcome, stored};
use crate::stream::Listener;
use crate::{Answer, Call, CallSettings, Contract, Dispatcher, Failure, FailureKind, Outcome, Source, vector};

/// Inputs of one request; providers take from 96 up.
const LARGEST_BATCH: usize = 96;
/// Tokens of one request, far below what any provider refuses.
const BATCH_TOKENS: u64 = 100_000;
/// How long the first input of a batch waits for others.
const GATHERING: Duration = Duration::from_millis(3);

/// Inputs that wait for company.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    open: Mutex<HashMap<Kind, Vec<Waiting>>>,
}

/// Inputs that can go in one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    model: Option<String>,
    profile: Option<String>,
    timeout: Option<Duration>,
    dimensions: Option<u32>,
}

#[derive(Debug)]
struct Waiting {
    call: Call,
    fingerprint: Fingerprint,
    reply: oneshot::Sender<Outcome>,
}

impl Dispatcher {
    /// The vector of a text: from memory, or together with others.
    pub(crate) async fn embed(self: Arc<Self>, call: Call, dimensions: Option<u32>) -> Outcome {
        let outcome = self.embed_together(call, dimensions).await;
        self.count(&outcome, false);
        outcome
    }

    async fn embed_together(self: &Arc<Self>, call: Call, dimensions: Option<u32>) -> Outcome {
        let routes = self.routes_of(&call)?;
        let fingerprint = self.fingerprint(&call, &routes);
        if let Some(answer) = self.recall(fingerprint, &call)? {
            return Ok(answer);
        }
        let CallSettings { model, profile, timeout, .. } = call.settings.as_ref();
        let kind = Kind { model: model.clone(), profile: profile.clone(), timeout: *timeout, dimensions };
        let (reply, waiting) = oneshot::channel();
        let full = {
            let mut open = self.batches.open.lock();
            let batch = open.entry(kind.clone()).or_default();
            batch.push(Waiting { call, fingerprint, reply });
            let tokens: u64 = batch.iter().map(|waiting| estimated_tokens(&waiting.call.user)).sum();
            match batch.len() {
                count if count >= LARGEST_BATCH || tokens >= BATCH_TOKENS => open.remove(&kind),
                1 => {
                    self.close_soon(kind);
                    None
                }
                _ => None,
            }
        };
        if let Some(batch) = full {
            self.send_batch(batch);
        }
        waiting.await.unwrap_or_else(|_| Err(Failure::interrupted()))
    }

    /// The vector of a text: from memory, or asked for alone.
    pub(crate) async fn embed_alone(&self, call: Call) -> Outcome {
        let outcome = self.embedded_alone(call).await;
        self.count(&outcome, false);
        outcome
    }

    async fn embedded_alone(&self, call: Call) -> Outcome {
        let routes = self.routes_of(&call)?;
        let fingerprint = self.fingerprint(&call, &routes);
        if let Some(answer) = self.recall(fingerprint, &call)? {
            return Ok(answer);
        }
        let (reply, waiting) = oneshot::channel();
        self.answer_batch(vec![Waiting { call, fingerprint, reply }]).await;
        waiting.await.unwrap_or_else(|_| Err(Failure::interrupted()))
    }

    fn close_soon(self: &Arc<Self>, kind: Kind) {
        let this = Arc::clone(self);
        self.track().spawn(async move {
            tokio::time::sleep(GATHERING).await;
            let batch = this.batches.open.lock().remove(&kind);
            if let Some(batch) = batch {
                this.send_batch(batch);
            }
        });
    }

    fn send_batch(self: &Arc<Self>, batch: Vec<Waiting>) {
        let this = Arc::clone(self);
        self.track().spawn(async move { this.answer_batch(batch).await });
    }

    /// Asks for a batch. One that is refused for its content is taken apart, so that one bad text costs no other.
    async fn answer_batch(&self, batch: Vec<Waiting>) {
        let mut open = vec![batch];
        while let Some(mut batch) = open.pop() {
            let distinct = distinct(&batch);
            let result = self.ask_batch(&batch, &distinct).await;
            match result {
                Err(failure) if distinct.len() > 1 && is_about_content(failure.kind) => {
                    let half = batch.len() / 2;
                    let second = batch.split_off(half.max(1));
                    open.push(second);
                    open.push(batch);
                }
                Err(failure) => {
                    for (place, waiting) in batch.into_iter().enumerate() {
                        // the requests, if there were any, stand with the first text already
                        if place > 0 || failure.attempts == 0 {
                            self.note_unasked(waiting.fingerprint, &waiting.call, &failure);
                        }
                        // who went away needs no answer
                        let _ = waiting.reply.send(Err(failure.clone()));
                    }
                }
                Ok((vectors, answer, attempts)) => self.release(batch, &distinct, vectors, &answer, attempts).await,
            }
        }
    }

    async fn ask_batch(&self, batch: &[Waiting], distinct: &[usize]) -> Result<(Vec<Value>, Answer, Vec<AttemptRecord>), Failure> {
        let Some(first) = batch.first() else { return Err(Failure::interrupted()) };
        let inputs: Vec<&str> = distinct.iter().map(|place| batch[*place].call.user.as_str()).collect();
        // one call stands for all: its input is the list
        let call = Call { user: serde_json::to_string(&inputs).unwrap_or_default(), system: "".into(), ..first.call.clone() };
        let routes = self.routes_of(&call)?;
        let mut journey = self.set_out(&call, &routes, &CancellationToken::new()).await?;
        match self.travel_in_time(&call, &routes, &mut journey, &Listener::nobody()).await {
            Ok((Validated { value: Value::Array(vectors), .. }, served)) if vectors.len() == distinct.len() => {
                let answer = journey.answer(Value::Null, served);
                Ok((vectors, answer, journey.attempts))
            }
            Ok((validated, _)) => {
                let got = validated.value.as_array().map_or(0, Vec::len);
                let why = format!("{got} vectors came back for {} texts", distinct.len());
                let failure = Failure { attempts: journey.requests, cost: journey.cost, ..Failure::new(FailureKind::InvalidAnswer, why) };
                Err(self.record_failed_batch(first, failure, journey.attempts).await)
            }
            Err(ends) => {
                let failure = self.failed(ends, &call, &routes, &journey);
                Err(self.record_failed_batch(first, failure, journey.attempts).await)
            }
        }
    }

    /// Records the requests of a batch that failed, with its first text.
    async fn record_failed_batch(&self, first: &Waiting, failure: Failure, attempts: Vec<AttemptRecord>) -> Failure {
        if attempts.is_empty() {
            return failure;
        }
        let record = call_record(first.fingerprint, &first.call, failed_outcome(&failure), attempts);
        self.ledger.record(record).await.map_or_else(|error| Failure::ledger(&error), |()| failure)
    }

    /// Records each vector and lets it go. The request stands with the first text; the others carry their share of its cost.
    async fn release(&self, batch: Vec<Waiting>, distinct: &[usize], vectors: Vec<Value>, answer: &Answer, attempts: Vec<AttemptRecord>) {
        let texts: Vec<u64> = distinct.iter().map(|place| batch[*place].call.user.len() as u64 + 1).collect();
        let shares = shares(answer.cost, &texts);
        let by_text: HashMap<String, usize> =
            distinct.iter().enumerate().map(|(number, place)| (batch[*place].call.user.clone(), number)).collect();
        let mut attempts = Some(attempts);
        let mut seen = vec![false; vectors.len()];
        for waiting in batch {
            let number = by_text.get(&waiting.call.user).copied().unwrap_or_default();
            let first = !std::mem::replace(&mut seen[number], true);
            let one = Answer {
                value: Arc::new(vectors[number].clone()),
                cost: if first { shares[number] } else { Usd::ZERO },
                source: if first { Source::Asked } else { Source::Shared },
                usage: if first { answer.usage } else { Default::default() },
                ..answer.clone()
            };
            let outcome = if first {
                let kept = stored(&one, &waiting.call.contract, Default::default(), false, self.clock.epoch_ms());
                let record =
                    call_record(waiting.fingerprint, &waiting.call, CallOutcome::Answered(kept), attempts.take().unwrap_or_default());
                self.ledger.record(record).await.map(|()| one).map_err(|error| Failure::ledger(&error))
            } else {
                let outcome = Ok(one);
                self.note_shared(waiting.fingerprint, &waiting.call, &outcome);
                outcome
            };
            let _ = waiting.reply.send(outcome);
        }
    }
}

/// The places of inputs that differ, first of each.
fn distinct(batch: &[Waiting]) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    (0..batch.len()).filter(|place| seen.insert(batch[*place].call.user.as_str())).collect()
}

/// Parts of a sum in proportion to weights, adding up to it exactly.
fn shares(sum: Usd, weights: &[u64]) -> Vec<Usd> {
    let total = weights.iter().map(|weight| i128::from(*weight)).sum::<i128>().max(1);
    let (mut given, mut reached) = (0i128, 0i128);
    let mut share = |weight: &u64| {
        reached += i128::from(*weight);
        let until_here = i128::from(sum.pico()) * reached / total;
        let part = until_here - given;
        given = until_here;
        Usd::from_pico(i64::try_from(part).unwrap_or(0))
    };
    weights.iter().map(&mut share).collect()
}

fn is_about_content(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::BadInput | FailureKind::Refused | FailureKind::Moderated | FailureKind::InvalidAnswer)
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    provider: Option<String>,
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Embedding,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Embedding {
    Numbers(Vec<f32>),
    Text(String),
}

/// Reads a list of vectors; `None` where the reply is something else, such as an error with status 200.
pub(crate) fn read_vectors(raw: &RawReply) -> Option<Reading> {
    let listed: Listed = match serde_json::from_slice(&raw.body) {
        Ok(listed) => listed,
        Err(error) => {
            let said: Value = serde_json::from_slice(&raw.body).unwrap_or_default();
            if said.get("error").is_some_and(|error| !ErrorBody::from_value(error).message.is_empty()) {
                return None;
            }
            let fault = Fault::new(FaultClass::Garbled, format!("a list of vectors that cannot be read: {error}"));
            return Some(Reading { status: Some(raw.status), ..Reading::fault(fault) });
        }
    };
    let mut vectors: Vec<(usize, Value)> = Vec::with_capacity(listed.data.len());
    for (place, item) in listed.data.into_iter().enumerate() {
        let value = match item.embedding {
            Embedding::Numbers(numbers) => vector::to_value(&numbers),
            Embedding::Text(text) => vector::from_text(&text).unwrap_or(Value::Null),
        };
        vectors.push((item.index.unwrap_or(place), value));
    }
    vectors.sort_by_key(|(index, _)| *index);
    let whole = vectors.iter().all(|(_, value)| value.as_array().is_some_and(|numbers| !numbers.is_empty()));
    let value = Value::Array(vectors.into_iter().map(|(_, value)| value).collect());
    let result = if whole && !value.as_array().is_none_or(Vec::is_empty) {
        Ok(Validated { value, repaired: false })
    } else {
        Err(Fault::new(FaultClass::Empty, "a list with an empty vector").from_provider(listed.provider.as_deref()))
    };
    Some(Reading {
        result,
        rejected: None,
        model: listed.model.as_deref().map(Arc::from),
        provider: listed.provider.as_deref().map(Arc::from),
        generation_id: raw.generation_id.clone().or(listed.id),
        usage: listed.usage.unwrap_or_default(),
        status: Some(raw.status),
        was_cut: false,
    })
}

impl Contract {
    /// Whether the answer is a vector.
    pub fn is_embedding(&self) -> bool {
        matches!(self, Contract::Embedding { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let sum = Usd::from_pico(1_000_003);
        for weights in [vec![1, 1, 1], vec![7, 0, 100, 3], vec![5]] {
            let parts = shares(sum, &weights);
            assert_eq!(parts.iter().copied().sum::<Usd>(), sum, "{weights:?}");
        }
    }

    #[test]
    fn vectors_come_in_any_order_and_form() {
        let body = r#"{"data":[{"index":1,"embedding":"AACAPwAAAEA="},{"index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":3,"cost":0.1}}"#;
        let reading = read_vectors(&RawReply { status: 200, body: body.into(), ..RawReply::default() }).unwrap();
        assert_eq!(reading.result.unwrap().value, serde_json::json!([[0.5, -1.0], [1.0, 2.0]]));
        assert_eq!(reading.usage.prompt_tokens, 3);
        let error = RawReply { status: 200, body: r#"{"error":{"code":429,"message":"slow down"}}"#.into(), ..RawReply::default() };
        assert!(read_vectors(&error).is_none());
        let noise = RawReply { status: 200, body: "[".into(), ..RawReply::default() };
        assert_eq!(read_vectors(&noise).unwrap().result.unwrap_err().class, FaultClass::Garbled);
    }
}
