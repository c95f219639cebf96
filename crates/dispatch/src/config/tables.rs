//! Every setting there is, declared once: see [`settings_tables!`](super::schema). The texts here are the reference page.

use std::collections::BTreeMap;

use corsac_wire::{Sort, Threshold, Usd};
use serde_json::{Map, Value};

use super::schema::{Setting, Shape, Table, settings_tables};
use super::values::{HeaderText, Key, PluginEntry, Span, StrategyName, SupportName, by_token, one_or_more};

/// A day: no request is waited for longer.
const DAY: u64 = 86_400;
/// A hundred years: longer than any answer is kept.
const CENTURY: u64 = 36_525 * DAY;
const NO_LIMIT: usize = usize::MAX;
const TEXTS: Shape = Shape::List(&Shape::Text, NO_LIMIT);

/// Who answers.
pub(crate) const ENGINES: [&str; 4] = ["openrouter", "openai", "local", "sim"];
const HOSTED: [&str; 3] = ["openrouter", "openai", "local"];
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const VERBOSITIES: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];
const TIERS: [&str; 7] = ["auto", "default", "fast", "flex", "priority", "scale", "ultrafast"];
const STRATEGIES: [&str; 2] = ["prefer_response_format", "prefer_tools"];
const DURABILITIES: [&str; 2] = ["disk", "system"];
const SUPPORTS: [&str; 2] = ["required", "preferred"];
const SORTS: [&str; 4] = ["price", "throughput", "latency", "exacto"];
const QUANTIZATIONS: [&str; 12] = ["int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32", "unknown"];

settings_tables! {
    /// The settings of the file itself, above all tables.
    pub struct ConfigFile at "" either "api_key" | "api_key_env" {
        /// The model asked: an alias of `[models]`, the `model_name` of a `[[model_list]]` entry, or any id OpenRouter
        /// knows, with its variants (`:nitro`, `:free`), as `~author/family-latest`, or as `@preset/slug`.
        pub model: Option<String> = Shape::Text, default "openai/gpt-4o-mini", sends "model",
            example r#"model = "openai/gpt-4o-mini""#;
        /// Models asked in this order when the ones before them fail: aliases or ids. They stand behind `[[model_list]]`;
        /// a profile's `models` take their place.
        pub fallbacks: Vec<String> = TEXTS, sends "models", example r#"fallbacks = ["anthropic/claude-3-haiku"]"#;
        /// The model asked for embeddings: an alias or an id. With the embedded engine it is all-MiniLM-L6-v2. Nothing takes
        /// its place when it fails, since vectors of different models have nothing to do with each other.
        pub embedding_model: Option<String> = Shape::Text, default "openai/text-embedding-3-small", sends "model",
            example r#"embedding_model = "openai/text-embedding-3-large""#;
        /// The profile used when neither the command nor the model names one.
        pub default_profile: Option<String> = Shape::Text, example r#"default_profile = "careful""#;
        /// Who answers: OpenRouter; `openai`, any server with OpenAI's API at `base_url`; `local`, the embedded model;
        /// `sim`, the simulator.
        pub engine: Option<String> = Shape::OneOf(&ENGINES), default "openrouter with a key, else local",
            example r#"engine = "openrouter""#;
        /// Where the engine is.
        pub base_url: Option<String> = Shape::Url, default "https://openrouter.ai/api/v1",
            example r#"base_url = "https://eu.openrouter.ai/api/v1""#;
        /// The key. The environment is a better place for it.
        pub api_key: Option<Key> = Shape::Key, example r#"api_key = "sk-or-v1-…""#;
        /// The variable that holds the key, in the environment or in `.env`.
        pub api_key_env: Option<String> = Shape::Text, default "OPENROUTER_API_KEY", example r#"api_key_env = "TEAM_KEY""#;
        /// The ceiling of every run. A run that reaches it ends cleanly and keeps what it has.
        pub budget: Option<Usd> = Shape::Dollars, example "budget = 2.50";
        /// The ceiling of all runs together in one UTC day.
        pub day_budget: Option<Usd> = Shape::Dollars, example "day_budget = 10";
        /// The ceiling of one key in one UTC day.
        pub key_budget: Option<Usd> = Shape::Dollars, example "key_budget = 5";
        /// The most time one request may take; the same as `request` in `[deadlines]`.
        pub timeout: Option<Span> = Shape::Span(DAY), default "120", example "timeout = 90";
        /// The app that requests are counted for.
        pub app: AppTable = Shape::Table(&AppTable::TABLE), example "app = { name = \"8-Bit Oracle\" }";
        /// Sent with every request to the service itself; they win over Corsac's own. A model with a `base_url` on another
        /// host gets its own `headers` alone.
        pub headers or "extra_headers": BTreeMap<String, HeaderText> = Shape::Headers, example "headers = { \"X-Team\" = \"data\" }";
        /// Models by alias.
        pub models: BTreeMap<String, ModelTable> = Shape::Named(&ModelTable::TABLE),
            example "models = { fast = { id = \"openai/gpt-4o-mini\" } }";
        /// Profiles that any model can be asked with.
        pub profiles: BTreeMap<String, Profile> = Shape::Named(&Profile::TABLE),
            example "profiles = { careful = { temperature = 0 } }";
        /// Which earlier answers count.
        pub memory: MemoryTable = Shape::Table(&MemoryTable::TABLE), example "memory = { max_age = \"30d\" }";
        /// How long to wait for what.
        pub deadlines: DeadlinesTable = Shape::Table(&DeadlinesTable::TABLE), example "deadlines = { idle = 30 }";
        /// Models in the order in which they are tried, in LiteLLM's form, each with its own key and base.
        pub model_list: Vec<ListEntry> = Shape::Tables(&ListEntry::TABLE),
            example "model_list = [{ model_name = \"quick\", litellm_params = { model = \"openrouter/gpt-4o-mini\" } }]";
    }

    /// The app that requests are counted for, on OpenRouter's pages and in its statistics. The headers it becomes are sent
    /// with every request: chat, embeddings, models, key. Without a name and an address, requests count for Corsac.
    pub struct AppTable at "[app]" {
        /// Its name.
        pub name: Option<String> = Shape::Text, sends "header X-OpenRouter-Title", example r#"name = "8-Bit Oracle""#;
        /// Its address, by which OpenRouter knows it: without one, nothing is counted.
        pub url: Option<String> = Shape::Url, sends "header HTTP-Referer", example r#"url = "https://8bitoracle.ai""#;
        /// What it is, such as `cli-agent` or `writing-assistant`. OpenRouter takes two with a request.
        pub categories: Vec<String> = Shape::List(&Shape::Category, NO_LIMIT), sends "header X-OpenRouter-Categories",
            example r#"categories = ["writing-assistant"]"#;
    }

    /// A model under a name of your own. The alias can stand wherever a model is named.
    pub struct ModelTable at "[models.ALIAS]" either "api_key" | "api_key_env" {
        /// The model's id; only the embedded model needs none.
        pub id: Option<String> = Shape::Text, sends "model", example r#"id = "openai/gpt-4o-mini:nitro""#;
        /// How structure is asked for at first. Without it, the endpoints that are left decide.
        pub structured_output_strategy: Option<StrategyName> = Shape::OneOf(&STRATEGIES),
            sends "response_format, or tools with tool_choice", example r#"structured_output_strategy = "prefer_tools""#;
        /// What becomes of a model that, by the catalog, takes neither schemas nor tools and is asked for structure: with
        /// `required` it fails before anything is sent, with `preferred` it is asked in words. Answers are checked either way.
        pub structured_output_support: Option<SupportName> = Shape::OneOf(&SUPPORTS), default "preferred",
            example r#"structured_output_support = "required""#;
        /// The most time one request may take.
        pub timeout: Option<Span> = Shape::Span(DAY), example "timeout = 60";
        /// Who answers. A server with OpenAI's API is sent no `provider`, `models`, `plugins` or `session_id`.
        pub engine: Option<String> = Shape::OneOf(&HOSTED),
            default "the file's; openai for a base_url on another host", example r#"engine = "openai""#;
        /// Where it is.
        pub base_url: Option<String> = Shape::Url, example r#"base_url = "http://127.0.0.1:8000/v1""#;
        /// Its key. OpenRouter's key is never sent to another host.
        pub api_key: Option<Key> = Shape::Key, example r#"api_key = "sk-…""#;
        /// The variable that holds its key, in the environment or in `.env`.
        pub api_key_env: Option<String> = Shape::Text, example r#"api_key_env = "MY_KEY""#;
        /// Sent with its requests.
        pub headers or "extra_headers": BTreeMap<String, HeaderText> = Shape::Headers, example "headers = { \"X-Team\" = \"data\" }";
        /// Requests a minute that it is known to allow. Without it, the limit is found.
        pub requests_per_minute: Option<f64> = Shape::Above(0.0, f64::INFINITY), example "requests_per_minute = 100";
        /// Tokens a minute, in and out, that it is known to allow.
        pub tokens_per_minute: Option<f64> = Shape::Above(0.0, f64::INFINITY), example "tokens_per_minute = 200_000";
        /// The profile it is asked with when the command names none: one of its own, else one of `[profiles]`.
        pub default_profile: Option<String> = Shape::Text, example r#"default_profile = "careful""#;
        /// Profiles of its own. They win over those of the same name in `[profiles]`.
        pub profiles: BTreeMap<String, Profile> = Shape::Named(&Profile::TABLE),
            example "profiles = { careful = { temperature = 0 } }";
    }

    /// Named settings of a call, for any model (`[profiles.NAME]`) or for one (`[models.ALIAS.profiles.NAME]`). They hold
    /// for the fallbacks too; a fallback that is an alias adds its own profile of the same name, else its default one.
    pub struct Profile at "[profiles.NAME]" either "reasoning_effort" | "reasoning_max_tokens" where "top_logprobs" needs "logprobs" {
        /// The model asked, when neither the command nor the environment names one. Only in `[profiles]`.
        pub model: Option<String> = Shape::Text, sends "model", example r#"model = "openai/gpt-4o""#;
        /// Its fallbacks in order: ids or aliases. An alias with its own key or base is reached through these.
        pub models or "fallbacks": Vec<String> = TEXTS, sends "models", example r#"models = ["anthropic/claude-3-haiku"]"#;
        /// How much to reason.
        pub reasoning_effort: Option<String> = Shape::OneOf(&EFFORTS), sends "reasoning.effort", example r#"reasoning_effort = "low""#;
        /// Tokens for reasoning, in place of an effort.
        pub reasoning_max_tokens: Option<u32> = Shape::Whole(1, u32::MAX as i64), sends "reasoning.max_tokens",
            example "reasoning_max_tokens = 2000";
        /// Sampling temperature. It is left out for models that take none.
        pub temperature: Option<f64> = Shape::Number(0.0, 2.0), default "0", sends "temperature", example "temperature = 0.7";
        /// Sample from the likeliest tokens that together have this probability.
        pub top_p: Option<f64> = Shape::Number(0.0, 1.0), sends "top_p", example "top_p = 0.9";
        /// Sample from so many tokens; 0 means all.
        pub top_k: Option<u32> = Shape::Whole(0, u32::MAX as i64), sends "top_k", example "top_k = 40";
        /// The least probability of a token, as a share of the likeliest one's.
        pub min_p: Option<f64> = Shape::Number(0.0, 1.0), sends "min_p", example "min_p = 0.05";
        /// The same, as a share of the likeliest one's square.
        pub top_a: Option<f64> = Shape::Number(0.0, 1.0), sends "top_a", example "top_a = 0.1";
        /// Against tokens by how often they came.
        pub frequency_penalty: Option<f64> = Shape::Number(-2.0, 2.0), sends "frequency_penalty", example "frequency_penalty = 0.5";
        /// Against tokens that came at all.
        pub presence_penalty: Option<f64> = Shape::Number(-2.0, 2.0), sends "presence_penalty", example "presence_penalty = -0.5";
        /// Against tokens of the input; 1 changes nothing.
        pub repetition_penalty: Option<f64> = Shape::Above(0.0, 2.0), sends "repetition_penalty", example "repetition_penalty = 1.1";
        /// The start of the sampling, where a provider takes one.
        pub seed: Option<i64> = Shape::Whole(i64::MIN, i64::MAX), sends "seed", example "seed = 7";
        /// Texts before which the answer ends.
        #[serde(deserialize_with = "one_or_more")]
        pub stop: Vec<String> = Shape::OneOrMore(&Shape::Text, 4), sends "stop", example r#"stop = "END""#, example r#"stop = ["END", "STOP"]"#;
        /// Tokens made likelier or less likely, by their ids in the model's own tokenizer.
        #[serde(deserialize_with = "by_token")]
        pub logit_bias: BTreeMap<u32, f64> = Shape::Bias, sends "logit_bias", example r#"logit_bias = { "50256" = -100 }"#;
        /// Whether to have the log probabilities of the answer's tokens.
        pub logprobs: Option<bool> = Shape::Flag, sends "logprobs", example "logprobs = true";
        /// For so many tokens at each place.
        pub top_logprobs: Option<u8> = Shape::Whole(0, 20), sends "top_logprobs", example "logprobs = true\ntop_logprobs = 5";
        /// The most tokens of the answer. Given, it is never raised.
        pub max_tokens: Option<u32> = Shape::Whole(1, u32::MAX as i64), default "from the schema, raised when an answer is cut",
            sends "max_tokens", example "max_tokens = 400";
        /// How long-winded the answer may be, where a model knows that.
        pub verbosity: Option<String> = Shape::OneOf(&VERBOSITIES), sends "verbosity", example r#"verbosity = "low""#;
        /// The class of service, at its price.
        pub service_tier: Option<String> = Shape::OneOf(&TIERS), sends "service_tier", example r#"service_tier = "flex""#;
        /// Keeps requests that belong together at one provider, so that its prompt cache serves them.
        pub session_id: Option<String> = Shape::TextUpTo(256), sends "session_id", example r#"session_id = "nightly-tickets""#;
        /// A stable name of the end user, hashed by you.
        pub user: Option<String> = Shape::TextUpTo(256), sends "user", example r#"user = "u-4f1c""#;
        /// What OpenRouter does with a request and its reply on the way. A plugin that Corsac does not know is written as a
        /// table with an `id`.
        pub plugins: Vec<PluginEntry> = Shape::List(&Shape::Plugin, NO_LIMIT), sends "plugins",
            example r#"plugins = ["response-healing"]"#, example r#"plugins = [{ id = "file-parser", engine = "mistral-ocr" }]"#;
        /// Any other field of a request, as it is to be sent.
        pub extra_body: Map<String, Value> = Shape::Anything, sends "", example "extra_body = { transforms = [\"middle-out\"] }";
        /// How structure is asked for at first. Without it, the endpoints that are left decide.
        pub structured_output_strategy: Option<StrategyName> = Shape::OneOf(&STRATEGIES),
            sends "response_format, or tools with tool_choice", example r#"structured_output_strategy = "prefer_tools""#;
        /// What becomes of a model that, by the catalog, takes neither schemas nor tools and is asked for structure: with
        /// `required` it fails before anything is sent, with `preferred` it is asked in words. Answers are checked either way.
        pub structured_output_support: Option<SupportName> = Shape::OneOf(&SUPPORTS), default "preferred",
            example r#"structured_output_support = "required""#;
        /// The most time one request may take.
        pub timeout: Option<Span> = Shape::Span(DAY), example "timeout = 60";
        /// Who may serve. It takes the place of an earlier `provider` as a whole.
        pub provider: Option<ProviderTable> = Shape::Table(&ProviderTable::TABLE), sends "provider", example r#"provider = { sort = "price" }"#;
    }

    /// Which providers may serve, and in what order. Providers are named as OpenRouter shows them or by slug: `Amazon Bedrock`
    /// and `amazon-bedrock` are the same.
    pub struct ProviderTable at "[profiles.NAME.provider]" {
        /// Tried first, in this order.
        pub order: Vec<String> = TEXTS, sends "provider.order", example r#"order = ["openai", "azure"]"#;
        /// The only ones allowed. Answers that others gave earlier do not count.
        pub only: Vec<String> = TEXTS, sends "provider.only", example r#"only = ["openai"]"#;
        /// Left out. Answers that they gave earlier do not count.
        pub ignore or "exclude": Vec<String> = TEXTS, sends "provider.ignore", example r#"ignore = ["azure"]"#;
        /// Whether others may serve when the preferred ones fail.
        pub allow_fallbacks: Option<bool> = Shape::Flag, default "true", sends "provider.allow_fallbacks", example "allow_fallbacks = false";
        /// Whether a provider must support every parameter of the request.
        pub require_parameters: Option<bool> = Shape::Flag, default "true when structure is asked for",
            sends "provider.require_parameters", example "require_parameters = true";
        /// Whether providers may keep prompts.
        pub data_collection: Option<String> = Shape::OneOf(&["allow", "deny"]), default "the account's", sends "provider.data_collection",
            example r#"data_collection = "deny""#;
        /// Whether only endpoints without any data retention may serve.
        pub zdr: Option<bool> = Shape::Flag, sends "provider.zdr", example "zdr = true";
        /// Whether answers must be free to train other models with.
        pub enforce_distillable_text: Option<bool> = Shape::Flag, sends "provider.enforce_distillable_text",
            example "enforce_distillable_text = true";
        /// Quantizations allowed. Models whose weights are closed have `unknown`.
        pub quantizations: Vec<String> = Shape::List(&Shape::OneOf(&QUANTIZATIONS), NO_LIMIT), sends "provider.quantizations",
            example r#"quantizations = ["fp8", "bf16"]"#;
        /// How providers are sorted, in place of spreading requests by price. With `partition = "none"`, the endpoints of
        /// all models are sorted together.
        pub sort: Option<Sort> = Shape::Either(&Shape::OneOf(&SORTS), &Shape::Table(&SORT)), sends "provider.sort",
            example r#"sort = "latency""#, example r#"sort = { by = "price", partition = "none" }"#;
        /// Dollars for a million tokens of input; dearer endpoints are left out.
        pub max_prompt_price: Option<Usd> = Shape::Dollars, sends "provider.max_price.prompt", example "max_prompt_price = 0.5";
        /// Dollars for a million tokens of output.
        pub max_completion_price: Option<Usd> = Shape::Dollars, sends "provider.max_price.completion", example "max_completion_price = 2";
        /// Tokens a second below which an endpoint is put behind the others, for the median or by percentile.
        pub preferred_min_throughput: Option<Threshold> = Shape::Either(&Shape::Number(0.0, f64::INFINITY), &Shape::Table(&PERCENTILES)),
            sends "provider.preferred_min_throughput", example "preferred_min_throughput = 50",
            example "preferred_min_throughput = { p90 = 30 }";
        /// Seconds to the first token above which an endpoint is put behind the others.
        pub preferred_max_latency: Option<Threshold> = Shape::Either(&Shape::Number(0.0, f64::INFINITY), &Shape::Table(&PERCENTILES)),
            sends "provider.preferred_max_latency", example "preferred_max_latency = 1.5",
            example "preferred_max_latency = { p50 = 1, p99 = 5 }";
    }

    /// Which earlier answers are used again.
    pub struct MemoryTable at "[memory]" {
        /// Answers older than this are asked anew.
        pub max_age: Option<Span> = Shape::Span(CENTURY), default "any age", example r#"max_age = "30d""#;
        /// Answers count only within one namespace.
        pub namespace: Option<String> = Shape::Text, default "the one that all share", example r#"namespace = "experiment-2""#;
        /// What an answer outlives once it was given out: a power cut (`disk`), or the end of the process, `kill -9` included (`system`),
        /// which costs less where answers come one at a time.
        pub durability: Option<String> = Shape::OneOf(&DURABILITIES), default "disk", example r#"durability = "system""#;
    }

    /// How long to wait for what.
    pub struct DeadlinesTable at "[deadlines]" {
        /// For a connection.
        pub connect: Option<Span> = Shape::Span(DAY), default "10", example "connect = 5";
        /// For the head of a reply.
        pub first_byte: Option<Span> = Shape::Span(DAY), default "120", example "first_byte = 60";
        /// Between two events of a stream that carry data.
        pub idle: Option<Span> = Shape::Span(DAY), default "60", example "idle = 30";
        /// For the whole of one request.
        pub request: Option<Span> = Shape::Span(DAY), default "120", example "request = 90";
        /// For a call over all its requests and waits.
        pub call: Option<Span> = Shape::Span(DAY), default "1800", example r#"call = "10m""#;
    }

    /// One model of an ordered list, in the form that LiteLLM's `model_list` has. `model_name` is its alias.
    pub struct ListEntry at "[[model_list]]" {
        /// The name it is called by; several entries may share one.
        pub model_name: Option<String> = Shape::Text, default "litellm_params.model", example r#"model_name = "quick""#;
        /// The model, its key and its base.
        pub litellm_params: LitellmParams = Shape::Table(&LitellmParams::TABLE),
            example "litellm_params = { model = \"openrouter/gpt-4o-mini\" }";
        /// Read over.
        pub model_info: Map<String, Value> = Shape::Anything, example "model_info = { mode = \"chat\" }";
    }

    /// The entry's model and all that is its own.
    pub struct LitellmParams at "[model_list.litellm_params]"
        either "max_tokens" | "max_completion_tokens" {
        /// The model's id. `openrouter/` leads to OpenRouter; `openai/` and `hosted_vllm/` with an `api_base` elsewhere lead to
        /// that server and are taken off.
        pub model: Option<String> = Shape::Text, sends "model", example r#"model = "openrouter/gpt-4o-mini""#;
        /// Its key, or `os.environ/NAME` for a variable that holds it.
        pub api_key: Option<Key> = Shape::Key, default "OpenRouter's, at OpenRouter", example r#"api_key = "os.environ/OPENROUTER_API_KEY""#;
        /// Where it is.
        pub api_base or "base_url": Option<String> = Shape::Url, default "the file's base_url",
            example r#"api_base = "https://openrouter.ai/api/v1""#;
        /// `openrouter` or `openai`, where `model` and `api_base` do not say it.
        pub custom_llm_provider: Option<String> = Shape::OneOf(&["openrouter", "openai"]), example r#"custom_llm_provider = "openai""#;
        /// Sent with its requests.
        pub extra_headers or "headers": BTreeMap<String, HeaderText> = Shape::Headers,
            example r#"extra_headers = { "X-Title" = "8-Bit Oracle" }"#;
        /// Requests a minute that it is known to allow.
        pub rpm: Option<f64> = Shape::Above(0.0, f64::INFINITY), example "rpm = 100";
        /// Tokens a minute that it is known to allow.
        pub tpm: Option<f64> = Shape::Above(0.0, f64::INFINITY), example "tpm = 200_000";
        /// `max_tokens` under its newer name.
        pub max_completion_tokens: Option<u32> = Shape::Whole(1, u32::MAX as i64), sends "max_tokens", example "max_completion_tokens = 400";
        ..
        /// Everything that a profile may say about a request.
        profile: Profile except "model", "models";
    }
}

/// The parts of a `sort` that is more than a word.
const SORT: Table = Table {
    heading: "{ by, partition }",
    about: "",
    settings: &[part("by", Shape::OneOf(&SORTS)), part("partition", Shape::OneOf(&["model", "none"]))],
    also: None,
    either: &[],
    needs: &[],
};

/// A bound for some percentiles.
const PERCENTILES: Table = Table {
    heading: "{ p50, p75, p90, p99 }",
    about: "",
    settings: &[
        part("p50", Shape::Number(0.0, f64::INFINITY)),
        part("p75", Shape::Number(0.0, f64::INFINITY)),
        part("p90", Shape::Number(0.0, f64::INFINITY)),
        part("p99", Shape::Number(0.0, f64::INFINITY)),
    ],
    also: None,
    either: &[],
    needs: &[],
};

const fn part(name: &'static str, shape: Shape) -> Setting {
    Setting { name, alias: None, meaning: "", shape, default: None, sends: None, examples: &[] }
}

/// The tables of the reference page, in its order.
pub(crate) const TABLES: [&Table; 9] = [
    &ConfigFile::TABLE,
    &AppTable::TABLE,
    &ModelTable::TABLE,
    &Profile::TABLE,
    &ProviderTable::TABLE,
    &MemoryTable::TABLE,
    &DeadlinesTable::TABLE,
    &ListEntry::TABLE,
    &LitellmParams::TABLE,
];
