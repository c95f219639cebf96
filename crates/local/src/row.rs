//! One answer in the making: what it still has to read, what it has written, and when it is done.

use std::sync::Arc;

use llguidance::Matcher;
use tokio::sync::oneshot;

use crate::error::LocalError;
use crate::model::{Finish, LocalAnswer};
use crate::sampling::Sampler;
use crate::sequence::Sequence;
use crate::tokenizer::Tokenizer;

pub(crate) type Reply = oneshot::Sender<Result<LocalAnswer, LocalError>>;

/// A row of the running batch.
pub(crate) struct Row {
    pub(crate) sequence: Sequence,
    /// Tokens the model has to read before it can say the next one.
    pub(crate) pending: Vec<u32>,
    pub(crate) task: Task,
    pub(crate) prompt_tokens: usize,
    pub(crate) reused_tokens: usize,
    /// Most tokens this row may come to hold itself.
    pub(crate) reserved_tokens: usize,
    pub(crate) reply: Reply,
}

/// What a row is for.
pub(crate) enum Task {
    Write(Box<Writing>),
    Choose(Choosing),
}

/// An answer that is picked from a list.
pub(crate) struct Choosing {
    /// The whole answers, in the order of the labels.
    pub(crate) answers: Vec<String>,
    pub(crate) labels: Vec<Vec<u32>>,
    /// Each label's score when there is nothing to judge, which is taken away from its score.
    pub(crate) expected: Arc<Vec<f32>>,
}

/// An answer that is decoded token by token.
pub(crate) struct Writing {
    matcher: Option<Matcher>,
    sampler: Sampler,
    written: Vec<u32>,
    max_tokens: usize,
}

/// What a row does after a token.
pub(crate) enum Step {
    /// Reads these tokens next.
    Read(Vec<u32>),
    Done(Result<(String, Finish, usize), LocalError>),
}

impl Writing {
    pub(crate) fn new(matcher: Option<Matcher>, sampler: Sampler, max_tokens: usize) -> Self {
        Self { matcher, sampler, written: Vec::new(), max_tokens }
    }

    /// Takes the text that the grammar forces at the very start.
    pub(crate) fn open(&mut self, tokenizer: &Tokenizer) -> Step {
        self.take(Vec::new(), tokenizer)
    }

    /// Picks the next token by the model's scores, and with it whatever the grammar forces after it.
    pub(crate) fn advance(&mut self, scores: &[f32], tokenizer: &Tokenizer) -> Step {
        let allowed = match self.matcher.as_mut().map(Matcher::compute_mask).transpose() {
            Ok(allowed) => allowed,
            Err(error) => return failed(&error.to_string()),
        };
        let Some(token) = self.sampler.pick(scores, allowed.as_ref()) else {
            return failed("no token may follow");
        };
        if tokenizer.is_special(token) {
            return self.finish(Finish::Stop, tokenizer);
        }
        if let Some(Err(error)) = self.matcher.as_mut().map(|matcher| matcher.consume_token(token)) {
            return failed(&error.to_string());
        }
        self.take(vec![token], tokenizer)
    }

    fn take(&mut self, mut tokens: Vec<u32>, tokenizer: &Tokenizer) -> Step {
        let mut complete = false;
        if let Some(matcher) = &mut self.matcher {
            if !matcher.is_stopped() {
                tokens.extend(matcher.consume_ff_tokens());
            }
            if let Some(error) = matcher.get_error() {
                return failed(&error);
            }
            complete = matcher.is_stopped();
        }
        if let Some(end) = tokens.iter().position(|token| tokenizer.is_special(*token)) {
            tokens.truncate(end);
            complete = true;
        }
        self.written.extend(&tokens);
        if complete && self.written.len() <= self.max_tokens {
            return self.finish(Finish::Stop, tokenizer);
        }
        if self.written.len() >= self.max_tokens {
            self.written.truncate(self.max_tokens);
            return self.finish(Finish::Length, tokenizer);
        }
        Step::Read(tokens)
    }

    fn finish(&mut self, finish: Finish, tokenizer: &Tokenizer) -> Step {
        let bytes: Vec<u8> = self.written.iter().flat_map(|token| tokenizer.bytes(*token)).copied().collect();
        let text = String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // the grammar promises this; a promise that an answer's reader relies on is checked
        if self.matcher.is_some() && finish == Finish::Stop && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
            return failed("the grammar let an invalid answer through");
        }
        Step::Done(Ok((text, finish, self.written.len())))
    }
}

fn failed(why: &str) -> Step {
    Step::Done(Err(LocalError::Decode(why.lines().next().unwrap_or_default().to_owned())))
}

impl Row {
    /// Sends the row's result to whoever still waits for it.
    pub(crate) fn conclude(self, result: Result<(String, Finish, usize), LocalError>) {
        let answer = result.map(|(text, finish, completion_tokens)| LocalAnswer {
            text,
            finish,
            prompt_tokens: self.prompt_tokens,
            reused_tokens: self.reused_tokens,
            completion_tokens,
        });
        // the caller may have gone; then nobody wants the answer
        let _ = self.reply.send(answer);
    }
}
