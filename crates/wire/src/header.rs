//! Header names, and the headers of replies that say when to come back.

use std::time::Duration;

/// The app's address, by which OpenRouter knows the app.
pub const REFERER: &str = "HTTP-Referer";
/// The app's name.
pub const TITLE: &str = "X-OpenRouter-Title";
/// The app's name, under the older header that is still read.
pub const TITLE_LEGACY: &str = "X-Title";
/// At most two categories, separated by commas.
pub const CATEGORIES: &str = "X-OpenRouter-Categories";
/// `enabled` asks for `openrouter_metadata` in the reply.
pub const METADATA: &str = "X-OpenRouter-Metadata";
/// The generation's id, on all inference replies.
pub const GENERATION_ID: &str = "x-generation-id";

/// Whether a reply is a stream of events, by its `Content-Type`. Errors before the first token come as JSON even where a
/// stream was asked for.
pub fn is_event_stream(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// A moment as headers write it, in milliseconds since 1970.
pub fn date_ms(text: &str) -> Option<i64> {
    let moment = httpdate::parse_http_date(text.trim()).ok()?;
    i64::try_from(moment.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// When a reply's headers say to come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ComeBack {
    /// By `Retry-After`, in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// By `X-RateLimit-Reset`, counted from now.
    pub reset_after: Option<Duration>,
    /// By `X-RateLimit-Limit`: how many requests the limit that was met allows, in whatever span it counts.
    pub limit: Option<u64>,
}

impl ComeBack {
    /// Reads `Retry-After` (seconds, or an HTTP date), `Retry-After-Ms` and `X-RateLimit-Reset` (epoch milliseconds;
    /// epoch seconds and plain seconds are understood by their size).
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, now_epoch_ms: i64) -> ComeBack {
        let milliseconds = header("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()).map(|ms| ms / 1000.0);
        let retry = header("retry-after").map(str::trim).and_then(|text| match text.parse::<f64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => {
                let at = httpdate::parse_http_date(text).ok()?;
                let epoch = at.duration_since(std::time::UNIX_EPOCH).ok()?;
                Some((epoch.as_millis() as f64 - now_epoch_ms as f64) / 1000.0)
            }
        });
        let reset = header("x-ratelimit-reset").and_then(|text| text.trim().parse::<f64>().ok()).map(|value| {
            if value > 1e11 {
                (value - now_epoch_ms as f64) / 1000.0
            } else if value > 1e8 {
                value - now_epoch_ms as f64 / 1000.0
            } else {
                value
            }
        });
        let limit = header("x-ratelimit-limit").and_then(|text| text.trim().parse().ok());
        ComeBack { retry_after: milliseconds.or(retry).and_then(span), reset_after: reset.and_then(span), limit }
    }

    /// The wait that applies, `Retry-After` first.
    pub fn wait(self) -> Option<Duration> {
        self.retry_after.or(self.reset_after)
    }
}

/// A wait is never negative, and never longer than two days: a clock that is wrong must not park a run for good.
fn span(seconds: f64) -> Option<Duration> {
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, 172_800.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Option<Duration> {
        ComeBack::read(|header| (header == name).then_some(value), 1_700_000_000_000).wait()
    }

    #[test]
    fn all_the_ways_to_say_when() {
        assert_eq!(read("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(read("retry-after", "Tue, 14 Nov 2023 22:13:30 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("x-ratelimit-reset", "1700000003000"), Some(Duration::from_secs(3)));
        assert_eq!(read("x-ratelimit-reset", "1700000003"), Some(Duration::from_secs(3)));
        assert_eq!(read("x-ratelimit-reset", "3"), Some(Duration::from_secs(3)));
        assert_eq!(read("x-ratelimit-reset", "1600000000000"), Some(Duration::ZERO));
        assert_eq!(read("retry-after", "soon"), None);
    }

    #[test]
    fn the_limit_that_was_met_is_read() {
        let limit = |value: &'static str| ComeBack::read(|header| (header == "x-ratelimit-limit").then_some(value), 0).limit;
        assert_eq!((limit(" 20 "), limit("-1"), limit("many")), (Some(20), None, None));
    }
}
