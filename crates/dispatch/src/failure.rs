//! From the last fault of a call to the failure a person reads: what happened, to what, what to do.

use std::sync::Arc;

use corsac_ledger::LedgerError;
use corsac_policy::{Fault, FaultClass};
use corsac_wire::Usd;

use crate::gate::Denied;
use crate::{Failure, FailureKind, Route};

/// How a call can end without an answer.
#[derive(Debug)]
pub(crate) enum Ends {
    /// A fault for which no remedy is left.
    Fault(Fault),
    /// No leave to send.
    Denied(Denied),
    /// Something of our own failed.
    Failed(Box<Failure>),
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<Arc<str>>) -> Failure {
        Failure { kind, message: message.into(), attempts: 0, cost: Usd::ZERO, model: None, provider: None, status: None }
    }

    pub(crate) fn ledger(error: &LedgerError) -> Failure {
        Failure::new(FailureKind::LedgerFailed, error.to_string())
    }

    /// Stopped by the user.
    pub fn interrupted() -> Failure {
        Failure::new(FailureKind::Interrupted, "stopped before it was answered")
    }
}

pub(crate) fn failure_of(ends: Ends, address: &str, routes: &[Route], budget: Option<Usd>, spent: Usd) -> Failure {
    let fault = match ends {
        Ends::Denied(Denied::BudgetReached) => {
            let ceiling = budget.unwrap_or_default();
            let message =
                format!("not asked: {spent} of the budget of {ceiling} is spent, and one more request may cost more than is left");
            return Failure::new(FailureKind::BudgetReached, message);
        }
        Ends::Denied(Denied::SharedCeiling) => {
            let message = "not asked: the day's budget, or the key's, leaves no room for one more request. `corsac usage --by day` shows \
                           what was spent; day_budget and key_budget set the ceilings";
            return Failure::new(FailureKind::BudgetReached, message);
        }
        Ends::Failed(failure) => return *failure,
        Ends::Denied(Denied::Stopped) => return Failure::interrupted(),
        Ends::Denied(Denied::Closed) => {
            return Failure::new(
                FailureKind::RateLimited,
                format!(
                    "not asked: {} let nothing through for several rounds of its rate limit; try again later or use another model",
                    routes[0].model
                ),
            );
        }
        Ends::Denied(Denied::Down) => {
            return Failure::new(
                FailureKind::ProviderError,
                format!("not asked: {} has been down for some time; run again later, or name others with --fallback", routes[0].model),
            );
        }
        Ends::Fault(fault) => fault,
    };
    let said = fault.message.trim().trim_end_matches('.');
    let names = routes.iter().map(|route| &*route.model).collect::<Vec<_>>().join(", ");
    match fault.class {
        FaultClass::Unauthorized => Failure::new(
            FailureKind::Unauthorized,
            format!("{} refused the key: {said}. Check OPENROUTER_API_KEY; keys are made at https://openrouter.ai/settings/keys", address),
        ),
        FaultClass::Forbidden | FaultClass::Region | FaultClass::AgenticHarness => {
            Failure::new(FailureKind::Refused, format!("not allowed: {said}"))
        }
        FaultClass::OutOfCredits | FaultClass::CannotAfford { .. } | FaultClass::TooDear => {
            Failure::new(FailureKind::OutOfCredits, format!("no credits left: {said}. What is answered is kept; add credits and run again"))
        }
        FaultClass::KeyLimit => {
            let until = fault.come_back.map_or(String::new(), |wait| format!("; it is reset in {:.1} h", wait.as_secs_f64() / 3_600.0));
            Failure::new(
                FailureKind::OutOfCredits,
                format!("the key may spend no more: {said}{until}. What is answered is kept; run again then"),
            )
        }
        FaultClass::Moderated | FaultClass::Filtered | FaultClass::Guardrail | FaultClass::Declined => {
            Failure::new(FailureKind::Moderated, said)
        }
        FaultClass::UnknownModel | FaultClass::WrongEndpoint | FaultClass::ModelGone | FaultClass::FreeEnded => {
            Failure::new(FailureKind::NoSuchModel, format!("{said}. `corsac models list --search …` shows what there is"))
        }
        FaultClass::NoEndpoints | FaultClass::NoEndpointsForParameters | FaultClass::NoToolSupport | FaultClass::DataPolicy => {
            Failure::new(
                FailureKind::NoSuchModel,
                format!(
                    "nobody serves {names} under these settings: {said}. Loosen the provider settings or name another model with --model or --fallback"
                ),
            )
        }
        FaultClass::NotTheService => Failure::new(
            FailureKind::Offline,
            format!("{} does not speak OpenRouter's API: {said}. Check OPENROUTER_BASE_URL; it normally ends in /api/v1", address),
        ),
        FaultClass::SchemaRefused | FaultClass::StrictRefused => {
            Failure::new(FailureKind::Refused, format!("every provider refused the schema: {said}"))
        }
        FaultClass::ContextLength { .. } | FaultClass::PayloadTooLarge => {
            Failure::new(FailureKind::BadInput, format!("the input is too long for {names}: {said}"))
        }
        FaultClass::BadRequest
        | FaultClass::ImageUnsupported
        | FaultClass::ParameterRefused { .. }
        | FaultClass::MaxTokensRefused { .. }
        | FaultClass::ReasoningMandatory
        | FaultClass::EffortUnsupported { .. } => Failure::new(FailureKind::Refused, said),
        FaultClass::DailyQuota => {
            let hours = fault.come_back.map_or(String::new(), |wait| format!("; it resets in {:.1} h", wait.as_secs_f64() / 3_600.0));
            Failure::new(
                FailureKind::RateLimited,
                format!("the day's quota is used up: {said}{hours}. A model without :free has no such quota"),
            )
        }
        FaultClass::RateLimited
        | FaultClass::FreeRateLimited
        | FaultClass::UpstreamRateLimited
        | FaultClass::AtCapacity
        | FaultClass::InFlightBudget => Failure::new(FailureKind::RateLimited, said),
        FaultClass::Timeout => Failure::new(FailureKind::Timeout, said),
        FaultClass::Unreachable => Failure::new(FailureKind::Unreachable, said),
        FaultClass::Invalid | FaultClass::MalformedCall => Failure::new(FailureKind::InvalidAnswer, said),
        FaultClass::Truncated => {
            Failure::new(FailureKind::Truncated, format!("{said}, also with the limit raised; shorten the input or set max_tokens higher"))
        }
        FaultClass::Overloaded
        | FaultClass::ServerError
        | FaultClass::Cut
        | FaultClass::Garbled
        | FaultClass::NotReady
        | FaultClass::Empty => Failure::new(FailureKind::ProviderError, said),
    }
}
