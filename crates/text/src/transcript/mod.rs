//! Transcripts as lists of entries: SubRip (SRT), WebVTT, and plain notes of who said what.

mod captions;
mod clock;
mod notes;

use std::str::FromStr;

use crate::TextError;

/// How a transcript is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// SubRip: numbered captions with `00:00:01,000 --> 00:00:04,000`.
    Srt,
    /// WebVTT: captions with `00:01.000 --> 00:04.000` and perhaps `<v Name>`.
    WebVtt,
    /// Notes: `Name (00:01)` above what was said, `[00:01] Name: what was said`, or `Name: what was said`.
    Generic,
}

impl Format {
    /// The name in calls and in entries.
    pub fn name(self) -> &'static str {
        match self {
            Format::Srt => "srt",
            Format::WebVtt => "webvtt",
            Format::Generic => "generic",
        }
    }
}

impl FromStr for Format {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Format, TextError> {
        match name.to_ascii_lowercase().as_str() {
            "srt" => Ok(Format::Srt),
            "webvtt" | "vtt" => Ok(Format::WebVtt),
            "generic" => Ok(Format::Generic),
            _ => Err(TextError::request("the transcript's format", format!("{name:?} is not known; write 'srt', 'webvtt' or 'generic'"))),
        }
    }
}

/// One caption, or what one person said at a stretch.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The caption's own number, else its place in the transcript from 1.
    pub index: i64,
    /// Who spoke, where that is said.
    pub speaker: Option<String>,
    /// Seconds from the beginning; nothing in notes without times.
    pub start_time: Option<f64>,
    /// Seconds from the beginning; in notes, where the next entry starts.
    pub end_time: Option<f64>,
    /// What was said, without markup.
    pub content: String,
}

impl Entry {
    /// Seconds from start to end.
    pub fn duration(&self) -> Option<f64> {
        // thousandths of a second, without what their difference has behind them in binary
        let thousandths = (self.end_time? - self.start_time?) * 1_000.0;
        Some(thousandths.round() / 1_000.0)
    }
}

/// Reads a transcript.
///
/// # Errors
/// [`TextError::Malformed`] with the line that is not of the format. An empty text has no entries.
pub fn parse(text: &str, format: Format) -> Result<Vec<Entry>, TextError> {
    let text = text.trim_start_matches('\u{feff}');
    match format {
        Format::Srt => captions::srt(text),
        Format::WebVtt => captions::webvtt(text),
        Format::Generic => notes::read(text),
    }
}

fn malformed(line: usize, reason: impl Into<String>) -> TextError {
    TextError::malformed("the transcript", format!("line {line}"), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn formats_have_names() {
        for format in [Format::Srt, Format::WebVtt, Format::Generic] {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
            assert_eq!(parse(" \n\n", format).unwrap(), []);
        }
        assert!("ass".parse::<Format>().unwrap_err().to_string().contains("'webvtt'"));
    }

    proptest! {
        #![proptest_config(crate::laws())]
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,80}|([0-9:.,> \\-<\\[\\]()A-c\\n]|-->|00:01,5|WEBVTT\\n|: ){0,40}") {
            for format in [Format::Srt, Format::WebVtt, Format::Generic] {
                if let Ok(entries) = parse(&text, format) {
                    for entry in entries {
                        prop_assert!(entry.start_time.is_none_or(|time| time.is_finite() && time >= 0.0));
                        prop_assert!(entry.duration().is_none_or(f64::is_finite));
                    }
                }
            }
        }
    }
}
