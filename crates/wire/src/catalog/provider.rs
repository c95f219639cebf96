//! Providers: requests name them by slug, replies by display name, and only this list tells which is which.

use serde::{Deserialize, Serialize};

use crate::lenient;

/// The providers there are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderList {
    /// The providers.
    #[serde(deserialize_with = "lenient::entries")]
    pub data: Vec<Provider>,
}

/// A provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// The display name, as replies have it.
    pub name: String,
    /// The slug, as requests have it.
    pub slug: String,
    /// The country it is at home in, as two letters.
    #[serde(default, deserialize_with = "lenient::absent")]
    pub headquarters: Option<String>,
    /// The countries it computes in.
    #[serde(default, deserialize_with = "lenient::entries")]
    pub datacenters: Vec<String>,
    /// Where its troubles are told.
    #[serde(default, deserialize_with = "lenient::absent")]
    pub status_page_url: Option<String>,
}

impl ProviderList {
    /// The slug of a display name.
    pub fn slug(&self, name: &str) -> Option<&str> {
        self.data.iter().find(|provider| provider.name.eq_ignore_ascii_case(name)).map(|provider| provider.slug.as_str())
    }

    /// The display name of a slug; what stands after a slash in it does not count.
    pub fn name(&self, slug: &str) -> Option<&str> {
        let base = slug.split('/').next().unwrap_or(slug);
        self.data.iter().find(|provider| provider.slug == base).map(|provider| provider.name.as_str())
    }
}
