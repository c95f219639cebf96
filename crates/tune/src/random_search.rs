//! Many sets of learned demos, and the best of them.

use async_trait::async_trait;
use corsac_program::{Chance, Example, Overlay};

use crate::bootstrap::Lesson;
use crate::{BootstrapFewShot, LabeledFewShot, Optimizer, Task, TuneError, Tuned};

/// Tries the program as it is, without demos, with labelled examples, with demos learned in the examples' order, and with
/// demos learned from so many shuffles of them.
#[derive(Debug, Clone)]
pub struct BootstrapRandomSearch {
    /// How each set is learned. Shuffles draw how many demos are learned, up to its maximum.
    pub bootstrap: BootstrapFewShot,
    /// Shuffles.
    pub num_candidate_programs: u64,
    /// The score at which the search is content.
    pub stop_at_score: Option<f64>,
}

impl Default for BootstrapRandomSearch {
    fn default() -> BootstrapRandomSearch {
        BootstrapRandomSearch { bootstrap: BootstrapFewShot::default(), num_candidate_programs: 16, stop_at_score: None }
    }
}

impl BootstrapRandomSearch {
    /// The changes of one candidate, in the order of DSPy's seeds from −3 up. `None` where the allowance ended.
    async fn overlay(&self, task: &Task, number: u64) -> Result<Option<(String, Overlay)>, TuneError> {
        let (name, train, seed, size) = match number {
            0 => return Ok(Some(("no demos".to_owned(), task.zero_shot()))),
            1 => {
                let labels = LabeledFewShot { k: self.bootstrap.max_labeled_demos, sample: true };
                return Ok(Some(("labels".to_owned(), labels.overlay(task))));
            }
            2 => ("in order".to_owned(), task.train.to_vec(), task.seed, self.bootstrap.max_bootstrapped_demos),
            shuffled => {
                let seed = shuffled - 3;
                let mut chance = Chance::of(task.seed.wrapping_mul(1_000_003).wrapping_add(seed + 1));
                let mut train: Vec<Example> = task.train.to_vec();
                chance.shuffle(&mut train);
                let size = 1 + chance.below(self.bootstrap.max_bootstrapped_demos.max(1));
                (format!("seed {seed}"), train, task.seed ^ (seed + 1), size)
            }
        };
        let lesson = Lesson { task, cx: &task.cx, train: &train, seed };
        let bootstrap = BootstrapFewShot { max_bootstrapped_demos: size, ..self.bootstrap.clone() };
        let learned = bootstrap.learn(&lesson).await?;
        Ok((!learned.stopped).then(|| (name, bootstrap.overlay(&lesson, &learned))))
    }
}

#[async_trait]
impl Optimizer for BootstrapRandomSearch {
    fn name(&self) -> &'static str {
        "BootstrapFewShotWithRandomSearch"
    }

    async fn tune(&self, task: &Task) -> Result<Tuned, TuneError> {
        task.check()?;
        let mut candidates = vec![task.measure("unchanged".to_owned(), Overlay::default()).await?];
        for number in 0..self.num_candidate_programs + 3 {
            let last = candidates.last().and_then(|candidate| candidate.measured.as_ref());
            let content = last.is_some_and(|measured| self.stop_at_score.is_some_and(|enough| measured.score >= enough));
            if content || last.is_none() {
                break;
            }
            let Some((name, overlay)) = self.overlay(task, number).await? else { break };
            candidates.push(task.measure(name, overlay).await?);
        }
        Ok(task.tuned(candidates))
    }
}
