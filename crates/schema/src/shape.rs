//! A schema compiled to the tree that answers are held against, and whether that tree says all the schema says.

use serde_json::{Map, Value};

use crate::kind::{Field, Type};
use crate::references::ANNOTATIONS;

/// What a place in an answer must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything: either truly anything or something only the full validator understands.
    Any,
    String,
    Integer,
    Number,
    Boolean,
    Date,
    DateTime,
    Enum(Vec<String>),
    List(Box<Shape>),
    Object(Object),
}

/// An object; without members it is a free-form map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) members: Vec<Member>,
    /// Whether names other than the members' are forbidden.
    pub(crate) closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) description: Option<String>,
}

/// The shape of a resolved schema. The second value tells whether the shape alone decides; where it is false, the full
/// validator has to be asked too.
pub(crate) fn compile(resolved: &Value) -> (Shape, bool) {
    let mut compiler = Compiler { complete: true };
    let shape = compiler.shape(resolved);
    (shape, compiler.complete)
}

/// Keywords the shape takes account of wherever they stand; `$defs` only matter to a `$ref`, which is looked at itself.
const UNDERSTOOD: [&str; 12] =
    ["type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "format", "$defs", "$id"];

struct Compiler {
    complete: bool,
}

impl Compiler {
    fn shape(&mut self, schema: &Value) -> Shape {
        let Some(map) = schema.as_object() else {
            self.complete &= *schema == Value::Bool(true);
            return any();
        };
        let all_understood = map.keys().all(|key| UNDERSTOOD.contains(&key.as_str()) || ANNOTATIONS.contains(&key.as_str()));
        self.complete &= all_understood;
        if map.contains_key("$ref") {
            return self.undecided(false);
        }
        if let Some((keyword, Value::Array(branches))) = ["anyOf", "oneOf"].iter().find_map(|k| map.get_key_value(*k)) {
            return self.union(keyword, branches, map);
        }
        let (names, null_by_type) = type_names(map);
        if let Some(values) = allowed_values(map) {
            return self.one_of(values, &names, null_by_type);
        }
        let name = match names.as_slice() {
            [] if null_by_type == Some(true) => return self.undecided(true),
            [] => inferred_type(map),
            [one] => Some(*one),
            ["integer", "number"] | ["number", "integer"] => Some("number"),
            _ => return self.undecided(null_by_type == Some(true)),
        };
        let kind = match name {
            Some("string") => self.text(map),
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("array") => self.list(map),
            Some("object") => self.object(map),
            _ => return any(),
        };
        Shape { kind, nullable: null_by_type == Some(true) }
    }

    /// A union with null is an optional value, a union of fixed texts is an enum; others are left to the validator.
    fn union(&mut self, keyword: &str, branches: &[Value], owner: &Map<String, Value>) -> Shape {
        let alone = owner.keys().all(|key| key == keyword || key == "$defs" || ANNOTATIONS.contains(&key.as_str()));
        let rest: Vec<&Value> = branches.iter().filter(|branch| !is_null_schema(branch)).collect();
        let nullable = rest.len() < branches.len();
        self.complete &= alone && branches.len() - rest.len() <= 1;
        if !alone {
            return self.undecided(nullable);
        }
        if let [only] = rest.as_slice() {
            let inner = self.shape(only);
            // `oneOf` refuses what two branches accept.
            self.complete &= keyword == "anyOf" || !(nullable && (inner.nullable || inner.kind == Kind::Any));
            return Shape { kind: inner.kind, nullable: inner.nullable || nullable };
        }
        match fixed_texts(&rest) {
            Some(labels) => Shape { kind: Kind::Enum(labels), nullable },
            None => self.undecided(nullable),
        }
    }

    fn one_of(&mut self, values: Vec<&Value>, names: &[&str], null_by_type: Option<bool>) -> Shape {
        let nullable = null_by_type.unwrap_or(true) && values.iter().any(|value| value.is_null());
        let values: Vec<&Value> = values.into_iter().filter(|value| !value.is_null()).collect();
        let texts: Vec<String> = values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        if !texts.is_empty() && texts.len() == values.len() && matches!(names, [] | ["string"]) {
            return Shape { kind: Kind::Enum(texts), nullable };
        }
        self.complete = false;
        let kind = match names {
            ["integer"] => Kind::Integer,
            ["number"] => Kind::Number,
            ["boolean"] => Kind::Boolean,
            [] if values.iter().all(|value| value.is_i64()) && !values.is_empty() => Kind::Integer,
            [] if values.iter().all(|value| value.is_number()) && !values.is_empty() => Kind::Number,
            _ => Kind::Any,
        };
        Shape { kind, nullable }
    }

    fn text(&mut self, map: &Map<String, Value>) -> Kind {
        match map.get("format").and_then(Value::as_str) {
            None => Kind::String,
            Some("date") => Kind::Date,
            Some("date-time") => Kind::DateTime,
            Some(_) => {
                self.complete = false;
                Kind::String
            }
        }
    }

    fn list(&mut self, map: &Map<String, Value>) -> Kind {
        let item = match map.get("items") {
            Some(Value::Array(_)) => self.undecided(true),
            _ if map.contains_key("prefixItems") => self.undecided(true),
            Some(items) => self.shape(items),
            None => any(),
        };
        Kind::List(Box::new(item))
    }

    fn object(&mut self, map: &Map<String, Value>) -> Kind {
        let closed = match map.get("additionalProperties") {
            None | Some(Value::Bool(true)) => false,
            Some(Value::Bool(false)) => !map.contains_key("patternProperties"),
            Some(_) => {
                self.complete = false;
                false
            }
        };
        let required: Vec<&str> = map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut members = Vec::new();
        for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            members.push(Member {
                name: name.clone(),
                shape: self.shape(schema),
                required: required.contains(&name.as_str()),
                description: schema.get("description").and_then(Value::as_str).map(str::to_owned),
            });
        }
        self.complete &= required.iter().all(|name| members.iter().any(|member| member.name == *name));
        Kind::Object(Object { members, closed })
    }

    /// A place only the validator can judge. `nullable` says whether null is known to be welcome, which decides what a
    /// null for an optional property means.
    fn undecided(&mut self, nullable: bool) -> Shape {
        self.complete = false;
        Shape { kind: Kind::Any, nullable }
    }
}

fn any() -> Shape {
    Shape { kind: Kind::Any, nullable: true }
}

/// The type names without null, and whether null is among them (`None`: no `type` keyword).
fn type_names(map: &Map<String, Value>) -> (Vec<&str>, Option<bool>) {
    let names: Vec<&str> = match map.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return (Vec::new(), None),
    };
    let null = names.contains(&"null");
    (names.into_iter().filter(|name| *name != "null").collect(), Some(null))
}

fn allowed_values(map: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (map.get("enum"), map.get("const")) {
        (Some(Value::Array(values)), None) => Some(values.iter().collect()),
        (None, Some(value)) => Some(vec![value]),
        // Both at once is a contradiction or a repetition; the narrower one is enough to describe it.
        (Some(_), Some(value)) => Some(vec![value]),
        _ => None,
    }
}

/// What a schema without `type` is evidently about.
fn inferred_type(map: &Map<String, Value>) -> Option<&'static str> {
    if map.contains_key("properties") {
        Some("object")
    } else if map.contains_key("items") {
        Some("array")
    } else {
        None
    }
}

fn is_null_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null") || schema.get("const").is_some_and(Value::is_null)
}

/// The texts of a union whose every branch is a fixed text, as Rust enums with documented variants are described.
fn fixed_texts(branches: &[&Value]) -> Option<Vec<String>> {
    let mut labels: Vec<String> = Vec::new();
    for branch in branches {
        let map = branch.as_object()?;
        let plain = map.keys().all(|key| ["type", "const", "enum"].contains(&key.as_str()) || ANNOTATIONS.contains(&key.as_str()));
        if !plain || map.get("type").is_some_and(|name| name != "string") {
            return None;
        }
        for value in allowed_values(map)? {
            let label = value.as_str()?.to_owned();
            if labels.contains(&label) {
                return None;
            }
            labels.push(label);
        }
    }
    (!labels.is_empty()).then_some(labels)
}

impl Shape {
    /// The view that others build columns from.
    pub(crate) fn to_type(&self) -> Type {
        match &self.kind {
            Kind::Any => Type::Json,
            Kind::String => Type::String,
            Kind::Integer => Type::Integer,
            Kind::Number => Type::Number,
            Kind::Boolean => Type::Boolean,
            Kind::Date => Type::Date,
            Kind::DateTime => Type::DateTime,
            Kind::Enum(labels) => Type::Enum(labels.clone()),
            Kind::List(item) => Type::List(Box::new(item.to_type())),
            Kind::Object(object) if object.members.is_empty() => Type::Json,
            Kind::Object(object) => Type::Struct(object.members.iter().map(Member::to_field).collect()),
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// What a person reads as "expected …".
    pub(crate) fn expectation(&self) -> String {
        let what = match &self.kind {
            Kind::Any => "JSON".to_owned(),
            Kind::String => "a string".to_owned(),
            Kind::Integer => "an integer".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Date => "a date such as \"2024-01-31\"".to_owned(),
            Kind::DateTime => "a date and time with its offset, such as \"2024-01-31T09:30:00Z\"".to_owned(),
            Kind::Enum(labels) => one_of_text(labels),
            Kind::List(_) => "an array".to_owned(),
            Kind::Object(object) if object.members.is_empty() => "an object".to_owned(),
            Kind::Object(object) => {
                let mut names: Vec<String> = object.members.iter().take(SHOWN_NAMES).map(|member| format!("\"{}\"", member.name)).collect();
                if object.members.len() > SHOWN_NAMES {
                    names.push("…".to_owned());
                }
                format!("an object with {}", names.join(", "))
            }
        };
        if self.nullable && self.kind != Kind::Any { format!("{what}, or null") } else { what }
    }
}

const SHOWN_NAMES: usize = 8;
const SHOWN_LABELS: usize = 12;

fn one_of_text(labels: &[String]) -> String {
    let shown: Vec<String> = labels.iter().take(SHOWN_LABELS).map(|label| format!("\"{label}\"")).collect();
    if labels.len() > SHOWN_LABELS {
        return format!("one of {}, … ({} in all)", shown.join(", "), labels.len());
    }
    match shown.as_slice() {
        [only] => only.clone(),
        _ => format!("one of {}", shown.join(", ")),
    }
}

impl Member {
    fn to_field(&self) -> Field {
        Field { name: self.name.clone(), ty: self.shape.to_type(), required: self.required, description: self.description.clone() }
    }
}
