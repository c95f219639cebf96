//! An engine opened by a program: the builder's way to calls, and the room that measured answers lead to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use corsac_dispatch::{
    Ask, Builder, Call, CallSettings, Contract, Dispatcher, DoorOptions, Engine, Exchange, ExchangeError, InProcess, InProcessDoor,
    OpenError, Opening, Origin, Questions, RawReply, Request, Settings, VirtualClock, forecast,
};
use corsac_ledger::{Ledger, RunId, RunStart};
use corsac_sim::{SimConfig, SimExchange, Simulator, listen, serve};
use corsac_wire::Usd;
use corsac_wire::catalog::Pricing;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::world::{PRIMARY, START_MS, classification};

#[tokio::test]
async fn a_program_opens_asks_and_ends_its_run() {
    let simulator = Simulator::new(SimConfig::default()).unwrap();
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    tokio::spawn(serve(simulator.clone(), listener));
    let home = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let ledger = Ledger::open(&home.path().join("ledger.sqlite")).unwrap();
        let builder = Builder::new().key("sk-or-v1-0123456789abcdef").base_url(&base_url).model(format!("openrouter/{PRIMARY}"));
        let engine = builder.app("8-Bit Oracle", "https://8bitoracle.ai").budget(Usd::parse("1").unwrap());
        let engine = engine.build_over(ledger.clone(), Some(home.path())).await.unwrap();
        let answer = engine.dispatcher.ask(classification(&engine.run, 0, &format!("round {round}"))).await.unwrap();
        assert_eq!(&*answer.model, PRIMARY);
        let run = engine.run.clone();
        engine.finish().await.unwrap();
        let told = ledger.run(run.as_str()).unwrap();
        assert_eq!((told.cost, told.model.as_str()), (answer.cost, PRIMARY), "{told:?}");
    }
    let seen = simulator.seen();
    assert_eq!(seen.without_attribution, 0);
    let catalogs: u64 = seen.by_route.iter().filter(|(route, _)| route.ends_with("/models/user")).map(|(_, count)| count).sum();
    assert_eq!(catalogs, 1, "the second time the catalog was kept: {:?}", seen.by_route);
    let ledger = Ledger::open(&home.path().join("ledger.sqlite")).unwrap();
    assert_eq!(ledger.runs(10).unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_opened_says_what_to_do() {
    let open = async |builder: Builder| builder.build_over(Ledger::in_memory().unwrap(), None).await.unwrap_err();
    let error = open(Builder::new().engine(Engine::Sim)).await;
    assert!(matches!(error, OpenError::InProcess(Engine::Sim)) && error.to_string().contains("into_parts"), "{error}");
    let error = open(Builder::new()).await;
    assert!(matches!(error, OpenError::NoKey) && error.to_string().contains("OPENROUTER_API_KEY"), "{error}");
}

/// The simulator, as an engine of the process.
#[derive(Debug)]
struct Here(Simulator);

impl InProcess for Here {
    fn open(&self, door: &DoorOptions) -> Result<InProcessDoor, String> {
        match door.engine {
            Engine::Sim => Ok(InProcessDoor {
                exchange: Arc::new(SimExchange::new(self.0.clone(), START_MS, Vec::new())),
                model: None,
                embedding_model: None,
            }),
            other => Err(format!("no {other} here")),
        }
    }
}

#[tokio::test]
async fn an_engine_of_the_process_is_opened_by_whoever_has_it() {
    let simulator = Simulator::new(SimConfig::default()).unwrap();
    let opening = || Opening {
        command: "a program".to_owned(),
        in_process: Some(Arc::new(Here(simulator.clone()))),
        ..Opening::over(Ledger::in_memory().unwrap(), None)
    };
    // a name without its author is read with the catalog
    let builder = Builder::new().engine(Engine::Sim).model("openrouter/gpt-4o-mini").fallback("claude-3-haiku");
    let engine = builder.build_with(opening()).await.unwrap();
    let answer = engine.dispatcher.ask(classification(&engine.run, 0, "text")).await.unwrap();
    assert_eq!(&*answer.model, PRIMARY);
    assert_eq!(engine.ledger.run(engine.run.as_str()).unwrap().command, "a program");
    // without a key and without a model named, the embedded model is looked for
    let error = Builder::new().build_with(opening()).await.unwrap_err();
    assert!(matches!(&error, OpenError::NotOpened(why) if why == "no local here"), "{error}");
    let error = Builder::new().model(PRIMARY).build_with(opening()).await.unwrap_err();
    assert!(matches!(error, OpenError::NoKey), "{error}");
}

#[test]
fn settings_lie_over_what_was_said() {
    let builder = Builder::new().model("a/first").header("X-One", "1").settings(&json!({
        "model": "openai/gpt-4o-mini",
        "fallbacks": ["b/second"],
        "api_key": "sk-or-v1-0123456789abcdef",
        "base_url": "http://127.0.0.1:9/api/v1",
        "headers": {"X-Two": "2"},
        "profiles": {"careful": {"temperature": 0.2}},
        "default_profile": "careful",
        "budget": 1,
        "app": {"name": "8-Bit Oracle"},
        "timeout": 30,
        "memory": {"namespace": "tests"},
    }));
    let parts = builder.into_parts().unwrap();
    let models: Vec<&str> = parts.settings.routes.iter().map(|route| &*route.model).collect();
    assert_eq!(models, ["openai/gpt-4o-mini", "b/second"]);
    let door = &parts.doors[0];
    assert_eq!((door.key_label().as_str(), door.base_url.as_str()), ("…cdef", "http://127.0.0.1:9/api/v1"));
    assert_eq!(door.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["X-One", "X-Two"]);
    assert_eq!((door.app.name.as_deref(), parts.settings.request.temperature), (Some("8-Bit Oracle"), Some(0.2)));
    assert_eq!(parts.settings.ceilings.run, Some(Usd::parse("1").unwrap()));
    assert_eq!((parts.settings.deadlines.request, parts.settings.memory.namespace.as_str()), (Duration::from_secs(30), "tests"));
    let wrong = Builder::new().settings(&json!({"modle": "x"})).into_parts().unwrap_err();
    assert!(wrong.to_string().contains("model"), "{wrong}");
}

/// A run.
fn started(ledger: &Ledger) -> RunId {
    let start = RunStart {
        started_ms: START_MS,
        command: "test".into(),
        query: String::new(),
        settings: Value::Null,
        engine: "sim".into(),
        model: PRIMARY.into(),
        pid: std::process::id(),
    };
    ledger.start_run(start).unwrap()
}

/// Keeps what is sent.
#[derive(Debug)]
struct Overheard {
    inner: SimExchange,
    bodies: Mutex<Vec<Value>>,
}

#[async_trait]
impl Exchange for Overheard {
    async fn exchange(&self, request: Request) -> Result<RawReply, ExchangeError> {
        if let Some(body) = &request.body {
            self.bodies.lock().push(serde_json::from_slice(body).unwrap());
        }
        self.inner.exchange(request).await
    }

    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn window(&self) -> usize {
        self.inner.window()
    }
}

#[tokio::test(start_paused = true)]
async fn room_follows_what_answers_took() {
    let simulator = Simulator::new(SimConfig::default()).unwrap();
    let inner = SimExchange::new(simulator, START_MS, Vec::new());
    let exchange = Arc::new(Overheard { inner, bodies: Mutex::default() });
    let ledger = Ledger::in_memory().unwrap();
    let clock = Arc::new(VirtualClock::at(START_MS));
    let dispatcher = Dispatcher::new(Arc::clone(&exchange) as _, ledger.clone(), clock, Settings::default());
    let run = started(&ledger);
    let ask = async |row: u64, max_tokens: Option<u32>| {
        let call = Call {
            origin: Origin { run: run.clone(), operator: "semantic_map".into(), row },
            system: "Say it in other words.".into(),
            user: format!("text {row}"),
            contract: Contract::Text,
            settings: Arc::new(CallSettings { max_tokens, ..CallSettings::default() }),
        };
        dispatcher.ask(call).await.unwrap();
        exchange.bodies.lock().last().unwrap()["max_tokens"].as_u64().unwrap()
    };
    assert_eq!(ask(0, None).await, 512);
    for row in 1..30 {
        ask(row, None).await;
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let measured = || ledger.measured_output("semantic_map", PRIMARY, None).unwrap().unwrap();
    let sizes = measured();
    let least = (sizes.max_tokens + sizes.max_tokens / 4 + 32).clamp(64, 16_384);
    let asked = ask(30, None).await;
    assert!(asked >= least && asked < 512, "{asked} for {sizes:?}");
    assert_eq!(ask(31, Some(200)).await, 200, "what a person set stays");

    let pricing = Pricing { prompt: Usd::parse("0.00000015").ok(), completion: Usd::parse("0.0000006").ok(), ..Pricing::default() };
    let questions = Questions {
        operator: "semantic_map",
        contract: &Contract::Text,
        model: PRIMARY,
        requests: 1_000,
        prompt_tokens: 20_000,
        counted: false,
        max_tokens: None,
    };
    let before = forecast(&questions, Some(&pricing), Engine::Sim, None);
    let after = forecast(&questions, Some(&pricing), Engine::Sim, Some(&ledger));
    let width = |told: corsac_dispatch::Forecast| told.price.map(|price| price.high.pico() - price.low.pico()).unwrap();
    assert_eq!(before.load.answer_tokens, 80);
    assert!(width(after) * 4 < width(before), "{before:?} {after:?}");
    assert_eq!(after.load.answers().likely, (measured().mean_tokens * 1_000.0) as u64);
}

#[test]
fn an_unlisted_engine_costs_nothing_or_is_not_known() {
    let questions = Questions {
        operator: "semantic_map",
        contract: &Contract::Text,
        model: "mine",
        requests: 10,
        prompt_tokens: 100,
        counted: false,
        max_tokens: Some(5),
    };
    assert_eq!(forecast(&questions, None, Engine::OpenAi, None).price, None);
    assert_eq!(forecast(&questions, None, Engine::Local, None).price.unwrap().high, Usd::ZERO);
}
