//! Measures the embedded model on this machine: prompt speed, decode speed, classified reviews per second, memory.
//!
//! `cargo run -p corsac-local --example measure -- MODEL.gguf [THREADS] [TEXTS]`, where TEXTS is a file with one text
//! per line, of which the first 200 are classified.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to run by hand")]

use std::path::PathBuf;
use std::time::Instant;

use corsac_local::{LoadOptions, LocalMessage, LocalModel, LocalRequest, Role};
use serde_json::{Value, json};

const OPINIONS: [&str; 8] = [
    "the zipper broke after two days and nobody answers my mails.",
    "battery lasts a whole week, and it charges in under an hour. very happy with it.",
    "it is a toaster. it toasts.",
    "picture quality is superb for the price, though the menu takes some getting used to.",
    "arrived scratched, with a cable missing and the wrong manual in the box.",
    "my daughter loves it and takes it everywhere she goes.",
    "the instructions mention two modes, which are switched with the button on the back.",
    "i would not buy this again: loud, slow, and far too heavy to carry around.",
];

fn ask(system: Option<&str>, user: String, schema: Option<Value>, max_tokens: usize) -> LocalRequest {
    let system = system.map(|content| LocalMessage { role: Role::System, content: content.to_owned() });
    let messages = system.into_iter().chain([LocalMessage { role: Role::User, content: user }]).collect();
    LocalRequest { messages, schema, max_tokens, temperature: 0.0, seed: 0 }
}

/// Processor time this program has used so far, in seconds; a fairer measure than the clock on a busy machine.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // user and system time stand 12th and 13th after the name, in hundredths of a second
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// What a batch of requests took.
struct Cost {
    prompt_tokens_computed: usize,
    tokens_written: usize,
    seconds: f64,
    processor_seconds: f64,
}

impl Cost {
    fn rate(&self, what: &str, count: usize) -> String {
        format!(
            "{:.1} {what}/s, {:.1} ms of processor time each",
            count as f64 / self.seconds,
            1000.0 * self.processor_seconds / count as f64
        )
    }
}

/// Answers all requests at once.
async fn all(model: &LocalModel, requests: Vec<LocalRequest>) -> Cost {
    let (start, processor_start) = (Instant::now(), processor_seconds());
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let model = model.clone();
            tokio::spawn(async move { model.answer(request).await.unwrap() })
        })
        .collect();
    let (mut computed, mut written) = (0, 0);
    for task in tasks {
        let answer = task.await.unwrap();
        computed += answer.prompt_tokens - answer.reused_tokens;
        written += answer.completion_tokens;
    }
    Cost {
        prompt_tokens_computed: computed,
        tokens_written: written,
        seconds: start.elapsed().as_secs_f64(),
        processor_seconds: processor_seconds() - processor_start,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().unwrap_or_else(|| "SmolLM2-135M-Instruct.Q4_1.gguf".into()));
    let threads = arguments.next().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let texts: Vec<String> = match arguments.next() {
        Some(file) => std::fs::read_to_string(file).unwrap().lines().take(200).map(str::to_owned).collect(),
        None => (0..200).map(|index| format!("review {index}: {}", OPINIONS[index % OPINIONS.len()])).collect(),
    };

    let start = Instant::now();
    let model = LocalModel::load(&path, LoadOptions { threads, ..LoadOptions::default() }).unwrap();
    println!("{} loaded in {:.2} s, {threads} threads", model.name(), start.elapsed().as_secs_f64());

    let long = OPINIONS.repeat(24).join(" ");
    let words: Vec<&str> = long.split(' ').take(1400).collect();
    let cost = all(&model, vec![ask(None, words.join(" "), None, 1)]).await;
    println!("prompt: {}", cost.rate("tokens", cost.prompt_tokens_computed));

    let story = |index: usize| ask(None, format!("Write a long story about {index} foxes and a river."), None, 100);
    let cost = all(&model, vec![story(3)]).await;
    println!("decode alone: {}", cost.rate("tokens", cost.tokens_written));
    let cost = all(&model, (4..20).map(story).collect()).await;
    println!("decode 16 together: {}", cost.rate("tokens", cost.tokens_written));

    let system = "Classify the text the user sends. Answer with exactly one of these labels: positive, neutral, negative.";
    let labels = json!({"type": "object", "properties": {"label": {"enum": ["positive", "neutral", "negative"]}}, "required": ["label"]});
    let requests: Vec<_> = texts.iter().map(|text| ask(Some(system), text.clone(), Some(labels.clone()), 16)).collect();
    let cost = all(&model, requests).await;
    println!(
        "classify: {} ({} reviews, {} prompt tokens computed)",
        cost.rate("reviews", texts.len()),
        texts.len(),
        cost.prompt_tokens_computed
    );

    let fields = json!({"type": "object", "properties": {"product": {"type": "string"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "mood": {"enum": ["good", "bad"]}}, "required": ["product", "stars", "mood"]});
    let system = "Extract the fields from the text the user sends. Answer as JSON.";
    let requests: Vec<_> = texts.iter().take(48).map(|text| ask(Some(system), text.clone(), Some(fields.clone()), 96)).collect();
    let cost = all(&model, requests).await;
    println!("extract: {} ({} tokens written)", cost.rate("reviews", texts.len().min(48)), cost.tokens_written);

    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        println!("peak resident memory: {} MB", peak.trim().trim_end_matches(" kB").parse().unwrap_or(0) / 1024);
    }
}
