//! Labelled examples as demos.

use async_trait::async_trait;
use corsac_program::{Chance, Overlay, Record};

use crate::{Optimizer, Task, TuneError, Tuned};

/// Shows every predictor some of the examples as they are.
#[derive(Debug, Clone)]
pub struct LabeledFewShot {
    /// Examples shown, at most.
    pub k: usize,
    /// Drawn by seed; else the first ones.
    pub sample: bool,
}

impl Default for LabeledFewShot {
    fn default() -> LabeledFewShot {
        LabeledFewShot { k: 16, sample: true }
    }
}

impl LabeledFewShot {
    /// The overlay, without asking anything.
    pub fn overlay(&self, task: &Task) -> Overlay {
        let mut chance = Chance::of(task.seed);
        let train = &task.train;
        task.paths().iter().fold(Overlay::default(), |overlay, path| {
            let places = if self.sample { chance.sample(train.len(), self.k) } else { (0..train.len().min(self.k)).collect() };
            let demos: Vec<Record> =
                places.into_iter().filter_map(|place| train.get(place)).map(|example| example.values.clone()).collect();
            overlay.with_demos(path, demos)
        })
    }
}

#[async_trait]
impl Optimizer for LabeledFewShot {
    fn name(&self) -> &'static str {
        "LabeledFewShot"
    }

    async fn tune(&self, task: &Task) -> Result<Tuned, TuneError> {
        task.check()?;
        let unchanged = task.measure("unchanged".to_owned(), Overlay::default()).await?;
        let labels = task.measure("labels".to_owned(), self.overlay(task)).await?;
        Ok(task.tuned(vec![unchanged, labels]))
    }
}
