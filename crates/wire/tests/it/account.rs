//! What the service tells of keys, credits and generations.

use corsac_wire::account::{Credits, Generation, KeyInfo};
use corsac_wire::{Reply, Usd};

use crate::samples::sample;

fn usd(text: &str) -> Option<Usd> {
    Some(Usd::parse(text).unwrap())
}

#[test]
fn a_key() {
    let key: KeyInfo = Reply::data(200, &sample("key").body).unwrap();
    assert_eq!((key.limit, key.limit_remaining, key.limit_reset.as_deref()), (usd("100"), usd("74.5"), Some("monthly")));
    assert_eq!((key.usage, key.usage_daily, key.usage_monthly), (usd("25.5"), usd("1.25"), usd("25.5")));
    assert_eq!(key.free_model_daily_requests.map(|free| (free.used, free.limit, free.remaining)), Some((Some(12), Some(1_000), Some(988))));
    assert_eq!(key.budgets.len(), 1);
    assert_eq!(key.effective_budget.as_ref().and_then(|budget| budget.resets_at.as_deref()), Some("2026-12-01T00:00:00Z"));
    assert_eq!((key.manages_keys(), key.is_free_tier, key.expires_at.as_deref()), (false, Some(false), None));
    let old: KeyInfo = Reply::data(200, br#"{"data":{"label":"x","usage":"0.5","is_provisioning_key":true,"limit":null}}"#).unwrap();
    assert_eq!((old.usage, old.limit, old.manages_keys()), (usd("0.5"), None, true));
    assert_eq!(Reply::data::<KeyInfo>(200, br#"{"data":{}}"#).unwrap(), KeyInfo::default());
}

#[test]
fn credits() {
    let credits: Credits = Reply::data(200, &sample("credits").body).unwrap();
    assert_eq!(credits.balance(), usd("74.75"));
    let overdrawn: Credits = Reply::data(200, br#"{"data":{"total_credits":1,"total_usage":1.25}}"#).unwrap();
    assert_eq!(overdrawn.balance(), usd("-0.25"));
    let refused = sample("error_403_management_key_required");
    let Err(reply) = Reply::data::<Credits>(refused.status, &refused.body) else { panic!("not refused") };
    assert!(matches!(*reply, Reply::Error { status: 403, .. }));
}

#[test]
fn a_generation() {
    let generation: Generation = Reply::data(200, &sample("generation").body).unwrap();
    assert_eq!((generation.cost(), generation.latency), (usd("0.0000231"), Some(431.0)));
    assert_eq!((generation.native_tokens_prompt, generation.native_tokens_completion), (Some(118), Some(47)));
    let tried: Vec<_> =
        generation.provider_responses.iter().map(|one| (one.provider_name.as_deref().unwrap(), one.status.unwrap())).collect();
    assert_eq!(tried, [("Novita", 429), ("DeepInfra", 200)]);
    let early = sample("error_404_generation_not_ready");
    let Err(reply) = Reply::data::<Generation>(early.status, &early.body) else { panic!("not early") };
    assert!(matches!(*reply, Reply::Error { status: 404, .. }));
}

#[test]
fn what_is_no_such_thing_is_told_as_what_it_is() {
    let told = |status: u16, body: &[u8]| *Reply::data::<Credits>(status, body).unwrap_err();
    assert!(matches!(told(200, b"<html>"), Reply::Unreadable { html: true, .. }));
    assert!(matches!(told(200, b"{}"), Reply::Unreadable { status: 200, .. }));
    assert!(matches!(told(200, br#"{"error":{"code":401,"message":"m"}}"#), Reply::Error { status: 401, .. }));
    assert!(matches!(told(503, br#"{"data":{"total_credits":1}}"#), Reply::Unreadable { status: 503, .. }), "the status counts");
    assert!(
        matches!(told(200, br#"{"choices":[{"message":{"content":"a"}}]}"#), Reply::Unreadable { .. }),
        "an answer to another question"
    );
}
