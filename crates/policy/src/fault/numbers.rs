//! Numbers out of sentences: token counts as services word them.

/// The number that stands right after some words, digits grouped by commas or not.
pub(super) fn after(text: &str, words: &str) -> Option<u64> {
    let rest = text.split_once(words)?.1.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
    digits(rest.get(..end)?)
}

/// The number that stands right before some words.
pub(super) fn before(text: &str, words: &str) -> Option<u64> {
    let head = text.split_once(words)?.0.trim_end();
    let start =
        head.rfind(|c: char| !c.is_ascii_digit() && c != ',').map_or(0, |at| at + head[at..].chars().next().map_or(1, char::len_utf8));
    digits(head.get(start..)?)
}

fn digits(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

/// The limit and the input of a request that was too long, by the wordings that are known.
pub(super) fn context(said: &str) -> (Option<u64>, Option<u64>) {
    let limit = after(said, "maximum context length is")
        .or_else(|| after(said, "maximum context length of"))
        .or_else(|| before(said, "maximum").filter(|_| said.contains("prompt is too long")))
        .or_else(|| after(said, "maximum number of tokens allowed"))
        // input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000
        .or_else(|| after(said.split_once("exceed context limit")?.1, ">"));
    let input = before(said, "of text input")
        .or_else(|| before(said, "in the messages"))
        .or_else(|| before(said, "input tokens"))
        .or_else(|| after(said, "prompt is too long:"))
        .or_else(|| after(said, "exceed context limit:"))
        .or_else(|| after(said, "input token count"))
        .or_else(|| after(said, "messages resulted in"))
        .or_else(|| after(said, "requested about"))
        .or_else(|| after(said, "requested"));
    (limit, input)
}

/// The most and the least answer tokens allowed, by the wordings that are known.
pub(super) fn answer_limits(said: &str) -> (Option<u32>, Option<u32>) {
    let short = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let most = after(said, "supports at most")
        .or_else(|| after(said, "less than or equal to"))
        .or_else(|| after(said, "maximum allowed number of output tokens"))
        .or_else(|| after(said, "must be at most"))
        .or_else(|| after(said, "<="))
        .or_else(|| after(said, "the maximum value for"));
    let least = after(said, "greater than or equal to")
        .or_else(|| after(said, ">="))
        .or_else(|| after(said, "must be at least"))
        .or_else(|| after(said, "minimum value of"));
    (short(most), short(least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_say_that_it_is_too_long() {
        let check = |said: &str, limit: u64, input: u64| assert_eq!(context(said), (Some(limit), Some(input)), "{said}");
        check(
            "this endpoint's maximum context length is 16384 tokens. however, you requested about 26265 tokens (26,255 of text input, 10 in the output)",
            16_384,
            26_255,
        );
        check(
            "this model's maximum context length is 8192 tokens. however, you requested 9000 tokens (8000 in the messages, 1000 in the completion)",
            8_192,
            8_000,
        );
        check("this model's maximum context length is 128000 tokens. however, your messages resulted in 130001 tokens", 128_000, 130_001);
        check("prompt is too long: 210000 tokens > 200000 maximum", 200_000, 210_000);
        check("input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000", 200_000, 195_000);
        check("the input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576, 1_200_000);
        assert_eq!(context("too long"), (None, None));
    }

    #[test]
    fn the_ways_to_limit_an_answer() {
        let said = "max_tokens is too large: 100000. this model supports at most 16384 completion tokens";
        assert_eq!(answer_limits(said), (Some(16_384), None));
        assert_eq!(answer_limits("max_output_tokens: integer below minimum value. expected a value >= 16"), (None, Some(16)));
        assert_eq!(answer_limits("no numbers"), (None, None));
    }

    #[test]
    fn letters_beyond_ascii_are_no_trouble() {
        assert_eq!(before("größe…12 tokens", "tokens"), Some(12));
        assert_eq!(after("é 1,234", "é"), Some(1_234));
        assert_eq!(after("é…", "é"), None);
    }
}
