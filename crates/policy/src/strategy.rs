//! The ways to ask for structure, from the one the provider enforces to the one only we enforce.

use std::fmt;

/// How structure is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Strategy {
    /// No structure: any text will do.
    Text,
    /// `response_format` of type `json_schema`.
    ResponseFormat,
    /// One function the model must call, whose arguments are the answer.
    ForcedTool,
    /// The schema described in the prompt, the answer read and validated here.
    Prompted,
}

impl Strategy {
    /// The name in the ledger and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::ResponseFormat => "response_format",
            Self::ForcedTool => "forced_tool",
            Self::Prompted => "prompted",
        }
    }

    /// The next way down the ladder.
    pub fn next(self) -> Option<Strategy> {
        match self {
            Self::ResponseFormat => Some(Self::ForcedTool),
            Self::ForcedTool => Some(Self::Prompted),
            Self::Text | Self::Prompted => None,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
