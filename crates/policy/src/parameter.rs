//! Parameters of a request that an answer can be had without, in the order in which they are given up, and the efforts
//! a model can be asked to reason with. What cannot be given up (the messages, the schema) is not here.

use std::fmt;

/// A parameter that can be left out of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Parameter {
    /// `top_logprobs`; given up before `logprobs`, without which it is refused.
    TopLogprobs,
    /// `logprobs`.
    Logprobs,
    /// `parallel_tool_calls`.
    ParallelToolCalls,
    /// `prediction`.
    Prediction,
    /// `seed`.
    Seed,
    /// `logit_bias`.
    LogitBias,
    /// `frequency_penalty`.
    FrequencyPenalty,
    /// `presence_penalty`.
    PresencePenalty,
    /// `repetition_penalty`.
    RepetitionPenalty,
    /// `top_k`.
    TopK,
    /// `min_p`.
    MinP,
    /// `top_a`.
    TopA,
    /// `top_p`.
    TopP,
    /// `verbosity`.
    Verbosity,
    /// `cache_control`, which only makes a request cheaper.
    CacheControl,
    /// `temperature`.
    Temperature,
    /// `stop`.
    Stop,
    /// `reasoning` and `reasoning_effort`.
    Reasoning,
    /// `max_tokens`. To leave it out means to send it under its newer name, `max_completion_tokens`.
    MaxTokens,
}

impl Parameter {
    /// All of them, what an answer suffers least without first.
    pub const ALL: [Parameter; 19] = [
        Self::TopLogprobs,
        Self::Logprobs,
        Self::ParallelToolCalls,
        Self::Prediction,
        Self::Seed,
        Self::LogitBias,
        Self::FrequencyPenalty,
        Self::PresencePenalty,
        Self::RepetitionPenalty,
        Self::TopK,
        Self::MinP,
        Self::TopA,
        Self::TopP,
        Self::Verbosity,
        Self::CacheControl,
        Self::Temperature,
        Self::Stop,
        Self::Reasoning,
        Self::MaxTokens,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopLogprobs => "top_logprobs",
            Self::Logprobs => "logprobs",
            Self::ParallelToolCalls => "parallel_tool_calls",
            Self::Prediction => "prediction",
            Self::Seed => "seed",
            Self::LogitBias => "logit_bias",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::PresencePenalty => "presence_penalty",
            Self::RepetitionPenalty => "repetition_penalty",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::TopA => "top_a",
            Self::TopP => "top_p",
            Self::Verbosity => "verbosity",
            Self::CacheControl => "cache_control",
            Self::Temperature => "temperature",
            Self::Stop => "stop",
            Self::Reasoning => "reasoning",
            Self::MaxTokens => "max_tokens",
        }
    }

    /// The parameter a name on the wire means, older and nested names included.
    pub fn named(name: &str) -> Option<Parameter> {
        let top = name.split(['.', '[']).next().unwrap_or(name);
        Self::ALL.into_iter().find(|parameter| parameter.name() == top || parameter.other_names().contains(&top))
    }

    /// Names under which it goes besides its own.
    pub(crate) fn other_names(self) -> &'static [&'static str] {
        match self {
            Self::Reasoning => &["reasoning_effort", "include_reasoning", "thinking"],
            Self::MaxTokens => &["max_completion_tokens", "max_output_tokens"],
            _ => &[],
        }
    }

    /// Whether a list of what an endpoint takes has this parameter under any of its names.
    pub fn is_in(self, supported: &[String]) -> bool {
        match self {
            // not listed anywhere: it is taken or ignored
            Self::CacheControl => true,
            Self::Reasoning => supported.iter().any(|name| name == "reasoning" || name == "reasoning_effort"),
            _ => supported.iter().any(|name| name == self.name()),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of parameters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Parameters(u32);

impl Parameters {
    /// No parameter.
    pub const NONE: Parameters = Parameters(0);

    /// Adds one.
    pub fn insert(&mut self, parameter: Parameter) {
        self.0 |= 1 << parameter as u8;
    }

    /// Whether it holds one.
    pub fn contains(self, parameter: Parameter) -> bool {
        self.0 & (1 << parameter as u8) != 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Parameters) -> Parameters {
        Parameters(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn within(self, other: Parameters) -> Parameters {
        Parameters(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: Parameters) -> Parameters {
        Parameters(self.0 & !other.0)
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many it holds.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Its parameters, in the order in which they are given up.
    pub fn iter(self) -> impl Iterator<Item = Parameter> {
        Parameter::ALL.into_iter().filter(move |parameter| self.contains(*parameter))
    }
}

impl FromIterator<Parameter> for Parameters {
    fn from_iter<I: IntoIterator<Item = Parameter>>(parameters: I) -> Parameters {
        let mut set = Parameters::NONE;
        parameters.into_iter().for_each(|parameter| set.insert(parameter));
        set
    }
}

impl From<Parameter> for Parameters {
    fn from(parameter: Parameter) -> Parameters {
        Parameters::from_iter([parameter])
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, parameter) in self.iter().enumerate() {
            write!(f, "{}{parameter}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// How hard a model is asked to reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Effort {
    /// Not at all.
    None,
    /// `minimal`.
    Minimal,
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`.
    High,
    /// `xhigh`.
    Xhigh,
    /// `max`.
    Max,
}

impl Effort {
    /// All, the least first.
    pub const ALL: [Effort; 7] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of a name on the wire.
    pub fn named(name: &str) -> Option<Effort> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }

    /// Room for the reasoning beside an answer, in tokens. Answers of reasoning models are mostly reasoning; the limit
    /// is not what is paid for, so it is generous.
    pub fn room(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 4_096,
            Self::High | Self::Xhigh | Self::Max => 8_192,
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of efforts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Efforts(u8);

impl Efforts {
    /// Whether it holds one.
    pub fn contains(self, effort: Effort) -> bool {
        self.0 & (1 << effort as u8) != 0
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set without one.
    #[must_use]
    pub fn without(self, effort: Effort) -> Efforts {
        Efforts(self.0 & !(1 << effort as u8))
    }

    /// The effort nearest to one that is wanted, the lesser of two that are equally near, since it costs less.
    pub fn nearest(self, wanted: Effort) -> Option<Effort> {
        let held = Effort::ALL.into_iter().filter(|effort| self.contains(*effort));
        held.min_by_key(|effort| (*effort as u8).abs_diff(wanted as u8))
    }
}

impl FromIterator<Effort> for Efforts {
    fn from_iter<I: IntoIterator<Item = Effort>>(efforts: I) -> Efforts {
        Efforts(efforts.into_iter().fold(0, |set, effort| set | 1 << effort as u8))
    }
}

impl fmt::Debug for Efforts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Effort::ALL.into_iter().filter(|effort| self.contains(*effort)).map(Effort::name).collect();
        write!(f, "{{{}}}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_its_parameter() {
        for parameter in Parameter::ALL {
            assert_eq!(Parameter::named(parameter.name()), Some(parameter));
        }
        assert_eq!(Parameter::named("reasoning.effort"), Some(Parameter::Reasoning));
        assert_eq!(Parameter::named("max_completion_tokens"), Some(Parameter::MaxTokens));
        assert_eq!(Parameter::named("response_format"), None);
    }

    #[test]
    fn a_set_keeps_the_order_of_giving_up() {
        let set = Parameters::from_iter([Parameter::Temperature, Parameter::Seed, Parameter::Logprobs]);
        assert_eq!(set.to_string(), "logprobs, seed, temperature");
        assert_eq!(set.without(Parameter::Seed.into()).len(), 2);
        assert!(Parameters::NONE.is_empty() && !set.contains(Parameter::TopP));
    }

    #[test]
    fn the_nearest_effort_is_the_cheaper_of_two() {
        let some = Efforts::from_iter([Effort::Low, Effort::High]);
        assert_eq!(some.nearest(Effort::Medium), Some(Effort::Low));
        assert_eq!(some.nearest(Effort::None), Some(Effort::Low));
        assert_eq!(some.nearest(Effort::Max), Some(Effort::High));
        assert_eq!(Efforts::default().nearest(Effort::Low), None);
    }
}
