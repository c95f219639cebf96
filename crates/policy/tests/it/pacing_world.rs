//! Servers with limits in virtual time, and a client with an endless line of requests that asks the pacer before each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use corsac_policy::{Admission, Ending, Pacer, TokenUse};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How a server counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// In minutes of the clock; the run starts so far into one.
    Fixed { into: Duration },
    /// Over the sixty seconds before each request.
    Sliding,
    /// In a bucket that holds so many seconds' worth, full at first.
    Bucket { holds: f64 },
}

/// A limit that nobody names: requests a minute, from a time on.
pub(crate) type Schedule = Vec<(Duration, f64)>;

#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) limits: Schedule,
    minute: u64,
    used: u64,
    times: VecDeque<Duration>,
    level: f64,
    level_at: Duration,
}

impl Server {
    pub(crate) fn new(kind: Kind, limits: Schedule) -> Server {
        let level = match kind {
            Kind::Bucket { holds } => (limits[0].1 / 60.0 * holds).max(1.0),
            _ => 0.0,
        };
        Server { kind, limits, minute: 0, used: 0, times: VecDeque::new(), level, level_at: Duration::ZERO }
    }

    pub(crate) fn limit(&self, at: Duration) -> f64 {
        self.limits.iter().rev().find(|(from, _)| *from <= at).unwrap().1
    }

    /// Takes a request, or says how long until it would be taken.
    pub(crate) fn take(&mut self, at: Duration) -> Result<(), Duration> {
        let limit = self.limit(at);
        match self.kind {
            Kind::Fixed { into } => {
                let minute = (at + into).as_secs() / 60;
                if self.minute != minute {
                    (self.minute, self.used) = (minute, 0);
                }
                if self.used as f64 >= limit {
                    return Err(MINUTE * (minute as u32 + 1) - (at + into));
                }
                self.used += 1;
            }
            Kind::Sliding => {
                while self.times.front().is_some_and(|first| *first + MINUTE <= at) {
                    self.times.pop_front();
                }
                let over = self.times.len() as f64 + 1.0 - limit;
                if over > 0.0 {
                    return Err(self.times[over as usize - 1] + MINUTE - at);
                }
                self.times.push_back(at);
            }
            Kind::Bucket { holds } => {
                let per_second = limit / 60.0;
                let flown = at.saturating_sub(self.level_at).as_secs_f64() * per_second;
                self.level = (self.level + flown).min((per_second * holds).max(1.0));
                self.level_at = at;
                if self.level < 1.0 - 1e-9 {
                    return Err(Duration::from_secs_f64((1.0 - self.level) / per_second) + Duration::from_micros(1));
                }
                self.level -= 1.0;
            }
        }
        Ok(())
    }

    /// What the limit allows in a time, as its number says.
    pub(crate) fn nominal(&self, end: Duration) -> f64 {
        let ends = self.limits.iter().skip(1).map(|(from, _)| *from).chain([end]);
        self.limits.iter().zip(ends).map(|((from, limit), to)| (to - *from).as_secs_f64() / 60.0 * limit).sum()
    }

    /// What a client that knows everything gets: it asks whenever it would be served.
    pub(crate) fn greedy(&self, end: Duration) -> u64 {
        let mut server = Server::new(self.kind, self.limits.clone());
        let (mut now, mut served) = (Duration::ZERO, 0);
        while now < end {
            match server.take(now) {
                Ok(()) => served += 1,
                Err(wait) => {
                    let changes = self.limits.iter().map(|(from, _)| *from).find(|from| *from > now).unwrap_or(Duration::MAX);
                    now = (now + wait).min(changes);
                }
            }
        }
        served
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) answer: Duration,
    pub(crate) refusal: Duration,
    /// Each takes up to this share longer or shorter.
    pub(crate) spread: f64,
    /// A request arrives up to this much after it was sent.
    pub(crate) way: Duration,
}

impl Times {
    pub(crate) fn steady(answer: Duration, refusal: Duration) -> Times {
        Times { answer, refusal, spread: 0.0, way: Duration::ZERO }
    }
}

/// Chance from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number from 0 to 1 (splitmix64).
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Came {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// Refused before the first minute was over.
    pub(crate) refused_at_first: u64,
    pub(crate) last_answer: Duration,
    pub(crate) last_sent: Duration,
    pub(crate) most_in_flight: usize,
}

fn phase(pacer: &Pacer) -> String {
    let text = format!("{pacer:?}");
    let phase = text.split("phase: ").nth(1).unwrap().chars().take_while(|one| *one != '(').collect::<String>();
    let doubt = if text.contains("doubt: None") { "" } else { " doubt" };
    format!("[{phase}{doubt}]")
}

impl Came {
    pub(crate) fn refused_share(&self) -> f64 {
        self.refused as f64 / (self.answered + self.refused).max(1) as f64
    }

    fn sent(&mut self, now: Duration, pacer: &Pacer) {
        self.last_sent = now;
        if std::env::var_os("PACING_LOG").is_some() {
            println!("  {now:?} sent {}", phase(pacer));
        }
    }

    fn replied(&mut self, at: Duration, started: Duration, served: bool, pacer: &Pacer) {
        if served {
            (self.answered, self.last_answer) = (self.answered + 1, at);
            return;
        }
        self.refused += 1;
        self.refused_at_first += u64::from(at < MINUTE);
        if std::env::var_os("PACING_LOG").is_some() {
            println!("  {started:?} refused, heard at {at:?} {}", phase(pacer));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives { started: Duration },
    Replied { started: Duration, served: bool, come_back: Option<Duration> },
}

/// A client with an endless line of requests, or with so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) times: Times,
    /// Refusals say when to come back.
    pub(crate) told: bool,
    /// Refusals name the limit.
    pub(crate) named: bool,
    /// Of this share of requests, each is refused by chance.
    pub(crate) chance: f64,
    pub(crate) seed: u64,
    pub(crate) end: Duration,
    pub(crate) rows: u64,
}

impl Client {
    pub(crate) fn new(times: Times, end: Duration) -> Client {
        Client { times, told: false, named: false, chance: 0.0, seed: 1, end, rows: u64::MAX }
    }

    /// Runs against a server until the time is over or all rows are answered.
    pub(crate) fn run(self, pacer: &mut Pacer, server: &mut Server) -> Came {
        let times = self.times;
        let mut chance = Chance::new(self.seed);
        let mut events: BinaryHeap<Reverse<(Duration, u64, Event)>> = BinaryHeap::new();
        let mut came = Came::default();
        let (mut now, mut number, mut waiting) = (Duration::ZERO, 0u64, self.rows);
        loop {
            while let Some(Reverse((at, _, event))) = events.peek().copied().filter(|Reverse((at, ..))| *at <= now) {
                events.pop();
                match event {
                    Event::Arrives { started } => {
                        let turned_away = self.chance > 0.0 && chance.next() < self.chance;
                        let taken = if turned_away { Err(Duration::from_secs(1)) } else { server.take(at) };
                        let base = if taken.is_ok() { times.answer } else { times.refusal };
                        let took = base.mul_f64(1.0 + times.spread * (2.0 * chance.next() - 1.0));
                        let come_back = taken.err().filter(|_| self.told);
                        number += 1;
                        events.push(Reverse((at + took, number, Event::Replied { started, served: taken.is_ok(), come_back })));
                    }
                    Event::Replied { started, served, come_back } => {
                        if self.named && !served {
                            pacer.hint(at, server.limit(started));
                        }
                        let ending = if served { Ending::Served } else { Ending::RateLimited { come_back } };
                        pacer.ended(at, started, ending, TokenUse::default());
                        came.replied(at, started, served, pacer);
                        waiting += u64::from(!served && self.rows < u64::MAX);
                    }
                }
            }
            if now >= self.end || came.answered >= self.rows {
                return came;
            }
            came.most_in_flight = came.most_in_flight.max(pacer.in_flight());
            let next = match if waiting > 0 { pacer.admit(now, 0) } else { Admission::Later } {
                Admission::Go => {
                    waiting -= u64::from(self.rows < u64::MAX);
                    number += 1;
                    came.sent(now, pacer);
                    events.push(Reverse((now + times.way.mul_f64(chance.next()), number, Event::Arrives { started: now })));
                    continue;
                }
                Admission::At(at) | Admission::Closed(at) => {
                    assert!(at > now, "{at:?} is not after {now:?}");
                    at
                }
                Admission::Later => Duration::MAX,
            };
            let event = events.peek().map_or(Duration::MAX, |Reverse((at, ..))| *at);
            assert!(next.min(event) < Duration::MAX, "nothing is under way and nothing will ever start: {pacer:?}");
            now = next.min(event).max(now).min(self.end);
        }
    }
}
