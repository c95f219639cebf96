//! Lists of models: `/models`, `/models/user`, `/models/count` and `/embeddings/models`, with their filters, orders
//! and pages.

use std::cmp::Reverse;

use serde_json::{Value, json};

use crate::calendar::DAY_MS;
use crate::catalog::{Catalog, Endpoint, Kind, Model};
use crate::catalog_json::model_json;
use crate::money::PicoDollars;
use crate::query::Query;
use crate::reply::SimReply;
use crate::seed::{hash, mix};
use crate::wire_error;

const DEFAULT_PAGE: usize = 500;
const CATEGORIES: &[&str] = &[
    "programming",
    "roleplay",
    "marketing",
    "marketing/seo",
    "technology",
    "science",
    "translation",
    "legal",
    "finance",
    "health",
    "trivia",
    "academia",
];

/// A list of models; `path` is what its next page is called.
pub(crate) fn models(catalog: &Catalog, query: &Query<'_>, path: &str, epoch_ms: u64) -> SimReply {
    let mut found: Vec<&Model> = catalog.models.iter().filter(|model| wanted(model, query, epoch_ms)).collect();
    if let Some(category) = query.get("category")
        && !CATEGORIES.contains(&category.as_str())
    {
        return wire_error::plain(400, "category: Invalid option");
    }
    if let Some(order) = query.get("sort")
        && !sort(&mut found, &order)
    {
        return wire_error::plain(400, "sort: Invalid option");
    }
    let total = found.len();
    let (offset, limit) = (query.number("offset"), query.number("limit"));
    if limit.is_some_and(|limit| !(1..=1000).contains(&limit)) {
        return wire_error::plain(400, "limit: Invalid input: expected a number from 1 to 1000");
    }
    let paged = offset.is_some() || limit.is_some();
    let offset = offset.unwrap_or(0);
    let limit = if paged { limit.unwrap_or(DEFAULT_PAGE) } else { total.max(1) };
    let data: Vec<Value> = found.iter().skip(offset).take(limit).map(|model| model_json(model)).collect();
    let next = offset.saturating_add(limit);
    let next = (next < total).then(|| format!("{path}?{}offset={next}&limit={limit}", query.without(&["offset", "limit"])));
    let body = json!({ "data": data, "total_count": total, "links": { "next": next } });
    SimReply::json(200, &body).with_header("cache-control", "public, max-age=300")
}

/// `GET /embeddings/models`.
pub(crate) fn embedding_models(catalog: &Catalog, query: &Query<'_>) -> SimReply {
    let found: Vec<&Model> = catalog.models.iter().filter(|model| model.kind == Kind::Embeddings).collect();
    let page = found.iter().skip(query.number("offset").unwrap_or(0)).take(query.number("limit").unwrap_or(usize::MAX));
    let data: Vec<Value> = page.map(|model| model_json(model)).collect();
    SimReply::json(200, &json!({ "data": data, "total_count": found.len(), "links": { "next": null } }))
}

/// `GET /models/count`.
pub(crate) fn count(catalog: &Catalog, query: &Query<'_>, epoch_ms: u64) -> SimReply {
    let count = catalog.models.iter().filter(|model| wanted(model, query, epoch_ms)).count();
    SimReply::json(200, &json!({ "data": { "count": count } }))
}

/// Puts models in an order; false if there is none of that name.
fn sort(found: &mut [&Model], order: &str) -> bool {
    match order {
        "most-popular" | "top-weekly" => {}
        "newest" => found.sort_by_key(|model| Reverse(model.created)),
        "pricing-low-to-high" => found.sort_by_key(|model| listed_price(model, |endpoint| endpoint.prompt_price)),
        "pricing-high-to-low" => found.sort_by_key(|model| Reverse(listed_price(model, |endpoint| endpoint.prompt_price))),
        "context-high-to-low" => found.sort_by_key(|model| Reverse(model.context_length)),
        "throughput-high-to-low" => found.sort_by_key(|model| Reverse(best(model, |endpoint| Reverse(endpoint.tokens_per_second)))),
        "latency-low-to-high" => found.sort_by_key(|model| best(model, |endpoint| endpoint.latency_ms)),
        // no model here was ever measured: any order that stays will do
        "intelligence-high-to-low" | "coding-high-to-low" | "agentic-high-to-low" | "design-arena-elo-high-to-low" => {
            found.sort_by_key(|model| hash(1, model.id.as_bytes()));
        }
        _ => return false,
    }
    true
}

fn best<T: Ord>(model: &Model, by: impl Fn(&Endpoint) -> T) -> Option<T> {
    model.endpoints.iter().map(by).min()
}

fn wanted(model: &Model, query: &Query<'_>, epoch_ms: u64) -> bool {
    let output = query.get("output_modalities").unwrap_or_else(|| "text".to_owned());
    let any_of = |name: &str, fits: &dyn Fn(&str) -> bool| query.get(name).is_none_or(|names| names.split(',').any(fits));
    let all_of = |name: &str, fits: &dyn Fn(&str) -> bool| query.get(name).is_none_or(|names| names.split(',').all(fits));
    let any_endpoint = |fits: &dyn Fn(&Endpoint) -> bool| model.endpoints.iter().any(fits);
    let words = query.get("q").map(|words| words.to_lowercase());
    let age_days = epoch_ms.saturating_sub(model.created.saturating_mul(1_000)) / DAY_MS;
    let completion = listed_price(model, |endpoint| endpoint.completion_price);
    (output == "all" || output.split(',').any(|name| name == model.kind.output()))
        && all_of("supported_parameters", &|name| model.parameters().contains(&name))
        && all_of("input_modalities", &|name| name == "text" || (name == "image" && model.takes_images))
        && any_of("model_authors", &|author| model.id.split('/').next() == Some(author))
        && any_of("arch", &|name| model.tokenizer.eq_ignore_ascii_case(name))
        && any_of("providers", &|slug| any_endpoint(&|endpoint| endpoint.slug == slug))
        && any_of("category", &|category| in_category(model, category))
        && words.is_none_or(|words| model.id.to_lowercase().contains(&words) || model.name.to_lowercase().contains(&words))
        && (query.get("zdr").as_deref() != Some("true") || any_endpoint(&|endpoint| endpoint.zero_data_retention))
        && query.number("context").is_none_or(|least| model.context_length >= least as u64)
        && query.number("min_age_days").is_none_or(|least| age_days >= least as u64)
        && query.number("max_age_days").is_none_or(|most| age_days <= most as u64)
        && in_bounds(query, ("min_price", "max_price"), listed_price(model, |endpoint| endpoint.prompt_price))
        && in_bounds(query, ("min_output_price", "max_output_price"), completion)
}

/// Whether a price for a million tokens lies between the bounds of a query.
fn in_bounds(query: &Query<'_>, (least, most): (&str, &str), price: PicoDollars) -> bool {
    let bound = |name: &str| query.get(name).and_then(|text| PicoDollars::parse(&text));
    let million = price.times(1_000_000);
    bound(least).is_none_or(|least| million >= least) && bound(most).is_none_or(|most| million <= most)
}

/// Every model is among the models of some categories, always the same ones.
fn in_category(model: &Model, category: &str) -> bool {
    !mix(hash(2, model.id.as_bytes()) ^ hash(3, category.as_bytes())).is_multiple_of(3)
}

/// A price as the model's entry shows it: that of its first endpoint.
fn listed_price(model: &Model, price: impl Fn(&Endpoint) -> PicoDollars) -> PicoDollars {
    model.endpoints.first().map(price).unwrap_or_default()
}
