//! Several conditions that ask, put in the order that asks for least: the one first that costs least for each row it
//! leaves out. What a row costs is foretold from prices and tokens, and how many rows pass from earlier answers to the same
//! question, else guessed.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use corsac_dispatch::{Contract, Share};
use corsac_text::tokens::Vocabulary;
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator as SqlOperator};

use super::Rewrite;
use super::lift::{Lifter, marker_in};
use crate::bind::BoundCall;
use crate::execute::{QueryRuntime, Wish};
use crate::function::Operator;

/// Tokens of an input where no row was looked at, as long as nothing is known.
const INPUT_TOKENS: f64 = 50.0;
/// Tokens of marks around the words of a chat.
const CHAT_MARKS: f64 = 12.0;
/// A free text as an answer.
const TEXT_TOKENS: f64 = 80.0;
/// Where no price is known, a token of an answer counts for so many of a prompt: what it is with most models.
const ANSWER_WEIGHT: f64 = 4.0;

/// A condition in its place, with what to say of it.
pub(super) struct Placed {
    pub(super) condition: Expr,
    /// Its place and why it stands there; nothing where it stands alone.
    pub(super) why: Option<Arc<str>>,
}

/// What a condition costs for a row, in dollars where all prices are known and else in tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cost {
    Dollars(f64),
    Tokens(f64),
}

/// How many rows a condition lets through.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Passing {
    share: f64,
    /// The earlier answers that say so.
    seen: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Weight {
    cost: Cost,
    passing: Passing,
}

/// Puts conditions over the rows of a plan in order. Conditions that cost the same for a rejected row stay as they are written.
pub(super) fn in_order(rewrite: &Rewrite, plan: &LogicalPlan, conditions: Vec<Expr>) -> Result<Vec<Placed>> {
    let Some(runtime) = rewrite.runtime.as_deref().filter(|_| conditions.len() > 1) else {
        return Ok(conditions.into_iter().map(|condition| Placed { condition, why: None }).collect());
    };
    let mut wish = Wish { plan: plan.clone(), calls: Vec::new() };
    let mut asked = Vec::with_capacity(conditions.len());
    for condition in &conditions {
        let numbers = AtomicUsize::new(0);
        let mut trial = Lifter::new(&rewrite.options, &numbers);
        trial.lift(condition.clone())?;
        let calls: Vec<BoundCall> = trial.into_bound();
        wish.calls.extend(calls.iter().cloned());
        asked.push(calls);
    }
    runtime.wish(wish);
    let prices = |call: &BoundCall| runtime.ask.pricing(&runtime.settings_of(call), is_vector(call));
    let priced = asked.iter().flatten().all(|call| prices(call).is_some());
    let weigh = |condition: &Expr, calls: &[BoundCall]| {
        let cost = |call| {
            let prices = if priced { prices(call) } else { None };
            cost_of(call, runtime.mean_input_tokens(call), prices)
        };
        let sum = calls.iter().map(cost).sum();
        let cost = if priced { Cost::Dollars(sum) } else { Cost::Tokens(sum) };
        Weight { cost, passing: passing(runtime, condition, calls) }
    };
    let weights: Vec<Weight> = conditions.iter().zip(&asked).map(|(condition, calls)| weigh(condition, calls)).collect();
    let mut placed: Vec<(Expr, Weight)> = conditions.into_iter().zip(weights).collect();
    // a stable sort: equal ones stay as they are written
    placed.sort_by(|one, other| one.1.per_rejected().total_cmp(&other.1.per_rejected()));
    let all = placed.len();
    let with_reason = |(place, (condition, weight)): (usize, (Expr, Weight))| {
        let why = Some(format!("asked {} of {all}: {}", place + 1, weight.told()).into());
        Placed { condition, why }
    };
    Ok(placed.into_iter().enumerate().map(with_reason).collect())
}

impl Weight {
    /// What leaving out one row costs.
    fn per_rejected(&self) -> f64 {
        let (Cost::Dollars(cost) | Cost::Tokens(cost)) = self.cost;
        cost / (1.0 - self.passing.share).max(0.001)
    }

    fn told(&self) -> String {
        let amount = |number: f64| match self.cost {
            Cost::Dollars(_) => Usd::from_pico((number * 1e12) as i64).to_string(),
            Cost::Tokens(_) => format!("{number:.0} tokens"),
        };
        let (Cost::Dollars(cost) | Cost::Tokens(cost)) = self.cost;
        let basis = match self.passing.seen {
            Some(seen) => format!("by {seen} earlier answers"),
            None => "guessed".to_owned(),
        };
        let percent = (self.passing.share * 100.0).round();
        format!("{} a row, {percent:.0} % pass ({basis}), {} for a row left out", amount(cost), amount(self.per_rejected()))
    }
}

fn is_vector(call: &BoundCall) -> bool {
    call.program.contract().is_embedding()
}

/// Dollars of one call where prices are given, else tokens.
fn cost_of(call: &BoundCall, input_tokens: Option<f64>, prices: Option<Pricing>) -> f64 {
    let program = &call.program;
    let words: String = program.words().concat();
    let own = input_tokens.unwrap_or_else(|| Vocabulary::O200k.count(&words) as f64 + INPUT_TOKENS * program.variables().len() as f64);
    let prompt = Vocabulary::O200k.count(program.system()) as f64 + own + CHAT_MARKS;
    let answer = match program.contract() {
        Contract::Json(schema) | Contract::JsonTurn { schema, .. } => f64::from(schema.estimated_tokens()),
        Contract::Text | Contract::Turn(_) => TEXT_TOKENS,
        Contract::Embedding { .. } => 0.0,
    };
    let Some(prices) = prices else { return prompt + ANSWER_WEIGHT * answer };
    let dollars = |price: Option<Usd>, tokens: f64| price.map_or(0.0, |price| price.pico() as f64 / 1e12 * tokens);
    dollars(prices.prompt, prompt) + dollars(prices.completion, answer) + dollars(prices.request, 1.0)
}

/// The share of the rows that a condition lets through.
fn passing(runtime: &QueryRuntime, condition: &Expr, calls: &[BoundCall]) -> Passing {
    let guess = |share: f64| Passing { share, seen: None };
    match condition {
        Expr::Not(inner) | Expr::IsFalse(inner) => {
            let inner = passing(runtime, inner, calls);
            Passing { share: 1.0 - inner.share, ..inner }
        }
        Expr::IsTrue(inner) => passing(runtime, inner, calls),
        Expr::BinaryExpr(binary) if binary.op == SqlOperator::Eq => match calls {
            [call] => guess(labels_of(call).map_or(HALF, |labels| 1.0 / labels as f64)),
            _ => guess(HALF),
        },
        call if marker_in(call) == Some(Operator::Predicate) => match calls {
            [bound] if is_bare(call) => runtime
                .ask
                .earlier_truths(bound.name(), &bound.program.words())
                .map_or(guess(HALF), |Share { of, part }| Passing { share: part as f64 / of.max(1) as f64, seen: Some(of) }),
            _ => guess(HALF),
        },
        _ => guess(HALF),
    }
}

/// Nothing is known.
const HALF: f64 = 0.5;

fn is_bare(call: &Expr) -> bool {
    matches!(call, Expr::ScalarFunction(ScalarFunction { args, .. }) if !args.iter().any(super::lift::has_call))
}

/// How many labels an answer is one of.
fn labels_of(call: &BoundCall) -> Option<usize> {
    let contract = call.program.contract();
    match contract.schema()?.kind() {
        corsac_schema::Type::Struct(fields) => match fields.as_slice() {
            [field] => match &field.ty {
                corsac_schema::Type::Enum(labels) => Some(labels.len().max(1)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(cost: f64, share: f64) -> Weight {
        Weight { cost: Cost::Tokens(cost), passing: Passing { share, seen: None } }
    }

    #[test]
    fn a_condition_is_worth_what_it_leaves_out() {
        // dear, but it leaves out nearly all
        assert!(weight(300.0, 0.05).per_rejected() < weight(100.0, 0.8).per_rejected());
        // one that leaves out nothing comes last, and nothing is divided by zero
        assert!(weight(1.0, 1.0).per_rejected().is_finite() && weight(1.0, 1.0).per_rejected() > weight(300.0, 0.5).per_rejected());
    }

    #[test]
    fn the_reason_names_what_it_rests_on() {
        let dollars = Weight { cost: Cost::Dollars(0.000_02), passing: Passing { share: 0.25, seen: Some(64) } };
        insta::assert_snapshot!(dollars.told());
        insta::assert_snapshot!(weight(96.4, 0.5).told());
    }
}
