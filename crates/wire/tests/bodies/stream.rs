//! A stream of any bytes: the same outcome however it is cut, and never an answer that has not ended.
//!
//! Run by a property test of this crate and by a fuzz target.

use corsac_wire::{Reply, StreamError, StreamEvent, StreamLimits, StreamReader};

/// The first two bytes choose limits and cuts, the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let [limit, step, body @ ..] = data else { return };
    // small limits are reached, the largest is as good as none
    let total_bytes = if *limit < 128 { usize::from(*limit) * 16 } else { 1 << 20 };
    let limits = StreamLimits { event_bytes: total_bytes / 2, total_bytes };
    let step = usize::from(*step % 61) + 1;
    let (whole, pieces) = (read(limits, [body]), read(limits, body.chunks(step)));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "cut every {step} bytes");
    judge(&whole.0, &whole.1);
}

fn read<'a>(limits: StreamLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<StreamEvent>, Result<Reply, StreamError>) {
    let (mut reader, mut events) = (StreamReader::new(limits), Vec::new());
    for piece in pieces {
        if let Err(error) = reader.push(piece, &mut events) {
            // what came before is there whatever happens
            let _ = reader.partial();
            return (events, Err(error));
        }
    }
    let outcome = reader.finish(&mut events);
    (events, outcome)
}

fn judge(events: &[StreamEvent], outcome: &Result<Reply, StreamError>) {
    match outcome {
        Ok(Reply::Chat(chat)) => {
            assert!(!events.iter().any(|event| matches!(event, StreamEvent::Error(_))) || chat.choices.len() > 1, "an error is no answer");
            for (place, choice) in chat.choices.iter().enumerate() {
                let message: serde_json::Value = serde_json::from_str(choice.message.verbatim().get()).unwrap_or_default();
                assert!(message.get("role").is_some_and(serde_json::Value::is_string), "a message has a role: {message}");
                assert!(
                    choice.message.tool_calls.iter().all(|call| call
                        .function
                        .arguments
                        .as_deref()
                        .is_some_and(|text| !text.trim().is_empty()))
                );
                let text: String = events
                    .iter()
                    .filter_map(|event| match event {
                        StreamEvent::Text { choice, text } => Some((choice, text.as_str())),
                        _ => None,
                    })
                    .filter(|_| chat.choices.len() == 1 && place == 0)
                    .map(|(_, text)| text)
                    .collect();
                if chat.choices.len() == 1 {
                    assert_eq!(choice.message.content.as_deref().unwrap_or_default(), text, "the deltas are the text");
                }
            }
        }
        Ok(Reply::Error { status, error, .. }) => {
            assert!(*status >= 400, "an error has an error's status");
            let _ = (error.reason(), error.retry_after(), error.previous_errors());
        }
        Ok(Reply::Unreadable { .. }) | Err(_) => {}
    }
}
