//! Files that are wrong, locked, full or foreign: each has its own error, and the file stays as it was.

use std::fs;
use std::path::Path;
use std::time::Duration;

use corsac_ledger::*;
use rusqlite::Connection;

use crate::samples::*;

/// A ledger file with so many answers, closed in order.
fn filled(path: &Path, answers: u64) -> RunId {
    let ledger = Ledger::open(path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    (0..answers).for_each(|number| ledger.note(answered(&run, number)));
    wait(ledger.flush()).unwrap();
    run
}

#[test]
fn folders_above_the_file_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.path(), path);
    assert!(path.is_file());
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    fs::write(&path, "").unwrap();
    filled(&path, 1);
    assert!(Ledger::open(&path).unwrap().recall(fingerprint(0)).unwrap().is_some());
}

#[test]
fn a_folder_in_place_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = Ledger::open(folder.path()).unwrap_err();
    assert_eq!(error, LedgerError::IsFolder { path: folder.path().to_owned() });
    assert!(error.to_string().contains("name a file in it"), "{error}");
}

#[test]
fn a_file_in_place_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    let error = Ledger::open(&folder.path().join("file/ledger.db")).unwrap_err();
    assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "text");
}

#[test]
fn a_text_file_is_not_a_ledger_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "These are my notes. ".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = Ledger::open(&path).unwrap_err();
    assert_eq!(error, LedgerError::NotADatabase { path: path.clone() });
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bookmarks.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE bookmark (address TEXT); INSERT INTO bookmark VALUES ('a')").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    assert_eq!(Ledger::open(&path).unwrap_err(), LedgerError::OtherProgram { path: path.clone() });
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_ledger_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    filled(&path, 3);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Ledger::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("update Corsac"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_removed_behind_the_back_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(ledger.recall(fingerprint(0)), Err(LedgerError::Unreachable { .. })));
    assert!(!path.exists());
}

#[test]
fn damage_is_said_and_the_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    filled(&path, 2_000);
    let other = Connection::open(&path).unwrap();
    let mut pages = other.prepare("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").unwrap();
    let of_the_table_of_tables: Vec<u32> = pages.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    drop(pages);
    drop(other);
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 100 * 4096);

    // The header and the table of tables are left; everything behind them is nonsense.
    let mut bytes = whole.clone();
    for (page, content) in (1..).zip(bytes.chunks_mut(4096)) {
        if !of_the_table_of_tables.contains(&page) {
            content.fill(0xa5);
        }
    }
    fs::write(&path, &bytes).unwrap();
    let ledger = Ledger::open(&path).unwrap();
    for error in [
        ledger.recall(fingerprint(7)).unwrap_err(),
        ledger.runs(5).unwrap_err(),
        ledger.lessons(NOON).unwrap_err(),
        ledger.standing(&Scope::day(NOON)).unwrap_err(),
        ledger.answers_summary().unwrap_err(),
        ledger.start_run(start("q")).unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Corrupted { .. }), "{error:?}");
        assert!(error.to_string().contains("left as it is"), "{error}");
    }
    drop(ledger);
    assert_eq!(fs::read(&path).unwrap(), bytes);

    // The first page alone is left.
    let mut bytes = whole;
    bytes[4096..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Ledger::open(&path), Err(LedgerError::Corrupted { .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn values_of_a_foreign_hand_are_damage_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let run = filled(&path, 2);
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "UPDATE call SET fingerprint = x'01' WHERE row = 0; UPDATE run SET settings = 'no JSON', pid = -5, state = 77;
             DELETE FROM word; UPDATE answer SET prompt_tokens = -1;",
        )
        .unwrap();
    let ledger = Ledger::open(&path).unwrap();
    assert!(matches!(ledger.calls(&run, CallFilter::All, None, 9), Err(LedgerError::Corrupted { .. })));
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!((told.settings, told.state, &*told.models[0].model), (serde_json::Value::Null, RunState::Crashed, "?"));
    assert_eq!(ledger.recall(fingerprint(1)).unwrap().unwrap().usage.prompt_tokens, 0);
}

#[test]
fn a_locked_file_is_said_after_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let run = filled(&path, 1);
    let waited = Duration::from_millis(20);
    let ledger = Ledger::options().busy_timeout(waited).open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let locked = LedgerError::Locked { path: path.clone(), waited };
    assert_eq!(wait(ledger.record(answered(&run, 1))).unwrap_err(), locked);
    assert!(locked.to_string().contains("locked by another program (waited 0.02 s)"), "{locked}");
    // Reading goes on: the other has written nothing.
    assert!(ledger.recall(fingerprint(0)).unwrap().is_some());
    other.execute_batch("ROLLBACK").unwrap();
    // A ledger that has failed stays so; opened again it works, and what was refused is not there.
    assert_eq!(wait(ledger.flush()).unwrap_err(), locked);
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.recall(fingerprint(1)).unwrap(), None);
    wait(ledger.record(answered(&run, 1))).unwrap();
}

#[test]
fn a_file_locked_as_a_whole_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    filled(&path, 1);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM spend; COMMIT").unwrap();
    let waited = Duration::from_millis(20);
    let error = Ledger::options().busy_timeout(waited).open(&path).unwrap_err();
    assert_eq!(error, LedgerError::Locked { path, waited });
}

#[test]
fn a_full_disk_is_told_to_everybody_and_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::options().size_limit_bytes(400 * 1024).open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..5_000 {
            let (recorder, call) = (ledger.clone(), answered(&run, number));
            tasks.spawn(async move { (number, recorder.record(call).await) });
            // A few batches before it is full.
            if number % 200 == 0 {
                tokio::task::yield_now().await;
                drop(ledger.flush().await);
            }
        }
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                (number, Ok(())) => acknowledged.push(number),
                (_, Err(error)) => {
                    assert_eq!(error, LedgerError::Full { path: path.clone() });
                    refused += 1;
                }
            }
        }
    });
    assert!(!acknowledged.is_empty() && refused > 0, "{} and {refused}", acknowledged.len());
    let full = LedgerError::Full { path: path.clone() };
    assert_eq!(wait(ledger.record(answered(&run, 9_999))).unwrap_err(), full);
    assert_eq!(ledger.start_run(start("another")).unwrap_err(), full);
    assert_eq!(wait(ledger.finish_run(&run, end(EndState::Completed))).unwrap_err(), full);
    ledger.note(from_memory(&run, 1));
    drop(ledger);

    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.run(run.as_str()).unwrap().calls, acknowledged.len() as u64);
    for number in acknowledged {
        assert!(ledger.recall(fingerprint(number)).unwrap().is_some(), "{number}");
    }
}

#[test]
fn callers_held_back_by_a_long_line_hear_of_the_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::options().size_limit_bytes(400 * 1024).open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    // More than may wait at once, and far more than fits: this ends only because failure frees the line.
    (0..150_000).for_each(|number| ledger.note(answered(&run, number)));
    assert_eq!(wait(ledger.flush()).unwrap_err(), LedgerError::Full { path });
}
