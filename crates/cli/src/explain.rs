//! What a query will take (`--explain`, `EXPLAIN`) and what it took (`EXPLAIN ANALYZE`), for a person and as JSON.

use std::time::Duration;

use corsac_frame::{OperatorEstimate, OperatorReport, Query};
use corsac_ledger::{Ledger, RunId};
use corsac_wire::Usd;
use serde_json::{Value, json};

use crate::args::EngineChoice;
use crate::engine::Prepared;
use crate::exit::{Exit, Stop};
use crate::foretold::{price_json, price_lines};
use crate::progress::grouped;
use crate::{home, screen};

/// Shows the plan and its price, and asks nothing.
pub(crate) async fn plan(query: &Query, prepared: &Prepared, as_json: bool) -> Result<Exit, Stop> {
    let estimates = query.estimate().await?;
    if as_json {
        let ledger = home::ledger_if_any();
        screen::result(&plan_json(query, &estimates, prepared, ledger.as_ref()).to_string());
        return Ok(Exit::Done);
    }
    screen::result(&query.explain());
    screen::result("");
    for line in price_lines(&estimates, prepared) {
        screen::result(&line);
    }
    Ok(Exit::Done)
}

fn plan_json(query: &Query, estimates: &[OperatorEstimate], prepared: &Prepared, ledger: Option<&Ledger>) -> Value {
    let (operators, total) = price_json(estimates, prepared, ledger);
    json!({
        "plan": plans(query.explain().as_str()),
        "engine": prepared.choice,
        "models": prepared.models_shown(),
        "key": prepared.key_origin().filter(|_| prepared.choice == EngineChoice::Openrouter),
        "operators": operators,
        "total": total,
    })
}

/// What is asked, and what is run.
fn plans(explained: &str) -> Value {
    let (logical, physical) = explained.split_once("\n\n").unwrap_or((explained, ""));
    json!({ "logical": logical, "physical": physical })
}

/// A query that was run to be explained.
pub(crate) struct Analysis<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) explained: &'a str,
    pub(crate) rows: u64,
    pub(crate) took: Duration,
    pub(crate) operators: &'a [OperatorReport],
}

impl Analysis<'_> {
    /// Shows what each operator came to.
    pub(crate) fn show(&self, as_json: bool) {
        if as_json {
            screen::result(&self.json().to_string());
            return;
        }
        screen::result(self.explained);
        screen::result("");
        self.lines().iter().for_each(|line| screen::result(line));
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for report in self.operators {
            let figures = &report.figures;
            lines.push(format!("ran    {}", report.description));
            lines.push(format!(
                "       rows {}  asked {}  from memory {}  shared {}  nothing to ask {}  failed {}",
                grouped(figures.rows),
                grouped(figures.asked),
                grouped(figures.from_memory),
                grouped(figures.shared),
                grouped(figures.nothing_to_ask),
                grouped(figures.failed)
            ));
            let times =
                figures.median.zip(figures.p99).map_or(String::new(), |(median, p99)| format!("  p50 {}  p99 {}", time(median), time(p99)));
            lines.push(format!(
                "       requests {}  retried {}{times}  {}",
                grouped(figures.requests),
                grouped(figures.retried),
                figures.cost
            ));
        }
        lines.push(format!("total  {} rows  {}  {}", grouped(self.rows), time(self.took), self.cost()));
        lines
    }

    fn cost(&self) -> Usd {
        self.operators.iter().map(|report| report.figures.cost).sum()
    }

    fn json(&self) -> Value {
        let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        let operators: Vec<Value> = self
            .operators
            .iter()
            .map(|OperatorReport { operator, description, figures }| {
                json!({
                    "operator": operator,
                    "asks": description,
                    "rows": figures.rows,
                    "asked": figures.asked,
                    "from_memory": figures.from_memory,
                    "shared": figures.shared,
                    "nothing_to_ask": figures.nothing_to_ask,
                    "failed": figures.failed,
                    "requests": figures.requests,
                    "retried": figures.retried,
                    "p50_ms": milliseconds(figures.median),
                    "p99_ms": milliseconds(figures.p99),
                    "dollars": figures.cost,
                })
            })
            .collect();
        json!({
            "run": self.run.as_str(),
            "plan": plans(self.explained),
            "operators": operators,
            "total": { "rows": self.rows, "ms": self.took.as_secs_f64() * 1e3, "dollars": self.cost() },
        })
    }
}

/// `0.82 s`, `4.1 ms`.
fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 100.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_three_digits_or_so() {
        let told = [0.000_4, 0.004_1, 0.82, 12.3, 100.4].map(|seconds| time(Duration::from_secs_f64(seconds)));
        assert_eq!(told, ["0.4 ms", "4.1 ms", "0.82 s", "12.30 s", "100 s"]);
    }
}
