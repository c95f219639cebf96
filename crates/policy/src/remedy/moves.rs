//! The moves: when each is open, what step it comes to, and why, for a person.

use std::time::Duration;

use super::Step;
use crate::course::{IN_FLIGHT_WAITS, RATE_LIMITS_PER_ROUTE};
use crate::hop::Need;
use crate::{Course, Effort, Efforts, Fault, FaultClass, Parameter, Parameters, Strategy};

/// A move against a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Move {
    /// The same again after a wait, a few times; another route where the wait is long and there is one.
    Wait,
    /// The same, but once.
    WaitOnce,
    /// The same, where others like it were answered: what was said cannot hold for all.
    AgainAsOthersWere,
    /// The same, for a limit: often, since waiting is what helps.
    WaitForLimit,
    /// The same again at once.
    AtOnce,
    /// The same again at once, where nothing else is left.
    AtOnceAfterAll,
    /// Leave the provider out that was named.
    WithoutProvider,
    /// The same, once waiting has not helped.
    WithoutProviderByNow,
    /// The same, where it is known that others are left.
    WithoutOneOfSeveral,
    /// Leave out the provider whose context was too small, where a larger one is known.
    LargerEndpoint,
    /// Let those in again that were left out.
    AllowProviders,
    /// Leave out the parameter that is needed least.
    DropNext,
    /// Leave out the parameter that was refused.
    DropNamed,
    /// Say nothing about reasoning.
    DropReasoning,
    /// The supported effort that is nearest to the one that was asked for.
    NearestEffort,
    /// The next way to ask for structure.
    NextStrategy,
    /// The loose form of the way to ask.
    Loosen,
    /// As many tokens as can be paid for.
    Afford,
    /// Half as many tokens.
    HalveTokens,
    /// As many tokens as are allowed.
    FitMaxTokens,
    /// As many tokens as the context leaves.
    FitContext,
    /// More tokens.
    RaiseTokens,
    /// Ask again with what was wrong shown.
    AskAgain,
    /// The same model for money.
    PaidTwin,
    /// The next route that has what is needed.
    Route,
    /// Another model, if it may see what this one declined.
    AskOthers,
}

const RETRIES: u32 = 4;
const TIMEOUTS: u32 = 2;
/// So often where there is nowhere else to go.
const LAST_TIMEOUTS: u32 = 3;
/// So often is a refusal heard that others like it did not get.
const DENIALS: u32 = 3;
/// From this fault in a row on, the provider is blamed.
const BLAMED_FROM: u32 = 2;
const PROVIDERS_IGNORED: usize = 3;
const SMALLEST_USEFUL_ANSWER: u32 = 16;
/// From 64 tokens over 512 to 4,096: room for a model that reasons before it answers.
const RESIZES: u32 = 2;
/// A longer wait than this is left to the limit: the call goes another way, if there is one.
const PATIENCE: Duration = Duration::from_secs(5);
/// A wait that has passed already, by this clock or theirs, is not taken at its word.
const NO_WAIT: Duration = Duration::from_millis(100);

/// Everything a move is chosen by.
pub(super) struct Scene<'a> {
    pub(super) fault: &'a Fault,
    pub(super) course: &'a Course,
    pub(super) chance: f64,
    pub(super) skip: &'a dyn Fn(usize) -> bool,
}

type Found = Option<(Step, String)>;

fn because(step: Step, reason: impl Into<String>) -> Found {
    Some((step, reason.into()))
}

impl Scene<'_> {
    /// The step of a move, if it is open.
    pub(super) fn step(&self, one: Move) -> Found {
        let course = self.course;
        match one {
            Move::Wait if course.repeats >= RETRIES => None,
            Move::Wait => self.wait(course.repeats),
            Move::WaitOnce if course.repeats > 1 => None,
            Move::WaitOnce => self.wait(0),
            Move::AgainAsOthersWere if !course.others_answered || course.repeats >= DENIALS => None,
            Move::AgainAsOthersWere => because(Step::Retry { after: backoff(course.repeats, self.chance) }, "others like it were answered"),
            Move::WaitForLimit if course.rate_limited > self.most_waits() => None,
            Move::WaitForLimit => self.wait(course.rate_limited),
            Move::AtOnce if course.repeats >= TIMEOUTS => None,
            Move::AtOnceAfterAll if course.repeats >= LAST_TIMEOUTS => None,
            Move::AtOnce | Move::AtOnceAfterAll => because(Step::Retry { after: Duration::ZERO }, "the same may do better at once"),
            Move::WithoutProvider => self.without_provider(),
            Move::WithoutProviderByNow if course.repeats < BLAMED_FROM || course.repeats >= RETRIES => None,
            Move::WithoutProviderByNow => self.without_provider(),
            Move::WithoutOneOfSeveral => course.hop().providers.and_then(|_| self.without_provider()),
            Move::LargerEndpoint => self.larger_endpoint(),
            Move::AllowProviders if course.ignored.is_empty() => None,
            Move::AllowProviders => because(Step::AllowProviders, format!("without {} nobody was left", course.ignored.join(" and "))),
            Move::DropNext => self.drop_next(),
            Move::DropNamed => self.drop_named(),
            Move::DropReasoning => self.drop(Parameter::Reasoning.into(), "the model decides by itself how much it reasons"),
            Move::NearestEffort => self.nearest_effort(),
            Move::NextStrategy => self.next_strategy(),
            Move::Loosen => self.loosen(),
            Move::Afford => self.afford(),
            Move::HalveTokens => self.lower(course.max_tokens / 2, "a request that reserves less may fit"),
            Move::FitMaxTokens => self.fit_max_tokens(),
            Move::FitContext => self.fit_context(),
            Move::RaiseTokens => self.raise(),
            Move::AskAgain if course.corrected => None,
            Move::AskAgain => because(Step::AskAgain(self.fault.message.clone()), "the model may mend it when it is told"),
            Move::PaidTwin if !course.limits().may_pay_for_free || !course.here().free => None,
            Move::PaidTwin => because(Step::PaidTwin, "it is allowed to pay where the free variant is not to be had"),
            Move::AskOthers if !course.limits().may_ask_others => None,
            Move::Route | Move::AskOthers => self.route(true, None),
        }
    }

    /// Why there is no step left.
    pub(super) fn nothing_left(&self) -> String {
        match &self.fault.class {
            FaultClass::Moderated | FaultClass::Filtered | FaultClass::Declined if !self.course.limits().may_ask_others => {
                "no other model is to see it".to_owned()
            }
            FaultClass::DailyQuota | FaultClass::FreeEnded | FaultClass::AgenticHarness
                if self.course.here().free && !self.course.limits().may_pay_for_free =>
            {
                "nothing free is left, and to pay in its place is not allowed".to_owned()
            }
            _ if self.course.limits().routes.len() > 1 => "no other route can help".to_owned(),
            _ => "nothing is left to try".to_owned(),
        }
    }

    fn most_waits(&self) -> u32 {
        if self.fault.class == FaultClass::InFlightBudget { IN_FLIGHT_WAITS } else { RATE_LIMITS_PER_ROUTE }
    }

    fn wait(&self, repeats: u32) -> Found {
        let said = self.fault.come_back.filter(|wait| *wait >= NO_WAIT);
        let after = said.unwrap_or_else(|| backoff(repeats, self.chance));
        if after > PATIENCE {
            let why = format!("{} are too long to wait while there is", seconds(after));
            if let Some(found) = self.route(false, Some(&why)) {
                return Some(found);
            }
        }
        match said {
            Some(wait) => because(Step::Retry { after }, format!("it was said to come back after {}", seconds(wait))),
            None => because(Step::Retry { after }, "it may pass"),
        }
    }

    fn without_provider(&self) -> Found {
        let (course, provider) = (self.course, self.fault.provider.as_ref()?);
        let others = course.hop().providers.is_none_or(|count| course.ignored.len() + 1 < usize::from(count));
        let may = course.may_ignore && others && course.ignored.len() < PROVIDERS_IGNORED && !course.ignored.contains(provider);
        let what = match self.fault.class {
            FaultClass::SchemaRefused | FaultClass::StrictRefused => "refused the schema, others may take it",
            FaultClass::UpstreamRateLimited => "is rate-limited, others are not",
            FaultClass::Empty => "gave nothing, others may answer",
            FaultClass::Invalid | FaultClass::MalformedCall => "did not keep to the schema, others may",
            FaultClass::Timeout => "took too long, others may be quicker",
            _ => "failed, others may do better",
        };
        may.then(|| (Step::IgnoreProvider(provider.clone()), format!("{provider} {what}")))
    }

    fn larger_endpoint(&self) -> Found {
        let FaultClass::ContextLength { limit: Some(limit), .. } = self.fault.class else { return None };
        let largest = self.course.hop().context.filter(|largest| *largest > limit)?;
        let (step, _) = self.without_provider()?;
        because(step, format!("another provider has a context of {largest} tokens"))
    }

    fn drop(&self, parameters: Parameters, reason: &str) -> Found {
        let sent = parameters.within(self.course.sent());
        (!sent.is_empty()).then(|| (Step::DropParameters(sent), reason.to_owned()))
    }

    fn drop_next(&self) -> Found {
        let next = self.course.sent().iter().next()?;
        self.drop(next.into(), "nobody takes all that is asked for, and it is needed least")
    }

    fn drop_named(&self) -> Found {
        let FaultClass::ParameterRefused { parameter } = self.fault.class else { return None };
        let mut refused = Parameters::from(parameter);
        if parameter == Parameter::Logprobs {
            refused.insert(Parameter::TopLogprobs);
        }
        self.drop(refused, if parameter == Parameter::MaxTokens { "it is known here by its newer name" } else { "it was refused" })
    }

    fn nearest_effort(&self) -> Found {
        let course = self.course;
        let asked = course.effort().unwrap_or(Effort::None);
        let listed = match &self.fault.class {
            FaultClass::EffortUnsupported { supported } => *supported,
            _ => Efforts::default(),
        };
        let known = if listed.is_empty() { course.hop().efforts } else { listed };
        // what every reasoning model is likely to take, where nothing is known
        let known = if known.is_empty() { Efforts::from_iter([Effort::Low, Effort::Medium, Effort::High]) } else { known };
        let must = self.fault.class == FaultClass::ReasoningMandatory;
        let possible = if must { known.without(Effort::None) } else { known }.without(asked);
        // one change of effort, then the model decides by itself
        let effort = possible.nearest(asked).filter(|_| course.effort.is_none())?;
        let room = if asked == Effort::None { effort.room() } else { 0 };
        let max_tokens = course.max_tokens.saturating_add(room).min(course.max_tokens_cap()).max(course.max_tokens);
        let why = if must { "the model always reasons; this is the least of it" } else { "the nearest the model can be asked for" };
        because(Step::Effort { effort, max_tokens }, why)
    }

    fn next_strategy(&self) -> Found {
        let course = self.course;
        let ladder = course.ladder();
        let useful = |next: &Strategy| match next {
            Strategy::ForcedTool => !matches!(self.fault.class, FaultClass::NoToolSupport | FaultClass::MalformedCall),
            // it needs the same endpoints, and the same schema understood: it helps against nothing but strictness
            Strategy::LooseFormat => self.fault.class == FaultClass::StrictRefused,
            _ => true,
        };
        let next = ladder.after(course.strategy).iter().copied().find(useful)?;
        let why = match self.fault.class {
            FaultClass::Invalid => "what was asked for was not kept to",
            FaultClass::Empty => "nothing came of the last way to ask",
            FaultClass::MalformedCall => "function calls do not work out here",
            _ => "nobody left takes the last way to ask",
        };
        because(Step::NextStrategy(next), why)
    }

    fn loosen(&self) -> Found {
        let ladder = self.course.ladder();
        let next = ladder.after(self.course.strategy).first().filter(|next| **next == Strategy::LooseFormat)?;
        because(Step::NextStrategy(*next), "the same is said where nobody takes a strict schema")
    }

    fn afford(&self) -> Found {
        let FaultClass::CannotAfford { affordable } = self.fault.class else { return None };
        let tokens = u32::try_from(u64::from(affordable) * 95 / 100).unwrap_or(affordable);
        self.lower(tokens, "this much the credits cover")
    }

    /// A smaller token limit, once.
    fn lower(&self, tokens: u32, reason: &str) -> Found {
        let useful = tokens >= SMALLEST_USEFUL_ANSWER && tokens < self.course.max_tokens && self.course.resized == 0;
        useful.then(|| (Step::MaxTokens(tokens), reason.to_owned()))
    }

    fn fit_max_tokens(&self) -> Found {
        let FaultClass::MaxTokensRefused { most, least } = self.fault.class else { return None };
        let course = self.course;
        if course.resized >= RESIZES {
            return None;
        }
        if let Some(least) = least.filter(|least| *least > course.max_tokens && *least <= course.max_tokens_cap()) {
            return because(Step::MaxTokens(least), "less is not accepted");
        }
        let most = most.unwrap_or(course.max_tokens / 2);
        (most >= SMALLEST_USEFUL_ANSWER && most < course.max_tokens).then(|| (Step::MaxTokens(most), "more is not accepted".to_owned()))
    }

    /// What is left for the answer, with a margin, since providers count tokens a little differently.
    fn fit_context(&self) -> Found {
        let FaultClass::ContextLength { limit: Some(limit), input: Some(input) } = self.fault.class else { return None };
        let left = limit.checked_sub(input)?.checked_sub(64)?;
        let tokens = u32::try_from(left).unwrap_or(u32::MAX);
        self.lower(tokens, &format!("of a context of {limit} tokens the input takes {input}"))
    }

    fn raise(&self) -> Found {
        let course = self.course;
        let larger = course.max_tokens.saturating_mul(8).min(course.max_tokens_cap());
        let may = course.resized < RESIZES && larger > course.max_tokens;
        may.then(|| (Step::MaxTokens(larger), "the answer needs more room".to_owned()))
    }

    /// The next route that has what is needed. `anyway` takes one that is rather not taken before none.
    fn route(&self, anyway: bool, reason: Option<&str>) -> Found {
        let course = self.course;
        let need = Need::after(&self.fault.class);
        let route = course.next_route(need, self.skip, anyway)?;
        let has = need.because(course.limits().routes.get(route)?, &course.here());
        because(Step::NextRoute(route), reason.map_or_else(|| has.to_owned(), |reason| format!("{reason} {has}")))
    }
}

/// 250 ms doubled each time, spread over ±50 %, at most 20 s.
fn backoff(repeats: u32, chance: f64) -> Duration {
    let base = 0.25 * f64::from(2u32.saturating_pow(repeats.clamp(1, 8) - 1));
    Duration::from_secs_f64((base * (0.5 + chance.clamp(0.0, 1.0))).min(20.0))
}

fn seconds(wait: Duration) -> String {
    match wait.as_secs_f64() {
        short if short < 120.0 => format!("{} s", (short * 10.0).round() / 10.0),
        long if long < 7_200.0 => format!("{:.0} min", long / 60.0),
        long => format!("{:.1} h", long / 3_600.0),
    }
}
