//! The table: for each kind of fault the moves against it, in the order in which they are tried. Where none is open any
//! more, the call has failed. Which route a [`Move::Route`] takes stands in `hop.rs`.

use super::moves::Move;
use crate::{Fault, FaultClass};

/// The moves against a fault.
pub(super) fn moves(fault: &Fault) -> &'static [Move] {
    use FaultClass as F;
    use Move as M;
    // whoever says that the same will not pass is believed
    if fault.retryable == Some(false) && matches!(fault.class, F::Overloaded | F::ServerError | F::RateLimited | F::AtCapacity) {
        return &[M::Route];
    }
    match &fault.class {
        // whose key and money
        F::Unauthorized => &[M::AgainAsOthersWere, M::Route],
        F::Forbidden | F::Guardrail | F::KeyLimit | F::OutOfCredits => &[M::Route],
        F::CannotAfford { .. } => &[M::Afford, M::Route],
        F::TooDear => &[M::HalveTokens, M::Route],
        F::InFlightBudget => &[M::WaitForLimit, M::Route],
        // what may be said
        F::Moderated | F::Filtered | F::Declined => &[M::AskOthers],
        // who serves
        F::UnknownModel | F::WrongEndpoint | F::ModelGone => &[M::AgainAsOthersWere, M::Route],
        F::ImageUnsupported => &[M::Route],
        F::FreeEnded | F::AgenticHarness => &[M::PaidTwin, M::Route],
        F::Region => &[M::WithoutProvider, M::AllowProviders, M::Route],
        F::NoEndpoints => &[M::AllowProviders, M::AgainAsOthersWere, M::PaidTwin, M::Route],
        // the same words were heard where `strict` was the cause
        F::DataPolicy => &[M::AllowProviders, M::PaidTwin, M::Loosen, M::AgainAsOthersWere, M::Route],
        F::NoEndpointsForParameters => &[M::AllowProviders, M::DropNext, M::NextStrategy, M::AgainAsOthersWere, M::Route],
        F::NoToolSupport => &[M::AllowProviders, M::NextStrategy, M::AgainAsOthersWere, M::Route],
        // what a provider takes
        F::SchemaRefused | F::StrictRefused => &[M::WithoutProvider, M::NextStrategy, M::Route],
        F::ParameterRefused { .. } => &[M::DropNamed, M::WithoutProvider, M::Route],
        F::MaxTokensRefused { .. } => &[M::FitMaxTokens, M::WithoutProvider, M::Route],
        F::ReasoningMandatory | F::EffortUnsupported { .. } => &[M::NearestEffort, M::DropReasoning, M::Route],
        F::ContextLength { .. } => &[M::FitContext, M::LargerEndpoint, M::Route],
        F::PayloadTooLarge | F::BadRequest => &[M::WithoutProvider, M::Route],
        // how fast
        F::RateLimited | F::FreeRateLimited | F::AtCapacity => &[M::WaitForLimit, M::Route],
        F::UpstreamRateLimited => &[M::WithoutOneOfSeveral, M::WaitForLimit, M::Route],
        F::DailyQuota => &[M::PaidTwin, M::Route],
        // bad moments
        F::Overloaded | F::ServerError | F::Cut | F::Garbled => &[M::WithoutProviderByNow, M::Wait, M::Route],
        F::Timeout => &[M::WithoutProvider, M::AtOnce, M::Route, M::AtOnceAfterAll],
        // where nobody listens, somebody elsewhere may: a second try, then there; without another place, patience
        F::Unreachable => &[M::WaitOnce, M::Route, M::Wait],
        F::NotTheService => &[M::Route],
        F::NotReady => &[M::Wait],
        // the answer itself
        F::Empty => &[M::WithoutProvider, M::Route, M::AskAgain, M::NextStrategy],
        F::Truncated => &[M::RaiseTokens, M::Route],
        F::MalformedCall => &[M::NextStrategy, M::WithoutProvider, M::AtOnce, M::Route],
        F::Invalid => &[M::AskAgain, M::WithoutProvider, M::NextStrategy, M::Route],
    }
}
