//! `text_parse_transcript`.

use corsac_text::transcript::{Entry, Format, parse};

use super::answers::{Answer, Leaf, LeafType, Output};
use super::scalar::{Definition, Kind, Prepared};

pub(super) static DEFINITIONS: [Definition; 1] = [Definition {
    name: "text_parse_transcript",
    usage: "text_parse_transcript(text, 'srt')",
    kinds: &[Kind::Text, Kind::Text],
    values: 1,
    least: 2,
    output: Output::Rows(&[
        ("index", LeafType::Whole),
        ("speaker", LeafType::Text),
        ("start_time", LeafType::Number),
        ("end_time", LeafType::Number),
        ("duration", LeafType::Number),
        ("content", LeafType::Text),
        ("format", LeafType::Text),
    ]),
    prepare: |constants| {
        let format: Format = constants.text(0).unwrap_or_default().parse()?;
        Prepared::new(move |values| {
            let Some(value) = values.first() else { return Ok(None) };
            let entries = parse(value.text(), format)?;
            Ok(Some(Answer::Rows(entries.into_iter().map(|entry| record(entry, format)).collect())))
        })
    },
}];

fn record(entry: Entry, format: Format) -> Vec<Leaf> {
    let duration = entry.duration();
    vec![
        Leaf::Whole(Some(entry.index)),
        Leaf::Text(entry.speaker),
        Leaf::Number(entry.start_time),
        Leaf::Number(entry.end_time),
        Leaf::Number(duration),
        Leaf::Text(Some(entry.content)),
        Leaf::Text(Some(format.name().to_owned())),
    ]
}
