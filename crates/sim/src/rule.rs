//! One rule of a script: which requests it is for, and what they get. Counting is in `fault_plan`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fault::FaultKind;

/// Which requests, and what they get. Every matcher that is written must hold; one action at least
/// (`fault`, `reply`, `content` or `latency_ms`) must be given.
///
/// A rule with `provider` hits that endpoint, and the next endpoint may still answer. A rule with
/// `model` hits all endpoints of the model, and the next of `models` may still answer. A rule with
/// neither hits the request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// A model id, `*` stands for anything.
    pub model: Option<String>,
    /// A provider's slug or display name.
    pub provider: Option<String>,
    /// The start of a path after `/api/v1`; none = chat completions and embeddings.
    pub path: Option<String>,
    /// A text that stands in the body.
    pub contains: Option<String>,
    /// Whether a stream was asked for.
    pub stream: Option<bool>,
    /// From this second after the start on.
    pub after_s: Option<f64>,
    /// Up to this second after the start.
    pub until_s: Option<f64>,
    /// From this inference request on, counted from 1.
    pub from_request: Option<u64>,
    /// Up to this inference request, itself included.
    pub to_request: Option<u64>,
    /// Every Nth request of those that match otherwise.
    pub every: Option<u64>,
    /// This share of the requests that match otherwise, 0 to 1, by seed.
    pub probability: Option<f64>,
    /// At most so many times.
    pub times: Option<u64>,
    /// The fault.
    pub fault: Option<FaultKind>,
    /// A whole reply.
    pub reply: Option<FixedReply>,
    /// The answer's text, in place of the simulator's own.
    pub content: Option<String>,
    /// How long the call takes, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// A reply written out in a script.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedReply {
    /// The HTTP status.
    #[serde(default = "FixedReply::default_status")]
    pub status: u16,
    /// Headers; without a content type the body's kind decides.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A text, sent as it is, or anything else, sent as JSON.
    #[serde(default)]
    pub body: serde_json::Value,
}

impl FixedReply {
    fn default_status() -> u16 {
        200
    }
}

impl Rule {
    /// What is wrong with the rule, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let whole_replies = usize::from(self.fault.is_some()) + usize::from(self.reply.is_some()) + usize::from(self.content.is_some());
        if whole_replies > 1 {
            return Some("`fault`, `reply` and `content` exclude each other; keep one".to_owned());
        }
        if whole_replies == 0 && self.latency_ms.is_none() {
            return Some("it does nothing; give it `fault`, `reply`, `content` or `latency_ms`".to_owned());
        }
        if self.every == Some(0) {
            return Some("`every = 0` never happens; write 1 or more".to_owned());
        }
        if let Some(probability) = self.probability.filter(|value| !(0.0..=1.0).contains(value)) {
            return Some(format!("`probability = {probability}` is not between 0 and 1"));
        }
        if let (Some(from), Some(to)) = (self.from_request, self.to_request)
            && from > to
        {
            return Some(format!("`from_request = {from}` comes after `to_request = {to}`"));
        }
        if let Some(reply) = &self.reply
            && !(100..1000).contains(&reply.status)
        {
            return Some(format!("`reply.status = {}` is not an HTTP status", reply.status));
        }
        None
    }
}

/// Whether `text` fits `pattern`, in which each `*` stands for any run of characters.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(tail) = text.strip_prefix(start) else {
        return false;
    };
    (0..=tail.len()).filter(|at| tail.is_char_boundary(*at)).any(|at| fits(rest, &tail[at..]))
}

#[cfg(test)]
mod tests {
    use super::{Rule, fits};

    #[test]
    fn patterns_take_stars() {
        assert!(fits("openai/*", "openai/gpt-4o"));
        assert!(fits("*:free", "meta-llama/llama-3.3-70b-instruct:free"));
        assert!(fits("openai/gpt-4o", "openai/gpt-4o"));
        assert!(!fits("openai/gpt-4o", "openai/gpt-4o-mini"));
        assert!(!fits("openai/*", "anthropic/claude-3-haiku"));
    }

    #[test]
    fn a_rule_without_an_action_is_a_problem() {
        assert!(Rule::default().problem().unwrap().contains("does nothing"));
        assert!(Rule { latency_ms: Some(5), ..Rule::default() }.problem().is_none());
    }
}
