//! A join by meaning over 1,000 × 1,000 rows: how many of the planted matches are found, and how many of the million pairs are
//! asked about. The vectors are the embedded model's; who judges a pair knows the truth.
//!
//! `cargo bench -p corsac-benches --profile dev --bench join`

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use corsac::dispatch::{Answer, Ask, Call, Contract, Outcome, Source};
use corsac::frame::{Format, Session, SessionOptions, Target, write};
use corsac::ledger::RunId;
use corsac::schema::Type;
use corsac::wire::Usd;
use corsac_local::{EmbeddingModel, EmbeddingOptions, weights};
use serde_json::{Value, json};

const ROWS: usize = 1_000;
/// Entries that no wish is for, and as many wishes that are for an entry which has one already.
const ALONE: usize = 50;
const SEEDS: u64 = 4;
const RECALL: f64 = 0.95;
const MOST_ASKED: f64 = 0.02;

/// What a catalogue calls a thing, and what people call it.
const THINGS: [(&str, &str); 24] = [
    ("kettle", "kettle"),
    ("desk lamp", "lamp"),
    ("armchair", "chair to sit in"),
    ("bookshelf", "shelf for books"),
    ("backpack", "rucksack"),
    ("water bottle", "bottle for drinking"),
    ("picture frame", "frame for a photograph"),
    ("storage box", "box to keep things in"),
    ("wall clock", "clock"),
    ("serving tray", "tray"),
    ("flower pot", "pot for a plant"),
    ("candle holder", "holder for candles"),
    ("phone case", "cover for a phone"),
    ("watch strap", "band for a watch"),
    ("belt", "belt"),
    ("wallet", "purse"),
    ("cutting board", "board to cut on"),
    ("coat rack", "rack for coats"),
    ("door mat", "mat"),
    ("mirror", "looking glass"),
    ("stool", "small seat"),
    ("toolbox", "case for tools"),
    ("umbrella stand", "stand for umbrellas"),
    ("mug", "cup"),
];
const MATERIALS: [(&str, &str); 8] = [
    ("oak", "oak wood"),
    ("stainless steel", "steel that does not rust"),
    ("leather", "real leather"),
    ("bamboo", "bamboo"),
    ("ceramic", "ceramics"),
    ("recycled plastic", "plastic that was used before"),
    ("glass", "glass"),
    ("copper", "copper"),
];
const COLOURS: [(&str, &str); 8] = [
    ("crimson", "deep red"),
    ("navy", "dark blue"),
    ("ivory", "off-white"),
    ("charcoal", "nearly black"),
    ("emerald", "rich green"),
    ("amber", "golden yellow"),
    ("violet", "purple"),
    ("silver", "silvery grey"),
];
const PLACES: [(&str, &str); 6] = [
    ("outdoor use", "for the garden"),
    ("the office", "for where I work"),
    ("children's rooms", "for my little daughter"),
    ("travel", "that I can take on trips"),
    ("small kitchens", "that fits into a tiny kitchen"),
    ("gifts", "to give as a present"),
];

/// The parts of an item; every number below their product names another one.
fn parts(item: usize) -> [(&'static str, &'static str); 4] {
    // the multiplier has no factor in common with 24 × 8 × 8 × 6, so neighbours lie far apart and none comes twice
    let at = item * 7_919 % 9_216;
    [THINGS[at % 24], MATERIALS[at / 24 % 8], COLOURS[at / 192 % 8], PLACES[at / 1_536]]
}

fn entry(item: usize) -> String {
    let [thing, material, colour, place] = parts(item);
    format!("{} {} in {}, made for {}", colour.0, thing.0, material.0, place.0)
}

fn wish(item: usize, again: bool) -> String {
    let [thing, material, colour, place] = parts(item);
    if again {
        format!("Do you have a {} {}? It has to be of {}, {}.", colour.1, thing.1, material.1, place.1)
    } else {
        format!("I am looking for a {} made of {}, {}, and I want it {}.", thing.1, material.1, place.1, colour.1)
    }
}

/// Embeds with the embedded model, and judges by the truth.
struct Judge {
    model: EmbeddingModel,
    known: Mutex<HashMap<String, Arc<Value>>>,
    matches: HashSet<(String, String)>,
    questions: AtomicUsize,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}

impl Judge {
    fn vector(&self, text: &str) -> Arc<Value> {
        let known = self.known.lock().unwrap().get(text).cloned();
        known.unwrap_or_else(|| {
            let vector = Arc::new(json!(self.model.embed(&[text]).unwrap()[0]));
            self.known.lock().unwrap().insert(text.to_owned(), vector.clone());
            vector
        })
    }

    fn verdict(&self, question: &str) -> bool {
        let (_, pair) = question.split_once("Entry: ").unwrap();
        let (entry, wish) = pair.split_once("\nWish: ").unwrap();
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.matches.contains(&(entry.trim().to_owned(), wish.trim().to_owned()))
    }
}

#[async_trait::async_trait]
impl Ask for Judge {
    async fn ask(&self, call: Call) -> Outcome {
        let value = match &call.contract {
            Contract::Embedding { .. } => self.vector(&call.user),
            Contract::Json(schema) => {
                let Type::Struct(fields) = schema.kind() else { unreachable!("a predicate answers with an object") };
                let verdict = self.verdict(&call.user);
                Arc::new(Value::Object(fields.iter().map(|field| (field.name.clone(), json!(verdict))).collect()))
            }
            other => unreachable!("a join asks for vectors and verdicts, not {other:?}"),
        };
        Ok(Answer {
            value,
            model: "the/truth".into(),
            provider: None,
            cost: Usd::ZERO,
            attempts: 1,
            source: Source::Asked,
            usage: Default::default(),
        })
    }

    fn window(&self) -> usize {
        256
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(folder) = weights::default_cache_dir().and_then(|cache| weights::locate_embedding(None, &cache)) else {
        println!("The embedded embedding model is not here: `corsac models pull` fetches it.");
        std::process::exit(1);
    };
    let model = EmbeddingModel::load(&folder, EmbeddingOptions::default()).unwrap();
    runtime.block_on(measure(model));
}

async fn measure(model: EmbeddingModel) {
    let folder = tempfile::tempdir().unwrap();
    let matched = ROWS - ALONE;
    let entries: Vec<String> = (0..ROWS).map(entry).collect();
    let wishes: Vec<(usize, String)> =
        (0..matched).map(|item| (item, wish(item, false))).chain((0..ALONE).map(|item| (item, wish(item, true)))).collect();
    let matches: HashSet<(String, String)> = wishes.iter().map(|(item, wish)| (entries[*item].clone(), wish.clone())).collect();
    assert_eq!((entries.iter().collect::<HashSet<_>>().len(), matches.len()), (ROWS, ROWS));
    let write_table = |name: &str, rows: Vec<&str>| {
        let path = folder.path().join(name);
        // JSON text is quoted as these fields need it: none holds a quote or a line break
        std::fs::write(&path, rows.iter().fold("text\n".to_owned(), |all, row| all + &json!(row).to_string() + "\n")).unwrap();
        path.to_string_lossy().into_owned()
    };
    let left = write_table("entries.csv", entries.iter().map(String::as_str).collect());
    let right = write_table("wishes.csv", wishes.iter().map(|(_, wish)| wish.as_str()).collect());
    let started = Instant::now();
    let judge = Arc::new(Judge { model, known: Mutex::default(), matches, questions: AtomicUsize::new(0) });
    for text in entries.iter().chain(wishes.iter().map(|(_, wish)| wish)) {
        judge.vector(text);
    }
    let embedded = started.elapsed();
    println!("| seed of the sample | matches found of {ROWS} | recall | pairs asked of {} | share |", ROWS * ROWS);
    println!("| --- | --: | --: | --: | --: |");
    let mut worst = (1.0_f64, 0.0_f64);
    for seed in 0..SEEDS {
        judge.questions.store(0, Ordering::Relaxed);
        let session = Session::new(judge.clone(), RunId::unrecorded(), SessionOptions::default());
        let sql = format!(
            "SELECT a.text AS entry, b.text AS wish FROM '{left}' AS a JOIN '{right}' AS b \
             ON semantic_predicate('Does the entry fit the wish?\nEntry: {{{{ l }}}}\nWish: {{{{ r }}}}', l => a.text, r => b.text, recall => {RECALL}, seed => {seed})"
        );
        let out = folder.path().join("found.csv");
        let written = write(session.plan(&sql).await.unwrap().stream().await.unwrap(), Format::Csv, Target::File(out)).await.unwrap();
        let asked = judge.questions.load(Ordering::Relaxed);
        let (recall, share) = (written.rows as f64 / ROWS as f64, asked as f64 / (ROWS * ROWS) as f64);
        worst = (worst.0.min(recall), worst.1.max(share));
        println!("| {seed} | {} | {recall:.3} | {asked} | {:.2} % |", written.rows, 100.0 * share);
    }
    let reached = |good: bool| if good { "reached" } else { "**not reached**" };
    println!("\nThe {} texts were embedded in {:.1} s.\n", 2 * ROWS, embedded.as_secs_f64());
    println!("- Goal {}: recall of at least {RECALL} (the worst: {:.3}).", reached(worst.0 >= RECALL), worst.0);
    println!(
        "- Goal {}: at most {} % of the pairs asked about (the most: {:.2} %).",
        reached(worst.1 <= MOST_ASKED),
        100.0 * MOST_ASKED,
        100.0 * worst.1
    );
}
