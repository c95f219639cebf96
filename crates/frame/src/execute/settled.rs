//! How a call ended, ready to be written into columns, and the columns made of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, NullBufferBuilder, StringBuilder, StructArray};
use corsac_dispatch::{Answer, Failure, FailureKind, Outcome};
use corsac_ledger::Fingerprint;
use corsac_program::{Output, Program};
use corsac_wire::Usd;
use datafusion::common::Result;
use serde_json::Value;

use crate::answer_type::{ColumnBuilder, check, check_vector, output_type};
use crate::function::outcome_fields;
use crate::lineage::{self, CallList};

/// A call's end: its value, or why there is none.
#[derive(Debug)]
pub(crate) struct Settled {
    end: Result<Answered, Failure>,
    /// The ledger's entry that tells of it.
    entry: Option<Fingerprint>,
    /// Those of the calls it was put together of.
    parts: Box<[Fingerprint]>,
}

#[derive(Debug)]
struct Answered {
    value: Value,
    attempts: u32,
    cost: Usd,
    model: Arc<str>,
    provider: Option<Arc<str>>,
}

impl Settled {
    /// Takes the operator's value out of an outcome. A value that no column can hold is that row's failure.
    pub(crate) fn new(program: &Program, outcome: Outcome, entry: Option<Fingerprint>) -> Settled {
        let end = outcome.and_then(|answer| {
            let value = program.value(&answer.value);
            match misfit(program.output(), &value) {
                Some(message) => Err(unusable(&answer, message)),
                None => {
                    Ok(Answered { value, attempts: answer.attempts, cost: answer.cost, model: answer.model, provider: answer.provider })
                }
            }
        });
        Settled { end, entry, parts: Box::default() }
    }

    pub(crate) fn failed(failure: Failure, entry: Option<Fingerprint>) -> Settled {
        Settled { end: Err(failure), entry, parts: Box::default() }
    }

    /// The end of a call that went in parts, whose entries tell of them.
    pub(super) fn in_parts(self, parts: Vec<Fingerprint>) -> Settled {
        Settled { parts: parts.into(), ..self }
    }

    pub(crate) fn entry(&self) -> Option<Fingerprint> {
        self.entry
    }

    #[cfg(test)]
    pub(crate) fn blank() -> Settled {
        Settled::failed(bad_input(String::new()), None)
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.end.as_ref().err()
    }

    fn value(&self) -> Option<&Value> {
        self.end.as_ref().ok().map(|answered| &answered.value)
    }

    /// Whether the answer is yes.
    pub(crate) fn is_true(&self) -> bool {
        self.value() == Some(&Value::Bool(true))
    }

    /// About how many bytes this keeps alive.
    pub(crate) fn weight(&self) -> usize {
        std::mem::size_of::<Settled>()
            + std::mem::size_of_val(&*self.parts)
            + match &self.end {
                Ok(answered) => value_bytes(&answered.value),
                Err(failure) => failure.message.len(),
            }
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) if items.first().is_some_and(Value::is_number) => 32 * items.len(),
        Value::Array(items) => items.iter().map(|item| 32 + value_bytes(item)).sum(),
        Value::Object(object) => object.iter().map(|(name, item)| 64 + name.len() + value_bytes(item)).sum(),
        _ => 0,
    }
}

fn misfit(output: Output<'_>, value: &Value) -> Option<String> {
    match (output, value) {
        (Output::Text, Value::String(_)) | (Output::Boolean, Value::Bool(_)) => None,
        (Output::Vector { dimensions }, value) => check_vector(dimensions, value).err().map(|misfit| misfit.to_string()),
        (Output::Json(kind), value) => check(kind, value).err().map(|misfit| misfit.to_string()),
        (Output::Text, value) => Some(format!("the answer is not a text but {value}")),
        (Output::Boolean, value) => Some(format!("the answer is not true or false but {value}")),
    }
}

fn unusable(answer: &Answer, message: String) -> Failure {
    Failure {
        kind: FailureKind::InvalidAnswer,
        message: message.into(),
        attempts: answer.attempts,
        cost: answer.cost,
        model: Some(Arc::clone(&answer.model)),
        provider: answer.provider.clone(),
        status: None,
    }
}

/// A row that cannot be asked about.
pub(crate) fn bad_input(message: String) -> Failure {
    without_request(FailureKind::BadInput, message)
}

/// A failure for which nothing was sent.
pub(crate) fn without_request(kind: FailureKind, message: String) -> Failure {
    Failure { kind, message: message.into(), attempts: 0, cost: Usd::ZERO, model: None, provider: None, status: None }
}

/// Where a row stands with one call.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// There is nothing to ask: the input is NULL or blank, or the row does not reach the call.
    Nothing,
    /// The call is under way.
    Waiting,
    /// The call has ended.
    Done(Arc<Settled>),
}

impl Slot {
    fn settled(&self) -> Option<&Settled> {
        match self {
            Slot::Done(settled) => Some(settled),
            Slot::Nothing | Slot::Waiting => None,
        }
    }
}

/// The column of values for a run of rows.
pub(super) fn value_column(program: &Program, slots: &[Slot]) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::for_output(program.output(), slots.len());
    for slot in slots {
        builder.append(slot.settled().and_then(Settled::value));
    }
    builder.finish()
}

/// The column that lists the calls behind each of so many rows.
pub(super) fn calls_column(rows: usize, slots: &[&[Slot]]) -> ArrayRef {
    let list = |row: usize| {
        let mut list = CallList::default();
        for settled in slots.iter().filter_map(|slots| slots.get(row).and_then(Slot::settled)) {
            settled.parts.iter().chain(&settled.entry).for_each(|entry| list.add(*entry));
        }
        list
    };
    lineage::column((0..rows).map(list))
}

/// The column of outcomes for a run of rows: NULL where nothing was asked.
pub(super) fn outcome_column(program: &Program, slots: &[Slot]) -> Result<ArrayRef> {
    let mut kinds = StringBuilder::new();
    let mut messages = StringBuilder::new();
    let mut attempts = Int64Builder::with_capacity(slots.len());
    let mut costs = Float64Builder::with_capacity(slots.len());
    let mut models = StringBuilder::new();
    let mut providers = StringBuilder::new();
    let mut present = NullBufferBuilder::new(slots.len());
    for slot in slots {
        let settled = slot.settled();
        let answered = settled.and_then(|settled| settled.end.as_ref().ok());
        let failure = settled.and_then(Settled::failure);
        present.append(settled.is_some());
        kinds.append_option(failure.map(|failure| failure.kind.name()));
        messages.append_option(failure.map(|failure| &failure.message));
        attempts.append_option(answered.map(|end| end.attempts).or(failure.map(|end| end.attempts)).map(i64::from));
        costs.append_option(answered.map(|end| end.cost).or(failure.map(|end| end.cost)).map(Usd::as_f64));
        models.append_option(answered.map(|end| &end.model).or(failure.and_then(|end| end.model.as_ref())));
        providers.append_option(answered.and_then(|end| end.provider.as_ref()).or(failure.and_then(|end| end.provider.as_ref())));
    }
    let columns: Vec<ArrayRef> = vec![
        value_column(program, slots)?,
        Arc::new(kinds.finish()),
        Arc::new(messages.finish()),
        Arc::new(attempts.finish()),
        Arc::new(costs.finish()),
        Arc::new(models.finish()),
        Arc::new(providers.finish()),
    ];
    let fields = outcome_fields(&output_type(program.output()));
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, present.finish(), slots.len())?))
}
