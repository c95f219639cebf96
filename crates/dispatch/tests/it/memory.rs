//! Nothing is asked twice.

use std::sync::Arc;

use corsac_dispatch::{Ask, Memory, Settings, Source};
use corsac_ledger::Ledger;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn a_second_run_asks_nothing() {
    let ledger = Ledger::in_memory().unwrap();
    let first = World::over("latency_ms = 20\n", Settings::default(), ledger.clone());
    let before: Vec<_> = first.ask_many(50).await.into_iter().map(|outcome| outcome.unwrap().value).collect();
    let second = World::over("latency_ms = 20\n", Settings::default(), ledger.clone());
    let after = second.ask_many(50).await;
    assert_eq!(second.requests(), 0);
    for (answer, before) in after.into_iter().zip(before) {
        let answer = answer.unwrap();
        assert_eq!((answer.source, answer.attempts, &answer.value), (Source::Memory, 0, &before));
    }
    let fresh =
        World::over("latency_ms = 20\n", Settings { memory: Memory { fresh: true, ..Memory::default() }, ..Settings::default() }, ledger);
    fresh.ask_many(50).await;
    assert_eq!(fresh.requests(), 50);
}

#[tokio::test(start_paused = true)]
async fn the_same_question_in_flight_is_sent_once() {
    let world = World::new("latency_ms = 300\n", Settings::default());
    let calls = (0..40).map(|row| world.dispatcher.ask(world.call(row, "the same text")));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(world.requests(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.as_ref().unwrap().source == Source::Asked).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_takes_over_when_the_asker_goes_away() {
    let world = World::new("latency_ms = 300\n", Settings::default());
    let dispatcher = Arc::clone(&world.dispatcher);
    let call = world.call(0, "the same text");
    let first = tokio::spawn(async move { dispatcher.ask(call).await });
    tokio::task::yield_now().await;
    let second = world.dispatcher.ask(world.call(1, "the same text"));
    tokio::pin!(second);
    assert!(futures::poll!(&mut second).is_pending());
    first.abort();
    assert!(second.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn failures_are_not_remembered() {
    let ledger = Ledger::in_memory().unwrap();
    let script = "latency_ms = 20\n[[rule]]\npath = \"/chat/completions\"\nfault = \"moderation_403\"\n";
    let bad = World::over(script, Settings::default(), ledger.clone());
    assert!(bad.ask("a text").await.is_err());
    let good = World::over("latency_ms = 20\n", Settings::default(), ledger);
    assert!(good.ask("a text").await.is_ok());
}
