//! `corsac doctor`: is everything there, does it work, and what to do where it does not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corsac_dispatch::{
    Call, CallSettings, Catalog, Clock, Contract, Dispatcher, Door, Exchange, HttpExchange, HttpOptions, Origin, Outcome, Request, Route,
    Settings, SystemClock,
};
use corsac_ledger::{EndState, Ledger, RunEnd, RunId, RunStart};
use corsac_schema::Schema;
use corsac_wire::Usd;
use serde_json::Value;

use crate::args::{Doctor, EngineChoice};
use crate::engine::{self, Prepared};
use crate::exit::{Exit, Stop};
use crate::{home, screen};

const PATIENCE: Duration = Duration::from_secs(15);
/// Clocks that differ by less do no harm.
const CLOCK_TOLERANCE_MS: i64 = 30_000;

/// What became of the checks.
#[derive(Default)]
struct Findings {
    wrong: u32,
}

impl Findings {
    fn ok(&self, what: &str, found: impl AsRef<str>) {
        screen::result(&format!("ok    {what:<10} {}", found.as_ref()));
    }

    /// Not wrong, but worth knowing.
    fn note(&self, what: &str, found: impl AsRef<str>) {
        screen::result(&format!("note  {what:<10} {}", found.as_ref()));
    }

    fn wrong(&mut self, what: &str, found: impl AsRef<str>, to_do: impl AsRef<str>) {
        self.wrong += 1;
        screen::result(&format!("WRONG {what:<10} {}", found.as_ref()));
        screen::result(&format!("      {:<10} → {}", "", to_do.as_ref()));
    }
}

pub(crate) async fn run(arguments: Doctor) -> Result<Exit, Stop> {
    let mut findings = Findings::default();
    let mut prepared = match engine::prepare(&arguments.asking) {
        Ok(prepared) => prepared,
        Err(stop) => {
            findings.wrong("config", &stop.message, "mend it; docs/configuration.md lists every setting");
            return Ok(stop.exit);
        }
    };
    let file = prepared.config.path.as_ref().map_or("no corsac.toml; the defaults hold".to_owned(), |path| path.display().to_string());
    findings.ok("config", file);
    let ledger = match home::ledger() {
        Ok(ledger) => ledger,
        Err(stop) => {
            findings.wrong("ledger", &stop.message, "set CORSAC_HOME to a folder that can be written");
            return Ok(stop.exit);
        }
    };
    findings.ok("ledger", ledger.path().display().to_string());
    if !key(&prepared, &mut findings) {
        return Ok(Exit::Configuration);
    }
    if let Err(stop) = prepared.price(true).await {
        findings.wrong("model", &stop.message, "name a model of the catalog: `corsac models list --search …`");
        return Ok(stop.exit);
    }
    let doors = match prepared.open_doors().await {
        Ok(doors) => doors,
        Err(stop) => {
            findings.wrong("engine", &stop.message, "put this right and run `corsac doctor` again");
            return Ok(stop.exit);
        }
    };
    let first = Arc::clone(&doors[0].exchange);
    let reached = service(first.as_ref(), &mut findings).await;
    if reached {
        models(&prepared, &doors, &ledger, &mut findings).await;
    }
    if arguments.no_call {
        findings.note("call", "not tried (--no-call)");
    } else if reached || !first.routes() {
        calls(&prepared, &doors, &ledger, &mut findings).await?;
    }
    if findings.wrong == 0 {
        screen::result("all is well");
        Ok(Exit::Done)
    } else {
        screen::result(&format!(
            "{} to mend",
            if findings.wrong == 1 { "one thing".to_owned() } else { format!("{} things", findings.wrong) }
        ));
        Ok(Exit::Failure)
    }
}

fn key(prepared: &Prepared, findings: &mut Findings) -> bool {
    match (prepared.choice, prepared.key_origin()) {
        (EngineChoice::Local, _) => {
            findings.note(
                "key",
                "none is used: the small embedded model answers. For better answers set OPENROUTER_API_KEY (keys: https://openrouter.ai/settings/keys)",
            );
            true
        }
        (EngineChoice::Sim, _) => {
            findings.note("key", "none is used: the simulator answers");
            true
        }
        (EngineChoice::Openrouter, Some(origin)) => {
            findings.ok("key", format!("found in {origin} ({})", prepared.doors[0].key_label()));
            true
        }
        (EngineChoice::Openrouter, None) if prepared.doors[0].key.is_some() => {
            findings.ok("key", format!("of this model ({})", prepared.doors[0].key_label()));
            true
        }
        (EngineChoice::Openrouter, None)
            if prepared.doors[0].base_url.trim_end_matches('/') != corsac_dispatch::config::DEFAULT_BASE_URL =>
        {
            findings.note("key", "none; the server may not need one");
            true
        }
        (EngineChoice::Openrouter, None) => {
            findings.wrong(
                "key",
                "there is none",
                "set OPENROUTER_API_KEY in the environment or in a .env file; keys are made at https://openrouter.ai/settings/keys",
            );
            false
        }
    }
}

/// What the service says of the key, the account and the time.
async fn service(exchange: &dyn Exchange, findings: &mut Findings) -> bool {
    if !exchange.routes() {
        findings.ok("engine", exchange.address());
        return false;
    }
    let reply = match exchange.exchange(Request::get("key", PATIENCE)).await {
        Ok(reply) => reply,
        Err(error) => {
            findings.wrong(
                "service",
                format!("{}: {error}", exchange.address()),
                "check the network, and OPENROUTER_BASE_URL if it is set",
            );
            return false;
        }
    };
    findings.ok("service", exchange.address());
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let data = said.get("data").cloned().unwrap_or_default();
    match reply.status {
        200 => limits(&data, findings),
        401 => {
            let why = said.pointer("/error/message").and_then(Value::as_str).unwrap_or("it is not known");
            findings.wrong("limits", format!("the key was refused: {why}"), "make a new one at https://openrouter.ai/settings/keys");
            return false;
        }
        status => findings.note("limits", format!("this server does not tell (HTTP {status})")),
    }
    if let Some(date_ms) = reply.date_ms {
        let ahead_ms = SystemClock::new().epoch_ms() - date_ms;
        if ahead_ms.abs() > CLOCK_TOLERANCE_MS {
            let words = if ahead_ms > 0 { "ahead of" } else { "behind" };
            findings.wrong(
                "clock",
                format!("{} s {words} the service's", ahead_ms.abs() / 1_000),
                "set the machine's clock: the times at which limits reset are read by it",
            );
        } else {
            findings.ok("clock", "agrees with the service's");
        }
    }
    credits(exchange, findings).await;
    true
}

fn limits(data: &Value, findings: &mut Findings) {
    let dollars = |name: &str| data.get(name).and_then(|value| serde_json::from_value::<Usd>(value.clone()).ok());
    let mut words = Vec::new();
    match (dollars("limit"), dollars("limit_remaining")) {
        (Some(limit), Some(left)) => words.push(format!("{left} of {limit} left")),
        (Some(limit), None) => words.push(format!("limit {limit}")),
        _ => words.push("no limit of its own".to_owned()),
    }
    words.extend(dollars("usage_daily").map(|today| format!("{today} today")));
    words.extend(dollars("usage").map(|all| format!("{all} in all")));
    if data.get("is_free_tier").and_then(Value::as_bool) == Some(true) {
        words.push("free tier".to_owned());
    }
    if let Some(free) = data.get("free_model_daily_requests").filter(|free| free.is_object()) {
        let count = |name: &str| free.get(name).and_then(Value::as_u64).map_or("?".to_owned(), |count| count.to_string());
        words.push(format!("{} of {} free requests left today", count("remaining"), count("limit")));
    }
    let spent = dollars("limit_remaining").is_some_and(|left| left <= Usd::ZERO);
    if spent {
        findings.wrong("limits", words.join(", "), "raise the key's limit at https://openrouter.ai/settings/keys, or use another key");
    } else if data.get("is_management_key").or_else(|| data.get("is_provisioning_key")).and_then(Value::as_bool) == Some(true) {
        findings.wrong("limits", "this is a management key, which cannot ask models", "use an ordinary key for OPENROUTER_API_KEY");
    } else {
        findings.ok("limits", words.join(", "));
    }
}

async fn credits(exchange: &dyn Exchange, findings: &mut Findings) {
    let Ok(reply) = exchange.exchange(Request::get("credits", PATIENCE)).await else { return };
    let said: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let dollars = |path: &str| said.pointer(path).and_then(|value| serde_json::from_value::<Usd>(value.clone()).ok());
    match (reply.status, dollars("/data/total_credits"), dollars("/data/total_usage")) {
        (200, Some(bought), Some(used)) if bought - used <= Usd::ZERO => {
            findings.wrong("credits", format!("{used} of {bought} used"), "add credits at https://openrouter.ai/settings/credits");
        }
        (200, Some(bought), Some(used)) => findings.ok("credits", format!("{} left of {bought}", bought - used)),
        _ => findings.note("credits", "this key may not see the balance; only management keys do"),
    }
}

/// The models asked: are they listed, who serves them, how will structure be asked for.
async fn models(prepared: &Prepared, doors: &[Door], ledger: &Ledger, findings: &mut Findings) {
    match Catalog::fetch(doors[0].exchange.as_ref(), doors[0].exchange.has_key(), 0).await {
        Ok(catalog) => findings.ok("catalog", format!("{} models", catalog.models.len())),
        Err(error) => findings.note("catalog", format!("{error}; models are asked as they are written")),
    }
    let dispatcher = Dispatcher::over(doors.to_vec(), ledger.clone(), Arc::new(SystemClock::new()), prepared.settings.clone());
    prepared.teach(&dispatcher);
    for route in &prepared.settings.routes {
        let call = call(RunId::unrecorded(), Contract::Json(Schema::boolean("answer")), "?");
        let outlook = dispatcher.outlook(&call, route).await;
        match &outlook.impossible {
            Some(why) => {
                findings.wrong("model", format!("{}: {why}", route.model), "loosen the profile's provider settings or name another model")
            }
            None => findings.ok(
                "model",
                format!("{}{}", route.model, if outlook.why.is_empty() { String::new() } else { format!(": {}", outlook.why) }),
            ),
        }
    }
}

fn call(run: RunId, contract: Contract, question: &str) -> Call {
    Call {
        origin: Origin { run, operator: "doctor".into(), row: 0 },
        system: "".into(),
        user: question.to_owned(),
        contract,
        settings: Arc::new(CallSettings { max_tokens: Some(256), ..CallSettings::default() }),
    }
}

/// The three things that have to work: a call with its headers, failover, a module.
async fn calls(prepared: &Prepared, doors: &[Door], ledger: &Ledger, findings: &mut Findings) -> Result<(), Stop> {
    let run = ledger.start_run(RunStart {
        started_ms: SystemClock::new().epoch_ms(),
        command: "doctor".to_owned(),
        query: String::new(),
        settings: Value::Null,
        engine: doors[0].exchange.engine().to_owned(),
        model: prepared.settings.routes[0].model.to_string(),
        pid: std::process::id(),
    })?;
    // asked anew each time: an answer from memory proves nothing
    let mut settings = prepared.settings.clone();
    settings.memory.fresh = true;
    settings.deadlines.call = Duration::from_secs(120);
    let before = findings.wrong;
    let sent = prepared.http_options(0).ok().filter(|_| doors[0].exchange.routes() && prepared.choice == EngineChoice::Openrouter);
    let ask = async |settings: Settings, doors: Vec<Door>, contract: Contract, question: &str| -> (Outcome, Duration) {
        let started = Instant::now();
        let dispatcher = Arc::new(Dispatcher::over(doors, ledger.clone(), Arc::new(SystemClock::new()), settings));
        prepared.teach(&dispatcher);
        let outcome = Arc::clone(&dispatcher).ask_to_the_end(call(run.clone(), contract, question)).await;
        let took = started.elapsed();
        dispatcher.drain(PATIENCE).await;
        (outcome, took)
    };
    let (outcome, plain) = ask(settings.clone(), doors.to_vec(), Contract::Text, "Answer with the one word: ready").await;
    match &outcome {
        Ok(answer) => {
            let by = answer.provider.as_ref().map_or(String::new(), |provider| format!(" by {provider}"));
            findings.ok("call", format!("{}{by} answered in {:.1} s for {}", answer.model, plain.as_secs_f64(), answer.cost));
            for line in sent.as_ref().map(headers).unwrap_or_default() {
                findings.ok("headers", line);
            }
        }
        Err(failure) => findings.wrong("call", &failure.message, "put this right and run `corsac doctor` again"),
    }
    if outcome.is_ok() {
        failover(prepared, doors, &settings, plain, findings, &ask).await;
        let schema = Schema::from_text("reasoning string, answer string").map_err(|error| Stop::new(Exit::Failure, error.to_string()))?;
        let question = "Question: what does a web server do? Think first (reasoning), then answer in one short sentence (answer).";
        let (outcome, took) = ask(settings, doors.to_vec(), Contract::Json(schema), question).await;
        match outcome {
            Ok(answer) => {
                let text = answer.value.get("answer").and_then(Value::as_str).unwrap_or_default();
                let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
                findings.ok("module", format!("question -> reasoning, answer in {:.1} s: {text:?}", took.as_secs_f64()));
            }
            Err(failure) if !doors[0].exchange.routes() => findings.note("module", &failure.message),
            Err(failure) => {
                findings.wrong("module", &failure.message, "try structured_output_strategy = \"prefer_tools\", or another model")
            }
        }
    }
    let state = if findings.wrong == before { EndState::Completed } else { EndState::Failed };
    let end = RunEnd { ended_ms: SystemClock::new().epoch_ms(), state, rows: 0, note: None };
    Ok(ledger.finish_run(&run, end).await?)
}

/// A dead first address, then the real one.
async fn failover(
    prepared: &Prepared,
    doors: &[Door],
    settings: &Settings,
    plain: Duration,
    findings: &mut Findings,
    ask: &impl AsyncFn(Settings, Vec<Door>, Contract, &str) -> (Outcome, Duration),
) {
    let dead = HttpOptions {
        base_url: "http://127.0.0.1:1/api/v1".to_owned(),
        key: None,
        app: prepared.config.app.clone(),
        headers: Vec::new(),
        window: 8,
        connect: Duration::from_secs(10),
    };
    let Ok(dead) = HttpExchange::new(&dead) else { return };
    let mut settings = settings.clone();
    let first = settings.routes[0].clone();
    for route in &mut settings.routes {
        route.door += 1;
    }
    settings.routes.insert(0, Route { door: 0, ..first });
    let doors: Vec<Door> = std::iter::once(Door::new(Arc::new(dead))).chain(doors.iter().cloned()).collect();
    let (outcome, took) = ask(settings, doors, Contract::Text, "Answer with the one word: alive").await;
    match outcome {
        Ok(answer) => {
            let added = took.saturating_sub(plain).as_secs_f64();
            findings.ok("failover", format!("with the first address dead, {} answered, {added:.1} s later", answer.model));
        }
        Err(failure) => findings.wrong("failover", &failure.message, "run `corsac doctor` again; if it stays, it is a defect of Corsac"),
    }
    if prepared.settings.routes.len() < 2 {
        findings.note(
            "fallbacks",
            "there are none: name some with --fallback or `models = [...]` in a profile, so that an outage costs no row",
        );
    }
}

/// The headers that name the app, as they were sent.
fn headers(options: &HttpOptions) -> Vec<String> {
    let Ok(exchange) = HttpExchange::new(options) else { return Vec::new() };
    exchange.shown_headers().into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}
