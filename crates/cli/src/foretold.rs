//! What a query will take, operator by operator: requests, tokens and dollars, each with the range it will stay in. Text and
//! JSON tell the same.

use corsac_dispatch::{Engine, Forecast, Questions, forecast};
use corsac_frame::{Asking, AskingRange, OperatorEstimate};
use corsac_ledger::Ledger;
use corsac_policy::{Estimate, Load};
use serde_json::{Value, json};

use crate::args::EngineChoice;
use crate::engine::Prepared;
use crate::home;
use crate::progress::grouped;

/// Tokens of a row's own part where no row could be looked at.
const ORDINARY_TOKENS: f64 = 100.0;
/// Marks around the words of a chat; a list of texts has none.
const CHAT_MARKS: f64 = 12.0;
const LIST_MARKS: f64 = 0.0;

/// What an operator will take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foretold {
    /// If it asks little, the best guess, and the most.
    pub(crate) low: Load,
    pub(crate) likely: Load,
    pub(crate) high: Load,
    /// Whether the number of requests is a range, and not the most of a known one.
    is_range: bool,
    pub(crate) price: Option<Estimate>,
}

impl Foretold {
    /// With what the ledger knows of earlier answers. `None` where nobody knows how many rows there will be.
    pub(crate) fn of(estimate: &OperatorEstimate, prepared: &Prepared, ledger: Option<&Ledger>) -> Option<Foretold> {
        let range = match estimate.asking {
            Some(range) => range,
            None => {
                let asking = most(estimate)?;
                AskingRange { low: asking, likely: asking, high: asking }
            }
        };
        let route = prepared.first_route(estimate)?;
        let engine = match prepared.choice {
            EngineChoice::Local => Engine::Local,
            EngineChoice::Sim => Engine::Sim,
            EngineChoice::Openrouter => prepared.doors.get(route.door).map_or(Engine::OpenRouter, |door| door.engine),
        };
        let pricing = prepared.pricing(&route.model);
        let told = |asking: Asking| -> Forecast {
            let questions = Questions {
                operator: &estimate.operator,
                contract: &estimate.contract,
                model: &route.model,
                requests: asking.requests,
                prompt_tokens: asking.prompt_tokens,
                counted: estimate.counted,
                max_tokens: estimate.max_tokens.or(prepared.settings.request_of(&route).max_tokens),
            };
            forecast(&questions, pricing.as_ref(), engine, ledger)
        };
        let (low, likely, high) = (told(range.low), told(range.likely), told(range.high));
        let price = low.price.zip(likely.price).zip(high.price);
        let price = price.map(|((low, likely), high)| Estimate { low: low.low, likely: likely.likely, high: high.high });
        Some(Foretold { low: low.load, likely: likely.load, high: high.load, is_range: estimate.asking.is_some(), price })
    }

    /// `≤ 40 requests`, or `≈ 40 requests (12–1,000)`.
    fn requests_shown(&self) -> String {
        let (low, likely, high) = (self.low.requests, self.likely.requests, self.high.requests);
        match self.is_range {
            true if low == high => format!("≈ {} requests", grouped(likely)),
            true => format!("≈ {} requests ({}–{})", grouped(likely), grouped(low), grouped(high)),
            false => format!("≤ {} requests", grouped(high)),
        }
    }

    fn shown(&self, rows: &str) -> String {
        let (low, likely, high) = (self.low.answers().low, self.likely.answers().likely, self.high.answers().high);
        let basis = if self.likely.measured.is_some() { "measured" } else { "guessed" };
        let out = match high {
            0 => String::new(),
            _ => format!(", {} out ({basis}), {}–{}", grouped(likely), grouped(low), grouped(high)),
        };
        format!("{} for {rows}, {} tokens in{out}", self.requests_shown(), grouped(self.likely.prompt_tokens))
    }
}

/// The most that an operator asks for its rows, less those that the first rows suggest are blank.
fn most(estimate: &OperatorEstimate) -> Option<Asking> {
    let rows = estimate.rows?.count as u64;
    let requests = match estimate.sampled {
        sampled if sampled.rows > 0 => rows * sampled.asked as u64 / sampled.rows as u64,
        _ => rows,
    };
    let marks = if estimate.contract.is_embedding() { LIST_MARKS } else { CHAT_MARKS };
    let tokens = estimate.system_tokens as f64 + estimate.mean_user_tokens.unwrap_or(ORDINARY_TOKENS) + marks;
    Some(Asking { requests, prompt_tokens: (tokens * requests as f64) as u64 })
}

/// The sum over operators: requests, if little is asked, as a best guess, and at most; and dollars.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    requests: [u64; 3],
    price: Option<Estimate>,
}

fn total(all: &[Option<Foretold>]) -> Option<Total> {
    let start = Total { requests: [0; 3], price: Some(Estimate::default()) };
    all.iter().try_fold(start, |sum, one| {
        let one = (*one)?;
        let requests = [one.low, one.likely, one.high].map(|load| load.requests);
        let price = sum.price.zip(one.price).map(|(sum, one)| Estimate {
            likely: sum.likely + one.likely,
            low: sum.low + one.low,
            high: sum.high + one.high,
        });
        Some(Total { requests: [0, 1, 2].map(|place| sum.requests[place] + requests[place]), price })
    })
}

fn rows_shown(estimate: &OperatorEstimate) -> String {
    match estimate.rows {
        Some(rows) => format!("{}{} rows", if rows.exact { "" } else { "about " }, grouped(rows.count as u64)),
        None => "unknown rows".to_owned(),
    }
}

/// One line per operator and their sum.
pub(crate) fn price_lines(estimates: &[OperatorEstimate], prepared: &Prepared) -> Vec<String> {
    let models = prepared.models_shown();
    let ledger = home::ledger_if_any();
    let all: Vec<Option<Foretold>> = estimates.iter().map(|estimate| Foretold::of(estimate, prepared, ledger.as_ref())).collect();
    let mut lines = Vec::new();
    for (estimate, told) in estimates.iter().zip(&all) {
        let rows = rows_shown(estimate);
        let requests = told.map_or_else(|| format!("unknown requests for {rows}"), |told| told.shown(&rows));
        let price = told.and_then(|told| told.price);
        let text = price.map_or("price unknown".to_owned(), |price| format!("≈ {} ({}–{})", price.likely, price.low, price.high));
        lines.push(format!("price  {}  {requests}  {text}", estimate.description));
        lines.extend(estimate.why.as_ref().map(|why| format!("       {why}")));
    }
    let engine = match prepared.choice {
        EngineChoice::Local => "the embedded model".to_owned(),
        EngineChoice::Sim => format!("simulated {models}"),
        EngineChoice::Openrouter => models,
    };
    let total = total(&all);
    let requests = total.map_or(String::new(), |Total { requests: [low, likely, high], .. }| match low == high {
        true => format!("  {} requests", grouped(likely)),
        false => format!("  {} requests ({}–{})", grouped(likely), grouped(low), grouped(high)),
    });
    match total.and_then(|total| total.price) {
        Some(sum) => lines.push(format!("total  ≈ {} ({}–{}){requests}  {engine}", sum.likely, sum.low, sum.high)),
        None => {
            lines.push(format!("total  unknown: the catalog has no price, or the rows cannot be counted beforehand{requests}  {engine}"))
        }
    }
    if let (EngineChoice::Openrouter, Some(origin)) = (prepared.choice, prepared.key_origin()) {
        lines.push(format!("key    from {origin}"));
    }
    lines
}

/// The same for programs: what each operator will take, and their sum.
pub(crate) fn price_json(estimates: &[OperatorEstimate], prepared: &Prepared, ledger: Option<&Ledger>) -> (Vec<Value>, Value) {
    let all: Vec<Option<Foretold>> = estimates.iter().map(|estimate| Foretold::of(estimate, prepared, ledger)).collect();
    let operators = estimates.iter().zip(&all).map(|(estimate, told)| {
        json!({
            "operator": estimate.operator,
            "asks": estimate.description,
            "rows": estimate.rows.map(|rows| rows.count),
            "rows_are_exact": estimate.rows.is_some_and(|rows| rows.exact),
            "requests": told.map(|told| json!({ "likely": told.likely.requests, "low": told.low.requests, "high": told.high.requests })),
            "requests_at_most": told.map(|told| told.high.requests),
            "prompt_tokens": told.map(|told| told.likely.prompt_tokens),
            "prompt_tokens_are_counted": estimate.counted,
            "answer_tokens": told.map(|told| json!({
                "likely": told.likely.answers().likely,
                "low": told.low.answers().low,
                "high": told.high.answers().high,
                "measured": told.likely.measured.is_some(),
            })),
            "dollars": told.and_then(|told| told.price).map(dollars),
            "why": estimate.why,
        })
    });
    let total = total(&all);
    let sum = json!({
        "requests": total.map(|Total { requests: [low, likely, high], .. }| json!({ "likely": likely, "low": low, "high": high })),
        "requests_at_most": total.map(|total| total.requests[2]),
        "dollars": total.and_then(|total| total.price).map(dollars),
    });
    (operators.collect(), sum)
}

fn dollars(price: Estimate) -> Value {
    json!({ "likely": price.likely, "low": price.low, "high": price.high })
}
