//! A call's way to its answer: admit, exchange, read, remedy, until there is an answer or nothing is left to try; then
//! record, and only then release.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corsac_ledger::{AttemptRecord, CallOutcome, CostSource, Fingerprint, Usage};
use corsac_policy::{Course, Ending, Fault, FaultClass, Step, estimated_tokens, remedy};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::compose::{self, Draft, Speech};
use crate::exchange::Request;
use crate::failure::{Ends, failure_of};
use crate::gate::{Asked, Denied, Ended, is_free};
use crate::lane::Health;
use crate::outlook::Outlook;
use crate::purse::Slips;
use crate::read::{Reading, Validated};
use crate::record::{answer_text, call_record, failed_outcome, stored, usage};
use crate::stream::{Listener, Sense};
use crate::{Answer, Call, Contract, Dispatcher, Failure, FailureKind, Outcome, Route, Source, trace};

/// After so many calls in a row without a connection, the rest need not try.
const UNREACHABLE_CALLS: u32 = 64;

/// A limit counts over a minute when it is over after a time between these.
const MINUTE_LEFT: Duration = Duration::from_secs(12);
const MINUTE: Duration = Duration::from_secs(60);

/// What one call has gathered on its way.
pub(crate) struct Journey {
    pub(crate) course: Course,
    pub(crate) outlooks: Vec<Arc<Outlook>>,
    pub(crate) attempts: Vec<AttemptRecord>,
    pub(crate) rejected: Option<String>,
    pub(crate) requests: u32,
    /// How often the call was sent elsewhere because a model was down.
    pub(crate) dodges: usize,
    pub(crate) cost: Usd,
    /// When the first request started.
    pub(crate) started: Option<Duration>,
    /// Whether the caller went away.
    pub(crate) abandoned: CancellationToken,
}

/// A call on its way, and who waits for it.
#[derive(Clone, Copy)]
pub(crate) struct Quest<'a> {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) routes: &'a [Route],
    pub(crate) call: &'a Call,
    pub(crate) abandoned: &'a CancellationToken,
    pub(crate) listener: &'a Listener,
}

impl Journey {
    /// The answer that it came to.
    pub(crate) fn answer(&self, value: Value, served: Served) -> Answer {
        Answer {
            value: Arc::new(value),
            model: served.model,
            provider: served.provider,
            cost: self.cost,
            attempts: self.requests,
            source: Source::Asked,
            usage: served.usage,
        }
    }
}

/// Who gave the answer.
pub(crate) struct Served {
    pub(crate) model: Arc<str>,
    pub(crate) provider: Option<Arc<str>>,
    pub(crate) usage: Usage,
}

impl Dispatcher {
    /// Asks until there is an answer or nothing is left to try; records what happened; only then lets the answer go.
    pub(crate) async fn ask_model(&self, quest: Quest<'_>) -> Outcome {
        let Quest { fingerprint, routes, call, abandoned, listener } = quest;
        let mut journey = match self.set_out(call, routes, abandoned).await {
            Ok(journey) => journey,
            Err(failure) => {
                self.note_unasked(fingerprint, call, &failure);
                return Err(failure);
            }
        };
        let result = self.travel_in_time(call, routes, &mut journey, listener).await;
        match result {
            Ok((validated, served)) => {
                let usage = served.usage;
                let answer = journey.answer(validated.value, served);
                let kept = stored(&answer, &call.contract, usage, validated.repaired, self.clock.epoch_ms());
                let record = call_record(fingerprint, call, CallOutcome::Answered(kept), journey.attempts);
                self.ledger.record(record).await.map_err(|error| Failure::ledger(&error))?;
                if validated.repaired {
                    self.tally.repaired();
                }
                Ok(answer)
            }
            Err(ends) => {
                let failure = self.failed(ends, call, routes, &journey);
                if journey.attempts.is_empty() {
                    self.note_unasked(fingerprint, call, &failure);
                } else {
                    let record = call_record(fingerprint, call, failed_outcome(&failure), journey.attempts);
                    self.ledger.record(record).await.map_err(|error| Failure::ledger(&error))?;
                }
                Err(failure)
            }
        }
    }

    /// Keeps that a call failed before anything was sent for it. One that was only not wanted any more is no failure.
    pub(crate) fn note_unasked(&self, fingerprint: Fingerprint, call: &Call, failure: &Failure) {
        if failure.kind != FailureKind::Interrupted {
            self.ledger.note(call_record(fingerprint, call, failed_outcome(failure), Vec::new()));
        }
    }

    /// The failure a person reads, with what the journey came to.
    pub(crate) fn failed(&self, ends: Ends, call: &Call, routes: &[Route], journey: &Journey) -> Failure {
        let door = self.doors.get(routes[journey.course.route].door).or(self.doors.first());
        let address = door.map(|door| door.exchange.address()).unwrap_or_default();
        let last = journey.attempts.last();
        let mut failure = failure_of(ends, &address, routes, self.settings.ceilings.run, self.tally.glance().2);
        failure.attempts = journey.requests;
        failure.cost = journey.cost;
        failure.model = last.map(|attempt| attempt.model_served.clone().unwrap_or_else(|| Arc::clone(&attempt.model_asked)));
        failure.provider = last.and_then(|attempt| attempt.provider.clone());
        failure.status = last.and_then(|attempt| attempt.http_status);
        self.note_unreachable(&mut failure, &address);
        self.note_denied(&mut failure, call, routes);
        failure
    }

    /// Plans the call for each of its routes.
    pub(crate) async fn set_out(&self, call: &Call, routes: &[Route], abandoned: &CancellationToken) -> Result<Journey, Failure> {
        let mut outlooks = Vec::with_capacity(routes.len());
        let tokens = compose::prompt_tokens(call);
        for route in routes {
            outlooks.push(self.outlook(call, route).await.for_prompt(&route.model, tokens));
        }
        let speech = self.speech(&routes[0]);
        let measured = self.measured(call, &routes[0].model);
        let limits =
            compose::limits(call, &self.settings.request_for(&call.settings, &routes[0]), self.hops(routes, &outlooks), speech, measured);
        if let Some(failure) = Outlook::nobody(&outlooks, tokens) {
            return Err(failure);
        }
        let mut course = Course::new(&limits);
        // what cannot be, or is down, is not where a call begins as long as there is something better
        let better = (0..routes.len()).find(|place| outlooks[*place].is_possible() && !self.gate.avoids(&routes[*place]));
        let possible = (0..routes.len()).find(|place| outlooks[*place].is_possible());
        if let Some(place) = better.or(possible).filter(|place| *place != 0) {
            course.take(&Step::NextRoute(place));
        }
        Ok(Journey {
            course,
            outlooks,
            attempts: Vec::new(),
            rejected: None,
            requests: 0,
            dodges: 0,
            cost: Usd::ZERO,
            started: None,
            abandoned: abandoned.clone(),
        })
    }

    pub(crate) async fn travel_in_time(
        &self,
        call: &Call,
        routes: &[Route],
        journey: &mut Journey,
        listener: &Listener,
    ) -> Result<(Validated, Served), Ends> {
        let deadline = call.settings.timeout.unwrap_or(self.settings.deadlines.call);
        match tokio::time::timeout(deadline, self.travel(call, routes, journey, listener)).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("no answer within {} s over all attempts", deadline.as_secs_f64());
                Err(Ends::Fault(Fault::new(FaultClass::Timeout, text)))
            }
        }
    }

    async fn travel(&self, call: &Call, routes: &[Route], journey: &mut Journey, listener: &Listener) -> Result<(Validated, Served), Ends> {
        loop {
            let place = journey.course.route;
            let route = &routes[place];
            let model: Arc<str> = match route.model.strip_suffix(":free") {
                Some(paid) if journey.course.paid => paid.into(),
                _ => Arc::clone(&route.model),
            };
            let reading = match self.attempt(call, routes, &model, journey, listener).await {
                Err(Ends::Denied(Denied::Down)) if self.dodge(routes, journey) => continue,
                result => result?,
            };
            let served = Served {
                model: reading.model.clone().unwrap_or_else(|| Arc::clone(&model)),
                provider: reading.provider.clone(),
                usage: usage(&reading),
            };
            let fault = match reading.result {
                Ok(validated) => {
                    self.standing.answered(call, routes);
                    self.lessons.served(call, &model, reading.provider.as_deref(), journey.course.strategy);
                    if place != 0 {
                        let lost = journey.started.map_or(Duration::ZERO, |started| self.lost(started, journey));
                        self.tally.detour(&served.model, lost);
                    }
                    return Ok((validated, served));
                }
                Err(fault) => fault,
            };
            journey.course.count(&fault.class);
            let avoids = |place: usize| !journey.outlooks[place].is_possible() || self.gate.avoids(&routes[place]);
            journey.course.others_answered = self.standing.has_answered(call, routes);
            let mut remedy = remedy(&fault, &journey.course, self.next_chance(), &avoids);
            if listener.was_told() {
                // what was handed out cannot be taken back
                (remedy.step, remedy.reason) = (Step::GiveUp, "part of the answer was delivered already".to_owned());
            }
            if let Some(attempt) = journey.attempts.last_mut() {
                attempt.fault = Some(fault.class.name().into());
                attempt.message = Some(fault.message.chars().take(500).collect());
                let step = match &remedy.step {
                    Step::NextRoute(place) => format!("next: {}", routes[*place].model),
                    other => other.name(),
                };
                attempt.remedy = Some(format!("{step}: {}", remedy.reason));
            }
            if let Step::GiveUp = remedy.step {
                return Err(Ends::Fault(fault));
            }
            self.tally.remedy(kind_of(&remedy.step, routes));
            journey.rejected = reading.rejected.or(journey.rejected.take());
            if let Some(lesson) = &remedy.lesson {
                self.lessons.learn(&self.ledger, self.clock.epoch_ms(), call, &model, lesson, &fault.message);
            }
            journey.course.take(&remedy.step);
            if let Step::Retry { after } = remedy.step
                && !after.is_zero()
            {
                tokio::time::sleep(after).await;
            }
        }
    }

    /// Goes on at another route because this one is down. After every route was, the next is waited for.
    fn dodge(&self, routes: &[Route], journey: &mut Journey) -> bool {
        if routes.len() < 2 || journey.dodges > routes.len() {
            return false;
        }
        journey.dodges += 1;
        let here = journey.course.route;
        let fit = |place: &usize| *place != here && journey.outlooks[*place].is_possible();
        let up = (0..routes.len()).filter(fit).find(|place| !self.gate.avoids(&routes[*place]));
        match up.or_else(|| (0..routes.len()).find(fit)) {
            Some(place) => {
                journey.course.take(&Step::NextRoute(place));
                true
            }
            None => false,
        }
    }

    pub(crate) fn speech(&self, route: &Route) -> Speech {
        self.doors.get(route.door).map_or(Speech::OpenRouter, |door| Speech::of(door.exchange.as_ref()))
    }

    /// The time that went by before the request that was answered started.
    fn lost(&self, started: Duration, journey: &Journey) -> Duration {
        let last = journey.attempts.last().map_or(0, |attempt| attempt.duration_ms);
        self.clock.elapsed().saturating_sub(started).saturating_sub(Duration::from_millis(last))
    }

    /// One request, from the gate to the tally.
    async fn attempt(
        &self,
        call: &Call,
        routes: &[Route],
        model: &Arc<str>,
        journey: &mut Journey,
        listener: &Listener,
    ) -> Result<Reading, Ends> {
        let course = &journey.course;
        let place = course.route;
        let (route, outlook) = (&routes[place], &journey.outlooks[place]);
        let Some(door) = self.doors.get(route.door) else { return Err(Ends::Denied(Denied::Stopped)) };
        let ignored = self.left_out(route, course, outlook).await;
        // fallbacks behind the same door are tried by the service itself, without another way there and back
        let speech = self.speech(route);
        let mut fallbacks = compose::fallbacks(&self.settings, routes, place, speech);
        let is_possible =
            |model: &str| routes.iter().zip(&journey.outlooks).any(|(route, outlook)| *route.model == *model && outlook.is_possible());
        fallbacks.retain(|model| is_possible(model));
        let draft = Draft {
            course,
            route,
            model,
            fallbacks: &fallbacks,
            rejected: journey.rejected.as_deref(),
            ignored: &ignored,
            speech,
            streams: listener.listens(),
        };
        let body = self.composer.body(call, &self.settings, &draft);
        let pricing = self.prices.read().get(model).copied().or(outlook.pricing);
        let at_most = compose::at_most(call, course.max_tokens, pricing.as_ref());
        let asked = Asked {
            route,
            window: door.exchange.window(),
            pace: self.settings.pace_of(route),
            has_others: routes.len() > 1,
            insists: journey.dodges >= routes.len(),
            caller: caller(call),
            at_most,
            tokens: compose::prompt_tokens(call) + u64::from(course.max_tokens),
        };
        let costs = door.exchange.engine() != "local";
        let leave = async {
            let slips = if costs { self.purses.reserve(door.key_label.as_ref(), at_most).await? } else { Slips::default() };
            Ok((slips, self.gate.enter(asked).await.map_err(Ends::Denied)?))
        };
        let (slips, permit) = tokio::select! {
            biased;
            () = journey.abandoned.cancelled() => return Err(Ends::Denied(Denied::Stopped)),
            leave = leave => leave?,
        };
        let started_ms = self.clock.epoch_ms();
        let started = self.clock.elapsed();
        journey.started.get_or_insert(started);
        let deadlines = &self.settings.deadlines;
        let path = if matches!(call.contract, Contract::Embedding { .. }) { "embeddings" } else { "chat/completions" };
        let request = Request::post(path, body, self.settings.timeout_of(route)).first_byte(deadlines.first_byte);
        let temperature = call.settings.temperature.or(self.settings.request_for(&call.settings, route).temperature);
        let span = trace::span(call, model, course.max_tokens, temperature, door, &self.settings);
        let sense = Sense { deadlines, call, strategy: course.strategy, now_ms: self.clock.epoch_ms() };
        let reading = listener.hear(door, request, sense).instrument(span.clone()).await;
        let used = usage(&reading);
        let (cost, cost_source) = self.price(&reading, call, pricing.as_ref(), used, door).await;
        trace::close(&span, call, &reading, cost, &self.settings);
        let holds = slips.holds();
        slips.settle(charged(cost, &reading));
        let rests = self.settle_scopes(&reading, route, outlook);
        let tokens = (used.prompt_tokens + used.completion_tokens > 0).then_some(used.prompt_tokens + used.completion_tokens);
        permit.finish(Ended {
            ending: rests,
            health: health(&reading),
            cost: cost.unwrap_or_default(),
            tokens,
            named_limit: named_limit(&reading),
        });
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
            upstream_cost: reading.usage.upstream_inference_cost(),
            key_label: door.key_label.clone(),
            holds,
            route_asked: (routes.len() > 1).then(|| format!("{}. {model} at {}", place + 1, door.exchange.address()).into()),
            ..AttemptRecord::default()
        });
        Ok(reading)
    }

    /// The slugs of providers that must not serve this request: those a remedy left out, those the plan leaves out, and
    /// those that rest, as long as somebody remains.
    async fn left_out(&self, route: &Route, course: &Course, outlook: &Outlook) -> Vec<String> {
        let Some(door) = self.doors.get(route.door) else { return Vec::new() };
        if !door.exchange.routes() {
            return Vec::new();
        }
        let mut slugs = outlook.ignore.clone();
        for name in &course.ignored {
            let slug = door.atlas.slug(name).await;
            if !slugs.contains(&slug) {
                slugs.push(slug);
            }
        }
        if let Some(providers) = outlook.providers {
            for name in self.gate.hot_providers(route) {
                let slug = door.atlas.slug(&name).await;
                if slugs.len() + 1 < usize::from(providers) && !slugs.contains(&slug) {
                    slugs.push(slug);
                }
            }
        }
        slugs
    }

    /// What a limit means for the scopes it was met in; the rest is the pace of the route.
    fn settle_scopes(&self, reading: &Reading, route: &Route, outlook: &Outlook) -> Ending {
        let Err(fault) = &reading.result else { return Ending::Served };
        match (&fault.class, &fault.provider) {
            (FaultClass::DailyQuota, _) => {
                let wait = fault.come_back.unwrap_or_else(|| until_midnight(self.clock.epoch_ms()));
                if is_free(&route.model) {
                    self.gate.free_is_spent(route.door, wait);
                }
                Ending::Lost
            }
            (FaultClass::UpstreamRateLimited, Some(provider)) if outlook.providers.is_some_and(|providers| providers > 1) => {
                self.gate.provider_is_hot(route, provider, fault.come_back);
                Ending::Lost
            }
            (class, _) if class.is_rate_limit() => Ending::RateLimited { come_back: fault.come_back },
            (FaultClass::Unreachable, _) => Ending::Lost,
            _ => Ending::Served,
        }
    }

    /// `usage.cost` where it is told, else what the service's books say, else tokens times the catalog's price, the tokens
    /// estimated where they are not told either. A fault without usage costs nothing.
    async fn price(
        &self,
        reading: &Reading,
        call: &Call,
        pricing: Option<&Pricing>,
        used: Usage,
        door: &crate::door::OpenDoor,
    ) -> (Option<Usd>, CostSource) {
        if door.exchange.engine() == "local" {
            return (Some(Usd::ZERO), CostSource::Reported);
        }
        if let Some(cost) = reading.cost() {
            return (Some(cost), CostSource::Reported);
        }
        let billed = reading.result.is_ok() || reading.was_cut;
        if let (true, Some(id)) = (billed, &reading.generation_id)
            && let Some(cost) = door.bill(id).await
        {
            return (Some(cost), CostSource::Reported);
        }
        let (prompt, answer) = match (&reading.result, used.prompt_tokens + used.completion_tokens) {
            (Err(_), 0) => return (Some(Usd::ZERO), CostSource::Unknown),
            (Ok(validated), 0) => (compose::prompt_tokens(call), estimated_tokens(&answer_text(validated))),
            _ => (used.prompt_tokens, used.completion_tokens),
        };
        match pricing.and_then(|pricing| pricing.cost(prompt, answer)) {
            Some(cost) => (Some(cost), CostSource::Estimated),
            None => (None, CostSource::Unknown),
        }
    }

    /// What would stop the run is held against one row where rows like it were answered.
    fn note_denied(&self, failure: &mut Failure, call: &Call, routes: &[Route]) {
        let of_all = matches!(failure.kind, FailureKind::NoSuchModel | FailureKind::Unauthorized);
        if of_all && failure.attempts > 0 && self.standing.denied_alone(call, routes) {
            failure.kind = FailureKind::Refused;
            failure.message =
                format!("{}. Other rows were answered, so only this one is given up", failure.message.trim_end_matches('.')).into();
        }
    }

    /// A service that was never reached will not be reached by the next row either.
    fn note_unreachable(&self, failure: &mut Failure, address: &str) {
        if failure.kind == FailureKind::Unreachable {
            let in_a_row = self.unreachable_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
            if !self.reached.load(Ordering::Relaxed) || in_a_row >= UNREACHABLE_CALLS {
                failure.kind = FailureKind::Offline;
                failure.message = format!(
                    "{}. Check the network, and OPENROUTER_BASE_URL if you set it (asked: {address}); run again to go on",
                    failure.message.trim_end_matches('.'),
                )
                .into();
            }
        }
    }
}

/// What left the user's purse: with a provider key of their own, the provider's bill as well.
fn charged(cost: Option<Usd>, reading: &Reading) -> Usd {
    let own = reading.usage.upstream_inference_cost().filter(|_| reading.usage.is_byok == Some(true));
    cost.unwrap_or_default() + own.unwrap_or_default()
}

/// The requests a minute that a refusal names. The header does not say what span it counts: a limit that is over within
/// seconds counts over less than a minute, one that lasts longer counts a day.
fn named_limit(reading: &Reading) -> Option<u64> {
    let fault = reading.result.as_ref().err()?;
    let of_a_minute = fault.come_back.is_some_and(|wait| (MINUTE_LEFT..=MINUTE).contains(&wait));
    let ours = matches!(fault.class, FaultClass::RateLimited | FaultClass::FreeRateLimited);
    fault.advice.as_ref()?.limit.filter(|_| ours && of_a_minute)
}

/// Calls of one operator of one run are one caller; they take turns with others.
fn caller(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    (call.origin.run.as_str(), &*call.origin.operator).hash(&mut hasher);
    hasher.finish()
}

/// What a reply says about whether the model is up.
fn health(reading: &Reading) -> Health {
    match &reading.result {
        Ok(_) => Health::Up,
        Err(fault) => match fault.class {
            FaultClass::Overloaded
            | FaultClass::ServerError
            | FaultClass::Timeout
            | FaultClass::Unreachable
            | FaultClass::Cut
            | FaultClass::Garbled
            | FaultClass::NotTheService => Health::Down,
            ref class if class.is_rate_limit() => Health::Unknown,
            FaultClass::Unauthorized | FaultClass::OutOfCredits | FaultClass::Empty => Health::Unknown,
            _ => Health::Up,
        },
    }
}

/// Free requests are counted by UTC days.
fn until_midnight(now_ms: i64) -> Duration {
    const DAY_MS: i64 = 86_400_000;
    Duration::from_millis(u64::try_from(DAY_MS - now_ms.rem_euclid(DAY_MS)).unwrap_or(0))
}

/// Remedies counted together in the report.
fn kind_of(step: &Step, routes: &[Route]) -> String {
    match step {
        Step::Retry { .. } => "retried".to_owned(),
        Step::AskAgain(_) => "re-asked".to_owned(),
        Step::MaxTokens(_) => "resized".to_owned(),
        Step::NextRoute(place) => format!("next: {}", routes[*place].model),
        other => other.name(),
    }
}
