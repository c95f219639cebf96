//! Limits that are known: by the user's word, or by what a refusal names.

use std::time::Duration;

use corsac_policy::{Admission, Ending, PaceLimits, Pacer, TokenUse};

use crate::pacing_world::{Client, Kind, MINUTE, Server, Times, ms};

const KINDS: [Kind; 4] =
    [Kind::Fixed { into: Duration::ZERO }, Kind::Fixed { into: Duration::from_secs(41) }, Kind::Sliding, Kind::Bucket { holds: 8.0 }];

#[test]
fn a_limit_the_user_knows_is_reached_and_never_met() {
    for limit in [0.5, 3.0, 20.0, 600.0, 6_000.0] {
        for kind in KINDS {
            let limits = PaceLimits { requests_per_minute: Some(limit), tokens_per_minute: None };
            let mut server = Server::new(kind, vec![(Duration::ZERO, f64::max(limit, 1.0))]);
            let came = Client::new(Times::steady(ms(300), ms(20)), ms(600_000)).run(&mut Pacer::with_limits(4_096, limits), &mut server);
            assert_eq!(came.refused, 0, "{limit} {kind:?}");
            assert!(came.answered as f64 >= 0.95 * limit * 10.0, "{limit} {kind:?}: {}", came.answered);
        }
    }
}

#[test]
fn a_limit_that_is_lower_than_the_user_knows_is_found() {
    let limits = PaceLimits { requests_per_minute: Some(1_000.0), tokens_per_minute: None };
    let mut server = Server::new(Kind::Sliding, vec![(Duration::ZERO, 600.0)]);
    let came = Client::new(Times::steady(ms(300), ms(20)), ms(600_000)).run(&mut Pacer::with_limits(4_096, limits), &mut server);
    assert!(came.answered >= 5_700 && came.refused_share() <= 0.02, "{came:?}");
}

#[test]
fn a_limit_that_is_named_is_kept_without_looking_beyond() {
    for limit in [20.0, 100.0, 600.0] {
        for kind in &KINDS[..3] {
            for told in [false, true] {
                let mut server = Server::new(*kind, vec![(Duration::ZERO, limit)]);
                let client = Client { named: true, told, ..Client::new(Times::steady(ms(300), ms(20)), ms(590_000)) };
                let mut pacer = Pacer::new(4_096);
                let came = client.run(&mut pacer, &mut server);
                assert!(came.answered as f64 >= 0.95 * limit * 590.0 / 60.0, "{limit} {kind:?} told {told}: {came:?}");
                assert_eq!(came.refused, came.refused_at_first, "{limit} {kind:?} told {told}: {came:?}");
                assert_eq!(pacer.learned_per_minute(), Some(limit));
            }
        }
    }
}

#[test]
fn a_name_that_is_no_number_changes_nothing() {
    let mut pacer = Pacer::new(100);
    for name in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -3.0, 0.0] {
        pacer.hint(ms(0), name);
    }
    let limits = PaceLimits { requests_per_minute: Some(f64::NAN), tokens_per_minute: Some(-1.0) };
    let mut unlimited = Pacer::with_limits(100, limits);
    for _ in 0..20 {
        assert_eq!(pacer.admit(ms(1), 1_000_000), Admission::Go);
        assert_eq!(unlimited.admit(ms(1), u64::MAX), Admission::Go);
    }
}

/// What a run of requests of so many tokens each used in the busiest minute, and in all.
fn tokens_used(pacer: &mut Pacer, estimated: u64, used: u64, minutes: u64) -> (u64, u64) {
    let mut sent: Vec<Duration> = Vec::new();
    let (mut now, end) = (Duration::ZERO, ms(60_000 * minutes));
    while now < end {
        match pacer.admit(now, estimated) {
            Admission::Go => {
                sent.push(now);
                pacer.ended(now, now, Ending::Served, TokenUse { estimated, used: Some(used) });
            }
            Admission::At(at) => now = at,
            other => panic!("{other:?}"),
        }
    }
    let within = |from: Duration| sent.iter().filter(|at| **at >= from && **at < from + MINUTE).count() as u64;
    (sent.iter().map(|from| within(*from)).max().unwrap_or(0) * used, sent.len() as u64 * used)
}

#[test]
fn tokens_are_paced_and_corrected() {
    let limits = PaceLimits { requests_per_minute: None, tokens_per_minute: Some(100_000.0) };
    for (estimated, used) in [(1_000, 1_000), (1_000, 250), (250, 1_000), (60_000, 60_000)] {
        let (busiest, all) = tokens_used(&mut Pacer::with_limits(512, limits), estimated, used, 10);
        // what is estimated too low shows only once it was used
        assert!(busiest <= 100_000 + used, "{estimated} {used}: {busiest}");
        let least = if used > 50_000 { 540_000 } else { 950_000 };
        assert!(all >= least, "{estimated} {used}: {all}");
    }
    // more than a minute lets through at all: one at a time, and not stuck
    let (busiest, all) = tokens_used(&mut Pacer::with_limits(512, limits), 250_000, 250_000, 10);
    assert!(busiest == 250_000 && all >= 250_000 * 3, "{busiest} {all}");
}

#[test]
fn a_request_that_never_left_takes_nothing() {
    let limits = PaceLimits { requests_per_minute: Some(60.0), tokens_per_minute: Some(1_000.0) };
    let mut pacer = Pacer::with_limits(10, limits);
    for _ in 0..1_000 {
        assert_eq!(pacer.admit(ms(5), 100), Admission::Go);
        pacer.ended(ms(5), ms(5), Ending::Unsent, TokenUse { estimated: 100, used: None });
    }
    assert_eq!(pacer.in_flight(), 0);
}

#[test]
fn a_low_limit_is_told_once_it_is_proven() {
    for (limit, low) in [(20.0, true), (100.0, true), (600.0, false)] {
        let mut server = Server::new(Kind::Sliding, vec![(Duration::ZERO, limit)]);
        let mut pacer = Pacer::new(4_096);
        assert_eq!(pacer.throttled_low(), None);
        Client::new(Times::steady(ms(300), ms(20)), ms(150_000)).run(&mut pacer, &mut server);
        assert_eq!(pacer.throttled_low().is_some(), low, "{limit}: {:?}", pacer.learned_per_minute());
        assert!(pacer.learned_per_minute().is_some_and(|learned| (learned / limit - 1.0).abs() < 0.05));
    }
}

#[test]
fn what_was_learned_is_forgotten_after_a_quiet_quarter_of_an_hour() {
    let mut server = Server::new(Kind::Sliding, vec![(Duration::ZERO, 100.0)]);
    let mut pacer = Pacer::new(4_096);
    Client::new(Times::steady(ms(300), ms(20)), ms(100_000)).run(&mut pacer, &mut server);
    assert!(pacer.learned_per_minute().is_some());
    let later = ms(100_000 + 901_000);
    assert_eq!(pacer.admit(later, 0), Admission::Go);
    assert_eq!(pacer.learned_per_minute(), None);
}
