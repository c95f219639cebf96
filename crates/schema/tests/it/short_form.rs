//! The short form: what each spelling means, and what is said where it cannot be read.

use corsac_schema::{Field, Schema, SchemaError, Type};

fn optional(mut field: Field) -> Field {
    field.required = false;
    field
}

fn described(mut field: Field, text: &str) -> Field {
    field.description = Some(text.to_owned());
    field
}

fn enumeration(labels: &[&str]) -> Type {
    Type::Enum(labels.iter().map(|label| (*label).to_owned()).collect())
}

fn list(item: Type) -> Type {
    Type::List(Box::new(item))
}

#[track_caller]
fn check(text: &str, expected: Type) {
    let schema = Schema::from_text(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!(*schema.kind(), expected, "{text}");
    let again = Schema::from_text(&schema.short_form()).unwrap();
    assert_eq!(again, schema, "{text} -> {}", schema.short_form());
}

#[test]
fn every_type_has_its_names() {
    for (names, ty) in [
        (&["string", "str", "text", "STRING", "Text"][..], Type::String),
        (&["int", "integer", "bigint", "INT"], Type::Integer),
        (&["float", "double", "number"], Type::Number),
        (&["bool", "boolean"], Type::Boolean),
        (&["date"], Type::Date),
        (&["datetime", "timestamp", "DateTime"], Type::DateTime),
        (&["json"], Type::Json),
    ] {
        for name in names {
            check(&format!("a {name}"), Type::Struct(vec![Field::new("a", ty.clone())]));
            check(name, ty.clone());
        }
    }
}

#[test]
fn the_example_of_the_guide() {
    check(
        "product string, stars int, defects list<string>, mood enum(good,bad)",
        Type::Struct(vec![
            Field::new("product", Type::String),
            Field::new("stars", Type::Integer),
            Field::new("defects", list(Type::String)),
            Field::new("mood", enumeration(&["good", "bad"])),
        ]),
    );
}

#[test]
fn spellings_of_the_same() {
    let expected = Type::Struct(vec![
        Field::new("tags", list(list(Type::Integer))),
        optional(described(Field::new("note", Type::String), "it's optional")),
    ]);
    for text in [
        "tags list<list<int>>, note string? 'it''s optional'",
        "tags int[][], note? string 'it''s optional'",
        "tags: List<int>[],\n  note?: str \"it's optional\",\n",
        "tags list[int[]] , note : text ? 'it''s optional' ,",
        "struct{tags array<array<int>>, note string? 'it''s optional'}",
        "\u{feff} {tags int[][], note string? 'it''s optional'}",
    ] {
        check(text, expected.clone());
    }
}

#[test]
fn structs_nest_in_three_brackets() {
    let inner = Type::Struct(vec![Field::new("city", Type::String), optional(Field::new("since", Type::Date))]);
    let expected = Type::Struct(vec![Field::new("home", inner.clone()), Field::new("others", list(inner))]);
    check("home struct{city string, since date?}, others {city string, since date?}[]", expected.clone());
    check("home struct<city string, since date?>, others list<struct<city: string, since?: date>>", expected.clone());
    check("home struct(city string, since date?), others list<{city string, since date?,}>", expected);
}

#[test]
fn labels_with_blanks_and_quotes() {
    check("enum(very good, 'it''s, bad', \"so \"\"so\"\"\", -1)", enumeration(&["very good", "it's, bad", "so \"so\"", "-1"]));
    check("mood enum(gut, größer,)", Type::Struct(vec![Field::new("mood", enumeration(&["gut", "größer"]))]));
}

#[test]
fn names_with_other_characters() {
    check(
        "\"delivery days\" int, 'it''s' bool, `größe` float, text string, naïve-2 date",
        Type::Struct(vec![
            Field::new("delivery days", Type::Integer),
            Field::new("it's", Type::Boolean),
            Field::new("größe", Type::Number),
            Field::new("text", Type::String),
            Field::new("naïve-2", Type::Date),
        ]),
    );
}

#[track_caller]
fn refused(text: &str, line: usize, column: usize, says: &str) {
    match Schema::from_text(text) {
        Err(SchemaError::ShortForm(fault)) => {
            assert_eq!((fault.line, fault.column), (line, column), "{text}\n{fault}");
            assert!(fault.message.contains(says), "{text}\n{fault}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn faults_have_a_place_and_a_way_out() {
    refused("", 1, 1, "empty");
    refused("  \n", 1, 1, "empty");
    refused("product strng, stars int", 1, 9, "`strng` is not a type; did you mean `string`?");
    refused("a int,\n  b flaot", 2, 5, "did you mean `float`?");
    refused("a varchar", 1, 3, "did you mean `string`?");
    refused("a object", 1, 3, "`json`");
    refused("a quaternion", 1, 3, "`quaternion` is not a type");
    refused("product, stars int", 1, 8, "the field `product` has no type");
    refused("product", 1, 8, "the field `product` has no type");
    refused("a int b int", 1, 7, "expected `,` or the end");
    refused("a int, , b int", 1, 8, "expected a field's name, found `,`");
    refused("1a int", 1, 1, "expected a field's name");
    refused("a list", 1, 7, "the type of its items");
    refused("a list<", 1, 8, "expected a type, found the end of the text");
    refused("a list<int", 1, 11, "`>`");
    refused("list<strng>", 1, 6, "did you mean `string`?");
    refused("a list<int?>", 1, 11, "cannot be optional");
    refused("a int[3]", 1, 7, "`]`");
    refused("a enum", 1, 7, "its values");
    refused("a enum()", 1, 3 + 4, "none given");
    refused("a enum(x, x)", 1, 7, "\"x\" is given twice");
    refused("a enum(x, '')", 1, 7, "number 2 is blank");
    refused("a enum(x", 1, 9, "`,` or `)`");
    refused("a struct{}", 1, 10, "at least one field");
    refused("a struct{b int", 1, 15, "`,` or `}`");
    refused("a int, a string", 1, 8, "the field `a` is named twice");
    refused("a int 'open", 1, 7, "never closed");
    refused("'' int", 1, 1, "blank");
    refused("größe strng", 1, 7, "`string`");
}

#[test]
fn deep_nesting_is_an_error() {
    let text = format!("a {}int{}", "list<".repeat(5000), ">".repeat(5000));
    assert!(Schema::from_text(&text).unwrap_err().to_string().contains("nested more than"));
    let text = format!("a int{}", "[]".repeat(5000));
    assert!(matches!(Schema::from_text(&text), Err(SchemaError::ShortForm(_) | SchemaError::TooLarge(_))));
    let text = "{a ".repeat(5000);
    assert!(Schema::from_text(&text).is_err());
}

#[test]
fn the_message_a_person_sees() {
    let error = Schema::from_text("product string,\n  stars intger").unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "schema text, line 2, column 9: `intger` is not a type; did you mean `integer`?");
    assert_eq!(lines[1], "    stars intger");
    assert_eq!(lines[2], "          ^^^^^^");
    assert!(lines[3].starts_with("types: string, int, float"));
}
