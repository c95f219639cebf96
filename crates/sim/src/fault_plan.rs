//! Decides which request gets which fault: faults by number, models that are down, rules and their
//! counters. Decisions are made once a request, so that a retry inside it does not count twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::config::{DownModel, FaultEvery, SimConfig};
use crate::fault::FaultKind;
use crate::reply::SimRequest;
use crate::rule::{FixedReply, Rule, fits};
use crate::seed::{Draw, hash, mix};

/// Everything that may go wrong, and how often it did.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    seed: u64,
    every: Vec<FaultEvery>,
    down: Vec<DownModel>,
    rules: Vec<Counted>,
}

#[derive(Debug)]
struct Counted {
    rule: Rule,
    matched: AtomicU64,
    fired: AtomicU64,
}

/// What a rule looks at besides model and provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The number of the inference request, from 1.
    pub(crate) number: u64,
    /// After `/api/v1`.
    pub(crate) path: &'a str,
    pub(crate) is_inference: bool,
    pub(crate) http: &'a SimRequest,
    pub(crate) stream: bool,
    pub(crate) now: Duration,
}

/// Who was about to answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answerer<'a> {
    pub(crate) model: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) slug: &'a str,
}

/// How far a verdict reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Request,
    Model,
    Endpoint,
}

/// What a request gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict<'p> {
    pub(crate) reach: Reach,
    pub(crate) act: Act<'p>,
    pub(crate) latency: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Act<'p> {
    Fault(FaultKind),
    Reply(&'p FixedReply),
    Content(&'p str),
    /// Nothing but a latency.
    Answer,
}

/// The plan for one request.
pub(crate) struct Trial<'p> {
    plan: &'p FaultPlan,
    asked: Asked<'p>,
    decided: Vec<(usize, u64, bool)>,
}

impl FaultPlan {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let counted = |rule: &Rule| Counted { rule: rule.clone(), matched: AtomicU64::new(0), fired: AtomicU64::new(0) };
        Self {
            seed: config.seed,
            every: config.fault_every.clone(),
            down: config.down.clone(),
            rules: config.rules.iter().map(counted).collect(),
        }
    }

    pub(crate) fn trial<'p>(&'p self, asked: Asked<'p>) -> Trial<'p> {
        Trial { plan: self, asked, decided: Vec::new() }
    }

    /// Whether no request can get anything from this plan.
    pub(crate) fn is_empty(&self) -> bool {
        self.every.is_empty() && self.down.is_empty() && self.rules.is_empty()
    }

    pub(crate) fn reset(&self) {
        for counted in &self.rules {
            counted.matched.store(0, Ordering::Relaxed);
            counted.fired.store(0, Ordering::Relaxed);
        }
    }
}

impl<'p> Trial<'p> {
    /// The first thing of the plan that applies when this one is about to answer.
    pub(crate) fn verdict(&mut self, answerer: Answerer<'_>) -> Option<Verdict<'p>> {
        let plan = self.plan;
        if plan.is_empty() {
            return None;
        }
        if self.asked.is_inference {
            if let Some(hit) = plan.every.iter().find(|entry| self.asked.number.is_multiple_of(entry.every)) {
                return Some(Verdict { reach: Reach::Request, act: Act::Fault(hit.fault), latency: None });
            }
            if let Some(down) =
                plan.down.iter().find(|down| down.span().holds(self.asked.now.as_secs_f64()) && fits(&down.model, answerer.model))
            {
                return Some(Verdict { reach: Reach::Model, act: Act::Fault(down.fault), latency: None });
            }
        }
        let index = (0..plan.rules.len()).find(|index| self.applies(*index, answerer))?;
        let rule = &plan.rules.get(index)?.rule;
        let act = if let Some(fault) = rule.fault {
            Act::Fault(fault)
        } else if let Some(reply) = &rule.reply {
            Act::Reply(reply)
        } else if let Some(content) = &rule.content {
            Act::Content(content)
        } else {
            Act::Answer
        };
        let reach = match (&rule.provider, &rule.model) {
            (Some(_), _) => Reach::Endpoint,
            (None, Some(_)) => Reach::Model,
            (None, None) => Reach::Request,
        };
        Some(Verdict { reach, act, latency: rule.latency_ms.map(Duration::from_millis) })
    }

    fn applies(&mut self, index: usize, answerer: Answerer<'_>) -> bool {
        let Some(counted) = self.plan.rules.get(index) else {
            return false;
        };
        if !matches(&counted.rule, &self.asked, answerer) {
            return false;
        }
        let mut scope = 0;
        if counted.rule.model.is_some() {
            scope = hash(scope, answerer.model.as_bytes());
        }
        if counted.rule.provider.is_some() {
            scope = hash(scope, answerer.slug.as_bytes());
        }
        if let Some((_, _, fires)) = self.decided.iter().find(|(rule, place, _)| *rule == index && *place == scope) {
            return *fires;
        }
        let fires = counted.count(self.plan.seed, index as u64);
        self.decided.push((index, scope, fires));
        fires
    }
}

impl Counted {
    /// Counts a request that matches, and says whether it is one that is hit.
    fn count(&self, seed: u64, index: u64) -> bool {
        let number = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        if self.rule.every.is_some_and(|every| !number.is_multiple_of(every)) {
            return false;
        }
        if let Some(probability) = self.rule.probability {
            let mut draw = Draw::new(mix(seed ^ mix(index + 1)) ^ number);
            if draw.fraction() >= probability {
                return false;
            }
        }
        let most = self.rule.times.unwrap_or(u64::MAX);
        let taken = self.fired.try_update(Ordering::Relaxed, Ordering::Relaxed, |fired| (fired < most).then(|| fired + 1));
        taken.is_ok()
    }
}

fn matches(rule: &Rule, asked: &Asked<'_>, answerer: Answerer<'_>) -> bool {
    let seconds = asked.now.as_secs_f64();
    let on_path = match &rule.path {
        Some(path) => asked.path.starts_with(path.as_str()),
        None => asked.is_inference,
    };
    on_path
        && rule.model.as_deref().is_none_or(|pattern| fits(pattern, answerer.model))
        && rule.provider.as_deref().is_none_or(|name| name == answerer.slug || name.eq_ignore_ascii_case(answerer.provider))
        && rule.stream.is_none_or(|stream| stream == asked.stream)
        && rule.span().holds(seconds)
        && rule.api_key.as_ref().is_none_or(|pattern| pattern.fits(asked.http.key().unwrap_or_default()))
        && rule.header.iter().all(|(name, pattern)| asked.http.header(name).is_some_and(|value| fits(pattern, value)))
        && rule.from_request.is_none_or(|from| asked.number >= from)
        && rule.to_request.is_none_or(|to| asked.number <= to)
        && rule.contains.as_deref().is_none_or(|text| contains(&asked.http.body, text.as_bytes()))
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Act, Answerer, Asked, FaultPlan};
    use crate::config::SimConfig;
    use crate::reply::SimRequest;

    fn fox() -> SimRequest {
        let mut request = SimRequest::post("/chat/completions", "sk-or-fox", "the red fox");
        request.headers.push(("X-Team".to_owned(), "forest".to_owned()));
        request
    }

    /// The numbers of the first `count` requests that get anything.
    fn hits(script: &str, count: u64) -> Vec<u64> {
        let plan = FaultPlan::new(&SimConfig::from_script(script).unwrap());
        let answerer = Answerer { model: "openai/gpt-4o", provider: "OpenAI", slug: "openai" };
        let http = fox();
        let asked = |number| Asked {
            number,
            path: "/chat/completions",
            is_inference: true,
            http: &http,
            stream: false,
            now: Duration::from_secs(number),
        };
        (1..=count).filter(|number| plan.trial(asked(*number)).verdict(answerer).is_some()).collect()
    }

    #[test]
    fn matchers_narrow_down() {
        assert_eq!(hits("[[rule]]\nfault='hang'\nevery=3", 10), [3, 6, 9]);
        assert_eq!(hits("[[rule]]\nfault='hang'\ntimes=2", 10), [1, 2]);
        assert_eq!(hits("[[rule]]\nfault='hang'\nfrom_request=4\nto_request=5", 10), [4, 5]);
        assert_eq!(hits("[[rule]]\nfault='hang'\nafter_s=2.5\nuntil_s=5", 10), [3, 4]);
        assert_eq!(hits("[[rule]]\nfault='hang'\ncontains='red'\nmodel='openai/*'\nprovider='openai'", 2), [1, 2]);
        assert_eq!(hits("[[rule]]\nfault='hang'\nafter_s=2\ncycle_s=4\non_s=1", 10), [2, 6, 10]);
        assert_eq!(hits("[[rule]]\nfault='hang'\napi_key='sk-or-f*'\nheader={ x-team='for*' }", 1), [1]);
        assert!(hits("[[rule]]\nfault='hang'\napi_key='sk-or-wolf'", 10).is_empty());
        assert!(hits("[[rule]]\nfault='hang'\nheader={ x-team='sea' }", 10).is_empty());
        assert!(hits("[[rule]]\nfault='hang'\nheader={ x-other='*' }", 10).is_empty());
        assert_eq!(hits("down=[{ model='openai/*', after_s=3, until_s=5 }]", 10), [3, 4]);
        assert!(hits("[[rule]]\nfault='hang'\ncontains='blue'", 10).is_empty());
        assert!(hits("[[rule]]\nfault='hang'\npath='/models'", 10).is_empty());
        assert_eq!(hits("[[fault_every]]\nevery=4\nfault='http_500'", 10), [4, 8]);
    }

    #[test]
    fn probability_follows_the_seed() {
        let script = |seed: u64| format!("seed={seed}\n[[rule]]\nfault='hang'\nprobability=0.3");
        let first = hits(&script(1), 1_000);
        assert_eq!(first, hits(&script(1), 1_000));
        assert_ne!(first, hits(&script(2), 1_000));
        assert!((240..360).contains(&first.len()), "{}", first.len());
    }

    #[test]
    fn one_request_counts_once_and_the_first_rule_wins() {
        let script = "[[rule]]\nfault='hang'\ntimes=1\n[[rule]]\ncontent='second'";
        let plan = FaultPlan::new(&SimConfig::from_script(script).unwrap());
        let http = fox();
        let asked = Asked { number: 1, path: "/chat/completions", is_inference: true, http: &http, stream: false, now: Duration::ZERO };
        let mut trial = plan.trial(asked);
        for _ in 0..3 {
            let verdict = trial.verdict(Answerer::default()).unwrap();
            assert!(matches!(verdict.act, Act::Fault(_)));
        }
        assert!(matches!(plan.trial(asked).verdict(Answerer::default()).unwrap().act, Act::Content("second")));
    }
}
