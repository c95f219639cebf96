//! Lines from a terminal, with history and completion.

use std::path::PathBuf;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

use super::complete::candidates;
use crate::exit::{Exit, Stop};

/// What was typed.
pub(super) enum Line {
    Text(String),
    /// Ctrl-C at the prompt.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

pub(super) struct Editor {
    editor: rustyline::Editor<Words, FileHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    pub(super) fn new(history: Option<PathBuf>) -> Result<Editor, Stop> {
        let cannot = |error: ReadlineError| Stop::new(Exit::Failure, format!("the terminal cannot be used: {error}"));
        let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
        let mut editor = rustyline::Editor::with_config(config).map_err(cannot)?;
        editor.set_helper(Some(Words { words: Vec::new(), files: FilenameCompleter::new() }));
        if let Some(path) = &history {
            // the first time there is none
            let _ = editor.load_history(path);
        }
        Ok(Editor { editor, history })
    }

    /// The next line; `first` of a statement or one that goes on.
    pub(super) fn line(&mut self, first: bool) -> Result<Line, Stop> {
        match self.editor.readline(if first { "corsac> " } else { "     -> " }) {
            Ok(line) => Ok(Line::Text(line)),
            Err(ReadlineError::Interrupted) => Ok(Line::Interrupted),
            Err(ReadlineError::Eof) => Ok(Line::End),
            Err(error) => Err(Stop::new(Exit::Failure, format!("the terminal cannot be read: {error}"))),
        }
    }

    /// Keeps a line in the history, also for the next shell. A history that cannot be kept is no reason to stop.
    pub(super) fn remember(&mut self, line: &str) {
        let added = self.editor.add_history_entry(line.trim()).unwrap_or(false);
        if let (true, Some(path)) = (added, &self.history) {
            if let Some(folder) = path.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            let _ = self.editor.append_history(path);
        }
    }

    /// What is completed beside keywords.
    pub(super) fn know(&mut self, words: Vec<String>) {
        if let Some(helper) = self.editor.helper_mut() {
            helper.words = words;
        }
    }
}

struct Words {
    words: Vec<String>,
    files: FilenameCompleter,
}

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}

impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..at];
        if before.matches('\'').count() % 2 == 1 {
            return self.files.complete(line, at, context);
        }
        let (start, candidates) = candidates(before, &self.words);
        Ok((start, candidates.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}
