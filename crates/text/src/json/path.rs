//! JSONPath (RFC 9535) without filters, put into jq's words: `$.a['b c'][0][-1][*]..name`.
//!
//! As in the RFC, what is not there gives nothing, where jq would give null or an error.

use std::fmt::Write;

use crate::TextError;

/// Translates a path.
pub(super) fn as_jq(path: &str) -> Result<String, TextError> {
    let mut reader = Reader { path, rest: path.trim_start() };
    reader.take("$");
    let mut jq = ".".to_owned();
    while !reader.rest.trim().is_empty() {
        let step = if reader.take("..") {
            jq.push_str(" | ..");
            if reader.take("[") { reader.bracket()? } else { reader.member()? }
        } else if reader.take(".") {
            reader.member()?
        } else if reader.take("[") {
            reader.bracket()?
        } else {
            return Err(reader.wrong("a step begins with . or ["));
        };
        let _ = write!(jq, " | {step}");
    }
    Ok(jq)
}

struct Reader<'a> {
    path: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest;
        true
    }

    fn member(&mut self) -> Result<String, TextError> {
        if self.take("*") {
            return Ok(EVERY.to_owned());
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.wrong("a name or * is wanted; names with other signs stand in ['…']"));
        }
        self.rest = rest;
        Ok(named(name))
    }

    fn bracket(&mut self) -> Result<String, TextError> {
        self.rest = self.rest.trim_start();
        let step = if self.take("*") {
            EVERY.to_owned()
        } else if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            self.rest = &self.rest[1..];
            named(&self.quoted(quote)?)
        } else {
            let end = self.rest.find(']').unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(end);
            let Ok(index) = number.trim().parse::<i32>() else {
                return Err(self.wrong("a number, * or a name in quotes is wanted; filters and slices are written in jq"));
            };
            self.rest = rest;
            let least = if index < 0 { i64::from(index).unsigned_abs() } else { index.unsigned_abs() as u64 + 1 };
            format!("(arrays | select(length >= {least}) | .[{index}])")
        };
        self.rest = self.rest.trim_start();
        if self.take("]") { Ok(step) } else { Err(self.wrong("a ] is missing")) }
    }

    /// The text up to the quote, which is taken too.
    fn quoted(&mut self, quote: char) -> Result<String, TextError> {
        let mut name = String::new();
        let mut signs = self.rest.char_indices();
        while let Some((at, sign)) = signs.next() {
            match sign {
                _ if sign == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(name);
                }
                '\\' => name.extend(signs.next().map(|(_, escaped)| escaped)),
                _ => name.push(sign),
            }
        }
        Err(self.wrong("the name's quote is not closed"))
    }

    fn wrong(&self, reason: &str) -> TextError {
        let read = self.path.len() - self.rest.len();
        let place = self.path.get(..read).map_or(0, |read| read.chars().count()) + 1;
        TextError::request("the path", format!("{reason} (character {place})"))
    }
}

const EVERY: &str = "(arrays, objects | .[])";

fn named(name: &str) -> String {
    // JSON's quotes are jq's, but for what jq would fill in: \( never comes out of this
    let quoted = serde_json::Value::from(name).to_string();
    format!("(objects | select(has({quoted})) | .[{quoted}])")
}

#[cfg(test)]
mod tests {
    use super::super::Query;

    const TEXT: &str = r#"{"a": {"b c": [1, {"x": 2}, [3]], "n": null}, "x": "y", "\\(1)": 5}"#;

    fn results(path: &str) -> Vec<String> {
        Query::new(path).unwrap_or_else(|error| panic!("{path}: {error}")).results(TEXT).unwrap()
    }

    #[test]
    fn paths() {
        assert_eq!(results("$.x"), [r#""y""#]);
        assert_eq!(results("$.a['b c'][0]"), ["1"]);
        assert_eq!(results("$.a[\"b c\"][-1][0]"), ["3"]);
        assert_eq!(results("$..x"), [r#""y""#, "2"]);
        assert_eq!(results("$.a['b c'][*]"), ["1", r#"{"x":2}"#, "[3]"]);
        assert_eq!(results("$.a.n"), ["null"]);
        assert_eq!(results(" $ "), results("."));
        assert_eq!(results("$['\\\\(1)']"), ["5"]);
        for nothing in ["$.nothing", "$.x.y", "$.a['b c'][7]", "$.a['b c'][-4]", "$.x[0]", "$.a[0]"] {
            assert_eq!(results(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn a_wrong_path_says_where() {
        let wrong = |path: &str| Query::new(path).unwrap_err().to_string();
        assert!(wrong("$.a[?(@.b)]").contains("(character 5)"), "{}", wrong("$.a[?(@.b)]"));
        assert!(wrong("$.a['b").contains("not closed"));
        assert!(wrong("$.a[0").contains("] is missing"));
        assert!(wrong("$x").contains("begins with"));
        assert!(wrong("$.").contains("a name or *"));
    }

    proptest::proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_path_is_read_or_refused(path in "\\$(\\PC{0,12}|[.\\[\\]a'\"*\\\\0-9(-]{0,14})") {
            if let Ok(query) = Query::new(&path) {
                query.results(TEXT).unwrap();
            }
        }
    }
}
