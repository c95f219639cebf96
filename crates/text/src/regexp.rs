//! Taking parts out of a text by a regular expression. Expressions run in time linear in the text, whatever they say.

use regex::Regex;

use crate::TextError;

/// An expression that is read once and used for many texts.
#[derive(Debug, Clone)]
pub struct Expression(Regex);

impl Expression {
    /// Reads an expression in the syntax of Rust's `regex`: Perl's without look-around and back references.
    ///
    /// # Errors
    /// [`TextError::Request`] with the place in the expression.
    pub fn new(pattern: &str) -> Result<Expression, TextError> {
        Regex::new(pattern).map(Expression).map_err(|error| TextError::request("the regular expression", error.to_string()))
    }

    /// The number of groups, which are counted from 1; group 0 is the whole match.
    pub fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// Checks the number of a group.
    ///
    /// # Errors
    /// [`TextError::Request`] when the expression has fewer.
    pub fn group(&self, number: i64) -> Result<usize, TextError> {
        match usize::try_from(number) {
            Ok(group) if group <= self.groups() => Ok(group),
            _ => Err(TextError::request(
                "the group",
                format!("{number} is not one of this expression, which has {} (0 is the whole match)", self.groups()),
            )),
        }
    }

    /// What a group holds in the first match; nothing where there is no match, or where the group took no part in it.
    pub fn extract<'a>(&self, text: &'a str, group: usize) -> Option<&'a str> {
        Some(self.0.captures(text)?.get(group)?.as_str())
    }

    /// What a group holds in each match, in order.
    pub fn extract_all<'a>(&self, text: &'a str, group: usize) -> Vec<Option<&'a str>> {
        if group == 0 {
            return self.0.find_iter(text).map(|found| Some(found.as_str())).collect();
        }
        self.0.captures_iter(text).map(|found| found.get(group).map(|part| part.as_str())).collect()
    }

    /// The text between matches. At most so many parts where a bound is given, the last one with all that is left.
    pub fn split<'a>(&self, text: &'a str, most: Option<usize>) -> Vec<&'a str> {
        match most {
            Some(most) => self.0.splitn(text, most).collect(),
            None => self.0.split(text).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_taken_out() {
        let pairs = Expression::new(r"(\w+)=(\d+)?").unwrap();
        assert_eq!(pairs.extract("a=1 b= c=3", 1), Some("a"));
        assert_eq!(pairs.extract("nothing", 0), None);
        assert_eq!(pairs.extract_all("a=1 b= c=3", 2), [Some("1"), None, Some("3")]);
        assert_eq!(pairs.extract_all("a=1 b=", 0), [Some("a=1"), Some("b=")]);
        assert!(pairs.group(2).is_ok());
        for wrong in [3, -1, i64::MIN] {
            assert!(pairs.group(wrong).unwrap_err().to_string().contains("has 2"), "{wrong}");
        }
    }

    #[test]
    fn text_is_split() {
        let comma = Expression::new(r"\s*,\s*").unwrap();
        assert_eq!(comma.split("a , b,c", None), ["a", "b", "c"]);
        assert_eq!(comma.split("a , b,c", Some(2)), ["a", "b,c"]);
        assert_eq!(comma.split("", None), [""]);
    }

    #[test]
    fn a_wrong_expression_says_where() {
        assert!(Expression::new("a(b").unwrap_err().to_string().contains("unclosed group"));
    }

    proptest::proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_pattern_is_read_or_refused(pattern in "\\PC{0,30}", text in "(?s).{0,40}") {
            if let Ok(expression) = Expression::new(&pattern) {
                expression.extract_all(&text, expression.groups());
                expression.split(&text, None);
            }
        }
    }
}
