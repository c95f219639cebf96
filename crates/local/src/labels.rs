//! Finds schemas whose answers are a choice from a list, so that the choices are scored instead of decoded.
//!
//! Scoring asks how likely the model finds each whole label; decoding token by token would commit to a label's first
//! letters before looking at the rest. What counts is how much likelier the text makes a label than it is anyway
//! (contextual calibration: Zhao and others, 2021), because a small model favours some words whatever it reads.

use serde_json::{Map, Value};

use crate::tokenizer::Tokenizer;

/// The choices of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choices {
    /// The property that the choice is the value of, where the answer is an object.
    property: Option<String>,
    pub(crate) choices: Vec<Choice>,
}

/// What the model has already said when the labels are scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) said: String,
    /// What stands between it and a label.
    blank: &'static str,
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The whole answer as JSON text.
    pub(crate) json: String,
    /// What the model would say for it.
    pub(crate) spoken: String,
}

/// What the model has already said where no answer was shown to it, each label after a blank, since most words of the vocabulary
/// begin with one. Of ten openings tried with nine wordings on human-labelled reviews, and four on five plain topics,
/// this one judged best or close to it whatever the wording.
const OPENING: &str = "{\"label\": \"";
const CLOSING: &str = "\"";

/// More choices than this are decoded under the grammar instead.
const MOST_CHOICES: usize = 256;

impl Choices {
    /// Some when every answer that the schema accepts is one of a short list (or differs from one only in what is optional).
    pub(crate) fn of(schema: &Value) -> Option<Self> {
        let object = schema.as_object()?;
        let (property, values) = match object.get("properties") {
            None => (None, values(object, &["$schema"])?.into_iter().map(|value| (value.to_string(), value)).collect()),
            Some(properties) => single_property(object, properties).map(|(name, values)| (Some(name), values))?,
        };
        let mut choices: Vec<Choice> = Vec::new();
        for (json, value) in values {
            let spoken = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            if choices.iter().any(|choice| choice.spoken == spoken && choice.json != json) {
                return None;
            }
            if choices.iter().all(|choice| choice.json != json) {
                choices.push(Choice { json, spoken });
            }
        }
        (1..=MOST_CHOICES).contains(&choices.len()).then_some(Self { property, choices })
    }

    /// How the answer begins: as the answers shown before in the conversation, if they look like this one's, so that the model
    /// goes on as it was shown to.
    pub(crate) fn opening<'a>(&self, answers: impl DoubleEndedIterator<Item = &'a str>) -> Opening {
        let shown = answers.rev().find_map(|answer| {
            let name = Value::from(self.property.as_deref()?).to_string();
            let at = answer.trim_start().starts_with('{').then(|| answer.find(&name))?? + name.len();
            let (before, value) = answer[at..].split_once(':')?;
            let is_text = value.trim_start().starts_with('"') && before.trim().is_empty();
            let quote = value.find('"').filter(|_| is_text)?;
            Some(Opening { said: answer[..at + before.len() + 1 + quote + 1].to_owned(), blank: "" })
        });
        shown.unwrap_or_else(|| Opening { said: OPENING.to_owned(), blank: " " })
    }

    /// Each choice as the tokens that are scored. Where one label begins another, the end of the label is scored too.
    pub(crate) fn tokens(&self, tokenizer: &Tokenizer, opening: &Opening) -> Vec<Vec<u32>> {
        let spell = |closing: &str| -> Vec<Vec<u32>> {
            let spell_one = |choice: &Choice| {
                let mut tokens = Vec::new();
                tokenizer.encode(&format!("{}{}{closing}", opening.blank, choice.spoken.trim()), &mut tokens, usize::MAX);
                tokens
            };
            self.choices.iter().map(spell_one).collect()
        };
        let plain = spell("");
        let ambiguous = plain
            .iter()
            .enumerate()
            .any(|(index, one)| plain.iter().enumerate().any(|(other, longer)| index != other && longer.starts_with(one)));
        if ambiguous { spell(CLOSING) } else { plain }
    }
}

/// The name of the property, as the JSON of the whole object and the property's value for each choice.
type Single = (String, Vec<(String, Value)>);

/// An object of one property, which is a choice.
fn single_property(object: &Map<String, Value>, properties: &Value) -> Option<Single> {
    const KNOWN: [&str; 7] = ["$schema", "type", "properties", "required", "additionalProperties", "title", "description"];
    let known = object.keys().all(|key| KNOWN.contains(&key.as_str()));
    let is_object = object.get("type").is_none_or(|kind| kind == "object");
    let mut properties = properties.as_object()?.iter();
    let (Some((name, property)), None, true, true) = (properties.next(), properties.next(), known, is_object) else { return None };
    let required_elsewhere =
        object.get("required").is_some_and(|required| !required.as_array().is_some_and(|keys| keys.iter().all(|key| key == name)));
    if required_elsewhere || object.get("additionalProperties").is_some_and(|additional| additional != &Value::Bool(false)) {
        return None;
    }
    let values = values(property.as_object()?, &[])?;
    let whole = |value: Value| (format!("{{{}: {value}}}", Value::from(name.as_str())), value);
    Some((name.clone(), values.into_iter().map(whole).collect()))
}

/// The values of a schema that is nothing but an enum, a constant or a boolean.
fn values(schema: &Map<String, Value>, also_known: &[&str]) -> Option<Vec<Value>> {
    const KNOWN: [&str; 5] = ["type", "enum", "const", "title", "description"];
    if !schema.keys().all(|key| KNOWN.contains(&key.as_str()) || also_known.contains(&key.as_str())) {
        return None;
    }
    let values = match (schema.get("enum"), schema.get("const"), schema.get("type")) {
        (Some(Value::Array(values)), None, _) => values.clone(),
        (None, Some(value), _) => vec![value.clone()],
        (None, None, Some(kind)) if kind == "boolean" => vec![Value::Bool(true), Value::Bool(false)],
        _ => return None,
    };
    let plain = values.iter().all(|value| !value.is_array() && !value.is_object());
    let fits = schema.get("type").is_none_or(|kinds| values.iter().all(|value| has_type(value, kinds)));
    (plain && fits).then_some(values)
}

fn has_type(value: &Value, kinds: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => false,
    };
    match kinds {
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answers(schema: &Value) -> Option<Vec<String>> {
        Some(Choices::of(schema)?.choices.into_iter().map(|choice| choice.json).collect())
    }

    #[test]
    fn choices_are_found_in_every_dress() {
        let labelled = json!({"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b\"c"]}}, "required": ["label"], "additionalProperties": false});
        assert_eq!(answers(&labelled).unwrap(), [r#"{"label": "a"}"#, r#"{"label": "b\"c"}"#]);
        assert_eq!(answers(&json!({"enum": ["x", 2, null]})).unwrap(), [r#""x""#, "2", "null"]);
        assert_eq!(answers(&json!({"type": "boolean"})).unwrap(), ["true", "false"]);
        assert_eq!(answers(&json!({"properties": {"ok": {"const": 1}}})).unwrap(), [r#"{"ok": 1}"#]);
    }

    #[test]
    fn an_answer_begins_as_those_that_were_shown() {
        let choices = Choices::of(&json!({"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}})).unwrap();
        let opening = |answers: &[&str]| choices.opening(answers.iter().copied()).said;
        assert_eq!(opening(&[]), OPENING);
        assert_eq!(opening(&["well"]), OPENING);
        assert_eq!(opening(&["{\n  \"mood\": \"good\"\n}"]), "{\n  \"mood\": \"");
        assert_eq!(opening(&["{\"mood\":\"bad\"}", "hm"]), "{\"mood\":\"");
        assert_eq!(opening(&["{\"mood\": true}"]), OPENING);
        assert_eq!(opening(&["{\"other\": \"good\"}"]), OPENING);
    }

    #[test]
    fn whatever_leaves_more_open_is_not_a_choice() {
        for schema in [
            json!({"type": "string"}),
            json!({"type": "object", "properties": {"a": {"enum": ["x"]}, "b": {"type": "string"}}}),
            json!({"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a", "b"]}),
            json!({"type": "object", "properties": {"a": {"enum": ["x"]}}, "minProperties": 2}),
            json!({"type": "array", "properties": {"a": {"enum": ["x"]}}}),
            json!({"enum": ["x", [1]]}),
            json!({"type": "string", "enum": ["x", 1]}),
            json!({"enum": ["1", 1]}),
            json!({"enum": []}),
            json!(true),
        ] {
            assert_eq!(answers(&schema), None, "{schema}");
        }
    }
}
