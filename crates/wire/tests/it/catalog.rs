//! The catalog: fields of models and endpoints that decisions need, prices in every notation, and lists with odd entries.

use std::time::Duration;

use corsac_wire::Usd;
use corsac_wire::catalog::{
    Endpoint, EndpointList, EndpointsReply, Model, ModelList, PriceOverride, Pricing, ProviderList, ToolChoiceSupport, UtcTime,
};
use corsac_wire::{Percentiles, Reply, Usage};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::samples::{sample, samples};

fn read<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&sample(name).body).unwrap()
}

fn usd(text: &str) -> Option<Usd> {
    Some(Usd::parse(text).unwrap())
}

fn pricing(value: Value) -> Pricing {
    serde_json::from_value(value).unwrap()
}

fn endpoint(value: Value) -> Endpoint {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_model_with_all_a_decision_needs() {
    let list: ModelList = read("models_list");
    let model = |id: &str| list.data.iter().find(|model| model.id == id).unwrap();
    let mini = model("openai/gpt-4o-mini");
    assert_eq!((mini.context_length, mini.top_provider.max_completion_tokens), (Some(128_000), Some(16_384)));
    assert_eq!(mini.architecture.input_modalities, ["text", "image", "file"]);
    assert_eq!((mini.pricing.prompt, mini.pricing.input_cache_read), (usd("0.00000015"), usd("0.000000075")));
    assert!(mini.is_moderated() && mini.supports("structured_outputs") && !mini.supports("reasoning"));
    assert_eq!(mini.reasoning, None);
    let reasoning: Vec<&Model> = list.data.iter().filter(|model| model.reasoning.is_some()).collect();
    assert!(reasoning.iter().any(|model| model.reasoning.as_ref().is_some_and(|support| support.mandatory)), "some always reason");
    assert!(reasoning.iter().any(|model| model.reasoning.as_ref().is_some_and(|support| support.supported_efforts.is_some())));
    assert!(list.data.iter().any(|model| model.pricing.prompt.is_none()), "a router's price varies");
    assert!(list.data.iter().any(Model::is_free));
}

#[test]
fn pages_of_a_list() {
    let page: ModelList = read("models_list_page");
    assert_eq!((page.data.len(), page.total_count, page.links.next.as_deref()), (2, Some(24), Some("/api/v1/models?offset=2&limit=2")));
    assert_eq!(read::<ModelList>("embeddings_models").links.next, None);
    let single: Model = Reply::data(200, &sample("model_single").body).unwrap();
    assert_eq!(single.id, "openai/gpt-4o-mini");
}

#[test]
fn an_endpoint_with_all_a_decision_needs() {
    let reply: EndpointsReply = read("endpoints_open_weight");
    let first = &reply.data.endpoints[0];
    assert_eq!(
        (first.tag.as_deref(), first.slug(), first.quantization.as_deref()),
        (Some("deepinfra/turbo"), Some("deepinfra"), Some("fp8"))
    );
    assert_eq!(
        (first.status, first.uptime_last_5m, first.uptime_last_30m, first.uptime_last_1d),
        (Some(0), Some(99.7), Some(99.7), Some(99.7))
    );
    assert_eq!((first.latency(), first.throughput()), (Some(Duration::from_millis(420)), Some(41.0)));
    assert_eq!(first.throughput_last_30m.unwrap().p99, Some(9.1));
    assert_eq!(first.supports_tool_choice, Some(ToolChoiceSupport { none: true, auto: true, required: true, function: true }));
    assert_eq!(first.pricing.discount, Some(0.0));
    let public: EndpointsReply = read("endpoints_unauthenticated");
    assert!(public.data.endpoints.iter().all(|one| one.latency().is_none() && one.throughput().is_none()), "not told without a key");
    let zdr: EndpointList = read("endpoints_zdr");
    assert_eq!(zdr.data.iter().map(|one| one.supports_tool_choice.unwrap().required).collect::<Vec<_>>(), [true, false]);
    assert!(zdr.data.iter().all(|one| one.model_id.as_deref() == Some("meta-llama/llama-3.3-70b-instruct")));
}

#[test]
fn what_is_kept_on_disk_reads_back_as_the_same() {
    let again = |model: &Model| serde_json::from_str::<Model>(&serde_json::to_string(model).unwrap()).unwrap();
    let mut list: ModelList = read("models_list");
    let odd = json!({"id": "a/m", "pricing": {"prompt": "1e-7", "completion": 0.5, "image": "-1", "discount": 0.25, "overrides": [
        {"min_prompt_tokens": 200000, "prompt": "2e-7"}, {"utc_start": 1630, "utc_end": 30, "utc_days": ["Monday"], "completion": "0.1"}]}});
    list.data.push(serde_json::from_value(odd).unwrap());
    assert_eq!(list.data.last().unwrap().price_overrides.len(), 2);
    for model in &list.data {
        assert_eq!(&again(model), model);
    }
    for sample in samples("endpoints_").iter().filter(|sample| sample.name != "endpoints_zdr") {
        let reply: EndpointsReply = serde_json::from_slice(&sample.body).unwrap();
        let written = serde_json::to_string(&reply).unwrap();
        assert_eq!(serde_json::from_str::<EndpointsReply>(&written).unwrap().data, reply.data, "{}", sample.name);
    }
}

#[test]
fn prices_in_every_notation() {
    let price = |value: Value| pricing(json!({"prompt": value})).prompt;
    for same in [json!("0.0000015"), json!("1.5e-6"), json!("1.5E-06"), json!(1.5e-6), json!("+0.0000015"), json!(" 0.00000150 ")] {
        assert_eq!(price(same.clone()), usd("0.0000015"), "{same}");
    }
    for unknown in [json!("-1"), json!(-1), json!(null), json!("free"), json!(""), json!([]), json!({}), json!("1e99"), json!("NaN")] {
        assert_eq!(price(unknown.clone()), None, "{unknown}");
    }
    assert_eq!(price(json!("0")), Some(Usd::ZERO));
    assert_eq!(pricing(json!({"prompt": "1e-6", "completion": "-1"})).cost(1, 1), None, "a price that varies gives no sum");
}

#[test]
fn every_price_has_its_field() {
    let keys = [
        "prompt",
        "completion",
        "request",
        "image",
        "image_output",
        "image_token",
        "audio",
        "audio_output",
        "web_search",
        "internal_reasoning",
        "input_cache_read",
        "input_cache_write",
        "input_cache_write_1h",
    ];
    let all: Value =
        keys.iter().enumerate().map(|(n, key)| ((*key).to_owned(), json!(n.to_string()))).collect::<serde_json::Map<_, _>>().into();
    let read = pricing(all.clone());
    assert_eq!(serde_json::to_value(read).unwrap(), all, "each read and written under its own name");
}

#[test]
fn conditions_of_prices() {
    let noon_on_monday = UtcTime { clock: 1_200, weekday: 0 };
    let applies = |value: Value, tokens: u64, at: UtcTime| serde_json::from_value::<PriceOverride>(value).unwrap().applies(tokens, at);
    let long = json!({"min_prompt_tokens": 200_000});
    assert!(!applies(long.clone(), 200_000, noon_on_monday) && applies(long, 200_001, noon_on_monday), "more than, not as many as");
    let at = |clock: u64| UtcTime { clock, weekday: 6 };
    let day = json!({"utc_start": 900, "utc_end": 1_700.0});
    assert_eq!([859, 900, 1_659, 1_700].map(|clock| applies(day.clone(), 0, at(clock))), [false, true, true, false]);
    let night = json!({"utc_start": 1_630, "utc_end": 30});
    assert_eq!([29, 30, 1_629, 1_630, 2_359].map(|clock| applies(night.clone(), 0, at(clock))), [true, false, false, true, true]);
    let days = json!({"utc_days": ["Saturday", "sun"]});
    assert!(applies(days.clone(), 0, at(0)) && !applies(days.clone(), 0, noon_on_monday));
    let all = json!({"utc_days": ["sunday"], "utc_start": 0, "min_prompt_tokens": 5});
    assert!(applies(all.clone(), 6, at(0)) && !applies(all, 5, at(0)), "all must be met");
}

#[test]
fn a_moment_of_the_week() {
    assert_eq!(UtcTime::of_epoch_ms(0), UtcTime { clock: 0, weekday: 3 });
    // Sunday, 22 November 2026, 08:15:59
    assert_eq!(UtcTime::of_epoch_ms(1_795_335_359_000), UtcTime { clock: 815, weekday: 6 });
    assert_eq!(UtcTime::of_epoch_ms(-1), UtcTime { clock: 2_359, weekday: 2 });
    assert!(UtcTime::of_epoch_ms(i64::MIN).weekday < 7 && UtcTime::of_epoch_ms(i64::MAX).weekday < 7);
}

#[test]
fn prices_under_conditions() {
    let model: Model = serde_json::from_value(json!({"id": "a/m", "pricing": {"prompt": "2", "completion": "10", "input_cache_read": "1", "overrides": [
        {"min_prompt_tokens": 100, "prompt": "4", "completion": "15"}, {"min_prompt_tokens": 50, "prompt": "3"}, {"utc_start": 0, "utc_end": 600, "completion": "1", "input_cache_write": "9"}]}}))
    .unwrap();
    let at = |tokens: u64, clock: u64| {
        let prices = model.pricing.at(&model.price_overrides, tokens, UtcTime { clock, weekday: 0 });
        (prices.prompt, prices.completion)
    };
    assert_eq!(at(50, 1_200), (usd("2"), usd("10")));
    assert_eq!(at(51, 1_200), (usd("3"), usd("10")), "what is not named keeps its price");
    assert_eq!(at(101, 1_200), (usd("3"), usd("15")), "the last that applies counts, price by price");
    assert_eq!(at(101, 559), (usd("3"), usd("1")));
    let highest = model.pricing.highest(&model.price_overrides);
    assert_eq!((highest.prompt, highest.completion, highest.input_cache_read), (usd("4"), usd("15"), usd("1")));
    assert_eq!(highest.input_cache_write, None, "it costs as much as a prompt token, which may be more");
    let unknown = Pricing::default().highest(&model.price_overrides);
    assert_eq!(unknown.prompt, None, "what is unknown is not known by a condition");
}

#[test]
fn the_cost_of_usage_counts_the_cache() {
    let usage: Usage = serde_json::from_value(json!({"prompt_tokens": 100, "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30}, "server_tool_use": {"web_search_requests": 2}}))
    .unwrap();
    let cost = |value: Value| pricing(value).cost_of(&usage);
    assert_eq!(cost(json!({"prompt": "1", "completion": "5"})), usd("150"), "no price of its own: like any prompt token");
    let all = json!({"prompt": "1", "completion": "5", "request": "0.5", "input_cache_read": "0.1", "input_cache_write": "1.25", "web_search": "7"});
    assert_eq!(cost(all), usd("118"));
    assert_eq!(cost(json!({"prompt": "1"})), None);
    let absurd = Usage { prompt_tokens: 10, ..usage };
    assert_eq!(
        pricing(json!({"prompt": "1", "completion": "0", "input_cache_read": "0"})).cost_of(&absurd),
        usd("0"),
        "more cached than read"
    );
}

#[test]
fn speeds_in_every_shape() {
    let latency = |value: Value| endpoint(json!({"latency_last_30m": value})).latency_last_30m;
    assert_eq!(latency(json!(420)), Some(Percentiles { p50: Some(420.0), ..Percentiles::default() }));
    assert_eq!(
        latency(json!({"p50": "0.25", "p90": 1, "p95": 2})),
        Some(Percentiles { p50: Some(0.25), p90: Some(1.0), ..Percentiles::default() })
    );
    for none in [json!(null), json!({}), json!([]), json!("soon"), json!({"p50": null})] {
        assert_eq!(latency(none.clone()), None, "{none}");
    }
    let time = |value: Value| endpoint(json!({"latency_last_30m": value})).latency();
    assert_eq!((time(json!(0.25)), time(json!(250))), (Some(Duration::from_millis(250)), Some(Duration::from_millis(250))));
    assert_eq!((time(json!(-1)), time(json!(1e300))), (None, None));
}

#[test]
fn one_odd_field_or_entry_costs_itself_alone() {
    let list: ModelList = serde_json::from_value(json!({"total_count": "2", "links": null, "data": [
        null, 7, {"name": "no id"}, {"id": ""}, {"id": 3},
        {"id": "a/m", "context_length": "8192", "pricing": "cheap", "supported_parameters": ["tools", 1, null], "top_provider": null,
         "architecture": [], "reasoning": {"mandatory": "yes", "supported_efforts": "high"}, "created": "now", "expiration_date": 0, "surprise": {}},
        {"id": "b/n", "context_length": 4096.0, "default_parameters": null},
    ]}))
    .unwrap();
    assert_eq!(list.data.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["a/m", "b/n"]);
    let odd = &list.data[0];
    assert_eq!(
        (odd.context_length, odd.pricing, odd.supported_parameters.as_slice()),
        (Some(8_192), Pricing::default(), &["tools".to_owned()][..])
    );
    assert_eq!((list.data[1].context_length, list.total_count), (Some(4_096), Some(2)));
    let odd =
        endpoint(json!({"provider_name": 1, "uptime_last_1d": "99.5", "uptime_last_5m": 101, "status": "0", "max_completion_tokens": -1}));
    assert_eq!((odd.provider_name.as_str(), odd.uptime_last_1d, odd.uptime_last_5m), ("", Some(99.5), None));
    assert_eq!((odd.status, odd.max_completion_tokens, odd.slug()), (None, None, None));
    assert_eq!(serde_json::from_str::<ModelList>(r#"{"data":{"x":1}}"#).unwrap().data, []);
}

#[test]
fn names_and_slugs_of_providers() {
    let list: ProviderList = read("providers");
    assert_eq!((list.slug("Amazon Bedrock"), list.slug("google")), (Some("amazon-bedrock"), Some("google-vertex")));
    assert_eq!((list.name("deepinfra/turbo"), list.name("nobody")), (Some("DeepInfra"), None));
    let bedrock = list.data.iter().find(|provider| provider.slug == "amazon-bedrock").unwrap();
    assert_eq!((bedrock.headquarters.as_deref(), bedrock.datacenters.as_slice()), (Some("US"), &["US".to_owned(), "DE".to_owned()][..]));
}
