//! A chat answer as server-sent events: comments, deltas that each repeat the role, one of three
//! layouts for the usage, and the ways a stream can go wrong.

use std::time::Duration;

use serde_json::json;

use crate::answer::Answer;
use crate::completion_json::{Served, head, optional, text, usage};
use crate::config::UsageLayout;
use crate::fault::FaultKind;

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
}

/// The pieces of a stream, each after a gap.
pub(crate) type Pieces = Vec<(Duration, Vec<u8>)>;

/// A stream that only says that it is alive.
pub(crate) fn stalled() -> Pieces {
    (0..STALL.0).map(|_| (STALL.1, COMMENT.to_vec())).collect()
}

/// The answer as a stream, ended early where the fault says so.
pub(crate) fn render(served: &Served<'_>, answer: &Answer, layout: Layout, fault: Option<FaultKind>) -> Pieces {
    let mut writer = Writer { served, pieces: Vec::new(), gap: layout.gap };
    for _ in 0..layout.leading_comments {
        writer.push(COMMENT.to_vec());
    }
    let deltas = deltas(answer);
    let ends_early = matches!(fault, Some(FaultKind::TruncatedStream | FaultKind::MidstreamError | FaultKind::Cut));
    let sent = if ends_early { deltas.len().div_ceil(2) } else { deltas.len() };
    let middle = sent / 2;
    for (index, delta) in deltas.iter().take(sent).enumerate() {
        if index == middle && layout.leading_comments > 0 {
            writer.push(COMMENT.to_vec());
        }
        writer.chunk(Some((delta, None)), None, false);
    }
    match fault {
        Some(FaultKind::MidstreamError) => {
            writer.error();
            return writer.pieces;
        }
        Some(FaultKind::TruncatedStream | FaultKind::Cut) => return writer.pieces,
        _ => {}
    }
    let empty = "\"content\":\"\"";
    let finish = Some((answer.finish, answer.native_finish));
    if answer.error.is_some() {
        writer.error();
        return writer.pieces;
    }
    match layout.usage {
        UsageLayout::OnFinish => writer.chunk(Some((empty, finish)), None, true),
        UsageLayout::EmptyChoices | UsageLayout::Seeded => {
            writer.chunk(Some((empty, finish)), None, false);
            writer.chunk(None, None, true);
        }
        UsageLayout::WithChoice => {
            writer.chunk(Some((empty, finish)), None, false);
            writer.chunk(Some((empty, None)), None, true);
        }
    }
    writer.push(DONE.to_vec());
    writer.pieces
}

struct Writer<'s> {
    served: &'s Served<'s>,
    pieces: Pieces,
    gap: Duration,
}

/// The inside of a delta after the role, and the finish reasons.
type Choice<'c> = (&'c str, Option<(&'c str, &'c str)>);

impl Writer<'_> {
    fn push(&mut self, bytes: Vec<u8>) {
        let gap = if self.pieces.is_empty() { Duration::ZERO } else { self.gap };
        self.pieces.push((gap, bytes));
    }

    fn chunk(&mut self, choice: Option<Choice<'_>>, error: Option<&serde_json::Value>, with_usage: bool) {
        let mut out = b"data: ".to_vec();
        head(&mut out, self.served, "chat.completion.chunk");
        if let Some(error) = error {
            out.extend_from_slice(b",\"error\":");
            out.extend_from_slice(error.to_string().as_bytes());
        }
        out.extend_from_slice(b",\"choices\":[");
        if let Some((inside, finish)) = choice {
            out.extend_from_slice(b"{\"index\":0,\"delta\":{\"role\":\"assistant\",");
            out.extend_from_slice(inside.as_bytes());
            out.extend_from_slice(b"},\"finish_reason\":");
            optional(&mut out, finish.map(|(finish, _)| finish));
            out.extend_from_slice(b",\"native_finish_reason\":");
            optional(&mut out, finish.map(|(_, native)| native));
            out.extend_from_slice(b",\"logprobs\":null}");
        }
        out.push(b']');
        if with_usage {
            out.extend_from_slice(b",\"usage\":");
            usage(&mut out, &self.served.usage);
            if let Some(metadata) = &self.served.metadata {
                out.extend_from_slice(b",\"openrouter_metadata\":");
                out.extend_from_slice(metadata.to_string().as_bytes());
            }
        }
        out.extend_from_slice(b"}\n\n");
        self.push(out);
    }

    fn error(&mut self) {
        let error = json!({
            "code": 502,
            "message": "The provider disconnected in the middle of the answer",
            "metadata": { "error_type": "provider_unavailable", "provider_code": "disconnected" },
        });
        self.chunk(Some(("\"content\":\"\"", Some(("error", "error")))), Some(&error), false);
    }
}

/// The insides of the deltas, in order.
fn deltas(answer: &Answer) -> Vec<String> {
    let mut deltas = vec!["\"content\":\"\"".to_owned()];
    let quoted = |value: &str| {
        let mut out = Vec::new();
        text(&mut out, value);
        String::from_utf8_lossy(&out).into_owned()
    };
    for piece in answer.reasoning.as_deref().map(pieces_of).unwrap_or_default() {
        let piece = quoted(piece);
        deltas.push(format!(
            "\"content\":\"\",\"reasoning\":{piece},\"reasoning_details\":[{{\"type\":\"reasoning.text\",\"text\":{piece},\"format\":\"unknown\",\"index\":0}}]"
        ));
    }
    for piece in answer.content.as_deref().map(pieces_of).unwrap_or_default() {
        deltas.push(format!("\"content\":{}", quoted(piece)));
    }
    if let Some(refusal) = &answer.refusal {
        deltas.push(format!("\"content\":null,\"refusal\":{}", quoted(refusal)));
    }
    if let Some(call) = &answer.tool_call {
        // id and name stand in the first fragment only
        deltas.push(format!(
            "\"content\":null,\"tool_calls\":[{{\"index\":0,\"id\":{},\"type\":\"function\",\"function\":{{\"name\":{},\"arguments\":\"\"}}}}]",
            quoted(&call.id),
            quoted(&call.name)
        ));
        for piece in pieces_of(&call.arguments) {
            deltas.push(format!("\"content\":null,\"tool_calls\":[{{\"index\":0,\"function\":{{\"arguments\":{}}}}}]", quoted(piece)));
        }
    }
    deltas
}

/// A text in pieces of about three words, nothing lost between them.
fn pieces_of(text: &str) -> Vec<&str> {
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
