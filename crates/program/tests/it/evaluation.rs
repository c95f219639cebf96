//! Measuring programs: outcomes, failures, intervals, memory.

use corsac_ledger::Ledger;
use corsac_program::evaluate::{Classify, Exact, F1, Measure, Metric, Report, SemanticF1, named_metric};
use corsac_program::{ChainOfThought, Context, Evaluate, Example, Overlaid, Overlay, Predict, Prediction, Signature, record};
use corsac_wire::Usd;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{World, replies_to, values};

fn label() -> Predict {
    Predict::new(Signature::parse("text -> label: Literal['good', 'bad']").unwrap())
}

/// Ten texts: the first six are called rightly, two wrongly, two are refused.
fn examples() -> Vec<Example> {
    let text = |place: usize| match place {
        0..=5 => format!("nice {place}"),
        6..=7 => format!("nasty {place}"),
        _ => format!("forbidden {place}"),
    };
    (0..10)
        .map(|place| Example::new(record([("text", text(place).into()), ("label", "good".into()), ("half", (place % 2).into())]), ["text"]))
        .collect()
}

fn script() -> String {
    let refused = "[[rule]]\ncontains = \"forbidden\"\nfault = \"moderation_403\"\n";
    refused.to_owned() + &replies_to(&[("nasty", r#"{"label": "bad"}"#), ("nice", r#"{"label": "good"}"#)])
}

#[tokio::test(start_paused = true)]
async fn failures_stand_apart_from_zeros() {
    let world = World::new(&script());
    let evaluate = Evaluate::new(examples());
    let evaluation = evaluate.run(&Context::new(&world.lm), &label(), &Classify::default()).await;
    assert_eq!((evaluation.score(), evaluation.failed(), evaluation.score_with_zeros()), (Some(0.75), 2, 0.6));
    assert_eq!(evaluation.failures().into_iter().collect::<Vec<_>>(), [("moderated", 2)]);
    let interval = evaluation.interval(1).unwrap();
    assert!(interval.low < 0.75 && 0.75 < interval.high && evaluation.interval(1) == Some(interval));
    let classes = evaluation.classes().unwrap();
    assert_eq!(classes.confusion[&("good".to_owned(), "bad".to_owned())], 2);
    let by = evaluation.by(evaluate.examples(), "half", 1);
    assert_eq!((by["0"].0, by["0"].1, by["1"].0), (5, 1, 5));
    assert!(evaluation.cost() > Usd::ZERO && evaluation.outcomes[3].attempts == 1 && evaluation.outcomes[3].row == 3);
}

#[tokio::test(start_paused = true)]
async fn an_evaluation_is_told_in_a_table() {
    let world = World::new(&script());
    let evaluate = Evaluate::new(examples());
    let metric = named_metric("classify", Some("label")).unwrap();
    let evaluation = evaluate.run(&Context::new(&world.lm), &label(), metric.as_ref()).await;
    let report = Report { evaluation: &evaluation, examples: evaluate.examples(), by: Some("half"), seed: 1 };
    insta::assert_snapshot!(report);
    let unknown = named_metric("exakt", None).err().unwrap().to_string();
    assert_eq!(unknown, "the metric \"exakt\" cannot be used: there are exact, f1, semantic_f1, classify");
}

#[tokio::test(start_paused = true)]
async fn a_second_evaluation_asks_only_what_failed() {
    let ledger = Ledger::in_memory().unwrap();
    let first = World::over(&script(), ledger.clone());
    let evaluate = Evaluate::new(examples());
    let before = evaluate.run(&Context::new(&first.lm), &label(), &Exact::default()).await;
    let second = World::over(&replies_to(&[("forbidden", r#"{"label": "good"}"#)]), ledger);
    let after = evaluate.run(&Context::new(&second.lm), &label(), &Exact::default()).await;
    assert_eq!(second.bodies().len(), 2);
    assert_eq!((before.scores()[..8].to_vec(), after.failed()), (after.scores()[..8].to_vec(), 0));
}

#[tokio::test(start_paused = true)]
async fn two_programs_are_compared_on_the_same_examples() {
    let world = World::new(&format!("{}{}", replies_to(&[("Be kind", r#"{"label": "good"}"#)]), script()));
    let evaluate = Evaluate::new(examples());
    let cx = Context::new(&world.lm);
    let base = evaluate.run(&cx, &label(), &Exact::default()).await;
    let kind = Overlaid::new(Arc::new(label()), Overlay::default().with_instructions("", "Be kind."));
    let other = evaluate.run(&cx, &kind, &Exact::default()).await;
    let paired = base.compare(&other, 5).unwrap();
    assert_eq!((paired.examples, paired.better, paired.worse), (8, 2, 0));
    assert_eq!(paired.difference.mean, 0.25);
}

async fn score(metric: &dyn Metric, gold: Value, predicted: Value) -> f64 {
    let world = World::new("");
    let example = Example::new(values(json!({"question": "q", "answer": gold})), ["question"]);
    let prediction = Prediction::of(record([("reasoning", "r".into()), ("answer", predicted)]));
    metric.score(&Context::new(&world.lm), &example, &prediction).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn metrics_measure_as_dspy_does() {
    assert_eq!(score(&Exact::default(), json!("The Rome"), json!("rome.")).await, 1.0);
    assert_eq!(score(&Exact::default(), json!(["Roma", "Rome"]), json!("rome")).await, 1.0);
    assert_eq!(score(&Exact::default(), json!(["a", "b"]), json!(["a", "b"])).await, 1.0);
    assert_eq!(score(&Exact::of("answer"), json!(4), json!(4.0)).await, 1.0);
    assert_eq!(score(&Exact::default(), json!(true), json!(false)).await, 0.0);
    assert!((score(&F1::default(), json!(["x", "the cat sat"]), json!("cat sat down")).await - 0.8).abs() < 1e-9);
    let longer = Measure::new("longer", |example, prediction| {
        f64::from(u8::from(prediction.text("answer") > example.get("answer").and_then(Value::as_str)))
    });
    assert_eq!((longer.name(), score(&longer, json!("a"), json!("b")).await), ("longer", 1.0));
    let world = World::new("");
    let example = Example::new(values(json!({"question": "q"})), ["question"]);
    let error = Exact::default().score(&Context::new(&world.lm), &example, &Prediction::of(record([("answer", "x".into())]))).await;
    assert!(error.unwrap_err().to_string().contains("the outputs are answer, and there is no label"));
}

#[tokio::test(start_paused = true)]
async fn a_model_judges_meaning_and_is_paid_for() {
    let script = replies_to(&[
        ("ground_truth", r#"{"reasoning": "r", "recall": 0.5, "precision": 1.0}"#),
        ("question", r#"{"reasoning": "r", "answer": "x"}"#),
    ]);
    let world = World::new(&script);
    let example = Example::new(values(json!({"question": "q", "answer": "y"})), ["question"]);
    let program = ChainOfThought::new(Signature::parse("question -> answer").unwrap());
    let metric = SemanticF1::new(None).unwrap();
    let evaluation = Evaluate::new(vec![example]).run(&Context::new(&world.lm), &program, &metric).await;
    assert!((evaluation.score().unwrap() - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(evaluation.outcomes[0].attempts, 2);
}
