//! `corsac usage`: what was spent, summed from the ledger.

use corsac_dispatch::{Clock, SystemClock};
use corsac_ledger::{SpendBy, SpendLine, SpendWithin};
use corsac_wire::Usd;
use serde_json::json;

use crate::args::{Usage, UsageBy, UsageFormat};
use crate::exit::{Exit, Stop};
use crate::progress::grouped;
use crate::{home, screen};

const DAY_MS: i64 = 86_400_000;

pub(crate) fn run(arguments: &Usage) -> Result<Exit, Stop> {
    let ledger = home::ledger()?;
    let run = arguments.run.as_deref().map(|id| ledger.run(id)).transpose()?;
    let since = arguments.since.as_deref().map(moment).transpose()?;
    let days = arguments.days.map(|days| SystemClock::new().epoch_ms() - i64::from(days.saturating_sub(1)) * DAY_MS);
    let within = match (&run, since.or(days)) {
        (Some(run), _) => SpendWithin::Run(&run.id),
        (None, Some(moment)) => SpendWithin::Since(moment),
        (None, None) => SpendWithin::Everything,
    };
    let by = match arguments.by {
        UsageBy::Run => SpendBy::Run,
        UsageBy::Model => SpendBy::Model,
        UsageBy::Provider => SpendBy::Provider,
        UsageBy::Day => SpendBy::Day,
        UsageBy::Operator => SpendBy::Operator,
        UsageBy::Key => SpendBy::Key,
    };
    let lines = ledger.spend(by, within)?;
    let sum: Usd = lines.iter().map(|line| line.cost).sum();
    match arguments.format {
        UsageFormat::Table => table(arguments.by, &lines, sum),
        UsageFormat::Json => json_lines(arguments.by, &lines),
        UsageFormat::Csv => csv(arguments.by, &lines),
    }
    Ok(Exit::Done)
}

/// The beginning of a UTC day.
fn moment(text: &str) -> Result<i64, Stop> {
    let wrong = || Stop::new(Exit::Usage, format!("--since {text}: write a date such as 2026-11-22"));
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    if !((1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)) {
        return Err(wrong());
    }
    // days since 1970 of a civil date; years begin in March, so that the leap day comes last
    let (shifted, months) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + (153 * months + 2) / 5 + day - 1;
    Ok((era * 146_097 + day_of_era - 719_468) * DAY_MS)
}

fn table(by: UsageBy, lines: &[SpendLine], sum: Usd) {
    let width = lines.iter().map(|line| line.key.chars().count()).max().unwrap_or(0).max(8);
    let head =
        |name: &str| format!("{name:<width$} {:>14} {:>9} {:>9} {:>12} {:>12} {:>12}", "cost", "calls", "requests", "in", "cached", "out");
    screen::result(&head(by.name()));
    let row = |line: &SpendLine| {
        screen::result(&format!(
            "{:<width$} {:>14} {:>9} {:>9} {:>12} {:>12} {:>12}{}",
            line.key,
            exact(line.cost),
            grouped(line.calls),
            grouped(line.attempts),
            grouped(line.usage.prompt_tokens),
            grouped(line.usage.cached_tokens),
            grouped(line.usage.completion_tokens),
            remarks(line),
        ));
    };
    lines.iter().for_each(row);
    screen::result(&format!("{:<width$} {:>14}", "total", exact(sum)));
}

/// What a sum alone does not tell.
fn remarks(line: &SpendLine) -> String {
    let mut remarks = Vec::new();
    if line.byok_attempts > 0 {
        remarks.push(format!("{} with your own provider key: {} upstream", grouped(line.byok_attempts), exact(line.own_key_cost)));
    }
    if line.estimated > 0 {
        remarks.push(format!("{} estimated", grouped(line.estimated)));
    }
    if line.unpriced > 0 {
        remarks.push(format!("{} without a price", grouped(line.unpriced)));
    }
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join("; ")) }
}

/// Dollars to the millionth, which is a cent's ten-thousandth; more digits where there are more.
fn exact(cost: Usd) -> String {
    let text = plain(cost);
    match text.split_once('.') {
        Some((_, digits)) if digits.len() >= 6 => format!("${text}"),
        Some((_, digits)) => format!("${text}{}", "0".repeat(6 - digits.len())),
        None => format!("${text}.000000"),
    }
}

/// All digits of an amount, without those at the end that say nothing.
fn plain(cost: Usd) -> String {
    let pico = cost.pico();
    let text = format!(
        "{}{}.{:012}",
        if pico < 0 { "-" } else { "" },
        pico.unsigned_abs() / 1_000_000_000_000,
        pico.unsigned_abs() % 1_000_000_000_000
    );
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn json_lines(by: UsageBy, lines: &[SpendLine]) {
    for line in lines {
        let mut object = serde_json::Map::new();
        object.insert(by.name().to_owned(), line.key.as_str().into());
        let figures = json!({
            "cost": plain(line.cost),
            "calls": line.calls,
            "answered": line.answered,
            "requests": line.attempts,
            "prompt_tokens": line.usage.prompt_tokens,
            "cached_tokens": line.usage.cached_tokens,
            "completion_tokens": line.usage.completion_tokens,
            "byok_requests": line.byok_attempts,
            "upstream_cost": plain(line.own_key_cost),
            "estimated_requests": line.estimated,
            "unpriced_requests": line.unpriced,
        });
        object.extend(figures.as_object().cloned().unwrap_or_default());
        screen::result(&serde_json::Value::Object(object).to_string());
    }
}

fn csv(by: UsageBy, lines: &[SpendLine]) {
    screen::result(&format!("{},cost,calls,answered,requests,prompt_tokens,cached_tokens,completion_tokens,upstream_cost", by.name()));
    for line in lines {
        let key = if line.key.contains([',', '"', '\n']) { format!("\"{}\"", line.key.replace('"', "\"\"")) } else { line.key.clone() };
        screen::result(&format!(
            "{key},{},{},{},{},{},{},{},{}",
            plain(line.cost),
            line.calls,
            line.answered,
            line.attempts,
            line.usage.prompt_tokens,
            line.usage.cached_tokens,
            line.usage.completion_tokens,
            plain(line.own_key_cost)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_moments() {
        let day = |text: &str| moment(text).ok();
        assert_eq!(day("1970-01-01"), Some(0));
        assert_eq!(day("2000-03-01"), Some(951_868_800_000));
        assert_eq!(day("2026-11-22"), Some(1_795_305_600_000));
        assert_eq!(day("yesterday"), None);
        assert_eq!(day("2026-13-01"), None);
    }

    #[test]
    fn cents_are_shown_to_their_thousandths() {
        assert_eq!(exact(Usd::parse("0.02").unwrap()), "$0.020000");
        assert_eq!(exact(Usd::parse("0.000012345678").unwrap()), "$0.000012345678");
    }
}
