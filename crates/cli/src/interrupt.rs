//! Ctrl-C once: ask nothing more, wait for the answers under way, since they are paid for. Twice: drop them.

use std::sync::Arc;

use corsac_dispatch::Dispatcher;

use crate::screen;

/// Watches for Ctrl-C and SIGTERM until the returned guard is dropped.
pub(crate) fn watch(dispatcher: &Arc<Dispatcher>) -> Watch {
    let dispatcher = Arc::clone(dispatcher);
    Watch(tokio::spawn(async move {
        interrupted().await;
        dispatcher.stop();
        let under_way = dispatcher.in_flight();
        if screen::is_watched() {
            screen::clear();
        }
        if under_way > 0 {
            screen::note(&format!("stopping: waiting for {under_way} answers under way (again to drop them)"));
        }
        interrupted().await;
        dispatcher.abort();
    }))
}

/// Ends the watch when dropped.
pub(crate) struct Watch(tokio::task::JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
