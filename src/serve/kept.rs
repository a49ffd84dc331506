//! What was computed, kept for everybody who asks.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Turn;

/// Nothing is computed anew sooner than this after it was, and than so many times as long as that took: at most a sixth of a core's time
/// goes into it.
const LEAST: Duration = Duration::from_secs(2);
const TIMES: u32 = 5;

/// Values by what they are of, each of a revision of the database.
pub(crate) struct Kept<K, V> {
    values: Mutex<HashMap<K, Value<V>>>,
    /// Held by who computes: one thing at a time.
    turn: Arc<Turn<()>>,
}

struct Value<V> {
    value: Arc<V>,
    revision: u64,
    made: Instant,
    took: Duration,
}

/// What there is.
pub(crate) struct Found<V> {
    pub value: Arc<V>,
    /// The revision that it shows; the database may have gone further while it was read.
    pub revision: u64,
    /// Where that is not the one that was asked for: when it is worth while to ask again.
    pub again: Option<Duration>,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Kept<K, V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Kept { values: Mutex::new(HashMap::new()), turn: Arc::new(Turn::new(())) })
    }

    /// The value of `key`: one of `revision` or later where there is one, or it is time to `make` one; else what there is.
    pub(crate) async fn get<F>(self: &Arc<Self>, key: K, revision: u64, make: impl FnOnce() -> F) -> Found<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        if let Some(found) = self.found(&key, revision) {
            return found;
        }
        // Where it is under way, what there is does.
        let turn = match (Arc::clone(&self.turn).try_lock_owned(), self.any(&key)) {
            (Err(_), Some(found)) => return found,
            (Err(_), None) => Arc::clone(&self.turn).lock_owned().await,
            (Ok(turn), _) => turn,
        };
        if let Some(found) = self.found(&key, revision) {
            return found;
        }
        let (kept, making) = (Arc::clone(self), make());
        // It goes on where who asked has gone, so that nobody begins it a second time beside it.
        let task = tokio::spawn(async move {
            let start = Instant::now();
            let value = Arc::new(making.await);
            let made = Value { value: Arc::clone(&value), revision, made: Instant::now(), took: start.elapsed() };
            kept.lock().insert(key, made);
            drop(turn);
            value
        });
        match task.await {
            Ok(value) => Found { value, revision, again: None },
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// What there is, where it is new enough or may not be made anew yet.
    fn found(&self, key: &K, revision: u64) -> Option<Found<V>> {
        let values = self.lock();
        let kept = values.get(key)?;
        let again = if kept.revision >= revision { None } else { Some(due(kept.took, kept.made.elapsed())?) };
        Some(Found { value: Arc::clone(&kept.value), revision: kept.revision, again })
    }

    fn any(&self, key: &K) -> Option<Found<V>> {
        let values = self.lock();
        let kept = values.get(key)?;
        Some(Found { value: Arc::clone(&kept.value), revision: kept.revision, again: Some(kept.took.max(LEAST)) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Value<V>>> {
        // Nothing can fail half way while it is held.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long something must not be made anew yet that took so long, so long ago; `None`: now it may.
fn due(took: Duration, ago: Duration) -> Option<Duration> {
    (took * TIMES).max(LEAST).checked_sub(ago).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_dear_is_made_seldom() {
        let of = |took, ago| due(Duration::from_millis(took), Duration::from_millis(ago)).map(|left| left.as_millis());
        assert_eq!((of(1, 0), of(1, 1999), of(1, 2000)), (Some(2000), Some(1), None));
        assert_eq!((of(10_000, 0), of(10_000, 49_000), of(10_000, 50_001)), (Some(50_000), Some(1000), None));
    }

    #[tokio::test]
    async fn many_who_ask_get_what_is_made_once() {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let kept: Arc<Kept<&str, u64>> = Kept::new();
        let ask = |revision| {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let make = || async {
                    tokio::task::yield_now().await;
                    MADE.fetch_add(1, Ordering::SeqCst) + 1
                };
                kept.get("x", revision, make).await
            })
        };
        for asked in (0..50).map(|_| ask(1)).collect::<Vec<_>>() {
            let found = asked.await.unwrap();
            assert_eq!((*found.value, found.revision, found.again), (1, 1, None));
        }
        // What is new is not made at once, and who asks is told when.
        let found = ask(2).await.unwrap();
        assert_eq!((*found.value, found.revision), (1, 1));
        assert!(found.again.is_some_and(|again| again <= LEAST));
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn who_goes_away_leaves_it_to_those_who_stay() {
        let kept: Arc<Kept<(), u64>> = Kept::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let first = {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move { kept.get((), 1, || async { gone.await.map_or(0, |()| 1) }).await })
        };
        while kept.turn.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
        first.abort();
        let _ = first.await;
        assert!(kept.turn.try_lock().is_err(), "it is under way");
        go.send(()).unwrap();
        assert_eq!(*kept.get((), 1, || async { 2 }).await.value, 1);
    }
}
