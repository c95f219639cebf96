//! Ceilings: money is held before it is spent, and neither crowds nor several processes nor a kill pass the ceiling.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use corsac_ledger::*;
use corsac_wire::Usd;
use proptest::prelude::*;

use crate::samples::*;

const DAY: Millis = 86_400_000;

fn usd(pico: i64) -> Usd {
    Usd::from_pico(pico)
}

fn wanted(scope: &Scope, amount: i64, ceiling: i64) -> HoldRequest {
    let amount = usd(amount);
    HoldRequest { scope: scope.clone(), amount, at_least: amount, ceiling: usd(ceiling), now_ms: NOON, pid: std::process::id() }
}

fn standing(ledger: &Ledger, scope: &Scope) -> (i64, i64) {
    let Standing { spent, held } = ledger.standing(scope).unwrap();
    (spent.pico(), held.pico())
}

/// A call whose one request cost this and was paid from these holds.
fn paid(run: &RunId, number: u64, pico: i64, holds: &[HoldId]) -> CallRecord {
    CallRecord { attempts: vec![AttemptRecord { holds: Some(holds.into()), ..attempt(pico) }], ..answered(run, number) }
}

#[test]
fn money_passes_from_held_to_spent_and_back() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let today = Scope::day(NOON);
    let first = wait(ledger.hold(wanted(&today, 600, 1_000))).unwrap();
    assert_eq!((first.amount(), first.scope(), standing(&ledger, &today)), (usd(600), &today, (0, 600)));
    let refused = wait(ledger.hold(wanted(&today, 401, 1_000))).unwrap_err();
    let expected = HoldError::Refused { scope: today.clone(), wanted: usd(401), spent: Usd::ZERO, held: usd(600), ceiling: usd(1_000) };
    assert_eq!(refused, expected);
    // The same commit books the attempt and shrinks the hold.
    wait(ledger.record(paid(&run, 1, 250, &[first.id()]))).unwrap();
    assert_eq!(standing(&ledger, &today), (250, 350));
    let second = wait(ledger.hold(wanted(&today, 400, 1_000))).unwrap();
    assert_eq!(standing(&ledger, &today), (250, 750));
    // Spending that nobody held for counts all the same, and takes nothing from holds of others.
    wait(ledger.record(paid(&run, 2, 10, &[]))).unwrap();
    assert_eq!(standing(&ledger, &today), (260, 750));
    wait(ledger.release(first.id(), Usd::ZERO)).unwrap();
    assert_eq!(standing(&ledger, &today), (260, 400));
    // A request under way was given up and may have been billed.
    wait(ledger.release(second.id(), usd(30))).unwrap();
    assert_eq!(standing(&ledger, &today), (260, 30));
    wait(ledger.release(second.id(), Usd::ZERO)).unwrap();
    wait(ledger.release(second.id(), usd(5))).unwrap();
    assert_eq!(standing(&ledger, &today), (260, 0));
}

#[test]
fn what_waits_to_be_written_counts_before_a_hold_is_given() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    for number in 0..50 {
        ledger.note(paid(&run, number, 20, &[]));
    }
    // Mostly in one transaction with all of them, and behind them in any case.
    assert!(matches!(wait(ledger.hold(wanted(&Scope::day(NOON), 1, 1_000))), Err(HoldError::Refused { spent, .. }) if spent == usd(1_000)));
}

#[test]
fn less_is_taken_where_less_is_left() {
    let ledger = Ledger::in_memory().unwrap();
    let today = Scope::day(NOON);
    let up_to = |amount, at_least| HoldRequest { at_least: usd(at_least), ..wanted(&today, amount, 1_000) };
    assert_eq!(wait(ledger.hold(up_to(700, 1))).unwrap().amount(), usd(700));
    assert_eq!(wait(ledger.hold(up_to(700, 100))).unwrap().amount(), usd(300));
    assert!(matches!(wait(ledger.hold(up_to(700, 1))), Err(HoldError::Refused { held, .. }) if held == usd(1_000)));
    // A lower ceiling of somebody else leaves less than nothing, also for those who want nothing.
    assert!(wait(ledger.hold(HoldRequest { ceiling: usd(999), ..up_to(0, 0) })).is_err());
    assert_eq!(wait(ledger.hold(HoldRequest { ceiling: usd(i64::MAX), ..up_to(-5, -9) })).unwrap().amount(), Usd::ZERO);
}

#[test]
fn holds_grow_and_settle() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let scope = Scope::run(&run);
    let mut hold = wait(ledger.hold(wanted(&scope, 400, 1_000))).unwrap();
    wait(ledger.record(paid(&run, 1, 390, &[hold.id()]))).unwrap();
    assert_eq!(wait(ledger.grow(&mut hold, usd(700), usd(100), usd(1_000))).unwrap(), usd(600));
    assert_eq!((hold.amount(), standing(&ledger, &scope)), (usd(1_000), (390, 610)));
    assert!(matches!(wait(ledger.grow(&mut hold, usd(1), usd(1), usd(1_000))), Err(HoldError::Refused { .. })));
    wait(ledger.settle(&mut hold, usd(50))).unwrap();
    assert_eq!((hold.amount(), standing(&ledger, &scope)), (usd(440), (390, 50)));
    wait(ledger.settle(&mut hold, usd(9_999))).unwrap();
    assert_eq!(hold.amount(), usd(440));
    // A request that costs more than was set aside passes the ceiling by its excess, and what is added is for the next.
    wait(ledger.record(paid(&run, 2, 80, &[hold.id()]))).unwrap();
    assert_eq!(standing(&ledger, &scope), (470, 0));
    assert_eq!(wait(ledger.grow(&mut hold, usd(100), usd(100), usd(1_000))).unwrap(), usd(100));
    assert_eq!((hold.amount(), standing(&ledger, &scope)), (usd(570), (470, 100)));

    wait(ledger.release(hold.id(), Usd::ZERO)).unwrap();
    assert_eq!(wait(ledger.settle(&mut hold, usd(1))), Err(HoldError::Released { scope: scope.clone() }));
    assert_eq!(wait(ledger.grow(&mut hold, usd(1), usd(1), usd(1_000))), Err(HoldError::Released { scope }));
    // What comes late finds no other hold under its number.
    let next = wait(ledger.hold(wanted(&Scope::run(&run), 10, 1_000))).unwrap();
    assert_ne!(next.id(), hold.id());
}

#[test]
fn a_hold_counts_in_its_own_scope() {
    let ledger = Ledger::in_memory().unwrap();
    let run = ledger.start_run(start("q")).unwrap();
    let key = Scope::key("…ab12-9f3c");
    let scopes = [Scope::run(&run), Scope::day(NOON), key.clone().on_day(NOON), key, Scope::day(NOON + DAY)];
    let holds: Vec<HoldId> = scopes.iter().map(|scope| wait(ledger.hold(wanted(scope, 100, 100))).unwrap().id()).collect();
    for scope in &scopes {
        assert_eq!(standing(&ledger, scope), (0, 100), "{scope}");
    }
    let of_key = AttemptRecord { key_label: Some("…ab12-9f3c".into()), holds: Some(holds[..4].into()), ..attempt(60) };
    let other_key = AttemptRecord { key_label: Some("…ffff".into()), holds: Some(holds[..2].into()), ..attempt(30) };
    wait(ledger.record(CallRecord { attempts: vec![of_key, other_key], ..answered(&run, 1) })).unwrap();
    let told: Vec<_> = scopes.iter().map(|scope| standing(&ledger, scope)).collect();
    assert_eq!(told, [(90, 10), (90, 10), (60, 40), (60, 40), (0, 100)]);

    let unknown = Scope::run(&RunId::unrecorded());
    assert!(matches!(wait(ledger.hold(wanted(&unknown, 1, 1))), Err(HoldError::Ledger(LedgerError::UnknownRun { .. }))));
}

#[test]
fn holds_are_told_with_who_took_them() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::options().process_lives(|pid| pid == 1_000).open(&folder.path().join("ledger.db")).unwrap();
    let today = Scope::day(NOON);
    let by = |pid| wait(ledger.hold(HoldRequest { pid, ..wanted(&today, 10, 1_000) })).unwrap();
    let (living, dead, kept) = (by(1_000), by(1_001), by(1_000));
    wait(ledger.release(kept.id(), usd(4))).unwrap();
    let told = ledger.holds(Some(&today)).unwrap();
    let seen: Vec<_> = told.iter().map(|hold| (hold.id, hold.pid, hold.is_live, hold.left().pico())).collect();
    assert_eq!(seen, [(living.id(), Some(1_000), true, 10), (dead.id(), Some(1_001), false, 10), (kept.id(), None, false, 4)]);
    assert_eq!((told[0].scope.as_str(), told[0].taken_ms), ("all on 2026-09-21", NOON));
    assert_eq!(ledger.holds(None).unwrap(), told);
    assert_eq!(ledger.holds(Some(&Scope::day(NOON + DAY))).unwrap(), []);
}

#[test]
fn a_refusal_says_what_stands_in_the_way() {
    let ledger = Ledger::in_memory().unwrap();
    let key = Scope::key("…ab12").on_day(NOON);
    let _held = wait(ledger.hold(wanted(&key, 1_500_000_000_000, 2_000_000_000_000))).unwrap();
    let refused = wait(ledger.hold(wanted(&key, 1_000_000_000_000, 2_000_000_000_000))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the ceiling of $2.0000 for key …ab12 on 2026-09-21 leaves no $1.0000: $0.0000 spent, $1.5000 set aside for requests under way or \
         lost with a process that was killed"
    );
}

/// One of many who spend under a ceiling: holds what one request costs at most, is billed less, records it, gives the
/// rest back; until nothing is left and nobody has anything to give back.
async fn spend_until_refused(ledger: Ledger, run: RunId, lane: u64, ceiling: i64, billed: Arc<AtomicI64>) -> Result<(), HoldError> {
    for number in 0.. {
        let hold = match ledger.hold(wanted(&Scope::day(NOON), 100, ceiling)).await {
            Ok(hold) => hold,
            Err(HoldError::Refused { spent, held, ceiling, .. }) => {
                assert!(spent + held <= ceiling, "{spent} and {held}");
                if held == Usd::ZERO {
                    return Ok(());
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let cost = [100, 60, 0][number as usize % 3];
        assert!(billed.fetch_add(cost, Ordering::SeqCst) + cost <= ceiling);
        ledger.record(paid(&run, lane << 32 | number, cost, &[hold.id()])).await?;
        ledger.release(hold.id(), Usd::ZERO).await?;
    }
    Ok(())
}

#[test]
fn a_crowd_over_several_ledgers_never_passes_the_ceiling() {
    const CEILING: i64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let billed = Arc::new(AtomicI64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for which in 0..3u64 {
            let ledger = Ledger::open(&path).unwrap();
            let run = ledger.start_run(start(&which.to_string())).unwrap();
            for lane in 0..171 {
                tasks.spawn(spend_until_refused(ledger.clone(), run.clone(), which << 16 | lane, CEILING, billed.clone()));
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
    let ledger = Ledger::open(&path).unwrap();
    let billed = billed.load(Ordering::SeqCst);
    assert_eq!(standing(&ledger, &Scope::day(NOON)), (billed, 0));
    // All that could be spent was: the next request would not have fitted.
    assert!(billed > CEILING - 100 && billed <= CEILING, "{billed}");
}

const FILE: &str = "CORSAC_LEDGER_CEILING_FILE";
const MARK: &str = "billed ";
const CEILING: i64 = 60_000;
const LEASE: i64 = 4_000;

/// One write, so that a line is whole or not there.
fn tell_bill() {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{MARK}100\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Not a test by itself: the part of a child. Its requests are paid from one hold, which grows by a lease at a time; each is
/// billed (told) before it is recorded, as a provider would. It ends when the ceiling leaves nothing more.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let ledger = Ledger::open(Path::new(&path)).unwrap();
    let run = ledger.start_run(start("killed")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let nothing = HoldRequest { at_least: Usd::ZERO, ..wanted(&Scope::day(NOON), 0, CEILING) };
        let Ok(hold) = ledger.hold(nothing).await else { return };
        let purse = Arc::new(tokio::sync::Mutex::new((hold, 0i64)));
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..64u64 {
            let (ledger, run, purse) = (ledger.clone(), run.clone(), purse.clone());
            tasks.spawn(async move {
                for number in (lane..).step_by(64) {
                    let id = {
                        let mut purse = purse.lock().await;
                        let (hold, spent) = &mut *purse;
                        if *spent + 100 > hold.amount().pico() {
                            match ledger.grow(hold, usd(LEASE), usd(100), usd(CEILING)).await {
                                Ok(_) => {}
                                Err(HoldError::Refused { .. }) => return Ok(()),
                                Err(error) => return Err(error),
                            }
                        }
                        *spent += 100;
                        hold.id()
                    };
                    tell_bill();
                    ledger.record(paid(&run, number, 100, &[id])).await?;
                }
                Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
}

#[test]
fn a_kill_never_makes_room_under_the_ceiling() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut billed = 0i64;
    let today = Scope::day(NOON);
    // Two at a time; of the first four pairs one is killed in the middle of its work and then the other.
    for kills in 0..5usize {
        let mut children: Vec<_> = (0..2).map(|_| spawn("ceilings::child", FILE, &path)).collect();
        for (child, lines) in &mut children {
            let mut told = 0;
            let is_billed = |line: &Result<String, _>| line.as_ref().is_ok_and(|line| line.strip_prefix(MARK).is_some());
            if kills < 4 {
                told += lines.by_ref().filter(is_billed).take(30 + 10 * kills).count();
                child.kill().unwrap();
            }
            // What was billed before it died counts as well; the last pair ends by itself.
            told += lines.filter(is_billed).count();
            child.wait().unwrap();
            billed += 100 * told as i64;
        }
        let ledger = Ledger::open(&path).unwrap();
        let (spent, held) = standing(&ledger, &today);
        assert!(spent + held <= CEILING, "{spent} and {held}");
        assert!(spent <= billed && billed <= spent + held, "billed {billed}, {spent} spent and {held} held");
        assert!(ledger.holds(Some(&today)).unwrap().iter().all(|hold| !hold.is_live));
    }
    // Those that were killed took what they had left with them, and no more: the others found the rest.
    let ledger = Ledger::open(&path).unwrap();
    let (spent, held) = standing(&ledger, &today);
    assert!(spent + held > CEILING - 100, "{spent} and {held}");
    assert!(held <= 8 * LEASE, "{held}");
    assert!(billed <= CEILING);
    // Who knows that nothing under way was billed may give it back.
    for hold in ledger.holds(Some(&today)).unwrap() {
        wait(ledger.release(hold.id, Usd::ZERO)).unwrap();
    }
    assert_eq!(standing(&ledger, &today), (spent, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Hold(i64, i64),
    Grow(usize, i64),
    Spend(usize, i64),
    Settle(usize, i64),
    Release(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0i64..400, 0i64..400).prop_map(|(amount, at_least)| Step::Hold(amount, at_least)),
        2 => (0usize..9, 0i64..300).prop_map(|(which, by)| Step::Grow(which, by)),
        6 => (0usize..9, 0i64..200).prop_map(|(which, cost)| Step::Spend(which, cost)),
        1 => (0usize..9, 0i64..100).prop_map(|(which, needed)| Step::Settle(which, needed)),
        1 => (0usize..9).prop_map(Step::Release),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Who never sends more than the hold has left never passes the ceiling, whatever happens in whatever order; and
    /// the ledger's account of it is exact.
    #[test]
    fn the_law_of_the_ceiling(steps in prop::collection::vec(step(), 0..60), ceiling in 0i64..1_500) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let mut ledger = Ledger::open(&path).unwrap();
        let run = ledger.start_run(start("q")).unwrap();
        let today = Scope::day(NOON);
        // Holds with what was spent under each, as their holders know it.
        let mut holds: Vec<(Hold, i64)> = Vec::new();
        let (mut spent, mut number) = (0i64, 0u64);
        for step in steps {
            let place = |which: usize| (!holds.is_empty()).then(|| which % holds.len());
            match step {
                Step::Hold(amount, at_least) => {
                    let request = HoldRequest { at_least: usd(at_least), ..wanted(&today, amount, ceiling) };
                    holds.extend(wait(ledger.hold(request)).ok().map(|hold| (hold, 0)));
                }
                Step::Grow(which, by) => if let Some(place) = place(which) {
                    drop(wait(ledger.grow(&mut holds[place].0, usd(by), usd(by), usd(ceiling))));
                }
                Step::Spend(which, cost) => if let Some(place) = place(which) {
                    let (hold, of_hold) = &mut holds[place];
                    if *of_hold + cost <= hold.amount().pico() {
                        number += 1;
                        *of_hold += cost;
                        spent += cost;
                        wait(ledger.record(paid(&run, number, cost, &[hold.id()]))).unwrap();
                    }
                }
                Step::Settle(which, needed) => if let Some(place) = place(which) {
                    wait(ledger.settle(&mut holds[place].0, usd(needed))).unwrap();
                }
                Step::Release(which) => if let Some(place) = place(which) {
                    let (hold, _) = holds.swap_remove(place);
                    wait(ledger.release(hold.id(), Usd::ZERO)).unwrap();
                }
                Step::Reopen => {
                    drop(ledger);
                    ledger = Ledger::open(&path).unwrap();
                }
            }
            let left: i64 = holds.iter().map(|(hold, of_hold)| hold.amount().pico() - of_hold).sum();
            prop_assert_eq!(standing(&ledger, &today), (spent, left));
            prop_assert!(spent + left <= ceiling);
        }
    }
}
