//! Notes of who said what, as meeting tools and people write them. An entry begins with a line of one of these kinds, and
//! every other line belongs to the entry before it:
//!
//! - `Name (00:01:02)` or `Name [00:01:02]`, with what was said in the lines below or behind a colon
//! - `[00:01:02] Name: what was said`, `(00:01:02) Name: …` or `00:01:02 Name: …`
//! - `Name: what was said`, where the name is of few words

use super::clock::seconds;
use super::{Entry, malformed};
use crate::TextError;

/// More words than these before a colon are a sentence.
const NAME_WORDS: usize = 4;
const NAME_CHARS: usize = 40;

pub(super) fn read(text: &str) -> Result<Vec<Entry>, TextError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut said: Vec<Vec<&str>> = Vec::new();
    // once a line has a time, a colon alone begins no entry: it may stand in any sentence
    let timed = text.lines().any(|line| head(line, false).is_some());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        match head(line, !timed) {
            Some((speaker, start_time, rest)) => {
                let place = i64::try_from(entries.len()).unwrap_or(i64::MAX).saturating_add(1);
                let speaker = speaker.map(str::to_owned);
                entries.push(Entry { index: place, speaker, start_time, end_time: None, content: String::new() });
                said.push(if rest.is_empty() { Vec::new() } else { vec![rest] });
            }
            None if line.is_empty() && said.is_empty() => {}
            None => match said.last_mut() {
                Some(lines) => lines.push(line),
                None => return Err(malformed(index + 1, "the first line must say who speaks: Name: …, Name (00:01) or [00:01] Name: …")),
            },
        }
    }
    for (entry, lines) in entries.iter_mut().zip(said) {
        entry.content = lines.join("\n").trim().to_owned();
    }
    let starts: Vec<Option<f64>> = entries.iter().skip(1).map(|entry| entry.start_time).collect();
    for (entry, next) in entries.iter_mut().zip(starts) {
        // times that go back are kept, but no entry ends before it starts
        entry.end_time = next.filter(|next| entry.start_time.is_some_and(|start| start <= *next));
    }
    Ok(entries)
}

type Head<'a> = (Option<&'a str>, Option<f64>, &'a str);

fn head(line: &str, colon_alone: bool) -> Option<Head<'_>> {
    let line = line.trim();
    if let Some((time, rest)) = leading_time(line) {
        return Some(match rest.split_once(':').filter(|(name, _)| is_name(name)) {
            Some((name, said)) => (Some(name.trim()), Some(time), said.trim()),
            None => (None, Some(time), rest),
        });
    }
    trailing_time(line).or_else(|| {
        let (name, said) = line.split_once(':').filter(|_| colon_alone)?;
        // addresses have a colon, too
        (is_name(name) && !said.starts_with("//")).then(|| (Some(name.trim()), None, said.trim()))
    })
}

/// A time at the beginning, in brackets or with a colon in it and a blank behind.
fn leading_time(line: &str) -> Option<(f64, &str)> {
    for (open, close) in [('[', ']'), ('(', ')')] {
        if let Some((time, rest)) = line.strip_prefix(open).and_then(|rest| rest.split_once(close)) {
            return Some((seconds(time)?, rest.trim_start_matches([':', '-', ' ']).trim()));
        }
    }
    let (time, rest) = line.split_once([' ', '\t'])?;
    Some((seconds(time).filter(|_| time.contains(':'))?, rest.trim_start_matches(['-', ' ']).trim()))
}

/// `Name (00:01)`, `Name [00:01]: said` and `Name  00:01`.
fn trailing_time(line: &str) -> Option<Head<'_>> {
    for (open, close) in [('(', ')'), ('[', ']')] {
        if let Some((name, rest)) = line.split_once(open)
            && let Some((time, rest)) = rest.split_once(close)
            && let Some(time) = seconds(time)
            && is_name(name)
            && (rest.trim().is_empty() || rest.trim_start().starts_with(':'))
        {
            return Some((Some(name.trim()), Some(time), rest.trim_start_matches([':', ' ']).trim()));
        }
    }
    let (name, time) = line.rsplit_once([' ', '\t'])?;
    let time = seconds(time).filter(|_| time.contains(':'))?;
    is_name(name).then(|| (Some(name.trim()), Some(time), ""))
}

/// Few words, with a letter, and none of the signs that end a sentence.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    (1..=NAME_CHARS).contains(&text.chars().count())
        && text.split_whitespace().count() <= NAME_WORDS
        && text.chars().any(char::is_alphabetic)
        && !text.contains(['!', '?', ':', '"', '(', '[', ','])
        && !text.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (Option<&'a str>, Option<f64>, Option<f64>, &'a str);

    fn check(text: &str, wanted: &[Row<'_>]) {
        let entries = read(text).unwrap();
        let rows: Vec<Row<'_>> =
            entries.iter().map(|entry| (entry.speaker.as_deref(), entry.start_time, entry.end_time, entry.content.as_str())).collect();
        assert_eq!(rows, wanted, "{text}");
        assert!(entries.iter().zip(1..).all(|(entry, place)| entry.index == place));
    }

    #[test]
    fn a_name_and_a_time_above() {
        let wanted = [(Some("Ann Lee"), Some(1.5), Some(9.0), "Hello: there\nmore"), (Some("Bob"), Some(9.0), None, "Hi")];
        check("Ann Lee (00:01.5)\nHello: there\nmore\n\nBob (00:09)\nHi\n", &wanted);
        check("Ann Lee  0:01.5\nHello: there\nmore\nBob  0:09\nHi", &wanted);
        check("Ann Lee [0:00:01.5]: Hello: there\nmore\nBob [0:09]: Hi", &wanted);
    }

    #[test]
    fn a_time_before() {
        let wanted = [(Some("Ann"), Some(12.0), Some(15.0), "hello"), (None, Some(15.0), None, "no name, here")];
        check("[00:12] Ann: hello\n[00:15] no name, here", &wanted);
        check("00:12 - Ann: hello\n00:15 no name, here", &wanted);
        check("(12) Ann: hello\n(15) no name, here", &wanted);
    }

    #[test]
    fn names_alone() {
        check(
            "Ann: hello\nand more\nBob: see https://x.y\nhttp://z\nDr. van der Berg: yes",
            &[
                (Some("Ann"), None, None, "hello\nand more"),
                (Some("Bob"), None, None, "see https://x.y\nhttp://z"),
                (Some("Dr. van der Berg"), None, None, "yes"),
            ],
        );
        let error = read("\nThis is no transcript at all, it is a sentence.").unwrap_err().to_string();
        assert!(error.contains("(line 2)"), "{error}");
    }

    #[test]
    fn times_that_go_back_end_nothing() {
        check("A (00:09)\nx\nB (00:01)\ny", &[(Some("A"), Some(9.0), None, "x"), (Some("B"), Some(1.0), None, "y")]);
    }
}
