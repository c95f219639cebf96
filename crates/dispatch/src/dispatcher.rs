//! The scheduler that every caller in the process shares: recall, single flight, and the calls under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use corsac_ledger::{CallOutcome, CallRecord, Fingerprint, Ledger, ResultRow, RunId, Usage};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::batch::Batches;
use crate::compose::{self, Composer};
use crate::door::{Door, OpenDoor};
use crate::earlier::{Share, earlier_truths};
use crate::flight::{Flights, Pilot, Seat};
use crate::forecast::SizesAtHand;
use crate::gate::Gate;
use crate::journey::Quest;
use crate::lessons::LessonBook;
use crate::outlook::Outlooks;
use crate::purse::Purses;
use crate::record::{call_record, failed_outcome, recalled};
use crate::standing::Standing;
use crate::stream::Listener;
use crate::{
    Answer, Ask, Call, CallSettings, Catalog, Clock, Contract, Exchange, Failure, FailureKind, Origin, Outcome, Route, Settings, Source,
    Tally, trace,
};

/// The scheduler that every caller in the process shares.
#[derive(Debug)]
pub struct Dispatcher {
    pub(crate) doors: Vec<OpenDoor>,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) gate: Arc<Gate>,
    pub(crate) composer: Composer,
    pub(crate) tally: Tally,
    pub(crate) prices: RwLock<HashMap<Arc<str>, Pricing>>,
    pub(crate) lessons: LessonBook,
    pub(crate) purses: Purses,
    pub(crate) outlooks: Outlooks,
    pub(crate) batches: Batches,
    pub(crate) sizes: SizesAtHand,
    pub(crate) standing: Standing,
    pub(crate) reached: AtomicBool,
    pub(crate) unreachable_in_a_row: AtomicU32,
    flights: Flights,
    aborted: CancellationToken,
    under_way: TaskTracker,
    chance: AtomicU64,
}

impl Dispatcher {
    /// A dispatcher over one exchange and a ledger.
    pub fn new(exchange: Arc<dyn Exchange>, ledger: Ledger, clock: Arc<dyn Clock>, settings: Settings) -> Dispatcher {
        Dispatcher::over(vec![Door::new(exchange)], ledger, clock, settings)
    }

    /// A dispatcher over several doors; routes name them by their place. A route to a door that is not there is not taken.
    pub fn over(doors: Vec<Door>, ledger: Ledger, clock: Arc<dyn Clock>, settings: Settings) -> Dispatcher {
        let prices = RwLock::new(settings.prices.clone());
        // where it cannot be told, the ledger stays as careful as it is
        let _ = ledger.keep(settings.memory.durability);
        let keys: Vec<Arc<str>> = doors.iter().filter_map(|door| door.key_label.clone()).collect();
        Dispatcher {
            gate: Gate::new(Arc::clone(&clock), settings.ceilings.run),
            chance: AtomicU64::new(settings.chance_seed),
            doors: OpenDoor::all(doors, &clock, settings.catalog_folder.as_ref()),
            lessons: LessonBook::open(&ledger, clock.epoch_ms()),
            purses: Purses::new(&ledger, &clock, settings.ceilings, keys.into_iter()),
            ledger,
            clock,
            settings,
            flights: Flights::default(),
            composer: Composer::default(),
            tally: Tally::default(),
            prices,
            outlooks: Outlooks::default(),
            batches: Batches::default(),
            sizes: SizesAtHand::default(),
            standing: Standing::default(),
            aborted: CancellationToken::new(),
            under_way: TaskTracker::new(),
            reached: AtomicBool::new(false),
            unreachable_in_a_row: AtomicU32::new(0),
        }
    }

    /// What was done so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Where requests go at first, for messages.
    pub fn address(&self) -> String {
        self.doors.first().map(|door| door.exchange.address()).unwrap_or_default()
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }

    /// Requests a minute that models were found to allow.
    pub fn learned_limits(&self) -> Vec<(Arc<str>, f64)> {
        self.gate.learned_limits()
    }

    /// Models whose limit is proven and so low, in requests a minute, that another model may suit a large table better.
    pub fn throttled_low(&self) -> Vec<(Arc<str>, f64)> {
        self.gate.throttled_low()
    }

    /// Takes in prices that became known after the start.
    pub fn learn_prices(&self, prices: impl IntoIterator<Item = (Arc<str>, Pricing)>) {
        self.prices.write().extend(prices);
    }

    /// Takes in the catalog of a door: what its models take and cost.
    pub fn learn_catalog(&self, door: usize, catalog: &Catalog) {
        if let Some(door) = self.doors.get(door) {
            door.atlas.learn(catalog);
        }
        let models = self.settings.routes.iter().map(|route| &route.model);
        self.learn_prices(models.filter_map(|model| Some((Arc::clone(model), catalog.pricing(model)?))));
    }

    /// Takes in the catalog of a door when it comes. Calls that ask for a model that is not known wait for it, so that
    /// nothing is sent to a model that is not there. What is given back ends when the catalog was taken in, or could not be
    /// had.
    pub fn expect_catalog(
        self: &Arc<Self>,
        place: usize,
        fetching: impl Future<Output = Option<Catalog>> + Send + 'static,
    ) -> Shared<BoxFuture<'static, ()>> {
        let this = Arc::clone(self);
        let learning = tokio::spawn(async move {
            if let Some(catalog) = fetching.await {
                this.learn_catalog(place, &catalog);
            }
        });
        let coming = learning.map(drop).boxed().shared();
        if let Some(door) = self.doors.get(place) {
            door.atlas.expect(coming.clone());
        }
        coming
    }

    /// Asks nothing more. Calls under way end and are recorded; those waiting fail as interrupted.
    pub fn stop(&self) {
        self.gate.stop();
    }

    /// Whether [`Dispatcher::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.gate.is_stopped()
    }

    /// Gives up the calls under way too.
    pub fn abort(&self) {
        self.gate.stop();
        self.aborted.cancel();
    }

    /// Answers a call. Where the caller goes away, nothing new is sent for it, but a request that is under way is waited
    /// for and recorded: it is paid for.
    pub async fn ask_to_the_end(self: Arc<Self>, call: Call) -> Outcome {
        if let Contract::Embedding { dimensions } = call.contract {
            return self.embed(call, dimensions).await;
        }
        if !self.first_exchange_routes() {
            return self.ask(call).await;
        }
        let abandoned = CancellationToken::new();
        let guard = abandoned.clone().drop_guard();
        let this = Arc::clone(&self);
        let task = self.under_way.spawn(async move { this.ask_unless(call, abandoned, &Listener::nobody()).await });
        let outcome = task.await.unwrap_or_else(|error| Err(Failure::new(FailureKind::Internal, format!("the call broke off: {error}"))));
        guard.disarm();
        outcome
    }

    /// Waits until the requests of callers that went away have ended, but not longer than this; then gives back money that
    /// was set aside and not spent.
    pub async fn drain(&self, at_most: Duration) {
        self.under_way.close();
        let _ = tokio::time::timeout(at_most, self.under_way.wait()).await;
        self.under_way.reopen();
        self.purses.release().await;
    }

    fn first_exchange_routes(&self) -> bool {
        self.doors.first().is_some_and(|door| door.exchange.routes())
    }

    pub(crate) fn track(&self) -> &TaskTracker {
        &self.under_way
    }

    pub(crate) async fn ask_unless(&self, call: Call, abandoned: CancellationToken, listener: &Listener) -> Outcome {
        let outcome = tokio::select! {
            biased;
            () = self.aborted.cancelled() => Err(Failure::interrupted()),
            outcome = self.answer(call, &abandoned, listener) => outcome,
        };
        self.count(&outcome, abandoned.is_cancelled());
        outcome
    }

    pub(crate) fn count(&self, outcome: &Outcome, is_abandoned: bool) {
        match outcome {
            Ok(answer) => self.tally.answer(answer),
            Err(_) if is_abandoned => {}
            Err(failure) => self.tally.failure(failure),
        }
    }

    async fn answer(&self, call: Call, abandoned: &CancellationToken, listener: &Listener) -> Outcome {
        let routes = self.routes_of(&call)?;
        let fingerprint = self.fingerprint(&call, &routes);
        if call.settings.fresh {
            return self.ask_anew(Quest { fingerprint, routes: &routes, call: &call, abandoned, listener }).await;
        }
        loop {
            match self.flights.board(fingerprint) {
                Seat::Passenger(mut flight) => {
                    let landed = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                    if let Some(outcome) = landed {
                        self.note_shared(fingerprint, &call, &outcome);
                        return shared(outcome);
                    }
                    // the one who asked went away without an answer: ask in its place
                }
                Seat::Pilot(pilot) => {
                    return self.pilot(pilot, Quest { fingerprint, routes: &routes, call: &call, abandoned, listener }).await;
                }
            }
        }
    }

    async fn pilot(&self, pilot: Pilot, quest: Quest<'_>) -> Outcome {
        let outcome = match self.recall(quest.fingerprint, quest.call) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => self.ask_anew(quest).await,
            Err(failure) => Err(failure),
        };
        pilot.land(&outcome);
        outcome
    }

    async fn ask_anew(&self, quest: Quest<'_>) -> Outcome {
        let span = trace::call_span(quest.call);
        let outcome = self.ask_model(quest).instrument(span.clone()).await;
        trace::close_call(&span, &outcome);
        outcome
    }

    /// Keeps what somebody got who waited for another's call; that may be one of another run.
    pub(crate) fn note_shared(&self, fingerprint: Fingerprint, call: &Call, outcome: &Outcome) {
        match outcome {
            Ok(_) => self.ledger.note(call_record(fingerprint, call, CallOutcome::FromMemory, Vec::new())),
            Err(failure) => self.note_unasked(fingerprint, call, failure),
        }
    }

    /// Where a call may go, in order, all of them through doors that are there. A model that the call names comes before
    /// the others.
    pub(crate) fn routes_of(&self, call: &Call) -> Result<Vec<Route>, Failure> {
        let (model, profile) = (call.settings.model.as_deref(), call.settings.profile.as_deref());
        let routes = match call.contract.is_embedding() {
            true => self.settings.embedding_routes_for(model, profile),
            false => self.settings.routes_for(model, profile),
        };
        let mut routes = routes.map_err(|why| Failure::new(FailureKind::NoSuchModel, why))?;
        routes.retain(|route| route.door < self.doors.len());
        if routes.is_empty() { Err(Failure::new(FailureKind::Internal, "there is no model to ask")) } else { Ok(routes) }
    }

    pub(crate) fn fingerprint(&self, call: &Call, routes: &[Route]) -> Fingerprint {
        let exchange = self.doors.get(routes[0].door).map(|door| &door.exchange);
        let (engine, address) = exchange.map_or_else(Default::default, |exchange| (exchange.engine(), exchange.address()));
        compose::fingerprint(call, &self.settings, &routes[0], engine, &address)
    }

    /// The answer an earlier call with this fingerprint got, if it still counts.
    pub(crate) fn recall(&self, fingerprint: Fingerprint, call: &Call) -> Result<Option<Answer>, Failure> {
        if self.settings.memory.fresh {
            return Ok(None);
        }
        let age_ms = self.settings.memory.max_age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let not_before = age_ms.map(|age| self.clock.epoch_ms().saturating_sub(age));
        let stored = self.ledger.recall(fingerprint).map_err(|error| Failure::ledger(&error))?;
        let stored = stored.filter(|stored| not_before.is_none_or(|moment| stored.created_ms >= moment));
        let Some(answer) = stored.and_then(|stored| recalled(stored, &call.contract)) else { return Ok(None) };
        let said = &self.settings.request;
        if answer.provider.as_deref().is_some_and(|provider| !said.lets_answer(provider)) {
            return Ok(None);
        }
        self.ledger.note(call_record(fingerprint, call, CallOutcome::FromMemory, Vec::new()));
        Ok(Some(answer))
    }

    /// A number in 0..1 from a fixed sequence (splitmix64), so that a run's waits can be repeated.
    pub(crate) fn next_chance(&self) -> f64 {
        let mut z = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[async_trait]
impl Ask for Dispatcher {
    async fn ask(&self, call: Call) -> Outcome {
        if call.contract.is_embedding() {
            return self.embed_alone(call).await;
        }
        self.ask_unless(call, CancellationToken::new(), &Listener::nobody()).await
    }

    fn window(&self) -> usize {
        self.doors.first().map_or(1, |door| door.exchange.window())
    }

    /// What the smallest context of the models that may be asked leaves beside an answer.
    fn prompt_room(&self, settings: &CallSettings) -> Option<u64> {
        let routes = self.settings.routes_for(settings.model.as_deref(), settings.profile.as_deref()).ok()?;
        let context = |route: &Route| {
            let door = self.doors.get(route.door)?;
            door.exchange.context_tokens().or_else(|| door.atlas.model(&route.model)?.context_length)
        };
        let context = routes.iter().filter_map(context).min()?;
        Some(context.saturating_sub(u64::from(settings.max_tokens.unwrap_or(512))).max(context / 2))
    }

    async fn takes_tools(&self, settings: &CallSettings) -> bool {
        self.functions_can_go(settings).await
    }

    fn pricing(&self, settings: &CallSettings, vectors: bool) -> Option<Pricing> {
        self.prices.read().get(&self.settings.first_route(settings, vectors)?.model).copied()
    }

    fn earlier_truths(&self, operator: &str, words: &[String]) -> Option<Share> {
        earlier_truths(&self.ledger, operator, words)
    }

    fn entry_of(&self, call: &Call) -> Option<Fingerprint> {
        let routes = self.routes_of(call).ok()?;
        Some(self.fingerprint(call, &routes))
    }

    fn note_rows(&self, run: &RunId, entry: Fingerprint, rows: &[u64]) {
        self.ledger.note_rows(run, entry, rows);
    }

    fn note_results(&self, run: &RunId, rows: &[ResultRow]) {
        self.ledger.note_results(run, rows);
    }

    fn note_failed(&self, origin: &Origin, input: &str, failure: &Failure) -> Option<Fingerprint> {
        let parts = ["failed/1", &origin.operator, failure.kind.name(), &failure.message];
        let entry = Fingerprint::of(parts.map(str::as_bytes));
        self.ledger.note(CallRecord {
            run: origin.run.clone(),
            fingerprint: entry,
            operator: Arc::clone(&origin.operator),
            row: origin.row,
            input: input.to_owned(),
            schema: None,
            outcome: failed_outcome(failure),
            attempts: Vec::new(),
        });
        Some(entry)
    }
}

/// What somebody gets who waited for another's call: the requests and what they cost are the other's.
fn shared(outcome: Outcome) -> Outcome {
    match outcome {
        Ok(answer) => Ok(Answer { cost: Usd::ZERO, attempts: 0, source: Source::Shared, usage: Usage::default(), ..answer }),
        Err(failure) => Err(Failure { cost: Usd::ZERO, attempts: 0, ..failure }),
    }
}
