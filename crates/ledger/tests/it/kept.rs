//! What is kept beyond a run: lessons about models, answers that are good for a time, measured sizes.

use std::sync::Arc;

use corsac_ledger::*;

use crate::samples::*;

fn lesson(what: LessonKind) -> Lesson {
    Lesson {
        model: "openai/gpt-4o-mini".into(),
        provider: Some("Azure".into()),
        dialect: "response_format".into(),
        schema: Some(fingerprint(1)),
        what,
        learned_ms: NOON,
        expires_ms: NOON + 1_000,
        times: 1,
        message: Some("Invalid schema for response_format".into()),
    }
}

fn learned(ledger: &Ledger, lessons: impl IntoIterator<Item = Lesson>) {
    lessons.into_iter().for_each(|lesson| ledger.learn(lesson));
    wait(ledger.flush()).unwrap();
}

#[test]
fn lessons_survive_the_process_and_expire() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let later = |lesson: Lesson, by| Lesson { learned_ms: NOON + by, ..lesson };
    let all = [
        lesson(LessonKind::SchemaRefused),
        later(Lesson { provider: None, schema: None, ..lesson(LessonKind::NoEndpoints) }, 1),
        later(lesson(LessonKind::ParameterRefused { name: "temperature".into() }), 2),
        later(lesson(LessonKind::ParameterRefused { name: "top_k".into() }), 3),
        later(lesson(LessonKind::EffortUnsupported { effort: "none".into(), nearest: Some("minimal".into()) }), 4),
        later(Lesson { message: None, ..lesson(LessonKind::NeedsTokens { tokens: 4_096 }) }, 5),
    ];
    learned(&Ledger::open(&path).unwrap(), all.clone());
    let ledger = Ledger::open(&path).unwrap();
    let newest_first: Vec<Lesson> = all.into_iter().rev().collect();
    assert_eq!(ledger.lessons(NOON + 10).unwrap(), newest_first);
    assert_eq!(ledger.lessons(NOON + 999).unwrap().len(), 6);
    assert_eq!(ledger.lessons(NOON + 1_000).unwrap(), []);
}

#[test]
fn a_lesson_learned_again_is_one_lesson() {
    let ledger = Ledger::in_memory().unwrap();
    let first = lesson(LessonKind::SchemaRefused);
    let again = Lesson { learned_ms: NOON + 500, expires_ms: NOON + 5_000, message: Some("once more".into()), ..first.clone() };
    // One that was learned before both, by a process that writes last, adds to their number only.
    let late = Lesson { learned_ms: NOON - 500, expires_ms: NOON + 9_000, message: Some("old".into()), ..first.clone() };
    learned(&ledger, [first.clone(), again.clone(), late]);
    assert_eq!(ledger.lessons(NOON + 2_000).unwrap(), [Lesson { times: 3, ..again }]);

    // Any part of what it is about makes it another one.
    learned(
        &ledger,
        [
            Lesson { provider: None, ..first.clone() },
            Lesson { schema: None, ..first.clone() },
            Lesson { dialect: "forced_tool".into(), ..first.clone() },
            Lesson { model: "another".into(), ..first.clone() },
            Lesson { what: LessonKind::InvalidAnswers, ..first },
        ],
    );
    assert_eq!(ledger.lessons(NOON).unwrap().len(), 6);
}

#[test]
fn the_larger_need_is_believed_until_it_expires() {
    let ledger = Ledger::in_memory().unwrap();
    let needs = |tokens, learned_ms| Lesson { learned_ms, expires_ms: learned_ms + 1_000, ..lesson(LessonKind::NeedsTokens { tokens }) };
    let believed = |ledger: &Ledger, now| ledger.lessons(now).unwrap().into_iter().map(|lesson| lesson.what).collect::<Vec<_>>();
    learned(&ledger, [needs(4_096, NOON), needs(1_024, NOON + 500)]);
    assert_eq!(believed(&ledger, NOON + 1_200), [LessonKind::NeedsTokens { tokens: 4_096 }]);
    learned(&ledger, [needs(512, NOON + 9_000)]);
    assert_eq!(believed(&ledger, NOON + 9_000), [LessonKind::NeedsTokens { tokens: 512 }]);
}

#[test]
fn lessons_are_forgotten_by_what_they_are_about() {
    let ledger = Ledger::in_memory().unwrap();
    let parameter = |name: &str| lesson(LessonKind::ParameterRefused { name: name.into() });
    let at = |provider: &str| Lesson { provider: Some(provider.into()), ..lesson(LessonKind::SchemaRefused) };
    learned(&ledger, [parameter("top_k"), parameter("seed"), at("Azure"), at("OpenAI"), Lesson { expires_ms: NOON, ..at("Novita") }]);
    let forget = |filter| wait(ledger.forget(filter)).unwrap();
    assert_eq!(forget(LessonFilter { provider: Some("nobody".into()), ..LessonFilter::default() }), 0);
    assert_eq!(forget(LessonFilter { subject: Some("seed".into()), ..LessonFilter::default() }), 1);
    assert_eq!(forget(LessonFilter { expired_at_ms: Some(NOON), ..LessonFilter::default() }), 1);
    let of_azure =
        LessonFilter { kind: Some(LessonKind::SchemaRefused.name().into()), provider: Some("Azure".into()), ..LessonFilter::default() };
    assert_eq!(forget(of_azure), 1);
    assert_eq!(ledger.lessons(0).unwrap().len(), 2);
    assert_eq!(forget(LessonFilter { schema: Some(fingerprint(1)), ..LessonFilter::default() }), 2);
    learned(&ledger, [at("Azure")]);
    assert_eq!(forget(LessonFilter::default()), 1);
    assert_eq!(ledger.lessons(0).unwrap(), []);
}

#[test]
fn lessons_of_strangers_are_bounded() {
    let ledger = Ledger::in_memory().unwrap();
    let long: Arc<str> = "ä".repeat(100_000).into();
    let other = LessonKind::Other { kind: long.clone(), subject: long.clone(), detail: serde_json::json!({ "all": &*long }) };
    learned(&ledger, [Lesson { times: u32::MAX, message: Some(long.to_string()), ..lesson(other.clone()) }, lesson(other)]);
    let told = ledger.lessons(NOON).unwrap();
    assert_eq!((told.len(), told[0].times), (1, u32::MAX));
    assert!(told[0].what.name().len() <= 400 && told[0].what.subject().len() <= 400);
    let LessonKind::Other { detail, .. } = &told[0].what else { panic!("{:?}", told[0].what) };
    assert!(detail.is_null());
}

#[test]
fn answers_are_found_while_they_are_young_enough() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    wait(ledger.record(answered(&run, 1))).unwrap();
    let given = ledger.recall(fingerprint(1)).unwrap().unwrap().created_ms;
    let found = |not_before| ledger.recall_since(fingerprint(1), not_before).unwrap().is_some();
    assert!(found(None) && found(Some(given)) && !found(Some(given + 1)));

    // Asked anew, it is young again, with the new answer.
    let anew = StoredAnswer { created_ms: given + 100, ..answer("asked anew", 7) };
    wait(ledger.record(CallRecord { outcome: CallOutcome::Answered(anew.clone()), ..answered(&run, 1) })).unwrap();
    assert_eq!(ledger.recall_since(fingerprint(1), Some(given + 1)).unwrap(), Some(anew));
    assert_eq!(ledger.answers_summary().unwrap().count, 1);
}

#[test]
fn answers_are_counted_and_removed_by_age() {
    let ledger = Ledger::in_memory().unwrap();
    assert_eq!(ledger.answers_summary().unwrap(), AnswersSummary::default());
    let run = ledger.start_run(start("q")).unwrap();
    // More than are removed in one transaction.
    for number in 0..25_000u64 {
        let of_age = StoredAnswer { created_ms: NOON + number as i64, ..answer("ä", 1) };
        ledger.note(CallRecord { outcome: CallOutcome::Answered(of_age), ..answered(&run, number) });
    }
    wait(ledger.flush()).unwrap();
    assert_eq!(ledger.answers_summary().unwrap(), AnswersSummary { count: 25_000, bytes: 50_000, oldest_ms: Some(NOON) });
    assert_eq!(wait(ledger.forget_answers(NOON + 24_000)).unwrap(), 24_000);
    assert_eq!(ledger.answers_summary().unwrap(), AnswersSummary { count: 1_000, bytes: 2_000, oldest_ms: Some(NOON + 24_000) });
    assert_eq!(ledger.recall(fingerprint(23_999)).unwrap(), None);
    assert!(ledger.recall(fingerprint(24_000)).unwrap().is_some());
    // The calls stay, without their answer.
    let first = &ledger.calls(&run, CallFilter::All, None, 1).unwrap()[0];
    assert_eq!((&first.outcome, first.attempts.len()), (&CallViewOutcome::Answered(None), 1));
    assert_eq!(wait(ledger.forget_answers(0)).unwrap(), 0);
}

#[test]
fn answers_are_measured_by_operator_model_and_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let of_length = |number: u64, tokens, schema| {
        let usage = Usage { completion_tokens: tokens, ..Usage::default() };
        let outcome = CallOutcome::Answered(StoredAnswer { usage, model: "openai/gpt-4o-mini-2024-07-18".into(), ..answer("x", 1) });
        CallRecord { schema, outcome, ..answered(&run, number) }
    };
    for round in 0..10 {
        (0..10).for_each(|number| ledger.note(of_length(number, 1 + round * 10 + number, Some(fingerprint(1)))));
        wait(ledger.flush()).unwrap();
    }
    ledger.note(of_length(1_000, 7, None));
    ledger.note(of_length(1_001, 0, None));
    ledger.note(failed(&run, 1_002, "refused", "no"));
    wait(ledger.flush()).unwrap();

    let measured = |model: &str, schema| ledger.measured_output("semantic_classify", model, schema).unwrap();
    for model in ["openai/gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18"] {
        let sizes = measured(model, Some(fingerprint(1))).unwrap();
        assert_eq!((sizes.answers, sizes.mean_tokens, sizes.max_tokens), (100, 50.5, 100));
        assert!((95..=100).contains(&sizes.p95_tokens), "{sizes:?}");
        assert_eq!(measured(model, None), Some(OutputSizes { answers: 1, mean_tokens: 7.0, p95_tokens: 7, max_tokens: 7 }));
    }
    assert_eq!(measured("openai/gpt-4o-mini", Some(fingerprint(2))), None);
    assert_eq!(measured("another", None), None);
    assert_eq!(ledger.measured_output("semantic_map", "openai/gpt-4o-mini", None).unwrap(), None);
    let before = measured("openai/gpt-4o-mini", Some(fingerprint(1)));
    let again = Ledger::open(&path).unwrap().measured_output("semantic_classify", "openai/gpt-4o-mini", Some(fingerprint(1))).unwrap();
    assert_eq!(again, before);
}

/// Both ways keep what was acknowledged for the next process, and the choice can change while the ledger is open.
#[test]
fn what_is_kept_outlives_its_writer_either_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    for (number, durability) in [(1, Durability::System), (2, Durability::Disk), (3, Durability::System)] {
        ledger.keep(durability).unwrap();
        wait(ledger.record(answered(&run, number))).unwrap();
    }
    // as after a kill: nothing is closed, and another connection looks
    let other = Ledger::open(&path).unwrap();
    assert_eq!(other.calls(&run, CallFilter::All, None, 10).unwrap().len(), 3);
    assert!((1..4).all(|number| other.recall(fingerprint(number)).unwrap().is_some()));
    std::mem::forget(ledger);
}
