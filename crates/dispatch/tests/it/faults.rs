//! Every fault ends as an answer or as a reason, with the steps in the ledger.

use corsac_dispatch::{FailureKind, Settings};
use corsac_ledger::CallFilter;

use crate::world::{PRIMARY, World, patient, with_fallback};

/// A fault that strikes once is got over; returns how many requests that took.
async fn once(fault: &str) -> u32 {
    let script = format!("latency_ms = 200\n[[rule]]\npath = \"/chat/completions\"\ntimes = 1\nfault = \"{fault}\"\n");
    let settings = Settings { deadlines: patient(30), ..Settings::default() };
    let world = World::new(&script, settings);
    let answer = world.ask("what a good thing").await.unwrap_or_else(|failure| panic!("{fault}: {}: {failure}", failure.kind));
    assert!(matches!(answer.value["label"].as_str(), Some("good" | "bad")), "{fault}: {}", answer.value);
    let calls = world.ledger.calls(&world.run, CallFilter::All, None, 10).unwrap();
    assert_eq!(calls.len(), 1, "{fault}");
    let struck: Vec<&str> = calls[0].attempts.iter().filter_map(|attempt| attempt.remedy.as_deref()).collect();
    assert_eq!(struck.len() as u32 + 1, answer.attempts, "{fault}: each attempt but the last has its remedy: {struck:?}");
    answer.attempts
}

#[tokio::test(start_paused = true)]
async fn what_strikes_once_is_got_over() {
    for fault in [
        "http_500",
        "http_502",
        "http_503",
        "http_504",
        "http_524_html",
        "http_529",
        "http_408",
        "rate_limited",
        "upstream_rate_limited",
        "error_in_200",
        "choice_error",
        "empty_stop",
        "length",
        "malformed_json",
        "wrong_schema",
        "hang",
        "cut",
        "in_flight_402",
        "cannot_afford_402",
        "parameter_filter_404",
        "schema_refused_400",
        "garbage_body",
    ] {
        assert_eq!(once(fault).await, 2, "{fault}");
    }
    for fault in ["fenced_json", "wrong_content_type", "slow"] {
        assert_eq!(once(fault).await, 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_down_is_replaced() {
    for fault in [
        "http_500",
        "http_502",
        "http_503",
        "http_529",
        "hang",
        "cut",
        "error_in_200",
        "no_endpoints_404",
        "moderation_403",
        "empty_stop",
        "wrong_schema",
    ] {
        let script = format!("latency_ms = 100\n[[rule]]\npath = \"/chat/completions\"\nmodel = \"{PRIMARY}\"\nfault = \"{fault}\"\n");
        let settings = Settings { deadlines: patient(20), ..with_fallback() };
        let world = World::new(&script, settings);
        for outcome in world.ask_many(20).await {
            let answer = outcome.unwrap_or_else(|failure| panic!("{fault}: {}: {failure}", failure.kind));
            assert!(answer.model.contains("claude-3-haiku"), "{fault}: {}", answer.model);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_passes_ends_with_a_reason() {
    for (fault, kind) in [
        ("http_502", FailureKind::ProviderError),
        ("hang", FailureKind::Timeout),
        ("unauthorized_401", FailureKind::Unauthorized),
        ("no_credits_402", FailureKind::OutOfCredits),
        ("key_limit_403", FailureKind::OutOfCredits),
        ("moderation_403", FailureKind::Moderated),
        ("refusal", FailureKind::Moderated),
        ("content_filter", FailureKind::Moderated),
        ("no_endpoints_404", FailureKind::NoSuchModel),
        ("schema_refused_400", FailureKind::Refused),
        ("context_length_400", FailureKind::BadInput),
        ("length", FailureKind::Truncated),
        ("wrong_schema", FailureKind::InvalidAnswer),
        ("rate_limited", FailureKind::RateLimited),
        ("garbage_body", FailureKind::ProviderError),
    ] {
        let script = format!("latency_ms = 50\n[[rule]]\npath = \"/chat/completions\"\nfault = \"{fault}\"\n");
        let settings = Settings { deadlines: patient(10), ..Settings::default() };
        let world = World::new(&script, settings);
        let failure = world.ask("a text").await.expect_err(fault);
        assert_eq!(failure.kind, kind, "{fault}: {failure}");
        assert!(failure.attempts <= 21, "{fault}: {} attempts", failure.attempts);
        assert!(!failure.message.is_empty(), "{fault}");
        let calls = world.ledger.calls(&world.run, CallFilter::Failed, None, 10).unwrap();
        assert_eq!(calls.len(), 1, "{fault} is in the ledger");
        assert_eq!(calls[0].attempts.len() as u32, failure.attempts, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_the_schema_is_left_out_for_good() {
    let script = "latency_ms = 50\n[[rule]]\npath = \"/chat/completions\"\nprovider = \"openai\"\nfault = \"schema_refused_400\"\n";
    // without the service's own fallbacks, the refusal comes through to us
    let mut settings = Settings::default();
    settings.request.provider.allow_fallbacks = Some(false);
    let world = World::new(script, settings);
    for text in ["one", "two", "three", "four", "five", "six"] {
        world.ask(text).await.unwrap();
    }
    let refused = world.seen().by_fault.get("schema_refused_400").copied().unwrap_or(0);
    assert!(refused <= 2, "it was asked {refused} times");
}

#[tokio::test(start_paused = true)]
async fn one_bad_row_in_a_hundred_costs_only_that_row() {
    let script = "latency_ms = 50\n[[rule]]\npath = \"/chat/completions\"\ncontains = \"number 7\\\"\"\nfault = \"moderation_403\"\n";
    let world = World::new(script, Settings::default());
    let outcomes = world.ask_many(100).await;
    let failed: Vec<usize> = (0..100).filter(|row| outcomes[*row].is_err()).collect();
    assert_eq!(failed, [7]);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_is_used_on_the_wire_too() {
    // the request as a whole succeeds, served by the second model
    let script = format!("latency_ms = 50\ndown = [{{ model = \"{PRIMARY}\", fault = \"http_503\" }}]\n");
    let world = World::new(&script, Settings::of_models([PRIMARY, "openai/gpt-4o"]));
    let answer = world.ask("a text").await.unwrap();
    assert!(answer.model.starts_with("openai/gpt-4o") && !answer.model.contains("mini"), "{}", answer.model);
    assert_eq!((answer.attempts, world.requests()), (1, 1), "the fallback was in `models`");
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_one_row_among_answered_ones_costs_that_row_alone() {
    for (fault, message) in
        [("unauthorized_401", "refused the key"), ("no_endpoints_404", "nobody serves"), ("unknown_model_400", "not a valid")]
    {
        let script = format!(
            "[[rule]]\ncontains = 'odd'\nfault = '{fault}'\n[[rule]]\ncontains = 'shaky'\ntimes = 1\nfault = '{fault}'\n\
             [[rule]]\ncontains = 'revoked'\nfault = '{fault}'\n"
        );
        let world = World::new(&script, Settings::default());
        // nobody was answered yet: it is believed at once
        let failure = world.ask("odd from the start").await.unwrap_err();
        assert!(failure.kind.stops_run() && failure.attempts == 1, "{fault}: {failure}");
        world.ask("plain").await.unwrap();
        assert_eq!(world.ask("shaky").await.unwrap().attempts, 2, "{fault}");
        let failure = world.ask("odd").await.unwrap_err();
        assert_eq!((failure.kind, failure.attempts), (FailureKind::Refused, 3), "{fault}");
        assert!(failure.message.contains(message) && failure.message.contains("only this one is given up"), "{failure}");
        world.ask("plain too").await.unwrap();
        // many in a row speak for all
        for row in 0..15 {
            let failure = world.ask(&format!("revoked {row}")).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Refused, "{fault}, row {row}");
        }
        assert!(world.ask("revoked at last").await.unwrap_err().kind.stops_run(), "{fault}");
    }
}
