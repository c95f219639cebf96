//! The handle that everybody holds: it puts records before the writer and reads through connections of its own.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::calls::{self, CallFilter, CallView, FailureKind};
use crate::connection::{self, Durability};
use crate::days::day_of;
use crate::errand;
use crate::error::Blame;
use crate::queue::{Job, Queue, SharedRows};
use crate::reader::Reader;
use crate::results::{self, ResultRow};
use crate::runs::{self, RunSummary};
use crate::spend::{self, SpendBy, SpendLine, SpendWithin};
use crate::sums::stored;
use crate::words::WordNumbers;
use crate::words::{WordTexts, leading};
use crate::writer::Writer;
use crate::{CallOutcome, CallRecord, Fingerprint, LedgerError, RunEnd, RunId, RunStart, process};

/// Characters of a call's input that are kept.
pub const INPUT_CHARACTERS: usize = 2_000;

/// Bytes of an answer that are taken at most.
pub const ANSWER_BYTES: usize = 256 << 20;

/// How long the ledger waits for another program that holds the file, unless told otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls read at once while going through all calls of a run.
const CALLS_AT_ONCE: usize = 512;

const ALL_DAYS: RangeInclusive<i64> = i64::MIN..=i64::MAX;

type ProcessLives = Arc<dyn Fn(u32) -> bool + Send + Sync>;

/// How a ledger is opened.
#[derive(Clone)]
pub struct LedgerOptions {
    busy_timeout: Duration,
    size_limit_bytes: Option<u64>,
    process_lives: Option<ProcessLives>,
}

impl Default for LedgerOptions {
    fn default() -> LedgerOptions {
        LedgerOptions { busy_timeout: BUSY_TIMEOUT, size_limit_bytes: None, process_lives: None }
    }
}

impl LedgerOptions {
    /// How long to wait for another program that holds the file. 10 seconds unless set.
    #[must_use]
    pub fn busy_timeout(self, busy_timeout: Duration) -> LedgerOptions {
        LedgerOptions { busy_timeout, ..self }
    }

    /// The size beyond which the file must not grow; the error is then the one of a full disk. No limit unless set.
    #[must_use]
    pub fn size_limit_bytes(self, bytes: u64) -> LedgerOptions {
        LedgerOptions { size_limit_bytes: Some(bytes), ..self }
    }

    /// How to tell whether a process still lives, instead of asking `/proc`.
    #[must_use]
    pub fn process_lives(self, lives: impl Fn(u32) -> bool + Send + Sync + 'static) -> LedgerOptions {
        LedgerOptions { process_lives: Some(Arc::new(lives)), ..self }
    }

    /// Opens or makes the ledger in this file, and the folders above it.
    pub fn open(self, path: &Path) -> Result<Ledger, LedgerError> {
        // Absolute, because the file is opened more than once and the working directory may change in between.
        let path =
            std::path::absolute(path).map_err(|error| LedgerError::Unreachable { path: path.to_owned(), detail: error.to_string() })?;
        let blame = Blame::new(&path, self.busy_timeout);
        let writing = Arc::new(Mutex::new(connection::open_writer(&blame, self.size_limit_bytes)?));
        let reader = || Reader::of_file(blame.clone());
        Ledger::assemble(writing, reader(), reader(), blame.clone(), self.process_lives)
    }
}

/// The ledger. Clones share one writer; the last one that is dropped waits until everything handed in is written.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    /// The writer of a ledger in memory: it works on its callers' threads, so that nobody waits for another thread, which
    /// virtual time would not wait for.
    in_step: Option<Mutex<InStep>>,
    /// The writer's connection.
    writing: Arc<Mutex<rusqlite::Connection>>,
    recall: Reader,
    lists: Reader,
    blame: Blame,
    process_lives: Option<ProcessLives>,
}

struct InStep {
    writer: Writer,
    numbers: WordNumbers,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // It answers its callers itself, also when it dies; nothing is left to say here.
            drop(writer.join());
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.shared.blame.path).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens or makes the ledger in this file, and the folders above it. See [`LedgerOptions`] for settings.
    pub fn open(path: &Path) -> Result<Ledger, LedgerError> {
        Ledger::options().open(path)
    }

    /// Settings, to open with.
    pub fn options() -> LedgerOptions {
        LedgerOptions::default()
    }

    /// A ledger that forgets everything at its end, for tests and trials.
    pub fn in_memory() -> Result<Ledger, LedgerError> {
        let blame = Blame::new(Path::new("in memory"), BUSY_TIMEOUT);
        let only = Arc::new(Mutex::new(connection::open_memory(&blame)?));
        let reader = || Reader::of_memory(blame.clone(), only.clone());
        Ok(Ledger::in_step(only.clone(), reader(), reader(), blame.clone()))
    }

    fn in_step(writing: Arc<Mutex<rusqlite::Connection>>, recall: Reader, lists: Reader, blame: Blame) -> Ledger {
        let queue = Arc::new(Queue::default());
        let writer = Writer { connection: Arc::clone(&writing), queue: queue.clone(), blame: blame.clone() };
        let in_step = Some(Mutex::new(InStep { writer, numbers: WordNumbers::default() }));
        Ledger { shared: Arc::new(Shared { queue, writer: None, in_step, writing, recall, lists, blame, process_lives: None }) }
    }

    fn assemble(
        writing: Arc<Mutex<rusqlite::Connection>>,
        recall: Reader,
        lists: Reader,
        blame: Blame,
        process_lives: Option<ProcessLives>,
    ) -> Result<Ledger, LedgerError> {
        let queue = Arc::new(Queue::default());
        let writer = Writer { connection: Arc::clone(&writing), queue: queue.clone(), blame: blame.clone() };
        let writer = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer.work())
            .map_err(|error| LedgerError::Unreachable { path: blame.path.clone(), detail: error.to_string() })?;
        let shared = Shared { queue, writer: Some(writer), in_step: None, writing, recall, lists, blame, process_lives };
        Ok(Ledger { shared: Arc::new(shared) })
    }

    /// What acknowledged answers outlive from now on, for everybody who holds this ledger: [`Durability::Disk`] unless told
    /// otherwise. A ledger in memory outlives nothing.
    pub fn keep(&self, durability: Durability) -> Result<(), LedgerError> {
        if self.shared.in_step.is_some() {
            return Ok(());
        }
        durability.set(&self.shared.writing.lock()).map_err(|error| self.shared.blame.explain(error))
    }

    /// The file. A ledger in memory is called "in memory".
    pub fn path(&self) -> &Path {
        &self.shared.blame.path
    }

    /// Writes the beginning of a run and gives it its id. Waits for the disk, once a run.
    pub fn start_run(&self, start: RunStart) -> Result<RunId, LedgerError> {
        let (reply, started) = mpsc::sync_channel(1);
        self.put(Job::Start { start: Box::new(start), reply })?;
        started.recv().unwrap_or_else(|_| Err(self.shared.blame.stopped()))
    }

    /// Writes the end of a run, behind everything handed in before.
    pub async fn finish_run(&self, run: &RunId, end: RunEnd) -> Result<(), LedgerError> {
        self.acknowledged(|reply| Job::Finish { run: run.clone(), end: Box::new(end), reply }).await
    }

    /// Writes a call with its attempts and its answer. Resolves when the disk has them, and not before. Once polled,
    /// the record is written even if the future is dropped.
    pub async fn record(&self, call: CallRecord) -> Result<(), LedgerError> {
        if let CallOutcome::Answered(answer) = &call.outcome
            && answer.body.len() > ANSWER_BYTES
        {
            return Err(LedgerError::TooLarge { bytes: answer.body.len(), limit: ANSWER_BYTES });
        }
        let (call, input_characters) = shortened(call);
        self.acknowledged(|reply| Job::Call { call, input_characters, reply: Some(reply) }).await
    }

    /// Writes a call without an acknowledgement: for answers from memory, which cost nothing to lose. It stands before
    /// whatever is handed in later; an error shows at the next [`flush`](Ledger::flush) or
    /// [`finish_run`](Ledger::finish_run).
    pub fn note(&self, call: CallRecord) {
        let (call, input_characters) = shortened(call);
        drop(self.put(Job::Call { call, input_characters, reply: None }));
    }

    /// Adds rows that took the answer (or the failure) of a call of this run without asking themselves. The call's own
    /// first row is not among them. Written like [`note`](Ledger::note).
    pub fn shared(&self, run: &RunId, fingerprint: Fingerprint, additional_rows: u64) {
        if additional_rows > 0 {
            drop(self.put(Job::Shared { run: run.clone(), fingerprint, rows: SharedRows::Counted(additional_rows) }));
        }
    }

    /// Adds rows as [`shared`](Ledger::shared) does, and keeps which they were, so that
    /// [`calls_of_row`](Ledger::calls_of_row) finds the call behind each. For one row use one of the two. The order of
    /// the rows is of no account; a row told twice at once counts once. Many rows at a time are cheap: told by the
    /// thousand, a row takes about two bytes and a tenth of a microsecond.
    pub fn note_rows(&self, run: &RunId, fingerprint: Fingerprint, rows: &[u64]) {
        if !rows.is_empty() {
            drop(self.put(Job::Shared { run: run.clone(), fingerprint, rows: SharedRows::Listed(rows.into()) }));
        }
    }

    /// Adds rows that the run gave, in order, behind those told before, each with the calls it stems from, so that
    /// [`result_row`](Ledger::result_row) finds them. Written like [`note`](Ledger::note); some thousand rows at a time are
    /// cheap.
    pub fn note_results(&self, run: &RunId, rows: &[ResultRow]) {
        if rows.is_empty() {
            return;
        }
        let (run, bytes, rows) = (run.clone(), results::packed(rows), rows.len() as i64);
        drop(self.put(Job::Errand(errand::unattended(move |batch| batch.results(&run, rows, &bytes)))));
    }

    /// Resolves when everything handed in before is on disk.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        self.acknowledged(|reply| Job::Flush { reply }).await
    }

    /// Puts a job before the writer.
    pub(crate) fn put(&self, job: Job) -> Result<(), LedgerError> {
        match &self.shared.in_step {
            Some(in_step) => {
                self.shared.queue.put(job)?;
                let InStep { writer, numbers } = &mut *in_step.lock();
                let mut jobs = Vec::new();
                while self.shared.queue.take_waiting(&mut jobs) {
                    writer.serve(numbers, &mut jobs);
                }
                Ok(())
            }
            None => self.shared.queue.put(job),
        }
    }

    /// Does something in the writer's next transaction, behind everything handed in before, and waits for the disk.
    pub(crate) async fn errand<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (errand, made) = errand::awaited(work);
        self.put(Job::Errand(errand))?;
        made.await.unwrap_or_else(|_| Err(self.shared.blame.stopped()))
    }

    /// Reads something that may take a while.
    pub(crate) fn long_read<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection, &WordTexts) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.shared.lists.read(read)
    }

    /// Reads something small, beside recall and never behind a long list.
    pub(crate) fn quick_read<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection, &WordTexts) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        // the writer's connection knows what it wrote; another would read those pages again
        match self.shared.writing.try_lock().filter(|_| self.shared.in_step.is_none() && self.shared.recall.is_open()) {
            Some(idle) => self.shared.recall.read_through(&idle, read),
            None => self.shared.recall.read(read),
        }
    }

    async fn acknowledged(&self, job: impl FnOnce(oneshot::Sender<Result<(), LedgerError>>) -> Job) -> Result<(), LedgerError> {
        let (reply, written) = oneshot::channel();
        self.put(job(reply))?;
        written.await.unwrap_or_else(|_| Err(self.shared.blame.stopped()))
    }

    /// The latest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunSummary>, LedgerError> {
        let lives = self.lives();
        self.shared.lists.read(|connection, words| runs::latest(connection, words, limit, &lives))
    }

    /// One run, by its id or by the beginning of it.
    pub fn run(&self, id_or_prefix: &str) -> Result<RunSummary, LedgerError> {
        let lives = self.lives();
        self.shared.lists.read(|connection, words| {
            Ok(match runs::find(connection, id_or_prefix)? {
                Ok(number) => Ok(runs::summary(connection, words, number, &lives)?),
                Err(error) => Err(error),
            })
        })?
    }

    /// Calls of a run in the order in which they were recorded: at most `limit` of those behind the position `after`
    /// (`None`: from the beginning).
    pub fn calls(&self, run: &RunId, filter: CallFilter, after: Option<u64>, limit: usize) -> Result<Vec<CallView>, LedgerError> {
        self.of_run(run, |connection, words, number| calls::page(connection, words, number, filter, after, limit))
    }

    /// The calls that made what this input row (counted from 0) got: those it asked itself, and those whose answer it
    /// took, as far as it was told by [`note_rows`](Ledger::note_rows). All of the run's operators, or this one.
    pub fn calls_of_row(&self, run: &RunId, operator: Option<&str>, row: u64) -> Result<Vec<CallView>, LedgerError> {
        let mut calls = self.calls(run, CallFilter::Row(row), None, usize::MAX)?;
        calls.retain(|call| operator.is_none_or(|operator| *call.operator == *operator));
        Ok(calls)
    }

    /// What this row of the run's result (counted from 0) stems from; `None` if nothing was told of it.
    pub fn result_row(&self, run: &RunId, row: u64) -> Result<Option<ResultRow>, LedgerError> {
        self.of_run(run, |connection, _, number| results::row(connection, number, stored(row)))
    }

    /// How many rows the run gave, as far as it was told by [`note_results`](Ledger::note_results).
    pub fn result_rows(&self, run: &RunId) -> Result<u64, LedgerError> {
        self.of_run(run, |connection, _, number| results::given(connection, number)).map(|rows| rows.max(0).unsigned_abs())
    }

    /// The run's calls with one of these fingerprints, in the order in which they were recorded.
    pub fn calls_named(&self, run: &RunId, fingerprints: &[Fingerprint]) -> Result<Vec<CallView>, LedgerError> {
        self.of_run(run, |connection, words, number| calls::named(connection, words, number, fingerprints))
    }

    /// The last call with this fingerprint for which requests were sent, and its run: where an answer from memory came from.
    /// Looks through all calls from the newest on, which may take a while in a large ledger.
    pub fn last_asked(&self, fingerprint: Fingerprint) -> Result<Option<(RunId, CallView)>, LedgerError> {
        self.shared.lists.read(|connection, words| calls::last_asked(connection, words, &fingerprint))
    }

    /// Goes through all calls of a run, a page at a time, so that memory stays bounded and nobody is kept waiting.
    /// Stops early when `visit` breaks.
    pub fn each_call(
        &self,
        run: &RunId,
        filter: CallFilter,
        mut visit: impl FnMut(CallView) -> std::ops::ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page = self.calls(run, filter, after, CALLS_AT_ONCE)?;
            let is_last = page.len() < CALLS_AT_ONCE;
            for call in page {
                after = Some(call.position);
                if visit(call).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The failures of a run by kind, the most frequent first, each with its first example.
    pub fn failures_by_kind(&self, run: &RunId) -> Result<Vec<FailureKind>, LedgerError> {
        self.of_run(run, calls::failures_by_kind)
    }

    /// What was spent, summed by run, model, provider, operator, key or day, the most expensive first (days: the newest
    /// first).
    pub fn spend(&self, by: SpendBy, within: SpendWithin<'_>) -> Result<Vec<SpendLine>, LedgerError> {
        let of_days = |days| self.shared.lists.read(|connection, words| spend::lines(connection, words, by, None, days));
        match within {
            SpendWithin::Run(run) => {
                self.of_run(run, |connection, words, number| spend::lines(connection, words, by, Some(number), ALL_DAYS))
            }
            SpendWithin::Since(moment) => of_days(day_of(moment)..=i64::MAX),
            SpendWithin::Between(from, until) => of_days(day_of(from)..=day_of(until)),
            SpendWithin::Everything => of_days(ALL_DAYS),
        }
    }

    fn of_run<T>(
        &self,
        run: &RunId,
        read: impl FnOnce(&rusqlite::Connection, &WordTexts, i64) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        self.shared.lists.read(|connection, words| {
            Ok(match runs::find(connection, run.as_str())? {
                Ok(number) => Ok(read(connection, words, number)?),
                Err(error) => Err(error),
            })
        })?
    }

    pub(crate) fn lives(&self) -> impl Fn(u32, Option<&str>) -> bool + '_ {
        |pid, birth| match &self.shared.process_lives {
            Some(lives) => lives(pid),
            None => process::lives(pid, birth),
        }
    }
}

/// Cuts the input before it waits in line, where a large cell would cost memory.
fn shortened(mut call: CallRecord) -> (CallRecord, u64) {
    let characters = call.input.chars().count() as u64;
    let kept = leading(&call.input, INPUT_CHARACTERS).len();
    if kept < call.input.len() {
        call.input.truncate(kept);
        call.input.shrink_to_fit();
    }
    (call, characters)
}
