//! Single flight: the same question asked twice at once is sent once. If the one who asked goes away, another takes over.

use std::collections::HashMap;
use std::sync::Arc;

use corsac_ledger::Fingerprint;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Outcome;

type Board = Arc<Mutex<HashMap<Fingerprint, watch::Receiver<Option<Outcome>>>>>;

/// The questions under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    board: Board,
}

/// The part a caller has in a flight.
pub(crate) enum Seat {
    /// Nobody else asks: this caller does.
    Pilot(Pilot),
    /// Somebody asked already: wait for it.
    Passenger(watch::Receiver<Option<Outcome>>),
}

/// The caller that asks for all.
pub(crate) struct Pilot {
    board: Board,
    fingerprint: Fingerprint,
    announce: watch::Sender<Option<Outcome>>,
}

impl Flights {
    pub(crate) fn board(&self, fingerprint: Fingerprint) -> Seat {
        let mut board = self.board.lock();
        if let Some(flight) = board.get(&fingerprint) {
            return Seat::Passenger(flight.clone());
        }
        let (announce, flight) = watch::channel(None);
        board.insert(fingerprint, flight);
        Seat::Pilot(Pilot { board: Arc::clone(&self.board), fingerprint, announce })
    }
}

impl Pilot {
    /// Tells everybody what became of the question.
    pub(crate) fn land(self, outcome: &Outcome) {
        if self.announce.receiver_count() > 1 {
            self.announce.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.board.lock().remove(&self.fingerprint);
    }
}
