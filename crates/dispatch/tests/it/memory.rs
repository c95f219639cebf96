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

#[tokio::test(start_paused = true)]
async fn what_a_provider_refused_is_remembered_by_the_next_process() {
    let ledger = Ledger::in_memory().unwrap();
    let first = World::over("[[rule]]\nfault = \"schema_refused_400\"\ntimes = 1\n", Settings::default(), ledger.clone());
    first.ask("good").await.unwrap();
    let calls = ledger.calls(&first.run, corsac_ledger::CallFilter::All, None, 10).unwrap();
    let refused = calls[0].attempts[0].provider.clone().unwrap();
    let fresh = Settings { memory: Memory { fresh: true, ..Memory::default() }, ..Settings::default() };
    let served = |world: &World| -> Vec<String> {
        world.dispatcher.tally().summary().served.into_iter().filter_map(|(_, provider, _)| Some(provider?.to_string())).collect()
    };
    let second = World::over("", fresh.clone(), ledger);
    second.ask_many(60).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    assert!(!served(&second).contains(&refused.to_string()), "{refused} was asked again: {:?}", served(&second));
    let without = World::new("", fresh);
    without.ask_many(60).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    assert!(served(&without).contains(&refused.to_string()), "{refused} is never asked: {:?}", served(&without));
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_too_old_and_other_namespaces_do_not_count() {
    let ledger = Ledger::in_memory().unwrap();
    let settings = |memory: Memory| Settings { memory, ..Settings::default() };
    World::over("", Settings::default(), ledger.clone()).ask("good").await.unwrap();
    let aged = settings(Memory { max_age: Some(std::time::Duration::from_secs(60)), ..Memory::default() });
    let world = World::over("", aged, ledger.clone());
    assert_eq!(world.ask("good").await.unwrap().source, Source::Memory);
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(world.ask("good").await.unwrap().source, Source::Asked);
    let apart = World::over("", settings(Memory { namespace: "trial".into(), ..Memory::default() }), ledger);
    assert_eq!(apart.ask("good").await.unwrap().source, Source::Asked);
}
