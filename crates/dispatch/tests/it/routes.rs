//! From names to routes and doors: aliases, fallbacks, profiles, LiteLLM's list, the environment, the builder.

use std::time::Duration;

use corsac_dispatch::config::{ModelTable, Profile, ProviderTable, Resolved};
use corsac_dispatch::{Builder, Engine, Pace};
use corsac_policy::Strategy;
use corsac_wire::Usd;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::configured::{load, resolve};

const KEY: (&str, &str) = ("OPENROUTER_API_KEY", "sk-or-v1-0123456789abcdef");

/// Routes as `model@door`.
fn routes(resolved: &Resolved) -> Vec<String> {
    resolved.settings.routes.iter().map(|route| format!("{}@{}", route.model, route.door)).collect()
}

/// Doors as `engine base key`.
fn doors(resolved: &Resolved) -> Vec<String> {
    resolved.doors.iter().map(|door| format!("{} {} {}", door.engine, door.base_url, door.key_label())).collect()
}

const OPENROUTER: &str = "openrouter https://openrouter.ai/api/v1 …cdef";

#[test]
fn what_no_alias_leads_elsewhere_goes_through_one_door() {
    let resolved = resolve("model = 'a/b'\nfallbacks = ['c/d', 'a/b', 'openrouter/e/f']\n");
    assert_eq!(routes(&resolved), ["a/b@0", "c/d@0", "openrouter/e/f@0"]);
    assert_eq!(doors(&resolved), [OPENROUTER]);
    assert_eq!(routes(&resolve("")), ["openai/gpt-4o-mini@0"]);
    assert_eq!(resolve("").engine, None);
    assert_eq!(resolve("engine = 'local'").engine, Some(Engine::Local));
}

#[test]
fn an_alias_with_a_key_or_a_base_is_a_route_of_its_own() {
    let file = "model = 'fast'\nfallbacks = ['c/d', 'vllm', 'eu', 'second', 'tiny']\n\
        [models.fast]\nid = 'openai/gpt-4o-mini:nitro'\ntimeout = 60\nstructured_output_strategy = 'prefer_tools'\nrequests_per_minute = 100\n\
        [models.vllm]\nid = 'qwen3'\nbase_url = 'http://127.0.0.1:8000/v1'\n\
        [models.eu]\nid = 'x/y'\nbase_url = 'https://eu.openrouter.ai/api/v1'\n\
        [models.second]\nid = 'x/y'\napi_key_env = 'SECOND_KEY'\n\
        [models.tiny]\nengine = 'local'\n";
    let config = load(file, &[KEY, ("SECOND_KEY", "sk-or-v1-second-key-9999")]).unwrap();
    let resolved = config.resolve(None, &[], None).unwrap();
    assert_eq!(routes(&resolved), ["openai/gpt-4o-mini:nitro@0", "c/d@0", "qwen3@1", "x/y@2", "x/y@3", "local@4"]);
    assert_eq!(
        doors(&resolved),
        [
            OPENROUTER,
            // OpenRouter's key goes to OpenRouter alone
            "openai http://127.0.0.1:8000/v1 no key",
            "openrouter https://eu.openrouter.ai/api/v1 …cdef",
            "openrouter https://openrouter.ai/api/v1 …9999",
            "local  no key",
        ]
    );
    let settings = &resolved.settings;
    assert_eq!(settings.deadlines.request, Duration::from_secs(60));
    assert_eq!(settings.request.strategy, Some(Strategy::ForcedTool));
    assert_eq!(settings.pace_of(&settings.routes[0]).requests_per_minute, Some(100.0));
    // what the alias says of itself holds for it alone
    assert_eq!(settings.timeout_of(&settings.routes[1]), Duration::from_secs(120));
    assert_eq!(settings.request_of(&settings.routes[1]).strategy, None);
    assert_eq!(settings.pace_of(&settings.routes[1]), Pace::default());
}

#[test]
fn headers_stay_with_their_server() {
    let file = "model = 'a/b'\nfallbacks = ['vllm', 'team']\n[headers]\nX-Team = 'data'\nX-Token = 't'\n\
        [models.vllm]\nid = 'qwen3'\nbase_url = 'http://127.0.0.1:8000/v1'\nheaders = { X-Own = 'o' }\n\
        [models.team]\nid = 'x/y'\nheaders = { x-team = 'other' }\n";
    let resolved = resolve(file);
    let headers = |door: usize| resolved.doors[door].headers.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>();
    assert_eq!(headers(0), ["X-Team=data", "X-Token=t"]);
    assert_eq!(headers(1), ["X-Own=o"]);
    assert_eq!(headers(2), ["X-Token=t", "x-team=other"]);
    assert_eq!((&resolved.doors[1].app.name, &resolved.doors[1].app.url), (&None, &None));
    assert_eq!(resolved.doors[2].app, resolved.doors[0].app);
}

#[test]
fn a_server_of_ones_own_as_the_main_one_gets_its_own_key() {
    let file = "engine = 'openai'\nbase_url = 'http://10.0.0.1/v1'\napi_key = 'own-key-that-is-long-1111'\nmodel = 'm'\nfallbacks = ['or']\n\
        [headers]\nX-Token = 't'\n[models.or]\nid = 'a/b'\nengine = 'openrouter'\n";
    let config = load(file, &[KEY, ("OPENROUTER_BASE_URL", "http://sim/api/v1")]).unwrap();
    let resolved = config.resolve(None, &[], None).unwrap();
    assert_eq!(doors(&resolved), ["openai http://10.0.0.1/v1 …1111", "openrouter http://sim/api/v1 no key"]);
    let resolved = load(file, &[KEY]).unwrap().resolve(None, &[], None).unwrap();
    assert_eq!(doors(&resolved)[1], OPENROUTER);
    assert!(resolved.doors[1].headers.is_empty());
}

#[test]
fn profiles_lie_over_each_other() {
    let file = "default_profile = 'shared'\n\
        [profiles.shared]\ntemperature = 0.1\nseed = 1\nreasoning_effort = 'low'\ntimeout = 50\n\
        [profiles.careful]\nmodels = ['c/d', 'claude']\nseed = 2\nreasoning_effort = 'high'\n\
        [models.fast]\nid = 'a/b'\ntimeout = 40\nstructured_output_strategy = 'prefer_tools'\n\
        [models.fast.profiles.careful]\nseed = 3\nstructured_output_strategy = 'prefer_response_format'\nmodels = ['claude', 'e/f']\n\
        [models.claude]\nid = 'x/y'\ndefault_profile = 'thoughtful'\n\
        [models.claude.profiles.thoughtful]\nreasoning_max_tokens = 500\nmodels = ['never/asked']\n";
    let config = load(file, &[KEY]).unwrap();
    let resolved = config.resolve(Some("fast"), &[], Some("careful")).unwrap();
    // the model's own profile of the name, not the shared one beside it
    assert_eq!(routes(&resolved), ["a/b@0", "x/y@0", "e/f@0"]);
    let settings = &resolved.settings;
    let said = |index: usize| settings.request_of(&settings.routes[index]);
    assert_eq!((said(0).seed, said(0).strategy, said(0).reasoning.is_none()), (Some(3), Some(Strategy::ResponseFormat), true));
    assert_eq!((said(1).seed, said(1).reasoning.as_ref().unwrap().max_tokens), (Some(3), Some(500)));
    assert_eq!(said(2), said(0));
    assert_eq!(settings.timeout_of(&settings.routes[0]), Duration::from_secs(40));
    assert_eq!(settings.timeout_of(&settings.routes[2]), Duration::from_secs(120));

    let resolved = config.resolve(Some("a/b"), &[], Some("careful")).unwrap();
    assert_eq!(routes(&resolved), ["a/b@0", "c/d@0", "x/y@0"]);
    let claude = resolved.settings.request_of(&resolved.settings.routes[2]);
    // an effort from one profile never meets a budget from another
    assert_eq!(claude.reasoning.as_ref().map(|said| (said.effort.clone(), said.max_tokens)), Some((None, Some(500))));

    let resolved = config.resolve(Some("fast"), &["p/q".to_owned()], None).unwrap();
    assert_eq!(routes(&resolved), ["a/b@0", "p/q@0"]);
    assert_eq!((resolved.settings.request.seed, resolved.settings.deadlines.request), (Some(1), Duration::from_secs(50)));
}

#[test]
fn by_hand_wins_over_the_environment_over_the_file() {
    let file = "model = 'file/model'\nfallbacks = ['file/fallback']\nbudget = 1\nday_budget = 10\nkey_budget = 5\n\
        [profiles.one]\nseed = 1\n[profiles.two]\nseed = 2\nmodel = 'profile/model'\nmodels = ['profile/fallback']\n";
    let environment =
        [("CORSAC_MODEL", "env/model"), ("CORSAC_FALLBACKS", "env/one, env/two"), ("CORSAC_PROFILE", "one"), ("CORSAC_BUDGET", "2.5")];
    let config = load(file, &environment).unwrap();
    let resolved = config.resolve(None, &[], None).unwrap();
    assert_eq!(routes(&resolved), ["env/model@0", "env/one@0", "env/two@0"]);
    assert_eq!((resolved.settings.request.seed, resolved.settings.ceilings.run), (Some(1), Usd::parse("2.5").ok()));
    assert_eq!((resolved.settings.ceilings.day, resolved.settings.ceilings.key), (Usd::parse("10").ok(), Usd::parse("5").ok()));
    let resolved = config.resolve(Some("hand/model"), &["hand/fallback".to_owned()], Some("two")).unwrap();
    assert_eq!(routes(&resolved), ["hand/model@0", "hand/fallback@0"]);
    assert_eq!(resolved.settings.request.seed, Some(2));
    let config = load(file, &[]).unwrap();
    assert_eq!(routes(&config.resolve(None, &[], Some("two")).unwrap()), ["profile/model@0", "profile/fallback@0"]);
    assert_eq!(routes(&config.resolve(None, &[], None).unwrap()), ["file/model@0", "file/fallback@0"]);
    assert_eq!(config.settings(Some("two")).unwrap().routes.len(), 2);
}

#[test]
fn memory_and_deadlines() {
    let settings = resolve("[memory]\nmax_age = '30d'\nnamespace = 'n'\n[deadlines]\nconnect = 3\nfirst_byte = '20s'\nidle = 0.5\nrequest = '1m'\ncall = '1h'\n").settings;
    assert_eq!((settings.memory.max_age, settings.memory.namespace.as_str()), (Some(Duration::from_secs(30 * 86_400)), "n"));
    let deadlines = settings.deadlines;
    assert_eq!(
        [deadlines.connect, deadlines.first_byte, deadlines.idle, deadlines.request, deadlines.call].map(|span| span.as_secs_f64()),
        [3.0, 20.0, 0.5, 60.0, 3_600.0]
    );
}

/// The list of the first document, taken literally.
const LITERAL: &str = r#"
extra_headers = { "HTTP-Referer" = "https://8bitoracle.ai", "X-Title" = "8-Bit Oracle" }
[[model_list]]
model_name = "openrouter/gpt-4o-mini"
[model_list.litellm_params]
model = "openrouter/gpt-4o-mini"
api_key = "sk-or-v1-of-the-first-entry-1111"
api_base = "https://openrouter.ai/api/v1"
[[model_list]]
model_name = "openrouter/claude-3-haiku"
[model_list.litellm_params]
model = "openrouter/claude-3-haiku"
api_key = "os.environ/SECOND_KEY"
api_base = "https://openrouter.ai/api/v1"
"#;

#[test]
fn litellms_list_is_an_order_of_failover() {
    let environment = [("SECOND_KEY", "sk-or-v1-of-the-second-entry-2222")];
    for (model, first) in [("", 0), ("model = 'openrouter/gpt-4o-mini'\n", 0), ("model = 'openrouter/claude-3-haiku'\n", 1)] {
        let config = load(&format!("{model}{LITERAL}"), &environment).unwrap();
        let resolved = config.resolve(None, &[], None).unwrap();
        let mut expected = [("openrouter/gpt-4o-mini", "…1111"), ("openrouter/claude-3-haiku", "…2222")];
        expected.rotate_left(first);
        assert_eq!(routes(&resolved), [format!("{}@0", expected[0].0), format!("{}@1", expected[1].0)]);
        let keys: Vec<String> = resolved.doors.iter().map(|door| door.key_label()).collect();
        assert_eq!(keys[..2], expected.map(|(_, key)| key.to_owned()));
        let app = resolved.doors[1].http(1).app;
        assert_eq!((app.name.as_deref(), app.url.as_deref()), (Some("8-Bit Oracle"), Some("https://8bitoracle.ai")));
    }
    // a model beside the list comes first, through the main door
    let config = load(&format!("model = 'a/b'\n{LITERAL}"), &[environment[0], KEY]).unwrap();
    assert_eq!(routes(&config.resolve(None, &[], None).unwrap()), ["a/b@0", "openrouter/gpt-4o-mini@1", "openrouter/claude-3-haiku@2"]);
    // a fallback given by hand takes the list's place, and may name one of its entries
    let fallback = ["openrouter/claude-3-haiku".to_owned()];
    assert_eq!(routes(&config.resolve(Some("a/b"), &fallback, None).unwrap()), ["a/b@0", "openrouter/claude-3-haiku@1"]);
}

#[test]
fn entries_of_a_list_lead_to_their_servers() {
    let entry = |params: &str| {
        let config = load(&format!("[[model_list]]\nmodel_name = 'q'\nlitellm_params = {{ {params} }}\n"), &[KEY]).unwrap();
        let resolved = config.resolve(None, &[], None).unwrap();
        format!("{} {}", resolved.settings.routes[0].model, doors(&resolved)[0])
    };
    assert_eq!(entry("model = 'openrouter/x'"), format!("openrouter/x {OPENROUTER}"));
    assert_eq!(entry("model = 'openai/gpt-4o'"), format!("openai/gpt-4o {OPENROUTER}"));
    assert_eq!(entry("model = 'openai/gpt-4o', api_base = 'https://openrouter.ai/api/v1'"), format!("openai/gpt-4o {OPENROUTER}"));
    assert_eq!(entry("model = 'openai/qwen3', api_base = 'http://h:8000/v1'"), "qwen3 openai http://h:8000/v1 no key");
    assert_eq!(entry("model = 'hosted_vllm/a/b', api_base = 'http://h:8000/v1'"), "a/b openai http://h:8000/v1 no key");
    assert_eq!(entry("model = 'qwen/qwen3', api_base = 'http://h:8000/v1'"), "qwen/qwen3 openai http://h:8000/v1 no key");
    assert_eq!(
        entry("model = 'openrouter/a/b', api_base = 'http://h/v1', api_key = 'short'"),
        "openrouter/a/b openrouter http://h/v1 short key"
    );
    assert_eq!(entry("model = 'm', custom_llm_provider = 'openai', api_base = 'http://h/v1'"), "m openai http://h/v1 no key");
}

#[test]
fn entries_of_one_name_follow_each_other_with_what_is_their_own() {
    let file = "model = 'q'\nfallbacks = ['last/one']\ndefault_profile = 'p'\n[profiles.p]\ntemperature = 0.3\nseed = 5\n\
        [[model_list]]\nmodel_name = 'q'\nlitellm_params = { model = 'a/b', temperature = 1, timeout = 9, rpm = 60, tpm = 1000 }\n\
        [[model_list]]\nmodel_name = 'other'\nlitellm_params = { model = 'c/d' }\n\
        [[model_list]]\nmodel_name = 'q'\nlitellm_params = { model = 'a/b', api_key = 'sk-or-v1-0123456789-3333' }\n";
    let resolved = resolve(file);
    assert_eq!(routes(&resolved), ["a/b@0", "a/b@1", "c/d@0", "last/one@0"]);
    let settings = &resolved.settings;
    let said = |index: usize| settings.request_of(&settings.routes[index]);
    assert_eq!((said(0).temperature, said(0).seed), (Some(1.0), Some(5)));
    assert_eq!((said(1).temperature, said(2).temperature), (Some(0.3), Some(0.3)));
    assert_eq!((settings.timeout_of(&settings.routes[0]).as_secs(), settings.timeout_of(&settings.routes[1]).as_secs()), (9, 120));
    assert_eq!(settings.pace_of(&settings.routes[0]), Pace { requests_per_minute: Some(60.0), tokens_per_minute: Some(1_000.0) });
}

#[test]
fn a_call_may_name_an_alias_or_an_id() {
    let file = "model = 'own'\nfallbacks = ['a/b']\n[models.own]\nid = 'm'\nbase_url = 'http://h/v1'\nstructured_output_strategy = 'prefer_tools'\n\
        [models.fast]\nid = 'x/y'\ndefault_profile = 'p'\n[models.fast.profiles.p]\nmodels = ['z/z']\nseed = 4\n\
        [models.broken]\nid = 'x'\napi_key_env = 'NOT_THERE'\n";
    let settings = resolve(file).settings;
    let named = |name: Option<&str>| {
        settings.routes_for(name, None).map(|routes| routes.iter().map(|r| format!("{}@{}", r.model, r.door)).collect::<Vec<_>>())
    };
    assert_eq!(named(None).unwrap(), ["m@0", "a/b@1"]);
    assert_eq!(named(Some("fast")).unwrap(), ["x/y@1", "z/z@1", "m@0", "a/b@1"]);
    assert_eq!(named(Some("own")).unwrap(), ["m@0", "a/b@1"]);
    // an id goes through the main door, with what all models are asked with, not with what the first model's alias says
    assert_eq!(named(Some("n/n")).unwrap(), ["n/n@1", "m@0", "a/b@1"]);
    let routes = settings.routes_for(Some("n/n"), None).unwrap();
    assert_eq!(settings.request_of(&routes[0]).strategy, None);
    assert_eq!(settings.request_of(&settings.routes_for(Some("fast"), None).unwrap()[0]).seed, Some(4));
    assert!(named(Some("broken")).unwrap_err().contains("takes its key from NOT_THERE"));
    assert_eq!(settings.nearest_alias("fsat").as_deref(), Some("fast"));
}

#[test]
fn everything_can_go_behind_one_door() {
    let resolved = resolve("model = 'own'\nfallbacks = ['a/b']\n[models.own]\nid = 'm'\nbase_url = 'http://h/v1'\n").behind(Engine::Sim);
    assert_eq!(routes(&resolved), ["m@0", "a/b@0"]);
    assert_eq!((resolved.doors.len(), resolved.doors[0].engine, resolved.settings.aliases.by_id.door), (1, Engine::Sim, 0));
    let mut settings = resolve("model = 'm'\n[models.m]\nid = 'a/b'\ntimeout = 5\nrequests_per_minute = 3\n").settings;
    settings.set_timeout(Duration::from_secs(7));
    assert!(settings.routes.iter().all(|route| settings.timeout_of(route) == Duration::from_secs(7)));
}

#[test]
fn the_builder_says_the_same_as_the_file() {
    let file = "budget = 2\nmodel = 'fast'\nfallbacks = ['anthropic/claude-3-haiku']\ndefault_profile = 'p'\napi_key = 'sk-or-v1-0123456789abcdef'\n\
        [app]\nname = '8-Bit Oracle'\nurl = 'https://8bitoracle.ai'\ncategories = ['game']\n[headers]\nX-Team = 'data'\n\
        [models.fast]\nid = 'openai/gpt-4o-mini'\ntimeout = 60\n\
        [profiles.p]\ntemperature = 0.5\nstop = 'END'\nprovider = { only = ['openai'], max_prompt_price = 5 }\n[memory]\nmax_age = '1d'\n";
    let of_file = load(file, &[]).unwrap().resolve(None, &[], None).unwrap();
    let provider = ProviderTable { only: vec!["openai".into()], max_prompt_price: Usd::parse("5").ok(), ..ProviderTable::default() };
    let built = Builder::new()
        .key("sk-or-v1-0123456789abcdef")
        .model("fast")
        .fallback("anthropic/claude-3-haiku")
        .define_model(
            "fast",
            ModelTable { id: Some("openai/gpt-4o-mini".into()), timeout: Some(Duration::from_secs(60).into()), ..ModelTable::default() },
        )
        .app("8-Bit Oracle", "https://8bitoracle.ai")
        .categories(["game"])
        .header("X-Team", "data")
        .profile(Profile { temperature: Some(0.5), stop: vec!["END".into()], provider: Some(provider), ..Profile::default() })
        .budget(Usd::parse("2").unwrap())
        .max_age(Duration::from_secs(86_400))
        .into_parts()
        .unwrap();
    assert_eq!((routes(&built), doors(&built)), (routes(&of_file), doors(&of_file)));
    assert_eq!(built.settings.request, of_file.settings.request);
    assert_eq!((built.settings.ceilings, built.settings.deadlines), (of_file.settings.ceilings, of_file.settings.deadlines));
    assert_eq!(built.settings.memory, of_file.settings.memory);
    assert_eq!((&built.doors[0].app, &built.doors[0].headers), (&of_file.doors[0].app, &of_file.doors[0].headers));
    let as_json = json!({ "model": "a/b", "profiles": { "p": { "seed": 1 } }, "default_profile": "p", "api_key": null });
    assert_eq!(Builder::from_json(&as_json).unwrap().into_parts().unwrap().settings.request.seed, Some(1));
}

#[test]
fn the_builder_takes_litellms_list_and_refuses_what_the_file_refuses() {
    let list = json!([
        { "model_name": "a", "litellm_params": { "model": "openrouter/gpt-4o-mini", "api_key": "os.environ/CARGO_PKG_NAME" } },
        { "model_name": "b", "litellm_params": { "model": "openrouter/claude-3-haiku", "api_key": "sk-or-v1-0123456789-4444" } },
    ]);
    let resolved = Builder::new().model_list(&list).into_parts().unwrap();
    assert_eq!(routes(&resolved), ["openrouter/gpt-4o-mini@0", "openrouter/claude-3-haiku@1"]);
    assert_eq!(resolved.doors[0].key.as_ref().unwrap().expose_secret(), env!("CARGO_PKG_NAME"));
    let said = |builder: Builder| builder.into_parts().unwrap_err().to_string();
    assert_eq!(
        said(Builder::new().profile(Profile { temperature: Some(3.0), ..Profile::default() })),
        "temperature in [profiles.\"given in code\"] is 3, but must be a number from 0 to 2"
    );
    assert_eq!(
        said(Builder::new().model_list(&json!([{ "litellm_params": { "model": "a/b", "temprature": 1 } }]))),
        "there is no setting \"temprature\" in [model_list.litellm_params]; did you mean temperature?"
    );
    assert!(said(Builder::new().use_profile("none")).starts_with("there is no profile \"none\""));
    assert!(said(Builder::new().header("X Y", "z")).contains("is no name of a header"));
}

#[test]
fn the_builder_shows_a_key_to_no_other_server() {
    let found = || Builder::of(load("", &[KEY]).unwrap()).model("m").engine(Engine::OpenAi);
    assert_eq!(doors(&found().base_url("http://h/v1").into_parts().unwrap()), ["openai http://h/v1 no key"]);
    let given = found().base_url("http://h/v1").key("own-key-that-is-long-1111").into_parts().unwrap();
    assert_eq!(doors(&given), ["openai http://h/v1 …1111"]);
    assert!(found().into_parts().unwrap_err().to_string().contains("needs a base_url"));
    // another OpenRouter is what a key for OpenRouter is for
    let moved = Builder::of(load("", &[KEY]).unwrap()).base_url("http://127.0.0.1:1/api/v1").into_parts().unwrap();
    assert_eq!(doors(&moved), ["openrouter http://127.0.0.1:1/api/v1 …cdef"]);
}

#[test]
fn answers_of_providers_that_are_left_out_do_not_count() {
    let request = |table: &str| resolve(&format!("default_profile = 'p'\n[profiles.p.provider]\n{table}\n")).settings.request;
    let ignoring = request("ignore = ['DeepInfra', 'amazon-bedrock', 'novita/fp8']");
    assert!(!ignoring.lets_answer("DeepInfra") && !ignoring.lets_answer("Amazon Bedrock"));
    assert!(ignoring.lets_answer("OpenAI") && ignoring.lets_answer("Novita"));
    let only = request("only = ['openai', 'google-vertex/us']");
    assert!(only.lets_answer("OpenAI") && only.lets_answer("Google Vertex") && !only.lets_answer("Azure"));
    assert!(request("sort = 'price'").lets_answer("Anyone"));
}

#[test]
fn a_call_may_name_a_profile() {
    let file = "model = 'a/b'\nfallbacks = ['c/d']\n[models.own]\nid = 'm'\nbase_url = 'http://h/v1'\n[models.own.profiles.sharp]\nseed = 9\n\
        [profiles.careful]\nmodel = 'x/y'\nmodels = ['z/z']\nseed = 3\nprovider = { only = ['azure'] }\n[profiles.warm]\ntemperature = 1.5\n";
    let settings = resolve(file).settings;
    let models = |model: Option<&str>, profile: &str| -> Vec<String> {
        settings.routes_for(model, Some(profile)).unwrap().iter().map(|route| route.model.to_string()).collect()
    };
    assert_eq!(models(None, "careful"), ["x/y", "z/z"]);
    assert_eq!(models(None, "warm"), ["a/b", "c/d"]);
    assert_eq!(models(Some("n/n"), "careful"), ["n/n", "x/y", "z/z"]);
    let said = |model: Option<&str>, profile: &str| settings.request_of(&settings.routes_for(model, Some(profile)).unwrap()[0]).clone();
    assert_eq!((said(None, "careful").seed, said(None, "careful").provider.only), (Some(3), vec!["azure".to_owned()]));
    assert_eq!(said(None, "warm").temperature, Some(1.5));
    assert_eq!((said(Some("n/n"), "warm").temperature, said(Some("n/n"), "careful").seed), (Some(1.5), Some(3)));
    // a profile of the model's own
    assert_eq!(said(Some("own"), "sharp").seed, Some(9));
    // without one, nothing has changed
    assert_eq!(settings.request_of(&settings.routes_for(None, None).unwrap()[0]).seed, None);
    assert!(settings.routes_for(None, Some("carefull")).unwrap_err().contains("did you mean careful?"));
    assert!(resolve("").settings.routes_for(None, Some("x")).unwrap_err().contains("corsac.toml defines none"));
}

#[test]
fn embeddings_go_to_a_model_of_their_own_and_no_other() {
    let named = |file: &str, model: Option<&str>| -> Vec<String> {
        let settings = resolve(file).settings;
        settings.embedding_routes_for(model, None).unwrap().iter().map(|route| format!("{}@{}", route.model, route.door)).collect()
    };
    assert_eq!(named("model = 'a/b'\nfallbacks = ['c/d']\n", None), ["openai/text-embedding-3-small@0"]);
    assert_eq!(named("embedding_model = 'e/f'\n", None), ["e/f@0"]);
    assert_eq!(named("embedding_model = 'e/f'\n", Some("g/h")), ["g/h@0"]);
    let alias = "embedding_model = 'vectors'\n[models.vectors]\nid = 'v'\nbase_url = 'http://h/v1'\n";
    assert_eq!(named(alias, None), ["v@1"]);
    assert_eq!(named("engine = 'openai'\nbase_url = 'http://h/v1'\n", None), ["text-embedding-3-small@0"]);
    let config = load("embedding_model = 'e/f'\n", &[("CORSAC_EMBEDDING_MODEL", "env/model")]).unwrap();
    assert_eq!(&*config.resolve(None, &[], None).unwrap().settings.embeddings[0].model, "env/model");
}
