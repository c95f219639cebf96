//! The functions on text: the pages that list them are true, and whole columns give what single values give.

use std::sync::Arc;

use corsac_frame::Session;

use crate::fake::{Fake, rows, session, table};

const FROM_FENIC: &str = include_str!("../../../../docs/from-fenic-functions.md");
const FUNCTIONS: &str = include_str!("../../../../docs/functions-text.md");

/// The table that the examples of the page are about.
const T: &str = r#"WITH t AS (SELECT 'one two three' AS text, 'three two' AS other, 2::bigint AS num, true AS flag, DATE '2024-05-01' AS day,
    arrow_cast('2024-05-01T10:20:30.456', 'Timestamp(Microsecond, None)') AS moment, [1, 2, NULL, 2] AS nums, ['a', 'b'] AS texts, [3.0, 4.0] AS embedding,
    '{"a": 1}' AS json, '# A
## B' AS md, '1
00:00:01,000 --> 00:00:02,000
hi' AS srt) "#;

/// The cells of every row of every table on a page.
fn cells(page: &'static str) -> impl Iterator<Item = Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fenic ") && !line.starts_with("| function "));
    rows.map(|line| {
        let line = line.replace("\\|", "\u{1}");
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
    })
}

/// What stands between backticks.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A query over the example table.
fn about_t(code: &str) -> String {
    match code.strip_prefix("EXPLAIN ") {
        Some(explained) => format!("EXPLAIN {T}{explained}"),
        None if code.starts_with("SELECT ") => format!("{T}{code}"),
        None => format!("{T}SELECT {code} FROM t"),
    }
}

#[tokio::test]
async fn the_page_for_those_who_come_from_fenic_is_true() {
    let session = session(&Arc::new(Fake::new()));
    let (mut run, mut planned, mut wrong) = (0, 0, Vec::new());
    for row in cells(FROM_FENIC) {
        let [fenic, here, note] = row.as_slice() else { panic!("a row has three cells: {row:?}") };
        if here.starts_with("planned: ") {
            planned += 1;
            assert!(!note.is_empty(), "{fenic} is planned, and nothing says why it is not there");
            continue;
        }
        let Some(code) = codes(here).first().copied().filter(|code| here.starts_with('`') && !code.starts_with("corsac ")) else {
            continue;
        };
        run += 1;
        if let Err(error) = rows(&session, &about_t(code)).await {
            wrong.push(format!("{fenic}: {code}\n{error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 120 && planned > 0, "{run} run, {planned} planned");
}

#[tokio::test]
async fn the_values_on_the_page_are_those_it_promises() {
    let session = session(&Arc::new(Fake::new()));
    let promised = [
        ("dt.from_utc_timestamp", "2024-05-01T12:20:30.456"),
        ("dt.to_utc_timestamp", "2024-05-01T08:20:30.456"),
        ("dt.millisecond", "456"),
        ("dt.second", "30"),
        ("dt.date_add", "2024-05-03"),
        ("dt.datediff", "31"),
        ("dt.date_format", "2024/05/01"),
        ("arr.compact", "[1, 2, 2]"),
        ("arr.remove", "[1, ]"),
        ("arr.slice", "[1, 2]"),
        ("text.title_case", "One Two Three"),
        ("text.regexp_extract_all", "[one, two, three]"),
        ("text.split", "[one, two, three]"),
    ];
    for (name, value) in promised {
        let row = cells(FROM_FENIC).find(|row| row[0] == format!("`{name}`")).unwrap_or_else(|| panic!("{name} is not on the page"));
        let shown = table(&session, &about_t(codes(&row[1])[0])).await;
        let cell = shown.lines().nth(3).unwrap().trim_matches('|').trim().to_owned();
        assert_eq!(cell, value, "{name}");
    }
}

#[tokio::test]
async fn every_function_on_the_page_is_there() {
    let session = session(&Arc::new(Fake::new()));
    let mut names = Vec::new();
    for row in cells(FUNCTIONS) {
        names.extend(codes(&row[0]).into_iter().filter_map(|code| code.split_once('(')).map(|(name, _)| name.to_owned()));
    }
    names.push("text_parse_transcript".to_owned());
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        // every one of them needs an argument, and says so in its own words
        let error = session.plan(&format!("SELECT {name}()")).await.map(|query| query.explain()).unwrap_err().to_string();
        assert!(error.contains(&name) && !error.to_lowercase().contains("invalid function"), "{name}: {error}");
    }
}

/// Texts that break what is written for plain ones.
fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "a",
        "plain words, and more. Of them",
        "\u{301}\u{301}",
        "👩‍👩‍👧e\u{301}🦾\r\n",
        "{",
        "[1, {\"a\": null}]",
        "\"\\ud800\"",
        "1e999",
        "```",
        "# h\n\n| a |\n|-|",
        "-->",
        "WEBVTT\n\n00:00.0 --> 00:01.0\nx",
        "A (00:01)\nb",
        "\0\u{7f}",
        "<v x>&amp;",
        "${a} ${b}",
        "{{ x }}{% if",
        "%00(?P<",
        "'",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([">".repeat(3_000), "[".repeat(3_000), "a".repeat(5_000), "\n".repeat(3_000)]);
    texts
}

const ONE_TEXT: [&str; 21] = [
    "text_chunk_characters($, 3, 1)",
    "text_chunk_words($, 3, '40%')",
    "text_chunk_tokens($, 3, 1, 'cl100k_base')",
    "text_chunk_recursive($, 4, '25%')",
    "text_token_count($)",
    "json_jq($, '.. | select(. != null)')",
    "json_value($, '$[*]')",
    "json_type($)",
    "json_contains($, '1')",
    "markdown_sections($, 1)",
    "markdown_code_blocks($)",
    "markdown_toc($)",
    "markdown_to_json($)",
    "text_parse_transcript($, 'srt')",
    "text_parse_transcript($, 'webvtt')",
    "text_parse_transcript($, 'generic')",
    "fuzzy_token_set_ratio($, 'plain words')",
    "text_extract($, '${a} ${b}')",
    "text_render('<{{ x }}>', $)",
    "regexp_extract_all($, '(.)(.)', 2)",
    "regexp_split($, '[ab]', 2)",
];

async fn results(session: &Session, sql: &str) -> Vec<String> {
    let batches = rows(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let options = arrow::util::display::FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in &batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("\u{1f}"));
        }
    }
    lines
}

#[tokio::test]
async fn a_column_gives_what_its_values_give_alone() {
    let session = session(&Arc::new(Fake::new()));
    let literals: Vec<String> =
        nasty().iter().map(|text| format!("'{}'", text.replace('\'', "''"))).chain(["NULL::text".to_owned()]).collect();
    let columns = |argument: &str| {
        let named = ONE_TEXT.iter().enumerate().map(|(index, call)| format!("{} AS c{index}", call.replace('$', argument)));
        // what the templates have in braces is no place for the argument
        named
            .map(|call| call.replace(&format!("{argument}{{"), "${").replace(&format!("'{argument}["), "'$["))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let values = literals.iter().map(|literal| format!("({literal})")).collect::<Vec<_>>().join(", ");
    let together = results(&session, &format!("SELECT {} FROM (VALUES {values}) AS v (x)", columns("x"))).await;
    assert_eq!(together.len(), literals.len());
    for (literal, row) in literals.iter().zip(&together) {
        let alone = results(&session, &format!("SELECT {}", columns(literal))).await;
        assert_eq!(alone, std::slice::from_ref(row), "{literal}");
    }
    let of_null = together.last().unwrap();
    assert!(of_null.split('\u{1f}').all(|value| value == "NULL"), "{of_null}");
}
