//! Files of the first format: brought to the current one when opened, with nothing lost and sums that agree.

use std::path::Path;

use corsac_ledger::*;
use corsac_wire::Usd;
use rusqlite::{Connection, params};

use crate::samples::*;

const DAY: i64 = 86_400_000;
const CORS: i64 = 0x436f_7273;

/// Two runs as the first format held them: the first with one operator, the second with two.
fn write_format_1(path: &Path) -> Connection {
    let file = Connection::open(path).unwrap();
    file.execute_batch(include_str!("../../src/format_1.sql")).unwrap();
    file.pragma_update(None, "application_id", CORS).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    file.execute_batch(
        "INSERT INTO word VALUES (1, 'openai/gpt-4o-mini'), (2, 'OpenAI'), (3, 'semantic_classify'), (4, 'response_format'),
                                 (5, 'semantic_map'), (6, 'overloaded');
         INSERT INTO run VALUES (1, 'aaaa0001', 'corsac sql', 'one', '{}', 'openrouter', 'openai/gpt-4o-mini', 1, NULL,
                                 1790000000000, 1790000005000, 1, 2, NULL),
                                (2, 'bbbb0002', 'corsac sql', 'two', '{}', 'openrouter', 'openai/gpt-4o-mini', 1, NULL,
                                 1790000000000, 1790000005000, 4, 2, 'broken off');
         INSERT INTO run_total VALUES (1, 2, 2, 0, 0, 5, 3, 30, 9, 3, 61), (2, 2, 1, 0, 1, 2, 3, 20, 6, 0, 47);
         INSERT INTO shared VALUES (1, zeroblob(16), 3);",
    )
    .unwrap();
    let call = |run: i64, position: i64, operator: i64, outcome: i64, first: i64, attempts: i64| {
        file.execute(
            "INSERT INTO call VALUES (?, zeroblob(16), ?, ?, ?, ?, NULL, 'text', 4, ?, ?)",
            params![(run << 36) | position, operator, position, outcome, (outcome == 2).then_some(6), (run << 36) | first, attempts],
        )
        .unwrap();
    };
    // Cost, its source, the day, tokens read, a fault.
    let attempt = |run: i64, position: i64, pico: i64, source: i64, day: i64, tokens: i64, fault: Option<i64>| {
        file.execute(
            "INSERT INTO attempt VALUES (?, ?, 640, 1, 1, 2, 4, 200, ?, NULL, NULL, ?, 3, 1, ?, ?, 'gen-1')",
            params![(run << 36) | position, NOON + day * DAY, fault, tokens, pico, source],
        )
        .unwrap();
    };
    call(1, 0, 3, 0, 0, 2);
    call(1, 1, 3, 0, 2, 1);
    attempt(1, 0, 20, 0, 0, 10, None);
    attempt(1, 1, 21, 1, 0, 10, None);
    attempt(1, 2, 20, 1, 1, 10, None);
    call(2, 0, 3, 0, 0, 1);
    call(2, 1, 5, 2, 1, 2);
    attempt(2, 0, 40, 2, 0, 10, None);
    // Unknown and used tokens; unknown and nothing used.
    attempt(2, 1, 0, 2, 0, 10, Some(6));
    attempt(2, 2, 7, 2, 0, 0, Some(6));
    file.execute("UPDATE attempt SET completion_tokens = 0 WHERE prompt_tokens = 0", []).unwrap();
    let noon = NOON / DAY;
    for (run, day, calls, answered, attempts, prompt, completion, cached, cost) in
        [(1, noon, 1, 1, 2, 20, 6, 2, 41), (1, noon + 1, 1, 1, 1, 10, 3, 1, 20), (2, noon, 2, 1, 3, 20, 6, 0, 47)]
    {
        file.execute(
            "INSERT INTO spend VALUES (?, ?, 1, 2, ?, ?, ?, ?, ?, ?, ?)",
            params![run, day, calls, answered, attempts, prompt, completion, cached, cost],
        )
        .unwrap();
    }
    file.execute("INSERT INTO answer VALUES (zeroblob(16), 'old answer', 1, 2, 41, 10, 3, 1, ?, 0)", [NOON]).unwrap();
    file
}

fn lines(ledger: &Ledger, by: SpendBy, within: SpendWithin<'_>) -> Vec<(String, i64, u64, u64)> {
    let lines = ledger.spend(by, within).unwrap().into_iter();
    lines.map(|line| (line.key, line.cost.pico(), line.estimated, line.unpriced)).collect()
}

fn line(key: &str, pico: i64, estimated: u64, unpriced: u64) -> (String, i64, u64, u64) {
    (key.to_owned(), pico, estimated, unpriced)
}

#[test]
fn nothing_is_lost_on_the_way_to_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(write_format_1(&path));
    let ledger = Ledger::open(&path).unwrap();

    let old = ledger.recall(Fingerprint::from_bytes([0; 16])).unwrap().unwrap();
    assert_eq!((old.body.as_str(), old.usage.cached_tokens, old.usage.reasoning_tokens), ("old answer", 1, 0));
    let run = ledger.run("aaaa").unwrap();
    assert_eq!((run.calls, run.rows_served, run.attempts, run.cost.pico(), run.estimated, run.unpriced), (2, 5, 3, 61, 2, 0));
    let calls = ledger.calls(&run.id, CallFilter::All, None, 9).unwrap();
    assert_eq!((calls.len(), calls[0].rows, calls[0].attempts.len()), (2, 4, 2));
    let first = &calls[0].attempts[0];
    assert_eq!((first.byok, first.upstream_cost, &first.key_label, first.time_to_first_byte_ms), (false, None, &None, None));

    assert_eq!(
        lines(&ledger, SpendBy::Operator, SpendWithin::Everything),
        [line("semantic_classify", 61, 2, 0), line("unknown", 47, 0, 2)]
    );
    assert_eq!(lines(&ledger, SpendBy::Key, SpendWithin::Everything), [line("unknown", 108, 2, 2)]);
    assert_eq!(lines(&ledger, SpendBy::Day, SpendWithin::Everything), [line("2026-09-22", 20, 1, 0), line("2026-09-21", 88, 1, 2)]);
    let two = ledger.run("bbbb").unwrap();
    assert_eq!((two.cost.pico(), two.estimated, two.unpriced, two.state), (47, 0, 2, RunState::Failed));

    // What the old sums say counts for a ceiling.
    let standing = ledger.standing(&Scope::day(NOON)).unwrap();
    assert_eq!(standing, Standing { spent: Usd::from_pico(88), held: Usd::ZERO });

    // The runs go on, and the new entries stand behind the old ones.
    wait(ledger.record(CallRecord { attempts: vec![attempt(1_000)], ..answered(&run.id, 70) })).unwrap();
    ledger.note_rows(&run.id, fingerprint(70), &[71, 72]);
    wait(ledger.flush()).unwrap();
    let told = ledger.run("aaaa").unwrap();
    assert_eq!((told.calls, told.cost.pico(), told.rows_served), (3, 1_061, 8));
    assert_eq!(ledger.calls_of_row(&run.id, None, 72).unwrap()[0].row, 70);
    drop(ledger);
    assert_eq!(Ledger::open(&path).unwrap().run("aaaa").unwrap(), told);
}

#[test]
fn several_that_open_an_old_file_at_once_bring_it_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(write_format_1(&path));
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(4));
    let openers: Vec<_> = (0..4)
        .map(|_| {
            let (path, barrier) = (path.clone(), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                Ledger::open(&path).unwrap().run("bbbb").unwrap().cost.pico()
            })
        })
        .collect();
    assert!(openers.into_iter().all(|opener| opener.join().unwrap() == 47));
}

#[test]
fn absurd_numbers_of_a_foreign_hand_do_not_keep_a_file_from_being_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let file = write_format_1(&path);
    file.execute_batch(
        "UPDATE attempt SET started_ms = -9223372036854775808 WHERE cost_source = 1;
         UPDATE spend SET cost_pico = 9223372036854775807, calls = -1; DELETE FROM call; DELETE FROM word WHERE id = 3;",
    )
    .unwrap();
    drop(file);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(lines(&ledger, SpendBy::Operator, SpendWithin::Everything), [line("unknown", i64::MAX, 0, 2)]);
}

#[test]
fn a_damaged_old_file_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let file = write_format_1(&path);
    let page: u32 = file.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'spend'", [], |row| row.get(0)).unwrap();
    // The log and its switch would change the header of the file.
    file.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    drop(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let start = (page as usize - 1) * 4096;
    bytes[start..start + 4096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Corrupted { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}
