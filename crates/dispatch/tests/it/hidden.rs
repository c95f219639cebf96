//! Limits that nobody names, through the whole engine: they are found, kept, and found again when they move. And what is
//! known of models is fetched anew when it is old.

use std::time::Duration;

use corsac_dispatch::{Deadlines, Settings};
use tokio::time::timeout;

use crate::world::World;

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// What became of ten minutes.
#[derive(Debug)]
struct Came {
    answered: u64,
    refused: u64,
    sent: u64,
}

/// More questions than ten minutes let through, for ten minutes.
async fn ten_minutes(limits: &str, questions: u64) -> (World, Came) {
    let script = format!("latency_ms = 300\nrefusal_ms = 20\n[limits]\n{limits}");
    let deadlines = Deadlines { call: Duration::from_secs(7_200), ..Deadlines::default() };
    let world = World::new(&script, Settings { deadlines, ..Settings::default() });
    // what is asked beyond the time is given up
    let _ = timeout(TEN_MINUTES, world.ask_many(questions)).await;
    let seen = world.seen();
    let (mut answered, mut refused) = (0, 0);
    for minute in seen.by_minute.values() {
        answered += minute.answered;
        refused += minute.refused;
    }
    (world, Came { answered, refused, sent: answered + refused })
}

#[tokio::test(start_paused = true)]
async fn a_hidden_limit_is_reached_and_hardly_met() {
    for (limit, questions) in [(100, 1_500), (600, 7_500), (6_000, 66_000)] {
        // the largest limit once, since sixty thousand calls take their time
        let (windows, hints): (&[&str], &[&str]) =
            if limit == 6_000 { (&["sliding"], &["none"]) } else { (&["fixed", "sliding"], &["none", "reset", "retry_after"]) };
        for window in windows {
            for hint in hints {
                let limits = format!("requests_per_minute = {limit}\nwindow = \"{window}\"\nhint = \"{hint}\"\n");
                let (_, came) = ten_minutes(&limits, questions).await;
                let told = format!("{limit} {window} {hint}: {came:?}");
                println!("{told}");
                assert!(came.answered as f64 >= 0.95 * (limit * 10) as f64, "{told}");
                assert!(came.refused as f64 <= 0.02 * came.sent as f64, "{told}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_halves_and_doubles_is_followed() {
    for window in ["fixed", "sliding"] {
        let limits = format!(
            "requests_per_minute = 600\nwindow = \"{window}\"\n\
             schedule = [{{ at_s = 180, requests_per_minute = 300 }}, {{ at_s = 360, requests_per_minute = 600 }}]\n"
        );
        let (_, came) = ten_minutes(&limits, 7_500).await;
        println!("{window}: {came:?}");
        assert!(came.answered >= 4_845, "{window}: {came:?} of 5,100");
        assert!(came.refused as f64 <= 0.02 * came.sent as f64, "{window}: {came:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_throttled_low_is_named() {
    let (world, _) = ten_minutes("requests_per_minute = 40\n", 600).await;
    let low = world.dispatcher.throttled_low();
    assert_eq!(low.len(), 1, "{low:?}");
    assert!((39.0..=41.0).contains(&low[0].1), "{low:?}");
    let (world, _) = ten_minutes("requests_per_minute = 600\n", 6_500).await;
    assert_eq!(world.dispatcher.throttled_low(), []);
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_fetched_again_when_they_are_old() {
    let world = World::new("", Settings::default());
    let fetched =
        |world: &World| world.seen().by_route.iter().filter(|(route, _)| route.contains("endpoints")).map(|(_, count)| *count).sum::<u64>();
    for text in ["one", "two"] {
        world.ask(text).await.unwrap();
    }
    assert_eq!(fetched(&world), 1);
    tokio::time::sleep(Duration::from_secs(3_700)).await;
    world.ask("three").await.unwrap();
    // the call did not wait for it
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fetched(&world), 2);
    world.ask("four").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fetched(&world), 2);
}
