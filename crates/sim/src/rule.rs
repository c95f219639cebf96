//! One rule of a script: which requests it is for, and what they get. Counting is in `fault_plan`.

use std::collections::BTreeMap;
use std::fmt;

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
    /// Whose key: the whole key, `*` stands for anything.
    pub api_key: Option<KeyPattern>,
    /// Headers that must be there, by name; of their values `*` stands for anything.
    pub header: BTreeMap<String, String>,
    /// A text that stands in the body.
    pub contains: Option<String>,
    /// Whether a stream was asked for.
    pub stream: Option<bool>,
    /// From this second after the start on.
    pub after_s: Option<f64>,
    /// Up to this second after the start.
    pub until_s: Option<f64>,
    /// Seconds after which the time begins anew, counted from `after_s`; needs `on_s`.
    pub cycle_s: Option<f64>,
    /// How many seconds of each `cycle_s` the rule is for.
    pub on_s: Option<f64>,
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

/// A key or a pattern of keys, which no `Debug` shows.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct KeyPattern(String);

impl KeyPattern {
    pub(crate) fn fits(&self, key: &str) -> bool {
        fits(&self.0, key)
    }
}

impl From<&str> for KeyPattern {
    fn from(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }
}

impl fmt::Debug for KeyPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyPattern(…)")
    }
}

/// A span of simulated time, seconds after the start: from `after_s`, up to `until_s`, and of every `cycle_s` only the
/// first `on_s`. What is not given does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) after_s: Option<f64>,
    pub(crate) until_s: Option<f64>,
    pub(crate) cycle_s: Option<f64>,
    pub(crate) on_s: Option<f64>,
}

impl Span {
    pub(crate) fn holds(self, seconds: f64) -> bool {
        let from = self.after_s.unwrap_or(0.0);
        let in_cycle = match (self.cycle_s, self.on_s) {
            (Some(cycle), Some(on)) => (seconds - from).rem_euclid(cycle) < on,
            _ => true,
        };
        seconds >= from && self.until_s.is_none_or(|until| seconds < until) && in_cycle
    }
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
    pub(crate) fn span(&self) -> Span {
        Span { after_s: self.after_s, until_s: self.until_s, cycle_s: self.cycle_s, on_s: self.on_s }
    }

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
        match (self.cycle_s, self.on_s) {
            (None, None) => {}
            (Some(cycle), Some(on)) if cycle > 0.0 && on > 0.0 => {}
            (Some(_), Some(_)) => return Some("`cycle_s` and `on_s` must be above 0".to_owned()),
            _ => return Some("`cycle_s` and `on_s` go together: how long a cycle is, and how long of it the rule is for".to_owned()),
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
    use super::{Rule, Span, fits};

    #[test]
    fn patterns_take_stars() {
        assert!(fits("openai/*", "openai/gpt-4o"));
        assert!(fits("*:free", "meta-llama/llama-3.3-70b-instruct:free"));
        assert!(fits("openai/gpt-4o", "openai/gpt-4o"));
        assert!(!fits("openai/gpt-4o", "openai/gpt-4o-mini"));
        assert!(!fits("openai/*", "anthropic/claude-3-haiku"));
    }

    #[test]
    fn spans_end_and_come_again() {
        let span = Span { after_s: Some(10.0), until_s: Some(100.0), cycle_s: Some(30.0), on_s: Some(5.0) };
        let held: Vec<u32> = (0..120).filter(|second| span.holds(f64::from(*second))).collect();
        assert_eq!(held, [10, 11, 12, 13, 14, 40, 41, 42, 43, 44, 70, 71, 72, 73, 74]);
        assert!(Span::default().holds(0.0));
    }

    #[test]
    fn a_rule_without_an_action_is_a_problem() {
        assert!(Rule::default().problem().unwrap().contains("does nothing"));
        assert!(Rule { latency_ms: Some(5), ..Rule::default() }.problem().is_none());
    }
}
