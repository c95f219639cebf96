//! What requests will take, before any is sent: room and price, from what the ledger measured of earlier ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use corsac_ledger::{Fingerprint, Ledger};
use corsac_policy::{Estimate, Load, OutputSizes, room};
use corsac_wire::catalog::Pricing;
use parking_lot::Mutex;

use crate::compose::{self, Speech};
use crate::config::Engine;
use crate::{Call, Contract, Dispatcher};

/// Sizes are read again after this long: thousands of calls need not each look.
const SIZES_AGE: Duration = Duration::from_secs(5);
/// What a free text is guessed to take as long as none was measured, in tokens.
const TEXT_TOKENS: u64 = 80;

/// Questions of one operator that are yet to be asked.
#[derive(Debug, Clone)]
pub struct Questions<'a> {
    /// The operator, as calls name it.
    pub operator: &'a str,
    /// What answers must satisfy.
    pub contract: &'a Contract,
    /// The model that is asked first.
    pub model: &'a str,
    /// How many.
    pub requests: u64,
    /// Tokens of all their prompts together.
    pub prompt_tokens: u64,
    /// Whether a tokenizer counted them, rather than a rule of thumb.
    pub counted: bool,
    /// The token limit of an answer that the user set.
    pub max_tokens: Option<u32>,
}

/// What questions will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// How many requests, their tokens in and out.
    pub load: Load,
    /// The price; `None` where the price of a token is not known.
    pub price: Option<Estimate>,
}

/// Foretells what questions will take. The ledger, where there is one, knows how long earlier answers were.
pub fn forecast(questions: &Questions<'_>, pricing: Option<&Pricing>, engine: Engine, ledger: Option<&Ledger>) -> Forecast {
    let measured = ledger.and_then(|ledger| sizes(ledger, questions.operator, questions.model, questions.contract));
    let natural = compose::natural_room(questions.contract, Speech::of_engine(engine));
    let answer_tokens = match questions.contract {
        Contract::Text | Contract::Turn(_) => TEXT_TOKENS,
        Contract::Json(schema) | Contract::JsonTurn { schema, .. } => u64::from(schema.estimated_tokens()),
        Contract::Embedding { .. } => 0,
    };
    let load = Load {
        requests: questions.requests,
        prompt_tokens: questions.prompt_tokens,
        counted: questions.counted,
        answer_tokens,
        max_tokens: match questions.contract {
            Contract::Embedding { .. } => 0,
            _ => u64::from(questions.max_tokens.unwrap_or_else(|| room(natural, measured))),
        },
        measured: measured.filter(|_| !questions.contract.is_embedding()),
    };
    let free = Pricing { prompt: Some(corsac_wire::Usd::ZERO), completion: Some(corsac_wire::Usd::ZERO), ..Pricing::default() };
    let pricing = if engine == Engine::Local { Some(&free) } else { pricing };
    Forecast { load, price: pricing.and_then(|pricing| Estimate::of(pricing, &load)) }
}

fn sizes(ledger: &Ledger, operator: &str, model: &str, contract: &Contract) -> Option<OutputSizes> {
    // a ledger that cannot be read now will say so where it matters
    let sizes = ledger.measured_output(operator, model, contract.schema_fingerprint()).ok()??;
    Some(OutputSizes { count: sizes.answers, mean: sizes.mean_tokens, p95: sizes.p95_tokens, largest: sizes.max_tokens })
}

/// Measured sizes at hand, with the time they were read.
#[derive(Debug, Default)]
pub(crate) struct SizesAtHand {
    known: Mutex<HashMap<Kind, (Duration, Option<OutputSizes>)>>,
}

/// Answers of one kind: the operator, the model, the schema.
type Kind = (Arc<str>, Arc<str>, Option<Fingerprint>);

impl Dispatcher {
    /// How long answers to such calls were.
    pub(crate) fn measured(&self, call: &Call, model: &Arc<str>) -> Option<OutputSizes> {
        if call.contract.is_embedding() {
            return None;
        }
        let now = self.clock.elapsed();
        let kind = (Arc::clone(&call.origin.operator), Arc::clone(model), call.contract.schema_fingerprint());
        if let Some((at, sizes)) = self.sizes.known.lock().get(&kind)
            && now.saturating_sub(*at) < SIZES_AGE
        {
            return *sizes;
        }
        let sizes = sizes(&self.ledger, &kind.0, model, &call.contract);
        self.sizes.known.lock().insert(kind, (now, sizes));
        sizes
    }
}
