//! Without a limit in sight.

use std::time::Duration;

use corsac_policy::{Admission, Ending, Pacer, TokenUse};

use crate::pacing_world::{Client, Kind, Server, Times, ms};

/// A server that never refuses.
fn endless() -> Server {
    Server::new(Kind::Sliding, vec![(Duration::ZERO, 1e12)])
}

fn rows(rows: u64, answer: Duration, spread: f64) -> crate::pacing_world::Came {
    let times = Times { spread, ..Times::steady(answer, answer) };
    let came = Client { rows, ..Client::new(times, ms(600_000)) }.run(&mut Pacer::new(4_096), &mut endless());
    assert_eq!((came.answered, came.refused), (rows, 0));
    came
}

#[test]
fn two_thousand_slow_answers_are_under_way_at_once() {
    let came = rows(2_000, ms(1_000), 0.0);
    assert!(came.last_sent <= ms(400), "{:?}", came.last_sent);
    assert!(came.last_answer <= ms(1_400), "{:?}", came.last_answer);
}

#[test]
fn a_long_run_is_soon_at_the_ceiling() {
    // 4,096 at once are 4.1 s for ten thousand answers of a second, 7.4 s for a hundred thousand of 0.3 s
    for (number, answer, within) in [(10_000, 1_000, 5_500), (100_000, 300, 8_600)] {
        let came = rows(number, ms(answer), 0.3);
        println!("{number} answers of {answer} ms: {:?}", came.last_answer);
        assert!(came.last_answer <= ms(within), "{:?}", came.last_answer);
        assert_eq!(came.most_in_flight, 4_096);
    }
}

#[test]
fn answers_that_come_at_once_are_not_waited_for() {
    // one answer each 20 µs, however many are under way: fifty thousand a second
    let mut pacer = Pacer::new(4_096);
    let (mut now, mut most, mut idle) = (Duration::ZERO, 0, 0);
    for _ in 0..200_000 {
        while pacer.admit(now, 0) == Admission::Go {}
        most = most.max(pacer.in_flight());
        idle += u32::from(pacer.in_flight() == 0);
        let started = now.saturating_sub(Duration::from_micros(20) * pacer.in_flight() as u32);
        now += Duration::from_micros(20);
        pacer.ended(now, started, Ending::Served, TokenUse::default());
    }
    assert_eq!(idle, 0, "the server always has something to do");
    assert!(most <= 80, "a small window does: {most}");
}

#[test]
fn a_server_at_its_limit_is_not_flooded() {
    // it works on sixteen at once, each for 50 ms; what comes on top queues there
    let mut pacer = Pacer::new(4_096);
    let mut queue: std::collections::VecDeque<Duration> = Default::default();
    let mut now = Duration::ZERO;
    while now < ms(5_000) {
        while pacer.admit(now, 0) == Admission::Go {
            queue.push_back(now);
        }
        now += ms(50);
        for started in queue.drain(..queue.len().min(16)) {
            pacer.ended(now, started, Ending::Served, TokenUse::default());
        }
    }
    // every five seconds it looks again whether answers just take that long
    assert!(pacer.in_flight() < 512, "{}", pacer.in_flight());
}

#[test]
fn no_more_than_the_ceiling_are_under_way() {
    for ceiling in [0, 1, 7, 300] {
        let mut pacer = Pacer::new(ceiling);
        let came = Client { rows: 2_000, ..Client::new(Times::steady(ms(100), ms(100)), ms(600_000)) }.run(&mut pacer, &mut endless());
        assert_eq!((came.answered, came.most_in_flight), (2_000, ceiling.max(1)));
    }
}
