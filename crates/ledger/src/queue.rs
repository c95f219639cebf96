//! The line of jobs before the writer. Callers put jobs in from any thread; the writer takes all that wait at once,
//! which is what makes one commit serve many callers.

use std::collections::VecDeque;
use std::sync::mpsc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::errand::Errand;
use crate::{CallRecord, Fingerprint, LedgerError, RunEnd, RunId, RunStart};

/// Jobs that wait at most before [`Queue::put`] holds its caller back, so that a slow disk does not fill the memory.
const WAITING_AT_MOST: usize = 65_536;

pub(crate) type Acknowledgement = oneshot::Sender<Result<(), LedgerError>>;

/// One thing for the writer to do.
#[expect(clippy::large_enum_variant, reason = "nearly every job is a call, which a box would cost an allocation")]
pub(crate) enum Job {
    Start { start: Box<RunStart>, reply: mpsc::SyncSender<Result<RunId, LedgerError>> },
    Finish { run: RunId, end: Box<RunEnd>, reply: Acknowledgement },
    Call { call: CallRecord, input_characters: u64, reply: Option<Acknowledgement> },
    Shared { run: RunId, fingerprint: Fingerprint, rows: SharedRows },
    Errand(Box<dyn Errand>),
    Flush { reply: Acknowledgement },
}

/// Rows that took the answer of a call.
pub(crate) enum SharedRows {
    Counted(u64),
    Listed(Box<[u64]>),
}

/// The line itself.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    taken: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
    failure: Option<LedgerError>,
}

impl Queue {
    /// Puts a job at the end, or says why the writer takes no more.
    pub(crate) fn put(&self, job: Job) -> Result<(), LedgerError> {
        let mut state = self.state.lock();
        while state.failure.is_none() && state.jobs.len() >= WAITING_AT_MOST {
            self.taken.wait(&mut state);
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Moves what waits, `at_most` of it, into `batch`. Waits while there is nothing; `false` when nothing will come.
    pub(crate) fn take(&self, batch: &mut Vec<Job>, at_most: usize) -> bool {
        let mut state = self.state.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return false;
            }
            self.arrived.wait(&mut state);
        }
        let count = state.jobs.len().min(at_most);
        batch.extend(state.jobs.drain(..count));
        drop(state);
        self.taken.notify_all();
        true
    }

    /// No more jobs will come; the writer ends after those that wait.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    /// From now on every job is refused with this error. Gives back the jobs that still wait.
    pub(crate) fn fail(&self, failure: LedgerError) -> VecDeque<Job> {
        let mut state = self.state.lock();
        state.failure.get_or_insert(failure);
        let waiting = std::mem::take(&mut state.jobs);
        drop(state);
        self.taken.notify_all();
        waiting
    }
}
