//! The stream of bytes under every format: buffered, counted, and keeping the system's own error, which the formats
//! would turn into text.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A handle; clones write to the same stream.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<State>>);

struct State {
    writer: BufWriter<Box<dyn Write + Send>>,
    error: Option<io::Error>,
    bytes: u64,
}

impl Output {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Output {
        let writer = BufWriter::with_capacity(1 << 16, writer);
        Output(Arc::new(Mutex::new(State { writer, error: None, bytes: 0 })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the system said, if it refused to write.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.state().error.take()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }
}

impl State {
    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.error = Some(error);
            told
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let written = state.writer.write(bytes);
        let written = state.noted(written)?;
        state.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let flushed = state.writer.flush();
        state.noted(flushed)
    }
}
