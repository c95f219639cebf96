//! Killed in the middle: a child process records answers and tells each one that was acknowledged; it is killed
//! without warning, and every answer it told of must be there.

use std::io::Write;
use std::path::Path;

use corsac_ledger::*;

use crate::samples::*;

const FILE: &str = "CORSAC_LEDGER_KILLED_FILE";
const MARK: &str = "acknowledged ";

/// Not a test by itself: the child's part, which never ends. Without the variable it has nothing to do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let ledger = Ledger::open(Path::new(&path)).unwrap();
    // what only a power cut would take is safe from a kill
    let durability = if ledger.runs(10).unwrap().len() == 1 { Durability::System } else { Durability::Disk };
    ledger.keep(durability).unwrap();
    let run = ledger.start_run(start("killed")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..50u64 {
            let (ledger, run) = (ledger.clone(), run.clone());
            tasks.spawn(async move {
                for number in (lane..).step_by(50) {
                    let call = answered(&run, number);
                    let question = call.fingerprint;
                    ledger.record(call).await.unwrap();
                    // One write, so that a line is whole or not there.
                    let mut out = std::io::stdout().lock();
                    out.write_all(format!("\n{MARK}{question}\n").as_bytes()).unwrap();
                    out.flush().unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    });
}

#[test]
fn every_acknowledged_answer_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    for kills in 1..=3usize {
        let (mut child, mut lines) = spawn("killed::child", FILE, &path);
        let mut told = Vec::new();
        while told.len() < 700 * kills {
            let line = lines.next().expect("the child ended by itself").unwrap();
            told.extend(line.strip_prefix(MARK).map(str::to_owned));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still told before it died counts as well.
        let rest = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix(MARK).map(str::to_owned));
        told.extend(rest.filter(|question| question.len() == 32));

        let ledger = Ledger::open(&path).unwrap();
        for question in &told {
            let question: Fingerprint = question.parse().unwrap();
            assert!(ledger.recall(question).unwrap().is_some(), "{question} was acknowledged and is gone");
        }
        let runs = ledger.runs(10).unwrap();
        assert_eq!(runs.len(), kills);
        assert!(runs.iter().all(|run| run.state == RunState::Crashed), "{runs:?}");
        assert!(runs[0].answered >= told.len() as u64);
        assert_eq!(runs[0].calls, ledger.calls(&runs[0].id, CallFilter::All, None, usize::MAX).unwrap().len() as u64);
    }
}
