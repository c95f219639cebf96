//! A join by meaning over 1,000 × 1,000 rows and other tables: how many of the matches are found, and how many of the pairs are
//! asked about, by the seed of the samples. The vectors are the embedded model's; who judges a pair knows the truth.
//!
//! `cargo bench -p corsac-benches --profile dev --bench join [-- --data FOLDER]`, where the folder holds `debian_packages.parquet`

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
const SEEDS: u64 = 24;
/// Where many more pairs have to be asked about.
const FEW_SEEDS: u64 = 8;
/// Rows of a side of which nothing is known.
const SHORT: usize = 250;
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
    matches: Mutex<HashSet<(String, String)>>,
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
        let (_, pair) = question.split_once("One: ").unwrap();
        let (one, other) = pair.split_once("\nOther: ").unwrap();
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.matches.lock().unwrap().contains(&(one.trim().to_owned(), other.trim().to_owned()))
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
    let told: Vec<String> = std::env::args().collect();
    let data = told.windows(2).find(|told| told[0] == "--data").map(|told| Path::new(&told[1]).join("debian_packages.parquet"));
    runtime.block_on(measure(model, data));
}

async fn measure(model: EmbeddingModel, packages: Option<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let judge = Arc::new(Judge { model, known: Mutex::default(), matches: Mutex::default(), questions: AtomicUsize::new(0) });
    let mut all = vec![Tables::planted(), Tables::useless()];
    if let Some(file) = &packages {
        all.push(Tables::projects(file, folder.path(), judge.clone()).await);
    }
    println!(
        "| tables | pairs | matches | seeds | recall: least, median, most | pairs asked: least, median, most | the oracle of cosines |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    let mut worst = Vec::new();
    for tables in &all {
        let (mut recalls, mut shares) = (Vec::new(), Vec::new());
        judge.prepare(tables);
        for seed in 0..tables.seeds {
            let (recall, share) = join(&judge, tables, seed, folder.path()).await;
            recalls.push(recall);
            shares.push(share);
        }
        let oracle =
            tables.oracle(|text| judge.vector(text).as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect());
        let spread = |numbers: &mut Vec<f64>| {
            numbers.sort_unstable_by(f64::total_cmp);
            [numbers[0], numbers[numbers.len() / 2], numbers[numbers.len() - 1]]
        };
        let (recall, share) = (spread(&mut recalls), spread(&mut shares).map(|share| 100.0 * share));
        println!(
            "| {} | {} | {} | {} | {:.3}, {:.3}, {:.3} | {:.2}, {:.2}, {:.2} % | {:.2} % |",
            tables.name,
            tables.pairs(),
            tables.matches.len(),
            tables.seeds,
            recall[0],
            recall[1],
            recall[2],
            share[0],
            share[1],
            share[2],
            100.0 * oracle
        );
        worst.push((tables.name, recalls.iter().filter(|recall| **recall < RECALL).count(), recall[0], share[2]));
    }
    let reached = |good: bool| if good { "reached" } else { "**not reached**" };
    println!();
    for (name, short, recall, _) in &worst {
        println!("- Recall of at least {RECALL}, {name}: {} ({short} seeds below; the worst: {recall:.3}).", reached(*short == 0));
    }
    let (name, _, _, share) = worst[0];
    println!(
        "- At most {} % of the pairs asked about, {name}: {} (the most: {share:.2} %).",
        100.0 * MOST_ASKED,
        reached(share <= 100.0 * MOST_ASKED)
    );
    assert!(worst.iter().all(|(_, _, _, share)| *share <= 100.0), "no pair is asked about twice");
}

impl Judge {
    /// Embeds all texts of these tables, and judges by their matches from now on.
    fn prepare(&self, tables: &Tables) {
        self.matches.lock().unwrap().clone_from(&tables.matches);
        self.known.lock().unwrap().clear();
        if let Some(vectors) = &tables.vectors {
            self.known.lock().unwrap().extend(vectors.iter().map(|(text, vector)| (text.clone(), Arc::new(json!(vector)))));
        }
        tables.left.iter().chain(&tables.right).for_each(|text| drop(self.vector(text)));
    }
}

/// Joins by one seed; gives the shares of the matches that were found and of the pairs that were asked about.
async fn join(judge: &Arc<Judge>, tables: &Tables, seed: u64, folder: &Path) -> (f64, f64) {
    let write_table = |name: &str, texts: &[String]| {
        let path = folder.join(name);
        std::fs::write(&path, texts.iter().map(|text| json!({ "text": text }).to_string() + "\n").collect::<String>()).unwrap();
        path.to_string_lossy().into_owned()
    };
    let (left, right) = (write_table("left.jsonl", &tables.left), write_table("right.jsonl", &tables.right));
    judge.questions.store(0, Ordering::Relaxed);
    let session = Session::new(judge.clone(), RunId::unrecorded(), SessionOptions::default());
    let sql = format!(
        "SELECT a.text AS one, b.text AS other FROM '{left}' AS a JOIN '{right}' AS b \
         ON semantic_predicate('Do they belong together?\nOne: {{{{ l }}}}\nOther: {{{{ r }}}}', \
         l => a.text, r => b.text, recall => {RECALL}, seed => {seed}, strategy => 'embedding')"
    );
    let written = write(session.plan(&sql).await.unwrap().stream().await.unwrap(), Format::Csv, Target::File(folder.join("found.csv")));
    let rows = written.await.unwrap().rows;
    let asked = judge.questions.load(Ordering::Relaxed);
    (rows as f64 / tables.matches.len() as f64, asked as f64 / tables.pairs() as f64)
}

/// Two lists of texts to be joined, and which of them belong together.
struct Tables {
    name: &'static str,
    left: Vec<String>,
    right: Vec<String>,
    matches: HashSet<(String, String)>,
    /// The vectors, where they are not the embedded model's.
    vectors: Option<HashMap<String, Vec<f32>>>,
    seeds: u64,
}

impl Tables {
    fn pairs(&self) -> usize {
        self.left.len() * self.right.len()
    }

    /// Catalogue entries and what people wish for, with no word in common but a thing's plain name: one match for each row.
    fn planted() -> Tables {
        let matched = ROWS - ALONE;
        let left: Vec<String> = (0..ROWS).map(entry).collect();
        let wishes = (0..matched).map(|item| (item, wish(item, false))).chain((0..ALONE).map(|item| (item, wish(item, true))));
        let wishes: Vec<(usize, String)> = wishes.collect();
        let matches = wishes.iter().map(|(item, wish)| (left[*item].clone(), wish.clone())).collect();
        Tables { name: "planted", left, right: wishes.into_iter().map(|(_, wish)| wish).collect(), matches, vectors: None, seeds: SEEDS }
    }

    /// The planted texts with vectors that know nothing.
    fn useless() -> Tables {
        let planted = Tables::planted();
        let (left, right) = (planted.left[..SHORT].to_vec(), planted.right[..SHORT].to_vec());
        let mut state = 1u64;
        let mut number = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let vectors = left.iter().chain(&right).map(|text| (text.clone(), (0..64).map(|_| number()).collect())).collect();
        let sides: (HashSet<&String>, HashSet<&String>) = (left.iter().collect(), right.iter().collect());
        let matches = planted.matches.iter().filter(|(one, other)| sides.0.contains(one) && sides.1.contains(other)).cloned().collect();
        Tables { name: "vectors that know nothing", left, right, matches, vectors: Some(vectors), seeds: FEW_SEEDS }
    }

    /// Packages of one project, by the home page that their maintainers name: up to a dozen belong together.
    async fn projects(file: &Path, folder: &Path, ask: Arc<Judge>) -> Tables {
        let session = Session::new(ask, RunId::unrecorded(), SessionOptions::default());
        let rows = folder.join("packages.jsonl");
        let sql = format!(
            "SELECT package, description, rtrim(homepage, '/') AS home FROM '{}' \
             WHERE homepage <> '' AND description <> '' ORDER BY md5(package)",
            file.display()
        );
        let stream = session.plan(&sql).await.unwrap().stream().await.unwrap();
        write(stream, Format::JsonLines, Target::File(rows.clone())).await.unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        // in the order of the hash, so that it is the same sample everywhere
        let (mut homes, mut packages): (Vec<String>, HashMap<String, Vec<String>>) = Default::default();
        for line in std::fs::read_to_string(rows).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let of_home = packages.entry(text(&row, "home")).or_insert_with_key(|home| {
                homes.push(home.clone());
                Vec::new()
            });
            of_home.push(format!("{}: {}", text(&row, "package"), text(&row, "description").replace('\n', " ")));
        }
        let (mut left, mut right, mut matches) = (Vec::new(), Vec::new(), HashSet::new());
        for of_home in homes.iter().map(|home| &packages[home]).filter(|of_home| (2..=12).contains(&of_home.len())) {
            let (ones, others) = of_home.split_at(of_home.len() / 2);
            if right.len() + others.len() > ROWS {
                break;
            }
            matches.extend(ones.iter().flat_map(|one| others.iter().map(|other| (one.clone(), other.clone()))));
            left.extend_from_slice(ones);
            right.extend_from_slice(others);
        }
        Tables { name: "projects", left, right, matches, vectors: None, seeds: FEW_SEEDS }
    }

    /// The least share of the pairs among which the wanted share of the matches lies, if all are put in the order of their
    /// cosines: who knew the matches could set the threshold there.
    fn oracle(&self, vector: impl Fn(&str) -> Vec<f32>) -> f64 {
        let unit = |text: &String| {
            let vector = vector(text);
            let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
            vector.into_iter().map(|number| number / length).collect::<Vec<f32>>()
        };
        let sides: [Vec<Vec<f32>>; 2] = [self.left.iter().map(unit).collect(), self.right.iter().map(unit).collect()];
        let mut pairs: Vec<(f32, bool)> = Vec::with_capacity(self.pairs());
        for (left, one) in self.left.iter().zip(&sides[0]) {
            for (right, other) in self.right.iter().zip(&sides[1]) {
                let cosine = one.iter().zip(other).map(|(a, b)| a * b).sum();
                pairs.push((cosine, self.matches.contains(&(left.clone(), right.clone()))));
            }
        }
        pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let wanted = (RECALL * self.matches.len() as f64).ceil() as usize;
        let last = pairs.iter().enumerate().filter(|(_, (_, matches))| *matches).map(|(place, _)| place).nth(wanted - 1).unwrap();
        (last + 1) as f64 / pairs.len() as f64
    }
}
