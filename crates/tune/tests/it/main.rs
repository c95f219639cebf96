//! Optimizers over the engine and the simulator, under virtual time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use corsac_dispatch::{Dispatcher, Settings, VirtualClock};
use corsac_ledger::{Ledger, RunStart};
use corsac_program::evaluate::Exact;
use corsac_program::{ChainOfThought, Embedder, Example, Lm, Module, Overlaid, Overlay, Predict, SavedProgram, Signature, record};
use corsac_sim::{SimConfig, SimExchange, Simulator};
use corsac_tune::{BootstrapFewShot, BootstrapRandomSearch, Budget, KnnFewShot, LabeledFewShot, Optimizer, Task, TuneError};
use corsac_wire::Usd;
use serde_json::json;

const START_MS: i64 = 1_795_305_600_000;

struct World {
    lm: Lm,
    simulator: Simulator,
}

impl World {
    fn over(script: &str, ledger: &Ledger) -> World {
        let simulator = Simulator::new(SimConfig::from_script(script).unwrap()).unwrap();
        let exchange = SimExchange::new(simulator.clone(), START_MS, vec![("X-OpenRouter-Title".into(), "Tests".into())]);
        let start = RunStart {
            started_ms: START_MS,
            command: "test".into(),
            query: String::new(),
            settings: json!(null),
            engine: "sim".into(),
            model: "openai/gpt-4o-mini".into(),
            pid: std::process::id(),
        };
        let run = ledger.start_run(start).unwrap();
        let clock = Arc::new(VirtualClock::at(START_MS));
        let dispatcher = Arc::new(Dispatcher::new(Arc::new(exchange), ledger.clone(), clock, Settings::default()));
        World { lm: Lm::new(dispatcher, run), simulator }
    }

    fn new(script: &str) -> World {
        World::over(script, &Ledger::in_memory().unwrap())
    }

    fn requests(&self) -> u64 {
        self.simulator.seen().by_route.iter().filter(|(route, _)| route.contains("chat")).map(|(_, count)| count).sum()
    }
}

/// A model that answers rightly once it was shown how: with any demo in the prompt every answer is `good`, without one every
/// second is `bad`. All of the data is good.
fn learns() -> String {
    let rule = |contains: &str, label: &str| format!("[[rule]]\ncontains = '{contains}'\ncontent = '{{\"label\": \"{label}\"}}'\n");
    format!("{}{}{}", rule(r#""role":"assistant""#, "good"), rule("odd", "bad"), rule("even", "good"))
}

fn examples(count: usize) -> Vec<Example> {
    let text = |n: usize| format!("text {n} is {}", if n.is_multiple_of(2) { "even" } else { "odd" });
    (0..count).map(|n| Example::new(record([("text", text(n).into()), ("label", "good".into())]), ["text"])).collect()
}

fn program() -> Arc<dyn Module> {
    Arc::new(Predict::new(Signature::parse("text -> label: Literal['good', 'bad']").unwrap()))
}

fn task(world: &World, budget: Budget) -> Task {
    Task::new(&world.lm, program(), examples(40), Arc::new(Exact::default()), budget)
}

fn names(tuned: &corsac_tune::Tuned) -> Vec<&str> {
    tuned.candidates.iter().map(|candidate| candidate.name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn labelled_examples_are_shown_and_measured_on_others() {
    let world = World::new(&learns());
    let tuned = LabeledFewShot::default().tune(&task(&world, Budget::default())).await.unwrap();
    assert_eq!(names(&tuned), ["unchanged", "labels"]);
    let best = tuned.best().unwrap();
    assert_eq!((best.name.as_str(), best.measured.as_ref().unwrap().score, best.measured.as_ref().unwrap().examples), ("labels", 1.0, 20));
    let demos = &best.overlay.changes[""].demos.clone().unwrap();
    assert_eq!(demos.len(), 16);
    let gain = tuned.gain().unwrap();
    assert!(gain.worse == 0 && gain.difference.mean > 0.2 && gain.p < 0.05, "{gain:?}");
    assert!(tuned.complete && tuned.calls == world.requests() && tuned.spent > Usd::ZERO);
    assert!(best.cost > Usd::ZERO && best.calls == 20);
    // no example that measures is shown
    let held: Vec<String> = tuned_texts(&tuned.program());
    assert!(held.iter().all(|text| text.starts_with("text ")) && held.len() == 16);
}

fn tuned_texts(program: &Overlaid) -> Vec<String> {
    let demos = program.predictors().remove(0).state.demos;
    demos.iter().map(|demo| demo["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_went_well_is_learned_from() {
    let world = World::new(&learns());
    let alone = BootstrapFewShot { max_labeled_demos: 0, max_bootstrapped_demos: 3, ..BootstrapFewShot::default() };
    let tuned = alone.tune(&task(&world, Budget::default())).await.unwrap();
    let program = tuned.program();
    let demos = program.predictors().remove(0).state.demos;
    // without demos only the even ones are answered rightly
    assert_eq!(demos.len(), 3);
    assert!(
        demos.iter().all(|demo| demo["augmented"] == true && demo["text"].as_str().unwrap().ends_with("even") && demo["label"] == "good")
    );
    assert_eq!(tuned.best().unwrap().name, "bootstrap");
    let full = BootstrapFewShot::default().tune(&task(&world, Budget::default())).await.unwrap();
    let demos = full.program().predictors().remove(0).state.demos;
    let augmented = demos.iter().filter(|demo| demo.contains_key("augmented")).count();
    assert_eq!((augmented, demos.len()), (4, 16));
    let mut texts = tuned_texts(&full.program());
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 16, "what was learned from is not shown again");
}

#[tokio::test(start_paused = true)]
async fn each_predictor_learns_its_own_part() {
    let script = "[[rule]]\npath = \"/chat/completions\"\ncontent = '{\"reasoning\": \"so\", \"label\": \"good\"}'\n";
    let world = World::new(script);
    let chain: Arc<dyn Module> = Arc::new(ChainOfThought::new(Signature::parse("text -> label: Literal['good', 'bad']").unwrap()));
    let task = Task::new(&world.lm, chain, examples(10), Arc::new(Exact::default()), Budget::default());
    let tuned = BootstrapFewShot { max_labeled_demos: 0, ..BootstrapFewShot::default() }.tune(&task).await.unwrap();
    let learned = tuned.candidates[1].overlay.changes["predict"].demos.clone().unwrap();
    assert_eq!(learned.len(), 4);
    assert!(learned.iter().all(|demo| demo["reasoning"] == "so"));
    // saved as DSPy saves it
    let text = SavedProgram::of(&Overlaid::new(
        Arc::new(ChainOfThought::new(Signature::parse("text -> label").unwrap())),
        tuned.candidates[1].overlay.clone(),
    ))
    .to_text();
    let saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["predict"]["demos"][0]["augmented"], true);
}

#[tokio::test(start_paused = true)]
async fn the_search_tries_what_dspy_tries() {
    let world = World::new(&learns());
    let search = BootstrapRandomSearch { num_candidate_programs: 3, ..BootstrapRandomSearch::default() };
    let tuned = search.tune(&task(&world, Budget::default())).await.unwrap();
    assert_eq!(names(&tuned), ["unchanged", "no demos", "labels", "in order", "seed 0", "seed 1", "seed 2"]);
    assert_eq!(tuned.candidates[1].calls, 0, "the same as unchanged, and remembered");
    let first = tuned.candidates[4].overlay.changes[""].demos.clone();
    assert_ne!(first, tuned.candidates[5].overlay.changes[""].demos);
    assert_eq!(tuned.best().unwrap().name, "labels", "the earliest of the best");
    let told = tuned.to_string();
    assert!(told.contains("labels        1.000") && told.contains("←") && told.ends_with(&tuned.spent.to_string()), "{told}");
    let content = BootstrapRandomSearch { stop_at_score: Some(1.0), ..search };
    assert_eq!(names(&content.tune(&task(&world, Budget::default())).await.unwrap()), ["unchanged", "no demos", "labels"]);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_was_stopped_goes_on_where_it_was() {
    let search = BootstrapRandomSearch { num_candidate_programs: 2, ..BootstrapRandomSearch::default() };
    let whole_world = World::new(&learns());
    let whole = search.tune(&task(&whole_world, Budget::default())).await.unwrap();
    let ledger = Ledger::in_memory().unwrap();
    let (mut asked, mut rounds, mut last) = (0, 0, None);
    while last.as_ref().is_none_or(|tuned: &corsac_tune::Tuned| !tuned.complete) && rounds < 50 {
        // a new process each time, over the same ledger
        let world = World::over(&learns(), &ledger);
        let tuned = search.tune(&task(&world, Budget { dollars: None, calls: Some(23) })).await.unwrap();
        assert!(tuned.calls <= 23 && world.requests() <= 23);
        assert!(tuned.complete || tuned.to_string().contains("run again"));
        asked += world.requests();
        rounds += 1;
        last = Some(tuned);
    }
    let resumed = last.unwrap();
    assert!(rounds > 3, "{rounds}");
    assert_eq!(asked, whole_world.requests(), "nothing is asked twice");
    let shape = |tuned: &corsac_tune::Tuned| {
        tuned.candidates.iter().map(|one| (one.name.clone(), one.overlay.clone(), one.measured.clone())).collect::<Vec<_>>()
    };
    assert_eq!(shape(&resumed), shape(&whole));
}

#[tokio::test(start_paused = true)]
async fn a_ceiling_in_dollars_holds() {
    let world = World::new(&learns());
    let all = BootstrapFewShot::default().tune(&task(&world, Budget::default())).await.unwrap();
    let half = Usd::from_pico(all.spent.pico() / 2);
    let world = World::new(&learns());
    let tuned = BootstrapFewShot::default().tune(&task(&world, Budget { dollars: Some(half), calls: None })).await.unwrap();
    assert!(!tuned.complete && tuned.spent <= half && tuned.spent > Usd::ZERO, "{} of {half}", tuned.spent);
    assert!(tuned.candidates.iter().any(|candidate| candidate.measured.is_some()), "{tuned}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_searches_the_same_way_and_another_does_not() {
    let overlays = async |seed| {
        let world = World::new(&learns());
        let search = BootstrapRandomSearch { num_candidate_programs: 2, ..BootstrapRandomSearch::default() };
        let tuned = search.tune(&task(&world, Budget::default()).with_seed(seed)).await.unwrap();
        tuned.candidates.into_iter().map(|one| one.overlay).collect::<Vec<_>>()
    };
    assert_eq!(overlays(1).await, overlays(1).await);
    assert_ne!(overlays(1).await, overlays(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_stronger_teacher_teaches() {
    // the program alone never gets it right; the teacher does
    let script = "[[rule]]\ncontains = 'Be careful'\ncontent = '{\"label\": \"good\"}'\n[[rule]]\npath = '/chat/completions'\ncontent = '{\"label\": \"bad\"}'\n";
    let world = World::new(script);
    let bootstrap = BootstrapFewShot { max_labeled_demos: 0, ..BootstrapFewShot::default() };
    let alone = bootstrap.tune(&task(&world, Budget::default())).await.unwrap();
    assert_eq!(alone.candidates[1].overlay.changes[""].demos.as_ref().unwrap().len(), 0);
    let teacher = Overlaid::new(program(), Overlay::default().with_instructions("", "Be careful."));
    let taught = bootstrap.tune(&task(&world, Budget::default()).with_teacher(Arc::new(teacher))).await.unwrap();
    assert_eq!(taught.candidates[1].overlay.changes[""].demos.as_ref().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_work_is_an_error() {
    let world = World::new("[[rule]]\nfault = 'unauthorized_401'\n");
    let error = LabeledFewShot::default().tune(&task(&world, Budget::default())).await.unwrap_err();
    assert!(matches!(error, TuneError::Stopped(_)), "{error}");
    let one = Task::new(&world.lm, program(), examples(1), Arc::new(Exact::default()), Budget::default());
    let error = LabeledFewShot::default().tune(&one).await.unwrap_err();
    assert!(error.to_string().starts_with("1 examples are too few"));
}

#[tokio::test(start_paused = true)]
async fn near_examples_are_learned_from_when_an_input_comes() {
    let world = World::new(&learns());
    let few = KnnFewShot {
        k: 3,
        embedder: Embedder::of_model("openai/text-embedding-3-small"),
        bootstrap: BootstrapFewShot { max_bootstrapped_demos: 2, ..BootstrapFewShot::default() },
    };
    let near = few.program(&task(&world, Budget::default())).await.unwrap();
    let inputs = record([("text", "text 99 is odd".into())]);
    let prediction = world.lm.run(&near, &inputs).await.unwrap();
    assert_eq!(prediction.text("label"), Some("good"), "it was shown how");
    let asked = world.requests();
    let again = world.lm.run(&near, &inputs).await.unwrap();
    assert_eq!((again.outputs, world.requests()), (prediction.outputs, asked));
}
