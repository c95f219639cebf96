//! What a user is told once while a run goes on: a model that lets so little through that another one may be the better
//! choice.

use std::sync::Arc;
use std::time::Duration;

use corsac_dispatch::Dispatcher;

use crate::screen;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// Looks until dropped.
pub(crate) struct Watch(tokio::task::JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells of each model that is throttled low, once.
pub(crate) fn watch(dispatcher: Arc<Dispatcher>) -> Watch {
    Watch(tokio::spawn(async move {
        let mut told: Vec<Arc<str>> = Vec::new();
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            for (model, per_minute) in dispatcher.throttled_low() {
                if !told.contains(&model) {
                    screen::note(&line(&model, per_minute));
                    told.push(model);
                }
            }
        }
    }))
}

fn line(model: &str, per_minute: f64) -> String {
    format!(
        "corsac: {model} lets through about {per_minute:.0} requests a minute. The run keeps that pace and goes on. For a large table take a \
         model with more providers, or a higher limit with the provider's own key; --fallback adds a second model"
    )
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn what_is_told_names_the_model_the_limit_and_what_to_do() {
        let line = line("openai/gpt-4o-mini", 40.2);
        assert!(line.contains("openai/gpt-4o-mini lets through about 40 requests a minute"), "{line}");
        assert!(line.contains("--fallback"));
    }
}
