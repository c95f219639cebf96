//! A question about a group of rows. A group that is too large for one prompt is asked about in parts, all at once, and the
//! results of the parts are put together in the same way, until one is left.

use corsac_dispatch::{Answer, Ask, Call, CallSettings, Failure, Outcome, Source};
use corsac_ledger::Fingerprint;
use corsac_program::{Group, Program, Prompt, Stage};
use corsac_wire::Usd;
use futures::{StreamExt, stream};
use serde_json::Value;

use super::asking::Ended;
use super::settled::bad_input;
use super::{PlannedCall, QueryRuntime};

/// Tokens of rows in one prompt where nothing says what the model takes, and the most where it takes more: a model reads
/// carefully what is not too long.
const USUAL_TOKENS: u64 = 6_000;
const MOST_TOKENS: u64 = 16_000;
/// Results of parts are about this long, and two must fit.
const LEAST_TOKENS: u64 = 64;

/// Parts of a group whose calls are told with its result.
const PARTS_TOLD: usize = 1_024;

/// How a group is asked about.
pub(super) struct Reduction {
    pub(super) program: Program,
    /// The call as all its questions make it, without a prompt.
    pub(super) call: Call,
    /// The most tokens of rows in one prompt, where the user says it.
    pub(super) part_tokens: Option<u32>,
}

/// What the questions about a group came to so far.
#[derive(Default)]
struct Spent {
    cost: Usd,
    attempts: u32,
    asked: bool,
}

impl Spent {
    fn add(&mut self, outcome: &Outcome) {
        let (cost, attempts) = match outcome {
            Ok(answer) => (answer.cost, answer.attempts),
            Err(failure) => (failure.cost, failure.attempts),
        };
        self.cost += cost;
        self.attempts += attempts;
        self.asked |= attempts > 0;
    }
}

impl Reduction {
    /// The one answer for a group, with what all its questions cost, and the name under which its last question is kept. A
    /// part without an answer leaves the group without one.
    pub(super) async fn reduce(&self, ask: &dyn Ask, group: Group) -> Ended {
        let (mut entry, mut parts) = (None, Vec::new());
        let outcome = self.one_of(ask, group, &mut entry, &mut parts).await;
        Ended { entry, parts, outcome }
    }

    async fn one_of(&self, ask: &dyn Ask, group: Group, entry: &mut Option<Fingerprint>, parts: &mut Vec<Fingerprint>) -> Outcome {
        let room = self.room(ask, &group);
        let mut spent = Spent::default();
        let mut open = Group::parts(group.pieces(room), room);
        let mut stage = Stage::Part;
        while open.len() > 1 {
            let results = self.ask_all(ask, &group, open, stage, &mut spent, parts).await?;
            open = Group::parts(results, room);
            stage = Stage::Merge;
        }
        let last = open.pop().unwrap_or_default();
        let stage = if stage == Stage::Part { Stage::Whole } else { Stage::Merge };
        let call = self.call_about(&group, &last, stage)?;
        *entry = ask.entry_of(&call);
        let outcome = ask.ask(call).await;
        spent.add(&outcome);
        match outcome {
            Ok(answer) => {
                let source = if spent.asked { Source::Asked } else { answer.source };
                Ok(Answer { cost: spent.cost, attempts: spent.attempts, source, ..answer })
            }
            Err(failure) => Err(Failure { cost: spent.cost, attempts: spent.attempts, ..failure }),
        }
    }

    /// Asks about parts, many at once; gives their results in order.
    async fn ask_all(
        &self,
        ask: &dyn Ask,
        group: &Group,
        parts: Vec<Vec<String>>,
        stage: Stage,
        spent: &mut Spent,
        entries: &mut Vec<Fingerprint>,
    ) -> Result<Vec<String>, Failure> {
        let window = ask.window().max(1);
        let one = |part: Vec<String>| async move {
            match part.as_slice() {
                // a result that no other is put together with stays as it is
                [alone] if stage == Stage::Merge => (alone.clone(), None, None),
                texts => {
                    let (entry, outcome) = self.ask(ask, group, texts, stage).await;
                    (String::new(), Some(outcome), entry)
                }
            }
        };
        let mut asked = stream::iter(parts).map(one).buffered(window);
        let mut results = Vec::new();
        while let Some((kept, outcome, entry)) = asked.next().await {
            entries.extend(entry.filter(|_| entries.len() < PARTS_TOLD));
            outcome.iter().for_each(|outcome| spent.add(outcome));
            results.push(match outcome {
                None => kept,
                Some(Ok(answer)) => text_of(&answer.value),
                // dropping the stream stops what is still under way
                Some(Err(failure)) => return Err(Failure { cost: spent.cost, attempts: spent.attempts, ..failure }),
            });
        }
        Ok(results)
    }

    async fn ask(&self, ask: &dyn Ask, group: &Group, texts: &[String], stage: Stage) -> (Option<Fingerprint>, Outcome) {
        match self.call_about(group, texts, stage) {
            Ok(call) => (ask.entry_of(&call), ask.ask(call).await),
            Err(failure) => (None, Err(failure)),
        }
    }

    fn call_about(&self, group: &Group, texts: &[String], stage: Stage) -> Result<Call, Failure> {
        match self.program.group_prompt(group, texts, stage) {
            Ok(Prompt { system, user }) => Ok(Call { system, user, ..self.call.clone() }),
            Err(error) => Err(bad_input(error.to_string())),
        }
    }

    fn room(&self, ask: &dyn Ask, group: &Group) -> u64 {
        let around = self.program.group_prompt(group, &[], Stage::Merge);
        room(ask, &self.call.settings, self.part_tokens, around.map_or(0, |prompt| prompt.system.len() + prompt.user.len()))
    }
}

/// How many tokens of rows one prompt may have beside so many bytes of other words.
fn room(ask: &dyn Ask, settings: &CallSettings, part_tokens: Option<u32>, around: usize) -> u64 {
    if let Some(tokens) = part_tokens {
        return u64::from(tokens).max(LEAST_TOKENS);
    }
    // what is counted is a guess
    let room = ask.prompt_room(settings).map(|room| (room * 8 / 10).saturating_sub(around as u64 / 3));
    room.unwrap_or(USUAL_TOKENS).clamp(LEAST_TOKENS, MOST_TOKENS)
}

/// How many tokens of rows a prompt of a call over groups may have, as far as that is known before it is made.
pub(crate) fn room_for_rows(call: &PlannedCall, runtime: &QueryRuntime) -> u64 {
    let around = call.program().system().len() + call.program().words().iter().map(String::len).sum::<usize>();
    room(runtime.ask.as_ref(), &runtime.settings_of(&call.bound), call.bound.part_tokens, around)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
