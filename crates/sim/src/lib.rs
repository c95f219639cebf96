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
//! | `http_500` | 500 with a masked message |
//! | `http_502` | 502 "Provider returned error" with the upstream text in `raw` |
//! | `http_503` | 503 with Retry-After |
//! | `http_504` | 504 with error_type timeout |
//! | `http_524_html` | 524 with an HTML page of the edge |
//! | `http_529` | 529 provider overloaded |
//! | `http_408` | 408 timed out |
//! | `rate_limited` | 429 of the platform itself, hints as `limits.hint` says |
//! | `upstream_rate_limited` | 429 of the provider's shared pool, with Retry-After |
//! | `free_per_day` | 429 daily quota of `:free` models used up |
//! | `capacity_exhausted` | 429 all providers of the model at capacity |
//! | `error_in_200` | 200 with a top-level error and no choices |
//! | `choice_error` | 200 with choices[0].error and finish_reason error |
//! | `empty_stop` | 200 with an empty answer, finish_reason stop, no completion tokens |
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
//! | `stalled_stream` | a stream of comments only |
//! | `no_credits_402` | 402 no credits left |
//! | `in_flight_402` | 402 too much in flight for the balance, with Retry-After |
//! | `cannot_afford_402` | 402 max_tokens larger than the balance affords |
//! | `moderation_403` | 403 the input was flagged |
//! | `guardrail_403` | 403 blocked by a guardrail |
//! | `key_limit_403` | 403 the key's own limit is used up |
//! | `unauthorized_401` | 401 unknown key |
//! | `no_endpoints_404` | 404 no endpoints for the model |
//! | `parameter_filter_404` | 404 no endpoint can handle the requested parameters |
//! | `data_policy_404` | 404 no endpoints match the data policy |
//! | `schema_refused_400` | 400 "Provider returned error", `raw` says the schema is invalid |
//! | `context_length_400` | 400 prompt and max_tokens exceed the context |
//! | `reasoning_mandatory_400` | 400 reasoning cannot be disabled |
//! | `tool_empty_arguments` | a tool call whose arguments are the empty string |
//! | `garbage_body` | 200 application/json whose body is not JSON |
//! | `wrong_content_type` | a good answer labelled text/plain |
//!
//! Where a fault needs a stream and none was asked for, `truncated_stream` cuts the body,
//! `midstream_error` becomes `choice_error` and `stalled_stream` hangs.
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
mod answer;
mod catalog;
mod catalog_data;
mod catalog_json;
mod catalog_parameters;
mod chat;
mod chat_request;
mod completion_json;
mod config;
mod counters;
mod embeddings;
mod error;
mod exchange;
mod fault;
mod fault_plan;
mod fault_reply;
mod generation;
mod money;
mod pattern;
mod query;
mod random;
mod reply;
mod routing;
mod rule;
mod schema_answer;
mod schema_keywords;
mod script;
mod seed;
mod seen;
mod server;
mod simulator;
mod stream;
mod strict_schema;
mod wire_error;
mod words;

pub use config::{
    DownModel, EndpointScript, FaultEvery, KeyConfig, LatencyRange, LimitChange, LimitConfig, LimitHint, ModelScript, SimConfig,
    StreamConfig, UsageLayout, WindowKind,
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
