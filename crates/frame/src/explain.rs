//! `EXPLAIN` in front of a query: what is wanted to be known of it, and the query itself. The engine explains plans by
//! itself, but knows nothing of requests, answers from memory and dollars.

/// What stands in front of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explain<'a> {
    /// Whether the query is run, to tell what it came to; otherwise nothing is asked.
    pub analyze: bool,
    /// Whether JSON is wanted, not text.
    pub json: bool,
    /// The query that is explained.
    pub query: &'a str,
}

impl<'a> Explain<'a> {
    /// Reads `EXPLAIN [ANALYZE] [VERBOSE] [FORMAT TEXT|JSON] query` or `EXPLAIN (ANALYZE, FORMAT JSON) query`. `None` for a
    /// query that is not explained, and for forms that only the engine knows, such as `FORMAT TREE`.
    pub fn of(sql: &'a str) -> Option<Explain<'a>> {
        let rest = after_word(sql, "EXPLAIN")?;
        let mut explain = Explain { analyze: false, json: false, query: rest };
        if let Some(inside) = skip_blanks(rest).strip_prefix('(') {
            let (options, query) = inside.split_once(')')?;
            // a query in parentheses is no list of options
            for option in options.split(',') {
                let words: Vec<&str> = option.split_whitespace().collect();
                match words.as_slice() {
                    [word] | [word, _] if word.eq_ignore_ascii_case("ANALYZE") => explain.analyze = is_on(words.get(1).copied())?,
                    [word] | [word, _] if word.eq_ignore_ascii_case("VERBOSE") => drop(is_on(words.get(1).copied())?),
                    [word, format] if word.eq_ignore_ascii_case("FORMAT") => explain.json = is_json(format)?,
                    _ => return None,
                }
            }
            explain.query = query;
        } else {
            if let Some(rest) = after_word(explain.query, "ANALYZE") {
                (explain.analyze, explain.query) = (true, rest);
            }
            if let Some(rest) = after_word(explain.query, "VERBOSE") {
                explain.query = rest;
            }
            if let Some(rest) = after_word(explain.query, "FORMAT") {
                let rest = skip_blanks(rest);
                let end = rest.find(char::is_whitespace)?;
                let (format, rest) = rest.split_at(end);
                (explain.json, explain.query) = (is_json(format)?, rest);
            }
        }
        explain.query = skip_blanks(explain.query);
        (!explain.query.is_empty()).then_some(explain)
    }
}

fn is_on(value: Option<&str>) -> Option<bool> {
    match value {
        None => Some(true),
        Some(value) if ["true", "on", "1"].iter().any(|on| value.eq_ignore_ascii_case(on)) => Some(true),
        Some(value) if ["false", "off", "0"].iter().any(|off| value.eq_ignore_ascii_case(off)) => Some(false),
        Some(_) => None,
    }
}

fn is_json(format: &str) -> Option<bool> {
    match format.trim_matches('\'') {
        format if format.eq_ignore_ascii_case("json") => Some(true),
        format if format.eq_ignore_ascii_case("text") => Some(false),
        _ => None,
    }
}

/// What follows a word, if the text begins with it.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = skip_blanks(text);
    let (first, rest) = text.split_at_checked(word.len())?;
    let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric() && next != '_');
    (first.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Without the white space and the comments it begins with.
fn skip_blanks(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            match comment.split_once("*/") {
                Some((_, after)) => after,
                None => return rest,
            }
        } else {
            return rest;
        };
        rest = after.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: Option<(bool, bool, &str)>) {
        let read = Explain::of(sql).map(|explain| (explain.analyze, explain.json, explain.query));
        assert_eq!(read, expected, "{sql}");
    }

    #[test]
    fn every_form_is_read() {
        check("EXPLAIN SELECT 1", Some((false, false, "SELECT 1")));
        check(" -- why\n/* so */ explain analyze select 1", Some((true, false, "select 1")));
        check("EXPLAIN ANALYZE VERBOSE FORMAT JSON SELECT 1", Some((true, true, "SELECT 1")));
        check("EXPLAIN FORMAT json WITH a AS (SELECT 1) SELECT * FROM a", Some((false, true, "WITH a AS (SELECT 1) SELECT * FROM a")));
        check("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", Some((true, true, "SELECT 1")));
        check("EXPLAIN(analyze off, format text)\nSELECT 1", Some((false, false, "SELECT 1")));
        check("EXPLAIN FORMAT 'JSON' SELECT 1", Some((false, true, "SELECT 1")));
    }

    #[test]
    fn what_is_no_explain_of_ours_is_left_alone() {
        for sql in
            ["SELECT 1", "", "EXPLAIN", "EXPLAINED", "EXPLAIN FORMAT TREE SELECT 1", "EXPLAIN (SELECT 1)", "EXPLAIN (FORMAT YAML) SELECT 1"]
        {
            check(sql, None);
        }
        check("EXPLAIN /* without end", Some((false, false, "/* without end")));
        check("é", None);
    }
}
