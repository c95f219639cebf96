//! Demos of what a program itself did well: it is run on examples, and where the result is right, what each predictor was
//! given and wrote becomes a demo.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use corsac_program::{Chance, Context, Example, Module, ModuleError, Overlaid, Overlay, Record, Step};
use futures::future::join_all;
use serde_json::Value;

use crate::{LabeledFewShot, Optimizer, Task, TuneError, Tuned};

/// Learns demos from a teacher: the program with labelled examples, or another one.
#[derive(Debug, Clone)]
pub struct BootstrapFewShot {
    /// Demos learned, at most.
    pub max_bootstrapped_demos: usize,
    /// Demos in all, labelled examples filling up.
    pub max_labeled_demos: usize,
    /// Tries for each example; later ones sample at temperature 1.
    pub max_rounds: u32,
    /// The score from which a result counts as right; `None` takes any above 0.
    pub metric_threshold: Option<f64>,
}

impl Default for BootstrapFewShot {
    fn default() -> BootstrapFewShot {
        BootstrapFewShot { max_bootstrapped_demos: 4, max_labeled_demos: 16, max_rounds: 1, metric_threshold: None }
    }
}

/// Demos learned by predictor, and the examples they came from.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    demos: BTreeMap<String, Vec<Record>>,
    from: Vec<usize>,
    /// The allowance ended before there were enough.
    pub(crate) stopped: bool,
}

/// What is learned with and from.
pub(crate) struct Lesson<'a> {
    pub(crate) task: &'a Task,
    pub(crate) cx: &'a Context,
    pub(crate) train: &'a [Example],
    pub(crate) seed: u64,
}

impl BootstrapFewShot {
    /// Learns from the examples in their order. As many are tried at once as demos are still wanted, so that none is
    /// tried that one after the other would not have been.
    pub(crate) async fn learn(&self, lesson: &Lesson<'_>) -> Result<Learned, TuneError> {
        let teacher = lesson.teacher(self.max_labeled_demos);
        let mut learned = Learned::default();
        let mut next = 0;
        while learned.from.len() < self.max_bootstrapped_demos && next < lesson.train.len() {
            let wave: Vec<usize> = (next..lesson.train.len()).take(self.max_bootstrapped_demos - learned.from.len()).collect();
            next += wave.len();
            let tries = join_all(wave.clone().into_iter().map(|row| self.attempt(lesson, &teacher, row))).await;
            for (row, result) in wave.into_iter().zip(tries) {
                match result {
                    Ok(Some(steps)) => learned.take(row, steps, lesson.seed),
                    Ok(None) => {}
                    Err(error) if error.kind().ends_asking() => learned.stopped = true,
                    Err(error) => return Err(TuneError::Stopped(error)),
                }
            }
            if learned.stopped {
                break;
            }
        }
        Ok(learned)
    }

    /// What the predictors did, where the result is right. An error only where nothing more can be asked.
    async fn attempt(&self, lesson: &Lesson<'_>, teacher: &Teacher, row: usize) -> Result<Option<Vec<Step>>, ModuleError> {
        let Some(example) = lesson.train.get(row) else { return Ok(None) };
        let program = teacher.without(example);
        for round in 0..self.max_rounds.max(1) {
            let place = lesson.cx.fork(row as u64);
            let place = if round > 0 { place.sampled(round, 1.0) } else { place };
            match self.succeeds(lesson, &place, &program, example).await {
                Ok(true) => return Ok(Some(place.log().steps)),
                Err(error) if error.ends_asking() => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        Ok(None)
    }

    async fn succeeds(&self, lesson: &Lesson<'_>, place: &Context, program: &Overlaid, example: &Example) -> Result<bool, ModuleError> {
        let prediction = program.forward(place, &example.inputs()).await?;
        // the metric's own calls are no steps of the program
        let score = lesson.task.metric.score(&place.fork(0), example, &prediction).await?;
        Ok(self.metric_threshold.map_or(score > 0.0, |threshold| score >= threshold))
    }

    /// The overlay of what was learned, filled up with labelled examples that were not used.
    pub(crate) fn overlay(&self, lesson: &Lesson<'_>, learned: &Learned) -> Overlay {
        let mut unused: Vec<&Example> =
            lesson.train.iter().enumerate().filter(|(row, _)| !learned.from.contains(row)).map(|(_, example)| example).collect();
        Chance::of(lesson.seed).shuffle(&mut unused);
        let mut chance = Chance::of(lesson.seed ^ 0xF111);
        lesson.task.paths().iter().fold(Overlay::default(), |overlay, path| {
            let augmented = learned.demos.get(path).map(Vec::as_slice).unwrap_or_default();
            let mut demos: Vec<Record> = augmented.iter().take(self.max_bootstrapped_demos).cloned().collect();
            let room = self.max_labeled_demos.saturating_sub(demos.len());
            let filling = chance.sample(unused.len(), room);
            demos.extend(filling.into_iter().filter_map(|place| unused.get(place)).map(|example| example.values.clone()));
            overlay.with_demos(path, demos)
        })
    }
}

impl Learned {
    fn take(&mut self, row: usize, steps: Vec<Step>, seed: u64) {
        let mut by_path: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for step in steps {
            let mut demo = Record::new();
            demo.insert("augmented".to_owned(), Value::Bool(true));
            demo.extend(step.inputs);
            demo.extend(step.outputs);
            by_path.entry(step.path.to_string()).or_default().push(demo);
        }
        let mut chance = Chance::of(seed ^ (row as u64).wrapping_mul(0x9E37_79B9));
        for (path, mut demos) in by_path {
            // of several steps of one predictor, the last or one of those before it
            let last = demos.len() - 1;
            let place = if last > 0 && chance.below(2) == 0 { chance.below(last) } else { last };
            self.demos.entry(path).or_default().push(demos.swap_remove(place));
        }
        self.from.push(row);
    }
}

/// A program whose answers are learned from.
pub(crate) struct Teacher {
    program: Arc<dyn Module>,
}

impl Lesson<'_> {
    fn teacher(&self, labeled: usize) -> Teacher {
        let program: Arc<dyn Module> = match &self.task.teacher {
            Some(teacher) => Arc::clone(teacher),
            None if labeled == 0 => Arc::new(Overlaid::new(Arc::clone(&self.task.program), self.task.zero_shot())),
            None => {
                let of_these = Task { train: self.train.into(), seed: self.seed, ..self.task.clone() };
                let overlay = LabeledFewShot { k: labeled, sample: true }.overlay(&of_these);
                Arc::new(Overlaid::new(Arc::clone(&self.task.program), overlay))
            }
        };
        Teacher { program }
    }
}

impl Teacher {
    /// Nobody learns from having been shown the answer.
    fn without(&self, example: &Example) -> Overlaid {
        let overlay = self.program.predictors().into_iter().fold(Overlay::default(), |overlay, named| {
            let others: Vec<Record> = named.state.demos.iter().filter(|demo| **demo != example.values).cloned().collect();
            overlay.with_demos(&named.path, others)
        });
        Overlaid::new(Arc::clone(&self.program), overlay)
    }
}

#[async_trait]
impl Optimizer for BootstrapFewShot {
    fn name(&self) -> &'static str {
        "BootstrapFewShot"
    }

    async fn tune(&self, task: &Task) -> Result<Tuned, TuneError> {
        task.check()?;
        let unchanged = task.measure("unchanged".to_owned(), Overlay::default()).await?;
        let lesson = Lesson { task, cx: &task.cx, train: &task.train, seed: task.seed };
        let learned = self.learn(&lesson).await?;
        if learned.stopped {
            return Ok(task.tuned(vec![unchanged]));
        }
        let candidate = task.measure("bootstrap".to_owned(), self.overlay(&lesson, &learned)).await?;
        Ok(task.tuned(vec![unchanged, candidate]))
    }
}
