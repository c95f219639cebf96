//! What one decision costs: nanoseconds for the pacer to let a call in and out, for a remedy, and for an estimate.
//!
//! `cargo run -p corsac-dispatch --example decide`
#![expect(clippy::print_stdout, reason = "the measurement is its output")]

use std::hint::black_box;
use std::time::Duration;

use corsac_policy::{Admission, Course, Ending, Fault, FaultClass, Hop, Limits, Pacer, TokenUse, remedy};

const ROUNDS: u32 = 1_000_000;

fn main() {
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
