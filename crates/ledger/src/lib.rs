//! Corsac's durable memory: what was asked, of whom, with what result, and what it cost, in one SQLite file.
//!
//! It holds *runs*, their *calls* (what was wanted of a model), the *attempts* made for each call (one request each),
//! the *answers* found again by [`Fingerprint`], and the *spend* by run, model, provider and day. An answer that
//! [`Ledger::record`] has acknowledged is on disk: a `kill -9` or a power cut after it loses nothing.
//!
//! It is not a cache with a policy: what is asked, what counts as the same question and what is kept is decided
//! elsewhere. It reads no clock: moments are handed in. It holds no API key and has no field for one; commands,
//! queries and settings are stored as they are given, so callers leave secrets out of them.
//!
//! Beside that it remembers across runs what was learned about models ([`Lesson`]) and how long answers are
//! ([`OutputSizes`]), which rows took the answer of which call ([`Ledger::calls_of_row`]), and money that is set aside
//! before it is spent ([`Ledger::hold`]): ceilings are handed in by the caller, and the ledger sees to it that processes
//! that share a file keep one together, also when one of them is killed.
//!
//! Writing is done by one thread, which takes all records that wait, commits them together with one sync of the disk,
//! and then acknowledges them. Callers may be async, on any runtime. Several processes may use one file at once.
//! After an error such as a full disk the ledger writes no more: every record from then on gets that error, until the
//! ledger is opened again. Nothing in this crate deletes or truncates the file.
//!
//! ```
//! use corsac_ledger::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), LedgerError> {
//! let ledger = Ledger::in_memory()?; // or Ledger::open(path)
//! let run = ledger.start_run(RunStart {
//!     started_ms: 1_790_000_000_000,
//!     command: "corsac sql".into(),
//!     query: "SELECT semantic_map('Translate {{ text }}', text) FROM 'a.csv'".into(),
//!     settings: Default::default(),
//!     engine: "local".into(),
//!     model: "smollm2-135m-instruct".into(),
//!     pid: std::process::id(),
//! })?;
//!
//! let question = Fingerprint::of([b"smollm2-135m-instruct".as_slice(), b"Translate Hallo"]);
//! assert_eq!(ledger.recall(question)?, None);
//!
//! let answer = StoredAnswer {
//!     body: "Hello".into(),
//!     model: "smollm2-135m-instruct".into(),
//!     provider: None,
//!     cost: Default::default(),
//!     usage: Usage { prompt_tokens: 9, completion_tokens: 2, ..Default::default() },
//!     created_ms: 1_790_000_000_200,
//!     repaired: false,
//! };
//! ledger
//!     .record(CallRecord {
//!         run: run.clone(),
//!         fingerprint: question,
//!         operator: "semantic_map".into(),
//!         row: 0,
//!         input: "Hallo".into(),
//!         schema: None,
//!         outcome: CallOutcome::Answered(answer.clone()),
//!         attempts: vec![], // one AttemptRecord for each request
//!     })
//!     .await?;
//!
//! assert_eq!(ledger.recall(question)?, Some(answer));
//! assert_eq!(ledger.run(&run.as_str()[..4])?.answered, 1);
//! # Ok(())
//! # }
//! ```

mod batch;
mod calls;
mod connection;
mod days;
mod errand;
mod error;
mod fingerprint;
mod holds;
mod ledger;
mod lesson;
mod lessons;
mod migration;
mod process;
mod queue;
mod reader;
mod recall;
mod recent;
mod record;
mod results;
mod row_list;
mod runs;
mod scope;
mod shared;
mod sizes;
mod spend;
mod sums;
mod words;
mod writer;

pub use calls::{CallFilter, CallView, CallViewOutcome, FailureKind};
pub use connection::Durability;
pub use error::LedgerError;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use holds::{Hold, HoldError, HoldId, HoldRequest, HoldView, Standing};
pub use ledger::{ANSWER_BYTES, INPUT_CHARACTERS, Ledger, LedgerOptions};
pub use lesson::{Lesson, LessonFilter, LessonKind};
pub use recall::AnswersSummary;
pub use record::{AttemptRecord, CallOutcome, CallRecord, CostSource, EndState, Millis, RunEnd, RunId, RunStart, StoredAnswer, Usage};
pub use results::ResultRow;
pub use runs::{RunState, RunSummary, ServedBy};
pub use scope::Scope;
pub use sizes::OutputSizes;
pub use spend::{SpendBy, SpendLine, SpendWithin};
