//! The body of `POST /embeddings`, texts only.

use serde::{Deserialize, Serialize};

use super::{ProviderPreferences, written};

/// A request for embeddings of texts. What is `None` is not sent; fields stand in the order declared.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EmbeddingsRequest<'a> {
    /// `author/slug`.
    pub model: &'a str,
    /// The texts; the reply has one vector for each.
    pub input: Vec<&'a str>,
    /// The length of the vectors, where the model leaves a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// How the vectors are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<EncodingFormat>,
    /// What the vectors are for, such as `search_query` or `search_document`, where the model tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_type: Option<&'a str>,
    /// A stable, hashed name of the end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// Routing preferences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a ProviderPreferences>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As a list of numbers.
    Float,
    /// As base64 of little-endian 32-bit floats: a quarter of the size.
    Base64,
}

impl EmbeddingsRequest<'_> {
    /// The body as it is sent.
    pub fn to_json(&self) -> Vec<u8> {
        written(self)
    }
}
