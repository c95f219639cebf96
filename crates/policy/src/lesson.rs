//! What one call found out that the next need not find out again: kept by the caller for each model and schema, handed
//! back to the plan. A refusal counts at once; a bad answer only when bad ones are common.

use std::fmt;

use crate::{Course, Effort, Fault, FaultClass, Parameter, Parameters, Step, Strategy};

/// One thing found out about a model and a schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Lesson {
    /// Nobody who serves takes these parameters.
    Without(Parameters),
    /// A provider refuses requests that ask in this way.
    Refuses {
        /// By the name it gave itself.
        provider: String,
        /// The way.
        strategy: Strategy,
    },
    /// A provider's answer, asked for in this way, could not be used.
    Doubt {
        /// By the name it gave itself.
        provider: String,
        /// The way.
        strategy: Strategy,
    },
    /// To leave providers out leaves nobody.
    AllProviders,
    /// Nobody who serves can be asked in this way.
    NotBy(Strategy),
    /// Answers need this many tokens.
    Tokens(u32),
    /// No more answer tokens than this are accepted.
    Cap(u32),
    /// The effort the model can be asked for.
    Effort(Effort),
}

impl Lesson {
    /// What a fault and the step against it teach, if anything.
    pub(crate) fn of(fault: &Fault, course: &Course, step: &Step) -> Option<Lesson> {
        use FaultClass as F;
        let strategy = course.strategy;
        match (step, &fault.class) {
            (Step::DropParameters(parameters), _) => Some(Lesson::Without(*parameters)),
            (Step::Effort { effort, .. }, _) => Some(Lesson::Effort(*effort)),
            (Step::AllowProviders, _) => Some(Lesson::AllProviders),
            (Step::IgnoreProvider(provider), F::SchemaRefused | F::StrictRefused | F::ParameterRefused { .. } | F::BadRequest) => {
                Some(Lesson::Refuses { provider: provider.clone(), strategy })
            }
            (_, F::Invalid | F::MalformedCall | F::Empty) if *step != Step::GiveUp => {
                Some(Lesson::Doubt { provider: fault.provider.clone()?, strategy })
            }
            (Step::NextStrategy(_), F::NoToolSupport) => Some(Lesson::NotBy(Strategy::ForcedTool)),
            (Step::NextStrategy(_), F::SchemaRefused | F::StrictRefused | F::NoEndpointsForParameters) => Some(Lesson::NotBy(strategy)),
            (Step::MaxTokens(tokens), F::Truncated) => Some(Lesson::Tokens(*tokens)),
            (Step::MaxTokens(tokens), F::MaxTokensRefused { most: Some(_), .. }) => Some(Lesson::Cap(*tokens)),
            _ => None,
        }
    }

    /// Reads back what [`Lesson`] writes; `None` for what is not understood, such as a lesson of a later version.
    pub fn read(text: &str) -> Option<Lesson> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let provider = || {
            let (provider, strategy) = rest.rsplit_once(" by ")?;
            Some((provider.to_owned(), Strategy::named(strategy)?))
        };
        Some(match kind {
            "without" => Lesson::Without(rest.split(", ").map(Parameter::named).collect::<Option<Vec<_>>>()?.into_iter().collect()),
            "refuses" => provider().map(|(provider, strategy)| Lesson::Refuses { provider, strategy })?,
            "doubt" => provider().map(|(provider, strategy)| Lesson::Doubt { provider, strategy })?,
            "all-providers" => Lesson::AllProviders,
            "not-by" => Lesson::NotBy(Strategy::named(rest)?),
            "tokens" => Lesson::Tokens(rest.parse().ok()?),
            "cap" => Lesson::Cap(rest.parse().ok()?),
            "effort" => Lesson::Effort(Effort::named(rest)?),
            _ => return None,
        })
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Without(parameters) => write!(f, "without {parameters}"),
            Self::Refuses { provider, strategy } => write!(f, "refuses {provider} by {strategy}"),
            Self::Doubt { provider, strategy } => write!(f, "doubt {provider} by {strategy}"),
            Self::AllProviders => f.write_str("all-providers"),
            Self::NotBy(strategy) => write!(f, "not-by {strategy}"),
            Self::Tokens(tokens) => write!(f, "tokens {tokens}"),
            Self::Cap(tokens) => write!(f, "cap {tokens}"),
            Self::Effort(effort) => write!(f, "effort {effort}"),
        }
    }
}

/// All that was found out about a model and a schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lessons {
    /// Parameters that nobody takes.
    pub without: Parameters,
    /// Ways that nobody can be asked in.
    pub not_by: Vec<Strategy>,
    /// What is known of providers.
    pub providers: Vec<Record>,
    /// Tokens that answers were found to need.
    pub tokens: Option<u32>,
    /// The most answer tokens that were found to be accepted.
    pub cap: Option<u32>,
    /// The effort the model can be asked for.
    pub effort: Option<Effort>,
}

/// A provider's record with one way to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// By the name it gave itself.
    pub provider: String,
    /// The way to ask.
    pub strategy: Strategy,
    /// Requests it refused for what was asked.
    pub refused: u32,
    /// Answers that could not be used.
    pub doubts: u32,
    /// Answers that were used.
    pub served: u32,
}

/// Bad answers below this number prove nothing.
const DOUBTS: u32 = 3;
/// A provider stays as long as at most one answer in so many is bad.
const GOOD_FOR_EACH_DOUBT: u32 = 4;

impl Record {
    /// Why a provider is left out, if it is.
    pub fn left_out(&self) -> Option<String> {
        if self.refused > 0 {
            Some(format!("refused the schema by {}", self.strategy))
        } else if self.doubts >= DOUBTS && self.doubts.saturating_mul(GOOD_FOR_EACH_DOUBT) > self.served {
            Some(format!("{} of {} answers by {} could not be used", self.doubts, self.doubts.saturating_add(self.served), self.strategy))
        } else {
            None
        }
    }
}

impl Lessons {
    /// Takes in a lesson.
    pub fn learn(&mut self, lesson: &Lesson) {
        match lesson {
            Lesson::Without(parameters) => self.without = self.without.and(*parameters),
            Lesson::Refuses { provider, strategy } => {
                let record = self.record(provider, *strategy);
                record.refused = record.refused.saturating_add(1);
            }
            Lesson::Doubt { provider, strategy } => {
                let record = self.record(provider, *strategy);
                record.doubts = record.doubts.saturating_add(1);
            }
            Lesson::AllProviders => self.providers.clear(),
            Lesson::NotBy(strategy) if self.not_by.contains(strategy) => {}
            Lesson::NotBy(strategy) => self.not_by.push(*strategy),
            Lesson::Tokens(tokens) => self.tokens = self.tokens.max(Some(*tokens)),
            Lesson::Cap(tokens) => self.cap = Some(self.cap.map_or(*tokens, |cap| cap.min(*tokens))),
            Lesson::Effort(effort) => self.effort = Some(*effort),
        }
    }

    /// Notes an answer that was used. Only providers with a record are counted.
    pub fn served(&mut self, provider: &str, strategy: Strategy) {
        if let Some(record) = self.providers.iter_mut().find(|record| record.strategy == strategy && record.provider == provider) {
            record.served = record.served.saturating_add(1);
        }
    }

    /// Whether nothing was found out.
    pub fn is_empty(&self) -> bool {
        *self == Lessons::default()
    }

    fn record(&mut self, provider: &str, strategy: Strategy) -> &mut Record {
        let place = self.providers.iter().position(|record| record.strategy == strategy && record.provider == provider);
        let place = place.unwrap_or_else(|| {
            self.providers.push(Record { provider: provider.to_owned(), strategy, refused: 0, doubts: 0, served: 0 });
            self.providers.len() - 1
        });
        &mut self.providers[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lessons_are_read_back() {
        let strategy = Strategy::ResponseFormat;
        for lesson in [
            Lesson::Without(Parameters::from_iter([Parameter::Seed, Parameter::Temperature])),
            Lesson::Refuses { provider: "Google AI Studio".into(), strategy },
            Lesson::Doubt { provider: "Fly by Night".into(), strategy: Strategy::ForcedTool },
            Lesson::AllProviders,
            Lesson::NotBy(strategy),
            Lesson::Tokens(4_096),
            Lesson::Cap(16_384),
            Lesson::Effort(Effort::Low),
        ] {
            assert_eq!(Lesson::read(&lesson.to_string()), Some(lesson));
        }
        for unknown in ["", "without", "without magic", "refuses Groq", "refuses Groq by magic", "tokens many", "tomorrow 1"] {
            assert_eq!(Lesson::read(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_refusal_counts_at_once_a_bad_answer_only_when_common() {
        let mut lessons = Lessons::default();
        let strategy = Strategy::ResponseFormat;
        let doubt = Lesson::Doubt { provider: "Slow".into(), strategy };
        lessons.learn(&Lesson::Refuses { provider: "Groq".into(), strategy });
        lessons.learn(&doubt);
        for _ in 0..20 {
            lessons.served("Slow", strategy);
        }
        assert_eq!(lessons.providers[0].left_out().as_deref(), Some("refused the schema by response_format"));
        for _ in 0..4 {
            lessons.learn(&doubt);
        }
        assert_eq!(lessons.providers[1].left_out(), None, "5 of 25");
        lessons.learn(&doubt);
        assert_eq!(lessons.providers[1].left_out().as_deref(), Some("6 of 26 answers by response_format could not be used"));
        lessons.learn(&Lesson::AllProviders);
        assert!(lessons.is_empty());
    }

    #[test]
    fn limits_narrow_and_needs_grow() {
        let mut lessons = Lessons::default();
        for lesson in
            [Lesson::Tokens(512), Lesson::Tokens(64), Lesson::Cap(8_192), Lesson::Cap(16_384), Lesson::NotBy(Strategy::ForcedTool)]
        {
            lessons.learn(&lesson);
            lessons.learn(&lesson);
        }
        assert_eq!((lessons.tokens, lessons.cap, lessons.not_by.len()), (Some(512), Some(8_192), 1));
    }
}
