//! Refusals that have nothing to do with the pace: a pool shared with others turns away some by chance.

use std::time::Duration;

use corsac_policy::{Admission, Ending, Pacer, TokenUse};

use crate::pacing_world::{Client, Kind, Server, Times, ms};

#[test]
fn one_in_ten_refused_costs_little() {
    for (answer, refusal) in [(500, 500), (500, 20), (1_000, 5), (50, 20)] {
        for seed in 0..8 {
            let mut server = Server::new(Kind::Sliding, vec![(Duration::ZERO, 1e12)]);
            let times = Times { spread: 0.3, ..Times::steady(ms(answer), ms(refusal)) };
            let client = Client { told: true, chance: 0.1, seed, rows: 20_000, ..Client::new(times, ms(600_000)) };
            let came = client.run(&mut Pacer::new(4_096), &mut server);
            println!("{answer}/{refusal} ms, seed {seed}: {:?}, {} refused", came.last_answer, came.refused);
            assert_eq!(came.answered, 20_000);
            // at the ceiling from the start it would take 2.7, 2.4, 4.9 and 0.24 s
            assert!(came.last_answer < ms(60_000), "{answer}/{refusal}, seed {seed}: {:?}", came.last_answer);
        }
    }
}

#[test]
fn one_after_another_with_one_in_ten_refused() {
    for seed in 0..8 {
        let mut server = Server::new(Kind::Sliding, vec![(Duration::ZERO, 1e12)]);
        let client = Client { chance: 0.1, seed, rows: 300, ..Client::new(Times::steady(ms(200), ms(20)), ms(600_000)) };
        let came = client.run(&mut Pacer::new(1), &mut server);
        println!("seed {seed}: {:?}, {} refused", came.last_answer, came.refused);
        assert_eq!(came.answered, 300);
        // sixty seconds of answers
        assert!(came.last_answer < ms(150_000), "seed {seed}: {:?}", came.last_answer);
    }
}

#[test]
fn nothing_but_refusals_closes_the_scope_and_one_answer_opens_it() {
    let mut pacer = Pacer::new(100);
    let (mut now, mut rounds) = (Duration::ZERO, 0);
    let refused = Ending::RateLimited { come_back: Some(ms(1_000)) };
    let until = loop {
        match pacer.admit(now, 0) {
            Admission::Go => {
                rounds += 1;
                pacer.ended(now + ms(10), now, refused, TokenUse::default());
                now += ms(20);
            }
            Admission::At(at) => now = at,
            Admission::Closed(until) => break until,
            Admission::Later => panic!("nothing is under way"),
        }
        assert!(rounds < 100, "never closed");
    };
    assert_eq!((rounds, pacer.rests_until()), (8, until));
    // a probe at the time that was named, and while it is under way the scope stays closed to others
    assert_eq!(pacer.admit(until, 0), Admission::Go);
    assert!(matches!(pacer.admit(until, 0), Admission::Closed(_)));
    pacer.ended(until + ms(50), until, Ending::Served, TokenUse::default());
    assert_eq!(pacer.admit(until + ms(51), 0), Admission::Go);
}

#[test]
fn a_probe_that_came_to_nothing_is_sent_again() {
    for ending in [Ending::Lost, Ending::Unsent] {
        let mut pacer = Pacer::new(100);
        assert_eq!(pacer.admit(ms(0), 0), Admission::Go);
        pacer.ended(ms(10), ms(0), Ending::RateLimited { come_back: Some(ms(5_000)) }, TokenUse::default());
        let Admission::At(at) = pacer.admit(ms(10), 0) else { panic!("{pacer:?}") };
        assert!(at >= ms(5_010), "{at:?}");
        assert_eq!(pacer.admit(at, 0), Admission::Go);
        assert!(matches!(pacer.admit(at, 0), Admission::At(_)), "one at a time");
        pacer.ended(at + ms(1), at, ending, TokenUse::default());
        assert_eq!(pacer.admit(at + ms(2), 0), Admission::Go);
    }
}
