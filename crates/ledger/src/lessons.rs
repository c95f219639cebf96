//! Lessons in the file: written by the way, read once at the start of a process, forgotten when told so.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use crate::batch::{Batch, MESSAGE_CHARACTERS};
use crate::errand;
use crate::queue::Job;
use crate::recall::counted;
use crate::sizes::schema_bytes;
use crate::words::{kept, leading};
use crate::{Fingerprint, Ledger, LedgerError, Lesson, LessonFilter, LessonKind, Millis};

/// The longest detail of a lesson, as JSON.
const DETAIL_BYTES: usize = 4_000;

impl Ledger {
    /// Keeps what was found out, without an acknowledgement, like [`note`](Ledger::note). A lesson that was learned
    /// before is learned one time more, and from then on believed until the new moment.
    pub fn learn(&self, lesson: Lesson) {
        drop(self.put(Job::Errand(errand::unattended(move |batch| learn(batch, &lesson)))));
    }

    /// The lessons that are believed at this moment, the latest first.
    pub fn lessons(&self, now_ms: Millis) -> Result<Vec<Lesson>, LedgerError> {
        self.quick_read(|connection, words| {
            connection
                .prepare_cached(
                    "SELECT model, provider, dialect, schema, kind, subject, detail, learned_ms, expires_ms, times, message
                     FROM lesson WHERE expires_ms > ? ORDER BY learned_ms DESC, id DESC",
                )?
                .query_and_then([now_ms], |row| {
                    let (kind, subject): (String, String) = (row.get(4)?, row.get(5)?);
                    let detail: Option<String> = row.get(6)?;
                    let schema: Vec<u8> = row.get(3)?;
                    Ok(Lesson {
                        model: words.text(connection, row.get(0)?)?,
                        provider: words.maybe(connection, row.get(1)?)?,
                        dialect: words.text(connection, row.get(2)?)?,
                        schema: <[u8; 16]>::try_from(schema).ok().map(Fingerprint::from_bytes),
                        what: LessonKind::of_file(&kind, &subject, detail.as_deref()),
                        learned_ms: row.get(7)?,
                        expires_ms: row.get(8)?,
                        times: u32::try_from(counted(row.get(9)?)).unwrap_or(u32::MAX),
                        message: row.get(10)?,
                    })
                })?
                .collect()
        })
    }

    /// Forgets lessons, behind everything handed in before. Gives their number.
    pub async fn forget(&self, filter: LessonFilter) -> Result<u64, LedgerError> {
        self.errand(move |batch| forget(batch, &filter)).await
    }
}

fn learn(batch: &mut Batch<'_>, lesson: &Lesson) -> rusqlite::Result<()> {
    let model = batch.word(&lesson.model)?;
    let provider = lesson.provider.as_ref().map_or(Ok(0), |provider| batch.word(provider))?;
    let dialect = batch.word(&lesson.dialect)?;
    let schema = schema_bytes(&lesson.schema);
    let (kind, subject) = (lesson.what.name(), lesson.what.subject());
    let connection = batch.connection();
    let earlier: Option<(i64, Millis, Millis, Option<String>)> = connection
        .prepare_cached(
            "SELECT id, learned_ms, expires_ms, detail FROM lesson
             WHERE model = ? AND provider = ? AND dialect = ? AND schema = ? AND kind = ? AND subject = ?",
        )?
        .query_row(params![model, provider, dialect, schema, kind, subject], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let text_of = |what: &LessonKind| what.detail().map(|detail| detail.to_string()).filter(|text| text.len() <= DETAIL_BYTES);
    let message = lesson.message.as_deref().map(|message| leading(message, MESSAGE_CHARACTERS));
    let times = lesson.times.max(1);
    match earlier {
        None => {
            connection
                .prepare_cached(
                    "INSERT INTO lesson (model, provider, dialect, schema, kind, subject, detail, learned_ms, expires_ms,
                                         times, message)
                     VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                )?
                .execute(params![
                    model,
                    provider,
                    dialect,
                    schema,
                    kind,
                    subject,
                    text_of(&lesson.what),
                    lesson.learned_ms,
                    lesson.expires_ms,
                    times,
                    message,
                ])?;
        }
        // Two processes may have learned it, and the older lesson may be written last.
        Some((id, learned_ms, ..)) if learned_ms > lesson.learned_ms => {
            connection.prepare_cached("UPDATE lesson SET times = min(times + ?, 4294967295) WHERE id = ?")?.execute(params![times, id])?;
        }
        Some((id, _, expires_ms, detail)) => {
            let is_believed = expires_ms > lesson.learned_ms;
            let what = match is_believed {
                true => lesson.what.after(LessonKind::of_file(kind, subject, detail.as_deref())),
                false => lesson.what.clone(),
            };
            connection
                .prepare_cached(
                    "UPDATE lesson SET detail = ?, learned_ms = ?, expires_ms = ?, times = min(times + ?, 4294967295),
                         message = coalesce(?, message)
                     WHERE id = ?",
                )?
                .execute(params![text_of(&what), lesson.learned_ms, lesson.expires_ms, times, message, id])?;
        }
    }
    Ok(())
}

fn forget(batch: &mut Batch<'_>, filter: &LessonFilter) -> rusqlite::Result<u64> {
    let LessonFilter { model, provider, dialect, schema, kind, subject, expired_at_ms } = filter;
    let word = |text: &Option<Arc<str>>| text.as_ref().map(|text| kept(text).to_owned());
    let forgotten = batch
        .connection()
        .prepare_cached(
            "DELETE FROM lesson
             WHERE (?1 IS NULL OR model = (SELECT id FROM word WHERE text = ?1))
               AND (?2 IS NULL OR provider = (SELECT id FROM word WHERE text = ?2))
               AND (?3 IS NULL OR dialect = (SELECT id FROM word WHERE text = ?3))
               AND (?4 IS NULL OR schema = ?4)
               AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR subject = ?6)
               AND (?7 IS NULL OR expires_ms <= ?7)",
        )?
        .execute(params![
            word(model),
            word(provider),
            word(dialect),
            schema.as_ref().map(|schema| &schema.as_bytes()[..]),
            word(kind),
            word(subject),
            expired_at_ms,
        ])?;
    Ok(forgotten as u64)
}
