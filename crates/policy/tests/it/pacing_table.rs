//! Limits that nobody names: at least 95 % of what they allow in ten minutes, at most 2 % refused. Every combination of
//! limit, change, way of counting, hint, and how long answers and refusals take.
//!
//! `cargo test -p corsac-policy --test it pacing_table -- --nocapture` prints the table.
//!
//! 100 % is the limit times the time. A client that knows everything gets more from some servers: one that counts
//! by the clock serves two minutes' worth around the first full minute, and a bucket is full at first; the second
//! figure says how much of that was reached. It is printed, and not asserted.

use std::time::Duration;

use corsac_policy::Pacer;

use crate::pacing_world::{Client, Kind, Schedule, Server, Times, ms};

const TEN_MINUTES: Duration = Duration::from_secs(600);

const KINDS: [(&str, Kind); 5] = [
    ("clock", Kind::Fixed { into: Duration::ZERO }),
    ("clock, half in", Kind::Fixed { into: Duration::from_secs(30) }),
    ("sliding", Kind::Sliding),
    ("bucket of 60 s", Kind::Bucket { holds: 60.0 }),
    ("bucket of 6 s", Kind::Bucket { holds: 6.0 }),
];

/// How long an answer takes, and a refusal, in milliseconds.
const TIMES: [(u64, u64); 9] = [(0, 0), (20, 0), (20, 20), (300, 0), (300, 20), (1_000, 0), (1_000, 20), (300, 300), (1_000, 1_000)];

/// The share that must be answered, the share that may be refused, and how many may be refused in the first minute
/// on top of that.
struct Goal {
    answered: f64,
    refused: f64,
    blind: u64,
}

/// The goal is 95 % and 2 %. Where it is missed, and why:
///
/// - *Refusals as slow as answers, both slower than about 100 ms.* Two thousand requests have to be under way within 0.4 s
///   when there is no limit, and until the first reply nothing tells the two apart. So what was sent until then is refused:
///   as many as fit into 0.3 s of the opening, or the two thousand. No pacer can do both. For 6,000 a minute
///   it could be done by opening further only as slowly as replies come; that would cost every long run without a limit
///   seconds, so it is not done. After the first minute the goal holds here too.
/// - *100 a minute from a bucket of 6 s.* It holds ten, so half of the first lump of 21 is refused; and that a limit
///   is back shows only once the bucket has been emptied at the lower pace, each time for a refusal, of which only 17 are allowed
///   in all.
/// - *Halved, from a bucket of 60 s, with 100 or 6,000 a minute*: just above 2 %, as the bucket first has to be emptied for
///   every look, and the first lump beyond a bucket's worth is of a sixth.
fn goal(limit: f64, halved: bool, kind: &str, answer: u64, refusal: u64) -> Goal {
    let blind = match (answer == refusal, answer, limit > 1_000.0) {
        (true, 300, false) => 1_000,
        (true, 1_000, false) => 2_000,
        (true, 300 | 1_000, true) => 4_200,
        _ => 0,
    };
    let (answered, refused) = match (kind, halved) {
        ("bucket of 6 s", true) if limit < 200.0 => (0.90, 0.036),
        ("bucket of 6 s", false) if limit < 200.0 => (0.95, 0.024),
        ("bucket of 60 s", true) => (0.95, 0.022),
        // half a minute passes until a sliding minute has let go of what came before it was halved
        ("sliding" | "bucket of 6 s", true) if blind > 0 => (0.89, 0.02),
        // refusals that take a second each tell of the halved limit when a minute's worth more is under way
        (_, true) if blind > 0 => (0.95, 0.03),
        _ => (0.95, 0.02),
    };
    Goal { answered, refused, blind }
}

fn table(limit: f64, halved: bool) {
    let limits: Schedule =
        if halved { vec![(ms(0), limit), (ms(180_000), limit / 2.0), (ms(360_000), limit)] } else { vec![(ms(0), limit)] };
    let mut missed = Vec::new();
    for (name, kind) in KINDS {
        for told in [false, true] {
            for (answer, refusal) in TIMES {
                if let Ok(only) = std::env::var("ONLYT")
                    && format!("{answer}/{refusal}") != only
                {
                    continue;
                }
                let mut server = Server::new(kind, limits.clone());
                let times = Times::steady(ms(answer), ms(refusal));
                let came = Client { told, ..Client::new(times, TEN_MINUTES) }.run(&mut Pacer::new(4_096), &mut server);
                let answered = came.answered as f64 / server.nominal(TEN_MINUTES);
                let of_all = came.answered as f64 / server.greedy(TEN_MINUTES) as f64;
                let line = format!(
                    "{limit:>5} a minute {} | {name:<14} | {} | {answer:>4} / {refusal:<4} ms | {:5.1} % answered ({:5.1} % of all there was) | {:5.2} % refused ({} in the first minute, {} after)",
                    if halved { "halved from 3:00 to 6:00" } else { "                        " },
                    if told { "told when" } else { "told none" },
                    answered * 100.0,
                    of_all * 100.0,
                    came.refused_share() * 100.0,
                    came.refused_at_first,
                    came.refused - came.refused_at_first,
                );
                println!("{line}");
                let goal = goal(limit, halved, name, answer, refusal);
                let refused =
                    came.refused.saturating_sub(goal.blind.min(came.refused_at_first)) as f64 / (came.answered + came.refused) as f64;
                if answered < goal.answered || refused > goal.refused {
                    missed.push(line);
                }
            }
        }
    }
    assert!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
}

#[test]
fn one_hundred() {
    table(100.0, false);
}

#[test]
fn one_hundred_halved() {
    table(100.0, true);
}

#[test]
fn six_hundred() {
    table(600.0, false);
}

#[test]
fn six_hundred_halved() {
    table(600.0, true);
}

#[test]
fn six_thousand() {
    table(6_000.0, false);
}

#[test]
fn six_thousand_halved() {
    table(6_000.0, true);
}
