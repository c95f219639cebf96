//! The ways to ask for structure, and the order in which they are tried: from the one the provider enforces to the one
//! only we enforce.

use std::fmt;

/// How structure is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strategy {
    /// No structure: any text will do.
    Text,
    /// `response_format` of type `json_schema`, strict where the schema allows it.
    ResponseFormat,
    /// The same with `strict: false` and the schema as it was given: a hint to some providers, enforced by others.
    LooseFormat,
    /// One function the model must call, whose arguments are the answer.
    ForcedTool,
    /// `response_format` of type `json_object`: any JSON is enforced, the schema is described in the prompt.
    JsonMode,
    /// The schema described in the prompt, the answer read and validated here.
    Prompted,
}

impl Strategy {
    /// Those that give structure, the most enforced first.
    pub const STRUCTURED: [Strategy; 5] = [Self::ResponseFormat, Self::LooseFormat, Self::ForcedTool, Self::JsonMode, Self::Prompted];

    /// The name in the ledger and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ResponseFormat => "response_format",
            Self::LooseFormat => "loose_format",
            Self::ForcedTool => "forced_tool",
            Self::JsonMode => "json_mode",
            Self::Prompted => "prompted",
        }
    }

    /// The strategy of a name.
    pub fn named(name: &str) -> Option<Strategy> {
        [Self::Text].into_iter().chain(Self::STRUCTURED).find(|strategy| strategy.name() == name)
    }

    /// Whether the prompt has to describe the schema.
    pub fn describes_schema(self) -> bool {
        matches!(self, Self::JsonMode | Self::Prompted)
    }

    /// Whether an endpoint that ignores the parameter would give no structure, so that only endpoints which list it may
    /// serve.
    pub fn needs_endpoint(self) -> bool {
        matches!(self, Self::ResponseFormat | Self::LooseFormat | Self::ForcedTool)
    }

    /// The parameters that an endpoint must list to serve it.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Self::ResponseFormat | Self::LooseFormat => &["structured_outputs"],
            Self::ForcedTool => &["tools", "tool_choice"],
            Self::JsonMode => &["response_format"],
            Self::Text | Self::Prompted => &[],
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Strategies in the order in which a call tries them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ladder {
    rungs: [Strategy; 5],
    len: u8,
}

impl Ladder {
    /// A ladder of these, each taken once and no more than five.
    pub fn new(strategies: impl IntoIterator<Item = Strategy>) -> Ladder {
        let mut ladder = Ladder { rungs: [Strategy::Text; 5], len: 0 };
        for strategy in strategies {
            let len = usize::from(ladder.len);
            if !ladder.rungs[..len].contains(&strategy)
                && let Some(rung) = ladder.rungs.get_mut(len)
            {
                *rung = strategy;
                ladder.len += 1;
            }
        }
        ladder
    }

    /// The usual way down from a strategy. JSON mode is left out: an endpoint that takes it and nothing more has to be
    /// known.
    pub fn from(first: Strategy) -> Ladder {
        match first {
            Strategy::Text => Ladder::new([Strategy::Text]),
            Strategy::ResponseFormat => {
                Ladder::new([Strategy::ResponseFormat, Strategy::LooseFormat, Strategy::ForcedTool, Strategy::Prompted])
            }
            first => Ladder::new([first, Strategy::Prompted]),
        }
    }

    /// The strategies in order.
    pub fn rungs(&self) -> &[Strategy] {
        self.rungs.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The first, by which a call starts.
    pub fn first(&self) -> Strategy {
        self.rungs().first().copied().unwrap_or(Strategy::Text)
    }

    /// What comes after a strategy; the whole ladder for one that is not on it.
    pub fn after(&self, strategy: Strategy) -> &[Strategy] {
        let rungs = self.rungs();
        let from = rungs.iter().position(|rung| *rung == strategy).map_or(0, |place| place + 1);
        rungs.get(from..).unwrap_or_default()
    }
}

impl fmt::Debug for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.rungs().iter().map(|strategy| strategy.name()).collect();
        f.write_str(&names.join(" → "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for strategy in Strategy::STRUCTURED {
            assert_eq!(Strategy::named(strategy.name()), Some(strategy));
        }
        assert_eq!(Strategy::named("text"), Some(Strategy::Text));
        assert_eq!(Strategy::named("magic"), None);
    }

    #[test]
    fn a_ladder_goes_down_and_ends() {
        let ladder = Ladder::from(Strategy::ResponseFormat);
        assert_eq!(format!("{ladder:?}"), "response_format → loose_format → forced_tool → prompted");
        assert_eq!(ladder.after(Strategy::ForcedTool), [Strategy::Prompted]);
        assert_eq!(ladder.after(Strategy::Prompted), []);
        assert_eq!(Ladder::from(Strategy::Text).after(Strategy::Text), []);
        let preferred = Ladder::new([Strategy::ForcedTool, Strategy::ResponseFormat, Strategy::ForcedTool, Strategy::Prompted]);
        assert_eq!(preferred.after(preferred.first()), [Strategy::ResponseFormat, Strategy::Prompted]);
    }
}
