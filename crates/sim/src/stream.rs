//! A chat answer as server-sent events: comments, deltas that each repeat the role, one of three
//! layouts for the usage, and the ways a stream can go wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::completion_json::{Served, head, logprobs, metadata, number, optional, text, usage};
use crate::config::UsageLayout;
use crate::fault::FaultKind;
use crate::wire_error::USER;

const COMMENT: &[u8] = b": OPENROUTER PROCESSING\n\n";
const DONE: &[u8] = b"data: [DONE]\n\n";
/// How long a stalled stream goes on with its comments.
const STALL: (usize, Duration) = (3_600, Duration::from_secs(1));

/// How a stream is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Settled, never `Seeded`.
    pub(crate) usage: UsageLayout,
    pub(crate) gap: Duration,
    pub(crate) leading_comments: u32,
    pub(crate) piece_bytes: Option<usize>,
    pub(crate) crlf: bool,
    /// Begin with the body as it went to the provider.
    pub(crate) echoes: bool,
}

/// The pieces of a stream, each after a gap.
pub(crate) type Pieces = Vec<(Duration, Vec<u8>)>;

/// A stream that only says that it is alive.
pub(crate) fn stalled() -> Pieces {
    (0..STALL.0).map(|_| (STALL.1, COMMENT.to_vec())).collect()
}

/// Whether the fault ends a stream before its time.
pub(crate) fn ends_early(fault: Option<FaultKind>) -> bool {
    matches!(
        fault,
        Some(
            FaultKind::TruncatedStream
                | FaultKind::MidstreamError
                | FaultKind::MidstreamErrorNoChoices
                | FaultKind::MidstreamErrorBare
                | FaultKind::Cut
        )
    )
}

/// What a provider says that goes away in the middle of an answer.
pub(crate) fn disconnected() -> Value {
    json!({
        "code": 502,
        "message": "The provider disconnected in the middle of the answer",
        "metadata": { "error_type": "provider_unavailable", "provider_code": "disconnected" },
    })
}

/// Comments in front of and in the middle of `events`, and a gap before each piece but the first.
pub(crate) fn paced(events: Vec<Vec<u8>>, layout: Layout) -> Pieces {
    let middle = events.len() / 2;
    let mut whole: Vec<Vec<u8>> = Vec::with_capacity(events.len() + 4);
    let ended = |bytes: Vec<u8>| if layout.crlf { with_crlf(&bytes) } else { bytes };
    for _ in 0..layout.leading_comments {
        whole.push(ended(COMMENT.to_vec()));
    }
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 && index == middle && layout.leading_comments > 0 {
            whole.push(ended(COMMENT.to_vec()));
        }
        whole.push(ended(event));
    }
    if let Some(size) = layout.piece_bytes {
        whole = whole.concat().chunks(size.max(1)).map(<[u8]>::to_vec).collect();
    }
    let gap = |index: usize| if index == 0 { Duration::ZERO } else { layout.gap };
    whole.into_iter().enumerate().map(|(index, bytes)| (gap(index), bytes)).collect()
}

/// The same lines, ended the other way.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut ended = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' {
            ended.push(b'\r');
        }
        ended.push(*byte);
    }
    ended
}

/// The answers as a stream, ended early where the fault says so.
pub(crate) fn render(served: &Served<'_>, answers: &[Answer], body: &[u8], layout: Layout, fault: Option<FaultKind>) -> Pieces {
    let mut events = events(served, answers, layout.usage, fault);
    if layout.echoes {
        events.insert(0, echo(served, body));
    }
    paced(events, layout)
}

/// The chunk that shows the body as it went to the provider.
fn echo(served: &Served<'_>, body: &[u8]) -> Vec<u8> {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut out = b"data: ".to_vec();
    head(&mut out, served, "chat.completion.chunk");
    out.extend_from_slice(format!(",\"choices\":[],\"debug\":{}}}\n\n", json!({ "echo_upstream_body": sent })).as_bytes());
    out
}

fn events(served: &Served<'_>, answers: &[Answer], place: UsageLayout, fault: Option<FaultKind>) -> Vec<Vec<u8>> {
    let mut writer = Writer { served, events: Vec::new() };
    let all: Vec<Vec<Delta>> = answers.iter().map(deltas).collect();
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    let sent = if ends_early(fault) { longest.div_ceil(2) } else { longest };
    for step in 0..sent {
        for (index, (answer, deltas)) in answers.iter().zip(&all).enumerate() {
            if let Some(delta) = deltas.get(step) {
                writer.delta(index as u64, answer, delta);
            }
        }
    }
    match fault {
        Some(FaultKind::MidstreamError) => writer.error(true),
        Some(FaultKind::MidstreamErrorNoChoices) => writer.error(false),
        Some(FaultKind::MidstreamErrorBare) => {
            let error = json!({ "error": disconnected(), "user_id": USER });
            writer.events.push(format!("data: {error}\n\n").into_bytes());
        }
        Some(FaultKind::TruncatedStream | FaultKind::Cut) => {}
        _ if answers.iter().any(|answer| answer.error.is_some()) => writer.error(true),
        _ => writer.finish(answers, place),
    }
    writer.events
}

struct Writer<'s> {
    served: &'s Served<'s>,
    events: Vec<Vec<u8>>,
}

/// The inside of a delta after the role, and the text whose tokens it tells.
struct Delta {
    inside: String,
    content: Option<String>,
}

/// One entry of `choices`.
#[derive(Clone, Copy, Default)]
struct Choice<'c> {
    index: u64,
    inside: &'c str,
    finish: Option<(&'c str, &'c str)>,
    logprobs: Option<(u32, &'c str)>,
}

const EMPTY: &str = "\"content\":\"\"";

impl Writer<'_> {
    fn chunk(&mut self, choice: Option<Choice<'_>>, error: Option<&Value>, with_usage: bool) {
        let mut out = b"data: ".to_vec();
        head(&mut out, self.served, "chat.completion.chunk");
        if let Some(error) = error {
            out.extend_from_slice(b",\"error\":");
            out.extend_from_slice(error.to_string().as_bytes());
        }
        out.extend_from_slice(b",\"choices\":[");
        if let Some(choice) = choice {
            out.extend_from_slice(b"{\"index\":");
            number(&mut out, choice.index);
            out.extend_from_slice(b",\"delta\":{\"role\":\"assistant\",");
            out.extend_from_slice(choice.inside.as_bytes());
            out.extend_from_slice(b"},\"finish_reason\":");
            optional(&mut out, choice.finish.map(|(finish, _)| finish));
            out.extend_from_slice(b",\"native_finish_reason\":");
            optional(&mut out, choice.finish.map(|(_, native)| native));
            out.extend_from_slice(b",\"logprobs\":");
            logprobs(&mut out, choice.logprobs);
            out.push(b'}');
        }
        out.push(b']');
        if with_usage {
            out.extend_from_slice(b",\"usage\":");
            usage(&mut out, self.served);
            metadata(&mut out, self.served);
        }
        out.extend_from_slice(b"}\n\n");
        self.events.push(out);
    }

    fn delta(&mut self, index: u64, answer: &Answer, delta: &Delta) {
        let logprobs = answer.logprobs.zip(delta.content.as_deref());
        self.chunk(Some(Choice { index, inside: &delta.inside, finish: None, logprobs }), None, false);
    }

    fn finish(&mut self, answers: &[Answer], place: UsageLayout) {
        for (index, answer) in answers.iter().enumerate() {
            let finish = Some((answer.finish, answer.native_finish));
            let with_usage = place == UsageLayout::OnFinish && index + 1 == answers.len();
            self.chunk(Some(Choice { index: index as u64, inside: EMPTY, finish, logprobs: None }), None, with_usage);
        }
        match place {
            UsageLayout::OnFinish => {}
            UsageLayout::EmptyChoices | UsageLayout::Seeded => self.chunk(None, None, true),
            UsageLayout::WithChoice => self.chunk(Some(Choice { inside: EMPTY, ..Choice::default() }), None, true),
        }
        self.events.push(DONE.to_vec());
    }

    fn error(&mut self, with_choice: bool) {
        let choice = Choice { inside: EMPTY, finish: Some(("error", "error")), ..Choice::default() };
        self.chunk(with_choice.then_some(choice), Some(&disconnected()), false);
    }
}

fn quoted(value: &str) -> String {
    let mut out = Vec::new();
    text(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// The insides of the deltas, in order.
fn deltas(answer: &Answer) -> Vec<Delta> {
    let plain = |inside: String| Delta { inside, content: None };
    let mut deltas = vec![plain(EMPTY.to_owned())];
    if let Some(reasoning) = &answer.reasoning {
        for piece in pieces_of(&reasoning.text) {
            let detail = reasoning.piece(piece);
            deltas.push(plain(format!("\"content\":\"\",\"reasoning\":{},\"reasoning_details\":[{detail}]", quoted(piece))));
        }
        if let Some(last) = reasoning.last() {
            deltas.push(plain(format!("\"content\":\"\",\"reasoning\":null,\"reasoning_details\":[{last}]")));
        }
    }
    for piece in answer.content.as_deref().map(pieces_of).unwrap_or_default() {
        deltas.push(Delta { inside: format!("\"content\":{}", quoted(piece)), content: Some(piece.to_owned()) });
    }
    if let Some(refusal) = &answer.refusal {
        deltas.push(plain(format!("\"content\":null,\"refusal\":{}", quoted(refusal))));
    }
    for (index, call) in answer.tool_calls.iter().enumerate() {
        // id and name stand in the first fragment only
        deltas.push(plain(format!(
            "\"content\":null,\"tool_calls\":[{{\"index\":{index},\"id\":{},\"type\":\"function\",\"function\":{{\"name\":{},\"arguments\":\"\"}}}}]",
            quoted(&call.id),
            quoted(&call.name)
        )));
        for piece in pieces_of(&call.arguments) {
            deltas.push(plain(format!(
                "\"content\":null,\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":{}}}}}]",
                quoted(piece)
            )));
        }
    }
    deltas
}

/// A text in pieces of about three words, nothing lost between them.
pub(crate) fn pieces_of(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut spaces) = (0, 0);
    for (at, character) in text.char_indices() {
        spaces += u32::from(character == ' ' || character == ',');
        let long = at - start >= 24;
        if spaces == 3 || long {
            pieces.push(&text[start..at]);
            (start, spaces) = (at, 0);
        }
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::pieces_of;

    #[test]
    fn pieces_add_up() {
        for text in ["", "one", "one two three four five, six", "ünïcödé ünïcödé ünïcödé ünïcödé ünïcödé ünïcödé"] {
            assert_eq!(pieces_of(text).concat(), text);
        }
        assert!(pieces_of("one two three four five six seven").len() > 1);
    }
}
