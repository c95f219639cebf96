//! Measures the embedding model on this machine: load time, texts per second short and long, latency, memory.
//!
//! `cargo run -p corsac-local --example measure_embedding -- [FOLDER] [THREADS]`; without a folder the model is looked
//! for in the cache and fetched if it is not there.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for people to run by hand")]

use std::path::PathBuf;
use std::time::Instant;

use corsac_local::weights::{self, Progress};
use corsac_local::{EmbeddingModel, EmbeddingOptions};

const SENTENCE: &str = "the battery of this camera lasts a whole week and it charges in under an hour";

/// Processor time this program has used so far, in seconds; a fairer measure than the clock on a busy machine.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // user and system time stand 12th and 13th after the name, in hundredths of a second
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap_or(0) / 1024
}

fn measure(what: &str, model: &EmbeddingModel, texts: &[String]) {
    let tokens: usize = texts.iter().map(|text| model.token_count(text)).sum();
    let (start, processor_start) = (Instant::now(), processor_seconds());
    let vectors = model.embed(texts).unwrap();
    let (seconds, processor) = (start.elapsed().as_secs_f64(), processor_seconds() - processor_start);
    println!(
        "{what}: {:.0} texts/s, {:.0} tokens/s, {:.2} ms of processor time each ({} texts of {:.0} tokens)",
        vectors.len() as f64 / seconds,
        tokens as f64 / seconds,
        1000.0 * processor / vectors.len() as f64,
        vectors.len(),
        tokens as f64 / vectors.len() as f64,
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let named = arguments.next().map(PathBuf::from);
    let threads = arguments.next().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let cache = weights::default_cache_dir().unwrap();
    let folder = weights::locate_embedding(named.as_deref(), &cache).unwrap_or_else(|| {
        let say = |progress| match progress {
            Progress::Stage(text) => println!("{text}"),
            Progress::Bytes { .. } => {}
        };
        weights::pull_embedding(&cache, say).unwrap().path
    });

    let (start, processor_start) = (Instant::now(), processor_seconds());
    let model = EmbeddingModel::load(&folder, EmbeddingOptions { threads }).unwrap();
    println!(
        "{} loaded in {:.3} s, {:.2} s of processor time, {threads} threads, {} MB resident",
        model.name(),
        start.elapsed().as_secs_f64(),
        processor_seconds() - processor_start,
        memory("VmRSS")
    );

    let texts = |count: usize, sentences: usize| -> Vec<String> {
        (0..count).map(|index| format!("review {index}: {}", [SENTENCE; 16][..sentences].join(", "))).collect()
    };
    measure("warm up", &model, &texts(100, 1));
    measure("short", &model, &texts(2000, 1));
    measure("medium", &model, &texts(400, 6));
    measure("long", &model, &texts(100, 16));
    let one = texts(1, 1);
    let start = Instant::now();
    (0..50).for_each(|_| drop(model.embed(&one).unwrap()));
    println!("one short text alone: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0 / 50.0);
    let one = texts(1, 16);
    let start = Instant::now();
    (0..10).for_each(|_| drop(model.embed(&one).unwrap()));
    println!("one long text alone: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0 / 10.0);
    println!("peak resident memory: {} MB", memory("VmHWM"));
}
