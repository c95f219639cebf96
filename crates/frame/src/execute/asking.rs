//! The calls of one operator: from a row's values to a slot, with equal inputs asked once and every call under way tied
//! to the stream, so that dropping it stops them all.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::array::BooleanArray;
use corsac_dispatch::{Ask, Call, CallSettings, Contract, Failure, FailureKind, Origin, Outcome};
use corsac_ledger::Fingerprint;
use corsac_program::{Group, Program, Prompt, Record};
use datafusion::common::{HashMap, Result};
use futures::FutureExt;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PlannedCall;
use super::figures::Figures;
use super::lineage::Lineage;
use super::memory::Memory;
use super::reduce::Reduction;
use super::runtime::QueryRuntime;
use super::settled::{Settled, Slot, bad_input, without_request};
use crate::answer_type::excerpt;
use crate::cell::Cells;
use crate::error::FrameError;
use crate::session::OnError;

const EXCERPT_CHARACTERS: usize = 120;

/// One call of the operator, as the stream needs it.
pub(super) struct Question {
    pub(super) program: Program,
    operator: Arc<str>,
    contract: Contract,
    settings: Arc<CallSettings>,
    part_tokens: Option<u32>,
    memory: Arc<Mutex<Memory>>,
    figures: Arc<Figures>,
    /// For each input whether a row is asked about without it.
    may_be_null: Vec<bool>,
}

impl Question {
    pub(super) fn new(call: &PlannedCall, runtime: &QueryRuntime) -> Question {
        let (bound, program) = (&call.bound, call.program().clone());
        let may_be_null = (0..program.variables().len()).map(|variable| program.may_be_null(variable)).collect();
        Question {
            operator: program.operator().into(),
            contract: program.contract(),
            settings: runtime.settings_of(bound),
            part_tokens: bound.part_tokens,
            memory: runtime.memory(&bound.identity),
            figures: Arc::clone(call.figures()),
            may_be_null,
            program,
        }
    }
}

/// One call's inputs for the rows of a batch.
pub(super) struct Inputs<'a> {
    pub(super) arguments: Vec<Cells<'a>>,
    /// The rows that reach the call; all of them without it.
    pub(super) reached: Option<&'a BooleanArray>,
}

/// What is asked about.
enum Matter {
    /// One row.
    Prompt(Prompt),
    /// A group of rows.
    Group(Group),
    /// One row, as the inputs of a program.
    Inputs(Record),
}

impl Matter {
    /// Its beginning, for people.
    fn text(&self) -> &str {
        match self {
            Matter::Prompt(prompt) => &prompt.user,
            Matter::Group(group) => group.documents.first().map_or("", String::as_str),
            Matter::Inputs(inputs) => inputs.values().find_map(Value::as_str).unwrap_or_default(),
        }
    }
}

/// Where an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the held batch.
    pub(super) batch: u64,
    /// The row in it.
    pub(super) row: usize,
    /// The ordinal of the row in the operator's input.
    pub(super) ordinal: u64,
}

/// A call that ended, and who waited for it.
pub(super) struct Landing {
    pub(super) question: usize,
    pub(super) settled: Arc<Settled>,
    pub(super) places: Vec<Place>,
}

/// What became of a call.
pub(super) struct Ended {
    /// The ledger's entry that tells of it.
    pub(super) entry: Option<Fingerprint>,
    /// Those of the calls it was put together of.
    pub(super) parts: Vec<Fingerprint>,
    pub(super) outcome: Outcome,
}

impl Ended {
    fn without_call(failure: Failure) -> Ended {
        Ended { entry: None, parts: Vec::new(), outcome: Err(failure) }
    }
}

struct Flight {
    question: usize,
    input: Box<[u8]>,
    excerpt: String,
    started: Instant,
    places: Vec<Place>,
}

pub(super) struct Asking {
    runtime: Arc<QueryRuntime>,
    pub(super) questions: Vec<Question>,
    tasks: JoinSet<(u64, Ended)>,
    flights: HashMap<u64, Flight>,
    /// The flight that answers an input, for each question.
    under_way: Vec<HashMap<Box<[u8]>, u64>>,
    next_flight: u64,
    /// What rows end with once asking has ended, for each question.
    unasked: Vec<Option<Arc<Settled>>>,
    lineage: Lineage,
    key: Vec<u8>,
}

impl Asking {
    pub(super) fn new(runtime: Arc<QueryRuntime>, questions: Vec<Question>) -> Asking {
        Asking {
            under_way: questions.iter().map(|_| HashMap::default()).collect(),
            lineage: Lineage::new(Arc::clone(&runtime)),
            unasked: questions.iter().map(|_| None).collect(),
            runtime,
            questions,
            tasks: JoinSet::new(),
            flights: HashMap::default(),
            next_flight: 0,
            key: Vec::new(),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Stops every call under way.
    pub(super) fn stop(&mut self) {
        self.tasks.abort_all();
        self.runtime.progress.calls_dropped(self.flights.len() as u64);
        self.flights.clear();
    }

    /// Decides what one row gets from one question, and asks if nobody has.
    pub(super) fn slot(&mut self, question: usize, inputs: &Inputs<'_>, place: Place) -> Result<Slot> {
        let row = place.row;
        if inputs.reached.is_some_and(|reached| !(reached.value(row))) {
            self.questions[question].figures.row(false);
            return Ok(Slot::Nothing);
        }
        let mut key = std::mem::take(&mut self.key);
        let slot = match read_key(&mut key, inputs, row, &self.questions[question].may_be_null)? {
            false => Slot::Nothing,
            true => self.slot_for(question, &key, inputs, place)?,
        };
        self.key = key;
        self.questions[question].figures.row(!matches!(slot, Slot::Nothing));
        Ok(slot)
    }

    fn slot_for(&mut self, question: usize, key: &[u8], inputs: &Inputs<'_>, place: Place) -> Result<Slot> {
        let asked = &self.questions[question];
        let remembered = asked.memory.lock().unwrap_or_else(PoisonError::into_inner).get(key);
        if let Some(settled) = remembered {
            self.lineage.take(settled.entry(), place.ordinal);
            asked.figures.shared(1);
            if let Some(failure) = settled.failure() {
                asked.figures.failed(1);
                let text = String::from_utf8_lossy(key);
                self.runtime.progress.rows_failed(failure, 1, &asked.operator, place.ordinal, &text);
            }
            return Ok(Slot::Done(settled));
        }
        if let Some(flight) = self.under_way[question].get(key).and_then(|number| self.flights.get_mut(number)) {
            flight.places.push(place);
            asked.figures.shared(1);
            return Ok(Slot::Waiting);
        }
        let largest = self.runtime.limits.largest_input_bytes;
        if asked.program.is_about_groups() {
            let values = inputs.arguments.iter().map(|cells| cells.value(place.row)).collect::<Result<Vec<_>>>()?;
            return Ok(match asked.program.group(&values) {
                Some(group) => self.ask_or_not(question, key, Matter::Group(group), place),
                None => Slot::Nothing,
            });
        }
        if key.len() > largest {
            return self.refuse(question, key, too_large(key.len(), largest), place);
        }
        let values = inputs.arguments.iter().map(|cells| cells.value(place.row)).collect::<Result<Vec<_>>>()?;
        if asked.program.composed().is_some() {
            if !asked.program.has_question(&values) {
                return Ok(Slot::Nothing);
            }
            let inputs = asked.program.inputs(&values);
            return Ok(self.ask_or_not(question, key, Matter::Inputs(inputs), place));
        }
        match asked.program.prompt(&values) {
            Ok(None) => Ok(Slot::Nothing),
            Ok(Some(prompt)) if prompt.user.len() > largest => self.refuse(question, key, too_large(prompt.user.len(), largest), place),
            Ok(Some(prompt)) => Ok(self.ask_or_not(question, key, Matter::Prompt(prompt), place)),
            Err(error) => self.refuse(question, key, error.to_string(), place),
        }
    }

    /// A row that cannot be asked about fails alone.
    fn refuse(&mut self, question: usize, key: &[u8], message: String, place: Place) -> Result<Slot> {
        let failure = bad_input(message);
        let Question { operator, figures, .. } = &self.questions[question];
        figures.failed(1);
        let input = String::from_utf8_lossy(key);
        self.runtime.progress.rows_failed(&failure, 1, operator, place.ordinal, &input);
        let entry = self.lineage.fail(operator, place.ordinal, &input, &failure);
        if self.runtime.on_error == OnError::Fail {
            return Err(FrameError::RowFailed { operator: operator.to_string(), row: place.ordinal, failure }.into());
        }
        Ok(Slot::Done(Arc::new(Settled::failed(failure, entry))))
    }

    /// Asks, unless asking has ended.
    fn ask_or_not(&mut self, question: usize, key: &[u8], matter: Matter, place: Place) -> Slot {
        if let Some(failure) = self.runtime.ended() {
            let asked = &self.questions[question];
            self.runtime.progress.rows_failed(failure, 1, &asked.operator, place.ordinal, matter.text());
            let entry = self.lineage.fail(&asked.operator, place.ordinal, matter.text(), failure);
            asked.figures.failed(1);
            let unasked = self.unasked[question].get_or_insert_with(|| Arc::new(Settled::failed(not_asked(failure), entry)));
            return Slot::Done(Arc::clone(unasked));
        }
        self.start(question, key.into(), matter, place);
        Slot::Waiting
    }

    fn start(&mut self, question: usize, input: Box<[u8]>, matter: Matter, place: Place) {
        let number = self.next_flight;
        self.next_flight += 1;
        let asked = &self.questions[question];
        let excerpt = excerpt(matter.text(), EXCERPT_CHARACTERS);
        let mut call = Call {
            origin: Origin { run: self.runtime.run.clone(), operator: Arc::clone(&asked.operator), row: place.ordinal },
            system: "".into(),
            user: String::new(),
            contract: asked.contract.clone(),
            settings: Arc::clone(&asked.settings),
        };
        let ask = Arc::clone(&self.runtime.ask);
        let answer = match matter {
            Matter::Prompt(Prompt { system, user }) => {
                (call.system, call.user) = (system, user);
                async move { Ended { entry: ask.entry_of(&call), parts: Vec::new(), outcome: ask.ask(call).await } }.boxed()
            }
            Matter::Group(group) => {
                let reduction = Reduction { program: asked.program.clone(), call, part_tokens: asked.part_tokens };
                async move { reduction.reduce(ask.as_ref(), group).await }.boxed()
            }
            Matter::Inputs(inputs) => {
                let (program, settings) = (asked.program.clone(), Arc::clone(&self.runtime.settings));
                async move { answer(&program, ask, call.origin, &settings, &inputs).await }.boxed()
            }
        };
        self.runtime.progress.call_started();
        self.tasks.spawn(async move {
            let broken = |_| Ended::without_call(without_request(FailureKind::Internal, DEFECT.to_owned()));
            (number, AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(broken))
        });
        self.under_way[question].insert(input.clone(), number);
        self.flights.insert(number, Flight { question, input, excerpt, started: Instant::now(), places: vec![place] });
    }

    /// The next call that ended, if one did.
    pub(super) fn poll_landing(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Landing>>> {
        loop {
            return match self.tasks.poll_join_next(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Ok((number, ended)))) => match self.flights.remove(&number) {
                    Some(flight) => Poll::Ready(Some(self.land(flight, ended))),
                    None => continue,
                },
                // a panic is caught inside the task; only an aborted runtime ends a task in this way
                Poll::Ready(Some(Err(error))) => {
                    Poll::Ready(Some(Err(FrameError::Execution { message: format!("a call was broken off: {error}") }.into())))
                }
            };
        }
    }

    fn land(&mut self, flight: Flight, ended: Ended) -> Result<Landing> {
        let Ended { entry, parts, outcome } = ended;
        let Flight { question, input, excerpt, started, places } = flight;
        self.under_way[question].remove(&input);
        let asked = &self.questions[question];
        self.runtime.progress.call_finished(&outcome);
        asked.figures.ended(&outcome, started.elapsed());
        let was_answered = outcome.is_ok();
        // a call that was only broken off is not kept
        let entry = entry.filter(|_| !matches!(&outcome, Err(failure) if failure.kind == FailureKind::Interrupted));
        let settled = Arc::new(Settled::new(&asked.program, outcome, entry).in_parts(parts));
        let first = places.first().map_or(0, |place| place.ordinal);
        for place in places.iter().skip(1) {
            self.lineage.take(entry, place.ordinal);
        }
        let mut worth_remembering = true;
        if let Some(failure) = settled.failure() {
            self.runtime.progress.rows_failed(failure, places.len() as u64, &asked.operator, first, &excerpt);
            asked.figures.failed(places.len() as u64);
            if was_answered {
                // the ledger has the answer; that no column can hold it is found out here
                for place in &places {
                    self.lineage.fail(&asked.operator, place.ordinal, &excerpt, failure);
                }
            }
            if failure.kind.stops_run() {
                return Err(FrameError::Stopped(failure.clone()).into());
            }
            if failure.kind.ends_asking() {
                self.runtime.end_asking(failure);
                worth_remembering = false;
            } else if self.runtime.on_error == OnError::Fail {
                let operator = asked.operator.to_string();
                return Err(FrameError::RowFailed { operator, row: first, failure: failure.clone() }.into());
            }
        }
        if worth_remembering {
            asked.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(input, Arc::clone(&settled));
        }
        Ok(Landing { question, settled, places })
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program for a row.
async fn answer(program: &Program, ask: Arc<dyn Ask>, origin: Origin, settings: &CallSettings, inputs: &Record) -> Ended {
    match program.composed() {
        Some(composed) => {
            let (entry, outcome) = composed.answer(ask, origin, settings, inputs).await;
            Ended { entry, parts: Vec::new(), outcome }
        }
        None => Ended::without_call(without_request(FailureKind::Internal, DEFECT.to_owned())),
    }
}

const DEFECT: &str = "the call panicked, which is a defect in Corsac: please report it with the row's input";

fn not_asked(failure: &Failure) -> Failure {
    without_request(failure.kind, failure.message.to_string())
}

fn too_large(bytes: usize, largest: usize) -> String {
    let size = |bytes: usize| if bytes < 100_000 { format!("{bytes} bytes") } else { format!("{:.1} MB", bytes as f64 / 1e6) };
    format!(
        "the input has {}, more than the {} that are asked about at once: cut it with left(column, n) or split it into rows",
        size(bytes),
        size(largest)
    )
}

const TEXT_TAG: u8 = 2;
const JSON_TAG: u8 = 1;

/// Writes a row's inputs as bytes that are equal for equal inputs only; `false` when one is NULL that may not be, or a lone
/// text is blank. A lone text stands as it is, so that the common case copies bytes and no more.
fn read_key(key: &mut Vec<u8>, inputs: &Inputs<'_>, row: usize, may_be_null: &[bool]) -> Result<bool> {
    key.clear();
    let lacks = |(place, cells): (usize, &Cells<'_>)| cells.is_null(row) && !may_be_null.get(place).is_some_and(|may| *may);
    if inputs.arguments.iter().enumerate().any(lacks) {
        return Ok(false);
    }
    if let [only] = inputs.arguments.as_slice()
        && let Some(text) = only.text(row)
        && !only.is_null(row)
    {
        if text.trim_ascii_start().is_empty() {
            return Ok(false);
        }
        if text.as_bytes().first().is_some_and(|first| *first <= TEXT_TAG) {
            key.push(TEXT_TAG);
        }
        key.extend_from_slice(text.as_bytes());
        return Ok(true);
    }
    let alone = inputs.arguments.len() == 1;
    for cells in &inputs.arguments {
        let (tag, owned);
        let bytes = match cells.text(row) {
            Some(text) if !cells.is_null(row) => {
                tag = TEXT_TAG;
                text.as_bytes()
            }
            _ => {
                tag = JSON_TAG;
                owned = cells.value(row)?.to_string();
                owned.as_bytes()
            }
        };
        key.push(tag);
        if !alone {
            key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        key.extend_from_slice(bytes);
    }
    Ok(true)
}
