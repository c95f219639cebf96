//! Finding an answer by its fingerprint: the one read that every row makes.

use corsac_wire::Usd;
use rusqlite::{Connection, OptionalExtension};

use crate::words::WordTexts;
use crate::{Fingerprint, StoredAnswer, Usage};

pub(crate) fn answer(connection: &Connection, words: &WordTexts, fingerprint: &Fingerprint) -> rusqlite::Result<Option<StoredAnswer>> {
    let mut find = connection.prepare_cached(
        "SELECT body, model, provider, cost_pico, prompt_tokens, completion_tokens, cached_tokens, created_ms, repaired
         FROM answer WHERE fingerprint = ?",
    )?;
    find.query_row([fingerprint.as_bytes()], |row| {
        Ok(StoredAnswer {
            body: row.get(0)?,
            model: words.text(connection, row.get(1)?)?,
            provider: words.maybe(connection, row.get(2)?)?,
            cost: Usd::from_pico(row.get(3)?),
            usage: Usage {
                prompt_tokens: counted(row.get(4)?),
                completion_tokens: counted(row.get(5)?),
                cached_tokens: counted(row.get(6)?),
            },
            created_ms: row.get(7)?,
            repaired: row.get(8)?,
        })
    })
    .optional()
}

/// A count as it was stored; a negative one can only come from a foreign hand and counts as nothing.
pub(crate) fn counted(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
