//! What is known of a route before a call is sent over it: who may serve, what they take and cost, how to ask.

use std::sync::Arc;

use corsac_policy::{Efforts, Hop, Ladder, Parameters};
use corsac_wire::catalog::Pricing;

use crate::{Call, Dispatcher, Route};

/// What is known of a route for one kind of call.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// Why nobody could serve, and what to change.
    pub impossible: Option<String>,
    /// How structure is asked for, in order.
    pub ladder: Option<Ladder>,
    /// Why so, for a person.
    pub why: String,
    /// The answer's token limit at first.
    pub max_tokens: Option<u32>,
    /// The most answer tokens anybody who may serve allows.
    pub max_tokens_cap: Option<u32>,
    /// The largest context of those who may serve.
    pub context: Option<u64>,
    /// How many may serve.
    pub providers: Option<u16>,
    /// Slugs left out from the start.
    pub ignore: Vec<String>,
    /// Parameters that nobody who may serve takes.
    pub nobody_takes: Parameters,
    /// Efforts the model can be asked for.
    pub efforts: Efforts,
    /// The dearest price of those who may serve.
    pub pricing: Option<Pricing>,
}

impl Outlook {
    pub(crate) fn is_possible(&self) -> bool {
        self.impossible.is_none()
    }

    /// Why no route is possible, where none is.
    pub(crate) fn nobody(outlooks: &[Arc<Outlook>]) -> Option<String> {
        let reasons: Vec<&str> = outlooks.iter().map_while(|outlook| outlook.impossible.as_deref()).collect();
        (reasons.len() == outlooks.len()).then(|| reasons.join("; "))
    }
}

impl Dispatcher {
    /// What is known of a route for a call.
    pub async fn outlook(&self, _call: &Call, _route: &Route) -> Arc<Outlook> {
        Arc::new(Outlook::default())
    }

    /// The routes as decisions see them.
    pub(crate) fn hops(&self, routes: &[Route], outlooks: &[Arc<Outlook>]) -> Vec<Hop> {
        let model = |route: &Route| routes.iter().position(|other| other.model == route.model).unwrap_or_default();
        let hop = |(route, outlook): (&Route, &Arc<Outlook>)| {
            let door = self.doors.get(route.door);
            Hop {
                model: u16::try_from(model(route)).unwrap_or(u16::MAX),
                account: door.map_or(0, |door| door.account),
                host: door.map_or(0, |door| door.host),
                free: crate::gate::is_free(&route.model),
                ladder: outlook.ladder,
                max_tokens: outlook.max_tokens,
                max_tokens_cap: outlook.max_tokens_cap,
                context: outlook.context,
                providers: outlook.providers,
                nobody_takes: outlook.nobody_takes,
                efforts: outlook.efforts,
            }
        };
        routes.iter().zip(outlooks).map(hop).collect()
    }
}
