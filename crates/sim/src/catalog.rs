//! The models and their endpoints: the built-in ones, changed by a script. How they look on the wire
//! is in `catalog_json`.

use std::collections::HashMap;

use crate::catalog_data::{self, EndpointRow, ModelRow, ProviderRow};
use crate::catalog_parameters::OPEN_STRUCTURED;
use crate::config::{EndpointScript, ModelScript, SimConfig};
use crate::money::PicoDollars;

/// What a model does with reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reasoning {
    /// It does not reason.
    Never,
    /// It reasons when asked.
    Optional,
    /// It reasons always and refuses to be told otherwise.
    Mandatory,
}

/// What a model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Embeddings,
    Rerank,
}

impl Kind {
    /// The name among the output modalities.
    pub(crate) fn output(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Embeddings => "embeddings",
            Kind::Rerank => "rerank",
        }
    }
}

/// A provider serving a model.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// The provider's display name, as replies report it.
    pub(crate) provider: String,
    /// The provider's slug, as requests name it.
    pub(crate) slug: String,
    /// Slug and variant.
    pub(crate) tag: String,
    pub(crate) prompt_price: PicoDollars,
    pub(crate) completion_price: PicoDollars,
    pub(crate) context_length: u64,
    pub(crate) max_completion_tokens: Option<u64>,
    pub(crate) parameters: Vec<String>,
    pub(crate) quantization: String,
    pub(crate) latency_ms: u32,
    pub(crate) tokens_per_second: u32,
    /// Whether it keeps nothing of a request.
    pub(crate) zero_data_retention: bool,
    /// Whether it may train on requests.
    pub(crate) trains_on_data: bool,
    pub(crate) schema_dialect: SchemaDialect,
    /// What it does with beginnings of prompts that it knows.
    pub(crate) cache: Option<CacheTerms>,
}

/// What a provider gives off for beginnings of prompts that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CacheTerms {
    /// Unasked.
    implicit: bool,
    /// Reading costs this part of the prompt price: 2 = half.
    read_divisor: u64,
    /// Putting something in costs a quarter more.
    writes_cost: bool,
}

/// [`CacheTerms`] in money.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachePrices {
    pub(crate) implicit: bool,
    pub(crate) read: PicoDollars,
    pub(crate) write: Option<PicoDollars>,
}

/// How strictly an endpoint reads a schema sent with `strict: true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaDialect {
    /// Takes any schema.
    Any,
    /// Every object closed.
    ClosedObjects,
    /// Every object closed and every property required.
    ClosedAndRequired,
}

impl Endpoint {
    pub(crate) fn cache_prices(&self) -> Option<CachePrices> {
        let terms = self.cache?;
        let price = self.prompt_price.0;
        let write = terms.writes_cost.then_some(PicoDollars(price + price / 4));
        Some(CachePrices { implicit: terms.implicit, read: PicoDollars(price / terms.read_divisor), write })
    }

    /// `priority` or `flex`, for an endpoint that serves only those who ask for that tier.
    pub(crate) fn tier(&self) -> Option<&str> {
        self.tag.rsplit_once('/').map(|(_, variant)| variant).filter(|variant| matches!(*variant, "priority" | "flex"))
    }

    pub(crate) fn supports(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|known| known == parameter)
    }
}

/// A model and everything that serves it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) id: String,
    /// The permanent slug.
    pub(crate) permaslug: String,
    pub(crate) name: String,
    pub(crate) created: u64,
    pub(crate) context_length: u64,
    pub(crate) max_completion_tokens: Option<u64>,
    pub(crate) takes_images: bool,
    pub(crate) kind: Kind,
    pub(crate) tokenizer: &'static str,
    pub(crate) instruct: Option<&'static str>,
    pub(crate) moderated: bool,
    pub(crate) knowledge_cutoff: Option<&'static str>,
    pub(crate) reasoning: Reasoning,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Model {
    pub(crate) fn is_free(&self) -> bool {
        self.id.ends_with(":free")
    }

    pub(crate) fn chats(&self) -> bool {
        self.kind == Kind::Text
    }

    /// Whether it reasons, given whether it was asked to.
    pub(crate) fn reasons(&self, asked: bool) -> bool {
        match self.reasoning {
            Reasoning::Never => false,
            Reasoning::Optional => asked,
            Reasoning::Mandatory => true,
        }
    }

    /// What a reply calls the model.
    pub(crate) fn served_name(&self) -> String {
        if self.is_free() { format!("{}:free", self.permaslug) } else { self.permaslug.clone() }
    }

    /// The union of what its endpoints support, sorted.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.endpoints.iter().flat_map(|endpoint| endpoint.parameters.iter().map(String::as_str)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// A model found under the name a request used, with the order its variant asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    /// Where the model stands in the catalog; counters use it.
    pub(crate) index: usize,
    pub(crate) model: &'a Model,
    pub(crate) variant: Variant,
}

/// A suffix that changes the routing of a model instead of naming another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Plain,
    /// `:nitro`, fastest first.
    Nitro,
    /// `:floor`, cheapest first.
    Floor,
    /// `:exacto`, best tool use first.
    Exacto,
    /// `:online` and others that change nothing here.
    Other,
}

/// All models.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) models: Vec<Model>,
    by_id: HashMap<String, usize>,
}

impl Catalog {
    pub(crate) fn new(config: &SimConfig) -> Self {
        let mut models: Vec<Model> = catalog_data::MODELS.iter().map(built_in).collect();
        for script in &config.models {
            apply(&mut models, script);
        }
        let mut by_id: HashMap<String, usize> = HashMap::new();
        for (index, model) in models.iter().enumerate() {
            // the permanent slug names the model too; of a free twin only the id does
            if !model.is_free() {
                by_id.entry(model.permaslug.clone()).or_insert(index);
            }
            by_id.insert(model.id.clone(), index);
        }
        for (alias, id) in catalog_data::ALIASES {
            if let Some(index) = by_id.get(*id).copied() {
                by_id.insert((*alias).to_owned(), index);
            }
        }
        Self { models, by_id }
    }

    pub(crate) fn find(&self, name: &str) -> Option<Found<'_>> {
        if let Some(index) = self.by_id.get(name).copied() {
            return Some(Found { index, model: self.models.get(index)?, variant: Variant::Plain });
        }
        let (base, suffix) = name.rsplit_once(':')?;
        let variant = match suffix {
            "nitro" => Variant::Nitro,
            "floor" => Variant::Floor,
            "exacto" => Variant::Exacto,
            "online" | "thinking" | "extended" => Variant::Other,
            _ => return None,
        };
        let index = self.by_id.get(base).copied()?;
        Some(Found { index, model: self.models.get(index)?, variant })
    }
}

fn built_in(row: &ModelRow) -> Model {
    Model {
        id: row.id.to_owned(),
        permaslug: row.permaslug.to_owned(),
        name: row.name.to_owned(),
        created: row.created,
        context_length: row.context_length,
        max_completion_tokens: row.max_completion_tokens,
        takes_images: row.takes_images,
        kind: row.kind,
        tokenizer: row.tokenizer,
        instruct: row.instruct,
        moderated: row.moderated,
        knowledge_cutoff: row.knowledge_cutoff,
        reasoning: row.reasoning,
        endpoints: row.endpoints.iter().map(|endpoint| built_in_endpoint(row, endpoint)).collect(),
    }
}

fn built_in_endpoint(model: &ModelRow, row: &EndpointRow) -> Endpoint {
    let provider = provider_of(row.provider);
    Endpoint {
        provider: provider.map_or_else(|| row.provider.to_owned(), |found| found.name.to_owned()),
        slug: row.provider.to_owned(),
        tag: if row.variant.is_empty() { row.provider.to_owned() } else { format!("{}/{}", row.provider, row.variant) },
        prompt_price: PicoDollars(row.prompt_picodollars),
        completion_price: PicoDollars(row.completion_picodollars),
        context_length: row.context_length.unwrap_or(model.context_length),
        max_completion_tokens: row.max_completion_tokens.or(model.max_completion_tokens),
        parameters: row.parameters.iter().map(|name| (*name).to_owned()).collect(),
        quantization: row.quantization.to_owned(),
        latency_ms: row.latency_ms,
        tokens_per_second: row.tokens_per_second,
        zero_data_retention: provider.is_some_and(|found| found.zero_data_retention),
        trains_on_data: provider.is_some_and(|found| found.trains_on_data),
        schema_dialect: dialect_of(row.provider, model.id),
        cache: cache_of(row.provider, model.id),
    }
}

fn provider_of(slug: &str) -> Option<&'static ProviderRow> {
    catalog_data::PROVIDERS.iter().find(|row| row.slug == slug)
}

fn dialect_of(provider: &str, model: &str) -> SchemaDialect {
    match provider {
        "openai" | "azure" => SchemaDialect::ClosedAndRequired,
        "anthropic" => SchemaDialect::ClosedObjects,
        _ if model.starts_with("anthropic/") => SchemaDialect::ClosedObjects,
        _ => SchemaDialect::Any,
    }
}

fn cache_of(provider: &str, model: &str) -> Option<CacheTerms> {
    let implicit = |read_divisor| Some(CacheTerms { implicit: true, read_divisor, writes_cost: false });
    match (model.split('/').next(), provider) {
        (Some("anthropic"), _) => Some(CacheTerms { implicit: false, read_divisor: 10, writes_cost: true }),
        (Some("openai"), "openai" | "azure") => implicit(2),
        (Some("google"), _) => implicit(4),
        (_, "deepseek") => implicit(10),
        _ => None,
    }
}

fn apply(models: &mut Vec<Model>, script: &ModelScript) {
    if script.remove {
        models.retain(|model| model.id != script.id);
        return;
    }
    if !models.iter().any(|model| model.id == script.id) {
        models.push(plain(script));
    }
    let Some(model) = models.iter_mut().find(|model| model.id == script.id) else {
        return;
    };
    if let Some(name) = &script.name {
        model.name.clone_from(name);
    }
    if let Some(length) = script.context_length {
        model.context_length = length;
    }
    if script.max_completion_tokens.is_some() {
        model.max_completion_tokens = script.max_completion_tokens;
    }
    for endpoint in &mut model.endpoints {
        endpoint.prompt_price = script.prompt_price.unwrap_or(endpoint.prompt_price);
        endpoint.completion_price = script.completion_price.unwrap_or(endpoint.completion_price);
        endpoint.context_length = script.context_length.unwrap_or(endpoint.context_length);
        endpoint.max_completion_tokens = script.max_completion_tokens.or(endpoint.max_completion_tokens);
        if let Some(parameters) = &script.supported_parameters {
            endpoint.parameters.clone_from(parameters);
        }
    }
    if let Some(base) = model.endpoints.first().cloned().filter(|_| !script.endpoints.is_empty()) {
        model.endpoints = script.endpoints.iter().map(|endpoint| scripted(endpoint, &base, &model.id)).collect();
    }
}

/// A model the catalog did not know, with one endpoint.
fn plain(script: &ModelScript) -> Model {
    let author = script.id.split('/').next().unwrap_or("sim").to_owned();
    let base = Endpoint {
        provider: author.clone(),
        slug: author.clone(),
        tag: author,
        prompt_price: PicoDollars(100_000),
        completion_price: PicoDollars(400_000),
        context_length: 32_768,
        max_completion_tokens: Some(8_192),
        parameters: OPEN_STRUCTURED.iter().map(|name| (*name).to_owned()).collect(),
        quantization: "unknown".to_owned(),
        latency_ms: 500,
        tokens_per_second: 60,
        zero_data_retention: false,
        trains_on_data: false,
        schema_dialect: SchemaDialect::Any,
        cache: None,
    };
    Model {
        id: script.id.clone(),
        permaslug: script.id.trim_end_matches(":free").to_owned(),
        name: script.id.clone(),
        created: 1_764_547_200,
        context_length: base.context_length,
        max_completion_tokens: base.max_completion_tokens,
        takes_images: false,
        kind: if script.embedding { Kind::Embeddings } else { Kind::Text },
        tokenizer: "Other",
        instruct: None,
        moderated: false,
        knowledge_cutoff: None,
        reasoning: Reasoning::Never,
        endpoints: vec![base],
    }
}

fn scripted(script: &EndpointScript, base: &Endpoint, model: &str) -> Endpoint {
    let provider = provider_of(&script.provider);
    Endpoint {
        provider: provider.map_or_else(|| script.provider.clone(), |found| found.name.to_owned()),
        slug: script.provider.clone(),
        tag: script.tag.clone().unwrap_or_else(|| script.provider.clone()),
        prompt_price: script.prompt_price.unwrap_or(base.prompt_price),
        completion_price: script.completion_price.unwrap_or(base.completion_price),
        context_length: script.context_length.unwrap_or(base.context_length),
        max_completion_tokens: script.max_completion_tokens.or(base.max_completion_tokens),
        parameters: script.supported_parameters.clone().unwrap_or_else(|| base.parameters.clone()),
        quantization: script.quantization.clone().unwrap_or_else(|| base.quantization.clone()),
        zero_data_retention: provider.is_some_and(|found| found.zero_data_retention),
        trains_on_data: provider.is_some_and(|found| found.trains_on_data),
        schema_dialect: dialect_of(&script.provider, model),
        cache: cache_of(&script.provider, model),
        ..base.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Catalog, Variant};
    use crate::config::SimConfig;

    #[test]
    fn every_endpoint_has_a_known_provider_and_every_model_one_endpoint() {
        for model in Catalog::new(&SimConfig::default()).models {
            assert!(!model.endpoints.is_empty(), "{}", model.id);
            for endpoint in model.endpoints {
                assert_ne!(endpoint.provider, endpoint.slug, "{}", endpoint.tag);
            }
        }
    }

    #[test]
    fn variants_and_permanent_slugs_name_a_model_too() {
        let catalog = Catalog::new(&SimConfig::default());
        assert_eq!(catalog.find("openai/gpt-4o-mini:nitro").unwrap().variant, Variant::Nitro);
        assert_eq!(catalog.find("anthropic/claude-4-sonnet-20250522").unwrap().model.id, "anthropic/claude-sonnet-4");
        assert!(catalog.find("meta-llama/llama-3.3-70b-instruct:free").unwrap().model.is_free());
        assert!(catalog.find("openai/gpt-4o-mini:free").is_none());
        assert!(catalog.find("gpt-4o-mini").is_none());
    }
}
