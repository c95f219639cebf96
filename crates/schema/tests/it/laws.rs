//! Laws that hold for every schema and every text: round trips, no repair of what is right, no panic at all.

use corsac_schema::{Dialect, Field, Schema, Type};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn label() -> impl Strategy<Value = String> {
    "[a-zäÖ0-9 '\",()<>.-]{1,8}".prop_filter("blank", |text| !text.trim().is_empty())
}

fn field(ty: impl Strategy<Value = Type>) -> impl Strategy<Value = Field> {
    (label(), ty, any::<bool>(), proptest::option::of("\\PC{0,12}")).prop_map(|(name, ty, required, description)| Field {
        name,
        ty,
        required,
        description,
    })
}

fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::String),
        Just(Type::Integer),
        Just(Type::Number),
        Just(Type::Boolean),
        Just(Type::Date),
        Just(Type::DateTime),
        Just(Type::Json),
        proptest::collection::btree_set(label(), 1..5).prop_map(|labels| Type::Enum(labels.into_iter().collect())),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| Type::List(Box::new(item))),
            vec(field(inner), 1..4).prop_map(|mut fields| {
                fields.sort_by(|a, b| a.name.cmp(&b.name));
                fields.dedup_by(|a, b| a.name == b.name);
                Type::Struct(fields)
            }),
        ]
    })
}

/// An answer of the type, its choices taken from `seed`.
fn answer_of(ty: &Type, seed: &mut u64) -> Value {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let pick = *seed >> 33;
    match ty {
        Type::String => Value::from(["", "it's {\"so\": 1}", "```\n// ü", "true"][(pick % 4) as usize]),
        Type::Integer => Value::from(pick as i64 - (1 << 30)),
        Type::Number => Value::from(pick as f64 / 7.0),
        Type::Boolean => Value::from(pick.is_multiple_of(2)),
        Type::Date => Value::from("2024-02-29"),
        Type::DateTime => Value::from("2024-02-29T10:00:00.5+01:00"),
        Type::Json => serde_json::json!([pick, null, {"a": "b"}]),
        Type::Enum(labels) => Value::from(labels[pick as usize % labels.len()].as_str()),
        Type::List(item) => (0..pick % 3).map(|_| answer_of(item, seed)).collect(),
        Type::Struct(fields) => {
            let mut map = Map::new();
            for field in fields {
                let value = answer_of(&field.ty, seed);
                if field.required || *seed >> 40 & 1 == 0 {
                    map.insert(field.name.clone(), value);
                }
            }
            Value::Object(map)
        }
    }
}

/// The same answer as a strict endpoint gives it: null for what is absent, under `value` where the root is no object.
fn as_strict(ty: &Type, value: &Value) -> Value {
    match (ty, value) {
        (Type::Struct(fields), Value::Object(map)) => Value::Object(
            fields
                .iter()
                .map(|field| {
                    let value = map.get(&field.name).map_or(Value::Null, |value| as_strict(&field.ty, value));
                    (field.name.clone(), value)
                })
                .collect(),
        ),
        (Type::List(item), Value::Array(values)) => values.iter().map(|value| as_strict(item, value)).collect(),
        _ => value.clone(),
    }
}

/// The type with free JSON required: null for an optional one is not told from its absence.
fn with_json_required(ty: Type) -> Type {
    match ty {
        Type::List(item) => Type::List(Box::new(with_json_required(*item))),
        Type::Struct(fields) => Type::Struct(
            fields
                .into_iter()
                .map(|field| Field { required: field.required || field.ty == Type::Json, ty: with_json_required(field.ty), ..field })
                .collect(),
        ),
        other => other,
    }
}

/// Documents made of JSON Schema's words, right and wrong.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3..9i64).prop_map(Value::from),
        prop::sample::select(vec!["string", "object", "array", "integer", "null", "#", "#/$defs/a", "#/anyOf/0", "a", "date", "(", "^a"])
            .prop_map(Value::from),
    ];
    let keyword = prop::sample::select(vec![
        "type",
        "properties",
        "required",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "enum",
        "const",
        "$ref",
        "$defs",
        "additionalProperties",
        "minimum",
        "maxLength",
        "pattern",
        "format",
        "prefixItems",
        "dependencies",
        "dependentSchemas",
        "contains",
        "propertyNames",
        "unevaluatedProperties",
        "$id",
        "$schema",
        "$anchor",
        "$dynamicRef",
        "a",
    ]);
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((keyword.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

fn schemas() -> Vec<Schema> {
    let recursive = serde_json::json!({
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 3}, "kids": {"type": "array", "items": {"$ref": "#"}}}
    });
    vec![
        Schema::from_text("a string, b int?, c list<enum(x, y)>?, d struct{e date?}?").unwrap(),
        Schema::labels(&["positive".to_owned(), "negative".to_owned()]).unwrap(),
        Schema::from_text("list<float>").unwrap(),
        Schema::from_text("json").unwrap(),
        Schema::from_json(recursive).unwrap(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_short_form_of_a_type_reads_back(ty in types()) {
        let schema = Schema::from_type(&ty).unwrap();
        prop_assert_eq!(schema.kind(), &ty);
        let text = schema.short_form();
        let again = Schema::from_text(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(again.kind(), &ty);
        prop_assert_eq!(again.fingerprint_text(), schema.fingerprint_text());
    }

    #[test]
    fn a_right_answer_needs_no_repair(ty in types(), mut seed in any::<u64>(), pretty in any::<bool>()) {
        let schema = Schema::from_type(&ty).unwrap();
        let value = answer_of(&ty, &mut seed);
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        let read = schema.read(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(&read.value, &value);
        prop_assert!(read.repairs.is_empty());
        if value.is_object() || value.is_array() {
            prop_assert_eq!(schema.read_truncated(&text).unwrap().value, value);
        }
    }

    #[test]
    fn fences_and_prose_change_nothing(ty in types(), mut seed in any::<u64>()) {
        let ty = Type::Struct(vec![Field::new("it", ty)]);
        let schema = Schema::from_type(&ty).unwrap();
        let value = answer_of(&ty, &mut seed);
        let read = schema.read(&format!("Here:\n```json\n{value}\n```\nBye.")).map_err(|error| TestCaseError::fail(format!("{value}\n{error}")))?;
        prop_assert_eq!(read.value, value);
    }

    #[test]
    fn a_strict_answer_reads_as_the_original_one(ty in types(), mut seed in any::<u64>()) {
        let ty = with_json_required(ty);
        let schema = Schema::from_type(&ty).unwrap();
        let value = answer_of(&ty, &mut seed);
        let mut strict = as_strict(&ty, &value);
        if !matches!(ty, Type::Struct(_)) {
            strict = serde_json::json!({"value": strict});
        }
        if schema.strict_possible().is_ok() {
            let asked = Schema::from_json((*schema.dialect(Dialect::Strict)).clone()).unwrap();
            prop_assert!(asked.read(&strict.to_string()).unwrap().repairs.is_empty());
        }
        let read = schema.read(&strict.to_string()).map_err(|error| TestCaseError::fail(format!("{strict}\n{error}")))?;
        prop_assert_eq!(read.value, value);
        prop_assert!(read.repairs.is_empty());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", json in "[\\[\\]{}:,'\"\\\\`#/*a-eu0-9.\n\u{feff}“” -]{0,80}") {
        for schema in schemas() {
            for answer in [&text, &json] {
                if let Ok(read) = schema.read(answer) {
                    // What was read is valid: it reads again as itself without repair.
                    let again = schema.read(&read.value.to_string()).map_err(|error| TestCaseError::fail(format!("{answer}\n{error}")))?;
                    prop_assert!(again.repairs.is_empty(), "{} {:?}", answer, again.repairs);
                }
                let _ = schema.read_truncated(answer);
            }
        }
    }

    #[test]
    fn no_slip_in_json_makes_the_reader_panic(mut seed in any::<u64>(), cut in any::<(prop::sample::Index, prop::sample::Index)>(), put in "[\\[\\]{}:,'\"\\\\`#é]{0,3}") {
        for schema in schemas() {
            let text = answer_of(schema.kind(), &mut seed).to_string();
            let from = cut.0.index(text.len() + 1);
            let to = cut.1.index(text.len() + 1);
            let (from, to) = (from.min(to), from.max(to));
            let bytes = [&text.as_bytes()[..from], put.as_bytes(), &text.as_bytes()[to..]].concat();
            let mutated = String::from_utf8_lossy(&bytes);
            if let Ok(read) = schema.read(&mutated) {
                prop_assert!(schema.read(&read.value.to_string()).unwrap().repairs.is_empty());
            }
            let _ = schema.read_truncated(&mutated);
        }
    }

    #[test]
    fn no_document_makes_anything_panic(document in documents(), answer in documents()) {
        for root in [document.clone(), serde_json::json!({"type": "object", "properties": {"a": document}, "$defs": {"a": {"type": "string"}}})] {
            let Ok(schema) = Schema::from_json(root) else { continue };
            let _ = schema.strict_possible();
            let _ = (schema.dialect(Dialect::Draft7Tool), schema.outline(), schema.estimated_tokens(), schema.short_form());
            for answer in [answer.clone(), serde_json::json!({"a": answer})] {
                let _ = schema.read(&answer.to_string());
            }
        }
    }

    #[test]
    fn no_text_makes_the_schema_reader_panic(text in "\\PC{0,40}", near in "[a-c<>{}()\\[\\],'\"?:\n ]{0,10}(int|enum|list|string)[<>{}()\\[\\],'\"? a]{0,10}") {
        let _ = Schema::from_text(&text).map_err(|error| error.to_string());
        if let Ok(schema) = Schema::from_text(&near) {
            prop_assert_eq!(Schema::from_text(&schema.short_form()).unwrap(), schema);
        }
    }
}
