//! The model catalog: models, the endpoints that serve them, their prices, and providers.
//!
//! Only a model's id is required of an entry. A field of an unexpected type counts as absent, an entry that cannot be
//! read is passed over: neither costs the rest of the list. What is written is read back as the same.

mod endpoint;
mod model;
mod pricing;
mod provider;

pub use endpoint::{Endpoint, EndpointList, EndpointsReply, ModelEndpoints, ToolChoiceSupport};
pub use model::{AliasTarget, Architecture, Links, Model, ModelList, PerRequestLimits, ReasoningSupport, TopProvider};
pub use pricing::{PriceOverride, Pricing, UtcTime};
pub use provider::{Provider, ProviderList};
