//! Fault × course → the next step. Every step is bounded: by requests per call, by faults in a row, by what was tried before.

use std::time::Duration;

use crate::{Course, Fault, FaultClass, Strategy};

/// What to do next, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// The step.
    pub step: Step,
    /// The reason, for the ledger.
    pub reason: String,
}

/// One step of a call's way out of a fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The same again, not before a time has passed.
    Retry {
        /// The wait.
        after: Duration,
    },
    /// The same model without a provider.
    IgnoreProvider(String),
    /// All providers again: leaving some out left nobody.
    AllowProviders,
    /// The same without a temperature, which some models do not take.
    DropTemperature,
    /// The same model, asked for structure in another way.
    NextStrategy(Strategy),
    /// Another token limit.
    MaxTokens(u32),
    /// Again, with what was wrong shown to the model.
    AskAgain(String),
    /// The next model.
    NextModel,
    /// No more.
    GiveUp,
}

impl Step {
    /// The name in the ledger.
    pub fn name(&self) -> String {
        match self {
            Self::Retry { after } => format!("retry after {} ms", after.as_millis()),
            Self::IgnoreProvider(provider) => format!("without {provider}"),
            Self::AllowProviders => "all providers again".to_owned(),
            Self::DropTemperature => "without temperature".to_owned(),
            Self::NextStrategy(strategy) => format!("ask by {strategy}"),
            Self::MaxTokens(tokens) => format!("max_tokens {tokens}"),
            Self::AskAgain(_) => "ask again with the error shown".to_owned(),
            Self::NextModel => "next model".to_owned(),
            Self::GiveUp => "give up".to_owned(),
        }
    }
}

const RETRIES_PER_MODEL: u32 = 4;
const TIMEOUTS_PER_MODEL: u32 = 2;
const RATE_LIMITS_PER_MODEL: u32 = 16;
const PROVIDERS_IGNORED: usize = 3;
const SMALLEST_USEFUL_ANSWER: u32 = 16;
/// From 64 tokens over 512 to 4,096: room for a model that reasons before it answers.
const RESIZES: u32 = 2;

/// The next step after a fault. `course` has counted it already; `chance` in 0..1 spreads the waits.
pub fn remedy(fault: &Fault, course: &Course, chance: f64) -> Remedy {
    let step = if course.is_spent() { Step::GiveUp } else { step(fault, course, chance) };
    Remedy { reason: reason(&step, course), step }
}

fn step(fault: &Fault, course: &Course, chance: f64) -> Step {
    match &fault.class {
        FaultClass::Unauthorized | FaultClass::OutOfCredits | FaultClass::NotTheService => Step::GiveUp,
        FaultClass::NoEndpoints | FaultClass::NoEndpointsForParameters if !course.ignored.is_empty() => Step::AllowProviders,
        FaultClass::Forbidden | FaultClass::Moderated | FaultClass::Declined | FaultClass::UnknownModel | FaultClass::NoEndpoints => {
            next_model(course)
        }
        FaultClass::CannotAfford { affordable } => {
            let tokens = (f64::from(*affordable) * 0.95) as u32;
            if course.resized == 0 && tokens >= SMALLEST_USEFUL_ANSWER { Step::MaxTokens(tokens) } else { Step::GiveUp }
        }
        FaultClass::InFlightBudget => Step::Retry { after: fault.come_back.unwrap_or_else(|| backoff(course.rate_limited, chance)) },
        FaultClass::NoEndpointsForParameters if !course.without_temperature => Step::DropTemperature,
        FaultClass::NoEndpointsForParameters => next_strategy(course),
        FaultClass::SchemaRefused => ignore_provider(fault, course).unwrap_or_else(|| next_strategy(course)),
        FaultClass::ContextLength { limit: Some(limit), input: Some(input) } if course.resized == 0 => match fitting(*limit, *input) {
            Some(tokens) if tokens < course.max_tokens => Step::MaxTokens(tokens),
            _ => next_model(course),
        },
        FaultClass::ContextLength { .. } => next_model(course),
        FaultClass::BadRequest if !course.without_temperature && fault.message.contains("temperature") => Step::DropTemperature,
        FaultClass::BadRequest => ignore_provider(fault, course).unwrap_or_else(|| next_model(course)),
        FaultClass::DailyQuota => next_model(course),
        FaultClass::RateLimited | FaultClass::UpstreamRateLimited => {
            let another = fault.class == FaultClass::UpstreamRateLimited && course.rate_limited >= 2 && course.has_next_model();
            if another || course.rate_limited >= RATE_LIMITS_PER_MODEL {
                next_model(course)
            } else {
                // the scope may rest longer, which the pacer knows; the call itself waits as long as it was told
                Step::Retry { after: fault.come_back.unwrap_or_else(|| backoff(course.rate_limited, chance)) }
            }
        }
        FaultClass::Overloaded | FaultClass::ServerError | FaultClass::Cut | FaultClass::Garbled => {
            if course.repeats >= RETRIES_PER_MODEL {
                next_model(course)
            } else if course.repeats >= 2 && ignore_provider(fault, course).is_some() {
                ignore_provider(fault, course).unwrap_or(Step::NextModel)
            } else {
                Step::Retry { after: fault.come_back.unwrap_or_else(|| backoff(course.repeats, chance)) }
            }
        }
        FaultClass::Timeout if course.repeats >= TIMEOUTS_PER_MODEL => next_model(course),
        FaultClass::Timeout => ignore_provider(fault, course).unwrap_or(Step::Retry { after: Duration::ZERO }),
        FaultClass::Unreachable if course.repeats >= RETRIES_PER_MODEL => Step::GiveUp,
        FaultClass::Unreachable => Step::Retry { after: backoff(course.repeats, chance) },
        FaultClass::Empty => match ignore_provider(fault, course) {
            Some(step) if course.repeats < RETRIES_PER_MODEL => step,
            _ if course.repeats < 2 => Step::Retry { after: Duration::ZERO },
            _ => next_model(course),
        },
        FaultClass::Truncated => {
            let larger = course.max_tokens.saturating_mul(8).min(course.max_tokens_cap());
            if course.resized < RESIZES && larger > course.max_tokens { Step::MaxTokens(larger) } else { next_model(course) }
        }
        FaultClass::Invalid if !course.corrected => Step::AskAgain(fault.message.clone()),
        FaultClass::Invalid => match ignore_provider(fault, course) {
            Some(step) if course.repeats < RETRIES_PER_MODEL => step,
            _ => next_strategy(course),
        },
    }
}

fn next_model(course: &Course) -> Step {
    if course.has_next_model() { Step::NextModel } else { Step::GiveUp }
}

fn next_strategy(course: &Course) -> Step {
    course.strategy.next().map_or_else(|| next_model(course), Step::NextStrategy)
}

fn ignore_provider(fault: &Fault, course: &Course) -> Option<Step> {
    let provider = fault.provider.as_ref()?;
    let may = course.may_ignore && course.ignored.len() < PROVIDERS_IGNORED;
    (may && !course.ignored.contains(provider)).then(|| Step::IgnoreProvider(provider.clone()))
}

/// What is left for the answer, with a margin, since providers count tokens a little differently.
fn fitting(limit: u64, input: u64) -> Option<u32> {
    let left = limit.checked_sub(input)?.checked_sub(64)?;
    u32::try_from(left).ok().filter(|tokens| *tokens >= SMALLEST_USEFUL_ANSWER)
}

/// 250 ms doubled each time, spread over ±50 %, at most 20 s.
fn backoff(repeats: u32, chance: f64) -> Duration {
    let base = 0.25 * f64::from(2u32.saturating_pow(repeats.clamp(1, 8) - 1));
    Duration::from_secs_f64((base * (0.5 + chance.clamp(0.0, 1.0))).min(20.0))
}

fn reason(step: &Step, course: &Course) -> String {
    match step {
        Step::GiveUp if course.is_spent() => format!("{} requests are enough for one call", course.attempts),
        Step::GiveUp => "nothing left to try".to_owned(),
        Step::Retry { .. } => "it may pass".to_owned(),
        Step::IgnoreProvider(_) => "another provider may do better".to_owned(),
        Step::AllowProviders => "those left out were all there were".to_owned(),
        Step::DropTemperature => "nobody left takes it".to_owned(),
        Step::NextStrategy(_) => "nobody left takes the last one".to_owned(),
        Step::MaxTokens(_) => "the answer's length did not fit".to_owned(),
        Step::AskAgain(_) => "the model may mend it".to_owned(),
        Step::NextModel => "this model has had its chances".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    /// Follows the remedies for the same fault until the end; the steps by name.
    fn follow(class: FaultClass, provider: Option<&str>, models: usize, strategy: Strategy) -> Vec<String> {
        let mut course = Course::new(&Limits { models, strategy, ..Limits::default() });
        let fault = Fault::new(class, "said").from_provider(provider);
        let mut steps = Vec::new();
        loop {
            course.count(&fault.class);
            let remedy = remedy(&fault, &course, 0.5);
            steps.push(remedy.step.name());
            course.take(&remedy.step);
            assert!(steps.len() < 60, "no end: {steps:?}");
            if remedy.step == Step::GiveUp {
                return steps;
            }
        }
    }

    #[test]
    fn a_refused_schema_goes_down_the_ladder() {
        assert_eq!(
            follow(FaultClass::SchemaRefused, Some("Groq"), 2, Strategy::ResponseFormat),
            [
                "without Groq",
                "ask by forced_tool",
                "ask by prompted",
                "next model",
                "without Groq",
                "ask by forced_tool",
                "ask by prompted",
                "give up"
            ]
        );
    }

    #[test]
    fn no_endpoints_drop_what_nobody_needs_first() {
        assert_eq!(
            follow(FaultClass::NoEndpointsForParameters, None, 1, Strategy::ResponseFormat),
            ["without temperature", "ask by forced_tool", "ask by prompted", "give up"]
        );
    }

    #[test]
    fn a_bad_moment_is_waited_out_then_left() {
        assert_eq!(
            follow(FaultClass::Overloaded, None, 2, Strategy::Text),
            [
                "retry after 250 ms",
                "retry after 500 ms",
                "retry after 1000 ms",
                "next model",
                "retry after 250 ms",
                "retry after 500 ms",
                "retry after 1000 ms",
                "give up"
            ]
        );
        assert_eq!(follow(FaultClass::Timeout, None, 2, Strategy::Text), ["retry after 0 ms", "next model", "retry after 0 ms", "give up"]);
    }

    #[test]
    fn an_invalid_answer_is_asked_for_again_once() {
        assert_eq!(
            follow(FaultClass::Invalid, None, 1, Strategy::ResponseFormat),
            ["ask again with the error shown", "ask by forced_tool", "ask by prompted", "give up"]
        );
    }

    #[test]
    fn length_is_raised_twice() {
        assert_eq!(follow(FaultClass::Truncated, None, 1, Strategy::Text), ["max_tokens 4096", "max_tokens 8192", "give up"]);
        assert_eq!(follow(FaultClass::CannotAfford { affordable: 100 }, None, 1, Strategy::Text), ["max_tokens 95", "give up"]);
    }

    #[test]
    fn what_cannot_pass_is_not_tried_twice() {
        assert_eq!(follow(FaultClass::Unauthorized, None, 3, Strategy::Text), ["give up"]);
        assert_eq!(follow(FaultClass::Moderated, None, 2, Strategy::Text), ["next model", "give up"]);
    }

    proptest::proptest! {
        #[test]
        fn every_call_ends(faults in proptest::collection::vec((0usize..26, proptest::bool::ANY), 1..80), models in 1usize..4) {
            let classes = all_classes();
            let mut course = Course::new(&Limits { models, strategy: Strategy::ResponseFormat, ..Limits::default() });
            let mut sent = 0;
            for (index, named) in faults.iter().cycle().take(400) {
                let class = classes[index % classes.len()].clone();
                let fault = Fault::new(class, "x").from_provider(named.then_some("P"));
                course.count(&fault.class);
                sent += 1;
                let remedy = remedy(&fault, &course, 0.3);
                if remedy.step == Step::GiveUp {
                    break;
                }
                course.take(&remedy.step);
                proptest::prop_assert!(course.model < models);
                // in-flight budget waits have no bound of their own: the call's deadline ends them
                if matches!(fault.class, FaultClass::InFlightBudget) { sent -= 1; }
                proptest::prop_assert!(sent <= 12 + 17 * models as u32);
            }
        }
    }

    fn all_classes() -> Vec<FaultClass> {
        use FaultClass::*;
        vec![
            Unauthorized,
            OutOfCredits,
            CannotAfford { affordable: 50 },
            InFlightBudget,
            Moderated,
            Forbidden,
            UnknownModel,
            NoEndpointsForParameters,
            NoEndpoints,
            SchemaRefused,
            ContextLength { limit: Some(100), input: Some(10) },
            BadRequest,
            RateLimited,
            UpstreamRateLimited,
            DailyQuota,
            Overloaded,
            ServerError,
            Timeout,
            Unreachable,
            Cut,
            Garbled,
            NotTheService,
            Empty,
            Truncated,
            Invalid,
            Declined,
        ]
    }
}
