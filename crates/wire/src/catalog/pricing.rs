//! Prices of the catalog: dollars per single token or piece, as decimal text. A request's own price limits are given per
//! million tokens.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Usage, Usd, lenient};

/// Prices in dollars per token or piece. `-1` on the wire means that the price varies: it is read as unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pricing {
    /// Per prompt token.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Usd>,
    /// Per completion token.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub completion: Option<Usd>,
    /// Per request.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub request: Option<Usd>,
    /// Per picture given.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub image: Option<Usd>,
    /// Per picture made.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub image_output: Option<Usd>,
    /// Per token of a picture.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub image_token: Option<Usd>,
    /// Per token of sound given.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub audio: Option<Usd>,
    /// Per token of sound made.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Usd>,
    /// Per search of the web.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub web_search: Option<Usd>,
    /// Per token of reasoning, where it differs.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub internal_reasoning: Option<Usd>,
    /// Per prompt token read from the provider's cache.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub input_cache_read: Option<Usd>,
    /// Per prompt token written to the provider's cache.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub input_cache_write: Option<Usd>,
    /// Per prompt token written to the provider's cache for an hour.
    #[serde(deserialize_with = "price", skip_serializing_if = "Option::is_none")]
    pub input_cache_write_1h: Option<Usd>,
    /// The part of the price that is let off, 0 to 1. Whether the prices above have it taken off is not documented.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub discount: Option<f64>,
}

/// Prices that hold under conditions, all of which must be met. What it does not name keeps its price.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriceOverride {
    /// More prompt tokens than this.
    #[serde(deserialize_with = "lenient::count", skip_serializing_if = "Option::is_none")]
    pub min_prompt_tokens: Option<u64>,
    /// From this time of day in UTC, as hours and minutes in one number (`1030` is half past ten).
    #[serde(deserialize_with = "lenient::count", skip_serializing_if = "Option::is_none")]
    pub utc_start: Option<u64>,
    /// Until before this time of day; earlier than the start means past midnight.
    #[serde(deserialize_with = "lenient::count", skip_serializing_if = "Option::is_none")]
    pub utc_end: Option<u64>,
    /// On these days of the week, by English name.
    #[serde(deserialize_with = "lenient::absent", skip_serializing_if = "Option::is_none")]
    pub utc_days: Option<Vec<String>>,
    /// The prices.
    #[serde(flatten)]
    pub pricing: Pricing,
}

/// A moment of the week in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtcTime {
    /// Hours and minutes in one number, 0 to 2359.
    pub clock: u64,
    /// Days since Monday, 0 to 6.
    pub weekday: usize,
}

impl UtcTime {
    /// The moment that is so many milliseconds after 1970 began.
    pub fn of_epoch_ms(epoch_ms: i64) -> UtcTime {
        let minutes = epoch_ms.div_euclid(60_000);
        let (day, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440) as u64);
        // 1970 began on a Thursday
        UtcTime { clock: minute / 60 * 100 + minute % 60, weekday: (day + 3).rem_euclid(7) as usize }
    }
}

impl PriceOverride {
    /// Whether these prices hold for so many prompt tokens at that moment.
    pub fn applies(&self, prompt_tokens: u64, at: UtcTime) -> bool {
        const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let long_enough = self.min_prompt_tokens.is_none_or(|threshold| prompt_tokens > threshold);
        let in_hours = match (self.utc_start, self.utc_end) {
            (Some(start), Some(end)) if start > end => at.clock >= start || at.clock < end,
            (start, end) => start.is_none_or(|start| at.clock >= start) && end.is_none_or(|end| at.clock < end),
        };
        let on_day = |name: &String| name.to_ascii_lowercase().starts_with(DAYS[at.weekday % 7]);
        long_enough && in_hours && self.utc_days.as_ref().is_none_or(|days| days.iter().any(on_day))
    }
}

impl Pricing {
    /// What a request with so many tokens costs, if the prices are known.
    pub fn cost(&self, prompt_tokens: u64, completion_tokens: u64) -> Option<Usd> {
        let tokens = self.prompt?.times(prompt_tokens) + self.completion?.times(completion_tokens);
        Some(tokens + self.request.unwrap_or(Usd::ZERO))
    }

    /// What a reply with this usage costs, if the prices are known: tokens of the provider's cache and searches have
    /// prices of their own where the catalog tells them.
    pub fn cost_of(&self, usage: &Usage) -> Option<Usd> {
        let (prompt, read) = (self.prompt?, usage.cached_tokens().min(usage.prompt_tokens));
        let written = usage.cache_write_tokens().min(usage.prompt_tokens - read);
        let searches = usage.server_tool_use.and_then(|tools| tools.web_search_requests).unwrap_or(0);
        let plain = self.cost(usage.prompt_tokens - read - written, usage.completion_tokens)?;
        let cached = self.input_cache_read.unwrap_or(prompt).times(read) + self.input_cache_write.unwrap_or(prompt).times(written);
        Some(plain + cached + self.web_search.unwrap_or(Usd::ZERO).times(searches))
    }

    /// The prices for so many prompt tokens at that moment. Of several overrides the last that applies counts, price by
    /// price.
    pub fn at(self, overrides: &[PriceOverride], prompt_tokens: u64, at: UtcTime) -> Pricing {
        let applying = overrides.iter().filter(|one| one.applies(prompt_tokens, at));
        applying.fold(self, |prices, one| prices.merged(&one.pricing, |_, new| new))
    }

    /// The highest prices there may be under any condition: what money is to be set aside by. What is unknown without
    /// conditions stays unknown; a token of the cache without a price of its own costs what a prompt token does.
    pub fn highest(self, overrides: &[PriceOverride]) -> Pricing {
        let highest = overrides.iter().fold(self, |prices, one| prices.merged(&one.pricing, Usd::max));
        Pricing {
            prompt: self.prompt.and(highest.prompt),
            completion: self.completion.and(highest.completion),
            input_cache_read: self.input_cache_read.and(highest.input_cache_read),
            input_cache_write: self.input_cache_write.and(highest.input_cache_write),
            input_cache_write_1h: self.input_cache_write_1h.and(highest.input_cache_write_1h),
            ..highest
        }
    }

    /// Both prices by `choose` where both are known, else the one that is.
    fn merged(self, other: &Pricing, choose: fn(Usd, Usd) -> Usd) -> Pricing {
        let pick = |old: Option<Usd>, new: Option<Usd>| match (old, new) {
            (Some(old), Some(new)) => Some(choose(old, new)),
            (old, new) => new.or(old),
        };
        Pricing {
            prompt: pick(self.prompt, other.prompt),
            completion: pick(self.completion, other.completion),
            request: pick(self.request, other.request),
            image: pick(self.image, other.image),
            image_output: pick(self.image_output, other.image_output),
            image_token: pick(self.image_token, other.image_token),
            audio: pick(self.audio, other.audio),
            audio_output: pick(self.audio_output, other.audio_output),
            web_search: pick(self.web_search, other.web_search),
            internal_reasoning: pick(self.internal_reasoning, other.internal_reasoning),
            input_cache_read: pick(self.input_cache_read, other.input_cache_read),
            input_cache_write: pick(self.input_cache_write, other.input_cache_write),
            input_cache_write_1h: pick(self.input_cache_write_1h, other.input_cache_write_1h),
            discount: other.discount.or(self.discount),
        }
    }
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Usd>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(Usd::deserialize(value).ok().filter(|price| *price >= Usd::ZERO))
}

/// Takes `overrides` out of an entry's `pricing` and puts it beside it.
pub(super) fn lift_overrides(entry: &mut Value) {
    let overrides = entry.get_mut("pricing").and_then(|pricing| pricing.get_mut("overrides")).map(Value::take);
    if let (Some(overrides), Some(entry)) = (overrides, entry.as_object_mut()) {
        entry.insert("price_overrides".to_owned(), overrides);
    }
}
