//! Scripts and flags: what is wrong is said with rule and line.

use corsac_sim::{FaultKind, LatencyRange, SimConfig, SimOptions, Simulator};

fn complaint(script: &str) -> String {
    SimConfig::from_script(script).unwrap_err().to_string()
}

#[test]
fn complaints_name_line_and_rule() {
    insta::assert_snapshot!(
        complaint("seed = 1\n\n[[rule]]\nfault = 'hang'\n\n[[rule]]\nevery = 3\nfault = 'http502'\n"),
        @"the script, line 8, rule 2, cannot be used: `http502` is not a kind of fault; did you mean `http_502`?"
    );
    insta::assert_snapshot!(
        complaint("[[rule]]\nfault = 'hang'\n[[rule]]\nmodel = 'a/b'\n"),
        @"the script, line 3, rule 2, cannot be used: it does nothing; give it `fault`, `reply`, `content` or `latency_ms`"
    );
    insta::assert_snapshot!(
        complaint("[[rule]]\nfault = 'hang'\ncontent = 'x'\n"),
        @"the script, line 1, rule 1, cannot be used: `fault`, `reply` and `content` exclude each other; keep one"
    );
}

#[test]
fn wrong_values_are_refused() {
    for (script, part) in [
        ("[[rule]]\nfault='hang'\nprobability=1.5", "between 0 and 1"),
        ("[[rule]]\nfault='hang'\nevery=0", "every = 0"),
        ("[[rule]]\nfault='hang'\nfrom_request=5\nto_request=4", "comes after"),
        ("[[rule]]\nfault='hang'\nmodle='x'", "modle"),
        ("[[rule]]\nreply={status=42}", "not an HTTP status"),
        ("latency_ms = [300, 100]", "shorter to the longer"),
        ("seed = 'x'", "line 1"),
        ("[[model]]\nid='noslash'", "author/slug"),
        ("[keys]\ncredits_dollars='lots'", "amount of dollars"),
        ("{\"seed\": }", "line 1"),
    ] {
        let message = complaint(script);
        assert!(message.contains(part), "{script} -> {message}");
    }
}

#[test]
fn json_scripts_say_the_same() {
    let config = SimConfig::from_script(r#"{"seed": 3, "latency_ms": [1, 2], "rule": [{"fault": "hang"}]}"#).unwrap();
    assert_eq!((config.seed, config.latency_ms, config.rules.len()), (3, LatencyRange { min: 1, max: 2 }, 1));
}

#[test]
fn flags_win_over_the_script() {
    let options = SimOptions {
        seed: Some(9),
        latency: Some("5..7".to_owned()),
        rate_limit: Some(100),
        rate_limit_hint: Some("both".to_owned()),
        down: vec!["openai/*".to_owned(), "a/b=no_endpoints_404".to_owned()],
        fault_every: vec!["10:hang".to_owned()],
        credits: Some("2.5".to_owned()),
        open: true,
        ..SimOptions::default()
    };
    let config = SimConfig::from_script("seed = 1").unwrap().with_options(&options).unwrap();
    assert_eq!((config.seed, config.latency_ms), (9, LatencyRange { min: 5, max: 7 }));
    assert_eq!(config.down[1].fault, FaultKind::NoEndpoints404);
    assert_eq!(config.fault_every[0].every, 10);
    assert!(config.keys.open);
    Simulator::new(config).unwrap();
}

#[test]
fn flags_that_cannot_be_read_say_what_they_expect() {
    let with = |options: SimOptions| SimConfig::default().with_options(&options).unwrap_err().to_string();
    insta::assert_snapshot!(
        with(SimOptions { fault_every: vec!["hang".to_owned()], ..SimOptions::default() }),
        @"--fault-every hang: expected N:FAULT such as 10:http_503"
    );
    insta::assert_snapshot!(
        with(SimOptions { latency: Some("9..3".to_owned()), ..SimOptions::default() }),
        @"--latency 9..3: expected milliseconds such as 200 or 100..300"
    );
}
