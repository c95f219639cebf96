//! Answers as they come. Whoever listens gets each piece at once; the answer at the end is read, validated and recorded
//! like any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use corsac_policy::{Fault, FaultClass, Strategy};
use corsac_wire::{Reply, StreamError, StreamEvent, StreamReader};
use futures::StreamExt;
use futures::stream::Stream;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::door::OpenDoor;
use crate::exchange::{OpenReply, RawReply, Request};
use crate::read::{Reading, read, read_reply};
use crate::{Answer, Call, Contract, Deadlines, Dispatcher, ExchangeError, Outcome};

/// A piece of an answer that comes as a stream.
#[derive(Debug, Clone)]
pub enum StreamItem {
    /// The next piece of the answer's text.
    Text(String),
    /// The next piece of what the model thinks, where it shows that.
    Reasoning(String),
    /// The next piece of a function call.
    ToolCall {
        /// Which call of this answer, from 0.
        call: usize,
        /// Its id; with its first piece.
        id: Option<String>,
        /// The function; with its first piece.
        name: Option<String>,
        /// The next piece of the arguments.
        arguments: String,
    },
    /// The end: the whole answer, or why there is none. Always comes, and comes last.
    End(Outcome),
}

/// What a reply is read by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sense<'a> {
    pub(crate) deadlines: &'a Deadlines,
    pub(crate) call: &'a Call,
    pub(crate) strategy: Strategy,
    pub(crate) now_ms: i64,
}

/// Who listens to an answer while it comes.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pieces: Option<mpsc::UnboundedSender<StreamItem>>,
    told: AtomicBool,
}

impl Listener {
    /// Nobody: the answer is wanted whole.
    pub(crate) fn nobody() -> Listener {
        Listener::default()
    }

    pub(crate) fn listens(&self) -> bool {
        self.pieces.is_some()
    }

    /// Whether a part of the answer was handed out.
    pub(crate) fn was_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Sends a request and reads what comes of it, handing on the pieces where somebody listens.
    pub(crate) async fn hear(&self, door: &OpenDoor, request: Request, sense: Sense<'_>) -> Reading {
        let Sense { call, strategy, now_ms, .. } = sense;
        if !self.listens() {
            let reply = door.exchange.exchange(request).await;
            return read(reply, &call.contract, strategy, &call.origin.operator, now_ms);
        }
        let limit = request.timeout;
        match timeout(limit, self.follow(door, request, sense)).await {
            Ok(reading) => reading,
            Err(_) => Reading::cut(Fault::new(FaultClass::Timeout, format!("no whole answer within {} s", limit.as_secs_f64()))),
        }
    }

    async fn follow(&self, door: &OpenDoor, request: Request, sense: Sense<'_>) -> Reading {
        let Sense { deadlines, call, strategy, now_ms } = sense;
        let first_byte = request.first_byte;
        let (head, mut body) = match door.exchange.open(request).await {
            Ok(OpenReply { head, body }) => (head, body),
            Err(error) => return read(Err(error), &call.contract, strategy, &call.origin.operator, now_ms),
        };
        let mut reader = StreamReader::default();
        let mut whole: Vec<u8> = Vec::new();
        let mut is_stream = None;
        let mut events = Vec::new();
        let mut patience = Instant::now() + first_byte.max(deadlines.idle);
        loop {
            let piece = match timeout_at(patience, body.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return self.broken(head, reader, Some(error), call),
                Ok(None) => break,
                Err(_) => {
                    let seconds = deadlines.idle.as_secs_f64();
                    let fault = Fault::new(FaultClass::Timeout, format!("the stream brought nothing new for {seconds} s"));
                    return Reading::cut(fault).with_head(&head, &reader.partial());
                }
            };
            // errors before the first token, and servers that do not stream, answer with one JSON document
            let streams = *is_stream.get_or_insert_with(|| {
                head.status == 200
                    && piece.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| *byte != b'{' && *byte != b'<')
            });
            if !streams {
                whole.extend_from_slice(&piece);
                continue;
            }
            match reader.push(&piece, &mut events) {
                Ok(received) => {
                    self.tell(&mut events);
                    if received.data_events > 0 {
                        patience = Instant::now() + deadlines.idle;
                    }
                    if received.done {
                        break;
                    }
                }
                Err(error) => return Reading::cut(Fault::new(class_of(&error), error.to_string())).with_head(&head, &reader.partial()),
            }
        }
        if is_stream != Some(true) {
            let reply = RawReply { body: whole.into(), ..head };
            return read(Ok(reply), &call.contract, strategy, &call.origin.operator, now_ms);
        }
        let partial = reader.partial();
        match reader.finish(&mut events) {
            Ok(reply) => {
                self.tell(&mut events);
                let was_cut = matches!(reply, Reply::Error { .. });
                Reading { was_cut, ..read_reply(reply, &head, &call.contract, strategy, &call.origin.operator, now_ms) }
            }
            Err(error) => Reading::cut(Fault::new(class_of(&error), error.to_string())).with_head(&head, &partial),
        }
    }

    fn broken(&self, head: RawReply, reader: StreamReader, error: Option<ExchangeError>, _call: &Call) -> Reading {
        let why = error.map_or_else(|| "the connection broke off".to_owned(), |error| error.to_string());
        Reading::cut(Fault::new(FaultClass::Cut, why)).with_head(&head, &reader.partial())
    }

    fn tell(&self, events: &mut Vec<StreamEvent>) {
        for event in events.drain(..) {
            let item = match event {
                StreamEvent::Text { choice: 0, text } if !text.is_empty() => StreamItem::Text(text),
                StreamEvent::Reasoning { choice: 0, text } if !text.is_empty() => StreamItem::Reasoning(text),
                StreamEvent::ToolCallFragment { choice: 0, call, id, name, arguments } => {
                    StreamItem::ToolCall { call, id, name, arguments }
                }
                _ => continue,
            };
            // thoughts may be thought again; what belongs to the answer cannot be taken back
            if !matches!(item, StreamItem::Reasoning(_)) {
                self.told.store(true, Ordering::Relaxed);
            }
            self.send(item);
        }
    }

    fn send(&self, item: StreamItem) {
        if let Some(pieces) = &self.pieces {
            // who went away needs nothing more
            let _ = pieces.send(item);
        }
    }
}

fn class_of(error: &StreamError) -> FaultClass {
    match error {
        StreamError::Truncated { .. } => FaultClass::Cut,
        StreamError::EventTooLong(_) | StreamError::TooLong { .. } | StreamError::Garbled { .. } => FaultClass::Garbled,
    }
}

impl Dispatcher {
    /// Answers a call piece by piece. The last item is the whole answer, validated and recorded, or why there is none. An
    /// answer from memory comes in one piece. A call that fails before its first piece goes through all remedies; after it,
    /// nothing is asked again.
    pub fn stream(self: &Arc<Self>, call: Call) -> impl Stream<Item = StreamItem> + Send + use<> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let this = Arc::clone(self);
        let abandoned = CancellationToken::new();
        let guard = abandoned.clone().drop_guard();
        self.track().spawn(async move {
            let listener = Listener { pieces: Some(sender), told: AtomicBool::new(false) };
            let is_turn = matches!(call.contract, Contract::Turn(_));
            let outcome = this.ask_unless(call, abandoned, &listener).await;
            if let (Ok(answer), false) = (&outcome, listener.was_told()) {
                listener.send(StreamItem::Text(whole_text(answer, is_turn)));
            }
            listener.send(StreamItem::End(outcome));
        });
        futures::stream::unfold((receiver, guard), |(mut receiver, guard)| async move {
            let item = receiver.recv().await?;
            Some((item, (receiver, guard)))
        })
    }
}

/// The text of an answer that was not heard piece by piece.
fn whole_text(answer: &Answer, is_turn: bool) -> String {
    match answer.value.as_ref() {
        Value::String(text) => text.clone(),
        message if is_turn => message.get("content").and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}
