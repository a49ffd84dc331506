//! Reading the results database.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Failure, Places, Tell};
use sweep_run::Lock;
use sweep_store::{JobDetails, Store, StoreError};
use sweep_wire::home::Home;

/// The database of runs, and where to report problems with it.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) store: &'a Store,
    pub(crate) home: &'a Home,
    pub(crate) tell: &'a Tell,
}

/// How long to wait at the end for background work whose result is not needed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the results database for reading and runs `work` on it.
///
/// # Errors
///
/// The database does not exist or cannot be read, or `work` fails.
pub fn with_store<T, F>(places: &Places, work: impl FnOnce(Store) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    block_on(async {
        let path = places.database();
        let store = match Store::open_existing_read_only(&path).await {
            // A database of an earlier version is updated, unless a run uses it.
            Err(older @ StoreError::Older { .. }) => {
                let home = places.absolute_home()?;
                // Does not create a home for it.
                let lock = home.path().is_dir().then(|| Lock::take(&home)).transpose();
                let Ok(_lock) = lock else { return Err(older.into()) };
                let workplace = places.workplace(&home)?;
                let path = workplace.database.clone();
                let Ok(_database) = Lock::take_database(&path, &home) else { return Err(older.into()) };
                Store::open(&path).await?.close().await;
                workplace.publish().await?;
                Store::open_existing_read_only(&path).await
            }
            store => store,
        };
        let store = store?;
        let result = work(store.clone()).await;
        store.close().await;
        result
    })
}

/// Runs `work` to its end on this thread.
///
/// # Errors
///
/// `work` fails.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let result = runtime.block_on(work);
    // Work that is still going on may be a command, or a file system, that hangs.
    runtime.shutdown_timeout(PATIENCE);
    result
}

/// Returns the job whose id begins with `text`.
///
/// # Errors
///
/// There is none, or more than one, or the database cannot be read.
pub fn job(places: &Places, text: &str) -> Result<JobDetails, Failure> {
    with_store(places, async |store| {
        let id = store.find_job(text).await?;
        Ok(store.job(id).await?)
    })
}

/// Fails if there are `unknown` attempts, which are on disk but not in the database: their jobs must not be trained
/// again.
pub(crate) fn check_known(database: &Path, home: &Home, unknown: Vec<PathBuf>) -> Result<(), Failure> {
    let count = unknown.len();
    let Some(first) = unknown.into_iter().next() else { return Ok(()) };
    Err(StoreError::UnknownAttempts { path: database.to_owned(), home: home.path().to_owned(), first, count }.into())
}
