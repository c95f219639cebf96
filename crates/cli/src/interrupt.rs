//! Ctrl-C once: ask nothing more, wait for the answers under way, since they are paid for. Twice: drop them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corsac_dispatch::Dispatcher;

use crate::screen;

/// Runs that watch for themselves.
static WATCHING: AtomicUsize = AtomicUsize::new(0);

/// Waits for a Ctrl-C at a moment when no run watches.
pub(crate) async fn nobody_else() {
    loop {
        interrupted().await;
        if WATCHING.load(Ordering::SeqCst) == 0 {
            return;
        }
    }
}

/// Watches for Ctrl-C and SIGTERM until the returned guard is dropped.
pub(crate) fn watch(dispatcher: &Arc<Dispatcher>) -> Watch {
    let dispatcher = Arc::clone(dispatcher);
    WATCHING.fetch_add(1, Ordering::SeqCst);
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
        WATCHING.fetch_sub(1, Ordering::SeqCst);
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
