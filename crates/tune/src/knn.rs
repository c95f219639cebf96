//! Demos that are near to each input, learned when it comes.

use std::sync::Arc;

use async_trait::async_trait;
use corsac_program::{Context, Embedder, Knn, Module, ModuleError, Named, Overlaid, Prediction, Record};

use crate::bootstrap::Lesson;
use crate::{BootstrapFewShot, Task, TuneError};

/// Learns from the `k` examples nearest to each input.
#[derive(Debug, Clone)]
pub struct KnnFewShot {
    /// Examples to learn from for each input.
    pub k: usize,
    /// How inputs become vectors.
    pub embedder: Embedder,
    /// How demos are learned.
    pub bootstrap: BootstrapFewShot,
}

/// A program that learns its demos anew for each input. What it learned is remembered by the engine, so that an input that
/// comes again costs nothing.
#[derive(Clone)]
pub struct KnnProgram {
    task: Task,
    knn: Knn,
    bootstrap: BootstrapFewShot,
}

impl KnnFewShot {
    /// The program over a task's program. All examples of the task that are not held out are embedded now.
    ///
    /// # Errors
    /// An example has no vector.
    pub async fn program(&self, task: &Task) -> Result<KnnProgram, TuneError> {
        let knn = Knn::new(&task.cx, self.k, task.train.to_vec(), self.embedder.clone()).await?;
        Ok(KnnProgram { task: task.clone(), knn, bootstrap: self.bootstrap.clone() })
    }
}

#[async_trait]
impl Module for KnnProgram {
    async fn forward(&self, cx: &Context, inputs: &Record) -> Result<Prediction, ModuleError> {
        let near = self.knn.nearest(cx, inputs).await?;
        let lesson = Lesson { task: &self.task, cx, train: &near, seed: self.task.seed };
        let learned = match self.bootstrap.learn(&lesson).await {
            Ok(learned) => learned,
            Err(TuneError::Stopped(error)) => return Err(error),
            Err(other) => return Err(ModuleError::other("KNNFewShot", other.to_string())),
        };
        let overlay = self.bootstrap.overlay(&lesson, &learned);
        Overlaid::new(Arc::clone(&self.task.program), overlay).forward(cx, inputs).await
    }

    fn predictors(&self) -> Vec<Named<'_>> {
        self.task.program.predictors()
    }

    fn kind(&self) -> &'static str {
        "KNNFewShot"
    }
}
