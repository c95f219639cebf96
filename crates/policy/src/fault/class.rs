//! The kinds of fault. Two faults are of different kinds when something different has to be done about them.

use crate::{Efforts, Parameter};

/// The kinds of fault, each with its own remedy.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultClass {
    /// The key is missing, wrong or revoked.
    Unauthorized,
    /// The key may not do this.
    Forbidden,
    /// The model is not offered where the request comes from.
    Region,
    /// The free model is kept for certain apps.
    AgenticHarness,
    /// The account has nothing left to spend.
    OutOfCredits,
    /// The key's own limit, or a budget set over it, is used up.
    KeyLimit,
    /// The credits cover so many answer tokens, fewer than asked for.
    CannotAfford {
        /// Tokens that can be paid for.
        affordable: u32,
    },
    /// This one request could cost more than may be under way at all.
    TooDear,
    /// Too much is reserved by requests under way; it passes.
    InFlightBudget,
    /// The input was stopped by a moderation that the model or its provider requires.
    Moderated,
    /// The answer was stopped by a content filter.
    Filtered,
    /// The input was stopped by a rule of this account.
    Guardrail,
    /// The model declined.
    Declined,
    /// The model's id is not known.
    UnknownModel,
    /// The model does not answer chats.
    WrongEndpoint,
    /// The model was there once, or cannot be had now.
    ModelGone,
    /// The free variant of a model has ended.
    FreeEnded,
    /// Nobody serves the model under these routing rules.
    NoEndpoints,
    /// Nobody serves the model with these parameters.
    NoEndpointsForParameters,
    /// Nobody who serves the model takes tools, or the choice of one.
    NoToolSupport,
    /// Nobody who serves the model takes images.
    ImageUnsupported,
    /// The account's privacy settings or guardrails leave nobody.
    DataPolicy,
    /// A provider refused the schema.
    SchemaRefused,
    /// A provider refused the schema for what `strict` asks of one.
    StrictRefused,
    /// A parameter was refused by name.
    ParameterRefused {
        /// The parameter.
        parameter: Parameter,
    },
    /// The answer's token limit was refused.
    MaxTokensRefused {
        /// The most that is allowed, if said.
        most: Option<u32>,
        /// The least that is allowed, if said.
        least: Option<u32>,
    },
    /// The model reasons, whatever it is told.
    ReasoningMandatory,
    /// The model cannot be asked for this effort.
    EffortUnsupported {
        /// The efforts it takes, as far as they were named.
        supported: Efforts,
    },
    /// The input does not fit.
    ContextLength {
        /// Tokens that fit, if said.
        limit: Option<u64>,
        /// Tokens of the input alone, if said.
        input: Option<u64>,
    },
    /// The request's body has too many bytes.
    PayloadTooLarge,
    /// The request was refused for another reason.
    BadRequest,
    /// 429 by the service itself.
    RateLimited,
    /// The free models' requests of this minute are used up.
    FreeRateLimited,
    /// 429 by a provider.
    UpstreamRateLimited,
    /// Every provider of the model has too much to do.
    AtCapacity,
    /// The free models' requests of this day are used up.
    DailyQuota,
    /// 502, 503, 529: a provider is down or has too much to do.
    Overloaded,
    /// 500 and what else the server did wrong.
    ServerError,
    /// No reply in time, here or upstream.
    Timeout,
    /// No connection.
    Unreachable,
    /// The connection broke off.
    Cut,
    /// A reply that cannot be read.
    Garbled,
    /// This address does not speak the API.
    NotTheService,
    /// What is asked about a past answer is not known yet.
    NotReady,
    /// An answer with nothing in it.
    Empty,
    /// An answer cut at its token limit.
    Truncated,
    /// A function call without its data, or one the provider could not read.
    MalformedCall,
    /// An answer that does not satisfy the schema.
    Invalid,
}

/// Whose doing a fault is: what has to rest, or to be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Blame {
    /// The request's own: the same would fail anywhere alike.
    Request,
    /// The key's or its account's.
    Account,
    /// The host's, or the way there.
    Host,
    /// All free models with this account.
    FreeTier,
    /// The model's, whoever serves it.
    Model,
    /// The provider's that was named, for this model.
    Provider,
}

impl FaultClass {
    /// The name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Region => "region",
            Self::AgenticHarness => "agentic_harness",
            Self::OutOfCredits => "out_of_credits",
            Self::KeyLimit => "key_limit",
            Self::CannotAfford { .. } => "cannot_afford",
            Self::TooDear => "too_dear",
            Self::InFlightBudget => "in_flight_budget",
            Self::Moderated => "moderated",
            Self::Filtered => "filtered",
            Self::Guardrail => "guardrail",
            Self::Declined => "declined",
            Self::UnknownModel => "unknown_model",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::ModelGone => "model_gone",
            Self::FreeEnded => "free_ended",
            Self::NoEndpoints => "no_endpoints",
            Self::NoEndpointsForParameters => "no_endpoints_for_parameters",
            Self::NoToolSupport => "no_tool_support",
            Self::ImageUnsupported => "image_unsupported",
            Self::DataPolicy => "data_policy",
            Self::SchemaRefused => "schema_refused",
            Self::StrictRefused => "strict_refused",
            Self::ParameterRefused { .. } => "parameter_refused",
            Self::MaxTokensRefused { .. } => "max_tokens_refused",
            Self::ReasoningMandatory => "reasoning_mandatory",
            Self::EffortUnsupported { .. } => "effort_unsupported",
            Self::ContextLength { .. } => "context_length",
            Self::PayloadTooLarge => "payload_too_large",
            Self::BadRequest => "bad_request",
            Self::RateLimited => "rate_limited",
            Self::FreeRateLimited => "free_rate_limited",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::AtCapacity => "at_capacity",
            Self::DailyQuota => "daily_quota",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Cut => "cut",
            Self::Garbled => "garbled",
            Self::NotTheService => "not_the_service",
            Self::NotReady => "not_ready",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::MalformedCall => "malformed_call",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the pace was the fault.
    pub fn is_rate_limit(&self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::FreeRateLimited
                | Self::UpstreamRateLimited
                | Self::AtCapacity
                | Self::DailyQuota
                | Self::InFlightBudget
        )
    }

    /// Whose doing it is, where a provider was named or not.
    pub fn blame(&self, provider_named: bool) -> Blame {
        match self {
            Self::Unauthorized
            | Self::Forbidden
            | Self::OutOfCredits
            | Self::KeyLimit
            | Self::CannotAfford { .. }
            | Self::TooDear
            | Self::InFlightBudget
            | Self::Guardrail => Blame::Account,
            Self::Unreachable | Self::NotTheService => Blame::Host,
            Self::FreeRateLimited | Self::DailyQuota => Blame::FreeTier,
            Self::Moderated
            | Self::Declined
            | Self::Invalid
            | Self::Truncated
            | Self::ContextLength { .. }
            | Self::PayloadTooLarge
            | Self::NotReady => Blame::Request,
            Self::UpstreamRateLimited
            | Self::Overloaded
            | Self::ServerError
            | Self::Timeout
            | Self::Cut
            | Self::Garbled
            | Self::Empty
            | Self::MalformedCall
            | Self::Filtered
            | Self::SchemaRefused
            | Self::StrictRefused
            | Self::BadRequest
                if provider_named =>
            {
                Blame::Provider
            }
            Self::BadRequest | Self::Filtered => Blame::Request,
            _ => Blame::Model,
        }
    }
}
