//! Strings that come again and again are stored once and named by number. Two sides: the writer asks for the number
//! of a text, readers for the text of a number.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection, OptionalExtension};

/// Characters kept of one word. Names in replies come from strangers.
const LONGEST_WORD: usize = 200;

/// Words remembered before a memory starts anew, for the same reason.
const REMEMBERED_AT_MOST: usize = 10_000;

/// Words that are compared before the memory is asked. A run uses few, and comparing a short text with eight others of
/// mostly another length is quicker than hashing it.
const RECENT: usize = 8;

/// Text to number, for the writer.
#[derive(Default)]
pub(crate) struct WordNumbers {
    recent: Vec<(Arc<str>, i64)>,
    next_recent: usize,
    known: HashMap<Arc<str>, i64>,
}

impl WordNumbers {
    /// The number of this text, which is added to the file if it is new there. To be called inside a transaction.
    pub(crate) fn number(&mut self, words: &mut WordStatements<'_>, text: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some((_, number)) = self.recent.iter().find(|(recent, _)| recent == text) {
            return Ok(*number);
        }
        let number = self.found_or_added(words, text)?;
        let place = self.next_recent % RECENT;
        self.next_recent = place + 1;
        match self.recent.get_mut(place) {
            Some(recent) => *recent = (text.clone(), number),
            None => self.recent.push((text.clone(), number)),
        }
        Ok(number)
    }

    fn found_or_added(&mut self, words: &mut WordStatements<'_>, text: &Arc<str>) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(text) {
            return Ok(*number);
        }
        let kept = kept(text);
        let number = match words.find.query_row([kept], |row| row.get(0)).optional()? {
            Some(number) => number,
            None => words.add.insert([kept])?,
        };
        if self.known.len() >= REMEMBERED_AT_MOST {
            self.known.clear();
        }
        self.known.insert(text.clone(), number);
        Ok(number)
    }

    /// As [`WordNumbers::number`], for what may be missing.
    pub(crate) fn maybe(&mut self, words: &mut WordStatements<'_>, text: Option<&Arc<str>>) -> rusqlite::Result<Option<i64>> {
        text.map(|text| self.number(words, text)).transpose()
    }

    /// Numbers given inside a transaction that was rolled back mean nothing.
    pub(crate) fn forget(&mut self) {
        self.recent.clear();
        self.next_recent = 0;
        self.known.clear();
    }
}

/// The statements behind [`WordNumbers`].
pub(crate) struct WordStatements<'c> {
    find: CachedStatement<'c>,
    add: CachedStatement<'c>,
}

impl<'c> WordStatements<'c> {
    pub(crate) fn prepare(connection: &'c Connection) -> rusqlite::Result<WordStatements<'c>> {
        Ok(WordStatements {
            find: connection.prepare_cached("SELECT id FROM word WHERE text = ?")?,
            add: connection.prepare_cached("INSERT INTO word (text) VALUES (?)")?,
        })
    }
}

/// Number to text, for readers. Committed words never change, so what was read once stays right.
#[derive(Default)]
pub(crate) struct WordTexts {
    known: Mutex<HashMap<i64, Arc<str>>>,
}

impl WordTexts {
    /// The text of this number; a number that the file does not hold gives "?".
    pub(crate) fn text(&self, connection: &Connection, number: i64) -> rusqlite::Result<Arc<str>> {
        if let Some(text) = self.known.lock().get(&number) {
            return Ok(text.clone());
        }
        let found: Option<String> =
            connection.prepare_cached("SELECT text FROM word WHERE id = ?")?.query_row([number], |row| row.get(0)).optional()?;
        let Some(found) = found else { return Ok(Arc::from("?")) };
        let text: Arc<str> = Arc::from(found);
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_AT_MOST {
            known.clear();
        }
        known.insert(number, text.clone());
        Ok(text)
    }

    /// As [`WordTexts::text`], for what may be missing; 0 is missing too.
    pub(crate) fn maybe(&self, connection: &Connection, number: Option<i64>) -> rusqlite::Result<Option<Arc<str>>> {
        number.filter(|number| *number != 0).map(|number| self.text(connection, number)).transpose()
    }
}

/// A word as it is stored.
pub(crate) fn kept(text: &str) -> &str {
    leading(text, LONGEST_WORD)
}

/// The first so many characters of a text.
pub(crate) fn leading(text: &str, characters: usize) -> &str {
    // A text of no more bytes than that has no more characters either, and most texts are short.
    if text.len() <= characters {
        return text;
    }
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(leading("äöü", 2), "äö");
        assert_eq!(leading("äöü", 3), "äöü");
        assert_eq!(leading("", 3), "");
        assert_eq!(leading("abc", 0), "");
    }
}
