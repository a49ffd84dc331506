//! The results database, for those who read it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Failure, Places, Tell};
use sweep_run::Lock;
use sweep_store::{JobDetails, Store, StoreError};
use sweep_wire::home::Home;

/// The records of runs, and whom to tell what is found in them.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) store: &'a Store,
    pub(crate) home: &'a Home,
    pub(crate) tell: &'a Tell,
}

/// So long may take what nobody waits for any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the results database for reading and runs `work` on it.
///
/// # Errors
///
/// It is not there or cannot be read, and what `work` says.
pub fn with_store<T, F>(places: &Places, work: impl FnOnce(Store) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    block_on(async {
        let path = places.database();
        let store = match Store::open_existing_read_only(&path).await {
            // That of an earlier program is brought up to date, as long as no run has it.
            Err(older @ StoreError::Older { .. }) => {
                let home = places.absolute_home()?;
                // No home is made for it.
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
/// What `work` says.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let result = runtime.block_on(work);
    // What is still under way may be a command, or a file system, that hangs.
    runtime.shutdown_timeout(PATIENCE);
    result
}

/// The job whose id begins with `text`.
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

/// Refuses to train anew what is there: where `strangers` are attempts that are not in the database.
pub(crate) fn check_known(database: &Path, home: &Home, strangers: Vec<PathBuf>) -> Result<(), Failure> {
    let count = strangers.len();
    let Some(first) = strangers.into_iter().next() else { return Ok(()) };
    Err(StoreError::Strangers { path: database.to_owned(), home: home.path().to_owned(), first, count }.into())
}
