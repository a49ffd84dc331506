//! The database connection, and the revision it last saw.

use std::path::PathBuf;

use tokio::sync::Mutex;

use sweep_run::Orchestrator;
use sweep_store::{Store, StoreError, Watched};
use sweep_wire::home::Home;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Place {
    /// The home directory of the runs.
    pub home: Home,
    /// The results database.
    pub database: PathBuf,
}

impl Place {
    /// Returns whether a run is active there. It opens and locks files for an instant.
    pub(crate) async fn orchestrator(&self) -> Orchestrator {
        let place = self.clone();
        let look = tokio::task::spawn_blocking(move || Orchestrator::of(&place.database, &place.home));
        // If the check failed, assume that a run is active and show what the database says.
        look.await.unwrap_or(Orchestrator::AtWork)
    }
}

/// The connection to the database, open while the database exists.
pub(crate) struct Reader {
    place: Place,
    open: Mutex<Option<Watched>>,
}

/// What one check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    orchestrator: Orchestrator,
    /// What is wrong with the database, if anything.
    trouble: Option<String>,
}

impl Reader {
    pub(crate) fn new(place: Place) -> Self {
        Reader { place, open: Mutex::new(None) }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns whether anything has changed since the last check, whose result is in `seen`.
    pub(crate) async fn is_news(&self, seen: &mut Option<Seen>) -> bool {
        let orchestrator = self.place.orchestrator().await;
        let changed = self.changed().await;
        let now = Seen { orchestrator, trouble: changed.as_ref().err().map(StoreError::to_string) };
        let is_news = changed.unwrap_or(false) || seen.as_ref() != Some(&now);
        *seen = Some(now);
        is_news
    }

    async fn changed(&self) -> Result<bool, StoreError> {
        let mut open = self.open.lock().await;
        let changed = match open.as_mut() {
            Some(watched) => watched.changed().await,
            None => Watched::open(&self.place.database).await.map(|watched| open.insert(watched)).map(|_| true),
        };
        if changed.is_err() {
            *open = None;
        }
        changed
    }

    /// Returns the database, opened read-only.
    ///
    /// # Errors
    ///
    /// If there is no database, or it cannot be read.
    pub(crate) async fn store(&self) -> Result<Store, StoreError> {
        let mut open = self.open.lock().await;
        if open.is_none() {
            *open = Some(Watched::open(&self.place.database).await?);
        }
        match open.as_ref() {
            Some(watched) => Ok(watched.store().clone()),
            None => Err(StoreError::Missing(self.place.database.clone())),
        }
    }
}
