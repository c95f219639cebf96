//! Before anything is sent: who may serve a call under the user's preferences, how structure is best asked for, what is
//! left out, and what cannot work, with what to change.

use corsac_wire::ProviderPreferences;
use corsac_wire::catalog::{Endpoint, Model, Pricing};

use crate::{Effort, Efforts, Ladder, Lessons, Parameter, Parameters, Strategy};

/// What a call needs of whoever serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Whether the answer must satisfy a schema.
    pub structure: bool,
    /// Whether functions are offered.
    pub tools: bool,
    /// How the user wants structure asked for at first.
    pub preferred: Option<Strategy>,
    /// Whether a model that takes neither schemas nor tools is refused for structure, rather than asked in words.
    pub must_support: bool,
    /// Parameters that are sent and could be left out.
    pub sent: Parameters,
    /// Tokens of the prompt, as a guess.
    pub prompt_tokens: u64,
}

/// How a call goes out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// How structure is asked for, in order; `None` where nothing is known that speaks against the usual order.
    pub ladder: Option<Ladder>,
    /// Why so, for a person; empty where nothing is known.
    pub why: String,
    /// How many may serve, where that is known.
    pub providers: Option<u16>,
    /// Those left out by name, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// Names of providers to leave out, as they gave them, for what was found out about them.
    pub ignore: Vec<String>,
    /// Parameters that nobody who may serve takes.
    pub nobody_takes: Parameters,
    /// Efforts the model can be asked for; empty where that is not known.
    pub efforts: Efforts,
    /// The answer's token limit at first, where earlier answers were cut.
    pub max_tokens: Option<u32>,
    /// The most answer tokens anybody who may serve allows.
    pub max_tokens_cap: Option<u32>,
    /// The largest context of those who may serve.
    pub context: Option<u64>,
    /// The dearest price of those who may serve, by which money is set aside.
    pub pricing: Option<Pricing>,
}

/// A call that nobody could serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impossible {
    /// Why.
    pub why: String,
    /// What to change.
    pub change: String,
}

/// Plans a call to a model from what the catalog says of it and what was found out before. What is not known is taken to
/// work.
///
/// # Errors
/// [`Impossible`] where the preferences leave nobody, or nobody takes what the call cannot do without.
pub fn plan(
    model: Option<&Model>,
    endpoints: Option<&[Endpoint]>,
    preferences: &ProviderPreferences,
    needs: &Needs,
    lessons: &Lessons,
) -> Result<Plan, Impossible> {
    let mut plan = Plan { efforts: efforts(model), ..Plan::default() };
    let mut left: Vec<&Endpoint> = Vec::new();
    for endpoint in endpoints.unwrap_or_default() {
        match unfit(endpoint, preferences) {
            Some(reason) => plan.left_out.push((name(endpoint), reason)),
            None => left.push(endpoint),
        }
    }
    if let (Some(all), true) = (endpoints, left.is_empty())
        && !all.is_empty()
    {
        return Err(nobody(&plan.left_out));
    }
    let learned = |endpoint: &&Endpoint| {
        let record = lessons.providers.iter().find(|record| is_named(endpoint, &record.provider) && record.left_out().is_some());
        record.and_then(|record| record.left_out())
    };
    let (doubtful, trusted): (Vec<&Endpoint>, Vec<&Endpoint>) = left.iter().copied().partition(|endpoint| learned(endpoint).is_some());
    if !trusted.is_empty() {
        for endpoint in doubtful {
            plan.left_out.push((name(endpoint), learned(&endpoint).unwrap_or_default()));
            plan.ignore.push(endpoint.provider_name.clone());
        }
        left = trusted;
    } else if endpoints.is_none() {
        plan.ignore.extend(lessons.providers.iter().filter(|record| record.left_out().is_some()).map(|record| record.provider.clone()));
    }
    let fits = |endpoint: &&Endpoint| {
        let context = endpoint.max_prompt_tokens.or(endpoint.context_length);
        context.is_none_or(|context| needs.prompt_tokens <= context)
    };
    plan.context = if left.is_empty() {
        model.and_then(|model| model.context_length)
    } else {
        left.iter().map(|endpoint| endpoint.context_length).collect::<Option<Vec<u64>>>().and_then(|contexts| contexts.into_iter().max())
    };
    let roomy: Vec<&Endpoint> = left.iter().copied().filter(fits).collect();
    if !roomy.is_empty() {
        left = roomy;
    }
    if let Some(lacking) = lacking(model, &left, needs) {
        return Err(lacking);
    }
    if needs.structure {
        (plan.ladder, plan.why) = ladder(model, &left, needs, lessons);
    }
    let first = plan.ladder.map(|ladder| ladder.first());
    let serving: Vec<&Endpoint> =
        left.iter().copied().filter(|endpoint| first.is_none_or(|strategy| takes(&endpoint.supported_parameters, strategy))).collect();
    let serving = if serving.is_empty() { left } else { serving };
    plan.providers = (!serving.is_empty()).then(|| u16::try_from(serving.len()).unwrap_or(u16::MAX));
    plan.nobody_takes = nobody_takes(model, &serving, needs.sent).and(lessons.without);
    plan.max_tokens = lessons.tokens;
    plan.max_tokens_cap = cap(model, &serving, lessons);
    plan.pricing = dearest(model, &serving);
    Ok(plan)
}

fn name(endpoint: &Endpoint) -> String {
    endpoint.tag.clone().unwrap_or_else(|| endpoint.provider_name.clone())
}

/// Whether a person's or a reply's name for a provider means this endpoint: its display name, its slug, or its tag. A slug
/// means all its variants but for tiers of service, which have to be named.
fn is_named(endpoint: &Endpoint, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '/').collect::<String>();
    let (wanted, tag) = (plain(name), plain(endpoint.tag.as_deref().unwrap_or_default()));
    let (base, variant) = tag.split_once('/').map_or((tag.as_str(), None), |(base, variant)| (base, Some(variant)));
    let is_tier = matches!(variant, Some("priority" | "flex" | "fast"));
    wanted == tag || (!is_tier && (wanted == base || wanted == plain(&endpoint.provider_name)))
}

/// Why an endpoint may not serve under the preferences.
fn unfit(endpoint: &Endpoint, preferences: &ProviderPreferences) -> Option<String> {
    let named = |names: &[String]| names.iter().any(|name| is_named(endpoint, name));
    if !preferences.only.is_empty() && !named(&preferences.only) {
        return Some("not among provider.only".to_owned());
    }
    if named(&preferences.ignore) {
        return Some("in provider.ignore".to_owned());
    }
    if preferences.allow_fallbacks == Some(false) && !preferences.order.is_empty() && !named(&preferences.order) {
        return Some("not in provider.order, and allow_fallbacks is false".to_owned());
    }
    let quantization = endpoint.quantization.as_deref().unwrap_or("unknown");
    if !preferences.quantizations.is_empty() && !preferences.quantizations.iter().any(|wanted| wanted == quantization) {
        return Some(format!("its quantization is {quantization}"));
    }
    let limit = preferences.max_price.as_ref()?;
    let dear = |limit: Option<corsac_wire::Usd>, price: Option<corsac_wire::Usd>| {
        limit.zip(price).is_some_and(|(limit, price)| price.times(1_000_000) > limit)
    };
    if dear(limit.prompt, endpoint.pricing.prompt) {
        return Some("its prompt tokens cost more than max_prompt_price".to_owned());
    }
    dear(limit.completion, endpoint.pricing.completion).then(|| "its answer tokens cost more than max_completion_price".to_owned())
}

fn nobody(left_out: &[(String, String)]) -> Impossible {
    let reasons: Vec<String> = left_out.iter().take(6).map(|(name, reason)| format!("{name} ({reason})")).collect();
    let change = match left_out.first().map(|(_, reason)| reason.as_str()) {
        Some(reason) if reason.contains("only") => "name one of these in provider.only, or take it away",
        Some(reason) if reason.contains("price") => "raise the price limit, or name a cheaper model",
        Some(reason) if reason.contains("quantization") => "allow more quantizations (closed models report unknown)",
        _ => "loosen the provider settings, or name another model",
    };
    Impossible { why: format!("the provider settings leave nobody: {}", reasons.join(", ")), change: change.to_owned() }
}

fn takes(parameters: &[String], strategy: Strategy) -> bool {
    parameters.is_empty() || strategy.needs().iter().all(|need| parameters.iter().any(|parameter| parameter == need))
}

/// What a call cannot do without and nobody takes who may serve. Who says nothing of what they take is taken to take it.
fn lacking(model: Option<&Model>, left: &[&Endpoint], needs: &Needs) -> Option<Impossible> {
    let of_endpoints = || left.iter().map(|endpoint| (name(endpoint), endpoint.supported_parameters.as_slice())).collect();
    let lists: Vec<(String, &[String])> = match (left.is_empty(), model) {
        (false, _) => of_endpoints(),
        (true, Some(model)) => vec![(model.id.clone(), model.supported_parameters.as_slice())],
        (true, None) => return None,
    };
    let enforces = |list: &[String]| [Strategy::ResponseFormat, Strategy::ForcedTool].iter().any(|strategy| takes(list, *strategy));
    let calls = |list: &[String]| list.is_empty() || list.iter().any(|name| name == "tools");
    let told = || {
        let of_one = |(name, list): &(String, &[String])| format!("{name} takes {}", list.join(", "));
        let more = if lists.len() > 3 { format!(" and {} more", lists.len() - 3) } else { String::new() };
        lists.iter().take(3).map(of_one).collect::<Vec<_>>().join("; ") + &more
    };
    if needs.tools && !lists.iter().any(|(_, list)| calls(list)) {
        return Some(Impossible {
            why: format!("functions are offered to it, and by the catalog nobody who may serve takes tools ({})", told()),
            change: "name a model that takes tools, or ask without functions".to_owned(),
        });
    }
    if needs.structure && needs.must_support && !lists.iter().any(|(_, list)| enforces(list)) {
        return Some(Impossible {
            why: format!(
                "the answer must have a structure, and by the catalog nobody who may serve takes structured_outputs or tools ({})",
                told()
            ),
            change: "name a model that takes one of them, let other providers serve, or set structured_output_support = \"preferred\": \
                     then it is asked in words, and its answers are checked"
                .to_owned(),
        });
    }
    None
}

/// The ways to ask for structure: the one most can serve first, the user's own before all.
fn ladder(model: Option<&Model>, left: &[&Endpoint], needs: &Needs, lessons: &Lessons) -> (Option<Ladder>, String) {
    let known = !left.is_empty() || model.is_some_and(|model| !model.supported_parameters.is_empty());
    let refused = |strategy: &Strategy| lessons.not_by.contains(strategy);
    if !known {
        let first = needs.preferred.unwrap_or(Strategy::ResponseFormat);
        if lessons.not_by.is_empty() {
            return (None, String::new());
        }
        let rungs = Ladder::from(first).rungs().iter().copied().filter(|rung| !refused(rung)).collect::<Vec<_>>();
        return (Some(Ladder::new(rungs.into_iter().chain([Strategy::Prompted]))), "what was refused before is not tried again".to_owned());
    }
    let healthy: Vec<&Endpoint> = left.iter().copied().filter(|endpoint| is_healthy(endpoint)).collect();
    let enforces = |endpoint: &&Endpoint| {
        [Strategy::ResponseFormat, Strategy::ForcedTool].iter().any(|strategy| takes(&endpoint.supported_parameters, *strategy))
    };
    // who must not be asked in words alone is better asked of a degraded endpoint
    let counted = if needs.must_support && !healthy.iter().any(enforces) { left } else { healthy.as_slice() };
    let count = |strategy: Strategy| match left.is_empty() {
        true => usize::from(model.is_some_and(|model| takes(&model.supported_parameters, strategy))),
        false => counted.iter().filter(|endpoint| takes(&endpoint.supported_parameters, strategy)).count(),
    };
    let (schema, tool, json) = (count(Strategy::ResponseFormat), count(Strategy::ForcedTool), count(Strategy::JsonMode));
    let mut rungs = Vec::with_capacity(5);
    if let Some(preferred) = needs.preferred {
        rungs.push(preferred);
    }
    // a minority that takes schemas would bear all the load: tools then, which most take
    let by_tool_first = tool > schema.saturating_mul(2);
    let (format, forced) = ([Strategy::ResponseFormat, Strategy::LooseFormat], [Strategy::ForcedTool]);
    if by_tool_first {
        rungs.extend(forced);
    }
    if schema > 0 {
        rungs.extend(format);
    }
    if tool > 0 && !by_tool_first {
        rungs.extend(forced);
    }
    if json > 0 {
        rungs.push(Strategy::JsonMode);
    }
    rungs.push(Strategy::Prompted);
    let able = |strategy: &Strategy| match strategy {
        Strategy::ResponseFormat | Strategy::LooseFormat => schema > 0,
        Strategy::ForcedTool => tool > 0,
        _ => true,
    };
    rungs.retain(|strategy| able(strategy) && (*strategy == Strategy::Prompted || !refused(strategy)));
    let ladder = Ladder::new(rungs);
    let first = ladder.first();
    let figures = match left.len() {
        0 => format!("the model {} response_format and {} tools", verb(schema), verb(tool)),
        all => format!("{schema} of {all} endpoints take response_format, {tool} take tools"),
    };
    let reason = match needs.preferred {
        Some(preferred) if preferred == first => ", as it was asked for",
        Some(_) => ", since nobody takes what was asked for",
        None if by_tool_first => ", so that most can serve",
        None => "",
    };
    (Some(ladder), format!("{figures}: {first}{reason}"))
}

fn verb(count: usize) -> &'static str {
    if count > 0 { "takes" } else { "does not take" }
}

/// Negative states are degraded ones; below four fifths of its time an endpoint is only a last resort.
fn is_healthy(endpoint: &Endpoint) -> bool {
    endpoint.status.is_none_or(|status| status >= 0) && endpoint.uptime_last_30m.is_none_or(|uptime| uptime >= 80.0)
}

fn nobody_takes(model: Option<&Model>, serving: &[&Endpoint], sent: Parameters) -> Parameters {
    let lists: Vec<&[String]> = match serving.is_empty() {
        true => model.map(|model| model.supported_parameters.as_slice()).into_iter().collect(),
        false => serving.iter().map(|endpoint| endpoint.supported_parameters.as_slice()).collect(),
    };
    if lists.is_empty() || lists.iter().any(|list| list.is_empty()) {
        return Parameters::NONE;
    }
    // the answer's limit is always sent: without it the service sets aside the model's whole output
    let optional = sent.iter().filter(|parameter| *parameter != Parameter::MaxTokens);
    optional.filter(|parameter| !lists.iter().any(|list| parameter.is_in(list))).collect()
}

fn efforts(model: Option<&Model>) -> Efforts {
    let supported = model.and_then(|model| model.reasoning.as_ref()).and_then(|reasoning| reasoning.supported_efforts.as_ref());
    supported.map(|names| names.iter().filter_map(|name| Effort::named(name)).collect()).unwrap_or_default()
}

fn cap(model: Option<&Model>, serving: &[&Endpoint], lessons: &Lessons) -> Option<u32> {
    let of_endpoints = serving.iter().map(|endpoint| endpoint.max_completion_tokens).collect::<Option<Vec<u64>>>();
    let listed = match of_endpoints.filter(|caps| !caps.is_empty()) {
        Some(caps) => caps.into_iter().max(),
        None if serving.is_empty() => model.and_then(|model| model.top_provider.max_completion_tokens),
        None => None,
    };
    let listed = listed.filter(|cap| *cap > 0).map(|cap| u32::try_from(cap).unwrap_or(u32::MAX));
    match (listed, lessons.cap) {
        (Some(listed), Some(learned)) => Some(listed.min(learned)),
        (listed, learned) => listed.or(learned),
    }
}

fn dearest(model: Option<&Model>, serving: &[&Endpoint]) -> Option<Pricing> {
    let price = |pricing: &Pricing| pricing.cost(1_000, 1_000);
    let of_endpoints = serving.iter().map(|endpoint| &endpoint.pricing).filter(|pricing| price(pricing).is_some());
    of_endpoints.max_by_key(|pricing| price(pricing)).or_else(|| model.map(|model| &model.pricing)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use corsac_wire::{MaxPrice, Usd};

    fn endpoint(tag: &str, parameters: &[&str]) -> Endpoint {
        Endpoint {
            provider_name: tag.split('/').next().unwrap().to_owned(),
            tag: Some(tag.to_owned()),
            supported_parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
            context_length: Some(8_000),
            max_completion_tokens: Some(2_000),
            ..Endpoint::default()
        }
    }

    const ALL: [&str; 6] = ["structured_outputs", "response_format", "tools", "tool_choice", "max_tokens", "temperature"];
    const TOOLS: [&str; 4] = ["tools", "tool_choice", "max_tokens", "temperature"];

    fn needs() -> Needs {
        let sent = [Parameter::Temperature, Parameter::Seed, Parameter::MaxTokens].into_iter().collect();
        Needs { structure: true, tools: false, preferred: None, must_support: false, sent, prompt_tokens: 100 }
    }

    fn planned(endpoints: &[Endpoint], preferences: &ProviderPreferences, needs: &Needs) -> Result<Plan, Impossible> {
        plan(None, Some(endpoints), preferences, needs, &Lessons::default())
    }

    #[test]
    fn a_minority_that_takes_schemas_does_not_bear_all_the_load() {
        let five = [endpoint("a", &ALL), endpoint("b", &TOOLS), endpoint("c", &TOOLS), endpoint("d", &TOOLS), endpoint("e", &TOOLS)];
        let plan = planned(&five, &ProviderPreferences::default(), &needs()).unwrap();
        assert_eq!(plan.ladder.map(|ladder| ladder.first()), Some(Strategy::ForcedTool));
        assert_eq!(plan.why, "1 of 5 endpoints take response_format, 5 take tools: forced_tool, so that most can serve");
        assert_eq!(plan.providers, Some(5));
        let preferred = Needs { preferred: Some(Strategy::ResponseFormat), ..needs() };
        let plan = planned(&five, &ProviderPreferences::default(), &preferred).unwrap();
        assert_eq!((plan.ladder.map(|ladder| ladder.first()), plan.providers), (Some(Strategy::ResponseFormat), Some(1)));
    }

    #[test]
    fn what_nobody_takes_is_not_tried() {
        let plan = planned(&[endpoint("a", &TOOLS)], &ProviderPreferences::default(), &needs()).unwrap();
        assert_eq!(plan.ladder.unwrap().rungs(), [Strategy::ForcedTool, Strategy::Prompted]);
        assert_eq!(plan.nobody_takes.iter().collect::<Vec<_>>(), [Parameter::Seed]);
        let bare = planned(&[endpoint("a", &["max_tokens"])], &ProviderPreferences::default(), &needs()).unwrap();
        assert_eq!(bare.ladder.unwrap().rungs(), [Strategy::Prompted]);
        assert_eq!((bare.max_tokens_cap, bare.context), (Some(2_000), Some(8_000)));
    }

    #[test]
    fn what_a_call_cannot_do_without_is_told_before_anything_is_sent() {
        let must = Needs { must_support: true, ..needs() };
        let with = |parameters: &[&str], needs: &Needs| planned(&[endpoint("a", parameters)], &Default::default(), needs);
        let impossible = with(&["max_tokens", "response_format"], &must).unwrap_err();
        assert!(impossible.why.contains("takes structured_outputs or tools (a takes max_tokens, response_format)"), "{}", impossible.why);
        assert!(impossible.change.contains("structured_output_support = \"preferred\""), "{}", impossible.change);
        // either of them will do, and so does not to know
        for takes in [&ALL[..], &["structured_outputs"], &["tools", "tool_choice"], &[]] {
            assert!(with(takes, &must).is_ok(), "{takes:?}");
        }
        assert!(plan(None, None, &Default::default(), &must, &Lessons::default()).is_ok());
        // who is not asked for a structure needs neither
        assert!(with(&["max_tokens"], &Needs { structure: false, ..must }).is_ok());
        // who could do it may not serve
        let two = [endpoint("a", &["max_tokens"]), endpoint("b", &ALL)];
        let only = ProviderPreferences { only: vec!["a".into()], ..Default::default() };
        assert!(planned(&two, &Default::default(), &must).is_ok() && planned(&two, &only, &must).is_err());
        // the model's own list counts where its endpoints are not known
        let model = Model { id: "m/x".into(), supported_parameters: vec!["max_tokens".into()], ..Model::default() };
        assert!(
            plan(Some(&model), None, &Default::default(), &must, &Lessons::default()).unwrap_err().why.contains("m/x takes max_tokens")
        );
        let functions = Needs { structure: false, tools: true, ..needs() };
        assert!(with(&["structured_outputs"], &functions).unwrap_err().why.contains("nobody who may serve takes tools"));
        assert!(with(&["tools"], &functions).is_ok());
    }

    #[test]
    fn a_way_that_only_a_degraded_endpoint_has_is_better_than_none() {
        let degraded = Endpoint { status: Some(-2), ..endpoint("b", &TOOLS) };
        let two = [endpoint("a", &["max_tokens"]), degraded];
        let first = |must_support| {
            let needs = Needs { must_support, ..needs() };
            planned(&two, &Default::default(), &needs).unwrap().ladder.unwrap().first()
        };
        assert_eq!((first(true), first(false)), (Strategy::ForcedTool, Strategy::Prompted));
    }

    #[test]
    fn preferences_that_leave_nobody_are_told_before_anything_is_sent() {
        let two = [endpoint("openai", &ALL), endpoint("azure", &ALL)];
        let only = ProviderPreferences { only: vec!["groq".into()], ..Default::default() };
        let impossible = planned(&two, &only, &needs()).unwrap_err();
        assert!(impossible.why.contains("openai (not among provider.only)"), "{}", impossible.why);
        let mut dear = two.clone();
        dear.iter_mut().for_each(|endpoint| endpoint.pricing.prompt = Usd::parse("0.00001").ok());
        let cheap =
            ProviderPreferences { max_price: Some(MaxPrice { prompt: Usd::parse("5").ok(), ..Default::default() }), ..Default::default() };
        assert!(planned(&dear, &cheap, &needs()).unwrap_err().change.contains("raise the price limit"));
    }

    #[test]
    fn providers_are_known_by_all_their_names() {
        let turbo = Endpoint { provider_name: "DeepInfra".into(), ..endpoint("deepinfra/turbo", &ALL) };
        let tier = Endpoint { provider_name: "OpenAI".into(), ..endpoint("openai/priority", &ALL) };
        for (name, is_turbo, is_tier) in [
            ("deepinfra", true, false),
            ("DeepInfra", true, false),
            ("deepinfra/turbo", true, false),
            ("OpenAI", false, false),
            ("openai/priority", false, true),
        ] {
            assert_eq!((is_named(&turbo, name), is_named(&tier, name)), (is_turbo, is_tier), "{name}");
        }
    }

    #[test]
    fn what_was_found_out_is_kept_to() {
        let mut lessons = Lessons::default();
        let strategy = Strategy::ResponseFormat;
        lessons.learn(&crate::Lesson::Refuses { provider: "a".into(), strategy });
        lessons.learn(&crate::Lesson::NotBy(strategy));
        lessons.learn(&crate::Lesson::Tokens(512));
        let two = [endpoint("a", &ALL), endpoint("b", &ALL)];
        let found = plan(None, Some(&two), &Default::default(), &needs(), &lessons).unwrap();
        assert_eq!((found.ignore.as_slice(), found.max_tokens), (["a".to_owned()].as_slice(), Some(512)));
        assert!(!found.ladder.unwrap().rungs().contains(&strategy));
        // the only one there is stays
        assert!(plan(None, Some(&two[..1]), &Default::default(), &needs(), &lessons).unwrap().ignore.is_empty());
        // without endpoints, and without anything known, nothing speaks against the usual order
        assert_eq!(plan(None, None, &Default::default(), &needs(), &Lessons::default()).unwrap(), Plan::default());
    }
}
