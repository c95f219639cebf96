//! What a search came to: every candidate with its score, its interval and its cost, and the best of them.

use std::fmt;
use std::sync::Arc;

use corsac_program::evaluate::{Interval, Paired, paired};
use corsac_program::{Module, Overlaid, Overlay};
use corsac_wire::Usd;

/// One program that was tried.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it is: `unchanged`, `labels`, `seed 3`.
    pub name: String,
    /// Its changes.
    pub overlay: Overlay,
    /// How it did on the examples held out; `None` where the allowance ended first.
    pub measured: Option<Measured>,
    /// What measuring it cost.
    pub cost: Usd,
    /// Calls that were asked for it.
    pub calls: u64,
}

/// How a candidate did.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The mean score, failures counted as zeros: what candidates are chosen by.
    pub score: f64,
    /// The mean over examples with a score, with its interval.
    pub interval: Option<Interval>,
    /// Examples.
    pub examples: usize,
    /// Those without a score.
    pub failed: usize,
    /// Scores by example.
    pub scores: Vec<Option<f64>>,
}

/// What a search came to.
#[derive(Clone)]
pub struct Tuned {
    pub(crate) program: Arc<dyn Module>,
    /// Every candidate, in the order in which they were tried.
    pub candidates: Vec<Candidate>,
    /// What the search cost, learning included.
    pub spent: Usd,
    /// Calls that were asked.
    pub calls: u64,
    /// Whether the search went through; `false` where its allowance ended first.
    pub complete: bool,
    pub(crate) seed: u64,
}

impl Tuned {
    /// The best candidate: the highest score on examples held out, the earlier one at a tie. `None` where none was measured.
    pub fn best(&self) -> Option<&Candidate> {
        let mut best: Option<(&Candidate, f64)> = None;
        for candidate in &self.candidates {
            let Some(measured) = &candidate.measured else { continue };
            if best.is_none_or(|(_, score)| measured.score > score) {
                best = Some((candidate, measured.score));
            }
        }
        best.map(|(candidate, _)| candidate)
    }

    /// The program with the best candidate laid over it; without one, the program as it was.
    pub fn program(&self) -> Overlaid {
        let overlay = self.best().map(|candidate| candidate.overlay.clone()).unwrap_or_default();
        Overlaid::new(Arc::clone(&self.program), overlay)
    }

    /// The best candidate against the first one, example by example.
    pub fn gain(&self) -> Option<Paired> {
        let zeros = |measured: &Measured| measured.scores.iter().map(|score| Some(score.unwrap_or_default())).collect::<Vec<_>>();
        let (first, best) = (self.candidates.first()?.measured.as_ref()?, self.best()?.measured.as_ref()?);
        paired(&zeros(first), &zeros(best), self.seed)
    }
}

impl fmt::Debug for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tuned").field("candidates", &self.candidates.len()).field("spent", &self.spent).finish_non_exhaustive()
    }
}

/// A table of candidates, and a line on what it all cost.
impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.best().map(|candidate| candidate.name.as_str());
        writeln!(f, "{:<12} {:>6}  {:<15} {:>6} {:>12}", "candidate", "score", "95 %", "failed", "cost")?;
        for candidate in &self.candidates {
            let mark = if Some(candidate.name.as_str()) == best { " ←" } else { "" };
            match &candidate.measured {
                Some(measured) => {
                    let interval = measured.interval.map_or_else(String::new, |one| format!("{:.3}–{:.3}", one.low, one.high));
                    let cost = candidate.cost.to_string();
                    writeln!(f, "{:<12} {:>6.3}  {interval:<15} {:>6} {cost:>12}{mark}", candidate.name, measured.score, measured.failed)?;
                }
                None => writeln!(f, "{:<12} {:>6}  the budget ended before it was measured", candidate.name, "–")?,
            }
        }
        let end = if self.complete { "" } else { "; stopped at the budget: run again with a higher one to go on" };
        write!(f, "{} calls, {}{end}", self.calls, self.spent)
    }
}
