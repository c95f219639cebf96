//! How long an ordinary chat reply takes to decode. Run it with
//! `cargo run --release -p corsac-wire --example decode_speed`.
#![expect(clippy::print_stdout, reason = "a measurement prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use corsac_wire::Reply;

const ROUNDS: u32 = 500;
const TAKES: usize = 1_000;

fn main() {
    let usage = r#""usage":{"prompt_tokens":182,"completion_tokens":21,"total_tokens":203,"cost":5.94e-05,"is_byok":false,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0,"video_tokens":0},"cost_details":{"upstream_inference_cost":5.94e-05,"upstream_inference_prompt_cost":2.376e-05,"upstream_inference_completions_cost":3.564e-05},"completion_tokens_details":{"reasoning_tokens":0,"image_tokens":0,"audio_tokens":0}}"#;
    let reply = |message: &str| {
        format!(
            r#"{{"id":"gen-1763773021-8QyBtLxPzYkQmZsW2aVd","object":"chat.completion","created":1763773021,"model":"deepseek/deepseek-v3.2","provider":"DeepInfra","system_fingerprint":null,"choices":[{{"index":0,"logprobs":null,"finish_reason":"stop","native_finish_reason":"stop","message":{message}}}],{usage}}}"#
        )
    };
    let short =
        r#"{"role":"assistant","content":"{\"number\":\"17\",\"total\":12.5,\"currency\":\"EUR\"}","refusal":null,"reasoning":null}"#;
    let long =
        format!(r#"{{"role":"assistant","content":"{}","refusal":null,"reasoning":null}}"#, "A sentence of the summary.\\n ".repeat(70));
    let tool = r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_1","index":0,"type":"function","function":{"name":"answer","arguments":"{\"number\":\"17\",\"total\":12.5}"}}]}"#;
    for (name, message) in [("short answer", short), ("2 kB answer", &long), ("tool call", tool)] {
        let body = reply(message);
        // the quickest of many short takes is the one least disturbed by whatever else ran
        let best = (0..TAKES).map(|_| take(body.as_bytes())).min().unwrap_or_default();
        println!("{name:<13} {:>5} bytes  {:>6} ns", body.len(), best.as_nanos() / u128::from(ROUNDS));
    }
}

fn take(body: &[u8]) -> Duration {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(Reply::decode(200, black_box(body)));
    }
    start.elapsed()
}
