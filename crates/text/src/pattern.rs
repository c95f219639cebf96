//! Taking named parts out of a text by a template: `${date} ${level}: ${message}`.
//!
//! What stands between the fields must stand in the text, and together they make up the whole text. A field takes what is
//! there up to the next thing between; `${name:quoted}` takes a text in double quotes, `${name:csv}` a field of CSV (quoted
//! or not), `${name:json}` one JSON value. A `$` that no `{` follows is itself, and `$${` stands for `${`.

use serde::de::IgnoredAny;

use crate::TextError;

/// How a field is written in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Quoted,
    Csv,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    form: Form,
    /// What stands between it and the next field, or the end.
    then: String,
}

/// A template that is read once and used for many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    lead: String,
    fields: Vec<Field>,
}

impl Pattern {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TextError::Request`] when a field is not closed, has no name or a form that is not known, comes twice, or follows
    /// another one with nothing between.
    pub fn new(template: &str) -> Result<Pattern, TextError> {
        let wrong = |reason: String| TextError::request("the template", reason);
        let mut pattern = Pattern { lead: String::new(), fields: Vec::new() };
        let mut rest = template;
        while let Some(at) = rest.find("${") {
            let between = pattern.fields.last_mut().map_or(&mut pattern.lead, |field| &mut field.then);
            if rest[..at].ends_with('$') {
                between.push_str(&rest[..at - 1]);
                between.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            between.push_str(&rest[..at]);
            if between.is_empty() && !pattern.fields.is_empty() {
                let place = template[..template.len() - rest.len() + at].chars().count() + 1;
                return Err(wrong(format!("the field at character {place} follows another one; something must stand between them")));
            }
            let Some((field, after)) = rest[at + 2..].split_once('}') else {
                return Err(wrong(format!("{:?} is not closed by a }}", rest[at..].chars().take(20).collect::<String>())));
            };
            let (name, form) = field.split_once(':').unwrap_or((field, "none"));
            if !is_name(name) {
                return Err(wrong(format!("{name:?} is no name of a field: write letters, digits and _, a letter first")));
            }
            if pattern.fields.iter().any(|other| other.name == name) {
                return Err(wrong(format!("the field {name} comes twice")));
            }
            let form = match form {
                "none" => Form::Plain,
                "quoted" => Form::Quoted,
                "csv" => Form::Csv,
                "json" => Form::Json,
                other => return Err(wrong(format!("{other:?} of the field {name} is not known; write none, quoted, csv or json"))),
            };
            pattern.fields.push(Field { name: name.to_owned(), form, then: String::new() });
            rest = after;
        }
        match pattern.fields.last_mut() {
            Some(last) => last.then.push_str(rest),
            None => return Err(wrong("it has no field; write one as ${name}".to_owned())),
        }
        Ok(pattern)
    }

    /// The names of the fields in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// What the fields hold, in order; nothing where the text is not of this form. Values of JSON stay JSON.
    pub fn extract(&self, text: &str) -> Option<Vec<String>> {
        let mut rest = text.strip_prefix(self.lead.as_str())?;
        let mut values = Vec::with_capacity(self.fields.len());
        for (index, field) in self.fields.iter().enumerate() {
            let is_last = index + 1 == self.fields.len();
            let (value, after) = match field.form {
                Form::Plain => plain(rest, &field.then, is_last)?,
                Form::Quoted => quoted(rest)?,
                Form::Csv if rest.starts_with('"') => doubled(rest)?,
                Form::Csv => plain(rest, &field.then, is_last)?,
                Form::Json => json(rest)?,
            };
            values.push(value);
            rest = after.strip_prefix(field.then.as_str())?;
        }
        rest.is_empty().then_some(values)
    }
}

/// Up to what follows the field: its first place, or its place at the end of the text for the last field.
fn plain<'a>(text: &'a str, then: &str, is_last: bool) -> Option<(String, &'a str)> {
    let end = if is_last { text.strip_suffix(then)?.len() } else { text.find(then)? };
    Some((text[..end].to_owned(), &text[end..]))
}

/// Between two quotes; a backslash keeps the sign behind it from being the closing one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut signs = inner.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => {
                let (_, escaped) = signs.next()?;
                if !matches!(escaped, '"' | '\\') {
                    value.push('\\');
                }
                value.push(escaped);
            }
            _ => value.push(sign),
        }
    }
    None
}

/// Between two quotes, where a doubled quote is one quote.
fn doubled(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut rest = inner;
    loop {
        let at = rest.find('"')?;
        value.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return Some((value, rest)),
        }
    }
}

fn json(text: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let (value, rest) = text.split_at(values.byte_offset());
    Some((value.trim().to_owned(), rest))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extract(template: &str, text: &str) -> Option<Vec<String>> {
        Pattern::new(template).unwrap().extract(text)
    }

    fn some<const N: usize>(values: [&str; N]) -> Option<Vec<String>> {
        Some(values.map(str::to_owned).to_vec())
    }

    #[test]
    fn fields_of_every_form() {
        assert_eq!(extract("${date} ${level} ${text}", "2024-01-15 ERROR it failed"), some(["2024-01-15", "ERROR", "it failed"]));
        assert_eq!(
            extract("Name: ${name:csv}, Price: ${price}, Tags: ${tags:json}", "Name: \"Smith, \"\"J\"\"\", Price: 9.9, Tags: [\"a\", 2]"),
            some(["Smith, \"J\"", "9.9", "[\"a\", 2]"])
        );
        assert_eq!(extract("${a:csv},${b:csv}", "x,y"), some(["x", "y"]));
        assert_eq!(extract("T: ${t:quoted} by ${a}", "T: \"say \\\"hi\\\" \\n\" by me"), some(["say \"hi\" \\n", "me"]));
        assert_eq!(extract("${a}: ${b}.", "x: y.z."), some(["x", "y.z"]));
        assert_eq!(extract("${n:json}, ${rest}", "{\"a\": [1, 2]}, more"), some(["{\"a\": [1, 2]}", "more"]));
        assert_eq!(extract("$5 $${x} ${x}", "$5 ${x} 7"), some(["7"]));
        assert_eq!(extract("${only}", ""), some([""]));
    }

    #[test]
    fn another_form_gives_nothing() {
        for (template, text) in [
            ("${a} ${b}", "one"),
            ("x${a}", "y1"),
            ("${a}!", "no"),
            ("${a:quoted}", "plain"),
            ("${a:quoted}", "\"open"),
            ("${a:quoted}", "\"a\" and more"),
            ("${a:json}", "[1,"),
            ("${a:csv},", "\"a"),
        ] {
            assert_eq!(extract(template, text), None, "{template} {text}");
        }
    }

    #[test]
    fn a_wrong_template_says_what() {
        let wrong = |template: &str| Pattern::new(template).unwrap_err().to_string();
        assert!(wrong("a ${b").contains("not closed"));
        assert!(wrong("${a}${b}").contains("character 5 follows another"), "{}", wrong("${a}${b}"));
        assert!(wrong("${a} ${a}").contains("comes twice"));
        assert!(wrong("${a:xml}").contains("none, quoted, csv or json"));
        assert!(wrong("${1a}").contains("no name"));
        assert!(wrong("plain").contains("no field"));
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_template_is_read_or_refused(template in "\\PC{0,30}|[${}a-c:json ]{0,24}", text in "(?s).{0,40}|[\"\\\\a-c, \\[\\]1]{0,20}") {
            if let Ok(pattern) = Pattern::new(&template) {
                let names = pattern.names().count();
                prop_assert!(pattern.extract(&text).is_none_or(|values| values.len() == names));
            }
            for template in ["${a:json} ${b:quoted},${c:csv}!", "${a:csv},${b}", "${x:quoted}"] {
                Pattern::new(template).unwrap().extract(&text);
            }
        }

        #[test]
        fn what_was_put_together_comes_apart(a in "[a-z ]{0,8}", b in "(?s)[^\"\\\\]{0,8}", c in any::<i32>()) {
            let text = format!("{a}; \"{b}\" = [{c}]");
            prop_assert_eq!(extract("${a}; ${b:quoted} = ${c:json}", &text), Some(vec![a, b, format!("[{c}]")]));
        }
    }
}
