//! Streamed replies: the same deltas and the same reply however the bytes are cut, and an error wherever there is one.

use corsac_wire::header::is_event_stream;
use corsac_wire::{ChatReply, ErrorCode, Reply, StreamError, StreamEvent, StreamLimits, StreamReader};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::events::pieces;
use crate::samples::{sample, samples};

type Outcome = (Vec<StreamEvent>, Result<Reply, StreamError>);

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut reader, mut events) = (StreamReader::default(), Vec::new());
    for piece in pieces {
        if let Err(error) = reader.push(piece, &mut events) {
            return (events, Err(error));
        }
    }
    let reply = reader.finish(&mut events);
    (events, reply)
}

/// A stream of these events, with its end.
fn stream(events: &[Value]) -> Vec<u8> {
    let lines = events.iter().map(|event| format!("data: {event}\n\n")).chain(["data: [DONE]\n\n".to_owned()]);
    lines.collect::<String>().into_bytes()
}

/// A stream of deltas of one answer, with its end.
fn deltas(deltas: &[Value]) -> Vec<u8> {
    let mut events: Vec<Value> = deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
    events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    stream(&events)
}

fn chat(outcome: Outcome) -> ChatReply {
    match outcome.1 {
        Ok(Reply::Chat(chat)) => chat,
        other => panic!("not an answer: {other:?}"),
    }
}

fn answer(body: &[u8]) -> ChatReply {
    chat(read([body]))
}

/// The message as JSON, as a tool loop hands it back.
fn message(chat: &ChatReply) -> Value {
    serde_json::from_str(chat.message().unwrap().verbatim().get()).unwrap()
}

#[test]
fn a_stream_is_known_by_its_content_type() {
    for sample in samples("") {
        let stream = sample.header("content-type").is_some_and(is_event_stream);
        assert_eq!(stream, sample.name.starts_with("stream_"), "{}", sample.name);
    }
    assert!(is_event_stream("Text/Event-Stream; charset=utf-8"));
}

#[test]
fn every_sample_reads_alike_in_two_pieces_and_byte_by_byte() {
    for sample in samples("stream_") {
        let whole = format!("{:?}", read([sample.body.as_slice()]));
        assert_eq!(format!("{:?}", read(sample.body.chunks(1))), whole, "{} byte by byte", sample.name);
        for cut in 0..=sample.body.len() {
            let (left, right) = sample.body.split_at(cut);
            assert_eq!(format!("{:?}", read([left, right])), whole, "{} cut at byte {cut}", sample.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sample_reads_alike_in_any_pieces_and_with_any_line_ends(
        which in any::<prop::sample::Index>(),
        end in prop_oneof![Just("\n"), Just("\r"), Just("\r\n")],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let samples = samples("stream_");
        let body = &samples[which.index(samples.len())].body;
        let ended = String::from_utf8_lossy(body).replace('\n', end).into_bytes();
        prop_assert_eq!(format!("{:?}", read(pieces(&ended, &cuts))), format!("{:?}", read([body.as_slice()])));
    }

    /// A connection may break at any byte. What was not finished is never taken for an answer.
    #[test]
    fn a_stream_cut_anywhere_is_truncated_or_the_whole_answer(which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let samples = samples("stream_t");
        let body = &samples[which.index(samples.len())].body;
        let whole = read([body.as_slice()]);
        let (events, reply) = read([&body[..cut.index(body.len())]]);
        prop_assert!(whole.0.starts_with(&events), "{:?} is no start of {:?}", events, whole.0);
        match reply {
            Ok(Reply::Chat(chat)) => {
                prop_assert!(chat.choices.iter().all(|choice| choice.finish_reason.is_some()));
                prop_assert_eq!(message(&chat), message(&super::streams::chat(whole)));
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(error) => {
                let truncated = matches!(error, StreamError::Truncated { .. });
                prop_assert!(truncated, "{error:?}");
            }
        }
    }
}

#[test]
fn usage_comes_in_three_places() {
    for (name, text, texts) in [
        ("stream_text_usage_with_choice", "There are 47 files.", 3),
        ("stream_text_usage_empty_choices", "Hi", 1),
        ("stream_text_usage_on_finish", "Hi", 1),
    ] {
        let (events, reply) = read([sample(name).body.as_slice()]);
        let count = |wanted: fn(&StreamEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
        assert_eq!(count(|event| matches!(event, StreamEvent::Text { .. })), texts, "{name}: no event for an empty text");
        assert_eq!(count(|event| matches!(event, StreamEvent::Finished { .. })), 1, "{name}: one end, however often it is told");
        assert_eq!(count(|event| matches!(event, StreamEvent::Usage(_))), 1, "{name}");
        let chat = chat((events, reply));
        let usage = chat.usage.unwrap();
        assert_eq!(chat.text(), Some(text));
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (7_007, 5, Some(7_012)), "{name}");
        assert_eq!(usage.cost.unwrap().to_string(), "$0.00070", "{name}");
        assert_eq!(usage.upstream_inference_cost(), usage.cost, "{name}");
        assert_eq!((chat.model.as_deref(), chat.provider.as_deref()), (Some("meta-llama/llama-3.3-70b-instruct"), Some("DeepInfra")));
        assert_eq!(chat.choices[0].finish_reason.as_deref(), Some("stop"));
        assert_eq!(message(&chat), json!({"role": "assistant", "content": text}));
    }
}

#[test]
fn calls_come_in_fragments() {
    let (events, reply) = read([sample("stream_toolcalls").body.as_slice()]);
    let fragments: Vec<(usize, Option<&str>, Option<&str>, &str)> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ToolCallFragment { call, id, name, arguments, .. } => {
                Some((*call, id.as_deref(), name.as_deref(), arguments.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        fragments,
        [
            (0, Some("toolu_bdrk_01A"), Some("get_weather"), ""),
            (0, None, None, r#"{"city":"#),
            (0, None, None, r#""Oslo"}"#),
            (1, Some("toolu_bdrk_01B"), Some("get_weather"), ""),
            (1, None, None, r#"{"city":"Rome"}"#),
        ]
    );
    assert_eq!(
        message(&chat((events, reply))),
        json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "toolu_bdrk_01A", "type": "function", "function": {"name": "get_weather", "arguments": r#"{"city":"Oslo"}"#}},
            {"id": "toolu_bdrk_01B", "type": "function", "function": {"name": "get_weather", "arguments": r#"{"city":"Rome"}"#}},
        ]})
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let chat = answer(&sample("stream_toolcall_empty_args").body);
    assert_eq!(chat.arguments("get_all_tabs"), Some("{}"));
    assert_eq!(message(&chat)["tool_calls"][0]["function"], json!({"name": "get_all_tabs", "arguments": "{}"}));
}

#[test]
fn calls_of_providers_that_count_in_their_own_way() {
    let call = |index: Option<u64>, id: Option<&str>, name: Option<&str>, arguments: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]});
    let names = |body: &[u8]| {
        let chat = answer(body);
        let calls = chat.message().unwrap().tool_calls.iter();
        calls.map(|call| format!("{} {}", call.id.as_deref().unwrap(), call.function.arguments.as_deref().unwrap())).collect::<Vec<_>>()
    };
    let repeated = deltas(&[call(Some(0), Some("a"), Some("f"), "{"), call(Some(0), Some("a"), Some("f"), "}")]);
    assert_eq!(names(&repeated), ["a {}"], "id and name with every fragment");
    let same_index =
        deltas(&[call(Some(0), Some("a"), Some("f"), "{}"), call(Some(0), Some("b"), Some("f"), "[]"), call(Some(0), None, None, " ")]);
    assert_eq!(names(&same_index), ["a {}", "b [] "], "an index used twice");
    let unnumbered = deltas(&[call(None, Some("a"), Some("f"), "{"), call(None, None, None, "}"), call(None, Some("b"), Some("f"), "[]")]);
    assert_eq!(names(&unnumbered), ["a {}", "b []"], "no index");
    let far = deltas(&[call(Some(u64::MAX), Some("z"), Some("f"), "1"), call(Some(3), Some("a"), Some("f"), "2")]);
    assert_eq!(names(&far), ["z 1", "a 2"], "an index is a name, not a place");
    let object = deltas(&[json!({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]})]);
    assert_eq!(names(&object), [r#"a {"x":1}"#], "an object in place of its text");
}

#[test]
fn reasoning_is_put_together_by_index_and_type() {
    let (events, reply) = read([sample("stream_reasoning").body.as_slice()]);
    let shown: String = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Reasoning { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, "Let me think.");
    let chat = chat((events, reply));
    assert_eq!(chat.model.as_deref(), Some("anthropic/claude-sonnet-4.5"), "the usage event names another model");
    assert_eq!(chat.message().unwrap().reasoning.as_deref(), Some("Let me think."));
    assert_eq!(
        chat.message().unwrap().reasoning_details(),
        [
            json!({"type": "reasoning.text", "text": "Let me think.", "format": "anthropic-claude-v1", "index": 0, "signature": "synthetic=="})
        ]
    );
}

#[test]
fn reasoning_details_keep_their_order_and_their_last_signature() {
    let detail = |detail: Value| json!({"reasoning_details": [detail]});
    let body = deltas(&[
        detail(json!({"type": "reasoning.summary", "summary": "First", "index": 0})),
        detail(json!({"type": "reasoning.encrypted", "data": "AA", "index": 0, "id": "rs_1"})),
        detail(json!({"type": "reasoning.summary", "summary": " then", "index": 0, "id": null})),
        detail(json!({"type": "reasoning.encrypted", "data": "BB", "index": 0, "id": "rs_2"})),
        detail(json!({"type": "reasoning.encrypted", "data": "aa", "index": 0, "id": "rs_1"})),
        detail(json!({"type": "reasoning.text", "text": "x", "index": 1, "signature": "old"})),
        detail(json!({"type": "reasoning.text", "text": null, "index": 1, "signature": "new"})),
        detail(json!({"type": "reasoning.text", "index": 1, "signature": null})),
    ]);
    assert_eq!(
        answer(&body).message().unwrap().reasoning_details(),
        [
            json!({"type": "reasoning.summary", "summary": "First then", "index": 0, "id": null}),
            json!({"type": "reasoning.encrypted", "data": "AAaa", "index": 0, "id": "rs_1"}),
            json!({"type": "reasoning.encrypted", "data": "BB", "index": 0, "id": "rs_2"}),
            json!({"type": "reasoning.text", "text": "x", "index": 1, "signature": "new"}),
        ]
    );
}

#[test]
fn reasoning_that_stands_in_details_alone_is_shown() {
    let body = deltas(&[json!({"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}), json!({"reasoning_content": "So"})]);
    let (events, reply) = read([body.as_slice()]);
    let shown = |text: &str| StreamEvent::Reasoning { choice: 0, text: text.to_owned() };
    assert!(events.starts_with(&[shown("Hm."), shown("So")]), "{events:?}");
    assert_eq!(chat((events, reply)).message().unwrap().reasoning.as_deref(), Some("So"));
}

#[test]
fn an_error_inside_a_stream_is_an_error() {
    for (name, status, message, text) in [
        ("stream_midstream_error", 429, "Rate limit exceeded", Some("There are")),
        ("stream_midstream_error_empty_choices", 502, "Worker local total request limit reached (33/32)", None),
        ("stream_error_bare", 429, "Rate limit exceeded: free-models-per-day", None),
        ("stream_error_bare_string_code", 502, "Provider disconnected unexpectedly", Some("")),
    ] {
        let (events, reply) = read([sample(name).body.as_slice()]);
        assert!(events.iter().any(|event| matches!(event, StreamEvent::Error(_))), "{name}");
        let Ok(Reply::Error { error, status: told, reply }) = reply else { panic!("{name}: {reply:?}") };
        assert_eq!(
            (told, error.message.as_str(), reply.text().filter(|text| !text.is_empty())),
            (status, message, text.filter(|text| !text.is_empty())),
            "{name}"
        );
    }
    let (_, reply) = read([sample("stream_error_bare_string_code").body.as_slice()]);
    assert!(matches!(reply, Ok(Reply::Error { error, .. }) if error.code == Some(ErrorCode::Text("server_error".into()))));
    let (_, reply) = read([sample("stream_midstream_error").body.as_slice()]);
    assert!(matches!(reply, Ok(Reply::Error { reply, .. }) if reply.provider.as_deref() == Some("DeepInfra")));
}

#[test]
fn errors_in_other_shapes() {
    let error = |event: Value| match read([format!("data: {event}\n\n").as_bytes()]).1 {
        Ok(Reply::Error { error, status, .. }) => (status, error.message),
        other => panic!("{event}: {other:?}"),
    };
    assert_eq!(error(json!({"error": "too busy"})), (502, "too busy".into()), "a bare text");
    assert_eq!(error(json!({"error": {"code": "429", "message": "slow"}})), (429, "slow".into()), "a number as text");
    assert_eq!(
        error(json!({"error": {"code": null, "message": "x", "error_type": "timeout"}})),
        (504, "x".into()),
        "a class in place of a code"
    );
    assert_eq!(
        error(json!({"type": "error", "error": {"type": "overloaded_error", "message": "y"}})),
        (529, "y".into()),
        "Anthropic's envelope"
    );
    let choice = json!({"choices": [{"delta": {"content": ""}, "finish_reason": "error", "error": {"code": 503, "message": "z"}}]});
    assert_eq!(error(choice), (503, "z".into()), "in the choice");
}

#[test]
fn an_answer_that_ends_in_error_without_saying_which_is_no_success() {
    let body = stream(&[json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "error", "native_finish_reason": "MALFORMED"}]})]);
    let chat = answer(&body);
    assert_eq!(
        (chat.choices[0].finish_reason.as_deref(), chat.choices[0].native_finish_reason.as_deref()),
        (Some("error"), Some("MALFORMED"))
    );
    let late = stream(&[
        json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "error"}]}),
    ]);
    assert_eq!(answer(&late).choices[0].finish_reason.as_deref(), Some("error"), "what breaks off after the end is the truth");
}

#[test]
fn a_stream_that_breaks_off_is_truncated() {
    let truncated = |body: &[u8]| match read([body]).1 {
        Err(StreamError::Truncated { reply }) => reply.text().unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(truncated(&sample("stream_truncated_no_done").body), "There");
    assert_eq!(truncated(b""), "");
    assert_eq!(truncated(b": OPENROUTER PROCESSING\n\n"), "");
    assert_eq!(
        truncated(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"del"),
        "a",
        "cut within an event"
    );
    assert_eq!(truncated(b"data: {\"id\":\"gen-1\",\"choices\":[]}\n\n"), "");
}

#[test]
fn the_end_is_told_in_two_ways() {
    let end = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(answer(end.as_bytes()).text(), Some("a"), "a finished answer, then the connection's end");
    let done = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n";
    assert_eq!(answer(done.as_bytes()).text(), Some("a"), "[DONE], after which nothing counts");
    let (_, reply) = read([b"data: {\"id\":\"x\"}\n\ndata: [DONE]\n\n".as_slice()]);
    assert!(matches!(&reply, Ok(Reply::Unreadable { excerpt, .. }) if excerpt == r#"{"id":"x"}"#), "an end without any answer: {reply:?}");
}

#[test]
fn a_debug_event_tells_of_the_request_and_unknown_fields_of_nothing() {
    let chat = answer(&sample("stream_debug_first_chunk").body);
    assert_eq!(
        (chat.text(), chat.model.as_deref(), chat.provider.as_deref()),
        (Some("Hi"), Some("anthropic/claude-haiku-4.5"), Some("Anthropic"))
    );
    let odd = stream(&[
        json!({"choices": "none", "usage": [], "error": null, "provider": "First", "model": 7}),
        json!({"weather": {"x": [1, {}]}, "provider": "Second", "choices": [null, 3, {"delta": null}, {"index": 0, "delta": {"content": "a", "mood": "good"}, "x": 1}]}),
        json!({"provider": "Third", "choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "b"}], "tool_calls": "no", "reasoning_details": [1]}, "finish_reason": "stop"}]}),
    ]);
    let chat = answer(&odd);
    assert_eq!((chat.text(), chat.provider.as_deref(), chat.model.as_deref()), (Some("ab"), Some("Second"), None));
}

#[test]
fn several_answers_stay_apart() {
    let body = stream(&[
        json!({"choices": [{"index": 1, "delta": {"content": "b"}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ]);
    let chat = answer(&body);
    let told: Vec<_> = chat.choices.iter().map(|choice| (choice.message.content.as_deref(), choice.finish_reason.as_deref())).collect();
    assert_eq!(told, [(Some("a"), Some("stop")), (Some("bb"), Some("length"))]);
}

#[test]
fn citations_pictures_sound_and_probabilities_are_collected() {
    let body = stream(&[
        json!({"choices": [{"delta": {"annotations": [{"type": "file", "n": 1}], "audio": {"id": "au", "data": "AA", "transcript": "Hel"}}, "logprobs": {"content": [{"token": "a"}]}}]}),
        json!({"choices": [{"delta": {"annotations": [{"n": 2}], "images": [{"image_url": {"url": "data:,"}}], "audio": {"data": "BB", "transcript": "lo"}, "refusal": "no"}, "logprobs": {"content": [{"token": "b"}], "refusal": null}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "openrouter_metadata": {"strategy": "direct", "attempt": 1}, "service_tier": "flex"}),
    ]);
    let (events, reply) = read([body.as_slice()]);
    assert_eq!(events.iter().filter(|event| matches!(event, StreamEvent::Annotation { .. })).count(), 2);
    assert!(events.contains(&StreamEvent::Image { choice: 0, image: json!({"image_url": {"url": "data:,"}}) }));
    assert!(events.contains(&StreamEvent::Refusal { choice: 0, text: "no".into() }));
    let chat = chat((events, reply));
    assert_eq!(
        message(&chat),
        json!({"role": "assistant", "content": null, "refusal": "no", "annotations": [{"type": "file", "n": 1}, {"n": 2}],
            "images": [{"image_url": {"url": "data:,"}}], "audio": {"id": "au", "data": "AABB", "transcript": "Hello"}})
    );
    assert_eq!(
        chat.choices[0].logprobs.as_deref().map(|raw| raw.get()),
        Some(r#"{"content":[{"token":"a"},{"token":"b"}],"refusal":null}"#)
    );
    assert_eq!(chat.openrouter_metadata.unwrap().strategy.as_deref(), Some("direct"));
}

#[test]
fn comments_are_told_from_data() {
    let mut reader = StreamReader::default();
    let mut events = Vec::new();
    let mut push = |text: &str| reader.push(text.as_bytes(), &mut events).unwrap();
    let warm = push(": OPENROUTER PROCESSING\n\n: again\n\n");
    assert_eq!((warm.comments, warm.data_events, warm.done), (2, 0, false));
    assert_eq!(push("data: {\"choices\":[{\"delta\":{\"con").data_events, 0, "half an event is none");
    assert_eq!(push("tent\":\"a\"}}]}\n\n").data_events, 1);
    let end = push("data: [DONE]\n\n");
    assert_eq!((end.data_events, end.done, push(": late\n").done), (1, true, true));
    assert_eq!(reader.partial().text(), Some("a"));
}

#[test]
fn what_cannot_be_read_or_kept_is_an_error() {
    for garbage in ["hello", "[1]", "null", "{\"a\":", "3"] {
        let (_, reply) = read([format!("data: {garbage}\n\ndata: [DONE]\n\n").as_bytes()]);
        assert!(matches!(&reply, Err(StreamError::Garbled { excerpt }) if excerpt == garbage), "{garbage}: {reply:?}");
    }
    let limits = StreamLimits { event_bytes: 100, total_bytes: 150 };
    let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "a".repeat(20));
    let mut reader = StreamReader::new(limits);
    let mut events = Vec::new();
    assert!((0..2).all(|_| reader.push(event.as_bytes(), &mut events).is_ok()));
    assert!(matches!(reader.push(event.as_bytes(), &mut events), Err(StreamError::TooLong { limit: 150 })));
    assert_eq!(reader.partial().text().map(str::len), Some(40), "what came before is there");
    let mut reader = StreamReader::new(limits);
    let error = reader.push(&[b'x'; 101], &mut events).unwrap_err();
    assert_eq!(error.to_string(), "an event of the stream is longer than 100 bytes");
    assert!(matches!(reader.finish(&mut events), Err(StreamError::EventTooLong(_))));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut body = b"data: {\"choices\":[{\"delta\":{\"content\":\"a".to_vec();
    body.push(0xFF);
    body.extend_from_slice(b"\"},\"finish_reason\":\"stop\"}]}\n\n");
    assert_eq!(answer(&body).text(), Some("a\u{FFFD}"));
}
