//! OpenRouter, simulated: a catalog of models and endpoints, keys, limits, credits, answers that obey
//! the schema asked for, and every fault a client must survive, by script and seed.
//!
//! It is the oracle the client is tested against, so it does not share the client's reading of the
//! wire: only [`SimExchange`], which puts it behind the engine, knows other crates of the workspace.
//! It never opens a connection and never reads a clock inside [`Simulator::handle`].
//!
//! ```
//! use std::time::Duration;
//! use corsac_sim::{SimConfig, SimRequest, Simulator};
//!
//! let config = SimConfig::from_script(r#"
//!     seed = 7
//!     latency_ms = [200, 400]
//!     [[rule]]
//!     model = "openai/gpt-4o"
//!     every = 2
//!     fault = "http_503"
//! "#)?;
//! let simulator = Simulator::new(config)?;
//! let body = r#"{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hello"}]}"#;
//! let request = SimRequest::post("/api/v1/chat/completions", "sk-or-any", body);
//! let first = simulator.handle(&request, Duration::ZERO);
//! let second = simulator.handle(&request, Duration::from_secs(1));
//! assert_eq!((first.status, second.status), (200, 503));
//! assert!(first.delay >= Duration::from_millis(200));
//! # Ok::<(), corsac_sim::SimError>(())
//! ```
//!
//! # Routes
//!
//! Paths below `/api/v1`, or the same without it. *Key*: any known key, *manager*: one of `keys.management`.
//!
//! | route | who | what it does |
//! |---|---|---|
//! | `POST /chat/completions` | key | chat: streams, tools, schemas, reasoning, `n`, `stop`, `seed`, `logprobs`, pictures and files |
//! | `POST /completions` | key | the older text completions |
//! | `POST /messages` | key | the same in Anthropic's shape, errors too |
//! | `POST /responses` | key | the same in OpenAI's Responses shape; nothing is stored |
//! | `POST /embeddings` | key | unit vectors in which texts with common words are near; texts, tokens, base64 |
//! | `POST /rerank` | key | documents by how near they are to a query |
//! | `GET /models`, `/models/user`, `/models/count` | anyone, key, anyone | lists with filters, orders and pages |
//! | `GET /embeddings/models` | anyone | the models that embed |
//! | `GET /model/{author}/{slug}` | anyone | one model, by any of its names |
//! | `GET /models/{author}/{slug}/endpoints` | anyone | its endpoints; latency and throughput with a key only |
//! | `GET /endpoints/zdr`, `/providers` | anyone | endpoints that keep nothing, names and slugs of providers |
//! | `GET /key`, `/auth/key` | key | limits, spending by day, week and month, budgets |
//! | `GET /generation?id=`, `/generation/content?id=` | key | what an answer was and cost, some time after it |
//! | `GET /credits`, `/activity` | manager | money bought and spent; spending of days that are over |
//! | `GET` and `POST /keys`, `GET`, `PATCH` and `DELETE /keys/{hash}` | manager | keys with limits of their own |
//! | `GET /sim/seen`, `POST /sim/reset` | anyone | what was seen; everything anew |
//!
//! Routing is computed from the endpoints: `only`, `ignore`, `order`, `allow_fallbacks`, `require_parameters`,
//! `data_collection`, `zdr`, `quantizations`, `max_price`, `sort`, tools, pictures, context and `max_tokens` leave
//! the endpoints they leave, and a refusal tells the step that left none and the whole funnel. Without a wish the
//! cheap ones are likelier, a session stays with its endpoint for ten minutes, and an endpoint that failed comes last
//! for half a minute. `X-OpenRouter-Metadata` and `X-OpenRouter-Cache` work as documented.
//!
//! # Time and chance
//!
//! The same seed, the same requests and the same times give the same replies. An answer depends on
//! the seed and the text of the last user message; the endpoint on the seed and the body; latency and
//! ids on the seed and the number of the request. [`serve`] puts real time in place of the one handed in.
//!
//! # Scripts
//!
//! A script is TOML (or the same as JSON). Its top-level names are those of [`SimConfig`]; each
//! `[[rule]]` is a [`Rule`], first match wins; each `[[model]]` a [`ModelScript`].
//!
//! ```toml
//! seed = 7
//! latency_ms = [200, 400]          # or one number
//! fault_every = [{ every = 50, fault = "http_502" }]
//! down = [{ model = "openai/gpt-4o", fault = "no_endpoints_404" }]
//!
//! [limits]
//! requests_per_minute = 600
//! hint = "reset"                   # none, reset, retry_after, both
//! schedule = [{ at_s = 120, requests_per_minute = 300 }]
//!
//! [keys]
//! credits_dollars = "2.50"
//! management = ["sk-or-v1-manager"]
//! key_limit_dollars = 1
//! key_limit_reset = "daily"
//!
//! [[keys.budget]]
//! limit_dollars = 2
//! reset = "monthly"
//!
//! [[rule]]
//! provider = "deepinfra"           # the next endpoint still answers
//! probability = 0.05
//! fault = "upstream_rate_limited"
//!
//! [[rule]]
//! model = "openai/*"               # down for a while, and again every two minutes
//! after_s = 30
//! cycle_s = 120
//! on_s = 20
//! fault = "http_503"
//!
//! [[rule]]
//! api_key = "sk-or-v1-second-*"    # one key, or one header
//! header = { x-session-id = "*" }
//! fault = "key_limit_403"
//!
//! [[rule]]
//! contains = "invoice"
//! times = 3
//! content = '{"total": 12}'
//!
//! [[rule]]
//! path = "/models"
//! reply = { status = 500, body = { error = { message = "no", code = 500 } } }
//! ```
//!
//! [`SimConfig::random`] draws a configuration full of trouble from a seed.
//!
//! A refusal (a status from 400 to 499 but for 408) comes after `refusal_ms`, not after the answer's latency,
//! unless its rule gives a `latency_ms`.
//!
//! # Faults
//!
//! | name | what a caller gets |
//! |---|---|
//! | `http_400` | 400 "Invalid request parameters" |
//! | `http_413` | 413 request payload too large |
//! | `http_422` | 422 invalid argument, said by the provider |
//! | `http_500` | 500 with a masked message |
//! | `http_502` | 502 "Provider returned error" with the upstream text in `raw` |
//! | `http_503` | 503 with Retry-After |
//! | `http_504` | 504 with error_type timeout |
//! | `http_524` | 524 timed out, as JSON |
//! | `http_524_html` | 524 with an HTML page of the edge |
//! | `http_529` | 529 provider overloaded |
//! | `http_408` | 408 timed out |
//! | `rate_limited` | 429 of the platform itself, hints as `limits.hint` says |
//! | `upstream_rate_limited` | 429 of the provider's shared pool, with Retry-After |
//! | `free_per_day` | 429 daily quota of `:free` models used up |
//! | `free_per_minute` | 429 too many requests to `:free` models this minute |
//! | `capacity_exhausted` | 429 all providers of the model at capacity |
//! | `error_in_200` | 200 with a top-level error and no choices |
//! | `choice_error` | 200 with choices[0].error and finish_reason error |
//! | `empty_stop` | 200 with an empty answer, finish_reason stop, no completion tokens |
//! | `reasoning_only` | 200 with reasoning but no content, finish_reason stop |
//! | `length` | 200 with the answer cut in the middle, finish_reason length |
//! | `malformed_json` | 200 with JSON content cut off or followed by prose, finish_reason stop |
//! | `wrong_schema` | 200 with valid JSON that violates the schema asked for |
//! | `fenced_json` | 200 with the JSON inside a Markdown fence after a sentence |
//! | `refusal` | 200 with message.refusal and no content |
//! | `content_filter` | 200 with finish_reason content_filter |
//! | `hang` | the connection stays open and nothing ever comes |
//! | `cut` | the connection closes in the middle of the body |
//! | `slow` | the answer comes after `slow_ms` |
//! | `truncated_stream` | a stream that ends without finish_reason, usage or [DONE] |
//! | `midstream_error` | a stream that ends with an error chunk |
//! | `midstream_error_no_choices` | a stream that ends with an error chunk whose choices are empty |
//! | `midstream_error_bare` | a stream that ends with an error and nothing around it |
//! | `stalled_stream` | a stream of comments only |
//! | `no_credits_402` | 402 no credits left |
//! | `in_flight_402` | 402 too much in flight for the balance, with Retry-After |
//! | `cannot_afford_402` | 402 max_tokens larger than the balance affords |
//! | `weight_402` | 402 this request alone is more than may be in flight |
//! | `key_limit_402` | 402 the key's own limit is used up |
//! | `moderation_403` | 403 the input was flagged |
//! | `guardrail_403` | 403 blocked by a guardrail |
//! | `key_limit_403` | 403 the key's own limit is used up |
//! | `budget_403` | 403 a budget is used up until `resets_at` |
//! | `region_403` | 403 the model is not available in this region |
//! | `harness_403` | 403 the free model is for agentic harnesses only |
//! | `edge_403_html` | 403 with an HTML page of the edge that blocks |
//! | `unauthorized_401` | 401 unknown key |
//! | `no_endpoints_404` | 404 no endpoints for the model |
//! | `parameter_filter_404` | 404 no endpoint can handle the requested parameters |
//! | `data_policy_404` | 404 no endpoints match the data policy |
//! | `allowed_providers_404` | 404 none of the allowed providers serves the model |
//! | `guardrail_404` | 404 no endpoints match guardrails and data policy |
//! | `privacy_404` | 404 no endpoints match the data policy, in the newer form |
//! | `tool_use_404` | 404 no endpoints support tools |
//! | `tool_choice_404` | 404 no endpoints support the tool_choice |
//! | `image_input_404` | 404 no endpoints support images |
//! | `free_ended_404` | 404 the free variant has ended, with `fallback_models` |
//! | `deprecated_404` | 404 the model is gone, with `fallback_models`, and without `code` |
//! | `unknown_model_400` | 400 not a valid model id |
//! | `schema_refused_400` | 400 "Provider returned error", `raw` says the schema is invalid |
//! | `context_length_400` | 400 prompt and max_tokens exceed the context |
//! | `reasoning_mandatory_400` | 400 reasoning cannot be disabled |
//! | `thought_lost_400` | 400 "Provider returned error": the reasoning of an earlier turn is missing |
//! | `tool_empty_arguments` | a tool call whose arguments are the empty string |
//! | `empty_body` | 200 application/json without a single byte |
//! | `tool_call_missing` | finish_reason tool_calls without any tool call |
//! | `garbage_body` | 200 application/json whose body is not JSON |
//! | `wrong_content_type` | a good answer labelled text/plain |
//!
//! Where a fault needs a stream and none was asked for, `truncated_stream` cuts the body,
//! `midstream_error` and its like become `choice_error`, and `stalled_stream` hangs.
//!
//! # What it saw
//!
//! `GET /api/v1/sim/seen` answers with the counters of [`Seen`], `POST /api/v1/sim/reset` starts
//! everything anew. Keys are never shown beyond their last four characters. For judging a client there are
//! [`Simulator::body`] and [`Simulator::bodies`] (how often one and the same body was answered, well answered, billed),
//! [`Simulator::billed_to`] (exact money by key) and [`Simulator::abandon`] for replies nobody waited for.

// the generation record is one long `json!`
#![recursion_limit = "256"]

mod account;
mod affinity;
mod answer;
mod asked_fields;
mod calendar;
mod catalog;
mod catalog_data;
mod catalog_json;
mod catalog_parameters;
mod chat;
mod chat_request;
mod completion_json;
mod config;
mod conversation;
mod counters;
mod embeddings;
mod error;
mod exchange;
mod fault;
mod fault_plan;
mod fault_reply;
mod generation;
mod key_routes;
mod limits;
mod messages_reply;
mod messages_request;
mod model_list;
mod money;
mod pattern;
mod plain;
mod prompt_cache;
mod query;
mod random;
mod reasoning;
mod reply;
mod rerank;
mod response_cache;
mod responses_reply;
mod responses_request;
mod route;
mod routing;
mod rule;
mod schema_answer;
mod schema_keywords;
mod script;
mod seed;
mod seen;
mod serve;
mod server;
mod simulator;
mod skin;
mod spending;
mod stream;
mod strict_schema;
mod text_completion;
mod wire_error;
mod words;

pub use calendar::ResetInterval;
pub use config::{
    BudgetConfig, DownModel, EndpointScript, FaultEvery, KeyConfig, LatencyRange, LimitChange, LimitConfig, LimitHint, ModelScript,
    SimConfig, StreamConfig, UsageLayout, WindowKind,
};
pub use error::SimError;
pub use exchange::SimExchange;
pub use fault::FaultKind;
pub use money::PicoDollars;
pub use reply::{SimBody, SimReply, SimRequest};
pub use rule::{FixedReply, KeyPattern, Rule};
pub use script::SimOptions;
pub use seen::{Seen, SeenBody, SeenHeader, SeenMinute, SeenRequest};
pub use server::{listen, serve};
pub use simulator::Simulator;
