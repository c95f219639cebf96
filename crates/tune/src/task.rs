//! What is to be improved, by which examples and measure, for how much.

use std::sync::Arc;

use corsac_program::{Allowance, Chance, Context, Evaluate, Evaluation, Example, Lm, Metric, Module, Overlaid, Overlay};
use corsac_wire::Usd;

use crate::{Candidate, Measured, TuneError, Tuned};

/// What a search may spend. `None` sets no ceiling. Answers from memory count as nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Dollars.
    pub dollars: Option<Usd>,
    /// Calls of a model.
    pub calls: Option<u64>,
}

/// A program, its examples, a measure and a budget.
#[derive(Clone)]
pub struct Task {
    pub(crate) program: Arc<dyn Module>,
    pub(crate) teacher: Option<Arc<dyn Module>>,
    pub(crate) train: Arc<[Example]>,
    pub(crate) held_out: Evaluate,
    pub(crate) metric: Arc<dyn Metric>,
    pub(crate) cx: Context,
    pub(crate) allowance: Arc<Allowance>,
    pub(crate) seed: u64,
}

impl Task {
    /// Half of the examples, drawn by seed, are learned from; the others are held out to measure candidates by.
    pub fn new(lm: &Lm, program: Arc<dyn Module>, examples: Vec<Example>, metric: Arc<dyn Metric>, budget: Budget) -> Task {
        Task::split(lm, program, examples, 0.5, 0, metric, budget)
    }

    /// A share of the examples from 0 to 1, drawn by seed, is held out.
    pub fn split(
        lm: &Lm,
        program: Arc<dyn Module>,
        mut examples: Vec<Example>,
        held_out: f64,
        seed: u64,
        metric: Arc<dyn Metric>,
        budget: Budget,
    ) -> Task {
        Chance::of(seed ^ 0x5_0117).shuffle(&mut examples);
        let held = (examples.len() as f64 * held_out.clamp(0.0, 1.0)).round() as usize;
        let train = examples.split_off(held.min(examples.len()));
        Task { seed, ..Task::with_held_out(lm, program, train, examples, metric, budget) }
    }

    /// Examples to learn from, and others to measure by.
    pub fn with_held_out(
        lm: &Lm,
        program: Arc<dyn Module>,
        train: Vec<Example>,
        held_out: Vec<Example>,
        metric: Arc<dyn Metric>,
        budget: Budget,
    ) -> Task {
        let allowance = Arc::new(Allowance::new(budget.dollars, budget.calls));
        let cx = Context::new(&lm.with_allowance(Arc::clone(&allowance)));
        let held_out = Evaluate::new(held_out);
        Task { program, teacher: None, train: train.into(), held_out, metric, cx, allowance, seed: 0 }
    }

    /// With a program whose answers are learned from, in place of the program itself.
    #[must_use]
    pub fn with_teacher(self, teacher: Arc<dyn Module>) -> Task {
        Task { teacher: Some(teacher), ..self }
    }

    /// With another seed for everything that is drawn.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Task {
        Task { seed, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), TuneError> {
        let held = self.held_out.examples().len();
        if self.train.is_empty() || held == 0 { Err(TuneError::TooFew(self.train.len() + held)) } else { Ok(()) }
    }

    /// Paths of the program's predictors.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.program.predictors().into_iter().map(|named| named.path).collect()
    }

    /// The program as it is, without the demos it was given.
    pub(crate) fn zero_shot(&self) -> Overlay {
        self.paths().iter().fold(Overlay::default(), |overlay, path| overlay.with_demos(path, Vec::new()))
    }

    /// Measures an overlay on the examples held out.
    ///
    /// # Errors
    /// Asking can never succeed; not at the end of the allowance, which is told in the candidate.
    pub(crate) async fn measure(&self, name: String, overlay: Overlay) -> Result<Candidate, TuneError> {
        let program = Overlaid::new(Arc::clone(&self.program), overlay.clone());
        let (spent, asked) = (self.allowance.spent(), self.allowance.asked());
        let evaluation = self.held_out.run(&self.cx, &program, self.metric.as_ref()).await;
        self.stop_where_nothing_works(&evaluation)?;
        let measured = (!evaluation.stopped_early()).then(|| Measured {
            score: evaluation.score_with_zeros(),
            interval: evaluation.interval(self.seed),
            examples: evaluation.outcomes.len(),
            failed: evaluation.failed(),
            scores: evaluation.scores(),
        });
        let cost = self.allowance.spent().minus_or_zero(spent);
        Ok(Candidate { name, overlay, measured, cost, calls: self.allowance.asked() - asked })
    }

    fn stop_where_nothing_works(&self, evaluation: &Evaluation) -> Result<(), TuneError> {
        let errors = evaluation.outcomes.iter().filter_map(|outcome| outcome.score.as_ref().err());
        let fatal = errors.into_iter().find(|error| error.kind().stops_run());
        fatal.map_or(Ok(()), |error| Err(TuneError::Stopped(error.clone())))
    }

    pub(crate) fn tuned(&self, candidates: Vec<Candidate>) -> Tuned {
        Tuned {
            program: Arc::clone(&self.program),
            complete: candidates.iter().all(|candidate| candidate.measured.is_some()) && !self.allowance.reached(),
            candidates,
            spent: self.allowance.spent(),
            calls: self.allowance.asked(),
            seed: self.seed,
        }
    }
}
