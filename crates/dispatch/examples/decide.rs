//! What one decision costs: nanoseconds for the pacer to let a call in and out, for a remedy, and for a plan.
//!
//! `cargo run -p corsac-dispatch --example decide`
#![expect(clippy::print_stdout, reason = "the measurement is its output")]

use std::hint::black_box;
use std::time::Duration;

use corsac_policy::{
    Admission, Course, Ending, Fault, FaultClass, Hop, Lessons, Limits, Needs, Pacer, Parameter, Parameters, TokenUse, plan, remedy,
};
use corsac_wire::ProviderPreferences;
use corsac_wire::catalog::Endpoint;

const ROUNDS: u32 = 1_000_000;

fn main() -> Result<(), serde_json::Error> {
    let mut pacer = Pacer::new(4_096);
    tell("pacer: admit and ended, no limit in sight", |round| turn(&mut pacer, at(round)));

    let mut pacer = Pacer::new(4_096);
    learn_a_limit(&mut pacer);
    // many more questions than the pace lets through: most are told to come back
    tell("pacer: admit and ended, at a learned pace", |round| turn(&mut pacer, Duration::from_secs(60) + at(round) * 100));

    let limits = Limits { routes: vec![Hop::default(); 3], ..Limits::default() };
    let faults = [
        Fault::new(FaultClass::Overloaded, "Provider returned error").from_provider(Some("DeepInfra")),
        Fault::new(FaultClass::RateLimited, "Rate limit exceeded"),
        Fault::new(FaultClass::SchemaRefused, "Invalid schema for response_format").from_provider(Some("Azure")),
        Fault::new(FaultClass::Truncated, "cut at the token limit"),
    ];
    tell("remedy: fault and course to the next step", |round| {
        let fault = &faults[round as usize % faults.len()];
        let mut course = Course::new(black_box(&limits));
        course.count(&fault.class);
        let remedy = remedy(black_box(fault), &course, 0.5, &|_| false);
        course.take(&remedy.step);
        black_box(course);
    });

    let endpoints = (0..12).map(endpoint).collect::<Result<Vec<Endpoint>, _>>()?;
    let preferences = ProviderPreferences { ignore: vec!["provider-3".into()], ..ProviderPreferences::default() };
    let mut sent = Parameters::default();
    sent.insert(Parameter::Temperature);
    sent.insert(Parameter::Seed);
    let needs = Needs { structure: true, tools: false, preferred: None, must_support: false, sent, prompt_tokens: 400 };
    let lessons = Lessons::default();
    tell("plan: twelve endpoints, preferences and a schema to how a call goes out", |_| {
        let _ = black_box(plan(None, Some(black_box(&endpoints)), &preferences, black_box(&needs), &lessons));
    });
    Ok(())
}

/// One of those that serve a model; every other one takes schemas.
fn endpoint(number: u32) -> Result<Endpoint, serde_json::Error> {
    let mut parameters = vec!["max_tokens", "temperature", "top_p", "seed", "stop", "tools", "tool_choice", "response_format"];
    if number.is_multiple_of(2) {
        parameters.push("structured_outputs");
    }
    serde_json::from_value(serde_json::json!({
        "provider_name": format!("Provider {number}"),
        "tag": format!("provider-{number}/fp8"),
        "context_length": 128_000,
        "max_completion_tokens": 16_384,
        "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
        "quantization": "fp8",
        "status": 0,
        "supported_parameters": parameters,
        "uptime_last_30m": 99.5,
    }))
}

/// Calls come evenly, a microsecond apart.
fn at(round: u32) -> Duration {
    Duration::from_micros(u64::from(round))
}

fn turn(pacer: &mut Pacer, now: Duration) {
    let admission = black_box(pacer.admit(black_box(now), 0));
    if admission == Admission::Go {
        pacer.ended(now, now, black_box(Ending::Served), TokenUse::default());
    }
}

/// Refusals until the pacer keeps a pace.
fn learn_a_limit(pacer: &mut Pacer) {
    let mut now = Duration::ZERO;
    while pacer.learned_per_minute().is_none() {
        now += Duration::from_millis(50);
        if pacer.admit(now, 0) == Admission::Go {
            let served = now.as_millis() % 1_000 < 500;
            pacer.ended(now, now, if served { Ending::Served } else { Ending::RateLimited { come_back: None } }, TokenUse::default());
        }
    }
}

/// Times a decision over many rounds, after a tenth as many to warm up.
fn tell(what: &str, mut decide: impl FnMut(u32)) {
    (0..ROUNDS / 10).for_each(&mut decide);
    let before = processor_time();
    (ROUNDS / 10..ROUNDS / 10 + ROUNDS).for_each(&mut decide);
    println!("{what}: {:.0} ns", processor_time().saturating_sub(before).as_secs_f64() * 1e9 / f64::from(ROUNDS));
}

/// What else the machine does meanwhile does not count.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
