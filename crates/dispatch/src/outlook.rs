//! What is known of a route before a call is sent over it: who may serve, what they take and cost, how to ask.

use std::collections::HashMap;
use std::sync::Arc;

use corsac_ledger::Fingerprint;
use corsac_policy::{Efforts, Hop, Ladder, Needs, Parameters, plan};
use corsac_wire::catalog::Pricing;
use parking_lot::Mutex;

use crate::atlas::ENDPOINTS_AGE_MS;
use crate::{Call, CallSettings, Contract, Dispatcher, Failure, FailureKind, Route, compose};

/// What is known of a route for one kind of call.
#[derive(Debug, Clone, Default)]
pub struct Outlook {
    /// Why nobody could serve, and what to change.
    pub impossible: Option<String>,
    /// Whether that is for the length of this one prompt.
    pub too_long: bool,
    /// Whether that is because there is no such model.
    pub is_unknown: bool,
    /// How structure is asked for, in order.
    pub ladder: Option<Ladder>,
    /// Why so, for a person.
    pub why: String,
    /// Endpoints that may not serve, each with the reason.
    pub left_out: Vec<(String, String)>,
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

    /// The outlook for a prompt of about so many tokens. It is worked out for all prompts of about that length, and one of them
    /// may be too long where another is not.
    pub(crate) fn for_prompt(self: Arc<Outlook>, model: &str, tokens: u64) -> Arc<Outlook> {
        match self.context {
            // the guess may be wrong by a third; what is surely too long need not be sent
            Some(context) if tokens / 2 > context && self.is_possible() => {
                let why = format!("the largest context of {model} is {context} tokens");
                Arc::new(Outlook { impossible: Some(why), too_long: true, ..(*self).clone() })
            }
            _ => self,
        }
    }

    /// What a call fails with where no route is possible. A prompt that is too long fails alone. A wrong name of the model asked
    /// first is told, rather than another model asked in its place.
    pub(crate) fn nobody(outlooks: &[Arc<Outlook>], tokens: u64) -> Option<Failure> {
        if let Some(unknown) = outlooks.first().filter(|first| first.is_unknown).and_then(|first| first.impossible.as_deref()) {
            return Some(Failure::new(FailureKind::NoSuchModel, unknown));
        }
        let reasons: Vec<&str> = outlooks.iter().map_while(|outlook| outlook.impossible.as_deref()).collect();
        if reasons.len() < outlooks.len() {
            return None;
        }
        let reasons = reasons.join("; ");
        Some(if outlooks.iter().any(|outlook| outlook.too_long) {
            let change = "Shorten it or take it apart, or name a model with a larger context";
            Failure::new(FailureKind::BadInput, format!("the input has about {tokens} tokens and was not sent: {reasons}. {change}"))
        } else {
            Failure::new(FailureKind::NoSuchModel, reasons)
        })
    }
}

/// Outlooks that were worked out, by what they depend on.
#[derive(Debug, Default)]
pub(crate) struct Outlooks {
    known: Mutex<HashMap<Key, WorkedOut>>,
}

/// An outlook, the state of knowledge it was worked out from, and when.
#[derive(Debug)]
struct WorkedOut {
    version: u64,
    at_ms: i64,
    outlook: Arc<Outlook>,
}

/// A route, what requests there say, and what the answer must satisfy.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    model: Arc<str>,
    door: usize,
    request: usize,
    /// What the call says for itself.
    said: Option<Fingerprint>,
    schema: Option<Fingerprint>,
    kind: u8,
    /// Prompts of about the same length: their number of binary digits.
    size: u32,
}

impl Dispatcher {
    /// What is known of a route for a call. Asks for the endpoints of the model where a decision needs them: for structure,
    /// and where the user's preferences leave some out.
    pub async fn outlook(&self, call: &Call, route: &Route) -> Arc<Outlook> {
        let Some(door) = self.doors.get(route.door) else { return Arc::default() };
        if !door.exchange.routes() || call.contract.is_embedding() {
            return Arc::default();
        }
        let request = &*self.settings.request_for(&call.settings, route);
        let prompt_tokens = compose::prompt_tokens(call);
        let key = Key {
            model: Arc::clone(&route.model),
            door: route.door,
            request: route.request.as_ref().map_or(0, |request| Arc::as_ptr(request) as usize),
            said: call.settings.said_fingerprint(),
            schema: call.contract.schema_fingerprint(),
            kind: match &call.contract {
                Contract::Turn(turn) if !turn.tools.is_empty() => 1,
                _ => 0,
            },
            size: u64::BITS - prompt_tokens.leading_zeros(),
        };
        // both only rise
        let version = self.lessons.version() + door.atlas.version();
        let now_ms = self.clock.epoch_ms();
        if let Some(known) = self.outlooks.known.lock().get(&key)
            && known.version == version
            && now_ms.saturating_sub(known.at_ms) <= ENDPOINTS_AGE_MS
        {
            return Arc::clone(&known.outlook);
        }
        let unknown = door.atlas.unknown(&route.model).await;
        let structure = call.contract.schema().is_some();
        let decides = structure || key.kind == 1 || !request.provider.is_default();
        let endpoints = if decides { door.atlas.endpoints(&route.model).await } else { None };
        let model = door.atlas.model(&route.model);
        let needs = Needs {
            structure,
            tools: key.kind == 1,
            preferred: request.strategy,
            must_support: request.must_support,
            sent: compose::sent(call, request),
            // the other prompts this outlook is used for are less than twice or more than half as long
            prompt_tokens,
        };
        let lessons = self.lessons.of(call, &route.model).unwrap_or_default();
        let planned = plan(model.as_deref(), endpoints.as_ref().map(|list| list.as_slice()), &request.provider, &needs, &lessons);
        let outlook = match planned {
            _ if unknown.is_some() => {
                Outlook { impossible: unknown.map(|unknown| unknown.to_string()), is_unknown: true, ..Outlook::default() }
            }
            Ok(plan) => {
                let mut ignore = Vec::with_capacity(plan.ignore.len());
                for name in &plan.ignore {
                    ignore.push(door.atlas.slug(name).await);
                }
                Outlook {
                    impossible: None,
                    too_long: false,
                    is_unknown: false,
                    ladder: plan.ladder,
                    why: plan.why,
                    left_out: plan.left_out,
                    max_tokens: plan.max_tokens,
                    max_tokens_cap: plan.max_tokens_cap,
                    context: plan.context,
                    providers: plan.providers,
                    ignore,
                    nobody_takes: plan.nobody_takes,
                    efforts: plan.efforts,
                    pricing: plan.pricing,
                }
            }
            Err(impossible) => {
                let why = format!("{} cannot be asked: {}. To change: {}", route.model, impossible.why, impossible.change);
                Outlook { impossible: Some(why), ..Outlook::default() }
            }
        };
        let outlook = Arc::new(outlook);
        self.outlooks.known.lock().insert(key, WorkedOut { version, at_ms: now_ms, outlook: Arc::clone(&outlook) });
        outlook
    }

    /// Whether a call with functions can go over the first route of such calls: what the catalog says of an endpoint there. The
    /// embedded model takes none; a server with OpenAI's API is taken to.
    pub(crate) async fn functions_can_go(&self, settings: &CallSettings) -> bool {
        let Ok(routes) = self.settings.routes_for(settings.model.as_deref(), settings.profile.as_deref()) else { return false };
        let Some((route, door)) = routes.iter().find_map(|route| Some((route, self.doors.get(route.door)?))) else { return false };
        if !door.exchange.routes() {
            return compose::Speech::of(door.exchange.as_ref()) == compose::Speech::OpenAi;
        }
        let function = serde_json::json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
        let question = serde_json::json!({"role": "user", "content": "?"});
        let call = Call {
            origin: crate::Origin { run: corsac_ledger::RunId::unrecorded(), operator: "tools".into(), row: 0 },
            system: "".into(),
            user: String::new(),
            contract: Contract::Turn(Arc::new(crate::Turn::with_tools(&[question], &[function], None))),
            settings: Arc::new(settings.clone()),
        };
        self.outlook(&call, route).await.is_possible()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_fails_alone_and_what_nobody_serves_fails_all() {
        let roomy = Arc::new(Outlook { context: Some(8_000), ..Outlook::default() });
        let unknown = Arc::new(Outlook::default());
        let nobody = Arc::new(Outlook { impossible: Some("nobody".into()), ..Outlook::default() });
        let of = |outlooks: [&Arc<Outlook>; 2], tokens: u64| {
            let outlooks = outlooks.map(|outlook| Arc::clone(outlook).for_prompt("a/b", tokens));
            Outlook::nobody(&outlooks, tokens).map(|failure| (failure.kind, failure.message))
        };
        // the count is a guess: what may fit is sent
        assert_eq!(of([&roomy, &nobody], 16_000), None);
        assert_eq!(of([&roomy, &unknown], 1_000_000), None);
        let (kind, why) = of([&roomy, &nobody], 16_002).unwrap();
        assert_eq!(kind, FailureKind::BadInput);
        assert!(why.contains("about 16002 tokens") && why.contains("the largest context of a/b is 8000 tokens; nobody"), "{why}");
        assert_eq!(of([&nobody, &nobody], 16_002).unwrap(), (FailureKind::NoSuchModel, "nobody; nobody".into()));
    }
}
