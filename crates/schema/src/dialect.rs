//! The same schema in the forms endpoints accept: the strict subset, and draft 7 for a tool's parameters.

use serde_json::{Map, Value, json};

use crate::constraint::described;
use crate::document::{ONE_SCHEMA, SCHEMA_LIST, SCHEMA_MAP};
use crate::error::pointer_step;

/// Which form of a schema to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// As it was given.
    Original,
    /// The subset OpenAI and Azure accept with `strict: true`: every object closed, every property required (an optional
    /// one may be null), no keyword beyond the structural ones; the others are said in the descriptions.
    Strict,
    /// JSON Schema draft 7 with an object at the root, as tool parameters are usually read.
    Draft7Tool,
}

/// The property a root that is not an object is put into.
pub(crate) const WRAPPER: &str = "value";

/// Limits of the strict subset as OpenAI documents them.
const STRICT_DEPTH: usize = 10;
const STRICT_PROPERTIES: usize = 5000;
const STRICT_ENUM_VALUES: usize = 1000;

/// The strict form of a resolved schema, and every reason why it does not mean the same as the original.
pub(crate) fn strict(resolved: &Value, root_is_object: bool) -> (Value, Vec<String>) {
    let mut writer = Strict { reasons: Vec::new(), depth: 0, properties: 0, enum_values: 0, too_deep: false };
    let mut root = writer.schema(resolved, "");
    let definitions = resolved.get("$defs").and_then(Value::as_object).map(|definitions| {
        let written =
            definitions.iter().map(|(name, schema)| (name.clone(), writer.schema(schema, &format!("/$defs/{}", pointer_step(name)))));
        Value::Object(written.collect())
    });
    if root_is_object {
        // A root that may be null still has to say "object" alone.
        root["type"] = json!("object");
    } else {
        root = json!({
            "type": "object",
            "properties": {WRAPPER: root},
            "required": [WRAPPER],
            "additionalProperties": false
        });
    }
    if let Some(definitions) = definitions {
        root["$defs"] = definitions;
    }
    writer.check_limits();
    (root, writer.reasons)
}

struct Strict {
    reasons: Vec<String>,
    depth: usize,
    properties: usize,
    enum_values: usize,
    too_deep: bool,
}

impl Strict {
    fn schema(&mut self, schema: &Value, pointer: &str) -> Value {
        let Some(map) = schema.as_object() else {
            self.refuse(pointer, "anything at all is allowed here, and the strict form needs a type");
            return json!({});
        };
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            if !reference.starts_with("#/$defs/") {
                self.refuse(pointer, "a reference by anchor cannot be followed");
            }
            return json!({"$ref": reference});
        }
        for keyword in map.keys() {
            if INEXPRESSIBLE.contains(&keyword.as_str()) {
                self.refuse(pointer, &format!("the keyword `{keyword}` has no strict form"));
            }
        }
        let mut written = Map::new();
        if let Some(text) = described(map) {
            written.insert("description".to_owned(), Value::String(text));
        }
        if let Some((keyword, branches)) = ["anyOf", "oneOf"].iter().find_map(|keyword| Some((keyword, map.get(*keyword)?.as_array()?))) {
            let branches = branches.iter().enumerate();
            let branches = branches.map(|(i, branch)| self.schema(branch, &format!("{pointer}/{keyword}/{i}"))).collect();
            written.insert("anyOf".to_owned(), Value::Array(branches));
            if ["properties", "items", "enum", "const"].iter().any(|keyword| map.contains_key(*keyword)) {
                self.refuse(pointer, &format!("`{keyword}` beside other keywords has no strict form"));
            }
            return Value::Object(written);
        }
        self.typed(map, pointer, &mut written);
        Value::Object(written)
    }

    fn typed(&mut self, map: &Map<String, Value>, pointer: &str, written: &mut Map<String, Value>) {
        let values = match (map.get("const"), map.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => Some(vec![value.clone()]),
            (None, values) => values.cloned(),
        };
        let declared = map.get("type").cloned();
        let inferred = || {
            let from_values = values.as_ref().map(|values| type_of_values(values));
            let from_keywords = || {
                let object = map.contains_key("properties").then(|| json!("object"));
                object.or_else(|| map.contains_key("items").then(|| json!("array")))
            };
            from_values.or_else(from_keywords)
        };
        let Some(name) = declared.or_else(inferred) else {
            return self.refuse(pointer, "anything at all is allowed here, and the strict form needs a type");
        };
        let is = |wanted: &str| name == wanted || name.as_array().is_some_and(|names| names.iter().any(|n| n == wanted));
        written.insert("type".to_owned(), name.clone());
        if let Some(values) = values {
            self.enum_values += values.len();
            written.insert("enum".to_owned(), Value::Array(values));
            return;
        }
        if is("array") {
            let item = match map.get("items") {
                Some(items) => self.nested(items, &format!("{pointer}/items")),
                None => self.nested(&Value::Bool(true), pointer),
            };
            written.insert("items".to_owned(), item);
        }
        if is("object") {
            self.object(map, pointer, written);
        }
    }

    fn object(&mut self, map: &Map<String, Value>, pointer: &str, written: &mut Map<String, Value>) {
        let Some(properties) = map.get("properties").and_then(Value::as_object).filter(|map| !map.is_empty()) else {
            if map.get("additionalProperties") == Some(&Value::Bool(false)) {
                written.insert("properties".to_owned(), json!({}));
                written.insert("required".to_owned(), json!([]));
                written.insert("additionalProperties".to_owned(), Value::Bool(false));
            } else {
                // Closing an object that names no properties would forbid every key.
                self.refuse(pointer, "an object with free keys has no strict form; name its properties");
            }
            return;
        };
        if map.get("additionalProperties").is_some_and(Value::is_object) {
            self.refuse(pointer, "an object with free keys beside its properties has no strict form");
        }
        let required = map.get("required").and_then(Value::as_array);
        let mut closed = Map::new();
        for (name, schema) in properties {
            self.properties += 1;
            let mut property = self.nested(schema, &format!("{pointer}/properties/{}", pointer_step(name)));
            if !required.is_some_and(|names| names.iter().any(|known| known == name)) {
                property = or_null(property);
            }
            closed.insert(name.clone(), property);
        }
        let names = closed.keys().map(|name| Value::String(name.clone())).collect();
        written.insert("properties".to_owned(), Value::Object(closed));
        written.insert("required".to_owned(), Value::Array(names));
        written.insert("additionalProperties".to_owned(), Value::Bool(false));
    }

    fn nested(&mut self, schema: &Value, pointer: &str) -> Value {
        self.depth += 1;
        self.too_deep |= self.depth > STRICT_DEPTH;
        let written = self.schema(schema, pointer);
        self.depth -= 1;
        written
    }

    fn refuse(&mut self, pointer: &str, why: &str) {
        let place = if pointer.is_empty() { "the root" } else { pointer };
        self.reasons.push(format!("at {place}: {why}"));
    }

    fn check_limits(&mut self) {
        if self.too_deep {
            self.reasons.push(format!("it nests deeper than the {STRICT_DEPTH} levels strict endpoints take"));
        }
        for (count, limit, what) in
            [(self.properties, STRICT_PROPERTIES, "properties"), (self.enum_values, STRICT_ENUM_VALUES, "enum values")]
        {
            if count > limit {
                self.reasons.push(format!("it has {count} {what}, strict endpoints take {limit}"));
            }
        }
    }
}

/// Keywords whose loss could let a wrong answer through in a way a description cannot mend.
const INEXPRESSIBLE: [&str; 15] = [
    "allOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "patternProperties",
    "propertyNames",
    "contains",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// The same schema with null allowed as well.
fn or_null(mut schema: Value) -> Value {
    let null = json!("null");
    let Some(map) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Array(branches)) = map.get_mut("anyOf") {
        if !branches.iter().any(|branch| branch["type"] == "null") {
            branches.push(json!({"type": "null"}));
        }
        return schema;
    }
    match map.get_mut("type") {
        Some(Value::Array(names)) if !names.contains(&null) => names.push(null),
        Some(Value::String(name)) if name != "null" => {
            let names = json!([name, "null"]);
            map.insert("type".to_owned(), names);
        }
        Some(_) => {}
        None => return json!({"anyOf": [schema, {"type": "null"}]}),
    }
    if let Some(Value::Array(values)) = map.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    schema
}

fn type_of_values(values: &[Value]) -> Value {
    let mut names: Vec<Value> = Vec::new();
    for value in values {
        let name = json!(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        });
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() == 1 { names.remove(0) } else { Value::Array(names) }
}

/// The schema as a draft 7 document with an object at its root.
pub(crate) fn draft7_tool(resolved: &Value, root_is_object: bool) -> Value {
    let mut root = draft7(resolved);
    let definitions = root.as_object_mut().and_then(|map| map.shift_remove("definitions"));
    if root_is_object {
        root["type"] = json!("object");
    } else {
        root = json!({"type": "object", "properties": {WRAPPER: root}, "required": [WRAPPER]});
    }
    if let Some(definitions) = definitions {
        root["definitions"] = definitions;
    }
    root
}

fn draft7(schema: &Value) -> Value {
    let Some(map) = schema.as_object() else {
        return schema.clone();
    };
    let tuple = map.contains_key("prefixItems");
    let mut written = Map::new();
    for (keyword, value) in map {
        let name = match keyword.as_str() {
            "$schema" | "$id" | "$comment" | "unevaluatedItems" | "unevaluatedProperties" | "minContains" | "maxContains" => continue,
            "$defs" => "definitions",
            "prefixItems" => "items",
            "items" if tuple => "additionalItems",
            "dependentSchemas" | "dependentRequired" => "dependencies",
            same => same,
        };
        let value = match value {
            Value::String(reference) if keyword == "$ref" => Value::String(reference.replacen("#/$defs/", "#/definitions/", 1)),
            Value::Array(schemas) if SCHEMA_LIST.contains(&keyword.as_str()) || keyword == "items" => {
                Value::Array(schemas.iter().map(draft7).collect())
            }
            Value::Object(schemas) if SCHEMA_MAP.contains(&keyword.as_str()) => {
                Value::Object(schemas.iter().map(|(name, schema)| (name.clone(), draft7(schema))).collect())
            }
            Value::Object(_) if ONE_SCHEMA.contains(&keyword.as_str()) => draft7(value),
            other => other.clone(),
        };
        written.insert(name.to_owned(), value);
    }
    Value::Object(written)
}
