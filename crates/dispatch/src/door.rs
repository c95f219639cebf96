//! A door: one key at one base URL, with what is known of the models behind it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use corsac_wire::Usd;
use serde_json::Value;

use crate::Clock;
use crate::atlas::Atlas;
use crate::exchange::{Exchange, Request};

/// One key at one base URL.
#[derive(Debug, Clone)]
pub struct Door {
    /// What is asked.
    pub exchange: Arc<dyn Exchange>,
    /// Whose money it is, for reports: never the key. Doors with the same label and none share an account.
    pub key_label: Option<Arc<str>>,
}

impl Door {
    /// A door without a label.
    pub fn new(exchange: Arc<dyn Exchange>) -> Door {
        Door { exchange, key_label: None }
    }
}

/// A door in use.
#[derive(Debug)]
pub(crate) struct OpenDoor {
    pub(crate) exchange: Arc<dyn Exchange>,
    pub(crate) key_label: Option<Arc<str>>,
    pub(crate) atlas: Arc<Atlas>,
    /// Equal numbers, equal keys.
    pub(crate) account: u16,
    /// Equal numbers, equal hosts.
    pub(crate) host: u16,
    bills: AtomicU8,
}

/// Whether costs can be looked up afterwards.
const UNTRIED: u8 = 0;
const TRYING: u8 = 1;
const WORKS: u8 = 2;
const ABSENT: u8 = 3;

impl OpenDoor {
    /// Doors in use, with accounts and hosts told apart.
    pub(crate) fn all(doors: Vec<Door>, clock: &Arc<dyn Clock>, folder: Option<&PathBuf>) -> Vec<OpenDoor> {
        let keys: Vec<(String, Option<Arc<str>>)> = doors.iter().map(|door| (door.exchange.address(), door.key_label.clone())).collect();
        let number = |place: usize, same: &dyn Fn(usize) -> bool| {
            u16::try_from((0..place).find(|earlier| same(*earlier)).unwrap_or(place)).unwrap_or(u16::MAX)
        };
        let open = |(place, door): (usize, Door)| OpenDoor {
            atlas: Arc::new(Atlas::new(Arc::clone(&door.exchange), Arc::clone(clock), folder.cloned())),
            account: number(place, &|earlier| keys[earlier] == keys[place]),
            host: number(place, &|earlier| keys[earlier].0 == keys[place].0),
            exchange: door.exchange,
            key_label: door.key_label,
            bills: AtomicU8::new(UNTRIED),
        };
        doors.into_iter().enumerate().map(open).collect()
    }

    /// What a generation cost, from the service's own books, which know it some time after the answer. A service that has
    /// no such books is not asked twice.
    pub(crate) async fn bill(&self, generation_id: &str) -> Option<Usd> {
        if !self.exchange.routes() || generation_id.is_empty() {
            return None;
        }
        let first = self.bills.compare_exchange(UNTRIED, TRYING, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !first && self.bills.load(Ordering::Relaxed) != WORKS {
            return None;
        }
        let mut wait = Duration::from_millis(500);
        for _ in 0..3 {
            tokio::time::sleep(wait).await;
            wait *= 2;
            let request = Request::get(format!("generation?id={generation_id}"), Duration::from_secs(10));
            let Ok(reply) = self.exchange.exchange(request).await else { continue };
            let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let cost = said.pointer("/data/total_cost").and_then(|cost| serde_json::from_value::<Usd>(cost.clone()).ok());
            if let Some(cost) = cost.filter(|cost| *cost >= Usd::ZERO) {
                self.bills.store(WORKS, Ordering::Relaxed);
                return Some(cost);
            }
        }
        if first {
            self.bills.store(ABSENT, Ordering::Relaxed);
        }
        None
    }
}
