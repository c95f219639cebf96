//! What is said about configurations that are wrong: what, where, what to do.

use corsac_dispatch::config::{Config, ConfigFile};

use crate::configured::{load, refusal};

fn check(file: &str, why: &str) {
    assert_eq!(refusal(file), why, "{file}");
}

#[test]
fn wrong_names_are_told_with_their_line_and_the_nearest_one() {
    check("modle = 'a/b'\n", "line 1: there is no setting \"modle\"; did you mean model?");
    check(
        "model = 'a/b'\n[profiles.x.provider]\nexclud = ['Azure']\n",
        "line 3: there is no setting \"exclud\" in [profiles.x.provider]; did you mean exclude?",
    );
    check("[models.fast]\nid = 'a/b'\ntimeot = 5\n", "line 3: there is no setting \"timeot\" in [models.fast]; did you mean timeout?");
    check("[profile.x]\nseed = 1\n", "line 1: there is no setting \"profile\"; did you mean profiles?");
    check("temperature = 1\n", "line 1: there is no setting \"temperature\"; it belongs in [profiles.NAME]");
    check("[profiles.x]\nsort = 'price'\n", "line 2: there is no setting \"sort\" in [profiles.x]; it belongs in [profiles.NAME.provider]");
    check("[memory]\nbudget = 3\n", "line 2: there is no setting \"budget\" in [memory]; it stands above all tables");
    check(
        "[[model_list]]\n[model_list.litellm_params]\nmodel = 'a/b'\napi_bas = 'http://x'\n",
        "line 4: there is no setting \"api_bas\" in [model_list.litellm_params]; did you mean api_base?",
    );
    check("[memory]\nxyzzy = 1\n", "line 2: there is no setting \"xyzzy\" in [memory]; there are max_age, namespace, durability");
}

#[test]
fn values_are_held_to_their_ranges() {
    let profile = |line: &str| refusal(&format!("[profiles.x]\n{line}\n"));
    let wrong = [
        ("temperature = 2.1", "temperature in [profiles.x] is 2.1, but must be a number from 0 to 2"),
        ("temperature = 'hot'", "temperature in [profiles.x] is \"hot\", but must be a number from 0 to 2"),
        ("temperature = nan", "temperature in [profiles.x] is no finite number, but must be a number from 0 to 2"),
        ("top_p = -0.1", "top_p in [profiles.x] is -0.1, but must be a number from 0 to 1"),
        ("top_k = 1.5", "top_k in [profiles.x] is 1.5, but must be a whole number from 0"),
        ("frequency_penalty = 3", "frequency_penalty in [profiles.x] is 3, but must be a number from -2 to 2"),
        ("presence_penalty = -2.5", "presence_penalty in [profiles.x] is -2.5, but must be a number from -2 to 2"),
        ("repetition_penalty = 0", "repetition_penalty in [profiles.x] is 0, but must be a number above 0 up to 2"),
        ("logprobs = true\ntop_logprobs = 21", "top_logprobs in [profiles.x] is 21, but must be a whole number from 0 to 20"),
        ("top_logprobs = 2", "top_logprobs in [profiles.x] means nothing without logprobs = true"),
        ("max_tokens = 0", "max_tokens in [profiles.x] is 0, but must be a whole number from 1"),
        ("stop = ['a', 'b', 'c', 'd', 'e']", "stop in [profiles.x] has 5 items, but at most 4 are taken"),
        (
            "logit_bias = { the = 1 }",
            "\"the\" in [profiles.x.logit_bias] is no token id: ids are whole numbers of the model's own tokenizer",
        ),
        ("logit_bias = { 5 = 101 }", "5 in [profiles.x.logit_bias] is 101, but must be a number from -100 to 100"),
        (
            "reasoning_effort = 'hi'",
            "reasoning_effort in [profiles.x] is \"hi\", but must be \"none\", \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\" or \"max\"; \
             did you mean \"high\"?",
        ),
        (
            "reasoning_effort = 'low'\nreasoning_max_tokens = 5",
            "reasoning_effort and reasoning_max_tokens in [profiles.x] say the same in two ways: keep one of them",
        ),
        ("models = ['a/b']\nfallbacks = ['c/d']", "models and fallbacks in [profiles.x] say the same in two ways: keep one of them"),
        ("timeout = 0", "timeout in [profiles.x] is 0, but must be seconds, or a time such as \"90s\" or \"2m\", up to a day"),
        (
            "timeout = '2 moons'",
            "timeout in [profiles.x] is \"2 moons\", but must be seconds, or a time such as \"90s\" or \"2m\", up to a day",
        ),
        ("timeout = '25h'", "timeout in [profiles.x] is \"25h\", but must be seconds, or a time such as \"90s\" or \"2m\", up to a day"),
        ("seed = 2020-01-01", "seed in [profiles.x] is a date, but must be a whole number"),
        ("user = ''", "user in [profiles.x] is empty, but must be text of at most 256 characters"),
        (
            "plugins = ['response-heal']",
            "no plugin is known as \"response-heal\" in [profiles.x]; did you mean \"response-healing\"? One that Corsac does not know is written { id = \"…\" }",
        ),
        ("plugins = [{ engine = 'native' }]", "a plugin in [profiles.x] needs an id, such as { id = \"response-healing\" }"),
        (
            "plugins = [{ id = 'file-parser', engine = 'mistral' }]",
            "engine of file-parser in [profiles.x] is \"mistral\", but must be \"native\", \"mistral-ocr\", \"cloudflare-ai\" or \"pdf-text\"",
        ),
    ];
    for (line, why) in wrong {
        let number = 1 + line.lines().count();
        assert_eq!(profile(line), format!("line {number}: {why}"), "{line}");
    }
    let long = "x".repeat(257).replace('x', "y-");
    assert!(profile(&format!("session_id = '{long}'")).ends_with("must be text of at most 256 characters"));
}

#[test]
fn words_are_held_to_their_lists() {
    let provider = |line: &str| refusal(&format!("[profiles.x.provider]\n{line}\n"));
    for (line, why) in [
        (
            "sort = 'cheapest'",
            "sort in [profiles.x.provider] is \"cheapest\", but must be \"price\", \"throughput\", \"latency\" or \"exacto\"",
        ),
        (
            "sort = 5",
            "sort in [profiles.x.provider] is 5, but must be \"price\", \"throughput\", \"latency\" or \"exacto\", or { by, partition }",
        ),
        (
            "sort = { by = 'price', partition = 'all' }",
            "partition in [profiles.x.provider.sort] is \"all\", but must be \"model\" or \"none\"",
        ),
        ("sort = { buy = 'price' }", "there is no setting \"buy\" in [profiles.x.provider.sort]; there are by, partition"),
        (
            "data_collection = 'denied'",
            "data_collection in [profiles.x.provider] is \"denied\", but must be \"allow\" or \"deny\"; did you mean \"deny\"?",
        ),
        ("max_prompt_price = -1", "max_prompt_price in [profiles.x.provider] is -1, but must be dollars"),
        ("max_completion_price = '$2'", "max_completion_price in [profiles.x.provider] is \"$2\", but must be dollars"),
        ("zdr = 'yes'", "zdr in [profiles.x.provider] is \"yes\", but must be true or false"),
        ("order = 'openai'", "order in [profiles.x.provider] is \"openai\", but must be a list; each item text"),
        ("ignore = ['a']\nexclude = ['b']", "ignore and exclude in [profiles.x.provider] say the same in two ways: keep one of them"),
        (
            "preferred_max_latency = { p55 = 1 }",
            "there is no setting \"p55\" in [profiles.x.provider.preferred_max_latency]; did you mean p50?",
        ),
    ] {
        let number = 1 + line.lines().count();
        assert_eq!(provider(line), format!("line {number}: {why}"), "{line}");
    }
    assert!(provider("quantizations = ['fp8', 'fp9']").contains("is \"fp9\", but must be \"int4\", "));
    assert!(refusal("[profiles.x]\nverbosity = 'lo'\n").ends_with("did you mean \"low\"?"));
    assert!(refusal("[profiles.x]\nservice_tier = 'priorty'\n").ends_with("did you mean \"priority\"?"));
    assert!(refusal("[profiles.x]\nstructured_output_strategy = 'prefer_tool'\n").ends_with("did you mean \"prefer_tools\"?"));
    assert!(refusal("engine = 'openruter'\n").ends_with("did you mean \"openrouter\"?"));
}

#[test]
fn everything_wrong_is_told_at_once_in_the_order_of_the_file() {
    check(
        "modle = 'a/b'\n\n[profiles.x]\ntemperature = 3\n[app]\nurl = 'example.com'\ncategories = ['CLI Agent']\n",
        "line 1: there is no setting \"modle\"; did you mean model?\n\
         line 4: temperature in [profiles.x] is 3, but must be a number from 0 to 2\n\
         line 6: url in [app] is \"example.com\", but must be an address with http:// or https://\n\
         line 7: categories in [app] is \"CLI Agent\", but must be at most 30 lowercase letters, digits and hyphens",
    );
}

#[test]
fn tables_must_hold_together() {
    check("[models.fast]\ntimeout = 5\n", "line 1: [models.fast] needs an id, such as id = \"openai/gpt-4o-mini\"");
    check("models = 'a/b'\n", "line 1: models is \"a/b\", but must be tables by name");
    check("[models]\nfast = 'a/b'\n", "line 2: [models.fast] is \"a/b\", but must be a table");
    check("app = 'Mine'\n", "line 1: [app] is \"Mine\", but must be a table");
    check("[[model_list]]\nmodel_info = {}\n", "line 1: an entry of model_list needs litellm_params with a model");
    check("timeout = 5\n[deadlines]\nrequest = 6\n", "timeout and request in [deadlines] say the same in two ways: keep one of them");
    check("engine = 'openai'\n", "engine = \"openai\" needs a base_url, such as base_url = \"http://127.0.0.1:8000/v1\"");
    check("model = 'own'\n[models.own]\nid = 'x'\nengine = 'openai'\n", "[models.own] needs a base_url, since its engine is openai");
    check(
        "model = 'own'\n[models.own]\nid = 'x'\napi_key_env = 'NOT_THERE'\n",
        "[models.own] takes its key from NOT_THERE, but neither the environment nor a .env file has it",
    );
    check(
        "[[model_list]]\nmodel_name = 'q'\nlitellm_params = { model = 'a/b', api_key = 'os.environ/NOT_THERE' }\n",
        "the entry \"q\" of model_list takes its key from NOT_THERE, but neither the environment nor a .env file has it",
    );
    // what is never asked may lack its key
    assert!(load("[models.own]\nid = 'x'\napi_key_env = 'NOT_THERE'\n", &[]).unwrap().resolve(None, &[], None).is_ok());
}

#[test]
fn profiles_that_are_not_there_are_told() {
    let config = load("model = 'a/b'\n[profiles.careful]\n[models.fast]\nid = 'x/y'\n[models.fast.profiles.quick]\n", &[]).unwrap();
    let said = |model: Option<&str>, profile: &str| config.resolve(model, &[], Some(profile)).unwrap_err().to_string();
    assert_eq!(said(None, "carefull"), "there is no profile \"carefull\"; did you mean careful?");
    assert_eq!(said(Some("fast"), "quik"), "there is no profile \"quik\"; did you mean quick?");
    assert_eq!(said(None, "quick"), "there is no profile \"quick\"; there are careful");
    assert!(config.resolve(Some("fast"), &[], Some("quick")).is_ok());
    check("default_profile = 'no'\n[profiles.yes]\n", "there is no profile \"no\"; there are yes");
}

#[test]
fn variables_are_checked_too() {
    let said = |name: &str, value: &str| load("", &[(name, value)]).unwrap_err().to_string();
    assert_eq!(said("CORSAC_BUDGET", "two"), "CORSAC_BUDGET is \"two\", but must be an amount of dollars such as 2.50");
    assert_eq!(
        said("CORSAC_APP_CATEGORIES", "cli-agent,Big App"),
        "CORSAC_APP_CATEGORIES has \"Big App\", but a category must be at most 30 lowercase letters, digits and hyphens"
    );
    let config = load("api_key_env = 'TEAM_KEY'\n[app]\nname = 'x'\ncategories = ['a', 'b', 'c']\n", &[]).unwrap();
    assert_eq!(
        config.warnings,
        [
            "OpenRouter takes two categories of an app, 3 are given: a and b are sent",
            "api_key_env names TEAM_KEY, but neither the environment nor a .env file has it",
        ]
    );
}

#[test]
fn headers_that_cannot_be_sent_are_told() {
    check("[headers]\n'X Team' = 'a'\n", "line 2: \"X Team\" in [headers] is no name of a header");
    check("[headers]\nX-Team = \"a\\nb\"\n", "line 2: X-Team in [headers] must be text without line breaks");
}

#[test]
fn keys_are_in_no_message() {
    const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";
    for file in [
        format!("api_key = {KEY}\n"),
        format!("api_key = ['{KEY}']\n"),
        format!("model = '{KEY}'\ntimeout = '{KEY}'\n"),
        format!("engine = '{KEY}'\n"),
        format!("'{KEY}' = 1\n"),
        format!("[models.m]\nid = 'a/b'\napi_key = {{ k = '{KEY}' }}\n"),
        format!("[headers]\nAuthorization = \"Bearer {KEY}\\n\"\n"),
        format!("[profiles.x]\nplugins = ['{KEY}']\n"),
        format!("[profiles.x]\nverbosity = 'Bearer {KEY}'\n"),
        format!("[profiles.x.provider]\nzdr = '{}'\n", KEY.trim_start_matches("sk-or-v1-")),
    ] {
        let said = refusal(&file);
        assert!(!said.contains("0123456789abcdef"), "{said}");
    }
}

#[test]
fn keys_are_in_no_debug_and_nothing_that_is_written_out() {
    let file = "api_key = 'secret-one'\n[models.m]\nid = 'a/b'\napi_key = 'secret-two'\n[headers]\nX-Token = 'secret-three'\n\
                [[model_list]]\nlitellm_params = { model = 'x/y', api_key = 'secret-four', extra_headers = { X-Token = 'secret-five' } }\n";
    let config: Config = load(file, &[("OPENROUTER_API_KEY", "secret-six")]).unwrap();
    let resolved = config.resolve(Some("m"), &["x/y".to_owned()], None).unwrap();
    for shown in [format!("{config:?}"), format!("{resolved:?}")] {
        assert!(!shown.contains("secret-"), "{shown}");
    }
    let written = serde_json::to_string(&ConfigFile::parse("api_key = 'secret-one'\n").unwrap()).unwrap();
    assert_eq!(written, r#"{"api_key":"[hidden]"}"#);
}

#[test]
fn no_text_brings_the_reader_down() {
    let example = corsac_dispatch::config::EXAMPLE;
    for (at, _) in example.char_indices() {
        for put in ["", "=", "\"", "[", "{", "\n", "5", "☯"] {
            let broken = format!("{}{put}{}", &example[..at], example[at..].chars().skip(1).collect::<String>());
            let _ = ConfigFile::parse(&broken);
        }
        let _ = ConfigFile::parse(&example[..at]);
    }
    for deep in ["a.".repeat(50_000) + "b = 1", "a = ".to_owned() + &"[".repeat(50_000), "[".to_owned() + &"a.".repeat(50_000) + "b]"] {
        assert!(ConfigFile::parse(&deep).is_err());
        assert!(ConfigFile::parse(&format!("[profiles.x.extra_body]\n{deep}")).is_err());
    }
    check("[profiles.x.extra_body]\na.b = [1, 2020-01-01]\n", "line 2: extra_body in [profiles.x] holds what no request can carry: a date");
}
