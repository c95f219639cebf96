//! Server-sent events out of bytes that may be split anywhere, by the rules of the HTML standard: three kinds of line ends,
//! data over several lines, comments, a byte order mark. A stall shows in data events only, so comments are told apart.

use std::ops::Range;

/// Reads events from pieces of a body. Feed a piece with [`SseParser::push`], then take items until there are none.
#[derive(Debug)]
pub struct SseParser {
    /// What was received; bytes before `at` are read.
    input: Vec<u8>,
    at: usize,
    /// No line ends between `at` and here.
    searched: usize,
    /// The line read last ended in a carriage return, so a line feed that follows belongs to it.
    after_return: bool,
    /// Whether the first line is still to come, before which a byte order mark may stand.
    at_start: bool,
    /// The event under way.
    data: Vec<u8>,
    has_data: bool,
    name: String,
    /// The event under way was handed out and is to be cleared.
    handed_out: bool,
    limit: usize,
    too_long: bool,
}

/// Something in a stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SseItem<'a> {
    /// A line for nobody, sent to keep the connection warm.
    Comment,
    /// An event with data.
    Data {
        /// Its name, where it has one.
        event: Option<&'a str>,
        /// Its lines, joined by line feeds.
        data: &'a [u8],
    },
    /// The event `[DONE]`: nothing follows.
    Done,
}

/// A line or an event longer than is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct EventTooLong {
    /// The most bytes one event may have.
    pub limit: usize,
}

/// What a line turned out to be.
enum Line {
    Part,
    Comment,
    EndOfEvent,
}

impl SseParser {
    /// A parser for a stream whose lines and events have at most so many bytes.
    pub fn new(limit: usize) -> SseParser {
        SseParser {
            input: Vec::new(),
            at: 0,
            searched: 0,
            after_return: false,
            at_start: true,
            data: Vec::new(),
            has_data: false,
            name: String::new(),
            handed_out: false,
            limit,
            too_long: false,
        }
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        self.input.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Says that the body has ended: what stands there unfinished is read as if its lines had ended.
    pub fn end(&mut self) {
        // one for the line under way, which may have ended in a carriage return, and two for the event
        self.push(b"\n\n\n");
    }

    /// The next item of what was received, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// A line or an event is too long; so is everything after it.
    pub fn next_item(&mut self) -> Result<Option<SseItem<'_>>, EventTooLong> {
        if self.handed_out {
            self.data.clear();
            self.name.clear();
            (self.has_data, self.handed_out) = (false, false);
        }
        loop {
            if self.too_long {
                return Err(EventTooLong { limit: self.limit });
            }
            let Some(line) = self.next_line() else {
                if !self.too_long {
                    return Ok(None);
                }
                continue;
            };
            match self.read_line(line) {
                Line::Part => {}
                Line::Comment => return Ok(Some(SseItem::Comment)),
                Line::EndOfEvent => break,
            }
        }
        self.handed_out = true;
        if self.data.trim_ascii() == b"[DONE]" {
            return Ok(Some(SseItem::Done));
        }
        let event = Some(self.name.as_str()).filter(|name| !name.is_empty());
        Ok(Some(SseItem::Data { event, data: &self.data }))
    }

    /// The bytes of the next whole line, without its end.
    fn next_line(&mut self) -> Option<Range<usize>> {
        if self.after_return && self.at < self.input.len() {
            if self.input[self.at] == b'\n' {
                self.at += 1;
                self.searched = self.searched.max(self.at);
            }
            self.after_return = false;
        }
        let Some(length) = self.input[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.input.len();
            self.check(self.searched - self.at);
            return None;
        };
        let end = self.searched + length;
        let mut line = self.at..end;
        self.after_return = self.input[end] == b'\r';
        self.at = end + 1;
        self.searched = self.at;
        self.check(line.len());
        if self.too_long {
            return None;
        }
        if std::mem::take(&mut self.at_start) && self.input[line.clone()].starts_with(b"\xEF\xBB\xBF") {
            line.start += 3;
        }
        Some(line)
    }

    fn read_line(&mut self, line: Range<usize>) -> Line {
        let line = &self.input[line];
        if line.is_empty() {
            if !self.data.is_empty() {
                return Line::EndOfEvent;
            }
            // an event without data is none
            self.has_data = false;
            self.name.clear();
            return Line::Part;
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return Line::Comment,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
                self.check(self.data.len());
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // `id` and `retry` serve reconnecting, which costs a second answer here; others mean nothing
            _ => {}
        }
        Line::Part
    }

    /// Beyond the limit nothing is kept any more.
    fn check(&mut self, length: usize) {
        if length > self.limit {
            self.too_long = true;
            self.input = Vec::new();
            self.data = Vec::new();
            (self.at, self.searched) = (0, 0);
        }
    }
}
