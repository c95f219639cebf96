//! Runs the model for every waiting request at once: new prompts and half-written answers share each pass.
//!
//! A row that is done makes room for the next request straight away. Requests whose caller has gone are dropped
//! before and between passes.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use rayon::prelude::*;
use serde_json::Value;

use crate::error::LocalError;
use crate::grammar::Grammars;
use crate::llama::{Llama, Span, Workspace};
use crate::model::Finish;
use crate::prefix::Prefixes;
use crate::row::{Choosing, Reply, Row, Step, Task, Writing};
use crate::sampling::Sampler;
use crate::scoring::{Asked, best_labels, label_scores};
use crate::sequence::{Part, Sequence};
use crate::tokenizer::Tokenizer;

/// A request on its way to the scheduler.
pub(crate) struct Job {
    pub(crate) prompt: Vec<u32>,
    pub(crate) goal: Goal,
    pub(crate) reply: Reply,
}

/// What a request wants.
pub(crate) enum Goal {
    Write {
        schema: Option<Value>,
        max_tokens: usize,
        sampler: Sampler,
    },
    /// `neutral` is the prompt with nothing to judge in it.
    Choose {
        neutral: Vec<u32>,
        answers: Vec<String>,
        labels: Vec<Vec<u32>>,
    },
}

/// How much may run at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) rows: usize,
    /// Tokens whose keys and values the rows may hold together.
    pub(crate) tokens: usize,
    /// Tokens of kept prompt beginnings.
    pub(crate) prefix_tokens: usize,
}

/// Prompt tokens read in one pass: enough to keep the vector units busy, few enough not to stall half-written answers.
pub(crate) const PASS_TOKENS: usize = 384;
/// Neutral judgements kept; queries use few label lists.
const EXPECTATIONS: usize = 64;

/// A neutral prompt and the labels that were scored after it.
type NeutralQuestion = (Vec<u32>, Vec<Vec<u32>>);

/// The state of the scheduler's thread.
pub(crate) struct Scheduler {
    llama: Llama,
    tokenizer: Arc<Tokenizer>,
    /// Built when the first schema arrives.
    grammars: Option<Grammars>,
    prefixes: Prefixes,
    expectations: HashMap<NeutralQuestion, Arc<Vec<f32>>>,
    capacity: Capacity,
    work: Workspace,
    waiting: VecDeque<Job>,
    rows: Vec<Row>,
}

impl Scheduler {
    pub(crate) fn new(llama: Llama, tokenizer: Arc<Tokenizer>, capacity: Capacity) -> Self {
        let prefixes = Prefixes::new(capacity.prefix_tokens);
        Self {
            llama,
            tokenizer,
            grammars: None,
            prefixes,
            expectations: HashMap::new(),
            capacity,
            work: Workspace::default(),
            waiting: VecDeque::new(),
            rows: Vec::new(),
        }
    }

    /// Serves until every handle to the model is gone.
    pub(crate) fn run(mut self, jobs: Receiver<Job>) {
        loop {
            if self.rows.is_empty() && self.waiting.is_empty() {
                match jobs.recv() {
                    Ok(job) => self.waiting.push_back(job),
                    Err(_) => return,
                }
            }
            let gone = loop {
                match jobs.try_recv() {
                    Ok(job) => self.waiting.push_back(job),
                    Err(TryRecvError::Empty) => break false,
                    Err(TryRecvError::Disconnected) => break true,
                }
            };
            self.waiting.retain(|job| !job.reply.is_closed());
            self.rows.retain(|row| !row.reply.is_closed());
            if gone && self.rows.is_empty() && self.waiting.is_empty() {
                return;
            }
            // a defect met by one request must not take the others' model away
            let step = catch_unwind(AssertUnwindSafe(|| {
                self.admit();
                self.step();
            }));
            if step.is_err() {
                for row in self.rows.drain(..) {
                    row.conclude(Err(LocalError::Decode("an internal check failed".into())));
                }
                self.work = Workspace::default();
            }
        }
    }

    /// Moves waiting requests into free rows.
    fn admit(&mut self) {
        while self.rows.len() < self.capacity.rows {
            let Some(job) = self.waiting.pop_front() else { return };
            let answer_tokens = match &job.goal {
                Goal::Write { max_tokens, .. } => *max_tokens,
                Goal::Choose { labels, .. } => labels.iter().map(Vec::len).sum(),
            };
            let waiting = self.waiting.iter().take(self.capacity.rows).map(|job| job.prompt.as_slice());
            if let Some(tokens) = self.prefixes.worth_computing(&job.prompt, waiting) {
                self.compute_prefix(&job.prompt[..tokens]);
            }
            let shared = self.prefixes.longest(&job.prompt);
            let reused_tokens: usize = shared.iter().map(|part| part.tokens).sum();
            let reserved_tokens = job.prompt.len() - reused_tokens + answer_tokens;
            let taken: usize = self.rows.iter().map(|row| row.reserved_tokens).sum();
            if taken > 0 && taken + reserved_tokens > self.capacity.tokens {
                self.waiting.push_front(job);
                return;
            }
            self.start(job, shared, reused_tokens, reserved_tokens);
        }
    }

    fn compute_prefix(&mut self, tokens: &[u32]) {
        let mut sequence = Sequence::after(self.prefixes.longest(tokens));
        let start = sequence.tokens();
        for chunk in tokens[start..].chunks(PASS_TOKENS) {
            self.llama.pass(&mut [Span { sequence: &mut sequence, tokens: chunk, wanted: 0..0 }], &mut self.work);
        }
        self.prefixes.keep(tokens, sequence.freeze());
    }

    fn start(&mut self, job: Job, shared: Vec<Part>, reused_tokens: usize, reserved_tokens: usize) {
        let Job { prompt, goal, reply } = job;
        let (task, opening) = match goal {
            Goal::Choose { neutral, answers, labels } => {
                let expected = self.expected(neutral, &labels);
                (Task::Choose(Choosing { answers, labels, expected }), Step::Read(Vec::new()))
            }
            Goal::Write { schema, max_tokens, sampler } => match self.matcher(schema.as_ref(), max_tokens) {
                Ok(matcher) => {
                    let mut writing = Writing::new(matcher, sampler, max_tokens);
                    let opening = writing.open(&self.tokenizer);
                    (Task::Write(Box::new(writing)), opening)
                }
                Err(error) => {
                    // the caller may have gone; then nobody wants the answer
                    let _ = reply.send(Err(error));
                    return;
                }
            },
        };
        let prompt_tokens = prompt.len();
        let mut pending = prompt;
        pending.drain(..reused_tokens);
        let mut row = Row { sequence: Sequence::after(shared), pending, task, prompt_tokens, reused_tokens, reserved_tokens, reply };
        match opening {
            Step::Read(tokens) => {
                row.pending.extend(tokens);
                self.rows.push(row);
            }
            Step::Done(result) => row.conclude(result),
        }
    }

    fn matcher(&mut self, schema: Option<&Value>, max_tokens: usize) -> Result<Option<llguidance::Matcher>, LocalError> {
        let Some(schema) = schema else { return Ok(None) };
        let grammars = match &mut self.grammars {
            Some(grammars) => grammars,
            none => none.insert(Grammars::new(self.tokenizer.clone())?),
        };
        grammars.matcher(schema, max_tokens).map(Some)
    }

    /// One pass over all rows, then one token (or the verdict) for each that has read all it had to.
    fn step(&mut self) {
        let mut room = PASS_TOKENS;
        let mut spans = Vec::new();
        let mut ready = Vec::new();
        let chunks: Vec<Vec<u32>> = self
            .rows
            .iter_mut()
            .map(|row| {
                // a row that writes is always served; prompts share what room there is
                let take = if row.pending.len() == 1 { 1 } else { row.pending.len().min(room) };
                room -= take.min(room);
                row.pending.drain(..take).collect()
            })
            .collect();
        for (index, (row, tokens)) in self.rows.iter_mut().zip(&chunks).enumerate() {
            if tokens.is_empty() {
                continue;
            }
            let is_ready = row.pending.is_empty();
            if is_ready {
                ready.push(index);
            }
            spans.push(Span { sequence: &mut row.sequence, tokens, wanted: if is_ready { tokens.len() - 1..tokens.len() } else { 0..0 } });
        }
        if spans.is_empty() {
            return;
        }
        let hidden = self.llama.pass(&mut spans, &mut self.work);
        let scores = self.llama.logits(&hidden, &mut self.work);
        let vocabulary = self.llama.shape.vocabulary;
        let mut is_ready = vec![None; self.rows.len()];
        for (place, index) in ready.iter().enumerate() {
            is_ready[*index] = Some(&scores[place * vocabulary..(place + 1) * vocabulary]);
        }
        let tokenizer = &self.tokenizer;
        let mut steps: Vec<Option<Step>> = self
            .rows
            .par_iter_mut()
            .zip(&is_ready)
            .map(|(row, scores)| match (&mut row.task, scores) {
                (Task::Write(writing), Some(scores)) => Some(writing.advance(scores, tokenizer)),
                _ => None,
            })
            .collect();
        self.judge(&is_ready, &mut steps);
        let mut kept = Vec::new();
        for (mut row, step) in self.rows.drain(..).zip(steps) {
            match step {
                None => kept.push(row),
                Some(Step::Read(tokens)) => {
                    row.pending = tokens;
                    kept.push(row);
                }
                Some(Step::Done(result)) => row.conclude(result),
            }
        }
        self.rows = kept;
    }

    /// Decides for every row that chooses and has read its prompt. `scores` are those after the prompt.
    fn judge(&mut self, scores: &[Option<&[f32]>], steps: &mut [Option<Step>]) {
        let mut asked = Vec::new();
        let mut places = Vec::new();
        for (index, (row, scores)) in self.rows.iter_mut().zip(scores).enumerate() {
            let (Task::Choose(choosing), Some(scores)) = (&row.task, scores) else { continue };
            places.push(index);
            let labels = Asked { sequence: &mut row.sequence, after_prompt: scores, labels: &choosing.labels };
            asked.push((labels, choosing.expected.clone()));
        }
        let judged = best_labels(&self.llama, &mut self.work, asked);
        for (index, best) in places.into_iter().zip(judged) {
            let Task::Choose(choosing) = &self.rows[index].task else { continue };
            if let Some(best) = best {
                steps[index] = Some(Step::Done(Ok((choosing.answers[best].clone(), Finish::Stop, choosing.labels[best].len()))));
            }
        }
    }

    /// How likely each label is when there is nothing to judge; computed once per neutral prompt and labels.
    fn expected(&mut self, neutral: Vec<u32>, labels: &[Vec<u32>]) -> Arc<Vec<f32>> {
        let key = (neutral, labels.to_vec());
        if let Some(expected) = self.expectations.get(&key) {
            return expected.clone();
        }
        let mut sequence = Sequence::after(self.prefixes.longest(&key.0));
        let mut hidden = Vec::new();
        let seen = sequence.tokens();
        for chunk in key.0[seen..].chunks(PASS_TOKENS) {
            hidden = self
                .llama
                .pass(&mut [Span { sequence: &mut sequence, tokens: chunk, wanted: chunk.len() - 1..chunk.len() }], &mut self.work);
        }
        let after_prompt = self.llama.logits(&hidden, &mut self.work);
        let asked = Asked { sequence: &mut sequence, after_prompt: &after_prompt, labels };
        let expected = Arc::new(label_scores(&self.llama, &mut self.work, asked));
        if self.expectations.len() >= EXPECTATIONS {
            self.expectations.clear();
        }
        self.expectations.insert(key, expected.clone());
        expected
    }
}
