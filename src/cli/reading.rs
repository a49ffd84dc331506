//! What the commands that only read have in common.

use std::fs::File;
use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::summary::command_line;
use super::{Failure, Global, hints};
use sweep_run::{Lock, RunError, Unwritten};
use sweep_spec::text::{self, plain};
use sweep_store::{JobDetails, Store, StoreError};
use sweep_wire::home::Home;

/// So long may take what nobody waits for any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the results database for reading and runs `work` on it.
pub fn with_store<T, F>(global: &Global, work: impl FnOnce(Store) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    block_on(async {
        let path = global.database();
        let store = match Store::open_existing_read_only(&path).await {
            // That of an earlier program is brought up to date, as long as no run has it.
            Err(older @ StoreError::Older { .. }) => {
                let home = global.absolute_home()?;
                // No home is made for it.
                let lock = home.path().is_dir().then(|| Lock::take(&home)).transpose();
                let Ok(_lock) = lock else { return Err(failure(older)) };
                let workplace = global.workplace(&home)?;
                let path = workplace.database.clone();
                let Ok(_database) = Lock::take_database(&path, &home) else { return Err(failure(older)) };
                Store::open(&path).await.map_err(failure)?.close().await;
                workplace.publish().await.map_err(failure)?;
                Store::open_existing_read_only(&path).await
            }
            store => store,
        };
        let store = store.map_err(failure)?;
        let result = work(store.clone()).await;
        store.close().await;
        result
    })
}

/// Runs `work` to its end on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let result = runtime.block_on(work);
    // What is still under way may be a command, or a file system, that hangs.
    runtime.shutdown_timeout(PATIENCE);
    result
}

/// The exit code that a database error leads to.
pub fn failure(error: StoreError) -> Failure {
    if error.is_usage() {
        Failure::usage(error)
    } else if error.is_environment() {
        Failure::environment(error)
    } else {
        Failure::internal(error)
    }
}

/// The job whose id begins with `text`.
pub fn job(global: &Global, text: &str) -> Result<JobDetails, Failure> {
    with_store(global, async |store| {
        let id = store.find_job(text).await.map_err(failure)?;
        store.job(id).await.map_err(failure)
    })
}

/// The failure that a run which could not go on is.
pub fn stopped_short(error: RunError) -> Failure {
    match error {
        RunError::Store(error) => failure(error),
        RunError::Next(message) => Failure::drawn(message),
        RunError::Write(_) | RunError::Start(_) | RunError::TakenOver { .. } | RunError::Io(_) => {
            Failure::environment(error)
        }
    }
}

/// What came of the run is in its logs alone.
pub fn unwritten_failure(unwritten: &Unwritten, database: &Path, home: &Home) -> Failure {
    let holder = unwritten.holder.as_deref().unwrap_or("another program");
    let next = command_line();
    Failure::environment(format!(
        "{} is locked by {holder}: the last of what was trained is in the logs in {} and not yet in it; nothing is lost: end that \
         program's transaction, then `{next}` reads them",
        database.display(),
        home.display()
    ))
}

/// Refuses to train anew what is there: where `strangers` are attempts that are not in the database.
pub fn check_known(database: &Path, home: &Home, strangers: Vec<PathBuf>) -> Result<(), Failure> {
    let count = strangers.len();
    let Some(first) = strangers.into_iter().next() else { return Ok(()) };
    Err(failure(StoreError::Strangers { path: database.to_owned(), home: home.path().to_owned(), first, count }))
}

/// Writes to stdout, without what acts on a terminal, wherever it comes from, and with commands that work as they stand.
pub fn print(text: &str) -> Result<(), Failure> {
    draw(&hints::complete(&plain(text))).map(|_| ())
}

/// Writes JSON to stdout: all that it says, and nothing that acts on a terminal.
pub fn print_json(text: &str) -> Result<(), Failure> {
    draw(&text::json(text)).map(|_| ())
}

/// Writes text of this program's own making to stdout, with the colours that it has: others' texts in it have been through
/// [`sweep_spec::text`]. Whether anybody goes on reading.
pub fn draw(text: &str) -> Result<bool, Failure> {
    written(stdout()?.write_all(text.as_bytes()))
}

/// Stdout as a file: the standard library takes all that is written to a closed one for written.
pub fn stdout() -> Result<File, Failure> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(unwritten)
}

/// Whether anybody goes on reading. A reader that has gone away (`| head`) has what it wanted.
pub fn written(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(unwritten(error)),
    }
}

fn unwritten(error: io::Error) -> Failure {
    Failure::environment(format!("cannot write to stdout: {error}"))
}
