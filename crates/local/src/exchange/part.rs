//! A model behind the exchange: already loaded, loaded when it is first asked for, or not served at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::error::LocalError;

type Load<T> = Arc<dyn Fn() -> Result<T, LocalError> + Send + Sync>;

pub(crate) enum Part<T> {
    Absent,
    Ready(T),
    Late(Late<T>),
}

/// Loads once, when it is first needed; again only for who asks after a failure.
pub(crate) struct Late<T> {
    load: Load<T>,
    state: Mutex<Result<Option<T>, LocalError>>,
    failures: AtomicU64,
}

impl<T: Clone + Send + 'static> Part<T> {
    pub(crate) fn late(load: impl Fn() -> Result<T, LocalError> + Send + Sync + 'static) -> Self {
        Self::Late(Late { load: Arc::new(load), state: Mutex::new(Ok(None)), failures: AtomicU64::new(0) })
    }

    /// The model; None where there is none to load.
    pub(crate) async fn get(&self) -> Result<Option<T>, LocalError> {
        match self {
            Self::Absent => Ok(None),
            Self::Ready(model) => Ok(Some(model.clone())),
            Self::Late(late) => late.get().await.map(Some),
        }
    }
}

impl<T: Clone + Send + 'static> Late<T> {
    async fn get(&self) -> Result<T, LocalError> {
        let seen = self.failures.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        match &*state {
            Ok(Some(model)) => return Ok(model.clone()),
            // it failed while this caller waited: trying again at once would keep the whole line waiting
            Err(error) if self.failures.load(Ordering::Acquire) > seen => return Err(error.clone()),
            Ok(None) | Err(_) => {}
        }
        let load = self.load.clone();
        let loaded = tokio::task::spawn_blocking(move || load()).await.unwrap_or(Err(LocalError::Stopped));
        if loaded.is_err() {
            self.failures.fetch_add(1, Ordering::Release);
        }
        *state = loaded.clone().map(Some);
        loaded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(results: Vec<Result<u8, LocalError>>) -> (Part<u8>, Arc<AtomicU64>) {
        let loads = Arc::new(AtomicU64::new(0));
        let counter = loads.clone();
        (Part::late(move || results[counter.fetch_add(1, Ordering::SeqCst) as usize].clone()), loads)
    }

    #[tokio::test]
    async fn a_model_is_loaded_once_and_only_when_asked_for() {
        let (part, loads) = counted(vec![Ok(7)]);
        assert_eq!(loads.load(Ordering::SeqCst), 0);
        let (first, second) = tokio::join!(part.get(), part.get());
        assert_eq!((first.unwrap(), second.unwrap(), part.get().await.unwrap()), (Some(7), Some(7), Some(7)));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_waited_and_tried_again_later() {
        let (part, loads) = counted(vec![Err(LocalError::Stopped), Ok(7)]);
        let (first, second, third) = tokio::join!(part.get(), part.get(), part.get());
        assert!(first.is_err() && second.is_err() && third.is_err());
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_eq!(part.get().await.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn a_loader_that_panics_is_a_failure() {
        let part: Part<u8> = Part::late(|| panic!("a bug"));
        assert!(part.get().await.is_err());
        assert!(Part::<u8>::Absent.get().await.unwrap().is_none());
    }
}
