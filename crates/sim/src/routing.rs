//! Which endpoints of a model may serve a request, and in which order they are tried.

use serde_json::Value;

use crate::catalog::{Endpoint, Found, Model, Reasoning, Variant};
use crate::chat_request::{ChatRequest, ProviderPreferences, ReasoningWish, Shape, ToolUse};
use crate::money::PicoDollars;
use crate::reply::SimReply;
use crate::seed::Draw;
use crate::wire_error::{self, Funnel};

const PRIVACY: &str = "https://openrouter.ai/settings/privacy";

/// The tokens a request needs, estimated before it is sent anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) text_tokens: u64,
    pub(crate) tool_tokens: u64,
    pub(crate) max_tokens: Option<u64>,
}

/// The endpoints left, best first; or the reply that says why none is.
pub(crate) fn route<'a>(
    found: Found<'a>,
    request: &ChatRequest<'_>,
    need: Need,
    mut draw: Draw,
) -> Result<Vec<&'a Endpoint>, Box<SimReply>> {
    let mut funnel = Funnel::new(found.model.endpoints.len());
    let left = by_preferences(found, &request.preferences, request.service_tier.as_deref(), &mut funnel)?;
    let left = by_request(found.model, left, request, need, &mut funnel)?;
    Ok(order(left, found.variant, request, &mut draw))
}

/// The endpoints left for a request that is no chat, best first.
pub(crate) fn route_plain<'a>(
    found: Found<'a>,
    preferences: &ProviderPreferences,
    longest_input: u64,
    mut draw: Draw,
) -> Result<Vec<&'a Endpoint>, Box<SimReply>> {
    let mut funnel = Funnel::new(found.model.endpoints.len());
    let mut left = by_preferences(found, preferences, None, &mut funnel)?;
    let longest = left.iter().map(|endpoint| endpoint.context_length).max().unwrap_or(0);
    left.retain(|endpoint| longest_input <= endpoint.context_length);
    if left.is_empty() {
        return Err(Box::new(wire_error::context_length(longest, longest_input, 0, 0)));
    }
    let mut left = sorted(left, found.variant, preferences, &mut draw);
    put_in_order(&mut left, preferences);
    Ok(left)
}

fn by_preferences<'a>(
    found: Found<'a>,
    preferences: &ProviderPreferences,
    tier: Option<&str>,
    funnel: &mut Funnel,
) -> Result<Vec<&'a Endpoint>, Box<SimReply>> {
    let model = found.model;
    let mut left: Vec<&Endpoint> = model.endpoints.iter().filter(|endpoint| in_tier(endpoint, found.variant, preferences, tier)).collect();
    let slugs: Vec<&str> = left.iter().map(|endpoint| endpoint.slug.as_str()).collect();

    if let Some(only) = &preferences.only {
        left.retain(|endpoint| only.iter().any(|name| names(name, endpoint)));
        funnel.step("Filter by Allowed Providers", left.len());
        if left.is_empty() {
            return Err(Box::new(wire_error::allowed_providers(&model.id, &slugs, only, funnel)));
        }
    }
    if let Some(ignore) = &preferences.ignore {
        left.retain(|endpoint| !ignore.iter().any(|name| names(name, endpoint)));
        funnel.step("Filter by Ignored Providers", left.len());
        if left.is_empty() {
            let message = format!("No endpoints found for {}: every provider is on the ignore list.", model.id);
            return Err(Box::new(wire_error::routed_out(&message, funnel)));
        }
    }
    if let Some(order) = &preferences.order
        && preferences.allow_fallbacks == Some(false)
    {
        left.retain(|endpoint| order.iter().any(|name| names(name, endpoint)));
        funnel.step("Filter by Provider Order", left.len());
        if left.is_empty() {
            let message = format!("No endpoints found for the request with manual order: {}.", order.join(", "));
            return Err(Box::new(wire_error::routed_out(&message, funnel)));
        }
    }
    keep_private(&mut left, preferences, funnel)?;
    if let Some(quantizations) = &preferences.quantizations {
        left.retain(|endpoint| quantizations.contains(&endpoint.quantization));
        funnel.step("Filter by Quantization", left.len());
        if left.is_empty() {
            return Err(Box::new(wire_error::quantization_filtered(&model.id, &slugs, funnel)));
        }
    }
    if let Some(max_price) = &preferences.max_price {
        let bound = |name: &str| max_price.get(name).and_then(dollars);
        let (prompt, completion) = (bound("prompt"), bound("completion"));
        left.retain(|endpoint| {
            prompt.is_none_or(|most| endpoint.prompt_price.times(1_000_000) <= most)
                && completion.is_none_or(|most| endpoint.completion_price.times(1_000_000) <= most)
        });
        funnel.step("Filter by Price", left.len());
        if left.is_empty() {
            return Err(Box::new(wire_error::price_filtered(&model.id, &slugs, funnel)));
        }
    }
    Ok(left)
}

/// Whether an endpoint's service tier is the one that is asked for; those without a tier serve everyone.
fn in_tier(endpoint: &Endpoint, variant: Variant, preferences: &ProviderPreferences, wanted: Option<&str>) -> bool {
    let wanted = wanted.map(|tier| if tier == "fast" { "priority" } else { tier });
    let Some(tier) = endpoint.tier() else {
        // flex never falls back to the ordinary tier
        return wanted != Some("flex");
    };
    let named = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|names| names.contains(&endpoint.tag));
    let by_variant = matches!((variant, tier), (Variant::Nitro, "priority") | (Variant::Floor, "flex"));
    wanted == Some(tier) || by_variant || named(&preferences.only) || named(&preferences.order)
}

fn by_request<'a>(
    model: &Model,
    mut left: Vec<&'a Endpoint>,
    request: &ChatRequest<'_>,
    need: Need,
    funnel: &mut Funnel,
) -> Result<Vec<&'a Endpoint>, Box<SimReply>> {
    if request.talk.has_images && !model.takes_images {
        funnel.step("Filter by Image Support", 0);
        return Err(Box::new(wire_error::routed_out("No endpoints found that support image input", funnel)));
    }
    if request.tool_use != ToolUse::Never {
        left.retain(|endpoint| endpoint.supports("tools"));
        funnel.step("Filter by Tool Compatibility", left.len());
        if left.is_empty() {
            let tool = request.tools.first().map_or("tools", |tool| tool.name.as_ref());
            return Err(Box::new(wire_error::no_tool_use(tool, funnel)));
        }
    }
    if matches!(request.tool_use, ToolUse::Some | ToolUse::Named(_)) {
        left.retain(|endpoint| endpoint.supports("tool_choice"));
        funnel.step("Filter by Tool Choice", left.len());
        if left.is_empty() {
            return Err(Box::new(wire_error::no_tool_choice(funnel)));
        }
    }
    if request.preferences.require_parameters == Some(true) {
        let slugs: Vec<&str> = left.iter().map(|endpoint| endpoint.slug.as_str()).collect();
        left.retain(|endpoint| request.parameters.iter().all(|name| takes(endpoint, name)));
        funnel.step("Filter by Parameters", left.len());
        if left.is_empty() {
            return Err(Box::new(wire_error::parameters_filtered(&model.id, &slugs, funnel)));
        }
    }
    if model.reasoning == Reasoning::Mandatory && request.reasoning == ReasoningWish::Off {
        let message = "Reasoning is mandatory for this endpoint and cannot be disabled.";
        return Err(Box::new(wire_error::plain(400, message)));
    }
    keep_long_enough(&mut left, model, need, funnel)?;
    Ok(left)
}

fn keep_private(left: &mut Vec<&Endpoint>, wishes: &ProviderPreferences, funnel: &mut Funnel) -> Result<(), Box<SimReply>> {
    if wishes.data_collection.as_deref() != Some("deny") && wishes.zdr != Some(true) {
        return Ok(());
    }
    if wishes.data_collection.as_deref() == Some("deny") {
        left.retain(|endpoint| !endpoint.trains_on_data);
    }
    if wishes.zdr == Some(true) {
        left.retain(|endpoint| endpoint.zero_data_retention);
    }
    funnel.step("Filter by Data Policy", left.len());
    if !left.is_empty() {
        return Ok(());
    }
    let policy = if wishes.zdr == Some(true) { "Zero data retention" } else { "Paid model training" };
    let message = format!("No endpoints found matching your data policy ({policy}). Configure: {PRIVACY}");
    Err(Box::new(wire_error::routed_out(&message, funnel)))
}

fn keep_long_enough(left: &mut Vec<&Endpoint>, model: &Model, need: Need, funnel: &mut Funnel) -> Result<(), Box<SimReply>> {
    let input = need.text_tokens + need.tool_tokens;
    let output = need.max_tokens.unwrap_or(0);
    let longest = left.iter().map(|endpoint| endpoint.context_length).max().unwrap_or(model.context_length);
    left.retain(|endpoint| input.saturating_add(output) <= endpoint.context_length);
    funnel.step("Filter by Context Length", left.len());
    if left.is_empty() {
        return Err(Box::new(wire_error::context_length(longest, need.text_tokens, need.tool_tokens, output)));
    }
    left.retain(|endpoint| endpoint.max_completion_tokens.is_none_or(|most| output <= most));
    funnel.step("Filter by Max Tokens", left.len());
    if left.is_empty() {
        let message = format!("No endpoints found for {} that can emit {output} tokens.", model.id);
        return Err(Box::new(wire_error::routed_out(&message, funnel)));
    }
    Ok(())
}

/// Whether a name of a request means this endpoint: its tag, its provider's slug or its provider's display name. A
/// service tier is meant by its tag only.
fn names(name: &str, endpoint: &Endpoint) -> bool {
    let by_provider = name == endpoint.slug || name.eq_ignore_ascii_case(&endpoint.provider);
    name == endpoint.tag || (by_provider && endpoint.tier().is_none())
}

fn takes(endpoint: &Endpoint, parameter: &str) -> bool {
    match parameter {
        "max_tokens" | "max_completion_tokens" => endpoint.supports("max_tokens") || endpoint.supports("max_completion_tokens"),
        name => endpoint.supports(name),
    }
}

/// An amount of dollars written as a number or as a text.
fn dollars(value: &Value) -> Option<PicoDollars> {
    match value {
        Value::String(text) => PicoDollars::parse(text),
        Value::Number(number) => PicoDollars::parse(&number.to_string()),
        _ => None,
    }
}

fn order<'a>(left: Vec<&'a Endpoint>, variant: Variant, request: &ChatRequest<'_>, draw: &mut Draw) -> Vec<&'a Endpoint> {
    let preferences = &request.preferences;
    let mut left = sorted(left, variant, preferences, draw);
    // soft wishes: endpoints that know a field come first, the others stay as fallbacks
    if left.len() > 1 && request.has_verbosity {
        left.sort_by_key(|endpoint| !endpoint.supports("verbosity"));
    }
    if left.len() > 1 && !matches!(request.shape, Shape::Text) {
        let wanted = if matches!(request.shape, Shape::Object) { "response_format" } else { "structured_outputs" };
        left.sort_by_key(|endpoint| !endpoint.supports(wanted));
    }
    put_in_order(&mut left, preferences);
    left
}

fn put_in_order(left: &mut [&Endpoint], preferences: &ProviderPreferences) {
    if let Some(order) = &preferences.order {
        left.sort_by_key(|endpoint| order.iter().position(|name| names(name, endpoint)).unwrap_or(usize::MAX));
    }
}

fn sorted<'a>(mut left: Vec<&'a Endpoint>, variant: Variant, preferences: &ProviderPreferences, draw: &mut Draw) -> Vec<&'a Endpoint> {
    let sort = preferences.sort.as_ref().and_then(|sort| sort.as_str().or_else(|| sort.get("by")?.as_str()));
    match (sort, variant) {
        (Some("price"), _) | (None, Variant::Floor) => {
            left.sort_by_key(|endpoint| endpoint.prompt_price.plus(endpoint.completion_price));
        }
        (Some("throughput"), _) | (None, Variant::Nitro) => {
            left.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.tokens_per_second));
        }
        (Some("latency" | "exacto"), _) | (None, Variant::Exacto) => left.sort_by_key(|endpoint| endpoint.latency_ms),
        _ if left.len() > 1 => left = by_weight(left, draw),
        _ => {}
    }
    if let Some(least) = preferences.preferred_min_throughput.as_ref().and_then(median) {
        left.sort_by_key(|endpoint| f64::from(endpoint.tokens_per_second) < least);
    }
    if let Some(most_s) = preferences.preferred_max_latency.as_ref().and_then(median) {
        left.sort_by_key(|endpoint| f64::from(endpoint.latency_ms) / 1_000.0 > most_s);
    }
    left
}

/// A wish for the median, written as a number or beside other percentiles.
fn median(wish: &Value) -> Option<f64> {
    wish.as_f64().or_else(|| wish.get("p50")?.as_f64())
}

/// Drawn one after the other, the cheap ones likelier by the inverse square of their price.
fn by_weight<'a>(mut left: Vec<&'a Endpoint>, draw: &mut Draw) -> Vec<&'a Endpoint> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let weights = left.iter().map(|endpoint| weight(endpoint));
        let mut point = draw.fraction() * weights.clone().sum::<f64>();
        let chosen = weights.enumerate().find_map(|(index, weight)| {
            point -= weight;
            (point < 0.0).then_some(index)
        });
        ordered.push(left.remove(chosen.unwrap_or(left.len() - 1)));
    }
    ordered
}

fn weight(endpoint: &Endpoint) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a weight need not be exact")]
    let price = endpoint.prompt_price.plus(endpoint.completion_price).0.max(1) as f64;
    1.0 / (price * price)
}

#[cfg(test)]
mod tests {
    use super::{Need, route};
    use crate::catalog::Catalog;
    use crate::chat_request::ChatRequest;
    use crate::config::SimConfig;
    use crate::seed::Draw;

    fn tags(model: &str, extra: &str) -> Result<Vec<String>, String> {
        let catalog = Catalog::new(&SimConfig::default());
        let body = format!(r#"{{"messages":[{{"role":"user","content":"x"}}]{extra}}}"#);
        let request = ChatRequest::read(body.as_bytes()).unwrap();
        let need = Need { text_tokens: 10, tool_tokens: 0, max_tokens: request.max_tokens };
        let found = catalog.find(model).unwrap();
        match route(found, &request, need, Draw::new(3)) {
            Ok(endpoints) => Ok(endpoints.iter().map(|endpoint| endpoint.tag.clone()).collect()),
            Err(reply) => Err(String::from_utf8(reply.body_bytes()).unwrap()),
        }
    }

    const LLAMA: &str = "meta-llama/llama-3.3-70b-instruct";
    const SCHEMA: &str = r#","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}"#;

    #[test]
    fn required_parameters_filter_by_endpoint() {
        let left = tags(LLAMA, &format!(r#"{SCHEMA},"provider":{{"require_parameters":true,"sort":"price"}}"#)).unwrap();
        assert_eq!(left, ["deepinfra/turbo", "together"]);
        let none = tags("anthropic/claude-3-haiku", &format!(r#"{SCHEMA},"provider":{{"require_parameters":true}}"#));
        let none: serde_json::Value = serde_json::from_str(&none.unwrap_err()).unwrap();
        let error = &none["error"];
        assert!(error["message"].as_str().unwrap().contains("No endpoints found that can handle the requested parameters"));
        assert_eq!(error["metadata"]["failed_routing_step"], "Filter by Parameters");
        assert_eq!(
            error["metadata"]["routing_funnel"],
            serde_json::json!([{ "step": "Initial Endpoints", "endpoint_count": 3 }, { "step": "Filter by Parameters", "endpoint_count": 0 }])
        );
    }

    #[test]
    fn a_schema_without_requirement_prefers_but_keeps_the_rest() {
        let left = tags(LLAMA, SCHEMA).unwrap();
        assert_eq!(left.len(), 5);
        assert!(left[..2].contains(&"together".to_owned()) && left[..2].contains(&"deepinfra/turbo".to_owned()));
    }

    #[test]
    fn only_ignore_order_and_sort() {
        assert_eq!(tags(LLAMA, r#","provider":{"only":["groq","Together"],"sort":"latency"}"#).unwrap(), ["groq", "together"]);
        assert_eq!(tags(LLAMA, r#","provider":{"order":["groq"]}"#).unwrap()[0], "groq");
        assert_eq!(tags(LLAMA, r#","provider":{"order":["groq"],"allow_fallbacks":false}"#).unwrap(), ["groq"]);
        assert!(!tags(LLAMA, r#","provider":{"ignore":["deepinfra"]}"#).unwrap().contains(&"deepinfra/turbo".to_owned()));
        let error = tags("openai/gpt-4o-mini", r#","provider":{"only":["groq"]}"#).unwrap_err();
        assert!(error.contains("permits only: groq"), "{error}");
    }

    #[test]
    fn price_and_length_are_hard_filters() {
        let left = tags(LLAMA, r#","provider":{"max_price":{"prompt":0.1,"completion":"0.31"}}"#).unwrap();
        assert_eq!(left, ["chutes"]);
        assert!(tags(LLAMA, r#","provider":{"max_price":{"prompt":0.01}}"#).unwrap_err().contains("max_price"));
        assert_eq!(tags(LLAMA, r#","max_tokens":20000"#).unwrap(), ["groq"]);
        assert!(tags(LLAMA, r#","max_tokens":200000"#).unwrap_err().contains("maximum context length is 131072 tokens"));
    }

    #[test]
    fn soft_wishes_put_endpoints_last() {
        let left = tags(LLAMA, r#","provider":{"sort":"price","preferred_min_throughput":80}"#).unwrap();
        assert_eq!(left[..2], ["groq".to_owned(), "together".to_owned()]);
        let left = tags(LLAMA, r#","provider":{"sort":"price","preferred_max_latency":{"p50":0.5}}"#).unwrap();
        assert_eq!((left.len(), &left[..2]), (5, &["deepinfra/turbo".to_owned(), "groq".to_owned()][..]));
    }

    #[test]
    fn the_funnel_tells_every_step() {
        let none =
            tags(LLAMA, r#","provider":{"ignore":["groq"],"quantizations":["fp8","bf16"],"max_price":{"prompt":0.01}}"#).unwrap_err();
        let none: serde_json::Value = serde_json::from_str(&none).unwrap();
        let funnel: Vec<u64> = none["error"]["metadata"]["routing_funnel"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["endpoint_count"].as_u64().unwrap())
            .collect();
        assert_eq!(funnel, [5, 4, 4, 0]);
    }

    #[test]
    fn free_and_private() {
        let left = tags("deepseek/deepseek-chat-v3-0324", r#","provider":{"data_collection":"deny","zdr":true}"#).unwrap();
        assert_eq!(left.len(), 2);
        assert!(tags("openai/gpt-5-mini", r#","reasoning":{"effort":"none"}"#).unwrap_err().contains("mandatory"));
    }
}
