//! SubRip and WebVTT: captions under a line with two times and an arrow between.

use super::clock::seconds;
use super::{Entry, malformed};
use crate::TextError;

const ARROW: &str = "-->";

/// SubRip. A block without times belongs to the caption before it, as captions with an empty line in them are written.
pub(super) fn srt(text: &str) -> Result<Vec<Entry>, TextError> {
    let mut entries: Vec<Entry> = Vec::new();
    for block in blocks(text) {
        match block.arrow() {
            Some(at) => entries.push(caption(&block, at, entries.len(), without_tags)?),
            None => match entries.last_mut() {
                Some(before) => {
                    before.content.push_str("\n\n");
                    before.content.push_str(&without_tags(&block.lines.join("\n")));
                }
                None => return Err(malformed(block.line, "a number and a line such as 00:00:01,000 --> 00:00:04,000 are wanted")),
            },
        }
    }
    Ok(entries)
}

/// WebVTT. Blocks of notes, styles and regions say nothing and are passed over.
pub(super) fn webvtt(text: &str) -> Result<Vec<Entry>, TextError> {
    let mut entries = Vec::new();
    for (index, block) in blocks(text).into_iter().enumerate() {
        let first = block.lines.first().copied().unwrap_or_default();
        let word = first.split([' ', '\t']).next().unwrap_or_default();
        if index == 0 && word != "WEBVTT" {
            return Err(malformed(block.line, "a transcript in this format begins with WEBVTT"));
        }
        match block.arrow() {
            Some(at) => entries.push(spoken(&block, at, entries.len())?),
            None if index == 0 || matches!(word, "NOTE" | "STYLE" | "REGION") => {}
            None => return Err(malformed(block.line, format!("a line with {ARROW} is wanted"))),
        }
    }
    Ok(entries)
}

fn spoken(block: &Block<'_>, arrow: usize, before: usize) -> Result<Entry, TextError> {
    let mut entry = caption(block, arrow, before, str::to_owned)?;
    entry.speaker = voice(&entry.content);
    entry.content = unescaped(&without_tags(&entry.content));
    Ok(entry)
}

/// Lines without an empty one between.
struct Block<'a> {
    /// Counted from 1.
    line: usize,
    lines: Vec<&'a str>,
}

impl Block<'_> {
    fn arrow(&self) -> Option<usize> {
        // the times stand in the first line, or under a number or name, or under a header without its empty line
        self.lines.iter().take(3).position(|line| line.contains(ARROW))
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.trim_start().is_empty() {
            open = false;
        } else if open && let Some(block) = blocks.last_mut() {
            block.lines.push(line);
        } else {
            blocks.push(Block { line: index + 1, lines: vec![line] });
            open = true;
        }
    }
    blocks
}

fn caption(block: &Block<'_>, arrow: usize, before: usize, content: fn(&str) -> String) -> Result<Entry, TextError> {
    let line = block.line + arrow;
    let (from, to) = block.lines.get(arrow).and_then(|times| times.split_once(ARROW)).unwrap_or_default();
    // settings such as align:start may stand behind the second time
    let to = to.split_whitespace().next().unwrap_or_default();
    let time = |text: &str| seconds(text).ok_or_else(|| malformed(line, format!("{:?} is no time", shortened(text.trim()))));
    let (start, end) = (time(from)?, time(to)?);
    if end < start {
        return Err(malformed(line, "the caption ends before it starts"));
    }
    let number = arrow.checked_sub(1).and_then(|above| block.lines.get(above)).and_then(|above| above.trim().parse::<i64>().ok());
    let said = block.lines.get(arrow + 1..).unwrap_or_default().join("\n");
    let place = i64::try_from(before).unwrap_or(i64::MAX).saturating_add(1);
    Ok(Entry { index: number.unwrap_or(place), speaker: None, start_time: Some(start), end_time: Some(end), content: content(&said) })
}

/// The name in `<v Name>` or `<v.loud Name>`.
fn voice(content: &str) -> Option<String> {
    let (_, tag) = content.split_once("<v")?;
    let (tag, _) = tag.split_once('>')?;
    if !tag.starts_with([' ', '\t', '.']) {
        return None;
    }
    let (_, name) = tag.split_once([' ', '\t'])?;
    let name = unescaped(name.trim());
    (!name.is_empty()).then_some(name)
}

/// Without `<i>`, `</b>`, `<font …>`, `<00:01.000>` and the like. A `<` that begins no tag stays.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_tag = rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
        let end = rest.find(['>', '\n']).filter(|end| is_tag && rest[*end..].starts_with('>'));
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => {
                plain.push('<');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain.trim().to_owned()
}

fn unescaped(text: &str) -> String {
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&lrm;", ""), ("&rlm;", ""), ("&amp;", "&")];
    names.iter().fold(text.to_owned(), |text, (name, sign)| if text.contains(name) { text.replace(name, sign) } else { text })
}

fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: i64, speaker: Option<&str>, start: f64, end: f64, content: &str) -> Entry {
        Entry { index, speaker: speaker.map(str::to_owned), start_time: Some(start), end_time: Some(end), content: content.to_owned() }
    }

    #[test]
    fn subrip() {
        let text = "1\r\n00:00:01,000 --> 00:00:04,250\r\n<i>Hello</i> world\r\nsecond line\r\n\r\n\r\n7\r\n00:00:05,500 --> 00:00:06,000 X1:40\r\n1 < 2\r\n\r\nafter a gap";
        assert_eq!(
            srt(text).unwrap(),
            [entry(1, None, 1.0, 4.25, "Hello world\nsecond line"), entry(7, None, 5.5, 6.0, "1 < 2\n\nafter a gap")]
        );
        assert_eq!(srt("00:01 --> 00:02\nno number").unwrap(), [entry(1, None, 1.0, 2.0, "no number")]);
        assert_eq!(srt(text).unwrap()[0].duration(), Some(3.25));
    }

    #[test]
    fn web_captions() {
        let text = "WEBVTT - a title\nKind: captions\n\nNOTE nothing\nmore --\n\nSTYLE\n::cue {}\n\nintro\n00:01.000 --> 00:04.000 align:start\n<v.loud Ann &amp; Bo>Hello <b>you</b></v> &lt;3\n\n00:00:05.000 --> 00:00:06.000\n<00:05.500><c.x>late</c>\n";
        assert_eq!(webvtt(text).unwrap(), [entry(1, Some("Ann & Bo"), 1.0, 4.0, "Hello you <3"), entry(2, None, 5.0, 6.0, "late")]);
        assert_eq!(webvtt("WEBVTT\n00:01.0 --> 00:02.0\nx").unwrap(), [entry(1, None, 1.0, 2.0, "x")]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |result: Result<Vec<Entry>, TextError>| result.unwrap_err().to_string();
        assert!(wrong(srt("\ngarbage")).contains("(line 2)"));
        assert!(wrong(srt("1\n00:00:01,000 --> soon\nx")).contains("\"soon\" is no time (line 2)"));
        assert!(wrong(srt("1\n00:00:04 --> 00:00:01\nx")).contains("ends before it starts"));
        assert!(wrong(webvtt("1\n00:01.0 --> 00:02.0")).contains("begins with WEBVTT"));
        assert!(wrong(webvtt("WEBVTT\n\nstray")).contains("line 3"));
    }
}
