//! A catalog of any bytes: what is read is written so that it reads back as the same, and prices are never negative.
//!
//! Run by a property test of this crate and by a fuzz target.

use corsac_wire::Usd;
use corsac_wire::catalog::{Endpoint, EndpointList, EndpointsReply, Model, ModelList, PriceOverride, Pricing, ProviderList, UtcTime};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes are read as each kind of list there is.
pub(crate) fn run(data: &[u8]) {
    if let Ok(list) = serde_json::from_slice::<ModelList>(data) {
        list.data.iter().for_each(judge_model);
    }
    if let Ok(list) = serde_json::from_slice::<EndpointList>(data) {
        list.data.iter().for_each(judge_endpoint);
    }
    if let Ok(reply) = serde_json::from_slice::<EndpointsReply>(data) {
        reply.data.endpoints.iter().for_each(judge_endpoint);
    }
    if let Ok(list) = serde_json::from_slice::<ProviderList>(data) {
        let found = list.data.iter().all(|provider| list.slug(&provider.name).is_some());
        assert!(found, "a name that is listed has a slug");
    }
}

fn judge_model(model: &Model) {
    assert!(!model.id.is_empty(), "a model has an id");
    // a number with a fraction may lose its last bit on the way; nothing else may change
    let exact = |model: &Model| Model {
        pricing: without_fraction(model.pricing),
        price_overrides: overrides(&model.price_overrides),
        default_parameters: serde_json::Map::new(),
        ..model.clone()
    };
    assert_eq!(exact(&again(model)), exact(model));
    judge_prices(model.pricing, &model.price_overrides);
}

fn judge_endpoint(endpoint: &Endpoint) {
    let exact = |endpoint: &Endpoint| Endpoint {
        pricing: without_fraction(endpoint.pricing),
        price_overrides: overrides(&endpoint.price_overrides),
        uptime_last_5m: None,
        uptime_last_30m: None,
        uptime_last_1d: None,
        latency_last_30m: None,
        throughput_last_30m: None,
        ..endpoint.clone()
    };
    assert_eq!(exact(&again(endpoint)), exact(endpoint));
    let percent = [endpoint.uptime_last_5m, endpoint.uptime_last_30m, endpoint.uptime_last_1d];
    assert!(percent.iter().flatten().all(|percent| (0.0..=100.0).contains(percent)));
    let _ = (endpoint.latency(), endpoint.throughput(), endpoint.slug());
    judge_prices(endpoint.pricing, &endpoint.price_overrides);
}

fn judge_prices(pricing: Pricing, overrides: &[PriceOverride]) {
    let highest = pricing.highest(overrides);
    for (tokens, epoch_ms) in [(0, 0), (150_000, 1_800_000_000_000), (u64::MAX, -1)] {
        let now = pricing.at(overrides, tokens, UtcTime::of_epoch_ms(epoch_ms));
        for (price, bound) in [(now.prompt, highest.prompt), (now.completion, highest.completion)] {
            assert!(price.is_none_or(|price| price >= Usd::ZERO), "a price is not negative");
            assert!(bound.is_none_or(|bound| price.is_some_and(|price| price <= bound)), "no condition makes it dearer than the highest");
        }
        let _ = now.cost(tokens, tokens);
    }
}

fn overrides(all: &[PriceOverride]) -> Vec<PriceOverride> {
    all.iter().map(|one| PriceOverride { pricing: without_fraction(one.pricing), ..one.clone() }).collect()
}

fn without_fraction(pricing: Pricing) -> Pricing {
    Pricing { discount: None, ..pricing }
}

fn again<T: Serialize + DeserializeOwned + Clone>(value: &T) -> T {
    let written = serde_json::to_vec(value).unwrap_or_default();
    match serde_json::from_slice(&written) {
        Ok(read) => read,
        Err(error) => panic!("what was written is not read: {error}: {}", String::from_utf8_lossy(&written)),
    }
}
