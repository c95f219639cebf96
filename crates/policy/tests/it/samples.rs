//! The sample exchanges, read as the engine reads replies.

use std::path::PathBuf;

use corsac_policy::{Fault, FaultClass, Strategy};
use corsac_wire::header::ComeBack;
use corsac_wire::{ChatReply, Reply};
use serde_json::Value;

/// 2025-11-22T00:58:21Z, about when the samples play.
pub(crate) const NOW_MS: i64 = 1_763_773_101_000;

/// A recorded exchange.
pub(crate) struct Sample {
    pub(crate) name: String,
    json: Value,
}

/// A sample by its name.
pub(crate) fn sample(name: &str) -> Sample {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/samples").join(format!("{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sample { name: name.to_owned(), json: serde_json::from_slice(&text).expect("a sample is JSON") }
}

/// All samples whose names begin so, in order.
pub(crate) fn samples(prefix: &str) -> Vec<Sample> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wire/tests/samples");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the samples' folder")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names.iter().map(|name| sample(name)).collect()
}

impl Sample {
    /// The model that was asked for, where the sample tells.
    pub(crate) fn is_free(&self) -> bool {
        self.json.to_string().contains(":free") || self.json.to_string().contains("free-models")
    }

    /// The fault in it, read as the engine would.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.json.get("body_sse_lines").and_then(Value::as_array) {
            Some(lines) => stream_fault(lines),
            None => self.reply_fault(),
        }
    }

    fn reply_fault(&self) -> Option<Fault> {
        let status = u16::try_from(self.json["http"]["status"].as_u64().expect("a status")).expect("a status");
        let headers = &self.json["http"]["headers"];
        let come_back = ComeBack::read(|name| headers.get(name).and_then(Value::as_str), NOW_MS);
        let body = match &self.json["body"] {
            Value::String(text) => text.clone().into_bytes(),
            body => body.to_string().into_bytes(),
        };
        let reply = Reply::decode(status, &body);
        match &reply {
            Reply::Chat(chat) => answer_fault(chat),
            _ => Fault::of(&reply, come_back, NOW_MS),
        }
    }
}

fn answer_fault(chat: &ChatReply) -> Option<Fault> {
    let choice = chat.choices.first()?;
    let calls = choice.finish_reason.as_deref() == Some("tool_calls");
    let arguments = choice.message.tool_calls.first().and_then(|call| call.function.arguments.as_deref());
    let text = if calls { arguments.map(|text| if text.is_empty() { "{}" } else { text }) } else { chat.text() };
    Fault::in_answer(chat, text, if calls { Strategy::ForcedTool } else { Strategy::ResponseFormat })
}

/// An event with an error in it is the reply of a failed request; a stream that ends without an end was cut.
fn stream_fault(lines: &[Value]) -> Option<Fault> {
    let events = || lines.iter().filter_map(|line| line.as_str()?.strip_prefix("data: "));
    for event in events().filter(|event| event.starts_with('{')) {
        let value: Value = serde_json::from_str(event).expect("an event is JSON");
        if value.get("error").is_some() {
            return Fault::of(&Reply::decode(200, event.as_bytes()), ComeBack::default(), NOW_MS);
        }
    }
    let finished = events().any(|event| event.contains("\"finish_reason\":\"") || event == "[DONE]");
    (!finished).then(|| Fault::new(FaultClass::Cut, "the stream ended before the answer did"))
}
