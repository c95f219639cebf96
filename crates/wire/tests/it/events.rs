//! Server-sent events: the rules of the HTML standard, whatever pieces the bytes come in.

use corsac_wire::{EventTooLong, SseItem, SseParser};
use proptest::prelude::*;

/// An item that owns what it holds.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Comment,
    Data(Option<String>, String),
    Done,
    TooLong(usize),
}

fn taken(parser: &mut SseParser, items: &mut Vec<Item>) {
    loop {
        items.push(match parser.next_item() {
            Ok(Some(SseItem::Comment)) => Item::Comment,
            Ok(Some(SseItem::Data { event, data })) => Item::Data(event.map(str::to_owned), String::from_utf8_lossy(data).into_owned()),
            Ok(Some(SseItem::Done)) => Item::Done,
            Ok(None) => return,
            Err(EventTooLong { limit }) => {
                if !items.contains(&Item::TooLong(limit)) {
                    items.push(Item::TooLong(limit));
                }
                return;
            }
        });
    }
}

/// The items of a body that comes in these pieces.
fn items<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Item> {
    let (mut parser, mut items) = (SseParser::new(limit), Vec::new());
    for piece in pieces {
        parser.push(piece);
        taken(&mut parser, &mut items);
    }
    parser.end();
    taken(&mut parser, &mut items);
    items
}

/// The items of a text, which are the same whole and byte by byte.
fn read(text: &str) -> Vec<Item> {
    let whole = items([text.as_bytes()], 1_000);
    assert_eq!(items(text.as_bytes().chunks(1), 1_000), whole, "{text:?} byte by byte");
    whole
}

fn data(text: &str) -> Item {
    Item::Data(None, text.to_owned())
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        let text = ["data: a", "", ": warm", "data: b", "data:  c", "", "data: [DONE]", ""].map(|line| format!("{line}{end}")).concat();
        assert_eq!(read(&text), [data("a"), Item::Comment, data("b\n c"), Item::Done], "{end:?}");
    }
    assert_eq!(read("data: a\n\rdata: b\r\r\ndata: c\r\n\n"), [data("a"), data("b"), data("c")]);
}

#[test]
fn an_event_has_a_name_for_itself_alone() {
    assert_eq!(read("event: error\nid: 7\nretry: 10\ndata: a\n\ndata: b\n\n"), [Item::Data(Some("error".into()), "a".into()), data("b")]);
    assert_eq!(read("event: ping\n\ndata: b\n\n"), [data("b")], "an event without data is none, and its name goes with it");
}

#[test]
fn fields_without_colon_or_value() {
    assert_eq!(read("data\ndata\n\n"), [data("\n")]);
    assert_eq!(read("data\n\ndata:\n\n"), [], "no data");
    assert_eq!(read("data:a\ndatas: b\n data: c\n\n"), [data("a")], "a field's name is exact");
}

#[test]
fn a_byte_order_mark_stands_at_the_start_alone() {
    assert_eq!(read("\u{FEFF}data: a\n\n"), [data("a")]);
    assert_eq!(read("\u{FEFF}: warm\n\u{FEFF}data: a\n\n"), [Item::Comment]);
}

#[test]
fn the_end_of_the_body_ends_the_event() {
    assert_eq!(read("data: a"), [data("a")]);
    assert_eq!(read("data: a\n"), [data("a")]);
    assert_eq!(read("data: a\r"), [data("a")]);
    assert_eq!(read(": warm"), [Item::Comment]);
    assert_eq!(read("data: [DONE]"), [Item::Done]);
    assert_eq!(read(""), []);
}

#[test]
fn done_is_done_with_spaces_around_it() {
    assert_eq!(read("data:[DONE]\n\ndata:  [DONE] \n\n"), [Item::Done, Item::Done]);
    assert_eq!(read("data: \"[DONE]\"\n\n"), [data("\"[DONE]\"")]);
}

#[test]
fn too_long_a_line_or_event_is_an_error_for_good() {
    let limited = |text: &str| {
        let whole = items([text.as_bytes()], 10);
        assert_eq!(items(text.as_bytes().chunks(1), 10), whole, "{text:?} byte by byte");
        whole
    };
    assert_eq!(limited("data: 1234\n\n"), [data("1234")], "as long as may be");
    assert_eq!(limited("data: 1\n\ndata: 12345\n\ndata: 2\n\n"), [data("1"), Item::TooLong(10)]);
    assert_eq!(limited(": 123456789\ndata: 2\n\n"), [Item::TooLong(10)], "a comment too");
    assert_eq!(limited("data: 1234\ndata: 1234\n\n"), [data("1234\n1234")]);
    assert_eq!(limited("data: 1234\ndata: 1234\ndata: 1\n\n"), [Item::TooLong(10)]);
}

#[test]
fn what_never_ends_takes_no_more_memory_than_the_limit() {
    let (mut parser, mut items) = (SseParser::new(1_000), Vec::new());
    for _ in 0..10_000 {
        parser.push(&[b'x'; 1_000]);
        taken(&mut parser, &mut items);
    }
    assert_eq!(items, [Item::TooLong(1_000)]);
    assert!(format!("{parser:?}").len() < 1_000, "nothing is kept");
}

/// The standard's own words, done the simple way on a whole text.
fn by_the_book(text: &str) -> Vec<Item> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut items, mut name, mut lines) = (Vec::new(), String::new(), Vec::<String>::new());
    for line in text.split('\n').chain([""]) {
        if line.is_empty() {
            let joined = std::mem::take(&mut lines).join("\n");
            let name = std::mem::take(&mut name);
            if joined.trim() == "[DONE]" {
                items.push(Item::Done);
            } else if !joined.is_empty() {
                items.push(Item::Data(Some(name).filter(|name| !name.is_empty()), joined));
            }
        } else if line.starts_with(':') {
            items.push(Item::Comment);
        } else {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => lines.push(value.to_owned()),
                "event" => name = value.to_owned(),
                _ => {}
            }
        }
    }
    items
}

/// Texts made of what means something to the parser.
fn eventful() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => Just("data: "), 2 => Just("data:"), 1 => Just("data"), 4 => Just("\n"), 3 => Just("\r\n"), 3 => Just("\r"),
        2 => Just(":"), 1 => Just(" "), 1 => Just("event: "), 1 => Just("[DONE]"), 1 => Just("\u{FEFF}"), 2 => Just("{\"a\":1}"), 1 => Just("ü"),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

/// The pieces of a body that is cut at these places.
pub(crate) fn pieces<'a>(body: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([0, body.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_pieces_reads_by_the_book(text in eventful(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        prop_assert_eq!(items(pieces(text.as_bytes(), &cuts), 10_000), by_the_book(&text));
    }

    #[test]
    fn any_bytes_in_any_pieces_read_alike(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        limit in 0_usize..40,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assert_eq!(items(pieces(&body, &cuts), limit), items([body.as_slice()], limit));
    }
}
