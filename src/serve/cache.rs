//! A cache of computed values that all requests share.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Turn;

/// A value is not recomputed until 2 seconds, or 5 times as long as its computation took, have passed. So this uses at
/// most a sixth of a core.
const LEAST: Duration = Duration::from_secs(2);
const TIMES: u32 = 5;

/// Cached values by key, each with the database revision it was computed from.
pub(crate) struct Cache<K, V> {
    values: Mutex<HashMap<K, Entry<V>>>,
    /// Held during a computation: only one runs at a time.
    turn: Arc<Turn<()>>,
}

struct Entry<V> {
    value: Arc<V>,
    revision: u64,
    made: Instant,
    took: Duration,
}

/// A value found in the cache or just computed.
pub(crate) struct Found<V> {
    pub value: Arc<V>,
    /// The revision it shows. The database may have changed again while the value was computed.
    pub revision: u64,
    /// When to ask again, if the value is older than the requested revision.
    pub again: Option<Duration>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Cache { values: Mutex::new(HashMap::new()), turn: Arc::new(Turn::new(())) })
    }

    /// Returns the value for `key`, computing it with `make` if the cached one is older than `revision` and due for an
    /// update. Otherwise returns the cached one.
    pub(crate) async fn get<F>(self: &Arc<Self>, key: K, revision: u64, make: impl FnOnce() -> F) -> Found<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        if let Some(found) = self.found(&key, revision) {
            return found;
        }
        // While another computation runs, answer with the cached value if there is one.
        let turn = match (Arc::clone(&self.turn).try_lock_owned(), self.any(&key)) {
            (Err(_), Some(found)) => return found,
            (Err(_), None) => Arc::clone(&self.turn).lock_owned().await,
            (Ok(turn), _) => turn,
        };
        if let Some(found) = self.found(&key, revision) {
            return found;
        }
        let (cache, making) = (Arc::clone(self), make());
        // In its own task, so it continues if the client disconnects and is not started a second time.
        let task = tokio::spawn(async move {
            let start = Instant::now();
            let value = Arc::new(making.await);
            let made = Entry { value: Arc::clone(&value), revision, made: Instant::now(), took: start.elapsed() };
            cache.lock().insert(key, made);
            drop(turn);
            value
        });
        match task.await {
            Ok(value) => Found { value, revision, again: None },
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Returns the cached value if it is new enough or must not be recomputed yet.
    fn found(&self, key: &K, revision: u64) -> Option<Found<V>> {
        let values = self.lock();
        let entry = values.get(key)?;
        let again = if entry.revision >= revision { None } else { Some(due(entry.took, entry.made.elapsed())?) };
        Some(Found { value: Arc::clone(&entry.value), revision: entry.revision, again })
    }

    fn any(&self, key: &K) -> Option<Found<V>> {
        let values = self.lock();
        let entry = values.get(key)?;
        Some(Found { value: Arc::clone(&entry.value), revision: entry.revision, again: Some(entry.took.max(LEAST)) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Entry<V>>> {
        // Nothing panics while the lock is held, so a poisoned lock still holds sound values.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how long to wait before recomputing something that took `took` and finished `ago`. `None` if it is due now.
fn due(took: Duration, ago: Duration) -> Option<Duration> {
    (took * TIMES).max(LEAST).checked_sub(ago).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn expensive_values_are_recomputed_rarely() {
        let of = |took, ago| due(Duration::from_millis(took), Duration::from_millis(ago)).map(|left| left.as_millis());
        assert_eq!((of(1, 0), of(1, 1999), of(1, 2000)), (Some(2000), Some(1), None));
        assert_eq!((of(10_000, 0), of(10_000, 49_000), of(10_000, 50_001)), (Some(50_000), Some(1000), None));
    }

    #[tokio::test]
    async fn many_requests_share_one_computation() {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let cache: Arc<Cache<&str, u64>> = Cache::new();
        let ask = |revision| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move {
                let make = || async {
                    tokio::task::yield_now().await;
                    MADE.fetch_add(1, Ordering::SeqCst) + 1
                };
                cache.get("x", revision, make).await
            })
        };
        for asked in (0..50).map(|_| ask(1)).collect::<Vec<_>>() {
            let found = asked.await.unwrap();
            assert_eq!((*found.value, found.revision, found.again), (1, 1, None));
        }
        // The new revision is not computed at once; the answer says when to ask again.
        let found = ask(2).await.unwrap();
        assert_eq!((*found.value, found.revision), (1, 1));
        assert!(found.again.is_some_and(|again| again <= LEAST));
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_computation_survives_the_client_that_started_it() {
        let cache: Arc<Cache<(), u64>> = Cache::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let first = {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { cache.get((), 1, || async { gone.await.map_or(0, |()| 1) }).await })
        };
        while cache.turn.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        first.abort();
        let _ = first.await;
        assert!(cache.turn.try_lock().is_err(), "it is under way");
        go.send(()).unwrap();
        assert_eq!(*cache.get((), 1, || async { 2 }).await.value, 1);
    }
}
