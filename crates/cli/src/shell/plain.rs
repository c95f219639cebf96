//! Lines from a terminal that edits them itself.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use crate::exit::Stop;

/// What was typed.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C at the prompt, where the terminal tells of it.
    #[expect(dead_code, reason = "a plain terminal ends the command instead")]
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

pub(super) struct Editor;

impl Editor {
    pub(super) fn new(_history: Option<PathBuf>) -> Result<Editor, Stop> {
        Ok(Editor)
    }

    /// The next line; `first` of a statement or one that goes on.
    pub(super) fn line(&mut self, first: bool) -> Result<Line, Stop> {
        let mut out = std::io::stderr();
        // a prompt that cannot be shown is missed by nobody
        let _ = out.write_all(if first { b"corsac> " } else { b"     -> " }).and_then(|()| out.flush());
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line)? {
            0 => Ok(Line::End),
            _ => Ok(Line::Text(line.trim_end_matches(['\n', '\r']).to_owned())),
        }
    }

    pub(super) fn remember(&mut self, _line: &str) {}

    pub(super) fn know(&mut self, _words: Vec<String>) {}
}
