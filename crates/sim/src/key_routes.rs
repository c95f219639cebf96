//! Keys, credits and activity on the wire: `/key`, `/credits`, `/keys` and `/activity`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::account::{Account, Caller, KeyTerms, ManagedKey, State, key_state};
use crate::calendar::{ResetInterval, date, parse_timestamp, timestamp};
use crate::catalog::Catalog;
use crate::money::PicoDollars;
use crate::query::Query;
use crate::reply::SimReply;
use crate::seed::hash;
use crate::spending::{ActivityRow, Spent};
use crate::wire_error;

/// What an account without an end to its credits is said to have bought.
const ENDLESS: PicoDollars = PicoDollars(1_000_000_000_000_000);
const MOST_KEYS_A_PAGE: usize = 100;
const ACTIVITY_DAYS: u64 = 30;

/// The 403 for those without a management key; none for those with one.
pub(crate) fn management_only(caller: Caller<'_>) -> Option<SimReply> {
    let refusal = || wire_error::plain(403, "Only management keys can perform this operation");
    (!matches!(caller, Caller::Management(_) | Caller::Anonymous)).then(refusal)
}

/// `GET /key`.
pub(crate) fn key_info(account: &Account, caller: Caller<'_>, now: Duration) -> SimReply {
    let day = account.day(now);
    let mut state = account.state.lock();
    let (limit, reset) = account.key_limit(&state, caller.name());
    let key = key_state(&mut state, caller.name());
    let (spent, byok) = (key.spent.clone(), key.byok.clone());
    let budgets: Vec<Value> = budgets(account, &state, (limit, reset), &spent, now);
    let used = if state.free_day.0 == day { state.free_day.1 } else { 0 };
    let managed = state.managed.iter().find(|managed| managed.key == caller.name());
    let expires_at = managed.and_then(|managed| managed.terms.expires_ms).map(timestamp);
    drop(state);
    let tightest = budgets.iter().min_by(|a, b| remaining(a).total_cmp(&remaining(b))).cloned();
    let free_limit = account.limits.free_per_day;
    let is_management = matches!(caller, Caller::Management(_));
    let mut data = usage_fields(&spent, &byok, limit, reset, day);
    let more = json!({
        "label": label(caller.name()),
        "limit_reset": reset.map(ResetInterval::name),
        "is_free_tier": free_limit < 1_000,
        "is_management_key": is_management,
        "is_provisioning_key": is_management,
        "expires_at": expires_at,
        "creator_user_id": "user_simulated",
        "organization_id": null,
        "workspace_id": null,
        "allowed_data_regions": ["global"],
        "free_model_daily_requests": { "used": used, "limit": free_limit, "remaining": free_limit.saturating_sub(used) },
        "budgets": budgets,
        "effective_budget": tightest,
        "rate_limit": { "requests": -1, "interval": "10s", "note": "This field is deprecated and safe to ignore." },
    });
    data.extend(more.as_object().cloned().unwrap_or_default());
    SimReply::json(200, &json!({ "data": data }))
}

fn remaining(budget: &Value) -> f64 {
    budget.get("remaining_usd").and_then(Value::as_f64).unwrap_or(f64::MAX)
}

/// Every budget that binds a key: its own limit, then those of the account.
fn budgets(
    account: &Account,
    state: &State,
    (limit, reset): (Option<PicoDollars>, Option<ResetInterval>),
    spent: &Spent,
    now: Duration,
) -> Vec<Value> {
    let day = account.day(now);
    let budget = |scope: &str, limit: PicoDollars, reset: Option<ResetInterval>, spent: PicoDollars| {
        json!({
            "scope": scope,
            "limit_usd": limit.json(),
            "spend_usd": spent.json(),
            "remaining_usd": limit.minus(spent).json(),
            "reset_interval": reset.map(ResetInterval::name),
            "resets_at": reset.map(|reset| account.next_reset(reset, now)),
            "include_byok": false,
            "budget_id": null,
            "guardrail_id": null,
        })
    };
    let own = limit.map(|limit| budget("key_limit", limit, reset, spent.within(reset, day)));
    let others = account.keys.budgets.iter();
    own.into_iter()
        .chain(others.map(|known| budget(&known.scope, known.limit_dollars, known.reset, state.spent.within(known.reset, day))))
        .collect()
}

/// The fields of usage and limit that every form of a key has.
fn usage_fields(spent: &Spent, byok: &Spent, limit: Option<PicoDollars>, reset: Option<ResetInterval>, day: u64) -> Map<String, Value> {
    let within = |interval| spent.within(Some(interval), day).json();
    let byok_within = |interval| byok.within(Some(interval), day).json();
    let fields = json!({
        "limit": limit.map(PicoDollars::json),
        "limit_remaining": limit.map(|limit| limit.minus(spent.within(reset, day)).json()),
        "include_byok_in_limit": false,
        "usage": spent.total.json(),
        "usage_daily": within(ResetInterval::Daily),
        "usage_weekly": within(ResetInterval::Weekly),
        "usage_monthly": within(ResetInterval::Monthly),
        "byok_usage": byok.total.json(),
        "byok_usage_daily": byok_within(ResetInterval::Daily),
        "byok_usage_weekly": byok_within(ResetInterval::Weekly),
        "byok_usage_monthly": byok_within(ResetInterval::Monthly),
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// How a key is shown: its last four characters.
fn label(key: &str) -> String {
    let tail: String = key.chars().skip(key.chars().count().saturating_sub(4)).collect();
    format!("sk-or-v1-sim...{tail}")
}

/// `GET /credits`.
pub(crate) fn credits(account: &Account) -> SimReply {
    let spent = account.keys.spent_dollars.plus(account.state.lock().spent.total);
    let total = account.keys.credits_dollars.unwrap_or(ENDLESS);
    SimReply::json(200, &json!({ "data": { "total_credits": total.json(), "total_usage": spent.json() } }))
}

/// `GET /keys`.
pub(crate) fn list(account: &Account, query: &Query<'_>, now: Duration) -> SimReply {
    let with_disabled = query.get("include_disabled").is_some_and(|value| value == "true");
    let mut state = account.state.lock();
    let managed = state.managed.clone();
    let listed = managed.iter().filter(|managed| with_disabled || !managed.terms.disabled);
    let page = listed.skip(query.number("offset").unwrap_or(0)).take(MOST_KEYS_A_PAGE);
    let data: Vec<Value> = page.map(|managed| shown(account, &mut state, managed, now)).collect();
    drop(state);
    SimReply::json(200, &json!({ "data": data }))
}

/// `POST /keys`.
pub(crate) fn create(account: &Account, body: &[u8], now: Duration) -> SimReply {
    let mut terms = KeyTerms::default();
    if let Err(message) = read_terms(body, &mut terms) {
        return wire_error::plain(400, &message);
    }
    if terms.name.is_empty() {
        return wire_error::plain(400, "name: Required");
    }
    let made = account.make_key(terms, now);
    let data = shown(account, &mut account.state.lock(), &made, now);
    SimReply::json(201, &json!({ "data": data, "key": made.key }))
}

/// `GET /keys/{hash}`.
pub(crate) fn get(account: &Account, hash: &str, now: Duration) -> SimReply {
    let mut state = account.state.lock();
    match state.managed.iter().find(|managed| managed.hash == hash).cloned() {
        Some(managed) => SimReply::json(200, &json!({ "data": shown(account, &mut state, &managed, now) })),
        None => not_found(),
    }
}

/// `PATCH /keys/{hash}`.
pub(crate) fn update(account: &Account, hash: &str, body: &[u8], now: Duration) -> SimReply {
    let mut state = account.state.lock();
    let Some(managed) = state.managed.iter_mut().find(|managed| managed.hash == hash) else {
        return not_found();
    };
    if let Err(message) = read_terms(body, &mut managed.terms) {
        return wire_error::plain(400, &message);
    }
    managed.updated_ms = Some(account.epoch_ms(now));
    let managed = managed.clone();
    SimReply::json(200, &json!({ "data": shown(account, &mut state, &managed, now) }))
}

/// `DELETE /keys/{hash}`.
pub(crate) fn delete(account: &Account, hash: &str) -> SimReply {
    if account.delete_key(hash) { SimReply::json(200, &json!({ "deleted": true })) } else { not_found() }
}

fn not_found() -> SimReply {
    wire_error::plain(404, "API key not found")
}

fn shown(account: &Account, state: &mut State, managed: &ManagedKey, now: Duration) -> Value {
    let day = account.day(now);
    let terms = &managed.terms;
    let used = key_state(state, &managed.key);
    let mut data = usage_fields(&used.spent, &used.byok, terms.limit, terms.reset, day);
    let more = json!({
        "hash": managed.hash,
        "name": terms.name,
        "label": label(&managed.key),
        "disabled": terms.disabled,
        "limit_reset": terms.reset.map(ResetInterval::name),
        "include_byok_in_limit": terms.include_byok,
        "created_at": timestamp(managed.created_ms),
        "updated_at": managed.updated_ms.map(timestamp),
        "expires_at": terms.expires_ms.map(timestamp),
        "last_used_at": used.last_used_ms.map(timestamp),
        "creator_user_id": null,
        "external_user": null,
        "workspace_id": WORKSPACE,
    });
    data.extend(more.as_object().cloned().unwrap_or_default());
    Value::Object(data)
}

const WORKSPACE: &str = "00000000-0000-4000-a000-000000000001";

/// Reads the terms that a body gives; those it does not give stay.
fn read_terms(body: &[u8], terms: &mut KeyTerms) -> Result<(), String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return Err("Invalid JSON in request body".to_owned());
    };
    let wrong = |name: &str, wanted: &str| format!("{name}: Invalid input: expected {wanted}");
    for (name, value) in &fields {
        match name.as_str() {
            "name" => terms.name = value.as_str().filter(|name| !name.is_empty()).ok_or_else(|| wrong(name, "string"))?.to_owned(),
            "disabled" => terms.disabled = value.as_bool().ok_or_else(|| wrong(name, "boolean"))?,
            "include_byok_in_limit" => terms.include_byok = value.as_bool().ok_or_else(|| wrong(name, "boolean"))?,
            "limit" if value.is_null() => terms.limit = None,
            "limit" => {
                let amount = value.as_f64().and_then(|amount| PicoDollars::parse(&amount.to_string()));
                terms.limit = Some(amount.ok_or_else(|| wrong(name, "a number of dollars"))?);
            }
            "limit_reset" if value.is_null() => terms.reset = None,
            "limit_reset" => {
                let interval = value.as_str().and_then(ResetInterval::named);
                terms.reset = Some(interval.ok_or_else(|| wrong(name, "one of \"daily\"|\"weekly\"|\"monthly\""))?);
            }
            "expires_at" if value.is_null() => terms.expires_ms = None,
            "expires_at" => {
                let expires = value.as_str().and_then(parse_timestamp);
                terms.expires_ms = Some(expires.ok_or_else(|| wrong(name, "a timestamp in UTC"))?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// `GET /activity`: the last thirty days that are over.
pub(crate) fn activity(account: &Account, catalog: &Catalog, query: &Query<'_>, now: Duration) -> SimReply {
    let today = account.day(now);
    let wanted_date = query.get("date");
    let wanted_key = query.get("api_key_hash");
    let state = account.state.lock();
    let mut rows: Vec<((u64, usize, &str), ActivityRow)> = Vec::new();
    for ((day, model, provider, key), row) in state.activity.range((today.saturating_sub(ACTIVITY_DAYS), 0, String::new(), String::new())..)
    {
        let wanted = *day < today
            && wanted_date.as_ref().is_none_or(|wanted| *wanted == date(*day))
            && wanted_key.as_ref().is_none_or(|wanted| *wanted == account.key_hash(key));
        if !wanted {
            continue;
        }
        // keys stand next to each other; a row is shown for all of them together
        let place = (*day, *model, provider.as_str());
        match rows.last_mut().filter(|(known, _)| *known == place) {
            Some((_, sum)) => {
                sum.requests += row.requests;
                sum.cost = sum.cost.plus(row.cost);
                sum.byok_cost = sum.byok_cost.plus(row.byok_cost);
                sum.prompt_tokens += row.prompt_tokens;
                sum.completion_tokens += row.completion_tokens;
                sum.reasoning_tokens += row.reasoning_tokens;
            }
            None => rows.push((place, *row)),
        }
    }
    let data: Vec<Value> = rows.iter().rev().map(|(place, row)| activity_row(*place, row, catalog)).collect();
    SimReply::json(200, &json!({ "data": data }))
}

fn activity_row((day, model, provider): (u64, usize, &str), row: &ActivityRow, catalog: &Catalog) -> Value {
    let model = catalog.models.get(model);
    let endpoint = hash(7, provider.as_bytes());
    json!({
        "date": date(day),
        "model": model.map(|model| model.id.as_str()),
        "model_permaslug": model.map(|model| model.permaslug.as_str()),
        "endpoint_id": format!("{:08x}-0000-4000-a000-{:012x}", endpoint >> 32, endpoint & 0xffff_ffff),
        "provider_name": provider,
        "usage": row.cost.json(),
        "byok_usage_inference": row.byok_cost.json(),
        "requests": row.requests,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "reasoning_tokens": row.reasoning_tokens,
    })
}
