//! A reply of `POST /embeddings`: vectors as numbers or as base64, in any order.

use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Reply, Usage};
use crate::lenient;

/// Vectors for texts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EmbeddingsReply {
    /// The generation's id.
    pub id: Option<String>,
    /// The model that served.
    pub model: Option<String>,
    /// The provider that served, by display name.
    pub provider: Option<String>,
    /// The vectors as they came.
    pub data: Vec<Embedding>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
}

/// One vector.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Embedding {
    /// Which text it belongs to, counted from 0.
    #[serde(default)]
    pub index: Option<u64>,
    /// The vector.
    #[serde(rename = "embedding", deserialize_with = "vector")]
    pub vector: Vec<f32>,
}

/// Vectors that cannot be the ones that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingsFault {
    /// More or fewer than there were texts.
    #[error("{got} vectors came for {expected} texts")]
    Count {
        /// How many texts there were.
        expected: usize,
        /// How many vectors came.
        got: usize,
    },
    /// A text has no vector, so another has two, or one is for a text that there was not.
    #[error("no vector came for text {0}, counted from 0")]
    Missing(usize),
    /// Vectors must all be of one length.
    #[error("the vector of text {text} has {got} numbers, others have {expected}")]
    Length {
        /// Which text, counted from 0.
        text: usize,
        /// The length of the first vector.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// A number that is none, or no number at all.
    #[error("the vector of text {0} is empty or holds what is no number")]
    NotNumbers(usize),
}

impl EmbeddingsReply {
    /// Decodes a reply by its status and body.
    ///
    /// # Errors
    /// An error, or a body that is no list of vectors, as the [`Reply`] that it is.
    pub fn decode(status: u16, body: &[u8]) -> Result<EmbeddingsReply, Box<Reply>> {
        let failed = || Box::new(Reply::failure(status, body));
        if status >= 400 {
            return Err(failed());
        }
        if let Ok(reply) = serde_json::from_slice::<EmbeddingsReply>(body)
            && !reply.data.is_empty()
        {
            return Ok(reply);
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| failed())?;
        if value.get("error").is_some_and(|error| !error.is_null()) || !value.get("data").is_some_and(Value::is_array) {
            return Err(failed());
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(EmbeddingsReply {
            id: text("id"),
            model: text("model"),
            provider: text("provider"),
            data: value.get("data").and_then(|data| lenient::entries(data).ok()).unwrap_or_default(),
            usage: value.get("usage").filter(|usage| usage.is_object()).map(Usage::from_value),
        })
    }

    /// The vectors in the order of the texts, of which there were so many.
    ///
    /// # Errors
    /// They are not one vector of numbers for each text, all of one length.
    pub fn vectors(self, texts: usize) -> Result<Vec<Vec<f32>>, EmbeddingsFault> {
        if self.data.len() != texts {
            return Err(EmbeddingsFault::Count { expected: texts, got: self.data.len() });
        }
        // numbered or not: who does not number keeps the order
        let numbered = self.data.iter().all(|one| one.index.is_some());
        let mut placed: Vec<Option<Vec<f32>>> = vec![None; texts];
        for (place, one) in self.data.into_iter().enumerate() {
            let place = one.index.filter(|_| numbered).map_or(Some(place), |index| usize::try_from(index).ok());
            if let Some(slot) = place.and_then(|place| placed.get_mut(place)) {
                *slot = Some(one.vector);
            }
        }
        let mut vectors = Vec::with_capacity(texts);
        for (text, vector) in placed.into_iter().enumerate() {
            let vector = vector.ok_or(EmbeddingsFault::Missing(text))?;
            let expected = vectors.first().map_or(vector.len(), Vec::len);
            if vector.is_empty() || vector.iter().any(|number: &f32| !number.is_finite()) {
                return Err(EmbeddingsFault::NotNumbers(text));
            }
            if vector.len() != expected {
                return Err(EmbeddingsFault::Length { text, expected, got: vector.len() });
            }
            vectors.push(vector);
        }
        Ok(vectors)
    }
}

/// A list of numbers, or base64 of little-endian 32-bit floats with or without padding.
fn vector<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    struct Numbers;
    impl<'de> Visitor<'de> for Numbers {
        type Value = Vec<f32>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of numbers or base64")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<f32>, E> {
            let bytes = BASE64.decode(text).map_err(E::custom)?;
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(E::invalid_length(bytes.len(), &"whole numbers of four bytes"));
            }
            Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<f32>, A::Error> {
            let mut numbers = Vec::with_capacity(list.size_hint().unwrap_or(1_536).min(8_192));
            while let Some(number) = list.next_element()? {
                numbers.push(number);
            }
            Ok(numbers)
        }
    }
    deserializer.deserialize_any(Numbers)
}
