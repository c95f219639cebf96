//! Ceilings of a day and of a key, which all who share the ledger keep together.

use corsac_dispatch::{Ceilings, FailureKind, Memory, Settings};
use corsac_ledger::{Ledger, SpendBy, SpendWithin};
use corsac_wire::Usd;
use futures::future::join;

use crate::world::World;

fn under(day: Usd) -> Settings {
    Settings {
        ceilings: Ceilings { day: Some(day), ..Ceilings::default() },
        memory: Memory { fresh: true, ..Memory::default() },
        ..Settings::default()
    }
}

fn spent(ledger: &Ledger) -> Usd {
    ledger.spend(SpendBy::Day, SpendWithin::Everything).unwrap().iter().map(|line| line.cost).sum()
}

#[tokio::test(start_paused = true)]
async fn a_day_ends_at_its_ceiling_for_all_of_them_together() {
    let ceiling = Usd::parse("0.004").unwrap();
    let ledger = Ledger::in_memory().unwrap();
    let one = World::over("latency_ms = [50, 400]\n", under(ceiling), ledger.clone());
    let two = World::over("latency_ms = [50, 400]\n", under(ceiling), ledger.clone());
    let (first, second) = join(one.ask_many(512), two.ask_many(512)).await;
    let outcomes: Vec<_> = first.into_iter().chain(second).collect();
    ledger.flush().await.unwrap();
    assert!(spent(&ledger) <= ceiling, "{}", spent(&ledger));
    let answered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((20..1_024).contains(&answered), "{answered}");
    assert!(outcomes.iter().all(|outcome| !matches!(outcome, Err(failure) if failure.kind != FailureKind::BudgetReached)));
    // what was held and not spent is given back: the next one gets the rest, and no more
    one.dispatcher.drain(std::time::Duration::from_secs(1)).await;
    two.dispatcher.drain(std::time::Duration::from_secs(1)).await;
    let three = World::over("", under(ceiling), ledger.clone());
    three.ask_many(512).await;
    ledger.flush().await.unwrap();
    assert!(spent(&ledger) <= ceiling, "{}", spent(&ledger));
    assert!(spent(&ledger) > ceiling.per(2), "{}", spent(&ledger));
}
