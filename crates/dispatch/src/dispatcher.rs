//! A call's way: recall, admit, exchange, read, remedy, record, release.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use corsac_ledger::{AttemptRecord, CallOutcome, CallRecord, CostSource, Fingerprint, Ledger, StoredAnswer, Usage};
use corsac_policy::{Course, Ending, Fault, FaultClass, Step, estimated_tokens, remedy};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compose::{self, Composer, Speech, Turn};
use crate::exchange::Request;
use crate::failure::{Ends, failure_of};
use crate::flight::{Flights, Pilot, Seat};
use crate::gate::{Denied, Gate};
use crate::providers::ProviderSlugs;
use crate::read::{Reading, Validated, read};
use crate::{Answer, Ask, Call, Clock, Contract, Exchange, Failure, FailureKind, Outcome, Route, Settings, Source, Tally};

/// The scheduler that every caller in the process shares.
#[derive(Debug)]
pub struct Dispatcher {
    exchange: Arc<dyn Exchange>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    settings: Settings,
    models: Vec<String>,
    gate: Arc<Gate>,
    flights: Flights,
    composer: Composer,
    tally: Tally,
    slugs: ProviderSlugs,
    prices: RwLock<HashMap<Arc<str>, Pricing>>,
    quirks: Mutex<HashMap<(usize, Fingerprint), Quirk>>,
    aborted: CancellationToken,
    under_way: TaskTracker,
    chance: AtomicU64,
    reached: AtomicBool,
    unreachable_in_a_row: AtomicU32,
}

/// What a model was found not to take, so that the next call does not have to find out again.
#[derive(Debug, Clone, Default)]
struct Quirk {
    without_temperature: bool,
    strategy: Option<corsac_policy::Strategy>,
    ignored: Vec<String>,
    max_tokens: u32,
}

/// After so many calls in a row without a connection, the rest need not try.
const UNREACHABLE_CALLS: u32 = 64;

impl Dispatcher {
    /// A dispatcher over an exchange and a ledger.
    pub fn new(exchange: Arc<dyn Exchange>, ledger: Ledger, clock: Arc<dyn Clock>, settings: Settings) -> Dispatcher {
        let prices = RwLock::new(settings.prices.clone());
        Dispatcher {
            gate: Gate::new(Arc::clone(&clock), exchange.window(), settings.ceilings.run),
            models: settings.routes.iter().map(|route| route.model.to_string()).collect(),
            chance: AtomicU64::new(settings.chance_seed),
            exchange,
            ledger,
            clock,
            settings,
            flights: Flights::default(),
            composer: Composer::default(),
            tally: Tally::default(),
            slugs: ProviderSlugs::default(),
            prices,
            quirks: Mutex::default(),
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

    /// Where requests go, for messages.
    pub fn address(&self) -> String {
        self.exchange.address()
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.gate.in_flight()
    }

    /// Requests a minute that models were found to allow.
    pub fn learned_limits(&self) -> Vec<(Arc<str>, f64)> {
        self.gate.learned_limits()
    }

    /// Takes in prices that became known after the start.
    pub fn learn_prices(&self, prices: impl IntoIterator<Item = (Arc<str>, Pricing)>) {
        self.prices.write().extend(prices);
    }

    /// Asks nothing more. Calls under way end and are recorded; those waiting fail as interrupted.
    pub fn stop(&self) {
        self.gate.stop();
    }

    /// Gives up the calls under way too.
    pub fn abort(&self) {
        self.gate.stop();
        self.aborted.cancel();
    }

    /// Answers a call. Where the caller goes away, nothing new is sent for it, but a request that is under way is waited
    /// for and recorded: it is paid for.
    pub async fn ask_to_the_end(self: Arc<Self>, call: Call) -> Outcome {
        if !self.exchange.routes() {
            return self.ask(call).await;
        }
        let abandoned = CancellationToken::new();
        let guard = abandoned.clone().drop_guard();
        let this = Arc::clone(&self);
        let task = self.under_way.spawn(async move { this.ask_unless(call, abandoned).await });
        let outcome = task.await.unwrap_or_else(|error| Err(Failure::new(FailureKind::Internal, format!("the call broke off: {error}"))));
        guard.disarm();
        outcome
    }

    /// Waits until the requests of callers that went away have ended, but not longer than this.
    pub async fn drain(&self, at_most: Duration) {
        self.under_way.close();
        let _ = tokio::time::timeout(at_most, self.under_way.wait()).await;
        self.under_way.reopen();
    }

    async fn ask_unless(&self, call: Call, abandoned: CancellationToken) -> Outcome {
        let outcome = tokio::select! {
            biased;
            () = self.aborted.cancelled() => Err(Failure::interrupted()),
            outcome = self.answer(call, &abandoned) => outcome,
        };
        match &outcome {
            Ok(answer) => self.tally.answer(answer),
            Err(_) if abandoned.is_cancelled() => {}
            Err(failure) => self.tally.failure(failure),
        }
        outcome
    }

    async fn answer(&self, call: Call, abandoned: &CancellationToken) -> Outcome {
        let models = self.models_of(&call);
        let routes = self.routes_of(&models);
        let (engine, address) = (self.exchange.engine(), self.exchange.address());
        let fingerprint = compose::fingerprint(&call, &self.settings, &routes[0], engine, &address);
        loop {
            match self.flights.board(fingerprint) {
                Seat::Passenger(mut flight) => {
                    let landed = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                    if let Some(outcome) = landed {
                        return outcome.map(|answer| Answer { cost: Usd::ZERO, attempts: 0, source: Source::Shared, ..answer });
                    }
                    // the one who asked went away without an answer: ask in its place
                }
                Seat::Pilot(pilot) => return self.pilot(pilot, fingerprint, &models, &call, abandoned).await,
            }
        }
    }

    async fn pilot(
        &self,
        pilot: Pilot,
        fingerprint: Fingerprint,
        models: &[String],
        call: &Call,
        abandoned: &CancellationToken,
    ) -> Outcome {
        let outcome = match self.recall(fingerprint, call) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => self.ask_model(fingerprint, models, call, abandoned).await,
            Err(failure) => Err(failure),
        };
        pilot.land(&outcome);
        outcome
    }

    fn models_of(&self, call: &Call) -> Vec<String> {
        match &call.settings.model {
            Some(model) => {
                let others = self.models.iter().filter(|other| *other != model);
                std::iter::once(model).chain(others).cloned().collect()
            }
            None => self.models.clone(),
        }
    }

    fn routes_of(&self, models: &[String]) -> Vec<Route> {
        let known = |model: &str| self.settings.routes.iter().find(|route| &*route.model == model).cloned();
        models.iter().map(|model| known(model).unwrap_or_else(|| Route::to(model))).collect()
    }

    fn recall(&self, fingerprint: Fingerprint, call: &Call) -> Result<Option<Answer>, Failure> {
        if self.settings.memory.fresh {
            return Ok(None);
        }
        let stored = self.ledger.recall(fingerprint).map_err(|error| Failure::ledger(&error))?;
        let Some(stored) = stored else { return Ok(None) };
        let value = match &call.contract {
            Contract::Text => Some(Value::String(stored.body)),
            Contract::Json(_) => serde_json::from_str(&stored.body).ok(),
        };
        let Some(value) = value else { return Ok(None) };
        self.ledger.note(self.call_record(fingerprint, call, CallOutcome::FromMemory, Vec::new()));
        Ok(Some(Answer {
            value: Arc::new(value),
            model: stored.model,
            provider: stored.provider,
            cost: Usd::ZERO,
            attempts: 0,
            source: Source::Memory,
        }))
    }

    /// Asks until there is an answer or nothing is left to try; records what happened; only then lets the answer go.
    async fn ask_model(&self, fingerprint: Fingerprint, models: &[String], call: &Call, abandoned: &CancellationToken) -> Outcome {
        let mut journey = Journey {
            course: self.start(call, models),
            attempts: Vec::new(),
            rejected: None,
            requests: 0,
            cost: Usd::ZERO,
            abandoned: abandoned.clone(),
        };
        let deadline = call.settings.timeout.unwrap_or(self.settings.deadlines.call);
        let result = match tokio::time::timeout(deadline, self.travel(call, models, &mut journey)).await {
            Ok(result) => result,
            Err(_) => Err(Ends::Fault(Fault::new(
                FaultClass::Timeout,
                format!("no answer within {} s over all attempts", deadline.as_secs_f64()),
            ))),
        };
        let last = journey.attempts.last();
        match result {
            Ok((validated, served)) => {
                let answer = Answer {
                    value: Arc::new(validated.value),
                    model: served.model,
                    provider: served.provider,
                    cost: journey.cost,
                    attempts: journey.requests,
                    source: Source::Asked,
                };
                let stored = self.stored(&answer, &call.contract, served.usage, validated.repaired);
                let record = self.call_record(fingerprint, call, CallOutcome::Answered(stored), journey.attempts);
                self.ledger.record(record).await.map_err(|error| Failure::ledger(&error))?;
                if validated.repaired {
                    self.tally.repaired();
                }
                Ok(answer)
            }
            Err(ends) => {
                let mut failure = failure_of(ends, self.exchange.as_ref(), models, self.settings.ceilings.run, self.tally.glance().2);
                failure.attempts = journey.requests;
                failure.cost = journey.cost;
                failure.model = last.map(|attempt| attempt.model_served.clone().unwrap_or_else(|| Arc::clone(&attempt.model_asked)));
                failure.provider = last.and_then(|attempt| attempt.provider.clone());
                self.note_unreachable(&mut failure);
                if !journey.attempts.is_empty() {
                    let outcome = CallOutcome::Failed { kind: failure.kind.name().into(), message: failure.message.to_string() };
                    let record = self.call_record(fingerprint, call, outcome, journey.attempts);
                    self.ledger.record(record).await.map_err(|error| Failure::ledger(&error))?;
                }
                Err(failure)
            }
        }
    }

    async fn travel(&self, call: &Call, models: &[String], journey: &mut Journey) -> Result<(Validated, Served), Ends> {
        loop {
            let model: Arc<str> = models[journey.course.model].as_str().into();
            let reading = self.attempt(call, models, &model, journey).await?;
            let served = Served {
                model: reading.model.clone().unwrap_or_else(|| Arc::clone(&model)),
                provider: reading.provider.clone(),
                usage: usage(&reading),
            };
            let fault = match reading.result {
                Ok(validated) => return Ok((validated, served)),
                Err(fault) => fault,
            };
            journey.course.count(&fault.class);
            let remedy = remedy(&fault, &journey.course, self.next_chance());
            if let Some(attempt) = journey.attempts.last_mut() {
                attempt.fault = Some(fault.class.name().into());
                attempt.message = Some(fault.message.chars().take(500).collect());
                attempt.remedy = Some(format!("{}: {}", remedy.step.name(), remedy.reason));
            }
            if let Step::GiveUp = remedy.step {
                return Err(Ends::Fault(fault));
            }
            self.tally.remedy(kind_of(&remedy.step));
            journey.rejected = reading.rejected.or(journey.rejected.take());
            journey.course.take(&remedy.step);
            self.remember(call, &journey.course, &remedy.step, fault.class == FaultClass::Truncated);
            if let Step::Retry { after } = remedy.step
                && !after.is_zero()
            {
                tokio::time::sleep(after).await;
            }
        }
    }

    /// One request, from the gate to the tally.
    async fn attempt(&self, call: &Call, models: &[String], model: &Arc<str>, journey: &mut Journey) -> Result<Reading, Ends> {
        let course = &journey.course;
        let ignored = self.slugs.of(&course.ignored, self.exchange.as_ref()).await;
        let speech = Speech::of(self.exchange.as_ref());
        let turn = Turn { course, rejected: journey.rejected.as_deref(), ignored: &ignored, speech };
        let body = self.composer.body(call, &self.settings, &self.routes_of(models), &turn);
        let pricing = self.prices.read().get(model).copied();
        let at_most = compose::at_most(call, course.max_tokens, pricing.as_ref());
        let permit = tokio::select! {
            biased;
            () = journey.abandoned.cancelled() => return Err(Ends::Denied(Denied::Stopped)),
            permit = self.gate.enter(model, at_most) => permit.map_err(Ends::Denied)?,
        };
        let started_ms = self.clock.epoch_ms();
        let started = self.clock.elapsed();
        let timeout = self.settings.deadlines.request;
        let reply = self.exchange.exchange(Request::post("chat/completions", body, timeout)).await;
        let reading = read(reply, &call.contract, course.strategy, &call.origin.operator);
        let used = usage(&reading);
        let (cost, cost_source) = self.price(&reading, call, pricing.as_ref(), used);
        permit.finish(ending(&reading), cost.unwrap_or_default());
        if !matches!(&reading.result, Err(fault) if fault.class == FaultClass::Unreachable) {
            self.reached.store(true, Ordering::Relaxed);
            self.unreachable_in_a_row.store(0, Ordering::Relaxed);
        }
        self.tally.request(used, cost);
        journey.requests += 1;
        journey.cost += cost.unwrap_or_default();
        journey.attempts.push(AttemptRecord {
            started_ms,
            duration_ms: u64::try_from(self.clock.elapsed().saturating_sub(started).as_millis()).unwrap_or(u64::MAX),
            model_asked: Arc::clone(model),
            model_served: reading.model.clone(),
            provider: reading.provider.clone(),
            strategy: course.strategy.name().into(),
            http_status: reading.status,
            fault: None,
            message: None,
            remedy: None,
            usage: used,
            cost: cost.unwrap_or_default(),
            cost_source,
            generation_id: reading.generation_id.clone(),
            byok: reading.usage.is_byok.unwrap_or(false),
            ..AttemptRecord::default()
        });
        Ok(reading)
    }

    /// `usage.cost` where it is told, else tokens times the catalog's price, the tokens estimated where they are not told
    /// either. A fault without usage costs nothing.
    fn price(&self, reading: &Reading, call: &Call, pricing: Option<&Pricing>, used: Usage) -> (Option<Usd>, CostSource) {
        if !self.exchange.routes() {
            return (Some(Usd::ZERO), CostSource::Reported);
        }
        if let Some(cost) = reading.cost() {
            return (Some(cost), CostSource::Reported);
        }
        let (prompt, answer) = match (&reading.result, used.prompt_tokens + used.completion_tokens) {
            (Err(_), 0) => return (Some(Usd::ZERO), CostSource::Unknown),
            (Ok(validated), 0) => {
                let prompt = estimated_tokens(&call.system) + estimated_tokens(&call.user);
                (prompt, estimated_tokens(&validated.value.to_string()))
            }
            _ => (used.prompt_tokens, used.completion_tokens),
        };
        match pricing.and_then(|pricing| pricing.cost(prompt, answer)) {
            Some(cost) => (Some(cost), CostSource::Estimated),
            None => (None, CostSource::Unknown),
        }
    }

    fn start(&self, call: &Call, models: &[String]) -> Course {
        let limits = compose::limits(call, &self.settings.request, models.len(), Speech::of(self.exchange.as_ref()));
        let mut course = Course::new(&limits);
        if let Some(quirk) = self.quirks.lock().get(&quirk_key(call, 0)) {
            course.without_temperature = quirk.without_temperature;
            course.strategy = quirk.strategy.unwrap_or(course.strategy);
            course.ignored.clone_from(&quirk.ignored);
            course.max_tokens = course.max_tokens.max(quirk.max_tokens.min(course.max_tokens_cap()));
        }
        course
    }

    /// Keeps what the first model was found not to take. A provider that refused a schema stays out for this schema.
    fn remember(&self, call: &Call, course: &Course, step: &Step, cut: bool) {
        if course.model != 0 {
            return;
        }
        let mut quirks = self.quirks.lock();
        match step {
            Step::MaxTokens(tokens) if cut => {
                let quirk = quirks.entry(quirk_key(call, 0)).or_default();
                quirk.max_tokens = quirk.max_tokens.max(*tokens);
            }
            Step::AllowProviders => quirks.entry(quirk_key(call, 0)).or_default().ignored.clear(),
            Step::DropTemperature => quirks.entry(quirk_key(call, 0)).or_default().without_temperature = true,
            Step::NextStrategy(strategy) if !course.corrected => quirks.entry(quirk_key(call, 0)).or_default().strategy = Some(*strategy),
            Step::IgnoreProvider(provider)
                if course.strategy != corsac_policy::Strategy::Text && course.repeats <= 1 && !course.corrected =>
            {
                let ignored = &mut quirks.entry(quirk_key(call, 0)).or_default().ignored;
                if ignored.len() < 2 && !ignored.contains(provider) {
                    ignored.push(provider.clone());
                }
            }
            _ => {}
        }
    }

    /// A service that was never reached will not be reached by the next row either.
    fn note_unreachable(&self, failure: &mut Failure) {
        if failure.kind == FailureKind::Unreachable {
            let in_a_row = self.unreachable_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if !self.reached.load(Ordering::Relaxed) || in_a_row >= UNREACHABLE_CALLS {
                failure.kind = FailureKind::Offline;
                failure.message = format!(
                    "{}. Check the network, and OPENROUTER_BASE_URL if you set it (asked: {}); run again to go on",
                    failure.message.trim_end_matches('.'),
                    self.exchange.address()
                )
                .into();
            }
        }
    }

    fn stored(&self, answer: &Answer, contract: &Contract, usage: Usage, repaired: bool) -> StoredAnswer {
        let body = match (contract, answer.value.as_ref()) {
            (Contract::Text, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        };
        StoredAnswer {
            body,
            model: Arc::clone(&answer.model),
            provider: answer.provider.clone(),
            cost: answer.cost,
            usage,
            created_ms: self.clock.epoch_ms(),
            repaired,
        }
    }

    fn call_record(&self, fingerprint: Fingerprint, call: &Call, outcome: CallOutcome, attempts: Vec<AttemptRecord>) -> CallRecord {
        CallRecord {
            run: call.origin.run.clone(),
            fingerprint,
            operator: Arc::clone(&call.origin.operator),
            row: call.origin.row,
            input: call.user.clone(),
            schema: match &call.contract {
                Contract::Text => None,
                Contract::Json(schema) => Some(Fingerprint::of([schema.fingerprint_text().as_bytes()])),
            },
            outcome,
            attempts,
        }
    }

    /// A number in 0..1 from a fixed sequence (splitmix64), so that a run's waits can be repeated.
    fn next_chance(&self) -> f64 {
        let mut z = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[async_trait]
impl Ask for Dispatcher {
    async fn ask(&self, call: Call) -> Outcome {
        self.ask_unless(call, CancellationToken::new()).await
    }

    fn window(&self) -> usize {
        self.exchange.window()
    }
}

/// What one call has gathered on its way.
struct Journey {
    course: Course,
    attempts: Vec<AttemptRecord>,
    rejected: Option<String>,
    requests: u32,
    cost: Usd,
    /// Whether the caller went away.
    abandoned: CancellationToken,
}

/// Who gave the answer.
struct Served {
    model: Arc<str>,
    provider: Option<Arc<str>>,
    usage: Usage,
}

fn usage(reading: &Reading) -> Usage {
    Usage {
        prompt_tokens: reading.usage.prompt_tokens,
        completion_tokens: reading.usage.completion_tokens,
        cached_tokens: reading.usage.cached_tokens(),
        reasoning_tokens: reading.usage.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0),
        ..Usage::default()
    }
}

fn ending(reading: &Reading) -> Ending {
    match &reading.result {
        Err(fault) if fault.class.is_rate_limit() => Ending::RateLimited { come_back: fault.come_back },
        Err(fault) if fault.class == FaultClass::Unreachable => Ending::Lost,
        _ => Ending::Served,
    }
}

/// Remedies counted together in the report.
fn kind_of(step: &Step) -> String {
    match step {
        Step::Retry { .. } => "retried".to_owned(),
        Step::AskAgain(_) => "re-asked".to_owned(),
        Step::MaxTokens(_) => "resized".to_owned(),
        other => other.name(),
    }
}

/// Quirks are kept per model and schema: a provider that refused one schema may take another.
fn quirk_key(call: &Call, model: usize) -> (usize, Fingerprint) {
    let contract = match &call.contract {
        Contract::Text => "",
        Contract::Json(schema) => schema.fingerprint_text(),
    };
    let named = call.settings.model.as_deref().unwrap_or_default();
    (model, Fingerprint::of([contract.as_bytes(), named.as_bytes()]))
}
