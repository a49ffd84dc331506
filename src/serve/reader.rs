//! The one connection to the database, and the revision that it sees.

use std::path::PathBuf;

use tokio::sync::Mutex;

use sweep_run::Orchestrator;
use sweep_store::{Store, StoreError, Watched};
use sweep_wire::home::Home;

/// What is shown.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where runs are.
    pub home: Home,
    /// The results database.
    pub database: PathBuf,
}

impl Place {
    /// Who is at work there. It touches files, if only for an instant.
    pub(crate) async fn orchestrator(&self) -> Orchestrator {
        let place = self.clone();
        let look = tokio::task::spawn_blocking(move || Orchestrator::of(&place.database, &place.home));
        // Where the look failed, the database is all there is to go by.
        look.await.unwrap_or(Orchestrator::AtWork)
    }
}

/// The database, as long as there is one.
pub(crate) struct Reader {
    place: Place,
    open: Mutex<Option<Watched>>,
}

/// What there was to see in a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    orchestrator: Orchestrator,
    /// What is wrong with the database, if anything is.
    trouble: Option<String>,
}

impl Reader {
    pub(crate) fn new(place: Place) -> Self {
        Reader { place, open: Mutex::new(None) }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Looks whether anything is other than in the last look, of which `seen` is kept.
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

    /// The database for reading.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be read.
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
