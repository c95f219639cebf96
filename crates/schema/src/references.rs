//! Writes a schema without the references that can be replaced by what they name: `$ref` is followed, `allOf` is merged
//! where that means the same. What refers to itself keeps a `$ref` into `$defs`.

use serde_json::{Map, Value, json};

use crate::document::{ONE_SCHEMA, SCHEMA_DEPTH_LIMIT, SCHEMA_LIST, SCHEMA_MAP, SCHEMA_NODE_LIMIT};
use crate::error::{SchemaError, pointer_step};

/// Keywords that say something to a reader and nothing to a validator.
pub(crate) const ANNOTATIONS: [&str; 9] =
    ["description", "title", "default", "examples", "$comment", "$schema", "deprecated", "readOnly", "writeOnly"];
/// Keywords whose meaning does not depend on their neighbours, so that two schemas holding them can become one.
const INDEPENDENT: [&str; 15] = [
    "type",
    "properties",
    "required",
    "enum",
    "const",
    "items",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "anyOf",
];

/// The document with its references resolved.
pub(crate) fn resolve(document: &Value) -> Result<Value, SchemaError> {
    let mut resolver = Resolver { document, open: Vec::new(), recursive: Vec::new(), consumed: 0, depth: 0, nodes: 0 };
    resolver.open.push(Open { reference: "#".to_owned(), consumed: 0 });
    let mut root = resolver.schema(document, "")?;
    let mut definitions = Map::new();
    let mut next = 0;
    // Writing one definition may find further recursive ones.
    while next < resolver.recursive.len() {
        let (reference, name) = resolver.recursive[next].clone();
        next += 1;
        let target = resolver.target(&reference, "")?;
        resolver.open = vec![Open { reference, consumed: resolver.consumed }];
        definitions.insert(name, resolver.schema(target, "")?);
    }
    if let (Some(map), false) = (root.as_object_mut(), definitions.is_empty()) {
        map.insert("$defs".to_owned(), Value::Object(definitions));
    }
    Ok(root)
}

struct Resolver<'a> {
    document: &'a Value,
    /// References being followed, outermost first.
    open: Vec<Open>,
    /// References found inside themselves, with the name each gets under `$defs`.
    recursive: Vec<(String, String)>,
    /// How many properties and items have been entered: recursion that enters none would never end.
    consumed: usize,
    depth: usize,
    nodes: usize,
}

struct Open {
    reference: String,
    consumed: usize,
}

impl<'a> Resolver<'a> {
    fn schema(&mut self, schema: &'a Value, pointer: &str) -> Result<Value, SchemaError> {
        let Some(map) = schema.as_object() else {
            return Ok(schema.clone());
        };
        self.nodes += 1;
        if self.nodes > SCHEMA_NODE_LIMIT || self.depth >= SCHEMA_DEPTH_LIMIT {
            return Err(SchemaError::TooLarge(format!(
                "with its references followed it has more than {SCHEMA_NODE_LIMIT} subschemas or {SCHEMA_DEPTH_LIMIT} levels"
            )));
        }
        self.depth += 1;
        let mut own = self.subschemas(map, pointer)?;
        let resolved = match map.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                own.remove("$ref");
                let target = self.follow(reference, pointer)?;
                merge_or_keep(vec![target], own)
            }
            None => match own.remove("allOf") {
                Some(Value::Array(parts)) => merge_or_keep(parts, own),
                _ => own,
            },
        };
        self.depth -= 1;
        Ok(Value::Object(resolved))
    }

    /// The schema's own keywords with every subschema resolved; definitions are left out.
    fn subschemas(&mut self, map: &'a Map<String, Value>, pointer: &str) -> Result<Map<String, Value>, SchemaError> {
        let mut own = Map::new();
        for (key, value) in map {
            if key == "$defs" || key == "definitions" {
                continue;
            }
            let place = format!("{pointer}/{}", pointer_step(key));
            let one = ONE_SCHEMA.contains(&key.as_str());
            // These apply to the same value as their owner; the others step into a part of it.
            let same_value =
                matches!(key.as_str(), "anyOf" | "oneOf" | "allOf" | "not" | "if" | "then" | "else" | "dependentSchemas" | "dependencies");
            self.consumed += usize::from(!same_value);
            let resolved = match value {
                Value::Array(schemas) if SCHEMA_LIST.contains(&key.as_str()) || one => {
                    let mut list = Vec::with_capacity(schemas.len());
                    for (index, schema) in schemas.iter().enumerate() {
                        list.push(self.schema(schema, &format!("{place}/{index}"))?);
                    }
                    Value::Array(list)
                }
                Value::Object(schemas) if SCHEMA_MAP.contains(&key.as_str()) => {
                    let mut named = Map::new();
                    for (name, schema) in schemas {
                        named.insert(name.clone(), self.schema(schema, &format!("{place}/{}", pointer_step(name)))?);
                    }
                    Value::Object(named)
                }
                Value::Object(_) if one => self.schema(value, &place)?,
                other => other.clone(),
            };
            self.consumed -= usize::from(!same_value);
            own.insert(key.clone(), resolved);
        }
        Ok(own)
    }

    fn follow(&mut self, reference: &str, pointer: &str) -> Result<Value, SchemaError> {
        if !reference.starts_with('#') {
            return Err(SchemaError::RemoteReference { pointer: pointer.to_owned(), reference: reference.to_owned() });
        }
        if let Some(open) = self.open.iter().find(|open| open.reference == reference) {
            if open.consumed == self.consumed {
                let message = format!("`$ref` to \"{reference}\" leads back to itself without entering a property or an item");
                return Err(SchemaError::NotASchema { pointer: pointer.to_owned(), message });
            }
            return Ok(json!({"$ref": format!("#/$defs/{}", pointer_step(&self.definition_name(reference)))}));
        }
        let target = self.target(reference, pointer)?;
        self.open.push(Open { reference: reference.to_owned(), consumed: self.consumed });
        let resolved = self.schema(target, pointer);
        self.open.pop();
        resolved
    }

    fn target(&self, reference: &str, pointer: &str) -> Result<&'a Value, SchemaError> {
        let path = percent_decoded(&reference[1..]);
        let document: &'a Value = self.document;
        document.pointer(&path).filter(|target| target.is_object() || target.is_boolean()).ok_or_else(|| {
            let message = format!("`$ref` to \"{reference}\" names nothing in this document");
            SchemaError::NotASchema { pointer: pointer.to_owned(), message }
        })
    }

    fn definition_name(&mut self, reference: &str) -> String {
        if let Some((_, name)) = self.recursive.iter().find(|(known, _)| known == reference) {
            return name.clone();
        }
        let last = reference.rsplit('/').next().unwrap_or("#").replace(['#', '~', '%'], "");
        let base = if last.is_empty() { "root".to_owned() } else { last };
        let mut name = base.clone();
        let mut number = 2;
        while self.recursive.iter().any(|(_, taken)| *taken == name) {
            name = format!("{base}{number}");
            number += 1;
        }
        self.recursive.push((reference.to_owned(), name.clone()));
        name
    }
}

/// One schema for `parts` and `own` together, or `own` with the parts under `allOf` where they do not merge.
fn merge_or_keep(parts: Vec<Value>, own: Map<String, Value>) -> Map<String, Value> {
    // What stands beside a reference is about this place, so it is laid over what the reference says.
    let merged =
        parts.iter().map(Value::as_object).chain(std::iter::once(Some(&own))).try_fold(Map::new(), |merged, part| merge(merged, part?));
    merged.unwrap_or_else(|| {
        let mut kept = own;
        kept.insert("allOf".to_owned(), Value::Array(parts));
        kept
    })
}

/// Both schemas as one, or `None` where that would change what they mean.
fn merge(mut base: Map<String, Value>, over: &Map<String, Value>) -> Option<Map<String, Value>> {
    if base.is_empty() {
        return Some(over.clone());
    }
    let constrains = |map: &Map<String, Value>| map.keys().any(|key| !ANNOTATIONS.contains(&key.as_str()));
    let dependent =
        |map: &Map<String, Value>| map.keys().any(|key| !ANNOTATIONS.contains(&key.as_str()) && !INDEPENDENT.contains(&key.as_str()));
    if constrains(over) && constrains(&base) && (dependent(over) || dependent(&base)) {
        return None;
    }
    for (key, value) in over {
        let Some(present) = base.get_mut(key) else {
            base.insert(key.clone(), value.clone());
            continue;
        };
        match (key.as_str(), present, value) {
            (key, present, _) if ANNOTATIONS.contains(&key) => *present = value.clone(),
            (_, present, value) if present == value => {}
            ("properties", Value::Object(present), Value::Object(more)) => {
                for (name, schema) in more {
                    if present.get(name).is_some_and(|known| known != schema) {
                        return None;
                    }
                    present.insert(name.clone(), schema.clone());
                }
            }
            ("required", Value::Array(present), Value::Array(more)) => {
                for name in more {
                    if !present.contains(name) {
                        present.push(name.clone());
                    }
                }
            }
            _ => return None,
        }
    }
    Some(base)
}

/// A URI fragment with its `%xx` decoded; anything malformed stays as it is.
fn percent_decoded(fragment: &str) -> String {
    let bytes = fragment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| fragment.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| fragment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_replaced_and_its_neighbours_win() {
        let resolved = resolve(&json!({
            "properties": {"a": {"$ref": "#/$defs/Word", "description": "here"}},
            "$defs": {"Word": {"type": "string", "description": "there"}}
        }))
        .unwrap();
        assert_eq!(resolved, json!({"properties": {"a": {"type": "string", "description": "here"}}}));
    }

    #[test]
    fn recursion_keeps_one_reference() {
        let resolved = resolve(&json!({
            "$ref": "#/definitions/Tree",
            "definitions": {"Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}}}}
        }))
        .unwrap();
        assert_eq!(resolved["properties"]["kids"]["items"], json!({"$ref": "#/$defs/Tree"}));
        assert_eq!(resolved["$defs"]["Tree"]["properties"]["kids"]["items"], json!({"$ref": "#/$defs/Tree"}));
    }

    #[test]
    fn a_reference_that_only_leads_to_itself_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]}}}),
        ] {
            assert!(matches!(resolve(&schema), Err(SchemaError::NotASchema { .. })), "{schema}");
        }
    }

    #[test]
    fn doubling_references_hit_the_limit() {
        let mut definitions = Map::new();
        for level in 0..40 {
            let below = json!({"$ref": format!("#/$defs/n{}", level + 1)});
            definitions.insert(format!("n{level}"), json!({"properties": {"a": below, "b": below}}));
        }
        definitions.insert("n40".to_owned(), json!({"type": "string"}));
        let schema = json!({"$ref": "#/$defs/n0", "$defs": definitions});
        assert!(matches!(resolve(&schema), Err(SchemaError::TooLarge(_))));
    }

    #[test]
    fn parts_that_contradict_stay_apart() {
        let schema = json!({"allOf": [{"type": "string"}, {"type": "integer"}]});
        assert_eq!(resolve(&schema).unwrap(), schema);
        let closed = json!({"allOf": [
            {"type": "object", "properties": {"a": {}}, "additionalProperties": false},
            {"type": "object", "properties": {"b": {}}}
        ]});
        assert_eq!(resolve(&closed).unwrap(), closed);
        let open = json!({"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]});
        assert_eq!(resolve(&open).unwrap(), json!({"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}));
    }
}
