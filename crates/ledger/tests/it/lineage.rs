//! Which call made a row's value, also where another row asked.

use corsac_ledger::*;
use proptest::prelude::*;

use crate::samples::*;

#[test]
fn every_row_finds_its_call() {
    let ledger = Ledger::in_memory().unwrap();
    let other = ledger.start_run(start("other")).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    wait(ledger.record(answered(&run, 0))).unwrap();
    ledger.note(from_memory(&run, 1));
    ledger.note(failed(&run, 2, "refused", "no"));
    ledger.note(CallRecord { row: 10, operator: "semantic_map".into(), ..answered(&run, 77) });
    // Behind, before and between the calls, in any order, twice.
    ledger.note_rows(&run, fingerprint(0), &[900, 3, 4, 5, 3]);
    ledger.note_rows(&run, fingerprint(2), &[6, u64::MAX]);
    ledger.note_rows(&run, fingerprint(77), &[3]);
    ledger.note_rows(&other, fingerprint(0), &[7]);
    wait(ledger.flush()).unwrap();
    ledger.note_rows(&run, fingerprint(0), &[8]);
    ledger.note_rows(&run, fingerprint(0), &[]);
    wait(ledger.flush()).unwrap();

    let of = |row| ledger.calls_of_row(&run, None, row).unwrap().iter().map(|call| call.row).collect::<Vec<_>>();
    assert_eq!((of(0), of(1), of(2), of(10)), (vec![0], vec![1], vec![2], vec![10]));
    assert_eq!((of(3), of(900), of(8), of(6)), (vec![0, 10], vec![0], vec![0], vec![2]));
    assert_eq!((of(7), of(901), of(u64::MAX - 1)), (vec![], vec![], vec![2]));
    let mapped = ledger.calls_of_row(&run, Some("semantic_map"), 3).unwrap();
    assert_eq!((mapped.len(), mapped[0].row, mapped[0].rows), (1, 10, 2));
    assert_eq!(ledger.calls(&run, CallFilter::Row(3), Some(0), 9).unwrap(), mapped);
    assert_eq!(ledger.calls(&run, CallFilter::Row(3), None, 1).unwrap()[0].row, 0);

    // Rows that are told are counted too.
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!(told.rows_served, 4 + 5 + 2 + 1);
    assert_eq!(ledger.failures_by_kind(&run).unwrap()[0].rows, 3);
    assert!(matches!(ledger.calls_of_row(&RunId::unrecorded(), None, 1), Err(LedgerError::UnknownRun { .. })));
}

#[test]
fn an_answer_from_memory_leads_to_the_call_that_was_paid() {
    let ledger = Ledger::in_memory().unwrap();
    let first = ledger.start_run(start("first")).unwrap();
    wait(ledger.record(answered(&first, 0))).unwrap();
    wait(ledger.record(CallRecord { row: 7, ..answered(&first, 1) })).unwrap();
    let second = ledger.start_run(start("second")).unwrap();
    ledger.note(from_memory(&second, 1));
    wait(ledger.flush()).unwrap();
    let (run, call) = ledger.last_asked(fingerprint(1)).unwrap().unwrap();
    assert_eq!((run, call.row, call.attempts.is_empty()), (first, 7, false));
    assert_eq!(ledger.last_asked(fingerprint(99)).unwrap(), None);
    // asked anew, the newer one counts
    wait(ledger.record(answered(&second, 1))).unwrap();
    assert_eq!(ledger.last_asked(fingerprint(1)).unwrap().unwrap().0, second);
}

#[test]
fn a_million_rows_of_a_thousand_questions_are_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let question = |row: u64| row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    (0..1_024).for_each(|number| ledger.note(CallRecord { row: 1_000_000 + number, ..answered(&run, number) }));
    wait(ledger.flush()).unwrap();
    let before = std::fs::metadata(&path).unwrap().len();
    for batch in 0..8u64 {
        let mut rows = vec![Vec::new(); 1_024];
        (batch * 125_000..(batch + 1) * 125_000).for_each(|row| rows[question(row) as usize].push(row));
        rows.iter().zip(0..).for_each(|(rows, number)| ledger.note_rows(&run, fingerprint(number), rows));
    }
    wait(ledger.flush()).unwrap();
    for row in [0, 1, 499_999, 777_777, 999_999] {
        let calls = ledger.calls_of_row(&run, None, row).unwrap();
        assert_eq!(calls.iter().map(|call| call.fingerprint).collect::<Vec<_>>(), [fingerprint(question(row))], "{row}");
    }
    assert_eq!(ledger.run(run.as_str()).unwrap().rows_served, 1_001_024);
    drop(ledger);
    let bytes = std::fs::metadata(&path).unwrap().len().saturating_sub(before);
    assert!(bytes < 4_000_000, "{bytes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the order and the batches, a row finds exactly the calls it was told for.
    #[test]
    fn what_was_told_is_found(told in prop::collection::vec((0u64..4, prop::collection::vec(0u64..40, 0..20), any::<bool>()), 0..20)) {
        let ledger = Ledger::in_memory().unwrap();
        let run = ledger.start_run(start("q")).unwrap();
        (0..4).for_each(|number| ledger.note(CallRecord { row: 1_000 + number, ..answered(&run, number) }));
        for (number, rows, is_flushed) in &told {
            ledger.note_rows(&run, fingerprint(*number), rows);
            if *is_flushed {
                wait(ledger.flush()).unwrap();
            }
        }
        wait(ledger.flush()).unwrap();
        for row in 0..40 {
            let found: Vec<Fingerprint> = ledger.calls_of_row(&run, None, row).unwrap().iter().map(|call| call.fingerprint).collect();
            let expected: Vec<Fingerprint> = (0..4)
                .filter(|number| told.iter().any(|(of, rows, _)| of == number && rows.contains(&row)))
                .map(fingerprint)
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn every_row_of_a_result_finds_its_calls() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let other = ledger.start_run(start("other")).unwrap();
    (0..5).for_each(|number| ledger.note(answered(&run, number)));
    let row = |calls: &[u64], more| ResultRow { calls: calls.iter().map(|number| fingerprint(*number)).collect(), more };
    ledger.note_results(&run, &[row(&[1], 0), row(&[], 0), row(&[4, 2], 70)]);
    ledger.note_results(&other, &[row(&[3], 0)]);
    ledger.note_results(&run, &[]);
    ledger.note_results(&RunId::unrecorded(), &[row(&[1], 0)]);
    ledger.note_results(&run, &[row(&[0], 0)]);
    wait(ledger.flush()).unwrap();
    let found = |number| ledger.result_row(&run, number).unwrap();
    assert_eq!(found(0), Some(row(&[1], 0)));
    assert_eq!(found(1), Some(ResultRow::default()));
    assert_eq!(found(2), Some(row(&[4, 2], 70)));
    assert_eq!(found(3), Some(row(&[0], 0)));
    assert_eq!((found(4), found(u64::MAX)), (None, None));
    assert_eq!(ledger.result_row(&other, 0).unwrap(), Some(row(&[3], 0)));
    assert_eq!((ledger.result_rows(&run).unwrap(), ledger.result_rows(&other).unwrap()), (4, 1));
    let calls = ledger.calls_named(&run, &found(2).unwrap().calls).unwrap();
    assert_eq!(calls.iter().map(|call| call.row).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(ledger.calls_named(&run, &[]).unwrap(), []);
}
