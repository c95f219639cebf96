//! Configurations drawn from a seed, for runs that look for trouble: the same seed draws the same trouble.

use crate::config::{DownModel, LatencyRange, LimitChange, LimitHint, SimConfig, StreamConfig, WindowKind};
use crate::fault::FaultKind;
use crate::money::PicoDollars;
use crate::rule::Rule;
use crate::seed::{Draw, mix};

/// Faults that pass: the same request may be answered next time.
const PASSING: &[FaultKind] = &[
    FaultKind::Http500,
    FaultKind::Http502,
    FaultKind::Http503,
    FaultKind::Http504,
    FaultKind::Http524Html,
    FaultKind::Http529,
    FaultKind::Http408,
    FaultKind::RateLimited,
    FaultKind::UpstreamRateLimited,
    FaultKind::CapacityExhausted,
    FaultKind::InFlight402,
    FaultKind::Hang,
    FaultKind::Cut,
    FaultKind::Slow,
    FaultKind::TruncatedStream,
    FaultKind::MidstreamError,
    FaultKind::StalledStream,
    FaultKind::Http524,
    FaultKind::Edge403Html,
    FaultKind::FreePerMinute,
    FaultKind::MidstreamErrorNoChoices,
    FaultKind::MidstreamErrorBare,
];
/// Answers that are no answers.
const SPOILED: &[FaultKind] = &[
    FaultKind::ErrorIn200,
    FaultKind::ChoiceError,
    FaultKind::EmptyStop,
    FaultKind::Length,
    FaultKind::MalformedJson,
    FaultKind::WrongSchema,
    FaultKind::FencedJson,
    FaultKind::Refusal,
    FaultKind::ContentFilter,
    FaultKind::ToolEmptyArguments,
    FaultKind::GarbageBody,
    FaultKind::WrongContentType,
    FaultKind::EmptyBody,
    FaultKind::ReasoningOnly,
    FaultKind::ToolCallMissing,
];
/// Refusals that the same request gets again; another model, another way to ask or nothing at all helps.
const LASTING: &[FaultKind] = &[
    FaultKind::Moderation403,
    FaultKind::Guardrail403,
    FaultKind::NoEndpoints404,
    FaultKind::ParameterFilter404,
    FaultKind::DataPolicy404,
    FaultKind::SchemaRefused400,
    FaultKind::ContextLength400,
    FaultKind::ReasoningMandatory400,
    FaultKind::CannotAfford402,
    FaultKind::Weight402,
    FaultKind::Http400,
    FaultKind::Http413,
    FaultKind::Http422,
    FaultKind::Region403,
    FaultKind::AllowedProviders404,
    FaultKind::Guardrail404,
    FaultKind::Privacy404,
    FaultKind::ToolUse404,
    FaultKind::ToolChoice404,
    FaultKind::ImageInput404,
    FaultKind::Deprecated404,
    FaultKind::UnknownModel400,
];
/// Refusals that end a run.
const FATAL: &[FaultKind] = &[
    FaultKind::NoCredits402,
    FaultKind::KeyLimit403,
    FaultKind::KeyLimit402,
    FaultKind::Budget403,
    FaultKind::Unauthorized401,
    FaultKind::FreePerDay,
];
/// How a model goes down.
const OUTAGES: &[FaultKind] = &[
    FaultKind::Http503,
    FaultKind::Http502,
    FaultKind::Http529,
    FaultKind::UpstreamRateLimited,
    FaultKind::NoEndpoints404,
    FaultKind::Hang,
    FaultKind::ErrorIn200,
];
/// Whom a fault hits: everything, an author, or one model.
const TARGETS: &[&str] = &["*", "*", "*", "openai/*", "openai/*", "anthropic/*", "openai/gpt-4o-mini", "anthropic/claude-3-haiku"];
const PROVIDERS: &[&str] = &["openai", "azure", "anthropic", "amazon-bedrock", "google-vertex", "deepinfra", "novita", "together"];

impl SimConfig {
    /// A configuration full of trouble, drawn from a seed: the same seed gives the same configuration, and its `seed`
    /// is that seed.
    ///
    /// | what | how it is drawn |
    /// |---|---|
    /// | `latency_ms` | shortest 10 to 400, longest one to eight times that; `slow_ms` 2,000 to 40,000 |
    /// | `refusal_ms` | half the time 0, else 1 to 30 |
    /// | `stream` | a gap of 0 to 40 ms, up to 3 leading comments, the usage anywhere; a quarter end lines with CR LF, a quarter come in pieces of 1 to 200 bytes |
    /// | `limits.requests_per_minute` | in 6 of 10: 60 to 6,000, evenly by its logarithm; either kind of window; each of the four hints alike, and half of the waiting times written as dates; in 4 of 10 of these it halves after 30 to 180 s and comes back after 60 to 240 s more |
    /// | `limits.model_requests_per_minute` | in 2 of 10: one well-known model, 30 to 600 |
    /// | `limits.in_flight_dollars` | in 15 of 100: $0.02 to $2 |
    /// | `keys.credits_dollars` | in 2 of 10: $0.01 to $5; `key_limit_dollars` in 1 of 10: $0.01 to $2 |
    /// | `down` | none to two outages of 3 to 90 s that begin in the first 120 s, of everything, an author or a model; one in eight never ends |
    /// | `rule` | none to five: 6 of 11 pass, 3 spoil the answer, 1 is a lasting refusal, and 1 in 11 is fatal but, nine times of ten, strikes at most three times. Each hits by chance (1 to 30 %), every 2nd to 20th time, the first 1 to 12 times, or for 2 to 30 s of every 20 to 120 s; by model or, a quarter, by provider |
    #[must_use]
    pub fn random(seed: u64) -> SimConfig {
        let mut dice = Dice(Draw::new(mix(seed ^ 0x5EED_0F7A_0B1E)));
        let shortest = dice.between(10, 400);
        let mut config = SimConfig {
            seed,
            latency_ms: LatencyRange { min: shortest, max: shortest * dice.between(1, 8) },
            slow_ms: dice.between(2_000, 40_000),
            ..SimConfig::default()
        };
        if dice.one_in(2) {
            config.refusal_ms = LatencyRange { min: 1, max: dice.between(1, 30) };
        }
        let (gap_ms, comments) = (dice.between(0, 40), dice.below(4));
        config.stream = StreamConfig { gap_ms, leading_comments: comments, ..StreamConfig::default() };
        limit(&mut config, &mut dice);
        money(&mut config, &mut dice);
        for _ in 0..dice.between(0, 2) {
            config.down.push(outage(&mut dice));
        }
        for _ in 0..dice.between(0, 5) {
            config.rules.push(rule(&mut dice));
        }
        wording(&mut config, &mut Dice(Draw::new(mix(seed ^ 0x00D1_A1EC7))));
        config
    }
}

/// How the same things are said, out of dice of its own: what happens does not depend on it.
fn wording(config: &mut SimConfig, dice: &mut Dice) {
    config.stream.crlf = dice.one_in(4);
    config.stream.piece_bytes = dice.one_in(4).then(|| 1 + dice.0.index(200));
    if config.limits.hint == LimitHint::RetryAfter && dice.one_in(2) {
        config.limits.hint = LimitHint::Date;
    }
}

fn limit(config: &mut SimConfig, dice: &mut Dice) {
    if dice.percent(60) {
        // 60 to 6,000: a hundredfold, in sixteen equal steps of the logarithm
        let mut limit = 60u32;
        for _ in 0..dice.below(17) {
            limit = limit * 4 / 3;
        }
        let limit = limit.min(6_000);
        config.limits.requests_per_minute = Some(limit);
        config.limits.window = dice.pick(&[WindowKind::Fixed, WindowKind::Sliding]);
        config.limits.hint = dice.pick(&[LimitHint::None, LimitHint::Reset, LimitHint::RetryAfter, LimitHint::Both]);
        if dice.percent(40) {
            let at_s = dice.between(30, 180);
            let back_s = at_s + dice.between(60, 240);
            config.limits.schedule = vec![
                LimitChange { at_s, requests_per_minute: (limit / 2).max(1) },
                LimitChange { at_s: back_s, requests_per_minute: limit },
            ];
        }
    }
    if dice.percent(20) {
        let model = dice.pick(&["openai/gpt-4o-mini", "anthropic/claude-3-haiku"]);
        config.limits.model_requests_per_minute.insert(model.to_owned(), 30 + dice.below(571));
    }
}

fn money(config: &mut SimConfig, dice: &mut Dice) {
    if dice.percent(15) {
        config.limits.in_flight_dollars = Some(dice.cents(2, 200));
    }
    if dice.percent(20) {
        config.keys.credits_dollars = Some(dice.cents(1, 500));
    }
    if dice.percent(10) {
        config.keys.key_limit_dollars = Some(dice.cents(1, 200));
    }
}

fn outage(dice: &mut Dice) -> DownModel {
    let from = dice.below(121);
    let until = (!dice.one_in(8)).then(|| f64::from(from + 3 + dice.below(88)));
    DownModel { model: dice.pick(TARGETS).to_owned(), fault: dice.pick(OUTAGES), after_s: Some(f64::from(from)), until_s: until }
}

fn rule(dice: &mut Dice) -> Rule {
    let (kinds, is_fatal) = match dice.below(11) {
        0..6 => (PASSING, false),
        6..9 => (SPOILED, false),
        9 => (LASTING, false),
        _ => (FATAL, true),
    };
    let mut rule = Rule { fault: Some(dice.pick(kinds)), ..Rule::default() };
    if dice.one_in(4) {
        rule.provider = Some(dice.pick(PROVIDERS).to_owned());
    } else {
        rule.model = Some(dice.pick(TARGETS).to_owned());
    }
    match dice.below(4) {
        0 => rule.probability = Some(f64::from(1 + dice.below(30)) / 100.0),
        1 => rule.every = Some(dice.between(2, 20)),
        2 => rule.times = Some(dice.between(1, 12)),
        _ => {
            rule.cycle_s = Some(f64::from(20 + dice.below(101)));
            rule.on_s = Some(f64::from(2 + dice.below(29)));
        }
    }
    if is_fatal && !dice.one_in(10) {
        rule.times = Some(dice.between(1, 3));
    }
    rule
}

/// Draws in the forms that a configuration needs.
struct Dice(Draw);

impl Dice {
    /// A number from `least` to `most`, both included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.0.below(u64::from(bound))).unwrap_or(0)
    }

    fn percent(&mut self, share: u64) -> bool {
        self.0.below(100) < share
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.0.below(count) == 0
    }

    fn cents(&mut self, least: u64, most: u64) -> PicoDollars {
        PicoDollars(self.between(least, most) * 10_000_000_000)
    }

    /// One of a list that is not empty: every list here is written out above.
    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.0.index(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::{FATAL, LASTING, OUTAGES, PASSING, SPOILED};
    use crate::config::SimConfig;

    #[test]
    fn a_seed_draws_the_same_again_and_another_draws_else() {
        for seed in 0..50 {
            let drawn = |seed| format!("{:?}", SimConfig::random(seed));
            assert_eq!(drawn(seed), drawn(seed));
            assert_ne!(drawn(seed), drawn(seed + 1));
        }
    }

    #[test]
    fn every_drawn_configuration_can_be_used_and_stays_in_its_bounds() {
        let mut faults = std::collections::BTreeSet::new();
        let (mut limited, mut outages, mut quiet) = (0, 0, 0);
        for seed in 0..2_000 {
            let config = SimConfig::random(seed);
            assert!(config.check().is_ok(), "seed {seed}");
            assert!(config.latency_ms.min >= 10 && config.latency_ms.max <= 3_200);
            if let Some(limit) = config.limits.requests_per_minute {
                assert!((60..=6_000).contains(&limit), "{limit}");
                limited += 1;
            }
            outages += config.down.len();
            quiet += usize::from(config.down.is_empty() && config.rules.is_empty());
            faults.extend(config.rules.iter().filter_map(|rule| rule.fault));
        }
        assert!((1_100..1_300).contains(&limited), "{limited}");
        assert!((1_800..2_200).contains(&outages), "{outages}");
        assert!((60..180).contains(&quiet), "{quiet}");
        let listed = PASSING.iter().chain(SPOILED).chain(LASTING).chain(FATAL);
        assert_eq!(faults.len(), listed.count(), "every listed fault is drawn at times");
        assert!(OUTAGES.len() > 3);
    }
}
