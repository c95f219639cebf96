//! The law of the ledger: its sums are the sums of what was recorded, whatever the order and the size of the batches.

use std::collections::{BTreeMap, HashSet};

use corsac_ledger::*;
use corsac_wire::Usd;
use proptest::prelude::*;

use crate::samples::*;

#[derive(Debug, Clone)]
struct Recipe {
    run: usize,
    question: u64,
    outcome: u8,
    attempts: Vec<(i64, u64, u8, u8)>,
    shared: u64,
    is_noted: bool,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let attempt = (0i64..1_000_000_000, 0u64..5_000, 0u8..3, 0u8..4);
    (0usize..3, 0u64..12, 0u8..3, prop::collection::vec(attempt, 0..4), 0u64..5, any::<bool>())
        .prop_map(|(run, question, outcome, attempts, shared, is_noted)| Recipe { run, question, outcome, attempts, shared, is_noted })
}

fn call(recipe: &Recipe, run: &RunId) -> CallRecord {
    let attempts: Vec<_> = recipe
        .attempts
        .iter()
        .map(|(pico, tokens, provider, days)| AttemptRecord {
            provider: (*provider > 0).then(|| format!("provider {provider}").into()),
            started_ms: NOON + i64::from(*days) * 86_400_000,
            usage: Usage { prompt_tokens: *tokens, completion_tokens: tokens / 3, cached_tokens: tokens / 2, ..Usage::default() },
            ..attempt(*pico)
        })
        .collect();
    let outcome = match recipe.outcome {
        0 => CallOutcome::Answered(answer("yes", 1)),
        1 => CallOutcome::FromMemory,
        _ => CallOutcome::Failed { kind: "refused".into(), message: "no".into() },
    };
    CallRecord { outcome, attempts, ..answered(run, recipe.question) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn sums_equal_the_records(recipes in prop::collection::vec(recipe(), 0..60)) {
        let ledger = Ledger::in_memory().unwrap();
        let runs: Vec<RunId> = (0..3).map(|number: u8| ledger.start_run(start(&number.to_string())).unwrap()).collect();
        let calls: Vec<CallRecord> = recipes.iter().map(|recipe| call(recipe, &runs[recipe.run])).collect();
        wait(async {
            for (recipe, call) in recipes.iter().zip(&calls) {
                if recipe.is_noted { ledger.note(call.clone()) } else { ledger.record(call.clone()).await.unwrap() }
                ledger.shared(&call.run, call.fingerprint, recipe.shared);
            }
            ledger.flush().await.unwrap();
        });

        for (index, run) in runs.iter().enumerate() {
            let told = ledger.run(run.as_str()).unwrap();
            let mine = || recipes.iter().zip(&calls).filter(|(recipe, _)| recipe.run == index);
            let attempts = || mine().flat_map(|(_, call)| &call.attempts);
            let count = |outcome| mine().filter(|(recipe, _)| recipe.outcome == outcome).count() as u64;
            prop_assert_eq!(told.cost, attempts().map(|attempt| attempt.cost).sum::<Usd>());
            prop_assert_eq!(told.usage.prompt_tokens, attempts().map(|attempt| attempt.usage.prompt_tokens).sum::<u64>());
            prop_assert_eq!(told.usage.completion_tokens, attempts().map(|attempt| attempt.usage.completion_tokens).sum::<u64>());
            prop_assert_eq!(told.usage.cached_tokens, attempts().map(|attempt| attempt.usage.cached_tokens).sum::<u64>());
            prop_assert_eq!(told.attempts, attempts().count() as u64);
            prop_assert_eq!((told.answered, told.from_memory, told.failed), (count(0), count(1), count(2)));
            prop_assert_eq!(told.calls, count(0) + count(1) + count(2));
            prop_assert_eq!(told.rows_served, mine().map(|(recipe, _)| 1 + recipe.shared).sum::<u64>());
            prop_assert_eq!(told.models.iter().map(|served| served.answered).sum::<u64>(), count(0));

            let views = ledger.calls(run, CallFilter::All, None, 1_000).unwrap();
            prop_assert_eq!(views.len() as u64, told.calls);
            for (view, (_, call)) in views.iter().zip(mine()) {
                prop_assert_eq!(&view.attempts, &call.attempts);
                prop_assert_eq!(view.fingerprint, call.fingerprint);
            }
            prop_assert_eq!(views.iter().map(CallView::cost).sum::<Usd>(), told.cost);

            let failed_questions: HashSet<u64> = mine().filter(|(recipe, _)| recipe.outcome == 2).map(|(recipe, _)| recipe.question).collect();
            let shared: u64 = mine().filter(|(recipe, _)| failed_questions.contains(&recipe.question)).map(|(recipe, _)| recipe.shared).sum();
            let failures = ledger.failures_by_kind(run).unwrap();
            prop_assert_eq!(failures.iter().map(|kind| (kind.calls, kind.rows)).collect::<Vec<_>>(),
                            if count(2) == 0 { vec![] } else { vec![(count(2), count(2) + shared)] });
        }

        let mut by_provider: BTreeMap<String, (Usd, u64)> = BTreeMap::new();
        for attempt in calls.iter().flat_map(|call| &call.attempts) {
            let sum = by_provider.entry(attempt.provider.as_deref().unwrap_or("unknown").to_owned()).or_default();
            sum.0 += attempt.cost;
            sum.1 += 1;
        }
        let told: BTreeMap<String, (Usd, u64)> = ledger.spend(SpendBy::Provider, SpendWithin::Everything).unwrap()
            .into_iter().filter(|line| line.attempts > 0).map(|line| (line.key, (line.cost, line.attempts))).collect();
        prop_assert_eq!(told, by_provider);
        for by in [SpendBy::Run, SpendBy::Model, SpendBy::Provider, SpendBy::Day] {
            let total: Usd = ledger.spend(by, SpendWithin::Everything).unwrap().iter().map(|line| line.cost).sum();
            prop_assert_eq!(total, calls.iter().map(CallRecord::cost).sum::<Usd>());
        }
    }
}
