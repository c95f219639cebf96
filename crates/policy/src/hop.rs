//! The routes a call may take, as far as a decision needs to know them, and which of them can help against what.

use crate::{Efforts, FaultClass, Ladder, Parameters};

/// One route: a model, asked with a key at a base URL. Models, accounts and hosts are told apart by numbers of the
/// caller's choosing. What is not known stays at its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hop {
    /// The model: equal numbers, equal ids.
    pub model: u16,
    /// Whose credits and limits: equal numbers, equal keys.
    pub account: u16,
    /// The base URL: equal numbers, equal hosts.
    pub host: u16,
    /// Whether it is a `:free` variant, which has limits of its own.
    pub free: bool,
    /// How structure is asked for here; the call's own way if `None`.
    pub ladder: Option<Ladder>,
    /// The answer's token limit at first; the call's own if `None`.
    pub max_tokens: Option<u32>,
    /// The most answer tokens any provider here allows, if known.
    pub max_tokens_cap: Option<u32>,
    /// The largest context any provider here has, in tokens, if known.
    pub context: Option<u64>,
    /// How many providers may serve, if known: to leave out the only one is no use.
    pub providers: Option<u16>,
    /// Parameters that no provider here takes, if that is known.
    pub nobody_takes: Parameters,
    /// Efforts the model can be asked for; empty if not known.
    pub efforts: Efforts,
}

/// In what a route must differ from the one that failed, to be of help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// In anything.
    Any,
    /// Another model, or the same at another host.
    ModelOrHost,
    /// Another key, or another host.
    AccountOrHost,
    /// Another host.
    Host,
    /// Money: another key, another host, or a model that costs none.
    Credit,
    /// Not a free variant, or another host.
    Paid,
    /// Room for a longer input.
    Context,
}

impl Need {
    /// What a route must have to help after a fault.
    pub(crate) fn after(fault: &FaultClass) -> Need {
        use FaultClass as F;
        match fault {
            F::Unauthorized | F::Forbidden | F::Guardrail | F::KeyLimit | F::InFlightBudget => Self::AccountOrHost,
            F::OutOfCredits => Self::Credit,
            F::Unreachable | F::NotTheService => Self::Host,
            F::DailyQuota | F::FreeRateLimited => Self::Paid,
            F::ContextLength { .. } => Self::Context,
            F::NoEndpoints | F::DataPolicy | F::CannotAfford { .. } | F::TooDear => Self::Any,
            F::RateLimited | F::UpstreamRateLimited | F::Overloaded | F::ServerError | F::Timeout | F::Cut | F::Garbled => Self::Any,
            _ => Self::ModelOrHost,
        }
    }

    /// Whether a route can help where another has failed.
    pub(crate) fn met_by(self, there: &Hop, here: &Hop) -> bool {
        let (model, account, host) = (there.model != here.model, there.account != here.account, there.host != here.host);
        match self {
            Self::Any => model || account || host,
            Self::ModelOrHost => model || host,
            Self::AccountOrHost => account || host,
            Self::Host => host,
            Self::Credit => account || host || (there.free && !here.free),
            Self::Paid => host || !there.free,
            Self::Context => {
                (model || host)
                    && match (there.context, here.context) {
                        (Some(there), Some(here)) => there > here,
                        _ => true,
                    }
            }
        }
    }

    /// What a route has that meets the need, for a person.
    pub(crate) fn because(self, there: &Hop, here: &Hop) -> &'static str {
        match self {
            Self::Context => match there.context {
                Some(_) => "a model with a larger context",
                None => "another model, whose context may be larger",
            },
            Self::Paid if there.host == here.host => "not a free variant",
            Self::Credit if there.free && there.account == here.account && there.host == here.host => "a model that costs nothing",
            _ if there.host != here.host => "another host",
            Self::AccountOrHost | Self::Credit => "another key",
            _ if there.model != here.model => "another model",
            _ => "another key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_helps_by_what_is_different() {
        let here = Hop { context: Some(8_000), ..Hop::default() };
        let same = here;
        let key = Hop { account: 1, ..here };
        let host = Hop { host: 1, account: 2, ..here };
        let model = Hop { model: 1, context: Some(4_000), ..here };
        let free = Hop { model: 2, free: true, context: Some(128_000), ..here };
        let helps = |need: Need| [same, key, host, model, free].map(|there| need.met_by(&there, &here));
        assert_eq!(helps(Need::Any), [false, true, true, true, true]);
        assert_eq!(helps(Need::ModelOrHost), [false, false, true, true, true]);
        assert_eq!(helps(Need::AccountOrHost), [false, true, true, false, false]);
        assert_eq!(helps(Need::Host), [false, false, true, false, false]);
        assert_eq!(helps(Need::Credit), [false, true, true, false, true]);
        assert_eq!(helps(Need::Context), [false, false, false, false, true]);
        let quota = [same, key, host, model, free].map(|there| Need::Paid.met_by(&there, &free));
        assert_eq!(quota, [true, true, true, true, false]);
    }
}
