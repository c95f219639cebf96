//! Streams: comments, roles, the three layouts of the usage, tool calls, and streams that go wrong.

use std::time::Duration;

use corsac_sim::SimBody;
use serde_json::{Value, json};

use crate::{chat, question, simulator};

/// The data events of a stream, and whether it came to `[DONE]`; anything that is neither a data
/// line, a comment nor empty fails the test.
fn events(text: &str) -> (Vec<Value>, bool) {
    let (mut events, mut done) = (Vec::new(), false);
    for line in text.lines() {
        assert!(!done || line.is_empty(), "after [DONE]: {line}");
        match line.strip_prefix("data: ") {
            Some("[DONE]") => done = true,
            Some(data) => events.push(serde_json::from_str(data).unwrap()),
            None => assert!(line.is_empty() || line.starts_with(':'), "{line}"),
        }
    }
    (events, done)
}

fn streamed(script: &str, mut body: Value) -> String {
    body["stream"] = json!(true);
    let reply = chat(&simulator(script), &body, Duration::ZERO);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/event-stream")));
    String::from_utf8(reply.body_bytes()).unwrap()
}

fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[test]
fn the_pieces_are_the_answer() {
    let text = streamed("", question("openai/gpt-4o-mini"));
    assert!(text.starts_with(": OPENROUTER PROCESSING\n\n"));
    let (events, done) = events(&text);
    assert!(done);
    let whole = crate::content(&chat(&simulator(""), &question("openai/gpt-4o-mini"), Duration::ZERO));
    assert_eq!(text_of(&events), whole);
    for event in events.iter().filter(|event| event["choices"][0].is_object()) {
        assert_eq!(event["choices"][0]["delta"]["role"], "assistant", "{event}");
        assert_eq!(event["object"], "chat.completion.chunk");
    }
}

/// What a program of DSPy's sends, and Corsac's own: fields under lines that name them.
#[test]
fn fields_that_a_prompt_asks_for_by_markers_are_given_whole_and_as_a_stream() {
    let system = "Your output fields are:\n1. `reasoning` (str)\n2. `label` (Literal['good', 'bad'])\n3. `stars` (int)";
    let user = "[[ ## review ## ]]\nA good lamp.\n\nRespond with the corresponding output fields, starting with the field `[[ ## reasoning ## ]]`, \
                then `[[ ## label ## ]]` (must be formatted as a valid Python Literal['good', 'bad']), then `[[ ## stars ## ]]` (must be formatted as a \
                valid Python int), and then ending with the marker for `[[ ## completed ## ]]`.";
    let body =
        json!({"model": "openai/gpt-4o-mini", "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]});
    let (events, done) = events(&streamed("", body.clone()));
    let text = text_of(&events);
    assert!(done && events.len() > 4);
    assert_eq!(text, crate::content(&chat(&simulator(""), &body, Duration::ZERO)));
    let rest = text.strip_prefix("[[ ## reasoning ## ]]\n").unwrap();
    let (reasoning, rest) = rest.split_once("\n\n[[ ## label ## ]]\n").unwrap();
    let (label, rest) = rest.split_once("\n\n[[ ## stars ## ]]\n").unwrap();
    let stars = rest.strip_suffix("\n\n[[ ## completed ## ]]").unwrap();
    assert!(!reasoning.is_empty() && !reasoning.contains("[[") && label == "good" && stars.parse::<i64>().is_ok(), "{text}");
}

#[test]
fn usage_stands_where_the_layout_says() {
    for layout in ["with_choice", "empty_choices", "on_finish"] {
        let script = format!("[stream]\nusage_layout = '{layout}'");
        let (events, done) = events(&streamed(&script, question("openai/gpt-4o-mini")));
        assert!(done);
        let with_usage: Vec<&Value> = events.iter().filter(|event| event["usage"].is_object()).collect();
        let [event] = with_usage[..] else { panic!("{layout}: usage came {} times", with_usage.len()) };
        assert!(event["usage"]["cost"].is_number());
        let finish = &event["choices"][0]["finish_reason"];
        match layout {
            "with_choice" => assert!(event["choices"][0].is_object() && finish.is_null()),
            "empty_choices" => assert_eq!(event["choices"], json!([])),
            _ => assert_eq!(finish, "stop"),
        }
        let finished = events.iter().filter(|event| event["choices"][0]["finish_reason"].is_string());
        assert_eq!(finished.count(), 1, "{layout}");
    }
}

#[test]
fn all_layouts_occur_by_seed() {
    let simulator = simulator("seed = 3");
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..30 {
        let mut body = question("openai/gpt-4o-mini");
        body["stream"] = json!(true);
        let text = String::from_utf8(chat(&simulator, &body, Duration::ZERO).body_bytes()).unwrap();
        let (events, _) = events(&text);
        let last = events.last().unwrap();
        kinds.insert((last["choices"].as_array().unwrap().len(), last["choices"][0]["finish_reason"].is_string()));
    }
    assert_eq!(kinds.len(), 3);
}

#[test]
fn tool_calls_come_in_fragments() {
    let body = json!({
        "model": "openai/gpt-4o", "messages": [{ "role": "user", "content": "Weather in Oslo and Bergen tomorrow?" }],
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object",
            "properties": { "place": { "type": "string", "minLength": 60 } }, "required": ["place"] } } }],
        "tool_choice": "required",
    });
    let (events, _) = events(&streamed("", body));
    let fragments: Vec<&Value> =
        events.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]).filter(|call| call.is_object()).collect();
    assert!(fragments.len() > 2, "{fragments:?}");
    assert_eq!(fragments[0]["function"]["name"], "weather");
    assert!(fragments[1..].iter().all(|call| call["id"].is_null() && call["function"]["name"].is_null()));
    let arguments: String = fragments.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["place"].is_string());
}

#[test]
fn streams_go_wrong_as_told() {
    let question = || question("openai/gpt-4o-mini");
    let (cut_off, done) = events(&streamed("[[rule]]\nfault='truncated_stream'", question()));
    assert!(!done && !text_of(&cut_off).is_empty());
    assert!(cut_off.iter().all(|event| event["choices"][0]["finish_reason"].is_null() && event["usage"].is_null()));

    let (failed, _) = events(&streamed("[[rule]]\nfault='midstream_error'", question()));
    let last = failed.last().unwrap();
    assert_eq!((last["error"]["code"].as_u64(), &last["choices"][0]["finish_reason"]), (Some(502), &json!("error")));

    let stalled = streamed("[[rule]]\nfault='stalled_stream'", question());
    assert!(stalled.lines().all(|line| line.is_empty() || line.starts_with(':')));
}

#[test]
fn gaps_lie_between_the_pieces() {
    let mut body = question("openai/gpt-4o-mini");
    body["stream"] = json!(true);
    let reply = chat(&simulator("latency_ms = 100\n[stream]\ngap_ms = 20"), &body, Duration::ZERO);
    let SimBody::Stream(pieces) = &reply.body else { panic!("no stream") };
    assert_eq!(pieces[0].0, Duration::ZERO);
    assert!(pieces[1..].iter().all(|(gap, _)| *gap == Duration::from_millis(20)));
    let gaps = u32::try_from(pieces.len() - 1).unwrap();
    assert_eq!(reply.duration(), Some(Duration::from_millis(100) + Duration::from_millis(20) * gaps));
}

#[test]
fn errors_before_the_first_token_are_plain_json() {
    let mut body = question("openai/gpt-4o-mini");
    body["stream"] = json!(true);
    let reply = chat(&simulator("[[rule]]\nfault='http_503'"), &body, Duration::ZERO);
    assert_eq!((reply.status, reply.header("content-type")), (503, Some("application/json")));
}

#[test]
fn lines_and_pieces_can_be_cut_otherwise() {
    let plain = streamed("", question("openai/gpt-4o-mini"));
    assert_eq!(streamed("[stream]\ncrlf = true", question("openai/gpt-4o-mini")), plain.replace('\n', "\r\n"));
    let mut body = question("openai/gpt-4o-mini");
    body["stream"] = json!(true);
    let reply = chat(&simulator("[stream]\npiece_bytes = 7\ngap_ms = 1"), &body, Duration::ZERO);
    let SimBody::Stream(pieces) = &reply.body else { panic!("no stream") };
    assert!(pieces[..pieces.len() - 1].iter().all(|(_, bytes)| bytes.len() == 7));
    assert_eq!(String::from_utf8(reply.body_bytes()).unwrap(), plain);
}

#[test]
fn a_stream_can_begin_with_what_was_sent_to_the_provider() {
    let mut body = question("openai/gpt-4o-mini");
    body["debug"] = json!({ "echo_upstream_body": true });
    let (told, done) = events(&streamed("", body));
    assert!(done);
    assert_eq!((&told[0]["choices"], &told[0]["debug"]["echo_upstream_body"]["model"]), (&json!([]), &json!("openai/gpt-4o-mini")));
    assert!(told[1]["debug"].is_null());
}

#[test]
fn errors_in_a_stream_come_in_three_shapes() {
    let last = |fault: &str| {
        let (told, done) = events(&streamed(&format!("[[rule]]\nfault='{fault}'"), question("openai/gpt-4o-mini")));
        assert!(!done);
        told.last().unwrap().clone()
    };
    assert_eq!(last("midstream_error")["choices"][0]["finish_reason"], "error");
    let without = last("midstream_error_no_choices");
    assert_eq!((&without["choices"], &without["error"]["code"]), (&json!([]), &json!(502)));
    let bare = last("midstream_error_bare");
    assert!(bare["id"].is_null() && bare["choices"].is_null() && bare["error"]["message"].is_string() && bare["user_id"].is_string());
}
