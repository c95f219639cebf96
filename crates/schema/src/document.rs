//! Checks that a JSON document is a JSON Schema before anything is built from it, and names the place where it is not.

use serde_json::{Map, Value};

use crate::error::{SchemaError, excerpt_of_value, pointer_step};

/// Schemas nested deeper than this are refused, so that no later walk can exhaust the stack.
pub(crate) const SCHEMA_DEPTH_LIMIT: usize = 64;
/// Most schemas (subschemas counted, references followed) one document may hold.
pub(crate) const SCHEMA_NODE_LIMIT: usize = 20_000;

const TYPE_NAMES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];
/// What people write from habit for a type's name.
const TYPE_HABITS: [(&str, &str); 14] = [
    ("str", "string"),
    ("text", "string"),
    ("date", "string\" with \"format\": \"date"),
    ("datetime", "string\" with \"format\": \"date-time"),
    ("enum", "string\" with \"enum\": [\"a\", \"b"),
    ("int", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("bool", "boolean"),
    ("list", "array"),
    ("dict", "object"),
    ("struct", "object"),
    ("none", "null"),
    ("map", "object"),
];

/// Keywords whose value is one schema.
pub(crate) const ONE_SCHEMA: [&str; 11] = [
    "additionalProperties",
    "items",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
pub(crate) const SCHEMA_LIST: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value maps names to schemas (under `dependencies` also to lists of names).
pub(crate) const SCHEMA_MAP: [&str; 6] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
const NUMBERS: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const COUNTS: [&str; 8] =
    ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains"];
const TEXTS: [&str; 8] = ["pattern", "format", "description", "title", "$ref", "$schema", "$id", "$comment"];

/// Walks the whole document once.
pub(crate) fn check(document: &Value) -> Result<(), SchemaError> {
    let Some(root) = document.as_object() else {
        let message = format!(
            "a schema is a JSON object, this is {}; write for example {{\"type\": \"object\", \"properties\": {{…}}}}",
            excerpt_of_value(document)
        );
        return Err(SchemaError::NotASchema { pointer: String::new(), message });
    };
    if !root.is_empty() && !root.keys().any(|key| is_keyword(key)) {
        let message = "there is no JSON Schema keyword here; describe the answer as {\"type\": \"object\", \"properties\": {…}} \
                       or use the short form, such as `product string, stars int`";
        return Err(SchemaError::NotASchema { pointer: String::new(), message: message.to_owned() });
    }
    Walk { pointer: String::new(), depth: 0, nodes: 0 }.schema(document)
}

fn is_keyword(key: &str) -> bool {
    ONE_SCHEMA.contains(&key)
        || SCHEMA_LIST.contains(&key)
        || SCHEMA_MAP.contains(&key)
        || NUMBERS.contains(&key)
        || COUNTS.contains(&key)
        // a `title` or `description` alone is as likely a piece of data
        || ["type", "enum", "const", "required", "pattern", "format", "$ref", "$schema"].contains(&key)
}

struct Walk {
    pointer: String,
    depth: usize,
    nodes: usize,
}

impl Walk {
    fn schema(&mut self, schema: &Value) -> Result<(), SchemaError> {
        self.nodes += 1;
        if self.depth >= SCHEMA_DEPTH_LIMIT {
            return Err(SchemaError::TooLarge(format!("more than {SCHEMA_DEPTH_LIMIT} levels, {}; flatten it", self.pointer)));
        }
        if self.nodes > SCHEMA_NODE_LIMIT {
            return Err(SchemaError::TooLarge(format!("more than {SCHEMA_NODE_LIMIT} subschemas; split the question")));
        }
        let map = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(map) => map,
            other => {
                return self.wrong(format!("expected a schema (an object), found {}", excerpt_of_value(other)));
            }
        };
        for (key, value) in map {
            let length = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&pointer_step(key));
            self.depth += 1;
            self.keyword(key, value, map)?;
            self.depth -= 1;
            self.pointer.truncate(length);
        }
        Ok(())
    }

    fn keyword(&mut self, key: &str, value: &Value, owner: &Map<String, Value>) -> Result<(), SchemaError> {
        if ONE_SCHEMA.contains(&key) {
            return match value {
                Value::Array(schemas) if key == "items" => self.each(schemas),
                _ => self.schema(value),
            };
        }
        if SCHEMA_LIST.contains(&key) {
            return match value {
                Value::Array(schemas) if !schemas.is_empty() => self.each(schemas),
                _ => self.wanted(key, "a list of schemas, at least one", value),
            };
        }
        if SCHEMA_MAP.contains(&key) {
            return match value {
                Value::Object(schemas) => self.each_named(schemas, key == "dependencies"),
                _ => self.wanted(key, "an object of named schemas", value),
            };
        }
        match key {
            "type" => self.type_keyword(value),
            "$dynamicRef" | "$recursiveRef" => self.wrong(format!("`{key}` is not supported; refer with `$ref` to \"#/$defs/NAME\"")),
            // It would change what the references below it mean.
            "$id" if self.depth > 1 => self.wrong("`$id` is only supported at the root; leave it out here".to_owned()),
            "$schema" if value.as_str().is_some_and(is_before_draft_6) => {
                self.wrong("drafts before 6 are not supported; write the schema in draft 7 or 2020-12".to_owned())
            }
            "enum" if value.as_array().is_none_or(Vec::is_empty) => self.wanted(key, "a list of values, at least one", value),
            "required" => self.required(value, owner),
            "uniqueItems" if !value.is_boolean() => self.wanted(key, "true or false", value),
            "multipleOf" if value.as_f64().is_none_or(|number| number <= 0.0) => self.wanted(key, "a number above zero", value),
            _ if NUMBERS.contains(&key) && !value.is_number() => self.wanted(key, "a number", value),
            _ if COUNTS.contains(&key) && value.as_f64().is_none_or(|n| n < 0.0 || n.fract() != 0.0) => {
                self.wanted(key, "a whole number from 0", value)
            }
            _ if TEXTS.contains(&key) && !value.is_string() => self.wanted(key, "a text", value),
            _ => Ok(()),
        }
    }

    fn each(&mut self, schemas: &[Value]) -> Result<(), SchemaError> {
        for (index, schema) in schemas.iter().enumerate() {
            let length = self.pointer.len();
            self.pointer.push_str(&format!("/{index}"));
            self.schema(schema)?;
            self.pointer.truncate(length);
        }
        Ok(())
    }

    fn each_named(&mut self, schemas: &Map<String, Value>, lists_too: bool) -> Result<(), SchemaError> {
        for (name, schema) in schemas {
            if lists_too && schema.is_array() {
                continue;
            }
            let length = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&pointer_step(name));
            self.schema(schema)?;
            self.pointer.truncate(length);
        }
        Ok(())
    }

    fn type_keyword(&self, value: &Value) -> Result<(), SchemaError> {
        let names = match value {
            Value::Array(names) if !names.is_empty() => names.as_slice(),
            Value::String(_) => std::slice::from_ref(value),
            other => return self.wanted("type", "a type's name or a list of them", other),
        };
        for name in names {
            match name.as_str() {
                Some(known) if TYPE_NAMES.contains(&known) => {}
                Some(unknown) => return self.wrong(unknown_type(unknown)),
                None => return self.wanted("type", "a type's name or a list of them", value),
            }
        }
        Ok(())
    }

    fn required(&self, value: &Value, owner: &Map<String, Value>) -> Result<(), SchemaError> {
        let Some(names) = value.as_array() else {
            return self.wanted("required", "a list of property names", value);
        };
        for name in names {
            let Some(name) = name.as_str() else {
                return self.wanted("required", "a list of property names", value);
            };
            let Some(properties) = owner.get("properties").and_then(Value::as_object) else {
                continue;
            };
            if !properties.contains_key(name) && !takes_other_properties(owner) {
                let nearest = nearest(name, properties.keys().map(String::as_str));
                let hint = nearest.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
                return self.wrong(format!("\"{name}\" is required but is not among the properties{hint}"));
            }
        }
        Ok(())
    }

    fn wanted<T>(&self, key: &str, what: &str, found: &Value) -> Result<T, SchemaError> {
        self.wrong(format!("\"{key}\" must be {what}, found {}", excerpt_of_value(found)))
    }

    fn wrong<T>(&self, message: String) -> Result<T, SchemaError> {
        Err(SchemaError::NotASchema { pointer: self.pointer.clone(), message })
    }
}

/// Whether a required name may be described somewhere other than under `properties`.
fn takes_other_properties(owner: &Map<String, Value>) -> bool {
    ["allOf", "anyOf", "oneOf", "$ref", "if", "patternProperties"].iter().any(|key| owner.contains_key(*key))
        || owner.get("additionalProperties").is_some_and(|value| *value != Value::Bool(false))
}

fn is_before_draft_6(uri: &str) -> bool {
    ["draft-03", "draft-04"].iter().any(|draft| uri.contains(draft))
}

fn unknown_type(name: &str) -> String {
    let lower = name.to_lowercase();
    let habit = TYPE_HABITS.iter().find(|(habit, _)| *habit == lower).map(|(_, right)| *right);
    match habit.or_else(|| nearest(&lower, TYPE_NAMES.into_iter())) {
        Some(right) => format!("\"{name}\" is not a type; did you mean \"{right}\"?"),
        None => format!("\"{name}\" is not a type; types are {}", TYPE_NAMES.join(", ")),
    }
}

/// The candidate at most two edits away.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
