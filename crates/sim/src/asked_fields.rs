//! Prompts that ask for fields in a text, as programs write them: each under a line that names it (`[[ ## answer ## ]]`), or between
//! tags. Such a prompt is answered in the form it asks for, whole or as a stream.

use serde_json::{Map, Value, json};

/// The section that ends an answer.
const COMPLETED: &str = "completed";
/// Types nested deeper than this are any text.
const DEEP: u32 = 8;

/// How fields are told apart in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Markers,
    Tags,
}

/// What a prompt asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AskedFields {
    form: Form,
    /// A schema of an object with a member for each field.
    pub(crate) schema: Value,
    /// What the answer is about: the prompt without its form.
    pub(crate) about: String,
}

impl AskedFields {
    /// The fields that the last words of a user ask for, in backticks and in order; `texts` are all of the conversation.
    pub(crate) fn of<'t>(user: &str, texts: impl Iterator<Item = &'t str>) -> Option<AskedFields> {
        let (form, opening, closing) = match user.contains("`[[ ## ") {
            true => (Form::Markers, "`[[ ## ", " ## ]]`"),
            false => (Form::Tags, "`<", ">`"),
        };
        // the request is a paragraph of its own, behind the inputs
        let start = user.get(..user.rfind(opening)?)?.rfind("\n\n").map_or(0, |at| at + 2);
        let (inputs, request) = user.split_at(start);
        if form == Form::Tags && !request.contains("tag") {
            return None;
        }
        let mut fields: Vec<(&str, Option<&str>)> = Vec::new();
        for piece in request.split(opening).skip(1) {
            let (name, rest) = piece.split_once(closing)?;
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if is_name && name != COMPLETED && !fields.iter().any(|(known, _)| *known == name) {
                fields.push((name, in_parentheses(rest)));
            }
        }
        if fields.is_empty() {
            return None;
        }
        let notes: Vec<&str> = texts.flat_map(str::lines).filter(|line| line.starts_with('{')).collect();
        let (mut properties, mut definitions) = (Map::new(), Map::new());
        for (name, ty) in &fields {
            let mut schema = schema_of(name, *ty, &notes);
            if let Some(Value::Object(inner)) = schema.as_object_mut().and_then(|schema| schema.shift_remove("$defs")) {
                definitions.extend(inner);
            }
            properties.insert((*name).to_owned(), schema);
        }
        let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let schema = json!({ "type": "object", "properties": properties, "required": required, "$defs": definitions });
        let is_form = |line: &&str| !(line.starts_with("[[ ## ") && line.ends_with(" ## ]]"));
        let about = inputs.lines().filter(is_form).collect::<Vec<_>>().join("\n");
        Some(AskedFields { form, schema, about })
    }

    /// The fields of an instance of the schema in the form that was asked for.
    pub(crate) fn write(&self, made: &Value) -> String {
        let fields = made.as_object().into_iter().flatten();
        match self.form {
            Form::Markers => {
                let sections = fields.map(|(name, value)| format!("[[ ## {name} ## ]]\n{}\n\n", written(value)));
                format!("{}[[ ## {COMPLETED} ## ]]", sections.collect::<String>())
            }
            Form::Tags => fields.map(|(name, value)| format!("<{name}>\n{}\n</{name}>", written(value))).collect::<Vec<_>>().join("\n\n"),
        }
    }
}

/// Texts as they are, truth values and nothing as Python writes them, the rest as JSON.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// The type behind a name: `(int)`, `(must be formatted as a valid Python int)`. Words that are no type are none.
fn in_parentheses(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix(" (")?;
    let mut depth = 1;
    let end = inner.char_indices().find_map(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })?;
    let said = inner.get(..end)?;
    Some(said.rsplit_once("Python ").map_or(said, |(_, ty)| ty))
}

/// The schema of a field: of its type, else of what a note behind its place in the form says.
fn schema_of(name: &str, ty: Option<&str>, notes: &[&str]) -> Value {
    if let Some(schema) = ty.and_then(|ty| schema_of_type(ty, 0)) {
        return schema;
    }
    let place = format!("{{{name}}}");
    let note = notes.iter().rev().find_map(|line| line.strip_prefix(place.as_str())).unwrap_or_default();
    if let Some(schema) = note.find('{').and_then(|at| first_json(note.get(at..)?)) {
        return schema;
    }
    if let Some((_, labels)) = note.rsplit_once("one of: ") {
        return json!({ "enum": labels.split("; ").map(str::trim).collect::<Vec<_>>() });
    }
    let types = [("True or False", "boolean"), ("single int value", "integer"), ("single float value", "number")];
    let ty = types.into_iter().find_map(|(said, ty)| note.contains(said).then_some(ty));
    json!({ "type": ty.unwrap_or("string") })
}

fn first_json(text: &str) -> Option<Value> {
    let schema = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()?;
    schema.is_object().then_some(schema)
}

/// The JSON Schema of a type as Python writes it; none for a type that only its own program knows.
fn schema_of_type(ty: &str, depth: u32) -> Option<Value> {
    let ty = ty.trim();
    if depth > DEEP {
        return Some(json!({ "type": "string" }));
    }
    if let [first, second, more @ ..] = parts(ty, '|').as_slice() {
        let all = [first, second].into_iter().chain(more);
        return Some(json!({ "anyOf": all.map(|part| schema_of_type(part, depth + 1)).collect::<Option<Vec<_>>>()? }));
    }
    let (head, inner) = match ty.split_once('[') {
        Some((head, rest)) => (head.trim(), rest.strip_suffix(']')?),
        None => (ty, ""),
    };
    let inner = parts(inner, ',');
    let of = |place: usize| inner.get(place).map_or_else(|| Some(json!({ "type": "string" })), |one| schema_of_type(one, depth + 1));
    Some(match head.trim_start_matches("typing.") {
        "str" | "Any" | "Reasoning" => json!({ "type": "string" }),
        "int" => json!({ "type": "integer" }),
        "float" => json!({ "type": "number" }),
        "bool" => json!({ "type": "boolean" }),
        "None" | "NoneType" => json!({ "type": "null" }),
        "date" => json!({ "type": "string", "format": "date" }),
        "datetime" => json!({ "type": "string", "format": "date-time" }),
        "list" | "List" | "set" => json!({ "type": "array", "items": of(0)? }),
        "dict" | "Dict" => json!({ "type": "object", "additionalProperties": of(1)? }),
        "tuple" | "Tuple" => {
            let items = inner.iter().map(|one| schema_of_type(one, depth + 1)).collect::<Option<Vec<_>>>()?;
            json!({ "type": "array", "minItems": items.len(), "maxItems": items.len(), "prefixItems": items })
        }
        "Optional" => json!({ "anyOf": [of(0)?, { "type": "null" }] }),
        "Union" => json!({ "anyOf": inner.iter().map(|one| schema_of_type(one, depth + 1)).collect::<Option<Vec<_>>>()? }),
        "Literal" => json!({ "enum": inner.iter().map(|one| literal(one)).collect::<Vec<_>>() }),
        _ => return None,
    })
}

/// A value of a `Literal`.
fn literal(text: &str) -> Value {
    let text = text.trim();
    let quoted = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    match (quoted, text) {
        (Some(quoted), _) => quoted.into(),
        (None, "True") => true.into(),
        (None, "False") => false.into(),
        (None, "None") => Value::Null,
        (None, bare) => bare.parse::<i64>().map_or_else(|_| bare.into(), Value::from),
    }
}

/// The parts of a list, those inside brackets and quotes left whole.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut quote, mut start, mut found) = (0i32, None, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth -= 1,
            (None, c) if c == separator && depth == 0 => {
                found.extend(text.get(start..at));
                start = at + c.len_utf8();
            }
            (None, _) => {}
        }
    }
    found.extend(text.get(start..).filter(|last| !last.trim().is_empty()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: &str, system: &str) -> AskedFields {
        let user = format!("[[ ## review ## ]]\nA good lamp.\n\n{request}");
        AskedFields::of(&user, [system, user.as_str()].into_iter()).unwrap()
    }

    #[test]
    fn the_fields_of_a_request_are_found_with_their_types() {
        let asked = asked(
            "Respond with the corresponding output fields, starting with the field `[[ ## why ## ]]`, then `[[ ## n ## ]]` (must be formatted as a \
             valid Python Optional[int]), then `[[ ## label ## ]]` (must be formatted as a valid Python Literal['a, b', \"c\"]), then \
             `[[ ## tags ## ]]` (must be formatted as a valid Python list[dict[str, float]]), then `[[ ## who ## ]]` (must be formatted as a valid Python \
             Person), and then ending with the marker for `[[ ## completed ## ]]`.",
            "[[ ## who ## ]]\n{who}        # note: the value you produce must adhere to the JSON schema: {\"type\": \"object\", \"properties\": \
             {\"pet\": {\"$ref\": \"#/$defs/Pet\"}}, \"$defs\": {\"Pet\": {\"type\": \"string\"}}}",
        );
        assert_eq!(
            asked.schema["properties"],
            json!({
                "why": {"type": "string"},
                "n": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "label": {"enum": ["a, b", "c"]},
                "tags": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "number"}}},
                "who": {"type": "object", "properties": {"pet": {"$ref": "#/$defs/Pet"}}},
            })
        );
        assert_eq!(asked.schema["$defs"], json!({"Pet": {"type": "string"}}));
        assert_eq!(asked.about.trim(), "A good lamp.");
    }

    #[test]
    fn where_a_request_names_no_types_the_form_does() {
        let form = "<label>\n{label}        # note: the value you produce must exactly match (no extra characters) one of: good; bad\n</label>\n\
                    <n>\n{n}        # note: the value you produce must be a single int value\n</n>\n\
                    <sure>\n{sure}        # note: the value you produce must be True or False\n</sure>\n<why>\n{why}\n</why>";
        let request =
            "Respond with the corresponding output fields wrapped in XML tags `<label>`, then `<n>`, then `<sure>`, then `<why>`.";
        assert_eq!(
            asked(request, form).schema["properties"],
            json!({"label": {"enum": ["good", "bad"]}, "n": {"type": "integer"}, "sure": {"type": "boolean"}, "why": {"type": "string"}})
        );
    }

    #[test]
    fn each_form_is_written() {
        let made = json!({"why": "so", "sure": true, "n": null, "list": [1, "a"]});
        let markers = asked("Write `[[ ## why ## ]]`.", "");
        assert_eq!(
            markers.write(&made),
            "[[ ## why ## ]]\nso\n\n[[ ## sure ## ]]\nTrue\n\n[[ ## n ## ]]\nNone\n\n[[ ## list ## ]]\n[1,\"a\"]\n\n[[ ## completed ## ]]"
        );
        let tags = asked("Write the tags `<why>`, then `<sure>` (bool).", "");
        assert_eq!(tags.write(&json!({"why": "so", "sure": false})), "<why>\nso\n</why>\n\n<sure>\nFalse\n</sure>");
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for text in
            ["Say hello.", "What is `[[ ## completed ## ]]`?", "What does `<a href>` mean?", "`[[ ## open", "[[ ## text ## ]]\nplain"]
        {
            assert_eq!(AskedFields::of(text, std::iter::once(text)), None, "{text}");
        }
    }
}
