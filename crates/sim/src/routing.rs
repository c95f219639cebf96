//! Which endpoints of a model may serve a request, and in which order they are tried.

use serde_json::Value;

use crate::catalog::{Endpoint, Found, Model, Reasoning, Variant};
use crate::chat_request::{ChatRequest, ProviderPreferences, ReasoningWish, Shape, ToolUse};
use crate::money::PicoDollars;
use crate::reply::SimReply;
use crate::seed::Draw;
use crate::wire_error;

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
    let left = filter(found.model, request, need)?;
    Ok(order(left, found.variant, request, &mut draw))
}

fn filter<'a>(model: &'a Model, request: &ChatRequest<'_>, need: Need) -> Result<Vec<&'a Endpoint>, Box<SimReply>> {
    let preferences = &request.preferences;
    let mut left: Vec<&Endpoint> = model.endpoints.iter().collect();
    let initial = left.len();
    let slugs: Vec<&str> = left.iter().map(|endpoint| endpoint.slug.as_str()).collect();

    if let Some(only) = &preferences.only {
        left.retain(|endpoint| only.iter().any(|name| names(name, endpoint)));
        if left.is_empty() {
            return Err(Box::new(wire_error::allowed_providers(&model.id, &slugs, only)));
        }
    }
    if let Some(ignore) = &preferences.ignore {
        left.retain(|endpoint| !ignore.iter().any(|name| names(name, endpoint)));
        if left.is_empty() {
            let message = format!("No endpoints found for {}: every provider is on the ignore list.", model.id);
            return Err(Box::new(wire_error::routed_out(&message, "Filter by Ignored Providers", initial)));
        }
    }
    if let Some(order) = &preferences.order
        && preferences.allow_fallbacks == Some(false)
    {
        left.retain(|endpoint| order.iter().any(|name| names(name, endpoint)));
        if left.is_empty() {
            let message = format!("No endpoints found for the request with manual order: {}.", order.join(", "));
            return Err(Box::new(wire_error::routed_out(&message, "Filter by Provider Order", initial)));
        }
    }
    keep_private(&mut left, preferences, initial)?;
    if let Some(quantizations) = &preferences.quantizations {
        left.retain(|endpoint| quantizations.contains(&endpoint.quantization));
        if left.is_empty() {
            let message = format!("No endpoints found for {} with the requested quantizations.", model.id);
            return Err(Box::new(wire_error::routed_out(&message, "Filter by Quantization", initial)));
        }
    }
    if let Some(max_price) = &preferences.max_price {
        let bound = |name: &str| max_price.get(name).and_then(dollars);
        let (prompt, completion) = (bound("prompt"), bound("completion"));
        left.retain(|endpoint| {
            prompt.is_none_or(|most| endpoint.prompt_price.times(1_000_000) <= most)
                && completion.is_none_or(|most| endpoint.completion_price.times(1_000_000) <= most)
        });
        if left.is_empty() {
            return Err(Box::new(wire_error::price_filtered(&model.id, &slugs)));
        }
    }
    if request.has_images && !model.takes_images {
        let message = "No endpoints found that support image input";
        return Err(Box::new(wire_error::routed_out(message, "Filter by Image Support", left.len())));
    }
    if request.tool_use != ToolUse::Never {
        let before = left.len();
        left.retain(|endpoint| endpoint.supports("tools"));
        if left.is_empty() {
            let tool = request.tools.first().map_or("tools", |tool| tool.name.as_ref());
            return Err(Box::new(wire_error::no_tool_use(tool, before)));
        }
    }
    if preferences.require_parameters == Some(true) {
        let left_slugs: Vec<&str> = left.iter().map(|endpoint| endpoint.slug.as_str()).collect();
        left.retain(|endpoint| request.parameters.iter().all(|name| takes(endpoint, name)));
        if left.is_empty() {
            return Err(Box::new(wire_error::parameters_filtered(&model.id, &left_slugs)));
        }
    }
    if model.reasoning == Reasoning::Mandatory && request.reasoning == ReasoningWish::Off {
        let message = "Reasoning is mandatory for this endpoint and cannot be disabled.";
        return Err(Box::new(wire_error::plain(400, message)));
    }
    keep_long_enough(&mut left, model, need)?;
    Ok(left)
}

fn keep_private(left: &mut Vec<&Endpoint>, wishes: &ProviderPreferences, initial: usize) -> Result<(), Box<SimReply>> {
    if wishes.data_collection.as_deref() == Some("deny") {
        left.retain(|endpoint| !endpoint.trains_on_data);
    }
    if wishes.zdr == Some(true) {
        left.retain(|endpoint| endpoint.zero_data_retention);
    }
    if !left.is_empty() {
        return Ok(());
    }
    let policy = if wishes.zdr == Some(true) { "Zero data retention" } else { "Paid model training" };
    let message = format!("No endpoints found matching your data policy ({policy}). Configure: {PRIVACY}");
    Err(Box::new(wire_error::routed_out(&message, "Filter by Data Policy", initial)))
}

fn keep_long_enough(left: &mut Vec<&Endpoint>, model: &Model, need: Need) -> Result<(), Box<SimReply>> {
    let input = need.text_tokens + need.tool_tokens;
    let output = need.max_tokens.unwrap_or(0);
    let longest = left.iter().map(|endpoint| endpoint.context_length).max().unwrap_or(model.context_length);
    left.retain(|endpoint| input + output <= endpoint.context_length);
    if left.is_empty() {
        return Err(Box::new(wire_error::context_length(longest, need.text_tokens, need.tool_tokens, output)));
    }
    let before = left.len();
    left.retain(|endpoint| endpoint.max_completion_tokens.is_none_or(|most| output <= most));
    if left.is_empty() {
        let message = format!("No endpoints found for {} that can emit {output} tokens.", model.id);
        return Err(Box::new(wire_error::routed_out(&message, "Filter by Max Tokens", before)));
    }
    Ok(())
}

/// Whether a name of a request means this endpoint: its slug, its tag or its provider's display name.
fn names(name: &str, endpoint: &Endpoint) -> bool {
    name == endpoint.slug || name == endpoint.tag || name.eq_ignore_ascii_case(&endpoint.provider)
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

fn order<'a>(mut left: Vec<&'a Endpoint>, variant: Variant, request: &ChatRequest<'_>, draw: &mut Draw) -> Vec<&'a Endpoint> {
    let preferences = &request.preferences;
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
    if left.len() > 1 && !matches!(request.shape, Shape::Text) {
        // a soft wish: endpoints that know the format come first, the others stay as fallbacks
        let wanted = if matches!(request.shape, Shape::Object) { "response_format" } else { "structured_outputs" };
        left.sort_by_key(|endpoint| !endpoint.supports(wanted));
    }
    if let Some(order) = &preferences.order {
        left.sort_by_key(|endpoint| order.iter().position(|name| names(name, endpoint)).unwrap_or(usize::MAX));
    }
    left
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
        assert!(none.unwrap_err().contains("No endpoints found that can handle the requested parameters"));
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
    fn free_and_private() {
        let left = tags("deepseek/deepseek-chat-v3-0324", r#","provider":{"data_collection":"deny","zdr":true}"#).unwrap();
        assert_eq!(left.len(), 2);
        assert!(tags("openai/gpt-5-mini", r#","reasoning":{"effort":"none"}"#).unwrap_err().contains("mandatory"));
    }
}
