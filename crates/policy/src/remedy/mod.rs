//! Fault × course → the next step. `table.rs` lists for each kind of fault which moves are tried in which order; `moves.rs`
//! says when a move is open and what it comes to. Every step is bounded: by requests per call, by faults in a row, by
//! what was tried before.

mod moves;
mod table;

use std::time::Duration;

use crate::Lesson;
use crate::{Course, Effort, Fault, Parameters, Strategy};

/// What to do next, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// The step.
    pub step: Step,
    /// The reason, for the ledger.
    pub reason: String,
    /// What later calls for the same model and schema need not find out again.
    pub lesson: Option<Lesson>,
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
    /// The same without some parameters.
    DropParameters(Parameters),
    /// Another effort to reason, with room for it.
    Effort {
        /// The effort.
        effort: Effort,
        /// The answer's token limit, reasoning included.
        max_tokens: u32,
    },
    /// The same model, asked for structure in another way.
    NextStrategy(Strategy),
    /// Another token limit.
    MaxTokens(u32),
    /// Again, with what was wrong shown to the model.
    AskAgain(String),
    /// The same model without its `:free`, which costs money.
    PaidTwin,
    /// Another route, by its place in the list.
    NextRoute(usize),
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
            Self::DropParameters(parameters) => format!("without {parameters}"),
            Self::Effort { effort, max_tokens } => format!("reasoning effort {effort}, max_tokens {max_tokens}"),
            Self::NextStrategy(strategy) => format!("ask by {strategy}"),
            Self::MaxTokens(tokens) => format!("max_tokens {tokens}"),
            Self::AskAgain(_) => "ask again with the error shown".to_owned(),
            Self::PaidTwin => "the paid variant".to_owned(),
            Self::NextRoute(route) => format!("route {}", route + 1),
            Self::GiveUp => "give up".to_owned(),
        }
    }
}

/// The next step after a fault. `course` has counted it already; `chance` in 0..1 spreads the waits. `skip` tells of a route
/// that is rather not taken, such as one behind an open circuit; where all that could help are such, one of them is taken.
pub fn remedy(fault: &Fault, course: &Course, chance: f64, skip: &dyn Fn(usize) -> bool) -> Remedy {
    if course.is_spent() {
        return Remedy { step: Step::GiveUp, reason: format!("{} requests are enough for one call", course.attempts), lesson: None };
    }
    let scene = moves::Scene { fault, course, chance, skip };
    let found = table::moves(fault).iter().find_map(|one| scene.step(*one).filter(|(step, _)| !course.repeats_an_empty(step)));
    match found {
        Some((step, reason)) => Remedy { lesson: Lesson::of(fault, course, &step), step, reason },
        None => Remedy { step: Step::GiveUp, reason: scene.nothing_left(), lesson: None },
    }
}
