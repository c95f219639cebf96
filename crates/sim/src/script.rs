//! Reads a script (TOML, or JSON when it opens with a brace) and the CLI's flags into a [`SimConfig`];
//! every complaint names the line and, where one is concerned, the rule.

use std::fs;
use std::path::Path;

use crate::config::{DownModel, FaultEvery, LatencyRange, LimitHint, SimConfig};
use crate::error::SimError;
use crate::fault::FaultKind;

/// The flags of a command line, each in the form a person types it. A flag that is given wins over
/// the script.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// The seed.
    pub seed: Option<u64>,
    /// The wall clock at the start, seconds since 1970.
    pub started_at_epoch_s: Option<u64>,
    /// Milliseconds: `200` or `100..300`.
    pub latency: Option<String>,
    /// Inference requests a minute and key.
    pub rate_limit: Option<u32>,
    /// `none`, `reset`, `retry_after`, `both` or `date`.
    pub rate_limit_hint: Option<String>,
    /// `MODEL` or `MODEL=FAULT`.
    pub down: Vec<String>,
    /// `N:FAULT`.
    pub fault_every: Vec<String>,
    /// Credits in dollars.
    pub credits: Option<String>,
    /// Serve requests without a key too.
    pub open: bool,
}

impl SimConfig {
    /// Reads a script.
    ///
    /// # Errors
    /// [`SimError::Script`] with the line and the rule it is about.
    pub fn from_script(text: &str) -> Result<Self, SimError> {
        let config = if text.trim_start().starts_with('{') { read_json(text)? } else { read_toml(text)? };
        config.check().map_err(|complaint| {
            let line = complaint.rule.and_then(|rule| header_line(text, "[[rule]]", rule));
            SimError::Script { line, rule: complaint.rule, message: complaint.message }
        })?;
        Ok(config)
    }

    /// Reads a script's file, or takes the usual settings where there is none. Unless the script sets a date, the simulator's
    /// clock starts at this one, in seconds since 1970.
    ///
    /// # Errors
    /// [`SimError::Unreadable`] and what [`SimConfig::from_script`] says, with the file's name.
    pub fn load(script: Option<&Path>, now_epoch_s: u64) -> Result<Self, SimError> {
        let mut config = match script {
            None => Self::default(),
            Some(path) => {
                let place = path.display().to_string();
                let text =
                    fs::read_to_string(path).map_err(|error| SimError::Unreadable { place: place.clone(), why: error.to_string() })?;
                Self::from_script(&text).map_err(|error| SimError::In { place, error: Box::new(error) })?
            }
        };
        if config.started_at_epoch_s == Self::default().started_at_epoch_s {
            config.started_at_epoch_s = now_epoch_s;
        }
        Ok(config)
    }

    /// Adds the flags of a command line.
    ///
    /// # Errors
    /// [`SimError::Option`] naming the flag and what it should look like.
    pub fn with_options(mut self, options: &SimOptions) -> Result<Self, SimError> {
        if let Some(seed) = options.seed {
            self.seed = seed;
        }
        if let Some(epoch_seconds) = options.started_at_epoch_s {
            self.started_at_epoch_s = epoch_seconds;
        }
        if let Some(text) = &options.latency {
            self.latency_ms = read_latency(text)?;
        }
        if options.rate_limit.is_some() {
            self.limits.requests_per_minute = options.rate_limit;
            self.limits.schedule.clear();
        }
        if let Some(text) = &options.rate_limit_hint {
            self.limits.hint = read_hint(text)?;
        }
        for text in &options.down {
            self.down.push(read_down(text)?);
        }
        for text in &options.fault_every {
            self.fault_every.push(read_fault_every(text)?);
        }
        if let Some(text) = &options.credits {
            let amount =
                crate::PicoDollars::parse(text).ok_or_else(|| SimError::option("credits", text, "an amount of dollars such as 2.50"))?;
            self.keys.credits_dollars = Some(amount);
        }
        self.keys.open |= options.open;
        Ok(self)
    }

    /// What no type can say: values that exclude each other or make no sense.
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(message) = rule.problem() {
                return Err(Complaint { rule: Some(index + 1), message });
            }
        }
        if self.fault_every.iter().any(|entry| entry.every == 0) {
            return Err(Complaint::general("`fault_every` with `every = 0` never happens; write 1 or more"));
        }
        if self.models.iter().any(|model| !model.id.contains('/')) {
            return Err(Complaint::general("a `[[model]]` needs an `id` of the form author/slug"));
        }
        if self.limits.schedule.iter().zip(self.limits.schedule.iter().skip(1)).any(|(a, b)| a.at_s > b.at_s) {
            return Err(Complaint::general("`limits.schedule` must be in the order of `at_s`"));
        }
        Ok(())
    }
}

/// A complaint about a configuration that could be read.
pub(crate) struct Complaint {
    /// Which rule, counted from 1.
    pub(crate) rule: Option<usize>,
    pub(crate) message: String,
}

impl Complaint {
    fn general(message: &str) -> Self {
        Self { rule: None, message: message.to_owned() }
    }
}

fn read_toml(text: &str) -> Result<SimConfig, SimError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        SimError::Script { line, rule: line.and_then(|line| rule_at(text, line)), message: error.message().to_owned() }
    })
}

fn read_json(text: &str) -> Result<SimConfig, SimError> {
    serde_json::from_str(text).map_err(|error| SimError::Script { line: Some(error.line()), rule: None, message: error.to_string() })
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The number of the rule that the line stands in, if it stands in one.
fn rule_at(text: &str, line: usize) -> Option<usize> {
    let headers = text.lines().take(line).map(str::trim).filter(|line| line.starts_with('['));
    let (mut rules, mut inside) = (0, false);
    for header in headers {
        inside = header.starts_with("[[rule]]") || (inside && header.starts_with("[rule."));
        rules += usize::from(header.starts_with("[[rule]]"));
    }
    inside.then_some(rules)
}

/// The line of the nth table of that header.
fn header_line(text: &str, header: &str, number: usize) -> Option<usize> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim().starts_with(header));
    lines.nth(number.checked_sub(1)?).map(|(index, _)| index + 1)
}

fn read_latency(text: &str) -> Result<LatencyRange, SimError> {
    let wrong = || SimError::option("latency", text, "milliseconds such as 200 or 100..300");
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let min = min.trim().parse().map_err(|_| wrong())?;
    let max = max.trim().parse().map_err(|_| wrong())?;
    if min > max { Err(wrong()) } else { Ok(LatencyRange { min, max }) }
}

fn read_hint(text: &str) -> Result<LimitHint, SimError> {
    match text {
        "none" => Ok(LimitHint::None),
        "reset" => Ok(LimitHint::Reset),
        "retry_after" => Ok(LimitHint::RetryAfter),
        "both" => Ok(LimitHint::Both),
        "date" => Ok(LimitHint::Date),
        _ => Err(SimError::option("rate-limit-hint", text, "none, reset, retry_after, both or date")),
    }
}

fn read_down(text: &str) -> Result<DownModel, SimError> {
    let (model, fault) = text.split_once('=').unwrap_or((text, "http_503"));
    let fault: FaultKind = fault.parse().map_err(|why: String| SimError::option("down", text, &why))?;
    Ok(DownModel { model: model.to_owned(), fault, after_s: None, until_s: None })
}

fn read_fault_every(text: &str) -> Result<FaultEvery, SimError> {
    let wrong = || SimError::option("fault-every", text, "N:FAULT such as 10:http_503");
    let (every, fault) = text.split_once(':').ok_or_else(wrong)?;
    let every: u64 = every.parse().ok().filter(|every| *every > 0).ok_or_else(wrong)?;
    let fault = fault.parse().map_err(|why: String| SimError::option("fault-every", text, &why))?;
    Ok(FaultEvery { every, fault })
}
