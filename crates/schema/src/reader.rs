//! Reads an answer: strictly first, then with repairs of syntax, then with conversions that lose nothing. Whatever was
//! put right is in the record; what would have to be guessed is an error.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use crate::error::{ReadError, excerpt_of_value, floor_boundary};
use crate::fit::{Place, Record, conforms, make_fit};
use crate::repair::{Repair, RepairKind};
use crate::shape::{Kind, Shape};
use crate::syntax::{Fault, NESTING_LIMIT, parse_prefix};

/// Longest answer read, in bytes.
pub(crate) const ANSWER_BYTES_LIMIT: usize = 8 * 1024 * 1024;
/// Longest text taken for a bare scalar such as a label, in bytes.
const BARE_BYTES_LIMIT: usize = 1024;

/// An answer that satisfies the schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The value, valid under the original schema. Properties the schema does not name are kept where it allows them.
    pub value: Value,
    /// What had to be put right; empty for an answer that was right as it came. At most 256 are noted.
    pub repairs: Vec<Repair>,
}

/// A value that did not fit, given back so that it can be looked at in another way.
struct Refused {
    error: ReadError,
    value: Value,
}

/// What an answer is read against.
pub(crate) struct Reader<'a> {
    pub(crate) shape: &'a Shape,
    /// Present where the shape does not say all that the schema says.
    pub(crate) validator: Option<&'a Validator>,
}

impl Reader<'_> {
    /// Reads an answer that came to its own end.
    pub(crate) fn read(&self, text: &str) -> Result<Read, ReadError> {
        let (body, start) = trimmed(text)?;
        match serde_json::from_str::<Value>(body) {
            Ok(value) => self.accept_or_decode(value, start, Vec::new()),
            Err(_) => self.read_with_repairs(text, body, start),
        }
    }

    /// Reads an answer that was cut off: only JSON that is complete all the same is taken, and nothing is repaired.
    pub(crate) fn read_truncated(&self, text: &str) -> Result<Read, ReadError> {
        let (body, start) = trimmed(text)?;
        let value: Value = serde_json::from_str(body)
            .map_err(|error| ReadError::not_json(text, start + byte_offset(body, &error), "the answer was cut off"))?;
        // The end of a number or word does not show: 12 may have been on its way to 123.
        if !matches!(value, Value::Object(_) | Value::Array(_) | Value::String(_)) {
            return Err(ReadError::not_json(text, text.len(), "the answer was cut off"));
        }
        let Read { value, repairs } = self.accept(value, start, Vec::new()).map_err(|refused| refused.error)?;
        match repairs.first() {
            None => Ok(Read { value, repairs }),
            Some(repair) => {
                Err(ReadError::not_json(text, start, format!("the answer was cut off and would need a repair ({})", repair.kind)))
            }
        }
    }

    fn read_with_repairs(&self, text: &str, body: &str, start: usize) -> Result<Read, ReadError> {
        let mut before = Vec::new();
        let (body, start) = match body.rfind("</think>") {
            Some(at) => {
                before.push(repair(RepairKind::Prose, start));
                let rest = &body[at + "</think>".len()..];
                let inner = rest.trim_start();
                (inner, start + body.len() - inner.len())
            }
            None => (body, start),
        };
        if body.is_empty() {
            return Err(ReadError::Empty);
        }
        if let Some(read) = self.read_bare(body, start, &before) {
            return Ok(read);
        }
        if body.starts_with(['\'', '"', '“', '‘'])
            && let Ok(parsed) = parse_prefix(body, 0)
            && body[parsed.end..].trim().is_empty()
        {
            before.extend(shifted(parsed.repairs, start));
            return self.accept_or_decode(parsed.value, start, before);
        }
        let escaped = ["{\\\"", "[{\\\"", "[\\\""].iter().any(|opening| body.starts_with(opening));
        if escaped && let Ok(inner) = serde_json::from_str::<String>(&format!("\"{body}\"")) {
            let refusal = ReadError::not_json(text, start, "its quotes are escaped as inside a string");
            return self.read_encoded(&inner, start, refusal);
        }
        self.search(text, body, start, before)
    }

    fn accept_or_decode(&self, value: Value, at: usize, repairs: Vec<Repair>) -> Result<Read, ReadError> {
        self.accept(value, at, repairs).or_else(|refused| match refused.value {
            Value::String(inner) => self.read_encoded(&inner, at, refused.error),
            _ => Err(refused.error),
        })
    }

    /// JSON that was written as a text; `refusal` is what to say when it is none.
    fn read_encoded(&self, inner: &str, at: usize, refusal: ReadError) -> Result<Read, ReadError> {
        let trimmed = inner.trim();
        if !trimmed.starts_with(['{', '[']) {
            return Err(refusal);
        }
        let mut read = self.search(inner, trimmed, 0, Vec::new()).map_err(|error| match error {
            violation @ ReadError::Violation { .. } => violation,
            _ => refusal,
        })?;
        // Offsets inside the inner text mean nothing in the answer.
        for repair in &mut read.repairs {
            repair.at = at;
        }
        read.repairs.insert(0, repair(RepairKind::DoubleEncoded, at));
        Ok(read)
    }

    /// A label, number or truth value without any JSON around it.
    fn read_bare(&self, body: &str, start: usize, before: &[Repair]) -> Option<Read> {
        if body.len() > BARE_BYTES_LIMIT || !self.takes_bare_scalar() {
            return None;
        }
        let mut repairs = before.to_vec();
        let mut bare = body;
        if let Some(inner) = body.strip_prefix("```").and_then(|inner| inner.strip_suffix("```")) {
            // What follows the fence on its line names a language.
            bare = inner.split_once('\n').map_or(inner, |(_, content)| content).trim();
            repairs.push(repair(RepairKind::Fences, start));
        }
        repairs.push(repair(RepairKind::BareText, start));
        self.accept(Value::String(bare.to_owned()), start, repairs).ok()
    }

    /// Whether a bare text can be told from prose: not where any text would do.
    fn takes_bare_scalar(&self) -> bool {
        let shape = match &self.shape.kind {
            Kind::Object(_) => match sole_member(self.shape) {
                Some((_, shape)) => shape,
                None => return false,
            },
            _ => self.shape,
        };
        matches!(shape.kind, Kind::Enum(_) | Kind::Integer | Kind::Number | Kind::Boolean | Kind::Date | Kind::DateTime)
    }

    /// Looks for the one stretch of JSON in the text that fits. Each byte is parsed at most twice.
    fn search(&self, text: &str, body: &str, start: usize, before: Vec<Repair>) -> Result<Read, ReadError> {
        let mut found: Option<Read> = None;
        let mut unfit: Option<(usize, ReadError)> = None;
        let mut broken: Option<Fault> = None;
        let mut from = 0;
        while let Some(offset) = body[from..].find(['{', '[']) {
            let open = from + offset;
            let parsed = match parse_prefix(body, open) {
                Ok(parsed) => parsed,
                Err(fault) => {
                    from = fault.at.max(open + 1);
                    // Taking a part of a broken answer for the whole of it would be a guess.
                    if fault.was_json {
                        return Err(ReadError::not_json(text, start + fault.at, fault.why));
                    }
                    broken.get_or_insert(fault);
                    continue;
                }
            };
            from = parsed.end;
            let mut repairs = before.clone();
            repairs.extend(surroundings(&body[..open], &body[parsed.end..], start, start + parsed.end));
            repairs.extend(shifted(parsed.repairs, start));
            match self.accept(parsed.value, start + open, repairs) {
                Ok(read) if found.as_ref().is_some_and(|earlier| earlier.value != read.value) => {
                    let why = "it holds two different answers; give exactly one";
                    return Err(ReadError::not_json(text, start + open, why));
                }
                Ok(read) => found = Some(found.unwrap_or(read)),
                Err(refused) => {
                    let length = parsed.end - open;
                    if unfit.as_ref().is_none_or(|(longest, _)| length > *longest) {
                        unfit = Some((length, refused.error));
                    }
                }
            }
        }
        match (found, unfit, broken) {
            (Some(read), _, _) => Ok(read),
            // A short bracketed remark in front of broken JSON is not what went wrong.
            (None, Some((length, error)), broken) if broken.is_none() || length * 2 > body.len() => Err(error),
            (None, _, Some(fault)) => Err(ReadError::not_json(text, start + fault.at, fault.why)),
            _ => Err(ReadError::not_json(text, start, "there is no JSON in it")),
        }
    }

    /// Takes the value if it fits as it is, after conversions, or with one layer taken off or put around it.
    fn accept(&self, value: Value, at: usize, repairs: Vec<Repair>) -> Result<Read, Box<Refused>> {
        if !self.shape.is_object()
            && let Some(inner) = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("value"))
            && let Ok((value, more)) = self.fit(inner.clone(), at)
        {
            // The dialects put this layer there because their root has to be an object.
            return Ok(Read { value, repairs: joined(repairs, more) });
        }
        if conforms(self.shape, &value) && self.validate(&value).is_ok() {
            return Ok(Read { value, repairs });
        }
        let error = match self.fit(value.clone(), at) {
            Ok((value, more)) => {
                return Ok(Read { value, repairs: joined(repairs, more) });
            }
            Err(error) => error,
        };
        let mut fitting = self.other_layers(&value).into_iter().filter_map(|candidate| self.fit(candidate, at).ok());
        match (fitting.next(), fitting.next()) {
            (Some((value, more)), None) => {
                let mut repairs = joined(repairs, more);
                repairs.push(repair(RepairKind::Wrapped, at));
                Ok(Read { value, repairs })
            }
            _ => Err(Box::new(Refused { error, value })),
        }
    }

    fn fit(&self, mut value: Value, at: usize) -> Result<(Value, Vec<Repair>), ReadError> {
        let mut record = Record { at, repairs: Vec::new() };
        make_fit(self.shape, &mut value, Place::Root, &mut record)?;
        self.validate(&value)?;
        Ok((value, record.repairs))
    }

    fn validate(&self, value: &Value) -> Result<(), ReadError> {
        match self.validator {
            Some(validator) => validator.validate(value).map_err(|error| violation(&error)),
            None => Ok(()),
        }
    }

    /// The value with its outer layer taken off, or inside the one property the schema has.
    fn other_layers(&self, value: &Value) -> Vec<Value> {
        let mut layers = Vec::new();
        match value {
            Value::Array(items) if items.len() == 1 && !matches!(self.shape.kind, Kind::List(_)) => {
                layers.push(items[0].clone());
            }
            Value::Object(map) if map.len() == 1 => {
                let known = |name: &str| match &self.shape.kind {
                    Kind::Object(object) => object.members.iter().any(|member| member.name == name),
                    _ => false,
                };
                layers.extend(map.iter().filter(|(name, _)| !known(name)).map(|(_, inner)| inner.clone()));
            }
            _ => {}
        }
        if let (Some((name, _)), false) = (sole_member(self.shape), value.is_object() || value.is_null()) {
            layers.push(Value::Object(Map::from_iter([(name.to_owned(), value.clone())])));
        }
        layers
    }
}

/// The property an answer without braces must be about: the only one, or the only required one.
fn sole_member(shape: &Shape) -> Option<(&str, &Shape)> {
    let Kind::Object(object) = &shape.kind else {
        return None;
    };
    let member = match object.members.as_slice() {
        [only] => only,
        members => {
            let mut required = members.iter().filter(|member| member.required);
            let first = required.next()?;
            if required.next().is_some() {
                return None;
            }
            first
        }
    };
    Some((&member.name, &member.shape))
}

fn trimmed(text: &str) -> Result<(&str, usize), ReadError> {
    if text.len() > ANSWER_BYTES_LIMIT {
        let why = format!("it is {} bytes long, more than the {ANSWER_BYTES_LIMIT} that are read", text.len());
        return Err(ReadError::not_json(text, ANSWER_BYTES_LIMIT, why));
    }
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let body = text.trim_start_matches(blank);
    let start = text.len() - body.len();
    let body = body.trim_end_matches(blank);
    if body.is_empty() { Err(ReadError::Empty) } else { Ok((body, start)) }
}

/// What stands around the JSON: a code fence, prose, both or nothing.
fn surroundings(before: &str, after: &str, before_at: usize, after_at: usize) -> Vec<Repair> {
    let mut repairs = Vec::new();
    let mut before = before.trim();
    let mut after = after.trim();
    let word_start = before.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    if let Some(outside) = floor_slice(before, word_start).trim_end_matches(' ').strip_suffix("```") {
        before = outside.trim();
        after = after.strip_prefix("```").unwrap_or(after).trim();
        repairs.push(repair(RepairKind::Fences, before_at + before.len()));
    }
    if !before.is_empty() {
        repairs.push(repair(RepairKind::Prose, before_at));
    } else if !after.is_empty() {
        repairs.push(repair(RepairKind::Prose, after_at));
    }
    repairs
}

fn floor_slice(text: &str, end: usize) -> &str {
    &text[..floor_boundary(text, end)]
}

fn repair(kind: RepairKind, at: usize) -> Repair {
    Repair { kind, at, path: String::new() }
}

fn shifted(repairs: Vec<Repair>, by: usize) -> impl Iterator<Item = Repair> {
    repairs.into_iter().map(move |repair| Repair { at: repair.at + by, ..repair })
}

fn joined(mut repairs: Vec<Repair>, more: Vec<Repair>) -> Vec<Repair> {
    repairs.extend(more);
    repairs.truncate(crate::syntax::REPAIR_LIMIT);
    repairs
}

/// Where `serde_json` stopped; it counts lines and bytes of the line.
pub(crate) fn byte_offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    floor_boundary(text, line_start + error.column().saturating_sub(1))
}

fn violation(error: &ValidationError<'_>) -> ReadError {
    let expected = match error.kind() {
        ValidationErrorKind::Minimum { limit } => format!("at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        ValidationErrorKind::MinLength { limit } => format!("at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("at most {limit} items"),
        ValidationErrorKind::Pattern { pattern } => {
            format!("a text matching the pattern {pattern}")
        }
        ValidationErrorKind::Format { format } => format!("a text in the format {format}"),
        ValidationErrorKind::UniqueItems => "items that all differ".to_owned(),
        ValidationErrorKind::Enum { options } => format!("one of {options}"),
        ValidationErrorKind::Constant { expected_value } => expected_value.to_string(),
        ValidationErrorKind::Required { property } => format!("the property {property}"),
        ValidationErrorKind::AnyOf { .. } => "one of the alternatives the schema lists".to_owned(),
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
            "exactly one of the alternatives the schema lists".to_owned()
        }
        ValidationErrorKind::BacktrackLimitExceeded { .. } => "a text its pattern can be checked against".to_owned(),
        other => format!("what the keyword `{}` asks for", other.keyword()),
    };
    let got = excerpt_of_value(error.instance());
    ReadError::violation_because(error.instance_path().to_string(), expected, got)
}

const _: () = assert!(NESTING_LIMIT < 128, "serde_json reads fewer than 128 levels");
