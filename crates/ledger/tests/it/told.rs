//! What was put in is told back: runs, calls, answers, failures, spending.

use std::ops::ControlFlow;

use corsac_ledger::*;
use corsac_wire::Usd;

use crate::samples::*;

#[test]
fn a_call_comes_back_as_it_was_recorded() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let good = answered(&run, 7);
    let bad = failed(&run, 8, "overloaded", "the provider was overloaded");
    wait(ledger.record(good.clone())).unwrap();
    wait(ledger.record(bad.clone())).unwrap();
    ledger.shared(&run, good.fingerprint, 4);
    wait(ledger.flush()).unwrap();

    let calls = ledger.calls(&run, CallFilter::All, None, 10).unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].attempts, good.attempts);
    assert_eq!(calls[0].outcome, CallViewOutcome::Answered(Some(answer("answer 7", 14_250_000))));
    assert_eq!((calls[0].row, calls[0].rows, calls[0].position), (7, 5, 0));
    assert_eq!(&*calls[0].operator, "semantic_classify");
    assert_eq!(calls[0].input, good.input);
    assert_eq!(calls[1].attempts, bad.attempts);
    assert_eq!(calls[1].outcome, CallViewOutcome::Failed { kind: "overloaded".into(), message: "the provider was overloaded".into() });
    assert_eq!((calls[1].rows, calls[1].position), (1, 1));

    let only_failed = ledger.calls(&run, CallFilter::Failed, None, 10).unwrap();
    assert_eq!(only_failed, calls[1..]);
    let of_row = ledger.calls(&run, CallFilter::Row(7), None, 10).unwrap();
    assert_eq!(of_row, calls[..1]);
    assert_eq!(ledger.calls(&run, CallFilter::All, Some(0), 10).unwrap(), calls[1..]);
}

#[test]
fn going_through_all_calls_crosses_pages_and_stops_when_told() {
    let ledger = Ledger::in_memory().unwrap();
    let other = ledger.start_run(start("other")).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    for number in 0..1_200 {
        ledger.note(from_memory(&run, number));
        ledger.note(from_memory(&other, number));
    }
    wait(ledger.flush()).unwrap();
    let mut rows = Vec::new();
    let mut visit = |stop_after: usize| {
        rows.clear();
        ledger
            .each_call(&run, CallFilter::All, |call| {
                rows.push(call.row);
                if rows.len() == stop_after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        rows.clone()
    };
    assert_eq!(visit(usize::MAX), (0..1_200).collect::<Vec<_>>());
    assert_eq!(visit(700), (0..700).collect::<Vec<_>>());
}

#[test]
fn only_answers_are_recalled_and_the_newest_stays() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    wait(ledger.record(failed(&run, 1, "refused", "no"))).unwrap();
    wait(ledger.record(from_memory(&run, 2))).unwrap();
    assert_eq!(ledger.recall(fingerprint(1)).unwrap(), None);
    assert_eq!(ledger.recall(fingerprint(2)).unwrap(), None);

    let given = |body: &str, created_ms| CallRecord {
        outcome: CallOutcome::Answered(StoredAnswer { created_ms, provider: None, ..answer(body, 5) }),
        ..answered(&run, 3)
    };
    wait(ledger.record(given("newer", 200))).unwrap();
    wait(ledger.record(given("older", 100))).unwrap();
    let kept = ledger.recall(fingerprint(3)).unwrap().unwrap();
    assert_eq!((kept.body.as_str(), kept.created_ms, kept.provider), ("newer", 200, None));
    wait(ledger.record(given("newest", 300))).unwrap();
    assert_eq!(ledger.recall(fingerprint(3)).unwrap().unwrap().body, "newest");
}

#[test]
fn a_run_is_told_with_its_sums_and_its_end() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("SELECT 1")).unwrap();
    let begun = ledger.run(run.as_str()).unwrap();
    assert_eq!((begun.state, begun.ended_ms, begun.rows), (RunState::Running, None, None));
    assert_eq!(begun.settings["budget"], "2.00");

    wait(ledger.record(answered(&run, 0))).unwrap();
    wait(ledger.record(failed(&run, 1, "refused", "no"))).unwrap();
    ledger.note(from_memory(&run, 2));
    ledger.shared(&run, fingerprint(2), 10);
    let note = Some("ceiling of $2 reached".to_owned());
    wait(ledger.finish_run(&run, RunEnd { note: note.clone(), ..end(EndState::BudgetReached) })).unwrap();

    let told = ledger.run(&run.as_str()[..5]).unwrap();
    assert_eq!((told.state, told.ended_ms, told.rows, told.note), (RunState::BudgetReached, Some(NOON + 5_000), Some(3), note));
    assert_eq!((told.calls, told.answered, told.failed, told.from_memory), (3, 1, 1, 1));
    assert_eq!((told.rows_served, told.attempts), (13, 3));
    assert_eq!(told.usage, Usage { prompt_tokens: 540, completion_tokens: 36, cached_tokens: 384, ..Usage::default() });
    assert_eq!(told.cost, Usd::from_pico(14_250_000));
    let served = ServedBy { model: "openai/gpt-4o-mini".into(), provider: Some("OpenAI".into()), answered: 1 };
    assert_eq!(told.models, [served]);
}

#[test]
fn every_end_has_its_state() {
    let ledger = Ledger::in_memory().unwrap();
    for (state, told) in [
        (EndState::Completed, RunState::Completed),
        (EndState::Interrupted, RunState::Interrupted),
        (EndState::BudgetReached, RunState::BudgetReached),
        (EndState::Failed, RunState::Failed),
    ] {
        let run = ledger.start_run(start("q")).unwrap();
        wait(ledger.finish_run(&run, end(state))).unwrap();
        assert_eq!(ledger.run(run.as_str()).unwrap().state, told);
    }
}

#[test]
fn a_run_without_a_living_process_has_crashed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Ledger::options().process_lives(|pid| pid == 1_000);
    let ledger = options.open(&folder.path().join("ledger.db")).unwrap();
    let of = |pid| ledger.start_run(RunStart { pid, ..start("q") }).unwrap();
    let (living, dead) = (of(1_000), of(1_001));
    assert_eq!(ledger.run(living.as_str()).unwrap().state, RunState::Running);
    assert_eq!(ledger.run(dead.as_str()).unwrap().state, RunState::Crashed);
    let latest: Vec<_> = ledger.runs(10).unwrap().into_iter().map(|run| (run.id, run.state)).collect();
    assert_eq!(latest, [(dead.clone(), RunState::Crashed), (living, RunState::Running)]);
    assert_eq!(ledger.runs(1).unwrap()[0].id, dead);
}

#[test]
fn the_same_start_twice_gives_two_ids() {
    let ledger = Ledger::in_memory().unwrap();
    let first = ledger.start_run(start("q")).unwrap();
    let second = ledger.start_run(start("q")).unwrap();
    assert_ne!(first, second);
    // Under virtual time the same start has the same id, in every ledger.
    assert_eq!(Ledger::in_memory().unwrap().start_run(start("q")).unwrap(), first);
    assert!(first.as_str().len() == 8 && first.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
}

#[test]
fn unknown_and_ambiguous_runs_name_what_there_is() {
    let ledger = Ledger::in_memory().unwrap();
    let ids: Vec<RunId> = (0..20).map(|number| ledger.start_run(start(&number.to_string())).unwrap()).collect();
    for asked in ["zzzz", "", "  ", "' OR 1=1", "é"] {
        match ledger.run(asked) {
            Err(LedgerError::UnknownRun { recent, .. }) => {
                assert_eq!(recent, ids.iter().rev().take(5).map(RunId::to_string).collect::<Vec<_>>());
            }
            other => panic!("{asked:?} gave {other:?}"),
        }
    }
    // Of twenty ids over sixteen digits at least two begin alike.
    let digit = |id: &RunId| id.as_str()[..1].to_owned();
    let twice = ids.iter().map(digit).find(|first| ids.iter().filter(|id| digit(id) == *first).count() > 1).unwrap();
    match ledger.run(&twice) {
        Err(LedgerError::AmbiguousRun { prefix, matches }) => {
            assert_eq!(prefix, twice);
            assert!(matches.len() > 1 && matches.iter().all(|id| id.starts_with(&twice)));
        }
        other => panic!("{twice:?} gave {other:?}"),
    }
    assert_eq!(ledger.run(&ids[3].as_str().to_uppercase()).unwrap().query, "3");
}

#[test]
fn records_of_an_unknown_run_are_refused_alone() {
    let ledger = Ledger::in_memory().unwrap();
    let elsewhere = Ledger::in_memory().unwrap().start_run(start("elsewhere")).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    assert!(matches!(wait(ledger.record(answered(&elsewhere, 1))), Err(LedgerError::UnknownRun { .. })));
    let ended = wait(ledger.finish_run(&elsewhere, end(EndState::Completed)));
    assert!(matches!(ended, Err(LedgerError::UnknownRun { recent, .. }) if recent == [run.to_string()]));
    wait(ledger.record(answered(&run, 2))).unwrap();
    assert_eq!(ledger.recall(fingerprint(1)).unwrap(), None);
    assert!(ledger.recall(fingerprint(2)).unwrap().is_some());
}

#[test]
fn failures_are_gathered_by_kind_with_the_first_example() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    wait(ledger.record(failed(&run, 5, "truncated", "the reply was cut"))).unwrap();
    for number in 10..13 {
        wait(ledger.record(failed(&run, number, "refused", &format!("refused {number}")))).unwrap();
    }
    // The same question failed once more, as a row asked it later.
    wait(ledger.record(failed(&run, 10, "refused", "again"))).unwrap();
    ledger.shared(&run, fingerprint(10), 100);
    ledger.shared(&run, fingerprint(10), 1);
    wait(ledger.flush()).unwrap();
    let kinds = ledger.failures_by_kind(&run).unwrap();
    let expected = FailureKind {
        kind: "refused".into(),
        calls: 4,
        rows: 105,
        first_row: 10,
        first_input: "parcel 10 came late".into(),
        first_message: "refused 10".into(),
    };
    assert_eq!(kinds[0], expected);
    assert_eq!((kinds.len(), &*kinds[1].kind, kinds[1].calls, kinds[1].rows), (2, "truncated", 1, 1));
}

#[test]
fn long_inputs_are_cut_and_their_length_kept() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    wait(ledger.record(CallRecord { input: "ä".repeat(5_000_000), ..answered(&run, 1) })).unwrap();
    let call = &ledger.calls(&run, CallFilter::All, None, 1).unwrap()[0];
    assert_eq!(call.input, "ä".repeat(INPUT_CHARACTERS));
    assert_eq!(call.input_characters, 5_000_000);
}

#[test]
fn spending_is_summed_by_run_model_provider_and_day() {
    let ledger = Ledger::in_memory().unwrap();
    let first = ledger.start_run(start("1")).unwrap();
    let second = ledger.start_run(start("2")).unwrap();
    let day = 86_400_000;
    wait(ledger.record(answered(&first, 1))).unwrap();
    let late = AttemptRecord { started_ms: NOON + day, provider: Some("Azure".into()), ..attempt(20_000_000) };
    let late_answer = StoredAnswer { provider: Some("Azure".into()), ..answer("late", 20_000_000) };
    wait(ledger.record(CallRecord {
        outcome: CallOutcome::Answered(late_answer),
        attempts: vec![attempt(1_000_000), late],
        ..answered(&second, 2)
    }))
    .unwrap();

    let lines = |by, within| -> Vec<(String, i64, u64, u64)> {
        let lines = ledger.spend(by, within).unwrap();
        lines.into_iter().map(|line| (line.key, line.cost.pico(), line.attempts, line.calls)).collect()
    };
    let line = |key: &str, pico, attempts, calls| (key.to_owned(), pico, attempts, calls);
    assert_eq!(
        lines(SpendBy::Run, SpendWithin::Everything),
        [line(second.as_str(), 21_000_000, 2, 1), line(first.as_str(), 14_250_000, 1, 1)]
    );
    assert_eq!(lines(SpendBy::Provider, SpendWithin::Everything), [line("Azure", 20_000_000, 1, 1), line("OpenAI", 15_250_000, 2, 1)]);
    assert_eq!(lines(SpendBy::Model, SpendWithin::Run(&first)), [line("openai/gpt-4o-mini", 14_250_000, 1, 1)]);
    // 1,790,000,000 seconds after 1970 is the 21st of September 2026.
    assert_eq!(lines(SpendBy::Day, SpendWithin::Everything), [line("2026-09-22", 20_000_000, 1, 1), line("2026-09-21", 15_250_000, 2, 1)]);
    assert_eq!(lines(SpendBy::Day, SpendWithin::Since(NOON + day)), [line("2026-09-22", 20_000_000, 1, 1)]);
}

#[test]
fn absurd_numbers_stop_at_the_largest() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let usage = Usage {
        prompt_tokens: u64::MAX,
        completion_tokens: u64::MAX,
        cached_tokens: u64::MAX,
        reasoning_tokens: u64::MAX,
        cache_write_tokens: u64::MAX,
    };
    let absurd = AttemptRecord { usage, cost: Usd::from_pico(i64::MAX), started_ms: i64::MIN, duration_ms: u64::MAX, ..attempt(0) };
    for number in [u64::MAX, 1] {
        wait(ledger.record(CallRecord { row: number, attempts: vec![absurd.clone(), absurd.clone()], ..answered(&run, number) })).unwrap();
    }
    ledger.shared(&run, fingerprint(1), u64::MAX);
    ledger.shared(&run, fingerprint(1), u64::MAX);
    wait(ledger.flush()).unwrap();
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!(told.cost.pico(), i64::MAX);
    assert_eq!(told.usage.prompt_tokens, i64::MAX as u64);
    assert_eq!(told.rows_served, i64::MAX as u64);
    assert_eq!(ledger.spend(SpendBy::Day, SpendWithin::Everything).unwrap()[0].cost.pico(), i64::MAX);
    assert_eq!(ledger.calls(&run, CallFilter::All, None, 9).unwrap().len(), 2);
    assert_eq!(ledger.calls(&run, CallFilter::All, Some(u64::MAX), 9).unwrap(), []);
}

#[test]
fn the_newest_answers_of_an_operator_are_shown_first() {
    let ledger = Ledger::in_memory().unwrap();
    let (old, new) = (ledger.start_run(start("old")).unwrap(), ledger.start_run(start("new")).unwrap());
    wait(ledger.record(answered(&old, 1))).unwrap();
    wait(ledger.record(answered(&new, 2))).unwrap();
    wait(ledger.record(failed(&new, 3, "refused", "no"))).unwrap();
    wait(ledger.record(CallRecord { operator: "semantic_map".into(), ..answered(&new, 4) })).unwrap();
    wait(ledger.record(from_memory(&new, 1))).unwrap();
    let shown = |calls: u64, most: usize| {
        let mut shown = Vec::new();
        ledger
            .each_recent_answer("semantic_classify", calls, |input, answer| {
                shown.push(format!("{input}: {answer}"));
                if shown.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        shown
    };
    let all = ["parcel 1 came late: answer 1", "parcel 2 came late: answer 2", "parcel 1 came late: answer 1"];
    assert_eq!(shown(100, 100), all);
    assert_eq!(shown(100, 2), all[..2]);
    assert_eq!(shown(1, 100), all[..1]);
}
