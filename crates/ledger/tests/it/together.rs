//! Many at once: tasks on one ledger, and two ledgers on one file, as two processes would have.

use std::sync::Arc;

use corsac_ledger::*;

use crate::samples::*;

/// Records `count` answers numbered from `first`, all waiting at once.
async fn record_all(ledger: &Ledger, run: &RunId, first: u64, count: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in first..first + count {
        let (ledger, call) = (ledger.clone(), answered(run, number));
        tasks.spawn(async move { ledger.record(call).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
}

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn thousands_of_tasks_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    threads().block_on(record_all(&ledger, &run, 0, 6_000));
    for number in 0..6_000 {
        assert_eq!(ledger.recall(fingerprint(number)).unwrap().unwrap().body, format!("answer {number}"));
    }
    let told = ledger.run(run.as_str()).unwrap();
    assert_eq!((told.calls, told.answered, told.attempts), (6_000, 6_000, 6_000));
}

#[test]
fn two_ledgers_on_one_file_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let workers: Vec<_> = (0..2u64)
        .map(|which| {
            let path = path.clone();
            std::thread::spawn(move || {
                // Opened at the same moment too: both find an empty file and want to prepare it.
                let ledger = Ledger::open(&path).unwrap();
                let run = ledger.start_run(start(&format!("run {which}"))).unwrap();
                let runtime = threads();
                for round in 0..20 {
                    // Half of the questions are asked by both.
                    runtime.block_on(record_all(&ledger, &run, which * 1_000 + round * 100, 100));
                }
                runtime.block_on(ledger.finish_run(&run, end(EndState::Completed))).unwrap();
                run
            })
        })
        .collect();
    let runs: Vec<RunId> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    let ledger = Ledger::open(&path).unwrap();
    for run in &runs {
        let told = ledger.run(run.as_str()).unwrap();
        assert_eq!((told.state, told.calls), (RunState::Completed, 2_000));
        let mut rows: Vec<u64> = Vec::new();
        ledger
            .each_call(run, CallFilter::All, |call| {
                assert_eq!(call.attempts.len(), 1);
                rows.push(call.row);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 2_000);
    }
    assert!((0..3_000).all(|number| ledger.recall(fingerprint(number)).unwrap().is_some()));
}

#[test]
fn notes_stand_before_the_end_of_their_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    (0..10_000).for_each(|number| ledger.note(from_memory(&run, number)));
    wait(ledger.finish_run(&run, end(EndState::Completed))).unwrap();
    // Seen by another, so it was on disk when the end was acknowledged.
    assert_eq!(Ledger::open(&path).unwrap().run(run.as_str()).unwrap().from_memory, 10_000);
}

#[test]
fn the_last_handle_writes_what_was_handed_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path).unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    (0..5_000).for_each(|number| ledger.note(answered(&run, number)));
    drop(ledger);
    let ledger = Ledger::open(&path).unwrap();
    assert!((0..5_000).all(|number| ledger.recall(fingerprint(number)).unwrap().is_some()));
}

#[test]
fn a_caller_that_stops_waiting_is_recorded_all_the_same() {
    use std::future::Future;
    use std::task::{Context, Waker};
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let mut waiting = Box::pin(ledger.record(answered(&run, 1)));
    // Polled once, then dropped; whether it was ready by then is of no account.
    drop(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    drop(waiting);
    wait(ledger.flush()).unwrap();
    assert!(ledger.recall(fingerprint(1)).unwrap().is_some());
}

#[test]
fn a_ledger_goes_where_its_callers_go() {
    fn needs<T: Send + Sync + Clone + 'static>() {}
    needs::<Ledger>();
    fn travels<T: Send>(_: &T) {}
    let ledger = Arc::new(Ledger::in_memory().unwrap());
    let run = ledger.start_run(start("q")).unwrap();
    travels(&ledger.record(answered(&run, 1)));
}
