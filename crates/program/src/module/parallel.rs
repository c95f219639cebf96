//! Many runs of modules at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{StreamExt, iter};

use super::Module;
use crate::context::run_in;
use crate::{Context, ModuleError, Prediction, Record};

/// Runs modules over inputs, as many at once as the engine's window holds. Results come in the order of the tasks.
#[derive(Debug, Clone, Default)]
pub struct Parallel {
    at_once: Option<usize>,
    most_failures: Option<usize>,
}

impl Parallel {
    /// At most so many at once.
    #[must_use]
    pub fn at_once(self, at_once: usize) -> Parallel {
        Parallel { at_once: Some(at_once.max(1)), ..self }
    }

    /// Starts nothing more after so many failures.
    #[must_use]
    pub fn stop_after_failures(self, most_failures: usize) -> Parallel {
        Parallel { most_failures: Some(most_failures), ..self }
    }

    /// Runs them all. Each result stands at the place of its task; what was not started any more says so.
    pub async fn run(&self, cx: &Context, tasks: Vec<(Arc<dyn Module>, Record)>) -> Vec<Result<Prediction, ModuleError>> {
        let failures = AtomicUsize::new(0);
        let failures = &failures;
        let runs = tasks.into_iter().enumerate().map(|(row, (module, inputs))| async move {
            let so_far = failures.load(Ordering::Relaxed);
            if self.most_failures.is_some_and(|most| so_far >= most) {
                return Err(ModuleError::other("Parallel", format!("not run: {so_far} others had failed before")));
            }
            let place = cx.fork(row as u64);
            let result = run_in(&place, module.as_ref(), &inputs).await;
            if result.is_err() {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            result
        });
        iter(runs).buffered(self.at_once.unwrap_or_else(|| cx.lm.window())).collect().await
    }
}
