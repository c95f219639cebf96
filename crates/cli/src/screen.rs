//! The only place that prints. Results go to stdout, everything else to stderr.
//!
//! A reader that went away (a closed pipe) is no error of ours: whatever cannot be printed is dropped.

use std::io::{IsTerminal, Write};

/// A line for a person.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What went wrong.
pub(crate) fn error(message: &str) {
    let _ = writeln!(std::io::stderr(), "corsac: {message}");
}

/// A line of a result. A reader that went away is no error.
pub(crate) fn result(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Whether somebody looks at stderr.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Draws a line over the one before.
pub(crate) fn redraw(line: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    let _ = std::io::stderr().flush();
}

/// Takes the drawn line away.
pub(crate) fn clear() {
    let _ = write!(std::io::stderr(), "\r\x1b[K");
    let _ = std::io::stderr().flush();
}

/// Asks yes or no; anything but yes is no.
pub(crate) fn confirm(question: &str) -> bool {
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
