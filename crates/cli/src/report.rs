//! The report at the end of a run: what came of it, what it cost, who served, what failed and how to go on.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::{FailureKind, Summary};
use corsac_frame::FailureCount;
use corsac_ledger::RunId;

use crate::exit::Exit;
use crate::progress::{clock, grouped};
use crate::screen;

/// What the report is made from.
pub(crate) struct Report<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) engine: &'static str,
    pub(crate) summary: &'a Summary,
    pub(crate) failures: &'a [(FailureKind, FailureCount)],
    pub(crate) limits: &'a [(Arc<str>, f64)],
    pub(crate) rows: u64,
    pub(crate) took: Duration,
    pub(crate) exit: Exit,
}

/// A model that lets through fewer requests a minute than this is worth a word.
const LOW_LIMIT: f64 = 600.0;

pub(crate) fn print(report: &Report<'_>) {
    for line in lines(report) {
        screen::note(&line);
    }
}

fn lines(report: &Report<'_>) -> Vec<String> {
    let summary = report.summary;
    let mut lines = vec![format!(
        "run {}  {} rows  {} answers, {} from memory, {} failed  {}  {}",
        report.run,
        grouped(report.rows),
        grouped(summary.answered),
        grouped(summary.from_memory),
        grouped(report.failures.iter().map(|(_, count)| count.rows).sum()),
        summary.cost,
        clock(report.took),
    )];
    let served: Vec<String> = summary
        .served
        .iter()
        .map(|(model, provider, count)| match provider {
            Some(provider) => format!("{model} by {provider} {}", grouped(*count)),
            None => format!("{model} {}", grouped(*count)),
        })
        .collect();
    if !served.is_empty() {
        lines.push(format!("  served   {}", served.join(", ")));
    }
    if summary.requests > 0 {
        let usage = summary.usage;
        let cached = if usage.cached_tokens > 0 { format!(" ({} cached)", grouped(usage.cached_tokens)) } else { String::new() };
        let unpriced =
            if summary.unpriced > 0 { format!("; {} answers came without a price", grouped(summary.unpriced)) } else { String::new() };
        lines.push(format!(
            "  tokens   {} in{cached}, {} out, {} requests{unpriced}",
            grouped(usage.prompt_tokens),
            grouped(usage.completion_tokens),
            grouped(summary.requests)
        ));
    }
    let mut remedies: Vec<String> = summary.remedies.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    if summary.repaired > 0 {
        remedies.insert(0, format!("repaired {}", grouped(summary.repaired)));
    }
    if !remedies.is_empty() {
        lines.push(format!("  remedies {}", remedies.join(", ")));
    }
    for (model, count, lost) in &summary.detours {
        lines.push(format!("  failover {} calls answered by {model}, {:.1} s later each on average", grouped(*count), lost.as_secs_f64()));
    }
    for (kind, count) in report.failures {
        lines.push(format!(
            "  failed   {} {kind}, first at row {} (from 0) of {}: {}",
            grouped(count.rows),
            count.row,
            count.operator,
            one_line(&count.message)
        ));
        if !count.input.trim().is_empty() {
            lines.push(format!("           {:?}", one_line(&count.input)));
        }
    }
    for (model, per_minute) in report.limits.iter().filter(|(_, per_minute)| *per_minute < LOW_LIMIT) {
        lines.push(format!(
            "  limit    {model} let through about {per_minute:.0} requests a minute; a model with more providers has more room, or add one with --fallback"
        ));
    }
    match report.exit {
        Exit::RowsFailed if report.failures.iter().any(|(kind, _)| may_pass(*kind)) => {
            lines.push(format!("  retry    corsac runs retry {}   asks the failed rows again; the others come from memory", report.run))
        }
        Exit::BudgetReached => {
            lines.push(
                "  go on    run the same command with a higher budget: what is answered comes from memory and costs nothing".to_owned(),
            );
        }
        Exit::Interrupted => {
            lines.push("  go on    run the same command again: what is answered comes from memory and costs nothing".to_owned())
        }
        _ => {}
    }
    if report.engine == "local" && report.summary.answered + report.summary.from_memory > 0 {
        lines.push(
            "  model    answered by the small embedded model: good for trying Corsac out, not for answers to rely on. For better ones,"
                .to_owned(),
        );
        lines.push(
            "           set OPENROUTER_API_KEY (keys: https://openrouter.ai/settings/keys) and run the same command again".to_owned(),
        );
    }
    if report.engine == "sim" {
        lines.push("  model    answered by the simulator: the answers are made up, and nothing was paid".to_owned());
    }
    lines
}

/// Whether asking again can help without the input or the query being changed.
fn may_pass(kind: FailureKind) -> bool {
    kind != FailureKind::BadInput
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 300 { line.chars().take(299).chain(['…']).collect() } else { line }
}
