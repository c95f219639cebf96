//! Answers: finding one by its fingerprint, the one read that every row makes, and tidying up among them.

use corsac_wire::Usd;
use rusqlite::{Connection, OptionalExtension};

use crate::words::WordTexts;
use crate::{Fingerprint, Ledger, LedgerError, Millis, StoredAnswer, Usage};

/// Answers removed in one transaction at most, so that others are not kept waiting for long.
const REMOVED_AT_ONCE: u64 = 10_000;

/// What is kept of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnswersSummary {
    /// How many.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was given.
    pub oldest_ms: Option<Millis>,
}

impl Ledger {
    /// The answer to this question, if it was ever given. Reads from disk, in a few microseconds.
    pub fn recall(&self, fingerprint: Fingerprint) -> Result<Option<StoredAnswer>, LedgerError> {
        self.recall_since(fingerprint, None)
    }

    /// The answer to this question, unless it was given before this moment: for answers that are good for a time. One
    /// that is too old stays in the file until a new one takes its place.
    pub fn recall_since(&self, fingerprint: Fingerprint, not_before_ms: Option<Millis>) -> Result<Option<StoredAnswer>, LedgerError> {
        self.quick_read(|connection, words| answer(connection, words, &fingerprint, not_before_ms))
    }

    /// How many answers there are and what they take. Reads all of them but their bodies.
    pub fn answers_summary(&self) -> Result<AnswersSummary, LedgerError> {
        self.long_read(|connection, _| {
            connection
                .prepare_cached("SELECT count(*), coalesce(sum(octet_length(body)), 0), min(created_ms) FROM answer")?
                .query_row([], |row| {
                    Ok(AnswersSummary { count: counted(row.get(0)?), bytes: counted(row.get(1)?), oldest_ms: row.get(2)? })
                })
        })
    }

    /// Removes the answers given before this moment, and gives their number. Calls, attempts and spending stay. The
    /// file does not shrink; its room is used again.
    pub async fn forget_answers(&self, older_than_ms: Millis) -> Result<u64, LedgerError> {
        let (mut removed, mut passed) = (0u64, 0i64);
        loop {
            let gone: Vec<i64> = self
                .errand(move |batch| {
                    let mut forget = batch.connection().prepare_cached(
                        "DELETE FROM answer WHERE rowid IN
                             (SELECT rowid FROM answer WHERE rowid > ? AND created_ms < ? ORDER BY rowid LIMIT ?)
                         RETURNING rowid",
                    )?;
                    forget.query_map([passed, older_than_ms, REMOVED_AT_ONCE as i64], |row| row.get(0))?.collect()
                })
                .await?;
            removed += gone.len() as u64;
            // answers before these were looked at
            passed = gone.iter().copied().fold(passed, i64::max);
            if (gone.len() as u64) < REMOVED_AT_ONCE {
                return Ok(removed);
            }
        }
    }
}

pub(crate) fn answer(
    connection: &Connection,
    words: &WordTexts,
    fingerprint: &Fingerprint,
    not_before_ms: Option<Millis>,
) -> rusqlite::Result<Option<StoredAnswer>> {
    // Every column in the order of the format, to which later formats only add: a short text, for it is hashed with every
    // lookup to find its statement.
    let mut find = connection.prepare_cached("SELECT * FROM answer WHERE fingerprint = ?")?;
    find.query_row([fingerprint.as_bytes()], |row| {
        let created_ms = row.get(8)?;
        if not_before_ms.is_some_and(|not_before_ms| created_ms < not_before_ms) {
            return Ok(None);
        }
        Ok(Some(StoredAnswer {
            body: row.get(1)?,
            model: words.text(connection, row.get(2)?)?,
            provider: words.maybe(connection, row.get(3)?)?,
            cost: Usd::from_pico(row.get(4)?),
            usage: Usage {
                prompt_tokens: counted(row.get(5)?),
                completion_tokens: counted(row.get(6)?),
                cached_tokens: counted(row.get(7)?),
                reasoning_tokens: counted(row.get(10)?),
                cache_write_tokens: counted(row.get(11)?),
            },
            created_ms,
            repaired: row.get(9)?,
        }))
    })
    .optional()
    .map(Option::flatten)
}

/// A count as it was stored; a negative one can only come from a foreign hand and counts as nothing.
pub(crate) fn counted(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
