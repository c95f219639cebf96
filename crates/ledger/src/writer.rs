//! The thread that writes: it takes everything that waits, makes one transaction of it, and acknowledges when the
//! disk has it. After an error it writes no more and gives that error to everybody.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::batch::Batch;
use crate::error::Blame;
use crate::queue::{Job, Queue};
use crate::runs;
use crate::words::WordNumbers;
use crate::{LedgerError, RunId};

/// Jobs in one transaction at most. More would make the first of them wait without making a job cheaper.
const BATCH_AT_MOST: usize = 4_096;

/// The writer's own things.
pub(crate) struct Writer {
    pub(crate) connection: Arc<Mutex<Connection>>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) blame: Blame,
}

/// How one job of a batch went. It is told only after the commit.
enum Done {
    Written,
    Started(RunId),
    NoSuchRun(RunId),
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(crate) fn work(self) {
        // Should this thread ever die of a fault, callers must hear of it rather than wait.
        let _last_words = LastWords { queue: &self.queue, blame: &self.blame };
        let mut numbers = WordNumbers::default();
        let mut jobs = Vec::new();
        while self.queue.take(&mut jobs, BATCH_AT_MOST) {
            match self.write(&mut numbers, &mut jobs) {
                Ok(done) => jobs.drain(..).zip(done).for_each(|(job, done)| self.acknowledge(job, done)),
                Err(error) => {
                    numbers.forget();
                    let error = self.blame.explain(error);
                    let waiting = self.queue.fail(error.clone());
                    jobs.drain(..).chain(waiting).for_each(|job| refuse(job, &error));
                }
            }
        }
    }

    /// One transaction: all of the jobs or none.
    fn write(&self, numbers: &mut WordNumbers, jobs: &mut [Job]) -> rusqlite::Result<Vec<Done>> {
        if jobs.iter().all(|job| matches!(job, Job::Flush { .. })) {
            // Whatever stood before these is committed already.
            return Ok(jobs.iter().map(|_| Done::Written).collect());
        }
        let connection = self.connection.lock();
        let written = write_all(&connection, numbers, jobs);
        // A full disk has rolled back by itself already.
        if written.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        written
    }

    fn acknowledge(&self, job: Job, done: Done) {
        // A caller that stopped waiting is no error: its record is written all the same.
        match (job, done) {
            (Job::Start { reply, .. }, Done::Started(run)) => drop(reply.send(Ok(run))),
            (job, Done::NoSuchRun(run)) => {
                let recent = runs::recent_ids(&self.connection.lock()).unwrap_or_default();
                refuse(job, &LedgerError::UnknownRun { asked: run.to_string(), recent });
            }
            (Job::Finish { reply, .. } | Job::Call { reply: Some(reply), .. } | Job::Flush { reply }, _) => {
                drop(reply.send(Ok(())));
            }
            (Job::Errand(errand), _) => errand.tell(None),
            (Job::Start { .. } | Job::Call { reply: None, .. } | Job::Shared { .. }, _) => {}
        }
    }
}

fn write_all(connection: &Connection, numbers: &mut WordNumbers, jobs: &mut [Job]) -> rusqlite::Result<Vec<Done>> {
    let mut batch = Batch::begin(connection, numbers)?;
    let mut done = Vec::with_capacity(jobs.len());
    for job in jobs {
        let (run, found) = match job {
            Job::Start { start, .. } => {
                done.push(Done::Started(batch.start_run(start)?));
                continue;
            }
            Job::Flush { .. } => {
                done.push(Done::Written);
                continue;
            }
            Job::Errand(errand) => {
                errand.carry_out(&mut batch)?;
                done.push(Done::Written);
                continue;
            }
            Job::Finish { run, end, .. } => (&*run, batch.finish_run(run, end)?),
            Job::Call { call, input_characters, .. } => (&call.run, batch.call(call, *input_characters)?),
            Job::Shared { run, fingerprint, rows } => (&*run, batch.shared(run, *fingerprint, rows)?),
        };
        done.push(if found { Done::Written } else { Done::NoSuchRun(run.clone()) });
    }
    batch.commit()?;
    Ok(done)
}

fn refuse(job: Job, error: &LedgerError) {
    match job {
        Job::Start { reply, .. } => drop(reply.send(Err(error.clone()))),
        Job::Finish { reply, .. } | Job::Call { reply: Some(reply), .. } | Job::Flush { reply } => {
            drop(reply.send(Err(error.clone())));
        }
        Job::Errand(errand) => errand.tell(Some(error.clone())),
        Job::Call { reply: None, .. } | Job::Shared { .. } => {}
    }
}

struct LastWords<'q> {
    queue: &'q Queue,
    blame: &'q Blame,
}

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        let error = self.blame.stopped();
        self.queue.fail(error.clone()).into_iter().for_each(|job| refuse(job, &error));
    }
}
