//! What a bill is made of: fees and own keys, tokens of every kind, costs told, computed and unknown; by operator, by
//! key and by day.

use corsac_ledger::*;
use corsac_wire::Usd;
use proptest::prelude::*;

use crate::samples::*;

const DAY: Millis = 86_400_000;

#[test]
fn an_attempt_with_everything_comes_back_as_it_was() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let whole = AttemptRecord {
        usage: Usage { prompt_tokens: 900, completion_tokens: 80, cached_tokens: 512, reasoning_tokens: 64, cache_write_tokens: 256 },
        byok: true,
        upstream_cost: Some(Usd::from_pico(123)),
        key_label: Some("…ab12-9f3c".into()),
        time_to_first_byte_ms: Some(210),
        route_asked: Some("primary".into()),
        route_served: Some("fallback".into()),
        ..attempt(7)
    };
    let usage = whole.usage;
    let stored = StoredAnswer { usage, ..answer("yes", 7) };
    let call =
        CallRecord { outcome: CallOutcome::Answered(stored.clone()), attempts: vec![whole.clone(), attempt(1)], ..answered(&run, 1) };
    wait(ledger.record(call.clone())).unwrap();
    let told = &ledger.calls(&run, CallFilter::All, None, 1).unwrap()[0];
    assert_eq!(told.attempts, call.attempts);
    assert_eq!(ledger.recall(fingerprint(1)).unwrap(), Some(stored));
    assert_eq!((whole.charged().pico(), call.cost().pico(), told.cost().pico()), (130, 8, 8));
}

#[test]
fn the_bill_of_an_own_key_comes_on_top_and_is_told_apart() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    // Without an own key, what the provider took is part of the cost and not counted again.
    let passed_on = AttemptRecord { upstream_cost: Some(Usd::from_pico(1_000)), ..attempt(1_000) };
    let own = AttemptRecord { byok: true, upstream_cost: Some(Usd::from_pico(2_000)), ..attempt(100) };
    let untold = AttemptRecord { byok: true, ..attempt(50) };
    wait(ledger.record(CallRecord { attempts: vec![passed_on, own, untold], ..answered(&run, 1) })).unwrap();
    let line = &ledger.spend(SpendBy::Run, SpendWithin::Run(&run)).unwrap()[0];
    assert_eq!((line.cost.pico(), line.own_key_cost.pico(), line.byok_attempts, line.attempts), (1_150, 2_000, 2, 3));
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!((told.cost.pico(), told.own_key_cost.pico(), told.byok_attempts), (1_150, 2_000, 2));
    // A ceiling is about all that leaves the purse.
    assert_eq!(ledger.standing(&Scope::run(&run)).unwrap().spent.pico(), 3_150);
}

#[test]
fn costs_that_are_not_known_are_counted_where_something_was_used() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let unknown = AttemptRecord { cost_source: CostSource::Unknown, ..attempt(0) };
    let fault = |usage| AttemptRecord { fault: Some("overloaded".into()), usage, ..unknown.clone() };
    let attempts = vec![
        unknown.clone(),
        fault(Usage::default()),
        fault(Usage { completion_tokens: 3, ..Usage::default() }),
        AttemptRecord { cost_source: CostSource::Estimated, ..attempt(5) },
    ];
    wait(ledger.record(CallRecord { attempts, ..answered(&run, 1) })).unwrap();
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!((told.attempts, told.estimated, told.unpriced), (4, 1, 2));
}

#[test]
fn spending_is_summed_by_operator_and_key_and_between_days() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let on_day = |number: u64, day: i64, operator: &str, key: Option<&str>, pico| CallRecord {
        operator: operator.into(),
        attempts: vec![AttemptRecord { started_ms: NOON + day * DAY, key_label: key.map(Into::into), ..attempt(pico) }],
        ..answered(&run, number)
    };
    wait(async {
        ledger.record(on_day(1, 0, "semantic_map", Some("…1111"), 1)).await.unwrap();
        ledger.record(on_day(2, 1, "semantic_map", Some("…2222"), 20)).await.unwrap();
        ledger.record(on_day(3, 2, "semantic_join", Some("…1111"), 300)).await.unwrap();
        ledger.record(on_day(4, 3, "semantic_join", None, 4_000)).await.unwrap();
    });
    let lines = |by, within| -> Vec<(String, i64, u64)> {
        ledger.spend(by, within).unwrap().into_iter().map(|line| (line.key, line.cost.pico(), line.answered)).collect()
    };
    let line = |key: &str, pico, answered| (key.to_owned(), pico, answered);
    assert_eq!(lines(SpendBy::Operator, SpendWithin::Everything), [line("semantic_join", 4_300, 2), line("semantic_map", 21, 2)]);
    assert_eq!(lines(SpendBy::Key, SpendWithin::Run(&run)), [line("unknown", 4_000, 1), line("…1111", 301, 2), line("…2222", 20, 1)]);
    let between = |from: i64, until: i64| SpendWithin::Between(NOON + from * DAY, NOON + until * DAY);
    assert_eq!(lines(SpendBy::Day, between(1, 2)), [line("2026-09-23", 300, 1), line("2026-09-22", 20, 1)]);
    assert_eq!(lines(SpendBy::Key, between(2, 2)), [line("…1111", 300, 1)]);
    assert_eq!(lines(SpendBy::Key, between(2, 1)), []);
    let spent = |scope: Scope| ledger.standing(&scope).unwrap().spent.pico();
    assert_eq!((spent(Scope::key("…1111")), spent(Scope::key("…1111").on_day(NOON)), spent(Scope::key("…3333"))), (301, 1, 0));
    assert_eq!((spent(Scope::everything().between(NOON + DAY, NOON + 2 * DAY)), spent(Scope::everything())), (320, 4_321));
    assert_eq!(spent(Scope::run(&run).on_day(NOON + 3 * DAY)), 4_000);
}

fn any_attempt() -> impl Strategy<Value = AttemptRecord> {
    let tokens = (0u64..9_000, 0u64..900, 0u64..500, 0u64..400, 0u64..300);
    let money = (0i64..2_000_000_000, prop::option::of(0i64..2_000_000_000), any::<bool>(), 0u8..3);
    (tokens, money, 0i64..3, prop::option::of(0u8..3), any::<bool>()).prop_map(|(tokens, money, day, key, is_fault)| AttemptRecord {
        started_ms: NOON + day * DAY,
        usage: Usage {
            prompt_tokens: tokens.0,
            completion_tokens: tokens.1,
            cached_tokens: tokens.2,
            reasoning_tokens: tokens.3,
            cache_write_tokens: tokens.4,
        },
        upstream_cost: money.1.map(Usd::from_pico),
        byok: money.2,
        cost_source: [CostSource::Reported, CostSource::Estimated, CostSource::Unknown][usize::from(money.3)],
        key_label: key.map(|key| format!("…{key}").into()),
        fault: is_fault.then(|| "overloaded".into()),
        ..attempt(money.0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// By whatever it is cut, the parts add up to the attempts, to the last pico-dollar.
    #[test]
    fn every_cut_adds_up(calls in prop::collection::vec((0u8..3, prop::collection::vec(any_attempt(), 0..4), any::<bool>()), 0..30)) {
        let ledger = Ledger::in_memory().unwrap();
        let run = ledger.start_run(start("q")).unwrap();
        for (number, (operator, attempts, is_flushed)) in (0..).zip(&calls) {
            let operator = format!("operator {operator}").into();
            ledger.note(CallRecord { operator, attempts: attempts.clone(), ..answered(&run, number) });
            if *is_flushed {
                wait(ledger.flush()).unwrap();
            }
        }
        wait(ledger.flush()).unwrap();
        let all: Vec<&AttemptRecord> = calls.iter().flat_map(|(_, attempts, _)| attempts).collect();
        let total = |of: fn(&AttemptRecord) -> u64| all.iter().map(|attempt| of(attempt)).sum::<u64>();
        let cost: Usd = all.iter().map(|attempt| attempt.cost).sum();
        let charged: Usd = all.iter().map(|attempt| attempt.charged()).sum();
        let unpriced = |attempt: &AttemptRecord| {
            let is_used = attempt.usage.prompt_tokens + attempt.usage.completion_tokens > 0;
            u64::from(attempt.cost_source == CostSource::Unknown && (attempt.fault.is_none() || is_used))
        };
        for by in [SpendBy::Run, SpendBy::Model, SpendBy::Provider, SpendBy::Day, SpendBy::Operator, SpendBy::Key] {
            let lines = ledger.spend(by, SpendWithin::Between(NOON, NOON + 2 * DAY)).unwrap();
            let sum = |of: fn(&SpendLine) -> u64| lines.iter().map(of).sum::<u64>();
            prop_assert_eq!(lines.iter().map(|line| line.cost).sum::<Usd>(), cost);
            prop_assert_eq!(lines.iter().map(|line| line.cost + line.own_key_cost).sum::<Usd>(), charged);
            prop_assert_eq!(sum(|line| line.attempts), all.len() as u64);
            prop_assert_eq!(sum(|line| line.answered), calls.len() as u64);
            prop_assert_eq!(sum(|line| line.usage.reasoning_tokens), total(|attempt| attempt.usage.reasoning_tokens));
            prop_assert_eq!(sum(|line| line.usage.cache_write_tokens), total(|attempt| attempt.usage.cache_write_tokens));
            prop_assert_eq!(sum(|line| line.byok_attempts), total(|attempt| attempt.byok.into()));
            prop_assert_eq!(sum(|line| line.estimated), total(|attempt| (attempt.cost_source == CostSource::Estimated).into()));
            prop_assert_eq!(sum(|line| line.unpriced), total(unpriced));
        }
        for key in ["…0", "…1", "…2"] {
            let of_key = || all.iter().filter(|attempt| attempt.key_label.as_deref() == Some(key));
            prop_assert_eq!(ledger.standing(&Scope::key(key)).unwrap().spent, of_key().map(|attempt| attempt.charged()).sum::<Usd>());
            let first_day = of_key().filter(|attempt| attempt.started_ms == NOON).map(|attempt| attempt.charged()).sum::<Usd>();
            prop_assert_eq!(ledger.standing(&Scope::key(key).on_day(NOON)).unwrap().spent, first_day);
        }
        let told = ledger.run(run.as_str()).unwrap();
        prop_assert_eq!(told.cost + told.own_key_cost, charged);
    }
}
