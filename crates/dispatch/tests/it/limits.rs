//! Pace and money.

use std::time::Duration;

use corsac_dispatch::{Ceilings, Deadlines, FailureKind, Settings};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use tokio::time::Instant;

use crate::world::{PRIMARY, World};

#[tokio::test(start_paused = true)]
async fn two_thousand_slow_answers_are_under_way_at_once() {
    let world = World::new("latency_ms = 1000\n", Settings::default());
    let start = Instant::now();
    assert!(world.ask_many(2_000).await.iter().all(Result::is_ok));
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_limit_slows_the_run_and_fails_no_row() {
    for hint in ["none", "reset", "retry_after"] {
        let script = format!("latency_ms = 100\n[limits]\nrequests_per_minute = 120\nhint = \"{hint}\"\n");
        let world = World::new(
            &script,
            Settings { deadlines: Deadlines { call: Duration::from_secs(7_200), ..Deadlines::default() }, ..Settings::default() },
        );
        let outcomes = world.ask_many(400).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let first = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        assert_eq!(failed, 0, "hint {hint}: {first:?}; {} requests", world.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_under_any_concurrency() {
    let pricing = Pricing { prompt: Usd::parse("0.00000015").ok(), completion: Usd::parse("0.0000006").ok(), ..Pricing::default() };
    let ceiling = Usd::parse("0.002").unwrap();
    for known in [true, false] {
        let prices = known.then(|| (PRIMARY.into(), pricing)).into_iter().collect();
        let world = World::new(
            "latency_ms = [50, 400]\n",
            Settings { ceilings: Ceilings { run: Some(ceiling), ..Ceilings::default() }, prices, ..Settings::default() },
        );
        let outcomes = world.ask_many(512).await;
        let spent = world.dispatcher.tally().summary().cost;
        assert!(spent <= ceiling, "known {known}: {spent}");
        assert_eq!(world.ledger.run(world.run.as_str()).unwrap().cost, spent);
        let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!((20..512).contains(&answered), "known {known}: {answered} answered for {spent}");
        assert!(outcomes.iter().all(|outcome| !matches!(outcome, Err(failure) if failure.kind != FailureKind::BudgetReached)));
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_keeps_what_is_under_way() {
    let world = World::new("latency_ms = 1000\n", Settings::default());
    let dispatcher = std::sync::Arc::clone(&world.dispatcher);
    let stopper = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        dispatcher.stop();
    });
    let outcomes = world.ask_many(500).await;
    stopper.await.unwrap();
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    assert!(answered > 0 && answered < 500, "{answered}");
    assert_eq!(answered, world.requests(), "every request that was sent was waited for");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|failure| failure.kind == FailureKind::Interrupted));
}
