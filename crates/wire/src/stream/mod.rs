//! A streamed chat reply: its bytes into deltas, and at the end into the same [`Reply`] that an unstreamed one gives.
//!
//! A finish reason is not the end: usage may follow it. The end is `[DONE]` or the end of the connection; a connection
//! that ends before an answer has finished is an error that says so.

mod assembler;
mod calls;
mod chunk;
mod details;

pub use assembler::{Assembler, StreamEvent};

use crate::{ChatReply, ErrorBody, EventTooLong, Reply, SseItem, SseParser};

/// Reads a stream from the pieces of its body.
///
/// ```
/// use corsac_wire::{Reply, StreamEvent, StreamReader};
///
/// let mut reader = StreamReader::default();
/// let mut events = Vec::new();
/// reader.push(b": OPENROUTER PROCESSING\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}", &mut events)?;
/// reader.push(b",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", &mut events)?;
/// assert!(matches!(&events[0], StreamEvent::Text { text, .. } if text == "Hi"));
///
/// let Reply::Chat(chat) = reader.finish(&mut events)? else { panic!("not an answer") };
/// assert_eq!(chat.text(), Some("Hi"));
/// # Ok::<(), corsac_wire::StreamError>(())
/// ```
#[derive(Debug)]
pub struct StreamReader {
    parser: SseParser,
    assembler: Assembler,
}

/// How much of a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// The most bytes of one event.
    pub event_bytes: usize,
    /// The most bytes of all events together.
    pub total_bytes: usize,
}

impl Default for StreamLimits {
    /// 16 MiB an event, for images; 64 MiB in all.
    fn default() -> StreamLimits {
        StreamLimits { event_bytes: 16 << 20, total_bytes: 64 << 20 }
    }
}

/// What a piece of the body brought. A timer for stalls counts data events: comments only keep the connection warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Events with data, `[DONE]` among them.
    pub data_events: usize,
    /// Comments.
    pub comments: usize,
    /// Whether `[DONE]` has come, now or before.
    pub done: bool,
}

/// Why a stream gives no reply. What came before stands in [`StreamReader::partial`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// An event is too long.
    #[error(transparent)]
    EventTooLong(#[from] EventTooLong),
    /// All events together are too long.
    #[error("the stream is longer than {limit} bytes")]
    TooLong {
        /// The most bytes that are kept.
        limit: usize,
    },
    /// An event is no JSON object.
    #[error("an event of the stream cannot be read: {excerpt}")]
    Garbled {
        /// The start of the event.
        excerpt: String,
    },
    /// The connection ended before the answer had.
    #[error("the stream broke off before the answer had ended")]
    Truncated {
        /// What had come.
        reply: Box<ChatReply>,
    },
}

impl Default for StreamReader {
    fn default() -> StreamReader {
        StreamReader::new(StreamLimits::default())
    }
}

impl StreamReader {
    /// A reader that keeps at most so much.
    pub fn new(limits: StreamLimits) -> StreamReader {
        StreamReader { parser: SseParser::new(limits.event_bytes), assembler: Assembler::new(limits.total_bytes) }
    }

    /// Takes the next piece of the body and appends what it means to `events`.
    ///
    /// # Errors
    /// An event cannot be read or is too long. The stream is of no more use then.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<Received, StreamError> {
        self.parser.push(bytes);
        self.drain(events)
    }

    /// Ends the stream where its connection ended.
    ///
    /// # Errors
    /// [`StreamError::Truncated`] when the answer had not ended; others as for [`StreamReader::push`].
    pub fn finish(mut self, events: &mut Vec<StreamEvent>) -> Result<Reply, StreamError> {
        self.parser.end();
        match self.drain(events) {
            // an event cut in two is how a broken connection looks
            Ok(_) | Err(StreamError::Garbled { .. }) => self.assembler.finish(),
            Err(error) => Err(error),
        }
    }

    /// The error that the stream has told, after which nothing useful follows.
    pub fn error(&self) -> Option<&ErrorBody> {
        self.assembler.error()
    }

    /// What has come so far.
    pub fn partial(&self) -> ChatReply {
        self.assembler.partial()
    }

    fn drain(&mut self, events: &mut Vec<StreamEvent>) -> Result<Received, StreamError> {
        let mut received = Received::default();
        while let Some(item) = self.parser.next_item()? {
            match item {
                SseItem::Comment => received.comments += 1,
                SseItem::Data { data, .. } => {
                    received.data_events += 1;
                    self.assembler.accept(data, events)?;
                }
                SseItem::Done => {
                    received.data_events += 1;
                    self.assembler.done();
                }
            }
        }
        received.done = self.assembler.is_done();
        Ok(received)
    }
}
